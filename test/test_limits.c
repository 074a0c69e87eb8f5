/* SPDX-License-Identifier: MIT */
/*
 * What clients may do, how long they may take, and that nobody else pays for
 * it: deadlines, the heartbeat, -l, -c and -x, sockets that are full or broken,
 * a full table.  Clients on loopback share no home, so that addresses come from
 * a forged X-Forwarded-For, with -x.
 */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "handshake.h"
#include "test.h"

static struct server s;

static void finish(void)
{
	close_clients();
	ck_assert_int_eq(stop(&s), 0);
}

/* Joins from an address, as a proxy tells it. */
static int join_from(const char *address)
{
	char field[200];

	snprintf(field, sizeof field, "X-Forwarded-For: %s\r\n", address);
	return join_room(&s, field);
}

/* Joins from an address and leaves at once.  Returns the status of the answer.
 */
static int shake_from(const char *address)
{
	char request[500], status[13] = "";
	int fd = dial(&s);

	snprintf(request, sizeof request,
		 HANDSHAKE "X-Forwarded-For: %s\r\n\r\n", address);
	send_string(fd, request);
	ck_assert(read_bytes(fd, status, 12));
	close(fd);
	return atoi(status + strlen("HTTP/1.1 "));
}

static void await_metric(const char *name, long value)
{
	while (read_metric(&s, name) != value)
		poll(NULL, 0, 10);
}

/* Sends one message in as many frames of one write as it is said to be. */
static void say_often(int fd, const char *text, int n)
{
	static unsigned char bytes[65536];
	size_t len = 0;

	for (int i = 0; i < n; i++)
		len += build_frame(bytes + len, 0x81, strlen(text), text,
				   strlen(text));
	send_all(fd, bytes, len);
}

/* ---- Time ---- */

/* Returns how often the server has gone to sleep. */
static long count_sleeps(void)
{
	return read_proc(&s, "status", "voluntary_ctxt_switches: %ld");
}

/* A read costs a client something, also if it brings a single byte: the server
   reads it 20 times a second, after the first hundred, and wakes at most twice
   for each. */
START_TEST(single_bytes_wake_it_seldom)
{
	const struct timespec pause = {.tv_nsec = 1000000};
	long before, begun = (long)time(NULL);
	int fd;

	start(&s, CHAT, "-t", "600", NULL);
	fd = join_room(&s, "");
	before = count_sleeps();
	send_all(fd, "\x82\xfe\x0f\xff----", 8);
	for (int i = 0; i < 2000; i++) {
		send_all(fd, "x", 1);
		nanosleep(&pause, NULL);
	}
	ck_assert_int_le(count_sleeps() - before,
			 400 + 40 * ((long)time(NULL) - begun));
	close(fd);
	finish();
}
END_TEST

/* With a small -l, a read has few bytes, which cost what they cost in one
   piece: 200 are read in the next passes. */
START_TEST(small_rate_reads_a_message_at_once)
{
	char text[201] = "";
	int a, b;

	memset(text, 'x', sizeof text - 1);
	start(&s, CHAT, "-l", "1", "-n", "0", "-t", "0", NULL);
	a = join_room(&s, "");
	b = join_room(&s, "");
	send_message(a, text);
	for (int i = 0; i < 30; i++)
		read_metric(&s, "chat_clients");
	send_message(b, "!");
	expect_message(b, text);
	expect_message(b, "!");
	close(a);
	close(b);
	finish();
}
END_TEST

/* Between heartbeats, nothing wakes the server of a quiet room. */
START_TEST(idle_server_sleeps)
{
	char folder[] = "/tmp/chat-test-XXXXXX", path[64];
	int a, b;
	long before;

	ck_assert_ptr_nonnull(mkdtemp(folder));
	snprintf(path, sizeof path, "%s/messages", folder);
	start(&s, CHAT, "-t", "600", "-f", path, NULL);
	a = join_room(&s, "");
	b = join_room(&s, "");
	expect_notice(a, 1);
	send_message(a, "Hi");
	expect_message(b, "Hi");
	expect_notice(b, 2); /* both are told, a second later at most */
	poll(NULL, 0, 1500);
	before = count_sleeps();
	poll(NULL, 0, 2500);
	ck_assert_int_eq(count_sleeps(), before);
	send_message(b, "still here");
	expect_message(a, "Hi");
	expect_message(a, "still here");
	finish();
	unlink(path);
	rmdir(folder);
}
END_TEST

