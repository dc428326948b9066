"""What an action exports is stored below workingDir, in the format that is asked for, and outlives the session."""
import unittest

from spark_house import SparkHouse, pyspark, scala, shell, sparkr, sql


class Exports(SparkHouse):
    def test_every_language_and_another_session(self):
        """The session that holds it is killed before anybody reads it; what was not exported is gone with it."""
        repo = self.job(
            [scala("a", exports={"odd": "json", "words": "parquet"}), pyspark("b", exports={"even": "csv"}), sql("c", exports={"sums": "orc"}), sparkr("d", exports={"thirds": "parquet"}), shell("look"),
             scala("dies", retry={"attempts": 2, "delay": "10ms"}), scala("read"), pyspark("again"), sql("last"), scala("lost", retry={"attempts": 1})],
            {"a.scala": "val odd = spark.range(1, 10, 2).toDF(\"n\")\nval words = sc.parallelize(Seq(\"x\", \"y\"))\nval other = spark.range(3)\n",
             "b.py": "even = spark.range(0, 10, 2)\n",
             "c.sql": "select sum(n) as total from AMACONTEXT_a_odd;\n",
             "d.R": "thirds <- sql(\"select * from range(0, 12, 3)\")\n",
             "look.sh": "cd \"$AMA_WORKING_DIR/$AMA_RUN\"\nls a b c d\ncat a/odd/part-* | sort | head -1\ncat b/even/part-* | wc -l\n",
             "dies.scala": f"val first = new java.io.File(\"{self.shared}/mark\").createNewFile()\nif (first) Runtime.getRuntime.halt(9)\n",
             "read.scala": "AmaContext.getDataFrame(\"a\", \"odd\").count\nAmaContext.getRDD[String](\"a\", \"words\").count\nAmaContext.getDataFrame(\"d\", \"thirds\").count\n",
             "again.py": "ama_context.get_dataframe('b', 'even').count()\n",
             "last.sql": "select total from AMACONTEXT_c_sums;\n",
             "lost.scala": "AmaContext.getDataFrame(\"a\", \"other\")\n"})
        events = self.run_events(repo, exit=1)
        self.assertEqual([(e["action"], e["attempt"], e["state"]) for e in events.find("attempt.ended")],
                         [(a, 1, "succeeded") for a in ("a", "b", "c", "d", "look")] + [("dies", 1, "errored"), ("dies", 2, "succeeded")]
                         + [(a, 1, "succeeded") for a in ("read", "again", "last")] + [("lost", 1, "failed")])
        work = self.folder / "work" / events[0]["run"]
        told = [(e["action"], e["line"], e["text"], e.get("value", "")) for e in events.find("statement.ended") if e["text"].startswith("exports:")]
        self.assertEqual(told, [("a", 3, "exports: { odd: json }", f"{work}/a/odd"), ("a", 3, "exports: { words: parquet }", f"{work}/a/words"),
                                ("b", 1, "exports: { even: csv }", repr(f"{work}/b/even")), ("c", 1, "exports: { sums: orc }", f"{work}/c/sums"),
                                ("d", 1, "exports: { thirds: parquet }", "")])
        self.assertEqual(events.lines(action="d"), [f'[1] "{work}/d/thirds"'])     # R prints its values
        self.assertEqual(events.lines(action="look"), ["a:", "odd", "words", "", "b:", "even", "", "c:", "sums", "", "d:", "thirds", '{"n":1}', "5"])
        self.assertEqual([e["value"] for e in events.find("statement.ended", action="read")], ["res0: Long = 5", "res1: Long = 2", "res2: Long = 4"])
        self.assertEqual(events.one("statement.ended", action="again")["value"], "5")
        self.assertIn("|   25|", events.one("statement.ended", action="last")["value"])
        self.assertIn("no dataset 'other' of action 'a'", events.one("attempt.ended", action="lost")["error"]["message"])

    def test_what_a_shell_declares_to_read(self):
        """No session has it there: it is stored, and its place is told; also to one whose bash was started before."""
        repo = self.job([scala("a"), pyspark("b", **{"depends-on": ["a"]}), shell("first", reads=["a.odd", "b.even-ones"]), shell("look", reads=["a.odd"])],
                        {"a.scala": "val odd = spark.range(1, 10, 2).toDF(\"n\")\nval unread = odd\n", "b.py": "globals()['even-ones'] = spark.range(4)\n",
                         "first.sh": "ls \"$AMA_DATASET_A_ODD\" | grep -c parquet\nls \"$AMA_DATASET_B_EVEN_ONES\" | grep -c parquet\n",
                         "look.sh": "echo ${AMA_DATASET_A_ODD#$AMA_WORKING_DIR/$AMA_RUN/}\nls $AMA_WORKING_DIR/$AMA_RUN/a\necho ${AMA_DATASET_B_EVEN_ONES-not told}\n"})
        events = self.run_events(repo)
        self.assertEqual([(e["action"], e["text"]) for e in events.find("statement.ended") if e["text"].startswith("persist:")], [("a", "persist: odd"), ("b", "persist: even-ones")])
        self.assertTrue(all(int(n) > 0 for n in events.lines(action="first")), events.lines(action="first"))
        self.assertEqual(events.lines(action="look"), ["a/odd", "odd", "not told"])

    def test_always(self):
        """What somebody reads, and nothing else; a read that is never made needs nothing. The session dies before the readers come."""
        dies = f"val first = new java.io.File(\"{self.shared}/mark\").createNewFile()\nif (first) Runtime.getRuntime.halt(9)\n"
        repo = self.job(
            [scala("a"), pyspark("b"), sparkr("c"), sql("d"), scala("dies", retry={"attempts": 2, "delay": "10ms"}), pyspark("read"), sql("last")],
            {"a.scala": "val odd = spark.range(1, 10, 2).toDF(\"n\")\nval unread = odd\n", "b.py": "even = spark.range(4)\nother = 3\n", "c.R": "thirds <- sql(\"select * from range(0, 12, 3)\")\n",
             "d.sql": "select 42 as n;\n", "dies.scala": dies,
             "read.py": "ama_context.get_dataframe('a', 'odd').count() + ama_context.get_dataframe('b', 'even').count()\nif False:\n    ama_context.get_dataframe('b', 'other')\n    ama_context.get_dataframe('c', 'other')\n"
                        "    ama_context.get_dataframe('a', 'other')\n\nama_context.get_dataframe('c', 'thirds').count()\n",
             "last.sql": "select n from AMACONTEXT_d_result;\n"}, persist="always")
        events = self.run_events(repo)
        kept = [(e["action"], e["text"], e["status"]) for e in events.find("statement.ended") if e["text"].startswith("persist:")]
        self.assertEqual(sorted(kept), [(a, f"persist: {n}", "ok") for a, n in (("a", "odd"), ("a", "other"), ("b", "even"), ("b", "other"), ("c", "other"), ("c", "thirds"), ("d", "result"))])
        self.assertEqual([(e["action"], e["attempt"], e["state"]) for e in events.find("attempt.ended")][4:6], [("dies", 1, "errored"), ("dies", 2, "succeeded")])
        self.assertEqual([e["value"] for e in events.find("statement.ended", action="read") if e.get("value")], ["9", "4"])
        self.assertIn("| 42|", events.one("statement.ended", action="last")["value"])
        work = self.folder / "work" / events[0]["run"]
        self.assertEqual(sorted(f"{p.parent.name}/{p.name}" for p in work.glob("*/*") if not p.name.startswith(".")), ["a/odd", "b/even", "c/thirds", "d/result"])

    def test_what_can_not_be_stored(self):
        """Told at the export itself; nothing half-written stays."""
        for number, (action, sources, name, message) in enumerate((
                (scala("a", exports={"rain": "parquet"}), {"a.scala": "val snow = spark.range(3)\n"}, "java.util.NoSuchElementException", "a exports rain, which it has not left; it has snow"),
                (pyspark("a", exports={"rain": "parquet"}), {"a.py": "rain = 3\n"}, "ValueError", "this action exports rain, which is no data frame here but a int"),
                (sparkr("a", exports={"rain": "parquet"}), {"a.R": "rain <- 3\n"}, "Error", "this action exports rain, which is no Spark data frame here but a numeric"),
                (scala("a", exports={"rain": "parquet"}), {"a.scala": "val rain = spark.range(0, 4, 1, 2).map(n => { require(n < 2, \"dry\"); n })\n"}, "java.lang.IllegalArgumentException",
                 "requirement failed: dry"))):
            action["retry"] = {"attempts": 1}
            events = self.run_events(self.job([action], sources, name=f"job{number}"), exit=1)
            bad = events.one("statement.ended", status="error")
            self.assertEqual((bad["text"], bad["error"]["name"], bad["error"]["message"]), ("exports: { rain: parquet }", name, message))
            left = [p for p in (self.folder / "work").rglob("*") if "rain" in p.name]
            self.assertEqual(left, [])


if __name__ == "__main__":
    unittest.main()
