#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Stops 0 and 1: the page door.html and the server door.c talk to each other, and
the server does not care how TCP has cut the bytes of a frame."""
import os
import shutil
import socket
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from room import need, until

# The script of the page, in node, with the few parts of a browser it needs.
BROWSER = r"""
const host = process.argv[1], parts = {}
setTimeout(process.exit, 15000, 1)
const element = () => ({value: "", scrollIntoView() {},
	append: line => console.log(line.textContent)})
globalThis.location = {host}
globalThis.document = {getElementById: id => parts[id] ??= element(),
	createElement: element}
fetch("http://" + host + "/").then(page => page.text()).then(text => {
	eval(text.match(/<script>([^]*)<\/script>/)[1])
	const timer = setInterval(() => {
		if (parts.state?.textContent !== "connected") return
		clearInterval(timer)
		document.getElementById("name").value = "Ann"
		document.getElementById("text").value = "Hi"
		parts.form.onsubmit({preventDefault() {}})
	}, 20)
})
"""
HELLO = (b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n"
         b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
         b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")


class Client:
    def __init__(self):
        self.socket = socket.create_connection(("127.0.0.1", port), 10)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.sendall(HELLO)
        self.hear(b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n", "no handshake")

    def hear(self, wanted, why):
        """The server's next bytes end so."""
        got = b""
        try:
            while not got.endswith(wanted):
                data = self.socket.recv(4096)
                if not data:
                    break
                got += data
        except OSError:  # nothing came, or a reset
            pass
        need(got.endswith(wanted), why + ": the server sent", got)


def masked(text):
    return bytes([0x81, 0x80 + len(text), 0, 0, 0, 0]) + text


def framed(text):
    return bytes([0x81, len(text)]) + text


subprocess.run(
    os.environ["CC"].split() + os.environ["CFLAGS"].split() +
    "-std=c99 -D_XOPEN_SOURCE=700 -Wall -Wextra -I. -o test/build/door "
    "test/exercises/door.c http.o sha1.o base64.o".split(), check=True)
with socket.create_server(("127.0.0.1", 0)) as s:
    port = s.getsockname()[1]  # which is free then
server = subprocess.Popen(["test/build/door", str(port)])
until(lambda: socket.socket().connect_ex(("127.0.0.1", port)) == 0, "door")
node = ["node", "--experimental-websocket", "--no-warnings", "-e", BROWSER]
client = Client()
browser = subprocess.Popen(
    node + ["127.0.0.1:%d" % port] if shutil.which("node") else ["sh", "-c", "exit 9"],
    stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
try:
    if browser.stdout.readline() == b"Ann: Hi\n":
        client.hear(framed(b"Ann: Hi"), "the page was not heard")
        client.socket.sendall(masked(b"Bob: Hello"))
        need(browser.stdout.readline() == b"Bob: Hello\n", "the page")
        client.hear(framed(b"Bob: Hello"), "no echo")
    else:
        need(browser.wait() == 9, "the page does not talk to the server")
        print("This node has no WebSocket: the page was not tried.")
    client.socket.sendall(masked(b"A") + masked(b"B"))
    client.hear(framed(b"A") + framed(b"B"), "two frames in one segment")
    for cut in range(1, 8):
        client.socket.sendall(masked(b"AB")[:cut])
        # an answer to another client shows that the part has been read
        other = Client()
        other.socket.close()
        client.socket.sendall(masked(b"AB")[cut:])
        client.hear(framed(b"AB"), "a frame cut after byte %d" % cut)
    need(server.poll() is None, "the server has ended")
    print("The page and the server talk, and every cut is fine.")
finally:
    browser.kill()
    server.kill()
