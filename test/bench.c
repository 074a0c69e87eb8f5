/* SPDX-License-Identifier: MIT */
/*
 * A load tool.  It opens clients, lets some of them speak, checks that every
 * client gets every message once and all in one same order, and says how fast
 * that went.  Beside it, on the same kernel and with the same receivers, it
 * measures the floor: plain send() calls of that size to as many sockets.
 *
 * With a host and a port, the server is there already, and only its owner sees
 * its processor time.  Else it is a program, started here.
 *
 * A message begins with 32 letters, hexadecimal, by which it is known:
 *
 *     run, 8 | speaker, 6 | its number, 8 | microseconds since we began, 10
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "handshake.h"

enum {
	CLIENTS = 100000,
	SPEAKERS = 1000,
	BYTES = 65535,    /* of a message, at most */
	ID = 32,          /* letters by which a message is known */
	RUN = 8,          /* the first of them, the same for all of ours */
	HEADER = 14,      /* bytes of the longest frame header, with a mask */
	OUT = 1 << 17,    /* bytes of a speaker that wait for the socket */
	SAID = 1 << 18,   /* messages known, for those who are behind */
	IN_FLIGHT = 1024, /* handshakes begun and not finished */
	QUIET = 1500,     /* ms without a byte after which a room is quiet */
	PATIENCE = 20000, /* ms that anything may take before it has failed */
	STEPS = 16,       /* latencies told apart within each power of 2 */
	BUCKETS = 40 * STEPS,
};

struct client {
	uint64_t seen; /* messages that it has heard */
	uint64_t skip; /* bytes of a frame that do not matter */
	unsigned have; /* bytes of the start of a frame, which does */
	unsigned char head[HEADER + ID];
};

struct speaker {
	unsigned said, owed, heard; /* messages */
	size_t from, to;            /* what waits in out */
	unsigned char out[OUT];
};

static struct pollfd table[CLIENTS];
static struct client clients[CLIENTS];
static struct speaker speakers[SPEAKERS];
static struct {
	uint64_t number; /* of the message, from 1 on; 0: none yet */
	uint64_t time;   /* when it was said, microseconds since we began */
	int speaker;
	char id[ID];
} said[SAID];
static char run[RUN + 1];
static unsigned char scratch[1 << 20];
static uint64_t messages, deliveries, latencies[BUCKETS];
static bool talking;
static double began; /* seconds of the monotonic clock */
static pid_t server; /* that was started here, or 0 */

static struct {
	const char *program, *host, *port;
	int bytes, clients, speakers;
	int window; /* messages of a speaker on their way, or */
	int rate;   /* messages a second of all, when that is not -1 */
	int seconds;
} opt = {"./chat", NULL, NULL, 64, 100, 10, 1, -1, 5};

/* What was measured. */
static struct {
	double connect_cpu; /* seconds */
	double cpu, time;   /* of the talk */
	long memory;        /* private bytes for each client, or -1 */
} got;

/* The floor: plain sends for a second of processor time, and how long it took
   on average to send to all. */
static struct {
	double sends, round;
} plain;

static void die(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fputs("bench: ", stderr);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	va_end(args);
	if (server > 0)
		kill(server, SIGTERM);
	exit(1);
}

static void check(bool ok, const char *what)
{
	if (!ok)
		die("%s: %s", what, strerror(errno));
}

/* ---- Clocks and meters ---- */

