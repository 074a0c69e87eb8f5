/* SPDX-License-Identifier: MIT */
/*
 * chat: a room that every browser on the network can join.
 *
 * One thread, one poll() loop, and no memory but the tables below.  Each entry
 * of the table is a connection in one of these states:
 *
 *     FREE -> REQUEST -> REPLY ----------> DRAIN -> FREE      page, error
 *                   \-> OPEN -> CLOSING -> DRAIN -> FREE      chat
 *
 * What anybody says is framed once, into the log: a ring of frames that are the
 * same bytes for everybody, as a server's frames have no mask.  A client is a
 * cursor into it, and is sent what lies between that and the head:
 *
 *          old          | frame | frame | frame | frame |     free
 *     ------------------+-------+-------+-------+-------+---------------
 *               slowest ^               ^ a cursor      ^ head
 *
 * So the log is the broadcast, everybody's send queue, and the history that a
 * newcomer gets by starting further back.  It cannot overflow: nobody is read
 * when what might be added could reach the slowest cursor.
 */
#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "config.h"
#include "http.h"
#include "ws.h"

#define VERSION "1.0"

enum {
	LISTENERS_MAX = 8,
	HOSTS_MAX = 16,
	TABLE = LISTENERS_MAX + CLIENTS_MAX + SPARE_SLOTS,
	FILES = 8, /* descriptors besides the table's */
	BUFFER = WS_BUFFER > REQUEST_MAX ? WS_BUFFER : REQUEST_MAX,
	OUTBOX = 152, /* HTTP_SWITCH_LENGTH and a notice, or a pong; and a Close
		       */
	CLOSE_FRAME = 4, /* bytes of a Close, for which there is always room */
	PEER = 48,       /* letters of "[address]:port" */
	TIME = 32,       /* of a date */
	CUT = 100,       /* of a header field in the log, at most */
	ACCEPTS = 64,    /* connections taken at once from a full backlog */
	BURST = 5,       /* seconds of frames that a client may save up */
};

enum state {
	FREE,
	LISTENING,
	REQUEST, /* its request is coming */
	REPLY,   /* our response is going */
	OPEN,    /* in the room */
	CLOSING, /* our Close is on its way */
	DRAIN,   /* all is sent; read to the end, lest a reset destroys it */
	OVER,    /* to be reaped */
};

enum reason {
	REFUSED,
	LATE,
	CROWDED,
	LOST,
	PROTOCOL,
	INVALID,
	UNFINISHED,
	TOO_BIG,
	FLOOD,
	STUCK,
	SLOW,
	SILENT,
	REASONS
};

/* Why a client was dropped, as the log and /metrics say it. */
static const char *const reasons[REASONS] = {
	[REFUSED] = "refused",   /* its request got an error for an answer */
	[LATE] = "late",         /* it took a reply or a Close too slowly */
	[CROWDED] = "crowded",   /* it made way before it was in the room */
	[LOST] = "lost",         /* it went without a Close */
	[PROTOCOL] = "protocol", /* it broke a rule: 1002 */
	[INVALID] = "invalid",   /* its text is not UTF-8: 1007 */
	[UNFINISHED] = "unfinished", /* it left a message half said: 1008 */
	[TOO_BIG] = "too_big",       /* it said too much at once: 1009 */
	[FLOOD] = "flood",           /* it pinged and did not read */
	[STUCK] = "stuck",           /* it took nothing for SEND_TIMEOUT */
	[SLOW] = "slow",             /* it held up the room: STALL_TIMEOUT */
	[SILENT] = "silent",         /* it missed two heartbeats */
};

/* A connection, as every pass looks at it.  Its big buffer is elsewhere, so
   that a quiet client's is never touched. */
struct client {
	uint64_t cursor; /* next byte to send, of the log or a reply */
	uint64_t until;  /* where the outbox is due, or the reply ends */
	struct ws_decoder ws;
	unsigned deadline;     /* when its state, or its message, is overdue */
	unsigned heard, moved; /* when it last sent, and was last sent, bytes */
	int credit;            /* frames it may say; in debt, it is not read */
	unsigned filled;       /* bytes of a request, or reply, in its buffer */
	unsigned char state;   /* an enum state */
	unsigned char outbox_size, outbox_sent;
	bool owes_ping : 1, owes_notice : 1; /* put into the outbox in time */
	bool blocked : 1; /* its socket is full: wait for POLLOUT */
	bool closed : 1;  /* the peer will say nothing more */
	unsigned char outbox[OUTBOX];
	char peer[PEER];
};

static struct pollfd table[TABLE];           /* free entries have fd -1 */
static struct client clients[TABLE];         /* under the same index */
static unsigned char buffers[TABLE][BUFFER]; /* half a request or message */
static unsigned char scratch[RECEIVE_SIZE];  /* what one recv() brought */
static int slots; /* entries that the descriptor limit allows */
static int used;  /* entries up to the last that is not free */
static int hole;  /* no entry before this one is free */
static int turn;  /* the entry that this pass looks at first */

static unsigned char ring[LOG_SIZE]; /* the log */
static uint64_t head;                /* bytes written to it since the start */
static uint64_t slowest;             /* no cursor is before this */
static uint64_t past[HISTORY_MAX];   /* where the last messages begin */
static bool news = true;             /* all are due for a look: write, reap */
static bool congested;               /* nobody is read until all catch up */
static unsigned congested_since;

/* Seconds served.  Neither a stopped process nor a clock that jumps makes
   anybody late. */
static unsigned now, ticked; /* ticked: as of the last tick */
static uint64_t served;      /* the same in milliseconds */
static bool calm;            /* the next tick to matter is the heartbeat's */
static int people, people_max, people_peak; /* in the room */
static int announced;         /* how many they were when last all were told */
static bool accepting = true; /* or there are no descriptors, */
static bool starving;         /* or no memory, until the next tick */
static volatile sig_atomic_t stopping;
static struct {
	uint64_t connections, messages, in, out, dropped[REASONS];
} total;

