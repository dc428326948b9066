"""amad and its clients on shell jobs: submit, attach, list, show, cancel; kill -9 at bad moments; subscribers that all see the same."""
import concurrent.futures
import json
import os
import pathlib
import signal
import time
import unittest

from house import House, Events
from run_test import ENV, flow, shell


class Daemon(House):
    def job(self, maki, name="job", **sources):
        return self.repo({"maki.yml": maki, **ENV, **{f"src/{n}.sh": t for n, t in sources.items()}}, name)

    def submit(self, repo, *args, exit=0):
        done = self.ama("--repo", repo, "--detach", *args, program="ama-submit")
        self.assertEqual(done.returncode, exit, done.stderr)
        return done.stdout.strip()

    def attach(self, run, *args):
        done = self.ama("attach", run, "--report-format", "ndjson", *args)
        return done.returncode, done.stdout

    def state(self, run):
        return json.loads(self.ama("show", run, "-o", "json").stdout)["state"]

    def kill(self, daemon):
        daemon.send_signal(signal.SIGKILL)
        daemon.wait(10)

    def test_submit_follows_and_exits_as_the_run_did(self):
        self.amad()
        good = self.job(flow(shell("a")), a="echo hi\n")
        bad = self.job(flow(shell("a", retry={"attempts": 1})), "bad", a="exit 9\n")
        done = self.ama("--repo", good, "--branch", "master", "--env", "dev", "--report", "code", program="ama-submit")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("echo hi", done.stdout)
        self.assertEqual(self.ama("--repo", bad, program="ama-submit").returncode, 1)

    def test_detach_prints_the_run_id_only(self):
        self.amad()
        run = self.submit(self.job(flow(shell("a")), a="true\n"))
        self.assertRegex(run, r"^[0-9A-Z]{26}$")
        code, text = self.attach(run)
        self.assertEqual(code, 0)
        self.checked(text)

    def test_list_show_and_selectors(self):
        self.amad()
        good = self.submit(self.job(flow(shell("a")), a="true\n"))
        self.attach(good)
        bad = self.submit(self.job(flow(shell("a", retry={"attempts": 2}), shell("b")), "bad", a="exit 9\n", b="true\n"), "--env", "dev")
        self.assertEqual(self.attach(bad)[0], 1)
        runs = json.loads(self.ama("list", "-o", "json").stdout)["runs"]
        self.assertEqual([(r["run"], r["state"]) for r in runs], [(bad, "failed"), (good, "succeeded")])
        shown = json.loads(self.ama("show", "@failed", "-o", "json").stdout)
        self.assertEqual((shown["run"], shown["exit"], shown["env"]), (bad, 1, "dev"))
        self.assertEqual(shown["cause"], "a failed 2 of 2: exit code 9")
        self.assertRegex(self.ama("show", bad).stdout, r"(?m)^  why +a failed 2 of 2: exit code 9$")
        self.assertEqual([(a["name"], a["state"], len(a["attempts"])) for a in shown["actions"]], [("a", "failed", 2), ("b", "skipped", 0)])
        self.assertEqual(json.loads(self.ama("show", "@latest", "-o", "json").stdout)["run"], bad)
        self.assertEqual(self.ama("show", "nothing").returncode, 2)

    def test_same_key_same_run(self):
        self.amad()
        repo = self.job(flow(shell("a")), a="true\n")
        first = self.submit(repo, "--idempotency-key", "k1")
        self.assertEqual(self.submit(repo, "--idempotency-key", "k1"), first)
        self.assertNotEqual(self.submit(repo, "--idempotency-key", "k2"), first)
        self.submit(repo, "--idempotency-key", "k1", "--env", "dev", exit=2)

    def test_cancel(self):
        self.amad()
        run = self.submit(self.job(flow(shell("a"), shell("b")), a="echo up\nsleep 600\n", b="true\n"))
        follower = self.start("attach", run, "--report-format", "ndjson")
        head = self.wait_for_line(follower, '"text":"up')
        self.assertEqual(self.ama("cancel", run).returncode, 0)
        tail, _ = self.finish(follower, 30)
        self.assertEqual(follower.returncode, 4)
        self.assertEqual(self.checked(head + tail)[-1]["state"], "cancelled")
        self.assertEqual([p for p in self.processes() if "sleep" in p[1]], [])

    def test_ten_subscribers_see_the_same_bytes(self):
        self.amad()
        go = self.folder / "go"
        os.mkfifo(go)
        run = self.submit(self.job(flow(shell("a"), shell("b")), a="for i in $(seq 2000); do echo line $i; done\n", b=f"echo wait\ncat {go}\n"))
        with concurrent.futures.ThreadPoolExecutor(10) as pool:
            early = [pool.submit(self.attach, run) for _ in range(9)]
            watcher = self.start("attach", run, "--report-format", "ndjson")
            self.wait_for_line(watcher, '"text":"wait')
            late = pool.submit(self.attach, run)
            watcher.send_signal(signal.SIGINT)
            self.finish(watcher, 30)
            go.write_text("gone\n")
            results = [f.result(timeout=60) for f in [*early, late]]
        after = self.attach(run)
        self.assertEqual({code for code, _ in results}, {0})
        self.assertEqual({text for _, text in results} | {after[1]}, {after[1]})
        events = self.checked(after[1])
        printed = "\n".join(e["text"] for e in events.find("output", action="a"))
        self.assertEqual(printed, "\n".join(f"line {i}" for i in range(1, 2001)))
        middle = Events.of(self.attach(run, "--from", "5")[1])
        self.assertEqual(middle, events[4:])
        slim = Events.of(self.attach(run, "--report", "execution")[1])
        self.assertEqual([e["seq"] for e in slim], [e["seq"] for e in events if e["level"] == "execution"])
        self.assertEqual([e["prev"] for e in slim], [0] + [e["seq"] for e in slim][:-1])

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

    def test_second_amad_is_refused(self):
        self.amad()
        second = self.ama(program="amad")
        self.assertEqual(second.returncode, 75, second.stderr)

    def test_no_daemon_is_said_plainly(self):
        done = self.ama("list")
        self.assertEqual(done.returncode, 5)
        self.assertIn("amad", done.stderr)

    def test_full_disk_refuses_and_recovers(self):
        if os.geteuid() != 0:
            self.skipTest("mounting needs root")
        import subprocess
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

    def test_the_old_command_line(self):
        repo = self.job(flow(shell("a"), shell("b", retry={"attempts": 1})), a="echo hi\n", b="exit 1\n")
        import subprocess
        script = pathlib.Path(os.environ["AMA_SOURCE_DIR"]) / "scripts/ama-start.sh"
        for serve in (False, True):
            if serve:
                self.amad()
            done = subprocess.run([script, f"--repo={repo}", "--env=dev", "--report=code", "--branch=master"], env=self.env,
                                  capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
            self.assertEqual(done.returncode, 1, done.stderr)
            self.assertIn("===> echo hi", done.stdout)


if __name__ == "__main__":
    unittest.main()
