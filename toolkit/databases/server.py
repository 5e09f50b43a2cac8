"""A PostgreSQL server as tests see it: connections, URLs, statements on whole databases, and the guard.

Every identifier is quoted by the driver; URLs with passwords never enter a message.
"""

import ipaddress
import re
import urllib.parse
from collections.abc import Collection
from typing import Any, LiteralString, Self

import msgspec

from toolkit.databases.strategies import strategy_for
from toolkit.errors import EnvironmentFailed, MissingExtra, OwnershipError

CONNECT_TIMEOUT = 5
"""Seconds to wait for a connection."""

MAINTENANCE = "postgres"
"""The database from which others are created and dropped."""


def driver() -> Any:
    """Import psycopg.

    Raises:
        MissingExtra: it is not installed.
    """
    try:
        import psycopg
    except ImportError as error:
        raise MissingExtra("a PostgreSQL database", extra="postgres", package="psycopg") from error
    return psycopg


def plain_url(url: str) -> str:
    """Return a URL that libpq understands: SQLAlchemy's driver suffix is left out."""
    return re.sub(r"^postgres(?:ql)?(?:\+\w+)?:", "postgresql:", url)


def url_of(url: str, database: str) -> str:
    """Return the URL of another database on the same server; scheme, user and options are kept.

    Raises:
        EnvironmentFailed: it is no URL.
    """
    try:
        parts = urllib.parse.urlsplit(url)
    except ValueError:
        raise _not_understood() from None  # the reason may quote the password
    return urllib.parse.urlunsplit(parts._replace(path="/" + urllib.parse.quote(database, safe="")))


def database_of(url: str) -> str:
    """Return the name of the database in a URL; empty when it has none."""
    return urllib.parse.unquote(urllib.parse.urlsplit(url).path.lstrip("/"))


def place_of(url: str) -> str:
    """Return ``host:port`` of a URL, for messages: no user, no password.

    Raises:
        EnvironmentFailed: where the password ends is not certain.
    """
    try:
        parts = urllib.parse.urlsplit(url)
        query = dict(urllib.parse.parse_qsl(parts.query))
        place = f"{parts.hostname or query.get('host', 'localhost')}:{parts.port or query.get('port', 5432)}"
    except ValueError:
        raise _not_understood() from None
    if parts.netloc.count("@") > 1:  # libpq ends the password at the first one, and would tell the rest
        raise _not_understood()
    return place


def _not_understood() -> EnvironmentFailed:
    return EnvironmentFailed(
        "the URL of a server is not understood",
        hint="expected SCHEME://USER:PASSWORD@HOST:PORT/NAME, with % : / ? # [ ] @ in the password as %25 …",
    )


def require_test_server(url: str, *, servers: Collection[str] = (), named: str = "") -> None:
    """Refuse servers that nobody called a test server.

    A server on this machine (loopback, a socket) is one; any other only when ``servers`` (the
    configuration) or ``named`` (the command line) says its ``host`` or ``host:port``.

    Raises:
        OwnershipError: it is not known to be a test server; it was not even connected to.
    """
    place = place_of(url)
    host = place.rpartition(":")[0]
    if _is_here(host) or {host, place} & {*servers, named}:
        return
    raise OwnershipError(
        f"{place} is not known to be a test server, so nothing is created or dropped there",
        hint=f"add {host!r} to tool.toolkit.databases.servers, or name it: --server {place}",
    )


def _is_here(host: str) -> bool:
    if not host or host.startswith("/") or host in {"localhost", "localhost.localdomain"}:
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Database(msgspec.Struct, frozen=True, kw_only=True):
    """One database on a server. ``size`` in bytes; ``connections`` open to it at the moment."""

    name: str
    comment: str | None = None
    size: int = 0
    connections: int = 0
    is_template: bool = False


