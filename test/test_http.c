/* SPDX-License-Identifier: MIT */
/*
 * Requests, parsed whole, byte by byte (each prefix must want more), and from a
 * heap block of exact size.  A bad one says at which byte that is certain: with
 * all bytes up to it there, and not before.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../http.h"
#include "test.h"

#define LINE  "GET / HTTP/1.1\r\n"
#define HOST  "Host: a\r\n"
#define UP    "Upgrade: websocket\r\n"
#define CON   "Connection: Upgrade\r\n"
#define VER   "Sec-WebSocket-Version: 13\r\n"
#define KEY   "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
#define END   "\r\n"
#define SHAKE LINE HOST UP CON VER

static int parse(struct http_request *r, const char *bytes, size_t len)
{
	char *copy = malloc(len > 0 ? len : 1);
	int n;

	memcpy(copy, bytes, len);
	n = http_parse(r, copy, len);
	free(copy);
	return n;
}

enum { PAGE = HTTP_PAGE, METRICS = HTTP_METRICS, SOCKET = 10, HEAD = 100 };

static const struct {
	const char *name, *bytes;
	int what;
} good[] = {
	{"plain", LINE HOST END, PAGE},
	{"query", "GET /?a=/b?c HTTP/1.1\r\n" HOST END, PAGE},
	{"metrics", "GET /metrics HTTP/1.1\r\n" HOST END, METRICS},
	{"metrics_with_query", "GET /metrics?x HTTP/1.1\r\n" HOST END, METRICS},
	{"head", "HEAD / HTTP/1.1\r\n" HOST END, HEAD + PAGE},
	{"http_1_0_without_host", "GET / HTTP/1.0\r\n" END, PAGE},
	{"http_1_2_as_1_1", "GET / HTTP/1.2\r\n" HOST END, PAGE},
	{"empty_line_first", END LINE HOST END, PAGE},
	{"absolute_form", "GET http://a/ HTTP/1.1\r\n" HOST END, PAGE},
	{"absolute_form_without_path", "GET http://a HTTP/1.1\r\n" HOST END,
	 PAGE},
	{"absolute_form_with_query", "GET HTTP://a?x HTTP/1.1\r\n" HOST END,
	 PAGE},
	{"absolute_metrics", "GET http://a:1/metrics HTTP/1.1\r\n" HOST END,
	 METRICS},
	{"no_blank_after_colon", LINE "host:a\r\n" END, PAGE},
	{"blanks_around_value", LINE "Host: \t a \t\r\n" END, PAGE},
	{"blank_host", LINE "Host: \t \r\n" END, PAGE},
	{"empty_value", LINE HOST "X:\r\n" END, PAGE},
	{"any_byte_in_value", LINE HOST "X: \t~!\x80\xff\r\n" END, PAGE},
	{"every_token_letter", LINE HOST "!#$%&'*+-.^_`|~09AZaz: x\r\n" END,
	 PAGE},
	{"ipv6_host", LINE "Host: [::1]:8080\r\n" END, PAGE},
	{"length_0", LINE HOST "Content-Length: 00\r\n" END, PAGE},
	{"other_upgrade", LINE HOST "Upgrade: h2c\r\n" CON END, PAGE},
	{"upgrade_in_http_1_0", "GET / HTTP/1.0\r\n" UP CON END, PAGE},
	{"handshake", SHAKE KEY END, SOCKET},
	{"handshake_in_any_case",
	 LINE "hOST: a\r\nUPGRADE: WebSocket\r\nconnection: UPGRADE\r\n"
	      "sec-websocket-version: 13\r\n"
	      "SEC-WEBSOCKET-KEY: dGhlIHNhbXBsZSBub25jZQ==\r\n" END,
	 SOCKET},
	{"handshake_in_lists",
	 LINE HOST "Upgrade: h2c, websocket\r\n"
		   "Connection: keep-alive,\tUpgrade ,\r\n" VER KEY END,
	 SOCKET},
	{"handshake_in_several_lines",
	 LINE HOST "Upgrade: h2c\r\n" UP
		   "Connection: close\r\n" CON VER KEY END,
	 SOCKET},
	{"handshake_in_the_first_of_several_lines",
	 LINE HOST UP "Upgrade: h2c\r\n" CON
		      "Connection: close\r\n" VER KEY END,
	 SOCKET},
	{"handshake_with_extensions",
	 SHAKE KEY "Sec-WebSocket-Extensions: permessage-deflate   ;  a\r\n"
		   "Sec-WebSocket-Protocol: ,\r\n" END,
	 SOCKET},
	{"handshake_in_absolute_form",
	 "GET http://a/ HTTP/1.1\r\n" HOST UP CON VER KEY END, SOCKET},
	{"key_of_other_letters",
	 SHAKE "Sec-WebSocket-Key: AZaz09+/AZaz09+/AZaz0A==\r\n" END, SOCKET},
};

START_TEST(accepts)
{
	struct http_request r;
	size_t len = strlen(good[_i].bytes);
	int what;

	for (size_t n = 0; n < len; n++) {
		if (parse(&r, good[_i].bytes, n) != 0)
			ck_abort_msg("%s: not 0 at %zu", good[_i].name, n);
	}
	ck_assert_msg(parse(&r, good[_i].bytes, len) == (int)len, "%s",
		      good[_i].name);
	what = r.handshake ? SOCKET : (int)r.resource + (r.head ? HEAD : 0);
	ck_assert_msg(what == good[_i].what, "%s: %d", good[_i].name, what);
}
END_TEST

/* The status, and the shortest part of the request for which it is certain. */
static const struct {
	const char *name, *certain, *rest;
	int status;
} bad[] = {
	/* RFC 9112, 3: the request line */
	{"tls_client_hello", "\x16", "\x03\x01", 400},
	{"noise", "\xff", "\xfe", 400},
	{"second_empty_line", END "\r", "\n", 400},
	{"bare_cr_first", "\rG", "ET", 400},
	{"bare_lf_first", "\n", LINE, 400},
	{"blank_first", " ", LINE, 400},
	{"two_blanks", "GET  ", "/ HTTP/1.1\r\n", 400},
	{"tab_for_blank", "GET\t", "/ HTTP/1.1\r\n", 400},
	{"http_0_9", "GET /\r", "\n", 400},
	{"bare_path", "GET x ", "HTTP/1.1\r\n", 400},
	{"asterisk", "GET * ", "HTTP/1.1\r\n", 400},
	{"absolute_form_without_host", "GET http:/// ", "HTTP/1.1\r\n", 400},
	{"one_slash", "GET http:/ab/ ", "HTTP/1.1\r\n", 400},
	{"scheme_alone", "GET http:// ", "HTTP/1.1\r\n", 400},
	{"query_alone", "GET ?x ", "HTTP/1.1\r\n", 400},
	{"userinfo", "GET http://me@a/ ", "HTTP/1.1\r\n", 400},
	{"other_scheme", "GET ftp://a/ ", "HTTP/1.1\r\n", 400},
	{"control_in_target", "GET /\x01", " HTTP/1.1\r\n", 400},
	{"del_in_target", "GET /\x7f", " HTTP/1.1\r\n", 400},
	{"utf8_in_target", "GET /\xc3", "\xa9 HTTP/1.1\r\n", 400},
	{"post", "POST ", "/ HTTP/1.1\r\n", 405},
	{"options", "OPTIONS ", "* HTTP/1.1\r\n", 405},
	{"lower_case_method", "get ", "/ HTTP/1.1\r\n", 405},
	{"longer_method", "GETS ", "/ HTTP/1.1\r\n", 405},
	{"other_protocol", "GET / X", "TTP/1.1\r\n", 400},
	{"lower_case_protocol", "GET / h", "ttp/1.1\r\n", 400},
	{"version_without_dot", "GET / HTTP/11", "\r\n", 400},
	{"version_with_letters", "GET / HTTP/1.x", "\r\n", 400},
	{"version_too_long", "GET / HTTP/1.11", "\r\n", 400},
	{"http_2", "GET / HTTP/2.0\r\n", HOST END, 505},
	{"http_0", "GET / HTTP/0.9\r\n", HOST END, 505},
	{"lf_alone", "GET / HTTP/1.1\n", HOST END, 400},
	{"cr_alone", "GET / HTTP/1.1\rH", "ost: a", 400},
	/* RFC 9112, 5: field lines */
	{"obs_fold", LINE HOST "X: a\r\n ", "b\r\n", 400},
	{"obs_fold_with_tab", LINE HOST "X: a\r\n\t", "b\r\n", 400},
	{"blank_before_colon", LINE "Host ", ": a\r\n", 400},
	{"no_name", LINE ":", " a\r\n", 400},
	{"no_colon", LINE "Host\r", "\n", 400},
	{"control_in_value", LINE "X: a\x0b", "\r\n", 400},
	{"del_in_value", LINE "X: a\x7f", "\r\n", 400},
	{"lf_alone_after_value", LINE "Host: a\n", END, 400},
	{"cr_alone_after_value", LINE "Host: a\rX", END, 400},
	{"cr_alone_at_the_end", LINE HOST "\rX", "", 400},
	{"bad_letter_in_name", LINE "X(", "y): z\r\n", 400},
	/* RFC 9112, 3.2 and 6: Host and bodies */
	{"no_host", LINE END, "", 400},
	{"two_hosts", LINE HOST HOST, END, 400},
	{"bad_host", LINE "Host: a/b\r\n", END, 400},
	{"host_with_blank", LINE "Host: a b\r\n", END, 400},
	{"body", LINE HOST "Content-Length: 1\r\n", END, 413},
	{"huge_body", LINE HOST "Content-Length: 99999999999999999999999\r\n",
	 END, 413},
	{"negative_length", LINE HOST "Content-Length: -1\r\n", END, 400},
	{"plus_length", LINE HOST "Content-Length: +0\r\n", END, 400},
	{"empty_length", LINE HOST "Content-Length:\r\n", END, 400},
	{"hex_length", LINE HOST "Content-Length: 0x0\r\n", END, 400},
	{"list_of_lengths", LINE HOST "Content-Length: 0, 0\r\n", END, 400},
	{"two_lengths", LINE HOST "Content-Length: 0\r\nContent-Length: 0\r\n",
	 END, 400},
	{"chunked", LINE HOST "Transfer-Encoding: chunked\r\n", END, 501},
	{"identity", LINE HOST "Transfer-Encoding: identity\r\n", END, 501},
	/* the resource */
	{"not_found", "GET /x HTTP/1.1\r\n" HOST END, "", 404},
	{"many_slashes", "GET ////... HTTP/1.1\r\n" HOST END, "", 404},
	{"escaped_nul", "GET /%00 HTTP/1.1\r\n" HOST END, "", 404},
	{"escaped_metrics", "GET /%6detrics HTTP/1.1\r\n" HOST END, "", 404},
	{"metrics_and_more", "GET /metrics/ HTTP/1.1\r\n" HOST END, "", 404},
	{"socket_at_metrics",
	 "GET /metrics HTTP/1.1\r\n" HOST UP CON VER KEY END, "", 404},
	/* RFC 6455, 4.2.1: the handshake */
	{"handshake_by_head", "HEAD / HTTP/1.1\r\n" HOST UP CON VER KEY END, "",
	 400},
	{"no_upgrade", LINE HOST CON VER KEY END, "", 400},
	{"no_connection", LINE HOST UP VER KEY END, "", 400},
	{"wrong_connection", LINE HOST UP "Connection: close\r\n" VER KEY END,
	 "", 400},
	{"upgrade_is_part_of_word",
	 LINE HOST UP "Connection: Upgraded\r\n" VER KEY END, "", 400},
	{"key_in_http_1_0", "GET / HTTP/1.0\r\n" HOST UP CON VER KEY END, "",
	 400},
	{"no_version", LINE HOST UP CON KEY END, "", 426},
	{"version_8", LINE HOST UP CON "Sec-WebSocket-Version: 8\r\n" KEY END,
	 "", 426},
	{"version_list",
	 LINE HOST UP CON "Sec-WebSocket-Version: 13, 8\r\n" KEY END, "", 426},
	{"two_versions", SHAKE VER, KEY END, 400},
	{"no_key", SHAKE END, "", 400},
	{"two_keys", SHAKE KEY KEY, END, 400},
	{"two_origins", SHAKE KEY "Origin: a\r\nOrigin: a\r\n", END, 400},
	{"empty_key", SHAKE "Sec-WebSocket-Key:\r\n" END, "", 400},
	{"key_of_23",
	 SHAKE "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=\r\n" END, "", 400},
	{"key_of_25",
	 SHAKE "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ===\r\n" END, "", 400},
	{"key_of_18_bytes",
	 SHAKE "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQAA\r\n" END, "", 400},
	{"key_of_17_bytes",
	 SHAKE "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQA=\r\n" END, "", 400},
	{"key_not_base64",
	 SHAKE "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25j-_==\r\n" END, "", 400},
	{"key_starting_badly",
	 SHAKE "Sec-WebSocket-Key: -GhlIHNhbXBsZSBub25jZQ==\r\n" END, "", 400},
	{"key_with_blank",
	 SHAKE "Sec-WebSocket-Key: dGhlIHNhbXB ZSBub25jZQ==\r\n" END, "", 400},
};

