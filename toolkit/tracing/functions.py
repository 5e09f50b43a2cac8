"""Functions entered, by ``sys.monitoring`` (Python >= 3.12), at the lowest price found.

* Only the project's code objects carry events (``set_local_events``), so the standard library, pytest and
  installed packages run at full speed, and other tools' events (coverage, debuggers) are never re-armed.
* A callback costs about 0.15 us, arming again 0.1 us and 3.6 ns for each instruction of the function: the
  interpreter goes over all of them. So a function is not silenced at its first entry, but when its entries in
  a test have cost as much as arming it again would; no test pays more than twice the least possible price
  (the "ski rental" rule: Karlin, Manasse, Rudolph, Sleator, Competitive Snoopy Caching, 1988). Few functions
  are called so often, so few are armed again after a test.
* Code objects are told apart by ``object.__hash__``, which is made of their address: ``id()`` raises an audit
  event, and hashing a code object goes over all its instructions.
"""

import sys
from collections.abc import Callable, Iterable
from types import CodeType

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
        entered: called with the position of a code object, the frame that entered it and ``first=`` at its
            first entry in this process, and once more while calls are noted.
        module_done: called with the code object of a module when it was executed.

    ``active`` is False when no tool id was free: then nothing is traced and the caller falls back to modules.
    """

    def __init__(self, entered: Callable[..., None], module_done: Callable[[CodeType], None]) -> None:
        self.codes: list[CodeType] = []
        self._positions: dict[
            int, int
        ] = {}  # key of the code object → position in codes, which keeps it alive
        self._allowed: dict[int, int] = {}  # key → entries in a test that are cheaper than arming again
        self._left: dict[int, int] = {}  # key → how many of these are left, of what was entered
        self._unseen: set[int] = set()
        self._noting: list[bool] = []  # holds an item while calls are noted
        self._noted: set[int] = set()
        self._entered = entered
        self._module_done = module_done
        self._returning: set[int] = set()  # keys of the code objects of modules that are being imported
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
                callback = self._make_callback()
                monitoring.register_callback(tool, monitoring.events.PY_START, callback)
                monitoring.register_callback(tool, monitoring.events.PY_RESUME, callback)
                monitoring.register_callback(tool, monitoring.events.PY_RETURN, self._returned)
                return tool
        return None

    def _make_callback(self) -> Callable[[CodeType, int], object]:
        left, allowed, unseen, noting = self._left, self._allowed, self._unseen, self._noting
        key_of, get, disable, report = _key, self._left.get, sys.monitoring.DISABLE, self._report

        def entered(code: CodeType, _offset: int) -> object:
            key = key_of(code)
            rest = get(key)
            if rest is None:
                rest = allowed[key]
                if key in unseen:
                    report(key, first=True)
            if noting:
                report(key, first=False)
            if rest > 1:
                left[key] = rest - 1
                return None
            left[key] = 0  # nothing is called from here on: no other thread comes in between
            return disable

        return entered

    def _report(self, key: int, *, first: bool) -> None:
        if not first and key in self._noted:
            return
        self._noted.add(key)
        self._unseen.discard(key)
        caller = sys._getframe(2).f_back
        self._entered(self._positions[key], caller, first=first)

    def note_calls(self) -> None:
        """Report once more every function that is entered until the end of the test."""
        self._noting[:] = [True]
        self._noted.clear()
        self._arm([self.codes[self._positions[key]] for key, rest in list(self._left.items()) if rest <= 0])

    def _returned(self, code: CodeType, _offset: int, _value: object) -> object:
        self._returning.discard(_key(code))
        self._module_done(code)
        return sys.monitoring.DISABLE

    def watch_return(self, code: CodeType) -> None:
        """Report when a module's code returns."""
        if self._tool is not None:
            self._returning.add(_key(code))
            events = self._events | sys.monitoring.events.PY_RETURN
            sys.monitoring.set_local_events(self._tool, code, events)

    def watch(self, code: CodeType, belongs: Callable[[str], bool]) -> None:
        """Arm a code object and all code objects in it that belong to the project."""
        pending = [code]
        while pending:
            item = pending.pop()
            pending.extend(const for const in item.co_consts if isinstance(const, CodeType))
            key = _key(item)
            if self._positions.get(key, BOUNDARY) != BOUNDARY or not belongs(item.co_filename):
                continue
            self._unseen.add(key)
            self._allowed[key] = 1 + len(item.co_code) // (2 * INSTRUCTIONS_PER_CALLBACK)
            self._positions[key] = len(self.codes)
            self.codes.append(item)
            if self._tool is not None:
                sys.monitoring.set_local_events(self._tool, item, self._events)

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
        left, positions, codes = self._left, self._positions, self.codes
        taken: set[int] = set()
        silent: list[CodeType] = []
        while left:
            key, rest = left.popitem()
            position = positions[key]
            taken.add(position)
            if rest <= 0:
                silent.append(codes[position])
        self._arm(silent)
        return taken

    def take_test(self) -> set[int]:
        """Like :meth:`take`, at the end of a test."""
        self._noting.clear()
        return self.take()

    def _arm(self, codes: Iterable[CodeType]) -> None:
        if self._tool is None:
            return
        change, tool, events = sys.monitoring.set_local_events, self._tool, self._events
        returning = self._returning
        for code in codes:
            change(tool, code, 0)
            change(tool, code, events)
            if returning and _key(code) in returning:
                change(tool, code, events | sys.monitoring.events.PY_RETURN)

    def forget(self) -> None:
        """Report every function as if it had never been entered."""
        self._unseen.update(self._allowed)
        self.take()

    def stop(self) -> None:
        """Take all events away and give the tool id back."""
        if self._tool is None:
            return
        for code in self.codes:
            sys.monitoring.set_local_events(self._tool, code, 0)
        sys.monitoring.free_tool_id(self._tool)
        self._tool, self.active = None, False
