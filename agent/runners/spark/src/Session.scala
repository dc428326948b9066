package org.amaterasu.kernel

import java.net.{BindException, UnknownHostException}
import java.nio.file.{Files, Path}
import java.util.Properties
import java.util.concurrent.{CompletableFuture, ExecutionException}
import scala.annotation.tailrec
import scala.jdk.CollectionConverters._
import scala.util.Using
import com.fasterxml.jackson.databind.node.ObjectNode
import org.apache.spark.SparkConf
import org.apache.spark.sql.SparkSession

/** There is no session; the message says why, in plain words. */
final class SessionError(text: String, cause: Throwable = null) extends RuntimeException(text, cause)

/** A session that is up. */
final class Live(val spark: SparkSession, val progress: Progress, val millis: Long)

/** The one Spark session of this process. It starts in the background; whoever needs it waits. Thread-safe. */
final class Session(options: Options, loader: ClassLoader, classes: Path) {
  private val live = new CompletableFuture[Live]
  @volatile private var broken: Option[String] = None

  /** Must be the first to touch Spark: the threads that Spark makes inherit the context class loader. */
  def start(): Unit = Threads.start("spark-start") {
    Thread.currentThread.setContextClassLoader(loader)
    try live.complete(begin())
    catch {
      case e: Throwable =>
        Log("no session", Option(e.getCause).getOrElse(e))
        live.completeExceptionally(e)
    }
  }

  private def begin(): Live = {
    val conf  = settings()
    val spark =
      try SparkSession.builder().config(conf).getOrCreate()
      catch { case e: Throwable => throw new SessionError(Session.explain(e, conf), e) }
    val progress = new Progress(spark.sparkContext)
    spark.sparkContext.addSparkListener(progress)
    val millis = Options.sinceStart
    Log(s"session ready on ${spark.sparkContext.master}, $millis ms after the start of the process")
    new Live(spark, progress, millis)
  }

  /** From low to high: what a kernel wants, spark-defaults.conf, what the agent gives. */
  private def settings(): SparkConf = {
    val conf = new SparkConf()
    Session.Defaults.foreach { case (k, v) => conf.set(k, v) }
    options.sparkDefaults.foreach(file => Session.readDefaults(file).foreach { case (k, v) => conf.set(k, v) })
    options.sparkConf.foreach(file => Session.readConf(file).foreach { case (k, v) => conf.set(k, v) })
    options.sparkSecrets.foreach(Session.properties(_, "on standard input").foreach { case (k, v) => conf.set(k, v) })
    conf.set("spark.repl.class.outputDir", classes.toString)
    if (Session.isHere(conf.get("spark.master")))
      Seq("spark.driver.host", "spark.driver.bindAddress").foreach(conf.setIfMissing(_, "127.0.0.1"))
    if (!Session.isLocal(conf.get("spark.master")))
      conf.set("spark.jars", (conf.get("spark.jars", "").split(',').toSeq.filter(_.nonEmpty) ++ options.extraJars :+ Session.ownJar).mkString(","))
    conf
  }

  /** Waits until it is up, or throws a SessionError. */
  def await(): Live = {
    val up =
      try live.get
      catch { case e: ExecutionException => throw e.getCause }
    problem.foreach(why => throw new SessionError(why))
    up
  }

  /** What came between a session that was up and its users. */
  def problem: Option[String] = broken

  /** To be asked after each statement: users' code can stop the session under everybody's feet. */
  def notice(action: String): Unit =
    ifUp(up => if (broken.isEmpty && up.spark.sparkContext.isStopped)
      broken = Some(s"the Spark session has ended: stopped by the code of action $action"))

  /** The answer to ama_session_request, when there is one. */
  def describe(): CompletableFuture[ObjectNode] = live.handle[ObjectNode] { (up, failed) =>
    if (failed != null) Json.error("SessionError", failed.getMessage)
    else problem.map(Json.error("SessionError", _)).getOrElse {
      val sc = up.spark.sparkContext
      Json.ok("version" -> up.spark.version, "master" -> sc.master, "cores" -> sc.defaultParallelism,
        "app_id" -> sc.applicationId, "ui_url" -> sc.uiWebUrl.getOrElse(""), "ms" -> up.millis)
    }
  }

