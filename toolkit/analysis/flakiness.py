"""The flaky tests of a history, with all that the record shows: texts of failures, and the order of tests."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from toolkit.analysis import orders
from toolkit.analysis.failures import Diagnosis, classify_all
from toolkit.analysis.flaky import FlakyTest, flaky_tests, outside_outages
from toolkit.analysis.outages import OUTAGES, outage_of
from toolkit.analysis.past import Past, past_of
from toolkit.history.answers import PastFailure
from toolkit.history.store import History
from toolkit.records import NodeId

FAILURES = 20_000
"""So many of the newest failures are read."""
MOST_ORDERED = 100
"""For so many flaky tests the order is looked into, the worst first."""

Shielded = frozenset[tuple[NodeId, str]]


def flakiness_of(history: History, past: Past | None = None) -> tuple[FlakyTest, ...]:
    """Find the flaky tests, told apart by kind, proven ones first.

    Args:
        history: of the project.
        past: what :func:`toolkit.analysis.past.past_of` returned, when it was read already.
    """
    past = past or past_of(history)
    failed = history.failures(limit=FAILURES)
    found = classify_all(([one.failure], one.outcome) for one in failed)
    shielded = shielded_by_texts(failed, found)
    tests = flaky_tests(past, shielded=shielded)
    return _by_order(_by_texts(tests, failed, found), past, shielded, history)


def shielded_by_texts(failed: Sequence[PastFailure], found: Sequence[Diagnosis]) -> Shielded:
    """Return the (test, run) pairs of the failures that an outage explains."""
    by_run: dict[str, list[int]] = defaultdict(list)
    for index, one in enumerate(failed):
        by_run[one.run].append(index)
    shielded: set[tuple[NodeId, str]] = set()
    for run, members in by_run.items():
        pairs = [(str(failed[index].test), failed[index].started) for index in members]
        for position in outage_of(pairs, [found[index] for index in members]):
            shielded.add((failed[members[position]].test, run))
    return frozenset(shielded)


def _by_texts(
    tests: Iterable[FlakyTest], failed: Sequence[PastFailure], found: Sequence[Diagnosis]
) -> list[FlakyTest]:
    """Call a test's flakiness infrastructure when most of its failures are of servers or machines."""
    categories: dict[NodeId, Counter[str]] = defaultdict(Counter)
    for one, diagnosis in zip(failed, found, strict=True):
        if diagnosis.category in OUTAGES and diagnosis.cause.shared:
            categories[one.test]["infrastructure"] += 1
        categories[one.test]["all"] += 1
    return [_of_kind(test, categories[test.test]) for test in tests]


def _of_kind(test: FlakyTest, counts: Mapping[str, int]) -> FlakyTest:
    bad, every = counts["infrastructure"], counts["all"]
    if 2 * bad <= every:
        return test
    said = f"{bad} of its {every} newest failures are of servers or machines"
    return msgspec.structs.replace(test, kind="infrastructure", evidence=(*test.evidence, said))


def _by_order(
    tests: Sequence[FlakyTest], past: Past, shielded: Shielded, history: History
) -> tuple[FlakyTest, ...]:
    """Call a test's flakiness order dependence when the record shows what it depends on."""
    asked = [test.test for test in tests if test.kind == "chance"][:MOST_ORDERED]
    if not asked:
        return tuple(tests)
    rows, _ = outside_outages(past, shielded=shielded)
    outcomes = {test: {one.place.run: one.first_bad for one in rows[test]} for test in asked}
    found = orders.dependences(outcomes, history.places_of)
    return tuple(_ordered(test, found[test.test]) if test.test in found else test for test in tests)


def _ordered(test: FlakyTest, dependence: orders.Dependence) -> FlakyTest:
    return msgspec.structs.replace(
        test,
        state="flaky",
        kind="order",
        others=dependence.tests,
        evidence=(*test.evidence, orders.told(dependence)),
    )
