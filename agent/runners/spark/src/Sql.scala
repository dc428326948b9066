package org.amaterasu.kernel

import java.util.regex.{Matcher, Pattern}
import scala.collection.immutable.SortedMap
import scala.collection.mutable.ListBuffer
import org.apache.spark.sql.{AnalysisException, DataFrame, SparkSession}
import org.apache.spark.sql.catalyst.parser.ParseException

/** Cuts a SQL text into statements, by Spark's own splitter, and finds where each stands. */
object SqlSplitter {
  def split(code: String): Split = {
    val source     = if (code.startsWith("\ufeff")) " " + code.drop(1) else code
    val statements = ListBuffer.empty[Statement]
    var from       = 0
    for (piece <- Shim.splitSql(source)) {
      val at = source.indexOf(piece, from)
      if (at < 0) throw new IllegalStateException(s"Spark's splitter returned what is not in the text: ${Failure.bounded(piece, 100)}")
      from = at + piece.length
      val start = at + SqlText.blankBefore(piece)
      val end   = at + piece.reverseIterator.dropWhile(_.isWhitespace).size
      if (start < end) statements += statement(source, start, end)
    }
    Script(statements.toList, Nil)
  }

  private def statement(source: String, start: Int, end: Int): Statement = {
    val line = source.take(start).count(_ == '\n') + 1
    val code = source.substring(start, end)
    Statement(code, line, start - source.lastIndexOf('\n', start - 1), line + code.count(_ == '\n'), "statement")
  }
}

/** What is code in a SQL text, and what is a literal or a comment. */
object SqlText {
  sealed trait Piece { def text: String }
  final case class Word(text: String)    extends Piece // also a quoted name, with its quotes
  final case class Literal(text: String) extends Piece
  final case class Blank(text: String)   extends Piece // white space and comments
  final case class Other(text: String)   extends Piece

  private val Pieces = Pattern.compile(
    """(?s)(?<word>[\p{L}_][\p{L}\p{N}_]*|`(?:[^`]|``)*`)""" +
      """|(?<literal>'(?:[^'\\]|\\.|'')*'|"(?:[^"\\]|\\.|"")*"|[\p{N}][\p{L}\p{N}_.]*)""" +
      """|(?<blank>\s+|--[^\n]*|/\*(?!\+).*?(?:\*/|\z))""" +
      """|(?<other>.)""")

  def pieces(code: String): List[Piece] = {
    val m     = Pieces.matcher(code)
    val found = ListBuffer.empty[Piece]
    while (m.find())
      found += (if (m.group("word") != null) Word(m.group)
                else if (m.group("literal") != null) Literal(m.group)
                else if (m.group("blank") != null) Blank(m.group)
                else Other(m.group))
    found.toList
  }

  /** How many characters of white space and comments a text begins with. */
  def blankBefore(code: String): Int = pieces(code).takeWhile(_.isInstanceOf[Blank]).map(_.text.length).sum
}

/** One scope of spark-sql: a Spark session of its own, with its own temporary views.
  *
  * `AMACONTEXT_action_dataset` is a dataset of an earlier action, `${env.key}` a value of the environment. It leaves its temporary views, and the rows of
  * its last query as `result` and under the name of its first export. */
final class Sql(val session: SparkSession, context: AmaContext, handover: Handover, origins: Origins, exports: Seq[String]) extends Evaluator {
  import Sql._

  private var last = Option.empty[DataFrame]

  def lastWarnings: List[Warning] = Nil

  def run(source: Source, cancelled: () => Boolean): Outcome =
    try {
      val data = session.sql(withDatasets(withEnvironment(source.code)))
      if (cancelled()) Thrown(new InterruptedException)
      else if (data.schema.isEmpty) Value("")
      else {
        val text = Shim.table(data, MaxRows, MaxWidth).stripLineEnd
        last = Some(data)
        Value(text)
      }
    } catch {
      case e: ParseException    => NotCompiled(List(CompileError(lineOf(e, source), e.startPosition.fold(0)(_ + 1), message(e), "")))
      case e: AnalysisException => Failed(refusal(e, source))
      case e: Unknown           => Failed(failure("NotFound", e.getMessage, source.line, source))
      case e: Throwable =>
        val f = Failure.runtime(e, origins)
        Failed(f.copy(frames = f.frames :+ Frame(source.file, source.line)))
    }

  def left: SortedMap[String, Handed] = {
    val views   = Shim.temporaryViews(session).filterNot(isDatasetWord)
    val handed  = views.map(name => name -> new Handed("DataFrame", () => session.table(quoted(name))))
    val results = for { data <- last.toSeq; name <- "result" +: exports.take(1) } yield name -> new Handed("DataFrame", () => data)
    SortedMap.from(results ++ handed)
  }

  // ---- why not

  private def refusal(e: AnalysisException, source: Source): Failure = failure("AnalysisException", message(e), lineOf(e, source), source)

  private def failure(name: String, text: String, line: Int, source: Source): Failure = {
    val frame = Frame(source.file, line)
    Failure("runtime", name, Failure.bounded(text), Seq(frame), Seq(s"$name: $text", s"  at ${frame.file}:${frame.line}"))
  }

