"""``invoke flaky.*``: tests that fail sometimes, and the quarantine that keeps them from failing builds."""

import datetime as dt
import shlex
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path

import msgspec
from invoke.collection import Collection
from invoke.context import Context
from invoke.exceptions import Exit

from toolkit.analysis.confirmation import Confirmation
from toolkit.analysis.flakiness import flakiness_of
from toolkit.analysis.flaky import FlakyTest, same_code, seen_of
from toolkit.analysis.past import Past, past_of
from toolkit.analysis.quarantine import (
    Entry,
    Quarantine,
    entry_of,
    parse_quarantine,
    with_entry,
    without_entries,
)
from toolkit.analysis.release import Standing, problems, standings
from toolkit.config import Config, load_config
from toolkit.errors import UsageError
from toolkit.records import NodeId, node_id
from toolkit.reports.writing import place
from toolkit.tasks.collecting import interpreter
from toolkit.tasks.door import print_json, task
from toolkit.tasks.history import opened
from toolkit.tasks.repeating import repeat_test
from toolkit.tasks.tables import print_table, wide_console

AS_JSON = "print JSON and nothing else"
DRY_RUN = "print what would be written, change nothing"


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """A flaky test, and its quarantine if it has one."""

    flaky: FlakyTest
    quarantine: Entry | None = None


@task(name="list", help={"json": AS_JSON, "suspects": "also those of which it is not proven"})
def list_(_context: Context, *, json: bool = False, suspects: bool = False) -> None:
    """List the flaky tests: rate with its 95 % interval, kind, last outcomes, quarantine."""
    config = load_config()
    entries = {entry.id: entry for entry in read_quarantine(config)}
    with opened() as history:
        found = flakiness_of(history)
    rows = [
        Listed(flaky=one, quarantine=entry_of(one.test, entries))
        for one in found
        if suspects or one.state == "flaky"
    ]
    if json:
        print_json(rows)
        return
    console = wide_console()
    print_table(console, "Flaky tests", _HEADINGS, map(_cells, rows))
    hidden = len(found) - len(rows)
    if hidden:
        console.print(f"{hidden} suspects more: --suspects", markup=False)


_HEADINGS = ("state", "kind", "rate", "95 %", "results", "last", "quarantine", "test")


def _cells(row: Listed) -> tuple[str, ...]:
    one = row.flaky
    return (
        one.state, one.kind, f"{one.rate:.1%}", f"{one.low:.1%} to {one.high:.1%}",
        f"{one.failures} of {one.results}", one.last,
        f"until {row.quarantine.expires}" if row.quarantine else "", one.test,
    )  # fmt: skip


@task(positional=["test"], help={"test": "node id", "json": AS_JSON})
def show(_context: Context, test: str, *, json: bool = False) -> None:
    """Show what speaks for and against the flakiness of one test, code by code."""
    wanted = node_id(test)
    with opened() as history:
        past = past_of(history)
        _require_known(wanted, past)
        verdict = next((one for one in flakiness_of(history, past) if one.test == wanted), None)
    codes = [
        {"code": code, "results": [_letter(one.bad, one.mixed) for one in group]}
        for code, group in same_code(seen_of(past, wanted))
    ]
    if json:
        print_json({"test": wanted, "verdict": verdict, "codes": codes})
        return
    console = wide_console()
    told = "nothing speaks for flakiness" if verdict is None else f"{verdict.state} ({verdict.kind})"
    console.print(f"{wanted}: {told}", markup=False, highlight=False)
    for line in () if verdict is None else verdict.evidence:
        console.print(f"  {line}", markup=False, highlight=False)
    cells = ((str(row["code"])[:40], " ".join(row["results"])) for row in codes)
    print_table(console, "Results by code, oldest first", ("code", "results"), cells)


def _letter(bad: bool, mixed: bool) -> str:
    return ("failed" if bad else "passed") + (" (tries differ)" if mixed else "")


