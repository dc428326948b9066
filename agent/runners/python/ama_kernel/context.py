"""What an action's code finds: `env`, and in Spark actions `ama_context`."""
import json

given = {}      # what the kernel was told to run; for the libraries of actions


class Section(dict):
    """Values by key; `a.b` is also to be had as ["a"]["b"], and either by attribute."""

    def __missing__(self, key):
        inner = Section((name[len(key) + 1:], value) for name, value in self.items() if isinstance(name, str) and name.startswith(f"{key}."))
        if not inner:
            raise KeyError(key)
        return inner

    def __getattr__(self, name):
        if name.startswith("_"):
            raise AttributeError(name)
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f"there is no {name}; there is {', '.join(map(str, self)) or 'nothing'}") from None


class Environment:
    """The environment of the run: its fields by attribute, in either spelling, or by key, then whatever else its files have. Scalars are what they say there."""

    _WORDS = {"input_root_path": "inputRootPath", "output_root_path": "outputRootPath", "working_dir": "workingDir", "sparkProperties": "spark"}

    def __init__(self, document):
        self._document = document

    def __getitem__(self, key):
        key = self._WORDS.get(key, key)
        return self._document[key] if key in self._document else self._document.get("configuration", {})[key]

    def __getattr__(self, name):
        if name.startswith("_"):
            raise AttributeError(name)
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f"the environment has no {name}; it has {', '.join(self._document)}") from None

    def __contains__(self, key):
        return self.get(key, self) is not self

    def get(self, key, default=None):
        try:
            return self[key]
        except KeyError:
            return default

    def __dir__(self):
        return [*self._document, *self._WORDS]

    def __repr__(self):
        return f"Environment({self.get('name')!r}, master={self.get('master')!r})"


def environment(document):
    """Datasets are AmaContext's business."""
    copy = json.loads(json.dumps(document))
    copy.pop("datasets", None)
    return Environment({key: Section(value) if isinstance(value, dict) else value for key, value in copy.items()})
