"""Declares one Nox session per profile and Python; the body reads as the list of its steps."""

import contextlib
import os
import re
import time
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import nox
from nox.command import CommandFailed

from toolkit.config import Config, Profile
from toolkit.config.validation import unknown
from toolkit.errors import ToolkitError, UsageError
from toolkit.records import RunRecord
from toolkit.sessions.command import pytest_command, split_words
from toolkit.sessions.measuring import write_coverage_config
from toolkit.sessions.recording import (
    Run,
    Settled,
    begin_run,
    current_build,
    prune_runs,
    remove_run,
    settle,
    settle_earlier,
)
from toolkit.sessions.requirements import install_arguments
from toolkit.sessions.summary import Ended, earlier_line, exit_words, run_lines

NO_TESTS = 5
"""pytest's exit code when no test was selected."""

INTERRUPTED = 2
"""pytest's exit code after Ctrl-C."""

INTERRUPT_TIMEOUT = 20.0
"""Seconds that pytest gets after Ctrl-C to tear its fixtures down."""


def add_profile_sessions(
    config: Config, *, only: Iterable[str] | None = None, default: Iterable[str] = ("unit",)
) -> None:
    """Declare one session per profile and Python: ``unit`` (all Pythons), ``unit-3.12`` and so on.

    Args:
        config: from :func:`toolkit.config.load_config`.
        only: names of the profiles to declare; None: all.
        default: names of those that a bare ``nox`` runs.

    Raises:
        UsageError: ``only`` or ``default`` name an unknown profile.
    """
    chosen = tuple(config.profiles if only is None else only)
    for name in (*chosen, *default):
        if name not in config.profiles:
            raise UsageError(unknown("profile", name, config.profiles))
    if config.environment == "ci":
        nox.options.error_on_missing_interpreters = True
    current_build(os.environ)
    for name in chosen:
        profile = config.profiles[name]
        nox.session(
            name=name,
            python=list(profile.pythons or config.pythons),
            tags=list(profile.tags),
            default=name in set(default),
        )(_session_body(name, profile, config))


def _session_body(name: str, profile: Profile, config: Config) -> Callable[[nox.Session], None]:
    def body(session: nox.Session) -> None:
        try:
            run_profile(session, name, profile, config)
        except ToolkitError as error:
            session.error(str(error))

    body.__name__ = name
    body.__doc__ = profile.description or f"The profile {name!r} of [tool.toolkit.profiles]."
    return body


def run_profile(session: nox.Session, name: str, profile: Profile, config: Config) -> None:
    """Run one profile in the session's environment: install, run, record, report, judge."""
    with contextlib.chdir(config.root):
        _install(session, profile, config)
        for left in settle_earlier(config):
            session.warn(earlier_line(left))
        run = begin_run(config, name=session.name, profile=name, build=current_build(os.environ))
        command = pytest_command(
            config, profile, session.posargs, coverage_config=_coverage(run, profile, config)
        )
        started = time.monotonic()
        try:
            exit_code = _run_pytest(session, command, {**profile.env, **run.variables})
        except KeyboardInterrupt:
            _conclude(session, config, run, _ended(run, command, started, INTERRUPTED))
            raise
        if exit_code is None:  # nox --install-only
            remove_run(run.folder)
            return
        settled = _conclude(session, config, run, _ended(run, command, started, exit_code))
        _judge(session, exit_code, settled)


def _install(session: nox.Session, profile: Profile, config: Config) -> None:
    if session.venv_backend == "none":
        session.log("no environment of its own: the tests run in the one that runs Nox")
        return
    document = read_document(config.root)
    session.install(*install_arguments(config, profile, document, benchmarks=profile.benchmarks != "off"))


def read_document(root: Path) -> dict[str, Any]:
    """Return the parsed pyproject.toml of a project, an empty one where there is none."""
    file = root / "pyproject.toml"
    return tomllib.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}


def _coverage(run: Run, profile: Profile, config: Config) -> Path | None:
    if not profile.coverage:
        return None
    file = write_coverage_config(config.root, run.folder, source=config.source, context=run.name)
    return file.relative_to(config.root) if file.is_relative_to(config.root) else file


def _run_pytest(session: nox.Session, command: Sequence[str], variables: Mapping[str, str]) -> int | None:
    """Run pytest and return its exit code; negative: the signal that killed it; None: nothing was run."""
    env: dict[str, str | None] = {**variables, "PYTHONDONTWRITEBYTECODE": None}
    try:
        ran = session.run(*command, env=env, interrupt_timeout=INTERRUPT_TIMEOUT, terminate_timeout=10.0)
    except CommandFailed as error:
        return exit_code_of(error)
    return None if ran is None else 0


def exit_code_of(error: CommandFailed) -> int:
    """Return the code with which a command of Nox ended; 1 when Nox does not say it."""
    code = getattr(error, "return_code", None)  # younger than the oldest supported Nox
    if code is None:
        found = re.fullmatch(r"Returned code (-?\d+)", error.reason or "")
        code = found[1] if found else 1
    return int(code)


def _ended(run: Run, command: Sequence[str], started: float, exit_code: int) -> Ended:
    seconds = time.monotonic() - started
    return Ended(name=run.name, command=tuple(command), seconds=seconds, exit_code=exit_code)


def _conclude(session: nox.Session, config: Config, run: Run, ended: Ended) -> Settled:
    """Record, report and say what happened, however pytest ended."""
    settled = settle(config, run.folder)
    for line in run_lines(ended, settled):
        session.log(line.replace("%", "%%"))
    prune_runs(config)
    return settled


def _judge(session: nox.Session, exit_code: int, settled: Settled) -> None:
    """Fail the session unless pytest was content or the project has no test of this kind."""
    if exit_code == 0:
        return
    if exit_code == NO_TESTS and nothing_of_this_kind(session.posargs, settled.record):
        session.warn(f"{session.name}: NO TEST of this kind in the project; nothing was tested")
        return
    raise CommandFailed(f"pytest: {exit_words(exit_code)}")


def nothing_of_this_kind(posargs: Sequence[str], record: RunRecord | None) -> bool:
    """Tell whether the profile itself left out every test, not the user's own arguments.

    A project without a single test is no such case: that is an error.
    """
    return not split_words(posargs)[1] and record is not None and not record.cases and record.deselected > 0
