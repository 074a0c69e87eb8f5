/* SPDX-License-Identifier: MIT */
/*
 * Feeds frames to the decoder as raw bytes: whole, byte by byte, and split in
 * two at every place, always from a heap block of exact size, so that a
 * sanitizer sees each byte that is read too far.  The results are noted as one
 * line of text, with which a test compares:
 *
 *     T(Hello) B(..) ping(..) pong(..) close(..) more    frames, in order
 *     ...                          the decoder waits for the rest
 *     !1002@3                      it failed with 1002 at byte 3: after bytes
 *                                  0 to 3 had come, and not before
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../ws.h"
#include "test.h"

/* A mask that changes nothing, which keeps the cases readable. */
#define M0 "\0\0\0\0"

static const char *current = ""; /* the case, for what a failure says */

static struct {
	char text[400000];
	size_t len;
} out;

static void note(const char *what, const unsigned char *data, size_t len)
{
	out.len += (size_t)sprintf(out.text + out.len, "%s(", what);
	if (len > 0)
		memcpy(out.text + out.len, data, len);
	out.len += len;
	out.len += (size_t)sprintf(out.text + out.len, ") ");
}

static void note_frame(const struct ws_frame *f)
{
	static const char *const names[16] = {
		[WS_TEXT] = "T",    [WS_BINARY] = "B",  [WS_CLOSE] = "close",
		[WS_PING] = "ping", [WS_PONG] = "pong",
	};

	if (f->opcode == WS_CONTINUATION)
		out.len += (size_t)sprintf(out.text + out.len, "more ");
	else
		note(names[f->opcode], f->data + f->from, f->to - f->from);
}

/* Feeds in[from..to) to d.  Returns false if the decoder fails. */
static bool feed(struct ws_decoder *d, const unsigned char *in, size_t from,
		 size_t to)
{
	size_t at = 0, len = to - from;
	unsigned char *piece;
	struct ws_frame f;
	int n = 1;

	if (len == 0)
		return true;
	piece = malloc(len);
	memcpy(piece, in + from, len);
	while (at < len) {
		n = ws_decode(d, piece, at, len, &f);
		if (n <= 0)
			break;
		ck_assert_uint_gt((size_t)n, at);
		ck_assert_uint_le((size_t)n, len);
		note_frame(&f);
		at = (size_t)n;
	}
	free(piece);
	if (n < 0)
		out.len += (size_t)sprintf(out.text + out.len, "!%d", -n);
	return n >= 0;
}

/* Decodes in[0..len) in pieces of `size` bytes, the first one of `first` bytes,
   and returns the results as text. */
static const char *decode(const unsigned char *in, size_t len, size_t first,
			  size_t size)
{
	unsigned char *buffer = malloc(WS_BUFFER);
	struct ws_decoder d;
	size_t at = 0, next = first;

	memset(buffer, 0xaa, WS_BUFFER);
	ws_init(&d, buffer);
	out.len = 0;
	out.text[0] = '\0';
	while (at < len) {
		if (next > len)
			next = len;
		if (!feed(&d, in, at, next)) {
			if (size == 1)
				sprintf(out.text + out.len, "@%zu", next - 1);
			free(buffer);
			return out.text;
		}
		at = next;
		next = at + size;
	}
	if (d.header_got > 0 || d.message_opcode != 0)
		out.len += (size_t)sprintf(out.text + out.len, "...");
	out.text[out.len] = '\0';
	free(buffer);
	return out.text;
}

/* Returns the expected text without its "@n", which is known only when the
   bytes come one by one. */
static const char *without_place(const char *want)
{
	static char text[400000];
	char *at;

	strcpy(text, want);
	at = strrchr(text, '@');
	if (at != NULL && strchr(text, '!') != NULL)
		*at = '\0';
	return text;
}

static void expect(const unsigned char *in, size_t len, const char *want)
{
	bool same = strcmp(decode(in, len, 1, 1), want) == 0;
	size_t step = len < 2000 ? 1 : len / 500;

	ck_assert_msg(same, "%s byte by byte: %s, not %s", current, out.text,
		      want);
	want = without_place(want);
	for (size_t first = 1; first <= len; first += step) {
		same = strcmp(decode(in, len, first, len), want) == 0;
		if (!same)
			ck_abort_msg("%s split at %zu: %s, not %s", current,
				     first, out.text, want);
	}
}

struct sample {
	const char *name, *bytes;
	size_t len;
	const char *want;
};
#define SAMPLE(name, bytes, want)                    \
	{                                            \
		name, bytes, sizeof(bytes) - 1, want \
	}

