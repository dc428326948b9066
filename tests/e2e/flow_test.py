"""What the planner finds in sources: ama plan shows who reads what of whom, refuses what can not be right, and ama validate tells syntax; with no daemon and no JVM."""
import json
import pathlib
import tempfile
import unittest

from house import House, SOURCE

MAKI = """job-name: flow
flow:
  - { name: start, type: spark-scala, file: start.scala }
  - { name: refine, runner: { group: spark, type: pyspark }, file: refine.py }
  - { name: share, runner: { group: spark, type: sparkr }, file: share.R }
  - { name: rank, runner: { group: spark, type: sql }, file: rank.sql }
  - { name: tell, runner: shell, file: tell.sh }
"""
GOOD = {
    "start.scala": 'val odd = spark.range(9).toDF\nval even = odd.where($"id" > 1)\n',
    "refine.py": 'odd = ama_context.get_dataframe("start", "odd")\n',
    "share.R": 'x <- getDataFrame("refine", "odd")\n',
    "rank.sql": "select * from amacontext_START_even;\n",
    "tell.sh": "echo told\n",
}


class Flow(House):
    def job(self, **changed):
        folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        (folder / "src").mkdir()
        (folder / "env/default").mkdir(parents=True)
        (folder / "env/default/job.yml").write_text("master: local[1]\n")
        (folder / "maki.yml").write_text(MAKI)
        for name, text in {**GOOD, **changed}.items():
            (folder / "src" / name).write_text(text)
        return folder

    def plan(self, folder):
        done = self.ama("plan", folder, "-o", "json")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return json.loads(done.stdout)

    def test_edges_in_every_language(self):
        told = self.plan(self.job())
        self.assertEqual([(e["from"], e["dataset"], e["to"]) for e in told["edges"]],
                         [("start", "odd", "refine"), ("refine", "odd", "share"), ("start", "even", "rank")])
        reads = {a["name"]: a["reads"] for a in told["actions"]}
        self.assertEqual(reads["share"], [{"action": "refine", "dataset": "odd", "file": "src/share.R", "line": 1, "column": 6, "certain": True}])
        self.assertEqual(reads["start"], [])
        self.assertIn("  start.odd → refine\n", self.ama("plan", self.job()).stdout)

    def test_names_that_are_no_literals(self):
        folder = self.job(**{"share.R": 'for (n in c("odd", "even")) getDataFrame("start", n)\ndo.call("getDataFrame", list("refine", "odd"))\n'})
        told = self.plan(folder)
        share = [(r["action"], r["dataset"], r["line"], r["certain"]) for a in told["actions"] if a["name"] == "share" for r in a["reads"]]
        self.assertEqual(share, [("start", "*", 1, False), ("refine", "*", 2, False)])
        self.assertIn("  start.* → share  may be read: src/share.R:1:29\n", self.ama("plan", folder).stdout)

    def test_what_can_not_be_right(self):
        """Before anything starts, all at once, each with its place and what would be right."""
        folder = self.job(**{"refine.py": 'a = ama_context.get_dataframe("strat", "odd")\nb = ama_context.get_dataframe("start", "od_d")\n'
                                          'c = ama_context.get_dataframe("rank", "result")\nd = ama_context.get_dataset("trips")\n'})
        self.assertIn("src/refine.py:1: no action is called ‘strat’", self.ama("run", folder).stderr)
        done = self.ama("plan", folder)
        self.assertEqual(done.returncode, 2, done.stdout + done.stderr)
        for line in ("src/refine.py:1:5: error: no action is called ‘strat’ (did you mean start?)",
                     "src/refine.py:2:5: error: the action ‘start’ leaves no ‘od_d’: ‘src/start.scala’ does not name it",
                     "src/refine.py:3:5: error: reads ‘result’ of ‘rank’, which does not come before it (add rank to depends-on of refine)",
                     "src/refine.py:4:5: error: the environment has no dataset ‘trips’"):
            self.assertIn(line, done.stderr)

    def test_what_may_be_right_is_no_error(self):
        """A try, a branch, a name made at run time, a module beside it: none of them is refused."""
        wrong = 'odd = ama_context.get_dataframe("start", "nope")\n'
        for text, start in ((f"try:\n    {wrong}except Exception:\n    pass\n", None), (f"if odd:\n    {wrong}", None),
                            (wrong, 'AmaContext.saveDataFrame(df, "start", prefix + "pe")\n')):
            changed = {"refine.py": text, **({"start.scala": start} if start else {})}
            self.plan(self.job(**changed))
        folder = self.job(**{"refine.py": wrong, "helper.py": "x = 1\n"})
        self.plan(folder)

    def test_syntax(self):
        folder = self.job(**{"refine.py": "x = 1\ny = = 2\n", "share.R": "x <- (1\n", "start.scala": "val x = (\n", "tell.sh": "if true; then\n"})
        done = self.ama("validate", folder)
        self.assertEqual(done.returncode, 2, done.stdout + done.stderr)
        told = done.stdout + done.stderr
        for line in ("src/refine.py:2:5: error: this is not the syntax of Python", "src/share.R:1:6: error: this is not the syntax of R",
                     "src/start.scala:1:9: warning: this may be a syntax error of Scala", "src/tell.sh:1:1: warning: this may be a syntax error of bash"):
            self.assertRegex(told, line.replace(".", r"\.").replace(":1:9:", r":1:\d+:").replace(":1:6:", r":1:\d+:").replace(":1:1:", r":1:\d+:").replace(":2:5:", r":2:\d+:"))
        self.assertEqual(self.ama("plan", folder).returncode, 0)

    def test_no_example_is_wrong(self):
        for folder in sorted(p.parent for p in (SOURCE / "examples").glob("*/maki.yml")):
            told = self.ama("validate", folder)
            self.assertNotIn("syntax", told.stdout + told.stderr, folder)
            self.assertEqual(told.returncode, 0, f"{folder}: {told.stdout}{told.stderr}")

    def test_too_large_is_said(self):
        done = self.ama("plan", self.job(**{"refine.py": GOOD["refine.py"] + "x = 1\n" * 20000}))
        self.assertEqual(done.returncode, 0)
        self.assertIn("src/refine.py: warning: the file is too large to be analysed", done.stderr)


if __name__ == "__main__":
    unittest.main()
