"""CI definitions of third-party projects, with the noxfiles that they wrote themselves."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import third_party
from tests.ci.judges import judge
from toolkit.ci.files import definition
from toolkit.ci.jobs import chosen_sessions, make_jobs
from toolkit.config import load_config

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

PROJECTS = (("jsonschema", "4.26.0", 15), ("nox", "2026.10.20", 5))
"""Name, version, and the least number of sessions that a bare nox runs."""


def listed(root: Path) -> list[str]:
    command = [sys.executable, "-m", "nox", "--list", "--json"]
    done = subprocess.run(
        command, cwd=root, env=third_party.environment(), capture_output=True, text=True, check=True
    )
    return [row["session"] for row in json.loads(done.stdout.splitlines()[-1])]


def test_definitions_of_two_projects_satisfy_every_judge(tmp_path: Path) -> None:
    for name, version, least in PROJECTS:
        project = third_party.Project(name=name, version=version, needs=())
        root = third_party.unpack(project, tmp_path)
        config = load_config(root, environ={})
        jobs = make_jobs(config, chosen_sessions(config))
        rows = [row.session for job in jobs for row in job.rows]
        assert sorted(rows) == sorted(listed(root)), "the matrix is that of nox --list --json"
        assert len(rows) >= least
        (tmp_path / f"{name}.github.yml").write_text(definition(config, "github", jobs))
        (tmp_path / f"{name}.gitlab.yml").write_text(definition(config, "gitlab", jobs))
    judge(sorted(tmp_path.glob("*.github.yml")), sorted(tmp_path.glob("*.gitlab.yml")))
