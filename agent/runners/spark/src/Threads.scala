package org.amaterasu.kernel

import java.util.concurrent.CompletableFuture

/** Daemon threads with a name; the compiler recurses deeply, so they may have a deep stack. */
object Threads {
  private val Stack = 16L << 20

  def make(name: String)(body: => Unit): Thread = {
    val t = new Thread(null, () => body, name, Stack)
    t.setDaemon(true)
    t
  }

  def start(name: String)(body: => Unit): Thread = {
    val t = make(name)(body)
    t.start()
    t
  }

  def future[T](name: String)(body: => T): CompletableFuture[T] = {
    val result = new CompletableFuture[T]
    start(name) {
      try result.complete(body)
      catch { case e: Throwable => result.completeExceptionally(e) }
    }
    result
  }
}
