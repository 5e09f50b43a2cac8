"""What is decided without a network: when requests are due, what is sent, how times are judged."""

import itertools
import math
import random
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as some

from toolkit.errors import InputError, UsageError
from toolkit.load.arrivals import Chooser, due_times, filled
from toolkit.load.histogram import Histogram, from_json
from toolkit.load.scenarios import Action, Expected, LoadScenario, find_scenario, read_scenario
from toolkit.load.verdicts import LoadResult, judge
from toolkit.load.writing import measures_of, read_result, result_line, write_result


def dues(**changed: Any) -> list[float]:
    given_ = {"rate": 50.0, "ramp": 4.0, "duration": 10.0, "poisson": False, "dice": random.Random(1)}
    return list(due_times(**{**given_, **changed}))


@hypothesis_settings(max_examples=50)
@given(some.floats(1, 200), some.floats(0, 5), some.floats(1, 10))
def test_the_rate_is_what_was_asked_for(rate: float, ramp: float, duration: float) -> None:
    """Even arrivals: in order, within the time, half the rate on the way up, the rate after it."""
    found = dues(rate=rate, ramp=ramp, duration=duration)
    assert found == sorted(found)
    assert all(0 < due <= ramp + duration for due in found)
    late = sum(due >= ramp for due in found)
    assert abs(late - rate * duration) <= 2
    assert abs(len(found) - late - rate * ramp / 2) <= 2


def test_the_ramp_grows_evenly_and_the_rest_is_even() -> None:
    found = dues()
    quarters = [sum(start <= due < start + 1 for due in found) for start in range(4)]
    assert all(abs(count - wanted) <= 1 for count, wanted in zip(quarters, (6, 19, 31, 44), strict=True))
    gaps = [after - before for before, after in itertools.pairwise(due for due in found if due > 4)]
    assert all(math.isclose(gap, 0.02) for gap in gaps)


def test_independent_users_come_at_random() -> None:
    """The distances have the spread of an exponential distribution; the rate is the same."""
    found = [due for due in dues(poisson=True, duration=100.0) if due > 4]
    gaps = [after - before for before, after in itertools.pairwise(found)]
    mean = sum(gaps) / len(gaps)
    spread = math.sqrt(sum((gap - mean) ** 2 for gap in gaps) / len(gaps))
    assert abs(mean - 0.02) < 0.002
    assert abs(spread / mean - 1) < 0.1


def test_actions_come_by_weight_with_their_values() -> None:
    actions = [
        msgspec.to_builtins(Action(name="list", path="/books", weight=3)),
        msgspec.to_builtins(
            Action(
                name="buy", path="/cart/{id}", values={"id": (7, 8)}, json={"n": "{id}", "t": ["no {id}", 1]}
            )
        ),
    ]
    chooser = Chooser(actions, random.Random(2))
    drawn = [chooser.draw() for _ in range(4000)]
    listed = [each for each in drawn if each[0]["name"] == "list"]
    assert 0.7 < len(listed) / len(drawn) < 0.8
    assert {(path, body) for action, path, body in drawn if action["name"] == "buy"} == {
        (f"/cart/{n}", b'{"n": %d, "t": ["no %d", 1]}' % (n, n)) for n in (7, 8)
    }
    assert filled(None, {}) is None


@hypothesis_settings(max_examples=50)
@given(some.lists(some.floats(1e-6, 100), min_size=1, max_size=200), some.sampled_from([1, 50, 95, 99, 100]))
def test_percentiles_are_exact_to_a_thousandth(times: list[float], percent: int) -> None:
    """By nearest rank, and also when two histograms are merged and travel as JSON."""
    one, two = Histogram(), Histogram()
    for number, seconds in enumerate(times):
        (one if number % 2 else two).add(seconds)
    whole = from_json(msgspec.json.decode(msgspec.json.encode(one.as_json())))
    whole.merge([two])
    exact = sorted(times)[math.ceil(len(times) * percent / 100) - 1]
    assert whole.percentile(percent) == pytest.approx(exact, rel=0.001)
    assert whole.mean == pytest.approx(sum(times) / len(times))
    assert whole.count == len(times)


def test_nothing_counted_is_nothing() -> None:
    assert (Histogram().percentile(99), Histogram().mean) == (0.0, 0.0)


def told(times: list[float], *, late: float = 0.0001, share: float = 0.1, errors: int = 0) -> dict[str, Any]:
    histogram, lateness = Histogram(), Histogram()
    for each in times:
        histogram.add(each)
        lateness.add(late)
    return {
        "times": {"a": histogram.as_json()},
        "late": lateness.as_json(),
        "errors": {"a: status 500": errors} if errors else {},
        "sent": len(times),
        "right": len(times) - errors,
        "shares": [share],
        "processes": 1,
    }


