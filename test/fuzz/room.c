/* SPDX-License-Identifier: MIT */
/*
 * The whole server with sockets that are not there: an input is a script of
 * what clients do, two bytes a step; one of odd length runs with -l 1.  All
 * that they are sent must be what a ring without end would have held, from
 * where they came in, without a gap; frames must stay whole; nothing may follow
 * a Close; a notice must count the messages before it, and be the server's; and
 * a witness, who reads all at once and answers pings, must never be dropped,
 * and must have all before the server waits.  At the end, the messages must be
 * such that another server takes them over, as with -f.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "../fake_kernel.h"
#include "chat.c"

#include "../handshake.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

enum { SOCKETS = 8, FIRST = 10, ENDLESS = 1 << 30, SHADOW = 1 << 20 };

struct peer {
	bool used, waits, fin, reset; /* waits: to be accepted */
	unsigned char in[4096];
	size_t from, to, space; /* what of in is to come; what it will take */
	bool shaken, hears, last, done; /* last: it got a Close */
	uint64_t place; /* the offset in the ring of its next byte */
	char tail[5];   /* of the response */
	unsigned char header[WS_SERVER_HEADER];
	size_t got, left;      /* bytes of a header; of a payload to come */
	char text[126];        /* the payload */
	size_t len;            /* of it, so far */
	uint64_t heard, said;  /* messages; and by its first notice, before */
	bool notified, member; /* it had a notice; it was in the room */
};

static struct peer peers[SOCKETS];
static unsigned char shadow[SHADOW]; /* the ring without an end */
static uint64_t known, time_ms;
static size_t sip = ENDLESS; /* bytes that a recv() brings at most */
static unsigned serial;
static uint64_t crowded; /* connections that made room */

#define MUST(ok)                 \
	do {                     \
		if (!(ok))       \
			abort(); \
	} while (0)

static void sync_shadow(void)
{
	MUST(ring.head - known <= LOG_SIZE);
	for (; known < ring.head && known < SHADOW; known++)
		shadow[known] = ring.store->bytes[known & (LOG_SIZE - 1)];
}

static bool readable(const struct peer *p)
{
	return p->from < p->to || p->fin || p->reset;
}

/* Checks what must hold each time that the server waits. */
static void check_room(int wait)
{
	MUST(peers[0].place == ring.head);
	/* it pays for congestion, and with -l 0 for each anew */
	if (room.congested)
		MUST(room.patience > 0 && wait <= (int)room.patience);
	else
		MUST(options.rate > 0 || room.patience == PATIENCE);
	MUST(loop.lines == 0 || wait <= 1000);
	MUST(loop.shortage != OF_ENTRIES || wait <= REQUEST_GRACE);
	for (int i = 0; i < loop.used; i++) {
		const struct client *c = &clients[i];
		int same = 0;

		if (table[i].fd >= FIRST)
			peers[table[i].fd - FIRST].member = c->state == OPEN;
		if (c->state != OPEN)
			continue;
		for (int k = 0; k < loop.used; k++)
			same += clients[k].state == OPEN &&
				is_same_home(&c->address, &clients[k].address);
		MUST(same <= options.address_max);
		MUST(c->told == room.members || wait <= 1000);
		MUST(c->credit >= options.rate * FRAME_COST || wait <= 1000);
		MUST(options.rate == 0 || c->credit > 0 ||
		     !(table[i].events & POLLIN));
	}
}

