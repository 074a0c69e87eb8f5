/* SPDX-License-Identifier: MIT */
/* The file of option -f: how it is opened, and what is taken over from it. */

#define ROOM    "./room"
#define CREATES "create " ROOM " 600\n"
#define STATS   CREATES "stat 3\n"
#define LOCKS   STATS "lock 3\n"
#define READS   LOCKS "read 3\n"
#define BYTES   "1080704"
#define MAPS    "map 3 " BYTES "\n"
#define NEW     LOCKS "allocate 3 " BYTES "\n"
#define CUT     "truncate 3 0\n"
#define EMPTY \
	LOG "chat 0 messages are in " ROOM "; 0 were damaged and are lost\n"
#define NOT_OURS "it is no history of chat"
#define OTHER_BUILD \
	"it is of a build with other limits, or of another processor"

static struct store file; /* what is in the file */

/* Gives the file the mark of this build. */
static void set_mark(void)
{
	snprintf(file.mark, sizeof file.mark,
		 "A history of chat: version 1, LOG_SIZE 1048576, "
		 "HISTORY_MAX 1000, %s endian\n",
		 htons(1) == 1 ? "big" : "little");
}

/* ---- Opening ---- */

/* The size of the file, as that of a store and so many bytes more; its mark,
   or NULL for that of this build; a byte of it that is 1, or 0 for none. */
#define NONE (-(int)sizeof memory)
static const struct file_case {
	const char *name;
	mode_t mode;
	int more;
	const char *mark;
	size_t one;
	struct answer answers[2];
	const char *calls; /* all that are made */
	const char *why;   /* why it cannot be used, or NULL */
	int error;         /* or the error that tells it */
} files[] = {
	{"good", S_IFREG, 0, NULL, 0, {{0}}, READS MAPS, NULL, 0},
	{"new", S_IFREG, NONE, "", 0, {{0}}, NEW MAPS, NULL, 0},
	{"from a server that was killed before it wrote the mark",
	 S_IFREG,
	 0,
	 "",
	 0,
	 {{0}},
	 READS MAPS,
	 NULL,
	 0},
	/* calls that fail */
	{"not to be opened",
	 0,
	 0,
	 NULL,
	 0,
	 {{"open", -1, EACCES}},
	 CREATES,
	 NULL,
	 EACCES},
	{"not there any more",
	 S_IFREG,
	 0,
	 NULL,
	 0,
	 {{"fstat", -1, EIO}},
	 STATS,
	 NULL,
	 EIO},
	{"locked",
	 S_IFREG,
	 0,
	 NULL,
	 0,
	 {{"fcntl", -1, EAGAIN}},
	 LOCKS,
	 "another process uses it",
	 0},
	{"not to be read",
	 S_IFREG,
	 0,
	 NULL,
	 0,
	 {{"pread", -1, EIO}},
	 READS,
	 NULL,
	 EIO},
	{"not to be mapped",
	 S_IFREG,
	 0,
	 NULL,
	 0,
	 {{"mmap", -1, ENODEV}},
	 READS MAPS,
	 NULL,
	 ENODEV},
	/* a new file, whose bytes must all be there: a call returns its error,
	   and in case of need they are written */
	{"too big",
	 S_IFREG,
	 NONE,
	 "",
	 0,
	 {{"posix_fallocate", ENOSPC, 0}},
	 NEW CUT,
	 NULL,
	 ENOSPC},
	{"too big, and stays",
	 S_IFREG,
	 NONE,
	 "",
	 0,
	 {{"posix_fallocate", ENOSPC, 0}, {"ftruncate", -1, EIO}},
	 NEW CUT,
	 NULL,
	 EIO},
	{"written",
	 S_IFREG,
	 NONE,
	 "",
	 0,
	 {{"posix_fallocate", EOPNOTSUPP, 0}},
	 NEW "to 3: zeros\n" MAPS,
	 NULL,
	 0},
	{"written, too",
	 S_IFREG,
	 NONE,
	 "",
	 0,
	 {{"posix_fallocate", EINVAL, 0}},
	 NEW "to 3: zeros\n" MAPS,
	 NULL,
	 0},
	{"written in part",
	 S_IFREG,
	 NONE,
	 "",
	 0,
	 {{"posix_fallocate", EOPNOTSUPP, 0}, {"write", 1080703, 0}},
	 NEW "to 3: zeros\n" CUT,
	 NULL,
	 ENOSPC},
	{"not written",
	 S_IFREG,
	 NONE,
	 "",
	 0,
	 {{"posix_fallocate", EINVAL, 0}, {"write", -1, EFBIG}},
	 NEW "to 3: zeros\n" CUT,
	 NULL,
	 ENOSPC},
	/* files that are not touched */
	{"a pipe",
	 S_IFIFO,
	 NONE,
	 "",
	 0,
	 {{0}},
	 STATS,
	 "it is not a regular file",
	 0},
	{"zeros, but too few", S_IFREG, -1, "", 0, {{0}}, READS, NOT_OURS, 0},
	{"zeros, but too many", S_IFREG, 1, "", 0, {{0}}, READS, NOT_OURS, 0},
	{"one byte", S_IFREG, NONE + 1, "A", 0, {{0}}, READS, NOT_OURS, 0},
	{"zeros up to the last byte",
	 S_IFREG,
	 0,
	 "",
	 sizeof memory - 1,
	 {{0}},
	 READS MAPS,
	 NOT_OURS,
	 0},
	{"zeros and a byte", S_IFREG, 0, "", 1, {{0}}, READS MAPS, NOT_OURS, 0},
	{"a text",
	 S_IFREG,
	 0,
	 "A history of char",
	 0,
	 {{0}},
	 READS,
	 NOT_OURS,
	 0},
	{"the start of a mark",
	 S_IFREG,
	 0,
	 "A history of chat",
	 0,
	 {{0}},
	 READS,
	 OTHER_BUILD,
	 0},
	{"a longer mark",
	 S_IFREG,
	 0,
	 NULL,
	 sizeof memory.mark - 1,
	 {{0}},
	 READS,
	 OTHER_BUILD,
	 0},
	{"of another build, and of its size",
	 S_IFREG,
	 1,
	 "A history of chat: version 2",
	 0,
	 {{0}},
	 READS,
	 OTHER_BUILD,
	 0},
	{"cut off",
	 S_IFREG,
	 -1,
	 NULL,
	 0,
	 {{0}},
	 READS,
	 "it has been cut off",
	 0},
	{"longer", S_IFREG, 1, NULL, 0, {{0}}, READS, "it has been cut off", 0},
};

