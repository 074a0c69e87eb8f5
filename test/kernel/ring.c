/* SPDX-License-Identifier: MIT */
/* The ring of messages: how much is read, its slowest cursor, and congestion.
 */

/* Reading n bytes adds at most n, a message buffered before and its header; all
   of that must fit in front of the slowest cursor. */
START_TEST(never_reads_more_than_ring_can_hold)
{
	const int reserve = MESSAGE_MAX + WS_SERVER_HEADER;

	ring.head = (uint64_t)1 << 40;
	clock_now.tv_sec = 8;
	for (int behind = 0; behind <= LOG_SIZE; behind++) {
		int left = LOG_SIZE - behind - reserve;
		size_t want = left < RECEIVE_SIZE ? (size_t)left : RECEIVE_SIZE;

		ring.slowest = ring.head - (uint64_t)behind;
		room.charged_at = 9;
		MUST(read_budget() == (left > 0 ? want : 0), "%d", behind);
		MUST(room.congested == (left <= 0), "%d behind", behind);
		/* paid for from its start on */
		MUST(room.charged_at == (left == 0 ? 8000 : 9), "%d", behind);
	}
	ring.slowest = ring.head - 1044000; /* the example at read_budget() */
	room.congested = false;
	ck_assert_uint_eq(read_budget(), 470);
}
END_TEST

/* A congested room: at entry 0 a member that is a byte too far behind, which
   would not be read otherwise. */
static struct client *make_congested_room(void)
{
	struct client *c = make_member();

	ring.head = 3 * (uint64_t)LOG_SIZE;
	c->cursor = ring.head - LOG_SIZE / 2 - 1;
	c->blocked = true;
	room.congested = true;
	return c;
}

START_TEST(reads_again_when_all_are_within_half_the_ring)
{
	struct client *c = make_congested_room();

	entry_take(1, 8, REQUEST);
	entry_take(2, 9, CLOSING);
	for (int k = 0; k < 2; k++) {
		settle_congestion();
		for (int i = 0; i < 3; i++)
			receive(i);
		EXPECT_CALLS(k == 0 ? "recv 9\n" : "recv 7\nrecv 8\nrecv 9\n");
		c->cursor++;
	}
	ck_assert_uint_eq(room.patience, PATIENCE);
}
END_TEST

/* By the ms, but a pass for a second at most. */
START_TEST(pays_for_congestion_with_patience)
{
	static const struct {
		int ms;
		unsigned left;
	} passes[] = {
		{5000, 1000}, {0, 1000}, {1, 999},  {998, 1},
		{0, 1},       {1, 0},    {5000, 0},
	};

	for (size_t k = 0; k < COUNT(passes); k++) {
		struct client *c = make_congested_room();

		if (k > 0)
			room.patience = passes[k - 1].left;
		clock_now.tv_sec += (time_t)k;
		room.charged_at = clock_ms(CLOCK_MONOTONIC);
		pass_ms(passes[k].ms);
		settle_congestion();
		ck_assert_uint_eq(room.patience, passes[k].left);
		ck_assert_uint_eq(room.charged_at, clock_ms(CLOCK_MONOTONIC));
		ck_assert_int_eq(c->state, passes[k].left > 0 ? OPEN : DEAD);
		ck_assert(room.congested == (passes[k].left > 0));
	}
}
END_TEST

START_TEST(keeps_patience_without_congestion)
{
	make_congested_room();
	room.congested = false;
	pass_ms(5000);
	settle_congestion();
	ck_assert(room.patience == PATIENCE && room.charged_at == 0);
	ck_assert_uint_eq(ring.slowest, ring.head - LOG_SIZE / 2 - 1);
}
END_TEST

/* An entry, how far it is behind, whether it needs the ring up to the head, and
   whether it is dropped: it is if it needs more than half of the ring. */
static const struct {
	enum state state;
	unsigned behind;
	bool needs, dropped;
} crowd[] = {
	{OPEN, LOG_SIZE / 2 + 1, true, true},
	{OPEN, LOG_SIZE, true, true},
	{OPEN, LOG_SIZE / 2, true, false},
	{CLOSING, LOG_SIZE / 2 + 1, true, true},
	{CLOSING, LOG_SIZE / 2 + 1, false, false},
	{CLOSING, LOG_SIZE / 2, true, false},
	{REQUEST, LOG_SIZE, true, false},
	{REPLY, LOG_SIZE, true, false},
	{DRAIN, LOG_SIZE, true, false},
};

