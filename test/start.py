#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Each way of contrib/ to start chat, with the real program: systemd and OpenRC
on a copy of this system's files, and a container.  Needs root.

All happens in namespaces of this script's own: a network with nothing but
loopback, so that port 8080 is free, and mounts that end with the script."""
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from room import LIMIT, Member, need, recipe, run, talk

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PORT = 8080
children = []


def start(*command, **more):
    """Starts a program, which ends with this script at the latest."""
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, text=True,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                             **more)
    children.append(child)
    return child


def until(question, what):
    """Asks until the answer is true, and returns it."""
    deadline = time.monotonic() + LIMIT
    while not (answer := question()):
        need(time.monotonic() < deadline, "still not true:", what)
        time.sleep(0.05)
    return answer


def is_open():
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", PORT)) == 0


def history():
    member = Member(PORT)
    member.leave()
    return member.history


def server():
    """The process of the server, or None."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            comm = open("/proc/%s/comm" % pid).read()
            if comm == "chat\n":
                return int(pid)
        except OSError:
            pass


def status_of(pid, field):
    return re.search(r"^%s:\t(.*)$" % field,
                     open("/proc/%d/status" % pid).read(), re.M).group(1)


def copy_of_system(folder):
    """The files of this system, on which changes are made in memory only."""
    run("mount", "-t", "tmpfs", "none", folder)
    for name in ("upper", "work", "root"):
        os.mkdir(os.path.join(folder, name))
    root = os.path.join(folder, "root")
    run("mount", "-t", "overlay", "overlay", "-o",
        "lowerdir=/,upperdir=%s/upper,workdir=%s/work" % (folder, folder),
        root)
    return root


def copy_of_source(folder):
    tree = folder + "/tree"
    os.mkdir(tree)
    for name in os.listdir(TOP):
        if name.endswith((".c", ".h", ".html")) or name == "Makefile":
            shutil.copy(os.path.join(TOP, name), tree)
    return tree


def is_killed_and_comes_back(said):
    """Whoever supervises the server starts it again, with its messages."""
    talk(PORT, said)
    pid = until(server, "the server runs")
    os.kill(pid, signal.SIGKILL)
    until(lambda: server() not in (None, pid), "the server is started again")
    until(is_open, "it listens")
    need(history() == said, "after a kill:", history())


# ---- systemd ----

def check_systemd(folder):
    root = copy_of_system(folder)
    install, enable = recipe("A Raspberry Pi")[2:4]
    need(install == "sudo make install", install)
    run(*install.split()[1:], "DESTDIR=" + root, cwd=TOP)
    need(enable.startswith("sudo systemctl enable --now "), enable)
    run("systemctl", "--root=" + root, "enable", enable.split()[-1])

    def boot():
        machine = start("systemd-nspawn", "-q", "-D", root, "--register=no",
                        "--keep-unit", "--link-journal=no", "-b", "--",
                        "--unit=sockets.target")
        until(is_open, "systemd listens")
        need(server() is None, "the server runs before anybody has come")
        return machine

    def init():
        """systemd, which is process 1 of the machine."""
        pid = machine.pid
        return int(open("/proc/%d/task/%d/children" % (pid, pid))
                   .read().split()[0])

    def power_off():
        os.kill(init(), signal.SIGRTMIN + 4)
        machine.communicate(timeout=LIMIT)

    machine = boot()
    is_killed_and_comes_back(["one", "two"])
    pid = server()
    need(status_of(pid, "CapEff").strip("0") == "", "capabilities")
    need(status_of(pid, "NoNewPrivs") == "1", "new privileges")
    need(status_of(pid, "Uid").split()[0] not in ("0", "65534"), "user")
    # an upgrade: the socket stays open, so nobody is refused
    member = Member(PORT)
    upgrade = recipe("To upgrade")[2].split()
    need(upgrade[:2] == ["sudo", "systemctl"], upgrade)
    asking = start("nsenter", "-a", "-t", str(init()), *upgrade[1:])
    while asking.poll() is None:
        socket.create_connection(("127.0.0.1", PORT), LIMIT).close()
    need(asking.returncode == 0, "restart")
    need(server() != pid, "it is the old server")
    need(history() == ["one", "two"], "after an upgrade:", history())
    member.socket.close()
    power_off()
    need(not is_open(), "the machine is off")
    machine = boot()
    need(history() == ["one", "two"], "after a shutdown:", history())
    power_off()
    run("make", "uninstall", "DESTDIR=" + root, cwd=TOP)
    for name in ("usr/local/bin/chat", "usr/local/share/man/man1/chat.1",
                 "etc/systemd/system/chat.socket",
                 "etc/systemd/system/chat.service"):
        need(not os.path.exists(os.path.join(root, name)), name, "is left")
    return " ".join(run("systemctl", "--version").split()[:2])


