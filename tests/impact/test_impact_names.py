"""A change of names in a module concerns those who reach it and run who mentions a name; else everybody."""

import importlib
import inspect
import itertools
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.impact.distributions import Distribution, Installed, name_of
from toolkit.impact.fingerprints import NotPython, Source, parse
from toolkit.impact.inputs import Input
from toolkit.impact.mentions import Module, is_named_in
from toolkit.impact.narrowing import Mentioners, Names

needs_monitoring = pytest.mark.skipif(sys.version_info < (3, 12), reason="functions are traced from 3.12 on")


class Files:
    """Files in memory, as a tree."""

    def __init__(self, **texts: str) -> None:
        self.texts = {
            name.replace("__", "/").replace("/init", "/__init__"): text for name, text in texts.items()
        }
        self.texts = {name if "." in name else f"{name}.py": text for name, text in self.texts.items()}

    def read(self, path: str) -> bytes | None:
        return self.texts[path].encode() if path in self.texts else None

    def exists(self, path: str) -> bool:
        return path in self.texts

    def names(self, folder: str) -> list[str] | None:
        return [name for name in self.texts if name.startswith(folder)] or None

    def files(self) -> list[str]:
        return sorted(self.texts)

    def source(self, path: str) -> Source | None:
        try:
            return parse(self.texts[path].encode())
        except NotPython:
            return None


OLD, NEW = "TIMEOUT = 30\nOTHER = 1\n", "TIMEOUT = 60\nOTHER = 1\n"
USER = "from shop.prices import TIMEOUT\n\ndef wait():\n    return TIMEOUT\n\ndef go():\n    return 1\n"


def mentioners(files: Files, old: str = OLD, new: str = NEW, **environ: str) -> Mentioners | None:
    files.texts["shop/prices.py"] = new
    names = Names(files, files.source, environ, opened=[name for name in files.texts if "data" in name])
    return names.mentioning("shop/prices.py", parse(old.encode()).level, parse(new.encode()).level)


def concerned(user: str, old: str = OLD, new: str = NEW, **others: str) -> set[str] | None:
    """Return who mentions what changed in shop/prices.py: functions of shop/user.py, "" for its import."""
    found = mentioners(Files(shop__user=user, **others), old, new)
    if found is None:
        return None
    levels = {"" for path in found.levels if path == "shop/user.py"}
    return {unit for path, unit in found.units if path == "shop/user.py"} | levels


def test_functions_that_mention_the_name_are_concerned_and_no_others() -> None:
    assert concerned(USER) == {"wait"}
    assert concerned("import shop.prices\ndef a(): return shop.prices.TIMEOUT\ndef b(): pass\n") == {"a"}
    assert concerned("from shop import prices\nclass A:\n  def f(self): return prices.TIMEOUT\n") == {"A.f"}
    assert concerned(USER + "def by_text(m):\n    return helper('shop', 'TIMEOUT')\n") == {"wait", "by_text"}
    assert concerned(USER + "class B:\n    def g(self):\n        return lambda: TIMEOUT\n") == {"wait", "B.g"}


@pytest.mark.parametrize(
    "user",
    [
        "from shop.prices import TIMEOUT\nLIMIT = TIMEOUT + 1\n",
        "from shop.prices import TIMEOUT as T\n",
        "import shop.prices\nx = shop.prices.TIMEOUT\n",
        "from shop.prices import TIMEOUT\nclass A:\n    limit = TIMEOUT\n",
        "from shop.prices import TIMEOUT\n@retry(TIMEOUT)\ndef f(): pass\n",
        "from shop.prices import TIMEOUT\ndef f(a: 'TIMEOUT'): pass\n",
        "from shop.prices import other\nf('TIMEOUT')\n",
        "import shop.prices\nf = lambda: shop.prices.TIMEOUT\n",
        "from shop.prices import other\nmatch x:\n    case A(TIMEOUT=3): pass\n",
        "import shop.prices\nNAMES = ('TIMEOUT',)\n",
        "import shop.prices\ndef f():\n    '''\n    >>> shop.prices.TIMEOUT\n    30\n    '''\n",
        "import shop.prices\nx: 'TIMEOUT' = 3\n",
    ],
)
def test_who_mentions_it_while_being_imported_is_concerned_as_a_whole(user: str) -> None:
    found = concerned(user)
    assert found is not None
    assert "" in found


