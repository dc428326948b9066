"""Wet days and their rain for each station, from the data frame that `gather` left in the session."""
from pyspark.sql import functions as F

rain = ama_context.get_dataframe("gather", "rain")
wet_from = env.configuration["wet-from"]


@F.udf("string")
def kind(mm):
    return "wet" if mm >= wet_from else "dry"


wet = rain.withColumn("kind", kind("mm")).where("kind = 'wet'").groupBy("station").agg(
    F.count("*").alias("days"), F.sum("mm").alias("mm")).orderBy("station")
wet.show()
