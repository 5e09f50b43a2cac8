"""Measuring blocks of code, nested as one likes, with their threads and child processes.

Exact: wall time, CPU time, the peak of resident memory (the kernel keeps it), I/O, children that were
waited for. Sampled every :data:`PERIOD` seconds: how many threads and descendants there are, and the memory
of the descendants; what is shorter may be missed.
"""

import contextlib
import os
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from toolkit.performance import processes
from toolkit.performance.budgets import as_budget
from toolkit.performance.usage import Usage

PERIOD = 0.02


class Block:
    """One block: what it used is known when it has ended."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.usage: Usage | None = None
        self.carried = 0
        """Bytes: peak before a block inside of this one set it back."""
        self.most_threads = self.most_processes = self.most_memory = 0
        self.children: dict[int, float] = {}
        """Descendant → CPU seconds as seen last."""
        self.threads_before = 0
        self.children_before: dict[int, float] = {}

    def sample(self, found: processes.Descendants, threads: int) -> None:
        """Take note of what is seen at one moment."""
        self.most_threads = max(self.most_threads, threads)
        self.most_processes = max(self.most_processes, len(found.cpu))
        self.most_memory = max(self.most_memory, found.memory)
        self.children.update(found.cpu)


class Tracker:
    """Measures blocks of this process. One at a time per thread may begin; they may be nested.

    Args:
        fold: told of the process's peak of memory each time before it is set back, so that others who measure
            it know.
    """

    def __init__(self, fold: Callable[[int], None] = lambda _peak: None) -> None:
        self.blocks: list[Block] = []
        """Those that have ended, in the order of their end."""
        self._open: list[Block] = []
        self._fold = fold
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._sampler: threading.Thread | None = None

    @contextlib.contextmanager
    def block(
        self, name: str = "block", *, traced: bool | int | str = False, **budget: Any
    ) -> Iterator[Block]:
        """Measure a block, and claim that it stays within a budget.

        Args:
            name: for the record.
            traced: whether the memory of Python's objects is followed (tracemalloc: several times slower); a
                size, such as "20m", is a limit, too.
            budget: ``wall``, ``cpu``, ``memory``, ``read``, ``written``, ``threads``,
                ``processes``: see :class:`toolkit.performance.budgets.Budget`.

        Raises:
            AssertionError: names every limit that was passed, with what was used.
        """
        __tracebackhide__ = True
        limits = as_budget(**budget, traced=None if isinstance(traced, bool) else traced)
        block = Block(name)
        self._reset_peak()
        start_memory = self._begin(block)
        objects = _start_tracing() if traced is not False else None
        start = _counters()
        try:
            yield block
        finally:
            end = _counters()
            traced_peak = objects() if objects is not None else None
            block.usage = usage = self._end(block, start, end, start_memory=start_memory, traced=traced_peak)
        lines = limits.exceeded(usage, start_memory=start_memory)
        if lines:
            raise AssertionError("\n".join([f"{name}: over its budget", *(f"  {line}" for line in lines)]))

    def _reset_peak(self) -> None:
        """Set the peak back, and note it for all who measure around us."""
        highest = processes.peak()
        self._fold(highest)
        for each in self._open:
            each.carried = max(each.carried, highest)
        processes.forget_peak()

    def _begin(self, block: Block) -> int:
        if self._sampler is None:
            self._sampler = threading.Thread(target=self._sample, name="toolkit-performance", daemon=True)
            self._sampler.start()
        found = processes.descendants()
        with self._lock:
            block.threads_before, block.children_before = self._threads(), dict(found.cpu)
            self._open.append(block)
        return processes.resident()

    def _threads(self) -> int:
        return processes.threads() - 1  # our own does not count

    def _sample(self) -> None:
        while not self._over.wait(PERIOD):
            if self._open:
                self._look()

    def _look(self) -> processes.Descendants:
        found, threads = processes.descendants(), self._threads()
        with self._lock:
            for block in self._open:
                block.sample(found, threads)
        return found

    def _end(
        self, block: Block, start: "Counters", end: "Counters", *, start_memory: int, traced: int | None
    ) -> Usage:
        highest = max(processes.peak(), block.carried)
        now = self._look()
        with self._lock:
            self._open.remove(block)
        self.blocks.append(block)
        before = block.children_before
        return Usage(
            wall=end.wall - start.wall,
            cpu=end.cpu - start.cpu,
            children_cpu=end.waited - start.waited + _running_cpu(now.cpu, before),
            peak_memory=highest,
            memory=processes.resident() - start_memory,
            children_memory=block.most_memory,
            traced=traced,
            read=end.read - start.read,
            written=end.written - start.written,
            threads=max(0, block.most_threads - block.threads_before),
            processes=block.most_processes,
        )

    def close(self) -> None:
        """End the sampling."""
        self._over.set()
        if self._sampler is not None:
            self._sampler.join()


class Counters(NamedTuple):
    """What only grows."""

    wall: float
    cpu: float
    waited: float
    """CPU seconds of children that were waited for, and theirs."""
    read: int
    written: int


def _counters() -> Counters:
    times = os.times()
    read, written = processes.io()
    waited = times.children_user + times.children_system
    return Counters(time.perf_counter(), time.process_time(), waited, read, written)


def _running_cpu(now: Mapping[int, float], before: Mapping[int, float]) -> float:
    """Return the CPU seconds of descendants that still run; those that were waited for count elsewhere.

    What one that ran before had used then is taken off, also when it was waited for meanwhile.
    """
    still = sum(max(0.0, used - before.get(pid, 0.0)) for pid, used in now.items())
    ended = sum(used for pid, used in before.items() if pid not in now)
    return still - ended


def _start_tracing() -> Callable[[], int]:
    """Follow the memory of Python's objects; return what tells the highest growth, and stops."""
    ours = not tracemalloc.is_tracing()
    if ours:
        tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    tracemalloc.reset_peak()

    def finish() -> int:
        highest = tracemalloc.get_traced_memory()[1] - before
        if ours:
            tracemalloc.stop()
        return max(0, highest)

    return finish
