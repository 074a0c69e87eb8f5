/* SPDX-License-Identifier: MIT */
/*
 * Parses requests whole and byte by byte (each prefix must need more bytes),
 * always from a heap block of exact size, so that a sanitizer sees each byte
 * that is read too far.  A case that must be rejected has its bytes in two
 * parts: the error is certain after the last byte of the first part, not
 * before.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../http.h"
#include "test.h"

#define LINE         "GET / HTTP/1.1\r\n"
#define HOST         "Host: a\r\n"
#define UP           "Upgrade: websocket\r\n"
#define CON          "Connection: Upgrade\r\n"
#define VER          "Sec-WebSocket-Version: 13\r\n"
#define KEY          "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
#define END          "\r\n"
#define SHAKE        LINE HOST UP CON VER
#define GET_(target) "GET " target " HTTP/1.1\r\n"

/* Parses a copy of bytes[0..len); r's texts then point into `bytes`. */
static int parse(struct http_request *r, const char *bytes, size_t len)
{
	struct http_text *texts[] = {&r->path, &r->host, &r->origin, &r->key,
				     &r->version};
	char *copy = malloc(len > 0 ? len : 1);
	int n;

	memcpy(copy, bytes, len);
	n = http_parse(r, copy, len);
	for (size_t i = 0; i < COUNT(texts); i++)
		texts[i]->buf = bytes;
	free(copy);
	return n;
}

#define PAGE "/", PLAIN
#define JOIN "/", HANDSHAKE

static const struct {
	const char *name, *bytes, *path;
	enum { PLAIN, HEAD, HANDSHAKE } kind;
} good[] = {
	{"plain", LINE HOST END, PAGE},
	{"query", GET_("/?a=/b?c") HOST END, PAGE},
	{"metrics", GET_("/metrics") HOST END, "/metrics", PLAIN},
	{"metrics_with_query", GET_("/metrics?x") HOST END, "/metrics", PLAIN},
	{"head", "HEAD / HTTP/1.1\r\n" HOST END, "/", HEAD},
	{"http_1_0_without_host", "GET / HTTP/1.0\r\n" END, PAGE},
	{"http_1_2_as_1_1", "GET / HTTP/1.2\r\n" HOST END, PAGE},
	{"empty_line_first", END LINE HOST END, PAGE},
	{"absolute_form", GET_("http://a/") HOST END, PAGE},
	{"absolute_form_without_path", GET_("http://a") HOST END, PAGE},
	{"absolute_form_with_query", GET_("HTTP://a?x") HOST END, PAGE},
	{"absolute_form_with_https", GET_("https://a:1/") HOST END, PAGE},
	{"absolute_metrics", GET_("http://a:1/metrics") HOST END, "/metrics",
	 PLAIN},
	{"no_blank_after_colon", LINE "host:a\r\n" END, PAGE},
	{"blanks_around_value", LINE "Host: \t a \t\r\n" END, PAGE},
	{"blank_host", LINE "Host: \t \r\n" END, PAGE},
	{"empty_value", LINE HOST "X:\r\n" END, PAGE},
	{"any_byte_in_value", LINE HOST "X: \t~!\x80\xff\r\n" END, PAGE},
	{"every_token_letter", LINE HOST "!#$%&'*+-.^_`|~09AZaz: x\r\n" END,
	 PAGE},
	{"ipv6_host", LINE "Host: [::1]:8080\r\n" END, PAGE},
	{"length_0", LINE HOST "Content-Length: 0\r\n" END, PAGE},
	{"other_upgrade", LINE HOST "Upgrade: h2c\r\n" CON END, PAGE},
	{"upgrade_in_http_1_0", "GET / HTTP/1.0\r\n" UP CON END, PAGE},
	{"handshake", SHAKE KEY END, JOIN},
	{"handshake_in_any_case",
	 LINE "hOST: a\r\nUPGRADE: WebSocket\r\nconnection: UPGRADE\r\n"
	      "sec-websocket-version: 13\r\n"
	      "SEC-WEBSOCKET-KEY: dGhlIHNhbXBsZSBub25jZQ==\r\n" END,
	 JOIN},
	{"handshake_in_lists",
	 LINE HOST "Upgrade: h2c, websocket\r\n"
		   "Connection: keep-alive,\tUpgrade ,\r\n" VER KEY END,
	 JOIN},
	{"handshake_in_several_lines",
	 LINE HOST "Upgrade: h2c\r\n" UP
		   "Connection: close\r\n" CON VER KEY END,
	 JOIN},
	{"handshake_in_the_first_of_several_lines",
	 LINE HOST UP "Upgrade: h2c\r\n" CON
		      "Connection: close\r\n" VER KEY END,
	 JOIN},
	{"handshake_with_extensions",
	 SHAKE KEY "Sec-WebSocket-Extensions: permessage-deflate   ;  a\r\n"
		   "Sec-WebSocket-Protocol: ,\r\n" END,
	 JOIN},
	{"handshake_in_absolute_form",
	 GET_("http://a/") HOST UP CON VER KEY END, JOIN},
	{"key_of_other_letters",
	 SHAKE "Sec-WebSocket-Key: AZaz09+/AZaz09+/AZaz0A==\r\n" END, JOIN},
	{"other_path", GET_("/x") HOST END, "/x", PLAIN},
	{"head_of_other_path", "HEAD /x HTTP/1.1\r\n" HOST END, "/x", HEAD},
	{"path_of_slashes", GET_("////...") HOST END, "////...", PLAIN},
	{"escapes_stay_as_they_are", GET_("/%6detrics%00") HOST END,
	 "/%6detrics%00", PLAIN},
	{"slash_after_metrics", GET_("/metrics/") HOST END, "/metrics/", PLAIN},
	{"handshake_at_metrics", GET_("/metrics") HOST UP CON VER KEY END,
	 "/metrics", HANDSHAKE},
	{"handshake_at_other_path", GET_("/x?y") HOST UP CON VER KEY END, "/x",
	 HANDSHAKE},
};

