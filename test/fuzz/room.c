/* SPDX-License-Identifier: MIT */
/*
 * The whole server with a network and a clock that are not there: its
 * system calls are the fake_...() of this file (see test/Makefile).  An input
 * is a script of what clients do, two bytes a step; one of odd length runs with
 * -l 1.  What must hold:
 *
 * - all that any client is sent is one sequence of messages, the same for every
 *   client, without a gap from where it came in; frames are whole, and nothing
 *   follows a Close
 * - a notice is the server's, and tells how many messages came before it
 * - a witness, who reads all at once and answers pings, is never dropped, and
 *   hears each of its own messages, in order
 */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "../handshake.h"
#include "config.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);
int fake_main(int argc, char **argv); /* the server's own */

#define NOTICE "{\"online\":"
#define MUST(ok)                 \
	do {                     \
		if (!(ok))       \
			abort(); \
	} while (0)

enum {
	LISTENER = 3,
	ROUTE,      /* a socket that only finds an address */
	NULL_FILE,  /* /dev/null */
	FIRST = 10, /* of the peers' sockets */
	SOCKETS = 8,
	ENDLESS = 1 << 30,
	TOLD = 3,   /* messages of history: -n */
	EARLY = 64, /* messages without a notice: its Close may come first */
	HOME = 2,   /* members of an address: -c */
	SAID_MAX = 8192, /* messages known */
	PATIENCE = 5000, /* passes in which all must settle */
	TEXT = 1,
	BINARY = 2,
	CLOSE = 8,
	PING = 9,
};

struct message {
	int opcode;
	size_t len;
	char data[126];
};

struct peer {
	bool used, waits, fin, reset; /* waits: to be accepted */
	unsigned char in[4096];
	size_t from, to, space; /* what of in is to come; what it will take */
	bool done;              /* the server has shut its side down */
	char head[13], tail[5]; /* the start of the response, and its last */
	size_t got;             /* bytes of the response */
	bool joined, last;      /* it was in the room; it got a Close */
	unsigned char header[2];
	size_t have, left;    /* bytes of a header; of a payload to come */
	struct message frame; /* so far */
	uint64_t place;       /* the number of its next message, or */
	bool notified;        /* while it had no notice, */
	struct message before[EARLY]; /* those before that, */
	size_t early;                 /* so many */
};

static struct peer peers[SOCKETS], *const witness = peers;
static struct message said[SAID_MAX];
static uint64_t known, since;
static unsigned own[SAID_MAX], own_from, own_to; /* the witness's messages */
static unsigned serial;
static uint64_t time_ms;
static size_t sip; /* bytes that a recv() brings at most */
static void (*stop)(int);
static bool stopped;

static struct {
	const unsigned char *data;
	size_t size, at;
	int passes, rest; /* all passes; those until the next step */
	bool probed;      /* at the end the witness says something more */
} script;

/* ---- What the peers hear ---- */

static bool same(const struct message *a, const struct message *b)
{
	return a->opcode == b->opcode && a->len == b->len &&
	       memcmp(a->data, b->data, a->len) == 0;
}

/* The first to hear a message tells what it is; the others must hear the same.
 */
static void place_message(uint64_t place, const struct message *m)
{
	MUST(place <= known && known < SAID_MAX);
	if (place == known)
		said[known++] = *m;
	MUST(same(&said[place], m));
}

/* Only the server's own notices begin so. */
static void check_notice(struct peer *p)
{
	char want[sizeof p->frame.data];
	uint64_t count = 0, name = 0;
	unsigned online = 0;

	p->frame.data[p->frame.len] = '\0';
	MUST(sscanf(p->frame.data,
		    NOTICE "%u,\"said\":%" SCNu64 ",\"since\":%" SCNu64,
		    &online, &count, &name) == 3);
	snprintf(want, sizeof want,
		 NOTICE "%u,\"said\":%" PRIu64 ",\"since\":%" PRIu64
			",\"heartbeat\":5,\"max\":%d}",
		 online, count, name, MESSAGE_MAX);
	MUST(strcmp(p->frame.data, want) == 0 && p->frame.opcode == TEXT);
	MUST(online > 0 && online <= CLIENTS_MAX);
	if (since == 0)
		since = name;
	MUST(name == since);
	if (!p->notified) {
		MUST(p->early <= TOLD);
		p->place = count - p->early;
		for (size_t k = 0; k < p->early; k++)
			place_message(p->place++, &p->before[k]);
	}
	p->notified = true;
	MUST(p->place == count);
}

