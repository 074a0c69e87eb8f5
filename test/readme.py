#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What README.md says, done: its experiments, its builds with their sizes, and
its other clients.  Run in a copy of the tree, for it builds there."""
import re
import signal
import subprocess
import sys
import textwrap

text = open("README.md").read()
done = {"experiments": 0, "builds": 0, "clients": 0}


def run(command, **more):
    return subprocess.run(command, shell=True, check=True, text=True,
                          stdout=subprocess.PIPE, timeout=120, **more).stdout


def server(*options):
    """A room, and its port."""
    room = subprocess.Popen(["./chat", "-a", "127.0.0.1", "-p", "0", *options],
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            text=True)
    return room, re.search(r":(\d+)/", room.stdout.readline()).group(1)


def stop(room):
    room.send_signal(signal.SIGTERM)
    log = room.stderr.read()
    assert room.wait() == 0
    return log


def check_experiments():
    """Each "$ command", which may go on in deeper lines, and what it prints."""
    room, port = server("-n", "0", "-t", "0")
    functions = ""
    for block in re.findall(r"(?:^    .*\n)+", text, re.M):
        block = textwrap.dedent(block)
        for step in re.split(r"^\$ ", block, flags=re.M)[1:]:
            lines = step.splitlines()
            n = 1
            while n < len(lines) and lines[n].startswith("  "):
                n += 1
            command = "\n".join(lines[:n]) + "\n"
            wanted = "\n".join(lines[n:]).strip()
            got = run((functions + command).replace("8080", port))
            got = got.replace("\r", "").strip()
            if got != wanted:
                sys.exit("README: %s\nprints: %s\nnot: %s"
                         % (command, got, wanted))
            if re.match(r"\w+\(\) {", command):
                functions += command
            done["experiments"] += 1
    stop(room)


def check_builds():
    """Commands that build, and the table of them with their sizes."""
    for command in re.findall(r"^    (make (?:[^#\n\\]|\\\n)*)", text, re.M):
        if "&&" not in command:
            run(command)
            assert run("./chat -V").startswith("chat "), command
            done["builds"] += 1
    table = re.findall(r"^\| `(make[^`]*)` \| [\d,]+ \| ([\d,]+) KB \|", text,
                       re.M)
    for command, size in table:
        run(command)
        counted = int(run("size chat").splitlines()[1].split()[3]) / 1024
        size = int(size.replace(",", ""))
        if not 0.95 * size < counted <= 1.05 * size:
            sys.exit("README: %s has %d KB, not %d" % (command, counted, size))
        done["builds"] += 1
    assert done["builds"] > 7
    run("make")


def check_clients():
    """The Python that is there, and contrib/say: both must be heard."""
    room, port = server("-t", "0")
    program = re.search(r"```python\n(.*?)```", text, re.S).group(1)
    python = subprocess.Popen(
        ["/usr/bin/python3", "-u", "-c", program.replace("8080", port)],
        stdout=subprocess.PIPE, text=True)
    while python.stdout.readline() != "Hello from Python\n":
        assert python.poll() is None
    run(re.search(r"^    (sh contrib/say .*)$", text, re.M).group(1)
        .replace("8080", port))
    while not re.fullmatch(r"\d+ 21.5\n", python.stdout.readline()):
        assert python.poll() is None
    python.kill()
    python.wait()
    done["clients"] += 2
    assert "Client disconnected: closed" in stop(room)


check_experiments()
check_builds()
check_clients()
print("check-readme: %(experiments)d experiments, %(builds)d builds and "
      "%(clients)d clients do what README.md says" % done)
