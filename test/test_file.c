/* SPDX-License-Identifier: MIT */
/*
 * The file of option -f with the real server: the history outlives a server
 * that is killed at any moment, again and again, a disk that takes no more and
 * a file that is emptied; and a file that cannot be used stays as it is.
 *
 *     FILE_KILLS=200 CK_RUN_SUITE=file test/build/test
 */
#define _GNU_SOURCE /* for prlimit() and unshare() */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "test.h"

enum {
	HISTORY = 1000,      /* option -n */
	HALF_RING = 1 << 19, /* bytes: a newcomer is sent no more */
	SECONDS = 4,         /* of kills, if FILE_KILLS does not tell */
	NUMBERS = 1 << 20,   /* messages whose life is known */
	TEXT = 2000,         /* bytes of the longest message */
	BUFFER = 1 << 18,    /* bytes */
	LAP = 1000,          /* messages that fill the ring of CHAT */
	FILE_MAX = 1 << 21,  /* bytes that are compared of a file */
	SKIPPED = 77,        /* the status of a child that cannot try it */
};

static struct server s;
static char folder[32], path[64], other[64];
static uint64_t since;                /* the name of the count, or 0 */
static enum { NEW, SAME, ANY } count; /* what becomes of it */

static void make_folder(void)
{
	strcpy(folder, "test/build/folder-XXXXXX");
	ck_assert(mkdtemp(folder) != NULL);
	snprintf(path, sizeof path, "%s/messages", folder);
	snprintf(other, sizeof other, "%s/other", folder);
	since = 0;
	count = NEW;
}

static void remove_folder(void)
{
	unlink(path);
	unlink(other);
	ck_assert_int_eq(rmdir(folder), 0);
}

/* Returns a number from 0 to n - 1: xorshift64, the same ones in each run. */
static unsigned below(unsigned n)
{
	static uint64_t state = 20261125;

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (unsigned)((state >> 32) % n);
}

static void kill_server(void)
{
	kill(s.pid, SIGKILL);
	ck_assert_int_eq(waitpid(s.pid, NULL, 0), s.pid);
	close(s.err);
	count = NEW;
}

static void stop_server(void)
{
	ck_assert_int_eq(stop(&s), 0);
	count = SAME;
}

/* ---- What is said ---- */

static unsigned short lives[NUMBERS]; /* which life a number was said in */

/* Writes the text of a number: it tells the life of the server in which it was
   said, and is small, of any size, or large, in turns of lives.  Returns its
   length. */
static size_t compose(char text[TEXT], uint64_t number, unsigned life)
{
	size_t any = (size_t)(number * 7919 % 1000);
	size_t len = life % 3 == 0   ? 20 + any / 25
		     : life % 3 == 1 ? 20 + any
				     : 900 + any;

	memset(text, 'a' + (int)(number % 26), len);
	snprintf(text, TEXT, "%08" PRIu64 " %08u", number, life);
	text[strlen(text)] = ' ';
	return len;
}

/* Returns how many bytes of the ring a message took that was said. */
static size_t frame_size(uint64_t number)
{
	char text[TEXT];
	size_t len = compose(text, number, lives[number % NUMBERS]);

	return len + (len < 126 ? 2 : 4);
}

static void expect_number(const unsigned char *data, size_t len,
			  uint64_t number)
{
	char text[TEXT];

	MUST(len == compose(text, number, lives[number % NUMBERS]) &&
		     memcmp(data, text, len) == 0,
	     "%.17s, where %" PRIu64 " of life %u was said", (const char *)data,
	     number, lives[number % NUMBERS]);
}

/* Reads the history up to the notice that follows it, and returns its `said`.
   The messages of the history are said - k to said - 1; the first of them is
   written to *first. */
static uint64_t read_history(int fd, uint64_t *first)
{
	struct frame *f = read_frame(fd);
	uint64_t said, heard = 0, begun;
	unsigned number = 0;

	for (; f->data[0] != '{'; f = read_frame(fd)) {
		MUST(f->first == 0x81, "first byte %d, not text", f->first);
		if (heard++ == 0)
			sscanf((char *)f->data, "%u", &number);
		expect_number(f->data, f->len, number + heard - 1);
	}
	ck_assert_int_eq(sscanf((char *)f->data,
				"{\"online\":%*d,\"said\":%" SCNu64
				",\"since\":%" SCNu64 ",",
				&said, &begun),
			 2);
	*first = said - heard;
	MUST(heard == 0 || *first == number,
	     "message %u is %" PRIu64 " by the notice", number, *first);
	MUST(count == ANY || (begun == since) == (count == SAME),
	     "the count goes on: %d", begun == since);
	since = begun;
	count = SAME; /* for the next one in this life of the server */
	return said;
}

