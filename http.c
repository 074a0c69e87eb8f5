/* SPDX-License-Identifier: MIT */
/*
 * Parses one HTTP/1.1 request and writes the head of one response (RFC 9110,
 * RFC 9112).
 *
 *     GET /?query HTTP/1.1 CR LF        method, target, version
 *     Host: board:8080 CR LF            fields, their names in any case
 *     ... CR LF
 *     CR LF                             an empty line ends the head
 *
 * The parser is strict, so that no proxy in front of it can understand a
 * request differently: lines end in CR LF and are not folded, fields that must
 * be unique may not repeat, and no request has a body.  Responses have no Date
 * field: small boards often have no correct clock (RFC 9110, 6.6.1).
 *
 * A parse_ function parses buf[at..end) and returns > 0: the index after the
 * parsed part; 0: it needs more bytes; < 0: minus the status to answer with,
 * and r->fault names the broken rule.  A store_ or check_ function returns 0 or
 * minus a status.
 *
 * Three-hour path: http_parse(), parse_field(), check_handshake(),
 * http_switch().
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base64.h"
#include "http.h"
#include "sha1.h"

/* ---- Characters and texts ---- */

/* Character classes.  Each string is a list of ranges, two characters a range:
   "09AF" means 0 to 9 and A to F. */
static const char digits[] = "09", zeros[] = "00", blanks[] = "\t\t  ";
static const char visible_chars[] = "!~", path_chars[] = "!>@~"; /* no "?" */
static const char base64_chars[] = "09AZaz++//";
static const char token_chars[] = "09AZaz!!#'*+-.^`||~~"; /* RFC 9110, 5.6.2 */
static const char value_chars[] = "\t\t ~\x80\xff";       /* RFC 9110, 5.5 */
static const char list_separators[] = "\t\t  ,,", list_chars[] = "!+-\xff";
static const char scheme_chars[] = "09AZaz++-."; /* RFC 3986, 3.1 */
static const char host_chars[] =
	"09AZaz!!$.::;;==[[]]__~~"; /* RFC 3986, 3.2.2 and 3.2.3 */
static const char name_chars[] = "09AZaz-.::[[]]__"; /* those that are used */

static bool in_class(char c, const char *ranges)
{
	unsigned char u = (unsigned char)c;

	for (; *ranges != '\0'; ranges += 2) {
		if (u >= (unsigned char)ranges[0] &&
		    u <= (unsigned char)ranges[1])
			return true;
	}
	return false;
}

/* Returns the index of the first character in buf[at..end) that is not in the
   class, or end. */
static size_t end_of_class(const char *buf, size_t at, size_t end,
			   const char *ranges)
{
	while (at < end && in_class(buf[at], ranges))
		at++;
	return at;
}

static struct http_text slice(const char *buf, size_t from, size_t to)
{
	return (struct http_text){buf, from, to};
}

static bool all_in_class(struct http_text t, const char *ranges)
{
	return end_of_class(t.buf, t.from, t.to, ranges) >= t.to;
}

bool http_text_is(struct http_text t, const char *word)
{
	size_t n = strlen(word);

	return t.from + n == t.to && memcmp(t.buf + t.from, word, n) == 0;
}

static bool is_word_nocase(struct http_text t, const char *word)
{
	size_t n = strlen(word);

	return t.from + n == t.to && strncasecmp(t.buf + t.from, word, n) == 0;
}

/* Compares one character at a time, since the value analysis (test/prove) does
   not see that both texts have the same length, as strncasecmp() would need. */
static bool equal_nocase(struct http_text a, struct http_text b)
{
	while (a.from < a.to && b.from < b.to &&
	       strncasecmp(a.buf + a.from, b.buf + b.from, 1) == 0) {
		a.from++;
		b.from++;
	}
	return a.from >= a.to && b.from >= b.to;
}

/* RFC 9110, 5.6.1: returns true if a list such as "keep-alive, Upgrade" has
   this word, in any case.  The loop ends, because every byte of a field's value
   is in one of the two classes, so that each turn moves `at`. */
