/* SPDX-License-Identifier: MIT */
/* One client: its request, its outbox, and closing. */

START_TEST(joins_at_start_of_history)
{
	static const unsigned char nothing[WS_BUFFER];
	struct client *c = make_client(7, REQUEST);

	options.quiet = false;
	ring.head = 2000;
	ring.slowest = 1500;
	find_message(0)->start = 1000;
	ring.next = 1;
	room.members = room.members_peak = 5;
	receive_bytes(handshake, strlen(handshake));
	EXPECT_CALLS("recv 7\n" LOG "local Client connected (6 online)\n");
	ck_assert(c->state == OPEN && c->credit == 20 * 256);
	ck_assert(c->cursor == 1000 && ring.slowest == 1000);
	ck_assert(room.members_peak == 6 && totals.joins == 1);
	ck_assert_uint_eq(totals.bytes_in, strlen(handshake));
	ck_assert(c->notice_due && !c->ping_due);
	ck_assert_mem_eq(c->outbox, "HTTP/1.1 101 ", 13);
	/* a request that came whole is parsed where recv() put it */
	ck_assert_mem_eq(buffers[0], nothing, sizeof nothing);
	/* a client that starts later than others leaves the slowest as it is */
	ring.slowest = 900;
	room.members = 1;
	make_client(7, REQUEST);
	receive_bytes(handshake, strlen(handshake));
	ck_assert(ring.slowest == 900 && room.members_peak == 6);
}
END_TEST

/* The request comes in parts, and frames with the last one. */
START_TEST(joins_when_last_part_of_request_comes)
{
	const int len = (int)strlen(handshake);

	for (int cut = 1; cut < len; cut++) {
		struct client *c = make_client(7, REQUEST);

		c->ws.header_got = 1; /* of one that was here before */
		receive_bytes(handshake, (size_t)cut);
		ck_assert_int_eq((int)c->buffered, cut);
		queue_bytes(handshake + cut, (size_t)(len - cut));
		memcpy(incoming + len - cut, pongs, sizeof pongs);
		incoming_len += sizeof pongs;
		receive(0);
		MUST(c->state == OPEN && ws_idle(&c->ws), "%d", cut);
		/* the frames are charged, the handshake is not */
		MUST(c->credit == 20 * 256 - 12 - 2 * 256, "%d", cut);
	}
}
END_TEST

/* A request line and fields; what the log says, and the answer from the status
   on.  Long fields are cut.  In a full room, and some with -o a. */
#define LONG      "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
#define VERY_LONG "GET http://" LONG LONG LONG "/"
static const struct {
	const char *line, *fields, *logs;
} refusals[] = {
	{"GET /no?a", "", "Request refused: 404 Not Found (no page is at /no)"},
	{"GET /metrics", UPGRADE_FIELDS,
	 "Handshake refused: 404 Not Found (no WebSocket is at /metrics)"},
	{VERY_LONG, UPGRADE_FIELDS "Origin: http://y" LONG LONG LONG "\r\n",
	 "Handshake refused: 403 Forbidden (Origin http://y" LONG LONG
	 " does not match Host " LONG LONG "xxxxxxxx; allow it with -o)"},
	{VERY_LONG, UPGRADE_FIELDS,
	 "Handshake refused: 421 Misdirected Request (Host " LONG LONG
	 "xxxxxxxx is not one given with -o)"},
	{"GET http://b/", "",
	 "Request refused: 421 Misdirected Request (Host b is not one given "
	 "with -o)"},
	{"GET http://b/metrics", "",
	 "Request refused: 421 Misdirected Request (Host b is not one given "
	 "with -o)"},
	{"GET /", UPGRADE_FIELDS,
	 "Handshake refused: 503 Service Unavailable (the room is full: 1024 "
	 "clients)"},
};