static void hear_message(struct peer *p)
{
	char mine[16];

	if (p->notified) {
		place_message(p->place++, &p->frame);
	} else {
		MUST(p->early < EARLY);
		p->before[p->early++] = p->frame;
	}
	if (p != witness || own_from == own_to)
		return;
	snprintf(mine, sizeof mine, "%09u ", own[own_from]);
	if (p->frame.len >= 10 && memcmp(p->frame.data, mine, 10) == 0)
		own_from++;
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

static void hear_frame(struct peer *p)
{
	const size_t n = sizeof NOTICE - 1;
	struct message *f = &p->frame;

	p->last = f->opcode == CLOSE;
	if (p == witness && f->opcode == PING)
		frame(p, 0x8a, "", 0);
	if (f->opcode != TEXT && f->opcode != BINARY)
		return;
	if (f->len >= n && memcmp(f->data, NOTICE, n) == 0)
		check_notice(p);
	else
		hear_message(p);
}

/* One byte more of what a peer gets: a response, and frames behind its empty
   line if it is a handshake. */
static void hear(struct peer *p, unsigned char byte)
{
	MUST(!p->last);
	if (!p->joined) {
		if (p->got < sizeof p->head - 1)
			p->head[p->got] = (char)byte;
		p->got++;
		memmove(p->tail, p->tail + 1, 3);
		p->tail[3] = (char)byte;
		p->joined = strcmp(p->head, "HTTP/1.1 101") == 0 &&
			    strcmp(p->tail, "\r\n\r\n") == 0;
		return;
	}
	if (p->left > 0) {
		p->frame.data[p->frame.len++] = (char)byte;
		p->left--;
	} else {
		/* no frame is longer than MESSAGE_MAX, which is 125 */
		p->header[p->have++] = byte;
		MUST(p->have > 1 ? byte <= 125 : (byte & 0xf0) == 0x80);
		if (p->have == 1)
			return;
		p->frame.opcode = p->header[0] & 0x0f;
		p->frame.len = p->have = 0;
		p->left = byte;
	}
	if (p->left == 0)
		hear_frame(p);
}

/* ---- What a script may do ---- */

static void message(struct peer *p, size_t len, bool cut)
{
	char text[125];

	memset(text, 'x', sizeof text);
	if (sizeof p->in - p->to < 200) /* all of it must get there */
		return;
	len = len < 10 ? 10 : len > 125 ? 125 : len;
	if (p == witness)
		own[own_to++] = serial;
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
	static const char text[] = NOTICE "9}";
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
	case 14: message(witness, arg, arg % 2); break;
	case 15: forge(p, arg % 3); break;
	}
	script.rest = op % 16 > 6 ? 2 : 0;
}

static bool readable(const struct peer *p)
{
	return p->from < p->to || p->fin || p->reset;
}

/* Goes on with the script each time that the server waits: until the witness is
   in the room; step by step; until all has settled; and until it has ended. */
static void go_on(void)
{
	static const char shake[] = HANDSHAKE "\r\n";

	MUST(++script.passes < PATIENCE || !stopped);
	if (stopped)
		return;
	if (!witness->used) {
		come(witness);
		arrive(witness, shake, sizeof shake - 1);
	}
	MUST(witness->notified || script.passes < 20);
	if (!witness->notified || script.rest-- > 0)
		return;
	script.rest = 0;
	while (script.at + 1 < script.size && known < SAID_MAX / 2) {
		const unsigned char *at = script.data + script.at;

		script.at += 2;
		step(at[0], at[1], at + 2, script.size - script.at);
		script.passes = 20;
		if (script.rest > 0)
			return;
	}
	sip = ENDLESS;
	MUST(script.passes < PATIENCE);
	if (own_from < own_to || readable(witness))
		return;
	if (!script.probed) {
		message(witness, 20, false);
		script.probed = true;
		return;
	}
	script.passes = 0;
	stopped = true;
	stop(SIGTERM);
}

