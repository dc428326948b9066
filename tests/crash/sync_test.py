"""A disk that says EIO at a sync of the journal: amad does not know what is kept, so it ends without a word to anybody, and the next start and the
client's token find out. One run per token, nothing run twice, every acknowledged run there.  usage: sync_test.py [--rounds N] [--seed S]"""
import json
import os
import random
import sys
import time
import unittest
import pathlib

TESTS = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TESTS / "e2e"), str(TESTS / "tools")]
from daemon_house import DaemonHouse  # noqa: E402
from house import BINARY  # noqa: E402
from run_test import flow, shell  # noqa: E402

ROUNDS, SEED = 6, 1


class Sync(DaemonHouse):
    def start_bad(self, at):
        """amad on a disk whose at-th sync of the log fails. None: it failed before amad served."""
        clean, log = self.env, self.folder / "failed"
        log.unlink(missing_ok=True)
        self.env = {**clean, "LD_PRELOAD": str(BINARY / "tests" / "bad_disk.so"), "AMA_BAD_DISK": f"{at}:journal.db-wal", "AMA_BAD_DISK_LOG": str(log)}
        try:
            return self.amad()
        except AssertionError:
            self.assertTrue(log.exists(), "amad did not start, and not for its disk")
            self.assertEqual(self.daemons[-1].wait(10), 5)
            return None
        finally:
            self.env = clean

    def test_error_at_a_sync_of_the_journal(self):
        numbers, marks = random.Random(SEED), self.shared / "marks"
        repo = self.job(flow(shell("a"), shell("b")), a=f"echo a $AMA_RUN >>{marks}\n", b=f"echo b $AMA_RUN >>{marks}\n")
        known, tokens, unknown = {}, [], 0
        for round in range(ROUNDS):
            daemon = self.start_bad(numbers.randint(1, 3) if round % 6 == 5 else numbers.randint(4, 40))
            pending = []
            for i in range(40 if daemon else 0):
                token = f"t{round}-{i}"
                tokens.append(token)
                follow = self.start("--repo", repo, "--detach", "--idempotency-key", token, program="ama-submit")
                pending.append((token, follow))
                # one after the other: its answer, or amad's end
                while follow.poll() is None and daemon.poll() is None:
                    time.sleep(0.002)
                if follow.poll() == 0:
                    known[token] = follow.stdout.read().strip()
                if daemon.poll() is not None:
                    break
            if daemon:
                self.assertEqual(daemon.wait(30), 74, (self.folder / "amad.log").read_text())
                self.assertIn("the journal can not be written", (self.folder / "amad.log").read_text())
            healthy = self.amad()
            for token, follow in pending:
                out, err = self.finish(follow)
                # no answer is a refusal: it is known, or the client said that it is not
                self.assertIn(follow.returncode, (0, 5), err)
                self.assertNotIn("space", err)
                run = self.submit(repo, "--idempotency-key", token)
                unknown += token not in known
                self.assertEqual(known.setdefault(token, run), run)
            for token, _ in pending:
                self.assertEqual(self.attach(known[token])[0], 0)
            healthy.terminate()
            self.assertEqual(healthy.wait(30), 0)
            self.assertEqual(self.ama("fsck").returncode, 0)
        self.amad()
        runs = json.loads(self.ama("list", "-o", "json", "--limit", "10000").stdout)["runs"]
        self.assertEqual(sorted(r["run"] for r in runs), sorted(known.values()))
        self.assertEqual(sorted(marks.read_text().splitlines()), sorted(f"{a} {run}" for run in known.values() for a in "ab"))
        print(f"{ROUNDS} failed syncs, {len(tokens)} submits, {unknown} without an answer: {len(runs)} runs, none twice, none lost (seed {SEED})")


if __name__ == "__main__":
    for name in ("--rounds", "--seed"):
        if name in sys.argv:
            at = sys.argv.index(name)
            globals()[name[2:].upper()] = int(sys.argv[at + 1])
            del sys.argv[at:at + 2]
    unittest.main(verbosity=2)
