"""Packages of R: from cran.yml to what an action loads. Packages and repositories are made by the tests; nothing is asked of any network."""
import base64
import functools
import hashlib
import http.server
import io
import json
import os
import pathlib
import shutil
import subprocess
import tarfile
import tempfile
import threading
import time
import unittest

from canary import Canaries
from house import SOURCE, Events, House

INSTALL = SOURCE / "agent/runners/r/install.sh"
CANARIES = Canaries(index="canary-cran-91d3b4aa", agent="canary-agent-env-7cc1")


def source(folder, name, version, needs="", body="", files=(), depends=""):
    """A source package, as R CMD build packs it."""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    about = f"Package: {name}\nVersion: {version}\nTitle: T\nDescription: D.\nAuthor: A\nMaintainer: A <a@localhost>\nLicense: GPL-2\n"
    about += (f"Imports: {needs}\n" if needs else "") + (f"Depends: {depends}\n" if depends else "")
    content = {"DESCRIPTION": about, "NAMESPACE": "exportPattern('^[a-z]')\n", "R/code.R": f"which <- function() '{name} {version}'\n{body}", **dict(files)}
    path = folder / f"{name}_{version}.tar.gz"
    with tarfile.open(path, "w:gz") as file:
        for inner, text in content.items():
            info = tarfile.TarInfo(f"{name}/{inner}")
            info.size, info.mode = len(text.encode()), 0o755
            file.addfile(info, io.BytesIO(text.encode()))
    return path


def index(*repositories):
    """By R's own tool."""
    code = "".join(f"tools::write_PACKAGES({json.dumps(str(pathlib.Path(one) / 'src/contrib'))}, latestOnly = FALSE);" for one in repositories)
    subprocess.run(["Rscript", "-e", code], check=True, capture_output=True)


def repository(folder, *packages):
    for package in packages:
        source(pathlib.Path(folder) / "src/contrib", *package[:2], **(package[2] if len(package) > 2 else {}))
    index(folder)
    return folder


def r(name, **more):
    return {"name": name, "runner": {"group": "r", "type": "r"}, "file": f"{name}.R", "retry": {"attempts": 2, "delay": "0s"}, **more}


class CranHouse(House):
    """A cache of the class's own. R of this machine is configured with a repository that nobody serves."""

    @classmethod
    def setUpClass(cls):
        cls.cache = pathlib.Path(tempfile.mkdtemp(prefix="ama-cran-"))
        cls.addClassCleanup(shutil.rmtree, cls.cache, True)

    def setUp(self):
        super().setUp()
        self.env["XDG_CACHE_HOME"] = str(self.cache)
        self.machine("http://127.0.0.1:9")

    def machine(self, address):
        (self.folder / "home/.Rprofile").write_text(f"options(repos = c(CRAN = {json.dumps(address)}))\n")

    def libraries(self):
        return {path.name for path in (self.cache / "amaterasu/r").glob("lib-*")}

    def job(self, flow, files, name="job"):
        at = self.folder / name
        for path, text in {"maki.yml": json.dumps({"job-name": "job", "flow": flow}), "env/default/job.yml": "master: local[1]\n", **files}.items():
            (at / path).parent.mkdir(parents=True, exist_ok=True)
            (at / path).write_text(text)
        return at

    def failed(self, job):
        """It ends at its first attempt, as a matter of dependencies, and says why."""
        events = self.run_events(job, exit=5)
        end = events.one("attempt.ended")
        self.assertEqual((end["state"], end["cause"], end["error"]["name"]), ("errored", "dependency", "resolution"))
        return end["error"]["message"]


class Server:
    """A repository on the loopback. user: only with it and its password."""

    def __init__(self, folder, user="", password=""):
        want = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode() if user else None
        server = self
        self.asked = []

        class Handler(http.server.SimpleHTTPRequestHandler):
            def do_GET(self):
                server.asked.append(self.path)
                if want and self.headers.get("Authorization") != want:
                    self.send_error(401)
                else:
                    super().do_GET()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(folder)))
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def stop(self):
        if self.thread.is_alive():
            self.server.shutdown()
            self.server.server_close()
            self.thread.join()


