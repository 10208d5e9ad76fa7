"""`pescape export` as a person meets it."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app import cli
from core.dataset import Split
from core.engine.context import Context
from core.fieldref import FieldRef
from core.forcefields.base import ForceField
from core.forcefields.composite import Composite
from core.forcefields.gaff import GAFF
from core.forcefields.gaff_morse import GAFFMorse
from core.forcefields.gaff_nn import GAFFNN
from core.forcefields.load import hyper_from, make, save_model
from core.mm.constants import OPENMM_COULOMB
from core.mm.export.json import read_json
from core.mm.neural import Functions
from core.mm.prmtop import read_prmtop
from core.units import KCAL_MOL
from tests.core.mm.export.subjects import changed, kcal
from tests.molecules import ETHANOL, ethanol_frames, labelled
from tests.tolerances import MM_EXPORT


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A saved GAFF of ethanol."""
    path = tmp_path / "ethanol.npz"
    save_model(path, make(FieldRef("gaff"), ETHANOL))
    return path


def test_a_saved_model(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    figures, out = model.with_name("f.json"), model.with_name("e.json")
    arguments = ["export", str(model), "--to", "json", "--out", str(out), "--json", str(figures)]
    assert cli.main(arguments) == 0
    said = capsys.readouterr().out
    assert f"{out}: JSON of PEScape" in said
    found = json.loads(figures.read_text())
    assert found["files"] == [str(out)]
    energy = found["energy_kcal_per_mol"]
    assert sum(v for k, v in energy.items() if k != "total") == pytest.approx(energy["total"])
    wanted = make(FieldRef("gaff"), ETHANOL).predict(ETHANOL.positions[None]).energy[0]
    assert energy["total"] == pytest.approx(wanted / KCAL_MOL)
    assert np.array_equal(read_json(out).molecule.numbers, ETHANOL.numbers)


def test_a_molecule_and_all_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "e.prmtop"
    arguments = ["export", "CCO", "--field", "gaff2", "--to", "amber", "--out", str(out)]
    assert cli.main(arguments) == 0
    assert "AMBER topology" in capsys.readouterr().out
    assert sorted(p.suffix for p in tmp_path.iterdir()) == [
        ".frcmod",
        ".inpcrd",
        ".mol2",
        ".prmtop",
    ]
    assert "GAFF 2.2.20" in out.read_text()
    # a mol2 file is not overwritten with what is made from it
    mol2 = out.with_suffix(".mol2")
    before = mol2.read_bytes()
    arguments = ["export", str(mol2), "--to", "amber", "--out", str(out)]
    assert cli.main(arguments) == 2
    assert f"{mol2} is what is exported" in capsys.readouterr().err
    assert mol2.read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere.npz", "--to", "json", "--out", "a.json"], "no model nowhere.npz"),
        (["CCO", "--to", "gromacs", "--out", "a.top"], "there are: amber, json, openmm"),
        (["CCO", "--to", "openmm", "--out", "a.txt"], "must end in .xml"),
        (["CCO", "--to", "openmm", "--out", "a.xml", "--field", "uff"], "gaff, gaff2"),
        (["{model}", "--to", "json", "--out", "a.json", "--field", "gaff"], "has its own"),
    ],
)
def test_bad_input_is_one_line(
    arguments: list[str], words: str, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [str(model) if a == "{model}" else a for a in arguments]
    assert cli.main(["export", *given]) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("pescape")]
    assert len(lines) == 1
    assert words in lines[0]


def test_models_of_other_kinds_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "m.npz"
    save_model(path, make(FieldRef("mmff94"), ETHANOL))
    assert cli.main(["export", str(path), "--to", "json", "--out", str(tmp_path / "m.json")]) == 2
    assert "MMFF94 cannot be exported" in capsys.readouterr().err


def edited() -> GAFF:
    """GAFF with every torsion amplitude and bond length another, as after work in the editor."""
    field = make(FieldRef("gaff"), ETHANOL)
    assert isinstance(field, GAFF)
    top, rng = field.topology, np.random.default_rng(3)
    terms = {
        kind: changed(term, **{name: term.parameters[name] * rng.uniform(0.9, 1.1, len(term))})
        for kind, term, name in (("bond", top.bond, "r0"), ("torsion", top.torsion, "k"))
    }
    return GAFF(field.molecule, topology=dataclasses.replace(top, **terms))


def refitted(cls: type[ForceField]) -> ForceField:
    """Fitted to 20 frames of another force field."""
    frames, every = labelled(ethanol_frames(24), key="mmff94"), np.arange(24)
    hyper = hyper_from(cls, {**getattr(cls, "QUICK", {})})
    return cls.fit(frames, Split(every[:20], every[20:], every[:0]), hyper, Context())


MODELS: dict[str, Callable[[], ForceField]] = {
    "gaff": lambda: make(FieldRef("gaff"), ETHANOL),
    "edited": edited,
    "refitted": lambda: refitted(GAFF),
    "gaff-morse": lambda: refitted(GAFFMorse),
    "gaff-nn": lambda: refitted(GAFFNN),
}


@pytest.fixture(scope="module", params=list(MODELS))
def any_model(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, ForceField, Path]:
    """Name, force field and its saved model."""
    field = MODELS[request.param]()
    path = tmp_path_factory.mktemp("models") / "m.npz"
    save_model(path, field)
    return request.param, field, path


