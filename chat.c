/* SPDX-License-Identifier: MIT */
/*
 * chat: a chat room that every browser on the network can join.
 *
 * One thread, one poll() loop, and no memory except the tables below.  Each
 * entry of the table is a listening socket or a connection in one of these
 * states:
 *
 *     FREE -> REQUEST -> REPLY ----------> DRAIN -> DEAD -> FREE    page, error
 *                   \-> OPEN -> CLOSING -> DRAIN -> DEAD -> FREE    chat
 *
 * Naively, a server would write() each message to each client.  That fails when
 * one client is slow: either the server waits for it, or the client loses part
 * of a message.  Here each message is framed once, into a ring of frames that
 * are the same bytes for every client, since a server's frames have no mask.
 * Each client has a cursor into the ring and is sent all from there to the
 * head:
 *
 *         history       | frame | frame | frame | frame | overwritten next
 *     ------------------+-------+-------+-------+-------+------------------
 *               slowest ^               ^ a cursor      ^ head
 *
 * So the ring is the broadcast, the send queue of every client, and the history
 * for newcomers, whose cursors start further back.  It cannot overflow: while a
 * read could overwrite bytes that the slowest client still needs, the server
 * reads from no client (see read_budget).
 *
 * Three-hour path (docs/course.md): run_once(), handle_ready(), receive(),
 * handle_frames(), write_to(), flush(); broadcast(), next_chunk(),
 * read_budget(), settle_congestion(); start_close(), client_drop(),
 * load_store().
 */
#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "config.h"
#include "http.h"
#include "ws.h"

#define VERSION "1.0"

#ifndef TCP_NOTSENT_LOWAT
#define TCP_NOTSENT_LOWAT (-1) /* a system without it: see limit_unsent() */
#endif

/* ---- Types and state ---- */

enum {
	LISTENERS_MAX = 8,
	HOSTS_MAX = 16, /* options -o */
	TABLE_SIZE = LISTENERS_MAX + CLIENTS_MAX + SPARE_SLOTS,
	OTHER_FILES = 8, /* descriptors that the table does not hold */
	BUFFER_SIZE = WS_BUFFER > REQUEST_MAX ? WS_BUFFER : REQUEST_MAX,
	CLOSE_SIZE = 4, /* bytes of a Close frame with its code */
	PRIVATE_MAX = HTTP_SWITCH_LENGTH, /* frames, or the longer response */
	OUTBOX_SIZE = PRIVATE_MAX + CLOSE_SIZE,
	METRICS_MAX = 3072, /* bytes of the text that /metrics answers */
	PEER_MAX = 48,      /* characters of "[IP]:port", and the 0 */
	TIME_MAX = sizeof "2026-11-22T12:40:47Z",
	LOG_LINE_MAX = 400, /* characters of a log line */
	FIELD_MAX = 100,    /* characters of a header field in a log line */
	ACCEPT_BATCH = 64,  /* connections accepted in one pass, at least */
	EARLY_MAX = 1024,   /* bytes of frames that may come with a handshake */
	ACCOUNTS = 256,     /* addresses whose credit is remembered */
	FRAME_COST = 256,   /* credit that a frame costs; each byte costs 1 */
	BACKLOG = 4096,     /* connections that wait for accept() */
	REQUEST_GRACE = 100, /* ms that a request has in a full table, */
	REPLY_GRACE = 1000,  /* and its response */
	BURST = 5,           /* seconds of credit that a client may save up */
	PATIENCE = STALL_TIMEOUT * 1000, /* ms; see settle_congestion() */
	SILENT_MAX = 2,   /* heartbeats that a client may leave unanswered */
	IDLE_MAX = 3600,  /* seconds between ticks without a heartbeat */
	STATUS_MIN = 400, /* the statuses that refuse a request */
	STATUS_MAX = 505,
};

/* Each stops the compiler, by a division by zero, if it does not hold. */
enum {
	PONG_FITS_AN_OUTBOX = 1 / (2 + WS_CONTROL_MAX <= PRIVATE_MAX),
	OUTBOX_LEN_IS_A_BYTE = 1 / (OUTBOX_SIZE <= UCHAR_MAX),
	METRICS_FIT_A_BUFFER = 1 / (HTTP_HEAD_MAX + METRICS_MAX <= BUFFER_SIZE),
};

enum state {
	FREE,
	LISTENING, /* not a connection: accept() makes some of it */
	REQUEST,   /* its request is arriving */
	REPLY,     /* our HTTP response is being sent */
	OPEN,      /* a member of the room */
	CLOSING,   /* our Close is being sent; the peer's may be awaited */
	DRAIN,     /* half-closed: input is discarded until end of file, since
		      closing with unread input sends a reset, which can destroy
		      our last bytes before the peer has read them */
	DEAD,      /* to be closed at the end of the pass */
};

/* Why a connection ends.  /metrics counts the reasons from LATE on. */
enum reason {
	CLOSED,
	GOING_AWAY,
	LATE,
	CROWDED,
	LOST,
	PROTOCOL,
	INVALID,
	UNFINISHED,
	FORGED,
	TOO_BIG,
	FLOOD,
	STUCK,
	SLOW,
	SILENT,
	REASONS
};

#define DIGITS(number) #number
#define N(limit)       DIGITS(limit) /* the digits of a limit, as a text */
static const struct {
	const char *label, *words; /* for /metrics and the log; for the log */
	int code;                  /* of the Close that tells it, or 0 */
} reasons[REASONS] = {
	[CLOSED] = {"closed", "by the client", 0},
	[GOING_AWAY] = {"going away", "the server stops", WS_GOING_AWAY},
	[LATE] = {"late", "did not end the connection in time", 0},
	[CROWDED] = {"crowded", "closed to make room for a newcomer", 0},
	[LOST] = {"lost", "the connection ended early", 0},
	[PROTOCOL] = {"protocol", "broke RFC 6455", WS_PROTOCOL_ERROR},
	[INVALID] = {"invalid", "sent text not in UTF-8", WS_INVALID_DATA},
	[UNFINISHED] = {"unfinished", "sent half a message", WS_POLICY},
	[FORGED] = {"forged", "said what only the server may say", WS_POLICY},
	[TOO_BIG] = {"too_big", "message over " N(MESSAGE_MAX) " bytes",
		     WS_TOO_BIG},
	[FLOOD] = {"flood", "sent pings and read no pongs", 0},
	[STUCK] = {"stuck", "accepted no data for " N(SEND_TIMEOUT) " s", 0},
	[SLOW] = {"slow",
		  "too far behind; the room waits " N(
			  STALL_TIMEOUT) " s a minute",
		  0},
	[SILENT] = {"silent", "sent nothing for two heartbeats", 0},
};

/* The address of a client.  IPv4 is mapped into IPv6: ::ffff:192.0.2.1.  If a
   proxy told it (-x), the port is 0; for a unix-domain socket all is 0. */
struct address {
	unsigned char ip[16];
	in_port_t port;
};

/* A connection.  In the state OPEN it is a member of the room.  Each pass
   visits all connections, so the big buffers stand apart, and those of quiet
   members are never touched. */
struct client {
	uint64_t cursor;    /* offset in the ring of the next byte to send */
	uint64_t outbox_at; /* offset at which the outbox is due */
	uint64_t since;     /* when its state began, in ms */
	struct ws_decoder ws;
	const unsigned char *reply; /* in REPLY: the next byte to send */
	unsigned reply_len;         /* and how many bytes are left; */
	bool page_follows;          /* after those, the page is sent */
	bool ping_due;              /* the next flush() appends a ping */
	bool notice_due;     /* or a notice, which is not a message and not in
				the ring: see queue_due_frames() */
	bool blocked;        /* its socket is full: wait for POLLOUT */
	bool ignore_input;   /* its Close came, or it broke a rule */
	unsigned char state; /* an enum state */
	unsigned char outbox_len, outbox_sent; /* bytes in it; sent of those */
	unsigned buffered; /* bytes of a half-received request in buffers[] */
	int credit;        /* what it may send; at 0 or below, it is not read */
	unsigned told;     /* how many members the last notice to it named */
	unsigned ticks;    /* in its state; OPEN: since its message began */
	unsigned stuck;    /* ticks without progress while blocked */
	unsigned silent;   /* heartbeats since it last sent anything */
	struct address address;
	unsigned char outbox[OUTBOX_SIZE]; /* frames for it alone */
};

/* table[i], clients[i] and buffers[i] belong to one connection.  buffers[i]
   holds the part of a request or message that has arrived, or a reply. */
static struct pollfd table[TABLE_SIZE]; /* free: fd -1, which poll() ignores */
static struct client clients[TABLE_SIZE];
static unsigned char buffers[TABLE_SIZE][BUFFER_SIZE];
static unsigned char received[RECEIVE_SIZE]; /* what one recv() brought */

/* The place of a message in the ring.  The last messages are in a table, each
   at messages[number % HISTORY_MAX]. */
struct message {
	uint64_t number;   /* how many messages were said before it */
	uint64_t start;    /* offset of its frame */
	uint64_t checksum; /* of the others here, and of the frame; see -f */
	uint64_t length;   /* bytes of its frame; 0: there is none here */
};

/* The messages.  With -f this is a file, byte for byte, and outlives us. */
struct store {
	char mark[112]; /* what this file is, and of which build, as a text */
	char boot[40];  /* the start of the system in which a server uses it, or
			   "" when none does */
	uint64_t since; /* names the count of messages: about when it began, in
			   ms since 1970 */
	struct message messages[HISTORY_MAX];
	unsigned char bytes[LOG_SIZE];
};
static struct store memory; /* all 0 */

/* An offset counts bytes since the first message and never wraps; its last
   bits, offset & (LOG_SIZE - 1), are the place in bytes[]. */
static struct {
	struct store *store; /* &memory, or with -f the file */
	uint64_t head;       /* offset of the next byte */
	uint64_t slowest;    /* no client needs an older one */
	uint64_t first;      /* number of the oldest message in the store, */
	uint64_t next;       /* and of the next that will be said */
} ring = {.store = &memory};

static struct {
	unsigned members, members_max, members_peak;
	bool congested;      /* no message or request is read for now */
	uint64_t charged_at; /* until then, in ms, patience has been charged */
	unsigned patience;   /* ms that the room may still wait for slow ones */
} room;

enum shortage { NO_SHORTAGE, OF_ENTRIES, OF_DESCRIPTORS, OF_MEMORY };

/*
 * What steers the loop:
 *
 *   flag            set by             cleared by     while it is set
 *   --------------  -----------------  -------------  -------------------------
 *   loop.shortage:
 *    OF_ENTRIES     accept_batch()     entry_free(),  no connection is accepted
 *                                      run_once(),
 *                                      tick()
 *    OF_DESCRIPTORS accept() fails     tick()         no connection is accepted
 *    OF_MEMORY      any call fails so  tick()         no socket is polled
 *   room.congested  read_budget()      all catch up   no message, no request
 *                                                     is read
 *   client.blocked  a full socket      POLLOUT        it is sent nothing
 *   client.credit   what it sends      tick()         it is not read
 *    at 0 or below
 *   stopping        a signal           never          main() ends the loop
 */
