/* SPDX-License-Identifier: MIT */
/* From the command line to the first pass, and the end. */

#define IGNORES "ignore PIPE\nignore TTOU\nignore XFSZ\nhandle ALRM\n"
#define SIGNALS "close 3\n" IGNORES "handle HUP\nhandle INT\nhandle TERM\n"
#define NULLS   "open /dev/null\n"

/* Reads options, from the words of a line. */
static void read_line(const char *line)
{
	static char text[400], *argv[50] = {program};
	static int argc; /* static: EXITS() jumps */

	argc = 1;
	strcpy(text, line);
	for (char *word = strtok(text, " "); word != NULL;
	     word = strtok(NULL, " "))
		argv[argc++] = strcmp(word, "''") == 0 ? word + 2 : word;
	EXITS(read_options(argc, argv));
}

START_TEST(accepts_smallest_and_largest_option_values)
{
	read_line("-c0 -l0 -n0 -t0 -p0");
	ck_assert(options.rate == 0 && options.history == 0);
	ck_assert(options.heartbeat == 0 && options.port == 0);
	ck_assert_int_eq(options.address_max, 0);
	read_line("");
	ck_assert(options.rate == 20 && options.history == 100);
	ck_assert(options.heartbeat == 25 && options.port == 8080);
	ck_assert(options.quiet == 0 && options.address == NULL);
	ck_assert(options.address_max == 64 && options.proxied == 0);
	ck_assert_ptr_null(options.file);
	read_line(
		"-c1000000 -l1000000 -n1000 -t86400 -p65535 -qx -a ::1 -a ::2 "
		"-f1 -f2 "
		"-o1 "
		"-o2 -o3 -o4 -o5 -o6 -o7 -o8 -o9 -oa -ob -oc -od -oe -of -og");
	ck_assert(options.rate == 1000000 && options.history == 1000);
	ck_assert(options.heartbeat == 86400 && options.port == 65535);
	ck_assert(options.quiet == 1 && options.proxied == 1);
	ck_assert(options.address_max == 1000000 && options.host_count == 16);
	ck_assert_str_eq(options.address, "::2"); /* the last */
	ck_assert_str_eq(options.file, "2");
	ck_assert_str_eq(options.hosts[15], "g");
	read_line("-qxp 1 -xc2 -f -q -n 3");
	ck_assert(options.port == 1 && options.address_max == 2);
	ck_assert_str_eq(options.file, "-q");
	ck_assert_int_eq(options.history, 3);
	EXPECT_CALLS("");
}
END_TEST

#define NO_HOST                                                          \
	": must be a host or host:port, as in the address of the page, " \
	"without "                                                       \
	"http://"
static const struct {
	const char *line, *error;
} mistakes[] = {
	{"-p 65536", "-p 65536: must be a number from 0 to 65535"},
	{"-p -1", "-p -1: must be a number from 0 to 65535"},
	{"-p 1/", "-p 1/: must be a number from 0 to 65535"},
	{"-p 1:", "-p 1:: must be a number from 0 to 65535"},
	{"-p 99999999999999999999",
	 "-p 99999999999999999999: must be a number from 0 to 65535"},
	{"-p ''", "-p \"\": must be a number from 0 to 65535"},
	{"-c 1000001", "-c 1000001: must be a number from 0 to 1000000"},
	{"-l 1000001", "-l 1000001: must be a number from 0 to 1000000"},
	{"-n 1001", "-n 1001: must be a number from 0 to 1000"},
	{"-t 86401", "-t 86401: must be a number from 0 to 86400"},
	{"-q -p", "-p: needs a value"},
	{"-qp", "-p: needs a value"},
	{"-qy -p 1", "-y: is not an option"},
	{"-h room", "room: is not an option"},
	{"-q - -h", "-: is not an option"},
	{"-- -h", "--: is not an option"},
	{"-h --help", "--help: is not an option"},
	{"''", "\"\": is not an option"},
	{"-o1 -o2 -o3 -o4 -o5 -o6 -o7 -o8 -o9 -oa -ob -oc -od -oe -of -og -oh",
	 "-o h: only 16 may be given"},
	{"-o a -o http://a", "-o http://a" NO_HOST},
	{"-o ''", "-o \"\"" NO_HOST},
	{"-o *.a", "-o *.a" NO_HOST},
};

START_TEST(explains_wrong_options)
{
	char want[200];

	snprintf(want, sizeof want, "to 2: chat: %s\n" USAGE "exit 2\n",
		 mistakes[_i].error);
	read_line(mistakes[_i].line);
	EXPECT_CALLS(want);
}
END_TEST

