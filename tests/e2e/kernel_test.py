"""Actions of any installed kernel: what is told of each statement, how they end, and that nothing of them is left."""
import functools
import json
import os
import pathlib
import shutil
import signal
import subprocess
import time
import unittest

from house import SOURCE, cache_folder
from kernel_house import KernelHouse


@functools.cache
def tools():
    """An environment with kernels that we do not ship."""
    return pathlib.Path(subprocess.run([SOURCE / "tests/tools/kernels.sh", f"{cache_folder()}/amaterasu"], check=True, capture_output=True, text=True).stdout.strip())


@functools.cache
def python():
    """The Python of the environment of actions, which has ZeroMQ and Jupyter's own client."""
    script = SOURCE / "agent/runners/python/install.sh"
    said = subprocess.run([script, f"{cache_folder()}/amaterasu"], check=True, capture_output=True, text=True).stdout
    return next(line[5:] for line in said.splitlines() if line.startswith("exec="))


def kernel(name, file, **more):
    return {"name": file.split(".")[0], "runner": {"type": "kernel", "name": name}, "file": file, "retry": {"attempts": 1}, **more}


class Stock(KernelHouse):
    """ipykernel as it is, over iopub."""

    def test_cell_by_cell(self):
        repo = self.job({"a.py": "# %% first\nimport os\nprint('é')\nx = 3\n\n# %%\nx * 14\n\n#%%\n\ndef f(n):\n    return n / 0\n# %%\nprint('so far')\nf(x)\n# %%\nprint('never')\n"},
                        [kernel("python3", "a.py")])
        events = self.run_events(repo, exit=1)
        self.assertEqual(self.story(events), [("stdout", "é"), (2, "ok", ""), (7, "ok", "42"), (11, "ok", ""), ("stdout", "so far"), (14, "error", "")])
        bad = events.one("statement.ended", status="error")
        self.assertEqual((bad["error"]["name"], bad["error"]["message"]), ("ZeroDivisionError", "division by zero"))
        self.assertEqual([(f["file"], f["line"]) for f in bad["error"]["frames"]], [("src/a.py", 12), ("src/a.py", 15)])
        end = events.one("attempt.ended")
        self.assertEqual((end["state"], end["cause"], end["file"], end["line"]), ("failed", "error", "src/a.py", 12))
        self.assertEqual(self.processes(), [])

    def test_input_is_refused_with_its_line(self):
        events = self.run_events(self.job({"a.py": "x = 1\n\ny = input('Name? ')\n"}, [kernel("python3", "a.py")]), exit=1)
        end = events.one("attempt.ended")
        self.assertEqual((end["error"]["name"], end["file"], end["line"]), ("StdinNotImplementedError", "src/a.py", 3))

    def test_what_it_finds_and_what_its_programs_say(self):
        events = self.run_events(self.job({"a.py": "import os\nprint(os.environ['AMA_ACTION'], os.environ['AMA_CONF_LIMIT'], os.getcwd() == os.environ['HOME'])\nos.system('echo child')"},
                                          [kernel("python3", "a.py")], configuration={"limit": 7}))
        self.assertEqual([e["text"] for e in events.find("output")], ["a 7 True", "child"])


    def test_the_death_of_the_agent_ends_it(self):
        """What it says on iopub nobody hears then: it does not outlive its agent; that it was lost is told, and what it was doing is over."""
        repo = self.job({"a.py": "import time\nprint('up', flush=True)\ntime.sleep(600)\n"}, [kernel("python3", "a.py")])
        self.amad()
        run = self.ama("--repo", repo, "--detach", program="ama-submit").stdout.strip()
        following = self.start("attach", run, "--report-format", "ndjson")
        head = self.wait_for_line(following, '"text":"up"')
        [agent] = [p for p, command in self.processes() if command.split(" ")[0].endswith("/ama-agent")]
        os.kill(agent, signal.SIGKILL)
        head += self.wait_for_line(following, '"type":"attempt.ended"')
        self.ama("cancel", run)     # it would begin again
        tail, _ = self.finish(following)
        self.assertEqual(self.checked(head + tail).find("attempt.ended")[0]["state"], "lost")
        self.assertEqual([line for _, line in self.processes() if "ipykernel" in line], [])


