"""The settings that a study may start from: a field's defaults, or those of a fit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from core.forcefields.info import Info
from core.storage import peek
from widgets.session import Session


@dataclass(frozen=True)
class Settings:
    """A force field to train. label: for plots; item: the fit they come from, "" = defaults."""

    label: str
    key: str
    hyper: dict[str, Any]
    item: str = ""


class FitSettings:
    """Reads what the project's fits were trained with; a record is looked at once."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self._known: dict[str, tuple[float, tuple[str, dict[str, Any]]]] = {}

    def trainable(self) -> tuple[Info, ...]:
        """The force fields that can be trained."""
        return tuple(i for i in self.session.catalog if i.trainable)

    def of_fits(self, key: str = "") -> tuple[Settings, ...]:
        """Settings of the finished fits (of one force field, or of all), newest first."""
        if self.session.project is None:
            return ()
        rows = []
        fields = {i.key: {p.name for p in i.parameters} for i in self.trainable()}
        for item in reversed(self.session.project.items("fits")):
            found, hyper = self._read(item)
            if found in fields and key in ("", found):
                plain = {k: v for k, v in hyper.items() if k in fields[found]}
                rows.append(Settings(item.name, found, plain, item.id))
        return tuple(rows)

    def choices(self) -> tuple[Settings, ...]:
        """Every trainable force field with its defaults, then the fits, no two names alike."""
        rows = [Settings(i.label, i.key, {}) for i in self.trainable()]
        names = {r.label for r in rows}
        for one in self.of_fits():
            label, k = one.label, 2
            while label in names:
                label, k = f"{one.label} ({k})", k + 1
            names.add(label)
            rows.append(Settings(label, one.key, one.hyper, one.item))
        return tuple(rows)

    def _read(self, item: Any) -> tuple[str, dict[str, Any]]:
        try:
            stamp = item.record.stat().st_mtime
            if self._known.get(item.id, (0.0,))[0] != stamp:
                tree = peek(item.record)
                found = (str(tree["key"]), dict(tree["hyper"]))
                self._known[item.id] = (stamp, found)
            return self._known[item.id][1]
        except (OSError, ValueError, KeyError, TypeError):
            return "", {}
