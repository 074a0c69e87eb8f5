/* SPDX-License-Identifier: MIT */
/*
 * Feeds frames to the decoder as raw bytes: whole, byte by byte, and split in
 * two at every place, always from a heap block of exact size, so that a
 * sanitizer sees each byte that is read too far.  What a server would answer is
 * noted in the form of scripts.h, and compared with that.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../ws.h"
#include "scripts.h"

static struct {
	char text[9000];
	size_t len;
	bool ended; /* by a Close */
} answer;

static void note(const char *format, int value)
{
	const char *bar = answer.len > 0 ? "|" : "";

	answer.len += (size_t)sprintf(answer.text + answer.len, "%s", bar);
	answer.len += (size_t)sprintf(answer.text + answer.len, format, value);
}

static void note_close(int code)
{
	note("C%d", code == WS_NO_STATUS ? 0 : code < 0 ? -code : code);
	answer.ended = true;
}

/* Notes what a relay answers to a frame. */
static void note_frame(const struct ws_frame *f)
{
	size_t len = f->to - f->from;

	if (f->opcode == WS_CLOSE)
		note_close(ws_close_code(f));
	if (f->opcode != WS_TEXT && f->opcode != WS_BINARY &&
	    f->opcode != WS_PING)
		return;
	note("%x ", 0x80 | (f->opcode == WS_PING ? WS_PONG : f->opcode));
	if (len > 0)
		memcpy(answer.text + answer.len, f->data + f->from, len);
	answer.len += len;
	answer.text[answer.len] = '\0';
}

/* Feeds in[from..to) to the decoder, from a block of that size. */
static void feed(struct ws_decoder *d, const unsigned char *in, size_t from,
		 size_t to)
{
	size_t at = 0, len = to - from;
	unsigned char *piece = malloc(len > 0 ? len : 1);
	struct ws_frame f;

	memcpy(piece, in + from, len);
	while (at < len && !answer.ended) {
		int n = ws_decode(d, piece, at, len, &f);

		if (n < 0)
			note_close(n);
		if (n <= 0)
			break;
		MUST((size_t)n > at && (size_t)n <= len, "%d of %zu", n, len);
		note_frame(&f);
		at = (size_t)n;
	}
	free(piece);
}

/* Decodes in[0..len) in pieces of `size` bytes, the first one of `first` bytes.
   Returns the index of the byte that ended it, or len. */
static size_t decode(const unsigned char *in, size_t len, size_t first,
		     size_t size)
{
	unsigned char *buffer = malloc(WS_BUFFER);
	struct ws_decoder d;
	size_t at = 0, next = first;

	memset(buffer, 0xaa, WS_BUFFER);
	ws_init(&d, buffer);
	memset(&answer, 0, sizeof answer);
	for (; at < len && !answer.ended; next = at + size) {
		feed(&d, in, at, next < len ? next : len);
		at = next < len ? next : len;
	}
	free(buffer);
	return answer.ended ? at - 1 : len;
}

/* Decodes in[0..len) in all ways, which must give what is wanted.  If `certain`
   is not 0, the error shows at that byte. */
static void expect(const char *name, const unsigned char *in, size_t len,
		   const char *want, size_t certain)
{
	size_t n = strcspn(want, "@"), step = len < 2000 ? 1 : len / 500, at;

	at = decode(in, len, 1, 1);
	MUST(answer.len == n && memcmp(answer.text, want, n) == 0,
	     "%s byte by byte: %s, not %s", name, answer.text, want);
	MUST(certain == 0 || at == certain, "%s: at byte %zu, not %zu", name,
	     at, certain);
	for (size_t first = 1; first <= len; first += step) {
		decode(in, len, first, len);
		MUST(answer.len == n && memcmp(answer.text, want, n) == 0,
		     "%s split at %zu: %s, not %s", name, first, answer.text,
		     want);
	}
}

START_TEST(decodes_every_script)
{
	const struct script *c = &scripts[_i];
	const char *place = strchr(c->expect, '@');
	unsigned char bytes[4096];
	size_t len = 0, size, at, start = 0;

	for (const char *s = c->send; *s != '\0'; len += size)
		s = build_next(bytes + len, &size, s);
	expect(c->name, bytes, len, c->expect, 0);
	if (place == NULL)
		return;
	/* the frame that has the byte at which it ended */
	at = decode(bytes, len, 1, 1);
	len = 0;
	for (const char *s = c->send; *s != '\0' && len <= at; len += size) {
		start = len;
		s = build_next(bytes, &size, s);
	}
	ck_assert_msg(at - start == (size_t)atoi(place + 1),
		      "%s: at byte %zu of its frame", c->name, at - start);
}
END_TEST

START_TEST(checks_utf8)
{
	unsigned char frame[64];
	const char *text = texts[_i].text;
	size_t len = strlen(text), bad = (size_t)texts[_i].bad;
	char want[64];

	if (texts[_i].bad == -1)
		snprintf(want, sizeof want, "81 %s", text);
	else
		strcpy(want, "C1007");
	if (texts[_i].bad == -2)
		bad = len - 1;
	expect("text", frame, build_frame(frame, 0x81, len, text, len), want,
	       texts[_i].bad == -1 ? 0 : 6 + bad);
}
END_TEST

static const size_t sizes[] = {0,   1,   124, 125, 126,  127,
			       128, 255, 256, 997, 4095, MESSAGE_MAX};

/* The letters of the alphabet, again and again. */
static char *letters(void)
{
	static char text[MESSAGE_MAX + 2];

	for (size_t i = 0; i < sizeof text - 1; i++)
		text[i] = (char)('a' + i % 26);
	return text;
}

START_TEST(decodes_each_size)
{
	static unsigned char frame[MESSAGE_MAX + WS_CLIENT_HEADER];
	static char want[MESSAGE_MAX + 8];
	size_t n = sizes[_i];

	sprintf(want, "81 %.*s", (int)n, letters());
	expect("size", frame, build_frame(frame, 0x81, n, letters(), n), want,
	       0);
}
END_TEST

START_TEST(rejects_a_message_one_byte_too_long)
{
	static unsigned char frames[2 * MESSAGE_MAX];
	const size_t n = MESSAGE_MAX + 1;
	size_t len = build_frame(frames, 0x82, n, letters(), n);

	expect("too long", frames, len, "C1009", 3);
	/* and as the sum of two fragments */
	len = build_frame(frames, 0x02, n - 1, letters(), n - 1);
	len += build_frame(frames + len, 0x80, 1, "x", 1);
	ck_assert_uint_eq(decode(frames, len, 1, 1), len - 6);
	ck_assert_str_eq(answer.text, "C1009");
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

Suite *ws_suite(void)
{
	Suite *suite = suite_create("ws");
	TCase *t = tcase_create("frames");

	tcase_set_timeout(t, 60);
	add_table_test(t, decodes_every_script, scripts);
	add_table_test(t, checks_utf8, texts);
	add_table_test(t, decodes_each_size, sizes);
	tcase_add_test(t, rejects_a_message_one_byte_too_long);
	tcase_add_test(t, writes_minimal_headers);
	tcase_add_test(t, accepts_exactly_the_valid_close_codes);
	suite_add_tcase(suite, t);
	return suite;
}
