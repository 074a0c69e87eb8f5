/* SPDX-License-Identifier: MIT */
/*
 * strace lets each system call of the server fail in each way that its man page
 * lists.  A call that may be tried again must cost no client anything; one that
 * ends a connection, only that one.  Only for make faults, as it needs strace
 * and takes minutes: PART, one of PARTS, runs only its share.
 */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "handshake.h"
#include "test.h"

enum {
	MEMBERS = 4,
	ROUNDS = 12,
	CALLS = 4000, /* far more than a conversation needs */
	ATTEMPTS = 4, /* of what fails for ever, each 100 ms after the last */
};

/* Errors that are injected again and again, and errors that end a connection
   and are injected once. */
static const struct call {
	const char *name, *passing, *fatal;
} calls[] = {
	{"poll", "EINTR ENOMEM EINVAL", ""},
	{"accept",
	 "EINTR ECONNABORTED EAGAIN EMFILE ENFILE ENOBUFS ENOMEM EPROTO EPERM "
	 "ENETDOWN ENOPROTOOPT EHOSTDOWN ENONET EHOSTUNREACH EOPNOTSUPP "
	 "ENETUNREACH ENOSR ESOCKTNOSUPPORT EPROTONOSUPPORT ETIMEDOUT",
	 ""},
	{"recvfrom", "EINTR EAGAIN ENOMEM ENOBUFS",
	 "ECONNRESET ECONNREFUSED ETIMEDOUT ENOTCONN EIO EHOSTUNREACH"},
	{"sendto", "EINTR EAGAIN ENOMEM ENOBUFS",
	 "ECONNRESET EPIPE EACCES EHOSTUNREACH ENETDOWN ENETUNREACH ETIMEDOUT "
	 "ENOTCONN EMSGSIZE EIO"},
	{"fcntl", "", "EINTR EAGAIN EACCES EPERM EINVAL"},
	{"shutdown", "ENOBUFS ENOTCONN EINVAL", ""},
	{"write", "EINTR EAGAIN EPIPE EIO ENOSPC EFBIG EDQUOT ENOMEM", ""},
};

/* Calls of the start: the server may exit at any of these, with a message. */
static const struct call starts[] = {
	{"socket", "EAFNOSUPPORT EMFILE ENFILE ENOBUFS ENOMEM EACCES", ""},
	{"bind", "EADDRINUSE EADDRNOTAVAIL EACCES EINVAL ENOMEM", ""},
	{"listen", "EADDRINUSE EOPNOTSUPP", ""},
	{"setsockopt", "ENOPROTOOPT ENOMEM", ""},
	{"fcntl", "EACCES EPERM", ""},
	{"prlimit64", "EPERM EINVAL", ""},
	{"ioctl", "ENOTTY EINVAL", ""},
	{"connect", "ENETUNREACH EACCES EAGAIN", ""},
};

/* Calls on the file of -f: when one fails at the start, the server exits with a
   sentence that names the file, or can do without it. */
static const struct call on_file[] = {
	{"openat",
	 "EACCES EINTR EIO EISDIR EMFILE ENFILE ENOENT ENOMEM ENOSPC EROFS "
	 "EDQUOT EOVERFLOW",
	 ""},
	{"fstat,newfstatat", "EIO ENOMEM EOVERFLOW", ""},
	{"fcntl", "EACCES EAGAIN EINTR ENOLCK", ""},
	{"pread64", "EINTR EIO", ""},
	{"pwrite64", "EINTR EFBIG EIO ENOSPC EDQUOT", ""},
	{"fsync", "EINTR EIO ENOSPC EDQUOT", ""},
};

static const struct call for_ever[] = {
	{"recvfrom", "ENOMEM ENOBUFS", ""},
	{"sendto", "ENOMEM ENOBUFS", ""},
	{"accept", "EMFILE ENOMEM", ""},
};

static struct fault {
	const char *call;
	char error[20];
	bool fatal;
} faults[100], at_start[40], with_file[60], endless[10];

static int part, parts; /* of the tests, those with i % parts == part */

static int flatten(struct fault *out, const struct call *in, size_t n)
{
	int count = 0, len;

	for (size_t i = 0; i < 2 * n; i++) {
		const char *s = i % 2 ? in[i / 2].fatal : in[i / 2].passing;

		while (sscanf(s, " %19s%n", out[count].error, &len) == 1) {
			out[count].call = in[i / 2].name;
			out[count++].fatal = i % 2;
			s += len;
		}
	}
	return count;
}

static struct server s;
static char trace[40]; /* the file that strace writes */

