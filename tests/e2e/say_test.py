"""What an action says of itself: warnings and artifacts in the report; and that nothing else is heard, from nobody else."""
import json
import os
import re
import signal
import unittest

from daemon_house import DaemonHouse
from house import House, Words
from run_test import ENV, flow, shell

# An action that speaks by hand, as a hostile one would. `frame` takes a real one of `ama say` apart.
HAND = r'''
cat >hand.py <<'END'
import os, struct, subprocess, sys
out, held = map(int, os.environ["AMA_SAY"].split(":"))
token = os.pread(held, 1024, 0)
def made(*args):
    """What `ama say` would write: it is given a pipe of ours."""
    r, w = os.pipe()
    subprocess.run(["ama", "say", *args], env={**os.environ, "AMA_SAY": f"{w}:{held}"}, pass_fds=(w, held), check=True)
    os.close(w)
    return os.read(r, 4096)
END
'''


class Say(Words, House):
    def job(self, *actions, **sources):
        return self.repo({"maki.yml": flow(*actions), **ENV, **{f"src/{n}.sh": t for n, t in sources.items()}})

    def test_in_the_report(self):
        job = self.job(shell("a"), shell("b"), b="ama say warning 'of the second'\n",
                       a="echo '<p>'>r.html\nama say warning 'only 3 of 5 files' --file src/a.sh --line 2\nama say artifact report r.html --media-type text/html\n")
        events = self.run_events(job, "--env", "dev")
        self.assertEqual([(e["action"], e["attempt"], e["text"], e["file"], e.get("line")) for e in events.find("warning")],
                         [("a", 1, "only 3 of 5 files", "src/a.sh", 2), ("b", 1, "of the second", "src/b.sh", None)])
        artifact = events.one("artifact")
        self.assertEqual((artifact["action"], artifact["attempt"], artifact["name"], artifact["media_type"], artifact["level"]),
                         ("a", 1, "report", "text/html", "execution"))
        self.assertRegex(artifact["path"], r"/a/1/r\.html$")
        text = self.ama("run", job, "--ref", "master", "--env", "dev", "--report", "execution").stdout
        self.assertRegex(text, r"(?m)^ *(◆|\*) +report .*r\.html")
        self.assertIn("only 3 of 5 files", text)

    def test_from_functions_and_children(self):
        job = self.job(shell("a"), a="""\
            f() { ama say warning "$1"; }
            f one
            (f two) | cat
            bash -c 'ama say warning three'
            python3 -c 'import subprocess; subprocess.run(["ama", "say", "warning", "four"], close_fds=False, check=True)'
            for i in $(seq 20); do ama say warning "n$i" & done; wait
            """)
        said = [e["text"] for e in self.run_events(job, "--env", "dev").find("warning")]
        self.assertEqual(said[:4], ["one", "two", "three", "four"])
        self.assertEqual(sorted(said[4:]), sorted(f"n{i}" for i in range(1, 21)))

    def test_wrong_use(self):
        job = self.job(shell("a"), a="""\
            code() { "$@" 2>said || echo "$? $(cat said)"; }
            code ama say artifact there nowhere.html
            code ama say warning x --line none
            code ama say warning "$(printf 'x%.0s' $(seq 5000))"
            code ama say nothing
            AMA_SAY= code ama say warning x
            AMA_SAY=1:0 code ama say warning x
            """)
        said = [e["text"] for e in self.run_events(job, "--env", "dev").find("output")]
        self.assertEqual([s[:2] for s in said], ["2 "] * 6, said)
        self.assertIn("nowhere.html: No such file", said[0])
        outside = self.ama("say", "warning", "x")
        self.assertEqual((outside.returncode, outside.stdout), (2, ""))
        self.assertIn("only a shell action can say something", outside.stderr)

    def test_nothing_else_is_heard(self):
        job = self.job(shell("first"), shell("a"),
                       first=HAND + f"python3 - <<'END'\nexec(open('hand.py').read())\nopen('{self.shared}/frame', 'wb').write(made('warning', 'of an ended attempt'))\nEND\n",
                       a=HAND + f"""\
python3 - <<'END'
exec(open('hand.py').read())
mine = made('warning', 'mine')
os.write(out, mine)
os.write(out, mine)                                                              # again
os.write(out, open('{self.shared}/frame', 'rb').read())                          # an ended attempt's token
os.write(out, mine.replace(token[token.index(b'\\xc4\\x10') + 2:][:16], b'0123456789abcdef'))  # guessed
at = mine.index(b'\\xa1a')                                                         # the name of the action
os.write(out, mine[:at + 1] + b'b' + mine[at + 2:])
for kind in (0x0603, 0x0801, 0x0101, 0xffff):                                    # attempt.status, report.post, run.submit, nothing
    os.write(out, struct.pack('<HH', kind, len(mine) - 4) + mine[4:])
os.write(out, struct.pack('<HH', 0x060c, 3) + b'\\xff\\xff\\xff')
os.write(out, made('warning', 'still mine'))
os.write(out, b'===> success\\n')
os.write(out, made('warning', 'too late'))
END
ama say warning 'too late'
""")
        done = self.ama("run", job, "--ref", "master", "--env", "dev", "--report-format", "ndjson", "--verbose")
        self.assertEqual(done.returncode, 0, done.stderr)
        events = self.checked(done.stdout)
        self.assertEqual([e["text"] for e in events.find("warning")], ["mine", "still mine"])
        refused = re.findall(r"attempt \w+ of a: refused, and not told again: (.*)\"", done.stderr)
        self.assertEqual(sorted(refused), ["a message that can not be read", "a message that was said before", "a token that is not this attempt's",
                                           "an action may not say that", "this attempt's token, for another run, action, try or epoch",
                                           "what came is no message, and nothing more is read"], done.stderr)

    def test_the_token_is_nowhere_else(self):
        """Not in an environment, not in a command line, not in a file of the attempt; and it is another for each try."""
        job = self.job(shell("a", retry={"attempts": 2, "delay": "0s", "rules": [{"on": "error", "do": "retry"}]}), a=f"""\
            python3 - <<'END'
            import os
            out, held = map(int, os.environ["AMA_SAY"].split(":"))
            token = os.pread(held, 1024, 0)
            secret = token[token.index(b"\\xc4\\x10") + 2:][:16]
            open("{self.shared}/secrets", "ab").write(secret)
            try:
                os.pwrite(held, b"x", 0)
                print("written")
            except OSError:
                pass
            for name in ("environ", "cmdline"):
                for pid in [p for p in os.listdir("/proc") if p.isdigit()]:
                    try:
                        if secret in open(f"/proc/{{pid}}/{{name}}", "rb").read() or secret.hex().encode() in open(f"/proc/{{pid}}/{{name}}", "rb").read():
                            print("seen in", pid, name)
                    except OSError:
                        pass
            END
            exit 3
            """)
        done = self.ama("run", job, "--ref", "master", "--env", "dev", "--report-format", "ndjson")
        self.assertEqual(self.checked(done.stdout).find("output"), [])
        secrets = (self.shared / "secrets").read_bytes()
        self.assertEqual(len(secrets), 32)
        one, two = secrets[:16], secrets[16:]
        self.assertNotEqual(one, two)
        for path in self.data.rglob("*"):
            if path.is_file():
                bytes = path.read_bytes()
                self.assertFalse(one in bytes or two in bytes, path)


