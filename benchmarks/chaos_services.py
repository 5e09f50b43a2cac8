"""The services that are hurt: the rows of each, and the image of the example's API."""

import os
import shutil
import stat
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

from benchmarks.chaos_surroundings import EXAMPLE

IMAGE = "nox-invoke-toolkit-benchmark/bookshop"


def configured(runtime: str, folder: Path) -> dict[str, Any]:
    """Return the rows of the services of a runtime; the example as a command, or in an image."""
    api: dict[str, Any] = {"kind": "http", "health": "/ready", "needs": ["database", "cache"]}
    serve = ["bookshop", "serve", "--migrate", "--port", "{port}", "--host"]
    if runtime == "compose":
        api |= {"image": IMAGE, "port": 8000, "command": ["python", "-m", *serve, "0.0.0.0"]}
    else:
        command = folder / "bookshop"
        command.write_text(f'#!/bin/sh\nexec {sys.executable} -m bookshop "$@"\n', encoding="utf-8")
        command.chmod(command.stat().st_mode | stat.S_IXUSR)
        api |= {"command": [*serve, "{host}"]}
    return {"nats": {"kind": "nats"}, "message_queue": {"kind": "rabbitmq"}, "api": api}


def build_image(folder: Path) -> None:
    """Put the example and what it needs into an image with Python."""
    base = os.environ.get("API_IMAGE", "python:3.13.9-slim-bookworm")
    asked = ["docker", "run", "--rm", base, "python", "-c"]
    told = subprocess.run(
        [*asked, "import sys; print('%d.%d' % sys.version_info[:2])"],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    needs = tomllib.loads((EXAMPLE / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
    target = ["--target", str(folder / "site"), "--python-version", told.stdout.strip()]
    install = ["uv", "pip", "install", "--quiet", *target, "--only-binary", ":all:", *needs]
    subprocess.run(install, check=True)
    shutil.copytree(EXAMPLE / "src" / "bookshop", folder / "site" / "bookshop")
    lines = [
        f"FROM {base}",
        "COPY site /site",
        "ENV PYTHONPATH=/site",
        "RUN python -m compileall -q /site",
        "",
    ]
    (folder / "Dockerfile").write_text("\n".join(lines), encoding="utf-8")
    subprocess.run(
        ["docker", "build", "--quiet", "--tag", IMAGE, folder], check=True, stdout=subprocess.DEVNULL
    )
