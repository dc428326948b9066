"""The generator refuses what would break somebody later, and names the place. Each case is one change to a copy of the real schema."""

import os
import shutil
import subprocess
import sys
import tempfile
import unittest

ROOT = os.environ.get("AMA_SOURCE_DIR") or os.path.normpath(os.path.join(os.path.dirname(__file__), "..", "..", ".."))
GENERATOR = os.path.join(ROOT, "messages", "gen", "amagen.py")
FIELD = "      - { n: 1, name: stamp, type: u64 }\n"  # of control.ping and control.pong

# label, file, old, new, error that must be printed ({line}: of the first place where `new` differs)
WRONG = (
    ("type twice", "fetch.yaml", "type: 0x0202", "type: 0x0201", "fetch.reply: type 0x0201 is fetch.request's"),
    ("type of another family", "fetch.yaml", "type: 0x0202", "type: 0x0302", "type 0x0302 is not in family 0x02"),
    ("no type", "fetch.yaml", "    type: 0x0202\n", "", "`type` must be a number"),
    ("no sender", "fetch.yaml", "    from: [fetcher]\n", "", "fetch.reply: `from` is missing"),
    ("unknown role", "fetch.yaml", "from: [fetcher]", "from: [fetchers]", "unknown role 'fetchers'"),
    ("unknown reply", "fetch.yaml", "reply: fetch.reply", "reply: fetch.replies", "unknown message 'fetch.replies'"),
    ("reply that is a struct", "lease.yaml", "reply: lease.granted", "reply: lease.held", "unknown message 'lease.held'"),
    ("number twice", "control.yaml", FIELD, FIELD + FIELD.replace("stamp", "other"), "stamp share the number 1"),
    ("name twice", "control.yaml", FIELD, FIELD + FIELD.replace("1", "2"), "member 'stamp' stands twice"),
    ("numbers that fall", "control.yaml", FIELD, FIELD.replace("1", "3") + FIELD.replace("stamp", "other"), "in order of their numbers"),
    ("number 0", "control.yaml", FIELD, FIELD.replace("1", "0"), "`n` must be a number from 1"),
    ("a keyword of C", "control.yaml", FIELD, FIELD.replace("stamp", "register"), "'register' can not be the name"),
    ("string without limit", "fetch.yaml", "name: ref,        type: string, max: 255", "name: ref, type: string", "fetch.request.ref: `max` is missing"),
    ("list without limit", "run.yaml", "of: run.param, max: 1000", "of: run.param", "`max` is missing"),
    ("list of strings without limit", "attempt.yaml", ", item-max: 4096", "", "`item-max` is missing"),
    ("limit on a number", "control.yaml", "type: u64 }", "type: u64, max: 7 }", "`max` does not go with its type"),
    ("unknown type of field", "control.yaml", "type: u64 }", "type: u63 }", "unknown type 'u63'"),
    ("unknown struct", "run.yaml", "of: run.param,", "of: run.parm,", "unknown struct 'run.parm'"),
    ("unknown enum", "run.yaml", "of: run_state,", "of: run_stat,", "unknown enum 'run_stat'"),
    ("unknown word", "control.yaml", "type: u64 }", "type: u64, maximum: 7 }", "unknown key 'maximum'"),
    ("key twice", "control.yaml", "type: u64 }", "type: u64, type: u32 }", "key 'type' stands twice"),
    ("enum without 0", "control.yaml", "none: 0, hub", "hub", "has no value 0"),
    ("enum number twice", "control.yaml", "hub: 1", "hub: 0", "share the number 0"),
    ("optional list", "run.yaml", "of: run.param, max: 1000", "of: run.param, max: 1000, optional: true", "a list is never optional"),
    ("struct of a family not used", "resolve.yaml", "uses: [plan]", "uses: []", "needs `uses: [plan]`"),
    ("struct in itself", "run.yaml", "name: value, type: string, max: 16384", "name: value, type: struct, of: run.param", "run.param holds itself"),
    ("unknown error", "fetch.yaml", "errors: [url", "errors: [uri", "error 'uri' is not one of"),
    ("not YAML", "fetch.yaml", "family: fetch", "family: [fetch", "fetch.yaml:"),
)

