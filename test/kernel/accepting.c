/* SPDX-License-Identifier: MIT */
/* Accepting connections, and the table that they are put in. */

/* How descriptors 5 and 6 are set up. */
#define WELCOME_5 "nonblocking 5\nnodelay 5 1\nunsent 5 16384\nrecv 5\n"
#define WELCOME_6 "nonblocking 6\nnodelay 6 1\nunsent 6 16384\nrecv 6\n"

START_TEST(accepts_until_backlog_is_empty)
{
	struct address a;

	make_client(3, LISTENING);
	clock_now.tv_sec = 8;
	set_address(&outward_address, AF_INET, "192.0.2.99", 4321);
	a = to_address(&outward_address);
	queue_answer("accept", -1, EINTR);
	queue_answer("accept", 5, 0);
	queue_answer("accept", -1, ECONNABORTED);
	queue_answer("accept", 8, 0);
	queue_answer("fcntl", -1, EPERM); /* it stays blocking */
	queue_answer("accept", 6, 0);
	accept_batch(0);
	EXPECT_CALLS("accept 3\naccept 3\n" WELCOME_5
		     "accept 3\naccept 3\nnonblocking 8\nclose 8\n"
		     "accept 3\n" WELCOME_6 "accept 3\n");
	ck_assert_int_eq(loop.shortage, NO_SHORTAGE);
	ck_assert(table[1].fd == 5 && table[2].fd == 6);
	ck_assert_int_eq(clients[2].state, REQUEST);
	ck_assert_mem_eq(clients[2].address.ip, a.ip, sizeof a.ip);
	ck_assert_uint_eq(clients[2].address.port, 4321);
	ck_assert_uint_eq(clients[2].since, 8000);
}
END_TEST

/* As on a unix-domain socket: the kernel has no limit for what waits unsent. */
START_TEST(limits_send_buffer_instead_of_unsent_bytes)
{
	clear_table();
	queue_answer("setsockopt", 0, 0);
	queue_answer("setsockopt", -1, EOPNOTSUPP);
	welcome(0, 5, &outward_address);
	EXPECT_CALLS("nonblocking 5\nnodelay 5 1\nunsent 5 16384\n"
		     "send 5 16384\nrecv 5\n");
}
END_TEST

/* One line of the log for each tick; members are still polled, unless memory
   is short as well.  It is no error that no connection waits. */
