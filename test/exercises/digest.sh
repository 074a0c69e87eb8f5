#!/bin/sh
# SPDX-License-Identifier: MIT
# digest.c, linked with sha1.o, must print what sha1sum prints, for inputs of
# each length around one and two blocks.
set -eu
# shellcheck disable=SC2086 # a list of flags
"$CC" -std=c99 -D_XOPEN_SOURCE=700 -Wall -Wextra $CFLAGS -I. \
	-o test/build/digest test/exercises/digest.c sha1.o
for length in 0 1 54 55 56 57 63 64 65 118 119 120 127 128 129 1000 4096; do
	head -c $length chat.c >test/build/input
	want=$(sha1sum <test/build/input | cut -d ' ' -f 1)
	got=$(test/build/digest <test/build/input)
	test "$got" = "$want" ||
		{ echo "$length bytes: $got, not $want"; exit 1; }
done
echo "17 digests agree with sha1sum"
