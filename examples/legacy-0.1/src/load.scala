import io.shinto.amaterasu.runtime._

// Every ship that came in, with its tonnes.
val ships = sc.parallelize(1 to env.configuration("ships").toString.toInt).map(n => (s"ship $n", n * 37 % 100))
val heavy = ships.filter(_._2 > 50).toDF("ship", "tonnes")
