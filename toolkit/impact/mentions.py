"""Where names are mentioned in the Python files of a project, and how its modules may be read without a name.

A function that mentions a name may read what a module holds under it; one that does not, and calls nobody
who does, cannot, unless it holds the module itself. Modules are held where a variable for one is used in
other ways than for its attributes, or where they are found by a text.
"""

import ast
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import PurePosixPath

import msgspec

from toolkit.impact.fingerprints import Unit
from toolkit.impact.keeping import Function, first_line
from toolkit.impact.values import DOCSTRING, EXPORTED, read

SEARCHING = frozenset(
    {"__globals__", "__import__", "eval", "exec", "f_globals", "find_module", "getmodule", "import_module"}
    | {"load_module", "locate", "module_from_spec", "modules", "resolve_name", "run_module", "run_path"}
)
"""Ways to a module, or to what it holds, by texts."""
DOCUMENTING = frozenset({DOCSTRING, "cleandoc", "doctest", "getdoc", "help", "pydoc"})
"""Ways to docstrings."""
_OWN_NAMES = frozenset({"dir", "globals", "locals", "vars"})
_LITERAL_WAYS = frozenset({"delattr", "getattr", "hasattr", "object", "setattr"})
"""Called with a module and a literal, they read or replace what has this name."""
_LOGGERS = frozenset({"getLogger", "get_logger"})
_WORDS = re.compile(r"[^\W\d]\w*(?:\.[^\W\d]\w*)*")


class Module(msgspec.Struct, frozen=True):
    """A module, by the names under which it may be imported."""

    path: str

    @property
    def parts(self) -> tuple[str, ...]:
        """Folders and name: ("src", "shop", "prices") of src/shop/prices.py."""
        path = PurePosixPath(self.path).with_suffix("")
        return path.parts[:-1] if path.name == "__init__" and len(path.parts) > 1 else path.parts

    @property
    def last(self) -> str:
        """What follows the last dot of its name."""
        return self.parts[-1]


class Mentions(msgspec.Struct, frozen=True):
    """Who mentions names in one file."""

    units: frozenset[str] = frozenset()
    level: bool = False
    """Whether it is mentioned in what runs when the file is imported."""


class Use(msgspec.Struct, frozen=True):
    """How one file uses a module."""

    imported: bool = False
    """Whether a statement of it imports the module."""
    held: bool = False
    """Whether the module itself may be handed to others, who may read what they like."""


# -- names ---------------------------------------------------------------------------------------------------


def mentions_in(
    content: bytes, units: Collection[Unit], names: Mapping[str, str], module: Module, *, own: bool
) -> Mentions:
    """Return who mentions a name, as an identifier or in a text, or may read it by searching.

    Args:
        content: of a Python file.
        units: into which the file was cut.
        names: name, or "function.__doc__" → "added", "removed" or "changed" in a module.
        module: the one in which the names have changed.
        own: whether the file is this module.

    Raises:
        SyntaxError: the file is not Python.
    """
    tree, values = read(content)
    search = _Search(names, module, {unit.first: unit.name for unit in units}, own=own)
    for statement in tree.body:
        if id(statement) in values.statements:
            search.in_value(statement)
        else:
            search.visit(statement, ("",))
    return Mentions(frozenset(search.found - {""}), "" in search.found)


