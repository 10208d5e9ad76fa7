"""What the export tests share: the oracle's fields, edited fields, energies by our own terms."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import torch

from core.mm import energy as mm
from core.mm.export.subject import Subject, make_subject
from core.mm.prmtop import read_prmtop
from core.mm.topology import Term, Topology
from core.molecule import Molecule
from core.units import KCAL_MOL


def oracle(folder: Path) -> dict[str, tuple[Subject, np.ndarray]]:
    """key -> (molecule with the terms of its prmtop, positions (N,3) Å), 20 of them."""
    found = {}
    for key in json.loads((folder / "energies_forces.json").read_text()):
        name, flavour, geometry = key.split("/")
        atoms, topology = read_prmtop(folder / f"{name}_{flavour}.prmtop")
        x = np.loadtxt(folder / f"{name}_{geometry}.xyz", skiprows=2, usecols=(1, 2, 3))
        bonds = atoms.bonds
        molecule = Molecule(name, atoms.numbers, x, bonds=bonds, orders=np.zeros(len(bonds)))
        found[key] = make_subject(molecule, topology), x
    assert len(found) == 20
    return found


def kcal(topology: Topology, x: np.ndarray) -> dict[str, float]:
    """Kind of term -> energy, with their sum as "total"."""
    rows = mm.terms(mm.tensors(topology), torch.tensor(np.asarray(x))[None])
    found = {kind: float(e[0]) / KCAL_MOL for kind, e in rows.items()}
    return {**found, "total": sum(found.values())}


def changed(term: Term, **columns: np.ndarray) -> Term:
    """The term with other values."""
    return dataclasses.replace(term, parameters={**term.parameters, **columns})


def edited(subject: Subject, *, seed: int = 3) -> Subject:
    """Every single value another, as after a refit without ties; all kinds stay as they are."""
    rng, top = np.random.default_rng(seed), subject.topology

    def near(column: np.ndarray) -> np.ndarray:
        return column * rng.uniform(0.9, 1.1, len(column))

    terms = {
        kind: changed(term, **{n: near(c) for n, c in term.parameters.items() if n != "n"})
        for kind, term in top.terms().items()
    }
    arrays = {n: near(getattr(top, n)) for n in ("charges", "rmin_half", "epsilon")}
    return make_subject(subject.molecule, dataclasses.replace(top, **terms, **arrays))
