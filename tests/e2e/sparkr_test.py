"""R actions in the run's own Spark session: data frames from Scala, SQL and Python and back, R's types, who is interrupted, what is left, and who may come in."""
import os
import signal
import time
import unittest

from cran_test import repository
from spark_house import SparkHouse, pyspark, scala, sparkr, sql


class SparkR(SparkHouse):
    JOBS = "sc.statusTracker.getActiveJobIds.toList.size"
    SLOW = "collect(sql('select sum(id % 7) as s from range(0, 100000000000)'))\n"

    def frames(self, event):
        return [(f["file"], f["line"]) for f in event["error"]["frames"]]

    def test_there_and_back_live_in_one_session(self):
        """Nothing goes through files: the run has no copies, and a cached frame is still the same. An action has its own packages there, too."""
        repo = self.job([scala("a"), sparkr("b"), sql("c"), pyspark("d"), sparkr("e")], {
            "a.scala": "val ns = spark.range(6).toDF(\"n\").cache\nns.count\n",
            "b.R": "ns <- getDataFrame('a', 'ns')\n"
                   "ns\n"
                   "sparkR.callJMethod(sparkR.callJMethod(ns, 'storageLevel'), 'useMemory')\n"
                   "createOrReplaceTempView(ns, 'numbers')\n"
                   "doubled <- sql('select n * 2 as m, n % 2 = 0 as even from numbers')\n"
                   "as.data.frame(doubled)$m\n"
                   "head(doubled, 2)\n"
                   "dim(doubled)\n"
                   "made <- createDataFrame(data.frame(k = c('x', 'y'), v = 1:2))\n"
                   "typed <- createDataFrame(data.frame(k = c('x', 'y'), v = 1:2), 'name string, v bigint')\n"
                   "typed\n"
                   ".hidden <- made\n"
                   "native <- data.frame(x = 1)\n"
                   "cat(env$name, AmaContext$env$configuration$limit + 2, count(where(made, 'v > 1')), rain::which(), '\\n')\n",
            "c.sql": "select sum(m) as total from AMACONTEXT_b_doubled;\nselect k, v from AMACONTEXT_b_made order by k;\n",
            "d.py": "[r.k for r in ama_context.get_dataframe('b', 'made').orderBy('k').collect()]\npy = spark.createDataFrame([Row(z=1)])\n",
            "e.R": "collect(getDataFrame('d', 'py'))\nAmaContext$getDataFrame('b', 'nothing')\n"})
        repository(repo.path / "src/b/packages", ("rain", "1.0"))
        repo.commit({"src/b/cran.yml": "repositories: [{ id: own, url: packages }]\npackages: [rain]\n"}, "a package of its own")
        events = self.run_events(repo, exit=1, timeout=400)
        self.assertEqual(events.lines(action="b"), [
            "DataFrame[n: bigint]", "[1] TRUE", "[1]  0  2  4  6  8 10", "  m even ", "1 0  TRUE", "2 2 FALSE", "[1] 6 2",
            "DataFrame[name: string, v: bigint]", "default 42 1 rain 1.0 "])
        values = {(e["action"], e["line"]): e.get("value", "") for e in events.find("statement.ended")}
        self.assertIn("|   30|", values["c", 1])
        self.assertEqual(values["d", 1], "['x', 'y']")
        self.assertEqual(events.lines(action="e"), ["  z", "1 1"])
        bad = events.one("statement.ended", status="error")
        self.assertEqual((bad["action"], bad["line"], bad["error"]["name"]), ("e", 2, "NoSuchElementException"))
        self.assertIn("no dataset 'nothing' of action 'b': b has doubled, made, ns, typed", bad["error"]["message"])
        self.assertEqual([e["phase"] for e in events.find("phase.ended", status="ok")].count("session"), 1)

    def test_types_there_and_back(self):
        """What R shows of Spark's types, what Spark has of R's, and what is refused by its column's name."""
        repo = self.job([sparkr("a", error=sparkr("b"))], {
            "a.R": """\
                options(width = 200, digits.secs = 3)
                Sys.setenv(TZ = "UTC")
                shown <- function(df) str(unclass(as.data.frame(df)), give.attr = FALSE)
                shown(sql("select * from values (1, 2L, 1.5D, 2.25BD, true, 'é', X'0aff', date'2020-02-29', timestamp'2020-01-02 03:04:05.25Z', array(1, null), map('k', 7), named_struct('x', 1, 'y', 'z'), null, interval '2' day), (null, null, null, null, null, null, null, null, null, null, null, null, null, null) as t(i, l, d, dec, b, s, bin, da, ts, arr, m, st, nothing, iv)"))
                tz <- as.data.frame(sql("select timestamp_ntz'2020-01-02 03:04:05' as t"))$t
                cat(format(tz), attr(tz, "tzone"), "\\n")
                x <- as.data.frame(sql("select cast('NaN' as double) as a, cast(null as double) as b, -2147483648 as c, 9007199254740993 as d"))
                cat(is.nan(x$a), is.na(x$b) && !is.nan(x$b), x$c, format(x$d, digits = 17), "\\n")
                mine <- data.frame(i = c(1L, NA), d = c(NaN, NA), s = c("日本", NA), f = factor(c("u", "v")), l = c(NA, TRUE), da = as.Date(c("1969-12-31", NA)), t = .POSIXct(c(-0.5, NA), tz = "UTC"))
                mine$raw <- list(as.raw(c(0, 255)), NULL)
                mine$arr <- list(c(1.5, NA), NULL)
                mine$texts <- list(c("a", NA), character())
                mine$nested <- list(list(1:2, 3L), list())
                mine$st <- list(list(p = 1, q = "x", w = 1:2), NULL)
                mine$dates <- list(as.Date(c("2020-01-01", NA)), NULL)
                df <- createDataFrame(mine)
                df
                showDF(df)
                back <- as.data.frame(df)
                back$f <- factor(back$f)
                attr(back$t, "tzone") <- "UTC"
                identical(back$nested, mine$nested); all.equal(back, mine)
                nrow(createDataFrame(mine[0, 1:6])); dim(as.data.frame(sql("select 1 as a where false")))
                createDataFrame(data.frame(a = "7", b = 2), "x int, y decimal(5,1)")
                sort(as.data.frame(sparkR.callJMethod(sparkR.callJMethod(sql("select id % 2 as k from range(5)"), "groupBy", "k", list()), "count"))[["count"]])
                big <- data.frame(n = 1:300000, s = sprintf("row %d", 1:300000))
                identical(as.data.frame(createDataFrame(big)), big)
                for (bad in list(list(1, "a"), as.difftime(1:2, units = "secs"), complex(2), matrix(1:4, 2), list(list(a = 1), list(b = 1)))) {
                    one <- data.frame(k = 1:2)
                    one$bad <- bad
                    cat(tryCatch(createDataFrame(one), error = conditionMessage), "\\n")
                }
                cat(tryCatch(df$i, error = conditionMessage), "\\n")
                kind <- tryCatch(sql("select nothing from nowhere"), AnalysisException = function(e) "AnalysisException")
                kind
                f <- function(n) {
                    n + 1
                    sql("select raise_error('too dry') as x") |> collect()
                }
                f(1)
                """, "b.R": "cat('here\\n')\n"})
        events = self.run_events(repo, exit=3, timeout=400)
        told = [line.rstrip() for line in events.lines(stream="stdout", action="a")]
        self.assertEqual(told, [
            "List of 14",
            " $ i      : int [1:2] 1 NA",
            " $ l      : num [1:2] 2 NA",
            " $ d      : num [1:2] 1.5 NA",
            " $ dec    : num [1:2] 2.25 NA",
            " $ b      : logi [1:2] TRUE NA",
            ' $ s      : chr [1:2] "é" NA',
            " $ bin    :List of 2",
            "  ..$ : raw [1:2] 0a ff",
            "  ..$ : NULL",
            ' $ da     : Date[1:2], format: "2020-02-29" NA',
            ' $ ts     : POSIXct[1:2], format: "2020-01-02 03:04:05.25" NA',
            " $ arr    :List of 2",
            "  ..$ : int [1:2] 1 NA",
            "  ..$ : NULL",
            " $ m      :List of 2",
            "  ..$ : Named int 7",
            "  ..$ : NULL",
            " $ st     :List of 2",
            "  ..$ :List of 2",
            "  .. ..$ x: int 1",
            '  .. ..$ y: chr "z"',
            "  ..$ : NULL",
            " $ nothing: logi [1:2] NA NA",
            ' $ iv     : chr [1:2] "PT48H" NA',
            "2020-01-02 03:04:05 UTC",
            "TRUE TRUE -2147483648 9007199254740992",
            "DataFrame[i: int, d: double, s: string, f: string, l: boolean, da: date, t: timestamp, raw: binary, arr: array<double>, texts: array<string>, nested: "
            "array<array<int>>, st: struct<p:double,q:string,w:array<int>>, dates: array<date>]",
            told[28],
            told[29],
            told[28],
            "|   1| NaN|日本|  u|NULL|1969-12-31|1969-12-31 23:59:59.5|[00 FF]|[1.5, NULL]|[a, NULL]|[[1, 2], [3]]|{1.0, x, [1, 2]}|[2020-01-01, NULL]|",
            "|NULL|NULL|NULL|  v|true|      NULL|                 NULL|   NULL|       NULL|       []|           []|            NULL|              NULL|",
            told[28],
            "[1] TRUE",
            "[1] TRUE",
            "[1] 0",
            "[1] 0 1",
            "DataFrame[x: int, y: decimal(5,1)]",
            "[1] 2 3",
            "[1] TRUE",
            "column bad: its lists hold values of several types: double, character",
            "column bad: Spark has no type for values of class difftime: make numbers or text of them first",
            "column bad: Spark has no type for values of type complex: make numbers or text of them first",
            "column bad: a matrix or a data frame is no column",
            "column bad: its lists do not all have the names a",
            'columns of a data frame in Spark are not values of R: use selectExpr(df, "x * 2 as y"), or as.data.frame(df)',
            '[1] "AnalysisException"',
        ])
        self.assertIn("column d: whole numbers beyond 2^53 are rounded", events.said(stream="stderr", action="a"))
        bad = events.one("statement.ended", status="error")
        self.assertEqual((bad["error"]["name"], "too dry" in bad["error"]["message"], "\tat" in bad["error"]["message"]), ("SparkRuntimeException", True, False), bad["error"])
        self.assertEqual(self.frames(bad), [("src/a.R", 38), ("src/a.R", 40)])

    def test_a_token_is_good_for_its_attempt(self):
        """Another's, or none, opens nothing; its own opens nothing any more when the attempt has ended; and it is nowhere where another process could find it.
        A kernel that is killed leaves the session, no job and no data frame."""
        ask = """\
            ask <- function(port, token) tryCatch({
                at <- suppressWarnings(socketConnection("127.0.0.1", port, blocking = TRUE, open = "r+b", timeout = 20))
                on.exit(close(at))
                writeBin(c(writeBin(nchar(token) + 1L, raw(), endian = "big"), charToRaw(token), as.raw(0)), at)
                size <- readBin(at, "integer", endian = "big")
                length(size) == 1L && identical(rawToChar(readBin(at, "raw", size)), "ok")
            }, error = function(e) FALSE)
            given <- get("wire", environment(sql))$given
            """
        repo = self.job([sparkr("a"), sparkr("b"), sparkr("c", error=scala("d"))], {
            "a.R": ask + """\
            cat(ask(given$port, given$token), ask(given$port, strrep("x", nchar(given$token))), ask(given$port, ""), "\\n")
            contents <- function(files) unlist(lapply(files, function(f) tryCatch(suppressWarnings(paste(readLines(f, skipNul = TRUE), collapse = " ")), error = function(e) "")))
            connection <- commandArgs(TRUE)
            folder <- dirname(connection[file.exists(connection)][[1]])
            places <- c("/proc/self/environ", "/proc/self/cmdline", list.files(c(folder, getwd(), Sys.getenv("HOME")), full.names = TRUE, recursive = TRUE, all.files = TRUE))
            cat(length(folder), any(grepl(given$token, contents(places), fixed = TRUE)), file.exists(file.path(folder, "session.json")), "\\n")
            writeLines(c(given$port, given$token), paste0(env$outputRootPath, "/told"))
            """,
            "b.R": ask + """\
            told <- readLines(paste0(env$outputRootPath, "/told"))
            cat(ask(as.integer(told[[1]]), told[[2]]), ask(given$port, told[[2]]), told[[2]] == given$token, "\\n")
            """,
            "c.R": "left <- sql('select 1 as x')\ncat('up\\n')\n" + self.SLOW,
            "d.scala": f"Thread.sleep(500)\nval jobs = {self.JOBS}\nscala.util.Try(AmaContext.getDataFrame(\"c\", \"left\")).isFailure\n"})
        run = self.start("run", repo, "--report-format", "ndjson")
        head = self.wait_for_line(run, '"text":"up"')
        [pid] = [p for p, command in self.processes() if "IRkernel::main" in command]
        begun = time.monotonic()
        os.kill(pid, signal.SIGKILL)
        tail = self.wait_for_line(run, '"type":"attempt.ended"')
        self.assertLess(time.monotonic() - begun, 2)
        rest, _ = self.finish(run)
        events = self.checked(head + tail + rest)
        self.assertEqual([line.split() for line in events.lines(stream="stdout")], [["TRUE", "FALSE", "FALSE"], ["1", "FALSE", "FALSE"], ["FALSE"] * 3, ["up"]])
        token = (self.folder / "out/told").read_text().split()[1]
        (self.folder / "out/told").unlink()
        self.assertNotIn(token, head + tail + rest)
        self.assertEqual([p for p in self.folder.rglob("*") if p.is_file() and token.encode() in p.read_bytes()], [])
        self.assertEqual(events.one("attempt.ended", action="c")["cause"], "killed")
        values = {e["line"]: e.get("value", "") for e in events.find("statement.ended", action="d")}
        self.assertIn("= 0", values[2])
        self.assertIn("= true", values[3])
        self.assertEqual(events[-1]["state"], "rescued")

    def test_a_time_limit_ends_the_jobs_and_the_session_goes_on(self):
        """Also a statement that catches it can use the session: an interrupted exchange leaves no answer that another call would take for its own."""
        more = "r <- tryCatch(" + self.SLOW.strip() + ", interrupt = function(e) {\n  got <- sparkR.callJStatic('java.lang.Math', 'max', 3L, 4L)\n  cat('got', got, '\\n')\n})\ncat('never\\n')\n"
        repo = self.job([sparkr("a", timeout="12s", error=scala("b")), sparkr("c", timeout="12s", error=sparkr("d"), **{"depends-on": []})], {
            "a.R": "cat('up\\n')\n" + self.SLOW, "b.scala": f"Thread.sleep(500)\nval jobs = {self.JOBS}\nspark.range(10).count\n",
            "c.R": more, "d.R": "count(sql('select * from range(10)'))\n"})
        events = self.run_events(repo, exit=3, timeout=400)
        for action in "ac":
            end = events.one("attempt.ended", action=action)
            self.assertEqual((end["state"], end["cause"]), ("timed_out", "timeout"))
        self.assertEqual(events.lines(action="c"), ["got 4 "])
        values = {e["line"]: e.get("value", "") for e in events.find("statement.ended", action="b")}
        self.assertIn("= 0", values[2])
        self.assertIn("= 10", values[3])
        self.assertEqual(events.lines(action="d"), ["[1] 10"])

    def test_a_session_that_dies_under_it(self):
        repo = self.job([sparkr("a")], {"a.R": "cat('up\\n')\n" + self.SLOW})
        events = self.killed_once_up(repo, "org.amaterasu.kernel.Main")
        self.assertEqual(events.find("attempt.ended", action="a")[0]["cause"], "session-lost")
        self.assertEqual(self.processes(), [])


if __name__ == "__main__":
    unittest.main()
