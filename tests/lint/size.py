"""No source file grows beyond what a reader holds in the head, and no text names a place it must not. Exit 1 with file: reason."""
import pathlib
import re
import sys

ROOT = pathlib.Path(sys.argv[1])
LIMIT = 600
FOLDERS = ["actors", "messages", "config", "master", "agent", "client", "tests", "bench", "scripts", "examples", "docs"]
FORBIDDEN = [
    (re.compile(r"(?<![\w.])/(?:work|root)/"), "an absolute path of one machine"),
    (re.compile(r"repo1?\.maven\.[a-z]+|pypi\.org|registry\.npmjs|deb\.debian\.org"), "a registry's host name"),
]
bad = []
for folder in FOLDERS:
    for path in sorted((ROOT / folder).rglob("*")):
        if not path.is_file() or path.suffix not in (".c", ".h", ".py", ".sh", ".scala", ".java", ".md", ".yaml", ".yml", ".txt", ""):
            continue
        if "corpus" in path.parts or "golden" in path.parts or "bad" in path.parts or path.samefile(__file__):
            continue
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            continue
        name = path.relative_to(ROOT)
        lines = text.splitlines()
        if path.suffix in (".c", ".h", ".py", ".scala", ".java", ".sh") and len(lines) > LIMIT:
            bad.append(f"{name}: {len(lines)} lines, the limit is {LIMIT}")
        for number, line in enumerate(lines, 1):
            bad += [f"{name}:{number}: {why}" for pattern, why in FORBIDDEN if pattern.search(line)]
print("\n".join(bad))
sys.exit(1 if bad else 0)
