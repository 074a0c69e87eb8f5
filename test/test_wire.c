/* SPDX-License-Identifier: MIT */
/*
 * RFC 6455 on the wire, case by case: each script of scripts.h is sent to the
 * real server in one write, frame by frame, and byte by byte.  A witness in the
 * same room must get each message once, in order, and nothing else.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "handshake.h"
#include "scripts.h"

static struct server s;
static int witness;

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
	size_t filled = 0, size;

	while (*script != '\0') {
		script = build_next(bytes + filled, &size, script);
		filled += size;
		if (pace != AT_ONCE) {
			send_at(fd, bytes, filled, pace);
			filled = 0;
		}
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
	{1, 4 * MIB, 4 * MIB, MIB},
	{1, 16 * MIB, 16 * MIB, 16 * MIB},
	{2, 16 * MIB, 16 * MIB, 16 * MIB},
	{1, 4 * MIB, 64, MIB},
	{2, 4 * MIB, 16 * 1024, MIB},
	{1, 16 * MIB, MIB, MIB},
	{1, MIB, MIB, 64},
	{2, MIB, MIB, 1024},
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

Suite *wire_suite(void)
{
	Suite *suite = suite_create("wire");
	TCase *t = tcase_create("RFC 6455");

	tcase_set_timeout(t, 120);
	tcase_add_loop_test(t, plays_every_script, 0, PACES);
	tcase_add_test(t, relays_big_messages);
	tcase_add_test(t, shakes_hands_however_the_request_is_cut);
	suite_add_tcase(suite, t);
	return suite;
}