static int fake_poll(struct pollfd *fds, nfds_t n, int wait)
{
	int ready = 0;

	if (fds != table) /* log_event() asks whether stderr would block */
		return 0;
	check_room(wait);
	for (nfds_t i = 0; i < n; i++) {
		struct peer *p =
			&peers[fds[i].fd < FIRST ? 0 : fds[i].fd - FIRST];
		short found = 0;

		if (fds[i].fd >= 0 && fds[i].fd < FIRST) {
			for (int k = 0; k < SOCKETS; k++)
				found |= peers[k].waits ? POLLIN : 0;
		} else if (fds[i].fd >= FIRST) {
			found |= readable(p) ? POLLIN : 0;
			found |= p->space > 0 ? POLLOUT : 0;
			MUST(p->used);
		}
		found &= fds[i].events;
		if (fds[i].fd >= FIRST && (p->reset || (p->fin && p->done)))
			found |= POLLHUP;
		fds[i].revents = found;
		ready += found != 0;
	}
	if (ready == 0)
		time_ms += (uint64_t)wait;
	return ready;
}

/* Three peers, one after the other, have the same address. */
static int fake_accept(int fd, void *address, socklen_t *size)
{
	struct sockaddr_in *four = address;

	for (int k = 0; k < SOCKETS; k++) {
		if (peers[k].waits) {
			peers[k].waits = false;
			four->sin_family = AF_INET;
			four->sin_addr.s_addr = htonl(0xc0000200 + k / 3);
			four->sin_port = 1;
			return FIRST + k;
		}
	}
	errno = EAGAIN;
	return -1;
}

static ssize_t fake_recv(int fd, void *data, size_t n, int flags)
{
	struct peer *p = &peers[fd - FIRST];

	sync_shadow();
	MUST(n > 0 && p->used);
	for (int i = 0; i < loop.used; i++)
		MUST(table[i].fd != fd || clients[i].state != OPEN ||
		     options.rate == 0 || (int)n <= clients[i].credit);
	if (p->reset) {
		errno = ECONNRESET;
		return -1;
	}
	if (n > p->to - p->from)
		n = p->to - p->from;
	if (n > sip && p != peers)
		n = sip;
	if (n == 0 && !p->fin) {
		errno = EAGAIN;
		return -1;
	}
	memcpy(data, p->in + p->from, n);
	p->from += n;
	return (ssize_t)n;
}

static void arrive(struct peer *p, const void *data, size_t n)
{
	if (p->from == p->to)
		p->from = p->to = 0;
	if (!p->used || n > sizeof p->in - p->to)
		return;
	memcpy(p->in + p->to, data, n);
	p->to += n;
}

static void frame(struct peer *p, int first, const void *data, size_t n)
{
	unsigned char f[256] = {(unsigned char)first,
				(unsigned char)(0x80 | n)};

	memcpy(f + 6, data, n);
	arrive(p, f, 6 + n);
}

/* Only the server's own notices begin so. */
static void check_notice(struct peer *p)
{
	char want[sizeof p->text];
	unsigned online = 0;
	uint64_t said = 0;

	p->text[p->len] = '\0';
	MUST(sscanf(p->text, NOTICE_START "%u,\"said\":%" SCNu64, &online,
		    &said) == 2);
	snprintf(want, sizeof want,
		 NOTICE_START "%u,\"said\":%" PRIu64
			      ",\"since\":7,\"heartbeat\":5,\"max\":%d}",
		 online, said, MESSAGE_MAX);
	MUST(strcmp(p->text, want) == 0);
	MUST(online > 0 && online <= CLIENTS_MAX);
	if (!p->notified && p != peers)
		p->said = said - p->heard;
	p->notified = true;
	MUST(said == p->said + p->heard);
}

static void hear_frame(struct peer *p)
{
	const size_t n = sizeof NOTICE_START - 1;
	int opcode = p->header[0] & 0x0f;

	p->last = opcode == WS_CLOSE;
	if (p == peers && opcode == WS_PING)
		frame(p, 0x8a, "", 0);
	if (opcode != WS_TEXT && opcode != WS_BINARY)
		return;
	if (p->len >= n && memcmp(p->text, NOTICE_START, n) == 0)
		check_notice(p);
	else
		p->heard++;
}

