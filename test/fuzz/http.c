/* SPDX-License-Identifier: MIT */
/* Parses each prefix of a request: a shorter one needs more bytes until the
   result is certain, and then the result stays the same. */
#include <stdlib.h>
#include <string.h>

#include "http.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static int parse(struct http_request *r, const unsigned char *data, size_t len,
		 char **copy)
{
	*copy = malloc(len > 0 ? len : 1);
	memcpy(*copy, data, len);
	return http_parse(r, *copy, len);
}

static void use(const struct http_request *r)
{
	static const char *const hosts[] = {"board", "board:8080"};
	char out[HTTP_SWITCH_LENGTH + 1];
	struct http_text host;

	if (r->fault != NULL || r->path.buf[r->path.from] != '/')
		abort();
	http_text_is(r->path, "/metrics");
	host = http_origin_host(r);
	if (host.from < host.to && !http_is_host(host))
		abort();
	http_origin_allowed(r, hosts, 0);
	http_origin_allowed(r, hosts, 2);
	if (!r->handshake)
		return;
	http_switch(out, r);
	if (strlen(out) != HTTP_SWITCH_LENGTH)
		abort();
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	struct http_request r;
	int whole, n = 0;
	char *copy;

	whole = parse(&r, data, size, &copy);
	if (whole > 0)
		use(&r);
	free(copy);
	if ((whole < 0) != (r.fault != NULL) || whole > (int)size ||
	    (whole == 0 && size >= REQUEST_MAX))
		abort();
	for (size_t len = 0; len < size && n == 0; len++) {
		n = parse(&r, data, len, &copy);
		free(copy);
		if (n != 0 && n != whole)
			abort();
		if (n > 0 && (size_t)n != len)
			abort();
	}
	return 0;
}
