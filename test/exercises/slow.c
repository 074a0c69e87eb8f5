/* SPDX-License-Identifier: MIT */
/*
 * Stop 2 of docs/course.md: shows what one slow reader does to a server such as
 * naive.c.  A talker sends 200,000 numbered lines, and waits when it is 64 KiB
 * ahead of what a fast client has read.  A slow one reads nothing until the
 * fast one has three quarters of them; then it reads as well.
 *
 *     usage: slow ./naive
 *
 * Exits with 0 if the fast client received every line, and the slow one every
 * line up to some point; else with 1.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LINES = 200000, LINE = 64, AHEAD = 65536, PATIENCE = 2000 /* ms */ };

/* A client that reads: how far it is, and whether a line was not the next. */
struct reader {
	int fd;
	long bytes;  /* that were as expected */
	bool broken; /* another byte came than the next one */
	bool ended;
};

/* Line k is its number and blanks, LINE bytes with the newline. */
static char byte_at(long at)
{
	static char line[LINE + 2];
	static long number = -1;

	if (number != at / LINE) {
		number = at / LINE;
		snprintf(line, sizeof line, "%-*ld\n", LINE - 1, number);
	}
	return line[at % LINE];
}

/* Reads what is there; returns false if there is nothing more. */
static bool read_some(struct reader *r)
{
	char data[65536];
	ssize_t n = recv(r->fd, data, sizeof data, MSG_DONTWAIT);

	if (n < 0 && errno == EAGAIN)
		return false;
	r->ended = n <= 0;
	for (ssize_t i = 0; i < n && !r->broken; i++) {
		r->broken = data[i] != byte_at(r->bytes);
		r->bytes += !r->broken;
	}
	return !r->ended && !r->broken;
}

static int start(const char *server, pid_t *pid)
{
	char line[100] = "";
	int out[2], port = 0;

	if (pipe(out) < 0)
		return 0;
	*pid = fork();
	if (*pid == 0) {
		dup2(out[1], STDOUT_FILENO);
		execl(server, server, (char *)NULL);
		_exit(127);
	}
	if (read(out[0], line, sizeof line - 1) > 0)
		sscanf(line, "%*[^0-9]%d", &port);
	return port;
}

/* Connects, with a receive buffer of so many bytes, or 0 for the usual. */
static int dial(int port, int size)
{
	struct sockaddr_in a = {.sin_family = AF_INET,
				.sin_port = htons((in_port_t)port),
				.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (size > 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
	if (connect(fd, (void *)&a, sizeof a) < 0) {
		perror("slow");
		exit(2);
	}
	poll(NULL, 0, 100); /* until the server has accepted it */
	return fd;
}

/* Lets all talk and read, until the fast client has every line, or nothing has
   moved for PATIENCE. */
static void talk(struct reader *talker, struct reader *fast,
		 struct reader *slow)
{
	char text[LINE * 64];
	long said = 0;
	int idle = 0;

	while (idle < PATIENCE && fast->bytes < (long)LINES * LINE &&
	       !fast->broken && !fast->ended) {
		size_t n = 0;
		ssize_t sent;
		bool moved;

		while (n < sizeof text && said - fast->bytes < AHEAD &&
		       said + (long)n < (long)LINES * LINE) {
			text[n] = byte_at(said + (long)n);
			n++;
		}
		sent = n == 0 ? 0
			      : send(talker->fd, text, n,
				     MSG_DONTWAIT | MSG_NOSIGNAL);
		said += sent > 0 ? sent : 0;
		/* the talker hears itself, and reads it */
		moved = sent > 0;
		while (read_some(talker))
			moved = true;
		while (read_some(fast))
			moved = true;
		while (fast->bytes > (long)LINES * LINE / 4 * 3 &&
		       read_some(slow))
			moved = true;
		idle = moved ? 0 : idle + 10;
		if (!moved)
			poll(NULL, 0, 10);
	}
}

static void report(const char *who, const struct reader *r)
{
	printf("The %s client received %s, %s.\n", who,
	       r->bytes == (long)LINES * LINE ? "every line"
	       : r->bytes > 0                 ? "the first lines"
					      : "nothing",
	       r->broken  ? "then lost a part of one"
	       : r->ended ? "then the server closed its connection"
	       : r->bytes < (long)LINES * LINE ? "then nothing more"
					       : "each whole and in order");
}

int main(int argc, char **argv)
{
	struct reader talker = {0}, fast = {0}, slow = {0};
	pid_t pid = 0;
	int port = argc == 2 ? start(argv[1], &pid) : 0;
	bool stalled;

	if (port == 0) {
		fprintf(stderr, "usage: slow ./naive\n");
		return 2;
	}
	talker.fd = dial(port, 0);
	fast.fd = dial(port, 0);
	slow.fd = dial(port, 65536);
	talk(&talker, &fast, &slow);
	stalled = fast.bytes < (long)LINES * LINE && !fast.broken;
	printf("%s\n", stalled ? "The room stands still: nothing moved for 2 s."
			       : "The room went on to the end.");
	report("fast", &fast);
	if (!stalled) {
		while (read_some(&slow) ||
		       (!slow.ended && !slow.broken &&
			poll(NULL, 0, 100) == 0 && read_some(&slow)))
			;
		report("slow", &slow);
	}
	kill(pid, SIGKILL);
	return stalled || fast.broken || slow.broken;
}
