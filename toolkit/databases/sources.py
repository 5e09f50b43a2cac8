"""Where the schema of a test database comes from: a fingerprint of it, and how to put it into a database."""

import configparser
import hashlib
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from toolkit.config.databases import Databases
from toolkit.databases.server import connect
from toolkit.errors import ConfigError, EnvironmentFailed, InputError, MissingExtra
from toolkit.natural import natural_key

Migrate = Callable[[str], None]
"""Puts the schema into the database of a URL."""

SHOWN_LINES = 15


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """A schema: what it is called, its fingerprint, and how to make it."""

    what: str
    key: str
    migrate: Migrate


def find_source(databases: Databases, root: Path, environ: Mapping[str, str] | None = None) -> Source:
    """Return the source that the configuration names; without one, the empty schema.

    Raises:
        ConfigError: the folder, file or object does not exist.
    """
    environ = dict(os.environ) if environ is None else environ
    digest = hashlib.sha256()
    for path in _inputs(databases, root):
        digest.update(f"{path.relative_to(root).as_posix()}\0".encode())
        digest.update(path.read_bytes())
    if databases.migrations:
        folder = _existing(root / databases.migrations, "migrations")
        return _source("SQL files", digest, _sql_files(folder), lambda url: run_sql(folder, url))
    if databases.alembic:
        file = _existing(root / databases.alembic, "alembic")
        versions = _alembic_files(file, root)
        upgrade = (sys.executable, "-m", "alembic", "-c", str(file), "upgrade", "head")
        return _source(
            "Alembic", digest, [file, *versions], lambda url: run_command(upgrade, url, root, environ)
        )
    if databases.metadata:
        metadata = _load_metadata(databases.metadata, root)
        digest.update(_ddl(metadata).encode())
        return _source(databases.metadata, digest, [], lambda url: _create_all(metadata, url))
    if databases.command:
        command: tuple[str, ...] = tuple(
            part.replace("{python}", sys.executable) for part in databases.command
        )
        digest.update("\0".join(databases.command).encode())
        return _source(" ".join(command), digest, [], lambda url: run_command(command, url, root, environ))
    return _source("an empty database", digest, [], lambda _url: None)


def _source(what: str, digest: Any, files: list[Path], migrate: Migrate) -> Source:
    digest.update(f"{what}\0".encode())
    for file in files:
        digest.update(f"{file.name}\0".encode())
        digest.update(file.read_bytes())
    return Source(what=what, key=digest.hexdigest()[:16], migrate=migrate)


def _inputs(databases: Databases, root: Path) -> Iterator[Path]:
    found = {path for pattern in databases.inputs for path in root.glob(pattern) if path.is_file()}
    yield from sorted(found)


def _existing(path: Path, key: str) -> Path:
    if not path.exists():
        raise ConfigError(f"tool.toolkit.databases.{key}: {path} does not exist")
    return path


def _sql_files(folder: Path) -> list[Path]:
    files = sorted(folder.rglob("*.sql"), key=lambda path: natural_key(path.relative_to(folder).as_posix()))
    return [path for path in files if not path.name.endswith((".down.sql", ".undo.sql"))]


def _alembic_files(file: Path, root: Path) -> list[Path]:
    """Return the Python files of Alembic's ``script_location`` and ``version_locations``.

    They are relative to the working directory, which is the root, unless they begin with ``%(here)s``. Where
    one of them cannot be told, all files beside and below the configuration are taken, too.
    """
    parser = configparser.RawConfigParser()
    try:
        parser.read(file, encoding="utf-8")
    except configparser.Error as error:
        raise ConfigError(f"{file}: {error}") from error
    scripts = parser.get("alembic", "script_location", fallback="")
    versions = re.split(r"[\s,;:]+", parser.get("alembic", "version_locations", fallback="").strip())
    texts = (each.replace("%(here)s", str(file.parent)) for each in (scripts, *versions) if each)
    named = {root / each for each in texts}
    folders = {each for each in named if each.is_dir()}
    if not scripts or folders != named:
        folders.add(file.parent)
    return sorted({path for folder in folders for path in _python_files(folder)})


def _python_files(folder: Path) -> Iterator[Path]:
    for path in folder.rglob("*.py"):
        if not any(part[0] == "." for part in path.relative_to(folder).parts):
            yield path


def run_sql(folder: Path, url: str) -> None:
    """Execute the SQL files of a folder in natural order, each in a transaction of its own.

    Raises:
        InputError: names the file and what the server said.
    """
    with connect(url) as connection:
        for file in _sql_files(folder):
            try:
                with connection.transaction():
                    connection.execute(file.read_text(encoding="utf-8"))
            except Exception as error:
                raise InputError(f"{file}: {str(error).strip()}") from error


def run_command(command: tuple[str, ...], url: str, root: Path, environ: Mapping[str, str]) -> None:
    """Run a migration command with DATABASE_URL set; the URL is in its environment, not in its arguments.

    Raises:
        EnvironmentFailed: it cannot be started or fails; shows its last lines.
    """
    variables = {**environ, "DATABASE_URL": url}
    try:
        done = subprocess.run(
            command,
            cwd=root,
            env=variables,
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except OSError as error:
        raise EnvironmentFailed(f"{command[0]}: cannot be started: {error.strerror or error}") from error
    if done.returncode:
        last = "\n".join((done.stdout + done.stderr).strip().splitlines()[-SHOWN_LINES:])
        raise EnvironmentFailed(
            f"the migrations failed: {' '.join(command)} ended with {done.returncode}\n"
            f"{last.replace(url, '<url>')}"
        )


def _sqlalchemy() -> Any:
    try:
        import sqlalchemy
    except ImportError as error:
        raise MissingExtra("a schema from SQLAlchemy", extra="sqlalchemy", package="sqlalchemy") from error
    return sqlalchemy


def _load_metadata(name: str, root: Path) -> Any:
    import importlib

    module_name, _, attribute = name.partition(":")
    for folder in (str(root), str(root / "src")):
        if folder not in sys.path:
            sys.path.append(folder)
    try:
        found: Any = importlib.import_module(module_name)
        for part in attribute.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"tool.toolkit.databases.metadata = {name!r}: {error}") from error
    return getattr(found, "metadata", found)


def _ddl(metadata: Any) -> str:
    """Return the statements that would create the schema: its fingerprint."""
    _sqlalchemy()
    from sqlalchemy import create_mock_engine
    from sqlalchemy.dialects import postgresql

    lines: list[str] = []
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]

    def note(statement: Any, *_: Any, **__: Any) -> None:
        lines.append(str(statement.compile(dialect=dialect)))

    metadata.create_all(create_mock_engine("postgresql+psycopg://", note), checkfirst=False)
    return "\n".join(lines)


def _create_all(metadata: Any, url: str) -> None:
    engine = _sqlalchemy().create_engine(sqlalchemy_url(url))
    try:
        metadata.create_all(engine)
    finally:
        engine.dispose()


def sqlalchemy_url(url: str, *, dialect: str = "psycopg") -> str:
    """Return a URL for SQLAlchemy's driver of that name."""
    return f"postgresql+{dialect}:" + url.partition(":")[2]