START_TEST(accepts)
{
	struct http_request r;
	size_t len = strlen(good[_i].bytes);

	for (size_t n = 0; n < len; n++) {
		if (parse(&r, good[_i].bytes, n) != 0)
			ck_abort_msg("%s: not 0 at %zu", good[_i].name, n);
	}
	ck_assert_msg(parse(&r, good[_i].bytes, len) == (int)len, "%s",
		      good[_i].name);
	ck_assert_msg(http_text_is(r.path, good[_i].path) &&
			      r.head_only == (good[_i].kind == HEAD) &&
			      r.handshake == (good[_i].kind == HANDSHAKE),
		      "%s", good[_i].name);
	ck_assert_ptr_null(r.fault);
}
END_TEST

/* The statuses and faults that several cases share. */
#define BAD_METHOD  400, "malformed method"
#define BAD_TARGET  400, "malformed target"
#define BAD_FORM    400, "target is neither path nor http://host"
#define NO_METHOD   405, "method is neither GET nor HEAD"
#define BAD_VERSION 400, "malformed version or line end"
#define HTTP_2      505, "HTTP version is not 1.x"
#define BAD_NAME    400, "malformed field name or folded line"
#define BAD_VALUE   400, "control character in a field value"
#define BARE_CR     400, "CR without LF"
#define BAD_HOST    400, "malformed Host"
#define HAS_BODY    400, "body (Content-Length is not 0)"
#define CHUNKED     501, "body (Transfer-Encoding)"
#define NO_UPGRADE  400, "Connection does not list upgrade"
#define NOT_13      426, "Sec-WebSocket-Version is not 13"
#define BAD_KEY     400, "Sec-WebSocket-Key is not 16 bytes"
#define TWO         400, "a field that must be unique repeats"
#define NO_GET      400, "handshake by HEAD or in HTTP/1.0"

