"""Actors and agents on other hosts: each in a network namespace of its own, with an empty disk."""
import json
import unittest

from net_house import NetHouse, needs_root
from run_test import flow, shell


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
        job = self.job(flow(shell("a"), shell("b")), a=f"echo begun; test -e {self.folder}/go || sleep 600\n", b="echo two\n")
        run = self.submit(job, "--env", "dev")
        follower = self.start("attach", run, "--report-format", "ndjson")
        self.wait_for_line(follower, '"text":"begun')
        (self.folder / "go").touch()
        agent.kill()
        self.finish(follower)
        self.assertEqual(follower.returncode, 0, self.logs())

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


if __name__ == "__main__":
    unittest.main()
