/* SPDX-License-Identifier: MIT */
/*
 * Attacks by what every client may do: connect, read slowly, talk.  Clients
 * that attack may be refused, made to wait, or dropped.  All others stay, and
 * get every message in order and every page whole.
 *
 *     ABUSE=120 CK_RUN_SUITE=abuse test/build/test     two minutes of each
 *
 * Without ABUSE an attack lasts only as many seconds as are needed to tell.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "handshake.h"
#include "test.h"

static struct server s;
static int witness;                /* a client in the room; see say_number() */
static int kept[2048], kept_count; /* connections that finish() closes */

/* Returns the time in microseconds. */
static int64_t read_clock(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static bool is_long(void)
{
	return getenv("ABUSE") != NULL;
}

/* Returns how many seconds an attack lasts, which are so few if it is short. */
static int attack_seconds(int few)
{
	const char *seconds = getenv("ABUSE");

	return seconds != NULL ? atoi(seconds) : few;
}

/* Asks to join with extra header lines, and expects a status. */
static int knock(int window, const char *fields, int status)
{
	int fd = kept[kept_count++] = dial_narrow(&s, window), got = 0;

	send_string(fd, HANDSHAKE);
	send_string(fd, fields);
	send_string(fd, "\r\n");
	*s.response = '\0';
	read_until(fd, s.response, sizeof s.response, "\r\n\r\n");
	sscanf(s.response, "HTTP/1.1 %d ", &got);
	MUST(got == status, "%d, not %d, for: %s", got, status, fields);
	return fd;
}

/* The witness says the next number, and hears that and nothing else. */
static void say_number(void)
{
	static int number;
	char text[16];

	snprintf(text, sizeof text, "%d", ++number);
	send_message(witness, text);
	expect_message(witness, text);
}

static void finish(void)
{
	while (kept_count > 0)
		close(kept[--kept_count]);
	ck_assert_int_eq(stop(&s), 0);
}

/* ---- The table of connections is full ---- */

enum {
	PEOPLE = 1000, /* the room has place for 1,024 */
	LOADS = 1000,  /* pages at once, at most */
	SILENT = 500,  /* silent connections that the attacker keeps open */
	STEPS = 150,   /* of an attack with silent connections, in a second */
	TRIP = 8,      /* steps of a round trip: 53 ms */
};

static struct load {
	size_t have;     /* bytes of the response that have come */
	char head[2048]; /* the first of those, as a C string */
} loads[LOADS];

/* The server takes connections in order: when the witness is in, all are. */
static void begin_with_people(int people)
{
	struct rlimit files;

	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	start_bare_relay(&s, CHAT);
	for (; people > 0; people--) {
		kept[kept_count++] = dial(&s);
		send_string(kept[kept_count - 1], HANDSHAKE "\r\n");
	}
	witness = knock(0, "", 101);
}

static void finish_pages(const char *attack, int pages, int broken)
{
	say_number();
	dprintf(STDOUT_FILENO, "abuse: %s: %d pages, %d of them not whole\n",
		attack, pages, broken);
	ck_assert_int_eq(broken, 0);
	expect_metric(&s, "chat_clients", kept_count);
	finish();
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

/* Reads up to max bytes of a page.  Returns true at the end, and counts a page
   that is not whole. */
static bool load_ended(struct load *l, int fd, size_t max, int *broken)
{
	static char data[16384];
	size_t space = sizeof l->head - 1 - strlen(l->head);
	ssize_t n = recv(fd, data, max < sizeof data ? max : sizeof data,
			 MSG_DONTWAIT);

	if (n < 0 && errno == EAGAIN)
		return false;
	if (n > 0) {
		strncat(l->head, data, (size_t)n < space ? (size_t)n : space);
		l->have += (size_t)n;
		return false;
	}
	*broken += n < 0 || !is_whole(l);
	return true;
}

/* Connects for a load, with a receive buffer of so many bytes. */
static struct pollfd begin_load(struct load *l, int size)
{
	*l = (struct load){0};
	return (struct pollfd){.fd = dial_narrow(&s, size), .events = POLLOUT};
}

/* Goes on with the loads that are ready, and begins one for each that ends
   while more are to come.  Returns how many have ended. */
static int step_loads(struct pollfd *p, int count, size_t max, int *to_come,
		      int *broken)
{
	int ended = 0;

	MUST(poll(p, (nfds_t)count, WAIT) > 0, "nothing came");
	for (int i = 0; i < count; i++) {
		if (p[i].revents & POLLOUT) {
			send_string(p[i].fd, GET "\r\n");
			p[i].events = POLLIN;
		} else if (p[i].revents != 0 &&
			   load_ended(&loads[i], p[i].fd, max, broken)) {
			ended++;
			close(p[i].fd);
			p[i].fd = -1;
			if (*to_come > 0)
				p[i] = begin_load(&loads[i], 0);
			*to_come -= *to_come > 0;
		}
	}
	return ended;
}

/* As ab -n 20000 -c 1000. */
START_TEST(answers_thousand_page_loads_at_once)
{
	static struct pollfd p[LOADS];
	const int total = (is_long() ? 20 : 5) * LOADS;
	int to_come = total - LOADS, broken = 0;

	begin_with_people(0);
	for (int i = 0; i < LOADS; i++)
		p[i] = begin_load(&loads[i], 0);
	for (int done = 0, numbers = 0; done < total;) {
		done += step_loads(p, LOADS, SIZE_MAX, &to_come, &broken);
		for (; numbers < done / LOADS; numbers++)
			say_number();
	}
	finish_pages("1,000 page loads at once", total, broken);
}
END_TEST

START_TEST(answers_slow_page_loads_beside_full_room)
{
	struct pollfd p[100];
	int to_come = 0, broken = 0;

	begin_with_people(PEOPLE);
	for (int i = 0; i < 100; i++) {
		p[i] = begin_load(&loads[i], 1024);
		p[i].events = POLLIN;
		send_string(p[i].fd, GET "\r\n");
	}
	for (int done = 0, k = 0; done < 100; k++) {
		done += step_loads(p, 100, 1024, &to_come, &broken);
		if (k % 10 == 0)
			say_number();
		poll(NULL, 0, 10);
	}
	finish_pages("100 slow page loads", 100, broken);
}
END_TEST

/* One step in the load of a page from far away: what is sent has an effect
   after a round trip, and with each round trip comes a part of the page.
   Returns whether that is the end of it. */
static bool step_far_load(int fd, int step, int *broken)
{
	if (step == TRIP)
		send_string(fd, GET "\r\n");
	return step > TRIP && step % TRIP == 0 &&
	       load_ended(loads, fd, SIZE_MAX, broken);
}

/* Each step opens a silent connection.  A ping then shows that the server has
   done its part, so that a busy machine does not make the attack harder.  A
   short attack does not sleep between two steps: all is faster, also the round
   trips.  The server sees the end of a load when the next one sends its
   request. */
START_TEST(answers_far_reader_among_silent_connections)
{
	int silent[SILENT] = {0}, fds[2] = {-1, -1}, pages = 0, broken = 0;
	int64_t end = read_clock() + attack_seconds(0) * (int64_t)1000000;

	begin_with_people(PEOPLE);
	for (int k = 0, step = -STEPS / 2; pages < 10 || read_clock() < end;
	     k++) {
		int *fd = &silent[k % SILENT];

		if (step == 0)
			fds[pages % 2] = begin_load(loads, 16384).fd;
		else if (step == TRIP)
			close(fds[(pages + 1) % 2]);
		if (step_far_load(fds[pages % 2], step++, &broken)) {
			pages++;
			step = 0;
		}
		if (*fd > 0)
			close(*fd);
		*fd = dial(&s);
		send_frame(witness, 0x89, "", 0);
		ck_assert_int_eq(read_frame(witness)->first, 0x8a);
		if (k % STEPS == 0)
			say_number();
		poll(NULL, 0, is_long() ? 1000 / STEPS : 0);
	}
	close(fds[(pages + 1) % 2]);
	finish_pages("silent connections", pages, broken);
}
END_TEST

/* ---- Members that stop reading ---- */

START_TEST(keeps_little_in_kernel_for_each_laggard)
{
	enum { STOPPED = 20, SAID = 600, LEN = 1000 };
	char text[LEN + 1];
	long known, held;

	start_bare_relay(&s, CHAT);
	witness = knock(0, "", 101);
	for (int i = 0; i < STOPPED; i++)
		knock(1024, "", 101);
	known = read_metric(&s, "chat_sent_bytes_total");
	known += (long)strlen(s.response) + (long)SAID * (LEN + 4);
	for (int k = 0; k < SAID; k++) {
		snprintf(text, sizeof text, "%0*d", LEN, k);
		send_message(witness, text);
		expect_message(witness, text);
	}
	expect_metric(&s, "chat_clients", STOPPED + 1);
	known += (long)strlen(s.response);
	held = (read_metric(&s, "chat_sent_bytes_total") - known) / STOPPED;
	dprintf(STDOUT_FILENO,
		"abuse: laggards: %ld bytes in the kernel for "
		"each\n",
		held);
	ck_assert_int_le(held, 100000);
	finish();
}
END_TEST

/* ---- Many clients from one address ---- */

#define FOR "X-Forwarded-For: "

static const struct {
	const char *fields, *address; /* NULL: 400 */
} forwarded[] = {
	{FOR "192.0.2.7\r\n", "192.0.2.7"},
	{"x-forwarded-for:192.0.2.7 \r\n", "192.0.2.7"},
	{FOR "unknown, 192.0.2.7\r\n", "192.0.2.7"},
	{FOR "198.51.100.1\r\n" FOR "192.0.2.7\r\n", "192.0.2.7"},
	{FOR "2001:db8::7\r\n", "2001:db8::7"},
	{"", NULL},
	{FOR "\r\n", NULL},
	{FOR "192.0.2.7, unknown\r\n", NULL},
	{FOR "192.0.2.7\r\n" FOR "unknown\r\n", NULL},
	{FOR "192.0.2.256\r\n", NULL},
	{FOR "2001:db8::g\r\n", NULL},
};

/* The server remembers what a client owes for its address, and no other. */
START_TEST(comes_again_without_new_credit)
{
	static char visit[1000] = HANDSHAKE FOR "192.0.2.1\r\n\r\n";
	size_t len = strlen(visit);
	int fd;

	for (int k = 0; k < 100; k++, len += 6) /* each costs a second */
		memcpy(visit + len, "\x8a\x80\0\0\0", 6);
	start(&s, CHAT, "-x", "-l", "1", NULL);
	witness = knock(0, FOR "192.0.2.9\r\n", 101);
	fd = dial(&s);
	send_all(fd, visit, len);
	await_log(&s, "192.0.2.1 Client connected");
	reset_connection(fd);
	await_log(&s, "192.0.2.1 Client disconnected: lost");
	knock(0, FOR "192.0.2.1\r\n", 429);
	await_log(&s,
		  "192.0.2.1 Handshake refused: 429 Too Many Requests (this "
		  "address has just said too much; see -l)\n");
	knock(0, FOR "192.0.2.2\r\n", 101);
	say_number();
	finish();
}
END_TEST

START_TEST(takes_last_forwarded_address)
{
	const char *address = forwarded[_i].address;
	char line[80] = "Handshake refused: 400 Bad Request (";

	start(&s, CHAT, "-x", NULL);
	expect_status(&s, GET "\r\n", 200);
	knock(0, forwarded[_i].fields, address != NULL ? 101 : 400);
	if (address != NULL)
		snprintf(line, sizeof line, "Z %s Client connected (1 online)",
			 address);
	await_log(&s, line);
	finish();
	start(&s, CHAT, NULL);
	knock(0, forwarded[_i].fields, 101);
	await_log(&s, "Z 127.0.0.1:");
	await_log(&s, " Client connected (1 online)");
	finish();
}
END_TEST

START_TEST(limits_clients_of_one_address)
{
	int leaving;

	start(&s, CHAT, "-x", "-c", "2", NULL);
	witness = knock(0, FOR "203.0.113.1\r\n", 101);
	leaving = knock(0, FOR "192.0.2.1\r\n", 101);
	knock(0, FOR "192.0.2.1\r\n", 101);
	knock(0, FOR "192.0.2.1\r\n", 429);
	await_log(&s, "Z 192.0.2.1 Handshake refused: 429 Too Many Requests (");
	expect_metric(&s, "chat_refused_total{status=\"429\"}", 1);
	knock(0, FOR "192.0.2.2\r\n", 101);
	send_frame(leaving, 0x88, "", 0);
	ck_assert_int_eq(read_message(leaving)->first, 0x88);
	knock(0, FOR "192.0.2.1\r\n", 101);
	knock(0, FOR "192.0.2.1\r\n", 429);
	/* of IPv6 the first 64 bits count */
	knock(0, FOR "2001:db8:0:1::1\r\n", 101);
	knock(0, FOR "2001:db8:0:1:ffff::1\r\n", 101);
	knock(0, FOR "2001:db8:0:1::2\r\n", 429);
	knock(0, FOR "2001:db8:0:2::1\r\n", 101);
	expect_metric(&s, "chat_clients", 7);
	say_number();
	finish();
}
END_TEST

static const struct {
	const char *options[3], *fields; /* of 200 clients from one address */
	int admitted;                    /* of those */
} crowds[] = {
	{{"-x"}, FOR "192.0.2.1\r\n", 64}, /* the default */
	{{"-x", "-c", "100"}, FOR "192.0.2.1\r\n", 100},
	{{"-x", "-c", "0"}, FOR "192.0.2.1\r\n", 200},
	{{"-c", "2"}, "", 200}, /* from loopback */
};

START_TEST(leaves_places_for_other_addresses)
{
	const char *const *o = crowds[_i].options;

	start(&s, CHAT, o[0], o[1], o[2], NULL);
	witness = knock(0, FOR "203.0.113.1\r\n", 101);
	for (int k = 0; k < 200; k++)
		knock(0, crowds[_i].fields,
		      k < crowds[_i].admitted ? 101 : 429);
	knock(0, FOR "192.0.2.2\r\n", 101);
	expect_metric(&s, "chat_clients", crowds[_i].admitted + 2);
	say_number();
	finish();
}
END_TEST

/* ---- Forged notices ---- */

#define NOTICE "{\"online\":"

static const struct {
	const char *text;
	int first;
	bool forged;
} texts[] = {
	{NOTICE "7}", 0x81, true},
	{NOTICE "7}", 0x82, true},
	{NOTICE "7,\"said\":1,\"since\":0,\"heartbeat\":25}", 0x81, true},
	{NOTICE, 0x81, true},
	{NOTICE "\xff", 0x82, true},
	{"{\"online\"", 0x81, false},
	{"{\"online\" :7}", 0x81, false},
	{"{\"Online\":7}", 0x81, false},
	{" " NOTICE "7}", 0x81, false},
	{"Hi " NOTICE "7}", 0x82, false},
};

/* Sends a text in two fragments, or whole when the first would be empty. */
static void send_cut(int fd, int first, const char *text, size_t cut)
{
	if (cut > 0)
		send_frame(fd, first & 0x0f, text, cut);
	send_frame(fd, cut > 0 ? 0x80 : first, text + cut, strlen(text) - cut);
}

/* Returns how often the witness hears a text before what it says itself. */
static int count_heard(const char *text)
{
	const struct frame *f = NULL;
	int n = 0;

	send_message(witness, "next");
	do {
		f = read_frame(witness);
		MUST(f->first >= 0, "the witness was dropped");
		n += strcmp((char *)f->data, text) == 0;
	} while (strcmp((char *)f->data, "next") != 0);
	return n;
}

START_TEST(closes_with_1008_on_forged_notice)
{
	const char *text = texts[_i].text;
	bool forged = texts[_i].forged;

	start(&s, CHAT, "-n", "0", NULL);
	witness = knock(0, "", 101);
	for (size_t cut = 0; cut < strlen("{\"online\""); cut++) {
		const char *expected = forged ? "\3\xf0" : text; /* 1008 */
		int fd = knock(0, "", 101);
		const struct frame *f = NULL;

		send_cut(fd, texts[_i].first, text, cut);
		send_message(fd, "after it");
		f = read_message(fd);
		MUST((f->first == 0x88) == forged &&
			     strcmp((char *)f->data, expected) == 0,
		     "first byte %d: %s", f->first, f->data);
		MUST(count_heard(text) == !forged, "the witness hears wrong");
	}
	if (forged)
		await_log(&s, " Client disconnected: forged, ");
	finish();
}
END_TEST

START_TEST(relays_every_text_without_notices)
{
	start_bare_relay(&s, CHAT);
	witness = knock(0, "", 101);
	for (size_t i = 0; i < COUNT(texts); i++) {
		send_frame(witness, texts[i].first, texts[i].text,
			   strlen(texts[i].text));
		ck_assert_str_eq((char *)read_frame(witness)->data,
				 texts[i].text);
	}
	finish();
}
END_TEST

/* ---- Rooms of clients with habits ---- */

enum {
	PEERS = 160,
	BUFFER = 1 << 15,
	BUCKETS = 1 << 14, /* of 0.1 ms */
	SECONDS = 3600,    /* of an attack, at most */
	LATE = 100,        /* ms; a message that takes longer stood still */
	STILL_MAX = 4000,  /* ms in a minute: STALL_TIMEOUT, a second, and one
			      more for a busy machine */
};

/* What a client does.  It pauses after it has heard what it said, or if it
   never reads, after it has said it. */
struct habit {
	int size;           /* bytes of its messages; 0: it says nothing */
	int pause;          /* ms between messages */
	int window;         /* bytes of its receive buffer; 0: the kernel's */
	int line;           /* bytes that it can read in a second; 0: all; -1:
			       it never reads */
	int period, asleep; /* ms; it does not read for so long at the start
			       of each period since the last ping */
	bool attacks;       /* it comes back when it is dropped */
};

static struct peer {
	const struct habit *habit;
	int fd;                    /* -1: it was dropped */
	int said;                  /* messages */
	bool joined;               /* its handshake was answered */
	int64_t due;               /* us: when it says the next message */
	int64_t filled, allowance; /* us; bytes that its line had taken then */
	size_t have, from, to;     /* bytes in in[]; the rest in out[] */
	unsigned char in[BUFFER], out[BUFFER];
	int heard[PEERS]; /* messages of each peer */
} peers[PEERS];           /* the first is the witness */

static int peer_count;
static int64_t last_ping; /* us */

static struct {
	int64_t begun, since; /* us; all from since on until still: */
	int heard;            /* what the witness heard of honest peers */
	int delays[BUCKETS];  /* how long messages of honest peers took */
	int still[SECONDS];   /* ms, by the second in which that ended */
	int attackers_dropped, others_dropped;
} seen;

/* A message begins with who says it, its number, and the time. */
static void say(struct peer *c, int size)
{
	char text[4096];
	int n;

	memset(text, '.', sizeof text);
	n = sprintf(text, "%d %d %lld", (int)(c - peers), c->said++,
		    (long long)read_clock());
	text[n] = '.';
	c->to += build_frame(c->out + c->to, 0x81, (size_t)size, text,
			     (size_t)size);
}

/* Joins; an attacker does not read the answer, but talks 20 ms later, since a
   server may refuse what comes before its answer. */
static void enter(struct peer *c)
{
	c->have = c->from = c->to = 0;
	c->due = read_clock() + (c->habit->attacks ? 20000 : 0);
	c->joined = !c->habit->attacks;
	if (c->habit->attacks) {
		c->fd = dial_narrow(&s, c->habit->window);
		c->to = (size_t)sprintf((char *)c->out, HANDSHAKE "\r\n");
	} else {
		c->fd = knock(c->habit->window, "", 101);
	}
}

static void add_peers(int count, const struct habit *habit)
{
	for (; count > 0; count--) {
		peers[peer_count].habit = habit;
		enter(&peers[peer_count++]);
	}
}

static void lose(struct peer *c)
{
	seen.attackers_dropped += c->habit->attacks;
	seen.others_dropped += !c->habit->attacks;
	close(c->fd);
	c->fd = -1;
	if (c->habit->attacks)
		enter(c);
}

/* Takes note of how long a peer's message took to come back. */
static void measure(const struct peer *c, int64_t us)
{
	int64_t second = (read_clock() - seen.begun) / 1000000;

	seen.delays[us / 100 < BUCKETS ? us / 100 : BUCKETS - 1]++;
	if (c == peers && us / 1000 > LATE)
		seen.still[second % SECONDS] += (int)(us / 1000);
}

/* Hears a message.  Nothing is missing before it, except what an attacker had
   not sent when it was dropped. */
static void hear(struct peer *c, char *text)
{
	int k = (int)strtol(text, &text, 10), n = (int)strtol(text, &text, 10);
	int64_t said_at = strtoll(text, &text, 10);
	bool honest = k >= 0 && k < peer_count && !peers[k].habit->attacks;

	MUST(*text == '.', "peer %d hears a text that no peer has said",
	     (int)(c - peers));
	if (c == &peers[k])
		c->due = read_clock() + (int64_t)1000 * c->habit->pause;
	if (c->habit->attacks)
		return;
	MUST(n == c->heard[k] || (n > c->heard[k] && !honest),
	     "%d hears %d of %d, not %d", (int)(c - peers), n, k, c->heard[k]);
	c->heard[k] = n + 1;
	seen.heard += c == peers && honest;
	if (c == &peers[k] && c->habit->size > 0)
		measure(c, read_clock() - said_at);
}

/* Takes the frames that have come, and keeps the half one that is left. */
static void take_frames(struct peer *c)
{
	const char *end;
	size_t at = 0, header, len;

	c->in[c->have] = '\0';
	if (!c->joined && (end = strstr((char *)c->in, "\r\n\r\n")) != NULL) {
		c->joined = true;
		at = (size_t)(end + 4 - (char *)c->in);
	}
	for (; c->joined && c->have - at >= 2; at += header + len) {
		unsigned char *f = c->in + at;

		header = f[1] < 126 ? 2 : 4;
		len = header == 2 ? f[1] : (size_t)f[2] << 8 | f[3];
		if (c->have - at < header + len)
			break;
		if (f[0] == 0x89 && c == peers)
			last_ping = read_clock();
		if (f[0] == 0x89)
			c->to += build_frame(c->out + c->to, 0x8a, 0, "", 0);
		else if (memcmp(f + header, NOTICE, strlen(NOTICE)) != 0)
			hear(c, (char *)f + header);
	}
	c->have -= at;
	memmove(c->in, c->in + at, c->have);
}

/* Returns how many bytes a peer reads now; from a line, none or many. */
static size_t count_readable(struct peer *c, int64_t now)
{
	const struct habit *h = c->habit;
	int64_t space = (int64_t)(BUFFER - 1 - c->have);

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
	ssize_t n = recv(c->fd, c->in + c->have, max, MSG_DONTWAIT);

	if (n > 0) {
		c->allowance -= n;
		c->have += (size_t)n;
		take_frames(c);
	} else if (n == 0 || errno != EAGAIN) {
		lose(c);
	}
}

static void write_some(struct peer *c)
{
	ssize_t n = send(c->fd, c->out + c->from, c->to - c->from,
			 MSG_NOSIGNAL | MSG_DONTWAIT);

	c->from += n > 0 ? (size_t)n : 0;
	if (c->from == c->to)
		c->from = c->to = 0;
}

static void step(bool talking)
{
	struct pollfd p[PEERS];
	size_t max[PEERS] = {0};
	int64_t now = read_clock();

	for (int i = 0; i < peer_count; i++) {
		struct peer *c = &peers[i];
		const struct habit *h = c->habit;

		bool is_in = c->joined || h->line < 0; /* as far as it knows */

		if (talking && is_in && h->size > 0 && now >= c->due &&
		    c->to == 0) {
			say(c, h->size);
			c->due = h->line >= 0 ? INT64_MAX
					      : now + (int64_t)1000 * h->pause;
		}
		max[i] = count_readable(c, now);
		p[i] = (struct pollfd){.fd = c->fd};
		p[i].events = (short)((max[i] > 0 ? POLLIN : 0) |
				      (c->to > 0 ? POLLOUT : 0));
	}
	poll(p, (nfds_t)peer_count, 2);
	for (int i = 0; i < peer_count; i++) {
		if (p[i].revents & POLLOUT)
			write_some(&peers[i]);
		if (p[i].revents & POLLIN)
			read_some(&peers[i], max[i]);
		else if (p[i].revents & (POLLERR | POLLHUP))
			lose(&peers[i]);
	}
}

/* Talks for so many seconds, or until an attacker is dropped. */
static void talk(double seconds, bool until_drop)
{
	int64_t end = read_clock() + (int64_t)(seconds * 1e6);

	while (read_clock() < end &&
	       (!until_drop || seen.attackers_dropped == 0))
		step(true);
}

/* The figures between two calls of look(). */
struct figures {
	double per_s, p95; /* messages of honest peers; ms */
};

static struct figures look(void)
{
	struct figures f = {0};
	int64_t now = read_clock();
	int total = 0, n = 0;

	f.per_s = seen.heard * 1e6 / (double)(now - seen.since);
	for (int i = 0; i < BUCKETS; i++)
		total += seen.delays[i];
	for (int i = 0; i < BUCKETS && n < total * 0.95; i++) {
		n += seen.delays[i];
		f.p95 = (i + 1) / 10.0;
	}
	memset(seen.delays, 0, sizeof seen.delays);
	seen.heard = 0;
	seen.since = now;
	return f;
}

/* Returns how it is before an attack. */
static struct figures begin_talk(void)
{
	seen.begun = seen.since = last_ping = read_clock();
	talk(attack_seconds(1) / 2.0, false);
	return look();
}

/* Returns for how many ms the room stood still in its worst minute. */
static int find_worst_minute(void)
{
	int sum = 0, worst = 0;

	for (int i = 0; i < SECONDS; i++) {
		sum += seen.still[i] - (i < 60 ? 0 : seen.still[i - 60]);
		worst = sum > worst ? sum : worst;
	}
	return worst;
}

/* Returns how many messages honest peers have still to hear of each other. */
static int count_missing(void)
{
	int n = 0;

	for (int i = 0; i < peer_count; i++)
		for (int k = 0; k < peer_count; k++)
			if (!peers[i].habit->attacks &&
			    !peers[k].habit->attacks)
				n += peers[k].said - peers[i].heard[k];
	return n;
}

/* The attackers leave. */
static void end_attack(void)
{
	for (int i = 0; i < peer_count; i++) {
		if (peers[i].habit->attacks) {
			close(peers[i].fd);
			peers[i].fd = -1;
		}
	}
}

static void await_all_messages(void)
{
	int64_t end = read_clock() + (int64_t)1000 * WAIT;

	while (count_missing() > 0) {
		MUST(read_clock() < end, "%d are missing", count_missing());
		step(false);
	}
}

/* Checks the figures, and that all but attackers are there and hear everything.
 */
static void finish_room(const char *attack, struct figures before,
			struct figures after)
{
	int still = find_worst_minute();

	dprintf(STDOUT_FILENO,
		"abuse: %s: stood still for %.1f s in a minute, p95 %.1f ms "
		"before and %.1f ms after, %.0f/s and %.0f/s, dropped %d "
		"attackers and %d others\n",
		attack, still / 1e3, before.p95, after.p95, before.per_s,
		after.per_s, seen.attackers_dropped, seen.others_dropped);
	ck_assert_int_le(still, STILL_MAX);
	ck_assert(after.per_s >= before.per_s / 2);
	ck_assert_int_eq(seen.others_dropped, 0);
	end_attack();
	await_all_messages();
	ck_assert_int_eq(seen.others_dropped, 0);
	finish();
}

static const struct habit chatting = {.size = 100, .pause = 100};
static const struct habit busy = {.size = 1000, .pause = 50};
static const struct habit silent = {.size = 0};
static const struct habit on_line = {.window = 16384, .line = 100000};
static const struct habit on_fast_line = {.window = 16384, .line = 1000000};
static const struct habit dozing = {.period = 60000, .asleep = 1500};
static const struct habit greedy = {.size = 4096, .attacks = true};
static const struct habit napping = {
	.window = 16384, .period = 1000, .asleep = 900, .attacks = true};
static const struct habit deaf = {
	.size = 1000, .pause = 67, .window = 1024, .line = -1, .attacks = true};

/* What talkers may say in all is less than what each reader can take. */
START_TEST(limits_bytes_of_greedy_talkers)
{
	const int offline = is_long() ? 150 : 70, talkers = is_long() ? 8 : 12;
	struct figures before;

	start(&s, CHAT, NULL);
	add_peers(1, &chatting);
	add_peers(1, &silent);
	add_peers(20, &on_line);
	before = begin_talk();
	for (int k = offline; k > 0; k--)
		say(&peers[1], 120);
	add_peers(talkers, &greedy);
	talk(attack_seconds(5), false);
	finish_room("greedy talkers", before, look());
}
END_TEST

/* Attacks until the room's budget is used up, and then goes on.  Returns how it
   is in the second half of that. */
static struct figures attack(int count, const struct habit *habit)
{
	add_peers(count, habit);
	talk(8, true);
	talk(attack_seconds(1) / 2.0, false);
	look();
	talk(attack_seconds(3) / 2.0, false);
	return look();
}

/* It reads in the last 100 ms before each tick, of which pings tell. */
START_TEST(drops_reader_that_catches_up_before_each_tick)
{
	struct figures before;

	start(&s, BUSY, "-n", "0", "-t", "1", "-l", "200", NULL);
	add_peers(30, &busy);
	before = begin_talk();
	finish_room("a reader that catches up", before, attack(1, &napping));
	ck_assert_int_gt(seen.attackers_dropped, 0);
}
END_TEST

START_TEST(has_one_budget_for_readers_that_come_back)
{
	struct figures before;

	start(&s, BUSY, "-n", "0", "-t", "0", "-l", "200", NULL);
	add_peers(is_long() ? 100 : 30, &chatting);
	before = begin_talk();
	finish_room("readers that come back", before, attack(20, &deaf));
	ck_assert_int_gt(seen.attackers_dropped, 20);
}
END_TEST

START_TEST(waits_for_laggards_while_nobody_attacks)
{
	struct figures all;

	start(&s, BUSY, "-n", "0", "-t", "0", "-l", "200", NULL);
	add_peers(30, &busy);
	add_peers(1, &on_fast_line);
	add_peers(1, &dozing);
	begin_talk();
	talk(attack_seconds(2), false);
	all = look();
	finish_room("nobody", all, all);
	ck_assert_int_gt(find_worst_minute(), 0); /* or it shows nothing */
}
END_TEST

Suite *abuse_suite(void)
{
	Suite *suite = suite_create("abuse");
	TCase *rules = tcase_create("rules"), *long_ones = tcase_create("long");

	add_table_test(rules, takes_last_forwarded_address, forwarded);
	tcase_add_test(rules, comes_again_without_new_credit);
	tcase_add_test(rules, limits_clients_of_one_address);
	add_table_test(rules, leaves_places_for_other_addresses, crowds);
	add_table_test(rules, closes_with_1008_on_forged_notice, texts);
	tcase_add_test(rules, relays_every_text_without_notices);
	suite_add_tcase(suite, rules);
	tcase_set_timeout(long_ones, is_long() ? 0 : 120);
	tcase_add_test(long_ones, answers_thousand_page_loads_at_once);
	tcase_add_test(long_ones, answers_slow_page_loads_beside_full_room);
	tcase_add_test(long_ones, answers_far_reader_among_silent_connections);
	tcase_add_test(long_ones, keeps_little_in_kernel_for_each_laggard);
	tcase_add_test(long_ones, limits_bytes_of_greedy_talkers);
	tcase_add_test(long_ones,
		       drops_reader_that_catches_up_before_each_tick);
	tcase_add_test(long_ones, has_one_budget_for_readers_that_come_back);
	tcase_add_test(long_ones, waits_for_laggards_while_nobody_attacks);
	suite_add_tcase(suite, long_ones);
	return suite;
}
