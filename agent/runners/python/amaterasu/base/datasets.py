"""See base."""
from amaterasu.datasets import DatasetNotFoundError, DatasetTypeNotSupported, DatasetTypes  # noqa: F401
