#!/usr/bin/env python3
# LIMITS: MESSAGE_MAX=1024 RING_SIZE=16384 RECEIVE_SIZE=4096 SEND_BUFFER=4096
# SPDX-License-Identifier: MIT
"""Stop 8: the log tells when the room becomes congested and when that ends.  The
ring is so small that one client that does not read fills it."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from room import Member, Room, need

BEGINS = " The room is congested\n"
ENDS = " The room is not congested any more\n"
LOG = "test/build/congested.log"

open(LOG, "w").close()
room = Room("-l", "0", "-t", "0", log=LOG)
fast = Member(room.port)
for n in range(100):
    fast.say("Hi")
    fast.hear()
need("congested" not in room.log(), "a room that is well:", room.log())
slow = Member(room.port, receive_buffer=4096)  # and it reads no more
for n in range(3000):
    fast.say("x" * 1000)
    fast.hear()
    if "disconnected: slow" in room.log():
        break
log = room.log()
need("disconnected: slow" in log, "it was not dropped:", log)
need(BEGINS in log, "no congestion in the log:", log)
need(log.index(BEGINS) < log.index("disconnected: slow"), log)
need(log.rindex(ENDS) > log.index("disconnected: slow"), log)
need(log.count(BEGINS) == log.count(ENDS), "not each once:", log)
fast.leave()
room.stop()
