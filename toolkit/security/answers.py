"""A safe answer to an attack: a refusal or a harmless result, soon, and nothing of the inside."""

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from toolkit.assertions.responses import body_of

CUT = 600

LEAKS: dict[str, str] = {
    "a traceback of Python": r"Traceback \(most recent call last\)|File \"[^\"]+\.py\", line \d+",
    "a stack trace": r"\bat [\w$.]+\([\w]+\.(?:java|kt|scala):\d+\)|\bat .+ \(.+\.js:\d+:\d+\)|\.cs:line \d+",
    "an error of the database": (
        r"psycopg2?\.|sqlalchemy\.|asyncpg\.|sqlite3\.\w*Error|pg_catalog|SQLSTATE|ORA-\d{5}|"
        r"syntax error at or near|unterminated quoted string|You have an error in your SQL syntax|"
        r'relation "[^"]+" does not exist'
    ),
    "SQL": r"\bSELECT\b.{1,200}\bFROM\b|\bINSERT INTO\b|\bUPDATE\b.{1,100}\bSET\b",
    "a file of the system": r"root:[^:\n]*:0:0:|\[extensions\]\r?\n|PATH=/",
    "a path of the program": r"/(?:site-packages|dist-packages|venv|\.venv)/|[A-Z]:\\\\(?:Users|inetpub)",
    "a private key": r"-----BEGIN (?:\w+ )?PRIVATE KEY-----",
    "a URL with a password": r"\b[a-z][a-z0-9+.-]*://[^/\s:@]+:[^/\s:@]+@",
    "the page of a debugger": r"Werkzeug Debugger|DEBUG = True|__debugger__",
}
"""What was given away → a regular expression that finds it."""

TALKATIVE = ("x-powered-by", "x-aspnet-version", "x-debug-token", "x-runtime")
"""Headers that tell what is inside."""


def assert_safe(
    response: Any,
    payload: str = "",
    *,
    status: Collection[int] | None = None,
    within: float | None = 1.5,
    secrets: Collection[str] = (),
    leaks: Mapping[str, str] = LEAKS,
) -> None:
    """Claim that an answer to an attack is safe.

    Args:
        response: of any of the usual clients.
        payload: what was sent: it must not come back unescaped in HTML, nor have been computed.
        status: codes that are right; None: any below 500.
        within: seconds until the answer, where the client knows them (an injected wait succeeded otherwise).
        secrets: texts that must not be in the answer, such as somebody else's data.
        leaks: what else must not be: see :data:`LEAKS`.

    Raises:
        AssertionError: names everything that is wrong, with what was received.
    """
    __tracebackhide__ = True
    text = body_of(response).decode(errors="replace")
    headers = {str(name).lower(): str(value) for name, value in dict(response.headers).items()}
    problems = [
        *_wrong_status(response.status_code, status),
        *_too_slow(response, within),
        *_given_away(text, headers, payload, leaks),
        *(f"it shows a secret: {secret[:4]}…" for secret in secrets if secret in text),
        *_active(text, headers, payload),
    ]
    if problems:
        shown = text if len(text) <= CUT else f"{text[:CUT]}…"
        sent = [f"  sent: {payload[:CUT]!r}"] if payload else []
        lines = [f"  {problem}" for problem in problems]
        raise AssertionError(
            "\n".join(["not a safe answer:", *lines, *sent, f"  received: {response.status_code} {shown}"])
        )


def _wrong_status(code: int, status: Collection[int] | None) -> Iterator[str]:
    if status is None and code >= 500:  # noqa: PLR2004 - RFC 9110: the server failed
        yield f"status {code}: the server failed"
    elif status is not None and code not in status:
        yield f"status {code}, expected {' or '.join(map(str, sorted(status)))}"


def _too_slow(response: Any, within: float | None) -> Iterator[str]:
    try:
        elapsed = response.elapsed.total_seconds()
    except (AttributeError, RuntimeError):  # unknown to this client, or the body is not read yet
        return
    if within is not None and elapsed > within:
        yield f"answered after {elapsed:.1f} s, expected within {within:g} s: was a wait injected?"


def _given_away(
    text: str, headers: Mapping[str, str], payload: str, leaks: Mapping[str, str]
) -> Iterator[str]:
    own = text.replace(payload, "") if payload else text  # an echo of what was sent gives nothing away
    for what, pattern in leaks.items():
        found = re.search(pattern, own)
        if found:
            yield f"it shows {what}: {found[0][:80]!r}"
    for name in TALKATIVE:
        if name in headers:
            yield f"the header {name} tells what is inside: {headers[name][:80]!r}"


def _active(text: str, headers: Mapping[str, str], payload: str) -> Iterator[str]:
    """Yield where the payload was understood: as markup, as a template, as a header."""
    if "html" in headers.get("content-type", "") and "<" in payload and payload in text:
        yield "the payload comes back as markup"
    if "7*1337" in payload and "9359" in text:
        yield "the payload was computed"
    if "taken=1" in headers.get("set-cookie", ""):
        yield "the payload became a header"
