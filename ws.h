/* SPDX-License-Identifier: MIT */
#ifndef WS_H
#define WS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config.h"

enum ws_opcode { /* RFC 6455, 5.2 */
		 WS_CONTINUATION = 0x0,
		 WS_TEXT = 0x1,
		 WS_BINARY = 0x2,
		 WS_CLOSE = 0x8,
		 WS_PING = 0x9,
		 WS_PONG = 0xa,
};

enum ws_close_code { /* 7.4.1 */
		     WS_GOING_AWAY = 1001,
		     WS_PROTOCOL_ERROR = 1002,
		     WS_NO_STATUS = 1005, /* a Close without a code: never on
					     the wire */
		     WS_INVALID_DATA = 1007,
		     WS_POLICY = 1008,
		     WS_TOO_BIG = 1009,
};

enum {
	WS_CONTROL_MAX = 125,  /* 5.5: payload bytes of a control frame */
	WS_SERVER_HEADER = 10, /* bytes of the longest header we send, */
	WS_CLIENT_HEADER = 14, /* and of the longest we get: 4 are the mask */
	WS_BUFFER = MESSAGE_MAX + WS_CONTROL_MAX,
};

/* Where one client's stream of frames stands. */
struct ws_decoder {
	unsigned char *buffer; /* WS_BUFFER bytes for what is half received */
	uint32_t have;         /* where the message so far ends in the buffer */
	uint32_t control;      /* and where a control frame does */
	uint32_t length;       /* payload bytes of the frame, */
	uint32_t got;          /* and how many of them came */
	unsigned char header[WS_CLIENT_HEADER];
	unsigned char header_got, header_size; /* header bytes so far; in all */
	unsigned char mask[4];
	unsigned char message;         /* opcode of the message begun, or 0 */
	unsigned char more, low, high; /* UTF-8: see utf8_next() */
};

/* A frame, with its payload in data[from..to): in the input or the decoder's
   buffer, good until the next call. */
struct ws_frame {
	enum ws_opcode opcode;
	const unsigned char *data;
	size_t from, to;
};

/* Sets d to the start of a connection, with WS_BUFFER bytes of room. */
void ws_init(struct ws_decoder *d, unsigned char *buffer);

/*
 * Takes one frame, or what there is of it, from in[from..to), from < to, and
 * unmasks it in place.
 * > 0  the index behind the frame, now whole: f is a message that is whole too
 *      (WS_TEXT, WS_BINARY), a control frame (WS_CLOSE, WS_PING, WS_PONG), or
 *      a fragment with nothing to do for it (WS_CONTINUATION).
 * 0    in is used up and the frame goes on.
 * < 0  minus the close code the client has earned at the first byte that
 *      decides it: WS_PROTOCOL_ERROR (RFC 6455, 5), WS_INVALID_DATA (8.1) or
 *      WS_TOO_BIG (10.4).  d is then of no further use.
 */
int ws_decode(struct ws_decoder *d, unsigned char *in, size_t from, size_t to,
	      struct ws_frame *f);

/* Whether d is between two messages and within no frame. */
bool ws_idle(const struct ws_decoder *d);

/* Writes the header of a whole, unmasked frame (5.1, 5.2) that len bytes of
   payload will follow; returns its size: 2, 4 or 10. */
size_t ws_header(unsigned char header[WS_SERVER_HEADER], enum ws_opcode opcode,
		 size_t len);

/* The code in a Close frame (5.5.1, 7.4), WS_NO_STATUS when it is empty, or
   minus the code that a bad one earns. */
int ws_close_code(const struct ws_frame *f);

#endif