static const struct {
	const char *name, *certain, *rest;
	int status;
	const char *fault;
} bad[] = {
	/* RFC 9112, 3: the request line */
	{"tls_client_hello", "\x16", "\x03\x01", BAD_METHOD},
	{"noise", "\xff", "\xfe", BAD_METHOD},
	{"second_empty_line", END "\r", "\n", BAD_METHOD},
	{"bare_cr_first", "\rG", "ET", BAD_METHOD},
	{"bare_lf_first", "\n", LINE, BAD_METHOD},
	{"blank_first", " ", LINE, BAD_METHOD},
	{"two_blanks", "GET  ", "/ HTTP/1.1\r\n", BAD_TARGET},
	{"tab_for_blank", "GET\t", "/ HTTP/1.1\r\n", BAD_METHOD},
	{"http_0_9", "GET /\r", "\n", BAD_TARGET},
	{"bare_path", "GET x ", "HTTP/1.1\r\n", BAD_FORM},
	{"asterisk", "GET * ", "HTTP/1.1\r\n", BAD_FORM},
	{"absolute_form_without_host", "GET http:/// ", "HTTP/1.1\r\n",
	 BAD_FORM},
	{"one_slash", "GET http:/ab/ ", "HTTP/1.1\r\n", BAD_FORM},
	{"scheme_alone", "GET http:// ", "HTTP/1.1\r\n", BAD_FORM},
	{"query_alone", "GET ?x ", "HTTP/1.1\r\n", BAD_FORM},
	{"query_alone_with_slash", "GET ?abcde/ ", "HTTP/1.1\r\n", BAD_FORM},
	{"userinfo", "GET http://me@a/ ", "HTTP/1.1\r\n", BAD_FORM},
	{"other_scheme", "GET ftp://a/ ", "HTTP/1.1\r\n", BAD_FORM},
	{"ws_scheme", "GET ws://a/ ", "HTTP/1.1\r\n", BAD_FORM},
	{"control_in_target", "GET /\x01", " HTTP/1.1\r\n", BAD_TARGET},
	{"del_in_target", "GET /\x7f", " HTTP/1.1\r\n", BAD_TARGET},
	{"utf8_in_target", "GET /\xc3", "\xa9 HTTP/1.1\r\n", BAD_TARGET},
	{"post", "POST ", "/ HTTP/1.1\r\n", NO_METHOD},
	{"options", "OPTIONS ", "* HTTP/1.1\r\n", NO_METHOD},
	{"lower_case_method", "get ", "/ HTTP/1.1\r\n", NO_METHOD},
	{"longer_method", "GETS ", "/ HTTP/1.1\r\n", NO_METHOD},
	{"other_protocol", "GET / X", "TTP/1.1\r\n", BAD_VERSION},
	{"lower_case_protocol", "GET / h", "ttp/1.1\r\n", BAD_VERSION},
	{"version_without_dot", "GET / HTTP/11", "\r\n", BAD_VERSION},
	{"version_with_letters", "GET / HTTP/1.x", "\r\n", BAD_VERSION},
	{"version_too_long", "GET / HTTP/1.11", "\r\n", BAD_VERSION},
	{"http_2", "GET / HTTP/2.0\r\n", HOST END, HTTP_2},
	{"http_0", "GET / HTTP/0.9\r\n", HOST END, HTTP_2},
	{"lf_alone", "GET / HTTP/1.1\n", HOST END, BAD_VERSION},
	{"cr_alone", "GET / HTTP/1.1\rH", "ost: a", BAD_VERSION},
	/* RFC 9112, 5: field lines */
	{"obs_fold", LINE HOST "X: a\r\n ", "b\r\n", BAD_NAME},
	{"obs_fold_with_tab", LINE HOST "X: a\r\n\t", "b\r\n", BAD_NAME},
	{"blank_before_colon", LINE "Host ", ": a\r\n", BAD_NAME},
	{"no_name", LINE ":", " a\r\n", BAD_NAME},
	{"no_colon", LINE "Host\r", "\n", BAD_NAME},
	{"control_in_value", LINE "X: a\x0b", "\r\n", BAD_VALUE},
	{"del_in_value", LINE "X: a\x7f", "\r\n", BAD_VALUE},
	{"lf_alone_after_value", LINE "Host: a\n", END, BAD_VALUE},
	{"cr_alone_after_value", LINE "Host: a\rX", END, BARE_CR},
	{"cr_alone_at_the_end", LINE HOST "\rX", "", BARE_CR},
	{"bad_letter_in_name", LINE "X(", "y): z\r\n", BAD_NAME},
	/* RFC 9112, 3.2 and 6: Host and bodies */
	{"no_host", LINE END, "", 400, "no Host field"},
	{"two_hosts", LINE HOST HOST, END, TWO},
	{"bad_host", LINE "Host: a/b\r\n", END, BAD_HOST},
	{"host_with_blank", LINE "Host: a b\r\n", END, BAD_HOST},
	{"body", LINE HOST "Content-Length: 1\r\n", END, HAS_BODY},
	{"huge_body", LINE HOST "Content-Length: 99999999999999999999999\r\n",
	 END, HAS_BODY},
	{"negative_length", LINE HOST "Content-Length: -1\r\n", END, HAS_BODY},
	{"plus_length", LINE HOST "Content-Length: +0\r\n", END, HAS_BODY},
	{"empty_length", LINE HOST "Content-Length:\r\n", END, HAS_BODY},
	{"blank_length", LINE HOST "Content-Length: \r\n", END, HAS_BODY},
	{"hex_length", LINE HOST "Content-Length: 0x0\r\n", END, HAS_BODY},
	{"list_of_lengths", LINE HOST "Content-Length: 0, 0\r\n", END,
	 HAS_BODY},
	{"chunked", LINE HOST "Transfer-Encoding: chunked\r\n", END, CHUNKED},
	{"identity", LINE HOST "Transfer-Encoding: identity\r\n", END, CHUNKED},
	/* RFC 6455, 4.2.1: the handshake */
	{"handshake_by_head", "HEAD / HTTP/1.1\r\n" HOST UP CON VER KEY END, "",
	 NO_GET},
	{"no_upgrade", LINE HOST CON VER KEY END, "", 400,
	 "Upgrade does not list websocket"},
	{"no_connection", LINE HOST UP VER KEY END, "", NO_UPGRADE},
	{"wrong_connection", LINE HOST UP "Connection: close\r\n" VER KEY END,
	 "", NO_UPGRADE},
	{"upgrade_is_part_of_word",
	 LINE HOST UP "Connection: Upgraded\r\n" VER KEY END, "", NO_UPGRADE},
	{"key_in_http_1_0", "GET / HTTP/1.0\r\n" HOST UP CON VER KEY END, "",
	 NO_GET},
	{"no_version", LINE HOST UP CON KEY END, "", NOT_13},
	{"version_8", LINE HOST UP CON "Sec-WebSocket-Version: 8\r\n" KEY END,
	 "", NOT_13},
	{"version_list",
	 LINE HOST UP CON "Sec-WebSocket-Version: 13, 8\r\n" KEY END, "",
	 NOT_13},
	{"two_versions", SHAKE VER, KEY END, TWO},
	{"no_key", SHAKE END, "", BAD_KEY},
	{"two_keys", SHAKE KEY KEY, END, TWO},
	{"two_origins", SHAKE KEY "Origin: a\r\nOrigin: a\r\n", END, TWO},
	{"empty_key", SHAKE "Sec-WebSocket-Key:\r\n" END, "", BAD_KEY},
	{"key_of_23",
	 SHAKE "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=\r\n" END, "",
	 BAD_KEY},
	{"key_of_25",
	 SHAKE "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ===\r\n" END, "",
	 BAD_KEY},
	{"key_of_18_bytes",
	 SHAKE "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQAA\r\n" END, "",
	 BAD_KEY},
	{"key_of_17_bytes",
	 SHAKE "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQA=\r\n" END, "",
	 BAD_KEY},
	{"key_not_base64",
	 SHAKE "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25j-_==\r\n" END, "",
	 BAD_KEY},
	{"key_starting_badly",
	 SHAKE "Sec-WebSocket-Key: -GhlIHNhbXBsZSBub25jZQ==\r\n" END, "",
	 BAD_KEY},
	{"key_with_blank",
	 SHAKE "Sec-WebSocket-Key: dGhlIHNhbXB ZSBub25jZQ==\r\n" END, "",
	 BAD_KEY},
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
		if (got != -bad[_i].status || r.handshake)
			ck_abort_msg("%s: %d at %zu", bad[_i].name, got, n);
		if (strcmp(r.fault, bad[_i].fault) != 0 || strlen(r.fault) > 60)
			ck_abort_msg("%s: fault \"%s\"", bad[_i].name, r.fault);
	}
}
END_TEST

