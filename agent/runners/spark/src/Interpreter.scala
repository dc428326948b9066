package org.amaterasu.kernel

import java.nio.file.Path
import scala.collection.immutable.SortedMap
import scala.reflect.NameTransformer
import scala.reflect.internal.util.AbstractFileClassLoader
import scala.reflect.io.AbstractFile
import scala.runtime.{BoxedUnit, ScalaRunTime}
import scala.tools.nsc.interpreter.{Naming, PresentationCompilationResult}
import org.apache.spark.sql.SparkSession

/** One Scala REPL: the scope of one attempt. Used by one thread at a time. Its classes lie in `folder` under `$line<number * Lines + n>`.
  *
  * It is the compiler's own IMain (see Repl), but for two things. A statement is compiled under its file's name, after as many blank lines as stand
  * before it there, so that class files, stack traces and Spark's call sites know the user's very lines. And what IMain compiles a
  * second time for each statement, the text of its value, is made by reflection here: that is almost half of a small statement's time. */
final class Interpreter(val number: Int, folder: Path, jars: JarLoader, origins: Origins, val compiler: Compiler) extends Evaluator {
  import Interpreter._

  /** IMain's own would hold on to the compiler for as long as any class of a statement is known to Spark: for ever. */
  val loader: AbstractFileClassLoader = new AbstractFileClassLoader(AbstractFile.getDirectory(folder.toFile), jars)

  private val imain = new Repl(compiler, jars, loader)
  import imain.global
  import imain.memberHandlers._

  Shim.startLines(imain, number * ReplClass.Lines)

  private var own: Bindings    = _
  def bindings: Bindings       = own
  def session: SparkSession    = own.spark

  /** Makes the promised names known. The attempt they are for is attached to the bindings later. */
  def begin(open: () => SparkSession): Unit = {
    own = new Bindings(open)
    Bindings.put(number, own)
    imain.isOpening = true
    Prelude.foreach(code => mustRun(code.replace("NUMBER", number.toString)))
    imain.isOpening = false
  }

  private def mustRun(code: String): Unit = run(Source(code, "<prelude>", 1, 1)) match {
    case Value(_)       =>
    case NotCompiled(e) => throw new IllegalStateException(s"prelude: ${e.headOption.fold("?")(_.text)}: $code")
    case Thrown(why)    => throw why
    case Failed(why)    => throw new IllegalStateException(s"prelude: ${why.text}: $code")
  }

  def lastWarnings: List[Warning] = compiler.warnings

  def run(source: Source, cancelled: () => Boolean = () => false): Outcome = {
    val shift  = if (source.line <= MaxPadding) 0 else source.line - 1
    val padded = "\n" * (source.line - 1 - shift) + " " * (source.column - 1).min(MaxPadding) + source.code
    compiler.use(imain.withLabel(source.file)(compile(padded))) match {
      case Compiled(request) =>
        val last = source.line + source.code.count(_ == '\n')
        origins.put(request.lineRep.lineId, Origin(source.file, source.line, last, shift))
        // an interrupt that came while the compiler was at work may have been swallowed by it
        if (cancelled()) Thrown(new InterruptedException) else evaluate(request)
      case Blank => Value("")
      case Wrong =>
        val errors = if (compiler.errors.isEmpty) List(Unfinished) else compiler.errors
        NotCompiled(errors.map(e => e.copy(line = if (e.line > 0) e.line + shift else 0)))
    }
  }

  private sealed trait Compilation
  private case class Compiled(request: imain.Request) extends Compilation
  private case object Blank                                 extends Compilation      // nothing but comments
  private case object Wrong                                 extends Compilation

  private def compile(code: String): Compilation = {
    global.currentRun.reporting.clearSuspendedMessages()
    imain.parse(code) match {
      case Left(_)            => Wrong
      case Right((Nil, _, _)) => Blank
      case Right((trees, xml, parsed)) =>
        val request = new imain.Request(code, trees, parsed, xml)
        if (ReplClass.interpreterOf(request.lineRep.lineId) != number) throw new IllegalStateException("too many statements in one attempt")
        compiler.reporter.currentRequest = request
        if (!request.lineRep.compile(request.mkUnit)) Wrong
        else {
          request.typesOfDefinedTerms                 // to be remembered now: later runs of the compiler see other types
          for (handler <- request.defHandlers; symbol <- request.definedSymbols.get(handler.member.name)) handler.member.setSymbol(symbol)
          Compiled(request)
        }
    }
  }

  private def evaluate(request: imain.Request): Outcome =
    try {
      val scope = scopeOf(request)
      scope.run()
      val text  = request.handlers.iterator.map(h => describe(h, request, scope)).filter(_.nonEmpty).mkString("\n")
      imain.recordRequest(request)
      Value(Naming.unmangle(text))
    } catch { case why: Throwable => Thrown(why) }

  private def scopeOf(request: imain.Request): LineScope =
    new LineScope(loader, s"${request.lineRep.packageName}.${request.lineRep.readName}$$", request.accessPath)

