package org.amaterasu.kernel

import java.io.{FileDescriptor, FileOutputStream, PrintStream}
import java.time.LocalTime
import java.time.temporal.ChronoUnit

/** The kernel's own talk. It goes to the process's real standard error, because System.err belongs to the users' code. */
object Log {
  val err: PrintStream = new PrintStream(new FileOutputStream(FileDescriptor.err), true, "UTF-8")

  def apply(text: String): Unit = err.println(s"${LocalTime.now.truncatedTo(ChronoUnit.MILLIS)} kernel: $text")

  def apply(text: String, why: Throwable): Unit = {
    apply(s"$text: $why")
    why.printStackTrace(err)
  }
}