START_TEST(rejects)
{
	struct http_request r;
	char bytes[1024];
	size_t len;

	len = strlen(bad[_i].certain);
	snprintf(bytes, sizeof bytes, "%s%s", bad[_i].certain, bad[_i].rest);
	for (size_t n = 0; n < len; n++) {
		if (parse(&r, bytes, n) != 0)
			ck_abort_msg("%s: not 0 at %zu", bad[_i].name, n);
	}
	for (size_t n = len; n <= strlen(bytes); n++) {
		int got = parse(&r, bytes, n);
		if (got != -bad[_i].status)
			ck_abort_msg("%s: %d at %zu", bad[_i].name, got, n);
	}
}
END_TEST

START_TEST(rejects_nul)
{
	static const char bytes[] = LINE "X: a\0b\r\n" HOST END;
	struct http_request r;

	ck_assert_int_eq(parse(&r, bytes, 20), 0);
	ck_assert_int_eq(parse(&r, bytes, 21), -400);
	ck_assert_int_eq(parse(&r, bytes, sizeof bytes - 1), -400);
	ck_assert_int_eq(parse(&r, "G\0", 2), -400);
}
END_TEST

/* A head of n bytes: a target, or else a field, fills it up. */
static int parse_long(bool target, size_t n)
{
	char *bytes = malloc(n);
	struct http_request r;
	int got;

	memset(bytes, 'x', n);
	memcpy(bytes, LINE HOST "X:", strlen(LINE HOST "X:"));
	if (target)
		memcpy(bytes, "GET /x", 6), memset(bytes + 6, 'x', n - 6);
	else
		memcpy(bytes + n - 4, "\r\n\r\n", 4);
	got = parse(&r, bytes, n);
	free(bytes);
	return got;
}

