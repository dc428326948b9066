"""What the end-to-end tests share: a house of its own for each test (data dir, repositories, daemon), and the real programs."""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
import unittest

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "tools"))
from processes import living_in  # noqa: E402

SOURCE = pathlib.Path(os.environ["AMA_SOURCE_DIR"])
BINARY = pathlib.Path(os.environ["AMA_BINARY_DIR"])
BIN = BINARY / "bin"
LIMIT = 300  # seconds any single command may take


def cache_folder():
    return os.environ.get("XDG_CACHE_HOME") or str(SOURCE / ".cache")


class Repo:
    """A git repository with files given as text, or as bytes."""

    def __init__(self, path, files):
        self.path = pathlib.Path(path)
        self.path.mkdir(parents=True)
        self.git("init", "-q", "-b", "master")
        self.commit(files, "first")

    def git(self, *args):
        return subprocess.run(
            ["git", "-C", self.path, "-c", "user.name=t", "-c", "user.email=t@localhost", *args],
            check=True, capture_output=True, text=True, timeout=LIMIT).stdout.strip()

    def write(self, files):
        for name, text in files.items():
            at = self.path / name
            at.parent.mkdir(parents=True, exist_ok=True)
            at.write_bytes(text if isinstance(text, bytes) else textwrap.dedent(text).encode())

    def commit(self, files, message):
        self.write(files)
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD")

    def __str__(self):
        return str(self.path)


def lies_below(folder, pattern):
    """Paths whose ends are as the pattern says, as rglob has them; also while somebody removes what lies there, at which that fails."""
    return [path for at, folders, files in os.walk(folder) for path in (pathlib.Path(at, name) for name in (*folders, *files)) if path.match(pattern)]


class Events(list):
    """The lines of an NDJSON report."""

    @classmethod
    def of(cls, text):
        return cls(json.loads(line) for line in text.splitlines() if line)

    def types(self):
        return [e["type"] for e in self]

    def find(self, type, **fields):
        return Events(e for e in self if e["type"] == type and all(e.get(k) == v for k, v in fields.items()))

    def one(self, type, **fields):
        found = self.find(type, **fields)
        if len(found) != 1:
            raise AssertionError(f"{len(found)} events {type} {fields} in {self}")
        return found[0]

    def said(self, **fields):
        """What was printed. A line that an action writes in two goes may come in two events, the first of them `partial`."""
        return "".join(e["text"] + ("" if e.get("partial") else "\n") for e in self.find("output", **fields))

    def lines(self, **fields):
        return self.said(**fields).splitlines()


