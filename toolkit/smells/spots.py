"""What a rule reports, before it becomes a finding."""

import ast
import fnmatch
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from toolkit.smells.looking import Call, Function, Module


class Spot(NamedTuple):
    """A place that a rule reports, and what is there."""

    node: ast.AST
    test: Function | None
    message: str


class Asked(NamedTuple):
    """What a rule is given: the file, and the names that the project allows."""

    module: Module
    allow: Sequence[str] = ()

    def allows(self, name: str) -> bool:
        """Tell whether the project is content with a call of this name."""
        return any(fnmatch.fnmatchcase(name, pattern) for pattern in self.allow)

    def reported(self, seen: Function) -> Iterator[Call]:
        """Yield the calls of a function that the project does not allow."""
        return (call for call in seen.calls if not self.allows(call.name))


RuleBody = Callable[[Asked], Iterator[Spot]]


def statements(seen: Function) -> list[ast.stmt]:
    """Return the body of a function without its docstring and without what does nothing."""
    return [statement for statement in seen.node.body if not _is_nothing(statement)]


def _is_nothing(statement: ast.stmt) -> bool:
    constant = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    return constant or isinstance(statement, ast.Pass)
