"""What lies around statements: attempts that hand over, run in parallel, are interrupted, print; jars; hostile peers; the end."""
import contextlib
import json
import os
import re
import shutil
import socket
import struct
import subprocess
import threading
import time
import unittest

import zmq

import kernel_house as house
from kernel_client import new_connection

setUpModule, tearDownModule = house.start, house.stop


class HandOver(unittest.TestCase):
    def script(self, connection, text, file):
        for s in connection.script(text, file):
            self.assertEqual(s.status, "ok", s)
        return s

    def test_values_of_a_finished_action(self):
        start = house.kernel.open("h-start-1", "start", env={})
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
        names = {(n["action"], n["name"]) for n in house.kernel.ask("ama_names_request")["names"]}
        self.assertNotIn(("start", "rdd"), names)
        published = house.kernel.ask("ama_close_request", scope="h-start-1", publish=True)
        start.close()
        self.assertEqual({p["name"]: p["kind"] for p in published["published"]},
                         dict(rdd="RDD", odd="DataFrame", items="Dataset", later="Dataset", risky="RDD", gone="RDD", changed="RDD"))
        names = {n["name"]: n["kind"] for n in house.kernel.ask("ama_names_request")["names"] if n["action"] == "start"}
        self.assertEqual(names["odd"], "DataFrame")

        a = house.attempt(self, "h-step2-1", "step2")
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
        first = house.kernel.open("r-1", "flaky", env={})
        self.assertEqual(first.run("val secret = 41; val rdd = sc.parallelize(1 to 3); case class P(n: Int)", "src/f.scala").status, "ok")
        self.assertEqual(house.kernel.ask("ama_close_request", scope="r-1", publish=False)["published"], [])
        first.close()
        again = house.attempt(self, "r-2", "flaky")
        self.assertEqual(again.run("secret", "src/f.scala").ama["kind"], "compile")
        done = again.script('case class P(s: String)\nspark.createDataset(Seq(P("x"))).map(p => P(p.s * 2)).collect().toList', "src/f.scala")
        self.assertRegex(done[-1].value, "xx")
        self.assertIn("no dataset 'rdd'", again.run('AmaContext.getRDD[Int]("flaky", "rdd")', "src/f.scala").evalue)

    def test_stored_copies(self):
        work = os.path.join(house.folder, "work")
        a = house.attempt(self, "s-1", "saver", workingDir=work)
        self.assertEqual(a.run('AmaContext.saveDataFrame(spark.range(5).toDF(), "saver", "five"); AmaContext.saveRDD(sc.parallelize(1 to 4), "saver", "four")', "x").status, "ok")
        self.assertTrue(os.path.isdir(os.path.join(work, "run-1", "saver", "five")))
        self.assertRegex(a.run('AmaContext.getDataFrame("saver", "five").count() + AmaContext.getRDD[Int]("saver", "four").count()', "x").value, "= 9$")
        self.assertIn("no dataset 'six'", a.run('AmaContext.getDataFrame("saver", "six")', "x").evalue)

    def test_named_datasets(self):
        """As PySpark's AmaContext has them: files with their options, modes, tables, and what can not be loaded."""
        at = os.path.join(house.folder, "named")
        a = house.attempt(self, "n-1", "named", datasets={
            "tab": {"type": "file", "name": "tab", "uri": f"file://{at}/tab", "format": "csv", "separator": ";", "header": True},
            "grow": {"type": "file", "name": "grow", "url": f"{at}/grow", "mode": "Append", "options": {"compression": "none"}},
            "rows": {"type": "hive", "name": "rows", "table": "rows_named"},
            "api": {"type": "generic", "name": "api", "endpoint": "e"},
            "cache": {"type": "redis", "name": "cache"}})
        self.assertEqual(a.run('val rows = Seq((1, "a"), (2, "b;c")).toDF("n", "text")\nfor (name <- Seq("tab", "grow", "grow")) AmaContext.persist(name, rows)', "x").status, "ok")
        for code, value in (('AmaContext.getDataset("tab").as[(String, String)].collect().toList.sorted', r'List\(\(1,a\), \(2,b;c\)\)'), ('AmaContext.getDataset("grow").count', "4"),
                            ('AmaContext.persist("grow", rows, true); AmaContext.getDataset("grow").count', "2"), ('AmaContext.persist("rows", rows); AmaContext.getDataset("rows").count', "2"),
                            ('AmaContext.datasetConfiguration("api")("endpoint")', "e")):
            self.assertRegex(a.run(code, "x").value, f"= {value}$", code)
        with open(next(os.path.join(at, "tab", name) for name in os.listdir(os.path.join(at, "tab")) if name.startswith("part-"))) as file:
            self.assertEqual(file.readline(), "n;text\n")
        for code, text in (('AmaContext.persist("tab", rows, false)', "already exists"), ('AmaContext.getDataset("nothing")', "there is no dataset nothing; there is api, cache, grow, rows, tab"),
                           ('AmaContext.getDataset("api")', "api is a generic dataset"), ('AmaContext.persist("cache", rows)', "type redis")):
            self.assertIn(text, a.run(code, "x").evalue)
        self.assertEqual(a.run('sc.parallelize(1 to 2).map(_ => env.datasets("tab").kind).first', "x").value.split(" = ")[-1], "file")
        self.assertNotIn("NamedData", a.run("env", "x").value)
        a.run('spark.sql("drop table rows_named")', "x")

    def test_closing_needs_an_idle_scope(self):
        a = house.attempt(self, "busy-1")
        ident = a.send("Thread.sleep(30000)", "x")
        a.hear(ident, "execute_input")
        self.assertIn("still running", house.kernel.ask("ama_close_request", scope="busy-1", publish=True)["evalue"])
        a.ask("interrupt_request")
        self.assertEqual(a.wait(ident).ename, "Interrupted")

    def test_closed_attempts_leave_no_compiler_behind(self):
        """What they published stays, and so do its classes; the interpreter must not, nor more compilers, of some ten megabytes each, than are kept for later ones."""
        main = house.kernel
        for i in range(4):
            a = main.open(f"many-{i}", f"many{i}", env={})
            self.script(a, "case class P(n: Int)\nval ps = sc.parallelize(1 to 4).map(P(_)).toDS()\nlazy val later = spark.range(3)\n"
                           "ps.map(_.n + 1).collect().toList\nval f = udf((n: Int) => 2 * n); ps.select(f($\"n\")).collect().length\n", "src/many.scala")
            self.assertEqual(main.ask("ama_close_request", scope=f"many-{i}", publish=i % 2 == 0)["status"], "ok")
            a.close()
        count = """var left = 99; var tries = 0
while (left > 2 && tries < 20) {
  System.gc(); System.runFinalization(); tries += 1
  val histogram = java.lang.management.ManagementFactory.getPlatformMBeanServer.invoke(
    new javax.management.ObjectName("com.sun.management:type=DiagnosticCommand"), "gcClassHistogram", Array[Object](null), Array("[Ljava.lang.String;"))
  def count(of: String) = histogram.toString.linesIterator.map(_.trim.split(" +")).collect { case Array(_, n, _, name, _*) if name == "org.amaterasu.kernel." + of => n.toInt }.sum
  left = count("Interpreter") max count("Compiler") - 2
}
println(left)"""
        self.assertLessEqual(int(main.run(count).stream()), 2)       # the first connection's own, and the one in reserve
        b = house.attempt(self, "many-after")
        self.assertRegex(b.run('AmaContext.getDataset[Long]("many0", "later").count() + AmaContext.getDataFrame("many2", "ps").count()', "x").value, "= 7$")

    def test_the_next_attempt_finds_nothing_of_the_last(self):
        """It may have the very same compiler."""
        for i, kind in enumerate(("Int", "String", "Boolean")):
            a = house.kernel.open(f"heir-{i}", "heir", env={})
            for code in ("mine", "Mine.deep", "new Point(1)", 'import words._; "a".shout', "val x: Alias = ???"):
                self.assertEqual(a.run(code, "src/heir.scala").ama["kind"], "compile", code)
            value = dict(Int="1", String='"s"', Boolean="true")[kind]
            self.script(a, f"val mine: {kind} = {value}\nobject Mine {{ val deep = mine }}\nclass Point(n: {kind})\ntype Alias = {kind}\nnew Point(Mine.deep)\n"
                           "object words { implicit class Loud(s: String) { def shout = s + \"!\" } }\nimport words._\n\"a\".shout\n", "src/heir.scala")
            self.assertEqual(a.run("throw new Exception", "src/heir.scala").status, "error")
            self.assertRegex(a.run("mine", "src/heir.scala").value, f": {kind} = ")
            house.kernel.ask("ama_close_request", scope=f"heir-{i}", publish=False)
            a.close()

    def test_a_later_import_hides_an_earlier_name(self):
        a = house.attempt(self, "hide-1")
        self.script(a, "val lit = 1; object inner { val lit = 2; val col = 3 }\nval v1 = lit\nimport inner._\nval v2 = lit\nval v3 = col\n"
                       "val col = 4\nval v4 = col\nimport org.apache.spark.sql.functions._\nval v5 = col(\"x\")\n", "src/hide.scala")
        done = a.run("(v1, v2, v3, v4, v5)", "src/hide.scala")
        self.assertRegex(done.value or str(done.evalue), r"= \(1,2,3,4,x\)$")

    def test_scopes_are_checked(self):
        house.attempt(self, "twice-1")
        info = new_connection(house.folder, "ipc")
        with open(info, encoding="utf-8") as f:
            connection = json.load(f)
        for scope, connection, text in (("twice-1", connection, "open already"), ("../x", connection, "not of the form"), ("main", connection, "open already"),
                                        ("fresh", {}, "ip is missing"), ("fresh", dict(connection, shell_port=0), "shell_port"),
                                        ("fresh", dict(connection, ip="/tmp/x"), "0700"), ("fresh", dict(connection, ip="/" + "x" * 200 + "/y"), "longer|No such|name")):
            reply = house.kernel.ask("ama_open_request", connection=connection, scope=scope)
            self.assertEqual(reply["status"], "error")
            self.assertRegex(reply["evalue"], text)
        self.assertIn("no open scope", house.kernel.ask("ama_close_request", scope="nobody", publish=False)["evalue"])
        self.assertIn("shutdown_request only", house.kernel.ask("ama_close_request", scope="main", publish=False)["evalue"])


