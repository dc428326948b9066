package org.amaterasu.kernel

import java.lang.management.ManagementFactory
import java.io.{BufferedInputStream, FileDescriptor, FileInputStream}
import java.nio.file.{Files, Path}

/** What the environment variables of the process say. Nobody else reads them. */
final case class Options(
    sparkConf: Option[Path], sparkSecrets: Option[Array[Byte]], sparkDefaults: Option[Path], run: String, environment: Environment, parent: Option[Long], folder: Path,
    sparkHome: String, extraJars: Seq[String])

object Options {
  def apply(env: Map[String, String]): Options = {
    def set(name: String) = env.get(name).filter(_.nonEmpty)
    val confFolder = set("SPARK_CONF_DIR").orElse(set("SPARK_HOME").map(_ + "/conf"))
    Options(
      sparkConf = set("AMA_SPARK_CONF").map(Path.of(_)),
      sparkSecrets = set("AMA_SPARK_SECRETS").map(_ => new BufferedInputStream(new FileInputStream(FileDescriptor.in)).readAllBytes()), // a bare one would seek
      sparkDefaults = confFolder.map(Path.of(_, "spark-defaults.conf")).filter(Files.isRegularFile(_)),
      run = set("AMA_RUN").getOrElse(""),
      environment = Environment(set("AMA_ENV_JSON").fold(Json.obj(): com.fasterxml.jackson.databind.JsonNode)(f => Json.read(Files.readAllBytes(Path.of(f))))),
      parent = set("JPY_PARENT_PID").flatMap(_.toLongOption),
      folder = Files.createTempDirectory("ama-kernel"),
      sparkHome = set("SPARK_HOME").getOrElse(""),
      extraJars = set("AMA_EXTRA_JARS").fold(Seq.empty[String])(_.split(':').toSeq))
  }

  def sinceStart: Long = System.currentTimeMillis - ManagementFactory.getRuntimeMXBean.getStartTime
}
