"""The statistics of old against new code: exact, honest about noise, and sharp enough for five percent."""

import datetime as dt
import json
import math
import random
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.gates.gated_project import Gated
from toolkit.config import load_config
from toolkit.config.gates import Gates
from toolkit.gates.identity import code_state
from toolkit.gates.inputs import read_paired
from toolkit.gates.interleaving import Effort, interleave, noisy
from toolkit.gates.pairing import (
    Block,
    Paired,
    block_of,
    blocks_needed,
    centre,
    compare,
    interval,
    rejected,
    signed_rank,
    walsh,
)
from toolkit.gates.performance import judge_paired
from toolkit.gates.verdicts import Absent, Check, Status
from toolkit.impact.changes import base_of

VALUES = st.lists(st.floats(-1, 1, allow_nan=False), min_size=1, max_size=12)
TODAY = dt.date(2026, 11, 22)


@given(st.lists(st.floats(-1, 1).filter(lambda value: abs(value) > 1e-6), min_size=1, max_size=9))
def test_the_signed_rank_test_is_exact(values: list[float]) -> None:
    """The share of all ways to give signs to the ranks whose sum is as large."""
    sizes = sorted(map(abs, values))
    ranks = [sizes.index(abs(one)) + (sizes.count(abs(one)) + 1) / 2 for one in values]
    observed = sum(rank for rank, one in zip(ranks, values, strict=True) if one > 0)
    ways = range(2 ** len(values))
    sums = [sum(rank for bit, rank in enumerate(ranks) if way >> bit & 1) for way in ways]
    assert signed_rank(values) == pytest.approx(sum(one >= observed for one in sums) / len(sums))


def test_nothing_is_not_significant() -> None:
    assert signed_rank([]) == 1.0
    assert signed_rank([0.0, 0.0]) == 1.0


@given(VALUES)
def test_the_centre_lies_in_its_interval(values: list[float]) -> None:
    low, high = interval(values)
    assert low <= centre(values) <= high
    assert min(values) <= low
    assert high <= max(values)
    assert len(walsh(values)) == len(values) * (len(values) + 1) // 2


@given(VALUES, st.floats(-1, 1))
def test_what_is_added_to_all_moves_centre_and_interval(values: list[float], more: float) -> None:
    moved = [value + more for value in values]
    assert centre(moved) == pytest.approx(centre(values) + more, abs=1e-9)
    assert interval(moved)[0] == pytest.approx(interval(values)[0] + more, abs=1e-9)


def test_the_interval_covers_as_often_as_it_says() -> None:
    chance = random.Random(7)
    hits = 0
    for _ in range(400):
        low, high = interval([chance.gauss(0.3, 1) for _ in range(12)])
        hits += low <= 0.3 <= high
    assert hits >= 0.96 * 400


def test_many_benchmarks_need_smaller_probabilities() -> None:
    """Holm: the smallest of four must be below a fourth."""
    assert rejected({"a": 0.002, "b": 0.003, "c": 0.9, "d": 0.004}, 0.01) == {"a", "b", "d"}
    assert rejected({"a": 0.003, "b": 0.9, "c": 0.9, "d": 0.9}, 0.01) == frozenset()


@given(st.integers(1, 500))
def test_enough_blocks_can_tell(benchmarks: int) -> None:
    """One block less than planned and all of them slower is still significant among so many."""
    blocks = blocks_needed(benchmarks) - 1
    assert signed_rank([0.1 + index for index in range(blocks)]) <= 0.01 / benchmarks


def made(ratio: float, sigma: float, count: int, chance: random.Random, copies: float = 0.0) -> list[Block]:
    """Blocks of a benchmark whose new code takes ``ratio`` times as long."""
    return [
        Block(
            seconds=0.01,
            copies=chance.gauss(copies, sigma * math.sqrt(2)),
            shift=chance.gauss(math.log(ratio), sigma * math.sqrt(1.5)),
        )
        for _ in range(count)
    ]