static bool list_contains(struct http_text list, const char *word)
{
	size_t at = list.from, item;

	while (at < list.to) {
		item = end_of_class(list.buf, at, list.to, list_separators);
		at = end_of_class(list.buf, item, list.to, list_chars);
		if (is_word_nocase(slice(list.buf, item, at), word))
			return true;
	}
	return false;
}

/* RFC 9110, 5.6.1: returns what follows the last comma of a list. */
static struct http_text last_item(struct http_text list)
{
	size_t at = list.to;

	while (at > list.from && list.buf[at - 1] != ',')
		at--;
	return slice(list.buf, end_of_class(list.buf, at, list.to, blanks),
		     list.to);
}

/* ---- The request line ---- */

/* Notes which rule the request breaks.  Returns minus the status. */
static int reject(struct http_request *r, int status, const char *fault)
{
	r->fault = fault;
	return -status;
}

/* RFC 9112, 3.1 */
static int parse_method(struct http_request *r, const char *buf, size_t at,
			size_t end)
{
	size_t stop = end_of_class(buf, at, end, token_chars);
	struct http_text method = slice(buf, at, stop);

	if (stop >= end)
		return 0;
	if (stop == at || buf[stop] != ' ')
		return reject(r, 400, "malformed method");
	r->head_only = http_text_is(method, "HEAD");
	if (!r->head_only && !http_text_is(method, "GET"))
		return reject(r, 405, "method is neither GET nor HEAD");
	return (int)stop + 1;
}

/* RFC 9112, 3.2: parses a target in origin-form, "/path?query", or in
   absolute-form, "http://host/path?query".  Clients send that to a proxy, but
   a server must accept it, too (3.2.2); its host replaces the Host field. */
static int parse_target(struct http_request *r, const char *buf, size_t at,
			size_t end)
{
	static const char http[] = "http://";
	size_t stop = end_of_class(buf, at, end, visible_chars);
	size_t host = at + sizeof http - 1;

	if (stop >= end)
		return 0;
	if (stop == at || buf[stop] != ' ')
		return reject(r, 400, "malformed target");
	if (host < stop && is_word_nocase(slice(buf, at, host), http)) {
		at = end_of_class(buf, host, stop, host_chars);
		r->authority = slice(buf, host, at);
	}
	r->path = slice(buf, at, end_of_class(buf, at, stop, path_chars));
	/* "http://host" means "http://host/".  Texts point into the request, so
	   the path is the second "/" of "http://". */
	if (r->path.from == r->path.to && r->authority.to > 0)
		r->path = slice(buf, host - 1, host);
	/* at == host: the host is empty */
	if (at == host || buf[r->path.from] != '/')
		return reject(r, 400, "target is neither path nor http://host");
	return (int)stop + 1;
}

/* RFC 9112, 2.3.  Any HTTP/1.x is served as 1.1 (RFC 9110, 2.5). */
static int parse_version(struct http_request *r, const char *buf, size_t at,
			 size_t end)
{
	static const char form[] = "HTTP/0.0\r\n"; /* 0: any digit */
	size_t i;

	for (i = 0; i < sizeof form - 1; i++) {
		if (at + i >= end)
			return 0;
		if (form[i] == '0' ? !in_class(buf[at + i], digits)
				   : buf[at + i] != form[i])
			return reject(r, 400,
				      "malformed HTTP version or line end");
	}
	if (buf[at + 5] != '1')
		return reject(r, 505, "HTTP version is not 1.x");
	r->http_1_0 = buf[at + 7] == '0';
	return (int)(at + i);
}

/* ---- Fields ---- */

/* Stores the value of a field that may not repeat. */
static int store_once(struct http_request *r, struct http_text *field,
		      struct http_text value, const char *fault)
{
	if (field->to > 0)
		return reject(r, 400, fault);
	*field = value;
	return 0;
}

/* RFC 9110, 8.6 */
static int store_length(struct http_request *r, struct http_text value)
{
	if (value.from == value.to || !all_in_class(value, digits))
		return reject(r, 400, "Content-Length is not a number");
	if (!all_in_class(value, zeros))
		return reject(r, 413, "body (Content-Length)");
	return store_once(r, &r->length, value, "two Content-Length fields");
}

