"""Dropping what dead owners left, and nothing else.

The decision is a pure function of what the server says: the mark, or the name that proves its maker, and the
locks that are held. A database that is in use is kept whatever its mark says.
"""

from collections.abc import Collection, Iterable

import msgspec

from toolkit.databases.marks import Mark, owner_in_name, read_mark
from toolkit.databases.owners import living_owners
from toolkit.databases.server import Database, Server, driver

OWNED = frozenset({"clone", "build"})


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """A database that stays, and why."""

    name: str
    why: str


class Cleanup(msgspec.Struct, frozen=True, kw_only=True):
    """What a cleanup did, or would do."""

    dropped: tuple[str, ...] = ()
    kept: tuple[Kept, ...] = ()
    dry_run: bool = False


def reason_to_keep(
    database: Database, living: Collection[int], *, kinds: Collection[str] = frozenset()
) -> str | None:
    """Say why a database must stay; None: its owner is gone and it may be dropped.

    Args:
        database: as the server describes it.
        living: numbers whose locks are held.
        kinds: kinds beside clones and builds that may go: "kept", "shard", "template", "named".
    """
    mark = read_mark(database.comment)
    if mark is None:
        owner = owner_in_name(database.name) if database.comment is None else None
        if owner is None:
            return "not ours: it bears no mark of this toolkit"
        mark = Mark(toolkit=1, kind="clone", owner=owner)
    if mark.kind in OWNED and mark.owner in living:
        return f"its owner lives ({mark.by or 'just making it'})"
    if mark.kind not in OWNED and mark.kind not in kinds:
        return _why_it_stays(mark)
    if database.connections:
        return f"in use: {database.connections} connections"
    return None


def _why_it_stays(mark: Mark) -> str:
    if mark.kind == "template":
        return "a template: it makes the next run fast (drop templates with --templates)"
    if mark.kind == "kept":
        return f"kept for {mark.test or 'inspection'} (drop kept ones with --kept)"
    return f"made on purpose ({mark.kind}); drop it with db.drop"


def cleanup(server: Server, *, dry_run: bool = False, kinds: Iterable[str] = ()) -> Cleanup:
    """Drop every database of this toolkit whose owner is gone.

    The locks are read after the databases: an owner takes its lock before it makes its first database, so
    whoever made one of these lives exactly if its lock is among them.
    """
    databases = server.databases(sizes=False)
    living = living_owners(server)
    dropped: list[str] = []
    kept: list[Kept] = []
    for database in databases:
        why = reason_to_keep(database, living, kinds=frozenset(kinds))
        if why is None and not dry_run:
            why = _drop(server, database.name)
        if why is None:
            dropped.append(database.name)
        else:
            kept.append(Kept(name=database.name, why=why))
    return Cleanup(dropped=tuple(dropped), kept=tuple(kept), dry_run=dry_run)


def _drop(server: Server, name: str) -> str | None:
    """Drop one database without force; return why it could not be dropped."""
    try:
        server.drop(name)
    except driver().Error as error:
        return f"could not be dropped: {str(error).strip().splitlines()[0]}"
    return None
