// Reads what `start` left, and writes it as text and as JSON under the environment's output root.
val numbers = AmaContext.getRDD[Int]("start", "rdd")
val odd = AmaContext.getDataFrame("start", "odd")

val highest = env.configuration("highest").toInt
require(highest <= numbers.max, s"there is no number $highest, the highest is ${numbers.max}")

numbers.filter(_ <= highest).map(_.toString).toDF.write.mode(SaveMode.Overwrite).text(s"${env.outputRootPath}/numbers")
odd.where($"number" <= highest).write.mode(SaveMode.Overwrite).json(s"${env.outputRootPath}/odd")

println(s"${odd.where($"number" <= highest).count} odd numbers up to $highest")