class Isolation(unittest.TestCase):
    def test_two_attempts_in_parallel(self):
        a, b = house.attempt(self, "iso-a"), house.attempt(self, "iso-b")
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
        a, b = house.attempt(self, "can-a"), house.attempt(self, "can-b")
        [c.run("1", "x") for c in (a, b)]
        ia = a.send('spark.range(0, 100000000000L).selectExpr("sum(id % 7)").collect()', "x")
        ib = b.send('Thread.sleep(300); spark.range(0, 20000000L).selectExpr("sum(id % 7)").as[Long].head()', "x")
        a.hear(ia, "ama_progress")
        self.assertEqual(a.ask("interrupt_request"), {"status": "ok", "interrupted": True})
        self.assertEqual(a.wait(ia).ename, "Interrupted")
        self.assertEqual(b.wait(ib).status, "ok")


class Interrupting(house.Scoped):
    def interrupted(self, code, after, **how):
        ident = self.a.send(code, "src/i.scala")
        self.a.hear(ident, after)
        start = time.monotonic()
        self.a.ask("interrupt_request", **how)
        done = self.a.wait(ident)
        self.assertEqual((done.status, done.ename, done.ama["kind"]), ("error", "Interrupted", "interrupted"))
        self.assertLess(time.monotonic() - start, 10)
        while not re.search(r"List\(\)$", self.value("sc.statusTracker.getActiveJobIds().toList")):  # Spark tells of the end a moment later
            self.assertLess(time.monotonic() - start, 30, "its jobs go on")

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


