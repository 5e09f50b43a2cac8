"""One run record → rows, in one transaction: all of it is in the history, or nothing."""

import hashlib
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from toolkit.history import recent
from toolkit.history.database import Database, Row, chunks
from toolkit.history.letters import LETTERS, verdict
from toolkit.history.texts import Texts, sound_json, storable, text_hash
from toolkit.records import Attempt, CaseResult, NodeId, Outcome, RunRecord, RunStarted

_RUN_COLUMNS = (
    "number", "run", "origin", "size", "build", "project", "profile", "python", "environment", "revision",
    "branch", "host", "started", "finished", "exit_code", "tests", "passed", "failed", "errors", "skipped",
    "xfailed", "xpassed", "crashed", "flaky", "missing", "attempts", "duration", "details",
)  # fmt: skip
_TEST_COLUMNS = ("test", "hash", "node", "file", "line", "markers", "first")
_ATTEMPT_COLUMNS = (
    "run", "test", "number", "position", "outcome", "verdict", "total", "worker", "turn", "started",
    "duration", "setup", "call", "teardown", "cpu", "memory", "reason", "more",
)  # fmt: skip
_FAILURE_COLUMNS = (
    "run", "test", "number", "part", "phase", "exception", "message", "traceback", "frames", "sections",
)  # fmt: skip

_LARGEST_NUMBER = 2**63 - 1
_LARGEST_SECONDS = 1e15
_LATEST = 2**42 - 1  # milliseconds: the year 2109
_HASH_BITS = 21


def run_number(run: str, started: float) -> int:
    """Return the number of a run: the same in every history, sorting by the time of its start.

    Milliseconds since 1970 (42 bits), then 21 bits of a hash of the run id.
    """
    milliseconds = min(max(int(_seconds(started) * 1000), 0), _LATEST)
    digest = hashlib.blake2b(run.encode(), digest_size=8).digest()
    return milliseconds << _HASH_BITS | int.from_bytes(digest, "big") >> (64 - _HASH_BITS)


def write_run(database: Database, record: RunRecord, *, origin: str, size: int) -> bool:
    """Write a run unless it is there; a more complete record of the same run replaces the older one.

    Returns:
        whether anything changed.
    """
    run = storable(record.header.run)
    with database.writing():
        older = _find(database, run)
        if older is not None and older[1] >= _completeness(record, origin):
            database.rows("UPDATE runs SET size = ? WHERE run = ? AND size < ?", (size, run, size))
            return False
        if older is not None:
            remove_runs(database, [older[0]])
        database.rows("DELETE FROM pruned WHERE run = ?", (run,))
        _write(database, record, _free_number(database, record.header), origin=origin, size=size)
        if older is not None:
            settle(database)
    return True


def remove_runs(database: Database, numbers: Sequence[int]) -> None:
    """Delete the rows of runs. :func:`settle` must follow in the same transaction."""
    for places, piece in chunks(numbers):
        database.rows(f"DELETE FROM failures WHERE run IN ({places})", piece)
        database.rows(f"DELETE FROM attempts WHERE run IN ({places})", piece)
        database.rows(f"DELETE FROM runs WHERE number IN ({places})", piece)


_Completeness = tuple[bool, bool, int, int]


def settle(database: Database) -> None:
    """Bring in line with the attempts what is derived from them, after runs were removed."""
    recent.rebuild(database)
    database.rows("DELETE FROM tests WHERE test NOT IN (SELECT test FROM recent)")
    columns = ", ".join(f"t.{name}" for name in _TEST_COLUMNS[:-1])
    rows = database.rows(
        f"SELECT {columns}, min(a.run) FROM tests t JOIN attempts a ON a.test = t.test "
        "GROUP BY t.test HAVING min(a.run) <> t.first"
    )
    database.replace("tests", _TEST_COLUMNS, rows)


def _find(database: Database, run: str) -> tuple[int, _Completeness] | None:
    sql = "SELECT number, origin, finished, attempts, missing FROM runs WHERE run = ?"
    for number, origin, finished, attempts, missing in database.rows(sql, (run,)):
        return number, (origin == "journal", finished is not None, attempts, -missing)
    return None


def _completeness(record: RunRecord, origin: str) -> _Completeness:
    # A journal says more than the JUnit file of the same run, and of two versions of one journal, which
    # only grows, the longer one has at least the attempts of the shorter one.
    attempts = sum(len(case.attempts) for case in record.cases)
    return origin == "journal", record.finished is not None, attempts, -len(record.missing)


def _free_number(database: Database, header: RunStarted) -> int:
    number = run_number(storable(header.run), header.started)
    while database.rows("SELECT 1 FROM runs WHERE number = ?", (number,)):
        number += 1
    return number


def _write(database: Database, record: RunRecord, number: int, *, origin: str, size: int) -> None:
    cases = one_case_each(record.cases)
    tests = _write_tests(database, cases, number)
    texts = Texts()
    order = sorted((tests[case.test], place, case) for place, case in enumerate(cases))
    attempts = [row for test, place, case in order for row in _attempts(number, test, place, case, texts)]
    failures = [row for test, _, case in order for row in _failures(number, test, case, texts)]
    texts.save(database)
    database.insert("attempts", _ATTEMPT_COLUMNS, attempts)
    database.insert("failures", _FAILURE_COLUMNS, failures)
    database.insert("runs", _RUN_COLUMNS, [_run_row(record, cases, number, origin, size)])
    results = {test: (verdict(case), _seconds(case.duration)) for test, _, case in order}
    recent.note_run(database, number, results)


