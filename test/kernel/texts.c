/* SPDX-License-Identifier: MIT */
/* Texts: log lines, times, addresses and metrics. */

START_TEST(cuts_long_lines)
{
	char text[3001], want[2048];

	memset(text, 'x', 3000);
	text[3000] = '\0';
	memset(want, 'x', 2047);
	want[2047] = '\0';
	tell(1, HTTP_TEXT(text));
	ck_assert_str_eq(trace + strlen("to 1: "), want);
	clear_calls();
	text[0] = '\n';
	say("who", HTTP_TEXT(text));
	want[0] = '?';
	want[399] = '\0';
	ck_assert_int_eq(traced, 6 + 20 + 1 + 3 + 1 + 399 + 1);
	ck_assert_ptr_nonnull(strstr(trace, want));
	EXPECT_CALLS(trace);
	queue_answer("stderr", 0, 0); /* stderr is full: the line is lost */
	say("who", HTTP_TEXT("is there?"));
	opt.quiet = true;
	say("who", HTTP_TEXT("is there?"));
	EXPECT_CALLS("");
}
END_TEST

/* As far as time_t goes: on some boards it ends in 2038. */
static void check_time(int64_t seconds)
{
	char got[TIME], want[TIME];
	time_t t = (time_t)seconds;
	struct tm tm;

	if (t != seconds)
		return;
	name_time(got, t);
	strftime(want, sizeof want, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&t, &tm));
	MUST(strcmp(got, want) == 0, "%s, not %s", got, want);
}

START_TEST(formats_times_like_libc)
{
	static const int64_t around_leap_days[] = {
		0,          951782399,  951782400, 951868800,
		1709164800, 4107542399, 4107542400};
	char got[TIME];

	/* a time in each day of 130 years */
	for (int64_t s = 0; s < (int64_t)130 * 366 * 86400; s += 86399)
		check_time(s);
	for (size_t i = 0; i < COUNT(around_leap_days); i++)
		check_time(around_leap_days[i]);
	name_time(got, -1); /* a clock before 1970 */
	ck_assert_str_eq(got, "1970-01-01T00:00:00Z");
}
END_TEST

START_TEST(formats_addresses_as_in_urls)
{
	static const struct {
		int family;
		const char *ip, *name;
	} cases[] = {
		{AF_INET, "192.0.2.1", "192.0.2.1:8080"},
		{AF_INET6, "::ffff:192.0.2.1", "192.0.2.1:8080"},
		{AF_INET, "255.255.255.255", "255.255.255.255:8080"},
		{AF_INET6, "2001:db8::1", "[2001:db8::1]:8080"},
		{AF_INET6, "::", "[::]:8080"},
		{AF_INET6, "::1", "[::1]:8080"},
		{AF_INET6, "fe80::", "[fe80::]:8080"},
		/* RFC 5952, 4.2.2: not for one group; 4.2.3: the longest */
		{AF_INET6, "1:0:3:4:5:6:7:8", "[1:0:3:4:5:6:7:8]:8080"},
		{AF_INET6, "1:0:0:4:0:0:0:8", "[1:0:0:4::8]:8080"},
		{AF_INET6, "1:0:0:4:5:0:0:8", "[1::4:5:0:0:8]:8080"},
		{AF_INET6, "0:0:3:4:5:6:0:0", "[::3:4:5:6:0:0]:8080"},
		{AF_INET6, "a0b:c00:10:1:f000:100:2:0",
		 "[a0b:c00:10:1:f000:100:2:0]:8080"},
		{AF_INET6, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
		 "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:8080"},
	};
	struct sockaddr_storage a = {.ss_family = AF_UNIX};
	struct sockaddr_in *four = (void *)&a;
	struct sockaddr_in6 *six = (void *)&a;
	char name[PEER];

	name_address(name, &a);
	ck_assert_str_eq(name, "local");
	for (size_t i = 0; i < COUNT(cases); i++) {
		a.ss_family = (sa_family_t)cases[i].family;
		four->sin_port = htons(8080);
		inet_pton(cases[i].family, cases[i].ip,
			  cases[i].family == AF_INET ? (void *)&four->sin_addr
						     : &six->sin6_addr);
		name_address(name, &a);
		ck_assert_str_eq(name, cases[i].name);
	}
}
END_TEST

/* Groups that are 0 or not, in every order: libc reads them as they were, and
   has no shorter way to write them, but for musl's "::" in place of one "0". */
START_TEST(formats_ipv6_so_that_libc_reads_it)
{
	unsigned char ip[16], back[16];
	char libc[INET6_ADDRSTRLEN], got[PEER];

	for (unsigned groups = 4; groups < 256; groups++) {
		for (unsigned i = 0; i < 16; i++)
			ip[i] = groups >> i / 2 & 1 ? (unsigned char)i : 0;
		name_six(got, ip);
		inet_ntop(AF_INET6, ip, libc, sizeof libc);
		ck_assert_int_eq(inet_pton(AF_INET6, got, back), 1);
		ck_assert_mem_eq(ip, back, sizeof ip);
		ck_assert_uint_le(strlen(got), strlen(libc) + 1);
	}
}
END_TEST

START_TEST(formats_metrics_for_prometheus)
{
	static const char *const parts[] = {
		"# TYPE chat_clients gauge\nchat_clients 1\n",
		"# TYPE chat_messages_total counter\n"
		"chat_messages_total 12345678901\n",
		"# TYPE chat_dropped_total counter\n"
		"chat_dropped_total{reason=\"refused\"} 0\n"
		"chat_dropped_total{reason=\"late\"} 3\n",
		"chat_dropped_total{reason=\"silent\"} 0\n",
	};
	struct client *c = make_member();

	total.messages = 12345678901;
	total.dropped[LATE] = 3;
	reply_metrics(0, false);
	buffers[0][c->filled] = '\0';
	for (size_t i = 0; i < COUNT(parts); i++)
		ck_assert_ptr_nonnull(strstr((char *)buffers[0], parts[i]));
}
END_TEST

static void add_texts_tests(TCase *t)
{
	tcase_add_test(t, cuts_long_lines);
	tcase_add_test(t, formats_times_like_libc);
	tcase_add_test(t, formats_addresses_as_in_urls);
	tcase_add_test(t, formats_ipv6_so_that_libc_reads_it);
	tcase_add_test(t, formats_metrics_for_prometheus);
}
