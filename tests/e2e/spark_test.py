"""The example and its like on a real local Spark: report per statement, shared session, retries, rescue, dependencies. What can die: tests/crash."""
import http.server
import json
import shutil
import signal
import sys
import threading
import unittest

from house import Repo, SOURCE, Events
from spark_house import SparkHouse, scala, shell, sql


sys.path.insert(0, str(SOURCE / "examples"))
from webhook import Hook  # noqa: E402


class Webhook(Hook):
    def take(self, body):
        self.server.got.append(body.decode())


class Spark(SparkHouse):
    def setUp(self):
        super().setUp()
        self.hook = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Webhook)
        self.hook.got = []
        threading.Thread(target=self.hook.serve_forever, daemon=True).start()

    def tearDown(self):
        self.hook.shutdown()
        self.hook.server_close()
        super().tearDown()

    def example(self):
        place = self.folder / "example"
        shutil.copytree(SOURCE / "examples/first-pipeline", self.folder / "source")
        for at in (self.folder / "source").glob("env/*/job.yml"):
            text = at.read_text().replace("127.0.0.1:8099", f"127.0.0.1:{self.hook.server_address[1]}")
            at.write_text(text.replace("/tmp/first-pipeline", str(self.folder / "out")))
        files = {str(p.relative_to(self.folder / "source")): p.read_text() for p in (self.folder / "source").rglob("*") if p.is_file()}
        return Repo(place, files)

    def test_paths_of_the_sandbox(self):
        """What single actions name as their own is open in the session that all share; what nobody may have is a warning of each attempt."""
        write = 'java.nio.file.Files.writeString(java.nio.file.Paths.get(env.outputRootPath, "written"), "x")\n'
        outside = f'java.nio.file.Files.writeString(java.nio.file.Paths.get("{self.folder}", "written"), "x")\n'
        repo = self.job([scala("a"), scala("b"), scala("c", retry={"attempts": 1})],
                        {"a.scala": write, "b.scala": write, "b/env/default/own.yml": f"outputRootPath: {self.folder}/own\n", "c.scala": outside},
                        spark="spark.eventLog.dir file:///etc/ama-events\n")
        events = self.run_events(repo, exit=1)
        self.assertEqual([e["state"] for e in events.find("attempt.ended")], ["succeeded", "succeeded", "failed"])
        self.assertEqual([p for p in ("out", "own", "") if (self.folder / p / "written").exists()], ["out", "own"])
        self.assertEqual([(e["action"], e["text"]) for e in events.find("warning")],
                         [(name, "sandbox: actions may not write to /etc/ama-events, which is the job's spark.eventLog.dir") for name in "abc"])

    def test_example_good_then_rescued(self):
        repo = self.example()
        events = self.run_events(repo, "--ref", "master", "--env", "dev")
        statements = [(e["file"], e["line"], e["status"]) for e in events.find("statement.ended")]
        self.assertEqual(statements[:3], [("src/start.scala", 2, "ok"), ("src/start.scala", 4, "ok"), ("src/start.scala", 5, "ok")])
        self.assertEqual({s[2] for s in statements}, {"ok"})
        self.assertIn("odd: DataFrame = [number: int]", [e.get("value", "") for e in events.find("statement.ended")])
        self.assertEqual([e["phase"] for e in events.find("phase.ended", status="ok")].count("session"), 1)
        self.assertIn("jars", events.one("phase.ended", phase="resolve")["detail"])
        lines = [l for p in (self.folder / "out/out/numbers").glob("part-*") for l in p.read_text().split()]
        self.assertEqual(sorted(map(int, lines)), list(range(1, 101)))
        rows = [json.loads(l)["number"] for p in (self.folder / "out/out/odd").glob("part-*") for l in p.read_text().splitlines()]
        self.assertEqual(sorted(rows), list(range(1, 101, 2)))
        self.assertEqual(self.hook.got, [])

        at = repo.path / "env/dev/job.yml"
        repo.commit({"env/dev/job.yml": at.read_text().replace("highest: 100", "highest: 5000")}, "too high")
        events = self.run_events(repo, "--ref", "master", "--env", "dev", exit=3)
        ended = events.find("attempt.ended", action="step2")
        self.assertEqual([(e["attempt"], e["state"]) for e in ended], [(1, "failed"), (2, "failed"), (3, "failed")])
        bad = events.find("statement.ended", status="error")[0]
        self.assertEqual((bad["file"], bad["line"], bad["error"]["name"]), ("src/step2.scala", 7, "java.lang.RuntimeException"))
        self.assertEqual(events.one("action.ended", action="alert")["state"], "succeeded")
        self.assertEqual(json.loads(self.hook.got[0])["text"], "first-pipeline could not write its numbers")

    def test_frames_output_and_handover(self):
        repo = self.job([scala("a"), shell("sh"), scala("b", retry={"attempts": 1})], {
            "a.scala": "case class P(n: Int)\nval ps = spark.createDataset(Seq(P(1), P(2)))\ndef f(n: Int): Int =\n  10 / n\n\nval good = sc.parallelize(1 to 4, 2).map(f)\n"
                       "println(\"héllo\")\n",
            "sh.sh": "echo between\n",
            "b.scala": "import org.apache.amaterasu.executor.runtime.AmaContext\nval ps = AmaContext.getDataFrame(\"a\", \"ps\")\nps.count\n"
                       "AmaContext.getRDD[Int](\"a\", \"good\").sum\ndef g(n: Int) = {\n  1 / n\n}\nsc.parallelize(Seq(1, 0)).map(g).collect()\nval never = 1\n"})
        events = self.run_events(repo, exit=1)
        self.assertEqual(events.one("output", action="a")["text"].strip(), "héllo")
        bad = events.one("statement.ended", status="error")
        self.assertEqual((bad["file"], bad["line"], bad["error"]["name"]), ("src/b.scala", 8, "java.lang.ArithmeticException"))
        self.assertIn({"file": "src/b.scala", "line": 6}, bad["error"]["frames"])
        self.assertEqual(len(events.find("statement.started", action="b", line=9)), 0)

    def test_sql_between_scala_actions(self):
        repo = self.job([scala("start"), sql("sift", exports={"heavy": "parquet"}), scala("after"), sql("wrong", retry={"attempts": 2}, error=sql("undo")), sql("never")], {
            "start.scala": 'val rain = Seq(("mon", 3), ("tue", 50), ("wed", 70)).toDF("day", "mm")\n',
            "sift.sql": "-- what is more than the limit\ncreate temporary view wet as\n  select * from AMACONTEXT_start_rain where mm > ${env.limit};\n\nselect day, mm from wet order by mm desc;\n",
            "after.scala": 'AmaContext.getDataFrame("sift", "heavy").count()\nAmaContext.getDataFrame("sift", "wet").first().getString(0)\n',
            "wrong.sql": "select 1 as one;\nselect *\nfrom AMACONTEXT_start_snow;\n",
            "undo.sql": "select 'undone' as text",
            "never.sql": "select 1"})
        events = self.run_events(repo, exit=3)
        ended = [(e["action"], e["file"], e["line"], e.get("end_line"), e["status"]) for e in events.find("statement.ended")]
        self.assertEqual(ended[1:3], [("sift", "src/sift.sql", 2, 3, "ok"), ("sift", "src/sift.sql", 5, 5, "ok")])
        self.assertEqual([e.get("value") for e in events.find("statement.ended", action="sift")],
                         [None, "+---+---+\n|day| mm|\n+---+---+\n|wed| 70|\n|tue| 50|\n+---+---+", str(self.folder / "work" / events[0]["run"] / "sift/heavy")])
        self.assertEqual([e["value"] for e in events.find("statement.ended", action="after")], ["res0: Long = 2", "res1: String = tue"])
        failed = events.find("statement.ended", action="wrong", status="error")
        self.assertEqual([(e["error"]["name"], e["error"]["message"], e["error"]["frames"]) for e in failed],
                         [("NotFound", "no dataset 'snow' of action 'start': start has rain", [{"file": "src/wrong.sql", "line": 2}])] * 2)
        self.assertEqual([(e["action"], e["state"]) for e in events.find("action.ended")],
                         [("start", "succeeded"), ("sift", "succeeded"), ("after", "succeeded"), ("wrong", "failed"), ("never", "skipped"), ("undo", "succeeded")])

    def test_compile_and_syntax_errors_are_not_retried(self):
        repo = self.job([scala("a")], {"a.scala": "val x = 1\nval y: Int = \"s\"\n"})
        events = self.run_events(repo, exit=1)
        self.assertEqual(len(events.find("attempt.started")), 1)
        self.assertEqual(events.one("statement.ended", status="error")["line"], 2)
        repo.commit({"src/a.scala": "println(\"ran\")\nval q = )\n"}, "syntax")
        events = self.run_events(repo, exit=1)
        self.assertEqual(events.find("output"), [])
        ended = events.one("attempt.ended")
        self.assertEqual((ended["cause"], ended["file"], ended["line"]), ("syntax", "src/a.scala", 2))

    def test_stages_are_told_while_a_statement_runs(self):
        repo = self.job([scala("a")], {"a.scala": "val n = sc.parallelize(1 to 8, 8).map { x => Thread.sleep(300); x }.count\n"})
        run = self.ama("run", repo, "--report-format", "ndjson", "--progress")
        self.assertEqual(run.returncode, 0, run.stderr)
        told = [e for e in map(json.loads, run.stdout.splitlines()) if e["type"] == "progress" and e.get("action") == "a"]
        self.assertIn(("stage 1/1", 8), [(e.get("text"), e.get("total")) for e in told], told)
        self.assertTrue(all("seq" not in e for e in told))

    def test_cancel_of_a_spark_job_leaves_nothing(self):
        repo = self.job([scala("a")], {"a.scala": "println(\"up\")\nspark.range(0, 100000000000L).selectExpr(\"sum(id % 7)\").collect()\n"})
        run = self.start("run", repo, "--report-format", "ndjson")
        head = self.wait_for_line(run, '"text":"up')
        run.send_signal(signal.SIGINT)
        tail, _ = self.finish(run, 60)
        self.assertEqual(self.checked(head + tail)[-1]["state"], "cancelled")
        self.assertEqual(self.processes(), [])

    def test_a_session_that_can_not_start_is_our_error(self):
        repo = self.job([scala("a")], {"a.scala": "val x = 1\n"})
        repo.commit({"env/default/job.yml": "master: spork://nowhere\n"}, "bad master")
        done = self.ama("run", repo, "--report-format", "ndjson")
        events = Events.of(done.stdout)
        self.assertIn(done.returncode, (2, 5))
        self.assertIn("spork", json.dumps(events))


if __name__ == "__main__":
    unittest.main()
