/* SPDX-License-Identifier: MIT */
/* A server under test and its clients, for the suites that start the real
   program.  All waiting is for an event, and fails the test after WAIT ms. */
#ifndef TEST_H
#define TEST_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "suites.h"

#ifndef WAIT
#define WAIT 20000
#endif

/* The program as it is, and built with other limits: see the Makefile. */
#define CHAT  "./chat"
#define SMALL "test/build/small/chat"
#define BIG   "test/build/big/chat"
#define CROWD "test/build/crowd/chat"
#define TIGHT "test/build/tight/chat"
#define DRIP  "test/build/drip/chat"
#define BUSY  "test/build/busy/chat"
#define RETRY "test/build/retry/chat"
#define BOARD "test/build/eight/chat" /* the README's */

/* ---- A server under test ---- */

struct server {
	pid_t pid;
	int port; /* picked by the kernel, on 127.0.0.1 unless told */
	char greeting[256];
	int err;              /* its stderr, */
	char log[65536];      /* and the lines that have been read of it */
	char response[65536]; /* to the last request */
};

/* Starts a build of chat with options, a list that ends with NULL, and waits
   until it listens. */
void start(struct server *s, const char *binary, ...);
/* Starts it without notices, pings, history and rate limit. */
void start_bare_relay(struct server *s, const char *binary);
/* For the next server: a listening socket to inherit, and a descriptor to be
   its stderr instead of the pipe of struct server, or CLOSED; or -1. */
enum { CLOSED = -2 };
extern int inherited_socket, stderr_for_server;
extern const char *address_for_server; /* to listen on: 127.0.0.1 */
/* Reads all that is in the log, and waits until that has a text. */
void await_log(struct server *s, const char *text);
/* Returns how often the log that has been read has a text. */
int count_in_log(const struct server *s, const char *text);
/* Waits until the server ends by itself, and returns its exit status. */
int await_exit(struct server *s);
/* Sends SIGTERM, waits until the server ends, and returns its exit status. */
int stop(struct server *s);
/* Closes all sockets of this process, so that no server waits for clients. */
void close_clients(void);
/* Returns how many descriptors it has open. */
int count_descriptors(const struct server *s);
/* Reads a number from a file of /proc/PID. */
long read_proc(const struct server *s, const char *file, const char *format);
#define CPU_TIME /* of the program itself, in stat */ \
	"%*d (%*[^)]) %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %ld"
/* Returns the value of a metric, by its name with any label, over HTTP. */
long read_metric(struct server *s, const char *name);
void expect_metric(struct server *s, const char *name, long value);

/* ---- A client, blocking, by hand ---- */

int dial(const struct server *s);
/* With a receive buffer of so many bytes from the start, or 0. */
int dial_narrow(const struct server *s, int size);
bool is_listening(const struct server *s);
void send_all(int fd, const void *data, size_t len);
void send_string(int fd, const char *text); /* its bytes, without a frame */
/* Appends bytes to the C string out until that has a text; returns false at the
   end before that. */
bool read_until(int fd, char *out, size_t size, const char *text);
/* Reads all that comes until the connection ends, into a C string. */
void read_until_end(int fd, char *out, size_t size);
/* Waits for more; returns whether that is the end of the connection. */
bool connection_ended(int fd);
/* Ends a connection by a reset. */
void reset_connection(int fd);

/* Sends a request on a connection of its own; returns the status of the
   response, and leaves that in s->response. */
int send_request(struct server *s, const char *request);
void expect_status(struct server *s, const char *request, int status);
/* Joins by a handshake with extra header lines; returns the connection. */
int join_room(const struct server *s, const char *extra);

/* Writes a masked frame that declares so many bytes, and the len bytes of it
   that are there; first is FIN, RSV and opcode.  Returns its size. */
size_t build_frame(unsigned char *out, int first, size_t declared,
		   const void *payload, size_t len);
void send_frame(int fd, int first, const void *payload, size_t len);
void send_message(int fd, const char *text);

struct frame {
	int first; /* FIN, RSV and opcode, or -1 when the connection ended */
	size_t len;
	unsigned char data[70000];
};
/* Reads exactly len bytes; false at the end of the connection. */
bool read_bytes(int fd, void *data, size_t len);
/* Reads a frame's header: returns its first byte, or -1 at the end. */
int read_header(int fd, size_t *len);
/* Reads the next frame as it comes. */
struct frame *read_frame(int fd);
/* Reads the next frame that is neither a notice nor a ping. */
struct frame *read_message(int fd);
/* Each fails the test when something else comes. */
void expect_message(int fd, const char *text);
void expect_notice(int fd, int online);
void expect_close(int fd, int code); /* and then the end */

/* ---- A client that never blocks, for crowds of them ---- */

enum { CLIENT_BUFFER = 1 << 15 };

struct client {
	int fd;          /* or -1 */
	int status;      /* of the response to its handshake, or 0 */
	size_t have, at; /* bytes in in[], of which so many are taken */
	size_t from, to; /* what of out[] is to be sent */
	unsigned char in[CLIENT_BUFFER], out[CLIENT_BUFFER];
};

/* Begins with a handshake on a connection. */
void begin_client(struct client *c, int fd);
void add_frame(struct client *c, int first, const void *data, size_t len);
/* Each moves at most so many bytes. */
void send_some(struct client *c, size_t max);
bool receive_some(struct client *c, size_t max); /* false: it has ended */
/* Takes the next frame, whose payload it returns, or NULL if none is whole. */
const char *take_frame(struct client *c, int *first, size_t *len);

/* ---- Clients from other addresses ---- */

/* Networks of the kernel, which the test leaves with its end:

       AWAY, attackers  --------------  SERVER  ---- a line ----  HOME, people
       10.2.1.*, fd00:9:*:*::*                      10.1.1.*, fd00:1::*

   fd00:1:: is the server's own link.  The line is as fast as tc is told. */
enum network { SERVER, HOME, AWAY, NETWORKS };
bool can_make_networks(void); /* if root runs this */
void make_networks(const char *rate);

/* Connects from an address, in the network where that is, without waiting;
   window is the size of its receive buffer, or 0. */
int call(const struct server *s, const char *from, int window);
/* Waits until the connection is there. */
int dial_from(const struct server *s, const char *from);
/* Asks to join; returns the status of the response, 0 if there is none. */
int knock_from(const struct server *s, const char *from, int *fd);
int join_room_from(const struct server *s, const char *from);

#endif
