"""The fetcher against git's own http-backend: refs, increments, sharing, passwords, certificates, redirects, pins."""
import ctypes
import os
import stat
import subprocess
import threading
import unittest

from lib import FetchTest, HELPER, commit, git, new_repo, write
from git_http import GitHttp, make_certificate


class HttpTest(FetchTest):
    def setUp(self):
        super().setUp()
        self.work = new_repo(self.path("work"))
        self.first = commit(self.work, "first", maki_yml="one\n")
        git(self.work, "tag", "light")
        git(self.work, "tag", "-a", "v1.0", "-m", "a tag")
        git(self.work, "branch", "feature/x")
        self.second = commit(self.work, "second line\n\nbody", maki_yml="two\n")
        os.makedirs(self.path("srv"))
        self.bare = self.path("srv/job.git")
        subprocess.run(["git", "clone", "-q", "--bare", self.work, self.bare], check=True)
        git(self.work, "remote", "add", "srv", self.bare)

    def serve(self, **options):
        server = GitHttp(self.path("srv"), **options)
        server.__enter__()
        self.addCleanup(server.__exit__)
        return server

    def push(self, *refs):
        git(self.work, "push", "-q", "-f", "srv", *refs)

    def uploads(self, server):
        return len([r for r in server.requests if r[0] == "POST"])


class Refs(HttpTest):
    def test_names_and_commits(self):
        url = self.serve().url + "/job.git"
        drive = self.drive()
        for ref, commit_id, name, text in [
            ("", self.second, "main", "two\n"), ("HEAD", self.second, "main", "two\n"), ("main", self.second, "main", "two\n"),
            ("refs/heads/main", self.second, "main", "two\n"), ("feature/x", self.first, "feature/x", "one\n"),
            ("v1.0", self.first, "v1.0", "one\n"), ("light", self.first, "light", "one\n"), (self.first, self.first, "", "one\n"),
            (self.first[:8], self.first, "", "one\n"), (self.second[:4], self.second, "", "two\n"),
        ]:
            with self.subTest(ref):
                self.assertSnapshot(drive.ask(url, ref=ref), {"maki.yml": text}, commit=commit_id, ref=name, files=1, dirty=False)

    def test_subject_and_sizes(self):
        answer = self.drive().ask(self.serve().url + "/job.git")
        self.assertSnapshot(answer, {"maki.yml": "two\n"}, subject="second line", bytes=4, cached=False)

    def test_missing(self):
        url = self.serve().url + "/job.git"
        drive = self.drive()
        self.assertRefused(drive.ask(url, ref="mian"), "AMA_E_NOT_FOUND", "did you mean main?")
        self.assertRefused(drive.ask(url, ref="feature/y"), "AMA_E_NOT_FOUND", "feature/x")
        self.assertRefused(drive.ask(url, ref="v1"), "AMA_E_NOT_FOUND", "v1.0")
        self.assertRefused(drive.ask(url, ref="entirely-else"), "AMA_E_NOT_FOUND", "it has feature/x, light, main or v1.0")
        self.assertRefused(drive.ask(url, ref="0" * 40), "AMA_E_NOT_FOUND", "has no commit 0000")
        self.assertRefused(drive.ask(url, ref="0000beef"), "AMA_E_NOT_FOUND", "0000beef")
        self.assertRefused(drive.ask(self.serve().url + "/other.git"), "AMA_E_NOT_FOUND", "404")

    def test_names_that_are_no_commits(self):
        blob = git(self.work, "hash-object", "-w", "maki.yml")
        git(self.work, "tag", "a-blob", blob)
        self.push("a-blob")
        self.assertRefused(self.drive().ask(self.serve().url + "/job.git", ref="a-blob"), "AMA_E_NOT_FOUND", "names no commit")

    def test_a_branch_named_like_a_commit_is_not_taken_for_it(self):
        git(self.work, "update-ref", "refs/heads/" + self.first, self.second)
        self.push("refs/heads/%s:refs/heads/%s" % (self.first, self.first))
        answer = self.drive().ask(self.serve().url + "/job.git", ref=self.first)
        self.assertSnapshot(answer, {"maki.yml": "one\n"}, commit=self.first)

    def test_a_branch_goes_before_a_tag(self):
        git(self.work, "tag", "both", self.first)
        git(self.work, "branch", "both", self.second)
        self.push("refs/tags/both", "refs/heads/both")
        self.assertSnapshot(self.drive().ask(self.serve().url + "/job.git", ref="both"), {"maki.yml": "two\n"})

    def test_an_empty_repository(self):
        new_repo(self.path("srv/empty.git"), bare=True)
        self.assertRefused(self.drive().ask(self.serve().url + "/empty.git"), "AMA_E_NOT_FOUND", "no commits yet")

    def test_a_web_page_is_no_repository(self):
        server = self.serve(before=lambda h: h.plain(200, [("Content-Type", "text/html")], b"<html>") or True)
        self.assertRefused(self.drive().ask(server.url + "/job.git"), "AMA_E_NOT_FOUND")