class _Search:
    def __init__(
        self, names: Mapping[str, str], module: Module, units: Mapping[int, str], *, own: bool
    ) -> None:
        self.names = {name: how for name, how in names.items() if not is_docstring(name)}
        self.documented = documented(names)
        self.module = module
        self.units = units
        self.own = own
        self.found: set[str] = set()
        self._ordinary = is_ordinary(names)
        self._in_texts = re.compile(rf"\b(?:{'|'.join(map(re.escape, self.names)) or '(?!)'})\b")
        self._kept_imports = {name for name, how in names.items() if how == "changed"}

    def visit(self, node: ast.AST, owners: tuple[str, ...]) -> None:
        """Go through a tree. ``owners`` are the functions that run it; "" is the import of the module."""
        if isinstance(node, Function):
            self._visit_function(node, owners)
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            if self._in_text(node.value, node):  # of a doctest, which belongs to the file
                self.found.update((*owners, ""))
        else:
            if self._mentions(node):
                self.found.update(owners)
            for child in self._children(node):
                self.visit(child, owners)

    def _visit_function(self, node: Function, owners: tuple[str, ...]) -> None:
        name = self.units.get(first_line(node), "")
        if node.name in self.names:
            self.found.update(owners)
        for part in _header(node):
            self.visit(part, (*owners, name))
        for statement in node.body:
            self.visit(statement, (name,))

    def _children(self, node: ast.AST) -> Iterator[ast.AST]:
        """Yield the parts of a node, but for a documented function that is called: its docstring stays."""
        for child in ast.iter_child_nodes(node):
            if not (isinstance(node, ast.Call) and child is node.func and _last_of(child) in self.documented):
                yield child
            elif isinstance(child, ast.Attribute):
                yield child.value

    def in_value(self, statement: ast.stmt) -> None:
        """Look at a statement whose value stands apart: only texts count, names are part of the value."""
        if isinstance(statement, ast.AnnAssign):
            self.visit(statement.annotation, ("",))
        for node in ast.walk(statement):
            if isinstance(node, ast.Constant) and self._in_text(node, statement):
                self.found.add("")

    def _in_text(self, node: ast.Constant, statement: ast.stmt) -> bool:
        text = _text(node)
        if isinstance(statement, ast.Expr):
            return ">>>" in text and self._in_texts.search(text) is not None
        names = {match.group() for match in self._in_texts.finditer(text)}
        exports = isinstance(statement, (ast.Assign, ast.AnnAssign)) and _target(statement) == EXPORTED
        return any(self.names[name] == "removed" or not exports for name in names)

    def _mentions(self, node: ast.AST) -> bool:  # noqa: PLR0911 - one case each
        match node:
            case ast.Constant():
                text = _text(node)
                return self._in_texts.search(text) is not None or _last_word(text) in self.documented
            case ast.Name(id=name) | ast.Attribute(attr=name):
                return name in self.names or name in self.documented or self._searches(name)
            case ast.ImportFrom():
                return self._in_import(node)
            case ast.alias(name=name, asname=alias):
                return alias in self.names or bool(self.names.keys() & name.split(".")[1:])
            case ast.Global(names=names) | ast.Nonlocal(names=names):
                return bool(self.names.keys() & set(names))
            case ast.MatchClass(kwd_attrs=names):
                return bool(self.names.keys() & set(names))
            case _:
                words = (getattr(node, "name", None), getattr(node, "arg", None), getattr(node, "rest", None))
                return any(isinstance(word, str) and word in self.names for word in words)

    def _searches(self, name: str) -> bool:
        if self._ordinary and (name in SEARCHING or (self.own and name in _OWN_NAMES)):
            return True
        return (DOCSTRING in self.names or bool(self.documented)) and name in DOCUMENTING

    def _in_import(self, node: ast.ImportFrom) -> bool:
        last = (node.module or "").rpartition(".")[2]
        for item in node.names:
            if item.name == "*":
                if EXPORTED in self.names and last in {"", self.module.last}:
                    return True
            elif item.name in self.names and (item.asname or item.name not in self._kept_imports):
                return True
        return False


def is_docstring(name: str) -> bool:
    """Whether a name stands for the docstring of a function: "area.__doc__"."""
    return name.endswith(f".{DOCSTRING}")


def documented(names: Iterable[str]) -> frozenset[str]:
    """Return the words by which functions are got whose docstrings are among some names."""
    return frozenset(name.removesuffix(f".{DOCSTRING}") for name in names if is_docstring(name))


def is_ordinary(names: Iterable[str]) -> bool:
    """Whether some names are more than docstrings and what a module exports."""
    return any(name not in {DOCSTRING, EXPORTED} and not is_docstring(name) for name in names)


def _last_of(node: ast.AST) -> str:
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def _last_word(text: str) -> str:
    """Return the name of a function that a text may be: "area" of "shapes:area"."""
    return re.split(r"[.:]", text.strip())[-1]


