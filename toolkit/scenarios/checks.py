"""CHECK constraints as rules for single columns, as far as they can be said so.

The text is parsed by sqlglot. What is not understood is reported as unclear and left to the server.
"""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from toolkit.errors import MissingExtra
from toolkit.scenarios.tables import Rule, Test

COMPARED: dict[str, Test] = {"gte": "min", "gt": "above", "lte": "max", "lt": "below", "neq": "not"}
TURNED: dict[str, str] = {"gte": "lte", "gt": "lt", "lte": "gte", "lt": "gt", "neq": "neq", "eq": "eq"}
MEASURED: dict[str, tuple[Test, int]] = {
    "gte": ("min length", 0),
    "gt": ("min length", 1),
    "lte": ("max length", 0),
    "lt": ("max length", -1),
}


class Unclear(Exception):
    """A part of a constraint cannot be said as a rule."""


def read_check(text: str) -> tuple[list[Rule], bool]:
    """Return the rules that a CHECK constraint demands, and whether they are all that it demands.

    Args:
        text: as PostgreSQL prints it, without the word CHECK.
    """
    sqlglot = _sqlglot()
    try:
        tree = sqlglot.parse_one(text, read="postgres")
    except sqlglot.errors.SqlglotError:
        return [], False
    rules: list[Rule] = []
    clear = True
    for part in _conjuncts(tree):
        try:
            rules.extend(_rules(part))
        except Unclear:
            clear = False
    return rules, clear


def _sqlglot() -> Any:
    try:
        import sqlglot
    except ImportError as error:
        raise MissingExtra("a data scenario", extra="data", package="sqlglot") from error
    return sqlglot


def _conjuncts(tree: Any) -> Iterator[Any]:
    tree = _bare(tree)
    if tree.key == "and":
        yield from _conjuncts(tree.left)
        yield from _conjuncts(tree.right)
    else:
        yield tree


def _bare(tree: Any) -> Any:
    """Return what is inside brackets and casts."""
    while tree.key in {"paren", "cast"}:
        tree = tree.this
    return tree


def _rules(part: Any) -> list[Rule]:
    if part.key in TURNED:
        return _compared(part.key, _bare(part.this), _bare(part.expression))
    if part.key == "between":
        ends = {"min": part.args["low"], "max": part.args["high"]}
        return [Rule(column=_column(part.this), test=test, value=_value(end)) for test, end in ends.items()]  # type: ignore[arg-type]
    return [_single(part)]


def _single(part: Any) -> Rule:
    match part.key:
        case "in":
            return Rule(column=_column(part.this), test="in", value=_values(part.expressions))
        case "or":
            return _alternatives(part)
        case "like":
            return Rule(column=_column(part.this), test="like", value=str(_value(part.expression)))
        case "regexplike":
            return Rule(column=_column(part.this), test="match", value=str(_value(part.expression)))
    return Rule(column=_filled(part), test="not null")


def _filled(part: Any) -> str:
    """Return the column of ``x IS NOT NULL``, which parsers have written in two ways."""
    negated = part.key == "not" or bool(part.args.get("negate"))
    test = _bare(part.this) if part.key == "not" else part
    if not (negated and test.key == "is" and _bare(test.expression).key == "null"):
        raise Unclear
    return _column(test.this)


def _compared(operator: str, left: Any, right: Any) -> list[Rule]:
    if (left.key == "literal" and right.key == "column") or right.key in {"length", "lower", "upper"}:
        operator, left, right = TURNED[operator], right, left
    if left.key == "length" and operator in MEASURED:
        test, more = MEASURED[operator]
        return [Rule(column=_column(left.this), test=test, value=int(_value(right)) + more)]
    if left.key in {"lower", "upper"} and operator == "eq" and _column(left.this) == _column(right):
        return [Rule(column=_column(right), test=left.key)]
    if operator == "eq":
        return [_equal(left, right)]
    if operator == "neq" and right.key == "anonymous" and str(right.this).upper() == "ALL":
        return [
            Rule(column=_column(left), test="not", value=value) for value in _listed(right.expressions[0])
        ]
    if operator == "neq" and right.key == "column":
        raise Unclear
    if right.key == "column":
        return [Rule(column=_column(left), test=COMPARED[operator], other=_column(right))]
    return [Rule(column=_column(left), test=COMPARED[operator], value=_value(right))]


def _equal(left: Any, right: Any) -> Rule:
    if right.key == "any":
        return Rule(column=_column(left), test="in", value=_listed(right.this))
    return Rule(column=_column(left), test="in", value=[_value(right)])


def _alternatives(part: Any) -> Rule:
    """Read ``a = 1 OR a = 2`` as ``a IN (1, 2)``."""
    both = [*_rules(_bare(part.left)), *_rules(_bare(part.right))]
    if len({rule.column for rule in both}) > 1 or [rule.test for rule in both] != ["in", "in"]:
        raise Unclear
    return Rule(column=both[0].column, test="in", value=[*both[0].value, *both[1].value])


def _column(tree: Any) -> str:
    tree = _bare(tree)
    if tree.key != "column":
        raise Unclear
    return str(tree.name)


def _listed(tree: Any) -> list[Any]:
    tree = _bare(tree)
    if tree.key != "array":
        raise Unclear
    return _values(tree.expressions)


def _values(trees: list[Any]) -> list[Any]:
    if not trees:
        raise Unclear
    return [_value(tree) for tree in trees]


def _value(tree: Any) -> Any:
    tree = _bare(tree)
    if tree.key == "boolean":
        return bool(tree.this)
    if tree.key == "neg":
        return -_value(tree.this)
    if tree.key != "literal":
        raise Unclear
    return str(tree.this) if tree.is_string else Decimal(tree.this)
