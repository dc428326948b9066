"""ama as a person and a script meet it: help, mistakes, terminals that redraw, readers that leave, Ctrl-C, runs without a daemon."""
import json
import os
import pathlib
import pty
import re
import select
import signal
import socket
import struct
import subprocess
import termios
import fcntl
import time
import unittest

from house import BIN, SOURCE, House
from run_test import ENV, flow, shell


class Terminal:
    """A program on a terminal of its own; collects what it writes."""

    def __init__(self, argv, env, columns=80):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execve(argv[0], [str(a) for a in argv], env)
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
        self.text = ""

    def read(self, want=None, limit=60):
        """Until `want` was written, or the end."""
        deadline = time.monotonic() + limit
        while want is None or not (want.search(self.text) if isinstance(want, re.Pattern) else want in self.text):
            if not select.select([self.fd], [], [], max(0, deadline - time.monotonic()))[0]:
                raise AssertionError(f"{want!r} did not come:\n{self.text}")
            try:
                data = os.read(self.fd, 65536)
            except OSError:
                data = b""
            if not data:
                break
            self.text += data.decode()
        return self.text

    def resize(self, columns):
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))

    def type(self, keys):
        os.write(self.fd, keys.encode())

    def wait(self):
        self.read()
        os.close(self.fd)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def screen(text):
    """What stands on the terminal at the end: cursor up, erase below, CR; colours are dropped."""
    rows, row, column = [""], 0, 0
    for part in re.findall(r"\x1b\[[0-9;]*[A-Za-z]|\r|\n|[^\x1b\r\n]+", text):
        if part == "\n":
            row += 1
            rows += [""] * (row + 1 - len(rows))
        elif part == "\r":
            column = 0
        elif part.startswith("\x1b["):
            if part.endswith("A"):
                row -= int(part[2:-1] or 1)
            elif part.endswith("J"):
                rows[row] = rows[row][:column]
                del rows[row + 1:]
        else:
            rows[row] = rows[row][:column].ljust(column) + part + rows[row][column + len(part):]
            column += len(part)
    return "\n".join(r.rstrip() for r in rows)


