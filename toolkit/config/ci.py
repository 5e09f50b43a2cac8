"""CI definitions: which sessions run there, on which machines, how many at once."""

import re
from collections.abc import Iterator, Mapping
from typing import Annotated

import msgspec

from toolkit.config.services import Variable

Minutes = Annotated[int, msgspec.Meta(ge=1, le=1440)]
Shards = Annotated[int, msgspec.Meta(ge=1, le=256)]
Days = Annotated[int, msgspec.Meta(ge=1, le=400)]
Target = Annotated[str, msgspec.Meta(pattern=r"^$|^(\d+(\.\d+)?[smh])+$")]
ControlPython = Annotated[str, msgspec.Meta(pattern=r"^3\.\d+$")]

PIN = re.compile(r"([0-9a-f]{40})(?:\s+#\s*(\S.*))?")
"""A commit, and the version that it is."""


class Job(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One row of ``[tool.toolkit.ci.jobs]``: what differs for the session of this name."""

    services: tuple[str, ...] | None = None
    """Services that run beside it; None: those of the profile of this name."""
    shards: Shards = 1
    """Machines that share its tests; only for profiles, whose sessions understand ``--shard``."""
    timeout: Minutes | None = None
    """Minutes until it is ended; None: ``ci.timeout``."""
    runner: str = ""
    """GitHub: machine; empty: ``ci.runner``."""
    tags: tuple[str, ...] = ()
    """GitLab: tags of the runner; empty: ``ci.tags``."""
    env: dict[Variable, str] = {}
    """More environment variables; no secrets."""


class Ci(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[tool.toolkit.ci]``: what ``invoke ci.github`` and ``invoke ci.gitlab`` write."""

    sessions: tuple[str, ...] = ()
    """Nox sessions as ``nox -s`` takes them; empty: those that a bare ``nox`` runs."""
    name: str = "tests"
    """Of the workflow."""
    branches: tuple[str, ...] = ("main",)
    """On which a push is tested; pull and merge requests always are."""
    schedule: str = ""
    """Also at these times, as a cron line in UTC; GitHub only, GitLab keeps schedules elsewhere."""
    runner: str = "ubuntu-24.04"
    """GitHub: machine of the jobs."""
    tags: tuple[str, ...] = ()
    """GitLab: tags of the runner of the jobs; empty: any."""
    python: ControlPython = "3.13"
    """That runs Nox and Invoke; sessions have their own."""
    image: str = ""
    """GitLab: container image of the jobs; empty: ``python:`` and the version."""
    run: str = ""
    """Put before ``nox`` and ``invoke``, for example ``uv run``; empty: uvx with the toolkit."""
    target: Target = ""
    """Each job of a profile should end in this time, ``5m``: each run plans as many shards as it takes."""
    timeout: Minutes = 30
    """Minutes until a job is ended."""
    retention: Days = 14
    """Days that reports are kept."""
    fail_fast: bool = False
    """Whether the first failed job ends the others of its session."""
    actions: dict[str, str] = {}
    """GitHub: action → commit and version instead of the built-in one: ``"<40 hex digits> # v4.2.0"``."""
    jobs: Mapping[str, Job] = {}
    """What differs for single sessions, by name."""
    github: str = ".github/workflows/tests.yml"
    """Where ``invoke ci.github`` writes, relative to the project."""
    gitlab: str = ".gitlab-ci.yml"
    """Where ``invoke ci.gitlab`` writes, relative to the project."""


def ci_mistakes(ci: Ci, known: Mapping[str, object], profiles: Mapping[str, object]) -> Iterator[str]:
    """Yield what single fields cannot say: dangling services, shards of what is no profile, loose pins.

    Args:
        ci: the table.
        known: services and environments by name.
        profiles: by name.
    """
    from toolkit.config.validation import unknown

    for name, job in ci.jobs.items():
        path = f"tool.toolkit.ci.jobs.{name}"
        for service in job.services or ():
            if service not in known:
                yield f"{path}.services: {unknown('service', service, known)}"
        if job.shards > 1 and name not in profiles:
            yield f"{path}.shards: {unknown('profile', name, profiles)}"
    for action, pin in ci.actions.items():
        if not PIN.fullmatch(pin):
            path = f'tool.toolkit.ci.actions."{action}"'
            yield f'{path} = {pin!r}: expected a commit of 40 hex digits, then "# v1.2.3"'
