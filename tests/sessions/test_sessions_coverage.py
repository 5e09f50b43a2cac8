"""Coverage is judged when all of it is there: shards alone are a part."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.config import Config, Profile
from toolkit.records import RunRecord, RunStarted
from toolkit.sessions.coverage import demands, partial_profiles

CONFIG = Config(
    profiles={
        "ci": Profile(coverage=True, fail_under=True, coverage_threshold=97),
        "all": Profile(coverage=True, fail_under=True),
        "lax": Profile(coverage=True),
    }
)


def run(profile: str, shard: str = "", python: str = "3.12.1") -> tuple[Path, RunRecord]:
    header = RunStarted(run=f"{profile}{shard}", started=0.0, profile=profile, python=python, shard=shard)
    return Path(), RunRecord(header=header, cases=())


def test_whole_runs_are_judged() -> None:
    assert demands(CONFIG, [run("ci"), run("all"), run("lax"), run("unknown")]) == {"ci": 97, "all": 90}


def test_shards_are_judged_when_none_is_missing() -> None:
    assert demands(CONFIG, [run("ci", "1/2"), run("all")]) == {"all": 90}
    assert partial_profiles([run("ci", "1/2"), run("all")]) == ("ci",)
    assert demands(CONFIG, [run("ci", "1/2"), run("ci", "2/2"), run("ci", "2/2")]) == {"ci": 97}


@settings(max_examples=50)
@given(
    st.integers(1, 8).flatmap(
        lambda count: st.tuples(st.just(count), st.sets(st.integers(1, count), min_size=1))
    )
)
def test_all_shards_of_each_python_are_needed(case: tuple[int, set[int]]) -> None:
    count, there = case
    runs = [run("ci", f"{number}/{count}") for number in there]
    runs += [run("ci", f"{number}/{count}", python="3.13.0") for number in range(1, count + 1)]
    assert (partial_profiles(runs) == ()) == (len(there) == count)


@pytest.mark.parametrize("shard", ["", "1/1"])
def test_one_machine_is_whole(shard: str) -> None:
    assert partial_profiles([run("ci", shard)]) == ()
