#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Each way of contrib/ to start chat, with the real program: systemd, OpenRC and
busybox init on a copy of this system's files, and a container.  Each recipe is
followed as it is printed.  Needs root.

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
from room import (LIMIT, STAND_INS, TOP, Member, need, recipes, run, talk,
                  until)

PORT = 8080
children = []


def start(*command, **more):
    """Starts a program, which ends with this script at the latest."""
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, text=True,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                             **more)
    children.append(child)
    return child


def is_open(port=PORT):
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) == 0


def history(port=PORT, fields=""):
    member = Member(port, fields)
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
        if name.endswith((".c", ".h", ".html", ".1")) or name == "Makefile":
            shutil.copy(os.path.join(TOP, name), tree)
    shutil.copytree(TOP + "/contrib", tree + "/contrib")
    return tree


def first_of(pid):
    """The first process that this one has started."""
    return int(until(lambda: open("/proc/%d/task/%d/children" % (pid, pid))
                     .read(), "it starts").split()[0])


def inside(pid, script):
    """Follows a script in the machine whose process 1 this is."""
    return run("nsenter", "-a", "-r", "-t", str(pid), "sh", "-euc",
               STAND_INS + "cd /tree\n" + script)


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
    copy_of_source(root)
    install, other_port, rooms, upgrade, remove = recipes(
        "docs/operation.md", "any machine with systemd", "**A package**")
    one, many = (open(TOP + "/contrib/%s.service" % name).read()
                 .partition("Restart=")[2] for name in ("chat", "chat@"))
    need(one == many != "", "the two services differ below -f")
    proxied = "X-Forwarded-For: 192.0.2.1\r\n"

    def boot():
        machine = start("systemd-nspawn", "-q", "-D", root, "--register=no",
                        "--keep-unit", "--link-journal=no", "-b", "--",
                        "--unit=sockets.target")
        until(lambda: subprocess.run(
            ["nsenter", "-a", "-t", str(first_of(machine.pid)), "systemctl",
             "-q", "is-active", "sockets.target"],
            stderr=subprocess.DEVNULL).returncode == 0, "it boots")
        return machine

    def power_off():
        os.kill(first_of(machine.pid), signal.SIGRTMIN + 4)
        machine.communicate(timeout=LIMIT)
        need(not is_open(), "the machine is off")

    machine = boot()
    inside(first_of(machine.pid), install)
    until(is_open, "systemd listens")
    need(server() is None, "the server runs before anybody has come")
    is_killed_and_comes_back(["one", "two"])
    pid = server()
    need(status_of(pid, "CapEff").strip("0") == "", "capabilities")
    need(status_of(pid, "NoNewPrivs") == "1", "new privileges")
    need(status_of(pid, "Uid").split()[0] not in ("0", "65534"), "user")
    # an upgrade: the socket stays open, so nobody is refused
    member = Member(PORT)
    asking = start("nsenter", "-a", "-t", str(first_of(machine.pid)), "sh",
                   "-euc", STAND_INS + "cd /tree\n" + upgrade)
    while asking.poll() is None:
        socket.create_connection(("127.0.0.1", PORT), LIMIT).close()
        time.sleep(0.01)
    need(asking.returncode == 0, "upgrade:", asking.stdout.read())
    need(history() == ["one", "two"], "after an upgrade:", history())
    need(server() != pid, "it is the old server")
    need(os.path.samefile("/proc/%d/exe" % server(),
                          root + "/usr/local/bin/chat"), "the old program")
    member.socket.close()
    power_off()
    machine = boot()
    until(is_open, "systemd listens")
    need(history() == ["one", "two"], "after a shutdown:", history())
    # another port, and only that
    inside(first_of(machine.pid), other_port)
    until(lambda: is_open(9090), "it listens at the other port")
    need(not is_open(), "it still listens at the first port")
    need(history(9090) == ["one", "two"], "at the other port")
    options = open("/proc/%d/cmdline" % server()).read().split("\0")
    need(options[1:3] == ["-l", "5"], options)
    # several rooms
    inside(first_of(machine.pid), rooms)
    for port in (8081, 8082):
        until(lambda: is_open(port), "a room listens")
        talk(port, ["at %d" % port], proxied)
    for port in (8081, 8082):
        need(history(port, proxied) == ["at %d" % port], "a room's history")
    inside(first_of(machine.pid), remove)
    for port in (PORT, 9090, 8081, 8082):
        need(not is_open(port), port, "is still open")
    power_off()
    left = run("sh", "-c", "find etc/systemd usr/local var/lib | grep -i "
               "'/chat' || true", cwd=os.path.dirname(root) + "/upper")
    left = [name for name in left.split()
            if os.path.lexists(os.path.join(root, name))]
    need(left == [], "is left:", left)
    return " ".join(run("systemctl", "--version").split()[:2])


