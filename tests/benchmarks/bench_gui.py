"""The longest time the window's thread is busy at one go while sGDML is trained, and start-up."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
ROOT = Path(__file__).resolve().parents[2]
N_TRAIN = 200


def startup() -> None:
    """Process start until the window can be used: first start, then with a project on disk."""
    code = (
        "import sys; from pathlib import Path; from app.start import run_window; "
        "d = Path(sys.argv[1]); "
        "run_window(startup_time=True, settings_path=d / 's.json', folder=d / 'p')"
    )
    with tempfile.TemporaryDirectory() as folder:
        for label in ("first start", "again", "again"):
            done = subprocess.run(
                [sys.executable, "-c", code, folder],
                cwd=ROOT,
                capture_output=True,
                text=True,
                check=True,
            )
            marks = ", ".join(" ".join(line.split()) for line in done.stdout.splitlines() if line)
            print(f"start-up ({label}): {marks}")


def stall(n_train: int = N_TRAIN) -> dict[str, float]:
    """Train in the real window -> longest stall s, stalls over 0.1 s, seconds of training."""
    from PySide6.QtCore import Qt
    from PySide6.QtWidgets import QApplication

    from app.stall import StallMonitor, live
    from app.start import make_window
    from core.analyses.fit import FitSpec

    app = QApplication.instance() or QApplication([])

    def wait(ready, seconds: float, what: str) -> None:
        until = time.monotonic() + seconds
        while not ready():
            if time.monotonic() > until:
                raise TimeoutError(f"{what} took longer than {seconds:g} s")
            live(10)

    with tempfile.TemporaryDirectory() as folder:
        window = make_window(
            settings_path=Path(folder) / "settings.json", folder=Path(folder) / "projects"
        )
        window.setWindowState(Qt.WindowState.WindowNoState)  # the pretended screen is small
        window.resize(1366, 768)
        window.show()
        window.begin(None, then=window.bridge.start)
        session = window.session
        ended: dict[str, str] = {}
        session.job_event.connect(
            lambda job, event: (
                ended.__setitem__(job, event.kind)
                if event.kind in ("done", "failed", "cancelled")
                else None
            )
        )
        wait(lambda: len(ended) >= 3, 120, "making the example")
        data = next(i for i in session.project.items("datasets") if i.name == "ethanol")
        window.open_workspace("Training")
        wait(lambda: window.settings.workspace == "Training", 10, "the training panel")
        live(500)
        monitor = StallMonitor()
        monitor.start()
        begin = time.monotonic()
        item = session.project.reserve("fits", "bench")
        job = session.submit(
            FitSpec(
                "sgdml",
                str(data.record),
                n_train=n_train,
                n_test=500,
                hyper={"sigma": 20},
                out=str(item.folder),
            ),
            title="sGDML",
        )
        wait(lambda: job in ended, 300, "training")
        live(500)  # what the panels do with the result counts too
        longest = monitor.stop()
        figures = {
            "longest_stall_s": longest,
            "stalls_over_100_ms": float(len(monitor.stalls)),
            "seconds": time.monotonic() - begin,
        }
        if ended[job] != "done":
            raise RuntimeError(f"the training ended as {ended[job]}")
        window.close()
        app.processEvents()
    return figures


def main() -> None:
    """Print both."""
    startup()
    figures = stall()
    print(
        f"training sGDML on {N_TRAIN} frames in the window: {figures['seconds']:.1f} s, longest "
        f"stall of the window {1000 * figures['longest_stall_s']:.0f} ms, "
        f"{figures['stalls_over_100_ms']:.0f} over 100 ms"
    )


if __name__ == "__main__":
    main()
