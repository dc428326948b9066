"""Secrets: an action gets their values, and nothing and nobody else does. Shell actions; those of Spark are in secrets_spark_test.py."""
import json
import os
import shutil
import sys
import unittest

from canary import Canaries
from daemon_house import DaemonHouse
from house import Events

OURS = os.getpid()    # other tests that have these run beside this one
CANARIES = Canaries(
    db=f"canary-db {OURS}1+/&\"<\\é~",
    own=f"canary-own-2:4567890{OURS}",
    credential=f"canary/credential/4{OURS}",
    pem=f"-----BEGIN CANARY {OURS}-----\nMIIcanary5abc{OURS}\nshort\nMIIcanary5def{OURS}\n-----END CANARY {OURS}-----",
    plugin=f"canary%plugin%6{OURS}",
)

# Every form, whole and in pieces, on both streams, and in what bash says itself.
LEAKY = """
    for name in DB_PASSWORD LIST OWN CREDENTIAL PEM PLUGIN; do
        variable=AMA_CONF_$name; value=${!variable}
        printf '%s=%s\\n' $name "$value"
        printf '%s' "${value:0:7}"; printf '%s\\n' "${value:7}"
        printf '%s' "$value" | base64 -w0; echo
        printf 'x%s' "$value" | base64 -w0; echo
        printf 'xy%s' "$value" | base64 -w20 | tr -d '\\n'; echo
        VALUE="$value" python3 -c '
    import json, os, sys, urllib.parse
    value = os.environ["VALUE"]
    for text in (urllib.parse.quote(value), urllib.parse.quote_plus(value), json.dumps(value), json.dumps(value, ensure_ascii=False)):
        print(text); print(text, file=sys.stderr)
    for c in value:
        sys.stdout.write(c); sys.stdout.flush()
    print()' 2>&1 >/dev/stdout
    done
    echo "${AMA_CONF_OWN:0:12}..."
    echo held-back; printf '%s' "${AMA_CONF_OWN:0:12}"
"""


class SecretsHouse(DaemonHouse):
    def setUp(self):
        super().setUp()
        self.secrets, self.credentials = self.folder / "secrets", self.folder / "credentials"
        self.credentials.mkdir()
        for name in ("db", "own", "pem"):
            self.secret(f"dev/{name}", CANARIES[name] + "\n")
        self.env["CREDENTIALS_DIRECTORY"] = str(self.credentials)
        (self.credentials / "dev@credential").write_text(CANARIES["credential"])
        (self.credentials / "dev@credential").chmod(0o440)
        self.plugin = self.folder / "plugin"
        self.plugin.write_text(f"""#!{sys.executable}
import os, sys
name = sys.stdin.readline()
assert (os.environ["AMA_ENV"], os.environ["AMA_JOB"], sys.argv[1:]) == ("dev", "job", ["--quiet", "two words"]), sys.argv
sys.stderr.write({CANARIES["plugin"]!r})
if name == "plugin\\n": print({CANARIES["plugin"]!r})
if name == "broken\\n": print("half of it"); sys.exit(3)
if name == "endless\\n":
    while True: print("x" * 1000)
""")
        self.plugin.chmod(0o700)
        self.config = self.folder / "amad.yaml"
        self.config.write_text(f"secrets:\n  files: {self.secrets}\n  exec: ['{self.plugin}', --quiet, two words]\nsandbox-write: {self.shared}\n")

    def secret(self, path, value, mode=0o600):
        at = self.secrets / path
        at.parent.mkdir(parents=True, exist_ok=True)
        at.write_text(value)
        at.chmod(mode)

    def job(self, flow, sources, configuration="", **files):
        return self.repo({
            "maki.yml": json.dumps({"job-name": "job", "flow": flow}),
            "env/dev/job.yml": f"name: dev\noutputRootPath: {self.folder}/out\nconfiguration:\n  db.password: secret://db\n{configuration}",
            **{f"src/{name}.sh": text for name, text in sources.items()}, **files})

    def hidden(self):
        """Where values are on purpose."""
        return self.secrets, self.credentials, self.plugin


