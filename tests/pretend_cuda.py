"""A CUDA device that is not there: tensors that say cuda:0, compute here and never mix with others.

On a machine without a GPU it finds the mistakes that stop most programs on their first one: a
tensor left on the CPU beside one on the device, `.numpy()` of a tensor that is there, a table never
moved. It says nothing about speed, rounding or the kernels of a GPU.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any
from unittest import mock

import torch
from torch.utils._python_dispatch import TorchDispatchMode, return_and_correct_aliasing
from torch.utils._pytree import tree_leaves, tree_map

DEVICE = torch.device("cuda:0")
#: between devices by their nature
MOVES = {torch.ops.aten._to_copy.default, torch.ops.aten.copy_.default}
#: CUDA, too, takes their indices from the CPU, but not the other way round
INDEXED = {
    torch.ops.aten.index.Tensor,
    torch.ops.aten.index_put.default,
    torch.ops.aten.index_put_.default,
    torch.ops.aten._index_put_impl_.default,
    torch.ops.aten._unsafe_index.Tensor,
}


class There(torch.Tensor):
    """A tensor of the pretended device; `here` holds its numbers.

    To torch it lies on "meta", for autograd of a build without CUDA would ask cuda for its streams.
    """

    here: torch.Tensor

    @staticmethod
    def __new__(cls, here: torch.Tensor) -> There:
        dense = here.layout == torch.strided  # a sparse one has no strides; nobody asks for them
        return torch.Tensor._make_wrapper_subclass(
            cls,
            here.shape,
            strides=here.stride() if dense else (here.shape[1], 1),
            storage_offset=here.storage_offset() if dense else 0,
            dtype=here.dtype,
            device="meta",
            requires_grad=False,
        )

    def __init__(self, here: torch.Tensor) -> None:
        self.here = here

    def __repr__(self, *, tensor_contents: Any = None) -> str:
        return f"There({self.here!r})"

    @property
    def device(self) -> torch.device:  # type: ignore[override]
        return DEVICE

    @property
    def is_cuda(self) -> bool:  # type: ignore[override]
        return True

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    __index__ = __int__

    def __complex__(self) -> complex:
        return complex(self.item())

    def new_tensor(self, data: Any, **options: Any) -> torch.Tensor:
        return torch.tensor(data, **{"dtype": self.dtype, "device": DEVICE, **options})

    def tolist(self) -> Any:
        return self.here.detach().tolist()

    def numpy(self, **_: Any) -> Any:
        raise TypeError("can't convert cuda:0 device type tensor to numpy")

    __array__ = numpy

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return run(func, args, kwargs or {})


def wrap(x: Any) -> Any:
    """A result as a tensor of the device."""
    return There(x) if isinstance(x, torch.Tensor) and not isinstance(x, There) else x


def unwrap(x: Any) -> Any:
    """What an operation of the CPU can work with."""
    return x.here if isinstance(x, There) else x


def run(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """One operation, on the CPU, with its result where CUDA would put it.

    Raises RuntimeError where CUDA would: tensors of both, but for moves and indices.
    """
    tensors = [x for x in tree_leaves((args, kwargs)) if isinstance(x, torch.Tensor)]
    there = any(isinstance(x, There) for x in tensors)
    strange = [tuple(x.shape) for x in tensors if not isinstance(x, There) and x.ndim > 0]
    if there and strange and func not in MOVES | INDEXED:
        raise RuntimeError(f"{func}: tensors on cuda:0 and on cpu {strange} in one operation")
    if there and func in INDEXED and not isinstance(args[0], There):
        raise RuntimeError(f"{func}: indices on cuda:0 for a tensor on cpu")
    wanted = there
    if kwargs.get("device") is not None:
        wanted = torch.device(kwargs["device"]).type in ("cuda", "meta")
        kwargs = {**kwargs, "device": torch.device("cpu")}
    out = func(*tree_map(unwrap, args), **tree_map(unwrap, kwargs))
    if func is torch.ops.aten.copy_.default:
        return args[0]
    if not wanted:
        return out
    wrapped = tree_map(wrap, out)
    return return_and_correct_aliasing(func, args, kwargs, wrapped) if there else wrapped


class _Factories(TorchDispatchMode):
    """New tensors asked for on cuda, made from nothing or from the CPU's."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return run(func, args, kwargs or {})


@contextlib.contextmanager
def pretended() -> Iterator[None]:
    """Within, torch has one CUDA device, in this thread."""
    cuda = {
        "is_available": lambda: True,
        "is_initialized": lambda: True,
        "device_count": lambda: 1,
        "get_device_name": lambda *_: "pretended",
        "mem_get_info": lambda *_: (8 << 30, 16 << 30),
    }
    with contextlib.ExitStack() as stack:
        for name, value in cuda.items():
            stack.enter_context(mock.patch.object(torch.cuda, name, value))
        before = torch._C._set_only_lift_cpu_tensors(True)  # torch.tensor: made here, then moved
        stack.callback(torch._C._set_only_lift_cpu_tensors, before)
        stack.enter_context(_Factories())
        yield
