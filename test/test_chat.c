/* SPDX-License-Identifier: MIT */
/*
 * The whole server: the real binary, on a port that the kernel picks, talked to
 * over loopback, with its options, signals, log lines and exit codes.  SMALL is
 * a build whose limits are so small that a test can reach them: four clients,
 * one second for each timeout.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "handshake.h"
#include "test.h"

static struct server s;

static void finish(void)
{
	close_clients();
	ck_assert_int_eq(stop(&s), 0);
}

/* ---- The page and other requests ---- */

/* Header fields that keep the page from doing harm. */
static const char *const safety[] = {
	"\r\nCache-Control: no-cache\r\n",
	"\r\nReferrer-Policy: no-referrer\r\n",
	"\r\nX-Content-Type-Options: nosniff\r\n",
	"\r\nContent-Security-Policy: default-src 'none'; ",
	" base-uri 'none'; ",
	" form-action 'none'; ",
	" frame-ancestors 'none'; ",
	" connect-src 'self' ws: wss:; ",
	" require-trusted-types-for 'script'\r\n",
};

START_TEST(serves_the_page)
{
	char *body;
	unsigned long length;

	start(&s, CHAT, NULL);
	expect_status(&s, GET "\r\n", 200);
	ck_assert_ptr_nonnull(strstr(s.response, "Content-Type: text/html"));
	for (size_t i = 0; i < COUNT(safety); i++)
		ck_assert_msg(strstr(s.response, safety[i]) != NULL, "no %s",
			      safety[i]);
	body = strstr(s.response, "\r\n\r\n") + 4;
	sscanf(strstr(s.response, "Content-Length: "), "%*s %lu", &length);
	ck_assert_uint_eq(strlen(body), length);
	ck_assert_str_eq(body + length - 10, "</script>\n");
	/* HEAD: the same without the body */
	expect_status(&s, "HEAD /?x HTTP/1.1\r\nHost: a\r\n\r\n", 200);
	ck_assert_str_eq(strstr(s.response, "\r\n\r\n"), "\r\n\r\n");
	finish();
}
END_TEST

/* The answer and the log name the rule. */
START_TEST(answers_bad_requests)
{
	static const struct {
		const char *request;
		int status;
		const char *why;
	} cases[] = {
		{"nonsense\r\n\r\n", 400, "method"},
		{"GET /x HTTP/1.1\r\nHost: a\r\n\r\n", 404, "/x"},
		{"GET /metrics/ HTTP/1.1\r\nHost: a\r\n\r\n", 404, "/metrics/"},
		{"DELETE / HTTP/1.1\r\nHost: a\r\n\r\n", 405, "method"},
		{GET "Content-Length: 5\r\n\r\nhello", 400, "body"},
		{GET "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 501,
		 "body"},
		{"GET / HTTP/3.0\r\n\r\n", 505, "version"},
		{HANDSHAKE "Sec-WebSocket-Version: 13\r\n\r\n", 400, "unique"},
	};
	char refused[64];

	start(&s, CHAT, NULL);
	for (size_t i = 0; i < COUNT(cases); i++) {
		s.log[0] = '\0';
		expect_status(&s, cases[i].request, cases[i].status);
		ck_assert_ptr_nonnull(
			strstr(strstr(s.response, "\r\n\r\n"), cases[i].why));
		snprintf(refused, sizeof refused, "Request refused: %d ",
			 cases[i].status);
		await_log(&s, refused);
		await_log(&s, cases[i].why);
	}
	finish();
}
END_TEST

START_TEST(answers_a_half_closed_request_once)
{
	int fd;

	start(&s, CHAT, NULL);
	fd = dial(&s);
	send_string(fd, GET "\r\n" GET "\r\n");
	shutdown(fd, SHUT_WR);
	read_until_end(fd, s.response, sizeof s.response);
	ck_assert_ptr_nonnull(strstr(s.response, "</script>"));
	ck_assert_ptr_null(strstr(s.response + 1, "HTTP/1.1 "));
	close(fd);
	finish();
}
END_TEST