START_TEST(maps_file_or_says_why_not)
{
	const struct file_case *f = &files[_i];
	const char *why = f->error != 0 ? strerror(f->error) : f->why;
	char want[600];

	options.file = ROOM;
	set_mark();
	if (f->mark != NULL) {
		memset(file.mark, 0, sizeof file.mark);
		strcpy(file.mark, f->mark);
	}
	if (f->one > 0)
		((char *)&file)[f->one] = 1;
	file_bytes = &file;
	file_mode = f->mode;
	file_size = sizeof file + (size_t)f->more;
	for (int k = 0; k < 2 && f->answers[k].call != NULL; k++)
		queue_answer(f->answers[k].call, f->answers[k].result,
			     f->answers[k].error);
	EXITS(map_store(ROOM));
	snprintf(want, sizeof want,
		 why == NULL ? "%s" EMPTY
			     : "%sto 2: chat: cannot use -f " ROOM
			       ": %s\nexit 1\n",
		 f->calls, why);
	ck_assert_msg(strcmp(trace, want) == 0, "%s: %s", f->name, trace);
	ck_assert_uint_eq(answered, answers);
	ck_assert_ptr_eq(ring.store, why == NULL ? &file : &memory);
	if (why == NULL) {
		strcpy(want, file.mark);
		set_mark();
		ck_assert_str_eq(want, file.mark);
	}
}
END_TEST

