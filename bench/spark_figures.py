"""Figures on real Spark: a shared session beside spark-submit and spark-shell with the same code, in one run."""
import os
import pathlib
import re
import subprocess

from measure import BIN, ROOT, Row, flow, place

ENV = {"env/default/job.yml": "name: default\nmaster: local[2]\n"}
STEP = """val n{i} = spark.range(0, 200000).selectExpr("id % {k} as k", "id as v")
val g{i} = n{i}.groupBy("k").sum("v")
g{i}.collect().length
"""


def spark_home():
    out = subprocess.run([ROOT / "agent/runners/spark/install.sh", f"{os.environ.get('XDG_CACHE_HOME', ROOT / '.cache')}/amaterasu"], check=True, capture_output=True, text=True).stdout
    return dict(line.split("=", 1) for line in out.splitlines())


def environment(at):
    values = spark_home()
    at.env.update(values)
    at.env.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    at.env["PYSPARK_PYTHON"] = "python3"
    return pathlib.Path(values["SPARK_HOME"])


def five_actions(quick):
    """Five dependent Spark actions: `ama run`, beside five spark-submits of the same code and one hand-made spark-shell session."""
    rounds = 1 if quick else 3
    names = [f"a{i}" for i in range(5)]
    with place() as at:
        home = environment(at)
        sources = {f"src/{a}.scala": STEP.format(i=i, k=i + 2) for i, a in enumerate(names)}
        for i, a in enumerate(names[1:], 1):
            sources[f"src/{a}.scala"] = f'val before = AmaContext.getDataFrame("a{i - 1}", "g{i - 1}").count\n' + sources[f"src/{a}.scala"]
        repo = at.repo("job", {"maki.yml": flow(names, "spark", "scala", "scala"), **ENV, **sources})
        python = at.folder / "py"
        python.mkdir()
        for i in range(5):
            (python / f"a{i}.py").write_text(
                "from pyspark.sql import SparkSession\nspark = SparkSession.builder.getOrCreate()\n"
                + (f"before = spark.read.parquet('{at.folder}/g{i - 1}').count()\n" if i else "")
                + f"n = spark.range(0, 200000).selectExpr('id % {i + 2} as k', 'id as v')\ng = n.groupBy('k').sum('v')\nlen(g.collect())\n"
                + f"g.write.mode('overwrite').parquet('{at.folder}/g{i}')\n")
        shell = "\n".join(STEP.format(i=i, k=i + 2) + (f"g{i - 1}.count\n" if i else "") for i in range(5)) + "\n:quit\n"
        (at.folder / "all.scala").write_text(shell)
        at.run(BIN / "ama", "run", repo)  # caches warm for both sides
        mine, submits, shells = [], [], []
        for _ in range(rounds):
            mine.append(at.timed(BIN / "ama", "run", repo)[0])
            shells.append(at.timed(home / "bin/spark-shell", "--master", "local[2]", "--conf", "spark.ui.enabled=false", "-i", at.folder / "all.scala")[0])
            total = 0
            for i in range(5):
                total += at.timed(home / "bin/spark-submit", "--master", "local[2]", "--conf", "spark.ui.enabled=false", python / f"a{i}.py")[0]
            submits.append(total)
    ama, submit, repl = min(mine), min(submits), min(shells)
    yield Row("five Spark actions: five spark-submits / ama run", submit / ama, "x", ">= 6", rounds, submit / ama >= 6, f"[ama {ama:.1f} s, spark-submit {submit:.1f} s]")
    yield Row("five Spark actions: ama run / one spark-shell session", ama / repl, "x", "<= 1.15", rounds, ama / repl <= 1.15, f"[spark-shell {repl:.1f} s]")


def statements(quick):
    """What a statement costs over the bare REPL: trivial statements through ama run, beside the same REPL class fed in a loop."""
    n = 200 if quick else 1000
    with place() as at:
        environment(at)
        text = "".join(f"val v{i} = {i}\n" for i in range(n))
        repo = at.repo("job", {"maki.yml": flow(["a"], "spark", "scala", "scala"), **ENV, "src/a.scala": text})
        done = at.run(BIN / "ama", "run", repo, "--report-format", "ndjson")
        stamps = re.findall(r'"ts":"[^"]*T(\d+):(\d+):([\d.]+)Z"[^\n]*"type":"statement\.(?:started|ended)"', done.stdout)
        seconds = [int(h) * 3600 + int(m) * 60 + float(s) for h, m, s in stamps]
        assert len(seconds) == 2 * n, len(seconds)
        mine = (seconds[-1] - seconds[0]) / n * 1000
        (at.folder / "a.scala").write_text(text)
        bare = at.run(ROOT / "bench/bare-repl.sh", at.folder / "a.scala")
        raw = float(bare.stdout.split()[-1]) / n
    yield Row("a trivial Scala statement, ratio to the bare REPL", mine / raw, "x", "<= 1.1", n, mine / raw <= 1.1, f"[ama {mine:.1f} ms, REPL {raw:.1f} ms]")


ALL = {"five": five_actions, "statements": statements}
