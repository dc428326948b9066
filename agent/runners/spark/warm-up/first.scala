// What a first action may want of Spark; its classes go into the archive.
val data = 1 to 1000
val rdd = AmaContext.sc.parallelize(data)
val odd = rdd.filter(n => n % 2 != 0).toDF("number")
case class Point(x: Int, y: String) { def twice: Int = 2 * x }
object Point { def of(n: Int): Point = Point(n, n.toString) }
val points = rdd.map(n => Point.of(n % 10)).toDS()
println(points.map(_.twice).reduce(_ + _))
val half = udf((n: Int) => n / 2)
odd.select(half($"number").as("h")).groupBy("h").count().orderBy("h").limit(3).collect()
points.createOrReplaceTempView("points")
spark.sql("select y, sum(x) s from points group by y having sum(x) > 1").collect()
points.toDF().join(odd, $"x" === $"number").count()
sc.broadcast(Map(1 -> "one")).value
for (i <- 1 to 2) {
  println(i)
}
odd.write.mode(SaveMode.Overwrite).json(s"${env.outputRootPath}/json")
odd.write.mode(SaveMode.Overwrite).parquet(s"${env.outputRootPath}/parquet")
odd.write.mode(SaveMode.Overwrite).option("header", "true").csv(s"${env.outputRootPath}/csv")
rdd.saveAsTextFile(s"${env.outputRootPath}/text")
spark.read.parquet(s"${env.outputRootPath}/parquet").where("number > 5").count()
spark.read.json(s"${env.outputRootPath}/json").show(3)
spark.read.option("header", "true").csv(s"${env.outputRootPath}/csv").count()
