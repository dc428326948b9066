package org.amaterasu.kernel

import java.io.IOException
import java.util.concurrent.{CompletableFuture, LinkedBlockingQueue}
import scala.jdk.CollectionConverters._
import com.fasterxml.jackson.databind.JsonNode
import com.fasterxml.jackson.databind.node.ObjectNode

/** Whose code a connection runs. */
final case class Attempt(scope: String, action: String, run: String, environment: Environment, language: Language = Language.Scala, exports: Seq[String] = Nil)

/** One Jupyter connection (messaging protocol 5.4): the scope of one attempt, or of one notebook.
  *
  * Requests on the shell socket are done one after the other by one thread, which is also the one that runs the users' statements. Control
  * requests are answered at once on the socket's own thread; what must wait, waits elsewhere. `claim` gives what runs them, once. */
final class Kernel(host: Host, info: ConnectionInfo, val attempt: Attempt, journal: Option[Journal], claim: () => CompletableFuture[Evaluator]) extends Requests {
  import Kernel._
  private val scope        = attempt.scope
  private val tag          = s"$scope#${Serial.incrementAndGet}"      // names this kernel's job groups: a scope's name may come back
  val outlet               = new Outlet(scope)
  private lazy val claimed = claim()
  private val queue        = new LinkedBlockingQueue[Message](MaxWaiting)
  private val inputs       = new LinkedBlockingQueue[String](1)
  private val connection   = new Connection(info, scope, journal, this)
  @volatile private var parent  = Json.Empty
  @volatile private var closed  = false
  private var count             = 0
  private val history           = new History
  private var taken             = 0       // highest serial of a statement, guarded by lock
  private val thread            = Threads.make(s"$StatementThread$scope")(loop())

  /** The statement under way. An interrupt must hit it and nothing else, hence the lock. */
  private final class Running(val request: Message) {
    val group: String                = s"$tag|${request.id}"
    @volatile var cancelled: Boolean = false
  }
  private val lock                        = new Object
  @volatile private var running: Running  = _

  def start(): Unit = {
    outlet.connect((stream, text) => publish("stream", Json.obj("name" -> stream, "text" -> text)), readLine, (kind, content) => publish(kind, content))
    connection.start()
    thread.start()
  }

  def claimNow(): Unit                   = { claimed; () }
  def evaluator(): Evaluator             = Host.join(claimed)
  def whenClaimed(f: Evaluator => Unit): Unit = { claimed.thenAccept(f(_)); () }
  def isBusy: Boolean                    = running != null || !queue.isEmpty
  def isJournaled: Boolean               = journal.isDefined

  private def publish(kind: String, content: JsonNode, parent: Array[Byte] = parent, mayDrop: Boolean = false): Unit =
    connection.publish(kind, content, parent, mayDrop)

  private def status(state: String, parent: Array[Byte]): Unit = publish("status", Json.obj("execution_state" -> state), parent)

  // ---- shell

  def shell(request: Message): Unit =
    if (!isRepeated(request) && !queue.offer(request)) Log(s"$scope: ${request.kind} dropped: $MaxWaiting requests wait already")

  /** A client that does not know whether a statement of its file was sent by the one before it sends it again: metadata {"ama": {"serial"}},
    * from 1. What became of it is in the journal. */
  private def isRepeated(request: Message): Boolean = {
    val serial = request.metadata.path("ama").path("serial").asInt
    lock.synchronized {
      if (serial > 0 && serial <= taken) true
      else { taken = taken.max(serial); false }
    }
  }

  def input(line: String): Unit = inputs.offer(line)

  private def loop(): Unit = {
    Outlet.ofThread.set(outlet)
    status("starting", Json.Empty)
    while (!closed)
      try handle(queue.take())
      catch {
        case _: InterruptedException => // one that came too late for its statement, or the end
        case e: Throwable            => Log(s"$scope: request lost", e)
      }
  }

  private def handle(m: Message): Unit = {
    status("busy", m.rawHeader)
    try m.kind match {
      case "kernel_info_request"  => reply(m, kernelInfo)
      case "execute_request"      => execute(m)
      case "is_complete_request"  => reply(m, Json.obj("status" -> host.isComplete(m.content.path("code").asText), "indent" -> ""))
      case "comm_info_request"    => reply(m, Json.ok("comms" -> Map()))
      case "history_request"      => reply(m, history.answer(m.content))
      case "inspect_request"      => reply(m, inspect(m.content))
      case "complete_request"     => reply(m, complete(m.content))
      case "shutdown_request" =>
        reply(m, shuttingDown(m))
        Threads.start("leave")(host.leave(this))
      case k if k.endsWith("_request") => reply(m, Json.error("UnknownRequest", s"$k is not known on the shell socket"))
      case _                           => // comm messages: nobody listens to them here
    } finally status("idle", m.rawHeader)
  }

