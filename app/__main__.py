"""`pescape`: the window, or a subcommand that needs no screen."""

from __future__ import annotations

import sys
import time

STARTED = time.perf_counter()


def main(argv: list[str] | None = None) -> int:
    """Run the program; returns its exit status."""
    arguments = sys.argv[1:] if argv is None else argv
    from app import cli

    if cli.wants_window(arguments):
        return _window(arguments)
    return cli.main(arguments)


def _window(arguments: list[str]) -> int:
    from app import cli, doctor

    options = cli.window_options(arguments)
    place = doctor.screen()
    if not place:
        print("There is no screen here (no DISPLAY or WAYLAND_DISPLAY that answers).", flush=True)
        if options.startup_time:
            return 1
        print("Running `pescape demo` instead; it needs none.", flush=True)
        return cli.main(["demo", "--out", "pescape-demo"])
    missing = doctor.missing_libraries(window=place == "x11")
    if missing:
        print(doctor.sentence(missing), file=sys.stderr)
        return 1
    from app.start import run_window

    return run_window(options.path, startup_time=options.startup_time, started=STARTED)


if __name__ == "__main__":
    sys.exit(main())
