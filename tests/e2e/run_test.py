"""`ama run` of shell jobs: outcome, exit code, report, retries, rescue, graph, time, cancel, environment, problems. No daemon, no Spark."""
import json
import os
import signal
import time
import unittest

from house import House


def flow(*actions, **top):
    return json.dumps({"job-name": "job", "flow": list(actions), **top})


def shell(name, **more):
    return {"name": name, "runner": {"group": "shell", "type": "bash"}, "file": f"{name}.sh", **more}


ENV = {"env/default/job.yml": "name: default\nconfiguration: { limit: 40, the-word: a b }\n",
       "env/dev/job.yml": "name: dev\noutputRootPath: /tmp/out of dev\n"}


class Run(House):
    def job(self, maki, **sources):
        return self.repo({"maki.yml": maki, **ENV, **{f"src/{n}.sh": t for n, t in sources.items()}})

    def test_two_actions_run_in_order(self):
        repo = self.job(flow(shell("one"), shell("two")), one="echo first\n", two="echo second\necho to stderr >&2\n")
        events = self.run_events(repo, "--env", "dev")
        self.assertEqual([e["action"] for e in events.find("action.ended", state="succeeded")], ["one", "two"])
        self.assertEqual([(e["text"].strip(), e["stream"]) for e in events.find("output")],
                         [("first", "stdout"), ("second", "stdout"), ("to stderr", "stderr")])
        ended = events.one("statement.ended", action="one")
        self.assertEqual((ended["file"], ended["line"], ended["status"]), ("src/one.sh", 1, "ok"))
        self.assertEqual(events[-1]["state"], "succeeded")
        self.assertEqual(events[-1]["exit"], 0)
        self.assertEqual(events.one("run.started")["commit"], repo.git("rev-parse", "HEAD"))
        self.assertEqual({e["job"] for e in events[1:]}, {"job"})
        self.assertEqual({e["env"] for e in events}, {"dev"})

    def test_bash_of_the_next_action_waits_for_its_turn(self):
        """It was started ahead: its first environment says so, and what the script finds does not."""
        ahead = "tr '\\0' '\\n' </proc/$$/environ | grep -c '^AMA_SHELL_GATE=' || true\necho \"$AMA_ACTION ${AMA_SHELL_GATE-unset}\"\n"
        repo = self.job(flow(shell("one"), shell("two"), shell("three")),
                        one="until [ -e ../../two/1/env.yaml ] && [ -e ../../three/1/env.yaml ]; do sleep 0.02; done\n", two=ahead, three=ahead)
        events = self.run_events(repo)
        self.assertEqual([e["text"].strip() for e in events.find("output")], ["1", "two unset", "1", "three unset"])

    def test_failure_stops_at_the_line_and_skips_what_depends_on_it(self):
        repo = self.job(flow(shell("one", retry={"attempts": 1}), shell("two")), one="true\nls /nonexistent\necho never\n", two="true\n")
        events = self.run_events(repo, exit=1)
        self.assertEqual(events.one("statement.ended", status="error")["line"], 2)
        self.assertEqual(events.one("action.ended", action="two")["state"], "skipped")
        self.assertEqual(events.find("attempt.started", action="two"), [])
        self.assertNotIn("never", [e["text"].strip() for e in events.find("output")])
        self.assertEqual(events[-1]["state"], "failed")

    def test_three_attempts_then_the_error_action_rescues(self):
        repo = self.job(
            flow(shell("load", error=shell("page")), shell("after")),
            load='echo try $AMA_ATTEMPT\nexit 7\n', page="echo paged\n", after="true\n")
        events = self.run_events(repo, exit=3)
        self.assertEqual([e["attempt"] for e in events.find("attempt.ended", action="load", state="failed")], [1, 2, 3])
        self.assertEqual([e["text"].strip() for e in events.find("output")], ["try 1", "try 2", "try 3", "paged"])
        self.assertEqual(events.one("attempt.started", action="page")["error_of"], "load")
        self.assertEqual(events.one("action.ended", action="after")["state"], "skipped")
        self.assertEqual((events[-1]["state"], events[-1]["exit"]), ("rescued", 3))
        self.assertEqual(self.ama("run", repo, "--rescued-ok").returncode, 0)

    def test_a_retry_that_succeeds_goes_on(self):
        repo = self.job(flow(shell("load"), shell("after")), load="[ $AMA_ATTEMPT = 3 ]\n", after="true\n")
        events = self.run_events(repo)
        self.assertEqual(len(events.find("attempt.started", action="load")), 3)
        self.assertEqual(events.one("action.ended", action="after")["state"], "succeeded")

    def test_retry_rules_by_exit_code(self):
        rules = {"attempts": 3, "rules": [{"on": {"exit": [3]}, "do": "fail"}]}
        repo = self.job(flow(shell("load", retry=rules)), load="exit 3\n")
        events = self.run_events(repo, exit=1)
        self.assertEqual(len(events.find("attempt.started")), 1)

    def test_branches_run_side_by_side(self):
        meet = "mkfifo {0} 2>/dev/null || true\n"
        place = self.shared / "meet"
        os.mkfifo(place)
        repo = self.job(
            flow(shell("root"), {**shell("left"), "depends-on": ["root"]}, {**shell("right"), "depends-on": ["root"]},
                 {**shell("join"), "depends-on": ["left", "right"]}),
            root="true\n", left=f"echo hello >{place}\n", right=f"cat {place}\n", join="true\n")
        del meet
        events = self.run_events(repo)
        self.assertEqual(events.find("output", action="right")[0]["text"].strip(), "hello")
        self.assertEqual(events.find("action.ended")[-1]["action"], "join")

    def test_timeout_of_an_action_leaves_nothing(self):
        repo = self.job(flow(shell("slow", timeout="300ms", retry={"attempts": 1})),
                        slow='trap "" TERM\n(setsid sleep 600 &)\nsleep 600\n')
        events = self.run_events(repo, exit=1)
        self.assertEqual(events.one("attempt.ended")["state"], "timed_out")
        self.assertEqual(self.processes(), [])

    def test_interrupt_cancels_and_leaves_nothing(self):
        repo = self.job(flow(shell("slow"), shell("after")), slow="echo up\nsleep 600\n", after="true\n")
        for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
            run = self.start("run", repo, "--report-format", "ndjson")
            head = self.wait_for_line(run, '"text":"up')
            run.send_signal(number)
            tail, err = self.finish(run, 30)
            events = self.checked(head + tail)
            self.assertEqual(events[-1]["state"], "cancelled", err)
            self.assertIn(run.returncode, (4, code))
            self.assertEqual(self.processes(), [])

    def test_killed_run_leaves_nothing(self):
        repo = self.job(flow(shell("slow")), slow="echo up\n(setsid sleep 600 &)\nsleep 600\n")
        run = self.start("run", repo, "--report-format", "ndjson")
        self.wait_for_line(run, '"text":"up')
        run.kill()
        self.finish(run, 30)
        deadline = time.monotonic() + 10
        while self.processes() and time.monotonic() < deadline:
            time.sleep(0.01)
        self.assertEqual(self.processes(), [])

    def test_what_a_script_finds(self):
        probe = "env | cut -d= -f1 | sort | tr '\\n' ' '\n"
        show = ('echo "$AMA_JOB|$AMA_ACTION|$AMA_ATTEMPT|$AMA_ENV|$AMA_OUTPUT_ROOT|$AMA_MASTER|$AMA_CONF_LIMIT|$AMA_CONF_THE_WORD"\n'
                'ls env.yaml runtime.yaml datasets.yaml\ncmp "$AMA_REPO/src/show.sh" "$0" || true\ntest ! -w "$AMA_REPO/maki.yml" || test "$(id -u)" = 0\n'
                'python3 -c "import json,os; print(json.load(open(os.environ[\'AMA_ENV_JSON\']))[\'configuration\'][\'limit\'])"\n')
        repo = self.job(flow(shell("probe"), shell("show")), probe=probe, show=show)
        events = self.run_events(repo, "--env", "dev", env={"SECRET_OF_THE_DAEMON": "x"})
        names = events.find("output", action="probe")[0]["text"].split()
        allowed = {"PATH", "LANG", "TZ", "HOME", "TMPDIR", "PWD", "OLDPWD", "SHLVL", "_", "BASH_XTRACEFD", "LC_ALL", "PS4"}
        self.assertEqual([n for n in names if not n.startswith("AMA_") and n not in allowed], [])
        lines = events.lines(action="show")
        self.assertEqual(lines[0], "job|show|1|dev|/tmp/out of dev|local[*]|40|a b")
        self.assertEqual(lines[1:4], ["datasets.yaml", "env.yaml", "runtime.yaml"])
        self.assertEqual(lines[-1], "40")

    def test_a_folder_runs_as_it_lies_there(self):
        repo = self.job(flow(shell("one")), one="echo committed\n")
        head = repo.git("rev-parse", "HEAD")
        repo.write({"src/one.sh": "echo changed\n"})
        events = self.run_events(repo)
        self.assertEqual(events.one("output")["text"].strip(), "changed")
        self.assertEqual((events.one("run.started")["dirty"], events.one("run.started")["commit"]), (True, head))
        events = self.run_events(repo, "--ref", "master")
        self.assertEqual(events.one("output")["text"].strip(), "committed")
        plain = self.folder / "plain"
        plain.mkdir()
        for name, text in {"maki.yml": flow(shell("a")), **ENV}.items():
            (plain / name).parent.mkdir(parents=True, exist_ok=True)
            (plain / name).write_text(text)
        (plain / "src").mkdir()
        (plain / "src/a.sh").write_text("echo plain\n")
        self.assertEqual(self.run_events(plain).one("output")["text"].strip(), "plain")

    def test_problems_are_told_all_at_once(self):
        repo = self.job('job-name: x\nflow:\n  - name: a\n    runner: { group: shell, type: bsh }\n    file: a.sh\n'
                        '  - name: b\n    runner: { group: shell, type: bash }\n    file: missing.sh\n    timeuot: 3s\n', a="true\n")
        done = self.ama("validate", repo)
        self.assertEqual(done.returncode, 2)
        self.assertRegex(done.stdout + done.stderr, r"maki\.yml:4:\d+: error: .*bsh")
        self.assertRegex(done.stdout + done.stderr, r"maki\.yml:8:\d+: error: .*missing\.sh")
        self.assertRegex(done.stdout + done.stderr, r"maki\.yml:9:\d+: warning: .*timeuot.*timeout")
        events = self.run_events(repo, exit=2)
        self.assertEqual(events.find("attempt.started"), [])
        self.assertGreaterEqual(len(events.find("warning")), 3)
        self.assertEqual(self.ama("run", repo, "--env", "nowhere").returncode, 2)
        self.assertEqual(self.ama("run", repo, "--ref", "nowhere").returncode, 2)
        self.assertEqual(self.ama("run", self.folder / "absent").returncode, 2)
        self.assertEqual(self.ama("run", repo, "--nonsense").returncode, 2)

    def test_plan_and_config_documents(self):
        repo = self.job(flow(shell("a", error=shell("e")), shell("b", timeout="1h30m")), a="true\n", b="true\n", e="true\n")
        plan = json.loads(self.ama("plan", repo, "--env", "dev", "-o", "json").stdout)
        self.assertEqual([a["name"] for a in plan["actions"]], ["a", "b"])
        self.assertEqual(plan["actions"][0]["error"]["name"], "e")
        self.assertEqual(plan["actions"][1]["depends-on"], ["a"])
        self.assertEqual(plan["actions"][1]["timeout"], 5400)
        again = json.loads(self.ama("plan", repo, "--env", "dev", "-o", "json").stdout)
        self.assertEqual(plan["digest"], again["digest"])
        keys = {k["key"]: k for k in json.loads(self.ama("config", "show", repo, "--env", "dev", "-o", "json").stdout)["keys"]}
        self.assertEqual((keys["configuration.limit"]["value"], keys["configuration.limit"]["file"]), (40, "env/default/job.yml"))
        self.assertEqual(keys["outputRootPath"]["file"], "env/dev/job.yml")

    def test_report_levels_in_a_pipe(self):
        repo = self.job(flow(shell("a", retry={"attempts": 1})), a="exit 1\n")
        good = self.repo({"maki.yml": flow(shell("a")), **ENV, "src/a.sh": "echo hi\n"}, "good")
        quiet = self.ama("run", good)
        self.assertEqual((quiet.returncode, quiet.stdout, quiet.stderr), (0, "", ""))
        bad = self.ama("run", repo)
        self.assertEqual((bad.returncode, bad.stdout), (1, ""))
        self.assertEqual(len(bad.stderr.splitlines()), 1)
        self.assertRegex(bad.stderr, r"^ama: \S+ failed: a failed 1 of 1: exit code 1 \(run \w{26}\)$")
        lost = self.ama("run", good, "--env", "nowhere")
        self.assertEqual(lost.returncode, 2)
        self.assertRegex(lost.stderr, r"^ama: good failed: plan: env: the repository has no environment .nowhere. "
                                      r"\(it has: default, dev\) \(run \w{26}\)$")
        code = self.ama("run", good, "--report", "code").stdout
        self.assertIn("echo hi", code)
        self.assertNotIn("\x1b", code)
        self.assertNotIn("echo hi", self.ama("run", good, "--report", "execution").stdout)


if __name__ == "__main__":
    unittest.main()
