/* SPDX-License-Identifier: MIT */
/*
 * A fake kernel that records each call as a line of text.  queue_answer() says
 * how a call to come ends; without an answer it succeeds.  EXPECT_CALLS()
 * compares the lines and forgets them.
 *
 *     queue_answer("bind", -1, EADDRINUSE);
 *     ck_assert(!listen_here());
 *     EXPECT_CALLS("socket IPv6 stream 0\n...bind 5 :: 8080\nclose 5\n");
 */
static char trace[8192];
static size_t traced;

static void record(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	traced += (size_t)vsnprintf(trace + traced, sizeof trace - traced,
				    format, args);
	va_end(args);
}

static void clear_calls(void)
{
	traced = 0;
	trace[0] = '\0';
}

#define EXPECT_CALLS(text)                     \
	do {                                   \
		ck_assert_str_eq(trace, text); \
		clear_calls();                 \
	} while (0)

/* The answers to come, in order: each waits for the next call of its name. */
static struct answer {
	const char *call;
	int result, error;
} script[16];
static size_t answers, answered;

static void queue_answer(const char *call, int result, int error)
{
	script[answers++] = (struct answer){call, result, error};
}

static int next_answer(const char *call, int usual)
{
	const struct answer *a = &script[answered];

	if (answered == answers || strcmp(a->call, call) != 0)
		return usual;
	answered++;
	if (a->error != 0)
		errno = a->error;
	return a->result;
}

/* What calls give back besides, set by a test. */
static struct sockaddr_storage own_address;     /* of a listening socket */
static struct sockaddr_storage outward_address; /* of UDP, and of a peer */
static struct rlimit descriptors;
static const char *listen_pid, *listen_fds;
static struct timespec clock_now;
static void (*during_poll)(void);    /* called within each poll() */
static unsigned char outgoing[1000]; /* the start of what was sent last */
static unsigned char incoming[1000]; /* for the next recv() */
static size_t incoming_len;
static int accept_error = EAGAIN; /* when accept() has no answer */
static jmp_buf exited;

static const char *describe(const void *address)
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
	record("socket %s %s %d\n", family == AF_INET6 ? "IPv6" : "IPv4",
	       type == SOCK_STREAM ? "stream" : "datagram", protocol);
	return next_answer("socket", type == SOCK_STREAM ? 5 : 6);
}

static int fake_bind(int fd, const void *address, socklen_t size)
{
	const struct sockaddr_in *four = address;

	record("bind %d %s\n", fd, describe(address));
	ck_assert_uint_eq(size, four->sin_family == AF_INET6
					? sizeof(struct sockaddr_in6)
					: sizeof *four);
	return next_answer("bind", 0);
}

static int fake_listen(int fd, int backlog)
{
	record("listen %d\n", fd);
	ck_assert_int_eq(backlog, SOMAXCONN);
	return next_answer("listen", 0);
}

static int fake_fcntl(int fd, int command, int flags)
{
	ck_assert(command == F_SETFL && flags == O_NONBLOCK);
	record("nonblocking %d\n", fd);
	return next_answer("fcntl", 0);
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
	const int *numbers = value; /* one, or the two of struct linger */

	for (size_t i = 0; i < COUNT(names); i++) {
		if (names[i].level == level && names[i].option == option)
			record("%s %d", names[i].name, fd);
	}
	for (size_t i = 0; i < size / sizeof *numbers; i++)
		record(" %d", numbers[i]);
	record("\n");
	return next_answer("setsockopt", 0);
}

static int fake_getsockopt(int fd, int level, int option, void *value,
			   socklen_t *size)
{
	ck_assert(level == SOL_SOCKET && option == SO_ACCEPTCONN);
	ck_assert_uint_eq(*size, sizeof(int));
	record("listens %d?\n", fd);
	*(int *)value = next_answer("listens", 1);
	return next_answer("getsockopt", 0);
}

