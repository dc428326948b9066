"""What of R's libraries needs no R: versions, what packages need, the choice, hostile archives, indexes and locks, servers that misbehave, and how a build ended."""
import http.server
import io
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
import threading
import unittest

RUNNERS = pathlib.Path(os.environ["AMA_SOURCE_DIR"]) / "agent/runners"
sys.path[:0] = [str(RUNNERS), str(RUNNERS / "r")]
import dcf  # noqa: E402
import fetching  # noqa: E402
import repository  # noqa: E402
import resolve  # noqa: E402
from making import Refused, Trouble  # noqa: E402


def archive(path, members):
    with tarfile.open(path, "w:gz") as file:
        for name, text in members:
            info = tarfile.TarInfo(name)
            if isinstance(text, str):
                info.size = len(text.encode())
                file.addfile(info, io.BytesIO(text.encode()))
            else:
                info.type, info.linkname = tarfile.SYMTYPE, text[0]
                file.addfile(info)
    return path


class Texts(unittest.TestCase):
    def test_versions(self):
        """In R's order."""
        rising = ["0.9", "1.0", "1.0-1", "1.0.1.1", "1.1", "1.9", "1.10", "2.0", "2.0.0", "2024.1"]
        self.assertEqual(sorted(reversed(rising), key=dcf.version), rising)
        for text, operator, bound, want in (("1.6.2", "==", "1.6-2", True), ("1.0", ">=", "1", True), ("1.10", "<", "1.9", False), ("1.0", "!=", "1.0", False), ("2.0", "<=", "2.0", True), ("2.0.0", "<=", "2.0", False), ("1", None, None, True)):
            self.assertEqual(dcf.fits(text, operator, bound), want, (text, operator, bound))

    def test_records(self):
        text = "Package: a\nVersion: 1.0\nDepends: R (>= 3.5),\n\tmethods,\n    fat(>=1.0)\nOdd\n : x\n\n\nPackage: b\n"
        self.assertEqual([dict(r) for r in dcf.records(text, ("Package", "Depends"))], [{"Package": "a", "Depends": "R (>= 3.5), methods, fat(>=1.0)"}, {"Package": "b"}])
        self.assertEqual(list(dcf.records("")), [])

    def test_dependencies(self):
        record = {"Depends": "R (>= 3.5), methods", "Imports": "fat(>=1.0) , thin (>= 2.0, < 3), x y, , a-b, R6 (== 2.5.1)", "LinkingTo": "Rcpp"}
        self.assertEqual(dcf.dependencies(record, ["Depends", "Imports", "LinkingTo"]),
                         [("R", ">=", "3.5"), ("methods", None, None), ("fat", ">=", "1.0"), ("R6", "==", "2.5.1"), ("Rcpp", None, None)])
        self.assertTrue(dcf.runs_with(record, "4.2.2"))
        self.assertFalse(dcf.runs_with(record, "3.4.9"))


class Shop:
    """A repository without files: {name: {version: {field: text}}}, archive likewise."""

    def __init__(self, shown, listed, archived=(), away=False):
        self.shown, self.listed, self.old, self.away = shown, listed, dict(archived), away

    def index(self):
        if self.away:
            raise Trouble(f"{self.shown} can not be reached")
        return {name: [{"Package": name, "Version": version, **fields} for version, fields in versions.items()] for name, versions in self.listed.items()}

    def archived(self, name):
        return list(self.old.get(name, {}))

    def fetch(self, name, version, record=None):
        fields = (self.listed if record else self.old).get(name, {}).get(version)
        if fields is None:
            raise fetching.Missing(name)
        source = type("Source", (), {})()
        source.record, source.repository = {"Package": name, "Version": version, **fields}, self
        return source


def needs(text):
    return {"Imports": text}


