/* SPDX-License-Identifier: MIT */
/* Receiving and sending: errors, full sockets, and half-closing. */

/* An error; whether the client stays; whether the kernel lacks memory. */
static const struct {
	int error;
	bool stays;
	enum shortage shortage;
} errors[] = {
	{EAGAIN, true, NO_SHORTAGE},     {EWOULDBLOCK, true, NO_SHORTAGE},
	{EINTR, true, NO_SHORTAGE},      {ENOBUFS, true, OF_MEMORY},
	{ENOMEM, true, OF_MEMORY},       {ECONNRESET, false, NO_SHORTAGE},
	{ETIMEDOUT, false, NO_SHORTAGE}, {EPIPE, false, NO_SHORTAGE},
};

START_TEST(keeps_client_after_temporary_error)
{
	bool stays = errors[_i].stays, again = errors[_i].error == EINTR;
	enum shortage shortage = errors[_i].shortage;
	struct client *c = make_member();

	queue_answer("recv", -1, errors[_i].error);
	receive(0);
	ck_assert_int_eq(c->state, stays ? OPEN : DEAD);
	ck_assert_int_eq(loop.shortage, shortage);
	EXPECT_CALLS(stays ? "recv 7\n" : "recv 7\nlinger 7 1 0\n");
	ck_assert_uint_eq(totals.bytes_in, 0);
	loop.shortage = NO_SHORTAGE;
	make_member();
	ring.head = 10;
	queue_answer("send", -1, errors[_i].error);
	flush(0);
	ck_assert_int_eq(c->state, stays ? OPEN : DEAD);
	ck_assert_int_eq(loop.shortage, shortage);
	/* a full socket is waited for, an interrupted call made again */
	ck_assert(c->blocked == (stays && !again));
	EXPECT_CALLS(!stays  ? "send 7 10\nlinger 7 1 0\n"
		     : again ? "send 7 10\nsend 7 10\n"
			     : "send 7 10\n");
	ck_assert_uint_eq(c->cursor, again ? 10 : 0);
	/* without memory, no socket is tried before the next tick */
	ck_assert(shortage == NO_SHORTAGE || poll_events(c) == 0);
	tick();
	ck_assert(shortage == NO_SHORTAGE ||
		  poll_events(c) == (POLLIN | POLLOUT));
}
END_TEST

/* A send() of nothing is no error, but tried again only after POLLOUT. */
START_TEST(sends_rest_when_socket_has_room)
{
	static const int after[] = {EAGAIN, EINTR, EPIPE};
	struct client *c = make_member();

	ring.head = 10;
	queue_answer("send", 9, 0);
	queue_answer("send", _i == 0 ? -1 : 0, after[_i]);
	flush(0);
	EXPECT_CALLS("send 7 10\nsend 7 1\n");
	ck_assert(c->blocked);
	flush(0);
	EXPECT_CALLS("");
	table[0].events = POLLIN | POLLOUT;
	table[0].revents = POLLIN;
	handle_events(0);
	EXPECT_CALLS("recv 7\n");
	ck_assert(c->blocked);
	table[0].revents = POLLOUT;
	c->stuck = 7;
	handle_events(0);
	EXPECT_CALLS("");
	ck_assert_uint_eq(c->stuck, 7);
	flush(0);
	EXPECT_CALLS("send 7 1\n");
	ck_assert(c->stuck == 0 && c->cursor == 10);
	ck_assert_uint_eq(totals.bytes_out, 10);
}
END_TEST

/* poll() reports these although they were not asked for. */
START_TEST(drops_client_that_hangs_up)
{
	static const short signs[] = {POLLERR, POLLHUP, POLLNVAL};
	struct client *c = make_member();

	table[0].events = 0;
	table[0].revents = signs[_i];
	handle_events(0);
	ck_assert(c->state == FREE && totals.ended[LOST] == 1);
	EXPECT_CALLS("linger 7 1 0\nclose 7\n");
	/* a client that is being read is judged by recv() instead */
	c = make_member();
	table[0].events = POLLIN;
	table[0].revents = signs[_i];
	handle_events(0);
	EXPECT_CALLS("recv 7\n");
	ck_assert_int_eq(c->state, OPEN);
	/* it is no loss before a request or after all was sent */
	for (enum state state = REQUEST; state < DEAD; state++) {
		c = make_client(7, state);
		c->credit = 1;
		queue_answer("recv", 0, 0);
		receive(0);
		ck_assert(c->state == DEAD);
		ck_assert(totals.ended[LOST] == (state < OPEN ? 1 : 2));
	}
	c = make_client(7, REQUEST);
	c->buffered = 1;
	peer_gone(0);
	ck_assert_uint_eq(totals.ended[LOST], 3);
}
END_TEST

