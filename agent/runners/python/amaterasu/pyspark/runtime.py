"""AmaContext of PySpark actions: what earlier actions left, and the datasets that the environment names."""
import json

_current = None


class DatasetNotFoundError(Exception):
    """The environment names no such dataset."""


class DatasetTypeNotSupported(Exception):
    """A dataset of a kind that can not be loaded."""


class _Datasets:
    """What datasets.yaml of the action's folder says; the agent writes it as JSON."""

    def __init__(self, path):
        with open(path, encoding="utf-8") as file:
            document = json.load(file)
        self._known = {entry["name"]: {**entry, "type": kind} for kind, entries in document.items() for entry in entries or [] if "name" in entry}

    def get_dataset_configuration(self, name):
        if name not in self._known:
            raise DatasetNotFoundError(f"there is no dataset {name}; there {'is' if len(self._known) == 1 else 'are'} {', '.join(self._known) or 'none'}")
        return self._known[name]


class AmaContext:
    """One for each action: `ama_context`, or AmaContext.builder().build()."""

    def __init__(self, attached, env, order):
        self._attached, self._datasets = attached, None
        self.env, self.job_id = env, order["run"]

    @property
    def sc(self):
        return self._attached.sc

    @property
    def spark(self):
        return self._attached.spark

    def get_dataframe(self, action_name, dataset_name, format="parquet"):
        """What an earlier action left under that name: live, or the copy that was saved in this format."""
        return self._attached.get_dataframe(action_name, dataset_name, format)

    @property
    def dataset_manager(self):
        if self._datasets is None:
            self._datasets = _Datasets("datasets.yaml")
        return self._datasets

    def get_dataset(self, name):
        conf = self.dataset_manager.get_dataset_configuration(name)
        if conf["type"] == "file":
            return self.spark.read.format(conf.get("format", "parquet")).load(conf.get("uri") or conf.get("url"))
        if conf["type"] == "hive":
            return self.spark.table(_table(conf))
        raise _refusal(conf)

    def persist(self, name, data, overwrite=True):
        conf = self.dataset_manager.get_dataset_configuration(name)
        mode = "overwrite" if overwrite else conf.get("mode", "error")
        if conf["type"] == "file":
            data.write.format(conf.get("format", "parquet")).mode(mode).save(conf.get("uri") or conf.get("url"))
        elif conf["type"] == "hive":
            data.write.mode(mode).saveAsTable(_table(conf))
        else:
            raise _refusal(conf)

    @staticmethod
    def builder():
        return _Builder()


def _table(conf):
    return f"{conf['database']}.{conf['table']}" if conf.get("database") else conf["table"]


def _refusal(conf):
    if conf["type"] == "generic":
        return NotImplementedError(f"{conf['name']} is a generic dataset: its configuration is all there is of it")
    return DatasetTypeNotSupported(f"datasets of the type {conf['type']} can not be loaded")


class _Builder:
    """The session is the run's, and is there: what used to be set to make one changes nothing."""

    def _same(self, *_args, **_more):
        return self

    set_env_path = set_runtime_path = set_datasets_path = as_type = setMaster = set = _same

    def build(self):
        if _current is None:
            raise RuntimeError("there is no Spark session in this action: its runner is not pyspark")
        return _current


def _use(attached, env, order):
    global _current
    _current = AmaContext(attached, env, order)
    return _current
