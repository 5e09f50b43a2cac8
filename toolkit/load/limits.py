"""How much can server and client hold on these machines? The highest rate at which a scenario passes.

The rate is doubled until something gives in, then the gap is halved (as ratios) a few times. Whether the
server or the client gave in decides what the figure means: above the client's own limit nothing is known of
the server.
"""

import math
from collections.abc import Callable
from typing import Literal

import msgspec

from toolkit.load.scenarios import LoadScenario
from toolkit.load.verdicts import LoadResult

FINER = 2
"""So often the gap between what held and what did not is halved: it ends within a fifth."""
DOWN = 4
"""So often the rate is halved when the first one does not hold."""


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one rate."""

    rate: float
    verdict: str
    throughput: float
    p99_ms: float
    client_share: float
    why: str = ""


class Limit(msgspec.Struct, frozen=True, kw_only=True):
    """What was found.

    Attributes:
        held: highest rate per second at which everything that is expected held; 0: none did.
        p99_ms: at that rate.
        client_share: of a core, in the busiest process of the generator at that rate.
        broke: lowest rate at which something gave in; None: nothing did up to the highest that was asked for.
        gave_in: who did, there.
        why: in words.
        steps: all that was measured, in order.
    """

    held: float
    p99_ms: float = 0.0
    client_share: float = 0.0
    broke: float | None = None
    gave_in: Literal["server", "client", ""] = ""
    why: str = ""
    steps: tuple[Step, ...] = ()


def at_rate(scenario: LoadScenario, rate: float, seconds: float) -> LoadScenario:
    """Return a scenario for one step."""
    return msgspec.structs.replace(scenario, rate=rate, duration=seconds, ramp=min(1.0, seconds))


def find_limit(measure: Callable[[float], LoadResult], *, start: float, most: float = math.inf) -> Limit:
    """Find the highest rate that holds.

    Args:
        measure: puts a rate per second on the server and judges it.
        start: rate of the first step.
        most: no step has a higher rate.
    """
    steps: list[Step] = []

    def holds(rate: float) -> bool:
        steps.append(step_of(rate, measure(rate)))
        return steps[-1].verdict == "passed"

    held, broke = _bracket(holds, start, most)
    for _ in range(FINER if held and broke else 0):
        assert broke is not None  # noqa: S101 - as the line above says
        middle = math.sqrt(held * broke)
        held, broke = (middle, broke) if holds(middle) else (held, middle)
    return _told(held, broke, steps)


def _bracket(holds: Callable[[float], bool], start: float, most: float) -> tuple[float, float | None]:
    """Return a rate that holds, 0 for none, and a higher one that does not, None for none."""
    rate = min(start, most)
    if holds(rate):
        while rate < most:
            before, rate = rate, min(2 * rate, most)
            if not holds(rate):
                return before, rate
        return rate, None
    for _ in range(DOWN):
        before, rate = rate, rate / 2
        if holds(rate):
            return rate, before
    return 0.0, rate


def step_of(rate: float, result: LoadResult) -> Step:
    """Sum up what became of one rate."""
    return Step(
        rate=rate,
        verdict=result.verdict,
        throughput=result.throughput,
        p99_ms=result.all.p99_ms,
        client_share=result.client_share,
        why=result.saturated or "; ".join(result.failed),
    )


def _told(held: float, broke: float | None, steps: list[Step]) -> Limit:
    best = next((step for step in reversed(steps) if step.rate == held), None)
    worst = next((step for step in reversed(steps) if step.rate == broke), None)
    return Limit(
        held=held,
        p99_ms=0.0 if best is None else best.p99_ms,
        client_share=0.0 if best is None else best.client_share,
        broke=broke,
        gave_in="" if worst is None else "client" if worst.verdict == "refused" else "server",
        why="" if worst is None else worst.why,
        steps=tuple(steps),
    )


def limit_line(limit: Limit) -> str:
    """Say it in one line."""
    if not limit.held:
        return f"not even {limit.broke:.4g} per second held: the {limit.gave_in} gave in: {limit.why}"
    client = f"client {limit.client_share:.0%} of a core"
    told = f"{limit.held:.4g} per second held (p99 {limit.p99_ms:.1f} ms, {client})"
    if limit.broke is None:
        return f"{told}; nothing gave in"
    return f"{told}; at {limit.broke:.4g} the {limit.gave_in} gave in: {limit.why}"
