"""``invoke gates.*``: may this be merged?"""

import datetime as dt
import os
import secrets
from pathlib import Path
from typing import Any

import msgspec
from invoke.collection import Collection
from invoke.context import Context
from invoke.exceptions import Exit

from toolkit.config import Config, load_config
from toolkit.config.validation import unknown
from toolkit.errors import UsageError
from toolkit.gates.arms import Measured
from toolkit.gates.checking import GATES, check_gates, failed_checks, status_line
from toolkit.gates.interleaving import RESULT, Effort, compare_trees
from toolkit.gates.lockstep import Pace
from toolkit.gates.newcode import base_revision
from toolkit.gates.pairing import Difference, Paired, compare
from toolkit.gates.performance import judge_paired
from toolkit.gates.schema import schema as report_schema
from toolkit.gates.turntaking import TIMERS
from toolkit.gates.verdicts import Absent, Gate, Report
from toolkit.gates.writing import JSON, markdown, write_report
from toolkit.gates.writing import annotations as annotation_lines
from toolkit.impact.changes import base_of
from toolkit.reports.writing import place
from toolkit.tasks.collecting import find_profile, interpreter
from toolkit.tasks.door import print_json, task
from toolkit.tasks.tables import print_table, wide_console

AS_JSON = "print JSON and nothing else"
_THRESHOLDS = {
    "coverage_threshold": ("thresholds", "coverage", "percent of everything"),
    "coverage_critical_threshold": ("thresholds", "coverage_critical", "percent of critical paths"),
    "coverage_new_threshold": ("thresholds", "coverage_new", "percent of new and changed lines"),
    "performance_threshold": ("gates", "performance", "milliseconds that a benchmark may take"),
    "security_critical_max": ("gates", "security_critical_max", "critical findings that are allowed"),
    "security_high_max": ("gates", "security_high_max", "findings of high severity that are allowed"),
    "security_medium_max": ("gates", "security_medium_max", "findings of medium severity that are allowed"),
    "security_low_max": ("gates", "security_low_max", "findings of low severity that are allowed"),
    "reliability_threshold": ("thresholds", "reliability", "percent of runs without contradiction"),
    "slowdown": ("gates", "slowdown", "percent by which a benchmark may be slower than old code"),
    "flaky_max": ("gates", "flaky_max", "flaky tests that are allowed outside of quarantine"),
}
"""Option → table and key of the configuration that it stands for, and its meaning."""


@task(
    iterable=["only"],
    help={
        **{
            option.replace("_", "-"): f"{meaning}; default: {key} of [tool.toolkit.{table}]"
            for option, (table, key, meaning) in _THRESHOLDS.items()
        },
        "base": "the revision against which code is new; default: of the merge request, else the main branch",
        "only": f"a gate to judge, may be repeated: {', '.join(GATES)}; default: all",
        "output": "folder of the reports; default: the project's",
        "annotations": "also print annotations for GitHub; default: in GitHub Actions",
        "json": AS_JSON,
    },
)
def check(
    _context: Context,
    *,
    coverage_threshold: str = "",
    coverage_critical_threshold: str = "",
    coverage_new_threshold: str = "",
    performance_threshold: str = "",
    security_critical_max: str = "",
    security_high_max: str = "",
    security_medium_max: str = "",
    security_low_max: str = "",
    reliability_threshold: str = "",
    slowdown: str = "",
    flaky_max: str = "",
    base: str = "",
    only: list[str],
    output: str = "",
    annotations: bool = False,
    json: bool = False,
) -> None:
    """Judge coverage, performance, security, reliability, static checks; exit code 1 when a gate fails."""
    given = {option: value for option, value in locals().items() if option in _THRESHOLDS and value != ""}
    wrong = [name for name in only if name not in GATES]
    if wrong:
        raise UsageError(f"--only: {unknown('gate', wrong[0], GATES)}")
    config = with_options(load_config(), given)
    report = check_gates(config, now=now(), environ=os.environ, base=base, only=only or GATES)
    folder = Path(output) if output else config.reports_dir
    write_report(report, folder)
    asked = annotations or os.environ.get("GITHUB_ACTIONS") == "true"
    _tell_ci(report, annotate=asked and not json)
    if json:
        print_json(report)
    else:
        _tell(report, folder)
    if not report.passed:
        failed = ", ".join(check.id for check in failed_checks(report))
        raise Exit(None if json else f"not fit to be merged: {failed}", 1)


def now() -> dt.datetime:
    """Return the time that decides which waivers hold."""
    return dt.datetime.now(tz=dt.UTC)


def with_options(config: Config, given: dict[str, str]) -> Config:
    """Lay the options of the command line over the configuration.

    Raises:
        UsageError: a value is no number, or out of range.
    """
    tables: dict[str, Any] = {"thresholds": config.thresholds, "gates": config.gates}
    for option, text in given.items():
        table, key, _ = _THRESHOLDS[option]
        kind = next(field.type for field in msgspec.structs.fields(tables[table]) if field.name == key)
        try:
            value = msgspec.convert(text, kind, strict=False)
        except msgspec.ValidationError as error:
            raise UsageError(f"--{option.replace('_', '-')}={text}: {str(error).lower()}") from error
        tables[table] = msgspec.structs.replace(tables[table], **{key: value})
    return msgspec.structs.replace(config, **tables)


