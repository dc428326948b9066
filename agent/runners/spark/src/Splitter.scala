package org.amaterasu.kernel

import scala.collection.mutable
import scala.collection.mutable.ListBuffer
import scala.reflect.internal.util.BatchSourceFile
import scala.tools.nsc.{Global, Settings}
import scala.tools.nsc.ast.parser.Tokens
import scala.tools.nsc.reporters.StoreReporter

/** A top-level statement. Lines and columns count from 1, in the source as it was given. */
final case class Statement(code: String, line: Int, column: Int, endLine: Int, kind: String)

final case class Warning(line: Int, text: String)

sealed trait Split
final case class Script(statements: List[Statement], warnings: List[Warning])         extends Split
final case class SyntaxError(line: Int, column: Int, text: String, atEnd: Boolean) extends Split

/** Cuts a source into top-level statements, by the compiler's own parser. A compiler of its own, which only parses: an interpreter's
  * may be busy with a statement for hours. Thread-safe. */
final class Splitter {
  private val reporter = new StoreReporter(new Settings)
  private val global = {
    val settings = new Settings
    settings.classpath.value = Seq(classOf[Option[_]], classOf[scala.reflect.api.Universe])
      .map(_.getProtectionDomain.getCodeSource.getLocation.getPath).mkString(":")
    settings.outputDirs.setSingleOutput(new scala.reflect.io.VirtualDirectory("(none)", None))
    new Global(settings, reporter)
  }
  new global.Run
  import global._

  def split(text: String): Split = synchronized {
    val source = if (text.startsWith("\ufeff")) " " + text.drop(1) else text
    mend(source, Nil)
  }

  /** Old announcements print an import without its keyword: `a.b._` alone on a line. That is no Scala, so the parser stops exactly there. */
  private def mend(source: String, warnings: List[Warning]): Split = parse(source) match {
    case Left(e) =>
      val lines = source.split("\n", -1)
      val bare  = lines.lift(e.line - 1).filter(_.matches(Splitter.BareImport) && warnings.length < Splitter.MaxMends)
      bare match {
        case Some(line) =>
          val note = Warning(e.line, s"the word import is missing: taken as 'import ${line.trim}'")
          mend(lines.updated(e.line - 1, "import " + line.trim).mkString("\n"), note :: warnings)
        case None => e
      }
    case Right(items) =>
      val file = new BatchSourceFile("<action>", source)
      val (statements, notes) = Grouping(items)
      Script(statements.map(s => statement(file, source, s)), warnings.reverse ++ notes.map {
        case (offset, note) => Warning(file.offsetToLine(offset) + 1, note)
      })
  }

  private def statement(file: BatchSourceFile, source: String, items: List[Item]): Statement = {
    val (start, end) = (items.head.start, items.last.end)
    val line         = file.offsetToLine(start)
    Statement(source.substring(start, end), line + 1, start - file.lineToOffset(line) + 1, file.offsetToLine(end - 1) + 1, items.last.kind)
  }

  // ---- one statement as the parser sees it

  private final class Item(val start: Int, val end: Int, trees: List[Tree]) {
    val plain: List[Tree] = trees.map { case DocDef(_, t) => t; case t => t }

    def kind: String =
      if (plain.forall(_.isInstanceOf[Import])) "import"
      else if (isDefinition) "definition"
      else if (plain.exists(_.isInstanceOf[ValDef])) "value"
      else "expression"

    def isDefinition: Boolean = plain.nonEmpty && plain.forall {
      case _: ImplDef | _: DefDef | _: TypeDef => true
      case _                                   => false
    }
    def classes: List[ClassDef]     = plain.collect { case c: ClassDef => c }
    def modules: List[ModuleDef]    = plain.collect { case m: ModuleDef => m }
    def sealedNames: Set[String]    = classes.filter(_.mods.isSealed).map(_.name.toString).toSet
    def parents: Set[String]        = plain.collect { case i: ImplDef => i.impl.parents.flatMap(nameOf) }.flatten.toSet
    private def nameOf(t: Tree): Option[String] = t match {
      case Ident(n)              => Some(n.toString)
      case Select(_, n)          => Some(n.toString)
      case AppliedTypeTree(t, _) => nameOf(t)
      case Apply(t, _)           => nameOf(t)
      case Annotated(_, t)       => nameOf(t)
      case _                     => None
    }
  }