def test_a_default_value_concerns_the_function_and_the_import() -> None:
    assert concerned("from shop.prices import TIMEOUT\ndef f(a=TIMEOUT): pass\n") == {"", "f"}


def test_a_name_that_went_concerns_whoever_imports_it() -> None:
    assert concerned(USER, OLD, "OTHER = 1\n") == {"", "wait"}
    assert concerned(USER, "OTHER = 1\n", OLD) == {"", "wait"}


def test_a_name_made_of_another_changes_with_it() -> None:
    old, new = "BASE = 1\nTIMEOUT = BASE * 30\n", "BASE = 2\nTIMEOUT = BASE * 30\n"
    assert concerned(USER, old, new) == {"wait"}


def test_the_module_itself_may_mention_it() -> None:
    rest = "def f():\n    return TIMEOUT\nVALUE = g(OTHER)\n"
    files = Files(shop__user=USER)
    found = mentioners(files, OLD + rest, NEW + rest)
    assert found is not None
    assert ("shop/prices.py", "f") in found.units
    assert "shop/prices.py" not in found.levels
    rest = "VALUE = g(TIMEOUT)\n"
    found = mentioners(files, OLD + rest, NEW + rest)
    assert found is not None
    assert "shop/prices.py" in found.levels


@pytest.mark.parametrize(
    "user",
    [
        "from shop import prices\nregister(prices)\n",
        "import shop.prices as p\nx = [p]\n",
        "import shop.prices\nload(shop.prices)\n",
        "import shop\nload(shop.prices)\n",
        "import shop as s\nload(s.prices)\n",
        "from shop import prices\ndef f(name): return getattr(prices, name)\n",
        "from shop import prices\nx = prices.__dict__\n",
        "from shop import prices\nx = vars(prices)\n",
        "from shop.prices import other\nsettings.configure('shop.prices')\n",
        "from shop.prices import other\nload('shop/prices.py')\n",
        "from shop.prices import other\nload('prices', package='shop')\n",
        "from shop.prices import other\nload('.prices', package='shop')\n",
        "from shop.prices import other\nload('shop.prices:app')\n",
        "from shop.prices import other\nload('use shop.prices.other')\n",
    ],
)
def test_whoever_holds_the_module_may_read_what_he_likes(user: str) -> None:
    assert concerned(user) is None


@pytest.mark.parametrize(
    ("user", "found"),
    [
        ("def f(m):\n    m.setattr(prices, 'TIMEOUT', 1)\n", {"f"}),
        ("def f(m):\n    return getattr(prices, 'OTHER')\n", set()),
        ("def f(m):\n    return getattr(prices, 'TIME' 'OUT')\n", {"f"}),
        ("def f(m):\n    m.object(prices, 'OTHER', 1)\n", set()),
    ],
)
def test_a_literal_name_is_a_mention(user: str, found: set[str]) -> None:
    assert concerned("from shop import prices\n" + user) == found


@pytest.mark.parametrize(
    "text",
    ["sys.modules", "importlib.import_module(n)", "f.__globals__", "eval(t)", "exec(t)", "__import__(n)"],
)
def test_whoever_searches_for_modules_or_runs_texts_mentions_all(text: str) -> None:
    assert concerned(USER + f"def search(n, t, f):\n    return {text}\n") == {"wait", "search"}


def test_a_module_that_looks_at_its_own_names_mentions_all() -> None:
    rest = "def f():\n    return globals()\n"
    found = mentioners(Files(shop__user=USER), OLD + rest, NEW + rest)
    assert found is not None
    assert ("shop/prices.py", "f") in found.units


@pytest.mark.parametrize("rest", ["app = Flask(__name__)\n", "x = [__name__]\n"])
def test_a_module_that_hands_out_its_name_may_be_found(rest: str) -> None:
    assert mentioners(Files(shop__user=USER), OLD + rest, NEW + rest) is None


@pytest.mark.parametrize("rest", ["log = getLogger(__name__)\n", "if __name__ == '__main__':\n    f()\n"])
def test_its_name_for_a_logger_or_a_comparison_is_not_handed_out(rest: str) -> None:
    assert mentioners(Files(shop__user=USER), OLD + rest, NEW + rest) is not None


