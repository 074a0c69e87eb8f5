/* SPDX-License-Identifier: MIT */
/* Stop 5: the decoder also takes frames without a mask, as a client must.  It
   gets each from a heap block of exact size, whole and byte by byte. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ws.h"

static unsigned char buffer[WS_BUFFER];

static void fail(const char *why)
{
	puts(why);
	exit(1);
}

/* Feeds frames to a new decoder in pieces of this size.  The last frame must be
   complete, and have this payload. */
static void expect(const char *bytes, size_t len, size_t piece,
		   const char *payload, const char *why)
{
	struct ws_decoder d;
	struct ws_frame f = {0};
	int n = 0;

	ws_init(&d, buffer);
	for (size_t from = 0; from < len; from += piece) {
		size_t size = len - from < piece ? len - from : piece;
		unsigned char *in = malloc(size);

		memcpy(in, bytes + from, size);
		n = 0;
		do
			n = ws_decode(&d, in, (size_t)n, size, &f);
		while (n > 0 && (size_t)n < size);
		if (n < 0)
			fail(why);
		if (from + size == len &&
		    (n != (int)size || f.to - f.from != strlen(payload) ||
		     memcmp(f.data + f.from, payload, f.to - f.from) != 0))
			fail(why);
		free(in);
	}
}

#define LONG                                                               \
	"0123456789012345678901234567890123456789012345678901234567890123" \
	"0123456789012345678901234567890123456789012345678901234567890123"

static const struct {
	const char *bytes;
	size_t len;
	const char *payload;
} frames[] = {
	{"\x81\x02Hi", 4, "Hi"},
	{"\x82\x7e\0\x80" LONG, 132, LONG},
	{"\x01\x01H\x89\x00\x80\x01i", 8, "Hi"}, /* a ping between fragments */
	{"\x89\x00", 2, ""},
};

int main(void)
{
	for (size_t i = 0; i < sizeof frames / sizeof frames[0]; i++) {
		for (size_t piece = 1; piece <= frames[i].len; piece++)
			expect(frames[i].bytes, frames[i].len, piece,
			       frames[i].payload,
			       "decodes no frame without mask");
	}
	expect("\x81\x82\1\2\3\4Ik", 8, 8, "Hi", "unmasks no more");
	expect("\x81\x82\1\2\3\4Ik", 8, 1, "Hi", "unmasks no more");
	expect("\x81\x82\1\2\3\4Ik\x81\x02Hi\x81\x82\1\2\3\4Ik", 20, 20, "Hi",
	       "takes no mixed frames");
	return 0;
}
