"""The tables of the history: one commented text, its version, and the steps from older versions.

To add a table or column: write it into :data:`SCHEMA`, add one to :data:`VERSION`, and add the steps for
existing histories to :data:`MIGRATIONS` (``statement("my_table")`` gives the text of a new table). A test
proves that a migrated history and a new one have the same columns.

The text is SQLite's dialect; PostgreSQL gets its names of the same types, see :func:`for_postgres`.
There are no foreign keys: one writer at a time inserts whole runs; ``history.check`` verifies the references.
"""

import re
from collections.abc import Mapping

VERSION = 2
"""Version of :data:`SCHEMA`. A history with a higher one is refused and left alone."""

SCHEMA = """
-- What the history knows about itself.
CREATE TABLE facts (
    name TEXT PRIMARY KEY,      -- "schema": version of these tables; "toolkit": who made them;
                                -- "folded": newest run number that is in recent; "unfolded": results after it
    value TEXT NOT NULL
) WITHOUT ROWID;

-- One row per run.
CREATE TABLE runs (
    number INTEGER PRIMARY KEY, -- sorts by time: milliseconds of the start, then bits of a hash of the run id
    run TEXT NOT NULL UNIQUE,   -- the run id
    origin TEXT NOT NULL,       -- "journal" or "junit"
    size INTEGER NOT NULL,      -- bytes of the journals when imported: more bytes, import again
    build TEXT NOT NULL,        -- runs of one command or one pipeline share it
    project TEXT NOT NULL,
    profile TEXT NOT NULL,
    python TEXT NOT NULL,
    environment TEXT NOT NULL,  -- local, ci or staging
    revision TEXT NOT NULL,     -- the commit
    branch TEXT NOT NULL,
    host TEXT NOT NULL,
    started REAL NOT NULL,      -- Unix seconds
    finished REAL,              -- NULL: interrupted
    exit_code INTEGER,
    tests INTEGER NOT NULL,     -- number of results, then by outcome:
    passed INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    errors INTEGER NOT NULL,
    skipped INTEGER NOT NULL,
    xfailed INTEGER NOT NULL,
    xpassed INTEGER NOT NULL,
    crashed INTEGER NOT NULL,
    flaky INTEGER NOT NULL,     -- results that were good only after a retry
    missing INTEGER NOT NULL,   -- collected, but without a result
    attempts INTEGER NOT NULL,
    duration REAL NOT NULL,     -- seconds of all attempts of all tests: work, not wall time
    details BLOB NOT NULL       -- compressed JSON: the run record without its cases
);

-- One row per test ever seen.
CREATE TABLE tests (
    test INTEGER PRIMARY KEY,
    hash BLOB NOT NULL UNIQUE,  -- of the node id, which may be longer than an index allows
    node TEXT NOT NULL,         -- the node id
    file TEXT NOT NULL,         -- as of the newest run that had the test, like the next two
    line INTEGER,
    markers TEXT NOT NULL,      -- JSON list
    first INTEGER NOT NULL      -- number of the oldest run that had it
);

-- One row per attempt. A run is written at the end of the table: its cost does not depend on what is there.
-- Letters of outcomes: p passed, f failed, e error, s skipped, x xfailed, y xpassed, c crashed.
CREATE TABLE attempts (
    run INTEGER NOT NULL,       -- runs.number
    test INTEGER NOT NULL,      -- tests.test
    number INTEGER NOT NULL,    -- 1 = first try
    position INTEGER NOT NULL,  -- of the test in the run, from 0
    outcome TEXT NOT NULL,
    verdict TEXT,               -- in the last attempt only: letter of the result, a capital when flaky
    total REAL,                 -- in the last attempt only: seconds of all attempts
    worker TEXT NOT NULL,
    turn INTEGER NOT NULL,      -- position among the tests of this worker, from 0: for replay
    started REAL NOT NULL,
    duration REAL NOT NULL,
    setup REAL NOT NULL,
    call REAL NOT NULL,
    teardown REAL NOT NULL,
    cpu REAL,                   -- seconds
    memory INTEGER,             -- bytes
    reason BLOB,                -- texts.hash: why it was skipped, expected to fail or crashed
    more BLOB,                  -- texts.hash: JSON of what else is known of the attempt
    PRIMARY KEY (run, test, number)
) WITHOUT ROWID;

-- The verdicts: one row per test and run.
CREATE VIEW results AS
    SELECT run, test, position, verdict, number AS attempts, total AS duration
    FROM attempts WHERE verdict IS NOT NULL;

-- What went wrong, one row per failed phase of an attempt.
CREATE TABLE failures (
    run INTEGER NOT NULL,
    test INTEGER NOT NULL,
    number INTEGER NOT NULL,    -- of the attempt
    part INTEGER NOT NULL,      -- 0 = first failure of the attempt
    phase TEXT NOT NULL,
    exception TEXT NOT NULL,
    message BLOB,               -- texts.hash, like the next three
    traceback BLOB,
    frames BLOB,                -- JSON
    sections BLOB,              -- JSON: captured output
    PRIMARY KEY (run, test, number, part)
) WITHOUT ROWID;

-- Long texts, each kept once.
CREATE TABLE texts (
    hash BLOB PRIMARY KEY,      -- blake2b, 16 bytes, of the text in UTF-8
    body BLOB NOT NULL          -- compressed (zlib)
);

-- The newest results of every test, oldest first, at most 50: derived from attempts, in steps.
CREATE TABLE recent (
    test INTEGER PRIMARY KEY,
    numbers BLOB NOT NULL,      -- run numbers, 8 bytes each, little-endian
    verdicts TEXT NOT NULL,     -- letters
    durations BLOB NOT NULL     -- seconds, 4-byte floats, little-endian
);

-- Runs that were removed on purpose, so that their journals are not taken in again.
CREATE TABLE pruned (
    run TEXT PRIMARY KEY
) WITHOUT ROWID;
"""

