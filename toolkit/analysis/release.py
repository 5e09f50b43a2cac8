"""Which tests may leave the quarantine, and what is wrong with it."""

import datetime as dt
from collections.abc import Collection, Sequence

import msgspec

from toolkit.analysis.beta import PRIOR, quantile
from toolkit.analysis.flaky import Seen, outside_outages, seen_of
from toolkit.analysis.past import Past
from toolkit.analysis.quarantine import Entry, Quarantine
from toolkit.records import NodeId

CONFIDENCE = 0.95


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """How a test in quarantine stands.

    Attributes:
        entry: of the file.
        expired: whether its time is over: it fails the build again.
        known: whether the history knows the test, or tests with its name and parameters.
        results: since it was put in, outside of outages.
        failures: of these, first tries that failed.
        bound: with 95 % confidence it fails less often than this, 0 … 1.
        stable: whether it may be released.
    """

    entry: Entry
    expired: bool
    known: bool
    results: int
    failures: int
    bound: float
    stable: bool


def standings(
    entries: Quarantine, past: Past, *, today: dt.date, stable_below: float
) -> tuple[Standing, ...]:
    """Tell of each entry how it stands.

    Args:
        entries: of the file.
        past: results of all tests.
        today: the date.
        stable_below: a test is stable when it fails less often than this, 0 … 1, with 95 % confidence; an
            entry for all parameters of a test when each of them does.
    """
    rows, _ = outside_outages(past)
    return tuple(
        _standing(entry, _rows(entry, past, rows), today=today, stable_below=stable_below)
        for entry in entries
    )


def _rows(entry: Entry, past: Past, failed: dict[NodeId, tuple[Seen, ...]]) -> list[tuple[Seen, ...]]:
    tests = [test for test in past.recent if test == entry.id or test.startswith(f"{entry.id}[")]
    return [failed.get(test) or seen_of(past, test) for test in tests]


def _standing(
    entry: Entry, rows: Sequence[Sequence[Seen]], *, today: dt.date, stable_below: float
) -> Standing:
    start = dt.datetime.combine(entry.since, dt.time(), tzinfo=dt.UTC).timestamp()
    since = [[one for one in row if one.place.started >= start] for row in rows]
    counts = [(sum(one.first_bad for one in row), len(row)) for row in since]
    bounds = [quantile(CONFIDENCE, bad + PRIOR, every - bad + PRIOR) for bad, every in counts]
    bound = max(bounds, default=1.0)
    failures = sum(bad for bad, _ in counts)
    return Standing(
        entry=entry,
        expired=entry.expired(today),
        known=bool(rows),
        results=sum(every for _, every in counts),
        failures=failures,
        bound=bound,
        stable=not failures and bound < stable_below,
    )


def problems(found: Collection[Standing], *, cap: int) -> list[str]:
    """Return what must be mended: too many entries, expired ones, tests that are gone."""
    told = []
    if len(found) > cap:
        told.append(f"{len(found)} tests are in quarantine, at most {cap} may be")
    told += [
        f"{one.entry.id}: expired on {one.entry.expires}, owner {one.entry.owner}"
        for one in found
        if one.expired
    ]
    told += [f"{one.entry.id}: the history knows no such test" for one in found if not one.known]
    return told
