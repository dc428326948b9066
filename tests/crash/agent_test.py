"""kill -9 and SIGSTOP of the agent under shell actions: they go on under their guards, and the next agent knows all of them."""
import hashlib
import json
import os
import pathlib
import random
import signal
import sys
import textwrap
import time
import unittest

TESTS = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TESTS / "e2e"), str(TESTS / "tools")]
from daemon_house import DaemonHouse  # noqa: E402
from run_test import flow, shell  # noqa: E402
from secrets_test import CANARIES, LEAKY, SecretsHouse  # noqa: E402

ACTIONS = 20
KILLS = int(os.environ.get("AMA_AGENT_KILLS", "5"))

# Says known bytes on both streams, at its own pace, and the same into a file; marks its begin and end with its process id.
SCRIPT = """\
echo "begin $AMA_ACTION $AMA_ATTEMPT $$" >>{marks}
say() {{ printf '%s\\n' "$*"; printf '%s\\n' "$*" >>{said}/$AMA_ACTION.out; }}
cry() {{ printf '%s\\n' "$*" >&2; printf '%s\\n' "$*" >>{said}/$AMA_ACTION.err; }}
n=0
until [ -e {go} ]; do
  n=$((n + 1))
  say "$AMA_ACTION says $n"
  [ $((n % 7)) != 0 ] || cry "$AMA_ACTION cries $n"
  read -r -t 0.0$((RANDOM % 30 + 10)) <>{never} || true
done
[ $((RANDOM % 2)) = 0 ] || head -c 200000 /dev/zero | tr '\\0' z | fold | tee -a {said}/$AMA_ACTION.out
echo "end $AMA_ACTION $AMA_ATTEMPT $$" >>{marks}
exit {code}
"""


LEAK = textwrap.dedent(LEAKY)


class Agents:
    def agents(self):
        return [pid for pid, command in self.processes() if command.split(" ")[0].endswith("/ama-agent")]

    def one_agent(self, but=None):
        """A second one may be there for a moment: started by an amad that did not see the first one yet, or about to become a guard."""
        found = []
        self.wait(lambda: found.append(self.agents()) or len(found[-1]) == 1 and found[-1] != [but])
        return found[-1][0]

    def kill_agent(self, sign=signal.SIGKILL):
        pid = self.one_agent()
        os.kill(pid, sign)
        return pid

    def wait(self, condition, limit=60):
        deadline = time.monotonic() + limit
        while not condition():
            self.assertLess(time.monotonic(), deadline, "waited in vain:\n" + (self.folder / "amad.log").read_text())
            time.sleep(0.01)

    def another_agent(self, old):
        return self.one_agent(but=old)


class Agent(Agents, DaemonHouse):
    def written(self, events, action, stream):
        return events.said(action=action, stream=stream).encode()

    def test_twenty_actions_outlive_their_agents(self):
        marks, said, go, never = (self.shared / n for n in ("marks", "said", "go", "never"))
        os.mkfifo(never)
        said.mkdir()
        names = [f"a{i}" for i in range(ACTIONS)]
        repo = self.job(flow(*(shell(n, retry={"attempts": 1}, **{"depends-on": []}) for n in names)),
                        **{n: SCRIPT.format(marks=marks, said=said, go=go, never=never, code=i % 4) for i, n in enumerate(names)})
        daemon = self.amad()
        run = self.submit(repo)
        follower = self.start("attach", run, "--report-format", "ndjson")
        self.wait(lambda: marks.exists() and marks.read_text().count("begin") == ACTIONS)
        for i in range(KILLS):
            old = self.kill_agent(signal.SIGTERM if i % 3 == 2 else signal.SIGKILL)
            if i % 2:
                self.kill(daemon)
                daemon = self.amad()
            self.another_agent(old)
            time.sleep(random.random() * 0.3)  # the next kill comes at any moment of the new agent
        go.touch()
        text, err = self.finish(follower, 120)
        events = self.checked(text)
        self.assertEqual(follower.returncode, 1, err)
        lines = [line.split() for line in marks.read_text().splitlines()]
        self.assertEqual(sorted((l[0], l[1], l[2]) for l in lines), sorted((w, n, "1") for n in names for w in ("begin", "end")))
        pids = {l[1]: l[3] for l in lines if l[0] == "begin"}
        self.assertEqual({l[1]: l[3] for l in lines if l[0] == "end"}, pids)
        for i, name in enumerate(names):
            [ended] = events.find("attempt.ended", action=name)
            self.assertEqual(ended["state"], "failed" if i % 4 else "succeeded", ended)
            if i % 4:
                self.assertIn(f"exit code {i % 4}", json.dumps(events.find("statement.ended", action=name, status="error")))
            for stream, suffix in (("stdout", "out"), ("stderr", "err")):
                at = said / f"{name}.{suffix}"
                want = at.read_bytes() if at.exists() else b""
                self.assertEqual(hashlib.sha256(self.written(events, name, stream)).hexdigest(), hashlib.sha256(want).hexdigest(), f"{name} {stream}")
        self.assertEqual(len(events.find("gap")), 0)

    def test_an_agent_that_is_restarted_before_it_has_looked_around(self):
        marks, go = self.shared / "marks", self.shared / "go"
        job = self.job(flow(shell("a", retry={"attempts": 1})), a=f"echo $AMA_ATTEMPT >> {marks}\nuntil test -e {go}; do sleep 0.02; done\necho done\n")
        self.amad()
        run = self.submit(job)
        self.wait(lambda: marks.exists() and marks.read_text() == "1\n")
        old = self.kill_agent()
        for _ in range(4):
            old = self.another_agent(old)
            os.kill(old, signal.SIGTERM)
        self.another_agent(old)
        go.touch()
        done = self.ama("attach", run, "--report-format", "ndjson", timeout=60)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertEqual(marks.read_text(), "1\n")
        self.assertEqual([e["text"] for e in self.checked(done.stdout).find("output")], ["done"])

    def beats(self, marks, attempt):
        return [int(line.split()[1]) for line in marks.read_text().splitlines() if line.split()[0] == attempt and len(line.split()) == 2]

    def test_a_lease_ends_what_nobody_cares_for(self):
        """The guard ends the attempt by itself, and another one starts only then; both wrote the time into one file while they ran."""
        script = "echo up\nfor i in $(seq 1000); do echo $AMA_ATTEMPT $(date +%s%N) >>{0}; [ $AMA_ATTEMPT = 1 ] || exit 0; sleep 0.05; done\n"
        daemon = self.amad()

        def stopped():
            pid = self.kill_agent(signal.SIGSTOP)
            yield
            os.kill(pid, signal.SIGCONT)

        def dead():
            self.kill(daemon)
            yield
            self.amad()

        for trouble in (stopped, dead):
            with self.subTest(trouble.__name__):
                marks = self.shared / f"marks-{trouble.__name__}"
                run = self.submit(self.job(flow(shell("a"), lease="10s"), name=trouble.__name__, a=script.format(marks)))
                self.wait(lambda: marks.exists() and self.beats(marks, "1"))
                left = trouble()
                next(left)
                begun = time.monotonic()
                self.wait(lambda: not [p for p in self.processes() if p[1].startswith("/") and "a.sh" in p[1]])
                self.assertLess(time.monotonic() - begun, 30)
                next(left, None)
                code, text = self.attach(run)
                events = self.checked(text)
                self.assertEqual((code, [e["state"] for e in events.find("attempt.ended")]), (0, ["lost", "succeeded"]))
                self.assertGreater(self.beats(marks, "2")[0], self.beats(marks, "1")[-1])


