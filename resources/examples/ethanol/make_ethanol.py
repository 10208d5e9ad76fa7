"""Make the ethanol example from nothing: sample, label, scan, pack.

    python make_ethanol.py --work DIR [--out DIR] [--frames 1000] [--hot 500] [--processes 2]

1. sample   500 K Langevin dynamics on GFN2-xTB (tblite, through ASE), twelve replicas
            started from the anti and both gauche conformers; four more at 700 K. The hot frames
            are there because GFN2-xTB's bonds are shorter and stiffer than PBE's: without them a
            model would have to extrapolate at geometries that PBE dynamics reaches at 500 K.
2. label    energy and forces of every frame at PBE/def2-SVP (pyscf, density fitting ON for all).
3. atoms    isolated C, H and O at the same level (unrestricted).
4. surface  24 x 24 grid over C-C-O-H and H-C-C-O: relaxed with GFN2-xTB with both dihedrals
            held, single points at PBE/def2-SVP. Only symmetry-unique points are computed.
5. pack     ethanol.extxyz, surface.extxyz, isolated_atoms.extxyz, certificate.json.

Every finished label is written to DIR at once, so the script can be stopped and run again.
Needs: ase, tblite, pyscf (`pip install pescape[references]`). About 50 minutes on two cores.

Units in the files: Angstrom, eV, eV/Angstrom, degrees.
"""

from __future__ import annotations

import os

# One thread per quantum engine: the processes are the parallelism. Before numpy is imported.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import datetime
import hashlib
import importlib.metadata
import json
import multiprocessing
import platform
from pathlib import Path

import numpy as np
from ase import Atoms, units
from ase.constraints import FixCom, FixInternals
from ase.io import write
from ase.md.langevin import Langevin
from ase.md.velocitydistribution import MaxwellBoltzmannDistribution
from ase.optimize import BFGS

HARTREE_EV = 27.211386245988  # CODATA 2018
BOHR_ANGSTROM = 0.529177210903  # CODATA 2018
NUMBERS = [6, 6, 8, 1, 1, 1, 1, 1, 1]  # C C O, methyl H x3, methylene H x2, hydroxyl H
PHI = (0, 1, 2, 8)  # C-C-O-H, counted from 0
PSI = (3, 0, 1, 2)  # H-C-C-O, counted from 0
METHYL = (3, 4, 5)
#: The files are written in the atom order of the MD17 and rMD17 ethanol sets, so that a model of
#: one can be tested on the other: C(H2) C(H3) O, methylene H x2, methyl H x3, hydroxyl H. The two
#: methylene hydrogens stand in the order that gives the labelled hydrogens the same relative
#: handedness as there; no motion at 500 K turns one handedness into the other.
FILE_ORDER = [1, 0, 2, 7, 6, 3, 4, 5, 8]
GRID = np.arange(-180, 180, 15)  # degrees, one period
START = np.array(
    [
        [-0.8544, 0.2235, 0.2418],
        [0.3871, -0.3585, -0.4015],
        [1.5316, 0.3843, -0.0073],
        [-1.7476, -0.3278, -0.0651],
        [-0.9749, 1.2758, -0.0359],
        [-0.7771, 0.1892, 1.3335],
        [0.5283, -1.4032, -0.1080],
        [0.3103, -0.3138, -1.4917],
        [1.5966, 0.3305, 0.9614],
    ]
)  # a rough hand-drawn ethanol, Angstrom; relaxed before use
DYNAMICS = {
    "dt_fs": 0.5,
    "friction_per_fs": 0.01,
    "equilibration_fs": 2000,
    "sample_every_fs": 100,
}
#: name -> temperature (K), replicas, frames sampled by each
SETS = {"frames": (500, 12, 100), "hot": (700, 4, 125)}


def ethanol(phi: float, psi: float) -> Atoms:
    """Ethanol with both dihedrals set (degrees), GFN2-xTB attached."""
    from tblite.ase import TBLite

    atoms = Atoms(numbers=NUMBERS, positions=START)
    atoms.set_dihedral(*PHI, phi, indices=[8])
    atoms.set_dihedral(*PSI[::-1], psi, indices=list(METHYL))
    atoms.calc = TBLite(method="GFN2-xTB", verbosity=0)
    return atoms


