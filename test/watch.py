#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""watch.py FOLDER: what watches a room, with the real programs and with the log
and the counters of a real room: Prometheus, logrotate and svlogd."""
import os
import re
import signal
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from room import LIMIT, TOP, Member, Room, need, run, until

CONTRIB = TOP + "/contrib/"
folder = os.path.abspath(sys.argv[1])


def read(path):
    with open(path) as file:
        return file.read()


def write(name, text):
    with open(os.path.join(folder, name), "w") as file:
        file.write(text)
    return os.path.join(folder, name)


# each alert: what is measured each minute, and when it must be raised
ALERTS = {
    "ChatDown": {"up": "0x60"},
    "ChatKeepsRestarting": {"chat_connections_total": "9 1 9 1 9 1 9 1x53"},
    "ChatAlmostFull": {"chat_clients": "950x60"},
    "ChatFull": {"chat_refused_full_total": "0+1x60"},
    "ChatLosesClients": {"chat_dropped_slow_total": "0+9x60"},
    "ChatAttacked": {"chat_refused_limited_total": "0+50x60"},
}
USUAL = {
    "up": "1x60", "chat_clients": "100x60", "chat_clients_limit": "1000x60",
    "chat_connections_total": "0+3x60",
    "chat_refused_limited_total": "0+1x60", "chat_refused_full_total": "0x60",
    "chat_dropped_slow_total": "0+1x60", "chat_dropped_silent_total": "0x60",
    "chat_dropped_rules_total": "0x60",
}


def check_prometheus():
    """The rules are right, name counters that there are, and are raised by what
    they are for and not by a usual hour."""
    rules = CONTRIB + "chat.rules.yml"
    run("promtool", "check", "rules", "--lint=all", "--lint-fatal", rules)
    text = read(rules)
    names = re.findall(r"alert: (\w+)", text)
    need(sorted(names) == sorted(ALERTS), "not tested:", names)
    room = Room()
    for name in set(re.findall(r"chat_\w+", text)):
        need(room.metric(name) is not None, "there is no", name)
    room.stop()
    tests = "rule_files: [%s]\nevaluation_interval: 1m\ntests:\n" % rules
    for changed in [{}, *ALERTS.values()]:
        tests += "  - interval: 1m\n    input_series:\n"
        for name, values in {**USUAL, **changed}.items():
            tests += ("      - {series: '%s{job=\"chat\",instance=\"a\"}', "
                      "values: '%s'}\n" % (name, values))
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
    room = Room(log=path)
    Member(room.port).leave()
    until(lambda: "(0 online)" in read(path), "the log has it")
    before = read(path)
    rules = write("logrotate", read(CONTRIB + "chat.logrotate")
                  .replace("/var/log/chat.log", path))
    os.chmod(rules, 0o644)
    os.chmod(folder, 0o755)
    run("logrotate", "--force", "--state", folder + "/logrotate.state", rules)
    need(read(path) == "", "the log is not empty")
    need(run("zcat", path + ".1.gz") == before, "the copy")
    Member(room.port).leave()
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
        until(lambda: os.path.exists(current) and "Z chat " in read(current),
              "svlogd has the line")
        # svlogd ends by itself when the room has closed the pipe
        run("pkill", "-P", str(pipe.pid), "-x", "chat")
        pipe.wait(LIMIT)
    finally:
        if pipe.poll() is None:
            os.killpg(pipe.pid, signal.SIGKILL)
    return "svlogd"


done = [check_prometheus(), check_logrotate(), check_svlogd()]
print("check-watch: %s understand a real room" % ", ".join(done))
