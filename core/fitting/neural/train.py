"""The steps of training GAFF-NN; the loss they minimise is in `core.fitting.neural.fit`.

1. Hidden layers at random (fixed seed), output layers in closed form, and the non-bonded
   parameters by L-BFGS with the output layers projected out (variable projection, Golub & Pereyra
   1973): a few seconds, and already near the optimum.
2. All weights and parameters together by L-BFGS; what is best on the validation frames is kept.

Both hold to GAFF's own functions g by a Gaussian prior on the coefficients u of each function,

    L(u) + sum_n w_n (u_n - g_n)²,    w_n = prior + sigma² n^6 / (K tau²)

where sigma² is the mean square error that functions without prior leave on K labels: the n-th
harmonic or polynomial is expected to depart from GAFF by tau/n³ (a function with three slopes).
Without it some 250 output weights follow what few frames happen to show already in step 1, and
step 2 can only make that worse. rMD17 test frames, force RMSE in meV/Å without and with it: ethanol
25 frames 363 and 254, 60 frames 227 and 223, 1000 frames 212 and 212; aspirin 60 frames 321 and
270. Step 1 is within 0.2 % of the optimum of the training loss in all of these: that its functions
(iteration 0) are the best on the validation frames is no failure of step 2.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from core.fitting.neural.fit import Block, Pairs, Quadratic
from core.mm.neural import HARMONICS, Networks, features
from core.mm.topology import Topology

STIFF_ANGLE = 0.1  #: sin² of the angle below which GAFF's constant is not turned into cosines
#: Widths of the priors about GAFF's values: e, relative Rmin, relative epsilon (natural logs).
CHARGE, RMIN, EPSILON = 0.2, 0.1, 1.0
SCALE = 0.5  #: the same for the strengths of 1-4 terms (natural logs)
#: Non-bonded parameters are decided worse than functions, and wrong ones do harm far away.
NONBONDED = 100.0
RIDGE = 1e-5  #: of the closed form, relative to the diagonal: keeps output weights small
ROUGHNESS = 6  #: power of the order in the prior
STEPS = 20  #: L-BFGS iterations between two looks at the validation frames


@dataclass(frozen=True, eq=False)
class Nonbonded:
    """Charges and Lennard-Jones values of classes of atoms about a start; total charge kept."""

    charges: torch.Tensor
    rmin: torch.Tensor
    epsilon: torch.Tensor
    count: torch.Tensor

    @property
    def size(self) -> int:
        """Number of free values."""
        return len(self.charges) + 2 * len(self.rmin) + 2

    def values(self, free: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """free (size,), in widths of the priors -> values of the classes, and factors (2,).

        Charges e, Rmin/2 Å, epsilon eV; what 1-4 Coulomb and Lennard-Jones terms are multiplied by.
        """
        a, n = len(self.charges), len(self.rmin)
        q, r, e, scale = free.split([a, n, n, 2])
        move = CHARGE * q
        move = move - (move * self.count).sum() / self.count.sum()
        rmin, epsilon = self.rmin * torch.exp(RMIN * r), self.epsilon * torch.exp(EPSILON * e)
        return self.charges + move, rmin, epsilon, torch.exp(SCALE * scale)


class Trainer:
    """Everything that the steps share. `loss` is over bonded columns, then those of the pairs."""

    def __init__(
        self,
        parts: list[Block],
        loss: Quadratic,
        *,
        width: int,
        layers: int,
        seed: int,
        pairs: Pairs | None,
        start: Nonbonded | None,
        guess: torch.Tensor,
        prior: float,
        smooth: float = 0.0,
        labels: int = 1,
    ) -> None:
        """guess (W,): GAFF's own functions as coefficients, which `prior` (per eV²) holds to.

        smooth: tau in eV, 0 = none; labels: K, the number of labels that the loss is a mean of.
        """
        self.parts, self.pairs, self.start, self.guess = parts, pairs, start, guess
        self.loss, self.prior = loss, prior
        self.like: dict[str, Any] = {"dtype": guess.dtype, "device": guess.device}
        self.count = sum(len(b.low) for b in parts)
        self.shell = _shell(parts, self.like)
        self.hidden = _random_layers(self.count, self.shell.mean.shape[1], width, layers, seed)
        self.hidden = [(w.to(guess.device), b.to(guess.device)) for w, b in self.hidden]
        self.output = torch.zeros(self.count, width, 1, **self.like)
        self.free = torch.zeros(start.size if start else 0, **self.like)
        n = len(guess)
        self.hold = torch.full((n,), prior, **self.like)  # w_n
        if smooth > 0:
            order = torch.cat([b.orders for b in parts])
            self.hold = self.hold + self._noise() / (labels * smooth**2) * order**ROUGHNESS
        self.h = loss.h[:n, :n] + torch.diag(self.hold)
        self.b = loss.b[:n] + self.hold * guess

    def _noise(self) -> torch.Tensor:
        """The loss that the best functions leave, non-bonded parameters as at the start."""
        n = len(self.guess)
        pair = self.pair_weights(self.free) if self.pairs is not None else self.guess[:0]
        h = self.loss.h[:n, :n] + self.prior * torch.eye(n, **self.like)
        right = self.loss.b[:n] + self.prior * self.guess - self.loss.h[:n, n:] @ pair
        u = torch.linalg.solve(h, right)
        return self.loss(torch.cat([u, pair])).clamp(min=0.0)

    # -- the function of the weights ----------------------------------------------------------
    def networks(self, hidden: list, output: torch.Tensor) -> Networks:
        """The networks with these weights."""
        zero = torch.zeros(self.count, 1, **self.like)
        return dataclasses.replace(self.shell, weights=(*hidden, (output, zero)))

    def sites(self) -> torch.Tensor:
        """(C,S) all sites, shorter rows padded with their first site."""
        most = max(b.sites.shape[1] for b in self.parts)
        rows = [
            torch.cat([b.sites, b.sites[:, :1].expand(-1, most - b.sites.shape[1])], 1)
            for b in self.parts
        ]
        return torch.cat(rows)

    def coefficients(self, nets: Networks, sites: torch.Tensor) -> torch.Tensor:
        """The functions in the basis of the loss: bonded columns (W,)."""
        value, _ = nets.inside(sites)
        out, at = [], 0
        for b in self.parts:
            rows = value[at : at + len(b.low), : b.sites.shape[1]]
            out.append((rows @ b.project.T).reshape(-1))
            at += len(b.low)
        return torch.cat(out)

    def pair_weights(self, free: torch.Tensor) -> torch.Tensor:
        """Coefficients of the pair columns."""
        assert self.pairs is not None
        assert self.start is not None
        return self.pairs.weights(*self.start.values(free))

    def total(self, u: torch.Tensor, free: torch.Tensor) -> torch.Tensor:
        """What is minimised: the loss and the priors."""
        away = u - self.guess
        penalty = (self.hold * away.square()).sum()
        if self.pairs is not None:
            u = torch.cat([u, self.pair_weights(free)])
            penalty = penalty + NONBONDED * self.prior * free.square().sum()
        return self.loss(u) + penalty

    # -- step 1 ---------------------------------------------------------------------------------
    def closed_form(self, iterations: int, told: Callable[[float], None]) -> None:
        """Output layers for the random hidden layers; non-bonded parameters on the way.

        told(fraction done) is called now and then, and may raise.
        """
        phi = self._outputs()  # (W, C*width): coefficients of each hidden unit
        a = phi.T @ self.h @ phi
        a = a + RIDGE * torch.diag(a.diagonal())
        factor = torch.linalg.cholesky(a)
        n = len(self.guess)
        cross = self.loss.h[:n, n:]

        def solve(pair: torch.Tensor | None) -> torch.Tensor:
            right = self.b if pair is None else self.b - cross @ pair
            return torch.cholesky_solve((phi.T @ right)[:, None], factor)[:, 0]

        if self.pairs is None:
            output = solve(None)
        else:
            free = self.free.clone().requires_grad_(True)

            def objective() -> torch.Tensor:
                return self.total(phi @ solve(self.pair_weights(free)), free)

            for done in minimise([free], objective, iterations, STEPS):
                told(done / iterations)
            self.free = free.detach()
            with torch.no_grad():
                output = solve(self.pair_weights(self.free))
        self.output = output.reshape(self.output.shape)

    def _outputs(self) -> torch.Tensor:
        one = self.networks(self.hidden, self.output)
        sites = self.sites()
        z, _ = features(sites, one.periodic, one.mean.shape[1])
        h = (z - one.mean[:, None]) / one.spread[:, None]
        for w, b in self.hidden:
            h = torch.tanh(torch.baddbmm(b[:, None], h, w))
        width, at, place = h.shape[2], 0, 0
        phi = torch.zeros(len(self.guess), self.count * width, **self.like)
        for block in self.parts:
            k = block.project.shape[0]
            for c in range(len(block.low)):
                rows = block.project @ h[at + c, : block.sites.shape[1]]
                phi[place : place + k, (at + c) * width : (at + c + 1) * width] = rows
                place += k
            at += len(block.low)
        return phi

    # -- step 2 ---------------------------------------------------------------------------------
    def refine(
        self,
        iterations: int,
        look: Callable[[int, Networks, torch.Tensor], bool],
        *,
        done: int = 0,
    ) -> None:
        """L-BFGS on all weights from iteration `done` on.

        look(iteration, networks, free) returns True to go on.
        """
        leaves = [t.clone().requires_grad_(True) for layer in self.hidden for t in layer]
        output = self.output.clone().requires_grad_(True)
        free = self.free.clone().requires_grad_(self.pairs is not None)
        sites = self.sites()

        def layers() -> list:
            return list(zip(leaves[::2], leaves[1::2], strict=True))

        def objective() -> torch.Tensor:
            return self.total(self.coefficients(self.networks(layers(), output), sites), free)

        every = [*leaves, output, *([free] if self.pairs is not None else [])]
        for now in minimise(every, objective, iterations, STEPS, done=done):
            plain = [(w.detach().clone(), b.detach().clone()) for w, b in layers()]
            nets = self.networks(plain, output.detach().clone())
            if not look(now, nets, free.detach().clone()):
                break


def minimise(
    leaves: list,
    objective: Callable[[], torch.Tensor],
    iterations: int,
    steps: int,
    *,
    done: int = 0,
):
    """L-BFGS with strong Wolfe steps on tensors in place; yields the count every `steps`."""
    optimiser = torch.optim.LBFGS(
        leaves,
        max_iter=steps,
        history_size=60,
        tolerance_grad=1e-10,
        tolerance_change=1e-13,
        line_search_fn="strong_wolfe",
    )

    def closure() -> torch.Tensor:
        optimiser.zero_grad()
        value = objective()
        value.backward()
        return value

    before = float("inf")
    while done < iterations:
        value = optimiser.step(closure).item()
        done += steps
        yield done
        if not before - value > 1e-7 * abs(value):
            break
        before = value


def _random_layers(count: int, inputs: int, width: int, layers: int, seed: int) -> list:
    """Hidden layers: the first spreads the units over the range, the others as Xavier does."""
    rng = np.random.default_rng(seed)
    out = []
    for layer in range(layers):
        fan = inputs if layer == 0 else width
        gain = 0.5 if layer == 0 else 1.0 / np.sqrt(fan)
        w = rng.normal(0.0, gain, (count, fan, width))
        b = rng.uniform(-1.5, 1.5, (count, width))
        out.append((torch.tensor(w), torch.tensor(b)))
    return out


def _shell(parts: list[Block], like: dict[str, Any]) -> Networks:
    """Everything of the networks but weights: features standardised over the sites."""
    count = 2 * HARMONICS if parts[0].odd else HARMONICS
    rows: dict[str, list] = {n: [] for n in ("low", "high", "mean", "spread", "periodic")}
    for b in parts:
        flag = torch.full((len(b.low),), b.periodic, device=like["device"])
        z, _ = features(b.sites, flag, count)
        rows["low"].append(b.low)
        rows["high"].append(b.high)
        rows["mean"].append(z.mean(1))
        spread = z.std(1)
        rows["spread"].append(torch.where(spread > 0, spread, 1.0))
        rows["periodic"].append(flag)
    joined = {k: torch.cat(v) for k, v in rows.items()}
    return Networks(kappa=torch.zeros(len(joined["low"]), **like), weights=(), **joined)


def start_functions(parts: list[Block], topology: Topology) -> tuple[torch.Tensor, torch.Tensor]:
    """GAFF's own functions as coefficients (W,), and the parabolas' constants kappa (C,)."""
    guess, kappa = [], []
    for b in parts:
        term = getattr(topology, b.kind)
        own = {tuple(r): i for i, r in enumerate(b.atoms.tolist())}
        place = np.array(
            [own.get(tuple(r), own.get(tuple(r[::-1]), -1)) for r in term.atoms.tolist()]
        )
        keep = place >= 0
        local = b.local[torch.tensor(place[keep])].cpu()
        p = {k: torch.tensor(v[keep]) for k, v in term.parameters.items()}
        count = torch.bincount(b.local.cpu(), minlength=len(b.low)).double()
        q = b.sites.cpu()[local]
        if b.kind == "bond":
            value, stiff = p["k"][:, None] * (q - p["r0"][:, None]) ** 2, p["k"]
        elif b.kind == "angle":
            theta = torch.acos(q.clamp(-1.0, 1.0))
            value = p["k"][:, None] * (theta - p["theta0"][:, None]) ** 2
            stiff = p["k"] / torch.sin(p["theta0"]).square().clamp(min=STIFF_ANGLE)
        else:
            turn = p["n"][:, None] * q - p["phase"][:, None]
            value = p["k"][:, None] * (1.0 + torch.cos(turn))
            stiff = torch.zeros(len(value), dtype=torch.float64)
        sums = torch.zeros(len(b.low), q.shape[1], dtype=torch.float64).index_add_(0, local, value)
        mean = (sums / count[:, None]).to(b.sites)
        guess.append((mean @ b.project.T).reshape(-1))
        soft = torch.zeros(len(b.low), dtype=torch.float64).index_add_(0, local, stiff)
        kappa.append((soft / count).to(b.sites))
    return torch.cat(guess), torch.cat(kappa)
