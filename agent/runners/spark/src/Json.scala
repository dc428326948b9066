package org.amaterasu.kernel

import com.fasterxml.jackson.databind.{DeserializationFeature, JsonNode, ObjectMapper}
import com.fasterxml.jackson.databind.cfg.JsonNodeFeature
import com.fasterxml.jackson.databind.node.ObjectNode

/** JSON trees by the Jackson that Spark ships. Numbers keep their digits: 1.10 stays 1.10 in an environment's configuration. */
object Json {
  private val mapper = new ObjectMapper()
    .configure(JsonNodeFeature.STRIP_TRAILING_BIGDECIMAL_ZEROES, false)
    .enable(DeserializationFeature.USE_BIG_DECIMAL_FOR_FLOATS)

  val Empty: Array[Byte] = "{}".getBytes("UTF-8")

  def read(bytes: Array[Byte]): JsonNode = mapper.readTree(bytes)
  def write(node: JsonNode): Array[Byte] = mapper.writeValueAsBytes(node)

  def obj(fields: (String, Any)*): ObjectNode = {
    val o = mapper.createObjectNode()
    fields.foreach { case (name, value) => o.set[JsonNode](name, node(value)) }
    o
  }

  def node(value: Any): JsonNode = value match {
    case n: JsonNode  => n
    case m: Map[_, _] => obj(m.toSeq.map { case (k, v) => k.toString -> v }: _*)
    case o: Option[_] => o.map(node).getOrElse(mapper.nullNode)
    case s: Iterable[_] =>
      val a = mapper.createArrayNode()
      s.foreach(x => a.add(node(x)))
      a
    case x => mapper.valueToTree[JsonNode](x.asInstanceOf[AnyRef])
  }

  def ok(fields: (String, Any)*): ObjectNode = obj(("status" -> "ok") +: fields: _*)

  def error(name: String, text: String, fields: (String, Any)*): ObjectNode =
    obj(Seq("status" -> "error", "ename" -> name, "evalue" -> text) ++ fields: _*)
}