/* One byte more of what a peer gets: frames, after a response's empty line. */
static void hear(struct peer *p, unsigned char byte)
{
	MUST(!p->last);
	if (!p->shaken) {
		memmove(p->tail, p->tail + 1, 3);
		p->tail[3] = (char)byte;
		p->shaken = p->hears && strcmp(p->tail, "\r\n\r\n") == 0;
		return;
	}
	if (p->left > 0) {
		p->text[p->len++] = (char)byte;
		p->left--;
	} else {
		/* no frame is longer than MESSAGE_MAX, which is 125 */
		p->header[p->got++] = byte;
		MUST(p->got > 1 ? byte <= 125 : (byte & 0xf0) == 0x80);
		if (p->got == 1)
			return;
		p->left = byte;
		p->got = p->len = 0;
	}
	if (p->left == 0)
		hear_frame(p);
}

static ssize_t fake_send(int fd, const void *data, size_t n, int flags)
{
	struct peer *p = &peers[fd - FIRST];
	struct client *c = clients;

	sync_shadow();
	MUST(n > 0 && p->used && !p->done);
	if (p->reset) {
		errno = EPIPE;
		return -1;
	}
	if (p->space == 0) {
		errno = EAGAIN;
		return -1;
	}
	if (n > p->space)
		n = p->space;
	p->space -= p->space == ENDLESS ? 0 : n;
	while (table[c - clients].fd != fd)
		c++;
	if (c->state != REPLY && !outbox_is_due(c)) {
		MUST(p->place == 0 || p->place == c->cursor);
		MUST(c->cursor + n <= known);
		MUST(memcmp(data, shadow + c->cursor, n) == 0);
		p->place = c->cursor + n;
	}
	p->hears = c->state != REPLY;
	for (size_t i = 0; i < n; i++)
		hear(p, ((const unsigned char *)data)[i]);
	return (ssize_t)n;
}

static int fake_close(int fd)
{
	MUST(fd != FIRST); /* the witness */
	MUST(peers[fd - FIRST].used);
	memset(&peers[fd - FIRST], 0, sizeof peers[0]);
	return 0;
}

static int fake_shutdown(int fd, int how)
{
	peers[fd - FIRST].done = true;
	return 0;
}

static int fake_fcntl(int fd, int command, ...)
{
	return 0;
}

static int fake_setsockopt(int fd, int level, int option, const void *value,
			   socklen_t size)
{
	/* a newcomer took the place of this one, which was no member */
	if (option == SO_LINGER && crowded < totals.ended[CROWDED])
		MUST(!peers[fd - FIRST].member);
	crowded = totals.ended[CROWDED];
	return 0;
}

static int fake_clock_gettime(clockid_t clock, struct timespec *t)
{
	t->tv_sec = (time_t)(time_ms / 1000);
	t->tv_nsec = (long)(time_ms % 1000) * 1000000;
	return 0;
}

/* ---- What a script may do ---- */

static void message(struct peer *p, size_t len, bool cut)
{
	char text[125];

	memset(text, 'x', sizeof text);
	if (sizeof p->in - p->to < 200) /* all of it must get there */
		return;
	len = len < 10 ? 10 : len > 125 ? 125 : len;
	snprintf(text, sizeof text, "%09u", serial++);
	text[9] = ' ';
	if (cut)
		frame(p, 0x01, text, 5);
	frame(p, cut ? 0x80 : 0x81, cut ? text + 5 : text, len - (cut ? 5 : 0));
}

/* Sends what looks like a notice, as a message of text, of bytes, or in two
   parts. */
static void forge(struct peer *p, int how)
{
	static const char text[] = NOTICE_START "9}";
	const size_t n = sizeof text - 1;

	if (how == 2)
		frame(p, 0x01, text, 5);
	frame(p, how == 2 ? 0x80 : 0x81 + how, text + (how == 2 ? 5 : 0),
	      n - (how == 2 ? 5 : 0));
}

