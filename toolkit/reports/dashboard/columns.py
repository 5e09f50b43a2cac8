"""All tests with their history, as compressed columns that a browser unpacks in a moment.

The text is base64 of a zlib stream (RFC 1950, ``DecompressionStream("deflate")``) of: four bytes with the
length of a JSON object, little-endian; the object; and its ``arrays``, one after the other, each starting at
a multiple of four bytes. The object says which array is where, and holds what is text.

A duration in the history is one byte: 0 is unknown, and n > 0 stands for ``FLOOR * STEP ** (n - 1)`` seconds,
which is right within four percent from 0.1 ms to ten hours. So 50,000 tests stay under five megabytes.
"""

import base64
import math
import struct
import sys
import zlib
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from toolkit.analysis.comparing import WORST_FIRST
from toolkit.history.answers import Recent
from toolkit.history.letters import verdict
from toolkit.records import Attempt, CaseResult, NodeId
from toolkit.reports.dashboard.failing import Failing
from toolkit.reports.dashboard.sources import Sources
from toolkit.reports.dashboard.telling import Told
from toolkit.reports.phrases import moment

FLOOR, STEP = 1e-4, 1.0805
RESULTS = 1_500_000
"""So many past results all tests together keep; each at most 50 and at least 10."""
DETAILS, TEXTS = 1_000, 3_000_000
"""Failures that are told with their texts, and the characters of these together."""
TRACEBACK, OUTPUT = 8_000, 2_000
TIMELINE = 200_000
"""Attempts in the timelines of all runs together."""
_WORSE = "cefyxspP"


class _Columns:
    """Named arrays on their way into one block of bytes."""

    def __init__(self) -> None:
        self.index: dict[str, tuple[str, int, int]] = {}
        self.body = bytearray()

    def add(self, name: str, kind: str, values: Iterable[float]) -> None:
        """Append an array: ``B`` bytes, ``H`` 16 bits, ``I`` 32 bits, ``f`` single floats."""
        packed = array(kind, values)
        if sys.byteorder == "big":  # pragma: no cover - no such machine here
            packed.byteswap()
        self.index[name] = (kind, len(self.body), len(packed))
        self.body += packed.tobytes()
        self.body += b"\0" * (-len(self.body) % 4)


def columns(told: Told, sources: Sources) -> str:
    """Return the columns of all tests as text."""
    return base64.b64encode(packed_columns(told, sources)).decode("ascii")


def packed_columns(told: Told, sources: Sources) -> bytes:
    """Return the columns of all tests as a zlib stream."""
    present = _present(sources)
    tests = sorted({*present, *sources.past.recent})
    places = {test: place for place, test in enumerate(tests)}
    made = _Columns()
    texts: dict[str, Any] = {
        **_add_names(made, tests),
        **_add_results(made, tests, present, told),
        "details": list(_details(told.failing, places)),
        "failing": len(told.failing),
    }
    _add_history(made, tests, sources.past.recent, [point.run for point in told.facts.trend])
    texts["timeline"] = _add_timeline(made, sources, places)
    texts["arrays"] = made.index
    head = msgspec.json.encode(texts)
    head += b" " * (-len(head) % 4)
    return zlib.compress(struct.pack("<I", len(head)) + head + bytes(made.body), level=9)


def _present(sources: Sources) -> dict[NodeId, CaseResult]:
    """Return the result of every test in the present runs; of several the worst."""
    found: dict[NodeId, CaseResult] = {}
    for record in sources.records:
        for case in record.cases:
            known = found.get(case.test)
            if known is None or _badness(case) < _badness(known):
                found[case.test] = case
    return found


def _badness(case: CaseResult) -> int:
    return _WORSE.find(verdict(case)) % len(_WORSE)


def _add_names(made: _Columns, tests: Sequence[NodeId]) -> dict[str, Any]:
    parts = [test.partition("::") for test in tests]
    files = {file: place for place, file in enumerate(dict.fromkeys(file for file, _, _ in parts))}
    made.add("file", "I", (files[file] for file, _, _ in parts))
    return {"files": list(files), "names": [separator + name for _, separator, name in parts]}


def _add_results(
    made: _Columns, tests: Sequence[NodeId], present: Mapping[NodeId, CaseResult], told: Told
) -> dict[str, Any]:
    cases = [present.get(test) for test in tests]
    last = [None if case is None else case.attempts[-1] for case in cases]
    risks = {risk.test: risk.probability for risk in told.facts.risks}
    groups = {one.test: one.diagnosis.group for one in told.failing}
    names = {group.group: place for place, group in enumerate(told.facts.groups, start=1)}
    markers = _indexed(() if attempt is None else attempt.markers for attempt in last)
    workers = _indexed("" if attempt is None else attempt.worker for attempt in last)
    made.add("verdict", "B", (0 if case is None else ord(verdict(case)) for case in cases))
    made.add("state", "B", (_state(test, told) for test in tests))
    made.add("duration", "f", (math.nan if case is None else case.duration for case in cases))
    made.add("attempts", "B", (0 if case is None else min(len(case.attempts), 255) for case in cases))
    made.add("memory", "I", (min((_memory(attempt) or 0) >> 10, 2**32 - 1) for attempt in last))
    made.add(
        "cpu", "f", (math.nan if attempt is None or attempt.cpu is None else attempt.cpu for attempt in last)
    )
    made.add("line", "I", (0 if attempt is None else attempt.line or 0 for attempt in last))
    made.add("risk", "B", (round(100 * risks.get(test, 0)) for test in tests))
    made.add("group", "I", (names.get(groups.get(test, ""), 0) for test in tests))
    made.add("markers", "I", markers[1])
    made.add("worker", "I", workers[1])
    return {"markers": markers[0], "workers": workers[0], "states": [str(state) for state in WORST_FIRST]}


