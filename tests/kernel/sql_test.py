"""Scopes that speak SQL: Spark's own splitter, tables, datasets of earlier actions, values of the environment, what they leave, what they refuse."""
import os
import shutil
import tempfile
import unittest

import kernel_house as house

setUpModule, tearDownModule = house.start, house.stop

ENV = dict(name="dev", master="local[2]", inputRootPath="in", outputRootPath="", workingDir="", configuration={"limit": 3, "word": "it's"})


def split(code):
    return house.kernel.ask("ama_split_request", code=code, language="sql")["statements"]


class Split(unittest.TestCase):
    def test_statements_and_their_lines(self):
        cases = {
            "select 1": [("select 1", 1, 1, 1)],
            "select 1;": [("select 1", 1, 1, 1)],
            "": [],
            "-- nothing\n/* at all; */\n;\n": [],
            "select 1;\n\n  select\n 2 ;select 3": [("select 1", 1, 1, 1), ("select\n 2", 3, 4, 3), ("select 3", 4, 4, 5)],
            "-- a; b\nselect ';' as `a;b`, \"it's;\" -- ;\n;select 'x\\';'": [("select ';' as `a;b`, \"it's;\" -- ;", 2, 2, 1), ("select 'x\\';'", 3, 3, 2)],
            "/* one\n; two */ select /*+ BROADCAST(a) */ 1": [("select /*+ BROADCAST(a) */ 1", 2, 2, 10)],
            "\ufeffselect 1;select 1": [("select 1", 1, 1, 2), ("select 1", 1, 1, 11)],
            "BEGIN\n  SELECT 1;\n  SELECT 2;\nEND ;\nselect 3": [("BEGIN\n  SELECT 1;\n  SELECT 2;\nEND", 1, 4, 1), ("select 3", 5, 5, 1)],
        }
        for code, expected in cases.items():
            with self.subTest(code):
                self.assertEqual([(s["code"], s["line"], s["end_line"], s["column"]) for s in split(code)], expected)

    def test_another_language(self):
        reply = house.kernel.ask("ama_split_request", code="1", language="cobol")
        self.assertEqual((reply["status"], reply["evalue"]), ("error", "no language 'cobol' here, but scala and sql"))


