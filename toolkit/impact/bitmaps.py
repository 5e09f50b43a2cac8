"""Sets of tests as bitmaps: bit n stands for the n-th test of a segment."""

import zlib
from collections.abc import Iterable, Iterator

from toolkit.impact.inputs import CaseInputs


def bitmaps(cases: Iterable[CaseInputs]) -> dict[int, int]:
    """Return for each input the tests that depend on it: bit n stands for the n-th test.

    Sets that many tests share are gone through once, not once for each of these tests.
    """
    own: dict[int, list[int]] = {}
    sharing: dict[int, int] = {}  # key of a shared set → its tests
    sets: dict[int, frozenset[int]] = {}
    for position, case in enumerate(cases):
        bit = 1 << position
        for index in case.inputs:
            own.setdefault(index, []).append(position)
        for shared in case.shared:
            sets[id(shared)] = shared
            sharing[id(shared)] = sharing.get(id(shared), 0) | bit
    found = {index: _bits(positions) for index, positions in own.items()}
    for key, bits in sharing.items():
        for index in sets[key]:
            found[index] = found.get(index, 0) | bits
    return found


def _bits(positions: list[int]) -> int:
    """Set some bits; the positions ascend."""
    data = bytearray((positions[-1] >> 3) + 1)
    for position in positions:
        data[position >> 3] |= 1 << (position & 7)
    return int.from_bytes(data, "little")


def pack(bits: int) -> bytes:
    """Compress a bitmap."""
    return zlib.compress(bits.to_bytes((bits.bit_length() + 7) // 8, "little"), 1)


def unpack(bits: bytes) -> int:
    """Undo :func:`pack`."""
    return int.from_bytes(zlib.decompress(bits), "little")


def set_bits(bits: int) -> Iterator[int]:
    """Yield the numbers of the bits that are set, ascending."""
    while bits:
        low = bits & -bits
        yield low.bit_length() - 1
        bits ^= low