class Outlived(Words, DaemonHouse):
    def test_an_agent_that_is_killed(self):
        """What is said before, while and after no agent is there comes once."""
        job = self.job(flow(shell("a")), a=f"""\
            for i in 1 2 3; do ama say warning "before $i"; done
            echo begun
            until test -e {self.shared}/gone; do sleep 0.02; done
            for i in 1 2 3; do ama say warning "meanwhile $i"; done
            touch {self.shared}/said
            until test -e {self.shared}/go; do sleep 0.02; done
            ama say artifact it env.yaml
            """)
        self.amad()
        run = self.submit(job, "--env", "dev")
        self.wait_for_output(run, "begun")
        agent, = [pid for pid, line in self.processes() if "/ama-agent" in line]
        os.kill(agent, signal.SIGKILL)
        (self.shared / "gone").touch()
        (self.shared / "go").touch()
        code, text = self.attach(run)
        self.assertEqual(code, 0, text)
        events = self.checked(text)
        self.assertEqual([e["text"] for e in events.find("warning")], [f"{w} {i}" for w in ("before", "meanwhile") for i in (1, 2, 3)])
        self.assertEqual([e["name"] for e in events.find("artifact")], ["it"])
        shown = json.loads(self.ama("show", run, "-o", "json").stdout)
        self.assertEqual([a["name"] for a in shown["artifacts"]], ["it"])
        self.assertEqual([t["no"] for a in shown["actions"] for t in a["attempts"]], [1])


if __name__ == "__main__":
    unittest.main()
