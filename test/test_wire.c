/* SPDX-License-Identifier: MIT */
/*
 * RFC 6455 on the wire, case by case: the frames that the real server is sent,
 * and those that must come back.  A script is a list of frames "first payload"
 * with | between them; first is FIN, RSV and opcode in hex.  "+n" behind it
 * declares n bytes where fewer are sent; "C1002" is an answering Close with
 * code 1002.
 *
 * Each script is played in one write, frame by frame, and byte by byte.  A
 * witness in the same room must get each message once, in order, and nothing
 * else.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "handshake.h"
#include "test.h"

static struct server s;
static int witness;

struct script {
	const char *name, *send, *expect;
};

static const struct script scripts[] = {
	/* messages and pings */
	{"text", "81 Hello", "81 Hello"},
	{"binary", "82 \x01\xfe\xff", "82 \x01\xfe\xff"},
	{"empty text", "81 ", "81 "},
	{"empty binary", "82 ", "82 "},
	{"ping", "89 ", "8a "},
	{"ping with payload", "89 Hello", "8a Hello"},
	{"ping with bytes", "89 \xfe\xfd\xfc\xfb", "8a \xfe\xfd\xfc\xfb"},
	{"ping of 126", "89+126 ", "C1002"},
	{"unsolicited pong", "8a |81 x", "81 x"},
	{"unsolicited pongs", "8a a|8a b|89 c|8a d", "8a c"},
	{"ten pings", "89 0|89 1|89 2|89 3|89 4|89 5|89 6|89 7|89 8|89 9",
	 "8a 0|8a 1|8a 2|8a 3|8a 4|8a 5|8a 6|8a 7|8a 8|8a 9"},
	/* reserved bits and opcodes */
	{"rsv3", "91 x", "C1002"},
	{"rsv2", "a1 x", "C1002"},
	{"rsv1", "c1 x", "C1002"},
	{"rsv2 and 3", "b1 x", "C1002"},
	{"rsv1 and 3", "d1 x", "C1002"},
	{"rsv1 and 2", "e1 x", "C1002"},
	{"all rsv", "f1 x", "C1002"},
	{"rsv after good", "81 a|c1 x|81 b", "81 a|C1002"},
	{"rsv in binary", "f2 x", "C1002"},
	{"rsv in ping", "f9 x", "C1002"},
	{"rsv in close", "c8 ", "C1002"},
	{"opcode 3", "83 ", "C1002"},
	{"opcode 4", "84 x", "C1002"},
	{"opcode 5 after good", "81 a|85 |89 ", "81 a|C1002"},
	{"opcode 6 after good", "81 a|86 x|89 ", "81 a|C1002"},
	{"opcode 7", "87 x", "C1002"},
	{"opcode 11", "8b ", "C1002"},
	{"opcode 12", "8c x", "C1002"},
	{"opcode 13 after good", "81 a|8d |89 ", "81 a|C1002"},
	{"opcode 14 after good", "81 a|8e x|89 ", "81 a|C1002"},
	{"opcode 15", "8f x", "C1002"},
	{"open opcode 3", "03 x", "C1002"},
	/* fragments */
	{"fragmented ping", "09 a|80 b", "C1002"},
	{"fragmented pong", "0a a|80 b", "C1002"},
	{"fragmented close", "08 |80 ", "C1002"},
	{"two fragments", "01 frag|80 ment", "81 fragment"},
	{"two binary fragments", "02 a|80 b", "82 ab"},
	{"ping between fragments", "01 a|89 p|80 b", "8a p|81 ab"},
	{"pong between fragments", "01 a|8a p|80 b", "81 ab"},
	{"pings between many", "01 a|00 b|89 1|00 c|00 d|89 2|80 e",
	 "8a 1|8a 2|81 abcde"},
	{"continuation of nothing", "80 a|81 b", "C1002"},
	{"open continuation of nothing", "00 a|81 b", "C1002"},
	{"continuation after the end", "01 a|80 b|80 c", "81 ab|C1002"},
	{"open continuation after the end", "01 a|80 b|00 c", "81 ab|C1002"},
	{"continuation after whole", "81 a|80 b", "81 a|C1002"},
	{"text in text", "01 a|81 b", "C1002"},
	{"open text in text", "01 a|01 b|80 c", "C1002"},
	{"binary in text", "01 a|82 b", "C1002"},
	{"text in binary", "02 a|81 b", "C1002"},
	{"text in text after ping", "01 a|89 p|81 b", "8a p|C1002"},
	{"empty fragments", "01 |00 |80 ", "81 "},
	{"empty but the middle", "01 |00 x|80 ", "81 x"},
	{"empty but the first", "01 x|00 |80 ", "81 x"},
	{"empty but the last", "01 |00 |80 x", "81 x"},
	{"two messages in fragments", "01 a|80 b|02 c|80 d", "81 ab|82 cd"},
	/* texts, of which more below */
	{"utf-8", "81 \xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5",
	 "81 \xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5"},
	{"fail at once in a frame that goes on", "81+100 ok\xff", "C1007"},
	{"fail at once in a message that goes on", "01 ok|00+9 \xed\xa0",
	 "C1007"},
	{"fail at once behind a fragment", "01 \xce|00+50 x", "C1007"},
	{"overlong", "81+20 \xc0", "C1007"},
	{"above the last", "81+20 \xf4\x90", "C1007"},
	{"binary may be anything", "02 \xff|80 \xc0\xaf", "82 \xff\xc0\xaf"},
	{"ping may be anything", "89 \xff", "8a \xff"},
	/* close */
	{"close", "88 ", "C0"},
	{"close with code", "88 \x03\xe8", "C1000"},
	{"close with reason", "88 \x03\xe8 so long", "C1000"},
	{"close with one byte", "88 \x03", "C1002"},
	{"close of 126", "88+126 ", "C1002"},
	{"close with bad reason", "88 \x03\xe8\xce\xba\xff", "C1007"},
	{"close with cut reason", "88 \x03\xe8\xce", "C1007"},
	{"text after close", "88 \x03\xe8|81 x", "C1000"},
	{"ping after close", "88 \x03\xe8|89 x", "C1000"},
	{"two closes", "88 \x03\xe8|88 \x03\xe9", "C1000"},
	{"close within a message", "01 a|88 \x03\xe8|80 b", "C1000"},
	{"text, then close", "81 a|88 \x03\xe8", "81 a|C1000"},
	{"bytes after close", "88 \x03\xe8|ff \xff\xff", "C1000"},
	/* lengths: a frame that declares too much is refused at its header */
	{"one byte too many", "82+4097 ", "C1009"},
	{"far too many", "82+70000 ", "C1009"},
	{"too many by the sum", "02 0123456789|80+4087 ", "C1009"},
	{"too many by the sum of three", "02 a|00 b|00+4095 ", "C1009"},
	{"too many after good", "81 a|81+4097 ", "81 a|C1009"},
};