static struct {
	int slots;                /* entries that the descriptor limit allows */
	int used;                 /* entries up to the last that is not free */
	int lowest_free;          /* no entry before this one is free */
	int first;                /* this pass reads entry first % used first */
	uint64_t full_at;         /* when OF_ENTRIES began, in ms */
	unsigned lines;           /* log lines since the last tick */
	uint64_t last_tick;       /* its time in ms */
	unsigned tick_after;      /* seconds from the last tick to the next */
	unsigned heartbeat_after; /* seconds from it to the next heartbeat */
	unsigned char shortage;   /* an enum shortage */
} loop;

/* The options.  read_options() sets their defaults. */
static struct {
	const char *address;          /* -a, or NULL: all addresses */
	const char *file;             /* -f, or NULL */
	const char *hosts[HOSTS_MAX]; /* -o */
	int host_count;
	int address_max;          /* -c, members from one address */
	int rate;                 /* -l, frames per second */
	int history;              /* -n, messages */
	int port;                 /* -p */
	int heartbeat;            /* -t, seconds */
	int quiet, help, version; /* -q, -h, -V were given */
	int proxied;              /* -x was given */
} options;

/* The credit that a member from this address had when it left, so that it gains
   nothing by coming again.  Each address has one place, shared with others. */
static struct account {
	struct address address;
	int credit;
	uint64_t at; /* when it left, in ms */
} accounts[ACCOUNTS];

/* Counters since the start, for /metrics. */
static struct {
	uint64_t joins, messages, bytes_in, bytes_out, page_loads;
	uint64_t ended[REASONS]; /* by reason; one client may have two */
	uint64_t refused[STATUS_MAX - STATUS_MIN + 1]; /* by status */
} totals;

static volatile sig_atomic_t stopping; /* the signal that asked for it, or 0 */

static const unsigned char page[] = {
#include "index.inc"
};
static char page_etag[HTTP_ETAG_LENGTH + 1];
static char page_fields[512]; /* header fields that come with the page */

static size_t smaller(uint64_t a, uint64_t b)
{
	return (size_t)(a < b ? a : b);
}

/* Copies n bytes of data to out[at] and on, as far as they fit before out[max].
   Returns the index after the copy. */
static size_t copy(unsigned char *out, size_t at, size_t max,
		   const unsigned char *data, size_t n)
{
	for (size_t i = 0; i < n && at < max; i++)
		out[at++] = data[i];
	return at;
}

/* ---- Text ---- */

/* Appends formatted text at out[at], cut where max bytes are full, with its 0.
   Returns the index of that 0. */
static size_t append_args(char *out, size_t at, size_t max, const char *format,
			  va_list args)
{
	int n = vsnprintf(out + at, max - at, format, args);

	return n < 0 ? at : smaller(at + (uint64_t)n, max - 1);
}

static size_t append(char *out, size_t at, size_t max, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	at = append_args(out, at, max, format, args);
	va_end(args);
	return at;
}

static void print(int fd, const char *format, ...)
{
	char text[2048];
	va_list args;
	size_t n;

	va_start(args, format);
	n = append_args(text, 0, sizeof text, format, args);
	va_end(args);
	if (write(fd, text, n) < 0)
		return; /* there is no other place to report it */
}

/* Writes a time in UTC, "2026-11-22T12:40:47Z".  libc's gmtime_r() would do,
   but it may allocate memory.  Years that begin in March make it easy: a leap
   day is then the last of its year, and month 0 to 11 begins on day (153 *
   month + 2) / 5. */
static void format_time(char out[TIME_MAX], time_t t)
{
	uint64_t seconds = t > 0 ? (uint64_t)t : 0;
	unsigned days = (unsigned)(seconds / 86400) + 719468; /* 0000-03-01 */
	unsigned day = days % 146097;                         /* of 400 years */
	unsigned second = (unsigned)(seconds % 86400), year, month;

	year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
	day -= 365 * year + year / 4 - year / 100;
	month = (5 * day + 2) / 153;
	year += days / 146097 * 400 + (month >= 10);
	append(out, 0, TIME_MAX, "%04u-%02u-%02uT%02u:%02u:%02uZ", year,
	       (month + 2) % 12 + 1, day - (153 * month + 2) / 5 + 1,
	       second / 3600, second / 60 % 60, second % 60);
}

/* ---- Addresses ---- */

static const unsigned char ip4_in_ip6[12] = {[10] = 0xff, [11] = 0xff};
static const struct address local; /* that of a unix-domain socket */

static bool is_ip4(const struct address *a)
{
	return memcmp(a->ip, ip4_in_ip6, sizeof ip4_in_ip6) == 0;
}

static bool is_local(const struct address *a)
{
	return memcmp(a->ip, local.ip, sizeof a->ip) == 0 && a->port == 0;
}

static struct address to_address(const struct sockaddr_storage *s)
{
	const struct sockaddr_in *four = (const void *)s;
	const struct sockaddr_in6 *six = (const void *)s;
	struct address a = local;

	if (s->ss_family == AF_INET) {
		memcpy(a.ip, ip4_in_ip6, sizeof ip4_in_ip6);
		memcpy(a.ip + sizeof ip4_in_ip6, &four->sin_addr, 4);
		a.port = ntohs(four->sin_port);
	} else if (s->ss_family == AF_INET6) {
		memcpy(a.ip, &six->sin6_addr, sizeof a.ip);
		a.port = ntohs(six->sin6_port);
	}
	return a;
}

/* Reads an address that a proxy has written.  Returns false if it is none. */
static bool parse_address(struct address *a, struct http_text t)
{
	char ip[INET6_ADDRSTRLEN];

	*a = local;
	append(ip, 0, sizeof ip, "%.*s", (int)(t.to - t.from), t.buf + t.from);
	memcpy(a->ip, ip4_in_ip6, sizeof ip4_in_ip6);
	return t.to - t.from < sizeof ip &&
	       (inet_pton(AF_INET, ip, a->ip + sizeof ip4_in_ip6) == 1 ||
		inet_pton(AF_INET6, ip, a->ip) == 1) &&
	       !is_local(a); /* no client has the address :: */
}

/* Writes an address as it stands in a URL: "192.0.2.1:80", "[2001:db8::1]:80".
   Without a port it is "192.0.2.1", "2001:db8::1", or "local". */
static void format_address(char out[PEER_MAX], const struct address *a)
{
	char ip[INET6_ADDRSTRLEN] = "local";

	if (is_ip4(a))
		inet_ntop(AF_INET, a->ip + sizeof ip4_in_ip6, ip, sizeof ip);
	else if (!is_local(a))
		inet_ntop(AF_INET6, a->ip, ip, sizeof ip);
	if (a->port == 0)
		append(out, 0, PEER_MAX, "%s", ip);
	else
		append(out, 0, PEER_MAX, is_ip4(a) ? "%s:%d" : "[%s]:%d", ip,
		       a->port);
}

/* Returns true if -c counts both as one: they have the same IPv4 address, or
   the same first 64 bits of IPv6, since a machine can have any address that
   begins with those of its network. */
static bool is_same_home(const struct address *a, const struct address *b)
{
	bool is_network = !is_ip4(a) && !is_ip4(b);

	return memcmp(a->ip, b->ip, is_network ? 8 : sizeof a->ip) == 0;
}

/* Returns true if clients of this address share the limits of -c and -l.  Those
   of loopback and unix-domain sockets do not; what a proxy told (-x) always
   does. */
static bool is_limited(const struct address *a)
{
	bool is_loopback =
		is_ip4(a) ? a->ip[12] == 127 : memcmp(a->ip, local.ip, 15) == 0;

	return !is_local(a) && !(is_loopback && a->port != 0);
}

/* ---- The log ---- */

/* Writes one line to stderr: time, the client's address or "chat", event.
   Bytes that are not printable ASCII become "?".  If stderr would block, the
   line is dropped, so that the room need not wait for the log's reader.  After
   LOG_RATE lines the others are only counted until the next tick, so that no
   attacker fills a disk. */
static void log_event(const struct client *c, const char *format, ...)
{
	struct pollfd out = {.fd = STDERR_FILENO, .events = POLLOUT};
	char line[LOG_LINE_MAX], when[TIME_MAX], peer[PEER_MAX] = "chat";
	va_list args;
	size_t n;

	if (options.quiet || ++loop.lines > LOG_RATE || poll(&out, 1, 0) <= 0)
		return;
	if (c != NULL)
		format_address(peer, &c->address);
	format_time(when, time(NULL));
	n = append(line, 0, sizeof line, "%s %s ", when, peer);
	va_start(args, format);
	n = append_args(line, n, sizeof line, format, args);
	va_end(args);
	for (size_t i = 0; i < n; i++) {
		if (line[i] < ' ' || line[i] > '~')
			line[i] = '?';
	}
	print(STDERR_FILENO, "%s\n", line);
}

/* Tells how many lines are missing in the log, and lets it go on. */
static void log_missing(void)
{
	unsigned lines = loop.lines;

	loop.lines = 0;
	if (lines > LOG_RATE)
		log_event(NULL, "%u more events in the last second",
			  lines - LOG_RATE);
}

/* ---- The ring ---- */

static struct message *find_message(uint64_t number)
{
	return &ring.store->messages[number % HISTORY_MAX];
}

/* Like FNV-1a, by Fowler, Noll and Vo, with eight bytes in each step: a change
   of one of them changes the sum. */
static uint64_t checksum(const struct message *m)
{
	const uint64_t fields[] = {m->number, m->start, m->length};
	const uint64_t prime = 0x100000001b3;
	const uint64_t end = m->start + m->length;
	uint64_t at = m->start, sum = 0xcbf29ce484222325, word;

	for (int i = 0; i < 3; i++)
		sum = (sum ^ fields[i]) * prime;
	while (at < end) {
		word = 0;
		for (int k = 0; k < 8 && at < end; k++)
			word = word << 8 |
			       ring.store->bytes[at++ & (LOG_SIZE - 1)];
		sum = (sum ^ word) * prime;
		sum ^= sum >> 32;
	}
	return sum;
}

/* volatile keeps these stores in order.  If the process is killed, with -f,
   those before that point are in the file, and no later ones. */
static void ring_write(const unsigned char *data, size_t from, size_t to)
{
	volatile unsigned char *bytes = ring.store->bytes;

	while (from < to)
		bytes[ring.head++ & (LOG_SIZE - 1)] = data[from++];
}

/* Appends a message to the ring, as the frame that every member is sent. */
static void broadcast(const struct ws_frame *f)
{
	unsigned char header[WS_SERVER_HEADER] = {0};
	size_t len = f->to - f->from;
	size_t n = ws_header(header, f->opcode, len);
	struct message said = {ring.next, ring.head, 0, n + len};
	volatile struct message *m = find_message(ring.next);

	assert(n + len <= LOG_SIZE - (ring.head - ring.slowest));
	m->length = 0;
	ring_write(header, 0, n);
	ring_write(f->data, f->from, f->to);
	m->number = said.number;
	m->start = said.start;
	m->checksum = options.file != NULL ? checksum(&said) : 0;
	m->length = said.length; /* from now on it is said */
	ring.next++;
	totals.messages++;
}

/* Returns where a newcomer starts: options.history messages back, but within
   the newer half of the ring, so that it is not dropped at once as slow. */