# ---- OpenRC, busybox init ----

def boot_busybox(root, inittab):
    """A machine whose process 1 is busybox's init; returns that process."""
    # its own devices, and a chat that was built
    run("mount", "-t", "tmpfs", "none", root + "/dev")
    for name, number in (("null", "3"), ("zero", "5"), ("urandom", "9")):
        run("mknod", "-m", "666", root + "/dev/" + name, "c", "1", number)
    shutil.copy(TOP + "/chat", copy_of_source(root))
    with open(root + "/etc/inittab", "w") as file:
        file.write("::sysinit:/bin/mount -t proc proc /proc\n"
                   "::sysinit:/bin/mount -t tmpfs none /run\n" + inittab)
    os.symlink("/bin/busybox", root + "/init")
    machine = start("unshare", "--pid", "--mount", "--fork", "--kill-child",
                    "chroot", root, "/init")
    return first_of(machine.pid)


def check_openrc(folder):
    root = copy_of_system(folder)
    # nothing else shall start
    for level in ("sysinit", "boot", "default"):
        shutil.rmtree(root + "/etc/runlevels/" + level, ignore_errors=True)
        os.makedirs(root + "/etc/runlevels/" + level)
    # as Alpine boots
    init = boot_busybox(root, "::sysinit:/sbin/openrc sysinit\n"
                        "::sysinit:/sbin/openrc boot\n"
                        "::wait:/sbin/openrc default\n::once:/bin/touch /up\n")
    until(lambda: os.path.exists(root + "/up"), "OpenRC has booted")
    recipe, = recipes("contrib/chat.openrc", "version:", "Options")
    inside(init, recipe)
    until(is_open, "OpenRC has started the server")
    is_killed_and_comes_back(["one", "two"])
    pid = server()
    need(status_of(pid, "Uid").split()[0] != "0", "user")
    need("started" in inside(init, "rc-service chat status"), "status")
    inside(init, recipe)  # the next version
    need(until(server, "it runs again") != pid, "a restart")
    until(is_open, "it listens")
    need(history() == ["one", "two"], "after a restart:", history())
    inside(init, "rc-service chat stop")
    need(server() is None, "the server runs after its stop")
    log = open(root + "/var/log/chat.log").read()
    need(log.count("Client connected (1 online)") > 3, "log:", log)
    os.kill(init, signal.SIGKILL)
    return "OpenRC " + run("chroot", root, "openrc", "--version").split()[-1]


def check_busybox(folder):
    root = copy_of_system(folder)
    for name in ("sbin/syslogd", "sbin/start-stop-daemon", "usr/bin/logger",
                 "usr/bin/killall", "sbin/logread"):
        if os.path.lexists(os.path.join(root, name)):
            os.remove(os.path.join(root, name))
        os.symlink("/bin/busybox", os.path.join(root, name))
    init = boot_busybox(root, "::once:/bin/touch /up\n")
    until(lambda: os.path.exists(root + "/up"), "busybox has booted")
    recipe, = recipes("contrib/inittab", "version:", "::respawn")
    inside(init, recipe)
    until(is_open, "busybox has started the server")
    is_killed_and_comes_back(["one", "two"])
    pid = server()
    need(status_of(pid, "Uid").split()[0] == "8080", "user")
    inside(init, recipe)  # the next version
    until(lambda: server() not in (None, pid), "the server is started again")
    until(is_open, "it listens")
    need(history() == ["one", "two"], "after an upgrade:", history())
    until(lambda: "Client connected" in inside(init, "logread"), "a log")
    os.kill(init, signal.SIGKILL)
    return "busybox init"