class Increments(HttpTest):
    def test_only_what_is_new_is_transferred(self):
        write(self.work, "big", os.urandom(2000000))
        commit(self.work, "big")
        self.push("main")
        server, drive = self.serve(), self.drive()
        url = server.url + "/job.git"
        self.assertEqual(drive.ask(url)["cached"], False)
        self.assertGreater(max(server.sent), 1900000)
        del server.sent[:], server.requests[:]
        self.assertEqual(drive.ask(url)["cached"], True)
        self.assertEqual(self.uploads(server), 0)
        small = commit(self.work, "small", maki_yml="three\n")
        self.push("main")
        answer = drive.ask(url)
        self.assertEqual((answer["commit"], answer["cached"]), (small, False))
        self.assertLess(max(server.sent), 20000)

    def test_many_small_fetches_do_not_pile_up(self):
        drive, url = self.drive(), self.serve().url + "/job.git"
        for number in range(34):
            commit(self.work, "c%d" % number, maki_yml="%d\n" % number)
            self.push("main")
            self.assertEqual(drive.ask(url)["event"], "reply")
        mirror = [n for n in os.listdir(self.cache + "/mirrors") if not n.endswith(".lock")]
        packs = [n for n in os.listdir("%s/mirrors/%s/objects/pack" % (self.cache, mirror[0])) if n.endswith(".pack")]
        self.assertLess(len(packs), 10)
        git("%s/mirrors/%s" % (self.cache, mirror[0]), "fsck", "--full", "--strict")
        self.assertSnapshot(drive.ask(url, ref=self.first), {"maki.yml": "one\n"})

    def test_a_mirror_tells_when_it_was_used(self):
        """And comes again, when it was removed because it was not. The retention itself: tests/unit/depot/keep_mirror_test.c."""
        drive, url = self.drive(), self.serve().url + "/job.git"
        for ref in ("main", self.first, "main"):  # fetched; read without a word to the server; asked for changes
            self.assertEqual(drive.ask(url, ref=ref)["event"], "reply")
            lock, = (os.path.join(self.cache, "mirrors", n) for n in os.listdir(self.cache + "/mirrors") if n.endswith(".lock"))
            self.assertGreater(os.stat(lock).st_mtime, 2000000)
            os.utime(lock, (1000000, 1000000))
        mirror = lock[:-len(".lock")]
        os.rename(mirror, os.path.join(os.path.dirname(mirror), ".gone-" + os.path.basename(mirror)))
        second = commit(self.work, "second", maki_yml="two\n")
        self.push("main")
        self.assertEqual(drive.ask(url, ref="main")["commit"], second)
        self.assertTrue(os.path.isdir(mirror))

    def test_force_push(self):
        drive, url = self.drive(), self.serve().url + "/job.git"
        drive.ask(url)
        git(self.work, "reset", "-q", "--hard", self.first)
        other = commit(self.work, "other", maki_yml="other\n")
        self.push("main")
        self.assertSnapshot(drive.ask(url), {"maki.yml": "other\n"}, commit=other)

    def test_branches_that_take_turns_in_a_name(self):
        drive, url = self.drive(), self.serve().url + "/job.git"
        git(self.work, "branch", "a")
        self.push("a")
        self.assertEqual(drive.ask(url, ref="a")["event"], "reply")
        self.push(":a")
        git(self.work, "branch", "-D", "a")
        git(self.work, "branch", "a/b")
        self.push("a/b")
        self.assertEqual(drive.ask(url, ref="a/b")["event"], "reply")


