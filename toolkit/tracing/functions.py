"""Functions entered, by ``sys.monitoring`` (Python >= 3.12), at the lowest price found.

* Only the project's code objects carry events (``set_local_events``), so the standard library, pytest and
  installed packages run at full speed, and other tools' events (coverage, debuggers) are never re-armed.
* The callback notes the code object and disables its location: a function costs once per context, however
  often it is called.
* What costs is arming again (about 0.6 us a function, the callback 0.1 us). A function that was entered by
  ``STREAK`` tests of one file in a row is therefore *assumed* for the next ones and stays disarmed; every
  ``PROBE`` tests all are armed again, and what was not entered then is no longer assumed. Assuming only ever
  adds dependencies.
"""

import sys
from collections.abc import Callable, Iterable
from types import CodeType

STREAK = 6
"""So many tests in a row must have entered a function before it is assumed."""
PROBE = 8
"""After so many tests assumptions are checked."""

PREFERRED_IDS = (4, 3)
"""Tool ids that neither coverage (1), debuggers (0), profilers (2) nor optimisers (5) claim."""
TOOL = "nox-invoke-toolkit"


def available() -> bool:
    """Whether this Python can trace functions this way."""
    return hasattr(sys, "monitoring")


class FunctionMonitor:
    """Watches the project's code objects.

    Args:
        entered: called with a code object, its frame and ``first=`` at its first entry in this process, and
        at
            all entries that are seen while calls are noted.
        module_done: called with the code object of a module when it was executed.

    ``active`` is False when no tool id was free: then nothing is traced and the caller falls back to modules.
    """

    def __init__(self, entered: Callable[..., None], module_done: Callable[[CodeType], None]) -> None:
        self.codes: list[CodeType] = []
        self._unseen: set[int] = set()
        self.index: dict[int, int] = {}  # id of the code object → position in codes, which keeps it alive
        self._entered = entered
        self._noting: list[bool] = []  # holds an item while calls are noted
        self._module_done = module_done
        self._fresh: list[CodeType] = []
        self._dark: list[CodeType] = []
        self._assumed: dict[int, CodeType] = {}
        self._recent: list[set[int]] = []
        self._since_probe = 0
        self._returning: set[int] = set()  # ids of the code objects of modules that are being imported
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
        append, unseen, disable = self._fresh.append, self._unseen, sys.monitoring.DISABLE
        report, noting = self._entered, self._noting

        def entered(code: CodeType, _offset: int) -> object:
            append(code)
            if noting or id(code) in unseen:
                first = id(code) in unseen
                unseen.discard(id(code))
                report(code, sys._getframe(1), first=first)
            return disable

        return entered

    def note_calls(self) -> None:
        """Report all entries until the end of the test, also of what was entered before."""
        self._noting[:] = [True]
        count = len(self._fresh)
        self._arm([*self._dark, *self._assumed.values(), *self._fresh[:count]])

    def _returned(self, code: CodeType, _offset: int, _value: object) -> object:
        self._returning.discard(id(code))
        self._module_done(code)
        return sys.monitoring.DISABLE

    def watch_return(self, code: CodeType) -> None:
        """Report when a module's code returns."""
        if self._tool is not None:
            self._returning.add(id(code))
            events = self._events | sys.monitoring.events.PY_RETURN
            sys.monitoring.set_local_events(self._tool, code, events)

    def watch(self, code: CodeType, belongs: Callable[[str], bool]) -> None:
        """Arm a code object and all code objects in it that belong to the project."""
        pending = [code]
        while pending:
            item = pending.pop()
            pending.extend(const for const in item.co_consts if isinstance(const, CodeType))
            if id(item) in self.index or not belongs(item.co_filename):
                continue
            self.index[id(item)] = len(self.codes)
            self.codes.append(item)
            self._unseen.add(id(item))
            if self._tool is not None:
                sys.monitoring.set_local_events(self._tool, item, self._events)

    def take(self) -> set[int]:
        """Return the indexes of the functions entered since the last call; they stay disarmed."""
        count = len(self._fresh)
        taken = self._fresh[:count]
        del self._fresh[:count]  # another thread may have appended meanwhile
        self._dark += taken
        index = self.index
        return {index[id(code)] for code in taken}

    def take_all(self) -> set[int]:
        """Like :meth:`take`, with what is assumed."""
        return self.take() | {self.index[key] for key in self._assumed}

    def rearm_fresh(self) -> None:
        """Arm again what was entered between two tests; assumptions stay."""
        self._arm([code for code in self._dark if id(code) not in self._assumed])
        self._dark.clear()

    def rearm(self) -> None:
        """Arm all again: whatever runs next belongs to another context."""
        self._arm(self._dark)
        self._arm(self._assumed.values())
        self._dark.clear()
        self._assumed.clear()
        self._recent.clear()
        self._since_probe = 0

    def take_test(self) -> set[int]:
        """End a test: return what was entered since the last call and what is assumed; arm for the next."""
        self._noting.clear()
        entered = self.take()
        whole = entered | {self.index[key] for key in self._assumed}
        if self._since_probe >= PROBE:
            self._end_probe()
        self._remember()
        self._since_probe += 1
        if self._since_probe == PROBE:
            self._arm(self._assumed.values())
        return whole

    def _remember(self) -> None:
        now = {id(code) for code in self._dark}
        if len(self._recent) == STREAK - 1:
            steady = now.intersection(*self._recent)
            del self._recent[0]
        else:
            steady = set()
        self._recent.append(now)
        again = []
        for code in self._dark:
            if id(code) in steady:
                self._assumed[id(code)] = code
            elif id(code) not in self._assumed:
                again.append(code)
        self._arm(again)
        self._dark.clear()

    def _end_probe(self) -> None:
        """All assumed were armed for this test: those not entered are no longer assumed (and are armed)."""
        now = {id(code) for code in self._dark}
        for key in [key for key in self._assumed if key not in now]:
            del self._assumed[key]
        self._since_probe = 0

    def _arm(self, codes: Iterable[CodeType]) -> None:
        if self._tool is None:
            return
        change, tool, events = sys.monitoring.set_local_events, self._tool, self._events
        returning = self._returning
        for code in codes:
            change(tool, code, 0)
            change(tool, code, events)
            if returning and id(code) in returning:
                change(tool, code, events | sys.monitoring.events.PY_RETURN)

    def forget(self) -> None:
        """Report every function as if it had never been entered."""
        self._unseen.update(self.index)
        self.rearm()

    def stop(self) -> None:
        """Take all events away and give the tool id back."""
        if self._tool is None:
            return
        for code in self.codes:
            sys.monitoring.set_local_events(self._tool, code, 0)
        sys.monitoring.free_tool_id(self._tool)
        self._tool, self.active = None, False
