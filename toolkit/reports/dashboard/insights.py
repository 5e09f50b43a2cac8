"""The few sentences that a person reads first: what is wrong, since when, and what to do."""

from collections.abc import Callable, Iterator

from toolkit.analysis.comparing import State
from toolkit.records import NodeId
from toolkit.reports.dashboard.benchmarks import is_over
from toolkit.reports.dashboard.facts import Facts, Insight
from toolkit.reports.phrases import rate, seconds

FEW = 5
_IDLE = 0.25
_LATE = 5.0
_BIG_SHARE = 0.1
_LESS = 0.2


def insights_of(facts: Facts) -> tuple[Insight, ...]:
    """Return what follows from all other facts, the most urgent first."""
    return tuple(insight for rule in _RULES for insight in rule(facts))


def _outages(facts: Facts) -> Iterator[Insight]:
    for group in facts.groups:
        if group.outage:
            yield Insight(
                weight="bad",
                text=f"An outage failed {group.count:,} tests: {group.causes[0].cause}",
                action="mend the service (invoke failures.remediate), then run again: "
                "the tests are not at fault and are counted neither as flaky nor as risky",
                tests=group.tests[:FEW],
                view="failures",
            )


def _large_group(facts: Facts) -> Iterator[Insight]:
    groups = [group for group in facts.groups if not group.outage]
    for group in groups[:3]:
        if group.count > 1:
            yield Insight(
                weight="bad",
                text=f"{group.count:,} tests fail for one reason: {group.causes[0].cause}",
                action="mend the cause once instead of the tests one by one",
                tests=group.tests[:FEW],
                view="failures",
            )


def _new(facts: Facts) -> Iterator[Insight]:
    for state, words in (
        (State.NEW, "Failing for the first time"),
        (State.REGRESSED, "Failing again, though good in between"),
    ):
        tests = _in_state(facts, state)
        if tests:
            yield Insight(
                weight="bad",
                text=f"{words}: {_tests(len(tests))}",
                action=f"look at the commits since {', '.join(facts.against) or 'the last run'}",
                tests=tests[:FEW],
                view="changes",
            )


def _known(facts: Facts) -> Iterator[Insight]:
    tests = _in_state(facts, State.KNOWN)
    if tests:
        text = f"Failing as before: {_tests(len(tests))}"
        yield Insight(weight="warning", text=text, tests=tests[:FEW], view="changes")


def _fixed(facts: Facts) -> Iterator[Insight]:
    tests = _in_state(facts, State.FIXED)
    if tests:
        text = f"Good again: {_tests(len(tests))}"
        yield Insight(weight="good", text=text, tests=tests[:FEW], view="changes")


def _flaky(facts: Facts) -> Iterator[Insight]:
    proven = [flaky for flaky in facts.flaky if flaky.state == "flaky"]
    if proven:
        tests = tuple(flaky.test for flaky in proven)
        yield Insight(
            weight="warning",
            text=f"Good and bad on the same code: {_tests(len(tests))}; "
            f"the worst in {rate(proven[0].rate)} of {proven[0].results} results",
            action="quarantine what cannot be mended today, with an owner and an expiry",
            tests=tests[:FEW],
            view="flaky",
        )


def _slower(facts: Facts) -> Iterator[Insight]:
    cost = sum(slow.duration - (slow.typical or 0) for slow in facts.slower)
    if facts.slower and cost > 1:
        worst = facts.slower[0]
        yield Insight(
            weight="warning",
            text=f"Slower by {seconds(cost)}: {_tests(len(facts.slower))}; the worst takes "
            f"{seconds(worst.duration)} instead of {seconds(worst.typical)}",
            action="compare with the last run on the same machine before you blame the code",
            tests=tuple(slow.test for slow in facts.slower[:FEW]),
            view="slowest",
        )


def _benchmarks(facts: Facts) -> Iterator[Insight]:
    over = [one for one in facts.benchmarks.rows if is_over(one)]
    if over:
        worst = over[0]
        yield Insight(
            weight="bad",
            text=f"Above what it may take: {_count_of(len(over))}; {worst.test} takes "
            f"{worst.seconds[-1] * 1000:.4g} ms, {(worst.budget or 0) * 1000:g} are allowed",
            action="make it faster, or raise the budget on purpose",
            tests=tuple(one.test for one in over[:FEW]),
            view="benchmarks",
        )
    slower = [one for one in facts.benchmarks.rows if one.compared is not None and one.compared.slower]
    if slower and slower[0].compared is not None:
        base, ratio = slower[0].compared.base[:12], slower[0].compared.ratio
        yield Insight(
            weight="bad",
            text=f"Slower than {base} on the same machine: {_count_of(len(slower))}, "
            f"the worst by {ratio - 1:.1%}",
            tests=tuple(one.test for one in slower[:FEW]),
            view="benchmarks",
        )


