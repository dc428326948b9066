"""Working data of runs: it goes when its retention is over, and by `ama clean`; never that of a run that has not ended, and nothing outside."""
import json
import os
import signal
import time
import unittest

from daemon_house import DaemonHouse
from house import Words
from run_test import flow, shell

GATED = "echo begun; until test -e {}/go; do sleep 0.05; done\n"


class CleanHouse(Words, DaemonHouse):
    def setUp(self):
        super().setUp()
        self.working = self.data / "agent" / "runs"

    def keep_for(self, age):
        with open(self.env["AMA_CONFIG"], "a") as config:
            config.write(f"retention: {{ work-age: {age} }}\n")

    def wait_until(self, true, what):
        until = time.monotonic() + 60
        while not true():
            log = self.folder / "amad.log"
            self.assertLess(time.monotonic(), until, f"{what}: did not happen\n" + (log.read_text() if log.exists() else ""))
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


class Clean(CleanHouse):
    def clean(self, *args, exit=0, **kw):
        done = self.ama("clean", *args, "-o", "json", **kw)
        self.assertEqual(done.returncode, exit, done.stdout + done.stderr)
        return json.loads(done.stdout) if done.stdout else done.stderr

    def rows(self, told):
        return {row["run"]: row for row in told["runs"]}

    def test_exactly_those_that_are_meant(self):
        kept = f"{self.shared}/kept"
        files = f"head -c 100000 /dev/zero >a; mkdir b; echo 1 >b/c; echo 1 >{kept}"
        job = self.job(flow(shell("a")), a=f"{files}; ama say artifact mine a; ama say artifact theirs {kept}\n")
        open_job = self.job(flow(shell("a")), "open", a=GATED.format(self.shared))
        self.amad()
        one, two, three = (self.ended(job) for _ in range(3))
        going = self.submit(open_job, "--env", "dev")
        self.wait_for_output(going, "begun")
        paths = {a["name"]: a["path"] for a in json.loads(self.ama("show", two, "-o", "json").stdout)["artifacts"]}
        self.assertTrue(all(os.path.exists(path) for path in paths.values()), paths)
        would = self.clean(one, "--dry-run")
        self.assertEqual(self.lie(), {one, two, three, going})
        self.assertEqual((would["dry_run"], would["left"], would["freed"]["runs"]), (True, 0, 1))
        self.assertGreaterEqual(would["freed"]["bytes"], 100000)
        did = self.clean(one)
        self.assertEqual(did["freed"], would["freed"])
        self.assertEqual(self.lie(), {two, three, going})
        left = self.clean(going, two, exit=1)
        self.assertEqual(self.lie(), {three, going}, left)
        self.assertEqual(self.rows(left)[going]["left"], "it has not ended")
        self.assertEqual((self.rows(left)[two]["left"], left["left"], left["freed"]["runs"]), (None, 1, 1))
        again = self.clean(two)
        self.assertEqual((again["freed"]["runs"], self.rows(again)[two]["bytes"]), (0, 0))
        self.assertEqual(self.clean("--older", "1h")["runs"], [])
        self.assertEqual(self.lie(), {three, going})
        all_of_them = self.clean("--all")
        self.assertEqual(self.lie(), {going})
        self.assertEqual(set(self.rows(all_of_them)), {three, going})
        # what is told of them is still told, and true
        self.assertEqual(self.attach(two)[0], 0)
        shown = {a["name"]: a for a in json.loads(self.ama("show", two, "-o", "json").stdout)["artifacts"]}
        self.assertEqual((shown["mine"]["path"], shown["mine"]["removed"]), (None, True))
        self.assertEqual(shown["theirs"]["path"], paths["theirs"])
        self.assertNotIn("removed", shown["theirs"])
        text = self.ama("show", two).stdout
        self.assertIn("removed, with the working data of the run", text)
        self.assertNotIn(paths["mine"], text)
        self.assertTrue(os.path.exists(paths["theirs"]))
        (self.shared / "go").touch()
        self.assertEqual(self.attach(going)[0], 0)
        self.assertIn("1 run", self.ama("clean", "@latest").stdout)
        self.assertEqual(self.lie(), set())

    def test_mistakes_remove_nothing(self):
        job = self.job(flow(shell("a")), a="true\n")
        self.amad()
        run = self.ended(job)
        for args in ((), (run, "--all"), ("--all", "--older", "1h"), ("--older", "soon"), (run, "01NOSUCHRUN"), ("@nonsense",)):
            self.assertIn("ama: ", self.clean(*args, exit=2))
        self.assertEqual(self.lie(), {run})

    def test_the_agent_is_killed_in_the_middle(self):
        job = self.job(flow(shell("a")), a="for i in $(seq 100); do mkdir $i; touch $i/{1..300}; done\n")
        self.amad()
        run = self.ended(job)
        cleaning = self.start("clean", run)
        self.wait_until(lambda: any(name.startswith(".gone-") for name in self.lie()), "it is being removed")
        for pid, command in self.processes():
            if command.split(" ")[0].endswith("/ama-agent"):
                os.kill(pid, signal.SIGKILL)
        out, err = self.finish(cleaning)
        self.assertEqual(cleaning.returncode, 5, out + err)
        self.assertIn("left alone: agent/local", out)
        self.wait_until(lambda: not self.lie(), "the next agent removes the rest")


