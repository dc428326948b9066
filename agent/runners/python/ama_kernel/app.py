"""The kernel itself: ipykernel's own, with the agent's requests beside Jupyter's and a journal beside iopub."""
import atexit
import faulthandler
import io
import json
import logging
import os
import sys
import warnings

from ipykernel.displayhook import ZMQDisplayHook
from ipykernel.ipkernel import IPythonKernel
from ipykernel.kernelapp import IPKernelApp
from jupyter_client.session import DELIM, Session
from traitlets.config import Config

from ama_kernel.attach import VALUE, Attachable
from ama_kernel.context import environment, given
from ama_kernel.journal import Capture, Journal, Pipe
from ama_kernel.script import Script, search_path

KEPT = ("execute_result", "execute_reply")


class JournalSession(Session):
    """Signs as every session does; what the agent follows goes into the journal as well."""

    journal = None
    request = {}        # the header of the statement under way

    def serialize(self, msg, ident=None):
        kind = msg["header"]["msg_type"]
        if kind == "execute_result":
            text = msg["content"]["data"].get("text/plain", "")
            msg["content"] = {**msg["content"], "data": {"text/plain": text[:VALUE]}}
        frames = super().serialize(msg, ident)
        if self.journal and (kind in KEPT or msg["content"].get("execution_state") == "starting"):
            at = frames.index(DELIM)
            self.journal.message(frames[at:at + 6])
        return frames

    def stream_frames(self, name, text):
        return super().serialize(self.msg("stream", {"name": name, "text": text}, parent=self.request))


class Kernel(Attachable, IPythonKernel):
    order = {}
    script = None
    capture = None
    taken = 0           # the highest serial of a statement
    leaving = False     # its sockets are about to go
    ending = False      # it has been asked to end

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.control_handlers["ama_split_request"] = self.ama_split_request
        self.failure = None
        shell = self.shell
        manager = shell.input_transformer_manager
        manager.cleanup_transforms, manager.line_transforms, manager.token_transformers = [], [], []   # a file is plain Python
        shell.compile.get_code_name = lambda raw, transformed, number: self.script.name
        shell.compile.cache = lambda transformed, number=0, raw_code=None: self.script.name
        for name in ("showtraceback", "showsyntaxerror", "showindentationerror"):
            setattr(shell, name, self.note_failure)
        names = {"env": environment(self.order["env"]), "__file__": self.script.path, "exit": sys.exit, "quit": sys.exit}
        shell.user_ns.update(names)
        shell.user_ns_hidden.update(names)

    def note_failure(self, *_args, **_more):
        self.failure = sys.exc_info()[1]
        self.shell._last_traceback = []

    # ---- control

    async def process_control(self, msg):
        """An agent asks once more whose predecessor did: a thread that still sends while the process ends would abort it."""
        if not self.leaving:
            await super().process_control(msg)

    async def shutdown_request(self, stream, ident, parent):
        Kernel.ending = True
        await super().shutdown_request(stream, ident, parent)
        self.leaving = True

    def _publish_status(self, status, channel, parent=None):
        if not self.leaving:
            super()._publish_status(status, channel, parent)

    def attach(self, content):
        return self.order, self.shell.user_ns["env"]

    async def ama_split_request(self, stream, ident, parent):
        def split(content):
            statements = self.script.split(content["code"])
            self.shell.user_ns["__doc__"] = self.script.doc
            return {"statements": statements}
        self.done(stream, ident, parent, split)

    # ---- statements

    async def do_execute(self, code, silent, store_history=True, user_expressions=None, allow_stdin=False, *, cell_meta=None, cell_id=None):
        place = (cell_meta or {}).get("ama") or {}
        serial = int(place.get("serial", 0))
        if 0 < serial <= self.taken:        # an agent sends it again that does not know what became of it: that is in the journal
            return {"status": "ok", "execution_count": self.execution_count, "payload": [], "user_expressions": {}}
        self.taken = max(self.taken, serial)
        self.session.request = self.get_parent("shell").get("header", {})
        self.failure = None
        if self.spark:
            self.spark.begin(place)
        if "export" in place:
            code = "get_ipython().kernel.store({name!r}, {format!r}, {lenient})".format(**place["export"])
        reply = await super().do_execute("\n" * (int(place.get("line", 1)) - 1) + code, silent, store_history, user_expressions, allow_stdin)
        if self.failure is not None:
            reply = self.failed(reply, self.failure)
            self.failure = None
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except Exception:       # the user's own, or closed
                pass
        self.capture.drain()
        return reply

    def store(self, name, format, lenient):
        """What the action exports. Where it is; lenient: None if it is no data frame."""
        return self.spark.store(name, self.shell.user_ns.get(name), format, lenient)

    def failed(self, reply, error):
        name, text, ama = type(error).__name__, str(error), {"kind": "runtime"}
        if isinstance(error, SystemExit):
            ama = {"kind": "exit", "code": exit_code(error)}
            text = f"exit code {ama['code']}"
        elif self.spark:
            ama["kind"], name, text = self.spark.plain(error, name, text)
        ama["frames"] = self.script.frames(error)
        return {**reply, "status": "error", "ename": name, "evalue": text[:VALUE], "traceback": [], "ama": ama}


