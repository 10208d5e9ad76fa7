"""Frames: 4 bytes of length (big endian), then msgpack of a packed record.

Arrays travel as msgpack extension 1: dtype index (u8), number of axes (u8), the axes (u64 each),
then the bytes in C order, little endian. Every size is checked before memory is taken for it.
"""

from __future__ import annotations

import math
import struct
import sys
from collections.abc import Callable
from typing import Any

import msgpack
import numpy as np

from core.engine.errors import EngineError
from core.wire import DTYPES, MAX_ITEMS, WireError, pack, unpack

MAX_FRAME = 256 * 2**20
LENGTH = struct.Struct(">I")
ARRAY = 1
MAX_AXES = 16
CHUNK = 2**20


class FrameTooLarge(EngineError):
    """A record that does not fit into one frame."""


class Truncated(EngineError):
    """The stream ended inside a frame: the other side died while it wrote."""


def encode(record: Any, *, max_frame: int = MAX_FRAME) -> bytes:
    """A record as a whole frame. Raises EngineError when it cannot travel or is too large."""
    try:
        tree = pack(record)
        least = _array_bytes(tree)
        if least > max_frame:  # found out before all of it is copied, twice
            raise _too_large(record, least, max_frame)
        body = msgpack.packb(
            tree, default=_extend, use_bin_type=True, unicode_errors="surrogatepass"
        )
    except (WireError, ValueError, TypeError, OverflowError, RecursionError) as error:
        raise EngineError(f"{type(record).__name__} cannot be sent: {error}") from error
    if len(body) > max_frame:
        raise _too_large(record, len(body), max_frame)
    return LENGTH.pack(len(body)) + body


def _too_large(record: Any, size: int, max_frame: int) -> FrameTooLarge:
    return FrameTooLarge(
        f"{type(record).__name__} takes {size / 2**20:.0f} MB, "
        f"the limit of one message is {max_frame / 2**20:.0f} MB"
    )


def _array_bytes(tree: Any) -> int:
    """Bytes of the arrays in a packed tree."""
    if isinstance(tree, np.ndarray):
        return tree.nbytes
    if isinstance(tree, dict):
        return sum(map(_array_bytes, tree.values()))
    return sum(map(_array_bytes, tree)) if isinstance(tree, list) else 0


def decode(body: bytes | bytearray, kind: Any = Any) -> Any:
    """The record in a frame's body, checked to be a `kind`. Raises EngineError."""
    try:
        tree = msgpack.unpackb(
            body,
            raw=False,
            use_list=False,
            strict_map_key=True,
            ext_hook=_array,
            unicode_errors="surrogatepass",
            max_array_len=min(MAX_ITEMS, len(body)),
            max_map_len=min(MAX_ITEMS, len(body)),
        )
        return unpack(tree, kind)
    except (
        WireError,
        ValueError,  # FormatError, StackError, UnicodeDecodeError, too long
        TypeError,
        OverflowError,
        RecursionError,
        msgpack.exceptions.UnpackException,
    ) as error:
        text = str(error) or type(error).__name__
        raise EngineError(f"an ill-formed message: {text[:300]}") from error


def read_frame(
    read: Callable[[int], bytes | None], *, max_frame: int = MAX_FRAME
) -> bytearray | None:
    """The next frame's body from `read(n)` (up to n bytes, b"" at the end); None at the end.

    Raises EngineError on a frame that is empty, over `max_frame` or cut short.
    """
    head = _exactly(read, LENGTH.size)
    if not head:
        return None
    if len(head) < LENGTH.size:
        raise Truncated("the connection ended inside a message")
    (size,) = LENGTH.unpack(head)
    if not 0 < size <= max_frame:
        raise EngineError(f"a message of {size} bytes; the limit is {max_frame}")
    body = _exactly(read, size)
    if len(body) < size:
        raise Truncated("the connection ended inside a message")
    return body


def _exactly(read: Callable[[int], bytes | None], size: int) -> bytearray:
    # grows with what arrives: a length that lies cannot make us allocate
    data = bytearray()
    while len(data) < size:
        piece = read(min(CHUNK, size - len(data)))
        if not piece:
            break
        data += piece
    return data


def _extend(value: Any) -> msgpack.ExtType:
    if not isinstance(value, np.ndarray):
        raise WireError(f"a {type(value).__name__} cannot travel")
    if value.dtype.name not in DTYPES:
        raise WireError(f"arrays of {value.dtype.name} cannot travel")
    if value.ndim > MAX_AXES:
        raise WireError(f"an array of {value.ndim} axes cannot travel")
    data = np.ascontiguousarray(value)
    if data.dtype.byteorder == ">" or (sys.byteorder == "big" and data.dtype.byteorder == "="):
        data = data.astype(data.dtype.newbyteorder("<"))
    head = struct.pack(
        f"<BB{value.ndim}Q", DTYPES.index(value.dtype.name), value.ndim, *value.shape
    )
    return msgpack.ExtType(ARRAY, head + data.tobytes())


def _array(code: int, data: bytes) -> np.ndarray:
    if code != ARRAY:
        raise WireError(f"unknown extension {code}")
    if len(data) < 2 or data[0] >= len(DTYPES) or data[1] > MAX_AXES:
        raise WireError("an array with an unknown type or too many axes")
    axes, start = data[1], 2 + 8 * data[1]
    if len(data) < start:
        raise WireError("an array without its shape")
    shape = struct.unpack_from(f"<{axes}Q", data, 2)
    dtype = np.dtype(DTYPES[data[0]]).newbyteorder("<")
    if math.prod(shape) * dtype.itemsize != len(data) - start or max(shape, default=0) > 2**40:
        raise WireError(f"an array of shape {shape} with {len(data) - start} bytes")
    flat = np.frombuffer(data, dtype=dtype, offset=start).reshape(shape)
    if dtype.name == "bool" and flat.view(np.uint8).max(initial=0) > 1:
        raise WireError("a truth value that is neither true nor false")
    return flat.astype(dtype.newbyteorder("="))  # a copy: aligned, writable, on its own
