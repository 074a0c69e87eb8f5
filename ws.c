/* SPDX-License-Identifier: MIT */
/*
 * WebSocket frames (RFC 6455, section 5), the server's side: masked ones in,
 * unmasked ones out, no extension.
 *
 *      byte 0             byte 1             then
 *     +-+-+-+-+---------+-+-----------------+----------+------+---------
 *     |F|R|R|R| opcode  |M| payload length  | extended | mask | payload
 *     |I|S|S|S|         |A| 0..125, or      | length:  | 4    |
 *     |N|V|V|V| 4 bits  |S| 126 and 2 bytes | 0, 2 or  | bytes|
 *     | |1|2|3|         |K| 127 and 8 bytes | 8 bytes  |      |
 *     +-+-+-+-+---------+-+-----------------+----------+------+---------
 *
 * A message is a text or binary frame, or a first fragment of one (FIN 0) and
 * continuations up to one with FIN 1; control frames may stand between them.
 * Every rule is tested as soon as the byte that decides it is there.
 */
#include <string.h>

#include "ws.h"

enum { FIN = 0x80, RSV = 0x70, OPCODE = 0x0f, MASK = 0x80, LENGTH = 0x7f };

/* 5.5: "opcodes where the most significant bit of the opcode is 1" */
static bool is_control(unsigned char first_byte)
{
	return first_byte & 0x08;
}

/* 7.4: what may be on the wire: 1004 to 1006 and 1015 may not, and neither may
   what nobody has defined yet. */
static bool is_wire_code(int code)
{
	return (code >= 1000 && code <= 1003) ||
	       (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999);
}

/*
 * RFC 3629, 4: takes one byte of a text; false when no text has it here.
 * Within a character, `more` bytes are to come and the next lies in low..high:
 * that range, narrower behind four of the first bytes, is what keeps out
 * overlong forms, surrogates, and all above U+10FFFF.
 */
static bool utf8_next(struct ws_decoder *d, unsigned char byte)
{
	if (d->more > 0 && (byte < d->low || byte > d->high))
		return false;
	if (d->more == 0 && byte >= 0x80) {
		if (byte < 0xc2 || byte > 0xf4)
			return false;
		d->more = byte < 0xe0 ? 1 : byte < 0xf0 ? 2 : 3;
		d->low = byte == 0xe0 ? 0xa0 : byte == 0xf0 ? 0x90 : 0x80;
		d->high = byte == 0xed ? 0x9f : byte == 0xf4 ? 0x8f : 0xbf;
	} else if (d->more > 0) {
		d->more--;
		d->low = 0x80;
		d->high = 0xbf;
	}
	return true;
}

static bool utf8(struct ws_decoder *d, const unsigned char *in, size_t at,
		 size_t end)
{
	while (at < end && utf8_next(d, in[at]))
		at++;
	return at >= end;
}

/* 5.2, 5.4, 5.5: what the first byte of a frame decides. */
static bool may_start(const struct ws_decoder *d)
{
	int opcode = d->header[0] & OPCODE;

	if (d->header[0] & RSV) /* no extension was agreed on */
		return false;
	if (is_control(d->header[0]))
		return opcode <= WS_PONG && (d->header[0] & FIN);
	if (opcode == WS_CONTINUATION)
		return d->message != 0;
	return opcode <= WS_BINARY && d->message == 0;
}

/* 5.2: the payload length, all of whose bytes are there; 0 or minus a code. */
static int take_length(struct ws_decoder *d, unsigned extended)
{
	uint64_t length = extended > 0 ? 0 : d->header[1] & LENGTH;

	for (unsigned i = 0; i < extended; i++)
		length = length << 8 | d->header[2 + i];
	/* "the minimal number of bytes MUST be used" */
	if ((extended == 2 && length < 126) ||
	    (extended == 8 && length <= 0xffff))
		return -WS_PROTOCOL_ERROR;
	if (!is_control(d->header[0]) && length > MESSAGE_MAX - d->have)
		return -WS_TOO_BIG;
	d->length = (uint32_t)length;
	return 0;
}

static void start_payload(struct ws_decoder *d)
{
	for (unsigned i = 0; i < sizeof d->mask; i++)
		d->mask[i] = d->header[d->header_size - sizeof d->mask + i];
	if (!is_control(d->header[0]) && d->message == 0)
		d->message = d->header[0] & OPCODE;
	d->got = 0;
	d->control = MESSAGE_MAX;
}

/* Looks at the header's newest byte; 0 or minus a code. */
static int check_header(struct ws_decoder *d)
{
	unsigned length = d->header[1] & LENGTH;
	unsigned extended = length < 126 ? 0 : length == 126 ? 2 : 8;

	if (d->header_got == 1)
		return may_start(d) ? 0 : -WS_PROTOCOL_ERROR;
	d->header_size = (unsigned char)(2 + extended + sizeof d->mask);
	/* 5.1: frames from clients are masked */
	if (d->header_got == 2 && !(d->header[1] & MASK))
		return -WS_PROTOCOL_ERROR;
	/* 5.5: control frames carry at most 125 bytes */
	if (d->header_got == 2 && extended > 0 && is_control(d->header[0]))
		return -WS_PROTOCOL_ERROR;
	/* 5.2: "the most significant bit MUST be 0" */
	if (d->header_got == 3 && extended == 8 && (d->header[2] & 0x80))
		return -WS_PROTOCOL_ERROR;
	if (d->header_got == 2 + extended)
		return take_length(d, extended);
	if (d->header_got == d->header_size)
		start_payload(d);
	return 0;
}

