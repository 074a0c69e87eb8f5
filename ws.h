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
		     WS_NO_STATUS = 1005, /* a Close without a code; this
					     number is never sent */
		     WS_INVALID_DATA = 1007,
		     WS_POLICY = 1008,
		     WS_TOO_BIG = 1009,
};

enum {
	WS_CONTROL_MAX = 125,  /* 5.5: payload bytes of a control frame */
	WS_SERVER_HEADER = 10, /* bytes of the longest header we send */
	WS_CLIENT_HEADER = 14, /* bytes of the longest one we receive: that
				  and 4 bytes of mask */
	WS_BUFFER = MESSAGE_MAX + WS_CONTROL_MAX,
};

/* The decoder of one client's frames. */
struct ws_decoder {
	unsigned char *buffer; /* WS_BUFFER bytes: the message in progress, and
				  from MESSAGE_MAX on a control frame */
	uint32_t message_len;  /* bytes of that message in the buffer */
	uint32_t control_end;  /* where the control frame ends in the buffer */
	uint32_t payload_len;  /* payload bytes of the current frame */
	uint32_t payload_got;  /* how many of these have arrived */
	unsigned char header[WS_CLIENT_HEADER]; /* of the current frame */
	unsigned char header_got; /* how many bytes of it have arrived, */
	unsigned char header_len; /* and of how many: 2 until these tell */
	unsigned char mask[4];
	unsigned char message_opcode; /* of the message in progress, or 0 */
	unsigned char utf8_more, utf8_low, utf8_high; /* see utf8_next() */
};

/* A frame whose payload is data[from..to), either in the input or in the
   decoder's buffer.  It is valid until the next call of ws_decode(). */
struct ws_frame {
	enum ws_opcode opcode;
	const unsigned char *data;
	size_t from, to;
};

/* Prepares d for a new connection; buffer has room for WS_BUFFER bytes. */
void ws_init(struct ws_decoder *d, unsigned char *buffer);

/*
 * Decodes in[from..to), from < to, up to the end of one frame, and unmasks its
 * payload in place.  Call it again from the returned index on.  Returns
 * > 0  when a frame is complete, the index after it.  f is then a complete
 *      message (WS_TEXT, WS_BINARY), a control frame (WS_CLOSE, WS_PING,
 *      WS_PONG), or a fragment, which needs no action (WS_CONTINUATION);
 * 0    when all of the input is decoded and the frame needs more bytes;
 * < 0  at the first byte that breaks a rule, minus the close code to answer
 *      with: WS_PROTOCOL_ERROR (RFC 6455, 5), WS_INVALID_DATA (8.1) or
 *      WS_TOO_BIG (10.4).  d can then decode nothing more.
 */
int ws_decode(struct ws_decoder *d, unsigned char *in, size_t from, size_t to,
	      struct ws_frame *f);

/* Writes the header of an unfragmented, unmasked frame (5.1, 5.2) with len
   bytes of payload.  Returns the header's size: 2, 4 or 10. */
size_t ws_header(unsigned char header[WS_SERVER_HEADER], enum ws_opcode opcode,
		 size_t len);

/* Reads the payload of a Close frame (5.5.1, 7.4).  Returns
 * > 0  the close code, or WS_NO_STATUS for an empty payload;
 * < 0  for an invalid payload, minus the close code to answer with. */
int ws_close_code(const struct ws_frame *f);

#endif
