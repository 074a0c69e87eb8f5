/* SPDX-License-Identifier: MIT */
/*
 * The file of option -f from the inside: what the next server finds in it after
 * this one was killed at any instruction, after a power failure, and when bytes
 * of it have changed.  The source of chat.c is included, so that tens of
 * thousands of files can be tried, with limits so small that the ring and the
 * table of the messages are overwritten again and again.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../config.h"
#undef CLIENTS_MAX
#undef MESSAGE_MAX
#undef LOG_SIZE
#undef HISTORY_MAX
#undef RECEIVE_SIZE
#define CLIENTS_MAX  4
#define MESSAGE_MAX  1000
#define LOG_SIZE     16384
#define HISTORY_MAX  200
#define RECEIVE_SIZE 1000

static char folder[32], file_path[64]; /* of the file */

/* What map_store() leaves to the end of the process: the file that it opened,
   and its exit with a sentence. */
static int opened = -1;
static char sentence[300];
static jmp_buf exited;

/* The disk: how many bytes are free on it, and what allocates them. */
static off_t free_bytes = 1 << 20;
static bool has_fallocate = true;

static int allocate_bytes(int fd, off_t from, off_t n)
{
	off_t end = from + (n < free_bytes ? n : free_bytes);
	struct stat file;

	if (!has_fallocate)
		return EOPNOTSUPP;
	if (fstat(fd, &file) < 0 ||
	    (file.st_size < end && ftruncate(fd, end) < 0))
		return errno;
	return n > free_bytes ? ENOSPC : 0;
}

static ssize_t write_bytes(int fd, const void *data, size_t n, off_t from)
{
	return pwrite(fd, data, n < (size_t)free_bytes ? n : (size_t)free_bytes,
		      from);
}

/* The system may not tell its start. */
static bool boot_is_known = true;

static int open_file(const char *name, int flags, ...)
{
	bool is_ours = strcmp(name, file_path) == 0;
	int fd = is_ours || boot_is_known ? open(name, flags, 0600) : -1;

	opened = is_ours ? fd : opened;
	return fd;
}

/* What is on the disk whatever happens: the file as it was when the server
   waited for the disk, `sync_count` times so far.  The next time fails if
   sync_error is set. */
static int sync_count, sync_error;
static unsigned char on_disk[100000];

static int sync_file(const void *at, size_t n)
{
	sync_count++;
	errno = sync_error;
	sync_error = 0;
	if (errno != 0)
		return -1;
	memcpy(on_disk, at, n);
	return 0;
}

static ssize_t note_write(int fd, const void *data, size_t n)
{
	if (fd != STDERR_FILENO)
		abort();
	n = n < sizeof sentence ? n : sizeof sentence - 1;
	memcpy(sentence, data, n);
	sentence[n] = '\0';
	return (ssize_t)n;
}

#define open(...)                    open_file(__VA_ARGS__)
#define posix_fallocate(fd, from, n) allocate_bytes(fd, from, n)
#define pwrite(fd, data, n, from)    write_bytes(fd, data, n, from)
#define msync(at, n, flags)          sync_file(at, n)
#define write(fd, data, n)           note_write(fd, data, n)
#define exit(status)                 longjmp(exited, 1 + (status))
#define main                         store_main
#include "../chat.c"
#undef open
#undef posix_fallocate
#undef pwrite
#undef msync
#undef write
#undef exit

#include "store.h"
#include "suites.h"
#include "torn.h"

enum {
	PAGE = 1024,    /* to this ring as 4 KB are to one of 64 KB */
	SAID = 900,     /* messages of the film of a talk */
	IMAGES = 10000, /* of what a power failure may leave */
	KILLS = 400,
	LIVES = 1 << 20, /* numbers of messages whose life is known */
	TEXT = 1000,
};

static struct store image;
static struct store film[SAID + 1]; /* film[n]: n messages were said */
static const struct film talk = {(const void *)film, sizeof film[0], PAGE};
static unsigned short lives[LIVES]; /* which life a number was said in */

/* ---- What is said, and whether that is there ---- */

