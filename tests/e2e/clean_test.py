"""Working data of runs: it goes when its retention is over, and by `ama clean`; never that of a run that has not ended, and nothing outside."""
import os
import pathlib
import signal
import time
import unittest

from daemon_house import DaemonHouse
from net_house import NetHouse, needs_root
from run_test import flow, shell

GATED = "echo begun; until test -e {}/go; do sleep 0.05; done\n"


class CleanHouse(DaemonHouse):
    def setUp(self):
        super().setUp()
        self.working = self.data / "agent" / "runs"

    def keep_for(self, age):
        with open(self.env["AMA_CONFIG"], "a") as config:
            config.write(f"retention: {{ work-age: {age} }}\n")

    def wait_until(self, true, what):
        until = time.monotonic() + 60
        while not true():
            self.assertLess(time.monotonic(), until, f"{what}: did not happen\n" + (self.folder / "amad.log").read_text())
            time.sleep(0.01)

    def lie(self, folder=None):
        """Names of all that is there, what is on its way out included."""
        return {path.name for path in (folder or self.working).iterdir()}

    def ended(self, job):
        run = self.submit(job, "--env", "dev")
        self.assertEqual(self.attach(run)[0], 0)
        return run


class Retention(CleanHouse):
    def test_it_goes_when_its_time_is_over(self):
        self.keep_for("1s")
        precious = self.shared / "precious"
        precious.mkdir()
        (precious / "file").write_text("kept\n")
        deep = f"ln -s {precious} link; mkdir -p locked/in; touch locked/in/file; chmod 0 locked; for i in $(seq 90); do mkdir d; cd d; done; touch deepest\n"
        over_job = self.job(flow(shell("a")), "over", a=deep)
        open_job = self.job(flow(shell("a"), shell("b")), "open", a=GATED.format(self.shared), b="true\n")
        self.amad()
        run = self.submit(open_job, "--env", "dev")
        self.wait_for_output(run, "begun")
        over = self.ended(over_job)
        self.wait_until(lambda: self.lie() == {run}, "what is over is removed")
        self.assertEqual((precious / "file").read_text(), "kept\n")
        (self.shared / "go").touch()
        self.assertEqual(self.attach(run)[0], 0)
        self.wait_until(lambda: not self.lie(), "and so the other when it is over")
        for one in (over, run):  # what was told of them stays
            self.assertEqual(self.attach(one)[0], 0)
            self.assertEqual(self.state(one), "succeeded")

    def test_what_a_killed_agent_was_removing(self):
        self.keep_for("1s")
        job = self.job(flow(shell("a")), a="for i in $(seq 40); do mkdir $i; touch $i/{1..300}; done\n")
        self.amad()
        self.ended(job)
        self.wait_until(lambda: any(name.startswith(".gone-") for name in self.lie()), "it is being removed")
        for pid, command in self.processes():
            if command.split(" ")[0].endswith("/ama-agent"):
                os.kill(pid, signal.SIGKILL)
        self.wait_until(lambda: not self.lie(), "the next agent removes the rest")


if __name__ == "__main__":
    unittest.main()
