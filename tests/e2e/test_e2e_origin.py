"""The tests get the very toolkit that runs Nox: from a wheel, a source archive, git or a folder."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.sessions.nox_project import Project, outside_environment

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

ROOT = Path(__file__).resolve().parents[2]


def run(*command: str, cwd: Path = ROOT) -> str:
    done = subprocess.run(
        command, cwd=cwd, env=outside_environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clean copy of this repository's files as they are now, as a git repository of its own."""
    copy = tmp_path_factory.mktemp("origin") / "repository"
    for name in run("git", "ls-files", "-co", "--exclude-standard").splitlines():
        if (ROOT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, copy / name)
    identity = ("-c", "user.name=t", "-c", "user.email=t@example.org")
    run("git", "init", "-q", cwd=copy)
    run("git", "add", "-A", cwd=copy)
    run("git", *identity, "commit", "-q", "-m", "copy", cwd=copy)
    run("uv", "build", "-q", "--out-dir", str(copy.parent / "dist"), cwd=copy)
    return copy


@pytest.mark.parametrize("kind", ["wheel", "sdist", "git", "editable"])
def test_the_same_toolkit_is_installed(tmp_path: Path, sources: Path, kind: str) -> None:
    project = Project(tmp_path / "project")
    dist = sources.parent / "dist"
    origin = {
        "wheel": next(dist.glob("*.whl")).as_uri(),
        "sdist": next(dist.glob("*.tar.gz")).as_uri(),
        "git": f"git+{sources.as_uri()}",
        "editable": "",
    }[kind]
    wanted = (
        ["-e", f"{sources}[control]"] if kind == "editable" else [f"nox-invoke-toolkit[control] @ {origin}"]
    )
    run("uv", "venv", "-q", "--no-config", "-p", "3.12", "control", cwd=project.root)
    binaries = project.root / "control" / ("Scripts" if os.name == "nt" else "bin")
    run(
        "uv",
        "pip",
        "install",
        "-q",
        "--no-config",
        "--python",
        str(binaries / "python"),
        *wanted,
        cwd=project.root,
    )
    output = run(str(binaries / "nox"), "-s", "unit-3.12", cwd=project.root)
    assert "1 passed" in output
    packages = next((project.root / ".nox" / "unit-3-12").rglob("site-packages"))
    (recorded,) = packages.glob("nox_invoke_toolkit-*.dist-info/direct_url.json")
    url = json.loads(recorded.read_text(encoding="utf-8"))
    expected = sources.as_uri() if kind in {"git", "editable"} else origin
    assert url["url"] == expected
    assert (url.get("dir_info") or {}).get("editable", False) is (kind == "editable")
    if kind == "git":
        assert url["vcs_info"]["commit_id"] == run("git", "rev-parse", "HEAD", cwd=sources).strip()
