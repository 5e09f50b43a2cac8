"""What schemathesis wrote: which operations it asked, and what was wrong with their answers.

The format: JUnit XML with one case for each operation, whose failures list the checks that it did not pass as
``- ST101 Server error`` (schemathesis 4).
"""

import re
from collections.abc import Iterator
from pathlib import Path

import msgspec

from toolkit.errors import InputError
from toolkit.junit.cases import JUnitCase
from toolkit.junit.reading import read_cases
from toolkit.records import Failure

_TITLE = re.compile(r"^- (?:(ST\d+) )?(\S.*)$", re.MULTILINE)
_COMMAND = re.compile(r"^ {4}(curl .+)$", re.MULTILINE)
SERVER_ERROR = "server error"
CUT = 300
"""Characters of the command that asks again."""


class FuzzFinding(msgspec.Struct, frozen=True, kw_only=True):
    """One check that an operation did not pass.

    Attributes:
        operation: ``GET /books/{id}``.
        check: its title: ``Server error``.
        code: of the check, ``ST101``; empty where the writer has none.
        again: the command that asks the same again; it may be cut.
    """

    operation: str
    check: str
    code: str = ""
    again: str = ""

    @property
    def grave(self) -> bool:
        """Whether the API itself failed, not only its document."""
        return SERVER_ERROR in self.check.lower()


class Fuzzed(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked, and what was found."""

    operations: int
    findings: tuple[FuzzFinding, ...] = ()


def read_fuzzed(path: Path) -> Fuzzed:
    """Read the JUnit file of schemathesis.

    Raises:
        InputError: it cannot be read, or no operation was asked.
    """
    cases = [case for case in read_cases(path) if case.outcome != "skipped"]
    if not cases:
        raise InputError(f"{path}: no operation was asked", hint="is the path of the document right?")
    return Fuzzed(operations=len(cases), findings=tuple(one for case in cases for one in _findings(case)))


def _findings(case: JUnitCase) -> Iterator[FuzzFinding]:
    seen = {found.check: found for failure in case.failures for found in _told(case.name, failure)}
    yield from seen.values()


def _told(operation: str, failure: Failure) -> Iterator[FuzzFinding]:
    command = _COMMAND.search(failure.traceback)
    again = command[1][:CUT] if command else ""
    titles = _TITLE.findall(failure.traceback) or [("", failure.message or "not told")]
    for code, check in titles:
        yield FuzzFinding(operation=operation, check=check.strip(), code=code, again=again)
