/* SPDX-License-Identifier: MIT */
/* Listening sockets: opened, inherited, and announced on standard output. */

#define BIND(where) "umask 117\nbind 5 " where "\numask 22\n"
#define SIX         "socket IPv6 stream\n"
#define ALL_SIX     SIX "reuse 5 1\nonly 5 0\n" BIND(":: 8080")
#define ONE_SIX     SIX "reuse 5 1\nonly 5 0\n" BIND("::1 8080")
#define FOUR        "socket IPv4 stream\nreuse 5 1\n"
#define ALL_FOUR    FOUR BIND("0.0.0.0 8080")
#define LOOPBACK    FOUR BIND("127.0.0.1 8080")
#define UNIX        "socket unix stream\n"
#define LOOKS       UNIX "nonblocking 5\nlstat ./a\n"
#define A_PATH      UNIX LOOKS "close 5\n" BIND("./a")
#define IN_USE      " (choose another port with -p)"
#define LISTENS     "listen 5\nnonblocking 5\nreceive 5 8192\n"
#define USAGE       "usage: chat [option]...; chat -h lists them\n"

/* The address of -a; a call that fails, and its error; all calls then; what the
   message adds to the error, or NULL if the server listens nevertheless. */
static const struct {
	const char *address, *call;
	int error;
	const char *then, *remedy;
} failures[] = {
	{NULL, "none", 0, ALL_SIX LISTENS, NULL},
	{"127.0.0.1", "none", 0, LOOPBACK LISTENS, NULL},
	{"./a", "none", 0, A_PATH LISTENS, NULL},
	/* without IPv6: on all addresses of IPv4 */
	{NULL, "socket", EAFNOSUPPORT, SIX ALL_FOUR LISTENS, NULL},
	{NULL, "bind", EADDRNOTAVAIL, ALL_SIX "close 5\n" ALL_FOUR LISTENS,
	 NULL},
	{"::1", "bind", EADDRNOTAVAIL, ONE_SIX "close 5\n", ""},
	{"./a", "bind", EADDRNOTAVAIL, A_PATH "close 5\n", ""},
	{NULL, "socket", EMFILE, SIX, ""},
	{"./a", "socket", EAFNOSUPPORT, UNIX, ""},
	{NULL, "bind", EADDRINUSE, ALL_SIX "close 5\n", IN_USE},
	{NULL, "listen", EADDRINUSE, ALL_SIX "listen 5\nclose 5\n", IN_USE},
	{"./a", "bind", EADDRINUSE, A_PATH "close 5\n",
	 " (by another server or file; choose another with -a)"},
	{"127.0.0.1", "bind", EACCES, LOOPBACK "close 5\n",
	 " (ports below 1024 need privileges)"},
	{"./a", "bind", EACCES, A_PATH "close 5\n", ""},
	{NULL, "fcntl", EPERM, ALL_SIX "listen 5\nnonblocking 5\nclose 5\n",
	 ""},
};

START_TEST(listens_or_says_why_not)
{
	bool listens = failures[_i].remedy == NULL;
	const char *where = failures[_i].address;
	char want[400];

	clear_table();
	options.address = where;
	queue_answer(failures[_i].call, -1, failures[_i].error);
	EXITS(start_listening());
	where = where != NULL ? where : "::";
	strcpy(want, failures[_i].then);
	if (!listens)
		sprintf(want + strlen(want),
			"to 2: chat: cannot listen on %s%s: %s%s\nexit 1\n",
			where, *where == '.' ? "" : ", port 8080",
			strerror(failures[_i].error), failures[_i].remedy);
	EXPECT_CALLS(want);
	ck_assert_int_eq(loop.used, listens);
	ck_assert_int_eq(table[0].fd, listens ? 5 : -1);
	ck_assert_int_eq(clients[0].state, listens ? LISTENING : FREE);
}
END_TEST

