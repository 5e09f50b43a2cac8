"""How many tests of which kind there are, and how that changed."""

import ast
import os
import re
import tokenize
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from toolkit.config import Config
from toolkit.smells.files import find_files, shown
from toolkit.smells.looking import Module, look

FILE = "inventory.jsonl"
"""Under the state folder: one line for each day on which tests were counted."""
_DAY = 86_400.0
_KEPT = 520
"""Lines of the file: ten years of weeks."""


class Count(msgspec.Struct, frozen=True, kw_only=True):
    """Test functions at one time; a parametrized one counts once."""

    at: float
    files: int
    lines: int
    tests: int
    kinds: dict[str, int]
    skipped: int
    """Those that are marked to be skipped, whatever the condition."""
    xfail: int


class Inventory(msgspec.Struct, frozen=True, kw_only=True):
    """The count of now, and those of before."""

    now: Count
    last: Count | None = None
    month_ago: Count | None = None
    """The newest count that is at least 28 days old."""
    unreadable: tuple[str, ...] = ()


def take_inventory(config: Config, *, now: float, keep: bool) -> Inventory:
    """Count the tests of a project, without running anything.

    Args:
        config: of the project.
        now: Unix seconds.
        keep: whether the count is remembered for the trend.
    """
    count, unreadable = _count(config, now)
    path = config.state_dir / FILE
    earlier = _earlier(path)
    if keep:
        _remember(path, [*earlier, count])
    old = [each for each in earlier if each.at <= now - 28 * _DAY]
    return Inventory(
        now=count,
        last=earlier[-1] if earlier else None,
        month_ago=old[-1] if old else None,
        unreadable=tuple(unreadable),
    )


def _count(config: Config, now: float) -> tuple[Count, list[str]]:
    kinds: Counter[str] = Counter()
    totals: Counter[str] = Counter()
    unreadable: list[str] = []
    named = set(config.markers)
    named.update(word for each in config.profiles.values() for word in re.findall(r"\w+", each.markers))
    folders = [path for path in map(config.root.joinpath, config.tests) if path.exists()]
    for path in find_files(folders, config.root, config.smells.exclude):
        name = shown(path, config.root)
        try:
            module = _read(path, name)
        except (OSError, SyntaxError, UnicodeDecodeError, ValueError, RecursionError):
            unreadable.append(name)
            continue
        totals.update(files=1, lines=len(module.lines))
        for test in module.tests:
            marks = {name.rpartition(".")[2] for name in test.decorators if ".mark." in name}
            kinds[_kind(name, config.tests, marks & named)] += 1
            totals.update(tests=1, skipped=bool(marks & {"skip", "skipif"}), xfail="xfail" in marks)
    fields = {field: totals[field] for field in ("files", "lines", "tests", "skipped", "xfail")}
    return Count(at=now, kinds=dict(sorted(kinds.items())), **fields), unreadable


def _read(path: Path, name: str) -> Module:
    with tokenize.open(path) as stream:
        source = stream.read()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return look(ast.parse(source), name, source.splitlines())


def _kind(path: str, folders: Sequence[str], marks: set[str]) -> str:
    """Return a marker that the project knows, else the folder below that of the tests, else ``other``."""
    if marks:
        return min(marks)
    for folder in folders:
        inside = path.removeprefix(f"{folder.rstrip('/')}/")
        if inside != path and "/" in inside:
            return inside.partition("/")[0]
    return "other"


def _earlier(path: Path) -> list[Count]:
    """Return what was counted before; a line that cannot be read is left out."""
    try:
        lines = path.read_bytes().splitlines()
    except OSError:
        return []
    found = []
    for line in lines:
        try:
            found.append(msgspec.json.decode(line, type=Count))
        except msgspec.MsgspecError:
            continue
    return found


def _remember(path: Path, counts: Sequence[Count]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    ignore = path.parent / ".gitignore"
    if not ignore.exists():
        ignore.write_text("*\n", encoding="utf-8")
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    temporary.write_bytes(b"".join(msgspec.json.encode(count) + b"\n" for count in counts[-_KEPT:]))
    temporary.replace(path)


def changes(now: Mapping[str, int], before: Mapping[str, int]) -> dict[str, int]:
    """Return by how much each kind grew or shrank; what did not change is left out."""
    return {
        kind: now.get(kind, 0) - before.get(kind, 0)
        for kind in sorted(now.keys() | before.keys())
        if now.get(kind, 0) != before.get(kind, 0)
    }
