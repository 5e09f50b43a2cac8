"""The steps of maintenance: each does what another task does, too, and tells what came of it."""

import os
import shlex
import time
from collections.abc import Callable, Mapping

import msgspec

from toolkit.config import Config
from toolkit.databases.cleanup import cleanup
from toolkit.databases.server import Server
from toolkit.databases.target import find_url
from toolkit.errors import UsageError
from toolkit.gates.coverage import judge_overall
from toolkit.gates.inputs import read_coverage
from toolkit.gates.verdicts import Absent, Status
from toolkit.history.imports import RUNS, import_pending, journal_size
from toolkit.history.store import open_history
from toolkit.leases.store import open_leases
from toolkit.maintenance.artifacts import sweep_artifacts
from toolkit.maintenance.collection import Difference, compare_collections
from toolkit.maintenance.inventory import changes, take_inventory
from toolkit.maintenance.steps import Item, Outcome, Skip, Step
from toolkit.maintenance.upgrades import Proposal, keep, propose, try_out
from toolkit.services.provisioning import sweep_everything
from toolkit.smells.checking import check_paths
from toolkit.tasks.collecting import project_python

_DAY = 86_400.0


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What the command line says."""

    config: Config
    dry_run: bool = False
    now: float
    python: str = ""
    """That runs the project's tests; empty: that of the newest Nox environment, else this one."""
    arguments: str = ""
    """More arguments of pytest for the tests of upgrades."""
    keep: bool = False
    """Whether upgrades with which the tests pass are written down."""


def artifacts(asked: Asked) -> Outcome:
    """Remove old journals, reports and other files that runs left."""
    config = asked.config
    with open_history(config.history_url) as history:
        import_pending(history, config.state_dir)
        sizes = history.sizes()
    folders = (config.state_dir / RUNS).glob("*")
    known = {folder.name for folder in folders if journal_size(folder) <= sizes.get(folder.name, -1)}
    done = sweep_artifacts(config, now=asked.now, known=known, dry_run=asked.dry_run)
    items = [Item(what=each.path, action="remove") for each in done.removed]
    items += [Item(what=each.path, action="keep", why=each.why) for each in done.spared]
    size = sum(each.size for each in done.removed)
    told = f"{len(done.removed)} old files and folders, {size / 1e6:.1f} MB; {len(done.spared)} old ones stay"
    return Outcome(state="done" if done.removed else "nothing", summary=told, items=tuple(items))


def upgrades(asked: Asked) -> Outcome:
    """Look for newer dependencies, run the tests with them in a scratch environment, keep them or not."""
    python = project_python(asked.config, asked.python)
    found = propose(asked.config, python)
    items = tuple(
        Item(what=each.name, action="upgrade", why=f"{each.old or 'not there'} → {each.new or 'not needed'}")
        for each in found.upgrades
    )
    if not items:
        return Outcome(state="nothing", summary=f"all {len(found.newest)} packages are the newest")
    told = f"{len(items)} of {len(found.newest)} packages have newer versions"
    if asked.dry_run:
        return Outcome(state="done", summary=f"{told}; the tests would be run with them", items=items)
    return _tried(asked, found, python, told, items)


def _tried(asked: Asked, found: Proposal, python: str, told: str, items: tuple[Item, ...]) -> Outcome:
    trial = try_out(asked.config, found, python, shlex.split(asked.arguments))
    if trial.passed and asked.keep:
        files = ", ".join(keep(asked.config, found)) or "no file had to change"
        return Outcome(
            state="done", summary=f"{told}; the tests pass with them; kept in: {files}", items=items
        )
    if trial.passed:
        how = "keep them with: invoke maintenance.upgrades --keep"
        return Outcome(state="done", summary=f"{told}; the tests pass with them; {how}", items=items)
    why = "pass with the present versions" if trial.present_passed else "fail with the present versions, too"
    return Outcome(
        state="attention",
        summary=f"{told}; dropped: the tests fail with them, and {why}",
        items=(*items, Item(what="tests", action="look", why=trial.output)),
    )


def smells(asked: Asked) -> Outcome:
    """Check the tests for smells."""
    checked = check_paths(asked.config)
    items = [
        Item(what=f"{each.path}:{each.line}", action="look", why=f"{each.rule} {each.test} {each.message}")
        for each in checked.findings
    ]
    items += [
        Item(what=bad.path, action="look", why=f"cannot be read: {bad.why}") for bad in checked.unreadable
    ]
    worth = checked.failing or checked.unreadable
    told = f"{len(checked.findings)} smells in {checked.tests} tests"
    return Outcome(state="attention" if worth else "nothing", summary=told, items=tuple(items))


def coverage(asked: Asked) -> Outcome:
    """Compare the coverage that was measured last with what is demanded."""
    measured = read_coverage(asked.config)
    if isinstance(measured, Absent):
        if measured.malformed:
            return Outcome(state="attention", summary=f"{measured.reason}; {measured.remedy}")
        raise Skip(f"{measured.reason}; {measured.remedy}")
    check = judge_overall(measured, asked.config.thresholds.coverage)
    good = check.status is not Status.FAILED
    return Outcome(state="nothing" if good else "attention", summary=check.message)


