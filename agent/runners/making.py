"""What is made once of packages, whatever their language, in a folder that is named by all that it is made of: shared by the runners' environment.py and library.py.

Each of these appears whole, under a lock; .used in it tells when it was asked for last.
"""
import contextlib
import fcntl
import hashlib
import json
import os
import re
import sys
import time

LINE = 1500             # characters of what is told


class Trouble(Exception):
    """For now: it may be gone when it is tried again."""


class Refused(Exception):
    """For good: there is no such environment."""


def plain(text):
    """One line, without a password that stands in an address."""
    return re.sub(r"(://)[^/@\s]+@", r"\1***@", " ".join(text.split()))[:LINE]


def digest_of(*parts):
    found = hashlib.sha256()
    for part in parts:
        found.update(part if isinstance(part, bytes) else part.encode())
        found.update(b"\0")
    return found.hexdigest()[:24]


def content(path):
    found = hashlib.sha256()
    with open(path, "rb") as file:
        while part := file.read(1 << 20):
            found.update(part)
    return found.hexdigest()


def remove(folder):
    import shutil       # what is made already does not wait for it
    shutil.rmtree(folder, ignore_errors=True)


def inside(snapshot, path):
    """A path of the job's repository; the planner has looked at it, and links could have changed since."""
    root = os.path.realpath(snapshot)
    full = os.path.realpath(os.path.join(snapshot, path))
    if full != root and not full.startswith(root + os.sep):
        raise Refused(f"{path} leaves the repository")
    return full


class Maker:
    """Of one thing. language: of its packages; kind: what its folders' names begin with."""
    language, kind = "", ""
    in_place = False    # it can not be moved: it is made where it will be, and is there when .used is
    locking = False     # only what it comes to is wanted

    def __init__(self, cache, order):
        self.cache = os.path.join(os.path.realpath(cache), self.language)
        self.order = order
        self.snapshot = order.get("snapshot", "")
        self.packages = [package for file in order.get("files", []) for package in file["packages"]]
        self.lock = inside(self.snapshot, order["lock"]) if order.get("lock") else ""

    @classmethod
    def say(cls, text):
        print(f"{cls.language}: {text}", file=sys.stderr, flush=True)

    def name_it(self, *parts):
        """By all that it is made of."""
        self.made = os.path.join(self.cache, self.kind + digest_of(*parts))

    def is_made(self, path):
        return os.path.exists(os.path.join(path, ".used") if self.in_place else path)

    # ---- one at a time

    @contextlib.contextmanager
    def alone(self, path):
        """Who waits says so."""
        with open(path, "a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                self.say("another installation is under way: waiting for it")
                fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def lock_of(self, made):
        """One of sixteen: a file that is locked can not be removed, so there is not one for each."""
        return os.path.join(self.cache, ".lock-" + os.path.basename(made)[len(self.kind)])

    def prepare(self):
        """What is needed before it can be made."""

    def make(self):
        """It is to be there as self.making, and is renamed then."""
        raise NotImplementedError

    def ensure(self):
        os.makedirs(self.cache, exist_ok=True)
        if self.is_made(self.made):
            return
        self.prepare()
        with self.alone(self.lock_of(self.made)):
            if self.is_made(self.made):
                return
            begun = time.monotonic()
            self.making = self.made if self.in_place else os.path.join(self.cache, ".making-" + os.path.basename(self.made))
            remove(self.making)
            try:
                self.make()
                self.write(".used", "")
                if not self.in_place:
                    os.rename(self.making, self.made)
            except OSError as error:
                raise Trouble(f"what is made can not be written: {error.strerror}") from None
            finally:
                if not self.in_place or not self.is_made(self.made):
                    remove(self.making)
            self.say(f"made in {time.monotonic() - begun:.1f} s, kept in {self.made}")
        self.trim()

    def write(self, name, text):
        path = os.path.join(self.making, name)
        with open(path, "w") as file:
            file.write(text)
        return path

    # ---- what nobody has asked for in a long time

    def folders_in_use(self):
        """By processes that run: an action may run for longer than environments are kept."""
        raise NotImplementedError

    def trim(self):
        keep = self.order.get("keep_ms") or 0
        if not keep:
            return
        used = self.folders_in_use()
        for name in sorted(os.listdir(self.cache)):
            path = os.path.join(self.cache, name)
            with contextlib.suppress(OSError):
                asked = os.stat(os.path.join(path, ".used") if self.is_made(path) else path).st_mtime
                if name.startswith(self.kind) and path not in used and path != self.made and time.time() - asked > keep / 1000:
                    with open(self.lock_of(path), "a") as lock:
                        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                        gone = os.path.join(self.cache, ".gone-" + name)
                        os.rename(path, gone)       # as a whole: nobody finds half of one
                        remove(gone)

    def lines(self):
        """What the agent is told of it."""
        raise NotImplementedError

    def use(self):
        with contextlib.suppress(OSError):
            os.utime(os.path.join(self.made, ".used"))
        for line in self.lines():
            print(line)

    def write_lock(self):
        """What the packages come to, to standard output."""
        raise NotImplementedError


def processes(what):
    """That file of each process in /proc, as bytes, in parts without the NULs between."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError), open(f"/proc/{pid}/{what}", "rb") as file:
            yield file.read().split(b"\0")


def main(maker_class, words):
    """As the runners' install.sh is called: [--check|--lock] CACHE_DIR [-]; the order is one line of standard input."""
    mode = words[0] if words[:1] in (["--check"], ["--lock"]) else ""
    words = words[bool(mode):]
    if not words or len(words) > 2 or words[1:] not in ([], ["-"]):
        print("usage: install.sh [--check|--lock] CACHE_DIR [-]", file=sys.stderr)
        return 2
    try:
        maker = maker_class(words[0], json.loads(sys.stdin.readline()) if len(words) > 1 else {})
        if mode == "--lock":
            maker.locking = True
            maker.write_lock()
        elif mode:
            if not maker.is_made(maker.made):
                print(f"the {maker.title} ({maker.made})")
                return 1
        else:
            maker.ensure()
            maker.use()
    except Refused as refused:
        maker_class.say(str(refused))
        if mode == "--lock":
            return 3
        print(f"refused={refused}")
    except Trouble as trouble:
        maker_class.say(str(trouble))
        return 1
    return 0
