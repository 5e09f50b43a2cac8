"""The coverage of every test, remembered for the runs that leave it out: one SQLite file.

A test's coverage is a list of (state of a file, lines or arcs) pairs. Everything is kept once: texts of
files by their content, equal sets of lines, equal lists. So what many tests share costs little.

It is only a memory: a damaged file, or one of another version, is begun anew, and the tests run again.
"""

import hashlib
import sqlite3
import zlib
from array import array
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Self

import msgspec

from toolkit.impact.lines import Arc
from toolkit.records import NodeId

MEMORY_NAME = "coverage.sqlite"
"""Name of the file in the state folder."""

VERSION = 1
SPARE = 2.0
"""What nobody refers to is dropped when there is so many times what was kept the last time."""

SCHEMA = """
CREATE TABLE files (             -- one row for each state of a measured file
  id INTEGER PRIMARY KEY, path TEXT NOT NULL, digest TEXT NOT NULL, tracer TEXT NOT NULL,
  UNIQUE (path, digest, tracer));
CREATE TABLE texts (digest TEXT PRIMARY KEY, content BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE parts (id INTEGER PRIMARY KEY, digest BLOB NOT NULL UNIQUE, content BLOB NOT NULL);
CREATE TABLE lists (id INTEGER PRIMARY KEY, digest BLOB NOT NULL UNIQUE, content BLOB NOT NULL);
CREATE TABLE tests (
  environment TEXT NOT NULL, node TEXT NOT NULL, settings TEXT NOT NULL, own INTEGER NOT NULL,
  imported INTEGER NOT NULL, PRIMARY KEY (environment, node)) WITHOUT ROWID;
CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
"""


class MemoryDamaged(sqlite3.DatabaseError):
    """What was kept is no longer what was written."""


class FileState(msgspec.Struct, frozen=True, kw_only=True):
    """A measured file as it was.

    Attributes:
        path: as coverage names it; relative to the project when it is inside.
        digest: of its content.
        tracer: coverage's plugin that measured it; empty for Python files.
    """

    path: str
    digest: str
    tracer: str = ""


Parts = Collection[tuple[FileState, bytes]]
"""What was executed: states of files, each with packed lines or arcs. A file may be there more than once."""


