"""P14: amad behind a wall of memory, with big reports, a thousand readers that stall or stand still, a flood of submits, large ones, and junk at its door.
It stays within its bound and serves. AMA_MEMORY_TIMES=10 makes all of it so much more."""
import os
import pathlib
import select
import signal
import subprocess
import sys
import threading
import time
import unittest

TESTS = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TESTS / "e2e"), str(TESTS / "tools")]
from daemon_house import DaemonHouse  # noqa: E402
from house import BINARY  # noqa: E402
from run_test import flow, shell  # noqa: E402

MIB = 1 << 20
ATTEMPTS = 64                                # at once, at most: max_active runs of one action
BOUND = 256 * MIB + ATTEMPTS * 64 * 1024     # of amad; docs/reliability.md
AGENT = 64 * MIB + ATTEMPTS * MIB            # of the agent: 1 MiB of output that waits, for each
TIMES = int(os.environ.get("AMA_MEMORY_TIMES", "1"))


class Wall:
    """A cgroup of either kind that kills beyond its limit; None where there is none to be had."""

    def __init__(self, limit):
        self.folder = None
        for above, name in (("/sys/fs/cgroup/memory", "memory.limit_in_bytes"), ("/sys/fs/cgroup", "memory.max")):
            folder = pathlib.Path(above) / f"ama-memory-{os.getpid()}"
            try:
                folder.mkdir()
                (folder / name).write_text(str(limit))
                self.folder, self.above = folder, pathlib.Path(above)
                return
            except OSError:
                if folder.is_dir():
                    folder.rmdir()

    def take(self, pid):
        if self.folder:
            (self.folder / "cgroup.procs").write_text(str(pid))

    def release(self, pid):
        if self.folder:
            (self.above / "cgroup.procs").write_text(str(pid))

    def close(self):
        if self.folder:
            self.folder.rmdir()


def memory(pid, what="VmHWM"):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(what + ":"):
            return int(line.split()[1]) * 1024
    return 0


class Memory(DaemonHouse):
    def setUp(self):
        super().setUp()
        self.crowds = []
        self.wall = Wall(BOUND * 11 // 10)
        self.addCleanup(self.wall.close)
        self.daemon = self.amad()
        self.wall.take(self.daemon.pid)
        self.submitted_agent()

    def tearDown(self):
        for crowd in self.crowds:
            if crowd.poll() is None:
                crowd.send_signal(signal.SIGCONT)
                crowd.kill()
            crowd.communicate()
        super().tearDown()

    def submitted_agent(self):
        """The agent is there, and outside of the wall: what it and its actions take is theirs."""
        deadline = time.monotonic() + 30
        while not (found := [pid for pid, command in self.processes() if command.split(" ")[0].endswith("/ama-agent")]):
            self.assertLess(time.monotonic(), deadline)
        self.agent = found[0]
        self.wall.release(self.agent)

    def crowd(self, *args):
        crowd = subprocess.Popen([BINARY / "tests" / "crowd", f"ipc://{self.data}/run/hub.sock", *map(str, args)], env=self.env,
                                 stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.crowds.append(crowd)
        return crowd

    def within(self, what):
        self.assertIsNone(self.daemon.poll(), f"{what}: amad is gone")
        peak = memory(self.daemon.pid)
        print(f"  {what}: amad {peak / MIB:.0f} MiB at most, agent {memory(self.agent) / MIB:.0f}", file=sys.stderr)
        self.assertLess(peak, BOUND, what)
        self.assertLess(memory(self.agent), AGENT, what)
        self.assertEqual(self.ama("list").returncode, 0, what)

    def big(self):
        return self.job(flow(shell("a")), "big", a=f"seq {1000000 * TIMES}\nhead -c {100000000 * TIMES} /dev/zero | tr '\\0' x\n")

    def test_readers_that_stall_and_stand_still(self):
        run = self.submit(self.big())
        live = self.start("attach", run, "--report-format", "ndjson")
        said = []
        reader = threading.Thread(target=lambda: said.append(live.stdout.read()))
        reader.start()
        live.wait(300)
        reader.join()
        live.stdout.close()
        live.stderr.close()
        self.assertEqual(live.returncode, 0)
        self.checked(said[0])
        self.within("a big report")
        stalled = self.crowd("follow", run, 500)
        self.assertEqual(stalled.stdout.readline(), "held 500 refused 0\n")
        self.within("500 readers that stall")
        still = self.crowd("follow", run, 500)
        before = memory(self.daemon.pid, "VmRSS")
        while memory(self.daemon.pid, "VmRSS") < before + 8 * MIB and still.poll() is None and not self.said(still):
            time.sleep(0.001)
        still.send_signal(signal.SIGSTOP)
        code, out = self.attach(run)  # who reads gets all of it
        self.assertEqual((code, out), (0, said[0]))
        self.within("and 500 that stand still")
        one_more = self.crowd("follow", run, 100)
        self.assertIn("refused", one_more.stdout.readline())

    def said(self, crowd):
        return bool(select.select([crowd.stdout], [], [], 0)[0])

    def test_a_flood_of_submits(self):
        small = self.job(flow(shell("a")), "small", a="true\n")
        good = self.submit(small)
        junk = self.crowd("junk", 5 * TIMES)
        flood = self.crowd("submit", small, 3000 * TIMES, 0)
        large = self.crowd("submit", small, 64 * TIMES, 6000000)
        accepted = [int(crowd.communicate(timeout=300)[0].split()[1]) for crowd in (flood, large)]
        self.within("submits and junk at once")
        self.assertGreater(accepted[0], 100)
        self.assertGreater(accepted[1], 0)  # one at least fits, the others are told to come again
        self.assertLess(accepted[1], 64 * TIMES)
        junk.communicate(timeout=300)
        self.within("after the flood")
        self.assertEqual(self.attach(good)[0], 0)
        self.kill(self.daemon)  # and what was accepted is still not too much for the next one
        self.daemon = self.amad()
        self.submitted_agent()
        self.wall.take(self.daemon.pid)
        self.within("after a restart")


if __name__ == "__main__":
    unittest.main(verbosity=2)
