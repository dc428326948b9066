"""Every row of tests/bad/repo/EXPECT: the answer it must get, from a folder and over HTTP; nothing outside the cache is touched, nothing runs."""
import os
import subprocess
import time
import unittest

from lib import FetchTest, SOURCE, tree_state, write
from bad_git import BadGit
from git_http import GitHttp

import sys
sys.path.insert(0, os.path.join(SOURCE, "tests/bad/repo"))
from make import PACKS, Repo, TREES  # noqa: E402


def expectations():
    rows = {}
    with open(os.path.join(SOURCE, "tests/bad/repo/EXPECT")) as file:
        for line in file:
            if not line.startswith("#") and line.strip():
                case, what, *rest = line.split(None, 2)
                rows[case] = (what, rest[0].strip() if rest else "")
    return rows


class Bad(FetchTest):
    expected = expectations()

    def setUp(self):
        super().setUp()
        self.canary = write(self.path("elsewhere"), "canary", "untouched\n")
        os.makedirs(self.path("srv"))

    def check(self, case, answer):
        what, text = self.expected[case]
        with self.subTest(case, answer=answer):
            if what == "ok":
                self.assertEqual(answer["event"], "reply", answer)
                self.check_snapshot(answer, [one for one in text.split("; ") if one])
            else:
                self.assertRefused(answer, what, text)
            self.assertNotIn("\x1b", str(answer.get("text")))

    def check_snapshot(self, answer, wanted):
        """wanted: NAME=TEXT, NAME->TARGET, NAME/ (an empty folder), !NAME (must not be there), warns TEXT."""
        root = answer["snapshot"]
        for one in wanted:
            if one.startswith("warns "):
                self.assertTrue(any(one[6:] in warning for warning in answer["warnings"]), answer)
            elif one.startswith("!"):
                self.assertFalse(os.path.lexists(os.path.join(root, one[1:])), one)
            elif one.endswith("/") and "=" not in one:
                self.assertEqual(os.listdir(os.path.join(root, one[:-1].encode().decode("unicode_escape"))), [])
            elif "->" in one:
                name, target = one.split("->")
                self.assertEqual(os.readlink(os.path.join(root, name)), target)
            else:
                name, text = one.split("=", 1)
                self.assertFalse(os.path.islink(os.path.join(root, name)), name)
                with open(os.path.join(os.fsencode(root), name.encode().decode("unicode_escape").encode("latin-1")), "rb") as file:
                    self.assertEqual(file.read(), text.encode().decode("unicode_escape").encode("latin-1"), name)

    def test_every_case_has_its_row(self):
        self.assertEqual(sorted(self.expected), sorted(list(TREES) + list(PACKS)))

    def test_trees_in_a_folder(self):
        drive = self.drive(files=11000)
        for case, make in TREES.items():
            make(Repo(self.path("srv", case)))
            self.arm(case)
        before = tree_state(self.temp, skip=[self.cache])
        for case in TREES:
            since = time.monotonic()
            self.check(case, drive.ask(self.path("srv", case)))
            self.assertLess(time.monotonic() - since, 30, case)
        self.assertEqual(tree_state(self.temp, skip=[self.cache]), before)
        self.no_trace()

    def test_trees_over_http(self):
        """Through a mirror. What git itself will not send any more is met by the pack cases."""
        drive = self.drive(files=11000)
        cases = [c for c in TREES if c not in ("G6-missing", "G6-wrong-bytes", "G9-commondir", "G9-config", "G9-include", "G9-include-device", "G9-include-itself", "G8-many", "G6-mode-none")]
        for case in cases:
            TREES[case](Repo(self.path("srv", case)))
        before = tree_state(self.temp, skip=[self.cache, self.path("srv")])
        with GitHttp(self.path("srv")) as server:
            for case in cases:
                answer = drive.ask("%s/%s" % (server.url, case))
                if answer["event"] == "error" and answer["code"] == "AMA_E_UNREACHABLE":
                    self.assertNotEqual(self.expected[case][0], "ok", case)  # git's own server would not
                else:
                    self.check(case, answer)
        self.assertEqual(tree_state(self.temp, skip=[self.cache, self.path("srv")]), before)
        self.no_trace()

    def test_packs(self):
        drive = self.drive()
        before = tree_state(self.temp, skip=[self.cache])
        for case, make in PACKS.items():
            refs, data, advertised = make(case)
            with BadGit(refs, data, advertised) as server:
                since = time.monotonic()
                answer = drive.ask(server.url + "/x.git")
                self.check(case, answer)
                self.assertLess(time.monotonic() - since, 20, case)
        self.assertEqual(tree_state(self.temp, skip=[self.cache]), before)
        self.no_trace()

    def arm(self, case):
        """CANARY in a configuration is a file that appears if somebody runs it."""
        for folder, _, files in os.walk(self.path("srv", case)):
            for name in files:
                if "objects" not in folder:
                    path = os.path.join(folder, name)
                    with open(path) as file:
                        text = file.read()
                    if "CANARY" in text:
                        with open(path, "w") as file:
                            file.write(text.replace("CANARY", self.path("elsewhere/ran")))

    def no_trace(self):
        self.assertEqual(os.listdir(self.path("elsewhere")), ["canary"])
        with open(self.canary) as file:
            self.assertEqual(file.read(), "untouched\n")
        stages = [n for n in os.listdir(self.cache + "/snapshots") if n.startswith(".")]
        self.assertEqual(stages, [])
        found = subprocess.run(["find", self.cache, "-name", "evil*"], stdout=subprocess.PIPE).stdout
        self.assertEqual(found, b"")


if __name__ == "__main__":
    unittest.main()