@pytest.mark.parametrize(("ratio", "expected"), [(1.0, 0), (1.02, 0), (1.05, 200)])
def test_five_percent_are_found_and_nothing_is_found_in_nothing(ratio: float, expected: int) -> None:
    """With the noise that was measured on a busy machine; a fixed seed: nothing here is left to chance."""
    chance = random.Random(3)
    found = 0
    for _ in range(50):
        jobs = {str(number): made(ratio, 0.007, 12, chance) for number in range(4)}
        found += sum(one.slower for one in compare(jobs, slowdown=2.0).values())
    assert abs(found - expected) <= 2


def test_what_two_copies_differ_by_means_nothing() -> None:
    """New code that is 4 % slower is not called slower where the old code differs by 5 % from itself."""
    chance = random.Random(5)
    (one,) = compare({"a": made(1.04, 0.003, 12, chance, copies=0.05)}, slowdown=2.0).values()
    assert not one.slower
    assert one.floor == one.noise > 1.045
    (other,) = compare({"a": made(1.04, 0.003, 12, chance)}, slowdown=2.0).values()
    assert other.slower


def test_faster_code_is_no_finding() -> None:
    (one,) = compare({"a": made(0.7, 0.005, 12, random.Random(1))}, slowdown=2.0).values()
    assert not one.slower
    assert one.ratio == pytest.approx(0.7, rel=0.02)
    assert one.p > 0.99


def test_turns_are_compared_round_by_round() -> None:
    """The machine became ten times slower half-way; the ratio stays."""
    speed = [1.0] * 5 + [10.0] * 5
    block = block_of(speed, [one * 1.01 for one in speed], [one * 1.2 for one in speed])
    assert block.copies == pytest.approx(math.log(1.01))
    assert block.shift == pytest.approx(math.log(1.2 / math.sqrt(1.01)))


class Fake:
    """Stands in for processes: the new code takes ``ratio`` times as long."""

    def __init__(self, *, sigma: float = 0.0, ratio: float = 1.0) -> None:
        self.asked: list[tuple[str, ...]] = []
        self.sigma, self.ratio = sigma, ratio
        self.noise = random.Random(11)

    def __call__(self, names: Sequence[str], _chance: random.Random) -> dict[str, dict[str, list[float]]]:
        self.asked.append(tuple(names))
        found = {}
        for name in names:
            spread = self.sigma if name == "loud" else 0.0
            found[name] = {
                "base": [1.0],
                "again": [math.exp(self.noise.gauss(0, spread))],
                "head": [self.ratio],
            }
        return found


def test_quiet_benchmarks_end_after_the_least_blocks() -> None:
    fake = Fake(ratio=2.0)
    blocks = interleave(["quiet"], fake, Effort(least=9, most=30))
    assert len(blocks["quiet"]) == len(fake.asked) == 9


def test_loud_ones_go_on_alone_and_not_for_ever() -> None:
    fake, said = Fake(sigma=0.2), list[str]()
    blocks = interleave(["loud", "quiet"], fake, Effort(least=9, most=15), say=said.append)
    assert {name: len(rows) for name, rows in blocks.items()} == {"loud": 15, "quiet": 9}
    assert fake.asked[8:11] == [("loud", "quiet"), ("loud",), ("loud",)]
    assert said[-1] == "block 15: 2 benchmarks, 1 go on"


@given(st.floats(0.5, 2.0))
def test_how_long_is_measured_does_not_depend_on_the_difference(ratio: float) -> None:
    """Whoever measures until something shows will see something."""
    counts = [
        len(interleave(["loud"], Fake(sigma=0.03, ratio=one), Effort(least=9, most=20))["loud"])
        for one in (1.0, ratio)
    ]
    assert counts[0] == counts[1]


def test_many_benchmarks_get_more_blocks() -> None:
    names = [f"b{number}" for number in range(100)]
    blocks = interleave(names, Fake(), Effort(least=9))
    assert {len(rows) for rows in blocks.values()} == {blocks_needed(100)} == {15}


def test_noise_above_what_matters_is_noisy() -> None:
    chance = random.Random(2)
    rows = {"quiet": made(1.0, 0.001, 9, chance), "loud": made(1.0, 0.1, 9, chance)}
    assert noisy(rows, 2.0) == ["loud"]