START_TEST(pings_and_drops_silent_client)
{
	struct frame *f;
	int a, b;

	start(&s, CHAT, "-t", "1", NULL);
	a = join_room(&s, "");
	b = join_room(&s, "");
	/* a answers pings, b does not */
	do {
		f = read_frame(a);
		ck_assert_int_ge(f->first, 0);
		if (f->first == 0x89)
			send_frame(a, 0x8a, f->data, f->len);
	} while (f->first != 0x89 || read_metric(&s, "chat_clients") == 2);
	await_log(&s, "disconnected: silent");
	expect_metric(&s, "chat_dropped_silent_total", 1);
	send_message(a, "here");
	expect_message(a, "here");
	close(b);
	finish();
}
END_TEST

/* Reads what a member is sent, and answers a ping.  Returns true for a ping. */
static bool answer_ping(int fd)
{
	struct frame *f = read_frame(fd);

	ck_assert_int_ge(f->first, 0);
	if (f->first == 0x89)
		send_frame(fd, 0x8a, f->data, f->len);
	return f->first == 0x89;
}

/* Pongs of many idle members put neither the room nor a home in debt. */
START_TEST(idle_members_hold_up_no_message)
{
	enum { MEMBERS = 48, ROUNDS = 8 };
	int fd[MEMBERS], pings = 0;
	struct frame *f;

	start(&s, CHAT, "-t", "1", "-l", "1", NULL);
	for (int i = 0; i < MEMBERS; i++)
		fd[i] = join_room(&s, "");
	for (int k = 0; k < ROUNDS; k++) {
		for (int i = 0; i < MEMBERS; i++) {
			while (!answer_ping(fd[i]))
				;
		}
	}
	send_message(fd[0], "hello");
	do {
		f = read_frame(fd[1]);
		ck_assert_int_ge(f->first, 0);
		pings += f->first == 0x89;
	} while (strcmp((char *)f->data, "hello") != 0);
	ck_assert_int_le(pings, ROUNDS / 2 - 1);
	finish();
}
END_TEST

/* ---- Rates ---- */

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* How many clients send how many messages each at once, with -l 1, from how
   many addresses, and how many frames a second these may say together. */
static const struct {
	int clients, each, addresses, rate;
} crowds[] = {{1, 100, 1, 1}, {64, 40, 1, 4}, {64, 40, 64, 16}};

/* 5 seconds may have been saved.  What is read when the meter of the client, of
   its home or of the room runs out is a few frames more. */
START_TEST(clients_say_no_more_than_their_meters_allow)
{
	const int rate = crowds[_i].rate;
	int fd[64];
	double begin;
	long said = 0;

	start(&s, CHAT, "-x", "-l", "1", "-n", "0", "-t", "0", NULL);
	for (int i = 0; i < crowds[_i].clients; i++) {
		char address[32];

		snprintf(address, sizeof address, "192.0.2.%d",
			 i % crowds[_i].addresses + 1);
		fd[i] = join_from(address);
	}
	begin = seconds();
	for (int i = 0; i < crowds[_i].clients; i++)
		say_often(fd[i], "x", crowds[_i].each);
	for (int looks = 0; looks < 50; looks++)
		said = read_metric(&s, "chat_messages_total");
	ck_assert_msg(said <= 8 + rate * (5 + 1 + seconds() - begin),
		      "%ld were said in %f s", said, seconds() - begin);
	ck_assert_int_ge(said, rate * 4); /* what is saved is said at once */
	expect_metric(&s, "chat_clients", crowds[_i].clients);
	finish();
}
END_TEST

/* A client above its rate is read later, and loses nothing; nor does anybody
   else wait for it. */
START_TEST(delays_client_above_its_rate)
{
	char text[32];
	bool heard = false;
	int a, b;

	start(&s, CHAT, "-l", "5", "-n", "0", "-t", "0", NULL);
	a = join_room(&s, "");
	b = join_room(&s, "");
	for (int i = 0; i < 40; i++) {
		snprintf(text, sizeof text, "late %d", i);
		send_message(a, text);
	}
	send_message(b, "in time");
	for (int i = 0; i < 40; i++) {
		struct frame *f = read_frame(b);

		if (strcmp((char *)f->data, "in time") == 0) {
			heard = true;
			f = read_frame(b);
		}
		snprintf(text, sizeof text, "late %d", i);
		ck_assert_str_eq((char *)f->data, text);
	}
	ck_assert(heard);
	finish();
}
END_TEST

