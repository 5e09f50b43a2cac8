"""Which Nox sessions run in which jobs of a CI, on which Pythons, in how many shards."""

import re
from collections.abc import Mapping, Sequence

import msgspec

from toolkit.ci.servers import Server, servers_of
from toolkit.config import Config, Profile
from toolkit.config.ci import Job
from toolkit.config.profiles import described
from toolkit.config.validation import unknown
from toolkit.errors import UsageError
from toolkit.noxfile import NoxSession, list_sessions, meant, valid_names


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One machine: one row of the matrix of a job."""

    session: str
    """As ``nox -s`` takes it."""
    python: str
    """Interpreter that the session needs; that of Nox when it names none."""
    shard: str = ""
    """``2/4``; empty: all tests."""


class CiJob(msgspec.Struct, frozen=True, kw_only=True):
    """All rows of one function of the noxfile."""

    id: str
    """Letters, digits, ``-`` and ``_``; unique."""
    name: str
    """Of the function: the profile, where it is one."""
    rows: tuple[Row, ...]
    servers: tuple[Server, ...] = ()
    settings: Job = Job()
    profile: bool = False
    """Whether it is a profile of the toolkit: then its runs are recorded, merged and sharded."""
    coverage: bool = False
    """Whether it measures coverage, which is judged when the data of all machines is together."""
    impacted: bool = False
    """Whether it runs only what changes affect, going by recorded dependencies."""
    plan: str = ""
    """Path of the plan file from which its shards are cut."""

    @property
    def sharded(self) -> bool:
        """Whether several machines share the tests of one session."""
        return any(row.shard for row in self.rows)


def chosen_sessions(config: Config) -> tuple[NoxSession, ...]:
    """Return the sessions that CI runs: those of ``ci.sessions``, else those that a bare ``nox`` runs.

    They are what ``nox --list --json`` prints, with ``-s`` and these names if there are any.

    Raises:
        UsageError: a name that the noxfile does not declare, or there is nothing to run.
    """
    names = config.ci.sessions
    listed = list_sessions(config.root, default=not names)
    wrong = [unknown("session", name, valid_names(listed)) for name in names if not meant(name, listed)]
    if wrong:
        raise UsageError("tool.toolkit.ci.sessions: " + "; ".join(wrong))
    wanted = {session for name in names for session in meant(name, listed)}
    chosen = tuple(row for row in listed if not names or row.session in wanted)
    if not chosen:
        raise UsageError(
            "a bare `nox` runs no session of this noxfile", hint='name them: ci.sessions = ["unit"]'
        )
    stray = sorted(set(config.ci.jobs) - {row.name for row in chosen})
    if stray:
        known = {row.name for row in chosen}
        raise UsageError(f"tool.toolkit.ci.jobs: {unknown('session', stray[0], known)}")
    return chosen


def make_jobs(config: Config, sessions: Sequence[NoxSession]) -> tuple[CiJob, ...]:
    """Group sessions into jobs, in the order of the noxfile."""
    groups: dict[str, list[NoxSession]] = {}
    for session in sessions:
        groups.setdefault(session.name, []).append(session)
    ids = _ids(list(groups))
    return tuple(_job(config, ids[name], name, rows) for name, rows in groups.items())


def _job(config: Config, identity: str, name: str, sessions: Sequence[NoxSession]) -> CiJob:
    settings = config.ci.jobs.get(name, Job())
    profile = _profile(config, sessions)
    services = settings.services
    if services is None:
        services = () if profile is None else profile.services
    return CiJob(
        id=identity,
        name=name,
        rows=tuple(row for session in sessions for row in _rows(session, settings.shards, config.ci.python)),
        servers=servers_of(config, services),
        settings=settings,
        profile=profile is not None,
        coverage=profile is not None and profile.coverage,
        impacted=profile is not None and any(map(_IMPACTED.match, profile.arguments)),
    )


def _profile(config: Config, sessions: Sequence[NoxSession]) -> Profile | None:
    """Return the profile of which the toolkit made these sessions.

    None: the project has a session of its own that happens to be called ``unit``.
    """
    first = sessions[0]
    profile = config.profiles.get(first.name)
    if profile is None or first.description.strip() != described(first.name, profile).strip():
        return None
    return profile


def is_planned(config: Config, job: CiJob) -> bool:
    """Tell whether the number of shards is decided in each run, from the history."""
    return bool(config.ci.target) and job.profile and not job.sharded


def plans_folder(config: Config) -> str:
    """Return the folder in which one job hands plans to the others."""
    return f"{config.state}/plans"


def plan_file(config: Config, job: CiJob) -> str:
    """Return the path of the plan of a job."""
    return f"{plans_folder(config)}/{job.name}.json"


def collecting_row(job: CiJob, control: str) -> Row:
    """Choose the row in whose environment the tests are collected for the plan."""
    return next((row for row in job.rows if row.python == control), job.rows[-1])


def cut(config: Config, job: CiJob, shards: int) -> CiJob:
    """Return a planned job with its number of shards."""
    rows = tuple(
        msgspec.structs.replace(row, shard=f"{number}/{shards}")
        for row in job.rows
        for number in range(1, shards + 1)
    )
    return msgspec.structs.replace(job, rows=rows, plan=plan_file(config, job))


def _rows(session: NoxSession, shards: int, control: str) -> list[Row]:
    python = session.python if isinstance(session.python, str) else control
    if shards == 1:
        return [Row(session=session.session, python=python)]
    return [
        Row(session=session.session, python=python, shard=f"{number}/{shards}")
        for number in range(1, shards + 1)
    ]


_IMPACTED = re.compile(r"--impacted(=|$)")

_RESERVED = frozenset(
    {"plan", "report"}
    | {"after_script", "before_script", "cache", "default", "image", "include", "pages", "services", "spec"}
    | {"stages", "types", "variables", "workflow", "true", "false", "nil", "null"}
)
"""Our own jobs, and what the keys beside jobs mean to GitLab."""


def _ids(names: Sequence[str]) -> Mapping[str, str]:
    """Give each job an id that both CIs take; two names never share one."""
    ids: dict[str, str] = {}
    for name in names:
        plain = re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-") or "session"
        plain = plain if re.match(r"[A-Za-z_]", plain) else f"session-{plain}"
        free, number = plain, 2
        while free in ids.values() or free in _RESERVED:
            free, number = f"{plain}-{number}", number + 1
        ids[name] = free
    return ids
