"""``invoke data.*``: data scenarios into test servers and out again."""

import os
from pathlib import Path
from typing import Any

from invoke.collection import Collection
from invoke.context import Context
from invoke.exceptions import Exit
from rich.console import Console
from rich.text import Text

from toolkit.config import Config, load_config
from toolkit.databases.target import find_url
from toolkit.errors import ToolkitError, UsageError
from toolkit.leases.owners import new_owner
from toolkit.scenarios.files import Scenario, find_scenario, scenario_files, with_counts
from toolkit.scenarios.ledger import Ledger, find_ledgers
from toolkit.scenarios.loading import Data, Targets, at_place, require_test_targets, undo
from toolkit.scenarios.reflection import reflect
from toolkit.scenarios.rows import Nothing, generate
from toolkit.scenarios.storing import shown
from toolkit.tasks.door import print_json, task

AS_JSON = "print JSON and nothing else"
URL = "PostgreSQL server, as a URL; else DATABASE_URL, else the environment that is up"
SERVER = "host:port of a server that is not on this machine: you say it is a test server"
SEED = "another seed than the scenario's; the same seed gives the same rows"
ROWS = "TABLE=COUNT: other numbers of rows; may be repeated"


def _folder(config: Config) -> Path:
    return config.root / config.scenarios


def _scenario(config: Config, name: str, seed: int, rows: list[str]) -> Scenario:
    import msgspec

    found = with_counts(find_scenario(_folder(config), name), dict(map(_count, rows)))
    return msgspec.structs.replace(found, seed=seed) if seed else found


def _count(text: str) -> tuple[str, int]:
    table, _, number = text.partition("=")
    if not table or not number.isdecimal():
        raise UsageError(f"--rows {text}: expected TABLE=COUNT, e.g. --rows customers=1000")
    return table, int(number)


def _targets(config: Config, url: str, server: str, *, database: bool = True) -> Targets:
    found = find_url(config, os.environ, url=url, named=server) if database else ""
    targets = Targets(
        database=found, api=os.environ.get("API_URL", ""), cache=os.environ.get("REDIS_URL", "")
    )
    require_test_targets(targets, servers=config.databases.servers, named=server)
    return targets


def _say(line: str) -> None:
    Console().print(Text(line), soft_wrap=True)


@task(
    positional=["name"],
    iterable=["rows"],
    help={
        "name": "of the scenario: its file without .yml",
        "seed": SEED,
        "rows": ROWS,
        "url": URL,
        "server": SERVER,
        "dry-run": "make the rows and change nothing",
        "json": AS_JSON,
    },
)
def load(
    _context: Context,
    name: str,
    rows: list[str],
    *,
    seed: int = 0,
    url: str = "",
    server: str = "",
    dry_run: bool = False,
    json: bool = False,
) -> None:
    """Put a scenario into test servers; it stays until data.clean."""
    config = load_config()
    scenario = _scenario(config, name, seed, rows)
    targets = _targets(config, url, server, database=bool(scenario.tables))
    if dry_run:
        made = generate(reflect(targets.database), scenario, Nothing()).tables if scenario.tables else []
        counts, number = {filled.table.name: len(filled.rows) for filled in made}, ""
        counts |= {f"api {one.name}": one.count for one in scenario.api}
        counts |= {f"cache {one.key}": one.count for one in scenario.cache}
    else:
        data = Data(targets, config.state_dir / "data", os.environ, new_owner("process"))
        loaded = data.load(scenario, name)
        data.keep()
        counts, number = {table: len(found) for table, found in loaded.rows.items()}, loaded.id
        counts |= {f"api {resource}": len(found) for resource, found in loaded.api.items()}
        counts |= {"cache": len(loaded.cache)} if loaded.cache else {}
    if json:
        print_json(
            {"id": number, "scenario": name, "seed": scenario.seed, "made": counts, "dry_run": dry_run}
        )
        return
    for what, count in counts.items():
        _say(f"{'would make' if dry_run else 'made'} {count} {what}")
    if number:
        _say(f"remove them with: invoke data.clean {number}")


