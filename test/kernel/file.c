/* SPDX-License-Identifier: MIT */
/* The file of option -f: how it is opened, and what is taken over from it. */

#define ROOM    "./room"
#define CREATES "create " ROOM " 600\n"
#define STATS   CREATES "stat 3\n"
#define LOCKS   STATS "lock 3\n"
#define READS   LOCKS "read 3\n"
#define BLANKS  READS "read 3\n"
#define FILLS   "allocate 3 1080736\n"
#define MARKS   "mark 3\n"
#define OLD     BLANKS FILLS
#define NEW     OLD MARKS
#define MAPS    "map 3 1080736\n"
#define BOOTS   "open /proc/sys/kernel/random/boot_id\nread 4\nclose 4\n"
#define STARTS  "sync 1080736\n"
#define WRITES  OLD "zeros 3 1080736\n"
#define CUTS    "truncate 3 0\n"

static struct store file; /* what is in the file */
enum { SIZE = sizeof(struct store) };

/* Makes a file of this build that has no messages. */
static void make_file(void)
{
	options.file = ROOM;
	file_bytes = &file;
	file_mode = S_IFREG;
	file_size = SIZE;
	snprintf(file.mark, sizeof file.mark,
		 "A history of chat: version 1, LOG_SIZE 1048576, "
		 "HISTORY_MAX 1000, %s endian\n",
		 htons(1) == 1 ? "big" : "little");
}

/* ---- Opening ---- */

/* Expects that the server opens the file with these calls, and that it prints
   `why` the file cannot be used; with NULL, that it uses the file. */
static void expect_opening(const char *calls, const char *why)
{
	const char *begins =
		MAPS BOOTS LOG "chat 0 messages are in " ROOM
			       "; 0 were damaged and are lost\n" STARTS;
	char want[500];

	EXITS(map_store(ROOM));
	snprintf(want, sizeof want, "%s%s%s%s", calls,
		 why == NULL ? begins : "to 2: chat: cannot use -f " ROOM ": ",
		 why == NULL ? "" : why, why == NULL ? "" : "\nexit 1\n");
	EXPECT_CALLS(want);
	ck_assert_ptr_eq(ring.store, why == NULL ? &file : &memory);
	ck_assert_uint_eq(answered, answers);
}

START_TEST(explains_call_that_fails)
{
	static const struct {
		const char *call;
		int error;
		const char *calls;
	} broken[] = {
		{"open", EACCES, CREATES},  {"fstat", EIO, STATS},
		{"fcntl", ENOLCK, LOCKS},   {"pread", EIO, READS},
		{"mmap", ENODEV, OLD MAPS},
	};

	make_file();
	queue_answer(broken[_i].call, -1, broken[_i].error);
	expect_opening(broken[_i].calls, strerror(broken[_i].error));
}
END_TEST

START_TEST(leaves_file_to_process_that_has_locked_it)
{
	make_file();
	queue_answer("fcntl", -1, _i == 0 ? EAGAIN : EACCES);
	expect_opening(LOCKS, "another process uses it");
}
END_TEST

/* The start that cannot be written to the disk. */
START_TEST(explains_disk_that_fails)
{
	char want[500];

	make_file();
	queue_answer("msync", -1, EIO);
	snprintf(want, sizeof want,
		 OLD MAPS BOOTS LOG "chat 0 messages are in " ROOM
				    "; 0 were damaged and are lost\n" STARTS
				    "to 2: chat: cannot use -f " ROOM
				    ": %s\nexit 1\n",
		 strerror(EIO));
	EXITS(map_store(ROOM));
	EXPECT_CALLS(want);
}
END_TEST

/* The results of calls for a new file: the error that posix_fallocate()
   returns, the bytes that pwrite() writes of the zeros, the error of
   ftruncate(), and that of writing the mark; 0 stands for success.  All calls,
   and the error that the server prints. */
