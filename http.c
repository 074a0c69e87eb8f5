/* SPDX-License-Identifier: MIT */
/*
 * One HTTP/1.1 request in, one response out (RFC 9110, RFC 9112).
 *
 *     GET /?query HTTP/1.1 CR LF        method, target, version
 *     Host: board:8080 CR LF            fields, their names in any case
 *     ... CR LF
 *     CR LF                             an empty line ends the head
 *
 * Strict on purpose: lines end in CR LF and are not folded, no single field
 * comes twice, and no request has a body, so that nobody in front of this
 * server can read a request differently.  Responses have no Date: the boards
 * this runs on often do not know it (RFC 9110, 6.6.1).
 */
#include <string.h>

#include "base64.h"
#include "http.h"
#include "sha1.h"

/* Kinds of characters, as pairs of a first and a last one. */
static const char zeros[] = "00", digits[] = "09", blanks[] = "\t\t  ";
static const char visible[] = "!~", not_query[] = "!>@~";
static const char between[] = "\t\t  ,,", member[] = "!+-\xff"; /* of lists */
static const char base64_letters[] = "09AZaz++//";
static const char token[] = "09AZaz!!#'*+-.^`||~~";    /* RFC 9110, 5.6.2 */
static const char value[] = "\t\t ~\x80\xff";          /* RFC 9110, 5.5 */
static const char scheme[] = "09AZaz++-.";             /* RFC 3986, 3.1 */
static const char host[] = "09AZaz!!$.::;;==[[]]__~~"; /* 3.2.2, 3.2.3 */

static bool is(const char *kind, char c)
{
	unsigned char u = (unsigned char)c;

	for (; *kind != '\0'; kind += 2) {
		if (u >= (unsigned char)kind[0] && u <= (unsigned char)kind[1])
			return true;
	}
	return false;
}

/* Where the run of one kind that starts at buf[at] stops, or end. */
static size_t span(const char *buf, size_t at, size_t end, const char *kind)
{
	while (at < end && is(kind, buf[at]))
		at++;
	return at;
}

static struct http_text slice(const char *buf, size_t from, size_t to)
{
	return (struct http_text){buf, from, to};
}

static bool all(struct http_text t, const char *kind)
{
	return span(t.buf, t.from, t.to, kind) >= t.to;
}

static bool exactly(struct http_text t, const char *word)
{
	size_t n = strlen(word);

	return t.from + n == t.to && memcmp(t.buf + t.from, word, n) == 0;
}

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool alike(struct http_text a, struct http_text b)
{
	while (a.from < a.to && b.from < b.to &&
	       lower(a.buf[a.from]) == lower(b.buf[b.from])) {
		a.from++;
		b.from++;
	}
	return a.from >= a.to && b.from >= b.to;
}

static bool in_any_case(struct http_text t, const char *word)
{
	return alike(t, slice(word, 0, strlen(word)));
}

/* RFC 9110, 5.6.1: whether a word is in a list. */
static bool lists(struct http_text list, const char *word)
{
	for (size_t at = list.from, stop; at < list.to; at = stop) {
		at = span(list.buf, at, list.to, between);
		stop = span(list.buf, at, list.to, member);
		if (in_any_case(slice(list.buf, at, stop), word))
			return true;
	}
	return false;
}

/* Takes a word and the one blank behind it. */
static int take_word(struct http_text *word, const char *buf, size_t at,
		     size_t end, const char *kind)
{
	size_t stop = span(buf, at, end, kind);

	*word = slice(buf, at, stop);
	if (stop >= end)
		return 0;
	return stop == at || buf[stop] != ' ' ? -400 : (int)stop + 1;
}

/* RFC 9112, 3.2: "/path?query", or the same behind "http://host", which then
   counts instead of the Host field.  False when it is neither. */
static bool take_target(struct http_request *r, struct http_text target)
{
	static const char http[] = "http://";
	const char *buf = target.buf;
	size_t at = target.from, behind = at + sizeof http - 1, stop;
	struct http_text path;

	if (behind < target.to && in_any_case(slice(buf, at, behind), http)) {
		at = span(buf, behind, target.to, host);
		r->authority = slice(buf, behind, at);
		if (at <= behind) /* there is no host */
			return false;
	}
	stop = span(buf, at, target.to, not_query);
	path = slice(buf, at, stop);
	if (exactly(path, "/") || (at >= stop && r->authority.to > 0))
		r->resource = HTTP_PAGE;
	else if (exactly(path, "/metrics"))
		r->resource = HTTP_METRICS;
	return at < stop ? buf[at] == '/' : r->authority.to > 0;
}

/* RFC 9112, 2.3.  Any HTTP/1.x is served as 1.1 (RFC 9110, 2.5). */
static int take_version(struct http_request *r, const char *buf, size_t at,
			size_t end)
{
	static const char form[] = "HTTP/0.0\r\n"; /* 0: a digit */
	size_t i;

	for (i = 0; i < sizeof form - 1; i++) {
		if (at + i >= end)
			return 0;
		if (form[i] == '0' ? !is(digits, buf[at + i])
				   : buf[at + i] != form[i])
			return -400;
	}
	r->http_1_0 = buf[at + 7] == '0';
	return buf[at + 5] == '1' ? (int)(at + i) : -505;
}

