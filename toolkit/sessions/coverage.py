"""The coverage session: data of all profiles and Pythons of a nox command → one report, one judgement.

It runs once, after the last session that measured, because only all of them together say what no test
reached: code for one Python is not covered on another.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import nox

from toolkit.config import Config
from toolkit.gates.coverage import told_new
from toolkit.gates.identity import code_identity
from toolkit.gates.newcode import base_revision, read_new_code
from toolkit.records import RunRecord
from toolkit.reports.coverage import CoverageReport, combine_coverage, find_data
from toolkit.reports.writing import write_reports
from toolkit.sessions.guarding import fail, guarded
from toolkit.sessions.recording import current_build, runs_of_build

SESSION = "coverage"

LATER = "TOOLKIT_COVERAGE"
"""Environment variable; ``later``: this machine has only a part, whoever has all of it will judge."""

Runs = Sequence[tuple[Path, RunRecord]]
"""Folder and record of some runs."""


def add_coverage_session(config: Config) -> None:
    """Declare the session ``coverage``: of this nox command, or by itself of the last one that measured."""
    description = "Combine the coverage of all sessions, report it, fail below a demanded percentage"
    body = guarded(report_coverage, config, name=SESSION, description=description)
    nox.session(name=SESSION, python=False, default=False)(body)


def report_coverage(session: nox.Session, config: Config) -> None:
    """Combine, report and judge the coverage of this nox command, or of the last that measured."""
    judge_coverage(session, config, measured_runs(config, current_build(os.environ)), config.reports_dir)


def measured_runs(config: Config, build: str) -> Runs:
    """Return the runs of a build; where none of them measured, those of the last build that did."""
    runs = list(runs_of_build(config, build))
    if any(find_data(folder) for folder, _ in runs):
        return runs
    every = list(runs_of_build(config, None))
    last = next((record.header.build for folder, record in reversed(every) if find_data(folder)), build)
    return [(folder, record) for folder, record in every if record.header.build == last]


def judge_coverage(session: nox.Session, config: Config, runs: Runs, target: Path) -> None:
    """Combine the data of some runs, write the reports, and fail the session below a demanded percentage.

    Raises:
        InputError: there is no data, or none that can be used.
    """
    code = measured_code(config, runs)
    report = combine_coverage(data_by_session(runs), target, root=config.root, code=code)
    write_reports([record for _, record in runs], target, coverage=report.total.percent)
    for line in report.lines():
        session.log(line)
    if target == config.reports_dir:  # the one that the gates read, too
        session.log(f"new code: {told_new(read_new_code(config, base_revision(config, os.environ)))}")
    session.log(f"coverage: {target / 'coverage' / 'index.html'}")
    if os.environ.get(LATER) == "later":
        session.log(f"coverage is not judged here: {LATER}=later")
        return
    for name in partial_profiles(runs):
        session.log(f"coverage of profile {name} is not judged: these are not all of its shards")
    short = list(shortfalls(report, demands(config, runs)))
    if short:
        fail(session, "; ".join(short))


def measured_code(config: Config, runs: Runs) -> dict[str, str]:
    """Return commit and fingerprint of the code that was measured, see :mod:`toolkit.gates.identity`.

    What the runs say counts: the code may have been edited between them and this report. A run knows its
    commit and whether anything was changed beside it.
    """
    head, state = code_identity(config)
    for _, record in runs:
        if head and record.header.commit not in {"", head}:
            return {"head": record.header.commit, "state": ""}
        if state and record.header.commit and not record.header.dirty:
            state = ""
    return {"head": head, "state": state}


def data_by_session(runs: Runs) -> dict[str, tuple[Path, ...]]:
    """Group the data files by session: profile and Python."""
    groups: dict[str, tuple[Path, ...]] = {}
    for folder, record in runs:
        name = f"{record.header.profile}-{'.'.join(record.header.python.split('.')[:2])}"
        groups[name] = (*groups.get(name, ()), *find_data(folder))
    return {name: files for name, files in groups.items() if files}


def demands(config: Config, runs: Runs) -> dict[str, float]:
    """Return profile → percentage, for those that ran completely and fail below one."""
    partial = partial_profiles(runs)
    names = dict.fromkeys(record.header.profile for _, record in runs if record.header.profile not in partial)
    profiles = ((name, config.profiles[name]) for name in names if name in config.profiles)
    return {
        name: config.thresholds.coverage if profile.coverage_threshold is None else profile.coverage_threshold
        for name, profile in profiles
        if profile.coverage and profile.fail_under
    }


def partial_profiles(runs: Runs) -> tuple[str, ...]:
    """Return the profiles of which some shard is not among the runs: what it reached is not known."""
    shards: dict[tuple[str, str], set[str]] = {}
    for _, record in runs:
        if record.header.shard:
            shards.setdefault((record.header.profile, record.header.python), set()).add(record.header.shard)
    return tuple(
        dict.fromkeys(profile for (profile, _), found in shards.items() if len(found) < _count(found))
    )


def _count(shards: Iterable[str]) -> int:
    return max(int(shard.partition("/")[2] or 1) for shard in shards)


def shortfalls(report: CoverageReport, demanded: Mapping[str, float]) -> Iterable[str]:
    """Yield what is below a demanded percentage. 94.999 % is not 95 %, whatever rounding would say."""
    percent = report.total.percent
    for profile, wanted in demanded.items():
        if percent < wanted:
            missing = report.total.missing + report.total.missing_branches
            yield (
                f"coverage {percent:.2f} % is below the {wanted:g} % that profile {profile} demands: "
                f"{missing:,} statements and branches were not reached"
            )
