/* SPDX-License-Identifier: MIT */
/* What chat.c keeps to itself and no client can show: its source is included.
 */
#define main chat_main
#include "../chat.c"
#undef main

#include "suites.h"

/* As far as time_t goes: on some boards it ends in 2038. */
START_TEST(names_times_as_libc_does)
{
	static const int64_t some[] = {0,          951782399,  951782400,
				       951868800,  1709164800, 4107542399,
				       4107542400, -1};
	char got[TIME], want[TIME];
	struct tm tm;

	/* a time in each of 130 years' days, and around leap days */
	for (int64_t s = 0; s < (int64_t)130 * 366 * 86400; s += 86399) {
		time_t t = (time_t)s;

		if (t != s)
			break;
		name_time(got, t);
		strftime(want, sizeof want, "%Y-%m-%dT%H:%M:%SZ",
			 gmtime_r(&t, &tm));
		if (strcmp(got, want) != 0)
			ck_abort_msg("%s, not %s", got, want);
	}
	for (size_t i = 0; some[i] >= 0; i++) {
		time_t t = (time_t)some[i];

		name_time(got, t);
		strftime(want, sizeof want, "%Y-%m-%dT%H:%M:%SZ",
			 gmtime_r(&t, &tm));
		if (t == some[i])
			ck_assert_str_eq(got, want);
	}
	name_time(got, -1); /* a clock before 1970 */
	ck_assert_str_eq(got, "1970-01-01T00:00:00Z");
}
END_TEST

START_TEST(names_addresses_as_urls_have_them)
{
	static const struct {
		int family;
		const char *ip, *name;
	} cases[] = {
		{AF_INET, "192.0.2.1", "192.0.2.1:8080"},
		{AF_INET6, "::ffff:192.0.2.1", "192.0.2.1:8080"},
		{AF_INET, "255.255.255.255", "255.255.255.255:8080"},
		{AF_INET6, "2001:db8::1", "[2001:db8::1]:8080"},
		{AF_INET6, "::", "[::]:8080"},
		{AF_INET6, "::1", "[::1]:8080"},
		{AF_INET6, "fe80::", "[fe80::]:8080"},
		/* RFC 5952, 4.2.2: not for one group; 4.2.3: the longest */
		{AF_INET6, "1:0:3:4:5:6:7:8", "[1:0:3:4:5:6:7:8]:8080"},
		{AF_INET6, "1:0:0:4:0:0:0:8", "[1:0:0:4::8]:8080"},
		{AF_INET6, "1:0:0:4:5:0:0:8", "[1::4:5:0:0:8]:8080"},
		{AF_INET6, "0:0:3:4:5:6:0:0", "[::3:4:5:6:0:0]:8080"},
		{AF_INET6, "a0b:c00:10:1:f000:100:2:0",
		 "[a0b:c00:10:1:f000:100:2:0]:8080"},
		{AF_INET6, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
		 "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:8080"},
	};
	struct sockaddr_storage a = {.ss_family = AF_UNIX};
	struct sockaddr_in *four = (void *)&a;
	struct sockaddr_in6 *six = (void *)&a;
	char name[PEER];

	name_address(name, &a);
	ck_assert_str_eq(name, "local");
	for (size_t i = 0; i < COUNT(cases); i++) {
		a.ss_family = (sa_family_t)cases[i].family;
		four->sin_port = htons(8080);
		inet_pton(cases[i].family, cases[i].ip,
			  cases[i].family == AF_INET ? (void *)&four->sin_addr
						     : &six->sin6_addr);
		name_address(name, &a);
		ck_assert_str_eq(name, cases[i].name);
	}
}
END_TEST

/* Groups that are 0 or not, in every order: libc reads them as they were, and
   has no shorter way to write them, but for musl's "::" in place of one "0". */
START_TEST(names_addresses_as_libc_reads_them)
{
	unsigned char ip[16], back[16];
	char libc[INET6_ADDRSTRLEN], got[PEER];

	for (unsigned groups = 4; groups < 256; groups++) {
		for (unsigned i = 0; i < 16; i++)
			ip[i] = groups >> i / 2 & 1 ? (unsigned char)i : 0;
		name_six(got, ip);
		inet_ntop(AF_INET6, ip, libc, sizeof libc);
		ck_assert_int_eq(inet_pton(AF_INET6, got, back), 1);
		ck_assert_mem_eq(ip, back, sizeof ip);
		ck_assert_uint_le(strlen(got), strlen(libc) + 1);
	}
}
END_TEST

/* One member, who has not read anything since the log began. */
static void make_laggard(uint64_t behind)
{
	head = (uint64_t)1 << 40;
	slowest = head - behind;
	congested = false;
}

/* However much is read, what it adds to the log stays behind the slowest: a
   message half said before, the bytes read, and its header. */
START_TEST(never_reads_what_the_log_cannot_hold)
{
	for (uint64_t behind = 0; behind <= LOG_SIZE; behind += 61) {
		size_t n;

		make_laggard(behind);
		n = allowance();
		ck_assert_uint_le(n, sizeof scratch);
		if (n > 0 &&
		    behind + n + MESSAGE_MAX + WS_SERVER_HEADER > LOG_SIZE)
			ck_abort_msg("%zu bytes, %d behind", n, (int)behind);
		ck_assert(congested == (n == 0));
	}
}
END_TEST

