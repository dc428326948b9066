package org.amaterasu.kernel

import java.util.UUID
import scala.jdk.CollectionConverters._
import com.fasterxml.jackson.databind.JsonNode
import org.apache.spark.sql.Dataset

/** What an action or a cell shows beside its text; statements find it as `display`. Who only hears text gets the text of it. */
object Display {
  private val Width = 40      // characters of a value

  /** The first rows of a data frame, as a table. Runs its query for one row more than that. */
  def apply(data: Dataset[_], rows: Int = 20): Unit = {
    val taken = Shim.rows(data.toDF(), rows.max(0).min(MaxRows), Width)
    val more  = if (taken.more) s"only the first ${taken.rows.length - 1} rows are shown" else ""
    show("text/plain" -> Tables.text(taken.rows, more), "text/html" -> Tables.html(taken.rows, more))
  }

  def html(text: String): Unit      = show("text/plain" -> "(HTML)", "text/html" -> text)
  def png(image: Array[Byte]): Unit = show("text/plain" -> "(image)", "image/png" -> java.util.Base64.getEncoder.encodeToString(image))
  def svg(text: String): Unit       = show("text/plain" -> "(image)", "image/svg+xml" -> text)

  private val MaxRows = 10000

  private def show(data: (String, String)*): Unit = Outlet.here match {
    case null => throw new IllegalStateException("display is for an action's own code, not for tasks")
    case o    => o.show("display_data", Json.obj("data" -> data.toMap, "metadata" -> Map()))
  }
}

/** Rows of text, the first of them the names of columns. */
private object Tables {
  def text(rows: Seq[Seq[String]], more: String): String = {
    val widths = rows.transpose.map(_.map(_.length).max)
    val rule   = widths.map("-" * _).mkString("+", "+", "+")
    val lines  = rows.map(_.zip(widths).map { case (cell, w) => " " * (w - cell.length) + cell }.mkString("|", "|", "|"))
    (Seq(rule, lines.head, rule) ++ lines.tail ++ Seq(rule, more).filter(_.nonEmpty)).mkString("\n")
  }

  def html(rows: Seq[Seq[String]], more: String): String = {
    def row(cells: Seq[String], tag: String) = cells.map(c => s"<$tag>${escaped(c)}</$tag>").mkString("<tr>", "", "</tr>")
    val note = if (more.isEmpty) "" else s"<p>$more</p>"
    s"<table><thead>${row(rows.head, "th")}</thead><tbody>${rows.tail.map(row(_, "td")).mkString}</tbody></table>$note"
  }

  def escaped(s: String): String = s.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\"", "&quot;")
}

/** What a notebook shows of the Spark stages of a cell: one output that changes, and nothing of cells that are quick. The agent is told otherwise. */
final class CellProgress(show: (String, JsonNode) => Unit) {
  import CellProgress._
  private val begun = System.nanoTime
  private val id    = UUID.randomUUID.toString
  private var last  = Option.empty[JsonNode]
  private var shown = false

  def tell(stages: JsonNode): Unit = synchronized {
    last = Some(stages)
    if (seconds >= Quick) put(stages, over = false)
  }

  def end(): Unit = synchronized { if (shown) last.foreach(put(_, over = true)) }

  private def seconds: Double = (System.nanoTime - begun) / 1e9

  private def put(stages: JsonNode, over: Boolean): Unit = {
    val all   = stages.path("stages").elements.asScala.toSeq
    val done  = all.map(_.path("done").asInt).sum
    val total = all.map(_.path("total").asInt).sum
    val text  =
      if (over) f"${counted(all.length, "stage")}, ${counted(done, "task")}, $seconds%.1f s"
      else s"stage ${(all.count(_.path("over").asBoolean) + 1).min(all.length)} of ${all.length}, $done of ${counted(total, "task")}"
    val bar   = if (over) "" else s"""<progress value="$done" max="$total"></progress> """
    show(if (shown) "update_display_data" else "display_data",
      Json.obj("data" -> Map("text/plain" -> text, "text/html" -> s"$bar<small>$text</small>"), "metadata" -> Map(), "transient" -> Map("display_id" -> id)))
    shown = true
  }
}

private object CellProgress {
  val Quick = 1.0     // seconds

  private def counted(n: Int, what: String): String = s"$n $what${if (n == 1) "" else "s"}"
}

/** The inputs of a connection, for clients that look back: the last of them, bounded. */
final class History {
  private val inputs = scala.collection.mutable.Queue.empty[(Int, String)]

  def add(number: Int, code: String): Unit = if (code.length <= History.MaxCode) {
    inputs.enqueue(number -> code)
    if (inputs.length > History.Max) inputs.dequeue()
  }

  /** For a history_request: [session, number, input], or with `output` [session, number, [input, null]]. */
  def answer(c: JsonNode): JsonNode = {
    val pattern = c.path("pattern").asText("*")
    val found = c.path("hist_access_type").asText match {
      case "range"  => inputs.toSeq.filter { case (n, _) => n >= c.path("start").asInt(0) && n < c.path("stop").asInt(Int.MaxValue) }
      case "search" => inputs.toSeq.filter { case (_, code) => History.matches(pattern, code) }.takeRight(c.path("n").asInt(History.Max).max(0))
      case _        => inputs.toSeq.takeRight(c.path("n").asInt(History.Max).max(0))
    }
    val output = c.path("output").asBoolean(false)
    Json.ok("history" -> found.map { case (n, code) => Seq(0, n, if (output) Seq(code, None) else code) })
  }
}

private object History {
  val Max     = 1000
  val MaxCode = 64 << 10

  /** As a shell's pattern: * and ? stand for other text. */
  def matches(pattern: String, text: String): Boolean =
    text.matches("(?s)" + pattern.map { case '*' => ".*"; case '?' => "."; case c => java.util.regex.Pattern.quote(c.toString) }.mkString)
}