class Sql(unittest.TestCase):
    def setUp(self):
        self.n = 0

    def open(self, action, exports=(), **env):
        scope = f"{self._testMethodName}-{action}"
        connection = house.kernel.open(scope, action, env={**ENV, **env}, language="sql", exports=list(exports))
        self.addCleanup(connection.close)
        connection.scope = scope
        return connection

    def script(self, connection, text, file="src/x.sql"):
        done = connection.script(text, file, language="sql")
        return done[-1]

    def close(self, connection, publish=True):
        reply = house.kernel.ask("ama_close_request", scope=connection.scope, publish=publish)
        self.assertEqual(reply["status"], "ok", reply)
        return {p["name"]: p["kind"] for p in reply["published"]}

    def scala(self, action, text):
        a = house.kernel.open(f"{self._testMethodName}-{action}", action, env=ENV)
        for s in a.script(text, "src/a.scala"):
            self.assertEqual(s.status, "ok", s)
        house.kernel.ask("ama_close_request", scope=f"{self._testMethodName}-{action}", publish=True)
        a.close()
        return s

    def test_tables(self):
        a = self.open("tables")
        done = self.script(a, "select id, id * id as square, concat('n', id) as text from range(3)")
        self.assertEqual(done.value, "+---+------+----+\n| id|square|text|\n+---+------+----+\n|  0|     0|  n0|\n|  1|     1|  n1|\n|  2|     4|  n2|\n+---+------+----+")
        done = self.script(a, "select * from range(30)")
        self.assertEqual(done.value.count("\n"), 20 + 4)
        self.assertIn("only showing top 20 rows", done.value)
        done = self.script(a, "create temporary view v as select 1 as one; set spark.sql.ansi.enabled = false")
        self.assertEqual(done.status, "ok", done)
        self.assertIn(f"{'x' * 77}...", self.script(a, "select repeat('x', 100)").value)

    def test_from_scala_and_back(self):
        self.scala("start", 'val odd = spark.range(10).where("id % 2 = 1").toDF("number"); val rdd = sc.parallelize(1 to 3)')
        self.scala("step-1", 'val Wet_Days = spark.range(2).toDF("n")')
        a = self.open("sift", exports=["heavy", "other"])
        done = self.script(a, """create temporary view big as select * from AMACONTEXT_start_odd READAS parquet where number > 3;
select count(*) as n, 'AMACONTEXT_no_such' as text -- AMACONTEXT_no_such
from amacontext_Start_ODD a join ama_context_step_1_wet_days b join `AMACONTEXT_step-1_Wet_Days` c on b.n = c.n;
""")
        self.assertEqual(done.status, "ok", done)
        self.assertIn("| 10|AMACONTEXT_no_such|", done.value)
        self.assertEqual(self.close(a), dict(big="DataFrame", heavy="DataFrame", result="DataFrame"))
        self.assertRegex(self.scala("after", """val n = AmaContext.getDataFrame("sift", "big").count()
val heavy = AmaContext.getDataFrame("sift", "heavy").head().getLong(0)
val text = s"$n $heavy" """).value, "= 3 10$")
        b = self.open("again")
        self.assertIn("| 10|", self.script(b, "select n from AMACONTEXT_sift_result").value)

        for code, text in (("select * from AMACONTEXT_start_even", "no dataset 'even' of action 'start': start has odd, rdd"),
                           ("select * from AMACONTEXT_start", "AMACONTEXT_start names no dataset: AMACONTEXT_<action>_<dataset>")):
            done = self.script(b, code)
            self.assertEqual((done.ename, done.evalue, done.frames), ("NotFound", text, [("src/x.sql", 1)]))
        done = self.script(b, "select * from AMACONTEXT_start_rdd")
        self.assertIn('start.rdd is an RDD', done.evalue)

    def test_two_that_may_be_meant(self):
        self.scala("two_a", 'val b = spark.range(1).toDF("n")')
        self.scala("two", 'val a_b = spark.range(1).toDF("n")')
        done = self.script(self.open("x"), "select * from AMACONTEXT_two_a_b")
        self.assertEqual(done.evalue, "AMACONTEXT_two_a_b may be a_b of two or b of two_a: rename one of them")

    def test_copy_in_the_working_folder(self):
        folder = tempfile.mkdtemp(prefix="ama-sql-")
        self.addCleanup(shutil.rmtree, folder)
        a = house.attempt(self, "stored", "elsewhere", workingDir=folder)
        a.run(f'spark.range(4).toDF("n").write.json("{folder}/run-1/old_one/rows")', "a.scala")
        b = self.open("reader", workingDir=folder)
        self.assertIn("|  4|", self.script(b, "select count(*) as n from AMACONTEXT_old_one_rows readas json").value)
        self.assertTrue(os.path.isdir(f"{folder}/run-1/old_one/rows"))

    def test_environment(self):
        a = self.open("env", outputRootPath="/tmp/out")
        done = self.script(a, "-- ${env.nothing}\nselect '${env.name} ${env.outputRootPath}' as a from range(${env.limit}) limit ${env.configuration.limit}")
        self.assertEqual(done.value.count("|dev /tmp/out|"), 3)
        done = self.script(a, "select\n${env.nothing}")
        self.assertEqual(done.evalue, "the environment has no nothing: it has inputRootPath, master, name, outputRootPath, workingDir, configuration.limit, configuration.word")

    def test_what_is_wrong(self):
        a = self.open("wrong")
        done = self.script(a, "select 1;\nselect *\nfrm range(3)")
        self.assertEqual((done.ama["kind"], done.frames), ("compile", [("src/x.sql", 3)]))
        self.assertNotIn("== SQL", done.evalue)
        done = self.script(a, "select 1;\nselect id,\n  nope from range(3)")
        self.assertEqual((done.ama["kind"], done.ename, done.frames), ("runtime", "AnalysisException", [("src/x.sql", 3)]))
        self.assertIn("`nope`", done.evalue)
        self.assertNotIn("Project", done.evalue)
        done = self.script(a, "select 1;\nselect *\nfrom no_table")
        self.assertEqual(done.frames, [("src/x.sql", 3)])
        done = self.script(a, "\nselect assert_true(id < 2) from range(3)")
        self.assertEqual((done.ama["kind"], done.frames), ("runtime", [("src/x.sql", 2)]))
        self.assertEqual(self.script(a, "select 1").status, "ok")

    def test_users_own_function_fails_in_its_own_line(self):
        self.scala("fun", """val data = spark.range(3).toDF("id")
val check = org.apache.spark.sql.functions.udf { n: Long =>
  if (n > 1) throw new IllegalStateException("too large")
  n
}
val risky = data.select(check($"id") as "n")""")
        done = self.script(self.open("caller"), "\nselect * from AMACONTEXT_fun_risky")
        self.assertEqual((done.ename, done.evalue), ("java.lang.IllegalStateException", "too large"))
        self.assertEqual((done.frames[0], done.frames[-1]), (("src/a.scala", 3), ("src/x.sql", 2)))

    def test_scopes_do_not_leak(self):
        a = self.open("one")
        self.script(a, "create temporary view mine as select 1; set spark.sql.shuffle.partitions = 7")
        b = self.open("two")
        self.assertEqual(self.script(b, "select * from mine").ename, "AnalysisException")
        self.assertNotIn("7", self.script(b, "set spark.sql.shuffle.partitions").value)
        self.assertEqual(self.close(a, publish=False), {})

    def test_interrupt(self):
        a = self.open("slow")
        ident = a.send("select count(*) from range(1000000) a join range(1000000) b on a.id + b.id < 0", "src/x.sql")
        a.hear(ident, "ama_progress")
        interrupt = a.start_asking("interrupt_request")
        done = a.wait(ident)
        self.assertEqual(done.ama["kind"], "interrupted")
        self.assertEqual(a.answer(interrupt), {"status": "ok", "interrupted": True})
        self.assertEqual(self.script(a, "select 1 as one").status, "ok")


if __name__ == "__main__":
    unittest.main()
