package org.amaterasu.kernel

import java.io.File
import java.nio.file.Path
import java.util.concurrent.{CompletableFuture, CompletionException, ExecutionException}
import scala.jdk.CollectionConverters._
import com.fasterxml.jackson.databind.JsonNode
import com.fasterxml.jackson.databind.node.ObjectNode

/** What a control request is answered, and what is done once the answer is sent. */
final case class Answer(content: ObjectNode, andThen: () => Unit = () => ())

/** The requests beyond Jupyter's, on any connection's control socket; README.md has them as a table. Each is done by a thread of its
  * own, since most may have to wait. */
final class Control(host: Host) {
  def handle(kind: String, content: JsonNode, from: Kernel): CompletableFuture[Answer] = kind match {
    case "ama_session_request" => host.session.describe().thenApply(Answer(_))
    case "ama_open_request"    => Threads.future(kind)(Answer(open(content)))
    case "ama_cancel_request"  => Threads.future(kind)(Answer(cancel(content)))
    case "ama_split_request"   => Threads.future(kind)(Answer(split(content)))
    case "ama_close_request"   => Threads.future(kind)(close(content, from))
    case "ama_jar_request"     => Threads.future(kind)(Answer(addJars(content)))
    case "ama_names_request"   => Threads.future(kind)(Answer(names()))
    case other                 => Control.now(Answer(Json.error("UnknownRequest", s"$other is not known on the control socket")))
  }

  private def open(c: JsonNode): ObjectNode = {
    val scope = c.path("scope").asText
    if (!scope.matches(Control.Scope)) throw new IllegalArgumentException(s"scope '$scope' is not of the form ${Control.Scope}")
    val environment = if (c.path("env").isObject) Environment(c.path("env")) else host.options.environment
    val exports     = c.path("exports").elements.asScala.map(_.asText).toSeq
    val language    = c.path("language").asText("")
    val attempt     = Attempt(scope, c.path("action").asText(scope), c.path("run").asText(host.options.run), environment, exports = exports)
    if (c.path("peer").asBoolean(false)) openPeer(attempt, language)
    else openKernel(c, attempt.copy(language = Language.of(language)))
  }

  /** For a kernel that can not ask for it itself while it works. */
  private def cancel(c: JsonNode): ObjectNode = { Peer.cancel(c.path("scope").asText); Json.ok() }

  private def openPeer(attempt: Attempt, language: String): ObjectNode = {
    val peer = host.openPeer(attempt, language)
    Json.ok("port" -> peer.port, "token" -> peer.token, "spark_home" -> host.options.sparkHome)
  }

  private def openKernel(c: JsonNode, attempt: Attempt): ObjectNode = {
    val journal = Option(c.path("journal").asText("")).filter(_.nonEmpty).map(file => new Journal(Path.of(file), attempt.scope))
    host.open(ConnectionInfo(c.path("connection")), attempt, journal)
    Json.ok()
  }

  private def split(c: JsonNode): ObjectNode = Language.of(c.path("language").asText("")).split(host, c.path("code").asText) match {
    case SyntaxError(line, column, text, _) => Json.error("SyntaxError", text, "line" -> at(c, line), "column" -> column)
    case Script(statements, warnings) =>
      Json.ok(
        "statements" -> statements.map(s => Json.obj("code" -> s.code, "line" -> at(c, s.line), "end_line" -> at(c, s.endLine), "column" -> s.column, "kind" -> s.kind)),
        "warnings" -> warnings.map(w => Json.obj("line" -> at(c, w.line), "text" -> w.text)))
  }

  /** `first_line` says which line of the file the source begins with. */
  private def at(c: JsonNode, n: Int): Int = n + c.path("first_line").asInt(1) - 1

  private def close(c: JsonNode, from: Kernel): Answer = {
    val closed = host.close(c.path("scope").asText(from.attempt.scope), publish = c.path("publish").asBoolean(false))
    val handed = closed.handed.map { case (name, kind) => Json.obj("name" -> name, "kind" -> kind) }
    Answer(Json.ok("published" -> handed), () => closed.kernel.foreach(_.disconnect()))
  }

  private def addJars(c: JsonNode): ObjectNode = {
    val files = c.path("paths").elements.asScala.map(p => new File(p.asText)).toSeq
    files.find(!_.isFile).foreach(f => throw new IllegalArgumentException(s"no such jar: $f"))
    host.addJars(files.map(_.toPath.toAbsolutePath))
    Json.ok("added" -> files.length)
  }

  private def names(): ObjectNode =
    Json.ok("names" -> host.handover.all.map { case (action, name, h) => Json.obj("action" -> action, "name" -> name, "kind" -> h.kind) })
}

object Control {
  def now(answer: Answer): CompletableFuture[Answer] = CompletableFuture.completedFuture(answer)

  private val Scope = "[A-Za-z0-9][A-Za-z0-9._:@/-]{0,127}"

  def refusal(thrown: Throwable): ObjectNode = thrown match {
    case e @ (_: CompletionException | _: ExecutionException) if e.getCause != null => refusal(e.getCause)
    case e => Json.error(e.getClass.getSimpleName, Failure.bounded(Option(e.getMessage).getOrElse(e.toString)))
  }
}
