"""Profiles: named ways to run tests, and the ones every project has."""

from typing import Annotated, Any, Literal

import msgspec

Seconds = Annotated[float, msgspec.Meta(gt=0)]
Count = Annotated[int, msgspec.Meta(ge=0)]
Percent = Annotated[float, msgspec.Meta(ge=0, le=100)]
Workers = Literal["auto"] | Count
Resolution = Literal["highest", "lowest-direct"]
Order = Literal["smart", "fast-first", "longest-first", "declared", "random"]


class Profile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One row of ``[tool.toolkit.profiles]``.

    A project's own row is laid over the built-in row of the same name, key by key; a new name starts from
    the defaults below.
    """

    description: str = ""
    """What the profile is for, one line; shown by ``nox --list``."""
    markers: str = ""
    """A pytest ``-m`` expression; empty runs everything."""
    paths: tuple[str, ...] = ()
    """Files and folders to run instead of the project's ``tests``."""
    workers: Workers = "auto"
    """Processes: a number, 0 for none beside pytest itself, or "auto": as many as pay off."""
    max_workers: Count | None = None
    """The most that "auto" may choose."""
    timeout: Seconds | None = 300.0
    """For one test, in seconds; needs pytest-timeout, which the Nox sessions install."""
    coverage: bool = False
    """Whether the session measures coverage: of workers and subprocesses too."""
    coverage_threshold: Percent | None = None
    """Fail under this percentage; None: ``thresholds.coverage`` where coverage is on and demanded."""
    fail_under: bool = False
    """Whether coverage below the threshold fails the session."""
    max_failures: Count | None = None
    """Stop after so many failures; None: never."""
    retries: Count = 0
    """How often a failed test is tried again; every try is recorded, a late pass is called flaky."""
    repeat_new: Count = 0
    """How often a test that the history does not know is run, to see whether it is flaky; 0 or 1: once."""
    slowest: Count = 10
    """How many slow tests the terminal lists."""
    benchmarks: Literal["off", "on", "only"] = "off"
    """Tests of pytest-benchmark: run once as plain tests, measured, or nothing else is run."""
    profile_slow: Annotated[float, msgspec.Meta(ge=0)] | None = None
    """Profile tests that take so many seconds by the history, 0: every test; None: none."""
    profiler: Literal["time", "memory"] = "time"
    """What is followed then: time (pyinstrument) or memory (memray)."""
    order: Order = "smart"
    """In which order: quick feedback first, by measured duration, as declared, or at random."""
    pythons: tuple[str, ...] | None = None
    """Only these instead of the project's ``pythons``."""
    services: tuple[str, ...] = ()
    """Names of services that must be up while the profile runs."""
    extras: tuple[str, ...] = ()
    """More extras of the project for this profile's environment."""
    groups: tuple[str, ...] = ()
    """More dependency groups for this profile's environment."""
    requires: tuple[str, ...] = ()
    """More packages for this profile's environment, as requirement strings."""
    resolution: Resolution = "highest"
    """Versions of what the project depends on: "lowest-direct" proves its lower bounds; needs uv."""
    env: dict[str, str] = {}
    """Environment variables of the tests."""
    arguments: tuple[str, ...] = ()
    """More pytest arguments, before those given after ``--``."""
    tags: tuple[str, ...] = ()
    """Tags of the session, for ``nox -t``."""


def described(name: str, profile: Profile) -> str:
    """Return the first line of what ``nox --list`` shows of a profile's sessions."""
    return (profile.description or f"The profile {name!r} of [tool.toolkit.profiles]").partition("\n")[0]


_OTHER_KINDS = "integration or e2e or contract or chaos or performance or security"

BUILT_IN: dict[str, dict[str, Any]] = {
    "fast": {
        "description": "Everything not marked slow, 30 s a test: the loop while you write",
        "markers": f"not (slow or {_OTHER_KINDS})",
        "timeout": 30,
        "tags": ("quick",),
    },
    "unit": {
        "description": "Everything that is not of another kind (integration, e2e, contract ...)",
        "markers": f"not ({_OTHER_KINDS})",
    },
    "integration": {
        "description": "Tests on real services, at most 4 workers",
        "markers": "integration",
        "max_workers": 4,
        "timeout": 600,
    },
    "e2e": {
        "description": "Through the whole application, at most 2 workers",
        "markers": "e2e",
        "max_workers": 2,
        "timeout": 600,
    },
    "ci": {
        "description": "All but performance and chaos, with coverage; fails under the threshold",
        "markers": "not (performance or chaos)",
        "timeout": 600,
        "coverage": True,
        "fail_under": True,
    },
    "performance": {
        "description": "Benchmarks only, one at a time",
        "markers": "performance",
        "workers": 0,
        "timeout": 600,
        "benchmarks": "only",
        "order": "declared",
    },
    "security": {
        "description": "Security tests, one at a time",
        "markers": "security",
        "workers": 0,
        "timeout": 600,
    },
    "all": {"description": "Every test there is", "timeout": 600, "benchmarks": "on"},
    "smoke": {
        "description": "The few that must always pass; stops at the first failure",
        "markers": "smoke",
        "timeout": 60,
        "max_failures": 1,
        "tags": ("quick",),
    },
    "regression": {
        "description": "All functional tests, to the end, whatever fails",
        "markers": "not (performance or chaos or security)",
        "timeout": 600,
    },
    "contract": {
        "description": "Contracts between this project and its neighbours",
        "markers": "contract",
    },
    "chaos": {
        "description": "Tests that break services on purpose, one at a time",
        "markers": "chaos",
        "workers": 0,
        "timeout": 600,
        "order": "declared",
    },
    "slow": {"description": "Only what is marked slow, 300 s a test", "markers": "slow", "timeout": 300},
}
"""The profiles of every project; the values are those of a TOML table."""