static const struct {
	int allocated, written, truncated, marked;
	const char *calls;
	int error;
} fresh[] = {
	{0, 0, 0, 0, NEW, 0},
	{0, 0, 0, EIO, NEW, EIO},
	{ENOSPC, 0, 0, 0, OLD CUTS, ENOSPC},
	{ENOSPC, 0, EIO, 0, OLD CUTS, EIO},
	/* the file system cannot allocate, but write */
	{EOPNOTSUPP, SIZE, 0, 0, WRITES MARKS, 0},
	{EINVAL, SIZE, 0, 0, WRITES MARKS, 0},
	{EOPNOTSUPP, SIZE - 1, 0, 0, WRITES CUTS, ENOSPC},
	{EINVAL, -1, 0, 0, WRITES CUTS, ENOSPC},
};

START_TEST(gives_new_file_all_its_bytes)
{
	int error = fresh[_i].error;

	make_file();
	memset(&file, 0, sizeof file);
	file_size = 0;
	queue_answer("posix_fallocate", fresh[_i].allocated, 0);
	if (fresh[_i].written != 0)
		queue_answer("pwrite", fresh[_i].written, 0);
	if (fresh[_i].marked != 0)
		queue_answer("pwrite", -1, fresh[_i].marked);
	if (fresh[_i].truncated != 0)
		queue_answer("ftruncate", -1, fresh[_i].truncated);
	expect_opening(fresh[_i].calls, error != 0 ? strerror(error) : NULL);
}
END_TEST

/* The size of a file; its mark, or NULL for that of this build; the offset of a
   byte that is set to 1, or 0 for none; all calls; the message, or NULL. */
#define NOT_OURS "it is no history of chat"
#define OTHER    "it is of a build with other limits, or of another processor"
#define CUT_OFF  "its size is wrong"
static const struct {
	size_t size;
	const char *mark;
	size_t one;
	const char *calls, *why;
} contents[] = {
	{SIZE, NULL, 0, OLD, NULL},
	/* the server that made it was killed before it wrote the mark */
	{SIZE, "", 0, NEW, NULL},
	{1, "", 0, NEW, NULL},
	{SIZE - 1, "", 0, NEW, NULL},
	/* too many zeros, or other bytes among them */
	{SIZE + 1, "", 0, READS, NOT_OURS},
	{SIZE, "", 1, BLANKS, NOT_OURS},
	{SIZE, "", SIZE - 1, BLANKS, NOT_OURS},
	/* another text, or the start of ours */
	{SIZE, "A history of char", 0, BLANKS, NOT_OURS},
	{1, "A", 0, BLANKS, NOT_OURS},
	{SIZE, "A history of chat", 0, BLANKS, OTHER},
	{SIZE + 1, "A history of chat: version 2", 0, READS, OTHER},
	{SIZE, NULL, 111, BLANKS, OTHER},
	{SIZE - 1, NULL, 0, BLANKS, CUT_OFF},
	{SIZE + 1, NULL, 0, READS, CUT_OFF},
};

START_TEST(touches_no_other_file)
{
	static struct store want; /* with the mark, or unchanged */

	make_file();
	want = file;
	if (contents[_i].mark != NULL) {
		memset(&file, 0, sizeof file);
		strcpy(file.mark, contents[_i].mark);
	}
	if (contents[_i].one > 0)
		((char *)&file)[contents[_i].one] = 1;
	file_size = contents[_i].size;
	if (contents[_i].why != NULL)
		want = file;
	expect_opening(contents[_i].calls, contents[_i].why);
	if (contents[_i].why == NULL) {
		strcpy(want.boot, boot_now);
		want.since = 1;
	}
	ck_assert_mem_eq(&file, &want, SIZE);
}
END_TEST

START_TEST(takes_regular_files_only)
{
	make_file();
	file_mode = S_IFIFO;
	expect_opening(STATS, "it is not a regular file");
}
END_TEST

/* ---- Taking over ---- */

/* Broadcasts messages with frames of `size` bytes; neighbours differ. */
static void broadcast_messages(int count, size_t size)
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

/* Restarts the server, which was killed, and expects that it finds the messages
   from `first` to next - 1, counts `lost` others, and wipes all but those that
   it found. */
