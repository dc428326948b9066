"""Servers that hang, helpers that die, disks that are full, limits, caches that were damaged: a named error in bounded time, and no trace."""
import json
import os
import shutil
import signal
import subprocess
import time
import unittest

from lib import FetchTest, commit, new_repo, write
from bad_git import BLOB, BadGit, COMMIT, Silent, TREE, advertisement, commit as bad_commit, header, line, oid, pack, sideband, tree
from git_http import GitHttp


def helpers_of(drive):
    """The fetcher's actor runs on a thread of its own, so all threads are asked."""
    found = []
    for task in os.listdir("/proc/%d/task" % drive.process.pid):
        try:
            with open("/proc/%d/task/%s/children" % (drive.process.pid, task)) as file:
                found += [int(one) for one in file.read().split()]
        except FileNotFoundError:
            pass
    return found


class Good(FetchTest):
    """A small good repository, as something to fetch beside the bad."""

    def setUp(self):
        super().setUp()
        self.work = new_repo(self.path("work"))
        self.head = commit(self.work, "first", maki_yml="one\n")

    def one_blob(self, text=b"x\n"):
        blob = oid(BLOB, text)
        root = tree(("100644", b"maki.yml", blob))
        top = bad_commit(oid(TREE, root))
        return oid(COMMIT, top), pack((COMMIT, top), (TREE, root), (BLOB, text))


class Hanging(Good):
    def timed(self, drive, url, code, text, within):
        since = time.monotonic()
        answer = drive.ask(url)
        self.assertRefused(answer, code, text)
        self.assertLess(time.monotonic() - since, within)
        self.assertSnapshot(drive.ask(self.work), {"maki.yml": "one\n"})  # and goes on

    def test_accepts_and_is_silent(self):
        with Silent() as server:
            drive = self.drive(connect_ms=1000)
            self.timed(drive, server.url + "/x.git", "AMA_E_UNREACHABLE", "after 3 tries", 20)
            self.assertEqual(len(server.connections), 3)

    def test_others_are_not_delayed(self):
        with Silent() as server:
            drive = self.drive(connect_ms=60000)
            stuck = [drive.start("%s/%d.git" % (server.url, n)) for n in range(6)]
            self.assertSnapshot(drive.ask(self.work), {"maki.yml": "one\n"})
            subprocess.run(["git", "clone", "-q", "--bare", self.work, self.path("srv/x.git")], check=True)
            with GitHttp(self.path("srv"), address="127.0.0.2") as good:
                answer = drive.ask(good.url.replace("127.0.0.1", "127.0.0.2") + "/x.git")
            self.assertSnapshot(answer, {"maki.yml": "one\n"})
            self.assertEqual([ask for ask in stuck if ask in drive.answers], [])
            drive.process.kill()
            drive.process.wait()
            drive.close = lambda: [s.close() for s in (drive.process.stdin, drive.process.stdout, drive.process.stderr)]

    def test_trickles_a_header(self):
        with Silent(b"HTTP/1.1 200 OK\r\n", b"X") as server:
            self.timed(self.drive(connect_ms=1000), server.url + "/x.git", "AMA_E_UNREACHABLE", "did not answer", 30)

    def test_sends_refs_and_then_nothing(self):
        def nothing(file):
            time.sleep(60)

        with BadGit([(self.head, "HEAD"), (self.head, "refs/heads/main")], nothing) as server:
            self.timed(self.drive(idle_ms=2000), server.url + "/x.git", "AMA_E_TIMEOUT", "sent nothing for 2 s", 20)
            self.assertEqual(server.requests, 2)

    def test_talks_for_ever(self):
        def chatter(file):
            file.write(line(b"NAK\n"))
            while True:
                file.write(line(b"\x02working on it...\r"))
                time.sleep(0.05)

        with BadGit([(self.head, "HEAD"), (self.head, "refs/heads/main")], chatter) as server:
            self.timed(self.drive(total_ms=1500), server.url + "/x.git", "AMA_E_TIMEOUT", "not done within", 20)

    def test_pack_stops_in_the_middle(self):
        head, data = self.one_blob(os.urandom(200000))

        def half(file):
            file.write(sideband(data)[:90000])
            file.flush()
            time.sleep(60)

        with BadGit([(head, "HEAD"), (head, "refs/heads/main")], half) as server:
            self.timed(self.drive(idle_ms=2000), server.url + "/x.git", "AMA_E_TIMEOUT", "sent nothing", 20)
            drive = self.drive()
            server.pack = data  # the server is well again: what was left behind does no harm
            self.assertEqual(drive.ask(server.url + "/x.git")["event"], "reply")
            for folder, _, files in os.walk(self.cache + "/mirrors"):
                self.assertEqual([f for f in files if f.startswith("pack_git2")], [])

    def test_nobody_waits(self):
        """The daemon goes, its helpers go with it."""
        with Silent() as server:
            drive = self.drive()
            ask = drive.start(server.url + "/x.git")
            drive.wait(ask, "progress")
            helpers = helpers_of(drive)
            self.assertTrue(helpers)
            drive.process.kill()
            drive.process.wait()
            drive.close = lambda: [s.close() for s in (drive.process.stdin, drive.process.stdout, drive.process.stderr)]
            deadline = time.monotonic() + 10
            while any(os.path.exists("/proc/%d/exe" % pid) for pid in helpers) and time.monotonic() < deadline:
                time.sleep(0.02)
            self.assertEqual([pid for pid in helpers if os.path.exists("/proc/%d/exe" % pid)], [])

    def test_connection_refused_and_no_such_host(self):
        drive = self.drive()
        self.timed(drive, "http://127.0.0.1:1/x.git", "AMA_E_UNREACHABLE", "Connection refused", 20)
        self.timed(drive, "http://no-such-host.invalid/x.git", "AMA_E_UNREACHABLE", "no-such-host.invalid", 40)


