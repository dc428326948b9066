"""One story of the crash campaign: a house, a job or two, orders to failpoints, all from a seed; then the verdict."""
import json
import pathlib
import random
import subprocess
import time
import traceback

import campaign_jobs
from campaign_history import events_of, judge, look_at_marks, need, notes, read_marks, recorded_at
from campaign_house import Broken, House

AT_START = ("journal.migrating", "journal.migrated", "journal.verified", "journal.epoch", "supervisor.loaded", "supervisor.resumed", "node.serving",
            "hub.registered", "broker.before_agent", "broker.after_agent", "broker.hello", "agent.hello")
FIRST = {"broker.agent_gone": "agent.after_spawn", "fetch.child_ended": "helper.done"}    # who has to die for it
CANCELS = ("supervisor.cancelled", "agent.cancel")


class Script:
    """What is to happen, of a seed."""

    def __init__(self, seed, points, only=None):
        rng = self.rng = random.Random(f"crash {seed}")
        self.seed, self.point = seed, only or points[seed % len(points)]
        cycle = seed // len(points)
        self.act = "stop" if cycle % 5 == 3 else "kill"
        often = not self.point.startswith(("session.", "resolve.")) or self.point == "session.statement"
        self.at = rng.choice((1, 1, 2, 3, 5)) if cycle and often else 1
        self.hold = rng.uniform(0.05, 1.5) if rng.random() < 0.9 else rng.uniform(16, 18)     # longer than anybody waits for a sign of life
        self.later = cycle > 0 and self.point in AT_START       # of an amad that finds work
        self.also = []                                          # (point, act, at, hold)
        if rng.random() < 0.35:
            others = [p for p in points if not p.startswith(("session.", "resolve.")) and p != self.point]
            self.also.append((rng.choice(others), rng.choice(("kill", "kill", "stop")), rng.choice((1, 1, 2, 4)), rng.uniform(0.05, 1.0)))
        self.outside = rng.random() < 0.15                      # amad is killed wherever it is, too
        if self.point.startswith("session.") or (rng.random() < 0.02 and cycle):
            self.tell = campaign_jobs.spark
        elif self.point.startswith("resolve."):
            self.tell = campaign_jobs.jars
        elif self.point in CANCELS:
            self.tell = campaign_jobs.cancelled
        else:
            self.tell = campaign_jobs.SHELL[rng.randrange(len(campaign_jobs.SHELL))] if cycle else campaign_jobs.chain
        self.guard = rng.random() < 0.08                        # and so is the guard beside the agent
        self.spark = self.tell is campaign_jobs.spark
        self.runs = 2 if self.tell in (campaign_jobs.chain, campaign_jobs.flaky) and rng.random() < 0.2 else 1

    def __str__(self):
        faults = [f"{self.point}:{self.act}@{self.at}"] + [f"{p}:{act}@{at}" for p, act, at, _ in self.also] + ["outside"] * self.outside + ["guard"] * self.guard
        return f"{self.tell.__name__} ×{self.runs} {' '.join(faults)}"


