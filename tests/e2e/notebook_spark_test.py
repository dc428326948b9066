"""Notebooks in the run's own Spark session, in Scala and in Python: cell by cell, with data frames from other actions and for them, and what is left of each."""
import base64
import json
import os
import pathlib
import shutil
import signal
import subprocess
import unittest

from house import Repo, SOURCE, cache_folder
from spark_house import SparkHouse, scala


def book(kernel, *cells):
    """A cell may be (source, tag)."""
    made = [cell if isinstance(cell, tuple) else (cell,) for cell in cells]
    language = "scala" if kernel.startswith("amaterasu") else "python"
    return json.dumps({"cells": [{"cell_type": "code", "id": f"c{n}", "execution_count": None, "metadata": {"tags": tags} if tags else {}, "outputs": [], "source": source}
                                 for n, (source, *tags) in enumerate(made)],
                       "metadata": {"kernelspec": {"display_name": kernel, "name": kernel, "language": language}}, "nbformat": 4, "nbformat_minor": 5})


def in_scala(*cells):
    return book("amaterasu-spark", *cells)


def in_python(*cells):
    return book("python3", *cells)


def notebook(name, **more):
    return {"name": name, "runner": {"group": "spark", "type": "notebook"}, "file": f"{name}.ipynb", "retry": {"attempts": 1}, **more}


