"""`make shots`: drive the real window on the example and keep pictures of every panel.

    python resources/make_shots.py [--out resources/screenshots] [--quick]

Works without a screen. Everything is computed by the engine, as a person would do it.
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

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
if not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

SIZE = (1366, 768)
FIELDS = ("PBE/def2-SVP", "MMFF94", "UFF", "GFN2-xTB")
CENTER = ("Surface", "Training", "Dynamics", "Comparison")


class Photographer:
    """Opens the window, waits for jobs, saves pictures."""

    def __init__(self, out: Path, work: Path) -> None:
        from PySide6.QtCore import Qt
        from PySide6.QtWidgets import QApplication

        from app.start import make_window

        self.out = out
        out.mkdir(parents=True, exist_ok=True)
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
        self.window.grab().save(str(path), "PNG", 0)  # 0: as small as it goes, still lossless
        print(path)

    def both(self, name: str) -> None:
        """One picture in each theme."""
        for theme in ("dark", "light"):
            self.window.set_theme(theme)
            self.take(f"{name}-{theme}")


def surfaces(camera: Photographer, *, relaxed: bool) -> None:
    """Maps of all force fields while they fill in, then finished, then the differences."""
    camera.window.open_workspace("Surface")
    panel = camera.window.panel("Surface")
    rows = panel.form.fields
    labels = [rows.item(k).text() for k in range(rows.count())]
    reference = [t for t in labels if "surface" in t] or [t for t in labels if "PBE" in t]
    for label in labels:
        rows.tick(label, label in FIELDS[1:] or label in reference[:1])
    panel.form.kind.setCurrentIndex(1 if relaxed else 0)
    panel.compute.click()
    job = panel.job
    camera.wait(lambda: job in camera.ended or panel.progress.value() > 500, 60)
    camera.take("surface-computing")
    camera.idle()
    camera.both("surface-maps")
    panel.display.difference.click()
    camera.both("surface-difference")
    panel.display.energy.click()


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
    camera.take("training-form")
    form.train.click()
    camera.rest(1200)
    camera.take("training-running")
    camera.idle()
    camera.both("training-result")


def dynamics(camera: Photographer) -> None:
    """A run with the newest force field: live, then finished."""
    camera.window.open_workspace("Dynamics")
    panel = camera.window.panel("Dynamics")
    combo = panel.form.field
    combo.setCurrentIndex(combo.count() - 1)
    panel.form.time.setValue(5.0)
    panel.run.click()
    job = panel.job
    camera.wait(lambda: job in camera.ended or panel.progress.value() > 300, 60)
    camera.take("dynamics-running")
    if not camera.wait(lambda: job in camera.ended, 90):
        camera.session.stop(job)
    camera.idle()
    camera.both("dynamics")


def comparison(camera: Photographer) -> None:
    """The scorecard."""
    camera.window.open_workspace("Comparison")
    panel = camera.window.panel("Comparison")
    panel.evaluate.click()
    camera.take("comparison-choose")
    panel.go.click()
    camera.idle()
    panel.evaluate.setChecked(False)
    camera.both("comparison")


def small_things(camera: Photographer, work: Path) -> None:
    """Import report, broken file, notices, the command palette."""
    window = camera.window
    source = ROOT / "resources" / "examples" / "ethanol" / "surface.extxyz"
    camera.session.import_requested.emit(str(source))
    camera.idle()
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
    camera.take("broken-file-and-offer")


def main() -> int:
    """Take all pictures; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=ROOT / "resources" / "screenshots")
    parser.add_argument("--relaxed", action="store_true", help="relax the surfaces (minutes)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        camera = Photographer(options.out, Path(folder))
        camera.rest(300)
        camera.take("first-second")
        camera.wait(lambda: len(camera.ended) >= 3, 60)
        camera.idle()
        camera.both("start")
        surfaces(camera, relaxed=options.relaxed)
        training(camera)
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
