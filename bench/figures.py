"""Figures that need no Spark."""
import json
import subprocess
import sys
import time

from measure import BIN, ROOT, Row, flow, percentile, place

ENV = {"env/default/job.yml": "name: default\n"}


def start_delay(quick):
    """Submit taken (the first event) → the first command of a shell action runs; warm daemon, local repository, snapshot cached."""
    n = 30 if quick else 300
    with place() as at:
        repo = at.repo("job", {"maki.yml": flow(["a"]), **ENV, "src/a.sh": "echo $EPOCHREALTIME\n"})
        delays = []
        with at.daemon():
            for i in range(n + 5):
                done = at.run(BIN / "ama-submit", "--repo", repo, "--report-format", "ndjson")
                events = [json.loads(line) for line in done.stdout.splitlines()]
                ts = events[0]["ts"]
                accepted = time.mktime(time.strptime(ts[:19], "%Y-%m-%dT%H:%M:%S")) - time.timezone + float(ts[19:23])
                running = float(next(e["text"] for e in events if e["type"] == "output"))
                if i >= 5:
                    delays.append((running - accepted) * 1000)
    yield Row("start delay p50, accepted to first command", percentile(delays, 50), "ms", "<= 5", n, percentile(delays, 50) <= 5)
    yield Row("start delay p99", percentile(delays, 99), "ms", "<= 20", n, percentile(delays, 99) <= 20)


LUIGI = """
import luigi, subprocess, sys
class A(luigi.Task):
    n = luigi.IntParameter()
    done = False
    def requires(self): return [A(self.n - 1)] if self.n else []
    def run(self): subprocess.run(["bash", sys.argv[1] + "/src/a%d.sh" % self.n], check=True); self.done = True
    def complete(self): return self.done
sys.setrecursionlimit(10000)
luigi.build([A(int(sys.argv[2]) - 1)], local_scheduler=True, log_level="ERROR")
"""
DAGSTER = """
import sys, subprocess, dagster
n = int(sys.argv[2])
def make(i):
    @dagster.op(name="a%d" % i, ins={"x": dagster.In(dagster.Nothing)} if i else {}, out=dagster.Out(dagster.Nothing))
    def op(): subprocess.run(["bash", sys.argv[1] + "/src/a%d.sh" % i], check=True)
    return op
ops = [make(i) for i in range(n)]
@dagster.job
def job():
    last = None
    for op in ops: last = op(last) if last is not None else op()
assert job.execute_in_process().success
"""


def peers():
    """A Python with Luigi and Dagster, installed once."""
    venv = ROOT / ".cache/bench-venv"
    if not (venv / "ready").exists():
        subprocess.run([sys.executable, "-m", "venv", venv], check=True)
        subprocess.run([venv / "bin/pip", "install", "-q", "luigi", "dagster"], check=True)
        (venv / "ready").touch()
    return venv / "bin/python"


def sequential(quick):
    """No-op shell actions one after the other, journaled and reported, beside GNU make running the same scripts with bash."""
    n = 100 if quick else 1000
    names = [f"a{i}" for i in range(n)]
    with place() as at:
        scripts = {f"src/{a}.sh": ":\n" for a in names}
        repo = at.repo("job", {"maki.yml": flow(names), **ENV, **scripts})
        one = at.repo("one", {"maki.yml": flow(["a0"]), **ENV, "src/a0.sh": ":\n"})
        rules = "".join(f"{a}: {names[i - 1] if i else ''}\n\t@bash {repo}/src/{a}.sh\n" for i, a in enumerate(names))
        (at.folder / "Makefile").write_text(f".PHONY: {' '.join(names)}\nall: {names[-1]}\n" + rules)
        best = {}
        for _ in range(3):
            make, _ = at.timed("make", "-f", at.folder / "Makefile", "all")
            whole, done = at.timed(BIN / "ama", "run", repo, "--report-format", "ndjson")
            start, _ = at.timed(BIN / "ama", "run", one, "--report-format", "ndjson")
            ended = sum(1 for line in done.stdout.splitlines() if '"action.ended"' in line)
            assert ended == n, ended
            for key, value in (("make", make), ("ama", whole - start)):
                best[key] = min(best.get(key, 1e9), value / n * 1000)
        others = []
        for name, text, m in (("Luigi", LUIGI, n), ("Dagster", DAGSTER, min(n, 200))):
            (at.folder / "peer.py").write_text(text)
            try:
                many, _ = at.timed(peers(), at.folder / "peer.py", repo, m)
                few, _ = at.timed(peers(), at.folder / "peer.py", repo, 1)
                others.append(f"{name} {(many - few) / (m - 1) * 1000:.1f} ms")
            except (RuntimeError, subprocess.CalledProcessError) as error:
                others.append(f"{name} not measured ({str(error).splitlines()[-1][:60]})")
    ratio = best["ama"] / best["make"]
    yield Row("sequential no-op shell actions, ratio to GNU make", ratio, "x", "<= 1.5", n, ratio <= 1.5,
              f"[ama {best['ama']:.2f} ms, make {best['make']:.2f} ms an action; {', '.join(others)}]")