static struct {
	const char *address, *hosts[HOSTS_MAX];
	int host_count, port, history, heartbeat, rate;
	bool quiet;
} opt = {.port = 8080, .history = 100, .heartbeat = 25, .rate = 20};

static const unsigned char page[] = {
#include "index.inc"
};
static const char page_fields[] =
	"Cache-Control: no-cache\r\n"
	"Referrer-Policy: no-referrer\r\n"
	"Content-Security-Policy: default-src 'none'; base-uri 'none'; "
	"form-action 'none'; frame-ancestors 'none'; img-src data:; "
	"script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
	"connect-src 'self' ws: wss:; require-trusted-types-for 'script'\r\n";

static size_t lesser(uint64_t a, uint64_t b)
{
	return (size_t)(a < b ? a : b);
}

/* Copies data[0..len) behind to[0..at), but nothing to to[max]; where it
   ends. */
static size_t append(void *to, size_t at, size_t max, const void *data,
		     size_t len)
{
	for (size_t i = 0; i < len && at < max; i++)
		((unsigned char *)to)[at++] = ((const unsigned char *)data)[i];
	return at;
}

/* ---- Words for people ---- */

/* Texts are joined of parts.  printf() would do, but it is a sixth of a static
   program, and may allocate memory. */
static const char *in_digits(char out[HTTP_DIGITS], int n)
{
	return http_decimal(out, (uint64_t)n, 1);
}

static void tell(int fd, const char *const *parts)
{
	char text[2048];
	size_t n = http_join(text, sizeof text, parts);

	if (write(fd, text, n) < 0)
		return; /* there is nobody to tell */
}

static void die(const char *what)
{
	tell(STDERR_FILENO,
	     HTTP_TEXT("chat: ", what, ": ", strerror(errno), "\n"));
	exit(1);
}

static unsigned days_in(unsigned month, unsigned year)
{
	static const unsigned char days[] = {31, 28, 31, 30, 31, 30,
					     31, 31, 30, 31, 30, 31};
	bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

	return month == 1 && leap ? 29 : days[month];
}

/* A time in UTC, "2026-11-22T12:40:47Z".  libc's gmtime_r() would do, but it
   allocates memory and reads the time zone's file. */
static void name_time(char out[TIME], time_t t)
{
	uint64_t seconds = t > 0 ? (uint64_t)t : 0;
	unsigned day = (unsigned)(seconds / 86400);
	unsigned second = (unsigned)(seconds % 86400);
	unsigned year = 1970, month = 0;
	char n[6][HTTP_DIGITS];

	while (day >= days_in(month, year)) {
		day -= days_in(month, year);
		month = (month + 1) % 12;
		year += month == 0;
	}
	http_join(out, TIME,
		  HTTP_TEXT(http_decimal(n[0], year, 4), "-",
			    http_decimal(n[1], month + 1, 2), "-",
			    http_decimal(n[2], day + 1, 2), "T",
			    http_decimal(n[3], second / 3600, 2), ":",
			    http_decimal(n[4], second / 60 % 60, 2), ":",
			    http_decimal(n[5], second % 60, 2), "Z"));
}

/* One line to stderr: when, who, what.  No byte from outside gets out as it
   came, and when nobody reads, the line is lost and not the room held up. */
static void say(const char *who, const char *const *parts)
{
	struct pollfd out = {.fd = STDERR_FILENO, .events = POLLOUT};
	char text[400], when[TIME];

	if (opt.quiet || poll(&out, 1, 0) <= 0)
		return;
	http_join(text, sizeof text, parts);
	for (size_t i = 0; text[i] != '\0'; i++) {
		if (text[i] < ' ' || text[i] > '~')
			text[i] = '?';
	}
	name_time(when, time(NULL));
	tell(STDERR_FILENO, HTTP_TEXT(when, " ", who, " ", text, "\n"));
}

/* Two bytes in hexadecimal, with no zeros in front (RFC 5952, 4.1). */
static size_t add_group(char out[PEER], size_t at, int group)
{
	static const char digits[] = "0123456789abcdef";

	for (int k = 12; k >= 0; k -= 4) {
		if (k == 0 || group >> k > 0)
			at = append(out, at, PEER - 1, &digits[group >> k & 15],
				    1);
	}
	return at;
}

/* Groups of two bytes, and "::" for the longest, and first, run of at least two
   that are 0 (RFC 5952, 4.2). */
static void name_six(char out[PEER], const unsigned char ip[16])
{
	int group[8], start = 8, most = 1; /* of that run */
	size_t at = 0;

	memset(out, 0, PEER);
	for (size_t i = 0; i < 8; i++)
		group[i] = ip[2 * i] << 8 | ip[2 * i + 1];
	for (int i = 0, run = 0; i < 8; i++) {
		run = group[i] == 0 ? run + 1 : 0;
		if (run > most) {
			most = run;
			start = i + 1 - run;
		}
	}
	for (int i = 0; i < 8; i += i == start ? most : 1) {
		if (i == start || (i > 0 && i != start + most))
			at = append(out, at, PEER - 1, ":", 1);
		if (i == start)
			at = append(out, at, PEER - 1, ":", 1);
		else
			at = add_group(out, at, group[i]);
	}
}

static void name_four(char out[PEER], const unsigned char ip[4])
{
	char n[4][HTTP_DIGITS];

	http_join(out, PEER,
		  HTTP_TEXT(http_decimal(n[0], ip[0], 1), ".",
			    http_decimal(n[1], ip[1], 1), ".",
			    http_decimal(n[2], ip[2], 1), ".",
			    http_decimal(n[3], ip[3], 1)));
}

