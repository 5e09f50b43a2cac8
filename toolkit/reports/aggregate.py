"""Files and runs → one Summary. Counts are complete; what is kept besides has limits.

Memory does not grow with the number of files: a part keeps names and texts only as long as they are among
what the summary will show. Large inputs are read by several processes.
"""

import heapq
import multiprocessing
import os
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

from msgspec.structs import replace

from toolkit.records import RunRecord
from toolkit.reports.counting import count_file, count_run
from toolkit.reports.finding import OTHER_KINDS, Found, find_reports
from toolkit.reports.summary import Counts, Limits, Part, Slow, Summary, Unread

LARGE = 16 * 1024 * 1024
"""Bytes of input from which on several processes read, and good tests are counted but not listed."""
_BATCH = 2 * 1024 * 1024
_NOTABLE = 1_000


def aggregate(
    paths: Iterable[Path],
    *,
    created: float,
    limits: Limits | None = None,
    jobs: int | None = None,
    title: str = "",
    progress: Callable[[int, int], None] | None = None,
) -> Summary:
    """Count all JUnit files in the paths.

    Args:
        paths: files, or folders to search.
        created: Unix seconds, for the reports.
        limits: how much to keep besides the counts.
        jobs: processes; None: all cores for more than 16 MB of input, else this process only.
        title: heading of the reports.
        progress: called after each batch with the files read so far and all files.
    """
    found = find_reports(paths)
    limits = limits or Limits()
    if found.size > LARGE:
        limits = replace(limits, rows=min(limits.rows, _NOTABLE), good=False)
    draft = _Draft(limits)
    if jobs is None:
        jobs = min(os.cpu_count() or 1, len(found.files)) if found.size > LARGE else 1
    parts = _serially(found.files, draft) if jobs <= 1 else _in_processes(found.files, draft, jobs)
    for number, part in enumerate(parts, start=1):
        draft.add(part, ignorable=Path(part.source) in found.from_folders)
        if progress is not None:
            progress(number, len(found.files))
    return draft.summary(found, created=created, title=title)


def summarise(
    runs: Sequence[RunRecord], *, created: float, limits: Limits | None = None, title: str = ""
) -> Summary:
    """Count all tests of some runs; the arguments are those of :func:`aggregate`."""
    draft = _Draft(limits or Limits())
    for run in runs:
        draft.add(count_run(run, draft.rest()))
    return draft.summary(None, created=created, title=title)


class _Draft:
    """A summary while its parts come in."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.counts = Counts()
        self.parts: list[Part] = []
        self.bad: list[Unread] = []
        self.ignored: list[Unread] = []
        self.kept = Part(source="")
        self.missing = 0

    @property
    def floor(self) -> float:
        """Seconds that the least of the slowest took."""
        slowest = self.kept.slowest
        return slowest[0].duration if len(slowest) >= self.limits.slowest else 0.0

    def rest(self) -> Limits:
        """What may still be kept."""
        return self.limits.without(self.kept)

    def add(self, part: Part, *, ignorable: bool = False) -> None:
        """Take a part; keep of it what is worth it."""
        if part.bad is not None:
            other = ignorable and any(f"the root element is <{kind}>" in part.bad for kind in OTHER_KINDS)
            (self.ignored if other else self.bad).append(Unread(path=part.source, reason=part.bad))
            return
        rest = self.rest()
        for row in part.rows[: rest.rows]:
            row.source = len(self.parts)
            self.kept.rows.append(row)
        self.kept.details += part.details[: rest.details]
        for slow in part.slowest:
            self._slow(slow)
        self.counts.include(part.counts)
        self.missing += part.missing
        self.parts.append(Part(source=part.source, counts=part.counts, missing=part.missing, run=part.run))

    def _slow(self, slow: Slow) -> None:
        heapq.heappush(self.kept.slowest, slow)
        if len(self.kept.slowest) > self.limits.slowest:
            heapq.heappop(self.kept.slowest)

    def summary(self, found: Found | None, *, created: float, title: str) -> Summary:
        """Return the whole."""
        return Summary(
            counts=self.counts,
            parts=self.parts,
            rows=self.kept.rows,
            details=sorted(self.kept.details, key=lambda detail: detail.flaky),
            slowest=_each_once(sorted(self.kept.slowest, reverse=True)),
            bad_files=[*(found.bad if found else ()), *self.bad],
            ignored_files=self.ignored,
            missing=self.missing,
            created=created,
            title=title,
        )


def _each_once(slowest: list[Slow]) -> list[Slow]:
    """Drop what is there again since a later element told of more attempts."""
    return list({(slow.source, slow.test): slow for slow in reversed(slowest)}.values())[::-1]


def _serially(files: Iterable[Path], draft: _Draft) -> Iterator[Part]:
    for path in files:
        yield count_file(path, draft.rest(), floor=draft.floor)


def count_batch(paths: Sequence[Path], limits: Limits, floor: float) -> list[Part]:
    """Count some files in a process of the pool; what one file used up, the next may not keep."""
    parts = []
    for path in paths:
        part = count_file(path, limits, floor=floor)
        parts.append(part)
        limits = limits.without(part)
        if len(part.slowest) >= limits.slowest:
            floor = max(floor, part.slowest[0].duration)
    return parts


def _in_processes(files: Sequence[Path], draft: _Draft, jobs: int) -> Iterator[Part]:
    """Yield the parts in order; at most a few batches are under way, so that little waits in memory."""
    batches = deque(_batches(files))
    waiting: deque[tuple[list[Path], Future[list[Part]]]] = deque()
    with ProcessPoolExecutor(jobs, mp_context=_context()) as pool:
        try:
            while batches or waiting:
                while batches and len(waiting) < 2 * jobs:
                    batch = batches.popleft()
                    waiting.append((batch, pool.submit(count_batch, batch, draft.rest(), draft.floor)))
                batch, future = waiting.popleft()
                yield from future.result()
        except BrokenProcessPool:  # somebody killed a process: nothing may be missing
            left = [*batch, *(path for late, _ in waiting for path in late), *(p for b in batches for p in b)]
            yield from _serially(left, draft)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _batches(files: Iterable[Path]) -> Iterator[list[Path]]:
    batch: list[Path] = []
    size = 0
    for path in files:
        batch.append(path)
        size += path.stat().st_size if path.is_file() else 0
        if size >= _BATCH:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _context() -> multiprocessing.context.BaseContext:
    """Fork where it is safe, since it starts at once; else begin with a fresh interpreter."""
    forks = sys.platform == "linux" and threading.active_count() == 1
    return multiprocessing.get_context("fork" if forks else "spawn")
