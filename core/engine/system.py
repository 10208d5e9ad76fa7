"""What the worker tells about the machine it runs on."""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import platform
import sys

PACKAGES = ("numpy", "scipy", "torch", "rdkit", "ase", "tblite", "pyscf")


def versions() -> dict[str, str]:
    """Versions of Python and of what computes, without importing any of it."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[package] = importlib.metadata.version(package)
    return found


def devices() -> dict[str, str]:
    """Device name for `submit` -> what it is. Imports torch."""
    import torch

    found = {"cpu": f"{_processor()}, {os.cpu_count()} cores"}
    if torch.cuda.is_available():
        for index in range(torch.cuda.device_count()):
            found[f"cuda:{index}"] = torch.cuda.get_device_name(index)
    return found


def _processor() -> str:
    with contextlib.suppress(OSError), open("/proc/cpuinfo") as lines:
        for line in lines:
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def free_memory() -> float:
    """Bytes that programs can still take."""
    import psutil

    return float(psutil.virtual_memory().available)


def rss() -> float:
    """Resident memory of this process now, in bytes (20 µs); NaN where nobody can say."""
    with contextlib.suppress(OSError), open("/proc/self/statm") as line:
        return float(line.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    try:
        import psutil
    except ImportError:
        return float("nan")
    return float(psutil.Process().memory_info().rss)


def peak_rss() -> float:
    """Largest resident memory of this process in bytes; since `reset_peak_rss` where that works."""
    # not getrusage on Linux: its maximum is inherited from the process that started this one
    with contextlib.suppress(OSError), open("/proc/self/status") as lines:
        for line in lines:
            if line.startswith("VmHWM:"):
                return float(line.split()[1]) * 1024.0
    try:
        import resource
    except ImportError:  # Windows
        import psutil

        return float(psutil.Process().memory_info().peak_wset)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return float(peak if sys.platform == "darwin" else peak * 1024)


def reset_peak_rss() -> None:
    """Start a new maximum (Linux; elsewhere nothing happens)."""
    with contextlib.suppress(OSError), open("/proc/self/clear_refs", "w") as stream:
        stream.write("5")