START_TEST(logs_and_answers_why_request_is_refused)
{
	const char *logs = refusals[_i].logs;
	char request[600], want[400];
	struct client *c = make_client(7, REQUEST);

	options.quiet = false;
	options.hosts[0] = "a";
	options.host_count = strstr(logs, "given with -o") != NULL;
	room.members = CLIENTS_MAX;
	sprintf(request, "%s HTTP/1.1\r\nHost: a\r\n%s\r\n", refusals[_i].line,
		refusals[_i].fields);
	receive_bytes(request, strlen(request));
	sprintf(want, "recv 7\n" LOG "local %s\n", logs);
	EXPECT_CALLS(want);
	ck_assert_int_eq(c->state, REPLY);
	sprintf(want, "\r\n\r\n%s\n", strchr(logs, ':') + 2);
	EXPECT_IN(reply_text(), want);
	EXPECT_IN(reply_text(),
		  "\r\nContent-Type: text/plain; charset=utf-8\r\n");
	ck_assert(!c->page_follows);
	ck_assert_uint_eq(totals.refused[atoi(strchr(logs, ':') + 2) - 400], 1);
}
END_TEST

START_TEST(answers_head_without_text)
{
	static const char head[] = "HEAD /no HTTP/1.1\r\nHost: a\r\n\r\n";

	make_client(7, REQUEST);
	receive_bytes(head, sizeof head - 1);
	EXPECT_IN(reply_text(), "HTTP/1.1 404 Not Found\r\n");
	EXPECT_IN(reply_text(), "\r\nContent-Length: 34\r\n");
	ck_assert_str_eq(strstr(reply_text(), "\r\n\r\n"), "\r\n\r\n");
}
END_TEST

START_TEST(serves_listed_host)
{
	make_client(7, REQUEST);
	options.hosts[0] = "a";
	options.host_count = 1;
	receive_bytes(handshake, strlen(handshake));
	ck_assert_int_eq(clients[0].state, OPEN);
	make_client(7, REQUEST);
	options.host_count = 1;
	receive_bytes(GET "\r\n", strlen(GET "\r\n"));
	ck_assert_uint_eq(totals.page_loads, 1);
	make_client(7, REQUEST);
	options.host_count = 1;
	receive_bytes(GET_METRICS "\r\n", strlen(GET_METRICS "\r\n"));
	EXPECT_IN(reply_text(), "\nchat_page_loads_total 1\n");
}
END_TEST

/* A page that the client has already is not sent, and not counted. */
START_TEST(sends_no_page_that_client_has)
{
	char request[200];

	make_client(7, REQUEST);
	prepare_page();
	snprintf(request, sizeof request, GET "If-None-Match: %s\r\n\r\n",
		 page_etag);
	receive_bytes(request, strlen(request));
	ck_assert_uint_eq(totals.page_loads, 0);
	ck_assert(!clients[0].page_follows);
	EXPECT_IN(reply_text(), "HTTP/1.1 304 Not Modified\r\n");
	EXPECT_IN(reply_text(), page_etag);
	ck_assert_uint_eq(strlen(reply_text()), clients[0].reply_len);
}
END_TEST

/* A pong has what is in the ping, wherever that lies in what was received. */
START_TEST(answers_ping_with_its_bytes)
{
	unsigned char frames[12 + 125] = {0x8a, 0x80, 0, 0, 0, 0, 0x89, 0xfd};
	struct client *c = make_member();

	memset(frames + 12, 'x', 125);
	receive_bytes(frames, sizeof frames);
	ck_assert(c->state == OPEN && c->outbox_len == 127);
	ck_assert_mem_eq(c->outbox, "\x8a\x7dx", 3);
	ck_assert_mem_eq(c->outbox + 2, frames + 12, 125);
}
END_TEST

static const unsigned char normal[] = {0x03, 0xe8}; /* 1000 */

/* However full the outbox is, a Close fits; and a pong that fits is not sent
   before the next pass. */
