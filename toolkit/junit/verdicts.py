"""What the attributes and children of one ``<testcase>`` mean: outcome, failures, other attempts."""

import re
from typing import NamedTuple

import msgspec

from toolkit.junit.cases import Trial
from toolkit.junit.values import MESSAGE_LIMIT, LongText, parse_duration
from toolkit.records import Failure, Outcome, Phase

RERUNS = {
    "flakyFailure": Outcome.FAILED,
    "flakyError": Outcome.ERROR,
    "rerunFailure": Outcome.FAILED,
    "rerunError": Outcome.ERROR,
    "rerun": Outcome.FAILED,
}
"""Children that tell of another attempt."""
CRASHED = "toolkit.crashed"
"""Type of an ``<error>``: the process died."""
XFAIL = "pytest.xfail"
"""Type of a ``<skipped>``: it failed as expected."""
OUTCOME = "toolkit.outcome"
"""Property of a case: the outcome, where JUnit has no word for it."""

_STATUSES = {
    **dict.fromkeys(("skipped", "notrun", "disabled", "ignored", "suppressed", "pending"), Outcome.SKIPPED),
    **dict.fromkeys(("failed", "failure", "fail"), Outcome.FAILED),
    **dict.fromkeys(("error", "broken"), Outcome.ERROR),
}
_PHASED = re.compile(r'failed on (setup|teardown|collect) with "(.*)"\Z', re.DOTALL)
_PHASES: dict[str, Phase] = {"setup": "setup", "teardown": "teardown", "collect": "collect"}
_RAISED = re.compile(
    r"([A-Za-z_][\w.$]*(?:Error|Exception|Exit|Interrupt|Warning|Failed|Timeout))(?=: |:?\s*\Z|\n)"
)


class Child(msgspec.Struct):
    """A child element with text, while its case is open."""

    element: str
    attributes: dict[str, str]
    text: LongText
    outputs: dict[str, LongText] = {}


class Details:
    """Everything inside a case, while it is open."""

    __slots__ = ("children", "outputs", "properties")

    def __init__(self) -> None:
        self.children: list[Child] = []
        self.outputs: dict[str, LongText] = {}
        self.properties: dict[str, str] = {}


class Verdict(NamedTuple):
    """How the case ended, without what other elements say."""

    outcome: Outcome
    first: Outcome | None = None
    reason: str = ""
    failures: tuple[Failure, ...] = ()
    trials: tuple[Trial, ...] = ()


def judge(attributes: dict[str, str], details: Details) -> Verdict:
    """Decide; a child says more than the attribute ``status``, a failure more than a skip."""
    if len(details.children) == 1 and details.children[0].element == "skipped":  # the usual one
        return _skipped(details.children[0], ())
    trials = tuple(_trial(child) for child in details.children if child.element in RERUNS)
    bad = [child for child in details.children if child.element in {"failure", "error"}]
    if bad:
        return _failed(bad, details, trials)
    for child in details.children:
        if child.element == "skipped":
            return _skipped(child, trials)
    return Verdict(_without_children(attributes, details), trials=trials)


def _failed(bad: list[Child], details: Details, trials: tuple[Trial, ...]) -> Verdict:
    outcomes = [_bad(child) for child in bad]
    own = Outcome.FAILED if Outcome.FAILED in outcomes else outcomes[0]
    failures = tuple(_failure(child, {} if index else details.outputs) for index, child in enumerate(bad))
    verdict = trials[-1].outcome if trials else own
    return Verdict(verdict, own if own != verdict else None, "", failures, trials)


def _skipped(child: Child, trials: tuple[Trial, ...]) -> Verdict:
    reason = child.attributes.get("message") or child.text.text().strip()
    outcome = Outcome.XFAILED if child.attributes.get("type") == XFAIL else Outcome.SKIPPED
    return Verdict(outcome, reason=reason[:MESSAGE_LIMIT], trials=trials)


def _trial(child: Child) -> Trial:
    return Trial(
        outcome=_bad(child),
        failure=_failure(child, child.outputs),
        duration=parse_duration(child.attributes.get("time")),
    )


def _without_children(attributes: dict[str, str], details: Details) -> Outcome:
    if details.properties.get(OUTCOME) == Outcome.XPASSED:
        return Outcome.XPASSED
    for key in ("result", "status"):
        outcome = _STATUSES.get(attributes.get(key, "").lower())
        if outcome is not None:
            return outcome
    return Outcome.PASSED


def _bad(child: Child) -> Outcome:
    if child.attributes.get("type") == CRASHED:
        return Outcome.CRASHED
    if child.element in RERUNS:
        return RERUNS[child.element]
    return Outcome.FAILED if child.element == "failure" else Outcome.ERROR


def _failure(child: Child, outputs: dict[str, LongText]) -> Failure:
    text = child.text.text()
    message = child.attributes.get("message") or text.strip().partition("\n")[0]
    phase, message = _phase(message)
    return Failure(
        phase=phase,
        exception=child.attributes.get("type") or _exception(message),
        message=message[:MESSAGE_LIMIT],
        traceback=text,
        sections={name: output.text() for name, output in outputs.items() if output.length},
    )


def _phase(message: str) -> tuple[Phase, str]:
    """Undo what pytest makes of the message of a fixture's error."""
    match = _PHASED.match(message)
    if match:
        return _PHASES[match[1]], match[2]
    return ("collect" if message == "collection failure" else "call"), message


def _exception(message: str) -> str:
    match = _RAISED.match(message[:500])
    if match:
        return match[1]
    return "AssertionError" if message.startswith("assert ") else ""
