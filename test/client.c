/* SPDX-License-Identifier: MIT */
/* A server under test and its clients: see test.h. */
#define _GNU_SOURCE /* for setns() */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "handshake.h"
#include "test.h"

/* Reads the next bytes from a pipe or socket; returns 0 at its end. */
static size_t await_bytes(int fd, void *data, size_t len)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	ssize_t n;

	MUST(poll(&p, 1, WAIT) > 0, "nothing came");
	n = read(fd, data, len);
	if (n < 0 && errno == ECONNRESET)
		return 0;
	MUST(n >= 0, "read: %s", strerror(errno));
	return (size_t)n;
}

bool read_until(int fd, char *out, size_t size, const char *text)
{
	size_t len = strlen(out);

	while (strstr(out, text) == NULL) {
		if (len == size - 1 || await_bytes(fd, out + len, 1) == 0)
			return false;
		out[++len] = '\0';
	}
	return true;
}

int inherited_socket = -1, stderr_for_server = -1;
const char *address_for_server = "127.0.0.1";

/* Puts a runner and its options, such as valgrind or an emulator, in front of
   the server's arguments. */
static const char **prepend_runner(const char *runner, const char **args)
{
	static const char *all[64];
	static char words[400];
	int n = 0;

	snprintf(words, sizeof words, "%s", runner);
	for (char *w = strtok(words, " "); w != NULL; w = strtok(NULL, " "))
		all[n++] = w;
	while (*args != NULL)
		all[n++] = *args++;
	return all;
}

static int run(const char **args, int out, int err)
{
	pid_t pid = fork();

	if (pid == 0) {
		char self[16];

		signal(SIGINT, SIG_DFL); /* ignored in the background */
		dup2(out, STDOUT_FILENO);
		dup2(stderr_for_server >= 0 ? stderr_for_server : err,
		     STDERR_FILENO);
		if (stderr_for_server == CLOSED)
			close(STDERR_FILENO);
		if (inherited_socket >= 0) {
			snprintf(self, sizeof self, "%d", getpid());
			setenv("LISTEN_PID", self, 1);
			setenv("LISTEN_FDS", "1", 1);
			dup2(inherited_socket, 3);
		}
		for (int fd = inherited_socket >= 0 ? 4 : 3; fd < 100; fd++)
			close(fd);
		if (getenv("UNDER") != NULL && *getenv("UNDER") != '\0')
			args = prepend_runner(getenv("UNDER"), args);
		execvp(args[0], (char **)(size_t)args);
		_exit(127);
	}
	return pid;
}

void start(struct server *s, const char *binary, ...)
{
	const char *args[32] = {binary, "-a", address_for_server, "-p", "0"};
	char *line = s->greeting;
	const char *at;
	int out[2], err[2], n = 5;
	va_list more;

	va_start(more, binary);
	do
		args[n] = va_arg(more, const char *);
	while (args[n++] != NULL);
	va_end(more);
	ck_assert(pipe(out) == 0 && pipe(err) == 0);
	memset(s, 0, sizeof *s);
	s->pid = run(args, out[1], err[1]);
	s->err = err[0];
	close(out[1]);
	close(err[1]);
	ck_assert_msg(read_until(out[0], line, sizeof s->greeting, "\n"),
		      "%s did not start", binary);
	close(out[0]);
	at = strstr(line, " port ") != NULL ? strstr(line, " port ") + 6
					    : strrchr(line, ':') + 1;
	s->port = atoi(at);
	ck_assert_msg(s->port > 0 || inherited_socket >= 0, "no port in: %s",
		      line); /* of a unix-domain socket */
}

void start_bare_relay(struct server *s, const char *binary)
{
	start(s, binary, "-n", "0", "-t", "0", "-l", "0", NULL);
}

void await_log(struct server *s, const char *text)
{
	while (strstr(s->log, text) == NULL) {
		size_t len = strlen(s->log);
		size_t n = await_bytes(s->err, s->log + len,
				       sizeof s->log - 1 - len);
		ck_assert_msg(n > 0, "the log ended without: %s", text);
	}
}

