"""Frame time of the molecule view: superpose, render, paint and write, at an ordinary dock size."""

from __future__ import annotations

import os
import time

import numpy as np

SIZES = ((400, 400), (800, 700), (1600, 1200))
FRAMES = 60


def molecules() -> dict:
    """Ethanol, aspirin, and ten aspirins as one: name -> Molecule."""
    from rdkit import Chem
    from rdkit.Chem import AllChem

    from core.molecule import Molecule

    made = {}
    for name, smiles in (("ethanol", "CCO"), ("aspirin", "CC(=O)Oc1ccccc1C(=O)O")):
        mol = Chem.AddHs(Chem.MolFromSmiles(smiles))
        AllChem.EmbedMolecule(mol, randomSeed=1)
        Chem.Kekulize(mol)
        bonds = [(b.GetBeginAtomIdx(), b.GetEndAtomIdx()) for b in mol.GetBonds()]
        orders = [b.GetBondTypeAsDouble() for b in mol.GetBonds()]
        numbers = [a.GetAtomicNum() for a in mol.GetAtoms()]
        made[name] = Molecule(
            name, numbers, mol.GetConformer().GetPositions(), bonds=bonds, orders=orders
        )
    one = made["aspirin"]
    n = len(one.numbers)
    made["10 aspirins"] = Molecule(
        "10 aspirins",
        np.tile(one.numbers, 10),
        np.concatenate(
            [one.positions + np.array([9.0 * (k % 5), 9.0 * (k // 5), 0]) for k in range(10)]
        ),
        bonds=np.concatenate([one.bonds + n * k for k in range(10)]),
        orders=np.tile(one.orders, 10),
    )
    return made


def frame_times(molecule, size: tuple[int, int]) -> tuple[float, float, float]:
    """First picture, then median and worst of one frame with labels and a dihedral, in ms."""
    from PySide6.QtWidgets import QApplication

    from widgets.molecule.view import MoleculeView

    view = MoleculeView()
    view.resize(*size)
    view.show()
    start = time.perf_counter()
    view.set_molecule(molecule)
    view.grab()
    first = time.perf_counter() - start
    view.set_labels(True)
    view.set_picks((0, 1, 2, 3))
    rng = np.random.default_rng(0)
    spent = []
    for _ in range(FRAMES):
        shaken = molecule.positions + rng.normal(scale=0.02, size=molecule.positions.shape)
        start = time.perf_counter()
        view.set_positions(shaken)
        view.camera.rotate(0.02, 0.01)
        view.repaint()
        QApplication.processEvents()
        spent.append(time.perf_counter() - start)
    view.release()
    view.close()
    return 1e3 * first, 1e3 * float(np.median(spent)), 1e3 * max(spent)


def main() -> None:
    """Print the table."""
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    from PySide6.QtWidgets import QApplication

    app = QApplication.instance() or QApplication([])
    from widgets.molecule.scene import Scene

    scene = Scene()
    print(f"OpenGL: {scene.renderer_name()}; screen pixels per point {app.devicePixelRatio():g}")
    scene.close()
    print(f"{'molecule':12} {'size':>11} {'first/ms':>9} {'frame/ms':>9} {'worst/ms':>9}")
    for name, molecule in molecules().items():
        for size in SIZES:
            first, median, worst = frame_times(molecule, size)
            print(f"{name:12} {size[0]:>5}x{size[1]:<5} {first:9.1f} {median:9.1f} {worst:9.1f}")


if __name__ == "__main__":
    main()
