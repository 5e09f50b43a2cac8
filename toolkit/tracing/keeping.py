"""Functions that may keep things for later calls, as far as their code objects tell: a first, quick look.

``toolkit.impact.keeping`` looks at their syntax trees then, strictly; both share the names in this file. What
that one says yes to must pass here: else what such a function runs would not be noted.
"""

import io
import opcode
import re
from collections.abc import Callable, Collection, Iterable
from types import CodeType

from toolkit.tracing.looks import Look

Keepers = dict[int, tuple[Look, ...] | None]
"""First lines of functions that keep things → where they look for them; None: not known."""

KeepersOf = Callable[[bytes, Collection[int]], Keepers]
"""Text of a file, first lines of functions in it → of those that keep things for later calls."""

KEEPING = re.compile(r"cache|memo|once|lazy|singleton|reify|persist", re.IGNORECASE)
"""Names of decorators that may keep results of the function: later calls do not enter it."""

KEPT_HOOKS = frozenset({"__subclasshook__", "__instancecheck__", "__subclasscheck__"})
"""Methods whose answers Python itself keeps (``abc`` caches them)."""

LOADERS = frozenset(
    {"import_module", "__import__", "exec_module", "load_module", "entry_points", "find_spec"}
)
"""Functions that mention one of these names load code by name, and Python keeps what was loaded."""

CHANGING_METHODS = frozenset({"add", "append", "extend", "insert", "register", "setdefault", "update"})
"""Methods that put something into a container."""

_KEEPERS = LOADERS | CHANGING_METHODS | {"setattr"}
_STORES = frozenset(
    number
    for name, number in opcode.opmap.items()
    if name
    in {f"{verb}_{what}" for verb in ("STORE", "DELETE") for what in ("GLOBAL", "ATTR", "SUBSCR", "DEREF")}
    or name == "STORE_SLICE"
)


def candidates(codes: Iterable[CodeType]) -> dict[str, list[CodeType]]:
    """Return the functions that may keep things, by file."""
    every = list(codes)
    inner = {id(item) for code in every for item in code.co_consts if isinstance(item, CodeType)}
    beside = {id(item) for code in every if names_a_cache(code) for item in code.co_consts}
    found: dict[str, list[CodeType]] = {}
    for code in every:
        decorated = id(code) in beside or id(code) not in inner  # nobody knows what stands around it
        if code.co_name != "<module>" and (decorated or may_keep(code)):
            found.setdefault(code.co_filename, []).append(code)
    return found


def keepers_among(
    filename: str, codes: Iterable[CodeType], keepers_of: KeepersOf
) -> list[tuple[CodeType, tuple[Look, ...] | None]]:
    """Return the functions of a file that keep things, with their looks; all that may, if it is not read."""
    codes = list(codes)
    try:
        with io.FileIO(filename) as stream:
            found = keepers_of(stream.readall(), {code.co_firstlineno for code in codes})
    except OSError:
        return [(code, None) for code in codes]
    return [(code, found[code.co_firstlineno]) for code in codes if code.co_firstlineno in found]


def may_keep(code: CodeType) -> bool:
    """Whether a function may keep things beyond its call: it stores somewhere, or loads code by name.

    Whether a decorator keeps its results is seen where it is defined, see :func:`names_a_cache`.
    """
    if code.co_name in KEPT_HOOKS:
        return True
    return not (_KEEPERS.isdisjoint(code.co_names) and _STORES.isdisjoint(code.co_code[::2]))


def names_a_cache(code: CodeType) -> bool:
    """Whether a module or class mentions what may be a cache: functions defined in it may be kept there."""
    return KEEPING.search(" ".join(code.co_names)) is not None
