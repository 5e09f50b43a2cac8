"""One letter per outcome: what the history stores and what a row of recent outcomes looks like."""

from collections.abc import Mapping

from toolkit.records import CaseResult, Outcome

LETTERS: Mapping[Outcome, str] = {
    Outcome.PASSED: "p",
    Outcome.FAILED: "f",
    Outcome.ERROR: "e",
    Outcome.SKIPPED: "s",
    Outcome.XFAILED: "x",
    Outcome.XPASSED: "y",
    Outcome.CRASHED: "c",
}
"""A verdict that was good only after a retry is written with the capital letter."""

OUTCOMES: Mapping[str, Outcome] = {
    **{letter: outcome for outcome, letter in LETTERS.items()},
    **{letter.upper(): outcome for outcome, letter in LETTERS.items()},
}
"""Letter → outcome."""

BAD = frozenset(letter for outcome, letter in LETTERS.items() if outcome.bad)
"""Letters of the outcomes that fail a build."""


def verdict(case: CaseResult) -> str:
    """Return the letter of a result."""
    letter = LETTERS[case.outcome]
    return letter.upper() if case.flaky else letter
