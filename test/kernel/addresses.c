/* SPDX-License-Identifier: MIT */
/* Addresses: as text, those of one home, those that -c limits, and those that a
   proxy tells (-x). */

/* Returns the address that a text stands for, which must be one. */
static struct address address_of(const char *text)
{
	struct address a;

	if (!parse_address(&a, (struct http_text){text, 0, strlen(text)}))
		ck_abort_msg("%s is no address", text);
	return a;
}

#define LONGEST "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"
static const struct {
	int family;
	const char *ip;
	int port;
	const char *name;
} names[] = {
	{AF_INET, "192.0.2.1", 65535, "192.0.2.1:65535"},
	{AF_INET, "192.0.2.1", 0, "192.0.2.1"},
	{AF_INET, "0.0.0.0", 0, "0.0.0.0"},
	{AF_INET6, "::ffff:192.0.2.1", 65535, "192.0.2.1:65535"},
	{AF_INET6, "::fffe:192.0.2.1", 1, "[::fffe:c000:201]:1"},
	{AF_INET6, "2001:db8::1", 1, "[2001:db8::1]:1"},
	{AF_INET6, "2001:db8::1", 0, "2001:db8::1"},
	{AF_INET6, LONGEST, 65535, "[" LONGEST "]:65535"},
	{AF_INET6, "::", 8080, "[::]:8080"},
	{AF_INET6, "::1", 0, "::1"},
	{AF_UNIX, "", 8080, "local"}, /* the same bytes are no port */
};

START_TEST(formats_addresses_as_in_urls)
{
	struct sockaddr_storage s;
	struct address a;
	char name[PEER_MAX];

	set_address(&s, names[_i].family, names[_i].ip, names[_i].port);
	a = to_address(&s);
	format_address(name, &a);
	ck_assert_str_eq(name, names[_i].name);
}
END_TEST

/* What a proxy says, as a part of a request; how the log shows it, or NULL if
   it is no address. */
#define ZEROS "0000:0000:0000:0000:0000:ffff:"
static const struct {
	const char *text, *name;
} proxied[] = {
	{"192.0.2.1", "192.0.2.1"},
	{"2001:DB8::1", "2001:db8::1"},
	{"::ffff:192.0.2.1", "192.0.2.1"},
	{LONGEST, LONGEST},
	{ZEROS "192.168.100.100", "192.168.100.100"}, /* 45 characters */
	{ZEROS "192.168.100.1009", NULL},
	{ZEROS "192.168.100.100.example", NULL},
	{"", NULL},
	{"unknown", NULL},
	{"192.0.2", NULL},
	{"192.0.2.256", NULL},
	{"192.0.2.1:80", NULL},
	{"[2001:db8::1]", NULL},
	{"[2001:db8::1]:80", NULL},
	{"2001:db8:::1", NULL},
	{"::", NULL},
	{"fe80::1%eth0", NULL},
	{"fe80::1%1", NULL},
};

START_TEST(reads_only_addresses_from_proxy)
{
	size_t len = strlen(proxied[_i].text);
	char text[100], name[PEER_MAX];
	struct address a;
	bool good;

	memset(&a, 0xff, sizeof a);
	sprintf(text, "1%s1", proxied[_i].text);
	good = parse_address(&a, (struct http_text){text, 1, 1 + len});
	ck_assert_int_eq(good, proxied[_i].name != NULL);
	if (!good)
		return;
	format_address(name, &a);
	ck_assert_str_eq(name, proxied[_i].name);
	ck_assert_int_eq(a.port, 0);
}
END_TEST

/* -c counts two addresses as one, or not. */
static const struct {
	const char *one, *other;
	bool same;
} homes[] = {
	{"192.0.2.1", "192.0.2.1", true},
	{"192.0.2.1", "::ffff:192.0.2.1", true},
	{"192.0.2.1", "192.0.2.0", false},
	{"192.0.2.1", "64.0.2.1", false},
	{"2001:db8:0:1::1", "2001:db8:0:1:ffff:ffff:ffff:ffff", true},
	{"2001:db8:0:1::1", "2001:db8:0:0::1", false},
	{"2001:db8:0:1::1", "2001:db8:0:101::1", false},
	{"2001:db8:0:1::1", "192.0.2.1", false},
	/* mapped into IPv6, 192.0.2.1 begins with 64 bits of 0, too */
	{"::1", "192.0.2.1", false},
	{"::1", "::2", true},
};

START_TEST(takes_64_bits_of_ipv6_for_one_home)
{
	struct address a = address_of(homes[_i].one);
	struct address b = address_of(homes[_i].other);

	a.port = 1;
	ck_assert(is_same_home(&a, &b) == homes[_i].same);
	ck_assert(is_same_home(&b, &a) == homes[_i].same);
}
END_TEST

/* The address and port of a client, and whether -c limits it. */
static const struct {
	const char *ip;
	in_port_t port;
	bool limited;
} limited[] = {
	{"192.0.2.1", 1, true},
	{"192.0.2.1", 0, true},
	{"126.255.255.255", 1, true},
	{"127.0.0.0", 1, false},
	{"127.255.255.255", 65535, false},
	{"128.0.0.0", 1, true},
	{"2001:db8::1", 1, true},
	{"::1", 1, false},
	{"::100", 1, true},
	{"7f00::1", 1, true},
	/* a proxy on this machine told so */
	{"127.0.0.1", 0, true},
	{"::1", 0, true},
};

START_TEST(limits_all_but_own_machine)
{
	struct address a = address_of(limited[_i].ip);

	a.port = limited[_i].port;
	ck_assert(is_limited(&a) == limited[_i].limited);
	ck_assert(!is_limited(&local));
}
END_TEST