/* Each metric has a line of help and one of its type. */
START_TEST(counts_clients_messages_and_bytes)
{
	static const struct {
		const char *name, *type;
		long value; /* -1: more than 300 */
	} metrics[] = {
		{"chat_clients", "gauge", 1},
		{"chat_clients_limit", "gauge", 4},
		{"chat_connections_total", "counter", 2},
		{"chat_messages_total", "counter", 1},
		{"chat_received_bytes_total", "counter", -1},
		{"chat_sent_bytes_total", "counter", -1},
		{"chat_dropped_slow_total", "counter", 0},
		{"chat_dropped_silent_total", "counter", 0},
		{"chat_dropped_rules_total", "counter", 1},
		{"chat_refused_full_total", "counter", 0},
		{"chat_refused_limited_total", "counter", 0},
		{"chat_refused_forbidden_total", "counter", 1},
	};
	char line[128];
	int a, b;

	start(&s, SMALL, NULL);
	a = join_room(&s, "");
	b = join_room(&s, "");
	send_message(a, "x");
	expect_message(a, "x");
	send_frame(b, 0x83, "", 0); /* no such opcode */
	expect_message(b, "x");
	expect_close(b, 1002);
	expect_status(&s, HANDSHAKE "Origin: http://evil\r\n\r\n", 403);
	for (size_t i = 0; i < COUNT(metrics); i++) {
		long got = read_metric(&s, metrics[i].name);

		ck_assert_msg(metrics[i].value < 0 ? got > 300
						   : got == metrics[i].value,
			      "%s is %ld", metrics[i].name, got);
		snprintf(line, sizeof line, "\n# TYPE %s %s\n", metrics[i].name,
			 metrics[i].type);
		ck_assert_msg(strstr(s.response, line) != NULL, "%s", line);
		snprintf(line, sizeof line, "# HELP %s ", metrics[i].name);
		ck_assert_msg(strstr(s.response, line) != NULL, "%s", line);
	}
	close(a);
	finish();
}
END_TEST

/* ---- Handshakes ---- */

/* A line has a time, an address, and what happened; WHY begins with a word. */
START_TEST(logs_joins_and_leaves)
{
	int a, b, year;
	char z;

	start(&s, CHAT, NULL);
	a = join_room(&s, "");
	await_log(&s, "Z 127.0.0.1:");
	await_log(&s, " Client connected (1 online)\n");
	b = join_room(&s, "");
	await_log(&s, " Client connected (2 online)\n");
	send_frame(a, 0x88, "\x03\xe8", 2);
	expect_close(a, 1000);
	await_log(&s, " Client disconnected: closed");
	await_log(&s, " (1 online)\n");
	close(b);
	await_log(&s, " Client disconnected: lost");
	await_log(&s, " (0 online)\n");
	ck_assert_int_eq(
		sscanf(s.log, "%4d-%*2d-%*2dT%*2d:%*2d:%*2d%c", &year, &z), 2);
	ck_assert(year >= 2020 && z == 'Z');
	finish();
}
END_TEST

/* Sends a handshake with these values; returns the status of the answer. */
static int shake(const char *host, const char *origin)
{
	char request[1024];

	snprintf(request, sizeof request,
		 GET_LINE "Host: %s\r\n" UPGRADE_FIELDS "Origin: %s\r\n\r\n",
		 host, origin);
	return send_request(&s, request);
}

/* The remedy in a refusal works as it is printed, and is whole. */
START_TEST(refuses_foreign_origin_with_a_remedy_that_works)
{
	char line[256], page[32] = "", own[32] = "";
	const char *host = "192.0.2.7:8080";

	start(&s, CHAT, NULL);
	snprintf(line, sizeof line, "Origin: http://127.0.0.1:%d\r\n", s.port);
	close(join_room(&s, line));
	ck_assert_int_eq(shake(host, "http://app.example"), 403);
	await_log(&s, "Handshake refused: 403 ");
	ck_assert_ptr_nonnull(strstr(s.response, "no others"));
	ck_assert_int_eq(
		sscanf(strstr(s.response, "-o "), "-o %31s -o %31s", page, own),
		2);
	finish();
	start(&s, CHAT, "-o", page, "-o", own, NULL);
	close(join_room(&s, "Origin: http://app.example\r\n"));
	snprintf(line, sizeof line, "Origin: http://%s\r\n", host);
	close(join_room(&s, line));
	ck_assert_int_eq(shake(host, "http://evil.example"), 403);
	finish();
}
END_TEST

