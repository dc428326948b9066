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
    "directives": lambda: "%TAG !a! x\n" * 350000 + "---\n" + FLOW,
    "strangers": lambda: FLOW + "".join(f"flw{i:05}: x\n" for i in range(24000)),
    "depends": lambda: "flow:\n" + "".join(
        f"  - {{name: action{i}, runner: shell, file: x.sh, depends-on: [{', '.join(f'actoin{i + j}' for j in range(15))}]}}\n" for i in range(1900)),
    "files": lambda: "flow:\n" + "".join(f"  - {{name: a{i}, runner: shell, file: xx{i}.sh}}\n" for i in range(2000)),
    "scan": lambda: "flow:\n" + "".join(f"  - {{name: a{i}, runner: spark-scala, file: flood.scala}}\n" for i in range(2000)),
    "reads": lambda: "flow:\n" + "".join(
        f"  - {{name: a{i}, runner: shell, file: x.sh, reads: [{', '.join('a.' * 60 + str(j) for j in range(20))}]}}\n" for i in range(1500)),
    "config": lambda: "flow:\n" + "".join(f"  - {{name: a{i}, runner: shell, file: x.sh, config: cfg}}\n" for i in range(2000)),
    "patterns": lambda: "flow:\n" + "".join(
        f"  - {{name: a{i}, runner: shell, file: x.sh, retry: {{rules: [{{on: {{message: ['({'ab' * 40}|c{j}){{100}}' , 'b{j}*']}}, do: fail}}]}}}}\n"
        for i in range(1000) for j in range(1)),
    "rules": lambda: "retry: {rules: [" + ", ".join(
        "{on: {error: [" + ", ".join(f"{'e' * 250}{j}" for j in range(30)) + "]}, do: fail}" for i in range(60)) + "]}\nflow:\n" + "".join(
        ACTION.format(i) for i in range(2000)),
    "inside": lambda: "flow:\n" + "".join(ACTION.format(i) for i in range(2000)),
}
try:
    sys.stdout.write(HUGE[sys.argv[1]]())
except BrokenPipeError:
    pass
