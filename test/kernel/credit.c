/* SPDX-License-Identifier: MIT */
/* Credit: what -l lets a client send, in bytes and frames. */

START_TEST(charges_bytes_and_frames_to_credit)
{
	struct client *c = make_member();

	for (options.rate = 0; options.rate < 3; options.rate++) {
		c->credit = 192;
		receive_bytes(pongs, sizeof pongs);
		ck_assert_int_eq(c->credit,
				 options.rate == 0 ? 192 : 192 - 12 - 2 * 256);
		ck_assert_int_eq(poll_events(c),
				 options.rate == 0 ? POLLIN : 0);
	}
	/* and the bytes of a frame that is not complete */
	options.rate = 20;
	c->credit = 160;
	receive_bytes(pongs, 11);
	ck_assert_int_eq(c->credit, 160 - 11 - 256);
	c->credit = 1;
	receive_bytes(pongs + 11, 1);
	ck_assert_int_eq(c->credit, -256);
}
END_TEST

/* After our Close the server reads on for the peer's, without a limit. */
START_TEST(charges_members_only)
{
	struct client *c = make_member();

	for (c->state = REQUEST; c->state <= DEAD; c->state++) {
		charge(c, 1);
		ck_assert_int_eq(c->credit, CREDIT - (c->state >= OPEN));
	}
	c->state = CLOSING;
	receive_bytes(pongs, sizeof pongs);
	ck_assert_int_eq(c->credit, CREDIT - 1);
}
END_TEST

/* -l, a member's credit, how much is read at most, and the events to poll. */
static const struct {
	int rate, credit;
	size_t wanted;
	short events;
} credits[] = {
	{20, 0, 0, 0},
	{20, -1, 0, 0},
	{20, 1, 1, POLLIN},
	{1, 1, 1, POLLIN},
	{20, 15, 1, POLLIN},
	{20, 16, 2, POLLIN},
	{20, 25600, 1601, POLLIN},
	{2000, 16 * (RECEIVE_SIZE - 2), RECEIVE_SIZE - 1, POLLIN},
	{2000, 16 * RECEIVE_SIZE, RECEIVE_SIZE, POLLIN},
	{0, 0, RECEIVE_SIZE, POLLIN},
	{0, -1, RECEIVE_SIZE, POLLIN},
};

START_TEST(reads_no_more_than_credit)
{
	struct client *c = make_member();

	options.rate = credits[_i].rate;
	c->credit = credits[_i].credit;
	ck_assert_int_eq(poll_events(c), credits[_i].events);
	c->blocked = true;
	ck_assert_int_eq(poll_events(c), POLLOUT | credits[_i].events);
	receive(0);
	ck_assert_uint_eq(wanted, credits[_i].wanted);
	/* a request, or the answer to a Close, is read without credit */
	c->state = REQUEST;
	receive(0);
	ck_assert_uint_eq(wanted, RECEIVE_SIZE);
	wanted = 0;
	c->state = CLOSING;
	receive(0);
	ck_assert_uint_eq(wanted, RECEIVE_SIZE);
}
END_TEST

/* A credit, the seconds until a tick, and the credit then: that of so many
   seconds more, and never of more than BURST. */
static const struct {
	int rate, credit;
	unsigned seconds;
	int then;
} refills[] = {
	{20, -512, 1, -512 + 5120},
	{20, -512, 3, -512 + 3 * 5120},
	{20, 0, 4, 4 * 5120},
	{20, 0, 25, 5 * 5120},
	{20, -1, 25, 5 * 5120 - 1},
	{20, 4 * 5120 - 1, 1, 5 * 5120 - 1},
	{20, 4 * 5120 + 1, 1, 5 * 5120},
	{20, 5 * 5120, 25, 5 * 5120},
	/* the greatest rate, and a read of frames without a payload */
	{1000000, 1280000000, 3600, 1280000000},
	{1000000, 1280000000 - 715000, 1, 1280000000},
	{1000000, -715000, 1, 256000000 - 715000},
	{1, -715000, 1, 256 - 715000},
	{0, 0, 1, 0},
};

START_TEST(refills_credit_up_to_burst)
{
	struct client *c = make_member();

	options.rate = refills[_i].rate;
	c->credit = refills[_i].credit;
	loop.tick_after = refills[_i].seconds;
	loop.heartbeat_after = 86400;
	tick();
	ck_assert_int_eq(c->credit, refills[_i].then);
}
END_TEST

START_TEST(newcomer_has_credit_of_greatest_rate)
{
	struct client *c = make_client(7, REQUEST);

	options.rate = 1000000;
	receive_bytes(handshake, strlen(handshake));
	ck_assert_int_eq(c->credit, 256000000);
}
END_TEST

/* ---- The credit of an address whose member has left ---- */

/* The member at entry 0 leaves from an address with this credit.  A test that
   sets options does so before this, but after make_member(), which resets
   them. */
static void leave_from(const char *ip, int credit)
{
	clients[0].address = address_of(ip);
	clients[0].address.port = 1;
	clients[0].credit = credit;
	client_drop(0, LOST);
}

