/* SPDX-License-Identifier: MIT */
/* A kernel in a bad mood, to be preloaded into a server: of its calls, so many
   in a thousand fail as may be tried again, and others take or give only a few
   bytes.  FAULTS says how many. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static unsigned below(unsigned n)
{
	static uint64_t state = 20261123;

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (unsigned)((state >> 32) % n);
}

/* Whether to fail, and with one of these errors then. */
static int fails(int first, int second, int third)
{
	const char *faults = getenv("FAULTS");
	const int errors[] = {first, second, third};

	if (below(1000) >= (unsigned)atoi(faults != NULL ? faults : "0"))
		return 0;
	errno = errors[below(3)];
	return 1;
}

static size_t some(size_t n)
{
	return n > 1 && below(2) ? 1 + below(n < 9 ? (unsigned)n : 9) : n;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

ssize_t recv(int fd, void *data, size_t n, int flags)
{
	return fails(EINTR, EAGAIN, EINTR)
		       ? -1
		       : REAL(recv)(fd, data, some(n), flags);
}

ssize_t send(int fd, const void *data, size_t n, int flags)
{
	return fails(EINTR, EAGAIN, EINTR)
		       ? -1
		       : REAL(send)(fd, data, some(n), flags);
}

int accept(int fd, struct sockaddr *address, socklen_t *n)
{
	return fails(EINTR, EAGAIN, ECONNABORTED)
		       ? -1
		       : REAL(accept)(fd, address, n);
}

int poll(struct pollfd *fds, nfds_t n, int wait)
{
	return fails(EINTR, EINTR, EINTR) ? -1 : REAL(poll)(fds, n, wait);
}

ssize_t write(int fd, const void *data, size_t n)
{
	return fd == STDERR_FILENO && fails(EINTR, EAGAIN, EIO)
		       ? -1
		       : REAL(write)(fd, data, n);
}

int setsockopt(int fd, int level, int name, const void *value, socklen_t n)
{
	return fails(ENOMEM, ENOBUFS, EINVAL)
		       ? -1
		       : REAL(setsockopt)(fd, level, name, value, n);
}

int shutdown(int fd, int how)
{
	return fails(ENOBUFS, ENOTCONN, ENOBUFS) ? -1 : REAL(shutdown)(fd, how);
}
