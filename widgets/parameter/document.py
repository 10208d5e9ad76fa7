"""The terms a person edits: current and original topology, flags for the refit, undo."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QObject, Signal

from core.analyses.parameters import Flag, Parameters
from widgets.parameter import rows
from widgets.parameter.rows import Key
from widgets.undo import Command, UndoStack

if TYPE_CHECKING:
    from core.mm.topology import Topology

Flags = dict[Key, Flag]


class EditParameters(Command):
    """One edit; undo puts back the terms and flags as they were before it."""

    def __init__(self, document: Document, text: str, topology: Topology, flags: Flags) -> None:
        super().__init__(text)
        self.document = document
        self.old, self.new = (document.topology, document.flags), (topology, flags)

    def redo(self) -> None:
        self.document.put(*self.new)

    def undo(self) -> None:
        self.document.put(*self.old)


class Document(QObject):
    """Edits of one molecule's terms. Every change goes through the undo stack."""

    changed = Signal()  # topology or flags are others now
    drafted = Signal(object)  # Topology as it would be: while a slider is dragged

    def __init__(
        self, parameters: Parameters, stack: UndoStack, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self.parameters, self.stack = parameters, stack
        self.molecule = parameters.molecule
        self.original = self.topology = parameters.topology
        self.flags: Flags = {(f.kind, f.row): f for f in parameters.flags}

    @property
    def edited(self) -> bool:
        """Whether anything differs from what was read."""
        return self.topology is not self.original

    def put(self, topology: Topology, flags: Flags) -> None:
        """Take over terms and flags; only the undo commands call this."""
        self.topology, self.flags = topology, flags
        self.changed.emit()

    def flag(self, key: Key) -> Flag:
        """The flag of a row; tied and free where nothing was said."""
        return self.flags.get(key, Flag(*key))

    def tied(self, keys: Iterable[Key]) -> list[Key]:
        """These rows and all that move with them."""
        keys = list(dict.fromkeys(keys))
        found = dict.fromkeys(keys)
        for kind in dict.fromkeys(k for k, _ in keys):
            members = rows.groups(self.topology, kind)
            wanted = {rows.group(self.topology, k) for k in keys if self.flag(k).tied}
            for name in wanted & set(members):
                found |= dict.fromkeys(k for k in members[name] if self.flag(k).tied)
        return list(found)

    # -- edits --------------------------------------------------------------------------------
    def take(self, topology: Topology, flags: Iterable[Flag], text: str) -> bool:
        """Other terms of this molecule in place of all of these, as one edit.

        False where they are the same. Raises ValueError where they are of another molecule.
        """
        if len(topology.types) != len(self.topology.types):
            n, here = len(topology.types), len(self.topology.types)
            raise ValueError(f"these terms are for {n} atoms, the molecule on show has {here}")
        new = {(f.kind, f.row): f for f in flags}
        if new == self.flags and same_terms(topology, self.topology):
            return False
        self._push(text, topology, new)
        return True

    def draft(self, keys: Iterable[Key], name: str, value: float) -> None:
        """Show a value without keeping it. Raises ValueError where it cannot be."""
        self.drafted.emit(rows.with_value(self.topology, self.tied(keys), name, value))

    def set_value(self, keys: Iterable[Key], name: str, value: float) -> None:
        """Set a parameter of these rows and those tied to them. Raises ValueError."""
        every = self.tied(keys)
        if all(rows.value(self.topology, k, name) == value for k in every):
            self.drafted.emit(self.topology)  # a drag that came back to where it began
            return
        new = rows.with_value(self.topology, every, name, value)
        symbol = rows.QUANTITIES[every[0][0], name].symbol
        self._push(f"Set {symbol} of {rows.types(self.topology, every[0])}", new, self.flags)

    def restore(self, keys: Iterable[Key]) -> None:
        """The original values of these rows, where they have not been added."""
        new = self.topology
        for key in self.tied(keys):
            if rows.count(self.original, key[0]) != rows.count(self.topology, key[0]):
                raise ValueError("terms were added or removed: undo that first (Ctrl+Z)")
            for name in rows.names(key[0]):
                new = rows.with_value(new, [key], name, rows.value(self.original, key, name))
            if key[0] not in rows.ATOMIC:
                term, old = getattr(new, key[0]), getattr(self.original, key[0])
                if old.source:
                    source = list(term.source)
                    source[key[1]] = old.source[key[1]]
                    term = dataclasses.replace(term, source=tuple(source))
                    new = dataclasses.replace(new, **{key[0]: term})
        self._push("Restore parameters", new, self.flags)

    def add_torsion(self, keys: Iterable[Key]) -> list[Key]:
        """One more Fourier term on the atoms of these torsions; returns its rows."""
        every = [k for k in self.tied(keys) if k[0] == "torsion"]
        if not every:
            raise ValueError("choose a torsion first: the new term goes on the same atoms")
        quartets: dict[tuple[int, ...], Key] = {}
        for key in every:
            quartets.setdefault(rows.atoms(self.topology, key), key)
        have = {
            int(n)
            for here, n in zip(
                self.topology.torsion.atoms.tolist(),
                self.topology.torsion.parameters["n"],
                strict=True,
            )
            if tuple(here) in quartets or tuple(here[::-1]) in quartets
        }
        free = [n for n in range(1, 7) if n not in have]
        if not free:
            raise ValueError("this torsion has all periodicities from 1 to 6 already")
        before = len(self.topology.torsion)
        new = rows.with_torsions(self.topology, quartets.values(), free[0])
        name = rows.types(self.topology, every[0])
        self._push(f"Add n = {free[0]} to {name}", new, self.flags)
        return [("torsion", i) for i in range(before, before + len(quartets))]

    def remove_torsion(self, keys: Iterable[Key]) -> None:
        """Take out these torsion terms and those tied to them."""
        gone = {row for kind, row in self.tied(keys) if kind == "torsion"}
        if not gone:
            raise ValueError("choose the torsion term that is to go")
        keep = [i for i in range(len(self.topology.torsion)) if i not in gone]
        place = {old: new for new, old in enumerate(keep)}
        flags = {}
        for (kind, row), flag in self.flags.items():
            if kind != "torsion":
                flags[kind, row] = flag
            elif row in place:
                flags[kind, place[row]] = dataclasses.replace(flag, row=place[row])
        name = rows.types(self.topology, ("torsion", min(gone)))
        new = rows.with_rows(self.topology, "torsion", np.array(keep, dtype=int))
        self._push(f"Remove torsion {name}", new, flags)

    def set_flags(self, keys: Iterable[Key], text: str, **values) -> None:
        """Change fields of the flags of these rows (and, but for `tied`, of those tied)."""
        every = list(keys) if "tied" in values else self.tied(keys)
        flags = dict(self.flags)
        for key in every:
            flags[key] = dataclasses.replace(self.flag(key), **values)
        self._push(text, self.topology, flags)

    def set_bound(self, keys: Iterable[Key], side: str, name: str, value: float | None) -> None:
        """The low or high bound of a parameter for the refit, None for none."""
        flag = self.flag(next(iter(keys)))
        bounds = {k: v for k, v in getattr(flag, side).items() if k != name}
        if value is not None:
            bounds[name] = value
            low = bounds.get(name) if side == "low" else flag.low.get(name)
            high = bounds.get(name) if side == "high" else flag.high.get(name)
            if low is not None and high is not None and low >= high:
                raise ValueError("the lower bound must lie below the upper one")
        self.set_flags(keys, "Set bound", **{side: bounds})

    def _push(self, text: str, topology: Topology, flags: Flags) -> None:
        self.stack.push(EditParameters(self, text, topology, flags))


def same_terms(a: Topology, b: Topology) -> bool:
    """Whether two topologies give the same energies (what their terms are called plays no part)."""
    if a is b:
        return True
    pairs = [(getattr(a, n), getattr(b, n)) for n in ("charges", "epsilon", "rmin_half")]
    for kind, term in a.terms().items():
        other = b.terms()[kind]
        pairs.append((term.atoms, other.atoms))
        pairs += [(column, other.parameters[n]) for n, column in term.parameters.items()]
    return all(np.array_equal(x, y) for x, y in pairs)
