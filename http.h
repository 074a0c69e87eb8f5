/* SPDX-License-Identifier: MIT */
#ifndef HTTP_H
#define HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config.h"

enum {
	HTTP_KEY = 24,        /* letters in a Sec-WebSocket-Key */
	HTTP_SWITCH = 129,    /* bytes of the response that opens a WebSocket */
	HTTP_HEAD_MAX = 1024, /* room for the head of any other response */
	HTTP_DIGITS = 21,     /* room for any number in decimal, and its 0 */
};

enum http_resource { HTTP_NOTHING, HTTP_PAGE, HTTP_METRICS };

struct http_text { /* buf[from..to); to is 0 if the request has none */
	const char *buf;
	size_t from, to;
};

struct http_request {
	enum http_resource resource; /* what the target names */
	bool head;                   /* HEAD: the body is not wanted */
	bool http_1_0;               /* not 1.1 or later */
	bool handshake;              /* good, as of RFC 6455, 4.2.1 */
	bool websocket, upgrade;     /* listed in Upgrade; in Connection */
	struct http_text authority;  /* of a target that has one */
	struct http_text host, origin, key, version, length;
};

/*
 * Reads a request's head (RFC 9112) from buf[0..len), its start each time.
 * > 0  it is whole and this long; r's texts point into buf.
 * 0    more is needed; never so when len >= REQUEST_MAX.
 * < 0  minus the status that it has earned, as soon as that is certain:
 *      400, 404, 405, 413, 414, 426, 431, 501 or 505.
 */
int http_parse(struct http_request *r, const char *buf, size_t len);

/* Whether r's Origin may join: none (not a browser), the host and port of
   r->host, or one of hosts[0..n).  If n > 0, r->host must be one of them too,
   against DNS rebinding (RFC 6455, 10.2). */
bool http_origin_ok(const struct http_request *r, const char *const *hosts,
		    int n);

/* Writes the HTTP_SWITCH bytes that accept a handshake (RFC 6455, 4.2.2), and a
   0 behind them. */
void http_switch(char *out, const struct http_request *r);

/* Writes the head of a response with length bytes of body to out, a C string
   below HTTP_HEAD_MAX; fields are lines to add to it.  Returns its length. */
size_t http_head(char *out, int status, const char *type, size_t length,
		 const char *fields);

/* A status that this server sends, as "404 Not Found". */
const char *http_status(int status);

/* Parts of a text, as http_join() takes them: C strings. */
#define HTTP_TEXT(...) ((const char *const[]){__VA_ARGS__, NULL})

/* Writes one part behind the other, up to a NULL, to out, which has room for
   max bytes: what does not fit is cut.  Ends with a 0; returns the length. */
size_t http_join(char *out, size_t max, const char *const *parts);

/* n in decimal, with zeros in front if it has fewer digits than width, at most
   20; returns out, a C string. */
const char *http_decimal(char out[HTTP_DIGITS], uint64_t n, unsigned width);

#endif
