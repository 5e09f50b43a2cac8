"""Databases: where the schema of the test databases comes from, and how many there may be."""

from typing import Annotated

import msgspec

Count = Annotated[int, msgspec.Meta(ge=0)]
Positive = Annotated[int, msgspec.Meta(ge=1)]
Sources = ("migrations", "alembic", "metadata", "command")


class Databases(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[tool.toolkit.databases]``: name one source of the schema; without one, databases start empty."""

    migrations: str = ""
    """A folder of SQL files, executed in natural order of their names, each in a transaction."""
    alembic: str = ""
    """Path of ``alembic.ini``; ``alembic upgrade head`` is run with DATABASE_URL set."""
    metadata: str = ""
    """SQLAlchemy: ``package.module:attribute``, either a MetaData or a declarative base."""
    command: tuple[str, ...] = ()
    """A command that migrates the database in DATABASE_URL; ``{python}`` is replaced."""
    inputs: tuple[str, ...] = ()
    """Globs of more files on which the schema depends; needed to notice changes behind ``command``."""
    pool: Count = 1
    """Warm clones that each worker keeps ready."""
    cap: Positive = 64
    """The most clones on one server, over all workers and runs; warm ones are not made beyond it."""
    keep_failed: Count = 3
    """How many databases of failed tests a worker keeps for inspection, until ``db.cleanup --kept``."""
    servers: tuple[str, ...] = ()
    """Hosts (``host`` or ``host:port``) that are test servers, beside this machine."""


def database_mistakes(databases: Databases) -> list[str]:
    """Return what single fields cannot say: two sources of the schema."""
    named = [name for name in Sources if getattr(databases, name)]
    if len(named) > 1:
        return [f"tool.toolkit.databases: {' and '.join(named)}: name one source of the schema"]
    if databases.metadata and ":" not in databases.metadata:
        return [
            f"tool.toolkit.databases.metadata = {databases.metadata!r}: expected 'package.module:attribute'"
        ]
    return []
