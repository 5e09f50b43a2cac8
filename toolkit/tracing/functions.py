"""Functions entered, by ``sys.monitoring`` (Python >= 3.12), at the lowest price found.

* Only the project's code objects carry events (``set_local_events``), so the standard library, pytest and
  installed packages run at full speed, and other tools' events (coverage, debuggers) are never re-armed.
* A callback costs about 0.15 us, arming again 0.1 us and 3.6 ns for each instruction of the function: the
  interpreter goes over all of them. So a function is not silenced at its first entry, but when its entries in
  a test have cost as much as arming it again would; no test pays more than twice the least possible price
  (the "ski rental" rule: Karlin, Manasse, Rudolph, Sleator, Competitive Snoopy Caching, 1988). Few functions
  are called so often, so few are armed again after a test.
* What runs in calls of functions that keep things must be known as well (``toolkit.tracing.windows``). So
  these are never silenced, and all functions count as new at each of their entries. Functions that were
  silenced in vain may be entered ever more often in this test before they are silenced again.
* Code objects are told apart by ``object.__hash__``, which is made of their address: ``id()`` raises an audit
  event, and hashing a code object goes over all its instructions.
"""

import sys
from collections.abc import Callable, Iterable, Mapping
from threading import get_ident
from types import CodeType, FrameType

from toolkit.tracing.looks import ENTERING, LEAVING, Look, Looks
from toolkit.tracing.windows import Windows

INSTRUCTIONS_PER_CALLBACK = 40
"""So many instructions are armed again in the time of one callback."""

PREFERRED_IDS = (4, 3)
"""Tool ids that neither coverage (1), debuggers (0), profilers (2) nor optimisers (5) claim."""
TOOL = "nox-invoke-toolkit"

BOUNDARY = -1
"""Position of code at which a look up the stack ends."""

_key: Callable[[CodeType], int] = object.__hash__


def available() -> bool:
    """Whether this Python can trace functions this way."""
    return hasattr(sys, "monitoring")


