"""kill -9 and full disks under shell jobs: the truth about the run, its reason in the report, nothing run twice, nothing left running."""
import json
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
        marks, go = self.folder / "marks", self.folder / "go"
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

    def test_action_that_ends_while_amad_is_dead_is_not_run_again(self):
        marks, up = self.folder / "marks", self.folder / "up"
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

    def test_killed_agent_is_a_lost_attempt_tried_anew(self):
        repo = self.job(flow(shell("a")), a="echo up $AMA_ATTEMPT\n[ $AMA_ATTEMPT != 1 ] || sleep 600\n")
        self.amad()
        run = self.submit(repo)
        follower = self.start("attach", run, "--report-format", "ndjson")
        head = self.wait_for_line(follower, '"text":"up 1')
        agents = [pid for pid, command in self.processes() if command.split(" ")[0].endswith("/ama-agent")]
        for pid in agents:
            os.kill(pid, signal.SIGKILL)
        tail, err = self.finish(follower, 90)
        events = self.checked(head + tail)
        self.assertEqual(events.find("attempt.ended")[0]["state"], "lost")
        self.assertEqual(events[-1]["state"], "succeeded")
        self.assertEqual([p for p in self.processes() if "sleep" in p[1]], [])

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

    def test_full_disk_refuses_and_recovers(self):
        if os.geteuid() != 0:
            self.skipTest("mounting needs root")
        self.data.mkdir()
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "none", self.data]).returncode != 0:
            self.skipTest("no tmpfs here")
        try:
            daemon = self.amad()
            repo = self.job(flow(shell("a")), a="true\n")
            first = self.submit(repo)
            self.assertEqual(self.attach(first)[0], 0)
            filler = self.data / "filler"
            with open(filler, "wb", buffering=0) as file:
                try:
                    while True:
                        file.write(b"\0" * 4096)
                except OSError:
                    pass
            refused = self.ama("--repo", repo, "--detach", program="ama-submit")
            self.assertEqual(refused.returncode, 5, refused.stderr)
            self.assertIn("space", refused.stderr)
            self.assertIsNone(daemon.poll())
            filler.unlink()
            deadline = time.monotonic() + 30
            while (again := self.ama("--repo", repo, "--detach", program="ama-submit")).returncode and time.monotonic() < deadline:
                time.sleep(0.05)
            self.assertEqual(self.attach(again.stdout.strip())[0], 0)
        finally:
            for d in self.daemons:
                d.terminate()
                d.wait(20)
            for pid, command in self.processes():
                if "ama-agent" in command:
                    os.kill(pid, signal.SIGTERM)
            deadline = time.monotonic() + 10
            while subprocess.run(["umount", self.data], capture_output=True).returncode and time.monotonic() < deadline:
                time.sleep(0.05)


if __name__ == "__main__":
    unittest.main()
