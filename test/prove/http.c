/* SPDX-License-Identifier: MIT */
/* Requests of any bytes, forever, and every question that can be asked about
   them; then a response with each status that there may be. */
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
	if (n <= 0)
		return;
	http_text_is(r.path, "/metrics");
	http_is_host(r.host);
	http_origin_host(&r);
	http_origin_allowed(&r, hosts, Frama_C_interval(0, 2));
	if (r.handshake)
		http_switch(out, &r);
}

static void responses(void)
{
	//@ loop unroll 600;
	for (int status = 0; status < 600; status++)
		if (http_status(status) != NULL)
			http_head(out, status, "text/plain", (size_t)any, "");
	http_status(any);
}

void main(void)
{
	while (any) {
		request();
		responses();
	}
}