START_TEST(limits_the_head)
{
	ck_assert_int_eq(parse_long(false, REQUEST_MAX), REQUEST_MAX);
	ck_assert_int_eq(parse_long(false, REQUEST_MAX + 1), -431);
	ck_assert_int_eq(parse_long(false, 3 * REQUEST_MAX), -431);
	ck_assert_int_eq(parse_long(true, REQUEST_MAX - 1), 0);
	ck_assert_int_eq(parse_long(true, REQUEST_MAX), -414);
	ck_assert_int_eq(parse_long(true, 2 * REQUEST_MAX), -414);
}
END_TEST

START_TEST(leaves_what_follows)
{
	struct http_request r;
	const char *bytes = SHAKE KEY END "\x81\x80";

	ck_assert_int_eq(parse(&r, bytes, strlen(SHAKE KEY END) + 2),
			 (int)strlen(SHAKE KEY END));
}
END_TEST

static const char *const some[] = {"chat.example", "b:8080"};

/* Host, Origin, whether with no -o and with some. */
static const struct {
	const char *host, *origin;
	bool any, listed;
} origins[] = {
	{"board:8080", NULL, true, false},
	{"board:8080", "http://board:8080", true, false},
	{"board:8080", "https://BOARD:8080", true, false},
	{"board:8080", "http://board", false, false},
	{"board:8080", "http://board:80801", false, false},
	{"board:8080", "http://board:808", false, false},
	{"board", "http://board:80", false, false},
	{"board", "http://evil.example", false, false},
	{"board", "http://evil/board", false, false},
	{"board", "null", false, false},
	{"null", "null", false, false},
	{"board", "board", false, false},
	{"board", "//board", false, false},
	{"board", "http:/board", false, false},
	{"board", "http://", false, false},
	{"board", "http:??board", false, false},
	{"board", "://board", false, false},
	{"board", "!http://board", false, false},
	{"board", "a-b+c.d://board", true, false},
	{"board", "", false, false},
	{"", "http://", false, false},
	{"a", "http://a", true, false},
	{"AZaz", "http://azAZ", true, false},
	{"chat.example", NULL, true, true},
	{"chat.example", "https://chat.example", true, true},
	{"Chat.Example", "https://chat.example", true, true},
	{"chat.example", "https://b:8080", false, true},
	{"chat.example", "https://chat.example.evil", false, false},
	{"evil.example", "http://evil.example", true, false},
	{"evil.example", "https://chat.example", false, false},
};

