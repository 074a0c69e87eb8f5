/* SPDX-License-Identifier: MIT */
/* The ring of messages: how much is read, and its slowest cursor. */

/* Makes the slowest cursor so many bytes behind the head. */
static void make_laggard(uint64_t behind)
{
	head = (uint64_t)1 << 40;
	slowest = head - behind;
	congested = false;
}

/* Reading n bytes adds at most n, a message buffered before and its header; all
   of that must fit in front of the slowest cursor. */
START_TEST(never_reads_more_than_ring_can_hold)
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

START_TEST(is_congested_before_ring_can_overflow)
{
	const unsigned more = MESSAGE_MAX + WS_SERVER_HEADER;

	now = 7;
	head = LOG_SIZE;
	slowest = more + 1;
	ck_assert_uint_eq(allowance(), 1);
	ck_assert(!congested);
	slowest = more;
	ck_assert_uint_eq(allowance(), 0);
	ck_assert(congested);
	ck_assert_uint_eq(congested_since, 7);
}
END_TEST

START_TEST(reads_again_when_all_are_within_half_the_ring)
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

/* Its Close is due at offset 500, and it gets no message after that. */
START_TEST(closing_client_holds_only_messages_before_its_close)
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

START_TEST(client_that_has_everything_holds_nothing)
{
	struct client *c = make_member();

	head = 1000;
	c->cursor = 10;
	c->state = CLOSING;
	measure();
	ck_assert_uint_eq(slowest, 1000);
}
END_TEST

START_TEST(starts_newcomers_within_half_the_ring)
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

START_TEST(writes_message_across_ring_end)
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

static void add_ring_tests(TCase *t)
{
	tcase_add_test(t, never_reads_more_than_ring_can_hold);
	tcase_add_test(t, is_congested_before_ring_can_overflow);
	tcase_add_test(t, reads_again_when_all_are_within_half_the_ring);
	tcase_add_test(t, closing_client_holds_only_messages_before_its_close);
	tcase_add_test(t, client_that_has_everything_holds_nothing);
	tcase_add_test(t, starts_newcomers_within_half_the_ring);
	tcase_add_test(t, writes_message_across_ring_end);
}
