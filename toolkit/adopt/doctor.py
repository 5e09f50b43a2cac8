"""What works on this machine, what does not, and how to mend it.

Each check is a function that looks and returns findings; none changes anything, each is bounded in time.
"""

import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Literal

import msgspec

from toolkit.adopt.interpreters import answer, find_interpreters
from toolkit.config import Config
from toolkit.config.services import VARIABLES
from toolkit.errors import EnvironmentFailed, ToolkitError
from toolkit.services import embedded
from toolkit.services.detection import Engine, choose
from toolkit.services.engine import find_engine
from toolkit.services.registry import find_set, wanted_services
from toolkit.services.servers.launch import free_port

State = Literal["works", "attention", "missing"]

LITTLE_DISK = 5 * 2**30
NO_DISK = 2**29
"""Bytes: below, environments of several Pythons do not fit; below, not even one does."""

LITTLE_MEMORY = 2 * 2**30

POSTGRES = re.compile(r"postgres(ql)?(\+\w+)?://")
"""Start of the URL of a PostgreSQL server, as drivers and SQLAlchemy write it."""


NO_ANSWER = (
    "is it a PostgreSQL server, and may this user connect to the database `postgres` and read `pg_roles`? "
    "psql with the same URL shows what it answers"
)


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was looked at."""

    subject: str
    state: State
    """Works; works with a disadvantage, or is not needed here; is needed and missing."""
    found: str
    mend: str = ""
    """What to do, where there is something to do."""


Check = Callable[[Config, Mapping[str, str]], Iterator[Finding]]


def examine(config: Config, environ: Mapping[str, str]) -> list[Finding]:
    """Look at everything, in the order of a run: Pythons, tools, servers, the machine.

    Args:
        config: of the project; without a table, the defaults.
        environ: of this process.
    """
    return [finding for check in CHECKS for finding in check(config, environ)]


def pythons(config: Config, environ: Mapping[str, str]) -> Iterator[Finding]:
    """Is every Python of the project installed?"""
    for version, found in find_interpreters(config.pythons, environ).items():
        subject = f"Python {version}"
        if found:
            yield Finding(subject=subject, state="works", found=f"{found[1]} at {found[0]}")
            continue
        mend = f"uv python install {version}, or take it out of `pythons`"
        if "pyenv" in environ.get("PATH", ""):
            mend += "; pyenv: select it (pyenv local, PYENV_VERSION)"
        told = "not installed: its sessions are skipped here, and are an error in CI"
        state: State = "missing" if config.environment == "ci" else "attention"
        yield Finding(subject=subject, state=state, found=told, mend=mend)


def tools(_config: Config, environ: Mapping[str, str]) -> Iterator[Finding]:
    """Are the programs there that sessions and tasks call?"""
    lacks = {
        "uv": ("environments are made with virtualenv and pip: several times as slow", "pip install uv"),
        "git": ("selection by changes (--impacted) runs everything", "install git"),
    }
    for name, (without, mend) in lacks.items():
        path = shutil.which(name, path=environ.get("PATH"))
        told = answer([path, "--version"], environ) if path else None
        if told:
            yield Finding(subject=name, state="works", found=f"{told} at {path}")
        else:
            yield Finding(subject=name, state="attention", found=f"does not answer: {without}", mend=mend)


def servers(config: Config, _environ: Mapping[str, str]) -> Iterator[Finding]:
    """Which servers can run as processes of this machine?"""
    for name, service in config.services.items():
        try:
            found = embedded.find(service)
        except ToolkitError as error:
            yield _missing(f"server {name}", error)
            continue
        if found:
            kind, program = found
            told = f"{kind} from {program.source}: {program.path}"
            yield Finding(subject=f"server {name}", state="works", found=told)
        elif service.kind in embedded.INSTALL:
            told = f"no {service.kind} on this machine: it needs Docker or a URL"
            mend = embedded.INSTALL[service.kind]
            yield Finding(subject=f"server {name}", state="attention", found=told, mend=mend)


def services(config: Config, environ: Mapping[str, str]) -> Iterator[Finding]:
    """Is there a container engine with Compose, and where do the profiles' services come from?"""
    engine = find_engine(environ)
    yield _containers(engine)
    wanted = dict.fromkeys(name for profile in config.profiles.values() for name in profile.services)
    for name in wanted:
        try:
            for each in wanted_services(config, find_set(config, [name])[1]):
                choice = choose(each, "auto", environ, lambda: engine)
                told = f"{choice.runtime}: {choice.why}"
                yield Finding(subject=f"service {each.name}", state="works", found=told)
        except ToolkitError as error:
            yield _missing(f"service {name}", error)


def _containers(engine: Engine) -> Finding:
    subject = "Docker Engine, Compose"
    if engine.usable:
        return Finding(subject=subject, state="works", found=engine.why)
    mend = "start Docker, with its Compose plugin: `docker ps` and `docker compose version` must work"
    if "needs the package" in engine.why:
        mend = "pip install 'nox-invoke-toolkit[docker]'"
    told = f"{engine.why}: services run as processes of this machine where their servers are installed"
    return Finding(subject=subject, state="attention", found=told, mend=mend)


def _missing(subject: str, error: ToolkitError) -> Finding:
    return Finding(subject=subject, state="missing", found=error.message, mend=error.hint or "")


def rights(config: Config, environ: Mapping[str, str]) -> Iterator[Finding]:
    """May tests create databases on the servers that the environment names?"""
    rows = [row.url_variable(name) for name, row in config.services.items() if row.kind == "postgres"]
    for variable in dict.fromkeys([VARIABLES["postgres"], *rows]):
        url = environ.get(variable, "")
        if url:
            yield _rights(variable, url)


