"""AmaContext of PySpark actions: what earlier actions left, and the datasets that the environment names."""
from amaterasu.datasets import DatasetManager, DatasetNotFoundError, DatasetTypeNotSupported, refusal  # noqa: F401
from amaterasu.runtime import Builder

_current = None
READER = ("header", "inferSchema", "multiLine", "sep", "encoding", "quote", "escape", "nullValue", "dateFormat", "timestampFormat")


class AmaContext:
    """One for each action: `ama_context`, or AmaContext.builder().build()."""

    def __init__(self, attached, env, order):
        self._attached = attached
        self.env, self.job_id = env, order["run"]
        self.dataset_manager = DatasetManager(order["env"].get("datasets", {}))

    @property
    def sc(self):
        return self._attached.sc

    @property
    def spark(self):
        return self._attached.spark

    def get_dataframe(self, action_name, dataset_name, format="parquet"):
        """What an earlier action left under that name: live, or the copy that was saved in this format."""
        return self._attached.get_dataframe(action_name, dataset_name, format)

    def get_dataset(self, name):
        """A data frame of all that the dataset has."""
        conf = self.dataset_manager.get_dataset_configuration(name)
        if conf["type"] == "file":
            return self.spark.read.format(_format(conf)).options(**_options(conf)).load(_address(conf))
        if conf["type"] == "hive":
            return self.spark.table(_table(conf))
        raise refusal(conf)

    def persist(self, name, data, overwrite=None):
        """Writes it. Without a word it is as the dataset's `mode` says, which is to overwrite if there is none; False never overwrites."""
        conf = self.dataset_manager.get_dataset_configuration(name)
        mode = conf.get("mode", "overwrite").lower() if overwrite is not True else "overwrite"
        if overwrite is False and mode == "overwrite":
            mode = "error"
        if conf["type"] == "file":
            data.write.format(_format(conf)).options(**_options(conf)).mode(mode).save(_address(conf))
        elif conf["type"] == "hive":
            writer = data.write.mode(mode)
            (writer.format(_format(conf)) if conf.get("format") else writer).saveAsTable(_table(conf))
        else:
            raise refusal(conf)

    @staticmethod
    def builder():
        return Builder(_build)


def _format(conf):
    return conf.get("format") or "parquet"


def _address(conf):
    return conf.get("uri") or conf.get("url") or conf["path"]


def _options(conf):
    """Spark's own words in the entry, the old `separator`, and whatever stands under options or args."""
    own = {key: conf[key] for key in READER if key in conf}
    if "separator" in conf:
        own["sep"] = conf["separator"]
    for key in ("args", "options"):
        if isinstance(conf.get(key), dict):
            own.update(conf[key])
    return {key: value for key, value in own.items() if value is not None}


def _table(conf):
    return f"{conf['database']}.{conf['table']}" if conf.get("database") else conf["table"]


def _build():
    if _current is None:
        raise RuntimeError("there is no Spark session in this action: its runner is not pyspark")
    return _current


def _use(attached, env, order):
    global _current
    _current = AmaContext(attached, env, order)
    return _current
