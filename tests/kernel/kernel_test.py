"""One kernel process serves most cases here: a start costs more than all of them."""
import json
import os
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import unittest

import zmq

from kernel_client import Connection, Kernel, new_connection

HARD = os.path.join(os.path.dirname(os.path.abspath(__file__)), "hard.scala")
kernel = None
folder = None


def setUpModule():
    global kernel, folder
    folder = tempfile.mkdtemp(prefix="ama-kernel-test-")
    kernel = Kernel(folder)
    kernel.bound_ms = (time.monotonic() - kernel.started) * 1000
    kernel.session = kernel.ask("ama_session_request")


def tearDownModule():
    kernel.kill()
    shutil.rmtree(folder)


def split(code, **more):
    return kernel.ask("ama_split_request", code=code, file="src/x.scala", **more)


def attempt(test, scope, action=None, **env):
    """An attempt of its own for a test; closed after it."""
    connection = kernel.open(scope, action, env=dict(name="dev", configuration={}, **env))
    kernel.ask("ama_spare_request")             # the next one need not wait

    def done():
        kernel.ask("ama_close_request", scope=scope, publish=False)
        connection.close()

    test.addCleanup(done)
    return connection


class Scoped(unittest.TestCase):
    """Cases that may share one attempt."""

    @classmethod
    def setUpClass(cls):
        cls.a = kernel.open("shared-" + cls.__name__, env=dict(
            name="dev", master="local[2]", inputRootPath="in", outputRootPath="/tmp/out", workingDir="/tmp/work",
            configuration={"limit": 10, "ratio": 1.50, "on": True, "nothing": None, "words": "a b"}))
        kernel.ask("ama_spare_request")

    @classmethod
    def tearDownClass(cls):
        kernel.ask("ama_close_request", scope="shared-" + cls.__name__, publish=False)
        cls.a.close()

    def value(self, code, file="src/x.scala", line=1):
        done = self.a.run(code, file, line)
        self.assertEqual(done.status, "ok", done)
        return done.value

    def failed(self, code, file="src/x.scala", line=1):
        done = self.a.run(code, file, line)
        self.assertEqual(done.status, "error", done)
        return done


class Protocol(Scoped):
    def test_answers_before_spark_is_up(self):
        self.assertEqual(kernel.session["status"], "ok", kernel.session)
        self.assertLess(kernel.bound_ms, kernel.session["ms"])

    def test_session_describes_itself(self):
        s = kernel.session
        self.assertEqual((s["master"], s["cores"], s["ui_url"]), ("local[2]", 2, ""))
        self.assertRegex(s["version"], r"^\d+\.\d+\.\d+")
        self.assertTrue(s["app_id"].startswith("local-"))

    def test_kernel_info(self):
        self.a.client.kernel_info()
        info = self.a.client.get_shell_msg(timeout=10)["content"]
        self.assertEqual((info["status"], info["protocol_version"], info["language_info"]["name"]), ("ok", "5.4", "scala"))

    def test_a_cell_without_place_is_cut_into_statements(self):
        done = self.a.run("val a = 1\nval b = 2; a + b\n// and nothing more")
        self.assertEqual(done.kinds("execute_result")[0]["data"]["text/plain"], "a: Int = 1\nb: Int = 2\nres0: Int = 3")

    def test_messages_around_a_statement(self):
        done = self.a.run('println("x"); 7', "src/x.scala")
        self.assertEqual([k for k, _, _ in done.heard], ["status", "execute_input", "stream", "execute_result", "status"])

    def test_silent_requests_are_silent(self):
        done = self.a.run("1 + 1", "src/x.scala", silent=True)
        self.assertEqual([k for k, _, _ in done.heard], ["status", "status"])

    def test_is_complete(self):
        for code, state in (("val q =", "incomplete"), ("val q = 1", "complete"), ("val q = )", "invalid"), ("f {", "incomplete")):
            self.a.client.is_complete(code)
            self.assertEqual(self.a.client.get_shell_msg(timeout=10)["content"]["status"], state, code)

    def test_unknown_requests_are_answered(self):
        for kind in ("ama_nonsense_request", "nonsense_request"):
            self.assertEqual(kernel.ask(kind)["status"], "error")

    def test_what_waits_behind_an_error_is_aborted(self):
        first, second = self.a.send("1/0", "x"), self.a.send("val never = 1", "x")
        self.assertEqual([self.a.wait(first).status, self.a.wait(second).status], ["error", "aborted"])
        self.assertEqual(self.failed("never").ama["kind"], "compile")

    def test_standard_input_is_asked_of_the_client(self):
        ident = self.a.send("scala.io.StdIn.readLine()", "x", allow_stdin=True)
        self.a.client.get_stdin_msg(timeout=20)
        self.a.client.input("typed")
        self.assertEqual(self.a.wait(ident).value.split(" = ")[1], "typed")
        done = self.failed("scala.io.StdIn.readLine()")
        self.assertIn("standard input", done.evalue)