/* ---- Playing ---- */

enum pace { AT_ONCE, BY_FRAME, BY_BYTE, PACES };

static void send_at(int fd, const unsigned char *bytes, size_t len,
		    enum pace pace)
{
	size_t step = pace == BY_BYTE ? 1 : len;

	for (size_t at = 0; at < len; at += step)
		send_all(fd, bytes + at, step);
}

static void play(int fd, const char *script, enum pace pace)
{
	unsigned char bytes[4096];
	size_t filled = 0;

	while (*script != '\0') {
		size_t len, declared;
		char *at;
		int first = (int)strtol(script, &at, 16);

		declared = *at == '+' ? strtoul(at + 1, &at, 10) : 0;
		script = at + 1; /* behind the blank */
		len = strcspn(script, "|");
		filled +=
			build_frame(bytes + filled, first,
				    declared > 0 ? declared : len, script, len);
		if (pace != AT_ONCE) {
			send_at(fd, bytes, filled, pace);
			filled = 0;
		}
		script += len + (script[len] == '|');
	}
	send_at(fd, bytes, filled, AT_ONCE);
}

/* Checks one frame against the start of a script; gives the rest of that. */
static const char *expect_frame(const char *name, const struct frame *f,
				const char *script)
{
	size_t len;
	char *at;
	int first = (int)strtol(script, &at, 16);

	script = at + 1;
	len = strcspn(script, "|");
	ck_assert_msg(f->first == first, "%s: %02x, not %02x", name, f->first,
		      first);
	ck_assert_msg(f->len == len && memcmp(f->data, script, len) == 0,
		      "%s: %s, not %s", name, f->data, script);
	return script + len + (script[len] == '|');
}

