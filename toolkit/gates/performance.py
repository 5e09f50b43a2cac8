"""The performance gate, absolute part: no benchmark above its limit."""

import datetime as dt
from collections.abc import Iterable

import msgspec

from toolkit.config.gates import Gates
from toolkit.gates.globs import matches_name
from toolkit.gates.verdicts import Absent, Check, Finding, Status, absent_check
from toolkit.gates.waivers import waive


class Benchmark(msgspec.Struct, frozen=True, kw_only=True):
    """One benchmark of a run.

    Attributes:
        name: with its file, as pytest names the test.
        milliseconds: the median of its rounds.
    """

    name: str
    milliseconds: float


class Benchmarks(msgspec.Struct, frozen=True, kw_only=True):
    """All benchmarks of a run."""

    source: str
    rows: tuple[Benchmark, ...]


def judge_absolute(found: Benchmarks | Absent, gates: Gates, today: dt.date) -> Check:
    """Judge each benchmark by its own budget, else by the limit for all."""
    name = "performance.absolute"
    if isinstance(found, Absent):
        return absent_check(name, found)
    findings = waive(_slow(name, found.rows, gates), gates.waivers, today)
    left = [one for one in findings if one.waiver is None]
    slowest = max(found.rows, key=lambda row: row.milliseconds)
    return Check(
        id=name,
        status=Status.FAILED if left else Status.PASSED,
        message=f"{len(left)} of {len(found.rows)} benchmarks are above their limit; "
        f"the slowest: {slowest.name} with {slowest.milliseconds:.3g} ms",
        measured=slowest.milliseconds,
        threshold=limit_of(slowest.name, gates),
        comparison="at most",
        unit="ms",
        source=found.source,
        remedy="make them faster, or raise the budget on purpose" if left else "",
        findings=findings,
    )


def limit_of(name: str, gates: Gates) -> float:
    """Return the milliseconds that a benchmark may take."""
    return next(
        (limit for glob, limit in gates.budgets.items() if matches_name(name, glob)), gates.performance
    )


def _slow(rule: str, rows: Iterable[Benchmark], gates: Gates) -> Iterable[Finding]:
    for row in rows:
        limit = limit_of(row.name, gates)
        if row.milliseconds > limit:
            yield Finding(
                tool="pytest-benchmark", rule=rule, severity="medium", where=row.name,
                message=f"{row.name} takes {row.milliseconds:.6g} ms, {limit:g} ms are allowed",
            )  # fmt: skip
