/* SPDX-License-Identifier: MIT */
/*
 * SHA-1, the secure hash algorithm of FIPS 180-4, section 6.1.
 *
 * The message is processed in blocks of 64 bytes: each block updates a state of
 * five words in 80 rounds.  The last, incomplete block is padded to a tail of
 * 64 bytes, or of 128 if 64 do not have room for the nine bytes of padding:
 *
 *     | rest of the message | 0x80 | 0x00 ... | length in bits, 8 bytes |
 *
 * The names are the standard's.  Words are made of bytes by shifting, so that
 * the code is independent of the machine's byte order.
 */
#include <stdint.h>

#include "sha1.h"

enum { BLOCK = 64 };

#define ROTL(n, x)      ((x) << (n) | (x) >> (32 - (n)))
#define CH(x, y, z)     (((x) & (y)) ^ (~(x) & (z)))
#define PARITY(x, y, z) ((x) ^ (y) ^ (z))
#define MAJ(x, y, z)    (((x) & (y)) ^ ((x) & (z)) ^ ((y) & (z)))

/* 4.1.1 and 4.2.1: returns the function of round t plus its constant. */
static uint32_t f_plus_k(unsigned t, uint32_t x, uint32_t y, uint32_t z)
{
	if (t < 20)
		return CH(x, y, z) + 0x5a827999;
	if (t < 40)
		return PARITY(x, y, z) + 0x6ed9eba1;
	if (t < 60)
		return MAJ(x, y, z) + 0x8f1bbcdc;
	return PARITY(x, y, z) + 0xca62c1d6;
}

/* 6.1.2: updates the state H with one block of 64 bytes. */
static void process_block(uint32_t H[5], const unsigned char *block)
{
	uint32_t W[80];
	uint32_t a = H[0], b = H[1], c = H[2], d = H[3], e = H[4];

	for (size_t t = 0; t < 16; t++)
		W[t] = (uint32_t)block[4 * t] << 24 |
		       (uint32_t)block[4 * t + 1] << 16 |
		       (uint32_t)block[4 * t + 2] << 8 | block[4 * t + 3];
	for (unsigned t = 16; t < 80; t++) {
		uint32_t w = W[t - 3] ^ W[t - 8] ^ W[t - 14] ^ W[t - 16];
		W[t] = ROTL(1, w);
	}
	for (unsigned t = 0; t < 80; t++) {
		uint32_t T = ROTL(5, a) + f_plus_k(t, b, c, d) + e + W[t];
		e = d, d = c, c = ROTL(30, b), b = a, a = T;
	}
	H[0] += a, H[1] += b, H[2] += c, H[3] += d, H[4] += e;
}

void sha1(unsigned char digest[SHA1_SIZE], const unsigned char *data,
	  size_t len)
{
	uint32_t H[5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476,
			 0xc3d2e1f0}; /* 5.3.1 */
	unsigned char tail[2 * BLOCK] = {0};
	size_t tail_len = len % BLOCK < BLOCK - 8 ? BLOCK : 2 * BLOCK;
	size_t at = 0;

	for (; at < len / BLOCK * BLOCK; at += BLOCK)
		process_block(H, data + at);
	/* 5.1.1: the rest of the message, a one, zeros, the length in bits */
	for (; at < len; at++)
		tail[at % BLOCK] = data[at];
	tail[len % BLOCK] = 0x80;
	for (unsigned i = 0; i < 8; i++)
		tail[tail_len - 1 - i] =
			(unsigned char)((uint64_t)len * 8 >> 8 * i);
	for (at = 0; at < tail_len; at += BLOCK)
		process_block(H, tail + at);
	for (unsigned i = 0; i < SHA1_SIZE; i++)
		digest[i] = (unsigned char)(H[i / 4] >> (24 - i % 4 * 8));
}
