"""A house with jobs for its daemon, and what is asked of it again and again."""
import json
import signal

from house import House
from run_test import ENV


class DaemonHouse(House):
    def job(self, maki, name="job", **sources):
        return self.repo({"maki.yml": maki, **ENV, **{f"src/{n}.sh": t for n, t in sources.items()}}, name)

    def attach(self, run, *args, **kw):
        done = self.ama("attach", run, "--report-format", "ndjson", *args, **kw)
        return done.returncode, done.stdout

    def state(self, run):
        return json.loads(self.ama("show", run, "-o", "json").stdout)["state"]

    def kill(self, daemon):
        daemon.send_signal(signal.SIGKILL)
        daemon.wait(10)

    def wait_for_output(self, run, text):
        follower = self.start("attach", run, "--report-format", "ndjson")
        self.wait_for_line(follower, f'"text":"{text}"')
        follower.send_signal(signal.SIGTERM)
        self.finish(follower)