/* RFC 9112, 3.2 */
static int store_host(struct http_request *r, struct http_text value)
{
	if (!all_in_class(value, host_chars))
		return reject(r, 400, "malformed Host");
	return store_once(r, &r->host, value, "two Host fields");
}

/* Stores a field if this server uses it. */
static int store_field(struct http_request *r, struct http_text name,
		       struct http_text value)
{
	if (is_word_nocase(name, "Upgrade"))
		r->lists_websocket |= list_contains(value, "websocket");
	if (is_word_nocase(name, "Connection"))
		r->lists_upgrade |= list_contains(value, "upgrade");
	if (is_word_nocase(name, "X-Forwarded-For"))
		r->forwarded = last_item(value); /* of the last such field */
	if (is_word_nocase(name, "If-None-Match"))
		r->if_none_match = value;
	if (is_word_nocase(name, "Origin"))
		return store_once(r, &r->origin, value, "two Origin fields");
	if (is_word_nocase(name, "Sec-WebSocket-Key"))
		return store_once(r, &r->key, value,
				  "two Sec-WebSocket-Key fields");
	if (is_word_nocase(name, "Sec-WebSocket-Version"))
		return store_once(r, &r->version, value,
				  "two Sec-WebSocket-Version fields");
	if (is_word_nocase(name, "Transfer-Encoding")) /* RFC 9112, 6.1 */
		return reject(r, 501, "body (Transfer-Encoding)");
	if (is_word_nocase(name, "Content-Length"))
		return store_length(r, value);
	if (is_word_nocase(name, "Host"))
		return store_host(r, value);
	return 0;
}

/* RFC 9112, 5: "name: value", with blanks around the value, but none before
   the colon (5.1) and none before the name, which would continue the line
   before, an obsolete form (5.2). */
static int parse_field(struct http_request *r, const char *buf, size_t at,
		       size_t end)
{
	size_t colon = end_of_class(buf, at, end, token_chars), from, to, stop;
	int error;

	if (colon >= end)
		return 0;
	if (colon == at)
		return reject(r, 400, "field without a name, or a folded line");
	if (buf[colon] != ':')
		return reject(r, 400, "no colon directly after a field name");
	from = end_of_class(buf, colon + 1, end, blanks);
	to = stop = end_of_class(buf, from, end, value_chars);
	if (stop < end && buf[stop] != '\r')
		return reject(r, 400, "control character in a field value");
	if (stop + 1 >= end)
		return 0;
	if (buf[stop + 1] != '\n')
		return reject(r, 400, "CR without LF");
	while (to > from && in_class(buf[to - 1], blanks))
		to--;
	error = store_field(r, slice(buf, at, colon), slice(buf, from, to));
	return error < 0 ? error : (int)stop + 2;
}

/* ---- The head ---- */

/* A key is 16 bytes in Base64: 22 characters and "==". */
static bool is_key(struct http_text key)
{
	size_t stop = end_of_class(key.buf, key.from, key.to, base64_chars);

	return key.to - key.from == HTTP_KEY_LENGTH &&
	       http_text_is(slice(key.buf, stop, key.to), "==");
}

/* RFC 6455, 4.2.1 */
static int check_handshake(struct http_request *r)
{
	if (r->head_only)
		return reject(r, 400, "handshake by HEAD");
	if (r->http_1_0)
		return reject(r, 400, "handshake in HTTP/1.0");
	if (!r->lists_websocket)
		return reject(r, 400, "Upgrade does not list websocket");
	if (!r->lists_upgrade)
		return reject(r, 400, "Connection does not list upgrade");
	if (!http_text_is(r->version, "13")) /* 4.4 */
		return reject(r, 426, "Sec-WebSocket-Version is not 13");
	if (!is_key(r->key))
		return reject(r, 400,
			      "Sec-WebSocket-Key is not 16 bytes in Base64");
	r->handshake = true;
	return 0;
}

