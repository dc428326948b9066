"""Several agents at one amad: each on a host of its own (a network namespace, with an empty disk), one or the other away."""
import json
import os
import pathlib
import signal
import subprocess
import unittest

from house import BIN
from net_house import NetHouse, needs_root
from run_test import flow, shell

ROUNDS = int(os.environ.get("AMA_PLACEMENT_ROUNDS", "1"))  # each agent is killed so often


class AgentHouse(NetHouse):
    def tearDown(self):
        for host in self.hosts.values():
            if host.process and host.process.poll() is None:
                host.process.send_signal(signal.SIGCONT)
        for process in self.hub.others:
            process.terminate()
            process.wait(30)
        super().tearDown()

    def shown(self, run):
        """Asked again when this machine was too busy for an answer."""
        for again in (True, True, False):
            done = self.ama("show", run, "-o", "json")
            if done.returncode == 0:
                return json.loads(done.stdout)
            self.assertTrue(again and "does not answer" in done.stderr, done.stderr + self.logs())

    def state(self, run):
        return self.shown(run)["state"]

    def attempts(self, run):
        """[(action, number, state, node)], in order of the flow."""
        return [(a["name"], t["no"], t["state"], t["node"].removeprefix("agent/")) for a in self.shown(run)["actions"] for t in a["attempts"]]