/* An address as it stands in a URL: "192.0.2.1:80" or "[2001:db8::1]:80". */
static void name_inet(char out[PEER], const struct sockaddr_storage *a)
{
	const struct sockaddr_in *four = (const void *)a;
	const struct sockaddr_in6 *six = (const void *)a;
	bool is_six = a->ss_family == AF_INET6 &&
		      !IN6_IS_ADDR_V4MAPPED(&six->sin6_addr);
	char ip[PEER], port[HTTP_DIGITS];

	if (is_six)
		name_six(ip, six->sin6_addr.s6_addr);
	else if (a->ss_family == AF_INET6)
		name_four(ip, &six->sin6_addr.s6_addr[12]);
	else
		name_four(ip, (const void *)&four->sin_addr);
	/* the port is at the same place in both */
	http_join(out, PEER,
		  HTTP_TEXT(is_six ? "[" : "", ip, is_six ? "]:" : ":",
			    http_decimal(port, ntohs(four->sin_port), 1)));
}

static void name_address(char out[PEER], const struct sockaddr_storage *a)
{
	if (a->ss_family == AF_INET || a->ss_family == AF_INET6)
		name_inet(out, a);
	else
		http_join(out, PEER, HTTP_TEXT("local")); /* unix-domain */
}

/* ---- The ways out of the room ---- */

static void enter(int i, enum state state, unsigned seconds)
{
	clients[i].state = (unsigned char)state;
	clients[i].deadline = now + seconds;
}

static void leave_room(int i, const char *why)
{
	char n[HTTP_DIGITS];

	people--;
	say(clients[i].peer, HTTP_TEXT("Client disconnected: ", why, " (",
				       in_digits(n, people), " online)"));
}

