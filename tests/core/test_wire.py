"""Packing records into trees and checking them on the way back."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest

from core.analyses.surface import Axis, SurfaceSpec
from core.dataset import Dataset, Split
from core.fieldref import FieldRef
from core.molecule import Molecule
from core.wire import MAX_DEPTH, TAG, WireError, pack, unpack, wire

WATER = Molecule("water", [8, 1, 1], [[0.0, 0, 0], [0.96, 0, 0], [-0.24, 0.93, 0]])


@wire
@dataclass(frozen=True, eq=False)
class Everything:
    """One field of every kind that travels."""

    flag: bool = True
    count: int = 3
    value: float = 0.5
    text: str = "x"
    maybe: float | None = None
    either: bool | int | float | str = 1
    pair: tuple[int, float] = (1, 2.0)
    many: tuple[str, ...] = ()
    listed: list[int] = field(default_factory=list)
    table: dict[str, np.ndarray] = field(default_factory=dict)
    inner: FieldRef | None = None
    array: np.ndarray | None = None


def same(a: object, b: object) -> bool:
    """Equal values of equal types, arrays bit by bit."""
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    if type(a) is not type(b):
        return False
    if hasattr(a, "__dataclass_fields__"):
        return all(same(getattr(a, n), getattr(b, n)) for n in a.__dataclass_fields__)
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[k], b[k]) for k in a)  # type: ignore[index]
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))  # type: ignore[arg-type]
    return a == b or (a != a and b != b)


def random_record(rng: np.random.Generator) -> Everything:
    numbers = [True, False, 0, -1, 2**40, 0.0, -0.0, 1e300, float("inf"), float("nan"), "", "Å"]
    arrays = [rng.normal(size=rng.integers(0, 4, size=d)) for d in range(4)]
    return Everything(
        flag=bool(rng.integers(2)),
        count=int(rng.integers(-(2**62), 2**62)),
        value=float(rng.normal()),
        text="".join(map(chr, rng.integers(1, 0xD7FF, size=5))),
        maybe=None if rng.integers(2) else float(rng.normal()),
        either=numbers[rng.integers(len(numbers))],  # type: ignore[arg-type]
        pair=(int(rng.integers(9)), float(rng.normal())),
        many=tuple("abc"[: rng.integers(4)]),
        listed=[int(i) for i in rng.integers(0, 9, size=3)],
        table={str(i): np.asarray(a) for i, a in enumerate(arrays)},
        inner=FieldRef("k", hyper={"a": True, "b": 1, "c": 0.5}) if rng.integers(2) else None,
        array=None if rng.integers(2) else rng.integers(0, 2, size=4).astype(bool),
    )


@pytest.mark.parametrize("seed", range(60))
def test_round_trip(seed: int) -> None:
    record = random_record(np.random.default_rng(seed))
    assert same(unpack(pack(record), Everything), record)
    assert same(unpack(pack(record)), record), "without being told the class"


def test_round_trip_of_the_seam_records() -> None:
    positions = np.stack([WATER.positions] * 4)
    records = [
        WATER,
        Dataset("d", WATER, positions, np.arange(4.0), tags={"phi": np.arange(4.0)}),
        Split(np.array([0, 1]), np.array([2]), np.array([3])),
        SurfaceSpec(WATER, (Axis((0, 1, 2, 3), 0.0, 6.0, 9),), (FieldRef("uff"),)),
    ]
    for record in records:
        assert same(unpack(pack(record), type(record)), record)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"count": 1.5}, "Everything.count: expected int, got float"),
        ({"count": True}, "Everything.count: expected int, got bool"),
        ({"flag": 1}, "Everything.flag: expected bool"),
        ({"value": True}, "Everything.value: expected float"),
        ({"value": "1"}, "Everything.value: expected float"),
        ({"text": None}, "Everything.text: expected str"),
        ({"pair": [1]}, "expected 2 values, got 1"),
        ({"pair": "ab"}, "expected a list"),
        ({"many": [1]}, r"Everything.many\[0\]: expected str"),
        ({"table": {"a": [1, 2]}}, "Everything.table.a: expected an array"),
        ({"table": {1: np.zeros(1)}}, "keys are not text"),
        ({"table": {TAG: "FieldRef", "key": "x"}}, "expected a table"),
        ({"array": np.array(["a"])}, "arrays of str"),
        ({"array": np.array([None])}, "arrays of object"),
        ({"inner": {TAG: "FieldRef", "key": 3}}, "FieldRef.key: expected str"),
        ({"inner": {TAG: "Axis"}}, "expected FieldRef, got Axis"),
        ({"inner": {TAG: "subprocess.Popen"}}, "unknown record"),
        ({"inner": {TAG: "FieldRef"}}, "missing"),
        ({"new": 1}, "unknown field 'new'"),
        ({TAG: 5}, "expected a Everything"),
        ({b"x": 1}, "keys are not text"),
    ],
)
def test_a_field_that_does_not_fit_is_named(change: dict, reason: str) -> None:
    with pytest.raises(WireError, match=reason):
        unpack({**pack(Everything()), **change}, Everything)


def test_checks_of_the_record_itself_are_wire_errors() -> None:
    tree = pack(WATER)
    tree["numbers"] = np.array([8, 1, 999])
    with pytest.raises(WireError, match="Molecule: atom 3 has atomic number 999"):
        unpack(tree)


def test_depth_is_bounded() -> None:
    tree: object = None
    for _ in range(MAX_DEPTH + 2):
        tree = [tree]
    with pytest.raises(WireError, match="nested deeper"):
        unpack(tree)


def test_the_error_of_the_fitting_option_is_told() -> None:
    with pytest.raises(WireError, match=r"FieldRef\.key"):
        unpack({TAG: "FieldRef", "key": 1}, Axis | FieldRef | None)


def test_only_frozen_dataclasses_of_unique_name_travel() -> None:
    class Plain:
        pass

    @dataclass
    class Thawed:
        pass

    for cls in (Plain, Thawed):
        with pytest.raises(TypeError, match="frozen"):
            wire(cls)
    other = dataclass(frozen=True)(type("FieldRef", (), {"__module__": "elsewhere"}))
    with pytest.raises(TypeError, match="two classes named FieldRef"):
        wire(other)


def test_an_unmarked_dataclass_cannot_be_packed() -> None:
    @dataclass(frozen=True)
    class Unmarked:
        pass

    with pytest.raises(WireError, match="not marked"):
        pack(Unmarked())
