#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Stop 8 of docs/course.md: a client that does not read, and one that says 16 MB.
Prints what the server logs about clients, without times and addresses."""
import os
import re
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from room import Member, Room

with tempfile.NamedTemporaryFile() as log:
    room = Room("-t", "0", "-l", "0", log=log.name)
    slow, fast = Member(room.port, receive_buffer=65536), Member(room.port)
    for n in range(4000):
        fast.say(" " * 4096)
        fast.hear()
        if n % 100 == 0 and "disconnected" in room.log():
            break
    print("\n".join(re.findall(r"Client .*", room.log())))
    room.process.kill()
