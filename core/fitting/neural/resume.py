"""The weights that the training of GAFF-NN has reached, kept so that a killed one goes on."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from core.fitting.checkpoint import Checkpoint, mark

if TYPE_CHECKING:
    from core.dataset import Dataset, Split
    from core.engine.context import Context
    from core.fitting.neural.train import Trainer
    from core.mm.neural import Networks


class Resume:
    """`load` puts a trainer where an earlier training stood; `save` keeps where it stands.

    What is kept: all weights now, those of the best look, and the iterations of both. L-BFGS's
    history is not: a training that goes on takes other steps than one that was never killed.
    """

    def __init__(self, context: Context, dataset: Dataset, split: Split, hyper: Any) -> None:
        self.kept = Checkpoint(context, "gaff-nn", about=_mark(dataset, split, hyper))
        self.best: dict[str, np.ndarray] = {}

    def load(self, trainer: Trainer) -> tuple[int, int, float, Networks, torch.Tensor] | None:
        """(iterations done, those of the best, its score, its networks and free parameters).

        The trainer has the latest weights then. None where there is nothing to go on from.
        """
        found = self.kept.load()
        if found is None:
            return None
        names = ("done", "at", "score")
        try:
            done, at, score = (float(found[n][0]) for n in names)
            latest, best = (_layers(found, head, trainer) for head in ("now", "best"))
        except (KeyError, IndexError, ValueError):
            return None
        self.best = {k: v for k, v in found.items() if k.startswith("best") or k in names[1:]}
        trainer.hidden, trainer.output, trainer.free = latest
        hidden, output, free = best
        return int(done), int(at), score, trainer.networks(hidden, output), free

    def save(
        self, done: int, networks: Networks, free: torch.Tensor, at: int, score: float
    ) -> None:
        """After a look at `networks`: the best so far is of iteration `at`."""
        if at == done:
            self.best = {**_arrays("best", networks, free), "at": np.array([float(at)]),
                         "score": np.array([score])}  # fmt: skip
        now = _arrays("now", networks, free)
        self.kept.save({**now, **self.best, "done": np.array([float(done)])})

    def done(self) -> None:
        """The training is over."""
        self.kept.done()


def _arrays(head: str, networks: Networks, free: torch.Tensor) -> dict[str, np.ndarray]:
    out = {f"{head}.free": free.detach().cpu().numpy()}
    for k, (w, b) in enumerate(networks.weights):
        out[f"{head}.w{k}"], out[f"{head}.b{k}"] = (
            w.detach().cpu().numpy(),
            b.detach().cpu().numpy(),
        )
    return out


def _layers(found: dict[str, np.ndarray], head: str, trainer: Trainer) -> tuple:
    """(hidden layers, output weights, free parameters). Raises ValueError for other shapes."""

    def get(name: str, like: torch.Tensor) -> torch.Tensor:
        array = found[f"{head}.{name}"]
        if array.shape != tuple(like.shape) or not np.isfinite(array).all():
            raise ValueError(name)
        return torch.tensor(array, dtype=like.dtype, device=like.device)

    hidden = [(get(f"w{k}", w), get(f"b{k}", b)) for k, (w, b) in enumerate(trainer.hidden)]
    return hidden, get(f"w{len(hidden)}", trainer.output), get("free", trainer.free)


def _mark(dataset: Dataset, split: Split, hyper: Any) -> str:
    frames = np.concatenate([split.train, split.valid])
    labels = (dataset.positions, dataset.energies, dataset.forces)
    words = json.dumps(dataclasses.asdict(hyper), sort_keys=True)
    return mark(words, frames, *(a[frames] for a in labels if a is not None))