  private def ifUp(f: Live => Unit): Unit = if (live.isDone && !live.isCompletedExceptionally) f(live.get)

  def cancel(group: String): Unit      = ifUp(_.progress.cancel(group))
  def cancelAll(prefix: String): Unit  = ifUp(_.progress.close(prefix))
  def stop(): Unit                     = ifUp(_.spark.stop())
}

object Session {
  private val Defaults = Seq(
    "spark.master"                 -> "local[*]",
    "spark.app.name"               -> "amaterasu",
    "spark.scheduler.mode"         -> "FAIR",
    "spark.ui.enabled"             -> "false",
    "spark.ui.showConsoleProgress" -> "false")

  /** All of it runs on this machine, so nobody else is to reach its ports. */
  private def isHere(master: String): Boolean = isLocal(master) || master.startsWith("local-cluster[")

  def isLocal(master: String): Boolean = master == "local" || master.startsWith("local[")

  /** Executors need this kernel's classes: users' closures may hold the environment. */
  private def ownJar: String = getClass.getProtectionDomain.getCodeSource.getLocation.getPath

  private def readDefaults(file: Path): Seq[(String, String)] = {
    val properties = new Properties
    Using.resource(Files.newBufferedReader(file))(properties.load)
    properties.asScala.toSeq.collect { case (k, v) if k.startsWith("spark.") => k -> v.trim }
  }

  private def readConf(file: Path): Seq[(String, String)] = {
    val bytes =
      try Files.readAllBytes(file)
      catch { case e: java.io.IOException => throw new SessionError(s"the Spark properties in $file cannot be read: ${e.getMessage}", e) }
    properties(bytes, s"in $file")
  }

  private def properties(bytes: Array[Byte], where: String): Seq[(String, String)] = {
    val json =
      try Json.read(bytes)
      catch { case e: java.io.IOException => throw new SessionError(s"the Spark properties $where cannot be read: ${e.getMessage}", e) }
    if (!json.isObject) throw new SessionError(s"the Spark properties $where are no JSON object")
    json.properties.asScala.toSeq.map(e => e.getKey -> e.getValue.asText)
  }

  /** Why Spark did not start, for somebody who does not read stack traces. */
  private def explain(thrown: Throwable, conf: SparkConf): String = {
    @tailrec def chain(t: Throwable, seen: List[Throwable]): List[Throwable] =
      if (t == null || seen.length > 20) seen.reverse else chain(t.getCause, t :: seen)
    val causes = chain(thrown, Nil)
    val texts  = causes.map(t => String.valueOf(t.getMessage))
    val master = conf.get("spark.master")
    val heap   = Runtime.getRuntime.maxMemory >> 20
    def says(part: String): Boolean = texts.exists(_.contains(part))
    if (says("Could not parse Master URL") || says("INVALID_MASTER"))
      s"spark.master '$master' is no master that Spark knows: local[N], local[*], spark://HOST:PORT, yarn, k8s://URL"
    else if (says("System memory") || says("INVALID_DRIVER_MEMORY"))
      s"a driver with $heap MB of memory is too small for Spark, which wants some 500 MB: give the driver more memory"
    else if (says("INVALID_EXECUTOR_MEMORY") || says("Executor memory"))
      s"spark.executor.memory ${conf.get("spark.executor.memory", "?")} is too small for Spark: it wants some 500 MB"
    else if (says("stopped SparkContext"))
      s"Spark gave up on $master before it was ready: the master is out of reach, or the executors do not start; kernel.log in the session's folder says more"
    else causes.collectFirst {
      case _: OutOfMemoryError     => s"the driver's memory of $heap MB does not suffice to start Spark"
      case e: BindException        => s"Spark found no free port: ${e.getMessage}"
      case e: UnknownHostException => s"host not found: ${e.getMessage}"
      case e: ClassNotFoundException => s"a Spark property names the class ${e.getMessage}, which is not to be found"
    }.getOrElse {
      val deepest = causes.reverse.find(_.getMessage != null).getOrElse(thrown)
      Failure.bounded(s"Spark did not start on $master: ${deepest.getMessage.linesIterator.nextOption().getOrElse(deepest.toString)}", 2000)
    }
  }
}
