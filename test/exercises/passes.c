/* SPDX-License-Identifier: MIT */
/* Stop 6: /metrics tells how often the loop has gone round. */
#include <poll.h>
#include <unistd.h>

#include "test.h"

static struct server s;

/* Ten messages, one after the other, take ten passes at least. */
START_TEST(counts_passes)
{
	long before;
	int fd;

	start_bare_relay(&s, CHAT);
	fd = join_room(&s, "");
	before = read_metric(&s, "chat_passes_total");
	ck_assert_int_gt(before, 0);
	for (int i = 0; i < 10; i++) {
		send_message(fd, "Hi");
		expect_message(fd, "Hi");
	}
	ck_assert_int_ge(read_metric(&s, "chat_passes_total"), before + 10);
	close(fd);
	ck_assert_int_eq(stop(&s), 0);
}
END_TEST

/* The requests for /metrics take a few passes themselves. */
START_TEST(idle_server_makes_no_passes)
{
	long before;
	int fd;

	start_bare_relay(&s, CHAT);
	fd = join_room(&s, "");
	before = read_metric(&s, "chat_passes_total");
	poll(NULL, 0, 3000);
	ck_assert_int_le(read_metric(&s, "chat_passes_total"), before + 20);
	close(fd);
	ck_assert_int_eq(stop(&s), 0);
}
END_TEST

Suite *exercise_suite(void)
{
	Suite *suite = suite_create("passes");
	TCase *t = tcase_create("loop");

	tcase_set_timeout(t, 30);
	tcase_add_test(t, counts_passes);
	tcase_add_test(t, idle_server_makes_no_passes);
	suite_add_tcase(suite, t);
	return suite;
}