static void come(struct peer *p)
{
	if (!p->used)
		*p = (struct peer){
			.used = true, .waits = true, .space = ENDLESS};
}

static void step(unsigned op, unsigned char arg, const unsigned char *more,
		 size_t size)
{
	static const char shake[] = HANDSHAKE "\r\n", get[] = GET "\r\n";
	struct peer *p = &peers[1 + op / 16 % (SOCKETS - 1)];
	unsigned char zeros[125] = {0};

	switch (op % 16) {
	case 0: come(p); break;
	case 1:
		come(p);
		arrive(p, shake, sizeof shake - 1);
		break;
	case 2: message(p, arg, false); break;
	case 3: message(p, arg, true); break;
	case 4: frame(p, 0x89, zeros, arg % 126); break;
	case 5: frame(p, 0x88, "\x03\xe8", arg % 2 ? 2 : 0); break;
	case 6: arrive(p, more, arg < size ? arg : size); break;
	case 7: p->space = p->space == ENDLESS ? 0 : p->space + arg; break;
	case 8: p->space = arg % 2 ? ENDLESS : arg; break;
	case 9: p->fin = p->used; break;
	case 10: p->reset = p->used && !p->waits; break;
	case 11: time_ms += arg * 50; break;
	case 12: sip = arg > 200 ? ENDLESS : 1 + arg; break;
	case 13: arrive(p, get, sizeof get - 1); break;
	case 14: message(&peers[0], arg, arg % 2); break;
	case 15: forge(p, arg % 3); break;
	}
	for (int k = 0; k < 3 && op % 16 > 6; k++)
		run_once();
}

static void reset(int rate)
{
	memset(peers, 0, sizeof peers);
	memset(clients, 0, sizeof clients);
	memset(&memory, 0, sizeof memory);
	memset(&ring, 0, sizeof ring);
	ring.store = &memory;
	memset(&room, 0, sizeof room);
	memset(&loop, 0, sizeof loop);
	memset(&totals, 0, sizeof totals);
	for (int i = 0; i < TABLE_SIZE; i++)
		table[i] = (struct pollfd){.fd = -1};
	loop.slots = 1 + CLIENTS_MAX + SPARE_SLOTS; /* fewer than sockets */
	room.members_max = CLIENTS_MAX;
	room.patience = PATIENCE;
	ring.store->since = 7;
	options.file = "room";
	options.address_max = 2;
	options.rate = rate;
	options.heartbeat = 5;
	options.history = 3;
	known = crowded = 0;
	time_ms = 1000;
	serial = 0;
	sip = ENDLESS;
	entry_take(entry_find_free(), 3, LISTENING);
	tick(); /* as main() does */
	come(&peers[0]);
	step(1, 0, NULL, 0); /* index 1; the witness comes by hand */
	arrive(&peers[0], peers[1].in, peers[1].to);
	memset(&peers[1], 0, sizeof peers[1]);
	run_once();
	run_once();
}

/* Restarts the server from its store: it must find all messages there. */
static void restart(void)
{
	uint64_t head = ring.head, next = ring.next, start = history_start();

	memset(&ring, 0, sizeof ring);
	ring.store = &memory;
	load_store("?");
	MUST(ring.next == next && ring.head == head);
	MUST(ring.store->since == 7 && history_start() == start);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	reset(size % 2);
	MUST(room.members == 1);
	for (size_t i = 0; i + 1 < size && known < SHADOW / 2; i += 2)
		step(data[i], data[i + 1], data + i + 2, size - i - 2);
	/* all settles, in a number of passes, and it has heard all */
	sip = ENDLESS;
	for (int k = 0;
	     k < 5000 && (k < 20 || room.congested || readable(peers)); k++)
		run_once();
	MUST(!room.congested && !readable(peers) && room.members > 0);
	run_once(); /* sends what the last one has brought; see fake_poll() */
	restart();
	return 0;
}