static uint64_t history_start(void)
{
	uint64_t count =
		smaller((uint64_t)options.history, ring.next - ring.first);

	for (; count > 0; count--) {
		const struct message *m = find_message(ring.next - count);

		if (ring.head - m->start <= LOG_SIZE / 2)
			return m->start;
	}
	return ring.head;
}

static uint64_t clock_ms(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/*
 * Returns how many bytes may be read from one client.  If that is none, the
 * room is congested from now on: no message and no request is read until all
 * members have caught up to half of the ring, or are dropped (see
 * settle_congestion).  TCP makes the senders wait meanwhile, and nothing is
 * lost.
 *
 * n bytes read add at most n bytes to the ring, since a server's header is
 * shorter than a client's.  They may also complete a message of which up to
 * MESSAGE_MAX bytes were received before, and add its header.  So that much of
 * the free part of the ring is kept in reserve.  With the default limits: when
 * the slowest member is 1,044,000 bytes behind the head, 4,576 of 1,048,576 are
 * free, 4,096 + 10 are reserved, and 470 may be read.
 */
static size_t read_budget(void)
{
	uint64_t room_left = LOG_SIZE - (ring.head - ring.slowest);
	const uint64_t reserve = MESSAGE_MAX + WS_SERVER_HEADER;

	if (!room.congested && room_left <= reserve) {
		room.congested = true;
		room.charged_at = clock_ms(CLOCK_MONOTONIC);
	}
	return room.congested ? 0
			      : smaller(room_left - reserve, sizeof received);
}

/* Returns true while the server reads no member and no request.  That time does
   not count as their silence. */
static bool reading_is_paused(void)
{
	return room.congested || loop.shortage == OF_MEMORY;
}

/* Returns the offset up to which a client is sent the ring for now.  There its
   private frames are due, or its Close, after which nothing is sent (RFC 6455,
   5.5.1). */
static uint64_t ring_end(const struct client *c)
{
	return c->outbox_len > 0 || c->state == CLOSING ? c->outbox_at
							: ring.head;
}

/* Returns how far a client is behind the head, 0 if it needs nothing more of
   the ring. */
static uint64_t lag(const struct client *c)
{
	bool needs_ring = c->state == OPEN ||
			  (c->state == CLOSING && c->cursor < ring_end(c));

	return needs_ring ? ring.head - c->cursor : 0;
}

/* Finds the oldest byte that a client needs. */
static void update_slowest(void)
{
	uint64_t greatest = 0;

	for (int i = 0; i < loop.used; i++) {
		uint64_t behind = lag(&clients[i]);

		if (greatest < behind)
			greatest = behind;
	}
	ring.slowest = ring.head - greatest;
}

/* ---- States and dropping ---- */

static void set_state(int i, enum state state)
{
	clients[i].state = (unsigned char)state;
	clients[i].since = clock_ms(CLOCK_MONOTONIC);
	clients[i].ticks = 0;
}

static struct account *find_account(const struct address *a)
{
	unsigned hash = 0;

	for (size_t k = 0; k < (is_ip4(a) ? sizeof a->ip : 8); k++)
		hash = 31 * hash + a->ip[k];
	return &accounts[hash % ACCOUNTS];
}

/* Returns the credit that a client gains in a second. */
static int credit_per_second(void)
{
	return options.rate * FRAME_COST;
}

/* Returns the credit that a newcomer begins with: a second's worth, or less if
   one from its address has left a moment ago. */
static int first_credit(const struct address *a)
{
	const struct account *last = find_account(a);
	const int64_t second = credit_per_second();
	uint64_t ms = clock_ms(CLOCK_MONOTONIC) - last->at;
	int64_t credit =
		last->credit + second * (int64_t)smaller(ms, 3600000) / 1000;

	return last->at > 0 && is_same_home(a, &last->address) &&
			       credit < second
		       ? (int)credit
		       : (int)second;
}

/* Notes with what credit a member leaves. */
static void close_account(const struct client *c)
{
	int credit = first_credit(&c->address);

	if (options.rate > 0 && is_limited(&c->address))
		*find_account(&c->address) = (struct account){
			c->address, credit < c->credit ? credit : c->credit,
			clock_ms(CLOCK_MONOTONIC)};
}

/* Logs and counts that a member leaves.  The words are those of the tutorials
   that this server replaces: "Client connected", "Client disconnected". */
static void leave_room(int i, enum reason why)
{
	close_account(&clients[i]);
	room.members--;
	totals.ended[why]++;
	log_event(&clients[i], "Client disconnected: %s, %s (%u online)",
		  reasons[why].label, reasons[why].words, room.members);
}

/* Drops a client.  SO_LINGER with 0 makes close() reset the connection, so that
   the kernel discards what the client has not accepted. */
static void client_drop(int i, enum reason why)
{
	const struct linger reset = {.l_onoff = 1, .l_linger = 0};

	if (clients[i].state == DEAD)
		return;
	if (clients[i].state == OPEN) {
		leave_room(i, why);
	} else {
		totals.ended[why]++;
		log_event(&clients[i], "Connection dropped: %s, %s",
			  reasons[why].label, reasons[why].words);
	}
	set_state(i, DEAD);
	setsockopt(table[i].fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
}

/*
 * Ends congestion once all are within half of the ring.
 *
 * Whoever is further behind makes the whole room wait.  The room pays for that
 * from one budget, its patience: STALL_TIMEOUT seconds, refilled over a minute
 * (see tick).  When it is used up, all who are further behind are dropped at
 * once.  A budget for each client would not do: twenty that come again as soon
 * as they are dropped would make the room wait each time anew.  Example: a
 * client that sleeps for 1.5 s costs 1.5 s of 2 s, and stays; a second one in
 * the same minute is dropped after 0.5 s, comes again, and has lost nothing
 * that the history still holds.
 *
 * With -l 0 senders are trusted, and congestion is how the slower half of a
 * room slows them down.  Then the budget is whole again after each congestion.
 */
static void settle_congestion(void)
{
	uint64_t now;

	update_slowest();
	if (!room.congested)
		return;
	/* a pass counts for 1 s at most, so that nobody is dropped because the
	   server was stopped (SIGSTOP) */
	now = clock_ms(CLOCK_MONOTONIC);
	room.patience -= (unsigned)smaller(
		room.patience, smaller(now - room.charged_at, 1000));
	room.charged_at = now;
	if (room.patience == 0) {
		for (int i = 0; i < loop.used; i++) {
			if (lag(&clients[i]) > LOG_SIZE / 2)
				client_drop(i, SLOW);
		}
		update_slowest();
	}
	room.congested = ring.head - ring.slowest > LOG_SIZE / 2;
	if (!room.congested && options.rate == 0)
		room.patience = PATIENCE;
}

/* ---- Sending ---- */

/*
 * Appends a private frame to a client's outbox.  An empty outbox gets the head
 * as its place, outbox_at, and is sent when the cursor comes there; the head is
 * always between two frames, so a private frame never splits another.  Example:
 *
 *     1. Frame A = [100, 160) is in the ring; the cursor is 100, the head 160.
 *     2. A ping is appended: outbox_at = 160.
 *     3. Frame B = [160, 200) is written; the head is 200.
 *     4. The client is sent A, the ping, B.
 *
 * An outbox that is not empty keeps its place.  Returns false if the frame does
 * not fit; a Close always does.
 */
static bool outbox_append(struct client *c, enum ws_opcode opcode,
			  const unsigned char *data, size_t from, size_t to)
{
	unsigned char header[WS_SERVER_HEADER] = {0};
	size_t at = c->outbox_len, n = ws_header(header, opcode, to - from);
	size_t max = opcode == WS_CLOSE ? OUTBOX_SIZE : PRIVATE_MAX;

	if (at + n + (to - from) > max)
		return false;
	if (at == 0)
		c->outbox_at = ring.head;
	at = copy(c->outbox, at, max, header, n);
	while (from < to && at < max)
		c->outbox[at++] = data[from++];
	c->outbox_len = (unsigned char)at;
	return true;
}

/* Returns true if the outbox waits for a place before the head: a frame
   appended now would overtake the messages after that place. */
static bool outbox_waits(const struct client *c)
{
	return c->outbox_len > 0 && c->outbox_at != ring.head;
}

/* With -n 0 -t 0 the server is a pure relay and sends no notices. */
static bool sends_notices(void)
{
	return options.history > 0 || options.heartbeat > 0;
}

#define NOTICE_START "{\"online\":"

/*
 * Appends a ping and a notice that are due, or leaves them due for now.  What
 * the notice tells:
 *
 *     online     how many people are in the room
 *     said       how many messages were said before it, in all
 *     since      when that count began, in ms since 1970
 *     heartbeat  seconds between two pings
 *     max        bytes that a message may have
 */
static void queue_due_frames(struct client *c)
{
	char text[WS_CONTROL_MAX];
	size_t n;

	if (outbox_waits(c))
		return;
	if (c->ping_due && outbox_append(c, WS_PING, NULL, 0, 0))
		c->ping_due = false;
	if (!c->notice_due)
		return;
	n = append(text, 0, sizeof text,
		   NOTICE_START "%u,\"said\":%" PRIu64 ",\"since\":%" PRIu64
				",\"heartbeat\":%d,\"max\":%d}",
		   room.members, ring.next, ring.store->since,
		   options.heartbeat, MESSAGE_MAX);
	if (outbox_append(c, WS_TEXT, (void *)text, 0, n)) {
		c->notice_due = false;
		c->told = room.members;
	}
}

static bool outbox_is_due(const struct client *c)
{
	return c->outbox_len > 0 && c->cursor >= c->outbox_at;
}

/* Points *data at the next bytes to send and returns how many, 0 if none. */
static size_t next_chunk(const struct client *c, const unsigned char **data)
{
	size_t at = c->cursor & (LOG_SIZE - 1);

	if (c->state == REPLY) {
		*data = c->reply;
		return c->reply_len;
	}
	if (outbox_is_due(c)) {
		*data = c->outbox + c->outbox_sent;
		return (size_t)(c->outbox_len - c->outbox_sent);
	}
	*data = ring.store->bytes + at;
	return smaller(ring_end(c) - c->cursor, LOG_SIZE - at);
}

/* Takes note that the first n bytes of the next chunk were sent. */
static void advance(struct client *c, size_t n)
{
	totals.bytes_out += n;
	c->stuck = 0;
	if (c->state == REPLY) {
		c->reply += n;
		c->reply_len -= (unsigned)n;
		if (c->reply_len == 0 && c->page_follows) {
			c->reply = page;
			c->reply_len = sizeof page;
			c->page_follows = false;
		}
	} else if (!outbox_is_due(c)) {
		c->cursor += n;
	} else {
		c->outbox_sent = (unsigned char)(c->outbox_sent + n);
		if (c->outbox_sent == c->outbox_len)
			c->outbox_len = c->outbox_sent = 0;
	}
}

/* Returns true if the call that has just failed may be tried again.  When the
   kernel is out of memory, sockets still poll as ready; so that the loop does
   not spin, this starts a shortage: no socket is polled until the next tick. */
static bool is_temporary_error(void)
{
	if (errno == ENOBUFS || errno == ENOMEM) {
		loop.shortage = OF_MEMORY;
		return true;
	}
	return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
}

/* Sends a client all that is due, until its socket is full. */
static void flush(int i)
{
	struct client *c = &clients[i];

	while (!c->blocked && c->state != DEAD) {
		const unsigned char *data = NULL;
		ssize_t sent;
		size_t n;

		if (c->state == OPEN && (c->ping_due || c->notice_due))
			queue_due_frames(c);
		n = next_chunk(c, &data);
		if (n == 0)
			return;
		/* MSG_NOSIGNAL: a lost connection is an error, not a SIGPIPE */
		sent = send(table[i].fd, data, n, MSG_NOSIGNAL);
		if (sent > 0)
			advance(c, (size_t)sent);
		else if (sent < 0 && !is_temporary_error())
			client_drop(i, LOST);
		else
			c->blocked = sent == 0 || errno != EINTR;
	}
}

/* Appends a private frame.  If the outbox waits for an older place or is full,
   sends what is due first, so that the frame comes after all older ones; if the
   socket is full, it joins the frames at the older place.  Returns false if it
   does not fit. */
static bool queue_frame(int i, enum ws_opcode opcode, const unsigned char *data,
			size_t from, size_t to)
{
	struct client *c = &clients[i];

	if (!outbox_waits(c) && outbox_append(c, opcode, data, from, to))
		return true;
	flush(i);
	return outbox_append(c, opcode, data, from, to);
}

/* Sends Close behind what the outbox waits for (RFC 6455, 7.1.2).  Unless
   its input is ignored from now on, the server waits for the peer's Close. */
static void start_close(int i, int code, bool ignore_input, enum reason why)
{
	struct client *c = &clients[i];
	unsigned char payload[] = {(unsigned char)(code >> 8),
				   (unsigned char)code};

	queue_frame(i, WS_CLOSE, payload, 0,
		    code == WS_NO_STATUS ? 0 : sizeof payload);
	if (c->state == DEAD) /* flush() found that the connection is lost */
		return;
	leave_room(i, why);
	c->ignore_input = ignore_input;
	set_state(i, CLOSING);
}

/* Fails the connection (RFC 6455, 7.1.7). */
static void close_with_error(int i, enum reason why)
{
	start_close(i, reasons[why].code, true, why);
}

/* ---- Frames ---- */

/* Returns the reason for a close code of ws.h. */
static enum reason reason_of(int code)
{
	return code == WS_TOO_BIG        ? TOO_BIG
	       : code == WS_INVALID_DATA ? INVALID
					 : PROTOCOL;
}

/* Answers a Close with the same code (RFC 6455, 5.5.1), or takes the answer to
   ours. */
static void handle_close(int i, const struct ws_frame *f)
{
	int code = ws_close_code(f);

	if (clients[i].state == CLOSING)
		clients[i].ignore_input = true;
	else if (code < 0)
		close_with_error(i, reason_of(-code));
	else
		start_close(i, code, true, CLOSED);
}

/* Relays a message.  Only the server says notices: the page would believe a
   forged one.  With -f, the next server may send notices. */
static void handle_message(int i, const struct ws_frame *f)
{
	static const char start[] = NOTICE_START;
	const size_t n = sizeof start - 1;

	if ((sends_notices() || options.file != NULL) && f->to - f->from >= n &&
	    memcmp(f->data + f->from, start, n) == 0)
		close_with_error(i, FORGED);
	else
		broadcast(f);
}

static void handle_frame(int i, const struct ws_frame *f)
{
	if (f->opcode == WS_CLOSE)
		handle_close(i, f);
	else if (clients[i].state != OPEN)
		return; /* after our Close, only the peer's matters */
	else if (f->opcode == WS_TEXT || f->opcode == WS_BINARY)
		handle_message(i, f);
	else if (f->opcode == WS_PING &&
		 !queue_frame(i, WS_PONG, f->data, f->from, f->to))
		client_drop(i, FLOOD);
}

static void charge(struct client *c, int cost)
{
	if (options.rate > 0 && c->state == OPEN)
		c->credit -= cost;
}

/* Returns true if a client has sent more than its rate allows (-l). */
static bool is_in_debt(const struct client *c)
{
	return options.rate > 0 && c->credit <= 0;
}

/* Decodes received[from..to) and handles the frames in it. */
static void handle_frames(int i, size_t from, size_t to)
{
	struct client *c = &clients[i];
	struct ws_frame f = {0};
	int at;

	charge(c, (int)(to - from));
	while (from < to && !c->ignore_input && c->state != DEAD) {
		if (c->state == OPEN && ws_idle(&c->ws))
			c->ticks = 0; /* a message begins */
		at = ws_decode(&c->ws, received, from, to, &f);
		if (at < 0 && c->state == OPEN)
			close_with_error(i, reason_of(-at));
		if (at < 0)
			c->ignore_input = true;
		if (at <= 0)
			return;
		from = (size_t)at;
		charge(c, FRAME_COST);
		handle_frame(i, &f);
	}
}

/* ---- HTTP ---- */

/* Writes what the header says of the page.  A browser may keep the page, but
   asks each time whether it has changed. */
static void prepare_page(void)
{
	http_etag(page_etag, page, sizeof page);
	append(page_fields, 0, sizeof page_fields,
	       "ETag: %s\r\n"
	       "Cache-Control: no-cache\r\n"
	       "Referrer-Policy: no-referrer\r\n"
	       "Content-Security-Policy: default-src 'none'; "
	       "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
	       "img-src data:; script-src 'unsafe-inline'; "
	       "style-src 'unsafe-inline'; connect-src 'self' ws: wss:; "
	       "require-trusted-types-for 'script'\r\n",
	       page_etag);
}

/* Starts a response with a text, or with the page when text is NULL. */
static void start_reply(int i, int status, const char *text, bool head_only)
{
	struct client *c = &clients[i];
	size_t len = text != NULL ? strlen(text) : sizeof page;
	size_t n = http_head((char *)buffers[i], status,
			     text != NULL ? "text/plain; charset=utf-8"
					  : "text/html; charset=utf-8",
			     len, text != NULL ? "" : page_fields);

	if (text != NULL && !head_only)
		n = append((char *)buffers[i], n, BUFFER_SIZE, "%s", text);
	c->reply = buffers[i];
	c->reply_len = (unsigned)n;
	c->page_follows = text == NULL && !head_only;
	set_state(i, REPLY);
}

/* The arguments of "%.*s" for a header field in a log line. */
#define FIELD(t) (int)smaller((t).to - (t).from, FIELD_MAX), (t).buf + (t).from

/* Refuses a request with a status and, as of printf(), the reason. */
static void refuse(int i, const struct http_request *r, int status,
		   const char *format, ...)
{
	const char *phrase = http_status(status);
	char why[3 * FIELD_MAX]; /* has room for two fields and words */
	char text[LOG_LINE_MAX];
	va_list args;

	va_start(args, format);
	append_args(why, 0, sizeof why, format, args);
	va_end(args);
	append(text, 0, sizeof text, "%s (%s)\n", phrase, why);
	totals.refused[status - STATUS_MIN]++;
	/* browsers open connections in advance: those are not worth a line */
	if (status != 408 || clients[i].buffered > 0)
		log_event(&clients[i], "%s refused: %s (%s)",
			  r->handshake ? "Handshake" : "Request", phrase, why);
	start_reply(i, status, text, r->head_only);
}

static void reply_page(int i, const struct http_request *r)
{
	bool is_known = http_etag_listed(r, page_etag);
	bool head_only = r->head_only || is_known;

	totals.page_loads += !head_only;
	start_reply(i, is_known ? 304 : 200, NULL, head_only);
}

/* Appends what a metric means, and its type: those of the name "..._total" only
   grow. */
static size_t append_help(char *text, size_t n, const char *name,
			  const char *help)
{
	bool grows = strcmp(name + strlen(name) - 6, "_total") == 0;

	return append(text, n, METRICS_MAX,
		      "# HELP chat_%s %s\n# TYPE chat_%s %s\n", name, help,
		      name, grows ? "counter" : "gauge");
}

static size_t append_metric(char *text, size_t n, const char *name,
			    uint64_t value, const char *help)
{
	n = append_help(text, n, name, help);
	return append(text, n, METRICS_MAX, "chat_%s %" PRIu64 "\n", name,
		      value);
}

/* Appends the counters that have a label. */
static size_t append_labelled(char *text, size_t n)
{
	n = append_help(text, n, "dropped_total",
			"Connections dropped, by reason.");
	for (int k = LATE; k < REASONS; k++)
		n = append(text, n, METRICS_MAX,
			   "chat_dropped_total{reason=\"%s\"} %" PRIu64 "\n",
			   reasons[k].label, totals.ended[k]);
	n = append_help(text, n, "refused_total",
			"Requests refused, by status.");
	for (int k = STATUS_MIN; k <= STATUS_MAX; k++) {
		if (http_status(k) != NULL)
			n = append(text, n, METRICS_MAX,
				   "chat_refused_total{status=\"%d\"} %" PRIu64
				   "\n",
				   k, totals.refused[k - STATUS_MIN]);
	}
	return n;
}

/* Answers with the counters, in the text format 0.0.4 of Prometheus. */
static void reply_metrics(int i, const struct http_request *r)
{
	char text[METRICS_MAX];
	size_t n = append_metric(text, 0, "clients", room.members,
				 "Clients in the room.");

	n = append_metric(text, n, "clients_peak", room.members_peak,
			  "Most clients since the start.");
	n = append_metric(text, n, "clients_limit", room.members_max,
			  "Most clients possible.");
	n = append_metric(text, n, "connections_total", totals.joins,
			  "Clients that joined.");
	n = append_metric(text, n, "messages_total", totals.messages,
			  "Messages relayed.");
	n = append_metric(text, n, "page_loads_total", totals.page_loads,
			  "Times the page was sent.");
	n = append_metric(text, n, "received_bytes_total", totals.bytes_in,
			  "Bytes received.");
	n = append_metric(text, n, "sent_bytes_total", totals.bytes_out,
			  "Bytes sent.");
	append_labelled(text, n);
	start_reply(i, 200, text, r->head_only);
}

/* Makes a client a member: it is sent the response to its handshake, then the
   history, then a notice. */
static void admit(int i, const struct http_request *r)
{
	struct client *c = &clients[i];

	http_switch((char *)c->outbox, r);
	c->outbox_len = HTTP_SWITCH_LENGTH;
	c->outbox_at = c->cursor = history_start();
	if (c->cursor < ring.slowest)
		ring.slowest = c->cursor;
	c->notice_due = sends_notices();
	c->credit = first_credit(&c->address);
	ws_init(&c->ws, buffers[i]);
	set_state(i, OPEN);
	totals.joins++;
	room.members++;
	if (room.members_peak < room.members)
		room.members_peak = room.members;
	log_event(c, "Client connected (%u online)", room.members);
}

/* Returns true if the address of a client has as many members as -c allows. */
static bool address_is_full(int i)
{
	const struct address *a = &clients[i].address;
	int members = 0;

	if (options.address_max == 0 || !is_limited(a))
		return false;
	for (int k = 0; k < loop.used; k++)
		members += clients[k].state == OPEN &&
			   is_same_home(a, &clients[k].address);
	return members >= options.address_max;
}

static void join_room(int i, const struct http_request *r)
{
	if (!http_origin_allowed(r, options.hosts, options.host_count))
		refuse(i, r, 403,
		       "Origin %.*s does not match Host %.*s; allow it with -o",
		       FIELD(r->origin), FIELD(r->host));
	else if (address_is_full(i))
		refuse(i, r, 429,
		       "%d clients of this address are here; -c allows more",
		       options.address_max);
	else if (options.rate > 0 && first_credit(&clients[i].address) <= 0)
		refuse(i, r, 429,
		       "this address has just said too much; see -l");
	else if (room.members >= room.members_max)
		refuse(i, r, 503, "the room is full: %u clients", room.members);
	else
		admit(i, r);
}

/* The paths that are served. */
static const struct {
	const char *path;
	void (*get)(int i, const struct http_request *r);
	void (*websocket)(int i, const struct http_request *r); /* or NULL */
} resources[] = {
	{"/", reply_page, join_room},
	{"/metrics", reply_metrics, NULL},
};

static void route_request(int i, const struct http_request *r)
{
	if (options.host_count > 0 &&
	    !http_host_listed(r, options.hosts, options.host_count)) {
		refuse(i, r, 421, "Host %.*s is not one given with -o",
		       FIELD(r->host));
		return;
	}
	for (size_t k = 0; k < sizeof resources / sizeof resources[0]; k++) {
		bool found = http_text_is(r->path, resources[k].path);

		if (found && !r->handshake) {
			resources[k].get(i, r);
			return;
		}
		if (found && resources[k].websocket != NULL) {
			resources[k].websocket(i, r);
			return;
		}
	}
	refuse(i, r, 404, "no %s is at %.*s",
	       r->handshake ? "WebSocket" : "page", FIELD(r->path));
}

/* Routes a complete request.  With -x, the client's address is the last one in
   X-Forwarded-For: that which our own proxy wrote, while those before it may be
   forged.  A health check of the proxy itself has none. */
static void serve_request(int i, const struct http_request *r)
{
	struct address a;

	if (options.proxied && parse_address(&a, r->forwarded))
		clients[i].address = a;
	else if (options.proxied && r->handshake)
		refuse(i, r, 400,
		       "-x, and X-Forwarded-For ends with \"%.*s\": does the "
		       "proxy send it?",
		       FIELD(r->forwarded));
	if (clients[i].state == REQUEST)
		route_request(i, r);
}

/* Handles n received bytes of a request, which are parsed where they lie if no
   others came before them.  Bytes after the request are frames. */
static void handle_request(int i, size_t n)
{
	struct client *c = &clients[i];
	const unsigned char *buf = received;
	size_t before = c->buffered, len = n;
	struct http_request r;
	int size;

	if (before > 0) {
		len = copy(buffers[i], before, REQUEST_MAX, received, n);
		buf = buffers[i];
	}
	size = http_parse(&r, (const char *)buf, len);
	if (size < 0) {
		refuse(i, &r, -size, "%s", r.fault);
	} else if (options.rate > 0 && r.handshake &&
		   before + n - (size_t)size > EARLY_MAX) {
		/* RFC 6455, 4.1: a client waits for the response */
		refuse(i, &r, 400, "more than %d bytes behind the handshake",
		       EARLY_MAX);
	} else if (size > 0) {
		serve_request(i, &r);
		if (c->state == OPEN)
			handle_frames(i, (size_t)size - before, n);
	} else {
		if (before == 0)
			copy(buffers[i], 0, REQUEST_MAX, received, n);
		c->buffered = (unsigned)len;
	}
}

/* ---- Receiving ---- */

/* Marks a connection as dead that the peer has ended.  For a member, and within
   a request, that is a loss. */
static void peer_gone(int i)
{
	struct client *c = &clients[i];

	if (c->state == OPEN || (c->state == REQUEST && c->buffered > 0))
		client_drop(i, LOST);
	set_state(i, DEAD);
}

static void receive(int i)
{
	struct client *c = &clients[i];
	bool may_say = c->state == REQUEST || c->state == OPEN;
	size_t want = may_say ? read_budget() : sizeof received;
	ssize_t n;

	/* frames cost 3 times their bytes if they are of a common length, and
	   44 times if they are empty: so the debt stays small if only a part of
	   the credit is read */
	if (c->state == OPEN && options.rate > 0)
		want = is_in_debt(c)
			       ? 0
			       : smaller(want, (uint64_t)c->credit / 16 + 1);
	if (want == 0)
		return;
	n = recv(table[i].fd, received, want, 0);
	if (n < 0 && is_temporary_error())
		return;
	if (n == 0 && c->state == CLOSING && c->outbox_len > 0) {
		c->ignore_input = true; /* it may still read our Close */
		return;
	}
	if (n <= 0) {
		peer_gone(i);
		return;
	}
	totals.bytes_in += (uint64_t)n;
	c->silent = 0;
	if (c->state == REQUEST)
		handle_request(i, (size_t)n);
	else if (c->state == OPEN || c->state == CLOSING)
		handle_frames(i, 0, (size_t)n);
}

/* ---- The table ---- */

/* Closes a connection and frees its entry, all zero again; nothing else does.
 */
static void entry_free(int i)
{
	close(table[i].fd);
	table[i] = (struct pollfd){.fd = -1};
	clients[i] = (struct client){.state = FREE};
	if (i < loop.lowest_free)
		loop.lowest_free = i;
	while (loop.used > 0 && clients[loop.used - 1].state == FREE)
		loop.used--;
	if (loop.shortage == OF_ENTRIES)
		loop.shortage = NO_SHORTAGE;
}

/* Returns a free entry, or -1. */
static int entry_find_free(void)
{
	while (loop.lowest_free < loop.slots &&
	       clients[loop.lowest_free].state != FREE)
		loop.lowest_free++;
	return loop.lowest_free < loop.slots ? loop.lowest_free : -1;
}

static void entry_take(int i, int fd, enum state state)
{
	table[i] = (struct pollfd){.fd = fd};
	set_state(i, state);
	if (i >= loop.used)
		loop.used = i + 1;
}

/* Of two entries, returns the one that is longer in its state; -1 stands for
   none. */
static int older(int a, int b)
{
	return a < 0 || clients[b].since < clients[a].since ? b : a;
}

/* Returns true for a connection that is not in the room and may make room. */
static bool is_outside(const struct client *c)
{
	return c->state == REQUEST || c->state == REPLY || c->state == DRAIN;
}

/* Returns the only address that more than half of those outside can have: each
   of its connections outweighs one of others (Boyer and Moore). */
static const struct address *find_greediest(void)
{
	const struct address *a = &local;
	unsigned votes = 0;

	for (int i = 0; i < loop.used; i++) {
		if (!is_outside(&clients[i]))
			continue;
		if (votes == 0)
			a = &clients[i].address;
		if (is_same_home(a, &clients[i].address))
			votes++;
		else
			votes--;
	}
	return a;
}

/*
 * Returns the entry that makes room for a newcomer in a full table, or -1:
 *
 *   1. the oldest request that is not complete after REQUEST_GRACE;
 *   2. the oldest response that has not been sent after REPLY_GRACE.
 *
 * Members stay, and so does a connection in DRAIN: its response is complete,
 * and a reset would destroy what the client has not read yet.  But if more than
 * half of all outside the room come from one address, and -c limits that, then
 * first of all its own oldest one goes, even from DRAIN.  Behind a proxy (-x)
 * all would be of one address.
 */
static int find_victim(void)
{
	const struct address *greediest = find_greediest();
	const uint64_t now = clock_ms(CLOCK_MONOTONIC);
	int request = -1, reply = -1, own = -1, outside = 0, owned = 0;

	for (int i = 0; i < loop.used; i++) {
		const struct client *c = &clients[i];
		bool is_own = is_same_home(greediest, &c->address);

		if (!is_outside(c))
			continue;
		outside++;
		owned += is_own;
		if (now - c->since < (c->state == REQUEST ? REQUEST_GRACE
							  : REPLY_GRACE) ||
		    (c->state == REQUEST && reading_is_paused()))
			continue;
		if (is_own)
			own = older(own, i);
		if (c->state == REQUEST)
			request = older(request, i);
		else if (c->state == REPLY)
			reply = older(reply, i);
	}
	if (own >= 0 && 2 * owned > outside && options.address_max > 0 &&
	    is_limited(greediest) && !options.proxied)
		return own;
	return request >= 0 ? request : reply;
}

/* Limits what the kernel stores for a client that does not read.  SO_SNDBUF
   does so as well, but it also counts what is on its way: with 16 KB, a client
   50 ms away would get 320 KB a second at most, and one behind a proxy on this
   machine half of what it could. */
static void limit_unsent(int fd)
{
	const int size = SEND_BUFFER;

	if (SEND_BUFFER > 0 && setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT,
					  &size, sizeof size) < 0)
		setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
}

/* Sets up an accepted connection and reads it at once, since its request has
   mostly arrived with it. */
static void welcome(int i, int fd, const struct sockaddr_storage *a)
{
	const int on = 1;

	if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0) {
		close(fd);
		return;
	}
	entry_take(i, fd, REQUEST);
	clients[i].address = to_address(a);
	/* do not hold small frames back for the ACK of others (Nagle) */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	limit_unsent(fd);
	receive(i);
}

