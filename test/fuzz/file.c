/* SPDX-License-Identifier: MIT */
/*
 * A file of option -f with any bytes in it is loaded; then some messages are
 * said, and it is loaded again.  What is found must be a run of whole messages
 * each time, the second time with all that was said, and a newcomer's history
 * must begin at a message.  An input is:
 *
 *     how, 1 | lengths of messages, 1 each | the file, from `since` on
 *
 * Bit 0 of `how` says that each entry of the table gets the right checksum, so
 * that it matters what else is in it; bit 1, that the system went down; all but
 * bit 0, how many messages are said.
 */
#define main chat_main
#include "chat.c"

#include "../store.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static struct store image;

static void must(bool ok)
{
	if (!ok)
		abort();
}

/* A server counts numbers and offsets up from 0; so they are far from their
   limit, however many messages are said after the load. */
static void limit_numbers(void)
{
	for (int k = 0; k < HISTORY_MAX; k++) {
		image.messages[k].number &= INT64_MAX / 4;
		image.messages[k].start &= INT64_MAX / 4;
	}
}

static void repair_checksums(void)
{
	ring.store = &image;
	for (int k = 0; k < HISTORY_MAX; k++) {
		struct message *m = &image.messages[k];

		if (m->length <= LOG_SIZE / 2)
			m->checksum = checksum(m);
	}
}

static void say_all(const unsigned char *lengths, size_t n)
{
	static const char text[MESSAGE_MAX] = "any text";

	for (size_t i = 0; i < n; i++)
		say(text, lengths[i] % (MESSAGE_MAX + 1));
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	const size_t head = offsetof(struct store, since);
	size_t messages = size > 0 ? data[0] / 2 % (3 * HISTORY_MAX) : 0;
	size_t from = 1 + messages;
	uint64_t first, next, end, since;

	if (size < from)
		return 0;
	memset(&image, 0, sizeof image);
	memcpy((char *)&image + head, data + from,
	       smaller(size - from, sizeof image - head));
	image.since &= INT64_MAX; /* a time */
	limit_numbers();
	if (data[0] & 1)
		repair_checksums();
	if (data[0] & 2)
		strcpy(image.boot, "another boot");
	load_image(&image);
	must(find_flaw() == NULL);
	say_all(data + 1, messages);
	first = ring.first;
	next = ring.next;
	end = ring.head;
	since = image.since;
	load_image(&image);
	must(find_flaw() == NULL);
	must(ring.first >= first && ring.next == next && ring.head == end);
	must(messages == 0 || ring.next > ring.first);
	must(image.since == since);
	return 0;
}
