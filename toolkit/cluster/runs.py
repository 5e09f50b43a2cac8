"""Who runs what: hands out batches, survives lost machines, cut-off machines and lost schedulers.

A test counts when the first answer that contains its result arrives; whatever comes later for it is dropped.
So nothing is counted twice, however often a batch ran. A batch that is not answered is sent again: by Dask
when it notices that a machine is gone, by us when the scheduler lost it or when it takes far too long.
"""

import contextlib
import itertools
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from statistics import median
from typing import Any

import msgspec

from toolkit.cluster.batches import (
    Answer,
    Batch,
    describe_machine,
    journal_lines,
    run_batch,
    same_everywhere,
)
from toolkit.cluster.sameness import Sameness
from toolkit.errors import EnvironmentFailed, MissingExtra
from toolkit.records import Attempt, NodeId, TestBegun
from toolkit.scheduling.dispatch import Dispatch
from toolkit.scheduling.jobs import Job
from toolkit.scheduling.seats import PAUSE, Pacing
from toolkit.scheduling.seats import Order as Sending

PACING = Pacing(batch=20.0, least=1.0, share=1 / 3, holds=False)
"""A process per batch costs about a second: at least a second of tests in each, less towards the end."""

PATIENCE = 120.0
"""Seconds to wait for a scheduler or a first machine."""

LATE_FACTOR = 4.0
LATE_SECONDS = 20.0
"""A batch that takes this many times its expected time, and so many seconds more, is sent once more."""

