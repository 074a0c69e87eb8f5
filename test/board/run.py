#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""run.py FOLDER MACHINE...: emulated machines, from power-on to a chat.

Each is QEMU's, with Debian's kernel and busybox for that processor, and a
static chat that lines of its /etc/inittab (contrib/inittab) start.  It has a
disk of 16 MB, and a network that leads nowhere but to one port of this
machine's loopback.  Under emulation all is slow, so nothing here must be fast."""
import concurrent.futures
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.dirname(HERE))
from room import LIMIT, Member, need, run, talk
LIMITS = ["CLIENTS_MAX=256", "RING_SIZE=262144"]
ATTACKERS = 250
MODULES = ["virtio_net", "virtio_blk", "ext4"]

# Debian's name; the compiler; QEMU's machine, and how it calls its devices; its
# console; its memory; modules that make the others find their devices
MACHINES = {
    "arm": ("armhf", "arm-linux-gnueabihf-gcc",
            "qemu-system-arm -M virt -cpu cortex-a15", "device",
            "ttyAMA0", 64, ["virtio_mmio"]),
    "s390x": ("s390x", "s390x-linux-gnu-gcc",
              "qemu-system-s390x -M s390-ccw-virtio -cpu max", "ccw",
              "ttysclp0", 128, []),
}

RC = """#!/bin/sh
mount -t devtmpfs none /dev
mount -t proc none /proc
mount -t sysfs none /sys
for module in %s; do modprobe $module; done
mount -t ext4 /dev/vda /var/lib/chat && chown chat /var/lib/chat
ip link set lo up
ip link set eth0 up
ip address add 10.0.2.15/24 dev eth0
ip route add default via 10.0.2.2
"""

INITTAB = """::sysinit:/etc/rc
%s::respawn:-/bin/sh
::shutdown:/bin/umount -a -r
"""


# ---- what the machine consists of ----

def unpack(debian, folder):
    """Unpacks the packages that test/setup has fetched: kernel and busybox."""
    packages = os.path.join(HERE, "packages", debian)
    need(os.path.isdir(packages), "please run: sh test/setup board")
    for name in os.listdir(packages):
        run("dpkg-deb", "-x", os.path.join(packages, name), folder)
    modules = os.path.join(folder, "lib/modules")
    version, = os.listdir(modules)
    run("/sbin/depmod", "-b", folder, version)
    return os.path.join(folder, "boot", "vmlinuz-" + version), version


def modules_of(folder, version, names):
    """The files of these modules and of those that they need; a module that
    the kernel has built in has none."""
    needs = {}
    where = os.path.join(folder, "lib/modules", version)
    for line in open(os.path.join(where, "modules.dep")):
        file, others = line.split(":")
        needs[os.path.basename(file).split(".")[0]] = file, others.split()
    files = set()
    for name in names:
        if name in needs:
            files |= {needs[name][0], *needs[name][1]}
    return sorted(files)


def build(compiler, folder):
    """The program and the attack, static, for that processor."""
    tree = os.path.join(folder, "tree")
    shutil.copytree(os.path.join(folder, "../tree"), tree)
    run("make", "CC=" + compiler, "CFLAGS=-Os -Werror", "LDFLAGS=-static",
        *LIMITS, cwd=tree)
    run(compiler, "-Os", "-static", "-std=c99", "-D_XOPEN_SOURCE=600", "-Wall",
        "-Wextra", "-Werror", "-o", os.path.join(folder, "attack"),
        os.path.join(HERE, "attack.c"))
    run(compiler.replace("gcc", "strip"), os.path.join(tree, "chat"))
    return os.path.join(tree, "chat")


