"""A profile becomes one visible pytest command; what the user gives comes last."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.config import Config, Profile, parse_config
from toolkit.sessions.command import WORDS, pytest_command, split_words


def config_of(root: Path, **table: Any) -> Config:
    return parse_config({"tool": {"toolkit": table}}, root=root, environ={})


def test_every_setting_is_an_argument(tmp_path: Path) -> None:
    (tmp_path / "tests").mkdir()
    profile = Profile(markers="a and b", max_workers=4, timeout=30, max_failures=2, arguments=("--lf",))
    command = pytest_command(config_of(tmp_path), profile, ["-k", "x"])
    assert command[:3] == ["python", "-m", "pytest"]
    text = " ".join(command)
    for part in ("-m a and b", "-n auto --maxprocesses=4", "--timeout=30", "--maxfail=2", "--lf"):
        assert part in text
    assert command[-3:] == ["tests", "-k", "x"]


def test_a_fixed_number_of_workers_has_no_ceiling(tmp_path: Path) -> None:
    command = pytest_command(config_of(tmp_path), Profile(workers=0, max_workers=4, timeout=None, slowest=0))
    assert command == ["python", "-m", "pytest", "-n", "0", "--order=smart"]


def test_coverage_wraps_pytest(tmp_path: Path) -> None:
    command = pytest_command(config_of(tmp_path), Profile(), coverage_config=Path("c.ini"))
    assert command[1:6] == ["-m", "coverage", "run", "--rcfile=c.ini", "-m"]


def test_benchmarks_alone_are_asked_for(tmp_path: Path) -> None:
    assert "--benchmark-only" in pytest_command(config_of(tmp_path), Profile(benchmarks="only"))
    assert "--benchmark-only" not in pytest_command(config_of(tmp_path), Profile(benchmarks="on"))


def test_benchmarks_of_a_part_are_not_taken_for_all(tmp_path: Path) -> None:
    """The gates judge ``benchmarks.json``; arguments may have chosen a single test."""

    def report(*posargs: str) -> str:
        command = pytest_command(config_of(tmp_path), Profile(benchmarks="only"), posargs)
        (written,) = (word for word in command if word.startswith("--benchmark-json="))
        return written.rpartition("/")[2]

    assert report() == report("verbose") == "benchmarks.json"
    assert report("tests/test_one.py") == report("-k", "one") == "benchmarks-partial.json"


def test_profiles_of_slow_tests_are_asked_for(tmp_path: Path) -> None:
    command = pytest_command(config_of(tmp_path), Profile(profile_slow=2.5, profiler="memory"))
    assert [word for word in command if word.startswith("--profile")] == [
        "--profile-slow=2.5",
        "--profiler=memory",
    ]
    assert not any(word.startswith("--profile") for word in pytest_command(config_of(tmp_path), Profile()))


def test_words_stand_first(tmp_path: Path) -> None:
    """A word later on may be the value of an option: `-k debug` is no wish for debugging."""
    command = pytest_command(config_of(tmp_path), Profile(), ["failfast", "verbose", "-k", "debug"])
    assert "--maxfail=1" in command
    assert command[-2:] == ["-k", "debug"]
    assert "--log-cli-level=DEBUG" not in command


def test_debug_is_live_and_in_one_process(tmp_path: Path) -> None:
    command = pytest_command(config_of(tmp_path), Profile(), ["debug"])
    assert "--capture=no" in command
    assert command[len(command) - 1 - command[::-1].index("-n") + 1] == "0"


@given(st.lists(st.sampled_from([*WORDS, "-x", "tests", "-k"])))
def test_no_argument_is_lost(posargs: list[str]) -> None:
    """Words and the rest are together what was given, in order."""
    words, own = split_words(posargs)
    assert words + own == posargs
    assert set(words) <= set(WORDS)
    assert not own or own[0] not in WORDS


@pytest.mark.parametrize("name", ["unit", "fast", "ci", "performance", "smoke"])
def test_built_in_profiles_make_a_command(tmp_path: Path, name: str) -> None:
    config = config_of(tmp_path)
    assert "pytest" in pytest_command(config, config.profiles[name])
