"""Which force field a job should use, as data."""

from __future__ import annotations

from dataclasses import dataclass, field

from core.wire import wire


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
