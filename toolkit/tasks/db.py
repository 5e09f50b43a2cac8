"""``invoke db.*``: databases on a test server, and cleaning up after dead runs."""

import os
import shutil
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from invoke.collection import Collection
from invoke.context import Context
from invoke.exceptions import Exit
from rich.console import Console
from rich.table import Table
from rich.text import Text

from toolkit.config import Config, load_config
from toolkit.databases.cleanup import Cleanup
from toolkit.databases.cleanup import cleanup as clean
from toolkit.databases.marks import Mark, mark_text, read_mark
from toolkit.databases.owners import DatabaseOwner
from toolkit.databases.server import Server, database_of, plain_url, url_of
from toolkit.databases.shards import make_shards
from toolkit.databases.sources import find_source
from toolkit.databases.target import find_url
from toolkit.databases.templates import ensure_template
from toolkit.errors import OwnershipError, UsageError
from toolkit.tasks.door import print_json, task
from toolkit.tasks.foreground import run_foreground

AS_JSON = "print JSON and nothing else"
URL = "PostgreSQL server, as a URL; else DATABASE_URL, else the environment that is up"
SERVER = "host:port of a server that is not on this machine: you say it is a test server"


@contextmanager
def opened(url: str, named: str) -> Iterator[tuple[Config, Server]]:
    """Connect to the server that is meant, if it is a test server."""
    config = load_config()
    with Server(find_url(config, os.environ, url=url, named=named)) as server:
        yield config, server


@task(name="list", help={"url": URL, "server": SERVER, "json": AS_JSON})
def list_(_context: Context, *, url: str = "", server: str = "", json: bool = False) -> None:
    """List the databases of the server: size, connections, and who owns them."""
    with opened(url, server) as (_, found):
        rows = found.databases()
    if json:
        print_json([{**_fields(row.name, read_mark(row.comment)), "bytes": row.size} for row in rows])
        return
    table = Table("database", "MB", "connections", "kind", "owner")
    for row in rows:
        mark = read_mark(row.comment)
        kind, by = (mark.kind, mark.by) if mark else ("", "not ours")
        table.add_row(Text(row.name), f"{row.size / 1e6:.1f}", str(row.connections), kind, Text(by))
    Console().print(table)


def _fields(name: str, mark: Mark | None) -> dict[str, object]:
    return {
        "name": name,
        "kind": mark.kind if mark else None,
        "by": mark.by if mark else None,
        "test": mark.test if mark else None,
    }


@task(
    positional=["name"],
    help={"name": "its name", "empty": "without the schema", "url": URL, "server": SERVER, "json": AS_JSON},
)
def create(
    _context: Context, name: str, *, empty: bool = False, url: str = "", server: str = "", json: bool = False
) -> None:
    """Create a database with the project's schema; it stays until db.drop."""
    with opened(url, server) as (config, found):
        made = _create(config, found, name, empty=empty)
    if json:
        print_json({"name": name, "url": made})
    else:
        Console().print(Text(f"{name}: created"))


def _create(config: Config, server: Server, name: str, *, empty: bool) -> str:
    if server.comment_of(name)[0]:
        raise UsageError(f"database {name!r} exists already", hint="choose another name, or db.reset it")
    with DatabaseOwner(server.url) as owner:
        template = None if empty else ensure_template(owner, find_source(config.databases, config.root))
        mark = owner.mark("named", key="" if template is None else template.key)
        server.create(name, template=None if template is None else template.name, comment=mark_text(mark))
    return url_of(server.url, name)


@task(
    positional=["name"], help={"name": "its name", "url": URL, "server": SERVER, "dry-run": "change nothing"}
)
def drop(_context: Context, name: str, *, url: str = "", server: str = "", dry_run: bool = False) -> None:
    """Drop a database of this toolkit; one that is not ours is refused."""
    with opened(url, server) as (_, found):
        _require_ours(found, name)
        if not dry_run:
            found.drop(name)
    Console().print(Text(f"{name}: {'would be dropped' if dry_run else 'dropped'}"))


@task(
    positional=["name"], help={"name": "its name", "url": URL, "server": SERVER, "dry-run": "change nothing"}
)
def reset(_context: Context, name: str, *, url: str = "", server: str = "", dry_run: bool = False) -> None:
    """Drop a database of this toolkit and create it again with the present schema."""
    with opened(url, server) as (config, found):
        _require_ours(found, name)
        if not dry_run:
            found.drop(name, force=True)
            _create(config, found, name, empty=False)
    Console().print(Text(f"{name}: {'would be reset' if dry_run else 'reset'}"))


def _require_ours(server: Server, name: str) -> None:
    there, comment = server.comment_of(name)
    if not there:
        raise UsageError(f"there is no database {name!r}", hint="invoke db.list")
    if read_mark(comment) is None:
        raise OwnershipError(f"database {name!r} bears no mark of this toolkit, so it is not touched")