class Dying(Good):
    def test_killed_helper(self):
        """A helper that is killed in the middle: another try; the ask does not notice."""
        head, data = self.one_blob()
        pids = []

        def first_hangs(file):
            if not pids:
                pids.extend(helpers_of(drive))
                for pid in pids:
                    os.kill(pid, signal.SIGKILL)
                time.sleep(0.2)
            file.write(sideband(data))

        with BadGit([(head, "HEAD"), (head, "refs/heads/main")], first_hangs) as server:
            drive = self.drive()
            self.assertSnapshot(drive.ask(server.url + "/x.git"), {"maki.yml": "x\n"})
            self.assertTrue(pids)

    def test_idle_helper_is_killed(self):
        drive = self.drive()
        for _ in range(3):
            self.assertSnapshot(drive.ask(self.work), {"maki.yml": "one\n"})
            for pid in helpers_of(drive):
                os.kill(pid, signal.SIGKILL)

    def test_no_helper_program(self):
        drive = self.drive(helper=self.path("nowhere"))
        self.assertRefused(drive.ask(self.work), "AMA_E_CHILD", "after 3 tries")
        self.assertIn(b"nowhere", drive.log)

    def fake_helper(self, text):
        return self.drive(helper=write(self.temp, "helper", "#!/bin/sh\nread order\n%s\n" % text, 0o755))

    def test_helper_that_lies(self):
        """What a helper says is not believed: lines that are none, answers to nothing, snapshots outside the cache."""
        for text in ("echo nonsense; cat", "head -c 200000 /dev/zero; cat", "echo '{\"report\":\"done\",\"snapshot\":\"/etc\"}'; cat",
                     "echo '{\"report\":\"done\",\"snapshot\":\"%s/snapshots/../../x\"}'; cat" % self.cache, "kill -SEGV $$"):
            with self.subTest(text):
                started = self.path("started")
                drive = self.fake_helper(f"echo x >>{started}\n{text}")
                for _ in range(2):  # the second time it is not tried
                    self.assertRefused(drive.ask(self.work), "AMA_E_PARKED", "parked: 3 times in a row")
                    self.assertEqual(open(started).read(), "x\n" * 3)
                os.unlink(started)
        self.assertRefused(self.fake_helper("exit 0").ask(self.work), "AMA_E_CHILD", "after 3 tries")

    def test_left_behind_folders_are_swept(self):
        drive = self.drive()
        drive.ask(self.work)
        dead = self.cache + "/snapshots/.making-0123456789abcdef"
        os.makedirs(dead + "/tree/deep")
        os.chmod(dead + "/tree", 0o555)
        commit(self.work, "second", maki_yml="two\n")
        self.assertSnapshot(drive.ask(self.work), {"maki.yml": "two\n"})
        self.assertEqual([n for n in os.listdir(self.cache + "/snapshots") if n.startswith(".")], [])


