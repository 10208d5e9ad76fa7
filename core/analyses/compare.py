"""Every force field of a project side by side: errors, surface, speed and stability.

Only what has been computed is put together here (window and command line alike); nothing is run.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core import storage
from core.analyses import surface_tools
from core.fieldref import FieldRef

if TYPE_CHECKING:
    from core.analyses.surface import Surface
    from core.project import Item, Project

NAN = float("nan")
REFERENCE = "reference"


@dataclass(frozen=True)
class Score:
    """One force field. NaN = not computed yet.

    id tells force fields apart; item: project item to show (a fit, else the newest result).
    energy_mae eV and force_mae eV/Å on `frames` frames of `dataset` (a name); own_test: on the
    frames its own fit had kept for testing. surface_rmse eV against the reference on `surface` (a
    name). bulk_ms, single_ms: per geometry. stable_ps: of dynamics; never_failed: no run ended
    early, so that it is a lower bound. sigma: how good the standard deviations are that the field
    gives its own energies (`core.analyses.uncertainty.figures`), empty where it gives none; errors:
    item that the errors come from; path: record of the data set they were measured on.
    """

    id: str
    label: str
    item: str = ""
    energy_mae: float = NAN
    force_mae: float = NAN
    frames: int = 0
    dataset: str = ""
    own_test: bool = False
    surface_rmse: float = NAN
    surface: str = ""
    bulk_ms: float = NAN
    single_ms: float = NAN
    stable_ps: float = NAN
    never_failed: bool = False
    sigma: dict[str, float] = dataclasses.field(default_factory=dict)
    errors: str = ""
    path: str = ""


def scorecard(project: Project, *, dataset: str = "") -> list[Score]:
    """One Score per force field of which the project knows something, trained ones first.

    dataset: item id; only errors on its frames count then ("" = the newest errors of each field).
    Later results replace earlier ones; a damaged item is left out.
    """
    card = _Card(project, dataset)
    for item in project.items():
        if item.finished and not item.problem and item.kind in _READERS:
            try:
                _READERS[item.kind](card, item)
            except (OSError, ValueError, KeyError, TypeError):
                continue  # shown as damaged in the project; the others still count
    fits = {i.id for i in project.items("fits")}
    return sorted(card.scores.values(), key=lambda s: (s.id not in fits, s.label.casefold()))


class _Card:
    """Scores while they are gathered."""

    def __init__(self, project: Project, dataset: str) -> None:
        self.project, self.dataset = project, dataset
        self.scores: dict[str, Score] = {}
        self.names = {i.id: i.name for i in project.items("fits")}

    def id(self, ref: FieldRef | None, label: str) -> str:
        """What a field is known by: its fit's item when trained, else its label."""
        if ref is not None and ref.model:
            return Path(ref.model).parent.name
        return next((i for i, name in self.names.items() if name == label), label)

    def put(self, id: str, label: str, item: str, **values: Any) -> None:
        label = self.names.get(id, label)
        old = self.scores.get(id, Score(id, label))
        shown = id if id in self.names else item
        self.scores[id] = dataclasses.replace(old, label=label, item=shown, **values)

    def job(self, item: Item) -> Any:
        try:
            return self.project.job(item.id)
        except ValueError:
            return None

    def put_errors(
        self, id: str, label: str, item: Item, errors: Mapping[str, Any], path: str, *, own: bool
    ) -> None:
        """Errors of one field, if they belong to the data set that is asked for."""
        where = Path(path).parent.name if path else ""
        if self.dataset and where != self.dataset:
            return
        old = self.scores.get(id)
        if own and old is not None and old.frames:
            return  # measured on purpose later: that counts
        try:
            name = self.project.item(where).name if where else ""
        except ValueError:
            name = ""
        values = {"bulk_ms": errors["predict_bulk_ms"], "single_ms": errors["predict_single_ms"]}
        values = {k: float(v) for k, v in values.items() if math.isfinite(float(v))}
        self.put(
            id,
            label,
            item.id,
            energy_mae=float(errors["energy_mae"]),
            force_mae=float(errors["force_mae"]),
            frames=int(max(errors["n_energies"], errors["n_forces"])),
            dataset=name,
            own_test=own,
            sigma={k: float(v) for k, v in dict(errors.get("sigma_figures") or {}).items()},
            errors=item.id,
            path=path,
            **values,
        )


def _fit(card: _Card, item: Item) -> None:
    tree = storage.peek(item.record)
    job = card.job(item)
    card.put(item.id, item.name, item.id)
    path = getattr(job, "dataset", "")
    card.put_errors(item.id, item.name, item, tree["errors"], path, own=True)
    if card.dataset:  # of a combined fit those on the molecule asked for
        for share, other in zip(getattr(job, "others", ()), tree.get("others") or (), strict=False):
            errors, path = other["errors"], share.dataset
            card.put_errors(item.id, item.name, item, errors, path, own=True)


def _errors(card: _Card, item: Item) -> None:
    tree = storage.peek(item.record)
    job = card.job(item)
    id = card.id(getattr(job, "field", None), str(tree["label"]))
    path = getattr(job, "dataset", "")
    card.put_errors(id, str(tree["label"]), item, tree, path, own=False)


def _surface(card: _Card, item: Item) -> None:
    surface: Surface = card.project.load(item)
    refs = [x for x in surface.layers if x.key == REFERENCE]
    if not refs:
        return
    asked = getattr(card.job(item), "fields", ())
    for k, layer in enumerate(surface.layers):
        if layer.key == REFERENCE:
            continue
        id = card.id(asked[k] if len(asked) == len(surface.layers) else None, layer.label)
        rmse = surface_tools.rmse(layer.energy, refs[0].energy)
        card.put(id, layer.label, item.id, surface_rmse=rmse, surface=item.name)


def _run(card: _Card, item: Item) -> None:
    tree = storage.peek(item.record)
    label = str(tree["label"])
    id = card.id(getattr(card.job(item), "field", None), label)
    ps, failed = float(tree["stable_ps"]), bool(tree["reasons"])
    old = card.scores.get(id)
    if old is not None and math.isfinite(old.stable_ps):
        # a failure says more than any run that came to its end; of equals take the longer bound
        if not old.never_failed:
            ps, failed = (min(ps, old.stable_ps), True) if failed else (old.stable_ps, True)
        elif not failed:
            ps = max(ps, old.stable_ps)
    card.put(id, label, item.id, stable_ps=ps, never_failed=not failed)


_READERS = {"fits": _fit, "errors": _errors, "surfaces": _surface, "runs": _run}
