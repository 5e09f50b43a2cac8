"""Reading trails: what the processes of a run noted, one value for each process."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from toolkit.records import NodeId, Outcome
from toolkit.tracing.looks import FOUND
from toolkit.tracing.trail import DROPPED, SUFFIX, mark_beside, read_trail, unfold
from toolkit.tracing.windows import OFTEN


@dataclass(slots=True, kw_only=True)
class Touched:
    """What one context touched, all its lines together."""

    kind: str = ""
    name: str = ""
    functions: set[int] = field(default_factory=set)
    items: dict[str, dict[str, Any]] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class ProcessTrail:
    """One process's trail, read."""

    name: str
    pid: int = 0
    dropped: bool = False  # lines are missing: what its tests touched is not known whole
    by_functions: bool = False
    parent: str = ""
    started_in: int = 0
    until: float = float("inf")  # number of the last of its parent's contexts that it lived in
    codes: dict[int, tuple[str, str, int]] = field(default_factory=dict)
    calls: dict[int, set[int]] = field(default_factory=dict)
    often: dict[int, list[int]] = field(default_factory=dict)  # function → contexts with calls not followed
    looking: set[int] = field(default_factory=set)  # functions of which it is known when they find something
    call_items: dict[int, list[tuple[str, str]]] = field(default_factory=dict)
    modules: list[tuple[str, str, int]] = field(default_factory=list)  # name, path, context of its import
    early: list[tuple[str, str]] = field(default_factory=list)
    files: dict[str, str] = field(default_factory=dict)
    contexts: dict[int, Touched] = field(default_factory=dict)
    gone: dict[str, int] = field(default_factory=dict)
    begun: list[str] = field(default_factory=list)
    untraced: bool = False  # some of its tests were not traced: what they kept is known from earlier runs
    results: dict[NodeId, tuple[Outcome, float]] = field(default_factory=dict)


def read_process(path: Path) -> ProcessTrail:
    """Read one trail."""
    trail = ProcessTrail(name=path.name.removesuffix(SUFFIX))
    trail.dropped = Path(mark_beside(str(path))).exists()
    for line in _lines(path):
        try:
            _TAKE[line[0]](trail, *line[1:])
        except (ValueError, TypeError, KeyError, AttributeError):
            trail.contexts.setdefault(0, Touched(kind="session")).items.setdefault("everything", {})[
                "a line of its trail cannot be read"
            ] = 1
    return trail


def _lines(path: Path) -> Iterable[list[Any]]:
    """Yield the lines of a trail, as ``read_trail`` does, in a third of the time."""
    decode = msgspec.json.Decoder(list[Any]).decode
    try:
        return [line for raw in path.read_bytes().splitlines() for line in unfold(decode(raw))]
    except (msgspec.MsgspecError, UnicodeError):  # a torn last line, or a name that is not Unicode
        return read_trail(path)


def _take_start(trail: ProcessTrail, *fields: Any) -> None:
    trail.pid, _version, trail.by_functions, trail.parent, trail.started_in = fields


def _take_calls(trail: ProcessTrail, caller: int, called: list[int], items: dict[str, list[str]]) -> None:
    trail.calls.setdefault(caller, set()).update(called)
    found = [(kind, item) for kind, names in items.items() for item in names]
    trail.call_items.setdefault(caller, []).extend(found)


def _take_touch(  # noqa: PLR0917 - the fields of a line
    trail: ProcessTrail, number: int, kind: str, name: str, items: dict[str, Any], functions: list[int]
) -> None:
    touched = trail.contexts.setdefault(number, Touched())
    touched.kind, touched.name = kind, name
    touched.functions.update(functions)
    for key, values in items.items():
        touched.items.setdefault(key, {}).update(values)
    for position in items.get(OFTEN, ()):
        trail.often.setdefault(int(position), []).append(number)


def _take_begin(trail: ProcessTrail, test: str, traced: bool = True) -> None:
    trail.begun.append(test)
    trail.untraced = trail.untraced or not traced


def _take_until(trail: ProcessTrail, number: int) -> None:
    trail.until = number


def _take_dropped(trail: ProcessTrail) -> None:
    trail.dropped = True


_TAKE: dict[str, Callable[..., object]] = {
    "start": _take_start,
    "early": lambda trail, name, path: trail.early.append((name, path)),
    "module": lambda trail, name, path, number: trail.modules.append((name, path, number)),
    "file": lambda trail, path, content: trail.files.setdefault(path, content),
    "code": lambda trail, index, path, name, line: trail.codes.setdefault(index, (path, name, line)),
    "looks": lambda trail, position: trail.looking.add(position),
    "calls": _take_calls,
    "touch": _take_touch,
    "begin": _take_begin,
    "result": lambda trail, test, outcome, seconds: trail.results.update(
        {NodeId(test): (Outcome(outcome), float(seconds))}
    ),
    "gone": lambda trail, child, number: trail.gone.setdefault(child, number),
    "until": _take_until,
    DROPPED: _take_dropped,
    "end": lambda _trail: None,
}
"""Kind of line → what it does; see ``toolkit.tracing.trail``."""


def borrowing_nothing(trail: ProcessTrail, number: int) -> set[int]:
    """Return functions that keep things, but found nothing in a context that others had kept.

    While a module is imported, it may be its import that is credited with what a test finds: both count.
    """
    if trail.contexts[number].kind not in {"test", "fixture"}:
        return set()
    found: set[int] = set()
    pending, seen = [number], {number}
    while pending:
        touched = trail.contexts[pending.pop()]
        found.update(map(int, touched.items.get(FOUND, ())))
        used = {int(item) for item in touched.items.get("uses", ())} & trail.contexts.keys()
        new = {other for other in used - seen if trail.contexts[other].kind == "import"}
        seen |= new
        pending.extend(new)
    return trail.looking - found


def read_trails(folder: Path) -> list[ProcessTrail]:
    """Read all trails of a run."""
    return [read_process(path) for path in sorted(folder.glob(f"*{SUFFIX}"))]


def offspring(trail: ProcessTrail, trails: Iterable[ProcessTrail]) -> list[ProcessTrail]:
    """Return the trails of the processes that one started, directly or not."""
    everyone = list(trails)
    found: list[ProcessTrail] = []
    pending = [trail.name]
    while pending:
        parent = pending.pop()
        for other in everyone:
            if other.parent == parent:
                found.append(other)
                pending.append(other.name)
    return found


def first_uses(trails: Iterable[ProcessTrail]) -> Mapping[str, set[str]]:
    """Return for each file the hashes of the contents that processes saw at its first use."""
    seen: dict[str, set[str]] = {}
    for trail in trails:
        for path, stamp in trail.files.items():
            seen.setdefault(path, set()).add(stamp)
    return seen
