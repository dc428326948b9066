"""Errors and words of datasets, under their old name."""
from amaterasu.datasets import DatasetNotFoundError, DatasetTypeNotSupported, DatasetTypes  # noqa: F401