/* Writes the text that a number has in one life of the server: in turns of 100
   messages small, of one size, and large.  In the lives 0 and 1 they have the
   same lengths, so that those of the one could stand in the places of the
   other; in later ones they are shorter.  Returns the length. */
static size_t compose(char text[TEXT], uint64_t number, unsigned life)
{
	static const unsigned sizes[] = {40, 1, 400};
	size_t any = (size_t)(number * 7919 % sizes[number / 100 % 3]);
	size_t len = 20 + any - (life > 1 ? 1 + life % 4 : 0);

	memset(text, 'a' + (int)(number % 26), len);
	snprintf(text, TEXT, "%08u %06u", (unsigned)number, life);
	text[strlen(text)] = ' ';
	return len;
}

static void set_lives(uint64_t from, uint64_t to, unsigned life)
{
	for (uint64_t n = from; n < to; n++)
		lives[n % LIVES] = (unsigned short)life;
}

static void say_next(unsigned life)
{
	char text[TEXT];
	size_t len = compose(text, ring.next, life);

	lives[ring.next % LIVES] = (unsigned short)life;
	say(text, len);
}

/* Returns true if a message of the store is the frame of what was said. */
static bool is_as_said(uint64_t number)
{
	const struct message *m = find_message(number);
	unsigned char frame[WS_SERVER_HEADER + TEXT];
	char text[TEXT];
	size_t len = compose(text, number, lives[number % LIVES]);
	size_t header = ws_header(frame, WS_TEXT, len);

	if (m->length != header + len)
		return false;
	memcpy(frame + header, text, len);
	for (size_t i = 0; i < m->length; i++) {
		if (ring.store->bytes[(m->start + i) & (LOG_SIZE - 1)] !=
		    frame[i])
			return false;
	}
	return true;
}

/* The store that was loaded is whole, and holds nothing but messages that were
   said, the last one before `said`. */
static void expect_sound(uint64_t said)
{
	const char *flaw = find_flaw();

	MUST(flaw == NULL, "%s", flaw);
	MUST(ring.next <= said, "%d messages of %d", (int)ring.next, (int)said);
	for (uint64_t n = ring.first; n < ring.next; n++)
		MUST(is_as_said(n), "nobody said %d so", (int)n);
}

/* All messages from one that the ring still has to `next` - 1 are there. */
static void expect_range(uint64_t first, uint64_t next)
{
	MUST(ring.first <= first && ring.next >= next,
	     "%d to %d are there, without %d to %d", (int)ring.first,
	     (int)ring.next - 1, (int)first, (int)next - 1);
}

/* Returns the first message that the store must hold when the next `more` bytes
   of the ring and the next entry of the table may have been overwritten. */
static uint64_t oldest_kept(const struct store *store, uint64_t next,
			    size_t more)
{
	uint64_t n = next, end = 0;

	while (n > 0 && next - n < HISTORY_MAX - 1) {
		const struct message *m = &store->messages[--n % HISTORY_MAX];

		end = end > 0 ? end : m->start + m->length;
		if (m->start + LOG_SIZE < end + more)
			return n + 1;
	}
	return n;
}

static void begin_store(struct store *store)
{
	memset(store, 0, sizeof *store);
	load_image(store);
}

/* ---- Killed at any instruction ---- */

/* Uses the file of this path as the server does; returns false when it is
   refused, and then `sentence` says why. */
static bool use_file(void)
{
	*sentence = '\0';
	if (setjmp(exited) != 0) {
		close(opened);
		return false;
	}
	ring.head = ring.slowest = ring.first = ring.next = 0;
	options.file = file_path;
	options.quiet = true;
	map_store(file_path);
	return true;
}

static void leave_file(void)
{
	munmap(ring.store, sizeof memory);
	ring.store = &memory;
	close(opened);
}

static void make_folder(void)
{
	free_bytes = 1 << 20;
	has_fallocate = boot_is_known = true;
	strcpy(folder, "test/build/folder-XXXXXX");
	ck_assert(mkdtemp(folder) != NULL);
	snprintf(file_path, sizeof file_path, "%s/messages", folder);
}

