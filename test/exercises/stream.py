#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Stops 1 and 10 of docs/course.md: what TCP does with the bytes of a send(), and
what close() does with bytes that were not read.  The calls are those of C."""
import socket
import time


def connect(receive_buffer=0):
    """Returns both ends of a connection: the server's and the client's."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.bind(("127.0.0.1", 0))  # 0: a free port
    listener.listen(1)
    client = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    if receive_buffer:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    client.connect(listener.getsockname())
    server, address = listener.accept()
    listener.close()
    return server, client


def wait_for(end, n):
    """Waits until n bytes have arrived, without taking them."""
    while len(end.recv(n, socket.MSG_PEEK)) < n:
        time.sleep(0.01)


def show_borders():
    server, client = connect()
    client.send(b"Hello")
    client.send(b"World")
    wait_for(server, 10)
    print("sent Hello, then World; received", server.recv(4096).decode())
    client.send(b"Hello")
    wait_for(server, 5)
    print("sent Hello; received", server.recv(3).decode(), "then",
          server.recv(4096).decode())


def show_close(is_read):
    """The server writes all that the kernel takes, and closes, although or after
    what the client had said is unread or read."""
    server, client = connect(receive_buffer=4096)
    client.send(b"Please")
    wait_for(server, 6)
    if is_read:
        server.recv(6)
    server.setblocking(False)
    written = received = 0
    try:
        while True:
            written += server.send(b"x" * 65536)
    except BlockingIOError:
        server.close()
    end = "end of file"
    try:
        while data := client.recv(65536):
            received += len(data)
    except ConnectionResetError:
        end = "a reset"
    print("closed with input", "read:" if is_read else "unread:", "received",
          "everything," if received == written else "only a part,", "then", end)


show_borders()
show_close(is_read=True)
show_close(is_read=False)
