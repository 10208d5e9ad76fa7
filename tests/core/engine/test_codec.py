"""Frames: whatever arrives is a checked record or a clean EngineError."""

from __future__ import annotations

import io
import math
import struct
import tracemalloc

import msgpack
import numpy as np
import pytest

from core.analyses.dynamics import DynamicsSpec
from core.engine import codec
from core.engine.errors import EngineError
from core.engine.events import Event
from core.engine.messages import CancelJob, FromWorker, Hello, RunJob, ToWorker
from core.fieldref import FieldRef
from core.molecule import Molecule
from core.wire import DTYPES

WATER = Molecule("water", [8, 1, 1], [[0.0, 0, 0], [0.96, 0, 0], [-0.24, 0.93, 0]])


def body(record: object) -> bytes:
    return codec.encode(record)[codec.LENGTH.size :]


def frame(data: bytes) -> bytes:
    return codec.LENGTH.pack(len(data)) + data


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 0, 3), (2, 3, 4)])
def test_arrays_arrive_as_they_left(dtype: str, shape: tuple[int, ...]) -> None:
    array = np.asarray(np.random.default_rng(1).normal(size=shape) * 100).astype(dtype)
    event = Event("j", 0, 1.5, "frame", 0.25, {"a": array, "t": np.asfortranarray(array).T})
    back = codec.decode(body(event), FromWorker)
    for name in ("a", "t"):
        np.testing.assert_array_equal(back.payload[name], event.payload[name])
        assert back.payload[name].dtype == array.dtype
        assert back.payload[name].shape == event.payload[name].shape
        assert back.payload[name].flags.writeable


def test_numbers_and_text_arrive_as_they_left() -> None:
    payload = {
        "nan": math.nan,
        "inf": -math.inf,
        "big": 2**63 - 1,
        "small": -(2**63),
        "text": "Å é 漢 🧪",
        "file": b"caf\xe9.xyz".decode("utf-8", "surrogateescape"),
        "none": None,
        "flags": (True, False),
        "nested": {"a": {"b": (1, 2.5, "c")}},
        "numpy": np.float64(0.1),
    }
    back = codec.decode(body(Event("j", 0, 0.0, "frame", 0.0, payload)), FromWorker).payload
    assert math.isnan(back.pop("nan"))
    payload.pop("nan")
    assert back == payload
    assert type(back["numpy"]) is float


def test_specs_arrive_as_they_left() -> None:
    spec = DynamicsSpec(WATER, FieldRef("uff", hyper={"a": 1, "b": True, "c": 0.5, "d": "x"}))
    back = codec.decode(body(RunJob("job-1", spec, "cpu")), ToWorker).spec
    assert back.field == spec.field
    assert [type(v) for v in back.field.hyper.values()] == [int, bool, float, str]
    np.testing.assert_array_equal(back.molecule.positions, WATER.positions)


@pytest.mark.parametrize(
    "payload",
    [
        {"a": {1, 2}},
        {"a": b"bytes"},
        {1: 2},
        {"!": "Molecule"},
        {"a": 2**63},
        {"a": np.array([object()])},
        {"a": np.array(["text"])},
        {"a": np.zeros(3, dtype=np.complex128)},
        {"a": np.longdouble(1)},
        {"a": [0] * 300_000},
        {"a": np.zeros((1,) * 20)},
    ],
)
def test_what_cannot_travel_is_refused_by_the_sender(payload: dict) -> None:
    with pytest.raises(EngineError, match=r"cannot|only dictionaries|too large"):
        codec.encode(Event("j", 0, 0.0, "frame", 0.0, payload))


def test_a_frame_over_the_limit_is_refused_by_the_sender() -> None:
    event = Event("j", 0, 0.0, "frame", 0.0, {"a": np.zeros(1000)})
    with pytest.raises(codec.FrameTooLarge, match="limit of one message"):
        codec.encode(event, max_frame=4000)


def array(head: bytes, data: bytes = b"", code: int = codec.ARRAY) -> bytes:
    return msgpack.packb(msgpack.ExtType(code, head + data))


