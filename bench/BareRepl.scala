// The REPL alone: the same interpreter class and settings as the kernel's, fed line by line. Prints the milliseconds that took.
import java.io.{PrintWriter, StringWriter}
import scala.io.Source
import scala.tools.nsc.GenericRunnerSettings
import scala.tools.nsc.interpreter.{IMain, Results}
import scala.tools.nsc.interpreter.shell.{ReplReporterImpl, ShellConfig}

object BareRepl {
  def main(args: Array[String]): Unit = {
    val settings = new GenericRunnerSettings(sys.error(_))
    val classes = java.nio.file.Files.createTempDirectory("bare-repl").toFile
    settings.processArguments(List("-Yrepl-class-based", "-Yrepl-outdir", classes.getAbsolutePath, "-Yrangepos", "-deprecation:false"), true)
    settings.usejavacp.value = true
    val repl = new IMain(settings, new ReplReporterImpl(ShellConfig(settings), settings, new PrintWriter(new StringWriter)))
    repl.initializeCompiler()
    repl.interpret("val first = 0")
    val lines = Source.fromFile(args(0)).getLines().toVector
    val start = System.nanoTime
    lines.foreach(line => if (repl.interpret(line) != Results.Success) sys.error("refused: " + line))
    println((System.nanoTime - start) / 1e6)
  }
}
