"""A change of a module's docstring or of ``__all__`` concerns those who ask for either; else everybody."""

import importlib
import itertools
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.impact.distributions import Distribution, Installed, name_of
from toolkit.impact.fingerprints import NotPython, Source, parse
from toolkit.impact.inputs import Input
from toolkit.impact.mentions import Module, is_named_in
from toolkit.impact.narrowing import MOST_MODULES, Mentioners, Names

needs_monitoring = pytest.mark.skipif(sys.version_info < (3, 12), reason="functions are traced from 3.12 on")

MODULE = "shop/prices.py"
USER = "import shop.prices\n\ndef total():\n    return shop.prices.total()\n"


class Files:
    """Files in memory, as a tree; those in ``ignored`` are not listed."""

    def __init__(self, texts: dict[str, str], ignored: dict[str, str] | None = None) -> None:
        self.texts = texts
        self.ignored = ignored or {}

    def read(self, path: str) -> bytes | None:
        text = {**self.texts, **self.ignored}.get(path)
        return None if text is None else text.encode()

    def exists(self, path: str) -> bool:
        return path in self.texts

    def names(self, folder: str) -> list[str] | None:
        return [name for name in self.texts if name.startswith(folder)] or None

    def files(self) -> list[str]:
        return sorted(self.texts)

    def source(self, path: str) -> Source | None:
        try:
            return parse(self.read(path) or b"")
        except NotPython:
            return None


def level(text: str) -> str:
    return parse(text.encode()).level


def mentioners(
    old: str, new: str, files: dict[str, str], ignored: dict[str, str] | None = None, **environ: str
) -> Mentioners | None:
    tree = Files({**files, MODULE: new}, ignored)
    inputs = [Input("file", name) for name in files if name.startswith("data/")]
    inputs += [Input("module", name) for name in ignored or ()]
    return Names(tree, tree.source, environ, inputs).mentioning(MODULE, level(old), level(new))


def concerned(found: Mentioners | None, path: str = "shop/user.py") -> set[str] | None:
    """Return who of one file is concerned: functions, "" for its import."""
    if found is None:
        return None
    functions = {unit for where, unit in found.units if where == path}
    return functions | {"" for name in found.levels if name == path}


def with_docstring(user: str, **environ: str) -> set[str] | None:
    return concerned(mentioners("'''a'''\n", "'''b'''\n", {"shop/user.py": user}, None, **environ))


def with_exports(user: str) -> set[str] | None:
    return concerned(mentioners("__all__ = ['A']\n", "__all__ = ['A', 'B']\n", {"shop/user.py": user}))


@pytest.mark.parametrize(
    ("user", "found"),
    [
        ("", set()),
        ("def f(): return shop.prices.__doc__\n", {"f"}),
        ("text = shop.prices.__doc__\n", {""}),
        ("import inspect\ndef f(): return inspect.getdoc(x)\n", {"f"}),
        ("def f(): return getattr(x, '__doc__')\n", {"f"}),
        ("def f(a=x.__doc__): pass\n", {"", "f"}),
        ("from inspect import getdoc as ask\n", {""}),
        ("def f():\n    from shop.prices import __doc__ as text\n", {"f"}),
        ("def main(): fire.Fire()\n", {"main"}),
        ("class A:\n    def f(self): return lambda: help(x)\n", {"A.f"}),
    ],
)
def test_a_docstring_concerns_who_asks_for_docstrings(user: str, found: set[str]) -> None:
    assert with_docstring(USER + user) == found


