"""Environments come up and go down here: choose runtimes, start in order, release in reverse.

Whatever ends ``up`` half-way, an error or Ctrl-C, releases what was created; ``kill -9`` leaves leases that
the next sweep releases.
"""

import contextlib
import functools
import hashlib
import os
import secrets
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from toolkit.config.services import RuntimeName, ServiceSet
from toolkit.config.settings import Config
from toolkit.errors import EnvironmentFailed, MissingExtra
from toolkit.leases.owners import Owner
from toolkit.leases.store import Lease, LeaseStore, open_leases
from toolkit.leases.sweeping import Release, Sweep, Swept, release
from toolkit.leases.sweeping import sweep as sweep_leases
from toolkit.services import environment as records
from toolkit.services import processes
from toolkit.services.compose import Compose
from toolkit.services.detection import Choice, choose
from toolkit.services.embedded import Embedded
from toolkit.services.engine import engine_host, find_engine, remove_project, sweep_labelled
from toolkit.services.environment import Endpoint, Environment, UsedRuntime
from toolkit.services.external import External
from toolkit.services.faults import injecting as faults
from toolkit.services.folders import data_root, lost_folders, remove_folder
from toolkit.services.interrupts import uninterrupted
from toolkit.services.probes import probe_of
from toolkit.services.registry import find_set, stages, wanted_services
from toolkit.services.runtime import Order, Runtime, Say, Wanted
from toolkit.services.waiting import NotYet

RUNTIMES: dict[UsedRuntime, Callable[[], Runtime]] = {
    "external": External,
    "compose": Compose,
    "embedded": Embedded,
}
"""In this order they are started: a service may need others of its own or of an earlier runtime."""


def quiet(_line: str) -> None:
    """Say nothing."""


def releases(store: LeaseStore) -> dict[str, Release]:
    """Return how to remove each kind of thing that services create."""
    return {
        "process": processes.stop,
        "compose": remove_project,
        "folder": _release_folder,
        faults.KIND: lambda lease: faults.undo(store, lease),
        "environment": lambda lease: records.forget(store, lease.what["environment"]),
    }


def _release_folder(lease: Lease) -> None:
    processes.stop(lease)  # whatever still writes there
    remove_folder(lease)


@contextlib.contextmanager
def running(
    config: Config,
    names: Sequence[str] = (),
    *,
    runtime: RuntimeName = "auto",
    reuse: bool = False,
    run: str = "",
    environ: Mapping[str, str] | None = None,
    say: Say = quiet,
    store: LeaseStore | None = None,
) -> Iterator[Environment]:
    """Provide services while a block runs; they die with the block, or with this process.

    Args:
        config: the project's configuration.
        names: services or environments; empty: the default environment.
        runtime: "auto" chooses for each service.
        reuse: use a kept environment of the same making if there is one, and leave it up.
        run: id of the run, written into the leases.
        environ: environment variables; None: the process's own.
        say: takes lines of progress.
        store: the lease files; None: the user's.

    Raises:
        UsageError: an unknown name.
        EnvironmentFailed: something did not come up; what did was taken down again.
    """
    environ = dict(os.environ) if environ is None else environ
    with contextlib.ExitStack() as stack:
        leases = store or stack.enter_context(open_leases(environ))
        kept = find_kept(leases, config, names, runtime) if reuse else None
        if kept is not None:
            say(f"{kept.name}: using the one that is kept ({kept.id})")
            yield kept
            return
        owner = leases.owner("process", run=run)
        try:  # from here on, so that no interrupt falls between having it and caring for it
            yield up(config, names, owner=owner, store=leases, runtime=runtime, environ=environ, say=say)
        finally:
            with uninterrupted():
                owned = {each.what.get("environment", "") for each in leases.leases() if each.owner == owner}
                for environment_id in owned:
                    down(leases, environment_id)