def make_root(folder, kernel, version, chat, first):
    """The machine's files, packed as the kernel unpacks them into memory."""
    root = os.path.join(folder, "root")
    for name in ("bin", "dev", "etc", "proc", "sbin", "sys", "tmp", "usr/bin",
                 "usr/sbin", "var/lib/chat", "lib/modules/" + version):
        os.makedirs(os.path.join(root, name))

    def write(name, text, mode=0o644):
        with open(os.path.join(root, name), "w") as file:
            file.write(text)
        os.chmod(os.path.join(root, name), mode)

    names = first + MODULES
    for file in modules_of(os.path.join(folder, "kernel"), version,
                           names + ["crc32c_generic"]):
        to = os.path.join(root, "lib/modules", version, file)
        os.makedirs(os.path.dirname(to), exist_ok=True)
        shutil.copy(os.path.join(folder, "kernel/lib/modules", version, file),
                    to)
    run("/sbin/depmod", "-b", root, version)
    shutil.copy(os.path.join(folder, "kernel/bin/busybox"), root + "/bin")
    for name in ("init", "bin/sh", "bin/mount", "bin/umount", "sbin/modprobe",
                 "bin/chown", "bin/ip", "bin/stty", "bin/cat", "bin/sync",
                 "bin/ps", "bin/pidof", "sbin/syslogd", "bin/logger",
                 "bin/logread", "sbin/start-stop-daemon", "bin/sleep",
                 "sbin/reboot", "sbin/poweroff", "bin/kill", "bin/wc",
                 "bin/ls", "bin/grep", "bin/tail", "bin/stat"):
        os.symlink("/bin/busybox", os.path.join(root, name))
    shutil.copy(chat, root + "/usr/bin/chat")
    shutil.copy(os.path.join(folder, "attack"), root + "/usr/bin")
    lines = open(os.path.join(TOP, "contrib/inittab")).read()
    write("etc/inittab", INITTAB % lines)
    write("etc/rc", RC % " ".join(names), 0o755)
    write("etc/passwd", "root:x:0:0::/:/bin/sh\n"
                        "chat:x:65534:65534::/:/bin/sh\n")
    write("etc/group", "root:x:0:\nchat:x:65534:\n")
    run("sh", "-c", "find . | cpio -o -H newc -R 0:0 --quiet |"
                    "gzip -1 >../initrd", cwd=root)
    disk = os.path.join(folder, "disk")
    run("/sbin/mke2fs", "-q", "-F", "-t", "ext4", disk, "16M")
    return disk


# ---- the machine ----

