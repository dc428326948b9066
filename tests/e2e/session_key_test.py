"""A Spark session obeys who holds its key alone: an action of another run, which may see its sockets, can neither read the key nor do without it."""
import json
import os
import unittest

from daemon_house import DaemonHouse
from spark_house import scala, shell

# A Jupyter client of 30 lines: connects to a socket of the session by ZMTP 3.0 and asks for code to be run, signed with the key that it is given.
CLIENT = r'''
import hashlib, hmac, json, os, socket, struct, time
def frame(body, more): return struct.pack(">BB", more, len(body)) + body if len(body) < 256 else struct.pack(">BQ", more | 2, len(body)) + body
def greeting(): return b"\xff" + bytes(8) + b"\x7f\x03\x00" + b"NULL".ljust(20, b"\0") + bytes(32)
def ask(path, key, code, sign=True):
    """b"" if the session hangs up or says nothing."""
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(5)
    s.connect(path)
    s.sendall(greeting())
    meta = b"\x05READY" + b"\x0bSocket-Type" + struct.pack(">I", 6) + b"DEALER" + b"\x08Identity" + struct.pack(">I", 0)
    s.sendall(struct.pack(">BB", 4, len(meta)) + meta)
    head = {"msg_id": os.urandom(8).hex(), "session": "x", "username": "x", "date": "2026-01-31T12:00:00Z", "msg_type": "execute_request", "version": "5.3"}
    content = {"code": code, "silent": False, "store_history": True, "user_expressions": {}, "allow_stdin": False, "stop_on_error": True}
    parts = [json.dumps(p).encode() for p in (head, {}, {}, content)]
    mac = hmac.new(key, b"".join(parts), hashlib.sha256).hexdigest().encode() if sign else b""
    s.sendall(b"".join(frame(b, i < 5) for i, b in enumerate([b"<IDS|MSG>", mac, *parts])))
    got, until = b"", time.monotonic() + 20
    try:
        while b"execute_reply" not in got and time.monotonic() < until:
            more = s.recv(65536)
            if not more:
                break
            got += more
    except OSError:
        pass
    return got
'''

TRY = r'''
python3 - <<'END'
import os
exec(open(f"{os.environ['AMA_REPO']}/src/client.py").read())
for path in @FILES@:
    try:
        open(path, "rb").read(1)
        print("read", path)
    except PermissionError:
        print("no", os.path.basename(path))
for path in @SOCKETS@:
    for key, sign in ((b"0" * 32, True), (b"", True), (b"", False)):
        try:
            print("obeyed" if b"execute_reply" in ask(path, key, @CODE@, sign) else "refused")
        except OSError:
            print("no", os.path.basename(path))
END
'''


class SessionKey(DaemonHouse):
    def test_of_another_run(self):
        job = self.repo({"maki.yml": json.dumps({"job-name": "job", "flow": [scala("hold")]}), "env/default/job.yml": "master: local[1]\n",
                         "src/hold.scala": f'println("up")\nwhile (!new java.io.File("{self.shared}/go").exists) Thread.sleep(50)\n'})
        conf = self.folder / "house.yaml"  # room for both at once, whatever this machine has
        conf.write_text(conf.read_text() + "resources: {cpus: 4, memory: 6g}\n")
        self.amad()
        run = self.submit(job)
        self.wait_for_output(run, "up")
        connection, = (self.data / "agent").glob("runs/*/session-*/connection.json")
        self.assertEqual(connection.stat().st_mode & 0o777, 0o600)
        facts = json.loads(connection.read_text())
        mark, code = self.shared / "mark", 'new java.io.File("%s/mark").createNewFile()' % self.shared
        sockets = [f"{facts['ip']}-1", f"{facts['ip']}-4"]
        kernel, = [pid for pid, line in self.processes() if "/java" in line and str(connection) in line]
        files = [str(path) for path in connection.parent.iterdir() if path.is_file()] + [f"/proc/{kernel}/{name}" for name in ("environ", "mem")]
        self.assertTrue(all(os.access(path, os.R_OK) for path in files), files)
        script = TRY.replace("@FILES@", repr(files)).replace("@SOCKETS@", repr(sockets)).replace("@CODE@", repr(code))
        other = self.repo({"maki.yml": json.dumps({"job-name": "other", "flow": [shell("try")]}), "env/default/job.yml": "name: default\n",
                           "src/client.py": CLIENT, "src/try.sh": script}, "other")
        tried = self.submit(other)
        ended, text = self.attach(tried)
        self.assertEqual(ended, 0, text)
        said = [e["text"] for e in self.checked(text).find("output")]
        self.assertEqual(said[:len(files)], [f"no {os.path.basename(path)}" for path in files])
        self.assertEqual(set(said[len(files):]), {"refused"}, said)
        self.assertFalse(mark.exists())
        # who has the key is obeyed: it was for want of that that the other was not
        known = {}
        exec(CLIENT, known)
        self.assertIn(b"execute_reply", known["ask"](sockets[0], facts["key"].encode(), code))
        self.assertTrue(mark.exists())
        (self.shared / "go").touch()
        self.assertEqual(self.attach(run)[0], 0)


if __name__ == "__main__":
    unittest.main()