def _strain(facts: Facts) -> Iterator[Insight]:
    for load in facts.strain.loads:
        if load.findings:
            refused = load.verdict == "refused"
            said = "The client was the limit of" if refused else "Did not hold under"
            yield Insight(
                weight="warning" if refused else "bad",
                text=f"{said} the load {load.scenario}: {load.findings[0]}",
                view="strain",
            )
    fuzz = facts.strain.fuzz
    if fuzz is not None and fuzz.findings:
        operation, check, _ = fuzz.findings[0]
        text = f"Fuzzing found {len(fuzz.findings):,} faults of the API, such as {operation}: {check}"
        yield Insight(weight="bad", text=text, action="the command beside each asks again", view="strain")
    if facts.strain.attacks:
        text = f"An attack was not met as it should be: {_tests(len(facts.strain.attacks))}"
        yield Insight(weight="bad", text=text, tests=facts.strain.attacks[:FEW], view="strain")


def _one_dear_test(facts: Facts) -> Iterator[Insight]:
    top = facts.slowest[:1]
    if top and top[0].share > _BIG_SHARE and top[0].duration > _LATE and len(facts.slowest) > FEW:
        yield Insight(
            weight="note",
            text=f"One test takes {rate(top[0].share)} of the time of all: {seconds(top[0].duration)}",
            action="split it or mark it slow: no number of workers makes a run shorter than its longest test",
            tests=(top[0].test,),
            view="slowest",
        )


def _risky(facts: Facts) -> Iterator[Insight]:
    high = [risk for risk in facts.risks if risk.risk == "high"]
    if high:
        text = f"Most likely to fail in the next run: {_tests(len(high))}"
        tests = tuple(risk.test for risk in high[:FEW])
        yield Insight(weight="warning", text=text, action=high[0].action, tests=tests, view="predictions")


def _idle_workers(facts: Facts) -> Iterator[Insight]:
    for run in dict.fromkeys(worker.run for worker in facts.workers):
        mine = [worker for worker in facts.workers if worker.run == run]
        end, begin = max(worker.last for worker in mine), min(worker.first for worker in mine)
        idle = sum(end - worker.last for worker in mine) / (len(mine) * max(end - begin, 1e-9))
        if len(mine) > 1 and idle > _IDLE and end - begin > _LATE:
            yield Insight(
                weight="note",
                text=f"Workers of {run} waited {rate(idle)} of the time for the last one to end",
                action="start the longest tests first: --order smart",
                view="timeline",
            )


def _coverage(facts: Facts) -> Iterator[Insight]:
    measured = facts.coverage
    if measured is not None and measured.files and measured.missing and measured.files[0][2]:
        path, percent, missing = max(measured.files, key=lambda row: row[2])
        yield Insight(
            weight="note",
            text=f"{measured.percent:.1f} % of the code is covered; {path} alone misses {missing:,} "
            f"statements ({percent:.1f} %)",
            view="coverage",
        )


def _fewer_tests(facts: Facts) -> Iterator[Insight]:
    for point in facts.trend:
        if not point.present:
            continue
        alike = [
            one
            for one in facts.trend
            if (one.profile, one.python) == (point.profile, point.python) and one.started < point.started
        ]
        if alike and point.tests < alike[-1].tests * (1 - _LESS) and facts.progress is None:
            yield Insight(
                weight="note",
                text=f"{point.run} ran {point.tests:,} tests; the run before it {alike[-1].tests:,}",
                action="fine if it was selected or sharded; if not, look for files that are not collected",
                view="trends",
            )


def _all_good(facts: Facts) -> Iterator[Insight]:
    counts = facts.summary
    if counts["tests"] and not counts["failed"] + counts["errors"] and not facts.complaints:
        yield Insight(weight="good", text=f"All {counts['tests']:,} tests are as they should be")


_RULES: tuple[Callable[[Facts], Iterator[Insight]], ...] = (
    _outages, _new, _large_group, _strain, _benchmarks, _known, _flaky, _slower, _risky, _fixed,
    _one_dear_test, _idle_workers, _fewer_tests, _coverage, _all_good,
)  # fmt: skip


def _in_state(facts: Facts, state: State) -> tuple[NodeId, ...]:
    return tuple(change.test for change in facts.changes if change.state is state)


def _tests(count: int) -> str:
    return "1 test" if count == 1 else f"{count:,} tests"


def _count_of(count: int) -> str:
    return "1 benchmark" if count == 1 else f"{count:,} benchmarks"