/* Gives a client up.  The reset lets the kernel forget what it did not take. */
static void drop(int i, enum reason why)
{
	const struct linger reset = {.l_onoff = 1, .l_linger = 0};

	if (clients[i].state == OVER)
		return;
	total.dropped[why]++;
	if (clients[i].state == OPEN)
		leave_room(i, reasons[why]);
	else
		say(clients[i].peer,
		    HTTP_TEXT("Connection dropped: ", reasons[why]));
	clients[i].state = OVER;
	setsockopt(table[i].fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
}

/* ---- Sending: the log and the outbox ---- */

/* Puts a private frame into the outbox.  It becomes due at the head, which is
   always between two frames, and never splits one.  False: there is no room. */
static bool add(struct client *c, enum ws_opcode opcode, const void *data,
		size_t len)
{
	unsigned char header[WS_SERVER_HEADER];
	size_t at = c->outbox_size, n = ws_header(header, opcode, len);
	size_t max = OUTBOX - (opcode == WS_CLOSE ? 0 : CLOSE_FRAME);

	if (at + n + len > max)
		return false;
	if (at == 0)
		c->until = head;
	at = append(c->outbox, at, max, header, n);
	c->outbox_size = (unsigned char)append(c->outbox, at, max, data, len);
	return true;
}

/* A bare relay, -n 0 -t 0, says nothing of its own. */
static bool gives_notice(void)
{
	return opt.history > 0 || opt.heartbeat > 0;
}

/* Adds what a client is owed, unless older frames wait in the outbox. */
static void pay(struct client *c)
{
	char text[32], digits[HTTP_DIGITS];
	size_t n;

	if (c->outbox_size > 0 && c->until != head)
		return;
	n = http_join(
		text, sizeof text,
		HTTP_TEXT("{\"online\":", in_digits(digits, people), "}"));
	if (c->owes_ping && add(c, WS_PING, "", 0))
		c->owes_ping = false;
	if (c->owes_notice && add(c, WS_TEXT, text, n))
		c->owes_notice = false;
}

static bool outbox_is_due(const struct client *c)
{
	return c->outbox_size > 0 && c->cursor >= c->until;
}

/* What a client is to be sent next, so many bytes at *data.  A reply: the
   buffer, then the page.  In the room: the log up to the outbox, the outbox,
   the rest of the log, but nothing after a Close (RFC 6455, 5.5.1). */
static size_t rest(int i, const unsigned char **data)
{
	const struct client *c = &clients[i];
	size_t at = c->cursor & (LOG_SIZE - 1);

	if (c->state == REPLY && c->cursor < c->filled) {
		*data = buffers[i] + c->cursor;
		return (size_t)(c->filled - c->cursor);
	}
	if (c->state == REPLY) {
		*data = page + (c->cursor - c->filled);
		return (size_t)(c->until - c->cursor);
	}
	if (outbox_is_due(c)) {
		*data = c->outbox + c->outbox_sent;
		return (size_t)(c->outbox_size - c->outbox_sent);
	}
	if (c->state == CLOSING && c->outbox_size == 0)
		return 0;
	*data = ring + at;
	return lesser((c->outbox_size > 0 ? c->until : head) - c->cursor,
		      LOG_SIZE - at);
}

static void advance(struct client *c, size_t sent)
{
	total.out += sent;
	if (!outbox_is_due(c))
		c->cursor += sent;
	else
		c->outbox_sent = (unsigned char)(c->outbox_sent + sent);
	if (c->outbox_sent == c->outbox_size)
		c->outbox_size = c->outbox_sent = 0;
}

/* Whether what has just failed may succeed later.  A kernel without memory gets
   time to find some, as its sockets would seem ready all the while. */
static bool may_pass(void)
{
	bool starves = errno == ENOBUFS || errno == ENOMEM;

	if (starves) {
		starving = news = true;
		calm = false;
	}
	return starves || errno == EAGAIN || errno == EWOULDBLOCK ||
	       errno == EINTR;
}

/* Sends what is due, until there is no more or the socket is full. */
static void flush(int i)
{
	struct client *c = &clients[i];
	const unsigned char *data = NULL;
	size_t n = 1;

	while (n > 0 && !c->blocked && c->state != OVER) {
		ssize_t sent = 0;

		if (c->state == OPEN && (c->owes_ping || c->owes_notice))
			pay(c);
		n = rest(i, &data);
		if (n > 0)
			sent = send(table[i].fd, data, n, MSG_NOSIGNAL);
		c->moved = now;
		if (sent > 0)
			advance(c, (size_t)sent);
		else if (sent < 0 && may_pass())
			c->blocked = errno != EINTR;
		else if (sent < 0)
			drop(i, LOST);
	}
}

/* Queues a private frame behind all that came before it, so far as its client
   takes it; false when it takes too little. */
static bool put(int i, enum ws_opcode opcode, const void *data, size_t len)
{
	struct client *c = &clients[i];

	if (c->outbox_size > 0 && c->until != head)
		flush(i);
	if (add(c, opcode, data, len))
		return true;
	flush(i);
	return add(c, opcode, data, len);
}

/* Says Close.  The peer's is waited for unless that is `closed` already. */
static void say_close(int i, int code, bool closed, const char *why)
{
	unsigned char payload[] = {(unsigned char)(code >> 8),
				   (unsigned char)code};

	put(i, WS_CLOSE, payload, code == WS_NO_STATUS ? 0 : sizeof payload);
	if (clients[i].state == OVER)
		return;
	leave_room(i, why);
	clients[i].closed = closed;
	enter(i, CLOSING, CLOSE_TIMEOUT);
}

/* RFC 6455, 7.1.7: a client has broken a rule, and is told which. */
static void fail(int i, int code)
{
	enum reason why = PROTOCOL;

	switch (code) {
	case WS_INVALID_DATA: why = INVALID; break;
	case WS_POLICY: why = UNFINISHED; break;
	case WS_TOO_BIG: why = TOO_BIG; break;
	}
	say_close(i, code, true, reasons[why]);
	total.dropped[why] += clients[i].state == CLOSING; /* or it was lost */
}

static void log_bytes(const unsigned char *data, size_t from, size_t to)
{
	while (from < to)
		ring[head++ & (LOG_SIZE - 1)] = data[from++];
}

/* Puts a message into the log, as the frame that everybody gets. */
static void broadcast(const struct ws_frame *f)
{
	unsigned char header[WS_SERVER_HEADER];
	size_t len = f->to - f->from;
	size_t n = ws_header(header, f->opcode, len);

	assert(n + len <= LOG_SIZE - (head - slowest));
	past[total.messages++ % HISTORY_MAX] = head;
	log_bytes(header, 0, n);
	log_bytes(f->data, f->from, f->to);
	news = true;
}

/* Where a newcomer starts: some messages back, but within the later half of
   the log, so that none joins as a laggard. */
static uint64_t history_start(void)
{
	uint64_t back = lesser((uint64_t)opt.history, total.messages);

	for (; back > 0; back--) {
		uint64_t at = past[(total.messages - back) % HISTORY_MAX];
		if (head - at <= LOG_SIZE / 2)
			return at;
	}
	return head;
}

/* ---- Receiving: requests and frames ---- */

/* How much may be read from a client.  n bytes add at most as many to the log,
   and a message of before that they complete, and its header.  When that might
   reach the slowest cursor, nobody is read until all have caught up to half of
   the log: see measure(). */
static size_t allowance(void)
{
	uint64_t room = LOG_SIZE - (head - slowest);
	const uint64_t more = MESSAGE_MAX + WS_SERVER_HEADER;

	if (!congested && room <= more) {
		congested = true;
		congested_since = now;
	}
	if (congested)
		return 0;
	return lesser(room - more, sizeof scratch);
}

static void take_close(int i, const struct ws_frame *f)
{
	int code = ws_close_code(f);

	if (clients[i].state == CLOSING)
		clients[i].closed = true;
	else if (code < 0)
		fail(i, -code);
	else
		say_close(i, code, true, "closed");
}

/* Takes the frames in scratch[from..to).  Once our Close is out, only the
   peer's matters. */
static void take_frames(int i, size_t from, size_t to)
{
	struct client *c = &clients[i];
	struct ws_frame f = {0};
	int at;

	while (from < to && !c->closed && c->state != OVER) {
		if (ws_idle(&c->ws) && c->state == OPEN)
			c->deadline = now + MESSAGE_TIMEOUT;
		at = ws_decode(&c->ws, scratch, from, to, &f);
		if (at < 0 && c->state == OPEN)
			fail(i, -at);
		c->closed = c->closed || at < 0;
		if (at <= 0)
			return;
		from = (size_t)at;
		c->credit -= opt.rate > 0;
		if (f.opcode == WS_CLOSE)
			take_close(i, &f);
		else if (c->state == OPEN && f.opcode == WS_PING &&
			 !put(i, WS_PONG, f.data + f.from, f.to - f.from))
			drop(i, FLOOD);
		else if (c->state == OPEN &&
			 (f.opcode == WS_TEXT || f.opcode == WS_BINARY))
			broadcast(&f);
	}
}

/* Starts a response: a short text, or the page when text is NULL. */
static void reply(int i, int status, const char *text, bool head_only)
{
	struct client *c = &clients[i];
	char *out = (char *)buffers[i];
	size_t len = text != NULL ? strlen(text) : sizeof page;

	c->filled = (unsigned)http_head(
		out, status,
		text != NULL ? "text/plain; charset=utf-8" : "text/html", len,
		text != NULL ? "" : page_fields);
	c->until = c->filled + (head_only ? 0 : len);
	if (text != NULL && !head_only)
		c->filled = (unsigned)append(out, c->filled, BUFFER, text, len);
	c->cursor = 0;
	enter(i, REPLY, REQUEST_TIMEOUT);
}

static void refuse(int i, int status, bool head_only)
{
	char text[64];

	total.dropped[REFUSED]++;
	/* browsers open connections ahead of need: that is not worth a line */
	if (status != 408 || clients[i].filled > 0)
		say(clients[i].peer,
		    HTTP_TEXT("Request refused: ", http_status(status)));
	http_join(text, sizeof text, HTTP_TEXT(http_status(status), "\n"));
	reply(i, status, text, head_only);
}

/* The counters, as Prometheus reads them (text format 0.0.4). */
static void reply_metrics(int i, bool head_only)
{
	const struct {
		const char *name, *type;
		uint64_t value;
	} metrics[] = {
		{"clients", "gauge", (uint64_t)people},
		{"clients_peak", "gauge", (uint64_t)people_peak},
		{"clients_limit", "gauge", (uint64_t)people_max},
		{"connections_total", "counter", total.connections},
		{"messages_total", "counter", total.messages},
		{"received_bytes_total", "counter", total.in},
		{"sent_bytes_total", "counter", total.out},
	};
	char text[2048] = "", line[128], digits[HTTP_DIGITS];
	size_t n = 0, max = sizeof text - 1, size;

	for (size_t k = 0; k < sizeof metrics / sizeof metrics[0]; k++) {
		size = http_join(
			line, sizeof line,
			HTTP_TEXT("# TYPE chat_", metrics[k].name, " ",
				  metrics[k].type, "\nchat_", metrics[k].name,
				  " ",
				  http_decimal(digits, metrics[k].value, 1),
				  "\n"));
		n = append(text, n, max, line, size);
	}
	for (int why = 0; why < REASONS; why++) {
		size = http_join(
			line, sizeof line,
			HTTP_TEXT(
				why > 0 ? ""
					: "# TYPE chat_dropped_total counter\n",
				"chat_dropped_total{reason=\"", reasons[why],
				"\"} ",
				http_decimal(digits, total.dropped[why], 1),
				"\n"));
		n = append(text, n, max, line, size);
	}
	reply(i, 200, text, head_only);
}

/* Lets a client in: the response, then the history, then a notice. */
static void join(int i, const struct http_request *r)
{
	struct client *c = &clients[i];
	char n[HTTP_DIGITS];

	http_switch((char *)c->outbox, r);
	c->outbox_size = HTTP_SWITCH_LENGTH;
	c->until = c->cursor = history_start();
	if (c->cursor < slowest)
		slowest = c->cursor;
	c->owes_notice = gives_notice();
	c->credit = opt.rate * BURST;
	ws_init(&c->ws, buffers[i]);
	enter(i, OPEN, MESSAGE_TIMEOUT);
	people++;
	total.connections++;
	if (people_peak < people)
		people_peak = people;
	say(c->peer,
	    HTTP_TEXT("Client connected (", in_digits(n, people), " online)"));
}

static void refuse_origin(int i, const struct http_request *r)
{
	char origin[CUT] = "", host[CUT] = "";

	append(origin, 0, CUT - 1, r->origin.buf + r->origin.from,
	       r->origin.to - r->origin.from);
	append(host, 0, CUT - 1, r->host.buf + r->host.from,
	       r->host.to - r->host.from);
	say(clients[i].peer,
	    HTTP_TEXT("Origin ", origin, ", Host ", host, ": see option -o"));
	refuse(i, 403, false);
}

static void answer(int i, const struct http_request *r)
{
	bool metrics = http_text_is(r->path, "/metrics");

	if (!http_text_is(r->path, "/") && (!metrics || r->handshake)) {
		refuse(i, 404, r->head_only);
	} else if (r->handshake &&
		   ((opt.host_count > 0 &&
		     !http_host_listed(r, opt.hosts, opt.host_count)) ||
		    !http_origin_allowed(r, opt.hosts, opt.host_count))) {
		refuse_origin(i, r);
	} else if (r->handshake && people >= people_max) {
		refuse(i, 503, false);
	} else if (r->handshake) {
		join(i, r);
	} else if (metrics) {
		reply_metrics(i, r->head_only);
	} else {
		reply(i, 200, NULL, r->head_only);
	}
}

/* Takes n bytes of a request from scratch.  What follows it are frames. */
static void take_request(int i, size_t n)
{
	struct client *c = &clients[i];
	const unsigned char *buf = scratch;
	size_t before = c->filled, len = n;
	struct http_request r;
	int size;

	if (before > 0) {
		buf = buffers[i];
		len = append(buffers[i], before, REQUEST_MAX, scratch, n);
	}
	size = http_parse(&r, (const char *)buf, len);
	if (size < 0) {
		refuse(i, -size, r.head_only);
	} else if (size > 0) {
		answer(i, &r);
		if (c->state == OPEN)
			take_frames(i, (size_t)size - before, n);
	} else {
		if (before == 0)
			append(buffers[i], 0, REQUEST_MAX, scratch, n);
		c->filled = (unsigned)len;
	}
}

/* The peer is gone: whether that was to be expected depends on the state. */
static void part(int i)
{
	struct client *c = &clients[i];

	if (c->state == OPEN || (c->state == REQUEST && c->filled > 0))
		drop(i, LOST);
	c->state = OVER;
}

static void receive(int i)
{
	struct client *c = &clients[i];
	bool may_add = c->state == REQUEST || c->state == OPEN;
	size_t want = may_add ? allowance() : sizeof scratch;
	ssize_t n;

	if (want == 0)
		return;
	n = recv(table[i].fd, scratch, want, 0);
	if (n < 0 && may_pass())
		return;
	if (n <= 0) {
		part(i);
		return;
	}
	total.in += (uint64_t)n;
	c->heard = now;
	if (c->state == REQUEST)
		take_request(i, (size_t)n);
	else if (c->state != DRAIN)
		take_frames(i, 0, (size_t)n);
}

/* ---- The table ---- */

/* The only place that closes a connection. */
static void reap(int i)
{
	close(table[i].fd);
	table[i] = (struct pollfd){.fd = -1};
	clients[i] = (struct client){.state = FREE};
	if (i < hole)
		hole = i;
	while (used > 0 && table[used - 1].fd < 0)
		used--;
}

/* An entry for a new connection.  In a full table, whoever is not in the room
   and is next to run out of time makes way; there are more entries than people
   may come in. */
static int find_slot(void)
{
	int last = -1;

	while (hole < slots && table[hole].fd >= 0)
		hole++;
	if (hole < slots)
		return hole;
	for (int i = 0; i < slots; i++) {
		if (clients[i].state == OPEN || clients[i].state == LISTENING)
			continue;
		if (last < 0 || clients[i].deadline < clients[last].deadline)
			last = i;
	}
	assert(last >= 0);
	drop(last, CROWDED);
	reap(last);
	return last;
}

static void occupy(int i, int fd, enum state state)
{
	table[i] = (struct pollfd){.fd = fd, .revents = POLLIN};
	clients[i] = (struct client){.heard = now};
	enter(i, state, REQUEST_TIMEOUT);
	if (i >= used)
		used = i + 1;
}

/* Takes connections that wait, the more the longer a pass takes anyway, and
   reads them at once: mostly the request is already there. */
static void accept_some(int listener)
{
	const int on = 1, size = SEND_BUFFER, most = ACCEPTS + used / 4;

	for (int k = 0; k < most; k++) {
		struct sockaddr_storage a = {0};
		socklen_t n = sizeof a;
		int i, fd = accept(table[listener].fd, (void *)&a, &n);

		if (fd < 0 && (errno == EINTR || errno == ECONNABORTED))
			continue;
		if (fd < 0) { /* none waits, or the tick will try again */
			accepting = errno == EAGAIN || errno == EWOULDBLOCK;
			return;
		}
		if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0) {
			close(fd);
			continue;
		}
		i = find_slot();
		occupy(i, fd, REQUEST);
		name_address(clients[i].peer, &a);
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
		if (SEND_BUFFER > 0)
			setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size,
				   sizeof size);
		receive(i);
	}
}