class Pins(HttpTest):
    def test_a_pinned_commit_survives_a_force_push(self):
        drive, url = self.drive(), self.serve().url + "/job.git"
        git(self.work, "reset", "-q", "--hard", self.first)
        commit(self.work, "other", maki_yml="other\n")
        self.push("main")
        answer = drive.ask(url, ref="main", commit=self.first)
        self.assertSnapshot(answer, {"maki.yml": "one\n"}, commit=self.first, ref="main")

    def test_a_vanished_commit_is_never_replaced(self):
        drive, url = self.drive(), self.serve().url + "/job.git"
        self.assertRefused(drive.ask(url, ref="main", commit="1" * 40), "AMA_E_INTEGRITY", "pinned to")

    def test_a_known_commit_needs_no_server(self):
        server, drive = self.serve(), self.drive()
        url = server.url + "/job.git"
        drive.ask(url)
        del server.requests[:]
        self.assertSnapshot(drive.ask(url, ref="main", commit=self.second), {"maki.yml": "two\n"}, cached=True)
        self.assertSnapshot(drive.ask(url, ref=self.first), {"maki.yml": "one\n"})
        self.assertEqual(server.requests, [])

    def test_another_repository_does_not_give_it_away(self):
        """A snapshot in the cache is handed out only through a repository that has the commit."""
        drive, server = self.drive(), self.serve()
        drive.ask(server.url + "/job.git")
        stranger = new_repo(self.path("stranger"))
        commit(stranger, "s", maki_yml="s\n")
        subprocess.run(["git", "clone", "-q", "--bare", stranger, self.path("srv/stranger.git")], check=True)
        self.assertRefused(drive.ask(server.url + "/stranger.git", ref=self.second), "AMA_E_NOT_FOUND")


