"""What a person can choose for sGDML."""

from __future__ import annotations

from dataclasses import dataclass

from core.forcefields.base import hyper


@dataclass(frozen=True)
class SGDMLHyper:
    """What a person can choose for sGDML."""

    sigma: float = hyper(
        0.0,
        label="Kernel width σ",
        unit="1/Å",
        help="How far one training geometry reaches; 0 = chosen on the validation frames.",
        low=0.0,
        high=1000.0,
        automatic="chosen on the validation frames",
    )
    lam: float = hyper(
        1e-10,
        label="Regularisation λ",
        help="Added to the kernel matrix's diagonal; more of it smooths noisy forces.",
        low=0.0,
        high=1.0,
    )
    symmetries: bool = hyper(
        True,
        label="Use symmetries",
        help="Find the permutations of like atoms in the data and make the energy obey them; "
        "off = GDML.",
    )
    search_frames: int = hyper(
        200,
        label="Frames for choosing σ",
        help="At most so many training frames are used while σ is chosen; the last fit uses all.",
        low=10,
        high=100_000,
        advanced=True,
    )
    search_lam: bool = hyper(
        False,
        label="Choose λ too",
        help="After σ, try larger and smaller λ in steps of 100 on the validation frames.",
        advanced=True,
    )
    choose: str = hyper(
        "forces",
        label="Choose by error of",
        help="Which validation error decides on σ and λ. Models with like force errors can differ "
        "much in energy; both = the sum, each over the spread of its labels.",
        choices=("forces", "energies", "both"),
        advanced=True,
    )
    energies: bool = hyper(
        False,
        label="Fit energies too",
        help="Off: forces only, energies follow from them up to a constant.",
    )
    energy_weight: float = hyper(
        1.0,
        label="Weight of energies",
        unit="1/Å",
        help="An energy error of 1 eV counts as much as a force error of so many eV/Å.",
        low=1e-3,
        high=1e3,
        advanced=True,
    )
    terms: str = hyper(
        "",
        label="Angles and dihedrals",
        help="Added to the inverse distances: atoms as in 1-2-3, 4-1-2-3; auto = one dihedral for "
        "each bond that can turn; empty = none.",
        advanced=True,
    )
    skip_permutations: str = hyper(
        "",
        label="Permutations switched off",
        help="Cycles of atoms as in (7 8), or numbers in the list of permutations, with commas.",
        advanced=True,
    )
    solver: str = hyper(
        "auto",
        label="Solver",
        help="closed: exact, memory grows with the square of the frames; iterative: conjugate "
        "gradients, little memory; auto: closed where it fits and is not much slower.",
        choices=("auto", "closed", "iterative"),
        advanced=True,
    )
    memory: float = hyper(
        0.0,
        label="Memory for the fit",
        unit="GiB",
        help="What the solver may take; 0 = what is free.",
        low=0.0,
        high=100_000.0,
        advanced=True,
        automatic="what is free",
    )
    tolerance: float = hyper(
        1e-4,
        label="Iterative until",
        help="Residual over right-hand side at which the iterative solver is done.",
        low=1e-12,
        high=0.1,
        advanced=True,
    )
    precision: str = hyper(
        "float64",
        label="Predictions in",
        help="float32 is faster on most GPUs; its differences are told after the fit, which "
        "itself is in float64.",
        choices=("float64", "float32"),
        advanced=True,
    )
