"""What changed since the runs before, and failures by their cause."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

import msgspec

from toolkit.analysis.comparing import WORST_FIRST, Sighting, State, state_of, worst
from toolkit.analysis.failures import Diagnosis, classify_all
from toolkit.analysis.outages import outage_of
from toolkit.analysis.past import RunPlace
from toolkit.history.answers import Recent, RunRow
from toolkit.history.letters import verdict
from toolkit.records import Attempt, NodeId, RunRecord
from toolkit.reports.dashboard.facts import Change, Group, Reason
from toolkit.reports.dashboard.sources import Sources

SAMPLE = 20
"""So many tests of a group are named; the page finds all others by the group."""


class Failing(msgspec.Struct, frozen=True, kw_only=True):
    """A test of the present runs that failed, and why."""

    test: NodeId
    run: str
    attempt: Attempt  # the last
    diagnosis: Diagnosis
    outage: bool


def find_failing(records: Sequence[RunRecord]) -> tuple[Failing, ...]:
    """Explain every failing test of some runs; what came of an outage is marked."""
    bad = [(record.header.run, case) for record in records for case in record.cases if case.outcome.bad]
    last = [case.attempts[-1] for _, case in bad]
    found = classify_all(
        ((attempt.failures, attempt.outcome) for attempt in last), (attempt.evidence for attempt in last)
    )
    outages = outage_of([(attempt.test, attempt.started) for attempt in last], found)
    return tuple(
        Failing(test=case.test, run=run, attempt=attempt, diagnosis=diagnosis, outage=place in outages)
        for place, ((run, case), attempt, diagnosis) in enumerate(zip(bad, last, found, strict=True))
    )


def groups_of(failing: Sequence[Failing], known: Mapping[str, str]) -> tuple[Group, ...]:
    """Put failures with one cause together, the largest group first.

    Args:
        failing: of the present runs.
        known: signature → what earlier runs say of it.
    """
    members: dict[str, list[Failing]] = defaultdict(list)
    for one in failing:
        members[one.diagnosis.group].append(one)
    found = [_group(key, together, known) for key, together in members.items()]
    return tuple(sorted(found, key=lambda group: (-group.count, group.group)))


def _group(key: str, members: Sequence[Failing], known: Mapping[str, str]) -> Group:
    first = members[0].diagnosis
    tests = tuple(dict.fromkeys(one.test for one in members))
    causes = tuple(
        Reason(cause=cause.cause, confidence=cause.confidence, evidence=cause.evidence)
        for cause in first.causes
    )
    return Group(
        group=key,
        category=first.category,
        causes=causes,
        count=len(members),
        tests=tests[:SAMPLE],
        outage=any(one.outage for one in members),
        signature=first.signature.key,
        known=known.get(first.signature.key, ""),
    )


Configuration = tuple[str, str]
"""Results are compared within one profile and one minor version of Python."""


def configuration(row: RunRow) -> Configuration:
    """Return what the results of a run may be compared with."""
    return row.profile, _minor(row.python)


def _minor(python: str) -> str:
    return ".".join(python.split(".")[:2])


def states_of(sources: Sources, failing: Sequence[Failing] = ()) -> dict[NodeId, State]:
    """Return what became of the tests of the present runs; of several runs the worst counts.

    A failure that came of an outage says nothing about its test, so it is no change either.
    """
    shielded = {(one.test, one.run) for one in failing if one.outage}
    earlier = sources.earlier
    rows = {row.run: configuration(row) for row in sources.runs if row.run in earlier}
    found: dict[NodeId, set[State]] = defaultdict(set)
    for record in sources.records:
        header = record.header
        alike = (header.profile, _minor(header.python))
        same = {run for run, kind in rows.items() if kind == alike}
        code = sources.past.runs[header.run].code
        for case in record.cases:
            if (case.test, header.run) in shielded:
                continue
            letter = verdict(case)
            past = sources.past.recent.get(case.test)
            if letter == "p" and (past is None or _always_good(past)):
                continue  # nearly every test of nearly every run
            before = _before(past, same, sources.past.runs)
            state = state_of(before, Sighting(letter=letter, code=code))
            if state is not None:
                found[case.test].add(state)
    return {test: state for test, states in found.items() if (state := worst(states)) is not None}


def _always_good(past: Recent) -> bool:
    return not past.verdicts.strip("psxy")


def _before(past: Recent | None, same: set[str], places: Mapping[str, RunPlace]) -> list[Sighting]:
    if past is None:
        return []
    return [
        Sighting(letter=letter, code=places[run].code)
        for run, letter in zip(past.runs, past.verdicts, strict=True)
        if run in same
    ]


def runs_before(sources: Sources) -> tuple[str, ...]:
    """Return the runs that changes are seen against: the last before of each configuration."""
    found: dict[Configuration, str] = {}
    kinds = {(record.header.profile, _minor(record.header.python)) for record in sources.records}
    earlier = sources.earlier
    for row in sources.runs:  # oldest first
        if row.run in earlier and configuration(row) in kinds:
            found[configuration(row)] = row.run
    return tuple(sorted(found.values()))


def changes_of(
    states: Mapping[NodeId, State], sources: Sources, failing: Sequence[Failing]
) -> tuple[Change, ...]:
    """Tell the states with outcome and group, worst first."""
    bad = {one.test: one for one in failing}
    good = {
        case.test: case.outcome
        for record in sources.records
        for case in record.cases
        if case.test in states and not case.outcome.bad
    }
    found = [
        Change(
            test=test,
            state=state,
            outcome=bad[test].attempt.outcome if test in bad else good[test],
            group=bad[test].diagnosis.group if test in bad else "",
        )
        for test, state in states.items()
    ]
    return tuple(sorted(found, key=lambda change: (WORST_FIRST.index(change.state), change.test)))


def count_states(states: Mapping[NodeId, State]) -> dict[str, int]:
    """Count tests by state; every state is there."""
    counted = Counter(states.values())
    return {str(state): counted[state] for state in WORST_FIRST}