@pytest.mark.parametrize(
    "user",
    [
        "def f(): return 1\n",  # no statement imports it
        "import shop.prices\nshow(shop.prices)\n",
        "import shop.prices\nshow(shop)\n",
        "import shop.prices as p\nx = [p]\n",
        "from shop import prices\nx = vars(prices)\n",
        "from shop import prices\nx = prices.__dict__\n",
        "from shop import prices as p\n\ndef f(): return p\n",
        "import shop as s, shop.prices\nload(s)\n",
        "from shop.prices import total\nload('shop.prices')\n",
        "from shop.prices import total\nload('prices', package='shop')\n",
        "from shop.prices import total\nload(HERE / 'prices.py')\n",
        "from shop.prices import total\nload('shop.prices:app')\n",
    ],
)
def test_others_may_ask_a_module_that_they_hold_for_its_docstring(user: str) -> None:
    assert with_docstring(user) is None


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("setup.cfg", "settings = shop.prices"),
        ("pytest.ini", "DJANGO_SETTINGS_MODULE = prices"),
        (".env.local", "SETTINGS=shop.prices"),
        ("package.json", '"src/shop/prices.py"'),
        ("Procfile", "web: run shop.prices:app"),
        ("large.json", "x" * 1_000_001 + "_prices"),
    ],
)
def test_a_file_of_configuration_may_tell_others_the_module(name: str, text: str) -> None:
    assert mentioners("'''a'''\n", "'''b'''\n", {"shop/user.py": USER, name: text}) is None


def test_the_environment_may_tell_others_the_module() -> None:
    assert with_docstring(USER, SETTINGS="shop.prices") is None
    assert with_docstring(USER, HOME="/home/prices_of_mine") == set()


def test_a_module_that_hands_out_its_name_may_be_found() -> None:
    rest = "app = Flask(__name__)\n"
    assert mentioners(f"'''a'''\n{rest}", f"'''b'''\n{rest}", {"shop/user.py": USER}) is None
    rest = "log = getLogger(__name__)\nif __name__ == '__main__':\n    f()\n"
    assert mentioners(f"'''a'''\n{rest}", f"'''b'''\n{rest}", {"shop/user.py": USER}) == Mentioners()


def test_nobody_but_who_asks_reads_the_docstring_of_a_conftest_file() -> None:
    tree = Files({"conftest.py": "'''b'''\n", "setup.cfg": "files = conftest.py"})
    names = Names(tree, tree.source, {}, ())
    assert names.mentioning("conftest.py", level("'''a'''\n"), level("'''b'''\n")) == Mentioners()


@pytest.mark.parametrize(
    ("user", "found"),
    [
        ("from shop.prices import *\ndef f(): pass\n", {""}),
        ("from .prices import (*)\n".replace("(*)", "*"), {""}),
        ("from . import *\n", {""}),
        ("from shop.others import *\n", set()),
        ("from shop.prices import A\ndef f(): return A\n", set()),
        ("import shop.prices as p\nregister(p)\n__all__ = ['p']\n", set()),
        ("import shop.prices as p\n__all__ = p.__all__ + ['f']\n", {""}),
        ("import shop.prices as p\ndef f(): return p.__all__\n", {"f"}),
        ("def f(m): return getattr(m, '__all__')\n", {"f"}),
        ("def f(): exec('from shop.prices import *')\n", {"f"}),
        ("from shop.prices import __all__ as names\n", {""}),
    ],
)
def test_the_exported_names_concern_who_imports_everything_or_asks_for_them(
    user: str, found: set[str]
) -> None:
    assert with_exports(user) == found


def test_the_exported_names_of_a_package_concern_who_imports_everything_from_it() -> None:
    tree = Files({"shop/__init__.py": "", "user.py": "from shop import *\n"})
    found = Names(tree, tree.source, {}, ()).mentioning(
        "shop/__init__.py", level("__all__ = ['A']\n"), level("__all__ = ['B']\n")
    )
    assert found is not None
    assert found.levels == {"user.py"}


def test_files_that_git_ignores_are_searched_where_tests_depend_on_them() -> None:
    old, new = "__all__ = ['A']\n", "__all__ = ['B']\n"
    found = mentioners(old, new, {}, ignored={"local.py": "from shop.prices import *\n"})
    assert concerned(found, "local.py") == {""}


