"""Hyper-parameters from names and values: types and ranges checked against the field's own form."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from core.forcefields.errors import ForceFieldError
from core.forcefields.info import Parameter

if TYPE_CHECKING:
    from core.forcefields.base import ForceField


def hyper_from(cls: type[ForceField], values: dict[str, Any]) -> Any:
    """`cls.Hyper` from names and values (numbers may come as text, from a command line).

    Raises ForceFieldError naming the parameter and what is allowed.
    """
    rows = {p.name: p for p in cls.parameters()}
    unknown = sorted(set(values) - set(rows))
    if unknown:
        known = ", ".join(rows) or "none"
        raise ForceFieldError(f"{cls.INFO.label} has no parameter {unknown[0]!r}; it has: {known}")
    return cls.Hyper(**{k: _checked(cls.INFO.label, rows[k], v) for k, v in values.items()})


def _checked(label: str, row: Parameter, value: Any) -> bool | int | float | str:
    """One value of the right type and in range."""
    result = _typed(row.kind, value)
    if result is None:
        raise ForceFieldError(
            f"{label}: {row.name} must be {_KINDS[row.kind]}{_range(row)}, not {value!r}"
        )
    if row.choices and result not in row.choices:
        raise ForceFieldError(
            f"{label}: {row.name} must be one of {', '.join(row.choices)}, not {value!r}"
        )
    low = row.low is not None and result < row.low
    high = row.high is not None and result > row.high
    if low or high:
        raise ForceFieldError(f"{label}: {row.name} is {result}, allowed is{_range(row)}")
    return result


_KINDS = {"bool": "true or false", "int": "a whole number", "float": "a number", "str": "text"}


def _typed(kind: str, value: Any) -> Any:
    """The value as `kind`, or None when it is not one."""
    if isinstance(value, np.generic):
        value = value.item()
    if kind == "str":
        if isinstance(value, int | float) and not isinstance(value, bool):
            return f"{value:g}"  # a command line takes "5" for a number
        return value if isinstance(value, str) else None
    if kind == "bool":
        words = {"true": True, "false": False, "yes": True, "no": False, "1": True, "0": False}
        return value if isinstance(value, bool) else words.get(str(value).strip().lower())
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except ValueError:
        return None
    if not math.isfinite(number):
        return None
    if kind == "int":
        return int(number) if number == int(number) else None
    return number


def _range(row: Parameter) -> str:
    unit = f" {row.unit}" if row.unit else ""
    if row.low is not None and row.high is not None:
        return f" from {row.low:g} to {row.high:g}{unit}"
    if row.low is not None:
        return f" of at least {row.low:g}{unit}"
    return f" of at most {row.high:g}{unit}" if row.high is not None else ""
