/* SPDX-License-Identifier: MIT */
/* The ring of messages: how much is read, and its slowest cursor. */

/* Reading n bytes adds at most n, a message buffered before and its header; all
   of that must fit in front of the slowest cursor. */
START_TEST(never_reads_more_than_ring_can_hold)
{
	const int reserve = MESSAGE_MAX + WS_SERVER_HEADER;

	ring.head = (uint64_t)1 << 40;
	for (int behind = 0; behind <= LOG_SIZE; behind++) {
		int left = LOG_SIZE - behind - reserve;
		size_t want = left < RECEIVE_SIZE ? (size_t)left : RECEIVE_SIZE;

		ring.slowest = ring.head - (uint64_t)behind;
		room.congested_ticks = 9;
		MUST(read_budget() == (left > 0 ? want : 0), "%d", behind);
		MUST(room.congested == (left <= 0), "%d behind", behind);
		MUST(room.congested_ticks == (left == 0 ? 0 : 9), "%d", behind);
	}
	ring.slowest = ring.head - 1044000; /* the example at read_budget() */
	room.congested = false;
	ck_assert_uint_eq(read_budget(), 470);
}
END_TEST

START_TEST(reads_again_when_all_are_within_half_the_ring)
{
	struct client *c = make_member();

	entry_take(1, 8, REQUEST);
	entry_take(2, 9, CLOSING);
	ring.head = 3 * (uint64_t)LOG_SIZE;
	c->cursor = ring.head - LOG_SIZE / 2 - 1;
	room.congested = true;
	for (int k = 0; k < 2; k++) {
		update_slowest();
		for (int i = 0; i < 3; i++)
			receive(i);
		EXPECT_CALLS(k == 0 ? "recv 9\n" : "recv 7\nrecv 8\nrecv 9\n");
		c->cursor++;
	}
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
		ring.message_start[totals.messages++ % HISTORY_MAX] = ring.head;
		ring.head += k % 5000;
		MUST(ring.head - history_start() <= LOG_SIZE / 2, "%u", k);
	}
	options.history = 1;
	ring.head = ring.message_start[(totals.messages - 1) % HISTORY_MAX] +
		    LOG_SIZE / 2;
	ck_assert_uint_eq(history_start(), ring.head - LOG_SIZE / 2);
	options.history = 0;
	ck_assert_uint_eq(history_start(), ring.head);
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
	totals.messages = HISTORY_MAX + 3;
	broadcast(&f);
	ck_assert_mem_eq(ring.bytes + LOG_SIZE - 50, "\x81\x64xx", 4);
	ck_assert_int_eq(ring.bytes[LOG_SIZE - 1], 'x');
	ck_assert_mem_eq(ring.bytes + 51, "x\0", 2);
	ck_assert_uint_eq(ring.head, 5 * (uint64_t)LOG_SIZE + 52);
	ck_assert_uint_eq(ring.message_start[3], 5 * (uint64_t)LOG_SIZE - 50);
	ck_assert_uint_eq(totals.messages, HISTORY_MAX + 4);
}
END_TEST

static void add_ring_tests(TCase *t)
{
	tcase_add_test(t, never_reads_more_than_ring_can_hold);
	tcase_add_test(t, reads_again_when_all_are_within_half_the_ring);
	tcase_add_test(t, closing_client_holds_only_messages_before_its_close);
	tcase_add_test(t, starts_newcomers_within_half_the_ring);
	tcase_add_test(t, writes_message_across_ring_end);
}
