package org.amaterasu.kernel

import scala.jdk.CollectionConverters._
import org.apache.spark.sql.{DataFrame, Dataset, SparkSession}
import org.apache.spark.sql.types.StructType

/** What `spark.R` calls of a peer. Spark's backend for R passes numbers as int or double, and lists as arrays of objects. */
final class RPeer private[kernel] (peer: Peer, context: AmaContext, forget: Seq[String] => Unit) {
  private def texts(list: Array[Object]): Seq[String]                     = list.toSeq.map(_.toString)
  private def pairs(names: Array[Object], values: Array[Object]): Map[String, String] = texts(names).zip(texts(values)).toMap

  def spark: SparkSession = peer.spark

  def attached(pid: Int): Unit = peer.attached(pid.toLong)

  /** A statement begins; R has no names any more for these objects. */
  def begin(place: String, garbage: Array[Object]): Unit = { forget(texts(garbage)); peer.begin(place) }

  // ---- making data frames

  def sql(query: String): DataFrame  = spark.sql(query)
  def table(name: String): DataFrame = spark.table(name)

  def read(path: String, format: String, names: Array[Object], values: Array[Object]): DataFrame = {
    val reader = (if (format.isEmpty) spark.read else spark.read.format(format)).options(pairs(names, values))
    if (path.isEmpty) reader.load() else reader.load(path)
  }

  /** A schema in Spark's words gives the columns names and types of its own; none is "". */
  def create(names: Array[Object], count: Int, columns: Array[Byte], schema: String): DataFrame = {
    val (own, rows) = RColumns.decode(texts(names), count, columns)
    val data        = spark.createDataFrame(rows.asJava, own)
    if (schema.isEmpty) data else cast(data, StructType.fromDDL(schema))
  }

  private def cast(data: DataFrame, schema: StructType): DataFrame =
    if (schema.length != data.columns.length)
      throw new IllegalArgumentException(s"the schema has ${schema.length} columns, the data ${data.columns.length}: ${data.columns.mkString(", ")}")
    else {
      val numbered = data.toDF(schema.indices.map(i => s"c$i"): _*)
      numbered.select(schema.fields.toIndexedSeq.zipWithIndex.map { case (f, i) => numbered(s"c$i").cast(f.dataType).as(f.name) }: _*)
    }

  def getDataFrame(action: String, name: String, format: String): DataFrame = peer.getDataFrame(action, name, format)

  // ---- looking at them

  /** Names, the count of rows, and columns. */
  def collect(data: Dataset[_]): Array[Object]             = all(data.toDF())
  def head(data: Dataset[_], rows: Int): Array[Object]     = all(data.toDF().limit(rows))
  private def all(data: DataFrame): Array[Object] = {
    val rows = data.collect()
    Array[Object](data.columns, Int.box(rows.length), RColumns.encode(data.schema, rows))
  }

  /** As PySpark says it. */
  def describe(data: Dataset[_]): String                    = data.schema.fields.map(f => s"${f.name}: ${f.dataType.simpleString}").mkString("DataFrame[", ", ", "]")
  def schema(data: Dataset[_]): String                      = data.schema.treeString
  def names(data: Dataset[_]): Array[Object]                = data.columns.toArray[Object]
  def types(data: Dataset[_]): Array[Object]                = data.schema.fields.map(_.dataType.simpleString: Object)
  def table(data: Dataset[_], rows: Int, width: Int): String = Shim.table(data.toDF(), rows, width)
  def kind(value: Object): String                           = value match {
    case _: Dataset[_] => "DataFrame"
    case other         => other.getClass.getName
  }

  // ---- working with them

  def select(data: Dataset[_], expressions: Array[Object]): DataFrame = data.selectExpr(texts(expressions): _*)

  def write(data: Dataset[_], path: String, format: String, mode: String, names: Array[Object], values: Array[Object]): Unit = {
    val plain  = data.write.mode(mode).options(pairs(names, values))
    val writer = if (format.isEmpty) plain else plain.format(format)
    if (path.isEmpty) writer.save() else writer.save(path)
  }

  def store(name: String, data: Dataset[_], format: String): String = peer.store(name, data, format)
  def leave(name: String, data: Dataset[_]): Unit = peer.leave(name, data)

  // ---- datasets that the environment names

  def getDataset(name: String): DataFrame                                  = context.getDataset(name)
  def persist(name: String, data: Dataset[_]): Unit                        = context.persist(name, data)
  def persist(name: String, data: Dataset[_], overwrite: Boolean): Unit    = context.persist(name, data, overwrite)
  def datasetConfiguration(name: String): String                           = Json.obj(context.datasetConfiguration(name).toSeq: _*).toString
}
