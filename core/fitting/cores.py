"""Share pieces of tensor work between cores, one core to each piece.

Threads inside every torch operation wait for each other at its end; on small pieces, or on a
machine that does other work too, they wait longer than they compute.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import torch

Spread = Callable[[Callable[[Any], Any], Iterable[Any]], Iterable[Any]]


def one_core_each(threads: int) -> ThreadPoolExecutor:
    """Threads that each run torch operations on one core."""
    return ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,))


@contextmanager
def cores(count: int) -> Iterator[None]:
    """Run torch operations of this thread on `count` cores; `with` it or decorate with it."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def spread_over_cores(device: str) -> Iterator[Spread]:
    """A `map` over all cores that torch may use (on a GPU: plain `map`)."""
    threads = torch.get_num_threads()
    if not device.startswith("cpu") or threads == 1:
        yield map
        return
    with cores(1), one_core_each(threads) as pool:
        yield pool.map