static int take_request_line(struct http_request *r, const char *buf, size_t at,
			     size_t end)
{
	struct http_text method, target;
	int n = take_word(&method, buf, at, end, token);

	if (n <= 0)
		return n;
	r->head = exactly(method, "HEAD");
	if (!r->head && !exactly(method, "GET"))
		return -405;
	n = take_word(&target, buf, (size_t)n, end, visible);
	if (n <= 0)
		return n;
	return take_target(r, target) ? take_version(r, buf, (size_t)n, end)
				      : -400;
}

/* Notes a field that may come but once, and with a valid value. */
static int note(struct http_text *field, struct http_text v, bool valid)
{
	bool again = field->to > 0;

	*field = v;
	return valid && !again ? 0 : -400;
}

/* What a field means: 0 or minus a status. */
static int judge_field(struct http_request *r, struct http_text name,
		       struct http_text v)
{
	if (in_any_case(name, "upgrade"))
		r->websocket = r->websocket || lists(v, "websocket");
	else if (in_any_case(name, "connection"))
		r->upgrade = r->upgrade || lists(v, "upgrade");
	else if (in_any_case(name, "origin"))
		return note(&r->origin, v, true);
	else if (in_any_case(name, "sec-websocket-key"))
		return note(&r->key, v, true);
	else if (in_any_case(name, "sec-websocket-version"))
		return note(&r->version, v, true);
	else if (in_any_case(name, "host")) /* RFC 9112, 3.2 */
		return note(&r->host, v, all(v, host));
	else if (in_any_case(name, "transfer-encoding")) /* RFC 9112, 6.1 */
		return -501;
	else if (in_any_case(name, "content-length") && !all(v, zeros) &&
		 all(v, digits)) /* RFC 9110, 8.6: a body */
		return -413;
	else if (in_any_case(name, "content-length"))
		return note(&r->length, v, v.from < v.to && all(v, zeros));
	return 0;
}

/* RFC 9112, 5: "name: value".  No blank before the colon (5.1), nor at the
   start of the line (5.2: obs-fold). */
static int take_field(struct http_request *r, const char *buf, size_t at,
		      size_t end)
{
	size_t colon = span(buf, at, end, token), from, to, stop;
	int error;

	if (colon >= end)
		return 0;
	if (colon == at || buf[colon] != ':')
		return -400;
	from = span(buf, colon + 1, end, blanks);
	to = stop = span(buf, from, end, value);
	if (stop < end && buf[stop] != '\r')
		return -400;
	if (stop + 1 >= end)
		return 0;
	if (buf[stop + 1] != '\n')
		return -400;
	while (to > from && is(blanks, buf[to - 1]))
		to--;
	error = judge_field(r, slice(buf, at, colon), slice(buf, from, to));
	return error < 0 ? error : (int)stop + 2;
}

/* What a whole head comes to: 0 or minus a status. */
static int judge(struct http_request *r)
{
	size_t stop = span(r->key.buf, r->key.from, r->key.to, base64_letters);

	if (r->host.to == 0 && !r->http_1_0) /* RFC 9112, 3.2 */
		return -400;
	if (r->authority.to > 0)
		r->host = r->authority;
	if (r->http_1_0) /* RFC 9110, 7.8: then an Upgrade is none */
		r->websocket = false;
	r->handshake = r->websocket || r->key.to > 0;
	if (r->resource != HTTP_PAGE &&
	    (r->resource == HTTP_NOTHING || r->handshake))
		return -404;
	if (!r->handshake)
		return 0;
	/* RFC 6455, 4.2.1: GET, Upgrade, Connection, a version (4.4), and a
	   key, 16 bytes in Base64 */
	if (r->head || !r->websocket || !r->upgrade)
		return -400;
	if (!exactly(r->version, "13"))
		return -426;
	if (r->key.to - r->key.from != HTTP_KEY ||
	    !exactly(slice(r->key.buf, stop, r->key.to), "=="))
		return -400;
	return 0;
}

int http_parse(struct http_request *r, const char *buf, size_t len)
{
	size_t end = len < REQUEST_MAX ? len : REQUEST_MAX;
	int at, error;
	const struct http_text none = {buf, 0, 0};

	*r = (struct http_request){.authority = none,
				   .host = none,
				   .origin = none,
				   .key = none,
				   .version = none,
				   .length = none};
	if (end == 1 && buf[0] == '\r')
		return 0;
	/* RFC 9112, 2.2: an empty line in front is ignored */
	at = end >= 2 && memcmp(buf, "\r\n", 2) == 0 ? 2 : 0;
	at = take_request_line(r, buf, (size_t)at, end);
	if (at == 0 && end == REQUEST_MAX)
		return -414;
	while (at > 0 && (size_t)at < end && buf[at] != '\r')
		at = take_field(r, buf, (size_t)at, end);
	if (at < 0)
		return at;
	if (at == 0 || (size_t)at + 1 >= end)
		return end == REQUEST_MAX ? -431 : 0;
	error = buf[at + 1] == '\n' ? judge(r) : -400;
	return error < 0 ? error : at + 2;
}

