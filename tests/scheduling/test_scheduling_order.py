"""Orders: complete, stable, and never apart what shares a set-up."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.errors import UsageError
from toolkit.records import NodeId
from toolkit.scheduling.jobs import NEW_RISK, Experience, Job, Traits, make_jobs
from toolkit.scheduling.order import ORDERS, arrange, overtakes, parse_order

JOBS = st.lists(
    st.tuples(
        st.integers(0, 3),
        st.sampled_from([0.0, 0.01, 1.0, 5.0]),
        st.sampled_from([0.0, 0.2, 0.9]),
        st.sampled_from(["", "", "g"]),
        st.booleans(),
    ),
    max_size=40,
).map(
    lambda rows: [
        Job(
            test=NodeId(f"test_{file}.py::test_{number}"),
            duration=duration,
            risk=risk,
            group=group,
            affinity=f"test_{file}.py" if shared else "",
        )
        for number, (file, duration, risk, group, shared) in enumerate(sorted(rows, key=lambda row: row[0]))
    ]
)


@given(jobs=JOBS, name=st.sampled_from(ORDERS), seed=st.integers(0, 9))
def test_an_order_loses_nothing_and_adds_nothing(jobs: list[Job], name: str, seed: int) -> None:
    arranged = arrange(jobs, name, seed=seed)
    assert sorted(job.test for job in arranged) == sorted(job.test for job in jobs)


@given(jobs=JOBS, name=st.sampled_from(["smart", "fast-first", "longest-first", "declared"]))
def test_neighbours_with_one_setup_stay_neighbours_in_their_order(jobs: list[Job], name: str) -> None:
    """A run of tests with one shared fixture is never cut, so the fixture is set up no more often."""

    def runs(listed: list[Job]) -> set[tuple[str, ...]]:
        found: list[list[str]] = []
        previous = ""
        for job in listed:
            if job.affinity and job.affinity == previous and not job.group:
                found[-1].append(job.test)
            elif not job.group:
                found.append([job.test])
            previous = "" if job.group else job.affinity
        return {tuple(run) for run in found}

    before = runs(jobs)
    after = "".join(job.test for job in arrange(jobs, name))
    assert all("".join(run) in after for run in before)


@given(jobs=JOBS, seed=st.integers(0, 9), data=st.data())
def test_a_random_order_is_the_same_for_any_part_of_the_tests(
    jobs: list[Job], seed: int, data: st.DataObject
) -> None:
    kept = data.draw(st.sets(st.sampled_from(jobs))) if jobs else set()
    part = [job for job in jobs if job in kept]
    assert arrange(part, "random", seed=seed) == [
        job for job in arrange(jobs, "random", seed=seed) if job in kept
    ]


def test_seeds_differ() -> None:
    jobs = [Job(test=NodeId(f"a.py::test_{number}"), duration=1) for number in range(20)]
    assert arrange(jobs, "random", seed=1) != arrange(jobs, "random", seed=2)


def test_smart_puts_failing_first_then_new_then_quick() -> None:
    names = ["a.py::slow", "b.py::quick", "c.py::new", "d.py::failing"]
    experience = {
        NodeId("a.py::slow"): Experience(duration=9, failure_rate=0),
        NodeId("b.py::quick"): Experience(duration=0.1, failure_rate=0.01),
        NodeId("d.py::failing"): Experience(duration=5, failure_rate=0.9),
    }
    jobs = make_jobs([Traits(test=NodeId(name)) for name in names], experience)
    assert jobs[2].risk == NEW_RISK
    assert [job.test for job in arrange(jobs, "smart")] == [
        "d.py::failing",
        "c.py::new",
        "b.py::quick",
        "a.py::slow",
    ]


def test_without_history_smart_is_the_declared_order() -> None:
    jobs = make_jobs([Traits(test=NodeId(f"a.py::test_{number}")) for number in range(9)], {})
    assert arrange(jobs, "smart") == jobs


def test_unknown_durations_come_from_the_file_else_from_all() -> None:
    tests = ["a.py::x", "a.py::new", "b.py::new"]
    jobs = make_jobs(
        [Traits(test=NodeId(test)) for test in tests], {NodeId("a.py::x"): Experience(duration=3)}
    )
    assert [job.duration for job in jobs] == [3, 3, 3]
    assert [job.known for job in jobs] == [True, False, False]


@pytest.mark.parametrize(
    ("text", "parsed"),
    [("smart", ("smart", None)), ("random:42", ("random", 42)), ("random", ("random", None))],
)
def test_orders_are_parsed(text: str, parsed: tuple[str, int | None]) -> None:
    assert parse_order(text) == parsed


@pytest.mark.parametrize("text", ["fast", "random:", "random:x", "smart:1", ""])
def test_a_wrong_order_is_an_error_that_names_the_orders(text: str) -> None:
    with pytest.raises(UsageError, match=r"random"):
        parse_order(text)


def test_only_some_orders_let_long_tests_overtake() -> None:
    assert [name for name in ORDERS if overtakes(name)] == ["smart", "longest-first"]
