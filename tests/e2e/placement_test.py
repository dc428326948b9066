"""Actors and agents on other hosts: each in a network namespace of its own, with an empty disk."""
import json
import os
import pathlib
import signal
import time
import unittest

from daemon_house import DaemonHouse
from net_house import NetHouse, needs_root
from run_test import flow, shell

ROUNDS = int(os.environ.get("AMA_PLACEMENT_ROUNDS", "1"))  # every party is killed so often
NEAR = ("reporter", "fetcher", "planner", "resolver", "broker")  # without another disk there is no depot
PARTS = ("depot", *NEAR)


@needs_root
class FarAgent(NetHouse):
    def test_a_run_on_another_host(self):
        self.serve("", "--no-agent")
        agent = self.agent("node7")
        job = self.job(flow(shell("a"), shell("b")), a="echo one; hostname -I 2>/dev/null || ip -4 -o addr\n", b="echo two\n")
        done = self.ama("submit", job, "--env", "dev", "--report-format", "ndjson")
        self.assertEqual(done.returncode, 0, done.stderr + self.logs())
        events = self.checked(done.stdout)
        said = [e["text"] for e in events.find("output")]
        self.assertIn("10.77.1.2", "".join(said), said)
        shown = json.loads(self.ama("show", "@latest", "-o", "json").stdout)
        self.assertEqual({t["node"] for a in shown["actions"] for t in a["attempts"]}, {"agent/node7"})

    def test_killed_meanwhile(self):
        self.serve("", "--no-agent")
        agent = self.agent("node7")
        job = self.job(flow(shell("a"), shell("b")), a=f"echo begun; until test -e {self.shared}/go; do sleep 0.05; done\n", b="echo two\n")
        run = self.submit(job, "--env", "dev")
        follower = self.start("attach", run, "--report-format", "ndjson")
        self.wait_for_line(follower, '"text":"begun')
        agent.kill()
        (self.shared / "go").touch()
        self.finish(follower)
        self.assertEqual(follower.returncode, 0, self.logs())
        self.assertEqual([e["attempt"] for e in self.checked(self.attach(run)[1]).find("attempt.ended")], [1, 1])  # it went on under its guard

    def cut_off(self, host, off=True):
        """Nothing comes from it or to it any more."""
        host.inside("ip", "link", "set", "v0", "down" if off else "up")

    def test_lost_and_waited_for(self):
        """Without a lease only the agent's word counts: the attempt is not heard of, goes on, and its end is taken."""
        self.serve("", "--no-agent")
        away = self.agent("node7", "--sandbox-write", self.shared)
        marks = self.shared / "marks"
        script = f"echo $AMA_ATTEMPT >>{marks}; echo begun; until test -e {self.shared}/go; do sleep 0.05; done\n"
        run = self.submit(self.job(flow(shell("a"), lease="never"), a=script), "--env", "dev")
        follower = self.start("attach", run, "--report-format", "ndjson")
        self.wait_for_line(follower, '"text":"begun')
        self.cut_off(away)
        self.wait_for(lambda: "unknown" in self.ama("show", run).stdout, "it is unknown", limit=90)
        (self.shared / "go").touch()
        self.cut_off(away, False)
        self.finish(follower)
        code, out = self.attach(run)
        self.assertEqual((code, [(e["attempt"], e["state"]) for e in self.checked(out).find("attempt.ended")]), (0, [(1, "succeeded")]))
        self.assertEqual(marks.read_text(), "1\n")

    def test_refused(self):
        self.serve("", "--no-agent")
        self.add_key("node7", "agent")
        other = self.host("other")
        (other.home / "agent").mkdir()
        other.start("ama-agent", *self.join(other), "--name", "node8", "--key", self.folder / "node7.key", "--dir", other.home / "agent")
        self.assertEqual(other.process.wait(30), 5, other.log())
        self.assertIn("may not have that name and role", other.log())
        other.start("ama-agent", *self.join(other)[:2], "--name", "node7", "--key", self.folder / "node7.key", "--dir", other.home / "agent")
        self.assertEqual(other.process.wait(30), 2, other.log())

    def test_amad_has_an_agent_already(self):
        self.serve()
        agent = self.agent("node7")
        self.wait_for(lambda: "has an agent of its own" in agent.log(), "a refusal", agent)
        self.submit_and_see("agent/local")

    def submit_and_see(self, node):
        job = self.job(flow(shell("a")), a="echo one\n")
        run = self.submit(job, "--env", "dev")
        self.assertEqual(self.attach(run)[0], 0, self.logs())
        shown = json.loads(self.ama("show", run, "-o", "json").stdout)
        self.assertEqual([t["node"] for a in shown["actions"] for t in a["attempts"]], [node])