START_TEST(help_shows_defaults_and_limits)
{
	static const char *const parts[] = {
		"to 1: " USAGE "Serves a chat room ",
		".\n\nto 1:   -a address    listen on ",
		"one address; 0 = no limit (default: 64)\n",
		"0 = no limit (default: 20)\n",
		"a new client (default: 100)\n",
		"host[:port]; repeatable\n",
		"any free port (default: 8080)\n",
		"none (default: 25)\n",
		"to 1: \nThis build: 1024 clients, 4096 bytes per message, "
		"1048576 "
		"bytes of ring.\nexit 0\n",
	};

	read_line("-l 9 -n 8 -t 7 -p 6 -V -h");
	ck_assert(options.help == 1 && options.version == 1);
	for (size_t i = 0; i < COUNT(parts); i++)
		EXPECT_IN(trace, parts[i]);
	for (const char *line = trace; *line != '\0';
	     line = strchr(line, '\n') + 1)
		ck_assert_uint_le(strcspn(line, "\n"), strlen("to 1: ") + 80);
	clear_calls();
	options.help = 0;
	read_line("-V");
	EXPECT_CALLS("to 1: chat " VERSION "\nexit 0\n");
}
END_TEST

#define ENOUGH (TABLE_SIZE + OTHER_FILES)

START_TEST(keeps_descriptors_0_to_2_taken)
{
	prepare();
	EXPECT_CALLS(NULLS SIGNALS);
	for (int fd = 0; fd < 3; fd++)
		queue_answer("open", fd, 0);
	prepare();
	EXPECT_CALLS(NULLS NULLS NULLS NULLS SIGNALS);
	queue_answer("open", -1, EMFILE);
	prepare();
	EXPECT_IN(trace, NULLS "close -1\nignore PIPE\n");
}
END_TEST

/* Other users of the terminal go on to wait for it. */
START_TEST(opens_terminal_of_stderr_once_more)
{
	queue_answer("open", 3, 0);
	queue_answer("isatty", 1, 0);
	queue_answer("open", _i == 0 ? 4 : -1, EACCES);
	prepare();
	EXPECT_IN(trace, _i == 0 ? "close 3\nopen /dev/stderr\ncopy 4 to "
				   "2\nclose 4\nignore PIPE\n"
				 : "close 3\nopen /dev/stderr\nignore PIPE\n");
}
END_TEST

/* nohup starts a program with SIGHUP ignored, and a shell without job control
   its background jobs with SIGINT. */
START_TEST(ignores_signal_that_was_ignored_at_start)
{
	static const struct {
		int number;
		const char *calls;
	} cases[] = {
		{SIGHUP, "handle HUP\nignore HUP\nhandle INT\nhandle TERM\n"},
		{SIGINT, "handle HUP\nhandle INT\nignore INT\nhandle TERM\n"},
		{SIGTERM, "handle HUP\nhandle INT\nhandle TERM\nignore TERM\n"},
	};

	ignored_signal = cases[_i].number;
	prepare();
	EXPECT_IN(trace, IGNORES);
	ck_assert_str_eq(strstr(trace, "handle HUP\n"), cases[_i].calls);
}
END_TEST

START_TEST(starts_with_patience)
{
	prepare();
	ck_assert_uint_eq(room.patience, 2000);
}
END_TEST

/* The soft and the hard limit; the limit that it asks for, or -1; the one that
   it has then; how many members there may be. */
static const struct {
	int soft, hard, asks, has, members;
} limits[] = {
	{ENOUGH, ENOUGH + 9, -1, ENOUGH, 1024},
	{100000, 100000, -1, 100000, 1024},
	{ENOUGH - 1, 100000, ENOUGH, ENOUGH, 1024},
	{64, ENOUGH - 3, ENOUGH - 3, ENOUGH - 3, 1021},
	{64, 100000, ENOUGH, 64, 32}, /* setrlimit() fails */
	{33, 33, 33, 33, 1},
	{32, 32, 32, 32, 0},
	{31, 31, 31, 31, 0},
	{20, 20, 20, 20, 0},
	{0, 0, 0, 0, 0}, /* so, too, if getrlimit() fails */
};

START_TEST(fits_table_to_descriptor_limit)
{
	int members = limits[_i].members, has = limits[_i].has;
	char want[300] = "";

	descriptors.rlim_cur = (rlim_t)limits[_i].soft;
	descriptors.rlim_max = (rlim_t)limits[_i].hard;
	if (limits[_i].asks > has)
		queue_answer("setrlimit", -1, EPERM);
	EXITS(fit_table());
	if (limits[_i].asks >= 0)
		sprintf(want, "descriptors %d\n", limits[_i].asks);
	if (members < 1024)
		sprintf(want + strlen(want),
			"to 2: chat: %s: the limit of open files, %d, leaves "
			"room for %d of 1024 clients; 1056 are needed (ulimit "
			"-n, LimitNOFILE=)\n%s",
			members > 0 ? "warning" : "cannot start", has, members,
			members > 0 ? "" : "exit 1\n");
	EXPECT_CALLS(want);
	ck_assert_uint_eq(room.members_max, (unsigned)members);
	ck_assert(members == 0 || loop.slots == members + 8 + SPARE_SLOTS);
	ck_assert(members == 0 ||
		  (table[0].fd == -1 && table[TABLE_SIZE - 1].fd == -1));
}
END_TEST

START_TEST(exits_at_second_signal)
{
	on_signal(SIGALRM);
	EXPECT_CALLS("");
	ck_assert_int_eq(stopping, 0);
	on_signal(SIGTERM);
	EXPECT_CALLS("alarm 1\n");
	ck_assert_int_eq(stopping, SIGTERM);
	EXITS(on_signal(SIGINT));
	EXPECT_CALLS("exit 130\n");
}
END_TEST