/* What had come when a client went is still said, at its rate; until then it
   counts for -c. */
START_TEST(says_what_departed_client_has_sent)
{
	enum { SAID = 140 };
	const char *address = "192.0.2.1";
	unsigned char bytes[SAID * 20];
	size_t len = 0;
	char text[32];
	int a, b;

	start(&s, CHAT, "-x", "-c", "1", "-t", "0", NULL);
	b = join_from("192.0.2.2");
	a = join_from(address);
	for (int i = 0; i < SAID; i++) {
		size_t n = (size_t)sprintf(text, "line %d", i);

		len += build_frame(bytes + len, 0x81, n, text, n);
	}
	send_all(a, bytes, len); /* in one segment, which arrives at once */
	if (_i == 0)
		close(a); /* a reset, since it has read nothing */
	else if (_i == 1)
		shutdown(a, SHUT_WR);
	else
		reset_connection(a);
	for (int i = 0; i < SAID; i++) {
		snprintf(text, sizeof text, "line %d", i);
		expect_message(b, text);
		if (i == 0)
			ck_assert_int_eq(shake_from(address), 429);
	}
	while (shake_from(address) != 101)
		poll(NULL, 0, 10);
	finish();
}
END_TEST

/* ---- Addresses ---- */

/* What X-Forwarded-For ends with; the address in the log, NULL if the handshake
   is refused; and whether 192.0.2.7 then counts as here. */
static const struct {
	const char *field, *logged;
	bool counts;
} forwarded[] = {
	{"192.0.2.7", "192.0.2.7", true},
	{"198.51.100.1, 192.0.2.7", "192.0.2.7", true},
	{"192.0.2.7, 198.51.100.1", "198.51.100.1", false},
	{"192.0.2.7:5678", "192.0.2.7", true},
	{"::ffff:192.0.2.7", "192.0.2.7", true},
	{"[::ffff:192.0.2.7]:80", "192.0.2.7", true},
	{"2001:db8::7", "2001:db8::7", false},
	{"[2001:db8::7]", "2001:db8::7", false},
	{"[2001:db8::7]:5678", "2001:db8::7", false},
	{"unknown", "127.0.0.1", false},
	{"unix:", "127.0.0.1", false},
	{"", NULL, false},
	{"192.0.2.7,", NULL, false},
	{"192.0.2", NULL, false},
	{"192.0.2.7.1", NULL, false},
	{"192.0.2.256", NULL, false},
	{"192.0.2.7 ::1", NULL, false},
	{"somebody", NULL, false},
	{"::", NULL, false},
	{"2001:db8::7::1", NULL, false},
	{"0123456789012345678901234567890123456789012345678901234567890123456"
	 "7890123456789012345678901234567890123456789",
	 NULL, false},
};

START_TEST(reads_address_that_proxy_tells)
{
	char line[100];

	start(&s, CHAT, "-x", "-c", "1", NULL);
	for (size_t i = 0; i < COUNT(forwarded); i++) {
		const char *field = forwarded[i].field;
		int fd;

		s.log[0] = '\0';
		if (forwarded[i].logged == NULL) {
			ck_assert_msg(shake_from(field) == 400, "%s", field);
			continue;
		}
		fd = join_from(field);
		snprintf(line, sizeof line, "Z %s", forwarded[i].logged);
		await_log(&s, " Client connected");
		ck_assert_msg(strstr(s.log, line) != NULL, "%s: %s", field,
			      s.log);
		if (forwarded[i].counts)
			ck_assert_msg(shake_from("192.0.2.7") == 429, "%s",
				      field);
		send_frame(fd, 0x88, "", 0);
		expect_close(fd, 0);
	}
	/* a health check needs no such field, but a handshake does */
	expect_status(&s, GET "\r\n", 200);
	expect_status(&s, HANDSHAKE "\r\n", 400);
	finish();
}
END_TEST

