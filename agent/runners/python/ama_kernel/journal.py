"""What the kernel says, once and in its order, in a pipe (agent/runners/jupyter/journal.h); and what is written to stdout and stderr, by whomever."""
import atexit
import codecs
import collections
import io
import os
import select
import struct
import threading

BACKLOG = 1 << 20  # bytes that may wait; who says more waits
TEXT = 32 << 10    # bytes of one stream message
NAMES = {1: "stdout", 2: "stderr"}


def record(frames):
    """The size of what follows, then each frame after its own size."""
    parts = b"".join(struct.pack("<I", len(frame)) + frame for frame in frames)
    return struct.pack("<I", len(parts)) + parts


class Journal:
    """A thread of its own writes: an interrupt that meets the statement can not cut a record in two."""

    def __init__(self, fd):
        self.fd = fd
        self.stream = None      # (name, text) -> frames; set by the session
        self.lock = threading.Condition()
        self.items = collections.deque()    # (channel, bytearray) or (0, record)
        self.waiting = 0
        self.open = True
        self.decoders = {channel: codecs.getincrementaldecoder("utf-8")("replace") for channel in NAMES}
        threading.Thread(target=self._write, name="journal", daemon=True).start()
        atexit.register(self.close)

    def message(self, frames):
        self._add(0, record(frames))

    def text(self, channel, data):
        self._add(channel, data)

    def _add(self, channel, data):
        with self.lock:
            while self.open and self.waiting > BACKLOG:
                self.lock.wait()
            last = self.items[-1] if self.items else None
            self.waiting += len(data)
            if channel and last and last[0] == channel and len(last[1]) < TEXT:
                last[1].extend(data)
            else:
                self.items.append((channel, bytearray(data)))
            self.lock.notify_all()

    def _records(self, channel, data):
        if not channel:
            yield data
            return
        for at in range(0, len(data), TEXT):
            text = self.decoders[channel].decode(bytes(data[at:at + TEXT]))
            if text:
                yield record(self.stream(NAMES[channel], text))

    def _write(self):
        try:
            while True:
                with self.lock:
                    while not self.items:
                        self.lock.wait()
                    channel, data = self.items.popleft()
                for part in self._records(channel, data):
                    while part:
                        part = part[os.write(self.fd, part):]
                with self.lock:
                    self.waiting -= len(data)
                    self.lock.notify_all()
        except OSError:     # nobody reads any more
            with self.lock:
                self.open = False
                self.items.clear()
                self.lock.notify_all()

    def close(self):
        """Waits for what was said to leave."""
        with self.lock:
            self.lock.wait_for(lambda: not self.open or self.waiting <= 0, timeout=5)


class Pipe(io.RawIOBase):
    """What Python itself writes to stdout or stderr, in the order in which it does."""

    def __init__(self, journal, channel):
        self.journal, self.channel, self.pid = journal, channel, os.getpid()

    def writable(self):
        return True

    def fileno(self):
        return self.channel

    def write(self, data):
        data = bytes(data)
        if os.getpid() == self.pid:
            self.journal.text(self.channel, data)
        else:               # a fork: it has neither our lock nor our thread
            left = data
            while left:
                left = left[os.write(self.channel, left):]
        return len(data)


class Capture:
    """What others write to the descriptors 1 and 2: programs that were started, libraries in C, forks."""

    def __init__(self, journal):
        self.journal = journal
        self.lock = threading.Lock()
        self.ends = {}
        for channel in NAMES:
            end, other = os.pipe()
            os.set_blocking(end, False)
            os.dup2(other, channel)
            os.close(other)
            self.ends[end] = channel
        for end in self.ends:
            threading.Thread(target=self._follow, args=(end,), name="capture", daemon=True).start()

    def _follow(self, end):
        data = None
        while data != b"":
            select.select([end], [], [])
            with self.lock:
                data = self._take(end)

    def _take(self, end):
        """What came; None if nothing did, and b"" if nothing ever will."""
        try:
            data = os.read(end, 65536)
        except BlockingIOError:
            return None
        if data:
            self.journal.text(self.ends[end], data)
        return data

    def drain(self):
        """What was written by now is in the journal before anything that is said after."""
        with self.lock:
            for end in self.ends:
                for _ in range(32):         # of 64 KiB: a pipe may be filled without end
                    if not self._take(end):
                        break