/* Is this peer a member, as far as it can know?  One that takes no more bytes
   may have missed its Close. */
static bool is_member(const struct peer *p)
{
	return p->used && p->joined && p->space > 0 &&
	       !(p->last || p->fin || p->reset || p->done);
}

/* Checks what must hold each time that the server waits. */
static void check_room(void)
{
	int members[SOCKETS] = {0};

	for (int i = 0; i < SOCKETS; i++)
		members[i / 3] += is_member(&peers[i]);
	for (int i = 0; i < SOCKETS; i++)
		MUST(members[i] <= HOME);
}

/* ---- The system calls of the poll() loop ---- */

int fake_poll(struct pollfd *fds, nfds_t n, int wait)
{
	bool was_stopped = stopped;
	int ready = 0;

	if (n > 0) {
		check_room();
		go_on();
	}
	if (stopped && !was_stopped) {
		errno = EINTR;
		return -1;
	}
	for (nfds_t i = 0; i < n; i++) {
		short found = 0;

		if (fds[i].fd == LISTENER) {
			for (int k = 0; k < SOCKETS; k++)
				found |= peers[k].waits ? POLLIN : 0;
		} else if (fds[i].fd >= FIRST) {
			const struct peer *p = &peers[fds[i].fd - FIRST];

			MUST(p->used);
			found |= readable(p) ? POLLIN : 0;
			found |= p->space > 0 ? POLLOUT : 0;
		}
		found &= fds[i].events;
		if (fds[i].fd >= FIRST) {
			const struct peer *p = &peers[fds[i].fd - FIRST];

			if (p->reset || (p->fin && p->done))
				found |= POLLHUP;
		}
		fds[i].revents = found;
		ready += found != 0;
	}
	if (ready == 0)
		time_ms += wait < 0 ? 3600000 : (uint64_t)wait;
	return ready;
}

/* Three peers, one after the other, have the same address. */
int fake_accept(int fd, struct sockaddr *address, socklen_t *size)
{
	struct sockaddr_in *four = (void *)address;

	MUST(fd == LISTENER);
	for (int k = 0; k < SOCKETS; k++) {
		if (peers[k].waits) {
			peers[k].waits = false;
			*four = (struct sockaddr_in){
				.sin_family = AF_INET,
				.sin_addr.s_addr = htonl(0xc0000200 + k / 3),
				.sin_port = 1};
			*size = sizeof *four;
			return FIRST + k;
		}
	}
	errno = EAGAIN;
	return -1;
}

ssize_t fake_recv(int fd, void *data, size_t n, int flags)
{
	struct peer *p = &peers[fd - FIRST];

	MUST(n > 0 && p->used);
	if (p->reset) {
		errno = ECONNRESET;
		return -1;
	}
	if (n > p->to - p->from)
		n = p->to - p->from;
	if (n > sip && p != witness)
		n = sip;
	if (n == 0 && !p->fin) {
		errno = EAGAIN;
		return -1;
	}
	memcpy(data, p->in + p->from, n);
	p->from += flags & MSG_PEEK ? 0 : n;
	return (ssize_t)n;
}

ssize_t fake_send(int fd, const void *data, size_t n, int flags)
{
	struct peer *p = &peers[fd - FIRST];

	(void)flags;
	MUST(n > 0 && p->used && !p->done);
	if (p->reset || p->space == 0) {
		errno = p->reset ? EPIPE : EAGAIN;
		return -1;
	}
	if (n > p->space)
		n = p->space;
	p->space -= p->space == ENDLESS ? 0 : n;
	for (size_t i = 0; i < n; i++)
		hear(p, ((const unsigned char *)data)[i]);
	return (ssize_t)n;
}

int fake_shutdown(int fd, int how)
{
	(void)how;
	peers[fd - FIRST].done = true;
	return 0;
}

int fake_close(int fd)
{
	if (fd < FIRST)
		return 0;
	MUST(peers[fd - FIRST].used);
	MUST(fd != FIRST || (stopped && witness->last));
	peers[fd - FIRST] = (struct peer){.used = fd == FIRST, .last = true};
	return 0;
}

