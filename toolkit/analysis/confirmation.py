"""Repeating one test until the statement about it has the confidence asked for.

The sequential probability ratio test of Wald 1945 ("Sequential tests of statistical hypotheses") between "it
never fails" and "it fails in at least ``rate`` of tries". One outcome of each kind on the same code settles
it: the test is flaky. Until then the likelihood ratio after n equal outcomes is (1 - rate)^n, so it is
settled, too, after log(1 - confidence) ÷ log(1 - rate) of them: 59 passes for 5 % and 95 %. For failures the
same holds with the roles exchanged.
"""

import math
from typing import Literal

import msgspec

from toolkit.analysis.beta import interval

Verdict = Literal["flaky", "stable", "broken", "undecided"]


class Confirmation(msgspec.Struct, frozen=True, kw_only=True):
    """What the tries so far say.

    Attributes:
        passed: tries that passed.
        failed: tries that did not.
        rate: the least rate that is to be told from none, above 0 and below 1.
        confidence: the probability of noticing it, above 0 and below 1.
    """

    passed: int = 0
    failed: int = 0
    rate: float = 0.05
    confidence: float = 0.95

    @property
    def needed(self) -> int:
        """How many equal outcomes settle it."""
        return math.ceil(math.log(1 - self.confidence) / math.log(1 - self.rate) - 1e-9)

    @property
    def verdict(self) -> Verdict:
        """What is proven."""
        if self.passed and self.failed:
            return "flaky"
        if max(self.passed, self.failed) < self.needed:
            return "undecided"
        return "stable" if self.passed else "broken"

    @property
    def reached(self) -> float:
        """The confidence of the statement so far, 0 … 1."""
        return 1.0 if self.passed and self.failed else 1 - (1 - self.rate) ** max(self.passed, self.failed)

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of the rate of failure."""
        return interval(self.failed, self.passed)

    def told(self) -> str:
        """Say it in words."""
        tries = self.passed + self.failed
        if self.verdict == "flaky":
            low, high = self.interval
            return (
                f"flaky: failed {self.failed} of {tries} tries ({low:.0%} to {high:.0%} with 95 % confidence)"
            )
        if self.verdict == "undecided":
            return f"undecided after {tries} tries: {self.needed} equal outcomes are needed"
        done = "passed" if self.verdict == "stable" else "failed"
        other = "failed" if self.verdict == "stable" else "passed"
        return (
            f"{self.verdict}: {done} all of {tries} tries; if it {other} in {self.rate:.1%} of tries "
            f"or more, that would have shown with {self.reached:.1%} confidence"
        )