/* The texts are parts of the request; a field that is not there has no end. */
START_TEST(texts_point_into_the_request)
{
	struct http_request r;
	const char *bytes = "GET http://b/c?d HTTP/1.1\r\n" HOST
			    "Origin:\thttp://e \r\n" UP CON VER KEY END;

	ck_assert_int_gt(http_parse(&r, bytes, strlen(bytes)), 0);
	ck_assert(http_text_is(r.path, "/c"));
	ck_assert(http_text_is(r.host, "b"));
	ck_assert(http_text_is(r.origin, "http://e"));
	ck_assert(http_text_is(r.key, "dGhlIHNhbXBsZSBub25jZQ=="));
	ck_assert(http_text_is(r.version, "13"));
	ck_assert(!http_text_is(r.version, "1"));
	ck_assert(!http_text_is(r.version, "131"));
	bytes = LINE HOST END "\x81\x80"; /* what follows is left */
	ck_assert_int_eq(http_parse(&r, bytes, strlen(bytes)),
			 (int)strlen(LINE HOST END));
	bytes = LINE HOST END;
	ck_assert_int_gt(http_parse(&r, bytes, strlen(bytes)), 0);
	ck_assert_uint_eq(r.origin.to, 0);
	ck_assert_ptr_eq(r.origin.buf, bytes);
	ck_assert_uint_eq(r.key.to, 0);
	ck_assert_uint_eq(r.version.to, 0);
	ck_assert_ptr_eq(r.version.buf, bytes);
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

/* Parses a head of n bytes, filled up by a long target or else a long field. */
static int parse_long(bool target, size_t n)
{
	char *bytes = malloc(n);
	struct http_request r;
	const char *fault = target ? "request line exceeds REQUEST_MAX"
				   : "head exceeds REQUEST_MAX";
	int got;

	memset(bytes, 'x', n);
	memcpy(bytes, LINE HOST "X:", strlen(LINE HOST "X:"));
	if (target)
		memcpy(bytes, "GET /x", 6), memset(bytes + 6, 'x', n - 6);
	else
		memcpy(bytes + n - 4, "\r\n\r\n", 4);
	got = parse(&r, bytes, n);
	free(bytes);
	if (got < 0)
		ck_assert_str_eq(r.fault, fault);
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

static const char *const hosts[] = {"chat.example", "b:8080", "c:443"};

/* Host and Origin; which page http_origin_host() names; and whether
   http_origin_allowed() without and with `hosts`. */
static const struct {
	const char *host, *origin, *page;
	bool same, allowed;
} origins[] = {
	{"board:8080", NULL, "", true, true},
	{"board:8080", "http://board:8080", "board:8080", true, false},
	{"board:8080", "https://BOARD:8080", "BOARD:8080", true, false},
	{"board:8080", "http://board", "board", false, false},
	{"board:8080", "http://board:8081", "board:8081", false, false},
	{"board:8080", "http://board:808", "board:808", false, false},
	/* the default ports: http and ws 80, https and wss 443 */
	{"board", "http://board:80", "board:80", true, false},
	{"board:80", "http://board", "board", true, false},
	{"board:80", "HTTP://board:80", "board:80", true, false},
	{"board:80", "ws://board", "board", true, false},
	{"board", "https://board:443", "board:443", true, false},
	{"board:443", "HTTPS://board", "board", true, false},
	{"board:443", "wss://board", "board", true, false},
	{"board", "WSS://board:443", "board:443", true, false},
	{"board", "http://board:443", "board:443", false, false},
	{"board", "ws://board:443", "board:443", false, false},
	{"board", "https://board:80", "board:80", false, false},
	{"board:443", "http://board", "board", false, false},
	{"board:443", "httpss://board", "board", false, false},
	{"board", "http://board:8", "board:8", false, false},
	{"board", "http://board:080", "board:080", false, false},
	{"board:443", "a-b+c.d://board:443", "board:443", true, false},
	{"[::1]:80", "http://[::1]", "[::1]", true, false},
	/* with a list of hosts, these and no others, whatever Host is */
	{"board", NULL, "", true, true},
	{"chat.example:443", "https://chat.example", "chat.example", true,
	 true},
	{"Chat.Example", "https://chaT.example", "chaT.example", true, true},
	{"chat.example:8080", "https://chat.example:443", "chat.example:443",
	 false, true},
	{"b", "http://b:8080", "b:8080", false, true},
	{"127.0.0.1", "https://b:8080", "b:8080", false, true},
	{"b", "http://b", "b", true, false},
	{"a", "https://c", "c", false, true},
	{"a", "http://c", "c", false, false},
	{"chat.example", "https://chat.example.evil", "chat.example.evil",
	 false, false},
	{"evil.example", "http://evil.example", "evil.example", true, false},
	{"board", "http://evil.example", "evil.example", false, false},
};

/* Pages from no host, and what no browser sends. */
/* clang-format off */
static const char *const no_hosts[] = {
	"null", "http://null", "file://", "", "http://", "http://:80", "board",
	"//board", "http:/board", "http:??board", "://board", "!http://board",
	"http://board/", "http://evil/board", "http://evil@board",
};
/* clang-format on */

/* Parses a request with this Host and, unless it is NULL, Origin. */
static void parse_origin(struct http_request *r, const char *host,
			 const char *origin)
{
	static char bytes[512];
	int n = snprintf(bytes, sizeof bytes, LINE "Host: %s\r\n%s%s%s" END,
			 host, origin ? "Origin: " : "", origin ? origin : "",
			 origin ? "\r\n" : "");

	ck_assert_int_eq(http_parse(r, bytes, (size_t)n), n);
}

START_TEST(allows_no_page_from_no_host)
{
	static const char *const names[] = {"board", "null", "", ":80"};
	struct http_request r;

	for (size_t k = 0; k < COUNT(names); k++) {
		parse_origin(&r, names[k], no_hosts[_i]);
		ck_assert(http_text_is(http_origin_host(&r), ""));
		ck_assert(!http_origin_allowed(&r, NULL, 0));
		ck_assert(!http_origin_allowed(&r, hosts, 3));
	}
}
END_TEST

START_TEST(allows_origins)
{
	struct http_request r;
	const char *bytes = origins[_i].origin;

	parse_origin(&r, origins[_i].host, bytes);
	ck_assert_msg(http_origin_allowed(&r, NULL, 0) == origins[_i].same,
		      "no hosts: %s", bytes);
	ck_assert_msg(http_origin_allowed(&r, hosts, 3) == origins[_i].allowed,
		      "hosts: %s", bytes);
	ck_assert_msg(http_text_is(http_origin_host(&r), origins[_i].page),
		      "page: %s", bytes);
}
END_TEST

static bool is_host(const char *word)
{
	return http_is_host((struct http_text){word, 0, strlen(word)});
}

START_TEST(knows_what_can_be_a_host)
{
	/* clang-format off */
	static const char *const good_hosts[] = {
		"a", "a-b.example:8080", "192.168.1.5:8080", "[::1]:80", "A_0",
		"[fe80::1]", "board.local.:1", "b:65535"};
	static const char *const bad_hosts[] = {
		"", ":", ":80", "[", "[]", "[::1", "[::1]x", "[::1]:", "[x]",
		"board:", "board:0", "board:65536", "board:99999",
		"board:999999999999999999999", "board:-1", "board:+1", "a:8x",
		"a:1:2", "::1", "null", "NULL", "null:80", "http://a", "me@a",
		"file://", "a/", "*.a", "a b", "a,b", "[::1x:80", "\xc3\xa4"};
	/* clang-format on */

	for (size_t i = 0; i < COUNT(good_hosts); i++)
		ck_assert_msg(is_host(good_hosts[i]), "%s", good_hosts[i]);
	for (size_t i = 0; i < COUNT(bad_hosts); i++)
		ck_assert_msg(!is_host(bad_hosts[i]), "%s", bad_hosts[i]);
}
END_TEST

/* Fields, and the last entry of X-Forwarded-For; NULL if there is none. */
static const struct {
	const char *fields, *last;
} forwards[] = {
	{"", NULL},
	{"X-Forwarded: 192.0.2.1\r\n", NULL},
	{"X-Forwarded-For: 192.0.2.1\r\n", "192.0.2.1"},
	{"x-forwarded-for:2001:db8::1\r\n", "2001:db8::1"},
	{"X-Forwarded-For: 1.2.3.4, 5.6.7.8 ,\t192.0.2.1 \r\n", "192.0.2.1"},
	{"X-Forwarded-For: 1.2.3.4,192.0.2.1\r\n", "192.0.2.1"},
	{"X-Forwarded-For: 1.2.3.4\r\nX-Forwarded-For: 192.0.2.1\r\n",
	 "192.0.2.1"},
	{"X-Forwarded-For: a, b\r\nX-Forwarded-For: c, d\r\n", "d"},
	{"X-Forwarded-For: 192.0.2.1,\r\n", ""},
	{"X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-For:\r\n", ""},
	{"X-Forwarded-For: ,\r\n", ""},
};

START_TEST(finds_the_last_forwarded_address)
{
	struct http_request r;
	char bytes[512];
	int n = snprintf(bytes, sizeof bytes, LINE HOST "%s" END,
			 forwards[_i].fields);

	ck_assert_int_eq(http_parse(&r, bytes, (size_t)n), n);
	if (forwards[_i].last == NULL)
		ck_assert_uint_eq(r.forwarded.to, 0);
	else
		ck_assert(r.forwarded.to > 0 &&
			  http_text_is(r.forwarded, forwards[_i].last));
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
	ck_assert_str_eq(http_status(405), "405 Method Not Allowed");
	ck_assert_ptr_null(http_status(999));
	http_head(out, 405, "text/plain", 0, "");
	ck_assert_ptr_nonnull(strstr(out, "\r\nContent-Length: 0\r\n"));
	ck_assert_ptr_nonnull(strstr(out, "\r\nAllow: GET, HEAD\r\n"));
	http_head(out, 426, "text/plain", 0, "");
	ck_assert_ptr_nonnull(strstr(out, "\r\nSec-WebSocket-Version: 13\r\n"));
	ck_assert_ptr_nonnull(strstr(out, "\r\nUpgrade: websocket\r\n"));
}
END_TEST

Suite *http_suite(void)
{
	Suite *suite = suite_create("http");
	TCase *t = tcase_create("requests");

	tcase_add_loop_test(t, accepts, 0, COUNT(good));
	tcase_add_loop_test(t, rejects, 0, COUNT(bad));
	tcase_add_test(t, rejects_nul);
	tcase_add_test(t, texts_point_into_the_request);
	tcase_add_test(t, limits_the_head);
	add_table_test(t, allows_origins, origins);
	add_table_test(t, allows_no_page_from_no_host, no_hosts);
	tcase_add_test(t, knows_what_can_be_a_host);
	add_table_test(t, finds_the_last_forwarded_address, forwards);
	tcase_add_test(t, writes_response_heads);
	suite_add_tcase(suite, t);
	return suite;
}
