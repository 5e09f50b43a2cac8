"""The vocabulary of selection: what a test depends on."""

from collections.abc import Mapping
from typing import Literal, NamedTuple

import msgspec

from toolkit.records import NodeId, Outcome

Kind = Literal[
    "function",  # body and header of one function: path, qualified name
    "module",  # all of a module that runs when it is imported
    "tests",  # the same of a test file, without the headers of its tests
    "source",  # a whole Python file, comments and layout aside
    "file",  # content of a file
    "folder",  # names in a folder
    "absent",  # a path that was asked for and did not exist
    "variable",  # value of an environment variable
    "distribution",  # version of an installed or locked package
    "import",  # a dotted name that was imported: a new file could take its place
    "setting",  # how pytest is configured, which Python, which plugins
    "everything",  # every file of the project; the unit says why
]


class Input(NamedTuple):
    """One thing that a test depends on, without its fingerprint."""

    kind: Kind
    name: str  # path relative to the project root, name of a variable or a distribution
    unit: str = ""  # qualified name of a function; reason of "everything"

    def __str__(self) -> str:
        match self.kind:
            case "function":
                return f"{self.name}::{self.unit}"
            case "module":
                return f"{self.name} (module and class level)"
            case "tests":
                return f"{self.name} (module and class level of the test file)"
            case "everything":
                return f"any file of the project ({self.unit})"
            case _:
                return f"{self.kind} {self.name}"


Windows = Mapping[Input, frozenset[Input]]
"""Function that keeps things for later calls → what ran in any call of it."""


class CaseInputs(msgspec.Struct, frozen=True, kw_only=True):
    """One test as it was recorded in a run."""

    test: NodeId
    inputs: frozenset[int]  # indexes into the list of the inputs of the run
    shared: tuple[frozenset[int], ...] = ()  # more of them, in sets that many tests have in common
    outcome: Outcome
    duration: float = 0.0
    whole: bool = True
    """Whether all was traced that later runs need in order not to trace it again."""


class Traced(msgspec.Struct, frozen=True, kw_only=True):
    """The dependencies recorded in a run."""

    inputs: tuple[Input, ...]
    fingerprints: tuple[str, ...]  # of the inputs, as they were during the run
    cases: tuple[CaseInputs, ...]
    windows: Windows = {}


class CaseRecord(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What the store knows about a test."""

    test: NodeId
    outcomes: str = ""  # one letter a run, newest last, at most ten: see LETTERS
    duration: float = 0.0
    runs_since_bad: int = 1000  # runs of this test since it last ended badly
    traced: int = 0  # Unix time, seconds, when it was traced last; 0: must be traced


LETTERS: dict[Outcome, str] = {
    Outcome.PASSED: "P",
    Outcome.FAILED: "F",
    Outcome.ERROR: "E",
    Outcome.SKIPPED: "S",
    Outcome.XFAILED: "x",
    Outcome.XPASSED: "X",
    Outcome.CRASHED: "C",
}
"""Outcome → the letter kept in ``CaseRecord.outcomes``."""
BAD_LETTERS = frozenset("FEC")