class SparkNotebooks(SparkHouse):
    def kept(self, events, action):
        """What the action has left, judged by nbformat itself."""
        told = events.one("artifact", action=action)
        self.assertEqual(told["media_type"], "application/x-ipynb+json")
        tools = pathlib.Path(subprocess.run([SOURCE / "tests/tools/kernels.sh", f"{cache_folder()}/amaterasu"], check=True, capture_output=True, text=True).stdout.strip())
        judge = "import nbformat, sys; nbformat.validate(nbformat.read(sys.argv[1], as_version=nbformat.NO_CONVERT))"
        done = subprocess.run([tools / "bin/python", "-W", "error", "-c", judge, told["path"]], capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return json.loads(pathlib.Path(told["path"]).read_text())["cells"]

    def test_the_example(self):
        """A Scala action, a notebook in our kernel, a plot in Python: one data set in one session."""
        shutil.copytree(SOURCE / "examples/notebook", self.folder / "source")
        files = {str(p.relative_to(self.folder / "source")): p.read_text() for p in (self.folder / "source").rglob("*") if p.is_file()}
        events = self.run_events(Repo(self.folder / "example", files), timeout=400)
        self.assertEqual([e["state"] for e in events.find("attempt.ended")], ["succeeded"] * 3)
        self.assertEqual([e["phase"] for e in events.find("phase.ended", status="ok")].count("session"), 1)
        look, chart = self.kept(events, "look"), self.kept(events, "chart")
        self.assertEqual(look[2]["source"], "// Parameters\nval least = 5\n")
        self.assertIn("<td>harbour</td><td>11</td><td>146</td>", look[4]["outputs"][0]["data"]["text/html"])
        self.assertIn("|harbour|  11|146|", events.said(action="look"))
        picture = next(o["data"]["image/png"] for o in chart[-1]["outputs"] if "image/png" in o.get("data", {}))
        self.assertEqual(base64.b64decode(picture)[:8], b"\x89PNG\r\n\x1a\n")
        self.assertIn("<Figure size 400x300 with 1 Axes> (image/png in chart.ipynb)", events.said(action="chart"))

    def test_there_and_back(self):
        repo = self.job([scala("a"), notebook("b", params={"least": 3}), notebook("c", params={"least": 4}), scala("d")], {
            "a.scala": "val ns = spark.range(6).toDF(\"n\")\nprintln(sc.applicationId)\n",
            "b.ipynb": in_scala(("val least = 0", "parameters"), "case class P(n: Long)\nobject P\nval ns = AmaContext.getDataFrame(\"a\", \"ns\")\nprintln(sc.applicationId)\nval high = ns.where($\"n\" >= least)\nhigh.count",
                                ("sys.error(\"expected\")", "raises-exception"), "  \n", "display.html(\"<b>x</b>\"); env.configuration(\"limit\")"),
            "c.ipynb": in_python(("least = 0", "parameters"), "print(sc.applicationId)\nhigh = ama_context.get_dataframe('b', 'high').where(f'n >= {least}')\nhigh.count()",
                                 "from amaterasu.pyspark.runtime import AmaContext\nAmaContext.builder().build() is ama_context, env.configuration['limit'], ama_context.env.name"),
            "d.scala": "AmaContext.getDataFrame(\"c\", \"high\").collect().map(_.getLong(0)).sum\n"})
        events = self.run_events(repo, timeout=400)
        self.assertEqual(len({text for text in events.lines(stream="stdout") if text.startswith("local-")}), 1)
        values = [(e["file"], e["line"], e["end_line"], e["status"], e.get("value", "")) for e in events.find("statement.ended") if e["action"] in ("b", "d")]
        self.assertEqual(values[0], ("src/b.ipynb#1", 1, 1, "ok", "least: Int = 0"))
        self.assertEqual(values[1], ("src/b.ipynb#2", 1, 2, "ok", "least: Int = 3"))
        self.assertEqual(values[2][:4], ("src/b.ipynb#3", 1, 6, "ok"))
        self.assertRegex(values[2][4], r"high: Dataset\[Row\] = \[n: bigint\]\nres\d: Long = 3$")
        self.assertEqual([v[0] for v in values[3:5]], ["src/b.ipynb#4", "src/b.ipynb#5"])
        self.assertIn("= 9", values[-1][4])
        cells = self.kept(events, "b")
        self.assertEqual([c["execution_count"] for c in cells], [1, 2, 3, 4, None, 5])
        self.assertEqual([o["output_type"] for o in cells[2]["outputs"]], ["stream", "execute_result"])
        self.assertEqual(cells[3]["outputs"][0]["ename"], "java.lang.RuntimeException")
        self.assertEqual(cells[5]["outputs"][0]["data"]["text/html"], "<b>x</b>")
        cells = self.kept(events, "c")
        self.assertEqual(cells[-1]["outputs"][0]["data"]["text/plain"], "(True, 40, 'default')")

    def test_a_failure_names_cell_and_line_and_leaves_the_notebook(self):
        for name, document, error in (("s", in_scala("def f(n: Int) =\n  1 / n", "println(\"before\")\n\nf(0)", "println(\"never\")"), "java.lang.ArithmeticException"),
                                      ("p", in_python("def f(n):\n    return 1 // n", "print('before')\n\nf(0)", "print('never')"), "ZeroDivisionError")):
            with self.subTest(name):
                events = self.run_events(self.job([notebook(name)], {f"{name}.ipynb": document}, name=name), exit=1, timeout=400)
                bad = events.one("statement.ended", status="error")
                self.assertEqual((bad["error"]["name"], [(f["file"], f["line"]) for f in bad["error"]["frames"]]), (error, [(f"src/{name}.ipynb#1", 2), (f"src/{name}.ipynb#2", 3)]))
                cells = self.kept(events, name)
                self.assertEqual([[o["output_type"] for o in c["outputs"]] for c in cells][1:], [["stream", "error"], []])

    def test_what_does_not_compile(self):
        events = self.run_events(self.job([notebook("s", retry={"attempts": 3})], {"s.ipynb": in_scala("val a = 1", "val b: Int = 2\nval c: Int = \"no\"")}), exit=1, timeout=400)
        end = events.one("attempt.ended")
        self.assertEqual((end["cause"], end["file"], end["line"]), ("syntax", "src/s.ipynb#2", 2))
        self.assertEqual(self.kept(events, "s")[1]["outputs"][-1]["ename"], "CompileError")

    def test_the_driver_is_killed(self):
        run = self.start("run", self.job([notebook("s")], {"s.ipynb": in_scala("val a = 1", "println(s\"pid ${ProcessHandle.current.pid}\")\nThread.sleep(600000)")}), "--report-format", "ndjson")
        text = self.wait_for_line(run, '"text":"pid ')
        os.kill(int(text.rpartition('"text":"pid ')[2].split('"')[0]), signal.SIGKILL)
        events = self.checked(text + self.finish(run)[0])
        self.assertEqual(events.one("attempt.ended")["cause"], "session-lost")
        cells = self.kept(events, "s")
        self.assertEqual([o["output_type"] for o in cells[1]["outputs"]], ["stream", "error"])
        self.assertIn("SIGKILL", cells[1]["outputs"][1]["evalue"])

    def test_a_timeout_ends_the_cell_and_its_jobs_and_the_session_goes_on(self):
        after = {"after.scala": "println(s\"jobs ${sc.statusTracker.getActiveJobIds.length}\")\n"}
        for name, limit, document in (("s", "6s", in_scala("val a = 1", "println(\"up\")\nsc.parallelize(1 to 2, 2).map { n => Thread.sleep(600000); n }.sum")),
                                      ("p", "15s", in_python("a = 1", "import time\ndef wait(n):\n    time.sleep(600)\n    return n\nprint('up')\nsc.parallelize([1], 1).map(wait).sum()"))):
            with self.subTest(name):
                repo = self.job([notebook(name, timeout=limit, error=scala("after"))], {f"{name}.ipynb": document, **after}, name=name)
                events = self.run_events(repo, exit=3, timeout=400)
                self.assertEqual([e["state"] for e in events.find("attempt.ended")], ["timed_out", "succeeded"])
                self.assertEqual(events.lines(stream="stdout", action="after"), ["jobs 0"])
                self.assertEqual([e["phase"] for e in events.find("phase.ended", status="ok")].count("session"), 1)
                self.assertEqual(self.kept(events, name)[1]["outputs"][0]["text"], "up\n")


if __name__ == "__main__":
    unittest.main()
