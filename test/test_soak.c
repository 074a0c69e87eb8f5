/* SPDX-License-Identifier: MIT */
/*
 * Clients that come, talk, and go or die at random, and a model of the messages
 * that each must get.  A witness gets all of them, and so shows the one order;
 * every other client must have got a part of that without a gap.
 *
 *     SOAK=3600 CK_RUN_SUITE=soak test/build/test     an hour with each build
 *
 * A message begins with its serial number, and that of the message which its
 * speaker said before, so that nothing of a speaker's can be lost unseen.
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "handshake.h"
#include "test.h"

enum {
	CLIENTS = 40,    /* the first is the witness */
	KNOWN = 1 << 20, /* messages whose place is kept */
	AHEAD = 1
		<< 15, /* messages that a client may be ahead of the witness */
	ID = 34,       /* bytes that a message begins with */
	PINGS = 64,
};

struct talker {
	struct client c;
	bool fast;          /* it reads all at once */
	bool patient;       /* and says more when all that it said is heard */
	int code;           /* of the Close that it waits for, or 0 */
	bool complete;      /* all that it said must be heard */
	unsigned chop, sip; /* bytes that it writes, and reads, at most */
	uint64_t last;      /* the message that it said last, or 0 */
	uint64_t place;     /* of the one that it heard last */
	uint64_t heard, compared; /* messages */
	unsigned pinged, ponged;
	uint64_t seen[AHEAD]; /* serials of what it heard; a ring */
};

static struct server s;
static struct talker clients[CLIENTS];
static struct {
	uint64_t serial, place;
} known[KNOWN]; /* what the witness has heard; a ring */
static uint64_t serial, places, ends, deliveries, state;
static unsigned max; /* bytes of a message */

/* A number from 0 to n - 1: xorshift64. */
static unsigned below(unsigned n)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (unsigned)((state >> 32) % n);
}

static bool chance(unsigned in_a_thousand)
{
	return below(1000) < in_a_thousand;
}

/* ---- Speaking ---- */

/* For the longest message, in fragments, with pings and a Close. */
static bool has_room(const struct talker *c)
{
	return CLIENT_BUFFER - c->c.to >= max + 1000;
}

/* Its payload is its number. */
static void ping(struct talker *c)
{
	char payload = (char)(c->pinged % 128);

	if (c->pinged - c->ponged == PINGS)
		return;
	c->pinged++;
	add_frame(&c->c, 0x89, &payload, 1);
}

/* Says a message of any size, whole or in fragments with pings between. */
static void speak(struct talker *c)
{
	char text[8192];
	size_t len = chance(300) ? max - below(4) : ID + below(max - ID);
	size_t at = 0, n;
	int opcode = 2;

	memset(text, 'x', sizeof text);
	n = (size_t)snprintf(text, sizeof text, "%016" PRIx64 " %016" PRIx64,
			     ++serial, c->last);
	text[n] = ' ';
	c->last = serial;
	for (int k = chance(300) ? 1 + (int)below(3) : 0; k > 0; k--) {
		n = below((unsigned)(len - at) + 1);
		add_frame(&c->c, opcode, text + at, n);
		at += n;
		opcode = 0;
		if (chance(300))
			ping(c);
	}
	add_frame(&c->c, 0x80 | opcode, text + at, len - at);
}

/* Ends it in one of many ways. */
static void end(struct talker *c)
{
	ends++;
	switch (below(4)) {
	case 0: /* a reset */
		reset_connection(c->c.fd);
		c->c.fd = -1;
		break;
	case 1: /* no Close */
		close(c->c.fd);
		c->c.fd = -1;
		break;
	case 2:
		add_frame(&c->c, 0x88, "\x03\xe8", 2);
		c->code = 1000;
		break;
	case 3: /* a frame without a mask, RFC 6455, 5.1 */
		memcpy(c->c.out + c->c.to, "\x82\x02hi", 4);
		c->c.to += 4;
		c->code = 1002;
		break;
	}
}

static void enter(struct talker *c)
{
	static const int sizes[] = {1, 4096, 20000};
	int fd = dial(&s), size = sizes[below(3)];

	begin_client(&c->c, fd);
	c->fast = c == clients || chance(500);
	c->patient = c->fast && (c == clients || chance(500));
	c->complete = false;
	c->code = 0;
	c->pinged = c->ponged = 0;
	c->last = c->place = c->heard = c->compared = 0;
	c->chop = chance(500) ? CLIENT_BUFFER : 1 + below(100);
	c->sip = c->fast ? CLIENT_BUFFER : 1 + below(3000);
	if (!c->fast && chance(500))
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
}