def scenario(**expect: Any) -> LoadScenario:
    return LoadScenario(
        actions=(Action(name="a", path="/"),), rate=10, duration=10, expect=Expected(**expect)
    )


def test_what_holds_passes_and_what_does_not_is_named() -> None:
    times = [0.010] * 98 + [0.5, 0.5]
    good = judge(scenario(mean_ms=30, p95_ms=20, p99_ms=600), told(times))
    assert good.verdict == "passed"
    assert good.all.p99_ms == pytest.approx(500, rel=0.001)
    assert result_line(good).startswith("passed: 10.0 of 10 per second, p50 10.0 ms, p99 5")
    bad = judge(scenario(mean_ms=5, p99_ms=100, max_ms=100), told(times, errors=10))
    assert bad.verdict == "failed"
    assert [line.partition(":")[0] for line in bad.failed] == [
        "mean_ms",
        "p99_ms",
        "max_ms",
        "error_rate",
        "throughput",
    ]
    assert "10.00%, expected at most 0.00%; mostly a: status 500" in bad.failed[3]
    assert "mean_ms: 19.8, expected at most 5" in result_line(bad)
    assert judge(scenario(error_rate=None, throughput=None), told(times, errors=10)).verdict == "passed"


def test_no_verdict_when_the_client_was_the_limit() -> None:
    """A busy core, or requests that were sent late: whatever the times say."""
    busy = judge(scenario(), told([0.01] * 100, share=0.95))
    assert busy.verdict == "refused"
    assert "95% of its core" in busy.saturated
    late = judge(scenario(p99_ms=1), told([0.03] * 100, late=0.02))
    assert late.verdict == "refused"
    assert "sent 20.0 ms or more after they were due (10.0 are allowed)" in late.saturated
    slow = judge(scenario(), told([1.0] * 100, late=0.02))
    assert slow.verdict == "passed"  # 20 ms more or less of a second do not matter


def test_what_a_lost_process_had_to_send_is_not_blamed_on_the_server() -> None:
    found = judge(scenario(), {**told([0.01] * 50), "lost": ["there_1"]})
    assert (found.verdict, found.lost) == ("refused", ("there_1",))
    assert "1 processes of the generator were lost (there_1)" in found.saturated


@pytest.mark.parametrize(
    ("sent", "verdict"), [(40, "refused"), (60, "passed"), (140, "passed"), (200, "refused")]
)
def test_another_load_than_asked_for_is_no_verdict(sent: int, verdict: str) -> None:
    """Workers that were started for another number of them; what chance does to 100 requests is tolerated."""
    found = judge(scenario(throughput=None), told([0.01] * sent))
    assert found.verdict == verdict
    assert (f"{sent / 10:.1f} requests per second were sent instead of 10" in found.saturated) is (
        verdict == "refused"
    )


def test_nothing_sent_is_a_failure() -> None:
    empty = judge(scenario(), {**told([]), "times": {}, "shares": []})
    assert (empty.verdict, empty.error_rate) == ("failed", 1.0)


def test_the_result_is_a_file_and_measures(tmp_path: Path) -> None:
    result = judge(scenario(), told([0.01] * 100))
    path = write_result(tmp_path, "shop/browse", result, code=("c0", "s"), altered=["rate"])
    again = read_result(path)
    assert (again.verdict, again.head, again.state, again.altered) == ("passed", "c0", "s", ("rate",))
    found = msgspec.json.decode(path.read_bytes())
    assert found["verdict"] == "passed"
    assert msgspec.convert(found, LoadResult) == result
    assert measures_of("browse", result)["load.browse.p99_s"] == pytest.approx(0.01, rel=0.001)


GOOD = """
rate = 20
[[actions]]
name = "show"
path = "/books/{id}"
values = {id = [1, 2]}
[expect]
p99_ms = 100
"""


def test_scenarios_are_read_or_refused_with_the_place(tmp_path: Path) -> None:
    (tmp_path / "browse.toml").write_text(GOOD, encoding="utf-8")
    assert find_scenario(tmp_path, "browse").expect.p99_ms == 100
    with pytest.raises(UsageError, match="browse"):
        find_scenario(tmp_path, "brows")
    for text, message in (
        ("rate = 1", "actions"),
        (GOOD.replace("p99_ms", "p999_ms"), "unknown field `p999_ms`"),
        (GOOD.replace("rate = 20", "rate = 0"), r"Expected `float` > 0"),
        (GOOD.replace("{id}", "{isbn}"), r"actions\[0\]\.path: \{isbn\} has no `values`"),
        (GOOD.replace("{id}", "{id"), r"actions\[0\]\.path: expected '\}'"),
        ("x = [", "bad"),
    ):
        file = tmp_path / "bad.toml"
        file.write_text(text, encoding="utf-8")
        with pytest.raises(InputError, match=message):
            read_scenario(file)
