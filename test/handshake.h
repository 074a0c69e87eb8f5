/* SPDX-License-Identifier: MIT */
/* Requests that the tests send.  Each lacks the empty line at its end, so that
   a test can add header fields: GET "\r\n" is a whole request. */
#ifndef HANDSHAKE_H
#define HANDSHAKE_H

/* The key of RFC 6455, 1.3, and what it must be accepted with. */
#define SAMPLE_KEY    "dGhlIHNhbXBsZSBub25jZQ=="
#define SAMPLE_ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

#define GET_LINE "GET / HTTP/1.1\r\n"
#define UPGRADE_FIELDS                                  \
	"Upgrade: websocket\r\nConnection: Upgrade\r\n" \
	"Sec-WebSocket-Version: 13\r\n"                 \
	"Sec-WebSocket-Key: " SAMPLE_KEY "\r\n"

#define GET         GET_LINE "Host: a\r\n"
#define GET_METRICS "GET /metrics HTTP/1.1\r\nHost: a\r\n"
#define HANDSHAKE   GET UPGRADE_FIELDS

#endif
