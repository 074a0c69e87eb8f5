/* SPDX-License-Identifier: MIT */
/* Requests of any bytes, for ever, and all that can be asked about them. */
#include "__fc_builtin.h"

#include "http.h"

static char in[REQUEST_MAX + 1000], out[HTTP_HEAD_MAX], host[40];
static char digits[HTTP_DIGITS];
static volatile int any;

#define HEAD(status) http_head(out, status, "text/plain", (size_t)any, "")

static void request(void)
{
	static const char *const hosts[] = {host, host};
	struct http_request r;
	int n;

	Frama_C_make_unknown(in, sizeof in);
	Frama_C_make_unknown(host, sizeof host - 1);
	n = http_parse(&r, in, Frama_C_size_t_interval(0, sizeof in));
	if (n > 0)
		http_origin_ok(&r, hosts, Frama_C_interval(0, 2));
	if (n > 0 && r.handshake)
		http_switch(out, &r);
	HEAD(200), HEAD(400), HEAD(403), HEAD(404), HEAD(405), HEAD(408);
	HEAD(413), HEAD(414), HEAD(426), HEAD(431), HEAD(501), HEAD(503);
	HEAD(505);
	http_join(out, Frama_C_size_t_interval(1, sizeof out),
		  HTTP_TEXT(host, "", host));
	http_decimal(digits, Frama_C_unsigned_long_long_interval(0, -1),
		     Frama_C_unsigned_int_interval(0, 20));
}

void main(void)
{
	while (any)
		request();
}