def one_case_each(cases: Iterable[CaseResult]) -> tuple[CaseResult, ...]:
    """Give every test one case with all its attempts, under a node id that can be stored."""
    by_test: dict[NodeId, CaseResult] = {}
    for case in cases:
        test = NodeId(storable(case.test))
        other = by_test.get(test)
        if other is not None:
            by_test[test] = CaseResult(test=test, attempts=(*other.attempts, *case.attempts))
        elif case.attempts:
            by_test[test] = case if case.test == test else CaseResult(test=test, attempts=case.attempts)
    return tuple(by_test.values())


def _write_tests(database: Database, cases: Sequence[CaseResult], number: int) -> Mapping[NodeId, int]:
    hashes = {text_hash(case.test): case for case in cases}
    known: dict[bytes, Row] = {}
    for places, piece in chunks(sorted(hashes)):
        rows = database.rows(f"SELECT {', '.join(_TEST_COLUMNS)} FROM tests WHERE hash IN ({places})", piece)
        known.update((row[1], row) for row in rows)
    following = int(database.rows("SELECT coalesce(max(test), 0) + 1 FROM tests")[0][0])
    fresh = [key for key in hashes if key not in known]
    numbered = {key: following + offset for offset, key in enumerate(fresh)}
    new = [(numbered[key], key, hashes[key].test, *_place(hashes[key]), number) for key in fresh]
    database.insert("tests", _TEST_COLUMNS, new)
    database.replace("tests", _TEST_COLUMNS, list(_changed(database, known, hashes, number)))
    ids = {**numbered, **{key: row[0] for key, row in known.items()}}
    return {case.test: ids[key] for key, case in hashes.items()}


def _changed(
    database: Database, known: Mapping[bytes, Row], cases: Mapping[bytes, CaseResult], number: int
) -> Iterator[Row]:
    """Yield the rows of tests that this run moves, marks otherwise, or shows to be older than thought."""
    newest = not database.rows("SELECT 1 FROM runs WHERE number > ? LIMIT 1", (number,))
    for key, (test, _, node, *place, first) in known.items():
        there, here = tuple(place), _place(cases[key])
        moved = there != here and (newest or not _ran_after(database, test, number))
        if moved or number < first:
            yield test, key, node, *(here if moved else there), min(number, first)


def _ran_after(database: Database, test: int, number: int) -> bool:
    sql = "SELECT 1 FROM runs r JOIN attempts a ON a.run = r.number WHERE a.test = ? AND r.number > ? LIMIT 1"
    return bool(database.rows(sql, (test, number)))


def _place(case: CaseResult) -> tuple[str, int | None, str]:
    attempt = case.attempts[-1]
    return storable(attempt.file), _whole(attempt.line), sound_json(attempt.markers).decode()


def _attempts(run: int, test: int, place: int, case: CaseResult, texts: Texts) -> Iterator[Row]:
    for number, attempt in enumerate(case.attempts, start=1):
        last = number == len(case.attempts)
        yield (
            run,
            test,
            number,
            place,
            LETTERS[attempt.outcome],
            verdict(case) if last else None,
            _seconds(case.duration) if last else None,
            storable(attempt.worker),
            _whole(attempt.order),
            _seconds(attempt.started),
            _seconds(attempt.duration),
            _seconds(attempt.setup),
            _seconds(attempt.call),
            _seconds(attempt.teardown),
            None if attempt.cpu is None else _seconds(attempt.cpu),
            _whole(attempt.memory),
            texts.key(attempt.reason),
            texts.json_key(_more(attempt)),
        )


_BLANK = Attempt(test=NodeId(""), outcome=Outcome.PASSED)
_IN_COLUMNS = {
    "test", "number", "outcome", "worker", "order", "started", "duration", "setup", "call", "teardown", "cpu",
    "memory", "reason", "failures", "file", "line", "markers",
}  # fmt: skip
_MORE = tuple(name for name in Attempt.__struct_fields__ if name not in _IN_COLUMNS)


def _more(attempt: Attempt) -> dict[str, object]:
    """Return the fields that have no column of their own and say something: the vocabulary may grow."""
    values = ((name, getattr(attempt, name)) for name in _MORE)
    return {name: value for name, value in values if value != getattr(_BLANK, name)}


def _failures(run: int, test: int, case: CaseResult, texts: Texts) -> Iterator[Row]:
    for number, attempt in enumerate(case.attempts, start=1):
        for part, failure in enumerate(attempt.failures):
            yield (
                run,
                test,
                number,
                part,
                failure.phase,
                storable(failure.exception),
                texts.key(failure.message),
                texts.key(failure.traceback),
                texts.json_key(failure.frames),
                texts.json_key(failure.sections),
            )


def _run_row(record: RunRecord, cases: Sequence[CaseResult], number: int, origin: str, size: int) -> Row:
    header = record.header
    count = Counter(case.counted_as for case in cases)
    names = (
        header.run, origin, size, header.build, header.project, header.profile, header.python,
        header.environment, header.commit, header.branch, header.host,
    )  # fmt: skip
    return (
        number,
        *(storable(name) if isinstance(name, str) else name for name in names),
        _seconds(header.started),
        None if record.finished is None else _seconds(record.finished),
        _whole(record.exit_code),
        len(cases),
        *(count[outcome] for outcome in Outcome),
        sum(case.flaky for case in cases),
        len(record.missing),
        sum(len(case.attempts) for case in cases),
        _seconds(sum(_seconds(case.duration) for case in cases)),
        zlib.compress(sound_json(msgspec.structs.replace(record, cases=()))),
    )


def _seconds(value: float) -> float:
    """Bound a time or duration; what is no number is 0."""
    return value if -_LARGEST_SECONDS < value < _LARGEST_SECONDS else 0.0


def _whole(value: int | None) -> int | None:
    """Bound a whole number to what a database can hold."""
    return value if value is None else max(-_LARGEST_NUMBER, min(value, _LARGEST_NUMBER))
