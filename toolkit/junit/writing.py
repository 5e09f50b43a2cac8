"""Run records → JUnit XML in the form that Jenkins, GitLab and most others read.

Retries are told as Surefire tells them: ``<flakyFailure>`` before a pass, ``<rerunFailure>`` after a failure.
Characters that XML 1.0 forbids (section 2.2 of the recommendation) are written as Python escapes. A node id
that cannot be rebuilt from the attributes is kept in the property ``toolkit.nodeid``.
"""

import json
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from toolkit.junit.dialects import Dialect
from toolkit.junit.identity import NODE_ID, NODE_ID_JSON, identity_of
from toolkit.junit.parsing import MISSING
from toolkit.junit.verdicts import CRASHED, OUTCOME, XFAIL
from toolkit.records import Attempt, CaseResult, Failure, NodeId, Outcome, RunRecord, RunStarted

_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_SPECIAL = str.maketrans(
    {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\n": "&#10;", "\r": "&#13;", "\t": "&#9;"}
)
_MARKUP = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;"})
_PHASES = frozenset({"setup", "teardown", "collect"})
_ERRORS = frozenset({Outcome.ERROR, Outcome.CRASHED})
_SKIPS = frozenset({Outcome.SKIPPED, Outcome.XFAILED})


def junit_xml(runs: Iterable[RunRecord]) -> Iterator[str]:
    """Yield the text of one document piece by piece: one ``<testsuite>`` per run."""
    yield '<?xml version="1.0" encoding="utf-8"?>\n<testsuites>\n'
    for run in runs:
        yield from _suite(run)
    yield "</testsuites>\n"


def _suite(run: RunRecord) -> Iterator[str]:
    header, outcomes = run.header, [case.counted_as for case in run.cases]
    yield _tag(
        "testsuite",
        name=" ".join(filter(None, (header.project, header.profile, header.python))) or "tests",
        tests=len(outcomes),
        failures=outcomes.count(Outcome.FAILED),
        errors=sum(outcome in _ERRORS for outcome in outcomes),
        skipped=sum(outcome in _SKIPS for outcome in outcomes),
        time=_seconds(sum(case.duration for case in run.cases)),
        timestamp=datetime.fromtimestamp(header.started, UTC).isoformat(timespec="milliseconds"),
        hostname=header.host,
    )
    yield "\n" + _properties(_facts(header, run)) + "\n"
    for case in run.cases:
        yield _case(case)
    yield from _incidents(run)
    yield "</testsuite>\n"


def _facts(header: RunStarted, run: RunRecord) -> dict[str, str]:
    names = (
        "run",
        "build",
        "project",
        "profile",
        "python",
        "platform",
        "environment",
        "commit",
        "branch",
        "shard",
    )
    facts = {f"toolkit.{name}": str(getattr(header, name)) for name in names}
    if run.missing:
        facts[MISSING] = str(len(run.missing))
    return {name: value for name, value in facts.items() if value}


def _incidents(run: RunRecord) -> Iterator[str]:
    """Yield what is missing as output of the suite, since it is no result of a test."""
    lines = [f"no result: {test}" for test in run.missing]
    lines += [
        f"worker {lost.worker} was lost ({lost.reason}) at {lost.test or 'no test'}" for lost in run.lost
    ]
    lines += [f"journal: {problem}" for problem in run.problems]
    if run.finished is None:
        lines.append("the run was interrupted")
    if lines:
        yield f"<system-err>{_text(chr(10).join(lines))}</system-err>\n"


def _case(case: CaseResult) -> str:
    classname, name, file = _address(case.test)
    bad = [attempt for attempt in case.attempts if attempt.outcome.bad]
    told, others = (bad[0], bad[1:]) if case.outcome.bad else (case.attempts[-1], bad)
    shielded = case.attempts[-1].quarantined
    if shielded:  # an expected failure, neither a flaky one nor a rerun
        told, others = case.attempts[-1], []
    properties = {
        **_identity(case.test, classname, name, file),
        **({OUTCOME: case.outcome.value} if case.outcome is Outcome.XPASSED else {}),
        **{name: f"{value:g}" for name, value in told.measures.items()},
    }
    inside = _properties(properties) if properties else ""
    inside += _verdict(told, shielded=shielded) + "".join(
        _other(attempt, case.outcome.bad) for attempt in others
    )
    start = _tag(
        "testcase",
        classname=classname,
        name=name,
        file=file,
        line=told.line if told.file == file else None,
        time=_seconds(told.duration),
    )
    return f"{start}{inside}{_outputs(told)}</testcase>\n" if inside else f"{start[:-1]}/>\n"


def _address(test: NodeId) -> tuple[str, str, str]:
    """Split a node id as pytest does for its own report."""
    address, bracket, parameters = test.partition("[")
    path, *names = address.split("::")
    module = path.removesuffix(".py").replace("/", ".")
    if not names:
        return "", f"{module}{bracket}{parameters}", path
    return ".".join([module, *names[:-1]]), f"{names[-1]}{bracket}{parameters}", path


def _identity(test: NodeId, classname: str, name: str, file: str) -> dict[str, str]:
    if _FORBIDDEN.search(test):
        return {NODE_ID_JSON: json.dumps(test)}
    same = identity_of(classname=classname, name=name, file=file, dialect=Dialect.TOOLKIT) == test
    return {} if same else {NODE_ID: test}


def _verdict(attempt: Attempt, *, shielded: bool) -> str:
    if attempt.outcome in _SKIPS or shielded:
        expected = shielded or attempt.outcome is Outcome.XFAILED
        kind = XFAIL if expected else "pytest.skip"
        return _tag("skipped", type=kind, message=attempt.reason)[:-1] + "/>"
    if not attempt.outcome.bad:
        return ""
    element = "failure" if attempt.outcome is Outcome.FAILED else "error"
    elements = [element, *["error"] * (len(attempt.failures) - 1)]
    return "".join(
        f"{_tag(element, **_about(attempt, failure))}{_text(failure.traceback)}</{element}>"
        for element, failure in zip(elements, _failures(attempt), strict=True)
    )


def _other(attempt: Attempt, bad: bool) -> str:
    kind = "Failure" if attempt.outcome is Outcome.FAILED else "Error"
    element = f"{'rerun' if bad else 'flaky'}{kind}"
    failure = _failures(attempt)[0]
    start = _tag(element, **_about(attempt, failure), time=_seconds(attempt.duration))
    trace = f"<stackTrace>{_text(failure.traceback)}</stackTrace>" if failure.traceback else ""
    return f"{start}{trace}{_outputs(attempt)}</{element}>"


def _failures(attempt: Attempt) -> tuple[Failure, ...]:
    return attempt.failures or (Failure(phase="call", exception="", message=attempt.reason),)


def _about(attempt: Attempt, failure: Failure) -> dict[str, str]:
    crashed = attempt.outcome is Outcome.CRASHED
    message = failure.message
    if failure.phase in _PHASES:
        message = f'failed on {failure.phase} with "{message}"'
    return {"message": message, "type": CRASHED if crashed else failure.exception}


def _outputs(attempt: Attempt) -> str:
    sections = attempt.failures[0].sections if attempt.failures else {}
    names = {"stdout": "system-out", "stderr": "system-err"}
    return "".join(
        f"<{names[section]}>{_text(text)}</{names[section]}>"
        for section, text in sections.items()
        if section in names
    )


def _properties(values: dict[str, str]) -> str:
    rows = "".join(_tag("property", name=name, value=value)[:-1] + "/>" for name, value in values.items())
    return f"<properties>{rows}</properties>"


def _tag(element: str, **attributes: str | int | None) -> str:
    """Return a start tag; attributes that are None or empty are left out, except the name."""
    told = (
        f' {name}="{_visible(str(value)).translate(_SPECIAL)}"'
        for name, value in attributes.items()
        if value not in {None, ""} or name in {"name", "classname"}
    )
    return f"<{element}{''.join(told)}>"


def _text(text: str) -> str:
    return _visible(text).translate(_MARKUP)


def _visible(text: str) -> str:
    return _FORBIDDEN.sub(lambda match: match[0].encode("unicode_escape").decode("ascii"), text)


def _seconds(value: float) -> str:
    return f"{value:.6f}".rstrip("0").rstrip(".") or "0"