int fake_ioctl(int fd, unsigned long what, int *bytes)
{
	const struct peer *p = &peers[fd - FIRST];

	if (fd < FIRST || (what != TIOCOUTQ && what != FIONREAD))
		return -1;
	*bytes = what == FIONREAD ? (int)(p->to - p->from) : p->space < ENDLESS;
	return 0;
}

int fake_clock_gettime(clockid_t clock, struct timespec *t)
{
	(void)clock;
	t->tv_sec = (time_t)(time_ms / 1000);
	t->tv_nsec = (long)(time_ms % 1000) * 1000000;
	return 0;
}

time_t fake_time(time_t *out)
{
	(void)out;
	return 7;
}

/* ---- What only the start needs ---- */

static int succeed(void)
{
	return 0;
}
#define SUCCEEDS __attribute__((alias("succeed")))
int fake_alarm(void) SUCCEEDS;
int fake_bind(void) SUCCEEDS;
int fake_fcntl(void) SUCCEEDS;
int fake_listen(void) SUCCEEDS;
int fake_setrlimit(void) SUCCEEDS;
int fake_setsockopt(void) SUCCEEDS;

int fake_open(const char *path, int flags)
{
	return (void)path, (void)flags, NULL_FILE;
}

int fake_socket(int family, int type, int protocol)
{
	(void)family, (void)protocol;
	return type == SOCK_STREAM ? LISTENER : ROUTE;
}

int fake_getsockname(int fd, struct sockaddr *address, socklen_t *size)
{
	(void)fd;
	*(struct sockaddr_in *)(void *)address =
		(struct sockaddr_in){.sin_family = AF_INET,
				     .sin_addr.s_addr = htonl(0xc0000101),
				     .sin_port = 1};
	*size = sizeof(struct sockaddr_in);
	return 0;
}

int fake_sigaction(int number, const struct sigaction *to,
		   struct sigaction *from)
{
	if (from != NULL)
		*from = (struct sigaction){.sa_handler = SIG_DFL};
	if (number == SIGTERM && to != NULL)
		stop = to->sa_handler;
	return 0;
}

ssize_t fake_write(int fd, const void *data, size_t n)
{
	return (void)fd, (void)data, (ssize_t)n;
}

void fake_exit(int status)
{
	(void)status;
	abort();
}

void fake__exit(int status)
{
	(void)status;
	abort();
}

/* ---- A run ---- */

/* The server's variables: those that begin with a value, and those with 0. */
extern unsigned char __start_room_data[], __stop_room_data[];
extern unsigned char __start_room_bss[], __stop_room_bss[];

/* Byte by byte, since what lies between variables must not be touched by the
   usual means. */
__attribute__((no_sanitize("address"))) static void
copy(volatile unsigned char *to, const unsigned char *from, size_t n)
{
	for (size_t i = 0; i < n; i++)
		to[i] = from == NULL ? 0 : from[i];
}

/* Gives all variables the values that they have when the program begins. */
static void reset(void)
{
	static unsigned char *first;
	const size_t n = (size_t)(__stop_room_data - __start_room_data);

	if (first == NULL) {
		first = malloc(n + 1);
		copy(first, __start_room_data, n);
	}
	copy(__start_room_data, first, n);
	copy(__start_room_bss, NULL,
	     (size_t)(__stop_room_bss - __start_room_bss));
	optind = 1;
	memset(peers, 0, sizeof peers);
	own_from = own_to = 0;
	stopped = false;
	sip = ENDLESS;
}

/* Runs a server from its start to its end. */
int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	static char *argv[] = {"chat", "-q", "-a", "192.0.2.1", "-p",
			       "1",    "-c", "2",  "-l",        NULL,
			       "-n",   "3",  "-t", "5",         NULL};

	reset();
	known = since = 0;
	time_ms = 1000;
	serial = 0;
	script.data = data;
	script.size = size;
	script.at = 0;
	script.passes = script.rest = 0;
	script.probed = false;
	argv[9] = size % 2 ? "1" : "0";
	MUST(fake_main(14, argv) == 0 && witness->last);
	return 0;
}