def up(
    config: Config,
    names: Sequence[str] = (),
    *,
    owner: Owner,
    store: LeaseStore,
    runtime: RuntimeName = "auto",
    environ: Mapping[str, str] | None = None,
    say: Say = quiet,
) -> Environment:
    """Bring services up, owned by ``owner``; see :func:`running` for the arguments and errors.

    What dead owners left is swept first.
    """
    environ = dict(os.environ) if environ is None else environ
    name, chosen = find_set(config, names)
    sweep(store)
    environment = Environment(
        id=secrets.token_hex(6),
        name=name,
        project=str(config.root),
        made=time.time(),
        fingerprint=fingerprint(config, names, runtime),
    )
    what = {"environment": environment.id}
    store.intend(owner, "environment", name, what=what, project=str(config.root))
    order = Order(
        id=environment.id,
        name=name,
        project=config.root,
        state=config.state_dir,
        store=store,
        owner=owner,
        environ=environ,
        say=say,
        cancelled=threading.Event(),
    )
    try:
        records.save(store, environment)
        endpoints = _start_all(order, wanted_services(config, chosen), _asked(runtime, chosen))
        environment = msgspec.structs.replace(environment, endpoints=endpoints, complete=True)
        records.save(store, environment)
    except BaseException as error:
        with uninterrupted():
            say(f"{name}: taking down what came up")
            down(store, order.id)
        if isinstance(error, OSError):
            raise EnvironmentFailed(f"{name}: {error}") from error
        raise
    return environment


def _asked(runtime: RuntimeName, chosen: ServiceSet) -> RuntimeName:
    return chosen.runtime if runtime == "auto" else runtime


def _start_all(order: Order, wanted: Sequence[Wanted], asked: RuntimeName) -> tuple[Endpoint, ...]:
    engine = functools.cache(lambda: find_engine(order.environ))
    choices = [choose(each, asked, order.environ, engine) for each in wanted]
    for each, choice in zip(wanted, choices, strict=True):
        order.say(f"{each.name}: {choice.runtime} ({choice.why})")
    chosen = {(each.name, each.instance): choice for each, choice in zip(wanted, choices, strict=True)}
    endpoints: list[Endpoint] = []
    for runtime, members in _groups(wanted, chosen):
        urls = {endpoint.variable: endpoint.url for endpoint in endpoints}
        endpoints.extend(RUNTIMES[runtime]().start(order, tuple(members), urls))
    return tuple(endpoints)


def _groups(
    wanted: Sequence[Wanted], chosen: Mapping[tuple[str, int], Choice]
) -> Iterator[tuple[UsedRuntime, list[Wanted]]]:
    """Yield what to start at once: one group per runtime, for embedded one per stage.

    Compose knows what needs what, so it gets all at once.
    """
    for runtime in RUNTIMES:
        members = [
            msgspec.structs.replace(each, why=chosen[each.name, each.instance].why)
            for each in wanted
            if chosen[each.name, each.instance].runtime == runtime
        ]
        _refuse_backward_needs(runtime, members, wanted, chosen)
        for group in stages(members) if runtime == "embedded" else [members]:
            if group:
                yield runtime, group


def _refuse_backward_needs(
    runtime: UsedRuntime,
    members: Sequence[Wanted],
    wanted: Sequence[Wanted],
    chosen: Mapping[tuple[str, int], Choice],
) -> None:
    if runtime != "compose":
        return
    late = {each.name for each in wanted if chosen[each.name, each.instance].runtime == "embedded"}
    for each in members:
        for need in late.intersection(each.service.needs):
            raise EnvironmentFailed(
                f"{each.name}: runs in a container and needs {need}, which is an embedded process",
                hint="give both the same runtime",
            )


def fingerprint(config: Config, names: Sequence[str], runtime: RuntimeName) -> str:
    """Return a hash of all that decides what an environment is made of."""
    _, chosen = find_set(config, names)
    wanted = wanted_services(config, chosen)
    text = msgspec.json.encode([runtime, chosen, wanted])
    return hashlib.sha256(text).hexdigest()[:16]


def leases_of(store: LeaseStore, environment_id: str) -> list[Lease]:
    """Return the leases of an environment, newest first."""
    return [lease for lease in store.leases() if lease.what.get("environment") == environment_id]


