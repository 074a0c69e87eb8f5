#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What README.md and docs/ say, done: the experiments, the builds with their
sizes, the other clients, the figures, the links and the functions that they
name.  And their English.  Run in a copy of the tree, for it builds there."""
import glob
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import textwrap

sys.path.insert(0, "test")
from room import Member, Room, need

readme = open("README.md").read()
documents = {name: open(name).read()
             for name in ["README.md", "CONTRIBUTING.md", "SECURITY.md",
                          *sorted(glob.glob("docs/*.md"))]}
done = dict.fromkeys(["experiments", "builds", "clients", "figures", "links",
                      "functions"], 0)


def fail(*words):
    sys.exit("check-readme: " + " ".join(str(word) for word in words))


def run(command, **more):
    return subprocess.run(command, shell=True, check=True, text=True,
                          stdout=subprocess.PIPE, timeout=120, **more).stdout


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return str(s.getsockname()[1])


# ---- What the documents tell to do ----

def steps(text):
    """Each "$ command", which may go on in deeper lines, and what it prints."""
    for block in re.findall(r"(?:^    .*\n)+", text, re.M):
        block = textwrap.dedent(block)
        for step in re.split(r"^\$ ", block, flags=re.M)[1:]:
            lines = step.splitlines()
            n = 1
            while n < len(lines) and (lines[n].startswith("  ") and
                                      lines[n - 1][-1:] in "|{&;"
                                      or is_inside(lines[:n])):
                n += 1
            yield "\n".join(lines[:n]) + "\n", "\n".join(lines[n:]).strip()


def is_inside(lines):
    """Whether these lines begin a function that has not ended."""
    return lines[0].endswith("() {") and lines[-1].strip() != "}"


def check_experiments():
    for name, text in documents.items():
        room = Room("-n", "0", "-t", "0")
        functions, port, other = "", str(room.port), free_port()
        for command, wanted in steps(text):
            got = run((functions + command).replace("8080", port)
                      .replace("8081", other)).replace("\r", "").strip()
            pattern = re.escape(wanted).replace("…", ".+")
            if not re.fullmatch(pattern, got):
                fail(name, "says:", command, "prints:\n%s\nnot:\n%s"
                     % (wanted, got))
            if re.match(r"\w+\(\) {", command):
                functions += command
            done["experiments"] += 1
        room.stop()


def check_builds():
    """The table of builds with their sizes, and the static one."""
    table = re.findall(r"^\| `(make[^`]*)` \| [\d,]+ \| ([\d,]+) KB \|", readme,
                       re.M)
    for command, size in table:
        run(command)
        counted = int(run("size chat").splitlines()[1].split()[3]) / 1024
        size = int(size.replace(",", ""))
        if not 0.95 * size < counted <= size:
            fail(command, "has %d KB, not at most %d" % (counted, size))
        done["builds"] += 1
    assert len(table) > 3
    run("make CC=musl-gcc CFLAGS=-Os LDFLAGS=-static")
    run("strip -o static chat")
    expect_figure(r"under ([\d,]+) KB as a static",
                  os.path.getsize("static") / 1024 + 2, 2)
    done["builds"] += 1
    run("make")


def clients(language):
    """The programs of docs/clients.md in this language."""
    return re.findall(r"```%s\n(.*?)```" % language,
                      documents["docs/clients.md"], re.S)


def check_python():
    """Both programs, in a room whose history is longer than their queues."""
    room = Room("-t", "1", "-l", "0")
    listener = Member(room.port)
    for n in range(100):
        listener.say(str(n))
        listener.hear()
    asynchronous, simple = [text.replace("8080", str(room.port))
                            for text in clients("python")]
    python = subprocess.Popen(["/usr/bin/python3", "-u", "-c", asynchronous],
                              stdout=subprocess.PIPE, text=True)
    need(listener.hear() == "Hello from Python", "websockets")
    while python.stdout.readline() != "Hello from Python\n":
        need(python.poll() is None, "websockets has ended")
    subprocess.run(["/usr/bin/python3", "-c", simple], check=True, timeout=60)
    need(listener.hear() == "21.5" and python.stdout.readline() == "21.5\n",
         "websocket-client")
    python.kill()
    python.wait()
    room.stop()
    done["clients"] += 2


def check_say():
    """contrib/say, with each netcat: 0 if it was said, else 1 and one line."""
    room, dead = Room("-n", "2"), free_port()
    folder = tempfile.mkdtemp()
    netcats = {"nc.openbsd": "nc", "nc.traditional": "nc", "ncat": "nc",
               "busybox": "nc", "toybox": "nc"}
    for program, name in netcats.items():
        where = os.path.join(folder, program)
        os.mkdir(where)
        os.symlink(shutil.which(program), os.path.join(where, name))
        env = {**os.environ, "PATH": where + ":" + os.environ["PATH"]}

        def say(port, text):
            asked = subprocess.run(["sh", "contrib/say", "127.0.0.1", str(port),
                                    text], env=env, stderr=subprocess.PIPE)
            lines = asked.stderr.count(b"\n")
            need((asked.returncode, lines) in ((0, 0), (1, 1)), program, text,
                 asked)
            return asked.returncode == 0

        for text in ("%s \\n 21.5 °C", "x" * 125, "the same", "the same"):
            need(say(room.port, text), program, text)
        for text in (b"caf\xe9", '{"online":1}', "x" * 126):
            need(not say(room.port, text), program, text)
        need(not say(dead, "x"), program, "without a room")
        full = Room("-o", "here.example")
        need(say(full.port, "x"), program, "with -o")
        full.stop()
        done["clients"] += 1
    env["PATH"] = folder
    for program in ("sh", "wc", "printf"):
        os.symlink(shutil.which(program), os.path.join(folder, program))
    without = subprocess.run(["sh", "contrib/say", "a", "1", "x"], env=env,
                             stderr=subprocess.PIPE, text=True)
    need(without.stderr == "say: there is no nc; apt install netcat-openbsd\n",
         without)
    command, = re.findall(r"^    (sh contrib/say .*)$",
                          documents["docs/clients.md"], re.M)
    listener = Member(room.port)
    run(command.replace("8080", str(room.port)))
    need(re.fullmatch(r"\d+ 21.5", listener.hear()), command)
    room.stop()
    shutil.rmtree(folder)


def check_farewell():
    """A client that closes at once, unread: what had arrived is said."""
    room = Room()
    listener, speaker = Member(room.port), Member(room.port)
    speaker.socket.sendall(b"".join(
        b"\x81" + bytes([128 + len(str(n))]) + bytes(4) + str(n).encode()
        for n in range(200)))
    speaker.socket.close()
    for n in range(200):
        need(listener.hear() == str(n), "not", n)
    room.stop()
    done["clients"] += 1


def check_boards():
    """What two libraries send by themselves, and with the lines of the page; and
    a subprotocol, which the server does not name."""
    room = Room()

    def answer(host, fields):
        with socket.create_connection(("127.0.0.1", room.port), 60) as s:
            s.sendall(("GET / HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\n"
                       "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                       "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n%s\r\n"
                       % (host, fields)).encode())
            head = b""
            while b"\r\n\r\n" not in head:
                head += s.recv(4096)
            return head.split(b"\r\n\r\n")[0].decode()

    lines, = clients("cpp")
    first, second = re.findall(r"(?:Origin: |Origin\", \")([^\"]+)", lines)
    for host, before, after in (
            ("board:8080", "file://", first),
            ("board", "https://github.com/gilmaimon/TinyWebsockets", second)):
        need(" 403 " in answer(host, "Origin: %s\r\n" % before), before)
        need(" 101 " in answer(host, "Origin: %s\r\n" % after), after)
        done["clients"] += 1
    joined = answer("board", "Sec-WebSocket-Protocol: name\r\n")
    need(" 101 " in joined and "Protocol" not in joined.split("\r\n", 1)[1],
         joined)
    room.stop()


# ---- Figures ----

def expect_figure(pattern, value, tolerance=0):
    """The figure in README.md must be this, or differ by so much."""
    found = re.findall(pattern, readme)
    if not found:
        fail("README.md has no figure like", pattern)
    for text in found:
        if abs(int(text.replace(",", "")) - value) > tolerance:
            fail("README.md has %s, not %d, for %s" % (text, value, pattern))
        done["figures"] += 1


def check_figures():
    sources = [open(name).read() for name in glob.glob("*.[ch]")]
    lines = sum(source.count("\n") for source in sources)
    # rounded to hundreds, since each change of the code changes them
    expect_figure(r"([\d,]+) lines of C", lines, 50)
    # defaults, as the program has them
    manual = open("chat.1").read()
    for letter, preset in re.findall(r"^  -(\w) .*\(default: (\d+)\)",
                                     run("./chat -h"), re.M):
        row = re.search(r"^\| `-%s .*\| ([\d,]+) \|$" % letter, readme, re.M)
        if row is None or row.group(1).replace(",", "") != preset:
            fail("the default of -%s is %s" % (letter, preset))
        part = re.search(r"^\.It Fl %s .*?^\.(?:It|El)" % letter, manual,
                         re.M | re.S).group()
        if "The default is %s." % preset not in part:
            fail("chat.1 does not say that the default of -%s is %s"
                 % (letter, preset))
        done["figures"] += 1
    # the times of the course
    course = documents["docs/course.md"]
    minutes = sum(map(int, re.findall(r"\*Time\*: (\d+)\s+minutes", course)))
    words = "seven eight nine ten eleven twelve thirteen".split()
    if "about %s hours" % words[round(minutes / 60) - 7] not in \
            " ".join(course.split()):
        fail("the stops take %d minutes in all" % minutes)
    path = sum(map(int, re.findall(r"^\| (\d+) \| ", course, re.M)))
    if path != 180:
        fail("the three-hour path takes %d minutes" % path)
    for exercise in re.findall(r"^(\w+) ", open("test/exercises/list").read(),
                               re.M):
        text = course.partition("*Exercise* `%s`" % exercise)[2]
        if "*Hint*" not in re.split(r"\n\n|\n## ", text)[0]:
            fail("docs/course.md has no exercise with a hint:", exercise)
    done["figures"] += 2
    for name, most in (("README.md", 140), ("docs/operation.md", 110),
                       ("docs/course.md", 598)):
        if documents[name].count("\n") > most:
            fail(name, "has more than %d lines" % most)


# ---- Links and names ----

def anchors(text):
    """As GitHub makes them of headings."""
    text = re.sub(r"^```.*?^```", "", text, flags=re.S | re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
            for heading in re.findall(r"^#+ (.*)$", text, re.M)}


def check_links():
    for name, text in documents.items():
        for target in re.findall(r"\]\(([^)]+)\)", text):
            if re.match(r"https?:", target):
                continue
            path, _, anchor = target.partition("#")
            path = os.path.normpath(
                os.path.join(os.path.dirname(name), path)) if path else name
            if not os.path.exists(path):
                fail(name, "links to", path, "which is not there")
            if anchor and anchor not in anchors(open(path).read()):
                fail(name, "links to", target, "which has no such heading")
            done["links"] += 1


def check_functions():
    """A function that is named is in a source; one that is named "in" a file
    is in that."""
    sources = {name: open(name).read() for name in
               [*glob.glob("*.[ch]"), "index.html",
                *glob.glob("test/**/*.[ch]", recursive=True),
                *glob.glob("test/exercises/*.py")]}
    for name, text in documents.items():
        for function in set(re.findall(r"`(\w+)\(\)`", text)):
            if not any(re.search(r"\b%s\(" % function, source)
                       for source in sources.values()):
                fail(name, "names %s(), which is nowhere" % function)
            done["functions"] += 1
        for functions, source in re.findall(
                r"((?:`\w+\(\)`,?\s+(?:and\s+)?)+)in\s+`(\w+\.\w)`", text):
            for function in re.findall(r"`(\w+)\(", functions):
                if not re.search(r"^\w.*\b%s\(" % function, sources[source],
                                 re.M):
                    fail(name, "names %s(), which is not in %s"
                         % (function, source))


def check_path():
    """The three-hour path is closed: what its functions call is on it, or the
    course lists it as understood by its contract.  The sources mark the same
    functions, and the course names each field of a client."""
    course = documents["docs/course.md"]
    text = course.partition("## The three-hour path")[2].partition("\n## ")[0]
    contracts = set(re.findall(r"`(\w+)\(\)`", text.partition(
        "**By their contract.**")[2].partition("\n\n")[0]))
    body, lines = {}, {}
    path, needed = set(), set()
    for name in glob.glob("*.c"):
        source = open(name).read()
        for comment, function, code in re.findall(
                r"((?:^/\*(?:(?!\*/)[\s\S])*\*/\n)?)"
                r"^\w[^;={}()]*?\b(\w+)\([^;{}]*\)\n\{\n(.*?)^\}",
                source, re.M | re.S):
            body[function] = re.sub(r'/\*.*?\*/|"(?:[^"\\]|\\.)*"', "", code,
                                    flags=re.S)
            lines[function] = (comment + code).count("\n") + 3
        row = {function for cells in re.findall(
            r"^\| \d+ \| (.*?in `%s`.*?) \|" % name, text, re.M)
               for function in re.findall(r"`(\w+)\(\)`", cells)}
        mark = re.search(r"Three-hour path:(.*?)(?:\*/|\n \*\n)", source, re.S)
        marked = set(re.findall(r"(\w+)\(\)", mark.group(1) if mark else ""))
        if row != marked:
            fail(name, "marks other functions than the course:", *row ^ marked)
        path |= row
    for function in path:
        called = set(re.findall(r"\b(\w+)\(", body[function])) & set(body)
        needed |= called - path
        if not called <= path | contracts:
            fail(function + "(), on the three-hour path, calls",
                 *called - path - contracts)
    if contracts - needed:
        fail("no function of the three-hour path calls", *contracts - needed)
    struct = re.search(r"^struct client \{.*?^\};", open("chat.c").read(),
                       re.M | re.S).group()
    fields = re.findall(r"\b(\w+)(?:\[\w+\])?;",
                        re.sub(r"/\*.*?\*/", "", struct, flags=re.S))
    table = text.partition("### The client")[2].partition("###")[0]
    for field in fields:
        if not re.search(r"^\|.*`%s`.* \|.*\|$" % field, table, re.M):
            fail("the course does not name the field", field)
    done["functions"] += len(path | contracts)
    code = re.sub(r"/\*.*?\*/", "", open("test/exercises/door.c").read(),
                  flags=re.S)
    if len([line for line in code.splitlines() if line.strip()]) > 100:
        fail("the door has more than 100 lines of code")
    print("check-readme: the three-hour path has %d functions, %d lines, and "
          "calls %d by their contract" % (
              len(path), sum(map(lines.get, path)), len(contracts)))


# ---- English ----

# What test/README.md and others may say, but a reader has to read twice.
CLUMSY = """lest shall nobody everybody whoever whatsoever thereof hence
    thus herein simply obviously trivial trivially easily basically utilize
    leverage nor""".split()
SENTENCE_MAX = 36  # words


def prose(text):
    """The sentences of a document, without code, tables' frames and links."""
    text = re.sub(r"^```.*?^```", "", text, flags=re.S | re.M)
    text = re.sub(r"^    .*$", "", text, flags=re.M)
    text = re.sub(r"<[^>]*>", "", text)
    text = re.sub(r"`[^`]*`", "X", text)
    text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", text)
    return text.replace("*", "")


