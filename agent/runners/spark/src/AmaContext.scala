package org.amaterasu.kernel

import java.io.IOException
import java.nio.charset.StandardCharsets.UTF_8
import java.util.UUID
import scala.reflect.ClassTag
import scala.util.Using
import com.fasterxml.jackson.databind.JsonNode
import org.apache.hadoop.fs.Path
import org.apache.spark.SparkContext
import org.apache.spark.rdd.RDD
import org.apache.spark.sql.{DataFrame, Dataset, Encoder, SQLContext, SparkSession}
import scala.jdk.CollectionConverters._

/** The environment that a run was given. Goes along into tasks. */
final case class Environment(
    name: String, master: String, inputRootPath: String, outputRootPath: String, workingDir: String,
    configuration: Map[String, String])(val datasets: Map[String, NamedData] = Map.empty)

/** A named dataset: what its entry has, and what stands there under options or args. */
final case class NamedData(name: String, kind: String, keys: Map[String, String], options: Map[String, String])

object Environment {
  def apply(json: JsonNode): Environment = {
    def text(name: String) = json.path(name).asText("")
    val configuration = json.path("configuration").properties.asScala.map(e => e.getKey -> plain(e.getValue)).toMap
    val datasets = json.path("datasets").properties.asScala.map(e => e.getKey -> dataset(e.getKey, e.getValue)).toMap
    Environment(text("name"), text("master"), text("inputRootPath"), text("outputRootPath"), text("workingDir"), configuration)(datasets)
  }

  private def dataset(name: String, json: JsonNode): NamedData = {
    def map(node: JsonNode) = node.properties.asScala.map(e => e.getKey -> plain(e.getValue)).toMap
    NamedData(name, json.path("type").asText(""), map(json) - "type", map(json.path("args")) ++ map(json.path("options")))
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
    case None                => val at = stored(action, name); spark.read.format(formatOf(at, format)).load(at)
  }

  def getDataset[T: Encoder](action: String, name: String, format: String = "parquet"): Dataset[T] =
    getDataFrame(action, name, format).as[T]

  // ---- datasets that the environment names

  def datasetConfiguration(name: String): Map[String, String] = named(name).keys

  def getDataset(name: String): DataFrame = {
    val data = named(name)
    data.kind match {
      case "file" => spark.read.format(format(data)).options(options(data)).load(address(data))
      case "hive" => spark.table(table(data))
      case _      => throw refusal(data)
    }
  }

  /** Writes it as the dataset's mode says, which is to overwrite if there is none. */
  def persist(name: String, data: Dataset[_]): Unit = write(named(name), data, mode(named(name)))

  def persist(name: String, data: Dataset[_], overwrite: Boolean): Unit = {
    val own = mode(named(name))
    write(named(name), data, if (overwrite) "overwrite" else if (own == "overwrite") "error" else own)
  }

  private def write(to: NamedData, data: Dataset[_], mode: String): Unit = to.kind match {
    case "file" => data.write.format(format(to)).options(options(to)).mode(mode).save(address(to))
    case "hive" =>
      val writer = data.write.mode(mode)
      to.keys.get("format").filter(_.nonEmpty).foreach(writer.format)
      writer.saveAsTable(table(to))
    case _      => throw refusal(to)
  }

  private def named(name: String): NamedData = env.datasets.getOrElse(name,
    throw new NoSuchElementException(s"there is no dataset $name; there is ${if (env.datasets.isEmpty) "none" else env.datasets.keys.toSeq.sorted.mkString(", ")}"))

  private def refusal(data: NamedData) = new UnsupportedOperationException(
    if (data.kind == "generic") s"${data.name} is a generic dataset: datasetConfiguration says all there is of it"
    else s"${data.name} is a dataset of the type ${data.kind}, which can not be loaded")

  private def format(data: NamedData): String  = data.keys.get("format").filter(_.nonEmpty).getOrElse("parquet")
  private def mode(data: NamedData): String    = data.keys.get("mode").filter(_.nonEmpty).getOrElse("overwrite").toLowerCase(java.util.Locale.ROOT)
  private def address(data: NamedData): String = Seq("uri", "url", "path").flatMap(data.keys.get).find(_.nonEmpty).getOrElse("")
  private def table(data: NamedData): String   = (data.keys.get("database").filter(_.nonEmpty).toSeq :+ data.keys("table")).mkString(".")
  private def options(data: NamedData): Map[String, String] =
    data.keys.filter { case (key, _) => AmaContext.Options(key) } ++ data.keys.get("separator").map("sep" -> _) ++ data.options

  // ---- copies

  /** Stores a copy under the working folder, where it outlives the session. */
  def saveDataFrame(data: DataFrame, action: String, name: String): Unit = store(action, name, data, "parquet")

  def saveRDD(data: RDD[_], action: String, name: String): Unit = store(action, name, data, "")

  /** As a whole or not at all, for it is written beside its place, by a name of its own. Returns where. An RDD has no format. */
  private[kernel] def store(action: String, name: String, data: AnyRef, format: String): String = {
    val target = path(action, name)
    val beside = new Path(target.getParent, s"_${UUID.randomUUID}-${target.getName}")
    val files  = target.getFileSystem(sc.hadoopConfiguration)
    try {
      data match {
        case d: Dataset[_] =>
          d.write.format(format).save(beside.toString)
          Using.resource(files.create(new Path(beside, AmaContext.Format), true))(_.write(format.getBytes(UTF_8)))
        case r: RDD[_] => r.saveAsObjectFile(beside.toString)
        case other     => throw new IllegalArgumentException(s"$name can not be stored: it is a ${other.getClass.getName}")
      }
      files.delete(target, true)
      if (!files.rename(beside, target)) throw new IOException(s"$beside can not become $target")
    } finally files.delete(beside, true)
    target.toString
  }

  /** As it was exported, or else as the reader says. */
  private def formatOf(stored: String, otherwise: String): String = {
    val file  = new Path(stored, AmaContext.Format)
    val files = file.getFileSystem(sc.hadoopConfiguration)
    if (files.exists(file)) Using.resource(files.open(file))(in => new String(in.readNBytes(AmaContext.MaxFormat), UTF_8)) else otherwise
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

private object AmaContext {
  /** Of an export, beside its files, which Spark takes no notice of. */
  val Format    = "_amaterasu_format"
  val MaxFormat = 256

  /** What of an entry is for Spark's readers and writers; as in amaterasu/pyspark/runtime.py. */
  val Options: Set[String] =
    Set("header", "inferSchema", "multiLine", "sep", "encoding", "quote", "escape", "nullValue", "dateFormat", "timestampFormat")
}

/** The names that every statement finds: the prelude imports this object's members. Tasks get a copy without the session. The session may
  * still be starting when the prelude is compiled: `open` waits for it. */
final class Bindings(@transient open: () => SparkSession) extends Serializable {
  @transient lazy val spark: SparkSession    = if (open == null) null else open()
  @transient lazy val sc: SparkContext       = if (open == null) null else spark.sparkContext
  @transient lazy val sqlContext: SQLContext = if (open == null) null else spark.sqlContext
  lazy val env: Environment                  = context.env
  lazy val AmaContext: AmaContext            = context
  def display: Display.type                  = Display

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
