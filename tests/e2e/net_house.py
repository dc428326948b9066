"""A house whose rooms are hosts: each program alone in a network namespace, with a home and a data dir of its own that begin empty.

The hub's namespace has one cable (a veth pair) to every other; there is no way from one of those to another, nor out of the house."""
import os
import pathlib
import re
import signal
import subprocess
import time
import unittest

from daemon_house import DaemonHouse
from house import BIN

ROOT = os.geteuid() == 0 and subprocess.run(["unshare", "-n", "-m", "-u", "true"], capture_output=True).returncode == 0
needs_root = unittest.skipUnless(ROOT, "network namespaces can only be made by root")


def ip(*args):
    subprocess.run(["ip", *map(str, args)], check=True, capture_output=True, text=True)


class Host:
    """A network namespace that lives as long as its `sleep`, and a folder: what a program on another machine has. Of the folders of others, and of amad's
    data, it sees nothing: a mount namespace hides them."""

    def __init__(self, house, name, programs=None):
        self.house, self.name = house, name
        self.home = house.folder / "hosts" / name
        self.home.mkdir(parents=True)
        hide = "" if name == "hub" else f"mount -t tmpfs none {house.data};"
        if programs:  # a folder that is installed there; what lies beside it is not
            beside = pathlib.Path(programs).parent
            hide += f"mount --bind {programs} /mnt; mount -t tmpfs none {beside}; mkdir {programs}; mount --bind /mnt {programs}; umount /mnt;"
        script = (f"set -e; mount --bind {self.home} /mnt; mount -t tmpfs none {self.home.parent}; mkdir {self.home}; mount --bind /mnt {self.home};"
                  f"umount /mnt; {hide} hostname {name}; echo 127.0.0.1 localhost {name} >{self.home}/hosts; mount --bind {self.home}/hosts /etc/hosts;"
                  "echo ready; exec sleep infinity")
        self.holder = subprocess.Popen(["unshare", "-n", "-m", "-u", "--propagation", "private", "sh", "-c", script], stdout=subprocess.PIPE, text=True)
        if self.holder.stdout.readline() != "ready\n":
            raise AssertionError(f"no host {name}")
        self.inside("ip", "link", "set", "lo", "up")
        self.env = {**house.env, "HOME": str(self.home), "AMA_DATA_DIR": str(self.home / "data"), "XDG_CACHE_HOME": str(self.home / "cache"),
                    "TMPDIR": str(house.folder)}
        self.process, self.others = None, []

    def enter(self):
        return ["nsenter", "-t", str(self.holder.pid), "-n", "-m", "-u"]

    def inside(self, *args):
        subprocess.run([*self.enter(), *map(str, args)], check=True, capture_output=True, text=True)

    def log(self):
        at = self.home / "log"
        return at.read_text() if at.exists() else ""

    def start(self, program, *args):
        self.command = (program, *map(str, args))
        with open(self.home / "log", "a") as log:  # nsenter becomes the program: its id is the program's
            self.process = subprocess.Popen([*self.enter(), BIN / program, *map(str, args)], env=self.env, stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log, start_new_session=True)
        return self.process

    def kill(self, lose_cache=False):
        """kill -9, and the same program again; its cache may be lost meanwhile."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)
        for cache in [*self.home.glob("cache"), *self.home.glob("agent/cache")] if lose_cache else []:
            subprocess.run(["rm", "-rf", cache], check=True)
        self.start(*self.command)

    def end(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)  # at a SIGTERM an agent would leave what runs to the next one
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(10)
        for process in [*self.others, self.holder]:
            process.kill()
            process.wait(10)
        self.holder.stdout.close()


class NetHouse(DaemonHouse):
    def setUp(self):
        super().setUp()
        self.hosts = {}
        self.hub = self.host("hub")
        self.hub.env["AMA_DATA_DIR"] = str(self.data)  # ama of the tests talks to it over ipc
        self.add_key("someone", "viewer")  # without a list amad does not open the port

    def tearDown(self):
        for host in reversed(self.hosts.values()):
            if host is not self.hub:
                host.end()
        self.hub.end()
        super().tearDown()

    def host(self, name, programs=None):
        host = Host(self, name, programs)
        if self.hosts:  # a cable to the hub
            number = len(self.hosts)
            ip("link", "add", f"v{os.getpid()}h", "netns", self.hub.holder.pid, "type", "veth", "peer", "name", "v0", "netns", host.holder.pid)
            self.hub.inside("ip", "link", "set", f"v{os.getpid()}h", "name", f"v{number}")
            for one, dev, end in ((self.hub, f"v{number}", 1), (host, "v0", 2)):
                one.inside("ip", "addr", "add", f"10.77.{number}.{end}/30", "dev", dev)
                one.inside("ip", "link", "set", dev, "up")
            host.hub_address = f"10.77.{number}.1"
        self.hosts[name] = host
        return host

    def add_key(self, name, role):
        at = self.folder / f"{name.replace('/', '-')}.key"
        for args in (("keygen", "--output", at), ("keys", "add", name, "--role", role, "--key", at)):
            done = self.ama(*args)
            self.assertEqual(done.returncode, 0, done.stderr)
        return at

    def serve(self, text="", *args):
        """amad in the hub's namespace."""
        conf = self.folder / "amad.yaml"
        if not conf.exists():
            conf.write_text(f'listen: "tcp://0.0.0.0:7700"\nfetch: {{local-paths: [{self.folder}]}}\n{text}')
        self.hub.start("amad", "--config", conf, *args)
        self.wait_for(lambda: "serving on" in self.hub.log(), "amad serves", self.hub)
        self.public = (self.data / "keys/amad.key.pub").read_text().strip()

    def join(self, host):
        return "--connect", f"tcp://{host.hub_address}:7700", "--server-key", self.public

    def agent(self, name, *args, **env):
        key, host = self.add_key(name, "agent"), self.hosts.get(name) or self.host(name)
        host.env.update(env)
        (host.home / "agent").mkdir(exist_ok=True)
        host.start("ama-agent", *self.join(host), "--name", name, "--key", key, "--dir", host.home / "agent", *args)
        return host

    def actor(self, name):
        key, host = self.add_key(name, "actor"), self.hosts.get(name) or self.host(name)
        conf = host.home / "amad.yaml"
        conf.write_text(f"fetch: {{local-paths: [{self.folder}]}}\n")
        host.start("amad", "--actor", name, *self.join(host), "--key", key, "--config", conf)
        return host

    def wait_for(self, true, what, *hosts, limit=60):
        until = time.monotonic() + limit
        while not true():
            time.sleep(0.01)
            gone = [h.name for h in hosts if h.process.poll() is not None]
            if gone or time.monotonic() > until:
                raise AssertionError(f"{what}: did not happen\n" + "\n".join(f"--- {h.name}\n{h.log()}" for h in self.hosts.values()))

    def logs(self):
        return "\n".join(f"--- {h.name}\n{h.log()}" for h in self.hosts.values())