class Community(KernelHouse):
    """Kernels that nobody here made: an installed kernelspec, and a runner.yml of the repository."""

    def setUp(self):
        super().setUp()
        self.env["JUPYTER_PATH"] = str(tools() / "share/jupyter")
        self.open_to_actions(self.shared, "/dev/ptmx", "/dev/pts")      # bash_kernel talks to bash over a terminal

    def test_the_example(self):
        shutil.copytree(SOURCE / "examples/any-kernel", self.folder / "job")
        events = self.run_events(self.folder / "job")
        self.assertEqual([e["text"] for e in events.find("output")], ["hello Linux", "3"])
        self.assertEqual([(e["file"], e["line"]) for e in events.find("statement.ended")],
                         [("src/greet.cells.sh", 2), ("src/greet.cells.sh", 5), ("src/count.sh", 2), ("src/count.sh", 4)])
        plan = json.loads(self.ama("plan", self.folder / "job", "-o", "json").stdout)
        self.assertEqual([action["runner"] for action in plan["actions"]], [{"group": "kernel", "type": "bash-kernel"}] * 2)
        self.assertEqual(self.processes(), [])

    def test_a_command_that_fails(self):
        events = self.run_events(self.job({"a.sh": "echo one\n# %%\nfalse\n# %%\necho never\n"}, [kernel("bash", "a.sh")]), exit=1)
        self.assertEqual(self.story(events), [("stdout", "one"), (1, "ok", ""), (3, "error", "")])
        self.assertEqual(events.one("attempt.ended")["line"], 3)

    def test_ways_to_split_and_the_line_of_an_error(self):
        for number, (split, text, told) in enumerate((
                ("whole", "print(1)\n# %%\nprint(2)\n", [1]), ("blank", "print(1)\n\nprint(2)\nprint(3)\n", [1, 3]), ({"at": "^#!"}, "print(1)\n#! x\nprint(2)\n", [1, 2]))):
            with self.subTest(split):
                repo = self.job({"a.mine": text}, [{"name": "a", "file": "a.mine"}], name=f"job{number}")
                repo.commit({"runners/mine/runner.yml": json.dumps({"types": "mine", "files": ".mine", "kernel": "python3", "split": split})}, "runner")
                self.assertEqual([e["line"] for e in self.run_events(repo).find("statement.ended")], told)

    def test_it_is_found_as_a_plan_shows_it(self):
        repo = self.job({"a.x": "1 + 1"}, [{"name": "a", "runner": {"group": "kernel", "type": "Mine"}, "file": "a.x"}])
        repo.commit({"runners/mine/runner.yml": json.dumps({"types": ["mine"], "kernel": "python3"})}, "runner")
        self.assertEqual(self.run_events(repo).one("statement.ended")["value"], "2")

    def test_init_code_that_fails(self):
        repo = self.job({"a.mine": "print(1)\n"}, [{"name": "a", "file": "a.mine", "retry": {"attempts": 1}}])
        repo.commit({"runners/mine/runner.yml": json.dumps({"types": "mine", "files": ".mine", "kernel": "python3", "init": "import nothing_of_the_kind"})}, "runner")
        end = self.run_events(repo, exit=5).one("attempt.ended")
        self.assertEqual((end["state"], end["error"]["name"]), ("errored", "init"))
        self.assertIn("nothing_of_the_kind", end["error"]["message"])

    def test_an_unknown_type_is_refused_with_those_that_are_known(self):
        repo = self.job({"a.x": "x"}, [{"name": "a", "runner": {"type": "mime"}, "file": "a.x"}])
        repo.commit({"runners/mine/runner.yml": json.dumps({"types": ["mine", "ours"], "kernel": "python3"})}, "runner")
        done = self.ama("validate", repo)
        self.assertEqual(done.returncode, 2)
        self.assertRegex(done.stdout + done.stderr, "maki.yml:1:.*unknown runner ‘mime’ .*known: spark-scala .* kernel mine ours")

    @unittest.skipUnless(os.path.exists("/usr/share/jupyter/kernels/ir") or os.path.exists("/usr/local/share/jupyter/kernels/ir"), "IRkernel is not installed")
    def test_r(self):
        repo = self.job({"a.R": "x <- c(1, 2, 3)\nprint(mean(x))\nsystem('echo program')\n# %%\nsum(x)\n# %%\nmessage('e')\nstop('why')\n"}, [kernel("ir", "a.R")])
        events = self.run_events(repo, exit=1)
        self.assertEqual([(e["stream"], e["text"]) for e in events.find("output")][:2], [("stdout", "[1] 2"), ("stdout", "program")])
        self.assertEqual([(e["line"], e["status"]) for e in events.find("statement.ended")], [(1, "ok"), (5, "ok"), (7, "error")])
        self.assertIn("why", events.one("attempt.ended")["error"]["message"])
        self.assertEqual(self.processes(), [])


