"""The automatic remedies: each does something for real to what is ours, and then proves whether it helped.

Every action returns a sentence of what it did; the proof is a second function, asked afterwards. What is not
provably ours is not touched: then the action says so by an error, and nothing has changed.
"""

import contextlib
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from toolkit.config import Config
from toolkit.errors import OwnershipError, ToolkitError, UsageError
from toolkit.leases.store import LeaseStore
from toolkit.remediation.caches import clear_dead_claims
from toolkit.remediation.table import Suggestion
from toolkit.remediation.troubles import local
from toolkit.services import control, processes, provisioning
from toolkit.services.environment import Endpoint, Environment, environments

ENOUGH = 64 << 20
"""Bytes that must be free on a disk that was swept."""
INSTALL_SECONDS = 900.0
LAST_PORT = 65_535


class Site(msgspec.Struct, frozen=True, kw_only=True):
    """Where remedies act.

    Attributes:
        environ: the environment variables, for the URLs of servers.
        session: the nox session whose environment may be built anew, ``unit-3.12``; "" for none.
    """

    config: Config
    store: LeaseStore
    environ: Mapping[str, str]
    session: str = ""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one remedy."""

    remedy: str
    target: str
    group: str
    done: str  # what was done; "" when it could not be
    helped: bool
    told: str  # what the proof said, or why nothing was done
    seconds: float


def apply(site: Site, suggestion: Suggestion) -> Outcome:
    """Do what an automatic remedy says, and prove it. Errors are told, not raised: the next one may help."""
    act, prove = ACTIONS[suggestion.remedy]
    begun = time.monotonic()
    done = ""
    try:
        done = act(site, suggestion.target)
        told, helped = prove(site, suggestion.target)
    except (ToolkitError, OSError, subprocess.SubprocessError) as error:
        told, helped = getattr(error, "message", str(error)), False
    return Outcome(
        remedy=suggestion.remedy,
        target=suggestion.target,
        group=suggestion.group,
        done=done,
        helped=helped,
        told=told,
        seconds=round(time.monotonic() - begun, 3),
    )


def find_server(site: Site, address: str) -> tuple[Environment, Endpoint]:
    """Return the service of this project that has an address.

    Raises:
        OwnershipError: none that was started here has it.
    """
    for environment in environments(site.store, project=str(site.config.root)):
        for endpoint in environment.endpoints:
            if local(f"{endpoint.host}:{endpoint.port}") == address and endpoint.runtime != "external":
                return environment, endpoint
    raise OwnershipError(
        f"{address}: no service of this project that was started here has this address",
        hint="start it where it belongs, or: invoke services.up",
    )


def _restart(site: Site, address: str) -> str:
    environment, endpoint = find_server(site, address)
    if provisioning.state_of(endpoint) == "ready":  # it came back since, and others may be using it
        return f"{endpoint.service} of {environment.name} answers already"
    control.restart(site.store, environment, endpoint)
    processes.let_go()
    return f"restarted {endpoint.service} of {environment.name}"


def _answers(site: Site, address: str) -> tuple[str, bool]:
    _, endpoint = find_server(site, address)
    state = provisioning.state_of(endpoint)
    return f"{endpoint.service} at {address}: {state}", state == "ready"


def _recreate(site: Site, name: str) -> str:
    from toolkit.databases.marks import mark_text, read_mark
    from toolkit.databases.owners import DatabaseOwner
    from toolkit.databases.server import Server
    from toolkit.databases.sources import find_source
    from toolkit.databases.target import find_url
    from toolkit.databases.templates import ensure_template

    with Server(find_url(site.config, site.environ)) as server, DatabaseOwner(server.url) as owner:
        there, comment = server.comment_of(name)
        if there and read_mark(comment) is None:
            raise OwnershipError(f"database {name!r} bears no mark of this toolkit, so it is not touched")
        if there:  # made since by somebody who may be using it
            return f"{name} is there already"
        template = ensure_template(owner, find_source(site.config.databases, site.config.root))
        server.create(name, template=template.name, comment=mark_text(owner.mark("named", key=template.key)))
    return f"created {name} from {template.name}"


def _connects(site: Site, name: str) -> tuple[str, bool]:
    from toolkit.databases.server import connect, url_of
    from toolkit.databases.target import find_url

    connect(url_of(find_url(site.config, site.environ), name)).close()
    return f"{name}: connected", True


def _rebuild_template(site: Site, _target: str) -> str:
    from toolkit.databases.owners import DatabaseOwner
    from toolkit.databases.sources import find_source
    from toolkit.databases.target import find_url
    from toolkit.databases.templates import ensure_template

    source = find_source(site.config.databases, site.config.root)
    with DatabaseOwner(find_url(site.config, site.environ)) as owner:
        made = ensure_template(owner, source, rebuild=True)
    return f"built {made.name} from {source.what} in {made.built:.2f} s"


def _template_is_there(site: Site, _target: str) -> tuple[str, bool]:
    from toolkit.databases.server import Server
    from toolkit.databases.sources import find_source
    from toolkit.databases.target import find_url
    from toolkit.databases.templates import Template, is_current, template_name

    source = find_source(site.config.databases, site.config.root)
    template = Template(name=template_name(source.key), key=source.key)
    with Server(find_url(site.config, site.environ)) as server:
        good = is_current(server, template)
    return f"{template.name}: {'complete' if good else 'not there'}", good


def _redis_url(site: Site) -> str:
    up = environments(site.store, project=str(site.config.root))
    known = (end.url for environment in up for end in environment.endpoints if end.kind == "redis")
    url = site.environ.get("REDIS_URL") or next(known, "")
    if not url:
        raise UsageError("which Redis server? REDIS_URL is not set and no environment with one is up")
    return url


def _clear_cache(site: Site, _target: str) -> str:
    return f"emptied {clear_dead_claims(_redis_url(site))} databases of dead workers"


def _cache_is_clear(site: Site, _target: str) -> tuple[str, bool]:
    left = clear_dead_claims(_redis_url(site), dry_run=True)
    return f"{left} databases are held by dead workers", left == 0


def _free_port(site: Site, port: str) -> str:
    if _can_bind(port):
        return f"nobody listens on {port} any more"
    dead = provisioning.sweep(site.store)
    names = ", ".join(row.name for row in dead.released)
    if not names:
        raise OwnershipError(f"port {port} is held by somebody who is not a dead one of ours: not touched")
    return f"ended {names}, whose owners are dead"


def _port_is_free(_site: Site, port: str) -> tuple[str, bool]:
    free = _can_bind(port)
    return f"port {port} is {'free' if free else 'still taken'}", free


def _can_bind(port: str) -> bool:
    if int(port) > LAST_PORT:  # the number is from a message
        return False
    with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", int(port))):
        return True
    return False


def _nox_environment(site: Site) -> Path:
    if not site.session or not (site.config.root / "noxfile.py").is_file():
        raise UsageError("which environment? the run was not one of a nox session of this project")
    return site.config.root / ".nox" / site.session.replace(".", "-")


def _rebuild_environment(site: Site, _module: str) -> str:
    folder = _nox_environment(site)
    command = [sys.executable, "-m", "nox", "--non-interactive", "--install-only", "-s", site.session]
    done = subprocess.run(
        command, cwd=site.config.root, capture_output=True, text=True, check=False, timeout=INSTALL_SECONDS
    )
    if done.returncode != 0:
        raise ToolkitError(f"{' '.join(command[2:])}: {done.stderr.strip()[-500:] or 'failed'}")
    return f"built {folder.name} anew"


def _imports(site: Site, module: str) -> tuple[str, bool]:
    folder = _nox_environment(site)
    python = next(
        (path for path in (folder / "bin/python", folder / "Scripts/python.exe") if path.exists()), None
    )
    if python is None:
        return f"{folder}: there is no environment", False
    code = "import importlib, sys; importlib.import_module(sys.argv[1])"
    done = subprocess.run([python, "-c", code, module], capture_output=True, check=False, timeout=60)
    good = done.returncode == 0
    return f"{module} {'can' if good else 'still cannot'} be imported in {folder.name}", good


def _sweep_disk(site: Site, _target: str) -> str:
    before = _free(site)
    done = provisioning.sweep_everything(site.store, site.environ)
    gained = max(_free(site) - before, 0)
    return f"removed {len(done.released)} things of dead runs, {gained >> 20} MB"


def _has_room(site: Site, _target: str) -> tuple[str, bool]:
    free = _free(site)
    return f"{free >> 20} MB are free", free >= ENOUGH


def _free(site: Site) -> int:
    return shutil.disk_usage(site.config.root).free


Act = Callable[[Site, str], str]
Prove = Callable[[Site, str], tuple[str, bool]]

ACTIONS: Mapping[str, tuple[Act, Prove]] = {
    "restart-service": (_restart, _answers),
    "recreate-database": (_recreate, _connects),
    "rebuild-template": (_rebuild_template, _template_is_there),
    "clear-cache": (_clear_cache, _cache_is_clear),
    "free-port": (_free_port, _port_is_free),
    "rebuild-environment": (_rebuild_environment, _imports),
    "sweep-disk": (_sweep_disk, _has_room),
}
"""Automatic remedy → what it does, and the proof."""
