"""Every C file compiles with clang, too, which the fuzz preset uses: the warnings of two compilers, and a preset that is known to build.

usage: clang.py BINARY_DIR (of any preset: its compile_commands.json names files and flags)
"""
import concurrent.futures
import json
import os
import pathlib
import shlex
import subprocess
import sys


def check(entry):
    words = shlex.split(entry["command"])[1:]
    at = words.index("-o")
    del words[at:at + 2]
    words = [w for w in words if w != "-c" and not w.startswith(("-fsanitize", "-fno-sanitize"))]
    done = subprocess.run(["clang-14", "-fsyntax-only", *words], cwd=entry["directory"], capture_output=True, text=True)
    return done.stderr if done.returncode else ""


entries = json.loads((pathlib.Path(sys.argv[1]) / "compile_commands.json").read_text())
once = {entry["file"]: entry for entry in entries if entry["file"].endswith(".c")}
with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
    bad = [text for text in pool.map(check, once.values()) if text]
print("".join(bad) or f"{len(once)} files")
sys.exit(1 if bad or not once else 0)
