"""What a failing test says: its category, the ranked causes, its signature and its group."""

from collections.abc import Iterable, Sequence
from itertools import chain, repeat

import msgspec

from toolkit.analysis.causes import Cause, causes_of
from toolkit.analysis.circumstances import circumstances_of, weighed
from toolkit.analysis.groups import Grouped, endpoint_of, group_keys
from toolkit.analysis.raised import Raised, chain_of
from toolkit.analysis.rules import Category
from toolkit.analysis.signatures import Signature, signature_of
from toolkit.records import Evidence, Failure, Outcome


class Diagnosis(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that the texts of one failing test tell."""

    category: Category
    causes: tuple[Cause, ...]  # best first, never empty
    signature: Signature
    group: str = ""  # failures with the same have one cause

    @property
    def cause(self) -> Cause:
        """The best explanation."""
        return self.causes[0]


def classify(
    failures: Sequence[Failure], *, outcome: Outcome = Outcome.FAILED, evidence: Evidence | None = None
) -> Diagnosis:
    """Explain one failing test by itself.

    Args:
        failures: what went wrong in its last attempt; the first decides, the others only follow from it.
        outcome: how the attempt ended; a crash is told by it alone.
        evidence: what was around it when it failed, as far as it was recorded.
    """
    return _judged(failures, outcome, circumstances_of(evidence))[0]


def classify_all(
    cases: Iterable[tuple[Sequence[Failure], Outcome]], evidence: Iterable[Evidence | None] = ()
) -> list[Diagnosis]:
    """Explain many failing tests and group those with one cause; equal texts are read once.

    Args:
        cases: what went wrong in the last attempt of each, and how it ended.
        evidence: what was around each of them, in the same order; missing at the end: not recorded.
    """
    known: dict[tuple[object, ...], tuple[Diagnosis, Grouped]] = {}
    judged: list[tuple[Diagnosis, Grouped]] = []
    for (failures, outcome), seen in zip(cases, chain(evidence, repeat(None)), strict=False):
        around = circumstances_of(seen)
        first = failures[0] if failures else _NOTHING
        key = (first.phase, first.exception, first.message, first.traceback, outcome, around)
        if key not in known:
            known[key] = _judged(failures, outcome, around)
        judged.append(known[key])
    keys = group_keys([grouped for _, grouped in judged])
    return [
        msgspec.structs.replace(diagnosis, group=key)
        for (diagnosis, _), key in zip(judged, keys, strict=True)
    ]


_NOTHING = Failure(phase="call", exception="", message="")


def _judged(
    failures: Sequence[Failure], outcome: Outcome, around: tuple[Cause, ...]
) -> tuple[Diagnosis, Grouped]:
    failure = failures[0] if failures else _NOTHING
    raised = chain_of(failure)
    causes = causes_of(raised, phase=failure.phase)
    if outcome is Outcome.CRASHED and causes[0].category is not Category.CRASH:
        causes = (_crash(failure, raised), *causes)
    causes = weighed(causes, around, endpoint_of(raised))
    signature = signature_of(failure, raised)
    diagnosis = Diagnosis(category=causes[0].category, causes=causes, signature=signature)
    return diagnosis, Grouped(causes[0], signature, raised)


def _crash(failure: Failure, chain: Sequence[Raised]) -> Cause:
    return Cause(
        rule="recorded",
        category=Category.CRASH,
        cause="the process died while it ran the test",
        confidence=0.98,
        evidence=chain[0].line or failure.message[:300] or "no result was recorded after the test had begun",
        shared=True,
    )