class Server:
    """A connection to the maintenance database of a server, in autocommit; for one thread at a time."""

    def __init__(self, url: str, *, name: str = "toolkit") -> None:
        self.url = plain_url(url)
        self._name = name
        self._connection: Any = None
        self._copying: dict[str, LiteralString] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; the next statement opens a new one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    @property
    def connection(self) -> Any:
        """The open connection; made when it is needed.

        Raises:
            EnvironmentFailed: the server cannot be reached or refuses the user.
        """
        if self._connection is None or self._connection.closed:
            self._connection = connect(url_of(self.url, MAINTENANCE), name=self._name)
        return self._connection

    def fetch(self, query: str, parameters: Collection[object] = ()) -> list[tuple[Any, ...]]:
        """Run a query and return all rows.

        Raises:
            EnvironmentFailed: the connection was lost; the next statement opens a new one.
        """
        rows: list[tuple[Any, ...]] = self._execute(query, parameters).fetchall()
        return rows

    def _execute(self, query: Any, parameters: Collection[object] = ()) -> Any:
        """Run a statement; what the server refuses is the driver's error, a lost connection is ours."""
        connection = self.connection
        try:
            return connection.execute(query, parameters)
        except driver().OperationalError as error:
            if not connection.closed:
                raise
            raise EnvironmentFailed(
                f"PostgreSQL at {place_of(self.url)}: the connection was lost: {str(error).strip()}",
                hint="did the server stop? `invoke services.status` shows it, `invoke services.logs` why",
            ) from error

    def run(self, statement: LiteralString, *, literals: Collection[object] = (), **names: str) -> None:
        """Run a statement in which ``{name}`` stands for a quoted identifier and ``{}`` for a literal."""
        driver()
        from psycopg import sql

        quoted = {key: sql.Identifier(value) for key, value in names.items()}
        self._execute(sql.SQL(statement).format(*map(sql.Literal, literals), **quoted))

    def databases(self, *, sizes: bool = True) -> list[Database]:
        """List all databases but the server's own templates, by name.

        Args:
            sizes: ask for them too; the server looks at every file then, half a millisecond per database.
        """
        rows = self.fetch(
            "SELECT d.datname, shobj_description(d.oid, 'pg_database'),"
            " CASE WHEN %s AND has_database_privilege(d.oid, 'CONNECT')"
            " THEN pg_database_size(d.oid) ELSE 0 END,"
            " (SELECT count(*) FROM pg_stat_activity AS a WHERE a.datid = d.oid), d.datistemplate"
            " FROM pg_database AS d WHERE d.datname NOT IN ('template0', 'template1') ORDER BY 1",
            [sizes],
        )
        return [
            Database(name=name, comment=comment, size=int(size), connections=count, is_template=template)
            for name, comment, size, count, template in rows
        ]

    def comment_of(self, name: str) -> tuple[bool, str | None]:
        """Return whether a database exists, and its comment."""
        rows = self.fetch(
            "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = %s", [name]
        )
        return (True, rows[0][0]) if rows else (False, None)

    def create(self, name: str, *, template: str | None = None, comment: str | None = None) -> None:
        """Create a database, as a copy of ``template`` if one is named, and describe it."""
        if template is None:
            self.run("CREATE DATABASE {name}", name=name)
        else:
            self.run("CREATE DATABASE {name} TEMPLATE {of}" + self._how(template), name=name, of=template)
        if comment is not None:
            self.describe(name, comment)

    def _how(self, template: str) -> LiteralString:
        """Return the words that choose the faster strategy; asked once for each template."""
        if template not in self._copying:
            rows = self.fetch(
                "SELECT current_setting('fsync')::bool,"
                " CASE WHEN has_database_privilege(oid, 'CONNECT') THEN pg_database_size(oid) ELSE 0 END"
                " FROM pg_database WHERE datname = %s",
                [template],
            )
            fsync, size = rows[0] if rows else (False, 0)  # gone meanwhile: the server will say so
            version = self.connection.info.server_version
            found = strategy_for(version=version, fsync=bool(fsync), size=int(size))
            self._copying[template] = f" STRATEGY {found}" if found else ""
        return self._copying[template]

    def describe(self, name: str, comment: str) -> None:
        """Set the comment of a database."""
        self.run("COMMENT ON DATABASE {name} IS {}", name=name, literals=[comment])

    def drop(self, name: str, *, force: bool = False) -> None:
        """Drop a database; one that is a template too. ``force`` ends its connections."""
        template = self.fetch("SELECT datistemplate FROM pg_database WHERE datname = %s", [name])
        if template and template[0][0]:
            self.run("ALTER DATABASE {name} WITH IS_TEMPLATE false", name=name)
        if force:
            self.run("DROP DATABASE IF EXISTS {name} WITH (FORCE)", name=name)
        else:
            self.run("DROP DATABASE IF EXISTS {name}", name=name)


def connect(url: str, *, name: str = "toolkit") -> Any:
    """Open a connection in autocommit.

    Raises:
        EnvironmentFailed: the server cannot be reached or refuses; says where, never with which password.
    """
    try:
        return driver().connect(
            plain_url(url), autocommit=True, connect_timeout=CONNECT_TIMEOUT, application_name=name
        )
    except driver().OperationalError as error:
        raise EnvironmentFailed(
            f"PostgreSQL at {place_of(url)}, database {database_of(url)!r}: {_reason(error)}",
            hint="is the server up? `invoke services.status` shows it, `invoke services.up` starts one",
        ) from error
    except driver().ProgrammingError:
        raise _not_understood() from None  # the driver quotes the URL, password included


def _reason(error: Exception) -> str:
    """Return the line that says why: the last one that is neither a detail nor the client's advice."""
    lines = [line for line in str(error).splitlines() if line.strip() and line[0] != "\t"]
    said = [line for line in lines if not line.startswith(("DETAIL:", "HINT:"))]
    return (said or lines or [repr(error)])[-1].strip()
