"""What a build with failpoints does when it is told: the order, the time that counts, once for all processes, and no misunderstanding."""
import os
import pathlib
import signal
import subprocess
import tempfile
import unittest

BIN = pathlib.Path(os.environ["AMA_BINARY_DIR"]) / "bin"


class Failpoint(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="ama-crash-")
        self.addCleanup(self.folder.cleanup)
        self.points = pathlib.Path(self.folder.name) / "points"
        self.points.mkdir()

    def amad(self, order):
        """amad with an order, told to stop when it serves: its exit code."""
        env = {"PATH": os.environ["PATH"], "HOME": self.folder.name, "AMA_DATA_DIR": f"{self.folder.name}/data", "XDG_CACHE_HOME": self.folder.name,
               "AMA_FAILPOINT": order, "AMA_FAILPOINT_DIR": str(self.points)}
        with subprocess.Popen([BIN / "amad", "--no-agent"], env=env, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as amad:
            for line in amad.stderr:
                if "serving on" in line:
                    amad.send_signal(signal.SIGTERM)
            amad.wait(30)
            return amad.returncode

    def test_list(self):
        said = subprocess.run([BIN / "amad", "--failpoints"], capture_output=True, text=True, check=True).stdout.splitlines()
        self.assertIn("journal.before_commit amad", said)
        self.assertEqual(len(said), len(set(said)))

    def test_kills_once_for_all_processes(self):
        self.assertEqual(self.amad("journal.epoch:kill"), -signal.SIGKILL)
        self.assertTrue((self.points / "journal.epoch").read_text().strip().isdigit())
        self.assertEqual(self.amad("journal.epoch:kill"), 0)

    def test_counts(self):
        self.assertEqual(self.amad("journal.migrated:kill@2"), 0)       # a start gets there once
        self.assertEqual(list(self.points.iterdir()), [])
        self.assertEqual(self.amad("hub.registered:kill@2;journal.migrated:sleep=1"), -signal.SIGKILL)
        self.assertEqual(sorted(p.name for p in self.points.iterdir()), ["hub.registered", "journal.migrated"])

    def test_misunderstood_is_no_silence(self):
        for order in ("journal.epoch", "nowhere.at_all:kill", "journal.epoch:die", "journal.epoch:kill@0", "journal.epoch:kill@x", "journal.epoch:sleep=0", "plan.begun:crash="):
            self.assertEqual(self.amad(order), -signal.SIGABRT, order)


if __name__ == "__main__":
    unittest.main(verbosity=2)
