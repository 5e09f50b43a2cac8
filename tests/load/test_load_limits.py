"""The highest rate that holds, and who gives in above it, with servers and clients that are formulas."""

import math

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from toolkit.load.limits import FINER, Limit, at_rate, find_limit, limit_line
from toolkit.load.scenarios import Action, LoadScenario
from toolkit.load.verdicts import ActionFigures, LoadResult

SCENARIO = LoadScenario(actions=(Action(name="a", path="/"),), rate=20, ramp=5, duration=30)


def answer(rate: float, *, server: float, client: float = math.inf) -> LoadResult:
    """A server and a client that hold so many per second."""
    figures = ActionFigures(name="all", requests=9, mean_ms=1, p50_ms=1, p95_ms=1, p99_ms=rate / 10, max_ms=1)
    return LoadResult(
        wanted_rate=rate, sent_rate=rate, throughput=min(rate, server), error_rate=0, all=figures, actions=(),
        errors={}, late_p99_ms=0.1, client_share=min(rate / client, 1), processes=1,
        saturated="its core" if rate > client else "", failed=("p99_ms: 999",) if rate > server else (),
    )  # fmt: skip


def limit_of(start: float, *, server: float, client: float = math.inf, most: float = math.inf) -> Limit:
    return find_limit(lambda rate: answer(rate, server=server, client=client), start=start, most=most)


@settings(max_examples=50)
@given(start=some.floats(1, 500), server=some.floats(1, 10_000))
def test_the_limit_is_between_what_held_and_what_did_not(start: float, server: float) -> None:
    """Within a fifth, unless not even a sixteenth of the first rate holds."""
    found = limit_of(start, server=server)
    assert found.broke is not None
    assert found.held <= server < found.broke
    assert found.gave_in == "server"
    assert found.held == 0 or found.broke / found.held < 2 ** (1 / 2**FINER) + 1e-9


def test_it_is_told_whether_server_or_client_gave_in() -> None:
    server = limit_of(20, server=100)
    assert [step.rate for step in server.steps[:4]] == [20, 40, 80, 160]
    assert limit_line(server).startswith("95.14 per second held (p99 9.5 ms")
    assert "at 113.1 the server gave in: p99_ms: 999" in limit_line(server)
    client = limit_of(20, server=1000, client=100)
    assert client.gave_in == "client"
    assert limit_line(client).endswith("the client gave in: its core")
    assert client.client_share == pytest.approx(0.951, abs=0.001)


def test_nothing_gives_in_up_to_the_highest_rate_asked_for() -> None:
    found = limit_of(20, server=1000, most=50)
    assert ([step.rate for step in found.steps], found.held, found.broke) == ([20, 40, 50], 50, None)
    assert limit_line(found).endswith("nothing gave in")


def test_a_server_that_holds_nothing() -> None:
    found = limit_of(16, server=0.5)
    assert ([step.rate for step in found.steps], found.held) == ([16, 8, 4, 2, 1], 0)
    assert limit_line(found) == "not even 1 per second held: the server gave in: p99_ms: 999"


def test_a_step_is_the_scenario_at_another_rate_and_shorter() -> None:
    assert at_rate(SCENARIO, 50, 4) == msgspec.structs.replace(SCENARIO, rate=50, duration=4, ramp=1)
    assert at_rate(SCENARIO, 50, 0.5).ramp == 0.5