class Damaged(Good):
    def snapshot(self, answer):
        return os.path.dirname(answer["snapshot"])

    def earlier_boot(self, folder, **change):
        with open(folder + "/meta") as file:
            meta = dict(json.load(file), boot="an-earlier-one", **change)
        os.unlink(folder + "/meta")
        write(folder, "meta", json.dumps(meta))

    def test_good_one_of_an_earlier_boot(self):
        drive = self.drive()
        folder = self.snapshot(drive.ask(self.work))
        self.earlier_boot(folder)
        inode = os.stat(folder).st_ino
        self.assertSnapshot(drive.ask(self.work), {"maki.yml": "one\n"}, cached=True)
        self.assertEqual(os.stat(folder).st_ino, inode)
        with open(folder + "/meta") as file:
            self.assertNotEqual(json.load(file)["boot"], "an-earlier-one")

    def test_bad_ones_of_an_earlier_boot(self):
        """As after a power cut: names are there, bytes are not."""
        drive = self.drive()
        folder = self.snapshot(drive.ask(self.work))
        for damage in ("empty file", "missing file", "more", "mode", "meta", "no meta"):
            with self.subTest(damage):
                self.earlier_boot(folder)
                os.chmod(folder + "/tree", 0o755)
                if damage == "empty file":
                    os.truncate(folder + "/tree/maki.yml", 0)
                elif damage == "missing file":
                    os.unlink(folder + "/tree/maki.yml")
                elif damage == "more":
                    os.mkdir(folder + "/tree/more")
                elif damage == "mode":
                    os.chmod(folder + "/tree/maki.yml", 0o755)
                elif damage == "meta":
                    os.truncate(folder + "/meta", 0)
                else:
                    os.unlink(folder + "/meta")
                self.assertSnapshot(drive.ask(self.work), {"maki.yml": "one\n"}, cached=False)

    def serve(self):
        subprocess.run(["git", "clone", "-q", "--bare", self.work, self.path("srv/x.git")], check=True)
        server = GitHttp(self.path("srv"))
        server.__enter__()
        self.addCleanup(server.__exit__)
        return server.url + "/x.git"

    def mirror(self):
        return self.cache + "/mirrors/" + [n for n in os.listdir(self.cache + "/mirrors") if not n.endswith(".lock")][0]

    def test_broken_mirror(self):
        url, drive = self.serve(), self.drive()
        drive.ask(url)
        for damage in ("HEAD", "objects", "config"):
            with self.subTest(damage):
                path = self.mirror() + "/" + damage
                shutil.rmtree(path) if os.path.isdir(path) else write(self.temp, path, "\0\0\0")
                shutil.rmtree(self.snapshot({"snapshot": self.cache + "/snapshots/%s/tree" % self.head}), ignore_errors=True)
                answers = [drive.ask(url) for _ in range(2)]
                self.assertSnapshot(answers[1], {"maki.yml": "one\n"})

    def test_corrupt_pack_in_the_mirror(self):
        url, drive = self.serve(), self.drive()
        answer = drive.ask(url)
        os.chmod(self.snapshot(answer), 0o755)
        shutil.rmtree(self.snapshot(answer))
        packs = self.mirror() + "/objects/pack/"
        for name in os.listdir(packs):
            if name.endswith(".pack"):
                os.chmod(packs + name, 0o644)
                with open(packs + name, "r+b") as file:
                    file.seek(20)
                    file.write(b"\xff" * 60)
        first = drive.ask(url)
        self.assertEqual(first["event"], "error", first)
        self.assertIn(first["code"], ("AMA_E_INTEGRITY", "AMA_E_IO"))
        self.assertSnapshot(drive.ask(url), {"maki.yml": "one\n"})

    def test_cache_can_not_be_made(self):
        file = write(self.temp, "file")
        self.assertRefused(self.drive(cache=file + "/cache").ask(self.work), "AMA_E_IO", file)

    def test_full_disk(self):
        if os.geteuid() != 0:
            self.skipTest("needs root to mount a small file system")
        os.makedirs(self.cache)
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", self.cache], stderr=subprocess.DEVNULL)
        if mounted.returncode:
            self.skipTest("mounting is not allowed here")
        try:
            write(self.work, "big", os.urandom(400000))
            commit(self.work, "big")
            drive = self.drive()
            self.assertRefused(drive.ask(self.work), "AMA_E_NOSPACE", "No space left")
            self.assertRefused(drive.ask(self.work, worktree=True), "AMA_E_NOSPACE", "No space left")
            self.assertRefused(drive.ask(self.serve()), "AMA_E_NOSPACE", "No space left")
            self.assertSnapshot(drive.ask(self.work, ref=self.head), {"maki.yml": "one\n"})
            drive.close()
        finally:
            subprocess.run(["umount", self.cache], check=True)


