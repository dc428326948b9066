// Reads what `refine` left, whose rows a function in Python made, and writes it for programs without Spark.
val wet = AmaContext.getDataFrame("refine", "wet")

wet.coalesce(1).write.mode(SaveMode.Overwrite).option("header", "true").csv(s"${env.outputRootPath}/wet")
