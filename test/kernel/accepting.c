/* SPDX-License-Identifier: MIT */
/* Accepting connections. */

START_TEST(accepts_until_backlog_is_empty)
{
	make_listener();
	queue_answer("accept", -1, EINTR);
	queue_answer("accept", 5, 0);
	queue_answer("accept", -1, ECONNABORTED);
	queue_answer("accept", 6, 0);
	accept_some(0);
	EXPECT_CALLS("accept 3\naccept 3\nnonblocking 5\nnodelay 5 1\nrecv 5\n"
		     "accept 3\naccept 3\nnonblocking 6\nnodelay 6 1\nrecv 6\n"
		     "accept 3\n");
	ck_assert(accepting);
	ck_assert_int_eq(table[1].fd, 5);
	ck_assert_int_eq(table[2].fd, 6);
	ck_assert_int_eq(clients[2].state, REQUEST);
	ck_assert_str_eq(clients[2].peer, "192.0.2.99:4321");
}
END_TEST

START_TEST(closes_socket_that_stays_blocking)
{
	make_listener();
	queue_answer("accept", 5, 0);
	queue_answer("fcntl", -1, EPERM);
	queue_answer("accept", 6, 0);
	accept_some(0);
	EXPECT_CALLS(
		"accept 3\nnonblocking 5\nclose 5\n"
		"accept 3\nnonblocking 6\nnodelay 6 1\nrecv 6\naccept 3\n");
	ck_assert_int_eq(table[1].fd, 6);
	ck_assert_int_eq(used, 2);
}
END_TEST

/* EMFILE and its like stop it until the next tick; an empty backlog does not.
 */
START_TEST(retries_accept_after_next_tick)
{
	make_listener();
	queue_answer("accept", -1, _i ? EMFILE : EWOULDBLOCK);
	accept_some(0);
	EXPECT_CALLS("accept 3\n");
	ck_assert(accepting == !_i);
	ck_assert_int_eq(interest(&clients[0]), _i ? 0 : POLLIN);
	now = 1;
	tick();
	ck_assert_int_eq(interest(&clients[0]), POLLIN);
	ck_assert_uint_eq(next_tick(), _i ? 2 : 25);
}
END_TEST

/* 64, and one more for every four entries in use. */
START_TEST(accepts_more_per_pass_in_larger_room)
{
	int calls = 0;

	make_listener();
	used = 401;
	accept_error = EINTR;
	accept_some(0);
	for (const char *at = trace; (at = strchr(at, '\n')) != NULL; at++)
		calls++;
	ck_assert_int_eq(calls, 64 + 100);
}
END_TEST

static void add_accepting_tests(TCase *t)
{
	tcase_add_test(t, accepts_until_backlog_is_empty);
	tcase_add_test(t, closes_socket_that_stays_blocking);
	tcase_add_loop_test(t, retries_accept_after_next_tick, 0, 2);
	tcase_add_test(t, accepts_more_per_pass_in_larger_room);
}