class FunctionMonitor:
    """Watches the project's code objects.

    Args:
        entered: called with the position of a code object at its first entry in this process.
        module_done: called with the code object of a module when it was executed.

    ``active`` is False when no tool id was free: then nothing is traced and the caller falls back to modules.
    """

    def __init__(self, entered: Callable[[int], None], module_done: Callable[[CodeType], None]) -> None:
        self.codes: list[CodeType] = []
        self._positions: dict[
            int, int
        ] = {}  # key of the code object → position in codes, which keeps it alive
        self._allowed: dict[int, int] = {}  # key → entries in a test that are cheaper than arming again
        self._left: dict[int, int] = {}  # key → how many of these are left, of what was entered
        self._unseen: set[int] = set()
        self._taken: set[int] = set()  # positions of what was entered, but for those in _left
        self._keepers: set[int] = set()  # keys
        self._patient: set[int] = set()  # keys of functions with more entries allowed than is usual
        self.windows = Windows()
        self.looks = Looks()
        self._entered = entered
        self._module_done = module_done
        self._returning: set[int] = set()  # keys of the code objects of modules that are being imported
        self._callbacks: dict[int, Callable[..., object]] = {}  # event → what it calls
        self.listening = True
        """Whether functions entered are noted; see :meth:`listen`."""
        self._tool = self._take_tool()
        self.active = self._tool is not None

    def _take_tool(self) -> int | None:
        if not available():
            return None
        monitoring = sys.monitoring
        for tool in PREFERRED_IDS:
            if monitoring.get_tool(tool) is None:
                monitoring.use_tool_id(tool, TOOL)
                self._events = monitoring.events.PY_START | monitoring.events.PY_RESUME
                self._callbacks = self._make_callbacks()
                for event, callback in self._callbacks.items():
                    monitoring.register_callback(tool, event, callback)
                return tool
        return None

    def _make_callbacks(self) -> dict[int, Callable[..., object]]:
        events, callback = sys.monitoring.events, self._make_callback()
        return {
            events.PY_START: callback,
            events.PY_RESUME: callback,
            events.PY_RETURN: self._returned,
            events.PY_YIELD: self._left_keeper,
            events.PY_UNWIND: self._left_keeper,
            events.PY_THROW: self._resumed_keeper,
            events.LINE: self._line,
        }

    def listen(self, wanted: bool) -> None:
        """Take the callbacks away, or put them back; the events stay where they are.

        To change events, the interpreter goes over all instructions; without a callback they cost next to
        nothing. What other threads are in the midst of is looked up afterwards.
        """
        if self._tool is None or wanted == self.listening:
            return
        self.listening = wanted
        for event, callback in self._callbacks.items():
            sys.monitoring.register_callback(self._tool, event, callback if wanted else None)
        self.windows.only_here()
        if wanted and len(frames := sys._current_frames()) > 1:
            self._reopen_windows(frames)

    def _reopen_windows(self, frames: Mapping[int, FrameType]) -> None:
        for thread, top in frames.items():
            found = []
            frame: FrameType | None = None if thread == get_ident() else top
            while frame is not None:
                if _key(frame.f_code) in self._keepers:
                    found.append(self._positions[_key(frame.f_code)])
                frame = frame.f_back
            if found:
                self.windows.running[thread] = found[::-1]

    def _make_callback(self) -> Callable[[CodeType, int], object]:
        left, allowed, unseen, keepers = self._left, self._allowed.get, self._unseen, self._keepers
        running, note = self.windows.running, self.windows.entered
        key_of, get, disable = _key, self._left.get, sys.monitoring.DISABLE

        def entered(code: CodeType, _offset: int) -> object:
            key = key_of(code)
            rest = get(key)
            if rest is None:
                rest = allowed(key) or self._allow(key)
                if key in unseen:
                    self._report(key)
                alone = not running or note(self._positions[key])
                if key in keepers and self._begin_window(key):
                    return None
                if not alone:  # it stays new for the other threads
                    self._taken.add(self._positions[key])
                    return None
            if rest > 1:
                left[key] = rest - 1
                return None
            left[key] = 0  # nothing is called from here on: no other thread comes in between
            return disable

        return entered

    def _allow(self, key: int) -> int:
        """Find out how often a function may be entered: not before it is, since most never are."""
        allowed = self._allowed[key] = _entries_allowed(self.codes[self._positions[key]])
        return allowed

    def _report(self, key: int) -> None:
        self._unseen.discard(key)
        self._entered(self._positions[key])

    def _begin_window(self, key: int) -> bool:
        """At an entry of a function that keeps things: from here on, all functions count as new."""
        position = self._positions[key]
        self._look(position, ENTERING, 3)
        followed = self.windows.begin(position)
        if followed is False:
            self.looks.find(position)
            return False
        if followed and self._left:
            for code in self._drain():
                self._patient.add(_key(code))
                self._allowed[_key(code)] *= 4
        self._taken.add(position)
        return True

    def _left_keeper(self, code: CodeType, _offset: int, _value: object) -> None:
        """A function yielded or raised."""
        key = _key(code)
        if key in self._keepers:
            self._look(self._positions[key], LEAVING, 2)
            self.windows.end(self._positions[key])

    def _resumed_keeper(self, code: CodeType, _offset: int, _error: object) -> None:
        """An exception was thrown into a generator."""
        key = _key(code)
        if key in self._keepers:
            self._begin_window(key)

    def _returned(self, code: CodeType, _offset: int, _value: object) -> object:
        key = _key(code)
        if key in self._keepers:
            self._look(self._positions[key], LEAVING, 2)
            self.windows.end(self._positions[key])
            return None
        self._returning.discard(key)
        self._module_done(code)
        return sys.monitoring.DISABLE

    def _line(self, code: CodeType, line: int) -> object:
        """A line of a function that keeps things is about to be executed."""
        return None if self._look(self._positions[_key(code)], line, 2) else sys.monitoring.DISABLE

    def _look(self, position: int, line: int, depth: int) -> bool:
        """Look where a function does, just before it does; return whether it looks there.

        Its frame, so many calls up, is only asked for where there is something to see: it is an audit event.
        """
        if line not in self.looks.plans.get(position, ()):
            return False
        if self.looks.has_found(position):
            return True
        try:
            return self.looks.at(position, line, sys._getframe(depth))
        except Exception:  # noqa: BLE001 - whatever it is, the test must not see it
            self.looks.find(position)
            return True

    def watch_return(self, code: CodeType) -> None:
        """Report when a module's code returns."""
        if self._tool is not None:
            self._returning.add(_key(code))
            sys.monitoring.set_local_events(self._tool, code, self._events_of(code))

    def watch(self, code: CodeType, belongs: Callable[[str], bool]) -> list[CodeType]:
        """Arm a code object of the project and all in it that belong to the project; return the new ones."""
        pending = [code]
        new = []
        while pending:
            item = pending.pop()
            pending.extend(const for const in item.co_consts if isinstance(const, CodeType))
            key = _key(item)
            if self._positions.get(key, BOUNDARY) != BOUNDARY:
                continue
            if item.co_filename is not code.co_filename and not belongs(item.co_filename):
                continue
            self._unseen.add(key)
            self._positions[key] = len(self.codes)
            self.codes.append(item)
            new.append(item)
            if self._tool is not None:
                sys.monitoring.set_local_events(self._tool, item, self._events)
        return new

    def follow(self, keepers: Iterable[tuple[CodeType, Iterable[Look] | None]]) -> None:
        """Note what runs in calls of functions that keep things, and their looks; all are watched already."""
        if self._tool is None:
            return
        for code, looks in keepers:
            self._keepers.add(_key(code))
            if looks is not None:
                self.looks.plan(self._positions[_key(code)], looks)
            sys.monitoring.set_local_events(self._tool, code, self._events_of(code))
        if self._keepers:  # these two events cannot be had for single functions
            events = sys.monitoring.events
            sys.monitoring.set_events(self._tool, events.PY_UNWIND | events.PY_THROW)

    def position(self, code: CodeType) -> int | None:
        """Return the position of a watched code object, :data:`BOUNDARY`, or None."""
        return self._positions.get(_key(code))

    def bound(self, code: CodeType) -> None:
        """Let looks up the stack end at a code object, which must stay alive."""
        self._positions.setdefault(_key(code), BOUNDARY)

    def take(self) -> set[int]:
        """Return the positions of the functions entered since the last call; arm those that were silenced.

        An entry in another thread meanwhile counts either now or the next time.
        """
        self._drain()
        while self._patient:
            key = self._patient.pop()
            self._allowed[key] = _entries_allowed(self.codes[self._positions[key]])
        taken, self._taken = self._taken, set()
        return taken

    def _drain(self) -> list[CodeType]:
        """Let all functions count as new; return those that were silenced and are armed now."""
        left, positions, codes, taken = self._left, self._positions, self.codes, self._taken
        silent: list[CodeType] = []
        while left:
            key, rest = left.popitem()
            position = positions[key]
            taken.add(position)
            if rest <= 0:
                silent.append(codes[position])
        if silent:
            self._arm(silent)
        return silent

    def _arm(self, codes: Iterable[CodeType]) -> None:
        if self._tool is None:
            return
        change, tool = sys.monitoring.set_local_events, self._tool
        special = self._returning or self._keepers
        for code in codes:
            change(tool, code, 0)
            change(tool, code, self._events_of(code) if special else self._events)

    def _events_of(self, code: CodeType) -> int:
        key = _key(code)
        events = sys.monitoring.events
        if key in self._keepers:
            looking = events.LINE if self._positions[key] in self.looks.plans else 0
            return self._events | events.PY_RETURN | events.PY_YIELD | looking
        return self._events | events.PY_RETURN if key in self._returning else self._events

    def forget(self) -> None:
        """Report every function as if it had never been entered."""
        self._unseen.update(map(_key, self.codes))
        self.windows.forget()
        self.take()

    def stop(self) -> None:
        """Take all events away and give the tool id back."""
        if self._tool is None:
            return
        sys.monitoring.set_events(self._tool, 0)
        for code in self.codes:
            sys.monitoring.set_local_events(self._tool, code, 0)
        sys.monitoring.free_tool_id(self._tool)
        self._tool, self.active = None, False


def _entries_allowed(code: CodeType) -> int:
    """Return how many entries in a test are cheaper than arming a function again."""
    return 1 + len(code.co_code) // (2 * INSTRUCTIONS_PER_CALLBACK)
