"""The judges of CI definitions: actionlint, zizmor, and the official schemas that check-jsonschema brings."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

TOOLS = Path(sys.executable).parent


def verdict(*command: object) -> str:
    """Run a tool of this environment; return what it complains about, empty when it is content."""
    done = subprocess.run(
        [str(TOOLS / str(command[0])), *map(str, command[1:])], capture_output=True, text=True, check=False
    )
    return "" if done.returncode == 0 else f"exit code {done.returncode}\n{done.stdout}{done.stderr}"


def judge(github: Sequence[Path], gitlab: Sequence[Path]) -> None:
    """Fail unless every judge is content with every file."""
    assert github
    assert gitlab
    assert verdict("actionlint", "-shellcheck=", "-pyflakes=", *github) == ""
    assert verdict("zizmor", "--offline", "--quiet", "--no-progress", *github) == ""
    assert verdict("check-jsonschema", "--builtin-schema", "vendor.github-workflows", *github) == ""
    gitlab_schema = ("--builtin-schema", "vendor.gitlab-ci", "--data-transform", "gitlab-ci")
    assert verdict("check-jsonschema", *gitlab_schema, *gitlab) == ""