class Splitting(unittest.TestCase):
    CASES = [
        ("one statement a line", "val a = 1\nval b = 2\n", [(1, 1, "val a = 1"), (2, 2, "val b = 2")]),
        ("two on a line", "val a = 1; a + 1", [(1, 1, "val a = 1"), (1, 1, "a + 1")]),
        ("a chain over lines", "sc.parallelize(1 to 9)\n  .map(_ + 1)\n  .count()\n1",
         [(1, 3, "sc.parallelize(1 to 9)\n  .map(_ + 1)\n  .count()"), (4, 4, "1")]),
        ("a closing brace", "for (i <- 1 to 3) {\n  f(i)\n}\nval z = 1", [(1, 3, "for (i <- 1 to 3) {\n  f(i)\n}"), (4, 4, "val z = 1")]),
        ("a pattern is one statement", "val (a, b) = (1, 2)", [(1, 1, "val (a, b) = (1, 2)")]),
        ("annotation and modifiers", "@annotation.nowarn private lazy val g = 1", [(1, 1, "@annotation.nowarn private lazy val g = 1")]),
        ("comments are nobody's", "// a\n/* b\n */ val a = 1 // c\n", [(3, 3, "val a = 1")]),
        ("doc comment", "/** doc */\ndef f = 1", [(2, 2, "def f = 1")]),
        ("a string over lines", 'val s = """a\n;b"""\ns', [(1, 2, 'val s = """a\n;b"""'), (3, 3, "s")]),
        ("interpolation", 'val s = s"""${\n  1 + 1\n}"""', [(1, 3, 's"""${\n  1 + 1\n}"""')]),
        ("class and companion", "case class P(n: Int)\nobject P { def of = P(1) }\nP.of",
         [(1, 2, "case class P(n: Int)\nobject P { def of = P(1) }"), (3, 3, "P.of")]),
        ("companion first", "object P\nclass P", [(1, 2, "object P\nclass P")]),
        ("companion behind a definition", "class P\ndef f = 1\nobject P", [(1, 3, "class P\ndef f = 1\nobject P")]),
        ("a sealed family", "sealed trait S\ncase class A(n: Int) extends S\ncase object B extends S\nval s: S = B",
         [(1, 3, "sealed trait S\ncase class A(n: Int) extends S\ncase object B extends S"), (4, 4, "val s: S = B")]),
        ("families within families", "sealed trait S\nsealed abstract class T(n: Int) extends S\nfinal class U extends T(1)\nclass V",
         [(1, 3, "sealed trait S\nsealed abstract class T(n: Int) extends S\nfinal class U extends T(1)"), (4, 4, "class V")]),
        ("windows line ends", "val a = 1\r\nval b = {\r\n 2\r\n}\r\n", [(1, 1, "val a = 1"), (2, 4, "val b = {\r\n 2\r\n}")]),
        ("byte order mark", "\ufeffval a = 1", [(1, 1, "val a = 1")]),
        ("nothing", "\n// only talk\n", []),
        ("infix over lines", "val x = 1 +\n  2\nif (x > 1)\n  3\nelse\n  4", [(1, 2, "val x = 1 +\n  2"), (3, 6, "if (x > 1)\n  3\nelse\n  4")]),
        ("not ascii", 'val größe = "→ ü"\ngröße', [(1, 1, 'val größe = "→ ü"'), (2, 2, "größe")]),
        ("xml", "val x = <a>{1}\n</a>\n1", [(1, 2, "val x = <a>{1}\n</a>"), (3, 3, "1")]),
    ]
    ERRORS = [
        ("in the middle", "val x = 1\nval y = (2 +\nval z = 3", 3, 1),
        ("at the end", "val x = 1\ndef f = {\n  1\n", 3, None),
        ("a brace too many", "val x = 1\n}\nval y = 2", 2, 1),
        ("a package clause", "package a.b\nval x = 1", 1, 1),
        ("an open string", 'val s = "abc\nval t = 1', 1, 9),
        ("not Scala at all", "select a, b from t where a = 'x';", 1, None),
    ]

    def test_cases(self):
        for name, code, expected in self.CASES:
            with self.subTest(name):
                got = split(code)
                self.assertEqual(got["status"], "ok", got)
                self.assertEqual([(s["line"], s["end_line"]) for s in got["statements"]], [(a, b) for a, b, _ in expected])
                for s, (_, _, text) in zip(got["statements"], expected):
                    self.assertTrue(s["code"].endswith(text), s)

    def test_errors(self):
        for name, code, line, column in self.ERRORS:
            with self.subTest(name):
                got = split(code)
                self.assertEqual(got["status"], "error", got)
                self.assertEqual(got["line"], line, got)
                if column:
                    self.assertEqual(got["column"], column, got)
                self.assertTrue(got["evalue"])

    def test_kinds(self):
        got = split("import a.b\nclass C\nval v = 1\ndef d = 2\nv + d")
        self.assertEqual([s["kind"] for s in got["statements"]], ["import", "definition", "value", "definition", "expression"])

    def test_first_line_shifts(self):
        got = split("val a = 1\nval b = 2", first_line=40)
        self.assertEqual([s["line"] for s in got["statements"]], [40, 41])

    def test_import_without_the_word(self):
        got = split('val s = """\na.b._\n"""\nio.shinto.amaterasu.runtime._\n\n  a.b._\n')
        self.assertEqual([s["code"] for s in got["statements"]][1:], ["import io.shinto.amaterasu.runtime._", "import a.b._"])
        self.assertEqual([w["line"] for w in got["warnings"]], [4, 6])
        self.assertIn("\na.b._\n", got["statements"][0]["code"])

    def test_companions_apart_are_warned_of(self):
        got = split("class P\nval x = 1\nobject P")
        self.assertEqual([(w["line"]) for w in got["warnings"]], [3])
        self.assertEqual(len(got["statements"]), 3)

    def test_a_large_source_is_cut_in_time(self):
        start = time.monotonic()
        got = split("\n".join(f"val v{i} = {i}" for i in range(20000)))
        self.assertEqual(len(got["statements"]), 20000)
        self.assertLess(time.monotonic() - start, 10)