/* ---- A pass of the loop ---- */

/* What poll() is to wait for: it follows from the state. */
static short interest(const struct client *c)
{
	short out = c->blocked ? POLLOUT : 0;

	if (starving && c->state != LISTENING)
		return 0;
	switch (c->state) {
	case LISTENING: return accepting ? POLLIN : 0;
	case REQUEST: return congested ? 0 : POLLIN;
	case OPEN: return congested || c->credit < 0 ? out : POLLIN | out;
	case CLOSING: return POLLIN | out;
	case DRAIN: return POLLIN;
	default: return out;
	}
}

/* Reads whoever has something to say. */
static void serve(int i)
{
	short events = table[i].events, found = table[i].revents;

	if (found & POLLOUT)
		clients[i].blocked = false;
	if (clients[i].state == LISTENING)
		accept_some(i);
	else if (events & POLLIN && found & ~POLLOUT)
		receive(i);
	else if (found & (POLLERR | POLLHUP | POLLNVAL))
		part(i);
}

/* Is anybody in the room late with anything, so many seconds after the last
   look? */
static void check_member(int i, unsigned seconds)
{
	struct client *c = &clients[i];
	unsigned patience = (unsigned)opt.heartbeat * 12 / 5;

	if (c->credit < 0 || congested || starving) { /* we did not listen */
		c->heard = now;
		c->deadline = now + MESSAGE_TIMEOUT;
	}
	c->credit += opt.rate * (int)lesser(seconds, BURST);
	if (c->credit > opt.rate * BURST)
		c->credit = opt.rate * BURST;
	if (patience > 0 && now - c->heard > patience)
		drop(i, SILENT);
	else if (c->blocked && now - c->moved > SEND_TIMEOUT)
		drop(i, STUCK);
	else if (congested && now - congested_since >= STALL_TIMEOUT &&
		 head - c->cursor > LOG_SIZE / 2)
		drop(i, SLOW);
	else if (!ws_idle(&c->ws) && now > c->deadline)
		fail(i, WS_POLICY);
}

