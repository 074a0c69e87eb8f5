/* SPDX-License-Identifier: MIT */
/* Stop 4: the decoder also takes frames without a mask, as a client must.  It
   gets each from a heap block of exact size, whole and byte by byte. */
#include <stdlib.h>
#include <string.h>

#include "../../ws.h"
#include "test.h"

static unsigned char buffer[WS_BUFFER];

/* Feeds frames to a new decoder in pieces of this size.  The last frame must be
   complete, and have this payload. */
static void expect(const char *bytes, size_t len, size_t piece,
		   const char *payload)
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
		ck_assert_int_ge(n, 0);
		if (from + size == len) {
			ck_assert_int_eq(n, (int)size);
			ck_assert_uint_eq(f.to - f.from, strlen(payload));
			ck_assert_mem_eq(f.data + f.from, payload,
					 strlen(payload));
		}
		free(in);
	}
}

static const struct {
	const char *bytes;
	size_t len;
	const char *payload;
} frames[] = {
	{"\x81\x02Hi", 4, "Hi"},
	{"\x82\x7e\0\x80"
	 "0123456789012345678901234567890123456789012345678901234567890123"
	 "0123456789012345678901234567890123456789012345678901234567890123",
	 132,
	 "0123456789012345678901234567890123456789012345678901234567890123"
	 "0123456789012345678901234567890123456789012345678901234567890123"},
	{"\x01\x01H\x89\x00\x80\x01i", 8, "Hi"}, /* a ping between fragments */
	{"\x89\x00", 2, ""},
};

START_TEST(decodes_frame_without_mask)
{
	expect(frames[_i].bytes, frames[_i].len, frames[_i].len,
	       frames[_i].payload);
	expect(frames[_i].bytes, frames[_i].len, 1, frames[_i].payload);
}
END_TEST

START_TEST(still_unmasks)
{
	expect("\x81\x82\1\2\3\4Ik", 8, 8, "Hi");
	expect("\x81\x82\1\2\3\4Ik", 8, 1, "Hi");
	expect("\x81\x82\1\2\3\4Ik\x81\x02Hi\x81\x82\1\2\3\4Ik", 20, 20, "Hi");
}
END_TEST

Suite *exercise_suite(void)
{
	Suite *suite = suite_create("unmasked");
	TCase *t = tcase_create("frames");

	add_table_test(t, decodes_frame_without_mask, frames);
	tcase_add_test(t, still_unmasks);
	suite_add_tcase(suite, t);
	return suite;
}
