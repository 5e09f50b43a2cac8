"""The tracer: a stack of contexts, and for each one what it touched.

A context is what dependencies are credited to: a *test*, an instance of a *shared fixture* (class, module,
package, session), the *import* of a module, the *collection* of a file, or the *session* itself. A test
refers to the fixture instances it used and to the modules it imported; ``toolkit.impact.trails`` follows
these references.
What fills caches is noted as well, see ``toolkit.tracing.windows``.
"""

import os
import sys
from collections.abc import Callable, Iterable, Mapping
from types import CodeType, FrameType
from typing import Any

from toolkit.tracing.borders import Borders
from toolkit.tracing.context import Context
from toolkit.tracing.functions import BOUNDARY, FunctionMonitor
from toolkit.tracing.keeping import Keepers, KeepersOf, candidates, keepers_among
from toolkit.tracing.looks import FOUND
from toolkit.tracing.threads import is_running, others_at_work, stack
from toolkit.tracing.trail import TrailWriter, content_digest
from toolkit.tracing.windows import OFTEN

OUTER = frozenset({"session", "collection"})
"""Kinds of contexts in which mostly pytest itself is at work."""

KEPT = frozenset({"file", "folder", "absent", "variable", "everything"})
"""Kinds of items that are noted with functions: what was made of them may be kept."""


