/* SPDX-License-Identifier: MIT */
/* A pass of the loop: its poll(), its order, its clock and its ticks. */

START_TEST(pauses_when_poll_fails)
{
	make_client(3, LISTENING);
	queue_answer("poll", -1, ENOMEM);
	run_once();
	EXPECT_CALLS("poll 1 25000\npoll 0 100\n");
	queue_answer("poll", -1, EINTR);
	run_once();
	EXPECT_CALLS("poll 1 24900\n");
}
END_TEST

START_TEST(reads_clients_in_rotating_order)
{
	make_client(3, LISTENING);
	entry_take(1, 5, OPEN);
	entry_take(2, 6, OPEN);
	clients[1].credit = clients[2].credit = CREDIT;
	for (int k = 1; k < 6; k++) {
		table[1].revents = table[2].revents = POLLIN;
		queue_answer("poll", 2, 0);
		run_once();
		ck_assert_int_eq(loop.first, k);
		EXPECT_CALLS(k % 3 == 2 ? "poll 3 25000\nrecv 6\nrecv 5\n"
					: "poll 3 25000\nrecv 5\nrecv 6\n");
	}
	run_once(); /* nothing is ready, and revents is not looked at */
	EXPECT_CALLS("poll 3 25000\n");
}
END_TEST

START_TEST(writes_and_frees_before_poll)
{
	make_member();
	entry_take(1, 8, DEAD);
	entry_take(2, 9, OPEN);
	clients[2].told = 1;
	clients[2].credit = CREDIT;
	clients[2].cursor = 6;
	ring.head = 10;
	run_once();
	EXPECT_CALLS("send 7 10\nsend 9 4\nclose 8\npoll 3 25000\n");
	ck_assert_uint_eq(ring.slowest, 10);
}
END_TEST

START_TEST(poll_events_follow_state)
{
	static const short wants[] = {[LISTENING] = POLLIN,
				      [REQUEST] = POLLIN,
				      [REPLY] = POLLOUT,
				      [OPEN] = POLLIN | POLLOUT,
				      [CLOSING] = POLLIN | POLLOUT,
				      [DRAIN] = POLLIN,
				      [DEAD] = 0};
	struct client c = {.credit = 1};

	for (c.state = FREE; c.state <= DEAD; c.state++) {
		bool reads = c.state == REQUEST || c.state == OPEN;
		short in = wants[c.state] & POLLIN;
		short out = wants[c.state] & POLLOUT;

		ck_assert_int_eq(poll_events(&c), in);
		c.blocked = out != 0;
		ck_assert_int_eq(poll_events(&c), in | out);
		room.congested = true;
		ck_assert_int_eq(poll_events(&c), reads ? out : in | out);
		loop.shortage = OF_MEMORY;
		ck_assert_int_eq(poll_events(&c), 0);
		loop.shortage = NO_SHORTAGE;
		room.congested = c.blocked = false;
	}
}
END_TEST

START_TEST(waits_until_next_tick)
{
	clock_now = (struct timespec){1000, 999999999};
	ck_assert_uint_eq(clock_ms(CLOCK_MONOTONIC), 1000999);
	loop.last_tick = 999500;
	loop.tick_after = 2;
	ck_assert_int_eq(ms_until_tick(), 501);
	loop.tick_after = 1;
	ck_assert_int_eq(ms_until_tick(), 0);
	tick_soon(); /* not later, though the last was a second ago */
	ck_assert_uint_eq(loop.tick_after, 1);
	for (unsigned ago = 9999; ago < 10001; ago++) {
		loop.last_tick = clock_ms(CLOCK_MONOTONIC) - ago;
		loop.tick_after = 25;
		tick_soon();
		ck_assert_uint_eq(loop.tick_after, ago < 10000 ? 10 : 11);
	}
}
END_TEST

/* Called in poll(): the client says "Hi" five seconds later. */
static void speak(void)
{
	clock_now.tv_sec += 5;
	table[0].revents = POLLIN;
	queue_bytes("\x81\x82\0\0\0\0Hi", 8);
	queue_answer("poll", 1, 0);
}

/* A message of a client with credit does not end its sleep, nor delay the
   heartbeat. */
START_TEST(sleeps_until_heartbeat_in_quiet_room)
{
	make_member()->credit = BURST * CREDIT;
	during_poll = speak;
	run_once();
	EXPECT_CALLS("poll 1 25000\nrecv 7\n");
	during_poll = NULL;
	run_once();
	EXPECT_CALLS("send 7 4\npoll 1 20000\n");
	ck_assert_uint_eq(loop.last_tick, 25000);
	run_once();
	EXPECT_CALLS("send 7 61\npoll 1 25000\n");
	ck_assert_mem_eq(outgoing, "\x89\0\x81\x39" NOTICE("1", "1", "25"), 61);
	/* for an hour if there is none */
	options.heartbeat = 0;
	tick();
	run_once();
	run_once();
	EXPECT_CALLS("send 7 60\npoll 1 3600000\npoll 1 3600000\n");
}
END_TEST

/* Each case but the first two needs a tick in a second, before the heartbeat,
   and a full table is looked at even sooner. */
