/* SPDX-License-Identifier: MIT */
/*
 * RFC 6455 case by case, for the decoder (test_ws.c) and for the real server
 * (test_wire.c).  A script is a list of frames "first payload" with | between
 * them; first is FIN, RSV and opcode in hex.  "+n" behind it declares n bytes
 * where fewer are sent.  "=" begins a frame of raw bytes in hex.
 *
 * What comes back has the same form.  "C1002" is an answering Close with code
 * 1002, and "@n" behind it: certain at byte n of its frame, and not before.
 */
#ifndef SCRIPTS_H
#define SCRIPTS_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "test.h"

#define TEN     "0123456789"
#define FORTY   TEN TEN TEN TEN
#define LONGEST FORTY FORTY FORTY "12345" /* of a control frame: 125 bytes */

static const struct script {
	const char *name, *send, *expect;
} scripts[] = {
	/* RFC 6455, 5.7 */
	{"masked hello", "=818537fa213d7f9f4d5158", "81 Hello"},
	{"masked ping", "=898537fa213d7f9f4d5158", "8a Hello"},
	{"masked pong", "=8a8537fa213d7f9f4d5158", ""},
	/* messages and pings */
	{"text", "81 Hello", "81 Hello"},
	{"binary", "82 \x01\xfe\xff", "82 \x01\xfe\xff"},
	{"empty text", "81 ", "81 "},
	{"empty binary", "82 ", "82 "},
	{"ping", "89 ", "8a "},
	{"ping with payload", "89 Hello", "8a Hello"},
	{"ping with bytes", "89 \xfe\xfd\xfc\xfb", "8a \xfe\xfd\xfc\xfb"},
	{"longest ping", "89 " LONGEST, "8a " LONGEST},
	{"ping of 126", "89+126 ", "C1002@1"},
	{"unsolicited pong", "8a |81 x", "81 x"},
	{"unsolicited pongs", "8a a|8a b|89 c|8a d", "8a c"},
	{"ten pings", "89 0|89 1|89 2|89 3|89 4|89 5|89 6|89 7|89 8|89 9",
	 "8a 0|8a 1|8a 2|8a 3|8a 4|8a 5|8a 6|8a 7|8a 8|8a 9"},
	/* 5.1: frames that are not masked */
	{"unmasked text", "=810548656c6c6f", "C1002@1"},
	{"unmasked ping", "=8900", "C1002@1"},
	/* 5.2: lengths, at the byte that makes them certain */
	{"length 125 in 16 bits", "=82fe007d", "C1002@3"},
	{"length 0 in 16 bits", "=82fe0000", "C1002@3"},
	{"length 65535 in 64 bits", "=82ff000000000000ffff", "C1002@9"},
	{"length 2^63", "=82ff80", "C1002@2"},
	{"length of all ones", "=82ffff", "C1002@2"},
	{"length 2^62", "=82ff4000000000000000", "C1009@9"},
	{"length 2^32", "=82ff0000000100000000", "C1009@9"},
	{"sum that wraps", "02 ab|=80ff7ffffffffffffffe", "C1009@9"},
	{"rsv in continuation", "01 |c0 ", "C1002@0"},
	{"text ends in character", "81 \xc3", "C1007@6"},
	{"message ends in character", "01 \xe2|80 \x82", "C1007@6"},
	{"bad byte in fragment", "01 \xe2|80 \x28xxxxxxx", "C1007@6"},
	{"character across fragments", "01 \xe2|00 \x82|80 \xac",
	 "81 \xe2\x82\xac"},
	{"ping within character", "01 \xc3|89 \xff|80 \xa9",
	 "8a \xff|81 \xc3\xa9"},
	{"ping, text, ping, close in one", "89 b|81 i|89 c|88 ",
	 "8a b|81 i|8a c|C0"},
	/* reserved bits and opcodes */
	{"rsv3", "91 x", "C1002@0"},
	{"rsv2", "a1 x", "C1002@0"},
	{"rsv1", "c1 x", "C1002@0"},
	{"all rsv", "f1 x", "C1002@0"},
	{"rsv after good", "81 a|c1 x|81 b", "81 a|C1002@0"},
	{"rsv in ping", "f9 x", "C1002@0"},
	{"rsv in close", "c8 ", "C1002@0"},
	{"opcode 3", "83 ", "C1002@0"},
	{"opcode 5 after good", "81 a|85 |89 ", "81 a|C1002@0"},
	{"opcode 7", "87 x", "C1002@0"},
	{"opcode 11", "8b ", "C1002@0"},
	{"opcode 13 after good", "81 a|8d |89 ", "81 a|C1002@0"},
	{"opcode 15", "8f x", "C1002@0"},
	{"open opcode 3", "03 x", "C1002@0"},
	/* fragments */
	{"fragmented ping", "09 a|80 b", "C1002@0"},
	{"fragmented pong", "0a a|80 b", "C1002@0"},
	{"fragmented close", "08 |80 ", "C1002@0"},
	{"two fragments", "01 frag|80 ment", "81 fragment"},
	{"two binary fragments", "02 a|80 b", "82 ab"},
	{"ping between fragments", "01 a|89 p|80 b", "8a p|81 ab"},
	{"pong between fragments", "01 a|8a p|80 b", "81 ab"},
	{"pings between many", "01 a|00 b|89 1|00 c|00 d|89 2|80 e",
	 "8a 1|8a 2|81 abcde"},
	{"continuation of nothing", "80 a|81 b", "C1002@0"},
	{"open continuation of nothing", "00 a|81 b", "C1002@0"},
	{"continuation after the end", "01 a|80 b|80 c", "81 ab|C1002@0"},
	{"continuation after whole", "81 a|80 b", "81 a|C1002@0"},
	{"text in text", "01 a|81 b", "C1002@0"},
	{"open text in text", "01 a|01 b|80 c", "C1002@0"},
	{"binary in text", "01 a|82 b", "C1002@0"},
	{"text in binary", "02 a|81 b", "C1002@0"},
	{"text in text after ping", "01 a|89 p|81 b", "8a p|C1002@0"},
	{"empty fragments", "01 |00 |80 ", "81 "},
	{"empty but the middle", "01 |00 x|80 ", "81 x"},
	{"empty but the first", "01 x|00 |80 ", "81 x"},
	{"empty but the last", "01 |00 |80 x", "81 x"},
	{"two messages in fragments", "01 a|80 b|02 c|80 d", "81 ab|82 cd"},
	/* texts, of which more below */
	{"utf-8", "81 \xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5",
	 "81 \xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5"},
	{"fail at once in a frame that goes on", "81+100 ok\xff", "C1007@8"},
	{"fail at once in a message that goes on", "01 ok|00+9 \xed\xa0",
	 "C1007@7"},
	{"fail at once behind a fragment", "01 \xce|00+50 x", "C1007@6"},
	{"overlong", "81+20 \xc0", "C1007@6"},
	{"above the last", "81+20 \xf4\x90", "C1007@7"},
	{"binary may be anything", "02 \xff|80 \xc0\xaf", "82 \xff\xc0\xaf"},
	{"ping may be anything", "89 \xff", "8a \xff"},
	/* close */
	{"close", "88 ", "C0"},
	{"close with code", "88 \x03\xe8", "C1000"},
	{"close with reason", "88 \x03\xe8 so long", "C1000"},
	{"close with longest reason", "88 \x03\xe8" FORTY FORTY FORTY "123",
	 "C1000"},
	{"close with 1005", "88 \x03\xed", "C1002@7"},
	{"close with one byte", "88 \x03", "C1002@6"},
	{"close with one byte of a code", "89 \x03\xe8|88 \x03",
	 "8a \x03\xe8|C1002@6"},
	{"close of 126", "88+126 ", "C1002@1"},
	{"close with bad reason", "88 \x03\xe8\xce\xba\xff", "C1007@10"},
	{"close with cut reason", "88 \x03\xe8\xce", "C1007@8"},
	{"text after close", "88 \x03\xe8|81 x", "C1000"},
	{"ping after close", "88 \x03\xe8|89 x", "C1000"},
	{"two closes", "88 \x03\xe8|88 \x03\xe9", "C1000"},
	{"close within a message", "01 a|88 \x03\xe8|80 b", "C1000"},
	{"text, then close", "81 a|88 \x03\xe8", "81 a|C1000"},
	{"bytes after close", "88 \x03\xe8|ff \xff\xff", "C1000"},
	/* lengths: a frame that declares too much is refused at its header */
	{"one byte too many", "82+4097 ", "C1009@3"},
	{"far too many", "82+70000 ", "C1009@9"},
	{"too many by the sum", "02 0123456789|80+4087 ", "C1009@3"},
	{"too many by the sum of three", "02 a|00 b|00+4095 ", "C1009@3"},
	{"too many after good", "81 a|81+4097 ", "81 a|C1009@3"},
};

