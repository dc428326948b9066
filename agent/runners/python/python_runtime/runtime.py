"""The plug-in's name of AmaContext for Python without Spark."""
from amaterasu.runtime import AmaContext  # noqa: F401
