package org.amaterasu.kernel

import java.io.{ByteArrayOutputStream, EOFException, InputStream, OutputStream, PrintStream}
import java.nio.charset.StandardCharsets.UTF_8
import java.util.concurrent.ConcurrentHashMap
import com.fasterxml.jackson.databind.JsonNode
import org.apache.spark.TaskContext

/** Where one attempt's standard streams go. It outlives the attempt in threads that were left behind, so it must be light: closing it
  * lets go of the attempt, and what is written later goes to the log.
  *
  * Bytes gather until 16 KiB, a change of stream, 50 ms, or the end of the statement; a character is never torn apart. */
final class Outlet(val scope: String) {
  @volatile private var tell: (String, String) => Unit = _
  @volatile private var ask: String => String          = _
  @volatile private var display: (String, JsonNode) => Unit = _
  @volatile var context: AmaContext                    = _
  private val buffer = new ByteArrayOutputStream
  private var stream = "stdout"
  private var open   = true

  def connect(tell: (String, String) => Unit, ask: String => String, display: (String, JsonNode) => Unit): Unit = {
    this.tell = tell
    this.ask = ask
    this.display = display
    Threads.start(s"output-$scope")(flushNowAndThen())
  }

  def write(name: String, bytes: Array[Byte], from: Int, count: Int): Unit = buffer.synchronized {
    if (!open) Log.err.write(bytes, from, count)
    else {
      if (name != stream) { flush(); stream = name }
      if (buffer.size == 0) buffer.notifyAll()
      buffer.write(bytes, from, count)
      if (buffer.size > Outlet.Chunk) emit(whole = false)
    }
  }

  def flush(): Unit = buffer.synchronized(emit(whole = true))

  private def emit(whole: Boolean): Unit = if (buffer.size > 0) {
    val bytes = buffer.toByteArray
    val end   = if (whole) bytes.length else Outlet.endOfCharacters(bytes)
    buffer.reset()
    buffer.write(bytes, end, bytes.length - end)
    if (end > 0) tell(stream, new String(bytes, 0, end, UTF_8))
  }

  private def flushNowAndThen(): Unit = while (buffer.synchronized { while (open && buffer.size == 0) buffer.wait(); open }) {
    Thread.sleep(Outlet.Patience)
    buffer.synchronized(if (open) emit(whole = false))
  }

  /** A message for whoever shows more than text, in the order of the streams. */
  def show(kind: String, content: JsonNode): Unit = buffer.synchronized {
    emit(whole = true)
    if (open) display(kind, content)
  }

  def readLine(): String = Option(ask).map(_("")).getOrElse(throw new EOFException)

  def close(): Unit = buffer.synchronized {
    emit(whole = true)
    open = false
    tell = null
    ask = null
    display = null
    context = null
    buffer.notifyAll()
  }
}

object Outlet {
  private val Chunk    = 16 << 10
  private val Patience = 50L

  /** Inherited by the threads that a statement starts. */
  val ofThread = new InheritableThreadLocal[Outlet]

  /** Of the jobs under way, by job group; and of the interpreters that are open. */
  val ofGroup       = new ConcurrentHashMap[String, Outlet]
  val ofInterpreter = new ConcurrentHashMap[Int, Outlet]

  /** Whose output is it? A task's: its job group tells. Else code of a REPL class on the stack tells, since pools hand threads from one
    * attempt to another; code of a library belongs to the attempt that started the thread. */
  def here: Outlet = {
    val task = TaskContext.get()
    if (task != null) {
      val group = task.getLocalProperty("spark.jobGroup.id")
      if (group == null) null else ofGroup.get(group)
    }
    else if (Thread.currentThread.getName.startsWith(Kernel.StatementThread)) ofThread.get
    else Option(onStack()).getOrElse(ofThread.get)
  }

  private val walker = StackWalker.getInstance
  private def onStack(): Outlet = walker.walk { frames =>
    frames.map[Outlet](f => ReplClass.lineOf(f.getClassName).map(l => ofInterpreter.get(ReplClass.interpreterOf(l))).orNull)
      .filter(_ != null).findFirst.orElse(null)
  }

  private def endOfCharacters(bytes: Array[Byte]): Int = {
    val n = bytes.length
    var i = n - 1
    while (i > n - 4 && i > 0 && (bytes(i) & 0xc0) == 0x80) i -= 1
    val b    = bytes(i) & 0xff
    val need = if (b >= 0xf0) 4 else if (b >= 0xe0) 3 else if (b >= 0xc0) 2 else 1
    if (i + need > n) i else n
  }

  /** System.out, System.err and System.in become those of whoever uses them. */
  def install(): Unit = {
    System.setOut(new PrintStream(new Sink("stdout"), false, "UTF-8"))
    System.setErr(new PrintStream(new Sink("stderr"), false, "UTF-8"))
    System.setIn(Source)
  }

  private final class Sink(name: String) extends OutputStream {
    override def write(b: Int): Unit = write(Array(b.toByte), 0, 1)
    override def write(bytes: Array[Byte], from: Int, count: Int): Unit = here match {
      case null => Log.err.write(bytes, from, count)
      case o    => o.write(name, bytes, from, count)
    }
  }

  private object Source extends InputStream {
    private var line = Array.emptyByteArray
    private var at   = 0
    private def fill(): Unit = if (at >= line.length) {
      val outlet = here
      if (outlet == null) throw new EOFException
      line = (outlet.readLine() + "\n").getBytes(UTF_8)
      at = 0
    }
    def read(): Int = synchronized { fill(); at += 1; line(at - 1) & 0xff }
    override def read(bytes: Array[Byte], from: Int, count: Int): Int = synchronized {
      if (count == 0) 0
      else {
        fill()
        val n = count.min(line.length - at)
        System.arraycopy(line, at, bytes, from, n)
        at += n
        n
      }
    }
  }
}