def down(store: LeaseStore, environment_id: str) -> None:
    """Take an environment down: everything that has its leases, newest first, to the end.

    Raises:
        EnvironmentFailed: something could not be removed; its lease stays, so that a sweep can try again.
    """
    ways = releases(store)
    problems = []
    for lease in leases_of(store, environment_id):
        problem = release(store, lease, ways[lease.kind]) if lease.kind in ways else ""
        if problem:
            problems.append(f"{lease.kind} {lease.name}: {problem}")
    processes.collect_ended()
    if problems:
        raise EnvironmentFailed(
            "could not be taken down:\n" + "\n".join(f"  - {problem}" for problem in problems),
            hint="mend the cause, then: invoke services.sweep",
        )


def sweep(store: LeaseStore, *, dry_run: bool = False) -> Sweep:
    """Release what dead owners left on this machine."""
    ways = {**releases(store), faults.KIND: lambda lease: faults.undo_for_good(store, lease)}
    return sweep_leases(store, ways, dry_run=dry_run)


def sweep_everything(store: LeaseStore, environ: Mapping[str, str], *, dry_run: bool = False) -> Sweep:
    """Release what dead owners left, also what says so itself although its lease file is lost."""
    done = sweep(store, dry_run=dry_run)
    known = {lease.id for lease in store.leases()}
    done = _joined(done, _sweep_lost_folders(store, data_root(environ, store.folder), known, dry_run=dry_run))
    host = engine_host(environ)
    try:
        orphans = sweep_labelled(host, known, store.judge, dry_run=dry_run)
    except (EnvironmentFailed, MissingExtra):
        return done  # no engine answers here: then nothing of ours is on it that could be removed
    return _joined(done, orphans)


def _joined(one: Sweep, other: Sweep) -> Sweep:
    return msgspec.structs.replace(
        one,
        released=one.released + other.released,
        kept=one.kept + other.kept,
        failed=one.failed + other.failed,
    )


def _sweep_lost_folders(store: LeaseStore, root: Path, known: Collection[str], *, dry_run: bool) -> Sweep:
    """Remove the folders of dead owners whose lease file is gone, and the servers that run in them."""
    rows: dict[str, list[Swept]] = {"released": [], "kept": [], "failed": []}
    for lease in lost_folders(root, known):
        verdict = store.judge(lease.owner)
        outcome, why = ("released" if verdict.state == "dead" else "kept"), verdict.why
        if outcome == "released" and not dry_run:
            problem = _end_folder(root / lease.id, lease)
            outcome, why = ("failed", problem) if problem else (outcome, why)
        row = Swept(id=lease.id, kind="folder", name=lease.name, project=lease.project, why=why)
        rows[outcome].append(row)
    return Sweep(**{outcome: tuple(found) for outcome, found in rows.items()}, dry_run=dry_run)


def _end_folder(path: Path, lease: Lease) -> str:
    """Stop the servers that run in a folder, see them gone, and remove it; return what went wrong."""
    try:
        if not processes.end_inside(path):
            return "its server does not end"
        _release_folder(lease)
    except (EnvironmentFailed, OSError) as error:
        return str(error)
    return ""


def find_kept(
    store: LeaseStore, config: Config, names: Sequence[str], runtime: RuntimeName
) -> Environment | None:
    """Return a complete environment of this project, made from the same request, that still answers.

    One of a run is not kept: it goes with that run, whoever else uses it.
    """
    wanted = fingerprint(config, names, runtime)
    for environment in records.environments(store, project=str(config.root)):
        alike = environment.complete and environment.fingerprint == wanted
        of_a_run = any(lease.owner.kind == "process" for lease in leases_of(store, environment.id))
        if alike and not of_a_run and answers(environment):
            return environment
    return None


def answers(environment: Environment) -> bool:
    """Tell whether every service of an environment answers a real query now."""
    return all(state_of(endpoint) == "ready" for endpoint in environment.endpoints)


def state_of(endpoint: Endpoint) -> str:
    """Return "ready", or why the service does not answer."""
    try:
        probe_of(endpoint.kind, endpoint.url, health=endpoint.health)()
    except (NotYet, OSError) as error:
        return str(error) or type(error).__name__
    return "ready"
