"""A house with jobs whose files go to kernels, and what is told of them in short."""
import json

from house import House


class KernelHouse(House):
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