def test_a_module_that_nobody_imports_by_a_statement_is_read_by_others() -> None:
    assert concerned("def f(): pass\n") is None


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("setup.cfg", "settings = shop.prices"),
        (".env.local", "SETTINGS=shop.prices"),
        ("package.json", '"src/shop/prices.py"'),
        ("Procfile", "web: run shop.prices:app"),
    ],
)
def test_a_file_of_configuration_may_tell_others_the_module(name: str, text: str) -> None:
    files = Files(shop__user=USER)
    files.texts[name] = text
    assert mentioners(files) is None


def test_the_environment_may_tell_others_the_module() -> None:
    assert mentioners(Files(shop__user=USER), DJANGO_SETTINGS_MODULE="shop.prices") is None
    assert mentioners(Files(shop__user=USER), HOME="/home/prices") is not None


def test_an_installed_package_that_requires_the_project_may_read_its_names() -> None:
    files = Files(shop__user=USER, shop__prices="'''b'''\n" + NEW)
    names = Names(files, files.source, {}, (), required=True)

    def level(text: str) -> str:
        return parse(text.encode()).level

    assert names.mentioning("shop/prices.py", level(OLD), level(NEW)) is None
    assert names.mentioning("shop/prices.py", level(NEW), level("'''b'''\n" + NEW)) == Mentioners()


@pytest.mark.parametrize(
    ("file", "text", "name"),
    [
        ("pyproject.toml", "[project]\nname = 'My.Shop'\n", "my-shop"),
        ("pyproject.toml", "[tool.poetry]\nname = 'shop'\n", "shop"),
        ("pyproject.toml", "[tool.x]\n", ""),
        ("pyproject.toml", "[tool", ""),
        ("setup.cfg", "[metadata]\nname = my_shop\n", "my-shop"),
        ("setup.cfg", "name", ""),
    ],
)
def test_the_project_is_known_by_its_name(file: str, text: str, name: str) -> None:
    files = Files()
    files.texts[file] = text
    assert name_of(files) == name


def test_packages_that_require_the_project_are_known() -> None:
    packages = Installed([Distribution("plugin", "1", ("shop",)), Distribution("shop", "1", ("shop",))])
    assert packages.requiring("shop") == {"plugin"}
    assert packages.requiring("") == set()


def test_files_that_tests_read_and_that_hold_the_name_concern_them() -> None:
    files = Files(shop__user=USER)
    files.texts |= {"data/a.txt": "wait TIMEOUT seconds", "data/b.txt": "MY_TIMEOUT"}
    found = mentioners(files)
    assert found is not None
    assert found.files == {"data/a.txt"}
    assert found.covers(Input("file", "data/a.txt"))
    assert not found.covers(Input("variable", "data/a.txt"))


def test_a_compiled_module_that_holds_the_name_may_read_it() -> None:
    files = Files(shop__user=USER)
    files.texts["shop/fast.pyx"] = "from shop.prices import TIMEOUT"
    assert mentioners(files) is None


def test_conftest_files_are_read_by_pytest_but_for_their_docstrings() -> None:
    files = Files(conftest="'''b'''\nN = 2\n", test_a="import conftest\n")
    names = Names(files, files.source, {}, opened=())

    def level(text: str) -> str:
        return parse(text.encode()).level

    assert names.mentioning("conftest.py", level("'''b'''\nN = 1\n"), level("'''b'''\nN = 2\n")) is None
    assert (
        names.mentioning("conftest.py", level("'''a'''\nN = 2\n"), level("'''b'''\nN = 2\n")) == Mentioners()
    )


def test_a_docstring_concerns_who_asks_for_docstrings() -> None:
    user = "import shop.prices\nimport inspect\ndef f():\n    return inspect.getdoc(x)\ndef g(): pass\n"
    assert concerned(user, "'''a'''\n", "'''b'''\n") == {"f"}
    assert concerned("import shop.prices\nhelp = shop.prices.__doc__\n", "'''a'''\n", "'''b'''\n") == {""}


DOCUMENTED = "def area(x):\n    '''{}'''\n    return x\n"


@pytest.mark.parametrize(
    ("user", "found"),
    [
        ("def f(): return area(area(1))\n", set()),
        ("def f(): return shop.prices.area(1)\n", set()),
        ("def f(): return shop.prices.area.x(1)\n", {"f"}),
        ("def f(): return g(area)\n", {"f"}),
        ("def f(): return area(1).__doc__\n", {"f"}),
        ("def f(): return inspect.getdoc(x)\n", {"f"}),
        ("def f(): return g('area')\n", {"f"}),
        ("def f(): return g('shop.prices:area')\n", None),
        ("def f(): return g('x:area')\n", {"f"}),
        ("def f(): return g('the area of it')\n", set()),
        ("command(area)\n", {""}),
        ("command(shop.prices)\n", None),
        ("__all__ = ['area']\n", set()),
        ("@area\ndef f(): pass\n", {"", "f"}),
    ],
)
def test_the_docstring_of_a_function_concerns_who_asks_for_it_or_hands_the_function_on(
    user: str, found: set[str] | None
) -> None:
    old, new = DOCUMENTED.format("Area."), DOCUMENTED.format("The area.")
    assert concerned("import shop.prices\nfrom shop.prices import area\n" + user, old, new) == found


