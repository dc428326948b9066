package org.amaterasu.kernel

import java.io.{EOFException, IOException}
import java.net.{InetSocketAddress, StandardProtocolFamily, StandardSocketOptions, UnixDomainSocketAddress}
import java.nio.ByteBuffer
import java.nio.channels.{ServerSocketChannel, SocketChannel}
import java.nio.file.{Files, Path}
import java.nio.file.attribute.PosixFilePermissions
import java.util.ArrayDeque
import java.util.concurrent.{ConcurrentHashMap, ThreadLocalRandom}
import scala.collection.immutable.ArraySeq
import scala.jdk.CollectionConverters._
import org.amaterasu.kernel.Zmtp.Frames

/** The bound half of a ZeroMQ socket. One thread accepts; each peer has one that reads and one that writes. The writer is its own
  * thread because a SocketChannel is closed by an interrupt of whoever writes to it, and users' threads are interrupted here. */
abstract class Server(kind: String, address: Address) {
  protected def received(peer: Peer, message: Frames): Unit

  private val Peers                           = 64
  private val listener: ServerSocketChannel   = address.bind()
  @volatile protected var peers: List[Peer]   = Nil
  protected val byIdentity: ConcurrentHashMap[ArraySeq[Byte], Peer] = new ConcurrentHashMap

  def start(): Unit = Threads.start(s"$kind-accept") {
    try while (true) admit(listener.accept())
    catch { case _: IOException => }
  }

  private def admit(channel: SocketChannel): Unit = synchronized {
    if (peers.length >= Peers) channel.close()
    else {
      if (address.isTcp) channel.setOption[java.lang.Boolean](StandardSocketOptions.TCP_NODELAY, true)
      val peer = new Peer(channel)
      peers ::= peer
      peer.start()
    }
  }

  private def forget(peer: Peer): Unit = synchronized {
    peers = peers.filterNot(_ eq peer)
    byIdentity.remove(peer.identity, peer)
  }

  /** Gives what was sent a moment to leave, then closes. */
  def close(): Unit = {
    val until = System.nanoTime + 1000000000L
    peers.foreach(_.drain(until))
    listener.close()
    peers.foreach(_.close())
    address.unlink()
  }

  final class Peer(channel: SocketChannel) {
    private val Backlog = 8L << 20
    @volatile var identity: ArraySeq[Byte] = {
      val random = new Array[Byte](5)
      ThreadLocalRandom.current.nextBytes(random)
      random(0) = 0
      Zmtp.key(random)
    }
    val topics: java.util.Set[ArraySeq[Byte]] = ConcurrentHashMap.newKeySet[ArraySeq[Byte]]()
    private val queue  = new ArrayDeque[Frames]
    private var queued = 0L      // bytes in queue, and in the writer's hands
    private var open   = true

    /** Waits while the peer is a backlog behind, or, if it `mayDrop`, gives up: false. A closed peer takes nothing. */
    def send(message: Frames, mayDrop: Boolean = false): Boolean = queue.synchronized {
      var interrupted = false
      while (open && queued > Backlog && !mayDrop)
        try queue.wait()
        catch { case _: InterruptedException => interrupted = true }
      if (interrupted) Thread.currentThread.interrupt()
      val taken = open && queued <= Backlog
      if (taken) {
        queue.add(message)
        queued += Peer.size(message)
        queue.notifyAll()
      }
      taken
    }

    def drain(until: Long): Unit = queue.synchronized {
      while (open && queued > 0 && System.nanoTime < until) queue.wait(20)
    }

    def close(): Unit = {
      queue.synchronized { open = false; queued = 0; queue.clear(); queue.notifyAll() }
      try channel.close() catch { case _: IOException => }
    }

    def start(): Unit = Threads.start(s"$kind-in") {
      try read()
      catch {
        case _: EOFException =>
        case e: IOException  => if (queue.synchronized(open)) Log(s"$kind: peer cut: ${e.getMessage}")
        case e: Throwable    => Log(s"$kind: peer cut", e)
      } finally { close(); forget(this) }
    }

    private def read(): Unit = {
      Zmtp.writeFully(channel, Zmtp.greeting)
      val in = Zmtp.input(channel)
      Zmtp.readGreeting(in)
      Zmtp.writeFully(channel, Zmtp.ready("Socket-Type" -> kind.getBytes))
      var shaken = false
      var parts  = Vector.empty[Array[Byte]]
      var room   = Zmtp.MaxMessage
      while (true) {
        val frame = Zmtp.readFrame(in, room)
        if (frame.isCommand) {
          val (name, data) = Zmtp.parseCommand(frame)
          if (name == "READY" && !shaken) { shaken = true; introduce(Zmtp.properties(data)) }
          else if (name == "PING" && shaken) pong(data)
        }
        else {
          if (!shaken || parts.length >= Zmtp.MaxFrames) throw new IOException("message refused")
          parts :+= frame.body
          room -= frame.body.length
          if (!frame.more) {
            val message = parts
            parts = Vector.empty
            room = Zmtp.MaxMessage
            received(this, message)
          }
        }
      }
    }

