#!/bin/sh
# SPDX-License-Identifier: MIT
# One slow reader must neither stop naive.c nor lose a part of a line.
set -eu
# shellcheck disable=SC2086 # a list of flags
"$CC" -std=c99 -D_XOPEN_SOURCE=700 -Wall -Wextra $CFLAGS \
	-o test/build/naive test/exercises/naive.c
python3 test/exercises/slow.py test/build/naive