/* Drops a connection if the table is full.  Returns false if it stays full. */
static bool make_room(void)
{
	int victim;

	if (entry_find_free() >= 0)
		return true;
	victim = find_victim();
	if (victim < 0)
		return false;
	client_drop(victim, CROWDED);
	entry_free(victim);
	return true;
}

/* Accepts waiting connections: more of them in a fuller table, since each pass
   takes longer there.  In a full one it drops one connection at most, since
   those that end meanwhile make room as well; newcomers wait in the backlog. */
static void accept_batch(int listener)
{
	if (!make_room() && loop.shortage == NO_SHORTAGE) {
		loop.shortage = OF_ENTRIES;
		loop.full_at = clock_ms(CLOCK_MONOTONIC);
	}
	for (int k = 0; k < ACCEPT_BATCH + loop.used / 4; k++) {
		struct sockaddr_storage a = {0};
		socklen_t n = sizeof a;
		int i = entry_find_free(), fd;

		if (i < 0)
			return;
		fd = accept(table[listener].fd, (void *)&a, &n);
		if (fd >= 0) {
			welcome(i, fd, &a);
		} else if (errno == EAGAIN || errno == EWOULDBLOCK) {
			return; /* no more are waiting */
		} else if (errno != EINTR && errno != ECONNABORTED) {
			log_event(&clients[listener],
				  "Cannot accept: %s; trying again in 1 s",
				  strerror(errno));
			if (loop.shortage == NO_SHORTAGE)
				loop.shortage = OF_DESCRIPTORS;
			return;
		}
	}
}