  /** What a REPL says of a definition or value. */
  private def describe(handler: MemberHandler, request: imain.Request, scope: LineScope): String = handler match {
    case v: ValHandler if v.mods.isPublic && !isUnit(v, request) =>
      val name  = v.name.decode
      val value = if (v.mods.isLazy) " // unevaluated" else " = " + scope.value(name).map(ScalaRunTime.replStringOf(_, MaxElements).stripSuffix("\n")).getOrElse("")
      s"$name: ${TypeText.short(request.lookupTypeOf(v.name))}$value"
    case _: ValHandler                      => ""
    case d: DefHandler if d.mods.isPublic   => s"def ${request.defTypeOf(d.name)(_.decode)}"
    case _: DefHandler                      => ""
    case m: ModuleHandler                   => s"object ${m.name.decode}"
    case c: ClassHandler                    => s"${c.keyword} ${c.name.decode}"
    case t: TypeAliasHandler                => s"type ${t.name.decode}"
    case _                                  => ""
  }

  /** The REPL gives every bare expression a name, also those without a value. */
  private def isUnit(v: ValHandler, request: imain.Request): Boolean =
    request.lookupTypeOf(v.name) == "Unit" && imain.naming.isUserVarName(v.name.toString)

  // ---- questions of those who write

  override def complete(code: String, cursor: Int): Option[Completion] = ask(code, cursor) { known =>
    val (from, all) = known.completionCandidates(-1)
    val found       = if (from == cursor) all.filterNot(_.isUniversal) else all       // what every object has is not offered unasked
    Option.when(found.nonEmpty)(Completion(from, found.map(_.name).distinct.sorted.take(MaxNames)))
  }

  override def describe(code: String, cursor: Int): Option[String] = {
    val from = code.lastIndexWhere(!Character.isJavaIdentifierPart(_), cursor - 1) + 1
    val to   = code.indexWhere(!Character.isJavaIdentifierPart(_), cursor)
    val end  = if (to < 0) code.length else to
    if (from >= end) None
    else ask(code, end)(known => Option(known.typeAt(from, end)).filter(t => t.nonEmpty && t != "<error>").map(t => s"${code.substring(from, end)}: ${TypeText.short(t)}"))
  }

  /** By a compiler of its own, which knows what was defined so far. */
  private def ask[T](code: String, cursor: Int)(question: PresentationCompilationResult => Option[T]): Option[T] =
    compiler.use(imain.presentationCompile(cursor, code)).toOption.flatMap(known => try question(known) finally known.cleanup())

  def left: SortedMap[String, Handed] = Handover.select(definitions)

  /** The values that the statements defined, the latest of each name; lazy ones are not evaluated by this. */
  def definitions: Seq[Definition] = {
    val found = scala.collection.mutable.LinkedHashMap.empty[String, Definition]
    for (request <- imain.prevRequestList; handler <- request.handlers) {
      handler.definesTerm.foreach(name => found.remove(name.decode))
      handler match {
        case v: ValHandler if v.mods.isPublic && !imain.naming.isUserVarName(v.name.toString) =>
          val name = v.name.decode
          val tpe  = global.exitingTyper(request.typesOfDefinedTerms.get(v.name).fold("")(t => t.finalResultType.dealias.toString))
          val scope = scopeOf(request)
          found(name) = Definition(name, tpe, v.mods.isLazy, () => scope.value(name))
        case _ =>
      }
    }
    found.values.toSeq
  }
}

/** The instance that holds what a statement defined. The first look at it makes it, and that runs the statement. */
final class LineScope(loader: ClassLoader, module: String, accessPath: String) {
  private lazy val holder = accessPath.split('.').filter(_.nonEmpty).foldLeft(invoke(moduleOf(module), "INSTANCE").get) { (at, name) =>
    invoke(at, name).getOrElse(moduleOf(at.getClass.getName + name + "$"))
  }

  def value(name: String): Option[AnyRef] = invoke(holder, NameTransformer.encode(name))
  def run(): Unit                         = { holder; () }

  private def moduleOf(name: String): AnyRef = Class.forName(name, true, loader).getField("MODULE$").get(null)

  private def invoke(on: AnyRef, method: String): Option[AnyRef] =
    on.getClass.getMethods.find(m => m.getName == method && m.getParameterCount == 0).map { m =>
      if (m.getReturnType == Void.TYPE) { m.invoke(on); BoxedUnit.UNIT } else m.invoke(on)
    }
}

/** `staticType` is for lazy values: their class cannot be seen without evaluating them. */
final case class Definition(name: String, staticType: String, isLazy: Boolean, value: () => Option[AnyRef])

object Interpreter {
  /** One wildcard import of the bindings, so that an action's own wildcard import of the same names shadows them, and is not ambiguous. */
  private val Prelude = Seq(
    "val ama__ = _root_.org.amaterasu.kernel.Bindings.of(NUMBER)",
    """import ama__._; import ama__.spark.implicits._; import ama__.spark.sql; import org.apache.spark.SparkContext._
      |import org.apache.spark.sql.functions._; import org.apache.spark.{SparkConf, SparkContext}; import org.apache.spark.rdd.RDD
      |import org.apache.spark.sql.{DataFrame, Dataset, Row, SaveMode, SparkSession}""".stripMargin)

  private val Unfinished = CompileError(0, 0, "the statement is not complete, or the compiler was interrupted", "")

  private val MaxNames    = 500       // of a completion
  private val MaxElements = 1000      // of a collection's text
  private val MaxPadding  = 20000     // blank lines before a statement; farther down, lines are counted from the statement
}

object TypeText {
  /** Types without their packages: org.apache.spark.sql.DataFrame is DataFrame. */
  def short(text: String): String = text.replaceAll("""\b(?:[a-z_][\w]*\.)+(?=[A-Z])""", "")
}
