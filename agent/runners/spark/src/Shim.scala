package org.amaterasu.kernel {
  import scala.tools.nsc.interpreter.IMain
  import org.apache.spark.SparkContext
  import org.apache.spark.sql.{DataFrame, Dataset, SparkSession}

  /** Everything that depends on the line of Spark or Scala we run on, and every use of what they do not promise. This is for Spark 4
    * with Scala 2.13. */
  object Shim {
    /** Lets the REPL number its lines from `first` on. */
    def startLines(imain: IMain, first: Int): Unit = {
      val counter = imain.naming.getClass.getMethods.find(_.getName.endsWith("_freshLineId_$eq"))
      counter match {
        case Some(setter) => setter.invoke(imain.naming, Int.box(first))
        case None         => while (imain.naming.freshLineId() < first) ()
      }
    }

    private val Wrappers = Set("SparkException", "SparkRuntimeException", "SparkDriverExecutionException")

    /** Whether Spark threw this only because something else was thrown. */
    def isSparkWrapper(t: Throwable): Boolean =
      t.getClass.getName.startsWith("org.apache.spark.") && Wrappers(t.getClass.getSimpleName)

    /** The same data in another session of the same context. */
    def inSession(data: Dataset[_], session: SparkSession): DataFrame =
      org.apache.spark.sql.classic.AmaSessions.rebind(data, session)

    /** A table as Spark's own shell shows it. Runs the query for one row more than that. */
    def table(data: DataFrame, rows: Int, width: Int): String = org.apache.spark.sql.classic.AmaSessions.table(data, rows, width)

    /** The first rows as text, the names of columns in front of them, and whether there are more. */
    def rows(data: DataFrame, rows: Int, width: Int): Rows = {
      val taken = org.apache.spark.sql.classic.AmaSessions.rows(data, rows, width)
      Rows(taken.take(rows + 1), taken.length > rows + 1)
    }
    final case class Rows(rows: Seq[Seq[String]], more: Boolean)

    /** Names of the session's own temporary views. Asking its catalog for all tables would look at each one of the database. */
    def temporaryViews(session: SparkSession): Seq[String] = org.apache.spark.sql.classic.AmaSessions.temporaryViews(session)

    /** Spark's own splitter of SQL text: the parser's (4.3), which knows scripts from BEGIN to END, else the one of its SQL shell. */
    def splitSql(code: String): Seq[String] = {
      val parser    = new org.apache.spark.sql.execution.SparkSqlParser
      val utilities = org.apache.spark.sql.catalyst.util.StringUtils
      def of(target: AnyRef, name: String, types: Class[_]*) = target.getClass.getMethods.find(m => m.getName.startsWith(name) && m.getParameterTypes.toSeq == types)
      def get(target: AnyRef, name: String): AnyRef          = target.getClass.getMethod(name).invoke(target)
      def seq(value: AnyRef): Seq[AnyRef]                    = value.asInstanceOf[scala.collection.Seq[AnyRef]].toSeq
      of(parser, "splitStatements", classOf[String]).map { split =>
        val result = split.invoke(parser, code)
        seq(get(result, "completeStatements")).map(get(_, "statement").toString) :+ get(result, "partialStatement").toString
      }.orElse(of(utilities, "splitSemiColon", classOf[String], classOf[Boolean]).map { split =>
        seq(split.invoke(utilities, code, Boolean.box(true))).map(_.toString)
      }).getOrElse(throw new UnsupportedOperationException("this Spark has no splitter of SQL statements: spark-sql needs Spark 4.1 or later"))
    }

    def cancelGroup(sc: SparkContext, group: String): Unit = sc.cancelJobGroup(group)

    /** How a process of another language reaches into this one: on the loopback address, with a token. */
    trait Gateway {
      def port: Int
      def token: String
      def close(): Unit
      /** The other side has no use any more for objects that it calls by these names. */
      def forget(names: Seq[String]): Unit = ()
    }

    /** py4j, for Python. */
    def gateway(sc: SparkContext): Gateway = new org.apache.spark.api.python.AmaGateway(sc)

    /** Spark's backend for R. */
    def rBackend(): Gateway = new org.apache.spark.api.r.AmaBackend

    /** Ends a thread that never waits. Javas after 19 refuse. */
    @annotation.nowarn("cat=deprecation")
    def stop(thread: Thread): Unit = thread.stop()
  }
}

package org.apache.spark.api.python {
  import org.apache.spark.SparkContext

  /** `Py4JServer` is Spark's own. */
  final class AmaGateway(sc: SparkContext) extends org.amaterasu.kernel.Shim.Gateway {
    private val server = new Py4JServer(sc.conf)
    server.start()
    def port: Int     = server.getListeningPort
    def token: String = server.secret
    def close(): Unit = server.shutdown()
  }
}

package org.apache.spark.api.r {
  /** `RBackend` is Spark's own, as it was made for SparkR. */
  final class AmaBackend extends org.amaterasu.kernel.Shim.Gateway {
    private val backend           = new RBackend
    private val (number, helper)  = backend.init()
    def port: Int     = number
    def token: String = helper.secret
    def close(): Unit = backend.close()
    override def forget(names: Seq[String]): Unit = names.foreach(name => backend.jvmObjectTracker.remove(JVMObjectId(name)))
  }
}

package org.apache.spark.sql.classic {
  import org.apache.spark.sql

  /** `Dataset.ofRows`, `showString`, `getRows` and the catalog are Spark's own. */
  object AmaSessions {
    def rebind(data: sql.Dataset[_], session: sql.SparkSession): sql.DataFrame = (data, session) match {
      case (d: Dataset[_], s: SparkSession) if d.sparkSession ne s => Dataset.ofRows(s, d.queryExecution.analyzed)
      case _                                                       => data.toDF()
    }

    def temporaryViews(session: sql.SparkSession): Seq[String] = session match {
      case s: SparkSession => s.sessionState.catalog.listLocalTempViews("*").map(_.table)
      case _               => Nil
    }

    def rows(data: sql.DataFrame, rows: Int, width: Int): Seq[Seq[String]] = data match {
      case d: Dataset[_] => d.getRows(rows, width)
      case other         => throw new UnsupportedOperationException(s"no rows of a ${other.getClass.getName}")
    }

    def table(data: sql.DataFrame, rows: Int, width: Int): String = data match {
      case d: Dataset[_] => d.showString(rows, width, vertical = false)
      case other         => other.toString
    }
  }
}
