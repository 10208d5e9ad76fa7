"""Parameter tables: the values that the files have, and files that are broken."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from core.mm.tables import WILD, read_frcmod, table
from core.readers.errors import ReaderError
from core.units import KCAL_MOL

FRCMOD = """made by hand
MASS
zz 12.01

BOND
c3-zz  300.0  1.50  mine
zz-c3  310.0  1.51  the last one counts

ANGLE
c3-zz-c3  60.0  110.0

DIHE
X -zz-c3-X    9   1.40   0.0   3.0   general
c3-zz-c3-hc   1   0.10  180.0  -2.0  SCEE=1.0 SCNB=1.5 special
c3-zz-c3-hc   1   0.16    0.0   3.0

IMPROPER
X -X -zz-hc  1.1  180.0  2.0

NONBON
  zz  1.9  0.11
"""


@pytest.mark.parametrize(
    ("flavour", "k", "r0", "counts"),
    [("gaff", 300.9, 1.5375, (83, 928, 5315)), ("gaff2", 228.89, 1.5354, (99, 1335, 9712))],
)
def test_the_tables_that_come_with_the_program(flavour, k, r0, counts) -> None:
    known = table(flavour)
    assert (len(known.masses), len(known.bonds), len(known.angles)) == counts
    bond = known.bond("c3", "c3")
    assert (bond.k / KCAL_MOL, bond.equilibrium) == pytest.approx((k, r0))
    assert len(known.impropers) == 38
    assert set(known.masses) - set(known.vdw) <= {"ow", "hw"}


def test_general_torsions_are_divided_by_their_paths() -> None:
    key, (wave,) = table("gaff").torsion("hc", "c3", "c3", "c1")
    assert key == (WILD, "c3", "c3", WILD)
    assert wave.k / KCAL_MOL == pytest.approx(1.4 / 9)
    assert (wave.n, wave.phase) == (3.0, 0.0)


def test_an_exact_torsion_with_several_terms_wins_in_both_directions() -> None:
    known = table("gaff")
    key, waves = known.torsion("oh", "c3", "c3", "oh")
    assert key == ("oh", "c3", "c3", "oh")
    assert [w.n for w in waves] == [3.0, 2.0]
    assert known.torsion(*reversed(("c", "n", "c3", "c3"))) == known.torsion("c", "n", "c3", "c3")
    assert len(known.torsion("c", "n", "c3", "c3")[1]) == 4


def test_an_frcmod_is_read_and_wins(tmp_path: Path) -> None:
    path = tmp_path / "a.frcmod"
    path.write_text(FRCMOD)
    extra = read_frcmod(path)
    assert extra.bond("c3", "zz").equilibrium == 1.51
    waves = extra.torsion("hc", "c3", "zz", "c3")[1]
    assert [(w.n, w.scee, w.scnb) for w in waves] == [(2.0, 1.0, 1.5), (3.0, 1.2, 2.0)]
    assert np.degrees(waves[0].phase) == pytest.approx(180.0)
    assert extra.impropers[WILD, WILD, "zz", "hc"].k / KCAL_MOL == pytest.approx(1.1)
    merged = table("gaff").merged(extra)
    assert merged.bond("zz", "c3").equilibrium == 1.51
    assert merged.bond("c3", "c3") == table("gaff").bond("c3", "c3")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("300.0  1.50", "abc  1.50", "BOND"),
        ("c3-zz  300.0", "c3 zz  300.0", "BOND"),
        ("300.0  1.50", "300.0  15.0", "15.0 Å"),
        ("60.0  110.0", "60.0  400.0", "400"),
        ("60.0  110.0", "nan  110.0", "ANGL"),
        ("9   1.40", "0   1.40", "divided by 0"),
        ("0.0   3.0   general", "0.0   0.0", "periodicity 0"),
        ("0.0   3.0   general", "0.0   2.5", "periodicity 2.5"),
        ("zz  1.9  0.11", "zz  1.9", "NONB"),
        ("MASS", "MESS", "MESS"),
    ],
)
def test_a_broken_line_is_named(old: str, new: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "broken.frcmod"
    path.write_text(FRCMOD.replace(old, new, 1))
    with pytest.raises(ReaderError) as error:
        read_frcmod(path)
    assert words in str(error.value)
    assert "broken.frcmod" in str(error.value)
    assert "line" in str(error.value)


def test_a_file_that_is_no_frcmod(tmp_path: Path) -> None:
    path = tmp_path / "a.frcmod"
    path.write_text("just words\n")
    with pytest.raises(ReaderError, match="sections"):
        read_frcmod(path)


def test_there_is_no_third_table() -> None:
    with pytest.raises(ValueError, match="opls"):
        table("opls")
