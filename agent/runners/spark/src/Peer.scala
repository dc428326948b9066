package org.amaterasu.kernel

import java.nio.file.{Files, Path}
import java.util.concurrent.{ConcurrentHashMap, ConcurrentSkipListMap}
import java.util.concurrent.atomic.AtomicInteger
import scala.collection.immutable.SortedMap
import scala.jdk.CollectionConverters._
import org.apache.spark.api.java.JavaSparkContext
import org.apache.spark.sql.{DataFrame, Dataset, SparkSession}

/** An attempt whose code runs in a process of its own, in another language, and uses the session from there. It has a SparkSession of its own, as every
  * attempt, and a gateway whose token is good for as long as the attempt. What the other side calls is below "for the other side". */
final class Peer(host: Host, val attempt: Attempt, language: String) {
  private val tag     = s"${attempt.scope}#peer"
  private val live    = host.session.await()
  private val own     = live.spark.newSession()
  private val context = new AmaContext(() => own, attempt.environment, attempt.run, host.handover)
  private val left    = new ConcurrentSkipListMap[String, Handed]
  private val serial  = new AtomicInteger
  private val gateway = open()
  @volatile private var group = s"$tag|0"
  @volatile private var isOpen = true

  /** What its threads inherit finds the classes of all attempts. */
  private def open(): Shim.Gateway = {
    Thread.currentThread.setContextClassLoader(host.loader)
    language match {
      case "" | "python" => Shim.gateway(live.spark.sparkContext)
      case "r"           => Shim.rBackend()
      case other         => throw new IllegalArgumentException(s"no language '$other' can be attached, but python and r")
    }
  }

  def port: Int     = gateway.port
  def token: String = gateway.token

  def handed: SortedMap[String, Handed] = SortedMap.from(left.asScala)

  /** Its jobs end, and its token opens nothing any more. */
  def end(): Unit = {
    isOpen = false
    host.session.cancelAll(tag)
    gateway.close()
    host.session.notice(attempt.action)
  }

  // ---- for the other side

  def forR: RPeer                   = new RPeer(this, context, gateway.forget)
  def spark: SparkSession           = own
  def javaContext: JavaSparkContext = JavaSparkContext.fromSparkContext(live.spark.sparkContext)

  /** It is attached, as this process: when that is gone, its jobs end, too. */
  def attached(pid: Long): Unit = {
    SparkSession.setDefaultSession(live.spark)      // which PySpark has made its own
    Threads.start(s"peer-${attempt.scope}") {
      while (isOpen && Files.exists(Path.of(s"/proc/$pid"))) Thread.sleep(Peer.Look)
      if (isOpen) end()
    }
    ()
  }

  /** A statement begins, on the thread that calls this. */
  def begin(place: String): Unit = {
    val sc = live.spark.sparkContext
    host.session.problem.foreach(why => throw new SessionError(why))
    group = s"$tag|${serial.incrementAndGet}"
    SparkSession.setActiveSession(own)
    sc.setJobGroup(group, s"${attempt.action}, $place", interruptOnCancel = true)
    sc.setLocalProperty("spark.scheduler.pool", attempt.scope)
  }

  /** Ends the jobs of the statement under way. */
  def cancel(): Unit = host.session.cancel(group)

  def getDataFrame(action: String, name: String, format: String): DataFrame = context.getDataFrame(action, name, format)

  /** Stores what it exports. Returns where. */
  def store(name: String, data: Dataset[_], format: String): String = context.store(attempt.action, name, data, format)

  /** For later actions, if the attempt succeeds. */
  def leave(name: String, data: Dataset[_]): Unit = { left.put(name, new Handed("DataFrame", () => data)); () }
}

object Peer {
  private val Look = 500L
  private val open = new ConcurrentHashMap[String, Peer]

  /** Ends the jobs of the statement under way, if there is such an attempt. */
  private[kernel] def cancel(scope: String): Unit = Option(open.get(scope)).foreach(_.cancel())

  /** By the other side, which knows its scope. */
  def find(scope: String): Peer = Option(open.get(scope)).getOrElse(throw new NoSuchElementException(s"no open scope '$scope'"))

  private[kernel] def put(peer: Peer): Unit              = { open.put(peer.attempt.scope, peer); () }
  private[kernel] def take(scope: String): Option[Peer] = Option(open.remove(scope))
}
