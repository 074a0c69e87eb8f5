/* SPDX-License-Identifier: MIT */
/* The whole server, from main() on, with libc's and the kernel's contracts for
   what they may answer: anything that a man page allows, and any bytes from
   outside.  The head that http_head() writes is any text that fits: the proof
   of http.c shows that it does. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "__fc_builtin.h"

#include "http.h"

static volatile int any;

static int between(int low, int high)
{
	return Frama_C_interval(low, high);
}

static void fill(void *p, size_t n)
{
	if (n > 0)
		Frama_C_make_unknown(p, n);
}

/* -1 and an errno, or 0. */
static int outcome(void)
{
	errno = between(1, 133);
	return between(-1, 0);
}

/* ---- What Frama-C's libc lacks, or has too weak a contract for ---- */

struct linger {
	int l_onoff, l_linger;
};

struct any_address {
	sa_family_t ss_family;
	char rest[126];
} __attribute__((aligned(8)));
#define sockaddr_storage any_address

static int model_poll(struct pollfd *fds, nfds_t n, int wait)
{
	for (nfds_t i = 0; i < n; i++)
		fds[i].revents = (short)any;
	errno = any;
	return between(-1, (int)n);
}

static int model_accept(int fd, void *address, socklen_t *n)
{
	fill(address, sizeof(struct any_address));
	*n = (socklen_t)any;
	errno = any;
	return between(-1, 1000);
}

static ssize_t model_recv(int fd, void *data, size_t n, int flags)
{
	fill(data, n);
	errno = any;
	return Frama_C_long_interval(-1, (long)n);
}

static ssize_t model_send(int fd, const void *data, size_t n, int flags)
{
	volatile unsigned char sent;

	for (size_t i = 0; i < n; i++)
		sent = ((const unsigned char *)data)[i];
	errno = any;
	return Frama_C_long_interval(-1, (long)n);
}

static int model_getsockname(int fd, void *address, socklen_t *n)
{
	fill(address, sizeof(struct any_address));
	return outcome();
}

static int model_getsockopt(int fd, int level, int name, void *value,
			    socklen_t *n)
{
	fill(value, sizeof(int));
	return outcome();
}

static int model_getrlimit(int what, struct rlimit *r)
{
	fill(r, sizeof *r);
	return outcome();
}

static int model_clock_gettime(int clock, struct timespec *t)
{
	fill(t, sizeof *t);
	return 0;
}

static int model_stat(struct stat *file)
{
	fill(file, sizeof *file);
	return outcome();
}

static ssize_t model_pread(void *data, size_t n)
{
	fill(data, n);
	errno = any;
	return Frama_C_long_interval(-1, (long)n);
}

/* The file of option -f holds anything.  Its size is that of the store, which
   chat.c has not said yet; MAP_FAILED is no address of ours. */
extern struct store file_in_memory;
static char failed;
#undef MAP_FAILED
#define MAP_FAILED ((void *)&failed)

static void *model_mmap(size_t n)
{
	fill(&file_in_memory, n);
	errno = between(1, 133);
	return any ? (void *)&file_in_memory : MAP_FAILED;
}

/* The program may be started with a signal that is ignored. */
static int model_sigaction(struct sigaction *before)
{
	if (before != NULL)
		before->sa_handler = any ? SIG_IGN : SIG_DFL;
	return outcome();
}

static char text[16];

static char *model_getenv(const char *name)
{
	return any ? text : NULL;
}

/* vsnprintf(), inet_ntop(), http_head() and http_etag() write this: any text
   that fits in max bytes, with its 0.  Neither the formats nor their arguments
   are looked at. */
static void write_text(char *out, size_t max)
{
	fill(out, max);
	out[max - 1] = '\0';
}

static int model_vsnprintf(char *out, size_t at, size_t max)
{
	/*@ assert at < max; */
	write_text(out, max);
	return any;
}

static size_t model_head(char *out)
{
	write_text(out, HTTP_HEAD_MAX);
	return Frama_C_size_t_interval(0, HTTP_HEAD_MAX - 1);
}

static void model_etag(char *out, const unsigned char *body, size_t n)
{
	/*@ assert \valid_read(body + (0 .. n - 1)); */
	write_text(out, HTTP_ETAG_LENGTH + 1);
}

static const char *model_inet_ntop(char *out, size_t size)
{
	write_text(out, size);
	return any ? out : NULL;
}

static ssize_t model_write(int fd, const void *data, size_t n)
{
	volatile unsigned char written;

	for (size_t i = 0; i < n; i++)
		written = ((const unsigned char *)data)[i];
	return Frama_C_long_interval(-1, (long)n);
}

static const char *model_strerror(int error)
{
	return "an error";
}

/* only append_args() calls it: with out + at and max - at */
#define vsnprintf(to, room, f, args) model_vsnprintf(out, at, max)
#define inet_ntop(family, a, out, n) model_inet_ntop(out, n)
#define http_head(out, ...)          model_head(out)
#define http_etag                    model_etag
#define poll                         model_poll
#define accept                       model_accept
#define recv                         model_recv
#define send                         model_send
#define getsockname                  model_getsockname
#define getsockopt                   model_getsockopt
#define getrlimit                    model_getrlimit
#define setrlimit(...)               outcome()
#define setsockopt(...)              outcome()
#define sigaction(number, to, from)  model_sigaction(from)
#define alarm(...)                   outcome()
#define lstat(path, file)            model_stat(file)
#define fstat(fd, file)              model_stat(file)
#define pread(fd, data, n, at)       model_pread(data, n)
#define pwrite(...)                  outcome()
#define msync(...)                   outcome()
#define posix_fallocate(...)         between(0, 133)
#define ftruncate(...)               outcome()
#define isatty(...)                  between(0, 1)
#define dup2(...)                    outcome()
#define mmap(at, n, ...)             model_mmap(n)
#define unlink(...)                  outcome()
#define umask(...)                   between(0, 0777)
#define fcntl(...)                   outcome()
#define bind(...)                    outcome()
#define listen(...)                  outcome()
#define connect(...)                 outcome()
#define shutdown(...)                outcome()
#define close(...)                   outcome()
#define write                        model_write
#define open(...)                    between(-1, 10)
#define socket(...)                  between(-1, 10)
#define clock_gettime                model_clock_gettime
#define getenv                       model_getenv
#define strerror                     model_strerror

#define main chat_main
#include "chat.c"
#undef main

struct store file_in_memory;

void main(void)
{
	static char *argv[] = {text, text, text, NULL};

	fill(text, sizeof text - 1);
	/*@ widen_hints global:"all", 6, 8, 14, 125, 148, 152, 250; */
	/*@ widen_hints global:"all", 256, 1024, 8192; */
	/*@ widen_hints global:"all", 65535, 86400, 1000000, 5000000; */
	/*@ widen_hints global:"all", 2147483647; */
	chat_main(between(1, 3), argv);
}
