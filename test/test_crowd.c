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

#include "test.h"

enum {
	LISTENERS = 977,
	VANISHING = 20,
	LOST = VANISHING + 3, /* a stopped and a slow one; the speaker */
	LEN = 1024,           /* bytes of a message */
	SAID = 5000,          /* more than the ring and two sockets hold */
	SPEAKERS = 60,
	BURST = 50, /* messages of each at once: 23 times the ring */
};

static struct server s;
static FILE *lines;
static pid_t speaker;

static void allow_descriptors(void)
{
	struct rlimit files;

	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
}

/* The log goes to a file: a pipe would not hold a thousand lines. */
static void begin(void)
{
	allow_descriptors();
	lines = tmpfile();
	stderr_for_server = fileno(lines);
	start_bare_relay(&s, CROWD);
}

static int count_lines(const char *text)
{
	char line[512];
	int n = 0;

	rewind(lines);
	while (fgets(line, sizeof line, lines) != NULL)
		n += strstr(line, text) != NULL;
	return n;
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

/* ---- A firehose, 977 clients that read, and 23 that do not ---- */

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

/* Returns how many clients were dropped for a reason; the metrics and the log
   must agree. */
static int count_dropped(const char *reason)
{
	char text[64];
	long n;

	snprintf(text, sizeof text, "chat_dropped_total{reason=\"%s\"}",
		 reason);
	n = read_metric(&s, text);
	snprintf(text, sizeof text, "disconnected: %s", reason);
	ck_assert_int_eq(count_lines(text), n);
	return (int)n;
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

START_TEST(keeps_977_listeners_in_order_under_a_firehose)
{
	pid_t stopped, vanishing;
	int dropped;

	begin();
	stopped = join_stopped(1);
	vanishing = join_stopped(VANISHING);
	hear_all(vanishing, join_room(&s, ""));
	waitpid(vanishing, NULL, 0);
	waitpid(speaker, NULL, 0);
	expect_metric(&s, "chat_messages_total", SAID);
	do
		dropped = count_dropped("slow") + count_dropped("stuck") +
			  count_dropped("lost") + (poll(NULL, 0, 100), 0);
	while (dropped < LOST);
	ck_assert_int_le(dropped, LOST + 1);
	ck_assert_int_ge(count_dropped("slow"), 2);
	kill(stopped, SIGKILL);
	waitpid(stopped, NULL, 0);
	ck_assert_int_eq(stop(&s), 0);
}
END_TEST

/* ---- A burst from many at once, larger than the ring ---- */

static void say_burst(int fd, int me)
{
	char text[LEN];

	memset(text, '.', sizeof text);
	for (int k = 0; k < BURST; k++) {
		sprintf(text, "%08d %08d", me, k);
		send_frame(fd, 0x81, text, sizeof text);
	}
}

/* Returns a hash (FNV-1a) of all messages in the order in which they come, or 0
   when our own are not all there or not in order. */
static uint64_t hear_bursts(int fd, int me)
{
	uint64_t hash = 14695981039346656037u;
	int next = 0;

	for (int k = 0; k < BURST * SPEAKERS; k++) {
		const struct frame *f = read_frame(fd);

		for (size_t i = 0; i < f->len; i++)
			hash = (hash ^ f->data[i]) * 1099511628211u;
		if (atoi((char *)f->data) == me)
			next += atoi((char *)f->data + 9) == next;
	}
	return next == BURST ? hash : 0;
}

START_TEST(loses_nothing_of_burst_larger_than_ring)
{
	pid_t speakers[SPEAKERS];
	uint64_t first = 0, hash;
	int out[2];

	begin();
	ck_assert(pipe(out) == 0);
	for (int i = 0; i < SPEAKERS; i++) {
		int fd = join_room(&s, "");

		speakers[i] = fork();
		if (speakers[i] == 0) {
			raise(SIGSTOP); /* until all are in the room */
			if (fork() == 0) {
				say_burst(fd, i);
				_exit(0);
			}
			hash = hear_bursts(fd, i);
			hash = write(out[1], &hash, sizeof hash) > 0;
			pause(); /* it stays in the room */
		}
		waitpid(speakers[i], NULL, WUNTRACED);
		close(fd);
	}
	for (int i = 0; i < SPEAKERS; i++)
		kill(speakers[i], SIGCONT);
	for (int i = 0; i < SPEAKERS; i++) {
		struct pollfd p = {.fd = out[0], .events = POLLIN};

		ck_assert_int_gt(poll(&p, 1, WAIT), 0);
		ck_assert_int_eq(read(out[0], &hash, sizeof hash), sizeof hash);
		first = i == 0 ? hash : first;
		ck_assert_uint_ne(hash, 0);
		ck_assert_uint_eq(hash, first);
	}
	expect_metric(&s, "chat_clients", SPEAKERS);
	ck_assert_int_eq(count_lines("disconnected"), 0);
	for (int i = 0; i < SPEAKERS; i++) {
		kill(speakers[i], SIGKILL);
		waitpid(speakers[i], NULL, 0);
	}
	ck_assert_int_eq(stop(&s), 0);
}
END_TEST

Suite *crowd_suite(void)
{
	Suite *suite = suite_create("crowd");
	TCase *t = tcase_create("crowds and slow readers");

	tcase_set_timeout(t, 120);
	tcase_add_test(t, keeps_977_listeners_in_order_under_a_firehose);
	tcase_add_test(t, loses_nothing_of_burst_larger_than_ring);
	suite_add_tcase(suite, t);
	return suite;
}
