"""Makes Nox's "Sessions not found" say which ones there are and which was probably meant."""

import logging
from collections.abc import Callable, Iterable

from toolkit.config.validation import unknown

_NOT_FOUND = "Sessions not found: "


class ExplainedNames(logging.Filter):
    """Adds the valid names to Nox's message; where Nox words it differently it stays as it was."""

    def __init__(self, names: Callable[[], Iterable[str]]) -> None:
        super().__init__()
        self._names = names

    def filter(self, record: logging.LogRecord) -> bool:
        """Let every message pass, that one explained."""
        if isinstance(record.msg, str) and record.msg.startswith(_NOT_FOUND):
            wrong = record.msg.removeprefix(_NOT_FOUND).split(", ")
            record.msg = "\n".join(unknown("session", name, self._names()) for name in wrong)
        return True


def explain_unknown_sessions() -> None:
    """Install the filter once; the names are those declared when the message comes."""
    from nox import registry
    from nox.logger import logger

    if not any(isinstance(existing, ExplainedNames) for existing in logger.filters):
        logger.addFilter(ExplainedNames(registry.get))
