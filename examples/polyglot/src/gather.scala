// Rain of a fortnight at three stations, in millimetres.
val days = for (station <- Seq("harbour", "hill", "mill"); day <- 1 to 14) yield (station, day, (station.length * day * 7) % 23)

val rain = days.toDF("station", "day", "mm")
