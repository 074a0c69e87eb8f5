/* SPDX-License-Identifier: MIT */
/*
 * Attacks that have hurt other servers.  At most the attacking connection may
 * end: a witness in the same room gets every message in order, and afterwards
 * the server has the descriptors it had, hardly more memory, and nothing to do.
 * Attacks from several addresses are in test_attacks.c.
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "handshake.h"
#include "test.h"

#define CLOCK "test/build/clock.so"

static struct server s;
static int witness, descriptors;
static long memory;

/* ---- Its health ---- */

/* Waits for a while in which nothing is to happen. */
static void let_pass(int ms)
{
	poll(NULL, 0, ms);
}

static void begin(const char *binary)
{
	start_bare_relay(&s, binary);
	witness = join_room(&s, "");
	send_message(witness, "begin");
	expect_message(witness, "begin");
	descriptors = count_descriptors(&s);
	memory = read_proc(&s, "status", "VmRSS: %ld kB");
}

/* The server is as it was, at the latest when all its deadlines are over. */
static void finish(void)
{
	long switches;

	send_message(witness, "end");
	expect_message(witness, "end");
	for (int k = 0; count_descriptors(&s) != descriptors; k++) {
		ck_assert_msg(k < WAIT / 10, "%d descriptors, not %d",
			      count_descriptors(&s), descriptors);
		let_pass(10);
	}
	/* half-received requests and messages stay in the buffers' pages */
	ck_assert_int_le(read_proc(&s, "status", "VmRSS: %ld kB"),
			 memory + 3000);
	/* it sleeps: a tick or two, not a spin */
	switches = read_proc(&s, "status", "voluntary_ctxt_switches: %ld") +
		   read_proc(&s, "status", "nonvoluntary_ctxt_switches: %ld");
	let_pass(1000);
	ck_assert_int_le(
		read_proc(&s, "status", "voluntary_ctxt_switches: %ld") +
			read_proc(&s, "status",
				  "nonvoluntary_ctxt_switches: %ld"),
		switches + 50);
	close(witness);
	ck_assert_int_eq(stop(&s), 0);
}

/* ---- Requests ---- */

static const struct {
	const char *name, *start, *repeat, *end;
	int times, status;
} requests[] = {
	{"2,000 fields", GET, "a:\r\n", "\r\n", 2000, 200},
	{"2,100 fields", GET, "a:\r\n", "\r\n", 2100, 431},
	{"a field of 20 MB", GET "X: ", "xxxxxxxxxx", "\r\n\r\n", 2000000, 431},
	{"no newline for 64 KiB", "", "x", "", 65536, 414},
	{"a target of 64 KiB", "GET /", "x", " HTTP/1.1\r\n\r\n", 65536, 414},
	{"an odd protocol list", HANDSHAKE "Sec-WebSocket-Protocol: ", ",",
	 "\r\n\r\n", 100, 101},
	{"extensions full of blanks",
	 HANDSHAKE "Sec-WebSocket-Extensions: ", " ", ";\r\n\r\n", 4000, 101},
	{"a TLS ClientHello", "\x16\x03\x01\x02", "\x03", "", 512, 400},
	{"noise", "\xde\xad\xbe\xef", "\xff\x01", "", 1000, 400},
};

/* Sends it while reading, as the server may answer before it has it all. */
static int send_while_reading(const char *request, size_t len)
{
	int fd = dial(&s), status = 0;
	pid_t sender = fork();

	if (sender == 0) {
		send_all(fd, request, len);
		shutdown(fd, SHUT_WR);
		_exit(0);
	}
	read_until_end(fd, s.response, sizeof s.response);
	waitpid(sender, NULL, 0);
	close(fd);
	sscanf(s.response, "HTTP/1.1 %d ", &status);
	return status;
}