static void expect_after_restart(uint64_t first, uint64_t next, unsigned lost)
{
	static const struct message none;
	uint64_t head =
		find_message(next - 1)->start + find_message(next - 1)->length;
	char want[200];

	ring.store->since = 7;
	strcpy(ring.store->boot, boot_now);
	ring.head = ring.slowest = ring.first = ring.next = 0;
	clear_calls();
	load_store(boot_now);
	ck_assert_uint_eq(ring.first, first);
	ck_assert_uint_eq(ring.next, next);
	ck_assert_uint_eq(ring.head, next > first ? head : 0);
	ck_assert_uint_eq(ring.slowest, ring.head);
	ck_assert_uint_eq(ring.store->since, lost > 0 ? 8 : 7);
	sprintf(want,
		LOG "chat %d messages are in " ROOM
		    "; %u were damaged and are lost\n",
		(int)(next - first), lost);
	EXPECT_CALLS(want);
	for (uint64_t k = next; k < first + HISTORY_MAX; k++)
		MUST(memcmp(find_message(k), &none, sizeof none) == 0,
		     "message %d is still there", (int)k);
}

/* The number and the offset of the first message, how many messages are
   broadcast, and the bytes of each; first and next after a restart. */
static const struct {
	uint64_t number, start;
	int count;
	size_t size;
	uint64_t first, next;
} takeovers[] = {
	{0, 0, 0, 8, 0, 0},
	{0, 0, 1, 2, 0, 1},
	{0, 0, 10, 8, 0, 10},
	{999, 5000, 1, 8, 999, 1000},
	{995, 5000, 10, 8, 995, 1005}, /* across the end of the table */
	{995, LOG_SIZE - 44, 10, 8, 995, 1005}, /* and of the ring */
	{0, 0, HISTORY_MAX, 8, 0, 1000},
	{0, 0, HISTORY_MAX + 1, 8, 1, 1001},
	{0, 0, 1500, 8, 500, 1500},
	/* the ring holds 255 of these */
	{0, 0, 300, 4100, 45, 300},
	{(uint64_t)1 << 40, (uint64_t)1 << 50, 1500, 8,
	 ((uint64_t)1 << 40) + 500, ((uint64_t)1 << 40) + 1500},
};

START_TEST(takes_over_what_ring_and_table_hold)
{
	ring.next = takeovers[_i].number;
	ring.head = takeovers[_i].start;
	broadcast_messages(takeovers[_i].count, takeovers[_i].size);
	expect_after_restart(takeovers[_i].first, takeovers[_i].next, 0);
}
END_TEST

/* The kinds of damage to a message. */
enum kind { NUMBER, PLACE, START, LENGTH, ABSENT, CHECKSUM, BYTE, MOVED };

static void damage(uint64_t number, enum kind kind)
{
	struct message *m = find_message(number);

	switch (kind) {
	case NUMBER: m->number += HISTORY_MAX; break;
	case PLACE: m->number++; break;
	case START: m->start++; break;
	case LENGTH: m->length++; break;
	case ABSENT: m->length = 0; break;
	case CHECKSUM: m->checksum ^= 1; break;
	case BYTE: ring.store->bytes[m->start & (LOG_SIZE - 1)] ^= 1; break;
	case MOVED: /* whole, but not next to the one before */
		m->start++;
		m->checksum = checksum(m);
		break;
	}
}

/* The numbers of the first and the last message; the number of the damaged one
   and the damage; first and next of the run that the server takes, and how many
   messages it counts as lost. */
