/* SPDX-License-Identifier: MIT */
/*
 * What chat.c asks of the kernel, call by call, and what it makes of the
 * answers.  Its source is included, with calls that only write down how they
 * were called, one a line, and answer as a test has told them to.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "suites.h"

static char trace[8192];
static size_t traced;

static void note(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	traced += (size_t)vsnprintf(trace + traced, sizeof trace - traced,
				    format, args);
	va_end(args);
}

/* What the calls so far were. */
#define EXPECT(text)                           \
	do {                                   \
		ck_assert_str_eq(trace, text); \
		trace[traced = 0] = '\0';      \
	} while (0)

/* The answers to come: each to the next call of its name, in order; to others
   what is usual. */
static struct answer {
	const char *call;
	int result, error;
} script[16];
static size_t answers, answered;

static void will(const char *call, int result, int error)
{
	script[answers++] = (struct answer){call, result, error};
}

static int told(const char *call, int usual)
{
	const struct answer *a = &script[answered];

	if (answered == answers || strcmp(a->call, call) != 0)
		return usual;
	answered++;
	if (a->error != 0)
		errno = a->error;
	return a->result;
}

/* What such calls give back besides. */
static struct sockaddr_storage own, outward; /* addresses: listening, or UDP */
static struct rlimit descriptors;
static const char *listen_pid, *listen_fds;
static struct timespec now_is;
static void (*meanwhile)(void);      /* what else happens within a poll() */
static unsigned char outgoing[1000]; /* by the last send(), or its start */
static unsigned char incoming[1000]; /* for the next recv() */
static size_t incoming_len;
static int always = EAGAIN; /* why accept() fails */
static jmp_buf ended;

static const char *name_of(const void *address)
{
	static char out[80];
	const struct sockaddr_in *four = address;
	const struct sockaddr_in6 *six = address;
	char ip[INET6_ADDRSTRLEN];
	bool is_six = four->sin_family == AF_INET6;

	inet_ntop(four->sin_family,
		  is_six ? (const void *)&six->sin6_addr : &four->sin_addr, ip,
		  sizeof ip);
	snprintf(out, sizeof out, "%s %d", ip,
		 ntohs(is_six ? six->sin6_port : four->sin_port));
	return out;
}

static int fake_socket(int family, int type, int protocol)
{
	note("socket %s %s %d\n", family == AF_INET6 ? "IPv6" : "IPv4",
	     type == SOCK_STREAM ? "stream" : "datagram", protocol);
	return told("socket", type == SOCK_STREAM ? 5 : 6);
}

static int fake_bind(int fd, const void *address, socklen_t size)
{
	const struct sockaddr_in *four = address;

	note("bind %d %s\n", fd, name_of(address));
	ck_assert_uint_eq(size, four->sin_family == AF_INET6
					? sizeof(struct sockaddr_in6)
					: sizeof *four);
	return told("bind", 0);
}

static int fake_listen(int fd, int backlog)
{
	note("listen %d\n", fd);
	ck_assert_int_eq(backlog, SOMAXCONN);
	return told("listen", 0);
}

static int fake_fcntl(int fd, int what, int flags)
{
	ck_assert(what == F_SETFL && flags == O_NONBLOCK);
	note("nonblocking %d\n", fd);
	return told("fcntl", 0);
}

static int fake_setsockopt(int fd, int level, int option, const void *value,
			   socklen_t size)
{
	static const struct {
		int level, option;
		const char *name;
	} names[] = {
		{SOL_SOCKET, SO_REUSEADDR, "reuse"},
		{SOL_SOCKET, SO_LINGER, "linger"},
		{IPPROTO_IPV6, IPV6_V6ONLY, "only"},
		{IPPROTO_TCP, TCP_NODELAY, "nodelay"},
	};
	const struct linger *linger = value;
	const int *number = value;

	for (size_t i = 0; i < COUNT(names); i++) {
		if (names[i].level == level && names[i].option == option)
			note("%s %d ", names[i].name, fd);
	}
	if (option == SO_LINGER && level == SOL_SOCKET)
		note("%d %d\n", linger->l_onoff, linger->l_linger);
	else
		note("%d\n", *number);
	ck_assert_uint_eq(size, option == SO_LINGER && level == SOL_SOCKET
					? sizeof *linger
					: sizeof *number);
	return told("setsockopt", 0);
}

static int fake_getsockopt(int fd, int level, int option, void *value,
			   socklen_t *size)
{
	ck_assert(level == SOL_SOCKET && option == SO_ACCEPTCONN);
	ck_assert_uint_eq(*size, sizeof(int));
	note("listens %d?\n", fd);
	*(int *)value = told("listens", 1);
	return told("getsockopt", 0);
}

static int fake_getsockname(int fd, void *address, socklen_t *size)
{
	ck_assert_uint_eq(*size, sizeof own);
	note("name %d\n", fd);
	memcpy(address, fd == 6 ? &outward : &own, sizeof own);
	return told("getsockname", 0);
}

static int fake_connect(int fd, const void *address, socklen_t size)
{
	ck_assert_uint_eq(size, sizeof(struct sockaddr_in));
	note("connect %d %s\n", fd, name_of(address));
	return told("connect", 0);
}

static int fake_accept(int fd, void *address, socklen_t *size)
{
	ck_assert_uint_eq(*size, sizeof own);
	note("accept %d\n", fd);
	memcpy(address, &outward, sizeof outward);
	errno = always;
	return told("accept", -1);
}

static ssize_t fake_recv(int fd, void *data, size_t n, int flags)
{
	size_t len = incoming_len;

	ck_assert_int_eq(flags, 0);
	note("recv %d\n", fd);
	ck_assert_uint_gt(n, len);
	incoming_len = 0;
	memcpy(data, incoming, len);
	errno = EAGAIN;
	return told("recv", len > 0 ? (int)len : -1);
}

static ssize_t fake_send(int fd, const void *data, size_t n, int flags)
{
	ck_assert_int_eq(flags, MSG_NOSIGNAL);
	note("send %d %zu\n", fd, n);
	memcpy(outgoing, data, n < sizeof outgoing ? n : sizeof outgoing);
	return told("send", (int)n);
}