def paired(blocks: dict[str, list[Block]], **more: tuple[str, ...]) -> Paired:
    return Paired(
        base="b" * 40, head="h" * 40, state="", timer="cpu", seed=1,
        blocks={name: tuple(rows) for name, rows in blocks.items()}, **more,
    )  # fmt: skip


def judged(found: Paired | Absent, gates: Gates | None = None) -> Check:
    return judge_paired(found, gates or Gates(), TODAY)


def test_a_slower_benchmark_fails_with_all_figures() -> None:
    chance = random.Random(4)
    check = judged(paired({"t::a": made(1.1, 0.004, 12, chance), "t::b": made(1.0, 0.004, 12, chance)}))
    assert check.status is Status.FAILED
    assert check.message.startswith(
        "1 of 2 benchmarks are slower than bbbbbbbbbbbb; slow-downs above 2.0% count"
    )
    (finding,) = check.findings
    assert finding.where == "t::a"
    assert finding.message.startswith("t::a: +9.9% (")


def test_a_benchmark_too_noisy_to_judge_is_no_pass() -> None:
    check = judged(paired({"t::a": made(1.0, 0.2, 12, random.Random(4))}))
    assert check.status is Status.FAILED
    assert "too noisy to tell" in check.findings[0].message
    assert "of 1 it cannot be told" in check.message
    lenient = judged(paired({"t::a": made(1.0, 0.2, 12, random.Random(4))}), Gates(noise=90))
    assert lenient.status is Status.PASSED


def test_too_few_blocks_are_no_pass() -> None:
    check = judged(paired({"t::a": made(1.0, 0.001, 3, random.Random(4)), "t::b": []}))
    assert check.status is Status.FAILED
    assert [one.message for one in check.findings] == [
        "t::a: only 3 blocks were measured: too few to tell",
        "t::b: only 0 blocks were measured: too few to tell",
    ]


def test_first_benchmarks_pass_and_none_at_all_do_not() -> None:
    assert judged(paired({}, added=("t::a",))).status is Status.PASSED
    gone = judged(paired({}, removed=("t::a",)))
    assert gone.status is Status.MALFORMED
    assert gone.remedy


def test_new_and_removed_ones_are_told() -> None:
    check = judged(paired({"t::a": made(1.0, 0.001, 12, random.Random(4))}, added=("x",), removed=("y", "z")))
    assert check.status is Status.PASSED
    assert "1 are new, 2 are gone" in check.message


def test_a_comparison_of_other_code_is_refused(tmp_path: Path) -> None:
    project = Gated(tmp_path / "shop")
    project.repository()
    config = load_config(project.root, {})

    def write(**changes: str) -> None:
        found = paired({"t::a": made(1.0, 0.001, 12, random.Random(4))})
        now = {"head": base_of(project.root, "HEAD..HEAD"), "state": code_state(config)}
        report = json.loads(msgspec.json.encode(found)) | now | changes
        project.report("performance.json", report)

    assert isinstance(read_paired(config), Absent)
    write()
    assert isinstance(read_paired(config), Paired)
    assert code_state(config) == ""
    project.write("shop/core.py", "x = 1\n")
    told = read_paired(config)
    assert isinstance(told, Absent)
    assert "of other code" in told.reason
    write()
    assert isinstance(read_paired(config), Paired)
    project.drop("shop/core.py")
    assert isinstance(read_paired(config), Absent)
    write()
    project.write("README.md", "no code")
    assert isinstance(read_paired(config), Paired)
    project.write("constraints.txt", "jinja2==3.0")
    assert isinstance(read_paired(config), Absent), "another package is other code"
    write(head="0" * 40)
    assert isinstance(read_paired(config), Absent)
    project.write("reports/performance.json", '{"base": 1}')
    assert isinstance(read_paired(config), Absent)


def test_without_a_repository_there_is_nothing_to_compare(tmp_path: Path) -> None:
    project = Gated(tmp_path / "shop")
    project.report("performance.json", json.loads(msgspec.json.encode(paired({}))))
    told = read_paired(load_config(project.root, {}))
    assert isinstance(told, Absent)
    assert told.remedy == "run: invoke gates.performance"
