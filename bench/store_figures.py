"""Figures of what is kept: journal, recovery, reports; and the door."""
import json
import os
import re
import resource
import signal
import socket
import subprocess
import time

from measure import BIN, Row, flow, percentile, place

ENV = {"env/default/job.yml": "name: default\n"}


def journal(quick):
    """Durable events in group commit, beside a bare SQLite that commits batches of the same size."""
    with place() as at:
        out = json.loads(at.run(BIN / "journal_bench", at.folder, *(["--quick"] if quick else [])).stdout)
    for b in out["batches"]:
        yield Row(f"journal, batches of {b['batch']}, ratio to raw SQLite FULL", b["ratio"], "x", ">= 0.6", b["n"], b["ratio"] >= 0.6,
                  f"[journal {b['journal_per_s']:.0f}/s, raw {b['raw_per_s']:.0f}/s]")


def wait_for_log(at, text, start, daemon, limit=60):
    """Milliseconds from start until the log has one more line with text."""
    log = at.folder / "amad.log"
    while text not in log.read_text():
        if daemon.poll() is not None or time.monotonic() > start + limit:
            raise RuntimeError(log.read_text()[-2000:])
        time.sleep(0.001)
    return (time.monotonic() - start) * 1000


def start_amad(at):
    """A fresh log; the daemon and when it was started."""
    log = open(at.folder / "amad.log", "w")
    start = time.monotonic()
    return subprocess.Popen([BIN / "amad"], env=at.env, stdout=log, stderr=log, start_new_session=True), start


def recovery(quick):
    """amad is killed; the next start has 100,000 events and 1,000 open runs, each with twenty finished actions and waiting for the next."""
    n, actions = (5 if quick else 200), 20
    with place() as at:
        (at.folder / "data").mkdir()
        gate = at.folder / "gate"
        gate.mkdir()
        (at.folder / "data/amad.yaml").write_text(f'resources: {{ cpus: 0.1, memory: 1g }}\nsandbox-write: ["{gate}"]\n')
        go = gate / "go"
        os.mkfifo(go)
        names = [f"a{i}" for i in range(actions + 1)]
        scripts = {f"src/{a}.sh": ":\n" for a in names}
        scripts[f"src/{names[-2]}.sh"] = f"read line <{go}\n"
        repo = at.repo("job", {"maki.yml": flow(names), **ENV, **scripts})
        blocker = at.repo("blocker", {"maki.yml": flow(["b"]), **ENV, "src/b.sh": "sleep 3600\n"})

        def show(run):
            return json.loads(at.run(BIN / "ama", "show", run, "-o", "json").stdout)

        def until(what):
            deadline = time.monotonic() + 60
            while not what():
                if time.monotonic() > deadline:
                    raise RuntimeError("the runs do not come to where they are to be")
                time.sleep(0.02)

        daemon, start = start_amad(at)
        wait_for_log(at, "serving on", start, daemon)
        run = at.run(BIN / "ama-submit", "--repo", repo, "--detach").stdout.strip()
        until(lambda: show(run)["actions"][actions - 1]["state"] == "running")
        held = at.run(BIN / "ama-submit", "--repo", blocker, "--detach").stdout.strip()
        until(lambda: show(held)["actions"])
        time.sleep(0.5)
        go.write_text("go\n")
        until(lambda: show(held)["actions"][0]["state"] == "running" and show(run)["actions"][actions - 1]["state"] == "succeeded")
        daemon.send_signal(signal.SIGKILL)
        daemon.wait()
        each = json.loads(at.run(BIN / "journal_copy", at.folder / "data", run, 1).stdout)["each"]
        made = json.loads(at.run(BIN / "journal_copy", at.folder / "data", run, max(1000, 100000 // each)).stdout)
        ready, back = [], []
        for _ in range(n):
            daemon, start = start_amad(at)
            ready.append(wait_for_log(at, "serving on", start, daemon))
            back.append(wait_for_log(at, "agent/local is here", start, daemon))
            daemon.send_signal(signal.SIGKILL)
            daemon.wait()
        beside = f"[{made['events']} events, {made['runs']} open runs; killed before each start]"
    yield Row("start of amad to ready p50", percentile(ready, 50), "ms", "<= 2000", n, percentile(ready, 50) <= 2000, beside)
    yield Row("start of amad to ready p99", percentile(ready, 99), "ms", "<= 2000", n, percentile(ready, 99) <= 2000)
    yield Row("agent back after the start p99", percentile(back, 99), "ms", "<= 5000", n, percentile(back, 99) <= 5000)


def report(quick):
    """A report told live to ten followers, one of them stalled."""
    events = 100_000 if quick else 1_000_000
    with place() as at:
        out = json.loads(at.run(BIN / "report_bench", at.folder, events).stdout)
    beside = f"[posted {out['posted_per_s']:.0f}/s; the stalled one has {out['stalled_at']}; daemon {out['cpu_s'] / events * 1e6:.1f} us of cpu an event]"
    yield Row("report, gaps at nine live followers", out["gaps"], "", "= 0", events, out["gaps"] == 0)
    yield Row("report, events/s to the slowest of nine live followers", out["per_s"], "/s", ">= 100000", events, out["per_s"] >= 100_000, beside)
    yield Row("report, peak RSS of hub, reporter and poster", out["rss_kb"] / 1024, "MB", "<= 256", events, out["rss_kb"] <= 256 * 1024)


def silent(quick):
    """A client with a key asks over tcp while 200 peers are connected and say nothing, at 256 descriptors."""
    n, peers, files = (5 if quick else 50), 200, 256
    with place() as at:
        data = at.folder / "data"
        data.mkdir()
        (data / "amad.yaml").write_text('listen: "tcp://127.0.0.1:*"\n')
        public = at.run(BIN / "ama", "keygen", "--output", at.folder / "key").stdout.strip()
        at.run(BIN / "ama", "keys", "add", "boss", "--role", "operator", "--key", public)
        with open(at.folder / "amad.log", "w") as log:
            daemon = subprocess.Popen([BIN / "amad"], env=at.env, stdout=log, stderr=log, start_new_session=True,
                                      preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (files, files)))
        try:
            wait_for_log(at, "serving on", time.monotonic(), daemon)
            endpoint = re.findall(r"listens on (tcp://127\.0\.0\.1:(\d+))", (at.folder / "amad.log").read_text())[-1]
            server = (data / "keys/amad.key.pub").read_text().strip()
            words = ("list", "--server", endpoint[0], "--key", at.folder / "key", "--server-key", server)
            alone = percentile([at.timed(BIN / "ama", *words)[0] * 1000 for _ in range(5)], 50)
            took, held = [], []
            for _ in range(n):
                while len(held) < peers:  # amad cuts who says nothing; others come
                    held.append(socket.create_connection(("127.0.0.1", int(endpoint[1]))))
                took.append(at.timed(BIN / "ama", *words)[0] * 1000)
                held = [s for s in held if alive(s)]
        finally:
            daemon.send_signal(signal.SIGTERM)
            daemon.wait(30)
    yield Row("client beside 200 silent tcp peers, 256 files, slowest", max(took), "ms", "<= 1000", n, max(took) <= 1000,
              f"[median {percentile(took, 50):.0f} ms; alone {alone:.0f} ms; the whole command `ama list`]")


def alive(connection):
    """False once the other end has closed; what it said is read away."""
    connection.setblocking(False)
    try:
        while True:
            if not connection.recv(4096):
                connection.close()
                return False
    except BlockingIOError:
        return True
    except OSError:
        connection.close()
        return False


ALL = {"journal": journal, "recovery": recovery, "report": report, "silent": silent}
