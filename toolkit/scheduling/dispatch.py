"""Who runs what now: locks, serial tests, batches, crashed workers.

The dispatcher knows nothing of xdist. It is told what happened (a worker is ready, a job is done, a worker
is gone) and answers with what to send to whom. A worker is a queue, and one rule of xdist shapes everything:
**a worker starts a test only when it knows the next one** (pytest tears fixtures down with the next test in
mind). So the last job of a queue is *held* until something follows it: another job, a *pause*
(:data:`toolkit.scheduling.seats.PAUSE`: "run what you hold, then wait") or the end.

Locks are taken when a job is sent and given back when it is done, so no worker ever waits for a lock while
it holds another: there is no deadlock to detect.
"""

from collections import deque
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet

import msgspec

from toolkit.records import NodeId
from toolkit.scheduling.ceiling import Load, put_alone
from toolkit.scheduling.jobs import Job
from toolkit.scheduling.pool import Pool
from toolkit.scheduling.seats import PAUSE, Order, Pacing, Seat
from toolkit.scheduling.units import Unit

NEAR_IDLE_SECONDS = 0.05
"""A worker with at most this much to do may take a lock; with more, it first finishes what it has."""

DEEP = 3
"""Jobs in the queue of a worker that need not wait for a message: one runs, one follows, one is held."""


