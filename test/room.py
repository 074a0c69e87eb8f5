# SPDX-License-Identifier: MIT
"""What the tests in Python share: a client of the room, and how they fail."""
import atexit
import base64
import os
import re
import socket
import struct
import subprocess
import time
import urllib.request

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
LIMIT = int(os.environ.get("LIMIT", 300))  # seconds that anything may take
# a user's make does not run below another one
for name in ("MAKEFLAGS", "MAKELEVEL"):
    os.environ.pop(name, None)
# what a recipe cannot do here: the user is root, and downloads nothing
STAND_INS = 'sudo() { "$@"; }\napt() { echo apt "$@"; }\n'


def need(truth, *why):
    if not truth:
        raise AssertionError(" ".join(map(str, why)))


def run(*command, **more):
    done = subprocess.run(command, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=LIMIT, **more)
    need(done.returncode == 0, *command, "failed:", done.stdout)
    return done.stdout


def until(question, what):
    """Asks until the answer is true, and returns it."""
    deadline = time.monotonic() + LIMIT
    while not (answer := question()):
        need(time.monotonic() < deadline, "still not true:", what)
        time.sleep(0.05)
    return answer


def port_of(line):
    """The port that the line of a server's start names."""
    found = re.search(r"(?::|port )(\d+)\D*$", line)
    need(found, "no port:", line)
    return int(found.group(1))


def recipes(path, begin, end):
    """The lists of commands, each of indented lines without a gap, between two
    texts of a document."""
    with open(os.path.join(TOP, path)) as file:
        text = file.read().split(begin)[1].split(end)[0]
    return [re.sub(r"^(?:    |#     )", "", block, flags=re.M) for block in
            re.findall(r"(?:^(?:    |#     ).+\n)+", text, re.M)]


class Room:
    """A server, at a port that the kernel picks unless an option names one."""

    def __init__(self, *options, log=os.devnull):
        self.path = log
        with open(log, "a") as file:
            self.process = subprocess.Popen(
                [TOP + "/chat", "-a", "127.0.0.1", "-p", "0", *options],
                stdout=subprocess.PIPE, stderr=file, text=True)
        atexit.register(self.process.kill)
        self.port = port_of(self.process.stdout.readline())

    def log(self):
        with open(self.path) as file:
            return file.read()

    def metric(self, name):
        """The value of a counter; None if there is no such."""
        with urllib.request.urlopen("http://127.0.0.1:%d/metrics" % self.port,
                                    timeout=LIMIT) as answer:
            found = re.search(r"^%s (\d+)$" % name, answer.read().decode(), re.M)
        return found and int(found.group(1))

    def stop(self):
        self.process.terminate()
        need(self.process.wait(LIMIT) == 0, "exit status")


class Member:
    """A WebSocket client (RFC 6455) in the room."""

    def __init__(self, port, fields="", receive_buffer=0):
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF,
                                   receive_buffer)
        self.socket.settimeout(LIMIT)
        self.socket.connect(("127.0.0.1", port))
        self.data = b""
        key = base64.b64encode(os.urandom(16)).decode()
        self.socket.sendall(
            ("GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n"
             "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
             "Sec-WebSocket-Key: %s\r\n%s\r\n" % (key, fields)).encode())
        while b"\r\n\r\n" not in self.data:
            self.more()
        head, self.data = self.data.split(b"\r\n\r\n", 1)
        need(b" 101 " in head.split(b"\r\n")[0], head)
        self.response = head.decode() + "\r\n"
        self.history = []
        while not (text := self.frame()).startswith('{"online":'):
            self.history.append(text)

    def more(self):
        data = self.socket.recv(65536)
        need(data, "the server has ended the connection")
        self.data += data

    def take(self, n):
        while len(self.data) < n:
            self.more()
        taken, self.data = self.data[:n], self.data[n:]
        return taken

    def frame(self):
        """The next text that the server sends."""
        while True:
            first, n = self.take(2)
            if n == 126:
                n, = struct.unpack(">H", self.take(2))
            payload = self.take(n)
            if first == 0x89:
                self.send(0x8a, payload)
            else:
                need(first == 0x81, "frame", hex(first), payload)
                return payload.decode()

    def hear(self):
        """The next message."""
        while (text := self.frame()).startswith('{"online":'):
            pass
        return text

    def send(self, first, payload):
        n = len(payload)
        size = bytes([128 | n]) if n < 126 else b"\xfe" + struct.pack(">H", n)
        self.socket.sendall(bytes([first]) + size + bytes(4) + payload)

    def say(self, text):
        self.send(0x81, text.encode())

    def leave(self):
        self.send(0x88, b"\x03\xe8")
        self.socket.close()


def talk(port, texts, fields=""):
    """One client says these texts, and another hears each of them."""
    speaker, listener = Member(port, fields), Member(port, fields)
    for text in texts:
        speaker.say(text)
        heard = listener.hear()
        need(heard == text, heard, "is not", text)
    speaker.leave()
    listener.leave()