SECOND_KILL = 2
EMPTY_ANSWERS = 3


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """How batches run.

    Attributes:
        address: of Dask's scheduler, ``tcp://host:8786``.
        root: the project's folder on every machine.
        arguments: of pytest.
        environ: variables for the tests.
        sameness: code and environment here.
    """

    address: str
    root: str
    arguments: tuple[str, ...]
    environ: dict[str, str]
    sameness: Sameness
    patience: float = PATIENCE
    pacing: Pacing = PACING


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What one answered batch adds to the run: only tests that had no result before.

    Attributes:
        machine: who ran them.
        attempts: in order.
        reports: the lines of all reports of the batch.
        tests: the tests that count.
        crashed: the test that killed its process, when it is not tried again.
        output: of the process, when something went wrong.
    """

    machine: str
    attempts: tuple[Attempt, ...]
    reports: bytes
    tests: frozenset[NodeId]
    crashed: NodeId | None = None
    output: str = ""


class _Sent(msgspec.Struct, kw_only=True):
    slot: int
    jobs: tuple[Job, ...]
    pause: bool
    future: Any
    at: float
    copies: int = 1


class ClusterRun:
    """One run on a cluster. Iterate :meth:`results`.

    Args:
        jobs: in the wanted order.
        settings: how batches run.
        say: tells the user what happened.
    """

    def __init__(
        self, jobs: Sequence[Job], settings: Settings, *, say: Callable[[str], None] = lambda _line: None
    ) -> None:
        self._settings = settings
        self._say = say
        self._dispatch = Dispatch(jobs, pacing=settings.pacing)
        self._client: Any = None
        self._sent: dict[int, _Sent] = {}
        self._waiting: list[Sending] = []
        self._done: set[NodeId] = set()
        self._kills: dict[NodeId, int] = {}
        self._numbers = itertools.count()
        self._empty = 0
        self._costs: deque[float] = deque(maxlen=9)

    def results(self) -> Generator[Result, None, None]:
        """Run everything and yield what each batch adds.

        Raises:
            EnvironmentFailed: no scheduler or machine could be reached, or a machine differs.
            MissingExtra: Dask distributed is not installed.
        """
        self._connect()
        try:
            for slot in range(self._slots()):
                self._dispatch.join(slot)
            self._submit_all(self._dispatch.advance())
            while self._sent:
                yield from self._collect()
        finally:
            self._disconnect()

    # The connection

    def _connect(self) -> None:
        distributed = _distributed()
        until = time.monotonic() + self._settings.patience
        while True:
            try:
                self._client = distributed.Client(
                    self._settings.address, timeout=5, set_as_default=False, name="toolkit"
                )
                self._client.wait_for_workers(1, timeout=max(until - time.monotonic(), 1))
                break
            except (OSError, TimeoutError) as error:
                self._disconnect()
                if time.monotonic() > until:
                    raise EnvironmentFailed(
                        f"cluster {self._settings.address}: no scheduler with a machine answered within "
                        f"{self._settings.patience:.0f} s: {error}",
                        hint="dask scheduler; and on each machine: dask worker ADDRESS --nthreads 1",
                    ) from error
                time.sleep(0.5)
        self._require_sameness()

    def _disconnect(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            for sent in self._sent.values():
                if sent.future is not None:
                    sent.future.cancel(force=True)
            client.close(timeout=5)

    def _require_sameness(self) -> None:
        found: Mapping[str, Any] = self._client.run(describe_machine, self._settings.root, on_error="return")
        broken = {name: value for name, value in found.items() if isinstance(value, BaseException)}
        machines = {name: value for name, value in found.items() if name not in broken}
        lines = same_everywhere(self._settings.sameness, machines)
        lines += [f"{name}: {type(value).__name__}: {value}" for name, value in broken.items()]
        if lines:
            raise EnvironmentFailed(
                "code or environment differ on the cluster:\n  " + "\n  ".join(lines[:20]),
                hint="bring the checkouts and packages of all machines to the same state",
            )

    def _slots(self) -> int:
        return max(sum(map(int, self._client.nthreads().values())), 1)

    # Batches

    def _submit_all(self, sendings: Sequence[Sending]) -> None:
        for sending in sendings:
            if sending.jobs:
                number = next(self._numbers)
                slot: Any = sending.worker
                self._sent[number] = sent = _Sent(
                    slot=slot, jobs=sending.jobs, pause=sending.pause, future=None, at=0.0
                )
                self._submit(sent)
            elif sending.pause:
                self._submit_all(self._dispatch.done(sending.worker, PAUSE, 0.0))

    def _submit(self, sent: _Sent) -> None:
        settings = self._settings
        batch = Batch(
            tests=tuple(job.test for job in sent.jobs),
            root=settings.root,
            arguments=settings.arguments,
            environ=settings.environ,
            sameness=settings.sameness.digest,
        )
        sent.at = time.monotonic()
        sent.future = self._client.submit(run_batch, batch, pure=False)

    def _collect(self) -> Iterator[Result]:
        """Wait for some answers and deal with them."""
        distributed = _distributed()
        futures = [sent.future for sent in self._sent.values()]
        quiet = contextlib.suppress(TimeoutError, OSError, distributed.client.CancelledError)
        with quiet, self._client.as_current():
            distributed.wait(futures, timeout=1.0, return_when="FIRST_COMPLETED")
        if self._client.status not in {"running", "newly-created"}:
            self._reconnect()
            return
        for number, sent in list(self._sent.items()):
            status = sent.future.status
            if status in {"finished", "error"}:
                try:
                    failure = sent.future.exception()
                    answer = None if failure else sent.future.result()
                except (OSError, TimeoutError, distributed.client.CancelledError):
                    return  # the scheduler has just gone: the next look will tell
                del self._sent[number]
                yield from self._take(sent, answer) if answer else self._failed(sent, failure)
            elif status in {"cancelled", "lost"}:
                self._submit(sent)
            else:
                self._hurry(sent)

    def _reconnect(self) -> None:
        self._say(f"the cluster's scheduler {self._settings.address} is gone; waiting for it")
        lost, self._client = self._client, None
        with contextlib.suppress(OSError, TimeoutError):  # it tells a scheduler that is no longer there
            lost.close(timeout=5)
        self._connect()
        self._say(f"connected again; {len(self._sent)} batches are sent once more")
        for sent in self._sent.values():
            self._submit(sent)

    def _hurry(self, sent: _Sent) -> None:
        """Send a batch once more whose machine is probably cut off; the first answer counts."""
        expected = sum(job.duration for job in sent.jobs)
        late = LATE_FACTOR * expected * sent.copies + LATE_SECONDS * sent.copies
        if time.monotonic() - sent.at > late and len(self._sent) < self._slots():
            self._say(f"a batch of {len(sent.jobs)} tests is late; it is sent to another machine as well")
            sent.copies += 1
            sent.future.release()
            self._submit(sent)

    def _take(self, sent: _Sent, answer: Answer) -> Iterator[Result]:
        if answer.differs is not None:
            lines = same_everywhere(self._settings.sameness, {answer.machine: answer.differs})
            raise EnvironmentFailed("a machine that joined the cluster differs:\n  " + "\n  ".join(lines))
        wanted = {job.test for job in sent.jobs} - self._done
        records = journal_lines(answer)
        attempts = [line for line in records if isinstance(line, Attempt) and line.test in wanted]
        finished = frozenset(attempt.test for attempt in attempts)
        culprit = _running(answer) if answer.code < 0 or finished < wanted else None
        crashed = self._judge(culprit) if culprit in wanted - finished else None
        if wanted and not finished and culprit is None:
            self._nothing_ran(answer)
        self._note_cost(answer.seconds - sum(attempt.duration for attempt in attempts))
        self._done |= finished | ({crashed} if crashed else set())
        again = [job for job in sent.jobs if job.test not in self._done]
        yield Result(
            machine=answer.machine,
            attempts=tuple(attempts),
            reports=answer.reports,
            tests=finished,
            crashed=crashed,
            output=answer.output if again or crashed else "",
        )
        self._finish(sent, again, {attempt.test: attempt.duration for attempt in attempts})

    def _note_cost(self, seconds: float) -> None:
        """A batch shall not be shorter than what its process costs, of late, beside the tests."""
        self._costs.append(seconds)
        self._dispatch.send_at_least(max(self._settings.pacing.least, median(self._costs)))

    def _nothing_ran(self, answer: Answer) -> None:
        """A batch without any result: once or twice it may be the machine, then it is the project."""
        self._empty += 1
        what = f"{answer.machine}: pytest ended with exit code {answer.code} and ran nothing"
        if self._empty >= EMPTY_ANSWERS:
            raise EnvironmentFailed(f"{what}:\n{answer.output}")
        self._say(f"{what}; its tests are sent again")

    def _judge(self, culprit: NodeId | None) -> NodeId | None:
        """Count a test that killed its process; after the second time it has crashed for good."""
        if culprit is None:
            return None
        kills = self._kills[culprit] = self._kills.get(culprit, 0) + 1
        self._say(f"{culprit} killed its process ({kills})")
        return culprit if kills >= SECOND_KILL else None

    def _failed(self, sent: _Sent, error: BaseException) -> Iterator[Result]:
        """Dask gave a batch up: it killed several machines. Halve it until the one test is found."""
        if len(sent.jobs) == 1:
            test = sent.jobs[0].test
            self._done.add(test)
            yield Result(
                machine="?", attempts=(), reports=b"", tests=frozenset(), crashed=test, output=str(error)
            )
            self._finish(sent, [], {})
            return
        self._say(f"a batch of {len(sent.jobs)} tests failed on the cluster ({error}); it is split")
        middle = len(sent.jobs) // 2
        for part, pause in ((sent.jobs[:middle], False), (sent.jobs[middle:], sent.pause)):
            half = _Sent(slot=sent.slot, jobs=part, pause=pause, future=None, at=0.0)
            self._sent[next(self._numbers)] = half
            self._submit(half)

    def _finish(self, sent: _Sent, again: Sequence[Job], seconds: Mapping[NodeId, float]) -> None:
        finished: list[tuple[NodeId | None, float]] = [
            (job.test, seconds.get(job.test, job.duration)) for job in sent.jobs
        ]
        self._dispatch.put_back(again)
        if sent.pause:
            finished.append((PAUSE, 0.0))
        orders = self._dispatch.all_done(sent.slot, finished)
        if again:
            self._reopen()
            orders = [*orders, *self._dispatch.advance()]
        self._submit_all(orders)

    def _reopen(self) -> None:
        """Work came back when some slots were told to end: they are only numbers, so new ones take over."""
        if all(seat.closing for seat in self._dispatch.seats.values()):
            self._dispatch.join(f"again {next(self._numbers)}")


def _running(answer: Answer) -> NodeId | None:
    """Return the test that was begun and did not end."""
    begun: NodeId | None = None
    for line in journal_lines(answer):
        if isinstance(line, TestBegun):
            begun = line.test
        elif isinstance(line, Attempt) and line.test == begun:
            begun = None
    return begun


def _distributed() -> Any:
    try:
        import distributed
    except ImportError as error:
        raise MissingExtra("a run on a cluster", extra="cluster", package="distributed") from error
    return distributed
