"""Turn frozen dataclasses into plain trees and back, checking every field on the way in.

The engine's frames (msgpack) and the project's files (npz + JSON) both speak these trees. Only
classes marked with `@wire` can be made, so a stranger's file or frame can name nothing else.
"""

from __future__ import annotations

import dataclasses
import functools
import types
import typing
from typing import Any, TypeVar

import numpy as np

T = TypeVar("T")
TAG = "!"  # the key that holds a class name in a tree
MAX_DEPTH = 24
MAX_ITEMS = 262_144  # of one list or table; more numbers than that belong into an array
DTYPES = ("float64", "float32", "int64", "int32", "bool", "uint8")

_CLASSES: dict[str, type] = {}


class WireError(ValueError):
    """A tree that is not what it says it is."""


def wire(cls: type[T]) -> type[T]:
    """Class decorator: let this frozen dataclass travel. The class name must be unique."""
    if not dataclasses.is_dataclass(cls) or not cls.__dataclass_params__.frozen:  # type: ignore[attr-defined]
        raise TypeError(f"{cls.__name__} must be a frozen dataclass to travel")
    other = _CLASSES.get(cls.__name__)
    if other is not None and other.__module__ != cls.__module__:
        raise TypeError(f"two classes named {cls.__name__}: {other.__module__}, {cls.__module__}")
    _CLASSES[cls.__name__] = cls
    return cls