static int fake_shutdown(int fd, int how)
{
	ck_assert_int_eq(how, SHUT_WR);
	note("shutdown %d\n", fd);
	return told("shutdown", 0);
}

static int fake_close(int fd)
{
	note("close %d\n", fd);
	return 0;
}

static int fake_open(const char *path, int flags)
{
	ck_assert_int_eq(flags, O_RDWR);
	note("open %s\n", path);
	return told("open", 3);
}

static ssize_t fake_write(int fd, const void *data, size_t n)
{
	note("to %d: %.*s", fd, (int)n, (const char *)data);
	return told("write", (int)n);
}

/* Time passes while it waits. */
static int fake_poll(struct pollfd *fds, nfds_t n, int wait)
{
	now_is.tv_sec += wait / 1000;
	if (n == 1 && fds->fd == STDERR_FILENO) {
		ck_assert(fds->events == POLLOUT && wait == 0);
		return told("stderr", 1);
	}
	note("poll %d %d\n", (int)n, wait);
	if (meanwhile != NULL)
		meanwhile();
	return told("poll", 0);
}

static int fake_getrlimit(int what, struct rlimit *r)
{
	ck_assert_int_eq(what, RLIMIT_NOFILE);
	*r = descriptors;
	return told("getrlimit", 0);
}

static int fake_setrlimit(int what, const struct rlimit *r)
{
	ck_assert_int_eq(what, RLIMIT_NOFILE);
	ck_assert(r->rlim_max == descriptors.rlim_max);
	note("descriptors %d\n", (int)r->rlim_cur);
	return told("setrlimit", 0);
}

static int fake_sigaction(int number, const struct sigaction *to, void *from)
{
	ck_assert_ptr_null(from);
	note("%s %s\n", to->sa_handler == SIG_IGN ? "ignore" : "handle",
	     number == SIGPIPE   ? "PIPE"
	     : number == SIGTTOU ? "TTOU"
	     : number == SIGINT  ? "INT"
	     : number == SIGTERM ? "TERM"
	     : number == SIGALRM ? "ALRM"
				 : "?");
	return told("sigaction", 0);
}

static char *fake_getenv(const char *name)
{
	const char *value = strcmp(name, "LISTEN_PID") == 0   ? listen_pid
			    : strcmp(name, "LISTEN_FDS") == 0 ? listen_fds
							      : NULL;

	return (char *)(size_t)value;
}

static int fake_clock_gettime(clockid_t clock, struct timespec *t)
{
	ck_assert_int_eq(clock, CLOCK_MONOTONIC);
	*t = now_is;
	return 0;
}

static __attribute__((noreturn)) void fake_exit(int status)
{
	note("exit %d\n", status);
	longjmp(ended, 1);
}

#define socket(family, type, protocol) fake_socket(family, type, protocol)
#define bind(fd, address, size)        fake_bind(fd, address, size)
#define listen(fd, backlog)            fake_listen(fd, backlog)
#define fcntl(fd, what, flags)         fake_fcntl(fd, what, flags)
#define setsockopt(fd, l, o, v, n)     fake_setsockopt(fd, l, o, v, n)
#define getsockopt(fd, l, o, v, n)     fake_getsockopt(fd, l, o, v, n)
#define getsockname(fd, address, size) fake_getsockname(fd, address, size)
#define connect(fd, address, size)     fake_connect(fd, address, size)
#define accept(fd, address, size)      fake_accept(fd, address, size)
#define recv(fd, data, n, flags)       fake_recv(fd, data, n, flags)
#define send(fd, data, n, flags)       fake_send(fd, data, n, flags)
#define shutdown(fd, how)              fake_shutdown(fd, how)
#define close(fd)                      fake_close(fd)
#define open(path, flags)              fake_open(path, flags)
#define write(fd, data, n)             fake_write(fd, data, n)
#define poll(fds, n, wait)             fake_poll(fds, n, wait)
#define getrlimit(what, r)             fake_getrlimit(what, r)
#define setrlimit(what, r)             fake_setrlimit(what, r)
#define sigaction(number, to, from)    fake_sigaction(number, to, from)
#define getenv(name)                   fake_getenv(name)
#define getpid()                       1234
#define clock_gettime(clock, t)        fake_clock_gettime(clock, t)
#define alarm(seconds)                 note("alarm %d\n", seconds)
#define exit(status)                   fake_exit(status)
#define _exit(status)                  fake_exit(status)
#define time(out)                      0
#define main                           whole_chat
#undef fail /* of Check */
#include "../chat.c"
#undef main
#undef exit

#define ALL_SIX                                                 \
	"socket IPv6 stream 0\nreuse 5 1\nonly 5 0\nbind 5 :: " \
	"8080\n"
#define ALL_FOUR "socket IPv4 stream 0\nreuse 5 1\nbind 5 0.0.0.0 8080\n"
#define LISTENS  "listen 5\nnonblocking 5\n"

static void make_table(void)
{
	for (int i = 0; i < TABLE; i++)
		table[i].fd = -1;
	slots = TABLE;
	people_max = CLIENTS_MAX;
	opt.quiet = true;
}

static void set_address(struct sockaddr_storage *a, int family, const char *ip,
			int port)
{
	struct sockaddr_in *four = (void *)a;
	struct sockaddr_in6 *six = (void *)a;

	memset(a, 0, sizeof *a);
	a->ss_family = (sa_family_t)family;
	four->sin_port = htons((in_port_t)port);
	inet_pton(family, ip,
		  family == AF_INET ? (void *)&four->sin_addr
				    : &six->sin6_addr);
}

/* ---- Listening ---- */

START_TEST(listens_on_all_addresses)
{
	make_table();
	ck_assert(listen_here());
	EXPECT(ALL_SIX LISTENS);
	ck_assert_int_eq(used, 1);
	ck_assert_int_eq(table[0].fd, 5);
	ck_assert_int_eq(clients[0].state, LISTENING);
}
END_TEST

