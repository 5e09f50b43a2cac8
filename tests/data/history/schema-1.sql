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
    details BLOB NOT NULL       -- compressed JSON: the whole header, lost workers, missing tests, problems
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
