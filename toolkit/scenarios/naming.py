"""What a column is about, by its name: realistic texts through mimesis, usual ranges of numbers and times."""

import datetime as dt
import random
import re
from collections.abc import Callable
from typing import Any

from toolkit.errors import MissingExtra, UsageError

Text = Callable[[], str]
PEOPLE = re.compile(
    r"user|customer|person|people|author|employee|member|patient|student|contact|account|owner"
)
TODAY = dt.date(2026, 1, 1)
"""Times lie around this day, not around the day of the run: the same seed gives the same rows."""
YEAR = 365

RANGES: tuple[tuple[str, int, int], ...] = (
    (r"qty|quantity|pieces", 1, 10),
    (r"(^|_)age($|_)", 18, 90),
    (r"year", 1990, 2026),
    (r"rating|score|stars", 1, 5),
    (r"percent|pct", 0, 100),
    (r"place|position|rank|sort|level|priority", 0, 20),
    (r"price|amount|total|cost|fee|cents|salary|balance", 1_00, 500_00),
    (r"weight|height|width|length|size|duration|minutes|seconds", 1, 600),
    (r"stock|count|number|visits|views", 0, 500),
    (r"latitude|(^|_)lat($|_)", -85, 85),
    (r"longitude|(^|_)(lng|lon)($|_)", -180, 180),
)
"""Pattern of the name, and the usual lowest and highest value."""


def usual_numbers(column: str) -> tuple[int, int]:
    """Return the range in which numbers of a column of this name usually are."""
    for pattern, low, high in RANGES:
        if re.search(pattern, column):
            return low, high
    return 1, 1000


def usual_days(column: str) -> tuple[dt.date, dt.date]:
    """Return the range in which dates of a column of this name usually are."""
    if re.search(r"birth|born", column):
        return dt.date(1940, 1, 1), dt.date(2007, 12, 31)
    if re.search(r"expir|due|until|(^|_)ends?($|_)|valid_to|deadline", column):
        return TODAY, TODAY + dt.timedelta(YEAR)
    return TODAY - dt.timedelta(2 * YEAR), TODAY


def provider(locale: str, seed: str) -> Any:
    """Return mimesis for a language; everything that it says follows from the seed.

    Raises:
        MissingExtra: it is not installed.
        UsageError: it does not know the language.
    """
    try:
        import mimesis
    except ImportError as error:
        raise MissingExtra("a data scenario", extra="data", package="mimesis") from error
    try:
        known = mimesis.Locale(locale)
    except ValueError as error:
        names = ", ".join(each.value for each in mimesis.Locale)
        raise UsageError(f"locale {locale!r}: expected one of {names}") from error
    return mimesis.Generic(known, seed=seed)


def realistic(table: str, column: str, about: Any, chance: random.Random) -> Text:
    """Return what makes texts for a column, chosen by its name and that of its table.

    Args:
        table: its name in small letters; decides whose ``name`` it is.
        column: its name in small letters.
        about: see :func:`provider`.
        chance: where everything else comes from.
    """
    name = column.lower()
    for pattern, make in _makers(table.lower(), about, chance):
        if re.search(pattern, name):
            return make
    return lambda: words(about, chance, 1, 3)


def words(about: Any, chance: random.Random, low: int, high: int) -> str:
    """Return some words."""
    return " ".join(about.text.word() for _ in range(chance.randint(low, high)))


def _makers(table: str, about: Any, chance: random.Random) -> tuple[tuple[str, Text], ...]:
    person, place = about.person, about.address

    def some(low: int, high: int) -> Text:
        return lambda: words(about, chance, low, high)

    def digits(count: int) -> str:
        return "".join(chance.choices("0123456789", k=count))

    def code() -> str:
        return "".join(chance.choices("ABCDEFGHJKLMNPQRSTUVWXYZ", k=3)) + "-" + digits(5)

    def title() -> str:
        return words(about, chance, 2, 4).title()

    return (
        (r"e?mail", lambda: f"{_login(about)}@example.{chance.choice(('com', 'org', 'net'))}"),
        (r"first_?name|given_?name", person.first_name),
        (r"last_?name|sur_?name|family_?name", person.last_name),
        (r"user_?name|login|nick|handle", lambda: _login(about)),
        (r"full_?name|display_?name|contact", person.full_name),
        (r"^name$", person.full_name if PEOPLE.search(table) else title),
        (r"author|customer|owner|created_by|editor", person.full_name),
        (r"hash|token|secret|password|digest|fingerprint|checksum", lambda: chance.randbytes(32).hex()),
        (r"phone|mobile|fax", lambda: f"+1-555-{digits(3)}-{digits(4)}"),
        (r"(street|address|line_?1)", place.address),
        (r"city|town", place.city),
        (r"zip|post(al)?_?code", place.postal_code),
        (r"country_code|^country$|^iso", place.country_code),
        (r"country", place.country),
        (r"state|region|province|county", place.state),
        (r"company|organi[sz]ation|employer|vendor|supplier|brand|publisher", about.finance.company),
        (r"url|website|homepage|link", lambda: f"https://{_login(about)}.example.com/{digits(4)}"),
        (r"isbn", lambda: _isbn(f"978{digits(9)}")),
        (r"currency", about.finance.currency_iso_code),
        (r"colou?r", about.text.color),
        (r"lang|locale", lambda: str(chance.choice(("en", "de", "fr", "es", "ja")))),
        (r"(^|_)ip(_|$)", lambda: f"192.0.2.{chance.randint(1, 254)}"),
        (r"user_agent", about.internet.user_agent),
        (r"job|profession|position", person.occupation),
        (r"slug", lambda: "-".join(words(about, chance, 2, 3).lower().split())),
        (r"sku|code|reference|number|serial", code),
        (r"title|subject|headline|label", title),
        (r"description|comment|body|note|text|message|bio|summary|content", some(8, 20)),
    )


def _login(about: Any) -> str:
    return re.sub(r"[^a-z0-9]+", "", about.person.username(mask="ld").lower()) or "somebody"


def _isbn(first: str) -> str:
    """Append the check digit (ISO 2108)."""
    weighted = sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(first))
    return f"{first}{-weighted % 10}"
