"""What the agent asks of a kernel on the control socket, beside Jupyter's own requests: to be attached to the run's Spark session, and to hand over."""
import importlib

VALUE = 64 << 10    # characters of a value, or of an error's text


class Attachable:
    """Before IPythonKernel among the bases. `spark` is what ties it to the session (ama_kernel.spark)."""

    spark = None

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        for kind in ("attach", "close"):
            self.control_handlers[f"ama_{kind}_request"] = getattr(self, f"ama_{kind}_request")

    def attach(self, content):
        """(order, env) of the action."""
        raise NotImplementedError

    def answer(self, stream, ident, parent, content):
        self.session.send(stream, parent["msg_type"].replace("_request", "_reply"), content, parent, ident=ident)

    def done(self, stream, ident, parent, work):
        try:
            content = {"status": "ok", **(work(parent["content"]) or {})}
        except SyntaxError as error:
            content = {"status": "error", "ename": "SyntaxError", "evalue": error.msg or "invalid syntax", "line": error.lineno or 0}
        except ValueError as error:         # ast: null bytes and the like
            content = {"status": "error", "ename": "SyntaxError", "evalue": str(error), "line": 0}
        except Exception as error:
            content = {"status": "error", "ename": type(error).__name__, "evalue": str(error)[:VALUE]}
        self.answer(stream, ident, parent, content)

    async def ama_attach_request(self, stream, ident, parent):
        def attach(content):
            if self.spark:          # asked once more, by the agent's successor
                return
            order, env = self.attach(content)
            self.spark = importlib.import_module("ama_kernel.spark").Attached(content, order, env)
            self.shell.user_ns.update(self.spark.names)
            self.shell.user_ns_hidden.update(self.spark.names)
        self.done(stream, ident, parent, attach)

    async def ama_close_request(self, stream, ident, parent):
        self.done(stream, ident, parent, lambda _: self.spark and self.spark.hand_over(self.shell.user_ns, self.shell.user_ns_hidden))

    async def interrupt_request(self, stream, ident, parent):
        if self.spark:
            self.spark.cancel()
        await super().interrupt_request(stream, ident, parent)

    async def _at_shutdown(self):
        """What was started and is left is ended by who guards this process; ipykernel would look for it first."""
