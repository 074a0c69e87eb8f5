/* SPDX-License-Identifier: MIT */
/* A pass of the loop: its poll(), its order, its clock and its ticks. */

START_TEST(pauses_when_poll_fails)
{
	make_listener();
	news = false;
	queue_answer("poll", -1, ENOMEM);
	pass();
	EXPECT_CALLS("poll 1 1000\npoll 0 100\n");
	ck_assert_int_eq(table[0].revents, 0);
	news = false;
	queue_answer("poll", -1, EINTR);
	pass();
	ck_assert_ptr_null(strstr(trace, "poll 0"));
}
END_TEST

START_TEST(serves_clients_in_rotating_order)
{
	make_listener();
	occupy(1, 5, OPEN);
	occupy(2, 6, OPEN);
	for (int i = 0; i < 3; i++)
		table[i].events = table[i].revents = i > 0 ? POLLIN : 0;
	for (int k = 1; k < 6; k++) {
		queue_answer("poll", 2, 0);
		pass();
		ck_assert_int_eq(turn, k % 3);
		EXPECT_CALLS(k % 3 == 2 ? "poll 3 0\nrecv 6\nrecv 5\n"
					: "poll 3 0\nrecv 5\nrecv 6\n");
		news = true;
		answers = answered = 0;
		table[1].revents = table[2].revents = POLLIN;
	}
}
END_TEST

START_TEST(poll_interest_follows_state)
{
	static const short wants[] = {
		[LISTENING] = POLLIN, [REQUEST] = POLLIN, [REPLY] = 0,
		[OPEN] = POLLIN,      [CLOSING] = POLLIN, [DRAIN] = POLLIN,
		[OVER] = 0,
	};
	struct client c = {0};

	for (c.state = LISTENING; c.state <= OVER; c.state++) {
		bool reads = c.state == REQUEST || c.state == OPEN;
		short out = c.state == REPLY || c.state == OPEN ||
					    c.state == CLOSING
				    ? POLLOUT
				    : 0;

		ck_assert_int_eq(interest(&c), wants[c.state]);
		congested = true;
		ck_assert_int_eq(interest(&c), reads ? 0 : wants[c.state]);
		congested = false;
		c.blocked = true;
		if (out)
			ck_assert_int_eq(interest(&c), wants[c.state] | out);
		c.blocked = false;
	}
}
END_TEST

START_TEST(counts_time_by_monotonic_clock)
{
	clock_now.tv_sec = 10;
	clock_now.tv_nsec = 999999999;
	count_time(0);
	ck_assert_uint_eq(served, 1000); /* the clock has run long before */
	ck_assert_uint_eq(now, 1);
	clock_now.tv_sec = 13;
	clock_now.tv_nsec = 499000000;
	count_time(5000);
	ck_assert_uint_eq(served, 3500);
	ck_assert_uint_eq(now, 3);
	clock_now.tv_sec = 20;
	clock_now.tv_nsec = 999999999;
	count_time(4000);
	ck_assert_uint_eq(served, 3500 + 5000);
	clock_now.tv_sec = 90;
	count_time(1500); /* the process was stopped */
	ck_assert_uint_eq(served, 3500 + 5000 + 2500);
}
END_TEST

START_TEST(stays_calm_without_events)
{
	make_listener();
	news = false;
	calm = true;
	queue_answer("poll", 0, 0);
	pass();
	EXPECT_CALLS("poll 1 25000\n");
	ck_assert(calm);
}
END_TEST

START_TEST(sleeps_until_heartbeat_in_quiet_room)
{
	make_quiet_member();
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

START_TEST(sleeps_an_hour_without_heartbeat)
{
	opt.heartbeat = 0;
	ticked = 10;
	calm = true;
	ck_assert_uint_eq(next_tick(), 3600);
	ticked = 3600;
	ck_assert_uint_eq(next_tick(), 7200);
	opt.heartbeat = 1;
	ck_assert_uint_eq(next_tick(), 3601);
	calm = false;
	opt.heartbeat = 0;
	ck_assert_uint_eq(next_tick(), 3601);
	/* without heartbeat, nothing is due for a client that is silent */
	now = 1000;
	ck_assert(rests(&(struct client){.state = OPEN}));
	opt.heartbeat = 1;
	ck_assert(!rests(&(struct client){.state = OPEN}));
	ck_assert(rests(&(struct client){.state = OPEN, .heard = 999}));
}
END_TEST

/* Each case is a reason to tick in a second, and not at the next heartbeat. */
START_TEST(ticks_each_second_while_something_is_due)
{
	struct client *c = make_quiet_member();

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

static void add_loop_tests(TCase *t)
{
	tcase_add_test(t, pauses_when_poll_fails);
	tcase_add_test(t, serves_clients_in_rotating_order);
	tcase_add_test(t, poll_interest_follows_state);
	tcase_add_test(t, counts_time_by_monotonic_clock);
	tcase_add_test(t, stays_calm_without_events);
	tcase_add_test(t, sleeps_until_heartbeat_in_quiet_room);
	tcase_add_test(t, sleeps_an_hour_without_heartbeat);
	tcase_add_loop_test(t, ticks_each_second_while_something_is_due, 0, 9);
}
