package org.amaterasu.kernel

import java.nio.file.Path

/** kernel.sh CONNECTION_FILE: serves the connection until a shutdown_request. Exit codes: 0 shut down, 2 it could not be bound. */
object Main {
  def main(args: Array[String]): Unit = {
    Outlet.install()            // before anything takes System.out for its own
    val options = Options(sys.env)
    try new Host(options).start(ConnectionInfo.read(Path.of(args.last)))
    catch {
      case e: Exception =>
        Log(s"cannot serve ${args.lastOption.getOrElse("without a connection file")}: ${e.getMessage}")
        System.exit(2)
    }
    options.parent.foreach(endWith)
    Thread.sleep(Long.MaxValue)
  }

  /** Jupyter's way to say whose child we are: nobody is to be left behind. */
  private def endWith(parent: Long): Unit = {
    val handle = ProcessHandle.of(parent)
    if (handle.isPresent) handle.get.onExit.thenRun { () => Log("the parent process is gone"); System.exit(0) }
    else System.exit(0)
    ()
  }
}