static void play_case(const struct script *c, enum pace pace)
{
	int fd = join_room(&s, "");
	const char *rest = c->expect;

	play(fd, c->send, pace);
	while (*rest != '\0' && *rest != 'C')
		rest = expect_frame(c->name, read_frame(fd), rest);
	if (*rest == 'C') {
		expect_close(fd, atoi(rest + 1));
	} else { /* it is still in the room */
		play(fd, "89 well", AT_ONCE);
		expect_frame(c->name, read_frame(fd), "8a well");
		close(fd);
	}
	/* the witness gets the messages, and not the pongs */
	for (rest = c->expect; *rest != '\0' && *rest != 'C';) {
		if (strncmp(rest, "8a", 2) != 0)
			expect_frame(c->name, read_frame(witness), rest);
		rest += strcspn(rest, "|");
		rest += *rest == '|';
	}
	play(witness, "89 witness", AT_ONCE);
	expect_frame(c->name, read_frame(witness), "8a witness");
}

static void begin(const char *binary)
{
	start_bare_relay(&s, binary);
	witness = join_room(&s, "");
}

static void finish(void)
{
	close(witness);
	ck_assert_int_eq(stop(&s), 0);
}

START_TEST(plays_every_script)
{
	begin(CHAT);
	for (size_t i = 0; i < COUNT(scripts); i++)
		play_case(&scripts[i], _i);
	finish();
}
END_TEST

/* ---- Cases made by rule ---- */

START_TEST(answers_pings_of_each_size)
{
	char payload[126];
	int fd;

	memset(payload, 'p', sizeof payload);
	begin(CHAT);
	fd = join_room(&s, "");
	for (size_t n = 0; n <= 125; n++) {
		struct frame *f;

		send_frame(fd, 0x89, payload, n);
		f = read_frame(fd);
		ck_assert_int_eq(f->first, 0x8a);
		ck_assert_uint_eq(f->len, n);
	}
	close(fd);
	finish();
}
END_TEST

START_TEST(takes_ping_byte_by_byte_within_message)
{
	int fd;

	begin(CHAT);
	fd = join_room(&s, "");
	play(fd, "01 mess", BY_BYTE);
	play(fd, "89 ping", BY_BYTE);
	expect_frame("ping", read_frame(fd), "8a ping");
	play(fd, "80 age", BY_BYTE);
	expect_frame("message", read_frame(fd), "81 message");
	close(fd);
	finish();
}
END_TEST

START_TEST(answers_each_close_code)
{
	static const int codes[] = {0,    999,  1000, 1001, 1002, 1003, 1004,
				    1005, 1006, 1007, 1008, 1009, 1010, 1011,
				    1012, 1013, 1014, 1015, 1016, 1100, 2000,
				    2999, 3000, 3999, 4000, 4999, 5000, 65535};

	begin(CHAT);
	for (size_t i = 0; i < COUNT(codes); i++) {
		int code = codes[i], fd = join_room(&s, "");
		unsigned char payload[125] = {(unsigned char)(code >> 8),
					      (unsigned char)code};
		bool legal = (code >= 1000 && code <= 1003) ||
			     (code >= 1007 && code <= 1014) ||
			     (code >= 3000 && code <= 4999);

		memset(payload + 2, 'r', 123); /* the longest reason */
		send_frame(fd, 0x88, payload, i % 2 ? 125 : 2);
		expect_close(fd, legal ? code : 1002);
	}
	finish();
}
END_TEST

