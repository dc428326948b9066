"""What happened in a house, as the history that tests/sim/check.py judges, and what can be said from the marks alone."""
import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "sim"))
from check import check  # noqa: E402

from campaign_house import Broken  # noqa: E402


def need(promise, holds, text):
    if not holds:
        raise Broken(f"{promise}: {text}")


class Mark:
    def __init__(self, line):
        self.what, self.run, self.action, no, pid, at, *how = line.split()
        self.no = int(no) if no != "-" else None
        self.pid, self.at, self.how = int(pid), float(at), how[0] if how else ""
        self.key = (self.run, self.action, self.no)


def read_marks(file):
    return [Mark(line) for line in file.read_text().splitlines()]


def events_of(text):
    return [json.loads(line) for line in text.splitlines()]


def recorded_at(marks, hits, job):
    """{attempt: when} for ends that a kill found in the agent's file. Known only where one action runs at a time."""
    if job.name in ("wide", "spark"):
        return {}
    found = {}
    for hit in hits:
        if hit.point == "agent.recorded":
            before = [m for m in marks if m.at < hit.at]
            if before and before[-1].what == "end":
                found[before[-1].key] = hit.at
    return found


def look_at_marks(marks, events):
    """P4, P5, P6 and P8 from outside: what ran, against what is told."""
    started = {}
    for mark in marks:
        need("P6", mark.what != "overlap", f"{mark.key} began beside another that lived ({mark.how})")
        if mark.what == "start" and mark.no is not None:
            need("P4", mark.key not in started, f"{mark.key} ran twice")
            started[mark.key] = mark
    ended = {m.key: m for m in marks if m.what == "end"}
    for (run, action, no), end in ended.items():
        after = started.get((run, action, no + 1)) if no is not None else None
        need("P6", not after or after.at >= end.at, f"{run}/{action}: attempt {no + 1 if after else no} began before {no} had ended")
    for run, told in events.items():
        shown = {e["action"]: set() for e in told if e["type"] == "attempt.started"}
        for e in told:
            if e["type"] == "attempt.started":
                shown[e["action"]].add(e["attempt"])
            if e["type"] != "attempt.ended" or e["state"] not in ("succeeded", "failed"):
                continue
            key = (run, e["action"], e["attempt"])
            if any(m.no is None and m.run == run for m in marks if m.action == e["action"]):
                continue
            need("P8", key in ended, f"{key} is shown as {e['state']}, and never came to its end")
        for (of, action, no) in started:
            need("P8", of != run or no in shown.get(action, ()), f"{of}/{action}: attempt {no} ran, and is not told")
        for action in {m.action for m in marks if m.run == run and m.no is None}:
            times = [m for m in marks if m.run == run and m.action == action and m.what == "start"]
            need("P4", len(times) <= len(shown.get(action, ())), f"{run}/{action} began {len(times)} times in {len(shown.get(action, ()))} attempts")


def notes(seed, jobs, tokens, cancels, events, marks, durable):
    """The history in the words of check.py. jobs: run → job."""
    yield {"what": "story", "seed": seed, "at": 0}
    for token, run in tokens:
        yield {"what": "accepted", "token": token, "run": run, "at": 0}
    for run in cancels:
        yield {"what": "cancel", "run": run, "at": 0}
    seen = []
    for mark in marks:
        if mark.no is None:
            continue
        attempt, at = "/".join(map(str, mark.key)), int(mark.at * 1000)
        if mark.what == "start":
            seen.append((mark.at, {"what": "started", "run": mark.run, "action": mark.action, "no": mark.no, "attempt": attempt, "at": at}))
        elif mark.what == "end":
            state = "succeeded" if mark.how == "ok" else "failed"
            seen.append((mark.at, {"what": "said", "attempt": attempt, "state": state, "at": at}))
            if mark.key in durable:
                seen.append((durable[mark.key], {"what": "ended", "attempt": attempt, "state": state, "at": at}))
    yield from (note for _, note in sorted(seen, key=lambda pair: pair[0]))
    for run, told in events.items():
        yield {**jobs[run].note(run), "at": 0}
        for e in told:
            yield {"what": "kept", "run": run, "no": e["seq"], "type": e["type"].replace(".", "_"), "action": e.get("action", ""),
                   "attempt": e.get("attempt", 0), "state": e.get("state", ""), "cause": e.get("cause", ""), "phase": e.get("phase", ""),
                   "status": e.get("status", ""), "exit": e.get("exit", -1), "at": e["seq"]}
    yield {"what": "calm", "at": 0}
    yield {"what": "over", "at": 0}


def judge(history):
    for _, broken, _ in check(json.dumps(note) for note in history):
        if broken:
            raise Broken(broken)