def relax_held(phi: float, psi: float) -> tuple[np.ndarray, float]:
    """Relax everything but the two dihedrals -> positions (9,3) A, GFN2 energy eV."""
    atoms = ethanol(phi, psi)
    atoms.set_constraint(
        FixInternals(
            dihedrals_deg=[[atoms.get_dihedral(*d), list(d)] for d in (PHI, PSI)], epsilon=1e-9
        )
    )
    if not BFGS(atoms, logfile=None).run(fmax=0.005, steps=500):
        raise RuntimeError(f"relaxation at phi {phi}, psi {psi} did not converge in 500 steps")
    return atoms.get_positions(), float(atoms.get_potential_energy())


def sample_replica(task: tuple[int, int, int]) -> np.ndarray:
    """One Langevin replica: (number, temperature K, frames) -> (frames, 9, 3) Angstrom."""
    replica, temperature, count = task
    seed = 1000 + replica if temperature == SETS["frames"][0] else 10 * temperature + replica
    rng = np.random.default_rng(seed)
    atoms = ethanol(phi=(180.0, 60.0, -60.0)[replica % 3], psi=60.0)
    BFGS(atoms, logfile=None).run(fmax=0.01, steps=200)
    atoms.set_constraint(FixCom())
    MaxwellBoltzmannDistribution(atoms, temperature_K=temperature, rng=rng)
    run = Langevin(
        atoms,
        DYNAMICS["dt_fs"] * units.fs,
        temperature_K=temperature,
        friction=DYNAMICS["friction_per_fs"] / units.fs,
        fixcm=False,  # FixCom above samples the right distribution for a small molecule
        rng=rng,
    )
    run.run(round(DYNAMICS["equilibration_fs"] / DYNAMICS["dt_fs"]))
    frames = []
    for _ in range(count):
        run.run(round(DYNAMICS["sample_every_fs"] / DYNAMICS["dt_fs"]))
        frames.append(atoms.get_positions())
    return np.array(frames)


def pbe(numbers: list[int], positions: np.ndarray, *, spin: int = 0) -> tuple[float, np.ndarray]:
    """PBE/def2-SVP -> energy eV, forces (N,3) eV/A."""
    from pyscf import dft, gto, lib

    lib.num_threads(1)
    mol = gto.M(
        atom=[(int(z), r) for z, r in zip(numbers, positions, strict=True)],
        basis="def2-svp",
        spin=spin,
        verbose=0,
    )
    field = (dft.RKS if spin == 0 else dft.UKS)(mol, xc="pbe").density_fit()
    field.grids.level = 3
    field.conv_tol = 1e-9
    energy = field.kernel()
    if not field.converged:
        raise RuntimeError("the SCF did not converge")
    gradient = field.nuc_grad_method().kernel()
    return energy * HARTREE_EV, -gradient * HARTREE_EV / BOHR_ANGSTROM


def label(task: tuple[str, int, np.ndarray]) -> tuple[str, int, float, np.ndarray]:
    """One labelling task: (folder, index, positions) -> the same with energy and forces."""
    folder, index, positions = task
    energy, forces = pbe(NUMBERS, positions)
    return folder, index, energy, forces


def sample(pool, work: Path, name: str) -> np.ndarray:
    """All frames of one set, shuffled -> (M,9,3) Angstrom; kept on disk."""
    store = work / f"{name}_sampled.npy"
    if not store.exists():
        temperature, replicas, each = SETS[name]
        tasks = [(k, temperature, each) for k in range(replicas)]
        frames = np.concatenate(pool.map(sample_replica, tasks, chunksize=1))
        order = np.random.default_rng(7).permutation(len(frames))
        np.save(store, frames[order], allow_pickle=False)
    return np.load(store, allow_pickle=False)


