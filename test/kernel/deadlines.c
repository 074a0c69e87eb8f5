/* SPDX-License-Identifier: MIT */
/* Deadlines: a client stays up to their last tick, and goes at the next. */

/* A kind of client, and the ticks after which it is late, or that it stays. */
static const struct {
	const char *what;
	enum state state;
	bool blocked, congested, message;
	unsigned behind, ticks;
	enum reason why;
	enum state then;
} lates[] = {
	{"silent", OPEN, false, false, false, 0, 74, SILENT, DEAD},
	{"stuck", OPEN, true, false, false, 0, 20, STUCK, DEAD},
	{"slow", OPEN, false, true, false, LOG_SIZE / 2 + 1, 1, SLOW, DEAD},
	{"not slow", OPEN, false, true, false, LOG_SIZE / 2, 99, REASONS, OPEN},
	{"behind", OPEN, false, false, false, LOG_SIZE, 99, REASONS, OPEN},
	{"message", OPEN, false, false, true, 0, 30, UNFINISHED, CLOSING},
	{"request", REQUEST, false, false, false, 0, 10, REASONS, REPLY},
	{"reply", REPLY, false, false, false, 0, 10, LATE, DEAD},
	{"close", CLOSING, false, false, false, 0, 2, REASONS, DEAD},
	{"unread close", CLOSING, true, false, false, 0, 2, LATE, DEAD},
	{"drain", DRAIN, false, false, false, 0, 2, REASONS, DEAD},
};

START_TEST(drops_client_one_tick_after_deadline)
{
	struct client *c = make_member();

	if (lates[_i].why != SILENT)
		options.heartbeat = 0;
	c->state = (unsigned char)lates[_i].state;
	c->blocked = lates[_i].blocked;
	room.congested = lates[_i].congested;
	c->ws.message_opcode = lates[_i].message ? WS_TEXT : 0;
	ring.head = 5 * (uint64_t)LOG_SIZE;
	ring.slowest = c->cursor = ring.head - lates[_i].behind;
	pass_ticks(lates[_i].ticks);
	ck_assert_int_eq(c->state, lates[_i].state);
	pass_ticks(1);
	ck_assert_int_eq(c->state, lates[_i].then);
	for (int why = 0; why < REASONS; why++)
		MUST(totals.ended[why] == (why == (int)lates[_i].why), "%s: %s",
		     lates[_i].what, reasons[why].label);
}
END_TEST

START_TEST(logs_late_request_only_if_begun)
{
	make_client(7, REQUEST);
	options.quiet = false;
	pass_ticks(11);
	EXPECT_CALLS("");
	make_client(7, REQUEST);
	options.quiet = false;
	clients[0].buffered = 1;
	pass_ticks(11);
	EXPECT_CALLS(LOG "who Request refused: 408 Request Timeout (the "
			 "request is not complete)\n");
	EXPECT_IN(reply_text(), "\r\n\r\n408 Request Timeout (the request is "
				"not complete)\n");
	ck_assert_uint_eq(totals.refused[408 - 400], 2);
}
END_TEST

/* A message may take MESSAGE_TIMEOUT from its first byte on. */
START_TEST(times_message_from_its_first_byte)
{
	static const unsigned char hi[] = {0x81, 0x82, 0, 0, 0, 0, 'H', 'i'};
	struct client *c = make_member();

	receive_bytes(hi, 3);
	pass_ticks(20);
	receive_bytes(hi + 3, 5);
	receive_bytes(hi, 3); /* another message */
	pass_ticks(20);
	receive_bytes(hi + 3, 3);
	pass_ticks(10);
	ck_assert_int_eq(c->state, OPEN);
	pass_ticks(1);
	ck_assert_int_eq(c->state, CLOSING);
}
END_TEST

/* Which client is not read cannot be late: all in a congested room or when
   memory is short, and one in debt. */
START_TEST(extends_deadlines_while_not_reading)
{
	struct client *c = make_member();

	entry_take(1, 8, REQUEST);
	clients[1].ticks = REQUEST_TIMEOUT;
	loop.heartbeat_after = 1;
	c->silent = SILENT_MAX;
	c->ticks = MESSAGE_TIMEOUT;
	c->ws.message_opcode = WS_TEXT;
	room.congested = _i == 0;
	loop.shortage = _i == 1 ? OF_MEMORY : OF_DESCRIPTORS;
	c->credit = _i == 2 ? -1 : 0;
	pass_ticks(1);
	ck_assert_int_eq(c->state, _i < 3 ? OPEN : DEAD);
	ck_assert_int_eq(clients[1].state, _i < 2 ? REQUEST : REPLY);
	ck_assert_int_eq(loop.shortage, NO_SHORTAGE);
	ck_assert(_i == 3 || (c->silent == 0 && c->ticks == 1));
	ck_assert(_i >= 2 || clients[1].ticks == 0);
}
END_TEST

/* Without kernel memory the server polls no socket, so that it cannot see that
   one has room again. */
START_TEST(shortage_of_memory_drops_no_blocked_client)
{
	struct client *c = make_member();

	options.heartbeat = 0;
	c->blocked = true;
	for (int i = 0; i < 30; i++) {
		loop.shortage = OF_MEMORY;
		pass_ticks(1);
	}
	ck_assert(c->state == OPEN && c->stuck == 0);
	pass_ticks(SEND_TIMEOUT + 1);
	ck_assert_int_eq(c->state, DEAD);
}
END_TEST

static void add_deadlines_tests(TCase *t)
{
	tcase_add_test(t, shortage_of_memory_drops_no_blocked_client);
	add_table_test(t, drops_client_one_tick_after_deadline, lates);
	tcase_add_test(t, logs_late_request_only_if_begun);
	tcase_add_test(t, times_message_from_its_first_byte);
	tcase_add_loop_test(t, extends_deadlines_while_not_reading, 0, 4);
}
