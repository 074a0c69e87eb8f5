/* SPDX-License-Identifier: MIT */
/*
 * Attacks by what every client may do: connect, send, read slowly.  Attackers
 * may be refused, made to wait, or dropped.  People are not: they come in,
 * stay, hear every message in order and get every page whole.
 *
 * The suite crowd attacks over loopback, where the server limits no address.
 * The suite attacks needs root: sh test/setup attacks; its clients have real
 * addresses, see make_networks().
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "handshake.h"
#include "test.h"

#define LOG_RATE 100 /* lines a second, at most */

static struct server s;
static FILE *lines;   /* the server's log */
static int64_t begun; /* us: when the server started */

static int64_t read_clock(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* Without a rate, over loopback. */
static void begin(const char *rate, const char *binary, const char *const *o)
{
	struct rlimit files;

	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	lines = tmpfile();
	stderr_for_server = fileno(lines);
	if (rate != NULL) {
		make_networks(rate);
		address_for_server = "::";
	}
	begun = read_clock();
	start(&s, binary, o[0], o[1], o[2], o[3], o[4], o[5], o[6], NULL);
}

static const char *const no_options[8];

/* The server has not ended, and nobody can fill a disk with its log. */
static void finish(void)
{
	int64_t seconds = (read_clock() - begun) / 1000000;
	char line[512];
	int status;
	long n = 0;

	kill(s.pid, SIGKILL);
	waitpid(s.pid, &status, 0);
	MUST(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL,
	     "it had ended before");
	rewind(lines);
	while (fgets(line, sizeof line, lines) != NULL)
		n++;
	MUST(n <= 2 * LOG_RATE * (seconds + 2), "%ld lines in the log", n);
}

/* A line with the figures of an attack. */
#define TELL(...) dprintf(STDOUT_FILENO, "attacks: " __VA_ARGS__)

/* ---- Rooms of clients with habits ---- */

enum {
	PEERS = 1000,
	BUCKETS = 1 << 14, /* of 0.1 ms */
	KIND_MAX = 3,      /* of clients in a room */
};

/* What a client does.  It pauses after it has heard what it said, or if it
   says several at once, or never reads, after it has said them. */
struct habit {
	int size;           /* bytes of its messages; 0: it says nothing */
	int pause;          /* ms between messages */
	int burst;          /* messages at once; 0: one */
	int window;         /* bytes of its receive buffer; 0: the kernel's */
	int line;           /* bytes that it can read in a second; 0: all; -1:
			       it never reads */
	int period, asleep; /* ms; it does not read for so long at the start
			       of each period since the last ping */
	int ping;           /* ms between its pings; 0: none */
	bool attacks;       /* it comes back when it is dropped */
};

static struct peer {
	const struct habit *habit;
	struct client c;
	char address[48];
	int said, pongs;
	int64_t due, ping_due;     /* us: when it says the next message */
	int64_t filled, allowance; /* us; bytes that its line had taken then */
	int heard[PEERS];          /* messages of each peer */
} peers[PEERS];                    /* the first is the witness */

static int peer_count;
static int64_t last_ping; /* us */

static struct {
	int64_t since;       /* us; all from since on: */
	int heard;           /* what the witness heard of people */
	int delays[BUCKETS]; /* how long messages of people took */
	int attackers_dropped, people_dropped;
} seen;

/* A message begins with who says it, its number, and the time. */
static void say(struct peer *c)
{
	const struct habit *h = c->habit;
	char text[4096];
	int n;

	for (int k = 0; k < (h->burst > 0 ? h->burst : 1); k++) {
		memset(text, '.', sizeof text);
		n = sprintf(text, "%d %d %lld", (int)(c - peers), c->said++,
			    (long long)read_clock());
		text[n] = '.';
		add_frame(&c->c, 0x81, text, (size_t)h->size);
	}
	c->due = h->line >= 0 && h->burst == 0
			 ? INT64_MAX
			 : read_clock() + (int64_t)1000 * h->pause;
}

/* Joins; an attacker talks after a pause, so that it has saved up its rate. */
static void join(struct peer *c)
{
	const struct habit *h = c->habit;

	begin_client(&c->c, call(&s, c->address, h->window));
	c->filled = read_clock();
	c->due = c->filled + (int64_t)1000 * (h->attacks ? h->pause + 20 : 0);
}

static void lose(struct peer *c)
{
	seen.attackers_dropped += c->habit->attacks;
	seen.people_dropped += !c->habit->attacks;
	close(c->c.fd);
	c->c.fd = -1;
	if (c->habit->attacks)
		join(c);
}

/* Hears a message.  Nothing is missing before it, except what an attacker had
   not sent when it was dropped. */
static void hear(struct peer *c, const char *text)
{
	char *at;
	int k = (int)strtol(text, &at, 10), n = (int)strtol(at, &at, 10);
	int64_t now = read_clock(), took = now - strtoll(at, &at, 10);
	bool of_people = k >= 0 && k < peer_count && !peers[k].habit->attacks;

	MUST(*at == '.', "peer %d hears a text that no peer has said",
	     (int)(c - peers));
	if (c == &peers[k] && c->habit->burst == 0)
		c->due = now + (int64_t)1000 * c->habit->pause;
	if (c->habit->attacks)
		return;
	MUST(n == c->heard[k] || (n > c->heard[k] && !of_people),
	     "%d hears %d of %d, not %d", (int)(c - peers), n, k, c->heard[k]);
	c->heard[k] = n + 1;
	seen.heard += c == peers && of_people;
	if (c == &peers[k])
		seen.delays[took / 100 < BUCKETS ? took / 100 : BUCKETS - 1]++;
}

/* Returns how many bytes a peer reads now; from a line, none or many. */
static size_t count_readable(struct peer *c, int64_t now)
{
	const struct habit *h = c->habit;
	int64_t space = (int64_t)(CLIENT_BUFFER - 1 - c->c.have);

	if (h->line < 0)
		return 0;
	if (h->period > 0 && (now - last_ping) / 1000 % h->period < h->asleep)
		return 0;
	if (h->line > 0) {
		c->allowance += (now - c->filled) * h->line / 1000000;
		c->filled = now;
		if (c->allowance > h->line / 5)
			c->allowance = h->line / 5;
		if (space > c->allowance)
			space = c->allowance < h->line / 100 ? 0 : c->allowance;
	}
	return (size_t)space;
}

static void read_some(struct peer *c, size_t max)
{
	size_t before = c->c.have, len;
	bool open = receive_some(&c->c, max);
	const char *data;
	int first;

	c->allowance -= (int64_t)(c->c.have - before);
	while ((data = take_frame(&c->c, &first, &len)) != NULL) {
		c->pongs += first == 0x8a && read_clock() - begun > 5000000;
		if (first == 0x89 && c == peers)
			last_ping = read_clock();
		if (first == 0x89 && c->c.to < CLIENT_BUFFER / 2)
			add_frame(&c->c, 0x8a, "", 0);
		else if (first == 0x81 && *data != '{') /* no notice */
			hear(c, data);
	}
	MUST(c->habit->attacks || c->c.status == 0 || c->c.status == 101,
	     "%d for a person", c->c.status);
	if (!open)
		lose(c);
}

static void act(struct peer *c, int64_t now)
{
	const struct habit *h = c->habit;
	bool is_in = c->c.status == 101 || h->line < 0; /* as far as it knows */

	if (!is_in || c->c.to > 0)
		return;
	if (h->size > 0 && now >= c->due)
		say(c);
	if (h->ping > 0 && now >= c->ping_due) {
		add_frame(&c->c, 0x89, "", 0);
		c->ping_due = now + (int64_t)1000 * h->ping;
	}
}

static void step(bool talking)
{
	static struct pollfd p[PEERS];
	static size_t max[PEERS];
	int64_t now = read_clock();

	for (int i = 0; i < peer_count; i++) {
		struct peer *c = &peers[i];

		if (talking && c->c.fd >= 0)
			act(c, now);
		max[i] = count_readable(c, now);
		p[i] = (struct pollfd){.fd = c->c.fd};
		p[i].events = (short)((max[i] > 0 ? POLLIN : 0) |
				      (c->c.to > 0 ? POLLOUT : 0));
	}
	poll(p, (nfds_t)peer_count, 2);
	for (int i = 0; i < peer_count; i++) {
		if (p[i].revents & POLLOUT)
			send_some(&peers[i].c, SIZE_MAX);
		if (p[i].revents & POLLIN)
			read_some(&peers[i], max[i]);
		else if (p[i].revents & (POLLERR | POLLHUP))
			lose(&peers[i]);
	}
}

static void talk(double seconds)
{
	int64_t end = read_clock() + (int64_t)(seconds * 1e6);

	while (read_clock() < end)
		step(true);
}

/* Returns how many messages of people the witness heard in a second since the
   last call, and sets *p95 to how many ms those took. */
static double look(double *p95)
{
	int64_t now = read_clock();
	double rate = seen.heard * 1e6 / (double)(now - seen.since);
	int total = 0, n = 0;

	for (int i = 0; i < BUCKETS; i++)
		total += seen.delays[i];
	*p95 = 0;
	for (int i = 0; i < BUCKETS && n < total * 0.95; i++) {
		n += seen.delays[i];
		*p95 = (i + 1) / 10.0;
	}
	memset(seen.delays, 0, sizeof seen.delays);
	seen.heard = 0;
	seen.since = now;
	return rate;
}

/* Returns how many messages people have still to hear of each other. */
static int count_missing(void)
{
	int n = 0;

	for (int i = 0; i < peer_count; i++)
		for (int k = 0; k < peer_count; k++)
			if (peers[k].said > 0 && !peers[i].habit->attacks &&
			    !peers[k].habit->attacks)
				n += peers[k].said - peers[i].heard[k];
	return n;
}

static int count_joined(void)
{
	int n = 0;

	for (int i = 0; i < peer_count; i++)
		n += peers[i].c.status == 101 || peers[i].habit->line < 0;
	return n;
}

struct kind {
	const struct habit *habit;
	int count, addresses;
	const char *from; /* with %d for the number of an address */
};

/* People come in before an attack; then the attackers come. */
static void add_peers(const struct kind *kinds, bool attack)
{
	int64_t end = read_clock() + (int64_t)1000 * WAIT;

	for (int k = 0; k < KIND_MAX && kinds[k].count > 0; k++) {
		if (kinds[k].habit->attacks != attack)
			continue;
		for (int i = 0; i < kinds[k].count; i++) {
			struct peer *c = &peers[peer_count++];

			c->habit = kinds[k].habit;
			snprintf(c->address, sizeof c->address, kinds[k].from,
				 2 + i % kinds[k].addresses);
			join(c);
		}
	}
	while (!attack && count_joined() < peer_count && read_clock() < end)
		step(false);
}

static const struct habit chatting = {.size = 100, .pause = 250};
static const struct habit busy = {.size = 1000, .pause = 50};
static const struct habit firehose = {.size = 1000, .burst = 25};
static const struct habit silent = {.size = 0};
static const struct habit on_line = {.window = 16384, .line = 1000000};
static const struct habit calm = {.size = 1000, .pause = 500};
static const struct habit on_thin_line = {
	.window = 4096, .line = 20000, .ping = 300};
static const struct habit dozing = {.period = 60000, .asleep = 1500};
static const struct habit greedy = {.size = 4000, .attacks = true};
static const struct habit bursting = {
	.size = 4000, .burst = 6, .pause = 5000, .attacks = true};
static const struct habit napping = {
	.window = 16384, .period = 1000, .asleep = 900, .attacks = true};
static const struct habit deaf = {
	.size = 1000, .pause = 67, .window = 1024, .line = -1, .attacks = true};
static const struct habit stopped = {
	.window = 1024, .line = -1, .attacks = true};

#define LOCAL  "127.0.0.%d"
#define PEOPLE "10.1.1.%d"
#define CROWDS "10.2.1.%d" /* of attackers */
#define LAN    "fd00:1::%d"
#define BUSY_ROOM(heartbeat)                            \
	NULL, BUSY,                                     \
	{                                               \
		"-n", "0", "-l", "200", "-t", heartbeat \
	}

/* clang-format off */
static const struct room {
	const char *name, *rate, *binary, *options[8];
	double seconds;
	struct kind kinds[KIND_MAX];
	int dropped; /* attackers, at least */
	int said;    /* by each person, at least */
	int pongs;   /* for a person that pings, after 5 seconds */
	int stopped; /* seconds for which the server is */
} rooms[] = {
	{"64 talkers of one address", "50mbit", CHAT, {0}, 8,
	 {{&chatting, 30, 30, PEOPLE}, {&greedy, 64, 1, CROWDS}}, .dropped = 0},
	{"30 addresses at once", "50mbit", CHAT, {0}, 7,
	 {{&chatting, 30, 30, PEOPLE}, {&bursting, 240, 30, CROWDS}}, .dropped = 0},
	{"4 talkers on a small board", "1mbit", BOARD, {0}, 11,
	 {{&chatting, 4, 4, PEOPLE}, {&bursting, 4, 1, CROWDS}}, .dropped = 0},
	{"16 addresses of a laptop on the LAN", "50mbit", CHAT, {0}, 7,
	 {{&chatting, 30, 30, PEOPLE}, {&bursting, 128, 16, LAN}}, .dropped = 0},
	{"63 talkers and their neighbour", "50mbit", CHAT, {0}, 20,
	 {{&chatting, 10, 10, PEOPLE}, {&chatting, 1, 1, CROWDS},
	  {&greedy, 63, 1, CROWDS}}, .said = 10},
	{"100 readers behind a slow line", "10mbit", CHAT, {0}, 30,
	 {{&silent, 100, 100, PEOPLE}, {&greedy, 16, 4, CROWDS}}, .dropped = 0},
	{"320 talkers of 5 addresses", "50mbit", CHAT, {0}, 8,
	 {{&chatting, 30, 30, PEOPLE}, {&greedy, 320, 5, CROWDS}}, .said = 16},
}, crowds[] = {
	{"a firehose, 940 that listen, 20 that do not", NULL, CROWD,
	 {"-n", "0", "-t", "0", "-l", "0"}, 4,
	 {{&firehose, 1, 1, LOCAL}, {&silent, 940, 1, LOCAL},
	  {&stopped, 20, 1, LOCAL}}, .dropped = 20},
	{"a reader that catches up at each ping", BUSY_ROOM("1"), 6,
	 {{&busy, 30, 1, LOCAL}, {&napping, 1, 1, LOCAL}}, .dropped = 1},
	{"readers that come back", BUSY_ROOM("0"), 6,
	 {{&chatting, 30, 1, LOCAL}, {&deaf, 20, 1, LOCAL}}, .dropped = 21},
	{"nobody; some are slow", BUSY_ROOM("0"), 4,
	 {{&busy, 30, 1, LOCAL}, {&on_line, 1, 1, LOCAL},
	  {&dozing, 1, 1, LOCAL}}, .dropped = 0},
	{"nobody; a line half as fast as the room", NULL, CHAT,
	 {"-n", "0", "-t", "0"}, 10,
	 {{&calm, 20, 1, LOCAL}, {&on_thin_line, 1, 1, LOCAL}}, .pongs = 2},
	{"nobody; the server is stopped", NULL, CHAT, {"-t", "2"}, 2,
	 {{&chatting, 20, 1, LOCAL}, {&silent, 480, 1, LOCAL}}, .stopped = 7},
};
/* clang-format on */

static void stop_for(int seconds)
{
	kill(s.pid, SIGSTOP);
	talk(seconds);
	kill(s.pid, SIGCONT);
}

/* Nobody but attackers is dropped, and everybody hears everything. */
static void attack(const struct room *r)
{
	double p95[2], before, after;
	int64_t end;

	begin(r->rate, r->binary, r->options);
	add_peers(r->kinds, false);
	look(p95);
	talk(1);
	before = look(&p95[0]);
	add_peers(r->kinds, true);
	if (r->stopped > 0)
		stop_for(r->stopped);
	talk(r->seconds);
	after = look(&p95[1]);
	for (int i = 0; i < peer_count; i++) { /* the attackers leave */
		if (peers[i].habit->attacks) {
			close(peers[i].c.fd);
			peers[i].c.fd = -1;
		}
	}
	end = read_clock() + (int64_t)1000 * WAIT;
	while (count_missing() > 0 && read_clock() < end)
		step(false);
	TELL("%s: dropped %d people and %d attackers, %d messages not heard, "
	     "%.0f/s and %.0f/s, p95 %.1f and %.1f ms\n",
	     r->name, seen.people_dropped, seen.attackers_dropped,
	     count_missing(), before, after, p95[0], p95[1]);
	ck_assert_int_eq(seen.people_dropped, 0);
	ck_assert_int_eq(count_missing(), 0);
	ck_assert_int_ge(seen.attackers_dropped, r->dropped);
	for (int i = 0; i < peer_count; i++) {
		ck_assert(peers[i].habit->attacks || peers[i].said >= r->said);
		ck_assert(peers[i].habit->ping == 0 ||
			  peers[i].pongs >= r->pongs);
	}
	finish();
}

START_TEST(drops_no_person_in_room)
{
	attack(&rooms[_i]);
}
END_TEST

START_TEST(drops_no_reader_in_crowd)
{
	attack(&crowds[_i]);
}
END_TEST

/* ---- Newcomers, while others hold places ---- */

enum {
	LOADS = 1200, /* pages at once: more than the table has entries */
	PAGES = 5000,
	SIEGE = 2000,   /* connections of attackers, at most */
	SERVED = 10,    /* newcomers meanwhile, at least */
	SEND_LATER = 8, /* a connection is there when so many more have come */
};

static struct load {
	size_t have;     /* bytes of the response that have come */
	char head[2048]; /* the first of those, as a C string */
} loads[LOADS];

static struct pollfd begin_load(struct load *l, const char *request, int number)
{
	struct pollfd p = {.events = POLLIN};
	char from[48];

	snprintf(from, sizeof from, PEOPLE, 2 + number % 200);
	*l = (struct load){0};
	p.fd = call(&s, from, 0);
	if (send(p.fd, request, strlen(request), MSG_NOSIGNAL) < 0)
		p.events = POLLOUT; /* it is not connected yet */
	return p;
}

/* Returns whether a response with 200 is as long as it says. */
static bool is_whole(const struct load *l)
{
	const char *end = strstr(l->head, "\r\n\r\n");
	const char *length = strstr(l->head, "Content-Length: ");

	return strncmp(l->head, "HTTP/1.1 200 ", 13) == 0 && end != NULL &&
	       length != NULL &&
	       l->have == (size_t)(end + 4 - l->head + atol(length + 16));
}

/* Reads at most max bytes of a response; returns true at its end. */
static bool load_ended(struct load *l, struct pollfd *p, size_t max,
		       const char *request)
{
	char data[8192];
	size_t space = sizeof l->head - 1 - strlen(l->head);
	ssize_t n;

	if (p->events == POLLOUT &&
	    send(p->fd, request, strlen(request), MSG_NOSIGNAL) > 0)
		p->events = POLLIN;
	n = recv(p->fd, data, max < sizeof data ? max : sizeof data, 0);
	if (n > 0) {
		strncat(l->head, data, (size_t)n < space ? (size_t)n : space);
		l->have += (size_t)n;
	}
	return n == 0 || (n < 0 && errno != EAGAIN);
}

/* So many come at once, and then so many more, so many ms apart. */
#define EMPTY_ROOM CHAT, false, 1200, 800, 3
#define FULL_ROOM  CHAT, true, 40, 80, 50
#define FULL_FAST  CHAT, true, 800, 800, 3
#define FULL_BOARD BOARD, true, 40, 80, 50

static const struct {
	const char *name, *text; /* that each of them sends */
	int addresses, window;
	const char *binary;
	bool full; /* of members */
	int first, more, ms;
} sieges[] = {
	{"X from one address", "X\r\n", 1, 0, EMPTY_ROOM},
	{"X from three", "X\r\n", 3, 0, EMPTY_ROOM},
	{"X from fifty", "X\r\n", 50, 0, EMPTY_ROOM},
	{"HEAD from three", "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n", 3, 0,
	 EMPTY_ROOM},
	{"pages that nobody reads", GET "\r\n", 50, 2304, EMPTY_ROOM},
	{"X from three, full room", "X\r\n", 3, 0, FULL_ROOM},
	{"X from fifty, full room", "X\r\n", 50, 0, FULL_ROOM},
	{"half requests from fifty, full room", "GET / HT", 50, 0, FULL_ROOM},
	{"pages for one, full room", GET "\r\n", 1, 2304, FULL_FAST},
	{"X from one, full board", "X\r\n", 1, 0, FULL_BOARD},
	{"silence from fifty, full board", "", 50, 0, FULL_BOARD},
};

static void fill_room(void)
{
	char from[48];
	int fd, k = 0;

	do
		snprintf(from, sizeof from, PEOPLE, 2 + k++ % 100);
	while (knock_from(&s, from, &fd) == 101);
}

/* The attackers never close; a page comes a bit in each step. */
START_TEST(lets_newcomers_in)
{
	static int held[SIEGE];
	static const char *const options[8] = {"-n", "0", "-t", "0"};
	const char *text = sieges[_i].text;
	const int first = sieges[_i].first;
	int served = 0, broken = 0;
	struct pollfd p = {.fd = -1};
	char from[48];

	begin("50mbit", sieges[_i].binary, options);
	if (sieges[_i].full)
		fill_room();
	for (int k = 0; k < first + sieges[_i].more; k++) {
		snprintf(from, sizeof from, "10.2.1.%d",
			 2 + k % sieges[_i].addresses);
		held[k] = call(&s, from, sieges[_i].window);
		if (k >= SEND_LATER)
			send(held[k - SEND_LATER], text, strlen(text),
			     MSG_NOSIGNAL);
		poll(NULL, 0, k < first ? 0 : sieges[_i].ms);
		if (k == first)
			p = begin_load(loads, GET "\r\n", k);
		if (k < first || !load_ended(loads, &p, 4000, GET "\r\n"))
			continue;
		served++;
		broken += !is_whole(loads);
		close(p.fd);
		p = begin_load(loads, GET "\r\n", k);
	}
	TELL("%s: while %d came, %d pages, %d of them not whole\n",
	     sieges[_i].name, sieges[_i].more, served, broken);
	ck_assert_int_eq(broken, 0);
	ck_assert_int_ge(served, SERVED);
	finish();
}
END_TEST

START_TEST(cuts_no_page_beside_busy_loops)
{
	static struct pollfd p[LOADS];
	int started = 0, broken = 0;

	begin("1gbit", CHAT, no_options);
	for (int k = 0; k < 8; k++)
		if (fork() == 0)
			for (alarm(120);;)
				;
	for (int i = 0; i < LOADS; i++)
		p[i] = begin_load(&loads[i], GET "\r\n", started++);
	for (int done = 0; done < PAGES;) {
		MUST(poll(p, LOADS, WAIT) > 0, "nothing came");
		for (int i = 0; i < LOADS; i++) {
			if (p[i].revents == 0 ||
			    !load_ended(&loads[i], &p[i], SIZE_MAX, GET "\r\n"))
				continue;
			done++;
			broken += !is_whole(&loads[i]);
			close(p[i].fd);
			p[i].fd = -1;
			if (started < PAGES)
				p[i] = begin_load(&loads[i], GET "\r\n",
						  started++);
		}
	}
	TELL("8 busy loops: %d pages, %d of them not whole\n", PAGES, broken);
	ck_assert_int_eq(broken, 0);
	finish();
}
END_TEST

/* ---- Neighbours ---- */

enum { EMPTY = 170 }; /* messages of 6 bytes in about a kilobyte */

/* Joins, says empty messages at once, and leaves. */
static int flood_and_leave(const char *from)
{
	static char visit[2000] = HANDSHAKE "\r\n";
	size_t len = strlen(HANDSHAKE) + 2;
	char response[16] = "";
	int fd = dial_from(&s, from);

	for (int k = 0; k < EMPTY; k++, len += 6)
		memcpy(visit + len, "\x81\x80\0\0\0\0", 6);
	send_all(fd, visit, len);
	read_until(fd, response, sizeof response, " 101 ");
	reset_connection(fd);
	return strstr(response, " 101 ") != NULL;
}

static const struct {
	const char *name, *attacker, *neighbour;
	int places; /* that the attacker takes before */
} neighbours[] = {
	{"one flat", "10.2.1.1", "10.2.1.1", 0},
	{"one LAN, IPv6", "fd00:1::2", "fd00:1::3", 0},
	{"one LAN, IPv6, 64 places", "fd00:1::2", "fd00:1::3", 64},
};

START_TEST(refuses_no_neighbour_of_flooder)
{
	int fd, joined = 0;

	begin("50mbit", CHAT, no_options);
	for (int k = 0; k < neighbours[_i].places; k++)
		join_room_from(&s, neighbours[_i].attacker);
	for (int k = 0; k < 20; k++) {
		if (neighbours[_i].places == 0)
			flood_and_leave(neighbours[_i].attacker);
		joined += knock_from(&s, neighbours[_i].neighbour, &fd) == 101;
		close(fd);
	}
	TELL("%s: %d of 20 neighbours let in\n", neighbours[_i].name, joined);
	ck_assert_int_eq(joined, 20);
	finish();
}
END_TEST

/* Of 64 places of one home, the 65th is refused; a neighbour home has its own.
 */
START_TEST(limits_places_of_home)
{
	static const char *const homes[][2] = {{"10.2.1.1", "10.2.1.2"},
					       {"fd00:9:1::%d", "fd00:9:2::1"}};
	char from[48];
	int fd;

	begin("50mbit", CHAT, no_options);
	for (size_t h = 0; h < COUNT(homes); h++) {
		for (int k = 1; k <= 65; k++) {
			snprintf(from, sizeof from, homes[h][0], k);
			ck_assert_int_eq(knock_from(&s, from, &fd),
					 k > 64 ? 429 : 101);
		}
		join_room_from(&s, homes[h][1]);
	}
	finish();
}
END_TEST

/* ---- What one address may say ---- */

/* Reads what has come for a client that is in the room; returns how many text
   messages that has, without notices. */
static long count_messages(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	long n = 0;

	while (poll(&p, 1, 0) > 0) {
		const struct frame *f = read_frame(fd);

		MUST(f->first >= 0, "the witness was dropped");
		n += f->first == 0x81 && f->data[0] != '{';
	}
	return n;
}

/* -l 20 allows an address 80 messages in a second, and what it has saved up. */
START_TEST(counts_talk_of_those_that_come_again)
{
	int64_t since = read_clock(), us;
	int witness, joins = 0;
	long heard = 0;

	begin("1gbit", CHAT, no_options);
	witness = join_room_from(&s, "10.1.1.2");
	do {
		for (int k = 0; k < 50; k++)
			joins += flood_and_leave(k % 2 ? "10.2.1.1"
						       : "10.2.1.2");
		heard += count_messages(witness);
		us = read_clock() - since;
	} while (us < 5000000);
	TELL("two addresses by turns: %d joins in, %ld messages in %.1f s\n",
	     joins, heard, us / 1e6);
	ck_assert_int_le(heard, 2 * 2 * (80 * us / 1000000 + 400));
	finish();
}
END_TEST

/* A library may send a header and its payload apart. */
START_TEST(takes_header_and_payload_apart)
{
	enum { APART = 150 };
	int fds[2], witness, heard[2] = {0};

	begin("50mbit", CHAT, no_options);
	witness = join_room_from(&s, "10.1.1.2");
	for (int i = 0; i < 2; i++)
		fds[i] = join_room_from(&s, i == 0 ? "10.2.1.2" : "10.2.1.3");
	for (int k = 0; k < APART; k++) {
		send_all(fds[0],
			 "\x81\x81\0\0\0\0"
			 "w",
			 7);
		send_all(fds[1], "\x81\x81\0\0\0\0", 6);
		poll(NULL, 0, 30); /* more than 20/s allow */
		send_all(fds[1], "a", 1);
	}
	while (heard[0] < APART) {
		const struct frame *f = read_message(witness);

		MUST(f->first == 0x81, "the witness was dropped");
		heard[f->data[0] == 'a']++;
	}
	TELL("header and payload apart: %d while 150 whole ones are heard\n",
	     heard[1]);
	ck_assert_int_ge(heard[1], APART * 3 / 4);
	finish();
}
END_TEST

/* Sends half a request from each of 300 connections, and then single bytes,
   which a pong tells to have been read.  Returns the server's time for those,
   in ticks. */
static long drip(size_t size)
{
	static char half[8192] = GET;
	int fd[300], member;
	char from[48];
	long before;

	memset(half + strlen(GET), '~', sizeof half - strlen(GET));
	for (int i = 0; i < 300; i++) {
		snprintf(from, sizeof from, "10.2.1.%d", 2 + i % 10);
		fd[i] = dial_from(&s, from);
		send_all(fd[i], half, size);
	}
	member = join_room_from(&s, "10.1.1.2");
	before = read_proc(&s, "stat", CPU_TIME);
	for (int k = 0; k < 100; k++) {
		for (int i = 0; i < 300; i++)
			send_all(fd[i], "~", 1);
		send_frame(member, 0x89, "", 0);
		while (read_message(member)->first != 0x8a)
			;
	}
	before = read_proc(&s, "stat", CPU_TIME) - before;
	close(member);
	for (int i = 0; i < 300; i++)
		close(fd[i]);
	return before;
}

/* The work for a byte of a request does not grow with what came before it. */
START_TEST(parses_no_request_at_each_byte)
{
	static const char *const options[8] = {"-l", "0"};
	long small, large;

	begin("50mbit", CHAT, options);
	small = drip(50);
	large = drip(7500);
	TELL("half requests: %ld ticks behind 7,500 bytes, %ld behind 50\n",
	     large, small);
	ck_assert_int_le(large, 4 * small + 20);
	finish();
}
END_TEST

/* ---- The suite ---- */

Suite *crowd_suite(void)
{
	Suite *suite = suite_create("crowd");
	TCase *t = tcase_create("over loopback");

	tcase_set_timeout(t, 120);
	add_table_test(t, drops_no_reader_in_crowd, crowds);
	suite_add_tcase(suite, t);
	return suite;
}

Suite *attacks_suite(void)
{
	Suite *suite = suite_create("attacks");
	TCase *t = tcase_create("from real addresses");

	suite_add_tcase(suite, t);
	if (!can_make_networks()) {
		TELL("skipped: only root can make networks, with ip and tc\n");
		return suite;
	}
	tcase_set_timeout(t, 150);
	add_table_test(t, drops_no_person_in_room, rooms);
	add_table_test(t, lets_newcomers_in, sieges);
	tcase_add_test(t, cuts_no_page_beside_busy_loops);
	add_table_test(t, refuses_no_neighbour_of_flooder, neighbours);
	tcase_add_test(t, limits_places_of_home);
	tcase_add_test(t, counts_talk_of_those_that_come_again);
	tcase_add_test(t, takes_header_and_payload_apart);
	tcase_add_test(t, parses_no_request_at_each_byte);
	return suite;
}
