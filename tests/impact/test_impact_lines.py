"""Lines are carried through edits: unchanged code keeps its lines, changed code loses them."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.impact.lines import LineMap, line_map


class Piece:
    """A function, a method, or a statement of the module; ``marks`` are its statements."""

    def __init__(self, name: str, marks: list[int], *, method: bool = False) -> None:
        self.name, self.marks, self.method = name, marks, method

    def write(self, chance: random.Random) -> list[tuple[str, str]]:
        """Return its lines, each with what stands there: empty for nothing that counts."""
        if self.name.startswith("X"):
            return [(f"{self.name} = {self.marks[0]}", self.name)]
        rows = [(f"def {self.name}(x):", f"{self.name}:def")]
        for index, mark in enumerate(self.marks):
            key = f"{self.name}:{index}"
            if chance.random() < 0.3:
                rows.append(("    # said something", ""))
            if chance.random() < 0.3:
                rows += [("    x = (", key), ("        x", ""), (f"        + {mark}", ""), ("    )", "")]
            elif chance.random() < 0.3:
                rows += [(f"    if x > {mark}:", key), ("        x = 0", f"{key}:then")]
            else:
                rows.append((f"    x = x + {mark}", key))
        rows.append(("    return x", f"{self.name}:return"))
        if self.method:
            rows = [
                (f"class C{self.name}:", f"{self.name}:class"),
                *((f"    {row}", key) for row, key in rows),
            ]
        return rows


def write(
    pieces: list[Piece], chance: random.Random, kept: dict[str, list[tuple[str, str]]]
) -> tuple[str, dict[str, int]]:
    """Return a text, and where its statements stand. ``kept``: how pieces are written that do not change."""
    lines: list[str] = []
    places: dict[str, int] = {}
    for piece in pieces:
        lines += [""] * chance.randrange(3) + ["# a comment"] * chance.randrange(2)
        for row, key in kept.get(piece.name) or piece.write(chance):
            lines.append(row)
            if key:
                places[key] = len(lines)
    return "\n".join(lines) + "\n", places


@given(seed=st.integers(0, 2**32))
@settings(max_examples=50, deadline=None)
def test_what_did_not_change_keeps_its_lines_and_nothing_else_gets_any(seed: int) -> None:
    """Random edits: functions changed, deleted, copied, moved; comments; blank lines."""
    chance = random.Random(seed)
    old = [
        Piece(
            f"f{n}",
            [chance.randrange(3) for _ in range(chance.randrange(1, 5))],
            method=chance.random() < 0.3,
        )
        for n in range(chance.randrange(1, 7))
    ]
    old += [Piece(f"X{n}", [n]) for n in range(chance.randrange(3))]
    chance.shuffle(old)
    written = {piece.name: piece.write(chance) for piece in old}
    before, old_places = write(old, chance, written)
    new, changed = [], set()
    for piece in old:
        deed = chance.choice(["keep", "keep", "keep", "change", "delete", "copy"])
        if deed == "change":
            changed.add(piece.name)
            new.append(Piece(piece.name, [9, *piece.marks], method=piece.method))
            written.pop(piece.name)
        elif deed == "delete":
            changed.add(piece.name)
        else:
            new.append(piece)
        if deed == "copy" and not piece.name.startswith("X"):
            new.insert(chance.randrange(len(new) + 1), Piece(f"copy_{piece.name}", piece.marks))
    chance.shuffle(new)
    after, new_places = write(new, chance, written)
    found = line_map(before.encode(), after.encode())
    for key, line in old_places.items():
        name = key.partition(":")[0]
        if name not in changed:
            assert found.line(line) == new_places[key], (key, before, after)
        elif not key.endswith((":def", ":class")):
            assert found.line(line) is None, (key, before, after)
    carried = set(found.lines(range(1, before.count("\n") + 1)))
    theirs = {
        line
        for key, line in new_places.items()
        if key.startswith("copy_")
        or (key.partition(":")[0] in changed and not key.endswith((":def", ":class")))
    }
    assert not carried & theirs


OLD = b"""\
import os

@decorated(
    1)
def f(
    a=1,
):
    try:
        return call(
            a,
            1)
    except OSError as error:
        raise

class K(Base):
    x = 1
    def m(self):
        def inner():
            return 1
        return inner

if os.name:
    def g(): return 2
"""
NEW = b"""\
# new
import os

@decorated(1)
def f(a=1):
    try:
        return call(a, 1)
    except OSError as error:
        raise

class K(Base):
    x = 1

    def m(self):
        def inner():
            return 2
        return inner

if os.name:
    def g(): return 2
"""


def test_layout_moves_lines_and_a_changed_function_inside_another_leaves_that() -> None:
    found = line_map(OLD, NEW)
    expected = {
        1: 2,
        3: 4,
        5: 5,
        8: 6,
        9: 7,
        10: 7,
        12: 8,
        13: 9,
        15: 11,
        16: 12,
        17: 14,
        18: 15,
        20: 17,
        22: 19,
        23: 20,
    }
    assert {line: found.line(line) for line in expected} == expected
    assert found.line(19) is None, "the body of inner changed"


def test_arcs_go_with_their_lines_and_out_of_functions() -> None:
    found = line_map(OLD, NEW)
    arcs = [(-3, 8), (8, 9), (9, 10), (9, -3), (13, -3), (-18, 19), (1, 3), (22, -1), (-1, 1)]
    assert list(found.arcs(arcs)) == [(-4, 6), (6, 7), (7, -4), (9, -4), (2, 4), (19, -1), (-1, 2)]
    moved = line_map(b"def f(x):\n    return x\n", b"y = 1\ndef f(x):\n    return x\n")
    assert list(moved.arcs([(-1, 1), (1, -1), (-1, 2), (2, -1)])) == [(-1, 2), (2, -1), (-2, 3), (3, -2)]


@pytest.mark.parametrize("text", [b"def f(:\n", b"\x00", b"(" * 400])
def test_what_is_not_python_carries_nothing(text: bytes) -> None:
    assert line_map(text, b"x = 1\n").line(1) is None
    assert line_map(b"x = 1\n", text).line(1) is None
    assert LineMap().line(1) is None


def test_equal_statements_that_were_added_or_taken_away_are_not_told_apart() -> None:
    found = line_map(b"call()\nx = 1\n", b"call()\nx = 1\ncall()\n")
    assert (found.line(1), found.line(2)) == (None, 2)
