"""Notebooks as actions: cell by cell, with parameters, and what is left of them is a notebook that others can read."""
import base64
import json
import pathlib
import subprocess
import unittest

from canary import Canaries
from house import SOURCE, House, cache_folder

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\nnot much of a plot").decode()
CANARIES = Canaries(token="canary-notebook 1+/&\"<\\é~")


def tools():
    return pathlib.Path(subprocess.run([SOURCE / "tests/tools/kernels.sh", f"{cache_folder()}/amaterasu"], check=True, capture_output=True, text=True).stdout.strip())


def code(source, *tags):
    return {"cell_type": "code", "execution_count": None, "metadata": {"tags": list(tags)} if tags else {}, "outputs": [], "source": source}


def text(source):
    return {"cell_type": "markdown", "metadata": {}, "source": source}


def notebook(*cells, kernel="python3", language="python", minor=4):
    return json.dumps({"cells": [{**cell, "id": f"c{n}"} if minor >= 5 else cell for n, cell in enumerate(cells)],
                       "metadata": {"kernelspec": {"display_name": kernel, "name": kernel, "language": language}}, "nbformat": 4, "nbformat_minor": minor})


class Notebooks(House):
    def job(self, document, name="job", env=None, file="book.ipynb", **more):
        return self.repo({"maki.yml": json.dumps({"job-name": "job", "flow": [{"name": "book", "file": file, "retry": {"attempts": 1}, **more}]}),
                          "env/default/job.yml": json.dumps({"master": "local[1]", **(env or {})}), f"src/{file}": document}, name)

    def executed(self, events):
        """What the action has left, judged by nbformat itself."""
        told = events.one("artifact")
        self.assertEqual((told["name"], told["media_type"]), ("book.ipynb", "application/x-ipynb+json"))
        judge = "import nbformat, sys; nbformat.validate(nbformat.read(sys.argv[1], as_version=nbformat.NO_CONVERT))"
        done = subprocess.run([tools() / "bin/python", "-W", "error", "-c", judge, told["path"]], capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return json.loads(pathlib.Path(told["path"]).read_text())

    def test_cell_by_cell(self):
        for minor in (4, 5):
            with self.subTest(minor):
                events = self.run_events(self.job(notebook(
                    text("# Title"), code(["x = 6\n", "print('hé')"]), code("  \n"), code("x * 7"), code("import sys\nprint('e', file=sys.stderr)\nx"), minor=minor), name=f"job{minor}"))
                self.assertEqual([(e["file"], e["line"], e["end_line"], e.get("value", "")) for e in events.find("statement.ended")],
                                 [("src/book.ipynb#1", 1, 2, ""), ("src/book.ipynb#2", 1, 1, "42"), ("src/book.ipynb#3", 1, 3, "6")])
                cells = self.executed(events)["cells"]
                self.assertEqual([cell.get("execution_count") for cell in cells], [None, 1, None, 2, 3])
                self.assertEqual(cells[1]["outputs"], [{"output_type": "stream", "name": "stdout", "text": "hé\n"}])
                self.assertEqual(cells[3]["outputs"][0]["data"], {"text/plain": "42"})
                self.assertEqual([o["output_type"] for o in cells[4]["outputs"]], ["stream", "execute_result"])

    def test_a_failure_names_cell_and_line_and_leaves_the_notebook(self):
        events = self.run_events(self.job(notebook(code("def f(n):\n    return n / 0"), code("print('before')\n\nf(1)"), code("print('never')"))), exit=1)
        bad = events.one("statement.ended", status="error")
        self.assertEqual([(f["file"], f["line"]) for f in bad["error"]["frames"]], [("src/book.ipynb#1", 2), ("src/book.ipynb#2", 3)])
        end = events.one("attempt.ended")
        self.assertEqual((end["state"], end["file"], end["line"], end["error"]["name"]), ("failed", "src/book.ipynb#1", 2, "ZeroDivisionError"))
        cells = self.executed(events)["cells"]
        self.assertEqual([o["output_type"] for o in cells[1]["outputs"]], ["stream", "error"])
        self.assertEqual(cells[1]["outputs"][1]["ename"], "ZeroDivisionError")
        self.assertEqual((cells[2]["outputs"], cells[2]["execution_count"]), ([], None))

    def test_killed_in_the_middle(self):
        events = self.run_events(self.job(notebook(code("1 + 1"), code("print('last words', flush=True)\nimport os, time\ntime.sleep(0.3)\nos.kill(os.getpid(), 9)"))), exit=1)
        self.assertEqual(events.one("attempt.ended")["cause"], "killed")
        cells = self.executed(events)["cells"]
        self.assertEqual([o["output_type"] for o in cells[1]["outputs"]], ["stream", "error"])
        self.assertEqual(cells[1]["outputs"][1]["evalue"], "python3 was ended by SIGKILL")

    def test_parameters(self):
        document = notebook(code("import json"), code("limit = 1\nname = 'x'\nflag = None\nmany = []", "parameters"), code("print(json.dumps([limit, name, flag, many]))"), minor=5)
        params = {"limit": 7, "name": "it's \"é\" \\ $x", "flag": True, "many": [1, None, {"a": 0.5}]}
        events = self.run_events(self.job(document, params=params))
        self.assertEqual(json.loads(events.one("output")["text"]), [7, "it's \"é\" \\ $x", True, [1, None, {"a": 0.5}]])
        cells = self.executed(events)["cells"]
        self.assertEqual(cells[2]["metadata"]["tags"], ["injected-parameters"])
        self.assertTrue(cells[2]["source"].startswith("# Parameters\nlimit = 7\n"))

    def test_a_parameter_of_the_run_and_one_that_was_injected_before(self):
        document = notebook(code("limit = 1", "injected-parameters"), code("print(limit)"))
        repo = self.job(document, params={"limit": 7})
        events = self.run_events(repo, "-p", "limit=8", "-p", "other=1")
        self.assertEqual(events.one("output")["text"], "8")
        self.assertEqual(len(self.executed(events)["cells"]), 2)

    def test_plots_and_all_that_a_notebook_shows(self):
        show = (f"from IPython.display import display, clear_output\ndisplay({{'image/png': '{PNG}', 'text/plain': '<Figure>'}}, raw=True)\n"
                "handle = display('old', display_id=True)\nhandle.update('new')")
        events = self.run_events(self.job(notebook(code(show), code("print('gone')\nclear_output()\nprint('kept')"), code("{'a': 1}"))))
        self.assertEqual([e["text"] for e in events.find("output")][:2], ["<Figure> (image/png in book.ipynb)", "'old'"])
        cells = self.executed(events)["cells"]
        self.assertEqual(cells[0]["outputs"][0]["data"], {"image/png": PNG, "text/plain": "<Figure>"})
        self.assertEqual(cells[0]["outputs"][1]["data"]["text/plain"], "'new'")
        self.assertEqual([o["text"] for o in cells[1]["outputs"]], ["kept\n"])

    def test_a_cell_that_may_fail(self):
        events = self.run_events(self.job(notebook(code("1 / 0", "raises-exception"), code("print('on')"))))
        self.assertEqual([e["status"] for e in events.find("statement.ended")], ["ok", "ok"])
        self.assertEqual(self.executed(events)["cells"][0]["outputs"][0]["ename"], "ZeroDivisionError")

    def test_what_is_no_notebook(self):
        for number, (document, message) in enumerate((("{}", "nbformat is missing"), ("[1", "line 1"), (json.dumps({"nbformat": 3, "worksheets": []}), "format 3"),
                                                      (json.dumps({"nbformat": 4, "metadata": {}, "cells": [{"cell_type": "code"}]}), "cell 1"))):
            with self.subTest(document):
                end = self.run_events(self.job(document, name=f"job{number}"), exit=1).one("attempt.ended")
                self.assertEqual((end["state"], end["cause"]), ("failed", "syntax"))
                self.assertIn(message, end["error"]["message"])

    def test_the_kernel_it_names(self):
        self.open_to_actions("/dev/ptmx", "/dev/pts")     # bash_kernel talks to bash over a terminal
        document = notebook(code("a=\"it's\"\necho \"$a $word\""), kernel="bash", language="bash")
        events = self.run_events(self.job(document, params={"word": "o'clock"}), env={"JUPYTER_PATH": str(tools() / "share/jupyter")})
        self.assertEqual(events.one("output")["text"], "it's o'clock")
        end = self.run_events(self.job(notebook(code("1"), kernel="nowhere"), name="job2"), exit=5).one("attempt.ended")
        self.assertEqual(end["cause"], "dependency")
        self.assertIn("no kernel nowhere is installed", end["error"]["message"])

    def test_secrets_are_masked_in_the_executed_notebook(self):
        at = self.data / "secrets/default/token"
        at.parent.mkdir(parents=True)
        at.write_text(CANARIES["token"])
        at.chmod(0o600)
        repo = self.job(notebook(code("import os\nt = os.environ['AMA_CONF_TOKEN']\nprint(t)"), code("t"), code("raise ValueError('refused for ' + t)")),
                        env={"configuration": {"token": "secret://token"}})
        events = self.run_events(repo, exit=1)
        self.assertEqual(events.find("output")[0]["text"], "***")
        self.assertIn("***", self.executed(events)["cells"][0]["outputs"][0]["text"])
        self.assertEqual(CANARIES.within(json.dumps(events).encode()), [])
        self.assertEqual(CANARIES.in_files(self.folder, self.data / "secrets"), [])

    def test_what_stands_in_the_place_of_the_executed_notebook(self):
        events = self.run_events(self.job(notebook(code("import os\nos.mkfifo('book.ipynb')\nprint('made')"))))
        self.executed(events)


if __name__ == "__main__":
    unittest.main()
