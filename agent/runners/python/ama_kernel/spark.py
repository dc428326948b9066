"""The run's own Spark session, which lives in the JVM of its Scala actions (agent/runners/spark, Peer.scala)."""
import glob
import importlib
import importlib.util
import os
import sys
import types
import warnings


class Package:
    """Finds that one package and nothing else that lies beside it, in what may be a whole environment of others and closed to actions."""

    def __init__(self, folder):
        self.name, self.folder = os.path.basename(folder), folder

    def find_spec(self, name, path=None, target=None):
        init = os.path.join(self.folder, "__init__.py")
        return importlib.util.spec_from_file_location(name, init, submodule_search_locations=[self.folder]) if name == self.name else None

    def find_distributions(self, context):
        """Who asks for its version is told, where that may be read."""
        if context.name not in (None, self.name):
            return iter(())
        from importlib.metadata import DistributionFinder, MetadataPathFinder
        return iter(MetadataPathFinder.find_distributions(DistributionFinder.Context(name=self.name, path=[os.path.dirname(self.folder)])))


def find_pyspark(home):
    """What belongs to its jars: the package that they lie in, else archives."""
    os.environ["SPARK_HOME"] = home
    if any(isinstance(finder, Package) for finder in sys.meta_path):
        return
    real = os.path.dirname(os.path.realpath(os.path.join(home, "jars")))
    py4j = os.path.join(os.path.dirname(real), "py4j")
    places = [os.path.join(real, "python")]
    if os.path.exists(os.path.join(real, "__init__.py")):
        sys.meta_path.insert(0, Package(real))
        places = []
    try:
        with open(os.path.join(py4j, "__init__.py"), "rb"):
            sys.meta_path.insert(0, Package(py4j))
    except OSError:
        places += glob.glob(os.path.join(real, "python/lib/py4j-*.zip"))
    if places and places[0] not in sys.path:
        sys.path[1:1] = places


def load(home):
    """What an attached kernel needs of PySpark, before there is anything to be attached to."""
    find_pyspark(home)
    for name in ("pyspark.java_gateway", "pyspark.sql", "amaterasu.pyspark.runtime"):
        importlib.import_module(name)


class Attached:
    """sc, spark and the others are the session's, over py4j. The gateway's token came with the request alone."""

    def __init__(self, given, order, env):
        home = given["spark_home"]
        find_pyspark(home)
        from pyspark import java_gateway
        from pyspark import Row, SparkContext, SQLContext
        from pyspark.conf import SparkConf
        from pyspark.sql import DataFrame, SparkSession
        from py4j.protocol import Py4JError, Py4JJavaError, Py4JNetworkError

        self.frame, self.java_error, self.lost_errors = DataFrame, Py4JJavaError, (Py4JNetworkError, ConnectionError)
        self.plain_error = Py4JError
        warnings.filterwarnings("ignore", message="Arrow optimization failed to enable")    # there is none: no fault of the user's
        gateway = self._gateway(java_gateway, given)
        self.peer = gateway.jvm.org.amaterasu.kernel.Peer.find(given["scope"])
        context = self.peer.javaContext()
        os.environ["PYSPARK_PYTHON"] = sys.executable       # of workers, too: the same packages
        self.sc = SparkContext(gateway=gateway, jsc=context, conf=SparkConf(_jvm=gateway.jvm, _jconf=context.getConf()))
        self.spark = SparkSession(self.sc, jsparkSession=self.peer.spark())
        self.peer.attached(os.getpid())
        from amaterasu.pyspark.runtime import AmaContext, _use
        self.context = _use(self, env, order)
        self.names = {"sc": self.sc, "spark": self.spark, "sqlContext": SQLContext(self.sc, self.spark), "ama_context": self.context,
                      "AmaContext": AmaContext, "Row": Row, "SparkContext": SparkContext, "SparkConf": SparkConf,
                      "SparkSession": SparkSession, "SQLContext": SQLContext}

    @staticmethod
    def _gateway(module, given):
        """PySpark takes port and token from the environment, which others can read and children inherit: it is given one of its own."""
        real, module.os = module.os, types.SimpleNamespace(environ={
            "PYSPARK_GATEWAY_PORT": str(given["port"]), "PYSPARK_GATEWAY_SECRET": given["token"], "PYSPARK_PIN_THREAD": "true"})
        try:
            return module.launch_gateway()
        finally:
            module.os = real

    def begin(self, place):
        """Before every statement: after an interrupt py4j talks to another thread of the JVM, which has no job group."""
        try:
            self.peer.begin(f"{place.get('file', '')}:{place.get('line', 0)}")
        except self.lost_errors + (self.plain_error,):
            pass        # the statement itself will tell

    def cancel(self):
        try:
            self.peer.cancel()
        except Exception:
            pass        # the session is gone, and so are its jobs

    def get_dataframe(self, action, name, format):
        return self.frame(self.peer.getDataFrame(action, name, format), self.spark)

    def store(self, name, value, format, lenient):
        if not isinstance(value, self.frame):
            if lenient:
                return None
            raise ValueError(f"this action exports {name}, which is no data frame here" + ("" if value is None else f" but a {type(value).__name__}"))
        return self.peer.store(name, value._jdf, format)

    def hand_over(self, names, hidden):
        """What later actions find: the data frames that are the values of names."""
        for name, value in list(names.items()):
            if isinstance(value, self.frame) and not name.startswith("_") and names.get(name) is not hidden.get(name):
                self.peer.leave(name, value._jdf)

    def plain(self, error, name, text):
        """The user's own exception, without what Java and its way through a task have added. (kind, name, text)."""
        if isinstance(error, self.lost_errors) and not isinstance(error, FileNotFoundError):
            return "session", "SessionError", "the Spark session has ended"
        if isinstance(error, self.java_error):
            cause = error.java_exception
            text = str(cause.toString())
        marker = "Traceback (most recent call last):"
        if marker in text and ("PythonException" in text or type(error).__name__ == "PythonException"):
            lines = [line for line in text[text.rindex(marker):].splitlines()[1:] if line.strip()]
            for line in lines:
                if not line[0].isspace():
                    last, _, rest = line.partition(":")
                    if last.replace(".", "").replace("_", "").isalnum():
                        return "runtime", last.rpartition(".")[2], rest.strip()
        return "runtime", name, text.split("\n\tat ")[0]
