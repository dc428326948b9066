"""Secrets of a Spark session and its actions: configuration, Spark properties, executor environment; shown nowhere, on success and failure."""
import json
import os
import signal
import unittest

from canary import Canaries
from house import Events
from secrets_test import SecretsHouse

CANARIES = Canaries(
    db="canary-db 1+/&\"<\\é~",
    own="canary-own-2:4567890",
    spark="canary-spark/3 3 3",
    executor="canary-executor-4",
)


class SparkSecrets(SecretsHouse):
    def test_only_the_actions_see_them(self):
        self.tell_and_look(lambda: None)

    def test_nor_others_when_the_agent_is_killed(self):
        """The next one masks what the session and its attempt were given, which it was never told, and which is on no disk."""
        self.tell_and_look(self.kill_agent)

    def kill_agent(self):
        [agent] = [pid for pid, command in self.processes() if command.split(" ")[0].endswith("/ama-agent")]
        os.kill(agent, signal.SIGKILL)
        self.assertEqual(CANARIES.in_files(self.folder, *self.hidden(), self.shared / "seen"), [])

    def tell_and_look(self, meanwhile):
        for name in ("spark", "executor", "db"):
            self.secret(f"dev/{name}", CANARIES[name])
        os.mkfifo(self.shared / "gate")
        sees = f"""
            val db = env.configuration("db.password")
            val all = Seq(db, spark.conf.get("spark.hadoop.fs.canary.key"), sys.env("CANARY"), sys.env("AMA_CONF_DB_PASSWORD"))
            java.nio.file.Files.writeString(java.nio.file.Path.of("{self.shared}/seen"), all.mkString("\\n"))
            println(s"all: $all")
            print(db.take(9)); System.out.flush(); println(db.drop(9))
            print(db.take(9))
            println(db.drop(9))
            val table = Seq(("spark", all(1) + all(1)), ("db", db)).toDF("name", "value")
            table.show()
            val encoded = java.util.Base64.getEncoder.encodeToString(("x" + db).getBytes("UTF-8"))
            val long = "x" * 4090 + db * 3
            new ProcessBuilder("sh", "-c", "echo inherited $AMA_CONF_DB_PASSWORD; echo $CANARY >&2").inheritIO().start().waitFor()
            println("ready")
            scala.io.Source.fromFile("{self.shared}/gate").mkString
            new ProcessBuilder("sh", "-c", "echo behind $AMA_CONF_DB_PASSWORD").inheritIO().start().waitFor()
            println(s"after $all")
            """
        asks = """
            db <- env$configuration[["db.password"]]
            cat("same", identical(db, Sys.getenv("AMA_CONF_DB_PASSWORD")), "\\n")
            shown <- createDataFrame(data.frame(name = "db", value = db))
            collect(shown)
            showDF(shown)
            message("it is ", db)
            cat("refused:", tryCatch(collect(selectExpr(shown, "raise_error(value)")), error = conditionMessage), "\\n")
            """
        fails = """
            val own = env.configuration("own")
            println("own " + own)
            System.err.println(own)
            throw new IllegalStateException("refused for " + own + " and " + env.configuration("db.password"))
            """
        scala = {"group": "spark", "type": "scala"}
        repo = self.repo({
            "maki.yml": json.dumps({"job-name": "job", "flow": [
                {"name": "sees", "runner": scala, "file": "sees.scala"},
                {"name": "asks", "runner": {"group": "spark", "type": "r"}, "file": "asks.R", "retry": {"attempts": 1}},
                {"name": "fails", "runner": scala, "file": "fails.scala", "retry": {"attempts": 1}}]}),
            "env/dev/job.yml": "name: dev\nmaster: local[1]\nconfiguration:\n  db.password: secret://db\n",
            "env/dev/spark.yml": "spark.hadoop.fs.canary.key: secret://spark\n",
            "env/dev/spark_exec_env.yml": "CANARY: secret://executor\n",
            "src/sees.scala": sees, "src/asks.R": asks, "src/fails.scala": fails, "src/fails/env/dev/job.yml": "configuration:\n  own: secret://own\n"})
        self.amad("--config", self.config)
        run = self.ama("--repo", repo, "--env", "dev", "--detach", program="ama-submit").stdout.strip()
        following = self.start("attach", run, "--report", "code")
        told = self.wait_for_line(following, "ready", 500)
        self.assertEqual(CANARIES.in_processes("cmdline"), [])
        self.assertEqual({command for _, command in CANARIES.in_processes("environ")}, {"java"})
        meanwhile()
        (self.shared / "gate").write_text("go")
        rest, _ = self.finish(following, 300)
        done = self.ama("attach", run, "--report-format", "ndjson")
        self.assertEqual(done.returncode, 1, told + rest)
        for text in (told, rest, done.stdout, self.ama("show", run, "-o", "json").stdout):
            self.assertEqual(CANARIES.within(text.encode()), [], text)
        events = Events.of(done.stdout)
        for half in ("canary-own", "canary-spark"):  # nor what a table or a result has cut off
            self.assertNotIn(half, done.stdout)
        self.assertEqual((self.shared / "seen").read_text().split("\n"), [CANARIES[n] for n in ("db", "spark", "executor", "db")])
        self.assertIn("db: String = ***", [e.get("value") for e in events.find("statement.ended")])
        self.assertEqual(events.one("statement.ended", status="error")["error"]["message"], "refused for *** and ***")
        asked = events.said(action="asks")
        for words in ("same TRUE", "1 db   ***", "|  db|***", "it is ***"):
            self.assertIn(words, asked)
        self.assertRegex(asked, r"refused: .*\*\*\*")
        log = next((self.data / "agent/runs").glob("*/session-*/kernel.log")).read_text()
        self.assertIn("inherited ***\n", log)
        self.assertIn("behind ***\n", log)
        self.assertEqual([e["text"] for e in events.find("output", action="sees") if e["text"].startswith("after")], ["after List(***, ***, ***, ***)"])
        self.assertEqual(len(events.find("attempt.ended", action="sees")), 1)
        self.assertEqual(CANARIES.in_files(self.folder, *self.hidden(), self.shared / "seen"), [])


if __name__ == "__main__":
    unittest.main(verbosity=2)