START_TEST(ticks_soon_while_something_is_due)
{
	struct client *c = make_member();

	clock_now = (struct timespec){10, 250000000};
	switch (_i) {
	case 1: c->credit = options.rate = 0; break;
	case 2: c->blocked = true; break;
	case 3: c->credit--; break; /* for less than a second's worth */
	case 4: c->ws.message_opcode = WS_TEXT; break;
	case 5: c->state = REQUEST; break;
	case 6: c->state = REPLY; break; /* and at once DRAIN */
	case 7: c->state = CLOSING; break;
	case 8: c->told = 0; break;
	case 9: c->told = 2; break;
	case 10: loop.lines = 1; break;
	case 11: loop.shortage = OF_ENTRIES; break;
	case 12: loop.shortage = OF_DESCRIPTORS; break;
	case 13: loop.shortage = OF_MEMORY; break;
	case 14: /* is congested */
		c->blocked = room.congested = true;
		ring.head = LOG_SIZE;
	}
	run_once();
	EXPECT_CALLS(_i < 2     ? "poll 1 14750\n"
		     : _i == 6  ? "shutdown 7\npoll 1 750\n"
		     : _i == 11 ? "poll 1 100\n"
				: "poll 1 750\n");
	ck_assert(_i != 11 || loop.tick_after == 11);
}
END_TEST

/* Until the next tick, for 100 ms with a full table, and in a congested room
   for its patience: which of them is least. */
START_TEST(waits_for_what_comes_first)
{
	static const struct {
		unsigned ms_to_tick, patience;
		enum shortage shortage;
		int full, congested, both;
	} waits[] = {
		{400, 300, OF_ENTRIES, 100, 300, 100},
		{400, 99, OF_ENTRIES, 100, 99, 99},
		{50, 99, OF_ENTRIES, 50, 50, 50},
		{0, 99, OF_ENTRIES, 0, 0, 0},
		{400, 300, OF_DESCRIPTORS, 400, 300, 300},
	};

	clock_now.tv_sec = 10;
	loop.tick_after = 1;
	loop.last_tick = 9000 + waits[_i].ms_to_tick;
	room.patience = waits[_i].patience;
	ck_assert_int_eq(ms_to_wait(), (int)waits[_i].ms_to_tick);
	room.congested = true;
	ck_assert_int_eq(ms_to_wait(), waits[_i].congested);
	loop.shortage = (unsigned char)waits[_i].shortage;
	ck_assert_int_eq(ms_to_wait(), waits[_i].both);
	room.congested = false;
	ck_assert_int_eq(ms_to_wait(), waits[_i].full);
}
END_TEST

/* Nothing is due for what only listens, nor as no notices are sent. */
START_TEST(sleeps_if_notice_is_never_sent)
{
	make_member()->told = 0;
	entry_take(1, 3, LISTENING);
	options.history = options.heartbeat = 0;
	run_once();
	EXPECT_CALLS("poll 2 25000\n");
}
END_TEST

/* A pass without a tick, and a tick that is late. */
START_TEST(handles_what_is_ready_before_tick)
{
	make_client(7, REQUEST);
	table[0].revents = POLLIN;
	queue_answer("poll", 1, 0);
	run_once();
	EXPECT_CALLS("poll 1 1000\nrecv 7\n");
	ck_assert_uint_eq(clients[0].ticks, 0);
	pass_ms(999);
	queue_answer("poll", -1, EINTR);
	run_once();
	EXPECT_CALLS("poll 1 1\n");
	ck_assert_uint_eq(clients[0].ticks, 0);
	pass_ms(1500);
	run_once();
	EXPECT_CALLS("poll 1 0\n");
	ck_assert_uint_eq(clients[0].ticks, 1);
	ck_assert_uint_eq(loop.last_tick, 2499);
}
END_TEST

/* No client was read meanwhile: that is not held against any. */
START_TEST(counts_one_tick_after_stop_of_an_hour)
{
	make_member()->blocked = true;
	entry_take(1, 8, REQUEST);
	tick_soon();
	loop.heartbeat_after = 7;
	clock_now.tv_sec += 3600;
	run_once();
	EXPECT_CALLS("poll 2 0\n");
	ck_assert(clients[0].state == OPEN && clients[1].state == REQUEST);
	ck_assert(clients[0].stuck == 1 && clients[1].ticks == 1);
	ck_assert(loop.heartbeat_after == 6);
	run_once();
	EXPECT_CALLS("poll 2 1000\n");
}
END_TEST

static void add_loop_tests(TCase *t)
{
	tcase_add_test(t, pauses_when_poll_fails);
	tcase_add_test(t, reads_clients_in_rotating_order);
	tcase_add_test(t, writes_and_frees_before_poll);
	tcase_add_test(t, poll_events_follow_state);
	tcase_add_test(t, waits_until_next_tick);
	tcase_add_test(t, sleeps_until_heartbeat_in_quiet_room);
	tcase_add_loop_test(t, ticks_soon_while_something_is_due, 0, 15);
	tcase_add_loop_test(t, waits_for_what_comes_first, 0, 5);
	tcase_add_test(t, sleeps_if_notice_is_never_sent);
	tcase_add_test(t, handles_what_is_ready_before_tick);
	tcase_add_test(t, counts_one_tick_after_stop_of_an_hour);
}
