"""Figures of flows in several languages: what mixing them costs, how soon a Python action starts, how soon a kill is told."""
import datetime
import json
import os
import re
import signal
import subprocess
import time
import zipfile

from measure import BIN, Row, flow, percentile, place
from spark_figures import ENV, environment

ROWS = 200000
SCALA = """val n{i} = spark.range(0, %d).selectExpr("id %% {k} as k", "id as v")
val g{i} = n{i}.groupBy("k").sum("v")
g{i}.collect().length
""" % ROWS
MIXED = {
    "a.scala": SCALA.format(i=0, k=2),
    "b.py": f"before = ama_context.get_dataframe('a', 'g0').count()\nn1 = spark.range(0, {ROWS}).selectExpr('id % 3 as k', 'id as v')\ng1 = n1.groupBy('k').sum('v')\nlen(g1.collect())\n",
    "c.sql": f"select count(*) from AMACONTEXT_b_g1;\nselect id % 4 as k, sum(id) from range({ROWS}) group by id % 4;\n",
    "d.r": f"before <- nrow(as.data.frame(getDataFrame('b', 'g1')))\nn3 <- sql('select id % 5 as k, id as v from range({ROWS})')\n"
           "createOrReplaceTempView(n3, 'n3')\ng3 <- sql('select k, sum(v) from n3 group by k')\nnrow(as.data.frame(g3))\n",
    "e.sh": f"seq 0 {ROWS - 1} | awk '{{ s[$1 % 6] += $1 }} END {{ n = 0; for (k in s) n++; print n }}'\n",
}


def five_languages(quick):
    """Five dependent actions, each a sum over 200,000 rows by groups, in five languages; beside the same five in Scala."""
    rounds = 1 if quick else 5
    names = "abcde"
    runners = {"a": {"runner": {"group": "spark", "type": "scala"}, "file": "a.scala"}, "b": {"runner": {"group": "spark", "type": "pyspark"}, "file": "b.py"},
               "c": {"runner": {"group": "spark", "type": "sql"}, "file": "c.sql"}, "d": {"runner": {"group": "spark", "type": "r"}, "file": "d.r"}, "e": {"runner": {"group": "shell", "type": "bash"}, "file": "e.sh"}}
    scala = {f"src/{a}.scala": (f'val before = AmaContext.getDataFrame("{names[i - 1]}", "g{i - 1}").count\n' if i else "") + SCALA.format(i=i, k=i + 2) for i, a in enumerate(names)}
    with place() as at:
        environment(at)
        mixed = at.repo("mixed", {"maki.yml": json.dumps({"flow": [{"name": a, **runners[a]} for a in names]}), **ENV, **{f"src/{f}": t for f, t in MIXED.items()}})
        alike = at.repo("alike", {"maki.yml": flow(names, "spark", "scala", "scala"), **ENV, **scala})
        times = {mixed: [], alike: []}
        for repo in times:
            at.run(BIN / "ama", "run", repo)  # caches warm for both sides
        for _ in range(rounds):
            for repo in times:
                times[repo].append(at.timed(BIN / "ama", "run", repo)[0])
    one, other = percentile(times[mixed], 50), percentile(times[alike], 50)
    yield Row("five actions in five languages / the same in Scala", one / other, "x", "<= 1.3", rounds, one / other <= 1.3, f"[{one:.1f} s beside {other:.1f} s]")


def stamp(event):
    return datetime.datetime.fromisoformat(event["ts"].replace("Z", "+00:00")).timestamp()


def python_start(quick):
    """From the start of a PySpark attempt to that of its first statement, in a session that has run an action before."""
    count = 3 if quick else 12
    with place() as at:
        environment(at)
        flow_of = [{"name": "first", "runner": {"group": "spark", "type": "scala"}, "file": "first.scala"}]
        flow_of += [{"name": f"p{i}", "runner": {"group": "spark", "type": "pyspark"}, "file": "p.py"} for i in range(count)]
        repo = at.repo("job", {"maki.yml": json.dumps({"flow": flow_of}), **ENV, "src/first.scala": "spark.range(3).count\n", "src/p.py": "spark.range(3).count()\n"})
        at.run(BIN / "ama", "run", repo)
        events = [json.loads(line) for line in at.run(BIN / "ama", "run", repo, "--report-format", "ndjson").stdout.splitlines()]
    begun = {e["action"]: stamp(e) for e in events if e["type"] == "attempt.started"}
    first = {}
    for e in events:
        if e["type"] == "statement.started":
            first.setdefault(e["action"], stamp(e))
    took = [(first[a] - begun[a]) * 1000 for a in begun if a != "first"]
    p50 = percentile(took, 50)
    yield Row("Python action start in a live session p50", p50, "ms", "<= 400", count, p50 <= 400, f"[best {min(took):.0f} ms, worst {max(took):.0f} ms]")


