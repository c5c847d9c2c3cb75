"""Where both sides of a comparison compute, and how exactly: in main memory, or on the first GPU.

Comparisons prepare their arrays with `ours` and `theirs`, so that the same code serves both places.
"""

import sys
from contextlib import contextmanager, nullcontext

import numpy as np

import tinynet as tn
from benchmarks.pytorch import torch

__all__ = [
    "TF32",
    "as_numpy",
    "finish",
    "has_pytorch",
    "here",
    "is_on_gpu",
    "least_tolerance",
    "on",
    "ours",
    "theirs",
]

TF32 = "TF32"  # factors of products with 10 bits behind the point, on tensor cores

_TOLERANCES = {"float32": 0.0, TF32: 2e-2}

_place, _precision = "cpu", "float32"


@contextmanager
def on(place, precision="float32"):
    """Within this context comparisons are prepared for, and run on, ``"cpu"`` or ``"cuda"``.

    Args:
        precision: of products of float32, `TF32` or ``"float32"``, on both sides.
    """
    global _place, _precision
    before = _place, _precision
    _place, _precision = place, precision
    _set_pytorch(precision)
    try:
        with tn.autocast("tf32") if precision == TF32 else nullcontext():
            yield
    finally:
        _place, _precision = before
        _set_pytorch(_precision)


def _set_pytorch(precision):
    if torch is not None and torch.cuda.is_available():
        torch.backends.cuda.matmul.allow_tf32 = precision == TF32
        torch.backends.cudnn.allow_tf32 = precision == TF32
        torch.backends.cudnn.benchmark = True  # it takes the fastest of its algorithms


def is_on_gpu():
    """Whether this place is a GPU."""
    return _place != "cpu"


def has_pytorch():
    """Whether PyTorch is there and can compute in this place."""
    return torch is not None and (not is_on_gpu() or torch.cuda.is_available())


def least_tolerance():
    """How far results may differ at least, relative to their size, since the precision is what it is."""
    return _TOLERANCES[_precision]


def ours(array, requires_grad=False):
    """A tensor of tinynet in this place."""
    tensor = tn.tensor(array).to(_place)
    tensor.requires_grad = requires_grad
    return tensor


def theirs(array):
    """A tensor of PyTorch in this place: of an array, or one of PyTorch's."""
    tensor = torch.from_numpy(array) if isinstance(array, np.ndarray) else array
    return tensor.to(_place)


def here(model):
    """A model of either library, moved to this place."""
    return model.to(_place)


def as_numpy(result):
    """A result of either library, a tensor or an array, as an array of NumPy."""
    if isinstance(result, tn.Tensor):
        return result.detach().numpy()
    if torch is not None and isinstance(result, torch.Tensor):
        return result.detach().cpu().numpy()
    return result if isinstance(result, np.ndarray) else np.asarray(result.get())


def finish():
    """Waits until the GPU has done what both libraries gave it; nothing to wait for on the CPU."""
    if is_on_gpu():
        sys.modules["cupy"].cuda.Device().synchronize()