START_TEST(drops_all_slow_ones_when_patience_ends)
{
	unsigned gone = 0;

	clear_table();
	room.members = 3;
	ring.head = 3 * (uint64_t)LOG_SIZE;
	for (int i = 0; i < (int)COUNT(crowd); i++) {
		entry_take(i, 10 + i, crowd[i].state);
		clients[i].cursor = ring.head - crowd[i].behind;
		clients[i].outbox_at =
			crowd[i].needs ? ring.head : clients[i].cursor;
	}
	room.congested = true;
	room.patience = 1;
	pass_ms(1);
	settle_congestion();
	for (int i = 0; i < (int)COUNT(crowd); i++) {
		MUST(clients[i].state ==
			     (crowd[i].dropped ? DEAD : crowd[i].state),
		     "%d", i);
		gone += crowd[i].dropped;
	}
	ck_assert_uint_eq(totals.ended[SLOW], gone);
	ck_assert_uint_eq(room.members, 1);
	/* and all others go on in this pass */
	ck_assert(!room.congested);
	ck_assert_uint_eq(ring.slowest, ring.head - LOG_SIZE / 2);
	ck_assert_uint_eq(room.patience, 0);
	EXPECT_CALLS("linger 10 1 0\nlinger 11 1 0\nlinger 13 1 0\n");
}
END_TEST

/* A client is then dropped as soon as it makes the room wait. */
START_TEST(drops_at_once_when_patience_is_used_up)
{
	struct client *c = make_congested_room();

	options.rate = _i;
	ring.slowest = c->cursor = ring.head - LOG_SIZE;
	room.congested = false;
	room.patience = 0;
	settle_congestion();
	ck_assert_int_eq(c->state, OPEN);
	receive(0); /* is what starts it */
	ck_assert(room.congested);
	settle_congestion();
	ck_assert(c->state == DEAD && !room.congested);
	EXPECT_CALLS("linger 7 1 0\n");
	ck_assert_uint_eq(room.patience, _i == 0 ? PATIENCE : 0);
}
END_TEST

/* With -l 0, when it has ended. */
START_TEST(restores_patience_at_once_for_trusted_senders)
{
	struct client *c = make_congested_room();

	options.rate = _i;
	pass_ms(700);
	settle_congestion();
	ck_assert(room.congested && room.patience == 1300);
	c->cursor++;
	pass_ms(100);
	settle_congestion();
	ck_assert(!room.congested && c->state == OPEN);
	ck_assert_uint_eq(room.patience, _i == 0 ? 2000 : 1200);
}
END_TEST

/* The ticks of a minute make it whole. */
START_TEST(refills_patience_within_a_minute)
{
	static const struct {
		unsigned before, seconds, after;
	} ticks[] = {
		{0, 1, 33},      {0, 25, 833},    {0, 60, 2000},
		{0, 3600, 2000}, {1967, 1, 2000}, {1966, 1, 1999},
		{1968, 1, 2000}, {2000, 1, 2000},
	};

	room.patience = ticks[_i].before;
	loop.tick_after = ticks[_i].seconds;
	tick();
	ck_assert_uint_eq(room.patience, ticks[_i].after);
}
END_TEST

/* poll() waits no longer than the patience that is left, nor than until the
   next tick. */
START_TEST(waits_for_slow_ones_no_longer_than_patience)
{
	struct client *c = make_congested_room();

	options.quiet = false;
	room.patience = 300;
	run_once();
	EXPECT_CALLS("poll 1 300\n");
	ck_assert_int_eq(c->state, OPEN);
	run_once();
	EXPECT_CALLS(
		LOG
		"local Client disconnected: slow, too far behind; the "
		"room waits 2 s a minute (0 online)\nlinger 7 1 0\nclose 7\n");
	c = make_congested_room();
	room.charged_at = clock_ms(CLOCK_MONOTONIC);
	loop.tick_after = 1;
	run_once();
	EXPECT_CALLS("poll 1 700\n");
	/* it is the room that pays, not each of those who are slow */
	ck_assert_uint_eq(room.patience, 2000);
	run_once();
	EXPECT_CALLS("poll 1 1000\n");
	ck_assert_uint_eq(room.patience, 1300 + 33);
}
END_TEST

/* Its Close is due at offset 500, and it is sent no message after that. */
START_TEST(closing_client_holds_only_messages_before_its_close)
{
	struct client *c = make_client(7, CLOSING);

	ring.head = 1000;
	c->cursor = 100;
	c->outbox_at = 500;
	c->outbox_len = 4;
	update_slowest();
	ck_assert_uint_eq(ring.slowest, 100);
	c->cursor = 500;
	update_slowest();
	ck_assert_uint_eq(ring.slowest, 1000);
}
END_TEST