/* A member at 192.0.2.LAST leaves with this credit. */
static void leave_with(int last, int credit)
{
	char ip[INET_ADDRSTRLEN];

	snprintf(ip, sizeof ip, "192.0.2.%d", last);
	make_member();
	leave_from(ip, credit);
}

START_TEST(coming_again_gains_no_credit)
{
	const struct address *a = &clients[0].address;

	clock_now.tv_sec = 1;
	leave_with(7, -1000);
	ck_assert_int_eq(first_credit(a), -1000);
	pass_ms(100);
	ck_assert_int_eq(first_credit(a), -1000 + 512);
	leave_with(7, 1); /* another of that address does not pay for it */
	ck_assert_int_eq(first_credit(a), -488);
	leave_with(7, -600);
	ck_assert_int_eq(first_credit(a), -600);
	pass_ms(1000);
	ck_assert_int_eq(first_credit(a), 5120 - 600);
	pass_ms(200);
	ck_assert_int_eq(first_credit(a), 5120);
	/* less than a second's worth, although it is not in debt */
	leave_with(8, 700);
	ck_assert_int_eq(first_credit(a), 700);
	/* others are another address */
	leave_with(9, 20 * 256);
	ck_assert_int_eq(first_credit(a), 5120);
}
END_TEST

/* -c 0 does not change what -l limits. */
START_TEST(remembers_credit_with_any_number_of_clients)
{
	clock_now.tv_sec = 1;
	make_member();
	options.address_max = _i;
	leave_from("192.0.2.7", -1000);
	ck_assert_int_eq(first_credit(&clients[0].address), -1000);
}
END_TEST

/* Neither -c nor -l limits this machine, and -l 0 limits no client. */
START_TEST(remembers_no_credit_of_loopback)
{
	clock_now.tv_sec = 1;
	leave_with(7, 0);
	make_member();
	leave_from("127.0.0.1", -1000);
	ck_assert_int_eq(first_credit(&clients[0].address), 5120);
	make_member();
	options.rate = 0;
	leave_from("192.0.2.9", -1000);
	options.rate = 20;
	ck_assert_int_eq(first_credit(&clients[0].address), 5120);
}
END_TEST

START_TEST(refuses_address_in_debt)
{
	struct client *c;

	clock_now.tv_sec = 1;
	leave_with(7, -512 + _i);
	c = make_client(7, REQUEST);
	c->address = address_of("192.0.2.7");
	pass_ms(100); /* pays 512 */
	receive_bytes(handshake, strlen(handshake));
	ck_assert_int_eq(c->state, _i == 0 ? REPLY : OPEN);
	ck_assert_uint_eq(totals.refused[429 - 400], _i == 0);
	if (_i > 0)
		ck_assert_int_eq(c->credit, _i);
}
END_TEST

/* RFC 6455, 4.1: a client has to wait for the response. */
START_TEST(refuses_many_bytes_behind_the_handshake)
{
	const size_t head = strlen(handshake);
	struct client *c = make_client(7, REQUEST);

	memcpy(received, handshake, head);
	memset(received + head, 0, EARLY_MAX + 1);
	memcpy(received + head, "\x82\xfe\x04\x00", 4);
	handle_request(0, head + EARLY_MAX + (size_t)_i);
	ck_assert_int_eq(c->state, _i == 0 ? OPEN : REPLY);
	ck_assert_uint_eq(totals.refused[400 - 400], _i);
}
END_TEST

/* The handshake comes in two parts, and is so long that its buffer has no space
   for what is behind it. */
START_TEST(refuses_many_bytes_behind_a_long_handshake)
{
	static char request[REQUEST_MAX + EARLY_MAX];
	const size_t first = 100;
	struct client *c = make_client(7, REQUEST);
	size_t head = (size_t)sprintf(request, "%.*sLong: %0*d\r\n\r\n",
				      (int)strlen(handshake) - 2, handshake,
				      REQUEST_MAX - 600, 0);

	memcpy(received, request, first);
	handle_request(0, first);
	ck_assert_int_eq(c->state, REQUEST);
	memcpy(request + head, "\x82\xfe\x04\x00", 4);
	memcpy(received, request + first, sizeof request - first);
	handle_request(0, head - first + EARLY_MAX + (size_t)_i);
	ck_assert_int_eq(c->state, _i == 0 ? OPEN : REPLY);
	ck_assert_uint_eq(totals.refused[400 - 400], _i);
}
END_TEST

static void add_credit_tests(TCase *t)
{
	tcase_add_test(t, coming_again_gains_no_credit);
	tcase_add_loop_test(t, remembers_credit_with_any_number_of_clients, 0,
			    2);
	tcase_add_test(t, remembers_no_credit_of_loopback);
	tcase_add_loop_test(t, refuses_address_in_debt, 0, 2);
	tcase_add_loop_test(t, refuses_many_bytes_behind_the_handshake, 0, 2);
	tcase_add_loop_test(t, refuses_many_bytes_behind_a_long_handshake, 0,
			    2);
	tcase_add_test(t, charges_bytes_and_frames_to_credit);
	tcase_add_test(t, charges_members_only);
	add_table_test(t, reads_no_more_than_credit, credits);
	add_table_test(t, refills_credit_up_to_burst, refills);
	tcase_add_test(t, newcomer_has_credit_of_greatest_rate);
}