def _tell(report: Report, folder: Path) -> None:
    console = wide_console()
    for gate in report.gates:
        print_table(console, f"{gate.name}: {gate.status.value}", _HEADINGS, _cells(gate))
    for line in (status_line(check) for check in failed_checks(report)):
        console.print(line, markup=False, highlight=False)
    for one in report.waivers:
        if one.state != "used":
            console.print(f"waiver {one.name} is {one.state}: remove it", markup=False, highlight=False)
    console.print(f"report: {folder / JSON}", markup=False, highlight=False)


_HEADINGS = ("check", "status", "measured", "demanded", "what")


def _cells(gate: Gate) -> list[tuple[str, ...]]:
    return [
        (
            check.id,
            check.status.value,
            "" if check.measured is None else f"{check.measured:.6g} {check.unit}",
            "" if check.threshold is None else f"{check.comparison} {check.threshold:g}",
            check.message,
        )
        for check in gate.checks
    ]


def _tell_ci(report: Report, *, annotate: bool) -> None:
    """Write what a CI system shows: annotations on standard output, the job summary to its file."""
    if annotate:
        for line in annotation_lines(report):
            print(line)  # noqa: T201 - a door prints
    summary = os.environ.get("GITHUB_STEP_SUMMARY")
    if summary:
        with Path(summary).open("a", encoding="utf-8") as stream:
            stream.write(markdown(report))


@task(
    iterable=["arguments"],
    help={
        "base": "the revision of the old code; default: of the merge request, else the main branch",
        "timer": "wall: time that passes; cpu: that the process computes, for machines shared with others",
        "blocks": "measurements of each arm at least",
        "most": "measurements of each arm at most, while the noise is above what matters",
        "seconds": "of measurement for each benchmark in each process, about",
        "slowdown": "percent that do not matter; default: slowdown of [tool.toolkit.gates]",
        "seed": "of the order of measurements; default: by chance",
        "prepare": "a command that makes a fresh check-out usable, such as a build of extensions",
        "python": "the Python that runs the benchmarks; default: the Nox environment of the profile",
        "profile": "whose environment, markers and paths",
        "arguments": "a pytest argument instead of the profile's, may be repeated",
        "json": AS_JSON,
    },
)
def performance(
    _context: Context,
    *,
    base: str = "",
    timer: str = "wall",
    blocks: int = 12,
    most: int = 30,
    seconds: float = 0.1,
    slowdown: str = "",
    seed: int = -1,
    prepare: str = "",
    python: str = "",
    profile: str = "performance",
    arguments: list[str],
    json: bool = False,
) -> None:
    """Measure the benchmarks of old and new code in turn; exit code 1 when one became slower."""
    config = with_options(load_config(), {"slowdown": slowdown} if slowdown else {})
    if timer not in TIMERS:
        raise UsageError(f"--timer: {unknown('timer', timer, TIMERS)}")
    if blocks < 1 or most < 0 or seconds <= 0:
        raise UsageError("--blocks and --seconds must be above 0, --most not below")
    revision = base_revision(config, os.environ, base)
    if isinstance(revision, Absent):
        raise UsageError(revision.reason, hint=revision.remedy)
    measured = Measured(
        python=python or interpreter(config.root, profile),
        arguments=tuple(arguments or benchmarks_of(config, profile)),
        source=config.source,
    )
    pace = Pace(timer=timer, seconds=seconds)
    effort = Effort(
        least=blocks, most=most, slowdown=config.gates.slowdown,
        seed=seed if seed >= 0 else secrets.randbits(31),
    )  # fmt: skip
    commit = base_of(config.root, revision)
    found = compare_trees(
        config, commit, measured, pace, effort, prepare=prepare, say=(lambda _line: None) if json else _say
    )
    encoded = msgspec.json.format(msgspec.json.encode(found), indent=2).decode()
    place(config.reports_dir / RESULT, [encoded, "\n"])
    check = judge_paired(found, config.gates, now().date())
    if json:
        print_json({"check": check, "benchmarks": _differences(found, config)})
    else:
        _tell_paired(found, config)
        wide_console().print(status_line(check), markup=False, highlight=False)
    if not check.status.good:
        raise Exit(code=1)


def benchmarks_of(config: Config, name: str) -> list[str]:
    """Return the pytest arguments of a profile that decide which benchmarks run."""
    profile = find_profile(config, name)
    markers = ["-m", profile.markers] if profile.markers else []
    return [*markers, *(profile.paths or config.tests)]


def _differences(found: Paired, config: Config) -> dict[str, Difference]:
    return compare(
        {name: blocks for name, blocks in found.blocks.items() if blocks}, slowdown=config.gates.slowdown
    )


def _tell_paired(found: Paired, config: Config) -> None:
    cells = (
        (
            name, str(len(found.blocks[name])), f"{one.ratio - 1:+.2%}",
            f"{one.low - 1:+.2%} to {one.high - 1:+.2%}", f"±{one.noise - 1:.2%}", f"{one.p:.2g}",
            "slower" if one.slower else "",
        )
        for name, one in _differences(found, config).items()
    )  # fmt: skip
    headings = ("benchmark", "blocks", "new to old", "98 %", "noise", "p", "verdict")
    print_table(wide_console(), f"Against {found.base[:12]}, {found.timer} time", headings, cells)


def _say(line: str) -> None:
    wide_console().print(line, markup=False, highlight=False)


@task(help={})
def schema(_context: Context) -> None:
    """Print the JSON schema of quality-gates-report.json."""
    print_json(report_schema())


ns = Collection(check, performance, schema)
