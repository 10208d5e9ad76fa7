"""Jobs that a closed or killed window left unfinished: offers to go on, or to discard them."""

from __future__ import annotations

import dataclasses
from functools import partial
from typing import Any

from app.bridge import noted_fraction
from core.analyses.importing import ImportSpec
from core.fieldref import runs_named_code
from widgets.notice import Notice, Notices
from widgets.session import Session

MANY = 3  # more interrupted jobs than this share one notice
WORDS = {
    "runs": "run",
    "fits": "training",
    "surfaces": "surface",
    "datasets": "import",
    "studies": "study",
}


class Interrupted:
    """Makes the offers for one window."""

    def __init__(self, session: Session, notices: Notices) -> None:
        self.session, self.bars = session, notices
        self.notices: list[Notice] = []  # of the open project

    def offer(self, project: Any) -> None:
        """Ask about every unfinished job of `project`. One that runs named code asks for itself."""
        self.notices = []
        plain: list[tuple[Any, Any]] = []
        named: list[tuple[Any, Any]] = []
        for item, spec in project.unfinished():
            if spec is None:
                project.remove(item.id)  # its job was never handed in
            else:
                (named if runs_named_code(spec) else plain).append((item, spec))
        if len(plain) > MANY:
            self._add(
                f"{len(plain)} jobs were interrupted.",
                "info",
                ("Go on with all", partial(self._each, plain, self.go_on)),
                ("Discard all", partial(self._each, plain, self._discard)),
            )
        else:
            for item, spec in plain:
                self._add(
                    _what(item),
                    "info",
                    ("Go on", partial(self.go_on, item, spec)),
                    ("Discard", partial(self.discard, item)),
                )
        for item, spec in named[:MANY]:  # the others are asked about the next time
            self._add(
                f"{_what(item)} To go on, it runs code on this machine: {runs_named_code(spec)}. "
                "Run it only if you asked for this, or trust whoever sent you the project.",
                "warning",
                ("Run it", partial(self.go_on, item, spec)),
                ("Discard", partial(self.discard, item)),
            )

    def _add(self, text: str, level: str, *buttons: Any) -> None:
        self.notices.append(self.bars.add(text, level, buttons))

    @staticmethod
    def _each(rows: list[tuple[Any, Any]], do: Any) -> None:
        for item, spec in rows:
            do(item, spec)

    def go_on(self, item: Any, spec: Any) -> str:
        """Start an interrupted job again, from its checkpoint if it has one; returns its id."""
        if isinstance(spec, ImportSpec):  # it may have a question: the data panel asks it
            self.discard(item)
            self.session.import_requested.emit(spec.path)
            return ""
        changes: dict[str, Any] = {"out": str(item.folder)}
        checkpoint = item.folder / "checkpoint.npz"
        if hasattr(spec, "resume") and checkpoint.is_file():
            changes["resume"] = str(checkpoint)
        return self.session.submit(dataclasses.replace(spec, **changes), title=item.name)

    def _discard(self, item: Any, _spec: Any) -> None:
        self.discard(item)

    def discard(self, item: Any) -> None:
        """Put what an interrupted job left into the bin."""
        self.session.project.remove(item.id)
        self.session.items_changed.emit(item.kind)


def _what(item: Any) -> str:
    fraction = noted_fraction(item.folder)
    at = f" at {100 * fraction:.0f} %" if fraction >= 0.01 else ""
    return f"The {WORDS.get(item.kind, 'job')} “{item.name}” was interrupted{at}."