class Misbehaving(KernelHouse):
    """Each duty of a robust client, by a kernel that does what it should not."""

    def setUp(self):
        super().setUp()
        for mode in ("", "late", "deaf", "crash", "mute", "message"):
            folder = self.folder / "home/.local/share/jupyter/kernels" / (f"fake-{mode}" if mode else "fake")
            folder.mkdir(parents=True)
            (folder / "fake_kernel.py").write_text((SOURCE / "tests/tools/fake_kernel.py").read_text())
            spec = {"argv": [python(), "{resource_dir}/fake_kernel.py", "{connection_file}", mode], "display_name": "Fake", "language": "fake",
                    "env": {"OF_THE_SPEC": "yes"}, "interrupt_mode": "message" if mode == "message" else "signal"}
            (folder / "kernel.json").write_text(json.dumps(spec))

    def fake(self, text, mode="", exit=0, within=None, **more):
        repo = self.job({"a.txt": text}, [kernel(f"fake-{mode}" if mode else "fake", "a.txt", **more)])
        begun = time.monotonic()
        events = self.run_events(repo, exit=exit)
        if within:
            self.assertLess(time.monotonic() - begun, within)
        self.assertEqual(self.processes(), [])
        return events

    # ---- the beginning

    def test_nothing_runs_before_iopub_is_heard(self):
        events = self.fake("say first word\n", "late")
        self.assertEqual(self.story(events), [("stdout", "first word"), (1, "ok", "")])

    def test_a_kernel_whose_iopub_is_never_heard(self):
        end = self.fake("say x\n", "deaf", exit=5).one("attempt.ended")
        self.assertEqual((end["state"], end["error"]["name"]), ("errored", "kernel"))
        self.assertIn("iopub", end["error"]["message"])

    def test_a_kernel_that_dies_before_it_answers_shows_why(self):
        events = self.fake("say x\n", "crash", exit=5, within=10)
        self.assertEqual(events.said().removesuffix("\n"), "the library it needs is missing")
        self.assertEqual(events.one("attempt.ended")["error"]["message"], "fake-crash ended with exit code 3 before the first statement")

    def test_a_kernel_that_never_answers_is_ended_by_the_timeout(self):
        end = self.fake("say x\n", "mute", exit=1, within=15, timeout="1s").one("attempt.ended")
        self.assertEqual((end["state"], end["cause"]), ("timed_out", "timeout"))

    def test_one_that_is_not_installed(self):
        repo = self.job({"a.txt": "x\n"}, [kernel("nowhere", "a.txt")])
        end = self.run_events(repo, exit=5).one("attempt.ended")
        self.assertEqual(end["cause"], "dependency")
        self.assertRegex(end["error"]["message"], "^no kernel nowhere is installed; there are: .*fake")

    # ---- what it says

    def test_only_what_belongs_to_the_statement_counts(self):
        events = self.fake("foreign\nforge\nsay mine\nvalue 1\n# %%\nsay next\n")
        self.assertEqual(self.story(events), [("stdout", "mine"), (1, "ok", "1"), ("stdout", "next"), (6, "ok", "")])

    def test_messages_that_nobody_knows_or_that_are_broken(self):
        events = self.fake("strange\nsay still here\n")
        self.assertEqual(self.story(events), [("stdout", "still here"), (1, "ok", "")])

    def test_a_reply_before_the_output(self):
        events = self.fake("early\nsay late word\n# %%\nsay next\n")
        self.assertEqual(self.story(events), [("stdout", "late word"), (1, "ok", ""), ("stdout", "next"), (4, "ok", "")])

    def test_an_idle_that_never_comes(self):
        events = self.fake("say word\nnoidle\n# %%\nsay next\n", within=20)
        self.assertEqual(self.story(events), [("stdout", "word"), (1, "ok", ""), ("stdout", "next"), (4, "ok", "")])
        self.assertIn("some of its output may be missing", events.one("warning")["text"])

    def test_a_reply_that_never_comes(self):
        end = self.fake("noreply\n", exit=5, within=20).one("attempt.ended")
        self.assertEqual((end["state"], end["error"]["message"]), ("errored", "it says that it is idle, and did not answer"))

    def test_rich_display_and_errors_are_plain_text(self):
        events = self.fake("show\nvalue ^[32mgreen^[0m\n# %%\nsay so far\nfail ^]0;t^\\why\n", exit=1)
        self.assertEqual(self.story(events), [("stdout", "<Figure>"), (1, "ok", "green"), ("stdout", "so far"), (4, "error", "")])
        self.assertEqual(events.one("statement.ended", status="error")["error"]["message"], "why")

    def test_standard_input_is_refused(self):
        events = self.fake("say x\n# %%\nask Name?\n", exit=1, within=10)
        bad = events.one("statement.ended", status="error")
        self.assertEqual((bad["line"], bad["error"]["name"]), (3, "StdinNotImplementedError"))
        self.assertEqual(bad["error"]["message"], "it asks for input: Name?, and an action has no standard input")
        self.assertEqual(events.one("attempt.ended")["line"], 3)

    def test_over_loopback(self):
        repo = self.job({"a.txt": "say over tcp\nvalue 1\n"}, [{"name": "a", "runner": {"type": "fake-tcp"}, "file": "a.txt"}])
        repo.commit({"runners/x/runner.yml": json.dumps({"types": "fake-tcp", "kernel": "fake", "transport": "tcp"})}, "runner")
        self.assertEqual(self.story(self.run_events(repo)), [("stdout", "over tcp"), (1, "ok", "1")])

    # ---- how it ends

    def test_a_flood_ends_and_is_told_truly(self):
        events = self.fake("flood 20000\n# %%\nsay next\n")
        self.assertEqual([e["status"] for e in events.find("statement.ended")], ["ok", "ok"])
        shown = [e["text"].split()[0] for e in events.find("output")]
        missing = 20001 - len(shown)
        told = [e for e in events if e["type"] == "gap" or e["type"] == "warning"]
        self.assertTrue(missing == 0 or told, f"{missing} lines are missing, and nobody says so")
        self.assertIn("0", shown)       # "next" may be among what was dropped

    def test_a_message_that_is_too_long(self):
        events = self.fake("huge\n# %%\nsay next\n", within=30)
        self.assertEqual([e["status"] for e in events.find("statement.ended")], ["ok", "ok"])
        self.assertTrue(events.find("warning"))

    def test_killed_in_a_statement(self):
        events = self.fake("say a\n# %%\ndie 9\n", exit=1, within=8)
        self.assertEqual(self.story(events), [("stdout", "a"), (1, "ok", ""), ("stdout", "last words"), (3, "error", "")])
        end = events.one("attempt.ended")
        self.assertEqual((end["state"], end["cause"], end["error"]["message"]), ("failed", "killed", "fake was ended by SIGKILL"))
        bad = events.one("statement.ended", status="error")
        self.assertLess(bad["ms"], 2000)

    def test_ended_in_a_statement(self):
        end = self.fake("exit 4\n", exit=1, within=8).one("attempt.ended")
        self.assertEqual((end["state"], end["error"]["message"]), ("failed", "fake ended with exit code 4 in the middle of a statement"))

    def test_interrupted_by_signal_and_by_message(self):
        for mode in ("", "message"):
            with self.subTest(mode):
                repo = self.job({"a.txt": "wait\n"}, [kernel(f"fake-{mode}" if mode else "fake", "a.txt", timeout="4s")], name=f"job-{mode}")
                events = self.run_events(repo, exit=1)
                end = events.one("attempt.ended")
                self.assertEqual(events.said().removesuffix("\n"), "waiting")
                self.assertLess(end["ms"], 5900, "it was killed after the grace, not interrupted")
                self.assertEqual((end["state"], end["cause"]), ("timed_out", "timeout"))
                self.assertEqual(self.processes(), [])

    def test_the_heartbeat_counts_only_where_it_goes_on_during_work(self):
        alone = {"depends-on": []}
        repo = self.job({"dead.txt": "beat 17\n", "busy.txt": "nap 80\nsay done\n"}, [kernel("fake", "dead.txt", **alone), kernel("fake", "busy.txt", **alone)])
        events = self.run_events(repo, exit=5)
        end = events.one("attempt.ended", action="dead")
        self.assertEqual((end["state"], end["cause"], end["error"]["message"]), ("errored", "killed", "fake did not react any more, and was killed"))
        self.assertEqual(events.said().removesuffix("\n"), "done")
        self.assertEqual(events.one("attempt.ended", action="busy")["state"], "succeeded")

    def test_a_hanging_kernel_is_killed_after_the_grace(self):
        end = self.fake("hang\n", exit=1, within=10, timeout="1s").one("attempt.ended")
        self.assertEqual((end["state"], end["cause"]), ("timed_out", "timeout"))


if __name__ == "__main__":
    unittest.main()
