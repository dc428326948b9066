"""Spark at several agents: a run's session is at one of them, and goes to another one when the job does not wait for what is not heard of."""
import os
import pathlib
import signal
import subprocess
import unittest

from agents_test import AgentHouse
from house import SOURCE, cache_folder
from net_house import needs_root
from run_test import flow, shell
from spark_house import scala

ENV = "name: dev\nmaster: local[1]\n"


@needs_root
class Spark(AgentHouse):
    def join_one(self, name):
        cache = f"{cache_folder()}/amaterasu"
        done = subprocess.run([SOURCE / "agent/runners/spark/install.sh", cache], capture_output=True, text=True, check=True)
        spark = dict(line.split("=", 1) for line in done.stdout.splitlines())
        self.host(name, f"{cache}/spark")
        agent = self.agent(name, "--cpus", "1", "--memory", "2g", "--cache", cache, "--sandbox-write", self.shared, SPARK_HOME=spark["SPARK_HOME"])
        self.wait_for(lambda: f"agent/{name} is here" in self.hub.log(), f"{name} is here", agent)
        return agent

    def jvms(self, name):
        """Processes of Java on that host."""
        inside = os.readlink(f"/proc/{self.hosts[name].holder.pid}/ns/net")
        found = []
        for at in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                if os.readlink(at / "ns/net") == inside and os.path.basename(os.readlink(at / "exe")) == "java":
                    found.append(at.name)
            except OSError:
                pass
        return found

    def test_another_session_elsewhere(self):
        self.serve("", "--no-agent")
        self.join_one("one")
        self.join_one("two")
        waits = (f'val host = java.net.InetAddress.getLocalHost.getHostName\nnew java.io.File(s"{self.shared}/$host").createNewFile()\n'
                 f'while (!new java.io.File(s"{self.shared}/$host.go").exists) Thread.sleep(50)\nprintln(s"at $host")\n')
        job = self.repo({"maki.yml": flow(scala("a"), shell("s"), scala("b"), **{"on-lost": "rerun"}), "env/dev/job.yml": ENV, "src/a.scala": waits,
                         "src/s.sh": "echo $AMA_ACTION\n", "src/b.scala": 'println("b at " + java.net.InetAddress.getLocalHost.getHostName)\n'})
        run = self.submit(job, "--env", "dev")
        self.wait_for(lambda: (self.shared / "one").exists(), "the session is at the first", self.hub, limit=200)
        self.hosts["one"].process.send_signal(signal.SIGSTOP)
        self.wait_for(lambda: (self.shared / "two").exists(), "another one is at the other", self.hub, limit=200)
        (self.shared / "two.go").touch()
        code, out = self.attach(run, timeout=200)
        self.assertEqual(code, 0, out + self.logs())
        self.assertEqual([e["text"] for e in self.checked(out).find("output")], ["at two", "s", "b at two"])
        self.assertEqual([a for a in self.attempts(run) if a[0] != "s"], [("a", 1, "lost", "one"), ("a", 2, "succeeded", "two"), ("b", 1, "succeeded", "two")])
        self.assertEqual(len(self.jvms("one")), 1)  # nobody could tell it
        self.hosts["one"].process.send_signal(signal.SIGCONT)
        self.wait_for(lambda: not self.jvms("one"), "it ends when its agent is back", self.hub, limit=120)


if __name__ == "__main__":
    unittest.main()