/* Checks a complete head. */
static int check_head(struct http_request *r)
{
	if (r->host.to == 0 && !r->http_1_0) /* RFC 9112, 3.2 */
		return reject(r, 400, "no Host field");
	if (r->authority.to > 0)
		r->host = r->authority;
	/* RFC 9110, 7.8: an Upgrade field in HTTP/1.0 is ignored */
	if (r->key.to > 0 || (r->lists_websocket && !r->http_1_0))
		return check_handshake(r);
	return 0;
}

int http_parse(struct http_request *r, const char *buf, size_t len)
{
	size_t end = len < REQUEST_MAX ? len : REQUEST_MAX;
	const struct http_text none = slice(buf, 0, 0);
	int at, error;

	*r = (struct http_request){.fault = NULL};
	r->path = r->host = r->origin = r->key = none;
	r->version = r->forwarded = r->if_none_match = none;
	r->authority = r->length = none;
	if (end == 1 && buf[0] == '\r')
		return 0;
	/* RFC 9112, 2.2: an empty line before the request is ignored */
	at = end >= 2 && memcmp(buf, "\r\n", 2) == 0 ? 2 : 0;
	at = parse_method(r, buf, (size_t)at, end);
	if (at > 0)
		at = parse_target(r, buf, (size_t)at, end);
	if (at > 0)
		at = parse_version(r, buf, (size_t)at, end);
	if (at == 0 && end == REQUEST_MAX)
		return reject(r, 414, "request line exceeds REQUEST_MAX");
	while (at > 0 && (size_t)at < end && buf[at] != '\r')
		at = parse_field(r, buf, (size_t)at, end);
	if (at < 0)
		return at;
	if (at == 0 || (size_t)at + 1 >= end)
		return end < REQUEST_MAX
			       ? 0
			       : reject(r, 431, "head exceeds REQUEST_MAX");
	if (buf[at + 1] != '\n')
		return reject(r, 400, "CR without LF");
	error = check_head(r);
	return error < 0 ? error : at + 2;
}

/* ---- Host and Origin ---- */

bool http_is_host(const char *word)
{
	struct http_text t = slice(word, 0, strlen(word));

	return t.to > 0 && all_in_class(t, name_chars);
}

static struct http_text without_port(struct http_text host, const char *port)
{
	size_t n = strlen(port);

	if (host.from + n < host.to &&
	    http_text_is(slice(host.buf, host.to - n, host.to), port))
		host.to -= n;
	return host;
}

/* Compares two hosts, which may have this default port, such as ":80". */
static bool is_same_host(struct http_text a, struct http_text b,
			 const char *port)
{
	return equal_nocase(without_port(a, port), without_port(b, port));
}

static bool is_listed(struct http_text t, const char *const *hosts, int n,
		      const char *port)
{
	for (int i = 0; i < n; i++) {
		struct http_text host = slice(hosts[i], 0, strlen(hosts[i]));

		if (is_same_host(t, host, port))
			return true;
	}
	return false;
}

bool http_host_listed(const struct http_request *r, const char *const *hosts,
		      int n)
{
	return is_listed(r->host, hosts, n, ":80") ||
	       is_listed(r->host, hosts, n, ":443");
}

/* A browser lets any page open a WebSocket to any server, and names the page's
   site in Origin.  Only the server can refuse the page of a stranger, which
   would otherwise read and write as the browser's user. */
bool http_origin_allowed(const struct http_request *r, const char *const *hosts,
			 int n)
{
	struct http_text origin = r->origin, scheme, host;
	const char *port;
	size_t at;

	if (origin.to == 0)
		return true;
	/* RFC 6454, 6.2: "scheme://host" or "scheme://host:port", or "null" */
	at = end_of_class(origin.buf, origin.from, origin.to, scheme_chars);
	scheme = slice(origin.buf, origin.from, at);
	if (at == origin.from || at + 3 >= origin.to ||
	    !http_text_is(slice(origin.buf, at, at + 3), "://"))
		return false;
	host = slice(origin.buf, at + 3, origin.to);
	port = is_word_nocase(scheme, "https") ? ":443" : ":80";
	return is_same_host(host, r->host, port) ||
	       is_listed(host, hosts, n, port);
}