class Local(CleanHouse):
    """Without a daemon."""

    def folders(self):
        return {path.name for path in (self.data / "local").glob("*/agent/runs/*") if not path.parents[2].is_symlink()}

    def grow_old(self, run):
        self.keep_for("1s")
        self.wait_until(lambda: time.time() - (self.data / "local" / run / "shown").stat().st_mtime > 2, "time passes since its end")
        (self.data / "local/.swept").unlink(missing_ok=True)  # it is looked once in a while

    def run_one(self, job):
        return self.run_events(job, "--env", "dev")[0]["run"]

    def test_clean(self):
        job = self.job(flow(shell("a")), a="echo 1 >file; ama say artifact mine file\n")
        one, two, three = (self.run_one(job) for _ in range(3))
        gated = self.job(flow(shell("a")), "open", a=GATED.format(self.shared))
        going = self.start("run", gated, "--env", "dev", "--report-format", "ndjson")
        told = self.wait_for_line(going, '"text":"begun"')
        alive = json.loads(told.splitlines()[0])["run"]
        self.assertEqual(self.folders(), {one, two, three, alive})
        done = self.ama("clean", one, "-o", "json")
        self.assertEqual((done.returncode, json.loads(done.stdout)["freed"]["runs"]), (0, 1), done.stderr)
        self.assertEqual(self.folders(), {two, three, alive})
        artifact = json.loads(self.ama("show", one, "-o", "json").stdout)["artifacts"][0]
        self.assertEqual((artifact["path"], artifact["removed"]), (None, True))
        self.assertEqual(self.ama("clean", alive).returncode, 1)
        done = self.ama("clean", "--all", "-o", "json")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("no amad is running", done.stderr)
        self.assertEqual({row["run"]: row["left"] for row in json.loads(done.stdout)["runs"]}, {two: None, three: None, alive: "it has not ended"})
        self.assertEqual(self.folders(), {alive})
        (self.shared / "go").touch()
        self.finish(going)
        self.assertEqual(going.returncode, 0)
        self.amad()  # beside one, they count as well
        self.assertEqual(self.ama("clean", "@latest").returncode, 0)
        self.assertEqual(self.folders(), set())
        self.assertEqual(self.ama("attach", two).returncode, 0)

    def test_retention(self):
        job = self.job(flow(shell("a")), a="echo 1 >file\n")
        one = self.run_one(job)  # with the retention of a week
        two = self.run_one(job)
        self.assertEqual(self.folders(), {one, two})
        self.grow_old(two)
        three = self.run_one(job)
        self.assertEqual(self.folders(), {three})
        self.assertEqual(self.ama("attach", one).returncode, 0)
        done = self.ama("show", one, "-o", "json")
        self.assertEqual(json.loads(done.stdout)["state"], "succeeded")

    def test_retention_beside_a_run(self):
        job = self.job(flow(shell("a")), a="for i in $(seq 40); do mkdir $i; touch $i/{1..300}; done\n")
        one = self.run_one(job)
        self.grow_old(one)
        going = self.start("run", self.job(flow(shell("a")), "open", a=GATED.format(self.shared)), "--env", "dev", "--report-format", "ndjson")
        alive = json.loads(self.wait_for_line(going, '"text":"begun"').splitlines()[0])["run"]
        if one in self.folders():  # else the machine was slow, and it is gone already
            self.wait_until(lambda: self.folders() == {alive}, "the earlier one goes while this one runs")
        going.send_signal(signal.SIGKILL)  # whoever comes next is not disturbed by that
        self.finish(going)

    def test_retention_of_runs(self):
        """As amad does: so many of them stay, with journal and report; one that goes on is none of them that end."""
        job = self.job(flow(shell("a")), a="echo 1 >file\n")
        gated = self.job(flow(shell("a")), "open", a=GATED.format(self.shared))
        local = self.data / "local"
        for _ in range(20):
            self.run_one(job)
            if (local / ".swept").exists():     # so the next one does not begin to, under what holds as yet
                break
        going = self.start("run", gated, "--env", "dev", "--report-format", "ndjson")
        self.addCleanup(going.kill)
        alive = json.loads(self.wait_for_line(going, '"text":"begun"').splitlines()[0])["run"]
        runs = [self.run_one(job) for _ in range(4)]
        with open(self.env["AMA_CONFIG"], "a", encoding="utf-8") as config:
            config.write("retention: { runs: 2 }\n")
        (local / ".swept").unlink()
        for _ in range(20):  # each takes a tenth of a second at its end for it, at most
            runs.append(self.run_one(job))
            if (local / ".swept").exists():
                break
        self.assertEqual([row["run"] for row in json.loads(self.ama("list", "-o", "json").stdout)["runs"]], [runs[-1], runs[-2], alive])
        self.assertNotEqual(self.ama("show", runs[0]).returncode, 0)
        self.assertEqual(list((local / "runs").iterdir()), [])
        self.assertEqual(len([p for p in local.iterdir() if p.is_dir() and not p.is_symlink() and p.name != "runs"]), 3)
        (self.shared / "go").touch()
        self.finish(going)
        self.assertEqual(going.returncode, 0)


if __name__ == "__main__":
    unittest.main()
