/* SPDX-License-Identifier: MIT */
/*
 * Runs suites; CK_RUN_SUITE and CK_RUN_CASE pick one.
 *
 *     test            all
 *     test NAME...    those
 *     test -v NAME... all others
 *
 * Two suites need more than `make check` has.  faults runs only with FAULTS in
 * the environment, and attacks, which needs root, only by its name.
 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "suites.h"

static bool is_wanted(const char *name, int argc, char **argv)
{
	bool others = argc > 1 && strcmp(argv[1], "-v") == 0;

	if (strcmp(name, "faults") == 0 && getenv("FAULTS") == NULL)
		return false;
	if (strcmp(name, "attacks") == 0 && (argc == 1 || others))
		return false;
	for (int k = others ? 2 : 1; k < argc; k++) {
		if (strcmp(argv[k], name) == 0)
			return !others;
	}
	return argc == 1 || others;
}

#define ADD(name)                         \
	if (is_wanted(#name, argc, argv)) \
		srunner_add_suite(runner, name##_suite());

int main(int argc, char **argv)
{
	SRunner *runner = srunner_create(NULL);
	int failed;

	SUITES(ADD)
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
