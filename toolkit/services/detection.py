"""Which runtime a service gets, and why: external, else compose, else embedded."""

from collections.abc import Callable, Mapping

import msgspec

from toolkit.config.services import RuntimeName
from toolkit.errors import RuntimeUnavailable
from toolkit.services import embedded, external
from toolkit.services.environment import UsedRuntime
from toolkit.services.runtime import Wanted


class Engine(msgspec.Struct, frozen=True):
    """Whether containers can be had on this machine, and how we know."""

    usable: bool
    why: str


class Choice(msgspec.Struct, frozen=True):
    """A runtime for one service, and why."""

    runtime: UsedRuntime
    why: str


def choose(
    wanted: Wanted, asked: RuntimeName, environ: Mapping[str, str], engine: Callable[[], Engine]
) -> Choice:
    """Choose the runtime of one service.

    Args:
        wanted: the service; its own ``runtime`` is stronger than ``auto``.
        asked: what the command or the environment asks for.
        environ: where URLs of external servers may be.
        engine: asked only when the answer matters, since it may take a second.

    Raises:
        RuntimeUnavailable: no runtime can provide it; says what was tried.
    """
    fixed = asked if asked != "auto" else wanted.service.runtime
    if fixed != "auto":
        return _asked_for(wanted, fixed, engine)
    given = external.given(wanted, environ)
    if given is not None:
        return Choice("external", f"{given[0]} is set")
    return _containers(wanted, engine) or _embedded(wanted, engine)


def _asked_for(wanted: Wanted, runtime: UsedRuntime, engine: Callable[[], Engine]) -> Choice:
    if runtime == "compose" and _needs_container(wanted):
        found = engine()
        if not found.usable:
            raise RuntimeUnavailable(
                f"{wanted.name}: the runtime compose was asked for, but {found.why}",
                hint="start Docker, or let `auto` choose another runtime",
            )
    if runtime == "compose" and not _needs_container(wanted):
        return Choice("embedded", "it is started by its command")
    return _one_copy(wanted, Choice(runtime, "asked for"))


def _one_copy(wanted: Wanted, choice: Choice) -> Choice:
    if wanted.replicas > 1 and choice.runtime == "embedded":
        raise RuntimeUnavailable(
            f"{wanted.name}: {wanted.replicas} copies behind a load balancer need containers",
            hint="start Docker and give the service an `image`, or ask for one copy",
        )
    return choice


def _needs_container(wanted: Wanted) -> bool:
    return bool(wanted.service.image or wanted.service.compose) or wanted.service.kind not in {
        "http",
        "other",
    }


def _containers(wanted: Wanted, engine: Callable[[], Engine]) -> Choice | None:
    if not _needs_container(wanted):
        return None
    found = engine()
    return Choice("compose", found.why) if found.usable else None


def _embedded(wanted: Wanted, engine: Callable[[], Engine]) -> Choice:
    found = embedded.find(wanted.service)
    no_container = engine().why if _needs_container(wanted) else "it is started by its command"
    if found is not None:
        return _one_copy(wanted, Choice("embedded", f"{no_container}; {found[0]} from {found[1].source}"))
    kind = wanted.service.kind
    raise RuntimeUnavailable(
        f"{wanted.name}: no runtime can provide it: {wanted.variable} is not set; {no_container}; "
        f"no {kind} server is installed",
        hint=f"set {wanted.variable}, start Docker, or: {embedded.INSTALL.get(kind, 'set its `command`')}",
    )