/* Whether nothing will be due for a client before the next heartbeat. */
static bool rests(const struct client *c)
{
	bool heard =
		opt.heartbeat == 0 || now - c->heard <= (unsigned)opt.heartbeat;

	return c->state == FREE || c->state == LISTENING ||
	       (c->state == OPEN && heard && !c->blocked && c->credit >= 0 &&
		ws_idle(&c->ws));
}

/* Once a second, unless all is calm. */
static void tick(void)
{
	unsigned seconds = now - ticked;
	bool beat = opt.heartbeat > 0 && ticked / (unsigned)opt.heartbeat !=
						 now / (unsigned)opt.heartbeat;
	bool changed = people != announced && gives_notice();

	calm = accepting && !changed && !congested;
	news = accepting = true;
	announced = people;
	ticked = now;
	for (int i = 0; i < used; i++) {
		struct client *c = &clients[i];

		if (c->state == OPEN) {
			c->owes_ping = c->owes_ping || beat;
			c->owes_notice = c->owes_notice || beat || changed;
			check_member(i, seconds);
		} else if (c->state == REQUEST && (congested || starving)) {
			c->deadline = now + REQUEST_TIMEOUT;
		} else if (c->state == REQUEST && now > c->deadline) {
			refuse(i, 408, false);
		} else if ((c->state == REPLY || c->blocked) &&
			   now > c->deadline) {
			drop(i, LATE);
		} else if (c->state >= CLOSING && now > c->deadline) {
			c->state = OVER;
		}
		calm = calm && rests(c);
	}
	starving = false;
}

/* Who is behind, and by how much. */
static void measure(void)
{
	slowest = head;
	for (int i = 0; i < used; i++) {
		const struct client *c = &clients[i];
		bool reads = c->state == OPEN ||
			     (c->state == CLOSING && c->outbox_size > 0 &&
			      !outbox_is_due(c));

		if (reads && c->cursor < slowest)
			slowest = c->cursor;
	}
	if (head - slowest <= LOG_SIZE / 2)
		congested = false;
}

/* Sends what is due, and half-closes a connection for which that was all. */
static void write_to(int i)
{
	struct client *c = &clients[i];
	const unsigned char *data;

	if (c->state == REPLY || c->state == OPEN || c->state == CLOSING)
		flush(i);
	if ((c->state == REPLY && rest(i, &data) == 0) ||
	    (c->state == CLOSING && c->closed && c->outbox_size == 0)) {
		shutdown(table[i].fd, SHUT_WR);
		enter(i, DRAIN, CLOSE_TIMEOUT);
	}
}

