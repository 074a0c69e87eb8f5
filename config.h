/* SPDX-License-Identifier: MIT */
/*
 * The limits.  All memory is declared, none allocated, so that these numbers
 * are the size of the program; `size chat` shows it.  `make NAME=value` builds
 * with another value, by way of limits.inc.
 */
#ifndef CONFIG_H
#define CONFIG_H

#define CLIENTS_MAX     1024    /* people in the room; more are told 503 */
#define SPARE_SLOTS     16      /* connections besides, for the page */
#define MESSAGE_MAX     4096    /* bytes; each client may half say as much */
#define LOG_SIZE        1048576 /* bytes kept for slow and new clients */
#define HISTORY_MAX     1000    /* the most messages that -n can ask for */
#define REQUEST_MAX     8192    /* bytes in a request; browsers send 600 */
#define RECEIVE_SIZE    16384   /* bytes read from a client in one pass */
#define SEND_BUFFER     0       /* of the kernel, for a client; 0: its own */
#define REQUEST_TIMEOUT 10      /* seconds to ask, and to take the answer */
#define MESSAGE_TIMEOUT 30      /* seconds to finish what was begun */
#define SEND_TIMEOUT    20      /* seconds that a socket may stay full */
#define STALL_TIMEOUT   2       /* seconds to hold up the whole room */
#define CLOSE_TIMEOUT   2       /* seconds to close, and to be gone */

#include "limits.inc" /* #undef and #define of what make was given */

/* What cannot work does not compile. */
#if CLIENTS_MAX < 1 || CLIENTS_MAX > 1000000 || SPARE_SLOTS < 1
#error "CLIENTS_MAX is 1 to 1000000, and SPARE_SLOTS at least 1"
#endif
#if MESSAGE_MAX < 125 || MESSAGE_MAX > 0x40000000
#error "MESSAGE_MAX is 125 (RFC 6455, 5.5) to 0x40000000"
#endif
#if LOG_SIZE < 1 || (LOG_SIZE & (LOG_SIZE - 1)) != 0
#error "LOG_SIZE is a power of two: a mask turns offsets into places"
#endif
#if LOG_SIZE / 2 < MESSAGE_MAX + RECEIVE_SIZE + 10
#error "half of LOG_SIZE must hold MESSAGE_MAX + RECEIVE_SIZE + 10 bytes"
#endif
#if REQUEST_MAX < 4096 || REQUEST_MAX > 65536
#error "REQUEST_MAX is 4096, as responses use it too, to 65536"
#endif
#if HISTORY_MAX < 1 || RECEIVE_SIZE < 1
#error "HISTORY_MAX and RECEIVE_SIZE are at least 1"
#endif
#if REQUEST_TIMEOUT < 1 || MESSAGE_TIMEOUT < 1 || SEND_TIMEOUT < 1 || \
	CLOSE_TIMEOUT < 1
#error "timeouts are at least 1 second"
#endif
#if STALL_TIMEOUT < 2
#error "STALL_TIMEOUT is at least 2: at most so long, less one, is borne"
#endif

#endif