static const struct sample good[] = {
	/* RFC 6455, 5.7, as a client sends them */
	SAMPLE("masked_hello", "\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58",
	       "T(Hello) "),
	SAMPLE("fragmented_hello",
	       "\x01\x83" M0 "Hel"
	       "\x80\x82" M0 "lo",
	       "more T(Hello) "),
	SAMPLE("ping_hello", "\x89\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58",
	       "ping(Hello) "),
	SAMPLE("pong_hello", "\x8a\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58",
	       "pong(Hello) "),
	/* every part of a frame may be empty */
	SAMPLE("empty_text", "\x81\x80" M0, "T() "),
	SAMPLE("empty_binary", "\x82\x80" M0, "B() "),
	SAMPLE("empty_ping", "\x89\x80" M0, "ping() "),
	SAMPLE("empty_fragments", "\x01\x80" M0 "\0\x80" M0 "\x80\x80" M0,
	       "more more T() "),
	SAMPLE("empty_first_fragment", "\x02\x80" M0 "\x80\x82" M0 "ab",
	       "more B(ab) "),
	SAMPLE("empty_last_fragment", "\x02\x82" M0 "ab\x80\x80" M0,
	       "more B(ab) "),
	SAMPLE("two_messages", "\x81\x81" M0 "a\x82\x81" M0 "b", "T(a) B(b) "),
	SAMPLE("two_messages_and_nothing",
	       "\x81\x86" M0 "abcdef\x82\x84" M0 "ghij\x81\x80" M0,
	       "T(abcdef) B(ghij) T() "),
	SAMPLE("short_after_long", "\x81\x86" M0 "abcdef\x82\x80" M0,
	       "T(abcdef) B() "),
	SAMPLE("whole_after_fragments",
	       "\x01\x82" M0 "ab\x80\x81" M0 "c\x82\x82" M0 "de",
	       "more T(abc) B(de) "),
	/* 5.4: control frames may come within a message */
	SAMPLE("ping_within_message",
	       "\x01\x82" M0 "ab"
	       "\x89\x83" M0 "png"
	       "\x80\x81" M0 "c",
	       "more ping(png) T(abc) "),
	SAMPLE("controls_within_message",
	       "\x02\x81" M0 "a\x8a\x81" M0 "o\x00\x81" M0 "b"
	       "\x89\x81" M0 "i\x80\x80" M0,
	       "more pong(o) more ping(i) B(ab) "),
	SAMPLE("close_within_message", "\x01\x81" M0 "a\x88\x80" M0,
	       "more close() ..."),
	SAMPLE("unfinished_header", "\x81", "..."),
	SAMPLE("unfinished_payload", "\x81\x82" M0 "a", "..."),
	SAMPLE("character_across_fragments",
	       "\x01\x81" M0 "\xe2\x00\x81" M0 "\x82\x80\x81" M0 "\xac",
	       "more more T(\xe2\x82\xac) "),
	SAMPLE("ping_within_character",
	       "\x01\x81" M0 "\xc3\x89\x81" M0 "\xff\x80\x81" M0 "\xa9",
	       "more ping(\xff) T(\xc3\xa9) "),
	SAMPLE("binary_is_not_text", "\x82\x82" M0 "\xff\xfe", "B(\xff\xfe) "),
	SAMPLE("ping_is_not_text", "\x89\x82" M0 "\xff\xfe", "ping(\xff\xfe) "),
};