/* ---- Time ---- */

/*
 * Timeouts count ticks.  There is a tick each second while needs_tick() is true
 * for a client, or run_once() finds another reason; else the next tick is that
 * of the heartbeat, so that an idle server sleeps.  Example: at 0 s nothing is
 * awaited, and the heartbeat is due at 25 s: tick_after = 25.  At 3.4 s a
 * client connects: tick_after = 4, and then 1.  After a process was stopped for
 * an hour one tick follows, not 3,600, and no client is late.
 */

static int ms_until_tick(void)
{
	uint64_t next = loop.last_tick + (uint64_t)loop.tick_after * 1000;
	uint64_t now = clock_ms(CLOCK_MONOTONIC);

	return next > now ? (int)(next - now) : 0;
}

/* Returns true if a client waits for something that a tick does. */
static bool needs_tick(const struct client *c)
{
	if (c->state == OPEN)
		return c->blocked || !ws_idle(&c->ws) ||
		       c->credit < credit_per_second() ||
		       (c->told != room.members && sends_notices());
	return c->state != FREE && c->state != LISTENING;
}

/* Moves the next tick forward to at most a second from now. */
static void tick_soon(void)
{
	uint64_t elapsed = (clock_ms(CLOCK_MONOTONIC) - loop.last_tick) / 1000;

	loop.tick_after = (unsigned)smaller(loop.tick_after, elapsed + 1);
}

