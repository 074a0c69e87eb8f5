/* SPDX-License-Identifier: MIT */
/*
 * Base64 (RFC 4648, section 4): three bytes, 24 bits, become four characters of
 * six bits each.
 *
 *     |    byte 0     |    byte 1     |    byte 2     |
 *     |  char 0   |  char 1   |  char 2   |  char 3   |
 *
 * If only one or two bytes are left at the end, the last two characters or the
 * last one have no bits, and are "=".
 */
#include <stdint.h>

#include "base64.h"

void base64(char *out, const unsigned char *data, size_t len)
{
	static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				       "abcdefghijklmnopqrstuvwxyz"
				       "0123456789+/";

	for (size_t at = 0; at < len; at += 3) {
		size_t left = len - at;
		uint32_t bits = (uint32_t)data[at] << 16;

		if (left > 1)
			bits |= (uint32_t)data[at + 1] << 8;
		if (left > 2)
			bits |= data[at + 2];
		*out++ = alphabet[bits >> 18];
		*out++ = alphabet[bits >> 12 & 63];
		*out++ = left > 1 ? alphabet[bits >> 6 & 63] : '=';
		*out++ = left > 2 ? alphabet[bits & 63] : '=';
	}
	*out = '\0';
}
