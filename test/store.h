/* SPDX-License-Identifier: MIT */
/* The file of option -f from the inside, for files that include chat.c before
   this one. */
#ifndef STORE_H
#define STORE_H

/* Takes over an image of the file, as map_store() does. */
static void load_image(struct store *image)
{
	static const char boot[sizeof image->boot] = "present boot";

	options.quiet = true;
	options.file = "an image";
	ring.head = ring.slowest = ring.first = ring.next = 0;
	ring.store = image;
	load_store(boot);
	memcpy(image->boot, boot, sizeof boot);
}

/* Says a message, for which no client is slow. */
static void say(const void *text, size_t len)
{
	const struct ws_frame f = {WS_TEXT, text, 0, len};

	broadcast(&f);
	ring.slowest = ring.head;
}

/* Returns true if a newcomer is sent whole messages: the last options.history
   of them, or as many as half of the ring holds. */
static bool history_is_right(void)
{
	uint64_t want =
		smaller((uint64_t)options.history, ring.next - ring.first);
	uint64_t start = history_start(), count = 0, at = ring.head;

	while (count < want && at != start)
		at = find_message(ring.next - ++count)->start;
	return at == start && ring.head - start <= LOG_SIZE / 2 &&
	       (count == want ||
		ring.head - find_message(ring.next - count - 1)->start >
			LOG_SIZE / 2);
}

/* Returns what is wrong with a store that was loaded, or NULL. */
static const char *find_flaw(void)
{
	uint64_t count = ring.next - ring.first, filled = 0;
	uint64_t end = find_message(ring.first)->start;

	if (ring.next < ring.first || count > HISTORY_MAX)
		return "it has no such run";
	for (uint64_t n = ring.first; n < ring.next; n++) {
		const struct message *m = find_message(n);

		if (m->number != n || m->start != end || m->length == 0 ||
		    m->checksum != checksum(m))
			return "its run is broken";
		end += m->length;
	}
	if (count > 0 && ring.head != end)
		return "its head is not the end of the run";
	if (ring.slowest != ring.head)
		return "a client is behind";
	for (int k = 0; k < HISTORY_MAX; k++)
		filled += ring.store->messages[k].length > 0;
	if (filled != count)
		return "something outside of its run is left";
	for (options.history = HISTORY_MAX; history_is_right();
	     options.history /= 2) {
		if (options.history == 0)
			return NULL;
	}
	return "its history does not begin at a message";
}

#endif
