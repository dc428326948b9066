"""What of the Python runner needs no kernel: statements and their lines, frames, the journal, captured output, `env`."""
import os
import struct
import subprocess
import sys
import tempfile
import threading
import unittest
import zipfile

sys.path.insert(0, os.path.join(os.environ["AMA_SOURCE_DIR"], "agent/runners/python"))
import amaterasu.base.datasets  # noqa: E402
import python_runtime.runtime  # noqa: E402
from ama_kernel.context import environment, given  # noqa: E402
from ama_kernel.journal import BACKLOG, Capture, Journal, Pipe, record  # noqa: E402
from ama_kernel.script import Script  # noqa: E402
from amaterasu_pyspark.runtime import AmaContext, DatasetNotFoundError, DatasetTypeNotSupported  # noqa: E402


def split(text):
    return [(s["code"], s["line"], s["end_line"], s["column"]) for s in Script("src/a.py", "/r/src/a.py", "/r").split(text)]


class Statements(unittest.TestCase):
    def test_places(self):
        for text, want in (
            ("", []),
            ("# only\n\n", []),
            ("x = 1", [("x = 1", 1, 1, 1)]),
            ("\ufeffx = 1\n", [("x = 1", 1, 1, 1)]),
            ("é = 'ü'; y = é\n", [("é = 'ü'", 1, 1, 1), ("y = é", 1, 1, 12)]),
            ("if x:\n    y\nelse:\n    z\n# end\n", [("if x:\n    y\nelse:\n    z", 1, 4, 1)]),
            ("@a\n@b(\n  1)\ndef f():\n    pass\n", [("@a\n@b(\n  1)\ndef f():\n    pass", 1, 5, 1)]),
            ("x = '''\n  %%bash\n!ls\n'''\r\ny = 2\r\n", [("x = '''\n  %%bash\n!ls\n'''", 1, 4, 1), ("y = 2", 5, 5, 1)]),
            ("x = (1,\n\n     2)\n", [("x = (1,\n\n     2)", 1, 3, 1)]),
            ("s = '\x0c'\nawait f()\n", [("s = '\x0c'", 1, 1, 1), ("await f()", 2, 2, 1)]),
        ):
            self.assertEqual(split(text), want, text)

    def test_the_docstring_is_no_statement(self):
        script = Script("a", "/a", "/")
        self.assertEqual([s["line"] for s in script.split("'doc'\n'no doc'\n")], [2])
        self.assertEqual(script.doc, "doc")

    def test_whatever_is_put_together_again_runs_as_the_whole(self):
        with open(__file__, encoding="utf-8") as file:
            text = file.read()
        lines = text.splitlines(True)
        for code, line, end, column in split(text):
            rest = "".join(lines[line - 1:end])[column - 1:]
            self.assertEqual((rest[:len(code)], rest[len(code):].split("#")[0].strip()), (code, ""))

    def test_errors_have_their_line(self):
        for text, line in (("x\n y\n", 2), ("\n\nreturn 1\n", 3), ("f(\n", 1), ("x = = 1", 1), ("def f():\n    nonlocal q\n", 2)):
            with self.assertRaises(SyntaxError) as caught:
                split(text)
            self.assertEqual(caught.exception.lineno, line, text)


class Frames(unittest.TestCase):
    def frames(self, error, repo="/r"):
        return [(f["file"], f["line"]) for f in Script("src/a.py", "/r/src/a.py", repo).frames(error)]

    def test_the_users_own_innermost_first(self):
        names = {}
        exec(compile("def f(n):\n    return 1 / n\n\ndef g():\n    f(0)\n", "src/a.py", "exec"), names)
        try:
            names["g"]()
        except ZeroDivisionError as error:
            self.assertEqual(self.frames(error), [("src/a.py", 2), ("src/a.py", 5)])
            own = os.path.realpath(__file__)
            self.assertEqual(self.frames(error, os.path.dirname(own))[-1][0], os.path.basename(own))

    def test_of_a_task(self):
        text = 'Traceback (most recent call last):\n  File "/usr/lib/worker.py", line 9, in main\n  File "src/a.py", line 3, in f\nValueError: no\n'
        self.assertEqual(self.frames(RuntimeError(text)), [("src/a.py", 3)])


def records(data):
    while data:
        size = struct.unpack("<I", data[:4])[0]
        one, data = data[4:4 + size], data[4 + size:]
        frames = []
        while one:
            size = struct.unpack("<I", one[:4])[0]
            frames.append(one[4:4 + size])
            one = one[4 + size:]
        yield frames


