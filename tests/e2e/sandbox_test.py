#!/usr/bin/env python3
"""The sandbox, from inside: an action tries what it must not do and what it must be able to do, and says what came of it (P22, P23)."""
import json
import os
import pathlib
import shlex
import socket
import subprocess
import threading
import unittest

from house import Events, House, Repo

MAKI = """\
    job-name: probe
    flow:
      - name: probe
        runner: { group: shell, type: bash }
        file: probe.sh
    """

# name, then what is tried; "allowed" if it succeeds
DENIED = """
agent-environ        cat /proc/$agent/environ
agent-memory         head -c 1 /proc/$agent/mem
agent-maps           cat /proc/$agent/maps
agent-files          readlink /proc/$agent/exe
agent-root           cat /proc/$agent/root/etc/passwd
agent-signal         kill -0 $agent
agent-ptrace         python3 -c "import ctypes, sys; sys.exit(ctypes.CDLL(None).ptrace(16, $agent, 0, 0) != 0)"
guard-signal         kill -0 $guard
journal              cat $state/journal.db
state-list           ls $state
agent-folder         ls $state/agent
agent-ends           ls $state/agent/agent
state-write          touch $state/planted
other-run            cat $other
other-run-list       ls $state/agent/runs
own-run-list         ls $HOME/../..
snapshot-write       touch $AMA_REPO/planted
snapshot-change      sh -c "echo x >> $AMA_REPO/maki.yml"
snapshot-remove      rm -f $AMA_REPO/maki.yml
outside-read         cat $outside/secret
outside-list         ls $outside
outside-write        touch $outside/planted
outside-change       sh -c "echo x > $outside/secret"
outside-truncate     truncate -s 0 $outside/secret
outside-move         mv $out/mine $outside/mine
outside-link         ln $outside/secret hard
link-out             sh -c "ln -s $outside/secret link; cat link"
link-out-write       sh -c "ln -s $outside out; touch out/planted"
dots-out             cat $out/../outside/secret
root-list            ls /
tmp-list             ls /tmp
tmp-write            touch /tmp/ama-probe-planted
home-list            ls $home
shadow               cat /etc/shadow
etc-write            touch /etc/ama-probe-planted
usr-write            touch /usr/ama-probe-planted
device               mknod disk b 7 0
terminal             sh -c ": > /dev/tty"
raise-core           prlimit --pid $$ --core=1000:1000
mount                mount -t tmpfs none $TMPDIR
own-namespace        unshare --user true
own-mounts           unshare --mount --map-root-user true
own-network          unshare --net true
ptrace-own           python3 -c "import ctypes, sys; sys.exit(ctypes.CDLL(None).ptrace(0, 0, 0, 0) != 0)"
keyring              python3 -c "import ctypes, sys; sys.exit(ctypes.CDLL(None).syscall($keyctl, 0, -3, 1) < 0)"
bpf                  python3 -c "import ctypes, sys; sys.exit(ctypes.CDLL(None).syscall($bpf, 0, ctypes.create_string_buffer(b'\\1\\0\\0\\0\\4\\0\\0\\0\\10\\0\\0\\0\\1', 72), 72) < 0)"
perf                 python3 -c "import ctypes, sys; sys.exit(ctypes.CDLL(None).syscall($perf, ctypes.create_string_buffer(b'\\1\\0\\0\\0\\100', 128), 0, -1, -1, 0) < 0)"
io-uring             python3 -c "import ctypes, sys; sys.exit(ctypes.CDLL(None).syscall(425, 1, ctypes.create_string_buffer(120)) < 0)"
memory-faults        python3 -c "import ctypes, sys; sys.exit(ctypes.CDLL(None).syscall($userfaultfd, 1) < 0)"
abstract-socket      python3 -c "import socket; s = socket.socket(socket.AF_UNIX); s.connect('\\0$abstract')"
"""

ALLOWED = """
own-write            touch mine
own-move             sh -c "mkdir -p a b; echo x > a/f; mv a/f b/f; cat b/f"
own-run              sh -c "echo echo ran > run; chmod +x run; bash ./run"
own-fifo             mkfifo fifo
own-signal           sh -c "sleep 9 & kill \\$!"
tmpdir               sh -c "echo x > $(mktemp)"
output-write         touch $out/mine
output-folder        mkdir -p $out/a/b
work-write           touch $AMA_WORKING_DIR/mine
input-read           cat $AMA_INPUT_ROOT/numbers
snapshot-read        cat $AMA_REPO/maki.yml
documents            cat env.yaml $AMA_ENV_JSON
null                 sh -c "echo x > /dev/null; cat /dev/null"
random               head -c 8 /dev/urandom
stderr               sh -c "echo x > /dev/stderr"
shared-memory        sh -c "echo x > /dev/shm/ama-probe-$$; rm /dev/shm/ama-probe-$$"
proc                 sh -c "cat /proc/self/status /proc/meminfo /proc/cpuinfo; ps"
users                getent passwd root
names                getent hosts localhost
network              python3 -c "import socket; socket.create_connection(('127.0.0.1', $port)).recv(1)"
python               python3 -c "import json, ssl, multiprocessing; multiprocessing.Lock()"
git                  sh -c "git init -q r; cd r; git config user.email a@b; git config user.name a; touch f; git add f; git commit -qm m"
no-new-privs         grep -qx "NoNewPrivs:.1" /proc/self/status
no-core              sh -c "test $(ulimit -c) = 0"
oom-first            grep -qx 500 /proc/self/oom_score_adj
"""


