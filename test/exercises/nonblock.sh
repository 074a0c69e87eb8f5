#!/bin/sh
# SPDX-License-Identifier: MIT
# Nobody must lose a part of a line, even if the room stands still for it.
set -eu
# shellcheck disable=SC2086 # a list of flags
for program in naive slow; do
	"$CC" -std=c99 -D_XOPEN_SOURCE=700 -Wall -Wextra $CFLAGS \
		-o test/build/$program test/exercises/$program.c
done
test/build/slow test/build/naive >test/build/said || true
cat test/build/said
! grep "lost a part" test/build/said
