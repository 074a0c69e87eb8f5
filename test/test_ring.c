/* SPDX-License-Identifier: MIT */
/*
 * ring.h, with limits so small that they are reached, against a model that
 * keeps every message; and the file that a kill, a power cut or a failing disk
 * leaves. The Makefile builds this ring.c in a folder of its own, where
 * pwrite() and fsync() are fake_pwrite() and fake_fsync().
 */
#define _DEFAULT_SOURCE /* for MAP_ANONYMOUS */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "build/ring/ring.h"

#include "suites.h"

enum {
	STEPS = 20000,   /* of the model */
	CUTS = 10000,    /* power cuts */
	KILLS = 2000,    /* kills */
	MARK = 112,      /* bytes: what the file is */
	PAGE = 64,       /* bytes that the disk has, or has not; two entries */
	FILE_MAX = 3072, /* more than the file has */
	FILM = 600,      /* states of the file that are kept */
	LAPS = 100,      /* messages of a film: four times round the ring */
};

/* ---- A model: every message is known by its number ---- */

/* Returns a number from 0 to n - 1: xorshift64, the same ones in each run. */
static unsigned below(unsigned n)
{
	static uint64_t state = 20261130;

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (unsigned)((state >> 32) % n);
}

/* Returns the payload's length of a message: often of some bytes, now and then
   the shortest and the longest, and those where the header grows. */
static size_t length_of(uint64_t number)
{
	static const size_t edges[] = {0, 1, 125, 126, MESSAGE_MAX};
	uint64_t mixed = number * 2654435761 >> 7;

	return mixed % 4 == 0 ? edges[mixed / 4 % COUNT(edges)]
			      : mixed / 4 % 60;
}

/* Writes the frame of a message.  Returns its size. */
static size_t frame_of(uint64_t number, unsigned char out[MESSAGE_MAX + 4])
{
	size_t len = length_of(number), n = 0;

	out[n++] = number % 3 == 0 ? 0x82 : 0x81;
	if (len > 125) {
		out[n++] = 126;
		out[n++] = (unsigned char)(len >> 8);
	}
	out[n++] = (unsigned char)len;
	for (size_t i = 0; i < len; i++)
		out[n++] = (unsigned char)(number * 31 + i);
	return n;
}

static void append(uint64_t number)
{
	unsigned char frame[MESSAGE_MAX + 4];
	size_t n = frame_of(number, frame);
	struct ws_frame f = {frame[0] & 15, frame, n - length_of(number), n};

	ring_append(&f);
}

/* Reads bytes from .. to - 1 of the ring, in one or two pieces. */
static void read_ring(unsigned char *out, uint64_t from, uint64_t to)
{
	const unsigned char *data;

	for (int pieces = 0; from < to; pieces++) {
		size_t n = ring_chunk(&data, from, to);

		MUST(n > 0 && n <= to - from && pieces < 2, "%zu bytes", n);
		memcpy(out, data, n);
		out += n;
		from += n;
	}
	MUST(ring_chunk(&data, to, to) == 0, "bytes behind the end");
}

/* The history is exactly the messages from some number on, up to the last: as
   many as asked for, if that many fit in half of the ring; or fewer, if some
   may be lost. */
static void expect_history(int count, bool is_whole)
{
	static unsigned char heard[RING_SIZE], said[MESSAGE_MAX + 4];
	uint64_t at = ring_history_start(count), number = ring.next;
	size_t size = (size_t)(ring.head - at), n;

	MUST(at <= ring.head && size <= RING_SIZE / 2, "%zu bytes", size);
	read_ring(heard, at, ring.head);
	while (size > 0) {
		n = frame_of(--number, said);
		MUST(n <= size && memcmp(heard + size - n, said, n) == 0,
		     "message %d of %d is another", (int)number,
		     (int)ring.next);
		size -= n;
	}
	MUST(ring.next - number <= (uint64_t)count, "more than %d", count);
	n = number > 0 ? frame_of(number - 1, said) : 0;
	MUST(ring.next - number == (uint64_t)count || number == 0 ||
		     ring.head - at + n > RING_SIZE / 2 ||
		     (!is_whole && number == ring.first),
	     "%d of %d are too few", (int)(ring.next - number), count);
}

/* ---- The ring in memory ---- */

