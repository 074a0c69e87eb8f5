/* SPDX-License-Identifier: MIT */
#ifndef BASE64_H
#define BASE64_H

#include <stddef.h>

/* Characters that n bytes become, without the 0 at the end. */
#define BASE64_LENGTH(n) (((n) + 2) / 3 * 4)

/*
 * Writes data[0..len) to out in Base64 (RFC 4648, section 4: the alphabet with
 * + and /, padded with =, no line breaks), and a 0 behind it.  out has room for
 * BASE64_LENGTH(len) + 1 characters and does not overlap data.  Cannot fail.
 */
void base64(char *out, const unsigned char *data, size_t len);

#endif
