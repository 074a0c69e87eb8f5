/* SPDX-License-Identifier: MIT */
/*
 * WebSocket frames (RFC 6455, section 5) as a server sees them: it decodes
 * masked frames and writes headers of unmasked ones, without extensions.
 *
 *      byte 0             byte 1             then
 *     +-+-+-+-+---------+-+-----------------+----------+------+---------
 *     |F|R|R|R| opcode  |M| payload length  | extended | mask | payload
 *     |I|S|S|S|         |A| 0..125, or      | length:  | 4    |
 *     |N|V|V|V| 4 bits  |S| 126 and 2 bytes | 0, 2 or  | bytes|
 *     | |1|2|3|         |K| 127 and 8 bytes | 8 bytes  |      |
 *     +-+-+-+-+---------+-+-----------------+----------+------+---------
 *
 * A message is one text or binary frame with FIN 1, or a first fragment with
 * FIN 0 and continuations, of which the last has FIN 1.  Control frames may
 * come between the fragments.  Each rule is checked at the first byte that can
 * break it.
 *
 * ws_decode() returns > 0: the index after a frame; 0: it needs more bytes;
 * < 0: minus the close code to answer with.  A check_ function returns 0 or
 * minus a close code.
 *
 * Three-hour path: ws_decode(), decode_header().
 */
#include "ws.h"

enum { FIN = 0x80, RSV = 0x70, OPCODE = 0x0f, MASK = 0x80, LENGTH = 0x7f };

/* 5.5: "opcodes where the most significant bit of the opcode is 1" */
static bool is_control(unsigned char first_byte)
{
	return first_byte & 0x08;
}

/* 7.4: returns true if a peer may send this close code.  1004 to 1006 and 1015
   are reserved, and the other numbers left out are not defined. */
static bool is_valid_code(int code)
{
	return (code >= 1000 && code <= 1003) ||
	       (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999);
}

/*
 * RFC 3629, 4: decodes the next byte of a text.  Returns false if the byte is
 * invalid there.  Inside a character, utf8_more bytes are missing, and the next
 * one must be in utf8_low..utf8_high.  This range is 80..BF, but narrower after
 * E0, ED, F0 and F4, which excludes overlong forms, surrogates and everything
 * above U+10FFFF.
 */
static bool utf8_next(struct ws_decoder *d, unsigned char byte)
{
	if (d->utf8_more > 0 && (byte < d->utf8_low || byte > d->utf8_high))
		return false;
	if (d->utf8_more > 0) {
		d->utf8_more--;
		d->utf8_low = 0x80;
		d->utf8_high = 0xbf;
	} else if (byte >= 0x80) {
		if (byte < 0xc2 || byte > 0xf4)
			return false;
		d->utf8_more = byte < 0xe0 ? 1 : byte < 0xf0 ? 2 : 3;
		d->utf8_low = byte == 0xe0 ? 0xa0 : byte == 0xf0 ? 0x90 : 0x80;
		d->utf8_high = byte == 0xed ? 0x9f : byte == 0xf4 ? 0x8f : 0xbf;
	}
	return true;
}

/* Decodes a part of a text.  Returns false if it contains an invalid byte. */
static bool utf8_part(struct ws_decoder *d, const unsigned char *in, size_t at,
		      size_t to)
{
	while (at < to && utf8_next(d, in[at]))
		at++;
	return at >= to;
}

/* Returns true if a frame may begin with d->header[0] (5.2, 5.4, 5.5). */
static bool first_byte_ok(const struct ws_decoder *d)
{
	int opcode = d->header[0] & OPCODE;

	if (d->header[0] & RSV) /* 5.2: no extension was agreed on */
		return false;
	if (is_control(d->header[0])) /* 5.5: never fragmented */
		return opcode <= WS_PONG && (d->header[0] & FIN);
	if (opcode == WS_CONTINUATION) /* 5.4: a message is in progress */
		return d->message_opcode != 0;
	return opcode <= WS_BINARY && d->message_opcode == 0;
}

/* Decodes the payload length (5.2) when all of its bytes have arrived. */
static int check_length(struct ws_decoder *d, unsigned extended)
{
	uint64_t len = extended > 0 ? 0 : d->header[1] & LENGTH;

	for (unsigned i = 0; i < extended; i++)
		len = len << 8 | d->header[2 + i];
	/* "the minimal number of bytes MUST be used" */
	if ((extended == 2 && len < 126) || (extended == 8 && len <= 0xffff))
		return -WS_PROTOCOL_ERROR;
	if (!is_control(d->header[0]) && len > MESSAGE_MAX - d->message_len)
		return -WS_TOO_BIG;
	d->payload_len = (uint32_t)len;
	return 0;
}

static void start_payload(struct ws_decoder *d)
{
	for (unsigned i = 0; i < sizeof d->mask; i++)
		d->mask[i] = d->header[d->header_len - sizeof d->mask + i];
	if (!is_control(d->header[0]) && d->message_opcode == 0)
		d->message_opcode = d->header[0] & OPCODE;
	d->payload_got = 0;
	d->control_end = MESSAGE_MAX;
}