# label, file, old, new, complaint: right as a schema, but a promise is broken
BROKEN = (
    ("a message is gone", "fetch.yaml", "fetch.progress", "fetch.advance", "fetch.progress is gone"),
    ("a field is gone", "control.yaml", "name: pid,         type: u32", "name: process, type: u32", "`name` was pid"),
    ("another type of field", "control.yaml", "name: pid,         type: u32", "name: pid, type: u64", "`type` was u32"),
    ("another number of field", "control.yaml", "{ n: 5, name: bundles", "{ n: 6, name: bundles", "field 5 (bundles) is gone"),
    ("another number of message", "fetch.yaml", "0x0203", "0x02ff", "fetch.progress: `type` was 515"),
    ("a smaller limit", "fetch.yaml", "name: ref,        type: string, max: 255", "name: ref, type: string, max: 254", "`max` was 255"),
    ("a new id that must be there", "control.yaml", FIELD, FIELD + "      - { n: 2, name: who, type: id }\n", "must be optional"),
    ("another number of enum value", "control.yaml", "viewer: 12", "viewer: 14", "enum role: viewer = 12"),
    ("required made optional", "control.yaml", "name: pid,         type: u32", "name: pid, type: u32, optional: true", "`optional` was False"),
)

# label, file, old, new: what may be done
ALLOWED = (
    ("a new field", "control.yaml", FIELD, FIELD + "      - { n: 2, name: who, type: id, optional: true }\n"),
    ("a larger limit", "fetch.yaml", "name: ref,        type: string, max: 255", "name: ref, type: string, max: 256"),
    ("a new enum value", "control.yaml", "viewer: 12", "viewer: 12, auditor: 14"),
)


class Generator(unittest.TestCase):
    def setUp(self):
        self.root = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.root)
        for part in ("messages/schema", "tests/golden"):
            shutil.copytree(os.path.join(ROOT, part), os.path.join(self.root, part))
        os.makedirs(os.path.join(self.root, "actors/base"))
        shutil.copy(os.path.join(ROOT, "actors/base/ama_err.h"), os.path.join(self.root, "actors/base"))

    def change(self, name, old, new):
        path = os.path.join(self.root, "messages/schema", name)
        with open(path, encoding="utf-8") as file:
            text = file.read()
        self.assertIn(old, text, "the case no longer fits the schema")
        with open(path, "w", encoding="utf-8") as file:
            file.write(text.replace(old, new, 1))

    def run_generator(self, *args):
        command = [sys.executable, GENERATOR, "--root", self.root, *args]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    def snapshot(self):
        found = {}
        for folder, _, names in os.walk(os.path.join(self.root, "tests")):
            for name in names:
                with open(os.path.join(folder, name), "rb") as file:
                    found[os.path.join(folder, name)] = file.read()
        return found


def wrong_case(name, old, new, error):
    def test(self):
        self.change(name, old, new)
        output = os.path.join(self.root, "out")
        done = self.run_generator("code", output)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertRegex(done.stderr, r"^messages/schema/[a-z]+\.yaml:\d+: error: ")
        if not error.endswith(":"):
            self.assertIn(error, done.stderr)
        self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
        self.assertFalse(os.path.exists(output), "something was written")

    return test


def broken_case(name, old, new, complaint):
    def test(self):
        before = self.snapshot()
        self.change(name, old, new)
        for command in ("check", "update"):
            done = self.run_generator(command)
            self.assertEqual(done.returncode, 1)
            self.assertIn(complaint, done.stderr)
        self.assertEqual(self.snapshot(), before, "a broken schema was promised")

    return test


def allowed_case(name, old, new):
    def test(self):
        before = self.snapshot()
        self.change(name, old, new)
        done = self.run_generator("check")
        self.assertEqual(done.returncode, 1, "what is committed can not be current")
        self.assertIn("amagen.py update", done.stdout)
        self.assertEqual(self.run_generator("update").returncode, 0)
        self.assertEqual(self.run_generator("check").returncode, 0)
        after = self.snapshot()
        for path, data in before.items():
            if path.endswith(".golden"):
                self.assertTrue(after[path].startswith(data), f"{path}: old records changed")

    return test


for number, (label, *case) in enumerate(WRONG):
    setattr(Generator, f"test_wrong_{number:02}_{label.replace(' ', '_')}", wrong_case(*case))
for number, (label, *case) in enumerate(BROKEN):
    setattr(Generator, f"test_broken_{number:02}_{label.replace(' ', '_')}", broken_case(*case))
for number, (label, *case) in enumerate(ALLOWED):
    setattr(Generator, f"test_allowed_{number:02}_{label.replace(' ', '_')}", allowed_case(*case))

if __name__ == "__main__":
    unittest.main()
