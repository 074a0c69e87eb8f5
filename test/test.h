/* SPDX-License-Identifier: MIT */
#ifndef TEST_H
#define TEST_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "suites.h"

#ifndef WAIT
#define WAIT 20000 /* ms that a test waits for anything before it fails */
#endif

/* ---- A server under test ---- */

struct server {
	pid_t pid;
	int port; /* picked by the kernel, on 127.0.0.1 unless told */
	char greeting[256];
	int err;         /* its stderr, */
	char log[65536]; /* and what has been read of it */
	size_t log_len;
};

/* Starts a build of chat with options, a list that ends with NULL, and waits
   until it listens. */
void start(struct server *s, const char *binary, ...);
/* For the next server: a listening socket to inherit, and a descriptor to be
   its stderr instead of the pipe of struct server, or CLOSED; or -1. */
enum { CLOSED = -2 };
extern int inherited, stderr_for_server;
/* Waits until the log has a text; fails the test when it does not come. */
void await_log(struct server *s, const char *text);
/* How often the log, read so far, has a text. */
int count_log(const struct server *s, const char *text);
/* The exit status of a server that is about to end by itself, */
int await_end(struct server *s);
/* or of one that is sent SIGTERM first. */
int stop(struct server *s);
/* How many descriptors it has open. */
int count_descriptors(const struct server *s);
/* The value of a metric, by its name with any label; read over HTTP. */
long metric(const struct server *s, const char *name);

/* ---- A client, blocking, by hand ---- */

int dial(const struct server *s);
bool is_listening(const struct server *s);
void send_all(int fd, const void *data, size_t len);
void send_text(int fd, const char *text);
/* Reads all that comes until the connection ends, into a C string. */
void read_all(int fd, char *out, size_t size);
/* Whether the connection has ended with nothing more to read; waits for it. */
bool ended(int fd);

/* dial(), a handshake with extra header lines, and its response checked. */
int join(const struct server *s, const char *extra);
/* The status that a handshake or request gets, with the whole response. */
int ask(const struct server *s, const char *request, char *out, size_t size);

/* Writes a masked frame that declares so many bytes, and the len bytes of it
   that are there; first is FIN, RSV and opcode.  Returns its size. */
size_t build_frame(unsigned char *out, int first, size_t declared,
		   const void *payload, size_t len);
void send_frame(int fd, int first, const void *payload, size_t len);
void say(int fd, const char *text);

struct frame {
	int first; /* FIN, RSV and opcode, or -1 when the connection ended */
	size_t len;
	unsigned char data[70000];
};
/* The next frame as it comes. */
struct frame *next_frame(int fd);
/* The next that is neither a notice nor a ping. */
struct frame *next_message(int fd);
/* Each fails the test when something else comes. */
void expect_text(int fd, const char *text);
void expect_notice(int fd, int online);
void expect_close(int fd, int code); /* and then the end */

#endif
