"""Clones: one database of its own for whoever asks, copied from the template in tens of milliseconds."""

import msgspec

from toolkit.databases.marks import VERSION, Mark, mark_text, owned_name, owner_in_name
from toolkit.databases.owners import DatabaseOwner
from toolkit.databases.server import Server, driver, url_of
from toolkit.databases.sources import Source
from toolkit.databases.templates import Template, ensure_template, missing_template


class Clone(msgspec.Struct, frozen=True, kw_only=True):
    """A database of one's own. ``url`` carries the password: it is not part of the text form."""

    name: str
    url: str

    def __repr__(self) -> str:
        return f"<Clone {self.name}>"


def make_clone(server: Server, owner: DatabaseOwner, template: Template, source: Source) -> Clone:
    """Copy the template into a database that dies with the owner.

    A template that was dropped meanwhile is built again, once.

    Raises:
        EnvironmentFailed: the server cannot be reached, or the migrations fail.
    """
    name = owned_name("clone", owner.number, owner.next_number())
    comment = mark_text(owner.mark("clone", key=template.key))
    try:
        server.create(name, template=template.name, comment=comment)
    except driver().Error as error:
        if not missing_template(error):
            raise
        server.create(name, template=ensure_template(owner, source).name, comment=comment)
    return Clone(name=name, url=url_of(owner.server.url, name))


def drop_clone(server: Server, clone: Clone) -> None:
    """Drop a clone, with whatever is still connected to it: it is ours alone."""
    server.drop(clone.name, force=True)


def kept_name(name: str) -> str:
    """Return the name that the clone of this name gets when it is kept."""
    return f"tk_kept_{owner_in_name(name) or 0:016x}_{name.rpartition('_')[2]}"


def keep_clone(server: Server, clone: Clone, *, test: str, by: str, made: float) -> Clone:
    """Keep the database of a failed test for inspection: from now on it dies only by hand.

    It gets a name that is no proof for a sweep any more. Connections to it are ended.
    """
    kept = kept_name(clone.name)
    mark = Mark(toolkit=VERSION, kind="kept", by=by, made=made, test=test)
    server.describe(clone.name, mark_text(mark))
    server.fetch("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [clone.name])
    server.run("ALTER DATABASE {name} RENAME TO {kept}", name=clone.name, kept=kept)
    return Clone(name=kept, url=url_of(clone.url, kept))
