"""The tasks of this repository are the toolkit's own."""

from toolkit.tasks import ns

__all__ = ["ns"]