class Running(Scoped):
    def test_hard_sample(self):
        with open(HARD, encoding="utf-8") as f:
            text = f.read()
        done = self.a.script(text, "src/hard.scala")
        self.assertEqual([d for d in done[:-1] if d.status != "ok"], [])
        values = {d.value.split(":")[0]: d.value for d in done[:-1]}
        self.assertEqual(values["tot"], "tot: Long = 5550")
        self.assertEqual(values["a"], "a: Int = 2\nb: Int = 3")
        self.assertEqual(values["grouped"], "grouped: String = (0,33)(1,34)(2,33)")
        last, at = done[-1], text[:text.index("throw")].count("\n") + 1
        self.assertEqual((last.ename, last.evalue), ("java.lang.IllegalStateException", "row 3"))
        self.assertEqual(last.frames, [("src/hard.scala", at), ("src/hard.scala", text[:text.index("bad.count")].count("\n") + 1)])
        self.assertEqual(self.failed("never").ama["kind"], "compile")

    def test_values_as_the_repl_shows_them(self):
        cases = [
            ('val odd = sc.parallelize(1 to 9).toDF("number")', "odd: DataFrame = [number: int]"),
            ("val xs = List(1, 2)", "xs: List[Int] = List(1, 2)"),
            ("val m: Map[String, scala.math.BigDecimal] = Map.empty", "m: Map[String,BigDecimal] = Map()"),
            ("val u = ()", "u: Unit = ()"),
            ("lazy val never = sys.error(\"no\")", "never: Nothing // unevaluated"),
            ("def twice(n: Int): Int = 2 * n", "def twice(n: Int): Int"),
            ("println(1)", ""),
            ("import scala.util.Try", ""),
            ("var i = 1", "i: Int = 1"),
            ("i = 5", ""),
            ("Array(1, 2)", None),
            ("class A; object A", "class A\nobject A"),
            ("type T = Int", "type T"),
            ('val t = "a\\nb"', "t: String = \na\nb"),
            ("val `odd name` = 1", "odd name: Int = 1"),
            ("val + = 2", "+: Int = 2"),
        ]
        for code, expected in cases:
            with self.subTest(code):
                got = self.value(code)
                if expected is None:
                    self.assertRegex(got, r"^res\d+: Array\[Int\] = Array\(1, 2\)$")
                else:
                    self.assertEqual(got, expected)

    def test_long_values_are_cut(self):
        self.assertLess(len(self.value('val s = "x" * 10000000')), 70000)
        self.assertLess(len(self.value("val l = (1 to 10000000).toList")), 70000)

    def test_names_that_are_there(self):
        self.assertEqual(self.value("val n = (env.name, env.master, env.inputRootPath, env.outputRootPath, env.workingDir)"),
                         "n: (String, String, String, String, String) = (dev,local[2],in,/tmp/out,/tmp/work)")
        for key, text in (("limit", "10"), ("ratio", "1.5"), ("on", "true"), ("nothing", '""'), ("words", "a b")):
            self.assertEqual(self.value(f'val c: String = env.configuration("{key}")'), f"c: String = {text}")
        self.assertEqual(self.value("val id = AmaContext.jobId"), "id: String = run-1")
        self.assertEqual(self.value("val same = (AmaContext.sc eq sc, AmaContext.spark eq spark, sqlContext.sparkSession eq spark, SaveMode.Append)"),
                         "same: (Boolean, Boolean, Boolean, SaveMode) = (true,true,true,Append)")
        self.assertEqual(self.value('val d = spark.range(3).select($"id" + lit(1)).as[Long].collect().sum'), "d: Long = 6")

    def test_old_imports(self):
        for line in ("io.shinto.amaterasu.runtime._", "org.apache.amaterasu.executor.runtime._", "io.shinto.amaterasu.runtime.AmaContext",
                     "org.apache.amaterasu.executor.runtime.AmaContext", "org.apache.amaterasu.frameworks.spark.runtime.AmaContext"):
            with self.subTest(line):
                self.value(f"import {line}")
                self.assertRegex(self.value("val c = AmaContext.sc.parallelize(1 to 3).count()"), "= 3$")
                self.value("import spark.implicits._")
                self.assertRegex(self.value('Seq(1).toDF("x")'), "DataFrame")
                self.assertRegex(self.value("env.name + sc.appName"), "dev")

    def test_environment_reaches_tasks(self):
        self.assertRegex(self.value('sc.parallelize(1 to 2).map(i => env.configuration("words") + i).collect().mkString(",")'), "a b1,a b2$")
        self.assertRegex(self.value("sc.parallelize(1 to 2).map(i => AmaContext.env.name + i).collect().mkString(\",\")"), "dev1,dev2$")

    def test_context_in_a_task_says_what_is_wrong(self):
        self.assertIn("tasks have no Spark session", self.failed("sc.parallelize(1 to 2).map(i => AmaContext.sc.appName).collect()").evalue)

    def test_classes_encoders_udfs(self):
        for s in self.a.script("""case class Item(name: String, n: Int)
object Item { val base = 7; def of(i: Int): Item = Item(i.toString, i) }
sealed trait Shape
case class Circle(r: Double) extends Shape
case object Dot extends Shape
class Meters(val m: Double) extends AnyVal
val factor = 3
val items = (1 to 10).map(Item.of).toDS()
val total = items.map(i => i.n * factor + Item.base).reduce(_ + _)
val byName = items.groupByKey(_.n % 2).mapGroups((k, it) => (k, it.map(_.n).sum)).collect().sorted.toList
val plus = udf((n: Int) => n + factor)
val summed = items.select(sum(plus($"n")).as("s")).as[Long].head()
spark.udf.register("plus_factor", (n: Int) => n + factor)
val viaSql = spark.sql("select plus_factor(4)").as[Int].head()
val shape: Shape = Circle(2)
val area = shape match { case Circle(r) => r * r; case Dot => 0.0 }
val long = new Meters(2.5).m
""", "src/c.scala"):
            self.assertEqual(s.status, "ok", s)
        self.assertEqual(self.value("val all = (total, byName, summed, viaSql, area, long)"),
                         "all: (Int, List[(Int, Int)], Long, Int, Double, Double) = (235,List((0,30), (1,25)),85,7,4.0,2.5)")

    def test_statement_threads_and_lines_of_jobs(self):
        self.assertRegex(self.value("val r = sc.parallelize(1 to 3)", "src/deep/name.scala", 77), "at src/deep/name.scala:77$")

    def test_warnings_of_the_compiler(self):
        done = self.a.run("def f(o: Option[Int]) = o match {\n  case Some(1) => 1\n}", "src/w.scala", 20)
        self.assertEqual([w["line"] for w in done.ama["warnings"]], [20], done)
        self.assertIn("not be exhaustive", done.ama["warnings"][0]["text"])


