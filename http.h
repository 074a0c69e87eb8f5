/* SPDX-License-Identifier: MIT */
#ifndef HTTP_H
#define HTTP_H

#include <stdbool.h>
#include <stddef.h>

#include "config.h"

/* The response that accepts a handshake (RFC 6455, 4.2.2), up to the value of
   its last field.  A field that is added here makes HTTP_SWITCH_LENGTH grow. */
#define HTTP_SWITCH_START                      \
	"HTTP/1.1 101 Switching Protocols\r\n" \
	"Upgrade: websocket\r\n"               \
	"Connection: Upgrade\r\n"              \
	"Sec-WebSocket-Accept: "
#define HTTP_SWITCH_END "\r\n\r\n"

#define HTTP_ETAG_START "W/\""
#define HTTP_ETAG_END   "\""

enum {
	HTTP_KEY_LENGTH = 24,    /* characters in a Sec-WebSocket-Key */
	HTTP_ACCEPT_LENGTH = 28, /* characters in a Sec-WebSocket-Accept */
	HTTP_SWITCH_LENGTH = sizeof HTTP_SWITCH_START - 1 + HTTP_ACCEPT_LENGTH +
			     sizeof HTTP_SWITCH_END - 1, /* all of it */
	HTTP_ETAG_LENGTH = sizeof HTTP_ETAG_START - 1 +
			   28 /* SHA-1 in Base64 */ + sizeof HTTP_ETAG_END - 1,
	HTTP_HEAD_MAX = 1024, /* room for the head of any other response */
};

/* The characters buf[from] to buf[to - 1], in short buf[from..to).  to is 0 if
   the request has none. */
struct http_text {
	const char *buf;
	size_t from, to;
};

struct http_request {
	struct http_text path;   /* of the target, without its query; "/" if the
				    target is only "http://host" */
	struct http_text host;   /* the target's authority, or else Host */
	struct http_text origin; /* Origin: the site of the page that asks */
	struct http_text key;    /* Sec-WebSocket-Key */
	struct http_text version;   /* Sec-WebSocket-Version */
	struct http_text forwarded; /* the last entry of X-Forwarded-For, which
				       the nearest proxy wrote; it may be empty
				       or no address */
	struct http_text if_none_match; /* the etags that the client has */
	bool head_only;    /* the method is HEAD: the response has no body */
	bool handshake;    /* a valid WebSocket handshake (RFC 6455, 4.2.1) */
	const char *fault; /* the rule that a rejected request breaks, such as
			      "no Host field": at most 60 characters */
	/* http_parse() keeps these for itself: */
	struct http_text authority; /* of an absolute-form target */
	struct http_text length;    /* Content-Length */
	bool http_1_0;              /* the version is HTTP/1.0 */
	bool lists_websocket;       /* Upgrade lists "websocket" */
	bool lists_upgrade;         /* Connection lists "upgrade" */
};

/*
 * Parses the head of a request (RFC 9112).  buf must start with the request's
 * first byte on every call.  Returns
 * > 0  when the head is complete, its length; the texts of r point into buf;
 * 0    when it needs more bytes, which never happens if len >= REQUEST_MAX;
 * < 0  as soon as an error is certain, minus the status to answer with: 400,
 *      405, 413, 414, 426, 431, 501 or 505.  Of r, only fault and head_only
 *      are then set, and handshake is false.
 */
int http_parse(struct http_request *r, const char *buf, size_t len);

/* Returns true if t is exactly this word. */
bool http_text_is(struct http_text t, const char *word);

/* Returns true if word can be compared with a Host field: "host", "host:port"
   or "[IPv6]:port", and no "http://" before it. */
bool http_is_host(const char *word);

/* Returns true if r->host is one of hosts[0..n), in any case, where port 80 or
   443 may be written or left out on either side.  This stops DNS rebinding: the
   owner of evil.example lets that name lead to our address, so that Host and
   Origin are equal, but both are a name that is not ours. */
bool http_host_listed(const struct http_request *r, const char *const *hosts,
		      int n);

/* Returns true if the page that sent r may join (RFC 6455, 10.2).  It may if
   its Origin's host and port are r->host or one of hosts[0..n), in any case,
   where the default port of the Origin's scheme may be written or left out on
   either side (RFC 6454, 4).  A client without an Origin is no browser, and may
   join as well. */
bool http_origin_allowed(const struct http_request *r, const char *const *hosts,
			 int n);

/* Writes the response that accepts r, which must be a handshake: always
   HTTP_SWITCH_LENGTH bytes, and a terminating 0. */
void http_switch(char *out, const struct http_request *r);

/* Writes the entity tag of n bytes of body (RFC 9110, 8.8.3): another text for
   another body, always HTTP_ETAG_LENGTH characters and a terminating 0. */
void http_etag(char *out, const unsigned char *body, size_t n);

/* Returns true if If-None-Match lists this entity tag, or "*": the client has
   the body already, and 304 is all that it needs (RFC 9110, 13.1.2). */
bool http_etag_listed(const struct http_request *r, const char *etag);

/* Writes the head of a response with `length` bytes of body, and a terminating
   0.  The status must be one that http_status() knows; `fields` has more field
   lines, each with its CR LF.  The HTTP_HEAD_MAX bytes of out must suffice, or
   the head is cut.  Returns the head's length. */
size_t http_head(char *out, int status, const char *type, size_t length,
		 const char *fields);

/* Returns a status with its reason phrase, such as "404 Not Found", or NULL for
   a status that this server never sends. */
const char *http_status(int status);

#endif
