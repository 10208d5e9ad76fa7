"""`make shots`: drive the real window on the example and keep pictures of every panel.

    python -m resources.make_shots [--out resources/screenshots] [--relaxed]

Works without a screen. Everything is computed by the engine, as a person would do it. Pictures
have a palette of 256 colours, so that they stay small; those of an earlier run are removed.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
if not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

SIZE = (1366, 768)
COLOURS = 256
LEAST_PIXELS = 20  # of a shade that gets a place of its own in the palette
FIELDS = ("UFF", "GFN2-xTB", "sGDML 200")


def few_colours(picture: Image.Image) -> Image.Image:
    """The picture with a palette, which small but colourful things (markers) get a part of."""
    seen, counts = np.unique(np.asarray(picture).reshape(-1, 3), axis=0, return_counts=True)
    order = np.argsort(-counts)
    seen, counts = seen[order].astype(int), counts[order]
    _bins, first = np.unique(seen // 24, axis=0, return_index=True)  # the commonest of each shade
    first = first[counts[first] >= LEAST_PIXELS]
    vivid = np.argsort(-np.ptp(seen[first], axis=1))[: COLOURS // 2]
    sample = np.repeat(seen, np.ceil(counts**0.3).astype(int), axis=0).astype(np.uint8)
    rest = Image.fromarray(sample[None]).quantize(COLOURS - len(vivid)).getpalette() or []
    palette = Image.new("P", (1, 1))
    palette.putpalette([*seen[first][vivid].ravel().tolist(), *rest][: 3 * COLOURS])
    return picture.quantize(palette=palette, dither=Image.Dither.NONE)


class Photographer:
    """Opens the window, waits for jobs, saves pictures."""

    def __init__(self, out: Path, work: Path) -> None:
        from PySide6.QtCore import Qt
        from PySide6.QtWidgets import QApplication

        from app.start import make_window

        self.out = out
        out.mkdir(parents=True, exist_ok=True)
        for old in out.glob("*.png"):
            old.unlink()
        self.app = QApplication.instance() or QApplication(sys.argv[:1])
        self.window = make_window(settings_path=work / "settings.json", folder=work / "projects")
        self.session = self.window.session
        self.ended: dict[str, Any] = {}
        self.session.job_event.connect(self._job)
        self.window.set_theme("light")
        self.window.setWindowState(Qt.WindowState.WindowNoState)
        self.window.resize(*SIZE)
        self.window.show()
        self.window.begin(None, then=self.window.bridge.start)

    def _job(self, job: str, event: Any) -> None:
        if event.kind in ("done", "failed", "cancelled"):
            self.ended[job] = event
            if event.kind == "failed":
                print(f"job failed: {event.payload['message']}", file=sys.stderr)

    def wait(self, ready: Callable[[], bool], seconds: float = 120.0) -> bool:
        """Let the window live until `ready`; False when it took too long."""
        from app.stall import live

        until = time.monotonic() + seconds
        while not ready():
            if time.monotonic() > until:
                return False
            live(20)
        return True

    def rest(self, milliseconds: int = 400) -> None:
        """Let the window draw."""
        from app.stall import live

        live(milliseconds)

    def idle(self, seconds: float = 180.0) -> bool:
        """Wait until no job runs."""
        self.rest(200)
        return self.wait(lambda: not self.window.bridge.running, seconds)

    def take(self, name: str) -> None:
        """One picture."""
        self.rest()
        path = self.out / f"{name}.png"
        self.window.grab().save(str(path), "PNG")
        with Image.open(path) as picture:
            few_colours(picture.convert("RGB")).save(path, optimize=True)
        print(f"{path}  {path.stat().st_size / 1000:.0f} kB")

    def dark(self, name: str) -> None:
        """One picture in the dark theme."""
        self.window.set_theme("dark")
        self.take(name)
        self.window.set_theme("light")


def surfaces(camera: Photographer, *, relaxed: bool) -> None:
    """Maps of the force fields, the trained one too, while they fill in; then the difference."""
    camera.window.open_workspace("Surface")
    panel = camera.window.panel("Surface")
    rows = panel.form.fields
    labels = [rows.item(k).text() for k in range(rows.count())]
    reference = [t for t in labels if "surface" in t] or [t for t in labels if "PBE" in t]
    for label in labels:
        rows.tick(label, label in FIELDS or label in reference[:1])
    panel.form.kind.setCurrentIndex(1 if relaxed else 0)
    panel.compute.click()
    job = panel.job
    camera.wait(lambda: job in camera.ended or panel.progress.value() > 500, 60)
    camera.take("surface-computing")
    camera.idle()
    panel.display.both.click()
    panel.fold.click()
    camera.take("surface")
    camera.dark("surface-dark")
    panel.fold.click()


def training(camera: Photographer) -> None:
    """The form with its cost, the live curve, the result."""
    camera.window.open_workspace("Training")
    panel = camera.window.panel("Training")
    form = panel.form
    for k in range(form.data.count()):
        if form.data.itemText(k) == "ethanol":
            form.data.setCurrentIndex(k)
    camera.wait(lambda: form.train.isEnabled(), 20)
    camera.idle()
    form.train.click()
    camera.idle()
    camera.take("training")


def studies(camera: Photographer) -> None:
    """Learning curves, a search of settings and a flattened training set, all of them small."""
    camera.window.open_workspace("Studies")
    panel = camera.window.panel("Studies")
    camera.wait(lambda: all(f.data.dataset is not None for f in panel.forms), 20)
    for form in panel.forms:
        for k in range(form.data.combo.count()):
            if form.data.combo.itemText(k) == "ethanol":
                form.data.combo.setCurrentIndex(k)
    camera.rest()
    panel.learning.sizes.setText("20, 40, 80, 160")
    panel.learning.n_valid.set_value(40)
    panel.learning.n_test.set_value(200)
    panel.learning.fields.tick("GAFF")
    panel.search.n_train.set_value(40)
    panel.search.n_valid.set_value(60)
    row = panel.search.ranges.row("sigma")
    row.low.set_value(5)
    row.high.set_value(200)
    panel.search.ranges.row("lam").tick.setChecked(True)
    panel.flatten.n_train.set_value(200)
    panel.flatten.n_valid.set_value(40)
    panel.flatten.groups.set_value(50)
    names = ("studies-learning", "studies-search", "studies-flatten")
    for kind, (form, name) in enumerate(zip(panel.forms, names, strict=True)):
        panel.what.setCurrentIndex(kind)
        camera.wait(form.start.isEnabled, 20)
        form.start.click()
        camera.idle()
        camera.take(name)
    camera.dark("studies-dark")


def parameters(camera: Photographer) -> None:
    """GAFF's terms with a torsion chosen, then what a refit did."""
    camera.window.open_workspace("Parameters")
    panel = camera.window.panel("Parameters")
    camera.wait(lambda: panel.plots.current is not None, 30)
    torsions = [("torsion", 0)]
    panel.table.select(torsions)
    panel._chosen(torsions)
    camera.idle()
    camera.take("parameters")
    panel.tabs.setCurrentWidget(panel.refit)
    tab = panel.refit
    tab.form.data.setCurrentIndex(tab.form.data.findText("ethanol"))
    tab.form.frames.set_value(300)
    if camera.wait(tab.refit.isEnabled, 20):
        tab.refit.click()
        camera.idle()
        tab.tabs.setCurrentIndex(1)
    camera.take("refit")
    camera.dark("refit-dark")


