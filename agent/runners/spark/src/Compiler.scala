package org.amaterasu.kernel

import java.io.{OutputStream, PrintWriter}
import java.nio.file.Path
import scala.reflect.internal.util.{BatchSourceFile, CodeAction, Position}
import scala.reflect.io.AbstractFile
import scala.tools.nsc.{Global, GenericRunnerSettings}
import scala.tools.nsc.interpreter.{Naming, ReplGlobal}
import scala.tools.nsc.interpreter.shell.{ReplReporterImpl, ShellConfig}
import scala.tools.nsc.reporters.StoreReporter

/** `caret` is the source line, and the line below it with the caret. */
final case class CompileError(line: Int, column: Int, text: String, caret: String)

/** The Scala compiler of one interpreter. Used by one thread at a time. Its classes go to `folder`. */
final class Compiler(folder: Path, jars: JarLoader) {
  private var found          = List.empty[CompileError]
  private var warned         = List.empty[Warning]
  private var jarsKnown      = 0

  val settings: GenericRunnerSettings = {
    val s = new GenericRunnerSettings(problem => throw new IllegalArgumentException(problem))
    s.processArguments(List("-Yrepl-class-based", "-Yrepl-outdir", folder.toString, "-Wconf:cat=deprecation:s,cat=feature:s"), processAll = true)
    s.usejavacp.value = true
    s.outputDirs.setSingleOutput(AbstractFile.getDirectory(folder.toFile))
    s.exposeEmptyPackage.value = true
    s
  }

  val reporter: ReplReporterImpl = new ReplReporterImpl(ShellConfig(settings), settings, new PrintWriter(OutputStream.nullOutputStream)) {
    override def doReport(pos: Position, msg: String, severity: Severity, actions: List[CodeAction]): Unit = {
      val at = if (pos.isDefined) pos.line else 0
      if (severity == ERROR)
        found ::= CompileError(at, if (pos.isDefined) pos.column else 0, Naming.unmangle(msg), if (pos.isDefined) s"${pos.lineContent}\n${pos.lineCaret}" else "")
      else if (severity == WARNING) warned ::= Warning(at, Naming.unmangle(msg))
    }
  }

  val global: Global = {
    val made = new Global(settings, new StoreReporter(settings)) with ReplGlobal
    new made.Run().compileSources(List(new BatchSourceFile("<init>", "class $repl_$init { }")))
    made.reporter = reporter
    made
  }

  def errors: List[CompileError] = found.reverse
  def warnings: List[Warning]    = warned.reverse

  /** Compiles one statement by `how`. Hears of new jars before, on the thread that uses it. */
  def use[T](how: => T): T = {
    learnJars()
    found = Nil
    warned = Nil
    try how
    finally {
      reporter.reset()
      global.currentRun.reporting.clearAllConditionalWarnings()
    }
  }

  def close(): Unit = global.close()

  private def learnJars(): Unit = {
    val all = jars.getURLs
    if (all.length > jarsKnown) {
      new global.Run
      global.extendCompilerClassPath(all.toSeq.drop(jarsKnown): _*)
    }
    jarsKnown = all.length
  }
}