/* ---- Taking over ---- */

/* Says messages that differ, whose frames have so many bytes. */
static void say(int count, size_t size)
{
	unsigned char data[MESSAGE_MAX];
	const struct ws_frame f = {WS_TEXT, data, 0,
				   size - (size > 127 ? 4 : 2)};

	options.file = ROOM;
	while (count-- > 0) {
		memset(data, 'a' + (int)(ring.next % 26), sizeof data);
		ring.slowest = ring.head;
		broadcast(&f);
	}
}

/* Starts the server anew, and checks which messages it has: from `first` up to
   the one before `next`, and that so many were lost. */
static void expect_after_restart(uint64_t first, uint64_t next, unsigned lost)
{
	static const struct message none;
	uint64_t head =
		find_message(next - 1)->start + find_message(next - 1)->length;
	char want[200];

	ring.store->since = 7;
	ring.head = ring.slowest = ring.first = ring.next = 0;
	clear_calls();
	load_store();
	ck_assert_uint_eq(ring.first, first);
	ck_assert_uint_eq(ring.next, next);
	ck_assert_uint_eq(ring.head, next > first ? head : 0);
	ck_assert_uint_eq(ring.slowest, ring.head);
	ck_assert_uint_eq(ring.store->since, lost > 0 ? 0 : 7);
	sprintf(want,
		LOG "chat %d messages are in " ROOM
		    "; %u were damaged and are lost\n",
		(int)(next - first), lost);
	EXPECT_CALLS(want);
	for (uint64_t k = next; k < first + HISTORY_MAX; k++)
		MUST(memcmp(find_message(k), &none, sizeof none) == 0,
		     "message %d is still there", (int)k);
}

/* The number and the offset of the first of some messages, how many there are,
   and how many bytes each has; those that there are after a restart. */
static const struct {
	uint64_t number, start;
	int count;
	size_t size;
	uint64_t first, next;
} sound[] = {
	{0, 0, 0, 8, 0, 0},
	{0, 0, 1, 2, 0, 1},
	{0, 0, 10, 8, 0, 10},
	{999, 5000, 1, 8, 999, 1000},
	{995, 5000, 10, 8, 995, 1005}, /* across the end of the table */
	{995, LOG_SIZE - 44, 10, 8, 995, 1005}, /* and of the ring */
	{0, 0, HISTORY_MAX, 8, 0, 1000},
	{0, 0, HISTORY_MAX + 1, 8, 1, 1001},
	{0, 0, 1500, 8, 500, 1500},
	/* the ring holds 255 of these; its head is at 300 * 4100 */
	{0, 0, 300, 4100, 45, 300},
	{(uint64_t)1 << 40, (uint64_t)1 << 50, 1500, 8,
	 ((uint64_t)1 << 40) + 500, ((uint64_t)1 << 40) + 1500},
};

START_TEST(takes_over_what_ring_and_table_hold)
{
	ring.next = sound[_i].number;
	ring.head = sound[_i].start;
	say(sound[_i].count, sound[_i].size);
	expect_after_restart(sound[_i].first, sound[_i].next, 0);
}
END_TEST

/* What is damaged of a message. */
enum part { NUMBER, PLACE, START, LENGTH, ABSENT, CHECKSUM, BYTE, MOVED };

static void damage(uint64_t number, enum part part)
{
	struct message *m = find_message(number);

	switch (part) {
	case NUMBER: m->number += HISTORY_MAX; break;
	case PLACE: m->number++; break;
	case START: m->start++; break;
	case LENGTH: m->length++; break;
	case ABSENT: m->length = 0; break;
	case CHECKSUM: m->checksum ^= 1; break;
	case BYTE: ring.store->bytes[m->start & (LOG_SIZE - 1)] ^= 1; break;
	case MOVED: /* whole, but not beside the one before */
		m->start++;
		m->checksum = checksum(m);
		break;
	}
}

/* The numbers of the first and the last of some messages; a damage to one; the
   run that is taken then, and how many are lost. */
