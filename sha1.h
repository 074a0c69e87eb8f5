/* SPDX-License-Identifier: MIT */
#ifndef SHA1_H
#define SHA1_H

#include <stddef.h>

enum { SHA1_SIZE = 20 }; /* bytes in a digest */

/*
 * Writes the SHA-1 digest (FIPS 180-4, 6.1) of data[0..len) to digest: 20
 * bytes, not text, in the standard's big-endian order.  len may be 0; data and
 * digest must not overlap.
 *
 * SHA-1 no longer protects anything against forgery.  RFC 6455 needs it only
 * for a server to show that it has understood the handshake.
 */
void sha1(unsigned char digest[SHA1_SIZE], const unsigned char *data,
	  size_t len);

#endif