/* ---- Hearing ---- */

static bool is_known(uint64_t n)
{
	return n == 0 || serial - n >= KNOWN / 2 ||
	       known[n % KNOWN].serial == n;
}

/* The witness hears a message: that is its place. */
static void witness(uint64_t n, uint64_t before)
{
	MUST(n > 0 && n <= serial, "nobody said %" PRIu64, n);
	MUST(known[n % KNOWN].serial != n, "%" PRIu64 " comes twice", n);
	MUST(is_known(before), "%" PRIu64 " comes before %" PRIu64, n, before);
	known[n % KNOWN].serial = n;
	known[n % KNOWN].place = ++places;
}

static void hear(struct talker *c, const char *text)
{
	uint64_t n, before;

	MUST(sscanf(text, "%" SCNx64 "%" SCNx64, &n, &before) == 2,
	     "not what anybody said: %.40s", text);
	MUST(c->heard - c->compared < AHEAD, "the witness hears nothing");
	if (c == clients)
		witness(n, before);
	c->seen[c->heard++ % AHEAD] = n;
	deliveries++;
}

/* Gives up a client that reads so slowly that the model has forgotten its
   messages. */
static bool forget(struct talker *c)
{
	if (c->c.fd >= 0)
		close(c->c.fd);
	c->c.fd = -1;
	c->compared = c->heard;
	return true;
}

/* Compares the messages that a client got with those of the witness; returns
   whether all are compared. */
static bool compare(struct talker *c)
{
	while (c->compared < c->heard) {
		uint64_t n = c->seen[c->compared % AHEAD];

		if (known[n % KNOWN].serial != n)
			return serial - n >= KNOWN / 4 && forget(c);
		MUST(c->compared == 0 || known[n % KNOWN].place == c->place + 1,
		     "place %" PRIu64 " comes after %" PRIu64,
		     known[n % KNOWN].place, c->place);
		c->place = known[n % KNOWN].place;
		c->compared++;
	}
	return !c->complete || is_known(c->last);
}

static void hear_frame(struct talker *c, int first, const char *data,
		       size_t len)
{
	int code;

	switch (first) {
	case 0x81:
		MUST(strncmp(data, "{\"online\":", 10) == 0, "no notice");
		break;
	case 0x82: hear(c, data); break;
	case 0x89: add_frame(&c->c, 0x8a, data, len); break;
	case 0x8a:
		/* of several pings, the last may be answered: 5.5.3 */
		MUST(len == 1 &&
			     (*data - c->ponged) % 128 < c->pinged - c->ponged,
		     "a wrong pong");
		c->ponged += (*data - c->ponged) % 128 + 1;
		break;
	case 0x88:
		code = len < 2 ? 0
			       : (unsigned char)data[0] << 8 |
					 (unsigned char)data[1];
		MUST(code == c->code, "a Close with %d", code);
		c->code = 0;
		c->complete = true;
		break;
	default: ck_abort_msg("first byte %d", first);
	}
}

/* ---- The talk ---- */

static void read_some(struct talker *c)
{
	const char *data;
	size_t len;
	int first;
	bool open = receive_some(&c->c, c->sip);

	while ((data = take_frame(&c->c, &first, &len)) != NULL)
		hear_frame(c, first, data, len);
	MUST(c->c.status == 0 || c->c.status == 101, "%d", c->c.status);
	if (open)
		return;
	MUST(!c->patient || c->complete, "one that reads was dropped");
	close(c->c.fd);
	c->c.fd = -1;
}

/*
 * A patient client waits until all that it said is heard, and is never dropped.
 * One that talks all the time may be, although it reads all at once: while the
 * room is congested it is not read, and when the server's receive buffer is
 * full, Linux discards its packets, also those that acknowledge what it has
 * read, for seconds.
 */
static bool may_talk(const struct talker *c)
{
	return !c->patient || (is_known(c->last) && c->ponged == c->pinged);
}

/* Lets a client do something at random: enter, end, speak or ping. */
static void act(struct talker *c)
{
	if (c->c.fd < 0 && compare(c) && chance(50))
		enter(c);
	else if (c->c.fd < 0 || c->code != 0 || c->complete || !has_room(c))
		return;
	else if (c != clients && chance(3))
		end(c);
	else if (!may_talk(c))
		return;
	else if (chance(c == clients ? 50 : 100))
		speak(c);
	else if (chance(20))
		ping(c);
}

