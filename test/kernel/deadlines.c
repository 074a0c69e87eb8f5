/* SPDX-License-Identifier: MIT */
/* Deadlines: a client stays in the last second of each, and goes in the next.
 */

/* A kind of client, and the seconds after which it is late; 999: never. */
static const struct {
	const char *what;
	enum state state;
	bool blocked, congested;
	unsigned behind, limit;
	enum reason why;
	enum state then;
} lates[] = {
	{"silent", OPEN, false, false, 0, 60, SILENT, OVER},
	{"stuck", OPEN, true, false, 0, 20, STUCK, OVER},
	{"slow", OPEN, false, true, LOG_SIZE / 2 + 1, 1, SLOW, OVER},
	{"not slow", OPEN, false, true, LOG_SIZE / 2, 999, SLOW, OVER},
	{"request", REQUEST, false, false, 0, 10, REFUSED, REPLY},
	{"reply", REPLY, false, false, 0, 10, LATE, OVER},
	{"close", CLOSING, false, false, 0, 10, REASONS, OVER},
	{"full", DRAIN, true, false, 0, 10, LATE, OVER},
	{"drain", DRAIN, false, false, 0, 10, REASONS, OVER},
};

START_TEST(drops_client_one_second_after_deadline)
{
	struct client *c = make_member();

	congested_since = 100;
	c->state = (unsigned char)lates[_i].state;
	c->blocked = lates[_i].blocked;
	head = 5 * (uint64_t)LOG_SIZE;
	slowest = c->cursor = head - lates[_i].behind;
	for (int late = 0; late < 2; late++) {
		now = 100 + lates[_i].limit + (unsigned)late;
		congested = lates[_i].congested;
		if (_i != 0)
			c->heard = now;
		tick();
		ck_assert_msg(c->state == (late && lates[_i].limit < 999
						   ? lates[_i].then
						   : lates[_i].state),
			      "%s after %u s: %d", lates[_i].what, now,
			      c->state);
	}
	for (int why = 0; why < REASONS; why++)
		ck_assert_uint_eq(total.dropped[why],
				  why == (int)lates[_i].why &&
					  lates[_i].limit < 999);
}
END_TEST

START_TEST(logs_late_request_only_if_begun)
{
	static const char end[] = "\r\n\r\n408 Request Timeout\n";
	struct client *c = &clients[0];

	clear_table();
	opt.quiet = false;
	occupy(0, 7, REQUEST);
	now = 11;
	tick();
	EXPECT_CALLS("");
	occupy(0, 7, REQUEST);
	http_join(c->peer, PEER, HTTP_TEXT("who"));
	c->filled = 1;
	now = 22;
	tick();
	opt.quiet = true;
	EXPECT_CALLS(
		"to 2: 1970-01-01T00:00:00Z who Request refused: 408 Request "
		"Timeout\n");
	ck_assert_int_eq(c->state, REPLY);
	ck_assert_uint_eq(c->until, c->filled);
	ck_assert_mem_eq(buffers[0] + c->filled - sizeof end + 1, end,
			 sizeof end - 1);
	/* a peer that is gone counts as lost only after a part of a request */
	occupy(0, 7, REQUEST);
	part(0);
	ck_assert_uint_eq(total.dropped[LOST], 0);
	occupy(0, 7, REQUEST);
	c->filled = 1;
	part(0);
	ck_assert_uint_eq(total.dropped[LOST], 1);
}
END_TEST

/* A message may take MESSAGE_TIMEOUT from its first byte on. */
START_TEST(times_message_from_its_first_byte)
{
	static const unsigned char hi[] = {0x81, 0x82, 0, 0, 0, 0, 'H', 'i'};
	struct client *c = make_member();

	receive_bytes(hi, 3);
	ck_assert_uint_eq(c->deadline, 130);
	now = 120;
	c->heard = 120;
	receive_bytes(hi + 3, 3);
	ck_assert_uint_eq(c->deadline, 130);
	now = 130;
	tick();
	ck_assert_int_eq(c->state, OPEN);
	now = 131;
	tick();
	ck_assert_int_eq(c->state, CLOSING);
	ck_assert_uint_eq(total.dropped[UNFINISHED], 1);
}
END_TEST

/* A congested room reads from no client, so that none can be late. */
START_TEST(extends_deadlines_while_congested)
{
	struct client *c = make_quiet_member();

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

/* After CLOSE_TIMEOUT a full socket is reset, and counts as late. */
START_TEST(resets_client_that_does_not_take_close)
{
	struct client *c = make_quiet_member();

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
	used = 1; /* as if an entry behind it were in use */
	tick();
	ck_assert_uint_eq(total.dropped[LATE], 1);
}
END_TEST

static void add_deadlines_tests(TCase *t)
{
	add_table_test(t, drops_client_one_second_after_deadline, lates);
	tcase_add_test(t, logs_late_request_only_if_begun);
	tcase_add_test(t, times_message_from_its_first_byte);
	tcase_add_test(t, extends_deadlines_while_congested);
	tcase_add_test(t, resets_client_that_does_not_take_close);
}
