package org.amaterasu.kernel

import java.nio.charset.StandardCharsets.UTF_8
import java.security.MessageDigest
import java.time.Instant
import java.util.concurrent.atomic.AtomicLong
import java.util.{Arrays, UUID}
import javax.crypto.Mac
import javax.crypto.spec.SecretKeySpec
import com.fasterxml.jackson.databind.JsonNode

/** A request of a client. `route` is the ROUTER's identity frame(s), which lead the answer back; `rawHeader` is the header's very
  * bytes, the parent header of everything that is said because of this request. */
final case class Message(
    route: Seq[Array[Byte]], rawHeader: Array[Byte], header: JsonNode, metadata: JsonNode, content: JsonNode) {
  def kind: String = header.path("msg_type").asText
  def id: String   = header.path("msg_id").asText
}

/** The Jupyter wire format: identities, delimiter, HMAC-SHA256 signature, header, parent header, metadata, content. Thread-safe. */
final class Codec(key: String) {
  import Codec._
  private val blank   = Mac.getInstance("HmacSHA256")
  blank.init(new SecretKeySpec(key.getBytes(UTF_8), "HmacSHA256"))
  private val session = UUID.randomUUID.toString.replace("-", "")
  private val serial  = new AtomicLong

  private def sign(parts: Seq[Array[Byte]]): Array[Byte] = {
    val mac = blank.clone().asInstanceOf[Mac]
    parts.foreach(mac.update)
    hex(mac.doFinal())
  }

  def pack(
      route: Seq[Array[Byte]], kind: String, parent: Array[Byte], content: JsonNode, metadata: JsonNode = Json.obj()): Seq[Array[Byte]] = {
    val header = Json.write(Json.obj(
      "msg_id" -> s"${session}_${serial.incrementAndGet}", "session" -> session, "username" -> "kernel",
      "date" -> Instant.now.toString, "msg_type" -> kind, "version" -> Protocol))
    val body = Seq(header, parent, Json.write(metadata), Json.write(content))
    route ++ (Delimiter +: sign(body) +: body)
  }

  /** Left says why the frames are not a message that this client may send: nobody answers such a thing. */
  def unpack(frames: Seq[Array[Byte]]): Either[String, Message] = {
    val at = frames.indexWhere(Arrays.equals(_, Delimiter))
    if (at < 0 || frames.length < at + 6) Left("malformed message")
    else {
      val body = frames.slice(at + 2, at + 6)
      if (!MessageDigest.isEqual(sign(body), frames(at + 1))) Left("wrong signature")
      else
        try {
          val header = Json.read(body(0))
          if (header.path("msg_type").asText.isEmpty) Left("message without a type")
          else Right(Message(frames.take(at), body(0), header, Json.read(body(2)), Json.read(body(3))))
        } catch { case e: java.io.IOException => Left(s"not JSON: ${e.getMessage.linesIterator.next()}") }
    }
  }
}

object Codec {
  val Protocol = "5.4"
  private val Delimiter = "<IDS|MSG>".getBytes(UTF_8)
  private val Digits    = "0123456789abcdef".getBytes(UTF_8)

  private def hex(bytes: Array[Byte]): Array[Byte] = {
    val out = new Array[Byte](2 * bytes.length)
    for (i <- bytes.indices) {
      out(2 * i) = Digits((bytes(i) >> 4) & 15)
      out(2 * i + 1) = Digits(bytes(i) & 15)
    }
    out
  }
}
