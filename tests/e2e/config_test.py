"""ama config show: every value of an environment, the file and line that set it, and what it took the place of; with no daemon and no git."""
import json
import unittest

from house import House, SOURCE

EXAMPLES = SOURCE / "examples"


class ConfigShow(House):
    def keys(self, *args):
        done = self.ama("config", "show", *args, "-o", "json")
        self.assertEqual(done.returncode, 0, done.stderr)
        return {k["key"]: k for k in json.loads(done.stdout)["keys"]}

    def test_the_first_example(self):
        """Each place that is named is that of the value: the line holds the key, whichever file it is."""
        job = EXAMPLES / "first-pipeline"
        for env, count in (("default", 8), ("dev", 8), ("production", 9)):
            keys = self.keys(job, "--env", env)
            self.assertEqual(len(keys), count)
            for key, told in keys.items():
                for place in [told, *told.get("overrides", [])]:
                    if place["file"] == "built-in":
                        continue
                    line = (job / place["file"]).read_text().splitlines()[place["line"] - 1]
                    self.assertIn(key.split("configuration.")[-1] + ":", line)
                    self.assertIn(str(place["value"]), line)
        dev = self.keys(job, "--env", "dev")
        self.assertEqual(dev["configuration.highest"], {
            "key": "configuration.highest", "value": 100, "file": "env/dev/job.yml", "line": 3,
            "overrides": [{"value": 500, "file": "env/default/job.yml", "line": 8}]})
        self.assertEqual(dev["name"], {"key": "name", "value": "dev", "file": "env/dev/job.yml", "line": 1})

    def test_as_text(self):
        shown = self.ama("config", "show", EXAMPLES / "first-pipeline", "--env", "production").stdout.splitlines()
        self.assertIn('outputRootPath = "/tmp/first-pipeline/production/out"    env/production/job.yml:2'
                      '    instead of "/tmp/first-pipeline/out" env/default/job.yml:5', shown)
        self.assertIn('spark.sql.shuffle.partitions = "8"    env/production/spark.yml:1', shown)

    def test_of_an_action(self):
        """From the last word to the first: the action's files, the environment, `default`. A secret is told as the reference that it is."""
        repo = self.repo({
            "maki.yml": "flow: [{name: a, runner: shell, file: a.sh}]\n", "src/a.sh": "true\n",
            "env/default/job.yml": "configuration: {limit: 1, key: 'secret://db'}\n",
            "env/dev/job.yml": "configuration: {limit: 2}\n",
            "src/a/env/dev/10.yml": "configuration: {limit: 3}\n", "src/a/env/dev/20.yml": "\nconfiguration: {limit: 4}\n"})
        keys = self.keys(repo, "--env", "dev", "--action", "a")
        self.assertEqual(keys["configuration.limit"], {
            "key": "configuration.limit", "value": 4, "file": "src/a/env/dev/20.yml", "line": 2,
            "overrides": [{"value": 3, "file": "src/a/env/dev/10.yml", "line": 1}, {"value": 2, "file": "env/dev/job.yml", "line": 1},
                          {"value": 1, "file": "env/default/job.yml", "line": 1}]})
        self.assertEqual(keys["configuration.key"]["value"], "secret://db")
        wrong = self.ama("config", "show", repo, "--env", "dev", "--action", "aa")
        self.assertEqual((wrong.returncode, wrong.stdout), (2, ""))
        self.assertIn("did you mean a?", wrong.stderr)
        self.assertEqual(self.ama("config", "show", repo, "--env", "prod").returncode, 2)

    def test_what_other_files_say_reaches_actions(self):
        """Under the file's name, beside what stands under configuration; a name that an old environment gave twice is configuration's."""
        repo = self.repo({
            "maki.yml": "flow: [{name: a, runner: shell, file: a.sh, retry: {attempts: 1}}]\n",
            "src/a.sh": "echo $AMA_CONF_KAFKA_IN_TOPIC $AMA_CONF_KAFKA_PORT $AMA_CONF_TOPIC $AMA_OUTPUT_ROOT\ngrep kafka env.yaml\n",
            "env/default/any.yml": f"name: any\nmaster: local[1]\noutputRootPath: {self.folder}/out\nconfiguration: {{topic: t, kafka: {{port: 2}}}}\n",
            "env/default/kafka.yml": "in: {topic: rain}\nport: 1\n"})
        events = self.run_events(repo)
        told = events.lines(stream="stdout")
        self.assertEqual(told, [f"rain 2 t {self.folder}/out", '  "kafka.in.topic": "rain"', '  "kafka.port": 2'])


if __name__ == "__main__":
    unittest.main()
