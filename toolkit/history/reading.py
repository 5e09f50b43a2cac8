"""Rows → the records they were made of: attempts, failures, whole runs."""

import zlib
from collections.abc import Iterable, Mapping
from itertools import groupby
from operator import itemgetter

import msgspec

from toolkit.history.database import Database, Row
from toolkit.history.letters import OUTCOMES
from toolkit.history.texts import load_texts, storable
from toolkit.history.writing import Details
from toolkit.records import Attempt, CaseResult, Failure, Frame, NodeId, RunRecord

ATTEMPT = (
    "a.outcome, a.worker, a.turn, a.started, a.duration, a.setup, a.call, a.teardown, a.cpu, a.memory, "
    "a.reason, t.file, t.line, t.markers"
)
"""Columns of ``attempts a`` and ``tests t`` that :func:`attempt` takes."""

FAILURE = "f.phase, f.exception, f.message, f.traceback, f.frames, f.sections"
"""Columns of ``failures f`` that :func:`failure` takes."""

Texts = Mapping[bytes | None, str]

_FRAMES = msgspec.json.Decoder(tuple[Frame, ...])
_SECTIONS = msgspec.json.Decoder(dict[str, str])
_MARKERS = msgspec.json.Decoder(tuple[str, ...])


def attempt(test: NodeId, number: int, row: Row, texts: Texts, failures: Iterable[Failure] = ()) -> Attempt:
    """Make an attempt of the columns :data:`ATTEMPT`."""
    (
        letter,
        worker,
        turn,
        started,
        duration,
        setup,
        call,
        teardown,
        cpu,
        memory,
        reason,
        file,
        line,
        markers,
    ) = row
    return Attempt(
        test=test,
        number=number,
        outcome=OUTCOMES[letter],
        worker=worker,
        order=turn,
        started=started,
        duration=duration,
        setup=setup,
        call=call,
        teardown=teardown,
        cpu=cpu,
        memory=memory,
        reason=texts[reason],
        failures=tuple(failures),
        file=file,
        line=line,
        markers=_MARKERS.decode(markers),
    )


def failure(row: Row, texts: Texts) -> Failure:
    """Make a failure of the columns :data:`FAILURE`."""
    phase, exception, message, traceback, frames, sections = row
    return Failure(
        phase=phase,
        exception=exception,
        message=texts[message],
        traceback=texts[traceback],
        frames=_FRAMES.decode(texts[frames]) if frames else (),
        sections=_SECTIONS.decode(texts[sections]) if sections else {},
    )


def markers(text: str) -> tuple[str, ...]:
    """Read the markers of a test."""
    return _MARKERS.decode(text)


def details(data: bytes) -> Details:
    """Read what of a run is only read together with the whole run."""
    return msgspec.json.decode(zlib.decompress(data), type=Details)


def run_record(database: Database, run: str) -> RunRecord | None:
    """Return a whole run as it was recorded; None when it is not there.

    File, line and markers of a test are those of the newest run that had it.
    """
    rows = database.rows(
        "SELECT number, finished, exit_code, details FROM runs WHERE run = ?", (storable(run),)
    )
    if not rows:
        return None
    number, finished, exit_code, packed = rows[0]
    more = details(packed)
    return RunRecord(
        header=more.header,
        cases=_cases(database, number),
        finished=finished,
        exit_code=exit_code,
        deselected=more.deselected,
        lost=more.lost,
        missing=more.missing,
        problems=more.problems,
    )


def _cases(database: Database, number: int) -> tuple[CaseResult, ...]:
    failures = _failures(database, number)
    rows = database.rows(
        f"SELECT a.position, t.node, a.test, a.number, {ATTEMPT} FROM attempts a "
        "JOIN tests t ON t.test = a.test WHERE a.run = ? ORDER BY a.position, a.number",
        (number,),
    )
    texts = load_texts(database, (row[_REASON] for row in rows))
    cases = []
    for (_, node), tries in groupby(rows, key=itemgetter(0, 1)):
        attempts = tuple(attempt(node, row[3], row[4:], texts, failures.get(row[2:4], ())) for row in tries)
        cases.append(CaseResult(test=node, attempts=attempts))
    return tuple(cases)


_REASON = 4 + 10


def _failures(database: Database, number: int) -> Mapping[tuple[int, int], list[Failure]]:
    rows = database.rows(
        f"SELECT f.test, f.number, {FAILURE} FROM failures f WHERE f.run = ? "
        "ORDER BY f.test, f.number, f.part",
        (number,),
    )
    texts = load_texts(database, (key for row in rows for key in row[4:]))
    found: dict[tuple[int, int], list[Failure]] = {}
    for row in rows:
        found.setdefault(row[:2], []).append(failure(row[2:], texts))
    return found