def check_english():
    known = set(open("test/words").read().split())
    others = {"CHANGELOG.md": prose(open("CHANGELOG.md").read()),
              "test/README.md": prose(open("test/README.md").read()),
              "chat.1": run("mandoc -T utf8 chat.1 | col -bx").replace("‐\n", "")}
    for name, plain in [*others.items(), *((name, prose(text)) for name, text
                                           in documents.items())]:
        words = run("aspell list -l en --encoding utf-8", input=plain)
        unknown = sorted(set(words.split()) - known)
        if unknown:
            fail(name, "has words that neither aspell nor test/words knows:",
                 *unknown)
    for name, text in documents.items():
        plain = prose(text)
        for word in CLUMSY:
            if re.search(r"\b%s\b" % word, plain, re.I):
                fail(name, "says", word)
        twice = re.search(r"\b([a-z]+)\s+\1\b", plain)
        if twice:
            fail(name, "says", repr(twice.group()))
        for paragraph in re.split(r"\n\s*\n|\n[-|\d]|\|", plain):
            for sentence in re.split(r"[.:;?!]\s", paragraph):
                if len(sentence.split()) > SENTENCE_MAX:
                    fail(name, "has a long sentence:",
                         " ".join(sentence.split()))
        for number, line in enumerate(text.splitlines(), 1):
            if len(line) > 95 and not line.startswith(("|", "!", "    ")):
                fail(name, "line", number, "is longer than 95 characters")


check_links()
check_functions()
check_path()
check_english()
check_figures()
check_experiments()
check_builds()
check_python()
check_say()
check_farewell()
check_boards()
print("check-readme: %(experiments)d experiments, %(builds)d builds, "
      "%(clients)d clients, %(figures)d figures, %(links)d links and "
      "%(functions)d functions are as README.md and docs/ say" % done)