/* Returns which message a history begins with before `said`. */
static uint64_t expected_first(uint64_t said, size_t half_ring)
{
	uint64_t first = said;
	size_t size = 0;

	while (first > 0 && said - first < HISTORY) {
		size += frame_size(first - 1);
		if (size > half_ring)
			break;
		first--;
	}
	return first;
}

/* ---- Killed at any moment ---- */

/* A client that talks, and takes what comes meanwhile. */
static struct {
	int fd;
	uint64_t next; /* the number that it must hear next */
	size_t have;   /* bytes of half a frame */
	bool half;     /* that is a message */
	unsigned char in[BUFFER];
} talker;
static unsigned char outgoing[BUFFER]; /* what the talker says: frames */
static size_t out_from, out_to;

static void take_frames(void)
{
	size_t at = 0, header, len;

	talker.half = false;
	while (talker.have - at >= 2) {
		const unsigned char *f = talker.in + at;

		header = f[1] < 126 ? 2 : 4;
		if (talker.have - at <= header)
			break;
		talker.half = f[0] == 0x81 && f[header] != '{';
		len = header == 2 ? f[1] : (size_t)f[2] << 8 | f[3];
		if (talker.have - at - header < len)
			break;
		if (f[0] == 0x81 && f[header] != '{')
			expect_number(f + header, len, talker.next++);
		if (f[0] == 0x88)
			shutdown(talker.fd, SHUT_WR);
		talker.half = false;
		at += header + len;
	}
	talker.have -= at;
	memmove(talker.in, talker.in + at, talker.have);
}

/* Takes all that has come, or with `all` all that comes up to the end of the
   connection. */
static void hear(bool all)
{
	struct pollfd p = {.fd = talker.fd, .events = POLLIN};
	ssize_t n;

	do {
		if (all)
			MUST(poll(&p, 1, WAIT) > 0, "no end came");
		n = recv(talker.fd, talker.in + talker.have,
			 BUFFER - talker.have, MSG_DONTWAIT);
		MUST(all || n > 0 || (n < 0 && errno == EAGAIN),
		     "the connection has ended");
		talker.have += n > 0 ? (size_t)n : 0;
		take_frames();
	} while (all && n > 0);
}

/* Says the next numbers, as many as the socket takes. */
static void talk(uint64_t *number, unsigned life)
{
	char text[TEXT];
	ssize_t n;

	if (out_from == out_to)
		out_from = out_to = 0;
	while (BUFFER - out_to > TEXT + 14) {
		size_t len = compose(text, *number, life);

		lives[(*number)++ % NUMBERS] = (unsigned short)life;
		out_to += build_frame(outgoing + out_to, 0x81, len, text, len);
	}
	n = send(talker.fd, outgoing + out_from, out_to - out_from,
		 MSG_DONTWAIT | MSG_NOSIGNAL);
	out_from += n > 0 ? (size_t)n : 0;
}

static double clock_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* A life of the server: it takes over the file, and is killed, or now and then
   stopped, after at most 30 ms of talk.  *sent and *told are the numbers after
   the last that the client was sent, if only a part of it, and that it has
   said. A newcomer hears all that was sent, and nothing that was not said. */
static void live(unsigned life, uint64_t *sent, uint64_t *told)
{
	uint64_t first, said;
	double end;

	start(&s, CHAT, "-f", path, "-n", "1000", "-l", "0", NULL);
	talker.fd = join_room(&s, "");
	talker.have = out_from = out_to = 0;
	said = talker.next = read_history(talker.fd, &first);
	MUST(said >= *sent && said <= *told &&
		     first == expected_first(said, HALF_RING),
	     "%" PRIu64 " to %" PRIu64 " are there; %" PRIu64 " of %" PRIu64
	     " were heard",
	     first, said, *sent, *told);
	*told = said;
	end = clock_s() + below(30000) / 1e6;
	while (clock_s() < end) {
		talk(told, life);
		hear(false);
	}
	kill(s.pid, life % 10 > 0 ? SIGKILL : SIGTERM);
	hear(true);
	close(talker.fd);
	if (life % 10 > 0)
		kill_server();
	else
		ck_assert_int_eq(await_exit(&s), 0);
	count = life % 10 > 0 ? NEW : SAME;
	*sent = talker.next + talker.half;
}

