"""Repositories as each generation of Amaterasu wrote them run to their end on Spark, unchanged but for where they write."""
import json
import unittest

from house import Repo, SOURCE
from spark_house import SparkHouse


class Legacy(SparkHouse):
    def example(self, name):
        """Its repository, whose roots are below the house."""
        self.out = self.folder / "out"
        files = {}
        for path in (SOURCE / "examples" / name).rglob("*"):
            if path.is_file():
                files[str(path.relative_to(SOURCE / "examples" / name))] = path.read_text().replace(f"/tmp/{name}/", f"{self.out}/")
        self.assertTrue(any(str(self.out) in text for text in files.values()))
        return Repo(self.folder / name, files)

    def lines(self, events, action):
        return [line for e in events.find("output", action=action, stream="stdout") for line in e["text"].splitlines()]

    def test_0_2(self):
        """Scala, SQL and Python hand over what `exports` names; in the lab Python fails three times and its error action, whose runner is a block, handles it."""
        events = self.run_events(self.example("legacy-0.2"), "--env", "lab", exit=3, timeout=500)
        self.assertEqual([(e["action"], e["state"]) for e in events.find("action.ended")],
                         [("collect", "succeeded"), ("sift", "succeeded"), ("score", "failed"), ("apologise", "succeeded")])
        self.assertEqual(len(events.find("attempt.ended", action="score", state="failed")), 3)
        self.assertIn("collected 40 in job " + events[0]["run"], self.lines(events, "collect"))
        self.assertIn("|Of Interest|", events.find("statement.ended", action="sift")[-1]["value"])
        self.assertIn("4 lines of 5 stops, station central,, feed timetable", self.lines(events, "score"))
        self.assertEqual(self.lines(events, "apologise"), ["sorry for 11 minutes, says lab"])
        rows = [json.loads(line) for part in (self.out / "out/scores").glob("part-*") for line in part.read_text().splitlines()]
        self.assertEqual({row["line"]: row["worst"] for row in rows}, {"line 0": 8, "line 1": 11, "line 2": 10, "line 3": 9})


if __name__ == "__main__":
    unittest.main()
