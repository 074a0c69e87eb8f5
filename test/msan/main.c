/* SPDX-License-Identifier: MIT */
/* The unit tests, all built with MemorySanitizer. */
#include "../test.h"

int tests_run;

int main(void)
{
	sha1_suite();
	base64_suite();
	ws_suite();
	http_suite();
	printf("sanitize: memory: %d unit tests, no report\n", tests_run);
	return 0;
}