int count_in_log(const struct server *s, const char *text)
{
	int n = 0;

	for (const char *at = s->log; (at = strstr(at, text)) != NULL; at++)
		n++;
	return n;
}

int await_exit(struct server *s)
{
	char rest[4096];
	int status;

	while (await_bytes(s->err, rest, sizeof rest) > 0)
		; /* until the server has closed it, by ending */
	close(s->err);
	ck_assert_int_eq(waitpid(s->pid, &status, 0), s->pid);
	ck_assert_msg(WIFEXITED(status), "ended by signal %d",
		      WTERMSIG(status));
	return WEXITSTATUS(status);
}

void close_clients(void)
{
	socklen_t size = sizeof(int);
	int type;

	for (int fd = 3; fd < 1100; fd++) {
		if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0)
			close(fd);
	}
}

int stop(struct server *s)
{
	kill(s->pid, SIGTERM);
	return await_exit(s);
}

/* Connects a new socket; its result is that of connect(). */
static int try_to_dial(const struct server *s, int fd)
{
	struct sockaddr_in a = {.sin_family = AF_INET,
				.sin_port = htons((in_port_t)s->port),
				.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

	return connect(fd, (void *)&a, sizeof a);
}

int dial_narrow(const struct server *s, int size)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;
	struct timeval wait = {.tv_sec = WAIT / 1000};

	if (size > 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
	ck_assert_msg(try_to_dial(s, fd) == 0, "connect: %s", strerror(errno));
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait);
	return fd;
}

int dial(const struct server *s)
{
	return dial_narrow(s, 0);
}

bool is_listening(const struct server *s)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	bool connected = try_to_dial(s, fd) == 0;

	close(fd);
	return connected;
}

void send_all(int fd, const void *data, size_t len)
{
	const char *at = data;

	while (len > 0) {
		ssize_t n = send(fd, at, len, MSG_NOSIGNAL);
		if (n < 0) /* the server may close before it has read all */
			ck_assert(errno == EPIPE || errno == ECONNRESET);
		if (n <= 0)
			return;
		at += n;
		len -= (size_t)n;
	}
}

void send_string(int fd, const char *text)
{
	send_all(fd, text, strlen(text));
}

void read_until_end(int fd, char *out, size_t size)
{
	size_t len = 0, n;

	while ((n = await_bytes(fd, out + len, size - 1 - len)) > 0)
		len += n;
	out[len] = '\0';
}

bool connection_ended(int fd)
{
	char byte;

	return await_bytes(fd, &byte, 1) == 0;
}

void reset_connection(int fd)
{
	const struct linger reset = {.l_onoff = 1};

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
	close(fd);
}

int send_request(struct server *s, const char *request)
{
	int fd = dial(s), status = 0;

	send_string(fd, request);
	read_until_end(fd, s->response, sizeof s->response);
	close(fd);
	sscanf(s->response, "HTTP/1.1 %d ", &status);
	return status;
}

void expect_status(struct server *s, const char *request, int status)
{
	int got = send_request(s, request);

	ck_assert_msg(got == status, "%d, not %d, for: %s", got, status,
		      request);
}

int count_descriptors(const struct server *s)
{
	char path[64];
	DIR *dir;
	int n = 0;

	snprintf(path, sizeof path, "/proc/%d/fd", (int)s->pid);
	dir = opendir(path);
	while (readdir(dir) != NULL)
		n++;
	closedir(dir);
	return n;
}

long read_proc(const struct server *s, const char *file, const char *format)
{
	char path[64], line[512];
	long value = -1;
	FILE *f;

	snprintf(path, sizeof path, "/proc/%d/%s", (int)s->pid, file);
	f = fopen(path, "r");
	while (value < 0 && fgets(line, sizeof line, f) != NULL)
		if (sscanf(line, format, &value) != 1)
			value = -1;
	fclose(f);
	return value;
}

long read_metric(struct server *s, const char *name)
{
	char line[128];
	const char *at;

	expect_status(s, GET_METRICS "\r\n", 200);
	snprintf(line, sizeof line, "\n%s ", name);
	at = strstr(s->response, line);
	ck_assert_msg(at != NULL, "no %s", name);
	return atol(at + strlen(line));
}

