"""`make bench`: every bench_*.py here, one after the other; main() of each prints its table."""

from __future__ import annotations

import importlib
import sys
import traceback
from pathlib import Path


def main() -> int:
    """Run all benchmarks, or those whose names are given."""
    wanted = sys.argv[1:]
    failed: list[str] = []
    for path in sorted(Path(__file__).parent.glob("bench_*.py")):
        name = path.stem.removeprefix("bench_")
        if wanted and name not in wanted:
            continue
        print(f"\n== {name} " + "=" * (60 - len(name)), flush=True)
        try:
            importlib.import_module(f"tests.benchmarks.{path.stem}").main()
        except Exception:  # the other tables are still worth having
            traceback.print_exc()
            failed.append(name)
    if failed:
        print(f"\nfailed: {', '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
