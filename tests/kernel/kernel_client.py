"""Starts the kernel and talks to it as any Jupyter client does, by the real jupyter_client; and opens more connections in its process."""
import ctypes
import json
import os
import signal
import subprocess
import tempfile
import time

from jupyter_client import BlockingKernelClient
from jupyter_client.connect import write_connection_file

SOURCE = os.environ.get("AMA_SOURCE_DIR") or os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
RUNNER = os.path.join(SOURCE, "agent", "runners", "spark")
LIMIT = 180     # seconds for whatever a busy machine does in a few


class Done:
    """What came of one execute_request."""

    def __init__(self, content, heard, ms):
        self.content, self.heard, self.ms = content, heard, ms
        self.status, self.ama = content["status"], content.get("ama", {})
        self.ename, self.evalue = content.get("ename"), content.get("evalue")

    def stream(self, name="stdout"):
        return "".join(c["text"] for kind, c, _ in self.heard if kind == "stream" and c["name"] == name)

    def kinds(self, kind):
        return [c for k, c, _ in self.heard if k == kind]

    @property
    def value(self):
        return self.ama.get("value")

    @property
    def frames(self):
        return [(f["file"], f["line"]) for f in self.ama.get("frames", [])]

    def __repr__(self):
        return f"<{self.status} {self.ama} {self.ename} {self.evalue}>"


class Connection:
    """One Jupyter connection."""

    def __init__(self, file):
        self.file = file
        self.client = BlockingKernelClient(connection_file=file)
        self.client.load_connection_file()
        self.client.start_channels()
        self.early = {}                 # what was heard of requests that nobody has waited for yet
        self.wait_ready()

    def wait_ready(self, timeout=LIMIT):
        """The shell answers, and iopub is heard; either alone is not enough. (The client's own wait_for_ready calls a kernel dead whose
        heart beats late once.)"""
        end, answered, heard = time.monotonic() + timeout, False, False
        while not (answered and heard):
            if time.monotonic() > end:
                raise RuntimeError("the kernel does not answer")
            self.client.kernel_info()
            answered = answered or self.client.shell_channel.socket.poll(200) != 0
            heard = heard or self.client.iopub_channel.socket.poll(200) != 0

    def send(self, code, file=None, line=1, **content):
        request = dict(code=code, silent=False, store_history=True, user_expressions={}, allow_stdin=False, stop_on_error=True)
        request.update(content)
        metadata = {"ama": {"file": file, "line": line, "end_line": line + code.count("\n")}} if file else {}
        message = self.client.session.msg("execute_request", request, metadata=metadata)
        self.client.shell_channel.send(message)
        return message["header"]["msg_id"]

    def wait(self, ident, timeout=LIMIT):
        """The reply and everything heard until the request is idle again."""
        start, heard = time.monotonic(), self.early.pop(ident, [])
        while not (heard and heard[-1][0] == "status" and heard[-1][1]["execution_state"] == "idle"):
            message = self.client.get_iopub_msg(timeout=timeout)
            of, item = message["parent_header"].get("msg_id"), (message["msg_type"], message["content"], time.monotonic())
            (heard if of == ident else self.early.setdefault(of, [])).append(item)
        while True:
            reply = self.early.pop((ident, "reply"), None) or self.client.get_shell_msg(timeout=timeout)
            of = reply["parent_header"].get("msg_id")
            if of == ident:
                return Done(reply["content"], heard, (time.monotonic() - start) * 1000)
            self.early[(of, "reply")] = reply

    def run(self, code, file=None, line=1, timeout=LIMIT, **content):
        return self.wait(self.send(code, file, line, **content), timeout)

    def script(self, text, file, **content):
        """As the agent does it: split, then one statement after the other until one fails."""
        parts = self.ask("ama_split_request", code=text, file=file, **content)
        assert parts["status"] == "ok", parts
        done = []
        for s in parts["statements"]:
            done.append(self.run(s["code"], file, s["line"]))
            if done[-1].status != "ok":
                break
        return done

    def start_asking(self, kind, **content):
        message = self.client.session.msg(kind, content)
        self.client.control_channel.send(message)
        return message["header"]["msg_id"]

    def answer(self, ident, timeout=LIMIT):
        while True:
            reply = self.client.control_channel.get_msg(timeout=timeout)
            if reply["parent_header"].get("msg_id") == ident:
                return reply["content"]

    def ask(self, kind, timeout=LIMIT, **content):
        return self.answer(self.start_asking(kind, **content), timeout)

    def hear(self, ident, kind, timeout=30):
        """Waits until a request is heard to say something of a kind."""
        while not any(k == kind for k, _, _ in self.early.get(ident, [])):
            message = self.client.get_iopub_msg(timeout=timeout)
            item = (message["msg_type"], message["content"], time.monotonic())
            self.early.setdefault(message["parent_header"].get("msg_id"), []).append(item)

    def close(self):
        self.client.stop_channels()


class Kernel(Connection):
    """The process, and its first connection."""

    def __init__(self, folder, transport="ipc", conf=None, environment=None, log=None):
        self.folder, self.transport = folder, transport
        self.info = new_connection(folder, transport)
        conf_file = os.path.join(folder, "spark.json")
        with open(conf_file, "w", encoding="utf-8") as f:
            json.dump({"spark.master": "local[2]", "spark.sql.shuffle.partitions": "4", **(conf or {})}, f)
        env = dict(os.environ, AMA_SPARK_CONF=conf_file, TMPDIR=os.path.join(folder, "tmp"), **(environment or {}))
        os.makedirs(env["TMPDIR"], exist_ok=True)
        self.started = time.monotonic()
        with open(log or os.path.join(folder, "kernel.log"), "w", encoding="utf-8") as out:
            self.process = subprocess.Popen(
                [os.path.join(RUNNER, "kernel.sh"), self.info], stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
                cwd=folder, env=env, start_new_session=True, preexec_fn=die_with_parent)
        wait_bound(self.info, self.process)
        super().__init__(self.info)

    def open(self, scope, action=None, env=None, run="run-1", **more):
        """Opens another connection; the attempt's own."""
        info = new_connection(self.folder, self.transport)
        with open(info, encoding="utf-8") as f:
            connection = json.load(f)
        content = dict(connection=connection, scope=scope, action=action or scope, run=run, env=env or {}, **more)
        reply = self.ask("ama_open_request", **content)
        assert reply["status"] == "ok", reply
        return Connection(info)

    def kill(self):
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


def die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def new_connection(folder, transport):
    place = tempfile.mkdtemp(dir=folder)            # mode 0700
    ip = os.path.join(place, "s") if transport == "ipc" else "127.0.0.1"
    key = os.urandom(16).hex().encode()
    return write_connection_file(os.path.join(place, "k.json"), transport=transport, ip=ip, key=key)[0]


def wait_bound(file, process, timeout=LIMIT):
    """jupyter_client calls a kernel dead that has not bound its heartbeat within a second."""
    with open(file, encoding="utf-8") as f:
        info = json.load(f)
    if info["transport"] != "ipc":
        time.sleep(0)
        return
    path, end = f"{info['ip']}-{info['hb_port']}", time.monotonic() + timeout
    while not os.path.exists(path):
        if process.poll() is not None or time.monotonic() > end:
            raise RuntimeError(f"the kernel has not bound {path}")
        time.sleep(0.02)