class Secrets(Agents, SecretsHouse):
    def steps(self, text, *more):
        """Goes on when its pipe is written to."""
        return f"{LEAK}\necho\necho {text}\nread -r go < {self.shared}/{text}\n" + "\n".join(more)

    def test_what_is_masked_outlives_the_agent(self):
        """Secrets that were changed meanwhile, or that only another action of the run was given, stay masked, and are on no disk."""
        for name in ("gate-1", "gate-2", "gate-3"):
            os.mkfifo(self.shared / name)
        hand_on = f"printf %s \"$AMA_CONF_PEM\" > {self.shared}/handed"
        takes = f"AMA_CONF_PEM=$(cat {self.shared}/handed)\necho gate-3\nread -r go < {self.shared}/gate-3\necho \"third $AMA_CONF_PEM $AMA_CONF_OWN\"\n"
        repo = self.repo({
            "maki.yml": json.dumps({"job-name": "job", "flow": [shell("a", retry={"attempts": 1}), shell("b", retry={"attempts": 1})]}),
            "env/dev/job.yml": f"name: dev\noutputRootPath: {self.folder}/out\n",
            "src/a/env/dev/more.yml": "own: secret://own\npem: secret://pem\ndb.password: secret://db\nlist: secret://own\n"
                                      "credential: secret://credential\nplugin: secret://plugin\n",
            "src/a.sh": f"set +u\n{hand_on}\n" + self.steps("gate-1", LEAK, self.steps("gate-2", LEAK)), "src/b.sh": takes})
        self.amad("--config", self.config)
        run = self.submit(repo, "--env", "dev")
        following = self.start("attach", run, "--report", "code", "--report-format", "ndjson")
        told = []
        for name in ("gate-1", "gate-2", "gate-3"):
            told.append(self.wait_for_line(following, f'"text":"{name}"'))
            self.assertEqual(CANARIES.in_files(self.folder, *self.hidden(), self.shared / "handed"), [])
            if name == "gate-1":
                self.secret("dev/own", "canary-that-is-another")
            self.another_agent(self.kill_agent())
            (self.shared / name).write_text("go\n")
        rest, _ = self.finish(following)
        code, events = self.attach(run)
        self.assertEqual(code, 0, events)
        for text in (*told, rest, events):
            self.assertEqual(CANARIES.within(text.encode()), [], text)
        found = self.checked(events)
        self.assertEqual([e["text"] for e in found.find("output", action="b")], ["gate-3", "third *** "])
        lines = [e["text"] for e in found.find("output", action="a")]
        self.assertEqual([lines.count(name) for name in ("gate-1", "gate-2")], [1, 1])
        self.assertEqual(lines.count("OWN=***"), 4, lines)
        self.assertEqual([e["attempt"] for e in found.find("attempt.ended")], [1, 1])
        self.assertEqual(CANARIES.in_files(self.folder, *self.hidden(), self.shared / "handed"), [])


if __name__ == "__main__":
    unittest.main()
