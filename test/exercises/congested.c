/* LIMITS: MESSAGE_MAX=1024 LOG_SIZE=16384 RECEIVE_SIZE=4096 SEND_BUFFER=4096 */
/* SPDX-License-Identifier: MIT */
/* Stop 8: the log tells when the room becomes congested and when that ends.
   The ring is so small that one client that does not read fills it. */
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "handshake.h"
#include "test.h"

#define BEGINS " The room is congested\n"
#define ENDS   " The room is not congested any more\n"

static struct server s;

/* A client whose socket takes little, and which does not read after this. */
static int join_narrow(void)
{
	char response[1024] = "";
	int fd = dial_narrow(&s, 4096);

	send_string(fd, HANDSHAKE "\r\n");
	ck_assert(read_until(fd, response, sizeof response, "\r\n\r\n"));
	return fd;
}

START_TEST(logs_each_congestion_once)
{
	char text[1001] = "";
	int slow, fast;

	start_bare_relay(&s, CHAT);
	slow = join_narrow();
	fast = join_room(&s, "");
	memset(text, 'x', 1000);
	/* until the room stands still, and then the slow one is dropped */
	for (int i = 0; i < 3000 && strstr(s.log, "slow") == NULL; i++) {
		struct pollfd log = {.fd = s.err, .events = POLLIN};

		send_message(fast, text);
		expect_message(fast, text);
		if (poll(&log, 1, 0) > 0)
			await_log(&s, " online)\n");
		while (poll(&log, 1, 0) > 0) {
			size_t len = strlen(s.log);

			ck_assert(read(s.err, s.log + len, 1) == 1);
		}
	}
	ck_assert_ptr_nonnull(strstr(s.log, "disconnected: slow"));
	await_log(&s, BEGINS);
	await_log(&s, ENDS);
	ck_assert(strstr(s.log, BEGINS) < strstr(s.log, "disconnected: slow"));
	ck_assert(strstr(s.log, "disconnected: slow") < strstr(s.log, ENDS));
	ck_assert_int_eq(count_in_log(&s, BEGINS), count_in_log(&s, ENDS));
	close(slow);
	close(fast);
	ck_assert_int_eq(stop(&s), 0);
}
END_TEST

START_TEST(logs_nothing_in_well_room)
{
	int fd;

	start_bare_relay(&s, CHAT);
	fd = join_room(&s, "");
	for (int i = 0; i < 100; i++) {
		send_message(fd, "Hi");
		expect_message(fd, "Hi");
	}
	send_frame(fd, 0x88, "\x03\xe8", 2);
	expect_close(fd, 1000);
	await_log(&s, "disconnected: closed");
	ck_assert_int_eq(count_in_log(&s, "congested"), 0);
	ck_assert_int_eq(stop(&s), 0);
}
END_TEST

Suite *exercise_suite(void)
{
	Suite *suite = suite_create("congested");
	TCase *t = tcase_create("congestion");

	tcase_set_timeout(t, 60);
	tcase_add_test(t, logs_each_congestion_once);
	tcase_add_test(t, logs_nothing_in_well_room);
	suite_add_tcase(suite, t);
	return suite;
}
