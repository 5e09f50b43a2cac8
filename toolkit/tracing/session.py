"""Starting and stopping the tracer of a process: the parts put together."""

import gc
import mmap
import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

from toolkit.tracing.audit import TOKEN, AuditHook
from toolkit.tracing.borders import Borders
from toolkit.tracing.children import child_name, is_running
from toolkit.tracing.context import Context
from toolkit.tracing.copies import installed_copies
from toolkit.tracing.environ import EnvironWatch
from toolkit.tracing.keeping import Keepers, KeepersOf
from toolkit.tracing.tracer import Tracer
from toolkit.tracing.trail import SUFFIX, TrailWriter, read_trail

NUMBER_BYTES = 12
"""Length of the file that tells child processes in which context they were started."""

CHILD_FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "child")
"""Put on PYTHONPATH of child processes: holds a sitecustomize that starts their tracer."""


class TracedProcess:
    """The tracer of this process and everything it has put into place.

    Args:
        root: the project.
        folder: where trails are written.
        name: of this process, unique in the run: ``main``, ``gw0`` …
        children: whether Python processes that tests start shall trace themselves.
        immediate: see :class:`~toolkit.tracing.tracer.Tracer`.
        parent: the process that started this one, and the context it was in.
        keepers_of: see :class:`~toolkit.tracing.tracer.Tracer`.
        known_keepers: see there.
    """

    def __init__(
        self,
        root: str,
        folder: str,
        name: str,
        *,
        outside: Iterable[str] = (),
        children: bool = True,
        immediate: bool = False,
        parent: tuple[str, int] | None = None,
        keepers_of: KeepersOf | None = None,
        known_keepers: Mapping[str, Keepers] | None = None,
    ) -> None:
        os.makedirs(folder, exist_ok=True)
        self.name = name
        self.root = root
        self.folder = folder
        trail = TrailWriter(folder, name)
        borders = Borders(root, outside, installed_copies(root))
        self.tracer = Tracer(
            borders,
            trail,
            immediate=immediate,
            parent=parent,
            keepers_of=keepers_of,
            known_keepers=known_keepers,
        )
        self._hook = AuditHook(self.tracer)
        self._before = {key: os.environ.get(key) for key in (TOKEN, "PYTHONPATH")}
        self._now = os.path.join(folder, name + ".now")
        self._shown = _shared_memory(self._now)
        self._adopt_loaded()
        self._hook.install()
        if children:
            self._prepare_children()
        self._environ = EnvironWatch(self.tracer.touch, self.tracer.knows)
        self._gone: set[str] = set()
        self._held: tuple[list[Any], ...] = ()  # lines of a test that has ended; the next one follows at once
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(before=self._forking, after_in_child=self._forked)

    def _adopt_loaded(self) -> None:
        """Watch functions of project modules that were imported before us; their imports were not seen."""
        borders = self.tracer.borders
        files = {name: getattr(module, "__file__", None) or "" for name, module in list(sys.modules.items())}
        borders.learn(files.values())
        early = [
            (name, path, file) for name, file in files.items() if (path := borders.relative(file)) is not None
        ]
        if not early:
            return
        codes: dict[str, list[CodeType]] = {}
        for function in gc.get_objects():
            if type(function) is FunctionType:
                code = function.__code__
                codes.setdefault(code.co_filename, []).append(code)
        borders.learn(codes)
        self.tracer.watch(code for file, those in codes.items() if borders.relative(file) for code in those)
        for name, path, file in early:
            self.tracer.note_file(path, file)  # what runs: perhaps an installed copy
            self.tracer.trail.write(["early", name, path])

    def _prepare_children(self) -> None:
        self.now(0)
        os.environ[TOKEN] = os.pathsep.join((self.root, self.folder, self.name))
        paths = [CHILD_FOLDER, *filter(None, (self._before["PYTHONPATH"] or "").split(os.pathsep))]
        os.environ["PYTHONPATH"] = os.pathsep.join(dict.fromkeys(paths))

    def now(self, number: int) -> None:
        """Tell child processes which context they belong to."""
        if self._shown is not None:
            self._shown[:NUMBER_BYTES] = b"%12d" % number

    def begin_test(self, name: str, *, known: bool = False) -> Context:
        """Begin a test; see :meth:`Tracer.begin_test`."""
        context = self.tracer.begin_test(name, known=known)
        held, self._held = self._held, ()
        self.tracer.trail.write(*held, ["begin", name, context.traced])
        self.now(context.number)
        return context

    def end_test(self, context: Context, *lines: list[Any], follows: bool = False) -> None:
        """End a test, write some more lines; children that are gone by now belong to no later one.

        Args:
            context: of the test.
            lines: of the trail.
            follows: another test that is known follows at once: these lines are written when it begins.
        """
        if follows and not context.traced:
            self.tracer.end_test(context, follows=True)
            self._held = lines
        else:
            self.tracer.end_test(context, *lines)
        if self._children:
            self._note_gone(context.number)

    def _note_gone(self, number: int) -> None:
        """Look which child processes ended, however they ended; look no more when all have."""
        for path in Path(self.folder).glob(f"{self.name}.*{SUFFIX}"):
            if path.name in self._gone:
                continue
            first = next(read_trail(path), None)
            if first is not None and first[0] == "start" and not is_running(int(first[1])):
                self._gone.add(path.name)
                self.tracer.trail.write(["gone", path.name.removesuffix(SUFFIX), number])
        self.tracer.has_children = len(self._gone) < self.tracer.expected

    @property
    def _children(self) -> bool:
        return self.tracer.has_children

    def _forking(self) -> None:
        if self._hook.tracer is not None:
            self.tracer.has_children = True
            self.tracer.expected += 1

    def _forked(self) -> None:
        """In a child made by fork: write to a trail of its own, at once."""
        tracer = self.tracer
        if self._hook.tracer is None:
            return
        self._held = ()
        number = tracer.current.number
        name = child_name(self.name, number, "fork")
        try:
            trail = TrailWriter(self.folder, name)
        except OSError:
            tracer.trail.drop()  # the parent's: a child is missing
        else:
            tracer.become_child(trail, (self.name, number))

    def stop(self) -> None:
        """Write the rest and put everything back."""
        self._environ.stop()
        self._hook.stop()
        self.tracer.trail.write(*self._held)
        self.tracer.stop()
        for key, value in self._before.items():
            if value is None:
                os.environ.pop(key, None)
            else:
                os.environ[key] = value
        if self._shown is not None:
            self._shown.close()
            self._shown = None
        self.tracer.trail.close()


def _shared_memory(path: str) -> mmap.mmap | None:
    """Open a small file as memory: written for every test, read only by child processes."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            os.write(descriptor, b"0" * NUMBER_BYTES)
            return mmap.mmap(descriptor, NUMBER_BYTES)
        finally:
            os.close(descriptor)
    except (OSError, ValueError):
        return None
