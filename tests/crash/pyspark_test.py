"""kill -9 of the agent under PySpark actions: their kernels go on in the run's session, and so does the next agent with both."""
import os
import pathlib
import random
import signal
import sys
import time
import unittest

TESTS = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TESTS / "e2e"), str(TESTS / "tools")]
from kills import KILLS, Kills  # noqa: E402
from spark_house import SparkHouse, pyspark, scala  # noqa: E402

AGAIN = {"attempts": 50, "delay": "0s"}


class PySpark(Kills, SparkHouse):
    def java(self):
        return [pid for pid, command in self.processes() if command.split(" ")[0].endswith("/java")]

    def test_a_kernel_outlives_its_agents(self):
        """The same Python process in the same session; what it leaves reaches the next action."""
        code = self.helpers() + "".join(f"step({i})\nn = spark.range({i}).count()\n" for i in range(KILLS)) + \
            "left = spark.range(11).selectExpr('id', 'id * 2 as twice')\n"
        repo = self.job([scala("a"), pyspark("b"), scala("c")], {
            "a.scala": "val n = spark.range(7)\n", "b.py": "got = ama_context.get_dataframe('a', 'n').count()\n" + code,
            "c.scala": "println(\"left \" + AmaContext.getDataFrame(\"b\", \"left\").selectExpr(\"sum(twice)\").head.getLong(0))\n"})
        daemon = self.amad()
        events = self.kills(self.submit(repo), daemon, KILLS, 120)
        self.check_steps(events, "b", KILLS)
        self.assertEqual(events.one("output", action="c")["text"], "left 110")
        self.assertEqual([(e["action"], e["attempt"], e["state"]) for e in events.find("attempt.ended")], [(n, 1, "succeeded") for n in "abc"])
        self.assertEqual(len(events.find("phase.ended", phase="session", status="ok")), 1)
        self.wait(lambda: not self.java())

    def test_at_any_moment(self):
        """Also while it is attached, hands over, is closed: what was told as succeeded never begins again, and what it left is there."""
        names = [f"a{i}" for i in range(4)]
        sources = {f"{n}.py": ("before = 0\n" if not i else f"before = ama_context.get_dataframe('a{i - 1}', 'left').count()\n") +
                              f"left = spark.range(before + 1)\nprint('{n} left', left.count())\n" for i, n in enumerate(names)}
        self.amad()
        run = self.submit(self.job([pyspark(n, retry=AGAIN) for n in names], sources))
        follower = self.start("attach", run, "--report-format", "ndjson")
        head = self.wait_for_line(follower, '"phase":"session","status":"ok"')
        for _ in range(2 * KILLS):
            time.sleep(random.random())
            self.kill_agent()
        tail, err = self.finish(follower, 180)
        events = self.checked(head + tail)
        self.assertEqual(follower.returncode, 0, err)
        good = [(e["action"], e["attempt"]) for e in events.find("attempt.ended", state="succeeded")]
        self.assertEqual([action for action, _ in good], names)
        self.assertEqual([e["text"] for n, k in good for e in events.find("output", action=n, attempt=k)], [f"{n} left {i + 1}" for i, n in enumerate(names)])
        for end in events.find("attempt.ended"):
            self.assertIn(end["state"], ("succeeded", "lost"), end)

    def test_its_jobs_are_cancelled_by_the_next_agent(self):
        code = "print('up', flush=True)\nspark.range(0, 10**12).selectExpr('sum(id % 7)').collect()\n"
        self.amad()
        run = self.submit(self.job([pyspark("a")], {"a.py": code}))
        follower = self.start("attach", run, "--report-format", "ndjson")
        head = self.wait_for_line(follower, '"text":"up"', 120)
        self.another_agent(self.kill_agent())
        self.ama("cancel", run)
        tail, err = self.finish(follower, 120)
        events = self.checked(head + tail)
        self.assertEqual([e["state"] for e in events.find("attempt.ended")], ["cancelled"], err)
        self.wait(lambda: not self.java())

    def test_a_session_that_dies_with_the_agent(self):
        self.amad()
        follower = self.start("attach", self.submit(self.job([pyspark("a")], {"a.py": "import time\nprint('up', flush=True)\ntime.sleep(600)\n"})),
                              "--report-format", "ndjson")
        head = self.wait_for_line(follower, '"text":"up"', 120)
        [java], old = self.java(), self.kill_agent()
        os.kill(java, signal.SIGKILL)
        self.another_agent(old)
        tail, err = self.finish(follower, 180)
        end = self.checked(head + tail).one("attempt.ended")
        self.assertEqual((end["state"], end["cause"]), ("errored", "session-lost"), err)
        self.assertEqual(self.processes_of_kernels(), [])

    def processes_of_kernels(self):
        return [line for _, line in self.processes() if "runners/python/main.py" in line]


if __name__ == "__main__":
    unittest.main()
