"""The agent, and at times amad, killed in the middle of each step of an action; used by python_test.py, pyspark_test.py and spark_test.py."""
import os
import random
import signal
import time

from agent_test import Agents

KILLS = int(os.environ.get("AMA_AGENT_KILLS", "5"))

# In Python. Each step marks its begin and end, and says the same aloud and into a file, until it may go on.
HELPERS = """\
import os, sys, time
def mark(what):
    with open({marks!r}, "a") as f: f.write(f"{{what}} {{os.getpid()}}\\n")
def say(what):
    print(what)
    with open({said!r}, "a") as f: f.write(what + "\\n")
def step(i):
    mark(f"begin{{i}}")
    n = 0
    while not os.path.exists({shared!r} + f"/go{{i}}"):
        n += 1
        say(f"step {{i}} says {{n}}")
        time.sleep((10 + n % 5) / 1000)
    for k in range(300): say(f"step {{i}} ends with " + str(k) * 20)
    mark(f"end{{i}}")
    return i * i
"""


class Kills(Agents):
    """Of the agent, and at times of amad, in the middle of each step of an action."""

    def helpers(self):
        return HELPERS.format(marks=str(self.shared / "marks"), said=str(self.shared / "said"), shared=str(self.shared))

    def kills(self, run, daemon, count, limit=60, config=None, each=lambda: None):
        """The report of it. each is called in every step, before the kill."""
        marks = self.shared / "marks"
        follower = self.start("attach", run, "--report-format", "ndjson")
        for i in range(count):
            self.wait(lambda: marks.exists() and f"begin{i} " in marks.read_text(), limit)
            each()
            old = self.kill_agent(signal.SIGTERM if i % 3 == 1 else signal.SIGKILL)
            if i % 3 == 0:
                (self.shared / f"go{i}").touch()
                self.wait(lambda: f"end{i} " in marks.read_text() or self.agents() not in ([], [old]))
            if i % 2:
                daemon.kill()
                daemon.wait(10)
                daemon = self.amad(*(["--config", config] if config else []))
            self.another_agent(old)
            time.sleep(random.random() * 0.4)  # it goes on at any moment of the new agent
            (self.shared / f"go{i}").touch()
        text, err = self.finish(follower, 120)
        events = self.checked(text)
        self.assertEqual(follower.returncode, 0, err)
        return events

    def check_steps(self, events, action, count):
        """All ran once, in one process, and is told once."""
        lines = [line.split() for line in (self.shared / "marks").read_text().splitlines()]
        self.assertEqual([mark for mark, _ in lines], [f"{what}{i}" for i in range(count) for what in ("begin", "end")])
        self.assertEqual(len({pid for _, pid in lines}), 1)
        out = [e["text"] + "\n" for e in events.find("output", action=action, stream="stdout")]
        said = (self.shared / "said").read_text()
        self.assertEqual("".join(out)[:len(said)], said)
        ended = events.find("statement.ended", action=action)
        self.assertEqual({e["status"] for e in ended}, {"ok"})
        self.assertEqual(len(events.find("statement.started", action=action)), len(ended))
        self.assertEqual([e["value"] for e in ended if e.get("value", "").isdigit()], [str(i * i) for i in range(count)])
        self.assertEqual(len(events.find("gap")), 0)
