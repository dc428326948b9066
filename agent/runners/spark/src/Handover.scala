package org.amaterasu.kernel

import java.util.concurrent.ConcurrentHashMap
import scala.collection.immutable.SortedMap
import org.apache.spark.rdd.RDD
import org.apache.spark.sql.Dataset

/** A value that an action left for later ones. Lazy ones are evaluated by the first who asks. */
final class Handed(val kind: String, evaluate: () => AnyRef) {
  lazy val value: AnyRef = evaluate()
}

/** What finished actions of this session have handed over: the live objects, by action and name. Thread-safe. */
final class Handover {
  private val byAction = new ConcurrentHashMap[String, SortedMap[String, Handed]]

  /** Replaces all that an action of this name left before. */
  def publish(action: String, values: SortedMap[String, Handed]): Unit = byAction.put(action, values)

  def find(action: String, name: String): Option[AnyRef] =
    Option(byAction.get(action)).flatMap(_.get(name)).map(_.value)

  def all: Seq[(String, String, Handed)] =
    for { action <- byAction.keySet.toArray(Array.empty[String]).sorted.toSeq; (name, handed) <- byAction.get(action) } yield (action, name, handed)

  /** Why there is no such value, in words. */
  def missing(action: String, name: String): String = Option(byAction.get(action)) match {
    case Some(values) if values.isEmpty => s"no dataset '$name' of action '$action': it left none"
    case Some(values)                   => s"no dataset '$name' of action '$action': $action has ${values.keys.mkString(", ")}"
    case None if byAction.isEmpty =>
      s"no dataset '$name' of action '$action': no action has finished in this Spark session. ${ifLost(action)}"
    case None =>
      s"no dataset '$name' of action '$action': no such action has finished in this Spark session; there ${if (byAction.size == 1) "is" else "are"} " +
        byAction.keySet.toArray(Array.empty[String]).sorted.mkString(", ") + s". ${ifLost(action)}"
  }

  /** A session is opened anew for the next action; what was finished is not run again, so its values are gone with the old one. */
  private def ifLost(action: String): String =
    s"If $action has, the session that held what it left was lost: run the job again. What is saved with AmaContext.saveDataFrame or saveRDD outlives a session"
}

object Handover {
  private val LazyKinds = Seq("RDD" -> "org.apache.spark.rdd.", "Dataset" -> "org.apache.spark.sql.Dataset")

  /** Those of an attempt's definitions that can be handed over. */
  def select(definitions: Seq[Definition]): SortedMap[String, Handed] =
    SortedMap.from(definitions.flatMap(d => handed(d).map(d.name -> _)))

  private def handed(d: Definition): Option[Handed] =
    if (d.isLazy)
      LazyKinds.collectFirst { case (kind, prefix) if d.staticType.startsWith(prefix) => new Handed(kind, () => d.value().orNull) }
    else
      d.value().collect {
        case r: RDD[_]                            => new Handed("RDD", () => r)
        case s: Dataset[_] if isDataFrame(d)      => new Handed("DataFrame", () => s)
        case s: Dataset[_]                        => new Handed("Dataset", () => s)
      }

  private def isDataFrame(d: Definition): Boolean = d.staticType.endsWith("Dataset[org.apache.spark.sql.Row]")
}
