"""Named datasets of every format through PySpark's AmaContext, and what the environment's folder has for the JVM: Hive's and Hadoop's sites, log4j 2."""
import json
import unittest

from spark_house import SparkHouse, pyspark, scala, shell

SITE = '<?xml version="1.0"?>\n<configuration>{}</configuration>\n'
PROPERTY = "<property><name>{}</name><value>{}</value></property>"
WRITE = """
from amaterasu_pyspark.runtime import AmaContext, DatasetNotFoundError, DatasetTypeNotSupported
ama = AmaContext.builder().setMaster("local[9]").set("spark.x", "y").build()
rows = ama.spark.createDataFrame([Row(place="hill", mm=3), Row(place="mill; upper", mm=5)])
for name in ("as_parquet", "as_csv", "as_json", "as_orc"):
    ama.persist(name, rows)
    ama.persist(name, rows, overwrite=True)
    print(name, sorted((r.place, int(r.mm)) for r in ama.get_dataset(name).collect()))

ama.persist("growing", rows)
ama.persist("growing", rows)
print("growing", ama.get_dataset("growing").count())

spark.sql("create database if not exists fleet")
ama.persist("drivers", rows)
ama.persist("drivers", rows)
print("drivers", ama.get_dataset("drivers").count())

def refused(work):
    try:
        work()
    except Exception as error:
        print(type(error).__name__, error)

refused(lambda: ama.get_dataset("nothing"))
refused(lambda: ama.get_dataset("api"))
refused(lambda: ama.get_dataset("cache"))
refused(lambda: ama.persist("as_csv", rows, overwrite=False))
conf = ama.dataset_manager.get_dataset_configuration("api")
print(conf["type"], conf["endpoint"], len(conf["token"]), conf["token"][:3])
"""
READ = """
println("core " + sc.hadoopConfiguration.get("ama.test.core"))
println("catalog " + spark.conf.get("spark.sql.catalogImplementation"))
println("hive " + spark.table("fleet.drivers_daily").agg(Map("mm" -> "sum")).first.get(0))
println("level " + org.apache.logging.log4j.LogManager.getLogger("ama.test").getLevel)
println("own level " + org.apache.logging.log4j.LogManager.getLogger("org.apache.spark.scheduler.TaskSetManager").getLevel)
org.slf4j.LoggerFactory.getLogger("ama.test").info("told to the log")
"""


class Datasets(SparkHouse):
    def test_datasets_and_what_the_jvm_reads(self):
        out, data = self.folder / "out", self.folder / "elsewhere"
        repo = self.job([pyspark("write"), scala("read"), shell("look")], {
            "write.py": WRITE, "read.scala": READ,
            "look.sh": "cat datasets.yaml\npython3 -c 'import json,os; print(json.load(open(os.environ[\"AMA_ENV_JSON\"]))[\"datasets\"][\"cache\"])'\n"})
        repo.write({
            "env/default/Datasets-files.yml": f"""
                file:
                  - {{ name: as_parquet, uri: {data}/p, format: parquet }}
                  - {{ name: as_csv, uri: "file://{data}/c", format: csv, separator: ";", header: true }}
                  - {{ name: as_json, url: {out}/j, format: json }}
                  - {{ name: as_orc, uri: {out}/o, format: orc, mode: overwrite }}
                  - {{ name: growing, uri: {out}/g, mode: append, format: parquet }}
                """,
            "env/default/datasets.yaml": """
                hive: [{ name: drivers, database: fleet, table: drivers_daily, format: orc }]
                generic: [{ name: api, endpoint: "https://api.example.org/v1", token: "secret://api" }]
                redis: [{ name: cache }]
                """,
            "env/default/hive-site.xml": SITE.format(
                PROPERTY.format("javax.jdo.option.ConnectionURL", f"jdbc:derby:;databaseName={out}/metastore;create=true")
                + PROPERTY.format("datanucleus.schema.autoCreateAll", "true") + PROPERTY.format("hive.metastore.schema.verification", "false")),
            "env/default/spark.yml": f"spark.sql.warehouse.dir: {out}/warehouse\n",
            "env/default/core-site.xml": SITE.format(PROPERTY.format("ama.test.core", "here")),
            "env/default/log4j2.properties": f"""
                logger.own.name = ama.test
                logger.own.level = info
                logger.own.appenderRef.own.ref = own
                appender.own.type = File
                appender.own.name = own
                appender.own.fileName = {out}/own.log
                appender.own.layout.type = PatternLayout
                appender.own.layout.pattern = %p %m%n
                """})
        secrets = self.data / "secrets/default"
        secrets.mkdir(parents=True)
        secrets.parent.chmod(0o700)
        self.data.chmod(0o700)
        (secrets / "api").write_text("canary-of-the-api")
        (secrets / "api").chmod(0o600)
        events = self.run_events(repo, timeout=500)
        told = {a: events.lines(action=a, stream="stdout") for a in ("write", "read", "look")}
        rows = "[('hill', 3), ('mill; upper', 5)]"
        self.assertEqual(told["write"][:6], [f"as_parquet {rows}", f"as_csv {rows}", f"as_json {rows}", f"as_orc {rows}", "growing 4", "drivers 2"])
        self.assertEqual([line.split()[0] for line in told["write"][6:10]],
                         ["DatasetNotFoundError", "NotImplementedError", "DatasetTypeNotSupported", "AnalysisException"])
        self.assertEqual(told["write"][10], "generic https://api.example.org/v1 17 can")
        self.assertIn('  - {"name":"api","endpoint":"https://api.example.org/v1","token":"secret://api"}', told["look"])
        self.assertNotIn("canary-of", json.dumps(events))
        held = [str(p) for p in self.data.rglob("*") if p.is_file() and p.name != "api" and b"canary-of-the-api" in p.read_bytes()]
        self.assertEqual(held, [])
        self.assertIn("place;mm", next((data / "c").glob("part-*")).read_text())
        self.assertEqual(told["read"], ["core here", "catalog hive", "hive 8", "level INFO", "own level ERROR"])
        self.assertEqual((out / "own.log").read_text(), "INFO told to the log\n")
        self.assertTrue((out / "metastore").is_dir() and (out / "warehouse/fleet.db/drivers_daily").is_dir())
        self.assertEqual(told["look"][-1], "{'type': 'redis', 'name': 'cache'}")
        self.assertIn('  - {"name":"as_parquet","uri":"' + str(data) + '/p","format":"parquet"}', told["look"])
        keys = {k["key"]: k for k in json.loads(self.ama("config", "show", repo, "-o", "json").stdout)["keys"]}
        self.assertEqual(keys["spark.sql.catalogImplementation"]["file"], "env/default/hive-site.xml")
        self.assertEqual(keys["session-file.core-site.xml"]["value"], "env/default/core-site.xml")


if __name__ == "__main__":
    unittest.main()
