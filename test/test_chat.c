/* SPDX-License-Identifier: MIT */
/*
 * The whole server: the real binary, on a port that the kernel picks, talked to
 * over loopback.  SMALL is a build whose limits are so small that a test can
 * reach them: four clients, one second for each timeout.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "handshake.h"
#include "test.h"

static struct server s;

static void finish(void)
{
	ck_assert_int_eq(stop(&s), 0);
}

/* ---- The page and other requests ---- */

/* Header fields that keep the page from doing harm. */
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

/* Reads index.html, without the indentation and the comment lines of its
   script. */
static size_t read_page(char *page, size_t max)
{
	FILE *f = fopen("index.html", "rb");
	size_t n = 0, blanks;

	while (fgets(page + n, (int)(max - n), f) != NULL) {
		blanks = strspn(page + n, "\t ");
		memmove(page + n, page + n + blanks,
			strlen(page + n + blanks) + 1);
		if (strncmp(page + n, "// ", 3) != 0)
			n += strlen(page + n);
	}
	fclose(f);
	return n;
}

/* Expects no page for a client that names the one of the last response. */
static void expect_nothing_new(void)
{
	char etag[100], request[300];

	ck_assert_int_eq(
		sscanf(strstr(s.response, "\r\nETag: "), " ETag: %99s", etag),
		1);
	snprintf(request, sizeof request, GET "If-None-Match: %s\r\n\r\n",
		 etag);
	expect_status(&s, request, 304);
	ck_assert_ptr_nonnull(strstr(s.response, etag));
	ck_assert_str_eq(strstr(s.response, "\r\n\r\n"), "\r\n\r\n");
	etag[5] ^= 1;
	snprintf(request, sizeof request, GET "If-None-Match: %s\r\n\r\n",
		 etag);
	expect_status(&s, request, 200);
}

START_TEST(serves_the_page)
{
	static char page[65536];
	size_t n = read_page(page, sizeof page);
	char *body;

	start(&s, CHAT, NULL);
	expect_status(&s, GET "\r\n", 200);
	ck_assert_ptr_nonnull(strstr(s.response, "Content-Type: text/html"));
	for (size_t i = 0; i < COUNT(safety); i++)
		ck_assert_msg(strstr(s.response, safety[i]) != NULL, "no %s",
			      safety[i]);
	body = strstr(s.response, "\r\n\r\n") + 4;
	ck_assert_uint_eq(strlen(body), n);
	ck_assert_mem_eq(body, page, n);
	/* HEAD: the same without the body */
	expect_status(&s, "HEAD /?x HTTP/1.1\r\nHost: a\r\n\r\n", 200);
	ck_assert_str_eq(strstr(s.response, "\r\n\r\n"), "\r\n\r\n");
	expect_nothing_new();
	finish();
}
END_TEST

START_TEST(answers_bad_requests)
{
	static const struct {
		const char *request;
		int status;
		const char *line; /* in the log, and in the answer's body */
	} cases[] = {
		{"nonsense\r\n\r\n", 400, "(malformed method)"},
		{"GET /x HTTP/1.1\r\nHost: a\r\n\r\n", 404,
		 "(no page is at /x)"},
		{"GET /metrics/ HTTP/1.1\r\nHost: a\r\n\r\n", 404,
		 "(no page is at /metrics/)"},
		{"DELETE / HTTP/1.1\r\nHost: a\r\n\r\n", 405,
		 "(method is neither GET nor HEAD)"},
		{GET "Content-Length: 5\r\n\r\nhello", 413, "(body"},
		{GET "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 501,
		 "(body"},
		{"GET / HTTP/3.0\r\n\r\n", 505, "(HTTP version is not 1.x)"},
		{HANDSHAKE "Sec-WebSocket-Version: 13\r\n\r\n", 400,
		 "(two Sec-WebSocket-Version fields)"},
	};

	start(&s, CHAT, NULL);
	for (size_t i = 0; i < COUNT(cases); i++) {
		expect_status(&s, cases[i].request, cases[i].status);
		ck_assert_ptr_nonnull(strstr(s.response, cases[i].line));
	}
	await_log(&s, "505 HTTP Version");
	ck_assert_int_eq(count_in_log(&s, " Request refused: "), COUNT(cases));
	for (size_t i = 0; i < COUNT(cases); i++)
		await_log(&s, cases[i].line);
	expect_metric(&s, "chat_refused_total{status=\"400\"}", 2);
	expect_metric(&s, "chat_refused_total{status=\"404\"}", 2);
	expect_metric(&s, "chat_refused_total{status=\"505\"}", 1);
	finish();
}
END_TEST

START_TEST(answers_a_half_closed_request)
{
	int fd;

	start(&s, CHAT, NULL);
	fd = dial(&s);
	send_string(fd, GET "\r\n");
	shutdown(fd, SHUT_WR);
	read_until_end(fd, s.response, sizeof s.response);
	ck_assert_ptr_nonnull(strstr(s.response, "</html>"));
	close(fd);
	finish();
}
END_TEST

