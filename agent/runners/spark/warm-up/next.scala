// A later action: takes the first one's values over, and fails.
AmaContext.getRDD[Int]("first", "rdd").filter(x => x % 2 == 0).count()
AmaContext.getDataFrame("first", "odd").where("number > 100").count()
sc.parallelize(1 to 4).map { i => if (i == 3) throw new IllegalStateException("row " + i); i }.count()