    private def introduce(properties: Map[String, Array[Byte]]): Unit = {
      properties.get("identity").filter(_.nonEmpty).foreach(id => identity = Zmtp.key(id))
      // a client that came back takes its name over
      Option(byIdentity.put(identity, this)).foreach(_.close())
      Threads.start(s"$kind-out") {
        try write()
        catch { case _: IOException => close() }
      }
    }

    private var answer: ByteBuffer = _       // a PONG that waits, guarded by queue
    private def pong(ping: ByteBuffer): Unit = queue.synchronized { answer = Zmtp.pong(ping); queue.notifyAll() }

    private def write(): Unit = {
      val out = ByteBuffer.allocate(1 << 16)
      var done = 0L
      while (true) {
        val (message, command) = queue.synchronized {
          queued -= done.min(queued)
          done = 0
          queue.notifyAll()
          while (open && queue.isEmpty && answer == null) queue.wait()
          if (!open) return
          val next = (Option(queue.poll()), Option(answer))
          answer = null
          next
        }
        command.foreach(Zmtp.writeFully(channel, _))
        message.foreach { m =>
          Zmtp.writeFrames(m, out)(Zmtp.writeFully(channel, _))
          done = Peer.size(m)
          Zmtp.writeFully(channel, out.flip())
          out.clear()
        }
      }
    }
  }

  object Peer {
    def size(message: Frames): Long = message.iterator.map(_.length + 64L).sum
  }
}

/** Frames of a message begin with the peer's identity, both ways. */
final class Router(address: Address)(handle: Frames => Unit) extends Server("ROUTER", address) {
  protected def received(peer: Peer, message: Frames): Unit = handle(peer.identity.unsafeArray.asInstanceOf[Array[Byte]] +: message)
  def send(message: Frames): Unit = Option(byIdentity.get(Zmtp.key(message.head))).foreach(_.send(message.tail))
}

/** The first frame of what is sent is the topic. A new subscription is greeted with what `welcome` makes of it. */
final class Publisher(address: Address)(welcome: Array[Byte] => Frames) extends Server("XPUB", address) {
  private val Topics = 256

  protected def received(peer: Peer, message: Frames): Unit = message match {
    case Seq(m) if m.nonEmpty && m(0) == 1 && peer.topics.size < Topics =>
      peer.topics.add(Zmtp.key(m.drop(1)))
      peer.send(welcome(m.drop(1)))
    case Seq(m) if m.nonEmpty && m(0) == 0 => peer.topics.remove(Zmtp.key(m.drop(1)))
    case _                                 =>
  }

  def send(message: Frames, mayDrop: Boolean = false): Unit =
    peers.foreach(p => if (p.topics.asScala.exists(t => message.head.startsWith(t))) p.send(message, mayDrop))
}

/** The heartbeat: everything comes back as it is. */
final class Echo(address: Address) extends Server("REP", address) {
  protected def received(peer: Peer, message: Frames): Unit = peer.send(message)
}

/** Where a socket is bound. */
sealed trait Address {
  protected val Backlog = 128
  def isTcp: Boolean
  def bind(): ServerSocketChannel
  def unlink(): Unit
}

final case class Tcp(host: String, port: Int) extends Address {
  def isTcp: Boolean = true
  def unlink(): Unit = ()
  def bind(): ServerSocketChannel = {
    val s = ServerSocketChannel.open()
    try s.bind(new InetSocketAddress(host, port), Backlog)
    catch { case e: IOException => s.close(); throw new IOException(s"cannot bind tcp port $port of $host: ${e.getMessage}") }
  }
}

/** A Unix socket. Whoever reaches it may send, so its folder must be the user's alone. */
final case class Ipc(path: Path) extends Address {
  def isTcp: Boolean = false
  def unlink(): Unit = Files.deleteIfExists(path)

  def bind(): ServerSocketChannel = {
    checkFolder()
    if (path.toString.getBytes.length > 107) throw new IOException(s"ipc path longer than 107 bytes: $path")
    val address = UnixDomainSocketAddress.of(path)
    if (Files.exists(path)) {
      if (answers(address)) throw new IOException(s"another kernel listens on $path")
      Files.delete(path)
    }
    val s = ServerSocketChannel.open(StandardProtocolFamily.UNIX)
    try s.bind(address, Backlog)
    catch { case e: IOException => s.close(); throw new IOException(s"cannot bind $path: ${e.getMessage}") }
    Files.setPosixFilePermissions(path, PosixFilePermissions.fromString("rw-------"))
    s
  }

  private def checkFolder(): Unit = {
    val folder = path.toAbsolutePath.getParent
    if (!Files.exists(folder))
      Files.createDirectories(folder, PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------")))
    val mode = PosixFilePermissions.toString(Files.getPosixFilePermissions(folder))
    if (!mode.endsWith("------")) throw new IOException(s"$folder is open to other users ($mode): ipc needs a folder of mode 0700")
  }

  private def answers(address: UnixDomainSocketAddress): Boolean =
    try { SocketChannel.open(address).close(); true }
    catch { case _: IOException => false }
}
