"""What every subcommand uses: the engine with a progress bar, inputs, tables on the terminal."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any, Self

import numpy as np

from core.analyses.importing import Imported, ImportSpec, Report
from core.dataset import Dataset
from core.fieldref import FieldRef
from core.forcefields import absent
from core.molecule import Molecule


class UserError(Exception):
    """Something the person must change; shown as one line. status: the exit code."""

    def __init__(self, message: str, *, status: int = 2) -> None:
        super().__init__(" ".join(message.split()))
        self.status = status


class Console:
    """An engine, a scratch folder, and progress on stderr. Use as a context manager."""

    def __init__(self, *, device: str = "cpu", reading: dict[str, str] | None = None) -> None:
        self.device = device
        self.reading = reading or {}  # fields of ImportSpec that the person gave
        self._stack = contextlib.ExitStack()
        self._engine: Any = None
        self._scratch: Path | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._stack.close()

    @property
    def engine(self) -> Any:
        """The engine, started on first use."""
        if self._engine is None:
            from core.engine.client import Engine

            self._engine = self._stack.enter_context(Engine(workers=1))
        return self._engine

    def folder(self, name: str) -> Path:
        """A scratch folder that is gone when the command ends."""
        if self._scratch is None:
            made = self._stack.enter_context(tempfile.TemporaryDirectory(prefix="pescape-"))
            self._scratch = Path(made)
        path = self._scratch / name
        path.mkdir(exist_ok=True)
        return path

    def run(self, spec: Any, title: str) -> Any:
        """Submit, show progress until the end, return the result.

        Raises UserError (status 1) with the engine's sentence when the job failed.
        """
        from tqdm import tqdm

        from core.engine.client import EngineError

        bar = tqdm(
            total=100,
            desc=title,
            file=sys.stderr,
            leave=False,
            mininterval=0.1 if sys.stderr.isatty() else 5.0,  # a log file wants few lines
            bar_format="{desc} |{bar}| {percentage:3.0f} % {postfix}",
        )
        with bar:
            handle = self.engine.submit(spec, device=self.device, title=title)
            try:
                for event in handle.events():
                    if event.kind == "progress":
                        left = _left(event.payload.get("seconds_left"))
                        bar.set_postfix_str(left, refresh=False)
                        bar.update(round(100 * event.fraction) - bar.n)
                    elif event.kind == "log":
                        bar.write(f"  {event.payload['message']}", file=sys.stderr)
                return handle.result()
            except EngineError as error:
                raise UserError(str(error), status=1) from None
            except KeyboardInterrupt:
                handle.cancel()
                raise

    # -- inputs -----------------------------------------------------------------------------
    def read(self, source: str, *, name: str = "read") -> Imported:
        """Read a file or a SMILES string. Raises UserError where the person must decide."""
        smiles = not Path(source).exists() and _looks_like_smiles(source)
        spec = ImportSpec(
            path=source,
            format="smiles" if smiles else "",
            **self.reading,
            out=str(self.folder(name)),
        )
        found = self.run(spec, f"reading {Path(source).name}")
        for report in found.reports:
            if report.unsure:
                raise UserError(f"{source}: {report.unsure} {_how_to_say(report)}")
            self.say(_summary(report))
        return found

    def dataset(self, source: str, *, name: str = "data", several: str = "") -> tuple[Dataset, str]:
        """Read labelled frames of one molecule -> the data set and the path of its record.

        several: what else can be done with a file of several molecules.
        """
        found = self.read(source, name=name)
        if len(found.datasets) != 1:
            raise UserError(
                f"{source} holds {len(found.datasets)} different molecules; "
                f"give a file with one of them{several}"
            )
        return found.datasets[0], str(Path(found.paths[0]) / "record.npz")

    def molecule(self, source: str, *, frame: int = 1) -> Molecule:
        """Read one geometry (frame counted from 1)."""
        data, _ = self.dataset(source, name="geometry")
        if not 1 <= frame <= len(data):
            raise UserError(f"{source} has {len(data)} frames; there is no frame {frame}")
        return dataclasses.replace(data.molecule, positions=data.positions[frame - 1])

    def field(self, text: str, *, settings: list[str] | None = None) -> FieldRef:
        """MODEL|FIELD -> FieldRef: a file is a model, else a key with settings after commas.

        For example "mmff94,variant=MMFF94s" or "reference,data=frames.extxyz".
        """
        path = Path(text)
        if path.is_file():
            return FieldRef(key="", model=str(path.resolve()), label=path.stem)
        key, *inline = re.split(r",(?=\w+=)", text)
        hyper = parse_settings([*inline, *(settings or [])])
        known = {info.key: info for info in self.engine.catalog()}
        if key not in known:
            missing = absent().get(key)
            if missing:
                raise UserError(missing)
            raise UserError(
                f"{key!r} is neither a model file nor a force field; "
                f"known force fields: {', '.join(sorted(known))}"
            )
        if known[key].must_be_trained:
            raise UserError(f"{known[key].label} must be trained first: pescape fit")
        if known[key].family != "reference":
            said = ", ".join(str(v) for v in hyper.values())
            label = f"{known[key].label} ({said})" if said else known[key].label
            return FieldRef(key=key, hyper=hyper, label=label)
        source = hyper.pop("data", None)
        if source is None:
            raise UserError(f"say which data: {key},data=FILE")
        data, record = self.dataset(str(source), name="reference")
        return FieldRef(key=key, hyper=hyper, dataset=record, label=data.level or data.name)

    # -- words ------------------------------------------------------------------------------
    @staticmethod
    def say(text: str) -> None:
        """A line for the person (stdout)."""
        print(text, flush=True)

    @staticmethod
    def table(header: list[str], rows: list[list[str]]) -> None:
        """A plain table, numbers to the right."""
        widths = [max(len(str(r[i])) for r in [header, *rows]) for i in range(len(header))]
        for row in [header, *rows]:
            cells = [
                str(c).ljust(w) if i == 0 else str(c).rjust(w)
                for i, (c, w) in enumerate(zip(row, widths, strict=True))
            ]
            print("  ".join(cells).rstrip(), flush=True)

    @staticmethod
    def check_target(target: Path) -> None:
        """Raise UserError where no file can be written: before the work, which would be lost."""
        if target.is_dir():
            raise UserError(f"cannot write {target}: it is a folder; name a file")
        there = next(p for p in target.absolute().parents if p.exists())
        if not there.is_dir():
            raise UserError(f"cannot write {target}: {there} is no folder")
        if not os.access(there, os.W_OK):
            raise UserError(f"cannot write {target}: {there} must not be written to")

    @staticmethod
    def copy(source: Path, target: Path) -> None:
        """Copy a finished file to where the person wants it, atomically."""
        part = target.with_name(target.name + ".part")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, part)
            part.replace(target)
        except OSError as error:
            raise UserError(f"cannot write {target}: {error.strerror}") from None


def parse_settings(settings: list[str]) -> dict[str, bool | int | float | str]:
    """["sigma=20", …] -> values; numbers and true/false are recognised."""
    values: dict[str, bool | int | float | str] = {}
    for text in settings:
        key, sign, value = text.partition("=")
        if not sign or not key:
            raise UserError(f"--set {text!r} is not of the form name=value")
        values[key.strip()] = _value(value.strip())
    return values


def _value(text: str) -> bool | int | float | str:
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    for kind in (int, float):
        with contextlib.suppress(ValueError):
            return kind(text)
    return text


def _looks_like_smiles(text: str) -> bool:
    return "/" not in text.strip("/\\") and "." not in Path(text).suffix


def _left(seconds: Any) -> str:
    if not isinstance(seconds, float) or not np.isfinite(seconds):
        return ""
    return f"{seconds:.0f} s left" if seconds < 90 else f"{seconds / 60:.0f} min left"


def _how_to_say(report: Report) -> str:
    """Which option answers what an import is unsure about."""
    if not report.unit_choices:
        return "Say --force-sign keep or --force-sign flip."
    flag = "--length-units" if report.unsure.startswith("lengths") else "--units"
    return f"Say {flag}, one of: {', '.join(report.unit_choices)}."


def _summary(report: Report) -> str:
    text = (
        f"{report.formula}: {report.frames} frames, {report.n_energies} energies and "
        f"{report.n_forces} forces found"
    )
    if report.units:
        text += f"; units {report.units} ({report.unit_reason})"
    warnings = [*report.problems]
    if report.force_sign == "reversed":
        warnings.append(f"the forces look reversed: {report.force_sign_detail}")
    return "\n  ".join([text, *warnings])