/* Texts, valid as a whole or invalid from a byte on. */
static const struct {
	const char *text;
	int bad; /* the first impossible byte; -1: none; -2: the end */
} texts[] = {
	/* the first and last of each length, and what is beside them */
	{"\x7f", -1},
	{"\xc2\x80", -1},
	{"\xdf\xbf", -1},
	{"\xe0\xa0\x80", -1},
	{"\xef\xbf\xbf", -1},
	{"\xf0\x90\x80\x80", -1},
	{"\xf4\x8f\xbf\xbf", -1},
	{"\xf4\x90\x80\x80", 1},
	{"\xf5\x80\x80\x80", 0},
	{"\xf7\xbf\xbf\xbf", 0},
	{"\xf8\x88\x80\x80\x80", 0},
	{"\xfb\xbf\xbf\xbf\xbf", 0},
	{"\xfc\x84\x80\x80\x80\x80", 0},
	{"\xfd\xbf\xbf\xbf\xbf\xbf", 0},
	{"\xed\x9f\xbf", -1},
	{"\xee\x80\x80", -1},
	{"\xef\xbf\xbd", -1},
	/* noncharacters are valid */
	{"\xef\xbf\xbe", -1},
	{"\xef\xb7\x90", -1},
	{"\xf0\x9f\xbf\xbe", -1},
	{"\xf0\x9f\xbf\xbf", -1},
	{"\xf0\xaf\xbf\xbe", -1},
	{"\xf3\xbf\xbf\xbf", -1},
	{"\xf4\x8f\xbf\xbe", -1},
	/* continuation bytes, lone and missing */
	{"\x80", 0},
	{"\xbf", 0},
	{"a\x80\xbf", 1},
	{"\xc0 ", 0},
	{"\xc2 ", 1},
	{"\xdf ", 1},
	{"\xe0\xa0 ", 2},
	{"\xef ", 1},
	{"\xf0\x90\x80 ", 3},
	{"\xf4 ", 1},
	{"\xc2", -2},
	{"\xe2\x82", -2},
	{"\xf0\x90\x80", -2},
	{"\xc2\xc2\x80", 1},
	/* impossible bytes */
	{"\xfe", 0},
	{"\xff", 0},
	{"\xfe\xfe\xff\xff", 0},
	/* overlong forms */
	{"\xc0\xaf", 0},
	{"\xc1\xbf", 0},
	{"\xe0\x80\xaf", 1},
	{"\xe0\x9f\xbf", 1},
	{"\xf0\x80\x80\xaf", 1},
	{"\xf0\x8f\xbf\xbf", 1},
	{"\xf8\x80\x80\x80\xaf", 0},
	/* surrogates */
	{"\xed\xa0\x80", 1},
	{"\xed\xad\xbf", 1},
	{"\xed\xae\x80", 1},
	{"\xed\xb0\x80", 1},
	{"\xed\xbf\xbf", 1},
	{"\xed\xa0\x80\xed\xb0\x80", 1},
	{"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80"
	 "edited",
	 12},
};

/* Sends a text cut in two at a place: as fragments, or as segments. */
static void send_cut(int fd, const char *text, size_t cut, bool fragments)
{
	unsigned char bytes[64];
	size_t len = strlen(text), n;

	if (fragments) {
		send_frame(fd, 0x01, text, cut);
		send_frame(fd, 0x80, text + cut, len - cut);
		return;
	}
	n = build_frame(bytes, 0x81, len, text, len);
	send_all(fd, bytes, n - len + cut);
	send_all(fd, bytes + n - len + cut, len - cut);
}

START_TEST(accepts_only_utf8_texts)
{
	begin(CHAT);
	for (size_t i = 0; i < COUNT(texts); i++) {
		const char *text = texts[i].text;
		size_t len = strlen(text);

		for (size_t cut = 0; cut <= 2 * len + 1; cut++) {
			int fd = join_room(&s, "");

			send_cut(fd, text, cut / 2, cut % 2);
			if (texts[i].bad == -1) {
				expect_message(fd, text);
				expect_message(witness, text);
				close(fd);
			} else {
				expect_close(fd, 1007);
			}
		}
	}
	finish();
}
END_TEST

/* Returns whether nothing has come although the server has read all, which the
   answer to a later ping of the witness shows. */
static bool is_silent(int fd)
{
	char byte;

	play(witness, "89 now", AT_ONCE);
	expect_frame("witness", read_frame(witness), "8a now");
	return recv(fd, &byte, 1, MSG_DONTWAIT) < 0;
}

/* The frame declares 60 bytes and the message goes on behind it, but nothing
   follows the first impossible byte; nor does the answer wait for it. */
START_TEST(refuses_texts_at_the_first_impossible_byte)
{
	begin(CHAT);
	for (size_t i = 0; i < COUNT(texts); i++) {
		unsigned char bytes[80];
		size_t upto = (size_t)texts[i].bad;
		int fd;

		if (texts[i].bad < 0)
			continue;
		fd = join_room(&s, "");
		send_at(fd, bytes,
			build_frame(bytes, 0x01, 60, texts[i].text, upto),
			BY_BYTE);
		ck_assert_msg(is_silent(fd), "text %zu: too early", i);
		build_frame(bytes, 0x01, 60, texts[i].text, upto + 1);
		send_all(fd, bytes + 6 + upto, 1);
		expect_close(fd, 1007);
	}
	finish();
}
END_TEST