def _memory(attempt: Attempt | None) -> int | None:
    return None if attempt is None else attempt.memory


def _state(test: NodeId, told: Told) -> int:
    state = told.states.get(test)
    return 0 if state is None else WORST_FIRST.index(state) + 1


def _indexed(values: Iterable[Any]) -> tuple[list[Any], list[int]]:
    """Return the different values and, for each value, its place among them."""
    known: dict[Any, int] = {}
    places = [known.setdefault(value, len(known)) for value in values]
    return list(known), places


def _add_history(
    made: _Columns, tests: Sequence[NodeId], recent: Mapping[NodeId, Recent], runs: Sequence[str]
) -> None:
    """Add the newest results of every test, newest first: how far back the run is, letter, duration."""
    places = {run: place for place, run in enumerate(runs)}
    kept = min(max(RESULTS // max(len(tests), 1), 10), 50)
    counts, steps, letters, seconds = bytearray(), bytearray(), bytearray(), bytearray()
    for test in tests:
        results = list(_newest_first(recent.get(test), places))[:kept]
        before = len(runs) - 1
        for place, letter, taken in results:
            steps.append(before - place)
            letters.append(ord(letter))
            seconds.append(quantised(taken))
            before = place
        counts.append(len(results))
    for name, values in (("counts", counts), ("steps", steps), ("letters", letters), ("seconds", seconds)):
        made.add(name, "B", values)


def _newest_first(past: Recent | None, places: Mapping[str, int]) -> Iterator[tuple[int, str, float]]:
    if past is None:
        return
    results = zip(past.runs, past.verdicts, past.durations, strict=True)
    known = [(places[run], letter, seconds) for run, letter, seconds in results if run in places]
    yield from sorted(known, reverse=True)


def quantised(seconds: float) -> int:
    """Return the byte that stands for a duration; 0 for none."""
    if not seconds > 0:
        return 0
    return min(max(round(math.log(seconds / FLOOR, STEP)), 0), 254) + 1


def _add_timeline(made: _Columns, sources: Sources, places: Mapping[NodeId, int]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    left = TIMELINE
    for record in reversed(sources.records):
        attempts = [attempt for case in record.cases for attempt in case.attempts]
        if len(attempts) > left or not attempts:
            continue
        left -= len(attempts)
        attempts.sort(key=lambda attempt: attempt.started)
        number, begin = len(found), record.header.started
        workers, rows = _indexed(attempt.worker for attempt in attempts)
        made.add(f"timeline{number}.test", "I", (places[attempt.test] for attempt in attempts))
        made.add(f"timeline{number}.worker", "H", rows)
        made.add(f"timeline{number}.start", "f", (attempt.started - begin for attempt in attempts))
        made.add(f"timeline{number}.length", "f", (attempt.duration for attempt in attempts))
        made.add(f"timeline{number}.bad", "B", (attempt.outcome.bad for attempt in attempts))
        found.append({"run": record.header.run, "workers": workers})
    return found


def _details(failing: Sequence[Failing], places: Mapping[NodeId, int]) -> Iterator[dict[str, Any]]:
    """Yield what is known of failures, as many as there is room for."""
    room = TEXTS
    for one in failing[:DETAILS]:
        detail = _detail(one, places[one.test])
        room -= sum(len(text) for phase in detail["phases"] for text in _texts(phase))
        if room < 0:
            return
        yield detail


def _texts(phase: Mapping[str, Any]) -> Iterator[str]:
    yield from (phase["message"], phase["traceback"], *phase["output"].values())


def _detail(one: Failing, place: int) -> dict[str, Any]:
    attempt = one.attempt
    return {
        "test": place,
        "run": one.run,
        "worker": attempt.worker,
        "number": attempt.number,
        "outcome": attempt.outcome,
        "outage": one.outage,
        "reason": attempt.reason,
        "category": one.diagnosis.category,
        "signature": one.diagnosis.signature.key,
        "group": one.diagnosis.group,
        "causes": [
            {"cause": cause.cause, "confidence": cause.confidence, "evidence": cause.evidence}
            for cause in one.diagnosis.causes
        ],
        "evidence": [] if attempt.evidence is None else list(moment(attempt.evidence)),
        "phases": [
            {
                "phase": failure.phase,
                "exception": failure.exception,
                "message": failure.message[:OUTPUT],
                "traceback": failure.traceback[-TRACEBACK:],
                "output": {name: text[-OUTPUT:] for name, text in failure.sections.items()},
            }
            for failure in attempt.failures
        ],
    }
