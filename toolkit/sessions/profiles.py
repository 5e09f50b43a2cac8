"""Declares one Nox session per profile and Python; the body reads as the list of its steps."""

import functools
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import msgspec
import nox
from nox.command import CommandFailed

from toolkit.config import Config, Profile
from toolkit.config.needs import read_document
from toolkit.config.profiles import described
from toolkit.config.validation import unknown
from toolkit.errors import UsageError
from toolkit.journal import read_run
from toolkit.records import RunRecord
from toolkit.sessions.command import pytest_command, split_words
from toolkit.sessions.coverage import add_coverage_session, judge_coverage
from toolkit.sessions.guarding import guarded
from toolkit.sessions.measuring import write_coverage_config
from toolkit.sessions.naming import explain_unknown_sessions
from toolkit.sessions.providing import provided
from toolkit.sessions.queueing import queue, queue_coverage
from toolkit.sessions.recording import Run, begin_run, current_build, remove_run, settle, settle_earlier
from toolkit.sessions.reporting import merged_folder, report_run
from toolkit.sessions.requirements import install_arguments
from toolkit.sessions.running import run_pytest
from toolkit.sessions.summary import Ended, earlier_lines, exit_words, run_lines
from toolkit.sessions.tools import begin_judged, leave_judged

NO_TESTS = 5
"""pytest's exit code when no test was selected."""

JUDGED = ("security",)
"""Profiles whose findings the gates ask for."""

INTERRUPTED = 2
"""pytest's exit code after Ctrl-C."""


def add_profile_sessions(
    config: Config,
    *,
    only: Iterable[str] | None = None,
    default: Iterable[str] = ("unit",),
    alongside: Mapping[str, Sequence[str]] | None = None,
) -> None:
    """Declare one session per profile and Python: ``unit`` (all Pythons), ``unit-3.12`` and so on.

    Args:
        config: from :func:`toolkit.config.load_config`.
        only: names of the profiles to declare; None: all.
        default: names of those that a bare ``nox`` runs.
        alongside: profile → other sessions that run after it, whatever its result: ``nox -s ci`` may mean
            lint and typecheck too.

    Raises:
        UsageError: an unknown profile is named.
    """
    chosen = tuple(config.profiles if only is None else only)
    together = alongside or {}
    for name in (*chosen, *default, *together):
        if name not in config.profiles:
            raise UsageError(unknown("profile", name, config.profiles))
    if config.environment == "ci":
        nox.options.error_on_missing_interpreters = True
    explain_unknown_sessions()
    current_build(os.environ)
    defaults = set(default)
    if any(config.profiles[name].coverage for name in chosen):
        add_coverage_session(config)
    for name in chosen:
        _declare(config, name, default=name in defaults, alongside=together.get(name, ()))


def _declare(config: Config, name: str, *, default: bool, alongside: Sequence[str]) -> None:
    profile = config.profiles[name]
    body = guarded(
        functools.partial(run_profile, name=name, alongside=alongside),
        config,
        name=name,
        description=described(name, profile),
    )
    pythons = list(profile.pythons or config.pythons)
    nox.session(name=name, python=pythons, tags=list(profile.tags), default=default)(body)


def run_profile(session: nox.Session, config: Config, name: str, alongside: Sequence[str] = ()) -> None:
    """Run one profile in the session's environment: install, run, record, report, judge."""
    profile = config.profiles[name]
    queue(session, alongside)
    together = profile.coverage and queue_coverage(session)
    _install(session, profile, config)
    for line in earlier_lines(settle_earlier(config)):
        session.warn(line)
    with provided(session, config, profile) as urls:
        run = begin_run(config, name=session.name, profile=name, build=current_build(os.environ))
        code = begin_judged(config, run.name) if name in JUDGED else None
        ended = _run_recorded(session, config, run, urls)
    if ended is None:  # nox --install-only
        remove_run(run.folder)
        return
    if code is not None and not session.posargs:
        leave_judged(config, run.name, code, {"pytest": ended.exit_code})
    _judge(ended)
    if profile.coverage and not together and not ended.excused:
        runs = [(run.folder, read_run(run.folder))]
        judge_coverage(session, config, runs, config.reports_dir / run.name)


def _run_recorded(session: nox.Session, config: Config, run: Run, urls: Mapping[str, str]) -> Ended | None:
    """Run pytest; record, report and say what happened, however it ended. None: nothing was to run."""
    profile = config.profiles[run.profile]
    measured = _coverage(run, profile, config)
    config.reports_dir.mkdir(parents=True, exist_ok=True)  # pytest-benchmark opens its file at once
    command = pytest_command(config, profile, session.posargs, coverage_config=measured)
    started = time.monotonic()
    try:
        exit_code = run_pytest(session, command, {**profile.env, **urls, **run.variables})
    except KeyboardInterrupt:
        _conclude(session, config, run, _ended(run, command, started, INTERRUPTED))
        raise
    if exit_code is None:
        return None
    return _conclude(session, config, run, _ended(run, command, started, exit_code))


def _install(session: nox.Session, profile: Profile, config: Config) -> None:
    if session.venv_backend == "none":
        session.log("no environment of its own: the tests run in the one that runs Nox")
        return
    if profile.resolution != "highest" and session.venv_backend != "uv":
        raise UsageError(
            f"{session.name}: resolution = {profile.resolution!r} needs uv, this is {session.venv_backend}",
            hint="pip install uv",
        )
    document = read_document(config.root)
    session.install(*install_arguments(config, profile, document, benchmarks=profile.benchmarks != "off"))


def _coverage(run: Run, profile: Profile, config: Config) -> Path | None:
    if not profile.coverage:
        return None
    file = write_coverage_config(config.root, run.folder, source=config.source, context=run.name)
    return file.relative_to(config.root) if file.is_relative_to(config.root) else file


def _ended(run: Run, command: Sequence[str], started: float, exit_code: int) -> Ended:
    seconds = time.monotonic() - started
    return Ended(name=run.name, command=tuple(command), seconds=seconds, exit_code=exit_code)


def _conclude(session: nox.Session, config: Config, run: Run, ended: Ended) -> Ended:
    """Record, report and say what happened, however pytest ended."""
    settled = settle(config, run.folder)
    record = settled.record
    excused = ended.exit_code == NO_TESTS and nothing_of_this_kind(session.posargs, record)
    ended = msgspec.structs.replace(ended, excused=excused)
    summary = None if record is None else report_run(config, run, record)
    for line in run_lines(ended, settled, summary=summary, reports=merged_folder(config)):
        session.log(line)
    return ended


def _judge(ended: Ended) -> None:
    """Fail the session unless pytest was content or the project has no test of this kind."""
    if ended.exit_code != 0 and not ended.excused:
        raise CommandFailed(f"pytest: {exit_words(ended.exit_code)}")


def nothing_of_this_kind(posargs: Sequence[str], record: RunRecord | None) -> bool:
    """Tell whether the profile itself left out every test, not the user's own arguments.

    A project without a single test is no such case: that is an error.
    """
    return not split_words(posargs)[1] and record is not None and not record.cases and record.deselected > 0
