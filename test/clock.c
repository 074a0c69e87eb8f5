/* SPDX-License-Identifier: MIT */
/* A clock that is set back by an hour each time somebody looks, to be preloaded
   into a server. */
#include <time.h>

time_t time(time_t *out)
{
	static time_t now = 1767225600;

	now -= 3600;
	if (out != NULL)
		*out = now;
	return now;
}
