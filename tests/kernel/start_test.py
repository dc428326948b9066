"""Starts that go wrong, and ends that nobody ordered: each has a kernel process of its own."""
import glob
import json
import os
import shutil
import subprocess
import tempfile
import unittest

from kernel_client import RUNNER, Connection, Kernel, new_connection


def said(channel):
    return channel.get_msg(timeout=0) if channel.socket.poll(500) else None


class Starting(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="ama-kernel-start-")
        self.addCleanup(shutil.rmtree, self.folder)

    def kernel(self, *args, **kwargs):
        kernel = Kernel(self.folder, *args, **kwargs)
        self.addCleanup(kernel.kill)
        return kernel

    def refused(self, text, **kwargs):
        """No session, for a reason in plain words; everything else works, and the process ends as it is told."""
        kernel = self.kernel(**kwargs)
        session = kernel.ask("ama_session_request")
        self.assertEqual(session["status"], "error")
        self.assertRegex(session["evalue"], text)
        self.assertEqual(kernel.ask("ama_split_request", code="val a = 1")["status"], "ok")
        done = kernel.open("a").run("val a = 1", "src/a.scala")
        self.assertEqual((done.status, done.ama["kind"]), ("error", "session"))
        self.assertRegex(done.evalue, text)
        kernel.ask("shutdown_request", restart=False)
        self.assertEqual(kernel.process.wait(10), 0)

    def test_no_such_master(self):
        self.refused("spark.master 'mesos://nowhere:5050' is no master", conf={"spark.master": "mesos://nowhere:5050"})

    def test_too_little_memory(self):
        self.refused(r"\d+ MB of memory is too small", environment={"AMA_DRIVER_MEMORY": "256m", "AMA_CDS_ARCHIVE": ""})

    def test_no_free_port(self):
        self.refused("no free port|cannot bind|in use", conf={"spark.driver.bindAddress": "192.0.2.200", "spark.port.maxRetries": "0"})

    def script(self, *args, **env):
        return subprocess.run([os.path.join(RUNNER, "kernel.sh"), *args], env=dict(os.environ, **env), text=True, capture_output=True, timeout=60)

    def test_words_of_the_start_script(self):
        info = new_connection(self.folder, "ipc")
        for env, text in ((dict(AMA_DRIVER_MEMORY="lots"), "is no size"), (dict(AMA_JIT="never"), "quick or full"), (dict(AMA_KERNEL_JAR=""), "AMA_KERNEL_JAR"),
                          (dict(SPARK_HOME="/nowhere"), "no Spark jars"), (dict(JAVA_HOME="/nowhere"), "no Java")):
            done = self.script(info, **env)
            self.assertNotEqual(done.returncode, 0, env)
            self.assertIn(text, done.stderr)

    def test_unusable_connections(self):
        info = new_connection(self.folder, "ipc")
        with open(info, encoding="utf-8") as f:
            good = json.load(f)
        for change, text in ((dict(ip="/tmp/ama-open-folder"), "0700"), (dict(transport="carrier pigeon"), "transport"), (dict(signature_scheme="md5"), "hmac-sha256")):
            with open(info, "w", encoding="utf-8") as f:
                json.dump(dict(good, **change), f)
            done = self.script(info, TMPDIR=self.folder)
            self.assertEqual(done.returncode, 2, done)
            self.assertIn(text, done.stderr)

    def test_tcp_and_the_session_stopped_by_a_user(self):
        kernel = self.kernel(transport="tcp")
        a, b = kernel.open("a", "stopper"), kernel.open("b")
        self.assertEqual(a.run("spark.range(3).count()", "x").value, "res0: Long = 3")
        self.assertEqual(a.run("spark.stop()", "x").status, "ok")
        done = b.run("val x = 1", "x")
        self.assertEqual((done.ename, done.ama["kind"]), ("SessionError", "session"))
        self.assertIn("stopped by the code of action stopper", done.evalue)
        self.assertEqual(kernel.ask("ama_session_request")["status"], "error")
        done = b.run("1", "x")
        ident = kernel.send("System.exit(7)")
        self.assertEqual(kernel.wait(ident).ama["kind"], "session")

    def test_executors_of_their_own(self):
        """Spark's local-cluster: the classes of statements, the environment and the values handed over reach other processes."""
        home = os.path.join(self.folder, "spark")
        os.mkdir(home)
        os.symlink(os.path.join(os.environ["SPARK_HOME"], "jars"), os.path.join(home, "jars"))
        kernel = self.kernel(conf={"spark.master": "local-cluster[1,2,512]", "spark.executor.memory": "512m"}, environment={"SPARK_HOME": home})
        a = kernel.open("a", "first", env={"name": "dev"})
        done = a.script('case class P(n: Int)\nval ps = sc.parallelize(1 to 10, 2).map(P(_)).toDS()\n'
                        'ps.map(p => p.n * env.name.length).collect().sum\ndef f(n: Int): Int =\n  10 / n\nsc.parallelize(0 to 1).map(f).collect()\n', "src/a.scala")
        self.assertRegex(done[2].value, "= 165$")
        self.assertEqual((done[-1].ename, done[-1].frames), ("java.lang.ArithmeticException", [("src/a.scala", 5), ("src/a.scala", 6)]))
        self.assertEqual(kernel.ask("ama_close_request", scope="a", publish=True)["status"], "ok")
        self.assertRegex(kernel.open("b").run('AmaContext.getDataFrame("first", "ps").count()', "src/b.scala").value, "= 10$")
        kernel.ask("shutdown_request", restart=False)
        self.assertEqual(kernel.process.wait(20), 0)
        self.assertEqual(os.listdir(home), ["jars"])         # executors have their files with the session
        self.assertEqual(len(glob.glob(os.path.join(self.folder, "**", "work", "app-*"), recursive=True)), 1)

    def test_a_session_knows_nothing_of_one_that_was_lost(self):
        step2 = self.kernel().open("a", "step2", env={})
        self.assertRegex(step2.run('AmaContext.getRDD[Int]("start", "rdd")', "src/step2.scala").evalue,
                         "no dataset 'rdd' of action 'start': no action has finished in this Spark session. If start has, .* was lost.*run the job again")

    def test_system_exit_is_told(self):
        kernel = self.kernel()
        done = kernel.open("a").run('println("last"); System.exit(7)', "src/x.scala", 3)
        self.assertEqual((done.status, done.ename, done.stream()), ("error", "SystemExit", "last\n"))
        self.assertEqual(kernel.process.wait(10), 7)
        self.assertEqual(os.listdir(os.path.join(self.folder, "tmp")), [])

    def test_an_exit_is_nobody_elses_failure(self):
        """Spark stops and the classes go while the process ends: what else was running must not be told to have failed of itself."""
        kernel = self.kernel()
        a, b = kernel.open("a"), kernel.open("b")
        other = b.send('println("up")\nwhile (true) sc.parallelize(1 to 2).count()', "src/b.scala")
        b.hear(other, "stream")
        done = a.run("System.exit(7)", "src/a.scala")
        self.assertEqual((done.status, done.ename), ("error", "SystemExit"))
        self.assertEqual(kernel.process.wait(10), 7)
        replies = [m["content"] for m in iter(lambda: said(b.client.shell_channel), None) if m["parent_header"]["msg_id"] == other]
        self.assertEqual(replies, [])

    def test_the_parent_is_gone(self):
        parent = subprocess.Popen(["sleep", "60"])
        kernel = self.kernel(environment={"JPY_PARENT_PID": str(parent.pid)})
        parent.kill()
        parent.wait()
        kernel.process.wait(20)
