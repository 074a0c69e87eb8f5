/* SPDX-License-Identifier: MIT */
/*
 * A fake kernel that records each call as a line of text.  queue_answer() says
 * how a call to come ends; without an answer it succeeds.  EXPECT_CALLS()
 * compares the lines and forgets them.
 *
 *     queue_answer("bind", -1, EADDRINUSE);
 *     ck_assert_int_eq(listen_on("::"), -1);
 *     EXPECT_CALLS("socket IPv6 stream\n...bind 5 :: 8080\nclose 5\n");
 */
#ifndef TCP_NOTSENT_LOWAT /* as in chat.c */
#define TCP_NOTSENT_LOWAT (-1)
#endif

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

/* A test sets these: the calls hand them out beside their results. */
static struct sockaddr_storage own_address;     /* of a listening socket */
static struct sockaddr_storage outward_address; /* of UDP, and of a peer */
static struct rlimit descriptors = {9999, 9999};
static const char *listen_pid, *listen_fds;
static struct timespec clock_now, date_now; /* monotonic; since 1970 */
static mode_t file_mode; /* of the file at any path, or 0: there is none */
static size_t file_size; /* of the file that is open */
static void *file_bytes; /* what is in it */
static const char boot_now[40] = "3b8f\n"; /* the start of the system, */
enum { BOOT = 4 };                         /* and the file that tells it */
static int ignored_signal;                 /* at the start */
static void (*during_poll)(void);          /* called within each poll() */
static unsigned char outgoing[1000];       /* the start of what was sent last */
static unsigned char incoming[1000];       /* for the next recv() */
static size_t incoming_len;
static size_t wanted; /* how many bytes the last recv() was to bring at most */
static int accept_error = EAGAIN; /* when accept() has no answer */
static jmp_buf exited;

static void pass_ms(int ms)
{
	clock_now.tv_sec += ms / 1000;
	clock_now.tv_nsec += ms % 1000 * 1000000;
	if (clock_now.tv_nsec >= 1000000000) {
		clock_now.tv_nsec -= 1000000000;
		clock_now.tv_sec++;
	}
}

static socklen_t size_of(const void *address)
{
	int family = ((const struct sockaddr *)address)->sa_family;

	return family == AF_UNIX    ? sizeof(struct sockaddr_un)
	       : family == AF_INET6 ? sizeof(struct sockaddr_in6)
				    : sizeof(struct sockaddr_in);
}

static const char *describe(const void *address)
{
	static char out[120];
	const struct sockaddr_in *four = address;
	const struct sockaddr_in6 *six = address;
	char ip[INET6_ADDRSTRLEN];
	bool is_six = four->sin_family == AF_INET6;

	if (four->sin_family == AF_UNIX)
		return ((const struct sockaddr_un *)address)->sun_path;
	inet_ntop(four->sin_family,
		  is_six ? (const void *)&six->sin6_addr : &four->sin_addr, ip,
		  sizeof ip);
	snprintf(out, sizeof out, "%s %d", ip, ntohs(four->sin_port));
	return out;
}

/* A fake that checks its arguments, records them, gives what it has, if
   anything, and returns its answer. */
