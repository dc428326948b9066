"""kill -9 and full disks under shell jobs: the truth about the run, its reason in the report, nothing run twice, nothing left running."""
import json
import contextlib
import os
import pathlib
import signal
import subprocess
import sys
import time
import unittest

TESTS = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TESTS / "e2e"), str(TESTS / "tools")]
from bad_git import Silent  # noqa: E402
from daemon_house import DaemonHouse  # noqa: E402
from run_test import flow, shell  # noqa: E402


class Native(DaemonHouse):
    def test_killed_amad_goes_on_where_it_was(self):
        marks, go = self.shared / "marks", self.shared / "go"
        os.mkfifo(go)
        repo = self.job(flow(shell("one"), shell("two"), shell("three")), one=f"echo one $AMA_ATTEMPT >>{marks}\n",
                        two=f"echo two $AMA_ATTEMPT >>{marks}\necho up\nread x <{go}\necho $x\n", three=f"echo three $AMA_ATTEMPT >>{marks}\n")
        daemon = self.amad()
        run = self.submit(repo)
        follower = self.start("attach", run, "--report-format", "ndjson")
        head = self.wait_for_line(follower, '"text":"up')
        self.kill(daemon)
        self.amad()
        go.write_text("on\n")
        tail, err = self.finish(follower, 60)
        self.assertEqual(follower.returncode, 0, err)
        events = self.checked(head + tail)
        self.assertEqual(self.checked(self.attach(run)[1]), events)
        self.assertEqual(marks.read_text(), "one 1\ntwo 1\nthree 1\n")
        self.assertEqual(events.find("output", action="two")[-1]["text"].strip(), "on")

    def test_killed_amad_keeps_its_commit(self):
        """Row G11 of tests/bad/repo: what is pushed while amad is dead is not what a run that was planned before goes on with."""
        marks, go = self.shared / "marks", self.shared / "go"
        os.mkfifo(go)
        repo = self.job(flow(shell("one"), shell("two")), one=f"echo up\nread x <{go}\n", two=f"echo old >>{marks}\n")
        pinned = repo.git("rev-parse", "HEAD")
        daemon = self.amad()
        run = self.submit(repo)
        follower = self.start("attach", run, "--report-format", "ndjson")
        head = self.wait_for_line(follower, '"text":"up')
        self.kill(daemon)
        repo.write({"src/two.sh": f"echo new >>{marks}\n"})
        repo.git("commit", "-q", "-a", "--amend", "-m", "another history")
        repo.git("reflog", "expire", "--expire=now", "--all")
        repo.git("gc", "-q", "--prune=now")
        self.amad()
        go.write_text("on\n")
        tail, err = self.finish(follower, 60)
        self.assertEqual(follower.returncode, 0, err)
        self.assertEqual(marks.read_text(), "old\n")
        self.assertEqual({e["commit"] for e in self.checked(head + tail) if e.get("commit")}, {pinned})

    def test_action_that_ends_while_amad_is_dead_is_not_run_again(self):
        marks, up = self.shared / "marks", self.shared / "up"
        repo = self.job(flow(shell("one"), shell("two")), one=f"touch {up}\nsleep 1\necho one $AMA_ATTEMPT >>{marks}\n", two=f"echo two >>{marks}\n")
        daemon = self.amad()
        run = self.submit(repo)
        deadline = time.monotonic() + 30
        while not up.exists() and time.monotonic() < deadline:
            time.sleep(0.005)
        self.kill(daemon)
        while not marks.exists() and time.monotonic() < deadline:
            time.sleep(0.005)
        self.amad()
        self.assertEqual(self.attach(run)[0], 0)
        self.assertEqual(marks.read_text(), "one 1\ntwo\n")

    def agents(self):
        return [pid for pid, command in self.processes() if command.split(" ")[0].endswith("/ama-agent")]

    def kill_all(self, name):
        found = [pid for pid, command in self.processes() if command.split(" ")[0].endswith(name)]
        self.assertTrue(found)
        for pid in found:
            os.kill(pid, signal.SIGKILL)

    def test_what_died_with_its_agent_is_told_as_a_gap(self):
        """The end of the action is on the disk, what it said last is not, and nobody has heard of either."""
        daemon = self.amad()
        run = self.submit(self.job(flow(shell("a")), a=f"echo up\nuntil test -e {self.shared}/go; do sleep 0.01; done\nseq 30\n"))
        self.wait_for_output(run, "up")
        self.kill(daemon)
        (self.shared / "go").touch()
        deadline = time.monotonic() + 60
        while not any(f.stat().st_size for f in self.data.rglob("ends")) and time.monotonic() < deadline:
            time.sleep(0.01)
        self.kill_agents()
        self.amad()
        began = time.monotonic()
        code, out = self.attach(run)
        self.assertLess(time.monotonic() - began, 25)  # it is not waited for
        events = self.checked(out)
        gap, end = events.one("gap"), events.one("attempt.ended")
        self.assertEqual((code, end["state"], gap["seq"] + 1), (0, "succeeded", end["seq"]))
        self.assertNotIn("bytes", gap)

    def kill_agents(self):
        """And the guards of their attempts, or these would go on (agent_test.py)."""
        for pid in self.agents():
            os.kill(pid, signal.SIGSTOP)
        self.kill_all("/ama-ward")
        self.kill_all("/ama-agent")

    def test_an_attempt_ends_with_its_guard(self):
        repo = self.job(flow(shell("a")), a="echo up $AMA_ATTEMPT\n[ $AMA_ATTEMPT != 1 ] || { setsid sleep 600 & sleep 600; }\n")
        self.amad()
        code, events = self.followed(repo, lambda run: self.kill_all("/ama-ward"))
        ended = events.find("attempt.ended")
        self.assertEqual((code, [(e["state"], e.get("cause")) for e in ended]), (0, [("errored", "killed"), ("succeeded", None)]))

    def sleepers(self):
        return [p for p in self.processes() if "sleep 6" in p[1]]

    def followed(self, repo, trouble):
        """Follows a run that says up and sleeps; trouble(run) comes in between. The exit code and the events, when nothing of it is left."""
        run = self.submit(repo)
        follower = self.start("attach", run, "--report-format", "ndjson")
        head = self.wait_for_line(follower, '"text":"up')
        trouble(run)
        tail, err = self.finish(follower, 90)
        self.assertEqual(self.sleepers(), [], err)
        return follower.returncode, self.checked(head + tail)

    def test_lost_attempt_is_tried_anew(self):
        repo = self.job(flow(shell("a")), a="echo up $AMA_ATTEMPT\n[ $AMA_ATTEMPT != 1 ] || sleep 600\n")

        def both(run):
            self.kill(self.daemons[-1])
            self.kill_agents()
            self.amad()

        self.amad()
        for name, trouble in (("the agent is killed", lambda run: self.kill_agents()), ("amad and the agent are killed", both)):
            with self.subTest(name):
                code, events = self.followed(repo, trouble)
                self.assertEqual((code, [e["state"] for e in events.find("attempt.ended")]), (0, ["lost", "succeeded"]))

    def test_lost_for_good_when_every_try_loses_its_agent(self):
        repo = self.job(flow(shell("a", retry={"attempts": 1, "rules": [{"on": "node-lost", "do": "fail"}]}), shell("b")),
                        a="echo up\nsleep 600\n", b="true\n")
        self.amad()
        code, events = self.followed(repo, lambda run: self.kill_agents())
        ended = events.one("attempt.ended")
        self.assertEqual((ended["state"], ended["cause"]), ("lost", "node-lost"))
        self.assertEqual((events[-1]["state"], code), ("errored", 5))
        self.assertEqual(events.one("action.ended", action="b")["state"], "skipped")

    def test_cancelled_while_amad_is_dead_and_after(self):
        repo = self.job(flow(shell("a")), a="echo up\nsleep 600\n")
        daemon = self.amad()

        def cancel(run):
            self.kill(daemon)
            self.amad()
            self.assertEqual(self.ama("cancel", run).returncode, 0)

        code, events = self.followed(repo, cancel)
        self.assertEqual((code, events[-1]["state"]), (4, "cancelled"))

    def helpers(self):
        return [p for p in self.processes() if "ama-fetch-helper" in p[1]]

    def test_git_server_that_hangs(self):
        with Silent() as server:
            self.amad()
            run = self.submit(server.url + "/x.git")
            follower = self.start("attach", run, "--report-format", "ndjson")
            self.assertEqual(self.state(run), "planning")
            tail, err = self.finish(follower)
            events = self.checked(tail)
            self.assertEqual((events[-1]["state"], follower.returncode), ("errored", 5), err)
            reason = events.one("phase.ended", phase="fetch", status="error")["detail"]
            self.assertIn("127.0.0.1 did not answer", reason)

    def test_cancel_and_kill_while_a_git_server_hangs(self):
        with Silent() as server:
            daemon = self.amad()
            run = self.submit(server.url + "/x.git")
            self.wait(lambda: server.connections)
            self.assertEqual(self.ama("cancel", run).returncode, 0)
            self.assertEqual(self.attach(run)[0], 4)
            run = self.submit(server.url + "/y.git")
            self.wait(lambda: self.helpers())
            follower = self.start("attach", run, "--report-format", "ndjson")
            head = self.wait_for_line(follower, '"phase":"fetch"')
            self.kill(daemon)
            self.wait(lambda: not self.helpers())
            self.amad()
            self.assertEqual(self.ama("cancel", run).returncode, 0)
            tail, err = self.finish(follower)
            self.assertEqual((follower.returncode, self.checked(head + tail)[-1]["state"]), (4, "cancelled"), err)

    def wait(self, condition, limit=30):
        deadline = time.monotonic() + limit
        while not condition():
            self.assertLess(time.monotonic(), deadline, "waited in vain")
            time.sleep(0.01)

    def test_submits_survive_kills_between(self):
        repo = self.job(flow(shell("a")), a="true\n")
        daemon = self.amad()
        runs = []
        for _ in range(3):
            runs += [self.submit(repo) for _ in range(5)]
            self.kill(daemon)
            daemon = self.amad()
        self.assertEqual([self.attach(run)[0] for run in runs], [0] * 15)
        self.assertEqual(len(json.loads(self.ama("list", "-o", "json").stdout)["runs"]), 15)

    @contextlib.contextmanager
    def small_disk(self, size="3m"):
        """The data folder on a disk of its own."""
        if os.geteuid() != 0:
            self.skipTest("mounting needs root")
        self.data.mkdir()
        if subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "none", self.data]).returncode != 0:
            self.skipTest("no tmpfs here")
        try:
            yield self.data / "filler"
        finally:
            for d in self.daemons:
                d.terminate()
                d.wait(20)
            for pid, command in self.processes():
                if "ama-agent" in command:
                    os.kill(pid, signal.SIGINT)
            self.wait(lambda: subprocess.run(["umount", self.data], capture_output=True).returncode == 0)

    def fill(self, filler):
        with open(filler, "wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(b"\0" * 4096)

    def test_full_disk_refuses_and_recovers(self):
        with self.small_disk() as filler:
            daemon = self.amad()
            repo = self.job(flow(shell("a")), a="true\n")
            first = self.submit(repo)
            self.assertEqual(self.attach(first)[0], 0)
            self.fill(filler)
            refused = self.ama("--repo", repo, "--detach", program="ama-submit")
            self.assertEqual(refused.returncode, 5, refused.stderr)
            self.assertIn("space", refused.stderr)
            self.assertIsNone(daemon.poll())
            filler.unlink()
            deadline = time.monotonic() + 30
            while (again := self.ama("--repo", repo, "--detach", program="ama-submit")).returncode and time.monotonic() < deadline:
                time.sleep(0.05)
            self.assertEqual(self.attach(again.stdout.strip())[0], 0)

    def test_full_disk_under_a_run(self):
        """The action that runs goes on; what it leads to waits for space, and then goes on by itself. Nothing is run twice."""
        marks, go = self.shared / "marks", self.shared / "go"
        os.mkfifo(go)
        with self.small_disk() as filler:
            daemon = self.amad()
            run = self.submit(self.job(flow(shell("a"), shell("b")), a=f"echo up\nread x <{go}\necho a >>{marks}\n", b=f"echo b >>{marks}\n"))
            follower = self.start("attach", run, "--report-format", "ndjson")
            head = self.wait_for_line(follower, '"text":"up')
            self.fill(filler)
            go.write_text("on\n")
            self.wait(marks.exists)
            self.assertEqual(self.ama("show", run).returncode, 0)
            self.assertIsNone(daemon.poll())
            filler.unlink()
            tail, err = self.finish(follower, 60)
            self.assertEqual(follower.returncode, 0, err + (self.folder / "amad.log").read_text())
            self.checked(head + tail)
            self.assertEqual(marks.read_text(), "a\nb\n")

    def test_killed_on_a_full_disk(self):
        """amad starts on a full disk or says why not, and goes on when there is space."""
        go = self.shared / "go"
        os.mkfifo(go)
        with self.small_disk() as filler:
            daemon = self.amad()
            run = self.submit(self.job(flow(shell("a"), shell("b")), a=f"echo up\nread x <{go}\n", b="true\n"))
            follower = self.start("attach", run, "--report-format", "ndjson")
            head = self.wait_for_line(follower, '"text":"up')
            self.fill(filler)
            self.kill(daemon)
            refused = self.ama(program="amad")
            self.assertEqual(refused.returncode, 5, refused.stderr)
            self.assertIn("space", refused.stderr)
            filler.unlink()
            self.amad()
            go.write_text("on\n")
            tail, err = self.finish(follower, 60)
            self.assertEqual(follower.returncode, 0, err)
            self.checked(head + tail)


if __name__ == "__main__":
    unittest.main()
