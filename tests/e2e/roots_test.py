"""Roots and named datasets on S3, on HDFS and in a folder, with real servers: Scala, PySpark, SQL and a jar; keys that are secrets; what is not there, closed or away."""
import json
import os
import pathlib
import re
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tools"))
from canary import Canaries  # noqa: E402
from house import SOURCE, cache_folder  # noqa: E402
from jar_test import compiled, jar, spark_jars  # noqa: E402
from secrets_test import SecretsHouse  # noqa: E402
from spark_house import pyspark, scala, sql  # noqa: E402
from storage import S3, Hdfs, free_port  # noqa: E402

CANARIES = Canaries(word="canary/word+of/storage=1", wrong="canary/wrong+word=22")
USER = "canarykeyofstorage"

PUT = """
val rain = (1 to 500).map(n => (n, s"st${n % 7}", n * 0.5)).toDF("n", "station", "mm")
rain.write.parquet(s"${env.outputRootPath}/rain")
rain.where($"n" <= 100).write.json(s"${env.inputRootPath}/rain")
rain.where($"n" <= 10).write.option("header", true).csv(s"${env.workingDir}/rain")
AmaContext.persist("trips", rain.where($"n" <= 30), true)
rain.where($"n" <= 3).write.json(s"${env.configuration("old")}/rain")
rain.where($"n" <= 4).write.json(s"${env.configuration("older")}/rain")
sc.parallelize(Seq("a", "b"), 1).saveAsTextFile(s"${env.outputRootPath}/text")
"""
TAKE = """
print("s3a", spark.read.parquet(env.outputRootPath + "/rain").where("station = 'st0'").count())
print("hdfs", spark.read.json(env.inputRootPath + "/rain").count())
print("folder", spark.read.csv(env.workingDir + "/rain", header=True).count())
print("trips", ama_context.get_dataset("trips").count())
print("s3n", spark.read.json(env.configuration["old"] + "/rain").count())
print("s3", spark.read.json(env.configuration["older"] + "/rain").count())
ama_context.persist("fares", spark.read.parquet(env.outputRootPath + "/rain").limit(7), overwrite=True)
print("fares", ama_context.get_dataset("fares").count())
"""
ASK = "select count(*) as n, cast(sum(mm) as int) as mm from parquet.`${env.outputRootPath}/rain`;\n"
LACK = """
def refused(what: String)(work: => Any): Unit = {
  val begun = System.nanoTime
  val error = try { work; "nothing" } catch { case e: Exception => e.getClass.getSimpleName }
  println(s"$what $error ${(System.nanoTime - begun) / 1000000000L} s")
}
refused("absent")(spark.read.json("s3a://absent/x"))
refused("nothing")(spark.read.json("s3a://lake/nothing"))
refused("away")(spark.range(3).write.json("s3a://away/x"))
refused("no namenode")(spark.range(3).write.json(env.configuration("nowhere")))
println("retries " + sc.hadoopConfiguration.get("fs.s3a.retry.limit") + " " + sc.hadoopConfiguration.get("fs.s3a.attempts.maximum") + " " + sc.hadoopConfiguration.get("ama.site"))
"""
CLOSED = """
val closed = "s3a://closed"
spark.range(3).write.json(s"$closed/x")
"""
SITE = """<configuration>
  <property><name>ama.site</name><value>here</value></property>
  <property><name>fs.s3a.retry.limit</name><value>1</value></property>
</configuration>
"""
PROGRAM = """
package org.example.app;
import org.apache.spark.sql.*;
public final class Main {
    public static void main(String[] args) {
        SparkSession spark = SparkSession.builder().getOrCreate();
        String at = System.getenv("AMA_OUTPUT_ROOT") + "/numbers";
        spark.range(42).write().mode("overwrite").parquet(at);
        System.out.println("numbers " + spark.read().parquet(at).count());
        spark.stop();
    }
}
"""


class RootsHouse(SecretsHouse):
    def setUp(self):
        super().setUp()
        self.s3 = S3(cache_folder(), self.folder / "s3", USER, CANARIES["word"])
        self.servers = [self.s3]
        self.s3.bucket("lake")
        self.secret("dev/key", USER)
        self.secret("dev/word", CANARIES["word"])
        self.secret("dev/wrong", CANARIES["wrong"])

    def tearDown(self):
        for server in self.servers:
            server.close()
        super().tearDown()

    def stored(self, flow, sources, environment, **files):
        spark = {"endpoint": self.s3.url, "endpoint.region": "us-east-1", "path.style.access": "true", "access.key": "secret://key", "secret.key": "secret://word",
                 "bucket.closed.secret.key": "secret://wrong", "bucket.away.endpoint": f"http://127.0.0.1:{free_port()}"}
        return self.repo({
            "maki.yml": json.dumps({"job-name": "job", "flow": flow}),
            "env/dev/job.yml": json.dumps({"name": "dev", "master": "local[2]", **environment}),
            "env/dev/spark.yml": json.dumps({f"spark.hadoop.fs.s3a.{key}": value for key, value in spark.items()}),
            **{f"src/{name}": text for name, text in sources.items()}, **files})

    def follow(self, repo, exit):
        self.amad("--config", self.config)
        run = self.submit(repo, "--env", "dev")
        code, report = self.attach(run)
        self.assertEqual(code, exit, report)
        self.assertEqual(CANARIES.within(report.encode()), [])
        self.assertNotIn(USER, report)
        return self.checked(report)


