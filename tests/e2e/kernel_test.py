"""Actions of any installed kernel: what is told of each statement, how they end, and that nothing of them is left."""
import json
import unittest

from house import House


def kernel(name, file, **more):
    return {"name": file.split(".")[0], "runner": {"type": "kernel", "name": name}, "file": file, "retry": {"attempts": 1}, **more}


class Kernels(House):
    def job(self, sources, flow, name="job", **env):
        return self.repo({"maki.yml": json.dumps({"job-name": "job", "flow": flow}),
                          "env/default/job.yml": json.dumps({"master": "local[1]", "outputRootPath": f"{self.folder}/out", **env}),
                          **{f"src/{file}": text for file, text in sources.items()}}, name)

    def story(self, events):
        """Statements and output in their order, in short."""
        told = []
        for e in events:
            if e["type"] == "statement.ended":
                told.append((e["line"], e["status"], e.get("value", "")))
            elif e["type"] == "output":
                told.append((e["stream"], e["text"]))
        return told


class Stock(Kernels):
    """ipykernel as it is, over iopub."""

    def test_cell_by_cell(self):
        repo = self.job({"a.py": "# %% first\nimport os\nprint('é')\nx = 3\n\n# %%\nx * 14\n\n#%%\n\ndef f(n):\n    return n / 0\n# %%\nprint('so far')\nf(x)\n# %%\nprint('never')\n"},
                        [kernel("python3", "a.py")])
        events = self.run_events(repo, exit=1)
        self.assertEqual(self.story(events), [("stdout", "é"), (2, "ok", ""), (7, "ok", "42"), (11, "ok", ""), ("stdout", "so far"), (14, "error", "")])
        bad = events.one("statement.ended", status="error")
        self.assertEqual((bad["error"]["name"], bad["error"]["message"]), ("ZeroDivisionError", "division by zero"))
        self.assertEqual([(f["file"], f["line"]) for f in bad["error"]["frames"]], [("src/a.py", 12), ("src/a.py", 15)])
        end = events.one("attempt.ended")
        self.assertEqual((end["state"], end["cause"], end["file"], end["line"]), ("failed", "error", "src/a.py", 12))
        self.assertEqual(self.processes(), [])


if __name__ == "__main__":
    unittest.main()