static const struct {
	uint64_t from, to, damaged;
	enum kind kind;
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
	/* the server was killed while it wrote this one */
	{0, 9, 9, ABSENT, 0, 9, 0},
	/* at the start, in the middle, of the only message */
	{0, 9, 0, NUMBER, 1, 10, 1},
	{0, 9, 0, START, 1, 10, 1},
	{0, 9, 0, BYTE, 1, 10, 1},
	{0, 9, 3, BYTE, 4, 10, 4},
	{0, 9, 6, BYTE, 0, 6, 4},
	{0, 9, 3, ABSENT, 4, 10, 3},
	{0, 9, 3, MOVED, 4, 10, 4},
	{0, 0, 0, BYTE, 0, 0, 1},
	{615, 615, 615, BYTE, 0, 0, 1}, /* which is where -1 would be */
	/* of two equal runs, the one that comes first in the table */
	{0, 10, 5, BYTE, 0, 5, 6},
	{997, 1007, 1002, BYTE, 1003, 1008, 6},
	/* across the end of the table */
	{990, 1009, 994, CHECKSUM, 995, 1010, 5},
	{990, 1009, 1000, CHECKSUM, 990, 1000, 10},
	/* in a full table, where the oldest follows the newest */
	{500, 1499, 1499, BYTE, 500, 1499, 1},
	{500, 1499, 500, BYTE, 501, 1500, 1},
	{500, 1499, 600, BYTE, 601, 1500, 101},
};

START_TEST(takes_over_longest_run_of_whole_messages)
{
	ring.next = damages[_i].from;
	ring.head = 5000;
	broadcast_messages((int)(damages[_i].to + 1 - damages[_i].from), 8);
	damage(damages[_i].damaged, damages[_i].kind);
	expect_after_restart(damages[_i].first, damages[_i].next,
			     damages[_i].lost);
}
END_TEST

/* A server that was killed may have written a part of one more message over the
   oldest bytes, up to MESSAGE_MAX and a header.  Example: the head is 1230000,
   so the oldest byte has the offset 181424.  Message 45 starts at 184500,
   within 4106 bytes from there, and message 46 at 188600, after them. */