class Choice(unittest.TestCase):
    def solve(self, entries, shops, installed=(), places=None):
        packages = [{"text": text, "file": "deps/cran.yml", "line": number} for number, text in enumerate(entries, 1)]
        there = {name: {"Package": name, "Version": version, **fields} for name, (version, fields) in dict(installed).items()}
        chosen = resolve.Resolver([resolve.Entry(package) for package in packages], shops, lambda word: places[word], there, "4.2.2").solve()
        return " ".join(sorted(f"{p.name}-{p.version}{'*' if p.installed else ''}" for p in chosen.values()))

    def refused(self, *words, **more):
        with self.assertRaises(Refused) as caught:
            self.solve(*words, **more)
        return str(caught.exception)

    def test_newest_that_all_allow(self):
        shop = Shop("cran", {"a1": {"1.0": needs("b1 (>= 1.5)"), "2.0": needs("b1 (>= 1.5), c1")}, "b1": {"2.0": {}}, "c1": {"1.0": needs("b1 (< 2.0)")}}, {"b1": {"1.0": {}, "1.6": {}, "1.7": {"Depends": "R (>= 99.0)"}}})
        self.assertEqual(self.solve(["a1"], [shop]), "a1-2.0 b1-1.6 c1-1.0")
        self.assertEqual(self.solve(["a1 == 1.0"], [shop]), "a1-1.0 b1-2.0")
        self.assertEqual(self.solve(["a1 == 1.0", "b1 == 1.6"], [shop]), "a1-1.0 b1-1.6")
        self.assertEqual(self.solve(["a1 >= 1.5"], [shop]), "a1-2.0 b1-1.6 c1-1.0")

    def test_what_is_there_counts(self):
        shop = Shop("cran", {"a1": {"1.0": needs("b1, stats (>= 3.0), d1")}, "b1": {"2.0": {}}, "d1": {"5.0": {}}})
        self.assertEqual(self.solve(["a1"], [shop], {"b1": ("1.0", needs("d1 (>= 4.0)")), "d1": ("3.0", {})}), "a1-1.0 b1-1.0* d1-5.0 stats-4.2.2*")
        self.assertEqual(self.solve(["a1", "b1 >= 2.0"], [shop], {"b1": ("1.0", {}), "d1": ("3.0", {})}), "a1-1.0 b1-2.0 d1-3.0* stats-4.2.2*")
        self.assertEqual(self.solve(["b1"], [Shop("gone", {}, away=True)], {"b1": ("1.0", {})}), "b1-1.0*")

    def test_the_kernel_takes_part(self):
        kernel = {"IRkernel": ("1.3", needs("cli (>= 3.0)")), "cli": ("3.6", {}), "jsonlite": ("1.8", {})}
        shop = Shop("cran", {"cli": {"4.0": {}}}, {"cli": {"2.0": {}}})
        self.assertEqual(self.solve(["cli >= 4.0"], [shop], kernel), "IRkernel-1.3* cli-4.0 jsonlite-1.8*")
        text = self.refused(["cli == 2.0"], [shop], kernel)
        self.assertIn("deps/cran.yml:1: cli == 2.0", text)
        self.assertIn("IRkernel 1.3 needs cli (>= 3.0): no version of cli is all of that", text)

    def test_where_from(self):
        house, world = Shop("house", {"a1": {"1.0": needs("b1")}, "b1": {"1.0": {}}}), Shop("world", {"a1": {"9.0": {}}, "b1": {"9.0": {}}, "c1": {"1.0": needs("b1")}})
        self.assertEqual(self.solve(["a1"], [house, world]), "a1-1.0 b1-1.0")
        self.assertEqual(self.solve(["a1"], [house, world], {"a1": ("0.5", {})}), "a1-0.5*")
        self.assertEqual(self.solve(["a1 @ w"], [house, world], {"a1": ("0.5", {})}, places={"w": world}), "a1-9.0")
        self.assertEqual(self.solve(["c1 @ w"], [house], places={"w": world}), "b1-9.0 c1-1.0")      # beside the one that wants it
        self.assertEqual(self.solve(["a1"], [house, Shop("gone", {}, away=True)]), "a1-1.0 b1-1.0")
        with self.assertRaises(Trouble):
            self.solve(["c1"], [house, Shop("gone", {}, away=True)])

    def test_a_wish_that_goes_away_is_no_contradiction(self):
        """x1 2.0 would want another y1 than the one that is pinned; but z1 allows only x1 1.0."""
        shop = Shop("cran", {"x1": {"2.0": needs("y1 (>= 2.0)"), "1.0": needs("y1")}, "y1": {"2.0": {}, "1.0": {}}, "z1": {"1.0": needs("x1 (<= 1.0)")}})
        self.assertEqual(self.solve(["x1", "y1 == 1.0", "z1"], [shop]), "x1-1.0 y1-1.0 z1-1.0")

    def test_what_never_settles(self):
        """a1 2 wants b1 1, b1 1 wants a1 1, a1 1 wants b1 2: whatever is chosen, the next round wants something else."""
        shop = Shop("cran", {"a1": {"2.0": needs("b1 (== 1.0)"), "1.0": {}}, "b1": {"1.0": needs("a1 (== 1.0)"), "2.0": {}}})
        self.assertIn("no versions can be found that fit together", self.refused(["a1"], [shop]))

    def test_complaints(self):
        shop = Shop("cran", {"a1": {"1.0": needs("nowhere, b1 (>= 3.0)")}, "b1": {"2.0": {}}, "young": {"1.0": {"Depends": "R (>= 5.0)"}}})
        text = self.refused(["a1", "lost", "b1 == 1.0", "young"], [shop])
        for part in ("deps/cran.yml:1: a1: nowhere is needed, and there is no package nowhere in cran", "deps/cran.yml:2: lost: there is no package lost in cran",
                     "deps/cran.yml:3: b1 == 1.0; deps/cran.yml:1: a1: ", "deps/cran.yml:4: young: young is asked for, and no such version runs with R 4.2.2"):
            self.assertIn(part, text)
        self.assertIn("stats >= 9.0 is asked for, and stats is a part of R 4.2.2", self.refused(["stats >= 9.0"], [shop]))
        self.assertIn("nowhere, as R has no repositories here", self.refused(["a1"], []))


