"""Python actions: what is reported of each statement, what they find, how they end, and that nothing of them is left."""
import os
import signal
import time
import unittest

from canary import Canaries
from kernel_house import KernelHouse

CANARIES = Canaries(token="canary-python 1+/&\"<\\é~")


def python(name, **more):
    return {"name": name, "runner": {"group": "python", "type": "python"}, "file": f"{name}.py", "retry": {"attempts": 1}, **more}


class Python(KernelHouse):
    def job(self, sources, actions=None, name="job", **env):
        flow = actions or [python(file[:-3]) for file in sources if "/" not in file]
        return super().job(sources, flow, name, **env)

    def of_kernel(self):
        """(pid, command line) of the kernels."""
        return [p for p in self.processes() if "runners/python/main.py" in p[1] and "install.sh" not in p[1]]

    # ---- what is told

    def test_statement_by_statement(self):
        repo = self.job({"a.py": '"""Doc."""\nimport sys, subprocess\nprint("hé", end="")\nx = 3; y = 4\n'
                                 '@staticmethod\ndef f(n):\n    return n\n\nprint("e", file=sys.stderr)\n'
                                 'r = subprocess.run(["sh", "-c", "echo child; echo complaint >&2"])\nx * y\nNone\n__doc__\n'})
        events = self.run_events(repo)
        story = self.story(events)
        at = story.index((9, "ok", "")) + 1
        story[at:at + 2] = sorted(story[at:at + 2])     # of a program's two pipes
        self.assertEqual(story, [
            (2, "ok", ""), ("stdout", "hé"), (3, "ok", ""), (4, "ok", ""), (4, "ok", ""), (5, "ok", ""), ("stderr", "e"), (9, "ok", ""),
            ("stderr", "complaint"), ("stdout", "child"), (10, "ok", ""), (11, "ok", "12"), (12, "ok", ""), (13, "ok", "'Doc.'")])
        started = events.one("statement.started", line=5)
        self.assertEqual((started["file"], started["end_line"], started["text"]), ("src/a.py", 7, "@staticmethod\ndef f(n):\n    return n"))
        self.assertEqual(self.processes(), [])

    def test_the_users_line_inside_functions_and_modules(self):
        repo = self.job({"a.py": "import other\ndef f(n):\n    m = n\n    return other.divide(m)\n\nf(1)\nprint('never')\n",
                         "lib/other.py": "", "other.py": "def divide(n):\n    return n / 0\n"}, [python("a")])
        events = self.run_events(repo, exit=1)
        bad = events.one("statement.ended", status="error")
        self.assertEqual((bad["line"], bad["error"]["name"], bad["error"]["message"]), (6, "ZeroDivisionError", "division by zero"))
        self.assertEqual([(f["file"], f["line"]) for f in bad["error"]["frames"]], [("src/other.py", 2), ("src/a.py", 4), ("src/a.py", 6)])
        end = events.one("attempt.ended")
        self.assertEqual((end["state"], end["cause"], end["file"], end["line"]), ("failed", "error", "src/other.py", 2))
        self.assertEqual(events.find("output"), [])

    def test_a_syntax_error_runs_nothing_and_is_not_tried_again(self):
        for number, (text, line) in enumerate((("print('ran')\nx = = 1\n", 2), ("print('ran')\n\nreturn 3\n", 3))):
            repo = self.job({"a.py": text}, [python("a", retry={"attempts": 3})], name=f"job{number}")
            events = self.run_events(repo, exit=1)
            self.assertEqual(len(events.find("attempt.started")), 1)
            end = events.one("attempt.ended")
            self.assertEqual((end["cause"], end["file"], end["line"]), ("syntax", "src/a.py", line))
            self.assertEqual(events.find("output"), [])

    def test_what_it_finds(self):
        repo = self.job({"a.py": 'import json, os, sys\nc = env.configuration\nprint(c["limit"], c["on"], c["list"], env.name, env.outputRootPath == env.output_root_path)\n'
                                 'print(os.environ["AMA_CONF_LIMIT"], os.environ["AMA_ACTION"], os.environ["AMA_ATTEMPT"], sorted(os.listdir("."))[-3:])\n'
                                 'print(json.load(open(os.environ["AMA_ENV_JSON"]))["name"], "SECRET_OF_THE_DAEMON" in os.environ, os.getcwd() == os.environ["HOME"])\n'
                                 'print(__name__, __file__ == os.environ["AMA_REPO"] + "/src/a.py", sys.argv[0] == __file__)\n'
                                 'import subprocess\nprint(subprocess.run(["sh", "-c", "ls /proc/self/fd | wc -l; cat"], capture_output=True, text=True).stdout.strip())\n'
                                 'print(subprocess.run(["python3", "-c", "import sys; print(sys.prefix != sys.base_prefix)"], capture_output=True, text=True).stdout.strip())\n'},
                        configuration={"limit": 7, "on": True, "list": [1, "b"]})
        events = self.run_events(repo, env={"SECRET_OF_THE_DAEMON": "x"})
        self.assertEqual(events.lines(), [
            "7 True [1, 'b'] default True", "7 a 1 ['env.yaml', 'runtime.yaml', 'tmp']", "default False True", "__main__ True True", "4", "True"])

    def test_exit_codes(self):
        for number, (code, exit, end) in enumerate((("sys.exit(0)", 0, "succeeded"), ("exit()", 0, "succeeded"), ("sys.exit(3)", 1, "failed"), ("sys.exit('why')", 1, "failed"),
                                                    ("os._exit(5)", 1, "failed"), ("os._exit(0)", 1, "failed"))):
            repo = self.job({"a.py": f"import os, sys\n{code}\nprint('never')\n"}, name=f"job{number}")
            events = self.run_events(repo, exit=exit)
            self.assertEqual(events.one("attempt.ended")["state"], end, code)
            self.assertEqual([e["text"] for e in events.find("output")], ["why"] if "why" in code else [], code)
            if "_exit" in code:
                self.assertIn("in the middle of a statement", events.one("statement.ended", status="error")["error"]["message"])

    def test_standard_input_is_refused(self):
        events = self.run_events(self.job({"a.py": "input('name? ')\n"}), exit=1)
        error = events.one("statement.ended", status="error")["error"]
        self.assertIn("input", error["message"])

    def test_a_flood_arrives_whole(self):
        repo = self.job({"a.py": "for n in range(200000):\n    print(n)\n"
                                 "import os, subprocess\nfor n in range(10):\n    os.write(1, b'x' * 99999 + b'\\n')\nsubprocess.run(['sh', '-c', 'seq 100000'])\nprint('é' * 100000)\n"})
        events = self.run_events(repo)
        text = events.said(stream="stdout")
        want = "".join(f"{n}\n" for n in range(200000)) + ("x" * 99999 + "\n") * 10 + "".join(f"{n}\n" for n in range(1, 100001)) + "é" * 100000 + "\n"
        self.assertEqual(text == want, True, f"{len(text)} of {len(want)} characters")

    def test_forks_and_threads_are_heard(self):
        events = self.run_events(self.job({"a.py": "import multiprocessing, threading\n"
                                                   "p = multiprocessing.get_context('fork').Process(target=print, args=('from a fork',)); p.start(); p.join()\n"
                                                   "t = threading.Thread(target=print, args=('from a thread',)); t.start(); t.join()\n"
                                                   "import atexit\na = atexit.register(print, 'at the end')\n"}))
        text = events.said()
        self.assertEqual(text, "from a fork\nfrom a thread\nat the end\n")

    # ---- how it is ended

    def begun(self, source, **action):
        """A run whose action has printed a line."""
        repo = self.job({"a.py": source}, [python("a", **action)])
        run = self.start("run", repo, "--report-format", "ndjson")
        return run, self.wait_for_line(run, '"text":"up"')

    def ended(self, run, head):
        begun = time.monotonic()
        tail, _ = self.finish(run, 60)
        events = self.checked(head + tail)
        self.assertEqual(self.processes(), [])
        return events, time.monotonic() - begun

    def test_cancel_interrupts_the_statement(self):
        run, head = self.begun("import time\nprint('up', flush=True)\ntry:\n    time.sleep(600)\nfinally:\n    print('cleaned')\n")
        run.send_signal(signal.SIGINT)
        events, took = self.ended(run, head)
        self.assertEqual((events[-1]["state"], events.one("attempt.ended")["state"]), ("cancelled", "cancelled"))
        self.assertEqual(events.find("output")[-1]["text"], "cleaned")
        self.assertLess(took, 10)

    def test_who_does_not_want_to_end_is_killed(self):
        run, head = self.begun("import time\nprint('up', flush=True)\nwhile True:\n    try:\n        time.sleep(1)\n    except BaseException:\n        pass\n")
        run.send_signal(signal.SIGINT)
        events, took = self.ended(run, head)
        self.assertEqual(events.one("attempt.ended")["state"], "cancelled")
        self.assertLess(took, 15)

    def test_timeout(self):
        repo = self.job({"a.py": "import time\ntime.sleep(600)\n"}, [python("a", timeout="8s")])
        events = self.run_events(repo, exit=1)
        end = events.one("attempt.ended")
        self.assertEqual((end["state"], end["cause"]), ("timed_out", "timeout"))
        self.assertEqual(events.one("statement.ended", status="error")["error"]["name"], "timeout")

    def test_a_killed_kernel_is_told_at_once_and_tried_again(self):
        run, head = self.begun("import os, time\nprint('up', flush=True)\nif os.environ['AMA_ATTEMPT'] == '1':\n    time.sleep(600)\nprint('done')\n",
                               retry={"attempts": 2, "delay": "0s"})
        [(pid, _)] = self.of_kernel()
        os.kill(pid, signal.SIGKILL)
        killed = time.monotonic()
        head += self.wait_for_line(run, '"type":"attempt.ended"')
        self.assertLess(time.monotonic() - killed, 2)
        events, _ = self.ended(run, head)
        first = events.one("attempt.ended", attempt=1)
        self.assertEqual((first["state"], first["cause"]), ("failed", "killed"))
        bad = events.one("statement.ended", status="error")
        self.assertEqual((bad["line"], bad["error"]["message"]), (3, "python was ended by SIGKILL"))
        self.assertEqual(events.one("attempt.ended", attempt=2)["state"], "succeeded")

    def test_a_crash_names_its_line(self):
        events = self.run_events(self.job({"a.py": "import ctypes\nprint('before')\nctypes.string_at(0)\n"}), exit=1)
        self.assertEqual(events.one("statement.ended", status="error")["error"]["message"], "python was ended by SIGSEGV")
        self.assertIn('File "src/a.py", line 3', events.said(stream="stderr"))

    def test_a_process_that_it_leaves_is_ended(self):
        events = self.run_events(self.job({"a.py": "import subprocess\np = subprocess.Popen(['sleep', '600'], start_new_session=True)\n"}))
        self.assertEqual(events[-1]["state"], "succeeded")
        self.assertEqual(self.processes(), [])

    def test_its_error_action(self):
        action = python("a", error=python("b"))
        events = self.run_events(self.job({"a.py": "1 / 0\n", "b.py": "print('rescued')\n"}, [action]), exit=3)
        self.assertEqual(events.one("output", action="b")["text"], "rescued")

    # ---- secrets and the sandbox

    def test_secrets_are_there_and_masked(self):
        at = self.data / "secrets/default/token"
        at.parent.mkdir(parents=True)
        at.write_text(CANARIES["token"])
        for path, mode in ((self.data, 0o700), (at.parent.parent, 0o700), (at.parent, 0o700), (at, 0o600)):
            path.chmod(mode)
        repo = self.job({"a.py": "import os\nt = env.configuration['token']\nprint(t == os.environ['AMA_CONF_TOKEN'], len(t))\nprint(t)\nt\nos.write(1, (t + '\\n').encode())\n"
                                 "raise ValueError('refused for ' + t)\n"}, configuration={"token": "secret://token"})
        done = self.ama("run", repo, "--report-format", "ndjson")
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        self.assertIn(f"True {len(CANARIES['token'])}", done.stdout)
        self.assertEqual(CANARIES.within(done.stdout.encode() + done.stderr.encode()), [])
        self.assertEqual(CANARIES.in_files(self.folder, self.data / "secrets"), [])

    def test_the_sandbox_holds(self):
        outside = self.folder / "outside"
        events = self.run_events(self.job({"a.py": f"open('own', 'w').write('x')\nopen('{self.folder}/out/there', 'w').write('x')\nopen('{outside}', 'w')\n"}), exit=1)
        self.assertEqual(events.one("statement.ended", status="error")["line"], 3)
        self.assertFalse(outside.exists())


if __name__ == "__main__":
    unittest.main()
