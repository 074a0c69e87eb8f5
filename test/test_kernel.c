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
#include <sys/resource.h>
#include <sys/socket.h>
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

static void clear_table(void)
{
	for (int i = 0; i < TABLE; i++)
		table[i].fd = -1;
	slots = TABLE;
	people_max = CLIENTS_MAX;
	opt.quiet = true;
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

/* Puts a listening socket at entry 0. */
static void make_listener(void)
{
	clear_table();
	set_address(&outward_address, AF_INET, "192.0.2.99", 4321);
	occupy(0, 3, LISTENING);
}

/* Puts a client in the room at entry 0, at second 100. */
static struct client *make_member(void)
{
	clear_table();
	now = ticked = 100;
	occupy(0, 7, OPEN);
	clients[0].moved = now;
	people = 1;
	ws_init(&clients[0].ws, buffers[0]);
	return &clients[0];
}

/* The same a second later, when all know that one client is there. */
static struct client *make_quiet_member(void)
{
	struct client *c = make_member();

	announced = 1;
	now = 101;
	return c;
}

/* Reads these bytes from the client at entry 0. */
static void receive_bytes(const void *data, size_t len)
{
	memcpy(incoming, data, len);
	incoming_len = len;
	receive(0);
}

#include "kernel/listening.c"
#include "kernel/starting.c"
#include "kernel/accepting.c"
#include "kernel/transfer.c"
#include "kernel/loop.c"
#include "kernel/texts.c"
#include "kernel/member.c"
#include "kernel/deadlines.c"
#include "kernel/ring.c"

static const struct {
	const char *name;
	void (*add_tests)(TCase *t);
} subjects[] = {
	{"listening", add_listening_tests}, {"starting", add_starting_tests},
	{"accepting", add_accepting_tests}, {"transfer", add_transfer_tests},
	{"loop", add_loop_tests},           {"texts", add_texts_tests},
	{"member", add_member_tests},       {"deadlines", add_deadlines_tests},
	{"ring", add_ring_tests},
};

Suite *kernel_suite(void)
{
	Suite *suite = suite_create("kernel");

	for (size_t i = 0; i < COUNT(subjects); i++) {
		TCase *t = tcase_create(subjects[i].name);

		subjects[i].add_tests(t);
		suite_add_tcase(suite, t);
	}
	return suite;
}
