/* SPDX-License-Identifier: MIT */
/*
 * The file of option -f with the real server: the history outlives a server
 * that is killed at any moment, again and again, and a power failure; and a
 * file that cannot be used stays as it is.
 *
 *     FILE_KILLS=200 CK_RUN_SUITE=file test/build/test        so many kills
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
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
#include "torn.h"

enum {
	HISTORY = 1000,         /* option -n */
	HALF_RING = 1 << 19,    /* bytes: a newcomer is sent no more */
	SECONDS = 6,            /* of kills, if FILE_KILLS does not tell */
	NUMBERS = 1 << 20,      /* messages whose life is known */
	TEXT = 2000,            /* bytes of the longest message */
	BUFFER = 1 << 18,       /* bytes */
	SMALL_HALF_RING = 8192, /* of the build SMALL */
	PAGE = 4096,
	BOOT = 112, /* place of the name of the system's start in the file */
	SAID = 300, /* messages of the film of a talk */
	IMAGES = 40,
	FILE_MAX = 1 << 21, /* bytes that are compared of a file */
	SKIPPED = 77,       /* the status of a child that cannot try it */
	RECENT = 5, /* the last messages, in less than a third of that ring */
};

static struct server s;
static char folder[32], path[64], other[64];
static uint64_t since; /* of the first notice, or 0 */

static void make_folder(void)
{
	strcpy(folder, "test/build/folder-XXXXXX");
	ck_assert(mkdtemp(folder) != NULL);
	snprintf(path, sizeof path, "%s/messages", folder);
	snprintf(other, sizeof other, "%s/other", folder);
	since = 0;
}

static void remove_folder(void)
{
	unlink(path);
	unlink(other);
	ck_assert_int_eq(rmdir(folder), 0);
}

