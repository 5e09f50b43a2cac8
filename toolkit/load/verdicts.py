"""What the figures of a load say, or that they say nothing because the client itself was the limit."""

import math
from collections.abc import Mapping
from typing import Any

import msgspec

from toolkit.load.histogram import Histogram, from_json
from toolkit.load.scenarios import Expected, LoadScenario

BUSY = 0.9
"""Share of a core from which on a process of the generator was the limit: it has only one."""
LATE = 0.010
"""Seconds: 99 % of the requests must be sent within so much after they were due ..."""
LATE_SHARE = 0.2
"""... or within this share of the 99th percentile that was measured."""
OTHER = 0.1
"""Share of the rate that may be sent more or less ..."""
CHANCE = 5.0
"""... or so many standard deviations of arrivals at random."""


class ActionFigures(msgspec.Struct, frozen=True, kw_only=True):
    """Of one kind of request, at the full rate. Milliseconds from when a request was due."""

    name: str
    requests: int
    mean_ms: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float


class LoadResult(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a scenario."""

    wanted_rate: float
    sent_rate: float
    throughput: float
    """Right answers per second."""
    error_rate: float
    all: ActionFigures
    actions: tuple[ActionFigures, ...]
    errors: dict[str, int]
    late_p99_ms: float
    """How long after it was due a request was sent, by the client's own fault."""
    client_share: float
    """Of a core, in the busiest process of the generator."""
    processes: int
    lost: tuple[str, ...] = ()
    """Processes of the generator that ended, or were not heard of, before they had sent everything."""
    saturated: str = ""
    """Why the client was the limit; empty: it was not."""
    failed: tuple[str, ...] = ()
    """What was expected and does not hold; meaningless when the client was the limit."""

    @property
    def verdict(self) -> str:
        """``refused`` (the client was the limit), ``failed`` or ``passed``."""
        return "refused" if self.saturated else "failed" if self.failed else "passed"


def judge(scenario: LoadScenario, told: Mapping[str, Any]) -> LoadResult:
    """Make figures and a verdict of what the generator wrote."""
    times = {name: from_json(each) for name, each in told["times"].items()}
    whole = Histogram()
    whole.merge(times.values())
    sent, right = int(told["sent"]), int(told["right"])
    result = LoadResult(
        wanted_rate=scenario.rate,
        sent_rate=sent / scenario.duration,
        throughput=right / scenario.duration,
        error_rate=1 - right / sent if sent else 1.0,
        all=_figures("all", whole),
        actions=tuple(_figures(name, each) for name, each in sorted(times.items())),
        errors=dict(told["errors"]),
        late_p99_ms=from_json(told["late"]).percentile(99) * 1000,
        client_share=max(told["shares"], default=0.0),
        processes=int(told["processes"]),
        lost=tuple(told.get("lost", ())),
    )
    saturated = _saturation(result)
    failed = tuple(_broken(scenario.expect, result))
    return msgspec.structs.replace(result, saturated=saturated, failed=failed)


def _figures(name: str, times: Histogram) -> ActionFigures:
    percentiles = {f"p{each}_ms": times.percentile(each) * 1000 for each in (50, 95, 99)}
    mean, most = times.mean * 1000, times.most * 1000
    return ActionFigures(name=name, requests=times.count, mean_ms=mean, max_ms=most, **percentiles)


def _saturation(result: LoadResult) -> str:
    if result.lost:
        lost = f"{len(result.lost)} processes of the generator were lost ({', '.join(result.lost)})"
        return f"{lost}: what they had to send is missing"
    if _sent_otherwise(result):
        return (
            f"{result.sent_rate:.1f} requests per second were sent instead of {result.wanted_rate:g}: "
            "were all processes started for the same scenario and number (--of)?"
        )
    if result.client_share > BUSY:
        return f"a process of the generator used {result.client_share:.0%} of its core: add `processes`"
    allowed = max(LATE * 1000, LATE_SHARE * result.all.p99_ms)
    if result.late_p99_ms > allowed:
        return (
            f"1 % of the requests were sent {result.late_p99_ms:.1f} ms or more after they were due "
            f"({allowed:.1f} are allowed): this machine is too busy to measure"
        )
    return ""


def _sent_otherwise(result: LoadResult) -> bool:
    """Tell whether clearly another load was sent than asked for: what is due is sent, however late."""
    if not result.sent_rate:
        return False
    requests = result.all.requests * result.wanted_rate / result.sent_rate
    tolerated = max(OTHER, CHANCE / math.sqrt(requests)) if requests else OTHER
    return abs(result.sent_rate / result.wanted_rate - 1) > tolerated


def _broken(expect: Expected, result: LoadResult) -> list[str]:
    broken = []
    for name in ("mean_ms", "p95_ms", "p99_ms", "max_ms"):
        limit, found = getattr(expect, name), getattr(result.all, name)
        if limit is not None and found > limit:
            broken.append(f"{name}: {found:.1f}, expected at most {limit:g}")
    if expect.error_rate is not None and result.error_rate > expect.error_rate:
        most = max(result.errors, key=lambda each: result.errors[each], default="")
        found_rate = f"error_rate: {result.error_rate:.2%}, expected at most {expect.error_rate:.2%}"
        broken.append(f"{found_rate}; mostly {most}")
    if expect.throughput is not None and result.throughput < expect.throughput * result.wanted_rate:
        least = expect.throughput * result.wanted_rate
        broken.append(f"throughput: {result.throughput:.1f} per second, expected at least {least:.1f}")
    return broken
