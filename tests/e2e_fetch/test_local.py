"""Repositories and folders of this disk: where they lie, as they lie, and never outside what is allowed. Nothing of them is changed."""
import json
import os
import socket
import subprocess
import unittest

from lib import FetchTest, HELPER, commit, git, new_repo, tree_state, write


class Commits(FetchTest):
    def setUp(self):
        super().setUp()
        self.work = new_repo(self.path("work"))
        self.first = commit(self.work, "first", maki_yml="one\n")
        git(self.work, "tag", "-a", "v1", "-m", "tag")
        git(self.work, "branch", "dev")
        self.second = commit(self.work, "second", maki_yml="two\n")

    def test_refs(self):
        drive, before = self.drive(), tree_state(self.work)
        for ref, commit_id, name in [("", self.second, "main"), ("dev", self.first, "dev"), ("v1", self.first, "v1"),
                                     (self.first, self.first, ""), (self.first[:7], self.first, "")]:
            with self.subTest(ref):
                answer = drive.ask(self.work, ref=ref)
                self.assertSnapshot(answer, {"maki.yml": "one\n" if commit_id == self.first else "two\n"}, commit=commit_id, ref=name)
        self.assertRefused(drive.ask(self.work, ref="devv"), "AMA_E_NOT_FOUND", "did you mean dev?")
        self.assertRefused(drive.ask(self.work, ref="ffff" * 10), "AMA_E_NOT_FOUND")
        self.assertEqual(tree_state(self.work), before)

    def test_forms_of_a_local_address(self):
        drive = self.drive()
        for url in (self.work, self.work + "/", "file://" + self.work, "file://localhost" + self.work, self.work + "/.git"):
            self.assertEqual(drive.ask(url)["commit"], self.second, url)
        subprocess.run(["git", "clone", "-q", "--bare", self.work, self.path("bare.git")], check=True)
        self.assertEqual(drive.ask(self.path("bare.git"))["commit"], self.second)

    def test_uncommitted_changes_are_not_in_a_commit(self):
        write(self.work, "maki.yml", "changed\n")
        self.assertSnapshot(self.drive().ask(self.work), {"maki.yml": "two\n"}, dirty=False)

    def test_cached(self):
        drive = self.drive()
        self.assertEqual([drive.ask(self.work)["cached"] for _ in range(2)], [False, True])

    def test_detached_and_unborn(self):
        git(self.work, "checkout", "-q", self.first)
        drive = self.drive()
        self.assertSnapshot(drive.ask(self.work), {"maki.yml": "one\n"}, ref="")
        self.assertRefused(drive.ask(new_repo(self.path("empty"))), "AMA_E_NOT_FOUND", "no commit on its default branch yet")

    def test_no_repository(self):
        drive = self.drive()
        os.makedirs(self.path("plain"))
        self.assertRefused(drive.ask(self.path("plain")), "AMA_E_NOT_FOUND", "`ama run` takes a folder as it lies there")
        self.assertRefused(drive.ask(self.path("nowhere")), "AMA_E_NOT_FOUND")
        self.assertRefused(drive.ask(self.work + "/maki.yml"), "AMA_E_NOT_FOUND")

    def test_pinned(self):
        drive = self.drive()
        self.assertSnapshot(drive.ask(self.work, ref="main", commit=self.first), {"maki.yml": "one\n"}, ref="main")
        self.assertRefused(drive.ask(self.work, ref="main", commit="1" * 40), "AMA_E_INTEGRITY", "pinned to")

    def test_linked_work_tree(self):
        git(self.work, "worktree", "add", "-q", self.path("linked"), "dev")
        self.assertSnapshot(self.drive().ask(self.path("linked")), {"maki.yml": "one\n"}, ref="dev")

    def test_helper_stays_and_survives_bad_orders(self):
        child = subprocess.Popen([HELPER], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        for line, expected in [(json.dumps({"url": self.work, "cache_dir": self.cache}), b'"done"'), ("{}", b'"failed"'), ("x", b'"failed"'),
                               (json.dumps({"url": "ext::sh", "cache_dir": self.cache}), b'"failed"'),
                               (json.dumps({"url": self.work, "cache_dir": self.path("other")}), b'"failed"'),
                               (json.dumps({"url": self.work, "cache_dir": self.cache}), b'"done"')]:
            child.stdin.write(line.encode() + b"\n")
            child.stdin.flush()
            answer = child.stdout.readline()
            while b'"progress"' in answer:
                answer = child.stdout.readline()
            self.assertIn(expected, answer)
        child.stdin.close()
        self.assertEqual(child.wait(10), 0)
        child.stdout.close()


class Folders(FetchTest):
    def setUp(self):
        super().setUp()
        self.work = self.path("work")
        write(self.work, "maki.yml", "one\n")
        write(self.work, "src/run.sh", "#!/bin/sh\n", 0o755)

    def take(self, path=None, drive=None):
        return (drive or self.drive()).ask(path or self.work, worktree=True)

    def test_no_history(self):
        before = tree_state(self.work)
        self.assertSnapshot(self.take(), {"maki.yml": "one\n", "src/run.sh": "#!/bin/sh\n"}, commit="", ref="", dirty=False, files=2)
        self.assertEqual(tree_state(self.work), before)

    def test_clean_dirty_untracked_ignored(self):
        new_repo_in = lambda: git(self.work, "init", "-q", "-b", "topic")
        new_repo_in()
        head = commit(self.work, "all of it")
        drive = self.drive()
        self.assertSnapshot(self.take(drive=drive), {"maki.yml": "one\n", "src/run.sh": "#!/bin/sh\n"}, commit=head, ref="topic",
                            subject="all of it", dirty=False)
        write(self.work, "maki.yml", "changed\n")
        self.assertSnapshot(self.take(drive=drive), {"maki.yml": "changed\n", "src/run.sh": "#!/bin/sh\n"}, commit=head, dirty=True)
        write(self.work, "maki.yml", "one\n")
        write(self.work, "new", "n\n")
        self.assertEqual(self.take(drive=drive)["dirty"], True)
        write(self.work, ".git/info/exclude", "new\n")
        answer = self.take(drive=drive)
        self.assertSnapshot(answer, {"maki.yml": "one\n", "src/run.sh": "#!/bin/sh\n", "new": "n\n"}, dirty=False)

    def test_same_bytes_same_snapshot(self):
        drive = self.drive()
        first = self.take(drive=drive)
        self.assertEqual((first["cached"], self.take(drive=drive)["cached"]), (False, True))
        write(self.path("twin"), "src/run.sh", "#!/bin/sh\n", 0o700)
        write(self.path("twin"), "maki.yml", "one\n")
        self.assertEqual(self.take(self.path("twin"), drive)["snapshot"], first["snapshot"])
        os.chmod(self.path("twin/maki.yml"), 0o755)
        self.assertNotEqual(self.take(self.path("twin"), drive)["snapshot"], first["snapshot"])

    def test_part_of_a_work_tree(self):
        root = new_repo(self.path("root"))
        write(root, "jobs/a/maki.yml", "a\n")
        head = commit(root, "first", other="o\n")
        drive = self.drive()
        self.assertSnapshot(self.take(root + "/jobs/a", drive), {"maki.yml": "a\n"}, commit=head, dirty=False)
        write(root, "other", "changed\n")
        self.assertEqual(self.take(root + "/jobs/a", drive)["dirty"], False)
        write(root, "jobs/a/maki.yml", "b\n")
        self.assertEqual(self.take(root + "/jobs/a", drive)["dirty"], True)

    def test_repository_without_commits(self):
        git(self.work, "init", "-q", "-b", "main")
        self.assertSnapshot(self.take(), {"maki.yml": "one\n", "src/run.sh": "#!/bin/sh\n"}, commit="", dirty=True)

    def test_what_is_left_out(self):
        """.git at any depth, our own cache, and what is neither file, folder nor link."""
        new_repo(self.work + "/nested")
        write(self.work, "nested/file", "f\n")
        os.mkfifo(self.work + "/pipe")
        with socket.socket(socket.AF_UNIX) as sock:
            sock.bind(self.work + "/sock")
        self.cache = self.work + "/cache"
        answer = self.take()
        self.assertSnapshot(answer, {"maki.yml": "one\n", "src/run.sh": "#!/bin/sh\n", "nested/file": "f\n"})
        self.assertEqual(len([w for w in answer["warnings"] if "left out" in w]), 2, answer)

    def test_links(self):
        secret = write(self.path("elsewhere"), "secret", "secret\n")
        os.symlink("maki.yml", self.work + "/inside")
        os.symlink("../maki.yml", self.work + "/src/up")
        os.symlink(secret, self.work + "/absolute")
        os.symlink("../elsewhere/secret", self.work + "/outside")
        os.symlink("src/../../elsewhere", self.work + "/behind")
        os.symlink("nowhere", self.work + "/dangling")
        answer = self.take()
        self.assertSnapshot(answer, {"maki.yml": "one\n", "src/run.sh": "#!/bin/sh\n", "inside": "-> maki.yml", "src/up": "-> ../maki.yml",
                                     "absolute": secret, "outside": "../elsewhere/secret", "behind": "src/../../elsewhere",
                                     "dangling": "-> nowhere"})
        self.assertEqual(len(answer["warnings"]), 3, answer)

    def test_unreadable(self):
        if os.geteuid() == 0:
            self.skipTest("root reads everything")
        os.chmod(self.work + "/maki.yml", 0)
        self.assertRefused(self.take(), "AMA_E_IO", "maki.yml")

    def test_odd_names(self):
        for name in ("a\nb", ".GIT", "git~1"):
            path = write(self.work, name)
            self.assertRefused(self.take(), "AMA_E_PATH", "the name")
            os.unlink(path)
        latin = os.path.join(os.fsencode(self.work), b"caf\xe9")
        with open(latin, "w"):
            pass
        self.assertEqual(os.listdir(os.fsencode(self.take()["snapshot"])).count(b"caf\xe9"), 1)

    def test_only_folders_of_this_machine(self):
        drive = self.drive()
        self.assertRefused(self.take("https://127.0.0.1/x", drive), "AMA_E_URL", "as it lies")
        self.assertRefused(self.take(self.work + "/maki.yml", drive), "AMA_E_NOT_FOUND")
        self.assertRefused(self.take(self.path("nowhere"), drive), "AMA_E_NOT_FOUND")

    def test_changes_while_it_is_read(self):
        """Whatever the moment, a snapshot is what its name says."""
        stop = subprocess.Popen(["sh", "-c", "i=0; while :; do i=$((i+1)); echo $i$i$i > %s/maki.yml; done" % self.work])
        try:
            drive = self.drive()
            for _ in range(30):
                answer = self.take(drive=drive)
                self.assertTrue(answer["event"] == "reply" or answer["code"] in ("AMA_E_IO", "AMA_E_PATH"), answer)
        finally:
            stop.kill()
            stop.wait()
        child = subprocess.run([HELPER], input=b"".join(
            json.dumps({"url": "%s/snapshots/%s/tree" % (self.cache, name), "worktree": True, "cache_dir": self.path("check")}).encode() + b"\n"
            for name in os.listdir(self.cache + "/snapshots")), stdout=subprocess.PIPE)
        names = [os.path.basename(os.path.dirname(json.loads(line)["snapshot"])) for line in child.stdout.splitlines() if b'"done"' in line]
        self.assertEqual(sorted(names), sorted(os.listdir(self.cache + "/snapshots")))

    def test_nothing_of_its_configuration_runs(self):
        """Row G9 of tests/bad/repo, for a folder as it lies: whether it is dirty is asked without git's filters, hooks and helpers."""
        git(self.work, "init", "-q", "-b", "main")
        commit(self.work, "first")
        ran = "touch " + self.path("ran")
        for hook in ("post-checkout", "pre-commit", "post-index-change", "fsmonitor-watchman"):
            write(self.work, ".git/hooks/" + hook, "#!/bin/sh\n%s\n" % ran, 0o755)
        with open(self.work + "/.git/config", "a") as file:
            file.write("[core]\n\tfsmonitor = %s\n\tpager = %s\n\thooksPath = .git/hooks\n" % (ran, ran))
            file.write("[filter \"evil\"]\n\tclean = %s; cat\n\tsmudge = %s; cat\n\tprocess = %s\n\trequired = true\n" % (ran, ran, ran))
            file.write("[diff \"evil\"]\n\ttextconv = %s\n\tcommand = %s\n" % (ran, ran))
        write(self.work, ".gitattributes", "* filter=evil diff=evil ident eol=crlf working-tree-encoding=UTF-16\n")
        write(self.work, "maki.yml", "$Id$\n")
        answer = self.take()
        self.assertSnapshot(answer, {"maki.yml": "$Id$\n", "src/run.sh": "#!/bin/sh\n", ".gitattributes":
                                     "* filter=evil diff=evil ident eol=crlf working-tree-encoding=UTF-16\n"}, dirty=True)
        self.assertFalse(os.path.exists(self.path("ran")))

    def test_a_broken_history(self):
        git(self.work, "init", "-q", "-b", "main")
        commit(self.work, "first")
        for name in ("index", "HEAD", "config", "refs/heads/main"):
            with self.subTest(name):
                with open(self.work + "/.git/" + name, "rb") as file:
                    good = file.read()
                write(self.work, ".git/" + name, b"\xff[\0" * 20)
                answer = self.take()
                if answer["event"] == "error":
                    self.assertRefused(answer, "AMA_E_INTEGRITY")
                write(self.work, ".git/" + name, good)
        self.assertSnapshot(self.take(), {"maki.yml": "one\n", "src/run.sh": "#!/bin/sh\n"})

    def test_a_folder_becomes_a_link(self):
        """And back, as fast as can be: what the link leads to is never taken."""
        write(self.path("elsewhere"), "x", "secret\n")
        write(self.work, "d/x", "own\n")
        stop = subprocess.Popen(["sh", "-c", "cd %s && while :; do mv d e && ln -s ../elsewhere d && rm d && mv e d; done" % self.work])
        seen = set()
        try:
            drive = self.drive()
            for _ in range(60):
                answer = self.take(drive=drive)
                if answer["event"] == "reply":
                    for folder, _, files in os.walk(answer["snapshot"]):
                        for name in set(files) & {"x"}:
                            with open(os.path.join(folder, name)) as file:
                                seen.add(file.read())
                else:
                    self.assertIn(answer["code"], ("AMA_E_IO", "AMA_E_PATH"), answer)
        finally:
            stop.kill()
            stop.wait()
        self.assertLessEqual(seen, {"own\n"})
        self.assertEqual(subprocess.run(["grep", "-rl", "secret", self.cache], stdout=subprocess.PIPE).stdout, b"")


class Roots(FetchTest):
    """fetch.local-paths: below these folders, whatever links and borrowed objects say."""

    def setUp(self):
        super().setUp()
        self.good = new_repo(self.path("srv/good"))
        commit(self.good, "good", maki_yml="good\n")
        self.secret = new_repo(self.path("secret"))
        self.secret_commit = commit(self.secret, "secret", maki_yml="secret\n")

    def rooted(self):
        return self.drive(schemes=["https"], local_paths=[self.path("srv")])

    def test_below(self):
        drive = self.rooted()
        self.assertSnapshot(drive.ask(self.good), {"maki.yml": "good\n"})
        self.assertSnapshot(drive.ask(self.good, worktree=True), {"maki.yml": "good\n"})
        self.assertRefused(drive.ask(self.secret), "AMA_E_URL", "local-paths")
        self.assertRefused(drive.ask(self.path("srv-twin")), "AMA_E_URL", "local-paths")

    def test_link_out(self):
        os.symlink(self.secret, self.path("srv/link"))
        drive = self.rooted()
        self.assertRefused(drive.ask(self.path("srv/link")), "AMA_E_URL", "outside")
        self.assertRefused(drive.ask(self.path("srv/link"), worktree=True), "AMA_E_URL", "outside")

    def test_git_file_out(self):
        os.makedirs(self.path("srv/pointer"))
        write(self.path("srv/pointer"), ".git", "gitdir: %s/.git\n" % self.secret)
        self.assertRefused(self.rooted().ask(self.path("srv/pointer")), "AMA_E_URL", "outside")

    def test_borrowed_objects(self):
        alternates = self.good + "/.git/objects/info/alternates"
        for text in (self.secret + "/.git/objects\n", "../../../../secret/.git/objects\n"):
            write(self.temp, alternates, text)
            drive = self.rooted()
            self.assertRefused(drive.ask(self.good, ref=self.secret_commit), "AMA_E_URL")

    def test_common_dir_out(self):
        write(self.good, ".git/commondir", self.secret + "/.git\n")
        answer = self.rooted().ask(self.good)
        self.assertRefused(answer, "AMA_E_URL", "outside")


if __name__ == "__main__":
    unittest.main()