class Libraries(CranHouse):
    def test_a_package_is_there_and_so_is_what_it_needs(self):
        """One is packed by R itself and compiled; one comes from the archive; Debian's counts."""
        job = self.job([r("a")], {"deps/cran.yml": "repositories: [packages]\npackages:\n  - thin==1.0   # pinned\n  - {name: swift, version: '>= 0.1'}\n  - jsonlite\n",
                                  "src/a.R": "cat(thin::which(), fat::which(), swift::two(), '\\n')\ncat(.libPaths()[[1]], find.package('jsonlite'), '\\n', sep = '\\n')\n"})
        packages = repository(job / "deps/packages", ("thin", "1.0", {"needs": "fat (< 2.0), methods, jsonlite (>= 1.0)"}), ("thin", "3.0"))
        source(packages / "src/contrib/Archive/fat", "fat", "1.5", depends="R (>= 3.5)")
        source(packages / "src/contrib/Archive/fat", "fat", "1.6", depends="R (>= 99.0)")
        source(packages / "src/contrib", "fat", "2.0")
        made = self.folder / "swift"
        for path, text in {"DESCRIPTION": "Package: swift\nVersion: 0.2\nTitle: T\nDescription: D.\nAuthor: A\nMaintainer: A <a@localhost>\nLicense: GPL-2\n", "R/a.R": "two <- function() .Call(C_two)\n",
                           "NAMESPACE": "useDynLib(swift, C_two)\nexport(two)\n", "src/two.c": "#include <Rinternals.h>\nSEXP C_two(void) { return Rf_ScalarInteger(2); }\n"}.items():
            (made / path).parent.mkdir(parents=True, exist_ok=True)
            (made / path).write_text(text)
        subprocess.run(["R", "CMD", "build", "--no-manual", made], check=True, capture_output=True, cwd=packages / "src/contrib")
        index(packages)
        text = self.run_events(job).said(stream="stdout").splitlines()
        self.assertEqual(text[0], "thin 1.0 fat 1.5 2 ")
        self.assertIn(pathlib.Path(text[1]).parent.name, self.libraries())
        self.assertEqual(sorted(os.listdir(text[1])), ["fat", "swift", "thin"])
        self.assertFalse(text[2].startswith(str(self.cache)))
        before = self.libraries()
        self.assertEqual(self.run_events(job).said(stream="stdout").splitlines(), text)       # the second run makes nothing
        self.assertEqual(self.libraries(), before)

    def test_in_notebooks_and_kernels_too(self):
        book = {"cells": [{"cell_type": "code", "execution_count": None, "metadata": {}, "outputs": [], "source": "cat(thin::which(), '\\n')"}],
                "metadata": {"kernelspec": {"name": "ir", "language": "R", "display_name": "R"}}, "nbformat": 4, "nbformat_minor": 4}
        job = self.job([{"name": "book", "file": "book.ipynb"}, {"name": "cells", "file": "cells.R", "runner": {"type": "kernel", "name": "ir"}}],
                       {"deps/cran.yml": "repositories: [packages]\npackages: [thin==1.0]\n", "src/book.ipynb": json.dumps(book), "src/cells.R": "cat(thin::which(), '\\n')\n"})
        repository(job / "deps/packages", ("thin", "1.0"), ("thin", "2.0"))
        events = self.run_events(job)
        self.assertEqual([events.said(action=name, stream="stdout").strip() for name in ("book", "cells")], ["thin 1.0"] * 2)

    def test_contradictory_pins_in_one_flow(self):
        """Each has a library of its own; two that want the same at once make it once."""
        own = "- {{name: pin, version: {0}, repository: ../../deps/packages}}\n"
        flow = [r(name, **{"depends-on": []}) for name in "abc"]
        job = self.job(flow, {"src/a/cran.yml": own.format("1.0"), "src/b/cran.yml": own.format("2.0"), "src/c/cran.yml": own.format("2.0"), **{f"src/{name}.R": "cat(pin::which(), '\\n')\n" for name in "abc"}})
        repository(job / "deps/packages", ("pin", "1.0"), ("pin", "2.0"))
        done = self.ama("run", job, "--report-format", "ndjson", "--progress")
        self.assertEqual(done.returncode, 0, done.stdout)
        events = Events.of(done.stdout)
        self.assertEqual([events.said(action=name, stream="stdout") for name in "abc"], ["pin 1.0 \n", "pin 2.0 \n", "pin 2.0 \n"])
        self.assertEqual(done.stdout.count("building pin 2.0"), 1)

    def test_what_the_machine_has_needs_no_repository(self):
        """Also not its own, which is away here. What is made of nothing but that costs no build, and an old library goes."""
        order = {"snapshot": str(self.folder), "keep_ms": 86400000, "files": [{"file": "deps/cran.yml", "repositories": [], "options": [],
                 "packages": [{"text": "jsonlite >= 1.0", "file": "deps/cran.yml", "line": 1, "constraint": False}]}]}
        cache = self.folder / "cache"
        said = subprocess.run([INSTALL, cache, "-"], input=json.dumps(order), env=self.env, capture_output=True, text=True)
        self.assertEqual(said.returncode, 0, said.stderr)
        [old] = (cache / "r").glob("lib-*")
        self.assertEqual(said.stdout, f"env=R_LIBS={old}/library\nread={old}\n")
        os.utime(old / ".used", (time.time() - 3 * 86400,) * 2)
        order["files"][0]["packages"][0]["text"] = "jsonlite"
        again = subprocess.run([INSTALL, cache, "-"], input=json.dumps(order), env={**self.env, "R_LIBS": f"{old}/library"}, capture_output=True, text=True)
        self.assertTrue(old.exists(), again.stderr)         # a process has it, this one
        order["files"][0]["packages"][0]["text"] = "jsonlite >= 1.1"
        subprocess.run([INSTALL, cache, "-"], input=json.dumps(order), env=self.env, check=True, capture_output=True, text=True)
        self.assertFalse(old.exists())