static void step(bool talking)
{
	struct pollfd p[CLIENTS];

	for (int i = 0; i < CLIENTS; i++) {
		struct talker *c = &clients[i];

		if (talking)
			act(c);
		p[i] = (struct pollfd){.fd = c->c.fd, .events = POLLIN};
		if (c->c.from < c->c.to)
			p[i].events |= POLLOUT;
	}
	poll(p, CLIENTS, 10);
	for (int i = 0; i < CLIENTS; i++) {
		struct talker *c = &clients[i];

		if (p[i].revents & POLLOUT)
			send_some(&c->c, c->chop);
		if (p[i].revents & ~POLLOUT &&
		    (c->fast || !talking || chance(300)))
			read_some(c);
		compare(c);
	}
}

/* Returns whether nothing is to come for a client, or to be compared. */
static bool is_settled(struct talker *c)
{
	return compare(c) &&
	       (c->c.fd < 0 ||
		(c->c.status == 101 && c->c.from == c->c.to && c->code == 0 &&
		 !c->complete && is_known(c->last) &&
		 (c->heard == 0 || c->place == places)));
}

/* Waits until all have heard what the witness says now, and all before it. */
static void settle(void)
{
	time_t since = time(NULL);
	uint64_t before = deliveries;
	int settled = 0;

	while (!has_room(clients))
		step(false);
	speak(clients);
	while (settled < CLIENTS) {
		step(false);
		if (deliveries != before)
			since = time(NULL);
		before = deliveries;
		settled = 0;
		for (int i = 0; i < CLIENTS; i++)
			settled += is_settled(&clients[i]);
		MUST(time(NULL) - since < WAIT / 1000,
		     "%d clients wait for something", CLIENTS - settled);
	}
}

static int count_connected(void)
{
	int n = 0;

	for (int i = 0; i < CLIENTS; i++)
		n += clients[i].c.fd >= 0;
	return n;
}

/* Lets the slow clients leave, and waits until the server has read to the end
   what they said: until it has but `idle` descriptors, and those of the others.
   What all then hear comes after that. */
static void let_slow_leave(int idle)
{
	time_t since = time(NULL);
	bool left;

	for (int i = 0; i < CLIENTS; i++) {
		if (clients[i].c.fd >= 0 && !clients[i].fast) {
			close(clients[i].c.fd);
			clients[i].c.fd = -1;
		}
	}
	do {
		left = count_descriptors(&s) > idle + count_connected();
		settle();
		MUST(time(NULL) - since < 3 * WAIT / 1000,
		     "the server does not notice that clients have left");
	} while (left);
}

static const struct {
	const char *binary, *history, *heartbeat;
	unsigned max;
} soaks[] = {
	{CHAT, "100", "25", 4096},
	{CROWD, "0", "0", 4096},
	{TIGHT, "5", "1", 200},
	{DRIP, "5", "1", 200},
};

START_TEST(agrees_with_the_model)
{
	const char *seconds = getenv("SOAK");
	char name[32];
	FILE *log;
	time_t end = time(NULL) + (seconds != NULL ? atoi(seconds) : 3);
	int idle; /* descriptors of a server without clients */

	state = 20261122 + (unsigned)_i;
	max = soaks[_i].max;
	snprintf(name, sizeof name, "test/build/soak-%d.log", _i);
	log = fopen(name, "w");
	stderr_for_server = fileno(log);
	if (getenv("FAULTS") != NULL) /* make faults */
		setenv("LD_PRELOAD", "test/build/faults.so", 1);
	start(&s, soaks[_i].binary, "-l", "0", "-n", soaks[_i].history, "-t",
	      soaks[_i].heartbeat, NULL);
	unsetenv("LD_PRELOAD");
	for (int i = 0; i < CLIENTS; i++)
		clients[i].c.fd = -1;
	idle = count_descriptors(&s);
	enter(&clients[0]);
	while (clients[0].c.status == 0)
		step(false);
	while (time(NULL) < end)
		step(true);
	let_slow_leave(idle);
	expect_metric(&s, "chat_messages_total", (long)places);
	printf("soak: %s: %" PRIu64 " messages, %" PRIu64 " deliveries, "
	       "%" PRIu64 " ends\n",
	       soaks[_i].binary, places, deliveries, ends);
	ck_assert_int_eq(stop(&s), 0);
}
END_TEST

Suite *soak_suite(void)
{
	Suite *suite = suite_create("soak");
	TCase *t = tcase_create("coming, talking and dying at random");

	tcase_set_timeout(t, 0); /* settle() and let_slow_leave() see to that */
	add_table_test(t, agrees_with_the_model, soaks);
	suite_add_tcase(suite, t);
	return suite;
}
