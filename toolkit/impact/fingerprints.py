"""Functions, module levels and files as short hashes.

A Python file is cut into units: each ``def`` (methods and nested functions too) and the *level*, which is all
that runs when the module is imported: statements, class bodies, decorators, default values, annotations and
docstrings. A unit's fingerprint is a hash of its normalised syntax tree, so comments, layout, quotes and the
spelling of numbers change nothing, and every other edit changes the unit it is in.

* What a module says about itself, its docstring and ``__all__``, stands apart in the fingerprint of its
  level: see ``toolkit.impact.values``.

* The header of a function (name, arguments, decorators, annotations, docstring) belongs to the function *and*
  to what surrounds it, since it is evaluated there.
* Lambdas, comprehensions and classes inside functions belong to the function around them.
* ``tests`` is the level without the headers of ``test…`` functions: adding a test to a file
  selects this test only.
"""

import ast
import hashlib
from collections.abc import Iterator

import msgspec

from toolkit.impact.keeping import Caches, Function, caches_in, first_line, keeps, results_are_kept
from toolkit.impact.looking import looks_of
from toolkit.impact.nodes import children
from toolkit.impact.shapes import function_text, text_of
from toolkit.impact.values import read, write_level
from toolkit.tracing.looks import Look

GONE = "gone"
"""The fingerprint of what does not exist (any more)."""

FORMAT = 10
"""Counts up when fingerprints of unchanged code change; parsed files are kept under it."""


class Unit(msgspec.Struct, frozen=True, array_like=True):
    """One function of a file."""

    name: str  # qualified; "#2" is appended to the second of the same name
    first: int  # line of its first decorator or its def, from 1
    last: int
    fingerprint: str
    kept: bool = False  # its results may be kept: later calls do not enter it
    keeps: bool = False  # it may keep what it computes for later calls
    looks: tuple[Look, ...] | None = None  # where it looks for that; None: not known


class ImportedName(msgspec.Struct, frozen=True, array_like=True):
    """One import statement's target, as written."""

    unit: str  # of the function that contains it; "" at module level
    module: str  # "" in "from . import x"
    level: int  # dots
    names: tuple[str, ...] = ()  # of "from module import names"


class Source(msgspec.Struct, frozen=True, array_like=True):
    """A Python file cut into units."""

    level: str  # its docstring and __all__ stand apart in it
    tests: str  # the level as one, without the headers of tests
    whole: str
    units: tuple[Unit, ...]
    imports: tuple[ImportedName, ...]


class NotPython(Exception):
    """The file cannot be parsed as Python: its content is what counts."""


def digest(data: bytes | str) -> str:
    """Return a short hash: 96 bits, so a collision among 10^9 things has a chance below 10^-10."""
    raw = data.encode("utf-8", "surrogatepass") if isinstance(data, str) else data
    return hashlib.blake2b(raw, digest_size=12).hexdigest()


def parse(content: bytes) -> Source:
    """Cut a Python file into units.

    Raises:
        NotPython: it is not valid Python of this interpreter's version.
    """
    try:
        tree, values = read(content)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise NotPython(str(error)) from error
    try:
        units = tuple(_number(_functions(tree, "", caches_in(tree), in_function=False)))
        return Source(
            level=write_level(digest(text_of(values.rest, headers="all")), values.texts, digest),
            tests=digest(text_of(tree, headers="tests")),
            whole=digest(text_of(tree, headers="bodies")),
            units=units,
            imports=tuple(_imports(tree, units)),
        )
    except RecursionError as error:
        raise NotPython("nested too deeply") from error


def _functions(node: ast.AST, prefix: str, caches: Caches, *, in_function: bool) -> Iterator[Unit]:
    for child in children(node):
        if isinstance(child, ast.expr):  # no function is defined in one
            continue
        if isinstance(child, Function):
            name = prefix + child.name
            kept, keeping = not in_function and results_are_kept(child, caches), keeps(child)
            yield Unit(
                name,
                first_line(child),
                child.end_lineno or child.lineno,
                digest(function_text(child)),
                kept,
                keeping,
                looks_of(child) if keeping and not kept else None,
            )
            yield from _functions(child, f"{name}.<locals>.", caches, in_function=True)
        elif isinstance(child, ast.ClassDef):
            yield from _functions(child, f"{prefix}{child.name}.", caches, in_function=in_function)
        else:
            yield from _functions(child, prefix, caches, in_function=in_function)


def _number(units: Iterator[Unit]) -> Iterator[Unit]:
    seen: dict[str, int] = {}
    for unit in units:
        seen[unit.name] = seen.get(unit.name, 0) + 1
        count = seen[unit.name]
        yield unit if count == 1 else msgspec.structs.replace(unit, name=f"{unit.name}#{count}")


def _imports(tree: ast.Module, units: tuple[Unit, ...]) -> Iterator[ImportedName]:
    """Find the import statements; those under ``if TYPE_CHECKING`` are never executed."""
    pending: list[ast.AST] = [tree]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Import):
            where = _unit_name(units, node.lineno)
            yield from (ImportedName(where, item.name, 0) for item in node.names)
        elif isinstance(node, ast.ImportFrom):
            names = tuple(item.name for item in node.names)
            yield ImportedName(_unit_name(units, node.lineno), node.module or "", node.level, names)
        elif isinstance(node, ast.If) and _is_type_checking(node.test):
            pending.extend(node.orelse)
        elif not isinstance(node, ast.expr):
            pending.extend(children(node))


def unit_at(units: tuple[Unit, ...], line: int) -> Unit | None:
    """Return the innermost function around a line."""
    inside = [unit for unit in units if unit.first <= line <= unit.last]
    return max(inside, key=lambda unit: (unit.first, -unit.last), default=None)


def _unit_name(units: tuple[Unit, ...], line: int) -> str:
    unit = unit_at(units, line)
    return "" if unit is None else unit.name


def _is_type_checking(test: ast.expr) -> bool:
    name = test.attr if isinstance(test, ast.Attribute) else getattr(test, "id", "")
    return name == "TYPE_CHECKING"
