/* SPDX-License-Identifier: MIT */
/*
 * The limits.  All memory is static, so these numbers determine the size of the
 * program; `size chat` shows it.  `make NAME=number` builds with another one,
 * by way of limits.inc.
 */
#ifndef CONFIG_H
#define CONFIG_H

#define CLIENTS_MAX     1024    /* most clients in the room; others get 503 */
#define SPARE_SLOTS     16      /* extra connections, to ask for the page */
#define MESSAGE_MAX     4096    /* bytes per message, and buffered per client */
#define LOG_SIZE        1048576 /* bytes of the ring: all recent messages */
#define HISTORY_MAX     1000    /* most messages of history, see -n */
#define REQUEST_MAX     8192    /* bytes of a request; browsers send 600 */
#define RECEIVE_SIZE    16384   /* bytes read from one client in one pass */
#define SEND_BUFFER     16384   /* bytes that may wait unsent in a socket */
#define RECEIVE_BUFFER  8192    /* and unread; 0: as the kernel wants it */
#define REQUEST_TIMEOUT 10      /* seconds to send a request; to read a reply */
#define MESSAGE_TIMEOUT 30      /* seconds to complete a message */
#define SEND_TIMEOUT    20      /* seconds without progress on a full socket */
#define STALL_TIMEOUT   2       /* seconds of a minute that the room can wait */
#define CLOSE_TIMEOUT   2       /* seconds to complete the closing handshake */
#define LOG_RATE        100     /* log lines a second; others are counted */

#include "limits.inc" /* #undef and #define of what make was given */

/* Combinations that cannot work stop the build here. */
#if CLIENTS_MAX < 1 || CLIENTS_MAX > 1000000 || SPARE_SLOTS < 1
#error "CLIENTS_MAX must be 1 to 1000000, and SPARE_SLOTS at least 1"
#endif
#if MESSAGE_MAX < 125 || MESSAGE_MAX > 1073741824
#error "MESSAGE_MAX must be 125 (RFC 6455, 5.5) to 1073741824"
#endif
#if LOG_SIZE < 1 || (LOG_SIZE & (LOG_SIZE - 1)) != 0
#error "LOG_SIZE must be a power of two"
#endif
#if LOG_SIZE / 2 < MESSAGE_MAX + RECEIVE_SIZE + 10
#error "LOG_SIZE / 2 must be at least MESSAGE_MAX + RECEIVE_SIZE + 10"
#endif
#if REQUEST_MAX < 4096 || REQUEST_MAX > 65536
#error "REQUEST_MAX must be 4096 (replies share its buffer) to 65536"
#endif
#if HISTORY_MAX < 2 || HISTORY_MAX > 1000000 || LOG_RATE < 1
#error "HISTORY_MAX must be 2 to 1000000, and LOG_RATE at least 1"
#endif
#if RECEIVE_SIZE < 1 || RECEIVE_SIZE > 1048576
#error "RECEIVE_SIZE must be 1 to 1048576"
#endif
#if REQUEST_TIMEOUT < 1 || MESSAGE_TIMEOUT < 1 || SEND_TIMEOUT < 1 || \
	STALL_TIMEOUT < 1 || STALL_TIMEOUT > 60 || CLOSE_TIMEOUT < 1
#error "timeouts must be at least 1 second, and STALL_TIMEOUT at most 60"
#endif
/* Programs address at most 2 GiB of static data. */
#if (CLIENTS_MAX + SPARE_SLOTS + 8) * (MESSAGE_MAX + REQUEST_MAX + 512) + \
		LOG_SIZE >                                                \
	2000000000
#error "CLIENTS_MAX * MESSAGE_MAX + LOG_SIZE must stay below 2 GB: lower one"
#endif

#endif