# numbers of calls that no library has a name for
CALLS = {"x86_64": {"keyctl": 250, "bpf": 321, "perf": 298, "userfaultfd": 323},
         "aarch64": {"keyctl": 219, "bpf": 280, "perf": 241, "userfaultfd": 282}}


def lines(text):
    return dict(line.split(None, 1) for line in text.strip().splitlines())


def script(facts, names):
    probe = [f"{name}={value}" for name, value in facts.items()]
    probe.append('try() { if eval "$2" > /dev/null 2>&1; then echo "$1 allowed"; else echo "$1 denied"; fi; }')
    probe.append("out=${AMA_OUTPUT_ROOT#file://}\ntouch $out/mine")
    probe += [f"try {name} {shlex.quote(what)}" for name, what in (lines(ALLOWED) | lines(DENIED)).items() if not names or name in names]
    return "\n".join(probe) + "\n"


class Sandbox(House):
    """A daemon, another run of it, and files outside that an action has no business with."""

    def setUp(self):
        super().setUp()
        self.open_to_actions()  # nothing at all

    def prepare(self):
        outside = self.folder / "outside"
        outside.mkdir()
        (outside / "secret").write_text("canary\n")
        (self.folder / "in").mkdir()
        (self.folder / "in" / "numbers").write_text("1\n")
        server = socket.create_server(("127.0.0.1", 0))
        abstract = socket.socket(socket.AF_UNIX)
        abstract.bind(f"\0ama-probe-{os.getpid()}")
        abstract.listen()
        self.addCleanup(server.close)
        self.addCleanup(abstract.close)

        def serve():
            while True:
                try:
                    with server.accept()[0] as peer:
                        peer.sendall(b"x")
                except OSError:
                    return
        threading.Thread(target=serve, daemon=True).start()
        return {"outside": outside, "port": server.getsockname()[1], "abstract": f"ama-probe-{os.getpid()}",
                "home": self.env["HOME"], **CALLS[os.uname().machine]}

    def environment(self, **more):
        return "".join(f"{key}: {value}\n" for key, value in (
            {"inputRootPath": self.folder / "in", "outputRootPath": f"file://{self.folder}/out", "workingDir": self.folder / "work"} | more).items())

    def probe(self, facts, names=(), **environment):
        """Without a sandbox only names that do no harm."""
        repo = Repo(self.folder / "probe", {"maki.yml": MAKI, "src/probe.sh": script(facts, names), "env/dev/job.yml": self.environment(**environment)})
        run = self.ama("--repo", repo, "--env", "dev", "--report", "code", "--report-format", "ndjson", program="ama-submit")
        events = Events.of(run.stdout)
        self.assertEqual(run.returncode, 0, run.stdout[-3000:] + run.stderr)
        return dict(line.split() for line in events.lines(stream="stdout")), self.level_of(events[0]["run"])

    def level_of(self, run):
        return json.loads(self.ama("show", run, "-o", "json").stdout)["actions"][0]["attempts"][0]["sandbox"]

    def expected(self, level):
        table = {name: "denied" for name in lines(DENIED)} | {name: "allowed" for name in lines(ALLOWED)}
        if level not in ("standard", "bounded"):
            for name in ("agent-signal", "guard-signal", "abstract-socket"):
                table[name] = "allowed"
        return table

    def facts_of_daemon(self):
        first = Repo(self.folder / "first", {"maki.yml": MAKI, "src/probe.sh": "echo theirs > theirs\npwd\n", "env/dev/job.yml": self.environment()})
        run = self.ama("--repo", first, "--env", "dev", "--report", "code", "--report-format", "ndjson", program="ama-submit")
        [folder] = Events.of(run.stdout).lines()
        agents = subprocess.run(["pgrep", "-f", f"ama-agent.*{self.data}"], capture_output=True, text=True).stdout.split()
        guards = subprocess.run(["pgrep", "-P", agents[0], "ama-guard"], capture_output=True, text=True).stdout.split()
        self.level = self.level_of(json.loads(run.stdout.splitlines()[0])["run"])
        return {"agent": agents[0], "guard": guards[0], "state": self.data, "other": f"{folder}/theirs"}

    def test_probe(self):
        facts = self.prepare()
        self.amad()
        facts |= self.facts_of_daemon()
        if self.level == "basic":
            self.skipTest("this kernel has no Landlock")
        said, level = self.probe(facts)
        self.assertEqual(said, self.expected(level))
        self.assertEqual((facts["outside"] / "secret").read_text(), "canary\n")
        self.assertEqual(os.listdir(facts["outside"]), ["secret"])

    def test_none_is_the_operators_word(self):
        config = self.folder / "amad.yaml"
        config.write_text("sandbox: none\n")
        facts = self.prepare()
        self.amad("--config", config)
        said, level = self.probe(facts | self.facts_of_daemon(), ("outside-read", "other-run", "agent-signal"))
        self.assertEqual(level, "none")
        self.assertEqual(set(said.values()), {"allowed"})

    def cgroup_folder(self):
        """AMA_TEST_CGROUP names one that was delegated; else one of the older kind, where a machine has them and lets us."""
        above = os.environ.get("AMA_TEST_CGROUP")
        if not above and "pids:/" in [line.split(":", 1)[1] for line in pathlib.Path("/proc/self/cgroup").read_text().splitlines()]:
            above = "/sys/fs/cgroup/pids"
        if not above or not os.access(above, os.W_OK):
            self.skipTest("no cgroups to be had")
        folder = pathlib.Path(above, f"ama-test-{os.getpid()}")
        folder.mkdir()
        self.addCleanup(folder.rmdir)  # fails if the agent has left a group
        return folder

    def test_each_attempt_has_its_cgroup(self):
        folder, config = self.cgroup_folder(), self.folder / "amad.yaml"
        stray = folder / f"ama-{2**22 - 1}-7"  # of an agent that was killed
        stray.mkdir()
        config.write_text(f"sandbox-cgroups: {folder}\nsandbox-write: {self.shared}\n")
        script = f"""\
            mine=$(grep -o '/{folder.name}/.*' /proc/self/cgroup)
            echo $mine $(cat {folder.parent}$mine/pids.max)
            (echo max > {folder.parent}$mine/pids.max) 2>/dev/null || echo refused
            (echo $$ > {folder.parent}/cgroup.procs) 2>/dev/null || echo refused
            setsid sleep 600 &
            """
        actions = [{"name": name, "runner": {"group": "shell", "type": "bash"}, "file": "a.sh"} for name in ("a", "b")]
        repo = Repo(self.folder / "bounded", {"maki.yml": json.dumps({"job-name": "job", "flow": actions}), "src/a.sh": script, "env/dev/job.yml": self.environment()})
        self.env["AMA_CONFIG"] = str(config)
        for program, args in (("ama", ["run", repo]), ("ama-submit", ["--repo", repo])):
            if program == "ama-submit":
                self.amad()
            done = self.ama(*args, "--env", "dev", "--report", "code", "--report-format", "ndjson", program=program)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            said = Events.of(done.stdout).lines(stream="stdout")
            groups = [line.split() for line in said if line != "refused"]
            self.assertEqual((len(said), {limit for _, limit in groups}, len({name for name, _ in groups})), (6, {"4096"}, 2), said)
            self.assertFalse(stray.exists())

    def test_cgroups_that_are_none(self):
        """What was asked for and can not be had is no reason to say that it is there."""
        config = self.folder / "amad.yaml"
        config.write_text(f"sandbox-cgroups: {self.shared}\nsandbox-require: bounded\n")
        repo = Repo(self.folder / "strict", {"maki.yml": MAKI, "src/probe.sh": "echo ran\n", "env/dev/job.yml": self.environment()})
        self.env["AMA_CONFIG"] = str(config)
        done = self.ama("run", repo, "--env", "dev", "--report-format", "ndjson")
        self.assertEqual(done.returncode, 5, done.stdout)
        self.assertIn("requires sandbox bounded, this machine gives", done.stdout)
        self.assertEqual(list(self.shared.iterdir()), [])

    def refused(self, done):
        events = [json.loads(line) for line in done.stdout.splitlines()]
        ended = [e for e in events if e["type"] == "attempt.ended"]
        self.assertEqual(done.returncode, 5, done.stdout + done.stderr)
        self.assertTrue(ended, done.stdout)
        for event in ended:
            self.assertEqual((event["state"], event["error"]["name"]), ("errored", "sandbox"))
            self.assertIn("requires sandbox standard, this machine gives none: the configuration turns it off", event["error"]["message"])
        self.assertNotIn("output", [e["type"] for e in events])

    def test_a_required_level_that_is_not_reached(self):
        config = self.folder / "amad.yaml"
        config.write_text("sandbox: none\nsandbox-require: standard\n")
        repo = Repo(self.folder / "strict", {"maki.yml": MAKI, "src/probe.sh": "echo ran\n", "env/dev/job.yml": self.environment()})
        self.env["AMA_CONFIG"] = str(config)
        self.refused(self.ama("run", repo, "--env", "dev", "--report-format", "ndjson"))
        self.amad()
        self.refused(self.ama("--repo", repo, "--env", "dev", "--report", "code", "--report-format", "ndjson", program="ama-submit"))

    def test_a_job_can_not_turn_it_off(self):
        facts = self.prepare()
        self.amad()
        facts |= self.facts_of_daemon()
        said, level = self.probe(facts, ("outside-read", "own-write"),
                                 **{"sandbox": "none", "sandbox-write": facts["outside"], "sandbox-require": "none"})
        self.assertEqual(level, self.level)
        self.assertEqual(said, {"outside-read": "allowed" if level == "basic" else "denied", "own-write": "allowed"})

    def test_more_paths(self):
        facts = self.prepare()
        config = self.folder / "amad.yaml"
        config.write_text(f"sandbox-write: [{facts['outside']}]\n")
        self.amad("--config", config)
        said, level = self.probe(facts | self.facts_of_daemon(), ("outside-read", "outside-write"))
        self.assertEqual((said["outside-read"], said["outside-write"]), ("allowed", "allowed"), level)

    def test_a_job_can_not_open_what_is_not_its_own(self):
        """outputRootPath is written by whoever writes the job."""
        (self.folder / "out").mkdir()
        (self.folder / "out" / "link").symlink_to(self.data)
        self.amad()
        for path in ("/", "/etc/x", "/proc", self.data, f"{self.data}/agent/runs/new", self.data.parent, f"{self.folder}/out/link", self.env["HOME"]):
            with self.subTest(path):
                name = f"job{abs(hash(str(path)))}"
                repo = Repo(self.folder / name, {"maki.yml": MAKI, "src/probe.sh": "touch \"${AMA_OUTPUT_ROOT}/ama-probe\" || echo refused\n",
                                                 "env/dev/job.yml": self.environment(outputRootPath=path)})
                run = self.ama("--repo", repo, "--env", "dev", "--report", "code", "--report-format", "ndjson", program="ama-submit")
                events = [json.loads(line) for line in run.stdout.splitlines()]
                self.assertIn("refused", [e.get("text") for e in events], run.stdout)
                self.assertTrue(any(e["type"] == "warning" and "outputRootPath" in e["text"] for e in events), run.stdout)
                self.assertFalse(pathlib.Path(path, "ama-probe").exists())

    def test_where_named_datasets_lie(self):
        """The folder around one is open, as one that is overwritten is removed first; of a pattern what comes before it, to read. Never what is closed to jobs."""
        there, closed = self.folder / "there", self.data / "agent"
        (there / "many/2019").mkdir(parents=True)
        (there / "many/2019/old").write_text("old")
        (there / "single").mkdir()
        self.amad()
        entries = [f"{there}/single/t.csv", f"file://{there}/new/er/t", f"{there}/many/20*/x", f"{closed}/t"]
        datasets = "".join(f"  - {{ name: d{i}, uri: '{uri}', format: csv }}\n" for i, uri in enumerate(entries))
        script = f"""
            echo 1 >{there}/single/t.csv && rm {there}/single/t.csv && echo one
            echo 1 >{there}/new/er/t && echo two
            cat {there}/many/2019/old && echo three
            echo 1 >{there}/many/2019/old || echo refused
            echo 1 >{there}/beside || echo refused
            echo 1 >{closed}/t || echo refused
            """
        repo = Repo(self.folder / "job-datasets", {"maki.yml": MAKI, "src/probe.sh": script, "env/dev/job.yml": self.environment(), "env/dev/datasets.yml": f"file:\n{datasets}"})
        run = self.ama("--repo", repo, "--env", "dev", "--report", "code", "--report-format", "ndjson", program="ama-submit")
        events = Events.of(run.stdout)
        self.assertEqual(events.lines(stream="stdout"), ["one", "two", "oldthree", "refused", "refused", "refused"], run.stdout)
        [warning] = [e["text"] for e in events if e["type"] == "warning"]
        self.assertIn(f"may not write to {closed}/t, which is the job's dataset", warning)


if __name__ == "__main__":
    unittest.main(verbosity=2)