static const struct {
	const char *call, *then;
	int error;
	bool listens;
} failures[] = {
	/* without IPv6, on those of IPv4 */
	{"socket", "socket IPv6 stream 0\n" ALL_FOUR LISTENS, EAFNOSUPPORT,
	 true},
	{"bind", ALL_SIX "close 5\n" ALL_FOUR LISTENS, EADDRNOTAVAIL, true},
	{"socket", "socket IPv6 stream 0\n", EMFILE, false},
	{"bind", ALL_SIX "close 5\n", EADDRINUSE, false},
	{"listen", ALL_SIX "listen 5\nclose 5\n", EADDRINUSE, false},
	{"fcntl", ALL_SIX LISTENS "close 5\n", EPERM, false},
};

START_TEST(listens_where_it_can)
{
	make_table();
	will(failures[_i].call, -1, failures[_i].error);
	ck_assert_int_eq(listen_here(), failures[_i].listens);
	EXPECT(failures[_i].then);
	ck_assert_int_eq(used, failures[_i].listens);
}
END_TEST

START_TEST(listens_on_the_address_given)
{
	make_table();
	opt.address = "127.0.0.1";
	opt.port = 80;
	ck_assert(listen_here());
	EXPECT("socket IPv4 stream 0\nreuse 5 1\nbind 5 127.0.0.1 "
	       "80\n" LISTENS);
	opt.address = "::1";
	will("bind", -1, EADDRNOTAVAIL);
	ck_assert(!listen_here());
	EXPECT("socket IPv6 stream 0\nreuse 5 1\nonly 5 0\nbind 5 ::1 80\n"
	       "close 5\n");
	opt.address = "127.1";
	if (setjmp(ended) == 0)
		listen_here();
	EXPECT("socket IPv4 stream 0\n"
	       "to 2: chat: \"127.1\" cannot be there: see chat -h\nexit 2\n");
}
END_TEST

/* LISTEN_PID, LISTEN_FDS, and what is made of them. */
START_TEST(inherits_what_is_meant_for_it)
{
	make_table();
	ck_assert_int_eq(inherit(), 0);
	listen_pid = "1234";
	ck_assert_int_eq(inherit(), 0);
	listen_pid = NULL;
	listen_fds = "2";
	ck_assert_int_eq(inherit(), 0);
	listen_pid = "1235";
	ck_assert_int_eq(inherit(), 0);
	EXPECT("");
	listen_pid = "1234";
	listen_fds = "0";
	ck_assert_int_eq(inherit(), 0);
	listen_fds = "2";
	ck_assert_int_eq(inherit(), 2);
	EXPECT("listens 3?\nnonblocking 3\nlistens 4?\nnonblocking 4\n");
	ck_assert_int_eq(table[0].fd, 3);
	ck_assert_int_eq(table[1].fd, 4);
	ck_assert_int_eq(clients[1].state, LISTENING);
	listen_fds = "8";
	ck_assert_int_eq(inherit(), LISTENERS_MAX);
	trace[traced = 0] = '\0';
	listen_fds = "9";
	if (setjmp(ended) == 0)
		inherit();
	EXPECT("to 2: chat: \"9\" cannot be there: see chat -h\nexit 2\n");
}
END_TEST

START_TEST(refuses_to_inherit_what_does_not_listen)
{
	static const char *const calls[] = {"listens", "getsockopt", "fcntl"};

	make_table();
	listen_pid = "1234";
	listen_fds = "1";
	will(calls[_i], _i == 0 ? 0 : -1, _i == 0 ? 0 : EPERM);
	errno = 0;
	if (setjmp(ended) == 0)
		inherit();
	EXPECT(_i == 0   ? "listens 3?\n"
			   "to 2: chat: LISTEN_FDS: Invalid argument\nexit 1\n"
	       : _i == 1 ? "listens 3?\nto 2: chat: LISTEN_FDS: "
			   "Operation not permitted\nexit 1\n"
			 : "listens 3?\nnonblocking 3\nto 2: chat: LISTEN_FDS: "
			   "Operation not permitted\nexit 1\n");
}
END_TEST

/* Where it listens, from where packets leave, and what it says. */
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

START_TEST(says_where_to_point_a_browser)
{
	char want[400];

	make_table();
	table[0].fd = 7;
	set_address(&own, places[_i].family, places[_i].ip, 8080);
	set_address(&outward, AF_INET, "192.0.2.99", 4321);
	if (!places[_i].routed)
		will("connect", -1, ENETUNREACH);
	announce(0);
	snprintf(want, sizeof want,
		 "name 7\n%s%s%sto 1: chat " VERSION ": open http://%s/ in a "
		 "browser\n",
		 places[_i].asks ? "socket IPv4 datagram 0\n"
				   "connect 6 198.51.100.1 9\n"
				 : "",
		 places[_i].routed ? "name 6\n" : "",
		 places[_i].asks ? "close 6\n" : "", places[_i].says);
	EXPECT(want);
}
END_TEST

START_TEST(points_no_browser_at_a_local_socket)
{
	make_table();
	table[0].fd = 7;
	own.ss_family = AF_UNIX;
	announce(0);
	EXPECT("name 7\nto 1: chat " VERSION
	       ": waits for a proxy at a unix-domain socket\n");
}
END_TEST

/* ---- Getting ready ---- */

#define SIGNALS                                                               \
	"close 3\nignore PIPE\nignore TTOU\nhandle INT\nhandle TERM\nhandle " \
	"ALRM\n"
#define NULLS "open /dev/null\n"

START_TEST(takes_the_first_three_descriptors)
{
	descriptors.rlim_cur = descriptors.rlim_max = TABLE + FILES;
	prepare();
	EXPECT(NULLS SIGNALS);
	for (int fd = 0; fd < 3; fd++)
		will("open", fd, 0);
	prepare();
	EXPECT(NULLS NULLS NULLS NULLS SIGNALS);
	will("open", -1, EMFILE);
	prepare();
	ck_assert_ptr_nonnull(strstr(trace, NULLS "close -1\nignore PIPE\n"));
}
END_TEST

/* Limits of descriptors, soft and hard; what it asks for and has room for. */
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