START_TEST(joins_thousands_of_one_byte_fragments)
{
	enum { N = 4096 };
	static char text[N + 1];
	int fd;

	for (int i = 0; i < N; i++)
		text[i] = (char)('a' + i % 26);
	begin(CHAT);
	fd = join_room(&s, "");
	for (int i = 0; i < N; i++)
		send_frame(fd, i == 0 ? 0x01 : 0x00, text + i, 1);
	send_frame(fd, 0x80, "", 0);
	expect_message(fd, text);
	expect_message(witness, text);
	close(fd);
	finish();
}
END_TEST

/* Declares MESSAGE_MAX and one more byte; the answer comes before any mask. */
START_TEST(refuses_long_message_at_its_header)
{
	static const char just[] = "\x82\xfe\x10\x00",
			  over[] = "\x82\xfe\x10\x01";
	static const char huge[] = "\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xfc";
	static const char top[] = "\x82\xff\x80";
	int fd;

	begin(CHAT);
	fd = join_room(&s, "");
	send_all(fd, just, 4);
	ck_assert(is_silent(fd));
	close(fd);
	fd = join_room(&s, "");
	send_all(fd, over, 3);
	ck_assert(is_silent(fd));
	send_all(fd, over + 3, 1);
	expect_close(fd, 1009);
	fd = join_room(&s, "");
	send_all(fd, huge, 10);
	expect_close(fd, 1009);
	fd = join_room(&s, "");
	send_all(fd, top, 3);
	expect_close(fd, 1002);
	finish();
}
END_TEST

/* ---- Big messages, in a build for 16 MiB ---- */

static unsigned char *big;
enum { MIB = 1 << 20 };

static void start_big(void)
{
	begin(BIG);
	big = malloc(16 * MIB + 16);
	for (size_t i = 0; i < 16 * MIB; i++)
		big[i] = (unsigned char)('a' + i % 26);
}

static void finish_big(void)
{
	free(big);
	finish();
}

/* Sends a message of n bytes, in frames and in writes of a size. */
static void send_big(int fd, int opcode, size_t n, size_t frame, size_t chop)
{
	unsigned char *bytes = malloc(n + n / frame * 14 + 28);
	size_t len = 0;

	for (size_t at = 0; at == 0 || at < n; at += frame) {
		size_t part = n - at < frame ? n - at : frame;
		int first = at == 0 ? opcode : 0;

		if (at + part == n)
			first |= 0x80;
		len += build_frame(bytes + len, first, part, (char *)big + at,
				   part);
	}
	for (size_t at = 0; at < len; at += chop)
		send_all(fd, bytes + at, len - at < chop ? len - at : chop);
	free(bytes);
}

static void expect_big(int fd, int opcode, size_t n)
{
	unsigned char *got = malloc(n + 1);
	size_t len = 0;

	ck_assert_int_eq(read_header(fd, &len), 0x80 | opcode);
	ck_assert_uint_eq(len, n);
	ck_assert(read_bytes(fd, got, n) && memcmp(got, big, n) == 0);
	free(got);
}

/* Opcode, size, size of a frame, and of a write. */
static const struct {
	int opcode;
	size_t n, frame, chop;
} bigs[] = {
	{1, 65535, 65535, 65535},
	{1, 65536, 65536, 65536},
	{2, 65536, 65536, 65536},
	{1, 65535, 65535, 997},
	{1, 65536, 65536, 997},
	{2, 65536, 65536, 997},
	{1, 65536, 65536, 1},
	{2, 65536, 65536, 1},
	{1, 65536, 1300, 65536},
	{1, 65536, 1300, 1300},
	{1, 256 * 1024, 256 * 1024, MIB},
	{1, MIB, MIB, MIB},
	{1, 4 * MIB, 4 * MIB, MIB},
	{1, 8 * MIB, 8 * MIB, MIB},
	{1, 16 * MIB, 16 * MIB, 16 * MIB},
	{2, 16 * MIB, 16 * MIB, 16 * MIB},
	{1, 4 * MIB, 64, MIB},
	{2, 4 * MIB, 64, MIB},
	{1, 4 * MIB, 256, MIB},
	{1, 4 * MIB, 1024, MIB},
	{1, 4 * MIB, 4096, MIB},
	{2, 4 * MIB, 16 * 1024, MIB},
	{1, 4 * MIB, 64 * 1024, MIB},
	{1, 4 * MIB, 256 * 1024, MIB},
	{1, 4 * MIB, MIB, MIB},
	{1, 16 * MIB, MIB, MIB},
	{1, MIB, MIB, 64},
	{2, MIB, MIB, 128},
	{1, MIB, MIB, 256},
	{1, MIB, MIB, 512},
	{1, MIB, MIB, 1024},
	{1, MIB, MIB, 2048},
};

