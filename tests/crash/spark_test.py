"""kill -9 in the middle of Spark: of the JVM, of amad, of the agent."""
import json
import os
import pathlib
import signal
import sys
import unittest

TESTS = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TESTS / "e2e"), str(TESTS / "tools")]
from spark_house import SparkHouse, scala  # noqa: E402


class SparkCrash(SparkHouse):
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

    def test_killed_agent_takes_its_session_along(self):
        repo = self.job([scala("a"), scala("b")], {
            "a.scala": "val n = spark.range(5)\n",
            "b.scala": "println(\"up\")\nThread.sleep(if (new java.io.File(env.workingDir, \"go\").exists) 0 else 600000)\n"})
        self.amad()
        run = self.ama("--repo", repo, "--detach", program="ama-submit").stdout.strip()
        follower = self.start("attach", run, "--report-format", "ndjson")
        head = self.wait_for_line(follower, '"text":"up')
        (self.folder / "work" / "go").touch()
        self.kill_programs("/ama-agent")
        tail, err = self.finish(follower, 180)
        events = self.checked(head + tail)
        self.assertEqual(events.find("attempt.ended", action="b")[0]["state"], "lost", err)
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
