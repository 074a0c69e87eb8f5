#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Stop 3: /metrics tells how often the loop has gone round."""
import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from room import Member, Room, need

room = Room()
member = Member(room.port)
before = room.metric("chat_passes_total")
need(before, "no counter chat_passes_total")
# ten messages, one after the other, take ten passes at least
for n in range(10):
    member.say(str(n))
    need(member.hear() == str(n), "another message")
after = room.metric("chat_passes_total")
need(after >= before + 10, "ten messages took", after - before, "passes")
# and fifty, all at once, take fewer passes than messages
before = room.metric("chat_passes_total")
member.socket.sendall(b"\x81\x81\0\0\0\0x" * 50)
for n in range(50):
    member.hear()
after = room.metric("chat_passes_total")
need(after < before + 50, "50 messages at once took", after - before, "passes")
# a room where nothing happens makes none but those for the question itself
time.sleep(3)
idle = room.metric("chat_passes_total") - after
need(idle <= 20, "an idle room made", idle, "passes")
member.leave()
room.stop()