@needs_root
class Apart(NetHouse):
    """Every actor and the agent alone on a host."""

    def serve_apart(self):
        self.serve("placement: {%s}\n" % ", ".join(f"{p}: remote" for p in PARTS))
        for part in PARTS:
            self.actor(part)
        self.agent("node7")

    def test_a_run(self):
        self.serve_apart()
        job = self.job(flow(shell("a"), shell("b")), a="echo one\n", b="echo two\n")
        done = self.ama("submit", job, "--env", "dev", "--report-format", "ndjson")
        self.assertEqual(done.returncode, 0, done.stderr + self.logs())
        self.assertEqual([e["text"] for e in self.checked(done.stdout).find("output")], ["one", "two"])
        for host in ("planner", "node7"):  # what they read was brought to them, and looks as it did
            tree, = self.hosts[host].home.rglob("trees/*/tree")
            self.assertEqual((tree / "src/a.sh").read_text(), "echo one\n")
            self.assertEqual((tree / "src/a.sh").stat().st_mode & 0o777, 0o444)
        self.assertEqual(len(list(self.hosts["depot"].home.rglob("depot/*"))), 1)

    def test_several_share(self):
        self.serve_apart()
        for name in ("planner.2", "planner.3", "fetcher.2"):
            self.actor(name)
        job = self.job(flow(shell("a")), a="echo one\n")
        several = [h for n, h in self.hosts.items() if n.startswith(("planner", "fetcher"))]
        trees = lambda h: list(h.home.rglob("trees/*/tree"))
        for _ in range(40):  # each is asked in its turn, once it has joined
            done = self.ama("submit", job, "--env", "dev", "--report-format", "ndjson")
            self.assertEqual(done.returncode, 0, done.stderr + self.logs())
            if all(map(trees, several)):
                break
        self.assertEqual([h.name for h in several if not trees(h)], [])
        stopped = self.hosts["planner.3"].process
        stopped.send_signal(signal.SIGSTOP)
        runs = [self.submit(job, "--env", "dev") for _ in range(6)]
        self.wait_for(lambda: sum(self.state(r) == "succeeded" for r in runs) == 4, "what the others do", self.hub)
        stopped.kill()  # what it was asked, another is asked
        self.assertEqual([self.attach(r)[0] for r in runs], [0] * 6, self.logs())
        for name in ("planner", "fetcher"):  # those that are left do it all
            self.hosts[name].process.kill()
        for _ in range(3):
            done = self.ama("submit", job, "--env", "dev", "--report-format", "ndjson")
            self.assertEqual(done.returncode, 0, done.stderr + self.logs())

    def test_each_is_killed_meanwhile(self):
        """One run, an action for each kill: it is told by its output, and goes on when the file of its name is there."""
        self.serve_apart()
        victims = [*PARTS, "node7", "hub"] * ROUNDS
        names = [f"a{i:02}" for i in range(len(victims))]
        job = self.job(flow(*(shell(n) for n in names)),
                       **{n: f"echo {n}; until test -e {self.folder}/{n}; do sleep 0.01; done\n" for n in names})
        run = self.submit(job, "--env", "dev")
        for name, victim in zip(names, victims):
            self.wait_for_output(run, name)
            starts = self.hub.log().count("serving on")
            self.hosts[victim].kill(lose_cache=victim in ("fetcher", "planner", "resolver", "node7"))
            self.wait_for(lambda: victim != "hub" or self.hub.log().count("serving on") > starts, "amad is back", self.hub)
            (self.folder / name).touch()
        code, out = self.attach(run)
        self.assertEqual(code, 0, self.logs())
        texts = [e["text"] for e in self.checked(out).find("output")]
        self.assertEqual(list(dict.fromkeys(texts)), names)
        shown = json.loads(self.ama("show", run, "-o", "json").stdout)
        self.assertEqual({a["state"] for a in shown["actions"]}, {"succeeded"})


def process_of(house, actor):
    """(pid) of the process that hosts it, or None."""
    return next((pid for pid, command in house.processes() if f"--actor {actor} " in command), None)


