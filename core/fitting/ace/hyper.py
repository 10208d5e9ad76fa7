"""What a person can choose for linear ACE."""

from __future__ import annotations

from dataclasses import dataclass

from core.forcefields.base import hyper


@dataclass(frozen=True)
class ACEHyper:
    """What a person can choose for linear ACE."""

    functions: int = hyper(
        0,
        label="Basis size",
        help="About so many functions; 0 = by the number of training frames. More of them are more "
        "accurate where the data decide them; memory grows with the square.",
        low=0,
        high=100_000,
        automatic="by the number of training frames",
    )
    degrees: str = hyper(
        "",
        label="Degrees",
        help="Largest degree of each correlation order, for instance 10 10 9 7; empty = by the "
        "basis size.",
        advanced=True,
    )
    hydrogen: float = hyper(
        3.0,
        label="Degrees less around H",
        help="Hydrogens see what their neighbours see; heavier atoms need the functions more.",
        low=0.0,
        high=10.0,
    )
    rare: float = hyper(
        2.0,
        label="Degrees less around rare elements",
        help="At most, above 12 atoms: 1 if the commonest heavy element has twice as many atoms.",
        low=0.0,
        high=10.0,
        advanced=True,
    )
    neighbours: float = hyper(
        1.0,
        label="Degrees more for rare neighbours",
        help="What a factor for hydrogen or a rare element adds to a product's degree, above 12 "
        "atoms and at most: 1 if the commonest heavy element has twice as many atoms.",
        low=0.0,
        high=10.0,
        advanced=True,
    )
    order: int = hyper(
        0,
        label="Correlation order",
        help="Neighbours that one function couples; 0 = 3 for more than three elements and for "
        "large bases of molecules above 12 atoms, else 4.",
        low=0,
        high=4,
        automatic="4 for small molecules of up to three elements, else 3",
    )
    cutoff: float = hyper(
        0.0,
        label="Cutoff",
        unit="Å",
        help="Neighbours further away do not act in many-body functions; 0 = 5 Å for up to 12 "
        "atoms, 4.7 Å for larger molecules, and 3.5 Å for these where the basis has fewer than "
        "5000 functions, too few to resolve the many atoms of a larger sphere.",
        low=0.0,
        high=20.0,
        automatic="5 Å for small molecules, else 4.7 Å, with a small basis 3.5 Å",
    )
    w_y: float = hyper(
        0.0,
        label="Weight of angular degree",
        help="Degree = n + weight x l: more of it gives finer radial and coarser angular detail; "
        "0 = 0.3, with a small basis 0.5.",
        low=0.0,
        high=8.0,
        advanced=True,
        automatic="0.3, with a small basis 0.5",
    )
    inner: float = hyper(
        0.6,
        label="Inner cutoff",
        help="Many-body functions end at this part of the shortest distance in the data; closer "
        "atoms feel only the pair functions.",
        low=0.0,
        high=0.99,
        advanced=True,
    )
    r0: float = hyper(
        0.0,
        label="Radial transform r0",
        help="In sums of covalent radii: small values resolve short distances more finely. 0 = 2 "
        "for up to 12 atoms, else 0.8.",
        low=0.0,
        high=10.0,
        automatic="2 for small molecules, else 0.8",
    )
    pair_functions: int = hyper(
        8,
        label="Pair functions",
        help="Per pair of elements; they repel inside the inner cutoff and reach furthest.",
        low=0,
        high=20,
    )
    pair_cutoff: float = hyper(
        7.0,
        label="Cutoff of pair functions",
        unit="Å",
        help="At least the other cutoff is used.",
        low=0.0,
        high=50.0,
    )
    one_body: str = hyper(
        "auto",
        label="One-body energy",
        help="Isolated atoms dissociate rightly; the average fits a little closer (for several "
        "molecules: least squares of their mean energies on their compositions); forces only uses "
        "no energies. auto = isolated atoms where the data give them.",
        choices=("auto", "isolated atoms", "average", "forces only"),
        advanced=True,
    )
    energy_weight: float = hyper(
        3.0,
        label="Weight of energies",
        unit="1/Å",
        help="Of an energy error in eV beside a force error in eV/Å.",
        low=0.0,
        high=1e6,
        advanced=True,
    )
    smoothness: float = hyper(
        2.0,
        label="Smoothness prior",
        help="Power p of the degree in the prior; more of it damps rough functions.",
        low=0.0,
        high=10.0,
        advanced=True,
    )
    lam: float = hyper(
        0.0,
        label="Regularisation λ",
        help="Weight of the prior (rrqr: the tolerance); 0 = chosen.",
        low=0.0,
        high=100.0,
        advanced=True,
        automatic="chosen by what the next setting says",
    )
    choose: str = hyper(
        "validation",
        label="Choose λ by",
        help="Error on the validation frames (a tenth of the training ones where there are none), "
        "or Bayesian evidence.",
        choices=("validation", "evidence"),
        advanced=True,
    )
    solver: str = hyper(
        "cholesky",
        label="Solver",
        help="cholesky: normal equations, fastest. rrqr: rank-revealing QR, keeps most digits. "
        "lsqr: iterative.",
        choices=("cholesky", "rrqr", "lsqr"),
        advanced=True,
    )
    iterations: int = hyper(
        1000,
        label="LSQR iterations",
        help="At most; only for lsqr.",
        low=1,
        high=1_000_000,
        advanced=True,
    )
    memory: float = hyper(
        8.0,
        label="Memory",
        unit="GiB",
        help="A fit that needs more is refused.",
        low=0.5,
        high=4096,
        advanced=True,
    )
