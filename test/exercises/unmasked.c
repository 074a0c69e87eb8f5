/* SPDX-License-Identifier: MIT */
/* Stop 5: the decoder also takes frames without a mask, as a client must.  It
   gets each from a heap block of exact size, in pieces of each size. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ws.h"

#define L64  "0123456789012345678901234567890123456789012345678901234567890123"
#define LONG L64 L64

/* The last frame of each row has this payload. */
static const struct {
	size_t len;
	const char *bytes, *payload, *why;
} rows[] = {
	{4, "\x81\x02Hi", "Hi", "decodes no frame without mask"},
	{132, "\x82\x7e\0\x80" LONG, LONG, "decodes no long frame"},
	{8, "\x01\x01H\x89\x00\x80\x01i", "Hi", "no ping between fragments"},
	{2, "\x89\x00", "", "decodes no empty frame"},
	{8, "\x81\x82\1\2\3\4Ik", "Hi", "unmasks no more"},
	{20, "\x81\x82\1\2\3\4Ik\x81\x02Hi\x81\x82\1\2\3\4Ik", "Hi",
	 "takes no mixed frames"},
};

static bool decodes(size_t row, size_t piece)
{
	static unsigned char buffer[WS_BUFFER];
	struct ws_decoder d;
	struct ws_frame f = {0};
	size_t len = rows[row].len, want = strlen(rows[row].payload), size = 0;
	int n = 0;

	ws_init(&d, buffer);
	for (size_t from = 0; from < len && n >= 0; from += size) {
		unsigned char *in;

		size = len - from < piece ? len - from : piece;
		in = memcpy(malloc(size), rows[row].bytes + from, size);
		n = 0;
		do
			n = ws_decode(&d, in, (size_t)n, size, &f);
		while (n > 0 && (size_t)n < size);
		if (from + size == len &&
		    (n != (int)size || f.to - f.from != want ||
		     memcmp(f.data + f.from, rows[row].payload, want) != 0))
			n = -1;
		free(in);
	}
	return n >= 0;
}

int main(void)
{
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		for (size_t piece = 1; piece <= rows[i].len; piece++)
			if (!decodes(i, piece))
				return puts(rows[i].why), 1;
	}
	return 0;
}
