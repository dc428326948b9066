// The library is one of deps/jars.yml.
val message = ujson.Obj("text" -> env.configuration("note").toString)
println(message)
