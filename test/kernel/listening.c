/* SPDX-License-Identifier: MIT */
/* Listening sockets: opened, inherited, and announced on standard output. */

#define ALL_SIX                                                 \
	"socket IPv6 stream 0\nreuse 5 1\nonly 5 0\nbind 5 :: " \
	"8080\n"
#define ALL_FOUR "socket IPv4 stream 0\nreuse 5 1\nbind 5 0.0.0.0 8080\n"
#define LISTENS  "listen 5\nnonblocking 5\n"

/* A call that fails, all calls then, and whether the server listens. */
static const struct {
	const char *call, *then;
	int error;
	bool listens;
} failures[] = {
	{"none", ALL_SIX LISTENS, 0, true},
	/* without IPv6: on all addresses of IPv4 */
	{"socket", "socket IPv6 stream 0\n" ALL_FOUR LISTENS, EAFNOSUPPORT,
	 true},
	{"bind", ALL_SIX "close 5\n" ALL_FOUR LISTENS, EADDRNOTAVAIL, true},
	{"socket", "socket IPv6 stream 0\n", EMFILE, false},
	{"bind", ALL_SIX "close 5\n", EADDRINUSE, false},
	{"listen", ALL_SIX "listen 5\nclose 5\n", EADDRINUSE, false},
	{"fcntl", ALL_SIX LISTENS "close 5\n", EPERM, false},
};

START_TEST(listens_on_all_addresses_or_without_ipv6_on_ipv4)
{
	clear_table();
	queue_answer(failures[_i].call, -1, failures[_i].error);
	ck_assert_int_eq(listen_here(), failures[_i].listens);
	EXPECT_CALLS(failures[_i].then);
	ck_assert_int_eq(used, failures[_i].listens);
	if (failures[_i].listens) {
		ck_assert_int_eq(table[0].fd, 5);
		ck_assert_int_eq(clients[0].state, LISTENING);
	}
}
END_TEST

START_TEST(listens_on_given_address)
{
	clear_table();
	opt.address = "127.0.0.1";
	opt.port = 80;
	ck_assert(listen_here());
	EXPECT_CALLS("socket IPv4 stream 0\nreuse 5 1\nbind 5 127.0.0.1 "
		     "80\n" LISTENS);
	opt.address = "::1";
	queue_answer("bind", -1, EADDRNOTAVAIL);
	ck_assert(!listen_here());
	EXPECT_CALLS(
		"socket IPv6 stream 0\nreuse 5 1\nonly 5 0\nbind 5 ::1 80\n"
		"close 5\n");
	opt.address = "127.1";
	if (setjmp(exited) == 0)
		listen_here();
	EXPECT_CALLS(
		"socket IPv4 stream 0\n"
		"to 2: chat: \"127.1\" cannot be there: see chat -h\nexit 2\n");
}
END_TEST

/* As systemd says it: LISTEN_PID names the process, LISTEN_FDS counts. */
START_TEST(inherits_only_sockets_meant_for_its_pid)
{
	clear_table();
	ck_assert_int_eq(inherit(), 0);
	listen_pid = "1234";
	ck_assert_int_eq(inherit(), 0);
	listen_pid = NULL;
	listen_fds = "2";
	ck_assert_int_eq(inherit(), 0);
	listen_pid = "1235";
	ck_assert_int_eq(inherit(), 0);
	EXPECT_CALLS("");
	listen_pid = "1234";
	listen_fds = "0";
	ck_assert_int_eq(inherit(), 0);
	listen_fds = "2";
	ck_assert_int_eq(inherit(), 2);
	EXPECT_CALLS("listens 3?\nnonblocking 3\nlistens 4?\nnonblocking 4\n");
	ck_assert_int_eq(table[0].fd, 3);
	ck_assert_int_eq(table[1].fd, 4);
	ck_assert_int_eq(clients[1].state, LISTENING);
	listen_fds = "8";
	ck_assert_int_eq(inherit(), LISTENERS_MAX);
	clear_calls();
	listen_fds = "9";
	if (setjmp(exited) == 0)
		inherit();
	EXPECT_CALLS(
		"to 2: chat: \"9\" cannot be there: see chat -h\nexit 2\n");
}
END_TEST

START_TEST(refuses_to_inherit_socket_that_does_not_listen)
{
	static const char *const calls[] = {"listens", "getsockopt", "fcntl"};

	clear_table();
	listen_pid = "1234";
	listen_fds = "1";
	queue_answer(calls[_i], _i == 0 ? 0 : -1, _i == 0 ? 0 : EPERM);
	errno = 0;
	if (setjmp(exited) == 0)
		inherit();
	EXPECT_CALLS(
		_i == 0 ? "listens 3?\n"
			  "to 2: chat: LISTEN_FDS: Invalid argument\nexit 1\n"
		: _i == 1
			? "listens 3?\nto 2: chat: LISTEN_FDS: "
			  "Operation not permitted\nexit 1\n"
			: "listens 3?\nnonblocking 3\nto 2: chat: LISTEN_FDS: "
			  "Operation not permitted\nexit 1\n");
}
END_TEST

/* The address that it listens on; its printed address; whether it asks for the
   address that packets to the outside leave from, and gets one. */
static const struct {
	int family;
	const char *ip, *says;
	bool asks, routed;
} places[] = {
	{AF_INET, "192.0.2.7", "192.0.2.7:8080", false, false},
	{AF_INET6, "2001:db8::7", "[2001:db8::7]:8080", false, false},
	{AF_INET6, "::1", "[::1]:8080", false, false},
	{AF_INET, "0.0.0.0", "192.0.2.99:8080", true, true},
	{AF_INET6, "::", "192.0.2.99:8080", true, true},
	{AF_INET6, "::", "127.0.0.1:8080", true, false},
	{AF_INET, "0.0.0.0", "127.0.0.1:8080", true, false},
};

START_TEST(prints_url_that_others_can_open)
{
	char want[400];

	clear_table();
	table[0].fd = 7;
	set_address(&own_address, places[_i].family, places[_i].ip, 8080);
	set_address(&outward_address, AF_INET, "192.0.2.99", 4321);
	if (!places[_i].routed)
		queue_answer("connect", -1, ENETUNREACH);
	announce(0);
	snprintf(want, sizeof want,
		 "name 7\n%s%s%sto 1: chat " VERSION ": open http://%s/ in a "
		 "browser\n",
		 places[_i].asks ? "socket IPv4 datagram 0\n"
				   "connect 6 198.51.100.1 9\n"
				 : "",
		 places[_i].routed ? "name 6\n" : "",
		 places[_i].asks ? "close 6\n" : "", places[_i].says);
	EXPECT_CALLS(want);
}
END_TEST

START_TEST(prints_no_url_for_unix_socket)
{
	clear_table();
	table[0].fd = 7;
	own_address.ss_family = AF_UNIX;
	announce(0);
	EXPECT_CALLS("name 7\nto 1: chat " VERSION
		     ": waits for a proxy at a unix-domain socket\n");
}
END_TEST

static void add_listening_tests(TCase *t)
{
	add_table_test(t, listens_on_all_addresses_or_without_ipv6_on_ipv4,
		       failures);
	tcase_add_test(t, listens_on_given_address);
	tcase_add_test(t, inherits_only_sockets_meant_for_its_pid);
	tcase_add_loop_test(t, refuses_to_inherit_socket_that_does_not_listen,
			    0, 3);
	add_table_test(t, prints_url_that_others_can_open, places);
	tcase_add_test(t, prints_no_url_for_unix_socket);
}