/* Takes what there is of a header; the index behind it, or minus a code. */
static int take_header(struct ws_decoder *d, const unsigned char *in, size_t at,
		       size_t to)
{
	int error = 0;

	while (at < to && d->header_got < d->header_size && error == 0) {
		d->header[d->header_got++] = in[at++];
		error = check_header(d);
	}
	return error < 0 ? error : (int)at;
}

/* A frame has ended: what it was, and a fresh start.  False for a text that
   ends within a character. */
static bool end_frame(struct ws_decoder *d, struct ws_frame *f)
{
	bool fin = d->header[0] & FIN;

	f->opcode = d->header[0] & OPCODE;
	d->header_got = 0;
	if (is_control(d->header[0]))
		return true;
	f->opcode = fin ? d->message : WS_CONTINUATION;
	if (fin) {
		d->message = 0;
		d->have = 0;
	}
	return !fin || d->more == 0;
}

/* Unmasks what there is of the payload (5.3); the index behind it. */
static size_t unmask(struct ws_decoder *d, unsigned char *in, size_t at,
		     size_t to)
{
	uint32_t got = d->got, length = d->length;

	while (at < to && got < length)
		in[at++] ^= d->mask[got++ % sizeof d->mask];
	d->got = got;
	return at;
}

/* Copies a frame's payload to the buffer from `have` on; where that ends. There
   is room up to `max`, as that was checked with the length. */
static uint32_t collect(struct ws_decoder *d, const struct ws_frame *f,
			uint32_t have, uint32_t max)
{
	for (size_t at = f->from; at < f->to && have < max; at++)
		d->buffer[have++] = f->data[at];
	return have;
}

/* Collects what cannot be used where it lies: messages from the start of the
   buffer on, control frames, which may come within one, behind them. */
static void take_payload(struct ws_decoder *d, struct ws_frame *f)
{
	bool control = is_control(d->header[0]);
	bool alone = control || (d->have == 0 && (d->header[0] & FIN));

	if (alone && f->to - f->from == d->length)
		return;
	if (control)
		d->control = collect(d, f, d->control, WS_BUFFER);
	else
		d->have = collect(d, f, d->have, MESSAGE_MAX);
	f->data = d->buffer;
	f->from = control ? MESSAGE_MAX : 0;
	f->to = control ? d->control : d->have;
}

void ws_init(struct ws_decoder *d, unsigned char *buffer)
{
	*d = (struct ws_decoder){.buffer = buffer,
				 .header_size = WS_CLIENT_HEADER};
}

int ws_decode(struct ws_decoder *d, unsigned char *in, size_t from, size_t to,
	      struct ws_frame *f)
{
	int behind = take_header(d, in, from, to);
	size_t at = (size_t)behind, end;

	if (behind < 0)
		return behind;
	if (d->header_got < d->header_size)
		return 0;
	end = unmask(d, in, at, to);
	/* 8.1: a text is UTF-8, and what cannot become it is refused at once */
	if (d->message == WS_TEXT && !is_control(d->header[0]) &&
	    !utf8(d, in, at, end))
		return -WS_INVALID_DATA;
	*f = (struct ws_frame){.data = in, .from = at, .to = end};
	take_payload(d, f);
	if (d->got < d->length)
		return 0;
	return end_frame(d, f) ? (int)end : -WS_INVALID_DATA;
}

bool ws_idle(const struct ws_decoder *d)
{
	return d->header_got == 0 && d->message == 0;
}

size_t ws_header(unsigned char header[WS_SERVER_HEADER], enum ws_opcode opcode,
		 size_t len)
{
	size_t length = len < 126 ? len : len <= 0xffff ? 126 : 127;
	size_t extended = length < 126 ? 0 : length == 126 ? 2 : 8;

	header[0] = (unsigned char)(FIN | opcode);
	header[1] = (unsigned char)length;
	for (size_t i = 0; i < extended; i++)
		header[2 + i] = (unsigned char)((uint64_t)len >>
						8 * (extended - 1 - i));
	return 2 + extended;
}

int ws_close_code(const struct ws_frame *f)
{
	struct ws_decoder d = {0}; /* for the reason's UTF-8 */
	size_t at = f->from;
	int code;

	if (at >= f->to)
		return WS_NO_STATUS;
	if (at + 1 >= f->to) /* 5.5.1: two bytes of code, if any */
		return -WS_PROTOCOL_ERROR;
	code = f->data[at] << 8 | f->data[at + 1];
	if (!is_wire_code(code))
		return -WS_PROTOCOL_ERROR;
	if (!utf8(&d, f->data, at + 2, f->to) || d.more > 0)
		return -WS_INVALID_DATA;
	return code;
}
