"""Runs in an environment that has the sgdml package (numpy < 2); nothing of PEScape is imported.

    python in_package.py train DATA.npz MODEL.npz SIGMA WITH_ENERGIES   # DATA: z, R, E, F
    python in_package.py predict MODEL.npz GEOMETRIES.npz OUT.npz       # GEOMETRIES: R; OUT: E, F

How the golden files here were made is in certificate.json.
"""

import sys

import numpy as np


def train(data, model, sigma, with_energies):
    """All frames of DATA but the last, the package's analytic solver, lambda 1e-10."""
    from sgdml.train import GDMLTrain

    z = np.load(data)
    n = len(z["R"])
    dataset = {
        "type": "d", "name": np.array("ethanol"), "theory": np.array("MMFF94"), "md5": "none",
        "r_unit": np.array("Ang"), "e_unit": np.array("kcal/mol"), **{k: z[k] for k in "zREF"},
    }  # fmt: skip
    trainer = GDMLTrain(max_processes=1)
    np.random.seed(0)  # noqa: NPY002 - the package draws its frames from it
    task = trainer.create_task(
        dataset, n - 1, dataset, 1, sig=int(sigma), lam=1e-10, use_E_cstr=with_energies == "1"
    )
    np.savez_compressed(model, **trainer.train(task))


def predict(model, geometries, out):
    """Energies and forces in the model's units."""
    from sgdml.predict import GDMLPredict

    r = np.load(geometries)["R"]
    with np.load(model, allow_pickle=True) as found:
        e, f = GDMLPredict(found, max_processes=1).predict(r.reshape(len(r), -1))
    np.savez(out, E=e, F=f.reshape(r.shape))


if __name__ == "__main__":
    (train if sys.argv[1] == "train" else predict)(*sys.argv[2:])
