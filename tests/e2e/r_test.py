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
        self.assertEqual(self.frames(bad), [("src/a.R", 1), ("src/a.R", 3)])
        self.assertEqual(events.one("attempt.ended")["line"], 1)

    def frames(self, event):
        return [(f["file"], f["line"]) for f in event["error"]["frames"]]

    def test_an_error_names_the_line_that_failed(self):
        """Also in functions of the file and of what it sources, with and without braces, called by R's own, and when their code was compiled meanwhile."""
        source = """\
            # a function of several lines
            deep <- function(x) {
                y <- x + 1
                if (x > 2) {
                    stop("too deep")
                }
                deep(y)
            }
            bare <- function(x)
                x$y$z

            source(file.path(Sys.getenv("AMA_REPO"), "src/more.R"))
            for (n in 1:9) tryCatch(deep(0), error = function(e) NULL)
            kinds <- list(
                function() deep(2),
                function() sapply(1:2, function(i) bare(quote(i))),
                function() more(7),
                function() stop(structure(class = c("NoRain", "error", "condition"), list(message = "none", call = NULL))),
                function() log("x"),
                function() parse(text = "1 +")
            )
            run <- function(i) {
                kinds[[i]]()
            }
            if (TRUE) {
                kind <- as.integer(substring(Sys.getenv("AMA_ACTION"), 2))
                run(kind)
            }
            """
        more = "more <- function(n) {\n\n    n + 'a'\n}\n"
        expected = [
            ("Error", [5, 7, 15, 23, 27]), ("notSubsettableError", [10, 16, 23, 27]), ("Error", [("src/more.R", 3), 17, 23, 27]), ("NoRain", [18, 23, 27]), ("Error", [19, 23, 27]), ("Error", [20, 23, 27])]
        actions = [{**r("a"), "name": f"a{kind}", "depends-on": []} for kind in range(1, len(expected) + 1)]
        events = self.run_events(self.job(actions, {"a": source, "more": more}), exit=1)
        for kind, (name, places) in enumerate(expected, 1):
            bad = events.one("statement.ended", action=f"a{kind}", status="error")
            with self.subTest(kind, message=bad["error"]["message"]):
                self.assertEqual(bad["error"]["name"], name)
                self.assertEqual(self.frames(bad), [p if isinstance(p, tuple) else ("src/a.R", p) for p in places])

    def test_an_endless_recursion_is_an_error(self):
        flow = [r("a"), {**r("b"), "depends-on": []}]
        events = self.run_events(self.job(flow, {"a": "options(expressions = 400); f <- function(n) f(n + 1)\nf(0)\ncat('never\\n')\n",
                                                 "b": "options(expressions = 500000)\nf <- function(n) n + f(n)\nx <- f(1)\ncat('never\\n')\n"}), exit=1)
        self.assertEqual(self.told(events), [])
        ends = [(e["state"], e["line"], e["error"]["name"]) for e in sorted(events.find("attempt.ended"), key=lambda e: e["action"])]
        self.assertEqual(ends, [("failed", 2, "expressionStackOverflowError"), ("failed", 3, "CStackOverflowError")])

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
