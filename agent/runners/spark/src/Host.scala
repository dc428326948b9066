package org.amaterasu.kernel

import java.io.IOException
import java.nio.file.{FileVisitResult, Files, Path, SimpleFileVisitor}
import java.nio.file.attribute.BasicFileAttributes
import java.util.concurrent.{CompletableFuture, ConcurrentHashMap, ExecutionException}
import java.util.concurrent.atomic.{AtomicBoolean, AtomicInteger}
import scala.collection.immutable.SortedMap
import scala.jdk.CollectionConverters._
import scala.util.Using
import org.apache.spark.sql.SparkSession

/** An attempt that has ended, and name and kind of what it left. Its connection is still there, for the answer. */
final case class Closed(kernel: Option[Kernel], handed: Seq[(String, String)])

/** The process: one Spark session, one class folder, and any number of kernels. The first kernel is the process's own: with its end the
  * process ends. Thread-safe. */
final class Host(val options: Options) {
  private val classes      = Files.createDirectory(options.folder.resolve("classes"))
  private val jars         = new JarLoader(getClass.getClassLoader)
  val loader               = new ReplLoader(jars)
  val origins              = new Origins
  val handover             = new Handover
  val session              = new Session(options, loader, classes)
  val control              = new Control(this)
  lazy val splitter        = new Splitter
  private val kernels      = new ConcurrentHashMap[String, Kernel]
  private val interpreters = new AtomicInteger
  private val leaving      = new AtomicBoolean
  private val ends         = new ConcurrentHashMap[String, CompletableFuture[Closed]]
  private var spare        = Option.empty[CompletableFuture[Interpreter]]

  /** Bound at once; Spark and the first interpreter follow side by side. */
  def start(connection: ConnectionInfo): Unit = {
    add(connection, Attempt(Host.Main, Host.Main, options.run, options.environment), None)
    Log(s"bound ${Options.sinceStart} ms after the start of the process")
    Runtime.getRuntime.addShutdownHook(new Thread(() => atExit()))
    session.start()
    prepareSpare()
  }

  /** One with a journal may be asked for again: by a client that does not know what became of the one before it. */
  def open(connection: ConnectionInfo, attempt: Attempt, journal: Option[Journal]): Unit = add(connection, attempt, journal).claimNow()

  /** An attempt of another process, in this language. */
  def openPeer(attempt: Attempt, language: String): Peer = {
    val peer = new Peer(this, attempt, language)          // waits for Spark
    ends.remove(attempt.scope)
    synchronized {
      if (leaving.get) { peer.end(); throw new IllegalStateException("the kernel is shutting down") }
      Peer.take(attempt.scope).foreach(_.end())
      Peer.put(peer)
    }
    peer
  }

  private def closePeer(peer: Peer, publish: Boolean): Closed = {
    val handed = if (publish) peer.handed else SortedMap.empty[String, Handed]
    peer.end()
    if (publish) handover.publish(peer.attempt.action, handed)
    val closed = Closed(None, handed.toSeq.map { case (name, h) => name -> h.kind })
    ends.put(peer.attempt.scope, CompletableFuture.completedFuture(closed))
    closed
  }

  private def add(connection: ConnectionInfo, attempt: Attempt, journal: Option[Journal]): Kernel = synchronized {
    if (leaving.get) throw new IllegalStateException("the kernel is shutting down")
    Option(kernels.get(attempt.scope)) match {
      case Some(open) if open.isJournaled && journal.isDefined => open
      case Some(_) => throw new IllegalArgumentException(s"scope '${attempt.scope}' is open already")
      case None    => create(connection, attempt, journal)
    }
  }

  private def create(connection: ConnectionInfo, attempt: Attempt, journal: Option[Journal]): Kernel = {
    lazy val kernel: Kernel = new Kernel(this, connection, attempt, journal, () => claim(kernel))
    ends.remove(attempt.scope)
    kernels.put(attempt.scope, kernel)
    try kernel.start()
    catch { case e: Throwable => kernels.remove(attempt.scope); throw e }
    kernel
  }

