/* SPDX-License-Identifier: MIT */
#ifndef SHA1_H
#define SHA1_H

#include <stddef.h>

enum { SHA1_SIZE = 20 }; /* bytes in a digest */

/*
 * Writes the SHA-1 digest (FIPS 180-4, 6.1) of data[0..len) to digest, 20 raw
 * bytes in the standard's big-endian order.  Any len will do, 0 included; data
 * and digest must not overlap.  It cannot fail.
 *
 * SHA-1 no longer protects anything against forgery.  RFC 6455 uses it only so
 * that a server shows it has understood the handshake; so do we.
 */
void sha1(unsigned char digest[SHA1_SIZE], const unsigned char *data,
	  size_t len);

#endif