class Tracer:
    """Follows one process. See :func:`toolkit.tracing.session.start` for how parts are put together.

    Args:
        borders: what belongs to the project.
        trail: where lines go.
        immediate: write every first touch at once, because this process may end without warning (a child
            process); then a function is noted once per process.
        keepers_of: tells which functions of a file keep things for later calls; None: nobody does.
        known_keepers: hash of a file → these functions, for files that need not be read.
    """

    def __init__(
        self,
        borders: Borders,
        trail: TrailWriter,
        *,
        immediate: bool = False,
        parent: tuple[str, int] | None = None,
        keepers_of: KeepersOf | None = None,
        known_keepers: Mapping[str, Keepers] | None = None,
    ) -> None:
        self.borders = borders
        self.trail = trail
        self.immediate = immediate
        self.process = os.getpid()
        self._count = 0
        self._session = self._new("session", "")
        self._stack = [self._session]
        self._written_codes: set[int] = set()
        self._keepers_of = keepers_of
        self._known_keepers = known_keepers or {}
        self._items: set[tuple[int, str, str]] = set()  # noted with functions: position, kind, item
        self._files: dict[str, str] = {}
        self._stopped = False
        self.expected = 0  # child processes
        self.made: set[str] = set()  # files written by the tests themselves: not inputs
        self.functions = FunctionMonitor(self._entered, self.module_done)
        self.has_children = False
        self.switched: Callable[[int], object] | None = None
        """Called with the number of the context that is credited from now on."""
        self._write_start(parent)

    def _write_start(self, parent: tuple[str, int] | None) -> None:
        self.trail.write(
            [
                "start",
                self.process,
                sys.version.partition(" ")[0],
                self.functions.active,
                *(parent or ("", 0)),
            ]
        )

    def become_child(self, trail: TrailWriter, parent: tuple[str, int]) -> None:
        """After a fork, in the child: begin a trail of our own, note everything afresh and at once."""
        self.trail, self.immediate, self.process = trail, True, os.getpid()
        self._written_codes, self._items, self._files = set(), set(), {}
        self._write_start(parent)
        self.functions.take()
        self.functions.forget()
        for context in self._stack:
            context.functions, context.items, context.traced = set(), {}, True
        self.functions.listen(True)

    # -- contexts ----------------------------------------------------------------------------------------

    def _new(self, kind: str, name: str, code: CodeType | None = None) -> Context:
        self._count += 1
        return Context(self._count, kind, name, code)

    @property
    def current(self) -> Context:
        """The context that is credited now."""
        return self._stack[-1]

    def push(self, kind: str, name: str, code: CodeType | None = None) -> Context:
        """Begin a context inside the current one, which is told about it."""
        self._close_finished_imports()
        below = self._stack[-1]
        self._credit(below)
        context = self._new(kind, name, code)
        below.add("uses", str(context.number))
        self._stack.append(context)
        self._tell_switch()
        return context

    def _credit(self, context: Context) -> None:
        """What was entered since the last call belongs to a context."""
        context.functions |= self.functions.take()
        for position in self.functions.windows.take_often():
            context.add(OFTEN, str(position))
        for position in self.functions.looks.take():
            context.add(FOUND, str(position))

    def _tell_switch(self, *, listen: bool = True) -> None:
        self.functions.listen(listen and self._stack[-1].traced)
        if self.switched is not None:
            self.switched(self._stack[-1].number)

    def pop(self, context: Context) -> None:
        """End a context and those left open in it (an import that failed); write what they touched."""
        if context not in self._stack:
            return
        while len(self._stack) > 1:
            top = self._stack.pop()
            self._credit(top)
            self.flush(top)
            if top is context:
                break
        self._tell_switch()

    def begin_test(self, name: str, *, known: bool = False) -> Context:
        """Begin a test. Functions on the stacks of other threads belong to it from the start.

        Args:
            name: of the test.
            known: it is not traced, but shared fixtures, imports and child processes in it are; when other
                threads are at work, which could be for later tests, it is traced all the same.
        """
        self._close_finished_imports()
        if self.functions.listening:
            self._credit(self._stack[-1])
        context = self._new("test", name)
        frames = sys._current_frames()
        context.traced = not (known and self.functions.active) or others_at_work(frames, self._is_ours)
        self._stack.append(context)
        self._tell_switch()
        if len(frames) > 1:
            self._credit_threads(context)
        return context

    def _is_ours(self, code: CodeType) -> bool:
        return self.functions.position(code) not in {None, BOUNDARY}

    def end_test(self, context: Context, *lines: list[Any], follows: bool = False) -> None:
        """End a test and write what it touched, then some more lines.

        Args:
            context: of the test.
            lines: of the trail.
            follows: a test that is known follows, and nothing of the project runs before it: after one that
                was not traced, functions are not listened to in between.
        """
        if self._stack[-1] is not context:
            self.pop(self._stack[self._stack.index(context) + 1])
        self._stack.pop()
        self._tell_switch(listen=not (follows and not context.traced))
        if context.traced:
            self._credit(context)
            self.flush(context, *lines)
        else:  # contexts in it have written what belongs to them
            self.trail.write(*lines)

    def resume(self, context: Context) -> None:
        """Credit an earlier context again, until :meth:`pop`: the tear-down of a shared fixture."""
        self._credit(self._stack[-1])
        self._stack[-1].add("uses", str(context.number))
        self._stack.append(context)
        self._tell_switch()

    def use(self, context: Context) -> None:
        """The current context uses what another one has set up."""
        self._stack[-1].add("uses", str(context.number))

    def _credit_threads(self, context: Context) -> None:
        here = sys._getframe()
        for frame in sys._current_frames().values():
            for caller in () if frame is here else stack(frame):
                position = self.functions.position(caller.f_code)
                if position is not None and position != BOUNDARY:
                    context.functions.add(position)
                    context.add(FOUND, str(position))

    # -- functions ---------------------------------------------------------------------------------------

    def found_code(self, code: CodeType) -> None:
        """Code is about to be executed: a module's, or something compiled. Watch what belongs to us."""
        if self._stopped:
            return
        path = self.borders.relative(code.co_filename)
        if path is None:
            return
        self._close_finished_imports()
        if code.co_name == "<module>":
            content = self.note_file(path, code.co_filename)
            self.watch([code], self._known_keepers.get(content))
            self._begin_import(code, path)
        else:
            self.watch([code])

    def watch(self, codes: Iterable[CodeType], known: Keepers | None = None) -> None:
        """Watch code objects and those in them; find those that keep things, unless they are known."""
        new = [item for code in codes for item in self.functions.watch(code, self._belongs)]
        if self._keepers_of is None or not self.functions.active:
            return
        if known is not None:
            keepers = [code for code in new if code.co_firstlineno in known and code.co_name != "<module>"]
            self.functions.follow((code, known[code.co_firstlineno]) for code in keepers)
            return
        for filename, among in candidates(new).items():
            self.functions.follow(keepers_among(filename, among, self._keepers_of))

    def _belongs(self, filename: str) -> bool:
        return self.borders.relative(filename) is not None

    def _begin_import(self, code: CodeType, path: str) -> None:
        self._note_callers("module", path)
        context = self.push("import", path, code)
        self.functions.watch_return(code)
        name = _module_name(sys._getframe(4))
        self.trail.write(["module", name, path, context.number])

    def _close_finished_imports(self) -> None:
        """Pop imports whose module code is no longer on this thread's stack."""
        while (code := self._stack[-1].module_code) is not None and not is_running(code):
            self.pop(self._stack[-1])

    def module_done(self, code: CodeType) -> None:
        """A module's code returned."""
        top = self._stack[-1]
        if top.module_code is code:
            self.pop(top)
        else:
            self._close_finished_imports()

    def _entered(self, position: int) -> None:
        """Called at first entries."""
        if self.immediate:
            self._write_now(position)

    def _nearest(self, frame: FrameType | None) -> int | None:
        """Return the position of the nearest function of the project on the stack."""
        position_of = self.functions.position
        while frame is not None:
            position = position_of(frame.f_code)
            if position is not None:
                return None if position == BOUNDARY else position
            frame = frame.f_back
        return None

    # -- everything else ---------------------------------------------------------------------------------

    def knows(self, kind: str, item: str) -> bool:
        """Whether the current context is known to have touched something."""
        context = self._stack[-1]
        known = not context.traced or item in context.items.get(kind, ())
        return known and not self.functions.windows.running

    def touch(self, kind: str, item: str, value: Any = 1) -> None:
        """The current context touched a file, folder, variable, child process or the like."""
        context = self._stack[-1]
        if kind in KEPT:
            self._note_callers(kind, item)
        if item in context.items.get(kind, ()):
            return
        if context.kind in OUTER and not self._asked_by_project():
            return  # pytest and its plugins work for themselves
        context.add(kind, item, value)
        if self.immediate:
            self.trail.write(["touch", context.number, context.kind, context.name, {kind: {item: value}}, []])

    def _asked_by_project(self) -> bool:
        return any(self._is_ours(frame.f_code) for frame in stack(sys._getframe(2)))

    def _note_callers(self, kind: str, item: str) -> None:
        """Note something with the functions that keep things and run now; without these: with the nearest."""
        for caller in self._callers(sys._getframe(2)):
            if (caller, kind, item) not in self._items:
                self._items.add((caller, kind, item))
                self.trail.write(*self._code_lines([caller]), ["calls", caller, [], {kind: [item]}])

    def _callers(self, frame: FrameType | None) -> Iterable[int]:
        if self.functions.active:
            return self.functions.windows.here()
        nearest = self._nearest(frame)
        return () if nearest is None else (nearest,)

    def expect_child(self) -> None:
        """A Python process that traces itself is about to start; should it not report, all is assumed."""
        context = self._stack[-1]
        self.expected += 1
        context.add("children", str(self.expected))
        self.has_children = True

    def note_file(self, path: str, filename: str) -> str:
        """Remember a file's content at its first use, to see later whether it changed meanwhile.

        Returns:
            A hash of what it is now; empty when it was noted before.
        """
        if path in self._files:
            return ""
        self._files[path] = content = content_digest(filename)
        self.trail.write(["file", path, content])
        return content

    # -- writing -----------------------------------------------------------------------------------------

    def flush(self, context: Context, *more: list[Any]) -> None:
        """Append what a context touched since its last line, then some more lines."""
        functions = sorted(context.functions)
        lines = self._code_lines(functions)
        for keeper, ran in self.functions.windows.take().items():
            lines += self._code_lines([keeper, *ran])
            lines.append(["calls", keeper, sorted(ran), {}])
        if context.traced and (functions or context.items or not context.written):
            lines.append(["touch", context.number, context.kind, context.name, context.items, functions])
        context.written = True
        context.functions, context.items = set(), {}
        self.trail.write(*lines, *more)

    def _code_lines(self, positions: list[int]) -> list[list[Any]]:
        lines = []
        for position in positions:
            if position not in self._written_codes:
                self._written_codes.add(position)
                code = self.functions.codes[position]
                path = self.borders.relative(code.co_filename)
                lines.append(["code", position, path, code.co_qualname, code.co_firstlineno])
                if position in self.functions.looks.plans:
                    lines.append(["looks", position])
        return lines

    def _write_now(self, position: int) -> None:
        context = self._stack[-1]
        self.trail.write(
            *self._code_lines([position]),
            ["touch", context.number, context.kind, context.name, {}, [position]],
        )

    def stop(self) -> None:
        """Write the rest; trace no more."""
        while len(self._stack) > 1:
            self.pop(self._stack[-1])
        self._credit(self._session)
        self.flush(self._session)
        self.trail.write(["end"])
        self._stopped = True
        self.functions.stop()


def _module_name(frame: FrameType | None) -> str:
    """Find the name of the module that is being executed: the import machinery has it as ``module``."""
    for _ in range(4):
        if frame is None:
            break
        module = frame.f_locals.get("module")
        name = getattr(module, "__name__", None)
        if isinstance(name, str):
            return name
        frame = frame.f_back
    return ""
