"""The performance gate: no benchmark above its limit, none slower than the old code."""

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping

import msgspec

from toolkit.config.gates import Gates
from toolkit.gates.globs import matches_name
from toolkit.gates.pairing import Block, Difference, Paired, blocks_needed, compare
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


def judge_paired(found: Paired | Absent, gates: Gates, today: dt.date) -> Check:
    """Judge whether any benchmark became slower; one whose noise hides what matters fails, too."""
    name = "performance.paired"
    if isinstance(found, Absent):
        return absent_check(name, found)
    if not found.blocks:
        said = f"{len(found.added)} are new, {len(found.removed)} are gone"
        return Check(
            id=name,
            status=Status.PASSED if found.added else Status.MALFORMED,
            message=f"no benchmark to compare with {found.base[:12]}: {said}",
            source=f"against {found.base[:12]}",
            remedy="" if found.added else "mark tests with performance, and use the fixture benchmark",
        )
    judged = {one: blocks for one, blocks in found.blocks.items() if _enough(blocks, found)}
    differences = compare(judged, slowdown=gates.slowdown)
    findings = waive(_paired_findings(name, found.blocks, differences, gates), gates.waivers, today)
    left = [one for one in findings if one.waiver is None]
    return Check(
        id=name,
        status=Status.FAILED if left else Status.PASSED,
        message="; ".join(_paired_words(found, differences, left)),
        measured=len(left),
        threshold=0,
        comparison="at most",
        unit="benchmarks",
        source=f"against {found.base[:12]}, {found.timer} time, seed {found.seed}",
        remedy="make them faster, or waive performance.paired for them" if left else "",
        findings=findings,
    )


def _enough(blocks: tuple[Block, ...], found: Paired) -> bool:
    return len(blocks) >= blocks_needed(len(found.blocks)) - 1


def _paired_findings(
    rule: str, blocks: Mapping[str, tuple[Block, ...]], differences: Mapping[str, Difference], gates: Gates
) -> Iterator[Finding]:
    for name, measured in blocks.items():
        one = differences.get(name)
        if one is None:
            said = f"only {len(measured)} blocks were measured: too few to tell"
        elif one.slower:
            said = (
                f"{one.ratio - 1:+.1%} ({one.low - 1:+.1%} to {one.high - 1:+.1%}), "
                f"noise ±{one.noise - 1:.1%}, p = {one.p:.2g}"
            )
        elif one.noise > 1 + gates.noise / 100:
            said = f"too noisy to tell: two copies of the old code differ by up to {one.noise - 1:.1%}"
        else:
            continue
        yield Finding(tool="toolkit", rule=rule, severity="medium", where=name, message=f"{name}: {said}")


def _paired_words(found: Paired, differences: Mapping[str, Difference], left: list[Finding]) -> Iterator[str]:
    slower = [name for name, one in differences.items() if one.slower]
    yield f"{len(slower)} of {len(found.blocks)} benchmarks are slower than {found.base[:12]}"
    unclear = len(left) - sum(one.where in slower for one in left)
    if unclear:
        yield f"of {unclear} it cannot be told"
    if differences:
        widest = max(differences.values(), key=lambda one: one.floor)
        yield f"slow-downs above {widest.floor - 1:.1%} count"
    if found.added or found.removed:
        yield f"{len(found.added)} are new, {len(found.removed)} are gone"
