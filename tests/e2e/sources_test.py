"""Packages of Python that are built from source: their authors' code, in the sandbox, with what it needs. Most bring a build backend of a few lines of their own; one is built by the real setuptools."""
import gzip
import hashlib
import pathlib
import tarfile
import unittest

from deps_test import LOCAL, SAY, DepsHouse, Index, archive, python, wheel

# A build backend (PEP 517) that makes a wheel of the module beside it. hook: what its author has run meanwhile.
BACKEND = """
import os, zipfile
def get_requires_for_build_wheel(settings=None):
    return {more!r}
def build_wheel(folder, settings=None, metadata=None):
    name, version = {name!r}, {version!r}
    {hook}
    about, made = f"{{name}}-{{version}}.dist-info", f"{{name}}-{{version}}-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(folder, made), "w") as file:
        file.writestr(f"{{name}}.py", open(f"{{name}}.py").read())
        file.writestr(f"{{about}}/METADATA", f"Metadata-Version: 2.1\\nName: {{name}}\\nVersion: {{version}}\\n" + "".join(f"Requires-Dist: {{r}}\\n" for r in {requires!r}))
        file.writestr(f"{{about}}/WHEEL", "Wheel-Version: 1.0\\nGenerator: test\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        file.writestr(f"{{about}}/RECORD", "")
    return made
"""


def source(folder, name, version, hook="pass", requires=(), more=(), build=(), final=False):
    """An archive with its backend in it. final: what it says of itself needs no build (PEP 643)."""
    said = f"Metadata-Version: {'2.2' if final else '2.1'}\nName: {name}\nVersion: {version}\n" + "".join(f"Requires-Dist: {r}\n" for r in requires)
    return archive(folder, name, version, {
        "PKG-INFO": said, f"{name}.py": f"__version__ = {version!r}\n",
        "pyproject.toml": f"[build-system]\nrequires = {list(build)!r}\nbuild-backend = 'backend'\nbackend-path = ['in']\n",
        "in/backend.py": BACKEND.format(name=name, version=version, hook=hook, requires=list(requires), more=list(more))})


