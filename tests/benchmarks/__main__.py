"""`make bench`: the bench_*.py here, one after the other; main() of each prints its table.

python -m tests.benchmarks                quick, under 10 minutes for the trained force fields
python -m tests.benchmarks --full         accuracy of all of them on all molecules: an hour
python -m tests.benchmarks gaff sgdml     only these
"""

from __future__ import annotations

import importlib
import sys
import traceback
from pathlib import Path

#: look into one method more closely than `accuracy`, which has them all; run when named
CLOSER = ("ace", "fchl", "gap", "sgdml")


def main() -> int:
    """Run all benchmarks, or those whose names are given."""
    wanted = [w for w in sys.argv[1:] if w != "--full"]
    full = ["--full"] if "--full" in sys.argv else []
    failed: list[str] = []
    for path in sorted(Path(__file__).parent.glob("bench_*.py")):
        name = path.stem.removeprefix("bench_")
        if (name not in wanted) if wanted else (name in CLOSER):
            continue
        print(f"\n== {name} " + "=" * (60 - len(name)), flush=True)
        try:
            module = importlib.import_module(f"tests.benchmarks.{path.stem}")
            module.main(full) if name == "accuracy" else module.main()
        except Exception:  # the other tables are still worth having
            traceback.print_exc()
            failed.append(name)
    if failed:
        print(f"\nfailed: {', '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