class Failing(Scoped):
    def test_compile_errors(self):
        done = self.failed('val ok = 1\nval y: Int =\n  "text"', "src/a.scala", 10)
        self.assertEqual((done.ename, done.ama["kind"], done.frames), ("CompileError", "compile", [("src/a.scala", 12)]))
        self.assertIn("type mismatch", done.evalue)
        self.assertEqual(self.failed("nobody + 1", "src/a.scala", 3).frames, [("src/a.scala", 3)])
        self.assertEqual(self.failed("val x = (1", "src/a.scala", 3).ama["kind"], "compile")

    def test_own_exception(self):
        self.value("def f(n: Int): Int = {\n  10 / n\n}", "src/a.scala", 40)
        done = self.failed("val x =\n  f(0)", "src/a.scala", 57)
        self.assertEqual((done.ename, done.evalue, done.ama["kind"]), ("java.lang.ArithmeticException", "/ by zero", "runtime"))
        self.assertEqual(done.frames, [("src/a.scala", 41), ("src/a.scala", 58)])
        self.assertEqual(done.content["traceback"][0], "java.lang.ArithmeticException: / by zero")

    def test_first_line_of_a_file(self):
        self.assertEqual(self.failed("1/0", "src/first.scala", 1).frames, [("src/first.scala", 1)])

    def test_exceptions_in_tasks(self):
        cases = [
            ("rdd", 'sc.parallelize(1 to 4).map { i =>\n  if (i == 3) throw new IllegalStateException("row " + i)\n  i\n}.count()', [31, 30, 33]),
            ("dataset", 'spark.range(5).map { i =>\n  if (i == 3) throw new IllegalStateException("row " + i)\n  i + 1\n}.collect()', [31, 30, 33]),
            ("udf", 'spark.range(5).select(udf { (i: Long) =>\n  if (i == 3) throw new IllegalStateException("row " + i)\n  i\n}.apply($"id")).collect()', [31, 30, 33]),
        ]
        for name, code, lines in cases:
            with self.subTest(name):
                done = self.failed(code, f"src/{name}.scala", 30)
                self.assertEqual((done.ename, done.evalue), ("java.lang.IllegalStateException", "row 3"), done)
                self.assertEqual(done.frames[0], (f"src/{name}.scala", 31))
                self.assertTrue(set(done.frames) <= {(f"src/{name}.scala", n) for n in lines}, done.frames)
                self.assertGreater(len(done.frames), 1)

    def test_exception_that_cannot_be_serialised(self):
        self.value('class Odd extends RuntimeException("odd one") { val socket = new java.net.ServerSocket }', "src/o.scala", 5)
        done = self.failed("sc.parallelize(1 to 2).map { i =>\n  throw new Odd\n  i\n}.count()", "src/o.scala", 8)
        self.assertIn("Odd", done.ename)
        self.assertEqual(done.evalue, "odd one")
        self.assertEqual(done.frames[0][0], "src/o.scala")
        self.assertIn(("src/o.scala", 9), done.frames)

    def test_analysis_error(self):
        done = self.failed('spark.range(3).select("nope")', "src/q.scala", 6)
        self.assertIn("nope", done.evalue)
        self.assertEqual(done.frames, [("src/q.scala", 6)])

    def test_wrapped_exceptions_of_the_user_stay(self):
        done = self.failed('try 1/0 catch { case e: Exception => throw new IllegalArgumentException("bad input", e) }', "src/q.scala", 6)
        self.assertEqual(done.ename, "java.lang.IllegalArgumentException")

    def test_stack_overflow_and_errors(self):
        self.value("def deep(n: Int): Int = 1 + deep(n + 1)", "src/q.scala", 1)
        self.assertEqual(self.failed("deep(0)", "src/q.scala", 2).ename, "java.lang.StackOverflowError")
        self.assertEqual(self.failed("???", "src/q.scala", 2).ename, "scala.NotImplementedError")

    def test_far_down_a_file(self):
        self.assertEqual(self.failed("val a = 1\n1/0", "src/long.scala", 150000).frames, [("src/long.scala", 150001)])
        self.assertEqual(self.failed("val a = 1\nnobody", "src/long.scala", 150000).frames, [("src/long.scala", 150001)])

    def test_a_failed_statement_defines_nothing(self):
        self.failed("val lost = 1; 1/0")
        self.assertEqual(self.failed("lost").ama["kind"], "compile")

    def test_large_failure_text_is_cut(self):
        self.assertLess(len(self.failed('sys.error("x" * 10000000)').evalue), 20000)


