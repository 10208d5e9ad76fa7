"""Accuracy and speed of the trained force fields on rMD17 and 3BPA beside the published figures.

    python -m tests.benchmarks accuracy                 quick: ethanol, few frames
    python -m tests.benchmarks.bench_accuracy --full    all of them (most of an hour)
    … --only ace,gap --molecules ethanol --readme       some of them; put the tables into README.md

Every fit is a `pescape fit` in a process of its own, so that its memory is its own. What was
measured is kept in out/accuracy.json and dated; --readme writes the tables from there.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.benchmarks import accuracy_peers as peers
from tests.benchmarks.fields import ROOT

KEPT = ROOT / "out" / "accuracy.json"
README = ROOT / "README.md"
MARKS = ("<!-- accuracy: written by make bench -->", "<!-- end of accuracy -->")


def shared() -> Path | None:
    """Where the reference data lie; None where they are not."""
    folder = Path(os.environ.get("PESCAPE_SHARED", ROOT.parent / "shared"))
    return folder if (folder / "data" / "rmd17").is_dir() else None


def pescape(*words: str, threads: int = 0) -> dict[str, Any]:
    """Run a command of the program, on so many threads if said; what it writes with --json."""
    env = {**os.environ, **({"OMP_NUM_THREADS": str(threads)} if threads else {})}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "figures.json"
        line = [sys.executable, "-m", "app", *words, "--json", str(file)]
        done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, env=env)
        if done.returncode:
            raise RuntimeError(f"{' '.join(words)}\n{done.stderr.strip()[-600:]}")
        return json.loads(file.read_text())


def rmd17(data: Path, key: str, molecule: str, frames: int) -> dict[str, Any]:
    """Fit on the first file's frames, test on the thousand of the other."""
    folder = data / "rmd17"
    settings = [w for s in peers.SETTINGS.get(key, ()) for w in ("--set", s)]
    with tempfile.TemporaryDirectory() as out:
        return pescape(
            "fit", str(folder / f"rmd17_{molecule}_train_01.npz"), "--field", key,
            "--train", str(frames), "--valid", "0" if frames == 1000 else "100", *settings,
            "--test", str(folder / f"rmd17_{molecule}_test_01.npz"), "--out", f"{out}/m.npz",
        )  # fmt: skip


def threebpa(data: Path, key: str) -> dict[str, Any]:
    """Fit on the 500 frames at 300 K, test on the blocks of the mixed set that are not in it."""
    from ase.io import read, write

    folder = data / "3bpa"
    names = ("train_300K", "train_mixedT", "iso_atoms")
    train, mixed, atoms = (next(folder.rglob(f"*{n}*xyz")) for n in names)
    seen = {f.positions.round(6).tobytes() for f in read(train, ":")}
    frames = read(mixed, ":")
    settings = [w for s in peers.SETTINGS.get(key, ()) for w in ("--set", s)]
    with tempfile.TemporaryDirectory() as out:
        model = f"{out}/m.npz"
        found = pescape("fit", str(train), "--field", key, "--train", "500", "--valid", "0",
                        "--isolated", str(atoms), *settings, "--out", model)  # fmt: skip
        found["blocks"] = []
        for block in (slice(0, 167), slice(167, 333), slice(333, 500)):
            fresh = [f for f in frames[block] if f.positions.round(6).tobytes() not in seen]
            write(f"{out}/block.extxyz", fresh)
            e = pescape("predict", model, f"{out}/block.extxyz", threads=1)
            found["one_core_ms"] = e["predict_bulk_ms"] / len(fresh[0])
            found["blocks"].append(
                (1e3 * e["energy_rmse_eV"], 1e3 * e["force_rmse_eV_per_A"], len(fresh))
            )
        return found


def kept() -> dict[str, Any]:
    """Earlier figures, by "field molecule frames"."""
    return json.loads(KEPT.read_text()) if KEPT.exists() else {}


def keep(name: str, figures: dict[str, Any]) -> None:
    """Add one result, dated."""
    every = kept() | {name: {**figures, "date": time.strftime("%Y-%m-%d")}}
    KEPT.parent.mkdir(exist_ok=True)
    KEPT.write_text(json.dumps(every, indent=1))


def number(value: float | None, digits: int = 1) -> str:
    """A figure, or a dash where there is none."""
    return "–" if value is None or not math.isfinite(value) else f"{value:.{digits}f}"


def ratio(ours: float, theirs: float | None) -> str:
    """Ours over theirs."""
    known = theirs is not None and math.isfinite(theirs) and math.isfinite(ours)
    return f"{ours / theirs:.2f}" if known and theirs else "–"


HEAD = (
    "| force field | molecule | frames | E MAE meV | published | ratio | F MAE meV/Å | published "
    "| ratio | fit s | GiB | ms per geometry, bulk / single | its own program: F, fit s, ms "
    "| functions |\n|---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|---|--:|"
)