START_TEST(reads_again_when_all_are_within_half_the_log)
{
	make_laggard(LOG_SIZE - MESSAGE_MAX);
	ck_assert_uint_eq(allowance(), 0);
	used = 1;
	clients[0].state = OPEN;
	clients[0].cursor = head - LOG_SIZE / 2 - 1;
	measure();
	ck_assert_uint_eq(allowance(), 0);
	clients[0].cursor++;
	measure();
	ck_assert_uint_eq(allowance(), sizeof scratch);
}
END_TEST

/* A member's Close is due before later messages, which it does not hold. */
START_TEST(who_is_closing_holds_only_what_it_still_gets)
{
	head = slowest = 1000;
	used = 1;
	clients[0] = (struct client){.state = CLOSING,
				     .cursor = 100,
				     .until = 500,
				     .outbox_size = 4};
	measure();
	ck_assert_uint_eq(slowest, 100);
	clients[0].cursor = 500;
	measure();
	ck_assert_uint_eq(slowest, 1000);
}
END_TEST

START_TEST(starts_newcomers_within_half_the_log)
{
	opt.history = HISTORY_MAX;
	ck_assert_uint_eq(history_start(), 0);
	for (unsigned k = 0; k < 3 * HISTORY_MAX; k++) {
		past[total.messages++ % HISTORY_MAX] = head;
		head += k % 5000;
		ck_assert_uint_le(head - history_start(), LOG_SIZE / 2);
	}
	opt.history = 1;
	head = past[(total.messages - 1) % HISTORY_MAX] + LOG_SIZE / 2;
	ck_assert_uint_eq(history_start(), head - LOG_SIZE / 2);
	ck_assert_uint_eq(history_start(),
			  past[(total.messages - 1) % HISTORY_MAX]);
	opt.history = 0;
	ck_assert_uint_eq(history_start(), head);
}
END_TEST

/* A message across the end of the ring is one message. */
START_TEST(wraps_around_the_ring)
{
	unsigned char data[100];
	struct ws_frame f = {WS_TEXT, data, 0, sizeof data};

	memset(data, 'x', sizeof data);
	head = 5 * (uint64_t)LOG_SIZE - 50;
	slowest = head + sizeof data + 2 - LOG_SIZE; /* it just fits */
	broadcast(&f);
	ck_assert_int_eq(ring[LOG_SIZE - 50], 0x81);
	ck_assert_int_eq(ring[LOG_SIZE - 49], 100);
	ck_assert_int_eq(ring[LOG_SIZE - 1], 'x');
	ck_assert_int_eq(ring[51], 'x');
	ck_assert_int_eq(ring[52], 0);
	ck_assert_uint_eq(head, 5 * (uint64_t)LOG_SIZE + 52);
}
END_TEST

/* The one client there is, quietly in the room since the last tick. */
static struct client *make_quiet(void)
{
	used = 1;
	people = announced = 1;
	opt.heartbeat = 25;
	ticked = 100;
	now = 101;
	clients[0] = (struct client){.state = OPEN, .heard = 100};
	return &clients[0];
}

START_TEST(sleeps_until_the_heartbeat_when_all_are_quiet)
{
	make_quiet();
	tick();
	ck_assert_uint_eq(next_tick(), 125);
	served = 101 * 1000 + 1;
	ck_assert_int_eq(until_tick(), 23999);
	ck_assert(!clients[0].owes_ping);
	now = 125;
	tick();
	ck_assert(clients[0].owes_ping && clients[0].owes_notice);
	ck_assert_uint_eq(next_tick(), 150);
}
END_TEST

/* Each of these has something to wait for. */
START_TEST(ticks_each_second_while_anybody_waits)
{
	struct client *c = make_quiet();

	switch (_i) {
	case 0: c->blocked = true; break;
	case 1: c->credit = -opt.rate - 1; break;
	case 2: c->ws.message = WS_TEXT; break;
	case 3: c->heard = 75; break;
	case 4: c->state = REQUEST; break;
	case 5: c->state = CLOSING; break;
	case 6: people = 2; break;
	case 7: accepting = false; break;
	case 8: congested = true; break;
	}
	c->deadline = c->moved = congested_since = 101;
	tick();
	ck_assert_uint_eq(next_tick(), 102);
}
END_TEST

START_TEST(counts_only_time_that_it_has_served)
{
	count_time(0); /* the clock has run long before */
	ck_assert_uint_eq(served, 1000);
	ck_assert_uint_eq(now, 1);
	count_time(500);
	ck_assert_uint_le(served, 2500);
}
END_TEST