/* If -x is given; fields of a request; the client's address in the log; what
   the log says, or NULL for the page, of which it says nothing. */
#define JOINS "Client connected (1 online)"
#define UNTOLD(s)                                      \
	"Handshake refused: 400 Bad Request (-x, and " \
	"X-Forwarded-For ends with \"" s "\": does the proxy send it?)"
#define FOR   "X-Forwarded-For: "
#define FIFTY "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
static const struct {
	int proxied;
	const char *fields, *name, *logs;
} hops[] = {
	{1, UPGRADE_FIELDS FOR "192.0.2.7\r\n", "192.0.2.7", JOINS},
	{1, UPGRADE_FIELDS FOR "192.0.2.7, 2001:db8::7\r\n", "2001:db8::7",
	 JOINS},
	{1, UPGRADE_FIELDS, "192.0.2.99:4321", UNTOLD("")},
	{1, UPGRADE_FIELDS FOR "192.0.2.7, unknown\r\n", "192.0.2.99:4321",
	 UNTOLD("unknown")},
	{1,
	 UPGRADE_FIELDS FOR FIFTY FIFTY "x"
					"\r\n",
	 "192.0.2.99:4321", UNTOLD(FIFTY FIFTY)},
	{1, "", "192.0.2.99:4321", NULL}, /* a health check */
	{1, FOR "unknown\r\n", "192.0.2.99:4321", NULL},
	{1, FOR "192.0.2.7\r\n", "192.0.2.7", NULL},
	{0, UPGRADE_FIELDS, "192.0.2.99:4321", JOINS},
	{0, UPGRADE_FIELDS FOR "192.0.2.7\r\n", "192.0.2.99:4321", JOINS},
	{0, FOR "192.0.2.7\r\n", "192.0.2.99:4321", NULL},
};

START_TEST(takes_address_that_proxy_tells)
{
	const char *name = hops[_i].name, *logs = hops[_i].logs;
	struct client *c = make_client(7, REQUEST);
	char request[600], want[400] = "recv 7\n", got[PEER_MAX];

	set_address(&outward_address, AF_INET, "192.0.2.99", 4321);
	c->address = to_address(&outward_address);
	options.quiet = false;
	options.proxied = hops[_i].proxied;
	sprintf(request, GET "%s\r\n", hops[_i].fields);
	receive_bytes(request, strlen(request));
	if (logs != NULL)
		sprintf(want + 7, LOG "%s %s\n", name, logs);
	EXPECT_CALLS(want);
	format_address(got, &c->address);
	ck_assert_str_eq(got, name);
	ck_assert_uint_eq(totals.joins,
			  logs != NULL && strcmp(logs, JOINS) == 0);
	ck_assert_uint_eq(totals.page_loads, logs == NULL);
	ck_assert_int_eq(c->state, totals.joins == 1 ? OPEN : REPLY);
}
END_TEST

/* -c 2 or 3; a client that comes.  Two members are in 2001:db8:0:1::/64, and
   one is not; other connections are no members. */
START_TEST(counts_members_of_one_address)
{
	static const enum state others[] = {REQUEST, REPLY, CLOSING, DRAIN,
					    DEAD};
	struct client *c = make_client(7, REQUEST);

	options.quiet = false;
	c->address =
		address_of(_i == 1 ? "2001:db8:0:2::7" : "2001:db8:0:1::7");
	for (int i = 1; i < 9; i++) {
		entry_take(i, 10 + i, i < 4 ? OPEN : others[i - 4]);
		clients[i].address = i == 3 ? local : c->address;
		clients[i].address.ip[15] = (unsigned char)i;
	}
	if (_i == 1)
		clients[1].address = clients[2].address =
			address_of("2001:db8:0:1::7");
	options.address_max = _i == 2 ? 3 : 2;
	receive_bytes(handshake, strlen(handshake));
	ck_assert_int_eq(c->state, _i == 0 ? REPLY : OPEN);
	if (_i > 0)
		return;
	EXPECT_CALLS("recv 7\n" LOG
		     "2001:db8:0:1::7 Handshake refused: 429 Too Many Requests "
		     "(2 clients of this address are here; -c allows more)\n");
	ck_assert_uint_eq(totals.refused[429 - 400], 1);
	EXPECT_IN(reply_text(), "\r\n\r\n429 Too Many Requests (2 clients of ");
}
END_TEST

/* A member has an address that -c 1 counts, unless it is of this machine. */
START_TEST(limits_no_client_of_own_machine)
{
	struct client *c = make_member();

	options.address_max = _i == 1 ? 0 : 1;
	c->address = address_of(_i == 2 ? "127.0.0.1" : "192.0.2.1");
	c->address.port = 1;
	if (_i == 3)
		c->address = local;
	entry_take(1, 8, REQUEST);
	clients[1].address = c->address;
	queue_bytes(handshake, strlen(handshake));
	receive(1);
	ck_assert_int_eq(clients[1].state, _i == 0 ? REPLY : OPEN);
}
END_TEST

static void add_addresses_tests(TCase *t)
{
	add_table_test(t, formats_addresses_as_in_urls, names);
	add_table_test(t, reads_only_addresses_from_proxy, proxied);
	add_table_test(t, takes_64_bits_of_ipv6_for_one_home, homes);
	add_table_test(t, limits_all_but_own_machine, limited);
	add_table_test(t, takes_address_that_proxy_tells, hops);
	tcase_add_loop_test(t, counts_members_of_one_address, 0, 3);
	tcase_add_loop_test(t, limits_no_client_of_own_machine, 0, 4);
}