static double read_clock(clockid_t id)
{
	struct timespec t = {0};

	clock_gettime(id, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double wall(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

static uint64_t microseconds(void)
{
	return (uint64_t)((wall() - began) * 1e6);
}

/* Processor time of the server, when it is ours to see. */
static double server_cpu(void)
{
	clockid_t id;

	if (server == 0 || clock_getcpuclockid(server, &id) != 0)
		return 0;
	return read_clock(id);
}

/* Private bytes of the server, or -1 when the system does not tell. */
static long server_memory(void)
{
	char path[64], line[256];
	long sum = -1, kb;
	FILE *f;

	snprintf(path, sizeof path, "/proc/%d/smaps_rollup", (int)server);
	f = fopen(path, "r");
	while (f != NULL && fgets(line, sizeof line, f) != NULL) {
		if (sscanf(line, "Private_%*[^:]: %ld kB", &kb) == 1)
			sum = (sum < 0 ? 0 : sum) + kb * 1024;
	}
	if (f != NULL)
		fclose(f);
	return sum;
}

static void count_latency(uint64_t us)
{
	uint64_t n = us, at = 0;

	for (; n >= 2 * STEPS; n /= 2)
		at += STEPS;
	at += n;
	latencies[at < BUCKETS ? at : BUCKETS - 1]++;
}

/* The latency, in ms, that this share of all deliveries did not exceed. */
static double percentile(double share)
{
	double left = share * (double)deliveries;
	uint64_t at = 0;

	while (at < BUCKETS - 1 && (left -= (double)latencies[at]) > 0)
		at++;
	if (at < 2 * STEPS)
		return (double)(at + 1) / 1e3;
	return (double)((at % STEPS + STEPS + 1) << (at / STEPS - 1)) / 1e3;
}

/* ---- Hearing ---- */

/* The first client to hear a message finds out whose it is. */
static void meet(int i, uint64_t number, const char *id)
{
	uint64_t at = number % SAID;
	unsigned speaker, nth;
	unsigned long long us;

	if (said[at].number > number)
		die("client %d is %d messages behind", i, SAID);
	if (sscanf(id, "%*8c%6x%8x%10llx", &speaker, &nth, &us) != 3 ||
	    speaker >= (unsigned)opt.speakers ||
	    nth != speakers[speaker].heard++)
		die("client %d was not to hear %.32s", i, id);
	said[at].number = number;
	said[at].speaker = (int)speaker;
	said[at].time = us;
	memcpy(said[at].id, id, ID);
}

static void hear(int i, const char *id, uint64_t time)
{
	uint64_t number = ++clients[i].seen, at = number % SAID;

	if (said[at].number != number)
		meet(i, number, id);
	else if (memcmp(said[at].id, id, ID) != 0)
		die("client %d hears %.32s where others heard %.32s", i, id,
		    said[at].id);
	deliveries++;
	count_latency(time - said[at].time);
	if (talking && opt.rate < 0 && said[at].speaker == i)
		speakers[i].owed++;
}

/* RFC 6455, 5.2: the size of a header, and the payload length that it has. */
static unsigned header_size(const unsigned char *head)
{
	return head[1] < 126 ? 2 : head[1] == 126 ? 4 : 10;
}

static uint64_t payload_length(const unsigned char *head)
{
	unsigned size = header_size(head);
	uint64_t len = size == 2 ? head[1] : 0;

	for (unsigned k = 2; k < size; k++)
		len = len << 8 | head[k];
	return len;
}

/* Takes what matters of a frame: the header, and as much as ID letters. Returns
   their size; 0 when not all n bytes of them are there. */
static size_t take_frame(int i, const unsigned char *head, size_t n,
			 uint64_t time)
{
	static const unsigned char pong[] = {0x8a, 0x80, 0, 0, 0, 0};
	unsigned size = n < 2 ? 2 : header_size(head);
	uint64_t len = n < size ? 0 : payload_length(head);
	unsigned id = len < ID ? (unsigned)len : ID;

	if (n < size || n - size < id)
		return 0;
	if (head[0] == 0x88)
		die("client %d gets a Close", i);
	if (head[0] == 0x89)
		send(table[i].fd, pong, sizeof pong, MSG_NOSIGNAL);
	if (head[0] == 0x81 && id == ID && memcmp(head + size, run, RUN) == 0)
		hear(i, (const char *)head + size, time);
	clients[i].skip = len - id;
	return size + id;
}

/* Takes what came, in whatever pieces; what begins a frame is kept. */
static void take(int i, const unsigned char *data, size_t len)
{
	struct client *c = &clients[i];
	uint64_t time = microseconds();
	size_t at = 0;

	while (at < len) {
		size_t n = len - at, used;

		if (c->skip > 0) {
			n = n < c->skip ? n : (size_t)c->skip;
			c->skip -= n;
			at += n;
			continue;
		}
		if (c->have == 0 &&
		    (used = take_frame(i, data + at, n, time))) {
			at += used;
			continue;
		}
		n = n < sizeof c->head - c->have ? n : sizeof c->head - c->have;
		memcpy(c->head + c->have, data + at, n);
		used = take_frame(i, c->head, c->have + n, time);
		at += used > 0 ? used - c->have : n;
		c->have = used > 0 ? 0 : c->have + (unsigned)n;
	}
}

/* Waits at most so many ms and takes what has come.  Returns how many bytes
   that were, or -1 when a connection has ended. */
static long listen_for(int ms)
{
	int ready = poll(table, (nfds_t)opt.clients, ms);
	long sum = 0;

	for (int i = 0; ready > 0 && i < opt.clients; i++) {
		ssize_t n;

		if (table[i].revents == 0)
			continue;
		ready--;
		if ((table[i].revents & ~POLLOUT) == 0)
			continue;
		n = recv(table[i].fd, scratch, sizeof scratch, 0);
		if (n <= 0)
			return -1;
		take(i, scratch, (size_t)n);
		sum += n;
	}
	return sum;
}

/* ---- Speaking ---- */

/* Writes the next message of a speaker, masked, behind what waits already. */
static void compose(int i)
{
	static const unsigned char mask[4] = {0xa5, 0x5a, 0x01, 0x7f};
	struct speaker *s = &speakers[i];
	unsigned char *out = s->out + s->to;
	char id[64];

	snprintf(id, sizeof id, "%.8s%06x%08x%010llx", run, (unsigned)i,
		 s->said, (unsigned long long)microseconds());
	*out++ = 0x81;
	*out++ = (unsigned char)(0x80 | (opt.bytes < 126 ? opt.bytes : 126));
	if (opt.bytes >= 126) {
		*out++ = (unsigned char)(opt.bytes >> 8);
		*out++ = (unsigned char)opt.bytes;
	}
	memcpy(out, mask, sizeof mask);
	out += sizeof mask;
	for (int k = 0; k < opt.bytes; k++)
		*out++ = (unsigned char)(k < ID ? id[k] : 'x') ^ mask[k % 4];
	s->to = (size_t)(out - s->out);
	s->said++;
	s->owed--;
	messages++;
}

/* Says what a speaker owes, as far as its socket takes it. */
static void speak(int i)
{
	struct speaker *s = &speakers[i];
	ssize_t n;

	if (s->from == s->to)
		s->from = s->to = 0;
	while (s->owed > 0 && OUT - s->to >= (size_t)(opt.bytes + HEADER))
		compose(i);
	table[i].events = POLLIN;
	if (s->from == s->to)
		return;
	n = send(table[i].fd, s->out + s->from, s->to - s->from,
		 MSG_NOSIGNAL | MSG_DONTWAIT);
	check(n > 0 || errno == EAGAIN, "send");
	s->from += n > 0 ? (size_t)n : 0;
	if (s->from < s->to)
		table[i].events = POLLIN | POLLOUT;
}

/* At a rate: says what is due, and returns the ms until more is. */
static int keep_pace(double time)
{
	uint64_t due = (uint64_t)(time * opt.rate) + 1, owed = messages;

	for (int i = 0; i < opt.speakers; i++)
		owed += speakers[i].owed;
	for (; owed < due; owed++)
		speakers[owed % (unsigned)opt.speakers].owed++;
	return (int)(((double)due / opt.rate - time) * 1e3) + 1;
}

static void talk(void)
{
	double end, cpu = server_cpu(), last;

	began = wall();
	end = began + opt.seconds;
	talking = true;
	for (int i = 0; i < opt.speakers && opt.rate < 0; i++)
		speakers[i].owed = (unsigned)opt.window;
	while (wall() < end) {
		int ms = opt.rate > 0 ? keep_pace(wall() - began) : 100;

		for (int i = 0; i < opt.speakers; i++)
			speak(i);
		if (listen_for(ms) < 0)
			die("a connection has ended");
	}
	talking = false;
	for (last = wall(); deliveries < messages * (uint64_t)opt.clients;) {
		for (int i = 0; i < opt.speakers; i++)
			speak(i);
		if (listen_for(100) != 0)
			last = wall();
		else if (wall() - last > PATIENCE / 1e3)
			die("%llu deliveries of %llu messages to %d clients",
			    (unsigned long long)deliveries,
			    (unsigned long long)messages, opt.clients);
	}
	got.time = wall() - began;
	got.cpu = server_cpu() - cpu;
}

/* ---- Connecting ---- */

static int dial(const struct addrinfo *to)
{
	int fd = socket(to->ai_family, SOCK_STREAM, 0), on = 1;

	check(fd >= 0, "socket");
	check(connect(fd, to->ai_addr, to->ai_addrlen) == 0, "connect");
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	return fd;
}

/* Takes the response, and leaves the frames behind it. */
static void await_response(int i)
{
	char *text = (char *)scratch, *end = NULL;
	ssize_t n = 0;

	while (end == NULL) {
		if (poll(&table[i], 1, PATIENCE) <= 0)
			die("client %d gets no response", i);
		n = recv(table[i].fd, text, 4096, MSG_PEEK);
		if (n <= 0)
			die("client %d gets no response", i);
		text[n] = '\0';
		end = strstr(text, "\r\n\r\n");
	}
	if (strncmp(text, "HTTP/1.1 101 ", 13) != 0 ||
	    strstr(text, "Sec-WebSocket-Accept: " SAMPLE_ACCEPT "\r\n") == NULL)
		die("client %d gets the response %.*s", i,
		    (int)strcspn(text, "\r"), text);
	recv(table[i].fd, text, (size_t)(end + 4 - text), 0);
}

static void connect_all(const struct addrinfo *to)
{
	static const char request[] = HANDSHAKE "\r\n";
	double time, cpu = server_cpu();
	long memory = server_memory();

	for (int i = 0; i < opt.clients; i++) {
		table[i] = (struct pollfd){.fd = dial(to), .events = POLLIN};
		check(send(table[i].fd, request, sizeof request - 1, 0) > 0,
		      "send");
		if (i >= IN_FLIGHT)
			await_response(i - IN_FLIGHT);
	}
	for (int i = opt.clients > IN_FLIGHT ? opt.clients - IN_FLIGHT : 0;
	     i < opt.clients; i++)
		await_response(i);
	got.connect_cpu = server_cpu() - cpu;
	for (time = wall(); wall() - time < PATIENCE / 1e3;)
		if (listen_for(QUIET) <= 0)
			break;
	got.memory = memory < 0 ? -1 : (server_memory() - memory) / opt.clients;
}

/* ---- The floor ---- */

/* Sends a frame to all, again and again with pauses as with the rates in the
   table, and writes what that cost to out. */
static void send_rounds(int listener, int out)
{
	static int fds[CLIENTS];
	double cpu, rounds = 0, spent = 0, end = wall() + opt.seconds;
	size_t size = (size_t)opt.bytes + (opt.bytes < 126 ? 2 : 4);
	struct timespec pause = {.tv_nsec = 9999L * opt.clients};
	int on = 1;

	for (int i = 0; i < opt.clients; i++) {
		fds[i] = accept(listener, NULL, NULL);
		setsockopt(fds[i], IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	}
	scratch[0] = 0x81;
	scratch[1] = (unsigned char)(opt.bytes < 126 ? opt.bytes : 126);
	scratch[2] = (unsigned char)(opt.bytes >> 8);
	scratch[3] = (unsigned char)opt.bytes;
	cpu = read_clock(CLOCK_PROCESS_CPUTIME_ID);
	for (; wall() < end; rounds++) {
		spent -= wall();
		for (int i = 0; i < opt.clients; i++)
			check(send(fds[i], scratch, size, MSG_NOSIGNAL) > 0,
			      "send");
		spent += wall();
		nanosleep(&pause, NULL);
	}
	cpu = read_clock(CLOCK_PROCESS_CPUTIME_ID) - cpu;
	plain.sends = rounds * opt.clients / cpu;
	plain.round = spent / rounds;
	check(write(out, &plain, sizeof plain) == sizeof plain, "write");
}

static void measure_floor(void)
{
	struct sockaddr_in a = {.sin_family = AF_INET,
				.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct addrinfo to = {.ai_family = AF_INET,
			      .ai_addr = (void *)&a,
			      .ai_addrlen = sizeof a};
	int listener = socket(AF_INET, SOCK_STREAM, 0), fd[2];
	pid_t child;

	check(bind(listener, (void *)&a, sizeof a) == 0 &&
		      listen(listener, SOMAXCONN) == 0 && pipe(fd) == 0,
	      "listen");
	getsockname(listener, to.ai_addr, &to.ai_addrlen);
	child = fork();
	if (child == 0) {
		send_rounds(listener, fd[1]);
		_exit(0);
	}
	for (int i = 0; i < opt.clients; i++)
		table[i] = (struct pollfd){.fd = dial(&to), .events = POLLIN};
	while (listen_for(PATIENCE) > 0)
		;
	check(read(fd[0], &plain, sizeof plain) == sizeof plain, "read");
	waitpid(child, NULL, 0);
	for (int i = 0; i < opt.clients; i++)
		close(table[i].fd);
	close(listener);
	close(fd[0]);
	close(fd[1]);
	memset(clients, 0, sizeof clients);
}

/* ---- A server of our own ---- */

/* Starts it with no limit of the rate; it says at which port it listens. */
static void start(void)
{
	static char port[6];
	char line[256] = "";
	int fd[2];

	check(pipe(fd) == 0, "pipe");
	server = fork();
	if (server == 0) {
		dup2(fd[1], STDOUT_FILENO);
		close(fd[0]);
		close(fd[1]);
		execl(opt.program, opt.program, "-q", "-a", "127.0.0.1", "-p",
		      "0", "-l", "0", (char *)NULL);
		die("%s: %s", opt.program, strerror(errno));
	}
	close(fd[1]);
	for (size_t len = 0; strchr(line, '\n') == NULL; len++)
		if (read(fd[0], line + len, 1) != 1)
			die("%s does not start", opt.program);
	if (sscanf(line, "%*[^/]//127.0.0.1:%5[0-9]", port) != 1)
		die("%s says no port: %s", opt.program, line);
	close(fd[0]);
	opt.host = "127.0.0.1";
	opt.port = port;
}

static void stop(void)
{
	int status;

	kill(server, SIGTERM);
	waitpid(server, &status, 0);
	server = 0;
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		die("%s ended with status %d", opt.program, status);
}

/* ---- Runs and what they say ---- */

static void measure(void)
{
	struct addrinfo want = {.ai_socktype = SOCK_STREAM}, *to;
	const rlim_t want_files = (rlim_t)opt.clients + 64;
	struct rlimit files;
	int error;

	getrlimit(RLIMIT_NOFILE, &files);
	if (files.rlim_cur < want_files)
		files.rlim_cur = want_files;
	if (files.rlim_max < want_files)
		files.rlim_max = want_files;
	check(setrlimit(RLIMIT_NOFILE, &files) == 0, "so many open files");
	snprintf(run, sizeof run, "%08x", (unsigned)getpid());
	if (opt.rate != 0)
		measure_floor();
	if (opt.host == NULL)
		start();
	error = getaddrinfo(opt.host, opt.port, &want, &to);
	if (error != 0)
		die("%s: %s", opt.host, gai_strerror(error));
	connect_all(to);
	freeaddrinfo(to);
	talk();
	if (server > 0)
		stop();
}

/* Prints what was measured, as a row of the table; a server that is not ours
   shows neither its processor time nor its memory. */
static void print_row(void)
{
	double per_cpu = got.cpu > 0 ? (double)deliveries / got.cpu : 0;

	if (opt.rate == 0)
		printf("| %d | nobody | | | | | | | ", opt.clients);
	else
		printf("| %d | %d %s | %d | %.0f | %.0f | %.2f | %.1f | %.1f | "
		       "%.1f ",
		       opt.clients,
		       opt.rate > 0 ? opt.rate : opt.speakers * opt.window,
		       opt.rate > 0 ? "a second" : "at once", opt.bytes,
		       plain.sends, per_cpu, per_cpu / plain.sends,
		       percentile(0.5), percentile(0.99), plain.round * 1e3);
	printf("| %.3f | %ld | %.2f %% | %.0f |\n", got.connect_cpu, got.memory,
	       100 * got.cpu / got.time, (double)deliveries / got.time);
}

static void print_head(void)
{
	puts("| clients | messages | bytes | plain sends a CPU s | deliveries "
	     "a CPU s | ratio | p50 ms | p99 ms | plain sends to all ms | "
	     "connecting CPU s | bytes each | server | deliveries a s |\n"
	     "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | "
	     "--- | --- | --- |");
	fflush(stdout);
}

/* Measures in a process of its own. */
static void row(int n, int rate, int window, int bytes)
{
	int status = 0;
	pid_t child = fork();

	if (child == 0) {
		opt.clients = n;
		opt.rate = rate;
		opt.window = window;
		opt.bytes = bytes;
		opt.seconds = rate == 0 ? 30 : opt.seconds;
		measure();
		print_row();
		exit(0);
	}
	waitpid(child, &status, 0);
	if (status != 0)
		exit(1);
}

static void print_table(void)
{
	for (int n = 100; n <= 10000; n *= 10) {
		row(n, 50000 / n, 0, 64);
		row(n, -1, 1, 64);
		row(n, -1, 16, 64);
	}
	row(1000, 50, 0, 4096);
	for (int n = 100; n <= 10000; n *= 10)
		row(n, 0, 0, 64);
}

static void usage(void)
{
	fputs("usage: bench [-t] [-b bytes] [-c clients] [-d seconds] "
	      "[-r messages a second]\n"
	      "             [-s speakers] [-w window] [-x program] "
	      "[host port]\n"
	      "-t: the whole table; -r 0: nobody speaks; without -r each "
	      "speaker has `window`\nmessages on their way all the time\n",
	      stderr);
	exit(2);
}

static int number(const char *s, int min, int max)
{
	char *end;
	long n = strtol(s, &end, 10);

	if (*s == '\0' || *end != '\0' || n < min || n > max)
		usage();
	return (int)n;
}

int main(int argc, char **argv)
{
	bool table_wanted = false;
	int o;

	while ((o = getopt(argc, argv, "b:c:d:r:s:tw:x:")) != -1) {
		switch (o) {
		case 'b': opt.bytes = number(optarg, ID, BYTES); break;
		case 'c': opt.clients = number(optarg, 1, CLIENTS); break;
		case 'd': opt.seconds = number(optarg, 1, 1000000); break;
		case 'r': opt.rate = number(optarg, 0, 1000000); break;
		case 's': opt.speakers = number(optarg, 1, SPEAKERS); break;
		case 't': table_wanted = true; break;
		case 'w': opt.window = number(optarg, 1, 10000); break;
		case 'x': opt.program = optarg; break;
		default: usage();
		}
	}
	if (optind != argc && optind != argc - 2)
		usage();
	opt.host = argv[optind];
	opt.port = opt.host == NULL ? NULL : argv[optind + 1];
	if (opt.speakers > opt.clients)
		opt.speakers = opt.clients;
	print_head();
	if (table_wanted) {
		print_table();
		return 0;
	}
	measure();
	print_row();
	return 0;
}