def test_files_that_tests_read_concern_them() -> None:
    files = {
        "data/a.md": ">>> help(prices)",
        "data/b.md": "text",
        "data/c.ipynb": "from shop.prices import *",
    }
    found = mentioners("'''a'''\n", "'''b'''\n", {**files, "shop/user.py": USER})
    assert found is not None
    assert found.files == {"data/a.md"}
    assert found.covers(Input("file", "data/a.md"))
    assert not found.covers(Input("variable", "data/a.md"))
    found = mentioners("__all__ = ['A']\n", "__all__ = ['B']\n", files)
    assert found is not None
    assert found.files == {"data/c.ipynb"}


def test_what_cannot_be_read_may_ask() -> None:
    files = {"shop/user.py": USER, "broken.py": "def (: __doc__"}
    assert mentioners("'''a'''\n", "'''b'''\n", files) is None


def test_more_modules_than_are_worth_searching_concern_everybody() -> None:
    tree = Files({})
    names = Names(tree, tree.source, {}, ())
    old, new = level("__all__ = ['A']\n"), level("__all__ = ['B']\n")
    found = [names.mentioning(f"m{n}.py", old, new) for n in range(MOST_MODULES + 1)]
    assert found == [Mentioners()] * MOST_MODULES + [None]


def test_an_installed_package_that_requires_the_project_may_read_what_it_likes() -> None:
    tree = Files({MODULE: "", "shop/user.py": USER})
    names = Names(tree, tree.source, {}, (), required=True)
    assert names.mentioning(MODULE, level("__all__ = ['A']\n"), level("__all__ = ['B']\n")) is None


@pytest.mark.parametrize(
    ("file", "text", "name"),
    [
        ("pyproject.toml", "[project]\nname = 'My.Shop'\n", "my-shop"),
        ("pyproject.toml", "[tool.poetry]\nname = 'shop'\n", "shop"),
        ("pyproject.toml", "[tool.x]\n", ""),
        ("pyproject.toml", "[tool", ""),
        ("pyproject.toml", "tool = 3\nproject = 4\n", ""),
        ("setup.cfg", "[metadata]\nname = my_shop\n", "my-shop"),
        ("setup.cfg", "name", ""),
    ],
)
def test_the_project_is_known_by_its_name(file: str, text: str, name: str) -> None:
    assert name_of(Files({file: text})) == name


def test_packages_that_require_the_project_are_known() -> None:
    packages = Installed([Distribution("plugin", "1", ("shop",)), Distribution("shop", "1", ("shop",))])
    assert packages.requiring("shop") == {"plugin"}
    assert packages.requiring("") == set()


def test_more_than_what_a_module_says_concerns_everybody() -> None:
    assert mentioners("__all__ = ['A']\n", "__all__ = ['B']\nf()\n", {}) is None
    assert mentioners("N = 1\n", "N = 2\n", {}) is None
    assert mentioners("N = 1\n", "N = 1\n", {}) is None


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("src.shop.prices", True),
        ("shop.prices.total", True),
        ("prices", True),
        ("..prices", True),
        ("the prices are high", True),  # it may be
        ("other.prices", False),
        ("shop.prices_old", False),
        ("C:\\src\\shop\\prices.py", True),
        ("shop", False),
    ],
)
def test_texts_that_tell_a_module(text: str, told: bool) -> None:
    assert is_named_in(text, Module("src/shop/prices.py")) is told


def test_a_package_is_told_by_the_name_of_its_folder() -> None:
    assert Module("src/shop/__init__.py").parts == ("src", "shop")
    assert Module("__init__.py").last == "__init__"


# -- whole projects ------------------------------------------------------------------------------------------

EXPORTS = st.lists(st.sampled_from(["A", "B", "C"]), max_size=3, unique=True)
LEVELS = st.sampled_from(
    [
        "from {p}.base import *",
        "from {p}.base import A",
        "from {p}.middle import *",
        "from {p} import base",
        "import {p}.base as base\nnames = base.__all__",
        "import importlib\nnames = getattr(importlib.import_module('{p}.base'), '__all__')",
        "exec('from {p}.base import *')",
        "A = B = 'own'",
    ]
)
MIDDLES = st.sampled_from(
    ["", "from .base import *", "from .base import *\n__all__ = ['A', 'C']", "from .base import B"]
)
BODIES = st.sampled_from(["A", "B", "C", "names", "base.__all__", "base.C"])
_numbers = itertools.count()


