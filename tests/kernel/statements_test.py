"""Statements: how they are cut, run, shown and how they fail."""
import os
import time
import unittest

import kernel_house as house

HARD = os.path.join(os.path.dirname(os.path.abspath(__file__)), "hard.scala")
setUpModule, tearDownModule = house.start, house.stop


class Protocol(house.Scoped):
    def test_answers_before_spark_is_up(self):
        self.assertEqual(house.kernel.session["status"], "ok", house.kernel.session)
        self.assertLess(house.kernel.bound_ms, house.kernel.session["ms"])

    def test_session_describes_itself(self):
        s = house.kernel.session
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
            self.assertEqual(house.kernel.ask(kind)["status"], "error")

    def test_what_waits_behind_an_error_is_aborted(self):
        first, second = self.a.send("{ Thread.sleep(1000); 1/0 }", "x"), self.a.send("val never = 1", "x")
        self.assertEqual([self.a.wait(first).status, self.a.wait(second).status], ["error", "aborted"])
        self.assertEqual(self.failed("never").ama["kind"], "compile")

    def test_what_is_said_after_the_reply_of_an_error_is_not(self):
        for _ in range(30):
            first = self.a.send("1/0", "x")
            self.a.early[(first, "reply")] = self.a.client.get_shell_msg(timeout=60)
            second = self.a.send("1", "x")
            self.assertEqual([self.a.wait(first).status, self.a.wait(second).status], ["error", "ok"])

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
                got = house.split(code)
                self.assertEqual(got["status"], "ok", got)
                self.assertEqual([(s["line"], s["end_line"]) for s in got["statements"]], [(a, b) for a, b, _ in expected])
                for s, (_, _, text) in zip(got["statements"], expected):
                    self.assertTrue(s["code"].endswith(text), s)

    def test_errors(self):
        for name, code, line, column in self.ERRORS:
            with self.subTest(name):
                got = house.split(code)
                self.assertEqual(got["status"], "error", got)
                self.assertEqual(got["line"], line, got)
                if column:
                    self.assertEqual(got["column"], column, got)
                self.assertTrue(got["evalue"])

    def test_kinds(self):
        got = house.split("import a.b\nclass C\nval v = 1\ndef d = 2\nv + d")
        self.assertEqual([s["kind"] for s in got["statements"]], ["import", "definition", "value", "definition", "expression"])

    def test_first_line_shifts(self):
        got = house.split("val a = 1\nval b = 2", first_line=40)
        self.assertEqual([s["line"] for s in got["statements"]], [40, 41])

    def test_import_without_the_word(self):
        got = house.split('val s = """\na.b._\n"""\nio.shinto.amaterasu.runtime._\n\n  a.b._\n')
        self.assertEqual([s["code"] for s in got["statements"]][1:], ["import io.shinto.amaterasu.runtime._", "import a.b._"])
        self.assertEqual([w["line"] for w in got["warnings"]], [4, 6])
        self.assertIn("\na.b._\n", got["statements"][0]["code"])

    def test_companions_apart_are_warned_of(self):
        got = house.split("class P\nval x = 1\nobject P")
        self.assertEqual([(w["line"]) for w in got["warnings"]], [3])
        self.assertEqual(len(got["statements"]), 3)

    def test_a_large_source_is_cut_in_time(self):
        start = time.monotonic()
        got = house.split("\n".join(f"val v{i} = {i}" for i in range(20000)))
        self.assertEqual(len(got["statements"]), 20000)
        self.assertLess(time.monotonic() - start, 10)


class Running(house.Scoped):
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


class Failing(house.Scoped):
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
        self.assertEqual(done.ename, "Odd")
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