def label_all(pool, work: Path, name: str, frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Label frames (M,9,3), keeping each result on disk as soon as it is there."""
    store = work / f"{name}.jsonl"
    done: dict[int, tuple[float, list]] = {}
    if store.exists():
        for line in store.read_text().splitlines():
            row = json.loads(line)
            done[row["index"]] = (row["energy"], row["forces"])
    todo = [(name, i, r) for i, r in enumerate(frames) if i not in done]
    with store.open("a") as file:
        for _, index, energy, forces in pool.imap_unordered(label, todo):
            done[index] = (energy, forces.tolist())
            row = {"index": index, "energy": energy, "forces": forces.tolist()}
            file.write(json.dumps(row) + "\n")
            file.flush()
            if len(done) % 50 == 0:
                print(f"{name}: {len(done)} of {len(frames)} labelled", flush=True)
    order = range(len(frames))
    return np.array([done[i][0] for i in order]), np.array([done[i][1] for i in order])


def unique_points() -> list[tuple[int, int]]:
    """(phi, psi) in degrees that are not copies of each other.

    The mirror image maps (phi, psi) to (-phi, -psi), exactly. Turning the methyl group by a
    third maps psi to psi + 120 and relabels its hydrogens; see `expand` for what that costs.
    """
    points = []
    for psi in (0, 15, 30, 45, 60):
        for phi in GRID:
            if psi in (0, 60) and -180 < phi < 0:
                continue
            points.append((int(phi), psi))
    return points


def wrap(angle: float) -> int:
    return int((round(angle) + 180) % 360 - 180)


def expand(points, positions, energies, forces):
    """Copy the unique points to the whole grid by mirror image and methyl rotation."""
    grid: dict[tuple[int, int], tuple[np.ndarray, float, np.ndarray, str]] = {}
    for turn in range(3):
        order = list(range(9))
        for k in range(3):  # H k takes the place of H k+turn
            order[METHYL[k]] = METHYL[(k + turn) % 3]
        for (phi, psi), r, e, f in zip(points, positions, energies, forces, strict=True):
            here = Atoms(numbers=NUMBERS, positions=r[order])
            measured = here.get_dihedral(*PSI)
            target = min((psi + 120 * s for s in range(3)), key=lambda a: abs(wrap(a - measured)))
            for sign, kind in ((1, ""), (-1, " mirror")):
                key = (wrap(sign * phi), wrap(sign * target))
                copy = np.array([1.0, 1.0, sign])
                how = f"methyl {turn}{kind}" if turn or kind else "computed"
                if key not in grid or how == "computed":
                    grid[key] = (r[order] * copy, e, f[order] * copy, how)
    return grid


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def certificate(*, frames: dict[str, int], checks: dict) -> dict:
    """What made these numbers, with which versions and keywords."""
    return {
        "title": "Ethanol example of PEScape",
        "made_by": "resources/examples/ethanol/make_ethanol.py",
        "date": datetime.date.today().isoformat(),
        "python": platform.python_version(),
        "programs": {p: importlib.metadata.version(p) for p in ("pyscf", "tblite", "ase", "numpy")},
        "level": "PBE/def2-SVP",
        "keywords": {
            "xc": "pbe",
            "basis": "def2-svp",
            "density_fitting": "on for every point (pyscf's default auxiliary basis)",
            "grid_level": 3,
            "conv_tol_hartree": 1e-9,
            "reference": "RKS; UKS for isolated atoms",
            "grid_response": False,
        },
        "sampling": {
            "method": "GFN2-xTB (tblite), ASE Langevin",
            **DYNAMICS,
            "frames": frames,
            "replicas": {f"{kelvin} K": n for kelvin, n, _ in SETS.values()},
        },
        "surface": {
            "axes": {"phi": "C-C-O-H atoms 2-1-3-9", "psi": "H-C-C-O atoms 6-2-1-3"},
            "relaxation": "GFN2-xTB, ASE FixInternals + BFGS, fmax 0.005 eV/A, both held",
            "symmetry": "98 points computed; the rest are copies by mirror image (exact) and by "
            "turning the methyl group with its hydrogens relabelled (the measured psi of such a "
            "copy differs slightly from the grid value; see checks)",
        },
        "checks": checks,
        "units": {"length": "Angstrom", "energy": "eV", "forces": "eV/Angstrom", "angle": "degree"},
        "constants": {"hartree_eV": HARTREE_EV, "bohr_angstrom": BOHR_ANGSTROM},
        "licence": "CC0-1.0",
    }


def frame(r, e, f, **info) -> Atoms:
    from ase.calculators.singlepoint import SinglePointCalculator

    atoms = Atoms(
        numbers=np.array(NUMBERS)[FILE_ORDER], positions=np.round(np.asarray(r)[FILE_ORDER], 8)
    )
    atoms.calc = SinglePointCalculator(
        atoms, energy=round(float(e), 8), forces=np.round(np.asarray(f)[FILE_ORDER], 7)
    )
    atoms.info.update(info)
    return atoms


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, required=True, help="where unfinished work is kept")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent)
    parser.add_argument("--frames", type=int, default=1000, help="at 500 K, 1200 at most")
    parser.add_argument("--hot", type=int, default=500, help="at 700 K, 500 at most")
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    options.out.mkdir(parents=True, exist_ok=True)
    with multiprocessing.get_context("spawn").Pool(options.processes) as pool:
        wanted = {"frames": options.frames, "hot": options.hot}
        sampled = {name: sample(pool, options.work, name)[:n] for name, n in wanted.items()}
        print({name: len(r) for name, r in sampled.items()}, "sampled", flush=True)

        points = unique_points()
        relaxed = options.work / "relaxed.npz"
        if not relaxed.exists():
            rows = pool.starmap(relax_held, points, chunksize=1)
            # the same surface a third of a turn on: how far is the methyl symmetry from exact?
            turned = pool.starmap(relax_held, [(p, s + 120) for p, s in points], chunksize=1)
            np.savez(
                relaxed,
                positions=np.array([r for r, _ in rows]),
                xtb=np.array([e for _, e in rows]),
                xtb_turned=np.array([e for _, e in turned]),
            )
        with np.load(relaxed, allow_pickle=False) as data:
            positions = data["positions"]
            deviation = np.abs(data["xtb"] - data["xtb_turned"])
        print(f"methyl symmetry: max {deviation.max() * 1000:.3f} meV on GFN2-xTB", flush=True)

        e_surface, f_surface = label_all(pool, options.work, "surface", positions)
        labels = {name: label_all(pool, options.work, name, r) for name, r in sampled.items()}

    atoms_energy = {z: pbe([z], np.zeros((1, 3)), spin=s)[0] for z, s in ((1, 1), (6, 2), (8, 2))}
    grid = expand(points, positions, e_surface, f_surface)
    if len(grid) != len(GRID) ** 2:
        raise RuntimeError(f"{len(grid)} grid points after symmetry, expected {len(GRID) ** 2}")
    offset = [
        abs((Atoms(numbers=NUMBERS, positions=r).get_dihedral(*PSI) - psi + 180) % 360 - 180)
        for (_, psi), (r, *_rest) in grid.items()
    ]
    checks = {
        "methyl_symmetry_max_deviation_meV_gfn2": float(deviation.max() * 1000),
        "surface_psi_max_offset_degree": float(max(offset)),
        "net_force_max_eV_per_A": float(
            max(np.abs(f.sum(1)).max() for _, f in labels.values() if len(f))
        ),
    }
    counts = {f"{SETS[name][0]} K": len(r) for name, r in sampled.items()}
    note = certificate(frames=counts, checks=checks)
    level = note["level"]
    travels = {"certificate": note}
    rows = [
        (r, e, f, SETS[name][0])
        for name in sampled
        for r, e, f in zip(sampled[name], *labels[name], strict=True)
    ]
    order = np.random.default_rng(11).permutation(len(rows))  # any part of the file is a fair part
    write(
        options.out / "ethanol.extxyz",
        [
            frame(
                *rows[i][:3], level=level, temperature_K=rows[i][3], **(travels if k == 0 else {})
            )
            for k, i in enumerate(order)
        ],
    )
    write(
        options.out / "surface.extxyz",
        [
            frame(
                *grid[int(phi), int(psi)][:3],
                level=level,
                phi=int(phi),
                psi=int(psi),
                origin=grid[int(phi), int(psi)][3],
                **(travels if (phi, psi) == (-180, -180) else {}),
            )
            for phi in GRID
            for psi in GRID
        ],
    )
    isolated = []
    for z, energy in atoms_energy.items():
        atom = Atoms(numbers=[z], positions=[[0.0, 0.0, 0.0]])
        atom.info.update(config_type="isolated_atom", energy=energy, level=level, certificate=note)
        isolated.append(atom)
    write(options.out / "isolated_atoms.extxyz", isolated)
    names = ("ethanol.extxyz", "surface.extxyz", "isolated_atoms.extxyz")
    note["files_sha256"] = {n: sha256(options.out / n) for n in names}
    note["isolated_atoms_eV"] = {str(z): e for z, e in atoms_energy.items()}
    (options.out / "certificate.json").write_text(json.dumps(note, indent=1) + "\n")
    print(json.dumps(checks))


if __name__ == "__main__":
    main()
