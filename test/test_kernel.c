/* SPDX-License-Identifier: MIT */
/*
 * What no client can show: which system calls chat.c makes and how it takes
 * their answers, its deadlines to the second, and its ring.  The source of
 * chat.c is included, so that tests can call its static functions, with a fake
 * kernel under it.  Each file of kernel/ is a subject; all of them are one
 * translation unit, because thousands of mutants of chat.c are each compiled
 * with it.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "suites.h"

#include "kernel/calls.c"
#define FAKE_START
#include "fake_kernel.h"
#undef fail /* of Check */
#include "../chat.c"
#undef exit /* Check calls it */

#include "handshake.h"

/* ---- What the subjects share ---- */

static const char handshake[] = HANDSHAKE "\r\n";
static const unsigned char pongs[] = {0x8a, 0x80, 0, 0, 0, 0,
				      0x8a, 0x80, 0, 0, 0, 0};

/* Each line of the log begins so; and one about a client of a unix-domain
   socket, as the tests make them, goes on with "local". */
#define LOG "to 2: 1970-01-01T00:00:00Z "

/* A notice of a server that was started in 1970. */
#define NOTICE(online, said, heartbeat)         \
	"{\"online\":" online ",\"said\":" said \
	",\"since\":0,\"heartbeat\":" heartbeat ",\"max\":4096}"

/* What a newcomer may send: a second's worth. */
#define CREDIT (20 * FRAME_COST)

static char program[] = "chat", quiet[] = "-q";
static char *quiet_chat[] = {program, quiet, NULL};

/* An expression that ends the program. */
#define EXITS(expression)                \
	do {                             \
		if (setjmp(exited) == 0) \
			expression;      \
	} while (0)

#define EXPECT_IN(text, part) \
	ck_assert_msg(strstr(text, part) != NULL, "%s: %s", part, text)

/* Sets the defaults of all options, but logs nothing. */
static void clear_table(void)
{
	read_options(2, quiet_chat);
	for (int i = 0; i < TABLE_SIZE; i++)
		table[i].fd = -1;
	loop.slots = TABLE_SIZE;
	loop.tick_after = loop.heartbeat_after = 25;
	room.members_max = CLIENTS_MAX;
	room.patience = PATIENCE;
}

static void set_address(struct sockaddr_storage *a, int family, const char *ip,
			int port)
{
	struct sockaddr_in *four = (void *)a;
	struct sockaddr_in6 *six = (void *)a;

	memset(a, 0, sizeof *a);
	a->ss_family = (sa_family_t)family;
	four->sin_port = htons((in_port_t)port);
	inet_pton(family, ip,
		  family == AF_INET ? (void *)&four->sin_addr
				    : &six->sin6_addr);
}

/* Puts a connection at entry 0. */
static struct client *make_client(int fd, enum state state)
{
	clear_table();
	clients[0] = (struct client){0};
	entry_take(0, fd, state);
	ws_init(&clients[0].ws, buffers[0]);
	return &clients[0];
}

/* Puts a client in the room at entry 0, a second after its notice. */
static struct client *make_member(void)
{
	struct client *c = make_client(7, OPEN);

	room.members = c->told = 1;
	c->credit = CREDIT;
	return c;
}

/* Lets so many seconds pass, with a tick at the end of each. */
static void pass_ticks(unsigned n)
{
	for (; n > 0; n--) {
		clock_now.tv_sec++;
		loop.tick_after = 1;
		tick();
	}
}

/* Lets the next recv() bring these bytes. */
static void queue_bytes(const void *data, size_t len)
{
	memcpy(incoming, data, len);
	incoming_len = len;
}

/* Reads these bytes from the client at entry 0. */
static void receive_bytes(const void *data, size_t len)
{
	queue_bytes(data, len);
	receive(0);
}

/* Returns the reply at entry 0, which is not the page. */
static const char *reply_text(void)
{
	ck_assert_ptr_eq(clients[0].reply, buffers[0]);
	buffers[0][clients[0].reply_len] = '\0';
	return (const char *)buffers[0];
}

#include "kernel/listening.c"
#include "kernel/starting.c"
#include "kernel/addresses.c"
#include "kernel/accepting.c"
#include "kernel/transfer.c"
#include "kernel/loop.c"
#include "kernel/texts.c"
#include "kernel/member.c"
#include "kernel/credit.c"
#include "kernel/notices.c"
#include "kernel/deadlines.c"
#include "kernel/ring.c"
#include "kernel/file.c"

#define ADD(subject)                               \
	do {                                       \
		TCase *t = tcase_create(#subject); \
		add_##subject##_tests(t);          \
		suite_add_tcase(suite, t);         \
	} while (0)

Suite *kernel_suite(void)
{
	Suite *suite = suite_create("kernel");

	ADD(listening);
	ADD(starting);
	ADD(addresses);
	ADD(accepting);
	ADD(transfer);
	ADD(loop);
	ADD(texts);
	ADD(member);
	ADD(credit);
	ADD(notices);
	ADD(deadlines);
	ADD(ring);
	ADD(file);
	return suite;
}
