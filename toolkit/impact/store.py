"""The dependencies of all tests, in one SQLite file.

A run appends a *segment*: up to :data:`SEGMENT_TESTS` tests that were recorded together. For each input of
these tests a posting holds a bitmap of the tests that depend on it, so a plan reads only the postings of
inputs that changed, and recording never rewrites what earlier runs stored. A test counts only in the
segment that its row in ``tests`` names; segments that no test names any more are dropped, small ones are
merged.

Size: a posting costs about as much as its distinct bits, compressed. The growth is linear in tests x inputs.
"""

import contextlib
import sqlite3
import time
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path
from typing import Self

from toolkit.errors import HistoryDamaged, HistoryError
from toolkit.impact.bitmaps import bitmaps, pack, set_bits, unpack
from toolkit.impact.inputs import BAD_LETTERS, LETTERS, CaseInputs, CaseRecord, Input, Traced, Windows
from toolkit.impact.kept import pack_windows, united, unpack_windows
from toolkit.impact.policy import PastRun
from toolkit.impact.schema import prepare
from toolkit.records import NodeId, Outcome

STORE_NAME = "dependencies.sqlite"
"""Name of the file in the state folder."""

SEGMENT_TESTS = 8192
MOST_SEGMENTS = 24
"""More segments than this are merged."""


