package org.amaterasu.kernel

import java.io.{BufferedOutputStream, FileOutputStream, IOException, OutputStream}
import java.nio.{ByteBuffer, ByteOrder}
import java.nio.file.Path
import java.util.ArrayDeque
import org.amaterasu.kernel.Zmtp.Frames

/** All that a connection says, once and in its order, for a reader that may be away for a while: into a named pipe whose other end outlives
  * that reader. Who says too much meanwhile waits.
  *
  * A record is the size of what follows, then each frame of the signed message after its own size; sizes are of four bytes, the lowest first. */
final class Journal(file: Path, scope: String) {
  private val Backlog   = 1L << 20
  private val Droppable = 64L << 10
  private val queue     = new ArrayDeque[Frames]
  private var queued    = 0L      // bytes in queue, and in the writer's hands
  private var open      = true

  /** The pipe is opened by the thread that writes, since that waits for a reader. */
  def start(): Unit = Threads.start(s"journal-$scope") {
    try {
      val out = new FileOutputStream(file.toFile)
      try write(new BufferedOutputStream(out, 1 << 16)) finally out.close()
    } catch { case e: IOException => if (queue.synchronized(open)) Log(s"$scope: nobody reads its journal: ${e.getMessage}") }
    finally queue.synchronized { open = false; queued = 0; queue.clear(); queue.notifyAll() }
  }

  def add(message: Frames, mayDrop: Boolean = false): Unit = queue.synchronized {
    var interrupted = false
    while (open && queued > Backlog && !mayDrop)
      try queue.wait()
      catch { case _: InterruptedException => interrupted = true }
    if (interrupted) Thread.currentThread.interrupt()
    if (open && (!mayDrop || queued <= Droppable)) {
      queue.add(message)
      queued += Journal.size(message)
      queue.notifyAll()
    }
  }

  private def write(out: OutputStream): Unit = {
    var done = 0L
    while (true) {
      val message = queue.synchronized {
        queued -= done.min(queued)
        done = 0
        queue.notifyAll()
        while (open && queue.isEmpty) queue.wait()
        if (queue.isEmpty) return
        queue.poll()
      }
      out.write(Journal.record(message))
      if (queue.synchronized(queue.isEmpty)) out.flush()
      done = Journal.size(message)
    }
  }

  /** Gives what was said a moment to leave; then the reader comes to the end. */
  def close(until: Long): Unit = queue.synchronized {
    while (open && queued > 0 && System.nanoTime < until) queue.wait(20)
    open = false
    queue.notifyAll()
  }
}

object Journal {
  def size(message: Frames): Long = message.iterator.map(_.length + 4L).sum + 4L

  def record(message: Frames): Array[Byte] = {
    val b = ByteBuffer.allocate(size(message).toInt).order(ByteOrder.LITTLE_ENDIAN)
    b.putInt(b.capacity - 4)
    message.foreach(f => b.putInt(f.length).put(f))
    b.array
  }
}
