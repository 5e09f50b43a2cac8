"""Chaos scenarios: TOML files that say which fault comes when, and how fast all must be well again."""

import tomllib
from pathlib import Path
from typing import Annotated, NamedTuple

import msgspec

from toolkit.config.named_files import find_named, named_files
from toolkit.errors import InputError
from toolkit.services.faults.model import Fault, Seconds

SUFFIXES = (".toml",)
Positive = Annotated[float, msgspec.Meta(gt=0)]


class Timed(Fault, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One fault of a scenario and its time."""

    after: Seconds = 0.0
    """Seconds after the beginning."""
    lasts: Seconds = 1.0
    """Seconds until it is undone."""


class ChaosScenario(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One file."""

    faults: Annotated[tuple[Timed, ...], msgspec.Meta(min_length=1)]
    description: str = ""
    recovers_within: Positive = 30.0
    """Seconds after the last fault was undone until the steady state must hold again."""


class Step(NamedTuple):
    """Something that happens at a time of a scenario."""

    at: float
    begins: bool
    fault: Timed


def timeline(scenario: ChaosScenario) -> list[Step]:
    """Return what happens in which order; at the same time, ends come before beginnings."""
    steps = [Step(each.after, True, each) for each in scenario.faults]
    steps += [Step(each.after + each.lasts, False, each) for each in scenario.faults]
    return sorted(steps, key=lambda step: (step.at, step.begins))


def scenario_files(folder: Path) -> dict[str, Path]:
    """Return all scenarios of a folder: name → file."""
    return named_files(folder, SUFFIXES)


def find_scenario(folder: Path, name: str) -> ChaosScenario:
    """Read the scenario of a name.

    Raises:
        UsageError: there is none; names those that are there.
        InputError: the file cannot be read.
    """
    return read_scenario(find_named(folder, SUFFIXES, name, "chaos scenario"))


def read_scenario(file: Path) -> ChaosScenario:
    """Read one file.

    Raises:
        InputError: it is no TOML, or has a wrong key, type or value; says which and where; or faults of one
            service overlap.
    """
    try:
        found = tomllib.loads(file.read_text(encoding="utf-8"))
        scenario = msgspec.convert(found, ChaosScenario)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise InputError(f"{file}: {error}") from error
    active: set[str] = set()
    for step in timeline(scenario):
        if step.begins and step.fault.service in active:
            raise InputError(f"{file}: two faults of {step.fault.service} at {step.at:g} s: one at a time")
        (active.add if step.begins else active.discard)(step.fault.service)
    return scenario