class Story:
    def __init__(self, script, options):
        self.script, self.options = script, options
        shared = options.cache if script.spark else None
        self.house = House(options.bin, options.points, shared)
        self.jobs, self.tokens, self.cancels, self.events = {}, [], [], {}
        self.followers = {}
        self.broken, self.kept = None, None
        self.depot = None

    # ---- what happens

    def orders(self):
        script, house = self.script, self.house
        if script.point in FIRST:
            house.order(FIRST[script.point], "kill", script.at)
        if not script.later:
            house.order(script.point, script.act, script.at, script.hold)
        for point, act, at, hold in script.also:
            house.order(point, act, at, hold)

    def repository(self, job):
        at = self.house.folder / job.name
        files = job.repository()
        if job.jars:
            files["deps/jars.yml"] = self.depot_of(job)
        for name, text in files.items():
            (at / name).parent.mkdir(parents=True, exist_ok=True)
            (at / name).write_text(text)
        git = ["git", "-C", at, "-c", "user.name=t", "-c", "user.email=t@localhost", "-c", "gc.auto=0"]
        for args in (["init", "-q", "-b", "master"], ["add", "-A"], ["commit", "-q", "-m", "first"]):
            subprocess.run(git + args, check=True, capture_output=True)
        return at

    def depot_of(self, _):
        """Jars of a server of our own, and the child that fetches them as it was prepared once."""
        from depot import Depot  # pylint: disable=import-outside-toplevel
        self.depot = Depot()
        self.depot.publish("org.house:one:1.0")
        (self.house.cache / "amaterasu/resolver").symlink_to(pathlib.Path(self.options.cache) / "amaterasu/resolver")
        return json.dumps({"repositories": [{"id": "house", "url": self.depot.url}],
                           "artifacts": [{"groupId": "org.house", "artifactId": "one", "version": "1.0"}]})

    def submit(self, repo, token):
        """As a client that wants it done: with its token, until somebody answers."""
        out = self.house.ask("ama-submit", "--repo", repo, "--detach", "--idempotency-key", token).strip()
        self.tokens.append((token, out))
        return out

    def ended(self, run):
        """Its follower has seen the end; one that was told that amad is away begins anew."""
        process, file = self.followers[run]
        if process.poll() is None:
            return False
        if process.returncode == 5 and '"run.ended"' not in file.read_text():
            self.followers[run] = self.house.follow(run, f"follow-{run}")
            return False
        return True

    def mark(self):
        self.house.wait(lambda: self.house.marks.stat().st_size or all(self.ended(r) for r in self.jobs), "the first mark")

    def happen(self):
        script, house = self.script, self.house
        job = script.tell(house.marks, script.rng)
        repo = self.repository(job)
        self.orders()
        house.start()
        house.wait(lambda: house.ready, "the first start")
        for i in range(script.runs):
            run = self.submit(repo, f"t{i}")
            self.jobs[run] = job
            self.followers[run] = house.follow(run, f"follow-{run}")
        if job.cancel:
            house.wait(lambda: " b " in house.marks.read_text(), "the action to be cancelled")
            for run in self.jobs:
                self.cancels.append(run)
                house.ask("ama", "cancel", run)
        if script.guard:
            self.mark()
            house.kill_guard()
        if script.later or script.outside:
            self.mark()
            until = time.monotonic() + script.rng.uniform(0, 0.3)
            house.wait(lambda: time.monotonic() >= until, "a moment")
            if script.later:
                house.order(script.point, script.act, script.at, script.hold)
            house.kill()
        for run in self.jobs:
            house.wait(lambda run=run: self.ended(run), f"the end of {run}")
        if script.rng.random() < 0.3:                           # what was said twice is one
            again = script.rng.choice(self.tokens)
            need("P2", self.submit(repo, again[0]) == again[1], f"{again[0]} became another run")

    # ---- what became of it

    def read(self):
        house = self.house
        for run, (process, file) in self.followers.items():
            text = house.ask("ama", "attach", run, "--report-format", "ndjson", ended='"type":"run.ended"')
            need("P12", text == file.read_text(), f"{run}: who followed it live has read something else")
            self.events[run] = events_of(text)
            last = self.events[run][-1]
            need("P8", process.returncode == last["exit"], f"{run}: ended with {last['exit']}, its follower with {process.returncode}")
        known = {r["run"] for r in json.loads(house.ask("ama", "list", "-o", "json"))["runs"]}
        need("P1", known == set(self.jobs), f"accepted {sorted(self.jobs)}, listed {sorted(known)}")

    def verdict(self):
        house = self.house
        self.read()
        house.stop()
        code, out, err = house.run("ama", "fsck")
        need("P3", code == 0, f"fsck: {out}{err}")
        house.end_agents()
        house.look()
        marks = read_marks(house.marks)
        look_at_marks(marks, self.events)
        durable = recorded_at(marks, house.hits, next(iter(self.jobs.values())))
        judge(notes(self.script.seed, self.jobs, self.tokens, self.cancels, self.events, marks, durable))

    def play(self):
        began, calm, over = time.monotonic(), None, None
        house = self.house
        try:
            self.happen()
            calm = max([h.over for h in house.hits], default=None)
            over = time.time()
            self.verdict()
        except Broken as why:
            self.broken = str(why)
        except Exception:                                       # pylint: disable=broad-exception-caught
            self.broken = "the campaign itself: " + traceback.format_exc()
        finally:
            for process, _ in self.followers.values():
                if process.poll() is None:
                    process.kill()
                process.wait()
            if self.depot:
                self.depot.close()
            if self.options.keep and (self.broken or self.options.seed is not None):
                self.kept = house.folder
                (house.folder / "what.json").write_text(json.dumps({"broken": self.broken, "hits": [vars(h) for h in house.hits], "events": self.events}, indent=1))
            house.close(keep=self.kept is not None)
        return {"seed": self.script.seed, "script": str(self.script), "broken": self.broken, "kept": self.kept and str(self.kept),
                "hits": [(h.point, h.act) for h in house.hits], "recovery": house.recovery, "seconds": time.monotonic() - began,
                "wait": max(0, over - calm) if calm and over else None}