class HandOver(unittest.TestCase):
    def script(self, connection, text, file):
        for s in connection.script(text, file):
            self.assertEqual(s.status, "ok", s)
        return s

    def test_values_of_a_finished_action(self):
        start = kernel.open("h-start-1", "start", env={})
        self.script(start, """val data = 1 to 1000
def failing(n: Int): Int = {
  if (n > 5) throw new IllegalArgumentException("too large: " + n)
  n
}
val rdd = sc.parallelize(data)
val odd = rdd.filter(n => n % 2 != 0).toDF("number")
case class Item(n: Int)
val items = rdd.map(n => Item(n)).toDS()
lazy val later = spark.range(7).toDF()
val risky = rdd.map(failing)
val gone = rdd; val limit = 5
val gone2 = 1; var changed = rdd; changed = rdd.map(_ + 1)
private val hidden = rdd
val count = rdd.count()
""", "src/start.scala")
        start.run('spark.range(1).createOrReplaceTempView("leak"); spark.conf.set("spark.sql.shuffle.partitions", "3")', "src/start.scala", 90)
        names = {(n["action"], n["name"]) for n in kernel.ask("ama_names_request")["names"]}
        self.assertNotIn(("start", "rdd"), names)
        published = kernel.ask("ama_close_request", scope="h-start-1", publish=True)
        start.close()
        self.assertEqual({p["name"]: p["kind"] for p in published["published"]},
                         dict(rdd="RDD", odd="DataFrame", items="Dataset", later="Dataset", risky="RDD", gone="RDD", changed="RDD"))
        names = {n["name"]: n["kind"] for n in kernel.ask("ama_names_request")["names"] if n["action"] == "start"}
        self.assertEqual(names["odd"], "DataFrame")

        a = attempt(self, "h-step2-1", "step2")
        self.script(a, """val oddRdd = AmaContext.getRDD[Int]("start", "rdd").filter(x => x % 2 == 0)
val high = AmaContext.getDataFrame("start", "odd").where("number > 100")
val joined = high.join(Seq(101, 103).toDF("number"), "number")
case class Item(n: Int)
val items = AmaContext.getDataset[Item]("start", "items").filter(i => i.n > 990)
val ints = AmaContext.getDataset[Int]("start", "odd", "parquet")
""", "src/step2.scala")
        for code, value in (("oddRdd.count()", 500), ("high.count()", 450), ("joined.count()", 2), ("items.count()", 10), ("ints.reduce(_ + _)", 250000),
                            ('AmaContext.getDataFrame("start", "later").count()', 7), ('AmaContext.getRDD[Int]("start", "changed").first()', 2)):
            self.assertRegex(a.run(code, "src/step2.scala", 20).value, f"= {value}$", code)

        # its code fails here, in its own lines
        done = a.run('AmaContext.getRDD[Int]("start", "risky").count()', "src/step2.scala", 33)
        self.assertEqual(done.ename, "java.lang.IllegalArgumentException")
        self.assertRegex(done.evalue, r"^too large: \d+$")
        self.assertEqual([f for f in done.frames if f[0] == "src/start.scala"][0], ("src/start.scala", 3))
        self.assertEqual(done.frames[-1], ("src/step2.scala", 33))

        # nothing else has leaked
        self.assertEqual(a.run("limit", "src/step2.scala").ama["kind"], "compile")
        self.assertEqual(a.run('spark.table("leak")', "src/step2.scala").status, "error")
        self.assertRegex(a.run('spark.conf.get("spark.sql.shuffle.partitions")', "src/step2.scala").value, "= 4$")

        for code, text in (('AmaContext.getRDD[Int]("start", "nope")', "start has changed, gone, items, later, odd, rdd, risky"),
                           ('AmaContext.getDataFrame("strat", "odd")', "there is start|there are .*start"),
                           ('AmaContext.getDataFrame("start", "rdd")', "is an RDD: use getRDD")):
            self.assertRegex(a.run(code, "src/step2.scala").evalue, text)

    def test_a_failed_attempt_leaves_nothing_and_a_retry_is_clean(self):
        first = kernel.open("r-1", "flaky", env={})
        self.assertEqual(first.run("val secret = 41; val rdd = sc.parallelize(1 to 3); case class P(n: Int)", "src/f.scala").status, "ok")
        self.assertEqual(kernel.ask("ama_close_request", scope="r-1", publish=False)["published"], [])
        first.close()
        again = attempt(self, "r-2", "flaky")
        self.assertEqual(again.run("secret", "src/f.scala").ama["kind"], "compile")
        done = again.script('case class P(s: String)\nspark.createDataset(Seq(P("x"))).map(p => P(p.s * 2)).collect().toList', "src/f.scala")
        self.assertRegex(done[-1].value, "xx")
        self.assertIn("no dataset 'rdd'", again.run('AmaContext.getRDD[Int]("flaky", "rdd")', "src/f.scala").evalue)

    def test_stored_copies(self):
        work = os.path.join(folder, "work")
        a = attempt(self, "s-1", "saver", workingDir=work)
        self.assertEqual(a.run('AmaContext.saveDataFrame(spark.range(5).toDF(), "saver", "five"); AmaContext.saveRDD(sc.parallelize(1 to 4), "saver", "four")', "x").status, "ok")
        self.assertTrue(os.path.isdir(os.path.join(work, "run-1", "saver", "five")))
        self.assertRegex(a.run('AmaContext.getDataFrame("saver", "five").count() + AmaContext.getRDD[Int]("saver", "four").count()', "x").value, "= 9$")
        self.assertIn("no dataset 'six'", a.run('AmaContext.getDataFrame("saver", "six")', "x").evalue)

    def test_closing_needs_an_idle_scope(self):
        a = attempt(self, "busy-1")
        ident = a.send("Thread.sleep(30000)", "x")
        a.hear(ident, "execute_input")
        self.assertIn("still running", kernel.ask("ama_close_request", scope="busy-1", publish=True)["evalue"])
        a.ask("interrupt_request")
        self.assertEqual(a.wait(ident).ename, "Interrupted")

    def test_scopes_are_checked(self):
        attempt(self, "twice-1")
        info = new_connection(folder, "ipc")
        with open(info, encoding="utf-8") as f:
            connection = json.load(f)
        for scope, connection, text in (("twice-1", connection, "open already"), ("../x", connection, "not of the form"), ("main", connection, "open already"),
                                        ("fresh", {}, "ip is missing"), ("fresh", dict(connection, shell_port=0), "shell_port"),
                                        ("fresh", dict(connection, ip="/tmp/x"), "0700"), ("fresh", dict(connection, ip="/" + "x" * 200 + "/y"), "longer|No such|name")):
            reply = kernel.ask("ama_open_request", connection=connection, scope=scope)
            self.assertEqual(reply["status"], "error")
            self.assertRegex(reply["evalue"], text)
        self.assertIn("no open scope", kernel.ask("ama_close_request", scope="nobody", publish=False)["evalue"])
        self.assertIn("shutdown_request only", kernel.ask("ama_close_request", scope="main", publish=False)["evalue"])


