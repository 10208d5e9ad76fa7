"""Which force field a job should use, as data."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any

from core.wire import wire

#: Force fields that import and run code a person names. A test holds this to the sources.
NAMED_CODE = ("ase-calculator",)


@wire
@dataclass(frozen=True)
class FieldRef:
    """A force field by name.

    key: its INFO.key. model: path of a saved fit, empty for untrained fields. hyper: values that
    differ from the defaults. dataset: path of a saved Dataset, for `reference`. label: what a
    person calls it (legend, table row); empty = the field's own label.
    """

    key: str
    model: str = ""
    hyper: dict[str, bool | int | float | str] = field(default_factory=dict)
    dataset: str = ""
    label: str = ""


def runs_named_code(spec: Any) -> str:
    """What code a job would run by name, as a person should read it; "" when there is none.

    Look before a spec that was not made by this person just now is run: a project may come from
    a stranger, and an ASE calculator is any class with any arguments (some run shell commands).
    """
    found = dict.fromkeys(_named(spec))
    return "; ".join(found)


def _named(value: Any) -> list[str]:
    if isinstance(value, list | tuple):
        return [text for each in value for text in _named(each)]
    if isinstance(value, dict):
        return [text for each in value.values() for text in _named(each)]
    if not dataclasses.is_dataclass(value):
        return []
    rows = [
        text for f in dataclasses.fields(value) for text in _named(getattr(value, f.name, None))
    ]
    if getattr(value, "key", "") in NAMED_CODE:
        hyper = getattr(value, "hyper", None) or {}
        path = hyper.get("path") or getattr(value, "model", "") or "the default calculator"
        rows.append(f"{path} with the arguments {hyper.get('arguments') or 'none'}")
    return rows