/* Kills a server at some moment of its start, 4 ms at most after that. */
static void die_early(void)
{
	double end = clock_s() + below(4000) / 1e6;
	pid_t pid = fork();

	if (pid == 0) {
		int null = open("/dev/null", O_RDWR);

		dup2(null, STDOUT_FILENO);
		execl(CHAT, CHAT, "-q", "-a", "127.0.0.1", "-p", "0", "-f",
		      path, (char *)NULL);
		_exit(127);
	}
	while (clock_s() < end)
		;
	kill(pid, SIGKILL);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	count = count == SAME ? ANY : NEW;
}

START_TEST(shows_all_that_was_sent_after_any_kill)
{
	const char *kills = getenv("FILE_KILLS");
	unsigned lives_max = kills != NULL ? (unsigned)atoi(kills) : 10000;
	double end = clock_s() + (kills != NULL ? 3600 : SECONDS);
	uint64_t sent = 0, told = 0;
	unsigned life = 0;

	make_folder();
	die_early(); /* while it makes the file */
	while (life < lives_max && clock_s() < end) {
		live(++life, &sent, &told);
		if (life % 3 == 0)
			die_early();
	}
	printf("file: %u lives, %" PRIu64 " messages\n", life, sent);
	remove_folder();
}
END_TEST

static void say_number(int fd, uint64_t number, unsigned life)
{
	char text[TEXT];
	size_t len = compose(text, number, life);
	const struct frame *f;

	lives[number % NUMBERS] = (unsigned short)life;
	send_frame(fd, 0x81, text, len);
	f = read_message(fd);
	expect_number(f->data, f->len, number);
}

/* Returns how many bytes of a file it reads, `max` at most. */
static size_t read_file(const char *name, void *data, size_t max)
{
	int fd = open(name, O_RDONLY);
	ssize_t n = read(fd, data, max);

	close(fd);
	return n > 0 ? (size_t)n : 0;
}

/* ---- Another start with the file ---- */

/* An upgrade shows nothing twice: the count goes on, with other options. */
START_TEST(goes_on_counting_after_stop)
{
	static const char *const histories[] = {"1000", "1", "0", "1000"};
	static const uint64_t firsts[] = {0, 1, 3, 0};
	uint64_t first, n = 0;
	struct stat file;
	int fd;

	make_folder();
	umask(0);
	for (unsigned k = 0; k < COUNT(histories); k++) {
		start(&s, CHAT, "-f", path, "-n", histories[k], "-c", "1",
		      NULL);
		fd = join_room(&s, "");
		ck_assert_uint_eq(read_history(fd, &first), n);
		ck_assert_uint_eq(first, firsts[k]);
		say_number(fd, n++, 1);
		if (k == 0)
			say_number(fd, n++, 1);
		close(fd);
		stop_server();
		ck_assert_int_eq(stat(path, &file), 0);
		ck_assert_uint_eq(file.st_mode & 0777, 0600);
		ck_assert_int_eq(file.st_size / HALF_RING, 2);
	}
	remove_folder();
}
END_TEST

/* Runs a server that cannot start, up to its end.  Returns its status, and its
   words. */