START_TEST(explains_address_it_cannot_use)
{
	clear_table();
	queue_answer("socket", -1, EAFNOSUPPORT);
	queue_answer("bind", -1, EACCES);
	EXITS(start_listening());
	EXPECT_IN(trace, SIX ALL_FOUR "close 5\nto 2: chat: cannot listen on "
				      "0.0.0.0, port 8080: ");
	clear_calls();
	options.address = "127.1";
	EXITS(start_listening());
	EXPECT_CALLS("to 2: chat: -a 127.1: must be a numeric IPv4 or IPv6 "
		     "address, or a path with a slash\n" USAGE "exit 2\n");
}
END_TEST

/* A path must fit in an address, with its 0. */
START_TEST(takes_longest_path_and_no_longer_one)
{
	const int max = sizeof((struct sockaddr_un *)NULL)->sun_path - 1;
	struct sockaddr_storage a = {0};
	char path[200] = "/", want[400];

	memset(path + 1, 'x', (size_t)max - 1);
	ck_assert_uint_eq(parse_listen_address(&a, path),
			  sizeof(struct sockaddr_un));
	ck_assert_str_eq(describe(&a), path);
	path[max] = 'x';
	EXITS(parse_listen_address(&a, path));
	sprintf(want,
		"to 2: chat: -a %s: is a path of more than %d characters\n"
		"%sexit 2\n",
		path, max, USAGE);
	EXPECT_CALLS(want);
}
END_TEST

/* A file at the path of -a; how a call ends, and what it leaves in errno; the
   calls after those that look at the file. */
static const struct {
	mode_t mode;
	const char *call;
	int result, error;
	const char *then;
} leftovers[] = {
	{S_IFSOCK, "connect", -1, ECONNREFUSED, "connect 5 ./a\nunlink ./a\n"},
	/* a server listens, or has no time for more connections */
	{S_IFSOCK, "connect", 0, ECONNREFUSED, "connect 5 ./a\n"},
	{S_IFSOCK, "connect", -1, EAGAIN, "connect 5 ./a\n"},
	{S_IFREG, "none", 0, 0, ""},
	{0, "none", 0, 0, ""}, /* none is there */
	/* it cannot ask without waiting */
	{S_IFSOCK, "fcntl", -1, EBADF, NULL},
};

START_TEST(removes_nothing_but_stale_socket)
{
	struct sockaddr_storage a = {0};
	const char *then = leftovers[_i].then;
	char want[200] = UNIX "nonblocking 5\nclose 5\n";

	parse_listen_address(&a, "./a");
	file_mode = leftovers[_i].mode;
	queue_answer(leftovers[_i].call, leftovers[_i].result,
		     leftovers[_i].error);
	remove_stale_socket(&a, sizeof(struct sockaddr_un));
	if (then != NULL)
		sprintf(want, LOOKS "%sclose 5\n", then);
	EXPECT_CALLS(want);
}
END_TEST

/* As systemd says it: LISTEN_PID names the process, LISTEN_FDS counts. */
START_TEST(inherits_only_sockets_meant_for_its_pid)
{
	static const char *const pids[] = {NULL, "1234", NULL, "1235", "1234"};
	static const char *const fds[] = {NULL, NULL, "2", "2", "0"};

	clear_table();
	for (size_t i = 0; i < COUNT(pids); i++) {
		listen_pid = pids[i];
		listen_fds = fds[i];
		ck_assert_int_eq(take_inherited_sockets(), 0);
	}
	EXPECT_CALLS("");
	listen_fds = "2";
	ck_assert_int_eq(take_inherited_sockets(), 2);
	EXPECT_CALLS("listens 3?\nnonblocking 3\nreceive 3 8192\n"
		     "listens 4?\nnonblocking 4\nreceive 4 8192\n");
	ck_assert(table[0].fd == 3 && table[1].fd == 4);
	ck_assert_int_eq(clients[1].state, LISTENING);
	listen_fds = "8";
	ck_assert_int_eq(take_inherited_sockets(), LISTENERS_MAX);
	clear_calls();
	listen_fds = "9";
	EXITS(take_inherited_sockets());
	EXPECT_CALLS(
		"to 2: chat: LISTEN_FDS=9: must be a number from 0 to 8\n" USAGE
		"exit 2\n");
}
END_TEST

