"""Checks a history of simulated stories against a model of a run that shares nothing with the code.

The history is what the stand-ins saw (cast_note), a JSON object a line, and what became of a run is what the readers of its report read; or what was seen of real
processes (tests/crash/campaign_history.py). The model knows the promises of docs/reliability.md by their numbers:

P1  what was accepted, and what the reporter has acknowledged, survives power cuts
P2  a token is one run, whatever is lost or said twice       P8  what is shown is true: states, exit codes, skipped dependants
P4  after a recorded success an action never starts again    P12 a report has no hole and no double, at any reader
P5  one attempt's result at most is accepted                 P13 what comes twice or late changes nothing
P11 a run is pinned to one commit, and does what that means
P7  once the faults are over, every accepted run ends, within 60 s

An agent that is cut off may have a success that nobody could hear of in time. Its attempt is given up when its lease and a grace are over, or, where the job says
on-lost: rerun, once it has been silent for long; only then may the action start again, and only then may its output be missing (a gap says so).
"""
import collections
import datetime
import json

EXIT = {"succeeded": 0, "failed": 1, "rescued": 3, "cancelled": 4, "errored": 5, "timed_out": 124}
REFUSED = 2                          # failed, because it can not be planned
ENDS = {"succeeded", "failed", "errored", "lost", "timed_out", "cancelled"}
FREE = {("lost", "node-lost"), ("errored", "preempted")}
FREE_MAX = 10
LIVE_MS = 60000                      # from the last fault to the end of the last run
SILENT_MS = 12000                    # an agent is not heard of for 15 s: before it is cut off its words may have been lost, or amad dead, for 3 of them
GRACE_MS = 60000                     # beyond the lease
OUTPUT_MS = 4000                     # an agent that is cut off for so long may miss the time for which its output is waited for (20 s), since it posts every 15 s


START_MS = 1767225600000             # when each story begins


def wall_ms(text):
    return round(datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() * 1000)


class Broken(Exception):
    """A promise that was not kept; its text begins with the promise's number."""


def need(promise, holds, text):
    if not holds:
        raise Broken(f"{promise}: {text}")


class Action:
    def __init__(self, planned):
        self.planned = planned
        self.attempts = []          # [state or None, cause]
        self.output = collections.Counter()     # attempt → lines
        self.missing = collections.Counter()    # attempt → events that a gap says are missing
        self.told = collections.Counter()       # attempt → events of its agent, those that a gap says are missing among them
        self.state = None           # of action_ended

    def open(self):
        return bool(self.attempts) and self.attempts[-1][0] is None

    def counted(self):
        return sum(1 for a in self.attempts if tuple(a) not in FREE)

    def free(self):
        return sum(1 for a in self.attempts if tuple(a) in FREE)


