/* SPDX-License-Identifier: MIT */
/*
 * attack CLIENTS PORT: members of a room on this machine that talk and do not
 * read: each says 100 bytes a second, and comes again when it has been dropped.
 * Prints a line when all have joined once, and then how often any came again;
 * goes on until it is killed.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../handshake.h"

enum { MEMBERS_MAX = 1000, LENGTH = 100 };

static int members[MEMBERS_MAX];

/* Returns a connection that has sent the handshake, does not wait, and has next
   to no room for what it does not read. */
static int join(int port)
{
	struct sockaddr_in to = {.sin_family = AF_INET,
				 .sin_port = htons((uint16_t)port),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM, 0), tiny = 1;

	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &tiny, sizeof tiny);
	if (connect(fd, (struct sockaddr *)&to, sizeof to) == 0 &&
	    send(fd, HANDSHAKE "\r\n", strlen(HANDSHAKE "\r\n"), 0) > 0 &&
	    fcntl(fd, F_SETFL, O_NONBLOCK) == 0)
		return fd;
	close(fd);
	return -1;
}

/* Says something; returns false if the connection has ended. */
static int talk(int fd)
{
	char frame[6 + LENGTH] = "\201\344"; /* 100 bytes, masked with zeros */

	memset(frame + 6, 'a', LENGTH);
	/* a socket that is full has not failed, and part of a frame is no
	   concern of ours: the room must bear it */
	if (send(fd, frame, sizeof frame, 0) < 0) {
		char byte;
		return recv(fd, &byte, 1, MSG_PEEK) != 0 &&
		       send(fd, "", 0, 0) == 0;
	}
	return 1;
}

int main(int argc, char **argv)
{
	int n = argc == 3 ? atoi(argv[1]) : 0, joined = 0, again = 0;

	if (n < 1 || n > MEMBERS_MAX)
		return 2;
	signal(SIGPIPE, SIG_IGN);
	memset(members, -1, sizeof members);
	for (;;) {
		for (int k = 0; k < n; k++) {
			if (members[k] >= 0 && !talk(members[k])) {
				close(members[k]);
				members[k] = -1;
				again++;
			}
			if (members[k] < 0 &&
			    (members[k] = join(atoi(argv[2]))) >= 0)
				joined++;
			usleep(1000000 / (unsigned)n);
		}
		printf("attack: %d joined, %d had been dropped\n", joined,
		       again);
		fflush(stdout);
	}
}
