/* SPDX-License-Identifier: MIT */
/* The vectors of NIST: the examples of FIPS 180 with up to a million "a", and
   the first ones of its validation suite; then every length up to 300. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../sha1.h"
#include "test.h"

static void expect(const unsigned char *data, size_t len, const char *hex)
{
	unsigned char digest[SHA1_SIZE];
	unsigned char *copy = malloc(len > 0 ? len : 1); /* of exact size */
	char got[2 * SHA1_SIZE + 1];

	if (len > 0)
		memcpy(copy, data, len);
	sha1(digest, copy, len);
	free(copy);
	for (size_t i = 0; i < SHA1_SIZE; i++)
		snprintf(got + 2 * i, 3, "%02x", digest[i]);
	ck_assert_str_eq(got, hex);
}

static const struct {
	const char *text, *digest;
} examples[] = {
	{"", "da39a3ee5e6b4b0d3255bfef95601890afd80709"},
	{"abc", "a9993e364706816aba3e25717850c26c9cd0d89d"},
	{"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
	 "84983e441c3bd26ebaae4aa1f95129e5e54670f1"},
	{"abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmn"
	 "hijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu",
	 "a49b2446a02c645bf419f995b67091253a04a259"},
	{"The quick brown fox jumps over the lazy dog",
	 "2fd4e1c67a2d28fced849ee1bb76e7391b93eb12"},
	/* RFC 6455, 1.3 */
	{"dGhlIHNhbXBsZSBub25jZQ==258EAFA5-E914-47DA-95CA-C5AB0DC85B11",
	 "b37a4f2cc0624f1690f64606cf385945b2bec4ea"},
};

START_TEST(hashes_the_examples)
{
	expect((const unsigned char *)examples[_i].text,
	       strlen(examples[_i].text), examples[_i].digest);
}
END_TEST

START_TEST(hashes_a_million_a)
{
	static unsigned char data[1000000];

	memset(data, 'a', sizeof data);
	expect(data, sizeof data, "34aa973cd4c4daa4f61eeb2bdbad27316534016f");
}
END_TEST

/* Compares the digest of the digests of 0 to 300 bytes with that of coreutils'
   sha1sum, so that the padding starts at every place in a block. */
START_TEST(pads_every_length)
{
	unsigned char data[300], digests[301 * SHA1_SIZE];

	for (size_t n = 0; n <= sizeof data; n++) {
		for (size_t i = 0; i < n; i++)
			data[i] = (unsigned char)(i * 7 + n);
		sha1(digests + n * SHA1_SIZE, data, n);
	}
	expect(digests, sizeof digests,
	       "e570432b09ac39935ad256f819b381ba3900dbbd");
}
END_TEST

Suite *sha1_suite(void)
{
	Suite *suite = suite_create("sha1");
	TCase *t = tcase_create("FIPS 180-4");

	tcase_add_loop_test(t, hashes_the_examples, 0, COUNT(examples));
	tcase_add_test(t, hashes_a_million_a);
	tcase_add_test(t, pads_every_length);
	suite_add_tcase(suite, t);
	return suite;
}
