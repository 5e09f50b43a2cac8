"""Rows → answers. Every question reads only what it asks for."""

import struct
from collections.abc import Iterator, Mapping, Sequence
from heapq import nsmallest
from statistics import median

from toolkit.history import reading, recent
from toolkit.history.answers import Chosen, KnownTest, PastFailure, Recent, Result, RunRow, SlowTest
from toolkit.history.database import Database, Row
from toolkit.history.letters import OUTCOMES
from toolkit.history.texts import load_texts, storable, text_hash
from toolkit.records import NodeId

TYPICAL_OF = 10
"""A typical duration is the median of this many newest results that ran."""

FILTERS = {
    "run": "run",
    "origin": "origin",
    "build": "build",
    "project": "project",
    "profile": "profile",
    "python": "python",
    "environment": "environment",
    "commit": "revision",
    "branch": "branch",
}
"""What runs can be chosen by → its column."""

_RUN = (
    "run, origin, build, project, profile, python, environment, revision, branch, host, started, finished, "
    "exit_code, tests, passed, failed, errors, skipped, xfailed, xpassed, crashed, flaky, missing, attempts, "
    "duration"
)
_ALL = 2**62


def runs(database: Database, *, limit: int | None, since: float, chosen: Chosen) -> tuple[RunRow, ...]:
    """Return runs, newest first."""
    where, values = _where(chosen)
    rows = database.rows(
        f"SELECT {_RUN} FROM runs WHERE started >= ?{where} ORDER BY number DESC LIMIT ?",
        (since, *values, _ALL if limit is None else limit),
    )
    return tuple(RunRow(**dict(zip(RunRow.__struct_fields__, row, strict=True))) for row in rows)


def _where(chosen: Chosen) -> tuple[str, list[str]]:
    given = {FILTERS[name]: storable(str(value)) for name, value in chosen.items() if value is not None}
    return "".join(f" AND {column} = ?" for column in given), list(given.values())


def run_ids(database: Database) -> Mapping[int, str]:
    """Return number → id of all runs."""
    return dict(database.rows("SELECT number, run FROM runs"))


def test_number(database: Database, test: str) -> int | None:
    """Return the number of a test; None: never seen."""
    rows = database.rows("SELECT test FROM tests WHERE hash = ?", (text_hash(storable(test)),))
    return int(rows[0][0]) if rows else None


def results(database: Database, test: NodeId, *, limit: int, chosen: Chosen) -> tuple[Result, ...]:
    """Return results of one test, newest first."""
    number = test_number(database, test)
    if number is None:
        return ()
    where, values = _where(chosen)
    # From the runs, newest first, to one row of each: there is no index by test and none is needed.
    rows = database.rows(
        f"SELECT r.number, v.verdict, v.duration, {', '.join(_RESULT.values())} "
        f"FROM (SELECT * FROM runs WHERE 1 = 1{where}) r CROSS JOIN results v "
        "WHERE v.run = r.number AND v.test = ? ORDER BY r.number DESC LIMIT ?",
        (*values, number, limit),
    )
    return tuple(_result(database, test, number, row) for row in rows)


_RESULT = {
    "run": "r.run",
    "started": "r.started",
    "profile": "r.profile",
    "python": "r.python",
    "environment": "r.environment",
    "commit": "r.revision",
    "branch": "r.branch",
}


def _result(database: Database, test: NodeId, test_number: int, row: Row) -> Result:
    run_number, letter, seconds, *columns = row
    rows = database.rows(
        f"SELECT a.number, {reading.ATTEMPT} FROM attempts a JOIN tests t ON t.test = a.test "
        "WHERE a.run = ? AND a.test = ? ORDER BY a.number",
        (run_number, test_number),
    )
    texts = load_texts(database, (key for row in rows for key in row[-2:]))
    return Result(
        test=test,
        outcome=OUTCOMES[letter],
        flaky=letter.isupper(),
        duration=seconds,
        attempts=tuple(reading.attempt(test, row[0], row[1:], texts) for row in rows),
        **dict(zip(_RESULT, columns, strict=True)),
    )