static void remove_folder(void)
{
	unlink(file_path);
	ck_assert_int_eq(rmdir(folder), 0);
}

/* Counts so many nanoseconds, at most 2 ms: that is when the next kill comes.
 */
static void wait_at_random(void)
{
	struct timespec from, now;
	long ns = 1000L * (1 << below(12));

	ns += (long)below((unsigned)ns);
	clock_gettime(CLOCK_MONOTONIC, &from);
	do
		clock_gettime(CLOCK_MONOTONIC, &now);
	while ((now.tv_sec - from.tv_sec) * 1000000000L + now.tv_nsec -
		       from.tv_nsec <
	       ns);
}

/* Starts a process that uses the file and says messages as fast as it can, and
   kills it at some moment.  *sent is the number after the last that anybody
   could have been sent. */
static void live_and_die(unsigned life, volatile uint64_t *sent)
{
	pid_t pid = fork();

	if (pid == 0) {
		if (!use_file())
			_exit(1);
		for (;;) {
			say_next(life);
			*sent = ring.next;
		}
	}
	wait_at_random();
	kill(pid, SIGKILL);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
}

START_TEST(keeps_all_that_was_sent_when_killed_at_any_instruction)
{
	FILE *file = tmpfile();
	volatile uint64_t *sent;
	uint64_t next = 0, since = 0;

	make_folder();
	ck_assert_int_eq(ftruncate(fileno(file), sizeof *sent), 0);
	sent = mmap(NULL, sizeof *sent, PROT_READ | PROT_WRITE, MAP_SHARED,
		    fileno(file), 0);
	for (unsigned life = 1; life <= KILLS; life++) {
		live_and_die(life, sent);
		MUST(use_file(), "life %u: %s", life, sentence);
		set_lives(next, *sent + 1, life);
		expect_sound(*sent + 1);
		expect_range(oldest_kept(ring.store, ring.next, MESSAGE_MAX),
			     *sent);
		MUST(life == 1 || ring.store->since == since,
		     "life %u: a new count", life);
		since = ring.store->since = life == 1 ? 12345 : since;
		*sent = next = ring.next;
		leave_file();
	}
	printf("store: %d messages, %d kills\n", (int)next, KILLS);
	fclose(file);
	remove_folder();
}
END_TEST

/* ---- A power failure ---- */

/* Records a talk: how the file was before it, and after each message. */
static void record_talk(void)
{
	begin_store(&image);
	strcpy(image.mark, "A history of chat");
	strcpy(image.boot, "the boot before");
	image.since = 12345;
	film[0] = image;
	for (int n = 1; n <= SAID; n++) {
		say_next(0);
		film[n] = image;
	}
}

/* A page may even be half written: some of it is then as a message later. */
static void tear_inside(unsigned newest)
{
	for (size_t at = 0; at < sizeof image; at += PAGE) {
		unsigned when = below(newest);
		size_t n = sizeof image - at < PAGE ? sizeof image - at : PAGE;
		size_t cut = below((unsigned)n / 8) * 8;

		if (below(8) > 0)
			continue;
		memcpy((char *)&image + at, (char *)&film[when + 1] + at, cut);
		memcpy((char *)&image + at + cut,
		       (char *)&film[when] + at + cut, n - cut);
	}
}

/* Says some messages more, and loads the file once more: it holds those, and
   nothing comes back that was lost before. */
static void expect_nothing_stale(void)
{
	uint64_t first = ring.first, next = ring.next, since = image.since;
	unsigned more = below(2 * HISTORY_MAX);

	for (unsigned k = 0; k < more; k++)
		say_next(1);
	load_image(&image);
	expect_sound(next + more);
	ck_assert_uint_eq(ring.next, next + more);
	ck_assert(ring.first >= first);
	expect_range(more == 0 ? first
		     : first > oldest_kept(&image, ring.next, 0)
			     ? first
			     : oldest_kept(&image, ring.next, 0),
		     ring.next);
	ck_assert_uint_eq(image.since, since);
	set_lives(next, next + more, 0);
}