class Run:
    """A run as its report tells it."""

    def __init__(self, run, commits):
        self.run = run
        self.commits = commits      # name → what its authors meant
        self.commit = None          # that it is pinned to
        self.bad = False            # its repository is, and can not be planned
        self.plan = None
        self.actions = {}
        self.last = 0
        self.sums = {}              # number → sum of its bytes
        self.readers = collections.Counter()    # reader → number of the last event it has
        self.read_to_end = {}       # reader → number of its last event, exit code that it was told
        self.end_ts = None
        self.wish = False           # somebody asked for its end
        self.ended = None
        self.accepted = False
        self.no_session = False     # one could not be opened

    def set_plan(self, note):
        plan = (note["fail_fast"], note["actions"])
        need("P8", self.plan in (None, plan), f"{self.run} was planned in two ways")
        if self.plan is None:
            self.plan = plan
            self.actions = {a["name"]: Action(a) for a in note["actions"]}

    def by_index(self, i):
        return self.actions[self.plan[1][i]["name"]]

    def find(self, name):
        need("P8", name in self.actions, f"{self.run}: an event of {name!r}, which is not in the plan")
        return self.actions[name]

    def failing(self):
        """Ordinary actions that failed for good."""
        return [a for a in self.actions.values() if a.planned["error_of"] < 0 and a.state in ("failed", "errored")]

    def stopping(self):
        """Attempts may end as cancelled, and actions without having been tried."""
        return self.wish or (self.plan and self.plan[0] and self.failing())

    # ---- what readers read

    def read(self, note):
        """The first who reads an event tells it; all others must have read the same bytes."""
        reader = note["reader"]
        for seq, prev, total, *event in note["items"]:
            need("P12", prev == self.readers[reader], f"{self.run}: reader {reader} has event {seq}, which follows {prev}, after {self.readers[reader]}")
            need("P12", seq > prev and (seq == prev + 1 or not note["code"]), f"{self.run}: reader {reader} has event {seq} after {prev}")
            need("P12", self.sums.setdefault(seq, total) == total, f"{self.run}: reader {reader} has another event {seq} than others")
            self.readers[reader] = seq
            if event:
                self.kept(event[0] | {"no": seq, "type": event[0]["type"].replace(".", "_")})

    def read_end(self, note):
        self.read_to_end[note["reader"]] = (self.readers[note["reader"]], note["exit"])

    def agree_on_end(self, readers):
        need("P12", set(self.read_to_end) == readers, f"{self.run}: its end was read by {set(self.read_to_end)} only")
        for reader, (last, code) in self.read_to_end.items():
            need("P12", last == self.last, f"{self.run}: reader {reader} was told the end after event {last}, which is {self.last}")
            need("P8", code == self.exit_of(self.ended), f"{self.run}: {self.ended}, but reader {reader} is told exit code {code}")

    # ---- events, in their order

    def kept(self, event):
        need("P12", event["no"] == self.last + 1, f"{self.run}: event {event['no']} after {self.last}")
        need("P12", self.ended is None, f"{self.run}: an event after the end")
        self.last += 1
        if not self.accepted:
            need("P8", event["type"] == "run_accepted" or (event["type"] == "phase_started" and self.last == 1), f"{self.run}: {event['type']} before it was accepted")
        if event.get("attempt") and not event["type"].startswith("attempt_"):
            missing = event["type"] == "gap" and "bytes" not in event       # else it is the agent's own, of a quota
            self.find(event["action"]).told[event["attempt"]] += event["events"] if missing else 1
            self.find(event["action"]).missing[event["attempt"]] += event["events"] if missing else 0
        getattr(self, event["type"], lambda _: None)(event)

    def output(self, event):
        a, no = self.find(event["action"]), event["attempt"]
        if "text" not in event:         # of a real program, which prints what it likes
            return
        a.output[no] += 1
        need("P12", event["text"] == str(a.output[no]), f"{self.run}/{event['action']}: line {event['text']} of attempt {no} as its line {a.output[no]}")

    def run_accepted(self, event):
        need("P13", not self.accepted, f"{self.run} was accepted twice")
        self.accepted = True
        if self.commits and "commit" in event:
            need("P11", event["commit"] in self.commits, f"{self.run} is pinned to {event['commit']}, which nobody pushed")
            self.commit = event["commit"]
            self.bad = self.commits[self.commit]["bad"]
            self.set_plan(self.commits[self.commit])

    def phase_ended(self, event):
        need("P8", event["phase"] != "plan" or self.bad == (event.get("status") == "error") or not self.commits,
             f"{self.run}: its plan ended as {event.get('status')}, its repository is {'bad' if self.bad else 'good'}")
        self.no_session |= event["phase"] == "session" and event.get("status") == "error"

    def attempt_started(self, event):
        a, name = self.find(event["action"]), event["action"]
        need("P8", a.state is None, f"{self.run}/{name}: an attempt after the action's end")
        need("P5", not a.open(), f"{self.run}/{name}: an attempt beside another")
        need("P12", event["attempt"] == len(a.attempts) + 1, f"{self.run}/{name}: attempt {event['attempt']} after {len(a.attempts)}")
        need("P4", all(state != "succeeded" for state, _ in a.attempts), f"{self.run}/{name}: tried again after its success")
        need("P8", a.counted() < a.planned["attempts"], f"{self.run}/{name}: more than {a.planned['attempts']} attempts that count")
        owner = a.planned["error_of"]
        if owner >= 0:
            need("P8", self.by_index(owner).state in ("failed", "errored"), f"{self.run}/{name}: an error action before its owner failed for good")
        for i in a.planned["depends"]:
            before = self.by_index(i)
            rescued = before.planned["error_action"] >= 0 and self.by_index(before.planned["error_action"]).state == "succeeded"
            need("P8", before.state == "succeeded" or rescued, f"{self.run}/{name}: begun before what it depends on succeeded")
        a.attempts.append([None, ""])

    def attempt_ended(self, event):
        a, name = self.find(event["action"]), event["action"]
        need("P13", a.open() and event["attempt"] == len(a.attempts), f"{self.run}/{name}: an end of attempt {event['attempt']}, which is not open")
        need("P8", event["state"] in ENDS, f"{self.run}/{name}: {event['state']} is no end")
        need("P8", event["state"] != "cancelled" or self.stopping(), f"{self.run}/{name}: cancelled by nobody")
        told = a.told[event["attempt"]]
        need("P12", event.get("events", told) == told, f"{self.run}/{name}: attempt {event['attempt']} ended after {event.get('events')} events, and {told} are told")
        a.attempts[-1] = [event["state"], event.get("cause", "")]

    def action_ended(self, event):
        a, name, state = self.find(event["action"]), event["action"], event["state"]
        need("P13", a.state is None, f"{self.run}/{name}: ended twice")
        need("P8", not a.open(), f"{self.run}/{name}: ended while an attempt is open")
        last, cause = a.attempts[-1] if a.attempts else (None, "")
        if state in ("succeeded", "failed"):
            wanted = {"succeeded": ("succeeded",), "failed": ("failed", "timed_out")}[state]
            need("P8", last in wanted, f"{self.run}/{name}: {state}, but its last attempt is {last}")
        elif state == "errored":
            need("P8", last in ("errored", "lost") or self.no_session, f"{self.run}/{name}: errored, but its last attempt is {last}")
        elif state == "skipped":
            need("P8", not a.attempts, f"{self.run}/{name}: skipped after an attempt")
            undone = [i for i in a.planned["depends"] if self.by_index(i).state not in (None, "succeeded")]
            need("P8", undone or self.stopping(), f"{self.run}/{name}: skipped, though nothing that it depends on failed for good")
        else:
            need("P8", state == "cancelled" and self.stopping(), f"{self.run}/{name}: {state} without a reason")
        if state in ("failed", "errored") and last and not self.stopping() and not self.no_session:
            used_up = a.counted() >= a.planned["attempts"] or a.free() > FREE_MAX
            need("P8", used_up or cause == "syntax", f"{self.run}/{name}: given up after {a.counted()} of {a.planned['attempts']} attempts")
        a.state = state

    def run_ended(self, event):
        state = event["state"]
        self.end_ts = wall_ms(event["ts"]) if "ts" in event else None
        need("P8", event["exit"] == self.exit_of(state), f"{self.run}: {state} with exit code {event['exit']}")
        for name, a in self.actions.items():
            need("P8", not a.open(), f"{self.run} ended while {name} runs")
            need("P8", a.state is not None or not a.attempts, f"{self.run} ended before {name} did")
            begun = any(other.state is not None for other in self.actions.values())
            need("P8", a.state is not None or a.planned["error_of"] >= 0 or not begun, f"{self.run} ended without {name}")
        need("P8", state in self.truths(), f"{self.run}: {state}, but the model says {' or '.join(sorted(self.truths()))}")
        self.ended = state

    def exit_of(self, state):
        return REFUSED if state == "failed" and self.bad else EXIT.get(state)

    def truths(self):
        """A wish to cancel may come too late; without one there is a single truth."""
        found = {"cancelled"} if self.wish else set()
        if self.bad and not any(a.attempts or a.state for a in self.actions.values()):
            return found | {"failed"}
        if self.accepted and not any(a.attempts for a in self.actions.values()) and not any(a.state for a in self.actions.values()):
            return found | {"errored"}                  # it did not get as far as its first action
        bad = [a for a in self.failing() if a.planned["error_action"] < 0 or self.by_index(a.planned["error_action"]).state != "succeeded"]
        if not self.failing():
            return found | {"succeeded"}
        if not bad:
            return found | {"rescued"}
        return found | {"failed" if any(a.state == "failed" for a in bad) else "errored"}


