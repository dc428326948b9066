"""The fetcher against a real sshd: who is the server, who are we. G5: an unknown or changed host key is refused, always."""
import os
import subprocess
import tempfile
import unittest

from lib import FetchTest, commit, git, known_leaks, new_repo, remove, write
from sshd import Sshd, make_key

known_leaks("leaks_ssh.txt")  # libgit2 1.5 and libssh2 keep a session that was refused


class SshTest(FetchTest):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="ama-sshd-")
        cls.server = Sshd(cls.folder)
        cls.server.__enter__()

    @classmethod
    def tearDownClass(cls):
        cls.server.__exit__()
        remove(cls.folder)

    def setUp(self):
        super().setUp()
        work = new_repo(self.path("work"))
        self.first = commit(work, "first", maki_yml="one\n")
        git(work, "branch", "dev")
        self.second = commit(work, "second", maki_yml="two\n")
        self.bare = self.path("job.git")
        subprocess.run(["git", "clone", "-q", "--bare", work, self.bare], check=True)
        self.work = work
        self.url = self.server.url(self.bare)
        os.makedirs(self.path("home"))

    def ask(self, known_hosts=None, key=None, url=None, ref="main", **conf):
        env = {"HOME": self.path("home"), "SSH_AUTH_SOCK": conf.pop("agent", "")}
        if known_hosts is not False:
            conf["known_hosts"] = known_hosts or self.server.known_hosts
        if key is not False:
            conf["ssh_key"] = key or self.server.key
        return self.drive(env=env, home=self.path("home"), **conf).ask(url or self.url, ref=ref)

    def test_branches_and_increments(self):
        self.assertSnapshot(self.ask(), {"maki.yml": "two\n"}, commit=self.second, ref="main", cached=False)
        self.assertSnapshot(self.ask(), {"maki.yml": "two\n"}, cached=True)
        self.assertSnapshot(self.ask(ref="dev"), {"maki.yml": "one\n"}, commit=self.first)
        third = commit(self.work, "third", maki_yml="three\n")
        git(self.work, "push", "-q", self.bare, "main")
        self.assertSnapshot(self.ask(), {"maki.yml": "three\n"}, commit=third)
        self.assertSnapshot(self.ask(ref=self.second[:9]), {"maki.yml": "two\n"}, commit=self.second)

    def test_missing(self):
        self.assertRefused(self.ask(ref="mian"), "AMA_E_NOT_FOUND", "did you mean main?")
        self.assertRefused(self.ask(url=self.server.url(self.path("none.git"))), "AMA_E_NOT_FOUND")

    # ---- the server ----

    def test_unknown_host(self):
        answer = self.ask(known_hosts=write(self.temp, "empty", ""))
        self.assertRefused(answer, "AMA_E_AUTH", "SHA256:")
        self.assertIn(self.path("empty"), answer["text"])

    def test_no_file_at_all(self):
        self.assertRefused(self.ask(known_hosts=False), "AMA_E_AUTH", self.path("home/.ssh/known_hosts"))
        self.assertFalse(os.path.exists(self.path("home/.ssh")), "nothing is learnt")

    def test_the_users_own_file(self):
        with open(self.server.known_hosts) as file:
            write(self.path("home"), ".ssh/known_hosts", file.read())
        self.assertSnapshot(self.ask(known_hosts=False), {"maki.yml": "two\n"})

    def test_changed_key(self):
        self.assertRefused(self.ask(known_hosts=self.server.wrong_hosts), "AMA_E_AUTH", "not the one it had")

    def test_only_that_host(self):
        hosts = write(self.temp, "others", "127.0.0.2 %s\n[127.0.0.1]:1 %s\n" % ((self.server.host_keys["ed25519"],) * 2))
        self.assertRefused(self.ask(known_hosts=hosts), "AMA_E_AUTH", "unknown")

    def test_kinds_of_host_keys(self):
        for kind in ("ed25519", "ecdsa"):
            hosts = self.server.write_known_hosts("only_" + kind, [self.server.host_keys[kind]])
            self.assertSnapshot(self.ask(known_hosts=hosts), {"maki.yml": "two\n"})
        hosts = self.server.write_known_hosts("only_rsa", [self.server.host_keys["rsa"]])
        self.assertRefused(self.ask(known_hosts=hosts), "AMA_E_AUTH")  # SHA-1 signatures, which sshd no longer makes

    def test_odd_lines_do_not_hide_good_ones(self):
        with open(self.server.known_hosts) as file:
            good = file.read()
        text = "# comment\n\n@cert-authority *.example.org ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA\nx\nhost sk-unknown AAAA\n" \
               "%s ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAB\n%s" % ("h" * 1000, good)
        self.assertSnapshot(self.ask(known_hosts=write(self.temp, "odd", text)), {"maki.yml": "two\n"})

    def test_revoked(self):
        with open(self.server.known_hosts) as file:
            text = file.read()
        text += "".join("@revoked * %s\n" % key for key in self.server.host_keys.values())
        self.assertRefused(self.ask(known_hosts=write(self.temp, "revoked", text)), "AMA_E_AUTH")

    def test_hashed_names(self):
        with open(self.server.known_hosts) as file:
            hosts = write(self.temp, "hashed", file.read())
        subprocess.run(["ssh-keygen", "-q", "-H", "-f", hosts], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        with open(hosts) as file:
            self.assertTrue(file.read().startswith("|1|"))
        self.assertSnapshot(self.ask(known_hosts=hosts), {"maki.yml": "two\n"})

    # ---- us ----

    def test_no_key(self):
        self.assertRefused(self.ask(key=False), "AMA_E_AUTH", "fetch.ssh-key")

    def test_wrong_key(self):
        make_key(self.path("stranger"))
        self.assertRefused(self.ask(key=self.path("stranger")), "AMA_E_AUTH", self.path("stranger"))

    def test_key_file_is_missing(self):
        self.assertRefused(self.ask(key=self.path("nowhere")), "AMA_E_AUTH")

    def test_usual_key(self):
        with open(self.server.key) as file:
            write(self.path("home"), ".ssh/id_ed25519", file.read(), 0o600)
        self.assertSnapshot(self.ask(key=False), {"maki.yml": "two\n"})

    def test_dead_agent(self):
        with open(self.server.key) as file:
            write(self.path("home"), ".ssh/id_ed25519", file.read(), 0o600)
        self.assertSnapshot(self.ask(key=False, agent=self.path("nobody")), {"maki.yml": "two\n"})

    def test_agent(self):
        env = {"PATH": os.environ["PATH"], "SSH_AUTH_SOCK": self.path("agent")}
        agent = subprocess.Popen(["ssh-agent", "-D", "-a", self.path("agent")], stdout=subprocess.PIPE)
        try:
            agent.stdout.readline()
            subprocess.run(["ssh-add", "-q", self.server.key], env=env, check=True)
            self.assertSnapshot(self.ask(key=False, agent=self.path("agent")), {"maki.yml": "two\n"})
        finally:
            agent.kill()
            agent.wait()
            agent.stdout.close()

    def test_scp_form_and_home(self):
        """user@host:path has no place for a port, so it can not reach this server; it must not reach another one by mistake."""
        answer = self.ask(url="%s@127.0.0.1:job.git" % self.server.user, retry_ms=1, connect_ms=2000)
        self.assertIn(answer.get("code"), ("AMA_E_AUTH", "AMA_E_UNREACHABLE"), answer)


if __name__ == "__main__":
    unittest.main()