/* No -o lets a page from no host in, so that none is named. */
START_TEST(names_no_remedy_where_none_helps)
{
	static const char *const origins[] = {
		"file://",        "null",
		"http://",        "",
		"http://a/b",     "https://github.com/gilmaimon/TinyWebsockets",
		"http://a:99999", "http://evil\x9b[2J"};

	start(&s, CHAT, NULL);
	for (size_t i = 0; i < COUNT(origins); i++) {
		ck_assert_int_eq(shake("board:8080", origins[i]), 403);
		ck_assert_msg(strstr(s.response, "-o") == NULL, "%s",
			      s.response);
	}
	ck_assert_int_eq(shake("null", "http://localhost"), 403);
	ck_assert_ptr_null(strstr(s.response, "-o localhost -o null"));
	expect_metric(&s, "chat_refused_forbidden_total", COUNT(origins) + 1);
	finish();
}
END_TEST

/* These pages and no others, whatever Host is; Host itself is not refused. */
START_TEST(lets_pages_of_option_o_join_and_no_others)
{
	start(&s, CHAT, "-o", "c", "-o", "b.example", "-o", "localhost", NULL);
	ck_assert_int_eq(shake("c", "https://evil"), 403);
	ck_assert_int_eq(shake("evil", "http://evil"), 403);
	expect_status(&s, GET "\r\n", 200);
	expect_status(&s, GET_METRICS "\r\n", 200);
	close(join_room(&s, "Origin: https://B.example:443\r\n"));
	close(join_room(&s, "Origin: http://localhost\r\n"));
	close(join_room(&s, "Origin: ws://c:80\r\n"));
	close(join_room(&s, ""));
	finish();
}
END_TEST

/* ---- The room ---- */

START_TEST(relays_to_all_in_one_order)
{
	enum { N = 50, SAID = 20 };
	int fd[N];
	char text[32], order[N * SAID][32];

	start_bare_relay(&s, CHAT);
	for (int i = 0; i < N; i++)
		fd[i] = join_room(&s, "");
	for (int k = 0; k < SAID; k++) {
		for (int i = 0; i < N; i++) {
			snprintf(text, sizeof text, "%d says %d", i, k);
			send_message(fd[i], text);
		}
	}
	for (int i = 0; i < N; i++) {
		for (int k = 0; k < N * SAID; k++) {
			struct frame *f = read_frame(fd[i]);
			if (i == 0)
				strcpy(order[k], (char *)f->data);
			else if (strcmp(order[k], (char *)f->data) != 0)
				ck_abort_msg(
					"client %d, message %d: %s, not %s", i,
					k, f->data, order[k]);
		}
		close(fd[i]);
	}
	/* the messages of each sender are in order, so each came once */
	for (int i = 0; i < N; i++) {
		int next = 0;
		for (int k = 0; k < N * SAID; k++) {
			snprintf(text, sizeof text, "%d says %d", i, next);
			next += strcmp(order[k], text) == 0;
		}
		ck_assert_int_eq(next, SAID);
	}
	finish();
}
END_TEST

/* There are notices unless both the history and the heartbeat are off. */
START_TEST(sends_notice_with_number_of_clients)
{
	static const char *const options[][2] = {{"-n", "-l"}, {"-t", "-l"}};
	int a, b;

	start(&s, CHAT, options[_i][0], "0", options[_i][1], "0", NULL);
	a = join_room(&s, "");
	expect_notice(a, 1);
	b = join_room(&s, "");
	expect_notice(b, 2);
	expect_notice(a, 2);
	close(a);
	close(b);
	finish();
}
END_TEST

/* Reads the next notice that names this many people. */
static struct notice {
	unsigned long online, said, heartbeat, max;
	unsigned long long since;
} await_notice(int fd, unsigned long online)
{
	struct notice n = {0};

	while (n.online != online) {
		const struct frame *f = read_frame(fd);
		int end = 0;

		ck_assert_int_ge(f->first, 0);
		if (f->first != 0x81 || f->data[0] != '{')
			continue;
		ck_assert_int_eq(
			sscanf((const char *)f->data,
			       "{\"online\":%lu,\"said\":%lu,\"since\":%llu,"
			       "\"heartbeat\":%lu,\"max\":%lu}%n",
			       &n.online, &n.said, &n.since, &n.heartbeat,
			       &n.max, &end),
			5);
		ck_assert_uint_eq((size_t)end, f->len);
	}
	return n;
}

/* A notice tells its place in the order: the k messages of the history before
   it have the numbers said - k to said - 1. */
