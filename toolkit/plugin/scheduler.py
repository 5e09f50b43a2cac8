"""Puts our scheduler into xdist: under ``-n`` with the default ``--dist load``, on this machine.

Whoever names another ``--dist`` gets that one; serial tests and exclusive resources are then not kept
apart, and the summary says so when there are any.
"""

import functools
import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from toolkit.plugin import parcels, planning
from toolkit.plugin.activation import is_worker
from toolkit.plugin.collected import FOLDER_KEY, leave_traits, read_traits
from toolkit.plugin.ordering import arranger
from toolkit.plugin.pauses import teach_pauses, understands_pauses
from toolkit.scheduling.workers import Choice

if TYPE_CHECKING:
    from xdist.workermanage import WorkerController

    from toolkit.plugin.xdist_scheduler import ToolkitScheduling

SECOND_KILL = 2
"""A test that killed so many workers is not tried again."""

_FOLDER: pytest.StashKey[Path] = pytest.StashKey()
_CHOICE: pytest.StashKey[Choice] = pytest.StashKey()
_SCHEDULER: pytest.StashKey["ToolkitScheduling"] = pytest.StashKey()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config) -> "ToolkitScheduling | None":
    """Take the place of xdist's ``load``; None leaves it to xdist."""
    if not _takes_over(config):
        return None
    from xdist.workermanage import parse_tx_spec_config

    from toolkit.plugin.xdist_scheduler import ToolkitScheduling

    arrange, overtake = arranger(config)
    scheduler = ToolkitScheduling(
        config,
        functools.partial(read_traits, _folder(config)),
        expected=len(parse_tx_spec_config(config)),
        experience=planning.background(config).experience,
        arrange=arrange,
        overtake=overtake,
        ceiling=planning.ceiling(config),
        say=_sayer(config),
    )
    config.stash[_SCHEDULER] = scheduler
    return scheduler


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: "WorkerController") -> None:
    """Tell a worker where to leave what it knows of its tests, and understand how it reports them."""
    node.workerinput[FOLDER_KEY] = str(_folder(node.config))
    node.workerinput["toolkit_ordered"] = ordered = _takes_over(node.config)
    if ordered:
        parcels.unpack_from(node)


@pytest.hookimpl(optionalhook=True, tryfirst=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """Answer ``-n auto`` with the count that pays off; None (nothing is known): xdist's own, the cores."""
    if os.environ.get("PYTEST_XDIST_AUTO_NUM_WORKERS"):
        return None
    choice = planning.worker_choice(config)
    if choice is None:
        return None
    config.stash[_CHOICE] = choice
    return choice.workers


def pytest_report_header(config: pytest.Config) -> str | None:
    """Say why there are so many workers."""
    choice = config.stash.get(_CHOICE, None)
    return None if choice is None else f"toolkit: {choice.reason}"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """On a worker, before xdist sends the list: leave the traits, learn to pause and to send parcels."""
    config: Any = session.config
    if is_worker(config) and FOLDER_KEY in config.workerinput and teach_pauses(config):
        leave_traits(session.items, Path(config.workerinput[FOLDER_KEY]), config.workerinput["workerid"])
        parcels.pack(config)


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """On the controller: watch which tests start, so that the right one is accused when a worker dies."""
    config = session.config
    if not is_worker(config) and config.getoption("dist", "no") == "load":
        config.pluginmanager.register(_StartWatch(config), "toolkit-start-watch")


class _StartWatch:
    """Tells the scheduler which tests were seen to start."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        scheduler = self._config.stash.get(_SCHEDULER, None)
        if scheduler is not None:
            scheduler.started.add(nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_handlecrashitem(crashitem: str, report: pytest.TestReport, sched: Any) -> None:
    """Give a test that killed its worker one more chance when retries are allowed; never a third worker."""
    kills = getattr(sched, "kills", {}).get(crashitem, 0)
    report.nodeid = crashitem = crashitem.partition("\0")[0]
    if kills >= SECOND_KILL:
        report.longrepr = f"{report.longrepr}; it killed {kills} workers and is not tried again"
    elif kills and sched.config.getoption("toolkit_retries", None):
        sched.mark_test_pending(crashitem)
        report.outcome = "rerun"  # type: ignore[assignment]  # the word that xdist documents


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Repeat at the end what must not be overlooked."""
    scheduler = config.stash.get(_SCHEDULER, None)
    if scheduler is not None and scheduler.estimate is not None and scheduler.began is not None:
        took = time.perf_counter() - scheduler.began
        terminalreporter.write_line(
            f"toolkit: planned {scheduler.estimate:.1f} s of tests, took {took:.1f} s"
        )
    if scheduler is not None and scheduler.differences:
        terminalreporter.section("different collections")
        for line in scheduler.differences:
            terminalreporter.write_line(line)
    elif scheduler is None and _not_kept_apart(config):
        mode = config.getvalue("dist")
        terminalreporter.write_line(
            f"toolkit: under --dist {mode} serial tests and exclusive resources are not kept apart",
            yellow=True,
        )


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove the folder of this run."""
    if _FOLDER in config.stash:
        shutil.rmtree(config.stash[_FOLDER], ignore_errors=True)


def _takes_over(config: pytest.Config) -> bool:
    """Whether our scheduler decides: the default mode, on this machine, with an xdist that we know."""
    from xdist.remote import WorkerInteractor
    from xdist.workermanage import parse_tx_spec_config

    local = all(spec.partition("//")[0] == "popen" for spec in parse_tx_spec_config(config))
    return config.getvalue("dist") == "load" and local and understands_pauses(WorkerInteractor)


def _folder(config: pytest.Config) -> Path:
    if _FOLDER not in config.stash:
        config.stash[_FOLDER] = Path(tempfile.mkdtemp(prefix="toolkit-exchange-"))
    return config.stash[_FOLDER]


def _sayer(config: pytest.Config) -> Any:
    reporter = config.pluginmanager.get_plugin("terminalreporter")

    def say(line: str) -> None:
        if reporter is not None and config.getoption("verbose") >= 0:
            reporter.ensure_newline()
            reporter.write_line(line)

    return say


def _not_kept_apart(config: pytest.Config) -> bool:
    if is_worker(config) or _FOLDER not in config.stash:
        return False
    folder = config.stash[_FOLDER]
    workers = [path.stem for path in folder.glob("*.json")]
    return any(traits.serial or traits.uses for traits in read_traits(folder, workers).values())
