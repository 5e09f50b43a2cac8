"""From a profile and the words after ``--`` to the pytest command, every setting a visible argument."""

from collections.abc import Callable, Sequence
from pathlib import Path

from toolkit.config import Config, Profile
from toolkit.config.needs import read_document
from toolkit.config.pytest_settings import joined_expression, own_expression, read_pytest_settings
from toolkit.gates.inputs import BENCHMARKS, PARTIAL_BENCHMARKS
from toolkit.sessions.targets import default_targets

WORDS: dict[str, tuple[str, ...]] = {
    "verbose": ("-vv",),
    "debug": ("-vv", "--capture=no", "--log-cli-level=DEBUG", "-n", "0"),
    "failfast": ("--maxfail=1",),
}
"""What may stand first after ``--``: ``nox -s unit -- failfast verbose -k name``.

``debug`` runs in one process, since workers of xdist have no terminal for live logs.
"""


def split_words(posargs: Sequence[str]) -> tuple[list[str], list[str]]:
    """Split the leading words from pytest's own arguments."""
    count = next((index for index, word in enumerate(posargs) if word not in WORDS), len(posargs))
    return list(posargs[:count]), list(posargs[count:])


def pytest_command(
    config: Config, profile: Profile, posargs: Sequence[str] = (), *, coverage_config: Path | None = None
) -> list[str]:
    """Build the command line of a profile. What the user gave comes last, so it wins.

    Args:
        config: of the project.
        profile: its settings become arguments.
        posargs: what stood after ``--``: words of :data:`WORDS`, then anything pytest understands.
        coverage_config: measure coverage with this configuration file; None: do not measure.
    """
    words, own = split_words(posargs)
    command = ["python", "-m"]
    if coverage_config is not None:
        command += ["coverage", "run", f"--rcfile={coverage_config}", "-m"]
    command.append("pytest")
    command += _markers(config, profile)
    for part in _PARTS:
        command += part(profile)
    if profile.benchmarks == "only":
        command.append(f"--benchmark-json={config.reports}/{PARTIAL_BENCHMARKS if own else BENCHMARKS}")
    command += profile.arguments
    for word in words:
        command += WORDS[word]
    return [*command, *default_targets(config, profile, own), *own]


def _markers(config: Config, profile: Profile) -> list[str]:
    """Return ``-m``, joined with the one that the project has in its addopts."""
    if not profile.markers:
        return []
    addopts = read_pytest_settings(config.root, read_document(config.root)).addopts
    return ["-m", joined_expression(own_expression(addopts), profile.markers)]


def _workers(profile: Profile) -> list[str]:
    ceiling = [] if profile.max_workers is None else [f"--maxprocesses={profile.max_workers}"]
    return ["-n", str(profile.workers), *(ceiling if profile.workers == "auto" else [])]


def _timeout(profile: Profile) -> list[str]:
    return [] if profile.timeout is None else [f"--timeout={profile.timeout:g}"]


def _retries(profile: Profile) -> list[str]:
    return [f"--retries={profile.retries}"] if profile.retries else []


def _repeat_new(profile: Profile) -> list[str]:
    return [f"--repeat-new={profile.repeat_new}"] if profile.repeat_new > 1 else []


def _order(profile: Profile) -> list[str]:
    return [f"--order={profile.order}"]


def _max_failures(profile: Profile) -> list[str]:
    return [] if profile.max_failures is None else [f"--maxfail={profile.max_failures}"]


def _slowest(profile: Profile) -> list[str]:
    return [f"--durations={profile.slowest}"] if profile.slowest else []


def _benchmarks(profile: Profile) -> list[str]:
    return {"off": [], "on": ["--benchmark-enable"], "only": ["--benchmark-only"]}[profile.benchmarks]


def _profile_slow(profile: Profile) -> list[str]:
    if profile.profile_slow is None:
        return []
    return [f"--profile-slow={profile.profile_slow:g}", f"--profiler={profile.profiler}"]


_PARTS: tuple[Callable[[Profile], list[str]], ...] = (
    _workers,
    _timeout,
    _retries,
    _repeat_new,
    _order,
    _max_failures,
    _slowest,
    _benchmarks,
    _profile_slow,
)