def _rights(variable: str, url: str) -> Finding:
    subject = f"rights in {variable}"
    if not POSTGRES.match(url):
        told = "it names no PostgreSQL server: tests that ask for a database have none"
        mend = f"{variable}=postgresql://USER:PASSWORD@HOST:PORT/NAME, or another `variable` for the service"
        return Finding(subject=subject, state="attention", found=told, mend=mend)
    try:
        user, allowed = _role(url)
    except ToolkitError as error:
        return _missing(subject, error)
    except Exception as error:  # noqa: BLE001 - whatever a driver raises is a row of the table, no traceback
        return Finding(subject=subject, state="missing", found=_told(error, url), mend=NO_ANSWER)
    if allowed:
        return Finding(subject=subject, state="works", found=f"{user} may create databases")
    mend = f'ALTER ROLE "{user}" CREATEDB; as an administrator of the server'
    told = f"{user} must not create databases: tests cannot have one of their own"
    return Finding(subject=subject, state="missing", found=told, mend=mend)


def _role(url: str) -> tuple[str, bool]:
    """Ask a server for the user's name and whether it may create databases."""
    from toolkit.databases.server import Server, place_of

    with Server(url, name="doctor") as server:
        query = "select current_user, rolcreatedb or rolsuper from pg_roles where rolname = current_user"
        rows = server.fetch(query)
    if not rows:
        raise EnvironmentFailed(f"{place_of(url)} does not know the role of its own user", hint=NO_ANSWER)
    user, allowed = rows[0]
    return str(user), bool(allowed)


def _told(error: Exception, url: str) -> str:
    """Return the first line of what a driver says, unless it repeats a part of the URL's password."""
    lines = str(error).splitlines()
    said = lines[0].strip() if lines else ""
    secret = url.partition("://")[2].rpartition("@")[0].partition(":")[2]
    if secret and secret in said:
        said = ""
    return f"the server did not tell: {type(error).__name__}{f': {said}' if said else ''}"


def disk(config: Config, _environ: Mapping[str, str]) -> Iterator[Finding]:
    """Is there room for environments and records, and may they be written?"""
    folder = config.root
    free = shutil.disk_usage(folder).free
    told = f"{free / 2**30:.1f} GB free at {folder}"
    state: State = "missing" if free < NO_DISK else "attention" if free < LITTLE_DISK else "works"
    mend = "" if state == "works" else "make room: environments of each Python are in .nox, runs in .toolkit"
    if not os.access(folder, os.W_OK):
        state, told, mend = (
            "missing",
            f"{folder} cannot be written",
            "give this user the right to write there",
        )
    yield Finding(subject="disk", state=state, found=told, mend=mend)


def ports(_config: Config, _environ: Mapping[str, str]) -> Iterator[Finding]:
    """Can servers have ports on the loopback address?"""
    try:
        found = free_port()
    except OSError as error:
        mend = "allow sockets on 127.0.0.1 (sandbox, firewall)"
        yield Finding(subject="ports", state="missing", found=f"none on 127.0.0.1: {error}", mend=mend)
    else:
        yield Finding(subject="ports", state="works", found=f"free ones on 127.0.0.1, such as {found}")


def machine(_config: Config, environ: Mapping[str, str]) -> Iterator[Finding]:
    """How many cores and how much memory do tests have, and does anything slow them down?"""
    cores, memory = usable_cores(), total_memory()
    one = cores == 1
    mend = (
        "one core runs one test at a time: -n 0 is quickest, shards on several machines help" if one else ""
    )
    told = f"{cores} usable core{'' if one else 's'} of {os.cpu_count()}"
    yield Finding(subject="CPU", state="attention" if one else "works", found=told, mend=mend)
    if memory:
        little = memory < LITTLE_MEMORY
        mend = "lower [tool.toolkit.ceiling] memory, so that workers wait for each other" if little else ""
        told = f"{memory / 2**30:.1f} GB"
        yield Finding(subject="memory", state="attention" if little else "works", found=told, mend=mend)
    if environ.get("PYTHONDONTWRITEBYTECODE"):
        told = "PYTHONDONTWRITEBYTECODE is set: every worker compiles every module again"
        yield Finding(
            subject="byte code", state="attention", found=told, mend="unset PYTHONDONTWRITEBYTECODE"
        )


def usable_cores() -> int:
    """Return how many cores this process may use, which a container or a batch system may limit."""
    affinity = getattr(os, "sched_getaffinity", None)
    allowed = len(affinity(0)) if affinity else os.cpu_count() or 1
    return max(1, min(allowed, _quota() or allowed))


def _quota() -> int | None:
    """Return the cores that the control group grants, rounded up; None: all.

    The format: https://docs.kernel.org/admin-guide/cgroup-v2.html#cpu-interface-files
    """
    try:
        limit, period = Path("/sys/fs/cgroup/cpu.max").read_text(encoding="ascii").split()
    except (OSError, ValueError):
        return None
    return None if limit == "max" else -(-int(limit) // int(period))


def total_memory() -> int:
    """Return the bytes of memory of this machine; 0: the system does not say."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return 0


def toolkit_itself(_config: Config, _environ: Mapping[str, str]) -> Iterator[Finding]:
    """Which toolkit, which Python runs it?"""
    from toolkit import __version__

    version = ".".join(map(str, sys.version_info[:3]))
    yield Finding(
        subject="toolkit", state="works", found=f"{__version__} on Python {version} ({sys.platform})"
    )


CHECKS: tuple[Check, ...] = (
    toolkit_itself,
    pythons,
    tools,
    servers,
    services,
    rights,
    disk,
    ports,
    machine,
)
"""All checks, in the order in which they are shown."""
