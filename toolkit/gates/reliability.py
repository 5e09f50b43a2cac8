"""The reliability gate: do the tests say the same of the same code, and is what is flaky under control?"""

import datetime as dt
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from fractions import Fraction

import msgspec

from toolkit.analysis.flaky import FlakyTest, Seen, seen_of
from toolkit.analysis.past import Past
from toolkit.analysis.quarantine import Quarantine, entry_of
from toolkit.config.gates import Gates
from toolkit.gates.verdicts import Absent, Check, Finding, Status, absent_check
from toolkit.gates.waivers import waive

RUN_TESTS = "nox -s unit"


class Reliability(msgspec.Struct, frozen=True, kw_only=True):
    """What the newest runs say.

    Attributes:
        source: the history.
        runs: ids of the newest runs, newest first.
        contradicted: run → tests whose result in it contradicts another of the same code.
        flaky: tests that are proven flaky, seen so in these runs.
    """

    source: str
    runs: tuple[str, ...]
    contradicted: Mapping[str, tuple[str, ...]] = {}
    flaky: tuple[FlakyTest, ...] = ()


def reliability_of(past: Past, flaky: Iterable[FlakyTest], *, runs: int, source: str) -> Reliability:
    """Sum up the newest runs.

    Args:
        past: results of all tests.
        flaky: what :func:`toolkit.analysis.flakiness.flakiness_of` found.
        runs: how many of the newest.
        source: the history, for people.
    """
    newest = tuple(past.runs)[::-1][:runs]
    return Reliability(
        source=source,
        runs=newest,
        contradicted=contradictions(past, frozenset(newest)),
        flaky=tuple(one for one in flaky if one.state == "flaky" and one.seen in newest),
    )


def contradictions(past: Past, runs: Collection[str]) -> dict[str, tuple[str, ...]]:
    """Return run → tests whose result there nothing in the code explains.

    The tries of a test ended differently, or it failed although the same code passed in the same context.
    """
    found: dict[str, list[str]] = defaultdict(list)
    for test in past.recent:
        for one in _contradicting(seen_of(past, test)):
            if one.place.run in runs:
                found[one.place.run].append(test)
    return {run: tuple(tests) for run, tests in found.items()}


def _contradicting(row: Sequence[Seen]) -> Iterable[Seen]:
    if not any(one.bad or one.mixed for one in row):
        return []
    verdicts: dict[tuple[str, str], set[bool]] = defaultdict(set)
    for one in row:
        verdicts[one.place.code, one.place.context].add(one.bad)
    both = {key for key, seen in verdicts.items() if len(seen) > 1}
    return [one for one in row if one.mixed or (one.bad and (one.place.code, one.place.context) in both)]


def judge_consistency(found: Reliability | Absent, threshold: float, *, least: int) -> Check:
    """Judge the share of runs without a contradiction; fewer than ``least`` runs say nothing."""
    name = "reliability.consistency"
    if isinstance(found, Absent):
        return absent_check(name, found)
    runs = len(found.runs)
    if runs < least:
        return absent_check(name, _too_few(found, least))
    good = runs - len(found.contradicted)
    passed = Fraction(good * 100, runs) >= Fraction(str(threshold))
    return Check(
        id=name,
        status=Status.PASSED if passed else Status.FAILED,
        message=f"{good} of {runs} runs have no result that contradicts another of the same code",
        measured=good * 100 / runs,
        threshold=threshold,
        comparison="at least",
        unit="%",
        source=found.source,
        remedy="" if passed else "see invoke flaky.list; mend these tests or put them into quarantine",
    )


def _too_few(found: Reliability, least: int) -> Absent:
    runs = len(found.runs)
    return Absent(
        reason=f"the history has {runs} runs, {least} are needed",
        remedy=f"run the tests {least - runs} times more: {RUN_TESTS}",
        source=found.source,
    )


def judge_flaky(found: Reliability | Absent, quarantine: Quarantine, gates: Gates, today: dt.date) -> Check:
    """Judge how many proven flaky tests there are beside those in quarantine."""
    name = "reliability.flaky"
    if isinstance(found, Reliability) and len(found.runs) < gates.least_runs:
        found = _too_few(found, gates.least_runs)
    if isinstance(found, Absent):
        return absent_check(name, found)
    entries = {entry.id: entry for entry in quarantine if not entry.expired(today)}
    open_ = [one for one in found.flaky if entry_of(one.test, entries) is None]
    findings = waive(map(_finding, open_), gates.waivers, today)
    left = sum(one.waiver is None for one in findings)
    passed = left <= gates.flaky_max
    return Check(
        id=name,
        status=Status.PASSED if passed else Status.FAILED,
        message=f"{left} flaky tests outside of quarantine, {len(found.flaky) - len(open_)} in it",
        measured=left,
        threshold=gates.flaky_max,
        comparison="at most",
        unit="tests",
        source=found.source,
        remedy="" if passed else "mend them, or: invoke flaky.quarantine TEST",
        findings=findings,
    )


def _finding(one: FlakyTest) -> Finding:
    said = f"{one.test} fails in {one.rate:.0%} of first tries ({one.failures} of {one.results}; {one.kind})"
    return Finding(
        tool="toolkit", rule="reliability.flaky", severity="medium", where=str(one.test), message=said
    )


def judge_quarantine(quarantine: Quarantine | Absent, *, cap: int, today: dt.date) -> Check:
    """Judge the quarantine: not above its cap, nothing in it whose time is over."""
    name = "reliability.quarantine"
    if isinstance(quarantine, Absent):
        return absent_check(name, quarantine)
    over = [entry for entry in quarantine if entry.expired(today)]
    passed = len(quarantine) <= cap and not over
    said = f"{len(quarantine)} tests are in quarantine"
    return Check(
        id=name,
        status=Status.PASSED if passed else Status.FAILED,
        message=f"{said}, of {len(over)} the time is over" if over else said,
        measured=len(quarantine),
        threshold=cap,
        comparison="at most",
        unit="tests",
        source="quarantine.toml",
        remedy="" if passed else "mend and release tests: invoke flaky.check",
        findings=tuple(
            Finding(
                tool="toolkit", rule=name, severity="medium", where=entry.id,
                message=f"in quarantine until {entry.expires}, owner {entry.owner}: {entry.reason}",
            )
            for entry in over
        ),
    )  # fmt: skip