class Client(House):
    def job(self, maki, name="job", **sources):
        return self.repo({"maki.yml": maki, **ENV, **{f"src/{n}.sh": t for n, t in sources.items()}}, name)

    def terminal(self, *args, program="ama", **env):
        return Terminal([str(BIN / program), *map(str, args)], {**self.env, "TERM": "xterm-256color", **env})

    def test_help_and_mistakes(self):
        overview = self.ama("help")
        self.assertEqual((overview.returncode, overview.stderr), (0, ""))
        for command in ("run", "submit", "attach", "list", "show", "cancel", "plan", "validate", "config show"):
            self.assertIn(f"ama {command}", overview.stdout)
            self.assertIn("usage: ama " + command, self.ama(*command.split(), "--help").stdout)
            self.assertIn("usage: ama " + command, self.ama("help", *command.split()).stdout)
        self.assertIn("usage: ama-submit", self.ama("--help", program="ama-submit").stdout)
        for args, words in ((["sbmit"], "did you mean submit?"), (["run", "--evn", "x"], "did you mean --env?"), (["run", "--ref"], "needs a value"),
                            (["attach"], "needs RUN"), (["submit"], "--repo"), (["run", "--branch", "a", "--ref", "b"], "exclude each other"),
                            (["config"], "config show"), (["run", "-p", "x"], "NAME=VALUE"), (["show", "x", "y"], "unexpected word y")):
            done = self.ama(*args, cwd=self.folder)
            self.assertEqual((done.returncode, done.stdout), (2, ""), args)
            self.assertIn(words, done.stderr)
        self.assertEqual(json.loads(self.ama("version", "-o", "json").stdout)["version"], self.ama("--version").stdout.split()[1])

    def test_variables_stand_for_options(self):
        repo = self.job(flow(shell("a")), a="echo hi\n")
        done = self.ama("run", env={"AMA_REPO": str(repo), "AMA_REPORT": "code", "AMA_ENV": "dev"})
        self.assertIn("· dev ·", done.stdout)
        self.assertIn("echo hi", done.stdout)

    def test_no_daemon_at_other_endpoints(self):
        for endpoint, code, words in ((f"ipc://{self.folder}/none.sock", 5, "ama run"), ("tcp://127.0.0.1:1", 2, "needs a key"), ("nonsense", 2, "no endpoint")):
            started = time.monotonic()
            done = self.ama("list", "--server", endpoint)
            self.assertEqual(done.returncode, code, done.stderr)
            self.assertIn(words, done.stderr)
            self.assertLess(time.monotonic() - started, 3)

    def test_a_silent_hub_is_given_up_soon(self):
        with socket.socket(socket.AF_UNIX) as deaf:
            deaf.bind(str(self.folder / "deaf.sock"))
            deaf.listen()
            started = time.monotonic()
            done = self.ama("list", "--server", f"ipc://{self.folder}/deaf.sock")
            self.assertEqual(done.returncode, 5, done.stderr)
            self.assertIn("does not answer", done.stderr)
            self.assertLess(time.monotonic() - started, 5)

    def test_runs_of_ama_run_are_found_without_a_daemon(self):
        good = self.job(flow(shell("a")), "good", a="echo hi\n")
        bad = self.job(flow(shell("a", retry={"attempts": 1})), "bad", a="exit 3\n")
        self.assertEqual(self.ama("run", good).returncode, 0)
        self.assertEqual(self.ama("run", bad).returncode, 1)
        listed = json.loads(self.ama("list", "-o", "json").stdout)["runs"]
        self.assertEqual([r["state"] for r in listed], ["failed", "succeeded"])
        self.assertEqual(len(json.loads(self.ama("list", "-o", "json", "--limit", "1").stdout)["runs"]), 1)
        shown = json.loads(self.ama("show", "@failed", "-o", "json").stdout)
        self.assertEqual((shown["run"], shown["exit"]), (listed[0]["run"], 1))
        told = self.ama("attach", listed[1]["run"][:20], "--report-format", "ndjson")
        self.assertEqual(told.returncode, 0)
        self.checked(told.stdout)
        self.assertEqual(self.ama("attach", "@latest", "--report", "none").returncode, 1)
        self.assertEqual(self.ama("cancel", "@latest").returncode, 0)
        self.assertEqual(self.ama("show", "01ZZZZ").returncode, 5)
        self.amad()
        self.assertEqual(len(json.loads(self.ama("list", "-o", "json").stdout)["runs"]), 2)
        self.assertEqual(self.ama("list", "--server", "default").stdout, "")
        self.assertEqual(self.ama("show", "01ZZZZ").returncode, 2)
        newest = self.ama("--repo", good, "--detach", program="ama-submit").stdout.strip()
        self.assertEqual(json.loads(self.ama("show", "@latest", "-o", "json").stdout)["run"], newest)
        self.assertEqual(json.loads(self.ama("show", "@failed", "-o", "json").stdout)["run"], listed[0]["run"])

    def test_a_run_that_goes_on_is_followed_and_cancelled_from_elsewhere(self):
        repo = self.job(flow(shell("a")), a="echo up\nsleep 600\n")
        run = self.start("run", repo, "--report-format", "ndjson")
        head = self.wait_for_line(run, '"text":"up')
        other = self.start("attach", "@latest", "--report-format", "ndjson")
        copy = self.wait_for_line(other, '"text":"up')
        self.assertEqual(json.loads(self.ama("show", "@latest", "-o", "json").stdout)["state"], "running")
        self.assertEqual(self.ama("cancel", "@latest").returncode, 0)
        tail, _ = run.communicate(timeout=30)
        rest, _ = other.communicate(timeout=30)
        self.assertEqual((run.returncode, other.returncode), (4, 4))
        self.assertEqual(copy + rest, head + tail)

    def test_a_killed_run_is_not_called_running(self):
        repo = self.job(flow(shell("a")), a="echo up\nsleep 600\n")
        run = self.start("run", repo, "--report-format", "ndjson")
        self.wait_for_line(run, '"text":"up')
        run.kill()
        run.communicate(timeout=30)
        self.assertEqual(json.loads(self.ama("list", "-o", "json").stdout)["runs"][0]["state"], "errored")
        told = self.ama("attach", "@latest", "--report-format", "ndjson")
        self.assertEqual(told.returncode, 5)
        self.assertIn("breaks off", told.stderr)
        self.assertIn('"text":"up', told.stdout)

    def test_reader_that_leaves(self):
        self.amad()
        repo = self.job(flow(shell("a")), a="for i in $(seq 20000); do echo line $i; done\n")
        run = self.ama("--repo", repo, "--detach", program="ama-submit").stdout.strip()
        follower = self.start("attach", run, "--report-format", "ndjson")
        follower.stdout.readline()
        follower.stdout.close()
        self.assertEqual(follower.wait(30), 128 + signal.SIGPIPE)
        self.assertEqual(self.ama("attach", run, "--report", "none").returncode, 0)
        local = self.start("run", repo, "--report-format", "ndjson")
        local.stdout.readline()
        local.stdout.close()
        self.assertEqual(local.wait(60), 0)

    def test_reader_that_is_slow_gets_everything(self):
        self.amad()
        repo = self.job(flow(shell("a")), a="for i in $(seq 20000); do echo a rather long line with the number $i; done\n")
        run = self.ama("--repo", repo, "--detach", program="ama-submit").stdout.strip()
        slow = self.start("attach", run, "--report-format", "ndjson")
        fast = self.ama("attach", run, "--report-format", "ndjson")
        text = slow.stdout.read()
        slow.communicate(timeout=30)
        self.assertEqual((slow.returncode, text), (0, fast.stdout))

    def test_a_terminal_is_redrawn_and_left_clean(self):
        repo = self.job(flow(shell("a"), shell("b", retry={"attempts": 1})), a="sleep 0.7\n", b="false\n")
        terminal = self.terminal("run", repo, "--env", "dev")
        code = terminal.wait()
        self.assertEqual(code, 1)
        self.assertRegex(terminal.text, r"[⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏].*sleep 0\.7")
        drawn = re.findall("  [⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏][^\r\n]*", re.sub(r"\x1b\[[0-9;]*m", "", terminal.text))
        self.assertTrue(all(len(line.split("\x1b")[0]) <= 77 for line in drawn), drawn)  # "^C" is echoed behind it
        self.assertIn("\x1b[J", terminal.text)
        self.assertIn("\x1b[32m✓", terminal.text)
        seen = screen(terminal.text)
        self.assertNotRegex(seen, "[⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏]")
        self.assertRegex(seen, r"(?m)^  ✓  1  sleep 0\.7 +\d+ms$")
        self.assertRegex(seen, r"(?m)^✗ failed  b failed +.*exit 1$")
        self.assertTrue(all(len(line) <= 80 for line in seen.splitlines()), seen)

    def test_a_terminal_that_becomes_narrower(self):
        word = "a" * 90
        repo = self.job(flow(shell("a")), a=f"until [ -e {self.shared}/go ]; do : {word}; sleep 0.1; done\n")
        terminal = self.terminal("run", repo)
        terminal.read("…")
        terminal.resize(50)
        terminal.read(re.compile(r"\r\x1b\[J  (?:\x1b\[[0-9;]*m)?[⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏](?:\x1b\[[0-9;]*m|[^\r\x1b]){,60}\r"))  # 47 columns and spare
        (self.shared / "go").touch()
        self.assertEqual(terminal.wait(), 0)

    def test_terminals_that_can_do_less(self):
        repo = self.job(flow(shell("a")), a="sleep 0.3\n")
        for env, color, sign, drawn in (({"NO_COLOR": "1"}, False, "✓", True), ({"TERM": "dumb"}, False, "✓", False),
                                        ({"LANG": "C"}, True, "ok", True), ({"CI": "true"}, True, "✓", False)):
            terminal = self.terminal("run", repo, **env)
            self.assertEqual(terminal.wait(), 0)
            self.assertEqual("\x1b[32m" in terminal.text, color, env)
            self.assertEqual("\x1b[J" in terminal.text, drawn, env)
            self.assertIn(sign, terminal.text)
        plain = self.ama("run", repo, "--report", "code", "--color", "always")
        self.assertIn("\x1b[32m", plain.stdout)
        self.assertNotIn("\x1b[J", plain.stdout)

    def test_ctrl_c_on_a_terminal(self):
        repo = self.job(flow(shell("a")), a="trap '' TERM INT\necho up\nsleep 600\n")
        terminal = self.terminal("run", repo)
        terminal.read("up")
        terminal.type("\x03")
        terminal.read("cancelling the run")
        terminal.type("\x03")
        self.assertEqual(terminal.wait(), 130)
        seen = screen(terminal.text)
        self.assertIn("killing the run", seen)
        self.assertRegex(seen, r"(?m)^■ cancelled")
        self.assertEqual(self.processes(), [])

    def test_ctrl_c_detaches_an_attach_and_a_submit_that_is_told_so(self):
        self.amad()
        repo = self.job(flow(shell("a")), a="echo up\nsleep 600\n")
        kept = self.start("--repo", repo, "--keep-running", "--report-format", "ndjson", program="ama-submit")
        self.wait_for_line(kept, '"text":"up')
        watcher = self.start("attach", "@latest", "--report-format", "ndjson")
        self.wait_for_line(watcher, '"text":"up')
        for process in (kept, watcher):
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=30)
            self.assertEqual(process.returncode, 130)
        self.assertEqual(json.loads(self.ama("show", "@latest", "-o", "json").stdout)["state"], "running")
        followed = self.start("attach", "@latest", "--report-format", "ndjson")
        self.wait_for_line(followed, '"text":"up')
        submit = self.start("--repo", repo, "--report-format", "ndjson", program="ama-submit")
        self.wait_for_line(submit, '"type":"run.accepted"')
        submit.send_signal(signal.SIGTERM)
        tail, err = submit.communicate(timeout=30)
        self.assertEqual(submit.returncode, 143, err)
        self.assertIn('"state":"cancelled"', tail)
        self.ama("cancel", json.loads(self.ama("list", "-o", "json").stdout)["runs"][1]["run"])
        followed.communicate(timeout=30)
        self.assertEqual(followed.returncode, 4)

    def test_submit_waits_for_an_amad_that_restarts(self):
        daemon = self.amad()
        repo = self.job(flow(shell("a")), a="true\n")
        daemon.send_signal(signal.SIGSTOP)
        submit = self.start("--repo", repo, "--report-format", "ndjson", program="ama-submit")
        time.sleep(0.3)
        daemon.send_signal(signal.SIGCONT)
        out, err = submit.communicate(timeout=60)
        self.assertEqual(submit.returncode, 0, err)
        self.checked(out)

    def test_progress_is_for_those_who_ask(self):
        repo = self.job(flow(shell("a")), a="true\n")
        told = self.ama("run", repo, "--report-format", "ndjson", "--progress").stdout
        self.assertIn('{"v":1,"type":"caught-up"}', told)
        numbered = [l for l in told.splitlines() if '"seq":' in l]
        self.checked("\n".join(numbered))

    def test_the_old_script_takes_what_it_took(self):
        script = pathlib.Path(SOURCE) / "scripts/ama-start.sh"
        repo = self.job(flow(shell("a")), "a name with blanks; echo $(id)", a="echo \"$AMA_ENV $AMA_JOB\"\n")

        def start(*args):
            return subprocess.run([script, *args], env=self.env, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)

        done = start(f"-r={repo}", "-e=dev", "-n=named here", "-i=code", "--default", "--whatever=1", "-p=secret")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("===> job named here ended: succeeded", done.stdout)
        self.assertIn("--whatever=1", done.stderr)
        self.assertNotIn("secret", done.stdout + done.stderr)
        self.assertEqual(start(f"--repo={repo}").stdout, "")
        self.assertEqual(start().returncode, 2)
        self.assertEqual(start(f"--repo={repo}", "--report=loud").returncode, 2)
        self.assertEqual(start("--repo=/nonexistent").returncode, 2)
        repo.write({"src/a.sh": "exit 1\n"})  # not committed: the old scripts take what is
        self.assertEqual(start(f"--repo={repo}").returncode, 0)


if __name__ == "__main__":
    unittest.main()
