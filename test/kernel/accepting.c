/* SPDX-License-Identifier: MIT */
/* Accepting connections, and the table that they are put in. */

START_TEST(accepts_until_backlog_is_empty)
{
	make_client(3, LISTENING);
	set_address(&outward_address, AF_INET, "192.0.2.99", 4321);
	queue_answer("accept", -1, EINTR);
	queue_answer("accept", 5, 0);
	queue_answer("accept", -1, ECONNABORTED);
	queue_answer("accept", 8, 0);
	queue_answer("fcntl", -1, EPERM); /* it stays blocking */
	queue_answer("accept", 6, 0);
	accept_batch(0);
	EXPECT_CALLS(
		"accept 3\naccept 3\nnonblocking 5\nnodelay 5 1\nrecv 5\n"
		"accept 3\naccept 3\nnonblocking 8\nclose 8\n"
		"accept 3\nnonblocking 6\nnodelay 6 1\nrecv 6\naccept 3\n");
	ck_assert_int_eq(loop.shortage, NO_SHORTAGE);
	ck_assert(table[1].fd == 5 && table[2].fd == 6);
	ck_assert_int_eq(clients[2].state, REQUEST);
	ck_assert_str_eq(clients[2].peer, "192.0.2.99:4321");
}
END_TEST

/* One line of the log for each tick; members are still polled, unless memory
   is short as well.  It is no error that no connection waits. */
START_TEST(accepts_again_after_next_tick)
{
	char want[200] = "accept 3\n";

	make_client(3, LISTENING);
	entry_take(1, 7, OPEN);
	options.quiet = false;
	loop.shortage = _i == 2 ? OF_MEMORY : NO_SHORTAGE;
	queue_answer("accept", -1, _i == 0 ? EWOULDBLOCK : EMFILE);
	accept_batch(0);
	if (_i > 0)
		sprintf(want + 9,
			LOG "who Cannot accept: %s; trying again in 1 s\n",
			strerror(EMFILE));
	EXPECT_CALLS(want);
	run_once();
	EXPECT_CALLS(_i == 0 ? "poll 2 25000\n" : "poll 2 1000\n");
	ck_assert_int_eq(table[0].events, _i == 0 ? POLLIN : 0);
	ck_assert_int_eq(table[1].events, _i < 2 ? POLLIN : 0);
	run_once();
	ck_assert(table[0].events == POLLIN && table[1].events == POLLIN);
}
END_TEST

/* 64, and one more for every four entries in use. */
START_TEST(accepts_more_per_pass_in_larger_room)
{
	make_client(3, LISTENING);
	loop.used = 401;
	accept_error = EINTR;
	accept_batch(0);
	ck_assert_uint_eq(traced, strlen("accept 3\n") * (64 + 100));
}
END_TEST

START_TEST(reuses_first_free_entry)
{
	make_client(3, LISTENING);
	for (int i = 1; i < 6; i++)
		entry_take(entry_make_free(), 10 + i, OPEN);
	entry_free(4);
	entry_free(2);
	ck_assert_int_eq(loop.used, 6);
	ck_assert_int_eq(entry_make_free(), 2);
	entry_take(2, 12, OPEN);
	ck_assert_int_eq(entry_make_free(), 4);
	entry_free(5);
	ck_assert(loop.used == 4 && table[5].fd == -1);
	EXPECT_CALLS("close 14\nclose 12\nclose 15\n");
	/* in a full table, the longest waiting outside the room makes way */
	for (int i = 1; i < TABLE_SIZE; i++) {
		entry_take(i, 10, i == 9 || i == 11 ? REQUEST : OPEN);
		clients[i].ticks = i == 11 ? 4 : 5;
	}
	ck_assert_int_eq(entry_make_free(), 9);
	EXPECT_CALLS("linger 10 1 0\nclose 10\n");
}
END_TEST

static void add_accepting_tests(TCase *t)
{
	tcase_add_test(t, accepts_until_backlog_is_empty);
	tcase_add_loop_test(t, accepts_again_after_next_tick, 0, 3);
	tcase_add_test(t, accepts_more_per_pass_in_larger_room);
	tcase_add_test(t, reuses_first_free_entry);
}
