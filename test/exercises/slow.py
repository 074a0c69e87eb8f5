#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Stop 2 of docs/course.md: shows what one slow reader does to a server such as
naive.c.  A talker sends 200,000 numbered lines, and waits when it is 64 KiB ahead
of what a fast client has read.  A slow one reads nothing until the fast one has
three quarters of them; then it reads as well.

    usage: slow.py ./naive

Exits with 0 if the fast client received every line, and the slow one every line up
to some point; else with 1."""
import re
import socket
import subprocess
import sys
import time

ALL = b"".join(b"%-63d\n" % n for n in range(200000))
AHEAD, PATIENCE = 65536, 2  # bytes, seconds


class Client:
    def __init__(self, receive_buffer=0):
        self.bytes, self.broken, self.ended = 0, False, False
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF,
                                   receive_buffer)
        self.socket.connect(("127.0.0.1", port))
        self.socket.setblocking(False)
        time.sleep(0.1)  # until the server has accepted it

    def read(self):
        """Reads what is there; false if there is nothing more."""
        try:
            data = self.socket.recv(65536)
        except BlockingIOError:
            return False
        except ConnectionResetError:
            data = b""
        self.ended = not data
        self.broken |= ALL[self.bytes:self.bytes + len(data)] != data
        self.bytes += len(data)
        return not self.ended and not self.broken

    def report(self, who):
        whole = self.bytes == len(ALL) and not self.broken
        print("The %s client received %s, %s." % (
            who, "every line" if whole else "the first lines",
            "then lost a part of one" if self.broken else
            "each whole and in order" if whole else
            "then the server closed its connection" if self.ended else
            "then nothing more"))


server = subprocess.Popen([sys.argv[1]], stdout=subprocess.PIPE, text=True)
port = int(re.search(r"\d+", server.stdout.readline()).group())
talker, fast, slow = Client(), Client(), Client(65536)
said, moved = 0, time.monotonic()
while (fast.bytes < len(ALL) and not fast.broken and not fast.ended and
       time.monotonic() < moved + PATIENCE):
    before = said, talker.bytes, fast.bytes, slow.bytes
    try:
        said += talker.socket.send(ALL[said:fast.bytes + AHEAD][:4096])
    except BlockingIOError:
        pass
    talker.read()
    fast.read()
    if fast.bytes > len(ALL) * 3 // 4:
        slow.read()
    if before == (said, talker.bytes, fast.bytes, slow.bytes):
        time.sleep(0.01)
    else:
        moved = time.monotonic()
stalled = fast.bytes < len(ALL) and not fast.broken
print("The room stands still: nothing moved for 2 s." if stalled else
      "The room went on to the end.")
fast.report("fast")
if not stalled:
    slow.socket.settimeout(PATIENCE)
    try:
        while slow.bytes < len(ALL) and slow.read():
            pass
    except TimeoutError:  # nothing more comes
        pass
    slow.report("slow")
server.kill()
sys.exit(stalled or fast.broken or slow.broken)
