"""Windows: what runs while a function runs that keeps things for later calls.

Caches hide dependencies: what one test computed and kept, later tests use without running it. So whatever is
entered while a keeping function is on the stack is noted with that function, at any of its calls, in any
test. A look up the stack costs about a microsecond and is taken only between the entry of a keeping function
and the first entry of another that no longer finds one on its stack; a return would need an event of its own.
"""

from collections.abc import Callable, Iterator
from threading import get_ident
from types import CodeType, FrameType

BOUNDARY = -1
"""Position of code at which a look up the stack ends."""

ENTRIES = 1000
"""So many calls of a keeping function are followed in one context; a later one may have run all that ran."""


class Windows:
    """Which functions ran in calls of which keeping ones. Functions are told by their positions.

    Args:
        position: of a code object: :data:`BOUNDARY`, or None when it is not watched.
    """

    def __init__(self, position: Callable[[CodeType], int | None]) -> None:
        self.threads: set[int] = set()
        """Those in which a keeping function may be running."""
        self._position = position
        self._known: dict[int, set[int]] = {}
        self._new: dict[int, set[int]] = {}
        self._entries: dict[int, int] = {}
        self._often: set[int] = set()

    def keep(self, position: int) -> None:
        """Note that a function keeps things."""
        self._known.setdefault(position, set())

    def begin(self, position: int) -> bool:
        """A keeping function was entered; tell whether this call is followed."""
        entries = self._entries[position] = self._entries.get(position, 0) + 1
        if entries > ENTRIES:
            self._often.add(position)
            return False
        self.threads.add(get_ident())
        return True

    def entered(self, position: int, caller: FrameType | None) -> None:
        """A function was entered: it belongs to all keeping functions that are running in this thread."""
        if get_ident() not in self.threads:
            return
        running = False
        for keeper in self.running(caller):
            running = True
            if position not in self._known[keeper]:
                self._known[keeper].add(position)
                self._new.setdefault(keeper, set()).add(position)
        if not running:
            self.threads.discard(get_ident())

    def running(self, frame: FrameType | None) -> Iterator[int]:
        """Yield the keeping functions on a stack of this thread, the innermost first."""
        while self.threads and frame is not None:
            position = self._position(frame.f_code)
            if position == BOUNDARY:
                return
            if position in self._known:
                yield position
            frame = frame.f_back

    def take(self) -> dict[int, set[int]]:
        """Return what was noted since the last call: keeping function → those that ran in calls of it."""
        found, self._new = self._new, {}
        return found

    def take_often(self) -> set[int]:
        """At the end of a context: return the functions whose calls were not all followed."""
        found, self._often = self._often, set()
        self._entries.clear()
        return found

    def forget(self) -> None:
        """Note everything as if it had never been noted."""
        self._known = {position: set() for position in self._known}
        self._new = {}