START_TEST(judges_origins)
{
	struct http_request r;
	char bytes[512];
	int n = snprintf(bytes, sizeof bytes, LINE "Host: %s\r\n%s%s%s" END,
			 origins[_i].host, origins[_i].origin ? "Origin: " : "",
			 origins[_i].origin ? origins[_i].origin : "",
			 origins[_i].origin ? "\r\n" : "");

	ck_assert_int_eq(http_parse(&r, bytes, (size_t)n), n);
	ck_assert_msg(http_origin_ok(&r, NULL, 0) == origins[_i].any, "any: %s",
		      bytes);
	ck_assert_msg(http_origin_ok(&r, some, 2) == origins[_i].listed,
		      "listed: %s", bytes);
	/* with one host, whoever names another is refused */
	if (strncasecmp(origins[_i].host, some[1], 7) != 0)
		ck_assert(!http_origin_ok(&r, some + 1, 1));
}
END_TEST

START_TEST(absolute_form_counts_instead_of_host)
{
	struct http_request r;
	const char *bytes =
		"GET http://b/ HTTP/1.1\r\n" HOST "Origin: http://b\r\n" END;

	ck_assert_int_gt(http_parse(&r, bytes, strlen(bytes)), 0);
	ck_assert(http_origin_ok(&r, NULL, 0));
}
END_TEST

