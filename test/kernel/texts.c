/* SPDX-License-Identifier: MIT */
/* Texts: log lines, reasons, times and metrics. */

START_TEST(cuts_long_lines)
{
	const struct client unix_peer = {0};
	char text[3001], want[2048];

	memset(text, 'x', 3000);
	text[3000] = '\0';
	memset(want, 'x', 2047);
	want[2047] = '\0';
	print(1, "%s", text);
	ck_assert_str_eq(trace + strlen("to 1: "), want);
	clear_calls();
	log_event(NULL, "%s", text);
	want[399 - 26] = '\0';
	ck_assert_str_eq(trace + strlen("to 2: 1970-01-01T00:00:00Z chat "),
			 strcat(want, "\n"));
	clear_calls();
	queue_answer("write", -1, EPIPE); /* stdout is closed: go on */
	print(1, "gone");
	EXPECT_CALLS("to 1: gone");
	/* bytes from outside */
	log_event(&unix_peer, "%s", " ~\x1f\x7f\n\xc3\xa9");
	EXPECT_CALLS(LOG "local  ~?????\n");
	queue_answer("stderr", 0, 0); /* stderr is full: the line is lost */
	log_event(NULL, "is there?");
	ck_assert_uint_eq(loop.lines, 3);
	options.quiet = true;
	log_event(NULL, "is there?");
	ck_assert_uint_eq(loop.lines, 3);
	EXPECT_CALLS("");
}
END_TEST

/* The last line that is written in a second, and one too many. */
START_TEST(counts_lines_over_rate_until_tick)
{
	loop.lines = LOG_RATE - 1;
	log_event(NULL, "one");
	EXPECT_CALLS(LOG "chat one\n");
	if (_i > 0)
		log_event(NULL, "lost");
	if (_i > 1)
		log_event(NULL, "lost");
	EXPECT_CALLS("");
	tick();
	EXPECT_CALLS(_i == 0   ? ""
		     : _i == 1 ? LOG "chat 1 more events in the last second\n"
			       : LOG "chat 2 more events in the last second\n");
	log_event(NULL, "next");
	EXPECT_CALLS(LOG "chat next\n");
	tick();
	EXPECT_CALLS("");
	ck_assert_uint_eq(loop.lines, 0);
}
END_TEST

/* The words in the log for a client that leaves, and the code of its Close. */
static const struct {
	const char *words;
	int code;
} farewells[REASONS] = {
	[CLOSED] = {"closed, by the client", 0},
	[GOING_AWAY] = {"going away, the server stops", 1001},
	[LATE] = {"late, did not end the connection in time", 0},
	[CROWDED] = {"crowded, closed to make room for a newcomer", 0},
	[LOST] = {"lost, the connection ended early", 0},
	[PROTOCOL] = {"protocol, broke RFC 6455", 1002},
	[INVALID] = {"invalid, sent text not in UTF-8", 1007},
	[UNFINISHED] = {"unfinished, sent half a message", 1008},
	[FORGED] = {"forged, said what only the server may say", 1008},
	[TOO_BIG] = {"too_big, message over 4096 bytes", 1009},
	[FLOOD] = {"flood, sent pings and read no pongs", 0},
	[STUCK] = {"stuck, accepted no data for 20 s", 0},
	[SLOW] = {"slow, too far behind; the room waits 2 s a minute", 0},
	[SILENT] = {"silent, sent nothing for two heartbeats", 0},
};

START_TEST(logs_why_connection_ends)
{
	const char *words = farewells[_i].words;
	char want[300];

	make_member();
	options.quiet = false;
	leave_room(0, (enum reason)_i);
	make_client(8, DRAIN);
	options.quiet = false;
	client_drop(0, (enum reason)_i);
	sprintf(want,
		LOG "local Client disconnected: %s (0 online)\n" LOG
		    "local Connection dropped: %s\nlinger 8 1 0\n",
		words, words);
	EXPECT_CALLS(want);
	ck_assert_uint_eq(totals.ended[_i], 2);
	ck_assert_int_eq(reasons[_i].code, farewells[_i].code);
}
END_TEST

/* A time in each day until the year 2402, as far as time_t goes: on some boards
   it ends in 2038. */
START_TEST(formats_times_like_libc)
{
	char got[TIME_MAX], want[TIME_MAX];
	struct tm tm;

	for (int64_t s = 0; s < (int64_t)432 * 366 * 86400; s += 86399) {
		time_t t = (time_t)s;

		if (t != s)
			break;
		format_time(got, t);
		strftime(want, sizeof want, "%Y-%m-%dT%H:%M:%SZ",
			 gmtime_r(&t, &tm));
		MUST(strcmp(got, want) == 0, "%s, not %s", got, want);
	}
	format_time(got, -1); /* a clock before 1970 */
	ck_assert_str_eq(got, "1970-01-01T00:00:00Z");
}
END_TEST

/* Each sample follows its HELP and TYPE, even if all numbers are the greatest.
 */
START_TEST(formats_metrics_for_prometheus)
{
	static const char *const parts[] = {
		"# HELP chat_clients Clients in the room.\n"
		"# TYPE chat_clients gauge\nchat_clients 1\n",
		"\nchat_clients_limit 1024\n",
		"\nchat_dropped_total{reason=\"late\"} 3\n",
		"\nchat_refused_total{status=\"404\"} 5\n",
		"\nchat_refused_total{status=\"505\"} 18446744073709551615\n",
	};
	char help[40] = "", type[40] = "", kind[40] = "", name[40];
	const struct http_request r = {0};
	int samples = 0;
	const char *body;

	make_member();
	memset(&totals, 0xff, sizeof totals);
	totals.ended[LATE] = 3;
	totals.refused[404 - 400] = 5;
	reply_metrics(0, &r);
	body = strstr(reply_text(), "\r\n\r\n") + 4;
	for (size_t i = 0; i < COUNT(parts); i++)
		EXPECT_IN(body, parts[i]);
	for (const char *at = body; *at != '\0'; at = strchr(at, '\n') + 1) {
		if (sscanf(at, "# HELP %39s", help) == 1 ||
		    sscanf(at, "# TYPE %39s %39s", type, kind) == 2)
			continue;
		ck_assert_int_eq(sscanf(at, "%39[a-z_]", name), 1);
		ck_assert_str_eq(name, help);
		ck_assert_str_eq(name, type);
		ck_assert_str_eq(kind,
				 strstr(name, "_total") ? "counter" : "gauge");
		samples++;
	}
	ck_assert_int_eq(samples, 8 + 12 + 14);
}
END_TEST

static void add_texts_tests(TCase *t)
{
	tcase_add_test(t, cuts_long_lines);
	tcase_add_loop_test(t, counts_lines_over_rate_until_tick, 0, 3);
	add_table_test(t, logs_why_connection_ends, farewells);
	tcase_add_test(t, formats_times_like_libc);
	tcase_add_test(t, formats_metrics_for_prometheus);
}