def _header(node: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[ast.AST]:
    yield node.args
    yield from node.decorator_list
    if node.returns is not None:
        yield node.returns
    yield from getattr(node, "type_params", ())


def _text(node: ast.Constant) -> str:
    value = node.value
    if isinstance(value, bytes):
        return value.decode("latin-1")
    return value if isinstance(value, str) else ""


def _target(statement: ast.Assign | ast.AnnAssign) -> str:
    target = statement.targets[0] if isinstance(statement, ast.Assign) else statement.target
    return target.id if isinstance(target, ast.Name) else ""


# -- modules -------------------------------------------------------------------------------------------------


def use_in(content: bytes, module: Module, *, own: bool) -> Use:
    """Return how a Python file uses a module.

    Args:
        content: of the file.
        module: the one in question.
        own: whether the file is this module.

    Raises:
        SyntaxError: the file is not Python.
    """
    tree = ast.parse(content)
    parents = {id(child): node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
    nodes = list(ast.walk(tree))
    variables, roots = _variables(nodes, module)
    held = any(
        _is_bare(node, parents)
        for node in nodes
        if (isinstance(node, ast.Name) and node.id in variables and isinstance(node.ctx, ast.Load))
        or (isinstance(node, ast.Attribute) and node.attr == module.last and _root_of(node) in roots)
    )
    named = any(
        is_named_in(_text(node), module)
        for node in nodes
        if isinstance(node, ast.Constant) and not isinstance(parents.get(id(node)), ast.Expr)
    )
    return Use(
        imported=not own and any(_imports(node, module) for node in nodes),
        held=held or named or (own and any(_names_itself(node, parents) for node in nodes)),
    )


def _variables(nodes: Collection[ast.AST], module: Module) -> tuple[set[str], set[str]]:
    """Return the variables that may be the module, and those that may be a package around it."""
    variables: set[str] = set()
    roots: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            for item in node.names:
                parts = item.name.split(".")
                if item.asname is None:
                    roots.add(parts[0])
                    if len(parts) == 1 and parts[0] == module.last:
                        variables.add(parts[0])
                elif parts[-1] == module.last:
                    variables.add(item.asname)
                else:
                    roots.add(item.asname)
        elif isinstance(node, ast.ImportFrom):
            for item in node.names:
                name = item.asname or item.name
                (variables if item.name == module.last else roots).add(name)
    return variables, roots


def _imports(node: ast.AST, module: Module) -> bool:
    if isinstance(node, ast.Import):
        return any(module.last in item.name.split(".") for item in node.names)
    if isinstance(node, ast.ImportFrom):
        words = [*(node.module or "").split("."), *(item.name for item in node.names)]
        return module.last in words
    return False


def _root_of(node: ast.Attribute) -> str:
    inner: ast.AST = node
    while isinstance(inner, ast.Attribute):
        inner = inner.value
    return inner.id if isinstance(inner, ast.Name) else ""


def _is_bare(node: ast.AST, parents: Mapping[int, ast.AST]) -> bool:
    """Whether an expression for a module is used for more than one of its attributes."""
    around = parents.get(id(node))
    match around:
        case ast.Attribute(attr=attr):
            return attr == "__dict__"
        case ast.Call(
            func=ast.Name(id=name) | ast.Attribute(attr=name), args=[first, ast.Constant(value=str()), *_]
        ):
            return not (first is node and name in _LITERAL_WAYS)
        case _:
            return True


def _names_itself(node: ast.AST, parents: Mapping[int, ast.AST]) -> bool:
    """Whether a module hands out its own name, under which others may find it."""
    if not (isinstance(node, ast.Name) and node.id == "__name__"):
        return False
    match parents.get(id(node)):
        case ast.Compare():
            return False
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)):
            return name not in _LOGGERS
        case _:
            return True


def is_named_in(text: str, module: Module) -> bool:
    """Whether a text is or contains a dotted name, or a path, that may mean the module."""
    if module.last not in text:
        return False
    bare = text.strip().lstrip(".")
    if bare == module.last:
        return True
    dotted = text.replace("/", ".").replace("\\", ".")
    return any(_leads_to(words.group().split("."), module) for words in _WORDS.finditer(dotted))


def _leads_to(words: list[str], module: Module) -> bool:
    """Whether some first words, two or more, are the last parts of the module's name."""
    parts = list(module.parts)
    return any(
        words[start:end] == parts[-(end - start) :]
        for start in range(len(words))
        for end in range(start + 2, len(words) + 1)
        if end - start <= len(parts)
    )