# ---- a container ----

def check_container(folder):
    tree = copy_of_source(folder)
    # as Containerfile says
    text = open(TOP + "/contrib/Containerfile").read()
    commands = re.findall(r"^#     ((?:make|buildah|podman) .*)$", text, re.M)
    need(len(commands) == 4, commands)
    make, build, plain, keep = (command.split() for command in commands)
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

RC_COMMON = """
. "$1"
procd_open_instance() { echo open; }
procd_set_param() { echo "$@"; }
procd_close_instance() { echo close; }
case $2 in
enable) ln -sf ../init.d/chat "/etc/rc.d/S${START}chat" ;;
restart) start_service >/asked ;;
esac
"""


def check_procd(folder):
    """A stand-in for procd, which Debian does not have: its script is read by
    busybox's shell, as OpenWrt's is, and what it asks for is done."""
    tree, router = copy_of_source(folder), folder + "/router"
    for name in ("bin", "sbin", "usr/bin", "usr/sbin", "etc/init.d",
                 "etc/rc.d", "tmp"):
        os.makedirs(os.path.join(router, name))
    shutil.copy(shutil.which("busybox"), router + "/bin")
    run("chroot", router, "/bin/busybox", "--install", "-s")
    for name, text in (("rc.common", RC_COMMON), ("group", "root:x:0:\n"),
                       ("passwd", "root:x:0:0:root:/root:/bin/ash\n")):
        with open(router + "/etc/" + name, "w") as file:
            file.write(text)
    at_pc, at_router = recipes("contrib/chat.procd", "OpenWrt.", "USE_PROCD")
    for _ in range(2):
        run("sh", "-euc", 'scp() { cp "$2" "%s/${3#*:}"; }\n%s'
            % (router, at_pc), cwd=tree)
        run("chroot", router, "/bin/sh", "-euc", at_router)
    need("ARM" in run("readelf", "-h", router + "/usr/bin/chat"), "not for ARM")
    size = os.path.getsize(router + "/usr/bin/chat") / 1000
    told = int(re.search(r"That is (\d+) KB;", open(
        TOP + "/contrib/chat.procd").read()).group(1))
    need(told - 10 < size <= told, "it has %d KB, not %d" % (size, told))
    users = open(router + "/etc/passwd").read()
    need(users.count("\nchat:x:8080:") == 1, users)
    need(os.path.exists(router + "/etc/rc.d/S95chat"), "it is not enabled")
    asked = open(router + "/asked").read().splitlines()
    need(asked[0] == "open" and asked[-1] == "close", asked)
    wanted = dict(line.split(" ", 1) for line in asked[1:-1])
    need(wanted["user"] == "chat" and wanted["respawn"] == "3600 1 0" and
         wanted["no_new_privs"] == "1" and wanted["stderr"] == "1", wanted)
    command = wanted["command"].replace("/tmp/", router + "/tmp/").split()
    need(command[0] == "/usr/bin/chat", command)
    need(os.stat(router + "/tmp/chat").st_uid == 8080, "its folder")
    os.chown(router + "/tmp/chat", 0, 0)  # here it runs as root
    for before in ([], ["one"]):
        room = start(TOP + "/chat", *command[1:])
        until(is_open, "it listens")
        need(history() == before, "after a kill:", history())
        talk(PORT, ["one"])
        room.kill()
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
        for check in (check_systemd, check_openrc, check_busybox,
                      check_procd, check_container):
            done.append(check(tempfile.mkdtemp(dir=folder)))
            until(lambda: not is_open() and server() is None, "it is gone")
    finally:
        for child in children:
            child.kill()
    print("check-start: %s start chat, start it again, and keep its messages"
          % ", ".join(done))


main()
