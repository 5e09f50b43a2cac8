"""Where the lines of unchanged code are now: from one text of a Python file to a later one.

Texts are compared as syntax trees, piece by piece, not line by line: a new function that looks like an
old one never takes over its lines, and comments and layout move lines without changing them. A piece is
what a fingerprint covers (see ``toolkit.impact.fingerprints``): the body of a function without the
functions in it, the header of a function or class, another statement of a module or class. Lines of
pieces that changed, or that cannot be told apart, are nowhere.
"""

import ast
from collections.abc import Iterable, Iterator, Sequence

from toolkit.impact.shapes import header_shape, shape

Arc = tuple[int, int]
"""From one line to the next; negative: into or out of the function, class or module that begins there."""

_Function = ast.FunctionDef | ast.AsyncFunctionDef
_SCOPES = (
    ast.FunctionDef,
    ast.AsyncFunctionDef,
    ast.ClassDef,
    ast.Lambda,
    ast.ListComp,
    ast.SetComp,
    ast.DictComp,
    ast.GeneratorExp,
)


class LineMap:
    """The lines of an old text in a new one. Use :func:`line_map`."""

    __slots__ = ("_exact", "_inner", "_scopes")

    def __init__(self) -> None:
        self._exact: dict[int, int] = {}
        self._inner: dict[int, int] = {}  # inside of statements over several lines
        self._scopes: dict[int, int] = {}  # first line of a function or class → its last line

    def line(self, old: int) -> int | None:
        """Return where a line is now; None: nowhere."""
        return self._exact.get(old) or self._inner.get(old)

    def lines(self, old: Iterable[int]) -> Iterator[int]:
        """Yield where lines are now."""
        return (line for item in old if (line := self.line(item)) is not None)

    def arcs(self, old: Iterable[Arc]) -> Iterator[Arc]:
        """Yield where arcs are now: those of which both ends are somewhere."""
        for begin, end in old:
            first, second = self._end(begin, end), self._end(end, begin)
            if first is not None and second is not None and first != second:
                yield first, second

    def _end(self, line: int, other: int) -> int | None:
        if line > 0:
            return self.line(line)
        if -line <= 1 and not -line < other <= self._scopes.get(-line, 0):
            return line  # the module begins at its first line, whatever stands there
        found = self.line(-line)
        return None if found is None else -found

    def pair(self, old: ast.AST, new: ast.AST) -> None:
        """Map two pieces that are equal, with what is inside of them."""
        if isinstance(old, _Function) and isinstance(new, _Function):
            self._pair_functions(old, new)
            return
        if isinstance(old, ast.ClassDef) and isinstance(new, ast.ClassDef):
            self._pair_headers(old, new)
            self.pair_bodies(old.body, new.body)
            return
        self._note(old, new)
        for one, other in zip(ast.iter_child_nodes(old), ast.iter_child_nodes(new), strict=True):
            self.pair(one, other)

    def _pair_functions(self, old: _Function, new: _Function) -> None:
        if header_shape(old) == header_shape(new):
            self._pair_headers(old, new)
            if shape(old.body, bodies=False) == shape(new.body, bodies=False):
                for one, other in zip(old.body, new.body, strict=True):
                    self.pair(one, other)

    def _pair_headers(self, old: _Function | ast.ClassDef, new: _Function | ast.ClassDef) -> None:
        """Map decorators, bases, arguments, annotations, and the line of the ``def`` or ``class`` itself."""
        self._note(old, new)
        for one, other in zip(_header(old), _header(new), strict=True):
            self.pair(one, other)

    def pair_bodies(self, old: Sequence[ast.stmt], new: Sequence[ast.stmt]) -> None:
        """Map the statements of a module or class that are there before and after, equally often."""
        ours, theirs = _grouped(old), _grouped(new)
        for key, statements in ours.items():
            others = theirs.get(key, ())
            if len(statements) == len(others):
                for one, other in zip(statements, others, strict=True):
                    self.pair(one, other)

    def _note(self, old: ast.AST, new: ast.AST) -> None:
        begin, then = getattr(old, "lineno", 0), getattr(new, "lineno", 0)
        if not begin:
            return
        self._exact.setdefault(begin, then)
        if isinstance(old, _SCOPES):
            first = min([begin, *(item.lineno for item in getattr(old, "decorator_list", ()))])
            self._scopes[first] = max(self._scopes.get(first, 0), old.end_lineno or begin)
        if isinstance(old, ast.stmt):
            for line in range(begin + 1, _end_of_header(old) + 1):
                self._inner.setdefault(line, then)


def line_map(old: bytes, new: bytes) -> LineMap:
    """Map the lines of a Python file that was edited; empty when either text is not valid Python."""
    found = LineMap()
    try:
        before, after = ast.parse(old), ast.parse(new)
        found.pair_bodies(before.body, after.body)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return LineMap()
    return found


def _header(node: _Function | ast.ClassDef) -> list[ast.AST]:
    inside = {id(statement) for statement in node.body}
    return [child for child in ast.iter_child_nodes(node) if id(child) not in inside]


def _grouped(statements: Sequence[ast.stmt]) -> dict[tuple[str, str], list[ast.stmt]]:
    groups: dict[tuple[str, str], list[ast.stmt]] = {}
    for statement in statements:
        groups.setdefault(_key(statement), []).append(statement)
    return groups


def _key(statement: ast.stmt) -> tuple[str, str]:
    if isinstance(statement, _Function):
        return "def", statement.name
    if isinstance(statement, ast.ClassDef):
        return f"class {statement.name}", shape(_header(statement), bodies=False)
    return "", shape(statement, bodies=False)


def _end_of_header(statement: ast.stmt) -> int:
    """Return the last line before the statements inside of a statement."""
    body = getattr(statement, "body", None)
    if body:
        return int(min(item.lineno for item in body)) - 1
    return statement.end_lineno or statement.lineno
