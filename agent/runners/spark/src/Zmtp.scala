package org.amaterasu.kernel

import java.io.{BufferedInputStream, DataInputStream, IOException, InputStream}
import java.nio.ByteBuffer
import java.nio.channels.{Channels, SocketChannel}
import java.nio.charset.StandardCharsets.{ISO_8859_1, US_ASCII}
import scala.collection.immutable.ArraySeq

/** ZMTP 3.0 with the NULL mechanism, as bytes: greeting, READY, frames. Every length that comes from outside is bounded here.
  *
  *   greeting = %xFF 8%x00 %x7F  %x03 %x00  "NULL" 16%x00  as-server 31%x00        ; 64 octets
  *   frame    = flags size body                                                    ; flags: 1 more, 2 long, 4 command
  *   size     = 1OCTET / 8OCTET                                                    ; 8 when flag 2 is set
  *   command  = name-size name data                                                ; READY's data: *( name-size name 4OCTET value )
  */
object Zmtp {
  type Frames = Seq[Array[Byte]]

  /** The bytes and frames that one message may have. */
  val MaxMessage: Int = 16 << 20
  val MaxFrames: Int  = 64

  private val More    = 1
  private val Long    = 2
  private val Command = 4
  private val Version = 3

  final case class Frame(flags: Int, body: Array[Byte]) {
    def more: Boolean      = (flags & More) != 0
    def isCommand: Boolean = (flags & Command) != 0
  }

  def input(channel: SocketChannel): DataInputStream =
    new DataInputStream(new BufferedInputStream(Channels.newInputStream(channel), 1 << 16))

  def writeFully(channel: SocketChannel, bytes: ByteBuffer): Unit = while (bytes.hasRemaining) channel.write(bytes)

  def greeting: ByteBuffer = ByteBuffer.allocate(64)
    .put(0, 0xff.toByte).put(9, 0x7f.toByte).put(10, Version.toByte).put(12, "NULL".getBytes(US_ASCII))

  def readGreeting(in: DataInputStream): Unit = {
    val g = new Array[Byte](64)
    in.readFully(g)
    if ((g(0) & 0xff) != 0xff || g(10) < Version || new String(g, 12, 5, US_ASCII) != "NULL\u0000")
      throw new IOException("not a ZMTP 3 peer without security")
  }

  def ready(properties: (String, Array[Byte])*): ByteBuffer = {
    val body = ByteBuffer.allocate(1024)
    def short(s: String): Unit = body.put(s.length.toByte).put(s.getBytes(US_ASCII))
    short("READY")
    properties.foreach { case (name, value) => short(name); body.putInt(value.length).put(value) }
    command(body.flip())
  }

  private def command(body: ByteBuffer): ByteBuffer =
    ByteBuffer.allocate(2 + body.remaining).put(Command.toByte).put(body.remaining.toByte).put(body).flip()

  /** What a command says, and the bytes behind its name. */
  def parseCommand(frame: Frame): (String, ByteBuffer) = {
    val b = ByteBuffer.wrap(frame.body)
    (text(b), b)
  }

  /** READY's properties; names without regard to case. */
  def properties(data: ByteBuffer): Map[String, Array[Byte]] = {
    var found = Map.empty[String, Array[Byte]]
    while (data.hasRemaining) {
      val name = text(data)
      val size = if (data.remaining < 4) -1 else data.getInt
      found += name.toLowerCase -> take(data, size)
    }
    found
  }

  def pong(ping: ByteBuffer): ByteBuffer = {
    val context = if (ping.remaining > 2) ping.slice(ping.position() + 2, (ping.remaining - 2).min(16)) else ByteBuffer.allocate(0)
    command(ByteBuffer.allocate(5 + context.remaining).put(4.toByte).put("PONG".getBytes(US_ASCII)).put(context).flip())
  }

  private def text(b: ByteBuffer): String = new String(take(b, if (b.hasRemaining) b.get & 0xff else -1), ISO_8859_1)

  private def take(b: ByteBuffer, n: Int): Array[Byte] = {
    if (n < 0 || n > b.remaining) throw new IOException("malformed ZMTP command")
    val a = new Array[Byte](n)
    b.get(a)
    a
  }

  /** Never takes more memory than has arrived: a length alone costs a peer nothing to send. */
  def readFrame(in: DataInputStream, room: Int): Frame = {
    val flags = in.readUnsignedByte()
    val size  = if ((flags & Long) != 0) in.readLong() else in.readUnsignedByte().toLong
    if (size < 0 || size > room) throw new IOException(s"frame of $size bytes refused, a message has at most $MaxMessage")
    val body = (in: InputStream).readNBytes(size.toInt)
    if (body.length < size) throw new java.io.EOFException
    Frame(flags, body)
  }

  /** Appends frames to `out`, and hands `out` to `full` whenever it has no room left. */
  def writeFrames(frames: Frames, out: ByteBuffer)(full: ByteBuffer => Unit): Unit = {
    def spill(): Unit = { full(out.flip()); out.clear() }
    val last = frames.length - 1
    frames.iterator.zipWithIndex.foreach { case (body, i) =>
      val more = if (i < last) More else 0
      if (out.remaining < 9) spill()
      if (body.length < 256) out.put(more.toByte).put(body.length.toByte)
      else out.put((more | Long).toByte).putLong(body.length.toLong)
      if (body.length > out.remaining) spill()
      if (body.length > out.remaining) full(ByteBuffer.wrap(body)) else out.put(body)
    }
  }

  /** A byte string that can be compared and hashed. */
  def key(bytes: Array[Byte]): ArraySeq[Byte] = ArraySeq.unsafeWrapArray(bytes)
}
