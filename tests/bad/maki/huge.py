#!/usr/bin/env python3
"""Prints the bad maki.yml of that name: those that are too large to keep. tests/unit/planner/bad_test.c says what each must be answered with."""
import sys

FLOW = "flow:\n  - {name: a, runner: shell, file: x.sh}\n"
ACTION = "  - {{name: a{0}, runner: shell, file: x.sh}}\n"
HUGE = {
    "size": lambda: FLOW + "x: " + "y" * (8 << 20),
    "comment": lambda: FLOW + "#" * (8 << 20),
    "scalar": lambda: "job-name: " + "y" * 65537 + "\n" + FLOW,
    "brackets": lambda: "[" * 50000,
    "questions": lambda: "? " * 20000,
    "maps": lambda: "".join(" " * i + "a:\n" for i in range(3000))[: 4 << 20],
    "nodes": lambda: "flow:\n" + "  - x\n" * 60000,
    "actions": lambda: "flow:\n" + "".join(ACTION.format(i) for i in range(2001)),
    "error-actions": lambda: "flow:\n" + "".join(
        f"  - {{name: a{i}, runner: shell, file: x.sh, error: {{name: e{i}, runner: shell, file: y.sh}}}}\n" for i in range(1001)),
    "keys": lambda: FLOW + "labels:\n" + "".join(f"  k{i}: v\n" for i in range(19999)) + "  k19998: v\n",
    "cycle": lambda: "flow:\n  # backwards\n" + "".join(
        f"  - {{name: a{i}, runner: shell, file: x.sh, depends-on: [a{(i + 1999) % 2000}]}}\n" for i in range(2000)),
    "inside": lambda: "flow:\n" + "".join(ACTION.format(i) for i in range(2000)),
}
try:
    sys.stdout.write(HUGE[sys.argv[1]]())
except BrokenPipeError:
    pass
