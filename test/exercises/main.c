/* SPDX-License-Identifier: MIT */
/* Runs one suite with Check: the test of an exercise, or one of test/, which
   -DSUITE=NAME_suite names. */
#include <check.h>

#ifndef SUITE
#define SUITE exercise_suite
#endif

Suite *SUITE(void);

int main(void)
{
	SRunner *runner = srunner_create(SUITE());
	int failed;

	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed > 0;
}