START_TEST(answers_requests_that_hurt_others)
{
	begin(CHAT);
	for (size_t i = 0; i < COUNT(requests); i++) {
		size_t step = strlen(requests[i].repeat);
		char *request = malloc(1024 + step * requests[i].times);
		size_t len = strlen(requests[i].start);
		int status;

		strcpy(request, requests[i].start);
		for (int k = 0; k < requests[i].times; k++, len += step)
			memcpy(request + len, requests[i].repeat, step);
		strcpy(request + len, requests[i].end);
		len += strlen(requests[i].end);
		status = send_while_reading(request, len);
		ck_assert_msg(status == requests[i].status, "%s: %d",
			      requests[i].name, status);
		free(request);
	}
	finish();
}
END_TEST

/* A byte now and then does not put off the deadline. */
START_TEST(times_out_request_that_dribbles)
{
	struct pollfd p = {.events = POLLIN};
	const char *at = GET "X: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy";

	begin(SMALL);
	p.fd = dial(&s);
	while (*at != '\0' && poll(&p, 1, 200) == 0)
		send_all(p.fd, at++, 1);
	ck_assert_msg(*at != '\0', "no answer");
	read_until_end(p.fd, s.response, sizeof s.response);
	ck_assert_ptr_nonnull(strstr(s.response, "HTTP/1.1 408 "));
	close(p.fd);
	finish();
}
END_TEST

START_TEST(accepts_client_past_200_silent_connections)
{
	int silent[200], fd;

	begin(SMALL);
	for (int i = 0; i < 200; i++)
		silent[i] = dial(&s);
	fd = join_room(&s, "");
	send_message(fd, "I got in");
	expect_message(fd, "I got in");
	expect_message(witness, "I got in");
	close(fd);
	for (int i = 0; i < 200; i++)
		close(silent[i]);
	finish();
}
END_TEST

/* ---- Ends at every stage ---- */

/* A whole visit, byte by byte shorter, ended in each way. */
START_TEST(survives_end_after_each_byte_of_visit)
{
	static const char visit[] =
		HANDSHAKE "\r\n\x81\x82\0\0\0\0Hi"
			  "\x89\x81\0\0\0\0p\x82\xfe\x00\x7e"
			  "\0\0\0\0half";
	size_t len = sizeof visit - 1, head = strlen(HANDSHAKE) + 2;
	int heard = 0;

	begin(CHAT);
	for (size_t n = 0; n <= len; n++) {
		for (int way = 0; way < 3; way++) {
			int fd = dial(&s);

			send_all(fd, visit, n);
			if (way == 0)
				shutdown(fd, SHUT_WR);
			if (n >= head + 8 && way < 2) {
				expect_message(witness, "Hi");
				heard++;
			}
			if (way == 0)
				read_until_end(fd, s.response,
					       sizeof s.response);
			if (way < 2)
				close(fd);
			else
				reset_connection(fd);
		}
	}
	ck_assert_int_eq(heard, 2 * (int)(len - head - 8 + 1));
	/* of the visits that were reset, some messages came; the server takes
	   connections in order, so that no more comes after this one */
	send_request(&s, GET "\r\n");
	send_message(witness, "mark");
	while (strcmp((char *)read_frame(witness)->data, "mark") != 0)
		;
	finish();
}
END_TEST

START_TEST(survives_end_during_close)
{
	begin(SMALL);
	for (int way = 0; way < 3; way++) {
		int fd = join_room(&s, "");

		send_frame(fd, 0x88, "\x03\xe8", 2);
		if (way == 0)
			reset_connection(fd);
		else if (way == 1)
			close(fd);
		else /* it stays, and never ends its side */
			expect_message(witness,
				       (send_message(witness, "x"), "x"));
	}
	finish();
}
END_TEST

