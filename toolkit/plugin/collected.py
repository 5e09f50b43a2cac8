"""What the scheduler must know of each collected test, carried from the workers to the controller.

xdist tells the controller nothing but node ids. So each worker leaves a small file with the traits of the
tests that have any (serial, exclusive resources, groups, shared fixtures) in a folder that the controller
made for this run. Both are processes of one machine.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from toolkit.records import NodeId, node_id
from toolkit.scheduling.jobs import Traits

FOLDER_KEY = "toolkit_exchange"
"""Where the controller puts the folder's path in ``workerinput``."""

_SHARED = ("package", "module", "class")


class Collected(msgspec.Struct, frozen=True, kw_only=True):
    """What one worker says of its collection."""

    traits: tuple[Traits, ...]
    """Only of tests that have any."""


def traits_of(item: pytest.Item) -> Traits:
    """Read the markers and fixtures of a test."""
    serial = isolated = False
    uses: dict[str, None] = {}
    group = ""
    for mark in item.iter_markers():
        if mark.name == "serial":
            serial = True
        elif mark.name == "isolated":
            isolated = True
        elif mark.name == "uses":
            uses.update((str(name), None) for name in mark.args)
        elif mark.name == "memory_intensive":
            uses["memory_intensive"] = None  # never two at a time
        elif mark.name == "xdist_group":
            group = group or str(mark.args[0] if mark.args else mark.kwargs.get("name", "default"))
    return Traits(
        test=node_id(item.nodeid),
        serial=serial,
        isolated=isolated,
        uses=tuple(sorted(uses)),
        group=group,
        affinity=affinity_of(item),
    )


def affinity_of(item: pytest.Item) -> str:
    """Name the set-up that a test shares with its neighbours: that of its package, module or class.

    Fixtures of session scope are shared by all and say nothing, unless they have parameters.
    """
    info = getattr(item, "_fixtureinfo", None)
    if info is None:
        return ""
    widest = len(_SHARED)
    for definitions in info.name2fixturedefs.values():
        for definition in definitions:
            if definition.scope in _SHARED:
                widest = min(widest, _SHARED.index(definition.scope))
    parameters = _shared_parameters(item)
    if widest == len(_SHARED):
        return parameters
    path, _, name = item.nodeid.partition("::")
    if _SHARED[widest] == "package":
        path = path.rpartition("/")[0] or "."
    elif _SHARED[widest] == "class" and "::" in name:
        path = f"{path}::{name.rpartition('::')[0]}"
    return f"{path} {parameters}".strip()


def _shared_parameters(item: pytest.Item) -> str:
    """Name the parameters of module, package or session scope, by which pytest groups tests."""
    spec: Any = getattr(item, "callspec", None)
    if spec is None:
        return ""
    scopes: dict[str, Any] = getattr(spec, "_arg2scope", {})
    shared = (name for name, scope in scopes.items() if getattr(scope, "value", "function") != "function")
    return " ".join(f"{name}={spec.indices.get(name, 0)}" for name in sorted(shared))


def leave_traits(items: Iterable[pytest.Item], folder: Path, worker: str) -> None:
    """Write the traits of the collected tests where the controller finds them."""
    every = (traits_of(item) for item in items)
    special = tuple(traits for traits in every if traits != Traits(test=traits.test))
    path = folder / f"{worker}.json"
    temporary = path.with_suffix(".tmp")
    temporary.write_bytes(msgspec.json.encode(Collected(traits=special)))
    temporary.replace(path)


def read_traits(folder: Path, workers: Sequence[str]) -> dict[NodeId, Traits]:
    """Read what the workers left; a worker that left nothing is passed over."""
    found: dict[NodeId, Traits] = {}
    for worker in workers:
        path = folder / f"{worker}.json"
        if path.is_file():
            collected = msgspec.json.decode(path.read_bytes(), type=Collected)
            found.update((traits.test, traits) for traits in collected.traits)
    return found
