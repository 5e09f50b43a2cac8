"""Windows: what runs while a function runs that keeps things for later calls.

Caches hide dependencies: what one test computed and kept, later tests use without running it. So whatever is
entered while a keeping function is running is noted with that function, at any of its calls, in any test.
"""

from collections.abc import Iterable
from threading import get_ident

ENTRIES = 100_000
"""So many calls of a keeping function are followed in one context; a later one may have run all that ran."""

OFTEN = "often"
"""Kind of item in a trail: a keeping function, not all of whose calls in the context were followed."""


class Windows:
    """Which functions ran in calls of which keeping ones. Functions are told by their positions."""

    def __init__(self) -> None:
        self.running: dict[int, list[int]] = {}
        """Thread → the keeping functions that are running in it, the outermost first."""
        self._known: set[tuple[int, int]] = set()
        self._new: dict[int, set[int]] = {}
        self._entries: dict[int, int] = {}
        self._often: set[int] = set()

    def begin(self, position: int) -> bool | None:
        """A keeping function was entered; tell whether this call is followed, None: inside of one that is."""
        entries = self._entries.get(position, 0) + 1
        if entries > ENTRIES:
            self._give_up(position)
            return False
        self._entries[position] = entries
        thread = get_ident()
        here = self.running.get(thread)
        if here is None:
            self.running[thread] = [position]
            return True
        inside = position in here
        here.append(position)
        return None if inside else True

    def _give_up(self, position: int) -> None:
        """Follow a function no more in this context: not in its outer calls either, whose end is not told."""
        self._often.add(position)
        for thread, here in list(self.running.items()):
            here[:] = [other for other in here if other != position]
            if not here:
                del self.running[thread]

    def end(self, position: int) -> None:
        """A keeping function returned, yielded or raised."""
        thread = get_ident()
        here = self.running.get(thread)
        if here is not None and position in here:
            del here[len(here) - 1 - here[::-1].index(position)]  # not those above: a greenlet may wait there
            if not here:
                del self.running[thread]

    def entered(self, position: int) -> bool:
        """A function was entered: it belongs to all keeping functions that are running in this thread.

        Returns:
            Whether none is running in other threads.
        """
        here = self.running.get(get_ident())
        if here is None:
            return False
        for keeper in here:
            if (keeper, position) not in self._known:
                self._known.add((keeper, position))
                self._new.setdefault(keeper, set()).add(position)
        return len(self.running) == 1

    def here(self) -> Iterable[int]:
        """Return the keeping functions that are running in this thread."""
        return self.running.get(get_ident(), ())

    def take(self) -> dict[int, set[int]]:
        """Return what was noted since the last call: keeping function → those that ran in calls of it."""
        found, self._new = self._new, {}
        return found

    def take_often(self) -> set[int]:
        """At the end of a context: return the functions whose calls were not all followed."""
        found, self._often = self._often, set()
        self._entries.clear()
        return found

    def only_here(self) -> None:
        """Forget what runs in other threads."""
        here = list(self.here())
        self.running.clear()
        if here:
            self.running[get_ident()] = here

    def forget(self) -> None:
        """Note everything as if it had never been noted; only this thread is left."""
        self.only_here()
        self._known, self._new = set(), {}
