package org.amaterasu.kernel

import scala.collection.mutable.ListBuffer
import scala.reflect.internal.util.AbstractFileClassLoader
import scala.tools.nsc.Global
import scala.tools.nsc.interpreter.{IMain, MemberHandlers}

/** IMain around a compiler and a class loader that are not its own. */
private final class Repl(compiler: Compiler, jars: JarLoader, loader: AbstractFileClassLoader)
    extends IMain(compiler.settings, Some(jars), compiler.settings, compiler.reporter) {
  private val done = ListBuffer.empty[Request]

  override lazy val global: Global                           = compiler.global
  override def initializeComplete: Boolean                   = true
  override lazy val classLoader: AbstractFileClassLoader     = loader
  override def prevRequestList: List[Request]                = done.toList

  /** To be set only while imports come that hide nothing defined before: their names are not looked at then. Among the thousands of
    * Spark's that would take a quarter of a second. */
  var isOpening = false

  override lazy val memberHandlers: Handlers { val intp: Repl.this.type } = new Handlers { val intp: Repl.this.type = Repl.this }

  override def readRootPath(readPath: String): global.Symbol = global.rootMirror.getModuleIfDefined(readPath)

  /** IMain's own also writes down each name that an import brings, which nobody asks for here. */
  override def recordRequest(request: Request): Unit = {
    done += request
    global.exitingTyper {
      for (symbol <- request.defines if !global.definitions.ObjectClass.isSubClass(symbol.owner)) {
        replScope.lookupAll(symbol.name).foreach(replScope.unlink(_))
        replScope.enter(symbol)
      }
    }
  }
}

/** What Repl makes of each definition and import of a statement. */
private abstract class Handlers extends MemberHandlers {
  val intp: Repl
  import intp.global.{Import, Name, Symbol, Tree}

  override def chooseHandler(member: Tree): MemberHandler = member match {
    case i: Import if intp.isOpening => new OpeningImport(i.duplicate)
    case _                           => super.chooseHandler(member)
  }

  private final class OpeningImport(i: Import) extends ImportHandler(i) {
    override lazy val importedNames: List[Name]       = Nil
    override lazy val wildcardSymbols: List[Symbol]   = Nil
    override lazy val individualSymbols: List[Symbol] = Nil
  }
}
