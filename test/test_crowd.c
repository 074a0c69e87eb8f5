/* SPDX-License-Identifier: MIT */
/*
 * Crowds and slow readers.  A client that reads gets all messages in order; one
 * that does not delays the others for a moment, and then is dropped and
 * counted.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "handshake.h"
#include "test.h"

enum {
	LISTENERS = 970,
	VANISHING = 20,
	LOST = VANISHING + 3, /* a stopped and a slow one; the speaker */
	LEN = 1024,           /* bytes of a message */
	SAID = 5000,          /* more than the ring and two sockets hold */
};

static struct server s;
static FILE *lines;
static pid_t speaker;

/* The log goes to a file: a pipe would not hold a thousand lines. */
static void begin(void)
{
	struct rlimit files;

	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	lines = tmpfile();
	stderr_for_server = fileno(lines);
	start_bare_relay(&s, CROWD);
}

/* A process of its own with so many clients, stopped when all are in. */
static pid_t join_stopped(int clients)
{
	pid_t pid = fork();

	if (pid == 0) {
		for (int i = 0; i < clients; i++)
			join_room(&s, "");
		raise(SIGSTOP);
		_exit(0);
	}
	waitpid(pid, NULL, WUNTRACED);
	return pid;
}

/* A process that says so many numbered messages as fast as it can.  Its own
   come back, and must be read, or it would be a laggard too. */
static pid_t speak(int messages)
{
	char text[LEN];
	pid_t pid = fork();
	int fd;

	if (pid != 0)
		return pid;
	fd = join_room(&s, "");
	if (fork() == 0) {
		for (int k = 0; k < messages; k++)
			if (read_frame(fd)->first < 0)
				_exit(1);
		_exit(0);
	}
	memset(text, '.', sizeof text);
	for (int k = 0; k < messages; k++) {
		sprintf(text, "%08d", k);
		send_frame(fd, 0x82, text, sizeof text);
	}
	wait(NULL);
	_exit(0);
}

/* ---- A firehose, 970 clients that read, and 23 that do not ---- */

static struct listener {
	size_t have;
	int next;
	char frame[4 + LEN]; /* as the server sends it */
} listeners[LISTENERS + 1];

/* Reads what came for a client; false when its connection has ended. */
static bool hear(struct listener *l, int fd)
{
	static char data[1 << 18];
	ssize_t len = recv(fd, data, sizeof data, MSG_DONTWAIT);
	size_t n;

	for (ssize_t at = 0; at < len; at += (ssize_t)n) {
		n = sizeof l->frame - l->have;
		if (n > (size_t)(len - at))
			n = (size_t)(len - at);
		memcpy(l->frame + l->have, data + at, n);
		l->have = (l->have + n) % sizeof l->frame;
		if (l->have == 0 && atoi(l->frame + 4) != l->next++)
			ck_abort_msg("%.8s is out of order", l->frame + 4);
	}
	return len > 0 || (len < 0 && errno == EAGAIN);
}

/* Returns how many clients have been dropped: as the log has them. */
static int count_dropped(void)
{
	char line[512];
	int n = 0;

	rewind(lines);
	while (fgets(line, sizeof line, lines) != NULL)
		n += strstr(line, "disconnected: ") != NULL;
	return n;
}

/* Reads a byte a second. */
static void dribble(int fd)
{
	static time_t last;
	char byte;

	if (time(NULL) != last)
		recv(fd, &byte, 1, MSG_DONTWAIT);
	last = time(NULL);
}

/* All listeners read until they have all; the one more, with a tiny buffer,
   may be dropped before. */
static void hear_all(pid_t vanishing, int dribbling)
{
	static struct pollfd p[LISTENERS + 1];
	int size = 1, done = 0;

	for (int i = 0; i <= LISTENERS; i++)
		p[i] = (struct pollfd){.fd = join_room(&s, ""),
				       .events = POLLIN};
	setsockopt(p[LISTENERS].fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
	speaker = speak(SAID);
	while (done < LISTENERS) {
		MUST(poll(p, LISTENERS + 1, WAIT) > 0, "nothing came");
		for (int i = 0; i <= LISTENERS; i++) {
			bool open = p[i].revents == 0 ||
				    hear(&listeners[i], p[i].fd);

			if (!open && i < LISTENERS)
				ck_abort_msg("%d was dropped after %d", i,
					     listeners[i].next);
			if (p[i].fd < 0 || (open && listeners[i].next < SAID))
				continue;
			done += i < LISTENERS;
			p[i].fd = -1; /* it stays connected */
		}
		if (listeners[0].next > SAID / 4)
			kill(vanishing, SIGKILL);
		dribble(dribbling);
	}
}

START_TEST(keeps_970_listeners_in_order_under_a_firehose)
{
	pid_t stopped, vanishing;

	begin();
	stopped = join_stopped(1);
	vanishing = join_stopped(VANISHING);
	hear_all(vanishing, join_room(&s, ""));
	waitpid(vanishing, NULL, 0);
	waitpid(speaker, NULL, 0);
	expect_metric(&s, "chat_messages_total", SAID);
	while (count_dropped() < LOST)
		poll(NULL, 0, 100);
	ck_assert_int_le(count_dropped(), LOST + 1);
	ck_assert_int_ge(read_metric(&s, "chat_dropped_slow_total"), 2);
	kill(stopped, SIGKILL);
	waitpid(stopped, NULL, 0);
	ck_assert_int_eq(stop(&s), 0);
}
END_TEST

/* ---- Members that stop reading ---- */

START_TEST(keeps_little_in_kernel_for_each_laggard)
{
	enum { STOPPED = 20, MESSAGES = 600 };
	long before, sent = (long)MESSAGES * (LEN + 4), held;
	char text[LEN + 1];
	int fd;

	start_bare_relay(&s, CHAT);
	fd = join_room(&s, "");
	for (int i = 0; i < STOPPED; i++) {
		int laggard = dial_narrow(&s, 1024);

		send_string(laggard, HANDSHAKE "\r\n");
		read_until(laggard, s.response, sizeof s.response, "\r\n\r\n");
	}
	before = read_metric(&s, "chat_sent_bytes_total");
	sent += (long)strlen(s.response);
	for (int k = 0; k < MESSAGES; k++) {
		snprintf(text, sizeof text, "%0*d", LEN, k);
		send_message(fd, text);
		expect_message(fd, text);
	}
	expect_metric(&s, "chat_clients", STOPPED + 1);
	sent += (long)strlen(s.response);
	held = read_metric(&s, "chat_sent_bytes_total") - before - sent;
	ck_assert_int_le(held / STOPPED, 100000);
	ck_assert_int_eq(stop(&s), 0);
}
END_TEST

Suite *crowd_suite(void)
{
	Suite *suite = suite_create("crowd");
	TCase *t = tcase_create("crowds and slow readers");

	tcase_set_timeout(t, 120);
	tcase_add_test(t, keeps_970_listeners_in_order_under_a_firehose);
	tcase_add_test(t, keeps_little_in_kernel_for_each_laggard);
	suite_add_tcase(suite, t);
	return suite;
}
