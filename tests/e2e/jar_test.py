"""Jar actions: a program of its own by spark-submit, from a Maven repository or from the repository itself, with all that it depends on."""
import io
import os
import pathlib
import signal
import subprocess
import sys
import time
import unittest
import zipfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e_resolve"))
from canary import Canaries  # noqa: E402
from depot import Depot  # noqa: E402
from house import SOURCE, cache_folder  # noqa: E402
from secrets_test import SecretsHouse  # noqa: E402
from spark_house import SparkHouse, shell  # noqa: E402

LIBRARY = """
package org.example.words;
public final class Words {
    public static String greeting(String name) { return "good day, " + name; }
}
"""

PROGRAM = """
package org.example.app;
import java.nio.file.*;
import org.apache.spark.sql.*;
import org.example.words.Words;
public final class Main {
    public static void main(String[] args) throws Exception {
        SparkSession spark = SparkSession.builder().getOrCreate();
        System.out.println("args " + String.join("|", args));
        System.out.println(Words.greeting(spark.sparkContext().appName()) + " on " + spark.sparkContext().master());
        System.out.println("sum " + spark.range(101).agg(functions.sum("id")).first().getLong(0));
        System.out.println("of executors " + spark.range(3).map((org.apache.spark.api.java.function.MapFunction<Long, String>) n -> Words.greeting("" + n), Encoders.STRING())
            .collectAsList());
        System.out.println("memory " + spark.sparkContext().getConf().get("spark.driver.memory") + ", " + Runtime.getRuntime().maxMemory() / 1048576);
        System.out.println("limit " + System.getenv("AMA_CONF_LIMIT") + " " + Files.exists(Path.of("env.yaml")));
        System.out.println("site " + spark.sparkContext().hadoopConfiguration().get("ama.site"));
        if (args.length > 0 && args[0].equals("fail"))
            throw new IllegalStateException("no rain today");
        if (args.length > 0 && args[0].equals("secret")) {
            String value = spark.sparkContext().getConf().get("spark.example.token"), line = Files.readString(Path.of("/proc/self/cmdline"));
            System.out.println("token " + value + " " + value.length() + " on the command line " + line.contains(value));
        }
        if (args.length > 1 && args[0].equals("wait")) {
            System.out.println("waits as " + ProcessHandle.current().pid());
            Files.readString(Path.of(args[1]));
            System.out.println("goes on");
        }
        spark.stop();
    }
}
"""


def compiled(folder, source, *classpath):
    """The bytes of a jar with that class."""
    folder.mkdir(parents=True)
    file = folder / (source.split("class ")[1].split(" ")[0] + ".java")
    file.write_text(source)
    subprocess.run(["javac", "--release", "17", "-nowarn", "-cp", ":".join(map(str, classpath)), "-d", folder / "classes", file], check=True)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as jar:
        for found in sorted((folder / "classes").rglob("*.class")):
            jar.write(found, found.relative_to(folder / "classes"))
    return out.getvalue()


def spark_jars():
    said = subprocess.run(["bash", SOURCE / "agent/runners/spark/install.sh", pathlib.Path(cache_folder()) / "amaterasu"], check=True, text=True, stdout=subprocess.PIPE)
    return pathlib.Path(dict(line.split("=", 1) for line in said.stdout.splitlines())["SPARK_HOME"]) / "jars/*"


def jar(name="app", **more):
    return {"name": name, "runner": {"group": "spark", "type": "jar"}, "class": "org.example.app.Main", "retry": {"attempts": 1}, **more}


class JarHouse:
    """With a Maven repository that has the program, and the library that it needs."""

    def make_program(self):
        depot = Depot()
        self.addCleanup(depot.close)
        library = depot.publish("org.before:words:1.0", body=compiled(self.folder / "words", LIBRARY))
        (self.folder / "words.jar").write_bytes(library)
        self.program = depot.publish("org.example:app:2.1", needs=["org.before:words:1.0"],
                                     body=compiled(self.folder / "app", PROGRAM, self.folder / "words.jar", spark_jars()))
        self.url = depot.url
        self.artifact = {"artifact": {"groupId": "org.example", "artifactId": "app", "version": "2.1"}, "repo": {"id": "house", "url": depot.url}}
        return depot