@task(help={"rebuild": "build it anew", "url": URL, "server": SERVER, "json": AS_JSON})
def template(
    _context: Context, *, rebuild: bool = False, url: str = "", server: str = "", json: bool = False
) -> None:
    """Build the template of the project's schema, unless the server has it."""
    with opened(url, server) as (config, found), DatabaseOwner(found.url) as owner:
        source = find_source(config.databases, config.root)
        made = ensure_template(owner, source, rebuild=rebuild)
    if json:
        print_json({"name": made.name, "key": made.key, "source": source.what, "seconds": made.built})
        return
    how = f"built in {made.built:.2f} s" if made.built else "there already"
    Console().print(Text(f"{made.name}: {how} (from {source.what})"))


@task(
    positional=["count"],
    help={
        "count": "how many",
        "base": "names are BASE_shard_1 …",
        "url": URL,
        "server": SERVER,
        "json": AS_JSON,
    },
)
def shards(
    _context: Context, count: str, *, base: str = "", url: str = "", server: str = "", json: bool = False
) -> None:
    """Make databases <base>_shard_1 … with the project's schema; those that are there are used again."""
    with opened(url, server) as (config, found), DatabaseOwner(found.url) as owner:
        made_of = ensure_template(owner, find_source(config.databases, config.root))
        made = make_shards(
            found, owner, made_of, base=base or database_of(found.url) or config.project, count=_number(count)
        )
    if json:
        print_json([{"name": one.name, "url": one.url} for one in made.databases])
        return
    Console().print(Text(f"{len(made.databases)} shards, {made.made} of them new"))
    for one in made.databases:
        Console().print(Text(f"  {one.name}"))


def _number(text: str) -> int:
    if not text.isdecimal():
        raise UsageError(f"{text!r} shards: expected a number")
    return int(text)


@task(
    help={
        "url": URL,
        "server": SERVER,
        "dry-run": "say what would be dropped; change nothing",
        "json": AS_JSON,
        "templates": "drop templates too",
        "kept": "drop the kept databases of failed tests too",
    }
)
def cleanup(
    _context: Context,
    *,
    url: str = "",
    server: str = "",
    dry_run: bool = False,
    json: bool = False,
    templates: bool = False,
    kept: bool = False,
) -> None:
    """Drop the databases whose owner is gone; says what was dropped, what was kept, and why."""
    kinds = [name for name, chosen in (("template", templates), ("kept", kept)) if chosen]
    with opened(url, server) as (_, found):
        done = clean(found, dry_run=dry_run, kinds=kinds)
    if json:
        print_json(done)
    else:
        _say(done)


def _say(done: Cleanup) -> None:
    console = Console(highlight=False)
    verb = "would drop" if done.dry_run else "dropped"
    for name in done.dropped:
        console.print(Text(f"{verb} {name}"))
    for one in done.kept:
        console.print(Text(f"kept {one.name}: {one.why}"))
    console.print(Text(f"{len(done.dropped)} {verb if done.dry_run else 'dropped'}, {len(done.kept)} kept"))


@task(positional=["name"], iterable=["name"], help={"name": "of the database", "url": URL, "server": SERVER})
def shell(_context: Context, name: list[str], *, url: str = "", server: str = "") -> None:
    """Open psql on a database; the password goes through the environment, not the command line."""
    program = shutil.which("psql")
    if program is None:
        raise Exit("psql is not on PATH: install PostgreSQL's client", 4)
    found = plain_url(_url_of(name, url, server))
    parts = urllib.parse.urlsplit(found)
    host = parts.netloc.rpartition("@")[2]
    user = urllib.parse.quote(urllib.parse.unquote(parts.username or ""), safe="")
    bare = urllib.parse.urlunsplit(parts._replace(netloc=f"{user}@{host}" if user else host))
    password = urllib.parse.unquote(parts.password or "")
    code = run_foreground([program, bare], Path.cwd(), {**os.environ, "PGPASSWORD": password})
    if code:
        raise Exit("", code)


@task(positional=["name"], iterable=["name"], help={"name": "of the database", "url": URL, "server": SERVER})
def url(_context: Context, name: list[str], *, url: str = "", server: str = "") -> None:
    """Print the URL of a database, password included."""
    print(_url_of(name, url, server))  # noqa: T201 - a door prints


def _url_of(names: list[str], url: str, server: str) -> str:
    if len(names) > 1:
        raise UsageError(f"one database, not {len(names)}: {', '.join(names)}")
    found = find_url(load_config(), os.environ, url=url, named=server)
    return url_of(found, names[0]) if names else found


ns = Collection(list_, create, drop, reset, template, shards, cleanup, shell, url)
