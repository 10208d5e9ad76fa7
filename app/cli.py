"""The command line: the same specs as the window, no screen and no Qt.

Every module of app.commands is one subcommand: NAME, HELP, ORDER, arguments(parser) and
run(options, console).
"""

from __future__ import annotations

import argparse
import importlib
import json
import pkgutil
import sys
import tomllib
from pathlib import Path
from types import ModuleType

from app import commands
from app.cli_output import plain, write_text
from app.console import Console, UserError

#: Fields of ImportSpec that every subcommand lets the person set: flag -> help.
READING = {
    "units": "energy unit of the files: eV, kcal/mol, kJ/mol, Hartree (default: found out)",
    "length_units": "length unit of the files (default: found out)",
    "force_sign": "keep or flip, where the forces look reversed",
    "energy_key": "which energies to take, where a file has several",
    "force_key": "which forces to take, where a file has several",
}


def discover() -> dict[str, ModuleType]:
    """Name -> module of every subcommand."""
    found = {}
    for module in pkgutil.iter_modules(commands.__path__):
        loaded = importlib.import_module(f"{commands.__name__}.{module.name}")
        if hasattr(loaded, "NAME"):
            found[loaded.NAME] = loaded
    return dict(sorted(found.items(), key=lambda row: row[1].ORDER))


def wants_window(arguments: list[str]) -> bool:
    """True without subcommand or plea for help: a path, or nothing at all, opens the window."""
    first = next((a for a in arguments if not a.startswith("-")), "")
    helps = {"-h", "--help", "--version"} & set(arguments)
    return first not in discover() and not helps


def window_options(arguments: list[str]) -> argparse.Namespace:
    """Options of the window itself."""
    options = build_parser(window_only=True).parse_args(arguments)
    if options.path and not Path(options.path).exists():
        print(f"pescape: there is no file or project at {options.path}", file=sys.stderr)
        raise SystemExit(2)
    return options


def build_parser(*, window_only: bool = False) -> argparse.ArgumentParser:
    """The whole command line."""
    parser = argparse.ArgumentParser(
        prog="pescape",
        description="Potential-energy surfaces, force fields and the dynamics they produce. "
        "Without a subcommand: opens the window, on PATH if one is given.",
    )
    parser.add_argument("--version", action="version", version=f"PEScape {version()}")
    parser.add_argument(
        "--startup-time", action="store_true", help="open the window, print how long it took, close"
    )
    if window_only:
        parser.add_argument("path", nargs="?", help="a project folder or a data file to open")
        return parser
    rooms = parser.add_subparsers(dest="command", metavar="COMMAND")
    for name, module in discover().items():
        sub = rooms.add_parser(name, help=module.HELP, description=module.__doc__)
        sub.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
        sub.add_argument(
            "--spec", type=Path, metavar="FILE.toml", help="options from a file; flags win"
        )
        sub.add_argument("--device", default="cpu", help="cpu (default) or cuda:N; never changed")
        module.arguments(sub)
        _reading(sub)
        sub.set_defaults(module=module)
    return parser


def _reading(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("how to read files")
    for name, words in READING.items():
        group.add_argument(f"--{name.replace('_', '-')}", default="", metavar="X", help=words)


def version() -> str:
    """The program's version."""
    import importlib.metadata

    try:
        return importlib.metadata.version("pescape")
    except importlib.metadata.PackageNotFoundError:
        return "0 (not installed)"


def main(arguments: list[str]) -> int:
    """Run a subcommand: 0 when it worked, 2 for input it cannot use, 1 when the work failed."""
    parser = build_parser()
    options = parser.parse_args(with_spec(arguments))
    if not getattr(options, "module", None):
        parser.print_help()
        return 2
    try:
        reading = {name: getattr(options, name) for name in READING}
        with Console(device=options.device, reading=reading) as console:
            if options.json:
                console.check_target(options.json)
            figures = options.module.run(options, console)
        if options.json:
            write_text(options.json, json.dumps(plain(figures), indent=1) + "\n")
    except UserError as error:
        print(f"pescape {options.command}: {error}", file=sys.stderr)
        return error.status
    except KeyboardInterrupt:
        print(f"\npescape {options.command}: interrupted", file=sys.stderr)
        return 130
    return 0


def with_spec(arguments: list[str]) -> list[str]:
    """Put the options of a --spec file in front of the flags, so that the flags win."""
    if "--spec" not in arguments:
        return arguments
    at = arguments.index("--spec")
    if at + 1 >= len(arguments):
        return arguments  # argparse says what is missing
    path = Path(arguments[at + 1])
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        print(f"pescape: cannot read the options in {path}: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    extra: list[str] = []
    positional: list[str] = []
    for key, value in table.items():
        values = value if isinstance(value, list) else [value]
        if key in ("data", "geometry", "model", "project"):
            positional += [str(v) for v in values]
        elif key == "set" and isinstance(value, dict):
            extra += [w for k, v in value.items() for w in ("--set", f"{k}={v}")]
        elif value is True:
            extra.append(f"--{key}")
        elif value is not False:
            extra += [w for v in values for w in (f"--{key}", str(v))]
    rest = arguments[1:at] + arguments[at + 2 :]
    return [arguments[0], *positional, *extra, *rest]