static const struct sample bad[] = {
	/* 5.1 */
	SAMPLE("unmasked_text", "\x81\x05Hello", "!1002@1"),
	SAMPLE("unmasked_ping", "\x89\x00", "!1002@1"),
	/* 5.2: reserved bits and opcodes */
	SAMPLE("rsv1", "\xc1\x80" M0, "!1002@0"),
	SAMPLE("rsv2", "\xa1\x80" M0, "!1002@0"),
	SAMPLE("rsv3", "\x91\x80" M0, "!1002@0"),
	SAMPLE("all_rsv", "\xf1\x80" M0, "!1002@0"),
	SAMPLE("rsv_after_good", "\x81\x81" M0 "a\xc1\x80" M0, "T(a) !1002@7"),
	SAMPLE("rsv_in_control", "\xc9\x80" M0, "!1002@0"),
	SAMPLE("rsv_in_continuation", "\x01\x80" M0 "\xc0\x80" M0,
	       "more !1002@6"),
	SAMPLE("opcode_3", "\x83\x80" M0, "!1002@0"),
	SAMPLE("opcode_4", "\x84\x80" M0, "!1002@0"),
	SAMPLE("opcode_5", "\x85\x80" M0, "!1002@0"),
	SAMPLE("opcode_6", "\x86\x80" M0, "!1002@0"),
	SAMPLE("opcode_7", "\x87\x80" M0, "!1002@0"),
	SAMPLE("opcode_11", "\x8b\x80" M0, "!1002@0"),
	SAMPLE("opcode_12", "\x8c\x80" M0, "!1002@0"),
	SAMPLE("opcode_13", "\x8d\x80" M0, "!1002@0"),
	SAMPLE("opcode_14", "\x8e\x80" M0, "!1002@0"),
	SAMPLE("opcode_15", "\x8f\x80" M0, "!1002@0"),
	/* 5.2: lengths */
	SAMPLE("length_125_in_16_bits", "\x82\xfe\x00\x7d", "!1002@3"),
	SAMPLE("length_0_in_16_bits", "\x82\xfe\x00\x00", "!1002@3"),
	SAMPLE("length_65535_in_64_bits",
	       "\x82\xff\x00\x00\x00\x00\x00\x00\xff\xff", "!1002@9"),
	SAMPLE("length_2_to_the_63", "\x82\xff\x80\x00\x00\x00\x00\x00\x00\x00",
	       "!1002@2"),
	SAMPLE("all_ones", "\x82\xff\xff\xff\xff\xff\xff\xff\xff\xff",
	       "!1002@2"),
	SAMPLE("length_2_to_the_62", "\x82\xff\x40\x00\x00\x00\x00\x00\x00\x00",
	       "!1009@9"),
	SAMPLE("length_2_to_the_32", "\x82\xff\x00\x00\x00\x01\x00\x00\x00\x00",
	       "!1009@9"),
	SAMPLE("sum_that_wraps",
	       "\x02\x82" M0 "ab\x80\xff\x7f\xff\xff\xff\xff\xff\xff\xfe",
	       "more !1009@17"),
	/* 5.4: fragments */
	SAMPLE("continuation_of_nothing", "\x80\x80" M0, "!1002@0"),
	SAMPLE("open_continuation_of_nothing", "\x00\x80" M0, "!1002@0"),
	SAMPLE("continuation_after_the_end",
	       "\x01\x80" M0 "\x80\x80" M0 "\x80\x80" M0, "more T() !1002@12"),
	SAMPLE("text_within_message", "\x01\x80" M0 "\x81\x80" M0,
	       "more !1002@6"),
	SAMPLE("binary_within_message", "\x01\x80" M0 "\x02\x80" M0,
	       "more !1002@6"),
	/* 5.5: control frames */
	SAMPLE("fragmented_ping", "\x09\x80" M0, "!1002@0"),
	SAMPLE("fragmented_pong", "\x0a\x80" M0, "!1002@0"),
	SAMPLE("fragmented_close", "\x08\x80" M0, "!1002@0"),
	SAMPLE("ping_of_126", "\x89\xfe\x00\x7e", "!1002@1"),
	SAMPLE("close_of_65536", "\x88\xff", "!1002@1"),
	/* 8.1: the first invalid byte fails */
	SAMPLE("text_ends_in_character", "\x81\x81" M0 "\xc3", "!1007@6"),
	SAMPLE("text_ends_in_character_by_fragments",
	       "\x01\x81" M0 "\xe2\x80\x81" M0 "\x82", "more !1007@13"),
	SAMPLE("impossible_byte_early", "\x81\xa0" M0 "ok\xff", "!1007@8"),
	SAMPLE("impossible_byte_in_fragment",
	       "\x01\x81" M0 "\xe2\x80\x88" M0 "\x28", "more !1007@13"),
};

START_TEST(decodes)
{
	current = good[_i].name;
	expect((const unsigned char *)good[_i].bytes, good[_i].len,
	       good[_i].want);
}
END_TEST

START_TEST(rejects)
{
	current = bad[_i].name;
	expect((const unsigned char *)bad[_i].bytes, bad[_i].len, bad[_i].want);
}
END_TEST

/* RFC 3629 and Unicode's table 3-7: the first and the last of each range, and
   their neighbours outside of it.  ok is the number of bytes that are accepted:
   all of them if the text is valid. */
