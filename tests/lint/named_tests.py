"""Tests that documents name as FILE::NAME are there: what is shown by a test that was renamed is shown by nothing."""
import pathlib
import re
import sys

root = pathlib.Path(sys.argv[1])
named, missing = 0, []
for document in sorted((root / "docs").rglob("*.md")):
    for number, line in enumerate(document.read_text().splitlines(), 1):
        file = None
        for word in re.findall(r"`([^`]+)`", line):
            path, colons, name = word.partition("::")
            if colons:
                file = root / path
            elif not (file and re.fullmatch(r"test_\w+", word)):
                continue
            else:
                name = word
            named += 1
            text = file.read_text() if file.is_file() else ""
            if not re.search(rf'def {re.escape(name)}\(|void {re.escape(name)} \(|"{re.escape(name)}",', text):
                missing.append(f"{document.relative_to(root)}:{number}: there is no {name} in {file.relative_to(root)}")
print("\n".join(missing) or f"{named} tests are named, and are there")
sys.exit(bool(missing) or named < 20)