  private def reply(m: Message, content: JsonNode): Unit = connection.replyShell(m, answerTo(m.kind), content)

  /** Where the cursor stands counts characters of Unicode, not of Java. */
  private def cursor(c: JsonNode, code: String): Int = code.offsetByCodePoints(0, c.path("cursor_pos").asInt.max(0).min(code.codePointCount(0, code.length)))

  /** Whoever serves this connection, if it is there already: questions while a session starts are not worth waiting for. */
  private def helper: Option[Evaluator] = if (claimed.isDone && !claimed.isCompletedExceptionally) Some(claimed.get) else None

  private def complete(c: JsonNode): ObjectNode = {
    val code  = c.path("code").asText
    val at    = cursor(c, code)
    val found = try helper.flatMap(_.complete(code, at)) catch { case e: Exception => Log(s"$scope: completion", e); None }
    val from  = code.codePointCount(0, found.fold(at)(_.from))
    Json.ok("matches" -> found.fold(Seq.empty[String])(_.names), "cursor_start" -> from, "cursor_end" -> code.codePointCount(0, at), "metadata" -> Map())
  }

  private def inspect(c: JsonNode): ObjectNode = {
    val code = c.path("code").asText
    val text = try helper.flatMap(_.describe(code, cursor(c, code))) catch { case e: Exception => Log(s"$scope: inspection", e); None }
    Json.ok("found" -> text.isDefined, "data" -> text.fold(Map.empty[String, String])(t => Map("text/plain" -> t)), "metadata" -> Map())
  }

  private def execute(m: Message): Unit = {
    val request = ExecuteRequest(m)
    val before  = System.nanoTime
    val state   = new Running(m)
    lock.synchronized { running = state }
    parent = m.rawHeader
    if (!request.silent) {
      if (request.storeHistory || request.place.exists(_.isCell)) { count += 1; history.add(count, request.code) }
      publish("execute_input", Json.obj("code" -> request.code, "execution_count" -> count))
    }
    val result =
      try new Execution(host, this, m, state.group, () => state.cancelled).run(request, s"<cell $count>")
      catch {
        case _ if state.cancelled => Result.failed(Failure.interrupted)
        case e: SessionError      => Result.failed(Failure.session(e.getMessage))
        case e: Throwable         => Log(s"$scope: statement", e); Result.failed(Failure.runtime(e, host.origins))
      }
    settle()
    outlet.flush()
    // What fails while the process ends, fails because of that, whatever it says: the end itself is the answer.
    if (result.failure.isEmpty || !Host.isEnding) answer(m, request, result, (System.nanoTime - before) / 1000000)
  }

  /** No interrupt reaches the statement from here on. A forced stop may still be on its way to this thread: it is swallowed. */
  private def settle(): Unit = {
    var done = false
    while (!done)
      try { lock.synchronized { running = null; Thread.interrupted() }; done = true }
      catch { case _: Throwable => }
  }

  private def answer(m: Message, request: ExecuteRequest, result: Result, millis: Long): Unit = {
    val warnings = if (result.warnings.isEmpty) Nil else Seq("warnings" -> result.warnings.map(w => Json.obj("line" -> w.line, "text" -> w.text)))
    result.failure match {
      case None =>
        if (!request.silent && result.value.nonEmpty)
          publish("execute_result", Json.obj("execution_count" -> count, "data" -> Map("text/plain" -> result.value), "metadata" -> Map()))
        reply(m, Json.ok("execution_count" -> count, "user_expressions" -> Map(), "payload" -> Seq(),
          "ama" -> Json.obj(Seq("ms" -> millis, "value" -> result.value) ++ warnings: _*)))
      case Some(f) =>
        val error = Seq("ename" -> f.name, "evalue" -> f.text, "traceback" -> f.trace)
        publish("error", Json.obj(error: _*))
        val frames = f.frames.map(x => Json.obj("file" -> x.file, "line" -> x.line))
        val behind = if (request.stopOnError) waiting() else Nil // before the reply: what comes after it was said in knowledge of the error
        reply(m, Json.obj(Seq("status" -> "error", "execution_count" -> count) ++ error :+
          "ama" -> Json.obj(Seq("ms" -> millis, "kind" -> f.kind, "frames" -> frames) ++ warnings: _*): _*))
        behind.foreach(abort)
    }
  }

