/* SPDX-License-Identifier: MIT */
/* Pings and notices: when, to whom, and that only the server says them. */

START_TEST(sends_pings_and_notices)
{
	static const unsigned char want[] =
		"\x89\0\x81\x39" NOTICE("1", "0", "25");
	struct client *c = make_member();

	pass_ticks(24);
	ck_assert(!c->ping_due && !c->notice_due);
	pass_ticks(1);
	flush(0);
	ck_assert_mem_eq(outgoing, want, sizeof want - 1);
	/* and again only after a change, or at the next heartbeat */
	room.members = 2;
	pass_ticks(1);
	ck_assert(!c->ping_due && c->notice_due);
	pass_ticks(1);
	ck_assert(c->notice_due);
	flush(0);
	ck_assert(!c->notice_due && c->told == 2);
	pass_ticks(22);
	ck_assert(!c->notice_due && c->silent == 1);
	pass_ticks(2);
	ck_assert(c->ping_due && c->notice_due && c->silent == 2);
	receive_bytes("\x8a", 1);
	ck_assert_uint_eq(c->silent, 0);
}
END_TEST

/* After the response to its handshake; and then one for each change. */
START_TEST(sends_newcomer_one_notice)
{
	struct client *c = make_client(7, REQUEST);

	loop.heartbeat_after = 100;
	receive_bytes(handshake, strlen(handshake));
	ck_assert(needs_tick(c));
	if (_i > 0)
		room.members = 2; /* another came in the same pass */
	write_to(0);
	EXPECT_CALLS("recv 7\nsend 7 129\nsend 7 59\n");
	ck_assert_mem_eq(
		outgoing + 2,
		_i == 0 ? NOTICE("1", "0", "25") : NOTICE("2", "0", "25"), 57);
	ck_assert(!needs_tick(c));
	pass_ticks(24);
	write_to(0);
	EXPECT_CALLS("");
	room.members = 3;
	ck_assert(needs_tick(c));
	c->blocked = true;
	pass_ticks(1);
	write_to(0);
	room.members = 4; /* before it could be sent */
	pass_ticks(1);
	c->blocked = false;
	write_to(0);
	write_to(0);
	pass_ticks(1);
	write_to(0);
	EXPECT_CALLS("send 7 59\n");
	ck_assert_mem_eq(outgoing + 2, NOTICE("4", "0", "25"), 57);
}
END_TEST

/* A notice is put at the head of the ring, and counts the messages before it.
   While a pong waits for an older place, the notice waits, too. */
START_TEST(notice_counts_messages_before_it)
{
	static const unsigned char hi[] = "Hi";
	const struct ws_frame f = {WS_TEXT, hi, 0, 2};
	struct client *c = make_member();

	broadcast(&f);
	if (_i == 1) /* its place is between the two */
		queue_frame(0, WS_PONG, hi, 0, 0);
	broadcast(&f);
	c->notice_due = true;
	queue_due_frames(c);
	broadcast(&f);
	c->told = 0;
	ck_assert(c->notice_due == (_i == 1));
	flush(0);
	EXPECT_CALLS(_i == 0 ? "send 7 8\nsend 7 59\nsend 7 4\n"
			     : "send 7 4\nsend 7 2\nsend 7 8\nsend 7 59\n");
	if (_i == 1)
		ck_assert_mem_eq(outgoing + 2, NOTICE("1", "3", "25"), 57);
	ck_assert_uint_eq(c->told, _i);
}
END_TEST

/* The longest notice fits into its text. */
START_TEST(notice_of_greatest_numbers_is_whole)
{
	struct client *c = make_member();

	room.members = 1000000;
	ring.next = ring.store->since = UINT64_MAX;
	options.heartbeat = 86400;
	c->notice_due = c->ping_due = true;
	flush(0);
	ck_assert_int_eq(outgoing[1], 0);
	outgoing[4 + outgoing[3]] = '\0';
	ck_assert_str_eq((char *)outgoing + 4,
			 "{\"online\":1000000,\"said\":18446744073709551615,"
			 "\"since\":18446744073709551615,\"heartbeat\":86400,"
			 "\"max\":4096}");
}
END_TEST

