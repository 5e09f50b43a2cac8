"""What the evidence of the moment adds to the causes of a failure: dead servers, a full or busy machine.

What a test says comes first: a check that did not hold stays that, and so does a mistake in code. The
evidence confirms what the texts say, and explains what they leave open: a time-out beside a dead server.
"""

import re
from collections.abc import Iterator, Sequence

import msgspec

from toolkit.analysis.causes import MOST, Cause
from toolkit.analysis.rules import Category
from toolkit.records import Evidence, ServiceHealth

LITTLE_MEMORY = 0.03
"""Share of the memory below which a machine has too little of it."""
LITTLE_DISK = 32 << 20
"""Bytes."""
CROWDED = 3.0
"""Processes that want a core, per core, from which on a machine is too busy to keep times."""
_CONFIRMED = 0.99
_DOWN = frozenset({"refused", "timeout"})
_FITS: dict[Category, frozenset[Category]] = {
    Category.CONNECTIVITY: frozenset({Category.CONNECTIVITY}),
    Category.RESOURCE: frozenset({Category.RESOURCE, Category.CRASH}),
    Category.TIMEOUT: frozenset({Category.TIMEOUT}),
}
_LOCAL = re.compile(r"^(?:127\.\d+\.\d+\.\d+|::1|\[::1\]|0\.0\.0\.0|localhost)(?=:\d+$)")


def circumstances_of(evidence: Evidence | None) -> tuple[Cause, ...]:
    """Return what was wrong around a test when it failed, as possible causes."""
    if evidence is None:
        return ()
    return (*_servers(evidence), *_machine(evidence))


def _servers(evidence: Evidence) -> Iterator[Cause]:
    for health in evidence.services:
        if health.state in _DOWN:
            yield Cause(
                rule="server-not-there",
                category=Category.CONNECTIVITY,
                cause=f"nobody answered at the address in {health.variable} when it failed",
                confidence=0.7,
                evidence=f"{health.variable}: {health.address}: {health.state}",
                what=endpoint(health),
                shared=True,
            )


def endpoint(health: ServiceHealth) -> str:
    """Return ``host:port`` as :func:`toolkit.analysis.groups.endpoint_of` writes it."""
    return _LOCAL.sub("localhost", health.address)


def _machine(evidence: Evidence) -> Iterator[Cause]:
    memory, total = evidence.memory, evidence.memory_total
    if memory is not None and total and memory < LITTLE_MEMORY * total:
        share = f"{memory >> 20} of {total >> 20} MB were free"
        yield _short("memory-short", "the machine had hardly any memory left when it failed", share)
    for name, free in (("project", evidence.disk), ("temporary files", evidence.scratch)):
        if free is not None and free < LITTLE_DISK:
            told = f"{free >> 10} kB were free for {name}"
            yield _short("disk-short", "the disk was full when it failed", told)
    if evidence.load is not None and evidence.cores and evidence.load > CROWDED * evidence.cores:
        yield Cause(
            rule="machine-busy",
            category=Category.TIMEOUT,
            cause="the machine was too busy to keep the time",
            confidence=0.6,
            evidence=f"{evidence.load:g} processes wanted one of {evidence.cores} cores",
        )


def _short(rule: str, cause: str, told: str) -> Cause:
    return Cause(
        rule=rule, category=Category.RESOURCE, cause=cause, confidence=0.65, evidence=told, shared=True
    )


def weighed(causes: Sequence[Cause], around: Sequence[Cause], address: str) -> tuple[Cause, ...]:
    """Add what was around a failure to the causes that its texts tell; best first.

    A text that names a server is confirmed by that server being down, and by no other. A time-out gives way
    to a server that is down; whatever says what is wrong does not.

    Args:
        causes: by the texts, best first.
        around: see :func:`circumstances_of`.
        address: of the server that the texts name, ``localhost:5432``; "" when they name none.
    """
    if not around:
        return tuple(causes)
    best = causes[0]
    first = [_confirmed(best, around, address)]
    added = [_placed(cause, best, address) for cause in around if not _says_the_same(cause, best, address)]
    ranked = sorted([*first, *causes[1:], *added], key=lambda cause: -cause.confidence)
    return tuple(ranked[:MOST])


def _says_the_same(cause: Cause, best: Cause, address: str) -> bool:
    if best.category not in _FITS.get(cause.category, frozenset()):
        return False
    return cause.category is not Category.CONNECTIVITY or address in {"", cause.what}


def _confirmed(best: Cause, around: Sequence[Cause], address: str) -> Cause:
    fitting = [cause for cause in around if _says_the_same(cause, best, address)]
    if not fitting:
        return best
    told = "; ".join([best.evidence, *(cause.evidence for cause in fitting)])
    sure = max(best.confidence, _CONFIRMED if best.category is Category.CONNECTIVITY else best.confidence)
    named = fitting[0].what if best.category is Category.CONNECTIVITY and not best.what else best.what
    return msgspec.structs.replace(best, evidence=told, confidence=sure, what=named)


def _placed(cause: Cause, best: Cause, address: str) -> Cause:
    """Put a dead server before a time-out that does not speak of another one, all else behind the texts."""
    if cause.rule == "server-not-there" and best.category is Category.TIMEOUT and address in {"", cause.what}:
        return msgspec.structs.replace(cause, confidence=min(best.confidence + 0.005, 0.995))
    return msgspec.structs.replace(cause, confidence=round(min(cause.confidence, best.confidence - 0.05), 3))