class Secrets(SecretsHouse):
    def test_only_the_action_sees_them(self):
        """Every slot, every source, success and failure, retried and rescued: then everything is searched."""
        os.mkfifo(self.shared / "gate")
        (self.folder / "out").mkdir()
        flow = [
            {"name": "sees", "runner": "shell", "file": "sees.sh"},
            {"name": "tells", "runner": "shell", "file": "tells.sh", "retry": {"attempts": 2, "delay": "1ms"},
             "error": {"name": "alert", "runner": "shell", "file": "alert.sh", "retry": {"attempts": 1}}}]
        sees = f"""
            printf '%s\\n' "$AMA_CONF_DB_PASSWORD" "$AMA_CONF_LIST" "$AMA_CONF_CREDENTIAL" "$AMA_CONF_PEM" "$AMA_CONF_PLUGIN" > {self.shared}/seen
            echo ready
            read -r go < {self.shared}/gate
            {LEAKY}"""
        tells = LEAKY + """
            "$AMA_CONF_DB_PASSWORD" || true
            echo "${no_such:?$AMA_CONF_OWN}"
            """
        repo = self.job(
            flow, {"sees": sees, "tells": tells, "alert": LEAKY + "\nkill -9 $$"},
            configuration="  list: [1.10, 'secret://own']\n  credential: secret://credential\n  pem: secret://pem\n  plugin: secret://plugin\n",
            **{"src/tells/env/dev/more.yml": "own: secret://own\n"})
        self.amad("--config", self.config)
        run = self.submit(repo, "--env", "dev")
        following = self.start("attach", run, "--report", "code")
        told = self.wait_for_line(following, "ready")
        self.assertEqual(CANARIES.in_processes("cmdline"), [])
        self.assertEqual({command for _, command in CANARIES.in_processes("environ")}, {"bash"})
        self.assertEqual(CANARIES.in_files(self.folder, *self.hidden(), self.shared / "seen"), [])
        (self.shared / "gate").write_text("go\n")
        rest, _ = self.finish(following)
        code, events = self.attach(run)
        self.assertEqual(code, 1)
        texts = [told, rest, events, *(self.ama(*args).stdout for args in (
            ("show", run), ("show", run, "-o", "json"), ("list", "-o", "json"), ("attach", run, "--report", "code", "--report-format", "legacy"),
            ("plan", repo, "--env", "dev", "-o", "json"), ("config", "show", repo, "--env", "dev", "-o", "json"), ("validate", repo)))]
        for text in texts:
            self.assertTrue(text.strip())
            self.assertEqual(CANARIES.within(text.encode()), [], text)
        for half in ("canary-own-", "canary-db", "canary%pl"):  # nor most of one
            self.assertNotIn(half, events)
        found = Events.of(events)
        self.assertEqual([(e["action"], e["state"]) for e in found.find("action.ended")],
                         [("sees", "succeeded"), ("tells", "failed"), ("alert", "failed")])
        output = found.said(action="tells", attempt=2)
        for line in ("DB_PASSWORD=***", "LIST=[1.10,\"***\"]", "OWN=***", "PEM=***", "***...", "held-back"):
            self.assertIn(line, output.splitlines())
        self.assertIn("src/tells.sh: line", output)
        seen = (self.shared / "seen").read_text()
        self.assertEqual(seen, "\n".join((CANARIES["db"], json.dumps([1.1, CANARIES["own"]]).replace("1.1, ", "1.10,"),
                                          *(CANARIES[n] for n in ("credential", "pem", "plugin")))) + "\n")
        self.assertEqual(CANARIES.in_files(self.folder, *self.hidden(), self.shared / "seen"), [])

    def fails(self, name, *says, error="secret", attempts=1):
        """An action that needs that secret never runs."""
        repo = self.job([{"name": "a", "runner": "shell", "file": "a.sh", "retry": {"attempts": 2, "delay": "1ms"}}],
                        {"a": f"touch {self.folder}/ran"}, f"  it: 'secret://{name}'\n")
        done = self.ama("--repo", repo, "--env", "dev", "--report-format", "ndjson", program="ama-submit")
        self.assertEqual(done.returncode, 5, done.stdout)
        events = Events.of(done.stdout)
        ended = events.find("attempt.ended")
        self.assertEqual([e["state"] for e in ended], ["errored"] * attempts)
        end = ended[-1]
        self.assertEqual((end["cause"], end["error"]["name"], end["file"], end["line"]), ("dependency", error, "env/dev/job.yml", 5))
        for part in (f"env/dev/job.yml:5: it: secret://{name}: ", *says):
            self.assertIn(part, end["error"]["message"])
        self.assertFalse((self.folder / "ran").exists())
        self.assertEqual(CANARIES.within(done.stdout.encode()), [])
        shutil.rmtree(repo.path)

    def test_what_can_not_be_had(self):
        """A missing or bad secret ends the action before it runs, says which and where, and is not tried again; a program in trouble is."""
        self.secret("dev/short", "1234567\n")
        self.secret("dev/open", "canary-open-canary", 0o644)
        self.secret("dev/large", "x" * 16385)
        (self.secrets / "dev/bytes").write_bytes(b"\xff\xfe\0canary-bytes")
        (self.secrets / "dev/bytes").chmod(0o600)
        (self.secrets / "dev/folder").mkdir()
        self.secret("prod/other", "canary-of-production")
        os.mkfifo(self.secrets / "dev/fifo", 0o600)
        self.amad("--config", self.config)
        self.fails("nope", "there is no such secret for the environment dev")
        self.fails("other", "there is no such secret for the environment dev")
        self.fails("short", "it has 7 bytes; less than 8 can not be masked")
        self.fails("open", "dev/open must be the agent's own and closed to others: chmod 600 it")
        self.fails("large", "16384 bytes")
        self.fails("bytes", "it is no text")
        self.fails("folder", "dev/folder is not a regular file")
        self.fails("fifo", "dev/fifo is not a regular file")
        self.fails("endless", "secrets.exec has printed more than 16384 bytes")
        self.fails("broken", "secrets.exec has ended with exit code 3", error="secret-provider", attempts=2)

    def test_cancelled_while_the_program_thinks(self):
        pipe = self.folder / "asked"
        os.mkfifo(pipe)
        self.plugin.write_text(f"#!/bin/sh\necho asked > {pipe}\nexec sleep 300\n")
        repo = self.job([{"name": "a", "runner": "shell", "file": "a.sh"}], {"a": "true"}, "  it: secret://slow\n")
        self.amad("--config", self.config)
        run = self.submit(repo, "--env", "dev")
        self.assertEqual(pipe.read_text(), "asked\n")
        self.assertEqual(self.ama("cancel", run).returncode, 0)
        code, events = self.attach(run)
        self.assertEqual((code, Events.of(events).one("attempt.ended")["state"]), (4, "cancelled"))

    def test_ama_run(self):
        """Without a daemon they lie beside the configuration of its user; a rotated one is seen by the next attempt."""
        here = self.data / "secrets/dev"
        here.mkdir(parents=True)
        (here / "db").write_text("canary-first-value")
        (here / "db").chmod(0o600)
        self.open_to_actions(here)
        repo = self.job([{"name": "a", "runner": "shell", "file": "a.sh", "retry": {"delay": "1ms"}}],
                        {"a": f"echo $AMA_CONF_DB_PASSWORD\nprintf canary-second-value > {here}/db\n[ $AMA_CONF_DB_PASSWORD = canary-second-value ]"})
        events = self.run_events(repo, "--env", "dev")
        self.assertEqual([e["text"] for e in events.find("output")], ["***", "***"])
        self.assertNotIn("canary-first", json.dumps(events))


if __name__ == "__main__":
    unittest.main(verbosity=2)
