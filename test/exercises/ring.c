/* SPDX-License-Identifier: MIT */
/*
 * Stop 7 of docs/course.md: the ring with 16 bytes and three clients, small
 * enough to print.  A client's frame has a header of two bytes and at most four
 * letters; a server's has one byte, the number of letters, and the same
 * letters.  The names are mostly those of ring.c and chat.c.
 */
#include <assert.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef RESERVE
#define RESERVE (MESSAGE_MAX + HEADER)
#endif

enum { RING_SIZE = 16, MESSAGE_MAX = 4, HEADER = 1, CLIENT_HEADER = 2 };
enum { A, B, C, CLIENTS };

static char bytes[RING_SIZE + 1] = "................";
static unsigned head, slowest;
static bool congested;

static struct client {
	unsigned cursor; /* offset of the next byte that it is sent */
	char input[64];  /* what it has sent and we have not read */
	char part[16];   /* the frame of which a part was read */
	unsigned part_len;
} clients[CLIENTS];

static unsigned bytes_free(void)
{
	return RING_SIZE - (head - slowest);
}

static void ring_write(char byte)
{
	assert(bytes_free() > 0); /* or a byte that a client needs is lost */
	bytes[head++ % RING_SIZE] = byte;
}

static void update_slowest(void)
{
	slowest = head;
	for (int i = 0; i < CLIENTS; i++) {
		if (slowest > clients[i].cursor)
			slowest = clients[i].cursor;
	}
	if (head - slowest <= RING_SIZE / 2)
		congested = false;
}

/* n bytes read add at most n bytes, the letters of a message that were read
   before, and its header. */
static unsigned ring_room(void)
{
	const unsigned reserve = RESERVE;

	if (bytes_free() <= reserve)
		congested = true;
	return congested ? 0 : bytes_free() - reserve;
}

/* Reads at most n bytes of a client; complete messages enter the ring. */
static void receive(struct client *c, unsigned n)
{
	for (; n > 0 && c->input[0] != '\0'; n--) {
		unsigned letters;

		c->part[c->part_len++] = c->input[0];
		memmove(c->input, c->input + 1, strlen(c->input));
		letters = (unsigned)(c->part[1] - '0');
		if (c->part_len < CLIENT_HEADER ||
		    c->part_len < CLIENT_HEADER + letters)
			continue;
		for (unsigned i = 1; i < c->part_len; i++)
			ring_write(c->part[i]);
		c->part_len = 0;
	}
}

/* A client sends a message to the server. */
static void say(struct client *c, const char *text)
{
	size_t len = strlen(c->input);

	snprintf(c->input + len, sizeof c->input - len, "#%zu%s", strlen(text),
		 text);
}

static void print(const char *event)
{
	unsigned budget = ring_room();

	printf("%-37s %s %4u %2u %2u %2u %4u %4u%s\n", event, bytes, head,
	       clients[A].cursor, clients[B].cursor, clients[C].cursor,
	       bytes_free(), budget, congested ? " congested" : "");
}

/* What was said enters the ring, as far as may be read; then A and B are sent
   all of it, and C too if it is awake. */
static void pass(const char *event, bool c_reads)
{
	for (int i = 0; i < CLIENTS; i++)
		receive(&clients[i], ring_room());
	for (int i = 0; i < CLIENTS; i++)
		clients[i].cursor =
			i != C || c_reads ? head : clients[C].cursor;
	update_slowest();
	print(event);
}

/* Any lengths, any reads, any slowness. */
static unsigned least_free_of(long steps)
{
	unsigned least = RING_SIZE;

	for (; steps > 0; steps--) {
		struct client *c = &clients[rand() % CLIENTS];

		if (strlen(c->input) < 20)
			say(c, "abcd" + rand() % 5);
		receive(c, ring_room());
		if (least > bytes_free())
			least = bytes_free();
		c = &clients[rand() % CLIENTS];
		c->cursor += (unsigned)rand() % (head - c->cursor + 1);
		update_slowest();
	}
	return least;
}

int main(void)
{
	printf("%-37s %-16s head  A  B  C free read\n", "", "the ring");
	print("start");
	say(&clients[A], "Hi");
	pass("A says Hi; all are sent it", true);
	say(&clients[B], "yes");
	pass("B says yes; C does not read", false);
	say(&clients[A], "new");
	pass("A says new: 5 bytes read, 4 added", false);
	say(&clients[B], "here");
	pass("B says here: 3 bytes may be read", false);
	pass("again 3: the message is complete", false);
	say(&clients[A], "end");
	pass("A says end: it is not read", false);
	pass("C reads all: the slowest is the head", true);
	pass("A is read, and all are sent it", true);
	printf("a million random steps: at least %u bytes were free\n",
	       least_free_of(1000000));
	return 0;
}