START_TEST(fits_into_the_limit_of_descriptors)
{
	char want[200] = "";

	ck_assert_int_eq(CLIENTS_MAX, 1024);
	descriptors.rlim_cur = (rlim_t)limits[_i].soft;
	descriptors.rlim_max = (rlim_t)limits[_i].hard;
	if (setjmp(ended) == 0)
		size_table();
	if (limits[_i].asks > 0)
		sprintf(want, "descriptors %d\n", limits[_i].asks);
	strcat(want, limits[_i].says);
	EXPECT(want);
	ck_assert_int_eq(people_max, limits[_i].people);
	ck_assert_int_eq(slots, people_max + LISTENERS_MAX + SPARE_SLOTS);
	if (people_max > 0) {
		ck_assert_int_eq(table[0].fd, -1);
		ck_assert_int_eq(table[TABLE - 1].fd, -1);
	}
}
END_TEST

START_TEST(ends_when_it_cannot_ask_for_the_limit)
{
	will("getrlimit", -1, EPERM);
	if (setjmp(ended) == 0)
		size_table();
	EXPECT("to 2: chat: getrlimit: Operation not permitted\nexit 1\n");
}
END_TEST

START_TEST(ends_at_the_second_signal)
{
	on_signal(SIGALRM);
	EXPECT("");
	ck_assert_int_eq(stopping, 0);
	on_signal(SIGTERM);
	EXPECT("alarm 1\n");
	ck_assert_int_eq(stopping, 1);
	if (setjmp(ended) == 0)
		on_signal(SIGINT);
	EXPECT("exit 130\n");
}
END_TEST

/* ---- Accepting ---- */

static void make_listener(void)
{
	make_table();
	set_address(&outward, AF_INET, "192.0.2.99", 4321);
	occupy(0, 3, LISTENING);
}

START_TEST(accepts_until_none_waits)
{
	make_listener();
	will("accept", -1, EINTR);
	will("accept", 5, 0);
	will("accept", -1, ECONNABORTED);
	will("accept", 6, 0);
	accept_some(0);
	EXPECT("accept 3\naccept 3\nnonblocking 5\nnodelay 5 1\nrecv 5\n"
	       "accept 3\naccept 3\nnonblocking 6\nnodelay 6 1\nrecv 6\n"
	       "accept 3\n");
	ck_assert(accepting);
	ck_assert_int_eq(table[1].fd, 5);
	ck_assert_int_eq(table[2].fd, 6);
	ck_assert_int_eq(clients[2].state, REQUEST);
	ck_assert_str_eq(clients[2].peer, "192.0.2.99:4321");
}
END_TEST

START_TEST(accepts_no_blocking_socket)
{
	make_listener();
	will("accept", 5, 0);
	will("fcntl", -1, EPERM);
	will("accept", 6, 0);
	accept_some(0);
	EXPECT("accept 3\nnonblocking 5\nclose 5\n"
	       "accept 3\nnonblocking 6\nnodelay 6 1\nrecv 6\naccept 3\n");
	ck_assert_int_eq(table[1].fd, 6);
	ck_assert_int_eq(used, 2);
}
END_TEST

/* Without descriptors, say, it tries again after the next tick. */
START_TEST(rests_when_it_cannot_accept)
{
	make_listener();
	will("accept", -1, _i ? EMFILE : EWOULDBLOCK);
	accept_some(0);
	EXPECT("accept 3\n");
	ck_assert(accepting == !_i);
	ck_assert_int_eq(interest(&clients[0]), _i ? 0 : POLLIN);
	now = 1;
	tick();
	ck_assert_int_eq(interest(&clients[0]), POLLIN);
	ck_assert_uint_eq(next_tick(), _i ? 2 : 25);
}
END_TEST

/* The more in a pass the longer that takes anyway. */
START_TEST(accepts_in_step_with_the_crowd)
{
	int calls = 0;

	make_listener();
	used = 401;
	always = EINTR;
	accept_some(0);
	for (const char *at = trace; (at = strchr(at, '\n')) != NULL; at++)
		calls++;
	ck_assert_int_eq(calls, 64 + 100);
}
END_TEST

/* ---- Reading and writing ---- */

static struct client *make_member(void)
{
	make_table();
	now = ticked = 100;
	occupy(0, 7, OPEN);
	clients[0].moved = now;
	people = 1;
	ws_init(&clients[0].ws, buffers[0]);
	return &clients[0];
}

/* An error, and whether a member that meets it stays; whether memory lacks. */
static const struct {
	int error;
	bool stays, starves;
} errors[] = {
	{EAGAIN, true, false},     {EWOULDBLOCK, true, false},
	{EINTR, true, false},      {ENOBUFS, true, true},
	{ENOMEM, true, true},      {ECONNRESET, false, false},
	{ETIMEDOUT, false, false}, {EPIPE, false, false},
};

START_TEST(bears_what_passes_when_it_reads)
{
	struct client *c = make_member();

	will("recv", -1, errors[_i].error);
	receive(0);
	ck_assert_int_eq(c->state, errors[_i].stays ? OPEN : OVER);
	ck_assert(starving == errors[_i].starves);
	EXPECT(errors[_i].stays ? "recv 7\n" : "recv 7\nlinger 7 1 0\n");
}
END_TEST

