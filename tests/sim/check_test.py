#!/usr/bin/env python3
"""A checker that finds nothing proves nothing: each promise, broken in a history that is right otherwise."""
import copy
import json
import unittest

from check import check

PLAN = {"what": "commit", "commit": "C", "bad": False, "fail_fast": False, "actions": [
    {"name": "a", "attempts": 2, "error_action": 1, "error_of": -1, "depends": []},
    {"name": "e", "attempts": 1, "error_action": -1, "error_of": 0, "depends": []},
    {"name": "b", "attempts": 1, "error_action": -1, "error_of": -1, "depends": [0]}]}


def kept(kind, action="", attempt=0, state="", exit_code=-1, cause="", text="", **more):
    """An event that reader 0 is the first to read."""
    return {"what": "kept", "run": "R", "type": kind, "action": action, "attempt": attempt, "state": state, "cause": cause, "phase": "", "status": "",
            "exit": exit_code, "text": text, "ts": "2026-01-01T00:00:01.000Z", **more}


def again(last, prev=None, sums=None):
    """Reader 1 reads all up to `last`."""
    items = [[n, n - 1 if prev is None or n < last else prev, (sums or {}).get(n, f"s{n}")] for n in range(1, last + 1)]
    return {"what": "read", "reader": 1, "code": True, "run": "R", "items": items}


def end_read(reader, code=1):
    return {"what": "read_end", "reader": reader, "run": "R", "exit": code}


def started(attempt, action, no):
    return {"what": "started", "run": "R", "action": action, "no": no, "attempt": attempt, "snapshot": "/snapshots/C"}


def ended(attempt, state, lines=0):
    return {"what": "ended", "attempt": attempt, "state": state, "cause": "", "lines": lines}


RIGHT = [
    {"what": "story", "seed": 7, "readers": 2}, {"what": "accepted", "token": "T", "run": "R"}, PLAN,
    kept("run_accepted") | {"commit": "C"}, kept("phase_ended") | {"phase": "plan", "status": "ok"},
    started("A1", "a", 1), kept("attempt_started", "a", 1), kept("output", "a", 1, text="1"), {"what": "posted", "attempt": "A1", "upto": 1},
    ended("A1", "failed", 1), kept("attempt_ended", "a", 1, "failed", events=1),
    started("A2", "a", 2), kept("attempt_started", "a", 2), ended("A2", "succeeded"), kept("attempt_ended", "a", 2, "succeeded"),
    kept("action_ended", "a", 0, "succeeded"),
    started("B1", "b", 1), kept("attempt_started", "b", 1), ended("B1", "failed"), kept("attempt_ended", "b", 1, "failed"),
    kept("action_ended", "b", 0, "failed"), {"what": "calm"}, kept("run_ended", "", 0, "failed", 1), again(12), end_read(0), end_read(1),
    {"what": "over", "steps": 1, "lost": 0}]


def at(what, *more):
    """The number of the note that is like this."""
    def like(note):
        return what in (note["what"], note.get("type")) and all(m in note.values() for m in more)
    return next(i for i, note in enumerate(RIGHT) if like(note))


def verdict(history):
    number, notes = 0, copy.deepcopy(history)
    for i, note in enumerate(notes):
        note.setdefault("at", i)
        if note["what"] == "kept":
            number += 1
            event = {k: v for k, v in note.items() if k != "no"}
            no = note.get("no", number)
            note.update(what="read", reader=0, code=True, items=[[no, no - 1, f"s{no}", event]])
    (_, broken, _), = check(json.dumps(n) for n in notes)
    return broken or ""


def without(i):
    return RIGHT[:i] + RIGHT[i + 1:]


def within(i, *notes):
    return RIGHT[:i] + list(notes) + RIGHT[i:]


def instead(i, **members):
    return RIGHT[:i] + [{**RIGHT[i], **members}] + RIGHT[i + 1:]


def cut_off(for_ms, **plan):
    """The agent of A1 is cut off and has its success; that is given up after a time, and the action begins again."""
    begun, again_at = at("started", "A1"), at("started", "A2")
    return RIGHT[:2] + [{**PLAN, **plan}] + RIGHT[3:begun] + [RIGHT[begun] | {"at": 1000}] + RIGHT[begun + 1:at("ended", "A1")] + [
        {"what": "cut_off", "agent": 0, "at": 2000}, ended("A1", "succeeded", 1), kept("attempt_ended", "a", 1, "lost", cause="node-lost"),
        RIGHT[again_at] | {"at": 2000 + for_ms, "agent": 1}, {"what": "back", "agent": 0, "at": 2000 + for_ms}] + RIGHT[again_at + 1:-1] + [RIGHT[-1] | {"at": 200000}]


def gap(cut_ms):
    """The agent of A1 has three lines, is cut off for a time, and two of them are told as missing."""
    i = at("attempt_ended", "a", 1)
    return (RIGHT[:i - 1] + [{"what": "cut_off", "agent": 0, "at": 2000}, {"what": "back", "agent": 0, "at": 2000 + cut_ms}, ended("A1", "failed", 3),
                             kept("gap", "a", 1, events=2), RIGHT[i] | {"events": 3}] + RIGHT[i + 1:at("read")] + [again(13)] + RIGHT[at("read") + 1:-1] + [RIGHT[-1] | {"at": 200000}])


