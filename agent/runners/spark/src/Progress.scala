package org.amaterasu.kernel

import java.util.concurrent.ConcurrentHashMap
import scala.collection.mutable
import com.fasterxml.jackson.databind.JsonNode
import org.apache.spark.SparkContext
import org.apache.spark.scheduler._

/** Stages of the statements under way, told at most five times a second; and the end of jobs that begin too late.
  *
  * Adaptive SQL submits stages after its job group was cancelled, and Spark's own group cancel overlooks them: they would keep all cores.
  * So every job that starts in a cancelled group is cancelled here. The listener's callbacks never wait: telling is the ticker's. */
final class Progress(sc: SparkContext) extends SparkListener {
  private val Period    = 200L
  private val MaxStages = 50

  private final class Stage(val id: Int, val name: String, val total: Int) {
    var done   = 0
    var failed = 0
    var over   = false
    def json: JsonNode = Json.obj("id" -> id, "name" -> name, "total" -> total, "done" -> done, "failed" -> failed, "over" -> over)
  }

  private final class Watch(val tell: JsonNode => Unit) {
    val stages  = mutable.LinkedHashMap.empty[Int, Stage]
    var changed = false
    var told    = false
    def json: JsonNode = Json.obj("stages" -> stages.values.toSeq.takeRight(MaxStages).map(_.json))
  }

  private val watches   = mutable.Map.empty[String, Watch]
  private val byStage   = mutable.Map.empty[Int, (Watch, Stage)]
  private val cancelled = ConcurrentHashMap.newKeySet[String]()
  private val closed    = ConcurrentHashMap.newKeySet[String]()

  Threads.start("progress")(tick())

  def watch(group: String)(tell: JsonNode => Unit): Unit = synchronized { watches(group) = new Watch(tell) }

  /** Tells the last state, if any was told. */
  def unwatch(group: String): Unit = {
    val last = synchronized {
      val w = watches.remove(group)
      w.foreach(x => byStage.filterInPlace((_, v) => v._1 ne x))
      w.filter(x => x.told && x.changed).map(x => x -> x.json)
    }
    last.foreach { case (w, json) => w.tell(json) }
  }

  /** Ends the jobs of a group, those to come included. */
  def cancel(group: String): Unit = {
    cancelled.add(group)
    Shim.cancelGroup(sc, group)
  }

  /** Ends what an attempt left running in threads of its own. Its groups are named `<attempt>|<request>`. */
  def close(attempt: String): Unit = {
    closed.add(attempt)
    jobs.synchronized(jobs.toSeq).foreach { case (job, group) => if (group.startsWith(attempt + "|")) sc.cancelJob(job) }
    cancelled.removeIf(_.startsWith(attempt + "|"))
  }

  private val jobs = mutable.Map.empty[Int, String]

  private def tick(): Unit = while (true) {
    val news = synchronized {
      while (!watches.values.exists(_.changed)) wait()
      watches.values.filter(_.changed).toSeq.map { w => w.changed = false; w.told = true; w -> w.json }
    }
    news.foreach { case (w, json) => w.tell(json) }
    Thread.sleep(Period)
  }

  private def change(w: Watch): Unit = { w.changed = true; notifyAll() }

  private def groupOf(properties: java.util.Properties): Option[String] =
    Option(properties).flatMap(p => Option(p.getProperty("spark.jobGroup.id")))

  override def onJobStart(e: SparkListenerJobStart): Unit = groupOf(e.properties).foreach { group =>
    jobs.synchronized(jobs(e.jobId) = group)
    if (cancelled.contains(group) || closed.contains(group.takeWhile(_ != '|'))) sc.cancelJob(e.jobId)
  }

  override def onJobEnd(e: SparkListenerJobEnd): Unit = jobs.synchronized(jobs.remove(e.jobId))

  override def onStageSubmitted(e: SparkListenerStageSubmitted): Unit = synchronized {
    for (group <- groupOf(e.properties); w <- watches.get(group)) {
      val stage = new Stage(e.stageInfo.stageId, nameOf(e), e.stageInfo.numTasks)
      w.stages(stage.id) = stage
      byStage(stage.id) = (w, stage)
      change(w)
    }
  }

  /** SQL runs its stages on threads of its own, so their call site says nothing; the statement's description does. */
  private def nameOf(e: SparkListenerStageSubmitted): String =
    if (e.stageInfo.name.contains(".scala:") && !e.stageInfo.name.contains("CompletableFuture")) e.stageInfo.name
    else Option(e.properties.getProperty("spark.job.description")).getOrElse(e.stageInfo.name)

  override def onTaskEnd(e: SparkListenerTaskEnd): Unit = synchronized {
    byStage.get(e.stageId).foreach { case (w, stage) =>
      if (e.taskInfo != null && e.taskInfo.successful) stage.done += 1 else stage.failed += 1
      change(w)
    }
  }

  override def onStageCompleted(e: SparkListenerStageCompleted): Unit = synchronized {
    byStage.remove(e.stageInfo.stageId).foreach { case (w, stage) => stage.over = true; change(w) }
  }
}
