"""Our Spark kernel from the other side: as nbclient and JupyterLab's server see it, beside a job's own environment. Runs in the Python of tests/tools/kernels.sh."""
import json
import os
import pathlib
import re
import subprocess
import sys
import time
import unittest
import urllib.error
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e_resolve"))
from depot import Depot  # noqa: E402
from house import SOURCE, House, cache_folder  # noqa: E402
from jar_test import LIBRARY, compiled  # noqa: E402

TOKEN = "a-token-of-the-test"
JOB = {
    "maki.yml": '{"job-name": "Rain", "flow": [{"name": "a", "runner": {"group": "spark", "type": "scala"}, "file": "a.scala"}]}',
    "src/a.scala": "val a = 1\n",
    "env/default/job.yml": "master: local[1]\n",
    "env/dev/job.yml": "master: local[2]\ninputRootPath: /data/in\nworkingDir: FOLDER/work\nconfiguration: { limit: 40, token: 'secret://token' }\n",
    "env/dev/spark.yml": "spark.driver.memory: 900m\nspark.sql.shuffle.partitions: 3\n",
    "env/dev/spark_exec_env.yml": "OF_THE_JOB: seen\n",
}


class Jupyter(House):
    def setUp(self):
        super().setUp()
        self.env["PATH"] = f"{pathlib.Path(sys.executable).parent}:{self.env['PATH']}"
        self.env["JUPYTER_RUNTIME_DIR"] = str(self.folder / "home/run")
        self.env["TMPDIR"] = str(self.folder / "tmp")
        (self.folder / "tmp").mkdir(mode=0o700)

    def install(self, *args):
        done = self.ama("kernel", "install", *args)
        self.assertEqual(done.returncode, 0, done.stderr)
        return pathlib.Path(done.stdout.strip())

    def job(self):
        return self.repo({name: text.replace("FOLDER", str(self.folder)) for name, text in JOB.items()})

    # ---- nbclient

    def executed(self, kernel, *cells):
        import nbformat
        book, out = self.folder / "book.ipynb", self.folder / "out.ipynb"
        made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells], metadata={"kernelspec": {"name": kernel, "display_name": kernel}})
        nbformat.write(made, book)
        run = ("import sys, nbformat, nbclient\nbook = nbformat.read(sys.argv[1], as_version=4)\n"
               "nbclient.NotebookClient(book, timeout=100, allow_errors=True).execute()\nnbformat.write(book, sys.argv[2])\n")
        self.said = subprocess.run([sys.executable, "-c", run, book, out], env=self.env, cwd=self.folder, check=True, capture_output=True, text=True, timeout=200).stderr
        done = nbformat.read(out, as_version=nbformat.NO_CONVERT)
        nbformat.validate(done)
        return done

    def test_a_notebook_with_the_environment_of_a_job(self):
        repo = self.job()
        at = self.install("--repo", repo, "--env", "dev")
        self.assertEqual(at, self.folder / "home/.local/share/jupyter/kernels/amaterasu-spark-rain-dev")
        done = self.executed(
            "amaterasu-spark-rain-dev",
            'println("hé"); System.err.println("bad")\nval df = spark.range(5).toDF("n")\ndf.count',
            '(env.name, env.inputRootPath, env.configuration("limit"), env.configuration("token"), sys.env("OF_THE_JOB"), sys.env("AMA_CONF_LIMIT"))',
            '(sc.master, sc.appName, spark.conf.get("spark.sql.shuffle.partitions"), Runtime.getRuntime.maxMemory >> 20, AmaContext.jobId)',
            'AmaContext.saveDataFrame(df, "here", "df")\nAmaContext.getDataFrame("here", "df").count\nAmaContext.getDataFrame("nobody", "x")',
            'display(df.selectExpr("n", "\'<\' || n as t"), 2)',
            "def f(n: Int) = 1 / n\n\nf(0)",
            "val x: Int = \"no\"",
            'sc.parallelize(1 to 4, 4).map { n => Thread.sleep(700); n }.sum\nscala.io.Source.fromFile(sys.env("AMA_ENV_JSON")).mkString.length > 50')
        progress = re.compile(r"\d+ stages?, \d+ tasks?, \d+\.\d s$")       # what it has become at the end of a cell
        outputs = [[o for o in cell.outputs if not progress.match(o.get("data", {}).get("text/plain", ""))] for cell in done.cells]
        self.assertEqual({o.name: o.text for o in outputs[0] if o.output_type == "stream"}, {"stdout": "hé\n", "stderr": "bad\n"})
        self.assertEqual(outputs[0][-1].data["text/plain"], "df: DataFrame = [n: bigint]\nres2: Long = 5")
        self.assertIn("(dev,/data/in,40,secret://token,seen,40)", outputs[1][0].data["text/plain"])
        self.assertRegex(outputs[2][0].data["text/plain"], r"\(local\[2\],Rain,3,(8\d\d|900),notebook\)")
        self.assertEqual((outputs[3][0].output_type, outputs[3][0].traceback[-1]), ("error", "  at <cell 4>:3"))
        self.assertIn("no dataset 'x' of action 'nobody'", outputs[3][0].evalue)
        self.assertIn("<tr><td>0</td><td>&lt;0</td></tr>", outputs[4][0].data["text/html"])
        self.assertIn("|0|<0|\n|1|<1|\n", outputs[4][0].data["text/plain"] + "\n")
        self.assertIn("only the first 2 rows are shown", outputs[4][0].data["text/plain"])
        self.assertEqual((outputs[5][0].ename, outputs[5][0].traceback[1:]), ("java.lang.ArithmeticException", ["  at <cell 6>:1", "  at <cell 6>:3"]))
        self.assertEqual(outputs[6][0].ename, "CompileError")
        self.assertIn("<cell 7>:1: error: type mismatch", outputs[6][0].traceback[0])
        self.assertRegex(done.cells[7].outputs[0].data["text/plain"], r"^1 stage, 4 tasks, ")
        self.assertTrue(outputs[7][-1].data["text/plain"].endswith("Boolean = true"))
        self.assertEqual(done.metadata.language_info.name, "scala")
        self.assertIn("dev refers to secrets: a notebook is not given their values", self.said)
        self.assertEqual(list((self.folder / "tmp").iterdir()), [])

    def test_the_jars_of_a_job(self):
        """On the class path of statements, and in executors of their own; a set that can not be had is said when the kernel starts."""
        depot = Depot()
        self.addCleanup(depot.close)
        depot.publish("org.before:words:1.0", body=compiled(self.folder / "words", LIBRARY))
        deps = f"repos: [{{id: house, url: {depot.url}}}]\nartifacts: [{{groupId: org.before, artifactId: words, version: 'VERSION'}}]\n"
        repo = self.repo({**JOB, "maki.yml": JOB["maki.yml"].replace("Rain", "Words"), "env/default/job.yml": "master: 'local-cluster[1,1,1024]'\n",
                          "deps/jars.yml": deps.replace("VERSION", "1.0")})
        self.install("--repo", repo, "--env", "default")
        done = self.executed("amaterasu-spark-words-default", 'import org.example.words.Words\nWords.greeting("notebook")',
                             'sc.parallelize(1 to 2, 2).map(n => Words.greeting(n.toString)).collect().toList')
        self.assertIn("= good day, notebook", done.cells[0].outputs[-1].data["text/plain"])
        self.assertIn("List(good day, 1, good day, 2)", done.cells[1].outputs[-1].data["text/plain"])
        repo.commit({"deps/jars.yml": deps.replace("VERSION", "2.0")}, "another")
        refused = self.ama("kernel", "start", "--repo", repo, "--env", "default", self.folder / "none.json")
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn("org.before:words:2.0", refused.stderr)

    def test_what_is_not_installed(self):
        for args, text in ((("--name", "spark"), "begins with amaterasu-spark-"), (("--env", "dev"), "--repo DIR"), (("--repo", "/nowhere"), "/nowhere"),
                           (("--user", "--prefix", "/x"), "--user")):
            done = self.ama("kernel", "install", *args)
            self.assertEqual((done.returncode, done.stdout), (2, ""), done)
            self.assertIn(text, done.stderr)
        bad = self.repo({**JOB, "env/dev/job.yml": "master: [\n"})
        done = self.ama("kernel", "install", "--repo", bad, "--env", "dev")
        self.assertEqual(done.returncode, 2)
        self.assertIn("env/dev/job.yml:", done.stderr)
        self.assertFalse((self.folder / "home/.local").exists())
        self.assertEqual(self.ama("kernel", "start", self.folder / "none.json", env={"SPARK_HOME": "/nowhere"}).returncode, 5)

    # ---- JupyterLab's server

    def serve(self):
        with open(self.folder / "lab.log", "w") as log:
            server = subprocess.Popen([sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ServerApp.ip=127.0.0.1", "--ServerApp.port=0",
                                       f"--IdentityProvider.token={TOKEN}", f"--ServerApp.root_dir={self.folder}"],
                                      env=self.env, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True)
        self.daemons.append(server)
        end = time.monotonic() + 60
        while not self.serves():
            self.assertIsNone(server.poll(), (self.folder / "lab.log").read_text())
            self.assertLess(time.monotonic(), end)
            time.sleep(0.05)

    def serves(self):
        """It says where before it listens."""
        found = re.search(r"(http://127\.0\.0\.1:[1-9]\d*)/lab\b", (self.folder / "lab.log").read_text())
        self.url = found and found[1]
        try:
            return found and self.ask("GET", "/api/status")
        except urllib.error.URLError:
            return False

    def ask(self, method, path, body=None):
        request = urllib.request.Request(f"{self.url}{path}", method=method, data=None if body is None else json.dumps(body).encode(),
                                         headers={"Authorization": f"token {TOKEN}", "Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            text = answer.read()
            return json.loads(text) if "json" in answer.headers.get("Content-Type", "") else text

    def test_jupyterlab(self):
        from channel import Channel
        self.install("--prefix", self.folder / "home/own", "--display-name", "Spark here")
        self.env["JUPYTER_PATH"] = str(self.folder / "home/own/share/jupyter")
        self.serve()
        spec = self.ask("GET", "/api/kernelspecs")["kernelspecs"]["amaterasu-spark"]["spec"]
        self.assertEqual((spec["display_name"], spec["language"], spec["interrupt_mode"]), ("Spark here", "scala", "message"))
        self.assertIn(b"<title>JupyterLab</title>", self.ask("GET", "/lab"))
        kernel = self.ask("POST", "/api/kernels", {"name": "amaterasu-spark"})["id"]
        with Channel(self.url, kernel, TOKEN) as talk:
            self.assertEqual(talk.request("kernel_info_request")["language_info"]["name"], "scala")
            self.one_user(talk, kernel)
        self.ask("POST", f"/api/kernels/{kernel}/restart")
        with Channel(self.url, kernel, TOKEN) as talk:
            self.assertEqual(talk.execute("words").reply["ename"], "CompileError")
            self.assertIn("= 45", talk.execute("spark.range(10).agg(\"id\" -> \"sum\").first.getLong(0)").value)
            self.assertEqual(talk.execute("1").reply["execution_count"], 3)
        self.assertTrue(any("kernel.Main" in command for _, command in self.processes()))
        self.ask("DELETE", f"/api/kernels/{kernel}")
        with self.assertRaises(urllib.error.HTTPError):
            self.ask("GET", f"/api/kernels/{kernel}")
        self.assertFalse(any("kernel.Main" in command for _, command in self.processes()))
        self.assertEqual([p for p in (self.folder / "tmp").iterdir() if p.name.startswith("ama-kernel")], [])

    def one_user(self, talk, kernel):
        done = talk.execute('val words = List("a", "b")\nwords.mkString')
        self.assertEqual(done.value, 'words: List[String] = List(a, b)\nres0: String = ab')
        # live: the first line is there before the cell has ended
        ident = talk.send("execute_request", code='println("one")\nval go = scala.io.StdIn.readLine("? ")\nprintln(go * 2)', allow_stdin=True)
        talk.wait(ident, "stream")
        talk.answer_input("ok")
        done = talk.finish(ident)
        self.assertEqual(done.text.replace("? ", ""), "one\nokok\n")
        # a loop, and a job of Spark
        for code, said in (('println("up")\nwhile (true) Thread.sleep(5)', "up"), ('println("up")\nsc.parallelize(1 to 2, 2).map { n => Thread.sleep(600000); n }.sum', "up")):
            ident = talk.send("execute_request", code=code)
            talk.wait(ident, "stream")
            begun = time.monotonic()
            self.ask("POST", f"/api/kernels/{kernel}/interrupt")
            done = talk.finish(ident)
            self.assertEqual((done.reply["status"], done.reply["ename"]), ("error", "Interrupted"))
            self.assertLess(time.monotonic() - begun, 5)
        self.assertEqual(talk.execute("sc.statusTracker.getActiveJobIds.length").value.rpartition(" ")[2], "0")
        # what an editor asks
        found = talk.request("complete_request", code="val n = 1\nwords.mkS", cursor_pos=19)
        self.assertEqual((found["matches"], found["cursor_start"], found["cursor_end"]), (["mkString"], 16, 19))
        self.assertIn("getDataFrame", talk.request("complete_request", code="AmaContext.", cursor_pos=11)["matches"])
        self.assertEqual(talk.request("complete_request", code="nothing.x", cursor_pos=9)["matches"], [])
        self.assertEqual(talk.request("inspect_request", code="words.size", cursor_pos=8, detail_level=0)["data"]["text/plain"], "size: Int")
        self.assertFalse(talk.request("inspect_request", code="nothing", cursor_pos=3, detail_level=0)["found"])
        self.assertEqual([talk.request("is_complete_request", code=code)["status"] for code in ("val a = 1", "def f = {", ")")], ["complete", "incomplete", "invalid"])
        history = talk.request("history_request", hist_access_type="tail", n=1, output=False, raw=True)["history"]
        self.assertEqual([entry[2] for entry in history], ["sc.statusTracker.getActiveJobIds.length"])
        self.assertEqual(talk.request("comm_info_request")["comms"], {})


def main():
    """Again, in the Python that has JupyterLab."""
    tools = pathlib.Path(subprocess.run([SOURCE / "tests/tools/kernels.sh", f"{cache_folder()}/amaterasu"], check=True, capture_output=True, text=True).stdout.strip())
    if pathlib.Path(sys.prefix) != tools:
        os.execv(tools / "bin/python", [tools / "bin/python", "-B", *sys.argv])
    unittest.main()


if __name__ == "__main__":
    main()