  private def lineOf(e: AnalysisException, source: Source): Int = source.line + e.line.fold(0)(_ - 1).max(0)

  /** Without the plan, the text of the query and the position, which the report has. */
  private def message(e: AnalysisException): String =
    String.valueOf(e.getMessage).split("\n== SQL|;\n'|; line \\d+ pos \\d+", 2)(0).trim

  // ---- what is put in

  private def withEnvironment(code: String): String = {
    val out  = new StringBuilder
    var rest = SqlText.pieces(code)
    while (rest.nonEmpty) {
      val (blanks, others) = rest.span(_.isInstanceOf[SqlText.Blank])
      val (run, after)     = others.span(!_.isInstanceOf[SqlText.Blank])
      blanks.foreach(b => out.append(b.text))
      out.append(Variable.matcher(run.map(_.text).mkString).replaceAll(m => Matcher.quoteReplacement(valueOf(m.group(1)))))
      rest = after
    }
    out.toString
  }

  private def valueOf(key: String): String = {
    val env = context.env
    val own = Map("name" -> env.name, "master" -> env.master, "inputRootPath" -> env.inputRootPath, "outputRootPath" -> env.outputRootPath,
      "workingDir" -> env.workingDir)
    env.configuration.get(key.stripPrefix("configuration.")).orElse(own.get(key)).getOrElse {
      val known = own.keys.toSeq.sorted ++ env.configuration.keys.toSeq.sorted.map("configuration." + _)
      throw new Unknown(s"the environment has no $key: it has ${known.mkString(", ")}")
    }
  }

  /** Views for the datasets that the statement names; the old words READAS FORMAT behind a name are for one that is read from the working folder. */
  private def withDatasets(code: String): String = {
    val out  = new StringBuilder
    var rest = SqlText.pieces(code)
    while (rest.nonEmpty) {
      rest = rest match {
        case (word: SqlText.Word) :: tail if isDatasetWord(word.text) =>
          val (format, after) = readAs(tail)
          out.append(word.text).append(" " * (tail.map(_.text.length).sum - after.map(_.text.length).sum))
          show(word.text, format)
          after
        case piece :: tail => out.append(piece.text); tail
        case Nil           => Nil
      }
    }
    out.toString
  }

  private def readAs(tail: List[SqlText.Piece]): (Option[String], List[SqlText.Piece]) = tail match {
    case SqlText.Blank(_) :: SqlText.Word(as) :: SqlText.Blank(_) :: SqlText.Word(format) :: after if as.equalsIgnoreCase("readas") => (Some(format), after)
    case _                                                                                                                       => (None, tail)
  }

  private def show(word: String, format: Option[String]): Unit = {
    val name = bare(word)
    find(DatasetWord.matcher(name), name, format.getOrElse("parquet")).createOrReplaceTempView(quoted(name))
  }

  private def find(m: Matcher, word: String, format: String): DataFrame = {
    m.matches()
    val rest  = m.group(1)
    val live  = handover.all.map { case (action, name, _) => (action, name) }
    val exact = live.filter { case (action, name) => s"${action}_$name" == rest }
    val found = if (exact.nonEmpty) exact else live.filter { case (action, name) => folded(s"${action}_$name") == folded(rest) }
    found match {
      case Seq((action, name)) => context.getDataFrame(action, name)
      case Seq()               => stored(rest, format)
      case several =>
        throw new Unknown(s"$word may be ${several.map { case (action, name) => s"$name of $action" }.mkString(" or ")}: rename one of them")
    }
  }

  /** The first of those there may be whose copy is in the working folder. */
  private def stored(rest: String, format: String): DataFrame = {
    val splits  = rest.indices.filter(i => rest(i) == '_' && i > 0 && i < rest.length - 1).map(i => (rest.take(i), rest.drop(i + 1)))
    val refused = ListBuffer.empty[String]
    val data = splits.iterator.flatMap { case (action, name) =>
      try Some(context.getDataFrame(action, name, format))
      catch { case e: NoSuchElementException => refused += e.getMessage; None }
    }.nextOption()
    data.getOrElse(throw new Unknown(refused.headOption.getOrElse(s"AMACONTEXT_$rest names no dataset: AMACONTEXT_<action>_<dataset>")))
  }
}

object Sql {
  private val MaxRows  = 20
  private val MaxWidth = 80
  private val Variable = Pattern.compile("""\$\{env\.([\p{L}\p{N}_.-]+)\}""")

  /** Any case; older samples write ama_context_. In backquotes for names that no bare word can have. */
  private val DatasetWord = Pattern.compile("""(?i)ama_?context_(.+)""")

  private def bare(word: String): String          = if (word.startsWith("`")) word.drop(1).dropRight(1).replace("``", "`") else word
  private def quoted(name: String): String        = s"`${name.replace("`", "``")}`"
  private def isDatasetWord(word: String): Boolean = DatasetWord.matcher(bare(word)).matches
  private def folded(name: String): String        = name.toLowerCase(java.util.Locale.ROOT).map(c => if (c.isLetterOrDigit) c else '_')

  /** There is no such thing under that name. */
  private final class Unknown(text: String) extends RuntimeException(text)
}
