"""Where code and tests are is found in projects of every usual shape."""

from pathlib import Path

import pytest

from toolkit.adopt.layout import Layout, find_files, find_manager, find_members, read_layout
from toolkit.config.needs import read_document

TEST = "def test_it():\n    assert 1\n"


def layout(root: Path, *files: str, pyproject: str = "", **texts: str) -> Layout:
    for name in files:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(TEST if "test" in path.name else "", encoding="utf-8")
    if pyproject:
        (root / "pyproject.toml").write_text(pyproject, encoding="utf-8")
    for name, text in texts.items():
        (root / name.replace("_", ".")).write_text(text, encoding="utf-8")
    return read_layout(root, read_document(root))


NAMED = '[project]\nname = "Shop-Front"\nrequires-python = ">=3.12,<3.14"\n'


def test_src(tmp_path: Path) -> None:
    found = layout(tmp_path, "src/shop_front/__init__.py", "tests/test_a.py", pyproject=NAMED)
    assert (found.shape, found.source, found.tests) == ("src", ("src",), ("tests",))
    assert (found.project, found.pythons) == ("Shop-Front", ("3.12", "3.13"))


def test_flat(tmp_path: Path) -> None:
    found = layout(tmp_path, "shop_front/__init__.py", "shop_front/tests/test_a.py", pyproject=NAMED)
    assert (found.shape, found.source, found.tests) == ("flat", ("shop_front",), ("shop_front/tests",))


def test_a_namespace_has_no_package_file(tmp_path: Path) -> None:
    found = layout(tmp_path, "jar/tools.py", "test_tools.py", pyproject='[project]\nname = "jar.tools"\n')
    assert (found.source, found.tests, found.pythons) == (("jar",), ("test_tools.py",), ())


def test_nothing_is_there(tmp_path: Path) -> None:
    found = layout(tmp_path)
    assert (found.shape, found.source, found.tests, found.manager) == ("none", (), (), "none")
    assert found.project == tmp_path.name


def test_what_pytest_is_told_decides(tmp_path: Path) -> None:
    found = layout(
        tmp_path, "checks/test_a.py", "tests/test_b.py", pytest_ini="[pytest]\ntestpaths = checks gone\n"
    )
    assert found.tests == ("checks",)
    assert found.existing == ("pytest.ini",)


def test_the_code_is_run_too_where_pytest_runs_doctests(tmp_path: Path) -> None:
    ini = "[pytest]\naddopts = --doctest-modules\n"
    found = layout(tmp_path, "shop/__init__.py", "tests/test_a.py", pytest_ini=ini)
    assert found.tests == ("tests", "shop")


def test_modules_that_help_others_to_test_are_no_tests(tmp_path: Path) -> None:
    found = layout(tmp_path, "shop/__init__.py", "shop/test_tools.py", "tests/test_a.py")
    assert found.tests == ("tests",)


def test_modules_of_the_code_are_tests_where_there_are_no_others(tmp_path: Path) -> None:
    found = layout(tmp_path, "shop/__init__.py", "shop/test_money.py")
    assert found.tests == ("shop/test_money.py",)


def test_modules_of_an_unusual_name_are_named(tmp_path: Path) -> None:
    """Unittest finds what a package imports; pytest runs what it is given."""
    found = layout(tmp_path, "shop/__init__.py", "tests/__init__.py", "tests/testing_money.py")
    (tmp_path / "tests" / "helpers.py").write_text("x = 1\n")
    assert layout(tmp_path).tests == found.tests == ("tests/testing_money.py",)


def test_built_hidden_and_foreign_folders_are_not_looked_into(tmp_path: Path) -> None:
    folders = ("build", ".tox", "node_modules", "x.egg-info", "docs", "a/b/c/d/e/f/g")
    layout(tmp_path, *(f"{folder}/test_a.py" for folder in folders), "mine/test_a.py", "theirs/test_a.py")
    (tmp_path / "theirs" / "pyvenv.cfg").touch()
    (tmp_path / "test_gone.py").symlink_to("nowhere")
    assert list(find_files(tmp_path, ["test_*.py"])) == ["mine/test_a.py"]


@pytest.mark.parametrize(
    ("files", "document", "manager"),
    [
        (("uv.lock",), {}, "uv"),
        (("poetry.lock", "setup.py"), {}, "poetry"),
        ((), {"build-system": {"build-backend": "hatchling.build"}}, "hatch"),
        ((), {"build-system": {"build-backend": "maturin"}}, "maturin"),
        (("setup.cfg",), {}, "setuptools"),
    ],
)
def test_who_installs_it(
    tmp_path: Path, files: tuple[str, ...], document: dict[str, object], manager: str
) -> None:
    for name in files:
        (tmp_path / name).touch()
    assert find_manager(tmp_path, document) == manager


@pytest.mark.parametrize(
    ("files", "document", "discovered"),
    [
        ({}, {}, True),
        ({}, {"build-system": {"build-backend": "setuptools.build_meta"}}, True),
        ({}, {"build-system": {"build-backend": "hatchling.build"}}, False),
        ({}, {"tool": {"setuptools": {"packages": ["shop"]}}}, False),
        ({"setup.cfg": "[options]\npy_modules = shop\n"}, {}, False),
        ({"setup.py": "setup(packages=['shop'])"}, {}, False),
        ({"src/shop.py": ""}, {}, False),
    ],
)
def test_setuptools_takes_any_folder_for_a_package_unless_told(
    tmp_path: Path, files: dict[str, str], document: dict[str, object], discovered: bool
) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert read_layout(tmp_path, document).discovered is discovered


def test_members_of_a_workspace(tmp_path: Path) -> None:
    for name in ("packages/a", "packages/b", "packages/old", "packages/empty"):
        (tmp_path / name).mkdir(parents=True)
        if name != "packages/empty":
            (tmp_path / name / "pyproject.toml").write_text('[project]\nname = "x"\n')
    workspace = {"members": ["packages/*"], "exclude": ["packages/old"]}
    document = {"tool": {"uv": {"workspace": workspace}}}
    assert list(find_members(tmp_path, document)) == ["packages/a", "packages/b"]


def test_members_without_a_workspace_are_projects_with_tests(tmp_path: Path) -> None:
    found = layout(
        tmp_path,
        "packages/a/setup.py",
        "packages/a/src/a/__init__.py",
        "packages/a/tests/test_a.py",
        "packages/b/setup.py",
        "packages/b/b/__init__.py",
        "packages/b/tests/test_b.py",
        "example/setup.py",
        "packages/c/setup.py",
        "packages/c/tests/test_c.py",
    )
    assert found.shape == "monorepo"
    assert found.members == ("packages/a", "packages/b", "packages/c")
    assert found.source == ("packages/a/src", "packages/b/b", "packages/c")
    assert found.tests == ("packages/a/tests", "packages/b/tests", "packages/c/tests")
