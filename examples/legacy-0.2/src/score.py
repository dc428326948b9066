late = ama_context.get_dataframe("sift", "late")
stops = ama_context.get_dataframe("collect", "stops", "json")

by_line = {}
for row in late.collect():
    by_line.setdefault(row.line, []).append(row.minutes)

scores = ama_context.spark.createDataFrame(
    [Row(line=line, late=len(all), worst=max(all)) for line, all in sorted(by_line.items())])
scores.write.mode("overwrite").json(env.output_root_path + "/scores")
print("%d lines of %d stops, station %s, feed %s" % (scores.count(), stops.count(), env.configuration["station"], env.configuration["feed.source"]))

if scores.count() > int(env.configuration["most"]):
    raise ValueError("more lines are late than may be: " + str(scores.count()))