class Sources(DepsHouse):
    def failed(self, job, **more):
        ended = self.run_events(job, exit=5, **more).find("attempt.ended")
        self.assertEqual(ended[-1]["cause"], "dependency", ended)
        return ended[-1]["error"]["message"]

    def sourced(self, wanted, code, **files):
        return self.job([python("a")], {"deps/requirements.txt": LOCAL + wanted, "src/a.py": code, "deps/wheels/README": "none", **files})

    def test_it_is_built_with_what_it_needs_and_what_it_needs_is_there(self):
        """What it is to be built with comes as wheels: what its pyproject.toml names, and what only its backend says."""
        job = self.sourced("--no-binary raw\nraw==1.0\n", SAY.format("raw") + SAY.format("below"))
        source(job / "deps/wheels", "raw", "1.0", "import first, second", ["below<3"], ["second==1.0"], ["first==1.0"])
        for made in (("raw", "1.0", "raise SystemError\n"), ("first", "1.0"), ("second", "1.0"), ("below", "2.0"), ("below", "3.0")):
            wheel(job / "deps/wheels", *made)       # also a wheel of it, which is not wanted
        before = self.environments()
        self.assertEqual(self.run_events(job).said(), "1.0\n2.0\n")
        made = self.environments()
        self.assertEqual(self.run_events(job).said(), "1.0\n2.0\n")
        self.assertEqual(self.environments(), made)
        [env] = [path for path in (self.cache / "amaterasu/python" / name for name in made - before) if list(path.glob("lib/*/site-packages/raw.py"))]
        self.assertEqual((list(env.glob("lib/*/site-packages/first*")), list(env.glob("ama-built"))), ([], []))
        source(job / "deps/wheels", "raw", "1.0", "import first", ["below<3"], (), ["first==1.0"])  # other bytes are another environment
        self.run_events(job)
        self.assertNotEqual(self.environments(), made)

    def test_in_the_sandbox(self):
        """What its author has run there can not write beside its own folder, read what is others', or see a password of an index."""
        outside, secret = self.folder / "outside", self.folder / "secret"
        secret.write_text("canary-file")
        hook = (f"found = []\n    for act in (lambda: open({str(outside)!r}, 'w'), lambda: found.append(open({str(secret)!r}).read())):\n"
                "        try: act(); found.append('done')\n        except OSError as e: found.append(type(e).__name__)\n"
                "    found += [v for k, v in os.environ.items() if 'canary' in v or k.startswith('UV_')]\n"
                "    open('sly.py', 'w').write(f'told = {found!r}')")
        folder = self.folder / "packages"
        source(folder, "sly", "1.0", hook)
        index = Index(folder, "me", "canary-word")
        self.addCleanup(index.stop)
        self.env["UV_DEFAULT_INDEX"] = index.url.replace("//", "//me:canary-word@")
        job = self.job([python("a")], {"deps/requirements.txt": "--no-binary sly\nsly==1.0\n", "src/a.py": "import sly\nprint(sly.told)\n"})
        self.assertEqual(self.run_events(job).said(), "['PermissionError', 'PermissionError']\n")
        self.assertFalse(outside.exists())

    def test_from_an_index(self):
        """Its archive is the one that the index tells of, and the requirement."""
        folder = self.folder / "packages"
        digest = hashlib.sha256(source(folder, "far", "1.0").read_bytes()).hexdigest()
        source(folder, "far", "2.0")
        index = Index(folder)
        self.addCleanup(index.stop)
        self.env["UV_DEFAULT_INDEX"] = index.url
        files = {"src/a.py": SAY.format("far")}
        for wanted, text in ((f"far==1.0 --hash=sha256:{digest}", ""), ("far==1.0 --hash=sha256:" + 64 * "0", f"has the digest {digest}, which is none that is asked for"),
                             ("far==3.0", "there is no source archive far-3.0.tar.gz")):
            job = self.job([python("a")], {"deps/requirements.txt": f"--no-binary far\n{wanted}\n", **files}, name="job" + str(len(wanted)))
            if text:
                self.assertIn(f"deps/requirements.txt:2: {wanted.split(' ')[0]}: ", self.failed(job))
                self.assertIn(text, self.failed(job))
            else:
                self.assertEqual(self.run_events(job).said(), "1.0\n")
        index.stop()
        job = self.job([python("a")], {"deps/requirements.txt": "--no-binary far\nfar==2.0\n", **files}, name="away")
        events = self.run_events(job, exit=5)
        self.assertEqual([e["error"]["name"] for e in events.find("attempt.ended")], ["install", "install"])    # tried again

    def test_builds_that_fail(self):
        for hook, build, text in (
                ("raise KeyError('no such thing')", (), "deps/requirements.txt:4: raw==1.0 can not be built: KeyError: 'no such thing'"),
                ("os.kill(os.getpid(), 9)", (), "deps/requirements.txt:4: raw==1.0: its build was ended by SIGKILL"),
                ("name = 'other'; os.rename('raw.py', 'other.py')", (), "no wheel of that name and version came of it: other-1.0-py3-none-any.whl"),
                ("pass", ["nowhere==7"], "what it needs to be built is not to be had"),
                ("pass", ["x @ file:///etc/passwd"], "are no requirements by name and version")):
            with self.subTest(hook=hook, build=build):
                job = self.sourced("--no-binary raw\nraw==1.0\n", "import raw\n")
                source(job / "deps/wheels", "raw", "1.0", hook, build=build)
                ended = self.run_events(job, exit=5).find("attempt.ended")[-1]
                self.assertIn(text, ended["error"]["message"])
        (job / "deps/wheels/raw-1.0.tar.gz").write_bytes(b"\x1f\x8bno archive")
        self.assertIn("its archive can not be read", self.failed(job))
        with gzip.open(job / "deps/wheels/raw-1.0.tar.gz", "wb", 1) as bomb:
            info = tarfile.TarInfo("raw-1.0/large")
            info.size = 8 << 30
            bomb.write(info.tobuf())
            bomb.write(bytes(1 << 20))
        self.assertIn("its archive is too large: 1 files, 8192 MiB", self.failed(job))
        (job / "deps/wheels/raw-1.0.tar.gz").unlink()
        (job / "deps/wheels/raw-1.0.tar.gz").symlink_to(source(self.folder / "elsewhere", "raw", "1.0"))
        self.assertIn("its archive can not be read", self.failed(job))      # a snapshot has no links to what is outside
        (job / "deps/wheels/raw-1.0.tar.gz").unlink()
        (job / "src/a/requirements.txt").parent.mkdir()
        (job / "src/a/requirements.txt").write_text("--no-binary elsewhere\n")
        self.assertIn("elsewhere: named by --no-binary, and by no requirement", self.failed(job))

    def test_a_lock(self):
        """Of what the archive says of itself; then it is that archive, or none."""
        job = self.sourced("--no-binary raw\nraw==1.0\n", SAY.format("raw") + SAY.format("below"))
        made = source(job / "deps/wheels", "raw", "1.0", requires=["below"], final=True)
        wheel(job / "deps/wheels", "below", "1.0")
        done = self.ama("deps", "lock", job)
        self.assertEqual((done.returncode, done.stdout), (0, "deps/python.lock\n"), done.stderr)
        self.assertIn(f"raw==1.0 \\\n    --hash=sha256:{hashlib.sha256(made.read_bytes()).hexdigest()}\n", (job / "deps/python.lock").read_text())
        wheel(job / "deps/wheels", "below", "2.0")
        self.assertEqual(self.run_events(job).said(), "1.0\n1.0\n")
        source(job / "deps/wheels", "raw", "1.0", "pass # others", ["below"], final=True)
        self.assertIn("which is none that is asked for", self.failed(job))
        source(job / "deps/wheels", "raw", "1.0", requires=["below"])
        done = self.ama("deps", "lock", job)
        self.assertEqual(done.returncode, 2)
        self.assertIn("deps/requirements.txt:4: raw==1.0: only its build could say what it needs", done.stderr)

    def test_by_setuptools_with_something_to_compile(self):
        """The real one, as the machine's own index has it; the module is in C where there are a compiler and Python's headers."""
        del self.env["UV_DEFAULT_INDEX"]
        import sysconfig
        headers = pathlib.Path(sysconfig.get_path("include"), "Python.h")
        self.assertTrue(headers.exists(), headers)
        setup = "from setuptools import Extension, setup\nsetup(name='quick', version='1.0', ext_modules=[Extension('quick', ['quick.c'])])\n"
        code = ("#include <Python.h>\nstatic struct PyModuleDef def = { PyModuleDef_HEAD_INIT, \"quick\", NULL, -1, NULL };\n"
                "PyMODINIT_FUNC PyInit_quick (void)\n{\n    PyObject *m = PyModule_Create (&def);\n    PyModule_AddStringConstant (m, \"__version__\", \"1.0 in C\");\n    return m;\n}\n")
        job = self.job([python("a")], {"deps/requirements.txt": "--no-binary quick\nquick==1.0\n--find-links wheels\n", "src/a.py": SAY.format("quick"), "deps/wheels/README": "none"})
        archive(job / "deps/wheels", "quick", "1.0", {"setup.py": setup, "quick.c": code})
        self.assertEqual(self.run_events(job, timeout=300).said(), "1.0 in C\n")


if __name__ == "__main__":
    unittest.main()
