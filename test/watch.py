#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""watch.py FOLDER: what watches a room, with the real programs and with the log
and the counters of a real room: Prometheus, fail2ban, logrotate and svlogd."""
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from room import LIMIT, Member, need, run, talk

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
CONTRIB = TOP + "/contrib/"
folder = os.path.abspath(sys.argv[1])


def read(path):
    with open(path) as file:
        return file.read()


def write(name, text):
    with open(os.path.join(folder, name), "w") as file:
        file.write(text)
    return os.path.join(folder, name)


class Room:
    """A server whose log goes to a file, or to a program."""

    def __init__(self, log, *options):
        self.process = subprocess.Popen(
            [TOP + "/chat", "-p", "0", *options], stdout=subprocess.PIPE,
            stderr=log, text=True)
        self.port = int(re.search(
            r":(\d+)/", self.process.stdout.readline()).group(1))

    def stop(self):
        self.process.terminate()
        self.process.wait(LIMIT)


def until(question, what):
    deadline = time.monotonic() + LIMIT
    while not question():
        need(time.monotonic() < deadline, "still not true:", what)
        time.sleep(0.05)


HANDSHAKE = ("GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n"
             "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
             "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n")


def visit(port, sent, fields="", where="127.0.0.1"):
    """Joins the room, sends these bytes, and reads until the server ends it."""
    with socket.create_connection((where, port), LIMIT) as s:
        s.sendall((HANDSHAKE + fields + "\r\n").encode() + sent)
        while s.recv(4096):
            pass


FORGED = b'\x81\x8a\0\0\0\0{"online":'
UNMASKED = b"\x81\x01a"
CLOSE = b"\x88\x82\0\0\0\0\x03\xe8"


def check_fail2ban():
    """Who does what no page does is found, and nobody else."""
    with open(folder + "/f2b.log", "w") as log:
        room = Room(log)
        visit(room.port, FORGED)
        visit(room.port, UNMASKED, where="::1")
        visit(room.port, CLOSE)
        talk(room.port, ["Handshake refused: 429 is what I say"])
        with socket.create_connection(("127.0.0.1", room.port)) as s:
            s.sendall(b"GET /192.0.2.99:1 HTTP/1.1\r\nHost: a\r\n\r\n")
            s.recv(4096)
        room.stop()
        behind = Room(log, "-x", "-c", "1")
        inside = socket.create_connection(("127.0.0.1", behind.port), LIMIT)
        fields = "X-Forwarded-For: 192.0.2.66, %s\r\n"
        inside.sendall((HANDSHAKE + fields % "192.0.2.7" + "\r\n").encode())
        inside.recv(4096)
        visit(behind.port, b"", fields % "192.0.2.7")
        visit(behind.port, FORGED, fields % "2001:db8::7")
        visit(behind.port, CLOSE, fields % "192.0.2.8")
        inside.close()
        behind.stop()
    lines = read(folder + "/f2b.log").splitlines()
    # as it stands, as OpenRC has it, and as systemd's journal gives it
    host = socket.gethostname()
    journal = write("f2b.journal", "".join(
        "%s %s chat[123]: %s\n" % (line.split()[0], host, line)
        for line in lines if re.match(r"\d{4}-", line)))
    filter = CONTRIB + "fail2ban/filter.conf"
    for log in (folder + "/f2b.log", journal):
        found = run("fail2ban-regex", "-o", "ip", log, filter).split()
        need(sorted(found) == sorted(["::1", "127.0.0.1", "192.0.2.7",
                                      "2001:db8::7"]), log, found, lines)
    # and fail2ban takes both files
    shutil.copytree("/etc/fail2ban", folder + "/fail2ban")
    # Debian's own jail wants the log of sshd
    shutil.rmtree(folder + "/fail2ban/jail.d")
    os.mkdir(folder + "/fail2ban/jail.d")
    for kind in ("filter", "jail"):
        shutil.copy(CONTRIB + "fail2ban/%s.conf" % kind,
                    folder + "/fail2ban/%s.d/chat.conf" % kind)
    run("fail2ban-client", "-c", folder + "/fail2ban", "-t")
    jail = run("fail2ban-client", "-c", folder + "/fail2ban", "-d")
    need(re.search(r"'chat', 'addfailregex'|'chat', 'addjournalmatch'", jail),
         "the jail is not there")
    return "fail2ban"


# each alert: what is measured each minute, and when it must be raised
QUIET = "0x60"
ALERTS = {
    "ChatDown": {"up": "0x60"},
    "ChatKeepsRestarting": {"chat_connections_total": "9 1 9 1 9 1 9 1x53"},
    "ChatAlmostFull": {"chat_clients": "1000x60"},
    "ChatFull": {'chat_refused_total{status="503"}': "0+1x60"},
    "ChatLosesClients": {'chat_dropped_total{reason="slow"}': "0+9x60"},
    "ChatAttacked": {'chat_refused_total{status="429"}': "0+50x60"},
}
USUAL = {
    "up": "1x60", "chat_clients": "100x60", "chat_clients_limit": "1024x60",
    "chat_connections_total": "0+3x60",
    'chat_refused_total{status="429"}': "0+1x60",
    'chat_refused_total{status="503"}': "0x60",
    'chat_dropped_total{reason="slow"}': "0+1x60",
    'chat_dropped_total{reason="forged"}': "0x60",
}


def check_prometheus():
    """The rules are right, name counters that there are, and are raised by what
    they are for and not by a usual hour."""
    rules = CONTRIB + "chat.rules.yml"
    run("promtool", "check", "rules", "--lint=all", "--lint-fatal", rules)
    text = read(rules)
    names = re.findall(r"alert: (\w+)", text)
    need(sorted(names) == sorted(ALERTS), "not tested:", names)
    with open(folder + "/metrics.log", "w") as log:
        room = Room(log)
        metrics = urllib.request.urlopen(
            "http://127.0.0.1:%d/metrics" % room.port).read().decode()
        room.stop()
    for name in set(re.findall(r"chat_\w+", text)):
        need("\n%s" % name in metrics, "there is no", name)
    for label, values in re.findall(r'(reason|status)=~?"([^"]*)"', text):
        for value in values.split("|"):
            need('%s="%s"' % (label, value) in metrics, label, value)
    tests = "rule_files: [%s]\nevaluation_interval: 1m\ntests:\n" % rules
    for changed in [{}, *ALERTS.values()]:
        tests += "  - interval: 1m\n    input_series:\n"
        for series, values in {**USUAL, **changed}.items():
            series = re.sub(r"^(\w+){?", r'\1{job="chat",instance="a",',
                            series.rstrip("}"))
            tests += "      - {series: '%s}', values: '%s'}\n" % (series,
                                                                 values)
        tests += "    promql_expr_test:\n"
        raised = [name for name in ALERTS if changed is ALERTS[name]]
        for name in ALERTS:
            tests += ("      - {expr: 'count(ALERTS{alertname=\"%s\",alertstate"
                      "=\"firing\"}) or vector(0)', eval_time: 30m, "
                      "exp_samples: [{value: %d}]}\n"
                      % (name, name in raised))
    run("promtool", "test", "rules", write("rules.test.yml", tests))
    return "Prometheus (%d alerts)" % len(names)


def check_logrotate():
    """The log file is copied and emptied, and the room goes on writing it."""
    path = folder + "/chat.log"
    with open(path, "a") as log:
        room = Room(log)
    visit(room.port, CLOSE)
    until(lambda: "(0 online)" in read(path), "the log has it")
    before = read(path)
    rules = write("logrotate", read(CONTRIB + "chat.logrotate")
                  .replace("/var/log/chat.log", path))
    os.chmod(rules, 0o644)
    os.chmod(folder, 0o755)
    run("logrotate", "--force", "--state", folder + "/logrotate.state", rules)
    need(read(path) == "", "the log is not empty")
    need(run("zcat", path + ".1.gz") == before, "the copy")
    visit(room.port, CLOSE)
    until(lambda: "(0 online)" in read(path), "the log goes on")
    need("\0" not in read(path), "a hole in the log")
    room.stop()
    return "logrotate"


def check_svlogd():
    """runit: the line of docs/operation.md."""
    line, = re.findall(r"^ +(chat .* svlogd .*)$",
                       read(TOP + "/docs/operation.md"), re.M)
    logs = folder + "/svlogd"
    os.mkdir(logs)
    command = line.replace("/var/log/chat", logs).replace(
        "/var/lib/chat", folder).replace(
        "chat ", "exec %s/chat -a 127.0.0.1 -p 0 " % TOP, 1)
    pipe = subprocess.Popen(["sh", "-c", command], start_new_session=True)
    current = logs + "/current"
    try:
        until(lambda: os.path.exists(current) and "Listening" in read(current),
              "svlogd has the line")
        # svlogd ends by itself when the room has closed the pipe
        run("pkill", "-P", str(pipe.pid), "-x", "chat")
        pipe.wait(LIMIT)
    finally:
        if pipe.poll() is None:
            os.killpg(pipe.pid, signal.SIGKILL)
    need("SIGTERM" in read(current), read(current))
    return "svlogd"


done = [check_prometheus(), check_fail2ban(), check_logrotate(),
        check_svlogd()]
print("check-watch: %s understand a real room" % ", ".join(done))
