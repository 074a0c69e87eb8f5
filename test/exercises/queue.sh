#!/bin/sh
# SPDX-License-Identifier: MIT
# The same as naive.sh, and the slow client must receive all.
said=$(sh test/exercises/naive.sh) || :
echo "$said"
case $said in
*"The slow client received every line"*) ;;
*) echo "The slow client has not received every line." && exit 1 ;;
esac