/* Checks the byte of the header that arrived last. */
static int check_header(struct ws_decoder *d)
{
	unsigned code = d->header[1] & LENGTH; /* once it has arrived */
	unsigned extended = code < 126 ? 0 : code == 126 ? 2 : 8;

	if (d->header_got == 1)
		return first_byte_ok(d) ? 0 : -WS_PROTOCOL_ERROR;
	d->header_len = (unsigned char)(2 + extended + sizeof d->mask);
	/* 5.1: clients must mask their frames */
	if (d->header_got == 2 && !(d->header[1] & MASK))
		return -WS_PROTOCOL_ERROR;
	/* 5.5: control frames have at most 125 bytes of payload */
	if (d->header_got == 2 && extended > 0 && is_control(d->header[0]))
		return -WS_PROTOCOL_ERROR;
	/* 5.2: "the most significant bit MUST be 0" */
	if (d->header_got == 3 && extended == 8 && (d->header[2] & 0x80))
		return -WS_PROTOCOL_ERROR;
	if (d->header_got == 2 + extended)
		return check_length(d, extended);
	if (d->header_got == d->header_len)
		start_payload(d);
	return 0;
}

/* Decodes the part of the header in in[at..to).  Returns the index after it, or
   minus a close code. */
static int decode_header(struct ws_decoder *d, const unsigned char *in,
			 size_t at, size_t to)
{
	int error = 0;

	while (at < to && d->header_got < d->header_len && error == 0) {
		d->header[d->header_got++] = in[at++];
		error = check_header(d);
	}
	return error < 0 ? error : (int)at;
}

/* Unmasks the payload in in[at..to) and returns the index after it (5.3).
   Clients mask with random bytes, so that no page can choose which bytes its
   browser sends: a proxy could take them for an HTTP request (10.3). */
static size_t unmask(struct ws_decoder *d, unsigned char *in, size_t at,
		     size_t to)
{
	uint32_t got = d->payload_got, len = d->payload_len;

	while (at < to && got < len)
		in[at++] ^= d->mask[got++ % sizeof d->mask];
	d->payload_got = got;
	return at;
}

/* Appends the payload in f to buffer[end..max) and returns the new end.  It
   fits: check_length() and check_header() have ensured that. */
static uint32_t store_payload(struct ws_decoder *d, const struct ws_frame *f,
			      uint32_t end, uint32_t max)
{
	for (size_t at = f->from; at < f->to && end < max; at++)
		d->buffer[end++] = f->data[at];
	return end;
}

/* Copies a payload to the buffer, unless it is complete in this input and no
   fragment: a part is shorter than the payload.  The message in progress is at
   0; a control frame, which may interrupt it, at MESSAGE_MAX. */
static void keep_payload(struct ws_decoder *d, struct ws_frame *f)
{
	bool control = is_control(d->header[0]);
	bool single_frame =
		control || (d->message_len == 0 && (d->header[0] & FIN));

	if (single_frame && f->to - f->from == d->payload_len)
		return;
	if (control)
		d->control_end = store_payload(d, f, d->control_end, WS_BUFFER);
	else
		d->message_len =
			store_payload(d, f, d->message_len, MESSAGE_MAX);
	f->data = d->buffer;
	f->from = control ? MESSAGE_MAX : 0;
	f->to = control ? d->control_end : d->message_len;
}

/* Sets f->opcode and prepares d for the next frame.  Returns false if a text
   ends inside a character. */
static bool end_frame(struct ws_decoder *d, struct ws_frame *f)
{
	d->header_got = 0;
	d->header_len = 2;
	f->opcode = d->header[0] & OPCODE;
	if (is_control(d->header[0]))
		return true;
	f->opcode = WS_CONTINUATION;
	if (!(d->header[0] & FIN))
		return true;
	f->opcode = d->message_opcode;
	d->message_opcode = 0;
	d->message_len = 0;
	return d->utf8_more == 0;
}

void ws_init(struct ws_decoder *d, unsigned char *buffer)
{
	*d = (struct ws_decoder){.buffer = buffer, .header_len = 2};
}

int ws_decode(struct ws_decoder *d, unsigned char *in, size_t from, size_t to,
	      struct ws_frame *f)
{
	int after_header = decode_header(d, in, from, to);
	size_t at, end;

	if (after_header < 0)
		return after_header;
	if (d->header_got < d->header_len)
		return 0;
	at = (size_t)after_header;
	end = unmask(d, in, at, to);
	/* 8.1: a text must be UTF-8; an invalid byte is refused at once */
	if (d->message_opcode == WS_TEXT && !is_control(d->header[0]) &&
	    !utf8_part(d, in, at, end))
		return -WS_INVALID_DATA;
	*f = (struct ws_frame){.data = in, .from = at, .to = end};
	keep_payload(d, f);
	if (d->payload_got < d->payload_len)
		return 0;
	return end_frame(d, f) ? (int)end : -WS_INVALID_DATA;
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
	struct ws_decoder reason = {0}; /* for its UTF-8 only */
	size_t at = f->from;
	int code;

	if (at >= f->to)
		return WS_NO_STATUS;
	if (at + 1 >= f->to) /* 5.5.1: a code has two bytes */
		return -WS_PROTOCOL_ERROR;
	code = f->data[at] << 8 | f->data[at + 1];
	if (!is_valid_code(code))
		return -WS_PROTOCOL_ERROR;
	if (!utf8_part(&reason, f->data, at + 2, f->to) || reason.utf8_more > 0)
		return -WS_INVALID_DATA;
	return code;
}
