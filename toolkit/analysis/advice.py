"""Recommendations: each names its subject, what was measured, and what to do about it.

Every rule is one function from the figures to pieces of advice; the strongest come first. The thresholds are
constants of this module, chosen so that what is named is worth an hour of a person.
"""

import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from toolkit.analysis.flaky import FlakyTest
from toolkit.analysis.metrics import Metrics, TestFigures
from toolkit.analysis.trends import Trend
from toolkit.history.usage import Usage
from toolkit.records import NodeId

LARGE_SHARE = 0.1
LEAST_SECONDS = 1.0
SETUP_SHARE = 0.7
IDLE_SHARE = 0.15
LOW_SUCCESS = 0.95
SLOWER = 1.25


class Advice(msgspec.Struct, frozen=True, kw_only=True):
    """One recommendation.

    Attributes:
        rule: which rule speaks, a stable name.
        subject: a test, a file, or a profile.
        evidence: what was measured.
        action: what to do.
        weight: seconds per run, or a share scaled to them: larger comes first.
    """

    rule: str
    subject: str
    evidence: str
    action: str
    weight: float


def advise(
    metrics: Metrics,
    *,
    trends: Sequence[Trend] = (),
    flaky: Sequence[FlakyTest] = (),
    usage: Mapping[NodeId, Usage] | None = None,
    limit: int = 20,
) -> tuple[Advice, ...]:
    """Return the recommendations that follow from the figures, the strongest first."""
    usage = usage or {}
    found = [
        *_slow(metrics),
        *_slower(trends),
        *_flaky(flaky),
        *_costly_setup(usage),
        *_idle(usage),
        *_always_skipped(metrics.by_module),
        *_unreliable(metrics),
    ]
    return tuple(sorted(found, key=lambda one: (-one.weight, one.subject))[:limit])


def _slow(metrics: Metrics) -> Iterator[Advice]:
    for row in metrics.slowest:
        share = row.typical / metrics.tests.typical if metrics.tests.typical else 0.0
        if share >= LARGE_SHARE and row.typical >= LEAST_SECONDS:
            yield Advice(
                rule="slow-test",
                subject=row.label,
                evidence=f"takes {row.typical:.1f} s, {share:.0%} of the time of all tests",
                action="split it, or mark it slow, so that the fast profile leaves it out",
                weight=row.typical,
            )


def _slower(trends: Iterable[Trend]) -> Iterator[Advice]:
    for trend in trends:
        last = trend.moved[-1] if trend.moved else None
        if last is None or trend.metric not in {"duration", "wall"} or last.factor < SLOWER:
            continue
        at = f"run {last.run}" + (f" (commit {last.commit[:10]})" if last.commit else "")
        what = "its runs take" if trend.metric == "wall" else "takes"
        yield Advice(
            rule="slower" if trend.metric == "duration" else "slower-runs",
            subject=trend.label,
            evidence=f"{what} {last.after:.2f} s instead of {last.before:.2f} s since {at}",
            action="compare that commit with the one before: git show --stat "
            + (last.commit[:10] or "COMMIT"),
            weight=last.after - last.before,
        )


def _flaky(tests: Iterable[FlakyTest]) -> Iterator[Advice]:
    for one in tests:
        if one.state != "flaky":
            continue
        told = f"fails in {one.rate:.0%} of runs on the same code ({one.low:.0%} to {one.high:.0%})"
        test = shlex.quote(one.test)
        if one.kind == "order":
            action = f"find what it depends on: invoke tests.bisect {test}"
        elif one.kind == "infrastructure":
            action = f"see which server it misses: invoke failures.show {test}"
        else:
            action = f"mend it, or until then: invoke flaky.quarantine {test} --owner OWNER --reason REASON"
        yield Advice(
            rule=f"flaky-{one.kind}", subject=one.test, evidence=told, action=action, weight=10 * one.rate
        )


def _costly_setup(usage: Mapping[NodeId, Usage]) -> Iterator[Advice]:
    by_file: dict[str, list[Usage]] = {}
    for test, used in usage.items():
        by_file.setdefault(test.partition("::")[0], []).append(used)
    for file, rows in by_file.items():
        setup, total = sum(row.setup for row in rows), sum(row.duration for row in rows)
        if len(rows) > 1 and setup >= LEAST_SECONDS and setup >= SETUP_SHARE * total:
            yield Advice(
                rule="costly-setup",
                subject=file,
                evidence=f"{setup:.1f} of {total:.1f} s are set-up of its {len(rows)} tests",
                action="give its fixtures a wider scope (module or session)",
                weight=setup * (1 - 1 / len(rows)),
            )


def _idle(usage: Mapping[NodeId, Usage]) -> Iterator[Advice]:
    for test, used in usage.items():
        if used.cpu is not None and used.duration >= LEAST_SECONDS and used.cpu <= IDLE_SHARE * used.duration:
            yield Advice(
                rule="waits",
                subject=test,
                evidence=f"computes for {used.cpu:.2f} of its {used.duration:.1f} s, waits for the rest",
                action="wait for an event instead of sleeping; more workers than cores cost nothing here",
                weight=used.duration - used.cpu,
            )


def _always_skipped(modules: Iterable[TestFigures]) -> Iterator[Advice]:
    for row in modules:
        if row.results >= 10 and row.skipped == row.results:  # noqa: PLR2004 - so many say something
            yield Advice(
                rule="always-skipped",
                subject=row.label,
                evidence=f"all {row.results} newest results of its {row.tests} tests are skips",
                action="make it run in one profile at least, or delete it",
                weight=0.5,
            )


def _unreliable(metrics: Metrics) -> Iterator[Advice]:
    for row in metrics.by_profile:
        share = row.green / row.runs if row.runs else 1.0
        if row.runs >= 10 and share < LOW_SUCCESS:  # noqa: PLR2004 - so many say something
            yield Advice(
                rule="unreliable-profile",
                subject=row.label or "runs without a profile",
                evidence=f"only {row.green} of {row.runs} runs were green ({share:.0%})",
                action="see which failures share a cause: invoke failures.list",
                weight=5 * (1 - share),
            )
