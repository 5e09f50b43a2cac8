"""Tests → selected or left out, each with its reason. Pure: values in, values out.

Only a test that is known, whose last run ended well, and none of whose inputs changed is left out. Everything
else runs.
"""

import itertools
from collections.abc import Collection, Mapping
from typing import Literal

import msgspec

from toolkit.impact.inputs import BAD_LETTERS, CaseRecord
from toolkit.records import NodeId

ALWAYS_MARKS = frozenset({"smoke", "unskippable"})
"""Tests with one of these marks are never left out."""

WATCHED_RUNS = 3
"""A test that failed runs at least so many more times."""

Cause = Literal[
    "new",
    "changed",
    "reference",
    "failed",
    "flaky",
    "skipped",
    "marked",
    "full",
    "uncovered",
    "unaffected",
    "unknown",
]


class Verdict(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Why a test runs, or does not."""

    selected: bool
    cause: Cause
    detail: str = ""

    def __str__(self) -> str:
        words = {
            "new": "not recorded yet",
            "changed": "changed since it was recorded",
            "reference": "changed since the reference",
            "failed": "failed lately",
            "flaky": "passes and fails by turns",
            "skipped": "was skipped: its condition may have changed",
            "marked": "is marked to run always",
            "full": "everything runs",
            "uncovered": "what it covers is not remembered",
            "unaffected": "nothing that it depends on changed",
            "unknown": "not known",
        }[self.cause]
        return f"{words}: {self.detail}" if self.detail else words


class Selection(msgspec.Struct, frozen=True, kw_only=True):
    """What to leave out. A test that is not named runs, whatever it is."""

    left_out: frozenset[NodeId] = frozenset()
    verdicts: Mapping[NodeId, Verdict] = {}
    full: str = ""
    """Why everything runs; empty when tests were selected."""
    would_leave_out: frozenset[NodeId] = frozenset()
    """The same without the reason for running everything."""
    saved: float = 0.0
    """Seconds that the tests that would be left out took when they ran last."""


def is_flaky(outcomes: str) -> bool:
    """Whether the last outcomes changed between good and bad more than once."""
    if BAD_LETTERS.isdisjoint(outcomes):  # nearly always
        return False
    bad = [letter in BAD_LETTERS for letter in outcomes]
    return sum(first != second for first, second in itertools.pairwise(bad)) > 1


def verdict(record: CaseRecord, changed: str | None, since_reference: str | None) -> Verdict:
    """Decide about one known test.

    Args:
        record: what is known about it.
        changed: one of its inputs that is not as it was recorded.
        since_reference: one of its inputs that changed since the given commit.
    """
    if changed is not None:
        return Verdict(selected=True, cause="changed", detail=changed)
    if since_reference is not None:
        return Verdict(selected=True, cause="reference", detail=since_reference)
    if record.runs_since_bad < WATCHED_RUNS or record.outcomes[-1:] in BAD_LETTERS:
        return Verdict(selected=True, cause="failed")
    if is_flaky(record.outcomes) or {"x", "X"}.issubset(record.outcomes):
        return Verdict(selected=True, cause="flaky", detail=f"last outcomes {record.outcomes}")
    if record.outcomes.endswith("S"):
        return Verdict(selected=True, cause="skipped")
    return UNAFFECTED


UNAFFECTED = Verdict(selected=False, cause="unaffected")


def select(
    known: Mapping[NodeId, CaseRecord],
    changed: Mapping[NodeId, str],
    since_reference: Mapping[NodeId, str] | None = None,
    *,
    full: str = "",
    always: Collection[NodeId] = (),
) -> Selection:
    """Decide about all known tests.

    Args:
        known: every recorded test.
        changed: tests with an input that is not as recorded, each with that input.
        since_reference: tests with an input that changed since the given commit.
        full: why everything has to run; empty: it has not.
        always: tests that run whatever happened.
    """
    since_reference = {} if since_reference is None else since_reference
    verdicts = {
        test: verdict(record, changed.get(test), since_reference.get(test)) for test, record in known.items()
    }
    verdicts.update((test, Verdict(selected=True, cause="marked")) for test in always if test in verdicts)
    would = frozenset(test for test, found in verdicts.items() if not found.selected)
    if full:
        verdicts = dict.fromkeys(known, Verdict(selected=True, cause="full", detail=full))
    return Selection(
        left_out=frozenset() if full else would,
        would_leave_out=would,
        verdicts=verdicts,
        full=full,
        saved=sum(known[test].duration for test in would),
    )


def keep_covered(
    selection: Selection, known: Mapping[NodeId, CaseRecord], remembered: Collection[NodeId]
) -> Selection:
    """Leave out only tests whose coverage is remembered, so that coverage stays whole.

    Args:
        selection: of the run.
        known: every recorded test.
        remembered: tests whose coverage is.
    """
    left_out = selection.left_out.intersection(remembered)
    uncovered = dict.fromkeys(selection.left_out - left_out, Verdict(selected=True, cause="uncovered"))
    return msgspec.structs.replace(
        selection,
        left_out=left_out,
        verdicts={**selection.verdicts, **uncovered},
        saved=sum(known[test].duration for test in left_out),
    )