class Dispatch:
    """The state of a run on several workers.

    Args:
        jobs: everything that shall run, in the wanted order.
        overtake: whether long jobs may leave the order.
        apart: jobs with different values here are known to different workers.
        largest_batch: at most so many jobs in one message; None: no limit.
        load: which jobs are heavy; None: none.
        pacing: how much work is sent ahead.
    """

    def __init__(
        self,
        jobs: Sequence[Job],
        *,
        overtake: bool = True,
        apart: Mapping[NodeId, str] | None = None,
        largest_batch: int | None = None,
        load: Load | None = None,
        pacing: Pacing | None = None,
    ) -> None:
        self._heavy = load or Load()
        self._pacing = pacing or Pacing()
        jobs = put_alone(jobs, self._heavy)
        apart = {**(apart or {}), **{test: f" {test}" for test in self._heavy.weights if not apart}}
        self.pool = Pool([job for job in jobs if not job.serial], overtake=overtake, apart=apart)
        self.serial: deque[Job] = deque(job for job in jobs if job.serial)
        self.seats: dict[Hashable, Seat] = {}
        self._largest_batch = largest_batch or max(len(jobs), 1)
        self._owners: dict[str, Seat] = {}
        self._measured = any(job.known for job in jobs)
        self._ratio = 1.0 if self._measured else None
        self._drained = False
        self._soloist: Seat | None = None

    @property
    def pending(self) -> int:
        """Jobs that were not sent to any worker."""
        return len(self.pool) + len(self.serial)

    @property
    def finished(self) -> bool:
        """Whether nothing is left to send, and every worker runs to its end by itself."""
        if self.pool.count or self.serial:  # asked after every report of every test: no detours
            return False
        return all(seat.closing or not seat.queue for seat in self.seats.values())

    @property
    def stuck(self) -> bool:
        """Whether jobs are pending and no present worker runs anything."""
        return bool(self.pending) and all(seat.quiet for seat in self.seats.values())

    def join(self, worker: Hashable, knows: AbstractSet[NodeId] | None = None) -> None:
        """A worker is ready. Call :meth:`advance` afterwards."""
        self.seats[worker] = Seat(worker, knows)

    def done(self, worker: Hashable, test: NodeId | None, seconds: float) -> list[Order]:
        """A worker finished a job (None: a pause). Returns what to send now."""
        return self.all_done(worker, [(test, seconds)])

    def all_done(self, worker: Hashable, finished: Iterable[tuple[NodeId | None, float]]) -> list[Order]:
        """A worker finished several jobs: each with its seconds. Returns what to send now."""
        seat = self.seats[worker]
        freed = False
        for test, seconds in finished:
            job = next(item for item in seat.queue if (None if item is None else item.test) == test)
            seat.queue.remove(job)
            if job is not None:
                seat.load = seat.load - job.duration if seat.has_work else 0.0  # no rounding error stays
                self._learn(job, seconds)
                freed |= job.test in self._heavy.weights
        freed |= self._unlock(seat) | self._end_solo(seat)
        if seat.stocked and self.pool.count and not freed:
            return []
        wait_for_quiet = not self.pool and self.serial
        return self._orders(self._by_load() if freed or wait_for_quiet else [seat])

    def lose(
        self, worker: Hashable, started: Callable[[Job], bool] = lambda _job: True
    ) -> tuple[Job | None, list[Job]]:
        """A worker is gone. Call :meth:`advance` afterwards.

        Args:
            worker: which one.
            started: whether a job that it was told to run was seen to start.

        Returns:
            The job that it was running (not pending any more) and those that will run elsewhere.
        """
        seat = self.seats.pop(worker)
        culprit = seat.queue[0] if seat.running else None
        if culprit is not None and not started(culprit):
            culprit = None
        rest = [job for job in seat.queue if job is not None and job is not culprit]
        seat.queue.clear()
        self._end_solo(seat)
        for name in seat.locks:
            del self._owners[name]
        self._leave_unit(seat)
        self.put_back(rest)
        return culprit, rest

    def put_back(self, jobs: Iterable[Job]) -> None:
        """Make jobs pending again; they come first."""
        jobs = list(jobs)
        self.serial.extendleft(reversed([job for job in jobs if job.serial]))
        self.pool.give_back([job for job in jobs if not job.serial])
        self._drained = False

    def strand(self) -> list[Job]:
        """Remove and return the pending jobs that no present worker collected."""
        seats = self._open()
        if any(seat.knows is None for seat in seats):
            return []
        known = frozenset[NodeId]().union(*(seat.knows or () for seat in seats))
        stranded = self.pool.drop([test for test in self.pool.tests() if test not in known])
        stranded += [job for job in self.serial if job.test not in known]
        self.serial = deque(job for job in self.serial if job.test in known)
        return stranded

    def advance(self) -> list[Order]:
        """Return what to send to every worker that could do more."""
        return self._orders(self._by_load())

    def _open(self) -> list[Seat]:
        return [seat for seat in self.seats.values() if not seat.closing]

    def _by_load(self) -> list[Seat]:
        return sorted(self.seats.values(), key=lambda seat: seat.load)

    def _orders(self, seats: Iterable[Seat]) -> list[Order]:
        orders = [self._order(seat) for seat in seats if not seat.closing]
        if not self.pool and not self._drained:
            self._drained = True
            orders += [self._order(seat) for seat in self._open()]
        made = [order for order in orders if order is not None]
        return made or self._insist()

    def _insist(self) -> list[Order]:
        """Nobody runs anything although work is pending: whoever can take some takes it, however little.

        No estimate of time may stop a run for good.
        """
        if not self.stuck or self._soloist is not None:
            return []
        orders = (self._order(seat, insist=True) for seat in self._open())
        order = next((order for order in orders if order is not None), None)
        return [] if order is None else [order]

    def _order(self, seat: Seat, *, insist: bool = False) -> Order | None:
        """Decide what one worker gets now."""
        if self._soloist is not None:
            return None
        jobs: list[Job] = []
        budget = self._budget()
        while self.pool and (insist or not self._busy_enough(seat, budget)):
            batch = self._batch(seat, budget)
            if not batch:
                break
            jobs += batch
            insist = False
        if not self.pool:
            return self._last_order(seat, jobs)
        return self._send(seat, jobs, pause=seat.holds_back)

    def _last_order(self, seat: Seat, jobs: list[Job]) -> Order | None:
        """Only serial jobs are pending: all workers end but one, which runs them when all is quiet."""
        if self._others_can_do_serial(seat):
            return self._send(seat, jobs, close=True)
        others_quiet = all(other.quiet for other in self.seats.values() if other is not seat)
        if others_quiet and seat.quiet and not seat.holds_back:
            mine = [job for job in self.serial if seat.knows is None or job.test in seat.knows]
            self.serial = deque(job for job in self.serial if job not in mine)
            self._enqueue(seat, mine)
            self._soloist = seat if mine else None
            jobs += mine
            if not self.serial:
                return self._send(seat, jobs, close=True)
        return self._send(seat, jobs, pause=bool(seat.queue) and seat.queue[-1] is not PAUSE)

    def _others_can_do_serial(self, seat: Seat) -> bool:
        others = [other for other in self._open() if other is not seat]
        mine = [job.test for job in self.serial if seat.knows is None or job.test in seat.knows]
        return all(any(other.knows is None or test in other.knows for other in others) for test in mine)

    def _batch(self, seat: Seat, budget: float) -> list[Job]:
        """Take jobs out of the pool for one worker: none when nothing fits now."""

        def takes(unit: Unit) -> bool:
            free = all(self._owners.get(name, seat) is seat for name in unit.locks)
            return free and seat.can_run(unit) and self._has_room(seat, unit)

        choice = self.pool.choose(seat.unit, takes, len(self._open()))
        if choice is None:
            return []
        unit, single = choice
        must_wait = unit.locks - seat.locks or self._heavy.of(unit.jobs) is not None
        if must_wait and unit is not seat.unit and seat.load > NEAR_IDLE_SECONDS:
            return []
        if single is None and unit is not seat.unit:
            self._leave_unit(seat)
            seat.unit = unit
        for name in unit.locks:
            self._owners[name] = seat
            seat.locks.add(name)
        batch = [self.pool.take(unit, single, seat)]
        seconds = seat.load + batch[0].duration
        while single is None and unit.jobs and len(batch) < self._largest_batch:
            seconds += unit.jobs[0].duration
            if seconds * self._pace > budget:
                break
            batch.append(self.pool.take(unit, None, seat))
        self._enqueue(seat, batch)
        return batch

    def _has_room(self, seat: Seat, unit: Unit) -> bool:
        """Whether a unit keeps below the ceiling beside what the other workers do."""
        wanted = self._heavy.of(unit.jobs) if self._heavy.weights else None
        if wanted is None:
            return True
        others = (self._heavy.of(_ahead(other)) for other in self.seats.values() if other is not seat)
        return self._heavy.fits(wanted, [weight for weight in others if weight is not None])

    def _leave_unit(self, seat: Seat) -> None:
        if seat.unit is not None and seat.unit.owner is seat:
            self.pool.abandon(seat.unit)

    def _enqueue(self, seat: Seat, jobs: Iterable[Job]) -> None:
        for job in jobs:
            seat.queue.append(job)
            seat.load += job.duration
        seat.stock = len(seat.queue)

    def _send(
        self, seat: Seat, jobs: Sequence[Job], *, pause: bool = False, close: bool = False
    ) -> Order | None:
        pause = pause or (bool(jobs) and not close and not self._pacing.holds)
        if pause:
            seat.queue.append(PAUSE)
        seat.closing = seat.closing or close
        if not (jobs or pause or close):
            return None
        return Order(worker=seat.worker, jobs=tuple(jobs), pause=pause, close=close)

    def _end_solo(self, seat: Seat) -> bool:
        """Let the others go on when the serial jobs of a worker are done; whether they were."""
        if self._soloist is not seat or any(job is not None and job.serial for job in seat.queue):
            return False
        self._soloist = None
        return True

    def _unlock(self, seat: Seat) -> bool:
        """Give back the locks that a worker needs no longer; whether there were any."""
        if not seat.locks:
            return False
        free = seat.locks - seat.needed_locks()
        for name in free:
            del self._owners[name]
        seat.locks -= free
        return bool(free)

    @property
    def _pace(self) -> float:
        """Seconds that a job really takes per expected second, of late."""
        return 1e3 if self._ratio is None else self._ratio  # nothing known: one job at a time

    def _learn(self, job: Job, seconds: float) -> None:
        """Follow the machine's speed; one job that took much more or less than before says little of it."""
        ratio = seconds / max(job.duration, 1e-6)
        if self._ratio is None:
            self._ratio = ratio
            return
        if self._measured:
            ratio = min(max(ratio, 0.25), 4.0)
        self._ratio += 0.05 * (ratio - self._ratio)

    def send_at_least(self, seconds: float) -> None:
        """Send so much work at a time: what one message, or the process that it starts, costs."""
        self._pacing = msgspec.structs.replace(self._pacing, least=seconds)

    def _budget(self) -> float:
        """Seconds that a worker should have ahead: less and less towards the end."""
        mine = self.pool.left * self._pace / max(len(self._open()), 1)
        return min(self._pacing.batch, mine * self._pacing.share)

    def _busy_enough(self, seat: Seat, budget: float) -> bool:
        """Whether a worker needs nothing now.

        Nothing is queued behind a job that is long for the time that is left: it could start elsewhere
        meanwhile. Then a pause follows, and the rest is decided when the job is done. Before that, of jobs so
        short that waiting for messages would cost, one more is queued than runs and is held.
        """
        seconds = seat.load * self._pace
        enough = budget if len(seat.queue) == 1 else budget / 2
        fair = self.pool.left / (2 * max(len(self._open()), 1))
        worth_a_message = seat.has_work and seconds >= self._pacing.least
        if not worth_a_message:
            return False
        deep = len(seat.queue) >= DEEP or seconds >= self._pacing.deep
        return (deep and seconds >= enough) or 0 < fair <= seat.load


def _ahead(seat: Seat) -> Iterable[Job | None]:
    """All that a worker has or, in a unit that must stay with it, will get."""
    whole = seat.unit is not None and seat.unit.whole
    return [*seat.queue, *(seat.unit.jobs if whole and seat.unit is not None else ())]
