"""A damaged journal with the real programs: amad refuses it, fsck tells what is wrong, salvage goes on without running anything twice."""
import json
import os
import pathlib
import sqlite3
import subprocess
import sys
import time
import unittest

TESTS = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TESTS / "e2e"), str(TESTS / "tools")]
from daemon_house import DaemonHouse  # noqa: E402
from run_test import flow, shell  # noqa: E402


class Journal(DaemonHouse):
    def fsck(self, *args, exit=0):
        done = self.ama("fsck", "-o", "json", *args)
        self.assertEqual(done.returncode, exit, done.stdout + done.stderr)
        return json.loads(done.stdout) if done.stdout else done.stderr

    def stop(self, daemon):
        daemon.terminate()
        self.assertEqual(daemon.wait(30), 0)

    def refused(self):
        done = subprocess.run(["amad"], env=self.env, capture_output=True, text=True, timeout=30)
        self.assertEqual(done.returncode, 5)
        self.assertIn("ama fsck --salvage", done.stderr)
        return done.stderr

    def sql(self, text):
        with sqlite3.connect(self.data / "journal.db") as db:
            db.execute(text)
        db.close()

    def files(self):
        return {p.name: (p.stat().st_mtime_ns, p.read_bytes()) for p in self.data.iterdir() if p.is_file()}

    def test_usage_and_no_journal(self):
        done = self.ama("fsck", "--repair")
        self.assertEqual(done.returncode, 2)
        self.assertIn("there is no journal in", self.fsck(exit=2))

    def test_whole_while_amad_serves_and_after_it_was_killed(self):
        repo = self.job(flow(shell("one"), shell("two")), one="true\n", two="false\n")
        daemon = self.amad()
        run = self.submit(repo)
        self.assertEqual(self.attach(run)[0], 1)
        self.assertIn("in use by another process, pid", self.fsck(exit=75))
        self.assertIn("in use by another process, pid", self.fsck("--salvage", exit=75))
        self.kill(daemon)
        before = self.files()
        self.assertIn("journal.db-wal", before)
        report = self.fsck()
        self.assertEqual(self.files(), before)
        self.assertEqual((report["ok"], report["problems"], report["runs"]), (True, [], 1))
        self.stop(self.amad())
        self.assertGreater(self.fsck()["events"], 5)
        text = self.ama("fsck")
        self.assertIn("all is as it was written", text.stdout)

    def test_found_as_amad_finds_it(self):
        daemon = self.amad()
        self.stop(daemon)
        env = {k: v for k, v in self.env.items() if k != "AMA_DATA_DIR"}
        done = subprocess.run(["ama", "fsck"], env=env | {"STATE_DIRECTORY": str(self.data)}, capture_output=True, text=True, timeout=30)
        self.assertEqual(done.returncode, 0, done.stderr)
        conf = self.folder / "amad.yaml"
        conf.write_text(f"data-dir: {self.data}\n")
        done = subprocess.run(["ama", "fsck"], env=env | {"AMA_CONFIG": str(conf)}, capture_output=True, text=True, timeout=30)
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_salvaged_run_is_closed_and_nothing_runs_again(self):
        marks, up = self.shared / "marks", self.shared / "up"
        os.mkfifo(up)
        repo = self.job(flow(shell("one"), shell("two")), one=f"echo one >>{marks}\n", two=f"echo two >>{marks}\necho >{up}\nsleep 600\n")
        fine = self.job(flow(shell("a")), name="fine", a=f"echo fine >>{marks}\n")
        daemon = self.amad()
        ended = self.submit(fine)
        self.assertEqual(self.attach(ended)[0], 0)
        run = self.submit(repo, "--idempotency-key", "k1")
        up.read_text()
        self.kill(daemon)
        # the success of the first action, so that a replay would start it again
        self.sql("UPDATE event SET body = zeroblob (5) WHERE no = (SELECT max (no) FROM event WHERE type = 0x070c)")
        self.assertIn("was altered", self.refused())
        report = self.fsck(exit=1)
        self.assertFalse(report["ok"])
        self.assertEqual([r["run"] for r in report["lost"]], [run])
        report = self.fsck("--salvage")
        self.assertTrue(os.path.exists(report["salvage"]["damaged"]))
        self.assertEqual(json.loads(pathlib.Path(report["salvage"]["list"] + ".json").read_text()), report)
        self.assertIn(run, pathlib.Path(report["salvage"]["list"] + ".txt").read_text())
        self.fsck()
        self.amad()
        self.assertEqual((self.state(run), self.state(ended)), ("errored", "succeeded"))
        code, out = self.attach(run)
        self.assertEqual(code, 5)
        self.assertEqual(self.checked(out)[-1]["type"], "run.ended")
        self.assertIn("journal damaged", self.ama("attach", run, "--report", "execution").stdout)
        self.assertEqual(self.submit(repo, "--idempotency-key", "k1"), run)
        self.assertEqual(self.attach(self.submit(fine))[0], 0)
        self.assertEqual(marks.read_text(), "fine\none\ntwo\nfine\n")

    def until(self, what):
        deadline = time.monotonic() + 60
        while not what():
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.02)

    def runs(self):
        return [r["run"] for r in json.loads(self.ama("list", "-o", "json").stdout)["runs"]]

    def test_retention(self):
        go = self.shared / "go"
        os.mkfifo(go)
        quick, slow = self.job(flow(shell("a")), name="quick", a="echo quick\n"), self.job(flow(shell("a")), name="slow", a=f"read line <{go}\n")
        amad = lambda: self.amad("--config", self.folder / "amad.yaml")  # noqa: E731
        (self.folder / "amad.yaml").write_text(f"sandbox-write: {self.shared}\nretention: {{ runs: 100 }}\n")
        daemon = amad()
        open_run = self.submit(slow)
        gone = self.submit(quick, "--idempotency-key", "k1")
        self.assertEqual(self.attach(gone)[0], 0)
        self.assertEqual(self.submit(quick, "--idempotency-key", "k1"), gone)
        report = self.data / "reports" / f"{gone}.log"
        self.assertTrue(report.exists())
        self.stop(daemon)
        # killed again and again while runs are removed
        (self.folder / "amad.yaml").write_text(f"sandbox-write: {self.shared}\nretention: {{ runs: 1 }}\n")
        daemon = amad()
        made = [gone]
        for _ in range(6):
            made.append(self.submit(quick))
            self.assertEqual(self.attach(made[-1])[0], 0)
            self.kill(daemon)
            self.assertEqual(self.fsck()["problems"], [])
            daemon = amad()
        self.until(lambda: self.runs() == [made[-1], open_run])
        self.until(lambda: sorted(p.stem for p in (self.data / "reports").glob("*.log")) == sorted([open_run, made[-1]]))
        for command in (("show", gone), ("attach", gone)):
            done = self.ama(*command)
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertRegex(done.stderr, gone + r" ended on \d{4}-\d\d-\d\d and was removed by the retention on \d{4}")
        done = self.ama("--repo", quick, "--detach", "--idempotency-key", "k1", program="ama-submit")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("was removed by the retention", done.stderr)
        go.write_text("on\n")
        self.assertEqual(self.attach(open_run)[0], 0)
        self.stop(daemon)
        checked = self.fsck()
        self.assertEqual((checked["problems"], checked["runs"] + checked["removed"]), ([], 8))


if __name__ == "__main__":
    unittest.main(verbosity=2)
