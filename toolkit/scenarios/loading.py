"""Loads a scenario into real servers, and removes it again, however far it came."""

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from toolkit.databases.server import (
    Server,
    connect,
    database_of,
    driver,
    place_of,
    require_test_server,
    url_of,
)
from toolkit.errors import EnvironmentFailed, InputError, UsageError
from toolkit.leases.owners import Owner
from toolkit.scenarios.files import Rows, Scenario
from toolkit.scenarios.ledger import Cached, Entry, Head, Kept, Ledger, Posted, new_id
from toolkit.scenarios.places import api_place, cache_place, database_place, with_port
from toolkit.scenarios.reflection import reflect
from toolkit.scenarios.resources import delete_entry, delete_resource, post_resources, set_entries
from toolkit.scenarios.rows import Generation, Values, generate
from toolkit.scenarios.storing import Postgres, Stored, entries, home_of, remove, shown, store
from toolkit.scenarios.tables import Schema


class Targets(msgspec.Struct, frozen=True, kw_only=True):
    """Where the data goes, as URLs; only those that a scenario needs must be there."""

    database: str = ""
    api: str = ""
    cache: str = ""
    claimed: bool = False
    """Whether the cache is a test worker's own database: whoever takes it next empties it."""

    def __repr__(self) -> str:
        places = (place_of(url) for url in (self.database, self.api, self.cache) if url)
        return f"<Targets {', '.join(places)}>"


class Loaded(msgspec.Struct, kw_only=True):
    """What a scenario put there."""

    id: str
    scenario: str
    seed: int
    rows: dict[str, list[Values]] = {}
    """Table → its rows, foreign keys and numbers included."""
    api: dict[str, list[Values]] = {}
    """Resource → what the API answered for each."""
    cache: list[str] = []
    """Keys."""

    def __getitem__(self, table: str) -> list[Values]:
        return self.rows[table]


def require_test_targets(targets: Targets, *, servers: Sequence[str] = (), named: str = "") -> None:
    """Refuse servers that nobody called test servers; see toolkit.databases.server.

    Raises:
        OwnershipError: one of them is not known to be one; none was connected to.
    """
    for url in (targets.database, targets.api, targets.cache):
        if url:
            require_test_server(with_port(url), servers=servers, named=named)


class Data:
    """A loaded scenario that can grow by single objects and is removed as a whole.

    Args:
        targets: where it goes.
        folder: of the ledgers.
        environ: where variables in headers come from.
        owner: the process that loads and uses it, for whoever cleans up; None: nobody is to wait for.
    """

    def __init__(
        self,
        targets: Targets,
        folder: Path,
        environ: Mapping[str, str] | None = None,
        owner: Owner | None = None,
    ) -> None:
        self._targets = targets
        self._folder = folder
        self._environ = os.environ if environ is None else environ
        self._owner = owner
        self._made = 0
        self._schema: Schema | None = None
        self._ledger: Ledger | None = None

    @property
    def schema(self) -> Schema:
        """The schema of the database, read once."""
        if self._schema is None:
            self._schema = reflect(_needed(self._targets.database, "tables", "DATABASE_URL"))
        return self._schema

    def load(self, scenario: Scenario, name: str = "") -> Loaded:
        """Put a scenario there. When a step fails, all before it are undone.

        Raises:
            UsageError: it names what does not exist, or a URL is missing.
            InputError: a server refuses a part of it.
            EnvironmentFailed: a server does not answer.
        """
        ledger = self._begin(scenario, name)
        loaded = Loaded(id=ledger.head.id, scenario=name, seed=scenario.seed)
        try:
            if scenario.tables:
                loaded.rows = self._fill(scenario, ledger)
            for key in self._resources(scenario, ledger):
                loaded.api.setdefault(key[0], []).append(key[1])
            if scenario.cache:
                url = _needed(self._targets.cache, "cache", "REDIS_URL")
                loaded.cache = list(set_entries(url, scenario.cache, lambda each: ledger.write([each])))
        except BaseException:
            self.remove(dependents=True)
            raise
        return loaded

    def make(self, table: str, **values: Any) -> Values:
        """Put one row there, with these values and what it needs, and return it."""
        scenario = Scenario(seed=self._next_seed(), tables={table: Rows(rows=1, values=values)})
        ledger = self._ledger or self._begin(scenario, "")
        return self._fill(scenario, ledger)[table][0]

    def keep(self) -> None:
        """Leave what was loaded behind: it belongs to no process any more, and stays until it is cleaned."""
        if self._ledger is not None:
            self._ledger.write([Kept()])
            self._ledger = None

    def remove(self, *, dependents: bool = False) -> int:
        """Remove everything in reverse and return how many things were there.

        Args:
            dependents: rows of others that refer to ours go, too.
        """
        if self._ledger is None:
            return 0
        count = undo(
            self._ledger, self._targets, environ=self._environ, schema=self._schema, dependents=dependents
        )
        self._ledger = None
        return count

    def _begin(self, scenario: Scenario, name: str) -> Ledger:
        if self._ledger is None:
            head = Head(
                id=new_id(),
                scenario=name,
                seed=scenario.seed,
                made=time.time(),
                database=database_place(self._targets.database),
                api=api_place(self._targets.api),
                cache=cache_place(self._targets.cache),
                claimed=self._targets.claimed,
                owner=self._owner,
            )
            self._ledger = Ledger.begin(self._folder, head)
        return self._ledger

    def _next_seed(self) -> int:
        self._made += 1
        return self._made

    def _fill(self, scenario: Scenario, ledger: Ledger) -> dict[str, list[Values]]:
        schema = self.schema
        with connect(self._targets.database) as connection, _explained(), connection.transaction():
            generation = generate(schema, scenario, Postgres(connection))
            xid = connection.execute("SELECT pg_current_xact_id()::text").fetchone()[0]
            ledger.write(entries(generation, xid, home_of(connection)))
            store(connection, generation)
        return _rows(generation)

    def _resources(self, scenario: Scenario, ledger: Ledger) -> Iterator[tuple[str, Values]]:
        if scenario.api:
            url = _needed(self._targets.api, "api", "API_URL")
            yield from post_resources(url, scenario.api, self._environ, lambda each: ledger.write([each]))