class Output(house.Scoped):
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
        b = house.attempt(self, "out-b")
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


class Progress(house.Scoped):
    def test_stages(self):
        done = self.a.run("sc.parallelize(1 to 8, 8).map { i => Thread.sleep(250); (i % 2, i) }.reduceByKey(_ + _).collect()", "src/prog.scala", 5)
        told = [(c["stages"], t) for k, c, t in done.heard if k == "ama_progress"]
        self.assertGreater(len(told), 3)
        times = [t for _, t in told]
        self.assertLess((len(times) - 2) / max(times[-1] - times[0], 0.2), 6)          # five a second, and the last
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
        place = os.path.join(house.folder, "jar")
        os.makedirs(place)
        with open(os.path.join(place, "Ext.java"), "w", encoding="utf-8") as f:
            f.write("package ext; public class Ext implements java.io.Serializable { public final int n; public Ext (int n) { this.n = n; }"
                    " public static int twice (int i) { return 2 * i; } }")
        subprocess.run(["javac", "-d", place, os.path.join(place, "Ext.java")], check=True)
        jar = shutil.make_archive(os.path.join(house.folder, "ext"), "zip", place, "ext")
        os.rename(jar, jar[:-3] + "jar")
        jar = jar[:-3] + "jar"
        before = house.attempt(self, "jar-a")
        self.assertEqual(before.run("ext.Ext.twice(2)", "x").status, "error")
        self.assertEqual(house.kernel.ask("ama_jar_request", paths=[jar])["status"], "ok")
        for c in (before, house.attempt(self, "jar-b")):
            self.assertRegex(c.run("ext.Ext.twice(21)", "x").value, "= 42$")
            self.assertRegex(c.run("sc.parallelize(1 to 3, 2).map(i => new ext.Ext(ext.Ext.twice(i))).collect().map(_.n).sum", "x").value, "= 12$")
            self.assertRegex(c.run("val e = new ext.Ext(5); spark.range(2).map(i => i + e.n).collect().sum", "x").value, "= 11$")
            self.assertRegex(c.run('sc.parallelize(1 to 2, 2).map(i => Class.forName("ext.Ext", true, Thread.currentThread.getContextClassLoader).getName).collect().toSet', "x").value, r"Set\(ext.Ext\)$")
        self.assertIn("no such jar", house.kernel.ask("ama_jar_request", paths=["/nowhere.jar"])["evalue"])