# ---- OpenRC ----

def check_openrc(folder):
    root = copy_of_system(folder)
    shutil.copy(TOP + "/chat", root + "/usr/bin/chat")
    shutil.copy(TOP + "/contrib/chat.openrc", root + "/etc/init.d/chat")
    os.chmod(root + "/etc/init.d/chat", 0o755)
    run("chroot", root, "useradd", "--system", "--user-group", "chat")
    # nothing else shall start
    for level in ("sysinit", "boot", "default"):
        shutil.rmtree(root + "/etc/runlevels/" + level, ignore_errors=True)
        os.makedirs(root + "/etc/runlevels/" + level)
    run("chroot", root, "rc-update", "add", "chat", "default")
    # as Alpine boots: busybox is process 1, and starts OpenRC
    with open(root + "/etc/inittab", "w") as file:
        file.write("::sysinit:/bin/mount -t proc proc /proc\n"
                   "::sysinit:/bin/mount -t tmpfs none /run\n"
                   "::sysinit:/sbin/openrc sysinit\n"
                   "::sysinit:/sbin/openrc boot\n"
                   "::wait:/sbin/openrc default\n")
    os.symlink("/bin/busybox", root + "/init")
    start("unshare", "--pid", "--mount", "--fork", "--kill-child", "chroot",
          root, "/init")
    until(is_open, "OpenRC has started the server")

    def inside(*command):
        # any process of its namespace tells where that is
        return run("nsenter", "-t", str(server()), "-p", "-m",
                   "-r", "-w", *command)

    is_killed_and_comes_back(["one", "two"])
    pid = server()
    need(status_of(pid, "Uid").split()[0] != "0", "user")
    need("started" in inside("rc-service", "chat", "status"), "status")
    inside("rc-service", "chat", "restart")
    need(until(server, "it runs again") != pid, "a restart")
    until(is_open, "it listens")
    need(history() == ["one", "two"], "after a restart:", history())
    inside("rc-service", "chat", "stop")
    need(server() is None, "the server runs after its stop")
    log = open(root + "/var/log/chat.log").read()
    need(log.count("Listening for up to") == 3, "log:", log)
    return "OpenRC " + run("chroot", root, "openrc", "--version").split()[-1]


# ---- a container ----

def check_container(folder):
    tree = copy_of_source(folder)
    # as Containerfile says
    text = open(TOP + "/contrib/Containerfile").read()
    commands = re.findall(r"^#     ((?:make|buildah|podman) .*)$", text, re.M)
    need(len(commands) == 4, commands)
    make, build, plain, keep = (command.split() for command in commands)
    shutil.copytree(TOP + "/contrib", tree + "/contrib")
    run(*make, cwd=tree)
    run("strip", "chat", cwd=tree)
    # this system's own limits and control groups, and a store in the folder
    run("umount", "-R", "/sys/fs/cgroup")
    run("mount", "-t", "cgroup2", "none", "/sys/fs/cgroup")
    # podman wants a short path there
    run("mount", "-t", "tmpfs", "none", "/mnt")
    store = ["--root", folder + "/store", "--runroot", "/mnt/run",
             "--storage-driver", "vfs"]
    run("buildah", *store, "build", "--isolation", "chroot", *build[2:],
        cwd=tree)
    podman = ["podman", *store, "--cgroup-manager", "cgroupfs",
              "--events-backend", "none"]

    def is_fine(command, before, after):
        """A container is safe, has these messages, and ends with others."""
        # its own ports would need a firewall's rules, so it has our network
        options = [word for word in command[2:]
                   if word not in ("-p", "8080:8080")]
        machine = start(*podman, "run", "--rm", "--cgroups", "disabled",
                        "--network", "host", "--ulimit", "nofile=2048:2048",
                        "--ulimit", "nproc=100:100", *options)
        until(lambda: is_open() or machine.poll() is not None, "it listens")
        if machine.poll() is not None:
            raise AssertionError("podman: " + machine.stdout.read())
        pid = server()
        need(status_of(pid, "Uid").split() == ["65534"] * 4, "user")
        need(status_of(pid, "NSpid").split()[1] == "1", "process 1")
        need(status_of(pid, "CapEff").strip("0") == "", "capabilities")
        mounts = open("/proc/%d/mounts" % pid).read()
        need(re.search(r"^\S+ / \S+ ro,", mounts, re.M), mounts)
        files = "/proc/%d/root" % pid
        programs = [name for name in os.listdir(files)
                    if not os.path.isdir(os.path.join(files, name))]
        need(programs == ["chat"], "other files:", programs)
        need(history() == before, "before:", history())
        talk(PORT, after)
        os.kill(pid, signal.SIGTERM)
        output, _ = machine.communicate(timeout=LIMIT)
        need(machine.returncode == 0, "podman:", output)

    is_fine(plain, [], ["forgotten"])
    is_fine(plain, [], ["forgotten"])
    is_fine(keep, [], ["kept"])
    is_fine(keep, ["kept"], ["too"])
    return run("podman", "--version").strip()


