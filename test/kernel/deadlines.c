/* SPDX-License-Identifier: MIT */
/* Deadlines: a client stays up to their last tick, and goes at the next. */

/* A kind of client, and the ticks after which it is late. */
static const struct {
	const char *what;
	enum state state;
	bool blocked, message;
	unsigned ticks;
	enum reason why;
	enum state then;
} lates[] = {
	{"silent", OPEN, false, false, 74, SILENT, DEAD},
	{"stuck", OPEN, true, false, 20, STUCK, DEAD},
	{"message", OPEN, false, true, 30, UNFINISHED, CLOSING},
	{"request", REQUEST, false, false, 10, REASONS, REPLY},
	{"reply", REPLY, false, false, 10, LATE, DEAD},
	{"unread reply", REPLY, true, false, 10, LATE, DEAD},
	{"close", CLOSING, false, false, 2, LATE, DEAD},
	{"unread close", CLOSING, true, false, 2, LATE, DEAD},
	{"drain", DRAIN, false, false, 10, LATE, DEAD},
};

START_TEST(drops_client_one_tick_after_deadline)
{
	struct client *c = make_member();
	bool reset = lates[_i].then == DEAD;

	if (lates[_i].why != SILENT)
		options.heartbeat = 0;
	c->state = (unsigned char)lates[_i].state;
	c->blocked = lates[_i].blocked;
	c->ws.message_opcode = lates[_i].message ? WS_TEXT : 0;
	pass_ticks(lates[_i].ticks);
	ck_assert_int_eq(c->state, lates[_i].state);
	EXPECT_CALLS("");
	pass_ticks(1);
	ck_assert_int_eq(c->state, lates[_i].then);
	EXPECT_CALLS(reset ? "linger 7 1 0\n" : "");
	for (int why = 0; why < REASONS; why++)
		MUST(totals.ended[why] == (why == (int)lates[_i].why), "%s: %s",
		     lates[_i].what, reasons[why].label);
}
END_TEST

/* A member that sends nothing, without a heartbeat, and a listener. */
START_TEST(has_no_deadline_for_quiet_member)
{
	make_client(3, LISTENING);
	entry_take(1, 7, OPEN);
	options.heartbeat = 0;
	pass_ticks(1000);
	ck_assert(clients[0].state == LISTENING && clients[1].state == OPEN);
	EXPECT_CALLS("");
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
	EXPECT_CALLS(LOG "local Request refused: 408 Request Timeout (the "
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
	c->credit = _i == 2 ? 0 : 1;
	if (_i == 4)
		options.rate = c->credit = 0; /* which is no debt */
	pass_ticks(1);
	ck_assert_int_eq(c->state, _i < 3 ? OPEN : DEAD);
	ck_assert_int_eq(clients[1].state, _i < 2 ? REQUEST : REPLY);
	ck_assert_int_eq(loop.shortage, NO_SHORTAGE);
	ck_assert(_i >= 3 || (c->silent == 0 && c->ticks == 1));
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
	tcase_add_test(t, has_no_deadline_for_quiet_member);
	tcase_add_test(t, logs_late_request_only_if_begun);
	tcase_add_test(t, times_message_from_its_first_byte);
	tcase_add_loop_test(t, extends_deadlines_while_not_reading, 0, 5);
}
