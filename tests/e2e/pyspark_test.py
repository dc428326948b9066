"""PySpark actions in the run's own session: data frames from Scala and back, who is interrupted, what is left, and the example in several languages."""
import re
import shutil
import unittest

from house import Repo, SOURCE
from spark_house import SparkHouse, pyspark, scala, shell


class PySpark(SparkHouse):
    def test_the_example(self):
        """Seven actions in five languages hand one data set along."""
        shutil.copytree(SOURCE / "examples/polyglot", self.folder / "source")
        at = self.folder / "source/env/default/job.yml"
        at.write_text(at.read_text().replace("/tmp/polyglot", str(self.folder / "out")))
        files = {str(p.relative_to(self.folder / "source")): p.read_text() for p in (self.folder / "source").rglob("*") if p.is_file()}
        events = self.run_events(Repo(self.folder / "example", files), timeout=400)
        self.assertEqual({e["state"] for e in events.find("attempt.ended")}, {"succeeded"})
        self.assertEqual([e["phase"] for e in events.find("phase.ended", status="ok")].count("session"), 1)
        self.assertIn("|place|station|days| mm|", events.find("statement.ended", action="rank")[-1]["value"])
        rain = [(station, day, len(station) * day * 7 % 23) for station in ("harbour", "hill", "mill") for day in range(1, 15)]
        wet = {s: sum(mm for station, _, mm in rain if station == s and mm >= 5) for s in ("harbour", "hill", "mill")}
        shares = dict(re.findall(r"^\d,(\w+),\d+,\d+,([0-9.]+)$", next((self.folder / "out/out/wet").glob("part-*")).read_text(), re.M))
        self.assertEqual({s: float(share) for s, share in shares.items()}, {s: round(100 * mm / sum(wet.values()), 1) for s, mm in wet.items()})
        chart = (self.folder / "out/out/chart.txt").read_text()
        self.assertEqual({m[0]: int(m[1]) for m in re.findall(r"^(\w+) .* (\d+) mm$", chart, re.M)}, wet)
        self.assertEqual(events.find("statement.ended", action="chart")[-1]["value"], "3")
        self.assertTrue((self.folder / "out/out/rain.tar.gz").exists())

    def test_there_and_back_live_in_one_session(self):
        """Nothing goes through files: the run has no working folder, and a cached frame is still the same."""
        repo = self.job([scala("a"), pyspark("b"), scala("c"), pyspark("d")], {
            "a.scala": "val ns = spark.range(6).toDF(\"n\").cache\nns.count\nval app = sc.applicationId\nprintln(app)\n",
            "b.py": "ns = ama_context.get_dataframe('a', 'ns')\nprint(sc.applicationId, ns.storageLevel.useMemory)\nfrom pyspark.sql.functions import udf\n"
                    "twice = udf(lambda n: n * 2, 'long')\ndoubled = ns.select(twice('n').alias('m'))\n[r.m for r in doubled.orderBy('m').collect()]\n"
                    "made = spark.createDataFrame([Row(k='x', v=1), Row(k='y', v=2)])\n_hidden = made\n"
                    "print(ama_context.env.name, ama_context.sc is sc, sqlContext.sql('select 41 + 1 as x').collect()[0].x)\n"
                    "from amaterasu.pyspark.runtime import AmaContext as A\nprint(A.builder().setMaster('x').set('a', 'b').build() is ama_context)\n",
            "c.scala": "val m = AmaContext.getDataFrame(\"b\", \"doubled\").agg(Map(\"m\" -> \"sum\")).collect().toList\n"
                       "AmaContext.getDataFrame(\"b\", \"made\").count\nscala.util.Try(AmaContext.getDataFrame(\"b\", \"_hidden\")).isFailure\n",
            "d.py": "ama_context.get_dataframe('b', 'made').orderBy('k').collect()\nama_context.get_dataframe('b', 'no' + 'thing')\n"})
        events = self.run_events(repo, exit=1, timeout=400)
        values = {(e["action"], e["line"]): e.get("value", "") for e in events.find("statement.ended")}
        told = [e["text"] for e in events.find("output", stream="stdout")]
        self.assertEqual(told[1:], [told[0] + " True\ndefault True 42\nTrue"] if len(told) == 2 else [told[0] + " True", "default True 42", "True"])
        self.assertEqual(values["b", 6], "[0, 2, 4, 6, 8, 10]")
        self.assertIn("List([30])", values["c", 1])
        self.assertIn("= 2", values["c", 2])
        self.assertIn("= true", values["c", 3])
        self.assertEqual(values["d", 1], "[Row(k='x', v=1), Row(k='y', v=2)]")
        bad = events.one("statement.ended", status="error")
        self.assertEqual((bad["action"], bad["line"]), ("d", 2))
        self.assertIn("no dataset 'nothing' of action 'b': b has doubled, made, ns", bad["error"]["message"])

    def test_a_token_is_good_for_its_attempt(self):
        """Another's, or none, opens nothing; and its own opens nothing any more when the attempt has ended."""
        connect = ("from py4j.java_gateway import GatewayParameters, JavaGateway\n"
                   "def ask(port, token):\n    try:\n        return JavaGateway(gateway_parameters=GatewayParameters(port=port, auth_token=token)).jvm.System.nanoTime() > 0\n"
                   "    except Exception as e:\n        return type(e).__name__\n")
        repo = self.job([pyspark("a"), pyspark("b")], {
            "a.py": connect + "p = sc._gateway.gateway_parameters\nprint(ask(p.port, 'x' * 64), ask(p.port, None))\n"
                              "open(env.outputRootPath + '/told', 'w').write(f'{p.port} {p.auth_token}')\n",
            "b.py": connect + "port, token = open(env.outputRootPath + '/told').read().split()\np = sc._gateway.gateway_parameters\n"
                              "print(ask(int(port), token), ask(p.port, token), token == p.auth_token)\n"})
        events = self.run_events(repo, timeout=400)
        told = [e["text"].split() for e in events.find("output", stream="stdout")]
        self.assertNotIn("True", sum(told, []))
        self.assertEqual([len(words) for words in told], [2, 3])
        self.assertEqual(told[1][2], "False")

    def test_a_failure_in_a_task_names_the_users_line(self):
        repo = self.job([pyspark("a")], {"a.py": "from pyspark.sql.functions import udf\n\ndef f(n):\n    m = n\n    return 1 // m\n\n"
                                                 "spark.range(3).select(udf(f, 'long')('id')).collect()\n"})
        events = self.run_events(repo, exit=1, timeout=400)
        bad = events.one("statement.ended", status="error")
        self.assertEqual((bad["line"], bad["error"]["name"]), (7, "ZeroDivisionError"))
        self.assertEqual([(f["file"], f["line"]) for f in bad["error"]["frames"]], [("src/a.py", 5), ("src/a.py", 7)])

    def test_what_failed_leaves_nothing(self):
        repo = self.job([pyspark("a", error=pyspark("b"))], {"a.py": "df = spark.range(3)\nraise ValueError('no')\n",
                                                            "b.py": "import py4j\ntry:\n    ama_context.get_dataframe('a', 'df')\nexcept Exception as e:\n    print('none')\n"})
        events = self.run_events(repo, exit=3, timeout=400)
        self.assertEqual(events.one("output", action="b")["text"], "none")

    JOBS = "sc.statusTracker.getActiveJobIds.toList.size"

    def test_a_timeout_ends_the_jobs_and_the_session_goes_on(self):
        """Also the token is nowhere where another process could find it."""
        slow = "spark.range(0, 100000000000).selectExpr('sum(id % 7)').collect()\n"
        repo = self.job([pyspark("a", timeout="10s", error=scala("b"))], {
            "a.py": "import os\nprint(sorted(n for n in os.environ if 'SECRET' in n or 'TOKEN' in n), sc._gateway.gateway_parameters.auth_token in open('/proc/self/cmdline').read())\n" + slow,
            "b.scala": f"Thread.sleep(500)\nval jobs = {self.JOBS}\nspark.range(10).count\n"})
        events = self.run_events(repo, exit=3, timeout=400)
        self.assertEqual(events.find("output", action="a")[0]["text"], "[] False")
        end = events.one("attempt.ended", action="a")
        self.assertEqual((end["state"], end["cause"]), ("timed_out", "timeout"))
        values = {e["line"]: e.get("value", "") for e in events.find("statement.ended", action="b")}
        self.assertIn("= 0", values[2])
        self.assertIn("= 10", values[3])

    def test_a_killed_kernel_leaves_the_session_and_no_job(self):
        slow = "print('up', flush=True)\nspark.range(0, 100000000000).selectExpr('sum(id % 7)').collect()\n"
        repo = self.job([pyspark("a", error=scala("b"))], {"a.py": slow, "b.scala": f"Thread.sleep(500)\nval jobs = {self.JOBS}\nspark.range(10).count\n"})
        events = self.killed_once_up(repo, "runners/python/main.py")
        self.assertEqual(events.one("attempt.ended", action="a")["cause"], "killed")
        values = {e["line"]: e.get("value", "") for e in events.find("statement.ended", action="b")}
        self.assertIn("= 0", values[2])
        self.assertIn("= 10", values[3])
        self.assertEqual(events[-1]["state"], "rescued")

    def test_a_session_that_dies_under_it(self):
        repo = self.job([pyspark("a"), shell("never")], {"a.py": "print('up', flush=True)\nspark.range(0, 100000000000).selectExpr('sum(id % 7)').collect()\n", "never.sh": "true\n"})
        events = self.killed_once_up(repo, "org.amaterasu.kernel.Main")
        self.assertEqual(events.find("attempt.ended", action="a")[0]["cause"], "session-lost")
        self.assertEqual(self.processes(), [])


if __name__ == "__main__":
    unittest.main()
