"""amad over tcp: keys, roles, revoking, and what may not be fetched any more once others may submit."""
import json
import re
import time
import unittest

from daemon_house import DaemonHouse
from run_test import flow, shell


class Far(DaemonHouse):
    def setUp(self):
        super().setUp()
        self.keys = {}
        for name, role in (("boss", "operator"), ("maker", "submitter"), ("eye", "viewer"), ("node7", "agent")):
            self.key(name)
            done = self.ama("keys", "add", name, "--role", role, "--key", self.keys[name])
            self.assertEqual(done.returncode, 0, done.stderr)

    def key(self, name):
        self.keys[name] = self.folder / f"{name}.key"
        done = self.ama("keygen", "--output", self.keys[name])
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout.strip()

    def log(self):
        return (self.folder / "amad.log").read_text()

    def serve(self, text="", policy="rules: [{repo: '*', env: '*', roles: [operator, submitter]}]\n"):
        if policy is not None:
            self.write_policy(policy)
            text += "policy: {file: policy.yaml}\n"
        (self.folder / "amad.yaml").write_text(f'listen: "tcp://127.0.0.1:*"\n{text}')
        daemon = self.amad("--config", self.folder / "amad.yaml")
        self.endpoint = re.findall(r"listens on (tcp://127\.0\.0\.1:\d+)", self.log())[-1]
        self.public = (self.data / "keys/amad.key.pub").read_text().strip()
        self.assertIn(self.public, self.log())
        self.assertEqual((self.data / "keys/amad.key").stat().st_mode & 0o777, 0o600)
        return daemon

    def write_policy(self, text):
        (self.folder / "policy.yaml").write_text(text)
        (self.folder / "policy.yaml").chmod(0o600)

    def far(self, name, *args, server_key=None, **kw):
        """ama from another machine: without this machine's data dir."""
        env = {**kw.pop("env", {}), "AMA_DATA_DIR": str(self.folder / "elsewhere"), "AMA_SERVER": self.endpoint, "AMA_KEY": str(self.keys[name])}
        if server_key is not False:
            env["AMA_SERVER_KEY"] = server_key or self.public
        return self.ama(*args, env=env, **kw)

    def test_submit_attach_show_list_cancel(self):
        job = self.job(flow(shell("a")), a="echo one\n")
        long = self.job(flow(shell("a")), "long", a="echo begun; read x </dev/zero || sleep 600\n")
        self.serve(f"fetch: {{local-paths: [{self.folder}]}}\n")
        done = self.far("maker", "submit", job, "--env", "dev", "--report-format", "ndjson")
        self.assertEqual(done.returncode, 0, done.stderr)
        events = self.checked(done.stdout)
        self.assertEqual(events.one("output")["text"], "one")
        run = events[0]["run"]
        self.assertEqual(self.far("eye", "attach", run, "--report-format", "ndjson").stdout, done.stdout)
        self.assertEqual(json.loads(self.far("eye", "show", run, "-o", "json").stdout)["state"], "succeeded")
        self.assertIn(run, self.far("eye", "list").stdout)
        going = self.far("maker", "submit", long, "--env", "dev", "--detach").stdout.strip()
        no = self.far("eye", "cancel", going)
        self.assertEqual((no.returncode, "its role is viewer" in no.stderr), (5, True), no.stderr)
        self.assertEqual(self.far("boss", "cancel", going).returncode, 0)
        self.assertEqual(self.far("eye", "attach", going).returncode, 4)
        no = self.far("eye", "submit", job, "--env", "dev")
        self.assertEqual((no.returncode, "its role is viewer" in no.stderr), (5, True), no.stderr)

    def test_own_runs(self):
        """A submitter knows of his own runs only; another's is answered as one that is not there."""
        long = self.job(flow(shell("a")), a="echo begun; read x </dev/zero || sleep 600\n")
        self.key("other")
        self.assertEqual(self.ama("keys", "add", "other", "--role", "submitter", "--key", self.keys["other"]).returncode, 0)
        self.serve(f"fetch: {{local-paths: [{self.folder}]}}\n")
        near = lambda *args: self.ama(*args)  # noqa: E731
        who = {name: lambda *args, name=name: self.far(name, *args) for name in ("boss", "maker", "other", "eye")} | {"near": near}
        owned = {}
        for name in ("maker", "other", "boss", "near"):  # the same words of two people are two keys
            done = who[name]("submit", long, "--env", "dev", "--detach", "--idempotency-key", "nightly")
            self.assertEqual(done.returncode, 0, done.stderr)
            owned[name] = done.stdout.strip()
        self.assertEqual(len(set(owned.values())), 4)
        again = self.far("maker", "submit", long, "--env", "dev", "--detach", "--idempotency-key", "nightly")
        self.assertEqual(again.stdout.strip(), owned["maker"])
        everything = {"boss", "eye", "near"}
        for name, ask in who.items():
            sees = {n for n in owned if name in everything or n == name}
            shown = json.loads(ask("list", "-o", "json").stdout)["runs"]
            self.assertEqual({(r["run"], r.get("owner", "near")) for r in shown}, {(owned[n], n) for n in sees}, name)
            self.assertEqual(json.loads(ask("show", "@latest", "-o", "json").stdout)["run"], max(owned[n] for n in sees))
            for other in set(owned) - sees:
                for command in (["show"], ["cancel"], ["attach"]):
                    done, none = ask(*command, owned[other]), ask(*command, "0" * 26)
                    self.assertEqual((done.returncode, done.stderr.replace(owned[other], "0" * 26)), (2, none.stderr), f"{name} {command}")
                self.assertEqual(ask("show", owned[other][:-1]).returncode, 2)
            for other in sees:
                self.assertEqual(ask("show", owned[other]).returncode, 0)
        self.assertEqual({self.state(run) for run in owned.values()} - {"queued", "running", "planning"}, set())
        for name in ("maker", "other"):
            self.assertEqual(self.far(name, "cancel", owned[name], "--force").returncode, 0)
            self.assertEqual(self.far(name, "attach", owned[name]).returncode, 4)
        self.assertEqual(self.far("other", "attach", owned["maker"]).returncode, 2)  # also when it has ended
        self.assertEqual(self.far("other", "cancel", owned["maker"]).returncode, 2)
        for name in ("boss", "near"):
            self.assertEqual(self.far("boss", "cancel", owned[name], "--force").returncode, 0)

    def test_clean(self):
        """An operator all, a submitter what is his, a viewer nothing."""
        job = self.job(flow(shell("a")), a="echo one >file\n")
        self.serve(f"fetch: {{local-paths: [{self.folder}]}}\n")
        runs = {}
        for name in ("maker", "boss"):
            done = self.far(name, "submit", job, "--env", "dev", "--report-format", "ndjson")
            self.assertEqual(done.returncode, 0, done.stderr)
            runs[name] = self.checked(done.stdout)[0]["run"]
        folders = lambda: {path.name for path in (self.data / "agent/runs").iterdir()}  # noqa: E731
        no = self.far("eye", "clean", runs["maker"])
        self.assertEqual((no.returncode, "its role is viewer" in no.stdout + no.stderr), (5, True), no.stdout + no.stderr)
        no, unknown = (self.far("maker", "clean", run) for run in (runs["boss"], "01ARZ3NDEKTSV4RRFFQ69G5FAV"))
        self.assertEqual((no.returncode, unknown.returncode), (2, 2), no.stderr)
        self.assertEqual(no.stderr.replace(runs["boss"], ""), unknown.stderr.replace("01ARZ3NDEKTSV4RRFFQ69G5FAV", ""))
        self.assertEqual(folders(), set(runs.values()))
        self.assertEqual(self.far("maker", "clean", "--all").returncode, 0)
        self.assertEqual(folders(), {runs["boss"]})
        self.assertEqual(self.far("boss", "clean", "--all").returncode, 0)
        self.assertEqual(folders(), set())

    def test_who_is_not_let_in(self):
        self.serve()
        self.key("stranger")
        other = self.key("other")
        for what, words, code, name, server_key in (
            ("an unknown key", "does not know this key", 5, "stranger", None),
            ("an agent's key", "may not have that name and role", 5, "node7", None),
            ("another server", "has another key than the one expected", 5, "boss", other),
            ("a server that is not known", "ama keys trust", 2, "boss", False),
        ):
            done = self.far(name, "list", server_key=server_key)
            self.assertEqual((done.returncode, words in done.stderr), (code, True), f"{what}: {done.stderr}")
        for args, words in (((), "needs a key"), (("--key", self.folder / "none"), "No such file")):
            done = self.ama("list", "--server", self.endpoint, *args)
            self.assertEqual((done.returncode, words in done.stderr), (2, True), done.stderr)
        done = self.ama("list", "--server", "tcp://127.0.0.1:1", "--key", self.keys["boss"], "--server-key", other)
        self.assertEqual((done.returncode, "nobody listens there" in done.stderr), (5, True), done.stderr)
        self.keys["boss"].chmod(0o644)
        done = self.far("boss", "list")
        self.assertEqual((done.returncode, "chmod 600" in done.stderr), (5, True), done.stderr)

    def test_trust(self):
        self.serve()
        trust = self.far("boss", "keys", "trust", self.endpoint, self.data / "keys/amad.key.pub")
        self.assertEqual(trust.returncode, 0, trust.stderr)
        self.assertEqual(self.far("boss", "list", server_key=False).returncode, 0)
        again = self.far("boss", "keys", "trust", "--", self.endpoint, self.key("other"))  # one key in 85 begins with a dash
        self.assertEqual((again.returncode, "another key" in again.stderr), (2, True), again.stderr)

    def test_revoke_cuts_who_is_there(self):
        long = self.job(flow(shell("a")), a="echo begun; read x </dev/zero || sleep 600\n")
        self.serve(f"fetch: {{local-paths: [{self.folder}]}}\n")
        env = {"AMA_SERVER": self.endpoint, "AMA_KEY": str(self.keys["maker"]), "AMA_SERVER_KEY": self.public}
        follower = self.start("submit", long, "--env", "dev", "--report-format", "ndjson", "--keep-running", env=env)
        self.wait_for_line(follower, '"text":"begun')
        run = json.loads(self.far("boss", "list", "-o", "json").stdout)["runs"][0]["run"]
        self.assertEqual(self.ama("keys", "revoke", "maker").returncode, 0)
        at = time.monotonic()
        _, err = self.finish(follower)
        self.assertLess(time.monotonic() - at, 5)
        self.assertEqual((follower.returncode, "revoked" in err), (5, True), err)
        self.assertEqual(self.far("maker", "list").returncode, 5)
        self.assertEqual(self.state(run), "running")
        self.assertEqual(self.far("boss", "cancel", run, "--force").returncode, 0)
        self.assertEqual(self.far("boss", "attach", run).returncode, 4)

    def test_what_may_be_fetched(self):
        job = self.job(flow(shell("a")), a="echo one\n")
        self.serve()
        for url, words in ((job, f"fetch: {{local-paths: [{job}]}}"), (f"file://{job}", "fetch: {local-paths: ["),
                           ("http://git.example.org/x", "fetch: {schemes: [https, http, ssh]}"),
                           ("https://git.example.org/x", "fetch: {hosts: [git.example.org]}")):
            for where in (lambda *a: self.far("boss", *a), self.ama):
                done = where("submit", url, "--env", "dev")
                self.assertEqual(done.returncode, 2, done.stderr)
                self.assertIn(words, done.stderr)

    def test_policy(self):
        """Without a file only operators submit; with one, what it allows, as it stands now."""
        job = self.job(flow(shell("a")), a="echo one\n")
        fetch = f"fetch: {{local-paths: [{self.folder}]}}\n"
        daemon = self.serve(fetch, policy=None)
        no = self.far("maker", "submit", job, "--env", "dev")
        self.assertEqual((no.returncode, f"{{repo: {job}, env: [dev], keys: [maker]}}" in no.stderr), (5, True), no.stderr)
        self.assertIn("policy: {file: policy.yaml}", no.stderr)
        for where in (lambda *a: self.far("boss", *a), self.ama):
            self.assertEqual(where("submit", job, "--env", "dev").returncode, 0)
        daemon.terminate()
        daemon.wait(20)
        rule = re.search(r"\{repo: .*\}", no.stderr).group(0)
        self.serve(fetch, policy=f"rules:\n  - {rule}\n")
        done = self.far("maker", "submit", job, "--env", "dev", "--idempotency-key", "k", "--detach")
        self.assertEqual(done.returncode, 0, done.stderr)
        for where, args, words in (
            (lambda *a: self.far("maker", *a), ["--env", "default"], f"{{repo: {job}, env: [default], keys: [maker]}}"),
            (lambda *a: self.far("boss", *a), ["--env", "dev"], "keys: [boss]"), (self.ama, ["--env", "dev"], "roles: [operator]"),
        ):
            no = where("submit", job, *args)
            self.assertEqual((no.returncode, words in no.stderr, "policy.yaml" in no.stderr), (5, True, True), no.stderr)
        runs = len(json.loads(self.far("boss", "list", "-o", "json").stdout)["runs"])
        self.assertEqual(runs, 3)  # what is refused was never a run
        self.write_policy("rules:\n  - {repo: /x/*, env: dev, rolls: [submitter]}\n")
        no = self.far("maker", "submit", job, "--env", "dev")
        self.assertEqual((no.returncode, "mended" in no.stderr), (5, True), no.stderr)
        self.assertIn("policy.yaml:2:", self.log())
        again = self.far("maker", "submit", job, "--env", "dev", "--idempotency-key", "k", "--detach")
        self.assertEqual((again.returncode, again.stdout), (0, done.stdout))  # it was accepted before
        self.write_policy("rules:\n  - {repo: '*', env: dev, roles: [submitter]}\n")
        self.assertEqual(self.far("maker", "submit", job, "--env", "dev").returncode, 0)

    def test_bad_policy_no_start(self):
        self.write_policy("rules:\n  - {repo: 'x y', env: [], key: [a]}\n")
        (self.folder / "amad.yaml").write_text("policy: {file: policy.yaml}\n")
        done = self.ama("--config", self.folder / "amad.yaml", program="amad")
        self.assertEqual(done.returncode, 2, done.stderr)
        for words in ("policy.yaml:2:12: error: repo:", "error: env:", "did you mean keys?", "needs keys or roles"):
            self.assertIn(words, done.stderr)

    def test_no_list_no_port(self):
        (self.data / "keys/allowed").unlink()
        (self.folder / "amad.yaml").write_text('listen: "tcp://127.0.0.1:*"\n')
        done = self.ama("--config", self.folder / "amad.yaml", program="amad")
        self.assertEqual((done.returncode, "ama keys add" in done.stderr), (5, True), done.stderr)
        (self.data / "keys/allowed").write_text("boss king x\n")
        done = self.ama("--config", self.folder / "amad.yaml", program="amad")
        self.assertEqual((done.returncode, "closed to others" in done.stderr), (5, True), done.stderr)
        (self.data / "keys/allowed").chmod(0o600)
        done = self.ama("--config", self.folder / "amad.yaml", program="amad")
        self.assertEqual((done.returncode, "allowed:1: \"king\" is no role" in done.stderr), (5, True), done.stderr)


if __name__ == "__main__":
    unittest.main()