class Folder(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="ama-r-"))
        self.addCleanup(shutil.rmtree, self.folder)

    def repository(self, index, address=None):
        at = self.folder / "packages/src/contrib"
        at.mkdir(parents=True, exist_ok=True)
        if index is not None:
            (at / "PACKAGES").write_text(index)
        self.said = []
        return repository.Repository(address or str(self.folder / "packages"), "packages", str(self.folder / "keep"), self.said.append)


GOOD = "Package: glue\nVersion: 1.0\n"


class Hostile(Folder):
    def test_archives(self):
        path = self.folder / "x.tar.gz"
        for members, why in (([("glue/DESCRIPTION", GOOD), ("glue/R/a.R", "")], None), ([("glue/R/a.R", "")], "is no package glue"), ([("other/DESCRIPTION", GOOD)], "is no package glue"),
                             ([("glue/DESCRIPTION", "Package: other\nVersion: 1.0\n")], "is no package glue"), ([("glue/DESCRIPTION", "Package: glue\nVersion: 1.0; rm\n")], "is no package glue"),
                             ([("glue/DESCRIPTION", ("/etc/passwd",))], "is no package glue"), ([("../glue/DESCRIPTION", GOOD)], "is no package glue"), ([("glue/DESCRIPTION", "\x00\xff" * 50)], "is no package glue")):
            archive(path, members)
            if not why:
                self.assertFalse(repository.Source(path, "glue", "x").compiled)
                continue
            with self.assertRaisesRegex(Refused, why):
                repository.Source(path, "glue", "x")
        for junk in (b"", b"junk", b"\x1f\x8b", path.read_bytes()[:-20]):
            path.write_bytes(junk)
            with self.assertRaises(Refused):
                repository.Source(path, "glue", "x")
        archive(path, [("glue/DESCRIPTION", GOOD), ("glue/src/a.c", "")])
        self.assertTrue(repository.Source(path, "glue", "x").compiled)

    def test_an_index(self):
        index = "".join(f"Package: {name}\nVersion: {version}\nPath: {path}\n\n" for name, version, path in
                        (("glue", "1.0", ".."), ("../../x", "1.0", ""), ("odd", "1.0/../x", ""), ("", "1.0", ""), ("fine", "2.0", "Older")))
        found = self.repository(index)
        self.assertEqual(sorted(found.index()), ["fine", "glue"])
        archive(self.folder / "packages/src/glue_1.0.tar.gz", [("glue/DESCRIPTION", GOOD)])       # outside src/contrib, where its path leads
        for path in ("..", "../..", "a/../..", "/etc"):
            self.assertRaises(fetching.Missing, found.fetch, "glue", "1.0", {**found.index()["glue"][0], "Path": path})
        with self.assertRaises(Refused):
            found.path_of("../../x", 1, True)
        self.assertRaises(fetching.Missing, found.fetch, "fine", "2.0", found.index()["fine"][0])
        with self.assertRaisesRegex(Refused, "is no repository of R packages"):
            repository.Repository(str(self.folder), "packages", "", print).index()

    def test_links_in_a_folder(self):
        found = self.repository("")
        (self.folder / "secret").write_text("x")
        (self.folder / "packages/src/contrib/glue_1.0.tar.gz").symlink_to(self.folder / "secret")
        with self.assertRaisesRegex(Refused, "leaves its folder"):
            found.fetch("glue", "1.0")

    def test_other_bytes(self):
        found = self.repository("Package: glue\nVersion: 1.0\nMD5sum: 00000000000000000000000000000000\n")
        archive(self.folder / "packages/src/contrib/glue_1.0.tar.gz", [("glue/DESCRIPTION", GOOD)])
        with self.assertRaisesRegex(Refused, "its sum is another one"):
            found.fetch("glue", "1.0", found.index()["glue"][0])