def exit_code(error):
    """As Python itself takes it."""
    if error.code is None:
        return 0
    if isinstance(error.code, int):
        return error.code & 0xff
    print(error.code, file=sys.stderr)
    return 1


class App(IPKernelApp):
    """No connection file: what it would say came with the order."""

    def init_connection_file(self):
        pass

    def write_connection_file(self, **kwargs):
        pass

    def log_connection_info(self):
        pass

    def init_crash_handler(self):
        pass

    def close(self):
        """At the very end: sockets end with the process, and waiting for them takes longer than a small action."""

    def init_gui_pylab(self):
        os.environ.setdefault("MPLBACKEND", "agg")

    def init_io(self):
        self.displayhook = ZMQDisplayHook(self.session, self.iopub_socket)
        sys.displayhook = self.displayhook


def stream_on(journal, channel):
    return io.TextIOWrapper(Pipe(journal, channel), encoding="utf-8", errors="backslashreplace", write_through=True)


def serve(order, journal_fd):
    order = json.loads(order)
    connection = order["connection"]
    journal = Journal(journal_fd)
    faulthandler.enable(os.fdopen(os.dup(2), "wb", buffering=0), all_threads=False)     # past the journal: for a process that is about to die
    Kernel.order = order
    given.update(order)
    Kernel.script = Script(order["file"], order["path"], order["repo"])
    Kernel.capture = Capture(journal)
    sys.stdout, sys.stderr = (stream_on(journal, channel) for channel in (1, 2))
    atexit.register(lambda: (sys.stdout.flush(), sys.stderr.flush(), Kernel.capture.drain()))
    warnings.filterwarnings("ignore", message="To exit: use")
    for name in ("tornado.general", "tornado.application", "asyncio"):
        logging.getLogger(name).addFilter(lambda record: not Kernel.ending)     # sockets and loops that close under what still waits for them
    warnings.filterwarnings("ignore", message="coroutine 'Kernel[.]")            # likewise
    search_path(order["path"])

    config = Config()
    config.HistoryManager.enabled = False
    config.IPythonKernel.use_experimental_completions = False
    config.InteractiveShell.colors = "nocolor"
    config.InteractiveShell.automagic = False
    config.App.log_level = "CRITICAL"      # what ipykernel says of itself is not the action's
    app = App.instance(config=config, transport="ipc", ip=connection["ip"], kernel_class=Kernel,
                       **{f"{name}_port": connection[f"{name}_port"] for name in ("shell", "iopub", "stdin", "control", "hb")})
    session = JournalSession(parent=app, username="kernel", key=connection["key"].encode())
    session.journal = journal
    journal.stream = session.stream_frames
    app.session = session
    app.initialize([])
    app.start()
