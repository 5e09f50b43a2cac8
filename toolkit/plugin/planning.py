"""What the plugin knows before the tests run: the history's durations, the plan, the number of workers."""

import os
import platform
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from toolkit.errors import ToolkitError
from toolkit.plugin.activation import settings
from toolkit.plugin.garbage import uncollected
from toolkit.records import NodeId
from toolkit.scheduling.ceiling import MEGABYTE, Ceiling
from toolkit.scheduling.jobs import Experience, Traits
from toolkit.scheduling.plan import About, LeftOut, Machine, Plan
from toolkit.scheduling.planning import Wanted, make_plan
from toolkit.scheduling.workers import Choice, Costs, choose_workers

REASONS: pytest.StashKey[dict[NodeId, str]] = pytest.StashKey()
"""Why a test was selected, for the plan: filled by whoever selects."""

LEFT_OUT: pytest.StashKey[dict[NodeId, str]] = pytest.StashKey()
"""Why a test was left out, for the plan: filled by whoever deselects and knows."""

_BACKGROUND: pytest.StashKey["Background"] = pytest.StashKey()


class Background:
    """What earlier runs say; empty where there is no history or it cannot be read."""

    def __init__(self) -> None:
        self.experience: dict[NodeId, Experience] = {}
        self.expected: frozenset[NodeId] | None = None
        self.costs = Costs()
        self.problem = ""


def background(config: pytest.Config) -> Background:
    """Read the history once per session; a history that cannot be read is a warning, not an end."""
    if _BACKGROUND not in config.stash:
        config.stash[_BACKGROUND] = found = Background()
        try:
            with uncollected():
                _read_history(config, found)
        except ToolkitError as error:
            found.problem = str(error)
            message = f"toolkit: planned without history: {error}"
            config.issue_config_time_warning(pytest.PytestWarning(message), stacklevel=2)
    return config.stash[_BACKGROUND]


def _read_history(config: pytest.Config, found: Background) -> None:
    table = settings(config)
    is_file = "://" not in table.history_url
    if is_file and not Path(table.history_url).exists() and not (table.state_dir / "runs").is_dir():
        return
    from toolkit.history.imports import import_pending
    from toolkit.history.store import open_history
    from toolkit.scheduling.experience import costs_of, expected_tests, experience_of, read_forecasts

    with open_history(table.history_url) as history:
        import_pending(history, table.state_dir)
        shapes = history.run_shapes()
        newest = max((shape.last for shape in shapes), default=0.0)
        found.experience = experience_of(history, read_forecasts(table.state_dir), newest=newest)
        found.costs = costs_of(shapes, host=platform.node(), cores=cores())
        found.expected = expected_tests(
            history,
            shapes,
            profile=os.environ.get("TOOLKIT_PROFILE", ""),
            arguments=tuple(map(str, config.invocation_params.args)),
        )


def known_tests(config: pytest.Config) -> frozenset[NodeId]:
    """Return the tests that the history has seen; none where there is no history or it cannot be read."""
    from toolkit.history.store import open_history

    table = settings(config)
    if "://" not in table.history_url and not Path(table.history_url).exists():
        return frozenset()
    try:
        with open_history(table.history_url) as history:
            return history.names()
    except ToolkitError as error:
        message = f"toolkit: nobody knows which tests are new: {error}"
        config.issue_config_time_warning(pytest.PytestWarning(message), stacklevel=2)
        return frozenset()


def cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def ceiling(config: pytest.Config) -> Ceiling:
    """Return what the tests of a run may need together."""
    limits = settings(config).ceiling
    return Ceiling(memory=limits.memory * MEGABYTE, cores=cores() * limits.cpu / 100)


def worker_choice(config: pytest.Config) -> Choice | None:
    """Choose the workers for the tests that will probably run; None: nothing is known about them."""
    past = background(config)
    if past.expected is None:
        return None
    from toolkit.scheduling.experience import known
    from toolkit.scheduling.jobs import make_jobs

    most = config.getoption("maxprocesses", None)
    with uncollected():
        likely = known(past.experience, past.expected)
        jobs = make_jobs((Traits(test=test) for test in likely), likely)
        return choose_workers(jobs, cores=cores(), costs=past.costs, most=most or None)


def plan_of(
    config: pytest.Config, traits: list[Traits], wanted: Wanted, left_out: Mapping[NodeId, str]
) -> Plan:
    """Make the plan of what was collected."""
    past = background(config)
    because = config.stash.get(LEFT_OUT, {})
    table = settings(config)
    with uncollected():
        return make_plan(
            traits,
            past.experience,
            made=time.time(),
            machine=Machine(cores=cores(), costs=past.costs),
            wanted=wanted,
            reasons=config.stash.get(REASONS, {}),
            left_out=[
                LeftOut(test=test, reason=because.get(test, reason)) for test, reason in left_out.items()
            ],
            about=About(
                project=table.project,
                profile=os.environ.get("TOOLKIT_PROFILE", ""),
                python=platform.python_version(),
            ),
        )
