from amaterasu.pyspark.runtime import AmaContext

builder = AmaContext.builder()
ama_context = builder.setMaster("local[*]").set("spark.app.name", "fleet").build()

trips = ama_context.spark.createDataFrame(
    [("van %d" % (n % 5), n, n * 13 % 41) for n in range(ama_context.env.configuration["trips"])], ["van", "trip", "km"])
ama_context.persist("trips", trips)
ama_context.persist("tab", trips.where("km > 30"), True)
