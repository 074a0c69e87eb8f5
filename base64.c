/* SPDX-License-Identifier: MIT */
/*
 * Base64 (RFC 4648, section 4): 24 bits at a time, three bytes in and four
 * letters of six bits each out.
 *
 *     |    byte 0     |    byte 1     |    byte 2     |
 *     | letter 0  | letter 1  | letter 2  | letter 3  |
 *
 * One or two bytes at the end leave two or one of the letters unused; "=" takes
 * their place.
 */
#include <stdint.h>

#include "base64.h"

void base64(char *out, const unsigned char *data, size_t len)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "abcdefghijklmnopqrstuvwxyz"
				      "0123456789+/";

	for (size_t at = 0; at < len; at += 3) {
		size_t n = len - at; /* bytes left, of which three count */
		uint32_t bits = (uint32_t)data[at] << 16;

		if (n > 1)
			bits |= (uint32_t)data[at + 1] << 8;
		if (n > 2)
			bits |= data[at + 2];
		*out++ = letters[bits >> 18];
		*out++ = letters[bits >> 12 & 63];
		*out++ = n > 1 ? letters[bits >> 6 & 63] : '=';
		*out++ = n > 2 ? letters[bits & 63] : '=';
	}
	*out = '\0';
}
