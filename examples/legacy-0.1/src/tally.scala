import io.shinto.amaterasu.runtime._

val ships = AmaContext.getRDD[(String, Int)]("load", "ships")
val heavy = AmaContext.getDataFrame("load", "heavy")
val limit = env.configuration("limit").toString.toInt

val tonnes = heavy.agg(Map("tonnes" -> "sum")).first.getLong(0)
heavy.registerTempTable("heavy")
val worst = sqlContext.sql("select ship from heavy order by tonnes desc, ship limit 3")
worst.write.mode(SaveMode.Overwrite).json(env.outputRootPath + "/worst")

println(s"${ships.count} ships, ${heavy.count} of them heavy: $tonnes tonnes in " + env.name)
if (tonnes > limit) throw new Exception(s"$tonnes tonnes are more than $limit")