/* ---- Responses ---- */

/* RFC 6455, 4.2.2, 5.4: the accept key is the SHA-1 digest of the client's key
   and this GUID.  It proves that the server has understood the handshake: no
   server that knows only HTTP would compute it. */
void http_switch(char *out, const struct http_request *r)
{
	static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
	unsigned char proof[HTTP_KEY_LENGTH + sizeof guid - 1];
	unsigned char digest[SHA1_SIZE];
	char accept[BASE64_LENGTH(SHA1_SIZE) + 1];

	memcpy(proof, r->key.buf + r->key.from, HTTP_KEY_LENGTH);
	memcpy(proof + HTTP_KEY_LENGTH, guid, sizeof guid - 1);
	sha1(digest, proof, sizeof proof);
	base64(accept, digest, sizeof digest);
	snprintf(out, HTTP_SWITCH_LENGTH + 1,
		 HTTP_SWITCH_START "%s" HTTP_SWITCH_END, accept);
}

/* It is weak, W/"...", since a proxy that compresses the body would make it so:
   then the client sends back what it was sent. */
void http_etag(char *out, const unsigned char *body, size_t n)
{
	unsigned char digest[SHA1_SIZE];
	char text[BASE64_LENGTH(SHA1_SIZE) + 1];

	sha1(digest, body, n);
	base64(text, digest, sizeof digest);
	snprintf(out, HTTP_ETAG_LENGTH + 1, HTTP_ETAG_START "%s" HTTP_ETAG_END,
		 text);
}

bool http_etag_listed(const struct http_request *r, const char *etag)
{
	return list_contains(r->if_none_match, etag) ||
	       http_text_is(r->if_none_match, "*");
}

/* The statuses (RFC 9110, 15) and the fields that must come with them. */
static const struct status {
	int status;
	const char *text, *fields;
} statuses[] = {
	{200, "200 OK", ""},
	{304, "304 Not Modified", ""},
	{400, "400 Bad Request", ""},
	{403, "403 Forbidden", ""},
	{404, "404 Not Found", ""},
	{405, "405 Method Not Allowed", "Allow: GET, HEAD\r\n"},
	{408, "408 Request Timeout", ""},
	{413, "413 Content Too Large", ""},
	{414, "414 URI Too Long", ""},
	{421, "421 Misdirected Request", ""},
	{426, "426 Upgrade Required", /* RFC 6455, 4.4 */
	 "Upgrade: websocket\r\nConnection: upgrade\r\n"
	 "Sec-WebSocket-Version: 13\r\n"},
	{429, "429 Too Many Requests", "Retry-After: 10\r\n"}, /* RFC 6585, 4 */
	{431, "431 Request Header Fields Too Large", ""},      /* RFC 6585, 5 */
	{501, "501 Not Implemented", ""},
	{503, "503 Service Unavailable", "Retry-After: 10\r\n"},
	{505, "505 HTTP Version Not Supported", ""},
	{0, NULL, ""}, /* ends the table: any other status */
};

static const struct status *find_status(int status)
{
	const struct status *s = statuses;

	while (s->text != NULL && s->status != status)
		s++;
	return s;
}

const char *http_status(int status)
{
	return find_status(status)->text;
}

size_t http_head(char *out, int status, const char *type, size_t length,
		 const char *fields)
{
	const struct status *s = find_status(status);
	int n;

	assert(s->text != NULL);
	/* RFC 9112, 6.3 and 9.6: Content-Length ends the body, and the
	   connection ends after it */
	n = snprintf(out, HTTP_HEAD_MAX,
		     "HTTP/1.1 %s\r\n"
		     "Connection: close\r\n"
		     "Content-Type: %s\r\n"
		     "Content-Length: %zu\r\n"
		     "X-Content-Type-Options: nosniff\r\n"
		     "%s%s\r\n",
		     s->text, type, length, s->fields, fields);
	return n < HTTP_HEAD_MAX ? (size_t)n : HTTP_HEAD_MAX - 1;
}
