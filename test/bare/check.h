/* SPDX-License-Identifier: MIT */
/* As much of Check's interface as the tests use, for what Check itself gets in
   the way of: MemorySanitizer, which wants all code of a program built with it,
   and emulators, for which the first test that fails is enough. */
#ifndef CHECK_H
#define CHECK_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct suite Suite;
typedef struct tcase TCase;
typedef void test_function(int);

/* Runs a test in a process of its own, which may take so many seconds; exits
   when it fails.  In main.c, as is all that follows. */
void run_test(const char *name, test_function *f, int i);
extern int bare_seconds;

#define START_TEST(name) static void name(int _i)
#define END_TEST

#define suite_create(name)      NULL
#define tcase_create(name)      (bare_seconds = 4, (TCase *)NULL)
#define tcase_set_timeout(t, s) ((void)(t), bare_seconds = (s))
#define suite_add_tcase(s, t)   ((void)(s), (void)(t))
#define tcase_add_test(t, f)    tcase_add_loop_test(t, f, 0, 1)
#define tcase_add_loop_test(t, f, from, to)            \
	do {                                           \
		for (int i_ = (from); i_ < (to); i_++) \
			run_test(#f, (f), i_);         \
		(void)(t);                             \
	} while (0)

#define ck_abort_msg(...)                                       \
	do {                                                    \
		fprintf(stderr, "%s:%d: ", __FILE__, __LINE__); \
		fprintf(stderr, __VA_ARGS__);                   \
		fprintf(stderr, "\n");                          \
		exit(1);                                        \
	} while (0)
#define ck_assert_msg(ok, ...)                     \
	do {                                       \
		if (!(ok))                         \
			ck_abort_msg(__VA_ARGS__); \
	} while (0)
#define ck_assert(ok)             ck_assert_msg(ok, "%s", #ok)
#define ck_assert_int_eq(a, b)    ck_assert((a) == (b))
#define ck_assert_int_ge(a, b)    ck_assert((a) >= (b))
#define ck_assert_int_gt(a, b)    ck_assert((a) > (b))
#define ck_assert_int_le(a, b)    ck_assert((a) <= (b))
#define ck_assert_uint_eq(a, b)   ck_assert((a) == (b))
#define ck_assert_uint_ne(a, b)   ck_assert((a) != (b))
#define ck_assert_uint_ge(a, b)   ck_assert((a) >= (b))
#define ck_assert_uint_gt(a, b)   ck_assert((a) > (b))
#define ck_assert_uint_le(a, b)   ck_assert((a) <= (b))
#define ck_assert_uint_lt(a, b)   ck_assert((a) < (b))
#define ck_assert_ptr_eq(a, b)    ck_assert((a) == (b))
#define ck_assert_ptr_null(a)     ck_assert((a) == NULL)
#define ck_assert_ptr_nonnull(a)  ck_assert((a) != NULL)
#define ck_assert_str_eq(a, b)    ck_assert(strcmp(a, b) == 0)
#define ck_assert_mem_eq(a, b, n) ck_assert(memcmp(a, b, n) == 0)

#endif
