// Runs when step2 has used up its attempts: tells a chat channel, through a library that deps/jars.yml names.
val what = ujson.Obj("text" -> env.configuration("err-msg"))
val status = requests.post(env.configuration("webhook"), data = what).statusCode

println(s"the webhook answered $status")
