package org.amaterasu.kernel

import java.nio.charset.StandardCharsets.UTF_8
import java.nio.file.{Files, Path}
import scala.collection.mutable.ArrayBuffer
import com.fasterxml.jackson.databind.JsonNode
import org.amaterasu.kernel.Zmtp.Frames

/** What a Jupyter connection file says. */
final case class ConnectionInfo(transport: String, ip: String, key: String, ports: Map[String, Int]) {
  def address(socket: String): Address =
    if (transport == "ipc") Ipc(Path.of(s"$ip-${ports(socket)}")) else Tcp(ip, ports(socket))
}

object ConnectionInfo {
  private val Sockets = Seq("shell", "iopub", "stdin", "control", "hb")

  def read(file: Path): ConnectionInfo = apply(Json.read(Files.readAllBytes(file)))

  def apply(json: JsonNode): ConnectionInfo = {
    def refuse(why: String) = throw new IllegalArgumentException(s"connection: $why")
    def text(name: String, default: String) = json.path(name).asText(default)
    val transport = text("transport", "tcp")
    if (transport != "ipc" && transport != "tcp") refuse(s"transport $transport is neither ipc nor tcp")
    if (text("signature_scheme", "hmac-sha256") != "hmac-sha256") refuse("the only signature scheme is hmac-sha256")
    if (text("ip", "").isEmpty) refuse("ip is missing")
    if (text("key", "").isEmpty) refuse("key is missing: unsigned messages are not taken")
    val ports = Sockets.map { s =>
      val port = json.path(s"${s}_port")
      if (!port.isInt || port.asInt < 1 || port.asInt > 65535) refuse(s"${s}_port is not a port number")
      s -> port.asInt
    }
    ConnectionInfo(transport, text("ip", ""), text("key", ""), ports.toMap)
  }
}

/** Who is told what arrives. Both are called on a socket's own thread, and must not wait. */
trait Requests {
  def shell(request: Message): Unit
  def control(request: Message): Unit
  def input(line: String): Unit
}

/** The five sockets of one Jupyter connection, bound; signed messages in, signed messages out. The journal has what iopub and shell say. */
final class Connection(info: ConnectionInfo, scope: String, journal: Option[Journal], requests: Requests) {
  private val codec   = new Codec(info.key)
  private val servers = ArrayBuffer.empty[Server]
  private var refused = 0

  private def bound[S <: Server](server: => S): S =
    try { val s = server; servers += s; s }
    catch { case e: Throwable => close(); throw e }

  private def valid(handle: Message => Unit)(frames: Frames): Unit = codec.unpack(frames) match {
    case Right(message) => handle(message)
    case Left(why)      => complain(why)
  }

  /** A flood of bad messages must not become a flood of log lines. */
  private def complain(why: String): Unit = synchronized {
    refused += 1
    if (Integer.bitCount(refused) == 1) Log(s"$scope: $why ($refused so far)")
  }

  private val shell   = bound(new Router(info.address("shell"))(valid(requests.shell)))
  private val control = bound(new Router(info.address("control"))(valid(requests.control)))
  private val stdin = bound(new Router(info.address("stdin"))(valid { m =>
    if (m.kind == "input_reply") requests.input(m.content.path("value").asText)
  }))
  private val iopub = bound(new Publisher(info.address("iopub"))(topic =>
    codec.pack(Seq(topic), "iopub_welcome", Json.Empty, Json.obj("subscription" -> new String(topic, UTF_8)))))
  bound(new Echo(info.address("hb")))

  def start(): Unit = {
    journal.foreach(_.start())
    servers.foreach(_.start())
  }

  def close(): Unit = {
    journal.foreach(_.close(System.nanoTime + 1000000000L))
    servers.foreach(_.close())
  }

  def replyShell(to: Message, kind: String, content: JsonNode): Unit = {
    val message = codec.pack(to.route, kind, to.rawHeader, content)
    journal.foreach(_.add(message.drop(to.route.length)))
    shell.send(message)
  }

  def replyControl(to: Message, kind: String, content: JsonNode): Unit =
    control.send(codec.pack(to.route, kind, to.rawHeader, content))

  def askInput(of: Message, prompt: String): Unit =
    stdin.send(codec.pack(of.route, "input_request", of.rawHeader, Json.obj("prompt" -> prompt, "password" -> false)))

  def publish(kind: String, content: JsonNode, parent: Array[Byte], mayDrop: Boolean = false): Unit = {
    val message = codec.pack(Seq(s"kernel.$scope.$kind".getBytes(UTF_8)), kind, parent, content)
    journal.foreach(_.add(message.tail, mayDrop))
    iopub.send(message, mayDrop)
  }
}