START_TEST(refuses_long_request_and_target)
{
	static char request[20000];

	start(&s, CHAT, NULL);
	strcpy(request, GET "X: ");
	memset(request + strlen(request), 'x', sizeof request - 100);
	expect_status(&s, request, 431);
	memcpy(request, "GET /", 5);
	memset(request + 5, 'x', 100);
	expect_status(&s, request, 414);
	finish();
}
END_TEST

START_TEST(counts_clients_messages_and_bytes)
{
	int a, b;

	start(&s, CHAT, NULL);
	a = join_room(&s, "");
	b = join_room(&s, "");
	send_message(a, "x");
	expect_message(a, "x");
	close(b);
	await_log(&s,
		  "disconnected: lost, the connection ended early (1 online)");
	expect_metric(&s, "chat_clients", 1);
	expect_status(&s, GET_METRICS "\r\n", 200);
	ck_assert_ptr_nonnull(
		strstr(s.response, "\n# TYPE chat_clients gauge\n"));
	ck_assert_ptr_nonnull(
		strstr(s.response, "\n# TYPE chat_dropped_total counter\n"));
	expect_metric(&s, "chat_clients_peak", 2);
	expect_metric(&s, "chat_clients_limit", 1024);
	expect_metric(&s, "chat_connections_total", 2);
	expect_metric(&s, "chat_messages_total", 1);
	expect_metric(&s, "chat_dropped_total{reason=\"lost\"}", 1);
	ck_assert_int_gt(read_metric(&s, "chat_received_bytes_total"), 300);
	ck_assert_int_gt(read_metric(&s, "chat_sent_bytes_total"), 1000);
	close(a);
	finish();
}
END_TEST

/* ---- Handshakes ---- */

START_TEST(logs_joins_and_leaves)
{
	int a, b;

	start(&s, CHAT, NULL);
	a = join_room(&s, "");
	await_log(&s, "Z 127.0.0.1:");
	await_log(&s, " Client connected (1 online)\n");
	b = join_room(&s, "");
	await_log(&s, " Client connected (2 online)\n");
	send_frame(a, 0x88, "\x03\xe8", 2);
	await_log(&s,
		  " Client disconnected: closed, by the client (1 online)\n");
	expect_close(a, 1000);
	close(b);
	await_log(&s,
		  " Client disconnected: lost, the connection ended early (0 "
		  "online)\n");
	await_log(&s, " Listening for up to 1024 clients\n");
	ck_assert_int_eq(count_in_log(&s, "\n"), 5);
	finish();
}
END_TEST

START_TEST(refuses_foreign_origin)
{
	char line[256];

	start(&s, CHAT, NULL);
	snprintf(line, sizeof line, "Origin: http://127.0.0.1:%d\r\n", s.port);
	close(join_room(&s, line));
	expect_status(&s, HANDSHAKE "Origin: http://evil\033[2J\r\n\r\n",
		      400); /* a control character in a field */
	expect_status(&s, HANDSHAKE "Origin: http://evil\x9b\r\n\r\n", 403);
	await_log(&s, "Handshake refused: 403 Forbidden (Origin http://evil? "
		      "does not match Host a; allow it with -o)\n");
	finish();
}
END_TEST

