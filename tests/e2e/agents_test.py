"""Several agents at one amad: each on a host of its own (a network namespace, with an empty disk), one or the other away."""
import json
import os
import pathlib
import signal
import unittest

from net_house import NetHouse, needs_root
from run_test import flow, shell

ROUNDS = int(os.environ.get("AMA_PLACEMENT_ROUNDS", "1"))  # each agent is killed so often


@needs_root
class Agents(NetHouse):
    def serve_with(self, *names, cpus="1"):
        self.serve("", "--no-agent")
        for name in names:
            self.join_one(name, cpus)

    def join_one(self, name, cpus="1"):
        agent = self.agent(name, "--cpus", cpus, "--sandbox-write", self.shared)
        self.wait_for(lambda: f"agent/{name} is here" in self.hub.log(), f"{name} is here", agent)
        return agent

    def attempts(self, run):
        """[(action, number, state, node)], in order of the flow."""
        shown = json.loads(self.ama("show", run, "-o", "json").stdout)
        return [(a["name"], t["no"], t["state"], t["node"].removeprefix("agent/")) for a in shown["actions"] for t in a["attempts"]]

    def nodes(self, run):
        return {action: node for action, _, state, node in self.attempts(run) if state == "running"}

    def begun(self, *names):
        """They say so by a file of their name; who waits finds a file NAME.go."""
        self.wait_for(lambda: all((self.shared / n).exists() for n in names), f"{names} have begun", self.hub)

    def go(self, *names):
        for name in names:
            (self.shared / f"{name}.go").touch()

    def waits(self, name, then="echo $AMA_ACTION; "):
        return f"touch {self.shared}/{name}; until test -e {self.shared}/{name}.go; do sleep 0.02; done; {then}\n"

    def side_by_side(self, *names, **top):
        return self.job(flow(*(shell(n, **{"depends-on": []}) for n in names), **top), **{n: self.waits(n) for n in names})

    def test_actions_go_where_there_is_room(self):
        self.serve_with("one", "two", cpus="0.2")
        names = "abcdef"
        run = self.submit(self.side_by_side(*names), "--env", "dev")
        self.begun(*"abcd")
        nodes = self.nodes(run)
        self.assertEqual(sorted(nodes.values()), ["one", "one", "two", "two"], nodes)  # 0.1 cpus each: e and f wait
        self.assertIn("waiting for 0.1 cpu", self.ama("show", run).stdout)
        self.join_one("three", "0.2")
        self.begun(*"ef")
        self.assertEqual({self.nodes(run)[n] for n in "ef"}, {"three"})
        self.go(*names)
        code, out = self.attach(run)
        self.assertEqual(code, 0, self.logs())
        self.assertEqual(sorted(e["text"] for e in self.checked(out).find("output")), list(names))
        for name in ("one", "two", "three"):  # the files came to each of them
            self.assertEqual(len(list(self.hosts[name].home.rglob("trees/*/tree"))), 1, name)


if __name__ == "__main__":
    unittest.main()