class Isolation(unittest.TestCase):
    def test_two_attempts_in_parallel(self):
        a, b = attempt(self, "iso-a"), attempt(self, "iso-b")
        self.assertEqual(a.run("val secret = 41; case class P(n: Int); def inc(i: Int) = i + secret - 40", "src/a.scala").status, "ok")
        self.assertEqual(b.run('val secret = "b"; case class P(s: String)', "src/b.scala").status, "ok")
        code = {a: """val r = spark.createDataset((1 to 200).map(P(_))).repartition(4).map(p => P(inc(p.n))).filter(_.n > 0).collect().map(_.n).sum
                     val u = sc.parallelize(1 to 10, 4).map(i => P(inc(i))).collect().toList.last.n
                     val f = spark.range(5).select(udf((x: Long) => x + secret).apply($"id")).collect().map(_.getLong(0)).sum
                     val pool = sc.getLocalProperty("spark.scheduler.pool"); (r, u, f, pool)""",
                b: """val r = spark.createDataset((1 to 200).map(i => P(secret + i))).repartition(4).map(p => P(p.s + secret)).collect().length
                     val u = sc.parallelize(1 to 10, 4).map(i => P(secret + i)).collect().toList.last.s
                     spark.range(3).createOrReplaceTempView("t")
                     val pool = sc.getLocalProperty("spark.scheduler.pool"); (r, u, spark.table("t").count(), pool)"""}
        wanted = {a: "(20300,11,215,iso-a)", b: "(200,b10,3,iso-b)"}
        wrong = []

        def rounds(c):
            for _ in range(2):
                done = c.run(code[c])
                if done.status != "ok" or not done.kinds("execute_result")[0]["data"]["text/plain"].endswith(wanted[c]):
                    wrong.append(done)

        threads = [threading.Thread(target=rounds, args=(c,)) for c in (a, b)]
        [t.start() for t in threads]
        [t.join() for t in threads]
        self.assertEqual(wrong, [])
        self.assertEqual(b.run('spark.table("nope")', "x").status, "error")
        self.assertEqual(a.run('spark.table("t")', "x").status, "error")

    def test_cancelling_one_leaves_the_other(self):
        a, b = attempt(self, "can-a"), attempt(self, "can-b")
        [c.run("1", "x") for c in (a, b)]
        ia = a.send('spark.range(0, 100000000000L).selectExpr("sum(id % 7)").collect()', "x")
        ib = b.send('Thread.sleep(300); spark.range(0, 20000000L).selectExpr("sum(id % 7)").as[Long].head()', "x")
        a.hear(ia, "ama_progress")
        self.assertEqual(a.ask("interrupt_request"), {"status": "ok", "interrupted": True})
        self.assertEqual(a.wait(ia).ename, "Interrupted")
        self.assertEqual(b.wait(ib).status, "ok")


class Interrupting(Scoped):
    def interrupted(self, code, after, **how):
        ident = self.a.send(code, "src/i.scala")
        self.a.hear(ident, after)
        start = time.monotonic()
        self.a.ask("interrupt_request", **how)
        done = self.a.wait(ident)
        self.assertEqual((done.status, done.ename, done.ama["kind"]), ("error", "Interrupted", "interrupted"))
        self.assertLess(time.monotonic() - start, 10)
        self.assertRegex(self.value("sc.statusTracker.getActiveJobIds().toList"), r"List\(\)$")

    def test_job(self):
        self.interrupted("sc.parallelize(1 to 2, 2).map { i => Thread.sleep(60000); i }.count()", "ama_progress")

    def test_adaptive_query(self):
        self.interrupted('spark.range(0, 30000000000L).repartition(3, $"id" % 3).groupBy($"id" % 7).count().join(spark.range(5).toDF("x"), $"x" === $"count").collect()',
                         "ama_progress")

    def test_sleep(self):
        self.interrupted('println("now"); Thread.sleep(60000)', "stream")

    def test_loop_needs_force(self):
        self.interrupted('println("now"); var n = 0L; while (true) n += 1', "stream", force=True)
        self.assertEqual(self.value("val alive = 1"), "alive: Int = 1")

    def test_nothing_to_interrupt(self):
        self.assertEqual(self.a.ask("interrupt_request"), {"status": "ok", "interrupted": False})
        self.assertEqual(self.value("val z = 2"), "z: Int = 2")


