#!/bin/sh
# SPDX-License-Identifier: MIT
# One slow reader must neither stop naive.c nor miss a line.
set -eu
# shellcheck disable=SC2086 # a list of flags
for program in naive slow; do
	"$CC" -std=c99 -D_XOPEN_SOURCE=700 -Wall -Wextra $CFLAGS \
		-o test/build/$program test/exercises/$program.c
done
said=$(test/build/slow test/build/naive) || :
echo "$said"
case $said in
*"The slow client received every line"*) ;;
*) echo "The slow client has not received every line." && exit 1 ;;
esac
