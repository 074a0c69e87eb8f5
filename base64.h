/* SPDX-License-Identifier: MIT */
#ifndef BASE64_H
#define BASE64_H

#include <stddef.h>

/* The number of characters that encode n bytes, without the terminating 0. */
#define BASE64_LENGTH(n) (((n) + 2) / 3 * 4)

/*
 * Writes data[0..len) to out in Base64 (RFC 4648, section 4: the alphabet with
 * + and /, padded with =, no line breaks), and a terminating 0.  out has room
 * for BASE64_LENGTH(len) + 1 characters and must not overlap data.
 */
void base64(char *out, const unsigned char *data, size_t len);

#endif
