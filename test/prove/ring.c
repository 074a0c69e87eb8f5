/* SPDX-License-Identifier: MIT */
/* A ring whose file has any bytes, and a disk that fails as it likes; then any
   messages, and a slowest client anywhere.  ring_chunk() stays within the ring
   for each place in it.  The analysis does not relate variables: that a message
   has room, which an assert says, and that a save writes what lies in one
   piece, is shown by test_ring.c. */
#define NDEBUG
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "__fc_builtin.h"

static volatile int any;

static int outcome(void)
{
	errno = Frama_C_interval(1, 133);
	return Frama_C_interval(-1, 0);
}

static ssize_t model_pread(void *data, size_t n)
{
	Frama_C_make_unknown(data, n);
	errno = Frama_C_interval(1, 133);
	return Frama_C_long_interval(-1, (long)n);
}

static ssize_t model_pwrite(void)
{
	errno = Frama_C_interval(1, 133);
	return any;
}

static int model_fstat(struct stat *s)
{
	Frama_C_make_unknown((char *)s, sizeof *s);
	return outcome();
}

/* Any text that fits: neither the formats nor their arguments are looked at. */
static void model_snprintf(char *out, size_t max)
{
	Frama_C_make_unknown(out, max);
	out[max - 1] = '\0';
}

#define snprintf(out, max, ...) model_snprintf(out, max)
#define pread(fd, data, n, at)  model_pread(data, n)
#define pwrite(fd, data, n, at) model_pwrite()
#define fstat(fd, s)            model_fstat(s)
#define open(...)               Frama_C_interval(-1, 10)
#define fcntl(...)              outcome()
#define fsync(...)              outcome()
#define geteuid()               ((uid_t)any)
#define strerror(error)         "an error"

#include <ring.c> /* the one of the product */

void main(void)
{
	static unsigned char text[MESSAGE_MAX];
	struct ws_frame f = {WS_TEXT, text, 0, 0};
	const unsigned char *data;
	volatile unsigned char last;

	ring_open(any ? "a file" : NULL);
	while (any) {
		f.to = Frama_C_size_t_interval(0, sizeof text);
		ring.slowest =
			ring.head - Frama_C_size_t_interval(0, RING_SIZE);
		ring_append(&f);
		ring_history_start(Frama_C_interval(0, HISTORY_MAX));
		ring_room();
		ring_check();
		ring_save();
	}
	/*@ loop unroll RING_SIZE; */
	for (uint64_t from = 0; from < RING_SIZE; from++) {
		size_t n = ring_chunk(&data, from, ring.head);

		if (n > 0)
			last = data[n - 1];
	}
	ring_close();
}