START_TEST(refuses_socket_that_does_not_listen)
{
	static const char *const calls[] = {"listens", "getsockopt", "fcntl"};

	clear_table();
	listen_pid = "1234";
	listen_fds = "1";
	errno = 0;
	queue_answer(calls[_i], _i == 0 ? 0 : -1, _i == 0 ? 0 : EPERM);
	EXITS(take_inherited_sockets());
	EXPECT_IN(trace, "to 2: chat: LISTEN_FDS: descriptor 3 is not a "
			 "listening socket: ");
	EXPECT_IN(trace, _i == 0 ? "Invalid argument\nexit 1\n"
				 : "Operation not permitted\nexit 1\n");
}
END_TEST

/* The address that it listens on; whether it asks for the one that packets to
   the outside leave from; the call that fails then, or NULL. */
static const struct {
	int family;
	const char *ip;
	bool asks;
	const char *fails;
} places[] = {
	{AF_INET, "192.0.2.7", false, NULL},
	{AF_INET6, "2001:db8::7", false, NULL},
	{AF_INET6, "::1", false, NULL},
	{AF_INET, "0.0.0.1", false, NULL},
	{AF_INET, "0.0.0.0", true, NULL},
	{AF_INET6, "::", true, NULL},
	{AF_INET6, "::", true, "connect"},
	{AF_INET, "0.0.0.0", true, "connect"},
	{AF_INET, "0.0.0.0", true, "getsockname"},
};

START_TEST(prints_url_that_others_can_open)
{
	const char *fails = places[_i].fails, *ip = places[_i].ip;
	bool asks = places[_i].asks, six = places[_i].family == AF_INET6;
	char want[400], own[40];

	make_client(7, LISTENING);
	options.quiet = false;
	room.members_max = 42;
	set_address(&own_address, places[_i].family, ip, 8080);
	set_address(&outward_address, AF_INET, "192.0.2.99", 4321);
	queue_answer("getsockname", 0, 0); /* that of the socket */
	if (fails != NULL)
		queue_answer(fails, -1, ENETUNREACH);
	announce(0);
	sprintf(own, six ? "[%s]" : "%s", ip);
	sprintf(want,
		"name 7\n"
		"%s%s%sto 1: chat 1.0: open http://%s:8080/ in a browser\n" LOG
		"%s:8080 Listening for up to 42 clients\n",
		asks ? "socket IPv4 datagram\nconnect 6 198.51.100.1 9\n" : "",
		asks && (!fails || *fails == 'g') ? "name 6\n" : "",
		asks ? "close 6\n" : "",
		!asks   ? own
		: fails ? "127.0.0.1"
			: "192.0.2.99",
		own);
	EXPECT_CALLS(want);
}
END_TEST

/* One that was inherited may be abstract: its name begins with a 0. */
START_TEST(prints_path_of_unix_socket)
{
	struct sockaddr_un *path = (void *)&own_address;

	make_client(7, LISTENING);
	options.quiet = false;
	parse_listen_address(&own_address, "./a");
	announce(0);
	EXPECT_CALLS("name 7\nto 1: chat 1.0: listening on ./a\n" LOG
		     "local Listening for up to 1024 clients\n");
	*path->sun_path = '\0';
	announce(0);
	EXPECT_CALLS("name 7\nto 1: chat 1.0: listening on a unix-domain "
		     "socket\n" LOG "local Listening for up to 1024 clients\n");
}
END_TEST

static void add_listening_tests(TCase *t)
{
	add_table_test(t, listens_or_says_why_not, failures);
	tcase_add_test(t, explains_address_it_cannot_use);
	tcase_add_test(t, takes_longest_path_and_no_longer_one);
	add_table_test(t, removes_nothing_but_stale_socket, leftovers);
	tcase_add_test(t, inherits_only_sockets_meant_for_its_pid);
	tcase_add_loop_test(t, refuses_socket_that_does_not_listen, 0, 3);
	add_table_test(t, prints_url_that_others_can_open, places);
	tcase_add_test(t, prints_path_of_unix_socket);
}
