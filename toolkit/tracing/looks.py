"""What functions that keep things find when they look: nothing, or what somebody kept for them.

A place is looked at just before a line is executed that reads it, without running any code of the project:
attributes are only read where reading is nothing but that. What a function is seen to find nothing at, in the
current context, is trusted for the rest of it: what is there later was put there in this context.
"""

import contextlib
import sys
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import FrameType, MemberDescriptorType
from typing import Any
from weakref import ref

FOUND = "found"
"""Kind of item in a trail: a keeping function that found something, which another context may have kept."""

Look = tuple[int, str, str]
"""Line, place that it reads ("self.cache"), and what is found there when nothing is kept: one of those below.

A line may also be :data:`ENTERING` or :data:`LEAVING`: what a function calls may look in its stead.
"""

ENTERING = 0
LEAVING = -1

EMPTY = "empty"
"""An empty container: the function only ever puts something into it."""
NONE = "none"
"""None: then the function computes it."""
FALSE = "false"
"""A false value: then the function computes it."""
USED = "used"
"""No such attribute: the function uses what it finds, whatever it is."""

_CONTAINERS = (dict, list, set, OrderedDict, defaultdict, deque)
_FALSE = (type(None), bool, int, float, str, bytes, tuple, *_CONTAINERS)
_PLAIN = tuple(
    kind.__dict__["__getattribute__"]
    for kind in (object, dict, list, set, tuple, str, int, float, BaseException)
    if "__getattribute__" in kind.__dict__
)
_mro = type.__dict__["__mro__"].__get__
_entries = type.__dict__["__dict__"].__get__

_address: Callable[[object], int] = object.__hash__
"""Made of the address, as ``id()``, which raises an audit event."""

_ABSENT = object()
_UNKNOWN = object()
"""It cannot be read without running code."""

_NO_LOOKS: Mapping[int, Sequence[tuple[str, list[str], str]]] = {}
_UNTRUSTED: tuple[Callable[[], object], int | None] = (lambda: _UNKNOWN, None)

FRAMES_ARE_COPIED = sys.version_info < (3, 13)
"""Whether the local variables of a frame are copied, into something that would keep them alive."""


class Looks:
    """Which functions found something in the current context. Functions are told by their positions."""

    def __init__(self) -> None:
        self.plans: dict[int, Mapping[int, Sequence[tuple[str, list[str], str]]]] = {}
        """Position of a function → line → what is looked at: name of a variable, attributes, nothing kept."""
        self._found: set[int] = set()
        self._trusted: dict[tuple[int, str], tuple[Callable[[], object], int | None]] = {}

    def plan(self, position: int, looks: Iterable[Look]) -> None:
        """Follow the looks of a function."""
        lines: dict[int, list[tuple[str, list[str], str]]] = {}
        for line, place, nothing in looks:
            root, *attributes = place.split(".")
            lines.setdefault(line, []).append((root, attributes, nothing))
        self.plans[position] = lines

    def at(self, position: int, line: int, frame: FrameType) -> bool:
        """A line is about to be executed; return whether it is one that looks."""
        looks = self.plans.get(position, _NO_LOOKS).get(line)
        if looks is None:
            return False
        if position not in self._found:
            variables = frame.f_locals
            if not all(self._finds_nothing(variables, *look) for look in looks):
                self._found.add(position)
            if FRAMES_ARE_COPIED:
                variables.clear()
        return True

    def has_found(self, position: int) -> bool:
        """Whether a function found something in this context: further looks tell nothing new."""
        return position in self._found

    def find(self, position: int) -> None:
        """A function may have found something."""
        self._found.add(position)

    def _finds_nothing(
        self, variables: Mapping[str, Any], root: str, attributes: list[str], nothing: str
    ) -> bool:
        holder = value = variables.get(root, _ABSENT)
        if value is _ABSENT:  # an unbound variable cannot be read
            return True
        for left, name in enumerate(attributes, 1 - len(attributes)):
            holder, value = value, _read(value, name)
            if value is _UNKNOWN or (value is _ABSENT and left):
                return False
        key = (_address(holder), attributes[-1] if attributes else "")
        content = _address(value) if nothing == EMPTY else None
        known, before = self._trusted.get(key, _UNTRUSTED)
        if known() is holder and content == before:
            return True
        if not _is_nothing(value, nothing):
            return False
        with contextlib.suppress(TypeError):  # it cannot be told from others that come to lie where it was
            self._trusted[key] = ref(holder), content
        return True

    def take(self) -> set[int]:
        """Return the functions that found something since the last call; trust nothing any more."""
        found, self._found = self._found, set()
        self._trusted.clear()
        return found


def _is_nothing(value: object, nothing: str) -> bool:
    if value is _ABSENT:
        return True
    if nothing == EMPTY:
        return _is_of(value, _CONTAINERS) and not value
    if nothing == NONE:
        return value is None
    return nothing == FALSE and _is_of(value, _FALSE) and not value


def _is_of(value: object, kinds: Iterable[type]) -> bool:
    """Whether a value is of exactly one of some types; comparing types may run code of their metaclass."""
    kind = type(value)
    return any(kind is other for other in kinds)


def _read(owner: object, name: str) -> object:
    """Read an attribute where that runs no code of anybody."""
    kind = type(owner)
    way = _lookup(kind, "__getattribute__")
    if not any(way is plain for plain in _PLAIN) or _lookup(kind, "__getattr__") is not _ABSENT:
        return _UNKNOWN
    entry = _lookup(kind, name)
    try:
        if type(entry) is MemberDescriptorType:
            return entry.__get__(owner, kind)
        if _lookup(type(entry), "__get__") is not _ABSENT:
            return _UNKNOWN
        return object.__getattribute__(owner, name)
    except AttributeError:
        return _ABSENT


def _lookup(kind: type, name: str) -> Any:
    for base in _mro(kind):
        found = _entries(base).get(name, _ABSENT)
        if found is not _ABSENT:
            return found
    return _ABSENT
