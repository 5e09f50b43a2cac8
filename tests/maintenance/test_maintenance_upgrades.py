"""Upgrades are resolved by uv, tried in a scratch environment, and kept only on demand; wheels of our own."""

import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from toolkit.config import load_config
from toolkit.errors import EnvironmentFailed, InputError
from toolkit.maintenance import upgrades
from toolkit.maintenance.steps import Skip
from toolkit.maintenance.upgrades import Proposal, Upgrade, keep, propose, try_out

RUNNER = "import shelf, sys\nsys.exit(0 if shelf.GOOD else print('shelf is bad') or 1)\n"


BACKEND = """
import zipfile
from pathlib import Path
def build_editable(folder, settings=None, metadata=None):
    name = "shop-1-py3-none-any.whl"
    with zipfile.ZipFile(Path(folder) / name, "w") as archive:
        info = "shop-1.dist-info"
        about = "Metadata-Version: 2.1\\nName: shop\\nVersion: 1\\nRequires-Dist: shelf\\n"
        archive.writestr(f"{info}/METADATA", about)
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        archive.writestr(f"{info}/RECORD", f"{info}/METADATA,,\\n{info}/WHEEL,,\\n{info}/RECORD,,\\n")
    return name
build_wheel = build_editable
"""


def wheel(folder: Path, name: str, version: str, files: dict[str, str], requires: str = "") -> None:
    """Write a wheel: https://packaging.python.org/en/latest/specifications/binary-distribution-format/."""
    stem = f"{name.replace('-', '_')}-{version}"
    info = f"{stem}.dist-info"
    needs = f"Requires-Dist: {requires}\n" if requires else ""
    texts = {
        **files,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{path},,\n" for path in (*texts, f"{info}/RECORD"))
    with zipfile.ZipFile(folder / f"{stem}-py3-none-any.whl", "w") as archive:
        for path, text in {**texts, f"{info}/RECORD": record}.items():
            archive.writestr(path, text)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project that pins shelf 1.0; 2.0 and a runner named pytest are there, and no index."""
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    wheel(wheels, "shelf", "1.0", {"shelf.py": "GOOD = True\n"})
    wheel(wheels, "pytest", "99.0", {"pytest/__init__.py": "", "pytest/__main__.py": RUNNER})
    for name in ("VIRTUAL_ENV", "UV_PYTHON"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("UV_FIND_LINKS", str(wheels))
    monkeypatch.setenv("UV_OFFLINE", "1")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    root = tmp_path / "project"
    root.mkdir()
    (root / "pyproject.toml").write_text(
        '[project]\nname = "shop"\nversion = "1"\ndependencies = ["Shelf"]\n'
        '[dependency-groups]\ntest = ["pytest"]\n'
        '[tool.toolkit.install]\ngroups = ["test"]\nconstraints = ["pins.txt"]\n'
    )
    (root / "pins.txt").write_text(
        "# pinned\nShelf==1.0  # why\npytest==99.0\nother==5 ; python_version > '3'\n"
    )
    monkeypatch.chdir(root)
    return root


def publish(project: Path, source: str, requires: str = "", version: str = "2.0") -> None:
    wheel(project.parent / "wheels", "shelf", version, {"shelf.py": source}, requires)


def test_nothing_is_newer(project: Path) -> None:
    found = propose(load_config(project), sys.executable)
    assert found.upgrades == ()
    assert found.present == found.newest == ("pytest==99.0", "shelf==1.0")


def test_an_upgrade_with_which_the_tests_pass_is_written_down_on_demand(project: Path) -> None:
    publish(project, "GOOD = True\n")
    config = load_config(project)
    before = (project / "pins.txt").read_text()
    found = propose(config, sys.executable)
    assert found.upgrades == (Upgrade(name="shelf", old="1.0", new="2.0"),)
    assert try_out(config, found, sys.executable, []).passed
    assert (project / "pins.txt").read_text() == before
    assert keep(config, found) == ("pins.txt",)
    assert (project / "pins.txt").read_text() == before.replace("Shelf==1.0", "Shelf==2.0")
    assert keep(config, found) == ()
    assert propose(config, sys.executable).upgrades == ()


NEWER = Proposal(
    upgrades=(Upgrade(name="shelf", old="1.0", new="2.0"), Upgrade(name="hook", old="3.0.0", new="4"))
)


def test_keeping_leaves_pins_for_other_pythons_line_ends_links_and_modes(project: Path) -> None:
    real = project / "shared.txt"
    old = "shelf==0.9 ; python_version < '3'\nShelf==1.0 ; python_version > '3'\r\nhook==3.0\n"
    real.write_bytes(old.encode())
    real.chmod(0o640)
    (project / "pins.txt").unlink()
    (project / "pins.txt").symlink_to(real.name)
    assert keep(load_config(project), NEWER) == ("pins.txt",)
    assert real.read_bytes() == old.replace("Shelf==1.0", "Shelf==2.0").replace("k==3.0", "k==4").encode()
    assert (project / "pins.txt").is_symlink()
    assert real.stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("second", [b"shelf==1.0 \\\n    --hash=sha256:00\n", b"\xff", None])
def test_keeping_writes_all_files_or_none(project: Path, second: bytes | None) -> None:
    """A pin beside the hash of another version could never be installed."""
    text = (project / "pyproject.toml").read_text()
    (project / "pyproject.toml").write_text(text.replace('["pins.txt"]', '["pins.txt", "more.txt"]'))
    if second is not None:
        (project / "more.txt").write_bytes(second)
    before = (project / "pins.txt").read_bytes()
    with pytest.raises(InputError, match=r"more\.txt"):
        keep(load_config(project), NEWER)
    assert (project / "pins.txt").read_bytes() == before
    assert second is None or (project / "more.txt").read_bytes() == second


def test_an_upgrade_that_breaks_the_tests_is_told_apart_from_tests_that_are_broken(project: Path) -> None:
    publish(project, "GOOD = False\n")
    config = load_config(project)
    trial = try_out(config, propose(config, sys.executable), sys.executable, [])
    assert (trial.passed, trial.present_passed) == (False, True)
    assert trial.output == "shelf is bad"


def test_what_becomes_needed_and_what_no_longer_is(project: Path) -> None:
    wheel(project.parent / "wheels", "hook", "3.0", {"hook.py": ""})
    publish(project, "GOOD = True\n", requires="hook")
    assert propose(load_config(project), sys.executable).upgrades == (
        Upgrade(name="hook", new="3.0"),
        Upgrade(name="shelf", old="1.0", new="2.0"),
    )


def test_without_pins_what_is_installed_is_present(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (project / "pyproject.toml").read_text()
    (project / "pyproject.toml").write_text(text.replace('constraints = ["pins.txt"]\n', ""))
    real = upgrades._run

    def freeze(command: list[str], root: Path, what: str) -> str:
        return (
            "Shelf==0.5\nunrelated==1\n-e file:///x\n" if "freeze" in command else real(command, root, what)
        )

    monkeypatch.setattr(upgrades, "_run", freeze)
    config = load_config(project)
    found = propose(config, sys.executable)
    assert found.upgrades == (Upgrade(name="pytest", new="99.0"), Upgrade(name="shelf", old="0.5", new="1.0"))
    with pytest.raises(InputError, match="no constraint files"):
        keep(config, found)


def test_requirement_files_and_single_requirements_are_resolved_too(project: Path) -> None:
    (project / "requirements.txt").write_text("pytest\n")
    (project / "pyproject.toml").write_text(
        '[project]\nname = "shop"\nversion = "1"\n[build-system]\nrequires = []\nbuild-backend = "own"\n'
        'backend-path = ["."]\n'
        '[tool.toolkit.install]\nrequires = ["shelf"]\nrequirements = ["requirements.txt"]\nproject = false\n'
    )
    config = load_config(project)
    assert propose(config, sys.executable).newest == ("pytest==99.0", "shelf==1.0")


def test_a_project_that_is_installed_takes_part_in_the_trial(project: Path) -> None:
    """It is built by its own backend; also its extras can be named by its groups."""
    (project / "own.py").write_text(BACKEND)
    (project / "pyproject.toml").write_text(
        '[project]\nname = "shop"\nversion = "1"\ndependencies = ["shelf"]\n'
        '[build-system]\nrequires = []\nbuild-backend = "own"\nbackend-path = ["."]\n'
        '[dependency-groups]\ntest = ["pytest", "shop"]\n'
        '[tool.toolkit.install]\nconstraints = ["pins.txt"]\n'
    )
    publish(project, "GOOD = True\n")
    config = load_config(project)
    found = propose(config, sys.executable)
    assert found.upgrades == (Upgrade(name="shelf", old="1.0", new="2.0"),)
    assert try_out(config, found, sys.executable, []).passed
    (project / "pins.txt").unlink()
    with pytest.raises(InputError, match=r"pins\.txt"):
        keep(config, found)


def test_a_conflict_is_shown_as_the_resolver_explains_it(project: Path) -> None:
    (project / "pins.txt").write_text("shelf==7\n")
    with pytest.raises(EnvironmentFailed, match=r"cannot be resolved:\n.*\n.*shelf==7"):
        propose(load_config(project), sys.executable)


def test_where_nothing_can_be_resolved_the_step_is_skipped(
    tmp_path: Path, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(Skip, match="names no dependencies"):
        propose(load_config(tmp_path / "empty"), sys.executable)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(Skip, match="pip install uv"):
        propose(load_config(project), sys.executable)


Run = Callable[..., tuple[int, str, str]]


def test_the_task_proposes_keeps_or_drops(project: Path, invoke: Run) -> None:
    publish(project, "GOOD = True\n")
    here = ["--python", sys.executable]
    code, out, _ = invoke("maintenance.upgrades", "--dry-run", *here)
    assert code == 0
    assert "1 of 2 packages have newer versions; the tests would be run with them" in out
    assert "upgrade shelf: 1.0 → 2.0" in out
    code, out, _ = invoke("maintenance.upgrades", "--keep", *here)
    assert "the tests pass with them; kept in: pins.txt" in out
    publish(project, "GOOD = False\n", version="3.0")
    (project / "pins.txt").write_text("shelf==1.0\n")
    code, out, _ = invoke("maintenance.upgrades", "--keep", *here)
    assert code == 1
    assert "dropped: the tests fail with them, and pass with the present versions" in out
    assert (project / "pins.txt").read_text() == "shelf==1.0\n"
