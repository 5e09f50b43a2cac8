"""Small edits of a project, each of which may break tests.

Edits are made in place in the text, so comments and layout stay as they were.
"""

import ast
import functools
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

KINDS = ("function", "class-level", "module-level", "fixture", "conftest", "test helper", "data file")
WEIGHTS = {
    "function": 12,
    "class-level": 3,
    "module-level": 4,
    "fixture": 2,
    "conftest": 2,
    "test helper": 2,
    "data file": 3,
}
SKIPPED = {".git", ".toolkit", ".venv", "docs", "examples", "build", "node_modules", "__pycache__", "artwork"}
SWAPS = {
    ast.Eq: "!=", ast.NotEq: "==", ast.Lt: ">=", ast.Gt: "<=", ast.LtE: ">", ast.GtE: "<",
    ast.Is: "is not", ast.IsNot: "is", ast.In: "not in", ast.NotIn: "in",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Mutant:
    """One edit."""

    kind: str
    path: str
    line: int
    what: str
    content: bytes


@dataclass(frozen=True)
class Edit:
    """Replace the text of a node."""

    node: ast.AST
    text: str
    what: str


def mutants(root: Path, wanted: int, seed: int) -> list[Mutant]:
    """Choose mutants of all kinds, about in the proportions of WEIGHTS; the same for the same seed."""
    generator = random.Random(seed)
    pools: dict[str, list[Callable[[], Mutant | None]]] = {kind: [] for kind in KINDS}
    for path in sorted(_files(root)):
        for kind, make in _of_file(root, path):
            pools[kind].append(make)
    for pool in pools.values():
        generator.shuffle(pool)
    total = sum(WEIGHTS[kind] for kind in KINDS if pools[kind])
    chosen: list[Mutant] = []
    for kind in KINDS:
        share = max(1, round(wanted * WEIGHTS[kind] / total)) if pools[kind] else 0
        chosen += _take(pools[kind], share)
    return chosen + _take(pools["function"], wanted - len(chosen))


def _take(pool: list[Callable[[], Mutant | None]], count: int) -> list[Mutant]:
    taken: list[Mutant] = []
    while pool and len(taken) < count:
        mutant = pool.pop(0)()
        if mutant is not None:
            taken.append(mutant)
    return taken


def _files(root: Path) -> Iterator[Path]:
    for path in root.rglob("*"):
        parts = path.relative_to(root).parts
        if (
            path.is_file()
            and not SKIPPED.intersection(parts)
            and not any(p.endswith(".egg-info") for p in parts)
        ):
            yield path


def _is_test(path: Path, root: Path) -> bool:
    parts = path.relative_to(root).parts
    return any(part in {"tests", "test"} for part in parts[:-1]) or path.name.startswith("test_")


def _of_file(root: Path, path: Path) -> Iterator[tuple[str, Callable[[], Mutant | None]]]:
    relative = path.relative_to(root).as_posix()
    data = path.read_bytes()
    if path.suffix != ".py":
        if _is_test(path, root) and data.strip() and len(data) < 200_000 and b"\0" not in data:
            yield "data file", functools.partial(_of_data, relative, data)
        return
    try:
        tree = ast.parse(data)
    except (SyntaxError, ValueError):
        return
    for kind, node in _places(tree, path.name, test=_is_test(path, root)):
        for inner in _nodes(node):
            yield kind, functools.partial(_of_node, kind, relative, data, inner)


def _of_data(relative: str, data: bytes) -> Mutant | None:
    """Change a letter in the middle of a text file."""
    lines = data.split(b"\n")
    number = next((n for n in range(len(lines) // 2, len(lines)) if lines[n].strip()), 0)
    line = lines[number]
    lines[number] = line.replace(b"a", b"e", 1) if b"a" in line else line + b"x"
    return Mutant(kind="data file", path=relative, line=number + 1, what="text", content=b"\n".join(lines))


def _of_node(kind: str, relative: str, data: bytes, node: ast.AST) -> Mutant | None:
    edit = _edit(node, data)
    content = None if edit is None else _apply(data, edit)
    if edit is None or content is None:
        return None
    line = getattr(edit.node, "lineno", 0)
    return Mutant(kind=kind, path=relative, line=line, what=edit.what, content=content)


def _places(tree: ast.Module, name: str, *, test: bool) -> Iterator[tuple[str, ast.AST]]:
    """Yield the nodes in which edits are made, with the kind of mutant that they make."""
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield from _of_function(node, name, test=test)
        elif isinstance(node, ast.ClassDef):
            for item in node.body:
                if isinstance(item, (ast.FunctionDef, ast.AsyncFunctionDef)):
                    yield from _of_function(item, name, test=test)
                elif isinstance(item, (ast.Assign, ast.AnnAssign)) and not test:
                    yield "class-level", item
        elif isinstance(node, (ast.Assign, ast.AnnAssign, ast.Expr)):
            if name == "conftest.py":
                yield "conftest", node
            else:
                yield ("test helper" if test else "module-level"), node


def _of_function(
    node: ast.FunctionDef | ast.AsyncFunctionDef, name: str, *, test: bool
) -> Iterator[tuple[str, ast.AST]]:
    decorators = " ".join(ast.unparse(item) for item in node.decorator_list)
    if "fixture" in decorators:
        kind = "conftest" if name == "conftest.py" else "fixture"
    elif test:
        kind = "test helper" if not node.name.startswith("test") else ""
    else:
        kind = "function"
    if kind:
        for statement in node.body:
            if not (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)):
                yield kind, statement


def _nodes(root: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes that can be edited, but not those of nested functions and f-strings."""
    pending = [root]
    while pending:
        node = pending.pop()
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.JoinedStr)):
            continue
        if isinstance(node, (ast.Compare, ast.Constant, ast.Return, ast.If, ast.IfExp)):
            yield node
        pending.extend(ast.iter_child_nodes(node))


def _edit(node: ast.AST, data: bytes) -> Edit | None:  # noqa: PLR0911 - one for each form
    match node:
        case ast.Compare(left=left, ops=[operator], comparators=[right]) if type(operator) in SWAPS:
            text = f"({_text(data, left)}) {SWAPS[type(operator)]} ({_text(data, right)})"
            return Edit(node, text, "comparison")
        case ast.Constant(value=bool() as value):
            return Edit(node, repr(not value), "boolean")
        case ast.Constant(value=int() | float() as value):
            return Edit(node, repr(value + 1), "number")
        case ast.Constant(value=str() as value) if _text(data, node)[:1] in {"'", '"'}:
            return Edit(node, repr(value + "x"), "string")
        case ast.Return(value=ast.expr() as value):
            return Edit(value, "None", "return")
        case ast.If(test=test) | ast.IfExp(test=test):
            return Edit(test, f"(not ({_text(data, test)}))", "condition")
        case _:
            return None


def _span(data: bytes, node: ast.AST) -> tuple[int, int]:
    starts = [0]
    for line in data.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    return (
        starts[node.lineno - 1] + node.col_offset,  # type: ignore[attr-defined]
        starts[node.end_lineno - 1] + node.end_col_offset,  # type: ignore[attr-defined]
    )


def _text(data: bytes, node: ast.AST) -> str:
    begin, end = _span(data, node)
    return data[begin:end].decode("utf-8", "replace")


def _apply(data: bytes, edit: Edit) -> bytes | None:
    begin, end = _span(data, edit.node)
    content = data[:begin] + edit.text.encode() + data[end:]
    try:
        same = ast.dump(ast.parse(content)) == ast.dump(ast.parse(data))
    except (SyntaxError, ValueError):
        return None
    return None if same else content
