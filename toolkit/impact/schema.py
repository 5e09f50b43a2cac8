"""The tables of the file of dependencies, and the way there from older ones."""

import sqlite3
from pathlib import Path

from toolkit.errors import SchemaTooNew

SCHEMA_VERSION = 2

SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE inputs (            -- one row for each state of a thing that tests depend on
  id INTEGER PRIMARY KEY, kind TEXT NOT NULL, name TEXT NOT NULL, unit TEXT NOT NULL,
  fingerprint TEXT NOT NULL, UNIQUE (kind, name, unit, fingerprint));
CREATE TABLE segments (id INTEGER PRIMARY KEY, size INTEGER NOT NULL, created REAL NOT NULL);
CREATE TABLE tests (
  environment TEXT NOT NULL, node TEXT NOT NULL, segment INTEGER, position INTEGER,
  outcomes TEXT NOT NULL DEFAULT '', duration REAL NOT NULL DEFAULT 0, since_bad INTEGER NOT NULL DEFAULT
  1000, traced INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (environment, node)) WITHOUT ROWID;
CREATE INDEX tests_by_segment ON tests (segment);
CREATE TABLE postings (          -- which tests of a segment depend on an input: a compressed bitmap
  segment INTEGER NOT NULL, input INTEGER NOT NULL, bits BLOB NOT NULL,
  PRIMARY KEY (input, segment)) WITHOUT ROWID;
CREATE TABLE sources (key TEXT PRIMARY KEY, value BLOB NOT NULL, used REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE runs (
  id INTEGER PRIMARY KEY, environment TEXT NOT NULL, at REAL NOT NULL, mode TEXT NOT NULL,
  selected INTEGER NOT NULL, left_out INTEGER NOT NULL, saved REAL NOT NULL,
  failing INTEGER NOT NULL DEFAULT 0, missed INTEGER NOT NULL DEFAULT 0, reference TEXT NOT NULL DEFAULT '');
CREATE TABLE windows (           -- what functions that keep things ran, see toolkit.impact.kept
  environment TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE misses (            -- failed, although selection would have left it out
  run INTEGER NOT NULL, node TEXT NOT NULL, PRIMARY KEY (run, node)) WITHOUT ROWID;
"""

STEPS = {
    1: """
ALTER TABLE tests ADD COLUMN traced INTEGER NOT NULL DEFAULT 0;
CREATE TABLE windows (environment TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
""",
}
"""Version → what leads to the next one."""


def prepare(connection: sqlite3.Connection, path: Path) -> None:
    """Make the tables, or bring them up to date.

    Raises:
        SchemaTooNew: a newer toolkit wrote them.
    """
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    version = _version(connection)
    if version > SCHEMA_VERSION:
        raise SchemaTooNew(
            f"{path}: written by a newer toolkit (schema {version}, this one knows {SCHEMA_VERSION})",
            hint="update nox-invoke-toolkit, or delete the file to record everything anew",
        )
    if version == 0:
        connection.executescript(f"BEGIN; {SCHEMA} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;")
    elif version < SCHEMA_VERSION:
        _bring_up_to_date(connection)


def _bring_up_to_date(connection: sqlite3.Connection) -> None:
    connection.execute("BEGIN IMMEDIATE")  # another process may be at it
    for version in range(_version(connection), SCHEMA_VERSION):
        for statement in filter(str.strip, STEPS[version].split(";")):
            connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    connection.execute("COMMIT")


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])
