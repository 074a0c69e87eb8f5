/* SPDX-License-Identifier: MIT */
/* Runs all suites; CK_RUN_SUITE and CK_RUN_CASE pick one. */
#include <stdlib.h>

#include "test.h"

int main(void)
{
	SRunner *runner = srunner_create(sha1_suite());
	int failed;

	srunner_add_suite(runner, base64_suite());
	srunner_add_suite(runner, ws_suite());
	srunner_add_suite(runner, http_suite());
	srunner_add_suite(runner, inside_suite());
	srunner_add_suite(runner, kernel_suite());
	srunner_add_suite(runner, chat_suite());
	srunner_add_suite(runner, wire_suite());
	srunner_add_suite(runner, hurt_suite());
	srunner_add_suite(runner, crowd_suite());
	srunner_add_suite(runner, soak_suite());
	if (getenv("FAULTS") != NULL)
		srunner_add_suite(runner, faults_suite());
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
