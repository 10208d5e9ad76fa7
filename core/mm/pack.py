"""A topology as plain arrays (the state of a saved model) and back, everything checked."""

from __future__ import annotations

import json

import numpy as np

from core.mm.topology import TERMS, Term, Topology

ARRAYS = ("charges", "rmin_half", "epsilon", "pairs", "pairs14", "scee14", "scnb14")
TEXT = "text"  #: name of the array that holds all texts, as the bytes of one JSON object
MAX_TEXT = 64 << 20  # bytes


def to_arrays(topology: Topology) -> dict[str, np.ndarray]:
    """Topology -> name -> array; `from_arrays` undoes it."""
    out: dict[str, np.ndarray] = {name: getattr(topology, name) for name in ARRAYS}
    out["coulomb"] = np.array([topology.coulomb])
    texts: dict[str, list[str] | str] = {
        "types": list(topology.types),
        "source": topology.source,
        "notes": list(topology.notes),
    }
    for kind, term in topology.terms().items():
        out[f"{kind}.atoms"] = term.atoms
        out |= {f"{kind}.{name}": column for name, column in term.parameters.items()}
        out[f"{kind}.penalty"] = term.penalty
        texts[f"{kind}.types"], texts[f"{kind}.source"] = list(term.types), list(term.source)
    data = json.dumps(texts, ensure_ascii=False).encode()
    return {**out, TEXT: np.frombuffer(data, dtype=np.uint8).copy()}


def from_arrays(state: dict[str, np.ndarray]) -> Topology:
    """The topology again. Raises ValueError (KeyError for a missing array) saying what is wrong."""
    left = dict(state)
    texts = _texts(left.pop(TEXT))
    terms = []
    for kind, (_, names) in TERMS.items():
        atoms = left.pop(f"{kind}.atoms")
        columns = {name: left.pop(f"{kind}.{name}") for name in names}
        penalty = left.pop(f"{kind}.penalty")
        words = [_words(texts, f"{kind}.{name}") for name in ("types", "source")]
        terms.append(Term(kind, atoms, columns, words[0], words[1], penalty))
    coulomb = np.asarray(left.pop("coulomb"), dtype=np.float64)
    if coulomb.shape != (1,):
        raise ValueError(f"coulomb has shape {coulomb.shape}, expected (1,)")
    arrays = {name: left.pop(name) for name in ARRAYS}
    if left:
        raise ValueError(f"unknown array {min(left)!r}")
    source = texts.get("source", "")
    if not isinstance(source, str):
        raise ValueError("source is no text")
    bond, angle, torsion, improper = terms
    return Topology(
        types=_words(texts, "types"),
        bond=bond,
        angle=angle,
        torsion=torsion,
        improper=improper,
        coulomb=float(coulomb[0]),
        source=source,
        notes=_words(texts, "notes"),
        **arrays,
    )


def _texts(data: np.ndarray) -> dict:
    if data.dtype != np.uint8 or data.ndim != 1 or data.size > MAX_TEXT:
        raise ValueError("the texts are no bytes")
    try:
        found = json.loads(data.tobytes().decode())
    except (ValueError, RecursionError):
        raise ValueError("the texts are damaged") from None
    if not isinstance(found, dict):
        raise ValueError("the texts are damaged")
    return found


def _words(texts: dict, name: str) -> tuple[str, ...]:
    words = texts.get(name)
    if not isinstance(words, list) or not all(isinstance(w, str) for w in words):
        raise ValueError(f"{name} is no list of texts")
    return tuple(words)