def at_place(targets: Targets, ledger: Ledger) -> Targets:
    """Return the targets with the database that a ledger names, which must be on the same server.

    API and cache must be those of the ledger; a cache that a worker had claimed is none of them any more.

    Raises:
        UsageError: something is elsewhere.
    """
    _require_places(targets, ledger)
    if ledger.head.claimed:
        targets = msgspec.structs.replace(targets, cache="")
    where, _, name = ledger.head.database.rpartition("/")
    if not where:
        return targets
    if where != place_of(targets.database):
        raise UsageError(f"its rows are in {ledger.head.database}", hint="pass --url or set DATABASE_URL")
    return msgspec.structs.replace(targets, database=url_of(targets.database, name))


def _require_places(targets: Targets, ledger: Ledger) -> None:
    head, kinds = ledger.head, {type(entry) for entry in ledger.entries()}
    if Posted in kinds and head.api != api_place(targets.api):
        raise UsageError(f"its API resources are at {head.api}", hint="set API_URL")
    if Cached in kinds and not head.claimed and head.cache != cache_place(targets.cache):
        raise UsageError(f"its cache entries are in {head.cache}", hint="set REDIS_URL")


def _rows(generation: Generation) -> dict[str, list[Values]]:
    return {filled.table.name: [shown(row) for row in filled.rows] for filled in generation.tables}


def _needed(url: str, part: str, variable: str) -> str:
    if not url:
        raise UsageError(f"the scenario has {part}, and {variable} is not set", hint=f"set {variable}")
    return url


@contextmanager
def _explained(refused: str = "the server refuses the rows") -> Iterator[None]:
    """Explain what the server says, also at the end of a transaction."""
    try:
        yield
    except driver().OperationalError as error:
        raise EnvironmentFailed(f"the database went away: {str(error).strip()}") from error
    except driver().Error as error:
        raise InputError(f"{refused}: {str(error).strip()}") from error


def undo(
    ledger: Ledger,
    targets: Targets,
    *,
    environ: Mapping[str, str],
    schema: Schema | None = None,
    dependents: bool = False,
) -> int:
    """Remove what a ledger lists, in reverse, and then the ledger; return how many things were there.

    Everything is tried; the ledger stays when something could not be removed, so that it can be tried again.

    Raises:
        ToolkitError: the first thing that went wrong.
    """
    done: list[Entry] = ledger.entries()
    problems: list[Exception] = []
    count = 0
    for entry in reversed([each for each in done if not isinstance(each, Stored)]):
        try:
            count += _remove_resource(entry, targets, environ, claimed=ledger.head.claimed)
        except Exception as error:  # noqa: BLE001 - the others are removed first
            problems.append(error)
    stored = [each for each in done if isinstance(each, Stored)]
    if stored:
        url = _needed(targets.database, "tables", "DATABASE_URL")
        with Server(url) as server:
            gone = not server.comment_of(database_of(url))[0]
        if not gone:
            count += _remove_rows(url, stored, schema, dependents=dependents)
    if problems:
        raise problems[0]
    ledger.forget()
    return count


def _remove_rows(url: str, stored: list[Stored], schema: Schema | None, *, dependents: bool) -> int:
    schema = schema or reflect(url)
    with (
        _explained("the rows cannot be removed, so all of them stay"),
        connect(url) as connection,
        connection.transaction(),
    ):
        return remove(connection, schema, stored, dependents=dependents)


def _remove_resource(entry: Entry, targets: Targets, environ: Mapping[str, str], *, claimed: bool) -> int:
    if isinstance(entry, Posted):
        delete_resource(_needed(targets.api, "api", "API_URL"), entry, environ)
    elif isinstance(entry, Cached):
        if claimed and not targets.cache:
            return 0  # its worker is gone: the next one empties that database, or has done so
        delete_entry(_needed(targets.cache, "cache", "REDIS_URL"), entry)
    return 1
