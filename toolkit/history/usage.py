"""What tests need and what runs cost, from the newest runs: the input of the next plan."""

from collections.abc import Mapping, Sequence

import msgspec

from toolkit.history import reading
from toolkit.history.answers import DurationTotals
from toolkit.history.database import Database, Row
from toolkit.history.letters import OUTCOMES
from toolkit.records import NodeId, RunStarted

USAGE_RUNS = 10
"""How many of the newest runs say what a test needs."""

LEAST_SHAPES = 3
MOST_ATTEMPTS = 100_000
"""With so many attempts looked at, three runs are enough to say what the machine costs."""


class Usage(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What one test needed in the newest run that had it."""

    setup: float  # seconds
    duration: float  # seconds
    cpu: float | None  # seconds
    memory: int | None  # bytes, peak resident


class RunShape(msgspec.Struct, frozen=True, kw_only=True):
    """How a run spent its time."""

    header: RunStarted
    tests: int
    work: float  # seconds of all attempts together
    first: float  # when the first attempt started
    last: float  # when the last one ended

    @property
    def start_up(self) -> float:
        """Seconds before the first test: collection, and the start of workers."""
        return max(self.first - self.header.started, 0.0)

    @property
    def span(self) -> float:
        """Seconds from the first test to the last."""
        return max(self.last - self.first, 0.0)


def usage(database: Database, *, runs: int = USAGE_RUNS) -> Mapping[NodeId, Usage]:
    """Return what every test of the newest runs needed.

    Runs are read newest first, until all tests are found. A large one that adds no test ends it too: older
    ones would hardly add any.
    """
    found: dict[int, Row] = {}
    nodes: dict[int, NodeId] = dict(database.rows("SELECT test, node FROM tests"))
    newest = database.rows("SELECT number FROM runs ORDER BY number DESC LIMIT ?", (runs,))
    for (number,) in newest:
        before = len(found)
        rows = database.rows(
            "SELECT test, setup, duration, cpu, memory FROM attempts WHERE run = ? AND verdict IS NOT NULL",
            (number,),
        )
        for row in rows:
            found.setdefault(row[0], row)
        if (2 * len(rows) >= len(nodes) and len(found) == before) or len(found) == len(nodes):
            break
    return {
        nodes[test]: Usage(setup=setup, duration=duration, cpu=cpu, memory=memory)
        for test, setup, duration, cpu, memory in found.values()
    }


def run_shapes(database: Database, *, limit: int = 20) -> tuple[RunShape, ...]:
    """Return how the newest finished runs spent their time, newest first.

    Fewer than ``limit``, but at least three, where they have many tests: every attempt is looked at.
    """
    candidates = database.rows(
        "SELECT number, details, tests, duration FROM runs "
        "WHERE finished IS NOT NULL AND origin = 'journal' AND tests > 0 ORDER BY number DESC LIMIT ?",
        (limit,),
    )
    found: list[RunShape] = []
    looked_at = 0
    for number, packed, tests, work in candidates:
        if looked_at >= MOST_ATTEMPTS and len(found) >= LEAST_SHAPES:
            break
        looked_at += tests
        ((first, last),) = database.rows(
            "SELECT MIN(started), MAX(started + duration) FROM attempts WHERE run = ?", (number,)
        )
        header = reading.details(packed).header
        found.append(RunShape(header=header, tests=tests, work=work, first=first, last=last))
    return tuple(found)


def headers(database: Database) -> tuple[RunStarted, ...]:
    """Return the first line of every run, newest first."""
    rows = database.rows("SELECT details FROM runs ORDER BY number DESC")
    return tuple(reading.details(packed, database.where).header for (packed,) in rows)


def earlier_tries(database: Database) -> Mapping[tuple[NodeId, str], str]:
    """Return (test, run) → letters of the attempts before the last one, where there are any."""
    found: dict[tuple[NodeId, str], str] = {}
    rows = database.stream(
        "SELECT t.node, r.run, a.outcome FROM attempts a JOIN tests t ON t.test = a.test "
        "JOIN runs r ON r.number = a.run WHERE a.verdict IS NULL ORDER BY a.run, a.test, a.number"
    )
    for node, run, letter in rows:
        found[node, run] = found.get((node, run), "") + letter
    return found


def places_of(database: Database, run: str) -> Mapping[NodeId, tuple[str, int]]:
    """Return test → worker and turn on it, of the first tries of a run."""
    rows = database.rows(
        "SELECT t.node, a.worker, a.turn FROM runs r CROSS JOIN attempts a JOIN tests t ON t.test = a.test "
        "WHERE r.run = ? AND a.run = r.number AND a.number = 1",
        (run,),
    )
    return {node: (worker, turn) for node, worker, turn in rows}


def duration_totals(database: Database, bounds: Sequence[float]) -> tuple[DurationTotals, ...]:
    """Count and sum the attempts of all runs by profile, Python and outcome; one pass over the attempts."""
    within = ", ".join("SUM(CASE WHEN a.duration <= ? THEN 1 ELSE 0 END)" for _ in bounds)
    rows = database.rows(
        f"SELECT r.profile, r.python, a.outcome, COUNT(*), SUM(a.duration), {within} "
        "FROM attempts a JOIN runs r ON r.number = a.run "
        "GROUP BY r.profile, r.python, a.outcome ORDER BY r.profile, r.python, a.outcome",
        tuple(bounds),
    )
    return tuple(
        DurationTotals(
            profile=profile,
            python=python,
            outcome=OUTCOMES[letter],
            count=int(count),
            seconds=float(seconds),
            within=tuple(map(int, counts)),
        )
        for profile, python, letter, count, seconds, *counts in rows
    )


def tests_of(database: Database, run: str) -> frozenset[NodeId]:
    """Return the tests that have a result in a run."""
    rows = database.rows(
        "SELECT t.node FROM runs r CROSS JOIN attempts a JOIN tests t ON t.test = a.test "
        "WHERE r.run = ? AND a.run = r.number",
        (run,),
    )
    return frozenset(NodeId(node) for (node,) in rows)
