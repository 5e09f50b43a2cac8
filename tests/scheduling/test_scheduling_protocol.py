"""The real scheduler class against a model of xdist's workers: whatever happens, every promise holds."""

from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.xdist_model import Model, ModelWorker, Span
from toolkit.plugin.xdist_scheduler import ToolkitScheduling
from toolkit.records import NodeId
from toolkit.scheduling.jobs import Experience, Traits

pytestmark = pytest.mark.slow  # what it shows does not depend on the Python

DURATIONS = st.sampled_from([0.0, 0.001, 0.01, 0.1, 1.0, 10.0])
SOME_TRAITS = st.fixed_dictionaries(
    {
        "file": st.integers(0, 3),
        "duration": DURATIONS,
        "serial": st.integers(0, 9).map(lambda number: number == 0),
        "uses": st.sets(st.sampled_from("xyz"), max_size=2),
        "group": st.sampled_from(["", "", "", "", "g", "h"]),
        "shared": st.booleans(),
        "known": st.booleans(),
    }
)


class Suite:
    """A made-up suite: names, traits, durations."""

    def __init__(self, rows: list[dict[str, Any]], *, constrained: bool = True) -> None:
        self.ids = [f"test_{row['file']}.py::test_{number}" for number, row in enumerate(rows)]
        self.durations = {test: row["duration"] for test, row in zip(self.ids, rows, strict=True)}
        self.traits = {
            NodeId(test): Traits(
                test=NodeId(test),
                serial=row["serial"] and constrained,
                uses=tuple(sorted(row["uses"])) if constrained else (),
                group=row["group"],
                affinity=test.partition("::")[0] if row["shared"] else "",
            )
            for test, row in zip(self.ids, rows, strict=True)
        }
        self.experience = {
            NodeId(test): Experience(duration=row["duration"])
            for test, row in zip(self.ids, rows, strict=True)
            if row["known"]
        }

    def scheduler(self, config: Any) -> ToolkitScheduling:
        workers = len(config.getvalue("tx"))
        return ToolkitScheduling(
            config, lambda _workers: self.traits, expected=workers, experience=self.experience
        )


SUITES = st.lists(SOME_TRAITS, max_size=30).map(Suite)


def overlapping(one: Span, other: Span) -> bool:
    return one is not other and one.start < other.end and other.start < one.end


def check_apart(suite: Suite, spans: list[Span]) -> None:
    for one in spans:
        mine = suite.traits[NodeId(one.test)]
        if not (mine.serial or mine.uses):
            continue
        for other in spans:
            theirs = suite.traits[NodeId(other.test)]
            if overlapping(one, other):
                assert not mine.serial, f"{one} is serial and overlaps {other}"
                assert not theirs.serial
                assert not set(mine.uses) & set(theirs.uses), f"{one} and {other} use the same"


@given(suite=SUITES, workers=st.integers(1, 5))
@settings(max_examples=300)
def test_every_test_runs_once_and_nothing_exclusive_overlaps(suite: Suite, workers: int) -> None:
    model = Model([suite.ids] * workers, suite.durations, suite.scheduler)
    model.run()
    assert Counter(span.test for span in model.spans) == Counter(suite.ids)
    check_apart(suite, model.spans)
    for group in ("g", "h"):
        ran_on = {
            span.worker
            for span in model.spans
            if suite.traits[NodeId(span.test)].group == group and not suite.traits[NodeId(span.test)].serial
        }
        assert len(ran_on) <= 1, "a group stays on one worker"


