"""What is removed from caches: nothing that a run needs, and what was removed comes again. The times of use are set back by the tests."""
import os
import time
import unittest

from daemon_house import DaemonHouse
from house import lies_below
from net_house import NetHouse, needs_root
from placement_test import PARTS
from run_test import flow, shell

LONG_AGO = 40 * 24 * 3600


def set_back(*paths):
    for path in paths:
        st = path.lstat()
        os.utime(path, (st.st_atime - LONG_AGO, st.st_mtime - LONG_AGO), follow_symlinks=False)


class Snapshots(DaemonHouse):
    def setUp(self):
        super().setUp()
        self.cache = self.folder / "cache"
        self.env["XDG_CACHE_HOME"] = str(self.cache)

    def wait_until(self, true, what):
        until = time.monotonic() + 60
        while not true():
            self.assertLess(time.monotonic(), until, f"{what}: did not happen\n" + (self.folder / "amad.log").read_text())
            time.sleep(0.01)

    def snapshots(self):
        return {path.name: path for path in (self.cache / "amaterasu/snapshots").iterdir() if not path.name.startswith(".")}

    def test_what_no_run_needs_goes(self):
        gated = f"echo begun; until test -e {self.shared}/go; do sleep 0.05; done\n"
        open_job = self.job(flow(shell("a"), shell("b")), "open", a=gated, b="cat $AMA_REPO/src/b.sh\n")
        over_job = self.job(flow(shell("a")), "over", a="true\n")
        self.amad()
        over = self.submit(over_job, "--env", "dev")
        self.assertEqual(self.attach(over)[0], 0)
        run = self.submit(open_job, "--env", "dev")
        self.wait_for_output(run, "begun")
        commits = [job.git("rev-parse", "HEAD") for job in (open_job, over_job)]
        self.assertEqual(sorted(self.snapshots()), sorted(commits))
        self.kill(self.daemons[-1])
        set_back(*self.snapshots().values())
        self.amad()  # knows the open run from its journal
        self.wait_until(lambda: list(self.snapshots()) == commits[:1], "one of the snapshots is removed")
        (self.shared / "go").touch()
        code, text = self.attach(run)
        self.assertEqual(code, 0, text)
        self.assertIn("cat $AMA_REPO", text)
        again = self.submit(over_job, "--env", "dev")  # made again
        self.assertEqual(self.attach(again)[0], 0)
        self.assertIn(commits[1], self.snapshots())


@needs_root
class Depot(NetHouse):
    def test_what_was_removed_comes_again(self):
        self.serve("placement: {%s}\n" % ", ".join(f"{p}: remote" for p in PARTS))
        for part in PARTS:
            self.actor(part)
        self.agent("node7")
        job = self.job(flow(shell("a")), a="echo one\n")
        kept = {"depot": "amaterasu/depot/*", "fetcher": "amaterasu/snapshots/*", "planner": "trees/????*", "node7": "cache/trees/????*"}

        def lie():
            return {name: lies_below(self.hosts[name].home, pattern) for name, pattern in kept.items()}

        self.assertEqual(self.attach(self.submit(job, "--env", "dev"))[0], 0, self.logs())
        self.assertTrue(all(lie().values()), lie())
        for name, paths in lie().items():
            set_back(*paths)
        set_back(*lies_below(self.hosts["fetcher"].home, "amaterasu/trees/????*"))
        for name in kept:  # they look soon after they begin
            self.hosts[name].kill()
        self.wait_for(lambda: not any(lie().values()), f"all is removed, but {lie()}")
        self.assertEqual(self.attach(self.submit(job, "--env", "dev"))[0], 0, self.logs())
        self.assertTrue(all(lie().values()), lie())


if __name__ == "__main__":
    unittest.main()
