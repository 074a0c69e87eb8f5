/* SPDX-License-Identifier: MIT */
/*
 * The whole server: the real binary, on a port that the kernel picks, talked to
 * over loopback.  "small" is a build whose limits are so small that a test can
 * reach them: four people, one second for everything.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test.h"

#define CHAT  "./chat"
#define SMALL "test/build/small/chat"
#define GET   "GET / HTTP/1.1\r\nHost: a\r\n"
#define SHAKE                                               \
	GET "Upgrade: websocket\r\nConnection: Upgrade\r\n" \
	    "Sec-WebSocket-Version: 13\r\n"                 \
	    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"

static struct server s;
static char response[65536];

/* A bare relay: without notices, pings, history and rate limit. */
static void start_bare(const char *binary)
{
	start(&s, binary, "-n", "0", "-t", "0", "-l", "0", NULL);
}

static void finish(void)
{
	ck_assert_int_eq(stop(&s), 0);
}

/* ---- The page and other requests ---- */

/* What comes with the page, so that nothing in it can do harm. */
static const char *const safety[] = {
	"\r\nCache-Control: no-cache\r\n",
	"\r\nReferrer-Policy: no-referrer\r\n",
	"\r\nX-Content-Type-Options: nosniff\r\n",
	"\r\nContent-Security-Policy: default-src 'none'; ",
	" base-uri 'none'; ",
	" form-action 'none'; ",
	" frame-ancestors 'none'; ",
	" connect-src 'self' ws: wss:; ",
	" require-trusted-types-for 'script'\r\n",
};

START_TEST(serves_the_page)
{
	FILE *f = fopen("index.html", "rb");
	static char page[65536];
	size_t n = fread(page, 1, sizeof page, f);
	char *body;

	fclose(f);
	start(&s, CHAT, NULL);
	ck_assert_int_eq(ask(&s, GET "\r\n", response, sizeof response), 200);
	ck_assert_ptr_nonnull(strstr(response, "Content-Type: text/html"));
	for (size_t i = 0; i < COUNT(safety); i++)
		ck_assert_msg(strstr(response, safety[i]) != NULL, "no %s",
			      safety[i]);
	body = strstr(response, "\r\n\r\n") + 4;
	ck_assert_uint_eq(strlen(body), n);
	ck_assert_mem_eq(body, page, n);
	/* HEAD: the same without the body */
	ck_assert_int_eq(ask(&s, "HEAD /?x HTTP/1.1\r\nHost: a\r\n\r\n",
			     response, sizeof response),
			 200);
	ck_assert_str_eq(strstr(response, "\r\n\r\n"), "\r\n\r\n");
	finish();
}
END_TEST