  /** The statements that wait, taken out of the queue; what else waits stays. */
  private def waiting(): Seq[Message] = {
    val all = new java.util.ArrayList[Message]
    queue.drainTo(all)
    val (statements, others) = all.asScala.toSeq.partition(_.kind == "execute_request")
    others.foreach(queue.offer)
    statements
  }

  private def abort(m: Message): Unit = {
    status("busy", m.rawHeader)
    reply(m, Json.obj("status" -> "aborted"))
    status("idle", m.rawHeader)
  }

  /** Something that only the end of a statement's output can show. */
  def show(of: Message, kind: String, content: JsonNode): Unit = publish(kind, content, of.rawHeader)

  def tellProgress(of: Message, stages: JsonNode): Unit = publish("ama_progress", stages, of.rawHeader, mayDrop = true)

  private def readLine(prompt: String): String = {
    val m = running
    if (m == null || !m.request.content.path("allow_stdin").asBoolean(false)) throw new IOException("nobody to ask for standard input")
    outlet.flush()
    inputs.clear()
    connection.askInput(m.request, prompt)
    inputs.take()
  }

  // ---- control

  def control(m: Message): Unit = {
    status("busy", m.rawHeader)
    val pending = m.kind match {
      case "kernel_info_request"       => Control.now(Answer(kernelInfo))
      case "interrupt_request"         => Control.now(Answer(interrupt(m.content.path("force").asBoolean(false))))
      case "shutdown_request"          => Control.now(Answer(shuttingDown(m), () => host.leave(this)))
      case k if k.endsWith("_request") => host.control.handle(k, m.content, this)
      case k                           => Control.now(Answer(Json.error("UnknownRequest", s"$k is no request")))
    }
    pending.whenComplete { (answer, failed) =>
      val a = if (failed == null) answer else Answer(Control.refusal(failed))
      connection.replyControl(m, answerTo(m.kind), a.content)
      status("idle", m.rawHeader)
      Threads.start("and-then")(a.andThen())
    }
    ()
  }

  private def shuttingDown(m: Message): ObjectNode = Json.ok("restart" -> m.content.path("restart").asBoolean(false))

  /** Cancels the jobs of the statement and wakes its thread. `force` also ends a loop that never waits: the last step before a kill. */
  def interrupt(force: Boolean): ObjectNode = lock.synchronized {
    val r = running
    if (r == null) Json.ok("interrupted" -> false)
    else {
      r.cancelled = true
      host.session.cancel(r.group)
      thread.interrupt()
      if (force) Shim.stop(thread)
      Json.ok("interrupted" -> true)
    }
  }

  /** The process is about to end. If it is because the statement under way said so, its client must hear that. */
  def lastWords(): Unit =
    Option(running).filter(_ => thread.getStackTrace.exists(_.getClassName == "java.lang.Shutdown")).foreach { r =>
      val text = "the code called System.exit: the session of the whole run ended with it"
      outlet.flush()
      answer(r.request, ExecuteRequest(r.request), Result.failed(Failure("runtime", "SystemExit", text, Nil, Seq(text))), 0)
      status("idle", r.request.rawHeader)
      connection.close()
    }

  /** Ends the statement under way, if any, and all that the attempt left running. No further request is done. */
  def end(): Unit = {
    closed = true
    interrupt(force = false)
    host.session.cancelAll(tag)
    thread.interrupt()
    thread.join(EndPatience)
  }

  def disconnect(): Unit = {
    outlet.close()
    connection.close()
  }
}

object Kernel {
  val StatementThread    = "statements-"
  private val MaxWaiting  = 10000
  private val EndPatience = 2000L
  private val Serial     = new java.util.concurrent.atomic.AtomicInteger

  private def answerTo(kind: String): String = kind.stripSuffix("_request") + "_reply"

  private def kernelInfo: ObjectNode = {
    val version = scala.util.Properties.versionNumberString
    Json.ok("protocol_version" -> Codec.Protocol, "implementation" -> "amaterasu-spark-scala", "implementation_version" -> "1",
      "banner" -> s"Scala $version on Spark", "help_links" -> Seq(), "supported_features" -> Seq("ama"),
      "language_info" -> Map("name" -> "scala", "version" -> version, "mimetype" -> "text/x-scala", "file_extension" -> ".scala",
        "codemirror_mode" -> "text/x-scala", "pygments_lexer" -> "scala"))
  }
}