BROKEN = [
    ("P4", "an attempt given up before its lease and grace are over", cut_off(69999, lease_ms=10000)),
    ("P4", "an attempt given up before its lease and grace, of a job that says nothing", cut_off(100000)),
    ("P4", "an attempt given up before its agent was silent for long", cut_off(11999, rerun=True)),
    ("P12", "a gap, and its agent was away for a moment", gap(3999)),
    ("P2", "a token that became another run", within(2, {"what": "accepted", "token": "T", "run": "S"})),
    ("P2", "two tokens of one run", within(2, {"what": "accepted", "token": "U", "run": "R"})),
    ("P4", "an attempt after a success on the agent's disk", within(at("ended", "A2") + 1, started("A3", "a", 3))),
    ("P4", "a success that is shown as lost",
     within(at("started", "A1"), {"what": "cancel", "run": "R"})[:at("started", "B1") + 1]
     + [started("B1", "b", 1), kept("attempt_started", "b", 1), ended("B1", "succeeded"), kept("attempt_ended", "b", 1, "lost"),
        kept("action_ended", "b", 0, "cancelled"), kept("run_ended", "", 0, "cancelled", 4), again(12), end_read(0, 4), end_read(1, 4), RIGHT[-1]]),
    ("P8", "another state than what it said itself", instead(at("ended", "B1"), what="said", state="succeeded")),
    ("P8", "an attempt that ran and is not told", within(at("started", "B1"), started("X1", "b", 3))),
    ("P5", "an attempt beside another", within(at("attempt_ended", "a", 1), kept("attempt_started", "a", 2))),
    ("P5", "one number, two attempts", within(at("ended", "A1"), started("X1", "a", 1))),
    ("P13", "an attempt that starts twice", within(at("attempt_started", "a", 1), started("A1", "a", 1))),
    ("P13", "an attempt that starts again after its end", within(at("attempt_ended", "a", 1), {"what": "agent_died"}, started("A1", "a", 1))),
    ("P7", "a run without an end", without(at("run_ended"))),
    ("P7", "a run that ends late", instead(at("read_end") + 1, at=61000)),
    ("P8", "another state than the agent's", instead(at("ended", "B1"), state="succeeded")),
    ("P8", "a good repository that is refused", instead(at("phase_ended"), status="error")),
    ("P8", "a bad repository that is planned", instead(at("commit"), bad=True)),
    ("P8", "an action that is left out",
     instead(at("commit"), actions=PLAN["actions"] + [{"name": "c", "attempts": 1, "error_action": -1, "error_of": -1, "depends": []}])),
    ("P11", "a commit that nobody pushed", instead(at("run_accepted"), commit="D")),
    ("P11", "an attempt from another commit", instead(at("started", "A2"), snapshot="/snapshots/D")),
    ("P8", "a wrong exit code", instead(at("run_ended"), exit=0)),
    ("P8", "a rosy end", instead(at("run_ended"), state="succeeded", exit=0)),
    ("P8", "cancelled by nobody", instead(at("run_ended"), state="cancelled", exit=4)),
    ("P8", "given up too early", RIGHT[:at("attempt_ended", "a", 1) + 1] + [kept("action_ended", "a", 0, "failed"), {"what": "over"}]),
    ("P8", "begun before its turn", within(at("started", "A1"), kept("attempt_started", "b", 1))),
    ("P8", "one attempt too many", within(at("action_ended", "b"), kept("attempt_started", "b", 2))),
    ("P8", "skipped for no reason", within(at("started", "B1"), kept("action_ended", "b", 0, "skipped"))),
    ("P1", "acknowledged output that is lost", instead(at("posted"), upto=2)),
    ("P1", "a run that nobody knows of", without(at("accepted"))),
    ("P12", "a line of output twice", within(at("ended", "A1"), kept("output", "a", 1, text="1"))),
    ("P12", "output that its agent had and nobody was told of", instead(at("ended", "A1"), lines=2)),
    ("P12", "an attempt's end before its events", instead(at("attempt_ended", "a", 1), events=2)),
    ("P12", "a gap that is not in the count", within(at("attempt_ended", "a", 1), kept("gap", "a", 1, events=2))),
    ("P12", "another event by the same number", instead(at("read"), **again(12, sums={4: "x"}))),
    ("P12", "a hole at one reader", instead(at("read"), **again(12, prev=10))),
    ("P12", "a reader without an end", without(at("read_end") + 1)),
    ("P12", "an end behind the end that a reader has", instead(at("read"), **again(11))),
    ("P8", "another exit code at one reader", instead(at("read_end"), exit=0)),
    ("P12", "a hole", instead(at("action_ended", "a"), no=10)),
    ("P12", "an event after the end", within(at("over"), kept("action_ended", "e", 0, "skipped"))),
    ("P13", "accepted twice", within(at("started", "A1"), kept("run_accepted"))),
    ("P13", "an end twice", within(at("attempt_started", "a", 2), kept("attempt_ended", "a", 1, "failed"))),
    ("P13", "the end of an action twice", within(at("calm"), kept("action_ended", "b", 0, "failed"))),
    ("", "a story that breaks off", RIGHT[:-1]),
]


class Checker(unittest.TestCase):
    def test_a_right_story_is_right(self):
        self.assertEqual(verdict(RIGHT), "")

    def test_what_died_with_its_agent_may_start_again(self):
        self.assertEqual(verdict(within(at("attempt_started", "a", 1), {"what": "agent_died"}, started("A1", "a", 1))), "")

    def test_what_nobody_could_hear_of_may_start_again(self):
        self.assertEqual(verdict(cut_off(70000, lease_ms=10000)), "")
        self.assertEqual(verdict(cut_off(12000, rerun=True)), "")

    def test_output_that_came_too_late_may_be_missing(self):
        self.assertEqual(verdict(gap(4000)), "")

    def test_each_broken_promise_is_found(self):
        for promise, name, history in BROKEN:
            with self.subTest(name):
                self.assertRegex(verdict(history), rf"{promise}: " if promise else "ends within")


if __name__ == "__main__":
    unittest.main()