class Sharing(HttpTest):
    def test_fifty_at_once(self):
        server, drive = self.serve(), self.drive()
        asks = [drive.start(server.url + "/job.git", ref="main") for _ in range(50)]
        answers = [drive.wait(ask) for ask in asks]
        self.assertEqual({a["snapshot"] for a in answers}, {answers[0]["snapshot"]})
        self.assertSnapshot(answers[49], {"maki.yml": "two\n"})
        self.assertEqual(self.uploads(server), 1)
        self.assertLessEqual(len(server.requests), 4)

    def test_fifty_fetchers_on_one_cold_cache(self):
        """As fifty `ama run` would: processes that know nothing of one another."""
        server = self.serve()
        order = ('{"url":"%s/job.git","ref":"%%s","cache_dir":"%s"}\n' % (server.url, self.cache))
        refs = ["main", "feature/x", "v1.0", self.first, self.second] * 10
        children = [subprocess.Popen([HELPER], stdin=subprocess.PIPE, stdout=subprocess.PIPE) for _ in refs]
        results = [None] * len(refs)

        def one(number):
            results[number] = children[number].communicate((order % refs[number]).encode(), 120)[0]

        threads = [threading.Thread(target=one, args=(n,)) for n in range(len(refs))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for ref, result in zip(refs, results):
            self.assertIn(b'"report":"done"', result, ref)
        self.assertEqual(sorted(os.listdir(self.cache + "/snapshots")), sorted([self.first, self.second]))
        mirror = [n for n in os.listdir(self.cache + "/mirrors") if not n.endswith(".lock")]
        git("%s/mirrors/%s" % (self.cache, mirror[0]), "fsck", "--full", "--strict")

    def test_who_pushes_and_asks_gets_what_was_pushed(self):
        """An ask does not join a fetch whose server has spoken before it."""
        reached, go = threading.Event(), threading.Event()

        def before(handler):
            if handler.command == "POST" and not go.is_set():
                reached.set()
                go.wait(30)

        server, drive = self.serve(before=before), self.drive()
        early = drive.start(server.url + "/job.git", ref="main")
        self.assertTrue(reached.wait(30))
        newest = commit(self.work, "newest", maki_yml="newest\n")
        self.push("main")
        late = drive.start(server.url + "/job.git", ref="main")
        go.set()
        self.assertEqual(drive.wait(early)["commit"], self.second)
        self.assertEqual(drive.wait(late)["commit"], newest)

    def test_two_per_host(self):
        """A third fetch of a host waits; another repository of this disk does not."""
        arrived, go = [], threading.Event()

        def before(handler):
            arrived.append(handler.path)
            go.wait(30)

        server, drive = self.serve(before=before), self.drive()
        asks = [drive.start("%s/job.git" % server.url, ref=ref) for ref in ("main", "light", "v1.0")]
        self.assertEqual(drive.ask(self.work)["event"], "reply")
        go.set()
        for ask in asks:
            self.assertEqual(drive.wait(ask)["event"], "reply")
        self.assertEqual(len([p for p in arrived if "info/refs" in p]), 3)


class Passwords(HttpTest):
    secret = "hunter2-s3cret"

    def setUp(self):
        super().setUp()
        self.server = self.serve(auth=("bot", self.secret))
        self.url = self.server.url + "/job.git"

    def tearDown(self):
        for drive in self.drives:
            drive.close()
            self.assertNotIn(self.secret.encode(), drive.log)
            self.assertNotIn(self.secret, str(drive.answers) + str(drive.progress))
        for folder, _, files in os.walk(self.cache):
            for name in files:
                with open(os.path.join(folder, name), "rb") as file:
                    self.assertNotIn(self.secret.encode(), file.read(), name)
        super().tearDown()

    def test_none(self):
        self.assertRefused(self.drive().ask(self.url), "AMA_E_AUTH", "fetch.credentials")

    def test_in_the_address(self):
        drive = self.drive()
        self.assertSnapshot(drive.ask(self.url.replace("//", "//bot:%s@" % self.secret)), {"maki.yml": "two\n"})
        self.assertRefused(drive.ask(self.url.replace("//", "//bot:wrong@")), "AMA_E_AUTH", "refused the user or the password")

    def test_private_file(self):
        path = write(self.temp, "credentials", "other x y\n%s bot %s\n" % (self.server.url, self.secret), 0o600)
        self.assertSnapshot(self.drive(credentials_file=path).ask(self.url), {"maki.yml": "two\n"})

    def test_private_file_by_name(self):
        path = write(self.temp, "credentials", "%s bot wrong\nhouse bot %s\n" % (self.server.url, self.secret), 0o600)
        drive = self.drive(credentials_file=path)
        self.assertRefused(drive.ask(self.url), "AMA_E_AUTH", "refused")
        self.assertSnapshot(drive.ask(self.url, credential="house"), {"maki.yml": "two\n"})

    def test_file_open_to_others(self):
        path = write(self.temp, "credentials", "%s bot %s\n" % (self.server.url, self.secret), 0o644)
        self.assertRefused(self.drive(credentials_file=path).ask(self.url), "AMA_E_AUTH", "chmod 600")

    def program(self, name, text):
        return write(self.temp, name, "#!/bin/sh\n%s\n" % text, 0o755)

    def test_credential_helpers(self):
        """git's protocol: `PROGRAM ARGS get`, the question on stdin; nothing else is told."""
        silent = self.program("silent", "exit 1")
        good = self.program("good", """[ "$*" = "--flag get" ] || exit 1
[ "$(cat)" = "protocol=http\nhost=127.0.0.1:%d" ] || exit 1
echo username=bot; echo password=%s""" % (self.server.server_port, self.secret))
        drive = self.drive(credential_helpers=["no-such-program-at-all", good + " --flag"])
        self.assertRefused(drive.ask(self.url), "AMA_E_AUTH", "no-such-program-at-all")
        drive = self.drive(credential_helpers=[silent, good + "  --flag"])
        self.assertSnapshot(drive.ask(self.url), {"maki.yml": "two\n"})

    def test_fence(self):
        """What a helper starts can write below the cache only, as the helper itself."""
        if ctypes.CDLL(None).syscall(444, None, 0, 1) < 1:
            self.skipTest("this kernel has no Landlock")
        good = self.program("good", "echo x > %s; echo x > %s\necho username=bot; echo password=%s" %
                            (self.path("outside"), self.path("cache/inside"), self.secret))
        drive = self.drive(credential_helpers=[good])
        self.assertSnapshot(drive.ask(self.url), {"maki.yml": "two\n"})
        self.assertTrue(os.path.exists(self.path("cache/inside")))
        self.assertFalse(os.path.exists(self.path("outside")))

    def test_credential_helper_is_wrong(self):
        drive = self.drive(credential_helpers=[self.program("bad", "echo username=bot; echo password=nope")])
        self.assertRefused(drive.ask(self.url), "AMA_E_AUTH", "refused the user or the password")


class Certificates(HttpTest):
    def test_unknown_and_known(self):
        cert = make_certificate(self.temp)
        url = self.serve(cert=cert).url + "/job.git"
        self.assertRefused(self.drive().ask(url), "AMA_E_AUTH", "can not be verified")
        self.assertSnapshot(self.drive(env={"SSL_CERT_FILE": cert}).ask(url), {"maki.yml": "two\n"})
        self.assertRefused(self.drive(env={"SSL_CERT_FILE": cert}).ask(url.replace("localhost", "127.0.0.1")), "AMA_E_AUTH")


class Redirects(HttpTest):
    """G4: a server may send on within its host and port, nowhere else."""

    def redirect(self, target):
        def before(handler):
            if "/old.git" in handler.path:
                handler.plain(301, [("Location", target + handler.path.replace("/old.git", "/job.git"))])
                return True
            return False
        return before

    def test_same_host(self):
        server = self.serve(before=self.redirect(""))
        self.assertSnapshot(self.drive().ask(server.url + "/old.git"), {"maki.yml": "two\n"})

    def test_other_host(self):
        other = self.serve()
        server = self.serve(before=self.redirect("http://localhost:%d" % other.server_port))
        self.assertRefused(self.drive().ask(server.url + "/old.git"), "AMA_E_URL")
        self.assertEqual(other.requests, [])

    def test_other_port(self):
        other = self.serve()
        server = self.serve(before=self.redirect(other.url))
        self.assertRefused(self.drive().ask(server.url + "/old.git"), "AMA_E_URL", str(other.server_port))
        self.assertEqual(other.requests, [])

    def test_inner_service(self):
        server = self.serve(before=self.redirect("http://169.254.169.254"))
        self.assertRefused(self.drive().ask(server.url + "/old.git"), "AMA_E_URL")

    def test_https_never_becomes_http(self):
        cert = make_certificate(self.temp)
        for target in ("http://169.254.169.254", "http://localhost:1", "http://localhost"):
            with self.subTest(target):
                server = self.serve(cert=cert, before=self.redirect(target))
                drive = self.drive(env={"SSL_CERT_FILE": cert})
                self.assertSnapshot(drive.ask(server.url + "/job.git"), {"maki.yml": "two\n"})
                self.assertRefused(drive.ask(server.url + "/old.git"), "AMA_E_URL")

    def test_other_host_gets_no_password(self):
        other = self.serve()
        server = self.serve(before=self.redirect(other.url))
        self.assertRefused(self.drive().ask(server.url.replace("//", "//bot:s3cret@") + "/old.git"), "AMA_E_URL")
        self.assertEqual(other.requests, [])

    def test_twenty(self):
        def before(handler):
            number, tail = handler.path[1:].split("/", 1)
            if number != "20":
                handler.plain(302, [("Location", "/%d/%s" % (int(number) + 1, tail))])
            return number != "20"

        server = self.serve(before=before)
        self.assertRefused(self.drive().ask(server.url + "/0/job.git"), "AMA_E_URL")
        self.assertLess(len(server.requests), 40)

    def test_loop(self):
        server = self.serve(before=lambda h: h.plain(302, [("Location", h.path)]) or True)
        self.assertRefused(self.drive().ask(server.url + "/job.git"), "AMA_E_URL")
        self.assertLess(len(server.requests), 40)


class Policy(HttpTest):
    def test_a_system_that_serves_others(self):
        server = self.serve()
        drive = self.drive(schemes=["https", "ssh"], hosts=["git.example.org"])
        self.assertRefused(drive.ask(server.url + "/job.git"), "AMA_E_URL", "fetch: {schemes: [")
        self.assertRefused(drive.ask("https://127.0.0.1/x"), "AMA_E_URL", "hosts: [127.0.0.1]")
        self.assertRefused(drive.ask(self.work), "AMA_E_URL", "local-paths: [%s]" % self.work)
        self.assertRefused(drive.ask(self.work, worktree=True), "AMA_E_URL", "local-paths")
        self.assertEqual(server.requests, [])

    def test_modes_of_the_snapshot(self):
        write(self.work, "run.sh", "#!/bin/sh\n", 0o755)
        commit(self.work, "program")
        self.push("main")
        answer = self.drive().ask(self.serve().url + "/job.git")
        self.assertSnapshot(answer, {"maki.yml": "two\n", "run.sh": "#!/bin/sh\n"})
        self.assertEqual(stat.S_IMODE(os.stat(answer["snapshot"] + "/run.sh").st_mode), 0o555)
        self.assertEqual(stat.S_IMODE(os.stat(answer["snapshot"] + "/maki.yml").st_mode), 0o444)


if __name__ == "__main__":
    unittest.main()
