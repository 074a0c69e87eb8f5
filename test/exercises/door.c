/* SPDX-License-Identifier: MIT */
/* The door of docs/course.md: a chat server in 100 lines, for the page
   door.html.  It borrows the handshake from http.c.  Usage: door [port] */
#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "http.h"

enum { ENTRIES = 17, SIZE = 4096, TEXT = 0x81, MASK = 4, LONGEST = 125 };
static struct pollfd table[ENTRIES]; /* 0: the listener; free ones have fd -1 */
static bool joined[ENTRIES];         /* speaks WebSocket, no longer HTTP */

static void client_drop(int i)
{
	close(table[i].fd);
	table[i].fd = -1;
	joined[i] = false;
}

static void broadcast(const char *text, size_t len)
{
	unsigned char frame[2 + LONGEST] = {TEXT, (unsigned char)len};

	memcpy(frame + 2, text, len);
	for (int i = 1; i < ENTRIES; i++)
		if (joined[i] && write(table[i].fd, frame, 2 + len) < 0)
			client_drop(i);
}

/* Sends a frame's text to all.  in: 0x81, 0x80 + length, mask, text. */
static void handle_frame(int i, char *in, size_t n)
{
	size_t len = n < 2 ? 0 : in[1] & 0x7f;

	if (n != 2 + MASK + len || (unsigned char)in[0] != TEXT ||
	    len > LONGEST) {
		client_drop(i); /* not a frame, or a frame that means goodbye */
		return;
	}
	for (size_t k = 0; k < len; k++)
		in[2 + MASK + k] ^= in[2 + k % MASK];
	broadcast(in + 2 + MASK, len);
}

/* Answers with a handshake, or else with the page. */
static void handle_request(int i, const char *in, size_t n)
{
	char out[SIZE] = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n";
	size_t len = strlen(out);
	struct http_request r;
	int file;

	if (http_parse(&r, in, n) > 0 && r.handshake) {
		http_switch(out, &r);
		joined[i] = write(table[i].fd, out, strlen(out)) > 0;
		return;
	}
	file = open("test/exercises/door.html", O_RDONLY);
	if (read(file, out + len, SIZE - len) < 0 ||
	    write(table[i].fd, out, strnlen(out, SIZE)) < 0)
		perror("door");
	close(file);
	client_drop(i);
}

static void accept_client(void)
{
	int fd = accept(table[0].fd, NULL, NULL), i = 1;

	while (i < ENTRIES - 1 && table[i].fd >= 0)
		i++;
	if (table[i].fd >= 0) /* the table is full */
		close(fd);
	else
		table[i] = (struct pollfd){.fd = fd, .events = POLLIN};
}

static void receive(int i)
{
	char in[SIZE];
	ssize_t n = read(table[i].fd, in, SIZE);

	if (n <= 0)
		client_drop(i);
	else if (joined[i])
		handle_frame(i, in, (size_t)n);
	else
		handle_request(i, in, (size_t)n);
}

int main(int argc, char **argv)
{
	struct sockaddr_in here = {.sin_family = AF_INET};
	int fd = socket(AF_INET, SOCK_STREAM, 0), yes = 1;

	here.sin_addr.s_addr = htonl(INADDR_LOOPBACK); /* this machine only */
	here.sin_port = htons((in_port_t)(argc > 1 ? atoi(argv[1]) : 8081));
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
	if (bind(fd, (void *)&here, sizeof here) < 0 || listen(fd, 16) < 0) {
		perror("door");
		return 1;
	}
	signal(SIGPIPE, SIG_IGN); /* writing to a client that left: an error */
	for (int i = 0; i < ENTRIES; i++)
		table[i] = (struct pollfd){i == 0 ? fd : -1, POLLIN, 0};
	while (poll(table, ENTRIES, -1) > 0) {
		for (int i = 1; i < ENTRIES; i++) {
			if (table[i].fd >= 0 && table[i].revents != 0)
				receive(i);
		}
		if (table[0].revents != 0)
			accept_client();
	}
}
