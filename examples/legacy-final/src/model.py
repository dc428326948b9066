from amaterasu_pyspark.runtime import AmaContext, DatasetTypeNotSupported

ama_context = AmaContext.builder().build()
conf = ama_context.env.configuration

trips = ama_context.get_dataset("trips")
far = ama_context.get_dataset("tab")
by_van = trips.groupBy("van").sum("km").withColumnRenamed("sum(km)", "km").orderBy("van")
by_van.coalesce(1).write.mode("overwrite").json(ama_context.env.outputRootPath + "/by_van")
ama_context.persist("vans", by_van)

weather = ama_context.dataset_manager.get_dataset_configuration("weather")
print("%d trips, %d far ones, %d vans in the table; unit %s, rounds %d, weather of %s, shuffled %s" % (
    trips.count(), far.count(), ama_context.get_dataset("vans").count(), conf["unit"], conf["rounds"], weather["station"],
    ama_context.env.sparkProperties["spark.sql.shuffle.partitions"]))
try:
    ama_context.get_dataset("cache")
except DatasetTypeNotSupported as e:
    print("not loaded: " + str(e))
