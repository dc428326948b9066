"""A notebook through the agent, beside the same one through nbclient: the same cells in the same ipykernel, from its start to its end."""
import contextlib
import json
import os
import statistics
import subprocess

from measure import ROOT, Place, Row

CELLS = 100
NBCLIENT = """
import sys, time, nbformat
from nbclient import NotebookClient
book = nbformat.read(sys.argv[1], as_version=4)
client = NotebookClient(book, timeout=60, kernel_name="python3")
start = time.monotonic()
client.execute()
print(time.monotonic() - start)
"""


def script(place, name):
    return subprocess.run([ROOT / name, f"{place.env['XDG_CACHE_HOME']}/amaterasu"], check=True, capture_output=True, text=True).stdout


def notebook():
    cells = [{"cell_type": "code", "id": f"c{n}", "metadata": {}, "outputs": [], "execution_count": None,
              "source": f"x = {n}\nprint('cell', x)\nx * x"} for n in range(CELLS)]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return json.dumps({"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5})


def hundred_cells(quick):
    with contextlib.closing(Place()) as place:
        tools = script(place, "tests/tools/kernels.sh").strip()
        ours = next(line[5:] for line in script(place, "agent/runners/python/install.sh").splitlines() if line.startswith("path="))
        repo = place.repo("book", {"maki.yml": '{"flow": [{"name": "book", "file": "book.ipynb"}]}', "env/default/job.yml": "master: local[1]\n", "src/book.ipynb": notebook()})
        peer = {**os.environ, "PATH": f"{ours}:{os.environ['PATH']}", "JUPYTER_PATH": f"{ours}/../share/jupyter"}
        agent, nbclient, rounds = [], [], 2 if quick else 10
        for _ in range(rounds):
            said = place.run("ama", "run", repo, "--report-format", "ndjson").stdout
            agent.append(next(json.loads(line)["ms"] for line in said.splitlines() if '"attempt.ended"' in line) / 1000)
            done = subprocess.run([f"{tools}/bin/python", "-c", NBCLIENT, repo / "src/book.ipynb"], env=peer, check=True, capture_output=True, text=True)
            nbclient.append(float(done.stdout))
        ratio = statistics.median(agent) / statistics.median(nbclient)
        yield Row(f"{CELLS} ipykernel cells / nbclient", ratio, "x", "<= 1.1", rounds, ratio <= 1.1,
                  f"{statistics.median(agent):.2f} s beside {statistics.median(nbclient):.2f} s")


ALL = {"cells": hundred_cells}
