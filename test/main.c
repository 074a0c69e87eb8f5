/* SPDX-License-Identifier: MIT */
/* Runs all suites; CK_RUN_SUITE and CK_RUN_CASE pick one.  The suite faults
   runs only with FAULTS in the environment, as it needs strace and minutes. */
#include <stdlib.h>
#include <string.h>

#include "suites.h"

#define ADD(name)                                                     \
	if (strcmp(#name, "faults") != 0 || getenv("FAULTS") != NULL) \
		srunner_add_suite(runner, name##_suite());

int main(void)
{
	SRunner *runner = srunner_create(NULL);
	int failed;

	SUITES(ADD)
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