START_TEST(notices_tell_number_of_messages_and_limits)
{
	struct notice first, second;
	unsigned long long now = (unsigned long long)time(NULL) * 1000;
	int a, b;

	start(&s, SMALL, "-n", "3", "-t", "60", NULL);
	a = join_room(&s, "");
	first = await_notice(a, 1);
	ck_assert_uint_eq(first.said, 0);
	ck_assert(first.since >= now && first.since <= now + WAIT);
	ck_assert(first.heartbeat == 60 && first.max == 1024);
	for (int i = 0; i < 5; i++)
		send_message(a, "x");
	for (int i = 0; i < 5; i++)
		expect_message(a, "x");
	b = join_room(&s, "");
	for (int i = 0; i < 3; i++)
		ck_assert_str_eq((char *)read_frame(b)->data, "x");
	second = await_notice(b, 2);
	ck_assert(second.said == 5 && second.since == first.since);
	ck_assert_uint_eq(await_notice(a, 2).said, 5);
	send_message(a, "live");
	expect_message(b, "live");
	close(b);
	ck_assert_uint_eq(await_notice(a, 1).said, 6);
	close(a);
	finish();
}
END_TEST

/* Every page believes a text that begins like a notice, so that no client can
   say one, also where there are none. */
START_TEST(lets_no_client_say_a_notice)
{
	int a, b;

	if (_i == 0)
		start(&s, CHAT, NULL);
	else
		start_bare_relay(&s, CHAT);
	a = join_room(&s, "");
	send_message(a, "{\"online\"");
	expect_message(a, "{\"online\"");
	b = join_room(&s, "");
	send_frame(b, 0x01, "{\"onl", 5);
	send_frame(b, 0x80, "ine\":1}", 7);
	while (read_message(b)->first == 0x81)
		;
	send_message(a, "x");
	expect_message(a, "x");
	expect_metric(&s, "chat_dropped_rules_total", 1);
	a = join_room(&s, "");
	send_message(a, "{\"online\":");
	if (_i == 0)
		expect_message(a, "{\"online\""), expect_message(a, "x");
	expect_close(a, 1008);
	finish();
}
END_TEST

START_TEST(gives_newcomers_at_most_half_the_ring)
{
	static char text[1001];
	struct frame *f;
	int a, b, n = 0;

	memset(text, 'x', 1000);
	start(&s, SMALL, "-n", "100", "-t", "0", "-l", "0", NULL);
	a = join_room(&s, "");
	for (int i = 0; i < 40; i++) {
		text[0] = (char)('0' + i);
		send_message(a, text);
		expect_message(a, text);
	}
	b = join_room(&s, "");
	while ((f = read_frame(b))->len == 1000) {
		ck_assert_int_eq(f->data[0], '0' + 40 - 8 + n);
		n++;
	}
	ck_assert_int_eq(n, 8);
	ck_assert_int_eq(f->data[0], '{');
	close(a);
	close(b);
	finish();
}
END_TEST

/* ---- Limits of the room ---- */

START_TEST(refuses_one_client_too_many)
{
	int fd[4];

	start(&s, SMALL, "-n", "0", "-t", "0", NULL);
	for (int i = 0; i < 4; i++)
		fd[i] = join_room(&s, "");
	expect_status(&s, HANDSHAKE "\r\n", 503);
	ck_assert_ptr_nonnull(strstr(s.response, "Retry-After: "));
	expect_metric(&s, "chat_refused_full_total", 1);
	expect_status(&s, GET "\r\n", 200);
	close(fd[0]);
	await_log(&s, "(3 online)\n");
	await_log(&s, "disconnected");
	fd[0] = join_room(&s, "");
	for (int i = 0; i < 4; i++) {
		send_message(fd[i], "x");
		for (int k = 0; k < 4; k++)
			expect_message(fd[k], "x");
	}
	finish();
}
END_TEST

