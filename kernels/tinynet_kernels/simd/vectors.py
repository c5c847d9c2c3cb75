"""The vector registers of the processor that Numba compiles for.

Numba keeps compiled code per processor model and features, so code on disk that was made for one vector
length is never run by a processor that has another.
"""

import platform

from llvmlite import binding
from numba.core import config

__all__ = ["TALLEST", "VECTORS", "VECTOR_BYTES", "WIDTH_BYTES"]


def _features():
    """The names of the instruction sets that Numba may use."""
    if config.CPU_FEATURES is not None:
        return {name[1:] for name in config.CPU_FEATURES.split(",") if name.startswith("+")}
    if config.CPU_NAME is not None and binding.get_host_cpu_name() != config.CPU_NAME:
        return set()
    return {name for name, present in binding.get_host_cpu_features().items() if present}


def _vector_bytes(features):
    if config.ENABLE_AVX and "avx512f" in features:
        return 64
    if config.ENABLE_AVX and "avx2" in features:
        return 32
    return 16


def _tallest(vector_bytes):
    has_32_registers = vector_bytes == 64 or platform.machine().lower() in ("aarch64", "arm64")
    return 12 if has_32_registers else 6


VECTOR_BYTES = _vector_bytes(_features())

VECTORS = 2  # side by side in a tile

WIDTH_BYTES = VECTORS * VECTOR_BYTES  # one row of a tile

TALLEST = _tallest(VECTOR_BYTES)  # rows of the largest tile