START_TEST(shows_run_of_whole_messages_from_pages_of_any_age)
{
	static const unsigned stale[] = {1000, 500, 100, 20};

	record_talk();
	for (unsigned k = 0; k < IMAGES; k++) {
		unsigned newest = 1 + below(SAID);

		tear(&talk, (void *)&image, k % 3 ? 0 : newest - newest / 9,
		     newest, stale[k % 4]);
		if (k % 5 == 0)
			tear_inside(newest);
		load_image(&image);
		expect_sound(SAID);
		/* numbers may be given again of which nothing is left */
		ck_assert_uint_gt(image.since, 12345);
		if (k % 4 == 0)
			expect_nothing_stale();
	}
}
END_TEST

/* Only pages of the last messages are old: all messages before them are there,
   if they are more than those before, which the last ones have overwritten. */
START_TEST(loses_no_message_older_than_the_oldest_page)
{
	record_talk();
	for (unsigned k = 0; k < IMAGES / 3; k++) {
		unsigned newest = 1 + below(SAID);
		uint64_t kept = oldest_kept(&film[newest], newest, 0);
		unsigned recent = newest - (unsigned)kept;
		unsigned oldest = newest - below(recent / 3 + 1);
		uint64_t gone = kept - oldest_kept(&film[oldest], oldest, 0);

		tear(&talk, (void *)&image, oldest, newest, 1000);
		load_image(&image);
		expect_sound(newest);
		if (oldest - kept > gone)
			expect_range(kept, oldest);
		if (k % 4 == 0)
			expect_nothing_stale();
	}
}
END_TEST

/* All messages that were given a number after the first failure are of one
   life, the first one or this: those said after it do not mix with those lost
   in it. */
static void expect_one_life(uint64_t next, uint64_t said, unsigned life)
{
	set_lives(next, said, 0);
	if (ring.next > next && !is_as_said(ring.next - 1))
		set_lives(next, said, life);
	expect_sound(said);
	set_lives(next, said, 0);
}

static size_t entry_place(uint64_t number)
{
	return offsetof(struct store, messages) +
	       number % HISTORY_MAX * sizeof(struct message);
}

/* Returns a message that is whole, though not in the run, and whose entry
   begins a page; or 0. */
static uint64_t find_lost(struct store *store, uint64_t next, uint64_t newest)
{
	ring.store = store;
	for (uint64_t n = next + 1; n < newest; n++) {
		if (entry_place(n) % PAGE == 0 && is_whole(n))
			return n;
	}
	return 0;
}

/* In the first failure one page of the ring was old, and messages behind it are
   lost that are whole.  Others of the same lengths are said, up to those.  In
   the second failure, the page of the entries of the lost ones is as old as it
   can be: as it was when the server had started. */
static void fail_twice(unsigned newest, size_t old, unsigned life)
{
	static struct store before, started;
	uint64_t next, lost;

	image = film[newest];
	memcpy((char *)&image + old, (char *)&film[newest - 40] + old, PAGE);
	before = image;
	load_image(&image);
	started = image;
	next = ring.next;
	lost = find_lost(&before, next, newest);
	ring.store = &image;
	if (lost == 0)
		return;
	while (ring.next < lost)
		say_next(life);
	old = entry_place(lost);
	memcpy((char *)&image + old, (char *)&started + old, PAGE);
	load_image(&image);
	expect_one_life(next, SAID, life);
}

START_TEST(mixes_no_messages_of_two_power_failures)
{
	record_talk();
	for (unsigned newest = 100; newest <= SAID; newest += 3) {
		for (size_t old = 7 * PAGE; old <= LOG_SIZE; old += PAGE)
			fail_twice(newest, old, 1);
	}
}
END_TEST

/* ---- Changed bytes, and a file that is cut off ---- */

/* Loads the talk with one byte changed.  Of the two halves that are left, the
   longer one is shown; if numbers will be given again, their count begins anew,
   unless nothing is left of the last message. */