/* Begins to trace the server; strace says when it does. */
static pid_t inject(const struct fault *f, const char *when)
{
	char rule[80], pid[16], said[200] = "";
	int err[2];
	pid_t tracer;

	snprintf(rule, sizeof rule, "inject=%s:error=%s:when=%s", f->call,
		 f->error, when);
	snprintf(pid, sizeof pid, "%d", (int)s.pid);
	ck_assert(pipe(err) == 0);
	tracer = fork();
	if (tracer == 0) {
		dup2(err[1], STDERR_FILENO);
		execlp("strace", "strace", "-ttt", "-o", trace, "-e",
		       "trace=all", "-e", rule, "-p", pid, (char *)NULL);
		_exit(127);
	}
	close(err[1]);
	ck_assert_msg(read_until(err[0], said, sizeof said, "attached"),
		      "strace: %s", said);
	close(err[0]);
	return tracer;
}

static void release(pid_t tracer)
{
	ck_assert(kill(tracer, SIGINT) == 0);
	ck_assert(waitpid(tracer, NULL, 0) == tracer);
}

/* How many lines of the trace have a text; the times of the first and last. */
static int count_calls(const char *text, double *first, double *last)
{
	FILE *file = fopen(trace, "r");
	char line[2000];
	int n = 0;

	ck_assert(file != NULL);
	while (fgets(line, sizeof line, file) != NULL) {
		if (strstr(line, text) == NULL)
			continue;
		*last = atof(line);
		*first = n++ == 0 ? *last : *first;
	}
	fclose(file);
	return n;
}

/* Reads up to a message; false when the connection ends instead. */
static bool hears(int fd, const char *text)
{
	struct frame *f = read_message(fd);

	if (f->first < 0)
		return false;
	MUST(f->first == 0x81 && f->len == strlen(text) &&
		     memcmp(f->data, text, f->len) == 0,
	     "%.*s instead of %s", (int)f->len, (char *)f->data, text);
	return true;
}

/* Joins and leaves at once; then returns whether a GET brings the page. */
static bool gets_page(void)
{
	static char page[70000];
	int fd = dial(&s);

	send_string(fd, HANDSHAKE "\r\n");
	close(fd);
	fd = dial(&s);

	send_string(fd, GET "\r\n");
	read_until_end(fd, page, sizeof page);
	close(fd);
	return strstr(page, "</script>") != NULL;
}

/* Lets all members speak in turn and checks that all get each message, while
   visitors come and go.  Returns how many connections were lost; the last
   message of a lost speaker reaches the others only if `sent`. */
static int converse(int fds[MEMBERS], bool sent)
{
	int lost = 0;
	char text[32];

	for (int round = 0; round < ROUNDS; round++) {
		int speaker = round % MEMBERS;

		if (fds[speaker] < 0)
			continue;
		snprintf(text, sizeof text, "message %d", round);
		send_message(fds[speaker], text);
		if (!hears(fds[speaker], text)) { /* its read was the victim */
			lost++;
			close(fds[speaker]);
			fds[speaker] = -1;
			if (!sent)
				continue;
		}
		for (int i = 0; i < MEMBERS; i++) {
			if (i == speaker || fds[i] < 0 || hears(fds[i], text))
				continue;
			lost++;
			close(fds[i]);
			fds[i] = -1;
		}
		lost += round % 3 == 0 && !gets_page();
	}
	return lost;
}

START_TEST(failed_call_costs_one_connection_at_most)
{
	const struct fault *f = &faults[_i * parts + part];
	int fds[MEMBERS], before, lost;
	double from, to;
	pid_t tracer;

	start(&s, CHAT, NULL);
	before = count_descriptors(&s);
	for (int i = 0; i < MEMBERS; i++) {
		fds[i] = join_room(&s, "");
		expect_notice(fds[i], i + 1);
	}
	tracer = inject(f, f->fatal ? "2" : "1+3");
	lost = converse(fds, strcmp(f->call, "sendto") == 0);
	ck_assert_msg(lost <= f->fatal, "%s %s: %d were lost", f->call,
		      f->error, lost);
	release(tracer);
	ck_assert_msg(count_calls("INJECTED", &from, &to) > 0,
		      "%s was never called", f->call);
	lost = count_calls("(", &from, &to);
	ck_assert_msg(lost < CALLS, "it spun: %d calls", lost);
	for (int i = 0; i < MEMBERS; i++)
		close(fds[i]);
	while (count_descriptors(&s) > before)
		poll(NULL, 0, 1);
	ck_assert(gets_page());
	ck_assert_int_eq(stop(&s), 0);
}
END_TEST

START_TEST(naps_while_a_failure_lasts)
{
	const struct fault *f = &endless[_i * parts + part];
	double from = 0, to = 0;
	pid_t tracer;
	int fd, other;

	start(&s, CHAT, "-t", "0", NULL);
	fd = join_room(&s, "");
	expect_notice(fd, 1);
	tracer = inject(f, "1+");
	send_message(fd, "Hi");
	other = dial(&s);
	send_string(other, GET_METRICS "\r\n");
	while (count_calls("INJECTED", &from, &to) < 2 * ATTEMPTS)
		poll(NULL, 0, 1);
	release(tracer);
	ck_assert_msg(to - from >= 0.3, "%s %s: %d attempts in %f s", f->call,
		      f->error, 2 * ATTEMPTS, to - from);
	ck_assert(hears(fd, "Hi"));
	ck_assert_int_eq(stop(&s), 0);
}
END_TEST