static const struct {
	size_t used, room;
} rooms[] = {
	{0, RING_SIZE - MESSAGE_MAX - WS_SERVER_HEADER},
	{1, RING_SIZE - MESSAGE_MAX - WS_SERVER_HEADER - 1},
	{RING_SIZE - MESSAGE_MAX - WS_SERVER_HEADER - 1, 1},
	{RING_SIZE - MESSAGE_MAX - WS_SERVER_HEADER, 0},
	{RING_SIZE - MESSAGE_MAX - WS_SERVER_HEADER + 1, 0},
	{RING_SIZE, 0},
};

START_TEST(keeps_room_for_message_in_progress)
{
	ck_assert_ptr_null(ring_open(NULL));
	for (uint64_t n = 0; ring.head < RING_SIZE; n++) {
		ring.slowest = ring.head;
		append(n);
	}
	ring.slowest = ring.head - rooms[_i].used;
	ck_assert_uint_eq(ring_room(), rooms[_i].room);
}
END_TEST

/* Whatever may be appended by ring_room() fits, and all that no client has yet
   stays as it was said. */
START_TEST(sends_what_was_said)
{
	static unsigned char heard[RING_SIZE], said[MESSAGE_MAX + 4];
	uint64_t cursor = 0, number = 0; /* of the slowest client */
	size_t n;

	ck_assert_ptr_null(ring_open(NULL));
	for (int k = 0; k < STEPS; k++) {
		while (below(2) && ring_room() >= length_of(ring.next) + 6)
			append(ring.next);
		while (below(3) && number < ring.next) {
			n = frame_of(number++, said);
			read_ring(heard, cursor, cursor + n);
			MUST(memcmp(heard, said, n) == 0, "message %d",
			     (int)number - 1);
			cursor += n;
		}
		ring.slowest = cursor;
		expect_history((int)below(HISTORY_MAX + 1), true);
		MUST(ring.next - ring.first <= HISTORY_MAX, "first");
	}
	ck_assert_uint_gt(ring.head, 100 * RING_SIZE);
}
END_TEST

/* ---- A disk, which can be looked at ---- */

/* What happened to the file, shared by all processes of a test. */
static struct film {
	bool runs;
	int count;                  /* states, each after one pwrite() or
				       fsync() */
	int die_at, fail_at, error; /* at the page that is not written */
	bool once;                  /* that fails */
	int fail_fsync;
	int writes, fsyncs; /* so far */
	uint64_t appended;  /* messages */
	struct ring last;   /* the last server, see note() */
	struct {
		unsigned char bytes[FILE_MAX];
		uint64_t appended; /* messages */
		int synced;        /* the disk has at least this state */
	} states[FILM];
} * film;

static char path[64];
static struct ring *told; /* film->last */

/* Keeps how the file is now. */
static void record(int fd, bool is_synced)
{
	int k = film->count;

	if (!film->runs)
		return;
	MUST(k < FILM, "the film is full");
	memset(film->states[k].bytes, 0, FILE_MAX);
	ck_assert_int_ge((int)pread(fd, film->states[k].bytes, FILE_MAX, 0), 0);
	film->states[k].appended = ring.next;
	film->states[k].synced = is_synced ? k
				 : k > 0   ? film->states[k - 1].synced
					   : 0;
	film->count++;
}

/* Writes page by page, as the kernel does.  The server may be killed before any
   of them, or the disk have room for no more. */
ssize_t fake_pwrite(int fd, const void *data, size_t n, off_t at)
{
	const char *from = data;
	size_t done = 0, part;

	while (done < n) {
		part = PAGE - ((size_t)at + done) % PAGE;
		part = part < n - done ? part : n - done;
		film->writes++;
		if (film->writes == film->die_at)
			_exit(0);
		if (film->fail_at > 0 && film->writes >= film->fail_at) {
			film->fail_at = film->once ? 0 : film->fail_at;
			errno = film->error;
			return done > 0 ? (ssize_t)done : -1;
		}
		ck_assert(pwrite(fd, from + done, part, at + (off_t)done) ==
			  (ssize_t)part);
		done += part;
	}
	record(fd, false);
	return (ssize_t)n;
}

int fake_fsync(int fd)
{
	if (++film->fsyncs == film->fail_fsync) {
		errno = EIO;
		return -1;
	}
	record(fd, true);
	return 0;
}