def newest(database: Database, *, limit: int) -> dict[NodeId, Recent]:
    """Return the newest results of every test."""
    names = run_ids(database)
    nodes: dict[int, NodeId] = dict(database.rows("SELECT test, node FROM tests"))
    found: dict[NodeId, Recent] = {}
    for test, (numbers, verdicts, durations) in recent.newest(database):
        size = min(len(verdicts), limit)
        kept = struct.unpack(f"<{size}q", numbers[-8 * size :])
        found[nodes[test]] = Recent(
            test=nodes[test],
            runs=tuple(map(names.__getitem__, kept)),
            verdicts=verdicts[-size:],
            durations=struct.unpack(f"<{size}f", durations[-4 * size :]),
        )
    return found


def lately(database: Database, *, limit: int) -> Iterator[tuple[NodeId, str, tuple[float, ...]]]:
    """Yield every test with the verdicts and durations of its newest results; cheaper than :func:`newest`."""
    nodes: dict[int, NodeId] = dict(database.rows("SELECT test, node FROM tests"))
    for test, verdicts, durations in recent.lately(database, limit):
        yield nodes[test], verdicts, durations


def ran(verdicts: str, durations: Sequence[float]) -> list[float]:
    """Return the durations of the results that ran: a skipped test says nothing about how long it takes."""
    pairs = zip(verdicts, durations, strict=True)
    return [seconds for letter, seconds in pairs if letter not in "sS"][-TYPICAL_OF:]


def durations(database: Database) -> dict[NodeId, float]:
    """Return the typical duration of every test that ever ran."""
    return {
        test: median(taken)
        for test, row in newest(database, limit=recent.KEPT).items()
        if (taken := ran(row.verdicts, row.durations))
    }


def slowest(database: Database, *, limit: int) -> tuple[SlowTest, ...]:
    """Return the tests with the longest typical duration, slowest first."""
    rows = [
        SlowTest(test=test, typical=median(taken), longest=max(taken), results=len(taken))
        for test, row in newest(database, limit=recent.KEPT).items()
        if (taken := ran(row.verdicts, row.durations))
    ]
    return tuple(nsmallest(limit, rows, key=lambda slow: (-slow.typical, slow.test)))


def failures(database: Database, *, test: str | None, run: str | None, limit: int) -> tuple[PastFailure, ...]:
    """Return failures, those of the newest run first."""
    conditions, values = ["1 = 1"], []
    for column, value in (("t.node", test), ("r.run", run)):
        if value is not None:
            conditions.append(f"{column} = ?")
            values.append(storable(value))
    rows = database.rows(
        f"SELECT t.node, r.run, a.started, r.revision, f.number, a.worker, a.outcome, {reading.FAILURE}, "
        "a.more "
        "FROM failures f JOIN runs r ON r.number = f.run JOIN tests t ON t.test = f.test "
        "JOIN attempts a ON a.run = f.run AND a.test = f.test AND a.number = f.number "
        f"WHERE {' AND '.join(conditions)} ORDER BY f.run DESC, f.test, f.number, f.part LIMIT ?",
        (*values, limit),
    )
    texts = load_texts(database, (key for row in rows for key in row[9:]))
    return tuple(_past_failure(row, texts) for row in rows)


def _past_failure(row: Row, texts: reading.Texts) -> PastFailure:
    node, run, started, commit, number, worker, letter, *failure, more = row
    return PastFailure(
        test=node,
        run=run,
        started=started,
        commit=commit,
        number=number,
        worker=worker,
        outcome=OUTCOMES[letter],
        failure=reading.failure(tuple(failure), texts),
        evidence=reading.evidence(texts[more]),
    )


def tests(database: Database) -> tuple[KnownTest, ...]:
    """Return all tests ever seen, by node id."""
    names = run_ids(database)
    last = {test: packed[0][-8:] for test, packed in recent.newest(database)}
    rows = database.rows("SELECT test, node, file, line, markers, first FROM tests ORDER BY node")
    return tuple(
        KnownTest(
            test=node,
            file=file,
            line=line,
            markers=reading.markers(markers),
            first_run=names.get(first, ""),
            last_run=names[struct.unpack("<q", last[test])[0]],
        )
        for test, node, file, line, markers, first in rows
    )
