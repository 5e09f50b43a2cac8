"""The nodes of a syntax tree, sooner than by ``ast.walk``.

Most of what that visits is no node: names and line numbers; or it is a context (``Load``), one in every name.
"""

from ast import AST

_LEAVES = frozenset(
    {
        "asname",
        "attr",
        "conversion",
        "ctx",
        "id",
        "is_async",
        "kind",
        "level",
        "op",
        "ops",
        "simple",
        "type_comment",
        "type_ignores",
    }
)
"""Fields that never hold nodes but for contexts and operators, which are told by their holder."""

_FIELDS: dict[type[AST], tuple[str, ...]] = {}


def _fields(kind: type[AST]) -> tuple[str, ...]:
    """Return the fields of a kind of node in which there may be nodes."""
    found = _FIELDS[kind] = tuple(name for name in kind._fields if name not in _LEAVES)
    return found


def children(node: AST) -> list[AST]:
    """Return the nodes in a node, as ``ast.iter_child_nodes`` does, without contexts and operators."""
    found: list[AST] = []
    kind = type(node)
    for name in _FIELDS.get(kind) or _fields(kind):
        value = getattr(node, name, None)
        if type(value) is list:
            found += [item for item in value if isinstance(item, AST)]
        elif isinstance(value, AST):
            found.append(value)
    return found


def walk(*roots: AST) -> list[AST]:
    """Return nodes and all in them, as ``ast.walk`` does, without contexts and operators."""
    found = list(roots)
    for node in found:
        found += children(node)
    return found
