"""The one kernel process that serves most cases of a file: a start costs more than all of them."""
import shutil
import tempfile
import time
import unittest

from kernel_client import Kernel

kernel = None
folder = None


def start():
    global kernel, folder
    folder = tempfile.mkdtemp(prefix="ama-kernel-test-")
    kernel = Kernel(folder)
    kernel.bound_ms = (time.monotonic() - kernel.started) * 1000
    kernel.session = kernel.ask("ama_session_request")


def stop():
    kernel.kill()
    shutil.rmtree(folder)


def split(code, **more):
    return kernel.ask("ama_split_request", code=code, file="src/x.scala", **more)


def attempt(test, scope, action=None, **env):
    """An attempt of its own for a test; closed after it."""
    connection = kernel.open(scope, action, env=dict(name="dev", configuration={}, **env))

    def done():
        kernel.ask("ama_close_request", scope=scope, publish=False)
        connection.close()

    test.addCleanup(done)
    return connection


class Scoped(unittest.TestCase):
    """Cases that may share one attempt."""

    @classmethod
    def setUpClass(cls):
        cls.a = kernel.open("shared-" + cls.__name__, env=dict(
            name="dev", master="local[2]", inputRootPath="in", outputRootPath="/tmp/out", workingDir="/tmp/work",
            configuration={"limit": 10, "ratio": 1.50, "on": True, "nothing": None, "words": "a b"}))

    @classmethod
    def tearDownClass(cls):
        kernel.ask("ama_close_request", scope="shared-" + cls.__name__, publish=False)
        cls.a.close()

    def value(self, code, file="src/x.scala", line=1):
        done = self.a.run(code, file, line)
        self.assertEqual(done.status, "ok", done)
        return done.value

    def failed(self, code, file="src/x.scala", line=1):
        done = self.a.run(code, file, line)
        self.assertEqual(done.status, "error", done)
        return done
