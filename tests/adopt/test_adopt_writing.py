"""What is written is short and valid; what was there stays byte for byte, whatever happens."""

import subprocess
import tomllib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.adopt.files import layout_files, table_text
from toolkit.adopt.files import settings as table_settings
from toolkit.adopt.proposal import Proposal, pretty_summary, propose
from toolkit.adopt.writing import Step, appended, perform, plan_steps, undo_commands
from toolkit.config import load_config
from toolkit.errors import ConfigError, InputError, MissingExtra

TEST = "def test_it():\n    assert 1\n"


def project(root: Path, files: dict[str, str] | None = None) -> Proposal:
    root.mkdir(exist_ok=True)
    for name, text in (files or {}).items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return propose(root, ["3.12"])


keys = st.text(st.sampled_from("abcxyz"), min_size=1, max_size=4)
values = st.one_of(st.integers(-5, 5).map(str), st.booleans().map(lambda x: str(x).lower()), st.just("'t'"))
tables = st.dictionaries(keys, st.dictionaries(keys, values, max_size=3), max_size=3)


@settings(max_examples=50, deadline=None)
@given(
    tables=tables, newline=st.sampled_from(["\n", "\r\n"]), end=st.sampled_from(["", "\n", "\n\n", " # end"])
)
def test_what_was_there_stays_byte_for_byte(
    tables: dict[str, dict[str, str]], newline: str, end: str
) -> None:
    lines = [
        line
        for name, rows in tables.items()
        for line in (f"[tool.{name}] # comment", *(f"{key}   = {value}" for key, value in rows.items()))
    ]
    before = (newline.join(lines) + end.replace("\n", newline)).encode()
    after = appended(before, "[tool.toolkit]\ntests = ['t']\n", Path("pyproject.toml"))
    assert after.startswith(before)
    read = tomllib.loads(after.decode())
    assert read["tool"].pop("toolkit") == {"tests": ["t"]}
    assert read == {"tool": {}, **tomllib.loads(before.decode())}


@pytest.mark.parametrize("before", [b"tool = {black = {x = 1}}\n", b"\xff", b"= 1"])
def test_a_file_that_cannot_be_extended_is_told_and_left(before: bytes) -> None:
    with pytest.raises(InputError, match=r"pyproject.toml: a \[tool.toolkit\] table cannot be appended"):
        appended(before, "[tool.toolkit]\n", Path("pyproject.toml"))


def test_a_pyproject_that_is_no_text_is_told(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_bytes(b"\xff")
    with pytest.raises(ConfigError, match="not valid TOML"):
        propose(tmp_path)


def test_a_pyproject_that_is_no_toml_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="not valid TOML"):
        project(tmp_path, {"pyproject.toml": "[project\n"})


def test_the_table_has_only_what_is_not_found_anyway(tmp_path: Path) -> None:
    proposal = project(
        tmp_path,
        {
            "pyproject.toml": '[build-system]\nbuild-backend = "hatchling.build"\n'
            '[project]\nname = "shop"\nversion = "1"\nrequires-python = ">=3.11"\n'
            '[dependency-groups]\ntest = ["pytest"]\n',
            "shop/__init__.py": "",
            "tests/test_a.py": TEST,
        },
    )
    assert table_settings(proposal) == {"source": ("shop",), "tests": ("tests",)}
    assert table_text(proposal) == '[tool.toolkit]\nsource = ["shop"]\ntests = ["tests"]\n'


def test_everything_that_is_found_is_a_setting_that_is_understood(tmp_path: Path) -> None:
    proposal = project(
        tmp_path,
        {
            "setup.py": "setup(name='shop')",
            "shop/__init__.py": "import os\nos.environ['TEST_DATABASE_URL'], os.environ['NATS_URL']\n",
            "tests/unit/test_a.py": "import yaml, unheard_of\n@pytest.mark.net\ndef test_a(mocker): ...\n",
        },
    )
    perform(tmp_path, plan_steps(proposal))
    config = load_config(tmp_path, {})
    assert config.pythons
    assert config.reports == "build/reports", "setuptools would take the folder for a package"
    assert config.folders == {"tests/unit": "unit"}
    assert set(config.markers) == {"net"}
    assert config.install.requires == ("pytest-mock", "pyyaml")
    assert config.services["database"].variable == "TEST_DATABASE_URL"
    assert config.services["nats"].kind == "nats"
    assert config.profiles["integration"].services == ("nats", "database")
    text = (tmp_path / "pyproject.toml").read_text()
    assert text.startswith("[tool.toolkit]\n")
    assert text.count("\n[") == 0, "one table"
    told = dict(pretty_summary(proposal))
    assert "unheard_of" in told["unclear"]
    assert "flat layout" in told["project"]


