"""What xdist asks a scheduler, answered: who runs which test when, and what if a worker dies.

The decisions are made by :class:`toolkit.scheduling.dispatch.Dispatch`; this module translates between it
and xdist's protocol (``xdist.scheduler.protocol.Scheduling``), in which a test is an index into the list
that a worker collected.
"""

import contextlib
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from toolkit.records import NodeId, node_id
from toolkit.scheduling.ceiling import Ceiling, weigh
from toolkit.scheduling.dispatch import Dispatch
from toolkit.scheduling.jobs import Experience, Job, Traits, make_jobs
from toolkit.scheduling.makespan import makespan
from toolkit.scheduling.seats import Order as Sending

if TYPE_CHECKING:
    from xdist.workermanage import WorkerController

SHOWN = 10
"""How many tests a message about different collections names per worker."""

Arrange = Callable[[list[Job]], list[Job]]


class ToolkitScheduling:
    """What xdist asks about who runs what.

    Args:
        config: of the controller.
        traits: given the names of workers, returns what they know of their tests.
        expected: how many workers were started.
        experience: durations and the like of earlier runs.
        arrange: puts the jobs into the wanted order.
        overtake: whether long tests may leave that order.
        ceiling: what the tests may need together.
        say: prints a line on the terminal.
    """

    def __init__(
        self,
        config: pytest.Config,
        traits: Callable[[Sequence[str]], Mapping[NodeId, Traits]],
        *,
        expected: int,
        experience: Mapping[NodeId, Experience] | None = None,
        arrange: Arrange = list,
        overtake: bool = True,
        ceiling: Ceiling | None = None,
        say: Callable[[str], None] = lambda _line: None,
    ) -> None:
        self.differences: list[str] = []
        self.unrunnable: list[NodeId] = []
        self.kills: dict[str, int] = {}
        self.started: set[str] = set()
        self.estimate: float | None = None
        self.began: float | None = None
        self.config = config
        self._traits = traits
        self._expected = expected
        self._experience = experience or {}
        self._arrange = arrange
        self._overtake = overtake
        self._ceiling = ceiling or Ceiling()
        self._say = say
        self._nodes: list[WorkerController] = []
        self._collections: dict[WorkerController, list[NodeId]] = {}
        self._indices: dict[WorkerController, dict[NodeId, int]] = {}
        self._last_done: dict[WorkerController, int] = {}
        self._collected = 0
        self._awaited = 0
        self._jobs: dict[NodeId, Job] = {}
        self._dispatch: Dispatch | None = None

    # What xdist reads

    @property
    def nodes(self) -> "list[WorkerController]":
        """All workers that are ready."""
        return list(self._nodes)

    @property
    def collection_is_completed(self) -> bool:
        """Whether as many workers have collected as were started."""
        return self._collected >= self._expected

    @property
    def tests_finished(self) -> bool:
        """Whether all workers may end: nothing is left to send, everything sent will run by itself."""
        return self._dispatch is not None and self._dispatch.finished

    @property
    def has_pending(self) -> bool:
        """Whether tests are still to be sent or running."""
        if self._dispatch is None:
            return False
        return bool(self._dispatch.pending) or any(seat.queue for seat in self._dispatch.seats.values())

    # What xdist tells

    def add_node(self, node: "WorkerController") -> None:
        """A worker is ready to collect."""
        self._nodes.append(node)
        self._awaited = max(self._awaited - 1, 0)

    def add_node_collection(self, node: "WorkerController", collection: Sequence[str]) -> None:
        """A worker has collected its tests."""
        self._collections[node] = ids = list(unique(collection))
        self._indices[node] = {test: index for index, test in enumerate(ids)}
        self._collected += 1
        if self._dispatch is not None:
            self._join_late(node)

    def schedule(self) -> None:
        """Everybody has collected, or a worker joined late: hand out work."""
        if self._dispatch is None:
            self._dispatch = self._begin()
            self.began = time.perf_counter()
        self._carry_out(self._dispatch.advance())

    def mark_test_complete(self, node: "WorkerController", item_index: int, duration: float = 0) -> None:
        """A worker has run a test, or reached a pause."""
        test = self._collections[node][item_index] if item_index >= 0 else None
        if test is not None:
            self._last_done[node] = item_index
            self.started.discard(plain(test))
        sendings = self._begun.done(node, test, duration)
        if sendings or self._begun.seats[node].quiet:
            self._carry_out(sendings)

    def mark_test_pending(self, item: str) -> None:
        """Run a test again that was lost with its worker."""
        self._begun.put_back([self._jobs[NodeId(item)]])
        self._carry_out(self._begun.advance())

    def remove_pending_tests_from_node(self, node: "WorkerController", indices: Sequence[int]) -> None:
        """Never called for a reason of xdist's, since we never steal; used to wake us up."""

    def remove_node(self, node: "WorkerController") -> str | None:
        """A worker ended or died. Returns the test that it was running."""
        if node not in self._nodes:
            raise KeyError(node)  # xdist expects this of a worker that never got ready
        self._nodes.remove(node)
        if self._dispatch is None or node not in self._dispatch.seats:
            self._awaited += 1  # it died early, and xdist replaces it
            return None
        seat = self._dispatch.seats[node]
        self._awaited += bool(seat.queue) or not seat.closing
        culprit, _ = self._dispatch.lose(node, lambda job: plain(job.test) in self.started)
        self._carry_out(self._dispatch.advance())
        if culprit is None:
            return None
        self.started.discard(plain(culprit.test))
        self.kills[culprit.test] = self.kills.get(culprit.test, 0) + 1
        return str(culprit.test)

    # How it is done

    @property
    def _begun(self) -> Dispatch:
        if self._dispatch is None:
            raise RuntimeError("xdist tells of tests before everybody has collected")
        return self._dispatch

    def _begin(self) -> Dispatch:
        present = [node for node in self._nodes if node in self._collections]
        lists = {node.gateway.id: self._collections[node] for node in present}
        tests, apart = join_collections(lists)
        self.differences = describe_differences(lists)
        for line in self.differences:
            self._say(line)
        special = self._traits(list(lists))
        traits = (special.get(plain(test)) or Traits(test=plain(test)) for test in tests)
        jobs = make_jobs(traits, self._experience)
        named = [_renamed(job, test) for job, test in zip(jobs, tests, strict=True)]
        self._jobs = {job.test: job for job in named}
        largest = self.config.getoption("maxschedchunk", None)
        ordered = self._arrange(named)
        load = weigh(ordered, len(present), self._ceiling)
        if load.beyond:
            self._say(
                f"toolkit: beyond the memory ceiling even alone, so run alone: {_some(sorted(load.beyond))}"
            )
        self._foresee(ordered, len(present))
        dispatch = Dispatch(
            ordered, overtake=self._overtake, apart=apart, largest_batch=largest or None, load=load
        )
        for node in present:
            dispatch.join(node, self._indices[node].keys() if apart else None)
        return dispatch

    def _foresee(self, jobs: Sequence[Job], workers: int) -> None:
        """Say how long it will take, where most of the tests have been measured."""
        if sum(job.known for job in jobs) * 2 > len(jobs):
            self.estimate = makespan(jobs, workers, overtake=self._overtake)
            self._say(f"toolkit: {len(jobs)} tests on {workers} workers, about {self.estimate:.1f} s")

    def _join_late(self, node: "WorkerController") -> None:
        mine = self._indices[node].keys()
        same = mine >= self._jobs.keys()
        if not same:
            missing = [test for test in self._jobs if test not in mine]
            line = f"{node.gateway.id} joined late without {_some(missing)}"
            self.differences.append(line)
            self._say(line)
        self._begun.join(node, None if same else mine)

    def _carry_out(self, sendings: Iterable[Sending]) -> None:
        for sending in sendings:
            self._send(sending)
        everybody = not self._awaited and len(self._begun.seats) == len(self._nodes)
        if everybody and self._begun.stuck:
            self._give_up(self._begun)

    def _send(self, sending: Sending) -> None:
        node: Any = sending.worker
        indices = [self._indices[node][job.test] for job in sending.jobs]
        if sending.pause:
            indices.append(self._pause_index(node, indices))
        if indices:
            with contextlib.suppress(
                OSError
            ):  # it has just ended (-x, a crash): xdist is about to tell us so
                node.send_runtest_some(indices)
        if sending.close:
            node.shutdown()

    def _pause_index(self, node: "WorkerController", indices: Sequence[int]) -> int:
        """Choose the test that a pause names: of the same file as the last one, so that its fixtures live on.

        Best is one that this worker has run: a tear-down that fails during the pause is reported for it.
        """
        ids = self._collections[node]
        held = [job for job in self._begun.seats[node].queue if job is not None]
        last = indices[-1] if indices else self._indices[node][held[-1].test]
        file = ids[last].partition("::")[0]
        done = [self._last_done[node]] if node in self._last_done else []
        near = [index for index in (*done, last + 1, last - 1) if 0 <= index < len(ids) and index != last]
        same = [index for index in near if ids[index].partition("::")[0] == file]
        return (same or near or [last])[0] - len(ids)

    def _give_up(self, dispatch: Dispatch) -> None:
        stranded = dispatch.strand()
        for job in stranded:
            self.unrunnable.append(plain(job.test))
            self._report_unrunnable(plain(job.test))
        if stranded:
            self._carry_out(dispatch.advance())

    def _report_unrunnable(self, test: NodeId) -> None:
        path = test.partition("::")[0]
        report = pytest.TestReport(
            nodeid=test,
            location=(path, None, path),
            keywords={},
            outcome="failed",
            longrepr=f"not run: the only worker that collected {test} is gone",
            when="setup",
        )
        self.config.hook.pytest_runtest_logreport(report=report)