class Jar(JarHouse, SparkHouse):
    def setUp(self):
        super().setUp()
        self.make_program()

    def told(self, events, action="app"):
        return events.lines(stream="stdout", action=action)

    def test_an_artifact_with_all_that_it_needs(self):
        """Options before the jar, arguments behind it, as they are; a session is not begun for it."""
        args = ["one two", "--class", "it's \"$HOME\"", "", "ü"]
        repo = self.job([jar(args=args, **self.artifact), shell("after")], {"after.sh": "echo after\n"}, spark="spark.driver.memory 700m\n")
        events = self.run_events(repo, timeout=400)
        told = self.told(events)
        self.assertEqual(told[:4], ["args " + "|".join(args), "good day, job on local[2]", "sum 5050", "of executors [good day, 0, good day, 1, good day, 2]"])
        self.assertRegex(told[4], r"^memory 700m, 6\d\d$")
        self.assertEqual(told[5], "limit 40 true")
        self.assertEqual(self.told(events, "after"), ["after"])
        self.assertEqual(events.find("phase.started", phase="session"), [])

    def test_a_jar_of_the_repository(self):
        """What it needs comes from deps/jars.yml, and Hadoop's properties from the environment's folder."""
        deps = f"repos: [{{id: house, url: {self.url}}}]\nartifacts: [{{groupId: org.before, artifactId: words, version: '1.0'}}]\n"
        repo = self.job([jar(file="lib/app.jar", args=[1])], {"lib/app.jar": self.program})
        site = "<configuration><property><name>ama.site</name><value>here</value></property></configuration>"
        repo.commit({"deps/jars.yml": deps, "env/default/core-site.xml": site}, "dependencies")
        told = self.told(self.run_events(repo, timeout=400))
        self.assertEqual(told[:2], ["args 1", "good day, job on local[2]"])
        self.assertIn("site here", told)

    def test_what_fails_is_told(self):
        repo = self.job([jar("thrown", args=["fail"], error=shell("sorry"), **self.artifact)], {"sorry.sh": "echo sorry\n"})
        events = self.run_events(repo, exit=3, timeout=400)
        ended = events.one("attempt.ended", action="thrown")
        self.assertEqual((ended["state"], ended["cause"]), ("failed", "error"))
        self.assertIn("java.lang.IllegalStateException: no rain today", events.said(stream="stderr"))
        self.assertEqual(self.told(events, "sorry"), ["sorry"])
        self.assertEqual(events.one("run.ended")["state"], "rescued")
        missing = self.run_events(self.job([{**jar(**self.artifact), "class": "org.example.app.Absent"}], {}, name="absent"), exit=1, timeout=400)
        self.assertIn("Failed to load class org.example.app.Absent", str(missing))

    def test_by_an_amad(self):
        """Without secrets it begins at once, and is recorded later, when it has been installed."""
        self.amad()
        done = self.ama("--repo", self.job([jar(args=["x"], **self.artifact)], {}), "--report-format", "ndjson", program="ama-submit", timeout=400)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertEqual(self.told(self.checked(done.stdout))[0], "args x")

    def test_no_such_artifact(self):
        artifact = {**self.artifact, "artifact": {"groupId": "org.example", "artifactId": "nothing", "version": "1"}}
        events = self.run_events(self.job([jar(**artifact)], {}), exit=5, timeout=400)
        ended = events.one("attempt.ended")
        self.assertEqual((ended["state"], ended["cause"]), ("errored", "dependency"))
        self.assertIn("org.example:nothing:1", ended["error"]["message"])

    def test_a_time_limit_leaves_no_process(self):
        os.mkfifo(self.shared / "gate")
        events = self.run_events(self.job([jar(args=["wait", str(self.shared / "gate")], timeout="50s", **self.artifact)], {}), exit=1, timeout=400)
        self.assertEqual(events.one("attempt.ended")["state"], "timed_out")
        [pid] = [line.split()[-1] for line in self.told(events) if line.startswith("waits as ")]
        self.assertFalse(pathlib.Path(f"/proc/{pid}").exists())


CANARIES = Canaries(spark="canary-spark/7 7 7")


class GuardedJar(JarHouse, SecretsHouse):
    """With an amad."""

    def setUp(self):
        super().setUp()
        self.make_program()
        self.secret("dev/spark", CANARIES["spark"])
        os.mkfifo(self.shared / "gate")

    def run_one(self, args, meanwhile=lambda run: None):
        repo = self.job([jar(args=args, **self.artifact)], {}, **{"env/dev/spark-defaults.conf": "spark.example.token secret://spark\n"})
        self.amad("--config", self.config)
        run = self.submit(repo, "--env", "dev")
        meanwhile(run)
        code, report = self.attach(run)
        self.assertEqual(code, 0, report)
        return self.checked(report).lines(stream="stdout")

    def test_a_secret_in_its_properties(self):
        """The program has it; it is on no command line, in no file and in no report."""
        told = self.run_one(["secret"])
        self.assertEqual(told[-1], f"token *** {len(CANARIES['spark'])} on the command line false")
        self.assertEqual(CANARIES.in_files(self.folder, *self.hidden()), [])

    def test_it_outlives_its_agent_and_amad(self):
        def kill(run):
            follower = self.start("attach", run, "--report-format", "ndjson")
            self.wait_for_line(follower, '"text":"waits as ')
            follower.send_signal(signal.SIGTERM)
            self.finish(follower)
            [agent] = [pid for pid, command in self.processes() if command.split(" ")[0].endswith("/ama-agent")]
            os.kill(agent, signal.SIGKILL)
            self.kill(self.daemons[-1])
            self.amad("--config", self.config)
            with open(self.shared / "gate", "w", encoding="utf-8") as gate:
                gate.write("\n")

        told = self.run_one(["wait", str(self.shared / "gate")], kill)
        self.assertEqual([line.split(" ")[0] for line in told], ["args", "good", "sum", "of", "memory", "limit", "site", "waits", "goes"])


if __name__ == "__main__":
    unittest.main()