def test_a_configured_function_may_be_asked_for_its_docstring() -> None:
    files = Files(shop__user=USER)
    old, new = DOCUMENTED.format("Area."), DOCUMENTED.format("The area.")
    assert mentioners(files, old, new) is not None
    files.texts["pyproject.toml"] = "[project.scripts]\narea = 'shop.prices:area'\n"
    assert mentioners(files, old, new) is None


def test_the_exported_names_concern_who_imports_everything() -> None:
    old, new = "__all__ = ['A']\nA = B = f()\n", "__all__ = ['A', 'B']\nA = B = f()\n"
    assert concerned("from shop.prices import *\ndef f(): pass\n", old, new) == {""}
    assert concerned("from .prices import *\ndef f(): pass\n", old, new) == {""}
    assert concerned("from shop.others import *\ndef f(): pass\n", old, new) == set()
    assert concerned("import shop.prices as p\nregister(p)\n__all__ = ['p']\n", old, new) == set()
    assert concerned("import shop.prices as p\n__all__ = p.__all__ + ['f']\n", old, new) == {""}


def test_a_name_that_others_still_export_and_that_went_concerns_them() -> None:
    user = "from shop.prices import *\n__all__ = ['TIMEOUT']\n"
    assert concerned(user, OLD, "OTHER = 1\n") == {""}
    assert concerned(user) == set()


def test_names_in_other_alphabets_concern_everybody() -> None:
    assert concerned("from shop.prices import é\n", "é = 1\n", "é = 2\n") is None


def test_more_than_names_concerns_everybody() -> None:
    assert concerned(USER, OLD, NEW + "f()\n") is None
    assert concerned(USER, OLD, OLD) is None


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("src.shop.prices", True),
        ("shop.prices", True),
        ("prices", True),
        ("..prices", True),
        ("the prices are high", False),
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


# -- whole projects -------------------------------------------------------------------------------------

KEYS = st.sampled_from(["A", "B", "C"])
LEVELS = st.sampled_from(
    [
        "from {p}.base import {k}",
        "from {p}.base import {k} as alias",
        "from {p}.base import *",
        "import {p}.base as base",
        "kept = base.{k} if 'base' in dir() else 0",
        "from {p} import base",
        "held = [base]",
        "class Box:\n    {k} = 7\n    def get(self): return getattr(self, '{k}', 0), globals().get('{k}')",
        "import sys",
    ]
)
BODIES = st.sampled_from(
    [
        "return {k}",
        "return base.{k}",
        "return getattr(base, '{k}')",
        "return getattr(base, 'abc'[0].upper() + '')",
        "return sys.modules['{p}.base'].{k}",
        "return [vars(m).get('{k}') for m in held]",
        "return alias",
        "return kept",
        "return Box().get()",
        "return eval('{k}')",
        "from {p}.base import {k} as local\n    return local",
        "return str([n for n in dir(base) if n.isupper()])",
        "return base.read()",
        "return 1",
    ]
)
READS = st.sampled_from(["return {k}", "return globals()['{k}']", "return [A, B]", "return 0"])
VALUES = st.sampled_from(["1", "2", "'x'", "[1]", "(A if False else 3)"])
_numbers = itertools.count()


