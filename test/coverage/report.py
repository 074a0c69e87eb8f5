#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""report.py BRANCHES.json CONDITIONS.json EXCEPTIONS: what gcovr counted, and
which conditions llvm-cov has not seen to decide anything.  Each of these must
be in the file EXCEPTIONS, with its reason, and nothing else be there."""
import json
import re
import sys

branches, conditions, exceptions = sys.argv[1:4]
total = json.load(open(branches))
known = {line.rstrip("\n") for line in open(exceptions)
         if line.strip() and not line.startswith("#")}
found, all_of_them = set(), 0
for file in json.load(open(conditions))["data"][0]["files"]:
    lines = open(file["filename"]).read().split("\n")
    name = file["filename"].split("/")[-1]
    for record in file.get("mcdc_records", []):
        text = "\n".join(lines[record[0] - 1:record[2]])
        all_of_them += len(record[-1])
        for k, decides in enumerate(record[-1]):
            if not decides:
                found.add("%s, condition %d of: %s" % (
                    name, k + 1, re.sub(r"\s+", " ", text).strip()))
for line in sorted(found - known):
    print("not shown to matter:", line)
for line in sorted(known - found):
    print("no longer true, in test/coverage/exceptions:", line)
print("coverage: %.1f %% of %d lines, %.1f %% of %d branches; "
      "%d of %d conditions of ws.c and http.c decide, %d exceptions"
      % (total["line_percent"], total["line_total"],
         total["branch_percent"], total["branch_total"],
         all_of_them - len(found), all_of_them, len(known)))
sys.exit(found != known)