START_TEST(relays_big_messages)
{
	int fd;

	start_big();
	close(witness);
	for (size_t i = 0; i < COUNT(bigs); i++) {
		fd = join_room(&s, "");
		send_big(fd, bigs[i].opcode, bigs[i].n, bigs[i].frame,
			 bigs[i].chop);
		expect_big(fd, bigs[i].opcode, bigs[i].n);
		close(fd);
	}
	finish_big();
}
END_TEST

START_TEST(relays_a_thousand_round_trips_of_each_size)
{
	static const size_t sizes[] = {0,    16,   64,    256,
				       1024, 4096, 16384, 65536};
	int fd;

	start_big();
	close(witness);
	fd = join_room(&s, "");
	for (size_t i = 0; i < COUNT(sizes); i++) {
		for (int k = 0; k < 1000; k++) {
			send_big(fd, 1 + k % 2, sizes[i], 16 * MIB, 16 * MIB);
			expect_big(fd, 1 + k % 2, sizes[i]);
		}
	}
	close(fd);
	finish_big();
}
END_TEST

/* ---- Handshakes ---- */

/* The request, cut in two at every place and with frames right behind it. */
START_TEST(shakes_hands_however_the_request_is_cut)
{
	static const char request[] = HANDSHAKE
		"\r\n\x81\x82\0\0\0\0Hi\x89\x80\0\0\0\0\x81\x81\0\0\0\0y";
	static const char accept[] =
		"Sec-WebSocket-Accept: " SAMPLE_ACCEPT "\r\n\r\n";
	size_t len = sizeof request - 1;

	begin(CHAT);
	for (size_t cut = 1; cut <= len; cut++) {
		char response[200] = "";
		int fd = dial(&s);

		send_all(fd, request, cut);
		send_all(fd, request + cut, len - cut);
		ck_assert(read_until(fd, response, sizeof response, accept));
		expect_frame("text", read_frame(fd), "81 Hi");
		expect_frame("pong", read_frame(fd), "8a ");
		expect_frame("text", read_frame(fd), "81 y");
		close(fd);
		expect_message(witness, "Hi");
		expect_message(witness, "y");
	}
	finish();
}
END_TEST

START_TEST(shakes_hands_byte_by_byte)
{
	const char *request = HANDSHAKE "\r\n";
	char response[200] = "";
	int fd;

	begin(CHAT);
	fd = dial(&s);
	send_at(fd, (const unsigned char *)request, strlen(request), BY_BYTE);
	play(fd, "81 hello", BY_BYTE);
	ck_assert(read_until(fd, response, sizeof response, "\r\n\r\n"));
	expect_message(fd, "hello");
	close(fd);
	finish();
}
END_TEST

Suite *wire_suite(void)
{
	Suite *suite = suite_create("wire");
	TCase *t = tcase_create("RFC 6455");

	tcase_set_timeout(t, 120);
	tcase_add_loop_test(t, plays_every_script, 0, PACES);
	tcase_add_test(t, answers_pings_of_each_size);
	tcase_add_test(t, takes_ping_byte_by_byte_within_message);
	tcase_add_test(t, answers_each_close_code);
	tcase_add_test(t, accepts_only_utf8_texts);
	tcase_add_test(t, refuses_texts_at_the_first_impossible_byte);
	tcase_add_test(t, joins_thousands_of_one_byte_fragments);
	tcase_add_test(t, refuses_long_message_at_its_header);
	tcase_add_test(t, relays_big_messages);
	tcase_add_test(t, relays_a_thousand_round_trips_of_each_size);
	tcase_add_test(t, shakes_hands_however_the_request_is_cut);
	tcase_add_test(t, shakes_hands_byte_by_byte);
	suite_add_tcase(suite, t);
	return suite;
}