F8 = struct.pack("<BBQ", 0, 1, 2)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xc1",
        b"\x93\x01\x02",  # a list cut short
        b"\xdd\xff\xff\xff\xff",  # a list of 4 billion
        b"\xdf\xff\xff\xff\xff",
        b"\xc6\xff\xff\xff\xffabc",
        b"\x91" * 100_000,  # nested without end
        b"\x81\xa1!" * 1000 + b"\xc0",
        msgpack.packb({"!": "Event"}),
        msgpack.packb({"!": "Event", b"job": "x"}),
        msgpack.packb({b"!": "CancelJob", "job": "x"}),
        msgpack.packb({"!": ["CancelJob"], "job": "x"}),
        msgpack.packb({"!": "CancelJob", "job": 3}),
        msgpack.packb({"!": "CancelJob", "job": "x", "more": 1}),
        msgpack.packb({"!": "CancelJob"}),
        msgpack.packb({"!": "object"}),
        msgpack.packb({"!": "Popen", "args": "ls"}),
        msgpack.packb({"!": "Molecule", "name": "x", "numbers": [], "positions": []}),
        msgpack.packb(7),
        msgpack.packb(None),
        msgpack.packb(msgpack.Timestamp(0)),
        msgpack.packb({"!": "CancelJob", "job": "x"}) + b"\x00",
        b"\x81\xa1!\xa5\xff\xfe\xfd\xfc\xfb",
        array(b""),
        array(b"\x00"),
        array(F8, b"\x00" * 15),
        array(F8, b"\x00" * 17),
        array(struct.pack("<BBQ", 9, 1, 2), b"\x00" * 16),
        array(struct.pack("<BB", 0, 200)),
        array(struct.pack("<BBQQ", 0, 2, 2**63, 2)),
        array(struct.pack("<BBQQ", 0, 2, 0, 2**62)),
        array(struct.pack("<BBQ", 4, 1, 2), b"\x01\x07"),
        array(F8, b"\x00" * 16, code=2),
    ],
)
def test_ill_formed_bodies_are_refused(data: bytes) -> None:
    with pytest.raises(EngineError):
        codec.decode(data, ToWorker)


def test_random_mutations_never_surprise() -> None:
    """600 damaged bodies: each gives a record of the right kind or an EngineError."""
    rng = np.random.default_rng(7)
    spec = DynamicsSpec(WATER, FieldRef("uff"))
    sources = [
        body(RunJob("job-1", spec, "cpu")),
        body(CancelJob("job-1")),
        body(Event("j", 3, 1.0, "curve", 0.5, {"x": np.arange(4.0), "name": "loss"})),
        body(Hello(1, {"torch": "2"}, {"cpu": "x"})),
    ]
    refused = 0
    for i in range(600):
        data = bytearray(sources[i % len(sources)])
        for _ in range(int(rng.integers(1, 6))):
            at = int(rng.integers(len(data)))
            what = rng.integers(4)
            if what == 0:
                data[at] = int(rng.integers(256))
            elif what == 1:
                del data[at : at + int(rng.integers(1, 9))]
            elif what == 2:
                data[at:at] = rng.bytes(int(rng.integers(1, 9)))
            else:
                data[at] ^= 1 << int(rng.integers(8))
            if not data:
                data = bytearray(b"\x00")
        try:
            record = codec.decode(data, ToWorker | FromWorker)
            assert isinstance(record, ToWorker | FromWorker)
        except EngineError:
            refused += 1
    assert refused > 300


def reader(data: bytes):
    return io.BytesIO(data).read


def test_frames_are_read_one_after_the_other() -> None:
    read = reader(frame(b"one") + frame(b"three"))
    assert codec.read_frame(read) == b"one"
    assert codec.read_frame(read) == b"three"
    assert codec.read_frame(read) is None


def test_frames_arrive_in_any_pieces() -> None:
    stream = io.BytesIO(frame(b"x" * 100))
    assert codec.read_frame(lambda n: stream.read(min(n, 3))) == b"x" * 100


@pytest.mark.parametrize("cut", [1, 3, 4, 5, 10])
def test_truncated_frames_are_refused(cut: int) -> None:
    with pytest.raises(codec.Truncated):
        codec.read_frame(reader(frame(b"x" * 10)[:cut]))


def test_lengths_are_checked_before_memory_is_taken() -> None:
    for size in (0, codec.MAX_FRAME + 1, 2**32 - 1):
        with pytest.raises(EngineError, match="limit"):
            codec.read_frame(reader(codec.LENGTH.pack(size) + b"x"))
    tracemalloc.start()
    with pytest.raises(codec.Truncated):
        codec.read_frame(reader(codec.LENGTH.pack(codec.MAX_FRAME) + b"x"))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 10 * codec.CHUNK