def test_doctests_are_run_where_there_are_no_other_tests(tmp_path: Path) -> None:
    proposal = project(tmp_path, {"shop/__init__.py": '"""\n>>> 1\n1\n"""\n'})
    assert table_settings(proposal)["profiles.unit.arguments"] == ("--doctest-modules",)
    assert table_settings(proposal)["tests"] == ("shop",)


def test_modules_of_one_name_in_two_members_are_imported_apart(tmp_path: Path) -> None:
    texts = {f"packages/{name}/tests/test_all.py": TEST for name in "ab"}
    proposal = project(tmp_path, {**texts, "packages/a/setup.py": "", "packages/b/setup.py": ""})
    found = table_settings(proposal)
    assert found["install.members"] == ("packages/a", "packages/b")
    assert found["profiles.unit.arguments"] == ("--import-mode=importlib",)
    perform(tmp_path, plan_steps(proposal))
    assert load_config(tmp_path, {}).install.members == ("packages/a", "packages/b")


def test_packages_of_one_name_in_two_members_are_told(tmp_path: Path) -> None:
    """No way of importing helps: ``tests`` is one module of a process."""
    texts = {f"packages/{name}/tests/test_{name}.py": TEST for name in "ab"}
    texts |= {f"packages/{name}/tests/__init__.py": "" for name in "ab"}
    proposal = project(tmp_path, {**texts, "packages/a/setup.py": "", "packages/b/setup.py": ""})
    assert proposal.clashes == ("tests",)
    assert "packages named tests" in dict(pretty_summary(proposal))["clashes"]


def test_the_layout_has_a_smoke_test_of_the_package(tmp_path: Path) -> None:
    single = project(tmp_path / "b", {"shop.py": "", "pyproject.toml": '[project]\nname = "shop"\n'})
    inside = project(tmp_path / "c", {"src/shop/__init__.py": ""})
    for proposal in (single, inside):
        assert "tests/smoke/test_smoke_shop.py" in layout_files(proposal)
    assert not any(name.endswith(".py") for name in layout_files(project(tmp_path / "d")))


def test_a_file_that_appears_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "b.py").write_text("mine")
    steps = [Step(action="create", path="a.py", text="a"), Step(action="create", path="b.py", text="b")]
    with pytest.raises(InputError, match=r"b.py: File exists; written before: a.py"):
        perform(tmp_path, steps)
    assert (tmp_path / "b.py").read_text() == "mine"


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pyproject.toml").write_text("[a]\n")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("toolkit.adopt.writing.shutil.copymode", full)
    with pytest.raises(InputError, match=r"No space left on device; nothing was written"):
        perform(tmp_path, [Step(action="append", path="pyproject.toml", text="[tool.toolkit]\n")])
    assert [path.name for path in tmp_path.iterdir()] == ["pyproject.toml"]
    assert (tmp_path / "pyproject.toml").read_text() == "[a]\n"


def test_half_a_new_file_is_not_left(tmp_path: Path) -> None:
    step = Step(
        action="create", path="noxfile.py", text="# half of it\n\udc80"
    )  # cannot be written, as a full disk
    with pytest.raises(UnicodeEncodeError):
        perform(tmp_path, [step])
    assert list(tmp_path.iterdir()) == [], "init would keep it as yours the next time"


@pytest.mark.parametrize("name", ["noxfile.py", "tasks.py"])
def test_a_file_that_cannot_be_read_is_told_and_left(tmp_path: Path, name: str) -> None:
    (tmp_path / name).symlink_to("nowhere")
    with pytest.raises(InputError, match=rf"{name}: cannot be read: .*; nothing was written"):
        plan_steps(project(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_undo_of_another_folder_does_nothing_to_this_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = tmp_path / "here", tmp_path / "it's there"
    for folder in (here, there):
        folder.mkdir()
        subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
        (folder / "noxfile.py").write_text("mine")
    monkeypatch.chdir(here)
    (command,) = undo_commands(there, [Step(action="create", path="noxfile.py")])
    subprocess.run(command, shell=True, cwd=here, check=True, capture_output=True)
    assert ((here / "noxfile.py").exists(), (there / "noxfile.py").exists()) == (True, False)


def test_undo_is_not_promised_where_git_does_not_know_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    steps = [Step(action="append", path="pyproject.toml"), Step(action="create", path="noxfile.py")]
    (tmp_path / "pyproject.toml").write_text("")
    assert undo_commands(tmp_path, steps) == []
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    assert undo_commands(tmp_path, steps) == ["git clean -f -- noxfile.py"], "changes of yours would be lost"
    monkeypatch.setenv("PATH", "")
    assert undo_commands(tmp_path, steps) == []


def test_tomlkit_is_an_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "tomlkit", None)
    with pytest.raises(MissingExtra, match="tomlkit"):
        table_text(project(tmp_path))
