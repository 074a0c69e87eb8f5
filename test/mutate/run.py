#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""One small mistake at a time in the product's files: which do no tests notice?

    run.py DIR [SAMPLE [FILE...]]

Works in DIR; DIR/tree is a copy of the product and its tests, built by tcc.
SAMPLE mutants, the same ones as long as their lines stay the same, or all of
them for 0, of the FILEs or of all.  Lists those that survive, for eyes: some
change nothing that anybody could see, the others show what is not tested.
"""
import concurrent.futures
import hashlib
import os
import queue
import re
import shutil
import signal
import subprocess
import sys
import time

FILES = ["sha1.c", "base64.c", "ws.c", "http.c", "ring.c", "chat.c"]
# what is tested by its header; the ring with small limits, on a fake disk
RING = "test/build/ring"
UNITS = [*FILES[:4], RING + "/ring.o"]
BUILDS = ["small", "big", "crowd", "tight", "drip", "busy"]
# The suites that look at a file, one stage after the other.  Those of a stage
# run side by side, cut into so many parts, as they wait most of the time.
STAGES = {
    "sha1.c": [{"sha1": 1}],
    "base64.c": [{"base64": 1}],
    "ws.c": [{"ws": 1}, {"wire": 1}],
    "http.c": [{"http": 1}, {"wire": 1, "chat": 6}],
    "ring.c": [{"ring": 1}, {"wire": 1, "file": 4}],
    "chat.c": [{"chat": 6}, {"wire": 1, "file": 4}, {"soak": 4}],
}
NEEDS = {"wire": ["big"], "chat": ["small"], "file": ["small"],
         "soak": ["crowd", "tight", "drip"]}
WORKERS = 6
LIMIT = 120   # seconds that a suite may take

# What changes nothing: comments, conditions that hold, the number of an array's
# elements, {0} before a value, and va_end() on these machines.
NEVER = re.compile(r"/\*.*?\*/|\bassert\([^;]*;|= 1 / \([^\n]*"
                   r"|/ sizeof \w+\[0\]|= \{0\}|va_end\([^\n]*", re.S)
# Nobody notices a larger buffer.
BUFFER = re.compile(r"\t(?:unsigned )?char \w+\[$")

# What a token becomes.  clang-format tells binary operators, with a blank on
# each side, from pointers and signs.
SWAPS = {
    "<": ["<=", ">="], "<=": ["<"], ">": [">=", "<="], ">=": [">"],
    "==": ["!="], "!=": ["=="], "&&": ["||"], "||": ["&&"], "(!": ["("],
    "!": [""], "+": ["-"], "-": ["+"], "*": ["/"], "/": ["*"], "%": ["/"],
    "&": ["|"], "|": ["&"], "^": ["&"], "<<": [">>"], ">>": ["<<"],
    "++": ["--"], "--": ["++"], "+=": ["-="], "-=": ["+="], "|=": ["="],
    "^=": ["="], "true": ["false"], "false": ["true"],
}
TOKEN = re.compile(
    r"/\*.*?\*/|\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'|->|\b[A-Za-z_]\w*\b"
    r"|\b0[xX][0-9a-fA-F]+\b|\b\d+\b| (?:<<|>>|<=|>=|==|!=|&&|\|\||\+=|-=|\|=|\^=)"
    r"(?=\s)| [-+*/%&|^<>](?=\s)|\+\+|--|\(!|(?<=[=&|]) !", re.S | re.M)
STATEMENT = re.compile(r"^\t+(?!(?:static|const|struct|unsigned|int|size_t|char"
                       r"|bool|uint64_t|uint32_t|va_list|case|default|do|for"
                       r"|enum|time_t|ssize_t|socklen_t|in_port_t|void|rlim_t"
                       r"|short)\b|return [^;])"
                       r"(?:\"(?:\\.|[^\"\\])*\"|[^\";{}:/]|/(?!\*))*;", re.M)


def mutants(name):
    """All of a file's: (key, offset, old text, new text)."""
    text = open(name).read()
    start = text.index("#include")
    seen = {}
    never = {at for m in NEVER.finditer(text) for at in range(*m.span())}

    def mutant(at, old, new):
        first = text.rindex("\n", 0, at) + 1
        last = text.index("\n", at)
        pad = " " if old.startswith(" ") else ""
        line = (text[first:at] + pad + "{" + old.strip() + " -> " + new.strip()
                + "}" + text[at + len(old):last]).strip()
        line = re.sub(r"\s+", " ", line)
        seen[line] = seen.get(line, 0) + 1
        key = "%s: %s" % (name, line)
        if seen[line] > 1:
            key += " (%d)" % seen[line]
        return key, at, old, new

    for m in TOKEN.finditer(text, start):
        old = m.group()
        line = text[text.rindex("\n", 0, m.start()) + 1:m.start()]
        if m.start() in never or old[0] in "\"'" or line.startswith("#"):
            continue
        if re.fullmatch(r"0[xX][0-9a-fA-F]+", old):
            yield mutant(m.start(), old, "(%s ^ 1)" % old)
        elif old.isdigit():
            if not BUFFER.match(line):
                yield mutant(m.start(), old, str(int(old) + 1))
            if old != "0":
                yield mutant(m.start(), old, str(int(old) - 1))
        for new in SWAPS.get(old.strip(), []):
            yield mutant(m.start(), old, old.replace(old.strip(), new))
    for m in STATEMENT.finditer(text, start):
        body = m.group().lstrip("\t")
        if m.end() - len(body) not in never or "*/" in body:
            yield mutant(m.end() - len(body), body, ";")


