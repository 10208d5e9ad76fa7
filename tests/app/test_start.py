"""Starting: quick, and without what only the worker needs."""

import os
import re
import subprocess
import sys

HEAVY = ("torch", "rdkit", "ase", "scipy", "matplotlib", "tblite", "pyscf")
CODE = """
import sys
from pathlib import Path
from app.start import run_window
folder = Path(sys.argv[1])
status = run_window(startup_time=True, settings_path=folder / "s.json", folder=folder / "projects")
print("loaded:", *(m for m in sys.argv[2].split(",") if m in sys.modules))
sys.exit(status)
"""


def test_window_starts_closes_and_loads_nothing_heavy(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", CODE, str(tmp_path), ",".join(HEAVY)],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "QT_QPA_PLATFORM": "offscreen"},
    )
    assert done.returncode == 0, done.stderr
    line, loaded = done.stdout.strip().splitlines()
    total, *marks = [float(n) for n in re.findall(r"\d+\.\d+", line)]
    assert line.startswith("window usable after ")
    assert len(marks) == 3
    assert marks == sorted(marks)
    assert max(marks) <= total < 10  # two where nothing else runs; see `make bench`
    assert loaded.split()[1:] == [], f"the window's process loaded {loaded}"