class Output(Scoped):
    def test_streams_in_order_and_in_time(self):
        done = self.a.run('println("héllo →"); System.err.println("err"); for (i <- 1 to 3) { println(i); Thread.sleep(200) }', "x")
        self.assertEqual((done.stream(), done.stream("stderr")), ("héllo →\n1\n2\n3\n", "err\n"))
        times = [t for k, _, t in done.heard if k == "stream"]
        self.assertGreater(times[-1] - times[0], 0.3)
        self.assertEqual([c["name"] for c in done.kinds("stream")][:3], ["stdout", "stderr", "stdout"])

    def test_tasks_and_threads(self):
        done = self.a.run('sc.parallelize(1 to 4, 2).foreach(i => println("task " + i))', "x")
        self.assertEqual(sorted(done.stream().split("\n")), ["", "task 1", "task 2", "task 3", "task 4"])
        done = self.a.run('val t = new Thread(() => println("from a thread")); t.start(); t.join()', "x")
        self.assertEqual(done.stream(), "from a thread\n")
        done = self.a.run('import scala.concurrent._; import ExecutionContext.Implicits.global; Await.result(Future(println("from a pool")), duration.Duration.Inf)', "x")
        self.assertEqual(done.stream(), "from a pool\n")

    def test_pools_do_not_mix_attempts_up(self):
        b = attempt(self, "out-b")
        code = 'import scala.concurrent._; import ExecutionContext.Implicits.global; Await.result(Future.sequence((1 to 50).map(i => Future(println("%s")))), duration.Duration.Inf)'
        self.a.run(code % "one", "x")
        self.assertEqual(b.run(code % "two", "x").stream(), "two\n" * 50)
        self.assertEqual(self.a.run(code % "one", "x").stream(), "one\n" * 50)

    def test_much(self):
        done = self.a.run('for (i <- 1 to 200000) println("line " + i + " ü")', "x")
        lines = done.stream().split("\n")
        self.assertEqual((len(lines), lines[0], lines[199999]), (200001, "line 1 ü", "line 200000 ü"))

    def test_printed_stack_traces_name_the_file(self):
        self.assertIn("(src/p.scala:12)", self.a.run("new Exception().printStackTrace()", "src/p.scala", 12).stream("stderr"))


class Progress(Scoped):
    def test_stages(self):
        done = self.a.run("sc.parallelize(1 to 8, 8).map { i => Thread.sleep(250); (i % 2, i) }.reduceByKey(_ + _).collect()", "src/prog.scala", 5)
        told = [(c["stages"], t) for k, c, t in done.heard if k == "ama_progress"]
        self.assertGreater(len(told), 3)
        times = [t for _, t in told]
        self.assertLess(len(times) / max(times[-1] - times[0], 0.2), 6)
        first = told[0][0][0]
        self.assertEqual((first["total"], first["over"], first["failed"]), (8, False, 0))
        self.assertIn("src/prog.scala:5", first["name"])
        self.assertEqual(max(s["done"] for stages, _ in told for s in stages), 8)

    def test_queries_are_named_by_their_statement(self):
        done = self.a.run("spark.range(0, 4, 1, 4).map { i => Thread.sleep(300); i + 1 }.collect()", "src/prog.scala", 9)
        names = {s["name"] for c in done.kinds("ama_progress") for s in c["stages"]}
        self.assertTrue(names and all("src/prog.scala:9" in n for n in names), names)


class Jars(unittest.TestCase):
    def test_jars_reach_statements_and_tasks(self):
        place = os.path.join(folder, "jar")
        os.makedirs(place)
        with open(os.path.join(place, "Ext.java"), "w", encoding="utf-8") as f:
            f.write("package ext; public class Ext implements java.io.Serializable { public final int n; public Ext (int n) { this.n = n; }"
                    " public static int twice (int i) { return 2 * i; } }")
        subprocess.run(["javac", "-d", place, os.path.join(place, "Ext.java")], check=True)
        jar = shutil.make_archive(os.path.join(folder, "ext"), "zip", place, "ext")
        os.rename(jar, jar[:-3] + "jar")
        jar = jar[:-3] + "jar"
        before = attempt(self, "jar-a")
        self.assertEqual(before.run("ext.Ext.twice(2)", "x").status, "error")
        self.assertEqual(kernel.ask("ama_jar_request", paths=[jar])["status"], "ok")
        for c in (before, attempt(self, "jar-b")):
            self.assertRegex(c.run("ext.Ext.twice(21)", "x").value, "= 42$")
            self.assertRegex(c.run("sc.parallelize(1 to 3, 2).map(i => new ext.Ext(ext.Ext.twice(i))).collect().map(_.n).sum", "x").value, "= 12$")
            self.assertRegex(c.run("val e = new ext.Ext(5); spark.range(2).map(i => i + e.n).collect().sum", "x").value, "= 11$")
            self.assertRegex(c.run('sc.parallelize(1 to 2, 2).map(i => Class.forName("ext.Ext", true, Thread.currentThread.getContextClassLoader).getName).collect().toSet', "x").value, r"Set\(ext.Ext\)$")
        self.assertIn("no such jar", kernel.ask("ama_jar_request", paths=["/nowhere.jar"])["evalue"])