/* Refills a member's credit and enforces its timeouts.  `seconds` is the time
   since the last tick. */
static void tick_member(int i, unsigned seconds)
{
	struct client *c = &clients[i];
	const int64_t second = credit_per_second();
	int64_t credit = c->credit + second * (int64_t)smaller(seconds, BURST);

	if (is_in_debt(c) || reading_is_paused())
		c->silent = c->ticks = 0;
	c->credit = (int)(credit < second * BURST ? credit : second * BURST);
	if (c->silent > SILENT_MAX)
		client_drop(i, SILENT);
	else if (c->blocked && loop.shortage != OF_MEMORY &&
		 ++c->stuck > SEND_TIMEOUT)
		client_drop(i, STUCK);
	else if (!ws_idle(&c->ws) && ++c->ticks > MESSAGE_TIMEOUT)
		close_with_error(i, UNFINISHED);
}

/* Enforces the timeouts of a connection that is not in the room. */
static void tick_other(int i)
{
	const struct http_request none = {.fault = NULL};
	struct client *c = &clients[i];
	unsigned limit = c->state == CLOSING ? CLOSE_TIMEOUT : REQUEST_TIMEOUT;

	if (c->state == REQUEST && reading_is_paused())
		set_state(i, REQUEST); /* it has all its time again */
	else if (++c->ticks <= limit)
		return;
	else if (c->state == REQUEST)
		refuse(i, &none, 408, "the request is not complete");
	else
		client_drop(i, LATE);
}

/* Starts heartbeats and notices, refills credit and patience, and enforces
   timeouts. */
static void tick(void)
{
	unsigned seconds = loop.tick_after;
	bool is_over = loop.heartbeat_after <= seconds;
	bool heartbeat = is_over && options.heartbeat > 0;

	loop.heartbeat_after = !is_over    ? loop.heartbeat_after - seconds
			       : heartbeat ? (unsigned)options.heartbeat
					   : IDLE_MAX;
	loop.last_tick = clock_ms(CLOCK_MONOTONIC);
	loop.tick_after = loop.heartbeat_after; /* see tick_soon() */
	room.patience = (unsigned)smaller(
		room.patience + (uint64_t)seconds * PATIENCE / 60, PATIENCE);
	for (int i = 0; i < loop.used; i++) {
		struct client *c = &clients[i];

		if (c->state == OPEN) {
			bool outdated = c->told != room.members;

			c->ping_due = c->ping_due || heartbeat;
			c->notice_due = c->notice_due || heartbeat ||
					(outdated && sends_notices());
			c->silent += heartbeat;
			tick_member(i, seconds);
		} else if (c->state > LISTENING) {
			tick_other(i);
		}
	}
	loop.shortage = NO_SHORTAGE;
	log_missing();
}

/* ---- The loop ---- */

/* Returns the events to poll for, which follow from the state. */
static short poll_events(const struct client *c)
{
	short out = c->blocked ? POLLOUT : 0;

	if (loop.shortage == OF_MEMORY)
		return 0;
	switch (c->state) {
	case LISTENING: return loop.shortage == NO_SHORTAGE ? POLLIN : 0;
	case REQUEST: return room.congested ? 0 : POLLIN;
	case OPEN: return room.congested || is_in_debt(c) ? out : POLLIN | out;
	case CLOSING: return c->ignore_input ? out : POLLIN | out;
	case DRAIN: return POLLIN;
	default: return out;
	}
}

/* Handles what poll() found.  Errors and hang-ups, which it reports unasked,
   are left to recv() if the client is read anyway. */
static void handle_events(int i)
{
	short asked = table[i].events, found = table[i].revents;
	bool beyond_writing = found & ~POLLOUT;

	if (found & POLLOUT)
		clients[i].blocked = false;
	if (asked & POLLIN && beyond_writing)
		receive(i);
	else if (found & (POLLERR | POLLHUP | POLLNVAL))
		peer_gone(i);
	if (clients[i].state == DEAD)
		entry_free(i);
}

/* Handles the ready ones of the first n entries, and accepts newcomers last,
   when the places of those who have gone are free.  Each pass begins with
   another one, since the first may leave no room in the ring for the others. */
static void handle_ready(int n)
{
	loop.first = (loop.first + 1) % TABLE_SIZE;
	for (int k = 0; k < n; k++) {
		int i = (loop.first + k) % n;

		if (table[i].revents != 0 && clients[i].state != LISTENING)
			handle_events(i);
	}
	for (int i = 0; i < n && clients[i].state == LISTENING; i++) {
		if (table[i].revents != 0)
			accept_batch(i);
	}
}

/* Sends what is due.  Half-closes the connection after a complete reply, or
   when both sides have sent Close. */
static void write_to(int i)
{
	struct client *c = &clients[i];

	if (c->state == REPLY || c->state == OPEN || c->state == CLOSING)
		flush(i);
	if ((c->state == REPLY && c->reply_len == 0) ||
	    (c->state == CLOSING && c->outbox_len == 0 && c->ignore_input)) {
		shutdown(table[i].fd, SHUT_WR);
		set_state(i, DRAIN);
	}
}

/* Returns for how many ms poll() may wait. */
static int ms_to_wait(void)
{
	uint64_t ms = (uint64_t)ms_until_tick();

	if (room.congested)
		ms = smaller(ms, room.patience);
	if (loop.shortage == OF_ENTRIES)
		ms = smaller(ms, REQUEST_GRACE);
	return (int)ms;
}

/* One pass of the loop: write, free, wait, read, accept, tick.  It visits every
   client; looking at the ready ones only was measured and saves nothing, since
   poll() looks at every socket anyway. */
static void run_once(void)
{
	bool tick_needed = false;
	int ready;

	for (int i = 0; i < loop.used; i++)
		write_to(i);
	settle_congestion();
	/* downwards, since an entry that is freed lets the listeners, which are
	   the first ones, accept again */
	for (int i = loop.used - 1; i >= 0; i--) {
		if (clients[i].state == DEAD)
			entry_free(i);
		table[i].events = poll_events(&clients[i]);
		tick_needed = tick_needed || needs_tick(&clients[i]);
	}
	if (loop.used == 0)
		return; /* all are gone: the server is stopping */
	if (tick_needed || loop.shortage != NO_SHORTAGE || loop.lines > 0)
		tick_soon();
	ready = poll(table, (nfds_t)loop.used, ms_to_wait());
	if (ready > 0)
		handle_ready(loop.used);
	else if (ready < 0 && errno != EINTR)
		poll(NULL, 0, 100); /* no memory even for that: wait a bit */
	if (loop.shortage == OF_ENTRIES &&
	    clock_ms(CLOCK_MONOTONIC) - loop.full_at >= REQUEST_GRACE)
		loop.shortage = NO_SHORTAGE; /* some may have used up theirs */
	if (ms_until_tick() == 0)
		tick();
}

/* Sends every member a Close with 1001, "going away, such as a server going
   down" (RFC 6455, 7.4.1), and listens no more. */
static void say_goodbye(void)
{
	const char *name = stopping == SIGHUP   ? "SIGHUP"
			   : stopping == SIGINT ? "SIGINT"
						: "SIGTERM";

	log_event(NULL, "%s: closing %u clients", name, room.members);
	for (int i = 0; i < loop.used; i++) {
		if (clients[i].state == LISTENING ||
		    clients[i].state == REQUEST)
			set_state(i, DEAD);
		else if (clients[i].state == OPEN)
			start_close(i, WS_GOING_AWAY, false, GOING_AWAY);
	}
	alarm(CLOSE_TIMEOUT); /* ends the last wait of poll() in time */
}

/* ---- Options ---- */

static const char usage[] = "usage: chat [option]...; chat -h lists them\n";

/* The options.  The parsing, the errors and -h are all made from this table. */
static const struct option {
	char letter;
	const char *argument; /* its name in -h, or NULL if there is none */
	const char *help;
	int *number;        /* where a number goes; without argument: max; */
	const char **texts; /* or the first free place of texts for it */
	int max;            /* the greatest number; how many texts there are */
	int preset;         /* the default of a number */
} option_table[] = {
	{'a', "address",
	 "listen on this IP address only, or make a socket at this path", NULL,
	 &options.address, 1, 0},
	{'c', "clients", "clients from one address; 0 = no limit",
	 &options.address_max, NULL, 1000000, 64},
	{'f', "file", "keep the messages in this file", NULL, &options.file, 1,
	 0},
	{'h', NULL, "show this help", &options.help, NULL, 1, 0},
	{'l', "rate", "frames (of 256 bytes) a second; 0 = no limit",
	 &options.rate, NULL, 1000000, 20},
	{'n', "history", "messages sent to a new client", &options.history,
	 NULL, HISTORY_MAX, 100},
	{'o', "host",
	 "answer only to this Host and Origin, host[:port]; repeatable", NULL,
	 options.hosts, HOSTS_MAX, 0},
	{'p', "port", "TCP port; 0 = any free port", &options.port, NULL, 65535,
	 8080},
	{'q', NULL, "do not log events", &options.quiet, NULL, 1, 0},
	{'t', "heartbeat", "seconds between pings; 0 = none",
	 &options.heartbeat, NULL, 86400, 25},
	{'V', NULL, "show the version", &options.version, NULL, 1, 0},
	{'x', NULL,
	 "behind a proxy: take a client's address from X-Forwarded-For",
	 &options.proxied, NULL, 1, 0},
};
enum { OPTIONS = sizeof option_table / sizeof option_table[0] };

static void print_help(void)
{
	print(STDOUT_FILENO,
	      "%sServes a chat room to every browser on the network.\n\n",
	      usage);
	for (const struct option *o = option_table; o < option_table + OPTIONS;
	     o++)
		print(STDOUT_FILENO,
		      o->argument != NULL && o->number != NULL
			      ? "  -%c %-9s  %s (default: %d)\n"
			      : "  -%c %-9s  %s\n",
		      o->letter, o->argument != NULL ? o->argument : "",
		      o->help, o->preset);
	print(STDOUT_FILENO,
	      "\nThis build: %d clients, %d bytes per message, %d bytes of "
	      "ring.\n",
	      CLIENTS_MAX, MESSAGE_MAX, LOG_SIZE);
}

/* Ends with one line that says what is wrong with a value, and the usage. */
static void bad_value(const char *option, const char *value, const char *format,
		      int limit)
{
	char why[120];

	append(why, 0, sizeof why, format, limit);
	print(STDERR_FILENO, "chat: %s%s: %s\n%s", option,
	      *value != '\0' ? value : "\"\"", why, usage);
	exit(2);
}

