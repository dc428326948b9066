"""What an action's code finds: `env`, and in Spark actions `ama_context`."""
import json


class Environment:
    """The environment of the run: its fields by attribute, in either spelling, or by key. Scalars are what the environment's files say."""

    _WORDS = {"input_root_path": "inputRootPath", "output_root_path": "outputRootPath", "working_dir": "workingDir"}

    def __init__(self, document):
        self._document = document

    def __getitem__(self, key):
        return self._document[self._WORDS.get(key, key)]

    def __getattr__(self, name):
        if name.startswith("_"):
            raise AttributeError(name)
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f"the environment has no {name}; it has {', '.join(self._document)}") from None

    def __contains__(self, key):
        return self._WORDS.get(key, key) in self._document

    def get(self, key, default=None):
        return self._document.get(self._WORDS.get(key, key), default)

    def __dir__(self):
        return [*self._document, *self._WORDS]

    def __repr__(self):
        return f"Environment({self.get('name')!r}, master={self.get('master')!r})"


def environment(document):
    return Environment(json.loads(json.dumps(document)))