class InPipe(unittest.TestCase):
    def setUp(self):
        self.end, other = os.pipe()
        self.journal = Journal(other)
        self.other = other
        self.journal.stream = lambda name, text: [name.encode(), text.encode()]

    def tearDown(self):
        os.close(self.end)

    def heard(self):
        self.journal.close()
        os.close(self.other)
        data = b""
        while part := os.read(self.end, 65536):
            data += part
        return list(records(data))

    def test_in_its_order_and_in_pieces(self):
        self.journal.text(1, b"a")
        self.journal.message([b"m", b""])
        self.journal.text(2, "é".encode()[:1])
        self.journal.text(1, b"b")
        self.journal.text(2, "é".encode()[1:])
        heard = self.heard()
        self.assertEqual(heard, [[b"stdout", b"a"], [b"m", b""], [b"stdout", b"b"], [b"stderr", "é".encode()]])
        self.assertEqual(record([b"xy"]), b"\6\0\0\0\2\0\0\0xy")

    def test_who_says_too_much_waits(self):
        done = threading.Event()

        def flood():
            for _ in range(64):
                self.journal.text(1, b"x" * 65536)
            done.set()
        threading.Thread(target=flood, daemon=True).start()
        self.assertFalse(done.wait(0.2))
        self.assertLess(self.journal.waiting, BACKLOG + 2 * 65536)
        size = 0
        while size < 64 * 65536:
            size += len(os.read(self.end, 1 << 20))
        self.assertTrue(done.wait(10))

    def test_a_reader_that_is_gone_stops_nobody(self):
        os.close(self.end)
        self.end = os.open(os.devnull, os.O_RDONLY)
        for _ in range(64):
            self.journal.text(1, b"x" * 65536)

    def test_pipe_takes_text_as_a_file_would(self):
        out = Pipe(self.journal, 1)
        self.assertEqual((out.write(b"ab"), out.writable(), out.fileno(), out.isatty()), (2, True, 1, False))
        self.assertEqual(self.heard(), [[b"stdout", b"ab"]])


class Captured(unittest.TestCase):
    def test_what_programs_write_is_there_before_what_is_said_after(self):
        code = ("import os, subprocess, sys; sys.path.insert(0, %r)\nfrom ama_kernel.journal import Capture, Journal\n"
                "j = Journal(os.dup(1)); j.stream = lambda n, t: [n.encode(), t.encode()]\nc = Capture(j)\n"
                "for n in range(50):\n    subprocess.run(['sh', '-c', 'echo %%d' %% n]); c.drain(); j.message([b'done'])\n" % sys.path[0])
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=60)
        self.assertEqual(done.stderr, b"")
        want = [frames for n in range(50) for frames in ([b"stdout", b"%d\n" % n], [b"done"])]
        self.assertEqual(list(records(done.stdout)), want)


class SparksPackage(unittest.TestCase):
    def test_nothing_beside_it_is_found_or_needed(self):
        """Where a user's SPARK_HOME is a package among others, the folder that they lie in is closed to actions, and py4j may be, too."""
        code = ("import importlib.util, sys; sys.path.insert(0, %r)\nfrom ama_kernel.spark import find_pyspark\nfind_pyspark(%r); find_pyspark(%r)\n"
                "import importlib.metadata, pyspark.sql.inner, py4j.inner\nprint(pyspark.sql.inner.__file__, py4j.inner.__file__, importlib.util.find_spec('beside'))\n"
                "print(importlib.metadata.version('pyspark'), [d.name for d in importlib.metadata.distributions() if d.name in ('beside', 'pyspark')])\n")
        with tempfile.TemporaryDirectory() as site:
            home = os.path.join(site, "pyspark")
            for name in ("pyspark", "beside"):
                os.makedirs(os.path.join(site, f"{name}-9.9.dist-info"))
                with open(os.path.join(site, f"{name}-9.9.dist-info/METADATA"), "w") as file:
                    file.write(f"Metadata-Version: 2.1\nName: {name}\nVersion: 9.9\n")
            for folder in ("pyspark/jars", "pyspark/sql", "pyspark/python/lib", "py4j"):
                os.makedirs(os.path.join(site, folder))
            for file in ("pyspark/__init__.py", "pyspark/sql/__init__.py", "pyspark/sql/inner.py", "py4j/__init__.py", "py4j/inner.py", "beside.py"):
                open(os.path.join(site, file), "w").close()
            archive = os.path.join(home, "python/lib/py4j-1.2-src.zip")
            with zipfile.ZipFile(archive, "w") as zipped:
                zipped.writestr("py4j/__init__.py", "")
                zipped.writestr("py4j/inner.py", "")
            for py4j in (os.path.join(site, "py4j"), archive + "/py4j"):
                done = subprocess.run([sys.executable, "-c", code % (sys.path[0], home, home)], capture_output=True, text=True, timeout=60, cwd="/")
                self.assertEqual((done.stdout, done.stderr), (f"{home}/sql/inner.py {py4j}/inner.py None\n9.9 ['pyspark']\n", ""))
                if os.path.exists(py4j):  # root, too, is to be refused
                    os.unlink(py4j + "/__init__.py")
                    os.mkdir(py4j + "/__init__.py")


