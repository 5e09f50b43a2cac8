"""The values of one column: of its type, within its limits, realistic where its name allows it."""

import datetime as dt
import random
import re
import string
import uuid
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from toolkit.errors import InputError, MissingExtra
from toolkit.scenarios.naming import provider, realistic, usual_days, usual_numbers, words
from toolkit.scenarios.quantities import Scale, ceiling, floor, scale_of
from toolkit.scenarios.tables import Column, Rule, Table

Row = Mapping[str, Any]
TRIES = 20
SMALL = 10_000
"""Up to so many values, all of them are listed where each may occur only once."""
TEXT_LENGTH = 200
EMPTY = 0.1
"""How often an optional value is missing."""


class Json(msgspec.Struct, frozen=True):
    """A JSON document, told apart from a list or an array."""

    value: Any


class Maker:
    """Makes the values of one column, in a sequence that follows from the seed.

    Args:
        table: its table.
        column: the column.
        seed: of the scenario.
        locale: language of names and texts.
    """

    def __init__(self, table: Table, column: Column, *, seed: int, locale: str = "en") -> None:
        origin = f"{seed}/{table.name}/{column.name}"
        self.column = column
        self.where = f"{table.name}.{column.name}"
        self.rules = [rule for rule in table.rules if rule.column == column.name]
        self.chance = random.Random(origin)  # noqa: S311 - test data that can be made again
        self.may_be_empty = column.nullable and not table.unclear and not self._demanded()
        self._scale = scale_of(column)
        self._about = provider(locale, origin)
        self._say = realistic(table.name, column.name, self._about, self.chance)
        self._never = [rule.value for rule in self.rules if rule.test == "not" and not rule.other]
        self._choices = self._find_choices()
        self._room = (self._shortest(), self._longest())
        compared = self._scale is None or any(rule.other for rule in self.rules)
        self._always = None if compared else self._limits({})

    def _demanded(self) -> bool:
        return any(rule.test == "not null" for rule in self.rules)

    def make(self, row: Row, *, nonce: int = 0, wide: bool = False, filled: bool = False) -> Any:
        """Return a value for a row.

        Args:
            row: what is known of it; columns to which this one is compared come before it.
            nonce: above zero: make a text differ from others by this number.
            wide: take a number from all that is allowed, not only from what is usual.
            filled: never leave it empty.

        Raises:
            InputError: no value was found that the rules allow.
        """
        if self.may_be_empty and not filled and self.chance.random() < EMPTY:
            return None
        if self._scale is not None and not self._choices:
            return self._number(self._scale, self._always or self._limits(row), wide=wide)
        for attempt in range(TRIES):
            value = self._candidate(nonce, forced=attempt >= TRIES // 4)
            if self._admits(value):
                return value
        raise InputError(
            f"{self.where}: no value was found that its CHECK constraints allow",
            hint=f"give some in the scenario: values: {{{self.column.name}: [...]}}",
        )

    def all_values(self, row: Row) -> list[Any] | None:
        """Return all values that are possible, if these are few."""
        choices = self._choices
        if choices:
            return [value for value in choices if self._admits(value)]
        if self.column.kind == "boolean":
            return [False, True]
        if self._scale is None:
            return None
        low, high = self._limits(row)
        if high - low >= SMALL:
            return None
        values = map(self._scale.value, range(low, high + 1))
        return [value for value in values if not self._is_excluded(value)]

    def _find_choices(self) -> Sequence[Any]:
        lists = [rule.value for rule in self.rules if rule.test == "in"]
        if lists:
            values = [value for value in lists[0] if all(value in others for others in lists[1:])]
            return [self._of_kind(value) for value in values]
        return self.column.choices

    def _of_kind(self, value: Any) -> Any:
        if self.column.kind == "integer":
            return int(value)
        return float(value) if self.column.kind == "float" else value

    def _number(self, scale: Scale, limits: tuple[int, int], *, wide: bool) -> Any:
        low, high = limits if wide else _usual(*_steps(self.column, scale), *limits)
        for _ in range(TRIES):
            value = scale.value(self.chance.randint(low, high))
            if not self._is_excluded(value):
                return value
        raise InputError(f"{self.where}: no value was found that its CHECK constraints allow")

    def _is_excluded(self, value: Any) -> bool:
        return any(str(value) == str(each) or value == each for each in self._never)

    def _limits(self, row: Row) -> tuple[int, int]:
        scale = self._scale
        assert scale is not None  # noqa: S101 - the callers have asked
        low, high = scale.low, scale.high
        for rule in self.rules:
            limit = row.get(rule.other) if rule.other else rule.value
            if limit is None:
                continue
            if rule.test in {"min", "above"}:
                low = max(low, ceiling(scale.step(limit), strict=rule.test == "above"))
            elif rule.test in {"max", "below"}:
                high = min(high, floor(scale.step(limit), strict=rule.test == "below"))
        if low > high:
            raise InputError(f"{self.where}: its CHECK constraints leave no value")
        return low, high

    def _candidate(self, nonce: int, *, forced: bool) -> Any:
        choices = self._choices
        if choices:
            return self.chance.choice(choices)
        if self.column.kind != "text":
            return self._other(self.column)
        return self._forced() if forced else self._text(nonce)

    def _text(self, nonce: int) -> str:
        """Say something realistic, of the right length and case; with a nonce, something that nobody said."""
        shortest, room = self._room
        text = with_number(self._say(), nonce)[-room if nonce else 0 :][:room] if room else ""
        while len(text) < shortest:
            text += self.chance.choice(string.ascii_lowercase)
        return self._in_case(text)

    def _forced(self) -> str:
        """Make a text from its pattern, or of letters."""
        for rule in self.rules:
            if rule.test in {"match", "like"}:
                return self._in_case(self._matching(rule)[: self._room[1]])
        shortest, longest = self._room
        length = self.chance.randint(shortest, max(shortest, min(longest, 24)))
        return self._in_case("".join(self.chance.choices(string.ascii_lowercase + string.digits, k=length)))

    def _matching(self, rule: Rule) -> str:
        if rule.test == "like":
            letters = {"%": "", "_": "x"}
            return "".join(letters.get(letter, letter) for letter in rule.value)
        try:
            import rstr
        except ImportError as error:
            raise MissingExtra("a data scenario", extra="data", package="rstr") from error
        return str(rstr.Rstr(self.chance).xeger(rule.value))

    def _in_case(self, text: str) -> str:
        for rule in self.rules:
            if rule.test in {"lower", "upper"}:
                text = text.lower() if rule.test == "lower" else text.upper()
        return text

    def _longest(self) -> int:
        limits = [int(rule.value) for rule in self.rules if rule.test == "max length"]
        return min([*limits, self.column.length or TEXT_LENGTH])

    def _shortest(self) -> int:
        return max((int(rule.value) for rule in self.rules if rule.test == "min length"), default=1)

    def _admits(self, value: Any) -> bool:
        if self.column.kind != "text" or not isinstance(value, str):
            return not self._is_excluded(value)
        return all(HOLDS[rule.test](rule.value, value) for rule in self.rules if rule.test in HOLDS) and len(
            value
        ) <= (self.column.length or len(value))

    def _other(self, column: Column) -> Any:
        make = OTHERS.get(column.kind)
        if make is None:
            raise InputError(
                f"{self.where}: values of its type cannot be made up",
                hint=f"give some in the scenario: values: {{{column.name}: [...]}}",
            )
        return make(self, column)

    def say(self, low: int, high: int) -> str:
        """Return some words."""
        return words(self._about, self.chance, low, high)

    def item(self, column: Column) -> Any:
        """Return a value for one place of an array."""
        scale = scale_of(column)
        if scale is not None:
            return scale.value(self.chance.randint(*_usual(*_steps(column, scale), scale.low, scale.high)))
        if column.kind == "text":
            return self.say(1, 1)[: column.length]
        return self.chance.choice(column.choices) if column.choices else self._other(column)


def _array(maker: Maker, column: Column) -> list[Any]:
    assert column.item is not None  # noqa: S101 - reflection sets it for arrays
    return [maker.item(column.item) for _ in range(maker.chance.randint(1, 3))]


OTHERS: dict[str, Callable[[Maker, Column], Any]] = {
    "array": _array,
    "boolean": lambda maker, _: maker.chance.random() < 0.5,  # noqa: PLR2004 - a coin
    "bytes": lambda maker, _: maker.chance.randbytes(16),
    "inet": lambda maker, _: f"192.0.2.{maker.chance.randint(1, 254)}",
    "interval": lambda maker, _: dt.timedelta(minutes=maker.chance.randint(1, 10_000)),
    "json": lambda maker, _: Json({"note": maker.say(1, 3), "number": maker.chance.randint(1, 100)}),
    "uuid": lambda maker, _: uuid.UUID(int=maker.chance.getrandbits(128), version=4),
}
"""Kinds without an order."""


def with_number(text: str, number: int) -> str:
    """Make a text differ by a number, an address before its @."""
    if not number:
        return text
    local, at, host = text.partition("@")
    return f"{local}{number}{at}{host}" if at else f"{text} {number}"


HOLDS: dict[str, Callable[[Any, str], bool]] = {
    "not": lambda value, text: bool(text != value),
    "match": lambda value, text: re.search(value, text) is not None,
    "like": lambda value, text: re.fullmatch(_like(value), text, re.DOTALL) is not None,
    "min length": lambda value, text: len(text) >= int(value),
    "max length": lambda value, text: len(text) <= int(value),
    "lower": lambda _, text: text == text.lower(),
    "upper": lambda _, text: text == text.upper(),
}
"""What a rule demands of a text."""


def _like(pattern: str) -> str:
    """Return the regular expression of a LIKE pattern."""
    wild = {"%": ".*", "_": "."}
    return "".join(wild.get(letter, re.escape(letter)) for letter in pattern)


def _steps(column: Column, scale: Scale) -> tuple[int, int]:
    """Return the usual range of a column, in steps."""
    name = column.name.lower()
    if column.kind in {"date", "datetime"}:
        first, last = usual_days(name)
        return int(scale.step(first)), int(scale.step(last))
    if column.kind == "time":
        return scale.low, scale.high
    low, high = usual_numbers(name)
    return int(scale.step(Decimal(low))), int(scale.step(Decimal(high)))


def _usual(usual_low: int, usual_high: int, low: int, high: int) -> tuple[int, int]:
    """Narrow hard limits to the usual range, or to what is nearest to it."""
    if max(low, usual_low) <= min(high, usual_high):
        return max(low, usual_low), min(high, usual_high)
    span = usual_high - usual_low
    return (low, min(high, low + span)) if low > usual_high else (max(low, high - span), high)
