"""The resolver with real repositories: coursier in its JVM, files over http, passwords, damage, and a kill."""
import hashlib
import json
import os
import pathlib
import select
import shutil
import signal
import stat
import subprocess
import tempfile
import threading
import unittest

from depot import BINARY, SOURCE, Depot, Resolver


def cache_folder():
    return pathlib.Path(os.environ.get("XDG_CACHE_HOME") or SOURCE / ".cache") / "resolver-test"


class ResolveTest(unittest.TestCase):
    """One prepared child for all tests; each test has coordinates of its own, as releases are for ever."""

    @classmethod
    def setUpClass(cls):
        cls.tmp = pathlib.Path(tempfile.mkdtemp(prefix="ama-resolve-"))
        cls.cache = cls.tmp / "cache"
        cls.cache.mkdir()

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.tmp)

    def setUp(self):
        self.group = "t." + self.id().rsplit("_", 1)[1]
        self.house = self.depot()

    def depot(self, **login):
        depot = Depot(**login)
        self.addCleanup(depot.close)
        return depot

    def resolver(self, **how):
        resolver = Resolver(how.pop("cache", self.cache), **how)
        self.addCleanup(lambda: self.assertEqual(resolver.close(), 0))
        return resolver

    def name(self, name, version="1"):
        return f"{self.group}:{name}:{version}"

    def credentials(self, *lines):
        path = self.tmp / f"{self.group}.credentials"
        path.write_text("".join(line + "\n" for line in lines))
        path.chmod(0o600)
        return path

    @property
    def repos(self):
        return [["house", self.house.url]]

    def refused(self, answer, code, *texts):
        self.assertEqual(answer.get("error"), code, answer)
        for text in texts:
            self.assertIn(text, answer["text"])

    def files(self, answer):
        """Coordinates of an answer, after a look at every file."""
        self.assertNotIn("error", answer)
        for one in answer["files"]:
            path = pathlib.Path(one["path"])
            self.assertEqual(hashlib.sha256(path.read_bytes()).hexdigest(), one["sha256"])
            self.assertEqual(path.parent.name, one["sha256"])
            self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o444)
        return [one["coordinates"] for one in answer["files"]]

    # ---- what is found ----

    def test_central(self):
        """Libraries of the real central repository with all that they need; Scala itself is the session's."""
        answer = self.resolver().resolve(["com.lihaoyi:requests_2.13:0.9.0", "com.lihaoyi:ujson_2.13:4.1.0"], [])
        self.assertEqual(sorted(self.files(answer)), [
            "com.lihaoyi:geny_2.13:1.1.1", "com.lihaoyi:requests_2.13:0.9.0", "com.lihaoyi:ujson_2.13:4.1.0",
            "com.lihaoyi:upickle-core_2.13:4.1.0"])

    def test_transitive(self):
        self.house.publish(self.name("a"), [self.name("b"), self.name("c")])
        self.house.publish(self.name("b"), [self.name("c", "2")])
        body = self.house.publish(self.name("c", "2"))
        self.house.publish(self.name("c"))
        resolver = self.resolver()
        answer = resolver.resolve([self.name("a")], self.repos)
        self.assertEqual(sorted(self.files(answer)), [self.name("a"), self.name("b"), self.name("c", "2")])
        self.assertFalse(answer["cached"])
        path = pathlib.Path(next(one for one in answer["files"] if one["coordinates"] == self.name("c", "2"))["path"])
        self.assertEqual(path.read_bytes(), body)
        self.assertEqual(path.name, f"{self.group}_c-2.jar")
        self.assertTrue(any("of 3 files" in text for text in resolver.said[1]), resolver.said)

    def test_lean(self):
        """The SDK of AWS in the parts that hadoop-aws needs, of the version it was made for; the whole jar, which is not even there, is not asked for."""
        sdk = "software.amazon.awssdk"
        self.house.publish(self.name("files"), [f"{sdk}:bundle:2.1", "io.netty:netty-buffer:4", self.name("more")])
        self.house.publish(self.name("more"), [f"{sdk}:annotations:2.1"])
        self.house.publish(f"{sdk}:bundle:2.1")
        for part in ("s3", "s3-transfer-manager", "sts", "apache-client", "netty-nio-client"):
            self.house.publish(f"{sdk}:{part}:2.1", [f"{sdk}:annotations:2.1", "org.slf4j:slf4j-api:1"])
        self.house.publish(f"{sdk}:annotations:2.1")
        del self.house.files[f"/m/{sdk.replace('.', '/')}/bundle/2.1/bundle-2.1.jar"]
        resolver = self.resolver()
        answer = resolver.resolve([self.name("files")], self.repos, lean=True)
        self.assertEqual(sorted(self.files(answer)), sorted([self.name("files"), self.name("more"), *(f"{sdk}:{part}:2.1" for part in (
            "annotations", "s3", "s3-transfer-manager", "sts", "apache-client", "netty-nio-client"))]))
        self.assertTrue(resolver.resolve([self.name("files")], self.repos, lean=True)["cached"])
        self.assertIn("error", resolver.resolve([self.name("files")], self.repos))

    def test_cached(self):
        """A known set needs no repository and no JVM, in whatever order it is asked for; also after a restart."""
        for one in "abc":
            self.house.publish(self.name(one))
        first = self.resolver().resolve([self.name("a"), self.name("b")], self.repos)
        self.house.close()
        no_java = self.tmp / "no-java"
        no_java.mkdir()
        for tool in ("bash", "cat", "cut", "dirname", "sha256sum", "stat"):
            (no_java / tool).symlink_to(shutil.which(tool))
        resolver = self.resolver(env={"PATH": str(no_java)})
        for offline in (False, True):
            again = resolver.resolve([self.name("b"), self.name("a"), self.name("b")], self.repos, offline)
            self.assertEqual((again["lock"], again["files"], again["cached"]), (first["lock"], first["files"], True))
        print(f"cached answer: {again['ms']} ms")
        self.refused(resolver.resolve([self.name("c")], self.repos), "AMA_E_UNSUPPORTED", "java", "PATH")

    def test_offline(self):
        self.house.publish(self.name("a"), [self.name("b")])
        self.house.publish(self.name("b"))
        resolver = self.resolver()
        self.refused(resolver.resolve([self.name("a")], self.repos, offline=True), "AMA_E_NOT_FOUND", "offline", self.name("a"))
        self.assertEqual(sum(self.house.gets.values()), 0)
        online = resolver.resolve([self.name("a")], self.repos)
        asked = sum(self.house.gets.values())
        self.assertEqual(resolver.resolve([self.name("a")], self.repos, offline=True)["lock"], online["lock"])
        # another set of known files: no lock, but nothing to download
        self.assertEqual(self.files(resolver.resolve([self.name("b")], self.repos, offline=True)), [self.name("b")])
        self.assertEqual(sum(self.house.gets.values()), asked)

    def test_snapshot(self):
        """What may change is asked for again, unless the request is offline."""
        self.house.publish(self.name("a", "1-SNAPSHOT"))
        resolver = self.resolver()
        first = resolver.resolve([self.name("a", "1-SNAPSHOT")], self.repos)
        self.assertEqual(self.files(first), [self.name("a", "1-SNAPSHOT")])
        self.house.close()
        again = resolver.resolve([self.name("a", "1-SNAPSHOT")], self.repos, offline=True)
        self.assertEqual(again["lock"], first["lock"])

    def test_empty(self):
        answer = self.resolver().resolve([], self.repos)
        self.assertEqual((answer["files"], answer["cached"]), ([], True))

    # ---- two repositories, passwords ----

    def test_missing(self):
        shed = self.depot()
        resolver = self.resolver()
        repos = self.repos + [["shed", shed.url]]
        self.refused(resolver.resolve([self.name("y")], repos), "AMA_E_NOT_FOUND", f"{self.name('y')} not found in house, shed")
        self.house.publish(self.name("z"), [self.name("gone", "3")])
        self.refused(resolver.resolve([self.name("z")], repos), "AMA_E_NOT_FOUND", f"{self.name('gone', '3')} not found in")
        shed.publish(self.name("y"))  # a no is not remembered
        self.assertEqual(self.files(resolver.resolve([self.name("y")], repos)), [self.name("y")])

    def test_jarless(self):
        """A description whose jar is not there."""
        self.house.publish(self.name("a"))
        for path in [path for path in self.house.files if ".jar" in path]:
            del self.house.files[path]
        self.refused(self.resolver().resolve([self.name("a")], self.repos), "AMA_E_NOT_FOUND", "a:1", "house")

    def test_jarless_offline(self):
        """The same, told by the cache alone; and a description without a jar by its own word is no gap."""
        self.group = "t.jarlessoff"
        self.house.publish(self.name("a"))
        self.house.put("t/jarlessoff/all/1/all-1.pom", (
            "<project><modelVersion>4.0.0</modelVersion><groupId>t.jarlessoff</groupId><artifactId>all</artifactId><version>1"
            "</version><packaging>pom</packaging><dependencies><dependency><groupId>t.jarlessoff</groupId><artifactId>a"
            "</artifactId><version>1</version></dependency></dependencies></project>").encode())
        resolver = self.resolver()
        self.assertEqual(self.files(resolver.resolve([self.name("all")], self.repos)), [self.name("a")])
        for part in ("locks", "jars"):
            shutil.rmtree(self.cache / part)
        for path in (self.cache / "coursier").rglob("a-1.jar*"):
            if "jarlessoff" in str(path):
                path.unlink()
        self.refused(resolver.resolve([self.name("all")], self.repos, offline=True), "AMA_E_NOT_FOUND", self.name("a"), "offline")

    def test_entity(self):
        """A description that wants to quote a file of this machine."""
        secret = self.tmp / "secret"
        secret.write_text("s3cret")
        self.house.publish(self.name("a"))
        at = f"/m/{self.group.replace('.', '/')}/a/1/a-1.pom"
        body = (f'<!DOCTYPE project [<!ENTITY x SYSTEM "file://{secret}">]>'.encode() + self.house.files[at].replace(
            b"<dependencies>", f"<dependencies><dependency><groupId>{self.group}</groupId><artifactId>b</artifactId>"
            "<version>&x;</version></dependency>".encode()))
        self.house.put(at[3:], body)
        answer = self.resolver().resolve([self.name("a")], self.repos)
        self.assertIn("error", answer)
        self.assertNotIn("s3cret", json.dumps(answer))
        self.assertFalse([path for path, _ in self.house.headers if "s3cret" in path])
        self.refused(answer, "AMA_E_NOT_FOUND", f"{self.group}:b: not found in house")

    def test_password(self):
        """By id, by host and port, and by address; seen by no other process while it is used."""
        house = self.depot(user="eve", password="pass word\\t1")
        house.publish(self.name("a"))
        seen = []

        def look(_):
            for entry in pathlib.Path("/proc").iterdir():
                for part in ("cmdline", "environ"):
                    try:
                        if entry.name.isdigit() and b"pass word\\t1" in (entry / part).read_bytes():
                            seen.append(entry.name)
                    except OSError:
                        continue
            return False

        house.tricks[".jar"] = look
        repos = [["house", house.url]]
        for number, entry in enumerate(("house", f"127.0.0.1:{house.port}", house.url)):
            house.publish(self.name(f"a{number}"))
            resolver = self.resolver(credentials=self.credentials(f"{entry} eve pass word\\t1"))
            self.assertEqual(self.files(resolver.resolve([self.name(f"a{number}")], repos)), [self.name(f"a{number}")])
        self.assertEqual(seen, [])
        for path in self.cache.rglob("*"):
            self.assertNotIn("pass word", path.name)
            if path.suffix in (".json", ".log"):
                self.assertNotIn("pass word", path.read_text())

    def test_wrongpassword(self):
        house = self.depot(user="eve", password="right")
        house.publish(self.name("a"))
        repos = [["house", house.url], ["shed", self.house.url]]
        answer = self.resolver(credentials=self.credentials("house eve s3cret")).resolve([self.name("a")], repos)
        self.refused(answer, "AMA_E_AUTH", self.name("a"), "refused the user name or password")
        self.assertNotIn("s3cret", answer["text"])
        self.refused(self.resolver().resolve([self.name("a")], repos), "AMA_E_AUTH", "no credentials are known")

    def test_openfile(self):
        """A credentials file that everybody may read is not used."""
        path = self.credentials("house eve right")
        path.chmod(0o644)
        self.house.publish(self.name("a"))
        self.refused(self.resolver(credentials=path).resolve([self.name("a")], self.repos), "AMA_E_AUTH", path.name)
        self.assertEqual(sum(self.house.gets.values()), 0)

    def test_redirect(self):
        """To another named repository: yes, without the password. To anywhere else on this machine: no."""
        house, shed, neighbour = self.depot(user="eve", password="right"), self.depot(), self.depot()
        for depot in (house, shed, neighbour):
            depot.publish(self.name("a"))
            depot.publish(self.name("b"))
        credentials = self.credentials("house eve right")
        repos = [["house", house.url], ["shed", shed.url]]
        house.tricks["a-1.jar"] = lambda h: Depot.send(h, 302, b"", {"Location": f"http://127.0.0.1:{shed.port}{h.path}"}) is None
        house.tricks["b-1.jar"] = lambda h: Depot.send(h, 302, b"", {"Location": f"http://127.0.0.1:{neighbour.port}{h.path}"}) is None
        resolver = self.resolver(credentials=credentials)
        self.assertEqual(self.files(resolver.resolve([self.name("a")], repos)), [self.name("a")])
        self.assertTrue(any("a-1.jar" in path for path, _ in shed.headers))
        self.assertFalse([path for path, headers in shed.headers if "Authorization" in headers])
        self.refused(resolver.resolve([self.name("b")], repos), "AMA_E_URL", "private address", str(neighbour.port))
        self.assertEqual(neighbour.headers, [])

    # ---- what is refused before anything is asked ----

    def test_refused(self):
        self.house.publish(self.name("a"))
        resolver = self.resolver()
        for url, code, text in (
                ("http://repo.example/m", "AMA_E_URL", "plain http"), ("file:///etc", "AMA_E_URL", "no https"),
                ("gopher://h/", "AMA_E_URL", "no https"), ("http://169.254.169.254/", "AMA_E_URL", "plain http"),
                ("http://2130706433/", "AMA_E_URL", "plain http"), ("https://169.254.169.254/m", "AMA_E_URL", "no repository lives"),
                ("https://u:secret@h/m", "AMA_E_URL", "user name")):
            answer = resolver.resolve([self.name("a")], [["x", url]])
            self.refused(answer, code, text)
            self.assertNotIn("secret", answer["text"])
        for artifact, code in (
                ("../..:x:1", "AMA_E_PATH"), ("x:y:[1,)", "AMA_E_INVALID"), ("x:y:latest.release", "AMA_E_INVALID"),
                ("x:y:1+", "AMA_E_INVALID"), ("x:y:", "AMA_E_INVALID"), ("x:y/z:1", "AMA_E_PATH"), ("x:y:$(id)", "AMA_E_INVALID")):
            self.refused(resolver.resolve([artifact], self.repos), code)
        self.assertEqual(self.house.headers, [])

    # ---- bytes ----

    def test_checksum(self):
        jar, pom = self.name("jar"), self.name("pom")
        resolver = self.resolver()
        self.house.publish(jar)
        self.house.files[f"/m/{self.group.replace('.', '/')}/jar/1/jar-1.jar.sha1"] = b"0" * 40
        self.refused(resolver.resolve([jar], self.repos), "AMA_E_INTEGRITY", "jar:1")
        self.house.publish(pom)
        self.house.files[f"/m/{self.group.replace('.', '/')}/pom/1/pom-1.pom.sha1"] = b"0" * 40
        self.refused(resolver.resolve([pom], self.repos), "AMA_E_INTEGRITY", pom)
        for path, body in list(self.house.files.items()):  # the repository was repaired
            if path.endswith((".jar", ".pom")):
                self.house.files[path + ".sha1"] = hashlib.sha1(body).hexdigest().encode() + b"  a-name\n"
        self.assertEqual(sorted(self.files(resolver.resolve([jar, pom], self.repos))), [jar, pom])

    def test_descriptions(self):
        """Descriptions that are none, or that lead elsewhere."""
        folder = self.group.replace(".", "/")
        resolver = self.resolver()
        for name, body in (("broken", b"<project><not closed"), ("empty", b""), ("html", b"<html><body>log in</body></html>")):
            self.house.publish(self.name(name))
            self.house.put(f"{folder}/{name}/1/{name}-1.pom", body)
            self.refused(resolver.resolve([self.name(name)], self.repos), "AMA_E_INTEGRITY", name)
        self.house.publish(self.name("group"), ["../../../../etc:passwd:1"])
        self.house.publish(self.name("version"), [f"{self.group}:x:../../../../../../etc/passwd"])
        for name in ("group", "version"):
            self.refused(resolver.resolve([self.name(name)], self.repos), "AMA_E_INTEGRITY", "contains invalid '/'")
        self.house.publish(self.name("leaf"))
        self.house.put(f"{folder}/moved/1/moved-1.pom", (
            f"<project><modelVersion>4.0.0</modelVersion><groupId>{self.group}</groupId><artifactId>moved</artifactId><version>1"
            "</version><distributionManagement><relocation><artifactId>leaf</artifactId></relocation></distributionManagement>"
            "</project>").encode())
        self.assertEqual(self.files(resolver.resolve([self.name("moved")], self.repos)), [self.name("leaf")])
        self.house.publish(self.name("one"), [self.name("two")])
        self.house.publish(self.name("two"), [self.name("one")])
        self.assertEqual(sorted(self.files(resolver.resolve([self.name("one")], self.repos))), [self.name("one"), self.name("two")])

    def test_nochecksum(self):
        resolver = self.resolver()
        self.house.publish(self.name("jar"), sums=())
        self.house.publish(self.name("md"), sums=("md5",))
        self.house.publish(self.name("pom"), pom_sums=())
        for name in ("jar", "md", "pom"):
            for _ in range(2):  # also when the file is in coursier's cache already
                self.refused(resolver.resolve([self.name(name)], self.repos), "AMA_E_INTEGRITY", "no SHA-1", name)
        self.refused(resolver.resolve([self.name("jar")], self.repos, offline=True), "AMA_E_INTEGRITY")

    def test_damage(self):
        """A file of the store that is not what it was is dropped and fetched again."""
        self.house.publish(self.name("a"), [self.name("b")])
        self.house.publish(self.name("b"))
        resolver = self.resolver()
        first = resolver.resolve([self.name("a")], self.repos)
        path = pathlib.Path(first["files"][0]["path"])
        body = path.read_bytes()
        for damage in (b"x" * len(body), body[:100], b"", None):
            path.chmod(0o644)  # the inode is coursier's too: both copies are bad
            if damage is None:
                path.unlink()
            else:
                path.write_bytes(damage)
            again = resolver.resolve([self.name("a")], self.repos)
            self.assertEqual(again["lock"], first["lock"])
            self.assertEqual(self.files(again), self.files(first))
        locks = list((self.cache / "locks").iterdir())
        for lock in locks:
            lock.write_text("{" + lock.read_text())
        self.assertEqual(resolver.resolve([self.name("a")], self.repos)["files"], first["files"])

    def test_changed(self):
        """The repository now has another file under the same version."""
        cache = self.tmp / "changed"
        cache.mkdir()
        (cache / "resolver").symlink_to(self.cache / "resolver")
        self.house.publish(self.name("a"))
        resolver = self.resolver(cache=cache)
        resolver.resolve([self.name("a")], self.repos)
        shutil.rmtree(cache / "coursier")
        shutil.rmtree(cache / "jars")
        self.house.publish(self.name("a"), body=b"not the same\n")
        answer = resolver.resolve([self.name("a")], self.repos)
        lock = next((cache / "locks").iterdir())
        self.refused(answer, "AMA_E_INTEGRITY", self.name("a"), f"remove {lock}")
        lock.unlink()
        self.assertEqual(self.files(resolver.resolve([self.name("a")], self.repos)), [self.name("a")])

    def test_large(self):
        """A length that is above the limit ends it at the first byte."""
        self.house.publish(self.name("a"))
        self.house.tricks["a-1.jar"] = lambda h: Depot.send(h, 200, b"x" * 9, {"Content-Length": str(3 << 30)}) is None
        self.refused(self.resolver().resolve([self.name("a")], self.repos), "AMA_E_LIMIT", "a-1.jar")

    # ---- what fails ----

    def test_unreachable(self):
        self.house.close()
        resolver = self.resolver()
        self.refused(resolver.resolve([self.name("a")], self.repos), "AMA_E_UNREACHABLE", "after 3 tries", str(self.house.port))
        answer = resolver.resolve([self.name("a")], [["nowhere", "https://nowhere.invalid/m"]])
        self.refused(answer, "AMA_E_UNREACHABLE", "nowhere.invalid")

    def test_comesback(self):
        """A server that is not well at first."""
        self.house.publish(self.name("a"))
        failures = []

        def fail(handler):
            if len(failures) < 2:
                failures.append(handler.path)
                Depot.send(handler, 503, b"busy")
                return True
            return False

        self.house.tricks["a-1.pom"] = fail
        self.assertEqual(self.files(self.resolver().resolve([self.name("a")], self.repos)), [self.name("a")])
        self.house.tricks["b-1.pom"] = lambda h: Depot.send(h, 500, b"broken") is None
        self.refused(self.resolver().resolve([self.name("b")], self.repos), "AMA_E_UNREACHABLE", "500", self.name("b"))

    def test_silent(self):
        """A server that takes a request and says nothing: ended by the deadline, and nothing is left running."""
        self.house.publish(self.name("a"))
        over = threading.Event()
        self.addCleanup(over.set)
        self.house.tricks["a-1.jar"] = lambda h: over.wait(60)
        resolver = self.resolver(idle_ms=3000)
        self.refused(resolver.resolve([self.name("a")], self.repos), "AMA_E_TIMEOUT", "no progress for 3 s")

    def test_shared(self):
        """Two equal asks at once: one JVM, one download, two answers."""
        for one in "ab":
            self.house.publish(self.name(one))
        go, children = threading.Event(), []
        resolver = self.resolver()

        def wait(_):
            go.wait(60)
            children.append(len(resolver.children()))
            return False

        self.house.tricks[".jar"] = wait
        one = resolver.ask([self.name("a"), self.name("b")], self.repos)
        two = resolver.ask([self.name("b"), self.name("a")], self.repos)
        go.set()
        self.assertEqual(resolver.answer(one)["files"], resolver.answer(two)["files"])
        self.assertEqual(self.house.gets["a-1.jar"], 1)
        self.assertEqual(set(children), {1})

    def test_killed(self):
        """The JVM is killed while it downloads: tried again; and told, if it happens every time."""
        self.house.publish(self.name("a"))
        resolver = self.resolver()
        kills = []

        def kill(_):
            for pid in resolver.children():
                os.kill(pid, signal.SIGKILL)
                kills.append(pid)
            return True

        def kill_once(handler):
            return not kills and kill(handler)

        self.house.tricks["a-1.jar"] = kill_once
        self.assertEqual(self.files(resolver.resolve([self.name("a")], self.repos)), [self.name("a")])
        self.assertEqual(len(kills), 1)
        self.house.publish(self.name("b"))
        self.house.tricks["b-1.jar"] = kill
        for _ in range(2):  # and left alone after that
            self.refused(resolver.resolve([self.name("b")], self.repos), "AMA_E_PARKED", "parked: 3 times in a row", "signal 9")
            self.assertEqual(len(kills), 4)
        self.assertEqual(resolver.children(), [])

    def test_left(self):
        """The actor ends, orderly or not, while its JVM downloads: the JVM ends too."""
        self.house.publish(self.name("a"))
        for how in ("stop", "kill"):
            arrived, go = threading.Event(), threading.Event()
            self.house.tricks["a-1.jar"] = lambda h, arrived=arrived, go=go: arrived.set() or (go.wait(60) and False)
            resolver = Resolver(self.cache)
            self.addCleanup(go.set)
            resolver.ask([self.name("a")], self.repos)
            self.assertTrue(arrived.wait(60))
            jvm = os.pidfd_open(resolver.children()[0])
            if how == "kill":
                resolver.process.kill()
                go.set()  # its next line has no reader
            else:
                resolver.stop()
            self.assertTrue(select.select([jvm], [], [], 60)[0], how)
            os.close(jvm)
            go.set()
            self.assertEqual(resolver.close(), -signal.SIGKILL if how == "kill" else 0)

    # ---- the child's own home ----

    def test_cold(self):
        """Nothing is prepared, HOME is not set, the folder has odd characters: it prepares itself, and says so."""
        self.house.publish(self.name("a"))
        cache = self.tmp / "a folder, näme"
        cache.mkdir()
        env = {"PATH": os.environ["PATH"]}
        resolver = self.resolver(cache=cache, env=env, cwd=self.tmp)
        self.assertEqual(self.files(resolver.resolve([self.name("a")], self.repos)), [self.name("a")])
        self.assertIn("preparing the resolver: compiling", resolver.said[1])
        made = [path for path in (cache / "resolver").iterdir() if (path / "resolve.jar").exists()]
        self.assertEqual(len(made), 1)
        archive = list(made[0].glob("*.jsa"))
        self.assertEqual([path.stat().st_size > 1 << 20 for path in archive], [True])
        # and once more from nothing but that
        again = subprocess.run([SOURCE / "actors/resolver/build.sh", cache / "resolver"], env=env, cwd=self.tmp,
                               capture_output=True, text=True, timeout=60)
        self.assertEqual((again.returncode, again.stdout), (0, ""))

    def test_notprepared(self):
        """Maven gets nothing: a truthful error, and the next attempt starts over."""
        cache = self.tmp / "not-prepared"
        cache.mkdir()
        self.house.publish(self.name("a"))
        self.house.close()
        settings = self.tmp / "settings.xml"
        settings.write_text(f"<settings><mirrors><mirror><id>m</id><mirrorOf>*</mirrorOf><url>{self.house.url}</url></mirror></mirrors></settings>")
        fake = self.tmp / "fake"
        fake.mkdir()
        (fake / "mvn").write_text(f"#!/bin/sh\nexec {shutil.which('mvn')} -s {settings} \"$@\"\n")
        (fake / "mvn").chmod(0o755)
        resolver = self.resolver(cache=cache, env={"PATH": f"{fake}:{os.environ['PATH']}"})
        self.refused(resolver.resolve([self.name("a")], self.repos), "AMA_E_UNREACHABLE", "could not be prepared")
        self.assertEqual([path for path in (cache / "resolver").iterdir() if (path / "resolve.jar").exists()], [])


if __name__ == "__main__":
    unittest.main(verbosity=2)
