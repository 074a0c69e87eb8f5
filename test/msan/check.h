/* SPDX-License-Identifier: MIT */
/* As much of Check's interface as the unit tests use, each test run at once:
   for MemorySanitizer, which wants all code of a program built with it. */
#ifndef CHECK_H
#define CHECK_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct suite Suite;
typedef struct tcase TCase;
typedef void test_function(int);

extern int tests_run; /* in main.c */

#define START_TEST(name) static void name(int _i)
#define END_TEST

#define suite_create(name)      NULL
#define tcase_create(name)      NULL
#define tcase_set_timeout(t, s) (void)(t)
#define suite_add_tcase(s, t)   (void)(t)
#define tcase_add_test(t, f)    tcase_add_loop_test(t, f, 0, 1)
#define tcase_add_loop_test(t, f, from, to)              \
	do {                                             \
		for (int i_ = (from); i_ < (to); i_++) { \
			(f)(i_);                         \
			tests_run++;                     \
		}                                        \
		(void)(t);                               \
	} while (0)

#define ck_abort_msg(...)                                       \
	do {                                                    \
		fprintf(stderr, "%s:%d: ", __FILE__, __LINE__); \
		fprintf(stderr, __VA_ARGS__);                   \
		abort();                                        \
	} while (0)
#define ck_assert_msg(ok, ...)                     \
	do {                                       \
		if (!(ok))                         \
			ck_abort_msg(__VA_ARGS__); \
	} while (0)
#define ck_assert(ok)             ck_assert_msg(ok, "%s\n", #ok)
#define ck_assert_int_eq(a, b)    ck_assert((a) == (b))
#define ck_assert_int_gt(a, b)    ck_assert((a) > (b))
#define ck_assert_uint_eq(a, b)   ck_assert((a) == (b))
#define ck_assert_uint_gt(a, b)   ck_assert((a) > (b))
#define ck_assert_uint_le(a, b)   ck_assert((a) <= (b))
#define ck_assert_ptr_eq(a, b)    ck_assert((a) == (b))
#define ck_assert_ptr_nonnull(a)  ck_assert((a) != NULL)
#define ck_assert_str_eq(a, b)    ck_assert(strcmp(a, b) == 0)
#define ck_assert_mem_eq(a, b, n) ck_assert(memcmp(a, b, n) == 0)

#endif
