/* SPDX-License-Identifier: MIT */
/* What a power failure leaves of a mapped file: each page of it may be as it
   was at another moment, since the kernel writes them when it likes. */
#ifndef TORN_H
#define TORN_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* How a file was at each moment from 0 on: copies of it, one after the other.
 */
struct film {
	const unsigned char *copies;
	size_t size; /* bytes of a copy */
	size_t page; /* bytes of a page */
};

/* Returns a number from 0 to n - 1: xorshift64, the same ones in each run. */
static unsigned below(unsigned n)
{
	static uint64_t state = 20261125;

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (unsigned)((state >> 32) % n);
}

/* Makes an image of which each page is from the moment `newest`, or, so often
   in a thousand times, from any moment since `oldest`. */
static void tear(const struct film *f, unsigned char *image, unsigned oldest,
		 unsigned newest, unsigned often)
{
	for (size_t at = 0; at < f->size; at += f->page) {
		size_t n = f->size - at < f->page ? f->size - at : f->page;
		unsigned when = below(1000) < often
					? oldest + below(newest - oldest + 1)
					: newest;

		memcpy(image + at, f->copies + when * f->size + at, n);
	}
}

#endif
