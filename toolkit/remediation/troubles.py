"""Failures with one cause, as far as choosing a remedy needs them."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

import msgspec

from toolkit.analysis.failures import Diagnosis
from toolkit.analysis.rules import Category
from toolkit.records import Evidence, NodeId

_HERE = frozenset({"::1", "[::1]", "0.0.0.0"})  # noqa: S104 - compared, not bound


class Trouble(msgspec.Struct, frozen=True, kw_only=True):
    """Failures with one cause.

    Attributes:
        text: everything that was said of it: cause and evidence of its best explanations.
        servers: addresses of servers that were down at the moment, ``localhost:5432``.
        profile: of the run, and its Python: which environment it ran in.
    """

    group: str
    category: Category
    cause: str
    confidence: float
    text: str
    what: str = ""
    count: int = 1
    tests: tuple[NodeId, ...] = ()
    servers: tuple[str, ...] = ()
    profile: str = ""
    python: str = ""
    outage: bool = False


def troubles_of(
    found: Sequence[Diagnosis],
    tests: Sequence[NodeId],
    evidence: Sequence[Evidence | None],
    outages: frozenset[int] = frozenset(),
    *,
    profile: str = "",
    python: str = "",
) -> tuple[Trouble, ...]:
    """Put failures with one cause together, the largest group first.

    Args:
        found: a diagnosis per failure.
        tests: whose they are, in the same order.
        evidence: what was around them, in the same order.
        outages: positions of those that came of an outage.
        profile: of the run.
        python: of the run, ``3.12.1``.
    """
    groups: dict[str, list[int]] = defaultdict(list)
    for place, diagnosis in enumerate(found):
        groups[diagnosis.group].append(place)
    troubles = []
    for group, places in groups.items():
        best = max((found[place].cause for place in places), key=lambda cause: cause.confidence)
        said = dict.fromkeys(
            part for place in places[:50] for part in (found[place].cause.cause, found[place].cause.evidence)
        )
        down = {address for place in places for address in _down(evidence[place])}
        troubles.append(
            Trouble(
                group=group,
                category=best.category,
                cause=best.cause,
                confidence=best.confidence,
                text="\n".join(said),
                what=best.what,
                count=len(places),
                tests=tuple(dict.fromkeys(tests[place] for place in places)),
                servers=tuple(sorted(down)),
                profile=profile,
                python=python,
                outage=bool(outages & set(places)),
            )
        )
    return tuple(sorted(troubles, key=lambda trouble: (-trouble.count, trouble.group)))


def _down(evidence: Evidence | None) -> Iterator[str]:
    for health in evidence.services if evidence is not None else ():
        if health.state in {"refused", "timeout"}:
            yield local(health.address)


def local(address: str) -> str:
    """Write an address of this machine in one way."""
    host, _, port = address.rpartition(":")
    return f"localhost:{port}" if host.startswith("127.") or host in _HERE else address