static void expect_half(size_t at, unsigned char byte)
{
	const uint64_t kept = oldest_kept(&film[SAID], SAID, 0);
	bool vanished;

	image = film[SAID];
	((unsigned char *)&image)[at] = byte;
	vanished = image.messages[(SAID - 1) % HISTORY_MAX].length == 0;
	strcpy(image.boot, "present boot"); /* the server was only killed */
	load_image(&image);
	expect_sound(SAID);
	ck_assert(ring.next - ring.first >= (SAID - kept - 1) / 2);
	MUST(vanished || ring.next == SAID || image.since != 12345,
	     "the count goes on at %d", (int)ring.next);
}

START_TEST(shows_nothing_else_when_a_byte_has_changed)
{
	const size_t table_to = offsetof(struct store, bytes);
	size_t at = offsetof(struct store, messages);

	record_talk();
	for (; at < sizeof image; at += at < table_to ? 1 : 7) {
		unsigned char byte = ((unsigned char *)&film[SAID])[at];

		expect_half(at, byte == 0 || at % 4 > 0
					? byte ^ (unsigned char)(1 + below(255))
					: 0);
	}
}
END_TEST

/* Makes the file of this path hold this, and nothing else. */
static void write_file(const void *data, size_t n)
{
	FILE *file = fopen(file_path, "wb");

	ck_assert_uint_eq(fwrite(data, 1, n, file), n);
	ck_assert_int_eq(fclose(file), 0);
}

/* Using the file fails with this reason, and leaves it as it is. */
static void expect_refusal(const void *data, size_t n, const char *why)
{
	static unsigned char after[sizeof image + 1];
	FILE *file;

	MUST(!use_file(), "it was taken, and not refused: %s", why);
	MUST(strstr(sentence, why) != NULL, "not %s, but %s", why, sentence);
	file = fopen(file_path, "rb");
	MUST(fread(after, 1, sizeof after, file) == n &&
		     memcmp(after, data, n) == 0,
	     "refused, and yet changed: %s", why);
	fclose(file);
}

/* Makes a file as the server does. */
static void make_file(void)
{
	make_folder();
	ck_assert(use_file());
	ring.store->since = 12345;
	for (int n = 0; n < SAID; n++)
		say_next(0);
	image = *ring.store;
	leave_file();
}

START_TEST(refuses_changed_mark)
{
	static struct store changed;

	make_file();
	for (size_t at = 0; at < sizeof image.mark; at++) {
		changed = image;
		changed.mark[at] ^= (char)(1 << below(7));
		write_file(&changed, sizeof changed);
		expect_refusal(&changed, sizeof changed,
			       at < strlen("A history of chat")
				       ? "it is no history of chat"
				       : "it is of a build with other limits");
	}
	changed = image;
	changed.mark[0] = '\0';
	write_file(&changed, sizeof changed);
	expect_refusal(&changed, sizeof changed, "it is no history of chat");
	remove_folder();
}
END_TEST

/* The count may have begun at any time. */
START_TEST(accepts_any_beginning_of_the_count)
{
	make_file();
	for (int k = 0; k < 64; k++) {
		image.since = (uint64_t)1 << k;
		image.boot[0] = '\0';
		write_file(&image, sizeof image);
		ck_assert(use_file());
		expect_sound(SAID);
		ck_assert_uint_eq(ring.next, SAID);
		ck_assert_uint_eq(ring.store->since, (uint64_t)1 << k);
		leave_file();
	}
	remove_folder();
}
END_TEST

START_TEST(refuses_file_of_any_other_size)
{
	make_file();
	for (size_t size = sizeof image - 1; size > 0; size--) {
		ck_assert_int_eq(truncate(file_path, (off_t)size), 0);
		expect_refusal(&image, size,
			       size >= strlen(image.mark) ? "its size is wrong"
							  : "it is ");
	}
	write_file(&image, sizeof image);
	ck_assert_int_eq(truncate(file_path, sizeof image + 1), 0);
	ck_assert(!use_file());
	remove_folder();
}
END_TEST

