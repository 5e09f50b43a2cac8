"""The faults: their names, what each does, and their parameters."""

from typing import Annotated, Literal, get_args

import msgspec

ServerAction = Literal["kill", "stop", "restart", "pause", "squeeze_cpu", "squeeze_memory", "fill_disk"]
NetworkAction = Literal["latency", "loss", "cut", "silence", "slow_close"]
Action = ServerAction | NetworkAction

ACTIONS: dict[Action, str] = {
    "kill": "the server is killed (SIGKILL); undone: it is started again, with its data",
    "stop": "the server is shut down; undone: it is started again",
    "restart": "the server is shut down and at once started again",
    "pause": "the server gets no processor time at all; connections stay open",
    "squeeze_cpu": "the server gets a share of one core",
    "squeeze_memory": "the server can allocate little more than it has",
    "fill_disk": "files of the server cannot grow beyond a size",
    "latency": "every message through the proxy comes later",
    "loss": "messages through the proxy are lost and sent again, as TCP does",
    "cut": "connections through the proxy are reset, also new ones",
    "silence": "connections through the proxy stay open and nothing comes through",
    "slow_close": "connections through the proxy are closed late",
}
"""Action → what it does, one line."""

SERVER_ACTIONS: tuple[ServerAction, ...] = get_args(ServerAction)
NETWORK_ACTIONS: tuple[NetworkAction, ...] = get_args(NetworkAction)

MAY_KILL: frozenset[str] = frozenset({"kill", "stop", "restart", "squeeze_memory", "fill_disk"})
"""Faults after which a server may end once more: Erlang first writes a crash dump and ends then; one that is
started again ends when somebody holds its port, which was free for a moment."""

Seconds = Annotated[float, msgspec.Meta(ge=0)]
Share = Annotated[float, msgspec.Meta(gt=0, le=1)]


class Fault(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One fault of one service. Parameters that the action does not have are ignored."""

    action: Action
    service: str
    share: Share = 0.1
    """``squeeze_cpu``: of one core. ``loss``: of the messages."""
    memory: Annotated[int, msgspec.Meta(ge=0)] = 1
    """``squeeze_memory``: megabytes that each process of the server may still allocate."""
    size: Annotated[int, msgspec.Meta(ge=1)] = 16
    """``fill_disk``: megabytes beyond which no file grows. PostgreSQL writes its log in files of 16."""
    seconds: Seconds = 0.1
    """``latency``: how much later, one way. ``slow_close``: how long a close takes."""
    jitter: Seconds = 0.0
    """``latency``: up to so many seconds more, evenly distributed."""


def is_network(fault: Fault) -> bool:
    """Tell whether a fault is one of the way to the server, which goes through a proxy."""
    return fault.action in NETWORK_ACTIONS
