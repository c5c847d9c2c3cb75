"""PyTorch, if it is installed, set up so that a comparison with it is fair.

Two threads, as many as tinynet uses; its two memory formats for images, of which each comparison counts
the faster; inputs converted beforehand.
"""

import os
import shutil

import numpy as np

try:
    import torch
except ImportError:
    torch = None

__all__ = [
    "FORMATS",
    "THREADS",
    "as_in_pytorch",
    "channels_first",
    "memory_formats",
    "require_compiler",
    "torch",
]

THREADS = 2

CHANNELS_FIRST, CHANNELS_LAST = "PyTorch NCHW", "PyTorch channels_last"

FORMATS = (CHANNELS_FIRST, CHANNELS_LAST)

if torch is not None:
    torch.set_num_threads(THREADS)


def memory_formats():
    """The names of PyTorch's memory formats and what PyTorch calls them; empty without PyTorch."""
    from benchmarks.place import has_pytorch

    if not has_pytorch():
        return {}
    return dict(zip(FORMATS, (torch.contiguous_format, torch.channels_last), strict=True))


def require_compiler():
    """Ends the program with a message if torch.compile could not work here."""
    if torch is None:
        raise SystemExit("--compile needs PyTorch")
    if not any(map(shutil.which, (os.environ.get("CXX", "g++"), "clang++"))):
        raise SystemExit("--compile needs a C++ compiler: g++, clang++, or one that is named in CXX")


def channels_first(images, memory_format):
    """Our images (N, H, W, C) as PyTorch's tensor (N, C, H, W), laid out as `memory_format` says."""
    from benchmarks.place import theirs

    tensor = torch.from_numpy(np.ascontiguousarray(np.moveaxis(images, -1, 1)))
    return theirs(tensor.contiguous(memory_format=memory_format))


def as_in_pytorch(weight, flattened=None):
    """Our weight as PyTorch lays it out.

    Args:
        weight: a convolution's (kh, kw, C / groups, O), a dense (in, out), or a vector.
        flattened: for the dense weight after flattened images (H, W, C) their shape: PyTorch flattens them in
            the order C, H, W.
    """
    if weight.ndim == 4:
        weight = weight.transpose(3, 2, 0, 1)
    elif weight.ndim == 2 and flattened is not None:
        columns = weight.shape[1]
        weight = weight.reshape(*flattened, columns).transpose(3, 2, 0, 1).reshape(columns, -1)
    else:
        weight = weight.T
    return torch.from_numpy(weight.copy())
