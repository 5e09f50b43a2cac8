"""``invoke services.*``: real servers up, down, and what is between."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, get_args

from invoke.collection import Collection
from invoke.context import Context
from invoke.exceptions import Exit
from rich.console import Console
from rich.table import Table
from rich.text import Text

from toolkit.config import Config, load_config
from toolkit.config.services import RuntimeName
from toolkit.config.validation import unknown
from toolkit.errors import UsageError
from toolkit.leases.owners import Owner, session_leader
from toolkit.leases.store import LeaseStore, open_leases
from toolkit.leases.sweeping import Sweep
from toolkit.services import control, inspection, processes, provisioning
from toolkit.services.environment import Environment, redacted
from toolkit.tasks.door import print_json, task

AS_JSON = "print JSON and nothing else"
NAMES = "environments or services; none: the environment `default`"
WHICH = "names or ids of environments; none: all of this project"
FROM = "name or id of the environment; empty: the newest that has the service"
INSTANCE = "which copy, from 1"


@contextmanager
def opened() -> Iterator[tuple[Config, LeaseStore]]:
    """Open the project's configuration and the lease files of this user."""
    config = load_config()
    with open_leases() as store:
        yield config, store


def _say(line: str) -> None:
    Console(stderr=True).print(redacted(line), style="dim", markup=False, highlight=False, soft_wrap=True)


def _runtime(name: str) -> RuntimeName:
    names = get_args(RuntimeName)
    if name not in names:
        raise UsageError(f"--runtime: {unknown('runtime', name, names)}")
    return name  # type: ignore[return-value]  # checked against the literal's values


def _owner(store: LeaseStore, *, keep: bool) -> Owner:
    """Return who owns what a command leaves up: the terminal or CI job, or with ``--keep`` the user."""
    leader = None if keep else session_leader()
    return store.owner("user") if leader is None else store.owner("session", pid=leader)


@task(
    positional=["names"],
    iterable=["names"],
    help={
        "names": NAMES,
        "runtime": "auto, compose, embedded or external",
        "keep": "keep it until services.down, also when this terminal is closed",
        "reuse": "use one of the same making that is up and answers, instead of a new one",
        "json": AS_JSON,
    },
)
def up(
    _context: Context,
    names: list[str],
    *,
    runtime: str = "auto",
    keep: bool = False,
    reuse: bool = False,
    json: bool = False,
) -> None:
    """Bring services up and print their URLs; they stay until services.down or the end of this terminal."""
    wanted = _runtime(runtime)
    with opened() as (config, store):
        found = provisioning.find_kept(store, config, names, wanted) if reuse else None
        if found is None:
            owner = _owner(store, keep=keep)
            found = provisioning.up(config, names, owner=owner, store=store, runtime=wanted, say=_say)
            processes.let_go()
            _say(f"owned by {owner.described()}; take it down with: invoke services.down {found.id}")
        else:
            _say(f"using the environment that is up: {found.id}")
        _print_urls(found, as_json=json)


def _print_urls(environment: Environment, *, as_json: bool) -> None:
    if as_json:
        print_json(_described(environment))
        return
    for variable, url in environment.urls.items():
        print(f"{variable}={url}")  # noqa: T201 - a door prints


def _described(environment: Environment) -> dict[str, Any]:
    return {
        "environment": environment.name,
        "id": environment.id,
        "project": environment.project,
        "urls": environment.urls,
        "services": [
            {
                "service": each.service,
                "instance": each.instance,
                "kind": each.kind,
                "runtime": each.runtime,
                "why": each.why,
                "variable": each.variable,
                "url": each.url,
                "host": each.host,
                "port": each.port,
            }
            for each in environment.endpoints
        ],
    }


@task(
    positional=["names"],
    iterable=["names"],
    help={"names": WHICH, "dry_run": "only tell what would be taken down", "json": AS_JSON},
)
def down(_context: Context, names: list[str], *, dry_run: bool = False, json: bool = False) -> None:
    """Take environments down; without names all of this project but those that a running process uses."""
    with opened() as (config, store):
        chosen = inspection.find_environments(store, str(config.root), names)
        spared = [] if names else [each for each in chosen if _in_use(store, each)]
        gone = [each for each in chosen if each not in spared]
        for each in gone:
            if not dry_run:
                provisioning.down(store, each.id)
        if json:
            rows = {"down": gone, "in_use": spared}
            shown = {
                key: [{"environment": each.name, "id": each.id} for each in row] for key, row in rows.items()
            }
            print_json({**shown, "dry_run": dry_run})
            return
        for each in gone:
            _print(f"{'would take down' if dry_run else 'took down'} {each.name} ({each.id})")
        for each in spared:
            _print(f"left {each.name} ({each.id}): in use by {inspection.owner_of(store, each)[0]}")
        if not chosen:
            _print("nothing is up")