START_TEST(counts_no_overwritten_message_as_lost)
{
	broadcast_messages(300, 4100);
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
	broadcast_messages(2, 8);
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

/* The second and third sum take bytes across the end of the ring, in one step
   and in two. */
START_TEST(checksum_is_of_fields_and_frame_eight_bytes_at_a_time)
{
	struct message m = {0};

	/* the basis, multiplied by the prime three times */
	ck_assert_uint_eq(checksum(&m), 0xd94d12186c0f2fb7);
	memcpy(ring.store->bytes + LOG_SIZE - 1, "H", 1);
	memcpy(ring.store->bytes, "i there!", 8);
	m = (struct message){1, LOG_SIZE - 1, 99, 2};
	ck_assert_uint_eq(checksum(&m), 0x691a382bc8a162a3);
	m.length = 9;
	ck_assert_uint_eq(checksum(&m), 0x01fe69d832f83fdc);
}
END_TEST

START_TEST(history_starts_with_first_message_of_run)
{
	ring.head = 5000;
	broadcast_messages(10, 8);
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
	broadcast_messages(10, 8);
	damage(1005, BYTE);
	expect_after_restart(996, 1005, 1);
	broadcast_messages(10, 8);
	ck_assert_uint_eq(find_message(1005)->start, LOG_SIZE - 20 + 9 * 8);
	expect_after_restart(996, 1015, 0);
}
END_TEST

/* The start of the system in which the file was used, or "" when the server was
   stopped; the present one, or "?"; and whether the count of messages goes on.
 */
static const struct {
	char used[40], boot[40];
	bool goes_on;
} boots[] = {
	{"", "3b8f\n", true},       {"", "?", true},
	{"3b8f\n", "3b8f\n", true}, {"3b8f\n", "3b8e\n", false},
	{"3b8f\n", "3b8f", false},  {"3b8f\n", "?", false},
	{"?", "3b8f\n", false},     {"?", "?", false},
};

START_TEST(goes_on_with_count_if_system_did_not_go_down)
{
	char want[200];

	ring.store->since = 7;
	memcpy(ring.store->boot, boots[_i].used, sizeof boots[_i].used);
	options.file = ROOM;
	load_store(boots[_i].boot);
	ck_assert_uint_eq(ring.store->since, boots[_i].goes_on ? 7 : 8);
	sprintf(want,
		LOG "chat 0 messages are in " ROOM
		    "; 0 were damaged and are lost%s\n",
		boots[_i].goes_on ? "" : "; the system went down meanwhile");
	EXPECT_CALLS(want);
}
END_TEST

START_TEST(gives_each_count_a_name_of_its_own)
{
	const uint64_t counts[][2] = {{0, 2000}, {1999, 2000}, {2000, 2001}};

	date_now = (struct timespec){2, 0};
	ring.store->since = counts[_i][0];
	begin_count();
	ck_assert_uint_eq(ring.store->since, counts[_i][1]);
}
END_TEST

/* The system may not tell its start. */
START_TEST(reads_name_of_start_or_question_mark)
{
	char boot[sizeof memory.boot];

	memset(boot, 'x', sizeof boot);
	if (_i > 0)
		queue_answer("pread", _i - 2, EBADF);
	read_boot(boot);
	EXPECT_CALLS(BOOTS);
	ck_assert_str_eq(boot, _i == 0 ? boot_now : "?");
	for (size_t k = strlen(boot); k < sizeof boot; k++)
		ck_assert_int_eq(boot[k], '\0');
}
END_TEST

/* While the server writes a message, the table has neither it nor the older one
   in its place.  The payload of this message is that place, so that the ring
   holds a copy of it from the moment of writing. */
START_TEST(adds_message_to_table_after_its_bytes)
{
	struct message *m = find_message(7), then;
	const struct ws_frame f = {WS_BINARY, (void *)m, 0, sizeof *m};

	ring.next = 7;
	broadcast_messages(1, 8);
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

/* The start of the count is set once, and then kept. */
START_TEST(keeps_start_of_count_in_file)
{
	static char f[] = "-f", path[] = ROOM;
	static char *words[] = {program, quiet, f, path, NULL};

	set_address(&own_address, AF_INET, "127.0.0.1", 8080);
	date_now = (struct timespec){2000, 7000000};
	stopping = SIGTERM;
	make_file();
	options.file = NULL; /* main() sets it */
	file.since = _i == 0 ? 0 : 42;
	ck_assert_int_eq(chat_main(4, words), 0);
	EXPECT_CALLS(NULLS SIGNALS ALL_SIX LISTENS OLD MAPS BOOTS STARTS
		     "name 5\n" OPENS "close 5\n" STARTS STARTS);
	ck_assert_uint_eq(file.since, _i == 0 ? 2000007 : 42);
	ck_assert_str_eq(file.boot, "");
}
END_TEST

static void add_file_tests(TCase *t)
{
	tcase_add_loop_test(t, explains_call_that_fails, 0, 5);
	tcase_add_test(t, explains_disk_that_fails);
	tcase_add_loop_test(t, leaves_file_to_process_that_has_locked_it, 0, 2);
	add_table_test(t, gives_new_file_all_its_bytes, fresh);
	add_table_test(t, touches_no_other_file, contents);
	tcase_add_test(t, takes_regular_files_only);
	add_table_test(t, takes_over_what_ring_and_table_hold, takeovers);
	add_table_test(t, takes_over_longest_run_of_whole_messages, damages);
	tcase_add_test(t, counts_no_overwritten_message_as_lost);
	tcase_add_loop_test(t, counts_message_behind_overwritten_bytes_as_lost,
			    0, 2);
	tcase_add_loop_test(
		t, whole_message_has_some_bytes_but_at_most_half_the_ring, 0,
		4);
	tcase_add_test(t,
		       checksum_is_of_fields_and_frame_eight_bytes_at_a_time);
	tcase_add_test(t, history_starts_with_first_message_of_run);
	tcase_add_test(t, goes_on_behind_messages_that_it_took_over);
	add_table_test(t, goes_on_with_count_if_system_did_not_go_down, boots);
	tcase_add_loop_test(t, gives_each_count_a_name_of_its_own, 0, 3);
	tcase_add_loop_test(t, reads_name_of_start_or_question_mark, 0, 3);
	tcase_add_loop_test(t, adds_message_to_table_after_its_bytes, 0, 2);
	tcase_add_loop_test(t, keeps_start_of_count_in_file, 0, 2);
}