#define FAKE(type, call, parameters, valid, gives, usual, ...) \
	static type fake_##call parameters                     \
	{                                                      \
		ck_assert(valid);                              \
		record(__VA_ARGS__);                           \
		gives;                                         \
		return next_answer(#call, usual);              \
	}

FAKE(int, socket, (int family, int type, int protocol), protocol == 0, ,
     type == SOCK_STREAM ? 5 : 6, "socket %s %s\n",
     family == AF_UNIX    ? "unix"
     : family == AF_INET6 ? "IPv6"
			  : "IPv4",
     type == SOCK_STREAM ? "stream" : "datagram")
FAKE(int, bind, (int fd, const void *address, socklen_t size),
     size == size_of(address), , 0, "bind %d %s\n", fd, describe(address))
FAKE(int, listen, (int fd, int backlog), backlog == 4096, , 0, "listen %d\n",
     fd)
FAKE(int, accept, (int fd, void *address, socklen_t *size),
     *size == sizeof own_address,
     (memcpy(address, &outward_address, *size), errno = accept_error), -1,
     "accept %d\n", fd)
FAKE(int, getsockname, (int fd, void *address, socklen_t *size),
     *size == sizeof own_address,
     memcpy(address, fd == 6 ? &outward_address : &own_address, *size), 0,
     "name %d\n", fd)
FAKE(int, getsockopt,
     (int fd, int level, int option, void *value, socklen_t *size),
     level == SOL_SOCKET && option == SO_ACCEPTCONN && *size == sizeof(int),
     *(int *)value = next_answer("listens", 1), 0, "listens %d?\n", fd)
FAKE(int, connect, (int fd, const void *address, socklen_t size),
     size == size_of(address), , 0, "connect %d %s\n", fd, describe(address))
FAKE(ssize_t, send, (int fd, const void *data, size_t n, int flags),
     flags == MSG_NOSIGNAL,
     memcpy(outgoing, data, n < sizeof outgoing ? n : sizeof outgoing), (int)n,
     "send %d %zu\n", fd, n)
FAKE(int, shutdown, (int fd, int how), how == SHUT_WR, , 0, "shutdown %d\n", fd)
FAKE(int, close, (int fd), true, , 0, "close %d\n", fd)
FAKE(int, lstat, (const char *path, struct stat *file), true,
     (file->st_mode = file_mode, errno = ENOENT), file_mode != 0 ? 0 : -1,
     "lstat %s\n", path)
FAKE(int, fstat, (int fd, struct stat *file), true,
     (file->st_mode = file_mode, file->st_size = (off_t)file_size), 0,
     "stat %d\n", fd)
FAKE(int, posix_fallocate, (int fd, off_t from, off_t n), from == 0, , 0,
     "allocate %d %d\n", fd, (int)n)
FAKE(int, ftruncate, (int fd, off_t n), true, , 0, "truncate %d %d\n", fd,
     (int)n)
FAKE(int, msync, (void *at, size_t n, int flags),
     at == file_bytes && flags == MS_SYNC, , 0, "sync %zu\n", n)
FAKE(int, unlink, (const char *path), true, , 0, "unlink %s\n", path)
FAKE(mode_t, umask, (mode_t mask), true, , 022, "umask %o\n", (unsigned)mask)
FAKE(ssize_t, write, (int fd, const void *data, size_t n), true, , (int)n,
     "to %d: %.*s", fd, (int)n, (const char *)data)
FAKE(int, setrlimit, (int resource, const struct rlimit *r),
     resource == RLIMIT_NOFILE && r->rlim_max == descriptors.rlim_max, , 0,
     "descriptors %d\n", (int)r->rlim_cur)
FAKE(int, getrlimit, (int resource, struct rlimit *r),
     resource == RLIMIT_NOFILE, *r = descriptors, 0, "%s", "")
FAKE(int, clock_gettime, (clockid_t clock, struct timespec *t),
     clock == CLOCK_MONOTONIC || clock == CLOCK_REALTIME,
     *t = clock == CLOCK_REALTIME ? date_now : clock_now, 0, "%s", "")
FAKE(int, isatty, (int fd), fd == STDERR_FILENO, , 0, "%s", "")
FAKE(int, dup2, (int from, int to), true, , to, "copy %d to %d\n", from, to)
FAKE(int, alarm, (unsigned seconds), true, , 0, "alarm %u\n", seconds)

static int fake_fcntl(int fd, int command, ...)
{
	const struct flock *lock;
	va_list args;

	va_start(args, command);
	if (command == F_SETFL) {
		ck_assert_int_eq(va_arg(args, int), O_NONBLOCK);
		record("nonblocking %d\n", fd);
	} else {
		ck_assert_int_eq(command, F_SETLK);
		lock = va_arg(args, const struct flock *);
		ck_assert(lock->l_type == F_WRLCK && lock->l_start == 0 &&
			  lock->l_whence == SEEK_SET && lock->l_len == 0);
		record("lock %d\n", fd);
	}
	va_end(args);
	return next_answer("fcntl", 0);
}

/* Opens a device or the name of the system's start, or makes a file. */
static int fake_open(const char *path, int flags, ...)
{
	va_list args;

	ck_assert(strcmp(path, "/dev/stderr") != 0 ||
		  flags == (O_WRONLY | O_NOCTTY | O_NONBLOCK));
	va_start(args, flags);
	if (flags != (O_RDWR | O_CREAT | O_NONBLOCK))
		record("open %s\n", path);
	else
		record("create %s %o\n", path, va_arg(args, unsigned));
	va_end(args);
	return next_answer("open", flags == O_RDONLY ? BOOT : 3);
}

static void *fake_mmap(void *at, size_t n, int protection, int flags, int fd,
		       off_t from)
{
	ck_assert(at == NULL && protection == (PROT_READ | PROT_WRITE));
	ck_assert(flags == MAP_SHARED && from == 0);
	record("map %d %zu\n", fd, n);
	return next_answer("mmap", 0) < 0 ? MAP_FAILED : file_bytes;
}

static int fake_sigaction(int number, const struct sigaction *to,
			  struct sigaction *from)
{
	record("%s %s\n", to->sa_handler == SIG_IGN ? "ignore" : "handle",
	       number == SIGPIPE   ? "PIPE"
	       : number == SIGTTOU ? "TTOU"
	       : number == SIGXFSZ ? "XFSZ"
	       : number == SIGHUP  ? "HUP"
	       : number == SIGINT  ? "INT"
	       : number == SIGTERM ? "TERM"
	       : number == SIGALRM ? "ALRM"
				   : "?");
	if (from != NULL)
		from->sa_handler = number == ignored_signal ? SIG_IGN : SIG_DFL;
	return 0;
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
		{SOL_SOCKET, SO_SNDBUF, "send"},
		{SOL_SOCKET, SO_RCVBUF, "receive"},
		{IPPROTO_IPV6, IPV6_V6ONLY, "only"},
		{IPPROTO_TCP, TCP_NODELAY, "nodelay"},
		{IPPROTO_TCP, TCP_NOTSENT_LOWAT, "unsent"},
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

/* Of a file that is read in parts, the first is recorded. */
static ssize_t fake_pread(int fd, void *data, size_t n, off_t from)
{
	size_t size = fd == BOOT ? strlen(boot_now) : file_size;
	size_t left = size - (size_t)from;
	const char *all = fd == BOOT ? boot_now : file_bytes;
	int done;

	ck_assert(from >= 0 && (size_t)from <= size);
	if (from == 0)
		record("read %d\n", fd);
	done = next_answer("pread", (int)(n < left ? n : left));
	if (done > 0)
		memcpy(data, all + from, (size_t)done);
	return done;
}

static ssize_t fake_pwrite(int fd, const void *data, size_t n, off_t from)
{
	int done;

	ck_assert_int_eq(from, 0);
	if (*(const char *)data == '\0')
		record("zeros %d %zu\n", fd, n);
	else
		record("mark %d\n", fd);
	done = next_answer("pwrite", (int)n);
	if (done > 0)
		memcpy(file_bytes, data, (size_t)done);
	return done;
}

static ssize_t fake_recv(int fd, void *data, size_t n, int flags)
{
	size_t len = incoming_len;

	ck_assert_int_eq(flags, 0);
	record("recv %d\n", fd);
	MUST(n >= len, "recv() of %zu bytes", n);
	wanted = n;
	incoming_len = 0;
	memcpy(data, incoming, len);
	errno = EAGAIN;
	return next_answer("recv", len > 0 ? (int)len : -1);
}

/* Without an answer it waits until the end of its time. */
static int fake_poll(struct pollfd *fds, nfds_t n, int wait)
{
	int ready;

	if (n == 1 && fds->fd == STDERR_FILENO) {
		ck_assert(fds->events == POLLOUT && wait == 0);
		return next_answer("stderr", 1);
	}
	record("poll %d %d\n", (int)n, wait);
	if (during_poll != NULL)
		during_poll();
	ready = next_answer("poll", 0);
	if (ready == 0)
		pass_ms(wait);
	return ready;
}

static char *fake_getenv(const char *name)
{
	return (char *)(size_t)(strcmp(name, "LISTEN_PID") == 0 ? listen_pid
								: listen_fds);
}

static __attribute__((noreturn)) void fake_exit(int status)
{
	record("exit %d\n", status);
	longjmp(exited, 1);
}
