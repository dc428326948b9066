"""A row of the table, and a place to measure in: data dir, daemon, repositories, all thrown away after."""
import contextlib
import dataclasses
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time
import typing

ROOT = pathlib.Path(__file__).resolve().parent.parent
BIN = ROOT / "build/release/bin"


@dataclasses.dataclass
class Row:
    figure: str
    got: float
    unit: str
    target: str
    n: int
    reached: typing.Optional[bool]
    beside: str = ""

    def line(self):
        sign = {True: "ok  ", False: "MISS", None: "    "}[self.reached]
        return f"{sign} {self.figure:<58} {self.got:>10.3f} {self.unit:<4} (to reach {self.target}, N={self.n}) {self.beside}"


class Place:
    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="ama-bench-"))
        self.env = {**os.environ, "AMA_DATA_DIR": str(self.folder / "data"), "PATH": f"{BIN}:{os.environ['PATH']}",
                    "XDG_CACHE_HOME": os.environ.get("XDG_CACHE_HOME", str(ROOT / ".cache"))}

    def repo(self, name, files, git=True):
        path = self.folder / name
        for file, text in files.items():
            (path / file).parent.mkdir(parents=True, exist_ok=True)
            (path / file).write_text(text)
        if git:
            for words in (["init", "-q", "-b", "master"], ["add", "-A"], ["-c", "user.name=b", "-c", "user.email=b@localhost", "commit", "-qm", "bench"]):
                subprocess.run(["git", "-C", path, *words], check=True)
        return path

    def run(self, *command, check=0, **kw):
        done = subprocess.run([str(c) for c in command], env=self.env, capture_output=True, text=True, stdin=subprocess.DEVNULL, **kw)
        if check is not None and done.returncode != check:
            raise RuntimeError(f"{command} ended with {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
        return done

    def timed(self, *command, **kw):
        start = time.monotonic()
        done = self.run(*command, **kw)
        return time.monotonic() - start, done

    @contextlib.contextmanager
    def daemon(self):
        log = open(self.folder / "amad.log", "w")
        daemon = subprocess.Popen([BIN / "amad"], env=self.env, stdout=log, stderr=log, start_new_session=True)
        try:
            while "serving on" not in (self.folder / "amad.log").read_text():
                time.sleep(0.005)
                if daemon.poll() is not None:
                    raise RuntimeError((self.folder / "amad.log").read_text())
            yield daemon
        finally:
            daemon.send_signal(signal.SIGTERM)
            daemon.wait(30)

    def close(self):
        for entry in pathlib.Path("/proc").iterdir():  # the agent outlives its amad; here nobody comes back for it
            with contextlib.suppress(OSError, ValueError):
                if entry.name.isdigit() and str(self.folder).encode() in (entry / "cmdline").read_bytes():
                    os.kill(int(entry.name), signal.SIGTERM)
        subprocess.run(["chmod", "-R", "u+w", self.folder], check=False)
        shutil.rmtree(self.folder, ignore_errors=True)


@contextlib.contextmanager
def place():
    at = Place()
    try:
        yield at
    finally:
        at.close()


def flow(actions, group="shell", type="bash", ext="sh"):
    return json.dumps({"job-name": "bench", "flow": [
        {"name": a, "runner": {"group": group, "type": type}, "file": f"{a}.{ext}"} for a in actions]})


def percentile(values, p):
    return sorted(values)[min(len(values) - 1, int(len(values) * p / 100))]
