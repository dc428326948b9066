"""A real ssh server on a wildcard port of loopback, with keys of its own; the user is whoever runs it.

As a program:  sshd.py FOLDER      prints the port; FOLDER then holds `client` (private key), `known_hosts`, `known_hosts_wrong`
As a module:   with Sshd(folder) as server: server.port, server.key, server.known_hosts
"""
import getpass
import os
import shutil
import socket
import subprocess
import sys
import threading


def make_key(path, kind="ed25519"):
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-C", "test", "-f", path], check=True, stdin=subprocess.DEVNULL)
    with open(path + ".pub") as file:
        return " ".join(file.read().split()[:2])


class Sshd:
    """Listens itself and starts one `sshd -i` per connection: no port has to be guessed."""

    def __init__(self, folder, kinds=("ed25519", "ecdsa", "rsa")):
        os.makedirs(folder, exist_ok=True)
        folder = self.folder = os.path.abspath(folder)
        self.user = getpass.getuser()
        self.host_keys = {kind: make_key(os.path.join(folder, "host_" + kind), kind) for kind in kinds}
        self.key = os.path.join(folder, "client")
        with open(os.path.join(folder, "authorized_keys"), "w") as file:
            file.write(make_key(self.key) + "\n")
        self.config = os.path.join(folder, "sshd_config")
        with open(self.config, "w") as file:
            for kind in kinds:
                file.write("HostKey %s/host_%s\n" % (folder, kind))
            file.write("AuthorizedKeysFile %s/authorized_keys\nStrictModes no\nUsePAM no\nPasswordAuthentication no\n"
                       "KbdInteractiveAuthentication no\nPermitRootLogin prohibit-password\nPidFile none\n" % folder)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.children = []
        self.known_hosts = self.write_known_hosts("known_hosts", self.host_keys.values())
        self.wrong_hosts = self.write_known_hosts("known_hosts_wrong", [make_key(os.path.join(folder, "other"))])

    def write_known_hosts(self, name, keys):
        path = os.path.join(self.folder, name)
        with open(path, "w") as file:
            for key in keys:
                file.write("[127.0.0.1]:%d %s\n" % (self.port, key))
        return path

    def url(self, path):
        return "ssh://%s@127.0.0.1:%d%s" % (self.user, self.port, path)

    def serve(self):
        program = shutil.which("sshd") or "/usr/sbin/sshd"
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with connection:
                self.children.append(subprocess.Popen([program, "-i", "-f", self.config], stdin=connection, stdout=connection,
                                                      stderr=subprocess.DEVNULL, env={"PATH": os.environ["PATH"]}))

    def __enter__(self):
        if os.geteuid() == 0:
            os.makedirs("/run/sshd", exist_ok=True)
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *args):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join()
        for child in self.children:
            child.kill()
            child.wait()


if __name__ == "__main__":
    with Sshd(sys.argv[1]) as server:
        print(server.port, flush=True)
        sys.stdin.read()
