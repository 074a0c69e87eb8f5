/* SPDX-License-Identifier: MIT */
/*
 * Replaces the kernel under chat.c.  Include this right before chat.c: each
 * system call below becomes a call of fake_...(), which the including file
 * defines, and the program's main() becomes chat_main().
 *
 * The calls of the poll() loop are declared here, so that fakes which look into
 * chat.c's data can follow it.  The others are replaced only with FAKE_START,
 * for a file that runs chat_main() and defines fakes of them before.
 *
 * prove/server.c has models of its own: there most calls are one macro, "any
 * outcome", which is all that the value analysis needs.
 */
#ifndef FAKE_KERNEL_H
#define FAKE_KERNEL_H

/* These declare the real calls, so they come before the names change. */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static int fake_poll(struct pollfd *fds, nfds_t n, int wait);
static int fake_accept(int fd, void *address, socklen_t *size);
static int fake_fcntl(int fd, int command, ...);
static int fake_setsockopt(int fd, int level, int option, const void *value,
			   socklen_t size);
static ssize_t fake_recv(int fd, void *data, size_t n, int flags);
static ssize_t fake_send(int fd, const void *data, size_t n, int flags);
static int fake_shutdown(int fd, int how);
static int fake_close(int fd);
static int fake_clock_gettime(clockid_t clock, struct timespec *t);

#define poll(fds, n, wait)         fake_poll(fds, n, wait)
#define accept(fd, address, size)  fake_accept(fd, address, size)
#define fcntl(fd, ...)             fake_fcntl(fd, __VA_ARGS__)
#define setsockopt(fd, l, o, v, n) fake_setsockopt(fd, l, o, v, n)
#define recv(fd, data, n, flags)   fake_recv(fd, data, n, flags)
#define send(fd, data, n, flags)   fake_send(fd, data, n, flags)
#define shutdown(fd, how)          fake_shutdown(fd, how)
#define close(fd)                  fake_close(fd)
#define clock_gettime(clock, t)    fake_clock_gettime(clock, t)

#ifdef FAKE_START
#define socket(family, type, protocol) fake_socket(family, type, protocol)
#define bind(fd, address, size)        fake_bind(fd, address, size)
#define listen(fd, backlog)            fake_listen(fd, backlog)
#define getsockopt(fd, l, o, v, n)     fake_getsockopt(fd, l, o, v, n)
#define getsockname(fd, address, size) fake_getsockname(fd, address, size)
#define connect(fd, address, size)     fake_connect(fd, address, size)
#define open(path, ...)                fake_open(path, __VA_ARGS__)
#define isatty(fd)                     fake_isatty(fd)
#define dup2(from, to)                 fake_dup2(from, to)
#define lstat(path, out)               fake_lstat(path, out)
#define fstat(fd, out)                 fake_fstat(fd, out)
#define posix_fallocate(fd, from, n)   fake_posix_fallocate(fd, from, n)
#define ftruncate(fd, n)               fake_ftruncate(fd, n)
#define pread(fd, data, n, from)       fake_pread(fd, data, n, from)
#define pwrite(fd, data, n, from)      fake_pwrite(fd, data, n, from)
#define msync(at, n, flags)            fake_msync(at, n, flags)
#define mmap(at, n, p, flags, fd, o)   fake_mmap(at, n, p, flags, fd, o)
#define unlink(path)                   fake_unlink(path)
#define umask(mask)                    fake_umask(mask)
#define write(fd, data, n)             fake_write(fd, data, n)
#define getrlimit(resource, r)         fake_getrlimit(resource, r)
#define setrlimit(resource, r)         fake_setrlimit(resource, r)
#define sigaction(number, to, from)    fake_sigaction(number, to, from)
#define alarm(seconds)                 fake_alarm(seconds)
#define getenv(name)                   fake_getenv(name)
#define getpid()                       1234
#define exit(status)                   fake_exit(status)
#define _exit(status)                  fake_exit(status)
#define time(out)                      0
#endif

#define main chat_main

#endif
