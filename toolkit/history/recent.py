"""The newest results of every test, kept packed, so that no question about them scans the history.

Rewriting one row per test with every run would make an import dearer the longer the history is. So a run is
only appended, and when enough results have gathered they are *folded* into the kept rows together; a
question adds the few results that are not folded yet. Whatever the order of the imports, the kept rows hold
the newest results by the time of the run.

Two facts steer it: ``folded``, the newest run number that the kept rows contain, and ``unfolded``, how many
results came after it.
"""

import struct
from collections.abc import Iterable, Iterator, Mapping
from functools import cache

from toolkit.history.database import Database, Row, chunks, fact, set_fact

KEPT = 50
"""Results kept per test."""

FOLD_AFTER = 5
"""Fold when there are this many unfolded results per known test: each fold rewrites one row per test."""

FOLD_AT_LEAST = 1000

_COLUMNS = ("test", "numbers", "verdicts", "durations")
Packed = tuple[bytes, str, bytes]
"""Run numbers, verdict letters, durations; oldest first."""

Entry = tuple[int, str, float]
"""Run number, verdict letter, duration of one result."""

_NOTHING: Packed = (b"", "", b"")


def note_run(database: Database, number: int, results: Mapping[int, tuple[str, float]]) -> None:
    """Take the results of a new run into account: test → verdict and duration. Call in a transaction."""
    if number <= int(fact(database, "folded", "-1")):
        merge(database, {test: [(number, *result)] for test, result in results.items()})
        return
    unfolded = int(fact(database, "unfolded", "0")) + len(results)
    set_fact(database, "unfolded", unfolded)
    known = int(database.rows("SELECT coalesce(max(test), 0) FROM tests")[0][0])
    if unfolded >= max(FOLD_AFTER * known, FOLD_AT_LEAST):
        fold(database)


def fold(database: Database) -> None:
    """Bring the kept rows up to date with all runs."""
    merge(database, _unfolded(database))
    set_fact(database, "folded", database.rows("SELECT coalesce(max(number), -1) FROM runs")[0][0])
    set_fact(database, "unfolded", 0)


def rebuild(database: Database) -> None:
    """Make all kept rows again from the attempts: after runs were removed."""
    database.rows("DELETE FROM recent")
    set_fact(database, "folded", -1)
    fold(database)


def merge(database: Database, found: Mapping[int, list[Entry]]) -> None:
    """Add results to the kept rows of their tests."""
    kept: dict[int, Packed] = {}
    for places, tests in chunks(sorted(found)):
        for row in database.rows(f"SELECT {', '.join(_COLUMNS)} FROM recent WHERE test IN ({places})", tests):
            kept[row[0]] = row[1:]
    rows = ((test, *joined(kept.get(test, _NOTHING), entries)) for test, entries in found.items())
    database.replace("recent", _COLUMNS, rows)


def joined(packed: Packed, entries: list[Entry]) -> Packed:
    """Put further results, at least one, among packed ones and keep the newest; each run counts once."""
    numbers, verdicts, durations = packed
    entries = sorted(entries)[-KEPT:]
    if numbers and entries[0][0] <= _last(numbers):
        entries = sorted({entry[0]: entry for entry in (*unpacked(packed), *entries)}.values())[-KEPT:]
        numbers, verdicts, durations = _NOTHING
    size = len(entries)
    fresh = zip(*entries, strict=True)
    return (
        (numbers + struct.pack(f"<{size}q", *next(fresh)))[-8 * KEPT :],
        (verdicts + "".join(next(fresh)))[-KEPT:],
        (durations + struct.pack(f"<{size}f", *next(fresh)))[-4 * KEPT :],
    )


def _last(numbers: bytes) -> int:
    """Return the last of packed run numbers."""
    return int.from_bytes(numbers[-8:], "little", signed=True)


def unpacked(packed: Packed) -> Iterator[Entry]:
    """Yield packed results, oldest first."""
    numbers, verdicts, durations = packed
    size = len(verdicts)
    return zip(
        struct.unpack(f"<{size}q", numbers), verdicts, struct.unpack(f"<{size}f", durations), strict=True
    )


def newest(database: Database) -> Iterator[tuple[int, Packed]]:
    """Yield every test with its newest results, folded or not."""
    for test, kept, entries in _found(database):
        yield test, joined(kept, entries) if entries else kept


def lately(database: Database, limit: int) -> Iterator[tuple[int, str, tuple[float, ...]]]:
    """Yield every test with the verdicts and durations of so many of its newest results, oldest first."""
    if not int(fact(database, "unfolded", "0")):  # then nobody asks for the numbers, most of the bytes
        for test, verdicts, durations in database.stream("SELECT test, verdicts, durations FROM recent"):
            size = min(len(verdicts), limit)
            yield test, verdicts[-limit:], _floats(size).unpack_from(durations, len(durations) - 4 * size)
        return
    for test, (numbers, verdicts, durations), entries in _found(database):
        size = min(len(verdicts), limit)
        taken = _floats(size).unpack_from(durations, len(durations) - 4 * size)
        if not entries:
            yield test, verdicts[-limit:], taken
        elif not numbers or entries[0][0] > _last(numbers):
            letters = "".join(letter for _number, letter, _seconds in entries)
            seconds = [taken for _number, _letter, taken in entries]
            yield test, (verdicts + letters)[-limit:], (*taken, *seconds)[-limit:]
        else:
            _all, letters, packed = joined((numbers, verdicts, durations), entries)
            size = min(len(letters), limit)
            yield test, letters[-limit:], struct.unpack(f"<{size}f", packed[-4 * size :])


@cache
def _floats(count: int) -> struct.Struct:
    """Return what unpacks so many durations; at most :data:`KEPT` of them are made."""
    return struct.Struct(f"<{count}f")


def _found(database: Database) -> Iterator[tuple[int, Packed, list[Entry]]]:
    """Yield every test, what is kept of it, and its results that are not folded yet."""
    later = _unfolded(database)
    for test, numbers, verdicts, durations in database.stream(f"SELECT {', '.join(_COLUMNS)} FROM recent"):
        yield test, (numbers, verdicts, durations), later.pop(test, [])
    for test, entries in later.items():
        yield test, _NOTHING, entries


def expected(database: Database) -> Mapping[int, Packed]:
    """Work out from the attempts alone what :func:`newest` must say."""
    return {
        test: joined(_NOTHING, entries)
        for test, entries in _by_test(database.stream(_RESULTS_AFTER, (-1,))).items()
    }


_RESULTS_AFTER = "SELECT test, run, verdict, duration FROM results WHERE run > ? ORDER BY run, test"


def _unfolded(database: Database) -> dict[int, list[Entry]]:
    return _by_test(database.stream(_RESULTS_AFTER, (int(fact(database, "folded", "-1")),)))


def _by_test(rows: Iterable[Row]) -> dict[int, list[Entry]]:
    found: dict[int, list[Entry]] = {}
    for test, number, letter, seconds in rows:
        entries = found.setdefault(test, [])
        entries.append((number, letter, seconds))
        if len(entries) > 2 * KEPT:  # only the newest matter; rows come oldest first
            del entries[:-KEPT]
    return found