  // ---- interpreters

  private def claim(kernel: Kernel): CompletableFuture[Evaluator] = kernel.attempt.language match {
    case Language.Scala => claimInterpreter(kernel)
    case Language.Sql   => Threads.future(s"sql-${kernel.attempt.scope}")(sqlOf(kernel))
  }

  private def sqlOf(kernel: Kernel): Evaluator = {
    val a       = kernel.attempt
    val own     = session.await().spark.newSession()
    val context = new AmaContext(() => own, a.environment, a.run, handover)
    kernel.outlet.context = context
    new Sql(own, context, handover, origins, a.exports)
  }

  /** The prepared interpreter, or a new one, becomes that of a kernel. */
  private def claimInterpreter(kernel: Kernel): CompletableFuture[Evaluator] = {
    val next = synchronized { val s = spare.getOrElse(prepare()); spare = None; s }
    next.thenApply[Evaluator] { i =>
      val a       = kernel.attempt
      val context = new AmaContext(sessionOf(i.bindings), a.environment, a.run, handover)
      Bindings.attach(i.bindings, context)
      kernel.outlet.context = context
      Outlet.ofInterpreter.put(i.number, kernel.outlet)
      i
    }
  }

  /** Without the interpreter: what outlives an attempt may hold its context. */
  private def sessionOf(bindings: Bindings): () => SparkSession = () => bindings.spark

  private def prepareSpare(): Unit = synchronized { if (spare.isEmpty) spare = Some(prepare()) }

  private def prepare(): CompletableFuture[Interpreter] = {
    val number = interpreters.incrementAndGet
    if (number > ReplClass.MaxInterpreters) CompletableFuture.failedFuture(new IllegalStateException("too many attempts in one session"))
    else
      Threads.future(s"interpreter-$number") {
        Thread.currentThread.setContextClassLoader(loader)
        val i = new Interpreter(number, classes, jars, origins, new Compiler(classes, jars))
        loader.put(number, i.loader)
        i.begin(() => session.await().spark.newSession())
        i
      }
  }

  /** Values that were handed over still need their classes, and their sources' lines. */
  private def dispose(i: Interpreter, keepClasses: Boolean): Unit = {
    Outlet.ofInterpreter.remove(i.number)
    Bindings.drop(i.number)
    i.compiler.close()
    prepareSpare()
    if (!keepClasses) {
      loader.remove(i.number)
      origins.drop(i.number)
      Using.resource(Files.newDirectoryStream(classes, "$line*"))(_.asScala
        .filter(p => ReplClass.lineOf(p.getFileName.toString).exists(ReplClass.interpreterOf(_) == i.number)).foreach(Host.delete))
    }
  }

  /** Each interpreter's compiler hears of the jars before its next statement. */
  def addJars(files: Seq[Path]): Unit = {
    val fresh = jars.synchronized {
      val known = jars.getURLs.toSet
      files.filterNot(f => known(f.toUri.toURL)).tapEach(f => jars.add(f.toUri.toURL))
    }
    val sc = session.await().spark.sparkContext
    fresh.foreach(f => sc.addJar(f.toString))
  }

  def isComplete(code: String): String = splitter.split(code) match {
    case _: Script                                => "complete"
    case SyntaxError(_, _, _, atEnd) if atEnd     => "incomplete"
    case _                                        => "invalid"
  }

  // ---- the end

  /** Ends an attempt. With `publish`, which is for attempts that succeeded, its values are handed over to later actions. Who asks again is
    * told the same. */
  def close(scope: String, publish: Boolean): Closed = {
    if (scope == Host.Main) throw new IllegalArgumentException("the first connection ends by a shutdown_request only")
    Peer.take(scope).map(closePeer(_, publish)).getOrElse(closeKernel(scope, publish))
  }

