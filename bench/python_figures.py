"""Figures of Python actions."""
import subprocess
import time
import zipfile

from measure import ROOT, Row, percentile, place

ORDER = ('{"snapshot": "%s", "files": [{"file": "deps/requirements.txt", "options": ["--no-index", "--find-links deps/wheels"], '
         '"packages": [{"text": "thin==1.0", "file": "deps/requirements.txt", "line": 3, "constraint": false}]}]}')


def environment(quick):
    """What an action waits for its environment when that is there already: the runner's script, from its start to its end; beside a bare Python that does nothing."""
    n = 10 if quick else 100
    script = ROOT / "agent/runners/python/install.sh"
    with place() as at:
        wheels = at.folder / "job/deps/wheels"
        wheels.mkdir(parents=True)
        with zipfile.ZipFile(wheels / "thin-1.0-py3-none-any.whl", "w") as file:
            file.writestr("thin.py", "")
            file.writestr("thin-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: thin\nVersion: 1.0\n")
            file.writestr("thin-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nGenerator: bench\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
            file.writestr("thin-1.0.dist-info/RECORD", "")
        cache = at.env["XDG_CACHE_HOME"] + "/amaterasu"
        order = (ORDER % (at.folder / "job")).encode()

        def ask():
            begun = time.monotonic()
            subprocess.run([script, cache, "-"], input=order, env=at.env, check=True, capture_output=True)
            return (time.monotonic() - begun) * 1000

        made = ask()
        warm = [ask() for _ in range(n)]
        bare = []
        for _ in range(n):
            begun = time.monotonic()
            subprocess.run(["python3", "-I", "-S", "-c", ""], check=True)
            bare.append((time.monotonic() - begun) * 1000)
    p50, p95 = percentile(warm, 50), percentile(warm, 95)
    yield Row("environment from a warm cache p50", p50, "ms", "<= 300", n, p50 <= 300, f"[p95 {p95:.0f} ms; bare Python {percentile(bare, 50):.0f} ms; the first time {made:.0f} ms]")


ALL = {"environment": environment}