START_TEST(answers_bad_requests)
{
	static const struct {
		const char *request;
		int status;
	} cases[] = {
		{"nonsense\r\n\r\n", 400},
		{"GET /x HTTP/1.1\r\nHost: a\r\n\r\n", 404},
		{"DELETE / HTTP/1.1\r\nHost: a\r\n\r\n", 405},
		{GET "Content-Length: 5\r\n\r\nhello", 413},
		{GET "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 501},
		{"GET / HTTP/3.0\r\n\r\n", 505},
		{SHAKE "Sec-WebSocket-Version: 13\r\n\r\n", 400},
	};

	start(&s, CHAT, NULL);
	for (size_t i = 0; i < COUNT(cases); i++)
		ck_assert_int_eq(
			ask(&s, cases[i].request, response, sizeof response),
			cases[i].status);
	await_log(&s, "505 HTTP Version");
	ck_assert_int_eq(count_log(&s, "\n"), COUNT(cases));
	ck_assert_int_eq(metric(&s, "chat_dropped_total{reason=\"refused\"}"),
			 COUNT(cases));
	finish();
}
END_TEST

START_TEST(answers_requests_byte_by_byte)
{
	const char *request = GET "X: y\r\n\r\n";
	int fd;

	start(&s, CHAT, NULL);
	fd = dial(&s);
	for (const char *at = request; *at != '\0'; at++)
		send_all(fd, at, 1);
	read_all(fd, response, sizeof response);
	ck_assert_ptr_nonnull(strstr(response, "HTTP/1.1 200 OK"));
	close(fd);
	finish();
}
END_TEST

START_TEST(answers_a_half_closed_request)
{
	int fd;

	start(&s, CHAT, NULL);
	fd = dial(&s);
	send_text(fd, GET "\r\n");
	shutdown(fd, SHUT_WR);
	read_all(fd, response, sizeof response);
	ck_assert_ptr_nonnull(strstr(response, "</html>"));
	close(fd);
	finish();
}
END_TEST

START_TEST(limits_a_request)
{
	static char request[20000];

	start(&s, CHAT, NULL);
	strcpy(request, GET "X: ");
	memset(request + strlen(request), 'x', sizeof request - 100);
	ck_assert_int_eq(ask(&s, request, response, sizeof response), 431);
	memcpy(request, "GET /", 5);
	memset(request + 5, 'x', 100);
	ck_assert_int_eq(ask(&s, request, response, sizeof response), 414);
	finish();
}
END_TEST

START_TEST(counts)
{
	int a, b;

	start(&s, CHAT, NULL);
	a = join(&s, "");
	b = join(&s, "");
	say(a, "x");
	expect_text(a, "x");
	close(b);
	await_log(&s, "disconnected: lost (1 online)");
	ck_assert_int_eq(metric(&s, "chat_clients"), 1);
	ck_assert_int_eq(ask(&s, "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n",
			     response, sizeof response),
			 200);
	ck_assert_ptr_nonnull(
		strstr(response, "\n# TYPE chat_clients gauge\n"));
	ck_assert_ptr_nonnull(
		strstr(response, "\n# TYPE chat_dropped_total counter\n"));
	ck_assert_int_eq(metric(&s, "chat_clients_peak"), 2);
	ck_assert_int_eq(metric(&s, "chat_clients_limit"), 1024);
	ck_assert_int_eq(metric(&s, "chat_connections_total"), 2);
	ck_assert_int_eq(metric(&s, "chat_messages_total"), 1);
	ck_assert_int_eq(metric(&s, "chat_dropped_total{reason=\"lost\"}"), 1);
	ck_assert_int_gt(metric(&s, "chat_received_bytes_total"), 300);
	ck_assert_int_gt(metric(&s, "chat_sent_bytes_total"), 1000);
	close(a);
	finish();
}
END_TEST

/* ---- Handshakes ---- */

START_TEST(logs_who_comes_and_goes)
{
	int a, b;

	start(&s, CHAT, NULL);
	a = join(&s, "");
	await_log(&s, "Z 127.0.0.1:");
	await_log(&s, " Client connected (1 online)\n");
	b = join(&s, "");
	await_log(&s, " Client connected (2 online)\n");
	send_frame(a, 0x88, "\x03\xe8", 2);
	await_log(&s, " Client disconnected: closed (1 online)\n");
	expect_close(a, 1000);
	close(b);
	await_log(&s, " Client disconnected: lost (0 online)\n");
	ck_assert_int_eq(count_log(&s, "\n"), 4);
	finish();
}
END_TEST

START_TEST(checks_the_origin)
{
	char line[256];

	start(&s, CHAT, NULL);
	snprintf(line, sizeof line, "Origin: http://127.0.0.1:%d\r\n", s.port);
	close(join(&s, line));
	ck_assert_int_eq(ask(&s, SHAKE "Origin: http://evil\033[2J\r\n\r\n",
			     response, sizeof response),
			 400); /* a control character in a field */
	ck_assert_int_eq(ask(&s, SHAKE "Origin: http://evil\x9b\r\n\r\n",
			     response, sizeof response),
			 403);
	await_log(&s, "Origin http://evil?, Host a: see option -o\n");
	finish();
}
END_TEST

START_TEST(allows_the_hosts_of_option_o)
{
	start(&s, CHAT, "-o", "a", "-o", "b.example", NULL);
	ck_assert_int_eq(ask(&s, SHAKE "Origin: https://evil\r\n\r\n", response,
			     sizeof response),
			 403);
	ck_assert_int_eq(ask(&s,
			     "GET / HTTP/1.1\r\nHost: evil\r\n"
			     "Origin: http://evil\r\nUpgrade: websocket\r\n"
			     "Connection: Upgrade\r\n"
			     "Sec-WebSocket-Version: 13\r\n"
			     "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
			     "\r\n",
			     response, sizeof response),
			 403);
	finish();
}
END_TEST

START_TEST(joins_from_a_listed_origin)
{
	int fd;

	start(&s, CHAT, "-o", "b.example", NULL);
	/* Host: a is not listed */
	ck_assert_int_eq(ask(&s, SHAKE "Origin: https://b.example\r\n\r\n",
			     response, sizeof response),
			 403);
	fd = dial(&s);
	send_text(fd, "GET / HTTP/1.1\r\nHost: b.example\r\n"
		      "Origin: https://b.example\r\nUpgrade: websocket\r\n"
		      "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
		      "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n");
	await_log(&s, "Client connected");
	close(fd);
	finish();
}
END_TEST

/* ---- The room ---- */

START_TEST(relays_to_all_in_one_order)
{
	enum { N = 50, SAID = 20 };
	int fd[N];
	char text[32], order[N * SAID][32];

	start_bare(CHAT);
	for (int i = 0; i < N; i++)
		fd[i] = join(&s, "");
	for (int k = 0; k < SAID; k++) {
		for (int i = 0; i < N; i++) {
			snprintf(text, sizeof text, "%d says %d", i, k);
			say(fd[i], text);
		}
	}
	for (int i = 0; i < N; i++) {
		for (int k = 0; k < N * SAID; k++) {
			struct frame *f = next_frame(fd[i]);
			if (i == 0)
				strcpy(order[k], (char *)f->data);
			else if (strcmp(order[k], (char *)f->data) != 0)
				ck_abort_msg(
					"client %d, message %d: %s, not %s", i,
					k, f->data, order[k]);
		}
		close(fd[i]);
	}
	/* every sender's own are in their order, so each came once */
	for (int i = 0; i < N; i++) {
		int next = 0;
		for (int k = 0; k < N * SAID; k++) {
			snprintf(text, sizeof text, "%d says %d", i, next);
			next += strcmp(order[k], text) == 0;
		}
		ck_assert_int_eq(next, SAID);
	}
	finish();
}
END_TEST

START_TEST(is_an_exact_echo_for_one)
{
	static const size_t sizes[] = {0, 1, 125, 126, 127, 128, 4095, 4096};
	unsigned char data[4096];
	int fd;

	for (size_t i = 0; i < sizeof data; i++)
		data[i] = (unsigned char)(i * 7);
	start_bare(CHAT);
	fd = join(&s, "");
	for (size_t i = 0; i < COUNT(sizes); i++) {
		struct frame *f;
		send_frame(fd, 0x82, data, sizes[i]);
		f = next_frame(fd);
		ck_assert_int_eq(f->first, 0x82);
		ck_assert_uint_eq(f->len, sizes[i]);
		ck_assert_mem_eq(f->data, data, sizes[i]);
	}
	close(fd);
	finish();
}
END_TEST

START_TEST(takes_frames_right_behind_the_request)
{
	char request[1024];
	int fd;

	start_bare(CHAT);
	fd = dial(&s);
	/* a masked "Hi", an empty ping, and the start of another text */
	snprintf(request, sizeof request,
		 SHAKE
		 "\r\n\x81\x82\x01\x01\x01\x01Ih\x89\x80\x01\x01\x01\x01\x81");
	send_text(fd, request);
	send_text(fd, "\x81\x01\x01\x01\x01y");
	while (strstr(response, "\r\n\r\n") == NULL)
		ck_assert_int_eq(recv(fd, response + strlen(response), 1, 0),
				 1);
	expect_text(fd, "Hi");
	ck_assert_int_eq(next_frame(fd)->first, 0x8a);
	expect_text(fd, "x");
	close(fd);
	finish();
}
END_TEST

START_TEST(joins_fragments_and_answers_pings_between)
{
	int fd;

	start_bare(CHAT);
	fd = join(&s, "");
	send_frame(fd, 0x01, "frag", 4);
	send_frame(fd, 0x89, "in between", 10);
	send_frame(fd, 0x00, "", 0);
	send_frame(fd, 0x80, "ments", 5);
	ck_assert_int_eq(next_frame(fd)->first, 0x8a);
	expect_text(fd, "fragments");
	for (int i = 0; i < 10; i++) {
		char text[126];
		memset(text, 'a' + i, sizeof text);
		send_frame(fd, 0x89, text, 125);
	}
	for (int i = 0; i < 10; i++) {
		struct frame *f = next_frame(fd);
		ck_assert_int_eq(f->first, 0x8a);
		ck_assert_uint_eq(f->len, 125);
		ck_assert_int_eq(f->data[0], 'a' + i);
	}
	send_frame(fd, 0x8a, "nobody asked", 12);
	say(fd, "still here");
	expect_text(fd, "still here");
	close(fd);
	finish();
}
END_TEST

/* A ping, a message and a Close in one segment come back in that order. */
START_TEST(keeps_the_order_of_private_and_public)
{
	int fd;

	start_bare(CHAT);
	fd = join(&s, "");
	send_text(fd, "\x89\x81\x01\x01\x01\x01"
		      "b"
		      "\x81\x81\x01\x01\x01\x01"
		      "i"
		      "\x89\x81\x01\x01\x01\x01"
		      "c"
		      "\x88\x80\x01\x01\x01\x01");
	ck_assert_str_eq((char *)next_frame(fd)->data, "c");
	ck_assert_str_eq((char *)next_frame(fd)->data, "h");
	ck_assert_str_eq((char *)next_frame(fd)->data, "b");
	expect_close(fd, 0);
	finish();
}
END_TEST

START_TEST(closes_with_the_code_that_was_earned)
{
	static const struct {
		int first;
		const char *payload;
		size_t len;
		int code;
	} cases[] = {
		{0x88, "", 0, 0},
		{0x88, "\x03\xe8", 2, 1000},
		{0x88, "\x0b\xb8 bye", 6, 3000},
		{0x88, "\x03", 1, 1002},
		{0x88, "\x03\xed", 2, 1002}, /* 1005 */
		{0x88, "\x03\xe8\xff", 3, 1007},
		{0xc1, "x", 1, 1002},
		{0x83, "x", 1, 1002},
		{0x80, "x", 1, 1002},
		{0x09, "x", 1, 1002},
		{0x81, "\xc0\xaf", 2, 1007},
	};
	static char big[4097];
	int other, fd;

	start_bare(CHAT);
	other = join(&s, "");
	for (size_t i = 0; i < COUNT(cases); i++) {
		fd = join(&s, "");
		say(fd, "before");
		send_frame(fd, cases[i].first, cases[i].payload, cases[i].len);
		say(fd, "after"); /* not heard by anybody */
		expect_text(fd, "before");
		expect_close(fd, cases[i].code);
		expect_text(other, "before");
	}
	fd = join(&s, "");
	send_frame(fd, 0x82, big, sizeof big);
	expect_close(fd, 1009);
	fd = join(&s, "");
	send_text(fd, "\x81\x05Hello"); /* not masked */
	expect_close(fd, 1002);
	say(other, "unharmed");
	expect_text(other, "unharmed");
	ck_assert_int_eq(metric(&s, "chat_dropped_total{reason=\"protocol\"}"),
			 7);
	ck_assert_int_eq(metric(&s, "chat_dropped_total{reason=\"invalid\"}"),
			 2);
	ck_assert_int_eq(metric(&s, "chat_dropped_total{reason=\"too_big\"}"),
			 1);
	close(other);
	finish();
}
END_TEST

START_TEST(gives_newcomers_the_history_and_then_a_notice)
{
	char text[32];
	int a, b;

	start(&s, CHAT, "-n", "3", "-l", "0", NULL);
	a = join(&s, "");
	expect_notice(a, 1);
	for (int i = 0; i < 5; i++) {
		snprintf(text, sizeof text, "message %d", i);
		say(a, text);
		expect_text(a, text);
	}
	b = join(&s, "");
	for (int i = 2; i < 5; i++) {
		snprintf(text, sizeof text, "message %d", i);
		ck_assert_str_eq((char *)next_frame(b)->data, text);
	}
	expect_notice(b, 2);
	expect_notice(a, 2); /* it has changed */
	say(a, "live");
	expect_text(a, "live");
	expect_text(b, "live");
	close(b);
	while (strcmp((char *)next_frame(a)->data, "{\"online\":1}") != 0)
		;
	close(a);
	finish();
}
END_TEST

/* Without history or without heartbeat there are still notices; without both
   there are none. */
START_TEST(tells_how_many_there_are)
{
	static const char *const options[][2] = {{"-n", "-l"}, {"-t", "-l"}};
	int a, b;

	start(&s, CHAT, options[_i][0], "0", options[_i][1], "0", NULL);
	a = join(&s, "");
	expect_notice(a, 1);
	b = join(&s, "");
	expect_notice(b, 2);
	expect_notice(a, 2);
	close(a);
	close(b);
	finish();
}
END_TEST

/* The small log holds 16 KiB; a newcomer gets no more than half of that. */
START_TEST(gives_newcomers_at_most_half_the_log)
{
	static char text[1001];
	struct frame *f;
	int a, b, n = 0;

	memset(text, 'x', 1000);
	start(&s, SMALL, "-n", "100", "-t", "0", "-l", "0", NULL);
	a = join(&s, "");
	for (int i = 0; i < 40; i++) {
		text[0] = (char)('0' + i);
		say(a, text);
		expect_text(a, text);
	}
	b = join(&s, "");
	while ((f = next_frame(b))->len == 1000) {
		ck_assert_int_eq(f->data[0], '0' + 40 - 8 + n);
		n++;
	}
	ck_assert_int_eq(n, 8);
	ck_assert_int_eq(f->data[0], '{');
	close(a);
	close(b);
	finish();
}
END_TEST

START_TEST(beats_and_notices_silence)
{
	struct frame *f;
	int a, b;

	start(&s, CHAT, "-t", "1", NULL);
	a = join(&s, "");
	b = join(&s, "");
	while (next_frame(a)->first != 0x89)
		;
	f = next_frame(a); /* a notice comes with each ping */
	ck_assert_str_eq((char *)f->data, "{\"online\":2}");
	/* a answers pings, b does not */
	while (count_log(&s, "disconnected: silent (1 online)") == 0) {
		f = next_frame(a);
		if (f->first != 0x89)
			continue;
		send_frame(a, 0x8a, f->data, f->len);
		if (metric(&s, "chat_clients") == 1)
			await_log(&s, "disconnected: silent (1 online)");
	}
	say(a, "here");
	expect_text(a, "here");
	close(a);
	close(b);
	finish();
}
END_TEST

/* ---- Limits ---- */

START_TEST(refuses_one_too_many)
{
	int fd[4];

	start(&s, SMALL, "-n", "0", "-t", "0", NULL);
	for (int i = 0; i < 4; i++)
		fd[i] = join(&s, "");
	ck_assert_int_eq(ask(&s, SHAKE "\r\n", response, sizeof response), 503);
	ck_assert_ptr_nonnull(strstr(response, "Retry-After: "));
	ck_assert_int_eq(ask(&s, GET "\r\n", response, sizeof response), 200);
	close(fd[0]);
	await_log(&s, "(3 online)\n");
	await_log(&s, "disconnected");
	fd[0] = join(&s, "");
	for (int i = 0; i < 4; i++) {
		say(fd[i], "x");
		for (int k = 0; k < 4; k++)
			expect_text(fd[k], "x");
	}
	finish();
}
END_TEST

START_TEST(lets_the_longest_unfinished_make_way)
{
	int people[4], idle[20];

	start(&s, SMALL, "-n", "0", "-t", "0", NULL);
	for (int i = 0; i < 4; i++)
		people[i] = join(&s, "");
	for (int i = 0; i < 20; i++)
		idle[i] = dial(&s); /* and says nothing */
	ck_assert_int_eq(ask(&s, GET "\r\n", response, sizeof response), 200);
	ck_assert(ended(idle[0]));
	say(people[0], "x");
	for (int i = 0; i < 4; i++)
		expect_text(people[i], "x");
	await_log(&s, "Connection dropped: crowded\n");
	finish();
}
END_TEST

START_TEST(ends_requests_that_take_too_long)
{
	int slow, silent;

	start(&s, SMALL, NULL);
	silent = dial(&s);
	slow = dial(&s);
	send_text(slow, "GET / HT");
	read_all(slow, response, sizeof response);
	ck_assert_ptr_nonnull(strstr(response, "HTTP/1.1 408 "));
	read_all(silent, response, sizeof response);
	ck_assert_ptr_nonnull(strstr(response, "HTTP/1.1 408 "));
	await_log(&s, "Request refused: 408 ");
	ck_assert_int_eq(count_log(&s, "408"), 1); /* silence is no offence */
	finish();
}
END_TEST

START_TEST(ends_messages_that_take_too_long)
{
	int a, b, c;

	start(&s, SMALL, "-n", "0", "-t", "0", NULL);
	a = join(&s, "");
	b = join(&s, "");
	c = join(&s, "");
	send_frame(a, 0x01, "half a", 6);
	send_text(b, "\x81");
	say(c, "whole");
	expect_text(a, "whole");
	expect_text(b, "whole");
	expect_close(a, 1008);
	expect_close(b, 1008);
	await_log(&s, "disconnected: unfinished");
	say(c, "still here");
	expect_text(c, "whole");
	expect_text(c, "still here");
	finish();
}
END_TEST

/* A credit of five seconds, then a frame for each part of a second: what is
   said at once is all heard, but not at once. */
START_TEST(slows_down_who_says_too_much)
{
	int a, b;
	char text[32];

	start(&s, CHAT, "-l", "5", "-n", "0", "-t", "0", NULL);
	a = join(&s, "");
	b = join(&s, "");
	for (int i = 0; i < 25 + 1; i++)
		send_frame(a, 0x8a, "", 0); /* its credit, and one more */
	for (int i = 0; i < 10; i++) {
		snprintf(text, sizeof text, "late %d", i);
		say(a, text);
	}
	say(b, "in time");
	for (int i = 0; i < 10; i++) {
		struct frame *f = next_frame(b);
		if (strcmp((char *)f->data, "in time") == 0)
			f = next_frame(b);
		snprintf(text, sizeof text, "late %d", i);
		ck_assert_str_eq((char *)f->data, text);
	}
	finish();
}
END_TEST

/* One never reads.  The log is far too small to keep for it all that the others
   say; it is dropped, and they hear everything. */
START_TEST(drops_a_reader_that_holds_up_the_room)
{
	enum { SAID = 30000 };
	static char text[1001];
	int a, b, dead, size = 4096;
	bool done = false;

	memset(text, 'x', 1000);
	start_bare(SMALL);
	dead = join(&s, "");
	setsockopt(dead, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
	a = join(&s, "");
	b = join(&s, "");
	for (int i = 0; i < SAID && !done; i++) {
		snprintf(text, sizeof text, "%09d", i);
		text[9] = 'x';
		say(a, text);
		expect_text(a, text);
		expect_text(b, text);
		if (i % 100 == 0)
			done = metric(&s, "chat_clients") == 2;
	}
	await_log(&s, "disconnected: ");
	ck_assert(count_log(&s, "disconnected: slow (2 online)\n") +
			  count_log(&s, "disconnected: stuck (2 online)\n") ==
		  1);
	close(dead);
	finish();
}
END_TEST

START_TEST(drops_who_pings_and_does_not_read)
{
	static unsigned char pings[131 * 1000];
	int a, b;
	pid_t flood;

	start_bare(CHAT);
	a = join(&s, "");
	b = join(&s, "");
	for (size_t i = 0; i < sizeof pings; i += 131)
		memcpy(pings + i, "\x89\xfd\0\0\0\0", 6);
	for (size_t i = 0; i < sizeof pings; i += 131)
		memset(pings + i + 6, 'p', 125), pings[i + 1] = 0x80 | 125;
	flood = fork();
	if (flood == 0) {
		for (int i = 0; i < 2000; i++)
			send_all(a, pings, sizeof pings);
		_exit(0);
	}
	await_log(&s, "disconnected: flood (1 online)\n");
	say(b, "fine");
	expect_text(b, "fine");
	kill(flood, SIGKILL);
	waitpid(flood, NULL, 0);
	finish();
}
END_TEST

/* ---- Start and end ---- */

START_TEST(says_goodbye)
{
	int a, b, idle;

	start(&s, CHAT, NULL);
	a = join(&s, "");
	b = join(&s, "");
	idle = dial(&s);
	say(a, "last words");
	expect_text(b, "last words");
	kill(s.pid, SIGTERM);
	expect_text(a, "last words");
	ck_assert_int_eq(next_message(a)->first, 0x88);
	send_frame(a, 0x88, "\x03\xe9", 2);
	ck_assert(ended(a));
	/* it listens no more, and has dropped who had not asked yet */
	ck_assert(!is_listening(&s));
	ck_assert(ended(idle));
	/* b answers nothing; the server does not wait for it for long */
	ck_assert_int_eq(next_message(b)->first, 0x88);
	ck_assert_int_eq(await_end(&s), 0);
}
END_TEST

START_TEST(exits_at_once_when_told_twice)
{
	start(&s, CHAT, NULL);
	join(&s, ""); /* and answers nothing */
	kill(s.pid, SIGINT);
	await_log(&s, "disconnected: going away");
	kill(s.pid, SIGINT);
	ck_assert_int_eq(await_end(&s), 128 + SIGINT);
}
END_TEST

static int run_command(const char *arguments)
{
	char command[256];

	snprintf(command, sizeof command, "%s %s >/dev/null 2>&1", CHAT,
		 arguments);
	return WEXITSTATUS(system(command));
}

START_TEST(refuses_bad_usage)
{
	static const char *const bad[] = {
		"-p 65536",
		"-p 80x",
		"-p ''",
		"-p -1",
		"-p ' 80'",
		"-p",
		"-x",
		"-n 1001",
		"-t 86401",
		"-l x",
		"-l 1000001",
		"-a host",
		"-a ''",
		"extra",
		"-p 99999999999999999999",
		/* one more than HOSTS_MAX */
		"-o a -o b -o c -o d -o e -o f -o g -o h -o i -o j -o k -o l "
		"-o m -o n -o o -o p -o q",
	};

	for (size_t i = 0; i < COUNT(bad); i++)
		ck_assert_msg(run_command(bad[i]) == 2, "%s", bad[i]);
	ck_assert_int_eq(run_command("-h"), 0);
	ck_assert_int_eq(run_command("-V"), 0);
}
END_TEST

START_TEST(says_no_more_than_fits_of_bad_usage)
{
	char command[4096] = CHAT " -p ";
	char said[8192];
	size_t len = strlen(command), n;
	FILE *f;

	memset(command + len, 'x', 3000);
	strcpy(command + len + 3000, " 2>&1");
	f = popen(command, "r");
	n = fread(said, 1, sizeof said, f);
	ck_assert_int_eq(WEXITSTATUS(pclose(f)), 2);
	ck_assert_uint_lt(n, 2048);
	for (size_t i = 0; i < n; i++)
		ck_assert(said[i] == '\n' ||
			  (said[i] >= ' ' && said[i] <= '~'));
}
END_TEST

/* On all addresses it names one that others can use, if there is any. */
START_TEST(says_where_to_point_a_browser)
{
	static const char *const all[] = {"0.0.0.0", "::"};

	start(&s, CHAT, NULL);
	ck_assert_ptr_nonnull(strstr(s.greeting, ": open http://127.0.0.1:"));
	finish();
	for (size_t i = 0; i < COUNT(all); i++) {
		start(&s, CHAT, "-a", all[i], NULL);
		ck_assert_ptr_null(strstr(s.greeting, all[i]));
		ck_assert_int_eq(ask(&s, GET "\r\n", response, sizeof response),
				 200);
		finish();
	}
}
END_TEST

/* The words of a whole file or of what a command prints. */
static const char *words_of(const char *command)
{
	static char text[100000];
	FILE *f = popen(command, "r");
	size_t n = fread(text, 1, sizeof text - 1, f);

	text[n] = '\0';
	ck_assert_int_eq(pclose(f), 0);
	return text;
}

/* Each option that getopt() is asked for is in the man page, the README and
   -h, and no other is. */
START_TEST(documents_its_options)
{
	static const char *const places[][2] = {
		{"cat chat.1", ".It Fl %c"},
		{"cat README.md", "`-%c"},
		{CHAT " -h", "\n  -%c "},
	};
	char letters[32] = "", sign[16];

	ck_assert_int_eq(
		sscanf(strstr(words_of("cat chat.c"), "getopt(argc, argv, \""),
		       "getopt(argc, argv, \"%31[a-zA-Z:]", letters),
		1);
	ck_assert_uint_gt(strlen(letters), 8);
	for (size_t i = 0; i < COUNT(places); i++) {
		const char *text = words_of(places[i][0]);

		for (char c = 'A'; c <= 'z'; c++) {
			bool is_letter = c <= 'Z' || c >= 'a';

			snprintf(sign, sizeof sign, places[i][1], c);
			if (is_letter && i != 1)
				ck_assert_msg(!strchr(letters, c) ==
						      !strstr(text, sign),
					      "%s: -%c", places[i][0], c);
			else if (is_letter && strchr(letters, c))
				ck_assert_msg(strstr(text, sign) != NULL,
					      "README.md: -%c", c);
		}
	}
}
END_TEST

/* All memory is in what `size` counts, with everybody in the middle of a
   message: the stack and libc come on top. */
START_TEST(needs_no_more_memory_than_declared)
{
	enum { PEOPLE = 1000, MARGIN = 400 };
	static unsigned char frame[4096 + 14];
	static int fds[PEOPLE];
	char command[64];
	long declared, used;
	size_t size = build_frame(frame, 0x82, 4096, frame, 4096);
	struct rlimit files = {.rlim_cur = 4096, .rlim_max = 4096};

	setrlimit(RLIMIT_NOFILE, &files);
	start(&s, CHAT, "-n", "0", "-t", "0", NULL);
	declared = atol(words_of("size " CHAT " | sed 1d | cut -f 4"));
	for (int i = 0; i < PEOPLE; i++) {
		fds[i] = join(&s, "");
		send_all(fds[i], frame, size - 1);
	}
	for (long want = PEOPLE * (long)size; want > 0;)
		want = metric(&s, "chat_received_bytes_total") < want ? want
								      : 0;
	snprintf(command, sizeof command,
		 "sed -n 's/^Private_Dirty: *//p' /proc/%d/smaps_rollup",
		 (int)s.pid);
	used = atol(words_of(command));
	ck_assert_int_gt(used, PEOPLE * 4096 / 1024);
	ck_assert_msg(used < declared / 1024 + MARGIN,
		      "%ld KB used, %ld declared", used, declared / 1024);
	for (int i = 0; i < PEOPLE; i++)
		close(fds[i]);
	finish();
}
END_TEST

START_TEST(says_when_it_cannot_listen)
{
	char arguments[64];

	start(&s, CHAT, NULL);
	snprintf(arguments, sizeof arguments, "-a 127.0.0.1 -p %d", s.port);
	ck_assert_int_eq(run_command(arguments), 1);
	finish();
}
END_TEST

/* As systemd passes it: LISTEN_FDS and LISTEN_PID. */
START_TEST(serves_an_inherited_socket)
{
	struct sockaddr_in a = {.sin_family = AF_INET,
				.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof a;
	int fd;

	inherited = socket(AF_INET, SOCK_STREAM, 0);
	ck_assert(bind(inherited, (void *)&a, sizeof a) == 0 &&
		  listen(inherited, 5) == 0);
	getsockname(inherited, (void *)&a, &size);
	start(&s, CHAT, NULL);
	ck_assert_int_eq(s.port, ntohs(a.sin_port));
	fd = join(&s, "");
	say(fd, "hello");
	expect_text(fd, "hello");
	close(fd);
	finish();
}
END_TEST

START_TEST(does_not_inherit_what_does_not_listen)
{
	char many[] = "LISTEN_FDS=9 LISTEN_PID=$$; export LISTEN_FDS "
		      "LISTEN_PID; exec " CHAT " 2>/dev/null";
	char command[] = "LISTEN_FDS=1 LISTEN_PID=$$; export LISTEN_FDS "
			 "LISTEN_PID; exec " CHAT " 3</dev/null 2>/dev/null";

	ck_assert_int_eq(WEXITSTATUS(system(command)), 1);
	ck_assert_int_eq(WEXITSTATUS(system(many)), 2);
}
END_TEST

/* What it may have open decides how many may come in; when there is no room for
   one, it ends. */
START_TEST(fits_into_the_limit_of_descriptors)
{
	struct rlimit files = {.rlim_cur = 45, .rlim_max = 45};

	setrlimit(RLIMIT_NOFILE, &files);
	start(&s, CHAT, NULL);
	await_log(&s, "chat: ulimit -n leaves room for 13\n");
	ck_assert_int_eq(metric(&s, "chat_clients_limit"), 13);
	finish();
	ck_assert_int_eq(WEXITSTATUS(system("ulimit -n 32; exec " CHAT
					    " -p 0 2>/dev/null")),
			 1);
}
END_TEST

/* Nobody reads the log: its pipe is full, and then closed. */
START_TEST(goes_on_when_nobody_reads_the_log)
{
	int fd;

	start(&s, CHAT, "-t", "0", NULL);
	for (int i = 0; i < 2000; i++)
		ck_assert_int_eq(
			ask(&s, "x\r\n\r\n", response, sizeof response), 400);
	close(s.err);
	for (int i = 0; i < 10; i++)
		ck_assert_int_eq(
			ask(&s, "x\r\n\r\n", response, sizeof response), 400);
	fd = join(&s, "");
	say(fd, "still here");
	expect_text(fd, "still here");
	kill(s.pid, SIGTERM);
	expect_close(fd, 1001);
	ck_assert(waitpid(s.pid, &fd, 0) == s.pid);
	ck_assert(WIFEXITED(fd) && WEXITSTATUS(fd) == 0);
}
END_TEST

START_TEST(is_quiet)
{
	start(&s, CHAT, "-q", NULL);
	close(join(&s, ""));
	ck_assert_int_eq(ask(&s, "x\r\n\r\n", response, sizeof response), 400);
	kill(s.pid, SIGTERM);
	ck_assert(ended(s.err)); /* having said nothing */
	ck_assert_int_eq(await_end(&s), 0);
}
END_TEST

Suite *chat_suite(void)
{
	Suite *suite = suite_create("chat");
	TCase *t = tcase_create("server");

	tcase_set_timeout(t, 60);
	tcase_add_test(t, serves_the_page);
	tcase_add_test(t, answers_bad_requests);
	tcase_add_test(t, answers_requests_byte_by_byte);
	tcase_add_test(t, answers_a_half_closed_request);
	tcase_add_test(t, limits_a_request);
	tcase_add_test(t, counts);
	tcase_add_test(t, logs_who_comes_and_goes);
	tcase_add_test(t, checks_the_origin);
	tcase_add_test(t, allows_the_hosts_of_option_o);
	tcase_add_test(t, joins_from_a_listed_origin);
	tcase_add_test(t, relays_to_all_in_one_order);
	tcase_add_test(t, is_an_exact_echo_for_one);
	tcase_add_test(t, takes_frames_right_behind_the_request);
	tcase_add_test(t, joins_fragments_and_answers_pings_between);
	tcase_add_test(t, keeps_the_order_of_private_and_public);
	tcase_add_test(t, closes_with_the_code_that_was_earned);
	tcase_add_test(t, gives_newcomers_the_history_and_then_a_notice);
	tcase_add_loop_test(t, tells_how_many_there_are, 0, 2);
	tcase_add_test(t, gives_newcomers_at_most_half_the_log);
	tcase_add_test(t, beats_and_notices_silence);
	tcase_add_test(t, refuses_one_too_many);
	tcase_add_test(t, lets_the_longest_unfinished_make_way);
	tcase_add_test(t, ends_requests_that_take_too_long);
	tcase_add_test(t, ends_messages_that_take_too_long);
	tcase_add_test(t, slows_down_who_says_too_much);
	tcase_add_test(t, drops_a_reader_that_holds_up_the_room);
	tcase_add_test(t, drops_who_pings_and_does_not_read);
	tcase_add_test(t, says_goodbye);
	tcase_add_test(t, exits_at_once_when_told_twice);
	tcase_add_test(t, refuses_bad_usage);
	tcase_add_test(t, says_no_more_than_fits_of_bad_usage);
	tcase_add_test(t, says_where_to_point_a_browser);
	tcase_add_test(t, documents_its_options);
	/* neither in an emulator's memory nor with a sanitizer's */
	if (getenv("UNDER") == NULL && getenv("SANITIZED") == NULL)
		tcase_add_test(t, needs_no_more_memory_than_declared);
	tcase_add_test(t, says_when_it_cannot_listen);
	tcase_add_test(t, serves_an_inherited_socket);
	tcase_add_test(t, does_not_inherit_what_does_not_listen);
	if (getenv("UNDER") == NULL) /* which has descriptors of its own */
		tcase_add_test(t, fits_into_the_limit_of_descriptors);
	tcase_add_test(t, goes_on_when_nobody_reads_the_log);
	tcase_add_test(t, is_quiet);
	suite_add_tcase(suite, t);
	return suite;
}