/* Nobody is read in a congested room, and so nobody is late there. */
START_TEST(waits_for_whom_it_did_not_read)
{
	struct client *c = make_quiet();

	congested = true;
	congested_since = 101;
	c->deadline = 0;
	c->heard = 0;
	c->ws.message = WS_TEXT;
	tick();
	ck_assert_int_eq(c->state, OPEN);
	ck_assert_uint_eq(c->heard, 101);
	ck_assert_uint_eq(c->deadline, 101 + MESSAGE_TIMEOUT);
	c->state = REQUEST;
	c->deadline = 0;
	tick();
	ck_assert_int_eq(c->state, REQUEST);
	ck_assert_uint_eq(c->deadline, 101 + REQUEST_TIMEOUT);
}
END_TEST

/* A socket that is full after all that time is not waited for. */
START_TEST(resets_who_does_not_take_its_close)
{
	struct client *c = make_quiet();

	c->state = CLOSING;
	c->deadline = 100;
	tick();
	ck_assert_int_eq(c->state, OVER);
	ck_assert_uint_eq(total.dropped[LATE], 0);
	c->state = CLOSING;
	c->blocked = true;
	tick();
	ck_assert_int_eq(c->state, OVER);
	ck_assert_uint_eq(total.dropped[LATE], 1);
	table[0].fd = -1;
	reap(0);
	used = 1; /* as if there were others behind it */
	tick();
	ck_assert_uint_eq(total.dropped[LATE], 1);
}
END_TEST

/* A member whose outbox is full, or due before the head, and whose peer is
   gone, which only the next send() finds out. */
static struct client *make_lost(size_t outbox_size)
{
	struct client *c = make_quiet();
	int fds[2];

	ck_assert(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
	close(fds[1]);
	table[0].fd = fds[0];
	head = slowest = 1000;
	c->cursor = c->until = outbox_size == OUTBOX - CLOSE_FRAME ? head : 0;
	c->outbox_size = (unsigned char)outbox_size;
	ws_init(&c->ws, buffers[0]);
	return c;
}

/* Who is found to be gone is dropped once, for that reason. */
START_TEST(drops_once_who_is_lost_as_it_is_answered)
{
	static const unsigned char ping[] = {0x89, 0x80, 0, 0, 0, 0};
	static const unsigned char bad[] = {0xff};
	struct client *c = make_lost(OUTBOX - CLOSE_FRAME);

	memcpy(scratch, ping, sizeof ping);
	take_frames(0, 0, sizeof ping);
	ck_assert_int_eq(c->state, OVER);
	ck_assert_uint_eq(total.dropped[LOST], 1);
	ck_assert_uint_eq(total.dropped[FLOOD], 0);
	ck_assert_int_eq(people, 0);
	c = make_lost(2);
	memcpy(scratch, bad, sizeof bad);
	take_frames(0, 0, sizeof bad);
	ck_assert_int_eq(c->state, OVER);
	ck_assert_uint_eq(total.dropped[LOST], 2);
	ck_assert_uint_eq(total.dropped[PROTOCOL], 0);
	ck_assert_int_eq(people, 0);
}
END_TEST

START_TEST(reads_numbers_strictly)
{
	ck_assert_int_eq(number("0", 9), 0);
	ck_assert_int_eq(number("9", 9), 9);
	ck_assert_int_eq(number("10", 9), -1);
	ck_assert_int_eq(number("", 9), -1);
	ck_assert_int_eq(number("-1", 9), -1);
	ck_assert_int_eq(number("+1", 9), -1);
	ck_assert_int_eq(number(" 1", 9), -1);
	ck_assert_int_eq(number("1x", 9), -1);
	ck_assert_int_eq(number("99999999999999999999999", 9), -1);
	ck_assert_int_eq(number("2147483647", INT_MAX), INT_MAX);
	ck_assert_int_eq(number("2147483648", INT_MAX), -1);
	ck_assert_int_eq(number("x", 9), -1);
	ck_assert_int_eq(number("99x", 9), -1);
	ck_assert_int_eq(number("/", 9), -1);
	ck_assert_int_eq(number(":", 99), -1);
}
END_TEST

Suite *inside_suite(void)
{
	Suite *suite = suite_create("inside");
	TCase *t = tcase_create("chat.c");

	tcase_add_test(t, names_times_as_libc_does);
	tcase_add_test(t, names_addresses_as_urls_have_them);
	tcase_add_test(t, names_addresses_as_libc_reads_them);
	tcase_add_test(t, never_reads_what_the_log_cannot_hold);
	tcase_add_test(t, reads_again_when_all_are_within_half_the_log);
	tcase_add_test(t, who_is_closing_holds_only_what_it_still_gets);
	tcase_add_test(t, starts_newcomers_within_half_the_log);
	tcase_add_test(t, wraps_around_the_ring);
	tcase_add_test(t, sleeps_until_the_heartbeat_when_all_are_quiet);
	tcase_add_loop_test(t, ticks_each_second_while_anybody_waits, 0, 9);
	tcase_add_test(t, counts_only_time_that_it_has_served);
	tcase_add_test(t, waits_for_whom_it_did_not_read);
	tcase_add_test(t, resets_who_does_not_take_its_close);
	tcase_add_test(t, drops_once_who_is_lost_as_it_is_answered);
	tcase_add_test(t, reads_numbers_strictly);
	suite_add_tcase(suite, t);
	return suite;
}