@needs_root
class Agents(AgentHouse):
    def serve_with(self, *names, cpus="1"):
        self.serve("", "--no-agent")
        for name in names:
            self.join_one(name, cpus)

    def join_one(self, name, cpus="1"):
        agent = self.agent(name, "--cpus", cpus, "--sandbox-write", self.shared)
        self.wait_for(lambda: f"agent/{name} is here" in self.hub.log(), f"{name} is here", agent)
        return agent

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

    def test_working_data_of_an_agent_that_was_away(self):
        self.serve_with("one", "two", cpus="0.1")
        run = self.submit(self.side_by_side("a", "b"), "--env", "dev")
        self.begun("a", "b")
        nodes = self.nodes(run)
        self.assertEqual(sorted(nodes.values()), ["one", "two"])
        self.go("a", "b")
        self.assertEqual(self.attach(run)[0], 0, self.logs())
        lie = {name: self.hosts[name].home / "agent/runs" / run for name in ("one", "two")}
        self.assertEqual([path.exists() for path in lie.values()], [True, True])
        away = self.hosts["two"]
        away.process.send_signal(signal.SIGINT)
        away.process.wait(20)
        self.wait_for(lambda: self.ama("clean", run).returncode == 5, "it is told that one is away", self.hub)
        done = self.ama("clean", run)
        self.assertIn("agent/two: is not there now", done.stdout)
        self.assertEqual([path.exists() for path in lie.values()], [False, True])
        away.start(*away.command, "--work-age", "1s")
        self.wait_for(lambda: not lie["two"].exists(), "it removes what is old by itself", away)

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

    def test_one_of_amads_own_machine(self):
        """It has what amad.yaml says, and there is one of these."""
        self.serve("resources: {cpus: 0.1}\n", "--no-agent")
        logs = []
        for name in ("local", "other"):
            at = self.folder / name
            at.mkdir()
            logs.append(at / "log")
            with open(logs[-1], "w") as log:
                self.hub.others.append(subprocess.Popen([*self.hub.enter(), BIN / "ama-agent", "--connect", f"ipc://{next(self.data.rglob('hub.sock'))}", "--name", name,
                                                         "--dir", at, "--sandbox-write", self.shared], env=self.hub.env, stdin=subprocess.DEVNULL, stderr=log))
            self.wait_for(lambda: "agent/local is here" in self.hub.log(), "it is here", self.hub)
        self.wait_for(lambda: "one agent of this machine is enough" in logs[1].read_text(), "a refusal", self.hub)
        self.join_one("one", "0.1")
        run = self.submit(self.side_by_side(*"ab"), "--env", "dev")
        self.begun(*"ab")
        self.assertEqual(sorted(self.nodes(run).values()), ["local", "one"])
        self.go(*"ab")
        self.assertEqual(self.attach(run)[0], 0, self.logs())

    def test_more_than_any_has(self):
        self.serve_with("one", "two", cpus="1")
        job = lambda name, cpus: self.job(flow(shell("a", resources={"cpus": cpus})), name=name, a="echo a\n")
        run = self.submit(job("large", 1.5), "--env", "dev")
        self.wait_for(lambda: "no agent that is here has as much" in self.ama("show", run).stdout, "it says so", self.hub)
        self.join_one("three", "2")  # it was on its way
        self.assertEqual(self.attach(run)[0], 0, self.logs())
        run = self.submit(job("larger", 3), "--env", "dev")
        self.assertEqual(self.attach(run)[0], 5, self.logs())  # after half a minute
        self.assertIn("no agent has more than 2 to give", self.ama("show", run, "-o", "json").stdout + self.ama("show", run).stdout)

    def cut_off(self, name, off=True):
        """Nothing comes from it or to it any more."""
        self.hosts[name].inside("ip", "link", "set", "v0", "down" if off else "up")

    def stand_still(self, name, still=True):
        self.hosts[name].process.send_signal(signal.SIGSTOP if still else signal.SIGCONT)

    def test_one_is_killed_and_the_other_goes_on(self):
        self.serve_with("one", "two", cpus="0.2")
        run = self.submit(self.side_by_side(*"abcdef"), "--env", "dev")
        self.begun(*"abcd")
        nodes = self.nodes(run)
        of_one, of_two = ([n for n in "abcd" if nodes[n] == node] for node in ("one", "two"))
        self.hosts["one"].process.kill()
        self.hosts["one"].process.wait(10)
        self.go(*of_two)  # what begins then begins at the living one
        self.begun("e", "f")
        self.assertEqual({self.nodes(run)[n] for n in "ef"}, {"two"})
        self.go(*"ef")
        self.wait_for(lambda: sum(state == "succeeded" for *_, state, _ in self.attempts(run)) == 4, "the others end", self.hub)
        self.wait_for(lambda: "unknown" in self.ama("show", run).stdout, "its attempts are unknown", self.hub, limit=90)
        self.hosts["one"].start(*self.hosts["one"].command)  # they went on under their guards
        self.go(*of_one)
        code, out = self.attach(run)
        self.assertEqual(code, 0, self.logs())
        self.assertEqual([(no, state) for _, no, state, _ in self.attempts(run)], [(1, "succeeded")] * 6)
        self.assertEqual(sorted(e["text"] for e in self.checked(out).find("output")), list("abcdef"))

    def marked(self, name):
        """Each attempt writes down when it begins. The first one goes on until it is told to end, and shows all the while that it lives; later ones end at once."""
        at = self.shared / name
        return (f"echo $AMA_ATTEMPT $(date +%s%N) >>{at}.begun; touch {at}\n"
                f"if test $AMA_ATTEMPT = 1; then until test -e {at}.go; do echo >{at}.alive; sleep 0.3; done; fi; echo $AMA_ATTEMPT\n")

    def begins(self, name):
        return {int(no): int(at) / 1e9 for no, at in map(str.split, (self.shared / f"{name}.begun").read_text().splitlines())}

    def lived(self, name):
        return (self.shared / f"{name}.alive").stat().st_mtime

    def test_two_of_three_are_away(self):
        """One stands still, one is cut off. Two runs are at each: one that is run again at once, and one that waits until its lease is over for sure."""
        self.serve("", "--no-agent")
        job = lambda name, **top: self.job(flow(shell(name), **top), name=name, **{name: self.marked(name)})
        runs = {}
        for agent in ("still", "cut"):
            self.join_one(agent, "0.2")
            runs[f"{agent}-again"] = self.submit(job(f"{agent}-again", **{"on-lost": "rerun"}), "--env", "dev")
            runs[f"{agent}-waits"] = self.submit(job(f"{agent}-waits", lease="10s"), "--env", "dev")
            self.begun(f"{agent}-again", f"{agent}-waits")
        self.join_one("two")
        self.stand_still("still")
        self.cut_off("cut")
        for agent in ("still", "cut"):
            name = f"{agent}-again"
            self.wait_for(lambda: self.state(runs[name]) == "succeeded", f"{name} is run again at the other", self.hub, limit=90)
            self.assertEqual(self.attempts(runs[name]), [(name, 1, "lost", agent), (name, 2, "succeeded", "two")])
            self.wait_for(lambda: self.lived(name) > self.begins(name)[2], "it ran beside the first one", self.hub)
            self.assertEqual(set(self.begins(f"{agent}-waits")), {1})
        for agent in ("still", "cut"):
            name = f"{agent}-waits"
            self.wait_for(lambda: self.state(runs[name]) == "succeeded", f"the lease of {name} is over", self.hub, limit=180)
            self.assertEqual(self.attempts(runs[name]), [(name, 1, "lost", agent), (name, 2, "succeeded", "two")])
            self.assertLess(self.lived(name), self.begins(name)[2])  # its guard has ended it before
        self.stand_still("still", False)
        self.cut_off("cut", False)
        for agent in ("still", "cut"):
            self.wait_for(lambda: self.hub.log().count(f"agent/{agent} is here") > 1 and not self.left_of(agent), f"nothing of {agent} runs any more", self.hub, limit=90)
        for name, run in runs.items():
            code, out = self.attach(run)
            events = self.checked(out)
            self.assertEqual((code, [(e["attempt"], e["state"]) for e in events.find("attempt.ended")]), (0, [(1, "lost"), (2, "succeeded")]), name + self.logs())
            self.assertEqual([e["text"] for e in events.find("output") if e["attempt"] == 2], ["2"])

    def left_of(self, name):
        """Commands of actions that run on that host."""
        inside = os.readlink(f"/proc/{self.hosts[name].holder.pid}/ns/net")
        found = []
        for at in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                if os.readlink(at / "ns/net") == inside and b"AMA_ATTEMPT=" in (at / "environ").read_bytes():
                    found.append((at / "cmdline").read_bytes())
            except OSError:
                pass
        return found

    def test_a_result_that_comes_too_late(self):
        """The first attempt succeeds while its agent is cut off, and another one has been started meanwhile: its word is not taken."""
        self.serve_with("one")
        script = f"touch {self.shared}/$AMA_ATTEMPT; until test -e {self.shared}/$AMA_ATTEMPT.go; do sleep 0.02; done; echo from $AMA_ATTEMPT\n"
        run = self.submit(self.job(flow(shell("a"), shell("b"), **{"on-lost": "rerun"}), a=script, b="echo b\n"), "--env", "dev")
        self.begun("1")
        self.join_one("two")
        self.cut_off("one")
        self.begun("2")
        self.go("1")
        self.wait_for(lambda: not self.left_of("one"), "the first one has ended", self.hub)
        self.cut_off("one", False)
        self.wait_for(lambda: self.hub.log().count("agent/one is here") > 1, "it is back", self.hub, limit=90)
        self.go("2")
        code, out = self.attach(run)
        self.assertEqual(code, 0, self.logs())
        events = self.checked(out)
        self.assertEqual([(e["action"], e["attempt"], e["state"]) for e in events.find("attempt.ended")],
                         [("a", 1, "lost"), ("a", 2, "succeeded"), ("b", 1, "succeeded")])
        self.assertEqual([e["text"] for e in events.find("output") if e["action"] == "a" and e["attempt"] == 2], ["from 2"])

    def test_each_is_killed_meanwhile(self):
        """A pipeline with branches over three agents, killed in turn: its result is the one that it has undisturbed."""
        names = ("one", "two", "three")
        self.serve_with(*names, cpus="0.2")
        stages = [f"s{i}" for i in range(2 * ROUNDS)]
        actions, sources, before = [], {}, []
        for stage in stages:  # four beside each other, then one that waits for them
            four = [f"{stage}-{i}" for i in range(4)]
            actions += [shell(n, **{"depends-on": before}) for n in four] + [shell(stage, **{"depends-on": four})]
            sources |= {n: self.waits(n) for n in four} | {stage: "echo $AMA_ACTION\n"}
            before = [stage]
        run = self.submit(self.job(flow(*actions), **sources), "--env", "dev")
        for i, stage in enumerate(stages):
            four = [f"{stage}-{k}" for k in range(4)]
            self.begun(*four)
            self.assertGreater(len(set(self.nodes(run).values())), 1)
            for name in names[:2] if i % 2 else names:
                self.hosts[name].kill(lose_cache=i % 2 == 1)
            self.go(*four)
        code, out = self.attach(run)
        self.assertEqual(code, 0, self.logs())
        self.assertEqual(sorted(e["text"] for e in self.checked(out).find("output")), sorted(a["name"] for a in actions))
        kept = [s for i, s in enumerate(stages) if i % 2 == 0]  # where the cache was kept every action went on under its guard
        self.assertEqual({(no, state) for name, no, state, _ in self.attempts(run) if name.split("-")[0] in kept}, {(1, "succeeded")}, self.logs())


if __name__ == "__main__":
    unittest.main()
