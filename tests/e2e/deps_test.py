"""Dependencies of Python actions: from the files of a repository to what its actions import. Packages are wheels that the tests make; nothing is asked of any network."""
import http.server
import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import tempfile
import threading
import time
import unittest
import zipfile

from house import SOURCE, House, cache_folder

INSTALL = SOURCE / "agent/runners/python/install.sh"
LOCAL = "--no-index\n--find-links wheels\n"     # what a job says that has its wheels in deps/wheels


def wheel(folder, name, version, body="", requires=()):
    """A wheel is a zip; this one has one module, and says its version."""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    about, path = f"{name}-{version}.dist-info", folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr(f"{name}/__init__.py", f"__version__ = {version!r}\n{body}")
        file.writestr(f"{about}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n" + "".join(f"Requires-Dist: {r}\n" for r in requires))
        file.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        file.writestr(f"{about}/RECORD", "".join(f"{n},,\n" for n in (f"{name}/__init__.py", f"{about}/METADATA", f"{about}/WHEEL", f"{about}/RECORD")))
    return path


def python(name, **more):
    return {"name": name, "runner": {"group": "python", "type": "python"}, "file": f"{name}.py", "retry": {"attempts": 2, "delay": "0s"}, **more}


class DepsHouse(House):
    """A cache of the class's own; uv and the wheels of the kernel itself come from the one that all tests share."""

    @classmethod
    def setUpClass(cls):
        cls.cache = pathlib.Path(tempfile.mkdtemp(prefix="ama-deps-"))
        shared = pathlib.Path(cache_folder()) / "amaterasu"
        subprocess.run([INSTALL, shared], check=True, capture_output=True)
        own = cls.cache / "amaterasu/python"
        own.mkdir(parents=True)
        for made in (shared / "python").glob("tools-*"):
            (own / made.name).symlink_to(made)
        cls.addClassCleanup(shutil.rmtree, cls.cache, True)

    def setUp(self):
        super().setUp()
        self.env["XDG_CACHE_HOME"] = str(self.cache)
        # no index but those that a test names; a request to another one fails at once
        self.env["UV_DEFAULT_INDEX"] = "http://127.0.0.1:9/simple"
        self.env["UV_HTTP_RETRIES"] = "0"

    def environments(self):
        return {path.name for path in (self.cache / "amaterasu/python").glob("env-*")}

    def job(self, flow, files, wheels=(), name="job", **env):
        for made in wheels:
            wheel(self.folder / name / "deps/wheels", *made)
        at = self.folder / name
        for path, text in {"maki.yml": json.dumps({"job-name": "job", "flow": flow}),
                           "env/default/job.yml": json.dumps({"master": "local[1]", "outputRootPath": f"{self.folder}/out", **env}), **files}.items():
            (at / path).parent.mkdir(parents=True, exist_ok=True)
            (at / path).write_text(text)
        return at

    def text_of(self, events, **which):
        return "".join(e["text"] + ("" if e.get("partial") else "\n") for e in events.find("output", **which))


class Environments(DepsHouse):
    def test_a_package_is_there(self):
        job = self.job([python("a")], {"deps/requirements.txt": LOCAL + "thin==1.0\n", "src/a.py": "import thin\nprint(thin.__version__)\n"}, [("thin", "1.0")])
        self.assertEqual(self.text_of(self.run_events(job)), "1.0\n")


if __name__ == "__main__":
    unittest.main()
