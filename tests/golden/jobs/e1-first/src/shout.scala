println(env.configuration("note"))
