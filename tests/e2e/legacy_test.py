"""Repositories as each generation of Amaterasu wrote them run to their end on Spark, unchanged but for where they write."""
import json
import unittest

from house import Repo, SOURCE
from spark_house import SparkHouse, pyspark, scala, sql


class Legacy(SparkHouse):
    def example(self, name):
        """Its repository, whose roots are below the house."""
        self.root = self.folder / "there"
        self.out = self.root / "out"
        files = {}
        for path in (SOURCE / "examples" / name).rglob("*"):
            if path.is_file():
                files[str(path.relative_to(SOURCE / "examples" / name))] = path.read_text().replace(f"/tmp/{name}/", f"{self.root}/")
        self.assertTrue(any(str(self.root) in text for text in files.values()))
        return Repo(self.folder / name, files)

    def lines(self, events, action):
        return events.lines(action=action, stream="stdout")

    def test_0_1(self):
        """In a storm the tally fails three times, and the error action says so with a library of deps/jars.yml; what comes after it is skipped. By default all of it runs."""
        repo = self.example("legacy-0.1")
        events = self.run_events(repo, "--env", "storm", exit=3, timeout=500)
        self.assertEqual([(e["action"], e["state"]) for e in events.find("action.ended")],
                         [("load", "succeeded"), ("tally", "failed"), ("berth", "skipped"), ("shout", "succeeded")])
        self.assertEqual(self.lines(events, "shout"), [r'{"text":"too much at once:\ncall the harbour master"}'])
        failed = events.find("statement.ended", action="tally", status="error")
        self.assertEqual([(e["line"], e["error"]["message"]) for e in failed], [(13, "3675 tonnes are more than 40")] * 3)

        events = self.run_events(repo, timeout=500)
        self.assertEqual({e["state"] for e in events.find("action.ended")}, {"succeeded"})
        self.assertIn("100 ships, 49 of them heavy: 3675 tonnes in default", self.lines(events, "tally"))
        worst = [json.loads(line)["ship"] for part in (self.out / "worst").glob("part-*") for line in part.read_text().splitlines()]
        self.assertEqual(worst, ["ship 27", "ship 54", "ship 81"])
        self.assertTrue((self.root / "work" / events[0]["run"] / "berth/kept").is_dir())

    def test_final(self):
        """Named datasets, an environment without a job.yml, and configuration for single actions by both ways."""
        events = self.run_events(self.example("legacy-final"), "--env", "night", exit=3, timeout=500)
        self.assertEqual([(e["action"], e["state"]) for e in events.find("action.ended")],
                         [("pull", "succeeded"), ("model", "succeeded"), ("check", "failed"), ("page", "succeeded")])
        km = [n * 13 % 41 for n in range(40)]
        far = sum(k > 30 for k in km)
        self.assertEqual(self.lines(events, "model"), [
            f"40 trips, {far} far ones, 5 vans in the table; unit miles, rounds 3, weather of hill, shuffled 2",
            "not loaded: cache is a dataset of the type redis, which can not be loaded"])
        self.assertEqual(self.lines(events, "check"), ['actionName: "check"', f"{sum(km)} km"] * 3)
        self.assertEqual(self.lines(events, "page"), ["paging the night watch"])

    def test_0_2(self):
        """Scala, SQL and Python hand over what `exports` names; in the lab Python fails three times and its error action, whose runner is a block, handles it."""
        events = self.run_events(self.example("legacy-0.2"), "--env", "lab", exit=3, timeout=500)
        self.assertEqual([(e["action"], e["state"]) for e in events.find("action.ended")],
                         [("collect", "succeeded"), ("sift", "succeeded"), ("score", "failed"), ("apologise", "succeeded")])
        self.assertEqual(len(events.find("attempt.ended", action="score", state="failed")), 3)
        self.assertIn("collected 40 in job " + events[0]["run"], self.lines(events, "collect"))
        ended = [e["value"] for e in events.find("statement.ended", action="sift")]
        work = self.root / "work" / events[0]["run"]
        self.assertIn("|Of Interest|", ended[-2])
        self.assertEqual(ended[-1], f"{work}/sift/late")
        self.assertEqual([e.get("value") for e in events.find("statement.ended", action="collect")][-2:], [f"{work}/collect/delays", f"{work}/collect/stops"])
        self.assertIn("4 lines of 5 stops, station central,, feed timetable", self.lines(events, "score"))
        self.assertEqual(self.lines(events, "apologise"), ["sorry for 11 minutes, says lab"])
        rows = [json.loads(line) for part in (self.out / "scores").glob("part-*") for line in part.read_text().splitlines()]
        self.assertEqual({row["line"]: row["worst"] for row in rows}, {"line 0": 8, "line 1": 11, "line 2": 10, "line 3": 9})

    def test_what_old_versions_lost_in_silence(self):
        """Statements of several lines, imports that fail, copies that are not written, queries that fail, what comes after an error: each is run, or ends its action."""
        alone = {"depends-on": [], "retry": {"attempts": 1}}
        bad = pyspark("python", **alone)
        repo = self.job([scala("lines", **alone), scala("imports", **alone), scala("copy", **alone), sql("query", **alone), bad, sql("words", **{"depends-on": ["lines"]})], {
            "lines.scala": "val words =\n  Seq(\"One\", \"two\")\n    .toDF(\"Word\")\nwords\n  .count\n",
            "imports.scala": "import no.such.thing._\nval x = 1\n",
            "copy.scala": "val some = spark.range(3).toDF\nAmaContext.saveDataFrame(some, \"\\u0000\", \"some\")\nprintln(\"never\")\n",
            "query.sql": "select * from no_such_table",
            "python.py": "print('first')\n1 / 0\nprint('never')\n",
            "words.sql": "SELECT  Word,   'A  B' AS Text FROM  AMACONTEXT_lines_words  WHERE Word = 'One'"})
        events = self.run_events(repo, exit=1, timeout=500)
        self.assertEqual({e["action"]: e["state"] for e in events.find("action.ended")},
                         {"lines": "succeeded", "words": "succeeded", "imports": "failed", "copy": "failed", "query": "failed", "python": "failed"})
        self.assertEqual([(e["line"], e["end_line"]) for e in events.find("statement.started", action="lines")], [(1, 3), (4, 5)])
        self.assertIn("= 2", events.find("statement.ended", action="lines")[-1]["value"])
        self.assertIn("|Word|Text|", events.find("statement.ended", action="words")[-1]["value"])
        self.assertIn("| One|A  B|", events.find("statement.ended", action="words")[-1]["value"])
        self.assertEqual(events.find("statement.ended", action="imports", status="error")[0]["line"], 1)
        self.assertEqual(events.find("statement.ended", action="copy", status="error")[0]["line"], 2)
        self.assertEqual(self.lines(events, "python"), ["first"])
        self.assertEqual(self.lines(events, "copy"), [])


if __name__ == "__main__":
    unittest.main()
