"""Between a worker and the controller: what is told of a short test that passes travels as one parcel.

xdist sends six messages for each test; each wakes two threads of the controller, which costs both sides more
than what the message says. So a worker keeps back what nobody waits for, and sends it, in order and as one
message, with the next thing that somebody may wait for:

* the start of the next test, so that the controller always knows which one runs, whatever becomes of it;
* a report that is not of a pass, or of a phase that took long;
* anything else that the worker says: a warning, an error, its end;
* the end of a test behind which it would wait for work.
"""

from typing import Any

from toolkit.plugin.pauses import find_interactor, follows_at_once

PARCEL = "toolkit_parcel"
"""Name of the event that holds others."""

PARCELS_KEY = "toolkit_parcels"
"""In ``workerinput``: the controller understands parcels."""

SHORT_SECONDS = 0.01
"""A phase that took longer is reported at once: a message costs little beside it."""


def unpack_from(node: Any) -> None:
    """On the controller, before a worker starts: take its parcels apart, and tell it so."""
    receive = getattr(node, "process_from_remote", None)
    if not callable(receive):
        return

    def receive_all(event: Any) -> None:
        if isinstance(event, tuple) and event[0] == PARCEL:
            for single in event[1]["events"]:
                receive(single)
        else:
            receive(event)

    node.process_from_remote = receive_all
    node.workerinput[PARCELS_KEY] = True


def pack(config: Any) -> None:
    """On a worker whose controller understands it: send parcels."""
    interactor = find_interactor(config)
    if interactor is not None and config.workerinput.get(PARCELS_KEY):
        interactor.sendevent = Packer(interactor).tell


class Packer:
    """Keeps events back until one comes that must be sent.

    Used by the thread that runs the tests only: xdist's other one speaks where tests are stolen, which our
    scheduler never does.
    """

    def __init__(self, interactor: Any) -> None:
        self._interactor = interactor
        self._send = interactor.sendevent
        self._kept: list[tuple[str, dict[str, Any]]] = []

    def tell(self, name: str, **details: Any) -> None:
        """Take the place of xdist's ``sendevent``."""
        if self._can_wait(name, details):
            self._kept.append((name, details))
        elif self._kept:
            events, self._kept = [*self._kept, (name, details)], []
            self._send(PARCEL, events=events)
        else:
            self._send(name, **details)

    def _can_wait(self, name: str, details: dict[str, Any]) -> bool:
        if name == "testreport":
            report = details["data"]
            return bool(report.get("outcome") == "passed" and report.get("duration", 1.0) < SHORT_SECONDS)
        if name == "runtest_protocol_complete":
            return follows_at_once(self._interactor)
        return name == "logfinish"
