"""Plans and worker counts: sums that add up, targets that are met or refused with the reason."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.xdist_model import Model
from toolkit.errors import PlanError
from toolkit.plugin.xdist_scheduler import ToolkitScheduling
from toolkit.records import NodeId
from toolkit.scheduling.jobs import Experience, Job, Traits
from toolkit.scheduling.makespan import SIMULATED, bound, makespan
from toolkit.scheduling.order import arrange
from toolkit.scheduling.plan import LeftOut, Machine, Plan, read_plan, shard_of, write_plan
from toolkit.scheduling.planning import Wanted, fit, make_plan, predict_parts
from toolkit.scheduling.workers import Costs, choose_workers, predict


def jobs_of(durations: list[float], **traits: object) -> list[Job]:
    return [
        Job(test=NodeId(f"f{number // 5}.py::t{number}"), duration=seconds, known=True, **traits)  # type: ignore[arg-type]
        for number, seconds in enumerate(durations)
    ]


def plan_of(durations: list[float], wanted: Wanted | None = None, cores: int = 4) -> Plan:
    tests = [NodeId(f"f.py::t{number}") for number in range(len(durations))]
    return make_plan(
        [Traits(test=test) for test in tests],
        {test: Experience(duration=seconds) for test, seconds in zip(tests, durations, strict=True)},
        made=1.0,
        machine=Machine(cores=cores, costs=Costs(collection=0.5)),
        wanted=wanted,
        left_out=[LeftOut(test=NodeId("f.py::gone"), reason="not affected")],
    )


@given(
    durations=st.lists(st.sampled_from([0.0, 0.01, 0.3, 2.0, 20.0]), max_size=40),
    workers=st.integers(0, 9),
    serial=st.booleans(),
)
def test_the_makespan_is_between_the_bound_and_everything_in_a_row(
    durations: list[float], workers: int, serial: bool
) -> None:
    jobs = [*jobs_of(durations), Job(test=NodeId("s.py::s"), duration=1.0, known=True, serial=serial)]
    total = sum(job.duration for job in jobs)
    seconds = makespan(jobs, workers)
    assert bound(jobs, workers) - 1e-6 <= seconds <= total + 1e-6


def test_the_estimate_is_not_the_sum_divided_by_workers() -> None:
    """The trap: one long test decides."""
    assert makespan(jobs_of([10, 1, 1]), 4) == pytest.approx(10)
    assert makespan(
        [*jobs_of([1, 1, 1, 1]), Job(test=NodeId("s"), duration=4, serial=True)], 4
    ) == pytest.approx(5)
    chain = jobs_of([2, 2, 2], uses=("x",))
    assert makespan(chain, 3) == pytest.approx(6)


@pytest.mark.parametrize("workers", [2, 4, 16, 64])
@pytest.mark.parametrize("order", ["smart", "longest-first"])
def test_schedules_of_heavy_tailed_suites_are_near_the_bound(workers: int, order: str) -> None:
    durations = [0.001 * 1.01 ** (number * 7919 % 700) for number in range(3000)]
    jobs = arrange(jobs_of(durations), order)
    assert makespan(jobs, workers) <= 1.05 * bound(jobs, workers)


def test_tiny_tests_get_no_workers_and_long_ones_all_cores() -> None:
    assert choose_workers(jobs_of([0.001] * 5000), cores=2).workers == 0
    assert choose_workers(jobs_of([1.0] * 100), cores=2).workers == 2
    assert choose_workers(jobs_of([1.0] * 100), cores=8).workers == 8
    assert choose_workers(jobs_of([1.0] * 100), cores=8, most=3).workers == 3
    assert choose_workers([], cores=8).workers == 0
    assert choose_workers(jobs_of([30.0]), cores=8).workers == 0


def test_tests_that_wait_get_more_workers_than_cores() -> None:
    waiting = jobs_of([1.0] * 100, cpu=0.05)
    assert choose_workers(waiting, cores=2).workers > 2
    assert choose_workers(jobs_of([1.0] * 100, cpu=1.0), cores=2).workers == 2


@given(durations=st.lists(st.floats(0, 5), min_size=1, max_size=60), cores=st.integers(1, 6))
def test_auto_is_never_predicted_slower_than_the_best_by_more_than_5_percent(
    durations: list[float], cores: int
) -> None:
    jobs = jobs_of(durations)
    costs = Costs()
    chosen = choose_workers(jobs, cores=cores, costs=costs)
    best = min(predict(jobs, workers, cores=cores, costs=costs) for workers in [0, *range(2, cores + 1)])
    assert chosen.seconds <= 1.05 * best


def test_a_target_time_gives_the_smallest_number_of_shards() -> None:
    wanted = Wanted(target=30.0, workers=0)
    plan = plan_of([1.0] * 100, wanted)
    assert plan.shards == 4
    assert plan.estimate <= 30
    assert fit(plan, Wanted(shards=3, workers=0)).estimate > 30
    parts = predict_parts(plan)
    assert sum(tests for tests, _ in parts) == 100
    assert max(seconds for _, seconds in parts) == pytest.approx(plan.estimate)


def test_a_target_that_cannot_be_met_names_what_is_in_the_way() -> None:
    with pytest.raises(PlanError, match=r"f\.py::t1 takes 60\.0 s"):
        plan_of([1.0, 60.0, 1.0], Wanted(target=20.0))


def test_more_cores_need_fewer_shards() -> None:
    plan = plan_of([1.0] * 200, Wanted(target=30.0), cores=2)
    assert fit(plan, Wanted(target=30.0), cores=8).shards < plan.shards


def test_a_plan_survives_its_file(tmp_path: Path) -> None:
    plan = plan_of([3.0, 1.0, 2.0])
    write_plan(plan, tmp_path / "new" / "plan.json")
    again = read_plan(tmp_path / "new" / "plan.json")
    assert again == plan
    assert again.digest == plan.digest
    assert again.jobs() == plan.jobs()
    assert msgspec.structs.replace(plan, tests=plan.tests[:1]).digest != plan.digest


@given(
    count=st.integers(1, 6),
    known=st.lists(st.sampled_from([0.1, 1.0, 9.0]), max_size=20),
    new=st.integers(0, 5),
)
def test_shards_of_a_plan_cover_what_is_collected_also_new_tests(
    count: int, known: list[float], new: int
) -> None:
    plan = plan_of(known) if known else None
    tests = [f"f.py::t{number}" for number in range(len(known))] + [
        f"new.py::n{number}" for number in range(new)
    ]
    collected = [Job(test=NodeId(test), duration=0.1) for test in tests]
    parts = [shard_of(plan, collected, number, count) for number in range(1, count + 1)]
    assert sorted(test for part in parts for test in part) == sorted(tests)
    backwards = [shard_of(plan, collected[::-1], number, count) for number in range(1, count + 1)]
    assert [set(part) for part in parts] == [set(part) for part in backwards]


@pytest.mark.parametrize("wrong", [30.0, 0.0001])
@pytest.mark.parametrize("workers", [2, 4, 8])
def test_one_measurement_that_is_far_off_does_not_ruin_the_balance(wrong: float, workers: int) -> None:
    """A test was stalled (or suspiciously quick) when it was measured; the others are as measured."""
    durations = [0.001 * (1 + number % 7) for number in range(2000)]
    ids = [f"f{number // 50}.py::t{number}" for number in range(2000)]
    real = dict(zip(ids, durations, strict=True))
    real[ids[777]] = 0.05
    experience = {NodeId(test): Experience(duration=seconds) for test, seconds in real.items()}
    experience[NodeId(ids[777])] = Experience(duration=wrong)

    def make(config: Any) -> ToolkitScheduling:
        return ToolkitScheduling(config, lambda _workers: {}, expected=workers, experience=experience)

    model = Model([ids] * workers, real, make, latency=0.0003)
    model.run()
    assert model.makespan <= 1.1 * max(sum(real.values()) / workers, 0.05)


@pytest.mark.parametrize("workers", [2, 4])
def test_workers_do_not_wait_for_a_message_between_two_short_tests(workers: int) -> None:
    """Tests of 10 ms, messages of 1 ms each way: a wait between any two would cost a fifth."""
    ids = [f"f{number // 50}.py::t{number}" for number in range(600)]
    experience = {NodeId(test): Experience(duration=0.01) for test in ids}

    def make(config: Any) -> ToolkitScheduling:
        return ToolkitScheduling(config, lambda _workers: {}, expected=workers, experience=experience)

    model = Model([ids] * workers, dict.fromkeys(ids, 0.01), make, latency=0.001)
    model.run()
    assert model.makespan <= 1.02 * 6.0 / workers


def test_a_plan_of_many_tests_in_many_shards_simulates_none_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each shard would be small enough; together they would take longer to simulate than planning may."""
    simulated: list[int] = []

    def noted(jobs: list[Job], workers: int) -> float:
        simulated.append(len(jobs))
        return makespan(jobs, workers)

    monkeypatch.setattr("toolkit.scheduling.workers.makespan", noted)
    experience = {NodeId(f"t{n}"): Experience(duration=1.0, runs=3) for n in range(SIMULATED + 100)}
    traits = [Traits(test=test) for test in experience]
    wanted = Wanted(shards=8, workers=2)
    plan = make_plan(traits, experience, made=0.0, machine=Machine(cores=2), wanted=wanted)
    predict_parts(plan)
    assert simulated == []
    assert plan.estimate >= plan.lower_bound
    make_plan(traits[:800], experience, made=0.0, machine=Machine(cores=2), wanted=wanted)
    assert set(simulated) == {100}
