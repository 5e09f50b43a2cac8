"""Shards: complete, disjoint, the same everywhere, balanced, not empty where avoidable."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.errors import UsageError
from toolkit.records import NodeId
from toolkit.scheduling.jobs import Job
from toolkit.scheduling.shards import lower_bound, parse_shard, split

JOBS = st.lists(
    st.tuples(
        st.sampled_from([0.0, 0.01, 0.5, 1.0, 30.0]), st.sampled_from(["", "", "g", "h"]), st.integers(0, 5)
    ),
    max_size=60,
).map(
    lambda rows: [
        Job(
            test=NodeId(f"t{number}"),
            duration=duration,
            group=group,
            affinity=f"file {file}" if file < 3 else "",
        )
        for number, (duration, group, file) in enumerate(rows)
    ]
)


@given(jobs=JOBS, count=st.integers(1, 20))
def test_shards_are_a_partition_without_avoidable_emptiness(jobs: list[Job], count: int) -> None:
    shards = split(jobs, count)
    assert len(shards) == count
    assert sorted(test for shard in shards for test in shard) == sorted(job.test for job in jobs)
    movable = len({job.group or job.test for job in jobs})
    assert sum(map(bool, shards)) == min(count, movable)
    for group in ("g", "h"):
        members = {job.test for job in jobs if job.group == group}
        assert sum(bool(members & set(shard)) for shard in shards) <= 1


@given(jobs=JOBS, count=st.integers(1, 8))
def test_every_machine_computes_the_same_shards(jobs: list[Job], count: int) -> None:
    assert split(jobs, count) == split([*jobs], count)


@pytest.mark.parametrize("count", [2, 3, 7, 16, 64])
def test_real_looking_suites_are_balanced(count: int) -> None:
    """Heavy-tailed durations: at most 5 % over the bound that no distribution can beat."""
    draw = random.Random(count)
    jobs = [
        Job(test=NodeId(f"t{number}"), duration=draw.paretovariate(1.2) / 100, affinity=f"f{number // 20}")
        for number in range(2000)
    ]
    by_test = {job.test: job.duration for job in jobs}
    shards = split(jobs, count)
    bound = lower_bound(list(by_test.values()), count)
    assert max(sum(by_test[test] for test in shard) for shard in shards) <= 1.05 * bound


def test_shared_setups_stay_together_when_that_costs_no_balance() -> None:
    jobs = [
        Job(test=NodeId(f"{file}{number}"), duration=1, affinity=file, known=True)
        for file in "abcd"
        for number in range(5)
    ]
    shards = split(jobs, 2)
    assert all(len({test[0] for test in shard}) == 2 for shard in shards)


@pytest.mark.parametrize(("text", "parsed"), [("2/8", (2, 8)), (" 1/1 ", (1, 1))])
def test_a_shard_is_parsed(text: str, parsed: tuple[int, int]) -> None:
    assert parse_shard(text) == parsed


@pytest.mark.parametrize("text", ["0/3", "4/3", "1", "a/b", "1/0", "-1/3", ""])
def test_a_wrong_shard_is_an_error_with_an_example(text: str) -> None:
    with pytest.raises(UsageError, match="2/8"):
        parse_shard(text)