/* A server that was killed before it wrote the mark leaves nothing but zeros,
   as many as it had got from the disk; the next one takes that for its own. */
START_TEST(takes_file_of_zeros_for_a_new_one)
{
	static const struct store zeros;
	const size_t sizes[] = {0, 1, PAGE, sizeof zeros - 1, sizeof zeros};

	make_folder();
	for (size_t k = 0; k < COUNT(sizes); k++) {
		write_file(&zeros, sizes[k]);
		ck_assert(use_file());
		ck_assert_uint_eq(ring.next, 0);
		say_next(0);
		leave_file();
		ck_assert(use_file());
		expect_sound(1);
		ck_assert_uint_eq(ring.next, 1);
		leave_file();
	}
	remove_folder();
}
END_TEST

/* The server waits until its start is on the disk: from then on a failure of
   the power finds the mark, and nothing that was lost before. */
START_TEST(starts_when_the_file_is_on_the_disk)
{
	make_folder();
	for (int k = 0; k < 2; k++) {
		sync_count = 0;
		ck_assert(use_file());
		ck_assert_int_eq(sync_count, 1);
		ck_assert_mem_eq(on_disk, ring.store, sizeof memory);
		for (int n = 0; n < SAID; n++)
			say_next(0);
		ring.store->bytes[ring.head / 2 % LOG_SIZE] ^= 1;
		ck_assert_int_eq(sync_count, 1);
		leave_file();
	}
	sync_error = EIO;
	MUST(!use_file(), "it was taken, and the disk is broken");
	MUST(strstr(sentence, strerror(EIO)) != NULL, "%s", sentence);
	remove_folder();
}
END_TEST

/* When it stops, the server says so in the file, and not before all else is on
   the disk. */
START_TEST(says_that_it_stops_when_all_is_on_the_disk)
{
	const struct store *disk = (void *)on_disk;

	make_file();
	ck_assert(use_file());
	say_next(0);
	sync_count = 0;
	sync_error = EIO;
	release_store();
	ck_assert(ring.store->boot[0] != '\0' && disk->boot[0] != '\0');
	ck_assert_mem_eq(disk, ring.store, sizeof memory);
	release_store();
	ck_assert(ring.store->boot[0] == '\0' && disk->boot[0] == '\0');
	ck_assert_int_eq(sync_count, 4);
	leave_file();
	remove_folder();
}
END_TEST

/* How a server ends, and what the next one must not go on with, since messages
   may be missing: the count of the one before. */
static const struct {
	bool stopped, other_boot, known_before, known;
	bool goes_on;
} ends[] = {
	{true, true, true, true, true},     {true, true, false, false, true},
	{false, false, true, true, true},   /* killed */
	{false, true, true, true, false},   /* the power failed */
	{false, false, true, false, false}, /* it may have */
	{false, false, false, true, false}, {false, false, false, false, false},
};

START_TEST(goes_on_with_count_if_nothing_can_be_missing)
{
	make_folder();
	boot_is_known = ends[_i].known_before;
	ck_assert(use_file());
	ring.store->since = UINT64_MAX / 2;
	say_next(0);
	if (ends[_i].stopped)
		release_store();
	else if (ends[_i].other_boot)
		ring.store->boot[5] ^= 1;
	leave_file();
	boot_is_known = ends[_i].known;
	ck_assert(use_file());
	expect_sound(1);
	ck_assert_uint_eq(ring.next, 1);
	/* the clock is far behind, as on a board without one */
	ck_assert_uint_eq(ring.store->since,
			  UINT64_MAX / 2 + (ends[_i].goes_on ? 0 : 1));
	leave_file();
	remove_folder();
}
END_TEST

/* A file of others that has the size of ours and begins with a 0 keeps all its
   bytes, also when the disk is full or has no fallocate(). */
START_TEST(leaves_file_of_others_on_any_disk)
{
	make_file();
	image.mark[0] = 0;
	for (int k = 0; k < 2; k++) {
		has_fallocate = k > 0;
		free_bytes = has_fallocate ? PAGE : sizeof image;
		write_file(&image, sizeof image);
		expect_refusal(&image, sizeof image,
			       "it is no history of chat");
	}
	remove_folder();
}
END_TEST