START_TEST(bears_what_passes_when_it_writes)
{
	struct client *c = make_member();

	head = 10;
	news = false;
	calm = true;
	will("send", -1, errors[_i].error);
	flush(0);
	ck_assert_int_eq(c->state, errors[_i].stays ? OPEN : OVER);
	ck_assert(starving == errors[_i].starves);
	/* a full socket is waited for, an interrupted call made again */
	ck_assert(c->blocked ==
		  (errors[_i].stays && errors[_i].error != EINTR));
	EXPECT(!errors[_i].stays           ? "send 7 10\nlinger 7 1 0\n"
	       : errors[_i].error == EINTR ? "send 7 10\nsend 7 10\n"
					   : "send 7 10\n");
	ck_assert_uint_eq(c->cursor, errors[_i].error == EINTR ? 10 : 0);
	/* without memory, nobody is asked before the next tick, in a second */
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

START_TEST(writes_the_rest_when_there_is_room)
{
	struct client *c = make_member();

	head = 10;
	will("send", 9, 0);
	will("send", -1, EAGAIN);
	flush(0);
	EXPECT("send 7 10\nsend 7 1\n");
	ck_assert(c->blocked);
	flush(0);
	EXPECT("");
	table[0].events = POLLIN | POLLOUT;
	table[0].revents = POLLOUT;
	serve(0);
	EXPECT("");
	flush(0);
	EXPECT("send 7 1\n");
	ck_assert_uint_eq(c->cursor, 10);
	ck_assert_uint_eq(total.out, 10);
}
END_TEST

/* What poll() reports beside what was asked for. */
START_TEST(parts_from_who_hangs_up)
{
	static const short signs[] = {POLLERR, POLLHUP, POLLNVAL};
	struct client *c = make_member();

	table[0].events = 0;
	table[0].revents = signs[_i];
	serve(0);
	ck_assert_int_eq(c->state, OVER);
	ck_assert_uint_eq(total.dropped[LOST], 1);
	EXPECT("linger 7 1 0\n");
	/* but who is read hears of it by recv() */
	c = make_member();
	table[0].events = POLLIN;
	table[0].revents = signs[_i];
	serve(0);
	EXPECT("recv 7\n");
	ck_assert_int_eq(c->state, OPEN);
}
END_TEST

/* ---- A pass ---- */

START_TEST(waits_a_bit_when_it_cannot_poll)
{
	make_listener();
	news = false;
	will("poll", -1, ENOMEM);
	pass();
	EXPECT("poll 1 1000\npoll 0 100\n");
	ck_assert_int_eq(table[0].revents, 0);
	news = false;
	will("poll", -1, EINTR);
	pass();
	ck_assert_ptr_null(strstr(trace, "poll 0"));
}
END_TEST

START_TEST(stays_calm_while_nothing_comes)
{
	make_listener();
	news = false;
	calm = true;
	will("poll", 0, 0);
	pass();
	EXPECT("poll 1 25000\n");
	ck_assert(calm);
}
END_TEST

START_TEST(half_closes_what_is_answered)
{
	make_listener();
	occupy(1, 8, REPLY);
	clients[1].filled = 4;
	clients[1].until = 4;
	pass();
	EXPECT("poll 2 0\nsend 8 4\nshutdown 8\n");
	ck_assert_int_eq(clients[1].state, DRAIN);
	ck_assert_uint_eq(clients[1].deadline, now + CLOSE_TIMEOUT);
	ck_assert_int_eq(table[1].events, POLLIN);
}
END_TEST

START_TEST(goes_from_start_to_end)
{
	static char name[] = "chat";
	static char *argv[] = {name, NULL};

	descriptors.rlim_cur = descriptors.rlim_max = TABLE + FILES;
	set_address(&own, AF_INET, "127.0.0.1", 8080);
	stopping = 1;
	ck_assert_int_eq(whole_chat(1, argv), 0);
	EXPECT(NULLS SIGNALS ALL_SIX LISTENS
	       "name 5\nto 1: chat " VERSION
	       ": open http://127.0.0.1:8080/ in a browser\n"
	       "poll 1 0\nclose 5\n");
	stopping = 0;
	will("socket", -1, EACCES);
	if (setjmp(ended) == 0)
		whole_chat(1, argv);
	EXPECT(NULLS SIGNALS "socket IPv6 stream 0\n"
			     "to 2: chat: cannot listen: Permission denied\n"
			     "exit 1\n");
}
END_TEST

/* ---- What is said ---- */

START_TEST(cuts_what_is_too_long_to_say)
{
	char text[3001], want[2048];

	memset(text, 'x', 3000);
	text[3000] = '\0';
	memset(want, 'x', 2047);
	want[2047] = '\0';
	tell(1, HTTP_TEXT(text));
	ck_assert_str_eq(trace + strlen("to 1: "), want);
	trace[traced = 0] = '\0';
	text[0] = '\n';
	say("who", HTTP_TEXT(text));
	want[0] = '?';
	want[399] = '\0';
	ck_assert_int_eq(traced, 6 + 20 + 1 + 3 + 1 + 399 + 1);
	ck_assert_ptr_nonnull(strstr(trace, want));
	EXPECT(trace);
	will("stderr", 0, 0); /* nobody reads: the line is lost */
	say("who", HTTP_TEXT("is there?"));
	opt.quiet = true;
	say("who", HTTP_TEXT("is there?"));
	EXPECT("");
}
END_TEST

START_TEST(shows_its_defaults_and_limits)
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

	if (setjmp(ended) == 0)
		help();
	for (size_t i = 0; i < COUNT(parts); i++)
		ck_assert_ptr_nonnull(strstr(trace, parts[i]));
}
END_TEST

/* ---- A member ---- */

static const unsigned char shake[] =
	"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n"
	"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
	"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/* What comes to entry 0 in one read. */
static void hear(const void *data, size_t len)
{
	memcpy(incoming, data, len);
	incoming_len = len;
	receive(0);
}

START_TEST(lets_in_with_the_history)
{
	static const unsigned char nothing[WS_BUFFER];
	struct client *c = &clients[0];

	make_table();
	occupy(0, 7, REQUEST);
	head = 2000;
	slowest = 1500;
	past[0] = 1000;
	total.messages = 1;
	hear(shake, sizeof shake - 1);
	ck_assert_int_eq(c->state, OPEN);
	ck_assert_uint_eq(c->cursor, 1000);
	ck_assert_uint_eq(slowest, 1000);
	ck_assert_int_eq(c->credit, 100);
	ck_assert_int_eq(people, 1);
	ck_assert_int_eq(people_peak, 1);
	ck_assert_uint_eq(total.in, sizeof shake - 1);
	ck_assert(c->owes_notice);
	/* a request that came whole was read where it lay */
	ck_assert_mem_eq(buffers[0], nothing, sizeof nothing);
	/* who starts later than others changes nothing for them */
	slowest = 900;
	occupy(0, 7, REQUEST);
	hear(shake, sizeof shake - 1);
	ck_assert_uint_eq(slowest, 900);
}
END_TEST

