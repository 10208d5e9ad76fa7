"""What a person can choose for GAP."""

from __future__ import annotations

from dataclasses import dataclass

from core.forcefields.base import hyper


@dataclass(frozen=True)
class GAPHyper:
    """What a person can choose for GAP."""

    cutoffs: str = hyper(
        "5",
        label="SOAP cutoffs",
        unit="Å",
        help="How far an atom sees; several separated by commas give one SOAP each, summed.",
    )
    width: float = hyper(
        0.5,
        label="Atom width",
        unit="Å",
        help="Standard deviation of the Gaussian that stands for an atom in the density.",
        low=0.1,
        high=2.0,
        advanced=True,
    )
    scale: float = hyper(
        2.0,
        label="Near and far",
        unit="Å",
        help="Neighbours beyond this distance weigh less (by its fourth power); 0 = all the same.",
        low=0.0,
        high=20.0,
        advanced=True,
    )
    n_max: int = hyper(
        8, label="Radial functions", help="Radial functions for each element.", low=1, high=16
    )
    l_max: int = hyper(
        6, label="Highest angular momentum", help="Spherical harmonics up to this.", low=0, high=12
    )
    channels: int = hyper(
        10,
        label="Density channels",
        help="Combinations of elements and radial functions that are kept, those of most variance "
        "in the data; 0 = all. Fewer are faster.",
        low=0,
        high=200,
        advanced=True,
    )
    zeta: float = hyper(
        4.0,
        label="Exponent ζ",
        help="Power of the SOAP kernel: 2 and more make it many-body.",
        low=1.0,
        high=12.0,
        advanced=True,
    )
    sparse: int = hyper(
        2400,
        label="Sparse points",
        help="Atomic surroundings that carry the SOAP energy, shared by the elements; more are "
        "more accurate and slower. 0 = pair term only.",
        low=0,
        high=20_000,
    )
    choice: str = hyper(
        "farthest point",
        label="Choice of sparse points",
        help="Farthest point covers all surroundings evenly; CUR draws by statistical leverage.",
        choices=("farthest point", "CUR"),
        advanced=True,
    )
    pairs: bool = hyper(
        True,
        label="Pair term",
        help="A function of the distance for each pair of elements, too.",
        advanced=True,
    )
    core: bool = hyper(
        True,
        label="Core repulsion",
        help="Atoms closer than in any training frame repel each other (ZBL); the fit is the same.",
    )
    delta: float = hyper(
        1.0,
        label="SOAP energy scale δ",
        unit="eV",
        help="Energy that one atom's surroundings are expected to account for.",
        low=1e-3,
        high=100.0,
        advanced=True,
    )
    delta_pair: float = hyper(
        1.0,
        label="Pair energy scale δ",
        unit="eV",
        help="Energy that one pair of atoms is expected to account for.",
        low=1e-3,
        high=1000.0,
        advanced=True,
    )
    sigma_force: float = hyper(
        0.0,
        label="Force noise σ",
        unit="eV/Å",
        help="Error the fit may leave in a force; 0 = chosen on the validation frames.",
        low=0.0,
        high=10.0,
        automatic="chosen on the validation frames",
    )
    sigma_energy: float = hyper(
        0.0,
        label="Energy noise σ",
        unit="eV",
        help="Error the fit may leave in an energy; 0 = a third of the force noise (in Å).",
        low=0.0,
        high=10.0,
        automatic="a third of the force noise",
    )
    one_body: str = hyper(
        "auto",
        label="One-body energy",
        help="Isolated atoms dissociate rightly; the average needs none (for several molecules: "
        "least squares of their mean energies on their compositions). auto = isolated atoms where "
        "the data give them.",
        choices=("auto", "isolated atoms", "average"),
        advanced=True,
    )