START_TEST(starts_newcomers_within_half_the_ring)
{
	options.history = HISTORY_MAX;
	ck_assert_uint_eq(history_start(), 0);
	for (unsigned k = 0; k < 3 * HISTORY_MAX; k++) {
		find_message(ring.next++)->start = ring.head;
		ring.head += k % 5000;
		MUST(ring.head - history_start() <= LOG_SIZE / 2, "%u", k);
	}
	options.history = 1;
	ring.head = find_message(ring.next - 1)->start + LOG_SIZE / 2;
	ck_assert_uint_eq(history_start(), ring.head - LOG_SIZE / 2);
	options.history = 0;
	ck_assert_uint_eq(history_start(), ring.head);
}
END_TEST

START_TEST(starts_newcomer_at_oldest_message_within_half_the_ring)
{
	options.history = 3;
	ring.next = 3;
	find_message(1)->start = 100;
	find_message(2)->start = 200;
	ring.head = LOG_SIZE / 2;
	for (uint64_t start = 0; start < 300; start += 100) {
		ck_assert_uint_eq(history_start(), start);
		ring.head++;
		ck_assert_uint_eq(history_start(),
				  start < 200 ? start + 100 : ring.head);
		ring.head += 99;
	}
}
END_TEST

START_TEST(writes_message_across_ring_end)
{
	unsigned char data[100];
	struct ws_frame f = {WS_TEXT, data, 0, sizeof data};

	memset(data, 'x', sizeof data);
	ring.head = 5 * (uint64_t)LOG_SIZE - 50;
	ring.slowest =
		ring.head + sizeof data + 2 - LOG_SIZE; /* it just fits */
	ring.next = HISTORY_MAX + 3;
	broadcast(&f);
	ck_assert_mem_eq(ring.store->bytes + LOG_SIZE - 50, "\x81\x64xx", 4);
	ck_assert_int_eq(ring.store->bytes[LOG_SIZE - 1], 'x');
	ck_assert_mem_eq(ring.store->bytes + 51, "x\0", 2);
	ck_assert_uint_eq(ring.head, 5 * (uint64_t)LOG_SIZE + 52);
	ck_assert_uint_eq(find_message(3)->start, 5 * (uint64_t)LOG_SIZE - 50);
	ck_assert_uint_eq(find_message(3)->length, sizeof data + 2);
	ck_assert_uint_eq(ring.next, HISTORY_MAX + 4);
	ck_assert_uint_eq(totals.messages, 1);
}
END_TEST

/* What reaches the end goes on at the start, in two parts. */
START_TEST(sends_message_across_ring_end)
{
	struct client *c = make_member();

	ring.head = 5 * (uint64_t)LOG_SIZE + 52;
	c->cursor = ring.head - 101;
	strcpy((char *)ring.store->bytes, "start");
	strcpy((char *)ring.store->bytes + LOG_SIZE - 49, "end");
	queue_answer("send", 49, 0);
	queue_answer("send", 0, 0);
	flush(0);
	EXPECT_CALLS("send 7 49\nsend 7 52\n");
	ck_assert_mem_eq(outgoing, "start", 5);
	c->blocked = false;
	c->cursor -= 49;
	queue_answer("send", 0, 0);
	flush(0);
	ck_assert_mem_eq(outgoing, "end", 4);
}
END_TEST

static void add_ring_tests(TCase *t)
{
	tcase_add_test(t, sends_message_across_ring_end);
	tcase_add_test(t, never_reads_more_than_ring_can_hold);
	tcase_add_test(t, reads_again_when_all_are_within_half_the_ring);
	tcase_add_test(t, pays_for_congestion_with_patience);
	tcase_add_test(t, keeps_patience_without_congestion);
	tcase_add_test(t, drops_all_slow_ones_when_patience_ends);
	tcase_add_loop_test(t, drops_at_once_when_patience_is_used_up, 0, 2);
	tcase_add_loop_test(t, restores_patience_at_once_for_trusted_senders, 0,
			    2);
	tcase_add_loop_test(t, refills_patience_within_a_minute, 0, 8);
	tcase_add_test(t, waits_for_slow_ones_no_longer_than_patience);
	tcase_add_test(t, closing_client_holds_only_messages_before_its_close);
	tcase_add_test(t, starts_newcomers_within_half_the_ring);
	tcase_add_test(t,
		       starts_newcomer_at_oldest_message_within_half_the_ring);
	tcase_add_test(t, writes_message_across_ring_end);
}
