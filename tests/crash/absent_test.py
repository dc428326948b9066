"""A release can not be told to die: no program knows the name of a failpoint, or the variables that give orders."""
import os
import pathlib
import re
import subprocess
import unittest

SOURCE, BIN = pathlib.Path(os.environ["AMA_SOURCE_DIR"]), pathlib.Path(os.environ["AMA_BINARY_DIR"]) / "bin"
PLACE = re.compile(r"\bX \((amad|agent|helper), (\w+), (\w+)\)")
HOOK = re.compile(r"\bAMA_FAILPOINT(?:_OVER)? \((\w+), (\w+)[,)]")


class Absent(unittest.TestCase):
    def setUp(self):
        self.places = {f"{group}.{name}" for _, group, name in PLACE.findall((SOURCE / "actors/base/ama_failpoint.h").read_text())}

    def test_every_place_is_in_the_code_once(self):
        hooks = [".".join(found) for folder in ("actors", "agent", "master") for file in (SOURCE / folder).rglob("*.c")
                 for found in HOOK.findall(file.read_text())]
        self.assertEqual(sorted(hooks), sorted(self.places))

    def test_no_program_knows_one(self):
        self.assertGreater(len(self.places), 50)
        programs = [p for p in BIN.iterdir() if p.is_file() and not p.is_symlink()]
        self.assertTrue({"amad", "ama", "ama-agent", "ama-guard", "ama-fetch-helper"} <= {p.name for p in programs})
        for program in programs:
            text = program.read_bytes()
            known = [p for p in self.places if p.encode() + b"\0" in text]
            self.assertEqual(known, [], program)
            for word in (b"AMA_FAILPOINT", b"ama_failpoint"):
                self.assertNotIn(word, text, program)

    def test_amad_does_not_take_the_option(self):
        done = subprocess.run([BIN / "amad", "--failpoints"], capture_output=True, text=True, timeout=30)
        self.assertEqual((done.returncode, done.stdout), (2, ""))


if __name__ == "__main__":
    unittest.main(verbosity=2)