class Servers(Folder):
    def serve(self, answer):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                answer(self)

            def log_message(self, *_):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        return f"http://127.0.0.1:{server.server_port}"

    def test_answers(self):
        def told(code, body=b"", **headers):
            def answer(handler):
                handler.send_response(code)
                for name, value in headers.items():
                    handler.send_header(name.replace("_", "-"), value)
                handler.end_headers()
                handler.wfile.write(body)
            return answer

        for answer, error, why in ((told(404), fetching.Missing, ""), (told(500), Trouble, "answers 500"), (told(429), Trouble, "answers 429"), (told(403), Refused, "answers 403"),
                                   (told(200, b"abc", Content_Length="10"), Trouble, "broke off"), (told(200, b"x" * 2000), Refused, "is more than"),
                                   (told(302, Location="http://cran.example.org/x"), Refused, "which is no https address"), (told(302, Location="file:///etc/passwd"), Refused, "")):
            with self.assertRaisesRegex(error, why):
                fetching.download(self.serve(answer) + "/x", str(self.folder / "file"), 1000)
            self.assertEqual(os.listdir(self.folder), [])

    def test_when_nobody_answers(self):
        """An index that was fetched before does; what was not is not there, and no trouble."""
        def answer(handler):
            body = b"Package: glue\nVersion: 1.0\n" if handler.path == "/src/contrib/PACKAGES" and self.up else b""
            handler.send_response(200 if body else 404 if self.up else 503)
            handler.end_headers()
            handler.wfile.write(body)

        self.up, url = True, self.serve(answer)
        self.assertEqual(list(self.repository(None, url).index()), ["glue"])
        self.up = False
        again = self.repository(None, url)
        self.assertEqual((list(again.index()), again.archived("cli"), self.said), (["glue"], [], [f"{url} can not be reached: trying with what was fetched before"]))
        with self.assertRaisesRegex(Trouble, "answers 503"):
            again.fetch("glue", "1.0", again.index()["glue"][0])

    def test_passwords_stay_with_their_host(self):
        asked = []
        other = self.serve(lambda handler: (asked.append(handler.headers.get("Authorization")), handler.send_response(200), handler.send_header("Content-Length", "0"), handler.end_headers()))
        first = self.serve(lambda handler: (asked.append(handler.headers.get("Authorization")), handler.send_response(302), handler.send_header("Location", other + "/x"), handler.end_headers()))
        fetching.download(first.replace("//", "//me:secret@") + "/x", str(self.folder / "file"), 1000)
        self.assertEqual([bool(one) for one in asked], [True, False])
        self.assertNotIn("secret", repository.Repository(first.replace("//", "//me:secret@"), "", "", print).shown)