class Errors(CranHouse):
    def test_what_can_not_be_had(self):
        packages = repository(self.folder / "packages", ("there", "1.0"), ("low", "1.0"), ("low", "2.0"), ("high", "1.0", {"needs": "low (>= 2.0)"}), ("deep", "1.0", {"needs": "nowhere"}),
                              ("young", "1.0", {"depends": "R (>= 99.0)"}), ("broken", "1.0", {"files": {"configure": "#!/bin/sh\necho 'configure: error: no rain here' >&2\nexit 1\n"}}),
                              ("old", "1.0", {"needs": "jsonlite (>= 99)"}))
        (packages / "src/contrib/young_2.0.tar.gz").write_bytes(b"no archive")
        for files, parts in (
                ({"deps/cran.yml": "- there\n- lost\n"}, ["deps/cran.yml:2: lost: there is no package lost in http"]),
                ({"deps/cran.yml": "- there\n- there==9.0\n"}, None),
                ({"deps/cran.yml": "- there==9.0\n"}, ["deps/cran.yml:1: there == 9.0: there == 9.0 is asked for, and http", "has no such version (the newest is 1.0)"]),
                ({"deps/cran.yml": "- low==1.0\n", "src/a/cran.yml": "- high\n"}, ["deps/cran.yml:1: low == 1.0; src/a/cran.yml:1: high: ", "high 1.0 needs low (>= 2.0): no version of low is all of that"]),
                ({"deps/cran.yml": "- deep\n"}, ["deps/cran.yml:1: deep: nowhere is needed, and there is no package nowhere in http"]),
                ({"deps/cran.yml": "- young\n"}, ["deps/cran.yml:1: young: ", "no such version runs with R"]),
                ({"deps/cran.yml": "- old\n"}, ["deps/cran.yml:1: old: ", "old 1.0 needs jsonlite (>= 99)", "is installed"]),
                ({"deps/cran.yml": "- broken\n"}, ["deps/cran.yml:1: broken: broken 1.0 can not be installed: ", "no rain here"])):
            with self.subTest(files):
                server = Server(packages)
                self.addCleanup(server.stop)
                self.machine(server.url)
                job = self.job([r("a")], {"src/a.R": "1\n", **files}, f"job{len(parts[0]) if parts else 0}-{abs(hash(str(files)))}")
                if parts is None:
                    done = self.ama("validate", job)
                    self.assertEqual(done.returncode, 2)
                    self.assertIn("deps/cran.yml:2:3: error: ‘there’ stands twice, first on line 1", done.stdout)
                    continue
                text = self.failed(job)
                for part in parts:
                    self.assertIn(part, text)

    def test_a_repository_that_is_away_is_tried_again(self):
        job = self.job([r("a")], {"deps/cran.yml": "- away\n", "src/a.R": "1\n"})
        events = self.run_events(job, exit=5)
        self.assertEqual([(e["cause"], e["error"]["name"]) for e in events.find("attempt.ended")], [("dependency", "install")] * 2)
        self.assertIn("127.0.0.1:9", json.dumps(events.find("attempt.ended")))


