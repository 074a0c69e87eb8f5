#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""package.py FOLDER: make dist, and the Debian package that is built from it."""
import glob
import os
import re
import shutil
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from room import STAND_INS, TOP, need, recipes, run

folder = os.path.abspath(sys.argv[1])


def read(path):
    with open(path, "rb") as file:
        return file.read()


def files(root):
    """What a package installs: paths, each with whether it is a program."""
    return {os.path.relpath(os.path.join(where, name), root):
            os.access(os.path.join(where, name), os.X_OK)
            for where, _, names in os.walk(root) for name in names}


def check_dist():
    """The same bytes twice, from a clean checkout, and with another umask."""
    def dist(tree, umask):
        return os.path.join(tree, run("sh", "-c", "umask %s; make -s --no-print-directory dist"
                                      % umask, cwd=tree).split()[-1])

    archive = dist(TOP, "022")
    first = read(archive)
    need(read(dist(TOP, "022")) == first, "a second time: other bytes")
    run("git", "clone", "-q", TOP, "clone", cwd=folder)
    need(read(dist(folder + "/clone", "077")) == first,
         "from a clean checkout: other bytes")
    version = re.search("chat-(.*).tar.gz", archive).group(1)
    shutil.move(archive, folder)
    run("tar", "-xf", os.path.basename(archive), cwd=folder)
    tree = folder + "/chat-" + version
    run("make", cwd=tree)
    need(run(tree + "/chat", "-V") == "chat %s\n" % version, "its version")
    text = read(tree + "/contrib/debian/changelog").decode()
    need(version in text and "@" not in text.replace("@chat.example", ""), text)
    run("make", "clean", cwd=tree)
    return version


def check_debian(version):
    """Built as docs/operation.md says; lintian has nothing to say."""
    work = folder + "/debian"
    run("git", "clone", "-q", TOP, work + "/clone")
    recipe, = recipes("docs/operation.md", "**A package**", "## ")
    run("sh", "-euc", STAND_INS + recipe, cwd=work + "/clone")
    work += "/clone"
    changes, = glob.glob(work + "/*.changes")
    found = run("lintian", "--allow-root", "--fail-on", "error,warning",
                changes)
    need(found == "", "lintian:", found)
    package, = glob.glob(work + "/chat-room_*.deb")
    run("dpkg-deb", "-x", package, work + "/root")
    need(files(work + "/root") == {
        "usr/bin/chat": True, "usr/share/man/man1/chat.1.gz": False,
        "lib/systemd/system/chat.service": False,
        "lib/systemd/system/chat.socket": False,
        "lib/systemd/system/chat@.service": False,
        "lib/systemd/system/chat@.socket": False,
        "usr/share/doc/chat-room/copyright": False,
        "usr/share/doc/chat-room/changelog.gz": False,
        "usr/share/doc/chat-room/changelog.Debian.gz": False,
    }, files(work + "/root"))
    need(run(work + "/root/usr/bin/chat", "-V") == "chat %s\n" % version, "-V")
    need(b"ExecStart=/usr/bin/chat " in
         read(work + "/root/lib/systemd/system/chat.service"), "its unit")


version = check_dist()
check_debian(version)
print("check-package: chat-%s.tar.gz is the same each time; lintian finds "
      "nothing in its Debian package" % version)