START_TEST(accepts_only_hosts_and_origins_of_option_o)
{
	int fd;

	start(&s, CHAT, "-o", "c", "-o", "b.example", NULL);
	expect_status(&s,
		      GET_LINE "Host: c\r\n" UPGRADE_FIELDS
			       "Origin: https://evil\r\n\r\n",
		      403);
	expect_status(&s,
		      GET_LINE "Host: evil\r\n" UPGRADE_FIELDS
			       "Origin: http://evil\r\n\r\n",
		      421);
	expect_status(&s, GET "\r\n", 421);
	expect_status(&s, GET_METRICS "\r\n", 421);
	expect_status(&s, GET_LINE "Host: B.example:80\r\n\r\n", 200);
	await_log(&s, "Request refused: 421 Misdirected Request (Host a is not "
		      "one given with -o)\n");
	fd = dial(&s);
	send_string(fd, GET_LINE "Host: b.example\r\n" UPGRADE_FIELDS
				 "Origin: https://b.example\r\n\r\n");
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

	start_bare_relay(&s, CHAT);
	for (int i = 0; i < N; i++)
		fd[i] = join_room(&s, "");
	for (int k = 0; k < SAID; k++) {
		for (int i = 0; i < N; i++) {
			snprintf(text, sizeof text, "%d says %d", i, k);
			send_message(fd[i], text);
		}
	}
	for (int i = 0; i < N; i++) {
		for (int k = 0; k < N * SAID; k++) {
			struct frame *f = read_frame(fd[i]);
			if (i == 0)
				strcpy(order[k], (char *)f->data);
			else if (strcmp(order[k], (char *)f->data) != 0)
				ck_abort_msg(
					"client %d, message %d: %s, not %s", i,
					k, f->data, order[k]);
		}
		close(fd[i]);
	}
	/* the messages of each sender are in order, so each came once */
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

START_TEST(echoes_exactly_to_single_client)
{
	static const size_t sizes[] = {0, 1, 125, 126, 127, 128, 4095, 4096};
	unsigned char data[4096];
	int fd;

	for (size_t i = 0; i < sizeof data; i++)
		data[i] = (unsigned char)(i * 7);
	start_bare_relay(&s, CHAT);
	fd = join_room(&s, "");
	for (size_t i = 0; i < COUNT(sizes); i++) {
		struct frame *f;
		send_frame(fd, 0x82, data, sizes[i]);
		f = read_frame(fd);
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

	start_bare_relay(&s, CHAT);
	fd = dial(&s);
	/* a masked "Hi", an empty ping, and the start of another text */
	snprintf(request, sizeof request,
		 HANDSHAKE
		 "\r\n\x81\x82\x01\x01\x01\x01Ih\x89\x80\x01\x01\x01\x01\x81");
	send_string(fd, request);
	send_string(fd, "\x81\x01\x01\x01\x01y");
	ck_assert(read_until(fd, s.response, sizeof s.response, "\r\n\r\n"));
	expect_message(fd, "Hi");
	ck_assert_int_eq(read_frame(fd)->first, 0x8a);
	expect_message(fd, "x");
	close(fd);
	finish();
}
END_TEST

START_TEST(joins_fragments_and_answers_pings_between)
{
	int fd;

	start_bare_relay(&s, CHAT);
	fd = join_room(&s, "");
	send_frame(fd, 0x01, "frag", 4);
	send_frame(fd, 0x89, "in between", 10);
	send_frame(fd, 0x00, "", 0);
	send_frame(fd, 0x80, "ments", 5);
	ck_assert_int_eq(read_frame(fd)->first, 0x8a);
	expect_message(fd, "fragments");
	for (int i = 0; i < 10; i++) {
		char text[126];
		memset(text, 'a' + i, sizeof text);
		send_frame(fd, 0x89, text, 125);
	}
	for (int i = 0; i < 10; i++) {
		struct frame *f = read_frame(fd);
		ck_assert_int_eq(f->first, 0x8a);
		ck_assert_uint_eq(f->len, 125);
		ck_assert_int_eq(f->data[0], 'a' + i);
	}
	send_frame(fd, 0x8a, "nobody asked", 12);
	send_message(fd, "still here");
	expect_message(fd, "still here");
	close(fd);
	finish();
}
END_TEST

/* A ping, a message and a Close in one segment come back in that order. */
START_TEST(keeps_order_of_pongs_and_messages)
{
	int fd;

	start_bare_relay(&s, CHAT);
	fd = join_room(&s, "");
	send_string(fd, "\x89\x81\x01\x01\x01\x01"
			"b"
			"\x81\x81\x01\x01\x01\x01"
			"i"
			"\x89\x81\x01\x01\x01\x01"
			"c"
			"\x88\x80\x01\x01\x01\x01");
	ck_assert_str_eq((char *)read_frame(fd)->data, "c");
	ck_assert_str_eq((char *)read_frame(fd)->data, "h");
	ck_assert_str_eq((char *)read_frame(fd)->data, "b");
	expect_close(fd, 0);
	finish();
}
END_TEST

START_TEST(closes_with_code_for_each_mistake)
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

	start_bare_relay(&s, CHAT);
	other = join_room(&s, "");
	for (size_t i = 0; i < COUNT(cases); i++) {
		fd = join_room(&s, "");
		send_message(fd, "before");
		send_frame(fd, cases[i].first, cases[i].payload, cases[i].len);
		send_message(fd, "after"); /* reaches no client */
		expect_message(fd, "before");
		expect_close(fd, cases[i].code);
		expect_message(other, "before");
	}
	fd = join_room(&s, "");
	send_frame(fd, 0x82, big, sizeof big);
	expect_close(fd, 1009);
	fd = join_room(&s, "");
	send_string(fd, "\x81\x05Hello"); /* not masked */
	expect_close(fd, 1002);
	send_message(other, "unharmed");
	expect_message(other, "unharmed");
	expect_metric(&s, "chat_dropped_total{reason=\"protocol\"}", 7);
	expect_metric(&s, "chat_dropped_total{reason=\"invalid\"}", 2);
	expect_metric(&s, "chat_dropped_total{reason=\"too_big\"}", 1);
	close(other);
	finish();
}
END_TEST

START_TEST(gives_newcomers_history_then_notice)
{
	char text[32];
	int a, b;

	start(&s, CHAT, "-n", "3", "-l", "0", NULL);
	a = join_room(&s, "");
	expect_notice(a, 1);
	for (int i = 0; i < 5; i++) {
		snprintf(text, sizeof text, "message %d", i);
		send_message(a, text);
		expect_message(a, text);
	}
	b = join_room(&s, "");
	for (int i = 2; i < 5; i++) {
		snprintf(text, sizeof text, "message %d", i);
		ck_assert_str_eq((char *)read_frame(b)->data, text);
	}
	expect_notice(b, 2);
	expect_notice(a, 2); /* it has changed */
	send_message(a, "live");
	expect_message(a, "live");
	expect_message(b, "live");
	close(b);
	while (strncmp((char *)read_frame(a)->data, "{\"online\":1,", 12) != 0)
		;
	close(a);
	finish();
}
END_TEST

/* There are notices unless both the history and the heartbeat are off. */
START_TEST(sends_notice_with_number_of_clients)
{
	static const char *const options[][2] = {{"-n", "-l"}, {"-t", "-l"}};
	int a, b;

	start(&s, CHAT, options[_i][0], "0", options[_i][1], "0", NULL);
	a = join_room(&s, "");
	expect_notice(a, 1);
	b = join_room(&s, "");
	expect_notice(b, 2);
	expect_notice(a, 2);
	close(a);
	close(b);
	finish();
}
END_TEST

/* The small log holds 16 KiB; a newcomer gets no more than half of that. */
/* Reads the next notice that names this many people. */
static struct notice {
	unsigned long online, said, since, heartbeat, max;
} await_notice(int fd, unsigned long online)
{
	struct notice n = {0};

	while (n.online != online) {
		const struct frame *f = read_frame(fd);
		int end = 0;

		ck_assert_int_ge(f->first, 0);
		if (f->first != 0x81 || f->data[0] != '{')
			continue;
		ck_assert_int_eq(
			sscanf((const char *)f->data,
			       "{\"online\":%lu,\"said\":%lu,\"since\":%lu,"
			       "\"heartbeat\":%lu,\"max\":%lu}%n",
			       &n.online, &n.said, &n.since, &n.heartbeat,
			       &n.max, &end),
			5);
		ck_assert_uint_eq((size_t)end, f->len);
	}
	return n;
}

/* A notice tells its place in the order: the k messages of the history before
   it have the numbers said - k to said - 1. */
START_TEST(notices_tell_number_of_messages_and_limits)
{
	struct notice first, second;
	unsigned long now = (unsigned long)time(NULL);
	int a, b;

	start(&s, SMALL, "-n", "3", "-t", "60", NULL);
	a = join_room(&s, "");
	first = await_notice(a, 1);
	ck_assert_uint_eq(first.said, 0);
	ck_assert_uint_ge(first.since / 1000, now);
	ck_assert_uint_le(first.since / 1000, now + WAIT / 1000);
	ck_assert(first.heartbeat == 60 && first.max == 1024);
	for (int i = 0; i < 5; i++)
		send_message(a, "x");
	for (int i = 0; i < 5; i++)
		expect_message(a, "x");
	b = join_room(&s, "");
	for (int i = 0; i < 3; i++)
		ck_assert_str_eq((char *)read_frame(b)->data, "x");
	second = await_notice(b, 2);
	ck_assert(second.said == 5 && second.since == first.since);
	ck_assert_uint_eq(await_notice(a, 2).said, 5);
	/* b has been told once; what it hears next is a message */
	send_message(a, "next");
	ck_assert_str_eq((char *)read_frame(b)->data, "next");
	close(a);
	close(b);
	finish();
}
END_TEST

START_TEST(gives_newcomers_at_most_half_the_ring)
{
	static char text[1001];
	struct frame *f;
	int a, b, n = 0;

	memset(text, 'x', 1000);
	start(&s, SMALL, "-n", "100", "-t", "0", "-l", "0", NULL);
	a = join_room(&s, "");
	for (int i = 0; i < 40; i++) {
		text[0] = (char)('0' + i);
		send_message(a, text);
		expect_message(a, text);
	}
	b = join_room(&s, "");
	while ((f = read_frame(b))->len == 1000) {
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

START_TEST(pings_and_drops_silent_client)
{
	struct frame *f;
	int a, b;

	start(&s, CHAT, "-t", "1", NULL);
	a = join_room(&s, "");
	b = join_room(&s, "");
	while (read_frame(a)->first != 0x89)
		;
	/* a notice comes with each ping; the first may be older than b */
	f = read_frame(a);
	ck_assert(strncmp((char *)f->data, "{\"online\":", 10) == 0);
	/* a answers pings, b does not */
	while (count_in_log(&s, "disconnected: silent, sent nothing for two "
				"heartbeats (1 online)") == 0) {
		f = read_frame(a);
		if (f->first != 0x89)
			continue;
		send_frame(a, 0x8a, f->data, f->len);
		if (read_metric(&s, "chat_clients") == 1)
			await_log(&s, "disconnected: silent, sent nothing for "
				      "two heartbeats (1 online)");
	}
	send_message(a, "here");
	expect_message(a, "here");
	close(a);
	close(b);
	finish();
}
END_TEST

/* ---- Limits ---- */

START_TEST(refuses_one_client_too_many)
{
	int fd[4];

	start(&s, SMALL, "-n", "0", "-t", "0", NULL);
	for (int i = 0; i < 4; i++)
		fd[i] = join_room(&s, "");
	expect_status(&s, HANDSHAKE "\r\n", 503);
	ck_assert_ptr_nonnull(strstr(s.response, "Retry-After: "));
	expect_status(&s, GET "\r\n", 200);
	close(fd[0]);
	await_log(&s, "(3 online)\n");
	await_log(&s, "disconnected");
	fd[0] = join_room(&s, "");
	for (int i = 0; i < 4; i++) {
		send_message(fd[i], "x");
		for (int k = 0; k < 4; k++)
			expect_message(fd[k], "x");
	}
	finish();
}
END_TEST

START_TEST(evicts_oldest_unfinished_request)
{
	int people[4], idle[20];

	start(&s, SMALL, "-n", "0", "-t", "0", NULL);
	for (int i = 0; i < 4; i++)
		people[i] = join_room(&s, "");
	for (int i = 0; i < 20; i++)
		idle[i] = dial(&s); /* and sends nothing */
	expect_status(&s, GET "\r\n", 200);
	ck_assert(connection_ended(idle[0]));
	send_message(people[0], "x");
	for (int i = 0; i < 4; i++)
		expect_message(people[i], "x");
	await_log(&s, "Connection dropped: crowded, closed to make room for a "
		      "newcomer\n");
	finish();
}
END_TEST

START_TEST(times_out_unfinished_request)
{
	int slow, silent;

	start(&s, SMALL, NULL);
	silent = dial(&s);
	slow = dial(&s);
	send_string(slow, "GET / HT");
	read_until_end(slow, s.response, sizeof s.response);
	ck_assert_ptr_nonnull(strstr(s.response, "HTTP/1.1 408 "));
	read_until_end(silent, s.response, sizeof s.response);
	ck_assert_ptr_nonnull(strstr(s.response, "HTTP/1.1 408 "));
	await_log(&s, "Request refused: 408 ");
	/* silence is not logged */
	ck_assert_int_eq(count_in_log(&s, " 408 "), 1);
	finish();
}
END_TEST

START_TEST(times_out_unfinished_message)
{
	int a, b, c;

	start(&s, SMALL, "-n", "0", "-t", "0", NULL);
	a = join_room(&s, "");
	b = join_room(&s, "");
	c = join_room(&s, "");
	send_frame(a, 0x01, "half a", 6);
	send_string(b, "\x81");
	send_message(c, "whole");
	expect_message(a, "whole");
	expect_message(b, "whole");
	expect_close(a, 1008);
	expect_close(b, 1008);
	await_log(&s, "disconnected: unfinished");
	send_message(c, "still here");
	expect_message(c, "whole");
	expect_message(c, "still here");
	finish();
}
END_TEST

/* A client may send five seconds of frames at once; later ones are read at its
   rate, and none is lost. */
START_TEST(delays_client_above_its_rate)
{
	int a, b;
	char text[32];

	start(&s, CHAT, "-l", "5", "-n", "0", "-t", "0", NULL);
	a = join_room(&s, "");
	b = join_room(&s, "");
	for (int i = 0; i < 25 + 1; i++)
		send_frame(a, 0x8a, "", 0); /* more than its credit */
	for (int i = 0; i < 10; i++) {
		snprintf(text, sizeof text, "late %d", i);
		send_message(a, text);
	}
	send_message(b, "in time");
	for (int i = 0; i < 10; i++) {
		struct frame *f = read_frame(b);
		if (strcmp((char *)f->data, "in time") == 0)
			f = read_frame(b);
		snprintf(text, sizeof text, "late %d", i);
		ck_assert_str_eq((char *)f->data, text);
	}
	finish();
}
END_TEST

/* One client never reads, and the ring is far too small to keep all messages
   for it.  The server drops it; the others get every message. */
START_TEST(drops_client_that_holds_up_the_room)
{
	enum { SAID = 30000 };
	static char text[1001];
	int a, b, dead, size = 4096;
	bool done = false;

	memset(text, 'x', 1000);
	start_bare_relay(&s, SMALL);
	dead = join_room(&s, "");
	setsockopt(dead, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
	a = join_room(&s, "");
	b = join_room(&s, "");
	for (int i = 0; i < SAID && !done; i++) {
		snprintf(text, sizeof text, "%09d", i);
		text[9] = 'x';
		send_message(a, text);
		expect_message(a, text);
		expect_message(b, text);
		if (i % 100 == 0)
			done = read_metric(&s, "chat_clients") == 2;
	}
	await_log(&s, "disconnected: ");
	ck_assert(count_in_log(&s, "disconnected: slow, too far behind; the "
				   "room waits 2 s a minute (2 online)\n") +
			  count_in_log(&s, "disconnected: stuck, accepted no "
					   "data for 1 s (2 online)\n") ==
		  1);
	close(dead);
	finish();
}
END_TEST

START_TEST(drops_client_that_pings_and_never_reads)
{
	static unsigned char pings[131 * 1000];
	int a, b;
	pid_t flood;

	start_bare_relay(&s, CHAT);
	a = join_room(&s, "");
	b = join_room(&s, "");
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
	await_log(&s, "disconnected: flood, sent pings and read no pongs (1 "
		      "online)\n");
	send_message(b, "fine");
	expect_message(b, "fine");
	kill(flood, SIGKILL);
	waitpid(flood, NULL, 0);
	finish();
}
END_TEST

/* ---- Start and end ---- */

START_TEST(closes_with_1001_at_sigterm)
{
	int a, b, idle;

	start(&s, CHAT, NULL);
	a = join_room(&s, "");
	b = join_room(&s, "");
	idle = dial(&s);
	send_message(a, "last words");
	expect_message(b, "last words");
	kill(s.pid, SIGTERM);
	expect_message(a, "last words");
	ck_assert_int_eq(read_message(a)->first, 0x88);
	send_frame(a, 0x88, "\x03\xe9", 2);
	ck_assert(connection_ended(a));
	/* it listens no more, and has closed what had not sent a request */
	ck_assert(!is_listening(&s));
	ck_assert(connection_ended(idle));
	/* b answers nothing; the server does not wait for it for long */
	ck_assert_int_eq(read_message(b)->first, 0x88);
	ck_assert_int_eq(await_exit(&s), 0);
}
END_TEST

START_TEST(exits_at_second_signal)
{
	start(&s, CHAT, NULL);
	join_room(&s, ""); /* and answers nothing */
	kill(s.pid, SIGINT);
	await_log(&s, "disconnected: going away");
	kill(s.pid, SIGINT);
	ck_assert_int_eq(await_exit(&s), 128 + SIGINT);
}
END_TEST

START_TEST(closes_with_1001_at_sighup)
{
	int fd;

	start(&s, CHAT, NULL);
	fd = join_room(&s, "");
	kill(s.pid, SIGHUP);
	await_log(&s, "chat SIGHUP: closing 1 clients\n");
	send_frame(fd, 0x88, "\x03\xe9", 2);
	expect_close(fd, 1001);
	ck_assert_int_eq(await_exit(&s), 0);
}
END_TEST

/* As nohup starts it. */
START_TEST(goes_on_at_sighup_if_started_so)
{
	int fd;

	signal(SIGHUP, SIG_IGN);
	start(&s, CHAT, NULL);
	fd = join_room(&s, "");
	kill(s.pid, SIGHUP);
	send_message(fd, "still here");
	expect_message(fd, "still here");
	close(fd);
	finish();
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
		"-z",
		"-n 1001",
		"-c x",
		"-o ''",
		"-o http://chat.example",
		"-o chat.example/",
		"-o '*.example'",
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

/* On all addresses it names one that others can use, if there is any. */
START_TEST(prints_url_that_others_can_open)
{
	static const char *const all[] = {"0.0.0.0", "::"};

	start(&s, CHAT, NULL);
	ck_assert_ptr_nonnull(strstr(s.greeting, ": open http://127.0.0.1:"));
	finish();
	for (size_t i = 0; i < COUNT(all); i++) {
		start(&s, CHAT, "-a", all[i], NULL);
		ck_assert_ptr_null(strstr(s.greeting, all[i]));
		expect_status(&s, GET "\r\n", 200);
		finish();
	}
}
END_TEST

/* Returns what a command prints. */
static const char *output_of(const char *command)
{
	static char text[100000];
	FILE *f = popen(command, "r");
	size_t n = fread(text, 1, sizeof text - 1, f);

	text[n] = '\0';
	ck_assert_int_eq(pclose(f), 0);
	return text;
}

/* The man page has exactly the options that -h lists, which are all that there
   are, since both come from one table; and the README has each of them. */
START_TEST(documents_each_option)
{
	char letters[32] = "", sign[16];
	size_t n = 0;
	const char *text = output_of(CHAT " -h");

	while ((text = strstr(text, "\n  -")) != NULL) {
		text += strlen("\n  -");
		letters[n++] = *text;
	}
	ck_assert_uint_gt(n, 8);
	text = output_of("cat chat.1");
	for (char c = 'A'; c <= 'z'; c++) {
		snprintf(sign, sizeof sign, ".It Fl %c", c);
		if (c <= 'Z' || c >= 'a')
			ck_assert_msg(!strchr(letters, c) ==
					      !strstr(text, sign),
				      "chat.1: -%c", c);
	}
	text = output_of("cat README.md");
	for (size_t i = 0; i < n; i++) {
		snprintf(sign, sizeof sign, "`-%c", letters[i]);
		ck_assert_msg(strstr(text, sign) != NULL, "README.md: -%c",
			      letters[i]);
	}
}
END_TEST

/* `size` counts all memory but the stack and libc's, even when every client is
   in the middle of a message. */
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
	declared = atol(output_of("size " CHAT " | sed 1d | cut -f 4"));
	for (int i = 0; i < PEOPLE; i++) {
		fds[i] = join_room(&s, "");
		send_all(fds[i], frame, size - 1);
	}
	for (long want = PEOPLE * (long)size; want > 0;)
		want = read_metric(&s, "chat_received_bytes_total") < want
			       ? want
			       : 0;
	snprintf(command, sizeof command,
		 "sed -n 's/^Private_Dirty: *//p' /proc/%d/smaps_rollup",
		 (int)s.pid);
	used = atol(output_of(command));
	ck_assert_int_gt(used, PEOPLE * 4096 / 1024);
	ck_assert_msg(used < declared / 1024 + MARGIN,
		      "%ld KB used, %ld declared", used, declared / 1024);
	for (int i = 0; i < PEOPLE; i++)
		close(fds[i]);
	finish();
}
END_TEST

START_TEST(exits_when_port_is_taken)
{
	char arguments[64];

	start(&s, CHAT, NULL);
	snprintf(arguments, sizeof arguments, "-a 127.0.0.1 -p %d", s.port);
	ck_assert_int_eq(run_command(arguments), 1);
	finish();
}
END_TEST

/* ---- A socket in the file system ---- */

static char folder[] = "/tmp/chat-test-XXXXXX", path[64];

static int dial_path(void)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	strcpy(a.sun_path, path);
	ck_assert(connect(fd, (void *)&a, sizeof a) == 0);
	return fd;
}

static void start_at_path(void)
{
	ck_assert(*path != '\0' || mkdtemp(folder) != NULL);
	snprintf(path, sizeof path, "%s/socket", folder);
	start(&s, CHAT, "-a", path, NULL);
	ck_assert_ptr_nonnull(strstr(s.greeting, ": listening on /tmp/chat-"));
}

/* It is for the user and the group, and is removed at the end; one that a
   killed server left behind is replaced. */
START_TEST(makes_socket_at_path)
{
	struct stat file;

	for (int i = 0; i < 2; i++) {
		char response[256] = "";
		int fd;

		start_at_path();
		ck_assert(lstat(path, &file) == 0 && S_ISSOCK(file.st_mode));
		ck_assert_uint_eq(file.st_mode & 0777, 0660);
		fd = dial_path();
		send_string(fd, HANDSHAKE "\r\n");
		ck_assert(
			read_until(fd, response, sizeof response, "\r\n\r\n"));
		await_log(&s, "local Client connected (1 online)\n");
		close(fd);
		if (i == 0) {
			kill(s.pid, SIGKILL);
			ck_assert_int_eq(waitpid(s.pid, NULL, 0), s.pid);
			ck_assert_int_eq(lstat(path, &file), 0);
		} else {
			finish();
			ck_assert_int_eq(lstat(path, &file), -1);
		}
	}
	rmdir(folder);
}
END_TEST

/* Neither the socket of another server is replaced, nor any other file. */
START_TEST(leaves_other_files_alone)
{
	char arguments[128];
	struct stat file;
	int fd;

	start_at_path();
	snprintf(arguments, sizeof arguments, "-a %s", path);
	ck_assert_int_eq(run_command(arguments), 1);
	fd = dial_path();
	send_string(fd, GET "\r\n");
	ck_assert(read_until(fd, s.response, sizeof s.response, " 200 OK\r\n"));
	close(fd);
	finish();
	fd = open(path, O_WRONLY | O_CREAT, 0600);
	ck_assert(write(fd, "mine", 4) == 4);
	ck_assert_int_eq(run_command(arguments), 1);
	ck_assert(fstat(fd, &file) == 0 && file.st_size == 4 &&
		  file.st_nlink == 1);
	close(fd);
	unlink(path);
	rmdir(folder);
	ck_assert_int_eq(run_command("-a /nonexistent/socket"), 1);
	ck_assert_int_eq(
		run_command("-a ./"
			    "0123456789012345678901234567890123456789"
			    "0123456789012345678901234567890123456789"
			    "0123456789012345678901234567890123456789"),
		2);
}
END_TEST

/* As systemd passes it: LISTEN_FDS and LISTEN_PID. */
START_TEST(serves_inherited_socket)
{
	struct sockaddr_in a = {.sin_family = AF_INET,
				.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof a;
	int fd;

	inherited_socket = socket(AF_INET, SOCK_STREAM, 0);
	ck_assert(bind(inherited_socket, (void *)&a, sizeof a) == 0 &&
		  listen(inherited_socket, 5) == 0);
	getsockname(inherited_socket, (void *)&a, &size);
	start(&s, CHAT, NULL);
	ck_assert_int_eq(s.port, ntohs(a.sin_port));
	fd = join_room(&s, "");
	send_message(fd, "hello");
	expect_message(fd, "hello");
	close(fd);
	finish();
}
END_TEST

START_TEST(refuses_to_inherit_bad_sockets)
{
	char many[] = "LISTEN_FDS=9 LISTEN_PID=$$; export LISTEN_FDS "
		      "LISTEN_PID; exec " CHAT " 2>/dev/null";
	char command[] = "LISTEN_FDS=1 LISTEN_PID=$$; export LISTEN_FDS "
			 "LISTEN_PID; exec " CHAT " 3</dev/null 2>/dev/null";

	ck_assert_int_eq(WEXITSTATUS(system(command)), 1);
	ck_assert_int_eq(WEXITSTATUS(system(many)), 2);
}
END_TEST

/* The limit of descriptors limits the clients; without room for one, the server
   exits. */
START_TEST(sizes_room_by_descriptor_limit)
{
	struct rlimit files = {.rlim_cur = 45, .rlim_max = 45};

	setrlimit(RLIMIT_NOFILE, &files);
	start(&s, CHAT, NULL);
	await_log(&s, "chat: warning: the limit of open files, 45, leaves room "
		      "for 13 of 1024 clients; 1056 are needed");
	expect_metric(&s, "chat_clients_limit", 13);
	finish();
	for (int limit = 20; limit <= 32; limit += 12) {
		char command[200], want[100];

		snprintf(command, sizeof command,
			 "ulimit -n %d; " CHAT " -p 0 2>&1; test $? = 1",
			 limit);
		snprintf(want, sizeof want,
			 "chat: cannot start: the limit of open files, %d, "
			 "leaves room for 0 of 1024 clients; ",
			 limit);
		ck_assert_ptr_nonnull(strstr(output_of(command), want));
	}
}
END_TEST

/* The pipe of the log is full, and then closed. */
START_TEST(goes_on_when_log_is_not_read)
{
	int fd;

	start(&s, CHAT, "-t", "0", NULL);
	for (int i = 0; i < 2000; i++)
		expect_status(&s, "x\r\n\r\n", 400);
	close(s.err);
	for (int i = 0; i < 10; i++)
		expect_status(&s, "x\r\n\r\n", 400);
	fd = join_room(&s, "");
	send_message(fd, "still here");
	expect_message(fd, "still here");
	kill(s.pid, SIGTERM);
	expect_close(fd, 1001);
	ck_assert(waitpid(s.pid, &fd, 0) == s.pid);
	ck_assert(WIFEXITED(fd) && WEXITSTATUS(fd) == 0);
}
END_TEST

/* A flood writes LOG_RATE lines a second, and how many more there were. */
START_TEST(limits_lines_of_log)
{
	enum { REFUSED = 1000 };
	const char *at;
	int lines, counted = 0;

	start(&s, CHAT, NULL);
	for (int i = 0; i < REFUSED; i++)
		expect_status(&s, "x\r\n\r\n", 400);
	kill(s.pid, SIGTERM);
	read_until_end(s.err, s.log, sizeof s.log);
	ck_assert_int_eq(await_exit(&s), 0);
	lines = count_in_log(&s, "Request refused: 400");
	for (at = s.log; (at = strstr(at, " chat ")) != NULL;) {
		at += strlen(" chat ");
		if (strstr(at, " more events in the last second\n") != NULL)
			counted += atoi(at);
	}
	/* the line of the start or of the end may be among those counted */
	ck_assert_int_ge(lines + counted, REFUSED);
	ck_assert_int_le(lines + counted, REFUSED + 2);
	ck_assert_int_ge(lines, 98);
	ck_assert_int_gt(counted, 0);
}
END_TEST

START_TEST(logs_nothing_with_option_q)
{
	start(&s, CHAT, "-q", NULL);
	close(join_room(&s, ""));
	expect_status(&s, "x\r\n\r\n", 400);
	kill(s.pid, SIGTERM);
	ck_assert(connection_ended(s.err)); /* without a line */
	ck_assert_int_eq(await_exit(&s), 0);
}
END_TEST

Suite *chat_suite(void)
{
	Suite *suite = suite_create("chat");
	TCase *t = tcase_create("server");

	tcase_set_timeout(t, 60);
	tcase_add_test(t, serves_the_page);
	tcase_add_test(t, answers_bad_requests);
	tcase_add_test(t, answers_a_half_closed_request);
	tcase_add_test(t, refuses_long_request_and_target);
	tcase_add_test(t, counts_clients_messages_and_bytes);
	tcase_add_test(t, logs_joins_and_leaves);
	tcase_add_test(t, refuses_foreign_origin);
	tcase_add_test(t, accepts_only_hosts_and_origins_of_option_o);
	tcase_add_test(t, relays_to_all_in_one_order);
	tcase_add_test(t, echoes_exactly_to_single_client);
	tcase_add_test(t, takes_frames_right_behind_the_request);
	tcase_add_test(t, joins_fragments_and_answers_pings_between);
	tcase_add_test(t, keeps_order_of_pongs_and_messages);
	tcase_add_test(t, closes_with_code_for_each_mistake);
	tcase_add_test(t, gives_newcomers_history_then_notice);
	tcase_add_loop_test(t, sends_notice_with_number_of_clients, 0, 2);
	tcase_add_test(t, notices_tell_number_of_messages_and_limits);
	tcase_add_test(t, gives_newcomers_at_most_half_the_ring);
	tcase_add_test(t, pings_and_drops_silent_client);
	tcase_add_test(t, refuses_one_client_too_many);
	tcase_add_test(t, evicts_oldest_unfinished_request);
	tcase_add_test(t, times_out_unfinished_request);
	tcase_add_test(t, times_out_unfinished_message);
	tcase_add_test(t, delays_client_above_its_rate);
	tcase_add_test(t, drops_client_that_holds_up_the_room);
	tcase_add_test(t, drops_client_that_pings_and_never_reads);
	tcase_add_test(t, closes_with_1001_at_sigterm);
	tcase_add_test(t, exits_at_second_signal);
	tcase_add_test(t, closes_with_1001_at_sighup);
	tcase_add_test(t, goes_on_at_sighup_if_started_so);
	tcase_add_test(t, refuses_bad_usage);
	tcase_add_test(t, prints_url_that_others_can_open);
	tcase_add_test(t, documents_each_option);
	/* neither in an emulator's memory nor with a sanitizer's */
	if (getenv("UNDER") == NULL && getenv("SANITIZED") == NULL)
		tcase_add_test(t, needs_no_more_memory_than_declared);
	tcase_add_test(t, exits_when_port_is_taken);
	tcase_add_test(t, makes_socket_at_path);
	tcase_add_test(t, leaves_other_files_alone);
	tcase_add_test(t, serves_inherited_socket);
	tcase_add_test(t, refuses_to_inherit_bad_sockets);
	if (getenv("UNDER") == NULL) /* which has descriptors of its own */
		tcase_add_test(t, sizes_room_by_descriptor_limit);
	tcase_add_test(t, goes_on_when_log_is_not_read);
	tcase_add_test(t, limits_lines_of_log);
	tcase_add_test(t, logs_nothing_with_option_q);
	suite_add_tcase(suite, t);
	return suite;
}
