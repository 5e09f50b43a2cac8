"""``--order``, ``--shard``, ``--plan``, ``--write-plan``, ``--run-list``: which of the tests, in which order.

Without workers the order is that of the items; under our scheduler for xdist the controller orders and the
workers keep what they collected. Left out tests are deselected, as with ``-k``.
"""

import os
import random
from collections.abc import Callable, Generator, Iterable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from toolkit.errors import PlanError, ToolkitError
from toolkit.plugin import planning
from toolkit.plugin.activation import is_worker
from toolkit.plugin.collected import traits_of
from toolkit.records import NodeId, node_id
from toolkit.scheduling.jobs import Job, make_jobs
from toolkit.scheduling.order import arrange, overtakes, parse_order
from toolkit.scheduling.plan import Plan, read_plan, shard_of, write_plan
from toolkit.scheduling.planning import Wanted
from toolkit.scheduling.shards import parse_shard

ISOLATED = "TOOLKIT_ISOLATED"
"""Set in the process of an isolated test: which test, and where its reports go."""
SEEDS = 2**31
WORKERINPUT = "toolkit_order"
"""The order as the controller decided it (with its seed), in ``workerinput``."""


class Arrangement(msgspec.Struct, kw_only=True):
    """What the options ask for.

    Attributes:
        order: None: nothing was asked for; the collection's order, but long tests may go first on workers.
        shard: number and count.
        listed: exactly these tests in this order.
    """

    order: str | None = None
    seed: int | None = None
    shard: tuple[int, int] | None = None
    plan: Plan | None = None
    listed: tuple[NodeId, ...] | None = None
    write: Path | None = None
    left_out: dict[NodeId, str] = {}
    said: str = ""

    @property
    def full_order(self) -> str | None:
        """The order with its seed, as the option takes it."""
        return self.order if self.seed is None else f"{self.order}:{self.seed}"


_ARRANGEMENT: pytest.StashKey[Arrangement] = pytest.StashKey()


def pytest_configure(config: pytest.Config) -> None:
    """Read the options."""
    try:
        config.stash[_ARRANGEMENT] = _read_options(config)
    except ToolkitError as error:
        raise pytest.UsageError(str(error)) from error


def _read_options(config: pytest.Config) -> Arrangement:
    handed_down = getattr(config, "workerinput", {}).get(WORKERINPUT)
    if ISOLATED in os.environ:
        return Arrangement()  # one test in a process of its own: nothing to choose
    text = handed_down or config.getoption("toolkit_order", None)
    asked = Arrangement()
    if text:
        asked.order, asked.seed = parse_order(text)
        if asked.order == "random" and asked.seed is None:
            asked.seed = random.SystemRandom().randrange(SEEDS)
    if shard := config.getoption("toolkit_shard", None):
        asked.shard = parse_shard(shard)
    if path := config.getoption("toolkit_plan", None):
        asked.plan = read_plan(Path(path))
    if path := config.getoption("toolkit_run_list", None):
        asked.listed = read_list(Path(path))
    if path := config.getoption("toolkit_write_plan", None):
        asked.write = Path(path)
    return asked


def read_list(path: Path) -> tuple[NodeId, ...]:
    """Read node ids, one a line; empty lines do not count.

    Raises:
        PlanError: the file cannot be read or names a test twice.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise PlanError(f"list of tests {path}: cannot be read: {error}") from error
    tests = tuple(node_id(line) for line in lines if line.strip())
    if len(set(tests)) < len(tests):
        twice = next(test for number, test in enumerate(tests) if test in tests[:number])
        raise PlanError(f"list of tests {path}: {twice} is there twice")
    return tests


def arrangement(config: pytest.Config) -> Arrangement:
    """Return what the options ask for."""
    return config.stash.get(_ARRANGEMENT, Arrangement())


def arranger(config: pytest.Config) -> tuple[Callable[[list[Job]], list[Job]], bool]:
    """Return how the controller orders the jobs of a run, and whether long ones may leave that order."""
    asked = arrangement(config)
    if asked.listed is not None:
        return list, False
    if asked.order is None:
        return list, True
    name, seed = asked.order, asked.seed or 0
    return lambda jobs: arrange(jobs, name, seed=seed), overtakes(name)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Hand the seed that was drawn here down to the workers."""
    if (order := arrangement(node.config).full_order) is not None:
        node.workerinput[WORKERINPUT] = order


def pytest_report_header(config: pytest.Config) -> str | None:
    """Say how to repeat a random order."""
    asked = arrangement(config)
    if asked.seed is not None:
        return f"toolkit: random order, repeat it with --order={asked.full_order}"
    return None