class DependencyStore:
    """An open file of dependencies. Use :func:`open_store`."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._db = connection
        self.path = path

    # -- cache of parsed files -----------------------------------------------------------------------------

    def get(self, key: str) -> bytes | None:
        """Return a parsed file."""
        row = self._db.execute("SELECT value FROM sources WHERE key = ?", (key,)).fetchone()
        return None if row is None else zlib.decompress(row[0])

    def put(self, key: str, value: bytes) -> None:
        """Keep a parsed file."""
        data = zlib.compress(value, 1)
        self._db.execute("INSERT OR REPLACE INTO sources VALUES (?, ?, ?)", (key, data, time.time()))

    # -- reading -------------------------------------------------------------------------------------------

    def tests(self, environment: str) -> dict[NodeId, CaseRecord]:
        """Return all tests known in an environment that have dependencies."""
        rows = self._db.execute(
            "SELECT node, outcomes, duration, since_bad, traced FROM tests"
            " WHERE environment = ? AND segment IS NOT NULL",
            (environment,),
        )
        return {
            NodeId(node): CaseRecord(
                test=NodeId(node), outcomes=outcomes, duration=duration, runs_since_bad=since_bad, traced=at
            )
            for node, outcomes, duration, since_bad, at in rows
        }

    def inputs(self) -> Iterator[tuple[int, Input, str]]:
        """Yield every state of every input: number, input, fingerprint."""
        for number, kind, name, unit, fingerprint in self._db.execute("SELECT * FROM inputs"):
            yield number, Input(kind, name, unit), fingerprint

    def dependents(self, environment: str, numbers: Iterable[int]) -> dict[NodeId, int]:
        """Return the tests that depend on any of some inputs, each with one of these inputs."""
        hit: dict[int, dict[int, int]] = {}  # segment → position → input
        done: dict[int, int] = {}
        for number in numbers:
            rows = self._db.execute("SELECT segment, bits FROM postings WHERE input = ?", (number,))
            for segment, bits in rows:
                new = unpack(bits) & ~done.get(segment, 0)
                if new:
                    done[segment] = done.get(segment, 0) | new
                    hit.setdefault(segment, {}).update(dict.fromkeys(set_bits(new), number))
        found: dict[NodeId, int] = {}
        for segment, positions in hit.items():
            rows = self._db.execute(
                "SELECT node, position FROM tests WHERE segment = ? AND environment = ?",
                (segment, environment),
            )
            found.update({NodeId(node): positions[at] for node, at in rows if at in positions})
        return found

    def inputs_of(self, environment: str, test: NodeId) -> list[tuple[int, Input, str]]:
        """Return what one test depends on, as it was recorded."""
        row = self._db.execute(
            "SELECT segment, position FROM tests WHERE environment = ? AND node = ? AND segment IS NOT NULL",
            (environment, test),
        ).fetchone()
        if row is None:
            return []
        segment, position = row
        rows = self._db.execute(
            "SELECT i.id, i.kind, i.name, i.unit, i.fingerprint, p.bits FROM postings p"
            " JOIN inputs i ON i.id = p.input WHERE p.segment = ?",
            (segment,),
        )
        return [
            (number, Input(kind, name, unit), fingerprint)
            for number, kind, name, unit, fingerprint, bits in rows
            if unpack(bits) >> position & 1
        ]

    def inputs_by_test(self, environment: str) -> dict[NodeId, list[Input]]:
        """Return what every recorded test depends on: all of it at once, for reports."""
        places = {
            (segment, position): NodeId(node)
            for node, segment, position in self._db.execute(
                "SELECT node, segment, position FROM tests WHERE environment = ? AND segment IS NOT NULL",
                (environment,),
            )
        }
        found: dict[NodeId, list[Input]] = {test: [] for test in places.values()}
        rows = self._db.execute(
            "SELECT i.kind, i.name, i.unit, p.segment, p.bits FROM postings p JOIN inputs i ON i.id = p.input"
        )
        for kind, name, unit, segment, bits in rows:
            item = Input(kind, name, unit)
            for position in set_bits(unpack(bits)):
                test = places.get((segment, position))
                if test is not None:
                    found[test].append(item)
        return found

    def meta(self, key: str) -> str | None:
        """Return a remembered value."""
        row = self._db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return None if row is None else str(row[0])

    # -- writing -------------------------------------------------------------------------------------------

    def set_meta(self, key: str, value: str) -> None:
        """Remember a value."""
        self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))

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

    def record(self, environment: str, traced: Traced) -> None:
        """Add what a run recorded; replaces what was known about these tests."""
        self._add_windows(environment, traced)
        numbers = self._intern(traced.inputs, traced.fingerprints)
        for begin in range(0, len(traced.cases), SEGMENT_TESTS):
            self._record_segment(environment, traced.cases[begin : begin + SEGMENT_TESTS], numbers)
        self.tidy()

    def windows(self, environment: str) -> Windows:
        """Return what functions that keep things ran, in all runs since everything was traced."""
        row = self._db.execute("SELECT value FROM windows WHERE environment = ?", (environment,)).fetchone()
        return {} if row is None else unpack_windows(row[0])

    def _add_windows(self, environment: str, traced: Traced) -> None:
        """Add them to those of earlier runs, as long as a test counts that was traced only in these."""
        whole = {case.test for case in traced.cases if case.whole}
        rows = self._db.execute(
            "SELECT node FROM tests WHERE environment = ? AND segment IS NOT NULL AND traced", (environment,)
        )
        known = {NodeId(node) for (node,) in rows}
        before = self.windows(environment) if known - whole else {}
        after = united(before, traced.windows)
        if after != before or not before:
            row = (environment, pack_windows(after))
            self._db.execute("INSERT OR REPLACE INTO windows VALUES (?, ?)", row)

    def _intern(self, inputs: Iterable[Input], fingerprints: Iterable[str]) -> list[int]:
        rows = [(*item, fingerprint) for item, fingerprint in zip(inputs, fingerprints, strict=True)]
        self._db.executemany(
            "INSERT OR IGNORE INTO inputs (kind, name, unit, fingerprint) VALUES (?, ?, ?, ?)", rows
        )
        query = "SELECT id FROM inputs WHERE kind = ? AND name = ? AND unit = ? AND fingerprint = ?"
        return [self._db.execute(query, row).fetchone()[0] for row in rows]

    def _record_segment(self, environment: str, cases: tuple[CaseInputs, ...], numbers: list[int]) -> None:
        postings = bitmaps(cases)
        packing = cache(pack)
        segment = self._new_segment(len(cases))
        self._db.executemany(
            "INSERT INTO postings (segment, input, bits) VALUES (?, ?, ?)",
            ((segment, numbers[index], packing(bits)) for index, bits in postings.items()),
        )
        self._name_tests(environment, cases, segment)

    def _new_segment(self, size: int) -> int:
        cursor = self._db.execute("INSERT INTO segments (size, created) VALUES (?, ?)", (size, time.time()))
        return int(cursor.lastrowid or 0)

    def _name_tests(self, environment: str, cases: Iterable[CaseInputs], segment: int) -> None:
        self._db.executemany(
            "INSERT INTO tests (environment, node, segment, position, outcomes, duration, since_bad, traced)"
            " VALUES (:environment, :node, :segment, :position, :letter, :duration,"
            "   CASE WHEN :bad THEN 0 ELSE 1000 END, :traced)"
            " ON CONFLICT DO UPDATE SET segment = :segment, position = :position, duration = :duration,"
            "   traced = :traced,"
            "   outcomes = substr(outcomes || :letter, -10),"
            "   since_bad = CASE WHEN :bad THEN 0 ELSE min(since_bad + 1, 1000) END",
            (
                {
                    "environment": environment,
                    "node": case.test,
                    "segment": segment,
                    "position": position,
                    "letter": LETTERS[case.outcome],
                    "duration": case.duration,
                    "bad": LETTERS[case.outcome] in BAD_LETTERS,
                    "traced": int(time.time()) if case.whole else 0,
                }
                for position, case in enumerate(cases)
            ),
        )

    def note_results(self, environment: str, results: Mapping[NodeId, tuple[Outcome, float]]) -> None:
        """Note how tests ended that were not traced; what they depend on stays as it was recorded."""
        self._db.executemany(
            "UPDATE tests SET duration = :duration, outcomes = substr(outcomes || :letter, -10),"
            " since_bad = CASE WHEN :bad THEN 0 ELSE min(since_bad + 1, 1000) END"
            " WHERE environment = :environment AND node = :node",
            (
                {
                    "environment": environment,
                    "node": test,
                    "letter": LETTERS[outcome],
                    "duration": seconds,
                    "bad": LETTERS[outcome] in BAD_LETTERS,
                }
                for test, (outcome, seconds) in results.items()
            ),
        )

    def forget(self, environment: str, tests: Iterable[NodeId]) -> None:
        """Forget tests, such as those that no longer exist."""
        self._db.executemany(
            "DELETE FROM tests WHERE environment = ? AND node = ?", ((environment, test) for test in tests)
        )

    def add_run(
        self, environment: str, run: PastRun, missed: Iterable[NodeId] = (), reference: str = ""
    ) -> None:
        """Note a run, and in the ledger the tests that selection would have missed."""
        fields = ("at", "mode", "selected", "left_out", "saved", "failing", "missed")
        cursor = self._db.execute(
            "INSERT INTO runs (environment, reference, at, mode, selected, left_out, saved, failing, missed)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (environment, reference, *(getattr(run, name) for name in fields)),
        )
        rows = ((cursor.lastrowid, test) for test in missed)
        self._db.executemany("INSERT OR IGNORE INTO misses VALUES (?, ?)", rows)

    def runs(self, environment: str) -> list[PastRun]:
        """Return the runs noted, oldest first."""
        rows = self._db.execute(
            "SELECT at, mode, selected, left_out, saved, failing, missed FROM runs"
            " WHERE environment = ? ORDER BY id",
            (environment,),
        )
        return [
            PastRun(
                at=at, mode=mode, selected=selected, left_out=left, saved=saved, failing=bad, missed=missed
            )
            for at, mode, selected, left, saved, bad, missed in rows
        ]

    def misses(self) -> list[tuple[int, NodeId]]:
        """Return the ledger: run, test."""
        return [(run, NodeId(node)) for run, node in self._db.execute("SELECT * FROM misses ORDER BY run")]

    # -- keeping it small ------------------------------------------------------------------------------------

    def tidy(self) -> None:
        """Drop segments that no test names, merge small ones, drop inputs that nobody depends on."""
        self._drop_unnamed()
        sizes = self._db.execute("SELECT id, size FROM segments ORDER BY size").fetchall()
        if len(sizes) > MOST_SEGMENTS:
            self._merge([segment for segment, size in sizes if size < SEGMENT_TESTS])
            self._drop_unnamed()
            self._db.execute("DELETE FROM inputs WHERE id NOT IN (SELECT input FROM postings)")
            month = time.time() - 30 * 86400
            self._db.execute("DELETE FROM sources WHERE used < ?", (month,))

    def _drop_unnamed(self) -> None:
        unnamed = "SELECT id FROM segments WHERE id NOT IN (SELECT segment FROM tests WHERE segment NOT NULL)"
        for (segment,) in self._db.execute(unnamed).fetchall():
            self._db.execute("DELETE FROM postings WHERE segment = ?", (segment,))
            self._db.execute("DELETE FROM segments WHERE id = ?", (segment,))

    def _merge(self, segments: list[int]) -> None:
        """Write the living tests of some segments into new ones."""
        living = [
            (environment, node, segment, position)
            for segment in segments
            for environment, node, position in self._db.execute(
                "SELECT environment, node, position FROM tests WHERE segment = ?", (segment,)
            )
        ]
        for begin in range(0, len(living), SEGMENT_TESTS):
            self._merge_part(living[begin : begin + SEGMENT_TESTS])

    def _merge_part(self, living: list[tuple[str, str, int, int]]) -> None:
        moved: dict[int, list[tuple[int, int]]] = {}
        for new, (_environment, _node, segment, old) in enumerate(living):
            moved.setdefault(segment, []).append((old, new))
        postings: dict[int, int] = {}
        for segment, pairs in moved.items():
            places = cache(partial(_moved, pairs))  # many inputs of a segment have the same tests
            rows = self._db.execute("SELECT input, bits FROM postings WHERE segment = ?", (segment,))
            for number, packed in rows.fetchall():
                if bits := places(packed):
                    postings[number] = postings.get(number, 0) | bits
        packing = cache(pack)
        target = self._new_segment(len(living))
        self._db.executemany(
            "INSERT INTO postings (segment, input, bits) VALUES (?, ?, ?)",
            ((target, number, packing(bits)) for number, bits in postings.items()),
        )
        self._db.executemany(
            "UPDATE tests SET segment = ?, position = ? WHERE environment = ? AND node = ?",
            ((target, new, environment, node) for new, (environment, node, _s, _o) in enumerate(living)),
        )

    @property
    def connection(self) -> sqlite3.Connection:
        """The connection, for :mod:`toolkit.impact.exchange`."""
        return self._db

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _moved(pairs: list[tuple[int, int]], packed: bytes) -> int:
    """Return a bitmap in which the tests have moved: old number → new number."""
    bits = unpack(packed)
    return sum(1 << new for old, new in pairs if bits >> old & 1)


def open_store(path: Path) -> DependencyStore:
    """Open the file of dependencies, or make a new one.

    Raises:
        SchemaTooNew: a newer toolkit wrote it; it is left as it is.
        HistoryDamaged: it is no SQLite file or it is broken; it is left as it is.
        HistoryError: it cannot be opened or written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(path, timeout=30, isolation_level=None)
        with contextlib.ExitStack() as unless_sound:
            unless_sound.callback(connection.close)
            prepare(connection, path)
            unless_sound.pop_all()
    except sqlite3.DatabaseError as error:
        kind = HistoryError if isinstance(error, sqlite3.OperationalError) else HistoryDamaged
        raise kind(
            f"{path}: cannot be opened: {error}", hint="delete the file to record everything anew"
        ) from error
    except OSError as error:
        raise HistoryError(f"{path}: cannot be opened: {error.strerror or error}") from error
    return DependencyStore(connection, path)
