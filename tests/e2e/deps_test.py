"""Dependencies of Python actions: from the files of a repository to what its actions import. Packages are wheels that the tests make; nothing is asked of any network."""
import base64
import http.server
import io
import json
import os
import pathlib
import re
import shutil
import subprocess
import tarfile
import tempfile
import threading
import time
import unittest
import zipfile

from canary import Canaries
from house import SOURCE, House, cache_folder

INSTALL = SOURCE / "agent/runners/python/install.sh"
CANARIES = Canaries(index="canary-index-5e77a1c0")
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


def archive(folder, name, version, files):
    """A source archive, as an author would publish it."""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with tarfile.open(folder / f"{name}-{version}.tar.gz", "w:gz") as file:
        for path, text in {"PKG-INFO": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n", **files}.items():
            info = tarfile.TarInfo(f"{name}-{version}/{path}")
            info.size = len(text.encode())
            file.addfile(info, io.BytesIO(text.encode()))
    return folder / f"{name}-{version}.tar.gz"


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


class Index:
    """A simple index on the loopback. user: only with it and its password. stopped: answers nobody any more."""

    def __init__(self, folder, user="", password=""):
        want = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode() if user else None
        index = self
        self.asked, self.refused = [], 0

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                index.asked.append(self.path)
                if want and self.headers.get("Authorization") != want:
                    index.refused += 1
                    self.send_response(401)
                    self.send_header("WWW-Authenticate", 'Basic realm="x"')
                    self.end_headers()
                    return
                name = self.path.strip("/").split("/")[-1]
                found = [path for path in sorted(folder.iterdir()) if path.name == name or path.name.split("-")[0] == name.replace("-", "_")]
                if not found:
                    self.send_response(404)
                    self.end_headers()
                    return
                file = found[0].name == name
                body = found[0].read_bytes() if file else "".join(f'<a href="/files/{path.name}">{path.name}</a>' for path in found).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/octet-stream" if file else "text/html")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_HEAD = do_GET

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/simple"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


SAY = "import {0}\nprint({0}.__version__)\n"


class Environments(DepsHouse):
    def test_a_package_is_there_and_so_is_what_it_needs(self):
        job = self.job([python("a")], {"deps/requirements.txt": LOCAL + "thin==1.0  # pinned\n", "src/a.py": "import fat, thin, sys\nprint(thin.__version__, fat.__version__)\nprint(sys.prefix)\n"},
                       [("thin", "1.0", "", ["fat<2"]), ("fat", "1.5"), ("fat", "2.0")])
        text = self.run_events(job).said()
        self.assertEqual(text.splitlines()[0], "1.0 1.5")
        before = self.environments()
        self.assertIn(pathlib.Path(text.splitlines()[1]).name, before)
        events = self.run_events(job)       # the second run makes nothing
        self.assertEqual(events.said(), text)
        self.assertEqual(self.environments(), before)

    def test_contradictory_pins_in_one_flow(self):
        job = self.job([python("a"), python("b"), python("c", deps=["deps/c.in"])],
                       {"src/a/requirements.txt": "--no-index\n-f ../../deps/wheels\npin==1.0", "src/b/requirements.txt": "--no-index\n-f ../../deps/wheels\npin==2.0",
                        "deps/c.in": LOCAL + "-c c.txt\npin\n", "deps/c.txt": "pin<1.9\n",
                        **{f"src/{name}.py": SAY.format("pin") for name in "abc"}}, [("pin", "1.0"), ("pin", "1.8"), ("pin", "2.0")])
        events = self.run_events(job)
        self.assertEqual([events.said(action=name) for name in "abc"], ["1.0\n", "2.0\n", "1.8\n"])

    def test_old_files(self):
        """python.yml as of the second and the third generation, and a pyproject.toml."""
        job = self.job([python("a")], {"deps/python.yml": "packages: [{packageId: old=1, index: pypi}]\nfilePaths: [repo/deps/more.txt]\n", "deps/more.txt": LOCAL + "young",
                                       "pyproject.toml": "[project]\ndependencies = ['formal >= 3']\n",
                                       "src/a.py": "import old, young, formal\nprint(old.__version__, young.__version__, formal.__version__)\n"},
                       [("old", "1.4"), ("old", "2.0"), ("young", "1.0"), ("formal", "3.1")])
        self.assertEqual(self.run_events(job).said(), "1.4 1.0 3.1\n")

    def test_pandas_is_there_without_being_named(self):
        pandas = {"group": "python", "type": "pandas"}
        job = self.job([python("a", runner=pandas), python("b", runner="pandas", deps="deps/own.txt")],
                       {"deps/requirements.txt": LOCAL, "deps/own.txt": "pandas<2\n", **{f"src/{name}.py": SAY.format("pandas") for name in "ab"}},
                       [("pandas", "2.9"), ("pandas", "1.5")])
        events = self.run_events(job)
        self.assertEqual([events.said(action=name) for name in "ab"], ["2.9\n", "1.5\n"])

    def test_one_that_was_cut_off_is_made_anew(self):
        """Nobody finds half an environment: what a killed installation left is not one."""
        job = self.job([python("a")], {"deps/requirements.txt": LOCAL + "half\n", "src/a.py": SAY.format("half") + "import sys\nprint(sys.prefix)\n"}, [("half", "1.0")])
        env = pathlib.Path(self.run_events(job).said().splitlines()[1])
        shutil.rmtree(env)
        left = env.parent / f".making-{env.name}"
        (left / "lib").mkdir(parents=True)
        self.assertEqual(self.run_events(job).said(), f"1.0\n{env}\n")
        self.assertFalse(left.exists())

    def test_two_at_once_make_it_once(self):
        flow = [python(name, **{"depends-on": []}) for name in ("a", "b")]
        job = self.job(flow, {"deps/requirements.txt": LOCAL + "once\n", "src/a.py": SAY.format("once"), "src/b.py": SAY.format("once")}, [("once", "1.0")])
        before = self.environments()
        done = self.ama("run", job, "--report-format", "ndjson", "--progress")
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertEqual(done.stdout.count("making the environment"), 1, done.stdout)
        self.assertEqual(len(self.environments() - before - {self.bare()}), 1)

    def bare(self):
        said = subprocess.run([INSTALL, self.cache / "amaterasu"], check=True, capture_output=True, text=True).stdout
        return re.search(r"^read=.*/(env-[0-9a-f]+)$", said, re.M).group(1)


class Errors(DepsHouse):
    def failed(self, job):
        """It ends at its first attempt, as a matter of dependencies, and says why."""
        events = self.run_events(job, exit=5)
        end = events.one("attempt.ended")
        self.assertEqual((end["state"], end["cause"], events[-1]["state"]), ("errored", "dependency", "errored"))
        return json.dumps(end, ensure_ascii=False)

    def test_what_is_not_there(self):
        text = self.failed(self.job([python("a")], {"deps/requirements.txt": LOCAL + "\nthere\nlost==9\n", "src/a.py": "1\n"}, [("there", "1.0"), ("lost", "1.0")]))
        self.assertIn("deps/requirements.txt:5: lost==9", text)
        self.assertIn("there is no version of lost==9", text)

    def test_what_contradicts_itself(self):
        text = self.failed(self.job([python("a")], {"deps/requirements.txt": LOCAL + "low==1\n", "src/a/requirements.txt": "high\n", "src/a.py": "1\n"},
                                    [("low", "1"), ("high", "1", "", ["low>=2"])]))
        self.assertIn("deps/requirements.txt:3: low==1", text)
        self.assertIn("src/a/requirements.txt:1: high", text)

    def test_what_would_have_to_be_built(self):
        job = self.job([python("a")], {"deps/requirements.txt": LOCAL + "raw\n", "src/a.py": "1\n", "deps/wheels/README": "none"})
        marker = self.shared / "built"
        archive(job / "deps/wheels", "raw", "1.0", {"setup.py": f"open({str(marker)!r}, 'w')\nfrom setuptools import setup\nsetup(name='raw', version='1.0')\n"})
        text = self.failed(job)
        self.assertIn("deps/requirements.txt:3: raw", text)
        self.assertIn("no usable wheels", text)
        self.assertIn("named by --no-binary", text)
        self.assertFalse(marker.exists())

    def test_no_code_of_a_package_runs_outside_the_sandbox(self):
        """A .pth file is run by every Python that starts in its environment."""
        outside = self.folder / "outside"
        job = self.job([python("a")], {"deps/requirements.txt": LOCAL + "sly\n", "src/a.py": "import sly\nprint('there')\n"}, [("sly", "1.0")])
        with zipfile.ZipFile(job / "deps/wheels/sly-1.0-py3-none-any.whl", "a") as file:
            file.writestr("sly.pth", f"import os; os.close(os.open({str(outside)!r}, os.O_CREAT | os.O_WRONLY))\n")
        self.assertIn("there", self.run_events(job).said())
        self.assertFalse(outside.exists())

    def test_wrong_files_are_told_before_anything_runs(self):
        done = self.ama("validate", self.job([python("a")], {"deps/requirements.txt": "-r ../../x\nx @ file:///etc/x.whl\n", "src/a.py": "1\n"}))
        self.assertEqual(done.returncode, 2)
        self.assertIn("deps/requirements.txt:1:1: error: ‘../../x’ leaves the repository", done.stdout)
        self.assertIn("deps/requirements.txt:2:1: error:", done.stdout)

    def test_an_index_that_is_away_is_tried_again(self):
        job = self.job([python("a")], {"deps/requirements.txt": "--index-url http://127.0.0.1:9/simple\naway\n", "src/a.py": "1\n"})
        events = self.run_events(job, exit=5)
        self.assertEqual([e["cause"] for e in events.find("attempt.ended")], ["dependency"] * 2)
        self.assertIn("127.0.0.1:9", json.dumps(events.find("attempt.ended")))


class Indexes(DepsHouse):
    def index(self, *wheels, **more):
        for made in wheels:
            wheel(self.folder / "index", *made)
        index = Index(self.folder / "index", **more)
        self.addCleanup(lambda: index.thread.is_alive() and index.stop())
        return index

    def test_from_an_index_and_then_without_one(self):
        """What was fetched once is there without a network: the environment itself, and another one of the same packages."""
        index = self.index(("far", "1.0"), ("far", "1.1"))
        job = self.job([python("a")], {"deps/requirements.txt": f"--index-url {index.url}\nfar==1.1\n", "src/a.py": SAY.format("far")})
        self.assertEqual(self.run_events(job).said(), "1.1\n")
        index.stop()
        self.assertEqual(self.run_events(job).said(), "1.1\n")
        (job / "deps/requirements.txt").write_text(f"--index-url {index.url}\nfar>=1.1\n")
        before = self.environments()
        self.assertEqual(self.run_events(job).said(), "1.1\n")
        self.assertEqual(len(self.environments() - before), 1)

    def test_the_first_index_that_has_a_package_is_the_one(self):
        """A name of the house can not be taken by a newer version elsewhere."""
        house = self.index(("ours", "1.0"))
        wheel(self.folder / "world", "ours", "9.0")
        world = Index(self.folder / "world")
        self.addCleanup(world.stop)
        job = self.job([python("a")], {"deps/requirements.txt": f"--index-url {world.url}\n--extra-index-url {house.url}\nours\n", "src/a.py": SAY.format("ours")})
        self.assertEqual(self.run_events(job).said(), "1.0\n")

    def test_a_password_is_nowhere_to_be_seen(self):
        index = self.index(("closed", "1.0"), user="reader", password=CANARIES["index"])
        (self.folder / "home/.netrc").write_text(f"machine 127.0.0.1 login reader password {CANARIES['index']}\n")
        (self.folder / "home/.netrc").chmod(0o600)
        job = self.job([python("a")], {"deps/requirements.txt": f"--index-url {index.url}\nclosed\n", "src/a.py": SAY.format("closed") + "import os\nprint(dict(os.environ))\n"})
        done = self.ama("run", job, "--report-format", "ndjson", "--progress")
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertIn('"text":"1.0"', done.stdout)
        (job / "deps/requirements.txt").write_text(f"--index-url {index.url}\nclosed==7\n")
        self.env["UV_INDEX"] = index.url.replace("//", f"//reader:{CANARIES['index']}@")
        bad = self.ama("run", job, "--report-format", "ndjson", "--progress")
        self.assertEqual(bad.returncode, 5, bad.stdout)
        self.assertEqual(CANARIES.within((done.stdout + done.stderr + bad.stdout + bad.stderr).encode()), [])
        self.assertEqual(CANARIES.in_files(self.folder, self.folder / "home/.netrc"), [])
        self.assertEqual(CANARIES.in_files(self.cache / "amaterasu/python/uv-cache", self.folder / "none"), [])


class Locks(DepsHouse):
    def test_a_lock_holds_until_it_is_made_anew(self):
        job = self.job([python("a"), python("b")],
                       {"deps/requirements.txt": LOCAL + "upper\n", "src/b/requirements.txt": "extra==1.0\n", "src/a.py": SAY.format("upper") + SAY.format("lower"), "src/b.py": SAY.format("upper")},
                       [("upper", "1.0", "", ["lower"]), ("lower", "1.0"), ("extra", "1.0")])
        done = self.ama("deps", "lock", job)
        self.assertEqual((done.returncode, done.stdout), (0, "deps/python.lock\nsrc/b/python.lock\n"), done.stderr)
        lock = (job / "deps/python.lock").read_text()
        self.assertRegex(lock, r"(?s)^# ama deps lock, of sha256:[0-9a-f]{64}\nlower==1.0 \\\n    --hash=sha256:.*\nupper==1.0 \\\n")
        self.assertNotIn("ipykernel", lock)
        wheel(job / "deps/wheels", "lower", "2.0")      # newer ones are not taken
        wheel(job / "deps/wheels", "upper", "2.0")
        events = self.run_events(job)
        self.assertEqual([events.said(action=name) for name in "ab"], ["1.0\n1.0\n", "1.0\n"])

        (job / "deps/requirements.txt").write_text(LOCAL + "upper\nlower\n")
        done = self.ama("run", job, "--report", "code")
        self.assertEqual(done.returncode, 2)
        self.assertIn("deps/python.lock:1: the lock is not of what deps/requirements.txt names now (ama deps lock)", done.stdout + done.stderr)
        self.assertEqual(self.ama("deps", "lock", job).returncode, 0)
        self.assertEqual(self.run_events(job).said(action="a"), "2.0\n2.0\n")

    def test_other_bytes_are_refused(self):
        job = self.job([python("a")], {"deps/requirements.txt": LOCAL + "firm\n", "src/a.py": "import firm\n"}, [("firm", "1.0")])
        self.assertEqual(self.ama("deps", "lock", job).returncode, 0)
        wheel(job / "deps/wheels", "firm", "1.0", "other = True\n")
        events = self.run_events(job, exit=5)
        self.assertIn("Hash mismatch", json.dumps(events.one("attempt.ended")))

    def test_what_can_not_be_locked(self):
        job = self.job([python("a")], {"deps/requirements.txt": LOCAL + "nowhere\n", "src/a.py": "1\n", "deps/wheels/README": "none"})
        done = self.ama("deps", "lock", job)
        self.assertEqual((done.returncode, done.stdout), (2, ""))
        self.assertIn("deps/requirements.txt:3: nowhere", done.stderr)
        self.assertFalse((job / "deps/python.lock").exists())


class Retention(DepsHouse):
    def unpacked(self, name):
        """Where uv has it."""
        return [path.parent for path in (self.cache / "amaterasu/python/uv-cache").glob(f"archive-v*/*/{name}.dist-info")]

    def test_what_was_not_asked_for_in_a_long_time_goes(self):
        (self.folder / "house.yaml").write_text((self.folder / "house.yaml").read_text() + "retention:\n  cache-age: 2d\n")
        job = self.job([python("a")], {"deps/requirements.txt": LOCAL + "aged==1.0\n", "src/a.py": SAY.format("aged")}, [("aged", "1.0"), ("aged", "2.0")])
        for words in (["init", "-q"], ["add", "-A"], ["-c", "user.name=t", "-c", "user.email=t@localhost", "commit", "-qm", "first"]):
            subprocess.run(["git", "-C", job, *words], check=True)
        before = self.environments()
        self.run_events(job)
        [old] = [path for path in (self.cache / "amaterasu/python").glob("env-*") if path.name not in before and list(path.rglob("aged"))]
        [fetched] = self.unpacked("aged-1.0")
        for path in (old / ".used", fetched):
            os.utime(path, (time.time() - 3 * 86400,) * 2)
        (job / "deps/requirements.txt").write_text(LOCAL + "aged==2.0\n")
        subprocess.run(["git", "-C", job, "-c", "user.name=t", "-c", "user.email=t@localhost", "commit", "-qam", "second"], check=True)
        self.amad()
        done = self.ama("submit", "--repo", job, "--report", "none")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertFalse(old.exists())
        self.assertEqual((self.unpacked("aged-1.0"), len(self.unpacked("aged-2.0"))), ([], 1))
        (job / "deps/requirements.txt").write_text(LOCAL + "aged==1.0\n")      # what is gone is had again
        subprocess.run(["git", "-C", job, "-c", "user.name=t", "-c", "user.email=t@localhost", "commit", "-qam", "third"], check=True)
        done = self.ama("submit", "--repo", job, "--report", "code")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("1.0", done.stdout)


if __name__ == "__main__":
    unittest.main()