/* Runs strace with these arguments.  The server starts and works, or its first
   line is the reason, which begins so, and it exits with 1. */
static void starts_or_exits(const char *const *args, const char *reason)
{
	char out[2000] = "";
	int pipes[2], status;
	bool started;

	ck_assert(pipe(pipes) == 0);
	s.pid = fork();
	if (s.pid == 0) {
		dup2(pipes[1], STDOUT_FILENO);
		dup2(pipes[1], STDERR_FILENO);
		close(pipes[0]);
		close(pipes[1]);
		execvp("strace", (char **)(size_t)args);
		_exit(127);
	}
	close(pipes[1]);
	MUST(read_until(pipes[0], out, sizeof out, "\n"),
	     "it ended without a word");
	started = strncmp(out, "chat 1.1: ", 10) == 0;
	MUST(started || strncmp(out, reason, strlen(reason)) == 0, "%s", out);
	if (started && strstr(out, " port ") == NULL) {
		s.port = atoi(strrchr(out, ':') + 1);
		ck_assert_msg(gets_page(), "%s", out);
	}
	if (started)
		kill(s.pid, SIGTERM);
	ck_assert(waitpid(s.pid, &status, 0) == s.pid);
	MUST(WIFEXITED(status), "%d", status);
	MUST(started || WEXITSTATUS(status) == 1, "%d, %s", status, out);
	close(pipes[0]);
}

START_TEST(starts_or_exits_with_reason)
{
	const struct fault *f = &at_start[_i * parts + part];
	char rule[80];
	const char *const args[] = {"strace", "-D", "-qq", "-o", trace, "-e",
				    rule,     CHAT, "-p",  "0",  NULL};

	snprintf(rule, sizeof rule, "inject=%s:error=%s", f->call, f->error);
	starts_or_exits(args, "chat: ");
}
END_TEST

/* Starts the server while a call fails that is made on this file. */
static void starts_with_file(const struct fault *f, const char *path)
{
	char which[80], rule[80], why[100];
	const char *const args[] = {"strace", "-D", "-qq", "-o", trace,
				    which,    rule, CHAT,  "-q", "-p",
				    "0",      "-f", path,  NULL};

	snprintf(which, sizeof which, "-P%s", path);
	snprintf(rule, sizeof rule, "-einject=%s:error=%s", f->call, f->error);
	snprintf(why, sizeof why, "chat: -f %s: ", path);
	starts_or_exits(args, why);
}

/* Whether the server starts or not, a file keeps each message that it has; and
   it can be used, or made, when the fault is gone. */
START_TEST(uses_file_or_exits_with_reason)
{
	const struct fault *f = &with_file[_i * parts + part];
	char folder[] = "/tmp/chat-test-XXXXXX", path[64];
	double from, to;
	int injected = 0, fd;

	ck_assert(mkdtemp(folder) != NULL);
	snprintf(path, sizeof path, "%s/messages", folder);
	for (int said = 0; said < 2; said++) {
		starts_with_file(f, path);
		injected += count_calls("INJECTED", &from, &to);
		start(&s, CHAT, "-f", path, NULL);
		fd = join_room(&s, "");
		for (int i = 0; i < said; i++)
			ck_assert(hears(fd, "Hi"));
		send_message(fd, "Hi");
		ck_assert(hears(fd, "Hi"));
		close(fd);
		ck_assert_int_eq(stop(&s), 0);
	}
	ck_assert_msg(injected > 0, "%s was never called", f->call);
	unlink(path);
	ck_assert_int_eq(rmdir(folder), 0);
}
END_TEST

static int number(const char *name, int otherwise)
{
	return getenv(name) != NULL ? atoi(getenv(name)) : otherwise;
}

/* How many of n tests this process runs. */
static int share(int n)
{
	return (n - part + parts - 1) / parts;
}

Suite *faults_suite(void)
{
	Suite *suite = suite_create("faults");
	TCase *t = tcase_create("system calls that fail");

	part = number("PART", 0);
	parts = number("PARTS", 1);
	snprintf(trace, sizeof trace, "test/build/faults-%d.trace", part);
	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, failed_call_costs_one_connection_at_most, 0,
			    share(flatten(faults, calls, COUNT(calls))));
	tcase_add_loop_test(t, naps_while_a_failure_lasts, 0,
			    share(flatten(endless, for_ever, COUNT(for_ever))));
	tcase_add_loop_test(t, starts_or_exits_with_reason, 0,
			    share(flatten(at_start, starts, COUNT(starts))));
	tcase_add_loop_test(t, uses_file_or_exits_with_reason, 0,
			    share(flatten(with_file, on_file, COUNT(on_file))));
	suite_add_tcase(suite, t);
	return suite;
}
