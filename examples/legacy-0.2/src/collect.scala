import org.apache.amaterasu.executor.runtime.AmaContext
import org.apache.spark.sql.functions._

// Delays in minutes, one row for each bus that came.
case class Delay(line: String, stop: String, minutes: Int)

val delays = (1 to AmaContext.env.configuration("buses").toInt)
  .map(n => Delay("line " + n % 4, "Stop " + n % 5, n * 7 % 12))
  .toDS

val stops = delays.select($"stop").distinct
/* A comment
 * of several lines. */
println("collected " + delays.count + " in job " + AmaContext.jobId)
