"""Waiting for something: at the first success, never shorter than asked, with all that was seen."""

import asyncio
import itertools
import time
from collections.abc import Iterator

import pytest

from toolkit.assertions.polling import eventually, eventually_async, eventually_passes, stays


class Clock:
    """A clock that only sleeping moves, so that nothing here depends on the machine."""

    def __init__(self) -> None:
        self.now = 100.0
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(time, "monotonic", made.monotonic)
    monkeypatch.setattr(time, "sleep", made.sleep)
    return made


def test_no_sleep_in_disguise(clock: Clock) -> None:
    """What already holds costs no pause at all; what holds at the third look costs two short ones."""
    assert eventually(lambda: "at once", within=60) == "at once"
    assert clock.slept == []
    answers = iter([0, 0, 7])
    assert eventually(lambda: next(answers), within=60) == 7
    assert len(clock.slept) == 2
    assert sum(clock.slept) < 0.01


def test_looks_again_at_the_very_end(clock: Clock) -> None:
    """Something that becomes true in the last pause is seen."""
    assert eventually(lambda: clock.now >= 102.0, within=2.0, every=1.5)
    assert clock.slept == [1.5, 0.5]


def test_failure_tells_what_was_seen_and_when(clock: Clock) -> None:
    states: Iterator[str] = itertools.chain(["new"], itertools.repeat("sent"))

    def delivered() -> bool:
        state = next(states)
        assert state != "new", "still new"
        return False

    with pytest.raises(AssertionError) as caught:
        eventually(delivered, within=1.0)
    text = str(caught.value)
    assert text.startswith("delivered: not so within 1.000 s, ")
    assert "0.000 s - 0.000 s: raised AssertionError: still new" in text
    assert "- 1.000 s: returned False (" in text


def test_a_wait_of_nothing_looks_once(clock: Clock) -> None:
    with pytest.raises(AssertionError, match=r"1 looks"):
        eventually(lambda: 0, within=0)
    assert clock.slept == []


def test_none_is_no_success_and_the_message_says_what_to_use(clock: Clock) -> None:
    """A probe that asserts and returns nothing would pass always if None counted."""
    with pytest.raises(AssertionError, match="eventually_passes"):
        eventually(lambda: None, within=0.01, what="the order")
    eventually_passes(lambda: None, within=0)


def test_other_exceptions_end_it_unless_named(clock: Clock) -> None:
    def broken() -> bool:
        raise KeyError("id")

    with pytest.raises(KeyError):
        eventually(broken, within=5)
    with pytest.raises(AssertionError, match="raised KeyError: 'id'"):
        eventually(broken, within=0.01, ignoring=(KeyError, AssertionError))


def test_passes_keeps_the_last_refusal_as_cause(clock: Clock) -> None:
    tries = itertools.count(1)

    def third() -> None:
        number = next(tries)
        assert number > 2, f"try {number}"

    eventually_passes(third, within=1)
    with pytest.raises(AssertionError, match="raised Failed: never") as caught:
        eventually_passes(lambda: pytest.fail("never"), within=0.01, ignoring=pytest.fail.Exception)
    assert isinstance(caught.value.__cause__, pytest.fail.Exception)


def test_many_states_are_cut_in_the_middle(clock: Clock) -> None:
    numbers = itertools.count()

    def state() -> bool:
        raise AssertionError(f"state {next(numbers)}")

    with pytest.raises(AssertionError) as caught:
        eventually(state, within=10, every=1)
    assert "state 0" in str(caught.value)
    assert "state 10" in str(caught.value)
    assert "… 6 more …" in str(caught.value)


def test_the_source_of_a_lambda_is_its_name(clock: Clock) -> None:
    with pytest.raises(AssertionError, match=r"eventually\(lambda: clock\.now == 2"):
        eventually(lambda: clock.now == 2, within=0)


def test_a_long_answer_is_cut_and_a_nameless_probe_works(clock: Clock) -> None:
    class Probe:
        def __call__(self) -> str:
            return ""

    with pytest.raises(AssertionError, match="Probe"):
        eventually(Probe(), within=0)
    compiled = eval(compile("lambda: []", "<no file>", "eval"))
    with pytest.raises(AssertionError, match="the probe: not so"):
        eventually(compiled, within=0)
    with pytest.raises(AssertionError, match="…"):
        stays(_Falsy, during=0)


class _Falsy:
    def __bool__(self) -> bool:
        return False

    def __repr__(self) -> str:
        return "x" * 1000


@pytest.mark.parametrize(("within", "every"), [(-1, None), (1, 0)])
def test_times_that_make_no_sense_are_refused(within: float, every: float | None) -> None:
    with pytest.raises(ValueError, match="expected seconds"):
        eventually(lambda: True, within=within, every=every)


def test_stays_fails_at_the_first_time_and_says_when(clock: Clock) -> None:
    stays(lambda: True, during=1)
    assert clock.now == pytest.approx(101)
    answers = iter([True, True, False])
    with pytest.raises(
        AssertionError, match=r"up: did not stay so for 1 s: held 2 times for 0.040 s, then: returned"
    ):
        stays(lambda: next(answers), during=1, what="up")
    with pytest.raises(AssertionError, match="raised ZeroDivisionError"):
        stays(lambda: 1 / 0, during=1)


def test_asynchronous_probes_do_not_block_the_loop() -> None:
    """The loop runs other tasks while a probe waits; plain functions may be probes too."""

    async def body() -> None:
        done: list[int] = []

        async def later() -> None:
            await asyncio.sleep(0.002)
            done.append(1)

        async def looks() -> bool:
            assert done, "not yet"
            return True

        task = asyncio.create_task(later())
        assert await eventually_async(looks, within=30)
        assert await eventually_async(lambda: done, within=0) == [1]
        await task
        with pytest.raises(AssertionError, match="1 looks"):
            await eventually_async(lambda: 0, within=0)

    asyncio.run(body())
