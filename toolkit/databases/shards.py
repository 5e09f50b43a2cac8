"""Shards: numbered databases ``<base>_shard_1 …`` of one schema, made on purpose, kept until dropped."""

import msgspec

from toolkit.databases.clones import Clone
from toolkit.databases.marks import mark_text, read_mark
from toolkit.databases.owners import DatabaseOwner
from toolkit.databases.server import Server, url_of
from toolkit.databases.templates import Template
from toolkit.errors import OwnershipError, UsageError

LONGEST_BASE = 63 - len("_shard_9999")
MOST = 9999


class Shards(msgspec.Struct, frozen=True, kw_only=True):
    """The databases of a sharded suite, in order; ``made`` of them are new."""

    databases: tuple[Clone, ...]
    made: int


def shard_name(base: str, number: int) -> str:
    """Return the name of shard ``number``, counted from 1.

    Raises:
        UsageError: the base is empty or too long for PostgreSQL's 63 bytes.
    """
    if not base or len(base.encode()) > LONGEST_BASE:
        raise UsageError(f"{base!r} cannot name shards: expected 1 to {LONGEST_BASE} bytes")
    return f"{base}_shard_{number}"


def make_shards(server: Server, owner: DatabaseOwner, template: Template, *, base: str, count: int) -> Shards:
    """Make the shards that are missing; those that are there and ours are used again.

    A shard of an older schema is made anew.

    Raises:
        OwnershipError: a database of that name exists and is not ours.
        UsageError: an impossible count or base.
    """
    if not 1 <= count <= MOST:
        raise UsageError(f"{count} shards: expected 1 to {MOST}")
    names = [shard_name(base, number) for number in range(1, count + 1)]
    made = sum(_ensure(server, owner, template, name) for name in names)
    return Shards(
        databases=tuple(Clone(name=name, url=url_of(server.url, name)) for name in names), made=made
    )


def _ensure(server: Server, owner: DatabaseOwner, template: Template, name: str) -> bool:
    there, comment = server.comment_of(name)
    mark = read_mark(comment)
    if there and (mark is None or mark.kind != "shard"):
        raise OwnershipError(
            f"database {name!r} exists and is no shard of this toolkit, so it is not touched",
            hint="choose another base name, or drop it yourself",
        )
    if there and mark is not None and mark.key == template.key:
        return False
    if there:
        server.drop(name)
    server.create(name, template=template.name, comment=mark_text(owner.mark("shard", key=template.key)))
    return True
