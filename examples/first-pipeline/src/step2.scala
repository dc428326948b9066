// Reads what `start` left, and writes it as text and as JSON under the environment's output root.
val numbers = AmaContext.getRDD[Int]("start", "rdd")
val odd = AmaContext.getDataFrame("start", "odd")

val last = numbers.max
val highest = env.configuration("highest").toInt
if (highest > last) sys.error(s"$highest asked for, $last there")

val out = env.outputRootPath
val text = numbers.filter(_ <= highest).map(_.toString).toDF
text.write.mode(SaveMode.Overwrite).text(s"$out/numbers")

val few = odd.where($"number" <= highest)
few.write.mode(SaveMode.Overwrite).json(s"$out/odd")
println(s"${few.count} odd numbers up to $highest")
