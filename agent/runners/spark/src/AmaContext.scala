package org.amaterasu.kernel

import scala.reflect.ClassTag
import com.fasterxml.jackson.databind.JsonNode
import org.apache.hadoop.fs.Path
import org.apache.spark.SparkContext
import org.apache.spark.rdd.RDD
import org.apache.spark.sql.{DataFrame, Dataset, Encoder, SQLContext, SaveMode, SparkSession}
import scala.jdk.CollectionConverters._

/** The environment that a run was given. Goes along into tasks. */
final case class Environment(
    name: String, master: String, inputRootPath: String, outputRootPath: String, workingDir: String,
    configuration: Map[String, String])

object Environment {
  def apply(json: JsonNode): Environment = {
    def text(name: String) = json.path(name).asText("")
    val configuration = json.path("configuration").properties.asScala.map(e => e.getKey -> plain(e.getValue)).toMap
    Environment(text("name"), text("master"), text("inputRootPath"), text("outputRootPath"), text("workingDir"), configuration)
  }

  private def plain(value: JsonNode): String =
    if (value.isNull) "" else if (value.isValueNode) value.asText else value.toString
}

/** What an action's code sees of its run; one object for each attempt. In a task only `env` and `jobId` are there. */
final class AmaContext private[kernel] (
    @transient session: () => SparkSession, val env: Environment, val jobId: String, @transient handover: Handover) extends Serializable {
  def spark: SparkSession =
    if (session == null) throw new IllegalStateException("tasks have no Spark session: of AmaContext, they may use env and jobId") else session()
  def sc: SparkContext       = spark.sparkContext
  def sqlContext: SQLContext = spark.sqlContext

  def getRDD[T](action: String, name: String): RDD[T] = handover.find(action, name) match {
    case Some(r: RDD[_])     => r.asInstanceOf[RDD[T]]
    case Some(d: Dataset[_]) => d.rdd.asInstanceOf[RDD[T]]
    case Some(other)         => throw new IllegalArgumentException(s"$action.$name is no RDD but a ${other.getClass.getName}")
    case None                => sc.objectFile[T](stored(action, name))(ClassTag.Any.asInstanceOf[ClassTag[T]])
  }

  def getDataFrame(action: String, name: String, format: String = "parquet"): DataFrame = handover.find(action, name) match {
    case Some(d: Dataset[_]) => Shim.inSession(d, spark)
    case Some(_: RDD[_])     => throw new IllegalArgumentException(s"$action.$name is an RDD: use getRDD(\"$action\", \"$name\")")
    case Some(other)         => throw new IllegalArgumentException(s"$action.$name is no DataFrame but a ${other.getClass.getName}")
    case None                => spark.read.format(format).load(stored(action, name))
  }

  def getDataset[T: Encoder](action: String, name: String, format: String = "parquet"): Dataset[T] =
    getDataFrame(action, name, format).as[T]

  /** Stores a copy under the working folder, where it outlives the session. */
  def saveDataFrame(data: DataFrame, action: String, name: String): Unit =
    data.write.mode(SaveMode.Overwrite).parquet(path(action, name).toString)

  def saveRDD(data: RDD[_], action: String, name: String): Unit = {
    val target = path(action, name)
    target.getFileSystem(sc.hadoopConfiguration).delete(target, true)
    data.saveAsObjectFile(target.toString)
  }

  private def path(action: String, name: String): Path = {
    if (env.workingDir.isEmpty) throw new IllegalStateException("the environment has no workingDir")
    new Path(Seq(env.workingDir, jobId, action, name).mkString("/"))
  }

  private def stored(action: String, name: String): String = {
    def exists(p: Path) = p.getFileSystem(sc.hadoopConfiguration).exists(p)
    if (env.workingDir.isEmpty || !exists(path(action, name))) throw new NoSuchElementException(handover.missing(action, name))
    path(action, name).toString
  }
}

/** The names that every statement finds: the prelude imports this object's members. Tasks get a copy without the session. The session may
  * still be starting when the prelude is compiled: `open` waits for it. */
final class Bindings(@transient open: () => SparkSession) extends Serializable {
  @transient lazy val spark: SparkSession    = if (open == null) null else open()
  @transient lazy val sc: SparkContext       = if (open == null) null else spark.sparkContext
  @transient lazy val sqlContext: SQLContext = if (open == null) null else spark.sqlContext
  lazy val env: Environment                  = context.env
  lazy val AmaContext: AmaContext            = context

  private var context: AmaContext = _
  override def toString: String   = "the action's names"
}

object Bindings {
  /** Interpreters are prepared before it is known which attempt they will serve. */
  private[kernel] def attach(bindings: Bindings, context: AmaContext): Unit = bindings.context = context

  private val prepared = new java.util.concurrent.ConcurrentHashMap[Int, Bindings]
  private[kernel] def put(interpreter: Int, bindings: Bindings): Unit = prepared.put(interpreter, bindings)
  private[kernel] def drop(interpreter: Int): Unit                    = prepared.remove(interpreter)

  /** For the prelude: how the text of a REPL statement gets hold of an object. */
  def of(interpreter: Int): Bindings = prepared.get(interpreter)

  /** The attempt that the current thread works for. */
  def current: AmaContext = Option(Outlet.here).flatMap(o => Option(o.context)).getOrElse(
    throw new IllegalStateException("AmaContext is not to be had here: only in an action's own code, not in tasks"))
}