@task(
    positional=["names"],
    iterable=["names"],
    help={
        "names": "ids or scenarios that were loaded; none: all of this project",
        "dependents": "delete rows too that refer to them and are not of the scenario",
        "forget": "drop the ledgers of servers that are gone for good: nothing is connected to or removed",
        "url": URL,
        "server": SERVER,
        "dry-run": "say what would be removed; change nothing",
        "json": AS_JSON,
    },
)
def clean(
    _context: Context,
    names: list[str],
    *,
    dependents: bool = False,
    forget: bool = False,
    url: str = "",
    server: str = "",
    dry_run: bool = False,
    json: bool = False,
) -> None:
    """Remove what data.load (or a killed test) left, in reverse order; only what is written in the ledger.

    What a living process loads or uses is kept, unless it is named by its id.
    """
    config = load_config()
    if forget and not names:
        raise UsageError("--forget: name what is to be forgotten", hint="ids: invoke data.clean --dry-run")
    done: list[dict[str, Any]] = []
    kept: list[dict[str, Any]] = []
    failed = False
    for ledger in find_ledgers(config.state_dir / "data", names):
        told = {"id": ledger.head.id, "scenario": ledger.head.scenario, "database": ledger.head.database}
        try:
            if ledger.head.id not in names and (user := ledger.user()):
                kept.append({**told, "why": f"in use by {user}"})
                continue
            if forget:
                count = _forget(ledger, dry_run=dry_run)
            else:
                targets = _targets(config, url, server, database=bool(ledger.head.database))
                count = _undo(ledger, at_place(targets, ledger), dependents=dependents, dry_run=dry_run)
            done.append({**told, "removed": count, "forgotten": forget})
        except ToolkitError as error:
            failed = True
            kept.append({**told, "why": str(error)})
    _tell(done, kept, dry_run=dry_run, as_json=json)
    if failed:
        raise Exit("not everything could be removed", 4)


def _forget(ledger: Ledger, *, dry_run: bool) -> int:
    if not dry_run:
        ledger.forget()
    return 0


def _undo(ledger: Ledger, targets: Targets, *, dependents: bool, dry_run: bool) -> int:
    if dry_run:
        return len(ledger.entries())
    return undo(ledger, targets, environ=os.environ, dependents=dependents)


def _tell(done: list[dict[str, Any]], kept: list[dict[str, Any]], *, dry_run: bool, as_json: bool) -> None:
    if as_json:
        print_json({"removed": done, "kept": kept, "dry_run": dry_run})
    else:
        for one in done:
            verbs = ("forget", "forgot") if one["forgotten"] else ("remove", "removed")
            _say(f"{f'would {verbs[0]}' if dry_run else verbs[1]} {one['scenario'] or 'data'} ({one['id']})")
        for one in kept:
            _say(f"kept {one['scenario'] or 'data'} ({one['id']}): {one['why']}")
        if not (done or kept):
            _say("nothing is loaded")


@task(
    positional=["name"],
    iterable=["rows"],
    help={
        "name": "of the scenario",
        "seed": SEED,
        "rows": ROWS,
        "lines": "rows of each table that are shown",
        "url": URL,
        "server": SERVER,
        "json": AS_JSON,
    },
)
def preview(
    _context: Context,
    name: str,
    rows: list[str],
    *,
    seed: int = 0,
    lines: int = 3,
    url: str = "",
    server: str = "",
    json: bool = False,
) -> None:
    """Show the rows that a scenario would make from the schema of the database; change nothing."""
    config = load_config()
    scenario = _scenario(config, name, seed, rows)
    schema = reflect(find_url(config, os.environ, url=url, named=server))
    made = generate(schema, scenario, Nothing())
    tables = {each.table.name: [shown(row) for row in each.rows] for each in made.tables}
    if json:
        print_json({name: found[:lines] for name, found in tables.items()})
        return
    for table, found in tables.items():
        _say(f"{table}: {len(found)} rows")
        for row in found[:lines]:
            _say(f"  {row}")


@task(
    positional=["names"],
    iterable=["names"],
    help={"names": "scenarios; none: all", "url": URL, "server": SERVER, "json": AS_JSON},
)
def validate(
    _context: Context, names: list[str], *, url: str = "", server: str = "", json: bool = False
) -> None:
    """Check scenario files, and that rows can be made for them from the schema of the database."""
    config = load_config()
    files = scenario_files(_folder(config))
    schema = reflect(find_url(config, os.environ, url=url, named=server))
    rows = []
    for name in names or files:
        why = ""
        try:
            scenario = find_scenario(_folder(config), name)
            generate(schema, scenario, Nothing())
        except ToolkitError as error:
            why = str(error)
        rows.append({"scenario": name, "valid": not why, "why": why})
    if json:
        print_json({"scenarios": rows})
    else:
        for row in rows:
            _say(f"{row['scenario']}: {row['why'] or 'fine'}")
    if bad := [row for row in rows if not row["valid"]]:
        raise Exit(f"{len(bad)} of {len(rows)} scenarios cannot be used", 3)


ns = Collection(load, clean, preview, validate)