def pytest_deselected(items: Iterable[pytest.Item]) -> None:
    """Remember for the plan what somebody left out."""
    for item in items:
        left_out = arrangement(item.config).left_out
        left_out.setdefault(node_id(item.nodeid), "deselected by -m, -k or a plugin")


def pytest_collection(session: pytest.Session) -> None:
    """Take the last word: what is registered last comes outermost, and so acts when all others have acted.

    Shards must be made of what will run, after any selection.
    """
    session.config.pluginmanager.register(LastWord(), "toolkit-last-word")


class LastWord:
    """Leaves out and orders when everybody else has done so."""

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_collection_modifyitems(
        self, config: pytest.Config, items: list[pytest.Item]
    ) -> Generator[None, None, None]:
        """Leave out what is not asked for, then order what is left."""
        yield
        asked = arrangement(config)
        try:
            if asked.listed is not None:
                _keep(config, items, asked.listed, reordered=True)
                _require_all(asked.listed, items)
            if asked.shard is not None:
                _keep_shard(config, items, asked)
        except ToolkitError as error:
            raise pytest.UsageError(str(error)) from error
        if asked.order is not None and asked.listed is None and _orders_here(config):
            _reorder(config, items, asked)


def _keep_shard(config: pytest.Config, items: list[pytest.Item], asked: Arrangement) -> None:
    number, count = asked.shard or (1, 1)
    jobs = make_jobs((traits_of(item) for item in items), {})
    chosen = shard_of(asked.plan, jobs, number, count)
    source = f"of plan {asked.plan.digest}" if asked.plan else "by number, since no --plan was given"
    asked.said = f"shard {number}/{count}: {len(chosen)} of {len(items)} tests, {source}"
    _keep(config, items, chosen, reordered=False)


def _keep(
    config: pytest.Config, items: list[pytest.Item], tests: Iterable[NodeId], *, reordered: bool
) -> None:
    """Keep some items, those of the same id together; deselect the rest."""
    wanted = {test: number for number, test in enumerate(tests)}
    kept = [item for item in items if node_id(item.nodeid) in wanted]
    dropped = [item for item in items if node_id(item.nodeid) not in wanted]
    if reordered:
        kept.sort(key=lambda item: wanted[node_id(item.nodeid)])
    if dropped:
        config.hook.pytest_deselected(items=dropped)
    items[:] = kept


def _require_all(tests: Iterable[NodeId], items: list[pytest.Item]) -> None:
    present = {node_id(item.nodeid) for item in items}
    missing = [test for test in tests if test not in present]
    if missing:
        shown = ", ".join(missing[:5])
        raise PlanError(
            f"--run-list: {len(missing)} of the listed tests were not collected: {shown}",
            hint="name the files that contain them, and the options (-m, -k, -c) of the recorded run",
        )


def _orders_here(config: pytest.Config) -> bool:
    """Whether the order is that of the items: not where our scheduler decides it in the controller."""
    return not is_worker(config) or not getattr(config, "workerinput", {}).get("toolkit_ordered", False)


def _reorder(config: pytest.Config, items: list[pytest.Item], asked: Arrangement) -> None:
    needs_history = asked.order in {"smart", "fast-first", "longest-first"} and not is_worker(config)
    experience = planning.background(config).experience if needs_history else {}
    jobs = make_jobs((traits_of(item) for item in items), experience)
    ordered = arrange(jobs, asked.order or "declared", seed=asked.seed or 0)
    places = {id(job): number for number, job in enumerate(ordered)}
    by_job = sorted(zip(jobs, items, strict=True), key=lambda pair: places[id(pair[0])])
    items[:] = [item for _, item in by_job]


def pytest_report_collectionfinish(config: pytest.Config) -> str | None:
    """Say which part runs here."""
    said = arrangement(config).said
    return f"toolkit: {said}" if said else None


@pytest.hookimpl(trylast=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """Write the plan that was asked for."""
    config = session.config
    asked = arrangement(config)
    if asked.write is None or is_worker(config):
        return
    traits = [traits_of(item) for item in session.items]
    wanted = Wanted(order=asked.order or "smart", seed=asked.seed, workers=_fixed_workers(config))
    write_plan(planning.plan_of(config, traits, wanted, asked.left_out), asked.write)


def _fixed_workers(config: pytest.Config) -> int | None:
    given = config.getoption("numprocesses", None)
    return given if isinstance(given, int) else None