@settings(max_examples=40, deadline=None)
@given(
    old=st.fixed_dictionaries({"A": VALUES, "B": VALUES, "C": VALUES}),
    new=st.fixed_dictionaries({"A": VALUES, "B": VALUES, "C": VALUES}),
    rest=st.tuples(
        st.tuples(READS, KEYS),
        st.lists(st.tuples(LEVELS, KEYS), min_size=1, max_size=4),
        st.lists(st.tuples(BODIES, KEYS), min_size=1, max_size=4),
    ),
)
def test_whatever_behaves_otherwise_after_a_change_of_names_is_concerned(
    tmp_path_factory: Any, old: Any, new: Any, rest: Any
) -> None:
    folder = tmp_path_factory.mktemp("project")
    first, second = _written(folder, old, *rest), _written(folder, new, *rest)
    before, after = _behaviour(folder, first), _behaviour(folder, second)
    files = Files()
    files.texts = {
        name: (folder / second / name).read_text().replace(second, first) for name in ("base.py", "user.py")
    }
    names = Names(files, files.source, {}, opened=())
    was = parse((folder / first / "base.py").read_bytes().replace(second.encode(), first.encode())).level
    found = names.mentioning("base.py", was, parse(files.texts["base.py"].encode()).level)
    if found is None:
        return
    for test in before.keys() | after.keys():
        if before.get(test, ("", set()))[0] != after.get(test, ("", set()))[0]:
            ran = before[test][1] if test in before else set()
            assert ran & found.units or found.levels, (test, before.get(test), after.get(test))


def _written(folder: Path, values: Any, read: Any, levels: Any, bodies: Any) -> str:
    package = f"generated_{next(_numbers)}"
    (folder / package).mkdir()
    (folder / package / "__init__.py").touch()
    base = "\n".join(f"{key} = {value}" for key, value in values.items())
    base += f"\ndef read():\n    {read[0].format(k=read[1])}\n"
    (folder / package / "base.py").write_text(base)
    user = "\n".join(text.format(k=key, p=package) for text, key in levels) + "\n"
    for number, (text, key) in enumerate(bodies):
        user += f"def f{number}():\n    {text.format(k=key, p=package)}\n"
    (folder / package / "user.py").write_text(user)
    return package


def _behaviour(folder: Path, package: str) -> dict[str, tuple[str, set[tuple[str, str]]]]:
    """Import a package and call its functions: what each returns or raises, and the functions that ran."""
    sys.path.insert(0, str(folder))
    try:
        importlib.invalidate_caches()
        try:
            user = importlib.import_module(f"{package}.user")
        except Exception as error:  # noqa: BLE001 - any of them
            return {"import": (type(error).__name__, set())}
        found = {"import": ("", set[tuple[str, str]]())}
        functions = [item for item in vars(user).values() if inspect.isfunction(item)]
        for function in functions:
            if function.__module__ == f"{package}.user":
                found[function.__name__] = _called(function, folder / package)
        return found
    finally:
        sys.path.remove(str(folder))


def _called(function: Callable[[], object], root: Path) -> tuple[str, set[tuple[str, str]]]:
    ran: set[tuple[str, str]] = set()

    def note(frame: Any, event: str, _argument: object) -> None:
        path = Path(frame.f_code.co_filename)
        if event == "call" and path.is_relative_to(root):
            ran.add((path.name, frame.f_code.co_qualname))

    sys.setprofile(note)
    try:
        said = repr(function())
    except Exception as error:  # noqa: BLE001 - any of them
        said = f"{type(error).__name__}: {error}"
    finally:
        sys.setprofile(None)
    return said.replace(root.name, "package"), ran


# -- in a run ------------------------------------------------------------------------------------------


@needs_monitoring
def test_only_tests_that_use_a_changed_name_run(project: Any) -> None:
    project.write(
        "prices.py", "'''Prices.'''\nRATE = 2\nNAMES = ['a']\n\ndef total(x):\n    return x * RATE\n"
    )
    project.write("shop.py", "import prices\n\ndef first():\n    return prices.NAMES[0]\n")
    project.write(
        "test_shop.py",
        "import prices, shop\n"
        "def test_total(): assert prices.total(2) < 9\n"
        "def test_first(): assert shop.first()\n"
        "def test_neither(): assert prices\n",
    )
    project.replace("test_shop.py", "assert prices\n", "assert prices.total\n")
    everything = {"test_total", "test_first", "test_neither"}
    assert project.run() == everything
    project.replace("prices.py", "RATE = 2", "RATE = 3")
    assert project.run() == {"test_total"}
    project.replace("prices.py", "['a']", "['b']")
    assert project.run() == {"test_first"}
    project.replace("prices.py", "'''Prices.'''", "'''All prices.'''")
    assert project.run() == set()
    project.replace("prices.py", "RATE = 3", "RATE = 5")
    assert project.run(code=1) == {"test_total"}
    project.replace("prices.py", "RATE = 5", "RATE = int('4')\nprint(RATE)")
    assert project.run() == everything