def unique(ids: Iterable[str]) -> Iterable[NodeId]:
    """Tell apart tests that were collected twice under one id (``--keep-duplicates``)."""
    seen: dict[str, int] = {}
    for test in ids:
        times = seen[test] = seen.get(test, 0) + 1
        yield NodeId(test if times == 1 else f"{test}\0{times}")


def plain(test: str) -> NodeId:
    """Undo :func:`unique`."""
    return node_id(test.partition("\0")[0])


def _renamed(job: Job, test: NodeId) -> Job:
    return job if job.test == test else msgspec.structs.replace(job, test=test)


def join_collections(lists: Mapping[str, Sequence[NodeId]]) -> tuple[list[NodeId], dict[NodeId, str]]:
    """Join what several workers collected.

    Returns:
        Every test once, in the order of the first worker, then what only others know; and for each test
        that not all know, who knows it. Empty when all know the same.
    """
    first, *others = lists.values() if lists else ([],)
    if all(other == first for other in others):
        return list(first), {}
    tests = list(dict.fromkeys(test for ids in lists.values() for test in ids))
    sets = {worker: frozenset(ids) for worker, ids in lists.items()}
    if all(len(ids) == len(tests) for ids in sets.values()):
        return tests, {}
    apart: dict[NodeId, str] = {}
    for test in tests:
        knowing = [worker for worker, ids in sets.items() if test in ids]
        if len(knowing) < len(sets):
            apart[test] = " ".join(knowing)
    return tests, apart


def describe_differences(lists: Mapping[str, Sequence[NodeId]]) -> list[str]:
    """Say which tests only some workers collected, and what to do about it; nothing when all agree."""
    _, apart = join_collections(lists)
    if not apart:
        return []
    by_workers: dict[str, list[str]] = {}
    for test, workers in apart.items():
        by_workers.setdefault(workers, []).append(test)
    lines = [f"workers collected different tests: {len(apart)} are not known to all; each still runs once"]
    lines += [f"  only {workers}: {_some(tests)}" for workers, tests in by_workers.items()]
    lines.append(
        "  usual causes: parameters from a set, from the clock or at random; give them a fixed order and ids"
    )
    return lines


def _some(tests: Sequence[str]) -> str:
    shown = ", ".join(tests[:SHOWN])
    more = f" and {len(tests) - SHOWN} more" if len(tests) > SHOWN else ""
    return f"{shown}{more}"