class Roots(RootsHouse):
    def cache_of_spark_alone(self):
        cache, whole = self.folder / "cache", pathlib.Path(cache_folder()) / "amaterasu"
        (cache / "amaterasu/spark").mkdir(parents=True)
        for name in ("resolver", *(file.relative_to(whole) for file in (whole / "spark").glob("[!.]*"))):
            (cache / "amaterasu" / name).symlink_to(whole / name)
        missing = subprocess.run(["bash", SOURCE / "agent/runners/spark/install.sh", "--check", cache / "amaterasu"], check=False, text=True, stdout=subprocess.PIPE).stdout
        if found := re.fullmatch(r"the class archive \((.*)\)\n", missing):  # it holds for one path
            pathlib.Path(found[1] + ".failed").touch()
        return cache

    def test_a_job_on_all_of_them(self):
        hdfs = Hdfs(cache_folder(), self.folder / "hdfs")
        self.servers.append(hdfs)
        self.s3.bucket("closed")
        work, root = self.folder / "work", hdfs.url()
        repo = self.stored(
            [action(name, retry={"attempts": 1}) for action, name in ((scala, "put"), (pyspark, "take"), (sql, "ask"), (scala, "lack"), (scala, "closed"))],
            {"put.scala": PUT, "take.py": TAKE, "ask.sql": ASK, "lack.scala": LACK, "closed.scala": CLOSED},
            {"inputRootPath": f"{root}/in", "outputRootPath": "s3a://lake/out", "workingDir": str(work),
             "configuration": {"old": "s3n://lake/old", "older": "s3://lake/older", "nowhere": f"hdfs://127.0.0.1:{free_port()}/x"}},
            **{"env/dev/core-site.xml": SITE,
               "env/dev/datasets.yml": json.dumps({"file": [{"name": "trips", "uri": "s3a://lake/trips", "format": "parquet"},
                                                            {"name": "fares", "uri": f"{root}/fares", "format": "json"}]})})
        events = self.follow(repo, exit=1)
        self.assertEqual(events.find("warning"), [])
        self.assertEqual(events.lines(action="take", stream="stdout"), ["s3a 71", "hdfs 100", "folder 10", "trips 30", "s3n 3", "s3 4", "fares 7"])
        self.assertIn("|500|62625|", str(events.one("statement.ended", action="ask")))
        lack = events.lines(action="lack", stream="stdout")
        self.assertEqual([line.rsplit(" ", 2)[0] for line in lack[:4]],
                         ["absent UnknownStoreException", "nothing AnalysisException", "away ConnectException", "no namenode ConnectException"])
        self.assertLess(max(int(line.split(" ")[-2]) for line in lack[:4]), 60, lack)
        self.assertEqual(lack[4], "retries 1 3 here")
        ended = events.one("attempt.ended", action="closed")
        self.assertEqual((ended["state"], ended["error"]["name"], ended["file"], ended["line"]),
                         ("failed", "java.nio.file.AccessDeniedException", "src/closed.scala", 3))
        self.assertIn("Forbidden", ended["error"]["message"])
        objects = self.s3.objects("lake")
        self.assertEqual({name.split("/part-")[0] for name in objects if "/part-" in name}, {"old/rain", "older/rain", "out/rain", "out/text", "trips"})
        self.assertEqual([name for name in objects if "_temporary" in name], [])
        self.assertEqual(CANARIES.in_files(self.folder, *self.hidden()), [])
        folders = {name for _, folders, _ in os.walk(self.folder) for name in folders}
        self.assertEqual({name for name in folders if name.endswith(":")}, set())  # no address was taken for a path

    def test_a_jar_and_no_network(self):
        """What was resolved once is there; the properties of a program are those of a session."""
        self.env["XDG_CACHE_HOME"] = str(self.cache_of_spark_alone())
        program = compiled(self.folder / "app", PROGRAM, spark_jars())
        repo = self.stored([jar(file="app.jar")], {"app.jar": program}, {"outputRootPath": "s3a://lake/out"})
        self.follow(repo, exit=0)
        self.daemons[-1].terminate()
        self.daemons[-1].wait(30)
        self.env["JAVA_TOOL_OPTIONS"] = f"-Dhttps.proxyHost=127.0.0.1 -Dhttps.proxyPort={free_port()}"
        events = self.follow(repo, exit=0)
        self.assertEqual(events.lines(stream="stdout"), ["numbers 42"])
        self.assertIn("out/numbers/_SUCCESS", self.s3.objects("lake"))
        self.assertEqual(CANARIES.in_files(self.folder, *self.hidden()), [])

    def test_jars_that_can_not_be_had(self):
        cache = self.cache_of_spark_alone()
        repo = self.stored([jar(file="app.jar")], {"app.jar": b"never opened"}, {"outputRootPath": "s3a://lake/out"})
        self.env.update(XDG_CACHE_HOME=str(cache), JAVA_TOOL_OPTIONS=f"-Dhttps.proxyHost=127.0.0.1 -Dhttps.proxyPort={free_port()}")
        events = self.follow(repo, exit=5)
        ended = events.one("attempt.ended")
        self.assertEqual((ended["state"], ended["cause"]), ("errored", "dependency"))
        self.assertRegex(ended["error"]["message"], r"^hadoop-aws [0-9.]+, which S3 addresses take, can not be had: ")


if __name__ == "__main__":
    unittest.main()
