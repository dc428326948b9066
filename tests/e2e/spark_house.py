"""A house with jobs of Scala, SQL, Python, R and shell actions on a local Spark."""
import json
import os
import signal

from house import House


def scala(name, **more):
    return {"name": name, "runner": {"group": "spark", "type": "scala"}, "file": f"{name}.scala", **more}


def sql(name, **more):
    return {"name": name, "runner": {"group": "spark", "type": "sql"}, "file": f"{name}.sql", **more}


def pyspark(name, **more):
    return {"name": name, "runner": {"group": "spark", "type": "pyspark"}, "file": f"{name}.py", **{"retry": {"attempts": 1}, **more}}


def sparkr(name, **more):
    return {"name": name, "runner": {"group": "spark", "type": "r"}, "file": f"{name}.R", "retry": {"attempts": 1}, **more}


def shell(name, **more):
    return {"name": name, "runner": {"group": "shell", "type": "bash"}, "file": f"{name}.sh", **more}


class SparkHouse(House):
    def job(self, actions, sources, spark="", name="job", **top):
        env = {"env/default/job.yml": f"master: local[2]\noutputRootPath: {self.folder}/out\nworkingDir: {self.folder}/work\n"
                                      "configuration: { limit: 40 }\n",
               "env/default/spark-defaults.conf": spark}
        maki = json.dumps({"job-name": "job", "flow": actions, **top})
        return self.repo({"maki.yml": maki, **env, **{f"src/{n}": t for n, t in sources.items()}}, name)

    def killed_once_up(self, repo, command):
        """The events of a run of which the process with that in its command line is killed, once an action has printed "up"."""
        run = self.start("run", repo, "--report-format", "ndjson")
        head = self.wait_for_line(run, '"text":"up"')
        [pid] = [p for p, line in self.processes() if command in line]
        os.kill(pid, signal.SIGKILL)
        tail, _ = self.finish(run)
        return self.checked(head + tail)
