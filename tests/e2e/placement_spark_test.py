"""The example on hosts of their own: the snapshot and a jar come to an agent with an empty disk, and the result is the same whoever is killed."""
import hashlib
import io
import json
import os
import shutil
import subprocess
import unittest
import zipfile

from house import Repo, SOURCE, cache_folder
from net_house import NetHouse, needs_root
from placement_test import PARTS

# Programs, which are not brought: Spark for the agent, and what the resolver's child is made of.
DEPS = """repositories:
  - { id: house, url: "http://127.0.0.1:8081/m" }
artifacts:
  - { groupId: org.house, artifactId: words, version: "1" }
"""


@needs_root
class Spark(NetHouse):
    def install(self):
        cache = f"{cache_folder()}/amaterasu"
        done = subprocess.run([SOURCE / "agent/runners/spark/install.sh", cache], capture_output=True, text=True, check=True)
        spark = dict(line.split("=", 1) for line in done.stdout.splitlines())
        subprocess.run([SOURCE / "actors/resolver/build.sh", f"{cache}/resolver"], check=True, capture_output=True)
        return spark["SPARK_HOME"], f"{cache}/resolver"

    def maven(self, host):
        """A repository with one jar, served on the resolver's own loopback."""
        at = self.folder / "m/m/org/house/words/1"
        at.mkdir(parents=True)
        jar = io.BytesIO()
        with zipfile.ZipFile(jar, "w") as out:
            out.writestr("words.txt", "brought by the depot")
        pom = ("<project><modelVersion>4.0.0</modelVersion><groupId>org.house</groupId><artifactId>words</artifactId>"
               "<version>1</version></project>")
        for name, data in (("words-1.jar", jar.getvalue()), ("words-1.pom", pom.encode())):
            (at / name).write_bytes(data)
            (at / f"{name}.sha1").write_text(hashlib.sha1(data).hexdigest())
        host.others.append(subprocess.Popen([*host.enter(), "python3", "-m", "http.server", "8081", "--bind", "127.0.0.1", "-d", self.folder / "m"],
                                            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))

    def example(self, out):
        source = self.folder / "source"
        shutil.copytree(SOURCE / "examples/first-pipeline", source)
        files = {str(p.relative_to(source)): p.read_text().replace("/tmp/first-pipeline", str(out)) for p in source.rglob("*") if p.is_file()}
        files["deps/jars.yml"] = DEPS
        files["src/start.scala"] += 'println(scala.io.Source.fromInputStream(getClass.getResourceAsStream("/words.txt")).mkString)\n'
        return Repo(self.folder / "example", files)

    def result(self, out):
        numbers = [int(l) for p in (out / "out/numbers").glob("part-*") for l in p.read_text().split()]
        rows = [json.loads(l)["number"] for p in (out / "out/odd").glob("part-*") for l in p.read_text().splitlines()]
        return sorted(numbers), sorted(rows)

    def test_example(self):
        spark_home, resolver = self.install()
        self.serve("placement: {%s}\n" % ", ".join(f"{p}: remote" for p in PARTS))
        for part in PARTS:
            if part == "resolver":
                self.host(part)
                shutil.copytree(resolver, self.hosts[part].home / "cache/amaterasu/resolver")
            self.actor(part)
        self.maven(self.hosts["resolver"])
        self.host("node7", f"{cache_folder()}/amaterasu/spark")
        agent = self.agent("node7", "--cache", f"{cache_folder()}/amaterasu", SPARK_HOME=spark_home)
        out = agent.home / "example"
        job = self.example(out)
        wanted = list(range(1, 101)), list(range(1, 101, 2))
        run = self.submit(job, "--env", "dev")
        code, report = self.attach(run, timeout=400)
        self.assertEqual(code, 0, report + self.logs())
        self.assertIn("brought by the depot", [e["text"] for e in self.checked(report).find("output")])
        self.assertEqual(self.result(out), wanted)
        brought = subprocess.run([*agent.enter(), "find", f"{cache_folder()}/amaterasu/jars", "-name", "*.jar"], capture_output=True, text=True, check=True)
        self.assertEqual(brought.stdout.count(".jar\n"), 1)

        shutil.rmtree(out)
        run = self.submit(job, "--env", "dev")
        follower = self.start("attach", run, "--report-format", "ndjson")
        self.wait_for_line(follower, '"type":"statement.ended"', 400)
        for part in PARTS:
            self.hosts[part].kill()
        self.finish(follower, 400)
        code, report = self.attach(run, timeout=400)
        self.assertEqual(code, 0, report + self.logs())
        self.checked(report)
        self.assertEqual(self.result(out), wanted)


if __name__ == "__main__":
    unittest.main()
