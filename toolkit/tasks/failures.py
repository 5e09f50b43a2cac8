"""``invoke failures.*``: why tests fail, and which failures have one cause."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec
from invoke.collection import Collection
from invoke.context import Context
from invoke.exceptions import Exit
from rich.console import Console

from toolkit.analysis.failures import Diagnosis, classify_all
from toolkit.analysis.outages import outage_of
from toolkit.analysis.rules import Category
from toolkit.config import load_config
from toolkit.errors import InputError, UsageError
from toolkit.history.answers import PastFailure
from toolkit.history.imports import import_pending
from toolkit.history.store import open_history
from toolkit.junit.cases import JUnitCase
from toolkit.junit.reading import read_cases
from toolkit.records import Failure, NodeId, Outcome, node_id
from toolkit.reports.finding import OTHER_KINDS, find_reports
from toolkit.reports.phrases import moment
from toolkit.tasks import remedies, triage
from toolkit.tasks.door import print_json, task

AS_JSON = "print JSON and nothing else"
_MOST = 100_000
_SHOWN = 5


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """A cause as scripts see it."""

    cause: str
    confidence: float  # 0 to 1
    evidence: str


class Classified(msgspec.Struct, frozen=True, kw_only=True):
    """A failing case as scripts see it."""

    file: str  # the report that tells of it
    classname: str
    name: str
    category: Category
    causes: list[Told]
    group: str  # the same for failures with one cause


class Explained(msgspec.Struct, frozen=True, kw_only=True):
    """A failing test of the history as scripts see it."""

    test: NodeId
    run: str
    commit: str
    category: Category
    causes: list[Told]
    group: str
    signature: str
    outage: bool  # it came of an outage: no evidence about the test


class Failing(msgspec.Struct, kw_only=True):
    """A failing test of a report while the report is read."""

    file: str
    classname: str
    name: str
    outcome: Outcome
    failures: tuple[Failure, ...]


@task(
    positional=["paths"],
    iterable=["paths"],
    help={"paths": "JUnit XML files and folders to search; any number", "json": AS_JSON},
)
def classify(_context: Context, paths: list[str], *, json: bool = False) -> None:
    """Tell for each failing case of JUnit reports what kind of failure it is, why, and what it goes with.

    Exit code 0: every file was read; 3: some were not (all others are classified).
    """
    if not paths:
        raise UsageError("no path given", hint="invoke failures.classify --json FILE_OR_FOLDER …")
    failing, unread = _read(paths)
    found = classify_all((case.failures, case.outcome) for case in failing)
    if json:
        print_json([_classified(case, diagnosis) for case, diagnosis in zip(failing, found, strict=True)])
    else:
        _print_groups([case.name for case in failing], found)
    if unread:
        names = "\n".join(f"  {reason}" for reason in unread)
        raise Exit(f"{len(unread)} of the inputs could not be read:\n{names}", InputError.exit_code)


def _read(paths: Iterable[str]) -> tuple[list[Failing], list[str]]:
    found = find_reports(map(Path, paths))
    failing: list[Failing] = []
    unread = [f"{bad.path}: {bad.reason}" for bad in found.bad]
    for file in found.files:
        try:
            failing += _failing(file)
        except InputError as error:
            other = any(f"the root element is <{kind}>" in error.message for kind in OTHER_KINDS)
            if not (other and file in found.from_folders):
                unread.append(error.message)
    return failing, unread


def _failing(file: Path) -> list[Failing]:
    """Return the tests of one report whose last attempt was bad."""
    verdicts: dict[tuple[NodeId, int], Failing] = {}
    rounds: dict[NodeId, int] = defaultdict(int)
    for case in read_cases(file):
        if not case.outcome.bad and case.repeats is None:
            continue
        test = case.test
        rounds[test] += case.repeats is None
        key = (test, rounds[test])
        earlier = verdicts.pop(key, None)
        if case.continues and earlier is not None:
            earlier.failures += case.failures
            verdicts[key] = earlier
        elif case.outcome.bad:
            verdicts[key] = _of_case(str(file), case)
    return list(verdicts.values())


def _of_case(file: str, case: JUnitCase) -> Failing:
    failures = case.failures or tuple(trial.failure for trial in case.trials if trial.outcome.bad)
    return Failing(
        file=file, classname=case.classname, name=case.name, outcome=case.outcome, failures=failures
    )


def _classified(case: Failing, diagnosis: Diagnosis) -> Classified:
    return Classified(
        file=case.file,
        classname=case.classname,
        name=case.name,
        category=diagnosis.category,
        causes=_told(diagnosis),
        group=diagnosis.group,
    )


def _told(diagnosis: Diagnosis) -> list[Told]:
    return [
        Told(cause=cause.cause, confidence=cause.confidence, evidence=cause.evidence)
        for cause in diagnosis.causes
    ]


@task(name="list", help={"run": "id of the run (default: the newest)", "json": AS_JSON})
def list_(_context: Context, *, run: str = "", json: bool = False) -> None:
    """List the failures of a recorded run by their causes."""
    past = _past(run=run)
    explained, found = _explained(past)
    if json:
        print_json(explained)
        return
    _print_groups([row.test for row in explained], found)
    shielded = sum(row.outage for row in explained)
    if shielded:
        _console().print(f"{shielded} of them came of an outage: they say nothing about the tests")


@task(
    positional=["test"],
    help={
        "test": "node id, such as tests/test_a.py::test_b",
        "json": AS_JSON,
        "limit": "how many, newest first",
    },
)
def show(_context: Context, test: str, *, json: bool = False, limit: int = 3) -> None:
    """Explain the newest failures of one test: causes, evidence, traceback."""
    past = _past(test=node_id(test), limit=limit)
    if not past:
        raise UsageError(f"the history holds no failure of {test!r}", hint="invoke failures.list")
    explained, _ = _explained(past)
    if json:
        print_json(explained)
        return
    console = _console()
    for row, failed in zip(explained, past, strict=True):
        console.print(f"{row.run}: {row.category}, group {row.group}", markup=False)
        for cause in row.causes:
            console.print(f"  {cause.confidence:.2f} {cause.cause}\n       {cause.evidence}", markup=False)
        for line in moment(failed.evidence) if failed.evidence else ():
            console.print(f"  {line}", markup=False, highlight=False)
        console.print(failed.failure.traceback, markup=False, highlight=False)


def _past(*, run: str = "", test: str = "", limit: int = _MOST) -> list[PastFailure]:
    """Ask the history; of a run, only the last attempt of each test."""
    config = load_config()
    with open_history(config.history_url) as history:
        import_pending(history, config.state_dir)
        if test:
            return list(history.failures(test=test, limit=limit))
        newest = run or next((row.run for row in history.runs(limit=1)), "")
        found = history.failures(run=newest, limit=limit) if newest else ()
    last: dict[NodeId, PastFailure] = {}
    for failed in found:
        if failed.test not in last or failed.number > last[failed.test].number:
            last[failed.test] = failed
    return list(last.values())


def _explained(past: Sequence[PastFailure]) -> tuple[list[Explained], list[Diagnosis]]:
    found = classify_all(
        (((failed.failure,), failed.outcome) for failed in past), (failed.evidence for failed in past)
    )
    outages = outage_of([(failed.test, failed.started) for failed in past], found)
    rows = [
        Explained(
            test=failed.test,
            run=failed.run,
            commit=failed.commit,
            category=diagnosis.category,
            causes=_told(diagnosis),
            group=diagnosis.group,
            signature=diagnosis.signature.key,
            outage=index in outages,
        )
        for index, (failed, diagnosis) in enumerate(zip(past, found, strict=True))
    ]
    return rows, found


def _print_groups(names: Sequence[str], found: Sequence[Diagnosis]) -> None:
    groups: dict[str, list[int]] = defaultdict(list)
    for index, diagnosis in enumerate(found):
        groups[diagnosis.group].append(index)
    console = _console()
    console.print(f"{len(found)} failing tests, {len(groups)} causes")
    for members in sorted(groups.values(), key=len, reverse=True):
        best = found[members[0]].cause
        console.print(
            f"\n{len(members)} tests, {best.category}: {best.cause} ({best.confidence:.2f})", markup=False
        )
        console.print(f"  {best.evidence}", markup=False, highlight=False)
        for index in members[:_SHOWN]:
            console.print(f"  - {names[index]}", markup=False, highlight=False)
        if len(members) > _SHOWN:
            console.print(f"  … and {len(members) - _SHOWN} more")


def _console() -> Console:
    return Console(soft_wrap=True)


ns = Collection(
    "failures",
    classify,
    list_,
    show,
    triage.explain,
    triage.similar,
    triage.resolve,
    triage.changes,
    remedies.remediate,
)
