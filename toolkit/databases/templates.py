"""Templates: a migrated database, built once per schema however many workers ask, then only copied.

The name ends in the fingerprint of the schema. It is built under another name and renamed when complete:
the rename is the moment from which it exists, so a killed builder leaves no half template.
"""

import hashlib
import time

import msgspec

from toolkit.databases.marks import mark_text, owned_name, read_mark
from toolkit.databases.owners import DatabaseOwner
from toolkit.databases.server import Server, driver, url_of
from toolkit.databases.sources import Source


class Template(msgspec.Struct, frozen=True, kw_only=True):
    """A template on a server.

    Attributes:
        name: of the database.
        key: fingerprint of its schema.
        built: seconds that it took, 0.0 when it was there already.
    """

    name: str
    key: str
    built: float = 0.0


def template_name(key: str) -> str:
    """Return the name of the template of a schema."""
    return f"tk_template_{key}"


def ensure_template(owner: DatabaseOwner, source: Source, *, rebuild: bool = False) -> Template:
    """Return the template of a schema; build it if the server has none.

    Whoever comes first builds, under an advisory lock of the template's name; the others wait for it.

    Args:
        owner: this process.
        source: the schema.
        rebuild: build it anew even if it is there; clones of the old one are untouched.

    Raises:
        EnvironmentFailed: the migrations failed; nothing is left behind.
        InputError: an SQL file cannot be executed.
    """
    name = template_name(source.key)
    with Server(owner.server.url, name="toolkit template") as server:
        if not rebuild and _is_there(server, name):
            return Template(name=name, key=source.key)
        server.fetch("SELECT pg_advisory_lock(%s)", [_lock_number(name)])
        if not rebuild and _is_there(server, name):
            return Template(name=name, key=source.key)
        return _build(server, owner, source, name)


def _is_there(server: Server, name: str) -> bool:
    return server.comment_of(name)[0]


def _lock_number(name: str) -> int:
    """Return the number of the lock under which a template is built; the same on every machine."""
    return int.from_bytes(hashlib.sha256(f"toolkit template {name}".encode()).digest()[:8], signed=True)


def _build(server: Server, owner: DatabaseOwner, source: Source, name: str) -> Template:
    began = time.perf_counter()
    owner.assure()
    building = owned_name("build", owner.number, owner.next_number())
    server.create(building, comment=mark_text(owner.mark("build", key=source.key)))
    try:
        source.migrate(url_of(owner.server.url, building))
        _await_disconnected(server, building)
        server.describe(building, mark_text(owner.mark("template", key=source.key)))
        server.run("ALTER DATABASE {name} WITH ALLOW_CONNECTIONS false IS_TEMPLATE true", name=building)
        if _is_there(server, name):
            server.drop(name)
        server.run("ALTER DATABASE {name} RENAME TO {final}", name=building, final=name)
    except BaseException:
        server.drop(building, force=True)
        raise
    return Template(name=name, key=source.key, built=time.perf_counter() - began)


def _await_disconnected(server: Server, name: str, *, patience: float = 5.0) -> None:
    """Give the migrations' connections a moment to end, then end them: a template must have none."""
    end = time.monotonic() + patience
    query = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s"
    while server.fetch(query, [name])[0][0] and time.monotonic() < end:
        time.sleep(0.01)
    server.fetch("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])


def is_current(server: Server, template: Template) -> bool:
    """Tell whether the template is still on the server, complete."""
    there, comment = server.comment_of(template.name)
    mark = read_mark(comment)
    return there and mark is not None and mark.kind == "template"


def missing_template(error: Exception) -> bool:
    """Tell whether a clone failed because somebody dropped its template meanwhile."""
    return isinstance(error, driver().errors.InvalidCatalogName)
