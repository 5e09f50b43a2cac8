BEGIN TRANSACTION;
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
INSERT INTO "attempts" VALUES(3670016000001730731,1,1,0,'f',NULL,NULL,'gw1',1,1750000001.0,0.5,0.0,0.5,0.0,0.25,50000000,NULL);
INSERT INTO "attempts" VALUES(3670016000001730731,1,2,0,'p','P',1.0,'gw1',2,1750000002.0,0.5,0.0,0.5,0.0,0.25,50000000,NULL);
INSERT INTO "attempts" VALUES(3670016000001730731,2,1,1,'s','s',0.5,'gw1',1,1750000001.0,0.5,0.0,0.5,0.0,0.25,50000000,X'64264E3D3FF3015BCF89C0A28BA9D79E');
INSERT INTO "attempts" VALUES(3670023549747752686,1,1,0,'f','f',0.5,'gw1',1,1750003601.0,0.5,0.0,0.5,0.0,0.25,50000000,NULL);
CREATE TABLE facts (
    name TEXT PRIMARY KEY,      -- "schema": version of these tables; "toolkit": who made them;
                                -- "folded": newest run number that is in recent; "unfolded": results after it
    value TEXT NOT NULL
) WITHOUT ROWID;
INSERT INTO "facts" VALUES('migrated','1795313489');
INSERT INTO "facts" VALUES('schema','1');
INSERT INTO "facts" VALUES('toolkit','0.1.0');
INSERT INTO "facts" VALUES('unfolded','3');
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
INSERT INTO "failures" VALUES(3670016000001730731,1,1,0,'call','builtins.AssertionError',X'7526E15854C64D0B69D84C12F25B8888',X'FABB7993226B3CB1AAFE8CA93D836825',X'5070B0B7CC20AF558BE00A84DC672C69',X'AC9FD0F103FB42D4AE1EB1813B3B0744');
INSERT INTO "failures" VALUES(3670023549747752686,1,1,0,'call','builtins.AssertionError',X'7526E15854C64D0B69D84C12F25B8888',X'FABB7993226B3CB1AAFE8CA93D836825',X'5070B0B7CC20AF558BE00A84DC672C69',X'AC9FD0F103FB42D4AE1EB1813B3B0744');
CREATE TABLE pruned (
    run TEXT PRIMARY KEY
) WITHOUT ROWID;
CREATE TABLE recent (
    test INTEGER PRIMARY KEY,
    numbers BLOB NOT NULL,      -- run numbers, 8 bytes each, little-endian
    verdicts TEXT NOT NULL,     -- letters
    durations BLOB NOT NULL     -- seconds, 4-byte floats, little-endian
);
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
INSERT INTO "runs" VALUES(3670016000001730731,'run-0000','journal',0,'','','unit','','local','abc','','',1750000000.0,1750000060.0,0,2,1,0,0,1,0,0,0,1,0,3,1.5,X'789C258A410A80201444EF326B0B5B44E06D4C7F24A5C64F57E2DDFBD85B0C8FE1359C643D314CC315928701D7043576F8A40539DE62B99004CBB6EA9F592B3C9C8F7093B43585229DCB318A18D8DDA1F70F9A621D42');
INSERT INTO "runs" VALUES(3670023549747752686,'run-0001','journal',0,'','','unit','','local','','','',1750003600.0,1750003660.0,0,1,0,1,0,0,0,0,0,0,0,1,0.5,X'789CAB56CA484D4C492D52B2AA56CACECC4B51B2522A2ACD53D2019360B6AE8181812150A0B824B1A82415A8C0D0DC1428646C6660A067A0A35450949F9699930A545B9A9759A2545B0B0009A818AF');
CREATE TABLE tests (
    test INTEGER PRIMARY KEY,
    hash BLOB NOT NULL UNIQUE,  -- of the node id, which may be longer than an index allows
    node TEXT NOT NULL,         -- the node id
    file TEXT NOT NULL,         -- as of the newest run that had the test, like the next two
    line INTEGER,
    markers TEXT NOT NULL,      -- JSON list
    first INTEGER NOT NULL      -- number of the oldest run that had it
);
INSERT INTO "tests" VALUES(1,X'2FEDAF9D8F0084EE8926C04E05A79A48','a.py::a','a.py',7,'["unit"]',3670016000001730731);
INSERT INTO "tests" VALUES(2,X'43F3AD9E327ED97F3441A645B2364C83','b.py::b','b.py',7,'["unit"]',3670016000001730731);
CREATE TABLE texts (
    hash BLOB PRIMARY KEY,      -- blake2b, 16 bytes, of the text in UTF-8
    body BLOB NOT NULL          -- compressed (zlib)
);
INSERT INTO "texts" VALUES(X'64264E3D3FF3015BCF89C0A28BA9D79E',X'789CCBCB2F5128C94F49AC040011B20393');
INSERT INTO "texts" VALUES(X'7526E15854C64D0B69D84C12F25B8888',X'789C4B2C2E4E2D2A513054B0B5553052C8CC5348D42BA8B4B24A04005D400734');
INSERT INTO "texts" VALUES(X'FABB7993226B3CB1AAFE8CA93D836825',X'789C73555050482C2E4E2D2A513054B0B55530E2721D15A1810800A65159D9');
INSERT INTO "texts" VALUES(X'5070B0B7CC20AF558BE00A84DC672C69',X'789C8BAE562A482CC950B2522A492D2E29D60791F1897A05954A3A4A399979A94A56C63A4A69A579C92599F9795055F1494AB5B100357B1373');
INSERT INTO "texts" VALUES(X'AC9FD0F103FB42D4AE1EB1813B3B0744',X'789CAB562A2E49C92F2D51B252CA48CDC9C957AA05003E070672');
CREATE VIEW results AS
    SELECT run, test, position, verdict, number AS attempts, total AS duration
    FROM attempts WHERE verdict IS NOT NULL;
COMMIT;