static void make_disk(void)
{
	film = mmap(NULL, sizeof *film, PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	told = &film->last;
	strcpy(path, "test/build/ring-XXXXXX");
	close(mkstemp(path));
}

/* Runs a server in a process of its own, which is killed at its end. */
static void run(void (*server)(void))
{
	int status;
	pid_t pid;

	film->writes = film->fsyncs = 0;
	pid = fork();
	if (pid == 0) {
		server();
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	MUST(status == 0, "status %#x", (unsigned)status);
}

static void open_ring(void)
{
	const char *why = ring_open(path);

	MUST(why == NULL, "%s", why);
	MUST(ring.slowest == ring.head, "no client is there");
}

/* Appends so many messages, and saves now and then. */
static void talk(int count)
{
	for (int k = 0; k < count; k++) {
		ring.slowest = ring.head;
		append(ring.next);
		if (below(6) == 0)
			ring_save();
	}
}

/* ---- Stops, kills and power cuts ---- */

static void note(void)
{
	*told = ring;
}

static void open_any(void)
{
	open_ring();
	for (int count = 0; count <= HISTORY_MAX; count++)
		expect_history(count, false);
	note();
}

static void open_whole(void)
{
	open_ring();
	expect_history(HISTORY_MAX, true);
	note();
}

static void talk_and_stop(void)
{
	open_ring();
	talk(LAPS);
	note();
	ring_close();
}

static void talk_until_killed(void)
{
	open_ring();
	talk(LAPS);
	MUST(ring_save() == 0, "not saved");
	note();
}

static void stop_while_disk_fails(void)
{
	open_ring();
	talk(LAPS);
	MUST(ring_save() == 0, "not saved");
	note();
	film->fail_at = film->writes + 1;
	ring_close();
	film->fail_at = 0;
}

static void stop_while_fsync_fails(void)
{
	open_ring();
	talk(LAPS);
	note();
	film->fail_fsync = film->fsyncs + 1;
	ring_close();
	film->fail_fsync = 0;
}

static void truncate_and_stop(void)
{
	open_ring();
	talk(LAPS);
	note();
	MUST(truncate(path, 0) == 0, "not truncated");
	ring_close();
}

static const struct {
	void (*end)(void);
	bool goes_on;
} ends[] = {
	{talk_and_stop, true},           {truncate_and_stop, true},
	{talk_until_killed, false},      {stop_while_disk_fails, false},
	{stop_while_fsync_fails, false},
};

/* The next server has all messages, but goes on counting only if the one before
   has closed the file; also within the same second. */
START_TEST(goes_on_counting_only_after_stop)
{
	struct ring before;

	make_disk();
	run(ends[_i].end);
	before = *told;
	run(open_whole);
	ck_assert_uint_eq(told->next, before.next);
	if (ends[_i].goes_on)
		ck_assert_uint_eq(told->since, before.since);
	else
		ck_assert_uint_gt(told->since, before.since);
	unlink(path);
}
END_TEST

static void talk_and_save(void)
{
	open_ring();
	for (;;) {
		talk((int)below(HISTORY_MAX));
		film->appended = ring.next;
		if (ring_save() == 0)
			told->next = ring.next;
	}
}

/* A server is killed at any write of a page.  All that was saved is there, with
   a whole history before it, and nothing that was not appended. */
START_TEST(has_what_was_saved_after_any_kill)
{
	uint64_t saved = 0;

	make_disk();
	for (int k = 0; k < KILLS; k++) {
		film->die_at = 1 + (int)below(200);
		below(1 + (unsigned)k); /* another talk each time */
		told->next = saved;
		film->appended = saved;
		run(talk_and_save);
		saved = told->next;
		film->die_at = 0;
		run(open_whole);
		MUST(told->next >= saved &&
			     told->next <= film->appended + HISTORY_MAX,
		     "%d were saved, %d are there", (int)saved,
		     (int)told->next);
		saved = told->next;
	}
	ck_assert_uint_gt(saved, 1000);
	unlink(path);
}
END_TEST

/* Writes a file of which each page is from any state of the film from the last
   fsync() on: mostly the newest one, or in turn any. */
static void tear(int newest, unsigned often)
{
	static unsigned char image[FILE_MAX];
	int oldest = film->states[newest].synced, fd;

	for (size_t at = 0; at < FILE_MAX; at += PAGE) {
		int when = below(1000) < often
				   ? oldest + (int)below((unsigned)(newest -
								    oldest + 1))
				   : newest;

		memcpy(image + at, film->states[when].bytes + at, PAGE);
	}
	fd = open(path, O_WRONLY);
	ck_assert_int_eq((int)write(fd, image, FILE_MAX), FILE_MAX);
	close(fd);
}

/* The film shows a server that begins with a closed file and is stopped.  The
   power fails at any moment of it. */
START_TEST(shows_only_whole_messages_after_power_cut)
{
	uint64_t name, full = 0;
	int opened = 0;

	make_disk();
	run(talk_and_stop);
	name = told->since;
	film->runs = true;
	run(talk_and_stop);
	film->runs = false;
	ck_assert_int_gt(film->count, LAPS / 4);
	while (film->states[opened].synced == 0)
		opened++; /* before that nothing is said */
	for (int k = 0; k < CUTS; k++) {
		int newest = (int)below((unsigned)film->count);

		tear(newest, k % 3 == 0 ? 1000 : k % 3 == 1 ? 200 : 30);
		run(open_any);
		MUST(told->next <= film->states[newest].appended, "too many");
		MUST(told->since != name || told->next == LAPS ||
			     told->next == 2 * LAPS,
		     "the count goes on, but %d are there", (int)told->next);
		MUST(told->since != name || newest < opened ||
			     told->next == 2 * LAPS,
		     "the count goes on after a cut");
		full += told->next - told->first > HISTORY_MAX / 2;
	}
	ck_assert_uint_gt(full, CUTS / 10);
	unlink(path);
}
END_TEST

/* ---- Damaged files ---- */

/* Whatever some byte, or all behind the mark become, no message is shown that
   was not said. */
START_TEST(leaves_out_damaged_messages)
{
	unsigned char bytes[FILE_MAX], bad[FILE_MAX];
	int fd, size, shown = 0;

	make_disk();
	run(talk_and_stop);
	fd = open(path, O_RDWR);
	size = (int)read(fd, bytes, FILE_MAX);
	for (int at = MARK; at < size; at += 1 + (int)below(3)) {
		memcpy(bad, bytes, FILE_MAX);
		bad[at] ^= (unsigned char)(1 + below(255));
		for (int k = at; k < size && at % 7 == 0; k++)
			bad[k] = (unsigned char)below(at % 2 ? 256 : 3);
		ck_assert(pwrite(fd, bad, (size_t)size, 0) == size);
		run(open_any);
		MUST(told->next <= LAPS, "more than was said");
		shown += told->next == LAPS &&
			 told->next - told->first > HISTORY_MAX / 2;
	}
	ck_assert_int_gt(shown, 100);
	close(fd);
	unlink(path);
}
END_TEST

/* ---- Disks that fail ---- */

static const int errors[] = {ENOSPC, EIO, EDQUOT, EFBIG, EROFS};

static int fail_after; /* pages */

/* The disk fails at once or after a part.  Then the room goes on, each save
   says so, and as soon as the disk takes it, all is there. */
static void fail_and_mend(void)
{
	open_ring();
	talk(LAPS);
	ring_save();
	film->fail_at = film->writes + fail_after;
	film->once = fail_after % 2;
	for (int k = 0; ring_save() == 0; k++) {
		MUST(k < LAPS, "it does not fail");
		talk(1);
	}
	MUST(errno == film->error || errno == ENOSPC, "errno %d", errno);
	talk(LAPS);
	expect_history(HISTORY_MAX, true);
	if (!film->once)
		MUST(ring_check() == NULL, "it cannot be mended");
	MUST(ring_save() < 0, "it was not mended");
	film->fail_at = 0;
	MUST(ring_check() != NULL, "it is mended");
	MUST(ring_check() == NULL, "it was mended before");
	MUST(ring_save() == 0, "not saved");
	note();
}

START_TEST(goes_on_in_memory_and_mends_file)
{
	struct ring before;

	make_disk();
	film->error = errors[_i];
	for (fail_after = 1; fail_after < 30; fail_after++) {
		run(fail_and_mend);
		before = *told;
		run(open_whole);
		ck_assert_uint_eq(told->next, before.next);
	}
	unlink(path);
}
END_TEST

Suite *ring_suite(void)
{
	Suite *suite = suite_create("ring");
	TCase *t = tcase_create("in memory");

	tcase_set_timeout(t, 60);
	add_table_test(t, keeps_room_for_message_in_progress, rooms);
	tcase_add_test(t, sends_what_was_said);
	suite_add_tcase(suite, t);
	t = tcase_create("stopped, killed, cut");
	tcase_set_timeout(t, 600);
	add_table_test(t, goes_on_counting_only_after_stop, ends);
	tcase_add_test(t, has_what_was_saved_after_any_kill);
	tcase_add_test(t, shows_only_whole_messages_after_power_cut);
	suite_add_tcase(suite, t);
	t = tcase_create("damage");
	tcase_set_timeout(t, 600);
	tcase_add_test(t, leaves_out_damaged_messages);
	add_table_test(t, goes_on_in_memory_and_mends_file, errors);
	suite_add_tcase(suite, t);
	return suite;
}