/* RFC 6455, 1.3 */
START_TEST(accepts_the_sample_key)
{
	struct http_request r;
	char out[HTTP_SWITCH + 1] = "";

	ck_assert_int_gt(http_parse(&r, SHAKE KEY END, strlen(SHAKE KEY END)),
			 0);
	http_switch(out, &r);
	ck_assert_str_eq(
		out, "HTTP/1.1 101 Switching Protocols\r\n"
		     "Upgrade: websocket\r\n"
		     "Connection: Upgrade\r\n"
		     "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
		     "\r\n");
}
END_TEST

START_TEST(writes_response_heads)
{
	char out[HTTP_HEAD_MAX];
	size_t n = http_head(out, 200, "text/plain", 12, "A: b\r\n");

	ck_assert_uint_eq(n, strlen(out));
	ck_assert_str_eq(out, "HTTP/1.1 200 OK\r\n"
			      "Connection: close\r\n"
			      "Content-Type: text/plain\r\n"
			      "Content-Length: 12\r\n"
			      "X-Content-Type-Options: nosniff\r\n"
			      "A: b\r\n"
			      "\r\n");
	/* RFC 9110, 15.5.6 and 15.5.22; RFC 6455, 4.4 */
	http_head(out, 405, "text/plain", 0, "");
	ck_assert_ptr_nonnull(strstr(out, "\r\nContent-Length: 0\r\n"));
	ck_assert_ptr_nonnull(strstr(out, "\r\nAllow: GET, HEAD\r\n"));
	http_head(out, 426, "text/plain", 0, "");
	ck_assert_ptr_nonnull(strstr(out, "\r\nSec-WebSocket-Version: 13\r\n"));
	ck_assert_ptr_nonnull(strstr(out, "\r\nUpgrade: websocket\r\n"));
}
END_TEST