# ---- OpenWrt ----

PROCD = """
procd_open_instance() { echo open; }
procd_set_param() { echo "$@"; }
procd_close_instance() { echo close; }
chown() { echo chown "$@"; }
. "$1"
start_service
"""


def check_procd(folder):
    """A stand-in for procd, which Debian does not have: its script is read by
    busybox's shell, as OpenWrt's is, and what it asks for is done."""
    commands = recipe("A router with OpenWrt")
    tree = copy_of_source(folder)
    run("sh", "-c", commands[0], cwd=tree)
    need("ARM" in run("readelf", "-h", "chat", cwd=tree), "not for ARM")
    with open(folder + "/passwd", "w") as file:
        file.write("root:x:0:0:root:/root:/bin/ash\n")
    for _ in range(2):
        run("busybox", "sh", "-c", commands[4].replace("/etc", folder))
    need(open(folder + "/passwd").read().count("\nchat:x:8080:") == 1, commands)
    text = open(TOP + "/contrib/chat.procd").read()
    need(text.startswith("#!/bin/sh /etc/rc.common\n"), text)
    script = folder + "/script"
    with open(script, "w") as file:
        file.write(text.replace("/tmp/chat", folder + "/chat"))
    asked = run("busybox", "sh", "-euc", PROCD, "procd", script).splitlines()
    need(asked[:2] == ["chown chat %s/chat" % folder, "open"] and
         asked[-1] == "close", asked)
    wanted = dict(line.split(" ", 1) for line in asked[2:-1])
    need(wanted["user"] == "chat" and wanted["respawn"] == "3600 1 0" and
         wanted["no_new_privs"] == "1" and wanted["stderr"] == "1", wanted)
    limit = re.fullmatch(r"nofile=(\d+) \1", wanted["limits"]).group(1)
    command = wanted["command"].split()
    need(command[0] == "/usr/bin/chat", command)
    room = start("sh", "-c", "ulimit -n %s; exec %s/chat %s"
                 % (limit, TOP, " ".join(command[1:])))
    until(is_open, "it listens")
    talk(PORT, ["one"])
    room.kill()
    room.wait()
    room = start(TOP + "/chat", *command[1:])
    until(is_open, "it listens")
    need(history() == ["one"], "after a kill:", history())
    room.terminate()
    room.wait()
    return "procd (a stand-in)"


def main():
    if os.geteuid() != 0:
        sys.exit("check-start: only root can make the namespaces that it needs")
    if len(sys.argv) == 1:
        os.execvp("unshare", ["unshare", "--net", "--mount", "--pid", "--fork",
                              "--kill-child", "--mount-proc", sys.executable,
                              sys.argv[0], "inside"])
    run("ip", "link", "set", "lo", "up")
    done = []
    folder = TOP + "/test/build/start"
    os.makedirs(folder, exist_ok=True)
    try:
        for check in (check_systemd, check_openrc, check_procd,
                      check_container):
            done.append(check(tempfile.mkdtemp(dir=folder)))
            need(not is_open() and server() is None, "it is still there")
    finally:
        for child in children:
            child.kill()
    print("check-start: %s start chat, start it again, and keep its messages"
          % ", ".join(done))


main()
