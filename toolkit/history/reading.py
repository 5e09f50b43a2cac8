"""Rows → the records they were made of: attempts, failures, whole runs."""

from collections.abc import Iterable, Mapping
from itertools import groupby
from operator import itemgetter
from typing import Any

import msgspec

from toolkit.history.database import Database, Row
from toolkit.history.letters import OUTCOMES
from toolkit.history.texts import load_texts, storable, unpacked
from toolkit.records import Attempt, CaseResult, Evidence, Failure, Frame, NodeId, RunRecord

_FIELDS = {
    "outcome": "a.outcome",
    "worker": "a.worker",
    "order": "a.turn",
    "started": "a.started",
    "duration": "a.duration",
    "setup": "a.setup",
    "call": "a.call",
    "teardown": "a.teardown",
    "cpu": "a.cpu",
    "memory": "a.memory",
    "file": "t.file",
    "line": "t.line",
    "markers": "t.markers",
    "reason": "a.reason",
}
"""Field of an attempt → its column."""

ATTEMPT = ", ".join((*_FIELDS.values(), "a.more"))
"""Columns of ``attempts a`` and ``tests t`` that :func:`attempt` takes; the last two are keys of texts."""

FAILURE = "f.phase, f.exception, f.message, f.traceback, f.frames, f.sections"
"""Columns of ``failures f`` that :func:`failure` takes; the last four are keys of texts."""

Texts = Mapping[bytes | None, str]

_FRAMES = msgspec.json.Decoder(tuple[Frame, ...])
_SECTIONS = msgspec.json.Decoder(dict[str, str])
_MARKERS = msgspec.json.Decoder(tuple[str, ...])


def attempt(test: NodeId, number: int, row: Row, texts: Texts, failures: Iterable[Failure] = ()) -> Attempt:
    """Make an attempt of the columns :data:`ATTEMPT`."""
    *values, more = row
    fields = dict(zip(_FIELDS, values, strict=True))
    fields["outcome"] = OUTCOMES[fields["outcome"]]
    fields["markers"] = _MARKERS.decode(fields["markers"])
    fields["reason"] = texts[fields["reason"]]
    if texts[more]:
        fields |= _more(texts[more])
    return Attempt(test=test, number=number, failures=tuple(failures), **fields)


def _more(text: str) -> dict[str, Any]:
    told = msgspec.json.decode(text)
    typed = msgspec.convert({"test": "", "outcome": "passed", **told}, Attempt)
    return {name: getattr(typed, name) for name in told if name in Attempt.__struct_fields__}


def evidence(more: str) -> Evidence | None:
    """Return the evidence among what else is known of an attempt."""
    found = msgspec.json.decode(more).get("evidence") if more else None
    return None if found is None else msgspec.convert(found, Evidence)


def failure(row: Row, texts: Texts) -> Failure:
    """Make a failure of the columns :data:`FAILURE`."""
    phase, exception, message, traceback, frames, sections = row
    return Failure(
        phase=phase,
        exception=exception,
        message=texts[message],
        traceback=texts[traceback],
        frames=_FRAMES.decode(texts[frames] or "[]"),
        sections=_SECTIONS.decode(texts[sections] or "{}"),
    )


def markers(text: str) -> tuple[str, ...]:
    """Read the markers of a test."""
    return _MARKERS.decode(text)


def details(data: bytes, where: str = "history") -> RunRecord:
    """Read ``runs.details``: a run record without its cases.

    Raises:
        HistoryDamaged: it cannot be read; ``where`` is the history it was found in.
    """
    told = msgspec.json.decode(unpacked(data, where))
    return msgspec.convert({"cases": (), **told}, RunRecord)


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
    return msgspec.structs.replace(
        details(packed, database.where),
        cases=_cases(database, number),
        finished=finished,
        exit_code=exit_code,
    )


def _cases(database: Database, number: int) -> tuple[CaseResult, ...]:
    failures = _failures(database, number)
    rows = database.rows(
        f"SELECT a.position, t.node, a.test, a.number, {ATTEMPT} FROM attempts a "
        "JOIN tests t ON t.test = a.test WHERE a.run = ? ORDER BY a.position, a.number",
        (number,),
    )
    texts = load_texts(database, (key for row in rows for key in row[-2:]))
    cases = []
    for (_, node), tries in groupby(rows, key=itemgetter(0, 1)):
        attempts = tuple(attempt(node, row[3], row[4:], texts, failures.get(row[2:4], ())) for row in tries)
        cases.append(CaseResult(test=node, attempts=attempts))
    return tuple(cases)


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