class Sandbox(CranHouse):
    def test_what_a_package_runs_when_it_is_built(self):
        """It can not write outside, sees neither the job nor the agent's environment, and leaves nothing behind."""
        outside = self.folder / "outside"
        code = f"""
try(file.create({json.dumps(str(outside))}), silent = TRUE)
job <- tryCatch(readLines({json.dumps(str(self.folder / "job/src/a.R"))}, warn = FALSE), warning = function(w) "closed", error = function(e) "closed")
other <- tryCatch(list.files({json.dumps(str(self.folder / "home"))}, all.files = TRUE), error = function(e) "closed")
seen <- any(grepl("canary", Sys.getenv()))
system("cd / && (setsid sleep 86413 >/dev/null 2>&1 &)")
started <- length(system("pgrep -f 'sleep 86413'", intern = TRUE)) > 0
"""
        job = self.job([r("a")], {"deps/cran.yml": "- {name: sly, repository: packages}\n", "src/a.R": "cat(sly::job, length(sly::other), sly::seen, sly::started, '\\n')\ncat(sly::which(), '\\n')\n"})
        repository(job / "deps/packages", ("sly", "1.0", {"body": code}))
        self.env["SECRET_OF_THE_AGENT"] = CANARIES["agent"]
        text = self.run_events(job).said(stream="stdout").splitlines()
        self.assertEqual(text, ["closed 0 FALSE TRUE ", "sly 1.0 "])
        self.assertFalse(outside.exists())
        self.assertEqual(subprocess.run(["pgrep", "-f", "sleep 86413"], capture_output=True, text=True).stdout, "")

    def test_a_build_ends_with_its_attempt(self):
        job = self.job([r("a", timeout="6s", retry={"attempts": 1})], {"deps/cran.yml": "- {name: slow, repository: packages}\n", "src/a.R": "1\n"})
        repository(job / "deps/packages", ("slow", "1.0", {"files": {"configure": "#!/bin/sh\nsetsid sleep 86414 &\nsleep 86414\n"}}))
        events = self.run_events(job, exit=1)
        self.assertEqual(events.one("attempt.ended")["state"], "timed_out")
        deadline = time.monotonic() + 10
        while subprocess.run(["pgrep", "-f", "sleep 86414"], capture_output=True).stdout and time.monotonic() < deadline:
            time.sleep(0.02)
        self.assertEqual(subprocess.run(["pgrep", "-f", "sleep 86414"], capture_output=True, text=True).stdout, "")


class Repositories(CranHouse):
    def test_from_a_repository_and_then_without_one(self):
        """The machine's own, which wants a password. What was fetched once is there without a network: the library itself, and another one of the same packages."""
        server = Server(repository(self.folder / "world", ("far", "1.0"), ("far", "1.1")), "reader", CANARIES["index"])
        self.addCleanup(server.stop)
        self.machine(server.url.replace("//", f"//reader:{CANARIES['index']}@"))
        job = self.job([r("a")], {"deps/cran.yml": "- far==1.1\n", "src/a.R": "cat(far::which(), '\\n')\nprint(Sys.getenv())\n"})
        done = self.ama("run", job, "--report-format", "ndjson", "--progress")
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertIn("far 1.1", done.stdout)
        self.assertEqual(CANARIES.within((done.stdout + done.stderr).encode()), [])
        server.stop()
        asked = len(server.asked)
        (job / "deps/cran.yml").write_text("- far >= 1.1\n")
        before = self.libraries()
        again = self.ama("run", job, "--report-format", "ndjson", "--progress")
        self.assertEqual(again.returncode, 0, again.stdout)
        self.assertIn("trying with what was fetched before", again.stdout)
        self.assertEqual((len(self.libraries() - before), len(server.asked)), (1, asked))
        (job / "deps/cran.yml").write_text("- near\n")
        bad = self.ama("run", job, "--report-format", "ndjson", "--progress")
        self.assertEqual(bad.returncode, 5, bad.stdout)
        self.assertEqual(CANARIES.within((again.stdout + bad.stdout + bad.stderr).encode()), [])
        self.assertEqual(CANARIES.in_files(self.folder, self.folder / "home/.Rprofile"), [])
        self.assertEqual([path for path in CANARIES.in_files(self.cache / "amaterasu/r", self.folder / "none") if "machine-" not in str(path)], [])

    def test_the_first_repository_that_has_a_package_is_the_one(self):
        """A name of the house can not be taken by a newer version elsewhere; an entry's own repository alone counts."""
        job = self.job([r("a")], {"src/a.R": "cat(ours::which(), picked::which(), '\\n')\n", "deps/cran.yml": "repositories: [{id: house, url: house}, {id: more, url: world}, cran]\n"
                                  "packages: [ours, {name: picked, repository: more}]\n"})
        repository(job / "deps/house", ("ours", "1.0"), ("picked", "7.0"))
        repository(job / "deps/world", ("ours", "9.0"), ("picked", "1.0"))
        self.assertEqual(self.run_events(job).said(stream="stdout"), "ours 1.0 picked 1.0 \n")


