"""P17: an input that is the end of whoever handles it, again and again, beside good runs. These finish; it is tried three times, then left alone until
it changes. Needs the preset failpoints: what kills is a fault at a named place, when that is reached with the input."""
import os
import pathlib
import signal
import subprocess
import sys
import threading
import unittest

TESTS = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TESTS / "e2e"), str(TESTS / "tools")]
from daemon_house import DaemonHouse  # noqa: E402
from house import BIN  # noqa: E402
from run_test import flow, shell  # noqa: E402

GOOD = 10


class Poison(DaemonHouse):
    def setUp(self):
        super().setUp()
        self.ends = []
        self.over = threading.Event()

    def keep(self):
        """Starts amad anew whenever it dies, as a service manager does."""
        while not self.over.is_set():
            with open(self.folder / "amad.log", "a") as log:
                daemon = subprocess.Popen([BIN / "amad"], env=self.env, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True)
            self.daemons.append(daemon)
            if daemon.wait() != 0:
                self.ends.append(-daemon.returncode)

    def kept(self):
        keeper = threading.Thread(target=self.keep)

        def stop():
            self.over.set()
            self.daemons[-1].send_signal(signal.SIGTERM)
            keeper.join(60)
        keeper.start()
        self.stop = stop

    def tearDown(self):
        if hasattr(self, "stop"):
            self.stop()
        super().tearDown()

    def arm(self, order):
        self.env["AMA_FAILPOINT"] = order

    def submitted(self, repo, *args):
        """Again and again: amad may be dying just now. The token makes it one run."""
        for _ in range(200):
            done = self.ama("--repo", repo, "--detach", "--idempotency-key", f"k{self.keys}", *args, program="ama-submit")
            if done.returncode == 0:
                self.keys += 1
                return done.stdout.strip()
        self.fail(done.stderr)

    keys = 0

    def ended(self, run):
        for _ in range(200):
            code, out = self.attach(run)
            if '"run.ended"' in out:
                return code, self.checked(out)
        self.fail(out)

    def good(self):
        return self.job(flow(shell("a"), shell("b")), "good", a="echo a\n", b="echo b\n")

    def parked(self, run, *words):
        code, events = self.ended(run)
        self.assertEqual((code, events[-1]["state"]), (5, "errored"))
        reason = events.one("phase.ended", status="error")["detail"]
        for word in ("parked: 3 times in a row", "signal 11", str(self.data / "crashes"), *words):
            self.assertIn(word, reason)

    def tale(self, repo, place, *args):
        """The bad one in the middle of good ones, then again: (how often something died the first time, the second time)."""
        good = self.good()
        runs = [self.submitted(good) for _ in range(GOOD // 2)]
        bad = self.submitted(repo, *args)
        runs += [self.submitted(good) for _ in range(GOOD - GOOD // 2)]
        self.parked(bad, place)
        first = self.died()
        self.assertEqual([self.ended(run)[0] for run in runs], [0] * GOOD)
        self.parked(self.submitted(repo, *args), place)
        return first, self.died()

    def died(self):
        return len(self.ends) + (self.folder / "amad.log").read_text().count("signal 11")

    def bad_env(self):
        return self.repo({"maki.yml": flow(shell("a")), "src/a.sh": "true\n", "env/poison/job.yml": "name: poison\n"}, "bad")

    def test_a_plan_that_kills_amad(self):
        self.arm("plan.begun:crash=poison")
        self.kept()
        repo = self.bad_env()
        commit = repo.git("rev-parse", "HEAD")
        self.assertEqual(self.tale(repo, f"the planner over {commit}, environment poison", "--env", "poison"), (3, 3))
        self.assertEqual(self.ends, [signal.SIGSEGV] * 3)
        # another commit is another input; what would kill is gone, too
        self.arm("")
        self.daemons[-1].send_signal(signal.SIGTERM)
        self.daemons[-1].wait(30)
        self.parked(self.submitted(repo, "--env", "poison"), commit)
        repo.commit({"src/a.sh": "echo mended\n"}, "mended")
        self.assertEqual(self.ended(self.submitted(repo, "--env", "poison"))[0], 0)

    def test_a_message_that_kills_its_actor(self):
        """Whichever it is: here a submit, which its client repeats."""
        self.arm("supervisor.submitted:crash=poison")
        self.kept()
        good = self.good()
        runs = [self.submitted(good) for _ in range(GOOD // 2)]
        command = ("--repo", self.job(flow(shell("a")), "poison", a="true\n"), "--detach", "--idempotency-key", "one")
        for _ in range(200):
            done = self.ama(*command, program="ama-submit")
            if "parked: 3 times in a row" in done.stderr:
                break
        self.assertIn("(run.submit: signal 11)", done.stderr)
        self.assertEqual((done.returncode, self.ends), (5, [signal.SIGSEGV] * 3))
        runs += [self.submitted(good) for _ in range(GOOD - GOOD // 2)]
        self.assertEqual([self.ended(run)[0] for run in runs], [0] * GOOD)
        self.assertEqual(len(self.ends), 3)

    def test_a_plan_that_kills_the_planner_s_process(self):
        config = self.folder / "house.yaml"
        config.write_text("placement: { planner: process }\n")
        self.env["AMA_CONFIG"] = str(config)
        self.arm("plan.begun:crash=poison")
        daemon = self.amad()
        self.assertEqual(self.tale(self.bad_env(), "the planner over", "--env", "poison"), (3, 3))
        self.assertIsNone(daemon.poll())

    def test_a_repository_that_kills_the_fetch_helper(self):
        self.arm("helper.ordered:crash=poison")
        daemon = self.amad()
        repo = self.job(flow(shell("a")), "poison", a="true\n")
        self.assertEqual(self.tale(repo, f"the fetch helper over {repo}"), (3, 3))
        self.assertIsNone(daemon.poll())
        self.kill(daemon)  # who comes next knows it
        self.amad()
        self.parked(self.submitted(repo), str(repo))
        self.assertEqual(self.died(), 3)
        os.unlink(self.data / "crashes" / "fetch-helper")
        self.env.pop("AMA_FAILPOINT")
        self.kill(self.daemons[-1])
        self.amad()
        self.assertEqual(self.ended(self.submitted(repo))[0], 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
