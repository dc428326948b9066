AmaContext.getRDD[Int]("load", "ships").count
