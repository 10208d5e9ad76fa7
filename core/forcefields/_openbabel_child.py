"""Open Babel in a process of its own: one molecule, then geometries, over pipes.

Open Babel is under the GPL and its force fields are shared by everything in a process, so this
file is run by itself (`python -P THIS FILE`) and imports only the standard library and openbabel.
A message, both ways: two unsigned 32-bit integers (sizes in bytes, little-endian), JSON in UTF-8,
then float64 little-endian. It ends when its input ends, as it does when the parent dies.

{"setup": FORCE FIELD, "numbers", "charges" (formal), "bonds": [[i, j, order], …]} + positions (N,3)
    -> {"unit", "types": [N texts], "partial": [N], "missing": [what had no parameters]}
{"count": B} + positions (B,N,3) Å -> {"count": B} + energies (B,) and forces (B,N,3), in `unit`
What goes wrong -> {"error": TEXT}.
"""

from __future__ import annotations

import json
import os
import re
import struct
import sys
import tempfile
from array import array
from typing import IO, Any

SIZES = struct.Struct("<II")
MAX_BYTES = 1 << 30  # of one part; damage, if larger
MISSING = re.compile(r"COULD NOT FIND PARAMETERS FOR (\w+) ([\w-]+)")


def send(stream: IO[bytes], message: dict[str, Any], numbers: bytes = b"") -> None:
    """Write one message. Raises OSError when nobody reads any more."""
    text = json.dumps(message).encode()
    stream.write(SIZES.pack(len(text), len(numbers)) + text + numbers)
    stream.flush()


def receive(stream: IO[bytes]) -> tuple[dict[str, Any], bytes]:
    """Read one message. Raises EOFError at the end, ValueError for what is none."""
    first, second = SIZES.unpack(_exactly(stream, SIZES.size))
    if max(first, second) > MAX_BYTES:
        raise ValueError(f"a message of {first} and {second} bytes")
    message = json.loads(_exactly(stream, first))
    if not isinstance(message, dict):
        raise ValueError("a message that is no object")
    return message, _exactly(stream, second)


def _exactly(stream: IO[bytes], size: int) -> bytes:
    data = stream.read(size)
    if len(data) < size:
        raise EOFError("the pipe has ended")
    return data


class _Field:
    """A molecule with an Open Babel force field set up for it."""

    def __init__(self, ask: dict[str, Any], positions: array[float]) -> None:
        from openbabel import openbabel as ob

        self.ff = ob.OBForceField.FindForceField(ask["setup"])
        if self.ff is None:
            raise ValueError(f"Open Babel has no force field {ask['setup']}")
        self.mol = ob.OBMol()
        self.mol.BeginModify()
        for i, (z, charge) in enumerate(zip(ask["numbers"], ask["charges"], strict=True)):
            atom = self.mol.NewAtom()
            atom.SetAtomicNum(z)
            atom.SetFormalCharge(charge)
            atom.SetVector(*positions[3 * i : 3 * i + 3])
        for i, j, order in ask["bonds"]:
            self.mol.AddBond(i + 1, j + 1, order)
        self.mol.EndModify()
        self.mol.SetTotalCharge(sum(ask["charges"]))
        self.atoms = [self.mol.GetAtom(i + 1) for i in range(self.mol.NumAtoms())]
        self.missing = self._setup()

    def _setup(self) -> list[str]:
        """Set up; Open Babel tells only its log which terms it has no parameters for."""
        with tempfile.TemporaryFile() as log:
            own = os.dup(2)
            os.dup2(log.fileno(), 2)
            try:
                self.ff.SetLogToStdErr()
                self.ff.SetLogLevel(1)
                done = self.ff.Setup(self.mol)
                self.ff.SetLogLevel(0)
            finally:
                os.dup2(own, 2)
                os.close(own)
            log.seek(0)
            text = log.read().decode(errors="replace")
        if not done:
            raise ValueError("Open Babel could not set the force field up for this molecule")
        found = (f"{m[1].lower()} {m[2]}" for m in MISSING.finditer(text))
        return list(dict.fromkeys(found))

    def about(self) -> dict[str, Any]:
        self.ff.GetAtomTypes(self.mol)
        self.ff.GetPartialCharges(self.mol)
        return {
            "unit": self.ff.GetUnit(),
            "types": [a.GetData("FFAtomType").GetValue() for a in self.atoms],
            "partial": [float(a.GetData("FFPartialCharge").GetValue()) for a in self.atoms],
            "missing": self.missing,
        }

    def evaluate(self, positions: array[float], count: int) -> bytes:
        """Energies, then forces; Open Babel's "gradient" is the force, -dE/dr."""
        width = 3 * len(self.atoms)
        if len(positions) != count * width:
            raise ValueError(f"{len(positions)} coordinates for {count} times {width}")
        energies, forces = array("d"), array("d")
        energy, force_on, mol = self.ff.Energy, self.ff.GetGradient, self.mol
        for start in range(0, len(positions), width):
            x = positions[start : start + width]
            for i, atom in enumerate(self.atoms):
                atom.SetVector(x[3 * i], x[3 * i + 1], x[3 * i + 2])
            self.ff.SetCoordinates(mol)
            energies.append(energy(True))
            for atom in self.atoms:
                v = force_on(atom)
                forces.extend((v.GetX(), v.GetY(), v.GetZ()))
        return (_ordered(energies) + _ordered(forces)).tobytes()


def _ordered(numbers: array[float]) -> array[float]:
    """Little-endian from native, or back."""
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers


def main() -> int:
    """Answer until the input ends."""
    asks = sys.stdin.buffer
    # what a library prints must not get between the answers
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    field: _Field | None = None
    while True:
        try:
            ask, data = receive(asks)
        except EOFError:
            return 0
        numbers = array("d")
        numbers.frombytes(data)
        _ordered(numbers)
        try:
            if "setup" in ask:
                field = _Field(ask, numbers)
                send(answers, field.about())
            elif field is None:
                send(answers, {"error": "no molecule has been set up"})
            else:
                send(answers, {"count": ask["count"]}, field.evaluate(numbers, ask["count"]))
        except (ImportError, ValueError, KeyError, TypeError, RuntimeError) as error:
            send(answers, {"error": f"{error}" or type(error).__name__})


if __name__ == "__main__":
    sys.exit(main())