#define OPENS \
	"to 1: chat 1.0: open http://127.0.0.1:8080/ in a browser\nalarm 2\n"

START_TEST(runs_from_start_to_end)
{
	set_address(&own_address, AF_INET, "127.0.0.1", 8080);
	date_now = (struct timespec){3, 4000000};
	stopping = SIGTERM;
	ck_assert_int_eq(chat_main(2, quiet_chat), 0);
	ck_assert_uint_eq(memory.since, 3004);
	EXPECT_CALLS(NULLS SIGNALS ALL_SIX LISTENS "name 5\n" OPENS
						   "close 5\n");
}
END_TEST

/* A socket that was inherited is at no path that the server has made. */
START_TEST(removes_at_end_only_socket_that_it_made)
{
	static char a[] = "-a", path[] = "./a";
	static char *words[] = {program, quiet, a, path, NULL};

	set_address(&own_address, AF_INET, "127.0.0.1", 8080);
	stopping = SIGTERM;
	listen_pid = "1234";
	listen_fds = _i == 0 ? NULL : "1";
	ck_assert_int_eq(chat_main(4, words), 0);
	EXPECT_IN(trace,
		  _i == 0 ? A_PATH LISTENS "name 5\n" OPENS
					   "unlink ./a\nclose 5\n"
			  : "nonblocking 3\nreceive 3 8192\nname 3\n" OPENS
			    "close 3\n");
}
END_TEST

/* Called in poll(): all lines of this second are written, then the server is
   told to end. */
static void log_much(void)
{
	clear_calls();
	loop.lines = LOG_RATE;
	stopping = SIGTERM;
	queue_answer("poll", 1, 0);
}

START_TEST(counts_missing_lines_at_end)
{
	set_address(&own_address, AF_INET, "127.0.0.1", 8080);
	during_poll = log_much;
	ck_assert_int_eq(chat_main(1, quiet_chat), 0);
	EXPECT_CALLS("alarm 2\nclose 5\n" LOG
		     "chat 1 more events in the last second\n");
}
END_TEST

/* Called in each poll(): a client joins in the first pass, the server is told
   to end in the third, and the client does not answer its Close. */
static void visit(void)
{
	static int polls;

	polls++;
	if (polls == 1) {
		table[0].revents = POLLIN;
		queue_answer("poll", 1, 0);
		queue_answer("accept", 7, 0);
		queue_bytes(handshake, strlen(handshake));
	}
	if (polls == 3) {
		clear_calls();
		stopping = SIGTERM;
	}
}

START_TEST(waits_for_close_answers_before_exit)
{
	set_address(&own_address, AF_INET, "127.0.0.1", 8080);
	during_poll = visit;
	ck_assert_int_eq(chat_main(2, quiet_chat), 0);
	ck_assert_mem_eq(outgoing, "\x88\x02\x03\xe9", 4);
	EXPECT_CALLS("alarm 2\nsend 7 4\nclose 5\npoll 2 1000\npoll 2 "
		     "1000\nclose 7\n");
}
END_TEST

START_TEST(says_goodbye_to_members_only)
{
	room.members = 1;
	for (int i = 1; i <= DEAD; i++)
		entry_take(i, 7 + i, (enum state)i);
	options.quiet = false;
	stopping = SIGINT;
	say_goodbye();
	EXPECT_IN(trace, LOG "chat SIGINT: closing 1 clients\n");
	stopping = SIGTERM;
	say_goodbye();
	EXPECT_IN(trace, LOG "chat SIGTERM: closing 0 clients\n");
	stopping = SIGHUP;
	say_goodbye();
	EXPECT_IN(trace, LOG "chat SIGHUP: closing 0 clients\n");
	for (int i = 1; i <= DEAD; i++)
		ck_assert_int_eq(clients[i].state, i <= REQUEST ? DEAD
						   : i == OPEN  ? CLOSING
								: i);
	ck_assert(!clients[OPEN].ignore_input);
}
END_TEST

static void add_starting_tests(TCase *t)
{
	tcase_add_test(t, accepts_smallest_and_largest_option_values);
	add_table_test(t, explains_wrong_options, mistakes);
	tcase_add_test(t, help_shows_defaults_and_limits);
	tcase_add_test(t, keeps_descriptors_0_to_2_taken);
	tcase_add_loop_test(t, opens_terminal_of_stderr_once_more, 0, 2);
	tcase_add_loop_test(t, ignores_signal_that_was_ignored_at_start, 0, 3);
	tcase_add_test(t, starts_with_patience);
	add_table_test(t, fits_table_to_descriptor_limit, limits);
	tcase_add_test(t, exits_at_second_signal);
	tcase_add_test(t, runs_from_start_to_end);
	tcase_add_loop_test(t, removes_at_end_only_socket_that_it_made, 0, 2);
	tcase_add_test(t, counts_missing_lines_at_end);
	tcase_add_test(t, waits_for_close_answers_before_exit);
	tcase_add_test(t, says_goodbye_to_members_only);
}
