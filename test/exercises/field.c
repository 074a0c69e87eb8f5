/* SPDX-License-Identifier: MIT */
/* Stop 3: a field more in the response to a handshake, and nothing else may
   change. */
#include <string.h>
#include <unistd.h>

#include "handshake.h"
#include "test.h"

static struct server s;

START_TEST(response_has_the_field)
{
	char response[1024] = "";
	int fd;

	start_bare_relay(&s, CHAT);
	fd = dial(&s);
	send_string(fd, HANDSHAKE "\r\n");
	ck_assert(read_until(fd, response, sizeof response, "\r\n\r\n"));
	ck_assert_ptr_nonnull(strstr(response, "\r\nX-Course: 3\r\n"));
	ck_assert_ptr_nonnull(strstr(response, "Accept: " SAMPLE_ACCEPT));
	close(fd);
	ck_assert_int_eq(stop(&s), 0);
}
END_TEST

START_TEST(frames_follow_the_response)
{
	int fd;

	start_bare_relay(&s, CHAT);
	fd = join_room(&s, "");
	send_message(fd, "Hi");
	expect_message(fd, "Hi");
	send_frame(fd, 0x88, "\x03\xe8", 2);
	expect_close(fd, 1000);
	ck_assert_int_eq(stop(&s), 0);
}
END_TEST

Suite *exercise_suite(void)
{
	Suite *suite = suite_create("field");
	TCase *t = tcase_create("handshake");

	tcase_add_test(t, response_has_the_field);
	tcase_add_test(t, frames_follow_the_response);
	suite_add_tcase(suite, t);
	return suite;
}
