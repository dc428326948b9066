"""P18: nothing leaks. Rounds of runs through a real amad and agent; after each, when all is quiet, what the processes hold and what lies in the data folder at the end. Judged by
the slope over the rounds (the median of the slopes between any two of them), not by a reading. AMA_SOAK_RUNS=20000 makes it long."""
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time
import unittest

TESTS = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TESTS / "e2e"), str(TESTS / "tools")]
from daemon_house import DaemonHouse  # noqa: E402
from house import BINARY, lies_below  # noqa: E402
from run_test import flow, shell  # noqa: E402

RUNS = int(os.environ.get("AMA_SOAK_RUNS", "480"))
ROUNDS = 12
WARM = 4                              # rounds that do not count: caches and pools fill
PER_ROUND = max(RUNS // ROUNDS, 8)
FEW = 24                              # files that are there in any case
KEPT = 8                              # runs, by retention: so that files can be flat
# What one run may add, at most, in the median. Caches fill once, SQLite's and the reporter's: 3 MB, whatever the number of runs.
ALLOWED = {"rss_kb": 0.5 + 3000 / RUNS, "fds": 0.02, "threads": 0.005, "children": 0.005}


POOL = 2                              # between the least and the most idle guards that an agent keeps, as its load has been
GUARD_FDS = 10                        # that an agent holds for each


def slope(values, pool=0):
    """By run; steps no larger than a pool's are none."""
    steps = [((values[b] - values[a]), b - a) for a in range(len(values)) for b in range(a + 1, len(values))]
    return statistics.median((grown if abs(grown) > pool else 0) / rounds for grown, rounds in steps) / PER_ROUND


class Soak(DaemonHouse):
    def setUp(self):
        super().setUp()
        with open(self.env["AMA_CONFIG"], "a") as config:
            config.write(f"retention: {{ runs: {KEPT}, work-age: 1s }}\n")

    def house_look(self):
        """What the data folder holds, working folders of runs included: of those everything goes, folders as well."""
        files = [f for f in lies_below(self.data, "*") if f.is_file() and not f.is_symlink()]
        size = 0
        for file in files:
            try:
                size += file.stat().st_size
            except FileNotFoundError:
                pass
        return {"files": len(files), "disk_kb": size / 1024, "working": len(os.listdir(self.data / "agent" / "runs"))}

    def look(self, pid):
        proc = pathlib.Path(f"/proc/{pid}")
        status = dict(line.split(":\t", 1) for line in (proc / "status").read_text().splitlines() if ":\t" in line)
        children = sum(len((task / "children").read_text().split()) for task in (proc / "task").iterdir())
        return {"rss_kb": int(status["VmRSS"].split()[0]), "threads": int(status["Threads"]),
                "fds": len(os.listdir(proc / "fd")) - GUARD_FDS * (children if "agent" in status["Name"] else 0), "children": children}

    def quiet(self, kept=None):
        """All runs have ended; with kept, those beyond retention are gone, too, for which it looks once a minute."""
        deadline = time.monotonic() + 300
        while True:
            runs = json.loads(self.ama("list", "-o", "json").stdout)["runs"]
            if all(run["ended"] for run in runs) and (kept is None or len(runs) <= kept):
                return runs
            self.assertLess(time.monotonic(), deadline, f"{len(runs)} runs")
            time.sleep(0.05)

    def test_nothing_grows(self):
        good = self.job(flow(shell("a"), shell("b")), "good", a="echo a\n", b="true\n")
        bad = self.job(flow(shell("a", retry={"attempts": 2, "delay": "0s"}, error=shell("e")), shell("b")), "bad", a="echo no >&2; exit 3\n", b="true\n", e="true\n")
        broken = self.repo({"maki.yml": "flow: [{\n"}, "broken")
        daemon = self.amad()
        seen = []
        for number in range(ROUNDS):
            parts = [(good, PER_ROUND - PER_ROUND // 4 * 2), (bad, PER_ROUND // 4), (broken, PER_ROUND // 4)]
            for repo, count in parts:
                out = subprocess.run([BINARY / "tests" / "crowd", f"ipc://{self.data}/run/hub.sock", "submit", repo.path, str(count), "0"],
                                     env=self.env, capture_output=True, text=True, timeout=300, check=True).stdout
                self.assertEqual(out, f"accepted {count} refused 0\n")
            runs = self.quiet()
            # followers come and go, too
            self.assertIn(self.attach(runs[0]["run"])[0], (0, 1, 2, 3, 5))
            agents = [pid for pid, command in self.processes() if command.split(" ")[0].endswith("/ama-agent")]
            self.assertEqual(len(agents), 1)
            seen.append({"amad": self.look(daemon.pid), "agent": self.look(agents[0])})
        self.quiet(KEPT)
        deadline = time.monotonic() + 120  # what is not shown any more is removed in small steps
        while (left := self.house_look())["files"] > 2 * KEPT + FEW or left["working"]:
            self.assertLess(time.monotonic(), deadline, left)
            time.sleep(0.1)
        print(f"  data folder: {left}", file=sys.stderr)
        self.assertLess(left["disk_kb"], 16384 + PER_ROUND * ROUNDS / 4)  # journal and its log by high water; a removed run leaves 170 octets
        wrong = []
        for who in seen[0]:
            for what in seen[0][who]:
                values = [one[who][what] for one in seen[WARM:]]
                by_run = slope(values, POOL if what == "children" else 0)
                print(f"  {who:6} {what:9} {values[0]:9.0f} → {values[-1]:9.0f}   {by_run:+.4f} a run", file=sys.stderr)
                if by_run > ALLOWED[what]:
                    wrong.append((who, what, by_run, values))
        self.assertEqual(wrong, [])


if __name__ == "__main__":
    unittest.main(verbosity=2)