@unittest.skipUnless(shutil.which("R"), "R is not installed")
class Builds(Folder):
    """install.sh, with the test as its agent."""

    def run_with(self, answer, lock=None):
        self.repository("Package: glue\nVersion: 99.0\n")
        archive(self.folder / "packages/src/contrib/glue_99.0.tar.gz", [("glue/DESCRIPTION", GOOD.replace("1.0", "99.0"))])
        order = {"snapshot": str(self.folder), "lock": "cran.lock" if lock is not None else "", "files": [{"file": "cran.yml", "repositories": ["packages"], "options": [],
                 "packages": [{"text": "glue >= 99.0", "file": "cran.yml", "line": 3, "constraint": False}]}]}
        if lock is not None:
            (self.folder / "cran.lock").write_text("# ama deps lock\n" + lock)
        child = subprocess.Popen([RUNNERS / "r/install.sh", self.folder / "cache", "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        child.stdin.write(json.dumps(order) + "\n")
        child.stdin.flush()
        first = child.stdout.readline()
        if first.startswith("confine="):
            self.order = json.loads(first[len("confine="):])
        out, err = child.communicate(answer if first.startswith("confine=") else None)
        return child.returncode, (first if not first.startswith("confine=") else "") + out, err

    def test_how_a_build_ended(self):
        for answer, code, why in (("exit 1\n", 0, "refused=cran.yml:3: glue >= 99.0: glue 99.0 can not be installed: exit 1"), ("exit 0\n", 0, "can not be installed"), ("timeout\n", 1, "was not built in"),
                                  ("signal KILL\n", 1, "was ended by SIGKILL"), ("error no sandbox\n", 1, "can not be built in the sandbox: no sandbox"), ("", 1, "are built by an agent")):
            is_code, out, err = self.run_with(answer)
            self.assertEqual(is_code, code, err)
            self.assertIn(why, out + err)
            self.assertEqual(list((self.folder / "cache/r").glob("lib-*")), [])         # nothing half
        made = pathlib.Path(self.order["write"][0]).parent
        self.assertEqual(self.order["write"], [f"{made}/library", f"{made}/tmp"])
        self.assertNotIn(str(self.folder / "cran.yml"), json.dumps(self.order))

    def test_locks(self):
        digest = "0" * 64
        for lock, why in ((f"glue 99.0 sha256:{digest} packages/src/contrib/glue_99.0.tar.gz\n", "is not the file that the lock tells of"), ("glue 99.0\n", "cran.lock:2: is no line of a lock"),
                          (f"glue 99.0 sha256:{digest} ../x/src/contrib/glue_99.0.tar.gz\n", "leaves the repository"), (f"glue 99.0 sha256:{digest} http://cran.example.org/src/contrib/g.tar.gz\n", "is no https address"),
                          (f"glue 99.0 sha256:{digest} packages/src/contrib/../../../x\n", "is no place of a package"), (f"glue 99.0 sha256:{digest} file:///src/contrib/x\n", "is no https address"),
                          ("glue 99.0 installed\n", "was installed where the lock was made; here it is"), ("", "the lock lacks glue"), (2 * f"glue 99.0 sha256:{digest} packages/src/contrib/glue_99.0.tar.gz\n", "cran.lock:3: stands twice"),
                          (f"../x 99.0 sha256:{digest} packages/src/contrib/x.tar.gz\n", "is no line of a lock")):
            code, out, err = self.run_with("exit 1\n", lock)
            self.assertEqual(code, 0, err)
            self.assertIn("refused=", out)
            self.assertIn(why, out)


if __name__ == "__main__":
    unittest.main()
