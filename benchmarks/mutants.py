"""Small edits of a project, each of which may break tests: of functions, class and module level, data,
fixtures.

Edits are made in place in the text, so comments and layout stay as they were.
"""

import ast
import random
from collections.abc import Iterator
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
    pools: dict[str, list[Mutant]] = {kind: [] for kind in KINDS}
    for path in sorted(_files(root)):
        for mutant in _of_file(root, path):
            pools[mutant.kind].append(mutant)
    for pool in pools.values():
        generator.shuffle(pool)
    chosen: list[Mutant] = []
    total = sum(WEIGHTS[kind] for kind in KINDS if pools[kind])
    for kind in KINDS:
        share = max(1, round(wanted * WEIGHTS[kind] / total)) if pools[kind] else 0
        chosen += pools[kind][:share]
        del pools[kind][:share]
    chosen += pools["function"][: max(0, wanted - len(chosen))]
    return chosen


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


def _of_file(root: Path, path: Path) -> Iterator[Mutant]:
    relative = path.relative_to(root).as_posix()
    data = path.read_bytes()
    if path.suffix != ".py":
        if _is_test(path, root) and data.strip() and len(data) < 200_000 and b"\0" not in data:
            yield from _of_data(relative, data)
        return
    try:
        tree = ast.parse(data)
    except (SyntaxError, ValueError):
        return
    test = _is_test(path, root)
    for kind, node in _places(tree, path.name, test=test):
        for edit in _edits(node, data):
            content = _apply(data, edit)
            if content is not None:
                yield Mutant(
                    kind=kind,
                    path=relative,
                    line=getattr(edit.node, "lineno", 0),
                    what=edit.what,
                    content=content,
                )


def _of_data(relative: str, data: bytes) -> Iterator[Mutant]:
    lines = data.split(b"\n")
    for number in range(0, len(lines), max(1, len(lines) // 5)):
        if lines[number].strip():
            changed = [*lines]
            changed[number] = (
                lines[number].replace(b"a", b"e", 1) if b"a" in lines[number] else lines[number] + b"x"
            )
            yield Mutant(
                kind="data file", path=relative, line=number + 1, what="text", content=b"\n".join(changed)
            )


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


def _edits(root: ast.AST, data: bytes) -> Iterator[Edit]:
    for node in ast.walk(root):
        if isinstance(node, ast.Compare) and len(node.ops) == 1 and type(node.ops[0]) in SWAPS:
            left, right = _text(data, node.left), _text(data, node.comparators[0])
            yield Edit(node, f"({left}) {SWAPS[type(node.ops[0])]} ({right})", "comparison")
        elif isinstance(node, ast.Constant) and isinstance(node.value, bool):
            yield Edit(node, repr(not node.value), "boolean")
        elif isinstance(node, ast.Constant) and isinstance(node.value, (int, float)):
            yield Edit(node, repr(node.value + 1), "number")
        elif (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and _text(data, node)[:1] in {"'", '"'}
        ):
            yield Edit(node, repr(node.value + "x"), "string")
        elif isinstance(node, ast.Return) and node.value is not None:
            yield Edit(node.value, "None", "return")
        elif isinstance(node, (ast.If, ast.IfExp)):
            yield Edit(node.test, f"(not ({_text(data, node.test)}))", "condition")
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.JoinedStr)):
            return


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