START_TEST(accepts_again_after_next_tick)
{
	char want[200] = "accept 3\n";

	make_client(3, LISTENING);
	entry_take(1, 7, OPEN);
	clients[1].credit = CREDIT;
	options.quiet = false;
	loop.shortage = _i == 2 ? OF_MEMORY : NO_SHORTAGE;
	queue_answer("accept", -1, _i == 0 ? EWOULDBLOCK : EMFILE);
	accept_batch(0);
	if (_i > 0)
		sprintf(want + 9,
			LOG "local Cannot accept: %s; trying again in 1 s\n",
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
		entry_take(entry_find_free(), 10 + i, OPEN);
	entry_free(4);
	entry_free(2);
	ck_assert_int_eq(loop.used, 6);
	ck_assert_int_eq(entry_find_free(), 2);
	entry_take(2, 12, OPEN);
	ck_assert_int_eq(entry_find_free(), 4);
	entry_free(5);
	ck_assert(loop.used == 4 && table[5].fd == -1);
	EXPECT_CALLS("close 14\nclose 12\nclose 15\n");
	loop.slots = 4;
	ck_assert_int_eq(entry_find_free(), -1);
}
END_TEST

/* ---- The full table ---- */

/* Fills a table from words: the letter of a state, an address (a to k are
   192.0.2.97 to 107; l is of this machine), and for how many ms it has been in
   that state. */
static void fill_table(const char *words)
{
	static const char letters[] = ".LQPOCDX"; /* as enum state has them */
	const uint64_t now = 5000;
	int i = 0, end = 0, ms;
	char state, address;

	clear_table();
	clock_now.tv_sec = 5;
	for (; sscanf(words, "%c%c%d %n", &state, &address, &ms, &end) == 3;
	     words += end, i++) {
		struct client *c = &clients[i];

		entry_take(i, 10 + i,
			   (enum state)(strchr(letters, state) - letters));
		c->address = (struct address){{[10] = 0xff, [11] = 0xff}, 1};
		c->address.ip[12] = address == 'l' ? 127 : 192;
		c->address.ip[15] = (unsigned char)address;
		c->since = now - (uint64_t)ms;
	}
	loop.slots = loop.used;
	loop.last_tick = now;
}

/* A table; -c and -x; which entry makes room for a newcomer, or -1. */
static const struct {
	const char *table;
	int address_max, proxied, victim;
} crowds[] = {
	/* the request that waits longest, for 100 ms at least */
	{"Oa900 Qb200 Qc100", 1, 0, 1},
	{"Qa200 Qb201 Qc100", 1, 0, 1},
	{"Qc200 Qa300 Qb400 Qd100", 1, 0, 2},
	{"Qa200 Qb200 Qc200", 1, 0, 0},
	{"Oa900 Qb99 Qc100", 1, 0, 2},
	{"Oa900 Qb100 Qc99", 1, 0, 1},
	{"Oa900 Qb99 Qc99", 1, 0, -1},
	{"Pa4000 Qb100 Qc0", 1, 0, 1},
	/* or the response that does, for 1000 ms at least */
	{"Oa4000 Pb1000 Qc99", 1, 0, 1},
	{"Oa4000 Pb999 Qc99", 1, 0, -1},
	{"Pa2000 Pb2001 Qc0", 1, 0, 1},
	{"Pa999 Pb1000 Pc1001 Qd0", 1, 0, 2},
	/* but no other */
	{"La4000 Ob4000 Cc4000 Dd4000 De4000", 1, 0, -1},
	{"Xa4000 Ob4000", 1, 0, -1},
	/* of an address that has more than half of those outside the room,
	   its oldest one, after as long */
	{"Qa900 Qb100 Qb99", 1, 0, 1},
	{"Qa900 Qb100 Qb101", 1, 0, 2},
	{"Qa900 Qb99 Qb99", 1, 0, 0},
	{"Qa800 Qa900 Qb200 Qb200", 1, 0, 1},
	{"Qa900 Ob900 Cb900 Qb200", 1, 0, 0},
	{"Oa900 Qb100", 1, 0, 1},
	{"Qa900 Db1000 Qb200", 1, 0, 1},
	{"Qa900 Db999 Qb100", 1, 0, 2},
	{"Qa900 Pb1000 Qb200", 1, 0, 1},
	{"Qa900 Pb999 Qb100", 1, 0, 2},
	{"Qa900 Db999 Db999", 1, 0, 0},
	{"Db1000 Qa900 Db999 Db2000", 1, 0, 3},
	{"Qb100 Qb100 Qb300 Qa900 Qa900 Qc900", 1, 0, 3},
	/* unless -c does not limit it */
	{"Qa900 Qb200 Qb200", 0, 0, 0},
	{"Qa900 Ql200 Ql200", 1, 0, 0},
	/* or all come by way of a proxy */
	{"Qa900 Qb200 Qb200", 1, 1, 0},
};

START_TEST(makes_room_by_dropping_oldest)
{
	fill_table(crowds[_i].table);
	options.address_max = crowds[_i].address_max;
	options.proxied = crowds[_i].proxied;
	ck_assert_int_eq(find_victim(), crowds[_i].victim);
	ck_assert_int_eq(make_room(), crowds[_i].victim >= 0);
	if (crowds[_i].victim < 0) {
		EXPECT_CALLS("");
	} else {
		ck_assert_int_eq(table[crowds[_i].victim].fd, -1);
		ck_assert_uint_eq(totals.ended[CROWDED], 1);
		/* there is room now */
		clear_calls();
		ck_assert(make_room());
		EXPECT_CALLS("");
	}
}
END_TEST

START_TEST(makes_room_once_for_each_batch)
{
	fill_table("La0 Qb300 Qc200 Qd100");
	queue_answer("accept", 5, 0);
	queue_answer("accept", 6, 0);
	accept_batch(0);
	EXPECT_CALLS("linger 11 1 0\nclose 11\naccept 10\n" WELCOME_5);
	ck_assert(table[1].fd == 5 && table[2].fd == 12);
	ck_assert_int_eq(loop.shortage, NO_SHORTAGE);
}
END_TEST

/* A shortage that is worse stays. */
START_TEST(full_table_is_a_shortage_until_an_entry_is_free)
{
	for (int was = NO_SHORTAGE; was <= OF_MEMORY; was++) {
		int is = was == NO_SHORTAGE ? OF_ENTRIES : was;
		int then = is == OF_ENTRIES ? NO_SHORTAGE : is;

		fill_table("La0 Ob0 Oc0");
		loop.shortage = (unsigned char)was;
		accept_batch(0);
		ck_assert_int_eq(loop.shortage, is);
		ck_assert_int_eq(poll_events(&clients[0]), 0);
		entry_free(2);
		ck_assert_int_eq(loop.shortage, then);
		loop.shortage = (unsigned char)is;
		tick();
		ck_assert_int_eq(loop.shortage, NO_SHORTAGE);
		ck_assert_int_eq(poll_events(&clients[0]), POLLIN);
	}
	EXPECT_CALLS("close 12\nclose 12\nclose 12\nclose 12\n");
}
END_TEST

/* 100 ms after it was found full, whatever other listeners and passes find in
   the meantime. */
START_TEST(looks_at_full_table_again_after_100_ms)
{
	fill_table("La0 La0 Ob0");
	accept_batch(0);
	ck_assert_uint_eq(loop.full_at, 5000);
	pass_ms(1);
	accept_batch(1); /* in the same pass, of another listener */
	ck_assert_uint_eq(loop.full_at, 5000);
	pass_ms(98);
	queue_answer("poll", -1, EINTR);
	run_once();
	ck_assert_int_eq(loop.shortage, OF_ENTRIES);
	pass_ms(1);
	queue_answer("poll", -1, EINTR);
	run_once();
	ck_assert_int_eq(loop.shortage, NO_SHORTAGE);
	/* another shortage lasts until the tick */
	loop.shortage = OF_DESCRIPTORS;
	queue_answer("poll", -1, EINTR);
	run_once();
	ck_assert_int_eq(loop.shortage, OF_DESCRIPTORS);
	EXPECT_CALLS("poll 3 100\npoll 3 100\npoll 3 900\n");
}
END_TEST

/* Members are still read, and it accepts again in 100 ms, when a request has
   used up its time.  An entry that is freed in a pass opens the listener, which
   comes before it, in the same pass. */
START_TEST(full_table_stops_accepting_only)
{
	fill_table("La0 Ob0 Oc0");
	clients[1].credit = clients[2].credit = CREDIT;
	options.heartbeat = options.history = 0;
	accept_batch(0);
	run_once();
	EXPECT_CALLS("poll 3 100\n");
	ck_assert(table[0].events == 0 && table[1].events == POLLIN);
	ck_assert_int_eq(loop.shortage, NO_SHORTAGE);
	accept_batch(0);
	set_state(1, DEAD);
	run_once();
	EXPECT_CALLS("close 11\npoll 3 900\n");
	ck_assert(table[0].events == POLLIN && table[2].events == POLLIN);
}
END_TEST

/* Listeners come first in the table, but are handled when those who leave in
   the same pass have left: none is dropped for the newcomer. */
START_TEST(accepts_after_reading_the_others)
{
	fill_table("La0 La0 Qb0 Dc0 Qd0");
	loop.tick_after = 1;
	for (int i = 0; i < 4; i++)
		table[i].revents = i == 0 ? 0 : POLLIN;
	queue_answer("poll", 3, 0);
	queue_answer("recv", -1, EAGAIN);
	queue_answer("recv", 0, 0);
	queue_answer("accept", 5, 0);
	run_once();
	EXPECT_CALLS("poll 5 1000\nrecv 12\nrecv 13\nclose 13\n"
		     "accept 11\n" WELCOME_5);
	ck_assert_int_eq(table[3].fd, 5);
}
END_TEST

static void add_accepting_tests(TCase *t)
{
	tcase_add_test(t, accepts_until_backlog_is_empty);
	tcase_add_test(t, limits_send_buffer_instead_of_unsent_bytes);
	tcase_add_loop_test(t, accepts_again_after_next_tick, 0, 3);
	tcase_add_test(t, accepts_more_per_pass_in_larger_room);
	tcase_add_test(t, reuses_first_free_entry);
	add_table_test(t, makes_room_by_dropping_oldest, crowds);
	tcase_add_test(t, makes_room_once_for_each_batch);
	tcase_add_test(t, full_table_is_a_shortage_until_an_entry_is_free);
	tcase_add_test(t, looks_at_full_table_again_after_100_ms);
	tcase_add_test(t, full_table_stops_accepting_only);
	tcase_add_test(t, accepts_after_reading_the_others);
}
