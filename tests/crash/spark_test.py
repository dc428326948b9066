"""kill -9 in the middle of Spark: of the JVM, of amad, of the agent."""
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
            "b.scala": "println(\"up \" + env.configuration(\"limit\"))\nThread.sleep(if (new java.io.File(env.workingDir).exists) 0 else 600000)\n"})
        run = self.start("run", repo, "--report-format", "ndjson")
        head = self.wait_for_line(run, '"text":"up 40')
        (self.folder / "work").mkdir()
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

    def test_killed_amad_in_the_middle_of_a_spark_run(self):
        go = self.folder / "go"
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
        self.assertEqual(events.find("output", action="b")[-1]["text"].strip(), "7")


if __name__ == "__main__":
    unittest.main()
