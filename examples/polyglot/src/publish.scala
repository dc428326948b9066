// Reads what `share` left in R, whose rows a function in Python made and SQL has ranked, and writes it for programs without Spark.
val wet = AmaContext.getDataFrame("share", "shares")

wet.coalesce(1).write.mode(SaveMode.Overwrite).option("header", "true").csv(s"${env.outputRootPath}/wet")