static int run_to_end(char *words, size_t size, void (*in_child)(void))
{
	int err[2], status;
	pid_t pid;

	ck_assert(pipe(err) == 0);
	pid = fork();
	if (pid == 0) {
		dup2(err[1], STDERR_FILENO);
		close(err[0]);
		close(err[1]);
		if (in_child != NULL)
			in_child();
		execl(CHAT, CHAT, "-a", "127.0.0.1", "-p", "0", "-f", path,
		      (char *)NULL);
		_exit(SKIPPED);
	}
	close(err[1]);
	read_until_end(err[0], words, size);
	close(err[0]);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* ---- A disk that is full, a file that somebody changes ---- */

static uint64_t next; /* number of the next message */

static void say_many(int fd, unsigned n)
{
	while (n-- > 0)
		say_number(fd, next++, 2); /* each 900 to 1,900 bytes */
}

/* After a kill, all is there that was said. */
static void expect_all_after_kill(int fd)
{
	uint64_t first;

	close(fd);
	kill_server();
	start(&s, CHAT, "-f", path, "-n", "1000", NULL);
	fd = join_room(&s, "");
	ck_assert_uint_eq(read_history(fd, &first), next);
	ck_assert_uint_eq(first, expected_first(next, HALF_RING));
	close(fd);
	kill_server();
}

static int start_talk(void)
{
	uint64_t first;
	int fd;

	start(&s, RETRY, "-f", path, "-l", "0", NULL);
	fd = join_room(&s, "");
	ck_assert_uint_eq(read_history(fd, &first), 0);
	next = 0;
	say_many(fd, 10);
	return fd;
}

/* Talks on until the log has a text. */
static void say_until_logged(int fd, const char *text)
{
	struct pollfd p = {.fd = s.err, .events = POLLIN};

	for (int k = 0; k < WAIT / 100 && strstr(s.log, text) == NULL; k++) {
		size_t len = strlen(s.log);

		say_many(fd, 1);
		if (poll(&p, 1, 100) > 0)
			ck_assert(read(s.err, s.log + len,
				       sizeof s.log - 1 - len) > 0);
	}
	ck_assert_msg(strstr(s.log, text) != NULL, "no \"%s\" in the log: %s",
		      text, s.log);
}

static void limit_file(rlim_t size)
{
	const struct rlimit limit = {size, RLIM_INFINITY};

	ck_assert_int_eq(prlimit(s.pid, RLIMIT_FSIZE, &limit, NULL), 0);
}

/* A write is cut short or refused: the room goes on, and when the disk takes
   the file again, all is there. */
START_TEST(goes_on_when_file_may_not_grow)
{
	static const rlim_t sizes[] = {0, 1000, 100000};
	int fd;

	make_folder();
	fd = start_talk();
	limit_file(sizes[_i]);
	say_many(fd, 2 * LAP);
	say_until_logged(fd, "room goes on");
	ck_assert_int_eq(count_in_log(&s, "room goes on"), 1);
	limit_file(RLIM_INFINITY);
	say_until_logged(fd, "saved again");
	expect_all_after_kill(fd);
	remove_folder();
}
END_TEST

START_TEST(mends_file_that_was_emptied)
{
	int fd;

	make_folder();
	fd = start_talk();
	ck_assert_int_eq(truncate(path, 0), 0);
	say_until_logged(fd, "saved again");
	expect_all_after_kill(fd);
	remove_folder();
}
END_TEST

START_TEST(says_once_that_file_was_removed)
{
	int fd;

	make_folder();
	fd = start_talk();
	unlink(path);
	say_until_logged(fd, "removed");
	for (int k = 0; k < 25; k++) { /* more than two looks at the file */
		say_many(fd, 1);
		poll(NULL, 0, 100);
	}
	close(fd);
	kill(s.pid, SIGTERM);
	await_log(&s, "Stopped");
	ck_assert_int_eq(count_in_log(&s, "removed"), 1);
	ck_assert_int_eq(await_exit(&s), 0);
	ck_assert_int_eq(access(path, F_OK), -1);
	remove_folder();
}
END_TEST

/* ---- A file that cannot be used ---- */

static void become_nobody(void)
{
	if (geteuid() == 0 && (setgid(65534) < 0 || setuid(65534) < 0))
		_exit(SKIPPED);
}

static void be_root(void)
{
	if (geteuid() != 0)
		_exit(SKIPPED);
}

static void take_folder_in_file(void)
{
	strcat(path, "/none");
}

static void take_device(void)
{
	strcpy(path, "/dev/null");
}

static void limit_size(void)
{
	const struct rlimit limit = {0, 0};

	setrlimit(RLIMIT_FSIZE, &limit);
}

/* $F is the file of a server that has stopped, of a build with a smaller ring
   if the text in it says so. */
static const struct {
	const char *make, *facts[3]; /* that the words name */
	void (*in_child)(void);      /* before it becomes the server, or NULL */
	bool has_command;            /* behind the last colon: the remedy */
} refusals[] = {
	{"rm $F", {"No such file or directory"}, take_folder_in_file, false},
	{"rm $F; mkdir $F", {"Is a directory"}, NULL, false},
	{"rm $F; mkfifo $F", {"regular file"}, NULL, false},
	{"true", {"regular file"}, take_device, false},
	{"mv $F $F.2; ln -s messages.2 $F", {"symbolic link"}, NULL, false},
	{"echo A history of everything >$F", {"not a history"}, NULL, false},
	{"echo >$F; truncate -s 2M $F", {"not a history"}, NULL, false},
	{"LC_ALL=C sed -i 's/RING_SIZE 1048576/RING_SIZE 0016384/' $F",
	 {"RING_SIZE 0016384", "RING_SIZE 1048576", "move it"},
	 NULL,
	 false},
	{"chmod 666 $F", {"666", "chmod "}, NULL, true},
	{"chown 65534 $F", {"65534", "chown 0 "}, be_root, true},
	{"chmod 0 $F; chmod 755 ${F%/*}",
	 {"Permission denied"},
	 become_nobody,
	 false},
	{"rm $F; chmod 555 ${F%/*}",
	 {"Permission denied", "65534"},
	 become_nobody,
	 false},
	{": >$F", {"File too large"}, limit_size, false},
};

static void expect_refusal(int row)
{
	static char before[FILE_MAX], after[FILE_MAX];
	char words[1000];
	struct stat was = {0}, is = {0};
	int status;

	stat(path, &was);
	if (S_ISREG(was.st_mode))
		read_file(path, before, sizeof before);
	status = run_to_end(words, sizeof words, refusals[row].in_child);
	if (status == SKIPPED)
		return;
	ck_assert_int_eq(status, 1);
	ck_assert_msg(strncmp(words, "chat: -f ", 9) == 0, "%s", words);
	for (int k = 0; k < 3 && refusals[row].facts[k] != NULL; k++)
		ck_assert_msg(strstr(words, refusals[row].facts[k]) != NULL,
			      "no %s: %s", refusals[row].facts[k], words);
	stat(path, &is);
	ck_assert(is.st_mode == was.st_mode && is.st_size == was.st_size);
	if (S_ISREG(was.st_mode))
		read_file(path, after, sizeof after);
	ck_assert_mem_eq(before, after, sizeof before);
	if (refusals[row].has_command) {
		*strchr(words, '\n') = '\0';
		ck_assert_int_eq(system(strrchr(words, ':') + 1), 0);
		start(&s, CHAT, "-f", path, NULL);
		stop_server();
	}
}

START_TEST(refuses_file_and_leaves_it_as_it_is)
{
	char command[200];
	int fd;

	make_folder();
	setenv("F", path, 1);
	fd = start_talk();
	close(fd);
	stop_server();
	if (strncmp(refusals[_i].make, "chown", 5) != 0 || geteuid() == 0)
		ck_assert_int_eq(system(refusals[_i].make), 0);
	expect_refusal(_i);
	snprintf(command, sizeof command, "chmod 700 %s; rm -r %s", folder,
		 folder);
	ck_assert_int_eq(system(command), 0);
}
END_TEST

/* The server that uses the file does not notice; when it is gone, even killed,
   the file is free. */
START_TEST(refuses_file_in_use)
{
	char words[1000];
	uint64_t first;
	int fd;

	make_folder();
	fd = start_talk();
	for (int k = 0; k < 2; k++) {
		ck_assert_int_eq(run_to_end(words, sizeof words, NULL), 1);
		ck_assert_ptr_nonnull(strstr(words, "another server"));
		say_many(fd, 10);
	}
	close(fd);
	kill_server();
	start(&s, CHAT, "-f", path, NULL);
	fd = join_room(&s, "");
	ck_assert_uint_eq(read_history(fd, &first), next);
	close(fd);
	stop_server();
	remove_folder();
}
END_TEST

Suite *file_suite(void)
{
	Suite *suite = suite_create("file");
	TCase *t = tcase_create("killed, and started again");

	tcase_set_timeout(t, 3600);
	tcase_add_test(t, shows_all_that_was_sent_after_any_kill);
	tcase_add_test(t, goes_on_counting_after_stop);
	suite_add_tcase(suite, t);
	t = tcase_create("disks");
	tcase_set_timeout(t, 120);
	tcase_add_loop_test(t, goes_on_when_file_may_not_grow, 0, 3);
	tcase_add_test(t, mends_file_that_was_emptied);
	tcase_add_test(t, says_once_that_file_was_removed);
	suite_add_tcase(suite, t);
	t = tcase_create("refused");
	tcase_set_timeout(t, 60);
	add_table_test(t, refuses_file_and_leaves_it_as_it_is, refusals);
	tcase_add_test(t, refuses_file_in_use);
	suite_add_tcase(suite, t);
	return suite;
}