static const struct {
	const char *bytes;
	size_t ok;
} texts[] = {
	{"\x01", 1},
	{"\x7f", 1},
	{"\xc2\x80", 2},
	{"\xdf\xbf", 2},
	{"\xe0\xa0\x80", 3},
	{"\xed\x9f\xbf", 3},
	{"\xee\x80\x80", 3},
	{"\xef\xbf\xbd", 3},
	{"\xef\xbf\xbe", 3},
	{"\xef\xbf\xbf", 3},
	{"\xf0\x90\x80\x80", 4},
	{"\xf4\x8f\xbf\xbf", 4},
	{"\xf1\x80\x80\x80", 4},
	{"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5", 11},
	{"\x80", 0},
	{"\xbf", 0},
	{"\xc0\x80", 0},
	{"\xc1\xbf", 0},
	{"\xe0\x9f\xbf", 1},
	{"\xe0\x80\x80", 1},
	{"\xf0\x8f\xbf\xbf", 1},
	{"\xf0\x80\x80\x80", 1},
	{"\xed\xa0\x80", 1},
	{"\xed\xbf\xbf", 1},
	{"\xf4\x90\x80\x80", 1},
	{"\xf5\x80\x80\x80", 0},
	{"\xf8\x88\x80\x80\x80", 0},
	{"\xfc\x84\x80\x80", 0},
	{"\xfe", 0},
	{"\xff", 0},
	{"\xc2\x7f", 1},
	{"\xc2\xc0", 1},
	{"\xe1\x80\x7f", 2},
	{"\xe1\x80\xc0", 2},
	{"\xf1\x80\x80\x20", 3},
	{"a\xc3\xa9z\xff", 4},
};

START_TEST(checks_utf8)
{
	unsigned char frame[64] = {0x81, 0, 0x12, 0x34, 0x56, 0x78};
	size_t len = strlen(texts[_i].bytes);
	char want[64];

	frame[1] = (unsigned char)(0x80 | len);
	for (size_t i = 0; i < len; i++)
		frame[6 + i] =
			(unsigned char)(texts[_i].bytes[i] ^ frame[2 + i % 4]);
	if (texts[_i].ok == len)
		snprintf(want, sizeof want, "T(%s) ", texts[_i].bytes);
	else
		snprintf(want, sizeof want, "!1007@%zu", 6 + texts[_i].ok);
	expect(frame, 6 + len, want);
}
END_TEST

static const size_t sizes[] = {0,   1,   124, 125, 126,  127,
			       128, 255, 256, 997, 4095, MESSAGE_MAX};

/* Builds a masked frame with n bytes of payload.  Returns its size. */
static size_t build(unsigned char *frame, int first, size_t n)
{
	static const unsigned char mask[4] = {0x37, 0xfa, 0x21, 0x3d};
	size_t at = ws_header(frame, WS_BINARY, n);

	frame[0] = (unsigned char)first;
	frame[1] |= 0x80;
	memcpy(frame + at, mask, 4);
	at += 4;
	for (size_t i = 0; i < n; i++)
		frame[at + i] = (unsigned char)(('a' + i % 26) ^ mask[i % 4]);
	return at + n;
}

START_TEST(decodes_each_size)
{
	static unsigned char frame[MESSAGE_MAX + WS_CLIENT_HEADER];
	static char want[MESSAGE_MAX + 8];
	size_t n = sizes[_i], len = build(frame, 0x81, n);

	strcpy(want, "T(");
	for (size_t i = 0; i < n; i++)
		want[2 + i] = (char)('a' + i % 26);
	strcpy(want + 2 + n, ") ");
	expect(frame, len, want);
}
END_TEST

START_TEST(rejects_a_message_one_byte_too_long)
{
	static unsigned char frames[2 * MESSAGE_MAX];
	size_t len = build(frames, 0x82, MESSAGE_MAX + 1);
	char want[32];

	expect(frames, len, "!1009@3");
	/* and as the sum of two fragments */
	len = build(frames, 0x02, MESSAGE_MAX);
	len += build(frames + len, 0x80, 1);
	snprintf(want, sizeof want, "!1009@%zu", len - 6);
	decode(frames, len, 1, 1);
	ck_assert_ptr_nonnull(strstr(out.text, want));
}
END_TEST

/* One-byte fragments, with a ping after each. */
START_TEST(decodes_thousands_of_fragments)
{
	enum { N = 3000 };
	static unsigned char in[N * 13 + 6];
	size_t len = 0;
	struct ws_decoder d;
	static unsigned char buffer[WS_BUFFER];
	struct ws_frame f = {0};
	int at = 0, pings = 0;

	for (int i = 0; i < N; i++) {
		len += build(in + len, i == 0 ? 0x01 : 0x00, 1);
		len += build(in + len, 0x89, 0);
	}
	len += build(in + len, 0x80, 0);
	ws_init(&d, buffer);
	while ((size_t)at < len) {
		at = ws_decode(&d, in, (size_t)at, len, &f);
		ck_assert_int_gt(at, 0);
		pings += f.opcode == WS_PING;
	}
	ck_assert_int_eq(pings, N);
	ck_assert_int_eq(f.opcode, WS_TEXT);
	ck_assert_uint_eq(f.to - f.from, N);
	ck_assert(d.header_got == 0 && d.message_opcode == 0);
}
END_TEST