START_TEST(charges_each_frame)
{
	static const unsigned char pongs[] = {0x8a, 0x80, 0, 0, 0, 0,
					      0x8a, 0x80, 0, 0, 0, 0};
	struct client *c = make_member();

	for (opt.rate = 0; opt.rate < 3; opt.rate++) {
		c->credit = 1;
		hear(pongs, sizeof pongs);
		ck_assert_int_eq(c->credit, opt.rate == 0 ? 1 : -1);
		ck_assert_int_eq(interest(c), opt.rate == 0 ? POLLIN : 0);
	}
	opt.rate = 20;
	now = 103;
	tick();
	ck_assert_int_eq(c->credit, -1 + 3 * 20);
	c->heard = now = 1000;
	tick();
	ck_assert_int_eq(c->credit, 100);
}
END_TEST

/* A message may take MESSAGE_TIMEOUT from its first byte on. */
START_TEST(counts_from_a_messages_first_byte)
{
	static const unsigned char hi[] = {0x81, 0x82, 0, 0, 0, 0, 'H', 'i'};
	struct client *c = make_member();

	hear(hi, 3);
	ck_assert_uint_eq(c->deadline, 130);
	now = 120;
	c->heard = 120;
	hear(hi + 3, 3);
	ck_assert_uint_eq(c->deadline, 130);
	now = 130;
	tick();
	ck_assert_int_eq(c->state, OPEN);
	now = 131;
	tick();
	ck_assert_int_eq(c->state, CLOSING);
	ck_assert_uint_eq(total.dropped[UNFINISHED], 1);
}
END_TEST

START_TEST(pings_and_tells_the_number)
{
	static const unsigned char want[] = "\x89\0\x81\x0c{\"online\":1}";
	struct client *c = make_member();

	announced = 1;
	c->heard = now = 125;
	tick();
	flush(0);
	ck_assert_mem_eq(outgoing, want, sizeof want - 1);
	/* and not again, but for a change, or when it is time */
	now = 126;
	tick();
	ck_assert(!c->owes_ping && !c->owes_notice);
	people = 2;
	now = 127;
	tick();
	ck_assert(!c->owes_ping && c->owes_notice);
	c->owes_notice = false;
	now = 128;
	tick();
	ck_assert(!c->owes_notice);
}
END_TEST

START_TEST(gives_no_notice_as_a_bare_relay)
{
	opt.history = opt.heartbeat = 0;
	ck_assert(!gives_notice());
	opt.history = 1;
	ck_assert(gives_notice());
	opt.history = 0;
	opt.heartbeat = 1;
	ck_assert(gives_notice());
}
END_TEST

/* For a Close there is room, however full the outbox is; and what can wait for
   the end of the pass is not sent before. */
START_TEST(keeps_room_for_a_close)
{
	struct client *c = make_member();

	head = 10;
	ck_assert(put(0, WS_PONG, buffers[1], 125));
	EXPECT("");
	while (add(c, WS_PONG, "", 0))
		;
	ck_assert_int_eq(c->outbox_size, OUTBOX - CLOSE_FRAME - 1);
	c->outbox_size++;
	ck_assert(add(c, WS_CLOSE, "\x03\xe8", 2));
	ck_assert_int_eq(c->outbox_size, OUTBOX);
}
END_TEST

START_TEST(waits_for_the_answer_to_its_close)
{
	static const unsigned char close[] = {0x88, 0x80, 0, 0, 0, 0};
	struct client *c = make_member();

	say_goodbye();
	ck_assert_int_eq(c->state, CLOSING);
	ck_assert(!c->closed);
	flush(0);
	ck_assert_mem_eq(outgoing, "\x88\x02\x03\xe9", 4);
	hear(close, sizeof close);
	ck_assert(c->closed);
	/* what makes no sense is an answer as well */
	c = make_member();
	say_goodbye();
	hear("\xff", 1);
	ck_assert(c->closed);
	ck_assert_uint_eq(total.dropped[PROTOCOL], 0);
}
END_TEST

/* ---- Who is late: the last second that is borne, and the next ---- */

static const struct {
	const char *what;
	enum state state;
	bool blocked, congested;
	unsigned behind, limit;
	enum reason why;
	enum state then;
} lates[] = {
	{"silent", OPEN, false, false, 0, 60, SILENT, OVER},
	{"stuck", OPEN, true, false, 0, 20, STUCK, OVER},
	{"slow", OPEN, false, true, LOG_SIZE / 2 + 1, 1, SLOW, OVER},
	{"not slow", OPEN, false, true, LOG_SIZE / 2, 999, SLOW, OVER},
	{"request", REQUEST, false, false, 0, 10, REFUSED, REPLY},
	{"reply", REPLY, false, false, 0, 10, LATE, OVER},
	{"close", CLOSING, false, false, 0, 10, REASONS, OVER},
	{"full", DRAIN, true, false, 0, 10, LATE, OVER},
	{"drain", DRAIN, false, false, 0, 10, REASONS, OVER},
};

START_TEST(knows_who_is_late)
{
	struct client *c = make_member();

	congested_since = 100;
	c->state = (unsigned char)lates[_i].state;
	c->blocked = lates[_i].blocked;
	head = 5 * (uint64_t)LOG_SIZE;
	slowest = c->cursor = head - lates[_i].behind;
	for (int late = 0; late < 2; late++) {
		now = 100 + lates[_i].limit + (unsigned)late;
		congested = lates[_i].congested;
		if (_i != 0)
			c->heard = now;
		tick();
		ck_assert_msg(c->state == (late && lates[_i].limit < 999
						   ? lates[_i].then
						   : lates[_i].state),
			      "%s after %u s: %d", lates[_i].what, now,
			      c->state);
	}
	for (int why = 0; why < REASONS; why++)
		ck_assert_uint_eq(total.dropped[why],
				  why == (int)lates[_i].why &&
					  lates[_i].limit < 999);
}
END_TEST

START_TEST(says_which_request_was_late)
{
	static const char end[] = "\r\n\r\n408 Request Timeout\n";
	struct client *c = &clients[0];

	make_table();
	opt.quiet = false;
	occupy(0, 7, REQUEST);
	now = 11;
	tick();
	EXPECT("");
	occupy(0, 7, REQUEST);
	http_join(c->peer, PEER, HTTP_TEXT("who"));
	c->filled = 1;
	now = 22;
	tick();
	opt.quiet = true;
	EXPECT("to 2: 1970-01-01T00:00:00Z who Request refused: 408 Request "
	       "Timeout\n");
	ck_assert_int_eq(c->state, REPLY);
	ck_assert_uint_eq(c->until, c->filled);
	ck_assert_mem_eq(buffers[0] + c->filled - sizeof end + 1, end,
			 sizeof end - 1);
	/* one that has asked for a bit, and is gone, is lost */
	occupy(0, 7, REQUEST);
	part(0);
	ck_assert_uint_eq(total.dropped[LOST], 0);
	occupy(0, 7, REQUEST);
	c->filled = 1;
	part(0);
	ck_assert_uint_eq(total.dropped[LOST], 1);
}
END_TEST

