package org.amaterasu.kernel

import java.net.{URL, URLClassLoader}
import java.util.concurrent.ConcurrentSkipListMap

/** The class of everything but the REPL's own: our parent's, then the jars that actions ask for. One loader for all, so that a class of
  * such a jar is the same class in every interpreter, in Spark's threads and (in local mode) in tasks. REPL classes are refused at
  * once: the look-up through some hundred jars would cost more than the compilation of a small statement. */
final class JarLoader(parent: ClassLoader) extends URLClassLoader("ama-jars", Array.empty[URL], parent) {
  def add(jar: URL): Unit = addURL(jar)

  override def loadClass(name: String, resolve: Boolean): Class[_] =
    if (ReplClass.is(name)) throw new ClassNotFoundException(name) else super.loadClass(name, resolve)

  override def getResource(name: String): URL = if (ReplClass.is(name)) null else super.getResource(name)
}

/** Spark's threads belong to no interpreter. This loader finds the interpreter of a REPL class by the class's name; it must be the
  * context loader before the SparkContext is made, so that results, broadcasts and local tasks meet the driver's very classes. */
final class ReplLoader(jars: JarLoader) extends ClassLoader("ama-repl", jars) {
  private val loaders = new ConcurrentSkipListMap[Int, ClassLoader]

  def put(interpreter: Int, loader: ClassLoader): Unit = loaders.put(interpreter, loader)
  def remove(interpreter: Int): Unit                   = loaders.remove(interpreter)

  override def findClass(name: String): Class[_] = {
    val loader = ReplClass.lineOf(name).map(line => loaders.get(ReplClass.interpreterOf(line))).orNull
    if (loader == null) throw new ClassNotFoundException(name)
    loader.loadClass(name)
  }
}

/** Names of REPL classes. Spark recognises them by `$line<digits>`, so interpreters may differ in the digits only: interpreter k owns
  * the lines from k * Lines on, and one class folder, served once to the executors, holds them all. */
object ReplClass {
  val Lines: Int           = 100000
  val MaxInterpreters: Int = Int.MaxValue / Lines - 1
  private val Prefix       = "$line"

  def is(name: String): Boolean = name.startsWith(Prefix)

  def lineOf(className: String): Option[Int] = {
    if (!is(className)) None
    else {
      val digits = className.substring(Prefix.length).takeWhile(_.isDigit)
      if (digits.isEmpty || digits.length > 10) None else digits.toIntOption
    }
  }

  def interpreterOf(line: Int): Int = line / Lines
}
