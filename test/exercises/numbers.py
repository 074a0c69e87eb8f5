#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Stop 12: listen.py must print each message once, over a restart of the
server, and tell how many are missing."""
import asyncio
import os
import re
import signal
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from room import port_of

import websockets

SAID = ["one", "two"]
WHILE_AWAY = ["three", "four", "five", "six", "seven", "eight"]
FILE = "test/build/numbers.history"


def start(port):
    """A server that keeps its messages, but shows only the last three."""
    room = subprocess.Popen(
        ["./chat", "-a", "127.0.0.1", "-p", str(port), "-n", "3", "-l", "0",
         "-q", "-f", FILE], stdout=subprocess.PIPE, text=True)
    return room, port_of(room.stdout.readline())


async def say(port, texts):
    async with websockets.connect("ws://127.0.0.1:%d/" % port) as room:
        for text in texts:
            await room.send(text)
            while await room.recv() != text:
                pass


def expect(listener, lines):
    """It prints these lines; of one in parentheses, only the number counts."""
    for line in lines:
        got = listener.stdout.readline().rstrip("\n")
        if got == line or (line[0] == "(" and re.findall(r"\d+", got) ==
                           re.findall(r"\d+", line)):
            continue
        listener.kill()
        print("shown again or missing: it printed %r, not %r" % (got, line))
        sys.exit(1)


def restart(room, port):
    room.terminate()  # after a kill, the count would begin anew
    room.wait()
    return start(port)[0]


if os.path.exists(FILE):
    os.remove(FILE)
room, port = start(0)
listener = subprocess.Popen(
    [sys.executable, "test/exercises/listen.py", "ws://127.0.0.1:%d/" % port],
    stdout=subprocess.PIPE, text=True)
try:
    asyncio.run(say(port, SAID))
    expect(listener, SAID)
    room = restart(room, port)  # nothing is missing, and nothing comes twice
    asyncio.run(say(port, ["and"]))
    expect(listener, ["and"])
    listener.send_signal(signal.SIGSTOP)
    room = restart(room, port)
    asyncio.run(say(port, WHILE_AWAY))
    listener.send_signal(signal.SIGCONT)
    expect(listener, ["(3 messages are missing)"] + WHILE_AWAY[-3:])
    asyncio.run(say(port, ["end"]))
    expect(listener, ["end"])
    print("each message was shown once")
finally:
    listener.kill()
    room.kill()