/* A byte now and then does not put off the deadline. */
START_TEST(times_out_unfinished_request)
{
	const char *at = GET "X: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy";
	struct pollfd slow = {.events = POLLIN};
	int silent;

	start(&s, SMALL, NULL);
	silent = dial(&s);
	slow.fd = dial(&s);
	while (*at != '\0' && poll(&slow, 1, 200) == 0)
		send_all(slow.fd, at++, 1);
	ck_assert_msg(*at != '\0', "no answer");
	read_until_end(slow.fd, s.response, sizeof s.response);
	ck_assert_ptr_nonnull(strstr(s.response, "HTTP/1.1 408 "));
	read_until_end(silent, s.response, sizeof s.response);
	ck_assert_ptr_nonnull(strstr(s.response, "HTTP/1.1 408 "));
	await_log(&s, "Request refused: 408 ");
	/* silence is not logged */
	ck_assert_int_eq(count_in_log(&s, " 408 "), 1);
	finish();
}
END_TEST

/* A client may take its time for a message, however slow its line is. */
START_TEST(awaits_unfinished_message)
{
	int a, b;

	start_bare_relay(&s, SMALL);
	a = join_room(&s, "");
	send_frame(a, 0x01, "half ", 5);
	send_all(a, "\x80", 1);
	b = dial(&s); /* longer than each timeout */
	read_until_end(b, s.response, sizeof s.response);
	send_all(a, "\x81\0\0\0\0a", 6);
	expect_message(a, "half a");
	finish();
}
END_TEST

/* ---- Start and end ---- */

START_TEST(closes_with_1001_at_a_signal)
{
	static const int signals[] = {SIGTERM, SIGINT, SIGHUP};
	struct frame *f;
	int a, b, idle;

	start(&s, CHAT, NULL);
	a = join_room(&s, "");
	b = join_room(&s, "");
	idle = dial(&s);
	send_message(a, "last words");
	expect_message(b, "last words");
	kill(s.pid, signals[_i]);
	expect_message(a, "last words");
	f = read_message(a);
	ck_assert(f->first == 0x88 && f->data[0] == 3 && f->data[1] == 0xe9);
	send_frame(a, 0x88, "\x03\xe9", 2);
	ck_assert(connection_ended(a));
	/* it listens no more, and has closed what had not sent a request */
	ck_assert(!is_listening(&s));
	ck_assert(connection_ended(idle));
	/* b answers nothing, and is not waited for for long, even if it leaves
	   late; a terminal that closes may send two signals */
	ck_assert_int_eq(read_message(b)->first, 0x88);
	kill(s.pid, SIGHUP);
	if (_i == 0) {
		close(a);
		poll(NULL, 0, 1500);
		close(b);
	}
	ck_assert_int_eq(await_exit(&s), 0);
}
END_TEST

/* As nohup starts it. */
START_TEST(goes_on_at_sighup_if_started_so)
{
	int fd;

	signal(SIGHUP, SIG_IGN);
	start(&s, CHAT, NULL);
	fd = join_room(&s, "");
	kill(s.pid, SIGHUP);
	send_message(fd, "still here");
	expect_message(fd, "still here");
	close(fd);
	finish();
}
END_TEST

/* Runs chat with these arguments, and what a shell puts before and behind it.
   Returns its exit status, and what it prints in `text`. */
static int run_command(const char *before, const char *arguments)
{
	char command[512];
	FILE *f;
	size_t n;

	snprintf(command, sizeof command, "%s exec %s %s 2>&1", before, CHAT,
		 arguments);
	f = popen(command, "r");
	n = fread(s.response, 1, sizeof s.response - 1, f);
	s.response[n] = '\0';
	return WEXITSTATUS(pclose(f));
}

/* Bad usage is one line, which names the option and its value. */
START_TEST(refuses_bad_usage)
{
	static const struct {
		const char *arguments, *named;
	} bad[] = {
		{"-p 65536", "65536"},
		{"-p 80x", "80x"},
		{"-p ''", "-p"},
		{"-p -1", "-1"},
		{"-p ' 80'", " 80"},
		{"-p +80", "+80"},
		{"-p", "-p"},
		{"-p 99999999999999999999", "99999999999999999999"},
		{"-z", "-z"},
		{"--help", "--"},
		{"-n 1001", "1001"},
		{"-t 86401", "86401"},
		{"-l x", "-l"},
		{"-a host", "host"},
		{"-a /tmp/socket", "/tmp/socket"},
		{"extra", "extra"},
		/* what -o takes is what an Origin can name */
		{"-o ''", "-o"},
		{"-o http://chat.example", "http://chat.example"},
		{"-o '*.example'", "*.example"},
		{"-o null", "null"},
		/* one more than there may be */
		{"-o a -o b -o c -o d -o e -o f -o g -o h -o i -o j -o k -o l "
		 "-o m -o n -o o -o p -o q",
		 "-o q"},
	};

	for (size_t i = 0; i < COUNT(bad); i++) {
		ck_assert_msg(run_command("", bad[i].arguments) == 2, "%s",
			      bad[i].arguments);
		ck_assert_msg(strstr(s.response, bad[i].named) != NULL &&
				      strncmp(s.response, "chat: ", 6) == 0,
			      "%s: %s", bad[i].arguments, s.response);
		ck_assert_ptr_eq(strchr(s.response, '\n'),
				 strrchr(s.response, '\n'));
	}
	ck_assert_int_eq(run_command("", "-h"), 0);
	ck_assert_int_eq(run_command("", "-V"), 0);
	ck_assert_str_eq(s.response, "chat 1.1\n");
}
END_TEST