/* Some read a bit of the page and reset the connection, others do nothing. */
START_TEST(survives_clients_that_never_read_page)
{
	begin(SMALL);
	for (int i = 0; i < 40; i++) {
		int fd = dial_narrow(&s, 1024);

		send_string(fd, GET "\r\n");
		if (i % 2 == 0)
			continue;
		ck_assert_int_eq(recv(fd, s.response, 9, MSG_WAITALL), 9);
		reset_connection(fd);
	}
	send_message(witness, "meanwhile");
	expect_message(witness, "meanwhile");
	finish();
}
END_TEST

START_TEST(stays_the_same_over_ten_thousand_connections)
{
	begin(CHAT);
	for (int i = 0; i < 10000; i++) {
		int fd = dial(&s);

		if (i % 4 == 1)
			send_string(fd, HANDSHAKE "\r\n");
		if (i % 4 == 2)
			send_string(fd, "GET");
		if (i % 4 == 3)
			reset_connection(fd);
		else
			close(fd);
	}
	finish();
}
END_TEST

/* ---- The log ---- */

START_TEST(logs_no_control_characters)
{
	int fd;

	begin(CHAT);
	send_request(&s, "GET /\033]0;owned\007 HTTP/1.1\r\n\r\n");
	send_request(&s,
		     HANDSHAKE "Origin: http://a\r\nOrigin: \033[31m\r\n\r\n");
	send_request(&s, HANDSHAKE "Origin: http://\xe2\x80\xae\xc2\x9b"
				   "evil\r\n\r\n");
	fd = join_room(&s, "");
	send_frame(fd, 0x81, "\033[2J\r\n2026-01-01T00:00:00Z fake", 32);
	send_frame(fd, 0x88, "\x03\xe8\033[2J", 6);
	expect_message(witness, "\033[2J\r\n2026-01-01T00:00:00Z fake");
	await_log(&s, "disconnected: closed");
	for (const char *at = s.log; *at != '\0'; at++)
		ck_assert(*at == '\n' || (*at >= ' ' && *at <= '~'));
	ck_assert_ptr_null(strstr(s.log, "\n2026-01-01T00:00:00Z fake"));
	close(fd);
	finish();
}
END_TEST

/* Begins with a server whose stderr is a terminal, which it returns.  What is
   written there can be read from *master. */
static int begin_on_terminal(int *master)
{
	*master = posix_openpt(O_RDWR | O_NOCTTY);
	ck_assert(*master >= 0 && grantpt(*master) == 0 &&
		  unlockpt(*master) == 0);
	stderr_for_server = open(ptsname(*master), O_RDWR | O_NOCTTY);
	begin(CHAT);
	return stderr_for_server;
}

/* The terminal takes no more bytes: ctrl-S. */
START_TEST(goes_on_when_the_terminal_is_stopped)
{
	int master, terminal = begin_on_terminal(&master);

	tcflow(terminal, TCOOFF);
	for (int i = 0; i < 2000; i++)
		expect_status(&s, "x\r\n\r\n", 400);
	send_message(witness, "still here");
	expect_message(witness, "still here");
	tcflow(terminal, TCOON);
	close(master);
	finish();
}
END_TEST

/* It is not read, and fills up until only a part of a line fits. */
START_TEST(goes_on_when_the_terminal_is_full)
{
	int master, terminal = begin_on_terminal(&master);
	char request[200]; /* for a long line in the log */

	snprintf(request, sizeof request,
		 "GET /%0150d HTTP/1.1\r\nHost: a\r\n\r\n", 0);
	for (int i = 0; i < 2000; i++)
		expect_status(&s, request, 404);
	send_message(witness, "still here");
	expect_message(witness, "still here");
	ck_assert_int_eq(fcntl(terminal, F_GETFL) & O_NONBLOCK, 0);
	close(master);
	finish();
}
END_TEST

/* Then 2 is free, and must not become a client's socket. */
START_TEST(goes_on_without_a_stderr)
{
	stderr_for_server = CLOSED;
	begin(CHAT);
	for (int i = 0; i < 10; i++) {
		int fd = join_room(&s, "");

		expect_status(&s, "x\r\n\r\n", 400);
		send_message(fd, "clean");
		expect_message(fd, "clean");
		expect_message(witness, "clean");
		close(fd);
	}
	finish();
}
END_TEST