def plan(quick):
    """The planner's own time for a job of 1,000 actions, and `ama plan` as a command."""
    n = 1000
    with place() as at:
        names = [f"a{i}" for i in range(n)]
        repo = at.repo("job", {"maki.yml": flow(names), **ENV, **{f"src/{a}.sh": ":\n" for a in names}})
        runs = [json.loads(at.run(BIN / "plan_bench", repo).stdout)["ms"] for _ in range(3 if quick else 15)]
        wall = [at.timed(BIN / "ama", "plan", repo, "-o", "json")[0] * 1000 for _ in range(3 if quick else 15)]
        steps = "".join(f"  - {{ name: {a}, runner: {{ group: spark, type: pyspark }}, file: {a}.py }}\n" for a in names)
        code = "".join(f"def f{i}(x):\n    return [y * {i} for y in x if y]\n" for i in range(30))
        sources = {f"src/a{i}.py": f'odd = ama_context.get_dataframe("a{max(i - 1, 0)}", "odd")\n{code}' for i in range(n)}
        reading = at.repo("reading", {"maki.yml": f"flow:\n{steps}", **ENV, **sources})
        analysed = [json.loads(at.run(BIN / "plan_bench", reading).stdout)["ms"] for _ in range(3 if quick else 15)]
    size = sum(map(len, sources.values())) / 1e6
    yield Row("analysis of 1,000 sources that read one another", percentile(analysed, 50), "ms", "<= 1000", len(analysed), percentile(analysed, 50) <= 1000,
              f"[{size:.1f} MB of Python]")
    yield Row("plan of a 1,000-action repository", percentile(runs, 50), "ms", "<= 50", len(runs), percentile(runs, 50) <= 50)
    yield Row("ama plan of it, wall", percentile(wall, 50), "ms", "<= 200", len(wall), percentile(wall, 50) <= 200)


def hub(quick):
    """Requests answered by the hub through envelope and codec, beside a raw DEALER-ROUTER echo."""
    with place() as at:
        out = json.loads(at.run(BIN / "hub_bench", *(["--quick"] if quick else [])).stdout)
    for window in out["windows"]:
        ratio = window["hub_per_s"] / window["raw_per_s"]
        yield Row(f"hub request/reply, window {window['window']}, ratio to raw", ratio, "x", ">= 0.6", window["n"], ratio >= 0.6,
                  f"[hub {window['hub_per_s']:.0f}/s, raw {window['raw_per_s']:.0f}/s]")


def rss_kb(pid):
    for line in open(f"/proc/{pid}/status"):
        if line.startswith("VmRSS"):
            return int(line.split()[1])
    return 0


def memory(quick):
    """amad's resident size when idle, and what a queued run adds."""
    n = 200 if quick else 1000
    with place() as at:
        repo = at.repo("job", {"maki.yml": flow(["a"]), **ENV, "src/a.sh": "sleep 600\n"})
        (at.folder / "data").mkdir()
        (at.folder / "data/amad.yaml").write_text("resources: { cpus: 0.1, memory: 1g }\n")
        with at.daemon() as daemon:
            at.run(BIN / "ama-submit", "--repo", repo, "--detach")
            time.sleep(1)
            idle = rss_kb(daemon.pid)
            before = idle
            for _ in range(n):
                at.run(BIN / "ama-submit", "--repo", repo, "--detach")
            deadline = time.monotonic() + 60
            while time.monotonic() < deadline:
                runs = json.loads(at.run(BIN / "ama", "list", "-o", "json").stdout)["runs"]
                if all(r["state"] not in ("planning",) for r in runs):
                    break
            after = rss_kb(daemon.pid)
            runs = json.loads(at.run(BIN / "ama", "list", "-o", "json").stdout)["runs"]
            for run in runs:
                at.run(BIN / "ama", "cancel", run["run"], check=None)
    yield Row("amad idle RSS", idle / 1024, "MB", "<= 20", 1, idle <= 20 * 1024)
    yield Row("amad RSS per queued run", (after - before) / n, "KB", "<= 16", n, (after - before) / n <= 16)


ALL = {"start": start_delay, "sequential": sequential, "plan": plan, "hub": hub, "memory": memory}
