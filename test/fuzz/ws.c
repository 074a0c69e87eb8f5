/* SPDX-License-Identifier: MIT */
/* Decodes an input whole and cut into pieces in several ways: the results must
   be the same.  The first byte of the input is the seed of the random cuts. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ws.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static struct result {
	unsigned char bytes[1 << 16];
	size_t len;
} whole, other;

static void note(struct result *r, const void *data, size_t len)
{
	if (len > sizeof r->bytes - r->len)
		len = sizeof r->bytes - r->len;
	if (len > 0)
		memcpy(r->bytes + r->len, data, len);
	r->len += len;
}

/* Decodes one piece, from a heap block of its size.  Returns false if the
   decoder fails. */
static bool feed(struct ws_decoder *d, const unsigned char *in, size_t len,
		 struct result *r)
{
	unsigned char *piece = malloc(len);
	struct ws_frame f;
	size_t at = 0;
	int n = 1, what;

	memcpy(piece, in, len);
	while (at < len && n > 0) {
		n = ws_decode(d, piece, at, len, &f);
		if (n > 0 && ((size_t)n <= at || (size_t)n > len))
			abort();
		what = n < 0 ? n : (int)f.opcode;
		if (n < 0 || (n > 0 && f.opcode != WS_CONTINUATION))
			note(r, &what, sizeof what);
		if (n > 0 && f.opcode != WS_CONTINUATION) {
			note(r, f.data + f.from, f.to - f.from);
			what = f.opcode == WS_CLOSE ? ws_close_code(&f) : 0;
			note(r, &what, sizeof what);
		}
		at = n > 0 ? (size_t)n : at;
	}
	free(piece);
	return n >= 0;
}

static void run(const unsigned char *in, size_t len, unsigned cut,
		struct result *r)
{
	unsigned char *buffer = malloc(WS_BUFFER);
	struct ws_decoder d;
	size_t at = 0, n;
	bool idle;

	r->len = 0;
	ws_init(&d, buffer);
	do {
		n = cut == 0 ? len : cut == 1 ? 1 : 1 + rand() % cut;
		n = n < len - at ? n : len - at;
	} while (n > 0 && feed(&d, in + at, n, r) && (at += n) < len);
	idle = d.header_got == 0 && d.message_opcode == 0;
	if (at >= len)
		note(r, &idle, sizeof idle);
	free(buffer);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	static const unsigned cuts[] = {1, 3, 20, 200};

	if (size < 2)
		return 0;
	srand(data[0]);
	run(data + 1, size - 1, 0, &whole);
	for (int i = 0; i < 4; i++) {
		run(data + 1, size - 1, cuts[i], &other);
		if (other.len != whole.len ||
		    memcmp(other.bytes, whole.bytes, whole.len) != 0)
			abort();
	}
	return 0;
}
