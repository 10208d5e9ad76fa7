"""Typed preferences of one person on one machine, kept as JSON and written atomically."""

from __future__ import annotations

import dataclasses
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from core.units import ENERGY_UNITS

APP = "PEScape"
RECENT_MAX = 8
THEMES = ("system", "light", "dark")


def default_path() -> Path:
    """Where the preferences of this person live."""
    import platformdirs

    return Path(platformdirs.user_config_dir(APP)) / "settings.json"


def data_folder() -> Path:
    """Where projects go that a person did not place anywhere."""
    import platformdirs

    return Path(platformdirs.user_data_dir(APP)) / "projects"


@dataclass
class Settings:
    """Preferences. geometry and state are Qt's own layout bytes, base64; path "" = do not save.

    problem: why the saved preferences could not be read ("" = they could).
    """

    unit: str = "kcal/mol"
    theme: str = "system"
    geometry: str = ""
    state: str = ""
    layout: str = ""  # the default layout that `state` belongs to, see Docks.version
    workspace: str = "Surface"
    recent: list[str] = field(default_factory=list)
    last_folder: str = ""
    path: Path | None = None
    problem: str = ""

    @classmethod
    def load(cls, path: Path) -> Settings:
        """Read preferences; what is missing or makes no sense becomes the default."""
        if not path.exists():
            return cls(path=path)
        try:
            tree = json.loads(path.read_text(encoding="utf-8"))
            if not isinstance(tree, dict):
                raise ValueError("it holds no table")
        except (OSError, ValueError) as error:
            return cls(
                path=path,
                problem=f"Preferences in {path} could not be read ({error}); "
                "the defaults are used.",
            )
        kept: dict[str, Any] = {}
        for entry in dataclasses.fields(cls):
            value = tree.get(entry.name)
            if entry.name not in ("path", "problem") and type(value) is type(
                getattr(cls(), entry.name)
            ):
                kept[entry.name] = value
        made = cls(path=path, **kept)
        if made.unit not in ENERGY_UNITS:
            made.unit = "kcal/mol"
        if made.theme not in THEMES:
            made.theme = "system"
        made.recent = [r for r in made.recent if isinstance(r, str)][:RECENT_MAX]
        return made

    def save(self) -> None:
        """Write atomically; a full or read-only disk must not take the window down."""
        if self.path is None:
            return
        tree = dataclasses.asdict(self)
        for name in ("path", "problem"):
            tree.pop(name)
        part = self.path.with_suffix(f".{os.getpid()}.part")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            part.write_text(json.dumps(tree, indent=1), encoding="utf-8")
            part.replace(self.path)
            self.problem = ""
        except OSError as error:
            self.problem = f"Preferences could not be saved to {self.path}: {error}"

    def add_recent(self, project: str) -> None:
        """Put a project folder first in the list of recent ones."""
        self.recent = [project, *(r for r in self.recent if r != project)][:RECENT_MAX]