@given(
    suite=SUITES,
    workers=st.integers(1, 4),
    killers=st.sets(st.integers(0, 29), max_size=3),
    retry=st.booleans(),
    strikes=st.lists(st.tuples(st.floats(0, 30), st.integers(0, 6)), max_size=4),
)
@settings(max_examples=300)
def test_dying_workers_lose_no_test_and_break_no_promise(
    suite: Suite, workers: int, killers: set[int], retry: bool, strikes: list[tuple[float, int]]
) -> None:
    """Tests that kill their worker, and kills from outside: the culprit is named, the rest runs."""
    deadly = {suite.ids[number] for number in killers if number < len(suite.ids)}
    tries: Counter[str] = Counter()

    def kills(test: str) -> bool:
        tries[test] += 1
        return test in deadly

    def again(test: str) -> bool:
        return retry and scheduler.kills[test] < 2

    model = Model([suite.ids] * workers, suite.durations, suite.scheduler, kills=kills, retry=again)
    scheduler: ToolkitScheduling = model.scheduler
    for when, number in strikes:
        model.kill_at(when, number)
    model.run()
    finished = Counter(span.test for span in model.spans if not span.killed)
    killed = Counter(span.test for span in model.spans if span.killed)
    assert set(finished) | set(killed) == set(suite.ids), "nothing is lost"
    assert all(times == 1 for times in finished.values()), "nothing runs again that finished"
    assert Counter(model.crashed) == killed, "exactly the test that was running is accused"
    assert all(times <= 2 for times in killed.values()), "a second kill is the last"
    check_apart(suite, model.spans)


@given(
    suite=SUITES,
    leave_out=st.lists(st.sets(st.integers(0, 29)), min_size=1, max_size=4),
    reverse=st.booleans(),
    strikes=st.lists(st.tuples(st.floats(0, 30), st.integers(0, 6)), max_size=2),
)
@settings(max_examples=300)
def test_workers_that_collect_differently_still_run_everything_once(
    suite: Suite, leave_out: list[set[int]], reverse: bool, strikes: list[tuple[float, int]]
) -> None:
    """Each test that any worker collected runs once, where it was collected; the difference is described."""
    collections = [
        [test for number, test in enumerate(suite.ids) if number not in left_out] for left_out in leave_out
    ]
    if reverse:
        collections[-1].reverse()
    model = Model(collections, suite.durations, suite.scheduler)
    for when, number in strikes:
        model.kill_at(when, number)
    model.run()
    scheduler: ToolkitScheduling = model.scheduler
    ran = Counter(span.test for span in model.spans)
    wanted = {test for ids in collections for test in ids}
    assert set(ran) | set(scheduler.unrunnable) == wanted
    assert max(ran.values(), default=1) == 1
    if not strikes:
        assert not scheduler.unrunnable
    if any(set(ids) != wanted for ids in collections):
        assert "collected different tests" in scheduler.differences[0]
    else:
        assert not scheduler.differences
    check_apart(suite, model.spans)


def test_a_late_worker_that_cannot_help_does_not_block_the_run() -> None:
    """The only worker that knows a test dies; its replacement does not know it: reported, not awaited."""
    row = {"file": 0, "duration": 1.0, "serial": False, "uses": (), "group": "", "shared": False}
    suite = Suite([row | {"known": True}] * 6)

    def prepare(worker: ModelWorker) -> None:
        if worker.gateway.id != "gw1":
            worker.ids = suite.ids[:3]

    model = Model([suite.ids, suite.ids], suite.durations, suite.scheduler, prepare=prepare)
    model.kill_at(0.5, 1)
    model.run()
    scheduler: ToolkitScheduling = model.scheduler
    assert scheduler.unrunnable
    assert {span.test for span in model.spans} | set(scheduler.unrunnable) == set(suite.ids)
    assert "is gone" in model.config.problems[0]


def test_rounding_errors_do_not_make_an_idle_worker_look_busy() -> None:
    """Found by a long search: after the last long job, 2e-16 seconds were left in the books for ever."""
    base = {"file": 0, "uses": (), "shared": False, "serial": False, "group": "", "known": True}
    rows = [base | {"duration": 0.0, "serial": True, "known": False}] * 4
    rows += [base | {"duration": 0.0, "group": "g", "known": False}, base | {"duration": 0.001, "group": "g"}]
    rows += [base | {"duration": 1.0}, base | {"duration": 0.0}]
    suite = Suite(rows)
    model = Model([suite.ids], suite.durations, suite.scheduler)
    model.run()
    assert sorted(span.test for span in model.spans) == sorted(suite.ids)
