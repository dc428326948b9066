package org.amaterasu.kernel

import scala.collection.immutable.SortedMap
import org.apache.spark.sql.SparkSession

/** What an attempt's statements are written in. */
sealed abstract class Language(val name: String) {
  def split(host: Host, code: String): Split
}

object Language {
  case object Scala extends Language("scala") {
    def split(host: Host, code: String): Split = host.splitter.split(code)
  }
  case object Sql extends Language("sql") {
    def split(host: Host, code: String): Split = SqlSplitter.split(code)
  }

  private val all = Seq(Scala, Sql)

  /** Of a request's `language`; none is Scala. */
  def of(name: String): Language =
    if (name.isEmpty) Scala
    else all.find(_.name == name).getOrElse(throw new IllegalArgumentException(s"no language '$name' here, but ${all.map(_.name).mkString(" and ")}"))
}

/** A statement to run, and where it stands. */
final case class Source(code: String, file: String, line: Int, column: Int)

sealed trait Outcome
final case class Value(text: String)                       extends Outcome
final case class NotCompiled(errors: List[CompileError])   extends Outcome
final case class Thrown(why: Throwable)                    extends Outcome
final case class Failed(failure: Failure)                  extends Outcome

/** Names that may stand from here on. */
final case class Completion(from: Int, names: Seq[String])

/** Runs the statements of one attempt. Used by one thread at a time. */
trait Evaluator {
  def session: SparkSession
  def run(source: Source, cancelled: () => Boolean): Outcome

  /** The warnings about the statement that ran last. */
  def lastWarnings: List[Warning]

  /** What the name that ends at the cursor may become. */
  def complete(code: String, cursor: Int): Option[Completion] = None

  /** What is known of the name at the cursor. */
  def describe(code: String, cursor: Int): Option[String] = None

  /** What it leaves for later actions, by name. */
  def left: SortedMap[String, Handed]
}