START_TEST(waits_for_what_each_state_needs)
{
	static const short wants[] = {
		[LISTENING] = POLLIN, [REQUEST] = POLLIN, [REPLY] = 0,
		[OPEN] = POLLIN,      [CLOSING] = POLLIN, [DRAIN] = POLLIN,
		[OVER] = 0,
	};
	struct client c = {0};

	for (c.state = LISTENING; c.state <= OVER; c.state++) {
		bool reads = c.state == REQUEST || c.state == OPEN;
		short out = c.state == REPLY || c.state == OPEN ||
					    c.state == CLOSING
				    ? POLLOUT
				    : 0;

		ck_assert_int_eq(interest(&c), wants[c.state]);
		congested = true;
		ck_assert_int_eq(interest(&c), reads ? 0 : wants[c.state]);
		congested = false;
		c.blocked = true;
		if (out)
			ck_assert_int_eq(interest(&c), wants[c.state] | out);
		c.blocked = false;
	}
}
END_TEST

/* Who closes and has been sent all holds up nobody. */
START_TEST(is_not_held_up_by_who_has_all)
{
	struct client *c = make_member();

	head = 1000;
	c->cursor = 10;
	c->state = CLOSING;
	measure();
	ck_assert_uint_eq(slowest, 1000);
}
END_TEST

START_TEST(is_congested_when_the_log_might_overflow)
{
	const unsigned more = MESSAGE_MAX + WS_SERVER_HEADER;

	head = LOG_SIZE;
	slowest = more + 1;
	ck_assert_uint_eq(allowance(), 1);
	ck_assert(!congested);
	slowest = more;
	ck_assert_uint_eq(allowance(), 0);
	ck_assert(congested);
}
END_TEST

START_TEST(sends_the_page_from_where_it_stopped)
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

START_TEST(looks_first_at_another_in_each_pass)
{
	make_listener();
	occupy(1, 5, OPEN);
	occupy(2, 6, OPEN);
	for (int i = 0; i < 3; i++)
		table[i].events = table[i].revents = i > 0 ? POLLIN : 0;
	for (int k = 1; k < 6; k++) {
		will("poll", 2, 0);
		pass();
		ck_assert_int_eq(turn, k % 3);
		EXPECT(k % 3 == 2 ? "poll 3 0\nrecv 6\nrecv 5\n"
				  : "poll 3 0\nrecv 5\nrecv 6\n");
		news = true;
		answers = answered = 0;
		table[1].revents = table[2].revents = POLLIN;
	}
}
END_TEST

START_TEST(does_not_try_a_full_socket_when_something_comes)
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

START_TEST(counts_time_by_the_clock)
{
	now_is.tv_sec = 10;
	now_is.tv_nsec = 999999999;
	count_time(0);
	ck_assert_uint_eq(served, 1000); /* the clock has run long before */
	now_is.tv_sec = 13;
	now_is.tv_nsec = 499000000;
	count_time(5000);
	ck_assert_uint_eq(served, 3500);
	ck_assert_uint_eq(now, 3);
	now_is.tv_sec = 20;
	now_is.tv_nsec = 999999999;
	count_time(4000);
	ck_assert_uint_eq(served, 3500 + 5000);
	now_is.tv_sec = 90;
	count_time(1500); /* it was stopped */
	ck_assert_uint_eq(served, 3500 + 5000 + 2500);
}
END_TEST

START_TEST(sleeps_an_hour_without_a_heartbeat)
{
	opt.heartbeat = 0;
	ticked = 10;
	calm = true;
	ck_assert_uint_eq(next_tick(), 3600);
	ticked = 3600;
	ck_assert_uint_eq(next_tick(), 7200);
	opt.heartbeat = 1;
	ck_assert_uint_eq(next_tick(), 3601);
	calm = false;
	opt.heartbeat = 0;
	ck_assert_uint_eq(next_tick(), 3601);
	/* nothing is due for who has said all, whenever that was */
	now = 1000;
	ck_assert(rests(&(struct client){.state = OPEN}));
	opt.heartbeat = 1;
	ck_assert(!rests(&(struct client){.state = OPEN}));
	ck_assert(rests(&(struct client){.state = OPEN, .heard = 999}));
}
END_TEST

START_TEST(refuses_a_foreign_page)
{
	static const char start[] = "GET / HTTP/1.1\r\nOrigin: http://";
	static const char end[] = "\r\n\r\n403 Forbidden\n";
	struct client *c = &clients[0];
	char request[600], want[300], who[201];

	memset(who, 'x', sizeof who - 1);
	who[sizeof who - 1] = '\0';
	snprintf(request, sizeof request, "%s%s\r\n%s", start, who,
		 strchr((const char *)shake, '\n') + 1);
	make_table();
	opt.quiet = false;
	occupy(0, 7, REQUEST);
	hear(request, strlen(request));
	ck_assert_int_eq(c->state, REPLY);
	ck_assert_uint_eq(c->until, c->filled);
	ck_assert_mem_eq(buffers[0] + c->filled - sizeof end + 1, end,
			 sizeof end - 1);
	snprintf(want, sizeof want,
		 "  Origin http://%.92s, Host a: see option -o\n", who);
	ck_assert_ptr_nonnull(strstr(trace, want));
}
END_TEST

START_TEST(sends_nothing_after_a_close)
{
	const unsigned char *data;
	struct client *c = make_member();

	head = 10;
	add(c, WS_CLOSE, "\x03\xe8", 2);
	c->until = c->cursor;
	c->outbox_sent = 1;
	c->state = CLOSING;
	c->owes_ping = c->owes_notice = true;
	ck_assert_uint_eq(rest(0, &data), 3);
	flush(0);
	EXPECT("send 7 3\n");
	ck_assert_uint_eq(rest(0, &data), 0);
	ck_assert_uint_eq(c->cursor, 0);
}
END_TEST

