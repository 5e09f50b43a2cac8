"""A whole JUnit file as run records: what the history imports.

A run has one result per test. So a file that merges a matrix (the same tests in several suites) becomes
several runs. Reading a file twice gives the same run ids: those of the toolkit's own property, or a digest of
the content.
"""

import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from msgspec.structs import replace

from toolkit.errors import InputError
from toolkit.junit.cases import JUnitCase, Suite
from toolkit.junit.reading import read_cases
from toolkit.records import Attempt, CaseResult, NodeId, Outcome, RunRecord, RunStarted

UNTOLD = "it was run again; the report does not say how it failed"
"""Reason of an attempt whose element is empty, although another one follows (pytest-rerunfailures)."""


def read_runs(path: Path) -> tuple[RunRecord, ...]:
    """Read one file whole.

    Raises:
        InputError: the file cannot be read to its end; nothing of it is returned.
    """
    try:
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        changed = path.stat().st_mtime
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error
    return runs_of(read_cases(path), run=f"junit-{digest[:24]}", started=changed)


class _Draft:
    """A run while its cases come in."""

    def __init__(self, header: RunStarted) -> None:
        self.header = header
        self.clock = header.started
        self.attempts: dict[NodeId, list[Attempt]] = {}

    def add(self, case: JUnitCase) -> None:
        """Take the attempts that one element tells of."""
        known = self.attempts.setdefault(case.test, [])
        attempts = case.attempts(started=self.clock)
        if case.continues and known:
            known[-1] = _continued(known[-1], attempts[0])
        else:
            if case.betrays and known:
                known[-1] = replace(known[-1], outcome=Outcome.FAILED, reason=UNTOLD)
            known.extend(attempts)
        self.clock += case.total

    def record(self) -> RunRecord:
        """Return what came in."""
        cases = (CaseResult(test=test, attempts=tuple(tries)) for test, tries in self.attempts.items())
        return RunRecord(header=self.header, cases=tuple(cases), finished=self.clock)


def runs_of(cases: Iterable[JUnitCase], *, run: str, started: float) -> tuple[RunRecord, ...]:
    """Arrange cases as runs.

    Args:
        cases: those of one file.
        run: id of the run where the file does not name one.
        started: Unix seconds, where the file does not say.
    """
    drafts: dict[str, _Draft] = {}
    round_of: dict[tuple[str, NodeId], int] = {}
    for case in cases:
        own = case.suite.properties.get("toolkit.run") or run
        key = (own, case.test)
        if case.repeats is None:
            round_of[key] = round_of.get(key, 0) + 1
        number = round_of[key]
        name = own if number == 1 else f"{own}-{number}"
        if name not in drafts:
            drafts[name] = _Draft(_header(case.suite, name, started))
        drafts[name].add(case)
    return tuple(draft.record() for draft in drafts.values())


def _header(suite: Suite, run: str, started: float) -> RunStarted:
    told = {
        name.removeprefix("toolkit."): value
        for name, value in suite.properties.items()
        if name.startswith("toolkit.")
    }
    return RunStarted(
        run=run,
        started=_unix(suite.timestamp) or started,
        build=told.get("build", ""),
        project=told.get("project", ""),
        profile=told.get("profile", ""),
        python=told.get("python", ""),
        platform=told.get("platform", ""),
        host=suite.host,
        environment=told.get("environment", "local"),
        commit=told.get("commit", ""),
        branch=told.get("branch", ""),
        shard=told.get("shard", ""),
    )


def _unix(timestamp: str) -> float | None:
    """Read ISO 8601; without an offset it is UTC, since nobody can know the zone of the machine."""
    try:
        moment = datetime.fromisoformat(timestamp.strip())
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


def _continued(attempt: Attempt, rest: Attempt) -> Attempt:
    """Add the tear-down that the runner wrote as an element of its own."""
    return replace(
        attempt,
        failures=attempt.failures + rest.failures,
        duration=attempt.duration + rest.duration,
        teardown=rest.duration,
    )