class Hostile(unittest.TestCase):
    """What a kernel must survive. Each case ends with a proof that it has."""

    def setUp(self):
        with open(kernel.info, encoding="utf-8") as f:
            self.info = json.load(f)
        self.addCleanup(lambda: self.assertEqual(kernel.ask("ama_names_request")["status"], "ok"))

    def path(self, name):
        return f"{self.info['ip']}-{self.info[name + '_port']}"

    def raw(self, name="shell"):
        s = socket.socket(socket.AF_UNIX)
        self.addCleanup(s.close)
        s.connect(self.path(name))
        s.settimeout(20)
        return s

    def shaken(self, name="shell"):
        s = self.raw(name)
        s.sendall(b"\xff" + bytes(8) + b"\x7f\x03\x00NULL" + bytes(16) + bytes(1) + bytes(31))
        self.exactly(s, 64)
        ready = b"\x05READY\x0bSocket-Type" + struct.pack(">I", 6) + b"DEALER"
        s.sendall(b"\x04" + bytes([len(ready)]) + ready)
        flags, size = self.exactly(s, 2)
        self.exactly(s, size)
        return s

    def exactly(self, s, n):
        data = b""
        while len(data) < n:
            part = s.recv(n - len(data))
            self.assertTrue(part, "cut")
            data += part
        return data

    def cut(self, s):
        """Whether the kernel has closed on us."""
        try:
            while s.recv(4096):
                pass
        except ConnectionResetError:
            pass

    def test_sockets_are_the_users_alone(self):
        self.assertEqual(os.stat(os.path.dirname(self.info["ip"])).st_mode & 0o777, 0o700)
        for name in ("shell", "iopub", "stdin", "control", "hb"):
            self.assertEqual(os.stat(self.path(name)).st_mode & 0o777, 0o600)

    def test_wrong_signatures_are_ignored(self):
        context = zmq.Context()
        dealer = context.socket(zmq.DEALER)
        dealer.linger = 0
        dealer.connect("ipc://" + self.path("control"))
        header = json.dumps(dict(msg_id="x", session="s", username="u", date="", msg_type="shutdown_request", version="5.4")).encode()
        for frames in ([b"<IDS|MSG>", b"0" * 64, header, b"{}", b"{}", b"{}"], [b"<IDS|MSG>", b"", header, b"{}", b"{}", b"{}"], [b"hello"], [b""],
                       [b"<IDS|MSG>"], [b"x"] * 60, [b"<IDS|MSG>"] * 7):
            dealer.send_multipart(frames)
        self.assertEqual(dealer.poll(300), 0)
        dealer.close()
        context.term()
        self.assertIsNone(kernel.process.poll())

    def test_signed_nonsense(self):
        session = kernel.client.session
        for parts in ((b"[]", b"{}", b"{}", b"{}"), (b"{", b"{}", b"{}", b"{}"), (b'{"msg_type":"execute_request"}', b"1", b"2", b"3"),
                      (b'{"msg_type":"execute_request","msg_id":7}', b"null", b"[[[]]]", b"null"), (b'{"msg_type":"' + b"\xff" * 9 + b'"}', b"{}", b"{}", b"{}")):
            kernel.client.control_channel.socket.send_multipart([b"<IDS|MSG>", session.sign(parts), *parts])
            kernel.client.shell_channel.socket.send_multipart([b"<IDS|MSG>", session.sign(parts), *parts])
        self.assertRegex(kernel.run("val still = 1").kinds("execute_result")[0]["data"]["text/plain"], "still")

    def test_not_zmtp(self):
        for data in (b"GET / HTTP/1.1\r\n\r\n" * 8, bytes(200), b"\xff" * 200, b"\xff" + bytes(8) + b"\x7f\x03\x00CURVE" + bytes(60)):
            s = self.raw()
            s.sendall(data)
            self.cut(s)

    def test_frames_too_long(self):
        for flags, size in ((2, 1 << 40), (2, (1 << 63) + 1), (2, (16 << 20) + 1), (6, 1 << 40)):
            s = self.shaken()
            s.sendall(bytes([flags]) + struct.pack(">Q", size))
            self.cut(s)

    def test_message_too_long_in_parts(self):
        s = self.shaken()
        with self.assertRaises((BrokenPipeError, ConnectionResetError)):
            for _ in range(40):
                s.sendall(b"\x03" + struct.pack(">Q", 1 << 20) + bytes(1 << 20))
        s = self.shaken()
        with self.assertRaises((BrokenPipeError, ConnectionResetError)):
            for _ in range(1000):
                s.sendall(b"\x01\x01x" * 100)

    def test_commands_gone_wrong(self):
        for body in (b"", b"\xff", b"\x05READY\xff", b"\x05READY\x03abc\xff\xff\xff\xff", b"\x04PING"):
            s = self.shaken()
            s.sendall(b"\x04" + bytes([len(body)]) + body)
            s.sendall(b"\x00\x01x")

    def test_ping_is_answered(self):
        s = self.shaken()
        s.sendall(b"\x04\x0b\x04PING\x00\x0aABCD")
        self.assertEqual(self.exactly(s, 11), b"\x04\x09\x04PONGABCD")

    def test_many_peers(self):
        peers = [self.raw("hb") for _ in range(100)]
        self.assertEqual(len(peers), 100)

    def test_a_reader_that_never_reads_holds_nobody_else_up(self):
        a = attempt(self, "slow-a")
        deaf = zmq.Context()
        sub = deaf.socket(zmq.SUB)
        sub.linger, sub.rcvhwm = 0, 1
        sub.subscribe("")
        with open(a.file, encoding="utf-8") as f:
            info = json.load(f)
        sub.connect(f"ipc://{info['ip']}-{info['iopub_port']}")
        self.assertTrue(sub.poll(5000))
        ident = a.send('for (i <- 1 to 2000) println("x" * 10000)', "x")
        time.sleep(0.2)
        self.assertEqual(kernel.run("1 + 1").status, "ok")
        sub.close()
        deaf.term()
        self.assertEqual(a.wait(ident).status, "ok")


def load_tests(loader, tests, pattern):
    """The end comes last."""
    suite = unittest.TestSuite()
    here = sys.modules[__name__]
    for case in (Protocol, Splitting, Running, Failing, HandOver, Isolation, Interrupting, Output, Progress, Jars, Hostile, End):
        suite.addTests(loader.loadTestsFromTestCase(getattr(here, case.__name__)))
    return suite


class End(unittest.TestCase):
    def test_shutdown_leaves_nothing(self):
        attempt_left_open = kernel.open("left-open", env={})
        attempt_left_open.send("Thread.sleep(60000)", "x")
        start = time.monotonic()
        self.assertEqual(kernel.ask("shutdown_request", restart=False), {"status": "ok", "restart": False})
        self.assertEqual(kernel.process.wait(10), 0)
        self.assertLess(time.monotonic() - start, 5)
        self.assertEqual(os.listdir(os.path.join(folder, "tmp")), [])
        left = [os.path.join(d, f) for d, _, files in os.walk(folder) for f in files if os.path.basename(d).startswith("tmp") and not f.endswith(".json")]
        self.assertEqual(left, [])
        attempt_left_open.close()