/* The send() of an answer fails: a pong from a full outbox, or a Close from one
   that is due before the head.  Each counts as one lost client. */
START_TEST(counts_client_lost_during_answer_once)
{
	static const char ping[] = "\x89\x80\0\0\0\0\x89", bad[] = "\xff";
	struct client *c = make_member();

	ring.head = ring.slowest = 1000;
	c->cursor = c->outbox_at = _i == 0 ? ring.head : 0;
	c->outbox_len = _i == 0 ? PRIVATE_MAX : 2;
	queue_answer("send", -1, EPIPE);
	receive_bytes(_i == 0 ? ping : bad, _i == 0 ? 7 : 1);
	ck_assert(c->state == DEAD && room.members == 0);
	for (int why = 0; why < REASONS; why++)
		ck_assert_uint_eq(totals.ended[why], why == LOST);
}
END_TEST

START_TEST(resumes_page_and_half_closes_after_it)
{
	const struct http_request r = {0}, head_only = {.head_only = true};
	struct client *c = make_client(7, REQUEST);
	char want[100];
	int head;

	reply_page(0, &head_only);
	ck_assert_uint_eq(totals.page_loads, 0);
	reply_page(0, &r);
	ck_assert_uint_eq(totals.page_loads, 1);
	head = (int)c->reply_len;
	queue_answer("send", head - 1, 0);
	queue_answer("send", 1, 0);
	queue_answer("send", 10, 0);
	queue_answer("send", -1, EAGAIN);
	write_to(0);
	ck_assert(c->state == REPLY && c->blocked);
	ck_assert_mem_eq(outgoing, page + 10, sizeof outgoing);
	c->blocked = false;
	c->ticks = 9;
	write_to(0);
	sprintf(want,
		"send 7 %d\nsend 7 1\nsend 7 %d\nsend 7 %d\nsend 7 %d\n"
		"shutdown 7\n",
		head, (int)sizeof page, (int)sizeof page - 10,
		(int)sizeof page - 10);
	EXPECT_CALLS(want);
	ck_assert(c->state == DRAIN && c->ticks == 0);
	ck_assert_uint_eq(totals.bytes_out, (size_t)head + sizeof page);
}
END_TEST

/* A client that ends its side while its socket is full is still sent the
   messages before its Close, and our Close. */
START_TEST(sends_close_after_peer_has_ended)
{
	struct client *c = make_member();

	ring.head = 10;
	c->blocked = true;
	receive_bytes("\x88\x80\0\0\0\0", 6);
	write_to(0);
	ck_assert(c->state == CLOSING && c->ignore_input);
	c->ignore_input = false; /* as if our Close had been the first */
	ck_assert_int_eq(poll_events(c), POLLIN | POLLOUT);
	queue_answer("recv", 0, 0);
	receive(0);
	ck_assert(c->state == CLOSING && c->ignore_input);
	ck_assert_int_eq(poll_events(c), POLLOUT);
	clear_calls();
	c->blocked = false;
	write_to(0);
	EXPECT_CALLS("send 7 10\nsend 7 2\nshutdown 7\n");
	ck_assert_int_eq(c->state, DRAIN);
	ck_assert_int_eq(poll_events(c), POLLIN);
	receive_bytes("what it still sends", 19);
	ck_assert_int_eq(c->state, DRAIN);
	queue_answer("recv", 0, 0);
	receive(0);
	ck_assert(c->state == DEAD && totals.ended[LOST] == 0);
}
END_TEST

static void add_transfer_tests(TCase *t)
{
	tcase_add_test(t, sends_close_after_peer_has_ended);
	add_table_test(t, keeps_client_after_temporary_error, errors);
	tcase_add_loop_test(t, sends_rest_when_socket_has_room, 0, 3);
	tcase_add_loop_test(t, drops_client_that_hangs_up, 0, 3);
	tcase_add_loop_test(t, counts_client_lost_during_answer_once, 0, 2);
	tcase_add_test(t, resumes_page_and_half_closes_after_it);
}