START_TEST(goes_on_when_the_clock_is_set_back)
{
	int fd, pings = 0;

	setenv("LD_PRELOAD", CLOCK, 1);
	setenv("ASAN_OPTIONS", "verify_asan_link_order=0", 1);
	start(&s, SMALL, "-t", "1", NULL);
	unsetenv("LD_PRELOAD");
	fd = join_room(&s, "");
	await_log(&s, "2025-12-31T2"); /* the last hours of that day */
	while (pings < 3) { /* a second each, by a clock that only goes on */
		struct frame *f = read_frame(fd);

		ck_assert_int_ge(f->first, 0);
		pings += f->first == 0x89;
		if (f->first == 0x89)
			send_frame(fd, 0x8a, "", 0);
	}
	send_request(&s, "GET / HT"); /* until its deadline */
	ck_assert_ptr_nonnull(strstr(s.response, "HTTP/1.1 408 "));
	await_log(&s, " 408 ");
	close(fd);
	ck_assert_int_eq(stop(&s), 0);
}
END_TEST

/* ---- Forged notices ---- */

#define NOTICE "{\"online\":"

static const struct {
	const char *text;
	int first;
	bool forged;
} texts[] = {
	{NOTICE "7,\"said\":1,\"since\":0,\"heartbeat\":25}", 0x81, true},
	{NOTICE, 0x81, true},
	{NOTICE "\xff", 0x82, true},
	{"{\"online\"-", 0x81, false},
	{"{\"online\" :7}", 0x81, false},
	{" " NOTICE "7}", 0x81, false},
	{"Hi " NOTICE "7}", 0x82, false},
};

/* Says a text whole, or in two fragments; the witness hears it or nothing. */
static void say_in_two(const char *text, int first, bool forged, size_t cut)
{
	int fd = join_room(&s, "");

	if (cut > 0)
		send_frame(fd, first & 0x0f, text, cut);
	send_frame(fd, cut > 0 ? 0x80 : first, text + cut, strlen(text) - cut);
	if (forged) {
		expect_close(fd, 1008);
		return;
	}
	ck_assert_str_eq((char *)read_frame(fd)->data, text);
	ck_assert_str_eq((char *)read_frame(witness)->data, text);
	close(fd);
}

START_TEST(closes_with_1008_on_forged_notice)
{
	begin(CHAT);
	for (size_t i = 0; i < COUNT(texts); i++)
		for (size_t cut = 0; cut < strlen(NOTICE); cut++)
			say_in_two(texts[i].text, texts[i].first,
				   texts[i].forged, cut);
	finish();
}
END_TEST

/* ---- Behind a proxy ---- */

#define FOR "X-Forwarded-For: "

static const struct {
	const char *fields, *address; /* NULL: 400 */
} forwarded[] = {
	{FOR "192.0.2.7\r\n", "192.0.2.7"},
	{"x-forwarded-for:192.0.2.7 \r\n", "192.0.2.7"},
	{FOR "192.0.2.7:5678\r\n", "192.0.2.7"},
	{FOR "unknown, 192.0.2.7\r\n", "192.0.2.7"},
	{FOR "198.51.100.1\r\n" FOR "192.0.2.7\r\n", "192.0.2.7"},
	{FOR "2001:db8::7\r\n", "2001:db8::7"},
	{FOR "[2001:db8::7]\r\n", "2001:db8::7"},
	{FOR "[2001:db8::7]:5678\r\n", "2001:db8::7"},
	{FOR "192.0.2.7, unknown\r\n", "127.0.0.1"}, /* the proxy */
	{FOR "unix:\r\n", "127.0.0.1"},
	{"", NULL},
	{FOR "\r\n", NULL},
	{FOR "192.0.2.256\r\n", NULL},
	{FOR "2001:db8::g\r\n", NULL},
};