  private def closeKernel(scope: String, publish: Boolean): Closed = {
    val mine    = new CompletableFuture[Closed]
    val earlier = if (kernels.containsKey(scope)) ends.putIfAbsent(scope, mine) else ends.get(scope)
    if (earlier != null) Host.join(earlier)
    else
      try {
        val closed = closeOnce(scope, publish)
        mine.complete(closed.copy(kernel = None))
        closed
      } catch { case e: Throwable => ends.remove(scope, mine); mine.completeExceptionally(e); throw e }
  }

  private def closeOnce(scope: String, publish: Boolean): Closed = {
    val kernel = Option(kernels.get(scope)).getOrElse(throw new IllegalArgumentException(s"no open scope '$scope'"))
    if (publish && kernel.isBusy) throw new IllegalStateException(s"a statement of '$scope' is still running")
    val handed = if (publish) kernel.evaluator().left else SortedMap.empty[String, Handed]
    if (!kernels.remove(scope, kernel)) throw new IllegalArgumentException(s"no open scope '$scope'")
    kernel.end()
    if (publish) handover.publish(kernel.attempt.action, handed)
    kernel.whenClaimed {
      case i: Interpreter => dispose(i, keepClasses = handed.nonEmpty)
      case _              =>
    }
    Closed(Some(kernel), handed.toSeq.map { case (name, h) => name -> h.kind })
  }

  /** A connection's shutdown_request: the attempt ends, or with the first connection all. */
  def leave(kernel: Kernel): Unit =
    if (kernel.attempt.scope == Host.Main) exit()
    else if (kernels.containsKey(kernel.attempt.scope)) close(kernel.attempt.scope, publish = false).kernel.foreach(_.disconnect())

  def exit(patience: Long = Host.Patience): Unit = if (leaving.compareAndSet(false, true)) {
    Threads.start("last-resort") { Thread.sleep(patience); Log("not ended in time: halting"); Runtime.getRuntime.halt(1) }
    val all = synchronized(kernels.values.asScala.toSeq)
    all.map(k => Threads.start("end") { k.end(); k.disconnect() }).foreach(_.join())
    try session.stop()
    catch { case e: Throwable => Log("stopping Spark", e) }
    System.exit(0)
  }

  /** Also after a signal, or System.exit in users' code. */
  private def atExit(): Unit = {
    if (!leaving.get)
      kernels.values.asScala.foreach(k => try k.lastWords() catch { case e: Throwable => Log(s"${k.attempt.scope}: last words", e) })
    Host.delete(options.folder)
  }
}

object Host {
  val Main             = "main"
  private val Patience = 5000L
  /** Milliseconds; a compiler that is being made, or Spark's own end, may write for that long on a busy machine. */
  private val DeleteFor = 3000L

  /** Whether the JVM is about to end: then it takes no more hooks. True before the first of them runs. */
  def isEnding: Boolean = {
    val probe = new Thread
    try { Runtime.getRuntime.addShutdownHook(probe); !Runtime.getRuntime.removeShutdownHook(probe) }
    catch { case _: IllegalStateException => true }
  }

  def join[T](future: CompletableFuture[T]): T =
    try future.get
    catch { case e: ExecutionException => throw e.getCause }

  /** Somebody may still be writing there: what cannot be deleted is left, and tried again for a moment. */
  private def delete(folder: Path): Unit = {
    def attempt(f: => Unit): FileVisitResult = { try f catch { case _: IOException => }; FileVisitResult.CONTINUE }
    val visitor = new SimpleFileVisitor[Path] {
      override def visitFile(file: Path, a: BasicFileAttributes): FileVisitResult     = attempt(Files.deleteIfExists(file))
      override def postVisitDirectory(d: Path, e: IOException): FileVisitResult       = attempt(Files.deleteIfExists(d))
      override def visitFileFailed(file: Path, e: IOException): FileVisitResult       = FileVisitResult.CONTINUE
    }
    val end = System.nanoTime + DeleteFor * 1000000
    attempt(Files.walkFileTree(folder, visitor))
    while (Files.exists(folder) && System.nanoTime < end) {
      Thread.sleep(20)
      attempt(Files.walkFileTree(folder, visitor))
    }
  }
}
