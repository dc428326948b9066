"""amad as a service: what it tells the service manager, whose place a datagram socket takes; one of its actors is made to hang."""
import ctypes
import os
import pathlib
import signal
import socket
import time
import unittest

from daemon_house import DaemonHouse
from run_test import flow, shell

PTRACE_SEIZE, PTRACE_INTERRUPT, PTRACE_DETACH = 0x4206, 0x4207, 17
WALL = 0x40000000


class Service(DaemonHouse):
    def setUp(self):
        super().setUp()
        self.manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.manager.bind(str(self.folder / "notify"))
        self.addCleanup(self.manager.close)

    def serve(self, watchdog_s):
        self.env |= {"NOTIFY_SOCKET": str(self.folder / "notify"), "WATCHDOG_USEC": str(watchdog_s * 1000000)}
        return self.amad()

    def hear(self, limit=30):
        """The next datagram, or None."""
        self.manager.settimeout(limit)
        try:
            return self.manager.recv(4096).decode()
        except TimeoutError:
            return None

    def until(self, wanted, limit=30):
        """All datagrams up to that one."""
        heard, deadline = [], time.monotonic() + limit
        while wanted not in heard:
            text = self.hear(max(0.001, deadline - time.monotonic()))
            self.assertIsNotNone(text, f"no {wanted} after {heard}")
            heard.append(text)
        return heard

    def test_from_ready_to_stopping(self):
        daemon = self.serve(1)
        self.assertEqual(self.until("READY=1"), ["STATUS=serving", "READY=1"])
        self.assertEqual(self.ama("list").returncode, 0)  # ready is ready
        self.until("WATCHDOG=1")
        run = self.submit(self.job(flow(shell("a")), a="env\n"))
        _, report = self.attach(run)
        self.assertNotIn("NOTIFY_SOCKET", report)
        for pid, command in self.processes():
            if "ama-agent" in command:
                self.assertNotIn(b"NOTIFY_SOCKET", pathlib.Path(f"/proc/{pid}/environ").read_bytes())
        self.until("WATCHDOG=1")
        daemon.send_signal(signal.SIGTERM)
        self.until("STOPPING=1")
        self.assertRegex(self.hear(), r"^EXTEND_TIMEOUT_USEC=\d+$")

    def test_a_hung_actor_gets_no_food(self):
        daemon = self.serve(2)
        self.until("WATCHDOG=1")
        tid = next(int(t.name) for t in pathlib.Path(f"/proc/{daemon.pid}/task").iterdir() if (t / "comm").read_text() == "planner\n")
        libc = ctypes.CDLL(None, use_errno=True)
        libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
        if libc.ptrace(PTRACE_SEIZE, tid, None, None) != 0:
            self.skipTest(f"no thread can be held here: {os.strerror(ctypes.get_errno())}")
        stat = pathlib.Path(f"/proc/{daemon.pid}/task/{tid}/stat")
        while stat.read_text().rsplit(")", 1)[1].split()[0] != "S":  # not while it holds a lock of others
            time.sleep(0.01)
        try:
            self.assertEqual(libc.ptrace(PTRACE_INTERRUPT, tid, None, None), 0)
            os.waitpid(tid, WALL)
            self.until("STATUS=planner hangs")
            self.assertIsNone(self.hear(3))
            log = (self.folder / "amad.log").read_text()
            self.assertEqual(log.count("component=planner"), 1, log)
            self.assertEqual(self.ama("list").returncode, 0)  # the others go on
        finally:
            libc.ptrace(PTRACE_DETACH, tid, None, None)
        self.until("STATUS=serving")
        self.until("WATCHDOG=1")

    def test_an_agent_of_its_own_unit(self):
        """As config/systemd starts them: the agent first; it and its actions outlive amad."""
        (self.data / "agent").mkdir(parents=True)
        agent = self.start("--connect", f"ipc://{self.data}/run/hub.sock", "--dir", self.data / "agent", "--sandbox-write", self.shared, program="ama-agent",
                           env={"NOTIFY_SOCKET": str(self.folder / "notify"), "WATCHDOG_USEC": "2000000"})
        self.until("READY=1")
        self.until("WATCHDOG=1")
        daemon = self.amad("--no-agent")
        go = self.shared / "go"
        os.mkfifo(go)
        run = self.submit(self.job(flow(shell("a")), a=f"echo $(ps -o ppid= $PPID)\ncat {go}\n"))
        follower = self.start("attach", run, "--report-format", "ndjson")
        self.wait_for_line(follower, f'"text":"{agent.pid}')
        self.kill(daemon)
        follower.kill()
        self.finish(follower)
        self.amad("--no-agent")
        go.write_text("gone\n")
        self.assertEqual(self.attach(run)[0], 0)
        self.assertEqual(len([p for p in self.processes() if "ama-agent" in p[1]]), 1)
        agent.send_signal(signal.SIGTERM)
        self.finish(agent)
        self.until("STOPPING=1")
        self.assertEqual(agent.returncode, 0)

    def test_an_agent_is_started_anew_or_ended(self):
        """SIGTERM: its actions go on, and the next one has them. SIGINT: they end first."""
        (self.data / "agent").mkdir(parents=True)
        command = ("--connect", f"ipc://{self.data}/run/hub.sock", "--dir", self.data / "agent", "--sandbox-write", self.shared)
        agent = self.start(*command, program="ama-agent")
        self.amad("--no-agent")
        go, never = self.shared / "go", self.shared / "never"
        os.mkfifo(go)
        os.mkfifo(never)
        run = self.submit(self.job(flow(shell("a", retry={"attempts": 1}), shell("b", retry={"attempts": 1})),
                                   a=f"echo up\ncat {go}\n", b=f"echo on\nread -r x <>{never}\n"))
        follower = self.start("attach", run, "--report-format", "ndjson")
        head = self.wait_for_line(follower, '"text":"up"')
        agent.send_signal(signal.SIGTERM)
        self.finish(agent)
        self.assertEqual(agent.returncode, 0)
        self.assertTrue([p for p in self.processes() if str(go) in p[1]])
        agent = self.start(*command, program="ama-agent")
        go.write_text("gone\n")
        head += self.wait_for_line(follower, '"text":"on"')
        agent.send_signal(signal.SIGINT)
        self.finish(agent)
        self.assertEqual((agent.returncode, [p for p in self.processes() if "ama-ward" in p[1] or "b.sh" in p[1]]), (0, []))
        agent = self.start(*command, program="ama-agent")
        events = self.checked(head + self.finish(follower)[0])
        self.assertEqual([(e["action"], e["state"]) for e in events.find("attempt.ended")], [("a", "succeeded"), ("b", "errored")])
        agent.send_signal(signal.SIGINT)
        self.finish(agent)

    def test_what_went_wrong_is_its_status(self):
        self.amad()
        self.env["NOTIFY_SOCKET"] = str(self.folder / "notify")
        self.assertEqual(self.ama(program="amad").returncode, 75)
        self.assertRegex(self.hear(), "^STATUS=.*")


if __name__ == "__main__":
    unittest.main()
