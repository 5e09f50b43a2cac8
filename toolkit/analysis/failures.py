"""What a failing test says: its category, the ranked causes, its signature and its group."""

from collections.abc import Iterable, Sequence

import msgspec

from toolkit.analysis.causes import Cause, causes_of
from toolkit.analysis.groups import Grouped, group_keys
from toolkit.analysis.raised import Raised, chain_of
from toolkit.analysis.rules import Category
from toolkit.analysis.signatures import Signature, signature_of
from toolkit.records import Failure, Outcome


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


def classify(failures: Sequence[Failure], *, outcome: Outcome = Outcome.FAILED) -> Diagnosis:
    """Explain one failing test by itself.

    Args:
        failures: what went wrong in its last attempt; the first decides, the others only follow from it.
        outcome: how the attempt ended; a crash is told by it alone.
    """
    return _judged(failures, outcome)[0]


def classify_all(cases: Iterable[tuple[Sequence[Failure], Outcome]]) -> list[Diagnosis]:
    """Explain many failing tests and group those with one cause; equal texts are read once."""
    known: dict[tuple[object, ...], tuple[Diagnosis, Grouped]] = {}
    judged: list[tuple[Diagnosis, Grouped]] = []
    for failures, outcome in cases:
        first = failures[0] if failures else _NOTHING
        key = (first.phase, first.exception, first.message, first.traceback, outcome)
        if key not in known:
            known[key] = _judged(failures, outcome)
        judged.append(known[key])
    keys = group_keys([grouped for _, grouped in judged])
    return [
        msgspec.structs.replace(diagnosis, group=key)
        for (diagnosis, _), key in zip(judged, keys, strict=True)
    ]


_NOTHING = Failure(phase="call", exception="", message="")


def _judged(failures: Sequence[Failure], outcome: Outcome) -> tuple[Diagnosis, Grouped]:
    failure = failures[0] if failures else _NOTHING
    chain = chain_of(failure)
    causes = causes_of(chain, phase=failure.phase)
    if outcome is Outcome.CRASHED and causes[0].category is not Category.CRASH:
        causes = (_crash(failure, chain), *causes)
    signature = signature_of(failure, chain)
    diagnosis = Diagnosis(category=causes[0].category, causes=causes, signature=signature)
    return diagnosis, Grouped(causes[0], signature, chain)


def _crash(failure: Failure, chain: Sequence[Raised]) -> Cause:
    return Cause(
        rule="recorded",
        category=Category.CRASH,
        cause="the process died while it ran the test",
        confidence=0.98,
        evidence=chain[0].line or failure.message[:300] or "no result was recorded after the test had begun",
        shared=True,
    )
