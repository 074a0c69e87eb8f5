/* SPDX-License-Identifier: MIT */
/* From the command line to the first pass, and the end. */

#define SIGNALS                                                               \
	"close 3\nignore PIPE\nignore TTOU\nhandle INT\nhandle TERM\nhandle " \
	"ALRM\n"
#define NULLS "open /dev/null\n"

START_TEST(parses_numbers_strictly)
{
	static const char *const bad[] = {"10",
					  "",
					  "-1",
					  "+1",
					  " 1",
					  "1x",
					  "x",
					  "99x",
					  "/",
					  ":",
					  "99999999999999999999999"};

	for (size_t i = 0; i < COUNT(bad); i++)
		MUST(number(bad[i], 9) == -1, "%s", bad[i]);
	ck_assert_int_eq(number(":", 99), -1);
	ck_assert_int_eq(number("0", 9), 0);
	ck_assert_int_eq(number("9", 9), 9);
	ck_assert_int_eq(number("2147483647", INT_MAX), INT_MAX);
	ck_assert_int_eq(number("2147483648", INT_MAX), -1);
}
END_TEST

START_TEST(accepts_largest_option_values)
{
	static char name[] = "chat", rate[] = "-l1000000", history[] = "-n1000",
		    heartbeat[] = "-t86400", port[] = "-p65535";
	static char *argv[] = {name, rate, history, heartbeat, port, NULL};

	read_options(5, argv);
	ck_assert_int_eq(opt.rate, 1000000);
	ck_assert_int_eq(opt.history, 1000);
	ck_assert_int_eq(opt.heartbeat, 86400);
	ck_assert_int_eq(opt.port, 65535);
}
END_TEST

START_TEST(help_shows_defaults_and_limits)
{
	static const char *const parts[] = {
		"usage: chat [-hqV] [-a address] [-l rate] [-n history] "
		"[-o host]... [-p port] [-t heartbeat]\n",
		"any (20)\n",
		"at most 1000 (100)\n",
		"any free one (8080)\n",
		"none (25)\n",
		"1024 people, 4096 bytes a message, 1048576 bytes of log.\n",
		"\nexit 0\n",
	};

	if (setjmp(exited) == 0)
		help();
	for (size_t i = 0; i < COUNT(parts); i++)
		ck_assert_ptr_nonnull(strstr(trace, parts[i]));
}
END_TEST

START_TEST(keeps_descriptors_0_to_2_taken)
{
	descriptors.rlim_cur = descriptors.rlim_max = TABLE + FILES;
	prepare();
	EXPECT_CALLS(NULLS SIGNALS);
	for (int fd = 0; fd < 3; fd++)
		queue_answer("open", fd, 0);
	prepare();
	EXPECT_CALLS(NULLS NULLS NULLS NULLS SIGNALS);
	queue_answer("open", -1, EMFILE);
	prepare();
	ck_assert_ptr_nonnull(strstr(trace, NULLS "close -1\nignore PIPE\n"));
}
END_TEST

/* The soft and the hard limit; the limit that it asks for; its room. */
static const struct {
	int soft, hard, asks, people;
	const char *says;
} limits[] = {
	{TABLE + FILES, TABLE + FILES + 9, 0, CLIENTS_MAX, ""},
	{100000, 100000, 0, CLIENTS_MAX, ""},
	{TABLE + FILES - 1, 100000, TABLE + FILES, CLIENTS_MAX, ""},
	{64, TABLE + FILES - 3, TABLE + FILES - 3, CLIENTS_MAX - 3,
	 "to 2: chat: ulimit -n leaves room for 1021\n"},
	{33, 33, 33, 1, "to 2: chat: ulimit -n leaves room for 1\n"},
	{32, 32, 32, 0, "to 2: chat: ulimit -n leaves room for 0\nexit 1\n"},
};

