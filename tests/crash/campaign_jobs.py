"""The jobs of the crash campaign. Every action leaves marks in a file that only grows, so that what really ran is known without asking the product.

A mark is a line: start|end RUN ACTION ATTEMPT PID SECONDS [ok|fail]. Who starts looks whether an earlier one of the same action still lives: overlap …
"""
import json

MARK_SH = r"""
M=__MARKS__
mark() { echo "$1 $AMA_RUN $AMA_ACTION $AMA_ATTEMPT $$ $EPOCHREALTIME ${2-}" >>"$M"; }
begin() {
    local what run action no pid state
    mark start
    while read -r what run action no pid _; do
        [ "$what $run $action" = "start $AMA_RUN $AMA_ACTION" ] && [ "$pid" != $$ ] || continue
        read -r _ _ state _ 2>/dev/null <"/proc/$pid/stat" || continue
        [ "$state" = Z ] || [ "$state" = X ] || mark overlap "$no:$pid:$state"
    done <"$M"
}
"""
# Scala has no number of its attempt.
MARK_SCALA = """
def mark(what: String, how: String) = {{
  val now = java.time.Instant.now
  val line = s"$what ${{sys.env("AMA_RUN")}} {action} - ${{ProcessHandle.current.pid}} ${{now.getEpochSecond}}.${{now.getNano / 1000}} $how\\n"
  java.nio.file.Files.write(java.nio.file.Paths.get("{marks}"), line.getBytes, java.nio.file.StandardOpenOption.CREATE, java.nio.file.StandardOpenOption.APPEND)
}}
mark("start", "")
"""


class Job:
    """Files of a repository, and what is known of its plan without asking the planner."""

    def __init__(self, name, marks):
        self.name, self.marks = name, marks
        self.flow, self.files, self.plan = [], {}, []
        self.cancel = False
        self.spark = False
        self.jars = False

    def _planned(self, name, attempts, depends, error_of=-1):
        self.plan.append({"name": name, "attempts": attempts, "error_action": -1, "error_of": error_of, "depends": depends})
        return len(self.plan) - 1

    def _depends(self, after):
        before = [i for i, p in enumerate(self.plan) if p["error_of"] < 0]
        return before[-1:] if after is None else [i for i in before if self.plan[i]["name"] in after]

    def shell(self, name, body="true", end="ok", attempts=3, after=None, error=None):
        """after: names, or None for the one above. end: ok, fail, or a test of bash that says which."""
        last = {"ok": "mark end ok", "fail": "mark end fail; exit 1"}.get(end, f"if {end}; then mark end ok; else mark end fail; exit 1; fi")
        self.files[f"src/{name}.sh"] = f'. "$AMA_REPO/src/mark.sh"\nbegin\n{body}\n{last}\n'
        action = {"name": name, "runner": {"group": "shell", "type": "bash"}, "file": f"{name}.sh",
                  "retry": {"attempts": attempts, "delay": "50ms"}}
        if after is not None:
            action["depends-on"] = after
        mine = self._planned(name, attempts, self._depends(after))
        if error:
            self.plan[mine]["error_action"] = self._planned(error, 3, [], mine)
            self.files[f"src/{error}.sh"] = '. "$AMA_REPO/src/mark.sh"\nbegin\necho rescue\nmark end ok\n'
            action["error"] = {"name": error, "runner": {"group": "shell", "type": "bash"}, "file": f"{error}.sh"}
        self.flow.append(action)
        return self

    def scala(self, name, body):
        self.spark = True
        self.files[f"src/{name}.scala"] = MARK_SCALA.format(action=name, marks=self.marks) + body + '\nmark("end", "ok")\n'
        self._planned(name, 3, self._depends(None))
        self.flow.append({"name": name, "runner": {"group": "spark", "type": "scala"}, "file": f"{name}.scala",
                          "retry": {"attempts": 3, "delay": "50ms"}})
        return self

    def repository(self):
        return {"maki.yml": json.dumps({"job-name": self.name, "flow": self.flow}),
                "env/default/job.yml": f"master: local[2]\noutputRootPath: {self.marks}.out\nworkingDir: {self.marks}.work\n",
                "src/mark.sh": MARK_SH.replace("__MARKS__", str(self.marks)), **self.files}

    def note(self, run):
        return {"what": "plan", "run": run, "fail_fast": False, "actions": self.plan}


def chain(marks, _):
    return Job("chain", marks).shell("a", "echo one\necho two").shell("b", "sleep 0.05\necho three").shell("c", "echo four >&2")


def flaky(marks, _):
    return Job("flaky", marks).shell("a", end="[ $AMA_ATTEMPT -gt 1 ]").shell("b", "echo on")


def rescued(marks, _):
    return Job("rescued", marks).shell("a").shell("b", "echo no", end="fail", attempts=2, error="e").shell("c")


def failing(marks, _):
    return Job("failing", marks).shell("a", end="fail", attempts=1).shell("b")


def wide(marks, rng):
    job = Job("wide", marks).shell("a", after=[])
    for name in ("b", "c", "d"):
        job.shell(name, f"sleep 0.0{rng.randrange(1, 9)}\necho {name}", after=["a"])
    return job.shell("z", after=["b", "c", "d"])


def loud(marks, rng):
    return Job("loud", marks).shell("a", f"for ((i = 0; i < {rng.randrange(200, 3000)}; i++)); do echo line $i; done").shell("b")


def cancelled(marks, _):
    job = Job("cancelled", marks).shell("a").shell("b", "sleep 30 &\nwait").shell("c")
    job.cancel = True
    return job


def jars(marks, _):
    job = Job("jars", marks).shell("a").shell("b")
    job.jars = True
    return job


def spark(marks, rng):
    """The second action finds what the first one made, in the same session: after a kill of the agent in none."""
    job = Job("spark", marks).scala("a", f"val rows = spark.range({rng.randrange(5, 50)}).toDF(\"n\")\nprintln(rows.count)")
    return job.scala("b", 'println("b " + (1 to 10).sum)').shell("c", "echo three")


SHELL = (chain, flaky, rescued, failing, wide, loud, cancelled)
