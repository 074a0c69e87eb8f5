/* SPDX-License-Identifier: MIT */
/* One client in the room: joining, credit, pings, notices, and closing. */

START_TEST(joins_at_start_of_history)
{
	static const unsigned char nothing[WS_BUFFER];
	struct client *c = &clients[0];

	clear_table();
	occupy(0, 7, REQUEST);
	head = 2000;
	slowest = 1500;
	past[0] = 1000;
	total.messages = 1;
	receive_bytes(handshake, strlen(handshake));
	ck_assert_int_eq(c->state, OPEN);
	ck_assert_uint_eq(c->cursor, 1000);
	ck_assert_uint_eq(slowest, 1000);
	ck_assert_int_eq(c->credit, 100);
	ck_assert_int_eq(people, 1);
	ck_assert_int_eq(people_peak, 1);
	ck_assert_uint_eq(total.in, strlen(handshake));
	ck_assert(c->owes_notice);
	/* a request that came whole is parsed where recv() put it */
	ck_assert_mem_eq(buffers[0], nothing, sizeof nothing);
	/* a client that starts later than others leaves the slowest as it is */
	slowest = 900;
	occupy(0, 7, REQUEST);
	receive_bytes(handshake, strlen(handshake));
	ck_assert_uint_eq(slowest, 900);
}
END_TEST

START_TEST(refuses_foreign_origin)
{
	static const char start[] = "GET / HTTP/1.1\r\nOrigin: http://";
	static const char end[] = "\r\n\r\n403 Forbidden\n";
	struct client *c = &clients[0];
	char request[600], want[300], who[201];

	memset(who, 'x', sizeof who - 1);
	who[sizeof who - 1] = '\0';
	snprintf(request, sizeof request, "%s%s\r\n%s", start, who,
		 strchr(handshake, '\n') + 1);
	clear_table();
	opt.quiet = false;
	occupy(0, 7, REQUEST);
	receive_bytes(request, strlen(request));
	ck_assert_int_eq(c->state, REPLY);
	ck_assert_uint_eq(c->until, c->filled);
	ck_assert_mem_eq(buffers[0] + c->filled - sizeof end + 1, end,
			 sizeof end - 1);
	snprintf(want, sizeof want,
		 "  Origin http://%.92s, Host a: see option -o\n", who);
	ck_assert_ptr_nonnull(strstr(trace, want));
}
END_TEST

START_TEST(charges_each_frame_to_credit)
{
	static const unsigned char pongs[] = {0x8a, 0x80, 0, 0, 0, 0,
					      0x8a, 0x80, 0, 0, 0, 0};
	struct client *c = make_member();

	for (opt.rate = 0; opt.rate < 3; opt.rate++) {
		c->credit = 1;
		receive_bytes(pongs, sizeof pongs);
		ck_assert_int_eq(c->credit, opt.rate == 0 ? 1 : -1);
		ck_assert_int_eq(interest(c), opt.rate == 0 ? POLLIN : 0);
	}
	opt.rate = 20;
	now = 103;
	tick();
	ck_assert_int_eq(c->credit, -1 + 3 * 20);
	c->heard = now = 1000;
	tick();
	ck_assert_int_eq(c->credit, 100);
}
END_TEST

START_TEST(sends_pings_and_notices)
{
	static const unsigned char want[] = "\x89\0\x81\x0c{\"online\":1}";
	struct client *c = make_member();

	announced = 1;
	c->heard = now = 125;
	tick();
	flush(0);
	ck_assert_mem_eq(outgoing, want, sizeof want - 1);
	/* and again only after a change, or at the next heartbeat */
	now = 126;
	tick();
	ck_assert(!c->owes_ping && !c->owes_notice);
	people = 2;
	now = 127;
	tick();
	ck_assert(!c->owes_ping && c->owes_notice);
	c->owes_notice = false;
	now = 128;
	tick();
	ck_assert(!c->owes_notice);
}
END_TEST

START_TEST(sends_no_notice_as_bare_relay)
{
	for (int i = 0; i < 4; i++) {
		opt.history = i & 1;
		opt.heartbeat = i & 2;
		ck_assert(gives_notice() == (i > 0));
	}
}
END_TEST

/* However full the outbox is, a Close fits; and a pong that fits is not sent
   before the end of the pass. */
START_TEST(keeps_outbox_room_for_close)
{
	struct client *c = make_member();

	head = 10;
	ck_assert(put(0, WS_PONG, buffers[1], 125));
	EXPECT_CALLS("");
	while (add(c, WS_PONG, "", 0))
		;
	ck_assert_int_eq(c->outbox_size, OUTBOX - CLOSE_FRAME - 1);
	c->outbox_size++;
	ck_assert(add(c, WS_CLOSE, "\x03\xe8", 2));
	ck_assert_int_eq(c->outbox_size, OUTBOX);
}
END_TEST

START_TEST(takes_any_answer_to_its_close)
{
	static const unsigned char close[] = {0x88, 0x80, 0, 0, 0, 0};
	struct client *c = make_member();

	say_goodbye();
	ck_assert_int_eq(c->state, CLOSING);
	ck_assert(!c->closed);
	flush(0);
	ck_assert_mem_eq(outgoing, "\x88\x02\x03\xe9", 4);
	receive_bytes(close, sizeof close);
	ck_assert(c->closed);
	/* an illegal frame is an answer as well */
	c = make_member();
	say_goodbye();
	receive_bytes("\xff", 1);
	ck_assert(c->closed);
	ck_assert_uint_eq(total.dropped[PROTOCOL], 0);
}
END_TEST

START_TEST(sends_nothing_after_close)
{
	const unsigned char *data;
	struct client *c = make_member();

	head = 10;
	add(c, WS_CLOSE, "\x03\xe8", 2);
	c->until = c->cursor;
	c->outbox_sent = 1;
	c->state = CLOSING;
	c->owes_ping = c->owes_notice = true;
	ck_assert_uint_eq(rest(0, &data), 3);
	flush(0);
	EXPECT_CALLS("send 7 3\n");
	ck_assert_uint_eq(rest(0, &data), 0);
	ck_assert_uint_eq(c->cursor, 0);
}
END_TEST

static void add_member_tests(TCase *t)
{
	tcase_add_test(t, joins_at_start_of_history);
	tcase_add_test(t, refuses_foreign_origin);
	tcase_add_test(t, charges_each_frame_to_credit);
	tcase_add_test(t, sends_pings_and_notices);
	tcase_add_test(t, sends_no_notice_as_bare_relay);
	tcase_add_test(t, keeps_outbox_room_for_close);
	tcase_add_test(t, takes_any_answer_to_its_close);
	tcase_add_test(t, sends_nothing_after_close);
}
