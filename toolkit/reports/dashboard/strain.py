"""What sessions on the running system left, for the dashboard: load, fuzzing, security tests."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from toolkit.errors import InputError
from toolkit.load.writing import FOLDER, read_result
from toolkit.records import NodeId, RunRecord
from toolkit.reports.dashboard.facts import FuzzFacts, LoadFacts, StrainFacts
from toolkit.security.fuzzing import read_fuzzed

MARKER = "security"
MOST = 500


def read_strain(reports: Path) -> StrainFacts:
    """Read what the newest loads and the last fuzzing found; what cannot be read is named."""
    loads, unread = [], []
    for path in sorted((reports / FOLDER).glob("*.json")):
        try:
            loads.append(_load(path))
        except InputError as error:
            unread.append(error.message)
    fuzz = None
    path = reports / "fuzz" / "junit.xml"
    try:
        fuzz = _fuzz(path) if path.is_file() else None
    except InputError as error:
        unread.append(error.message)
    return StrainFacts(loads=tuple(loads), fuzz=fuzz, unread=tuple(unread))


def _load(path: Path) -> LoadFacts:
    found = read_result(path)
    return LoadFacts(
        scenario=path.stem,
        verdict=found.verdict,
        wanted=found.wanted_rate,
        throughput=found.throughput,
        p50_ms=found.all.p50_ms,
        p95_ms=found.all.p95_ms,
        p99_ms=found.all.p99_ms,
        error_rate=found.error_rate,
        client_share=found.client_share,
        findings=(found.saturated,) if found.saturated else found.failed,
        commit=found.head,
        measured=path.stat().st_mtime,
    )


def _fuzz(path: Path) -> FuzzFacts:
    found = read_fuzzed(path)
    findings = [(one.operation, one.check, one.again) for one in found.findings]
    return FuzzFacts(
        operations=found.operations, findings=tuple(findings[:MOST]), measured=path.stat().st_mtime
    )


def with_tests(strain: StrainFacts, records: Sequence[RunRecord]) -> StrainFacts:
    """Add the security tests of some runs."""
    tests = dict(_security_tests(records))
    bad = tuple(test for test, good in tests.items() if not good)
    return msgspec.structs.replace(strain, security=len(tests), attacks=bad[:MOST])


def _security_tests(records: Sequence[RunRecord]) -> Iterator[tuple[NodeId, bool]]:
    for record in records:
        for case in record.cases:
            if MARKER in case.attempts[-1].markers:
                yield case.test, not case.counted_as.bad
