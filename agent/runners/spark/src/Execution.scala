package org.amaterasu.kernel

import com.fasterxml.jackson.databind.JsonNode
import org.apache.spark.sql.SparkSession

/** An execute_request's wishes. The agent sends one statement at a time and says where it stands: metadata {"ama": {"file", "line",
  * "column", "export": {"name", "format", "lenient"}}}, or a cell of a notebook, which says so ("cell"). Another client says nothing. A cell is cut into statements here. */
final case class ExecuteRequest(code: String, silent: Boolean, storeHistory: Boolean, stopOnError: Boolean, place: Option[Place])

final case class Place(file: String, line: Int, column: Int, isCell: Boolean = false, exported: Option[Export] = None)

/** Instead of a statement: what the attempt leaves under that name is stored in that format of Spark's. With `lenient` it need not have left it. */
final case class Export(name: String, format: String, lenient: Boolean)

object ExecuteRequest {
  def apply(m: Message): ExecuteRequest = {
    def flag(name: String, default: Boolean) = m.content.path(name).asBoolean(default)
    ExecuteRequest(m.content.path("code").asText, flag("silent", false), flag("store_history", true), flag("stop_on_error", true),
      place(m.metadata.path("ama")))
  }

  private def place(ama: JsonNode): Option[Place] =
    Option.when(ama.hasNonNull("file"))(Place(ama.path("file").asText, ama.path("line").asInt(1).max(1), ama.path("column").asInt(1).max(1),
      ama.path("cell").asBoolean(false), Option.when(ama.hasNonNull("export"))(Export(ama.at("/export/name").asText, ama.at("/export/format").asText, ama.at("/export/lenient").asBoolean(false)))))
}

/** How a request ended: `value` is the REPL's text. */
final case class Result(value: String, failure: Option[Failure], warnings: Seq[Warning])

object Result {
  def failed(f: Failure): Result = Result("", Some(f), Nil)
}

/** Runs one request's statements in the attempt's language, on the attempt's thread. */
final class Execution(host: Host, kernel: Kernel, message: Message, group: String, cancelled: () => Boolean) {
  private val attempt  = kernel.attempt
  private val MaxValue = 64 << 10

  def run(request: ExecuteRequest, cell: String): Result = {
    val evaluator = kernel.evaluator()
    val live        = host.session.await()
    val place       = request.place.getOrElse(Place(cell, 1, 1))
    statements(request, place) match {
      case Left(failure) => Result.failed(failure)
      case Right(sources) =>
        prepare(live, evaluator, place)
        val cell = Option.when(request.place.isEmpty)(new CellProgress(kernel.show(message, _, _)))
        live.progress.watch(group)(stages => cell.fold(kernel.tellProgress(message, stages))(_.tell(stages)))
        Outlet.ofGroup.put(group, kernel.outlet)
        try place.exported.fold(runAll(evaluator, sources))(store(evaluator, place, _))
        finally {
          live.progress.unwatch(group)
          cell.foreach(_.end())
          Outlet.ofGroup.remove(group)
          host.session.notice(attempt.action)
        }
    }
  }

  /** Where the agent has cut the source, one request is one statement. */
  private def statements(request: ExecuteRequest, place: Place): Either[Failure, Seq[Source]] =
    if (request.place.exists(!_.isCell)) Right(Seq(Source(request.code, place.file, place.line, place.column)))
    else
      attempt.language.split(host, request.code) match {
        case Script(statements, _) => Right(statements.map(s => Source(s.code, place.file, s.line, s.column)))
        case SyntaxError(line, column, text, _) =>
          Left(Failure.compile(place.file, List(CompileError(line, column, text, ""))))
      }

  private def prepare(live: Live, evaluator: Evaluator, place: Place): Unit = {
    val sc = live.spark.sparkContext
    Thread.currentThread.setContextClassLoader(host.loader)
    SparkSession.setActiveSession(evaluator.session)
    sc.setJobGroup(group, s"${attempt.action}, ${place.file}:${place.line}", interruptOnCancel = true)
    sc.setLocalProperty("spark.scheduler.pool", attempt.scope)
  }

  private def store(evaluator: Evaluator, place: Place, wanted: Export): Result = {
    val left = evaluator.left
    if (wanted.lenient && !left.contains(wanted.name)) Result("", None, Nil)
    else try {
      val handed = left.getOrElse(wanted.name, throw new NoSuchElementException(
        s"${attempt.action} exports ${wanted.name}, which it has not left; it has ${if (left.isEmpty) "left nothing" else left.keys.mkString(", ")}"))
      Result(kernel.outlet.context.store(attempt.action, wanted.name, handed.value, wanted.format), None, Nil)
    } catch {
      case _: Throwable if cancelled() => Result.failed(Failure.interrupted)
      case why: Throwable =>
        val f = Failure.runtime(why, host.origins)
        Result.failed(f.copy(frames = f.frames :+ Frame(place.file, place.line)))
    }
  }

  private def runAll(evaluator: Evaluator, sources: Seq[Source]): Result = {
    val text     = new StringBuilder
    val warnings = Seq.newBuilder[Warning]
    var failure  = Option.empty[Failure]
    val rest     = sources.iterator
    while (failure.isEmpty && rest.hasNext) {
      val source = rest.next()
      if (cancelled()) failure = Some(Failure.interrupted)
      else {
        failure = evaluator.run(source, cancelled) match {
          case Value(v) =>
            if (v.nonEmpty && text.length <= MaxValue) text.append(if (text.isEmpty) "" else "\n").append(v)
            None
          case _ if cancelled()    => Some(Failure.interrupted)
          case NotCompiled(errors) => Some(Failure.compile(source.file, errors))
          case Thrown(why)         => Some(Failure.runtime(why, host.origins))
          case Failed(failure)     => Some(failure)
        }
        warnings ++= evaluator.lastWarnings
      }
    }
    Result(Failure.bounded(text.toString, MaxValue), failure, warnings.result())
  }
}
