package org.amaterasu.kernel

import java.io.{ByteArrayOutputStream, DataOutputStream}
import java.nio.ByteBuffer
import java.nio.charset.StandardCharsets.UTF_8
import java.time.{Instant, LocalDate, LocalDateTime, ZoneOffset}
import scala.collection.immutable.ArraySeq
import org.apache.spark.sql.Row
import org.apache.spark.sql.types._

/** Data frames as R takes and gives them: column by column, so that R reads and writes a column at once, and not value by value. `spark.R` is the other side.
  *
  * A column is a letter and its values, numbers with the highest byte first. Their count is known from outside.
  * {{{
  * l i       logical, integer: int; the lowest one is NA            d D t T   double, date (days), time (seconds), time of no zone: double; R's own NA
  * L         as d, and at least one was rounded                     c r       text, bytes: a size for each (-1: NA), then all of them
  * a         lists: a size for each (-1: NA), then a column of all  m         maps: as a, with a column of keys and one of values
  * s         structs: a byte for each (0: NA), the count of fields, then for each its name (size, text) and a column
  * }}} */
private[kernel] object RColumns {
  /** Bytes of all columns together; R and its socket can take no more than twice that. */
  val Max: Int = 1 << 30

  private val NaInt    = Int.MinValue
  private val NaDouble = 0x7ff00000000007a2L
  private val Exact    = 1L << 53

  // ---- to R

  private final class Output extends ByteArrayOutputStream {
    private def check(more: Int): Unit =
      if (count.toLong + more > Max) throw new IllegalArgumentException(s"what is to go to R is larger than ${Max >> 20} MiB: ask for fewer rows, or columns")
    override def write(b: Int): Unit                               = { check(1); super.write(b) }
    override def write(b: Array[Byte], from: Int, size: Int): Unit = { check(size); super.write(b, from, size) }
  }

  def encode(schema: StructType, rows: Array[Row]): Array[Byte] = {
    val bytes = new Output
    val out   = new DataOutputStream(bytes)
    schema.fields.indices.foreach(i => write(out, schema(i).dataType, ArraySeq.unsafeWrapArray(rows.map(_.get(i)))))
    bytes.toByteArray
  }

  private def write(out: DataOutputStream, kind: DataType, values: Seq[Any]): Unit = {
    def ints(letter: Char)(of: Any => Int): Unit       = { out.write(letter); values.foreach(v => out.writeInt(if (v == null) NaInt else of(v))) }
    def doubles(letter: Char)(of: Any => Double): Unit = {
      out.write(letter)
      values.foreach(v => if (v == null) out.writeLong(NaDouble) else out.writeDouble(of(v)))
    }
    def blobs(letter: Char)(of: Any => Array[Byte]): Unit = {
      val all = values.map(v => if (v == null) null else of(v))
      out.write(letter)
      all.foreach(b => out.writeInt(if (b == null) -1 else b.length))
      all.foreach(b => if (b != null) out.write(b))
    }
    kind match {
      case NullType                => ints('l')(_ => NaInt)
      case BooleanType             => ints('l')(v => if (v.asInstanceOf[Boolean]) 1 else 0)
      case ByteType | ShortType | IntegerType =>
        def int(v: Any) = v.asInstanceOf[Number].intValue
        if (values.exists(v => v != null && int(v) == NaInt)) doubles('d')(int(_).toDouble) else ints('i')(int)
      case LongType =>
        def long(v: Any) = v.asInstanceOf[Long]
        doubles(if (values.exists(v => v != null && (long(v) > Exact || long(v) < -Exact))) 'L' else 'd')(long(_).toDouble)
      case FloatType | DoubleType | _: DecimalType => doubles('d')(_.asInstanceOf[Number].doubleValue)
      case DateType                => doubles('D')(days(_).toDouble)
      case TimestampType           => doubles('t')(v => seconds(instant(v)))
      case TimestampNTZType        => doubles('T')(v => seconds(v.asInstanceOf[LocalDateTime].toInstant(ZoneOffset.UTC)))
      case BinaryType              => blobs('r')(_.asInstanceOf[Array[Byte]])
      case ArrayType(element, _)   => lists(out, 'a', values.map(seq), element)
      case MapType(key, value, _)  =>
        val pairs = values.map(v => if (v == null) null else v.asInstanceOf[scala.collection.Map[Any, Any]].toSeq)
        lists(out, 'm', pairs.map(p => if (p == null) null else p.map(_._1)), key)
        write(out, value, pairs.filter(_ != null).flatMap(_.map(_._2)))
      case StructType(fields)      =>
        val rows = values.map(_.asInstanceOf[Row])
        out.write('s')
        rows.foreach(r => out.write(if (r == null) 0 else 1))
        out.writeInt(fields.length)
        fields.indices.foreach { i =>
          val name = fields(i).name.getBytes(UTF_8)
          out.writeInt(name.length)
          out.write(name)
          write(out, fields(i).dataType, rows.map(r => if (r == null) null else r.get(i)))
        }
      case _                       => blobs('c')(String.valueOf(_).getBytes(UTF_8)) // text, and whatever R has no word for
    }
  }

  private def lists(out: DataOutputStream, letter: Char, values: Seq[Seq[Any]], element: DataType): Unit = {
    out.write(letter)
    values.foreach(v => out.writeInt(if (v == null) -1 else v.length))
    write(out, element, values.filter(_ != null).flatten)
  }

  private def seq(v: Any): Seq[Any] = if (v == null) null else v.asInstanceOf[scala.collection.Seq[Any]].toSeq

  /** Java has two kinds of each; which one a row has is a setting of Spark's. */
  private def days(v: Any): Long = v match {
    case d: java.sql.Date => d.toLocalDate.toEpochDay
    case d                => d.asInstanceOf[LocalDate].toEpochDay
  }

  private def instant(v: Any): Instant = v match {
    case t: java.sql.Timestamp => t.toInstant
    case t                     => t.asInstanceOf[Instant]
  }

  private def seconds(t: Instant): Double = t.getEpochSecond.toDouble + t.getNano / 1e9

  // ---- from R

  /** As many columns as there are names. */
  def decode(names: Seq[String], count: Int, bytes: Array[Byte]): (StructType, Seq[Row]) = {
    val in      = ByteBuffer.wrap(bytes)
    val columns = names.map(name => name -> read(in, count))
    val schema  = StructType(columns.map { case (name, (kind, _)) => StructField(name, kind) })
    schema -> (0 until count).map(i => Row.fromSeq(columns.map(_._2._2(i))))
  }

  private def read(in: ByteBuffer, count: Int): (DataType, IndexedSeq[Any]) = {
    def each(of: => Any): IndexedSeq[Any] = { val all = new Array[Any](count); all.indices.foreach(i => all(i) = of); ArraySeq.unsafeWrapArray(all) }
    def int(of: Int => Any): Any          = { val n = in.getInt; if (n == NaInt) null else of(n) }
    def double(of: Double => Any): Any    = { val bits = in.getLong; val n = java.lang.Double.longBitsToDouble(bits); if (n.isNaN && bits.toInt == 1954) null else of(n) }
    def finite(of: Double => Any): Any    = double(n => if (n.isNaN) null else if (n.isInfinite) throw new IllegalArgumentException("Spark has no infinite time") else of(n))
    def sizes: IndexedSeq[Int]            = (0 until count).map(_ => in.getInt)
    def blob(size: Int): Array[Byte]      = if (size < 0) null else { val b = new Array[Byte](size); in.get(b); b }
    in.get.toChar match {
      case 'l' => BooleanType -> each(int(_ != 0))
      case 'i' => IntegerType -> each(int(identity))
      case 'd' => DoubleType -> each(double(identity))
      case 'D' => DateType -> each(finite(n => LocalDate.ofEpochDay(n.floor.toLong)))
      case 't' => TimestampType -> each(finite { n => val micros = math.round(n * 1e6); Instant.ofEpochSecond(Math.floorDiv(micros, 1000000L), Math.floorMod(micros, 1000000L) * 1000) })
      case 'c' => StringType -> sizes.map(n => Option(blob(n)).map(new String(_, UTF_8)).orNull)
      case 'r' => BinaryType -> sizes.map(blob)
      case 'a' =>
        val of            = sizes
        val (kind, items) = read(in, of.filter(_ > 0).sum)
        var at            = 0
        ArrayType(kind) -> of.map { n => if (n < 0) null else { at += n; items.slice(at - n, at) } }
      case 's' =>
        val there  = (0 until count).map(_ => in.get != 0)
        val fields = (0 until in.getInt).map { _ => val name = new String(blob(in.getInt), UTF_8); name -> read(in, count) }
        val kind   = StructType(fields.map { case (name, (k, _)) => StructField(name, k) })
        kind -> there.indices.map(i => if (there(i)) Row.fromSeq(fields.map(_._2._2(i))) else null)
      case other => throw new IllegalArgumentException(s"no kind of column is called '$other'")
    }
  }
}
