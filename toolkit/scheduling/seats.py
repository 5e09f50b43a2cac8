"""A worker as the dispatcher sees it, and what is sent to it."""

from collections import deque
from collections.abc import Hashable
from collections.abc import Set as AbstractSet
from typing import Final

import msgspec

from toolkit.records import NodeId
from toolkit.scheduling.jobs import Job
from toolkit.scheduling.units import Unit

PAUSE: Final = None
"""Stands in a queue where a worker waits although it has finished everything."""

STOCK = 8
"""A worker with more jobs than this, and half of its last stock, needs nothing: nobody looks closer."""


class Pacing(msgspec.Struct, frozen=True, kw_only=True):
    """How much work is sent to a worker ahead of time.

    Attributes:
        batch: short jobs are sent in batches of about so many seconds, so that messages do not cost more
            than tests; less towards the end.
        least: work that hides the time of a message. Less is never worth to wait for.
        deep: a worker with less ahead than this has :data:`DEEP` jobs, so that it need not wait for a message
            between two of them.
        share: at most this share of what every worker will still get.
        holds: whether a worker keeps its last job until something follows, as those of xdist do.
    """

    batch: float = 0.25
    least: float = 0.005
    deep: float = 0.1
    share: float = 1 / 8
    holds: bool = True


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What to send to one worker.

    Attributes:
        worker: to whom.
        jobs: run these, in this order.
        pause: afterwards run what is held and wait.
        close: afterwards run what is held and end.
    """

    worker: Hashable
    jobs: tuple[Job, ...] = ()
    pause: bool = False
    close: bool = False


class Seat:
    """One worker as the dispatcher sees it.

    Attributes:
        queue: what was sent and is not done, oldest first.
        knows: the tests it collected; None: all.
        load: expected seconds of the queue.
        unit: what it is in the middle of.
        locks: the exclusive resources it owns.
        closing: whether it was told to end.
        stock: length of the queue when it was last added to.
    """

    __slots__ = ("closing", "knows", "load", "locks", "queue", "stock", "unit", "worker")

    def __init__(self, worker: Hashable, knows: AbstractSet[NodeId] | None) -> None:
        self.worker = worker
        self.knows = knows
        self.queue: deque[Job | None] = deque()
        self.load = 0.0
        self.unit: Unit | None = None
        self.locks: set[str] = set()
        self.closing = False
        self.stock = 0

    @property
    def stocked(self) -> bool:
        """Whether there is so much in its queue that the question can wait."""
        return len(self.queue) > STOCK and len(self.queue) * 2 >= self.stock

    @property
    def running(self) -> bool:
        """Whether the first job of the queue was allowed to start."""
        return bool(self.queue) and self.queue[0] is not PAUSE and (len(self.queue) > 1 or self.closing)

    @property
    def has_work(self) -> bool:
        """Whether there is any job in its queue."""
        return bool(self.queue) and (self.queue[0] is not PAUSE or len(self.queue) > 1)

    @property
    def quiet(self) -> bool:
        """Whether it runs nothing and will not without a new message."""
        return not self.queue or (len(self.queue) == 1 and not self.closing)

    @property
    def holds_back(self) -> bool:
        """Whether it has only one job, and keeps it until something follows."""
        return len(self.queue) == 1 and self.queue[0] is not PAUSE and not self.closing

    def can_run(self, unit: Unit) -> bool:
        """Whether it collected the tests of a unit."""
        return self.knows is None or all(job.test in self.knows for job in unit.jobs)

    def needed_locks(self) -> set[str]:
        """The locks of what it has or is in the middle of."""
        needed = {name for job in self.queue if job is not None for name in job.uses}
        return needed | self.unit.locks if self.unit is not None and self.unit.jobs else needed
