"""What a wheel brings along, as a CycloneDX bill of materials: https://cyclonedx.org/specification/overview/."""

import os
import shutil
from pathlib import Path

import nox

from toolkit.config import Config

TOOL = "cyclonedx-py"
FILE = "sbom.cdx.json"


def write_sbom(session: nox.Session, config: Config, wheel: str, folder: Path) -> Path | None:
    """Install a wheel alone and list what that installed; None: the tool is not in the session's environment.

    Args:
        session: whose environment has the tool.
        config: of the project; the bill is written to its folder of reports.
        wheel: path of the wheel.
        folder: where an environment for the wheel is made.
    """
    if shutil.which(TOOL, path=session.bin) is None:
        return None
    environment = folder / "wheel"
    shutil.rmtree(environment, ignore_errors=True)
    python = environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if session.venv_backend == "uv":
        session.run("uv", "venv", "--quiet", str(environment), external=True)
        install = ["uv", "pip", "install", "--quiet", "--python", str(python), wheel]
    else:
        session.run("python", "-m", "venv", str(environment))
        install = [str(python), "-m", "pip", "install", "--quiet", wheel]
    session.run(*install, external=True)
    file = config.reports_dir / FILE
    file.parent.mkdir(parents=True, exist_ok=True)
    about = ["--pyproject", str(config.root / "pyproject.toml")]
    command = [TOOL, "environment", *about, "--output-reproducible", "--of", "JSON", "-o", str(file)]
    session.run(*command, str(python))
    session.log(f"bill of materials: {file}")
    return file
