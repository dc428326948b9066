"""A house of real programs that a campaign's story happens in: amad kept alive as a service manager would, orders to failpoints, SIGCONT for who stands."""
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "tools"))
from processes import living_in, state_of  # noqa: E402

LIMIT = 120     # seconds that anything may take


class Broken(Exception):
    """A promise that was not kept, as in check.py: its text begins with the promise's number."""


class Hit:
    """An order that was carried out."""

    def __init__(self, point, act, pid, at, hold=0):
        self.point, self.act, self.pid, self.at = point, act, pid, at
        self.over = at + hold


class House:
    def __init__(self, binaries, programs, shared_cache):
        """programs: failpoint → program. shared_cache: None for a cache of its own."""
        self.bin, self.programs = pathlib.Path(binaries), programs
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="ama-crash-"))
        self.data, self.marks = self.folder / "data", self.folder / "shared/marks"
        self.cache = pathlib.Path(shared_cache or self.folder / "cache")
        # where a fetch helper may write, if it is to take part
        self.points = (self.folder if shared_cache else self.cache / "amaterasu") / "points"
        self.points.mkdir(parents=True)
        (self.folder / "home").mkdir()
        self.marks.parent.mkdir()  # what actions may write, beyond their own
        self.marks.touch()
        (self.folder / "house.yaml").write_text(f"sandbox-write: {self.marks.parent}\n")
        self.orders, self.hits, self.standing = {}, [], []
        self.daemon, self.started_at, self.ready = None, 0, False
        self.recovery, self.starts, self.stopping = [], 0, False
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notify.bind(str(self.folder / "notify"))
        self.notify.setblocking(False)
        self.env = {"PATH": f"{self.bin}:{os.environ['PATH']}", "HOME": str(self.folder / "home"), "LANG": "C.UTF-8", "AMA_CONFIG": str(self.folder / "house.yaml"),
                    "AMA_DATA_DIR": str(self.data), "XDG_CACHE_HOME": str(self.cache)}
        for name in ("JAVA_HOME", "SPARK_HOME", "AMA_KERNEL_JAR", "AMA_CDS_ARCHIVE", "ASAN_OPTIONS", "UBSAN_OPTIONS", "MAVEN_OPTS"):
            if name in os.environ:
                self.env[name] = os.environ[name]

    # ---- orders

    def order(self, point, act, at=1, hold=0.3):
        """Of the next amad and what it starts. act: kill or stop; hold: seconds until it is told to go on."""
        self.orders[point] = (act, at, hold)

    def spec(self):
        return ";".join(f"{point}:{act}@{at}" for point, (act, at, _) in self.orders.items())

    def look(self):
        """What was carried out since the last look."""
        for file in self.points.iterdir():
            if any(h.point == file.name for h in self.hits):
                continue
            try:
                pid = int(file.read_text())
            except ValueError:
                continue                                    # made, not yet written
            act, _, hold = self.orders[file.name]
            self.hits.append(Hit(file.name, act, pid, file.stat().st_mtime, hold if act == "stop" else 0))
            if act == "stop":
                self.standing.append((pid, time.monotonic() + hold))
        for pid, until in list(self.standing):
            state = state_of(pid)
            if state in (None, "Z", "X") or (time.monotonic() >= until and state == "T"):
                self.standing.remove((pid, until))
                if state == "T":
                    os.kill(pid, signal.SIGCONT)

    # ---- amad

    def start(self):
        self.ready, self.stopping = False, False
        self.starts += 1
        with open(self.folder / "amad.log", "a", encoding="utf-8") as log:
            self.started_at = time.monotonic()
            self.daemon = subprocess.Popen(
                [self.bin / "amad", "--log-level", "info"], stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True,
                env={**self.env, "NOTIFY_SOCKET": str(self.folder / "notify"), "AMA_FAILPOINT": self.spec(),
                     "AMA_FAILPOINT_DIR": str(self.points)})

    def kill(self):
        """From outside, wherever it is."""
        self.hits.append(Hit("outside.amad", "kill", self.daemon.pid, time.time()))
        self.daemon.send_signal(signal.SIGKILL)
        self.tick()

    def kill_guard(self):
        """The agent has to see it, and to start another."""
        for agent, command in self.processes():
            if not command.split(" ")[0].endswith("/ama-agent"):
                continue
            try:
                children = pathlib.Path(f"/proc/{agent}/task/{agent}/children").read_text().split()
                guards = [pid for pid in children if pathlib.Path(f"/proc/{pid}/comm").read_text() == "ama-guard\n"]
            except OSError:
                continue
            for pid in guards:
                self.hits.append(Hit("outside.guard", "kill", int(pid), time.time()))
                os.kill(int(pid), signal.SIGKILL)

    def tick(self):
        """What a service manager does: what died is started again at once."""
        self.look()
        self.hear()
        code = self.daemon.poll()
        if code is None or (self.stopping and code == 0):
            return
        self.look()
        if code != -signal.SIGKILL or not any(h.pid == self.daemon.pid and h.act == "kill" for h in self.hits):
            raise Broken(f"P10: amad ended by itself with {code}\n{self.log()}")
        self.start()

    def hear(self):
        while True:
            try:
                said = self.notify.recv(4096).decode()
            except BlockingIOError:
                return
            if "READY=1" in said.splitlines() and not self.ready:
                self.ready = True
                if self.starts > 1:
                    self.recovery.append(time.monotonic() - self.started_at)

    def wait(self, done, what, limit=LIMIT):
        until = time.monotonic() + limit
        while not (found := done()):
            self.tick()
            if time.monotonic() > until:
                raise Broken(f"P7: waited {limit} s in vain for {what}\n{self.log()}")
            time.sleep(0.004)
        return found

    def run(self, program, *args, limit=LIMIT):
        """A client; amad is looked after meanwhile. (exit code, stdout, stderr)"""
        with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err, \
                subprocess.Popen([self.bin / program, *map(str, args)], env=self.env, stdin=subprocess.DEVNULL, stdout=out, stderr=err) as client:
            try:
                self.wait(lambda: client.poll() is not None, f"{program} {' '.join(map(str, args))}", limit)
            except BaseException:
                client.kill()
                raise
            out.seek(0)
            err.seek(0)
            return client.returncode, out.read(), err.read()

    def ask(self, program, *args, good=(0,), ended=None):
        """Like a client that does not give up: again while amad is away. ended: what is said by one that saw the end, whatever its code."""
        until = time.monotonic() + LIMIT
        while True:
            code, out, err = self.run(program, *args)
            if ended in out if ended else code in good:
                return out
            if code == 2:
                raise Broken(f"P1: {program} {' '.join(map(str, args))} knows nothing of it: {err}")
            if code != 5 or time.monotonic() > until:
                raise Broken(f"P7: {program} {' '.join(map(str, args))} ended with {code}: {err}\n{self.log()}")

    def follow(self, run, name):
        """A follower, for as long as the run takes: (process, file of what it said)"""
        file = self.folder / name
        with open(file, "w", encoding="utf-8") as out:
            return subprocess.Popen([self.bin / "ama", "attach", run, "--report-format", "ndjson"], env=self.env, stdin=subprocess.DEVNULL,
                                    stdout=out, stderr=subprocess.DEVNULL), file

    # ---- the end

    def stop(self):
        """In order, and whatever happens meanwhile."""
        while True:
            self.wait(lambda: self.ready, "amad to be ready")
            starts, self.stopping = self.starts, True
            self.daemon.send_signal(signal.SIGTERM)
            self.wait(lambda: self.daemon.poll() == 0 or self.starts != starts, "amad to stop", 30)
            if self.starts == starts:
                return

    def processes(self):
        """(pid, command) of all that lives here."""
        return living_in(self.folder)

    def end_agents(self):
        """An agent outlives its amad by design; all else must have gone, and goes with it."""
        until = time.monotonic() + 20
        asked = set()
        while left := self.processes():
            for pid, command in left:
                if command.split(" ")[0].endswith("/ama-agent") and pid not in asked:
                    asked.add(pid)
                    os.kill(pid, signal.SIGINT)
            self.look()                 # who stands is told to go on
            if time.monotonic() > until:
                raise Broken(f"P9: processes were left: {left}")
            time.sleep(0.004)

    def log(self):
        said = []
        for name in ("amad.log", "data/agent/agent.log"):
            file = self.folder / name
            said += [f"{name}: {line}" for line in (file.read_text(errors="replace").splitlines()[-12:] if file.exists() else [])]
        return "\n".join(said)

    def close(self, keep=False):
        for pid, _ in self.processes():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        if self.daemon:
            self.daemon.wait(10)
        self.notify.close()
        if not keep:
            subprocess.run(["chmod", "-R", "u+w", self.folder], check=False)
            shutil.rmtree(self.folder, ignore_errors=True)