@task(
    positional=["test"],
    help={
        "test": "node id; without parameters it stands for all of them",
        "owner": "who mends it (asked for)",
        "reason": "why it is flaky, as far as known (asked for)",
        "days": "how long; default: flaky.days of [tool.toolkit]",
        "issue": "where it is tracked",
        "dry-run": DRY_RUN,
    },
)
def quarantine(
    _context: Context,
    test: str,
    *,
    owner: str = "",
    reason: str = "",
    days: int = 0,
    issue: str = "",
    dry_run: bool = False,
) -> None:
    """Put a test into quarantine: it runs, is reported, and fails no build until its time is over."""
    config = load_config()
    wanted = node_id(test)
    if not owner.strip() or not reason.strip() or days < 0:
        raise UsageError("a quarantine needs --owner and --reason, and --days above 0 if given")
    entries = read_quarantine(config)
    if any(entry.id == wanted for entry in entries):
        raise UsageError(
            f"{wanted} is in quarantine already", hint=f"invoke flaky.release {shlex.quote(wanted)}"
        )
    if len(entries) >= config.flaky.cap:
        raise UsageError(
            f"{len(entries)} tests are in quarantine, at most {config.flaky.cap} may be",
            hint="mend or release one (invoke flaky.check), or raise cap in [tool.toolkit.flaky]",
        )
    with opened() as history:
        _require_known(wanted, past_of(history), family=True)
    today = _today()
    entry = Entry(
        id=wanted, owner=owner, reason=reason, since=today,
        expires=today + dt.timedelta(days=days or config.flaky.days), issue=issue,
    )  # fmt: skip
    text = with_entry(_text(config), entry)
    if dry_run:
        wide_console().print(text, markup=False, highlight=False)
        return
    _write(config, text)
    wide_console().print(f"{wanted}: in quarantine {entry.told()}", markup=False, highlight=False)


@task(
    positional=["tests"],
    iterable=["tests"],
    help={
        "tests": "node ids of entries",
        "stable": "release every test that is stable again",
        "dry-run": DRY_RUN,
        "json": AS_JSON,
    },
)
def release(
    _context: Context, tests: list[str], *, stable: bool = False, dry_run: bool = False, json: bool = False
) -> None:
    """Release tests from quarantine, or with --stable all that are stable again."""
    config = load_config()
    entries = read_quarantine(config)
    if bool(tests) == stable:
        raise UsageError("name tests, or give --stable")
    gone = [node_id(test) for test in tests]
    if stable:
        gone = [NodeId(one.entry.id) for one in _standings(config, entries) if one.stable]
    missing = [test for test in gone if all(entry.id != test for entry in entries)]
    if missing:
        listed = ", ".join(entry.id for entry in entries) or "nothing"
        raise UsageError(f"{missing[0]} is not in quarantine; in it: {listed}")
    text = without_entries(_text(config), gone) if gone else ""
    if gone and not dry_run:
        _write(config, text)
    if json:
        print_json({"released": gone, "dry_run": dry_run})
        return
    verb = "would be released" if dry_run else "released"
    for line in [f"{verb}: {test}" for test in gone] or ["no test is stable again"]:
        wide_console().print(line, markup=False, highlight=False)


@task(help={"json": AS_JSON})
def check(_context: Context, *, json: bool = False) -> None:
    """Check the quarantine; exit code 1 when entries expired, are too many, or name tests that are gone."""
    config = load_config()
    found = _standings(config, read_quarantine(config))
    wrong = problems(found, cap=config.flaky.cap)
    if json:
        print_json({"entries": found, "problems": wrong})
    else:
        console = wide_console()
        print_table(console, "Quarantine", _STANDING_HEADINGS, map(_standing_cells, found))
        for line in wrong:
            console.print(line, markup=False, highlight=False)
        if any(one.stable for one in found):
            console.print("release what is stable again: invoke flaky.release --stable", markup=False)
    if wrong:
        raise Exit(f"the quarantine needs attention: {len(wrong)} problems", 1)


_STANDING_HEADINGS = ("expires", "owner", "since then", "fails below", "state", "test", "reason")