void expect_metric(struct server *s, const char *name, long value)
{
	long got = read_metric(s, name);

	ck_assert_msg(got == value, "%s is %ld, not %ld", name, got, value);
}

int join_room(const struct server *s, const char *extra)
{
	char request[1024], response[1024] = "";
	int fd = dial(s);

	snprintf(request, sizeof request,
		 GET_LINE "Host: 127.0.0.1:%d\r\n" UPGRADE_FIELDS "%s\r\n",
		 s->port, extra);
	send_string(fd, request);
	MUST(read_until(fd, response, sizeof response, "\r\n\r\n"),
	     "no response, but: %s", response);
	ck_assert_msg(strncmp(response, "HTTP/1.1 101 ", 13) == 0, "%s",
		      response);
	ck_assert_ptr_nonnull(
		strstr(response, "Accept: " SAMPLE_ACCEPT "\r\n"));
	return fd;
}

size_t build_frame(unsigned char *out, int first, size_t declared,
		   const void *payload, size_t len)
{
	static const unsigned char mask[4] = {0xa5, 0x5a, 0x01, 0xff};
	int extended = declared < 126 ? 0 : declared < 65536 ? 2 : 8;
	size_t at = 2;

	out[0] = (unsigned char)first;
	out[1] = (unsigned char)(extended == 0   ? declared
				 : extended == 2 ? 126
						 : 127);
	out[1] |= 0x80;
	for (int k = extended - 1; k >= 0; k--)
		out[at++] = (unsigned char)((uint64_t)declared >> 8 * k);
	memcpy(out + at, mask, 4);
	at += 4;
	for (size_t i = 0; i < len; i++)
		out[at + i] = ((const unsigned char *)payload)[i] ^ mask[i % 4];
	return at + len;
}

void send_frame(int fd, int first, const void *payload, size_t len)
{
	unsigned char *frame = malloc(len + 14);

	send_all(fd, frame, build_frame(frame, first, len, payload, len));
	free(frame);
}

void send_message(int fd, const char *text)
{
	send_frame(fd, 0x81, text, strlen(text));
}

bool read_bytes(int fd, void *data, size_t len)
{
	unsigned char *out = data;

	while (len > 0) {
		size_t n = await_bytes(fd, out, len);
		if (n == 0)
			return false;
		out += n;
		len -= n;
	}
	return true;
}

int read_header(int fd, size_t *len)
{
	unsigned char head[10];
	size_t extended;

	if (!read_bytes(fd, head, 2))
		return -1;
	MUST(head[1] <= 127, "a masked frame from the server");
	extended = head[1] < 126 ? 0 : head[1] == 126 ? 2 : 8;
	MUST(read_bytes(fd, head + 2, extended), "half a header");
	*len = extended == 0 ? head[1] : 0;
	for (size_t i = 0; i < extended; i++)
		*len = *len << 8 | head[2 + i];
	return head[0];
}

struct frame *read_frame(int fd)
{
	static struct frame f;

	f.len = 0;
	f.first = read_header(fd, &f.len);
	MUST(f.len < sizeof f.data, "a frame of %zu bytes", f.len);
	MUST(read_bytes(fd, f.data, f.len), "half a frame");
	f.data[f.len] = '\0';
	return &f;
}

struct frame *read_message(int fd)
{
	struct frame *f;

	do
		f = read_frame(fd);
	while (f->first == 0x89 ||
	       (f->first == 0x81 &&
		strncmp((char *)f->data, "{\"online\":", 10) == 0));
	return f;
}

void expect_message(int fd, const char *text)
{
	struct frame *f = read_message(fd);

	ck_assert_msg(f->first == 0x81, "first byte %d, not text", f->first);
	ck_assert_str_eq((char *)f->data, text);
}

void expect_notice(int fd, int online)
{
	struct frame *f = read_frame(fd);
	char text[32];

	snprintf(text, sizeof text, "{\"online\":%d,", online);
	ck_assert_msg(f->first == 0x81, "first byte %d, not text", f->first);
	ck_assert_msg(strncmp((char *)f->data, text, strlen(text)) == 0,
		      "not %s, but %s", text, (char *)f->data);
}

