"""From the parameters of a topology to the coefficients of the basis functions of `mm_design`."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from core.fitting import mm_design as design
from core.fitting.mm_design import Block
from core.fitting.mm_options import LOG, PRIORS, Options, Parameter, RefitError
from core.fitting.mm_tie import SAME, atom_classes, pairs_alike, rows_alike, series_alike
from core.mm.energy import distances
from core.mm.topology import Term, Topology

SYMBOLS = {"charges": "charge", "rmin_half": "Rmin/2"}
STRAIGHT = 2.9  #: rad, an angle about which a torsion is not fitted
SHALLOW = 1.0  #: eV, the least depth of a Morse bond
MARGIN = 0.05  #: of the data's range of a bond length, by which a Chebyshev series reaches over
Coefficients = Callable[[torch.Tensor], torch.Tensor]


@dataclass(frozen=True, eq=False)
class Group:
    """Blocks, and their coefficients one after the other (C,) from all values (P,)."""

    blocks: tuple[Block, ...]
    coefficients: Coefficients
    start: torch.Tensor
    linear: slice | None = None  #: the parameters that are the coefficients themselves


@dataclass(frozen=True, eq=False)
class Series:
    """A tied Fourier series: rows of the term that it replaces, orders, where its values stand."""

    kind: str
    rows: np.ndarray
    orders: tuple[int, ...]
    at: int
    sines: bool


@dataclass(frozen=True, eq=False)
class _Well:
    """A tied bond or angle: rows (R,2..3), places of k and its centre, and both at the start."""

    atoms: torch.Tensor
    places: tuple[int, int]
    centre: float
    k: float


class Model:
    """The parameters chosen by `options`, tied; see `values`, `coefficients` and `topology`."""

    def __init__(
        self,
        topology: Topology,
        numbers: np.ndarray,
        positions: torch.Tensor,
        options: Options,
        depth: np.ndarray | None = None,
    ) -> None:
        """numbers (N,); positions (M,N,3) Å; depth (T,) eV: bonds are Morse curves as deep."""
        self.start, self.options, self.depth = topology, options, depth
        self.numbers, self.positions = numbers, positions
        self.parameters: list[Parameter] = []
        self.groups: list[Group] = []
        self.fourier: list[Series] = []
        self.tied: dict[str, list[tuple[np.ndarray, int]]] = {}
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
                self._fourier(kind)
        if "charges" in options.kinds:
            self._charges()
        if "lj" in options.kinds:
            self._lj()
        if not self.parameters:
            raise RefitError(f"the molecule has no {', '.join(options.kinds)} to fit")
        p = self.parameters
        vector = positions.new_tensor
        self.log = torch.tensor([x.log for x in p])
        self.linear = torch.tensor([x.linear for x in p])
        self.v0 = vector([x.start for x in p])
        unknown = sorted(options.freeze - {x.label for x in p})
        if unknown:
            raise RefitError(f"there is no parameter {unknown[0]!r} to freeze")
        frozen = torch.tensor([x.label in options.freeze or x.prior == 0 for x in p])
        self.prior = vector([x.prior for x in p]).masked_fill(frozen, 0.0)
        self.fixed = frozen
        self.low, self.high = self._bound([x.low for x in p]), self._bound([x.high for x in p])
        self.c0 = torch.cat([g.start for g in self.groups])
        self.slopes = torch.zeros(len(self.c0), len(p), dtype=torch.float64)
        at = 0
        for group in self.groups:  # of the linear parameters: the same everywhere
            if group.linear is not None:
                for k, place in enumerate(range(group.linear.start, group.linear.stop)):
                    self.slopes[at + k, place] = self.prior[place]
            at += len(group.start)

    def _bound(self, values: list[float]) -> torch.Tensor:
        """Bounds of the values -> bounds of u."""
        v = self.v0.new_tensor(values)
        safe = self.prior.masked_fill(self.prior == 0, 1.0)
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
    def _add(
        self, label: str, name: str, start: float, *, low: float = -np.inf, high: float = np.inf,
        linear: bool = False,
    ) -> int:  # fmt: skip
        prior = self.options.priors.get(name, PRIORS[name])
        log = name in LOG
        self.parameters.append(
            Parameter(
                f"{label} {SYMBOLS.get(name, name.split('.')[-1])}",
                name,
                start,
                prior,
                low,
                high,
                log,
                linear,
            )
        )
        return len(self.parameters) - 1

    def _label(self, kind: str, names: tuple[str, ...], taken: set[str]) -> str:
        plain = f"{kind} {'-'.join(names)}"
        label, k = plain, 1
        while label in taken:
            k += 1
            label = f"{plain} ({k})"
        taken.add(label)
        return label

    def _bonds(self) -> None:
        term, taken = self.start.bond, set[str]()
        k, r0 = term.parameters["k"], term.parameters["r0"]
        found: list[_Well] = []
        deep: list[int] = []
        for (names, *_), rows in rows_alike("bond", term, self.types, self.depth).items():
            label = self._label("bond", names, taken)
            k1, r1 = float(k[rows[0]]), float(r0[rows[0]])
            places = (
                self._add(label, "bond.k", k1, low=0.05 * k1, high=20 * k1),
                self._add(label, "bond.r0", r1, low=0.7 * r1, high=1.4 * r1),
            )
            self._tied("bond", term, rows, places)
            found.append(_Well(torch.tensor(term.atoms[rows]), places, r1, k1))
            if self.depth is not None:
                d1 = float(self.depth[rows[0]])
                deep.append(self._add(label, "bond.D", d1, low=min(SHALLOW, d1), high=30.0))
                self.tied.setdefault("bond.D", []).append((np.array(rows), deep[-1]))
        if "bond" not in self.options.kinds:  # only as deep as they are told to be
            self.parameters = [dataclasses.replace(p, prior=0.0) for p in self.parameters]
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
        for (names, *_), rows in rows_alike("angle", term, self.types).items():
            label = self._label("angle", names, taken)
            k1, t1 = float(k[rows[0]]), float(theta0[rows[0]])
            places = (
                self._add(label, "angle.k", k1, low=0.05 * k1, high=20 * k1),
                self._add(label, "angle.theta0", t1, low=max(0.5, t1 - 0.6), high=np.pi),
            )
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
        self.groups.append(Group(blocks, coefficients, coefficients(self._starts())))

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

        k, r0 = self._starts()[at[:, :2]].unsqueeze(-1).unbind(1)
        start = fit(k * (nodes - r0) ** 2).reshape(-1)
        blocks = tuple(
            Block(w.atoms, s.functions, s.degree) for w, s in zip(wells, series, strict=True)
        )
        self.groups.append(Group(blocks, coefficients, start))

    def _fourier(self, kind: str) -> None:
        term, taken = getattr(self.start, kind), set[str]()
        k, n, phase = (term.parameters[p] for p in ("k", "n", "phase"))
        blocks: list[Block] = []
        first = len(self.parameters)
        for (names, *values), members in series_alike(kind, term, self.types).items():
            if kind == "torsion":
                if any(self._straight(q) for q, _ in members):
                    continue  # no dihedral there: what they say must not be fitted
                members = [m for m in members if self._wanted(m[0])]
                if not members:
                    continue
            label = self._label(kind, names, taken)
            more = range(1, self.options.orders + 1) if kind == "torsion" else ()
            orders = tuple(sorted({int(v[0]) for v in values} - {0} | set(more)))
            rows0 = members[0][1]
            a, b = np.zeros(len(orders)), np.zeros(len(orders))
            for row in rows0:
                if n[row] > 0:
                    a[orders.index(int(n[row]))] += k[row] * np.cos(phase[row])
                    b[orders.index(int(n[row]))] += k[row] * np.sin(phase[row])
            # a free sine would tell a molecule from its mirror image: only where there is one
            sines = bool((np.abs(b) > 1e-6).any())
            at = len(self.parameters)
            for m, start in zip(orders, a, strict=True):
                self._add(f"{label} n={m}", f"{kind}.k", start, linear=True)
            for m, start in zip(orders if sines else (), b, strict=False):
                self._add(f"{label} n={m} sine", f"{kind}.k", start, linear=True)
            count = len(self.parameters) - at
            every = np.array([r for _, found in members for r in found])
            self.fourier.append(Series(kind, every, orders, at, sines))
            quartets = torch.tensor(np.array([atoms for atoms, _ in members]))
            blocks.append(Block(quartets, design.fourier(orders, sines=sines), count))
        where = slice(first, len(self.parameters))
        if blocks:
            before = self._starts()[where]
            self.groups.append(Group(tuple(blocks), lambda v: v[where], before, where))

    def _straight(self, quartet: tuple[int, ...]) -> bool:
        """Whether a torsion runs over an angle that is, or comes near to being, straight."""
        i, j, k, m = quartet
        angle = self.start.angle
        wide = angle.atoms[angle.parameters["theta0"] > STRAIGHT].tolist()
        return any(a in wide or a[::-1] in wide for a in ([i, j, k], [j, k, m]))

    def _wanted(self, quartet: tuple[int, ...]) -> bool:
        around = self.options.around
        return not around or quartet[1:3] in around or quartet[2:0:-1] in around

    def _charges(self) -> None:
        q = self.start.charges
        keys = [(c, round(float(x), SAME)) for c, x in zip(self.classes, q, strict=True)]
        order = {key: i for i, key in enumerate(dict.fromkeys(keys))}
        classes = [order[key] for key in keys]
        at = len(self.parameters)
        for key, i in order.items():
            first = classes.index(i)
            label = f"atom {first + 1} {self.start.types[first]}"
            self._add(label, "charges", key[1], low=-3.0, high=3.0)
        self.charge_at, self.charge_classes = at, np.array(classes)
        count = torch.tensor(np.bincount(classes), dtype=torch.float64)
        exact = torch.tensor([float(q[classes.index(i)]) for i in range(len(order))]).double()
        start = torch.tensor([key[1] for key in order], dtype=torch.float64)
        where = slice(at, len(self.parameters))

        def charges(v: torch.Tensor) -> torch.Tensor:
            away = v[where] - start
            return exact + away - (count * away).sum() / count.sum()  # the total stays

        self.charges_of = charges
        pairs = list(pairs_alike(self.start, classes, self.start.scee14))
        one, two = torch.tensor([p[:2] for p in pairs], dtype=torch.int64).reshape(-1, 2).unbind(1)
        blocks = tuple(Block(atoms, design.powers(1.0, (1,)), 1, s) for _, _, atoms, s in pairs)
        constant = self.start.coulomb

        def coefficients(v: torch.Tensor) -> torch.Tensor:
            q = charges(v)
            return constant * q[one] * q[two]

        self.groups.append(Group(blocks, coefficients, constant * exact[one] * exact[two]))

    def _lj(self) -> None:
        t = self.start
        keys = list(zip(self.types, np.round(t.rmin_half, SAME), np.round(t.epsilon, SAME + 3),
                        strict=True))  # fmt: skip
        order = {key: i for i, key in enumerate(dict.fromkeys(keys))}
        classes = [order[key] for key in keys]
        at: dict[int, tuple[int, int]] = {}
        exact: dict[int, tuple[float, float]] = {}
        for key, i in order.items():
            first = classes.index(i)
            eps, rmin = float(t.epsilon[first]), float(t.rmin_half[first])
            exact[i] = eps, rmin
            if eps <= 0 or rmin <= 0:
                continue  # an atom without Lennard-Jones keeps none
            label = f"lj {key[0]}"
            at[i] = (
                self._add(label, "epsilon", eps, low=0.1 * eps, high=10 * eps),
                self._add(label, "rmin_half", rmin, low=0.7 * rmin, high=1.3 * rmin),
            )
            rows = np.flatnonzero(np.array(classes) == i)
            self.tied.setdefault("epsilon", []).append((rows, at[i][0]))
            self.tied.setdefault("rmin_half", []).append((rows, at[i][1]))
        pairs = [p for p in pairs_alike(t, classes, t.scnb14) if p[0] in at and p[1] in at]
        lengths = [exact[a][1] + exact[b][1] for a, b, _, _ in pairs]
        blocks = tuple(
            Block(atoms, design.powers(length, (12, 6)), 2, s)
            for (_, _, atoms, s), length in zip(pairs, lengths, strict=True)
        )
        places = [(*at[a], *at[b]) for a, b, _, _ in pairs]
        one, two = torch.tensor(places, dtype=torch.int64).reshape(-1, 4).split(2, 1)
        length = torch.tensor(lengths, dtype=torch.float64)

        def coefficients(v: torch.Tensor) -> torch.Tensor:
            depth = (v[one[:, 0]] * v[two[:, 0]]).sqrt()
            s6 = ((v[one[:, 1]] + v[two[:, 1]]) / length) ** 6
            return torch.stack([depth * s6 * s6, -2.0 * depth * s6], 1).reshape(-1)

        self.groups.append(Group(blocks, coefficients, coefficients(self._starts())))

    def _starts(self) -> torch.Tensor:
        return torch.tensor([p.start for p in self.parameters], dtype=torch.float64)
