"""``invoke failures.remediate``: what mends the causes of failures, done and proven where possible."""

import os
import sys
import time
from collections.abc import Sequence

import msgspec
from invoke.context import Context
from invoke.exceptions import Exit

from toolkit.analysis.failures import classify_all
from toolkit.analysis.outages import outage_of
from toolkit.config import Config, load_config
from toolkit.errors import InputError, UsageError
from toolkit.history.store import History
from toolkit.leases.store import open_leases
from toolkit.records import RunRecord
from toolkit.remediation.acting import Outcome, Site, apply
from toolkit.remediation.ledger import Tried, helped_before, remember
from toolkit.remediation.table import Suggestion, suggestions
from toolkit.remediation.troubles import Trouble, troubles_of
from toolkit.reports.dashboard.sources import newest_build
from toolkit.tasks.door import print_json, task
from toolkit.tasks.history import opened

AS_JSON = "print JSON and nothing else"


class Remediation(msgspec.Struct, frozen=True, kw_only=True):
    """What was suggested and what was done, as scripts see it."""

    run: str
    failures: int
    groups: int
    suggestions: tuple[Suggestion, ...]
    outcomes: tuple[Outcome, ...]
    dry_run: bool


@task(
    help={
        "run": "id of the run (default: the newest)",
        "only": "name of a remedy: do no other",
        "dry_run": "only tell what would be done",
        "yes": "do the automatic ones without asking",
        "json": AS_JSON,
    }
)
def remediate(
    _context: Context,
    *,
    run: str = "",
    only: str = "",
    dry_run: bool = False,
    yes: bool = False,
    json: bool = False,
) -> None:
    """Suggest what mends the failures of a run; do the automatic remedies, and prove that they helped.

    Exit code 0: everything that was done has helped, or nothing was to be done; 1: something did not help.
    """
    config = load_config()
    with opened() as history:
        record = _record(history, run)
    found = _troubles(record)
    suggested = suggestions(found, helped_before(config.state_dir))
    chosen = [one for one in suggested if one.automatic and only in {"", one.remedy}]
    if only and not chosen:
        names = ", ".join(dict.fromkeys(one.remedy for one in suggested if one.automatic)) or "none"
        raise UsageError(f"--only: {only!r} does not fit these failures; automatic here: {names}")
    if not json:
        _print(record, found, suggested)
    asked = chosen if yes or dry_run else _confirmed(chosen, json=json)
    outcomes = () if dry_run else _act(config, record, asked, json=json)
    if json:
        print_json(
            Remediation(
                run=record.header.run,
                failures=sum(one.count for one in found),
                groups=len(found),
                suggestions=suggested,
                outcomes=outcomes,
                dry_run=dry_run,
            )
        )
    if not all(outcome.helped for outcome in outcomes):
        raise Exit("not everything that was done has helped", 1)


def _record(history: History, run: str) -> RunRecord:
    if run:
        record = history.record(run)
        if record is None:
            raise UsageError(f"no such run in the history: {run}", hint="invoke history.runs")
        return record
    newest = newest_build(history)
    if not newest:
        raise InputError("the history holds no run yet", hint="run a profile, for example: nox -s unit")
    return next(
        (record for record in reversed(newest) if any(case.outcome.bad for case in record.cases)), newest[-1]
    )


def _troubles(record: RunRecord) -> tuple[Trouble, ...]:
    bad = [case.attempts[-1] for case in record.cases if case.outcome.bad]
    evidence = [attempt.evidence for attempt in bad]
    found = classify_all(((attempt.failures, attempt.outcome) for attempt in bad), evidence)
    return troubles_of(
        found,
        [attempt.test for attempt in bad],
        evidence,
        outage_of([(attempt.test, attempt.started) for attempt in bad], found),
        profile=record.header.profile,
        python=record.header.python,
    )


def _confirmed(chosen: Sequence[Suggestion], *, json: bool) -> list[Suggestion]:
    """Ask for each; where nobody can answer nothing is done."""
    if not chosen:
        return []
    if json or not sys.stdin.isatty():
        print("nothing was done: add --yes to do the automatic ones", file=sys.stderr)  # noqa: T201 - a door prints
        return []
    return [
        one for one in chosen if input(f"{one.what} ({one.target})? [y/N] ").strip().lower() in {"y", "yes"}
    ]


def _act(
    config: Config, record: RunRecord, chosen: Sequence[Suggestion], *, json: bool
) -> tuple[Outcome, ...]:
    outcomes: list[Outcome] = []
    with open_leases() as store:
        site = Site(config=config, store=store, environ=os.environ, session=_session(record))
        for suggestion in chosen:
            outcome = apply(site, suggestion)
            outcomes.append(outcome)
            remember(
                config.state_dir,
                Tried(
                    at=time.time(),
                    remedy=outcome.remedy,
                    target=outcome.target,
                    group=outcome.group,
                    helped=outcome.helped,
                    told=f"{outcome.done}; {outcome.told}",
                    seconds=outcome.seconds,
                ),
            )
            if not json:
                word = "helped" if outcome.helped else "did not help"
                print(f"{outcome.remedy} {outcome.target}: {outcome.done}: {outcome.told}: {word}")  # noqa: T201 - a door prints
    return tuple(outcomes)


def _session(record: RunRecord) -> str:
    header = record.header
    minor = ".".join(header.python.split(".")[:2])
    return f"{header.profile}-{minor}" if header.profile and minor else ""


def _print(record: RunRecord, found: Sequence[Trouble], suggested: Sequence[Suggestion]) -> None:
    failures = sum(one.count for one in found)
    print(f"{record.header.run}: {failures} failures, {len(found)} causes")  # noqa: T201 - a door prints
    for one in suggested:
        kind = "automatic" if one.automatic else "by hand"
        target = f" [{one.target}]" if one.target else ""
        print(f"\n{one.score:.2f} {one.remedy} ({kind}){target}: {one.what}")  # noqa: T201 - a door prints
        print(f"     for {one.count} failures: {one.cause}")  # noqa: T201 - a door prints
        for step in one.steps:
            print(f"     - {step}")  # noqa: T201 - a door prints
        print(f"     helped when {one.verified}")  # noqa: T201 - a door prints