void expect_close(int fd, int code)
{
	struct frame *f = read_message(fd);

	ck_assert_msg(f->first == 0x88, "first byte %d, not Close", f->first);
	if (code == 0)
		ck_assert_uint_eq(f->len, 0);
	else
		ck_assert_int_eq(f->data[0] << 8 | f->data[1], code);
	ck_assert_msg(connection_ended(fd), "something follows the Close");
	close(fd);
}

void begin_client(struct client *c, int fd)
{
	c->fd = fd;
	c->status = 0;
	c->have = c->at = c->from = 0;
	c->to = (size_t)sprintf((char *)c->out, HANDSHAKE "\r\n");
}

void add_frame(struct client *c, int first, const void *data, size_t len)
{
	MUST(CLIENT_BUFFER - c->to >= len + 14, "too much to send");
	c->to += build_frame(c->out + c->to, first, len, data, len);
}

void send_some(struct client *c, size_t max)
{
	size_t n = c->to - c->from < max ? c->to - c->from : max;
	ssize_t sent =
		send(c->fd, c->out + c->from, n, MSG_NOSIGNAL | MSG_DONTWAIT);

	c->from += sent > 0 ? (size_t)sent : 0;
	if (c->from == c->to)
		c->from = c->to = 0;
}

bool receive_some(struct client *c, size_t max)
{
	size_t space = sizeof c->in - 1 - c->have;
	ssize_t n = recv(c->fd, c->in + c->have, space < max ? space : max,
			 MSG_DONTWAIT);

	c->have += n > 0 ? (size_t)n : 0;
	c->in[c->have] = '\0';
	return n > 0 || (n < 0 && errno == EAGAIN);
}

const char *take_frame(struct client *c, int *first, size_t *len)
{
	const unsigned char *f = c->in + c->at;
	size_t left = c->have - c->at, header = 2;
	const char *end;

	if (c->status == 0 && (end = strstr((char *)f, "\r\n\r\n")) != NULL) {
		sscanf((char *)f, "HTTP/1.1 %d ", &c->status);
		c->at = (size_t)(end + 4 - (char *)c->in);
		return take_frame(c, first, len);
	}
	if (c->status != 0 && left >= 2) {
		header = f[1] < 126 ? 2 : 4;
		*first = f[0];
		*len = header == 2 ? f[1] : (size_t)f[2] << 8 | f[3];
		if (left >= header && left - header >= *len) {
			c->at += header + *len;
			return (const char *)f + header;
		}
	}
	memmove(c->in, f, left + 1);
	c->have = left;
	c->at = 0;
	return NULL;
}

/* ---- Networks ---- */

static int networks[NETWORKS];

/* %d: the process, and its descriptors of HOME and AWAY; %s: the line's rate.
 */
static const char topology[] =
	"set -e; pid=%d home=%d away=%d rate=%s\n"
	"at() { nsenter --net=/proc/$pid/fd/$1 sh -ec \"$2\"; }\n"
	"ip link set lo up\n"
	"ip link add home type veth peer name line netns /proc/$pid/fd/$home\n"
	"ip link add away type veth peer name line netns /proc/$pid/fd/$away\n"
	"tc qdisc add dev home root tbf rate $rate burst 64k latency 100ms\n"
	"ip addr add 10.1.0.1/16 dev home; ip addr add 10.2.0.1/16 dev away\n"
	"ip addr add fd00:1::1/64 dev home nodad\n"
	"ip addr add fd00:2::1/64 dev away nodad\n"
	"ip link set home up; ip link set away up\n"
	"at $home 'ip link set lo up; ip link set line up\n"
	"ip addr add 10.1.0.2/16 dev line\n"
	"ip route add local 10.1.1.0/24 dev lo\n"
	"for i in 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19; do\n"
	"ip addr add fd00:1::$i/64 dev line nodad; done'\n"
	"at $away 'ip link set lo up; ip link set line up\n"
	"ip addr add 10.2.0.2/16 dev line\n"
	"ip addr add fd00:2::2/64 dev line nodad\n"
	"ip route add local 10.2.1.0/24 dev lo\n"
	"ip addr add 10.2.0.32/16 dev line\n"
	"ip route add local fd00:9::/32 dev lo\n"
	"echo 1 >/proc/sys/net/ipv6/ip_nonlocal_bind'\n"
	"ip route add fd00:9::/32 via fd00:2::2\n";