/* On all addresses it names one that others can use, if there is any. */
START_TEST(prints_url_that_others_can_open)
{
	static const char *const all[] = {"0.0.0.0", "::"};

	start(&s, CHAT, NULL);
	ck_assert_ptr_nonnull(strstr(s.greeting, ": open http://127.0.0.1:"));
	finish();
	for (size_t i = 0; i < COUNT(all); i++) {
		start(&s, CHAT, "-a", all[i], NULL);
		ck_assert_ptr_null(strstr(s.greeting, all[i]));
		expect_status(&s, GET "\r\n", 200);
		finish();
	}
}
END_TEST

/* The man page has exactly the options that -h lists, which are all that there
   are, and the README has each of them. */
START_TEST(documents_each_option)
{
	ck_assert_int_eq(
		system("o=$(./chat -h | sed -n 's/^  -\\(.\\).*/\\1/p' | "
		       "sort)\n"
		       "test ${#o} -gt 16 && test \"$o\" = \"$(sed -n "
		       "'s/^\\.It Fl \\(.\\).*/\\1/p' chat.1 | sort)\" && "
		       "for o in $o; do grep -q \"\\`-$o\" README.md || exit; "
		       "done"),
		0);
}
END_TEST

/* Returns the number that a command prints. */
static long number_of(const char *command)
{
	char text[32] = "";
	FILE *f = popen(command, "r");
	bool read = fgets(text, sizeof text, f) != NULL;

	ck_assert(pclose(f) == 0 && read);
	return atol(text);
}

/* How many KB the server has written to. */
static long memory_used(void)
{
	char command[64];

	snprintf(command, sizeof command,
		 "sed -n 's/^Private_Dirty: *//p' /proc/%d/smaps_rollup",
		 (int)s.pid);
	return number_of(command);
}

/* `size` counts all memory but the stack and libc's, even when every client is
   in the middle of a message.  An idle client costs less than half a KB. */
START_TEST(needs_no_more_memory_than_declared)
{
	enum { PEOPLE = 1000, MARGIN = 400 };
	static unsigned char frame[4096 + 14];
	static int fds[PEOPLE];
	long declared, used;
	size_t size = build_frame(frame, 0x82, 4096, frame, 4096);
	struct rlimit files = {.rlim_cur = 4096, .rlim_max = 4096};

	setrlimit(RLIMIT_NOFILE, &files);
	start_bare_relay(&s, CHAT);
	declared = number_of("size " CHAT " | sed 1d | cut -f 4");
	used = memory_used();
	for (int i = 0; i < PEOPLE; i++)
		fds[i] = join_room(&s, "");
	ck_assert_int_ge(PEOPLE / 2, memory_used() - used);
	for (int i = 0; i < PEOPLE; i++)
		send_all(fds[i], frame, size - 1);
	for (long want = PEOPLE * (long)size; want > 0;)
		want = read_metric(&s, "chat_received_bytes_total") < want
			       ? want
			       : 0;
	used = memory_used();
	ck_assert_int_gt(used, PEOPLE * 4096 / 1024);
	ck_assert_msg(used < declared / 1024 + MARGIN,
		      "%ld KB used, %ld declared", used, declared / 1024);
	for (int i = 0; i < PEOPLE; i++)
		close(fds[i]);
	finish();
}
END_TEST

START_TEST(exits_when_port_is_taken)
{
	char arguments[64];

	start(&s, CHAT, NULL);
	snprintf(arguments, sizeof arguments, "-a 127.0.0.1 -p %d", s.port);
	ck_assert_int_eq(run_command("", arguments), 1);
	finish();
}
END_TEST

