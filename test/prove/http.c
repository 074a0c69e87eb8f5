/* SPDX-License-Identifier: MIT */
/* Requests of any bytes, for ever, and all that can be asked about them. */
#include "__fc_builtin.h"

#include "http.h"

static char in[REQUEST_MAX + 1000], out[HTTP_HEAD_MAX], host[40];
static volatile int any;

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
	http_head(out, any, "text/plain", (size_t)any, "");
}

void main(void)
{
	while (any)
		request();
}
