"""How our own modules are imported: as Python does it, not as pytest does it.

pytest rewrites the ``assert`` statements of every plugin; to see whether what it kept is up to date, it reads
and hashes the text of each module, and loads it more slowly than Python would. Nothing here asserts.
"""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

OURS = "toolkit."


class PlainFinder:
    """Finds the modules of this package, and no others."""

    @staticmethod
    def find_spec(
        name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """See :class:`importlib.abc.MetaPathFinder`."""
        return PathFinder.find_spec(name, path, target) if name.startswith(OURS) else None


@contextmanager
def unrewritten() -> Iterator[None]:
    """Import our modules as they are, before pytest's import hook is asked."""
    finder = PlainFinder()
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
