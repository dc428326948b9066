"""A notebook in the run's Spark session: a stock ipykernel that is attached. The agent hears what it says over iopub, as of any installed kernel."""
from ipykernel.ipkernel import IPythonKernel
from ipykernel.kernelapp import IPKernelApp
from traitlets.config import Config

from ama_kernel.attach import Attachable
from ama_kernel.context import environment, given


class Kernel(Attachable, IPythonKernel):
    def attach(self, content):
        order = {"env": content.pop("env"), "run": content.pop("run")}
        given.update(order)
        names = {"env": environment(order["env"])}
        self.shell.user_ns.update(names)
        self.shell.user_ns_hidden.update(names)
        return order, names["env"]

    async def do_execute(self, code, silent, store_history=True, user_expressions=None, allow_stdin=False, *, cell_meta=None, cell_id=None):
        if self.spark:
            self.spark.begin((cell_meta or {}).get("ama") or {})
        return await super().do_execute(code, silent, store_history, user_expressions, allow_stdin, cell_meta=cell_meta, cell_id=cell_id)


def serve(file):
    config = Config()
    config.HistoryManager.enabled = False
    app = IPKernelApp.instance(config=config, kernel_class=Kernel)
    app.initialize(["-f", file])
    app.start()
