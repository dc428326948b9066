# Each station's share of the rain in per cent, by R itself, from what `rank` left in SQL.
rain <- as.data.frame(getDataFrame("rank", "ranked"))

rain$share <- round(100 * prop.table(rain$mm), 1)
rain

shares <- createDataFrame(rain, "place int, station string, days bigint, mm bigint, share double")
