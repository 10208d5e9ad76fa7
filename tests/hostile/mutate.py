"""Break bytes in ways that files break, reproducibly."""

from __future__ import annotations

import io
import re
import zipfile
import zlib

import numpy as np

NUMBERS = (
    b"nan", b"inf", b"-inf", b"1e999", b"-1e300", b"1e30", b"999999999999", b"-1", b"0", b"1_000",
    b"0x10", b"", b"abc", b"1.2.3", b"\xc3\xa9", b"\xff\xfe", b"--5", b"1e", b"9" * 400,
)  # fmt: skip


def mutate(data: bytes, rng: np.random.Generator) -> bytes:
    """One to three random mutations."""
    for _ in range(int(rng.integers(1, 4))):
        data = KINDS[int(rng.integers(len(KINDS)))](data, rng)
    return data


def _at(data: bytes, rng: np.random.Generator) -> int:
    return int(rng.integers(max(1, len(data))))


def cut(data: bytes, rng: np.random.Generator) -> bytes:
    """The copy stopped half-way."""
    return data[: _at(data, rng)]


def flip(data: bytes, rng: np.random.Generator) -> bytes:
    """A few damaged bytes."""
    out = bytearray(data)
    for _ in range(int(rng.integers(1, 9)) if out else 0):
        out[_at(data, rng)] = int(rng.integers(256))
    return bytes(out)


def drop(data: bytes, rng: np.random.Generator) -> bytes:
    """A piece is missing."""
    start = _at(data, rng)
    return data[:start] + data[start + int(rng.integers(1, 40)) :]


def repeat(data: bytes, rng: np.random.Generator) -> bytes:
    """A piece stands there twice."""
    start = _at(data, rng)
    piece = data[start : start + int(rng.integers(1, 200))]
    return data[:start] + piece * int(rng.integers(2, 6)) + data[start:]


def number(data: bytes, rng: np.random.Generator) -> bytes:
    """Another number, or none, where a number was."""
    found = list(re.finditer(rb"-?\d+(?:\.\d+)?", data))
    if not found:
        return flip(data, rng)
    match = found[int(rng.integers(len(found)))]
    return data[: match.start()] + NUMBERS[int(rng.integers(len(NUMBERS)))] + data[match.end() :]


def line(data: bytes, rng: np.random.Generator) -> bytes:
    """A line is lost, doubled, swapped or emptied."""
    lines = data.split(b"\n")
    k, j = (int(rng.integers(len(lines))) for _ in range(2))
    how = int(rng.integers(4))
    if how == 0:
        del lines[k]
    elif how == 1:
        lines.insert(k, lines[j])
    elif how == 2:
        lines[k], lines[j] = lines[j], lines[k]
    else:
        lines[k] = b""
    return b"\n".join(lines)


def word(data: bytes, rng: np.random.Generator) -> bytes:
    """A column is lost, doubled or replaced."""
    words = re.split(rb"( +)", data)
    k = int(rng.integers(len(words)))
    words[k] = (b"", words[k] * 2, words[k] + b" 1.0", b"\0", b"Xx", b"\t", b"=")[
        int(rng.integers(7))
    ]
    return b"".join(words)


KINDS = (cut, flip, drop, repeat, number, number, line, line, word)


def mutate_member(data: bytes, rng: np.random.Generator) -> bytes:
    """A zip whose archive is whole and one of whose members is broken."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as source:
            members = {i.filename: source.read(i) for i in source.infolist()}
    except (zipfile.BadZipFile, zlib.error):
        return data
    name = sorted(members)[int(rng.integers(len(members)))]
    how = int(rng.integers(5))
    if how == 0:
        del members[name]
    elif how == 1:
        members[name] = members[sorted(members)[int(rng.integers(len(members)))]]
    elif how == 2:
        member = bytearray(members[name])
        for _ in range(3):  # the header, where the shape and type stand
            member[int(rng.integers(min(len(member), 120)))] = int(rng.integers(32, 127))
        members[name] = bytes(member)
    elif how == 3:
        head, body = members[name][:128], bytearray(members[name][128:])
        for _ in range(min(3, len(body))):
            body[int(rng.integers(len(body)))] = 0xFF
        members[name] = head + bytes(body)
    else:
        members[name] = mutate(members[name], rng)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as out:
        for key, value in members.items():
            out.writestr(key, value)
    return buffer.getvalue()