class Limits(Good):
    def test_trees(self):
        write(self.work, "a/b/c/d", "deep\n")
        write(self.work, "n" * 100, "long\n")
        write(self.work, "big", b"b" * 5000)
        commit(self.work, "more")
        for limit, text in [({"files": 3}, "more than 3 files and folders"), ({"depth": 2}, "deeper than 2"), ({"path": 60}, "the limit is 60"),
                            ({"file_bytes": 4999}, "big: a file of 5000 bytes"), ({"tree_bytes": 5010}, "more than 5010 bytes")]:
            with self.subTest(text):
                drive = self.drive(**limit)
                self.assertRefused(drive.ask(self.work), "AMA_E_LIMIT", text)
                self.assertRefused(drive.ask(self.work, worktree=True), "AMA_E_LIMIT", text)
        self.assertEqual(self.drive(files=7, depth=3, path=100, file_bytes=5000, tree_bytes=6000).ask(self.work)["event"], "reply")

    def test_pack(self):
        head, data = self.one_blob(os.urandom(300000))
        with BadGit([(head, "HEAD"), (head, "refs/heads/main")], data) as server:
            self.assertRefused(self.drive(pack_bytes=100000).ask(server.url + "/x.git"), "AMA_E_LIMIT", "more than 100000 bytes")

    def test_refs(self):
        refs = [(self.head, "refs/heads/b%05d" % n) for n in range(3000)]
        with BadGit(refs) as server:
            self.assertRefused(self.drive(refs=2999).ask(server.url + "/x.git"), "AMA_E_LIMIT", "3000 refs")

    def test_a_million_refs(self):
        announced = advertisement([(self.head, "HEAD")])[:-4] + b"".join(
            line(b"%s refs/heads/%08d\n" % (self.head.encode(), n)) for n in range(1000000)) + b"0000"
        with BadGit(advertised=announced) as server:
            self.assertRefused(self.drive(connect_ms=60000, idle_ms=60000).ask(server.url + "/x.git"), "AMA_E_LIMIT", "refs, the limit")
            self.assertEqual(server.requests, 1)

    def test_zeros_without_end(self):
        """A few megabytes of zeros that would become far more."""
        import zlib
        body = zlib.compressobj(9)
        blob = header(BLOB, 1 << 40) + b"".join(body.compress(bytes(1 << 20)) for _ in range(256)) + body.flush()
        with BadGit([(self.head, "HEAD"), (self.head, "refs/heads/main")], pack(blob)) as server:
            answer = self.drive().ask(server.url + "/x.git")
            self.assertEqual(answer["event"], "error", answer)
            self.assertIn(answer["code"], ("AMA_E_LIMIT", "AMA_E_INTEGRITY"), answer)


if __name__ == "__main__":
    unittest.main()