START_TEST(names_each_status)
{
	static const int statuses[] = {200, 400, 403, 404, 405, 408, 413,
				       414, 426, 431, 501, 503, 505};

	for (size_t i = 0; i < COUNT(statuses); i++) {
		const char *text = http_status(statuses[i]);
		ck_assert_int_eq(atoi(text), statuses[i]);
		ck_assert_uint_gt(strlen(text), 5);
	}
}
END_TEST

/* ---- The same over loopback, by the real server ---- */

static struct server s;

/* The status that a request gets, sent in pieces of a size; the connection
   stays open on our side until the answer is whole. */
static int served(const char *request, size_t size)
{
	char out[65536];
	size_t len = strlen(request);
	int fd = dial(&s), status = 0;

	for (size_t at = 0; at < len; at += size)
		send_all(fd, request + at, len - at < size ? len - at : size);
	ck_assert(recv(fd, out, 12, MSG_WAITALL) == 12);
	out[12] = '\0';
	sscanf(out, "HTTP/1.1 %d", &status);
	close(fd);
	return status;
}

START_TEST(are_served_so)
{
	size_t size = _i == 0 ? 4096 : 1;

	start(&s, "./chat", "-q", NULL);
	for (size_t i = 0; i < COUNT(good); i++) {
		int status = served(good[i].bytes, size);

		ck_assert_msg(status == (good[i].what == SOCKET ? 101 : 200),
			      "%s: %d", good[i].name, status);
	}
	/* of a bad one, no more is sent than makes it certain */
	for (size_t i = 0; i < COUNT(bad); i++) {
		int status = served(bad[i].certain, size);

		ck_assert_msg(status == bad[i].status, "%s: %d", bad[i].name,
			      status);
	}
	ck_assert_int_eq(stop(&s), 0);
}
END_TEST

START_TEST(joins_what_fits)
{
	char out[8] = "???????";

	ck_assert_uint_eq(http_join(out, 7, HTTP_TEXT("ab", "", "cd")), 4);
	ck_assert_mem_eq(out, "abcd\0??", 8);
	ck_assert_uint_eq(http_join(out, 7, HTTP_TEXT("abc", "def")), 6);
	ck_assert_mem_eq(out, "abcdef\0", 8);
	ck_assert_uint_eq(http_join(out, 6, HTTP_TEXT("xyz", "uvw")), 5);
	ck_assert_mem_eq(out, "xyzuv\0\0", 8);
	ck_assert_uint_eq(http_join(out, 8, HTTP_TEXT("")), 0);
	ck_assert_str_eq(out, "");
}
END_TEST

START_TEST(writes_numbers)
{
	char n[HTTP_DIGITS];

	ck_assert_str_eq(http_decimal(n, 0, 1), "0");
	ck_assert_str_eq(http_decimal(n, 9, 1), "9");
	ck_assert_str_eq(http_decimal(n, 10, 1), "10");
	ck_assert_str_eq(http_decimal(n, 907, 2), "907");
	ck_assert_str_eq(http_decimal(n, 7, 4), "0007");
	ck_assert_str_eq(http_decimal(n, UINT64_MAX, 1),
			 "18446744073709551615");
	ck_assert_str_eq(http_decimal(n, 1, 20), "00000000000000000001");
}
END_TEST

Suite *http_suite(void)
{
	Suite *suite = suite_create("http");
	TCase *t = tcase_create("requests");

	tcase_add_loop_test(t, accepts, 0, COUNT(good));
	tcase_add_loop_test(t, rejects, 0, COUNT(bad));
	tcase_add_test(t, rejects_nul);
	tcase_add_test(t, limits_the_head);
	tcase_add_test(t, leaves_what_follows);
	tcase_add_test(t, joins_what_fits);
	tcase_add_test(t, writes_numbers);
	tcase_add_loop_test(t, judges_origins, 0, COUNT(origins));
	tcase_add_test(t, absolute_form_counts_instead_of_host);
	tcase_add_test(t, accepts_the_sample_key);
	tcase_add_test(t, writes_response_heads);
	tcase_add_test(t, names_each_status);
	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, are_served_so, 0, 2);
	suite_add_tcase(suite, t);
	return suite;
}