  private final class Parser(unit: CompilationUnit) extends syntaxAnalyzer.UnitParser(unit) {
    var atEnd = false

    override def incompleteInputError(msg: String, actions: List[scala.reflect.internal.util.CodeAction]): Unit = {
      atEnd = true
      super.incompleteInputError(msg, actions)
    }

    /** Tree positions leave out annotations, modifiers and closing braces. The scanner knows better. */
    def statements(): List[Item] = {
      val items = ListBuffer.empty[Item]
      while (in.token != Tokens.EOF && !reporter.hasErrors) {
        val start = in.offset
        val trees = checkNoEscapingPlaceholders(templateStat.applyOrElse(in.token, otherwise))
        if (trees.nonEmpty) items += new Item(start, in.lastOffset, trees)
        if (!reporter.hasErrors) separator()
      }
      items.toList
    }

    private def separator(): Unit =
      if (in.token == Tokens.RBRACE) syntaxError(in.offset, "this brace closes nothing", Nil) else acceptStatSepOpt()

    private def otherwise(token: Int): List[Tree] = token match {
      case Tokens.SEMI | Tokens.NEWLINE | Tokens.NEWLINES => Nil
      case Tokens.PACKAGE =>
        syntaxError(in.offset, "a package clause has no place in an action: it is a script", Nil)
        Nil
      case _ => syntaxErrorOrIncompleteAnd("illegal start of statement", skipIt = true)(Nil)
    }
  }

  private def parse(source: String): Either[SyntaxError, List[Item]] = {
    reporter.reset()
    val unit   = new CompilationUnit(new BatchSourceFile("<action>", source))
    val parser = new Parser(unit)
    val items  = parser.statements()
    reporter.infos.find(_.severity == scala.reflect.internal.Reporter.ERROR).map { e =>
      val pos = e.pos
      if (pos.isDefined) SyntaxError(pos.line, pos.column, e.msg, parser.atEnd) else SyntaxError(1, 1, e.msg, parser.atEnd)
    }.toLeft(items)
  }

  // ---- statements that must be compiled together

  private object Grouping {
    /** A class and its companion, a sealed class and its subclasses are one request to the REPL, together with the definitions that
      * lie between them. Also notes about what cannot be brought together. */
    def apply(items: List[Item]): (List[List[Item]], List[(Int, String)]) = {
      val all       = items.toVector
      val notes     = ListBuffer.empty[(Int, String)]
      val reach     = Array.range(0, all.length)            // the last item that the group of this one must hold
      val classes   = mutable.Map.empty[String, Int]
      val modules   = mutable.Map.empty[String, Int]
      val families  = mutable.Map.empty[String, Int]        // sealed ones
      var plainFrom = 0                                     // nothing but definitions lies between this item and the current one
      def join(i: Int, j: Int): Boolean = {
        if (i >= plainFrom) reach(i) = reach(i).max(j)
        i >= plainFrom
      }
      for ((item, j) <- all.zipWithIndex) {
        if (!item.isDefinition) plainFrom = j + 1
        val others = item.classes.flatMap(c => modules.get(c.name.toString)) ++ item.modules.flatMap(m => classes.get(m.name.toString))
        if (!others.map(join(_, j)).forall(identity)) notes += item.start -> Splitter.NotCompanions
        item.parents.flatMap(families.get).foreach(join(_, j))
        item.classes.foreach(c => classes(c.name.toString) = j)
        item.modules.foreach(m => modules(m.name.toString) = j)
        item.sealedNames.foreach(families(_) = j)
      }
      val groups = ListBuffer.empty[List[Item]]
      var at = 0
      while (at < all.length) {
        var end = at
        var i   = at
        while (i <= end) { end = end.max(reach(i)); i += 1 }
        groups += all.slice(at, end + 1).toList
        at = end + 1
      }
      (groups.toList, notes.toList)
    }
  }
}

object Splitter {
  private val MaxMends = 100
  private val NotCompanions = "class and object of one name are companions only if nothing but definitions lies between them"
  private val BareImport = """\s*[a-zA-Z_$][\w$]*(\s*\.\s*[a-zA-Z_$][\w$]*)*\s*\.\s*_\s*;?\s*"""
}