class Environment(unittest.TestCase):
    def test_either_spelling_and_native_values(self):
        env = environment({"name": "dev", "outputRootPath": "/o", "configuration": {"n": 1, "on": True}})
        self.assertEqual((env.name, env["outputRootPath"], env.output_root_path, env.configuration["n"], env.configuration["on"]), ("dev", "/o", "/o", 1, True))
        self.assertEqual((env.get("nothing", 3), "working_dir" in env, "output_root_path" in env), (3, False, True))
        with self.assertRaisesRegex(AttributeError, "the environment has no nothing"):
            env.nothing

    def test_what_other_files_say(self):
        """By the whole key, or part by part; what the environment has itself comes first, and datasets are not shown."""
        env = environment({"name": "dev", "configuration": {"kafka.in.topic": "x", "kafka.port": 1, "name": "y"}, "spark": {"spark.x": "1"}, "datasets": {"d": {}}})
        self.assertEqual((env.configuration["kafka.port"], env.kafka.port, env["kafka"]["in"]["topic"], env.name), (1, 1, "x", "dev"))
        self.assertEqual((env.sparkProperties["spark.x"], "datasets" in env, "kafka" in env), ("1", False, True))
        with self.assertRaisesRegex(AttributeError, "there is no host; there is in.topic, port"):
            env.kafka.host


class Frame:
    """A data frame, its reader and its writer: notes what is asked of it."""

    def __init__(self, told):
        self.told = told

    def __getattr__(self, name):
        if name in ("read", "write"):
            return self
        return lambda *args, **more: self.told.append((name, *args, *sorted(more.items()))) or self


class Datasets(unittest.TestCase):
    KNOWN = {
        "plain": {"type": "file", "name": "plain", "uri": "/p"},
        "tab": {"type": "file", "name": "tab", "url": "/t", "format": "csv", "separator": "\t", "header": True, "mode": "Append", "args": {"nullValue": "-"}},
        "drivers": {"type": "hive", "name": "drivers", "database": "fleet", "table": "d", "format": "orc"},
        "api": {"type": "generic", "name": "api", "endpoint": "e"},
        "cache": {"type": "redis", "name": "cache"},
    }

    def setUp(self):
        self.told = []
        attached = type("Attached", (), {"spark": Frame(self.told), "sc": None})
        self.context = AmaContext(attached, environment({"name": "x"}), {"run": "r", "env": {"datasets": self.KNOWN}})

    def test_files(self):
        self.context.get_dataset("plain")
        self.assertEqual(self.told, [("format", "parquet"), ("options",), ("load", "/p")])
        del self.told[:]
        self.context.get_dataset("tab")
        options = ("options", ("header", True), ("nullValue", "-"), ("sep", "\t"))
        self.assertEqual(self.told, [("format", "csv"), options, ("load", "/t")])

    def test_modes(self):
        """The caller's word, else the dataset's, else to overwrite; never against the word."""
        for name, overwrite, mode in (("plain", None, "overwrite"), ("plain", True, "overwrite"), ("plain", False, "error"),
                                      ("tab", None, "append"), ("tab", True, "overwrite"), ("tab", False, "append")):
            del self.told[:]
            self.context.persist(name, Frame(self.told), overwrite)
            self.assertIn(("mode", mode), self.told, (name, overwrite))
            self.assertEqual(self.told[-1][0], "save")

    def test_tables(self):
        self.context.get_dataset("drivers")
        self.context.persist("drivers", Frame(self.told))
        self.assertEqual(self.told, [("table", "fleet.d"), ("mode", "overwrite"), ("format", "orc"), ("saveAsTable", "fleet.d")])

    def test_without_spark(self):
        """The environment and what it says of datasets; loading one is refused with what would do."""
        given.update({"run": "r", "env": {"name": "x", "configuration": {"n": 1}, "datasets": self.KNOWN}})
        ama = python_runtime.runtime.AmaContext.builder().set_env_path("env.yaml").build()
        self.assertEqual((ama.env.name, ama.env.configuration.n, ama.dataset_manager.get_dataset_configuration("api")["endpoint"]), ("x", 1, "e"))
        with self.assertRaisesRegex(amaterasu.base.DatasetTypeNotSupported, "plain is a dataset of the type file, which needs Spark"):
            ama.get_dataset("plain")
        with self.assertRaises(amaterasu.base.datasets.DatasetNotFoundError):
            ama.persist("nothing", None)
        with self.assertRaises(NotImplementedError):
            ama.get_dataset("api")

    def test_refusals(self):
        for call in (self.context.get_dataset, lambda name: self.context.persist(name, Frame(self.told))):
            for name, error, text in (("nothing", DatasetNotFoundError, "there is no dataset nothing; there are api, cache, drivers, plain, tab"),
                                      ("api", NotImplementedError, "api is a generic dataset"), ("cache", DatasetTypeNotSupported, "type redis")):
                with self.assertRaisesRegex(error, text):
                    call(name)
        self.assertEqual(self.told, [])
        self.assertEqual(self.context.dataset_manager.get_dataset_configuration("api"), self.KNOWN["api"])


if __name__ == "__main__":
    unittest.main()
