"""amad and its clients on shell jobs: submit, attach, list, show, cancel; subscribers that all see the same. What can die: tests/crash."""
import concurrent.futures
import json
import os
import pathlib
import signal
import unittest

from daemon_house import DaemonHouse
from house import Events
from run_test import flow, shell


class Daemon(DaemonHouse):
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

    def test_waiting_costs_nothing(self):
        """While an action takes its time amad waits for events: it takes less than a tenth of a processor."""
        def spent():
            fields = pathlib.Path(f"/proc/{daemon.pid}/stat").read_text().rpartition(")")[2].split()
            return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        daemon = self.amad()
        run = self.submit(self.job(flow(shell("a")), a="echo up\nsleep 3\necho down\n"))
        follower = self.start("attach", run, "--report-format", "ndjson")
        self.wait_for_line(follower, '"text":"up')
        before = spent()
        self.wait_for_line(follower, '"text":"down')
        self.assertLess(spent() - before, 0.3)
        self.finish(follower)

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
        go = self.shared / "go"
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
        self.assertEqual(events.lines(action="a"), [f"line {i}" for i in range(1, 2001)])
        middle = Events.of(self.attach(run, "--from", "5")[1])
        self.assertEqual(middle, events[4:])
        slim = Events.of(self.attach(run, "--report", "execution")[1])
        self.assertEqual([e["seq"] for e in slim], [e["seq"] for e in events if e["level"] == "execution"])
        self.assertEqual([e["prev"] for e in slim], [0] + [e["seq"] for e in slim][:-1])

    def test_second_amad_is_refused(self):
        self.amad()
        second = self.ama(program="amad")
        self.assertEqual(second.returncode, 75, second.stderr)

    def test_no_daemon_is_said_plainly(self):
        done = self.ama("list")
        self.assertEqual(done.returncode, 5)
        self.assertIn("amad", done.stderr)

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