/* Asks to join with extra header lines, and expects a status. */
static int knock(const char *fields, int status)
{
	int fd = dial(&s), got = 0;

	send_string(fd, HANDSHAKE);
	send_string(fd, fields);
	send_string(fd, "\r\n");
	*s.response = '\0';
	read_until(fd, s.response, sizeof s.response, "\r\n\r\n");
	sscanf(s.response, "HTTP/1.1 %d ", &got);
	MUST(got == status, "%d, not %d, for: %s", got, status, fields);
	return fd;
}

START_TEST(takes_last_forwarded_address)
{
	start(&s, CHAT, "-x", NULL);
	expect_status(&s, GET "\r\n", 200); /* a health check */
	for (size_t i = 0; i < COUNT(forwarded); i++) {
		const char *address = forwarded[i].address;

		*s.log = '\0';
		close(knock(forwarded[i].fields, address != NULL ? 101 : 400));
		await_log(&s, address != NULL ? address : " 400 ");
	}
	ck_assert_int_eq(stop(&s), 0);
	start(&s, CHAT, NULL); /* without -x the field means nothing */
	for (size_t i = 0; i < COUNT(forwarded); i++)
		close(knock(forwarded[i].fields, 101));
	await_log(&s, "Z 127.0.0.1:");
	ck_assert_ptr_null(strstr(s.log, "192.0.2.7"));
	ck_assert_int_eq(stop(&s), 0);
}
END_TEST

START_TEST(limits_clients_of_forwarded_address)
{
	int leaving;

	start(&s, CHAT, "-x", "-c", "2", NULL);
	leaving = knock(FOR "192.0.2.1\r\n", 101);
	knock(FOR "192.0.2.1\r\n", 101);
	knock(FOR "192.0.2.1\r\n", 429);
	await_log(&s, "Z 192.0.2.1 Handshake refused: 429 Too Many Requests (");
	expect_metric(&s, "chat_refused_limited_total", 1);
	knock(FOR "192.0.2.2\r\n", 101);
	send_frame(leaving, 0x88, "", 0);
	ck_assert_int_eq(read_message(leaving)->first, 0x88);
	knock(FOR "192.0.2.1\r\n", 101);
	/* of IPv6 the first 64 bits count */
	knock(FOR "2001:db8:0:1::1\r\n", 101);
	knock(FOR "2001:db8:0:1:ffff::1\r\n", 101);
	knock(FOR "2001:db8:0:1::2\r\n", 429);
	knock(FOR "2001:db8:0:2::1\r\n", 101);
	ck_assert_int_eq(stop(&s), 0);
}
END_TEST

Suite *hurt_suite(void)
{
	Suite *suite = suite_create("hurt");
	TCase *t = tcase_create("what has hurt others");

	tcase_set_timeout(t, 120);
	tcase_add_test(t, answers_requests_that_hurt_others);
	tcase_add_test(t, times_out_request_that_dribbles);
	tcase_add_test(t, accepts_client_past_200_silent_connections);
	tcase_add_test(t, survives_end_after_each_byte_of_visit);
	tcase_add_test(t, survives_end_during_close);
	tcase_add_test(t, survives_clients_that_never_read_page);
	tcase_add_test(t, stays_the_same_over_ten_thousand_connections);
	tcase_add_test(t, logs_no_control_characters);
	tcase_add_test(t, goes_on_when_the_terminal_is_stopped);
	tcase_add_test(t, goes_on_when_the_terminal_is_full);
	tcase_add_test(t, goes_on_without_a_stderr);
	tcase_add_test(t, goes_on_when_the_clock_is_set_back);
	tcase_add_test(t, closes_with_1008_on_forged_notice);
	tcase_add_test(t, takes_last_forwarded_address);
	tcase_add_test(t, limits_clients_of_forwarded_address);
	suite_add_tcase(suite, t);
	return suite;
}
