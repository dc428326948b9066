val ships = sc.parallelize(1 to 40)