static bool is_listed(struct http_text t, const char *const *hosts, int n)
{
	while (n > 0 && !in_any_case(t, hosts[n - 1]))
		n--;
	return n > 0;
}

bool http_origin_ok(const struct http_request *r, const char *const *hosts,
		    int n)
{
	struct http_text o = r->origin;
	size_t at;

	if (n > 0 && !is_listed(r->host, hosts, n))
		return false;
	if (o.to == 0)
		return true;
	/* RFC 6454, 6.2: scheme, "://", host and perhaps port; or "null" */
	at = span(o.buf, o.from, o.to, scheme);
	if (at == o.from || at + 3 >= o.to ||
	    !exactly(slice(o.buf, at, at + 3), "://"))
		return false;
	o.from = at + 3;
	return is_listed(o, hosts, n) || alike(o, r->host);
}

void http_switch(char *out, const struct http_request *r)
{
	static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
	unsigned char proof[HTTP_KEY + sizeof guid - 1] = {0};
	unsigned char digest[SHA1_SIZE];
	struct http_text key = r->key;
	char accept[BASE64_LENGTH(SHA1_SIZE) + 1];

	/* RFC 6455, 4.2.2, 5.4: who knows the GUID speaks WebSocket */
	for (size_t i = 0; i < HTTP_KEY && key.from + i < key.to; i++)
		proof[i] = (unsigned char)key.buf[key.from + i];
	memcpy(proof + HTTP_KEY, guid, sizeof guid - 1);
	sha1(digest, proof, sizeof proof);
	base64(accept, digest, sizeof digest);
	http_join(out, HTTP_SWITCH + 1,
		  HTTP_TEXT("HTTP/1.1 101 Switching Protocols\r\n"
			    "Upgrade: websocket\r\n"
			    "Connection: Upgrade\r\n"
			    "Sec-WebSocket-Accept: ",
			    accept, "\r\n\r\n"));
}

/* RFC 9110, 15. */
const char *http_status(int status)
{
	switch (status) {
	case 200: return "200 OK";
	case 403: return "403 Forbidden";
	case 404: return "404 Not Found";
	case 405: return "405 Method Not Allowed";
	case 408: return "408 Request Timeout";
	case 413: return "413 Content Too Large";
	case 414: return "414 URI Too Long";
	case 426: return "426 Upgrade Required";
	case 431: return "431 Request Header Fields Too Large";
	case 501: return "501 Not Implemented";
	case 503: return "503 Service Unavailable";
	case 505: return "505 HTTP Version Not Supported";
	default: return "400 Bad Request";
	}
}

/* The fields that a status must come with. */
static const char *status_fields(int status)
{
	switch (status) {
	case 405: return "Allow: GET, HEAD\r\n";
	case 426: /* RFC 6455, 4.4 */
		return "Upgrade: websocket\r\nConnection: upgrade\r\n"
		       "Sec-WebSocket-Version: 13\r\n";
	case 503: return "Retry-After: 10\r\n";
	default: return "";
	}
}

size_t http_head(char *out, int status, const char *type, size_t length,
		 const char *fields)
{
	char n[HTTP_DIGITS];

	/* RFC 9112, 6.3 and 9.6 */
	return http_join(
		out, HTTP_HEAD_MAX,
		HTTP_TEXT("HTTP/1.1 ", http_status(status),
			  "\r\nConnection: close\r\nContent-Type: ", type,
			  "\r\nContent-Length: ", http_decimal(n, length, 1),
			  "\r\nX-Content-Type-Options: nosniff\r\n",
			  status_fields(status), fields, "\r\n"));
}

static size_t add(char *out, size_t at, size_t max, const char *text)
{
	size_t len = strlen(text);

	for (size_t i = 0; i < len && at + 1 < max; i++) {
		out[at++] = text[i];
		out[at] = '\0';
	}
	return at;
}

size_t http_join(char *out, size_t max, const char *const *parts)
{
	size_t at = 0;

	out[0] = '\0';
	for (; *parts != NULL; parts++)
		at = add(out, at, max, *parts);
	return at;
}

const char *http_decimal(char out[HTTP_DIGITS], uint64_t n, unsigned width)
{
	size_t size = 1;

	for (uint64_t more = n / 10; more > 0 || size < width; more /= 10)
		size++;
	for (size_t i = HTTP_DIGITS; i > 0; i--)
		out[i - 1] = '\0';
	for (size_t i = size; i > 0 && i < HTTP_DIGITS; i--) {
		out[i - 1] = (char)('0' + n % 10);
		n /= 10;
	}
	return out;
}
