"""Every error the toolkit raises on purpose.

.. code-block:: text

    ToolkitError                what happened, where, what was expected, what to do next
    ├── ConfigError             [tool.toolkit] has a wrong key, type or value            exit 2
    ├── UsageError              a command was called with something it does not know     exit 2
    ├── MissingExtra            a feature needs a package that is not installed          exit 2
    ├── InputError              a file given by the user cannot be read                  exit 3
    │   └── JournalError        the files of a run cannot be read
    ├── HistoryError            the history cannot be opened or changed                  exit 3
    │   ├── SchemaTooNew        it was written by a newer toolkit; nothing was touched
    │   └── HistoryDamaged      the integrity check failed; nothing was deleted
    ├── ChangesUnknown          git cannot tell what changed; the safe answer is "everything"  exit 3
    ├── PlanError               a plan cannot be made or does not fit what was collected exit 2
    └── EnvironmentFailed       a real server, database or worker could not be provided  exit 4
        ├── RuntimeUnavailable  no such runtime on this machine (engine absent, binary missing)
        ├── ServiceNotReady     it started but did not answer in time
        └── OwnershipError      it is not ours, so it is not touched

The library never prints and never exits: the doors (sessions, tasks, plugin) turn these into
``session.error``, ``Exit`` and ``pytest.UsageError``.
"""

from typing import ClassVar

__all__ = [
    "ChangesUnknown",
    "ConfigError",
    "EnvironmentFailed",
    "HistoryDamaged",
    "HistoryError",
    "InputError",
    "JournalError",
    "MissingExtra",
    "OwnershipError",
    "PlanError",
    "RuntimeUnavailable",
    "SchemaTooNew",
    "ServiceNotReady",
    "ToolkitError",
    "UsageError",
]


class ToolkitError(Exception):
    """Something the user can act on.

    Args:
        message: what happened, and where (file, key path, line, address).
        hint: what to do next, one sentence; shown on a line of its own.
    """

    exit_code: ClassVar[int] = 1
    anchor: ClassVar[str] = "toolkit-error"

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return self.message if self.hint is None else f"{self.message}\n  hint: {self.hint}"


class ConfigError(ToolkitError):
    """A key, type or value in the configuration is wrong; names all of them at once."""

    exit_code = 2
    anchor = "config-error"


class UsageError(ToolkitError):
    """A command was called with a name or option that it does not know."""

    exit_code = 2
    anchor = "usage-error"


class MissingExtra(ToolkitError):
    """A feature was used whose optional packages are not installed."""

    exit_code = 2
    anchor = "missing-extra"

    def __init__(self, feature: str, *, extra: str, package: str) -> None:
        super().__init__(
            f"{feature} needs the package {package!r}, which is not installed",
            hint=f"install it with: pip install 'nox-invoke-toolkit[{extra}]'",
        )
        self.feature = feature
        self.extra = extra
        self.package = package


class InputError(ToolkitError):
    """A file given by the user cannot be read or understood."""

    exit_code = 3
    anchor = "input-error"


class JournalError(InputError):
    """The files of a run cannot be read at all; a torn last line is not an error."""

    anchor = "journal-error"


class HistoryError(ToolkitError):
    """The history cannot be opened, read or written."""

    exit_code = 3
    anchor = "history-error"


class SchemaTooNew(HistoryError):
    """The history was written by a newer toolkit. Nothing was changed."""

    anchor = "schema-too-new"


class HistoryDamaged(HistoryError):
    """The integrity check of the history failed. Nothing was deleted."""

    anchor = "history-damaged"


class ChangesUnknown(ToolkitError):
    """Git cannot tell what changed. Whoever catches this must run everything."""

    exit_code = 3
    anchor = "changes-unknown"


class PlanError(ToolkitError):
    """A plan cannot be made, or does not fit what was collected."""

    exit_code = 2
    anchor = "plan-error"


class EnvironmentFailed(ToolkitError):
    """A real server, database or worker could not be provided."""

    exit_code = 4
    anchor = "environment-failed"


class RuntimeUnavailable(EnvironmentFailed):
    """The wanted runtime does not exist on this machine."""

    anchor = "runtime-unavailable"


class ServiceNotReady(EnvironmentFailed):
    """A service started but did not answer in time."""

    anchor = "service-not-ready"


class OwnershipError(EnvironmentFailed):
    """Something is not provably ours, so it was not touched."""

    anchor = "ownership-error"