static int fake_getsockname(int fd, void *address, socklen_t *size)
{
	ck_assert_uint_eq(*size, sizeof own_address);
	record("name %d\n", fd);
	memcpy(address, fd == 6 ? &outward_address : &own_address,
	       sizeof own_address);
	return next_answer("getsockname", 0);
}

static int fake_connect(int fd, const void *address, socklen_t size)
{
	ck_assert_uint_eq(size, sizeof(struct sockaddr_in));
	record("connect %d %s\n", fd, describe(address));
	return next_answer("connect", 0);
}

static int fake_accept(int fd, void *address, socklen_t *size)
{
	ck_assert_uint_eq(*size, sizeof own_address);
	record("accept %d\n", fd);
	memcpy(address, &outward_address, sizeof outward_address);
	errno = accept_error;
	return next_answer("accept", -1);
}

static ssize_t fake_recv(int fd, void *data, size_t n, int flags)
{
	size_t len = incoming_len;

	ck_assert_int_eq(flags, 0);
	record("recv %d\n", fd);
	ck_assert_uint_gt(n, len);
	incoming_len = 0;
	memcpy(data, incoming, len);
	errno = EAGAIN;
	return next_answer("recv", len > 0 ? (int)len : -1);
}

static ssize_t fake_send(int fd, const void *data, size_t n, int flags)
{
	ck_assert_int_eq(flags, MSG_NOSIGNAL);
	record("send %d %zu\n", fd, n);
	memcpy(outgoing, data, n < sizeof outgoing ? n : sizeof outgoing);
	return next_answer("send", (int)n);
}

static int fake_shutdown(int fd, int how)
{
	ck_assert_int_eq(how, SHUT_WR);
	record("shutdown %d\n", fd);
	return next_answer("shutdown", 0);
}

static int fake_close(int fd)
{
	record("close %d\n", fd);
	return 0;
}

static int fake_open(const char *path, int flags)
{
	ck_assert_int_eq(flags, O_RDWR);
	record("open %s\n", path);
	return next_answer("open", 3);
}

static ssize_t fake_write(int fd, const void *data, size_t n)
{
	record("to %d: %.*s", fd, (int)n, (const char *)data);
	return next_answer("write", (int)n);
}

/* Time passes while it waits. */
static int fake_poll(struct pollfd *fds, nfds_t n, int wait)
{
	clock_now.tv_sec += wait / 1000;
	if (n == 1 && fds->fd == STDERR_FILENO) {
		ck_assert(fds->events == POLLOUT && wait == 0);
		return next_answer("stderr", 1);
	}
	record("poll %d %d\n", (int)n, wait);
	if (during_poll != NULL)
		during_poll();
	return next_answer("poll", 0);
}

static int fake_getrlimit(int resource, struct rlimit *r)
{
	ck_assert_int_eq(resource, RLIMIT_NOFILE);
	*r = descriptors;
	return next_answer("getrlimit", 0);
}

static int fake_setrlimit(int resource, const struct rlimit *r)
{
	ck_assert_int_eq(resource, RLIMIT_NOFILE);
	ck_assert(r->rlim_max == descriptors.rlim_max);
	record("descriptors %d\n", (int)r->rlim_cur);
	return next_answer("setrlimit", 0);
}

static int fake_sigaction(int number, const struct sigaction *to, void *from)
{
	ck_assert_ptr_null(from);
	record("%s %s\n", to->sa_handler == SIG_IGN ? "ignore" : "handle",
	       number == SIGPIPE   ? "PIPE"
	       : number == SIGTTOU ? "TTOU"
	       : number == SIGINT  ? "INT"
	       : number == SIGTERM ? "TERM"
	       : number == SIGALRM ? "ALRM"
				   : "?");
	return next_answer("sigaction", 0);
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
	*t = clock_now;
	return 0;
}

static unsigned fake_alarm(unsigned seconds)
{
	record("alarm %u\n", seconds);
	return 0;
}

static __attribute__((noreturn)) void fake_exit(int status)
{
	record("exit %d\n", status);
	longjmp(exited, 1);
}