def dynamics(camera: Photographer) -> None:
    """A run with the newest force field: live, then finished."""
    camera.window.open_workspace("Dynamics")
    panel = camera.window.panel("Dynamics")
    combo = panel.form.field
    combo.setCurrentIndex(combo.count() - 1)
    panel.form.time.setValue(5.0)
    panel.run.click()
    job = panel.job
    if not camera.wait(lambda: job in camera.ended, 90):
        camera.session.stop(job)
    camera.idle()
    camera.take("dynamics")


def comparison(camera: Photographer) -> None:
    """The scorecard."""
    camera.window.open_workspace("Comparison")
    panel = camera.window.panel("Comparison")
    panel.evaluate.click()
    panel.go.click()
    camera.idle()
    panel.evaluate.setChecked(False)
    camera.take("comparison")


def small_things(camera: Photographer, work: Path) -> None:
    """Import report, broken file, notices."""
    from PySide6.QtCore import Qt

    window = camera.window
    source = ROOT / "resources" / "examples" / "ethanol" / "surface.extxyz"
    camera.session.import_requested.emit(str(source))
    camera.idle()
    window.panel("Data")  # wide enough to read
    window.resizeDocks([window.docks.all["Data"]], [330], Qt.Orientation.Horizontal)
    window.resizeDocks([window.docks.all["Data"]], [420], Qt.Orientation.Vertical)
    camera.take("import-report")
    bad = work / "broken.xyz"
    bad.write_text("2\n\nH 0 0 0\nH 0 zero 0\n")
    camera.session.import_requested.emit(str(bad))
    camera.idle()
    window.notices.add(
        "The run “ethanol 300 K” was interrupted at 40 %.",
        "info",
        (("Go on", lambda: None), ("Discard", lambda: None)),
    )
    window.open_workspace("Surface")
    camera.take("broken-file")


def main() -> int:
    """Take all pictures; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=ROOT / "resources" / "screenshots")
    parser.add_argument("--relaxed", action="store_true", help="relax the surfaces (minutes)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        camera = Photographer(options.out, Path(folder))
        camera.wait(lambda: len(camera.ended) >= 3, 60)
        camera.idle()
        camera.take("start")
        training(camera)
        studies(camera)
        parameters(camera)
        surfaces(camera, relaxed=options.relaxed)
        dynamics(camera)
        comparison(camera)
        small_things(camera, Path(folder))
        failed = [e for e in camera.ended.values() if e.kind == "failed"]
        camera.window.close()
    return 1 if len(failed) > 1 else 0  # the broken file fails on purpose


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    sys.exit(status)
