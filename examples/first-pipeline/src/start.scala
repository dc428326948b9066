// The numbers that the rest of the pipeline works on, once as an RDD and once as a DataFrame.
val data = 1 to 1000

val rdd = sc.parallelize(data)
val odd = rdd.filter(n => n % 2 != 0).toDF("number")
