"""Every row of tests/bad/repo/EXPECT through the whole fetcher: the answer it must get, from a folder and over HTTP; nothing outside the cache is touched, nothing runs."""
import os
import subprocess
import time
import unittest

from lib import FetchTest, SOURCE, tree_state, write
from bad_git import BadGit
from git_http import GitHttp

import sys
sys.path.insert(0, os.path.join(SOURCE, "tests/bad/repo"))
from make import Repo, read, split_pack  # noqa: E402


def expectations():
    """file: (code or "ok", facts or a fragment of the error, ref that a server is asked for)"""
    rows = {}
    for line in read("EXPECT").decode().splitlines():
        if line.startswith("#"):
            continue
        file, what, *rest = line.split(None, 2)
        facts = [one for one in (rest[0] if rest else "").split("; ") if one]
        asked = [one[5:] for one in facts if one.startswith("asks ")]
        rows[file] = (what, [one for one in facts if not one.startswith("asks ")], asked[0] if asked else "")
    return rows


# What git's own server does with its own broken repository, or would run itself, says nothing about us; nor what it keeps to itself.
NOT_SERVED = ("G6-missing", "G6-wrong-bytes", "G6-mode-none", "G8-many", "G9-commondir", "G9-config", "G9-include", "G9-format", "G9-worktree",
              "G10-branch-garbage", "G10-branch-missing", "G10-branch-hex", "G10-branch-blob", "G10-head", "G10-packed-refs", "G10-commit",
              "G11-pinned")


class Bad(FetchTest):
    expected = expectations()

    def setUp(self):
        super().setUp()
        self.canary = write(self.path("elsewhere"), "canary", "untouched\n")
        os.makedirs(self.path("srv"))

    def check(self, case, answer):
        what, facts, _ = self.expected[case]
        with self.subTest(case, answer=answer):
            if what == "ok":
                self.assertEqual(answer["event"], "reply", answer)
                self.check_snapshot(answer, facts)
            else:
                self.assertRefused(answer, what, facts[0] if facts else "")
            self.assertNotIn("\x1b", str(answer.get("text")))

    def unescaped(self, text):
        text = text.replace("\\o", self.path("elsewhere"))
        return text.encode().decode("unicode_escape").encode("latin-1")

    def check_snapshot(self, answer, facts):
        """As tests/unit/fetcher/bad_test.c does."""
        root = os.fsencode(answer["snapshot"])
        for one in facts:
            if one.startswith("warns "):
                self.assertTrue(any(one[6:] in warning for warning in answer["warnings"]), answer)
            elif one.startswith(("commit ", "ref ")):
                self.assertEqual(answer[one.split()[0]], one.split()[1])
            elif "->" in one:
                name, target = one.split("->")
                self.assertEqual(os.readlink(os.path.join(root, self.unescaped(name))), self.unescaped(target))
            elif "=" in one:
                path, text = (self.unescaped(part) for part in one.split("=", 1))
                self.assertFalse(os.path.islink(os.path.join(root, path)), one)
                with open(os.path.join(root, path), "rb") as file:
                    self.assertEqual(file.read(), text, one)
            else:
                self.assertTrue(one.endswith("/"), one)
                self.assertEqual(os.listdir(os.path.join(root, self.unescaped(one))), [])

    def limited(self):
        """The limits of the unit test."""
        return self.drive(files=11000, file_bytes=1 << 20, tree_bytes=2 << 20)

    def make_all(self, skip=()):
        """(file, name, repository) of all of trees/."""
        for file in self.expected:
            name = os.path.basename(file)[:-5]
            if file.startswith("trees/") and not name.startswith(skip):
                yield file, name, Repo(read(file), self.path("srv", name), self.path("elsewhere"))

    def test_every_file_has_its_row(self):
        files = ["%s/%s" % (folder, name) for folder in ("trees", "packs") for name in os.listdir(os.path.join(SOURCE, "tests/bad/repo", folder))]
        self.assertEqual(sorted(self.expected), sorted(files))

    def test_trees_in_a_folder(self):
        drive = self.limited()
        made = list(self.make_all())
        before = tree_state(self.temp, skip=[self.cache])
        for file, name, repo in made:
            since = time.monotonic()
            self.check(file, drive.ask(self.path("srv", name), ref=repo.ref, commit=repo.commit))
            self.assertLess(time.monotonic() - since, 30, file)
        self.assertEqual(tree_state(self.temp, skip=[self.cache]), before)
        self.no_trace()

    def test_trees_over_http(self):
        """Through a mirror. What git itself will not send any more is met by packs/."""
        drive = self.limited()
        made = list(self.make_all(NOT_SERVED))
        before = tree_state(self.temp, skip=[self.cache, self.path("srv")])
        with GitHttp(self.path("srv")) as server:
            for file, name, repo in made:
                answer = drive.ask("%s/%s" % (server.url, name), ref=repo.ref, commit=repo.commit)
                if answer["event"] == "error" and answer["code"] == "AMA_E_UNREACHABLE":
                    self.assertNotEqual(self.expected[file][0], "ok", file)  # git's own server would not
                else:
                    self.check(file, answer)
        self.assertEqual(tree_state(self.temp, skip=[self.cache, self.path("srv")]), before)
        self.no_trace()

    def test_packs(self):
        drive = self.limited()
        before = tree_state(self.temp, skip=[self.cache])
        for file, (_, _, ref) in self.expected.items():
            if file.startswith("packs/"):
                announced, sent = split_pack(read(file))
                with BadGit(advertised=announced, pack=sent) as server:
                    since = time.monotonic()
                    self.check(file, drive.ask(server.url + "/x.git", ref=ref))
                    self.assertLess(time.monotonic() - since, 20, file)
        self.assertEqual(tree_state(self.temp, skip=[self.cache]), before)
        self.no_trace()

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
