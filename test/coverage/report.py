#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""report.py LINES.json CONDITIONS.json: what gcovr counted, and which conditions
llvm-cov has not seen to decide anything.  The bound of a copy may be one, where
the length was checked before; more fail."""
import json
import re
import sys

MAY_FAIL = 2
lines = json.load(open(sys.argv[1]))
conditions, idle = 0, []
for file in json.load(open(sys.argv[2]))["data"][0]["files"]:
    source = open(file["filename"]).read().split("\n")
    for record in file.get("mcdc_records", []):
        text = " ".join(source[record[0] - 1:record[2]])
        conditions += len(record[-1])
        idle += ["%s:%d: condition %d of: %s" % (
            file["filename"].split("/")[-1], record[0], k + 1,
            re.sub(r"\s+", " ", text).strip())
            for k, decides in enumerate(record[-1]) if not decides]
for line in idle:
    print("not shown to matter:", line)
print("coverage: %.1f %% of %d lines; %d of %d conditions of ws.c and http.c "
      "decide" % (lines["line_percent"], lines["line_total"],
                  conditions - len(idle), conditions))
sys.exit(len(idle) > MAY_FAIL)
