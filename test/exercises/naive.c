/* SPDX-License-Identifier: MIT */
/*
 * Stop 2 of docs/course.md: the chat server that most of us write first.  What
 * one client sends is written to every client.  It works until one client does
 * not read.  Its clients speak plain TCP, as nc does.
 *
 *     usage: naive [port]
 */
#include <arpa/inet.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ENTRIES = 17 };

/* Entry 0 is the listening socket, the others are clients.  A free entry has
   fd -1, which poll() ignores. */
static struct pollfd table[ENTRIES];

static void client_drop(int i)
{
	close(table[i].fd);
	table[i].fd = -1;
}

static void broadcast(const char *data, size_t n)
{
	for (int i = 1; i < ENTRIES; i++) {
		if (table[i].fd >= 0 && write(table[i].fd, data, n) < 0)
			client_drop(i);
	}
}

static void receive(int i)
{
	char data[4096];
	ssize_t n = read(table[i].fd, data, sizeof data);

	if (n > 0)
		broadcast(data, (size_t)n);
	else
		client_drop(i);
}

static void accept_client(void)
{
	int fd = accept(table[0].fd, NULL, NULL), i = 1;

	while (i < ENTRIES && table[i].fd >= 0)
		i++;
	if (i < ENTRIES)
		table[i] = (struct pollfd){.fd = fd, .events = POLLIN};
	else if (fd >= 0)
		close(fd);
}

static int listen_on(int port)
{
	struct sockaddr_in a = {.sin_family = AF_INET,
				.sin_port = htons((in_port_t)port),
				.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof a;
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (bind(fd, (void *)&a, size) < 0 || listen(fd, 16) < 0) {
		perror("naive");
		exit(1);
	}
	getsockname(fd, (void *)&a, &size);
	printf("naive: listening on port %d\n", ntohs(a.sin_port));
	fflush(stdout);
	return fd;
}

int main(int argc, char **argv)
{
	signal(SIGPIPE, SIG_IGN);
	for (int i = 1; i < ENTRIES; i++)
		table[i].fd = -1;
	table[0].fd = listen_on(argc > 1 ? atoi(argv[1]) : 0);
	table[0].events = POLLIN;
	for (;;) {
		if (poll(table, ENTRIES, -1) < 0)
			continue;
		if (table[0].revents != 0)
			accept_client();
		for (int i = 1; i < ENTRIES; i++) {
			if (table[i].fd >= 0 && table[i].revents != 0)
				receive(i);
		}
	}
}