def notebook(kernel, language, source):
    return json.dumps({"cells": [{"cell_type": "code", "id": "c", "metadata": {}, "outputs": [], "execution_count": None, "source": source}],
                       "metadata": {"kernelspec": {"name": kernel, "display_name": kernel, "language": language}}, "nbformat": 4, "nbformat_minor": 5})


IN_SCALA = 'println(s"pid ${ProcessHandle.current.pid}"); Thread.sleep(600000)\n'
IN_PYTHON = "import os, time\nprint('pid', os.getpid(), flush=True); time.sleep(600)\n"
IN_R = "cat('pid', Sys.getpid(), '\\n'); Sys.sleep(600)\n"


def spark(kind):
    return {"group": "spark", "type": kind}


# What each runner runs; the action called last is the one that is killed.
VICTIMS = {
    "shell": ([{"runner": {"group": "shell", "type": "bash"}, "file": "x.sh"}], {"x.sh": "echo pid $$\nsleep 600\n"}),
    "python": ([{"runner": {"group": "python", "type": "python"}, "file": "x.py"}], {"x.py": IN_PYTHON}),
    "r": ([{"runner": {"group": "r", "type": "r"}, "file": "x.r"}], {"x.r": IN_R}),
    "kernel": ([{"runner": {"type": "kernel", "name": "ir"}, "file": "x.txt"}], {"x.txt": IN_R}),
    "notebook": ([{"file": "x.ipynb"}], {"x.ipynb": notebook("python3", "python", IN_PYTHON)}),
    "spark-scala": ([{"runner": spark("scala"), "file": "x.scala"}], {"x.scala": IN_SCALA}),
    "spark-sql": ([{"runner": spark("scala"), "file": "w.scala"}, {"runner": spark("sql"), "file": "x.sql"}],
                  {"w.scala": IN_SCALA.partition(";")[0] + "\n", "x.sql": "select count(*) from range(100000000) a cross join range(1000000) b where a.id + b.id = 7;\n"}),
    "pyspark": ([{"runner": spark("pyspark"), "file": "x.py"}], {"x.py": IN_PYTHON}),
    "notebook in the session": ([{"file": "x.ipynb"}], {"x.ipynb": notebook("amaterasu-spark", "scala", IN_SCALA)}),
    "jar": ([{"runner": spark("jar"), "file": "x.jar", "class": "scala.tools.nsc.MainGenericRunner", "args": ["-usejavacp", "-e", IN_SCALA.strip()]}], {}),
}


def killed(at, repo, last):
    """Milliseconds from the kill of what does the work to the event that its attempt has ended."""
    run = subprocess.Popen([BIN / "ama", "run", repo, "--report-format", "ndjson"], env=at.env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL, text=True)
    pid = begun = None
    at_work = last == "jar"     # which has no statements
    for line in run.stdout:
        event = json.loads(line)
        if event["type"] == "output" and (found := re.match(r"pid (\d+)", event["text"])):
            pid = int(found[1])
        at_work = at_work or (event["type"] == "statement.started" and event["action"] == last)
        if pid and at_work and not begun:
            begun = time.monotonic()
            os.kill(pid, signal.SIGKILL)
        if begun and event["type"] == "attempt.ended" and event["action"] == last:
            took = (time.monotonic() - begun) * 1000
            run.stdout.read()
            run.wait()
            return took
    raise RuntimeError(f"{repo}: nothing to kill, or its end was not told")


def kill_to_report(quick):
    """kill -9 of what does an action's work, until the report has the end of the attempt: of each runner."""
    rounds = 1 if quick else 3
    for name, (actions, files) in VICTIMS.items():
        with place() as at:
            environment(at)
            flow_of = [{"name": name if name == "jar" else f"x{i}", "retry": {"attempts": 1}, **action} for i, action in enumerate(actions)]
            repo = at.repo("job", {"maki.yml": json.dumps({"flow": flow_of}), **ENV, **{f"src/{f}": t for f, t in files.items()}}, git=False)
            if name == "jar":
                (repo / "src").mkdir()
                with zipfile.ZipFile(repo / "src/x.jar", "w") as jar:
                    jar.writestr("META-INF/MANIFEST.MF", "Manifest-Version: 1.0\n")
            took = [killed(at, repo, flow_of[-1]["name"]) for _ in range(rounds)]
        yield Row(f"kill -9 to report, {name}", max(took), "ms", "<= 2000", rounds, max(took) <= 2000, f"[best {min(took):.0f} ms]")


ALL = {"languages": five_languages, "python-start": python_start, "kill": kill_to_report}
