"""The coverage gate: of everything, of critical paths, of new code.

Percentages are compared as fractions: 94.999 % is not 95 %, and exactly 95 % is.
"""

from collections.abc import Iterable, Sequence
from fractions import Fraction

import msgspec

from toolkit.gates.globs import matches_path
from toolkit.gates.verdicts import Absent, Check, Finding, Status, absent_check, off_check


class FileCoverage(msgspec.Struct, frozen=True, kw_only=True):
    """How much of one file ran; branches count like lines, as coverage counts them."""

    path: str
    total: int
    covered: int


class Coverage(msgspec.Struct, frozen=True, kw_only=True):
    """A coverage report."""

    source: str
    files: tuple[FileCoverage, ...]


class NewFile(msgspec.Struct, frozen=True, kw_only=True):
    """The new or changed lines of a file that can be executed."""

    path: str
    covered: tuple[int, ...]
    missing: tuple[int, ...]


class NewCode(msgspec.Struct, frozen=True, kw_only=True):
    """What a diff brings.

    Attributes:
        base: the revision against which it is new.
        changed: lines of the diff in files that are measured.
        files: with their lines.
        unmeasured: changed source files that the coverage report does not know.
    """

    base: str
    changed: int
    files: tuple[NewFile, ...] = ()
    unmeasured: tuple[str, ...] = ()


def judge_overall(coverage: Coverage | Absent, threshold: float) -> Check:
    """Judge the whole project."""
    if isinstance(coverage, Absent):
        return absent_check("coverage.overall", coverage)
    return _judge_files("coverage.overall", coverage, coverage.files, threshold, "all files")


def judge_critical(coverage: Coverage | Absent, globs: Sequence[str], threshold: float) -> Check:
    """Judge the files that match any glob, together; each below the threshold is a finding."""
    name = "coverage.critical"
    if not globs:
        return off_check(name, "no critical paths are configured ([tool.toolkit.gates] critical_paths)")
    if isinstance(coverage, Absent):
        return absent_check(name, coverage)
    idle = [glob for glob in globs if not any(matches_path(file.path, glob) for file in coverage.files)]
    if idle:
        return Check(
            id=name,
            status=Status.MALFORMED,
            message=f"{', '.join(map(repr, idle))}: matches no file of the coverage report",
            source=coverage.source,
            remedy="correct critical_paths of [tool.toolkit.gates]",
        )
    chosen = [file for file in coverage.files if any(matches_path(file.path, glob) for glob in globs)]
    return _judge_files(name, coverage, chosen, threshold, "critical paths", details=True)


def judge_new(new: NewCode | Absent, threshold: float, *, tiny: int, tolerated: int) -> Check:
    """Judge new and changed lines.

    Args:
        new: what the diff brings.
        threshold: percent of its measured lines.
        tiny: a diff of fewer measured lines is tiny.
        tolerated: so many uncovered lines pass in a tiny diff, whatever the percentage.
    """
    name = "coverage.new"
    if isinstance(new, Absent):
        return absent_check(name, new)
    findings = tuple(_new_findings(new))
    covered = sum(len(file.covered) for file in new.files)
    missing = sum(len(file.missing) for file in new.files)
    source, total = f"diff against {new.base}", covered + missing
    if new.unmeasured:
        return Check(
            id=name,
            status=Status.FAILED,
            message=f"{len(new.unmeasured)} changed files are not in the coverage report: "
            + ", ".join(new.unmeasured[:5]),
            source=source,
            remedy="run the tests again with coverage, or omit the files in coverage's settings",
            findings=findings,
        )
    if not total:
        empty = "no line that can be executed is new" if new.changed else "the diff is empty"
        return Check(id=name, status=Status.PASSED, message=f"{empty}: nothing to cover", source=source)
    reached = _reached(covered, total, threshold)
    excused = not reached and total < tiny and missing <= tolerated
    said = f"{covered} of {total} new lines are covered"
    return Check(
        id=name,
        status=Status.PASSED if reached or excused else Status.FAILED,
        message=f"{said}; the diff is tiny: {missing} uncovered tolerated" if excused else said,
        measured=_percent(covered, total),
        threshold=threshold,
        comparison="at least",
        unit="%",
        source=source,
        remedy="" if reached or excused else "cover the lines that are listed",
        findings=findings,
    )


def told_new(new: NewCode | Absent) -> str:
    """Say in one line how much of the new code is covered, without judging it."""
    if isinstance(new, Absent):
        return f"not known: {new.reason}"
    check = judge_new(new, 0, tiny=0, tolerated=0)
    percent = "" if check.measured is None else f"{check.measured:.1f} %, "
    return f"{percent}{check.message} (against {new.base})"


def _judge_files(
    name: str,
    coverage: Coverage,
    files: Sequence[FileCoverage],
    threshold: float,
    what: str,
    *,
    details: bool = False,
) -> Check:
    total, covered = sum(file.total for file in files), sum(file.covered for file in files)
    if not total:
        return Check(
            id=name,
            status=Status.MALFORMED,
            message=f"{what}: the coverage report measured no statement",
            source=coverage.source,
            remedy="check source of [tool.toolkit], then run: nox -s ci",
        )
    passed = _reached(covered, total, threshold)
    return Check(
        id=name,
        status=Status.PASSED if passed else Status.FAILED,
        message=f"{what}: {covered:,} of {total:,} statements and branches are covered",
        measured=_percent(covered, total),
        threshold=threshold,
        comparison="at least",
        unit="%",
        source=coverage.source,
        remedy="" if passed else "see reports/coverage/index.html for what is not covered",
        findings=tuple(_below(name, files, threshold)) if details else (),
    )


def _below(name: str, files: Iterable[FileCoverage], threshold: float) -> Iterable[Finding]:
    for file in files:
        if file.total and not _reached(file.covered, file.total, threshold):
            said = f"{_percent(file.covered, file.total):.1f} % covered, {threshold:g} % are demanded"
            yield Finding(tool="coverage", rule=name, severity="medium", where=file.path, message=said)


def _new_findings(new: NewCode) -> Iterable[Finding]:
    for path in new.unmeasured:
        yield Finding(
            tool="coverage", rule="coverage.new", severity="medium", where=path,
            message="changed, and not in the coverage report",
        )  # fmt: skip
    for file in new.files:
        for first, last in line_ranges(file.missing):
            lines = f"line {first} is" if first == last else f"lines {first} to {last} are"
            yield Finding(
                tool="diff-cover", rule="coverage.new", severity="medium", where=file.path, line=first,
                message=f"new {lines} not covered",
            )  # fmt: skip


def line_ranges(lines: Iterable[int]) -> list[tuple[int, int]]:
    """Join neighbouring line numbers: 1, 2, 5 → (1, 2), (5, 5)."""
    found: list[tuple[int, int]] = []
    for line in sorted(set(lines)):
        if found and line == found[-1][1] + 1:
            found[-1] = (found[-1][0], line)
        else:
            found.append((line, line))
    return found


def _reached(covered: int, total: int, threshold: float) -> bool:
    return Fraction(covered * 100, total) >= Fraction(str(threshold))


def _percent(covered: int, total: int) -> float:
    return covered * 100 / total