/* Returns a number from 0 to max, all digits; anything else is -1. */
static int parse_number(const char *s, int max)
{
	int64_t n = *s != '\0' ? 0 : -1;

	for (; *s != '\0' && n >= 0; s++) {
		n = *s >= '0' && *s <= '9' ? 10 * n + *s - '0' : -1;
		if (n > max)
			n = -1;
	}
	return (int)n;
}

static void set_option(const struct option *o, const char *value)
{
	const char name[] = {'-', o->letter, ' ', '\0'};
	int n, k = 0;

	if (o->argument == NULL) {
		*o->number = o->max;
	} else if (o->number != NULL) {
		n = parse_number(value, o->max);
		if (n < 0)
			bad_value(name, value, "must be a number from 0 to %d",
				  o->max);
		*o->number = n;
	} else {
		while (k < o->max - 1 && o->texts[k] != NULL)
			k++;
		if (k > 0 && o->texts[k] != NULL)
			bad_value(name, value, "only %d may be given", o->max);
		o->texts[k] = value; /* of one place: the last that is given */
	}
}

static void count_hosts(void)
{
	int k = 0;

	for (; k < HOSTS_MAX && options.hosts[k] != NULL; k++) {
		if (!http_is_host(options.hosts[k]))
			bad_value("-o ", options.hosts[k],
				  "must be a host or host:port, as in the "
				  "address of the page, without http://",
				  0);
	}
	options.host_count = k;
}

static const struct option *find_option(char letter)
{
	for (int k = 0; k < OPTIONS; k++) {
		if (option_table[k].letter == letter)
			return &option_table[k];
	}
	return NULL;
}

/* Reads the options in one word, such as "-q", "-qx" or "-p8080".  A value may
   also be the next word.  Returns how many words that were.  (getopt() would do
   the same, with four global variables and 2.5 KB of a static program.) */
static int read_word(char **argv)
{
	for (const char *at = argv[0] + 1; *at != '\0'; at++) {
		const char name[] = {'-', *at, '\0'};
		const struct option *o = find_option(*at);
		int words = at[1] == '\0' ? 2 : 1;

		if (o == NULL)
			bad_value("", name, "is not an option", 0);
		if (o->argument == NULL) {
			set_option(o, "");
			continue;
		}
		if (words == 2 && argv[1] == NULL)
			bad_value("", name, "needs a value", 0);
		set_option(o, words == 2 ? argv[1] : at + 1);
		return words;
	}
	return 1;
}

static void read_options(int argc, char **argv)
{
	int k;

	for (k = 0; k < OPTIONS; k++) {
		if (option_table[k].number != NULL)
			*option_table[k].number = option_table[k].preset;
	}
	for (k = 1; k < argc; k += read_word(argv + k)) {
		if (argv[k][0] != '-' || argv[k][1] == '\0' ||
		    argv[k][1] == '-')
			bad_value("", argv[k], "is not an option", 0);
	}
	count_hosts();
	if (options.help)
		print_help();
	else if (options.version)
		print(STDOUT_FILENO, "chat " VERSION "\n");
	if (options.help || options.version)
		exit(0);
}

/* ---- The file of option -f ---- */

/*
 * The file is the store itself, mapped into memory: the ring that the server
 * sends from.  So nothing is written, read or copied; the kernel brings it to
 * the disk when it likes.
 *
 * If the server is killed at any instruction, the kernel still has all that was
 * stored before, and so each message that anybody was sent.
 *
 * If the power fails, each page of the file may be an older one, but not from
 * before the server's start, which waits for the disk.  So each message has a
 * checksum, and the next server takes the longest run of whole messages.  Those
 * lost behind it may have left no trace, and their numbers are given again.  So
 * a new count begins if the server before was not stopped, and the system has
 * been started since.
 */

/* Begins a new count of messages.  It gets another name than the one before,
   even where the clock is always 1970 after a start. */
static void begin_count(void)
{
	const uint64_t now = clock_ms(CLOCK_REALTIME);
	volatile uint64_t *since = &ring.store->since;

	*since = *since < now ? now : *since + 1;
}

/* Returns true if the message of this number is there and whole. */
static bool is_whole(uint64_t number)
{
	const struct message *m = find_message(number);

	return m->number == number && (number | m->start) < INT64_MAX &&
	       m->length > 0 && m->length <= LOG_SIZE / 2 &&
	       m->checksum == checksum(m);
}

/* Returns true if a message begins where the one before it ends. */
static bool adjoins(uint64_t number)
{
	const struct message *before = find_message(number - 1);

	return before->start + before->length == find_message(number)->start;
}

/* Finds the longest run of messages, and makes it first to next - 1. */
static void find_longest_run(void)
{
	for (int k = 0; k < HISTORY_MAX; k++) {
		uint64_t first = ring.store->messages[k].number;
		uint64_t next = first + 1;

		if (!is_whole(first) || (adjoins(first) && is_whole(first - 1)))
			continue; /* no run begins here */
		while (adjoins(next) && is_whole(next))
			next++;
		if (next - first > ring.next - ring.first) {
			ring.first = first;
			ring.next = next;
		}
	}
}

/* Takes over what the file holds, and clears all other slots, so that nothing
   comes back from them.  `boot` names the present start of the system.  If a
   message may be lost, and not just overwritten as one of the oldest, its
   number will be given again; so a new count begins. */
static void load_store(const char *boot)
{
	const uint64_t overwritten = MESSAGE_MAX + WS_SERVER_HEADER;
	const char *used = ring.store->boot;
	/* the server before was neither stopped nor only killed */
	bool went_down = *used != '\0' &&
			 (*boot == '?' ||
			  strncmp(used, boot, sizeof ring.store->boot) != 0);
	const struct message *last;
	unsigned lost = 0;

	find_longest_run();
	last = find_message(ring.next - 1);
	if (ring.next > ring.first)
		ring.head = ring.slowest = last->start + last->length;
	if (went_down || ring.store->since == 0)
		begin_count();
	for (int k = 0; k < HISTORY_MAX; k++) {
		struct message *m = &ring.store->messages[k];

		if (find_message(m->number) == m &&
		    m->number - ring.first < ring.next - ring.first)
			continue;
		if (m->length > 0 &&
		    m->start + LOG_SIZE >= ring.head + overwritten &&
		    lost++ == 0)
			begin_count();
		*m = (struct message){.length = 0};
	}
	log_event(NULL, "%u messages are in %s; %u were damaged and are lost%s",
		  (unsigned)(ring.next - ring.first), options.file, lost,
		  went_down ? "; the system went down meanwhile" : "");
}

/* Gives a file its size and room on the disk, so that a full disk shows now and
   not when a message is stored.  Returns 0 or an error number. */
static int allocate(int fd, bool is_new)
{
	int error = posix_fallocate(fd, 0, sizeof memory);

	/* a file system that cannot do so, of which musl tells */
	if (error == EOPNOTSUPP || error == EINVAL)
		error = !is_new || pwrite(fd, &memory, sizeof memory, 0) ==
						(ssize_t)sizeof memory
				? 0
				: ENOSPC;
	if (error != 0 && is_new && ftruncate(fd, 0) < 0)
		error = errno;
	return error;
}

/* Returns true if a file has nothing but zeros, or nothing at all: it is new,
   or the server that made it was killed before it wrote the mark. */
static bool is_blank(int fd)
{
	char part[sizeof memory.mark];
	ssize_t n = 1;

	for (off_t at = 0; n > 0 && at < (off_t)sizeof memory; at += n) {
		n = pread(fd, part, sizeof part, at);
		if (n < 0 || memcmp(part, &memory, (size_t)n) != 0)
			return false;
	}
	return true;
}

/* Locks a file, looks at the mark that it begins with, makes room for it, and
   writes the mark if it is new.  Returns NULL, or why it cannot be used.  One
   that chat has not made is not touched. */
static const char *take_file(int fd, const char *mark)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	char found[sizeof memory.mark] = "";
	struct stat file = {0};
	bool is_new;
	int error;

	if (fd < 0 || fstat(fd, &file) < 0)
		return strerror(errno);
	if (!S_ISREG(file.st_mode))
		return "it is not a regular file";
	if (fcntl(fd, F_SETLK, &lock) < 0)
		return errno == EACCES || errno == EAGAIN
			       ? "another process uses it"
			       : strerror(errno);
	if (pread(fd, found, sizeof found, 0) < 0)
		return strerror(errno);
	is_new = file.st_size <= (off_t)sizeof memory && is_blank(fd);
	if (!is_new && strncmp(found, mark, strlen("A history of chat")) != 0)
		return "it is no history of chat";
	if (!is_new && memcmp(found, mark, sizeof found) != 0)
		return "it is of a build with other limits, or of another "
		       "processor";
	if (!is_new && file.st_size != sizeof memory)
		return "its size is wrong";
	error = allocate(fd, is_new);
	/* in one call, which a kill does not cut in two */
	if (error == 0 && is_new && pwrite(fd, mark, sizeof found, 0) < 0)
		error = errno;
	return error != 0 ? strerror(error) : NULL;
}

/* Writes a name of the present start of the system: Linux has one.  Others get
   "?", which is like no start. */
static void read_boot(char boot[sizeof memory.boot])
{
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY);

	memset(boot, 0, sizeof memory.boot);
	if (pread(fd, boot, sizeof memory.boot - 1, 0) <= 0)
		boot[0] = '?';
	close(fd);
}

/* Makes the ring be a file, which from then on says that it is used. */
static void map_store(const char *path)
{
	const uint16_t one = 1;
	char mark[sizeof memory.mark] = "", boot[sizeof memory.boot];
	struct store *store = MAP_FAILED;
	int fd = open(path, O_RDWR | O_CREAT | O_NONBLOCK, 0600);
	const char *why;

	append(mark, 0, sizeof mark,
	       "A history of chat: version 1, LOG_SIZE %d, HISTORY_MAX %d, "
	       "%s endian\n",
	       LOG_SIZE, HISTORY_MAX,
	       *(const unsigned char *)&one == 1 ? "little" : "big");
	why = take_file(fd, mark);
	if (why == NULL)
		store = mmap(NULL, sizeof memory, PROT_READ | PROT_WRITE,
			     MAP_SHARED, fd, 0);
	if (why == NULL && store == MAP_FAILED)
		why = strerror(errno);
	if (why == NULL) {
		ring.store = store;
		read_boot(boot);
		load_store(boot);
		memcpy(store->boot, boot, sizeof boot);
		if (msync(store, sizeof memory, MS_SYNC) < 0)
			why = strerror(errno);
	}
	if (why != NULL) {
		print(STDERR_FILENO, "chat: cannot use -f %s: %s\n", path, why);
		exit(1);
	}
}

/* Says in the file that no server uses it, once all else is on the disk. */
static void release_store(void)
{
	if (msync(ring.store, sizeof memory, MS_SYNC) == 0)
		ring.store->boot[0] = '\0';
	msync(ring.store, sizeof memory, MS_SYNC);
}

/* ---- Start ---- */

static void on_signal(int number)
{
	if (number == SIGALRM)
		return;
	if (stopping)
		_exit(128 + number);
	stopping = number;
	/* A signal between the test of `stopping` and poll() does not end the
	   wait; the alarm a second later does. */
	alarm(1);
}