class CoverageMemory:
    """An open file. Use :func:`open_memory`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection

    # -- reading -------------------------------------------------------------------------------------------

    def tests(self, environment: str, settings: str) -> set[NodeId]:
        """Return the tests whose coverage is remembered, measured with these settings."""
        query = "SELECT node FROM tests WHERE environment = ? AND settings = ?"
        return {NodeId(node) for (node,) in self._db.execute(query, (environment, settings))}

    def coverage(self, environment: str, tests: Collection[NodeId]) -> dict[FileState, set[bytes]]:
        """Return what some tests executed together."""
        query = "SELECT node, own, imported FROM tests WHERE environment = ?"
        wanted = frozenset(tests)
        lists = {
            number
            for node, own, imported in self._db.execute(query, (environment,))
            if node in wanted
            for number in (own, imported)
        }
        pairs = {pair for number in lists for pair in self._pairs(number)}
        files = {
            number: FileState(path=path, digest=digest, tracer=tracer)
            for number, path, digest, tracer in self._db.execute("SELECT * FROM files")
        }
        found: dict[FileState, set[bytes]] = {}
        for file, part in pairs:
            if file not in files:
                raise MemoryDamaged("a file is missing")
            found.setdefault(files[file], set()).add(self._content("parts", part))
        return found

    def text(self, digest: str) -> bytes | None:
        """Return the text of a file as it was measured."""
        row = self._db.execute("SELECT content FROM texts WHERE digest = ?", (digest,)).fetchone()
        return None if row is None else _unpack(row[0])

    def _pairs(self, number: int) -> Iterator[tuple[int, int]]:
        return unpack_pairs(self._content("lists", number))

    def _content(self, table: str, number: int) -> bytes:
        query = f"SELECT content FROM {table} WHERE id = ?"  # noqa: S608 - the name is one of two of ours
        row = self._db.execute(query, (number,)).fetchone()
        if row is None:
            raise MemoryDamaged(f"one of the {table} is missing")
        return bytes(row[0])

    # -- writing -------------------------------------------------------------------------------------------

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def remember(self, environment: str, settings: str, cases: Iterable[tuple[NodeId, Parts, Parts]]) -> None:
        """Keep the coverage of tests; replaces what was known of them.

        Args:
            environment: of the run, see :func:`toolkit.impact.session.environment_name`.
            settings: digest of how coverage measured.
            cases: test, what it executed itself, what ran when modules were imported that it reaches.
        """
        lists: dict[int, int] = {}
        files: dict[FileState, int] = {}
        parts: dict[bytes, int] = {}

        def number_of(found: Parts) -> int:
            if id(found) not in lists:  # what modules run is shared between the tests of a file
                pairs = sorted(
                    (self._file(state, files), self._part(part, parts)) for state, part in set(found)
                )
                lists[id(found)] = self._keep("lists", pack_numbers(chain.from_iterable(pairs)))
            return lists[id(found)]

        alive = []  # as long as ids are compared
        for test, own, imported in cases:
            alive.append((own, imported))
            self._db.execute(
                "INSERT OR REPLACE INTO tests VALUES (?, ?, ?, ?, ?)",
                (environment, test, settings, number_of(own), number_of(imported)),
            )

    def keep_text(self, digest: str, content: bytes) -> None:
        """Keep the text of a file as it is measured."""
        self._db.execute("INSERT OR IGNORE INTO texts VALUES (?, ?)", (digest, zlib.compress(content, 6)))

    def forget(self, environment: str, tests: Iterable[NodeId]) -> None:
        """Forget tests, such as those that ran without coverage."""
        rows = ((environment, test) for test in tests)
        self._db.executemany("DELETE FROM tests WHERE environment = ? AND node = ?", rows)

    def _file(self, state: FileState, known: dict[FileState, int]) -> int:
        if state not in known:
            row = (state.path, state.digest, state.tracer)
            self._db.execute("INSERT OR IGNORE INTO files (path, digest, tracer) VALUES (?, ?, ?)", row)
            query = "SELECT id FROM files WHERE path = ? AND digest = ? AND tracer = ?"
            known[state] = self._db.execute(query, row).fetchone()[0]
        return known[state]

    def _part(self, content: bytes, known: dict[bytes, int]) -> int:
        if content not in known:
            known[content] = self._keep("parts", content)
        return known[content]

    def _keep(self, table: str, content: bytes) -> int:
        digest = hashlib.blake2b(content, digest_size=12).digest()
        row = self._db.execute(f"SELECT id FROM {table} WHERE digest = ?", (digest,)).fetchone()  # noqa: S608
        if row is not None:
            return int(row[0])
        insert = f"INSERT INTO {table} (digest, content) VALUES (?, ?)"  # noqa: S608
        return int(self._db.execute(insert, (digest, content)).lastrowid or 0)

    # -- keeping it small ------------------------------------------------------------------------------------

    def tidy(self) -> None:
        """Drop what no test refers to, once there is enough of it."""
        count = self._db.execute("SELECT (SELECT count(*) FROM parts) + (SELECT count(*) FROM lists)")
        size = int(count.fetchone()[0])
        row = self._db.execute("SELECT value FROM meta WHERE key = 'kept'").fetchone()
        if row is not None and size <= SPARE * row[0]:
            return
        self._db.execute(
            "DELETE FROM lists WHERE id NOT IN (SELECT own FROM tests UNION SELECT imported FROM tests)"
        )
        lists = [number for (number,) in self._db.execute("SELECT id FROM lists")]
        pairs = {pair for number in lists for pair in self._pairs(number)}
        self._drop_others("files", {file for file, _part in pairs})
        self._drop_others("parts", {part for _file, part in pairs})
        self._db.execute("DELETE FROM texts WHERE digest NOT IN (SELECT digest FROM files)")
        kept = len(lists) + len({part for _file, part in pairs})
        self._db.execute("INSERT OR REPLACE INTO meta VALUES ('kept', ?)", (kept + 100,))

    def _drop_others(self, table: str, used: set[int]) -> None:
        every = {number for (number,) in self._db.execute(f"SELECT id FROM {table}")}  # noqa: S608
        rows = ((number,) for number in every - used)
        self._db.executemany(f"DELETE FROM {table} WHERE id = ?", rows)  # noqa: S608

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_memory(path: Path) -> CoverageMemory:
    """Open the file, or begin a new one: also in the place of a damaged or another version's one.

    Raises:
        sqlite3.Error: it cannot be read or written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        return CoverageMemory(_connect(path))
    except sqlite3.DatabaseError as error:
        if not is_damage(error):
            raise
        remove_memory(path)
        return CoverageMemory(_connect(path))


def is_damage(error: Exception) -> bool:
    """Whether an error says that the file is damaged: not that it is locked, or that the disk is full."""
    if isinstance(error, sqlite3.OperationalError):
        return str(error).startswith(("no such", "Could not decode"))
    return isinstance(error, sqlite3.DatabaseError)


def remove_memory(path: Path) -> None:
    """Remove the file and those that SQLite keeps beside it."""
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=30, isolation_level=None)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        version = int(connection.execute("PRAGMA user_version").fetchone()[0])
        if version not in {0, VERSION}:
            raise sqlite3.DatabaseError(f"version {version}")
        if version == 0:
            connection.executescript(f"BEGIN; {SCHEMA} PRAGMA user_version = {VERSION}; COMMIT;")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


# -- packing -------------------------------------------------------------------------------------------------


def pack_numbers(numbers: Iterable[int]) -> bytes:
    """Pack whole numbers of 32 bits."""
    return zlib.compress(array("i", numbers).tobytes(), 1)


def unpack_numbers(packed: bytes) -> "array[int]":
    """Return what :func:`pack_numbers` packed.

    Raises:
        MemoryDamaged: it is something else.
    """
    try:
        return array("i", _unpack(packed))
    except ValueError as error:
        raise MemoryDamaged(str(error)) from error


def _unpack(packed: bytes) -> bytes:
    try:
        return zlib.decompress(packed)
    except zlib.error as error:
        raise MemoryDamaged(str(error)) from error


def pack_lines(lines: Iterable[int]) -> bytes:
    """Pack lines."""
    return pack_numbers(sorted(lines))


def pack_arcs(arcs: Iterable[Arc]) -> bytes:
    """Pack arcs."""
    return pack_numbers(chain.from_iterable(sorted(arcs)))


def unpack_pairs(packed: bytes) -> Iterator[Arc]:
    """Return what was packed as pairs, such as arcs.

    Raises:
        MemoryDamaged: it is something else.
    """
    numbers = unpack_numbers(packed)
    if len(numbers) % 2:
        raise MemoryDamaged("half a pair")
    return zip(numbers[::2], numbers[1::2], strict=True)
