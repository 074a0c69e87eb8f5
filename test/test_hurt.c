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
	   connections in order, and so all have come when it has closed those
	   before this one */
	send_request(&s, GET "\r\n");
	while (count_descriptors(&s) != descriptors)
		let_pass(10);
	send_message(witness, "mark");
	while (strcmp((char *)read_frame(witness)->data, "mark") != 0)
		;
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

/* stderr is a terminal that nobody reads, and fills up until only a part of a
   line fits; then ctrl-S stops it. */
START_TEST(goes_on_when_the_terminal_takes_no_more)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY), terminal;
	char request[200]; /* for a long line in the log */

	snprintf(request, sizeof request,
		 "GET /%0150d HTTP/1.1\r\nHost: a\r\n\r\n", 0);
	ck_assert(master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0);
	terminal = open(ptsname(master), O_RDWR | O_NOCTTY);
	stderr_for_server = terminal;
	begin(CHAT);
	for (int i = 0; i < 2000; i++) {
		expect_status(&s, request, 404);
		if (i == 1000)
			tcflow(terminal, TCOOFF);
	}
	send_message(witness, "still here");
	expect_message(witness, "still here");
	ck_assert_int_eq(fcntl(terminal, F_GETFL) & O_NONBLOCK, 0);
	tcflow(terminal, TCOON);
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

Suite *hurt_suite(void)
{
	Suite *suite = suite_create("hurt");
	TCase *t = tcase_create("what has hurt others");

	tcase_set_timeout(t, 120);
	tcase_add_test(t, answers_requests_that_hurt_others);
	tcase_add_test(t, survives_end_after_each_byte_of_visit);
	tcase_add_test(t, logs_no_control_characters);
	tcase_add_test(t, goes_on_when_the_terminal_takes_no_more);
	tcase_add_test(t, goes_on_without_a_stderr);
	tcase_add_test(t, goes_on_when_the_clock_is_set_back);
	suite_add_tcase(suite, t);
	return suite;
}