def inventory(asked: Asked) -> Outcome:
    """Count the tests of each kind, and tell how that changed."""
    found = take_inventory(asked.config, now=asked.now, keep=not asked.dry_run)
    before = {"last time": found.last, "a month ago": found.month_ago}
    items = [Item(what=kind, action="count", why=str(count)) for kind, count in found.now.kinds.items()]
    for when, count in before.items():
        grown = changes(found.now.kinds, count.kinds) if count else {}
        items += [Item(what=kind, action="trend", why=f"{by:+} since {when}") for kind, by in grown.items()]
    items += [Item(what=path, action="look", why="cannot be read") for path in found.unreadable]
    now = found.now
    told = f"{now.tests} tests in {now.files} files, {now.skipped} marked to be skipped, {now.xfail} to fail"
    return Outcome(state="attention" if found.unreadable else "nothing", summary=told, items=tuple(items))


def slow(asked: Asked) -> Outcome:
    """Name the tests that typically take long."""
    limit = asked.config.maintenance.slow
    with open_history(asked.config.history_url) as history:
        import_pending(history, asked.config.state_dir)
        durations = history.durations()
    if not durations:
        raise Skip("the history has no durations yet; run the tests")
    found = sorted(((seconds, test) for test, seconds in durations.items() if seconds > limit), reverse=True)
    items = tuple(Item(what=test, action="look", why=f"{seconds:.1f} s") for seconds, test in found)
    share = sum(seconds for seconds, _ in found) / (sum(durations.values()) or 1.0)
    told = f"{len(found)} of {len(durations)} tests take more than {limit:g} s, {share:.0%} of all time"
    return Outcome(state="nothing", summary=told, items=items)


def collection(asked: Asked) -> Outcome:
    """Collect the tests in several processes, orders and counts of workers, and compare."""
    paths = [path for path in asked.config.tests if (asked.config.root / path).exists()]
    found = compare_collections(asked.config.root, project_python(asked.config, asked.python), paths=paths)
    items = tuple(
        Item(
            what=each.process,
            action="look",
            why=_difference(each),
        )
        for each in found.differences
    )
    told = f"{found.processes} processes collect {found.tests} tests"
    if items:
        return Outcome(state="attention", summary=f"{told}; {len(items)} differ from the first", items=items)
    return Outcome(state="nothing", summary=f"{told}, all the same")


def _difference(found: Difference) -> str:
    if found.moved:
        return f"another order from {found.moved}"
    first = (found.missing or found.extra)[0]
    return f"misses {len(found.missing)}, has {len(found.extra)} more; first: {first}"


def databases(asked: Asked) -> Outcome:
    """Drop the databases whose owner is gone, on the test server that is named or up."""
    try:
        url = find_url(asked.config, os.environ)
    except UsageError as error:
        raise Skip(error.message) from error
    with Server(url) as server:
        done = cleanup(server, dry_run=asked.dry_run)
    items = [Item(what=name, action="drop") for name in done.dropped]
    items += [Item(what=each.name, action="keep", why=each.why) for each in done.kept]
    told = f"{len(done.dropped)} databases of dead owners; {len(done.kept)} stay"
    return Outcome(state="done" if done.dropped else "nothing", summary=told, items=tuple(items))


def services(asked: Asked) -> Outcome:
    """Remove the servers, containers and folders that dead owners left on this machine."""
    with open_leases() as store:
        done = sweep_everything(store, os.environ, dry_run=asked.dry_run)
    rows = (("remove", done.released), ("keep", done.kept), ("could not remove", done.failed))
    items = tuple(
        Item(what=f"{each.kind} {each.name} ({each.id})", action=action, why=each.why)
        for action, found in rows
        for each in found
    )
    told = f"{len(done.released)} leftovers of dead owners; {len(done.kept)} things are in use or unknown"
    if done.failed:
        return Outcome(
            state="failed", summary=f"{told}; {len(done.failed)} could not be removed", items=items
        )
    return Outcome(state="done" if done.released else "nothing", summary=told, items=items)


def history(asked: Asked) -> Outcome:
    """Remove old runs from the history."""
    days = asked.config.maintenance.history_days
    if not days:
        raise Skip("maintenance.history_days is 0: runs stay for ever")
    with open_history(asked.config.history_url) as kept:
        done = kept.prune(before=asked.now - days * _DAY, dry_run=asked.dry_run)
    items = tuple(Item(what=run, action="remove") for run in done.runs)
    told = f"{len(done.runs)} runs that are older than {days:g} days, with {done.results} results"
    return Outcome(state="done" if items else "nothing", summary=told, items=items)


BODIES: Mapping[str, Callable[[Asked], Outcome]] = {
    "artifacts": artifacts,
    "upgrades": upgrades,
    "smells": smells,
    "coverage": coverage,
    "inventory": inventory,
    "slow": slow,
    "collection": collection,
    "databases": databases,
    "services": services,
    "history": history,
}
"""Every step, by its name."""


def ways(asked: Asked) -> dict[str, Step]:
    """Return every step, ready to be done."""

    def ready(body: Callable[[Asked], Outcome]) -> Step:
        return lambda: body(asked)

    return {name: ready(body) for name, body in BODIES.items()}


def asked_now(
    config: Config, *, dry_run: bool, python: str, arguments: str = "", keep: bool = False
) -> Asked:
    """Put together what was asked for, at this moment."""
    return Asked(
        config=config, dry_run=dry_run, now=time.time(), python=python, arguments=arguments, keep=keep
    )