static const struct {
	uint64_t from, to, damaged;
	enum part part;
	uint64_t first, next;
	unsigned lost;
} damages[] = {
	{0, 9, 9, NUMBER, 0, 9, 1},
	{0, 9, 9, PLACE, 0, 9, 1},
	{0, 9, 9, START, 0, 9, 1},
	{0, 9, 9, LENGTH, 0, 9, 1},
	{0, 9, 9, CHECKSUM, 0, 9, 1},
	{0, 9, 9, BYTE, 0, 9, 1},
	{0, 9, 9, MOVED, 0, 9, 1},
	{0, 9, 9, ABSENT, 0, 9, 0}, /* its server was killed as it wrote it */
	{0, 9, 0, NUMBER, 1, 10, 1},
	{0, 9, 0, START, 1, 10, 1},
	{0, 9, 0, BYTE, 1, 10, 1},
	{0, 9, 3, BYTE, 4, 10, 4},
	{0, 9, 6, BYTE, 0, 6, 4},
	{0, 9, 3, ABSENT, 4, 10, 3},
	{0, 9, 3, MOVED, 4, 10, 4},
	{0, 0, 0, BYTE, 0, 0, 1},
	/* of two equal runs, that which comes first in the table */
	{0, 10, 5, BYTE, 0, 5, 6},
	{997, 1007, 1002, BYTE, 1003, 1008, 6},
	/* across the end of the table */
	{990, 1009, 994, CHECKSUM, 995, 1010, 5},
	{990, 1009, 1000, CHECKSUM, 990, 1000, 10},
	/* in a full table, both runs have gaps beside them */
	{500, 1499, 1499, BYTE, 500, 1499, 1},
	{500, 1499, 500, BYTE, 501, 1500, 1},
	{500, 1499, 600, BYTE, 601, 1500, 101},
};

START_TEST(takes_over_longest_run_of_whole_messages)
{
	ring.next = damages[_i].from;
	ring.head = 5000;
	say((int)(damages[_i].to + 1 - damages[_i].from), 8);
	damage(damages[_i].damaged, damages[_i].part);
	expect_after_restart(damages[_i].first, damages[_i].next,
			     damages[_i].lost);
}
END_TEST

/* A message that a server had begun when it was killed has overwritten the
   oldest: as many bytes as a message and its header have at most.  The head is
   at 1230000 and so the oldest bytes are those of offset 181424; message 45
   starts at 184500, and message 46 at 188600. */
START_TEST(counts_no_overwritten_message_as_lost)
{
	say(300, 4100);
	memset(ring.store->bytes + 181424, 'X', MESSAGE_MAX + WS_SERVER_HEADER);
	expect_after_restart(46, 300, 0);
	damage(46, BYTE);
	expect_after_restart(47, 300, 1);
}
END_TEST

START_TEST(counts_message_behind_overwritten_bytes_as_lost)
{
	struct message *m = find_message(500);

	ring.head = 3 * (uint64_t)LOG_SIZE;
	say(2, 8);
	*m = (struct message){500, ring.head - LOG_SIZE + MESSAGE_MAX + 10, 0,
			      1};
	m->start -= (uint64_t)_i;
	expect_after_restart(0, 2, _i == 0 ? 1 : 0);
}
END_TEST

START_TEST(whole_message_has_some_bytes_but_at_most_half_the_ring)
{
	static const uint64_t lengths[] = {0, 1, LOG_SIZE / 2,
					   LOG_SIZE / 2 + 1};
	struct message *m = find_message(3);

	*m = (struct message){3, 0, 0, lengths[_i]};
	m->checksum = checksum(m);
	ck_assert(is_whole(3) == (_i == 1 || _i == 2));
	ck_assert(!is_whole(3 + HISTORY_MAX));
}
END_TEST

