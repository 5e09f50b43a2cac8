"""Which tests are flaky: they fail and pass on the same code, and nothing else explains it.

Proof is only what happened on one code: a run in which one try failed and another passed, or runs of one
commit in one context (profile, Python, environment) with both outcomes. What a change of the code explains is
no proof, and neither is

* a failure that begins and stays (a regression, also one from outside on unchanged code): it has one change
  of outcome, or its failures stand together more than chance allows (see :mod:`toolkit.analysis.streaks`);
* a failure of many tests at once (an outage, see :mod:`toolkit.analysis.bursts`).

The rate is that of first tries outside of such streaks, with the interval of :mod:`toolkit.analysis.beta`.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import groupby
from typing import Literal

import msgspec

from toolkit.analysis.beta import interval, mean_rate
from toolkit.analysis.bursts import Bursts, bursts
from toolkit.analysis.past import Past, RunPlace
from toolkit.analysis.streaks import Streak, changes, clustering, streaks
from toolkit.history.letters import BAD
from toolkit.records import NodeId

LEAST_RESULTS = 10
"""With fewer results a test is a suspect at most."""
SHOWN = 10
"""So many of the last outcomes are shown."""
TOO_CLUSTERED = 0.02
LONG = 3
"""A streak of so many failures may be a break, not chance."""
TOO_LONG = 0.01
"""A streak is a break when the rate of the other results makes it less probable than this."""

State = Literal["flaky", "suspect"]
Kind = Literal["chance", "order", "infrastructure"]


class FlakyTest(msgspec.Struct, frozen=True, kw_only=True):
    """A test that fails sometimes.

    Attributes:
        test: its identity.
        state: ``flaky``: proven, with at least :data:`LEAST_RESULTS` results; ``suspect``: too few results,
            or it failed only beside others as in an outage, or more than once but each time on other code.
        kind: ``order``: it depends on what ran before it on its worker, see ``others``;
            ``infrastructure``: most of its failures are of servers and machines; else ``chance``.
        rate: posterior mean of the rate at which a first try fails, 0 … 1.
        low: lower end of its 95 % interval.
        high: upper end.
        results: results that the rate is based on.
        failures: of these, how many failed at first.
        proofs: how often both outcomes were seen on one code.
        flips: share of neighbouring results that differ, 0 … 1.
        last: letters of the last :data:`SHOWN` results (``toolkit.history.letters``).
        since: run of the first proof, else of the first failure.
        seen: run of the newest one.
        evidence: what was seen, in words.
        others: for ``order``: the tests that it depends on.
    """

    test: NodeId
    state: State
    kind: Kind = "chance"
    rate: float
    low: float
    high: float
    results: int
    failures: int
    proofs: int
    flips: float
    last: str
    since: str
    seen: str
    evidence: tuple[str, ...] = ()
    others: tuple[NodeId, ...] = ()


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """One result of a test that says something: it was not skipped and no outage explains it."""

    place: RunPlace
    bad: bool  # the verdict
    first_bad: bool  # the first try
    mixed: bool  # tries with different outcomes


def flaky_tests(
    past: Past, *, shielded: Collection[tuple[NodeId, str]] = frozenset()
) -> tuple[FlakyTest, ...]:
    """Find the flaky tests, proven ones first, the highest rate first.

    Args:
        past: results of all tests.
        shielded: (test, run) pairs that an outage explains, as far as the texts of the failures tell.
    """
    rows, outages = outside_outages(past, shielded=shielded)
    found = (
        judge(test, row, past.recent[test].verdicts, doubtful=outages.doubtful) for test, row in rows.items()
    )
    return tuple(sorted(filter(None, found), key=lambda one: (one.state != "flaky", -one.rate, one.test)))


def outside_outages(
    past: Past, *, shielded: Collection[tuple[NodeId, str]] = frozenset()
) -> tuple[dict[NodeId, tuple[Seen, ...]], Bursts]:
    """Return the results, outside of outages, of the tests that ever failed; and the outages."""
    rows = {test: row for test in _with_failures(past) if (row := seen_of(past, test, shielded))}
    outages = outage_runs(past, rows)
    if outages.sure:
        rows = {test: _outside(row, outages.sure) for test, row in rows.items()}
    return rows, outages


_EVENTFUL = BAD | {letter.upper() for letter in "psxyfec"}


def _with_failures(past: Past) -> Iterable[NodeId]:
    """Yield the tests that ever failed a try; the others cost nothing."""
    tried = {test for test, _ in past.tries}
    for test, row in past.recent.items():
        if test in tried or not _EVENTFUL.isdisjoint(row.verdicts):
            yield test


def seen_of(
    past: Past, test: NodeId, shielded: Collection[tuple[NodeId, str]] = frozenset()
) -> tuple[Seen, ...]:
    """Return the results of a test that say something, oldest first."""
    row = past.recent[test]
    found = []
    for run, letter in zip(row.runs, row.verdicts, strict=True):
        if letter in "sxy" or run not in past.runs or (test, run) in shielded:
            continue
        tries = past.tries.get((test, run), "") + letter.lower()
        bad = {try_ in BAD for try_ in tries if try_ not in "sxy"}
        found.append(
            Seen(
                place=past.runs[run],
                bad=letter in BAD,
                first_bad=tries[0] in BAD or letter.isupper(),
                mixed=len(bad) > 1 or letter.isupper(),
            )
        )
    return tuple(found)


def outage_runs(past: Past, rows: Mapping[NodeId, tuple[Seen, ...]]) -> Bursts:
    """Find the runs in which many tests began to fail at once."""
    starts = {}
    for test, row in rows.items():
        starts[test] = [
            stream[streak.start].place.run
            for stream in _streams(row)
            for streak in streaks([one.first_bad for one in stream])
        ]
    return bursts(starts, list(past.runs))


def _streams(row: Sequence[Seen]) -> list[list[Seen]]:
    found: dict[tuple[str, str], list[Seen]] = defaultdict(list)
    for one in row:
        found[one.place.stream].append(one)
    return list(found.values())


def _outside(row: Sequence[Seen], outages: Collection[str]) -> tuple[Seen, ...]:
    """Leave out the streaks of failures that began in an outage."""
    hidden: set[int] = set()
    for stream in _streams(row):
        for streak in streaks([one.first_bad for one in stream]):
            if stream[streak.start].place.run in outages:
                hidden.update(id(one) for one in stream[streak.start : streak.end])
    return tuple(one for one in row if id(one) not in hidden)


def judge(
    test: NodeId, row: Sequence[Seen], letters: str, *, doubtful: Collection[str] = frozenset()
) -> FlakyTest | None:
    """Judge one test by its results outside of outages; None: nothing speaks for flakiness.

    Args:
        test: its identity.
        row: its results.
        letters: of all its results, for show.
        doubtful: runs that were an outage perhaps: they alone prove nothing.
    """
    mixed = [one for one in row if one.mixed]
    grouped = _proving_groups(row)
    alone = [] if mixed or grouped else _alone(row)
    if not mixed and not grouped and len(alone) <= 1:
        return None
    kept = _outside_breaks(row)
    failures, successes = sum(one.first_bad for one in kept), sum(not one.first_bad for one in kept)
    low, high = interval(failures, successes)
    proving = mixed + [one for group in grouped for one in group if one.bad]
    runs = sorted({(one.place.started, one.place.run) for one in (proving or alone)})
    proofs = len(mixed) + len(grouped)
    sure = any(one.place.run not in doubtful for one in proving)
    return FlakyTest(
        test=test,
        state="flaky" if sure and len(kept) >= LEAST_RESULTS else "suspect",
        rate=mean_rate(failures, successes),
        low=low,
        high=high,
        results=len(kept),
        failures=failures,
        proofs=proofs,
        flips=changes([one.first_bad for one in row]) / max(1, len(row) - 1),
        last=letters[-SHOWN:],
        since=runs[0][1],
        seen=runs[-1][1],
        evidence=tuple(_told(mixed, grouped, alone, sure=sure)),
    )


def _told(
    mixed: Sequence[Seen], grouped: Sequence[Sequence[Seen]], alone: Sequence[Seen], *, sure: bool
) -> Iterable[str]:
    if mixed:
        yield f"tries of one run ended differently in {len(mixed)} runs, last in {mixed[-1].place.run}"
    for group in grouped[-3:]:
        bad = sum(one.bad for one in group)
        yield f"failed in {bad} of {len(group)} runs of {group[0].place.code[:12]} ({group[0].place.context})"
    if not alone and not sure:
        yield "but only in runs in which other tests failed, too, as in an outage"
    if alone:
        yield f"failed in {len(alone)} single runs and passed in the next, but each time on other code"


def _proving_groups(row: Sequence[Seen]) -> list[list[Seen]]:
    """Return the results of one code in one context that prove flakiness."""
    codes: dict[tuple[str, str], list[Seen]] = defaultdict(list)
    for one in row:
        codes[one.place.context, one.place.code].append(one)
    several = [group for group in codes.values() if len({one.bad for one in group}) > 1]
    return [group for group in several if _proves(group, row)]


def _proves(group: Sequence[Seen], row: Sequence[Seen]) -> bool:
    bad = [one.bad for one in group]
    if changes(bad) > 1:
        longest = max(streak.length for streak in streaks(bad))
        return longest < LONG or clustering(bad) >= TOO_CLUSTERED
    # One change: chance, or the beginning or the end of a break from outside. What stands beside it decides.
    beside = _beside(group, row, after=bad[-1])
    return sum(bad) < LONG and beside is False


def _beside(group: Sequence[Seen], row: Sequence[Seen], *, after: bool) -> bool | None:
    """Return whether the next (or previous) result of this stream is bad; None: there is none."""
    edge = group[-1] if after else group[0]
    stream = [one for one in row if one.place.stream == edge.place.stream]
    place = stream.index(edge) + (1 if after else -1)
    return stream[place].bad if 0 <= place < len(stream) else None


def _alone(row: Sequence[Seen]) -> list[Seen]:
    """Return failures in single runs between good ones, of code that was not tried again."""
    runs_of = Counter((one.place.context, one.place.code) for one in row)
    return [
        stream[streak.start]
        for stream in _streams(row)
        for streak in streaks([one.bad for one in stream])
        if streak.length == 1
        and streak.start > 0
        and streak.end < len(stream)
        and runs_of[stream[streak.start].place.context, stream[streak.start].place.code] == 1
    ]


def _outside_breaks(row: Sequence[Seen]) -> list[Seen]:
    """Leave out the streaks that are too long for the rate of the other results."""
    failed = sum(one.first_bad for one in row)
    kept: list[Seen] = []
    for stream in _streams(row):
        broken: set[int] = set()
        for streak in streaks([one.bad for one in stream]):
            if _too_long(streak, failed, len(row)):
                broken.update(range(streak.start, streak.end))
        kept += [one for place, one in enumerate(stream) if place not in broken]
    return kept


def _too_long(streak: Streak, failed: int, results: int) -> bool:
    if streak.length < LONG:
        return False
    rate = mean_rate(failed - streak.length, results - failed)
    return float(rate**streak.length) < TOO_LONG


def same_code(row: Sequence[Seen]) -> list[tuple[str, list[Seen]]]:
    """Return the results of each code, oldest first: what a person looks at."""
    ordered = sorted(row, key=lambda one: one.place.started)
    return [(code, list(group)) for code, group in groupby(ordered, key=lambda one: one.place.code)]