/* An IPv6 home is a /64.  Only members count, pages do not. */
START_TEST(limits_members_of_one_home)
{
	static const struct {
		const char *address;
		int status;
	} next[] = {
		{"192.0.2.1", 429},     {"192.0.2.2", 101},
		{"2001:db8::9:9", 429}, {"2001:db8:0:1::1", 101},
		{"unknown", 101},
	};
	int fd[4];

	start(&s, CHAT, "-x", "-c", "2", NULL);
	fd[0] = join_from("192.0.2.1");
	fd[1] = join_from("192.0.2.1");
	fd[2] = join_from("2001:db8::1");
	fd[3] = join_from("2001:db8::2");
	for (size_t i = 0; i < COUNT(next); i++)
		ck_assert_msg(shake_from(next[i].address) == next[i].status,
			      "%s", next[i].address);
	expect_metric(&s, "chat_refused_limited_total", 2);
	expect_status(&s, GET "X-Forwarded-For: 192.0.2.1\r\n\r\n", 200);
	send_frame(fd[0], 0x88, "", 0);
	expect_close(fd[0], 0);
	fd[0] = join_from("192.0.2.1");
	send_message(fd[0], "x");
	for (int i = 0; i < 4; i++)
		expect_message(fd[i], "x");
	finish();
}
END_TEST

START_TEST(limits_no_home_of_this_machine_nor_with_c_0)
{
	if (_i == 0)
		start(&s, CHAT, "-c", "1", NULL);
	else
		start(&s, CHAT, "-c", "0", "-x", NULL);
	for (int i = 0; i < 100; i++)
		_i == 0 ? join_room(&s, "") : join_from("192.0.2.1");
	expect_metric(&s, "chat_clients", 100);
	finish();
}
END_TEST

/* ---- Full sockets ---- */

/* One client has not read for a while, so that its socket is full; it has sent
   pings meanwhile.  As soon as it reads, it gets all messages, whole and in
   order, and an answer to the last ping at least.  No timer helps, since there
   is no heartbeat. */
START_TEST(full_socket_is_written_as_soon_as_it_can_be)
{
	enum { SAID = 100, PINGS = 5 };
	static char text[4001];
	char ping[2] = "0", pong[2] = "";
	long before;
	int a, b;

	memset(text, 'x', 4000);
	start_bare_relay(&s, CHAT);
	b = join_room(&s, "");
	a = dial_narrow(&s, 4096);
	send_string(a, HANDSHAKE "\r\n");
	await_log(&s, "(2 online)");
	for (int i = 0; i < SAID; i++) {
		snprintf(text, sizeof text, "%09d", i);
		text[9] = 'x';
		send_message(b, text);
		expect_message(b, text);
	}
	before = read_metric(&s, "chat_received_bytes_total");
	for (int i = 0; i < PINGS; i++) {
		ping[0]++;
		send_frame(a, 0x89, ping, 1);
	}
	/* each is read; and each look adds the bytes of its request */
	while (read_metric(&s, "chat_received_bytes_total") - before <
	       PINGS * 7)
		;
	send_message(b, "end");
	s.response[0] = '\0';
	ck_assert(read_until(a, s.response, sizeof s.response, "\r\n\r\n"));
	for (int i = 0; i <= SAID;) {
		struct frame *f = read_frame(a);

		if (f->first == 0x8a) {
			ck_assert(f->len == 1 &&
				  f->data[0] > (unsigned char)pong[0]);
			pong[0] = (char)f->data[0];
			continue;
		}
		snprintf(text, sizeof text, "%09d", i);
		text[9] = 'x';
		MUST(strcmp((char *)f->data, i < SAID ? text : "end") == 0,
		     "%.20s instead of message %d", (char *)f->data, i);
		i++;
	}
	if (pong[0] != ping[0])
		ck_assert_str_eq((char *)read_frame(a)->data, ping);
	finish();
}
END_TEST

/* A client that pings for ever and never reads is dropped when its socket has
   taken nothing for SEND_TIMEOUT; nobody else notices. */
