val stations = Seq("harbour", "hill", "mill")
val rain = (for (s <- stations; day <- 1 to 14) yield (s, day, s.length * day * 7 % 23)).toDF("station", "day", "mm")
