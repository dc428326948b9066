"""What of a package's author runs when it is installed, runs in the sandbox of actions: it is asked of the agent, which starts it there (agent/booth.h). For the runners' environment.py and library.py."""
import contextlib
import json
import os
import select
import sys
import time

from making import Refused, Trouble

LIMIT_S = 3600              # of one build
LOOK_S = 2                  # between two looks at how much is written
LOG_MAX = 64 << 10
# before the words of a build, whose environment names the log. 2 GiB a file
BUILD = ("/bin/sh", "-c", 'ulimit -c 0; ulimit -f 4194304; exec "$@" >"$AMA_BUILD_LOG" 2>&1', "sh")


class Sandbox:
    """folder: all that is written there may be `limit` bytes together."""

    def __init__(self, folder, limit):
        self.folder, self.limit = folder, limit

    def run(self, order):
        """How it ended, as booth.h says; "large" if it wrote too much."""
        print("confine=" + json.dumps(order, separators=(",", ":")), flush=True)
        looked, large = time.monotonic(), False
        while not select.select([sys.stdin], [], [], LOOK_S)[0]:
            if not large and time.monotonic() - looked >= LOOK_S:
                large = self.size() > self.limit
                if large:
                    print("stop", flush=True)
                looked = time.monotonic()
        how = sys.stdin.readline().strip()
        if not how:
            raise Trouble("packages are built by an agent, in its sandbox, and none answers")
        return f"large {self.limit >> 30}" if large else how

    def size(self):
        total = 0
        for at, _, names in os.walk(self.folder):
            for name in names:
                with contextlib.suppress(OSError):
                    total += os.lstat(os.path.join(at, name)).st_size
        return total


def read_log(path):
    """The end of what a build has said; the file is its author's: a link is not followed."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with open(file, "rb") as log:
            log.seek(max(0, os.fstat(file).st_size - LOG_MAX))
            return log.read(LOG_MAX).decode("utf-8", "replace")
    except (OSError, ValueError):
        return ""


def check_build(how, what, text):
    """Raises for every end but one of the build's own, of which its log may tell more."""
    word, _, more = how.partition(" ")
    if word == "large":
        raise Refused(f"{what} needs more than {more} GiB to be built, with what is there already")
    if word == "timeout":
        raise Trouble(f"{what} was not built in {LIMIT_S} s")
    if word == "signal":
        raise Trouble(f"{what}: its build was ended by SIG{more}")
    if word == "error":
        raise Trouble(f"{what} can not be built in the sandbox: {more}")
    if "No space left on device" in text:
        raise Trouble(f"{what}: no space left on the device")
