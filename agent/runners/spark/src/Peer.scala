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
final class Peer(host: Host, val attempt: Attempt) {
  private val tag     = s"${attempt.scope}#peer"
  private val live    = host.session.await()
  private val own     = live.spark.newSession()
  private val context = new AmaContext(() => own, attempt.environment, attempt.run, host.handover)
  private val left    = new ConcurrentSkipListMap[String, Handed]
  private val serial  = new AtomicInteger
  private val gateway = Shim.gateway(live.spark.sparkContext)
  @volatile private var group = s"$tag|0"
  @volatile private var open  = true

  def port: Int     = gateway.port
  def token: String = gateway.token

  def handed: SortedMap[String, Handed] = SortedMap.from(left.asScala)

  /** Its jobs end, and its token opens nothing any more. */
  def end(): Unit = {
    open = false
    host.session.cancelAll(tag)
    gateway.close()
    host.session.notice(attempt.action)
  }

  // ---- for the other side

  def spark: SparkSession           = own
  def javaContext: JavaSparkContext = JavaSparkContext.fromSparkContext(live.spark.sparkContext)

  /** It is attached, as this process: when that is gone, its jobs end, too. */
  def attached(pid: Long): Unit = {
    SparkSession.setDefaultSession(live.spark)      // which PySpark has made its own
    Threads.start(s"peer-${attempt.scope}") {
      while (open && Files.exists(Path.of(s"/proc/$pid"))) Thread.sleep(Peer.Look)
      if (open) end()
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

  /** For later actions, if the attempt succeeds. */
  def leave(name: String, data: Dataset[_]): Unit = { left.put(name, new Handed("DataFrame", () => data)); () }
}

object Peer {
  private val Look = 500L
  private val open = new ConcurrentHashMap[String, Peer]

  /** By the other side, which knows its scope. */
  def find(scope: String): Peer = Option(open.get(scope)).getOrElse(throw new NoSuchElementException(s"no open scope '$scope'"))

  private[kernel] def put(peer: Peer): Unit              = { open.put(peer.attempt.scope, peer); () }
  private[kernel] def take(scope: String): Option[Peer] = Option(open.remove(scope))
}