/* Each field and each byte counts, in its place. */
START_TEST(checksum_is_fnv_1a_of_fields_and_frame)
{
	struct message m = {0};

	/* the basis, multiplied by the prime three times */
	ck_assert_uint_eq(checksum(&m), 0xd94d12186c0f2fb7);
	m = (struct message){1, LOG_SIZE - 1, 99, 2};
	ring.store->bytes[LOG_SIZE - 1] = 'H';
	ring.store->bytes[0] = 'i';
	ck_assert_uint_eq(checksum(&m), 0x48087724a19e3936);
}
END_TEST

START_TEST(history_starts_with_first_message_of_run)
{
	ring.head = 5000;
	say(10, 8);
	damage(3, BYTE);
	expect_after_restart(4, 10, 4);
	options.history = HISTORY_MAX;
	ck_assert_uint_eq(history_start(), 5000 + 4 * 8);
	options.history = 6;
	ck_assert_uint_eq(history_start(), 5000 + 4 * 8);
	options.history = 5;
	ck_assert_uint_eq(history_start(), 5000 + 5 * 8);
}
END_TEST

START_TEST(goes_on_behind_messages_that_it_took_over)
{
	ring.next = 996;
	ring.head = LOG_SIZE - 20;
	say(10, 8);
	damage(1005, BYTE);
	expect_after_restart(996, 1005, 1);
	say(10, 8);
	ck_assert_uint_eq(find_message(1005)->start, LOG_SIZE - 20 + 9 * 8);
	expect_after_restart(996, 1015, 0);
}
END_TEST

/* While its bytes are written, a message is not there yet; nor is the one whose
   place in the table it takes.  Its data are that place, as it is meanwhile. */
START_TEST(message_is_there_when_all_of_it_is_written)
{
	struct message *m = find_message(7), then;
	const struct ws_frame f = {WS_BINARY, (void *)m, 0, sizeof *m};

	ring.next = 7;
	say(1, 8);
	ring.next = 1007;
	options.file = _i == 0 ? ROOM : NULL;
	broadcast(&f);
	memcpy(&then, ring.store->bytes + 8 + 2, sizeof then);
	ck_assert(then.number == 7 && then.length == 0);
	ck_assert(m->number == 1007 && m->length == 2 + sizeof *m);
	ck_assert(is_whole(1007) == (_i == 0));
	ck_assert(_i == 0 || m->checksum == 0);
}
END_TEST

/* The count of messages goes on from when it began. */
START_TEST(keeps_start_of_count_in_file)
{
	static char f[] = "-f", path[] = ROOM;
	static char *words[] = {program, quiet, f, path, NULL};

	set_address(&own_address, AF_INET, "127.0.0.1", 8080);
	date_now = (struct timespec){2000, 7000000};
	stopping = SIGTERM;
	file_bytes = &file;
	file_mode = S_IFREG;
	file_size = sizeof file;
	set_mark();
	file.since = _i == 0 ? 0 : 42;
	ck_assert_int_eq(chat_main(4, words), 0);
	EXPECT_CALLS(NULLS SIGNALS READS MAPS ALL_SIX LISTENS "name 5\n" OPENS
							      "close 5\n");
	ck_assert_uint_eq(file.since, _i == 0 ? 2000007 : 42);
}
END_TEST

static void add_file_tests(TCase *t)
{
	add_table_test(t, maps_file_or_says_why_not, files);
	add_table_test(t, takes_over_what_ring_and_table_hold, sound);
	add_table_test(t, takes_over_longest_run_of_whole_messages, damages);
	tcase_add_test(t, counts_no_overwritten_message_as_lost);
	tcase_add_loop_test(t, counts_message_behind_overwritten_bytes_as_lost,
			    0, 2);
	tcase_add_loop_test(
		t, whole_message_has_some_bytes_but_at_most_half_the_ring, 0,
		4);
	tcase_add_test(t, checksum_is_fnv_1a_of_fields_and_frame);
	tcase_add_test(t, history_starts_with_first_message_of_run);
	tcase_add_test(t, goes_on_behind_messages_that_it_took_over);
	tcase_add_loop_test(t, message_is_there_when_all_of_it_is_written, 0,
			    2);
	tcase_add_loop_test(t, keeps_start_of_count_in_file, 0, 2);
}
