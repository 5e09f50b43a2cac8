"""What functions that keep things ran, in all runs: so tests whose inputs did not change need no tracing.

Such a test does what it did when it was traced. All that concerns others is what it keeps for them in caches:
that was noted then, with the function that keeps it. A test that is traced now and enters this function
depends on it as if it had been seen now.
"""

import zlib

import msgspec

from toolkit.impact.inputs import Input, Windows


class _Packed(msgspec.Struct, frozen=True):
    """Inputs are many and stand in many windows: each is written once."""

    inputs: list[Input]
    ran: dict[int, list[int]]


def united(one: Windows, other: Windows) -> Windows:
    """Return what ran in either."""
    nothing: frozenset[Input] = frozenset()
    return {keeper: one.get(keeper, nothing) | other.get(keeper, nothing) for keeper in {**one, **other}}


def reached(windows: Windows, keeper: Input) -> set[Input]:
    """Return what ran in calls of a function that keeps things, and in calls of those among that."""
    found: set[Input] = set()
    pending = [keeper]
    while pending:
        new = windows.get(pending.pop(), frozenset()) - found
        found |= new
        pending.extend(item for item in new if item in windows)
    return found


def pack_windows(windows: Windows) -> bytes:
    """Write them small."""
    inputs = sorted({*windows, *(item for ran in windows.values() for item in ran)})
    numbers = {item: number for number, item in enumerate(inputs)}
    ran = {numbers[keeper]: sorted(map(numbers.__getitem__, found)) for keeper, found in windows.items()}
    return zlib.compress(msgspec.json.encode(_Packed(inputs, ran)), 1)


def unpack_windows(data: bytes) -> Windows:
    """Undo :func:`pack_windows`."""
    packed = msgspec.json.decode(zlib.decompress(data), type=_Packed)
    return {
        packed.inputs[keeper]: frozenset(map(packed.inputs.__getitem__, found))
        for keeper, found in packed.ran.items()
    }
