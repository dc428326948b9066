"""Every command against a real git server: http (git's own backend) with and without a password, and ssh."""
import concurrent.futures
import json
import os
import pathlib
import shutil
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tools"))
from git_http import GitHttp  # noqa: E402
from house import SOURCE, House  # noqa: E402
from run_test import ENV, flow, shell  # noqa: E402
from sshd import Sshd  # noqa: E402


class Remote(House):
    def setUp(self):
        super().setUp()
        self.work = self.repo({"maki.yml": flow(shell("a")), **ENV, "src/a.sh": "echo one\n"}, "work")
        self.served = self.folder / "served"
        self.served.mkdir()
        subprocess.run(["git", "clone", "-q", "--bare", self.work.path, self.served / "job.git"], check=True)
        self.work.git("remote", "add", "origin", str(self.served / "job.git"))

    def push(self, files, message, branch="master"):
        commit = self.work.commit(files, message)
        self.work.git("push", "-q", "origin", f"HEAD:{branch}")
        return commit

    def every_command(self, url, **daemon):
        """run, plan, validate, config show; then submit, attach, show, list, cancel through amad."""
        first = self.work.git("rev-parse", "HEAD")
        self.assertEqual(self.run_events(url, "--ref", "master").one("output")["text"], "one")
        self.assertEqual(json.loads(self.ama("plan", url, "-o", "json").stdout)["commit"], first)
        self.assertEqual(self.ama("validate", url).returncode, 0)
        self.assertEqual(self.ama("config", "show", url, "--env", "dev").returncode, 0)
        second = self.push({"src/a.sh": "echo two\n"}, "two")
        self.push({"src/a.sh": "echo side\nread x </dev/zero || sleep 600\n"}, "side", "side")
        self.amad(*daemon.get("options", []))
        run = self.ama("--repo", url, "--detach", program="ama-submit")
        self.assertEqual(run.returncode, 0, run.stderr)
        run = run.stdout.strip()
        done = self.ama("attach", run, "--report-format", "ndjson")
        events = self.checked(done.stdout)
        self.assertEqual((events.one("output")["text"], events.one("run.started")["commit"]), ("two", second))
        old = self.ama("--repo", url, "--ref", first, "--report-format", "ndjson", program="ama-submit")
        self.assertEqual(self.checked(old.stdout).one("output")["text"], "one")
        self.assertEqual(json.loads(self.ama("show", run, "-o", "json").stdout)["commit"], second)
        self.assertIn(run, [r["run"] for r in json.loads(self.ama("list", "-o", "json").stdout)["runs"]])
        old_line = subprocess.run([SOURCE / "scripts/ama-start.sh", f"--repo={url}", "--env=dev", "--report=code", "--branch=master"], env=self.env,
                                  capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
        self.assertEqual(old_line.returncode, 0, old_line.stderr)
        self.assertIn("===> echo two", old_line.stdout)
        side = self.ama("--repo", url, "--branch", "side", "--detach", program="ama-submit").stdout.strip()
        follower = self.start("attach", side, "--report-format", "ndjson")
        self.wait_for_line(follower, '"text":"side')
        self.assertEqual(self.ama("cancel", side).returncode, 0)
        self.finish(follower)
        self.assertEqual(follower.returncode, 4)

    def config(self, text):
        (self.folder / "amad.yaml").write_text(text)
        return ["--config", self.folder / "amad.yaml"]

    def test_http(self):
        with GitHttp(str(self.served)) as server:
            self.every_command(server.url + "/job.git")

    def test_http_with_a_password_that_is_never_seen(self):
        secret = "s3cret-of-the-house"
        credentials = self.folder / "credentials"
        with GitHttp(str(self.served), auth=("u", secret)) as server:
            credentials.write_text(f"{server.url} u {secret}\n")
            credentials.chmod(0o600)
            self.amad(*self.config(f"fetch: {{ credentials: {credentials} }}\n"))
            done = self.ama("--repo", server.url + "/job.git", "--report-format", "ndjson", program="ama-submit")
            self.assertEqual(self.checked(done.stdout).one("output")["text"], "one")
            credentials.write_text(f"{server.url} u wrong-{secret}\n")
            refused = self.ama("--repo", server.url + "/job.git", "--branch", "other", "--report-format", "ndjson", program="ama-submit")
            self.assertEqual(refused.returncode, 5)
        for text in (done.stdout, done.stderr, refused.stdout, refused.stderr, (self.folder / "amad.log").read_text()):
            self.assertNotIn(secret, text)
        for at in self.data.rglob("*"):
            if at.is_file():
                self.assertNotIn(secret.encode(), at.read_bytes(), at)

    def test_fifty_runs_of_one_repository_at_once(self):
        """Nothing is cached at first; each run has the commit, and what it wrote is its own."""
        commit = self.work.git("rev-parse", "HEAD")
        with GitHttp(str(self.served)) as server, concurrent.futures.ThreadPoolExecutor(50) as pool:
            self.amad()
            submits = list(pool.map(lambda _: self.ama("--repo", server.url + "/job.git", "--report-format", "ndjson", program="ama-submit"), range(50)))
            packs = [path for method, path, _ in server.requests if method == "POST"]
        self.assertEqual([s.returncode for s in submits], [0] * 50, [s.stderr for s in submits if s.returncode])
        reports = [self.checked(s.stdout) for s in submits]
        self.assertEqual({r.one("run.started")["commit"] for r in reports}, {commit})
        self.assertEqual([r.one("output")["text"] for r in reports], ["one"] * 50)
        self.assertEqual(len({r[0]["run"] for r in reports}), 50)
        self.assertLess(len(packs), 5)

    def test_ssh(self):
        with Sshd(str(self.folder / "ssh")) as server:
            options = self.config(f"fetch: {{ ssh-key: {server.key}, known-hosts: {server.known_hosts} }}\n")
            url = f"ssh://{server.user}@127.0.0.1:{server.port}{self.served}/job.git"
            self.amad(*options)
            done = self.ama("--repo", url, "--report-format", "ndjson", program="ama-submit")
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            self.assertEqual(self.checked(done.stdout).one("output")["text"], "one")
            again = self.push({"src/a.sh": "echo two\n"}, "two")
            done = self.ama("--repo", url, "--branch", "master", "--report-format", "ndjson", program="ama-submit")
            self.assertEqual(self.checked(done.stdout).one("run.started")["commit"], again)

    def test_every_command_over_ssh(self):
        """With the user's own key and known_hosts, where ssh has them, and no configuration."""
        with Sshd(str(self.folder / "ssh")) as server:
            home = self.folder / "home/.ssh"
            home.mkdir(0o700)
            shutil.copy(server.key, home / "id_ed25519")
            shutil.copy(server.known_hosts, home / "known_hosts")
            self.every_command(f"ssh://{server.user}@127.0.0.1:{server.port}{self.served}/job.git")

    def test_unknown_ssh_host_is_refused(self):
        with Sshd(str(self.folder / "ssh")) as server:
            self.amad(*self.config(f"fetch: {{ ssh-key: {server.key}, known-hosts: {server.wrong_hosts} }}\n"))
            url = f"ssh://{server.user}@127.0.0.1:{server.port}{self.served}/job.git"
            done = self.ama("--repo", url, "--report", "execution", program="ama-submit")
            self.assertEqual(done.returncode, 5, done.stdout)
            self.assertIn("known_hosts", done.stdout + done.stderr)

    def test_unreachable_and_missing(self):
        with GitHttp(str(self.served)) as server:
            url = server.url
            self.assertEqual(self.ama("run", url + "/absent.git").returncode, 2)
            self.assertEqual(self.ama("run", url + "/job.git", "--ref", "absent").returncode, 2)


if __name__ == "__main__":
    unittest.main()