/* Counts the time since the last pass, which had to wait at most so many ms;
   what is much longer was not spent here. */
static void count_time(int waited)
{
	static uint64_t last;
	struct timespec t;
	uint64_t ms;

	clock_gettime(CLOCK_MONOTONIC, &t);
	ms = (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
	served += lesser(ms - last, (uint64_t)waited + 1000);
	now = (unsigned)(served / 1000);
	last = ms;
}

/* When the next tick is due: when nobody has anything to wait for, that is the
   one with the next heartbeat, so that an idle room costs nothing. */
static unsigned next_tick(void)
{
	unsigned beat = opt.heartbeat > 0 ? (unsigned)opt.heartbeat : 3600;

	return calm ? (ticked / beat + 1) * beat : ticked + 1;
}

static int until_tick(void)
{
	uint64_t next = (uint64_t)next_tick() * 1000;

	return next > served ? (int)(next - served) : 0;
}

/* Waits, reads, ticks, writes, reaps.  When there is no news, only those who
   were ready are looked at after the wait. */
static void pass(void)
{
	int wait = news ? 0 : until_tick(), n = used;
	int ready = poll(table, (nfds_t)used, wait);
	bool everyone;

	if (ready < 0 && errno != EINTR)
		poll(NULL, 0, 100); /* no memory, even for that: wait a bit */
	count_time(wait);
	calm = calm && ready <= 0;
	turn = turn + 1 < n ? turn + 1 : 0;
	for (int k = 0; k < n; k++) {
		int i = turn + k < n ? turn + k : turn + k - n;

		if (ready <= 0)
			table[i].revents = 0;
		else if (table[i].revents)
			serve(i);
	}
	if (now >= next_tick())
		tick();
	everyone = news || congested;
	news = false;
	for (int i = 0; i < used; i++) {
		if (everyone || table[i].revents)
			write_to(i);
	}
	if (everyone)
		measure();
	for (int i = 0; i < used; i++) {
		if (!everyone && !table[i].revents)
			continue;
		if (clients[i].state == OVER)
			reap(i);
		else
			table[i].events = interest(&clients[i]);
	}
}

/* RFC 6455, 7.4.1: 1001, "going away, such as a server going down". */
static void say_goodbye(void)
{
	for (int i = 0; i < used; i++) {
		if (clients[i].state == LISTENING ||
		    clients[i].state == REQUEST)
			clients[i].state = OVER;
		else if (clients[i].state == OPEN)
			say_close(i, WS_GOING_AWAY, false, "going away");
	}
	news = true;
	calm = false;
}

/* ---- Start ---- */

/* A number from 0 to max, all digits; anything else is -1. */
static int number(const char *s, int max)
{
	int64_t n = 0;

	if (*s == '\0')
		return -1;
	for (; *s != '\0' && n <= max; s++) {
		int digit = *s - '0';

		if (digit < 0 || digit > 9)
			return -1;
		n = 10 * n + digit;
	}
	return n > max ? -1 : (int)n;
}

static void help(void)
{
	char n[8][HTTP_DIGITS];

	tell(STDOUT_FILENO,
	     HTTP_TEXT(
		     "usage: chat [-hqV] [-a address] [-l rate] [-n history] "
		     "[-o host]... [-p port] [-t heartbeat]\n"
		     "A chat room for every browser on the network.\n\n"
		     "  -a address    listen on this one (all, IPv6 and IPv4)\n"
		     "  -h            show this\n"
		     "  -l rate       frames a second read from each client, "
		     "0: any (",
		     in_digits(n[0], opt.rate),
		     ")\n"
		     "  -n history    messages that a newcomer gets, at most ",
		     in_digits(n[1], HISTORY_MAX), " (",
		     in_digits(n[2], opt.history),
		     ")\n"
		     "  -o host       allow pages from this host[:port]; may "
		     "be repeated\n"
		     "  -p port       listen on this port, 0: any free one (",
		     in_digits(n[3], opt.port),
		     ")\n"
		     "  -q            quiet: no line for each event\n"
		     "  -t heartbeat  seconds between pings, 0: none (",
		     in_digits(n[4], opt.heartbeat),
		     ")\n"
		     "  -V            show the version\n\n"
		     "This build: ",
		     in_digits(n[5], CLIENTS_MAX), " people, ",
		     in_digits(n[6], MESSAGE_MAX), " bytes a message, ",
		     in_digits(n[7], LOG_SIZE), " bytes of log.\n"));
	exit(0);
}

static void bad_usage(const char *value)
{
	tell(STDERR_FILENO,
	     HTTP_TEXT("chat: \"", value, "\" cannot be there: see chat -h\n"));
	exit(2);
}

static void version(void)
{
	tell(STDOUT_FILENO, HTTP_TEXT("chat " VERSION "\n"));
	exit(0);
}

static int number_option(int max)
{
	int n = number(optarg, max);

	if (n < 0)
		bad_usage(optarg);
	return n;
}

static void read_options(int argc, char **argv)
{
	int o;

	while ((o = getopt(argc, argv, "a:hl:n:o:p:qt:V")) != -1) {
		switch (o) {
		case 'a': opt.address = optarg; break;
		case 'h': help(); break;
		case 'l': opt.rate = number_option(1000000); break;
		case 'n': opt.history = number_option(HISTORY_MAX); break;
		case 'o':
			if (opt.host_count == HOSTS_MAX)
				bad_usage(optarg);
			opt.hosts[opt.host_count++] = optarg;
			break;
		case 'p': opt.port = number_option(65535); break;
		case 'q': opt.quiet = true; break;
		case 't': opt.heartbeat = number_option(86400); break;
		case 'V': version(); break;
		default: exit(2);
		}
	}
	if (optind < argc)
		bad_usage(argv[optind]);
}

static void on_signal(int number)
{
	if (number == SIGALRM)
		return;
	if (stopping)
		_exit(128 + number);
	stopping = 1;
	alarm(1); /* should poll() begin just now, that ends its wait */
}

/* Makes room for the table among the open descriptors, or the table smaller. */
static void size_table(void)
{
	char n[HTTP_DIGITS];
	struct rlimit files;
	const rlim_t want = TABLE + FILES;

	if (getrlimit(RLIMIT_NOFILE, &files) < 0)
		die("getrlimit");
	if (files.rlim_cur < want) {
		files.rlim_cur = lesser(files.rlim_max, want);
		setrlimit(RLIMIT_NOFILE, &files);
	}
	slots = (int)lesser(files.rlim_cur, want) - FILES;
	people_max = slots - LISTENERS_MAX - SPARE_SLOTS;
	if (people_max < CLIENTS_MAX)
		tell(STDERR_FILENO,
		     HTTP_TEXT("chat: ulimit -n leaves room for ",
			       in_digits(n, people_max), "\n"));
	if (people_max < 1)
		exit(1);
	for (int i = 0; i < TABLE; i++)
		table[i].fd = -1;
}

static void prepare(void)
{
	struct sigaction ignore = {.sa_handler = SIG_IGN};
	struct sigaction stop = {.sa_handler = on_signal};
	int fd;

	do /* 0, 1 and 2 are taken, so that no client becomes our stderr */
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	close(fd);
	sigaction(SIGPIPE, &ignore, NULL);
	sigaction(SIGTTOU, &ignore, NULL);
	sigaction(SIGINT, &stop, NULL);
	sigaction(SIGTERM, &stop, NULL);
	sigaction(SIGALRM, &stop, NULL);
	size_table();
}

/* Listens on a numeric address, as a name would need a resolver.  On :: that is
   IPv4 as well. */
static bool listen_on(int family, const char *ip)
{
	struct sockaddr_storage a = {.ss_family = (sa_family_t)family};
	struct sockaddr_in *four = (void *)&a;
	struct sockaddr_in6 *six = (void *)&a;
	void *address = &six->sin6_addr;
	socklen_t size = sizeof *six;
	const int on = 1, off = 0;
	int fd = socket(family, SOCK_STREAM, 0);

	if (family == AF_INET) {
		address = &four->sin_addr;
		size = sizeof *four;
	}
	four->sin_port = htons((in_port_t)opt.port); /* six's is there too */
	if (inet_pton(family, ip, address) != 1)
		bad_usage(ip);
	if (fd < 0)
		return false;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
	if (bind(fd, (void *)&a, size) < 0 || listen(fd, SOMAXCONN) < 0 ||
	    fcntl(fd, F_SETFL, O_NONBLOCK) < 0) {
		close(fd);
		return false;
	}
	occupy(find_slot(), fd, LISTENING);
	return true;
}

/* On the address given, or on all: without IPv6, those of IPv4. */
static bool listen_here(void)
{
	const char *ip = opt.address;

	if (ip != NULL)
		return listen_on(strchr(ip, ':') ? AF_INET6 : AF_INET, ip);
	return listen_on(AF_INET6, "::") ||
	       ((errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL) &&
		listen_on(AF_INET, "0.0.0.0"));
}

/* Takes the sockets that systemd, or whoever starts us, listens on already:
   LISTEN_FDS of them, from 3 on, meant for the process LISTEN_PID.  Returns
   how many. */
static int inherit(void)
{
	const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS");
	int n, on = 0;
	socklen_t size = sizeof on;

	if (pid == NULL || count == NULL || number(pid, INT_MAX) != getpid())
		return 0;
	n = number(count, LISTENERS_MAX);
	if (n < 0)
		bad_usage(count);
	for (int fd = 3; fd < 3 + n; fd++, on = 0) {
		errno = EINVAL;
		if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &on, &size) < 0 ||
		    on == 0 || fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
			die("LISTEN_FDS");
		occupy(find_slot(), fd, LISTENING);
	}
	return n;
}

