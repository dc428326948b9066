val wet_days = spark.range(9)
