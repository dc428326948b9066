"""Packages of PySpark actions: in the action, and in the workers that run its functions; two actions of one session with contradictory pins."""
import json
import pathlib
import shutil
import unittest

from deps_test import LOCAL, DepsHouse
from house import cache_folder


def pyspark(name, **more):
    return {"name": name, "runner": {"group": "spark", "type": "pyspark"}, "file": f"{name}.py", "retry": {"attempts": 1}, **more}


class Workers(DepsHouse):
    """In the cache of all, since Spark's class archive is good for its own path alone; what these tests make there they remove."""

    def setUp(self):
        super().setUp()
        self.env["XDG_CACHE_HOME"] = cache_folder()

    def tearDown(self):
        super().tearDown()
        for made in pathlib.Path(cache_folder(), "amaterasu/python").glob("env-*/lib/*/site-packages/each"):
            shutil.rmtree(made.parents[3])

    def test_workers_have_the_packages_of_their_action(self):
        """And pyspark itself stays the session's, whatever a job names."""
        source = ("import each, sys, pyspark\nfrom pyspark.sql.functions import udf\n"
                  "def seen(_):\n    import each, sys\n    return each.__version__ + ' ' + sys.prefix\n"
                  "there = {r[0] for r in spark.range(4).repartition(2).select(udf(seen)('id')).collect()}\n"
                  "print(each.__version__, there == {each.__version__ + ' ' + sys.prefix}, pyspark.__version__ == spark.version)\n")
        job = self.job([pyspark("a"), pyspark("b")],
                       {"deps/requirements.txt": LOCAL + "pyspark==1.0\n", "src/a/requirements.txt": "each==1.0\n", "src/b/requirements.txt": "each==2.0\n", "src/a.py": source, "src/b.py": source},
                       [("each", "1.0", "", ["py4j<0.1"]), ("each", "2.0")], master="local[2]")
        events = self.run_events(job, timeout=400)
        self.assertEqual([events.said(action=name) for name in "ab"], ["1.0 True True\n", "2.0 True True\n"], json.dumps(events))


if __name__ == "__main__":
    unittest.main()
