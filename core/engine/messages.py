"""What client and worker say to each other besides events."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from core.engine.events import Event
from core.forcefields.info import Info
from core.wire import wire

PROTOCOL = 1


@wire
@dataclass(frozen=True)
class Hello:
    """The worker's first message. devices: name for `submit` -> what it is."""

    pid: int
    versions: dict[str, str]
    devices: dict[str, str]
    protocol: int = PROTOCOL


@wire
@dataclass(frozen=True)
class Catalog:
    """The force fields there are; problem: why they could not be listed, or ""."""

    infos: tuple[Info, ...]
    problem: str = ""


@wire
@dataclass(frozen=True)
class Refused:
    """The worker got something ill-formed and ends."""

    message: str


@wire
@dataclass(frozen=True, eq=False)
class RunJob:
    """Run the analysis that `spec` belongs to."""

    job: str
    spec: Any
    device: str


@wire
@dataclass(frozen=True)
class CancelJob:
    """Throw the job away at its next check."""

    job: str


@wire
@dataclass(frozen=True)
class StopJob:
    """Finish the job early, keep what is there."""

    job: str


@wire
@dataclass(frozen=True)
class AskCatalog:
    """Send the catalogue."""


FromWorker = Hello | Catalog | Refused | Event
ToWorker = RunJob | CancelJob | StopJob | AskCatalog