class Machine:
    def __init__(self, name, folder):
        (debian, compiler, self.qemu, self.bus, self.console, self.memory,
         first) = MACHINES[name]
        self.name, self.folder = name, folder
        self.said = []  # all messages but those of the attack, in their order
        os.makedirs(folder)
        self.kernel, version = unpack(debian, os.path.join(folder, "kernel"))
        self.disk = make_root(folder, self.kernel, version,
                              build(compiler, folder), first)

    def power_on(self):
        """Starts it, and returns after how many seconds the room answered."""
        # a socket's path must be short
        monitor = os.path.relpath(os.path.join(self.folder, "monitor"))
        if os.path.exists(monitor):
            os.remove(monitor)
        began = time.monotonic()
        self.process = subprocess.Popen(
            self.qemu.split() +
            ["-m", str(self.memory), "-display", "none", "-no-reboot",
             "-kernel", self.kernel,
             "-initrd", os.path.join(self.folder, "initrd"),
             # else 16 MB are for devices alone, and the kernel lacks memory
             "-append", "console=%s quiet panic=-1 cma=0" % self.console,
             "-netdev", "user,id=net,restrict=on,"
             "hostfwd=tcp:127.0.0.1:0-10.0.2.15:8080",
             "-device", "virtio-net-%s,netdev=net" % self.bus,
             "-drive", "if=none,id=disk,format=raw,file=" + self.disk,
             "-device", "virtio-blk-%s,drive=disk" % self.bus,
             "-monitor", "unix:%s,server=on,wait=off" % monitor,
             "-serial", "stdio"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.printed = ""
        self.heard = threading.Condition()
        threading.Thread(target=self.listen, args=(self.process.stdout,),
                         daemon=True).start()
        self.port = self.find_port(monitor)
        self.wait_for_answer(began)
        seconds = time.monotonic() - began
        # a shell for us, which does not repeat what it is told
        self.process.stdin.write(b"\nstty -echo; PS1=\n")
        self.process.stdin.flush()
        self.shell("true")
        return seconds

    def listen(self, stdout):
        while data := os.read(stdout.fileno(), 4096):
            with self.heard:
                self.printed += data.decode(errors="replace")
                self.heard.notify()

    def find_port(self, path):
        """Asks QEMU which port of this machine the kernel has given it."""
        deadline = time.monotonic() + LIMIT
        text = ""
        with socket.socket(socket.AF_UNIX) as monitor:
            while monitor.connect_ex(path) != 0:
                need(self.process.poll() is None, "QEMU does not start")
                need(time.monotonic() < deadline, "QEMU has no monitor")
                time.sleep(0.01)
            monitor.sendall(b"info usernet\n")
            while not (found := re.search(
                    r"HOST_FORWARD\]\s+\d+\s+127\.0\.0\.1\s+(\d+)", text)):
                text += monitor.recv(4096).decode()
        return int(found.group(1))

    def wait_for_answer(self, began):
        while True:
            need(time.monotonic() - began < LIMIT and
                 self.process.poll() is None,
                 "no answer after power-on:", self.printed)
            try:
                with socket.create_connection(("127.0.0.1", self.port),
                                              1) as s:
                    s.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                    if s.recv(15) == b"HTTP/1.1 200 OK":
                        return
            except OSError:
                pass
            time.sleep(0.05)

    def shell(self, command):
        """Types a command at the console, and returns what it has printed."""
        with self.heard:
            self.printed = ""
            self.process.stdin.write(
                b"%s; echo '<<<'$?'>>>'\n" % command.encode())
            self.process.stdin.flush()
            ended = r"(.*)<<<(\d+)>>>"
            need(self.heard.wait_for(
                lambda: re.search(ended, self.printed, re.S), LIMIT),
                 command, "does not end:", self.printed)
            text, code = re.search(ended, self.printed, re.S).groups()
        need(code == "0", command, "failed in the machine:", text)
        return text.replace("\r", "")

    def kill(self):
        """What a power cut does: the disk has what was written until now."""
        self.process.kill()
        self.process.wait()

    def private(self):
        """KB of private memory of the server."""
        text = self.shell("cat /proc/$(pidof chat)/smaps_rollup")
        return sum(map(int, re.findall(r"Private_\w+: +(\d+) kB", text)))

    def free(self):
        text = self.shell("cat /proc/meminfo")
        return int(re.search(r"MemAvailable: +(\d+)", text).group(1))


# ---- the tests ----

ATTACK = "a" * 100  # what each member of attack.c says


def browse(machine):
    """Two pages in a browser chat, and a plain client hears them."""
    member = Member(machine.port)
    node = subprocess.Popen(
        ["node", os.path.join(HERE, "pages.mjs"),
         "http://127.0.0.1:%d/" % machine.port],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    output, _ = node.communicate(timeout=LIMIT)
    need(node.returncode == 0, "two pages:", output)
    for text in ("from Ann's page", "from Bob's page"):
        machine.said.append(member.hear())
        need(text in machine.said[-1], text, "is not", machine.said[-1])
    member.leave()


def talk_in(machine, name, count):
    texts = ["%s %d" % (name, k) for k in range(count)]
    machine.said += texts
    talk(machine.port, texts)
    return texts


def look(machine, durable):
    """Nothing that was never said is in the history, the order is right, and
    what must have survived is there."""
    member = Member(machine.port)
    member.leave()
    history = [text for text in member.history if text != ATTACK]
    invented = [text for text in history if text not in machine.said]
    need(not invented, "never said:", invented)
    places = [machine.said.index(text) for text in history]
    need(places == sorted(set(places)), "out of order:", history)
    missing = [text for text in durable if text not in history]
    need(not missing, "lost:", missing)


def attack(machine):
    """Many members that do not read: the others hear each other all the time.
    Returns how many KB were still free."""
    machine.shell("(attack %d 8080 >/tmp/attack &)" % ATTACKERS)
    speaker, listener = Member(machine.port), Member(machine.port)
    free, dropped = [], 0
    # until all are there, and have been dropped once or more
    while dropped < ATTACKERS:
        text = "witness %d" % len(free)
        machine.said.append(text)
        speaker.say(text)
        while (heard := listener.hear()) == ATTACK:
            pass
        need(heard == text, heard, "is not", text)
        while speaker.hear() != text:
            pass
        free.append(machine.free())
        rounds = re.findall(r", (\d+) had", machine.shell("cat /tmp/attack"))
        dropped = int(rounds[-1]) if rounds else 0
        need(len(free) < 1000, "they are not dropped")
    return min(free)


def check(name, folder):
    machine = Machine(name, folder)
    try:
        seconds = machine.power_on()
        browse(machine)
        memory = machine.private()
        # a power cut after a sync,
        durable = talk_in(machine, "synced", 40)
        machine.shell("sync")
        talk_in(machine, "not synced", 20)
        machine.kill()
        machine.power_on()
        look(machine, durable)
        # one 35 s after that, in which the kernel has written it by itself,
        durable = talk_in(machine, "old", 40)
        time.sleep(35)
        talk_in(machine, "new", 20)
        machine.kill()
        machine.power_on()
        look(machine, durable)
        # and one while the whole ring is overwritten
        free = attack(machine)
        machine.kill()
        machine.power_on()
        look(machine, [])
        talk_in(machine, "at last", 5)
    finally:
        machine.kill()
    print("board: %s: %d MB, the first answer %.1f s after power-on, %d KB of "
          "private memory, 3 power cuts survived, %d MB free while %d members "
          "do not read" % (name, machine.memory, seconds, memory,
                           free // 1024, ATTACKERS), flush=True)


# side by side, since each takes one core
folder = os.path.abspath(sys.argv[1])
with concurrent.futures.ThreadPoolExecutor() as pool:
    for done in [pool.submit(check, name, os.path.join(folder, name))
                 for name in sys.argv[2:]]:
        done.result()
