"""Kernels of Python actions that are started while the action before them runs: they wait unseen, and are of use or leave nothing."""
import os
import signal
import time
import unittest

from kernel_house import KernelHouse

LIMIT = 60


class Ahead(KernelHouse):
    def setUp(self):
        super().setUp()
        self.go = self.shared / "go"
        os.mkfifo(self.go)

    def job(self, end="true"):
        """A shell action that waits to be let go, and a Python action behind it."""
        flow = [{"name": "first", "runner": {"group": "shell", "type": "bash"}, "file": "first.sh", "retry": {"attempts": 1}},
                {"name": "second", "runner": {"group": "python", "type": "python"}, "file": "second.py", "retry": {"attempts": 1}}]
        return super().job({"first.sh": f"cat {self.go}\n{end}\n", "second.py": "import os\nprint(os.getpid())\n"}, flow)

    def kernels(self):
        return [pid for pid, command in self.processes() if "runners/python/main.py" in command]

    def waiting(self):
        deadline = time.monotonic() + LIMIT
        while not (kernels := self.kernels()):
            self.assertLess(time.monotonic(), deadline, "no kernel is started ahead")
            time.sleep(0.01)
        return kernels[0]

    def begin(self, repo):
        return self.start("run", repo, "--report-format", "ndjson")

    def let_go(self):
        with open(self.go, "w") as pipe:
            pipe.write("gone\n")

    def end(self, run, code):
        out, err = self.finish(run)
        self.assertEqual(run.returncode, code, f"{out}\n{err}")
        return self.checked(out)

    def test_it_waits_and_goes(self):
        run = self.begin(self.job())
        pid = self.waiting()
        self.let_go()
        events = self.end(run, 0)
        self.assertEqual(events.lines(action="second"), [str(pid)])
        started = events.one("attempt.started", action="second")
        self.assertEqual([e["type"] for e in events if e.get("action") == "second"][0], "attempt.started")
        self.assertGreater(started["seq"], events.one("attempt.ended", action="first")["seq"])

    def test_it_is_not_needed(self):
        run = self.begin(self.job(end="false"))
        pid = self.waiting()
        self.let_go()
        events = self.end(run, 1)
        self.assertEqual(events.find("attempt.started", action="second"), [])
        self.assertNotIn(pid, self.kernels())

    def test_it_dies_while_it_waits(self):
        run = self.begin(self.job())
        pid = self.waiting()
        os.kill(pid, signal.SIGKILL)
        while pid in self.kernels():
            time.sleep(0.01)
        self.let_go()
        events = self.end(run, 0)
        self.assertNotEqual(events.lines(action="second"), [str(pid)])

    def test_the_run_is_cancelled(self):
        run = self.begin(self.job())
        self.waiting()
        run.send_signal(signal.SIGINT)
        self.end(run, 130)
        self.assertEqual(self.kernels(), [])

    def test_what_it_needs_can_not_be_had(self):
        """Its own time tells why."""
        repo = self.job()
        repo.commit({"deps/requirements.txt": "--no-index\nno-such-package-of-anybody==1\n"}, "deps")
        run = self.begin(repo)
        self.let_go()
        events = self.end(run, 5)
        ended = events.one("attempt.ended", action="second")
        self.assertEqual((ended["state"], ended["cause"]), ("errored", "dependency"))
        self.assertIn("no-such-package-of-anybody", ended["error"]["message"])


if __name__ == "__main__":
    unittest.main()