/* Passes a listening socket to the server, as systemd does: LISTEN_FDS and
   LISTEN_PID. */
static void start_with_socket(int domain, const void *address, socklen_t size)
{
	inherited_socket = socket(domain, SOCK_STREAM, 0);
	ck_assert(bind(inherited_socket, address, size) == 0 &&
		  listen(inherited_socket, 5) == 0);
	start(&s, CHAT, NULL);
}

START_TEST(serves_inherited_unix_socket)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	char folder[] = "/tmp/chat-test-XXXXXX", response[256] = "";
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	ck_assert_ptr_nonnull(mkdtemp(folder));
	snprintf(a.sun_path, sizeof a.sun_path, "%s/socket", folder);
	start_with_socket(AF_UNIX, &a, sizeof a);
	ck_assert(connect(fd, (void *)&a, sizeof a) == 0);
	send_string(fd, HANDSHAKE "\r\n");
	ck_assert(read_until(fd, response, sizeof response, "\r\n\r\n"));
	await_log(&s, "Client connected (1 online)\n");
	send_message(fd, "hello");
	expect_message(fd, "hello");
	close(fd);
	finish();
	unlink(a.sun_path);
	rmdir(folder);
}
END_TEST

/* The starter, which has the listening socket as well, shuts it down.  The room
   goes on, and the log tells it once a second. */
START_TEST(goes_on_when_listener_is_shut_down)
{
	const struct sockaddr_in a = {.sin_family = AF_INET,
				      .sin_addr.s_addr =
					      htonl(INADDR_LOOPBACK)};
	int fd;

	start_with_socket(AF_INET, &a, sizeof a);
	fd = join_room(&s, "");
	shutdown(inherited_socket, SHUT_RDWR);
	await_log(&s, "Cannot accept");
	for (int k = 0; k < 90; k++) {
		send_message(fd, "hello");
		expect_message(fd, "hello");
	}
	close(fd);
	await_log(&s, "Client disconnected");
	ck_assert_int_le(count_in_log(&s, "Cannot accept"), 20);
	finish();
}
END_TEST

#define INHERIT(n) \
	"LISTEN_FDS=" n " LISTEN_PID=$$; export LISTEN_FDS LISTEN_PID;"

START_TEST(refuses_to_inherit_bad_sockets)
{
	ck_assert_int_eq(run_command(INHERIT("1") " exec 3</dev/null;", ""), 1);
	ck_assert_ptr_nonnull(strstr(s.response, "LISTEN_FDS"));
	ck_assert_int_eq(run_command(INHERIT("1") " exec 3<&-;", ""), 1);
	ck_assert_int_eq(run_command(INHERIT("2") " exec 3</dev/null;", ""), 1);
	/* the usual cause: a drop-in that adds a socket */
	ck_assert_ptr_nonnull(strstr(s.response, "ListenStream="));
	/* these are meant for another process */
	ck_assert_int_eq(
		run_command("LISTEN_FDS=1 LISTEN_PID=1; export LISTEN_FDS "
			    "LISTEN_PID;",
			    "-a 192.0.2.1"),
		1);
	ck_assert_ptr_nonnull(strstr(s.response, "192.0.2.1"));
}
END_TEST

/* The default fits the usual limit of 1,024 open files; with a lower one the
   server says what it needs. */
START_TEST(needs_1024_open_files)
{
	struct rlimit files = {.rlim_cur = 64, .rlim_max = 1024};

	ck_assert_int_eq(run_command("ulimit -n 1023;", "-p 0"), 1);
	ck_assert_ptr_nonnull(strstr(s.response, "1024"));
	setrlimit(RLIMIT_NOFILE, &files); /* a soft limit is raised */
	start(&s, CHAT, NULL);
	expect_metric(&s, "chat_clients_limit", 1000);
	finish();
}
END_TEST

/* The pipe of the log is full, and then closed. */
START_TEST(goes_on_when_log_is_not_read)
{
	int fd;

	start(&s, CHAT, "-t", "0", NULL);
	for (int i = 0; i < 2000; i++)
		expect_status(&s, "x\r\n\r\n", 400);
	close(s.err);
	for (int i = 0; i < 10; i++)
		expect_status(&s, "x\r\n\r\n", 400);
	fd = join_room(&s, "");
	send_message(fd, "still here");
	expect_message(fd, "still here");
	kill(s.pid, SIGTERM);
	expect_close(fd, 1001);
	ck_assert(waitpid(s.pid, &fd, 0) == s.pid);
	ck_assert(WIFEXITED(fd) && WEXITSTATUS(fd) == 0);
}
END_TEST

