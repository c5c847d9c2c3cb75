"""What the GPU can do at most: bytes to and from its memory, and products in each precision.

Measured in the same run as everything that is compared with it, with CuPy and, where it is there, PyTorch,
of which the faster counts.
"""

import sys

from benchmarks.place import TF32, finish, has_pytorch, on
from benchmarks.pytorch import torch
from benchmarks.timing import interleaved, machine

__all__ = ["describe_gpu", "measure_gpu_peaks"]

COPIED_BYTES = 2**30
SIZE = 8192  # of square matrices
ROUNDS = 7
SECONDS = 0.05


def describe_gpu():
    """What the figures depend on: the GPU, its driver, and versions."""
    cupy = sys.modules["cupy"]
    runtime = cupy.cuda.runtime
    properties = runtime.getDeviceProperties(0)
    return {
        **machine("tinynet", "numpy", "torch"),
        "gpu": properties["name"].decode(),
        "memory": properties["totalGlobalMem"],
        "cupy": cupy.__version__,
        "cuda": runtime.runtimeGetVersion(),
        "driver": runtime.driverGetVersion(),
        "tensor_library": None if torch is None else torch.version.cuda,
    }


def measure_gpu_peaks(copied_bytes=COPIED_BYTES, size=SIZE):
    """Operations per second of products by precision, and bytes per second of a copy, read and written.

    To be called with a GPU as the place, see `place.on`.
    """
    flops = {}
    for precision in ("float32", TF32, "float16"):
        with on("cuda", precision if precision == TF32 else "float32"):
            flops[precision] = 2 * size**3 / _fastest(_products(size, precision))
    return {"flops": flops, "bandwidth": 2 * copied_bytes / _fastest(_copies(copied_bytes))}


def _fastest(functions):
    timings = interleaved(functions, ROUNDS, least_seconds=SECONDS, finish=finish)
    return min(timing.median for timing in timings.values())


def _products(size, precision):
    from tinynet_kernels import matmul

    cupy = sys.modules["cupy"]
    dtype = "float16" if precision == "float16" else "float32"
    a = cupy.full((size, size), 0.5, dtype)
    b = cupy.full((size, size), 0.25, dtype)
    functions = {"CuPy": lambda: matmul.product(a, b)}
    if has_pytorch():
        c, d = (torch.full((size, size), 0.5, dtype=getattr(torch, dtype), device="cuda") for _ in range(2))
        functions["PyTorch"] = lambda: c @ d
    return functions


def _copies(size):
    cupy = sys.modules["cupy"]
    a, b = cupy.zeros(size, "uint8"), cupy.empty(size, "uint8")

    def copy():
        b[...] = a

    functions = {"CuPy": copy}
    if has_pytorch():
        c, d = (torch.zeros(size, dtype=torch.uint8, device="cuda") for _ in range(2))
        functions["PyTorch"] = lambda: d.copy_(c)
    return functions
