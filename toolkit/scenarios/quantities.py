"""Numbers and times as steps on one scale, so that limits between them are whole numbers.

An integer counts ones, a decimal its last digit, a date days, a time microseconds.
"""

import datetime as dt
import math
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec

from toolkit.scenarios.tables import Column

MICROSECOND = dt.timedelta(microseconds=1)
EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
FLOAT_STEP = Decimal("0.000001")
MONEY_SCALE = 2
WIDEST = 15
"""Digits of a decimal without precision that are used."""


class Scale(msgspec.Struct, frozen=True, kw_only=True):
    """How values of a column become steps and come back; ``low`` and ``high`` are the type's own limits."""

    step: Callable[[Any], Decimal]
    value: Callable[[int], Any]
    low: int
    high: int


def scale_of(column: Column) -> Scale | None:
    """Return the scale of a column's values; None: they have no order that matters here."""
    make = SCALES.get(column.kind)
    return None if make is None else make(column)


def _integers(column: Column) -> Scale:
    most = 2 ** (column.bits - 1) - 1
    return Scale(step=Decimal, value=int, low=-most - 1, high=most)


def _floats(_column: Column) -> Scale:
    most = int(10**WIDEST / FLOAT_STEP)
    return Scale(
        step=lambda value: Decimal(str(value)) / FLOAT_STEP,
        value=lambda steps: float(steps * FLOAT_STEP),
        low=-most,
        high=most,
    )


def _days(_column: Column) -> Scale:
    return Scale(
        step=lambda value: Decimal(_day(value).toordinal()),
        value=dt.date.fromordinal,
        low=1,
        high=dt.date.max.toordinal(),
    )


def _times(_column: Column) -> Scale:
    return Scale(step=_since_midnight, value=_time, low=0, high=24 * 3600 * 1_000_000 - 1)


def _decimals(column: Column) -> Scale:
    scale = column.scale if column.scale is not None else MONEY_SCALE
    most = 10 ** (column.precision or WIDEST) - 1
    unit = Decimal(1).scaleb(-scale)
    return Scale(
        step=lambda value: Decimal(str(value)) / unit,
        value=lambda steps: steps * unit,
        low=-most,
        high=most,
    )


def _moments(column: Column) -> Scale:
    def value(steps: int) -> dt.datetime:
        moment = EPOCH + steps * MICROSECOND
        return moment if column.zoned else moment.replace(tzinfo=None)

    return Scale(
        step=lambda given: Decimal((_moment(given) - EPOCH) // MICROSECOND),
        value=value,
        low=(dt.datetime(1, 1, 2, tzinfo=dt.UTC) - EPOCH) // MICROSECOND,
        high=(dt.datetime(9999, 12, 30, tzinfo=dt.UTC) - EPOCH) // MICROSECOND,
    )


SCALES: dict[str, Callable[[Column], Scale]] = {
    "integer": _integers,
    "decimal": _decimals,
    "float": _floats,
    "date": _days,
    "datetime": _moments,
    "time": _times,
}


def _day(value: Any) -> dt.date:
    if isinstance(value, dt.datetime):
        return value.date()
    return value if isinstance(value, dt.date) else _moment(value).date()


def _moment(value: Any) -> dt.datetime:
    if isinstance(value, dt.datetime):
        moment = value
    elif isinstance(value, dt.date):
        moment = dt.datetime.combine(value, dt.time())
    else:
        moment = dt.datetime.fromisoformat(str(value))
    return moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)


def _since_midnight(value: Any) -> Decimal:
    time = value if isinstance(value, dt.time) else dt.time.fromisoformat(str(value))
    seconds = (time.hour * 60 + time.minute) * 60 + time.second
    return Decimal(seconds * 1_000_000 + time.microsecond)


def _time(steps: int) -> dt.time:
    return (dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + steps * MICROSECOND).time()


def ceiling(steps: Decimal, *, strict: bool) -> int:
    """Return the lowest whole step not below (or above, if strict) a limit."""
    lowest = math.ceil(steps)
    return lowest + 1 if strict and lowest == steps else lowest


def floor(steps: Decimal, *, strict: bool) -> int:
    """Return the highest whole step not above (or below, if strict) a limit."""
    highest = math.floor(steps)
    return highest - 1 if strict and highest == steps else highest