/* Says where to point a browser.  For a socket on all addresses that is the one
   from which a packet to the outside would leave, so that others can use it;
   connecting a datagram socket finds it out and sends nothing. */
static void announce(int i)
{
	struct sockaddr_storage a = {0};
	struct sockaddr_in *four = (void *)&a;
	struct sockaddr_in out = {.sin_family = AF_INET, .sin_port = htons(9)};
	socklen_t size = sizeof a;
	char name[PEER];
	in_port_t port;
	int fd;

	getsockname(table[i].fd, (void *)&a, &size);
	name_address(name, &a);
	if (strncmp(name, "[::]", 4) == 0 || strncmp(name, "0.0.0.0", 7) == 0) {
		port = four->sin_port;
		four->sin_family = AF_INET;
		four->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		inet_pton(AF_INET, "198.51.100.1", &out.sin_addr);
		fd = socket(AF_INET, SOCK_DGRAM, 0);
		if (connect(fd, (void *)&out, sizeof out) == 0)
			getsockname(fd, (void *)&a, &size);
		close(fd);
		four->sin_port = port;
		name_address(name, &a);
	}
	if (a.ss_family == AF_UNIX)
		tell(STDOUT_FILENO,
		     HTTP_TEXT("chat " VERSION ": waits for a proxy at a "
			       "unix-domain socket\n"));
	else
		tell(STDOUT_FILENO, HTTP_TEXT("chat " VERSION ": open http://",
					      name, "/ in a browser\n"));
}

int main(int argc, char **argv)
{
	unsigned end;

	read_options(argc, argv);
	prepare();
	if (inherit() == 0 && !listen_here())
		die("cannot listen");
	for (int i = 0; i < used; i++)
		announce(i);
	while (!stopping)
		pass();
	say_goodbye();
	end = now + CLOSE_TIMEOUT;
	while (used > 0 && now < end)
		pass();
	while (used > 0)
		reap(used - 1);
	return 0;
}