MIGRATIONS: Mapping[int, tuple[str, ...]] = {
    2: ("ALTER TABLE attempts ADD COLUMN more BLOB",),
}
"""Version → the statements that lead to it from the version before, in SQLite's dialect."""


def statements(schema: str = SCHEMA) -> tuple[str, ...]:
    """Split a schema into its statements, comments included."""
    return tuple(part.strip() for part in re.split(r";\n(?=\n|\Z)", schema) if part.strip())


def statement(name: str) -> str:
    """Return the statement that creates a table, view or index of :data:`SCHEMA`.

    Raises:
        KeyError: there is none of that name.
    """
    for part in statements():
        if re.search(rf"^CREATE \w+ {re.escape(name)}\b", part, re.MULTILINE):
            return part
    raise KeyError(name)


def tables() -> tuple[str, ...]:
    """Return the names of all tables, in the order of :data:`SCHEMA`."""
    return tuple(re.findall(r"^CREATE TABLE (\w+)", SCHEMA, re.MULTILINE))


def for_postgres(text: str) -> str:
    """Translate a statement: 64-bit integers, double precision, bytea; every table has its key anyway."""
    for ours, theirs in (("INTEGER", "BIGINT"), ("REAL", "DOUBLE PRECISION"), ("BLOB", "BYTEA")):
        text = re.sub(rf"\b{ours}\b", theirs, text)
    return text.replace(" WITHOUT ROWID", "")


def describe() -> str:
    """Return the schema as Markdown: one table of columns per table, from the comments."""
    return f"Schema version {VERSION}.\n\n" + "\n".join(map(_describe_statement, statements()))


def _describe_statement(text: str) -> str:
    heading = re.search(r"^CREATE (TABLE|VIEW) (\w+)", text, re.MULTILINE)
    purpose = " ".join(re.findall(r"^-- ?(.*)$", text, re.MULTILINE))
    if heading is None or heading[1] == "VIEW":
        return f"## {heading[2] if heading else ''} (view)\n\n{purpose}\n"
    rows = "\n".join(f"| `{name}` | {kind} | {remark} |" for name, kind, remark in _columns(text))
    return f"## {heading[2]}\n\n{purpose}\n\n| column | type | meaning |\n|---|---|---|\n{rows}\n"


def _columns(text: str) -> list[tuple[str, str, str]]:
    found: list[tuple[str, str, str]] = []
    for line in text.splitlines():
        column = re.match(r"^ {4}([a-z_]+) ([A-Z ]+?),? *(?:-- (.*))?$", line)
        if column:
            found.append((column[1], column[2], column[3] or ""))
        elif found and (more := re.match(r"^ +-- (.*)$", line)):
            name, kind, remark = found[-1]
            found[-1] = (name, kind, f"{remark} {more[1]}")
    return found