def row(key: str, molecule: str, frames: int, f: dict[str, Any]) -> str:
    """One line of the table."""
    e, force = 1e3 * f["energy_mae_eV"], 1e3 * f["force_mae_eV_per_A"]
    paper = peers.PUBLISHED.get((key, molecule)) if frames == 1000 else None
    pe, pf = paper or (None, None)
    peer = peers.MEASURED.get((key, molecule, frames))
    other = "" if peer is None else (
        f"{peer.name}: {number(peer.force)}, {number(peer.fit, 0)}, {number(peer.bulk, 2)}"
    )  # fmt: skip
    return (
        f"| {key} | {molecule} | {frames} | {number(e, 2)} | {number(pe)} | {ratio(e, pe)} "
        f"| {number(force)} | {number(pf)} | {ratio(force, pf)} | {number(f['fit_seconds'])} "
        f"| {number(f['peak_rss_bytes'] / 2**30, 2)} | {number(f['predict_bulk_ms'], 3)} / "
        f"{number(f['predict_single_ms'], 2)} | {other} "
        f"| {f['info'].get('basis functions', '')} |"
    )


HEAD_3BPA = (
    "| 3BPA, 500 frames at 300 K | " + " | ".join(f"{b}: E / F" for b in peers.BLOCKS)
    + " | functions | fit s | GiB | ms per atom, one core |\n|---|--:|--:|--:|--:|--:|--:|--:|"
)  # fmt: skip


def row_3bpa(key: str, f: dict[str, Any]) -> str:
    """RMSE of each block, the published one in brackets."""
    paper = peers.PUBLISHED_3BPA.get(key)
    cells = []
    for i, (e, force, _) in enumerate(f["blocks"]):
        theirs = f" ({paper[i][0]} / {paper[i][1]})" if paper else ""
        cells.append(f"{number(e)} / {number(force)}{theirs}")
    memory = number(f["peak_rss_bytes"] / 2**30, 2)
    size, speed = f["info"].get("basis functions", "–"), number(f.get("one_core_ms"), 2)
    fit = number(f["fit_seconds"])
    return f"| {key} | {' | '.join(cells)} | {size} | {fit} | {memory} | {speed} |"


def tables(figures: dict[str, Any]) -> str:
    """All results as Markdown."""
    lines = [HEAD]
    for key, molecule, frames in dict.fromkeys((*peers.FULL, *peers.QUICK)):
        found = figures.get(f"{key} {molecule} {frames}")
        if found:
            lines.append(row(key, molecule, frames, found))
    big = [
        (k, figures[f"{k} 3bpa 500"]) for k in peers.PUBLISHED_3BPA if f"{k} 3bpa 500" in figures
    ]
    if big:
        lines += ["", HEAD_3BPA, *(row_3bpa(k, f) for k, f in big)]
    dates = sorted({f["date"] for f in figures.values()})
    lines += ["", f"Measured {' and '.join(dates)} by `tests/benchmarks/bench_accuracy.py`."]
    return "\n".join(lines)


def write_readme() -> None:
    """Put the tables between the marks in README.md."""
    text = README.read_text(encoding="utf-8")
    if not all(m in text for m in MARKS):
        raise SystemExit(f"README.md has no place for the tables: {MARKS[0]}")
    before, rest = text.split(MARKS[0], 1)
    after = rest.split(MARKS[1], 1)[1]
    new = f"{before}{MARKS[0]}\n\n{tables(kept())}\n\n{MARKS[1]}{after}"
    README.write_text(new, encoding="utf-8")


def measure(data: Path, cases: list[tuple[str, str, int]]) -> int:
    """Run the cases, printing each as it comes; how many failed."""
    failed = 0
    print(HEAD)
    for key, molecule, frames in cases:
        try:
            found = (
                threebpa(data, key) if molecule == "3bpa" else rmd17(data, key, molecule, frames)
            )
        except RuntimeError as error:
            failed += 1
            print(f"failed: {error}", flush=True)
            continue
        keep(f"{key} {molecule} {frames}", found)
        if molecule == "3bpa":
            print(f"{HEAD_3BPA}\n{row_3bpa(key, found)}", flush=True)
        else:
            print(row(key, molecule, frames, found), flush=True)
    return failed


def main(words: list[str] | None = None) -> int:
    """See the module."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--only", default="", help="force fields, with commas")
    parser.add_argument("--molecules", default="", help="molecules, with commas; 3bpa too")
    parser.add_argument("--frames", type=int, default=0)
    parser.add_argument("--readme", action="store_true")
    options = parser.parse_args(words or [])
    data = shared()
    if data is None:
        print("the reference data are not here: nothing to measure")
        return 0
    big = [(k, "3bpa", 500) for k in ("ace",)]
    cases = [*peers.FULL, *big] if options.full or options.molecules else list(peers.QUICK)
    only, molecules = (set(x.split(",")) - {""} for x in (options.only, options.molecules))
    cases = [c for c in cases if not only or c[0] in only]
    cases = [c for c in cases if not molecules or c[1] in molecules]
    cases = [c for c in cases if not options.frames or c[2] == options.frames]
    failed = measure(data / "data", cases)
    if options.readme:
        write_readme()
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