class Hostile(unittest.TestCase):
    """What a kernel must survive. Each case ends with a proof that it has."""

    def setUp(self):
        with open(house.kernel.info, encoding="utf-8") as f:
            self.info = json.load(f)
        self.addCleanup(lambda: self.assertEqual(house.kernel.ask("ama_names_request")["status"], "ok"))

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
        self.assertIsNone(house.kernel.process.poll())

    def test_signed_nonsense(self):
        session = house.kernel.client.session
        for parts in ((b"[]", b"{}", b"{}", b"{}"), (b"{", b"{}", b"{}", b"{}"), (b'{"msg_type":"execute_request"}', b"1", b"2", b"3"),
                      (b'{"msg_type":"execute_request","msg_id":7}', b"null", b"[[[]]]", b"null"), (b'{"msg_type":"' + b"\xff" * 9 + b'"}', b"{}", b"{}", b"{}")):
            house.kernel.client.control_channel.socket.send_multipart([b"<IDS|MSG>", session.sign(parts), *parts])
            house.kernel.client.shell_channel.socket.send_multipart([b"<IDS|MSG>", session.sign(parts), *parts])
        self.assertRegex(house.kernel.run("val still = 1").kinds("execute_result")[0]["data"]["text/plain"], "still")

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
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):    # it may have closed already
                s.sendall(b"\x00\x01x")

    def test_ping_is_answered(self):
        s = self.shaken()
        s.sendall(b"\x04\x0b\x04PING\x00\x0aABCD")
        self.assertEqual(self.exactly(s, 11), b"\x04\x09\x04PONGABCD")

    def test_many_peers(self):
        peers = [self.raw("hb") for _ in range(100)]
        self.assertEqual(len(peers), 100)

    def test_a_reader_that_never_reads_holds_nobody_else_up(self):
        a = house.attempt(self, "slow-a")
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
        self.assertEqual(house.kernel.run("1 + 1").status, "ok")
        sub.close()
        deaf.term()
        self.assertEqual(a.wait(ident).status, "ok")


class End(unittest.TestCase):
    def test_shutdown_leaves_nothing(self):
        attempt_left_open = house.kernel.open("left-open", env={})
        attempt_left_open.send("Thread.sleep(60000)", "x")
        start = time.monotonic()
        self.assertEqual(house.kernel.ask("shutdown_request", restart=False), {"status": "ok", "restart": False})
        self.assertEqual(house.kernel.process.wait(10), 0)
        self.assertLess(time.monotonic() - start, 5)
        self.assertEqual(os.listdir(os.path.join(house.folder, "tmp")), [])
        left = [os.path.join(d, f) for d, _, files in os.walk(house.folder) for f in files if os.path.basename(d).startswith("tmp") and not f.endswith(".json")]
        self.assertEqual(left, [])
        attempt_left_open.close()


def load_tests(loader, tests, pattern):
    """The end comes last."""
    return unittest.TestSuite(loader.loadTestsFromTestCase(case)
                              for case in (HandOver, Isolation, Interrupting, Output, Progress, Jars, Hostile, End))