def _in_use(store: LeaseStore, environment: Environment) -> bool:
    leases = provisioning.leases_of(store, environment.id)
    return any(
        lease.owner.kind == "process" and store.judge(lease.owner).state == "alive" for lease in leases
    )


def _print(line: str) -> None:
    Console().print(line, markup=False, highlight=False, soft_wrap=True)


@task(help={"json": AS_JSON, "all_projects": "not only those of this project"})
def status(_context: Context, *, json: bool = False, all_projects: bool = False) -> None:
    """Show what is up, whose it is, and whether it answers a query now."""
    with opened() as (config, store):
        rows = inspection.status(store, project=None if all_projects else str(config.root))
    if json:
        print_json({"services": rows})
        return
    if not rows:
        _print("nothing is up")
        return
    table = Table()
    for heading in ("environment", "service", "runtime", "state", "url", "owner"):
        table.add_column(heading, overflow="fold")
    for row in rows:
        name = row.service if row.instance == 1 else f"{row.service} {row.instance}"
        cells = (f"{row.environment} ({row.id})", name, row.runtime, row.state, row.url, row.owner)
        table.add_row(*(Text(cell) for cell in cells))
    Console().print(table)


@task(
    positional=["names"],
    iterable=["names"],
    help={"names": WHICH, "timeout": "seconds for each service"},
)
def wait(_context: Context, names: list[str], *, timeout: float = 60.0) -> None:
    """Wait until every service that is up answers a real query."""
    with opened() as (config, store):
        chosen = inspection.find_environments(store, str(config.root), names)
        if not chosen:
            raise UsageError("nothing is up", hint="invoke services.up")
        for environment in chosen:
            for endpoint in environment.endpoints:
                inspection.wait_ready(endpoint, timeout=timeout)
                _print(f"{endpoint.service}: ready")


@task(help={"service": "name of the service", "environment": FROM, "instance": INSTANCE, "lines": "how many"})
def logs(
    _context: Context, service: str, *, environment: str = "", instance: int = 1, lines: int = 50
) -> None:
    """Print the last lines that a service wrote."""
    with opened() as (config, store):
        root = str(config.root)
        place = inspection.find_endpoint(store, root, service, environment=environment, instance=instance)
        print(control.read_log(store, *place, lines=lines))  # noqa: T201 - a door prints


@task(
    help={"service": "name of the service", "environment": FROM, "instance": INSTANCE, "timeout": "seconds"}
)
def restart(
    _context: Context, service: str, *, environment: str = "", instance: int = 1, timeout: float = 60.0
) -> None:
    """Restart a service under the same URL; a cache is empty afterwards."""
    with opened() as (config, store):
        root = str(config.root)
        place = inspection.find_endpoint(store, root, service, environment=environment, instance=instance)
        control.restart(store, *place, timeout=timeout)
        processes.let_go()
        _print(f"{service}: ready")


@task(help={"service": "name of the service", "environment": FROM, "instance": INSTANCE})
def url(_context: Context, service: str, *, environment: str = "", instance: int = 1) -> None:
    """Print the URL of a service, and nothing else."""
    with opened() as (config, store):
        root = str(config.root)
        place = inspection.find_endpoint(store, root, service, environment=environment, instance=instance)
        print(place[1].url)  # noqa: T201 - a door prints


@task(
    name="exec",
    help={
        "service": "name of the service",
        "command": "what to run; empty: psql or redis-cli",
        "environment": FROM,
        "instance": INSTANCE,
    },
)
def execute(
    _context: Context, service: str, *, command: str = "", environment: str = "", instance: int = 1
) -> None:
    """Run a client or a command for a service, with its URL in the environment (inside its container)."""
    with opened() as (config, store):
        root = str(config.root)
        place = inspection.find_endpoint(store, root, service, environment=environment, instance=instance)
        code = control.run_command(store, *place, command, os.environ)
    if code != 0:
        raise Exit(f"the command ended with {code}", code)


@task(help={"dry_run": "only tell what would be removed", "json": AS_JSON})
def sweep(_context: Context, *, dry_run: bool = False, json: bool = False) -> None:
    """Remove what dead owners left on this machine: servers, containers, networks, volumes, folders."""
    with open_leases() as store:
        done = provisioning.sweep_everything(store, os.environ, dry_run=dry_run)
    if json:
        print_json(done)
    else:
        _print_sweep(done)
    if done.failed:
        raise Exit(f"{len(done.failed)} could not be removed; their leases are kept", 4)


def _print_sweep(done: Sweep) -> None:
    verb = "would remove" if done.dry_run else "removed"
    for heading, rows in ((verb, done.released), ("kept", done.kept), ("could not remove", done.failed)):
        for row in rows:
            _print(f"{heading} {row.kind} {row.name} ({row.id}): {row.why}")
    if not (done.released or done.kept or done.failed):
        _print("nothing to sweep")


ns = Collection(up, down, status, wait, logs, restart, url, execute, sweep)
