#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Stop 12 of docs/course.md: prints each message of a room, and joins again
when the connection is lost.  Then it prints the history a second time.

    python3 test/exercises/listen.py ws://127.0.0.1:8080/
"""
import asyncio
import sys

import websockets

NOTICE = '{"online":'


async def listen(address):
    async with websockets.connect(address) as room:
        async for message in room:
            if not message.startswith(NOTICE):
                print(message, flush=True)


async def main():
    while True:
        try:
            await listen(sys.argv[1])
        except (OSError, websockets.WebSocketException):
            pass
        await asyncio.sleep(0.1)


asyncio.run(main())