def exported(path: Path, to: str, out: Path) -> dict[str, Any]:
    figures = out.with_suffix(".figures")
    given = ["export", str(path), "--to", to, "--out", str(out), "--json", str(figures)]
    assert cli.main(given) == 0
    found: dict[str, Any] = json.loads(figures.read_text())
    return found


@pytest.fixture
def by_openmm() -> Callable[[Any, np.ndarray], float]:
    """(system, x (N,3) Å) -> kcal/mol on the Reference platform, which is in double."""
    openmm = pytest.importorskip("openmm", reason="OpenMM is not installed (pip install openmm)")

    def energy(system: Any, x: np.ndarray) -> float:
        platform = openmm.Platform.getPlatformByName("Reference")
        context = openmm.Context(system, openmm.VerletIntegrator(0.001), platform)
        context.setPositions(x / 10.0)
        value = context.getState(getEnergy=True).getPotentialEnergy()
        return float(value.value_in_unit(openmm.unit.kilocalories_per_mole))

    return energy


def test_openmm_reads_every_kind_of_model(any_model, by_openmm, tmp_path: Path) -> None:
    """System and ForceField, at the model's geometry and at another."""
    from openmm import XmlSerializer, app

    _, field, path = any_model
    found = exported(path, "openmm", tmp_path / "m.xml")
    assert [Path(f).name for f in found["files"]] == ["m.xml", "m.ff.xml", "m.pdb"]
    system = XmlSerializer.deserialize((tmp_path / "m.xml").read_text())
    built = app.ForceField(found["files"][1]).createSystem(
        app.PDBFile(found["files"][2]).topology, nonbondedMethod=app.NoCutoff, constraints=None,
        rigidWater=False, removeCMMotion=False,
    )  # fmt: skip
    rows = found["energy_kcal_per_mol"]
    assert sum(v for k, v in rows.items() if k != "total") == pytest.approx(rows["total"])
    for x in (field.molecule.positions, ethanol_frames(1, shake=0.1)[0]):
        ours = field.predict(x[None]).energy[0] / KCAL_MOL
        assert abs(by_openmm(system, x) - ours) < MM_EXPORT
        assert abs(by_openmm(built, x) - ours) < MM_EXPORT
    assert abs(rows["total"] - by_openmm(system, field.molecule.positions)) < MM_EXPORT


def test_amber_files_are_read_by_openmm_and_by_us(any_model, by_openmm, tmp_path: Path) -> None:
    from openmm import app

    name, field, path = any_model
    out = tmp_path / "m.prmtop"
    if name in ("gaff-morse", "gaff-nn"):
        assert cli.main(["export", str(path), "--to", "amber", "--out", str(out)]) == 2
        assert not list(tmp_path.iterdir())
        return
    found = exported(path, "amber", out)
    x = ethanol_frames(1, shake=0.1)[0]
    ours = field.predict(x[None]).energy[0] / KCAL_MOL
    assert abs(kcal(read_prmtop(out)[1], x)["total"] - ours) < MM_EXPORT
    system = app.AmberPrmtopFile(str(out)).createSystem(
        nonbondedMethod=app.NoCutoff, removeCMMotion=False
    )
    # that reader takes the charges as they are and its own Coulomb constant
    theirs = dataclasses.replace(field.topology, coulomb=OPENMM_COULOMB)
    assert abs(by_openmm(system, x) - kcal(theirs, x)["total"]) < MM_EXPORT
    # edited values differ between terms of one type, which an frcmod file cannot say
    assert (len(found["files"]) == 4) == (name != "edited")
    assert any("no frcmod file" in note for note in found["notes"]) == (name == "edited")
    if name != "edited":
        back = {"mol2": found["files"][2], "parameters": found["files"][3]}
        again = make(FieldRef("gaff", hyper=back), ETHANOL).predict(x[None]).energy[0]
        assert abs(again / KCAL_MOL - ours) < MM_EXPORT


def test_our_json_gives_every_kind_of_model_again(any_model, tmp_path: Path) -> None:
    name, field, path = any_model
    exported(path, "json", tmp_path / "m.json")
    record = read_json(tmp_path / "m.json")
    again: ForceField
    if name == "gaff-nn":
        assert record.bonded is not None
        which = Functions(record.bonded.atoms, record.bonded.which, field.functions.kinds)
        again = GAFFNN(
            record.molecule, topology=record.topology, functions=which,
            networks=record.bonded.networks, offset=record.bonded.offset,
        )  # fmt: skip
    elif name == "gaff-morse":
        again = GAFFMorse(record.molecule, topology=record.topology, depth=record.depth)
    else:
        again = GAFF(record.molecule, topology=record.topology)
    x = ethanol_frames(3, shake=0.1)
    away = again.predict(x).energy - field.predict(x).energy
    assert np.abs(away).max() / KCAL_MOL < MM_EXPORT


@pytest.mark.parametrize(("to", "name"), [("openmm", "m.xml"), ("amber", "m.prmtop"),
                                          ("json", "m.json")])  # fmt: skip
def test_a_composite_is_refused_in_words(
    to: str, name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gaff = make(FieldRef("gaff"), ETHANOL)
    path, out = tmp_path / "c.npz", tmp_path / name
    save_model(path, Composite(ETHANOL, base=gaff, correction=gaff, atoms=np.arange(9)))
    assert cli.main(["export", str(path), "--to", to, "--out", str(out)]) == 2
    said = capsys.readouterr().err
    assert "its correction is no sum of terms" in said
    assert "load_calculator" in said
    assert not out.exists()
