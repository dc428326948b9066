"""Named datasets: what the environment says of each, whichever runner loads it."""
import enum


class DatasetTypes(enum.Enum):
    Hive, File, Generic = "hive", "file", "generic"


class DatasetNotFoundError(Exception):
    """The environment names no such dataset."""


class DatasetTypeNotSupported(Exception):
    """A dataset of a type that can not be loaded."""


class DatasetManager:
    """The datasets of the environment by name. Each is a dict of what its entry has, and the name of its list as `type`."""

    def __init__(self, known):
        self._known = known

    def get_dataset_configuration(self, name):
        if name not in self._known:
            there = ", ".join(sorted(self._known)) or "none"
            raise DatasetNotFoundError(f"there is no dataset {name}; there {'is' if len(self._known) < 2 else 'are'} {there}")
        return dict(self._known[name])


def refusal(conf):
    """What to raise instead of loading it."""
    if conf["type"] == "generic":
        return NotImplementedError(f"{conf['name']} is a generic dataset: get_dataset_configuration() says all there is of it")
    return DatasetTypeNotSupported(f"{conf['name']} is a dataset of the type {conf['type']}, which can not be loaded")
