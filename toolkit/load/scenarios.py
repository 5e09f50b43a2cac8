"""Load scenarios: TOML files with weighted actions, a target rate, and what the answers must be like."""

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from toolkit.config.named_files import find_named, named_files
from toolkit.errors import InputError

SUFFIXES = (".toml",)
Positive = Annotated[float, msgspec.Meta(gt=0)]
NotNegative = Annotated[float, msgspec.Meta(ge=0)]
Count = Annotated[int, msgspec.Meta(ge=1)]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]


class Action(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One kind of request."""

    name: str
    path: str
    """With ``{name}`` for a value drawn at random from ``values``."""
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"] = "GET"
    weight: Positive = 1.0
    """How often, compared with the others."""
    headers: dict[str, str] = {}
    json: Any = None
    """Body; texts in it may have ``{name}``, too."""
    values: dict[str, tuple[str | int | float, ...]] = {}
    status: tuple[int, ...] = (200, 201, 202, 204)
    """Codes that are right; all others are errors."""


class Expected(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What must hold at the full rate; None: anything. Times in milliseconds from when a request was due."""

    mean_ms: Positive | None = None
    p95_ms: Positive | None = None
    p99_ms: Positive | None = None
    max_ms: Positive | None = None
    error_rate: Share | None = 0.0
    """Share of requests without a right answer."""
    throughput: Share | None = 0.95
    """Right answers per second, as a share of the rate."""


class LoadScenario(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One file."""

    actions: Annotated[tuple[Action, ...], msgspec.Meta(min_length=1)]
    rate: Positive
    """Requests per second when the ramp is over, of all processes together."""
    duration: Positive = 30.0
    """Seconds at the full rate: only these count."""
    ramp: NotNegative = 5.0
    """Seconds in which the rate grows evenly to the full one."""
    arrivals: Literal["even", "poisson"] = "even"
    """Evenly spaced, or at random as independent users come."""
    description: str = ""
    service: str = "api"
    """Name of the service in the configuration: its URL is the base address."""
    timeout: Positive = 10.0
    """Seconds after which a request without an answer is an error."""
    most_open: Count = 2000
    """Requests under way at a time, in each process; more are errors and not sent."""
    processes: Annotated[int, msgspec.Meta(ge=1, le=64)] = 1
    """Of the generator on this machine."""
    expect: Expected = Expected()


def scenario_files(folder: Path) -> dict[str, Path]:
    """Return all scenarios of a folder: name → file."""
    return named_files(folder, SUFFIXES)


def find_scenario(folder: Path, name: str) -> LoadScenario:
    """Read the scenario of a name.

    Raises:
        UsageError: there is none; names those that are there.
        InputError: the file cannot be read.
    """
    return read_scenario(find_named(folder, SUFFIXES, name, "load scenario"))


def read_scenario(file: Path) -> LoadScenario:
    """Read one file.

    Raises:
        InputError: it is no TOML, or has a wrong key, type or value; says which and where.
    """
    try:
        found = tomllib.loads(file.read_text(encoding="utf-8"))
        scenario = msgspec.convert(found, LoadScenario)
        for number, action in enumerate(scenario.actions):
            check_values(action, f"actions[{number}]")
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise InputError(f"{file}: {error}") from error
    return scenario


def check_values(action: Action, place: str) -> None:
    """Claim that every ``{name}`` of a path has values.

    Raises:
        msgspec.ValidationError: names the one that has none.
    """
    import string

    try:
        names = {name for _, name, _, _ in string.Formatter().parse(action.path) if name is not None}
    except ValueError as error:
        raise msgspec.ValidationError(f"{place}.path: {error}") from error
    for name in sorted(names):
        if not action.values.get(name):
            raise msgspec.ValidationError(f"{place}.path: {{{name}}} has no `values`")