START_TEST(copies_no_message_that_is_complete_in_the_input)
{
	unsigned char in[32], buffer[WS_BUFFER] = {0};
	size_t len = build(in, 0x81, 5);
	struct ws_decoder d;
	struct ws_frame f;

	ws_init(&d, buffer);
	ck_assert_int_eq(ws_decode(&d, in, 0, len, &f), (int)len);
	ck_assert_ptr_eq(f.data + f.from, in + 6);
	for (size_t i = 0; i < sizeof buffer; i++)
		ck_assert_msg(buffer[i] == 0, "buffer[%zu] was touched", i);
}
END_TEST

START_TEST(writes_minimal_headers)
{
	static const struct {
		size_t len, size;
		unsigned char bytes[10];
	} headers[] = {
		{0, 2, {0x81, 0}},
		{125, 2, {0x81, 125}},
		{126, 4, {0x81, 126, 0, 126}},
		{65535, 4, {0x81, 126, 255, 255}},
		{65536, 10, {0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0}},
		{0x01020304, 10, {0x81, 127, 0, 0, 0, 0, 1, 2, 3, 4}},
	};
	unsigned char header[WS_SERVER_HEADER + 1];

	for (size_t i = 0; i < COUNT(headers); i++) {
		memset(header, 0xaa, sizeof header);
		ck_assert_uint_eq(ws_header(header, WS_TEXT, headers[i].len),
				  headers[i].size);
		ck_assert_mem_eq(header, headers[i].bytes, headers[i].size);
		ck_assert_int_eq(header[headers[i].size], 0xaa);
	}
	ws_header(header, WS_PONG, 0);
	ck_assert_int_eq(header[0], 0x8a);
}
END_TEST

static int close_code(const unsigned char *payload, size_t len)
{
	struct ws_frame f = {WS_CLOSE, payload, 0, len};

	return ws_close_code(&f);
}

START_TEST(accepts_exactly_the_valid_close_codes)
{
	/* 7.4.1, 7.4.2 and the IANA registry */
	for (int code = 0; code <= 65535; code++) {
		unsigned char payload[2] = {(unsigned char)(code >> 8),
					    (unsigned char)code};
		bool legal = (code >= 1000 && code <= 1003) ||
			     (code >= 1007 && code <= 1014) ||
			     (code >= 3000 && code <= 4999);

		if (close_code(payload, 2) !=
		    (legal ? code : -WS_PROTOCOL_ERROR))
			ck_abort_msg("code %d", code);
	}
}
END_TEST

START_TEST(reads_close_payloads)
{
	unsigned char payload[125] = {0x03, 0xe8};

	ck_assert_int_eq(close_code(payload, 0), WS_NO_STATUS);
	ck_assert_int_eq(close_code(payload, 1), -WS_PROTOCOL_ERROR);
	ck_assert_int_eq(close_code(payload, 2), 1000);
	memset(payload + 2, 'x', 123);
	ck_assert_int_eq(close_code(payload, 125), 1000);
	payload[124] = 0xc3; /* a reason that ends within a character */
	ck_assert_int_eq(close_code(payload, 125), -WS_INVALID_DATA);
	payload[2] = 0xff;
	ck_assert_int_eq(close_code(payload, 3), -WS_INVALID_DATA);
}
END_TEST

Suite *ws_suite(void)
{
	Suite *suite = suite_create("ws");
	TCase *t = tcase_create("frames");

	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, decodes, 0, COUNT(good));
	tcase_add_loop_test(t, rejects, 0, COUNT(bad));
	tcase_add_loop_test(t, checks_utf8, 0, COUNT(texts));
	tcase_add_loop_test(t, decodes_each_size, 0, COUNT(sizes));
	tcase_add_test(t, rejects_a_message_one_byte_too_long);
	tcase_add_test(t, decodes_thousands_of_fragments);
	tcase_add_test(t, copies_no_message_that_is_complete_in_the_input);
	tcase_add_test(t, writes_minimal_headers);
	tcase_add_test(t, accepts_exactly_the_valid_close_codes);
	tcase_add_test(t, reads_close_payloads);
	suite_add_tcase(suite, t);
	return suite;
}