START_TEST(sizes_table_by_descriptor_limit)
{
	char want[200] = "";

	ck_assert_int_eq(CLIENTS_MAX, 1024);
	descriptors.rlim_cur = (rlim_t)limits[_i].soft;
	descriptors.rlim_max = (rlim_t)limits[_i].hard;
	if (setjmp(exited) == 0)
		size_table();
	if (limits[_i].asks > 0)
		sprintf(want, "descriptors %d\n", limits[_i].asks);
	strcat(want, limits[_i].says);
	EXPECT_CALLS(want);
	ck_assert_int_eq(people_max, limits[_i].people);
	ck_assert_int_eq(slots, people_max + LISTENERS_MAX + SPARE_SLOTS);
	if (people_max > 0) {
		ck_assert_int_eq(table[0].fd, -1);
		ck_assert_int_eq(table[TABLE - 1].fd, -1);
	}
}
END_TEST

START_TEST(exits_when_getrlimit_fails)
{
	queue_answer("getrlimit", -1, EPERM);
	if (setjmp(exited) == 0)
		size_table();
	EXPECT_CALLS(
		"to 2: chat: getrlimit: Operation not permitted\nexit 1\n");
}
END_TEST

START_TEST(exits_at_second_signal)
{
	on_signal(SIGALRM);
	EXPECT_CALLS("");
	ck_assert_int_eq(stopping, 0);
	on_signal(SIGTERM);
	EXPECT_CALLS("alarm 1\n");
	ck_assert_int_eq(stopping, 1);
	if (setjmp(exited) == 0)
		on_signal(SIGINT);
	EXPECT_CALLS("exit 130\n");
}
END_TEST

START_TEST(runs_from_start_to_end)
{
	static char name[] = "chat";
	static char *argv[] = {name, NULL};

	descriptors.rlim_cur = descriptors.rlim_max = TABLE + FILES;
	set_address(&own_address, AF_INET, "127.0.0.1", 8080);
	stopping = 1;
	ck_assert_int_eq(chat_main(1, argv), 0);
	EXPECT_CALLS(NULLS SIGNALS ALL_SIX LISTENS
		     "name 5\nto 1: chat " VERSION
		     ": open http://127.0.0.1:8080/ in a browser\n"
		     "poll 1 0\nclose 5\n");
	stopping = 0;
	queue_answer("socket", -1, EACCES);
	if (setjmp(exited) == 0)
		chat_main(1, argv);
	EXPECT_CALLS(NULLS SIGNALS
		     "socket IPv6 stream 0\n"
		     "to 2: chat: cannot listen: Permission denied\n"
		     "exit 1\n");
}
END_TEST

static int polls;

/* Called in each poll(): a client joins in the first pass, the server is told
   to end in the fifth, and the client does not answer its Close. */
static void visit(void)
{
	polls++;
	if (polls == 1) {
		table[0].revents = POLLIN;
		queue_answer("poll", 1, 0);
		queue_answer("accept", 7, 0);
		memcpy(incoming, handshake, strlen(handshake));
		incoming_len = strlen(handshake);
	}
	if (polls == 5) {
		clear_calls();
		stopping = 1;
	}
}

START_TEST(waits_for_close_answers_before_exit)
{
	static char name[] = "chat", quiet[] = "-q";
	static char *argv[] = {name, quiet, NULL};

	descriptors.rlim_cur = descriptors.rlim_max = TABLE + FILES;
	set_address(&own_address, AF_INET, "127.0.0.1", 8080);
	during_poll = visit;
	ck_assert_int_eq(chat_main(2, argv), 0);
	ck_assert_mem_eq(outgoing, "\x88\x02\x03\xe9", 4);
	EXPECT_CALLS("send 7 16\npoll 2 0\nsend 7 4\nclose 5\npoll 2 1000\n"
		     "poll 2 1000\nclose 7\n");
}
END_TEST

static void add_starting_tests(TCase *t)
{
	tcase_add_test(t, parses_numbers_strictly);
	tcase_add_test(t, accepts_largest_option_values);
	tcase_add_test(t, help_shows_defaults_and_limits);
	tcase_add_test(t, keeps_descriptors_0_to_2_taken);
	add_table_test(t, sizes_table_by_descriptor_limit, limits);
	tcase_add_test(t, exits_when_getrlimit_fails);
	tcase_add_test(t, exits_at_second_signal);
	tcase_add_test(t, runs_from_start_to_end);
	tcase_add_test(t, waits_for_close_answers_before_exit);
}