# ---- Trying a mutant, in a folder of its own ----

def compile(here, *command):
    return subprocess.run([*command, "-w", "-std=c99"], cwd=here,
                          stderr=subprocess.DEVNULL).returncode == 0


def build_ring(here, *compiler):
    return compile(os.path.join(here, RING), *compiler, "-Dpwrite=fake_pwrite",
                   "-Dfsync=fake_fsync", "-D_POSIX_C_SOURCE=200809L", "-c",
                   "-o", "ring.o", "ring.c")


def build(here, where):
    """Builds the program that is in a folder below."""
    return compile(os.path.join(here, where), "tcc",
                   "-D_POSIX_C_SOURCE=200809L", "-o", "chat", *FILES)


TESTS = ["test/bare/main.c", "test/client.c", *sorted(
    "test/" + f for f in os.listdir("test") if re.match(r"test_.*\.c$", f))]
TEST = ["-D_XOPEN_SOURCE=700", "-DWAIT=4000", "-Itest/bare"]
SANITIZED = ["gcc", "-O1", "-fsanitize=address,undefined",
             "-fno-sanitize-recover=all"]


def build_sanitized(here):
    """The tests are built only once."""
    objects = [re.sub(r".*/(.*)c$", r"asan/\1o", t) for t in TESTS]
    if not os.path.exists(os.path.join(here, "asan")):
        os.mkdir(os.path.join(here, "asan"))
        for source, to in zip(TESTS, objects):
            compile(here, *SANITIZED, *TEST, "-c", "-o", to, source)
    return build_ring(here, *SANITIZED) and compile(
        here, *SANITIZED, *TEST, "-o", "test/build/test", *objects, *UNITS)


def failing(here, suites, log):
    """Runs suites side by side; the name of the first that fails, or None."""
    running = [(suite, subprocess.Popen(
        ["test/build/test", suite], cwd=here, stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=log,
        env={**os.environ, "PART": str(part), "PARTS": str(parts),
             "FILE_KILLS": "20"}))
        for suite, parts in suites.items() for part in range(parts)]
    end = time.monotonic() + LIMIT
    found = None
    while running and found is None:
        time.sleep(0.01)
        for suite, child in running:
            if child.poll() or time.monotonic() > end:
                found = suite
        running = [(s, c) for s, c in running if c.poll() is None]
    for _, child in running:
        child.terminate()
        child.wait()
    return found


def killer(here, file, log):
    """What notices a file's mutant: a suite, or the unit tests under
    sanitizers; None: nothing does; False: it does not compile."""
    shutil.copy(os.path.join(here, file), os.path.join(here, RING))
    if not build(here, ".") or not build_ring(here, "tcc") or not compile(
            here, "tcc", *TEST, "-o", "test/build/test", *TESTS, *UNITS):
        return False
    for suites in STAGES[file]:
        for where in {b for suite in suites for b in NEEDS.get(suite, [])}:
            where = os.path.join("test/build", where)
            shutil.copy(os.path.join(here, file), os.path.join(here, where))
            build(here, where)
        found = failing(here, suites, log)
        if found:
            return found
    if file == "chat.c":
        return None
    build_sanitized(here)
    return "sanitizers" if failing(here, STAGES[file][0], log) else None


def attempt(folders, file, mutant):
    """(name, what notices it, what that said) of a mutant, or for None of the
    file as it is."""
    here = folders.get()
    text = open(file).read()
    name, at, old, new = mutant or ("", 0, "", "")
    with open(os.path.join(here, file), "w") as f:
        f.write(text[:at] + new + text[at + len(old):])
    with open(os.path.join(here, "log"), "w+", errors="replace") as log:
        found = killer(here, file, log)
        log.seek(0)
        said = log.read()
    for where in [".", RING, *("test/build/" + b for b in BUILDS)]:
        shutil.copy(file, os.path.join(here, where))
    folders.put(here)
    if "TELL" in os.environ:
        print(name, "->", found, file=sys.stderr, flush=True)
    return name, found, said


def prepare(base):
    """A queue of folders to work in."""
    folders = queue.Queue()
    for k in range(WORKERS):
        folder = os.path.join(base, str(k))
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(os.path.join(base, "tree"), folder)
        folders.put(folder)
    return folders


def main():
    # tests send it, but a shell's job in the background ignores it
    signal.signal(signal.SIGINT, signal.default_int_handler)
    base = os.path.abspath(sys.argv[1])
    sample = int(sys.argv[2]) if len(sys.argv) > 2 else 100
    files = sys.argv[3:] or FILES
    jobs = [(f, m) for f in files for m in mutants(f)]
    jobs.sort(key=lambda j: hashlib.sha1(j[1][0].encode()).digest())
    folders = prepare(base)
    # the files as they are, too: there nothing may fail
    jobs = [(f, None) for f in files] + jobs[:sample or len(jobs)]
    with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
        done = list(pool.map(lambda j: attempt(folders, *j), jobs))
    for file, (_, found, said) in zip(files, done):
        if found is not None:
            sys.exit("without a mutant, %s fails: %s" % (found, said))
    done = [d for d in done if d[0] and d[1] is not False]
    survivors = sorted(d[0] for d in done if not d[1])
    for name in survivors:
        print("survives:", name)
    print("mutate: %d of %d mutants noticed, %.1f %%" % (
        len(done) - len(survivors), len(done),
        100 - 100 * len(survivors) / max(1, len(done))))


if __name__ == "__main__":
    main()
