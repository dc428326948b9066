worst = sqlContext.read.json(env.output_root_path + "/scores").agg({"worst": "max"}).first()[0]
print("sorry for %d minutes, says %s" % (worst, env.name))
