// Runs when step2 has used up its attempts: tells a chat channel, through a library that deps/jars.yml names.
val text = env.configuration("err-msg")
val answer = requests.post(env.configuration("webhook"), data = ujson.Obj("text" -> text))

println(s"the webhook answered ${answer.statusCode}")