START_TEST(drops_client_that_pings_and_never_reads)
{
	static char payload[125];
	int a, b;
	pid_t flood;

	start_bare_relay(&s, SMALL);
	a = dial_narrow(&s, 4096);
	send_string(a, HANDSHAKE "\r\n");
	b = join_room(&s, "");
	flood = fork();
	if (flood == 0) {
		for (;;)
			send_frame(a, 0x89, payload, sizeof payload);
	}
	close(a);
	await_metric("chat_dropped_slow_total", 1);
	await_log(&s, "disconnected: slow");
	kill(flood, SIGKILL);
	waitpid(flood, NULL, 0);
	send_message(b, "fine");
	expect_message(b, "fine");
	expect_metric(&s, "chat_clients", 1);
	finish();
}
END_TEST

/* ---- A full table: SMALL has 4 members and 2 other entries ---- */

static int members[4];

static void fill_room(void)
{
	start_bare_relay(&s, SMALL);
	for (int i = 0; i < 4; i++)
		members[i] = join_room(&s, "");
}

/* No member is touched. */
static void empty_room(void)
{
	send_message(members[0], "x");
	for (int i = 0; i < 4; i++)
		expect_message(members[i], "x");
	expect_metric(&s, "chat_clients", 4);
	finish();
}

START_TEST(half_requests_make_room_for_newcomers)
{
	int half[60];

	fill_room();
	for (int i = 0; i < 60; i++) { /* far more than may wait a second */
		half[i] = dial(&s);
		send_string(half[i], i % 2 == 0 ? "" : "GET / HT");
	}
	expect_status(&s, GET "\r\n", 200);
	ck_assert_ptr_nonnull(strstr(s.response, "</script>"));
	ck_assert(connection_ended(half[0]));
	empty_room();
}
END_TEST

/* One newcomer after another comes, while somebody has the page on the way. */
START_TEST(page_that_is_being_read_is_not_cut)
{
	int reader;

	fill_room();
	reader = dial_narrow(&s, 2048);
	send_string(reader, GET "\r\n");
	for (int i = 0; i < 3; i++)
		expect_status(&s, GET "\r\n", 200);
	read_until_end(reader, s.response, sizeof s.response);
	ck_assert_ptr_nonnull(strstr(s.response, "</script>"));
	empty_room();
}
END_TEST

/* A client that has its whole answer, and does not close, makes room at once:
   before a request that is still coming. */
START_TEST(delivered_answer_makes_room_at_once)
{
	char answer[300] = "";
	int served, half;

	fill_room();
	half = dial(&s);
	send_string(half, "GET /metrics HTTP/1.1\r\n");
	served = dial(&s);
	send_string(served, "x\r\n\r\n");
	read_until_end(served, s.response, sizeof s.response);
	send_string(served, "x"); /* which acknowledges it at once */
	expect_status(&s, GET "\r\n", 200);
	send_string(half, "Host: a\r\n\r\n");
	ck_assert(read_until(half, answer, sizeof answer, "200 OK\r\n"));
	close(half);
	close(served);
	empty_room();
}
END_TEST

Suite *limits_suite(void)
{
	Suite *suite = suite_create("limits");
	TCase *t = tcase_create("limits");

	tcase_set_timeout(t, 60);
	tcase_add_test(t, idle_server_sleeps);
	tcase_add_test(t, single_bytes_wake_it_seldom);
	tcase_add_test(t, small_rate_reads_a_message_at_once);
	tcase_add_test(t, pings_and_drops_silent_client);
	tcase_add_test(t, idle_members_hold_up_no_message);
	add_table_test(t, clients_say_no_more_than_their_meters_allow, crowds);
	tcase_add_test(t, delays_client_above_its_rate);
	tcase_add_loop_test(t, says_what_departed_client_has_sent, 0, 3);
	tcase_add_test(t, reads_address_that_proxy_tells);
	tcase_add_test(t, limits_members_of_one_home);
	tcase_add_loop_test(t, limits_no_home_of_this_machine_nor_with_c_0, 0,
			    2);
	tcase_add_test(t, full_socket_is_written_as_soon_as_it_can_be);
	tcase_add_test(t, drops_client_that_pings_and_never_reads);
	tcase_add_test(t, half_requests_make_room_for_newcomers);
	tcase_add_test(t, page_that_is_being_read_is_not_cut);
	tcase_add_test(t, delivered_answer_makes_room_at_once);
	suite_add_tcase(suite, t);
	return suite;
}
