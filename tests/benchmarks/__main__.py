"""`make bench`: every bench_*.py here, one after the other; main() of each prints its table."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path


def main() -> int:
    """Run all benchmarks, or those whose names are given."""
    wanted = sys.argv[1:]
    for path in sorted(Path(__file__).parent.glob("bench_*.py")):
        name = path.stem.removeprefix("bench_")
        if wanted and name not in wanted:
            continue
        print(f"\n== {name} " + "=" * (60 - len(name)), flush=True)
        importlib.import_module(f"tests.benchmarks.{path.stem}").main()
    return 0


if __name__ == "__main__":
    sys.exit(main())