START_TEST(keeps_outbox_room_for_close)
{
	struct client *c = make_member();

	ring.head = 10;
	ck_assert(queue_frame(0, WS_PONG, buffers[1], 0, 125));
	EXPECT_CALLS("");
	ck_assert(c->outbox_at == 10 && c->outbox_len == 127);
	c->outbox_len = PRIVATE_MAX - 1;
	ck_assert(!outbox_append(c, WS_PONG, buffers[1], 0, 0));
	c->outbox_len = PRIVATE_MAX;
	ck_assert(outbox_append(c, WS_CLOSE, normal, 0, 2));
	ck_assert_int_eq(c->outbox_len, OUTBOX_SIZE);
	c->outbox_len = PRIVATE_MAX - 2;
	ck_assert(outbox_append(c, WS_PONG, buffers[1], 0, 0));
	/* what is due does not overtake messages */
	c->ping_due = true;
	c->outbox_len = 2;
	ring.head = 30;
	flush(0);
	EXPECT_CALLS("send 7 10\nsend 7 2\nsend 7 20\nsend 7 2\n");
	/* and what does not fit is sent as soon as it does */
	c->ping_due = true;
	c->outbox_at = ring.head;
	c->outbox_len = PRIVATE_MAX - 1;
	queue_due_frames(c);
	ck_assert(c->ping_due && c->outbox_len == PRIVATE_MAX - 1);
	flush(0);
	EXPECT_CALLS("send 7 128\nsend 7 2\n");
}
END_TEST

/* The server has sent its Close or not, a frame comes, a reason is counted. */
static const struct {
	bool goodbye;
	const char *frame;
	enum reason why;
} closes[] = {
	{false, "\x88\x82\0\0\0\0\x03\xe8", CLOSED},
	{false, "\x88\x82\0\0\0\0\x03\xee", PROTOCOL}, /* 1006 */
	{false, "\x83\x82\0\0\0\0\x03\xe8", PROTOCOL},
	{false, "\x81\x82\0\0\0\0\xff\xff", INVALID},
	{false, "\x82\xfe\x10\x01\0\0\0", TOO_BIG}, /* 4097 bytes */
	/* any Close, and any mistake, is the answer to ours */
	{true, "\x88\x82\0\0\0\0\x03\xe8", GOING_AWAY},
	{true, "\x83\x82\0\0\0\0\x03\xe8", GOING_AWAY},
};

START_TEST(half_closes_when_both_sides_have_closed)
{
	struct client *c = make_member();

	if (closes[_i].goodbye) {
		say_goodbye();
		clear_calls();
		c->ping_due = c->notice_due = true; /* too late */
		ring.head = 10;
		queue_answer("send", 1, 0);
		write_to(0);
		EXPECT_CALLS("send 7 4\nsend 7 3\n");
		ck_assert_mem_eq(outgoing, "\x02\x03\xe9", 3);
		receive_bytes("\x89\x80\0\0\0\0\x81\x82\0\0\0\0Hi", 14);
		ck_assert(c->state == CLOSING && !c->ignore_input);
		ck_assert(c->outbox_len == 0 && totals.messages == 0);
	}
	receive_bytes(closes[_i].frame, 8);
	for (int why = 0; why < REASONS; why++)
		ck_assert_uint_eq(totals.ended[why],
				  why == (int)closes[_i].why);
	write_to(0);
	ck_assert_int_eq(c->state, DRAIN);
}
END_TEST

/* The request fills its buffer before it ends. */
START_TEST(refuses_request_that_is_too_long)
{
	struct client *c = make_client(7, REQUEST);

	memset(buffers[0], 'a', REQUEST_MAX);
	memcpy(buffers[0], GET "X: ", strlen(GET "X: "));
	c->buffered = REQUEST_MAX - 10;
	receive_bytes("aaaaaaaaa", 9);
	ck_assert_uint_eq(c->buffered, REQUEST_MAX - 1);
	receive_bytes("aaaaaaaa", 8);
	ck_assert_uint_eq(totals.refused[431 - 400], 1);
	ck_assert_int_eq(buffers[1][0], 0);
}
END_TEST

static void add_member_tests(TCase *t)
{
	tcase_add_test(t, joins_at_start_of_history);
	tcase_add_test(t, joins_when_last_part_of_request_comes);
	add_table_test(t, logs_and_answers_why_request_is_refused, refusals);
	tcase_add_test(t, answers_head_without_text);
	tcase_add_test(t, serves_listed_host);
	tcase_add_test(t, sends_no_page_that_client_has);
	tcase_add_test(t, answers_ping_with_its_bytes);
	tcase_add_test(t, keeps_outbox_room_for_close);
	add_table_test(t, half_closes_when_both_sides_have_closed, closes);
	tcase_add_test(t, refuses_request_that_is_too_long);
}
