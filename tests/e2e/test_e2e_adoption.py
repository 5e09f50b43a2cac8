"""``toolkit init`` then ``nox -s unit`` in projects of others; ``benchmarks/adoption.py`` runs six shapes."""

from pathlib import Path

import pytest

from benchmarks import adoption

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]


@pytest.mark.parametrize("shape", ["unittest", "doctest"])
def test_init_fits_without_a_hand_edit(tmp_path: Path, shape: str) -> None:
    (proof,) = adoption.prove([shape], ["3.12"], tmp_path)
    assert proof.exit_code == 0, proof.output
    assert proof.tests >= adoption.SHAPES[shape].least
    assert proof.unexplained == 0, proof.others
    assert (set(proof.new), proof.changed) == ({"noxfile.py", "tasks.py"}, ())
    assert proof.table[0] == "[tool.toolkit]"


def test_all_shapes_are_proven_by_the_benchmark() -> None:
    assert set(adoption.SHAPES) == {"src", "flat", "unittest", "doctest", "async", "monorepo"}