static void kill_server(void)
{
	kill(s.pid, SIGKILL);
	ck_assert_int_eq(waitpid(s.pid, NULL, 0), s.pid);
	close(s.err);
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
	uint64_t said, count = 0, begun;
	unsigned number = 0;

	for (; f->data[0] != '{'; f = read_frame(fd)) {
		MUST(f->first == 0x81, "first byte %d, not text", f->first);
		if (count++ == 0)
			sscanf((char *)f->data, "%u", &number);
		expect_number(f->data, f->len, number + count - 1);
	}
	ck_assert_int_eq(sscanf((char *)f->data,
				"{\"online\":%*d,\"said\":%" SCNu64
				",\"since\":%" SCNu64 ",",
				&said, &begun),
			 2);
	*first = said - count;
	MUST(count == 0 || *first == number,
	     "message %u is %" PRIu64 " by the notice", number, *first);
	since = since == 0 ? begun : since;
	MUST(begun == since, "the count has begun anew");
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

/* A client that takes what comes while the talk goes on. */
struct ear {
	int fd;
	uint64_t next; /* the number that it must hear next */
	size_t have;   /* bytes of half a frame */
	bool half;     /* that is a message */
	unsigned char in[BUFFER];
};

static struct ear talker, listener;
static unsigned char outgoing[BUFFER]; /* what the talker says: frames */
static size_t out_from, out_to;

static void take_frames(struct ear *e)
{
	size_t at = 0, header, len;

	e->half = false;
	while (e->have - at >= 2) {
		const unsigned char *f = e->in + at;

		header = f[1] < 126 ? 2 : 4;
		if (e->have - at <= header)
			break;
		e->half = f[0] == 0x81 && f[header] != '{';
		len = header == 2 ? f[1] : (size_t)f[2] << 8 | f[3];
		if (e->have - at - header < len)
			break;
		if (f[0] == 0x81 && f[header] != '{')
			expect_number(f + header, len, e->next++);
		if (f[0] == 0x88)
			shutdown(e->fd, SHUT_WR);
		e->half = false;
		at += header + len;
	}
	e->have -= at;
	memmove(e->in, e->in + at, e->have);
}

/* Takes all that has come, or with `all` all that comes up to the end of the
   connection. */
static void hear(struct ear *e, bool all)
{
	struct pollfd p = {.fd = e->fd, .events = POLLIN};
	ssize_t n;

	do {
		if (all)
			MUST(poll(&p, 1, WAIT) > 0, "no end came");
		n = recv(e->fd, e->in + e->have, BUFFER - e->have,
			 MSG_DONTWAIT);
		MUST(all || n > 0 || (n < 0 && errno == EAGAIN),
		     "the connection has ended");
		e->have += n > 0 ? (size_t)n : 0;
		take_frames(e);
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

/* A newcomer is sent exactly what the server had when it was killed: all that
   anybody was sent, and nothing that the talker had not said. */
static uint64_t join(struct ear *e, uint64_t sent, uint64_t told)
{
	uint64_t first, said, wanted;

	e->fd = join_room(&s, "");
	e->have = 0;
	e->half = false;
	said = e->next = read_history(e->fd, &first);
	MUST(said >= sent && said <= told,
	     "%" PRIu64 " were said; %" PRIu64 " of %" PRIu64 " were heard",
	     said, sent, told);
	wanted = expected_first(said, HALF_RING);
	/* the message that it was saying when it was killed had taken the place
	   of the oldest one in the table */
	MUST(first == wanted ||
		     (first == wanted + 1 && said - wanted == HISTORY),
	     "the history begins at %" PRIu64 " and not at %" PRIu64, first,
	     wanted);
	return said;
}

/* Returns the number after the last one that a client was sent, if only a part
   of it. */
static uint64_t heard(const struct ear *e)
{
	return e->next + e->half;
}

/* A life of the server: it takes over the file, and is killed, or now and then
   stopped, after at most 30 ms of talk.  *sent and *told are the numbers after
   the last that anybody was sent, and that the talker has said. */
static void live(unsigned life, uint64_t *sent, uint64_t *told)
{
	double end;

	start(&s, CHAT, "-f", path, "-n", "1000", "-l", "0", NULL);
	join(&listener, *sent, *told);
	*told = join(&talker, *sent, *told);
	out_from = out_to = 0;
	end = clock_s() + below(30000) / 1e6;
	while (clock_s() < end) {
		talk(told, life);
		hear(&talker, false);
		hear(&listener, false);
	}
	kill(s.pid, life % 10 > 0 ? SIGKILL : SIGTERM);
	hear(&talker, true);
	hear(&listener, true);
	close(talker.fd);
	close(listener.fd);
	if (life % 10 > 0)
		kill_server();
	else
		ck_assert_int_eq(await_exit(&s), 0);
	*sent = heard(&talker);
	if (*sent < heard(&listener))
		*sent = heard(&listener);
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
}

START_TEST(shows_all_that_was_sent_after_any_kill)
{
	const char *kills = getenv("FILE_KILLS");
	unsigned lives_max = kills != NULL ? (unsigned)atoi(kills) : 10000;
	double end = clock_s() + (kills != NULL ? 3600 : SECONDS);
	uint64_t sent = 0, told = 0;
	unsigned life = 0;

	make_folder();
	while (life < lives_max && clock_s() < end) {
		live(++life, &sent, &told);
		if (life % 3 == 0)
			die_early();
	}
	printf("file: %u lives, %" PRIu64 " messages\n", life, sent);
	remove_folder();
}
END_TEST

/* The file is made by a server that is killed; the next one can use it. */
START_TEST(starts_after_kill_in_the_middle_of_the_first_start)
{
	uint64_t first;

	make_folder();
	for (int i = 0; i < 40; i++) {
		int fd;

		die_early();
		start(&s, CHAT, "-f", path, NULL);
		fd = join_room(&s, "");
		since = 0;
		ck_assert_uint_eq(read_history(fd, &first), 0);
		close(fd);
		kill_server();
		unlink(path);
	}
	remove_folder();
}
END_TEST

/* ---- A power failure ---- */

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

static void write_file(const char *name, const void *data, size_t n)
{
	FILE *file = fopen(name, "wb");

	ck_assert_uint_eq(fwrite(data, 1, n, file), n);
	ck_assert_int_eq(fclose(file), 0);
}

/* Returns the bytes of a file, or up to `max` of them. */
static size_t read_file(const char *name, void *data, size_t max)
{
	FILE *file = fopen(name, "rb");
	size_t n = file != NULL ? fread(data, 1, max, file) : 0;

	if (file != NULL)
		fclose(file);
	return n;
}

/* Lets a server be talked to, and records its file after each message. */
static void record_talk(struct film *film)
{
	unsigned char *copies;
	struct stat file;
	uint64_t first;
	int fd;

	start(&s, SMALL, "-f", path, "-l", "0", NULL);
	fd = join_room(&s, "");
	ck_assert_uint_eq(read_history(fd, &first), 0);
	ck_assert_int_eq(stat(path, &file), 0);
	film->size = (size_t)file.st_size;
	film->page = PAGE;
	film->copies = copies = malloc(film->size * (SAID + 1));
	read_file(path, copies, film->size);
	for (unsigned n = 0; n < SAID; n++) {
		say_number(fd, n, 1);
		copies += film->size;
		ck_assert_uint_eq(read_file(path, copies, film->size),
				  film->size);
	}
	close(fd);
	kill_server();
}

/* Starts a server with an image, and returns what it says that was said.  If
   only pages of the last messages are `recent`, it has all others. */
static uint64_t start_with_image(int *fd, bool recent)
{
	uint64_t said, first;

	start(&s, SMALL, "-f", path, "-n", "1000", "-l", "0", NULL);
	*fd = join_room(&s, "");
	said = read_history(*fd, &first);
	MUST(!recent || first == expected_first(said, SMALL_HALF_RING),
	     "the history begins at %" PRIu64 " before %" PRIu64, first, said);
	return said;
}

START_TEST(shows_run_of_messages_after_power_failure)
{
	struct film film;
	unsigned char *image;

	make_folder();
	record_talk(&film);
	image = malloc(film.size);
	for (unsigned i = 0; i < IMAGES; i++) {
		unsigned newest = 2 * RECENT + below(SAID + 1 - 2 * RECENT);
		unsigned oldest = i % 2 ? newest - below(RECENT + 1) : 0;
		uint64_t said;
		int fd;

		tear(&film, image, oldest, newest, i % 4 ? 1000 : 100);
		image[BOOT] ^= 1;
		write_file(path, image, film.size);
		since = 0; /* a new count begins, */
		said = start_with_image(&fd, i % 2);
		ck_assert(said >= oldest && said <= newest);
		for (unsigned k = 0; k < RECENT; k++)
			say_number(fd, said + k, 3 + i % 2);
		close(fd);
		kill_server();
		/* but not another one now, and nothing lost comes back */
		ck_assert_uint_eq(start_with_image(&fd, i % 2), said + RECENT);
		close(fd);
		kill_server();
		for (unsigned k = 0; k < RECENT; k++)
			lives[said + k] = 1;
	}
	free(image);
	free((void *)(size_t)film.copies);
	remove_folder();
}
END_TEST

/* Which messages are missing cannot be told after a power failure; so it must
   not look as if none were. */
START_TEST(begins_new_count_after_power_failure)
{
	static char image[FILE_MAX];
	uint64_t first, before;
	char line[200];
	size_t n;
	int fd;

	make_folder();
	start(&s, CHAT, "-f", path, NULL);
	fd = join_room(&s, "");
	ck_assert_uint_eq(read_history(fd, &first), 0);
	say_number(fd, 0, 1);
	close(fd);
	kill_server();
	n = read_file(path, image, sizeof image);
	image[BOOT] ^= 1;
	write_file(path, image, n);
	before = since;
	since = 0;
	start(&s, CHAT, "-f", path, "-n", "1000", NULL);
	snprintf(line, sizeof line,
		 " chat 1 messages are in %s; 0 were damaged and are lost; the "
		 "system went down meanwhile\n",
		 path);
	await_log(&s, line);
	fd = join_room(&s, "");
	ck_assert_uint_eq(read_history(fd, &first), 1);
	ck_assert_uint_gt(since, before);
	close(fd);
	ck_assert_int_eq(stop(&s), 0);
	remove_folder();
}
END_TEST

/* ---- Another start with the file ---- */

static void expect_history(const char *history, const char *const *texts,
			   int count)
{
	int fd;

	start(&s, CHAT, "-f", path, "-n", history, "-c", "1", "-l", "7", NULL);
	fd = join_room(&s, "");
	for (int k = 0; k < count; k++) {
		const struct frame *f = read_frame(fd);

		ck_assert_int_eq(f->first, 0x81);
		ck_assert_str_eq((const char *)f->data, texts[k]);
	}
	expect_notice(fd, 1);
	send_message(fd, "more");
	expect_message(fd, "more");
	close(fd);
	ck_assert_int_eq(stop(&s), 0);
}

START_TEST(goes_on_with_other_options)
{
	const char *texts[] = {"one", "two", "more", "more", "more", "four"};
	char line[200];
	int fd;

	make_folder();
	start(&s, CHAT, "-f", path, NULL);
	snprintf(line, sizeof line,
		 " chat 0 messages are in %s; 0 were damaged and are lost\n",
		 path);
	await_log(&s, line);
	fd = join_room(&s, "");
	send_message(fd, "one");
	send_message(fd, "two");
	expect_message(fd, "one");
	expect_message(fd, "two");
	close(fd);
	ck_assert_int_eq(stop(&s), 0);
	expect_history("1000", texts, 2);
	expect_history("1", texts + 2, 1);
	expect_history("0", NULL, 0);
	start(&s, CHAT, "-f", path, "-n", "0", "-t", "0", NULL);
	fd = join_room(&s, "");
	send_message(fd, "four");
	expect_message(fd, "four");
	close(fd);
	ck_assert_int_eq(stop(&s), 0);
	expect_history("1000", texts, COUNT(texts));
	remove_folder();
}
END_TEST

START_TEST(makes_file_of_its_size_for_its_user)
{
	struct stat file, full;
	off_t size;
	int fd;

	make_folder();
	start(&s, CHAT, "-f", path, NULL);
	ck_assert_int_eq(stat(path, &file), 0);
	size = file.st_size;
	ck_assert_uint_eq(file.st_mode & 0777, 0600);
	ck_assert_int_ge(size, 2 * HALF_RING);
	/* the disk has set aside all of it, and so cannot be full later */
	fd = open(other, O_RDWR | O_CREAT, 0600);
	ck_assert_int_eq(posix_fallocate(fd, 0, size), 0);
	ck_assert_int_eq(fstat(fd, &full), 0);
	ck_assert_int_ge(file.st_blocks, full.st_blocks);
	close(fd);
	fd = join_room(&s, "");
	send_message(fd, "one");
	expect_message(fd, "one");
	close(fd);
	ck_assert_int_eq(stop(&s), 0);
	ck_assert_int_eq(stat(path, &file), 0);
	ck_assert_int_eq(file.st_size, size);
	remove_folder();
}
END_TEST

/* Copies a file, and leaves out what is 0. */
static void copy_with_holes(const char *from, const char *to)
{
	static const char zeros[PAGE];
	char data[PAGE];
	FILE *in = fopen(from, "rb");
	int out = open(to, O_WRONLY | O_CREAT, 0600);
	off_t at = 0;
	size_t n;

	while ((n = fread(data, 1, sizeof data, in)) > 0) {
		if (memcmp(data, zeros, n) != 0)
			ck_assert(pwrite(out, data, n, at) == (ssize_t)n);
		at += (off_t)n;
	}
	ck_assert_int_eq(ftruncate(out, at), 0);
	fclose(in);
	close(out);
}

/* A file that comes from a backup may have holes: on a full disk, the server
   would be killed by a SIGBUS when it says a message into one. */
START_TEST(fills_holes_of_file_at_start)
{
	struct stat whole, copy;

	make_folder();
	start(&s, CHAT, "-f", other, NULL);
	ck_assert_int_eq(stop(&s), 0);
	copy_with_holes(other, path);
	start(&s, CHAT, "-f", path, NULL);
	ck_assert_int_eq(stop(&s), 0);
	ck_assert(stat(other, &whole) == 0 && stat(path, &copy) == 0);
	ck_assert_int_eq(copy.st_size, whole.st_size);
	ck_assert_int_ge(copy.st_blocks, whole.st_blocks);
	remove_folder();
}
END_TEST

/* ---- A file that cannot be used ---- */

static void make_own(const char *binary)
{
	int fd;

	start(&s, binary, "-f", path, NULL);
	fd = join_room(&s, "");
	send_message(fd, "mine");
	expect_message(fd, "mine");
	close(fd);
	ck_assert_int_eq(stop(&s), 0);
}

static void make_nothing(void)
{
	snprintf(path, sizeof path, "%s/none/messages", folder);
}

static void make_directory(void)
{
	snprintf(path, sizeof path, "%s", folder);
}

static void make_fifo(void)
{
	ck_assert_int_eq(mkfifo(path, 0600), 0);
}

static void make_device(void)
{
	snprintf(path, sizeof path, "/dev/null");
}

static void make_text(void)
{
	write_file(path, "A history of everything\n", 24);
}

static void make_zeros(void)
{
	write_file(path, "", 0);
	ck_assert_int_eq(truncate(path, FILE_MAX), 0);
}

static void make_other_build(void)
{
	make_own(SMALL);
}

static void change_own(off_t by)
{
	struct stat file;

	make_own(CHAT);
	ck_assert_int_eq(stat(path, &file), 0);
	ck_assert_int_eq(truncate(path, file.st_size + by), 0);
}

static void make_shorter(void)
{
	change_own(-1);
}

static void make_longer(void)
{
	change_own(1);
}

/* Something that begins with a 0 and has the right size is not ours either. */
static void make_foreign(void)
{
	FILE *file;

	make_own(CHAT);
	file = fopen(path, "r+b");
	ck_assert_int_eq(fputc(0, file), 0);
	fclose(file);
}

static void make_unreadable(void)
{
	make_own(CHAT);
	ck_assert_int_eq(chmod(path, 0), 0);
	ck_assert_int_eq(chmod(folder, 0755), 0);
}

static void make_folder_of_others(void)
{
	ck_assert_int_eq(chmod(folder, 0555), 0);
}

static void become_nobody(void)
{
	if (geteuid() == 0 && (setgid(65534) < 0 || setuid(65534) < 0))
		_exit(SKIPPED);
}

static void make_empty(void)
{
	write_file(path, "", 0);
}

static void limit_size(void)
{
	const struct rlimit limit = {1000, 1000};

	setrlimit(RLIMIT_FSIZE, &limit);
}

static const struct {
	void (*make)(void);
	int error;          /* whose words are the reason, or */
	const char *reason; /* this */
	void (*in_child)(void);
} refusals[] = {
	{make_nothing, ENOENT, NULL, NULL},
	{make_directory, EISDIR, NULL, NULL},
	{make_fifo, 0, "it is not a regular file", NULL},
	{make_device, 0, "it is not a regular file", NULL},
	{make_text, 0, "it is no history of chat", NULL},
	{make_zeros, 0, "it is no history of chat", NULL},
	{make_foreign, 0, "it is no history of chat", NULL},
	{make_other_build, 0,
	 "it is of a build with other limits, or of another processor", NULL},
	{make_shorter, 0, "its size is wrong", NULL},
	{make_longer, 0, "its size is wrong", NULL},
	{make_unreadable, EACCES, NULL, become_nobody},
	{make_folder_of_others, EACCES, NULL, become_nobody},
	{make_empty, EFBIG, NULL, limit_size},
};

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

static void expect_refusal(const char *reason, void (*in_child)(void))
{
	static char before[FILE_MAX], after[FILE_MAX];
	char words[500], wanted[500];
	struct stat was = {0}, is = {0};
	int status;

	stat(path, &was);
	if (S_ISREG(was.st_mode))
		read_file(path, before, sizeof before);
	status = run_to_end(words, sizeof words, in_child);
	if (status == SKIPPED)
		return;
	ck_assert_int_eq(status, 1);
	snprintf(wanted, sizeof wanted, "chat: cannot use -f %s: %s\n", path,
		 reason);
	/* a profiler may complain behind that */
	ck_assert_msg(strncmp(words, wanted, strlen(wanted)) == 0, "%s", words);
	stat(path, &is);
	ck_assert(is.st_mode == was.st_mode && is.st_size == was.st_size);
	if (S_ISREG(was.st_mode))
		read_file(path, after, sizeof after);
	ck_assert_mem_eq(before, after, sizeof before);
}

START_TEST(refuses_file_and_leaves_it_as_it_is)
{
	make_folder();
	refusals[_i].make();
	expect_refusal(refusals[_i].reason != NULL
			       ? refusals[_i].reason
			       : strerror(refusals[_i].error),
		       refusals[_i].in_child);
	snprintf(path, sizeof path, "%s/messages", folder);
	remove_folder();
}
END_TEST

/* A disk that is full when the file is made leaves an empty file, and room on
   it later is all that is needed. */
START_TEST(can_make_file_after_disk_was_full)
{
	struct stat file;
	char words[500];

	make_folder();
	ck_assert_int_eq(run_to_end(words, sizeof words, limit_size), 1);
	ck_assert(stat(path, &file) < 0 || file.st_size == 0);
	make_own(CHAT);
	remove_folder();
}
END_TEST

/* The server that uses the file does not notice; when it is gone, even killed,
   the file is free. */
START_TEST(refuses_file_in_use)
{
	struct server other_server;
	int fd;

	make_folder();
	start(&s, CHAT, "-f", path, NULL);
	expect_refusal("another process uses it", NULL);
	fd = join_room(&s, "");
	expect_notice(fd, 1);
	send_message(fd, "mine");
	expect_message(fd, "mine");
	expect_refusal("another process uses it", NULL);
	start(&other_server, CHAT, "-f", other, NULL);
	ck_assert_int_eq(stop(&other_server), 0);
	close(fd);
	kill_server();
	start(&s, CHAT, "-f", path, NULL);
	fd = join_room(&s, "");
	expect_message(fd, "mine");
	close(fd);
	ck_assert_int_eq(stop(&s), 0);
	remove_folder();
}
END_TEST

Suite *file_suite(void)
{
	Suite *suite = suite_create("file");
	TCase *t = tcase_create("killed, and started again");

	tcase_set_timeout(t, 3600);
	tcase_add_test(t, shows_all_that_was_sent_after_any_kill);
	tcase_add_test(t, starts_after_kill_in_the_middle_of_the_first_start);
	tcase_add_test(t, shows_run_of_messages_after_power_failure);
	tcase_add_test(t, begins_new_count_after_power_failure);
	suite_add_tcase(suite, t);
	t = tcase_create("one file and another");
	tcase_set_timeout(t, 60);
	tcase_add_test(t, goes_on_with_other_options);
	tcase_add_test(t, makes_file_of_its_size_for_its_user);
	tcase_add_test(t, fills_holes_of_file_at_start);
	add_table_test(t, refuses_file_and_leaves_it_as_it_is, refusals);
	tcase_add_test(t, can_make_file_after_disk_was_full);
	tcase_add_test(t, refuses_file_in_use);
	suite_add_tcase(suite, t);
	return suite;
}
