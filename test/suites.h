/* SPDX-License-Identifier: MIT */
/* The list of all suites, and what every suite uses besides Check. */
#ifndef SUITES_H
#define SUITES_H

#include <check.h>

/* To add the suite NAME: add its line here, and write NAME_suite() in
   test/test_NAME.c.  main.c, bare/main.c and the Makefile follow. */
/* clang-format off */
#define SUITES(SUITE) \
	SUITE(sha1)   \
	SUITE(base64) \
	SUITE(ws)     \
	SUITE(http)   \
	SUITE(ring)   \
	SUITE(chat)   \
	SUITE(limits) \
	SUITE(file)   \
	SUITE(wire)   \
	SUITE(hurt)   \
	SUITE(crowd)  \
	SUITE(attacks) \
	SUITE(soak)   \
	SUITE(faults)
/* clang-format on */

#define PROTOTYPE(name) Suite *name##_suite(void);
SUITES(PROTOTYPE)
#undef PROTOTYPE

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

/* Runs a test for each row of a table, whose number is _i. */
#define add_table_test(t, test, table) \
	tcase_add_loop_test(t, test, 0, COUNT(table))

/* ck_assert_msg() for loops: Check writes to a file for each that holds. */
#define MUST(ok, ...)                              \
	do {                                       \
		if (!(ok))                         \
			ck_abort_msg(__VA_ARGS__); \
	} while (0)

#endif
