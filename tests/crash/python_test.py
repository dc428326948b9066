"""kill -9 of the agent under Python actions: their kernels go on, and the next agent knows all that they said."""
import json
import os
import pathlib
import random
import signal
import sys
import time
import unittest

TESTS = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TESTS / "e2e"), str(TESTS / "tools")]
from kernel_house import KernelHouse  # noqa: E402
from kills import KILLS, Kills  # noqa: E402
from secrets_test import CANARIES, SecretsHouse  # noqa: E402

def python(name, **more):
    return {"name": name, "runner": {"group": "python", "type": "python"}, "file": f"{name}.py", "retry": {"attempts": 1}, **more}


class Python(Kills, KernelHouse):
    def begun(self, code, **more):
        """A run whose action has printed "up", with its follower and what that has told."""
        if not self.daemons:
            self.amad()
        run = self.submit(self.job({"a.py": code}, [python("a", **more)], name=f"job{len(more)}"))
        follower = self.start("attach", run, "--report-format", "ndjson")
        return run, follower, self.wait_for_line(follower, '"text":"up"')

    def ended(self, follower, head):
        tail, err = self.finish(follower, 60)
        events = self.checked(head + tail)
        return events, events.one("attempt.ended"), err

    def test_a_kernel_outlives_its_agents(self):
        code = self.helpers() + "".join(f"step({i})\n" for i in range(KILLS)) + "print('over', file=sys.stderr)\n"
        daemon = self.amad()
        run = self.submit(self.job({"a.py": code, "b.py": "print('after')\n"}, [python("a"), python("b")]))
        events = self.kills(run, daemon, KILLS)
        self.check_steps(events, "a", KILLS)
        self.assertEqual(events.said(action="a", stream="stderr"), "over\n")
        self.assertEqual([(e["action"], e["attempt"], e["state"]) for e in events.find("attempt.ended")], [("a", 1, "succeeded"), ("b", 1, "succeeded")])
        self.wait(lambda: not [p for p, line in self.processes() if "main.py" in line])

    def test_at_any_moment(self):
        """Also while a kernel is made, begins, has just ended: what had not begun yet may be lost and begin again, what was told as succeeded never does."""
        marks, names = self.shared / "marks", [f"a{i}" for i in range(6)]
        code = f"import os, time\nname = os.environ['AMA_ACTION']\nfor n in range(10):\n    print(name, n)\n    time.sleep(0.02)\n\nwith open({str(marks)!r}, 'a') as f: f.write(name + '\\n')\n"
        self.amad()
        run = self.submit(self.job({f"{n}.py": code for n in names}, [python(n, retry={"attempts": 50, "delay": "0s"}) for n in names]))
        follower = self.start("attach", run, "--report-format", "ndjson")
        for _ in range(2 * KILLS):
            time.sleep(random.random() * 0.8)
            self.kill_agent()
        text, err = self.finish(follower, 120)
        events = self.checked(text)
        self.assertEqual(follower.returncode, 0, err)
        good = [(e["action"], e["attempt"]) for e in events.find("attempt.ended", state="succeeded")]
        self.assertEqual([action for action, _ in good], names)
        for action, attempt in good:
            self.assertEqual([e["text"] for e in events.find("output", action=action, attempt=attempt)], [f"{action} {n}" for n in range(10)])
        ended = {e["state"] for e in events.find("attempt.ended")}
        self.assertLessEqual(ended, {"succeeded", "lost"})
        self.assertGreaterEqual(len(marks.read_text().split()), len(names))

    def test_an_agent_that_comes_back_ends_what_it_is_asked_to(self):
        code = "import time\nprint('up', flush=True)\nwhile True:\n    time.sleep(1)\n"
        for how, more in (("cancelled", {}), ("timed_out", {"timeout": "15s"})):
            with self.subTest(how):
                run, follower, head = self.begun(code, **more)
                self.another_agent(self.kill_agent())
                if not more:
                    self.ama("cancel", run)
                events, end, err = self.ended(follower, head)
                self.assertEqual(end["state"], how, err)
                self.assertEqual([e["status"] for e in events.find("statement.ended")], ["ok", "ok", "error"])
                self.wait(lambda: not [p for p, line in self.processes() if "main.py" in line])

    def test_a_kernel_that_dies_with_the_agent(self):
        _, follower, head = self.begun("import os, time\nprint('up', flush=True)\ntime.sleep(600)\n")
        [kernel] = [p for p, line in self.processes() if "main.py" in line]
        old = self.kill_agent()
        os.kill(kernel, signal.SIGKILL)
        self.another_agent(old)
        events, end, err = self.ended(follower, head)
        self.assertEqual((end["state"], end["cause"]), ("failed", "killed"), err)
        self.assertEqual(events.one("statement.ended", status="error")["error"]["message"], "python was ended by SIGKILL")

    def test_its_last_words_while_nobody_listens(self):
        go = self.shared / "go"
        _, follower, head = self.begun(f"import os, time\nprint('up', flush=True)\nwhile not os.path.exists({str(go)!r}): time.sleep(0.01)\n1 / 0\n")
        old = self.kill_agent()
        go.touch()
        self.another_agent(old)
        events, end, err = self.ended(follower, head)
        self.assertEqual((end["state"], end["cause"], end["line"]), ("failed", "error", 4), err)
        self.assertEqual(events.one("statement.ended", status="error")["error"]["name"], "ZeroDivisionError")


class Secret(Kills, SecretsHouse):
    def test_what_is_masked_outlives_the_agent(self):
        """Its own secrets are known to it still, are masked, and are on no disk."""
        code = self.helpers() + "import base64\n" + "".join(
            f"step({i})\nprint(os.environ['AMA_CONF_OWN'], base64.b64encode(env.configuration['own'].encode()).decode())\n" for i in range(3))
        repo = self.repo({"maki.yml": json.dumps({"job-name": "job", "flow": [python("a")]}), "env/dev/job.yml": f"name: dev\noutputRootPath: {self.folder}/out\n",
                          "src/a/env/dev/more.yml": "own: secret://own\n", "src/a.py": code})
        daemon = self.amad("--config", self.config)
        run = self.submit(repo, "--env", "dev")
        events = self.kills(run, daemon, 3, config=self.config)
        masked = [e["text"] for e in events.find("output", action="a") if "*" in e["text"]]
        self.assertEqual([text[:7] for text in masked], ["*** ***"] * 3, masked)
        self.assertEqual([e["state"] for e in events.find("attempt.ended")], ["succeeded"])
        self.assertEqual(CANARIES.within(json.dumps(list(events)).encode()), [])
        self.assertEqual(CANARIES.in_files(self.folder, *self.hidden()), [])


if __name__ == "__main__":
    unittest.main()
