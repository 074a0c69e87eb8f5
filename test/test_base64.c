/* SPDX-License-Identifier: MIT */
/* The vectors of RFC 4648, 10, and every character of the alphabet. */
#include <stdlib.h>
#include <string.h>

#include "../base64.h"
#include "test.h"

static const struct {
	const char *data, *text;
} vectors[] = {
	{"", ""},
	{"f", "Zg=="},
	{"fo", "Zm8="},
	{"foo", "Zm9v"},
	{"foob", "Zm9vYg=="},
	{"fooba", "Zm9vYmE="},
	{"foobar", "Zm9vYmFy"},
};

/* Encodes from and into heap blocks of exact size. */
static void expect(const unsigned char *data, size_t len, const char *text)
{
	unsigned char *in = malloc(len > 0 ? len : 1);
	char *out = malloc(BASE64_LENGTH(len) + 1);

	memcpy(in, data, len);
	base64(out, in, len);
	ck_assert_str_eq(out, text);
	ck_assert_uint_eq(strlen(out), BASE64_LENGTH(len));
	free(in);
	free(out);
}

START_TEST(encodes_the_vectors)
{
	expect((const unsigned char *)vectors[_i].data,
	       strlen(vectors[_i].data), vectors[_i].text);
}
END_TEST

START_TEST(encodes_the_whole_alphabet_in_order)
{
	unsigned char bytes[48]; /* 64 times six bits: 0, 1, 2 ... 63 */

	for (unsigned i = 0; i < 16; i++) {
		bytes[3 * i] = (unsigned char)(4 * i << 2 | (4 * i + 1) >> 4);
		bytes[3 * i + 1] =
			(unsigned char)((4 * i + 1) << 4 | (4 * i + 2) >> 2);
		bytes[3 * i + 2] =
			(unsigned char)((4 * i + 2) << 6 | (4 * i + 3));
	}
	expect(bytes, sizeof bytes,
	       "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	       "0123456789+/");
}
END_TEST

/* The bytes after the data are not encoded, and those after the terminating 0
   are not written. */
START_TEST(reads_and_writes_no_byte_too_many)
{
	static const char *const texts[] = {"", "AA==", "AAA=", "AAAA"};
	unsigned char data[6] = {0};

	for (size_t len = 0; len < COUNT(texts); len++) {
		char out[8];

		memset(data + len, 0xff, sizeof data - len);
		memset(out, '?', sizeof out);
		base64(out, data, len);
		ck_assert_mem_eq(out, texts[len], strlen(texts[len]) + 1);
		ck_assert_int_eq(out[strlen(texts[len]) + 1], '?');
		data[len] = 0;
	}
}
END_TEST

Suite *base64_suite(void)
{
	Suite *suite = suite_create("base64");
	TCase *t = tcase_create("RFC 4648");

	tcase_add_loop_test(t, encodes_the_vectors, 0, COUNT(vectors));
	tcase_add_test(t, encodes_the_whole_alphabet_in_order);
	tcase_add_test(t, reads_and_writes_no_byte_too_many);
	suite_add_tcase(suite, t);
	return suite;
}