def _standing_cells(one: Standing) -> tuple[str, ...]:
    state = "expired" if one.expired else "stable again" if one.stable else "in quarantine"
    return (
        str(one.entry.expires), one.entry.owner, f"{one.failures} of {one.results} failed",
        f"{one.bound:.0%}", state if one.known else "unknown test", one.entry.id, one.entry.reason,
    )  # fmt: skip


@task(
    positional=["test"],
    help={
        "test": "node id",
        "confidence": "probability of noticing the rate, above 0 and below 1",
        "rate": "least rate of failure to be noticed, above 0 and below 1",
        "fresh": "each try in a process of its own",
        "most": "give up after so many tries; 0: as many as the confidence needs",
        "python": "the Python that runs the tests; default: the profile's Nox environment, else this one",
        "profile": "whose environment",
        "arguments": "more pytest arguments, as one quoted string",
        "json": AS_JSON,
    },
)
def confirm(
    _context: Context,
    test: str,
    *,
    confidence: float = 0.95,
    rate: float = 0.05,
    fresh: bool = False,
    most: int = 0,
    python: str = "",
    profile: str = "",
    arguments: str = "",
    json: bool = False,
) -> None:
    """Repeat a test until it is proven flaky, stable or broken (sequential test, Wald 1945)."""
    config = load_config()
    if not 0 < confidence < 1 or not 0 < rate < 1:
        raise UsageError("--confidence and --rate lie between 0 and 1, for example 0.95 and 0.05")
    found = Confirmation(rate=rate, confidence=confidence)
    most = most or found.needed
    batch = 1
    while found.verdict == "undecided" and found.passed + found.failed < most:
        batch = 1 if fresh else min(batch * 2, most - found.passed - found.failed)
        passed, failed = repeat_test(
            node_id(test),
            batch,
            until="pass" if found.failed else "failure",
            root=config.root,
            python=python or interpreter(config.root, profile),
            arguments=shlex.split(arguments),
        )
        found = msgspec.structs.replace(found, passed=found.passed + passed, failed=found.failed + failed)
        if not json:
            wide_console().print(f"{found.passed} passed, {found.failed} failed", highlight=False)
    if json:
        low, high = found.interval
        print_json(
            {"test": node_id(test), "verdict": found.verdict, "passed": found.passed, "failed": found.failed,
             "rate": rate, "confidence": confidence, "reached": found.reached, "low": low, "high": high}
        )  # fmt: skip
    else:
        wide_console().print(f"{node_id(test)}: {found.told()}", markup=False, highlight=False)
    if found.verdict != "stable":
        raise Exit(code=1)


def read_quarantine(config: Config) -> Quarantine:
    """Return the entries of the project's quarantine file; none without a file."""
    return parse_quarantine(_text(config), config.flaky.quarantine)


def _file(config: Config) -> Path:
    return config.root / config.flaky.quarantine


def _text(config: Config) -> str:
    file = _file(config)
    return file.read_text(encoding="utf-8") if file.is_file() else ""


def _write(config: Config, text: str) -> None:
    parse_quarantine(text, config.flaky.quarantine)  # never write what cannot be read back
    place(_file(config), [text])


def _standings(config: Config, entries: Quarantine) -> tuple[Standing, ...]:
    with opened() as history:
        past = past_of(history)
    return standings(entries, past, today=_today(), stable_below=config.flaky.stable / 100)


def _today() -> dt.date:
    return dt.datetime.now(tz=dt.UTC).date()


def _require_known(test: NodeId, past: Past, *, family: bool = False) -> None:
    """Refuse a test that the history has never seen; with ``family``, an id without parameters will do."""
    if test in past.recent or (family and any(one.startswith(f"{test}[") for one in past.recent)):
        return
    near: Sequence[str] = get_close_matches(test, list(past.recent), n=3, cutoff=0.5)
    hint = f"did you mean {', '.join(near)}?" if near else "pass a node id, such as tests/test_a.py::test_b"
    raise UsageError(f"{test}: no results of this test in the history", hint=hint)


ns = Collection(list_, show, quarantine, release, confirm, check)
