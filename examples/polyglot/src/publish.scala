// Reads what `rank` left in SQL, whose rows a function in Python made, and writes it for programs without Spark.
val wet = AmaContext.getDataFrame("rank", "ranked")

wet.coalesce(1).write.mode(SaveMode.Overwrite).option("header", "true").csv(s"${env.outputRootPath}/wet")
