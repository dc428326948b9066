"""kill -9 in the middle of Spark: of the JVM, of amad, of the agent."""
import json
import os
import pathlib
import signal
import sys
import time
import unittest

TESTS = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TESTS / "e2e"), str(TESTS / "tools")]
from kills import KILLS, Kills  # noqa: E402
from spark_house import SparkHouse, scala  # noqa: E402


class SparkCrash(Kills, SparkHouse):
    def test_killed_jvm_is_a_lost_session_then_a_new_one(self):
        repo = self.job([scala("a"), scala("b")], {
            "a.scala": "val n = spark.range(5)\n",
            "b.scala": "println(\"up \" + env.configuration(\"limit\"))\nThread.sleep(if (new java.io.File(env.workingDir, \"go\").exists) 0 else 600000)\n"})
        run = self.start("run", repo, "--report-format", "ndjson")
        head = self.wait_for_line(run, '"text":"up 40')
        (self.folder / "work" / "go").touch()
        for pid, command in self.processes():
            if "java" in command.split(" ")[0]:
                os.kill(pid, signal.SIGKILL)
        tail, err = self.finish(run, 120)
        events = self.checked(head + tail)
        ended = events.find("attempt.ended", action="b")
        self.assertEqual(ended[0]["state"], "errored", err)
        self.assertIn("session-lost", ended[0]["cause"])
        self.assertEqual(ended[-1]["state"], "succeeded")
        self.assertEqual(run.returncode, 0)

    def kill_programs(self, name):
        found = [pid for pid, command in self.processes() if command.split(" ")[0].endswith(name)]
        self.assertTrue(found)
        for pid in found:
            os.kill(pid, signal.SIGKILL)

    def test_killed_jvm_of_the_last_attempt(self):
        repo = self.job([scala("a", retry={"attempts": 1}), scala("b")], {
            "a.scala": "println(\"up\")\nThread.sleep(600000)\n", "b.scala": "val x = 1\n"})
        run = self.start("run", repo, "--report-format", "ndjson")
        head = self.wait_for_line(run, '"text":"up')
        self.kill_programs("/java")
        tail, err = self.finish(run, 120)
        events = self.checked(head + tail)
        ended = events.one("attempt.ended")
        self.assertEqual((ended["state"], ended["cause"]), ("errored", "session-lost"))
        self.assertIn("SIGKILL", json.dumps(events.one("statement.ended", status="error")))
        self.assertEqual(events.one("action.ended", action="b")["state"], "skipped")
        self.assertEqual((events[-1]["state"], run.returncode), ("errored", 5), err)
        self.assertEqual(self.processes(), [])

    def kill(self, daemon):
        daemon.kill()
        daemon.wait(10)

    def java(self):
        return [pid for pid, command in self.processes() if command.split(" ")[0].endswith("/java")]

    def test_a_session_outlives_its_agents(self):
        """Each statement is under way when the agent is killed; some end while there is none. All of it ran once, in one process, and is told once."""
        marks, said = self.shared / "marks", self.shared / "said"
        helpers = f"""\
def mark(what: String): Unit = {{ val w = new java.io.FileWriter("{marks}", true); w.write(what + " " + ProcessHandle.current.pid + "\\n"); w.close() }}
def say(what: String): Unit = {{ println(what); val w = new java.io.FileWriter("{said}", true); w.write(what + "\\n"); w.close() }}
def step(i: Int): Int = {{
  mark("begin" + i)
  var n = 0
  while (!new java.io.File("{self.shared}/go" + i).exists) {{ n += 1; say(s"step $i says $n"); Thread.sleep(10 + n % 5) }}
  (1 to 300).foreach(k => say(s"step $i ends with " + k.toString * 20))
  mark("end" + i)
  i * i
}}
"""
        repo = self.job([scala("a", retry={"attempts": 1}), scala("b", retry={"attempts": 1})], {
            "a.scala": "val n = spark.range(7)\n",
            "b.scala": helpers + "".join(f"step({i})\n" for i in range(KILLS)) + 'println(AmaContext.getDataFrame("a", "n").count)\n'})
        daemon = self.amad()
        run = self.submit(repo)
        seen = []
        events = self.kills(run, daemon, KILLS, 120, each=lambda: seen.append(self.java()))
        [java] = seen[0]
        self.assertEqual(seen, [[java]] * KILLS)
        self.assertEqual([line.split() for line in marks.read_text().splitlines()],
                         [[f"{what}{i}", str(java)] for i in range(KILLS) for what in ("begin", "end")])
        out = [e["text"] for e in events.find("output", action="b", stream="stdout")]
        self.assertEqual(out[-1], "7")
        self.assertEqual("".join(line + "\n" for line in out[:-1]), said.read_text())
        ended = events.find("statement.ended", action="b")
        self.assertEqual([e["status"] for e in ended], ["ok"] * (KILLS + 4))
        self.assertEqual(len(events.find("statement.started", action="b")), KILLS + 4)
        self.assertEqual([e.get("value") for e in ended[3:-1]], [f"res{i}: Int = {i * i}" for i in range(KILLS)])
        self.assertEqual([(e["action"], e["attempt"], e["state"]) for e in events.find("attempt.ended")], [("a", 1, "succeeded"), ("b", 1, "succeeded")])
        self.assertEqual(len(events.find("gap")), 0)
        self.assertEqual(len(events.find("phase.ended", phase="session", status="ok")), 1)
        self.wait(lambda: not self.java())

    def test_an_agent_that_comes_back_ends_what_it_is_asked_to(self):
        """Cancel and timeout, also of a loop that never waits, under the second agent."""
        never = "println(\"up\")\nwhile (true) {}\n"
        daemon = self.amad()
        for how, more in (("cancelled", {}), ("timed_out", {"timeout": "25s"})):
            with self.subTest(how):
                run = self.submit(self.job([scala("a", retry={"attempts": 1}, **more)], {"a.scala": never}, name=how))
                follower = self.start("attach", run, "--report-format", "ndjson")
                head = self.wait_for_line(follower, '"text":"up')
                self.another_agent(self.kill_agent())
                if not more:
                    self.ama("cancel", run)
                tail, err = self.finish(follower, 120)
                events = self.checked(head + tail)
                self.assertEqual([e["state"] for e in events.find("attempt.ended")], [how], err)
                self.assertEqual([e["status"] for e in events.find("statement.ended", action="a")], ["ok", "error"])
                self.wait(lambda: not self.java())
        self.assertIsNone(daemon.poll())

    def test_a_lease_ends_a_session_nobody_cares_for(self):
        marks = self.shared / "marks"
        beat = f"""\
println("up")
var n = 0
while (n < 3 || !new java.io.File("{self.shared}/go").exists) {{
  n += 1
  val w = new java.io.FileWriter("{marks}", true); w.write(ProcessHandle.current.pid + " " + System.currentTimeMillis + "\\n"); w.close()
  Thread.sleep(20)
}}
"""
        daemon = self.amad()
        run = self.submit(self.job([scala("a")], {"a.scala": beat}, lease="10s"))
        self.wait(lambda: marks.exists(), 120)
        self.kill(daemon)
        begun = time.monotonic()
        self.wait(lambda: not self.java())
        self.assertLess(time.monotonic() - begun, 30)
        (self.shared / "go").touch()
        self.amad()
        follower = self.start("attach", run, "--report-format", "ndjson")
        text, err = self.finish(follower, 180)
        events = self.checked(text)
        self.assertEqual([e["state"] for e in events.find("attempt.ended")], ["lost", "succeeded"], err)
        beats = [line.split() for line in marks.read_text().splitlines()]
        self.assertEqual(len({pid for pid, _ in beats}), 2)
        self.assertEqual(beats, sorted(beats, key=lambda b: int(b[1])))

    def test_a_jvm_that_dies_with_the_agent(self):
        repo = self.job([scala("a"), scala("b")], {
            "a.scala": "val n = spark.range(5)\n",
            "b.scala": f"println(\"up \" + n.count)\nThread.sleep(if (new java.io.File(\"{self.shared}/go\").exists) 0 else 600000)\n".replace("n.count", "6 * 7")})
        self.amad()
        follower = self.start("attach", self.submit(repo), "--report-format", "ndjson")
        head = self.wait_for_line(follower, '"text":"up 42')
        (self.shared / "go").touch()
        [java] = self.java()
        old = self.kill_agent()
        os.kill(java, signal.SIGKILL)
        self.another_agent(old)
        tail, err = self.finish(follower, 180)
        events = self.checked(head + tail)
        self.assertEqual([(e["state"], e.get("cause")) for e in events.find("attempt.ended", action="b")][0], ("errored", "session-lost"), err)
        self.assertEqual(follower.returncode, 0, events[-20:])

    def test_killed_amad_in_the_middle_of_a_spark_run(self):
        go = self.shared / "go"
        repo = self.job([scala("a"), scala("b")], {
            "a.scala": "val n = spark.range(7)\n",
            "b.scala": f"println(\"up\")\nwhile (!new java.io.File(\"{go}\").exists) Thread.sleep(20)\nprintln(AmaContext.getDataFrame(\"a\", \"n\").count)\n"})
        daemon = self.amad()
        run = self.ama("--repo", repo, "--detach", program="ama-submit").stdout.strip()
        follower = self.start("attach", run, "--report-format", "ndjson")
        head = self.wait_for_line(follower, '"text":"up')
        daemon.kill()
        daemon.wait(10)
        self.amad()
        go.write_text("")
        tail, err = self.finish(follower, 120)
        self.assertEqual(follower.returncode, 0, err)
        events = self.checked(head + tail)
        self.assertEqual(len(events.find("attempt.started")), 2)
        self.assertEqual(len(events.find("phase.ended", phase="session", status="ok")), 1)
        self.assertEqual(events.find("output", action="b")[-1]["text"].strip(), "7")


if __name__ == "__main__":
    unittest.main()
