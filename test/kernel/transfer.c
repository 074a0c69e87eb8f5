/* SPDX-License-Identifier: MIT */
/* Receiving and sending: errors, full sockets, and half-closing. */

/* An error; whether the client stays; whether the kernel lacks memory. */
static const struct {
	int error;
	bool stays, starves;
} errors[] = {
	{EAGAIN, true, false},     {EWOULDBLOCK, true, false},
	{EINTR, true, false},      {ENOBUFS, true, true},
	{ENOMEM, true, true},      {ECONNRESET, false, false},
	{ETIMEDOUT, false, false}, {EPIPE, false, false},
};

START_TEST(keeps_client_after_temporary_receive_error)
{
	struct client *c = make_member();

	queue_answer("recv", -1, errors[_i].error);
	receive(0);
	ck_assert_int_eq(c->state, errors[_i].stays ? OPEN : OVER);
	ck_assert(starving == errors[_i].starves);
	EXPECT_CALLS(errors[_i].stays ? "recv 7\n" : "recv 7\nlinger 7 1 0\n");
}
END_TEST

START_TEST(keeps_client_after_temporary_send_error)
{
	struct client *c = make_member();

	head = 10;
	news = false;
	calm = true;
	queue_answer("send", -1, errors[_i].error);
	flush(0);
	ck_assert_int_eq(c->state, errors[_i].stays ? OPEN : OVER);
	ck_assert(starving == errors[_i].starves);
	/* a full socket is waited for, an interrupted call made again */
	ck_assert(c->blocked ==
		  (errors[_i].stays && errors[_i].error != EINTR));
	EXPECT_CALLS(!errors[_i].stays           ? "send 7 10\nlinger 7 1 0\n"
		     : errors[_i].error == EINTR ? "send 7 10\nsend 7 10\n"
						 : "send 7 10\n");
	ck_assert_uint_eq(c->cursor, errors[_i].error == EINTR ? 10 : 0);
	/* without memory, no socket is tried before the next tick */
	ck_assert(news == errors[_i].starves);
	ck_assert(calm == !errors[_i].starves);
	if (errors[_i].starves) {
		ck_assert_int_eq(interest(c), 0);
		now += SEND_TIMEOUT;
		tick();
		ck_assert_int_eq(interest(c), POLLIN | POLLOUT);
		ck_assert_uint_eq(c->heard, now);
	}
}
END_TEST

START_TEST(sends_rest_when_socket_has_room)
{
	struct client *c = make_member();

	head = 10;
	queue_answer("send", 9, 0);
	queue_answer("send", -1, EAGAIN);
	flush(0);
	EXPECT_CALLS("send 7 10\nsend 7 1\n");
	ck_assert(c->blocked);
	flush(0);
	EXPECT_CALLS("");
	table[0].events = POLLIN | POLLOUT;
	table[0].revents = POLLOUT;
	serve(0);
	EXPECT_CALLS("");
	flush(0);
	EXPECT_CALLS("send 7 1\n");
	ck_assert_uint_eq(c->cursor, 10);
	ck_assert_uint_eq(total.out, 10);
}
END_TEST

START_TEST(waits_for_pollout_before_using_full_socket)
{
	struct client *c = make_member();

	c->blocked = true;
	table[0].events = POLLIN | POLLOUT;
	table[0].revents = POLLIN;
	serve(0);
	ck_assert(c->blocked);
	now = 107;
	c->blocked = false;
	head = 5;
	flush(0);
	ck_assert_uint_eq(c->moved, 107);
}
END_TEST

/* poll() reports these although they were not asked for. */
START_TEST(drops_client_that_hangs_up)
{
	static const short signs[] = {POLLERR, POLLHUP, POLLNVAL};
	struct client *c = make_member();

	table[0].events = 0;
	table[0].revents = signs[_i];
	serve(0);
	ck_assert_int_eq(c->state, OVER);
	ck_assert_uint_eq(total.dropped[LOST], 1);
	EXPECT_CALLS("linger 7 1 0\n");
	/* a client that is being read is judged by recv() instead */
	c = make_member();
	table[0].events = POLLIN;
	table[0].revents = signs[_i];
	serve(0);
	EXPECT_CALLS("recv 7\n");
	ck_assert_int_eq(c->state, OPEN);
}
END_TEST

/* The send() of an answer fails: a pong from a full outbox, or a Close from one
   that is due before the head.  Each counts as one lost client. */
START_TEST(counts_client_lost_during_answer_once)
{
	static const char ping[] = "\x89\x80\0\0\0\0", bad[] = "\xff";
	static const enum reason not_why[] = {FLOOD, PROTOCOL};

	for (int k = 0; k < 2; k++) {
		struct client *c = make_member();

		head = slowest = 1000;
		c->cursor = c->until = k == 0 ? head : 0;
		c->outbox_size = k == 0 ? OUTBOX - CLOSE_FRAME : 2;
		queue_answer("send", -1, EPIPE);
		receive_bytes(k == 0 ? ping : bad, k == 0 ? 6 : 1);
		ck_assert_int_eq(c->state, OVER);
		ck_assert_int_eq(total.dropped[LOST], k + 1);
		ck_assert_uint_eq(total.dropped[not_why[k]], 0);
		ck_assert_int_eq(people, 0);
	}
}
END_TEST

START_TEST(resumes_page_where_it_stopped)
{
	const unsigned char *data;
	struct client *c = make_member();

	c->state = REPLY;
	c->filled = 100;
	c->until = 100 + sizeof page;
	ck_assert_uint_eq(rest(0, &data), 100);
	ck_assert_ptr_eq(data, buffers[0]);
	c->cursor = 110;
	ck_assert_uint_eq(rest(0, &data), sizeof page - 10);
	ck_assert_ptr_eq(data, page + 10);
}
END_TEST

START_TEST(half_closes_after_reply)
{
	make_listener();
	occupy(1, 8, REPLY);
	clients[1].filled = 4;
	clients[1].until = 4;
	pass();
	EXPECT_CALLS("poll 2 0\nsend 8 4\nshutdown 8\n");
	ck_assert_int_eq(clients[1].state, DRAIN);
	ck_assert_uint_eq(clients[1].deadline, now + CLOSE_TIMEOUT);
	ck_assert_int_eq(table[1].events, POLLIN);
}
END_TEST

static void add_transfer_tests(TCase *t)
{
	add_table_test(t, keeps_client_after_temporary_receive_error, errors);
	add_table_test(t, keeps_client_after_temporary_send_error, errors);
	tcase_add_test(t, sends_rest_when_socket_has_room);
	tcase_add_test(t, waits_for_pollout_before_using_full_socket);
	tcase_add_loop_test(t, drops_client_that_hangs_up, 0, 3);
	tcase_add_test(t, counts_client_lost_during_answer_once);
	tcase_add_test(t, resumes_page_where_it_stopped);
	tcase_add_test(t, half_closes_after_reply);
}