class Story:
    """All that happened under one seed."""

    def __init__(self, note):
        self.seed = note["seed"]
        self.readers = set(range(note.get("readers", 0)))
        self.posted = {}                                        # attempt → (lines of output that were acknowledged, wall ms)
        self.runs = {}
        self.tokens = {}
        self.commits = {}                                       # name → what its authors meant
        self.snapshots = {}                                     # attempt → snapshot that it runs from
        self.agent = {}                                         # attempt → (run, action, no)
        self.began = {}                                         # attempt → deaths of its agent before it
        self.at = {}                                            # attempt → its agent
        self.deaths = collections.Counter()                     # of each agent
        self.ends = {}                                          # attempt → state, as its agent wrote it down
        self.lines = {}                                         # attempt → lines of output that its agent had at its end
        self.died = set()                                       # attempts whose agent died after their end
        self.said = {}                                          # attempt → state, as its script said at its end; its agent may not know
        self.cuts = collections.defaultdict(list)               # agent → [from, to or None] in which it was cut off or dead
        self.begun_at = {}                                      # attempt → when it first came to its agent
        self.count = collections.Counter()
        self.calm_at = None
        self.last_end = 0

    def run(self, run):
        return self.runs.setdefault(run, Run(run, self.commits))

    def take(self, note):
        self.count[note["what"]] += 1
        getattr(self, "on_" + note["what"], lambda _: None)(note)

    def on_commit(self, note):
        self.commits[note["commit"]] = note

    def on_plan(self, note):
        self.run(note["run"]).set_plan(note)

    def on_accepted(self, note):
        before = self.tokens.setdefault(note["token"], note["run"])
        need("P2", before == note["run"], f"{note['token']} became {before} and {note['run']}")

    def on_cancel(self, note):
        self.run(note["run"]).wish = True

    def on_cut_off(self, note):
        self.cuts[note["agent"]].append([note["at"], None])

    def on_back(self, note):
        self.cuts[note["agent"]][-1][1] = note["at"]

    def cut_off_ms(self, attempt, at):
        """For how long its agent was cut off in one piece since it began, at most."""
        spans = [(max(begin, self.begun_at[attempt]), min(end or at, at)) for begin, end in self.cuts[self.at[attempt]]]
        return max((end - begin for begin, end in spans), default=0)

    def may_be_given_up(self, attempt, at, forced=False):
        """Nobody could hear of it, and nobody need wait, or its time is over."""
        meant = self.commits.get(self.snapshots[attempt].rsplit("/", 1)[-1], {})
        return self.cut_off_ms(attempt, at) >= (SILENT_MS if forced or meant.get("rerun") else meant.get("lease_ms", 1800000) + GRACE_MS)

    def on_started(self, note):
        key = (note["run"], note["action"])
        for attempt, (run, action, _) in self.agent.items():
            if (run, action) == key and self.ends.get(attempt) == "succeeded":
                need("P4", self.may_be_given_up(attempt, note["at"]), f"{key} starts again, and its agent has its success on disk")
        self.begun_at.setdefault(note["attempt"], note["at"])
        began, attempt = self.began.get(note["attempt"]), note["attempt"]
        at = self.at.setdefault(attempt, note.get("agent", 0))
        need("P5", at == note.get("agent", 0), f"attempt {attempt} is started at two agents")
        need("P13", began is None or (began < self.deaths[at] and attempt not in self.ends), f"attempt {attempt} starts twice")
        self.began[attempt] = self.deaths[at]
        self.agent[note["attempt"]] = (*key, note["no"])
        self.snapshots[note["attempt"]] = note.get("snapshot", "")

    def on_agent_died(self, note):
        agent = note.get("agent", 0)
        self.deaths[agent] += 1
        self.died |= {a for a in self.ends if self.at.get(a, 0) == agent}

    def on_ended(self, note):
        need("P13", note["attempt"] not in self.ends, f"attempt {note['attempt']} ends twice at its agent")
        self.ends[note["attempt"]] = note["state"]
        if "lines" in note:
            self.lines[note["attempt"]] = note["lines"]

    def on_said(self, note):
        need("P13", note["attempt"] not in self.said, f"attempt {note['attempt']} comes to its end twice")
        self.said[note["attempt"]] = note["state"]

    def on_kept(self, note):
        """An event of a report that was read once, at the end."""
        self.run(note["run"]).kept(note)

    def on_posted(self, note):
        self.posted[note["attempt"]] = (note["upto"], START_MS + note["at"])

    def on_read(self, note):
        run = self.run(note["run"])
        before = run.last
        run.read(note)
        self.count["kept"] += run.last - before

    def on_read_end(self, note):
        self.run(note["run"]).read_end(note)
        self.last_end = note["at"]

    def on_calm(self, note):
        self.calm_at = note["at"]

    def on_over(self, note):
        self.count.update({"deliveries": note.get("steps", 0), "lost": note.get("lost", 0)})
        need("P2", len(set(self.tokens.values())) == len(self.tokens), "two tokens share a run")
        accepted = set(self.tokens.values())
        for run in {run for run, _, _ in self.agent.values()} | {run for run in self.runs if self.runs[run].last}:
            need("P1", run in accepted, f"{run} runs, and whoever submitted it knows nothing of it")
        for run in accepted:                                    # others were planned at most, before a power cut
            need("P7", run in self.runs and self.runs[run].ended is not None, f"{run} has not ended")
            self.runs[run].agree_on_end(self.readers)
        if self.calm_at is not None:
            need("P7", self.last_end <= self.calm_at + LIVE_MS, f"a run ended {(self.last_end - self.calm_at) / 1000:.1f} s after the last fault")
        for attempt, (upto, at) in self.posted.items():
            run, action, no = self.agent[attempt]
            if at < self.runs[run].end_ts:                       # what is posted after the end is not kept
                shown = self.runs[run].actions[action]           # what came after a gap had said that it is missing is acknowledged, too
                need("P1", shown.output[no] + shown.missing[no] >= upto, f"{run}/{action}: acknowledged output of attempt {no} is lost")
        told = collections.defaultdict(list)
        for attempt, (run, action, no) in self.agent.items():
            told[(run, action, no)].append(attempt)
        for key, attempts in told.items():
            run, action, no = key
            need("P5", len(attempts) == 1, f"{key} is {len(attempts)} attempts at the agent")
            need("P8", run in self.runs and len(self.runs[run].actions[action].attempts) >= no, f"{key} ran, and is not told")
            snapshot, pinned = self.snapshots[attempts[0]], self.runs[run].commit
            need("P11", pinned is None or snapshot.endswith(pinned), f"{key} ran from {snapshot}, its run is pinned to {pinned}")
            self.agree(key, attempts[0], self.said.get(attempts[0]), note["at"])
            self.all_told(key, attempts[0], note["at"])

    def all_told(self, key, attempt, at):
        """Whatever was away when an attempt ended: what its agent tells of it until that is acknowledged is there at the end, or died with the agent or came too late, and that is told."""
        run, action, no = key
        lines, shown = self.lines.get(attempt), self.runs[run].actions[action]
        excused = attempt in self.died or self.cut_off_ms(attempt, at) >= OUTPUT_MS
        if lines is not None and shown.attempts[no - 1][0] != "lost":
            need("P12", shown.output[no] + shown.missing[no] == lines, f"{key} has {lines} lines of output, and {shown.output[no]} are told")
            need("P12", excused or not shown.missing[no], f"{key} is told with a gap, and its agent lived")

    def agree(self, key, attempt, said, at):
        """What is shown of an attempt is what its agent wrote down, if anything; what it said itself, if it is known."""
        run, action, no = key
        shown, at_agent = self.runs[run].actions[action].attempts[no - 1][0], self.ends.get(attempt)
        if shown == "lost" or shown in (at_agent, said):
            given_up = shown == "lost" and at_agent == "succeeded"
            need("P4", not given_up or self.may_be_given_up(attempt, at, self.runs[run].wish), f"{key} is shown as lost, and its agent has its success on disk")
            return
        waived = {("timed_out", "cancelled"), ("cancelled", "timed_out")}       # both wishes were under way
        need("P8", at_agent is None and shown in ("errored", "cancelled", "timed_out") or (shown, at_agent) in waived,
             f"{key} is shown as {shown}, its agent says {at_agent}")


def check(lines):
    """Yields (seed, what broke or None, the story) for each story of the history."""
    story, broken = None, None
    for line in lines:
        note = json.loads(line)
        if note["what"] == "story":
            story, broken = Story(note), None
            continue
        if broken is None:
            try:
                story.take(note)
            except Broken as why:
                broken = f"[{note['at']} ms] {why}"
        if note["what"] == "over":
            yield story.seed, broken, story
            story = None
    if story is not None:
        yield story.seed, "the history ends within the story", story
