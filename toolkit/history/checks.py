"""Is everything that belongs together there? Finds what a database's own check cannot know."""

import zlib
from collections.abc import Iterator, Sequence

from toolkit.errors import HistoryDamaged
from toolkit.history import recent
from toolkit.history.answers import Soundness
from toolkit.history.database import Database, schema_version
from toolkit.history.texts import text_hash

_MUST_BE_EMPTY = {
    "attempts of unknown runs": "SELECT count(*) FROM attempts WHERE run NOT IN (SELECT number FROM runs)",
    "attempts of unknown tests": "SELECT count(*) FROM attempts WHERE test NOT IN (SELECT test FROM tests)",
    "failures without their attempt": (
        "SELECT count(*) FROM failures f LEFT JOIN attempts a "
        "ON a.run = f.run AND a.test = f.test AND a.number = f.number WHERE a.run IS NULL"
    ),
    "failures whose message is lost": (
        "SELECT count(*) FROM failures WHERE message IS NOT NULL AND message NOT IN (SELECT hash FROM texts)"
    ),
    "failures whose traceback is lost": (
        "SELECT count(*) FROM failures "
        "WHERE traceback IS NOT NULL AND traceback NOT IN (SELECT hash FROM texts)"
    ),
    "runs whose results do not add up": (
        "SELECT count(*) FROM runs r LEFT JOIN (SELECT run, count(*) AS attempts, count(verdict) AS tests "
        "FROM attempts GROUP BY run) a ON a.run = r.number "
        "WHERE coalesce(a.attempts, 0) <> r.attempts OR coalesce(a.tests, 0) <> r.tests"
    ),
}


def check(database: Database) -> Soundness:
    """Check the whole history; every problem is named, nothing is changed.

    Raises:
        HistoryDamaged: it is so damaged that it cannot be read at all.
    """
    problems = database.problems()
    try:
        with database.reading():
            problems.extend(_ours(database))
            return totals(database, problems)
    except HistoryDamaged as error:
        raise HistoryDamaged("\n".join((error.message, *problems)), hint=error.hint) from error


def totals(database: Database, problems: Sequence[str] = ()) -> Soundness:
    """Count what is there."""
    runs, attempts = database.rows("SELECT count(*), coalesce(sum(attempts), 0) FROM runs")[0]
    return Soundness(
        where=database.where,
        schema=schema_version(database),
        runs=runs,
        tests=database.rows("SELECT count(*) FROM tests")[0][0],
        attempts=int(attempts),
        bytes=database.size(),
        problems=tuple(problems),
    )


def _ours(database: Database) -> Iterator[str]:
    for what, query in _MUST_BE_EMPTY.items():
        count = database.rows(query)[0][0]
        if count:
            yield f"{count} {what}"
    damaged = sum(not _readable(*row) for row in database.stream("SELECT hash, body FROM texts"))
    if damaged:
        yield f"{damaged} texts are damaged"
    if dict(recent.newest(database)) != recent.expected(database):
        yield "the kept recent results differ from the attempts"


def _readable(key: bytes, body: bytes) -> bool:
    try:
        return text_hash(zlib.decompress(body).decode()) == key
    except (zlib.error, UnicodeDecodeError):
        return False