/* A flood writes LOG_RATE lines a second, and then how many are missing. */
START_TEST(limits_lines_of_log)
{
	struct pollfd log;
	int said = 0, lines, missing = 0;
	size_t len = 0;

	start(&s, CHAT, NULL);
	log = (struct pollfd){.fd = s.err, .events = POLLIN};
	for (; said < 500; said++)
		expect_status(&s, "x\r\n\r\n", 400);
	while (poll(&log, 1, 0) > 0)
		len += (size_t)read(s.err, s.log + len, sizeof s.log - 1 - len);
	lines = count_in_log(&s, "Request refused: 400");
	ck_assert(lines >= 98 && lines < 400);
	/* when it is quiet, a line is written again, behind the count */
	do
		expect_status(&s, "GET /last HTTP/1.0\r\n\r\n", 404), said++;
	while (poll(&log, 1, 200) == 0);
	await_log(&s, "/last");
	for (char *at = s.log; (at = strstr(at, " chat ")) != NULL; at++)
		missing += atoi(at + strlen(" chat "));
	ck_assert_int_eq(count_in_log(&s, "Request refused: ") + missing, said);
	finish();
}
END_TEST

START_TEST(logs_nothing_with_option_q)
{
	start(&s, CHAT, "-q", NULL);
	close(join_room(&s, ""));
	expect_status(&s, "x\r\n\r\n", 400);
	kill(s.pid, SIGTERM);
	ck_assert(connection_ended(s.err)); /* without a line */
	ck_assert_int_eq(await_exit(&s), 0);
}
END_TEST

Suite *chat_suite(void)
{
	Suite *suite = suite_create("chat");
	TCase *t = tcase_create("server");

	tcase_set_timeout(t, 60);
	tcase_add_test(t, serves_the_page);
	tcase_add_test(t, answers_bad_requests);
	tcase_add_test(t, answers_a_half_closed_request_once);
	tcase_add_test(t, counts_clients_messages_and_bytes);
	tcase_add_test(t, logs_joins_and_leaves);
	tcase_add_test(t, refuses_foreign_origin_with_a_remedy_that_works);
	tcase_add_test(t, names_no_remedy_where_none_helps);
	tcase_add_test(t, lets_pages_of_option_o_join_and_no_others);
	tcase_add_test(t, relays_to_all_in_one_order);
	tcase_add_loop_test(t, sends_notice_with_number_of_clients, 0, 2);
	tcase_add_test(t, notices_tell_number_of_messages_and_limits);
	tcase_add_loop_test(t, lets_no_client_say_a_notice, 0, 2);
	tcase_add_test(t, gives_newcomers_at_most_half_the_ring);
	tcase_add_test(t, refuses_one_client_too_many);
	tcase_add_test(t, times_out_unfinished_request);
	tcase_add_test(t, awaits_unfinished_message);
	tcase_add_loop_test(t, closes_with_1001_at_a_signal, 0, 3);
	tcase_add_test(t, goes_on_at_sighup_if_started_so);
	tcase_add_test(t, refuses_bad_usage);
	tcase_add_test(t, prints_url_that_others_can_open);
	tcase_add_test(t, documents_each_option);
	/* neither in an emulator's memory nor with a sanitizer's */
	if (getenv("UNDER") == NULL && getenv("SANITIZED") == NULL)
		tcase_add_test(t, needs_no_more_memory_than_declared);
	tcase_add_test(t, exits_when_port_is_taken);
	tcase_add_test(t, serves_inherited_unix_socket);
	tcase_add_test(t, goes_on_when_listener_is_shut_down);
	tcase_add_test(t, refuses_to_inherit_bad_sockets);
	if (getenv("UNDER") == NULL) /* which has descriptors of its own */
		tcase_add_test(t, needs_1024_open_files);
	tcase_add_test(t, goes_on_when_log_is_not_read);
	tcase_add_test(t, limits_lines_of_log);
	tcase_add_test(t, logs_nothing_with_option_q);
	suite_add_tcase(suite, t);
	return suite;
}