class Locks(CranHouse):
    def test_a_lock_holds_until_it_is_made_anew(self):
        job = self.job([r("a"), r("b")], {"deps/cran.yml": "repositories: [packages]\npackages: [upper]\n", "src/b/cran.yml": "- {name: extra, version: 1.0, repository: ../../deps/packages}\n",
                                          "src/a.R": "cat(upper::which(), lower::which(), '\\n')\n", "src/b.R": "cat(extra::which(), '\\n')\n"})
        packages = repository(job / "deps/packages", ("upper", "1.0", {"needs": "lower, jsonlite"}), ("lower", "1.0"), ("extra", "1.0"))
        done = self.ama("deps", "lock", job)
        self.assertEqual((done.returncode, done.stdout), (0, "deps/cran.lock\nsrc/b/cran.lock\n"), done.stderr)
        lock = (job / "deps/cran.lock").read_text()
        digest = hashlib.sha256((packages / "src/contrib/lower_1.0.tar.gz").read_bytes()).hexdigest()
        self.assertRegex(lock, rf"^# ama deps lock, of sha256:[0-9a-f]{{64}}\n# R 4\.[0-9.]+\njsonlite [0-9.]+ installed\nlower 1\.0 sha256:{digest} deps/packages/src/contrib/lower_1\.0\.tar\.gz\nupper 1\.0 sha256:")
        self.assertNotIn("IRkernel", lock)
        repository(packages, ("lower", "2.0"), ("upper", "2.0"))      # newer ones are not taken
        events = self.run_events(job)
        self.assertEqual([events.said(action=name, stream="stdout") for name in "ab"], ["upper 1.0 lower 1.0 \n", "extra 1.0 \n"])

        source(packages / "src/contrib", "lower", "1.0", body="other <- TRUE\n")     # other bytes are refused
        text = self.failed(job)
        self.assertIn("lower_1.0.tar.gz is not the file that the lock tells of: its digest is another one", text)

        (job / "deps/cran.yml").write_text("repositories: [packages]\npackages: [upper, lower]\n")
        done = self.ama("run", job, "--report", "code")
        self.assertEqual(done.returncode, 2)
        self.assertIn("deps/cran.lock:1: the lock is not of what deps/cran.yml names now (ama deps lock)", done.stdout + done.stderr)
        self.assertEqual(self.ama("deps", "lock", job).returncode, 0)
        self.assertIn("upper 2.0 sha256:", (job / "deps/cran.lock").read_text())

    def test_what_can_not_be_locked(self):
        job = self.job([r("a")], {"deps/cran.yml": "- {name: nowhere, repository: packages}\n", "src/a.R": "1\n"})
        repository(job / "deps/packages", ("other", "1.0"))
        done = self.ama("deps", "lock", job)
        self.assertEqual((done.returncode, done.stdout), (2, ""))
        self.assertIn("deps/cran.yml:1: nowhere @ deps/packages: there is no package nowhere in deps/packages", done.stderr)
        self.assertFalse((job / "deps/cran.lock").exists())


if __name__ == "__main__":
    unittest.main()
