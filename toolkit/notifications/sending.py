"""Sends a message to every configured address. Addresses hold secrets: they are never shown."""

import contextlib
import logging
import string
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from toolkit.errors import MissingExtra

VARIABLE = "TOOLKIT_NOTIFY"
"""Environment variable with more addresses, separated by white space."""


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one message. Names the service, never the address."""

    to: str
    """Which address: its number and the kind of service, ``2 (slack)``."""
    problem: str = ""
    """Why it was not sent; empty: it was."""


def send(
    urls: Sequence[str], title: str, body: str, *, environ: Mapping[str, str], failed: bool
) -> tuple[Delivery, ...]:
    """Send one message to every address; that one cannot be reached does not keep it from the others.

    Args:
        urls: as Apprise knows them; ``$NAME`` is replaced by the environment variable.
        title: one line.
        body: plain text.
        environ: the environment; ``TOOLKIT_NOTIFY`` in it holds more addresses, as they are.
        failed: whether it is bad news.

    Raises:
        MissingExtra: there are addresses, but Apprise is not installed.
    """
    addresses = [_filled(url, environ) for url in urls]
    addresses += [(url, ()) for url in environ.get(VARIABLE, "").split()]  # secrets: a $ in them is a letter
    if not addresses:
        return ()
    with _quiet():
        return tuple(
            _send_one(number, address, missing, title, body, failed=failed)
            for number, (address, missing) in enumerate(addresses, start=1)
        )


def _filled(url: str, environ: Mapping[str, str]) -> tuple[str, tuple[str, ...]]:
    """Return an address with the values of its variables, and the names of those that are not set."""
    template = string.Template(url)
    missing = tuple(name for name in template.get_identifiers() if not environ.get(name))
    return template.safe_substitute(environ), missing


def _send_one(
    number: int, address: str, missing: Sequence[str], title: str, body: str, *, failed: bool
) -> Delivery:
    apprise = _apprise()
    if missing:
        return Delivery(to=str(number), problem=f"{', '.join(missing)} is not set in the environment")
    target = apprise.Apprise()
    if not target.add(address):
        return Delivery(to=str(number), problem="Apprise does not understand the address")
    to = f"{number} ({target[0].service_name})"
    kind = apprise.NotifyType.FAILURE if failed else apprise.NotifyType.SUCCESS
    sent = target.notify(title=title, body=body, notify_type=kind)
    return Delivery(to=to, problem="" if sent else "the service did not take it")


def _apprise() -> Any:
    try:
        import apprise
    except ImportError as error:
        raise MissingExtra("a notification", extra="notify", package="apprise") from error
    return apprise


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the log of Apprise away: it names addresses. And its warnings: of what it imports, not of ours."""
    logger = logging.getLogger("apprise")
    before = logger.disabled
    logger.disabled = True
    try:
        with warnings.catch_warnings(action="ignore"):
            yield
    finally:
        logger.disabled = before