/* Texts, valid as a whole or invalid from a byte on. */
static const struct {
	const char *text;
	int bad; /* the first impossible byte; -1: none; -2: the end */
} texts[] = {
	/* the first and last of each length, and what is beside them */
	{"\x7f", -1},
	{"\xc2\x80", -1},
	{"\xdf\xbf", -1},
	{"\xe0\xa0\x80", -1},
	{"\xef\xbf\xbf", -1},
	{"\xf0\x90\x80\x80", -1},
	{"\xf4\x8f\xbf\xbf", -1},
	{"\xf4\x90\x80\x80", 1},
	{"\xf5\x80\x80\x80", 0},
	{"\xf8\x88\x80\x80\x80", 0},
	{"\xfc\x84\x80\x80\x80\x80", 0},
	{"\xed\x9f\xbf", -1},
	{"\xee\x80\x80", -1},
	{"\xef\xbf\xbd", -1},
	/* noncharacters are valid */
	{"\xef\xbf\xbe", -1},
	{"\xf0\x9f\xbf\xbf", -1},
	{"\xf3\xbf\xbf\xbf", -1},
	/* continuation bytes, lone and missing */
	{"\x80", 0},
	{"a\x80\xbf", 1},
	{"\xc0 ", 0},
	{"\xdf ", 1},
	{"\xe0\xa0 ", 2},
	{"\xf0\x90\x80 ", 3},
	{"\xc2", -2},
	{"\xe2\x82", -2},
	{"\xf0\x90\x80", -2},
	{"\xc2\xc2\x80", 1},
	/* impossible bytes */
	{"\xfe", 0},
	{"\xff", 0},
	/* overlong forms */
	{"\xc0\xaf", 0},
	{"\xc1\xbf", 0},
	{"\xe0\x9f\xbf", 1},
	{"\xf0\x8f\xbf\xbf", 1},
	/* surrogates */
	{"\xed\xa0\x80", 1},
	{"\xed\xbf\xbf", 1},
	{"\xed\xa0\x80\xed\xb0\x80", 1},
	{"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80"
	 "edited",
	 12},
	{"\x01", -1},
	{"\xf1\x80\x80\x80", -1},
	{"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5", -1},
	{"\xc0\x80", 0},
	{"\xc2\xc0", 1},
	{"\xe1\x80\x7f", 2},
	{"\xe1\x80\xc0", 2},
	{"a\xc3\xa9z\xff", 4},
};

/* Builds the next frame of a script in `bytes`; returns the rest of it. */
static const char *build_next(unsigned char *bytes, size_t *size,
			      const char *script)
{
	size_t len = strcspn(script, "|"), declared = 0;
	unsigned byte;
	char *at;

	*size = 0;
	if (*script == '=') {
		for (; sscanf(script + 1 + 2 * *size, "%2x", &byte) == 1;)
			bytes[(*size)++] = (unsigned char)byte;
	} else {
		int first = (int)strtol(script, &at, 16);
		const char *payload;

		if (*at == '+')
			declared = strtoul(at + 1, &at, 10);
		payload = at + 1; /* behind the blank */
		len -= (size_t)(payload - script);
		*size = build_frame(bytes, first, declared > 0 ? declared : len,
				    payload, len);
		script = payload;
	}
	script += len;
	return script + (*script == '|');
}

#endif