/* A full disk is told at the start, and leaves an empty file: when there is
   room, the server starts. */
START_TEST(makes_file_when_disk_has_room)
{
	struct stat file;

	make_folder();
	for (int k = 0; k < 2; k++) {
		has_fallocate = k > 0;
		free_bytes = sizeof image - 1;
		MUST(!use_file(), "it was taken, and the disk is full");
		MUST(strstr(sentence, strerror(ENOSPC)) != NULL, "%s",
		     sentence);
		ck_assert(stat(file_path, &file) == 0 && file.st_size == 0);
		free_bytes = sizeof image;
		MUST(use_file(), "%s", sentence);
		say_next(0);
		expect_sound(1);
		leave_file();
		unlink(file_path);
	}
	remove_folder();
}
END_TEST

/* A file that is there may have holes, for which the disk has no room; without
   fallocate() the server cannot find out.  The messages stay in any case. */
START_TEST(keeps_messages_on_any_disk)
{
	make_file();
	free_bytes = PAGE;
	expect_refusal(&image, sizeof image, strerror(ENOSPC));
	has_fallocate = false;
	MUST(use_file(), "%s", sentence);
	expect_sound(SAID);
	ck_assert_uint_eq(ring.next, SAID);
	leave_file();
	remove_folder();
}
END_TEST

/* Returns whether a run of messages goes on with this one. */
static bool continues(uint64_t number)
{
	return is_whole(number - 1) && is_whole(number) && adjoins(number);
}

/* A message is known by all that its entry says, and not by its bytes alone. */
START_TEST(knows_message_by_number_place_and_length)
{
	record_talk();
	for (uint64_t n = SAID - 20; n < SAID; n++) {
		struct message *m = find_message(n);

		ck_assert(is_whole(n) && continues(n));
		ck_assert(!is_whole(n + HISTORY_MAX));
		m->number += HISTORY_MAX;
		ck_assert(!is_whole(n + HISTORY_MAX) && !continues(n + 1));
		m->number -= HISTORY_MAX;
		m->start += LOG_SIZE;
		ck_assert(!is_whole(n) && !continues(n));
		m->start -= LOG_SIZE;
		m->length--;
		ck_assert(!is_whole(n) && !continues(n));
		m->length++;
		m->checksum++;
		ck_assert(!is_whole(n) && !continues(n));
		m->checksum--;
	}
}
END_TEST

Suite *store_suite(void)
{
	Suite *suite = suite_create("store");
	TCase *t = tcase_create("the file of -f, from the inside");

	tcase_set_timeout(t, 120);
	tcase_add_test(t,
		       keeps_all_that_was_sent_when_killed_at_any_instruction);
	tcase_add_test(t, shows_run_of_whole_messages_from_pages_of_any_age);
	tcase_add_test(t, loses_no_message_older_than_the_oldest_page);
	tcase_add_test(t, mixes_no_messages_of_two_power_failures);
	tcase_add_test(t, shows_nothing_else_when_a_byte_has_changed);
	tcase_add_test(t, refuses_changed_mark);
	tcase_add_test(t, accepts_any_beginning_of_the_count);
	tcase_add_test(t, refuses_file_of_any_other_size);
	tcase_add_test(t, takes_file_of_zeros_for_a_new_one);
	tcase_add_test(t, starts_when_the_file_is_on_the_disk);
	tcase_add_test(t, says_that_it_stops_when_all_is_on_the_disk);
	tcase_add_loop_test(t, goes_on_with_count_if_nothing_can_be_missing, 0,
			    COUNT(ends));
	tcase_add_test(t, makes_file_when_disk_has_room);
	tcase_add_test(t, keeps_messages_on_any_disk);
	tcase_add_test(t, leaves_file_of_others_on_any_disk);
	tcase_add_test(t, knows_message_by_number_place_and_length);
	suite_add_tcase(suite, t);
	return suite;
}