START_TEST(sends_both_each_second_with_heartbeat_1)
{
	struct client *c = make_member();

	options.heartbeat = 1;
	loop.heartbeat_after = 1;
	for (int i = 0; i < 3; i++) {
		c->ping_due = c->notice_due = false;
		c->silent = 0;
		pass_ticks(1);
		ck_assert(c->ping_due && c->notice_due && c->silent == 1);
		ck_assert_uint_eq(loop.heartbeat_after, 1);
	}
}
END_TEST

START_TEST(sends_no_notice_as_bare_relay)
{
	struct client *c;

	for (int i = 0; i < 4; i++) {
		c = make_member();
		options.history = i & 1;
		options.heartbeat = i / 2;
		room.members = 2;
		pass_ticks(1);
		ck_assert(c->notice_due == (i > 0));
	}
}
END_TEST

/* A message as one frame or in two parts, its opcode, and whether it is taken
   for a notice. */
static const struct {
	int opcode;
	size_t cut;
	const char *text;
	bool forged;
} forgeries[] = {
	{WS_TEXT, 0, "{\"online\":9,\"said\":0}", true},
	{WS_TEXT, 0, "{\"online\":", true},
	{WS_BINARY, 0, "{\"online\":", true},
	{WS_TEXT, 4, "{\"online\":9}", true},
	{WS_TEXT, 0, "{\"online\"", false},
	{WS_TEXT, 0, "{\"online\" :9}", false},
	{WS_TEXT, 0, "{\"online\";", false},
	{WS_TEXT, 0, " {\"online\":9}", false},
	{WS_TEXT, 0, "{\"Online\":9}", false},
	{WS_TEXT, 0, "", false},
};

/* Adds a masked frame to what is to come. */
static void queue_frame_of(int first, const char *text, size_t from, size_t to)
{
	unsigned char *out = incoming + incoming_len;

	memset(out, 0, 6);
	out[0] = (unsigned char)first;
	out[1] = (unsigned char)(0x80 | (to - from));
	memcpy(out + 6, text + from, to - from);
	incoming_len += 6 + to - from;
}

START_TEST(closes_on_message_like_a_notice)
{
	const char *text = forgeries[_i].text;
	size_t cut = forgeries[_i].cut, len = strlen(text);
	int opcode = forgeries[_i].opcode;

	for (int sends = 0; sends < 5; sends++) {
		struct client *c = make_member();
		bool forged = forgeries[_i].forged && sends > 0;

		options.history = sends & 1;
		options.heartbeat = sends & 2;
		options.file = sends == 4 ? "file" : NULL; /* for later */
		totals.messages = totals.ended[FORGED] = ring.head = 0;
		if (cut > 0)
			queue_frame_of(opcode, text, 0, cut);
		queue_frame_of(cut > 0 ? 0x80 : 0x80 | opcode, text, cut, len);
		queue_frame_of(0x89, "", 0, 0);
		receive(0);
		ck_assert_int_eq(c->state, forged ? CLOSING : OPEN);
		ck_assert_uint_eq(totals.ended[FORGED], forged);
		ck_assert_uint_eq(totals.messages, !forged);
		ck_assert_uint_eq(ring.head, forged ? 0 : 2 + len);
		/* nothing that follows is read, such as this ping */
		if (forged)
			ck_assert_mem_eq(c->outbox, "\x88\x02\x03\xf0", 4);
		else
			ck_assert_uint_eq(ring.store->bytes[1], len);
		ck_assert_int_eq(c->outbox_len, forged ? 4 : 2);
	}
}
END_TEST

/* The bytes after it are of an older message. */
START_TEST(takes_no_shorter_message_for_a_notice)
{
	make_member();
	memset(received, ':', sizeof received);
	queue_frame_of(0x81, "{\"online\"", 0, 9);
	receive(0);
	ck_assert_uint_eq(totals.messages, 1);
}
END_TEST

static void add_notices_tests(TCase *t)
{
	tcase_add_test(t, sends_pings_and_notices);
	tcase_add_loop_test(t, sends_newcomer_one_notice, 0, 2);
	tcase_add_loop_test(t, notice_counts_messages_before_it, 0, 2);
	tcase_add_test(t, notice_of_greatest_numbers_is_whole);
	tcase_add_test(t, sends_both_each_second_with_heartbeat_1);
	tcase_add_test(t, sends_no_notice_as_bare_relay);
	add_table_test(t, closes_on_message_like_a_notice, forgeries);
	tcase_add_test(t, takes_no_shorter_message_for_a_notice);
}
