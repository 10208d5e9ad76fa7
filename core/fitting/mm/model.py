"""From the parameters of a topology to the coefficients of the basis functions of `mm_design`."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from core.fitting.mm import design
from core.fitting.mm.design import Block
from core.fitting.mm.flags import ANY, Bounds, Rules
from core.fitting.mm.options import LOG, PRIORS, Options, Parameter, RefitError
from core.fitting.mm.tie import atom_classes, rows_alike
from core.mm.energy import distances
from core.mm.topology import Term, Topology

if TYPE_CHECKING:
    from core.analyses.parameters import Flag
    from core.fitting.mm.fourier import Series

SYMBOLS = {"charges": "charge", "rmin_half": "Rmin/2"}
SHALLOW = 1.0  #: eV, the least depth of a Morse bond
MARGIN = 0.05  #: of the data's range of a bond length, by which a Chebyshev series reaches over
Coefficients = Callable[[torch.Tensor], torch.Tensor]
Entry = tuple[int, int, float]


@dataclass(frozen=True, eq=False)
class Group:
    """Blocks, and their coefficients one after the other (C,) from all values (P,).

    linear: where they are a matrix times the values, its entries (coefficient, parameter, factor).
    """

    blocks: tuple[Block, ...]
    coefficients: Coefficients
    start: torch.Tensor
    linear: tuple[Entry, ...] = ()


@dataclass(frozen=True, eq=False)
class _Well:
    """A tied bond or angle: rows (R,2..3), places of k and its centre, and both at the start."""

    atoms: torch.Tensor
    places: tuple[int, int]
    centre: float
    k: float


class Model:
    """The parameters chosen by `options` and `flags`, tied; see `values` and `coefficients`."""

    def __init__(
        self,
        topology: Topology,
        numbers: np.ndarray,
        positions: torch.Tensor,
        options: Options,
        depth: np.ndarray | None = None,
        flags: Sequence[Flag] = (),
    ) -> None:
        """numbers (N,); positions (M,N,3) Å; depth (T,) eV: bonds are Morse curves as deep."""
        from core.fitting.mm.fourier import add_fourier
        from core.fitting.mm.nonbonded import add_charges, add_lj

        self.start, self.options, self.depth = topology, options, depth
        self.numbers, self.positions = numbers, positions
        self.rules = Rules(topology, flags)
        self.parameters: list[Parameter] = []
        self.groups: list[Group] = []
        self.fourier: list[Series] = []
        self.tied: dict[str, list[tuple[np.ndarray, int]]] = {}
        self.charges_of: Coefficients | None = None
        self.charge_classes = np.zeros(0, dtype=np.int64)
        self.held = 0  # classes of terms that are frozen
        self.classes = atom_classes(numbers, topology)
        self.types = list(topology.types) if options.tie == "type" else [
            f"{t}#{c}" for t, c in zip(topology.types, self.classes, strict=True)
        ]  # fmt: skip
        if depth is not None or "bond" in options.kinds:
            self._bonds()
        if "angle" in options.kinds:
            self._angles()
        for kind in ("torsion", "improper"):
            if kind in options.kinds:
                add_fourier(self, kind)
        if "charges" in options.kinds:
            add_charges(self)
        if "lj" in options.kinds:
            add_lj(self)
        self._freeze()
        self._vectors()

    def _freeze(self) -> None:
        """Refuse a fit of nothing; hold what the options name."""
        freeze = self.options.freeze
        unknown = sorted(freeze - {p.label for p in self.parameters})
        if unknown:
            raise RefitError(f"there is no parameter {unknown[0]!r} to freeze")
        held = [p.prior == 0 or p.label in freeze for p in self.parameters]
        if all(held) and (held or self.held):
            raise RefitError(
                "every parameter that this refit could change is frozen: free at least one, or "
                "choose other terms"
            )
        if not held:
            raise RefitError(f"the molecule has no {', '.join(self.options.kinds)} to fit")
        self.parameters = [
            dataclasses.replace(p, prior=0.0) if h else p
            for p, h in zip(self.parameters, held, strict=True)
        ]

    def _vectors(self) -> None:
        p = self.parameters
        vector = self.positions.new_tensor
        self.log = torch.tensor([x.log for x in p])
        self.linear = torch.tensor([x.linear for x in p])
        self.v0 = vector([x.start for x in p])
        self.prior = vector([x.prior for x in p])
        self.fixed = self.prior == 0
        self.low, self.high = self._bound([x.low for x in p]), self._bound([x.high for x in p])
        self.c0 = torch.cat([g.start for g in self.groups])
        self.slopes = torch.zeros(len(self.c0), len(p), dtype=torch.float64)
        at = 0
        for group in self.groups:  # of the linear parameters: the same everywhere
            for row, place, factor in group.linear:
                self.slopes[at + row, place] += self.prior[place] * factor
            at += len(group.start)

    def _bound(self, values: list[float]) -> torch.Tensor:
        """Bounds of the values -> bounds of u; a start a rounding outside is on its bound."""
        v = self.v0.new_tensor(values)
        safe = self.prior.masked_fill(self.fixed, 1.0)
        ratio = (v / self.v0.masked_fill(~self.log, 1.0)).clamp(min=1e-30)
        return torch.where(self.log, ratio.log(), v - self.v0) / safe

    @property
    def blocks(self) -> list[Block]:
        return [b for g in self.groups for b in g.blocks]

    def values(self, u: torch.Tensor) -> torch.Tensor:
        """u (P,) in units of the priors -> values (P,)."""
        away = self.prior * u
        grown = self.v0 * torch.exp(torch.where(self.log, away, 0.0))
        return torch.where(self.log, grown, self.v0 + away)

    def coefficients(self, u: torch.Tensor) -> torch.Tensor:
        """u (P,) -> change of the coefficients (C,) against the start."""
        v = self.values(u)
        return torch.cat([g.coefficients(v) for g in self.groups]) - self.c0

    # -- making -----------------------------------------------------------------------------
    def add(
        self, label: str, name: str, start: float, *, low: float = -np.inf, high: float = np.inf,
        within: Bounds = ANY, linear: bool = False, frozen: bool = False,
    ) -> int:  # fmt: skip
        """A parameter; low and high are physical, `within` is what the person allows."""
        prior = self.options.priors.get(name, PRIORS[name])
        log = name in LOG
        if frozen or (log and start <= 0):  # nothing grows out of nothing
            prior = 0.0
        if log and start <= 0:
            log = False
        label = f"{label} {SYMBOLS.get(name, name.split('.')[-1])}"
        again = sum(p.label.rstrip("'") == label for p in self.parameters)
        label += "'" * again  # the same terms within other bounds
        low, high = max(low, within[0]), min(high, within[1])
        self.parameters.append(Parameter(label, name, start, prior, low, high, log, linear))
        return len(self.parameters) - 1

    def label(self, kind: str, names: tuple[str, ...], taken: set[str], own: str = "") -> str:
        """A name of its own for a class of terms."""
        plain = f"{kind} {'-'.join(names)}{own}"
        label, k = plain, 1
        while label in taken:
            k += 1
            label = f"{plain} ({k})"
        taken.add(label)
        return label

    def starts(self) -> torch.Tensor:
        """(P,) the values that the parameters so far start from."""
        return torch.tensor([p.start for p in self.parameters], dtype=torch.float64)

    def _bonds(self) -> None:
        term, taken = self.start.bond, set[str]()
        k, r0 = term.parameters["k"], term.parameters["r0"]
        found: list[_Well] = []
        deep: list[int] = []
        fitted = "bond" in self.options.kinds  # else only as deep as they are told to be
        for (names, *_), alike in rows_alike("bond", term, self.types, self.depth).items():
            for rows in self.rules.split("bond", alike):
                frozen = not fitted or self.rules.frozen("bond", rows[0])
                self.held += fitted and frozen
                if frozen and self.depth is None:
                    continue
                label = self.label("bond", names, taken, self.rules.words("bond", rows))
                k1, r1 = float(k[rows[0]]), float(r0[rows[0]])
                k_in, r_in = (self.rules.within("bond", rows, n) for n in ("k", "r0"))
                places = (
                    self.add(label, "bond.k", k1, low=0.05 * k1, high=20 * k1, within=k_in,
                             frozen=frozen),
                    self.add(label, "bond.r0", r1, low=0.7 * r1, high=1.4 * r1, within=r_in,
                             frozen=frozen),
                )  # fmt: skip
                self._tied("bond", term, rows, places)
                found.append(_Well(torch.tensor(term.atoms[rows]), places, r1, k1))
                if self.depth is not None:
                    d1 = float(self.depth[rows[0]])
                    deep.append(self.add(label, "bond.D", d1, low=min(SHALLOW, d1), high=30.0,
                                         frozen=frozen))  # fmt: skip
                    self.tied.setdefault("bond.D", []).append((np.array(rows), deep[-1]))
        if not found:
            return
        if self.depth is None:
            self._harmonic(found)
        else:
            self._morse(found, deep)

    def _angles(self) -> None:
        term, taken = self.start.angle, set[str]()
        k, theta0 = term.parameters["k"], term.parameters["theta0"]
        found: list[_Well] = []
        for (names, *_), alike in rows_alike("angle", term, self.types).items():
            for rows in self.rules.split("angle", alike):
                if self.rules.frozen("angle", rows[0]):
                    self.held += 1
                    continue
                label = self.label("angle", names, taken, self.rules.words("angle", rows))
                k1, t1 = float(k[rows[0]]), float(theta0[rows[0]])
                k_in, t_in = (self.rules.within("angle", rows, n) for n in ("k", "theta0"))
                places = (
                    self.add(label, "angle.k", k1, low=0.05 * k1, high=20 * k1, within=k_in),
                    self.add(label, "angle.theta0", t1, low=max(0.5, t1 - 0.6), high=np.pi,
                             within=t_in),
                )  # fmt: skip
                self._tied("angle", term, rows, places)
                found.append(_Well(torch.tensor(term.atoms[rows]), places, t1, k1))
        if found:
            self._harmonic(found)

    def _tied(self, kind: str, term: Term, rows: list[int], places: tuple[int, int]) -> None:
        for name, place in zip(term.parameters, places, strict=True):
            self.tied.setdefault(f"{kind}.{name}", []).append((np.array(rows), place))

    def _harmonic(self, wells: list[_Well]) -> None:
        at = torch.tensor([w.places for w in wells])
        centre = torch.tensor([w.centre for w in wells], dtype=torch.float64)

        def coefficients(v: torch.Tensor) -> torch.Tensor:
            k, away = v[at[:, 0]], v[at[:, 1]] - centre
            return torch.stack([k, -2.0 * k * away], 1).reshape(-1)

        blocks = tuple(Block(w.atoms, design.parabola(w.centre), 2) for w in wells)
        self.groups.append(Group(blocks, coefficients, coefficients(self.starts())))

    def _morse(self, wells: list[_Well], deep: list[int]) -> None:
        """The start that is taken out is the harmonic curve, as the data are without that."""
        series = []
        for w in wells:
            r = torch.cat([distances(x, w.atoms).reshape(-1) for x in self.positions.split(2000)])
            low, high = float(r.min()), float(r.max())
            margin = MARGIN * (high - low) + 1e-3
            series.append(design.Chebyshev(low - margin, high + margin))
        nodes = torch.stack([s.nodes() for s in series])
        at = torch.tensor([(*w.places, d) for w, d in zip(wells, deep, strict=True)])
        fit = series[0].fit  # the same whatever the range

        def coefficients(v: torch.Tensor) -> torch.Tensor:
            k, r0, well = v[at].unsqueeze(-1).unbind(1)
            bent = 1.0 - torch.exp(-(k / well).sqrt() * (nodes - r0))
            return fit(well * bent * bent).reshape(-1)

        k, r0 = self.starts()[at[:, :2]].unsqueeze(-1).unbind(1)
        start = fit(k * (nodes - r0) ** 2).reshape(-1)
        blocks = tuple(
            Block(w.atoms, s.functions, s.degree) for w, s in zip(wells, series, strict=True)
        )
        self.groups.append(Group(blocks, coefficients, start))