START_TEST(notes_since_when_it_is_congested)
{
	now = 7;
	head = LOG_SIZE;
	ck_assert_uint_eq(allowance(), 0);
	ck_assert_uint_eq(congested_since, 7);
}
END_TEST

START_TEST(takes_the_most_that_options_may_be)
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

START_TEST(counts_for_prometheus)
{
	static const char *const parts[] = {
		"# TYPE chat_clients gauge\nchat_clients 1\n",
		"# TYPE chat_messages_total counter\n"
		"chat_messages_total 12345678901\n",
		"# TYPE chat_dropped_total counter\n"
		"chat_dropped_total{reason=\"refused\"} 0\n"
		"chat_dropped_total{reason=\"late\"} 3\n",
		"chat_dropped_total{reason=\"silent\"} 0\n",
	};
	struct client *c = make_member();

	total.messages = 12345678901;
	total.dropped[LATE] = 3;
	reply_metrics(0, false);
	buffers[0][c->filled] = '\0';
	for (size_t i = 0; i < COUNT(parts); i++)
		ck_assert_ptr_nonnull(strstr((char *)buffers[0], parts[i]));
}
END_TEST

static int polls;

/* Somebody comes, stays for some seconds, and does not answer our Close. */
static void visit(void)
{
	polls++;
	if (polls == 1) {
		table[0].revents = POLLIN;
		will("poll", 1, 0);
		will("accept", 7, 0);
		memcpy(incoming, shake, sizeof shake - 1);
		incoming_len = sizeof shake - 1;
	}
	if (polls == 5) {
		trace[traced = 0] = '\0';
		stopping = 1;
	}
}

START_TEST(waits_for_who_does_not_answer_when_it_ends)
{
	static char name[] = "chat", quiet[] = "-q";
	static char *argv[] = {name, quiet, NULL};

	descriptors.rlim_cur = descriptors.rlim_max = TABLE + FILES;
	set_address(&own, AF_INET, "127.0.0.1", 8080);
	meanwhile = visit;
	ck_assert_int_eq(whole_chat(2, argv), 0);
	ck_assert_mem_eq(outgoing, "\x88\x02\x03\xe9", 4);
	EXPECT("send 7 16\npoll 2 0\nsend 7 4\nclose 5\npoll 2 1000\n"
	       "poll 2 1000\nclose 7\n");
}
END_TEST

Suite *kernel_suite(void)
{
	Suite *suite = suite_create("kernel");
	TCase *t = tcase_create("chat.c and its calls");

	tcase_add_test(t, listens_on_all_addresses);
	tcase_add_loop_test(t, listens_where_it_can, 0, COUNT(failures));
	tcase_add_test(t, listens_on_the_address_given);
	tcase_add_test(t, inherits_what_is_meant_for_it);
	tcase_add_loop_test(t, refuses_to_inherit_what_does_not_listen, 0, 3);
	tcase_add_loop_test(t, says_where_to_point_a_browser, 0, COUNT(places));
	tcase_add_test(t, points_no_browser_at_a_local_socket);
	tcase_add_test(t, takes_the_first_three_descriptors);
	tcase_add_loop_test(t, fits_into_the_limit_of_descriptors, 0,
			    COUNT(limits));
	tcase_add_test(t, ends_when_it_cannot_ask_for_the_limit);
	tcase_add_test(t, ends_at_the_second_signal);
	tcase_add_test(t, accepts_until_none_waits);
	tcase_add_test(t, accepts_no_blocking_socket);
	tcase_add_loop_test(t, rests_when_it_cannot_accept, 0, 2);
	tcase_add_test(t, accepts_in_step_with_the_crowd);
	tcase_add_loop_test(t, bears_what_passes_when_it_reads, 0,
			    COUNT(errors));
	tcase_add_loop_test(t, bears_what_passes_when_it_writes, 0,
			    COUNT(errors));
	tcase_add_test(t, writes_the_rest_when_there_is_room);
	tcase_add_loop_test(t, parts_from_who_hangs_up, 0, 3);
	tcase_add_test(t, waits_a_bit_when_it_cannot_poll);
	tcase_add_test(t, half_closes_what_is_answered);
	tcase_add_test(t, goes_from_start_to_end);
	tcase_add_test(t, counts_for_prometheus);
	tcase_add_test(t, refuses_a_foreign_page);
	tcase_add_test(t, sends_nothing_after_a_close);
	tcase_add_test(t, notes_since_when_it_is_congested);
	tcase_add_test(t, takes_the_most_that_options_may_be);
	tcase_add_test(t, waits_for_who_does_not_answer_when_it_ends);
	tcase_add_test(t, stays_calm_while_nothing_comes);
	tcase_add_test(t, cuts_what_is_too_long_to_say);
	tcase_add_test(t, shows_its_defaults_and_limits);
	tcase_add_test(t, lets_in_with_the_history);
	tcase_add_test(t, charges_each_frame);
	tcase_add_test(t, counts_from_a_messages_first_byte);
	tcase_add_test(t, pings_and_tells_the_number);
	tcase_add_test(t, gives_no_notice_as_a_bare_relay);
	tcase_add_test(t, keeps_room_for_a_close);
	tcase_add_test(t, waits_for_the_answer_to_its_close);
	tcase_add_loop_test(t, knows_who_is_late, 0, COUNT(lates));
	tcase_add_test(t, says_which_request_was_late);
	tcase_add_test(t, waits_for_what_each_state_needs);
	tcase_add_test(t, is_not_held_up_by_who_has_all);
	tcase_add_test(t, is_congested_when_the_log_might_overflow);
	tcase_add_test(t, sends_the_page_from_where_it_stopped);
	tcase_add_test(t, looks_first_at_another_in_each_pass);
	tcase_add_test(t, does_not_try_a_full_socket_when_something_comes);
	tcase_add_test(t, counts_time_by_the_clock);
	tcase_add_test(t, sleeps_an_hour_without_a_heartbeat);
	suite_add_tcase(suite, t);
	return suite;
}
