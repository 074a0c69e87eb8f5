#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Stop 4: a field more in the response to a handshake, and nothing else may
change."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from room import Member, Room, need

room = Room()
member = Member(room.port)
need("\r\nX-Course: 3\r\n" in member.response, "no X-Course:", member.response)
need("\r\nSec-WebSocket-Accept: " in member.response, member.response)
member.say("frames follow the response")
need(member.hear() == "frames follow the response", "no frame")
member.leave()
room.stop()