def pack(value: Any) -> Any:
    """Value -> tree of dict, list, str, int, float, bool, None and numpy arrays."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        name = type(value).__name__
        if _CLASSES.get(name) is not type(value):
            raise WireError(f"{name} is not marked with @wire")
        tree: dict[str, Any] = {TAG: name}
        for field in dataclasses.fields(value):
            tree[field.name] = pack(getattr(value, field.name))
        return tree
    if isinstance(value, np.ndarray):
        if value.dtype.name not in DTYPES:
            raise WireError(f"arrays of {value.dtype.name} cannot travel")
        return value
    if isinstance(value, np.generic):
        plain = value.item()
        if isinstance(plain, np.generic):  # longdouble has no plain form
            raise WireError(f"a {type(value).__name__} cannot travel")
        return pack(plain)
    if value is None or isinstance(value, bool | float | str):
        return value
    if isinstance(value, int):
        if not -(2**63) <= value < 2**63:
            raise WireError(f"{value} is too large for an integer")
        return value
    if isinstance(value, list | tuple | dict) and len(value) > MAX_ITEMS:
        raise WireError(f"a list of {len(value)} values cannot travel, an array could")
    if isinstance(value, list | tuple):
        return [pack(v) for v in value]
    if isinstance(value, dict):
        if any(not isinstance(k, str) or k == TAG for k in value):
            raise WireError("only dictionaries with text keys can travel")
        return {k: pack(v) for k, v in value.items()}
    raise WireError(f"a {type(value).__name__} cannot travel")


def unpack(tree: Any, kind: Any = Any) -> Any:
    """Tree -> value of type `kind`. Raises WireError naming the field that does not fit."""
    return _unpack(tree, kind, where="", depth=0)


@functools.cache
def _hints(cls: type) -> dict[str, Any]:
    return typing.get_type_hints(cls)


def _unpack(tree: Any, kind: Any, *, where: str, depth: int) -> Any:
    if depth > MAX_DEPTH:
        raise WireError(f"{where or 'the tree'} is nested deeper than {MAX_DEPTH}")
    origin = typing.get_origin(kind)
    if origin in (typing.Union, types.UnionType):
        return _union(tree, kind, where=where, depth=depth)
    if kind is Any:
        return _untyped(tree, where=where, depth=depth)
    if dataclasses.is_dataclass(kind):
        return _record(tree, kind, where=where, depth=depth)
    if kind is np.ndarray or origin is np.ndarray:
        return _array(tree, where=where)
    if origin is list:
        return list(_tuple(tree, (*typing.get_args(kind), ...), where=where, depth=depth))
    if origin is tuple:
        return _tuple(tree, typing.get_args(kind), where=where, depth=depth)
    if origin is dict:
        if not isinstance(tree, dict):
            raise WireError(f"{where}: expected a table")
        inner = typing.get_args(kind)[1]
        _text_keys(tree, where=where)
        if TAG in tree:
            raise WireError(f"{where}: expected a table, got {tree[TAG]!r}")
        return {
            k: _unpack(v, inner, where=f"{where}.{k}", depth=depth + 1) for k, v in tree.items()
        }
    if kind is float and isinstance(tree, int | float) and not isinstance(tree, bool):
        return float(tree)
    if kind in (int, str, bool) and type(tree) is kind:
        return tree
    if kind is type(None) and tree is None:
        return None
    name = getattr(kind, "__name__", str(kind))
    raise WireError(f"{where or 'value'}: expected {name}, got {type(tree).__name__}")


def _union(tree: Any, kind: Any, *, where: str, depth: int) -> Any:
    options = typing.get_args(kind)
    if isinstance(tree, dict) and isinstance(tree.get(TAG), str):
        # a record says itself which option it is; its own error is the one worth telling
        cls = _CLASSES.get(tree[TAG])
        fitting = [o for o in options if isinstance(o, type) and cls and issubclass(cls, o)]
        options = tuple(fitting) or options
    problem: WireError | None = None
    for option in options:
        try:
            return _unpack(tree, option, where=where, depth=depth)
        except WireError as error:
            problem = problem if option is type(None) and problem else error
    raise problem or WireError(f"{where}: nothing fits")


def _untyped(tree: Any, *, where: str, depth: int) -> Any:
    if isinstance(tree, dict):
        if TAG in tree:
            return _record(tree, None, where=where, depth=depth)
        _text_keys(tree, where=where)
        return {k: _unpack(v, Any, where=f"{where}.{k}", depth=depth + 1) for k, v in tree.items()}
    if isinstance(tree, list | tuple):
        return tuple(_unpack(v, Any, where=f"{where}[]", depth=depth + 1) for v in tree)
    if isinstance(tree, np.ndarray):
        return _array(tree, where=where)
    if tree is None or isinstance(tree, bool | int | float | str):
        return tree
    raise WireError(f"{where}: a {type(tree).__name__} cannot travel")


def _record(tree: Any, kind: Any, *, where: str, depth: int) -> Any:
    if not isinstance(tree, dict) or not isinstance(tree.get(TAG), str):
        raise WireError(f"{where or 'value'}: expected a {getattr(kind, '__name__', 'record')}")
    cls = _CLASSES.get(tree[TAG])
    if cls is None:
        raise WireError(f"{where or 'value'}: unknown record {tree[TAG]!r}")
    if kind is not None and not issubclass(cls, kind):
        raise WireError(f"{where or 'value'}: expected {kind.__name__}, got {cls.__name__}")
    _text_keys(tree, where=where)
    fields = {f.name: f for f in dataclasses.fields(cls)}
    unknown = sorted(set(tree) - set(fields) - {TAG})
    if unknown:
        raise WireError(f"{cls.__name__}: unknown field {unknown[0]!r}")
    hints = _hints(cls)
    values = {
        name: _unpack(tree[name], hints[name], where=f"{cls.__name__}.{name}", depth=depth + 1)
        for name in fields
        if name in tree
    }
    try:
        return cls(**values)
    except WireError:
        raise
    except (TypeError, ValueError) as error:
        raise WireError(f"{cls.__name__}: {error}") from error


def _text_keys(tree: dict, *, where: str) -> None:
    if any(type(k) is not str for k in tree):
        raise WireError(f"{where or 'value'}: a table whose keys are not text")


def _array(tree: Any, *, where: str) -> np.ndarray:
    if not isinstance(tree, np.ndarray):
        raise WireError(f"{where}: expected an array, got {type(tree).__name__}")
    if tree.dtype.name not in DTYPES:
        raise WireError(f"{where}: arrays of {tree.dtype.name} are not accepted")
    return tree


def _tuple(tree: Any, inner: tuple, *, where: str, depth: int) -> tuple:
    if not isinstance(tree, list | tuple):
        raise WireError(f"{where}: expected a list, got {type(tree).__name__}")
    if len(inner) == 2 and inner[1] is Ellipsis:
        inner = (inner[0],) * len(tree)
    if len(inner) != len(tree):
        raise WireError(f"{where}: expected {len(inner)} values, got {len(tree)}")
    return tuple(
        _unpack(v, k, where=f"{where}[{i}]", depth=depth + 1)
        for i, (v, k) in enumerate(zip(tree, inner, strict=True))
    )
