#!/bin/sh
# SPDX-License-Identifier: MIT
# Stop 8 of docs/course.md: a client that does not read, and one that talks, in a
# room of their own.  Prints what the server logs, without times and addresses.
#
#     usage: sh test/exercises/laggard.sh port
set -eu
log=$(mktemp)
./chat -a 127.0.0.1 -p "$1" -n 0 -t 0 -l 0 2>"$log" >/dev/null &
server=$!
trap 'rm -f "$log"; kill "$server" 2>/dev/null || true' EXIT

join() {
	printf 'GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n'
	printf 'Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n'
	printf 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n'
}

# 16 MB in messages of 4,096 blanks, masked with 0; after them nothing comes
# until the room is dissolved.
talk() {
	join
	i=0
	while [ $i -lt 4000 ]; do
		printf '\201\376\020\0\0\0\0\0%4096s' ''
		i=$((i + 1))
	done
	sleep 20
}

# await TEXT: waits until the log has it, for 20 s at most
await() {
	tries=200
	until grep -q "$1" "$log"; do
		tries=$((tries - 1))
		if [ $tries = 0 ] || ! kill -0 "$server" 2>/dev/null; then
			cat "$log" >&2
			echo "laggard: the log does not say: $1" >&2
			exit 1
		fi
		sleep 0.1
	done
}

await ' chat '
# shellcheck disable=SC2216 # sleep reads nothing, and so nc stops reading
{ join; sleep 20; } | nc 127.0.0.1 "$1" | sleep 20 >/dev/null &
await '1 online'
talk | nc 127.0.0.1 "$1" >/dev/null &
await disconnected
sed -n 's/.*\(Client .*\)/\1/p' "$log"
