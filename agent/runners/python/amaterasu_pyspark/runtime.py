"""The plug-in's name of the same."""
from amaterasu.pyspark.runtime import AmaContext, DatasetNotFoundError, DatasetTypeNotSupported  # noqa: F401
