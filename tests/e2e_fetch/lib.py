"""What the fetch tests share: a temp folder per test, repositories made on the spot, the fetcher in a process, a canary.

AMA_SOURCE_DIR and AMA_BINARY_DIR are set by ctest.
"""
import json
import os
import queue
import shutil
import stat
import subprocess
import sys
import tempfile
import threading
import unittest

SOURCE = os.environ.get("AMA_SOURCE_DIR") or os.path.abspath(os.path.join(os.path.dirname(__file__), "../.."))
BINARY = os.environ.get("AMA_BINARY_DIR") or os.path.join(SOURCE, "build/dev")
HELPER = os.path.join(BINARY, "bin/ama-fetch-helper")
DRIVE = os.path.join(BINARY, "tests/fetch_drive")
sys.path.insert(0, os.path.join(SOURCE, "tests/tools"))

def known_leaks(name):
    """What a sanitizer finds in the libraries; everything else that it finds fails the test."""
    os.environ["LSAN_OPTIONS"] = "print_suppressions=0:suppressions=" + os.path.join(SOURCE, "tests/e2e_fetch", name)


known_leaks("leaks.txt")  # libgit2 1.5 keeps what it matches patterns with

GIT_ENV = dict(os.environ, GIT_CONFIG_GLOBAL="/dev/null", GIT_CONFIG_NOSYSTEM="1", GIT_AUTHOR_NAME="t", GIT_AUTHOR_EMAIL="t@t",
               GIT_COMMITTER_NAME="t", GIT_COMMITTER_EMAIL="t@t", GIT_CONFIG_COUNT="1", GIT_CONFIG_KEY_0="protocol.file.allow",
               GIT_CONFIG_VALUE_0="always")


def git(folder, *args, data=None):
    done = subprocess.run(["git", "-C", folder, *args], input=data, env=GIT_ENV, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if done.returncode:
        raise RuntimeError("git %s: %s" % (" ".join(args), done.stderr.decode()))
    return done.stdout.decode().strip()


def write(folder, name, text="x\n", mode=None):
    path = os.path.join(folder, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(text if isinstance(text, bytes) else text.encode())
    if mode is not None:
        os.chmod(path, mode)
    return path


def commit(folder, text, **files):
    """Files by name with _ for . ; returns the commit."""
    for name, content in files.items():
        write(folder, name.replace("_", "."), content)
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", text, "--allow-empty")
    return git(folder, "rev-parse", "HEAD")


def new_repo(folder, bare=False):
    os.makedirs(folder)
    git(folder, "init", "-q", "-b", "main", *(["--bare"] if bare else []))
    return folder


def remove(path):
    for folder, _, _ in os.walk(path):
        os.chmod(folder, 0o700)
    shutil.rmtree(path)


def tree_state(path, skip=()):
    """Everything below a folder: kind, mode, size, times."""
    state = {}
    for folder, names, files in os.walk(path):
        names[:] = [n for n in names if os.path.join(folder, n) not in skip]
        for name in names + files + ["."]:
            full = os.path.join(folder, name)
            st = os.lstat(full)
            state[full] = (st.st_mode, st.st_size, st.st_mtime_ns if stat.S_ISREG(st.st_mode) else 0)
    return state


class Drive:
    """The fetcher in a process of its own. ask() waits for the answer; start() and wait() for several at once."""

    def __init__(self, cache, env=None, **conf):
        conf.setdefault("helper", HELPER)
        conf.setdefault("retry_ms", 20)
        self.answers, self.progress, self.waiting, self.number = {}, {}, queue.Queue(), 0
        self.process = subprocess.Popen([DRIVE, json.dumps(dict(conf, cache_dir=cache))], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, env=dict(os.environ, **(env or {})))
        self.log = b""
        self.threads = [threading.Thread(target=self.read, daemon=True), threading.Thread(target=self.read_log, daemon=True)]
        for thread in self.threads:
            thread.start()

    def read(self):
        for line in self.process.stdout:
            event = json.loads(line)
            if event["event"] == "progress":
                self.progress.setdefault(event["id"], []).append(event)
                self.waiting.put(("progress", event))
            else:
                self.answers[event["id"]] = event
                self.waiting.put(("answer", event))
        self.waiting.put(("end", None))

    def read_log(self):
        for line in self.process.stderr:
            self.log += line

    def start(self, url, **order):
        self.number += 1
        order = dict(order, id=str(self.number), url=url)
        self.process.stdin.write((json.dumps(order) + "\n").encode())
        self.process.stdin.flush()
        return order["id"]

    def wait(self, one, kind="answer", timeout=60):
        if kind == "answer" and one in self.answers:
            return self.answers[one]
        while True:
            what, event = self.waiting.get(timeout=timeout)
            if what == "end":
                raise RuntimeError("the fetcher ended: " + self.log.decode())
            if what == kind and event["id"] == one:
                return event

    def ask(self, url, **order):
        return self.wait(self.start(url, **order))

    def close(self):
        if self.process.stdin.closed:
            return
        self.process.stdin.close()
        code = self.process.wait(30)
        for thread in self.threads:
            thread.join()
        self.process.stdout.close()
        self.process.stderr.close()
        if b"Sanitizer" in self.log or b"runtime error" in self.log:
            raise RuntimeError(self.log.decode())
        if code:
            raise RuntimeError("the fetcher ended with %d: %s" % (code, self.log.decode()))


class FetchTest(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.temp = os.path.realpath(tempfile.mkdtemp(prefix="ama-fetch-"))
        self.cache = os.path.join(self.temp, "cache")
        self.drives = []

    def tearDown(self):
        try:
            for drive in self.drives:
                drive.close()
        finally:
            remove(self.temp)

    def path(self, *parts):
        return os.path.join(self.temp, *parts)

    def drive(self, **conf):
        drive = Drive(conf.pop("cache", self.cache), **conf)
        self.drives.append(drive)
        return drive

    def assertSnapshot(self, answer, lies, **fields):
        """lies: name → text of what must lie there, and nothing else (folders are implied; a link is its target with ->)."""
        self.assertEqual(answer["event"], "reply", answer)
        self.assertTrue(answer["snapshot"].startswith(self.cache + "/snapshots/"), answer)
        found = {}
        for folder, names, plain in os.walk(answer["snapshot"]):
            for name in plain + [n for n in names if os.path.islink(os.path.join(folder, n))]:
                full = os.path.join(folder, name)
                if os.path.islink(full):
                    found[os.path.relpath(full, answer["snapshot"])] = "-> " + os.readlink(full)
                else:
                    self.assertFalse(os.stat(full).st_mode & 0o222, "%s is writable" % full)
                    with open(full, "rb") as file:
                        found[os.path.relpath(full, answer["snapshot"])] = file.read().decode("utf-8", "replace")
            self.assertFalse(os.stat(folder).st_mode & 0o222, "%s is writable" % folder)
        self.assertEqual(found, lies)
        for name, value in fields.items():
            self.assertEqual(answer[name], value, "%s of %s" % (name, answer))

    def assertRefused(self, answer, code, text=""):
        self.assertEqual((answer["event"], answer.get("code")), ("error", code), answer)
        self.assertIn(text, answer["text"])
