"""R without Spark, by the machine's IRkernel: top-level expressions, what they find, how they end."""
import json
import unittest

from kernel_house import KernelHouse


def r(name, **more):
    return {"name": name, "runner": {"group": "r", "type": "r"}, "file": f"{name}.R", "retry": {"attempts": 1}, **more}


class R(KernelHouse):
    def job(self, flow, sources, **env):
        return super().job({f"{name}.R": text for name, text in sources.items()}, flow, **env)

    def told(self, events):
        return events.lines(stream="stdout")

    def test_expression_by_expression(self):
        """Each is a statement with its lines, whatever it spans; values are shown as R shows them, and what is invisible is not."""
        source = """\
            # R
            total <- function(x) {
                sum(x)   # "}" ends it
            }
            total(c(1, 2, 3)); x <- 'é'
            cat(x, env$name, env$configuration$limit * 2, Sys.getenv("AMA_ACTION"), "\\n")

            if (x == "é") {
                "yes"
            } else {
                "no"
            }
            write.csv(data.frame(a = 1:2), "out.csv")
            nrow(read.csv("out.csv"))
            """
        events = self.run_events(self.job([r("a")], {"a": source}, configuration={"limit": 21}))
        self.assertEqual([(e["line"], e["end_line"]) for e in events.find("statement.ended")], [(2, 4), (5, 5), (5, 5), (6, 6), (8, 12), (13, 13), (14, 14)])
        self.assertEqual(self.told(events), ["[1] 6", "é default 42 a ", '[1] "yes"', "[1] 2"])
        self.assertEqual(self.processes(), [])

    def test_the_first_that_fails_ends_it(self):
        events = self.run_events(self.job([r("a")], {"a": "f <- function() stop('no rain')\ncat('before\\n')\nf()\ncat('never\\n')\n"}), exit=1)
        self.assertEqual(self.told(events), ["before"])
        bad = events.one("statement.ended", status="error")
        self.assertEqual((bad["line"], bad["text"]), (3, "f()"))
        self.assertEqual((bad["error"]["name"], bad["error"]["message"]), ("Error", "f(): no rain"))
        self.assertEqual(events.one("attempt.ended")["line"], 3)

    def test_a_syntax_error_is_found_before_the_first_statement(self):
        events = self.run_events(self.job([r("a")], {"a": "cat('never\\n')\nx <- 1\ny <- (2 +\n}\n"}), exit=1)
        self.assertEqual(self.told(events), [])
        end = events.one("attempt.ended")
        self.assertEqual((end["cause"], end["error"]["name"], end["file"], end["line"]), ("syntax", "SyntaxError", "src/a.R", 4))

    def test_it_ends_itself(self):
        for number, (code, exit) in enumerate((("quit()", 0), ("q(status = 3)", 1), ("tryCatch(quit(status = 4), finally = cat('last\\n'))", 1))):
            with self.subTest(code):
                repo = self.repo({"maki.yml": json.dumps({"job-name": "job", "flow": [r("a")]}), "env/default/job.yml": "master: local[1]\n",
                                  "src/a.R": f"cat('first\\n')\n{code}\ncat('never\\n')\n"}, f"job{number}")
                events = self.run_events(repo, exit=exit)
                self.assertNotIn("never", self.told(events))
                end = events.one("attempt.ended")
                self.assertEqual((end["state"], end.get("exit")), ("succeeded", None) if number == 0 else ("failed", number + 2))

    def test_input_is_refused(self):
        end = self.run_events(self.job([r("a")], {"a": "x <- 1\nreadline('Name? ')\n"}), exit=1).one("attempt.ended")
        self.assertEqual((end["error"]["name"], end["line"]), ("StdinNotImplementedError", 2))

    def test_a_time_limit_interrupts_it(self):
        events = self.run_events(self.job([r("a", timeout="8s")], {"a": "cat('begun\\n')\nrepeat Sys.sleep(0.1)\n"}), exit=1)
        self.assertEqual(self.told(events), ["begun"])
        self.assertEqual((events.one("attempt.ended")["state"], events.one("attempt.ended")["line"]), ("timed_out", 2))
        self.assertEqual(self.processes(), [])


if __name__ == "__main__":
    unittest.main()
