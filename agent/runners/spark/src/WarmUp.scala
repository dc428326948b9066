package org.amaterasu.kernel

import java.io.{DataInputStream, IOException}
import java.net.{StandardProtocolFamily, UnixDomainSocketAddress}
import java.nio.ByteBuffer
import java.nio.channels.SocketChannel
import java.nio.file.{Files, Path}
import com.fasterxml.jackson.databind.JsonNode
import com.fasterxml.jackson.databind.node.ObjectNode

/** What archive.sh runs, so that the JVM can write down the classes that a first action needs: a kernel that talks to itself over its
  * own sockets. Usage: WarmUp FOLDER ACTION.scala...; the folder must be private and empty. */
object WarmUp {
  def main(args: Array[String]): Unit = {
    val folder = Path.of(args(0)).toAbsolutePath
    Outlet.install()
    val host = new Host(Options(Map("AMA_RUN" -> "warm-up")).copy(environment = Environment("", "", "", folder.toString, folder.toString, Map())()))
    host.start(ConnectionInfo(connection(folder, "main")))
    val main = new Client(folder, "main")
    main.ask("control", "ama_session_request", Json.obj())
    args.drop(1).map(Path.of(_)).foreach(run(main, folder, _))
    Files.writeString(folder.resolve("done"), "")
    host.exit(patience = 600000)       // the archive is written while the JVM ends
  }

  private def run(main: Client, folder: Path, file: Path): Unit = {
    val action = file.getFileName.toString.stripSuffix(".scala")
    main.ask("control", "ama_open_request", Json.obj("connection" -> connection(folder, action), "scope" -> action, "action" -> action))
    val client = new Client(folder, action)
    main.ask("control", "ama_split_request", Json.obj("code" -> Files.readString(file))).path("statements").forEach { s =>
      val place = Json.obj("ama" -> Json.obj("file" -> file.toString, "line" -> s.path("line")))
      val reply = client.ask("shell", "execute_request", Json.obj("code" -> s.path("code")), place)
      if (reply.path("status").asText != "ok") Log(s"$action:${s.path("line")}: ${reply.path("evalue").asText}")
    }
    main.ask("control", "ama_close_request", Json.obj("scope" -> action, "publish" -> true))
    ()
  }

  private val Sockets = Seq("shell", "iopub", "stdin", "control", "hb")

  private def connection(folder: Path, name: String): ObjectNode = {
    val info = Json.obj("transport" -> "ipc", "ip" -> s"$folder/$name", "key" -> "warm-up")
    Sockets.zipWithIndex.foreach { case (s, i) => info.put(s"${s}_port", i + 1) }
    info
  }

  /** The least client that can ask and hear the answer. */
  private final class Client(folder: Path, name: String) {
    private val codec = new Codec("warm-up")
    private val iopub = new Socket("iopub", "SUB")
    private val asked = Map("shell" -> new Socket("shell", "DEALER"), "control" -> new Socket("control", "DEALER"))
    iopub.send(Seq(Array[Byte](1)))
    Threads.start("warm-up-iopub")(try while (true) iopub.receive() catch { case _: IOException => })

    def ask(socket: String, kind: String, content: JsonNode, metadata: JsonNode = Json.obj()): JsonNode = {
      asked(socket).send(codec.pack(Nil, kind, Json.Empty, content, metadata))
      codec.unpack(asked(socket).receive()).fold(why => throw new IOException(why), _.content)
    }

    private final class Socket(socket: String, kind: String) {
      private val channel = SocketChannel.open(StandardProtocolFamily.UNIX)
      channel.connect(UnixDomainSocketAddress.of(folder.resolve(s"$name-${Sockets.indexOf(socket) + 1}")))
      private val in: DataInputStream = Zmtp.input(channel)
      Zmtp.writeFully(channel, Zmtp.greeting)
      Zmtp.readGreeting(in)
      Zmtp.writeFully(channel, Zmtp.ready("Socket-Type" -> kind.getBytes))

      def send(frames: Zmtp.Frames): Unit = {
        val out = ByteBuffer.allocate(1 << 16)
        Zmtp.writeFrames(frames, out)(Zmtp.writeFully(channel, _))
        Zmtp.writeFully(channel, out.flip())
      }

      def receive(): Zmtp.Frames = {
        val frame = Iterator.continually(Zmtp.readFrame(in, Zmtp.MaxMessage)).dropWhile(_.isCommand).next()
        if (frame.more) frame.body +: receive() else Seq(frame.body)
      }
    }
  }
}