static void enter_network(enum network n)
{
	static enum network here = SERVER; /* where make_networks() ends */

	MUST(n == here || setns(networks[n], CLONE_NEWNET) == 0, "setns");
	here = n;
}

void make_networks(const char *rate)
{
	char script[sizeof topology + 100];

	for (int n = NETWORKS - 1; n >= 0; n--) {
		MUST(unshare(CLONE_NEWNET) == 0, "unshare");
		networks[n] = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	}
	snprintf(script, sizeof script, topology, (int)getpid(), networks[HOME],
		 networks[AWAY], rate);
	MUST(system(script) == 0, "cannot make networks");
}

static socklen_t make_address(struct sockaddr_storage *a, const char *ip,
			      int port)
{
	struct sockaddr_in *four = (void *)a;
	struct sockaddr_in6 *six = (void *)a;
	bool is_six = strchr(ip, ':') != NULL;

	memset(a, 0, sizeof *a);
	a->ss_family = is_six ? AF_INET6 : AF_INET;
	four->sin_port = htons((in_port_t)port); /* six's is there too */
	MUST(inet_pton(a->ss_family, ip,
		       is_six ? (void *)&six->sin6_addr
			      : (void *)&four->sin_addr) == 1,
	     "no address: %s", ip);
	return is_six ? sizeof *six : sizeof *four;
}

int call(const struct server *s, const char *from, int window)
{
	bool six = strchr(from, ':') != NULL;
	bool home = strncmp(from, six ? "fd00:1:" : "10.1.", 5 + 2 * six) == 0;
	bool local = strncmp(from, "127.", 4) == 0;
	const int on = 1;
	struct sockaddr_storage a;
	socklen_t size = make_address(&a, from, 0);
	int fd;

	if (!local)
		enter_network(home ? HOME : AWAY);
	fd = socket(a.ss_family, SOCK_STREAM | SOCK_NONBLOCK, 0);
	setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	if (window > 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &window, sizeof window);
	MUST(fd >= 0 && bind(fd, (void *)&a, size) == 0, "bind: %s: %s", from,
	     strerror(errno));
	size = make_address(&a,
			    local  ? "127.0.0.1"
			    : six  ? (home ? "fd00:1::1" : "fd00:2::1")
			    : home ? "10.1.0.1"
				   : "10.2.0.1",
			    s->port);
	MUST(connect(fd, (void *)&a, size) == 0 || errno == EINPROGRESS,
	     "connect: %s", strerror(errno));
	return fd;
}

int dial_from(const struct server *s, const char *from)
{
	int fd = call(s, from, 0);
	struct pollfd p = {.fd = fd, .events = POLLOUT};

	MUST(poll(&p, 1, WAIT) > 0, "no connection from %s", from);
	fcntl(fd, F_SETFL, 0);
	return fd;
}

int knock_from(const struct server *s, const char *from, int *fd)
{
	char response[2048] = "";
	int status = 0;

	*fd = dial_from(s, from);
	send_string(*fd, HANDSHAKE "\r\n");
	read_until(*fd, response, sizeof response, "\r\n\r\n");
	sscanf(response, "HTTP/1.1 %d ", &status);
	return status;
}

int join_room_from(const struct server *s, const char *from)
{
	int fd, status = knock_from(s, from, &fd);

	MUST(status == 101, "%d, not 101, for %s", status, from);
	return fd;
}

bool can_make_networks(void)
{
	int status = 1;
	pid_t pid;

	if (system("command -v ip tc nsenter >/dev/null") != 0)
		return false;
	pid = fork();
	if (pid == 0)
		_exit(geteuid() != 0 || unshare(CLONE_NEWNET) != 0);
	waitpid(pid, &status, 0);
	return status == 0;
}