/* Raises the limit of open files to what the table needs, or makes the table
   smaller. */
static void fit_table(void)
{
	const rlim_t need = TABLE_SIZE + OTHER_FILES;
	struct rlimit files = {0};
	rlim_t soft_limit;
	int members;

	getrlimit(RLIMIT_NOFILE, &files); /* a failure leaves 0, too low */
	soft_limit = files.rlim_cur;
	if (soft_limit < need) {
		files.rlim_cur = smaller(files.rlim_max, need);
		if (setrlimit(RLIMIT_NOFILE, &files) < 0)
			files.rlim_cur = soft_limit;
	}
	loop.slots = (int)smaller(files.rlim_cur, need) - OTHER_FILES;
	members = loop.slots - LISTENERS_MAX - SPARE_SLOTS;
	if (members < CLIENTS_MAX)
		print(STDERR_FILENO,
		      "chat: %s: the limit of open files, %d, leaves room for "
		      "%d of %d clients; %d are needed (ulimit -n, "
		      "LimitNOFILE=)\n",
		      members < 1 ? "cannot start" : "warning",
		      loop.slots + OTHER_FILES, members < 1 ? 0 : members,
		      CLIENTS_MAX, (int)need);
	if (members < 1)
		exit(1);
	room.members_max = (unsigned)members;
	for (int i = 0; i < TABLE_SIZE; i++)
		table[i].fd = -1;
}

/* Opens the terminal of stderr once more, so that writing does not wait when it
   takes no more output.  Its other users, such as the shell, want to wait. */
static void reopen_terminal(void)
{
	int fd;

	if (!isatty(STDERR_FILENO))
		return;
	fd = open("/dev/stderr", O_WRONLY | O_NOCTTY | O_NONBLOCK);
	if (fd < 0)
		return; /* it is another user's, as after su */
	dup2(fd, STDERR_FILENO);
	close(fd);
}

static void prepare(void)
{
	struct sigaction action = {.sa_handler = SIG_IGN}, before = action;
	const int stop_signals[] = {SIGHUP, SIGINT, SIGTERM};
	int fd;

	do /* make sure that 0, 1 and 2 are open, so that no socket becomes 2 */
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	close(fd);
	reopen_terminal();
	sigaction(SIGPIPE, &action, NULL); /* the log is not read */
	sigaction(SIGTTOU, &action, NULL); /* chat runs in the background */
	sigaction(SIGXFSZ, &action, NULL); /* the file of -f is too large */
	action.sa_handler = on_signal;
	sigaction(SIGALRM, &action, NULL);
	for (int k = 0; k < 3; k++) {
		sigaction(stop_signals[k], &action, &before);
		/* who starts it may have chosen so, as nohup does for SIGHUP */
		if (before.sa_handler == SIG_IGN)
			sigaction(stop_signals[k], &before, NULL);
	}
	room.patience = PATIENCE;
	prepare_page();
	fit_table();
}

/* Returns true if -a names a socket in the file system. */
static bool is_path(const char *address)
{
	return address != NULL && strchr(address, '/') != NULL;
}

/* Reads the value of -a: a path, or a numeric address, since getaddrinfo(),
   which resolves names, allocates memory.  Returns the size of *a. */
static socklen_t parse_listen_address(struct sockaddr_storage *a,
				      const char *text)
{
	struct sockaddr_un *path = (void *)a;
	struct sockaddr_in *four = (void *)a;
	struct sockaddr_in6 *six = (void *)a;
	bool is_six = strchr(text, ':') != NULL;

	if (is_path(text)) {
		if (strlen(text) >= sizeof path->sun_path)
			bad_value("-a ", text,
				  "is a path of more than %d characters",
				  (int)sizeof path->sun_path - 1);
		a->ss_family = AF_UNIX;
		append(path->sun_path, 0, sizeof path->sun_path, "%s", text);
		return sizeof *path;
	}
	a->ss_family = is_six ? AF_INET6 : AF_INET;
	if (inet_pton(a->ss_family, text,
		      is_six ? (void *)&six->sin6_addr
			     : (void *)&four->sin_addr) != 1)
		bad_value("-a ", text,
			  "must be a numeric IPv4 or IPv6 address, or a path "
			  "with a slash",
			  0);
	four->sin_port =
		htons((in_port_t)options.port); /* six's is there too */
	return is_six ? sizeof *six : sizeof *four;
}

/* A server that was killed leaves the file of its socket behind: connect() is
   refused.  Removes such a file, and nothing else.  Of two servers that start
   at the same moment, one may do so to the other. */
static void remove_stale_socket(const struct sockaddr_storage *a,
				socklen_t size)
{
	const struct sockaddr_un *path = (const void *)a;
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	struct stat file = {0};

	if (fcntl(fd, F_SETFL, O_NONBLOCK) == 0 &&
	    lstat(path->sun_path, &file) == 0 && S_ISSOCK(file.st_mode) &&
	    connect(fd, (const void *)a, size) < 0 && errno == ECONNREFUSED)
		unlink(path->sun_path);
	close(fd);
}

/* Puts a listening socket into the table.  Its connections inherit the size of
   its receive buffer, so that they have it from their first packet on. */
static void start_to_accept(int fd)
{
	const int size = RECEIVE_BUFFER;

	if (RECEIVE_BUFFER > 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
	entry_take(entry_find_free(), fd, LISTENING);
}

/* Listens on an address or path; :: accepts IPv4 as well.  Returns 0, or -1
   with errno. */
static int listen_on(const char *text)
{
	struct sockaddr_storage a = {0};
	socklen_t size = parse_listen_address(&a, text);
	const int on = 1, off = 0;
	int fd = socket(a.ss_family, SOCK_STREAM, 0), failed;
	mode_t mask;

	if (fd < 0)
		return -1;
	if (a.ss_family == AF_UNIX)
		remove_stale_socket(&a, size);
	else /* even while connections of a server before are in TIME_WAIT */
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (a.ss_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
	mask = umask(0117); /* a path is for the user and the group */
	failed = bind(fd, (void *)&a, size);
	umask(mask);
	/* the kernel lowers BACKLOG to what it allows, see somaxconn */
	if (failed || listen(fd, BACKLOG) < 0 ||
	    fcntl(fd, F_SETFL, O_NONBLOCK) < 0) {
		close(fd);
		return -1;
	}
	start_to_accept(fd);
	return 0;
}

/* Listens on -a, or on all addresses (IPv4 only if there is no IPv6). */
static void start_listening(void)
{
	const char *where = options.address != NULL ? options.address : "::";
	int failed = listen_on(where);
	char port[sizeof ", port 65535"] = "";

	if (failed && options.address == NULL &&
	    (errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL)) {
		where = "0.0.0.0";
		failed = listen_on(where);
	}
	if (!failed)
		return;
	if (!is_path(where))
		append(port, 0, sizeof port, ", port %d", options.port);
	print(STDERR_FILENO, "chat: cannot listen on %s%s: %s%s\n", where, port,
	      strerror(errno),
	      errno == EADDRINUSE && is_path(where)
		      ? " (by another server or file; choose another with -a)"
	      : errno == EADDRINUSE ? " (choose another port with -p)"
	      : errno == EACCES && !is_path(where)
		      ? " (ports below 1024 need privileges)"
		      : "");
	exit(1);
}

/* Takes the sockets that systemd, or another starter, listens on already:
   LISTEN_FDS of them, from descriptor 3 on, meant for the process LISTEN_PID.
   Returns how many. */
static int take_inherited_sockets(void)
{
	const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS");
	socklen_t size = sizeof(int);
	int n;

	if (pid == NULL || count == NULL ||
	    parse_number(pid, INT_MAX) != getpid())
		return 0;
	n = parse_number(count, LISTENERS_MAX);
	if (n < 0)
		bad_value("LISTEN_FDS=", count, "must be a number from 0 to %d",
			  LISTENERS_MAX);
	for (int fd = 3; fd < 3 + n; fd++) {
		int listens = 0;

		errno = EINVAL;
		if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) <
			    0 ||
		    !listens || fcntl(fd, F_SETFL, O_NONBLOCK) < 0) {
			print(STDERR_FILENO,
			      "chat: LISTEN_FDS: descriptor %d is not a "
			      "listening socket: %s\n",
			      fd, strerror(errno));
			exit(1);
		}
		start_to_accept(fd);
	}
	return n;
}

/* Replaces "all addresses" by the one from which a packet to the outside would
   leave, so that other machines can use it; connecting a datagram socket finds
   it out, and sends nothing. */
static void find_outer_address(struct address *a)
{
	struct sockaddr_in out = {.sin_family = AF_INET, .sin_port = htons(9)};
	struct sockaddr_storage here = {0};
	socklen_t size = sizeof here;
	in_port_t port = a->port;
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	*a = (struct address){.ip = {[10] = 0xff, 0xff, 127, 0, 0, 1}};
	out.sin_addr.s_addr = htonl(0xc6336401); /* 198.51.100.1 */
	if (connect(fd, (void *)&out, sizeof out) == 0 &&
	    getsockname(fd, (void *)&here, &size) == 0)
		*a = to_address(&here);
	a->port = port;
	close(fd);
}

/* Tells, in the log, where a socket listens, and on stdout where to point a
   browser. */
static void announce(int i)
{
	static const unsigned char any_ip4[16] = {[10] = 0xff, [11] = 0xff};
	struct sockaddr_storage s = {0};
	const struct sockaddr_un *path = (const void *)&s;
	socklen_t size = sizeof s;
	struct address a;
	char url[PEER_MAX];

	getsockname(table[i].fd, (void *)&s, &size);
	a = clients[i].address = to_address(&s);
	if (a.port != 0 && (memcmp(a.ip, local.ip, sizeof a.ip) == 0 ||
			    memcmp(a.ip, any_ip4, sizeof a.ip) == 0))
		find_outer_address(&a);
	format_address(url, &a);
	print(STDOUT_FILENO,
	      s.ss_family != AF_UNIX ? "chat " VERSION
				       ": open http://%s/ in a browser\n"
				     : "chat " VERSION ": listening on %s\n",
	      s.ss_family != AF_UNIX      ? url
	      : path->sun_path[0] != '\0' ? path->sun_path
					  : "a unix-domain socket");
	log_event(&clients[i], "Listening for up to %u clients",
		  room.members_max);
}

int main(int argc, char **argv)
{
	uint64_t end;
	int inherited;

	read_options(argc, argv);
	prepare();
	inherited = take_inherited_sockets();
	if (inherited == 0)
		start_listening();
	/* From now on the file says that a server uses it.  So this comes after
	   all else that can prevent the start. */
	if (options.file != NULL)
		map_store(options.file);
	else
		begin_count();
	for (int i = 0; i < loop.used; i++)
		announce(i);
	tick(); /* starts the clock */
	while (!stopping)
		run_once();
	say_goodbye();
	if (inherited == 0 && is_path(options.address))
		unlink(options.address);
	end = clock_ms(CLOCK_MONOTONIC) + CLOSE_TIMEOUT * (uint64_t)1000;
	while (loop.used > 0 && clock_ms(CLOCK_MONOTONIC) < end)
		run_once();
	while (loop.used > 0)
		entry_free(loop.used - 1);
	if (options.file != NULL)
		release_store();
	log_missing();
	return 0;
}