class Processes(DaemonHouse):
    """Every actor a process of its own on this machine: amad keeps them alive."""

    def serve(self, *parts):
        (self.folder / "amad.yaml").write_text("placement: {%s}\n" % ", ".join(f"{p}: process" for p in parts or NEAR))
        return self.amad("--config", self.folder / "amad.yaml")

    def test_a_run(self):
        self.serve()
        job = self.job(flow(shell("a"), shell("b")), a="echo one\n", b="echo two\n")
        done = self.ama("submit", job, "--env", "dev", "--report-format", "ndjson")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual([e["text"] for e in self.checked(done.stdout).find("output")], ["one", "two"])
        for part in NEAR:
            self.assertIsNotNone(process_of(self, part), part)

    def test_each_is_killed_meanwhile(self):
        self.serve()
        job = self.job(flow(*(shell(n) for n in "abcde")), **{n: f"echo {n}; until test -e {self.folder}/{n}; do sleep 0.01; done\n" for n in "abcde"})
        run = self.submit(job, "--env", "dev")
        for name, part in zip("abcde", NEAR):
            self.wait_for_output(run, name)
            old = process_of(self, part)
            os.kill(old, signal.SIGKILL)
            self.wait_until(lambda: process_of(self, part) not in (old, None))
            (self.folder / name).touch()
        code, out = self.attach(run)
        self.assertEqual(code, 0, (self.folder / "amad.log").read_text())
        self.assertEqual([e["text"] for e in self.checked(out).find("output")], list("abcde"))
        self.assertIn("the process of broker ended (signal 9)", (self.folder / "amad.log").read_text())

    def test_a_reporter_that_is_away_at_the_end(self):
        """It dies with all that the action said; the supervisor is there to say the run's end before the agent repeats it."""
        self.serve("reporter")
        job = self.job(flow(shell("a")), a=f"echo begun; until test -e {self.folder}/go; do sleep 0.01; done; seq 100\n")
        run = self.submit(job, "--env", "dev")
        self.wait_for_output(run, "begun")
        reporter = process_of(self, "reporter")
        os.kill(reporter, signal.SIGSTOP)
        (self.folder / "go").touch()
        self.wait_until(lambda: [r["state"] for r in json.loads(self.ama("list", "-o", "json").stdout)["runs"]] == ["succeeded"])
        os.kill(reporter, signal.SIGKILL)
        code, out = self.attach(run)
        self.assertEqual(code, 0, (self.folder / "amad.log").read_text())
        self.assertEqual(self.checked(out).said().split(), ["begun", *map(str, range(1, 101))])

    def wait_until(self, true, limit=60):
        until = time.monotonic() + limit
        while not true():
            self.assertLess(time.monotonic(), until, (self.folder / "amad.log").read_text())
            time.sleep(0.01)

    def test_amad_dies_and_comes_back(self):
        daemon = self.serve()
        job = self.job(flow(shell("a"), shell("b")), a=f"echo one; until test -e {self.folder}/go; do sleep 0.01; done\n", b="echo two\n")
        run = self.submit(job, "--env", "dev")
        self.wait_for_output(run, "one")
        old = {process_of(self, p) for p in NEAR}
        self.kill(daemon)
        self.wait_until(lambda: not any(pathlib.Path(f"/proc/{pid}/exe").exists() for pid in old))
        self.serve()
        self.wait_for_output(run, "one")  # the reporter is back, too
        (self.folder / "go").touch()
        code, out = self.attach(run)
        self.assertEqual((code, [e["text"] for e in self.checked(out).find("output")]), (0, ["one", "two"]))

    def test_what_can_not_be_elsewhere(self):
        (self.folder / "amad.yaml").write_text("placement: {supervisor: process}\n")
        done = self.ama("--config", self.folder / "amad.yaml", program="amad", timeout=20)
        self.assertEqual((done.returncode, "one with the journal" in done.stderr), (2, True), done.stderr)
        done = self.ama("--actor", "hub", "--connect", "tcp://127.0.0.1:1", program="amad", timeout=20)
        self.assertEqual((done.returncode, "one with the journal" in done.stderr), (2, True), done.stderr)
        done = self.ama("--actor", "planner", program="amad", timeout=20)
        self.assertEqual((done.returncode, "belong together" in done.stderr), (2, True), done.stderr)

    def test_an_actor_that_was_not_placed(self):
        self.serve("planner")
        done = self.ama("--actor", "fetcher", "--connect", f"ipc://{next(self.data.rglob('hub.sock'))}", program="amad", timeout=20)
        self.assertEqual((done.returncode, "may not have that name and role" in done.stderr), (5, True), done.stderr)


if __name__ == "__main__":
    unittest.main()
