#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""package.py FOLDER: make dist, and the packages of contrib/ that are built
from it: Debian's with Debian's tools, Alpine's and OpenWrt's with stand-ins for
theirs, which do what those files ask for."""
import glob
import os
import re
import shutil
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from room import need, run

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
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
    for name in ("debian/changelog", "alpine/APKBUILD", "openwrt/Makefile"):
        text = read(tree + "/contrib/" + name).decode()
        need(version in text and "@VERSION@" not in text, name)
    run("make", "clean", cwd=tree)
    return version


def check_debian(version):
    """Built as contrib/debian/rules says; lintian has nothing to say."""
    work = folder + "/debian"
    tree = work + "/chat-" + version
    shutil.copytree(folder + "/chat-" + version, tree)
    shutil.copy("%s/chat-%s.tar.gz" % (folder, version),
                "%s/chat-room_%s.orig.tar.gz" % (work, version))
    how, = re.findall("^#     (cp .*) -b -us -uc$",
                      read(tree + "/contrib/debian/rules").decode(), re.M)
    run("sh", "-c", how + " -us -uc", cwd=tree)
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
        "usr/share/doc/chat-room/copyright": False,
        "usr/share/doc/chat-room/changelog.gz": False,
        "usr/share/doc/chat-room/changelog.Debian.gz": False,
    }, files(work + "/root"))
    need(run(work + "/root/usr/bin/chat", "-V") == "chat %s\n" % version, "-V")
    need(b"ExecStart=/usr/bin/chat " in
         read(work + "/root/lib/systemd/system/chat.service"), "its unit")


ABUILD = """
startdir=$1 srcdir=$1/src pkgdir=$1/pkg CFLAGS=-Os CPPFLAGS= LDFLAGS=
. ./APKBUILD
for name in "$pkgname" "$pkgver" "$pkgrel" "$pkgdesc" "$url" "$arch" "$license"
do test -n "$name"; done
test -f "$install"
for file in $source; do tar -xzf "$file" -C "$srcdir"; done
for step in build check package; do (cd "$builddir"; $step); done
"""


def check_alpine(version):
    """A stand-in for abuild, which Debian does not have."""
    work = folder + "/alpine"
    shutil.copytree("%s/chat-%s/contrib/alpine" % (folder, version), work)
    shutil.copy("%s/chat-%s.tar.gz" % (folder, version), work)
    os.mkdir(work + "/src")
    run("busybox", "sh", "-euc", ABUILD, "abuild", work, cwd=work)
    need(files(work + "/pkg") == {
        "usr/bin/chat": True, "usr/share/man/man1/chat.1": False,
        "etc/init.d/chat": True, "etc/logrotate.d/chat": False,
    }, files(work + "/pkg"))
    # its user is the one whom the service names
    asked = run("busybox", "sh", "-uc", "addgroup() { echo $*; };"
                "adduser() { echo $*; }; . ./chat-room.pre-install", cwd=work)
    need(asked.split()[:2] == ["-S", "chat"] and
         asked.endswith("-G chat chat\n"), asked)
    need(b"command_user=chat:chat\n" in read(work + "/pkg/etc/init.d/chat"),
         "its user")


RULES = """
INCLUDE_DIR := $(TOPDIR)
BUILD_DIR := $(TOPDIR)/build
TARGET_CC := arm-linux-gnueabihf-gcc
TARGET_CFLAGS := -Os -Werror
TARGET_LDFLAGS := -static
INSTALL_DIR := install -d -m 755
INSTALL_BIN := install -m 755
"""
PACKAGE = """
define BuildPackage
all:
	mkdir -p $(BUILD_DIR)
	tar -xf $(TOPDIR)/$(PKG_SOURCE) -C $(BUILD_DIR)
	$(call Build/Compile)
	$(call Package/$(1)/install,$(TOPDIR)/root)
ifeq ($(and $(PKG_NAME),$(PKG_RELEASE),$(findstring TITLE:=,$(Package/$(1))),\
$(findstring USERID:=chat:chat,$(Package/$(1)))),)
$$(error incomplete)
endif
endef
"""


def check_openwrt(version):
    """A stand-in for OpenWrt's rules, which Debian does not have."""
    work = folder + "/openwrt"
    shutil.copytree("%s/chat-%s/contrib/openwrt" % (folder, version), work)
    shutil.copy("%s/chat-%s.tar.gz" % (folder, version), work)
    for name, text in (("rules.mk", RULES), ("package.mk", PACKAGE)):
        with open(os.path.join(work, name), "w") as file:
            file.write(text)
    # as OpenWrt's: no variables of ours
    run("env", "-u", "MAKEFLAGS", "-u", "MAKELEVEL", "make", "TOPDIR=" + work,
        cwd=work)
    need(files(work + "/root") == {"usr/bin/chat": True,
                                   "etc/init.d/chat": True},
         files(work + "/root"))
    need("ARM" in run("readelf", "-h", work + "/root/usr/bin/chat"),
         "the processor")


version = check_dist()
check_debian(version)
check_alpine(version)
check_openwrt(version)
print("check-package: chat-%s.tar.gz is the same each time; lintian finds "
      "nothing in its Debian package; stand-ins build those of Alpine and "
      "OpenWrt" % version)