class House(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="ama-e2e-"))
        self.data = self.folder / "data"
        self.daemons = []
        self.env = {
            "PATH": f"{BIN}:{os.environ['PATH']}",
            "HOME": str(self.folder / "home"),
            "LANG": "C.UTF-8",
            "AMA_DATA_DIR": str(self.data),
            "XDG_CACHE_HOME": cache_folder(),
        }
        for name in ("JAVA_HOME", "SPARK_HOME", "AMA_KERNEL_JAR", "AMA_CDS_ARCHIVE", "ASAN_OPTIONS", "UBSAN_OPTIONS", "MAVEN_OPTS"):
            if name in os.environ:
                self.env[name] = os.environ[name]
        (self.folder / "home").mkdir()
        self.shared = self.folder / "shared"
        self.shared.mkdir()
        self.open_to_actions(self.shared)

    def open_to_actions(self, *paths):
        """Pipes and marks by which a test and its actions know of one another lie in `shared`: what amad.yaml opens to all actions, and nothing else of the house."""
        config = self.folder / "house.yaml"
        config.write_text(f"sandbox-write: {json.dumps([str(path) for path in paths])}\n")
        self.env["AMA_CONFIG"] = str(config)

    def tearDown(self):
        for daemon in self.daemons:
            if daemon.poll() is None:
                daemon.send_signal(signal.SIGTERM)
                daemon.wait(30)
        left = self.processes()
        deadline = time.monotonic() + 15
        agents = [p for p in left if "ama-agent" in p[1]]
        for pid, _ in agents:  # an agent outlives its amad by design; here nobody comes back for it
            try:
                os.kill(pid, signal.SIGINT)
            except ProcessLookupError:
                pass
        while (left := self.processes()) and time.monotonic() < deadline:
            time.sleep(0.02)
        for pid, _ in left:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        subprocess.run(["chmod", "-R", "u+w", self.folder], check=False)
        shutil.rmtree(self.folder, ignore_errors=True)
        self.assertEqual(left, [], "processes were left behind")

    def processes(self):
        """(pid, command line) of everything that lives in this house."""
        return living_in(self.folder)

    def repo(self, files, name="job"):
        return Repo(self.folder / name, files)

    def ama(self, *args, program="ama", env=None, timeout=LIMIT, cwd=None, stdin=subprocess.DEVNULL):
        return subprocess.run(
            [BIN / program, *map(str, args)], env={**self.env, **(env or {})}, capture_output=True, text=True, timeout=timeout,
            cwd=cwd, stdin=stdin)

    def start(self, *args, program="ama", env=None, **kw):
        return subprocess.Popen(
            [BIN / program, *map(str, args)], env={**self.env, **(env or {})}, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL, text=True, **kw)

    def amad(self, *args):
        """Starts the daemon and waits until it serves."""
        log_at = self.folder / "amad.log"
        starts = log_at.read_text().count("serving on") if log_at.exists() else 0
        with open(self.folder / "amad.log", "a") as log:
            daemon = subprocess.Popen([BIN / "amad", *map(str, args)], env=self.env, stdout=log, stderr=log,
                                      stdin=subprocess.DEVNULL, start_new_session=True)
        self.daemons.append(daemon)
        deadline = time.monotonic() + 20
        while log_at.read_text().count("serving on") == starts:
            time.sleep(0.005)
            if daemon.poll() is not None or time.monotonic() > deadline:
                raise AssertionError("amad does not serve:\n" + (self.folder / "amad.log").read_text())
        return daemon

    def submit(self, repo, *args, exit=0):
        """The run's id."""
        done = self.ama("--repo", repo, "--detach", *args, program="ama-submit")
        self.assertEqual(done.returncode, exit, done.stderr)
        return done.stdout.strip()

    def run_events(self, *args, exit=0, **kw):
        """ama run with the report as NDJSON; checks the exit code and that nothing is missing."""
        done = self.ama("run", *args, "--report-format", "ndjson", **kw)
        self.assertEqual(done.returncode, exit, f"{done.stdout}\n{done.stderr}")
        return self.checked(done.stdout)

    def checked(self, text):
        events = Events.of(text)
        self.assertEqual([e["seq"] for e in events], list(range(1, len(events) + 1)))
        self.assertEqual([e["prev"] for e in events], list(range(0, len(events))))
        types = [e["type"] for e in events]
        self.assertEqual(types.count("run.accepted"), 1)
        self.assertIn(types[:types.index("run.accepted")], ([], ["phase.started"]))
        for told in events[:types.index("run.accepted") + 1]:
            self.assertTrue({"repo", "ref", "job", "env"} <= told.keys(), told)
        pinned = events.find("phase.ended", phase="fetch", status="ok")
        self.assertEqual([(e.get("commit"), e.get("dirty")) for e in events.find("run.accepted")],
                         [(e.get("commit"), e["dirty"]) for e in pinned] or [(None, None)])
        self.assertEqual(events[-1]["type"], "run.ended")
        for i, end in enumerate(events):  # what is told of an attempt is told before its end, and all of it
            if end["type"] == "attempt.ended" and "events" in end:
                told = [e for e in events[:i] if (e.get("action"), e.get("attempt")) == (end["action"], end["attempt"]) and not e["type"].startswith("attempt.")]
                missing = sum(e["events"] - 1 for e in told if e["type"] == "gap" and "bytes" not in e)
                self.assertEqual(len(told) + missing, end["events"], end)
        return events

    def finish(self, process, limit=LIMIT):
        """The rest of its stdout, and its stderr; waits for its end. (communicate would lose what wait_for_line has buffered.)"""
        timer = threading.Timer(limit, process.kill)
        timer.start()
        try:
            with process.stdout, process.stderr:
                rest, err = process.stdout.read(), process.stderr.read()
            process.wait(limit)
            return rest, err
        finally:
            timer.cancel()

    def wait_for_line(self, process, want, limit=LIMIT):
        """Reads the process' stdout until a line holds `want`; returns all that was read."""
        read = []
        timer = threading.Timer(limit, process.kill)
        timer.start()
        try:
            for line in process.stdout:
                read.append(line)
                if want in line:
                    return "".join(read)
        finally:
            timer.cancel()
        raise AssertionError(f"no line with {want!r} came:\n{''.join(read)}\n{process.stderr.read()}")


class Words:
    """`ama` as actions find it. In a build with sanitizers it is not to look for leaks: what traces it for that is refused in the sandbox."""

    def setUp(self):
        super().setUp()
        words = self.folder / "words"
        words.mkdir()
        (words / "ama").write_text(f'#!/bin/sh\nASAN_OPTIONS=detect_leaks=0 exec {BIN}/ama "$@"\n')
        (words / "ama").chmod(0o755)
        self.env["PATH"] = f"{words}:{self.env['PATH']}"
