/* SPDX-License-Identifier: MIT */
/* sha1() and base64() of 0 to 300 bytes with any values. */
#include "__fc_builtin.h"

#include "base64.h"
#include "sha1.h"

void main(void)
{
	static unsigned char data[300], digest[SHA1_SIZE];
	static char out[BASE64_LENGTH(sizeof data) + 1];
	size_t len = Frama_C_size_t_interval(0, sizeof data);

	Frama_C_make_unknown((char *)data, sizeof data);
	sha1(digest, data, len);
	base64(out, data, len);
}
