"""AmaContext of Python actions without Spark: the environment, and what it says of datasets, which nothing here can load."""
from ama_kernel import context
from amaterasu.datasets import DatasetManager, DatasetTypeNotSupported, refusal


class Builder:
    """The environment is the run's, and is there: what used to be set to find its files changes nothing."""

    def __init__(self, build):
        self.build = build

    def _same(self, *_args, **_more):
        return self

    set_env_path = set_runtime_path = set_datasets_path = as_type = setMaster = set = _same


class AmaContext:
    def __init__(self, env, order):
        self.env, self.job_id = env, order["run"]
        self.dataset_manager = DatasetManager(order["env"].get("datasets", {}))

    def get_dataset(self, name):
        raise self._refusal(name)

    def persist(self, name, data, overwrite=False):
        raise self._refusal(name)

    def _refusal(self, name):
        conf = self.dataset_manager.get_dataset_configuration(name)
        if conf["type"] in ("file", "hive"):
            return DatasetTypeNotSupported(f"{name} is a dataset of the type {conf['type']}, which needs Spark: the runner pyspark")
        return refusal(conf)

    @classmethod
    def builder(cls):
        return Builder(lambda: cls(context.environment(context.given["env"]), context.given))
