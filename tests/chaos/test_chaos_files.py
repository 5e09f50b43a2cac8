"""Scenario files: read whole or refused with the place."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as some

from toolkit.chaos.experiments import as_fault
from toolkit.chaos.files import ChaosScenario, Timed, find_scenario, read_scenario, scenario_files, timeline
from toolkit.errors import InputError, UsageError

GOOD = """
description = "the database is away"
recovers_within = 5

[[faults]]
action = "pause"
service = "database"
lasts = 2.0

[[faults]]
action = "squeeze_cpu"
service = "cache"
share = 0.2
after = 1.0
"""

TWO = """
faults = [
    {action = "kill", service = "a", lasts = 2},
    {action = "pause", service = "a", after = 1},
]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "away.toml").write_text(GOOD, encoding="utf-8")
    return tmp_path


def test_a_scenario_is_found_by_name(folder: Path) -> None:
    assert list(scenario_files(folder)) == ["shop/away"]
    found = find_scenario(folder, "shop/away")
    assert [(step.at, step.begins, step.fault.action) for step in timeline(found)] == [
        (0.0, True, "pause"),
        (1.0, True, "squeeze_cpu"),
        (2.0, False, "pause"),
        (2.0, False, "squeeze_cpu"),
    ]
    with pytest.raises(UsageError, match="shop/away"):
        find_scenario(folder, "shop/awy")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("faults = 1", r"Expected `array`"),
        ("faults = []", "length >= 1"),
        ("x = [", "TOML|Invalid|Unclosed|unterminated|Unexpected|at end"),
        (
            '[[faults]]\naction = "explode"\nservice = "database"',
            r"Invalid enum value 'explode'.*faults\[0\]\.action",
        ),
        ('[[faults]]\naction = "kill"\nservice = "a"\nlast = 1', "unknown field `last`"),
        ('[[faults]]\naction = "kill"\nservice = "a"\nlasts = -1', r"faults\[0\]\.lasts"),
        (
            TWO,
            "two faults of a at 1 s",
        ),
    ],
)
def test_mistakes_are_told_with_their_place(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "bad.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=message) as caught:
        read_scenario(file)
    assert str(caught.value).startswith(str(file))


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.toml"):
        read_scenario(tmp_path / "none.toml")


def test_a_wrong_parameter_is_told() -> None:
    with pytest.raises(UsageError, match=r"squeeze_cpu of database: Expected `float` <= 1"):
        as_fault({"action": "squeeze_cpu", "service": "database", "share": 2})


times = some.floats(0, 10, allow_nan=False)


@hypothesis_settings(max_examples=50)
@given(some.lists(some.tuples(times, times), min_size=1, max_size=6))
def test_every_fault_begins_and_ends_in_time(given_times: list[tuple[float, float]]) -> None:
    """Steps are in order of time, each fault begins once and ends once, not before it began."""
    faults = tuple(
        Timed(action="pause", service=str(number), after=after, lasts=lasts)
        for number, (after, lasts) in enumerate(given_times)
    )
    steps = timeline(ChaosScenario(faults=faults))
    assert [step.at for step in steps] == sorted(step.at for step in steps)
    for each in faults:
        own = sorted((step.at, not step.begins) for step in steps if step.fault is each)
        assert own == [(each.after, False), (each.after + each.lasts, True)]
