"""What earlier runs say of a failure: the same signature before, when it turned green, on which commit.

An episode is a stretch of runs of one test in one configuration in which it failed with one signature. It
ends with the first good result after it; what mended it is among the commits since the last bad run.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from toolkit.analysis.past import Past
from toolkit.analysis.signatures import Signature
from toolkit.history.letters import BAD
from toolkit.records import NodeId

ALIKE = 0.4
"""From this similarity on two failures are worth comparing."""


class Sight(msgspec.Struct, frozen=True, kw_only=True):
    """One failure of one test in one run."""

    test: NodeId
    run: str
    signature: Signature


class Episode(msgspec.Struct, frozen=True, kw_only=True):
    """How long a test failed in one way, and what ended it.

    Attributes:
        first: run in which it began.
        last: last run in which it failed so.
        bad: commit of that run; "" when it is not known.
        green: first run after it in which the test was good; "" while it lasts.
        fixed: commit of that run; "" when it is not known or the same as ``bad``.
        runs: in how many runs it failed so.
    """

    test: NodeId
    first: str
    last: str
    bad: str = ""
    green: str = ""
    fixed: str = ""
    runs: int = 1


def episodes(sights: Iterable[Sight], past: Past) -> tuple[Episode, ...]:
    """Find the episodes of failures with one signature, the newest first.

    Args:
        sights: failures with the signature.
        past: results of all tests.
    """
    by_test: dict[NodeId, set[str]] = defaultdict(set)
    for sight in sights:
        by_test[sight.test].add(sight.run)
    found = [episode for test, runs in by_test.items() for episode in _of_test(test, runs, past)]
    order = {run: place for place, run in enumerate(past.runs)}
    return tuple(sorted(found, key=lambda episode: (-order.get(episode.last, -1), episode.test)))


def _of_test(test: NodeId, runs: set[str], past: Past) -> Iterable[Episode]:
    row = past.recent.get(test)
    known = [] if row is None else list(zip(row.runs, row.verdicts, strict=True))
    streams: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for run, letter in known:
        if run in past.runs and letter not in "sS":
            streams[past.runs[run].context].append((run, letter))
    for stream in streams.values():
        yield from _of_stream(test, runs, stream, past)


def _of_stream(
    test: NodeId, runs: set[str], stream: Sequence[tuple[str, str]], past: Past
) -> Iterable[Episode]:
    open_: list[str] = []
    for run, letter in stream:
        if run in runs and letter in BAD:
            open_.append(run)
        elif open_ and letter not in BAD:
            yield _episode(test, open_, run, past)
            open_ = []
    if open_:
        yield _episode(test, open_, "", past)


def _episode(test: NodeId, bad: Sequence[str], green: str, past: Past) -> Episode:
    broken, mended = _commit(past, bad[-1]), _commit(past, green)
    return Episode(
        test=test,
        first=bad[0],
        last=bad[-1],
        bad=broken,
        green=green,
        fixed=mended if mended != broken else "",
        runs=len(bad),
    )


def _commit(past: Past, run: str) -> str:
    """Return the commit that a run ran; "" when it ran something else, too."""
    code = past.runs[run].code if run in past.runs else ""
    return "" if code.startswith("run ") else code


def similarity(one: Signature, other: Signature) -> float:
    """Return how alike two failures are, 0 to 1: type, words of the message, places.

    Words and places are compared by Jaccard's index (Jaccard 1912); the weights say that two failures at one
    place with one type are the same fault more often than two with one message elsewhere.
    """
    if one.key == other.key:
        return 1.0
    same_type = float(one.exception == other.exception)
    words = _jaccard(_words(one.message), _words(other.message))
    places = _jaccard(set(one.places), set(other.places))
    return round(0.25 * same_type + 0.4 * words + 0.35 * places, 3)


def _words(message: str) -> set[str]:
    return set(re.findall(r"[A-Za-z_]{2,}|<\w+>", message.lower()))


def _jaccard(one: set[str], other: set[str]) -> float:
    return len(one & other) / len(one | other) if one | other else 1.0


def alike(wanted: Signature, known: Mapping[str, Signature], *, limit: int = 10) -> list[tuple[float, str]]:
    """Return the signatures that are most like one, with their similarity, the most alike first."""
    found = [(similarity(wanted, other), key) for key, other in known.items() if key != wanted.key]
    return sorted((one for one in found if one[0] >= ALIKE), key=lambda one: (-one[0], one[1]))[:limit]