@settings(max_examples=50, deadline=None)
@given(
    exports=st.tuples(EXPORTS, EXPORTS),
    middle=MIDDLES,
    levels=st.lists(LEVELS, min_size=1, max_size=3),
    bodies=st.lists(BODIES, min_size=1, max_size=3),
)
def test_whatever_behaves_otherwise_after_a_change_of_exported_names_is_concerned(
    tmp_path_factory: Any, exports: Any, middle: str, levels: list[str], bodies: list[str]
) -> None:
    folder = tmp_path_factory.mktemp("project")
    texts = [_texts(names, middle, levels, bodies) for names in exports]
    (before, first), (after, _second) = (_behaviour(folder, files) for files in texts)
    tree = Files({name: text.format(p=first) for name, text in texts[1].items()})
    old, new = (level(files["base.py"]) for files in texts)
    found = Names(tree, tree.source, {}, ()).mentioning("base.py", old, new)
    if found is None:
        assert old == new
        return
    for test in before.keys() | after.keys():
        if before.get(test) != after.get(test):
            assert found.levels or ("user.py", test) in found.units, (test, before, after)


def _texts(exports: list[str], middle: str, levels: list[str], bodies: list[str]) -> dict[str, str]:
    user = "\n".join(levels) + "\n"
    user += "".join(f"def f{number}():\n    return {body}\n" for number, body in enumerate(bodies))
    base = f"A, B, C = 1, 2, 3\n__all__ = {exports!r}\n"
    return {"__init__.py": "", "base.py": base, "middle.py": middle, "user.py": user}


def _behaviour(folder: Path, files: dict[str, str]) -> tuple[dict[str, str], str]:
    """Import a package and call its functions: return what each returns or raises, and its name."""
    package = f"generated_{next(_numbers)}"
    (folder / package).mkdir()
    for name, text in files.items():
        (folder / package / name).write_text(text.format(p=package))
    sys.path.insert(0, str(folder))
    try:
        importlib.invalidate_caches()
        try:
            user = importlib.import_module(f"{package}.user")
        except Exception as error:  # noqa: BLE001 - any of them
            return {"import": type(error).__name__}, package
        return {
            name: _said(value)
            for name, value in vars(user).items()
            if name.startswith("f") and callable(value)
        }, package
    finally:
        sys.path.remove(str(folder))


def _said(function: Any) -> str:
    try:
        return repr(function())
    except Exception as error:  # noqa: BLE001 - any of them
        return type(error).__name__


# -- in a run ------------------------------------------------------------------------------------------------


@needs_monitoring
def test_only_tests_that_ask_for_what_a_module_says_run(project: Any) -> None:
    project.write(
        "prices.py", "'''Prices.'''\n__all__ = ['total']\ndef total(): return 2\ndef tax(): return 1\n"
    )
    project.write("shop.py", "from prices import *\ndef first(): return total()\n")
    project.write("test_shop.py", "import shop\ndef test_first(): assert shop.first()\n")
    project.write("test_prices.py", "import prices\ndef test_total(): assert prices.total()\n"
                  "def test_text(): assert 'rices' in prices.__doc__\n")  # fmt: skip
    everything = {"test_first", "test_total", "test_text"}
    assert project.run() == everything
    project.replace("prices.py", "'''Prices.'''", "'''All prices.'''")
    assert project.run() == {"test_text"}
    project.replace("prices.py", "['total']", "['tax']")
    assert project.run(code=1) == {"test_first"}
    project.replace("prices.py", "return 1\n", "return 1\nprint(1)\n")
    assert project.run(code=1) == everything
