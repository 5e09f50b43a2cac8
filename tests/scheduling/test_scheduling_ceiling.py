"""The ceiling holds at any moment, and nobody waits for ever."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.xdist_model import Model
from toolkit.plugin.xdist_scheduler import ToolkitScheduling
from toolkit.records import NodeId
from toolkit.scheduling.ceiling import MEGABYTE, Ceiling, busy_cores, weigh
from toolkit.scheduling.jobs import Experience, Job, Traits

CEILING = Ceiling(memory=1000 * MEGABYTE, cores=3.0)


@given(
    needs=st.lists(
        st.tuples(
            st.sampled_from([10, 60, 250, 400, 700, 950, 5000]),
            st.sampled_from([0.5, 0.9, 2.0, 4.0]),
            st.sampled_from(["", "", "g"]),
            st.sampled_from([(), (), ("x",)]),
        ),
        max_size=25,
    ),
    workers=st.integers(1, 4),
)
@settings(max_examples=200)
def test_together_the_tests_keep_below_the_ceiling(
    needs: list[tuple[int, float, str, tuple[str, ...]]], workers: int
) -> None:
    """At the start of every heavy test: those that run fit, or it is the only heavy one; all tests run."""
    ids = [f"f{number % 3}.py::t{number}" for number in range(len(needs))]
    memory = {test: need[0] * MEGABYTE for test, need in zip(ids, needs, strict=True)}
    experience = {
        NodeId(test): Experience(duration=1.0, cpu=need[1], memory=memory[test])
        for test, need in zip(ids, needs, strict=True)
    }
    traits = {
        NodeId(test): Traits(test=NodeId(test), group=need[2], uses=need[3])
        for test, need in zip(ids, needs, strict=True)
    }

    def make(config: Any) -> ToolkitScheduling:
        return ToolkitScheduling(
            config, lambda _workers: traits, expected=workers, experience=experience, ceiling=CEILING
        )

    model = Model([ids] * workers, dict.fromkeys(ids, 1.0), make)
    model.run()
    assert sorted(span.test for span in model.spans) == sorted(ids)
    load = weigh(
        [Job(test=NodeId(test), duration=1.0, memory=memory[test]) for test in ids], workers, CEILING
    )
    for span in model.spans:
        beside = [other for other in model.spans if other.start < span.end and span.start < other.end]
        names = [other.test for other in beside if other.start <= span.start]
        if span.test in load.alone:
            assert len(beside) == 1, "what does not fit runs alone"
        elif len([name for name in names if NodeId(name) in load.weights]) > 1:
            assert sum(memory[name] for name in names) <= CEILING.memory


def test_light_tests_do_not_wait() -> None:
    jobs = [Job(test=NodeId(f"t{number}"), duration=1, memory=100 * MEGABYTE, cpu=0.9) for number in range(9)]
    load = weigh(jobs, 8, CEILING)
    assert not load.weights
    assert not load.alone


def test_what_exceeds_the_ceiling_runs_alone_and_is_named() -> None:
    jobs = [
        Job(test=NodeId(name), duration=1, memory=size * MEGABYTE) for name, size in [("a", 100), ("b", 2000)]
    ]
    load = weigh(jobs, 2, CEILING)
    assert load.alone == load.beyond == frozenset({NodeId("b")})


def test_short_tests_say_nothing_about_cores() -> None:
    assert busy_cores(Job(test=NodeId("t"), duration=0.001, cpu=0.01)) == 0
    assert busy_cores(Job(test=NodeId("t"), duration=2.0, cpu=6.0)) == 3
    assert busy_cores(Job(test=NodeId("t"), duration=2.0)) == 0
