package org.amaterasu.kernel

import java.lang.reflect.{InvocationTargetException, UndeclaredThrowableException}
import java.util.concurrent.{CompletionException, ConcurrentHashMap, ExecutionException}
import scala.collection.mutable.ListBuffer
import org.apache.spark.SparkException

/** A place in a user's source. */
final case class Frame(file: String, line: Int)

/** Which statement a `$line<n>` class was compiled from. `shift` is added to the lines that the class file knows. */
final case class Origin(file: String, first: Int, last: Int, shift: Int)

/** The origins of all statements of all attempts: an action's code may run, and fail, in a later action's statement. */
final class Origins {
  private val byLine = new ConcurrentHashMap[Int, Origin]

  def put(line: Int, origin: Origin): Unit = byLine.put(line, origin)
  def drop(interpreter: Int): Unit         = byLine.keySet.removeIf(ReplClass.interpreterOf(_) == interpreter)

  def frame(className: String, line: Int): Option[Frame] =
    for {
      number <- ReplClass.lineOf(className)
      origin <- Option(byLine.get(number))
      at = line + origin.shift
      if at >= origin.first && at <= origin.last
    } yield Frame(origin.file, at)
}

/** Why a statement did not end well. kind: compile, runtime, interrupted, session. */
final case class Failure(kind: String, name: String, text: String, frames: Seq[Frame], trace: Seq[String])

object Failure {
  private val MaxText   = 16 << 10
  private val MaxFrames = 32

  def bounded(s: String, max: Int = MaxText): String = if (s.length <= max) s else s.take(max) + " …"

  def session(why: String): Failure     = Failure("session", "SessionError", why, Nil, Seq(why))
  def interrupted: Failure              = Failure("interrupted", "Interrupted", "interrupted", Nil, Seq("interrupted"))

  def compile(file: String, errors: Seq[CompileError]): Failure = {
    val trace = errors.flatMap(e => s"$file:${e.line}: error: ${e.text}" +: e.caret.linesIterator.toSeq)
    Failure("compile", "CompileError", bounded(errors.headOption.fold("the statement does not compile")(_.text)),
      errors.filter(_.line > 0).map(e => Frame(file, e.line)).distinct.take(MaxFrames), trace)
  }

  /** The user's own exception: without the wrappers of reflection and of Spark, with the user's frames only. Those of the exception
    * itself come first (where it was thrown, maybe in a task), then those of its wrappers (where the job was started). */
  def runtime(thrown: Throwable, origins: Origins): Failure = {
    val chain  = unwrap(thrown)
    val cause  = chain.last
    val quoted = QuotedTrace.of(cause, origins)
    val frames = ListBuffer.empty[Frame]
    def add(f: Frame): Unit = if (!frames.lastOption.contains(f)) frames += f
    quoted.foreach(_.frames.foreach(add))
    chain.reverse.foreach(_.getStackTrace.iterator.filter(isUsers).flatMap(e => origins.frame(e.getClassName, e.getLineNumber)).foreach(add))
    val name = plainName(quoted.map(_.name).getOrElse(cause.getClass.getName))
    val text = bounded(quoted.map(_.text).getOrElse(String.valueOf(cause.getMessage)))
    val own  = frames.toList.distinct.take(MaxFrames)
    Failure("runtime", name, text, own, s"$name: $text" +: own.map(f => s"  at ${f.file}:${f.line}"))
  }

  /** A class of the user's own has the REPL's names around it. */
  private def plainName(className: String): String = className.replaceAll("""^\$line\d+\.\$read(\$\$iw)*\$""", "")

  /** `$read` and `$eval` hold a statement; only what lies within was written by the user. */
  private def isUsers(e: StackTraceElement): Boolean = e.getLineNumber > 0 && !e.getClassName.matches("""\$line\d+\.\$(read|eval)\$?""")

  private def unwrap(thrown: Throwable): List[Throwable] = {
    val chain = ListBuffer(thrown)
    while (isWrapper(chain.last) && chain.last.getCause != null && chain.length < 50) chain += chain.last.getCause
    chain.toList
  }

  private def isWrapper(t: Throwable): Boolean = t match {
    case _: InvocationTargetException | _: UndeclaredThrowableException | _: ExceptionInInitializerError => true
    case _: ExecutionException | _: CompletionException                                                 => true
    case _ => Shim.isSparkWrapper(t)
  }
}

/** What is left of a task's exception that could not be serialised: its class and stack, as text in the message of Spark's own. */
final case class QuotedTrace(name: String, text: String, frames: Seq[Frame])

object QuotedTrace {
  private val Thrown = """(?s).*?Lost task [^:]*?\): ((?:[\w$]+\.)+[\w$]+)(?:: (.*?))?\n\tat .*""".r
  private val At     = """\tat (?:[\w.-]*/+)*([\w$.]+)\.[^.(]+\([^():]+:(\d+)\)""".r

  def of(cause: Throwable, origins: Origins): Option[QuotedTrace] = cause match {
    case e: SparkException => String.valueOf(e.getMessage) match {
      case m @ Thrown(name, text) =>
        val frames = At.findAllMatchIn(m).flatMap(x => origins.frame(x.group(1), x.group(2).toInt)).take(32).toList
        Some(QuotedTrace(name, Option(text).getOrElse(name), frames.distinct))
      case _ => None
    }
    case _ => None
  }
}
