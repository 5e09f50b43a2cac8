"""Who, in the Python files of a project, reads what a module says about itself: its docstring, ``__all__``.

Whoever imports everything from the module, mentions ``__all__`` or ``__doc__``, as an identifier or in a
text, or asks for docstrings in another way. A docstring may also be shown by others who hold the module.
"""

import ast
import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import PurePosixPath

import msgspec

from toolkit.impact.fingerprints import Unit
from toolkit.impact.keeping import Function, first_line
from toolkit.impact.values import DOCSTRING, EXPORTED, read

DOCUMENTING = frozenset(
    {DOCSTRING, "Fire", "cleandoc", "docopt", "doctest", "getcomments", "getdoc", "help", "plac", "pydoc"}
)
"""Words of those who ask for docstrings, some of them for those of their callers."""
IMPORTING_ALL = re.compile(r"import\s*\(?\s*\*")
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
    """Whether they are mentioned in what runs when the file is imported."""


# -- names -----------------------------------------------------------------------------------------------


def mentions_in(content: bytes, units: Collection[Unit], names: Collection[str], module: Module) -> Mentions:
    """Return who reads what a module says about itself.

    Args:
        content: of a Python file.
        units: into which the file was cut.
        names: "__doc__", "__all__", or both.
        module: the one whose they are.

    Raises:
        SyntaxError: the file is not Python.
    """
    tree, values = read(content)
    search = _Search(names, module, {unit.first: unit.name for unit in units})
    for statement in tree.body:
        if id(statement) not in values.statements:
            search.visit(statement, ("",))
    return Mentions(frozenset(search.found - {""}), "" in search.found)


class _Search:
    def __init__(self, names: Collection[str], module: Module, units: Mapping[int, str]) -> None:
        self.words = set(names) | (DOCUMENTING if DOCSTRING in names else frozenset())
        self.exported = EXPORTED in names
        self.module = module
        self.units = units
        self.found: set[str] = set()

    def visit(self, node: ast.AST, owners: tuple[str, ...]) -> None:
        """Go through a tree. ``owners`` are the functions that run it; "" is the import of the module."""
        if isinstance(node, Function):
            name = self.units.get(first_line(node), "")
            for part in _header(node):
                self.visit(part, (*owners, name))
            for statement in node.body:
                self.visit(statement, (name,))
            return
        if self._mentions(node):
            self.found.update(owners)
        for child in ast.iter_child_nodes(node):
            self.visit(child, owners)

    def _mentions(self, node: ast.AST) -> bool:
        match node:
            case ast.Constant():
                return self._in_text(_text(node))
            case ast.Name(id=name) | ast.Attribute(attr=name):
                return name in self.words
            case ast.ImportFrom(names=names):
                return any(item.name == "*" for item in names) and self._may_be_it(node.module or "")
            case ast.alias(name=name, asname=alias):
                return alias in self.words or not self.words.isdisjoint(name.split("."))
            case _:
                return False

    def _in_text(self, text: str) -> bool:
        if self.exported and IMPORTING_ALL.search(text):
            return True
        return any(word in text for word in self.words & {DOCSTRING, EXPORTED})

    def _may_be_it(self, name: str) -> bool:
        return self.exported and name.rpartition(".")[2] in {"", self.module.last}


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


# -- modules ---------------------------------------------------------------------------------------------


def imports(content: bytes, module: Module) -> bool:
    """Whether a statement of a Python file imports a module.

    Raises:
        SyntaxError: the file is not Python.
    """
    tree, _values = read(content)
    return any(
        module.last in [*(getattr(node, "module", None) or "").split("."), *_words_of(node)]
        for node in ast.walk(tree)
        if isinstance(node, (ast.Import, ast.ImportFrom))
    )


def _words_of(node: ast.Import | ast.ImportFrom) -> Iterator[str]:
    for item in node.names:
        yield from item.name.split(".")


def is_held_in(content: bytes, module: Module, *, own: bool) -> bool:
    """Whether a Python file hands a module, a package around it, or its name to others.

    Args:
        content: of the file.
        module: the one in question.
        own: whether the file is this module.

    Raises:
        SyntaxError: the file is not Python.
    """
    tree, _values = read(content)
    parents = {id(child): node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
    variables = set(module.parts) | _aliases(tree, module)
    return any(
        _is_bare(node, variables, parents)
        or (isinstance(node, ast.Constant) and _tells(node, parents, module))
        or (own and _names_itself(node, parents))
        for node in ast.walk(tree)
    )


def _aliases(tree: ast.Module, module: Module) -> set[str]:
    """Return other names that imports give to the module, or to a package around it."""
    parts = set(module.parts)
    return {
        item.asname
        for node in ast.walk(tree)
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for item in node.names
        if item.asname and not parts.isdisjoint(item.name.split("."))
    }


def _is_bare(node: ast.AST, variables: Collection[str], parents: Mapping[int, ast.AST]) -> bool:
    """Whether what may be the module or a package around it is used for more than one of its attributes."""
    match node:
        case ast.Name(id=name, ctx=ast.Load()) | ast.Attribute(attr=name, ctx=ast.Load()) if (
            name in variables
        ):
            around = parents.get(id(node))
            return not isinstance(around, ast.Attribute) or around.attr == "__dict__"
        case _:
            return False


def _tells(node: ast.Constant, parents: Mapping[int, ast.AST], module: Module) -> bool:
    is_comment = isinstance(parents.get(id(node)), ast.Expr)
    return not is_comment and is_named_in(_text(node), module)


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
    """Whether a text has the name of a module as a word, other than after the name of another package."""
    if module.last not in text:
        return False
    return any(
        words[at] == module.last and (at == 0 or words[at - 1] == ("", *module.parts)[-2])
        for match in _WORDS.finditer(text.replace("/", ".").replace("\\", "."))
        for words in [match.group().split(".")]
        for at in range(len(words))
    )
